use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::*;
use crate::error::Kind;
use crate::hypervisor::Hypervisor;
use crate::model::{CloneMode, DomainState};
use crate::ops::recover::{Recovery, recover};
use crate::ops::testing::Bench;

fn request(bench: &Bench, names: &[&str]) -> CloneRequest {
    bench.request("golden", names)
}

fn clone(bench: &Bench, request: &CloneRequest) -> Result<Outcome> {
    apply(bench.host(), plan(bench.host(), request)?)
}

/// Whether the golden image is as it was before anything was done.
fn untouched(bench: &Bench) -> bool {
    let state = crate::image::seal_state(&bench.path("golden.raw")).unwrap();
    !state.sealed && !state.immutable
}

#[test]
fn each_clone_has_a_disk_a_domain_and_an_identity() {
    let bench = Bench::new();
    let outcome = clone(&bench, &request(&bench, &["a", "b"])).unwrap();
    assert!(outcome.failed.is_empty());
    assert_eq!(outcome.done.len(), 2);
    assert_ne!(outcome.done[0].uuid, outcome.done[1].uuid);
    assert_ne!(outcome.done[0].macs, outcome.done[1].macs);
    assert_eq!(bench.files(), ["a.qcow2", "b.qcow2", "golden.raw"]);
    assert_eq!(bench.fake.names(), ["a", "b", "golden"]);
    assert_eq!(bench.store.count_journals(), 0);
    assert!(!untouched(&bench));
    assert!(bench.said.0.lock().unwrap()[0].starts_with("Sealed "));
}

#[test]
fn a_clone_that_cannot_be_defined_leaves_nothing() {
    let bench = Bench::new();
    bench.fake.refuse_define.store(1, Ordering::SeqCst);
    let error = clone(&bench, &request(&bench, &["a"])).unwrap_err();
    assert_eq!(error.kind(), Kind::Libvirt);
    assert_eq!(error.to_string(), "cannot make 'a': I do not like this one");
    assert_eq!(bench.files(), ["golden.raw"]);
    assert_eq!(bench.store.count_journals(), 0);
    assert!(untouched(&bench));
}

#[test]
fn of_a_batch_that_fails_what_is_done_stays_and_the_rest_is_not_there() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let bench = Bench::new();
    bench.fake.refuse_define.store(5, Ordering::SeqCst);
    let outcome = clone(&bench, &request(&bench, &names)).unwrap();
    assert_eq!(outcome.done.len() + outcome.failed.len(), names.len());
    assert!(!outcome.done.is_empty() && !outcome.failed.is_empty());
    let reasons = outcome.failed.iter().filter(|(_, e)| e.is_some());
    assert_eq!(reasons.count(), 1);
    let mut expected: Vec<String> = vec!["golden".to_owned()];
    expected.extend(outcome.done.iter().map(|one| one.name.clone()));
    expected.sort();
    assert_eq!(bench.fake.names(), expected);
    assert_eq!(bench.files().len(), expected.len());
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn all_or_nothing_takes_back_what_was_done() {
    let bench = Bench::new();
    bench.fake.refuse_define.store(3, Ordering::SeqCst);
    let request = CloneRequest {
        all_or_nothing: true,
        ..request(&bench, &["a", "b", "c", "d"])
    };
    let error = clone(&bench, &request).unwrap_err();
    assert_eq!(error.kind(), Kind::Libvirt);
    assert_eq!(bench.fake.names(), ["golden"]);
    assert_eq!(bench.files(), ["golden.raw"]);
    assert!(untouched(&bench));
}

