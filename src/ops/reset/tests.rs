use std::path::Path;

use super::*;
use crate::model::DomainState;
use crate::ops::recover::{Recovery, recover as recover_all};
use crate::ops::testing::Bench;

/// A clone with an overlay of two disks, into which its guest has written.
fn bench() -> Bench {
    let bench = Bench::new();
    std::fs::write(bench.path("data.raw"), vec![5; 1 << 20]).unwrap();
    let data = bench.path("data.raw");
    let second = format!(
        "<disk type='file' device='disk'><driver type='raw'/><source file='{}'/>\
         <target dev='vdb'/></disk></devices>",
        data.display()
    );
    let xml = bench.domain_xml("golden").replace("</devices>", &second);
    bench.fake.change("golden", |domain| domain.xml = xml);
    bench.clone_of("golden", "a", true);
    for file in ["a.qcow2", "a-vdb.qcow2"] {
        write_into(&bench.path(file));
    }
    bench
}

/// As a guest does: more than a fresh overlay has.
fn write_into(path: &Path) {
    use std::io::{Seek as _, Write as _};
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(std::io::SeekFrom::End(0)).unwrap();
    file.write_all(&[9; 65536]).unwrap();
}

fn is_fresh(bench: &Bench, file: &str) -> bool {
    std::fs::metadata(bench.path(file)).unwrap().len() < 300_000
}

fn plan_of<'b>(bench: &'b Bench, targets: &[&str]) -> Result<ResetPlan<'b>> {
    let request = ResetRequest {
        targets: targets.iter().map(|t| t.parse().unwrap()).collect(),
        allow_dirs: Vec::new(),
    };
    let mut plans = plan(bench.host(), &[bench.domain("a")], &request).unwrap();
    plans.remove(0)
}

fn recover_now(bench: &Bench) -> Vec<String> {
    let recovery = Recovery {
        store: &bench.store,
        interrupt: &bench.interrupt,
        observer: &bench.said,
        connect: &|_| Ok(Some(Box::new(bench.fake.copy()))),
    };
    let recovered = recover_all(&recovery).unwrap();
    recovered.into_iter().map(|one| one.result).collect()
}

#[test]
fn all_overlays_are_as_new_and_belong_to_whom_they_did() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let bench = bench();
    let path = bench.path("a.qcow2");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let before = std::fs::metadata(&path).unwrap();
    let plan = plan_of(&bench, &[]).unwrap();
    assert_eq!(plan.disks.len(), 2);
    apply(bench.host(), plan).unwrap();
    assert!(is_fresh(&bench, "a.qcow2") && is_fresh(&bench, "a-vdb.qcow2"));
    let after = std::fs::metadata(&path).unwrap();
    assert_ne!(before.ino(), after.ino());
    assert_eq!(
        (before.mode(), before.uid(), before.gid()),
        (after.mode(), after.uid(), after.gid())
    );
    assert_eq!(bench.store.count_journals(), 0);
    assert_eq!(
        bench.files(),
        ["a-vdb.qcow2", "a.qcow2", "data.raw", "golden.raw"]
    );
}

#[test]
fn one_disk_can_be_named() {
    let bench = bench();
    apply(bench.host(), plan_of(&bench, &["vdb"]).unwrap()).unwrap();
    assert!(!is_fresh(&bench, "a.qcow2"));
    assert!(is_fresh(&bench, "a-vdb.qcow2"));
}

#[test]
fn snapshots_would_be_lost_and_are_not() {
    let bench = bench();
    bench
        .fake
        .change("a", |domain| domain.snapshots.push("s".to_owned()));
    let error = plan_of(&bench, &[]).err().unwrap();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.to_string().contains("1 snapshots"), "{error}");
}

#[test]
fn a_domain_that_changes_before_the_mark_keeps_its_disks() {
    let bench = bench();
    let plan = plan_of(&bench, &[]).unwrap();
    bench
        .fake
        .change("a", |domain| domain.state = DomainState::Saved);
    let before = bench.files();
    let error = apply(bench.host(), plan).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "{error}");
    assert!(!is_fresh(&bench, "a.qcow2") && !is_fresh(&bench, "a-vdb.qcow2"));
    assert_eq!(bench.files(), before);
    assert_eq!(bench.store.count_journals(), 0);
}

/// What a kill after the mark leaves behind, with the first disk replaced.
fn half_done(bench: &Bench) {
    let plan = plan_of(bench, &[]).unwrap();
    let replaced: Vec<ReplacedFile> = plan
        .guard
        .disks()
        .iter()
        .enumerate()
        .map(|(serial, disk)| ReplacedFile {
            pair: FilePair {
                temp: image::temporary(&disk.chain().top().path, Uuid::nil(), serial),
                path: disk.chain().top().path.clone(),
            },
            old: image::identity_of(disk.lease().image()).unwrap(),
        })
        .collect();
    let operation = Operation::Reset {
        name: "a".to_owned(),
        uuid: plan.domain.uuid,
        disks: replaced.clone(),
        allow_dirs: Vec::new(),
    };
    let mut journal = bench.store.begin("fake:///", operation).unwrap();
    let files = make(bench.host(), &plan, &replaced).unwrap();
    journal.add(&[Step::Committed { files }]).unwrap();
    image::replace(plan.guard.disks()[0].lease(), &replaced[0].pair.temp).unwrap();
}

