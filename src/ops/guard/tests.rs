use super::*;
use crate::image::{LockState, Overlay, probe};
use crate::model::DomainState;
use crate::ops::testing::Bench;

/// A golden domain, and `a`, an overlay on its disk.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    bench
}

fn guard<'b>(bench: &'b Bench, name: &str) -> Result<WriteGuard<'b>> {
    WriteGuard::of_domain(bench.host(), &bench.domain(name), Wanted::default())
}

#[track_caller]
fn refused(result: Result<WriteGuard<'_>>, kind: Kind, words: &str) {
    let Err(error) = result else {
        panic!("it was not refused");
    };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn the_disks_are_ours_until_it_is_dropped() {
    let bench = bench();
    let own = bench.path("a.qcow2");
    let base = bench.path("golden.raw");
    let guard = guard(&bench, "a").unwrap();
    assert_eq!(guard.disks().len(), 1);
    assert_eq!(guard.disks()[0].target().unwrap().as_str(), "vda");
    assert_eq!(guard.disks()[0].chain().top().path, own);
    assert_eq!(probe(&own).unwrap(), LockState::Writer);
    assert_eq!(probe(&base).unwrap(), LockState::Readers);
    refused(super::tests::guard(&bench, "a"), Kind::Busy, "a.qcow2");
    let request = bench.request("a", &["b"]);
    let error = crate::ops::clone::plan(bench.host(), &request).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    drop(guard);
    assert_eq!(probe(&own).unwrap(), LockState::Free);
    assert_eq!(probe(&base).unwrap(), LockState::Free);
}

#[test]
fn only_a_domain_that_is_shut_off_is_written_to() {
    let bench = bench();
    for state in [
        DomainState::Running,
        DomainState::Paused,
        DomainState::PmSuspended,
        DomainState::Crashed,
        DomainState::ShuttingDown,
        DomainState::Saved,
    ] {
        bench.fake.change("a", |domain| domain.state = state);
        refused(guard(&bench, "a"), Kind::WrongState, "must be shut off");
    }
    bench.fake.change("a", |domain| {
        domain.state = DomainState::Running;
        domain.persistent = false;
    });
    refused(guard(&bench, "a"), Kind::WrongState, "transient");
    assert_eq!(probe(&bench.path("a.qcow2")).unwrap(), LockState::Free);
}

#[test]
fn what_others_use_is_refused_whatever_they_do() {
    let bench = bench();
    refused(guard(&bench, "golden"), Kind::Protected, "'a'");
    // The same file by another name, in a domain that is shut off.
    std::os::unix::fs::symlink(bench.path("a.qcow2"), bench.path("link.qcow2")).unwrap();
    let other = bench.xml("other", 9, "link.qcow2", "qcow2");
    let other = bench.fake.add(&other, DomainState::ShutOff);
    refused(guard(&bench, "a"), Kind::WrongState, "domain 'other'");
    // Read-only to the other, it would still change under it.
    let readonly = bench
        .xml("other", 9, "link.qcow2", "qcow2")
        .replace("<target", "<readonly/><target");
    bench.fake.change("other", |domain| domain.xml = readonly);
    refused(guard(&bench, "a"), Kind::WrongState, "domain 'other'");
    bench.fake.undefine_now(&other);
    drop(guard(&bench, "a").unwrap());
}

#[test]
fn overlays_that_no_domain_knows_count_too() {
    let bench = bench();
    let overlay = Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("a.qcow2"),
        backing_format: ImageFormat::Qcow2,
    };
    drop(image::write(&bench.path("stray.qcow2"), &overlay).unwrap());
    refused(guard(&bench, "a"), Kind::Protected, "stray.qcow2");
}

#[test]
fn where_nobody_can_tell_it_is_refused() {
    let bench = bench();
    std::fs::write(bench.path("broken.qcow2"), b"QFI\xfb\0\0\0\x03nonsense").unwrap();
    refused(guard(&bench, "a"), Kind::Unsafe, "not known");
    // It hides what is below it also where it is somebody's disk.
    let elsewhere = tempfile::tempdir().unwrap();
    let broken = elsewhere.path().join("broken.qcow2");
    std::fs::rename(bench.path("broken.qcow2"), &broken).unwrap();
    let other = bench
        .xml("other", 9, "x", "qcow2")
        .replace(bench.path("x").to_str().unwrap(), broken.to_str().unwrap());
    let other = bench.fake.add(&other, DomainState::ShutOff);
    refused(guard(&bench, "a"), Kind::Unsafe, "domain 'other'");
    bench.fake.undefine_now(&other);
    drop(guard(&bench, "a").unwrap());
}

