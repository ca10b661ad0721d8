use std::sync::atomic::Ordering;

use super::*;
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
