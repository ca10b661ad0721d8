use std::os::fd::AsRawFd as _;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::at(dir.path().join("state"));
    (dir, store)
}

fn operation() -> Operation {
    Operation::Delete {
        name: "web-01".to_owned(),
        uuid: Uuid::from_u128(1),
        files: Vec::new(),
        volumes: Vec::new(),
        reservations: Vec::new(),
        allow_dirs: Vec::new(),
    }
}

fn step() -> Step {
    Step::Made {
        clone: 0,
        files: vec![FileId {
            device: 1,
            inode: 2,
        }],
    }
}

#[test]
fn a_journal_is_alive_while_its_process_holds_it() {
    let (_dir, store) = store();
    assert_eq!(store.count_journals(), 0);
    let mut journal = store.begin("test:///default", operation()).unwrap();
    journal.add(&[step(), step()]).unwrap();
    assert_eq!(store.count_journals(), 1);
    let found = store.survey().unwrap();
    assert!(matches!(found[0].holder, Holder::Alive));
    assert_eq!(found[0].begun.operation, operation());
    assert_eq!(found[0].steps, [step(), step()]);

    drop(journal);
    let mut left = store.survey().unwrap();
    let Holder::Us(ours) = left.remove(0).holder else {
        panic!("a journal whose process is gone is ours");
    };
    ours.finish().unwrap();
    assert!(store.survey().unwrap().is_empty());
}

#[test]
fn what_is_being_begun_is_not_swept_away() {
    let (_dir, store) = store();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    store.sweep().unwrap();
                }
            });
        }
        let begun = (0..300).map(|_| store.begin("test:///default", operation()));
        let failed = begun.filter_map(|journal| journal.and_then(Journal::finish).err());
        let failed: Vec<String> = failed.map(|error| error.to_string()).collect();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(failed.is_empty(), "{failed:?}");
    });
}

#[test]
fn the_last_child_of_a_process_that_is_gone_is_waited_for() {
    let (_dir, store) = store();
    let journal = store.begin("test:///default", operation()).unwrap();
    let text = fs::read_to_string(journal.path()).unwrap();
    // No process can have the highest number that there is.
    let gone = text.replace(
        &format!("\"pid\":{}", std::process::id()),
        &format!("\"pid\":{}", u32::MAX),
    );
    assert_ne!(gone, text);
    fs::write(journal.path(), gone).unwrap();
    let child = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(journal);
    });
    assert!(matches!(store.survey().unwrap()[0].holder, Holder::Alive));
    let found = store.survey_patiently().unwrap();
    assert!(matches!(found[0].holder, Holder::Us(_)));
    child.join().unwrap();
}

#[test]
fn a_line_that_was_being_written_does_not_count() {
    let (_dir, store) = store();
    let mut journal = store.begin("test:///default", operation()).unwrap();
    journal.add(&[step()]).unwrap();
    journal.write(b"{\"step\":\"ma").unwrap();
    drop(journal);
    assert_eq!(store.survey().unwrap()[0].steps, [step()]);
}

#[test]
fn what_is_no_journal_stops_everything() {
    let (_dir, store) = store();
    let journal = store.begin("test:///default", operation()).unwrap();
    let path = journal.path().to_owned();
    drop(journal);
    let good = fs::read_to_string(&path).unwrap();
    for bad in [
        String::new(),
        "{}\n".to_owned(),
        good.replace("\"version\":1", "\"version\":2"),
        good.replace("delete", "explode"),
        format!("{good}nonsense\n"),
    ] {
        fs::write(&path, &bad).unwrap();
        let error = store.survey().unwrap_err();
        assert_eq!(error.kind(), Kind::NotUndone, "{bad}");
    }
    fs::write(&path, [good.as_bytes(), b"\xff\n"].concat()).unwrap();
    let error = store.survey().unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone);
}

/// A journal in memory that can grow no more.
fn full() -> Journal {
    let memory = memfd_create("journal", MFdFlags::MFD_ALLOW_SEALING).unwrap();
    let mut file = File::from(memory);
    file.write_all(b"begun\n").unwrap();
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_GROW)).unwrap();
    let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| e);
    Journal {
        file: file.unwrap(),
        path: PathBuf::new(),
    }
}

#[test]
fn what_could_not_be_written_is_not_there() {
    let mut journal = full();
    let error = journal.add(&[step()]).unwrap_err();
    assert_ne!(error.kind(), Kind::NotUndone, "{error}");
    assert_eq!(journal.file.metadata().unwrap().len(), 6);
}

#[test]
fn nobody_takes_back_what_may_be_written() {
    let full = full();
    let unwritable = File::open(format!("/proc/self/fd/{}", full.file.as_raw_fd())).unwrap();
    drop(full);
    let file = Flock::lock(unwritable, FlockArg::LockExclusive).map_err(|(_, e)| e);
    let mut journal = Journal {
        file: file.unwrap(),
        path: PathBuf::new(),
    };
    let error = journal.add(&[step()]).unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone, "{error}");
}