#[test]
fn a_layer_that_is_not_followed_hides_only_what_is_below_it() {
    let bench = bench();
    let elsewhere = tempfile::tempdir().unwrap();
    let secret = elsewhere.path().join("secret");
    std::fs::write(&secret, [0; 512]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let add = |format, backing: &Path| {
        let path = dir.path().join("other.qcow2");
        let overlay = Overlay {
            virtual_size: 1 << 20,
            backing,
            backing_format: format,
        };
        drop(std::fs::remove_file(&path));
        drop(image::write(&path, &overlay).unwrap());
        let xml = bench
            .xml("other", 9, "x", "qcow2")
            .replace(bench.path("x").to_str().unwrap(), path.to_str().unwrap());
        bench.fake.add(&xml, DomainState::ShutOff)
    };
    // Below a raw image there is nothing.
    let other = add(ImageFormat::Raw, &secret);
    drop(guard(&bench, "a").unwrap());
    bench.fake.undefine_now(&other);
    // Below this there may be anything, until the user says where to look.
    let other = add(ImageFormat::Qcow2, &secret);
    let error = guard(&bench, "a").err().unwrap();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(error.hints()[0].contains("--allow-dir"), "{error}");
    bench.fake.undefine_now(&other);
    // Not followed, and yet known to be in use.
    let other = add(ImageFormat::Qcow2, &bench.path("a.qcow2"));
    refused(guard(&bench, "a"), Kind::Protected, "'other'");
    bench.fake.undefine_now(&other);
    drop(guard(&bench, "a").unwrap());
}

#[test]
fn what_an_image_is_is_told_by_who_could_be_read() {
    let bench = bench();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(bench.path("a.qcow2"), elsewhere.path().join("a")).unwrap();
    // The first that uses it is the clone, whose own image is not there.
    let golden = bench.domain_xml("golden");
    bench.fake.undefine_now(&bench.domain("golden"));
    bench.fake.add(&golden, DomainState::ShutOff);
    let file = image::id_of(&bench.path("golden.raw")).unwrap();
    let usage = Usage::read(&bench.fake).unwrap();
    assert_eq!(usage.children(file), ["a"]);
    assert_eq!(usage.layer(file).unwrap().format, ImageFormat::Raw);
}

#[test]
fn a_disk_that_was_plugged_in_counts() {
    let bench = bench();
    std::fs::write(bench.path("x.raw"), [0; 512]).unwrap();
    let other = bench.xml("other", 9, "x.raw", "raw");
    bench.fake.add(&other, DomainState::Saved);
    drop(guard(&bench, "a").unwrap());
    let more = format!(
        "<disk type='file'><driver type='qcow2'/><source file='{}'/><target dev='vdb'/></disk>\
         </devices>",
        bench.path("a.qcow2").display()
    );
    let current = other.replace("</devices>", &more);
    bench
        .fake
        .change("other", |domain| domain.current = Some(current));
    refused(guard(&bench, "a"), Kind::WrongState, "domain 'other'");
}

#[test]
fn a_damaged_image_that_stands_alone_hides_nothing() {
    let bench = bench();
    let elsewhere = tempfile::tempdir().unwrap();
    let damaged = elsewhere.path().join("damaged.qcow2");
    let overlay = Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("a.qcow2"),
        backing_format: ImageFormat::Qcow2,
    };
    drop(image::write(&damaged, &overlay).unwrap());
    let xml = bench
        .xml("other", 9, "x", "qcow2")
        .replace(bench.path("x").to_str().unwrap(), damaged.to_str().unwrap());
    bench.fake.add(&xml, DomainState::ShutOff);
    // Its tables are cut off; what is left says that it is an overlay.
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes.truncate(70_000);
    std::fs::write(&damaged, &bytes).unwrap();
    refused(guard(&bench, "a"), Kind::Unsafe, "not known");
    // And here that it is none.
    bytes[8..20].fill(0);
    std::fs::write(&damaged, &bytes).unwrap();
    drop(guard(&bench, "a").unwrap());
}

#[test]
fn a_base_that_changed_is_not_built_on() {
    let bench = bench();
    let base = bench.path("golden.raw");
    image::unseal(&base, 0o644).unwrap();
    std::fs::write(&base, vec![8; 1 << 20]).unwrap();
    refused(guard(&bench, "a"), Kind::Unsafe, "is not what it was");
}

