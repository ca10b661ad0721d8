use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;

use super::*;
use crate::ops::recover::{Recovery, recover};
use crate::ops::testing::{Bench, DELETE_OWN};
use crate::store::Operation;

fn plan_of(bench: &Bench, name: &str, storage: Storage) -> Result<DeletePlan> {
    let request = DeleteRequest {
        storage,
        ..DELETE_OWN
    };
    plan(bench.host(), &bench.domain(name), &request)
}

fn apply_one(bench: &Bench, plan: DeletePlan) -> Result<()> {
    apply(bench.host(), &[plan]).remove(0)
}

fn delete(bench: &Bench, name: &str, storage: Storage) -> Result<()> {
    apply_one(bench, plan_of(bench, name, storage)?)
}

#[test]
fn an_image_that_was_sealed_for_clones_goes_when_they_are_gone() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    bench.clone_of("a", "b", true);
    assert!(
        bench
            .store
            .seal_record(&bench.path("a.qcow2"))
            .unwrap()
            .is_some()
    );
    delete(&bench, "b", Storage::Own).unwrap();
    delete(&bench, "a", Storage::Own).unwrap();
    assert_eq!(bench.files(), ["golden.raw"]);
    assert_eq!(bench.store.seal_records().unwrap().len(), 1);
    delete(&bench, "golden", Storage::All).unwrap();
    assert!(bench.files().is_empty());
    assert!(bench.store.seal_records().unwrap().is_empty());
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn the_base_of_an_image_that_is_not_mounted_now_stays() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    let elsewhere = tempfile::tempdir().unwrap();
    let (there, away) = (bench.path("a.qcow2"), elsewhere.path().join("away"));
    fs::rename(&there, &away).unwrap();
    let error = delete(&bench, "golden", Storage::All).unwrap_err();
    assert_eq!(error.kind(), Kind::Protected, "{error}");
    fs::rename(&away, &there).unwrap();
    delete(&bench, "a", Storage::Own).unwrap();
    delete(&bench, "golden", Storage::All).unwrap();
}

#[test]
fn an_image_that_got_a_child_while_the_user_thought_stays() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    let plan = plan_of(&bench, "a", Storage::Own).unwrap();
    assert_eq!(plan.remove, [bench.path("a.qcow2")]);
    bench.clone_of("a", "b", false);
    let error = apply_one(&bench, plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Protected);
    assert_eq!(bench.files(), ["a.qcow2", "b.qcow2", "golden.raw"]);
    assert_eq!(bench.fake.names(), ["a", "b", "golden"]);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn an_image_that_got_another_user_while_the_user_thought_stays() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    let plan = plan_of(&bench, "a", Storage::Own).unwrap();
    let other = bench.xml("other", 5, "a.qcow2", "qcow2");
    bench.fake.add(&other, DomainState::ShutOff);
    let error = apply_one(&bench, plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().contains("'other'"), "{error}");
    assert!(bench.path("a.qcow2").exists());
    assert_eq!(bench.fake.names(), ["a", "golden", "other"]);
}

#[test]
fn a_file_here_is_not_that_of_a_domain_elsewhere() {
    let mut bench = Bench::new();
    bench.clone_of("golden", "a", true);
    bench.fake.elsewhere = true;
    for storage in [Storage::Own, Storage::All] {
        let plan = plan_of(&bench, "a", storage).unwrap();
        assert!(plan.remove.is_empty(), "{:?}", plan.remove);
        assert_eq!(
            plan.keep[0].why,
            "it is no volume of an active pool of that host"
        );
    }
    let golden = bench.path("golden.raw");
    for error in [
        base::unseal(bench.host(), &golden, true).unwrap_err(),
        base::seal(bench.host(), &golden, None, false).unwrap_err(),
        base::list(bench.host()).unwrap_err(),
        base::children(bench.host(), &golden).unwrap_err(),
        base::verify(bench.host(), &golden, false).unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Environment);
    }
    delete(&bench, "a", Storage::All).unwrap();
    assert_eq!(bench.files(), ["a.qcow2", "golden.raw"]);
    assert_eq!(bench.fake.names(), ["golden"]);
    assert!(image::seal_state(&golden).unwrap().sealed);
}

#[test]
fn the_state_of_a_tpm_stays_with_the_disks() {
    let bench = Bench::new();
    assert!(
        plan_of(&bench, "golden", Storage::Own)
            .unwrap()
            .undefine
            .tpm
    );
    assert!(
        !plan_of(&bench, "golden", Storage::Keep)
            .unwrap()
            .undefine
            .tpm
    );
}

