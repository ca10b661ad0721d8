use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;

use super::*;
use crate::hypervisor::Hypervisor as _;
use crate::ops::Observer;
use crate::ops::testing::Bench;

/// Does something once, while an image is hashed, and stops that.
struct WhileHashing<'b> {
    bench: &'b Bench,
    act: &'b (dyn Fn() + Sync),
}

impl Observer for WhileHashing<'_> {
    fn status(&self, message: &str) {
        self.bench.said.status(message);
    }

    fn warning(&self, message: &str) {
        self.status(message);
    }

    fn progress(&self, _what: &str, _done: u64, _total: u64) {
        if !self.bench.interrupt.flag().load(Ordering::SeqCst) {
            (self.act)();
            self.bench.interrupt.flag().store(true, Ordering::SeqCst);
        }
    }
}

fn seal_and_stop(bench: &Bench, act: &(dyn Fn() + Sync)) -> Error {
    let golden = bench.path("golden.raw");
    let file = std::fs::OpenOptions::new().write(true).open(&golden);
    file.unwrap().set_len(256 << 20).unwrap();
    let observer = WhileHashing { bench, act };
    let host = Host {
        observer: &observer,
        ..bench.host()
    };
    let error = seal(host, &golden, None, true).unwrap_err();
    bench.interrupt.flag().store(false, Ordering::SeqCst);
    error
}

#[test]
fn a_seal_that_is_stopped_is_taken_back() {
    let bench = Bench::new();
    let golden = bench.path("golden.raw");
    let error = seal_and_stop(&bench, &|| ());
    assert_eq!(error.kind(), Kind::Interrupted, "{error}");
    assert!(!image::seal_state(&golden).unwrap().sealed);
    assert!(bench.store.seal_records().unwrap().is_empty());
}

#[test]
fn a_seal_that_clones_have_come_to_rely_on_stays() {
    let bench = Bench::new();
    let golden = bench.path("golden.raw");
    let error = seal_and_stop(&bench, &|| bench.clone_of("golden", "a", true));
    assert_eq!(error.kind(), Kind::Interrupted, "{error}");
    assert!(image::seal_state(&golden).unwrap().sealed);
    let record = bench.store.seal_record(&golden).unwrap().unwrap();
    assert_ne!(record.mode_before, 0o444);
    let said = bench.said.0.lock().unwrap().join(" ");
    assert!(said.contains("stays sealed"), "{said}");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    image::seal_state(path).unwrap().mode
}

#[test]
fn what_is_not_sealed_is_not_opened() {
    let bench = Bench::new();
    let golden = bench.path("golden.raw");
    set_mode(&golden, 0o600);
    let unseal_it = || unseal(bench.host(), &golden, false).unwrap();
    assert_eq!(unseal_it(), Change::Already);
    assert_eq!(mode(&golden), 0o600);
    // A seal that nobody has on record.
    set_mode(&golden, 0o444);
    assert_eq!(unseal_it(), Change::Done);
    assert_eq!(mode(&golden), 0o644);
    assert_eq!(unseal_it(), Change::Already);
    seal(bench.host(), &golden, None, false).unwrap();
    assert_eq!(unseal_it(), Change::Done);
    let error = unseal(bench.host(), bench.dir.path(), true).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "{error}");
}

#[test]
fn a_copy_of_a_sealed_image_is_sealed_by_its_first_clone() {
    let bench = Bench::new();
    let golden = bench.path("golden.raw");
    set_mode(&golden, 0o444);
    // A clone that fails leaves it as it was.
    bench.fake.refuse_define.store(1, Ordering::SeqCst);
    let plan = clone::plan(bench.host(), &bench.request("golden", &["a"])).unwrap();
    clone::apply(bench.host(), plan).unwrap_err();
    let state = image::seal_state(&golden).unwrap();
    assert_eq!((state.mode, state.immutable), (0o444, false));
    assert!(bench.store.seal_records().unwrap().is_empty());
    bench.fake.refuse_define.store(0, Ordering::SeqCst);

    let sealed = || {
        let said = bench.said.0.lock().unwrap();
        said.iter()
            .filter(|text| text.starts_with("Sealed"))
            .count()
    };
    let before = sealed();
    bench.clone_of("golden", "a", true);
    let record = bench.store.seal_record(&golden).unwrap().unwrap();
    let state = image::seal_state(&golden).unwrap();
    assert_eq!((state.mode, state.immutable), (0o444, record.immutable));
    // Once is enough, where nothing can be made immutable too.
    bench.clone_of("golden", "b", true);
    assert_eq!(sealed(), before + 1);
    unseal(bench.host(), &golden, true).unwrap();
    assert_eq!(mode(&golden), 0o644);
}

/// A clone `a` of the golden domain, with a snapshot on record; and the move of its
/// base to another name.
fn with_a_snapshot(memory: &str) -> (Bench, moving::MoveRequest) {
    let bench = Bench::new();
    bench.clone_of("golden", "a", false);
    let definition = bench.domain_xml("a");
    bench.fake.change("a", |domain| {
        domain.snapshots.push("s1".to_owned());
        domain.current_snapshot = Some("s1".to_owned());
        domain.records.push(format!(
            "<domainsnapshot><name>s1</name><state>shutoff</state><creationTime>1</creationTime>\
             <memory snapshot='{memory}'/><disks><disk name='vda' snapshot='internal'/></disks>\
             {definition}</domainsnapshot>"
        ));
    });
    let request = moving::MoveRequest {
        base: bench.path("golden.raw"),
        dest: bench.path("moved.raw"),
        copy: false,
        allow_dirs: Vec::new(),
    };
    (bench, request)
}

fn on_record(bench: &Bench) -> String {
    let records = bench.fake.snapshot_records(&bench.domain("a")).unwrap();
    assert_eq!(records.current.as_deref(), Some("s1"));
    assert_eq!(records.documents.len(), 1);
    records.documents.concat()
}

#[test]
fn what_is_on_record_of_a_snapshot_follows_its_base() {
    let (bench, request) = with_a_snapshot("no");
    let (from, to) = (bench.path("golden.raw"), bench.path("moved.raw"));
    let [old, new] = [&from, &to].map(|path| format!("'{}'", path.display()));
    let before = on_record(&bench);
    assert!(before.contains(&old));
    bench.fake.refuse_records.store(true, Ordering::SeqCst);
    let plan = moving::plan(bench.host(), &request).unwrap();
    let error = moving::apply(bench.host(), &plan).unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone, "{error}");
    // Whoever goes back to it meanwhile finds it.
    assert!(from.exists() && to.exists());
    assert_eq!(on_record(&bench), before);
    bench.fake.refuse_records.store(false, Ordering::SeqCst);
    let left = bench.store.survey().unwrap().pop().unwrap();
    let crate::store::Operation::MoveBase(intent) = &left.begun.operation else {
        panic!("{:?}", left.begun.operation);
    };
    let result = moving::recover(bench.host(), intent, &left.steps).unwrap();
    assert!(result.contains("all have followed"), "{result}");
    assert!(!from.exists() && to.exists());
    assert_eq!(on_record(&bench), before.replace(&old, &new));
}

#[test]
fn a_snapshot_with_memory_keeps_its_base_where_it_is() {
    let (bench, request) = with_a_snapshot("internal");
    let error = moving::plan(bench.host(), &request).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    let error = error.to_string();
    assert!(error.contains("snapshot 's1' of domain 'a'"), "{error}");
    assert!(error.contains("holds memory"), "{error}");
}