#[test]
fn disks_are_chosen_by_name_and_must_be_ones_own() {
    let bench = bench();
    let xml = bench.xml("a", 2, "a.qcow2", "qcow2");
    for (inside, words) in [
        ("<readonly/>", "read-only"),
        ("<shareable/>", "shareable"),
        ("<transient/>", "transient"),
    ] {
        let xml = xml.replace("<target", &format!("{inside}<target"));
        bench.fake.change("a", |domain| domain.xml = xml);
        let vda: DiskTarget = "vda".parse().unwrap();
        let wanted = Wanted {
            targets: &[vda],
            ..Wanted::default()
        };
        let one = WriteGuard::of_domain(bench.host(), &bench.domain("a"), wanted);
        refused(one, Kind::WrongState, words);
        refused(guard(&bench, "a"), Kind::WrongState, "no disk of its own");
    }
    let vdx: DiskTarget = "vdx".parse().unwrap();
    let wanted = Wanted {
        targets: &[vdx],
        ..Wanted::default()
    };
    let none = WriteGuard::of_domain(bench.host(), &bench.domain("a"), wanted);
    refused(none, Kind::NotFound, "no disk vdx");
}

#[test]
fn what_changes_under_it_is_noticed() {
    let bench = bench();
    let guard = guard(&bench, "a").unwrap();
    guard.recheck().unwrap();
    let xml = bench.domain_xml("a");
    bench
        .fake
        .change("a", |domain| domain.xml = xml.replace("1024", "2048"));
    let error = guard.recheck().unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.to_string().contains("was changed meanwhile"));
    bench.fake.change("a", |domain| {
        domain.xml = xml;
        domain.state = DomainState::Saved;
    });
    assert_eq!(guard.recheck().unwrap_err().kind(), Kind::WrongState);
    bench.fake.undefine_now(&bench.domain("a"));
    let error = guard.recheck().unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
}

#[test]
fn an_image_is_found_by_its_path() {
    let bench = bench();
    let of = |file: &str, format| {
        WriteGuard::of_image(bench.host(), &bench.path(file), format, Allowed::default())
    };
    // It is a domain's: that decides, and also about the format.
    let guard = of("a.qcow2", Some(ImageFormat::Raw)).unwrap();
    assert_eq!(guard.disks()[0].chain().top().format, ImageFormat::Qcow2);
    drop(guard);
    bench
        .fake
        .change("a", |domain| domain.state = DomainState::Paused);
    refused(of("a.qcow2", None), Kind::WrongState, "domain 'a'");
    refused(of("golden.raw", None), Kind::Protected, "'a'");
    // It is nobody's.
    std::fs::write(bench.path("free.raw"), [0; 512]).unwrap();
    refused(of("free.raw", None), Kind::Usage, "format");
    let guard = of("free.raw", Some(ImageFormat::Raw)).unwrap();
    assert!(guard.disks()[0].target().is_none());
}

#[test]
fn what_another_disk_of_the_domain_hides_counts() {
    let bench = bench();
    let elsewhere = tempfile::tempdir().unwrap();
    // Its format is not said, so that nobody knows what is below it.
    let broken = elsewhere.path().join("broken.qcow2");
    std::fs::write(&broken, b"QFI\xfb\0\0\0\x03nonsense").unwrap();
    let second = format!(
        "<disk type='file' device='disk'><driver type='qcow2'/><source file='{}'/>\
         <target dev='vdb'/><readonly/></disk></devices>",
        broken.display()
    );
    let xml = bench.domain_xml("a").replace("</devices>", &second);
    bench.fake.change("a", |domain| domain.xml = xml);
    refused(guard(&bench, "a"), Kind::Unsafe, "Disk vdb of domain 'a'");
}

#[test]
fn uefi_variables_of_others_are_no_disk() {
    let bench = bench();
    let nvram = format!(
        "<os><type>hvm</type><nvram>{}</nvram></os><devices>",
        bench.path("link.fd").display()
    );
    std::os::unix::fs::symlink(bench.path("a.qcow2"), bench.path("link.fd")).unwrap();
    let other = bench
        .xml("other", 9, "none", "raw")
        .replace("<devices>", &nvram);
    bench.fake.add(&other, DomainState::ShutOff);
    refused(
        guard(&bench, "a"),
        Kind::WrongState,
        "UEFI variables of domain 'other'",
    );
}