#[test]
fn uefi_variables_that_two_domains_have_by_two_names_stay() {
    let bench = Bench::new();
    fs::write(bench.path("one.fd"), "vars").unwrap();
    fs::hard_link(bench.path("one.fd"), bench.path("two.fd")).unwrap();
    for (name, id, file) in [("one", 5, "one.fd"), ("two", 6, "two.fd")] {
        let nvram = format!(
            "<os><type>hvm</type><nvram>{}</nvram></os><devices>",
            bench.path(file).display()
        );
        let xml = bench
            .xml(name, id, name, "raw")
            .replace("<devices>", &nvram);
        bench.fake.add(&xml, DomainState::ShutOff);
    }
    let plan = plan_of(&bench, "one", Storage::Own).unwrap();
    assert!(plan.remove.is_empty(), "{:?}", plan.remove);
    assert!(plan.keep[0].why.contains("'two'"));
}

#[test]
fn a_file_that_another_domain_has_by_now_is_not_recovered_away() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    bench.clone_of("golden", "b", true);
    let plans = ["a", "b"].map(|name| plan_of(&bench, name, Storage::Own).unwrap());
    for plan in &plans {
        // Killed after the domain was gone.
        let operation = Operation::Delete {
            name: plan.domain.name.clone(),
            uuid: plan.domain.uuid,
            files: plan.files.clone(),
            volumes: Vec::new(),
            reservations: Vec::new(),
            allow_dirs: Vec::new(),
        };
        drop(bench.store.begin("fake:///", operation).unwrap());
    }
    let mine = bench.xml("mine", 5, "a.qcow2", "qcow2");
    let recovery = Recovery {
        store: &bench.store,
        interrupt: &bench.interrupt,
        observer: &bench.said,
        connect: &|_| {
            let fake = crate::hypervisor::fake::Fake::default().with(&mine);
            Ok(Some(Box::new(fake)))
        },
    };
    let recovered = recover(&recovery).unwrap();
    assert_eq!(recovered.len(), 2);
    assert!(
        recovered
            .iter()
            .any(|one| one.result.contains("1 of its files stay"))
    );
    assert_eq!(bench.files(), ["a.qcow2", "golden.raw"]);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_base_that_somebody_gave_another_mode_gets_that_one_back() {
    let bench = Bench::new();
    let golden = bench.path("golden.raw");
    let mode = || fs::metadata(&golden).unwrap().permissions().mode() & 0o7777;
    bench.clone_of("golden", "a", true);
    delete(&bench, "a", Storage::Own).unwrap();
    // Opened by hand, and no longer for everybody to read.
    image::unseal(&golden, 0o600).unwrap();
    bench.clone_of("golden", "b", true);
    assert_eq!(mode(), 0o444);
    bench.clone_of("golden", "c", true);
    for name in ["b", "c"] {
        delete(&bench, name, Storage::Own).unwrap();
    }
    base::unseal(bench.host(), &golden, false).unwrap();
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_clone_that_ends_between_two_looks_is_seen() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    let plan = plan_of(&bench, "a", Storage::Own).unwrap();
    let away = tempfile::tempdir().unwrap();
    let overlay = image::Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("a.qcow2"),
        backing_format: crate::model::ImageFormat::Qcow2,
    };
    let path = away.path().join("b.qcow2");
    drop(image::write(&path, &overlay).unwrap());
    let operation = Operation::Clone {
        golden: "a".to_owned(),
        clones: Vec::new(),
        bases: vec![bench.path("a.qcow2")],
        seals: Vec::new(),
    };
    let journal = bench.store.begin("fake:///", operation).unwrap();
    let xml = bench.xml("b", 9, "b.qcow2", "qcow2").replace(
        bench.path("b.qcow2").to_str().unwrap(),
        path.to_str().unwrap(),
    );
    // Another run defines its clone and ends, right after all domains were listed.
    let journal = std::sync::Mutex::new(Some(journal));
    bench.fake.after_listing(move |fake| {
        fake.add(&xml, DomainState::ShutOff);
        journal.lock().unwrap().take().unwrap().finish().unwrap();
    });
    let error = apply_one(&bench, plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy, "{error}");
    assert!(bench.path("a.qcow2").exists());
}