#[test]
fn what_cannot_be_taken_back_now_is_taken_back_later() {
    let bench = Bench::new();
    bench.fake.die_at_define.store(true, Ordering::SeqCst);
    let error = clone(&bench, &request(&bench, &["a", "b"])).unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone);
    assert!(error.hints()[0].contains("vmkin recover"));
    // Whether they were defined nobody knows, so they stay.
    assert_eq!(bench.files(), ["a.qcow2", "b.qcow2", "golden.raw"]);
    assert_eq!(bench.store.count_journals(), 1);

    // The daemon is back; 'b' had been defined after all.
    let survivor = Bench::new();
    let uuid = match &bench.store.survey().unwrap()[0].begun.operation {
        crate::store::Operation::Clone { clones, .. } => clones[1].uuid,
        other => panic!("{other:?}"),
    };
    let xml = survivor
        .xml("b", 2, "b.qcow2", "qcow2")
        .replace(&uuid::Uuid::from_u128(2).to_string(), &uuid.to_string());
    let xml = std::sync::Arc::new(xml);
    let recovery = Recovery {
        store: &bench.store,
        interrupt: &bench.interrupt,
        observer: &bench.said,
        connect: &|uri| {
            assert_eq!(uri, "fake:///");
            let fake = crate::hypervisor::fake::Fake::default().with(&xml);
            Ok(Some(Box::new(fake)))
        },
    };
    let recovered = recover(&recovery).unwrap();
    assert_eq!(recovered.len(), 1);
    assert!(recovered[0].result.starts_with("1 clones had been made"));
    assert_eq!(bench.files(), ["b.qcow2", "golden.raw"]);
    assert_eq!(bench.store.count_journals(), 0);
    assert_eq!(recover(&recovery).unwrap(), []);
}

