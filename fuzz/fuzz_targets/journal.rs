//! Journals and records of seals, as a crash or somebody else may leave them.
#![no_main]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vmkin::error::Kind;
use vmkin::store::{Holder, Store};
use vmkin_fuzz::scratch;

static STORE: LazyLock<Store> = LazyLock::new(|| {
    let store = Store::at(scratch().join("state"));
    store.survey().expect("an empty store");
    store.seal_records().expect("an empty store");
    store
});

fuzz_target!(|data: &[u8]| {
    journal(data);
    record(data);
});

fn put(path: &Path, data: &[u8]) {
    fs::write(path, data).expect("a file can be written");
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(path, private).expect("it is ours");
}

fn journal(data: &[u8]) {
    let path = STORE.root().join("journal/left-behind.jsonl");
    put(&path, data);
    let outcome = STORE.survey();
    assert_eq!(
        fs::read(&path).ok().as_deref(),
        Some(data),
        "it was changed"
    );
    let mut all = match outcome {
        Ok(all) => all,
        // Anything else would be taken for "nothing was left behind".
        Err(error) => {
            assert_eq!(error.kind(), Kind::NotUndone, "{error}");
            fs::remove_file(&path).expect("it is there");
            return;
        }
    };
    assert_eq!(all.len(), 1);
    let found = all.remove(0);
    let Holder::Us(journal) = found.holder else {
        panic!("nobody else has it");
    };
    journal.finish().expect("it can be removed");

    let (begun, steps) = (found.begun, found.steps);
    let mut journal = STORE
        .begin(&begun.uri, begun.operation.clone())
        .expect("what was read can be written");
    journal.add(&steps).expect("what was read can be written");
    drop(journal);
    let mut again = STORE.survey().expect("it was just written");
    let found = again.remove(0);
    assert_eq!(found.begun.operation, begun.operation);
    assert_eq!(found.begun.uri, begun.uri);
    assert_eq!(found.steps, steps);
    fs::remove_file(found.path).expect("it is there");
}

fn record(data: &[u8]) {
    let path = STORE.root().join("bases/0.json");
    put(&path, data);
    let outcome = STORE.seal_records();
    fs::remove_file(&path).expect("it is there");
    match outcome {
        Ok(all) => {
            assert_eq!(all.len(), 1);
            STORE
                .remember_seal(&all[0])
                .expect("what was read can be written");
            let again = STORE
                .seal_record(&all[0].path)
                .expect("it was just written");
            assert_eq!(again.as_ref(), Some(&all[0]));
            STORE.forget_seal(&all[0].path).expect("it is there");
        }
        Err(error) => assert_eq!(error.kind(), Kind::NotUndone, "{error}"),
    }
}
