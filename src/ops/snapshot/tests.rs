use std::sync::atomic::Ordering;

use super::create::CreateRequest;
use super::external::create::Live;
use super::list::{SnapshotList, list};
use super::*;
use crate::hypervisor::Hypervisor as _;
use crate::image::{Overlay, snapshot as tags, write};
use crate::model::{DomainState, ImageFormat, SecretText};
use crate::ops::recover::{Recovery, recover};
use crate::ops::testing::Bench;

/// A host with the domain `guest`, whose disk is a qcow2 image.
pub(super) fn bench() -> Bench {
    let bench = Bench::new();
    let spec = Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("golden.raw"),
        backing_format: ImageFormat::Raw,
    };
    write(&bench.path("guest.qcow2"), &spec)
        .unwrap()
        .sync()
        .unwrap();
    let xml = bench.xml("guest", 9, "guest.qcow2", "qcow2");
    bench.fake.add(&xml, DomainState::ShutOff);
    bench
}

fn subject(bench: &Bench) -> Subject {
    Subject::Domain(bench.domain("guest"))
}

pub(super) fn create(bench: &Bench, name: &str) -> Result<()> {
    let request = CreateRequest {
        subject: subject(bench),
        name: Some(name.parse().unwrap()),
        description: None,
        allow_dirs: Vec::new(),
    };
    create::apply(bench.host(), create::plan(bench.host(), &request)?)
}

fn apply_to(bench: &Bench, name: &str) -> Result<()> {
    let request = NamedRequest {
        subject: subject(bench),
        name: name.to_owned(),
        allow_dirs: Vec::new(),
    };
    apply::apply(bench.host(), apply::plan(bench.host(), &request)?)
}

fn delete(bench: &Bench, name: &str) -> Result<()> {
    let request = NamedRequest {
        subject: subject(bench),
        name: name.to_owned(),
        allow_dirs: Vec::new(),
    };
    delete::apply(bench.host(), delete::plan(bench.host(), &request)?)
}

fn listed(bench: &Bench) -> SnapshotList {
    list(bench.host(), &subject(bench), &[]).unwrap()
}

pub(super) fn tags_of(bench: &Bench) -> Vec<String> {
    let path = bench.path("guest.qcow2");
    let image = crate::image::ImageFile::open(&path).unwrap();
    let header = crate::image::qcow2::Header::read(&image).unwrap();
    let table = header.snapshot_table(&image).unwrap();
    let names = table.iter().map(|tag| tag.name.clone());
    names.map(|name| String::from_utf8(name).unwrap()).collect()
}

/// Deals with what was left behind; returns what it says.
fn recovered(bench: &Bench) -> Vec<String> {
    let recovery = Recovery {
        store: &bench.store,
        interrupt: &bench.interrupt,
        observer: &bench.said,
        connect: &|_| Ok(Some(Box::new(bench.fake.copy()))),
    };
    let done = recover(&recovery).unwrap();
    done.into_iter().map(|one| one.result).collect()
}

#[test]
fn what_libvirt_does_not_keep_is_in_no_image_either() {
    let bench = bench();
    bench.fake.refuse_records.store(true, Ordering::SeqCst);
    let error = create(&bench, "s1").unwrap_err();
    assert_eq!(error.kind(), Kind::Libvirt, "{error}");
    assert!(tags_of(&bench).is_empty());
    assert_eq!(bench.store.count_journals(), 0);
    bench.fake.refuse_records.store(false, Ordering::SeqCst);
    create(&bench, "s1").unwrap();
    assert_eq!(tags_of(&bench), ["s1"]);
    let list = listed(&bench).snapshots;
    assert!(list[0].recorded && list[0].current && list[0].missing.is_empty());
    assert_eq!(create(&bench, "s1").unwrap_err().kind(), Kind::Exists);
}