#[test]
fn a_base_that_changes_between_plan_and_clone_is_noticed() {
    let bench = Bench::new();
    let plan = plan(bench.host(), &request(&bench, &["a"])).unwrap();
    fs::write(bench.path("golden.raw"), vec![8; 1 << 20]).unwrap();
    let error = apply(bench.host(), plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert_eq!(bench.files(), ["golden.raw"]);
    assert!(untouched(&bench));
}

#[test]
fn a_file_that_somebody_else_made_meanwhile_is_not_overwritten() {
    let bench = Bench::new();
    let plan = plan(bench.host(), &request(&bench, &["a", "b"])).unwrap();
    fs::write(bench.path("b.qcow2"), b"precious").unwrap();
    let error = apply(bench.host(), plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(bench.files(), ["b.qcow2", "golden.raw"]);
    assert_eq!(fs::read(bench.path("b.qcow2")).unwrap(), b"precious");
    assert!(untouched(&bench));
}

#[test]
fn names_that_another_process_is_about_to_use_are_busy() {
    let bench = Bench::new();
    let mut first = plan(bench.host(), &request(&bench, &["a"])).unwrap();
    let journal = bench
        .store
        .begin(
            "fake:///",
            crate::store::Operation::Clone {
                golden: "golden".to_owned(),
                clones: vec![crate::store::CloneFiles {
                    name: "a".to_owned(),
                    uuid: first.clones[0].uuid,
                    macs: first.clones[0]
                        .macs
                        .iter()
                        .map(ToString::to_string)
                        .collect(),
                    volumes: Vec::new(),
                    files: Vec::new(),
                    reservations: Vec::new(),
                }],
                bases: Vec::<PathBuf>::new(),
                seals: Vec::new(),
            },
        )
        .unwrap();
    drop(first.names_lock.take());
    let error = plan(bench.host(), &request(&bench, &["a"])).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    let taken = CloneRequest {
        macs: first.clones[0].macs.clone(),
        ..request(&bench, &["b"])
    };
    assert_eq!(plan(bench.host(), &taken).unwrap_err().kind(), Kind::Exists);
    journal.finish().unwrap();
    drop(plan(bench.host(), &taken).unwrap());
}

#[test]
fn an_interrupt_between_two_steps_leaves_nothing() {
    let bench = Bench::new();
    let plan = plan(bench.host(), &request(&bench, &["a", "b"])).unwrap();
    bench.interrupt.flag().store(true, Ordering::SeqCst);
    let error = apply(bench.host(), plan).unwrap_err();
    assert!(matches!(error.kind(), Kind::Interrupted | Kind::Terminated));
    assert_eq!(bench.files(), ["golden.raw"]);
    assert!(untouched(&bench));
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_plan_and_its_steps_change_nothing() {
    let bench = Bench::new();
    let plan = plan(bench.host(), &request(&bench, &["a"])).unwrap();
    let steps = steps(&plan);
    assert_eq!(steps.len(), 4);
    assert!(xml(bench.host(), &plan).unwrap()[0].contains("<name>a</name>"));
    drop(plan);
    assert_eq!(bench.files(), ["golden.raw"]);
    assert_eq!(bench.store.count_journals(), 0);
    assert!(untouched(&bench));
}

#[test]
fn a_domain_that_took_the_uuid_meanwhile_is_not_taken_back() {
    let bench = Bench::new();
    let mut request = request(&bench, &["a"]);
    request.uuids = vec![uuid::Uuid::from_u128(5)];
    let plan = plan(bench.host(), &request).unwrap();
    let other = bench.xml("other", 5, "golden.raw", "raw");
    bench.fake.add(&other, DomainState::ShutOff);
    bench.fake.refuse_define.store(1, Ordering::SeqCst);
    let error = apply(bench.host(), plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Libvirt);
    assert_eq!(bench.fake.names(), ["golden", "other"]);
    assert_eq!(bench.files(), ["golden.raw"]);
}

#[test]
fn an_image_that_a_saved_domain_goes_on_with_is_not_cloned() {
    let bench = Bench::new();
    let other = bench.xml("other", 5, "golden.raw", "raw");
    bench.fake.add(&other, DomainState::Saved);
    for mode in [CloneMode::Linked, CloneMode::Full] {
        let request = CloneRequest {
            mode,
            ..request(&bench, &["a"])
        };
        let error = plan(bench.host(), &request).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains("'other'"), "{error}");
    }
    bench
        .fake
        .change("other", |domain| domain.state = DomainState::ShutOff);
    drop(plan(bench.host(), &request(&bench, &["a"])).unwrap());
}

#[test]
fn what_a_killed_run_left_and_somebody_took_stays() {
    let bench = Bench::new();
    bench.fake.die_at_define.store(true, Ordering::SeqCst);
    clone(&bench, &request(&bench, &["a", "b"])).unwrap_err();
    assert_eq!(bench.files(), ["a.qcow2", "b.qcow2", "golden.raw"]);
    let taken = bench.xml("taken", 5, "a.qcow2", "qcow2");
    let recovery = Recovery {
        store: &bench.store,
        interrupt: &bench.interrupt,
        observer: &bench.said,
        connect: &|_| {
            let fake = crate::hypervisor::fake::Fake::default().with(&taken);
            Ok(Some(Box::new(fake)))
        },
    };
    recover(&recovery).unwrap();
    assert_eq!(bench.files(), ["a.qcow2", "golden.raw"]);
    assert_eq!(bench.store.count_journals(), 0);
    assert!(!untouched(&bench), "it has a child");
}

#[test]
fn a_change_below_the_golden_image_is_noticed_too() {
    let bench = Bench::new();
    let overlay = crate::image::Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("golden.raw"),
        backing_format: crate::model::ImageFormat::Raw,
    };
    drop(crate::image::write(&bench.path("top.qcow2"), &overlay).unwrap());
    let top = bench.xml("top", 3, "top.qcow2", "qcow2");
    bench.fake.add(&top, DomainState::ShutOff);
    clone(&bench, &bench.request("top", &["a"])).unwrap();
    let clone_a = bench.fake.find(&"a".parse().unwrap()).unwrap();
    let start = || {
        let usage = crate::ops::Usage::read(&bench.fake).unwrap();
        crate::ops::lifecycle::start(bench.host(), &usage, &clone_a, Default::default())
    };

    fs::write(bench.path("golden.raw"), vec![8; 1 << 20]).unwrap();
    let error = plan(bench.host(), &bench.request("top", &["b"])).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    let error = start().unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(error.to_string().contains("golden.raw"), "{error}");
    crate::image::unseal(&bench.path("top.qcow2"), 0o644).unwrap();
}