#[test]
fn what_was_begun_after_the_mark_is_finished() {
    let bench = bench();
    half_done(&bench);
    assert!(!is_fresh(&bench, "a-vdb.qcow2"));
    assert_eq!(recover_now(&bench), ["All its disks are fresh now."]);
    assert!(is_fresh(&bench, "a.qcow2") && is_fresh(&bench, "a-vdb.qcow2"));
    assert_eq!(bench.files().len(), 4);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn what_the_guest_has_written_since_is_kept() {
    let bench = bench();
    half_done(&bench);
    write_into(&bench.path("a-vdb.qcow2"));
    let said = recover_now(&bench);
    assert!(said[0].contains("has been used since"), "{said:?}");
    assert!(is_fresh(&bench, "a.qcow2") && !is_fresh(&bench, "a-vdb.qcow2"));
    assert_eq!(bench.files().len(), 4);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_disk_that_is_a_link_is_reset_where_it_leads() {
    let bench = bench();
    let store = bench.path("elsewhere");
    std::fs::create_dir(&store).unwrap();
    std::fs::rename(bench.path("a-vdb.qcow2"), store.join("data.qcow2")).unwrap();
    std::os::unix::fs::symlink(store.join("data.qcow2"), bench.path("a-vdb.qcow2")).unwrap();
    apply(bench.host(), plan_of(&bench, &[]).unwrap()).unwrap();
    assert!(is_fresh(&bench, "a.qcow2") && is_fresh(&bench, "elsewhere/data.qcow2"));
    assert!(bench.path("a-vdb.qcow2").is_symlink());
    assert_eq!(bench.store.count_journals(), 0);
    assert_eq!(std::fs::read_dir(&store).unwrap().count(), 1);
}

#[test]
fn overlays_beside_what_a_link_leads_to_count() {
    let bench = bench();
    let store = bench.path("elsewhere");
    std::fs::create_dir(&store).unwrap();
    let real = store.join("data.qcow2");
    std::fs::rename(bench.path("a-vdb.qcow2"), &real).unwrap();
    std::os::unix::fs::symlink(&real, bench.path("a-vdb.qcow2")).unwrap();
    let overlay = image::Overlay {
        virtual_size: 1 << 20,
        backing: &real,
        backing_format: crate::model::ImageFormat::Qcow2,
    };
    drop(image::write(&store.join("stray.qcow2"), &overlay).unwrap());
    let error = plan_of(&bench, &[]).err().unwrap();
    assert_eq!(error.kind(), Kind::Protected, "{error}");
}

#[test]
fn what_others_have_come_to_use_since_is_not_replaced_under_them() {
    let stray = |bench: &Bench| {
        let overlay = image::Overlay {
            virtual_size: 1 << 20,
            backing: &bench.path("a-vdb.qcow2"),
            backing_format: crate::model::ImageFormat::Qcow2,
        };
        drop(image::write(&bench.path("stray.qcow2"), &overlay).unwrap());
    };
    let second = |bench: &Bench| {
        let xml = bench.xml("other", 9, "a-vdb.qcow2", "qcow2");
        bench.fake.add(&xml, DomainState::ShutOff);
    };
    let given_away = |bench: &Bench| {
        std::fs::copy(bench.path("a-vdb.qcow2"), bench.path("mine.qcow2")).unwrap();
        let xml = bench.domain_xml("a").replace("a-vdb.qcow2", "mine.qcow2");
        bench.fake.change("a", |domain| domain.xml = xml);
    };
    let hidden = |bench: &Bench| {
        std::fs::write(bench.path("broken.qcow2"), b"QFI\xfb\0\0\0\x03nonsense").unwrap();
    };
    let changes: [&dyn Fn(&Bench); 4] = [&stray, &second, &given_away, &hidden];
    for change in changes {
        let bench = bench();
        half_done(&bench);
        change(&bench);
        let said = recover_now(&bench);
        assert!(said[0].contains("stay as they are"), "{said:?}");
        assert!(!is_fresh(&bench, "a-vdb.qcow2"), "{said:?}");
        assert!(!bench.files().iter().any(|file| file.ends_with(".tmp")));
        assert_eq!(bench.store.count_journals(), 0);
    }
}

#[test]
fn a_guest_that_runs_is_left_alone_and_keeps_nobody_waiting() {
    for state in [DomainState::Running, DomainState::Saved] {
        let bench = bench();
        half_done(&bench);
        bench.fake.change("a", |domain| domain.state = state);
        let said = recover_now(&bench);
        assert!(said[0].contains("has been used since"), "{said:?}");
        assert!(!is_fresh(&bench, "a-vdb.qcow2"));
        assert_eq!(bench.store.count_journals(), 0);
    }
}

#[test]
fn a_new_file_that_is_gone_is_not_said_to_be_in_place() {
    let bench = bench();
    half_done(&bench);
    let temp = bench.files().into_iter().find(|f| f.ends_with(".tmp"));
    std::fs::remove_file(bench.path(&temp.unwrap())).unwrap();
    let said = recover_now(&bench);
    assert!(said[0].contains("is gone"), "{said:?}");
    assert!(!is_fresh(&bench, "a-vdb.qcow2"));
}