#[test]
fn a_domain_that_is_gone_though_libvirt_says_no_loses_its_files() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    let plan = plan_of(&bench, "a", Storage::Own).unwrap();
    bench.fake.deny_undefine.store(true, Ordering::SeqCst);
    apply_one(&bench, plan).unwrap();
    assert_eq!(bench.files(), ["golden.raw"]);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_domain_of_which_nobody_can_tell_whether_it_is_gone_stays_on_record() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    let plan = plan_of(&bench, "a", Storage::Own).unwrap();
    bench.fake.die_at_undefine.store(true, Ordering::SeqCst);
    let error = apply_one(&bench, plan).unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone, "{error}");
    assert_eq!(bench.store.count_journals(), 1);
    assert!(bench.path("a.qcow2").exists());
}

#[test]
fn what_came_to_be_since_is_not_recovered_away() {
    let delete_killed = |bench: &Bench| {
        let plan = plan_of(bench, "a", Storage::Own).unwrap();
        let operation = Operation::Delete {
            name: plan.domain.name.clone(),
            uuid: plan.domain.uuid,
            files: plan.files.clone(),
            volumes: Vec::new(),
            reservations: Vec::new(),
            allow_dirs: Vec::new(),
        };
        drop(bench.store.begin("fake:///", operation).unwrap());
        bench.fake.undefine_now(&plan.domain);
    };
    let recover_now = |bench: &Bench| {
        let recovery = Recovery {
            store: &bench.store,
            interrupt: &bench.interrupt,
            observer: &bench.said,
            connect: &|_| Ok(Some(Box::new(bench.fake.copy()))),
        };
        recover(&recovery).unwrap().remove(0).result
    };
    // Somebody has made an overlay of what was left.
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    delete_killed(&bench);
    let overlay = image::Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("a.qcow2"),
        backing_format: crate::model::ImageFormat::Qcow2,
    };
    drop(image::write(&bench.path("stray.qcow2"), &overlay).unwrap());
    let said = recover_now(&bench);
    assert!(said.contains("1 of its files stay"), "{said}");
    assert!(bench.path("a.qcow2").exists());
    assert_eq!(bench.store.count_journals(), 0);

    // Another file has got the name, and the number too, as happens.
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    delete_killed(&bench);
    let path = bench.path("a.qcow2");
    let old = image::file_id(&path).unwrap().unwrap();
    let born = image::born_ns(&path);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    let again = image::file_id(&path).unwrap().unwrap() == old;
    recover_now(&bench);
    assert!(path.exists() || (again && born.is_none()));
}

fn with_nvram(bench: &Bench, name: &str, id: u128, nvram: &str) {
    let nvram = format!(
        "<os><type>hvm</type><nvram>{}</nvram></os><devices>",
        bench.path(nvram).display()
    );
    let xml = bench.xml(name, id, name, "raw");
    let xml = xml.replace("<devices>", &nvram);
    bench.fake.add(&xml, DomainState::ShutOff);
}

#[test]
fn uefi_variables_that_another_domain_has_by_a_link_stay() {
    let bench = Bench::new();
    fs::write(bench.path("one.fd"), "vars").unwrap();
    std::os::unix::fs::symlink(bench.path("one.fd"), bench.path("two.fd")).unwrap();
    with_nvram(&bench, "one", 5, "one.fd");
    with_nvram(&bench, "two", 6, "two.fd");
    let plan = plan_of(&bench, "one", Storage::Own).unwrap();
    assert!(plan.remove.is_empty(), "{:?}", plan.remove);
    assert!(plan.keep[0].why.contains("'two'"));
    // The link itself is nobody else's, and so is what it leads to not its own.
    let plan = plan_of(&bench, "two", Storage::Own).unwrap();
    assert!(plan.remove.is_empty(), "{:?}", plan.remove);
}

#[test]
fn an_image_that_is_called_uefi_variables_stays_an_image() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", false);
    for image in ["golden.raw", "a.qcow2"] {
        with_nvram(&bench, "odd", 5, image);
        let plan = plan_of(&bench, "odd", Storage::All).unwrap();
        assert!(plan.remove.is_empty(), "{:?}", plan.remove);
        assert_eq!(plan.keep.len(), 1, "{:?}", plan.keep);
        bench.fake.undefine_now(&plan.domain);
    }
}

#[test]
fn the_files_of_a_domain_that_somebody_has_undefined_meanwhile_stay() {
    let bench = Bench::new();
    bench.clone_of("golden", "a", true);
    let plan = plan_of(&bench, "a", Storage::Own).unwrap();
    bench.fake.undefine_now(&plan.domain);
    let error = apply_one(&bench, plan).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
    assert!(bench.path("a.qcow2").exists());
}