#[test]
fn a_definition_goes_back_and_is_not_written_down_without_need() {
    let bench = bench();
    create(&bench, "s1").unwrap();
    let then = bench.domain_xml("guest");
    apply_to(&bench, "s1").unwrap();
    assert_eq!(bench.domain_xml("guest"), then);
    let domain = bench.domain("guest");
    let other = SecretText::from(then.replace("1024", "2048"));
    bench.fake.redefine(&domain, &other).unwrap();
    apply_to(&bench, "s1").unwrap();
    assert!(crate::xml::snapshot::same_definition(
        &bench.domain_xml("guest"),
        &then
    ));
}

#[test]
fn what_is_applied_is_on_record_as_the_current_one_or_is_finished_later() {
    let bench = bench();
    create(&bench, "s1").unwrap();
    create(&bench, "s2").unwrap();
    let current = |bench: &Bench| {
        let domain = bench.domain("guest");
        bench.fake.snapshot_records(&domain).unwrap().current
    };
    bench.fake.refuse_records.store(true, Ordering::SeqCst);
    let error = apply_to(&bench, "s1").unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone, "{error}");
    assert_eq!(current(&bench).as_deref(), Some("s2"));
    // Another vmkin, to which libvirt listens.
    assert_eq!(recovered(&bench), ["All disks are back at the snapshot."]);
    assert_eq!(bench.store.count_journals(), 0);
    assert_eq!(tags_of(&bench), ["s1", "s2"]);
}

#[test]
fn somebody_elses_snapshot_of_that_name_is_not_taken_for_ours() {
    let bench = bench();
    let path = bench.path("guest.qcow2");
    create(&bench, "s1").unwrap();
    let domain = bench.domain("guest");
    // As a run leaves it that is killed before libvirt knows.
    let intent = |recorded| {
        let image = crate::image::ImageFile::open(&path).unwrap();
        crate::store::SnapshotIntent {
            act: crate::store::SnapshotAct::Create,
            domain: Some(crate::store::IntentDomain {
                name: domain.name.clone(),
                uuid: domain.uuid,
            }),
            name: "s1".to_owned(),
            recorded,
            images: vec![crate::store::SnapshotImage {
                target: Some("vda".parse().unwrap()),
                path: path.clone(),
                format: ImageFormat::Qcow2,
                file: image.id(),
                id: b"1".to_vec(),
                tag: b"s1".to_vec(),
            }],
            variables: None,
            undo: None,
            redefines: false,
            allow_dirs: Vec::new(),
        }
    };
    let begin = |recorded| {
        let operation = crate::store::Operation::Snapshot(Box::new(intent(recorded)));
        drop(bench.store.begin("fake:///", operation).unwrap());
    };
    begin(Some(1));
    let said = recovered(&bench);
    assert!(said[0].contains("Somebody has made"), "{said:?}");
    assert_eq!(tags_of(&bench), ["s1"]);
    let records = bench.fake.snapshot_records(&domain).unwrap();
    let ours = crate::xml::snapshot::read(&records.documents[0]).unwrap();
    begin(Some(ours.created));
    assert_eq!(recovered(&bench), ["The snapshot had been made."]);
    // Libvirt does not know it: then it goes, unless the guest runs.
    bench.fake.forget_snapshot(&domain, "s1").unwrap();
    bench
        .fake
        .change("guest", |d| d.state = DomainState::Running);
    begin(Some(ours.created));
    assert!(recovered(&bench)[0].contains("stays"));
    assert_eq!(tags_of(&bench), ["s1"]);
    bench
        .fake
        .change("guest", |d| d.state = DomainState::ShutOff);
    begin(Some(ours.created));
    assert!(recovered(&bench)[0].contains("nothing of it is left"));
    assert!(tags_of(&bench).is_empty());
}

