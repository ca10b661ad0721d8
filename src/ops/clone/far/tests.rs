use std::fs;
use std::sync::atomic::Ordering;

use super::*;
use crate::error::{Kind, Result};
use crate::hypervisor::Volumes as _;
use crate::image::{Overlay, ReflinkRule};
use crate::model::{CloneMode, DomainState, IdentityChannel, ImageFormat, NewVolume};
use crate::ops::Usage;
use crate::ops::clone::request::{CloneRequest, Placement, TpmRule};
use crate::ops::clone::{Outcome, apply, plan, steps, xml};
use crate::ops::delete::{self, DeleteRequest};
use crate::ops::testing::{Bench, DELETE_OWN};
use crate::xml::domain;

fn clone(bench: &Bench, names: &[&str]) -> Result<Outcome> {
    let request = bench.request("golden", names);
    apply(bench.host(), plan(bench.host(), &request)?)
}

#[test]
fn a_clone_there_is_an_overlay_in_the_pool_of_its_base() {
    let bench = Bench::elsewhere();
    let request = bench.request("golden", &["a", "b"]);
    let planned = plan(bench.host(), &request).unwrap();
    assert_eq!(planned.refresh, ["far"]);
    assert_eq!(planned.warnings.len(), 1, "{:?}", planned.warnings);
    assert!(planned.warnings[0].contains("never start 'golden'"));
    let told = steps(&planned);
    let mut told = told.iter();
    assert!(!told.any(|step| step.contains("seal") || step.contains("lock")));
    assert!(xml(bench.host(), &planned).unwrap()[0].contains("a.qcow2"));
    drop(planned);

    let outcome = clone(&bench, &["a", "b"]).unwrap();
    assert_eq!(outcome.done.len(), 2);
    assert_eq!(bench.files(), ["a.qcow2", "b.qcow2", "really.raw"]);
    assert_eq!(bench.store.count_journals(), 0);
    let spec = Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("golden.raw"),
        backing_format: ImageFormat::Raw,
    };
    let expected = spec.contents().unwrap();
    let written = fs::read(bench.path("a.qcow2")).unwrap();
    assert_eq!(written.len() as u64, expected.length);
    for (at, piece) in expected.pieces {
        let at = usize::try_from(at).unwrap();
        assert_eq!(written[at..at + piece.len()], piece);
    }
    let facts = domain::read(&bench.domain_xml("a")).unwrap();
    let base = &facts.lineage.unwrap().disks[0].bases[0];
    assert_eq!(base.path, bench.path("golden.raw"));
    assert_eq!((base.identity.size, base.identity.file.inode), (1 << 20, 0));

    // More of them, and none of a name that is taken.
    let again = clone(&bench, &["a"]).unwrap_err();
    assert_eq!(again.kind(), Kind::Exists, "{again}");
    clone(&bench, &["c"]).unwrap();
}

