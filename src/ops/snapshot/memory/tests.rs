use std::sync::atomic::Ordering;

use super::*;
use crate::error::Kind;
use crate::hypervisor::Hypervisor as _;
use crate::model::DomainState;
use crate::ops::snapshot::create::CreateRequest;
use crate::ops::snapshot::tests::{bench, create as create_off, tags_of};
use crate::ops::snapshot::{NamedRequest, Records, Subject};
use crate::ops::testing::Bench;

/// The guest runs now.
fn running() -> Bench {
    let bench = bench();
    let xml = bench.domain_xml("guest");
    bench.fake.change("guest", |d| {
        d.state = DomainState::Running;
        d.current = Some(xml);
    });
    bench
}

fn request(bench: &Bench, name: &str) -> CreateRequest {
    CreateRequest {
        subject: Subject::Domain(bench.domain("guest")),
        name: Some(name.parse().unwrap()),
        description: None,
        allow_dirs: Vec::new(),
    }
}

fn plan(bench: &Bench, name: &str) -> Result<create::MemoryPlan> {
    create::plan(bench.host(), &bench.domain("guest"), &request(bench, name))
}

#[test]
fn what_libvirt_says_it_has_made_is_looked_for_and_else_taken_back() {
    let bench = running();
    let plan = plan(&bench, "s1").unwrap();
    assert_eq!(plan.will.images.len(), 1);
    // The fake writes to no image.
    let error = create::apply(bench.host(), &plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert!(
        error.to_string().contains("vda does not have it"),
        "{error}"
    );
    let records = Records::read(bench.host(), &bench.domain("guest")).unwrap();
    assert!(records.all.is_empty());
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_guest_without_memory_has_none_to_keep() {
    let bench = running();
    for (state, says) in [
        (DomainState::ShutOff, "is shut off"),
        (DomainState::Saved, "is saved"),
        (DomainState::Crashed, "is crashed"),
    ] {
        bench.fake.change("guest", |d| d.state = state);
        let error = plan(&bench, "s1").err().unwrap();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains(says), "{error}");
    }
    bench.fake.change("guest", |d| {
        d.state = DomainState::Running;
        d.persistent = false;
    });
    assert_eq!(plan(&bench, "s1").err().unwrap().kind(), Kind::WrongState);
}

#[test]
fn a_name_that_one_image_has_is_taken() {
    let bench = bench();
    create_off(&bench, "s1").unwrap();
    bench
        .fake
        .forget_snapshot(&bench.domain("guest"), "s1")
        .unwrap();
    assert_eq!(tags_of(&bench), ["s1"]);
    let xml = bench.domain_xml("guest");
    bench.fake.change("guest", |d| {
        d.state = DomainState::Paused;
        d.current = Some(xml);
    });
    let error = plan(&bench, "s1").err().unwrap();
    assert_eq!(error.kind(), Kind::Exists);
    assert!(
        error.to_string().contains("vda of domain 'guest'"),
        "{error}"
    );
    plan(&bench, "s2").unwrap();
}

#[test]
fn what_the_guest_can_write_to_must_be_its_own_and_qcow2() {
    let bench = running();
    let good = bench.domain_xml("guest");
    let nvram = "<os><type>hvm</type><nvram>/v.fd</nvram></os>\n  <devices>";
    for (from, to, says) in [
        ("type='qcow2'", "type='raw'", "is in the format raw"),
        ("<target dev", "<shareable/><target dev", "is shareable"),
        ("<target dev", "<transient/><target dev", "is transient"),
        ("<devices>", nvram, "the UEFI variables"),
        (
            "<target dev",
            "<readonly/><target dev",
            "no disk that could hold",
        ),
    ] {
        let xml = good.replacen(from, to, 1);
        assert_ne!(xml, good);
        bench.fake.change("guest", |d| d.current = Some(xml));
        let error = plan(&bench, "s1").err().unwrap();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// A guest that is shut off, with a snapshot `s1` that says it has its memory.
fn remembering() -> Bench {
    let bench = bench();
    create_off(&bench, "s1").unwrap();
    // `qemu-img` cannot make one: the sizes of the first entry of the table
    // (QEMU, `docs/interop/qcow2.rst`).
    let path = bench.path("guest.qcow2");
    let mut image = std::fs::read(&path).unwrap();
    let at = u64::from_be_bytes(image[64..72].try_into().unwrap());
    let at = usize::try_from(at).unwrap();
    image[at + 32..at + 36].copy_from_slice(&4096_u32.to_be_bytes());
    image[at + 40..at + 48].copy_from_slice(&4096_u64.to_be_bytes());
    std::fs::write(&path, image).unwrap();
    let domain = bench.domain("guest");
    let known = bench.fake.secure_snapshot(&domain, "s1").unwrap().unwrap();
    let known = known
        .expose()
        .replace("<memory snapshot='no'/>", "<memory snapshot='internal'/>")
        .replace("<state>shutoff", "<state>running");
    bench
        .fake
        .record_snapshot(&domain, &known.into(), true)
        .unwrap();
    bench
}

fn named(bench: &Bench) -> NamedRequest {
    NamedRequest {
        subject: Subject::Domain(bench.domain("guest")),
        name: "s1".to_owned(),
        allow_dirs: Vec::new(),
    }
}

fn go_on(bench: &Bench) -> Result<()> {
    let plan = apply::plan(bench.host(), &named(bench), None)?;
    assert_eq!(plan.state, "running");
    apply::apply(bench.host(), plan)
}

fn recorded(bench: &Bench) -> Vec<String> {
    let records = Records::read(bench.host(), &bench.domain("guest")).unwrap();
    records.all.into_iter().map(|one| one.name).collect()
}

#[test]
fn a_guest_goes_on_and_what_was_kept_to_undo_that_is_deleted() {
    let bench = remembering();
    let record = crate::ops::snapshot::recorded(bench.host(), &named(&bench));
    assert!(
        record
            .unwrap()
            .is_some_and(|record| apply::is_meant(&record))
    );
    go_on(&bench).unwrap();
    let state = bench.fake.status(&bench.domain("guest")).unwrap().state;
    assert_eq!(state, DomainState::Running);
    assert_eq!(recorded(&bench), ["s1"]);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_guest_that_does_not_go_on_is_what_it_was() {
    let mut bench = remembering();
    bench.fake.refuse_start = Some("guest".to_owned());
    let before = bench.domain_xml("guest");
    let error = go_on(&bench).unwrap_err();
    assert_eq!(error.kind(), Kind::Libvirt);
    assert!(error.to_string().contains("not today"), "{error}");
    assert_eq!(bench.domain_xml("guest"), before);
    assert_eq!(recorded(&bench), ["s1"]);
    assert_eq!(tags_of(&bench), ["s1"]);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn nobody_is_asked_to_go_on_where_that_cannot_be_undone() {
    let bench = remembering();
    bench.fake.refuse_records.store(true, Ordering::SeqCst);
    assert_eq!(go_on(&bench).unwrap_err().kind(), Kind::Libvirt);
    assert_eq!(tags_of(&bench), ["s1"]);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn memory_that_does_not_fit_the_disks_is_refused() {
    let refused = |bench: &Bench, says: &str| {
        let error = go_on(bench).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(bench.store.count_journals(), 0);
    };
    let bench = remembering();
    let path = bench.path("guest.qcow2");
    let image = std::fs::read(&path).unwrap();
    // Another image in its place, without the snapshot.
    std::fs::copy(bench.path("guest.qcow2"), bench.path("other.qcow2")).unwrap();
    let domain = bench.domain("guest");
    let xml = bench.domain_xml("guest");
    let other = xml.replace("guest.qcow2", "other.qcow2");
    bench.fake.redefine(&domain, &other.into()).unwrap();
    refused(&bench, "had other disks");
    bench.fake.redefine(&domain, &xml.into()).unwrap();
    // The memory is gone: `qemu-img` has made it anew.
    let mut without = image.clone();
    let at = u64::from_be_bytes(image[64..72].try_into().unwrap());
    let at = usize::try_from(at).unwrap();
    without[at + 32..at + 36].fill(0);
    without[at + 40..at + 48].fill(0);
    std::fs::write(&path, &without).unwrap();
    refused(&bench, "has lost its memory");
    std::fs::write(&path, &image).unwrap();
    bench
        .fake
        .change("guest", |d| d.state = DomainState::Paused);
    refused(&bench, "is paused");
    bench.fake.change("guest", |d| d.state = DomainState::Saved);
    refused(&bench, "is saved");
}

#[test]
fn what_nobody_undoes_is_told() {
    let mut bench = remembering();
    bench.fake.refuse_start = Some("guest".to_owned());
    let tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";
    let xml = bench.domain_xml("guest").replace("</devices>", tpm);
    let domain = bench.domain("guest");
    bench.fake.redefine(&domain, &xml.into()).unwrap();
    // It had none then, and has none when it starts next after that.
    let plan = apply::plan(bench.host(), &named(&bench), None).unwrap();
    assert!(plan.will.redefines);
    apply::apply(bench.host(), plan).unwrap_err();
    let said = bench.said.0.lock().unwrap().join(" ");
    assert!(said.contains("The state of its TPM"), "{said}");
}

/// Lets a run die once libvirt has all that is needed to go back, and not been
/// asked to go on; what the next run says of that.
#[test]
fn what_a_killed_run_has_kept_is_removed_or_told() {
    use crate::ops::recover::{Recovery, recover};
    use crate::store::{IntentDomain, Operation, SnapshotAct, SnapshotIntent};

    for (state, says) in [
        (DomainState::ShutOff, "All disks are what they were before."),
        (
            DomainState::Saved,
            "stay as they are: domain 'guest' is saved",
        ),
    ] {
        let bench = remembering();
        let domain = bench.domain("guest");
        let images = {
            let plan = apply::plan(bench.host(), &named(&bench), None).unwrap();
            plan.will.images.len()
        };
        assert_eq!(images, 1);
        let journal = bench.store.begin(
            "fake:///",
            Operation::Snapshot(Box::new(SnapshotIntent {
                act: SnapshotAct::ApplyMemory,
                domain: Some(IntentDomain::of(&domain)),
                name: "s1".to_owned(),
                recorded: Some(1),
                images: Vec::new(),
                variables: None,
                undo: Some("vmkin-undo-1".to_owned()),
                redefines: false,
                allow_dirs: Vec::new(),
            })),
        );
        drop(journal.unwrap());
        bench.fake.change("guest", |d| d.state = state);
        let recovery = Recovery {
            store: &bench.store,
            interrupt: &bench.interrupt,
            observer: &bench.said,
            connect: &|_| Ok(Some(Box::new(bench.fake.copy()))),
        };
        let done = recover(&recovery).unwrap();
        assert!(done[0].result.contains(says), "{}", done[0].result);
        assert_eq!(tags_of(&bench), ["s1"]);
        assert_eq!(bench.store.count_journals(), 0);
    }
}