#[test]
fn a_deletion_that_was_begun_is_finished() {
    let bench = bench();
    create(&bench, "s1").unwrap();
    create(&bench, "s2").unwrap();
    delete(&bench, "s1").unwrap();
    assert_eq!(tags_of(&bench), ["s2"]);
    assert_eq!(delete(&bench, "s1").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(apply_to(&bench, "s1").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(tags::next_id(&[]), b"1");
}

#[test]
fn no_external_one_is_made_after_an_internal_one() {
    let bench = bench();
    create(&bench, "s1").unwrap();
    create(&bench, "s2").unwrap();
    let request = CreateRequest {
        subject: subject(&bench),
        name: Some("e1".parse().unwrap()),
        description: None,
        allow_dirs: Vec::new(),
    };
    let plan = || external::create::plan(bench.host(), &request, Live::No).map(drop);
    let error = plan().unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.to_string().contains("(s2, s1)"), "{error}");
    assert!(error.hints()[1].contains("vmkin snapshot delete -d guest s2"));
    delete(&bench, "s1").unwrap();
    delete(&bench, "s2").unwrap();
    plan().unwrap();
}

/// As virsh makes them.
#[test]
fn an_internal_one_below_an_external_one_is_not_lost_from_sight() {
    let bench = bench();
    create(&bench, "s1").unwrap();
    let (domain, then) = (bench.domain("guest"), bench.domain_xml("guest"));
    let spec = Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("guest.qcow2"),
        backing_format: ImageFormat::Qcow2,
    };
    let overlay = bench.path("guest.e1");
    write(&overlay, &spec).unwrap().sync().unwrap();
    let now = SecretText::from(then.replace("guest.qcow2", "guest.e1"));
    bench.fake.redefine(&domain, &now).unwrap();
    assert_eq!(listed(&bench).snapshots[0].missing, ["vda"]);
    // Nobody says that this overlay is of a snapshot: the image below may be anybody's.
    assert!(listed(&bench).snapshots[0].below.is_empty());
    let record = format!(
        "<domainsnapshot><name>e1</name><creationTime>4000000000</creationTime>\
         <state>shutoff</state><parent><name>s1</name></parent><memory snapshot='no'/><disks>\
         <disk name='vda' snapshot='external' type='file'><driver type='qcow2'/>\
         <source file='{}'/></disk></disks>{then}</domainsnapshot>",
        overlay.display()
    );
    let record = SecretText::from(record);
    bench.fake.record_snapshot(&domain, &record, true).unwrap();
    assert_eq!(listed(&bench).snapshots[0].below, ["vda"]);
    let error = delete(&bench, "s1").unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.to_string().contains("guest.qcow2, which is below"));
    assert!(error.hints()[0].contains("virsh snapshot-delete --metadata guest s1"));
    assert_eq!(tags_of(&bench), ["s1"]);
    assert_eq!(listed(&bench).snapshots.len(), 2);
}

#[test]
fn times_that_no_calendar_has_are_none() {
    assert_eq!(time(0).as_deref(), Some("1970-01-01T00:00:00Z"));
    assert_eq!(time(-1), None);
    assert_eq!(time(i64::MAX), None);
}

#[test]
fn libvirt_is_asked_no_more_than_it_takes() {
    let bench = bench();
    let asked = |act: &dyn Fn() -> Result<()>| {
        bench.fake.asked.store(0, Ordering::SeqCst);
        act().unwrap();
        bench.fake.asked.load(Ordering::SeqCst)
    };
    // The domain by its name; its state and XML, and both again when the disks
    // are locked and when all is about to be final; the pools, twice; the list of
    // the domains, the XML of both, and what they are now. The rest is the record,
    // and the definition that belongs to it.
    let guard = 1 + 3 * 2 + 2 + 1 + 2 + 1;
    assert_eq!(asked(&|| create(&bench, "s1")), guard + 3);
    assert_eq!(asked(&|| apply_to(&bench, "s1")), guard + 5);
    assert_eq!(asked(&|| delete(&bench, "s1")), guard + 2);
}