#[test]
fn a_base_that_changed_there_is_found() {
    let bench = Bench::elsewhere();
    clone(&bench, &["a"]).unwrap();
    fs::write(bench.path("really.raw"), vec![8; 1 << 20]).unwrap();
    let error = clone(&bench, &["b"]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
    assert!(error.to_string().contains("'a'"), "{error}");
    assert_eq!(bench.fake.names(), ["a", "golden"]);
}

#[test]
fn what_fails_leaves_nothing_there() {
    for refuse in 0..3 {
        let bench = Bench::elsewhere();
        match refuse {
            0 => bench.fake.refuse_create.store(2, Ordering::SeqCst),
            1 => bench.fake.refuse_define.store(1, Ordering::SeqCst),
            // Somebody's, which libvirt has not seen.
            _ => fs::write(bench.path("a.qcow2"), "mine").unwrap(),
        }
        let error = clone(&bench, &["a", "b"]).unwrap_err();
        let kind = if refuse == 2 {
            Kind::Exists
        } else {
            Kind::Libvirt
        };
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(bench.fake.names(), ["golden"]);
        assert_eq!(bench.store.count_journals(), 0);
        let left = if refuse == 2 {
            assert_eq!(fs::read(bench.path("a.qcow2")).unwrap(), b"mine");
            vec!["a.qcow2", "really.raw"]
        } else {
            vec!["really.raw"]
        };
        assert_eq!(bench.files(), left);
    }
}

#[test]
fn what_is_left_there_goes_later_and_nothing_else() {
    let bench = Bench::elsewhere();
    bench.fake.die_at_define.store(true, Ordering::SeqCst);
    let error = clone(&bench, &["a", "b", "c"]).unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone);
    assert_eq!(bench.store.count_journals(), 1);
    bench.fake.dead.store(false, Ordering::SeqCst);
    // Somebody has put another file of the same length in the place of one.
    let length = fs::metadata(bench.path("b.qcow2")).unwrap().len();
    let others = vec![9; usize::try_from(length).unwrap()];
    fs::write(bench.path("b.qcow2"), &others).unwrap();
    // And another one has become a disk of a domain.
    let adopted = bench.xml("adopted", 9, "c.qcow2", "qcow2");
    bench.fake.add(&adopted, DomainState::ShutOff);
    let said = bench.recovered().unwrap();
    assert!(said[0].result.contains("nothing"), "{said:?}");
    assert_eq!(bench.files(), ["b.qcow2", "c.qcow2", "really.raw"]);
    assert_eq!(fs::read(bench.path("b.qcow2")).unwrap(), others);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_volume_that_was_filled_before_it_was_on_record_is_not_ours() {
    let bench = Bench::elsewhere();
    let planned = plan(bench.host(), &bench.request("golden", &["a", "b"])).unwrap();
    let volumes = |index: usize| {
        let (_, volumes) = planned
            .site
            .record(bench.host(), &planned.clones[index])
            .unwrap();
        volumes
    };
    let clones = [0, 1].map(|index| crate::store::CloneFiles {
        name: planned.clones[index].name.to_string(),
        uuid: planned.clones[index].uuid,
        macs: Vec::new(),
        files: Vec::new(),
        volumes: volumes(index),
        reservations: Vec::new(),
    });
    // One that is empty still, and one that another machine has made.
    let pool = |name: &str| {
        let new = NewVolume::raw(name, clones[0].volumes[0].size);
        bench.fake.create_volume("far", &new).unwrap()
    };
    pool("a.qcow2");
    let spec = planned
        .site
        .record(bench.host(), &planned.clones[1])
        .unwrap();
    assert_eq!(spec.1[0].name, "b.qcow2");
    pool("b.qcow2").write(0, b"QFI\xfb").unwrap();
    let usage = Usage::read(&bench.fake).unwrap();
    for clone in &clones {
        take_back_volumes(bench.host(), &usage, clone, false).unwrap();
    }
    assert_eq!(bench.files(), ["b.qcow2", "really.raw"]);
}

fn copy(bench: &Bench, golden: &str, names: &[&str]) -> Result<Outcome> {
    let request = CloneRequest {
        mode: CloneMode::Full,
        ..bench.request(golden, names)
    };
    apply(bench.host(), plan(bench.host(), &request)?)
}

#[test]
fn a_full_clone_there_is_copied_there_under_a_name_of_its_own() {
    let bench = Bench::elsewhere();
    // Somebody's, of the name that it has at home.
    fs::write(bench.path("a.raw"), "mine").unwrap();
    let outcome = copy(&bench, "golden", &["a", "b"]).unwrap();
    assert_eq!(outcome.done.len(), 2);
    for made in &outcome.done {
        let path = &made.disks[0];
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{}-", made.name)), "{name}");
        assert_eq!(name.len(), "a-0123456789ab.raw".len(), "{name}");
        assert_eq!(fs::read(path).unwrap(), [7; 1 << 20]);
        let facts = domain::read(&bench.domain_xml(&made.name)).unwrap();
        let lineage = facts.lineage.unwrap();
        assert_eq!(lineage.mode, CloneMode::Full);
        assert_eq!(lineage.disks[0].path, *path);
        assert!(lineage.disks[0].bases.is_empty());
    }
    let said = bench.said.0.lock().unwrap().join("\n");
    assert_eq!(said.matches("Libvirt copies ").count(), 2, "{said}");
    assert_eq!(fs::read(bench.path("a.raw")).unwrap(), b"mine");
}

#[test]
fn what_libvirt_would_copy_otherwise_is_refused_or_taken_back() {
    // A guest has made its raw disk begin like an image.
    let bench = Bench::elsewhere();
    let mut bytes = vec![0; 1 << 20];
    bytes[..4].copy_from_slice(b"QFI\xfb");
    fs::write(bench.path("really.raw"), bytes).unwrap();
    let error = copy(&bench, "golden", &["a"]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
    assert!(error.to_string().contains("'qcow2'"), "{error}");
    assert_eq!(bench.files(), ["really.raw"]);

    // A libvirt that copies an overlay as it is.
    let bench = Bench::elsewhere();
    clone(&bench, &["over"]).unwrap();
    let error = copy(&bench, "over", &["a"]).unwrap_err();
    assert!(error.to_string().contains("no whole copy"), "{error}");
    assert_eq!(bench.files(), ["over.qcow2", "really.raw"]);
    assert_eq!(bench.fake.names(), ["golden", "over"]);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_copy_that_was_broken_off_goes_when_libvirt_is_done_with_it() {
    let bench = Bench::elsewhere();
    fs::write(bench.path("a.raw"), "mine").unwrap();
    bench
        .fake
        .has_volume(bench.path("a.raw"), bench.path("a.raw"));
    bench.fake.die_at_copy.store(true, Ordering::SeqCst);
    let error = copy(&bench, "golden", &["a"]).unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone, "{error}");
    let half = bench.files();
    assert_eq!(half.len(), 3, "{half:?}");
    bench.fake.dead.store(false, Ordering::SeqCst);
    bench.fake.building.store(true, Ordering::SeqCst);
    let error = bench.recovered().unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone, "{error}");
    assert!(error.to_string().contains("still copies"), "{error}");
    assert_eq!((bench.files(), bench.store.count_journals()), (half, 1));
    bench.fake.building.store(false, Ordering::SeqCst);
    bench.recovered().unwrap();
    assert_eq!(bench.files(), ["a.raw", "really.raw"]);
    assert_eq!(fs::read(bench.path("a.raw")).unwrap(), b"mine");
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn a_golden_domain_that_is_started_meanwhile_stops_it() {
    let bench = Bench::elsewhere();
    let planned = plan(bench.host(), &bench.request("golden", &["a"])).unwrap();
    bench
        .fake
        .change("golden", |golden| golden.state = DomainState::Running);
    let error = apply(bench.host(), planned).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "{error}");
    assert_eq!(bench.files(), ["really.raw"]);
    assert_eq!(bench.fake.names(), ["golden"]);
}

#[test]
fn what_goes_through_libvirt_alone_is_refused_where_it_cannot() {
    let bench = Bench::elsewhere();
    let refused = |change: &dyn Fn(&mut CloneRequest)| {
        let mut request = bench.request("golden", &["a"]);
        change(&mut request);
        plan(bench.host(), &request).unwrap_err()
    };
    let named = refused(&|request| {
        request.mode = CloneMode::Full;
        request.files = vec![bench.path("mine.qcow2")];
    });
    assert_eq!(named.kind(), Kind::Usage, "{named}");
    refused(&|request| {
        request.mode = CloneMode::Full;
        request.reflink = ReflinkRule::Always;
    });
    refused(&|request| request.tpm = TpmRule::Copy);
    refused(&|request| request.identity.channel = Some(IdentityChannel::Offline));
    let relative = refused(&|request| request.placement = Placement::Dir("here".into()));
    assert_eq!(relative.kind(), Kind::Usage);
    let no_pool = refused(&|request| request.placement = Placement::Dir("/nowhere".into()));
    assert_eq!(no_pool.kind(), Kind::WrongState, "{no_pool}");
    assert!(no_pool.hints()[0].contains("pool-create-as"), "{no_pool}");
}

#[test]
fn a_clone_there_goes_with_its_volumes() {
    let bench = Bench::elsewhere();
    clone(&bench, &["a", "b"]).unwrap();
    let request = DELETE_OWN;
    let planned = delete::plan(bench.host(), &bench.domain("a"), &request).unwrap();
    assert_eq!(planned.remove, [bench.path("a.qcow2")]);
    let results = delete::apply(bench.host(), &[planned]);
    assert!(results[0].is_ok(), "{results:?}");
    assert_eq!(bench.files(), ["b.qcow2", "really.raw"]);
    // A guest that runs writes to its disk until it is destroyed.
    clone(&bench, &["c"]).unwrap();
    bench
        .fake
        .change("c", |running| running.state = DomainState::Running);
    let destroy = DeleteRequest {
        destroy: true,
        ..request.clone()
    };
    let planned = delete::plan(bench.host(), &bench.domain("c"), &destroy).unwrap();
    let mut written = fs::read(bench.path("c.qcow2")).unwrap();
    written[512] = 1;
    written.extend([1; 65_536]);
    fs::write(bench.path("c.qcow2"), written).unwrap();
    let results = delete::apply(bench.host(), &[planned]);
    assert!(results[0].is_ok(), "{results:?}");
    assert_eq!(bench.files(), ["b.qcow2", "really.raw"]);
    // The image of the golden domain was not made for it.
    let golden = delete::plan(bench.host(), &bench.domain("golden"), &request).unwrap();
    assert!(golden.remove.is_empty(), "{:?}", golden.remove);
    assert_eq!(golden.keep.len(), 1);

    // Somebody else has it by now; and nobody answers after it is undefined.
    let planned = delete::plan(bench.host(), &bench.domain("b"), &request).unwrap();
    let other = bench.xml("other", 9, "b.qcow2", "qcow2");
    let other = bench.fake.add(&other, DomainState::ShutOff);
    let results = delete::apply(bench.host(), &[planned]);
    assert_eq!(results[0].as_ref().unwrap_err().kind(), Kind::Busy);
    bench.fake.undefine_now(&other);
    let planned = delete::plan(bench.host(), &bench.domain("b"), &request).unwrap();
    bench.fake.die_at_undefine.store(true, Ordering::SeqCst);
    let results = delete::apply(bench.host(), &[planned]);
    assert_eq!(results[0].as_ref().unwrap_err().kind(), Kind::NotUndone);
    bench.fake.dead.store(false, Ordering::SeqCst);
    assert_eq!(bench.files(), ["b.qcow2", "really.raw"]);
    bench.recovered().unwrap();
    assert_eq!(bench.files(), ["really.raw"]);
}
