//! Journals as a state machine: processes that begin, go on, end well, die, and
//! lose the end of what they wrote in a power failure, in any order. After
//! each step, what is found is what was written, up to what was lost.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as tests do"
)]

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use uuid::Uuid;
use vmkin::error::Kind;
use vmkin::model::{FileId, ImageFormat, Mac, Reservation};
use vmkin::store::{
    CloneFiles, DeletedFile, FilePair, Holder, IntentDomain, Journal, Operation, SealIntent,
    SnapshotAct, SnapshotImage, SnapshotIntent, Step, Store, VolumeIntent,
};

const URI: &str = "test:///default";

/// What happens to one of the journals, by its number.
#[derive(Clone, Debug)]
enum Event {
    Begin(Operation),
    Add(usize, Vec<Step>),
    Finish(usize),
    Die(usize),
    /// So many bytes of a dead process's journal did not reach the disk.
    Lose(usize, usize),
    /// The next run takes a dead one over, and finishes it.
    Recover(usize),
    Sweep,
}

/// A journal that should be there.
struct Known {
    path: PathBuf,
    operation: Operation,
    steps: Vec<Step>,
    /// `None` when its process is dead.
    alive: Option<Journal>,
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\\n\\té\u{2028}\u{1f600}]{0,12}"
}

fn path() -> impl Strategy<Value = PathBuf> {
    text().prop_map(|text| PathBuf::from(format!("/{text}")))
}

fn file() -> impl Strategy<Value = FileId> {
    any::<(u64, u64)>().prop_map(|(device, inode)| FileId { device, inode })
}

fn reservation() -> impl Strategy<Value = Reservation> {
    (text(), any::<[u8; 3]>(), any::<u32>(), text()).prop_map(|(network, mac, ip, name)| {
        Reservation {
            network,
            mac: Mac::kvm(mac),
            ip: ip.into(),
            name,
        }
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let pair = (path(), path()).prop_map(|(temp, path)| FilePair { temp, path });
    let reservations = || prop::collection::vec(reservation(), 0..3);
    let files = prop::collection::vec(pair, 0..3);
    let volume =
        (text(), text(), any::<u64>(), any::<bool>()).prop_map(|(pool, name, size, copied)| {
            VolumeIntent {
                copied,
                pool,
                name,
                size,
                head_sha256: "00".repeat(32),
            }
        });
    let volumes = prop::collection::vec(volume, 0..3);
    let clone = (text(), any::<u128>(), files, volumes, reservations()).prop_map(
        |(name, uuid, files, volumes, reservations)| CloneFiles {
            name,
            uuid: Uuid::from_u128(uuid),
            macs: vec!["52:54:00:00:00:01".to_owned()],
            files,
            volumes,
            reservations,
        },
    );
    let seal = (path(), any::<u32>(), file()).prop_map(|(path, mode_before, file)| SealIntent {
        path,
        mode_before,
        file,
    });
    let deleted =
        (path(), file(), any::<Option<u64>>()).prop_map(|(path, file, born_ns)| DeletedFile {
            path,
            file,
            born_ns,
        });
    let tag = || prop::collection::vec(any::<u8>(), 0..8);
    let image = (path(), file(), tag(), tag()).prop_map(|(path, file, id, tag)| SnapshotImage {
        target: None,
        path,
        format: ImageFormat::Qcow2,
        file,
        id,
        tag,
    });
    let snapshot = (
        text(),
        any::<Option<i64>>(),
        prop::collection::vec(image, 0..3),
        any::<Option<u128>>(),
    );
    let clones = (
        text(),
        prop::collection::vec(clone, 0..3),
        prop::collection::vec(path(), 0..2),
        prop::collection::vec(seal, 0..2),
    );
    prop_oneof![
        clones.prop_map(|(golden, clones, bases, seals)| Operation::Clone {
            golden,
            clones,
            bases,
            seals,
        }),
        (
            text(),
            any::<u128>(),
            prop::collection::vec(deleted, 0..3),
            reservations()
        )
            .prop_map(|(name, uuid, files, reservations)| Operation::Delete {
                name,
                uuid: Uuid::from_u128(uuid),
                files,
                volumes: Vec::new(),
                reservations,
                allow_dirs: Vec::new(),
            }),
        snapshot.prop_map(|(name, recorded, images, uuid)| {
            Operation::Snapshot(Box::new(SnapshotIntent {
                act: SnapshotAct::Apply,
                domain: uuid.map(|uuid| IntentDomain {
                    name: name.clone(),
                    uuid: Uuid::from_u128(uuid),
                }),
                undo: Some(name.clone()),
                name,
                recorded,
                images,
                variables: None,
                redefines: uuid.is_none(),
                allow_dirs: Vec::new(),
            }))
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<usize>(), prop::collection::vec(file(), 0..3))
        .prop_map(|(clone, files)| Step::Made { clone, files });
    prop::collection::vec(step, 0..3)
}

fn event() -> impl Strategy<Value = Event> {
    let which = 0_usize..4;
    prop_oneof![
        3 => operation().prop_map(Event::Begin),
        4 => (which.clone(), steps()).prop_map(|(at, steps)| Event::Add(at, steps)),
        1 => which.clone().prop_map(Event::Finish),
        3 => which.clone().prop_map(Event::Die),
        3 => (which.clone(), prop_oneof![0_usize..5, 0_usize..400])
            .prop_map(|(at, bytes)| Event::Lose(at, bytes)),
        1 => which.prop_map(Event::Recover),
        1 => Just(Event::Sweep),
    ]
}

/// Lets it happen. Returns whether a journal cannot be understood any more.
fn happen(store: &Store, known: &mut Vec<Known>, event: Event) -> bool {
    let dead = |known: &[Known], at: usize| at < known.len() && known[at].alive.is_none();
    match event {
        Event::Begin(operation) => {
            let journal = store.begin(URI, operation.clone()).unwrap();
            known.push(Known {
                path: journal.path().to_owned(),
                operation,
                steps: Vec::new(),
                alive: Some(journal),
            });
        }
        Event::Add(at, steps) if at < known.len() => {
            if let Some(journal) = &mut known[at].alive {
                journal.add(&steps).unwrap();
                known[at].steps.extend(steps);
            }
        }
        Event::Finish(at) if at < known.len() => {
            if let Some(journal) = known[at].alive.take() {
                journal.finish().unwrap();
                known.remove(at);
            }
        }
        Event::Die(at) if at < known.len() => drop(known[at].alive.take()),
        Event::Lose(at, bytes) if dead(known, at) => {
            let text = fs::read(&known[at].path).unwrap();
            let left = &text[..text.len().saturating_sub(bytes)];
            fs::write(&known[at].path, left).unwrap();
            let whole = left.iter().filter(|byte| **byte == b'\n').count();
            known[at].steps.truncate(whole.saturating_sub(1));
            // The line break alone may be lost: all that was said is there.
            let first = text.iter().position(|byte| *byte == b'\n');
            return left.len() < first.unwrap_or(text.len());
        }
        Event::Recover(at) if dead(known, at) => {
            let path = known.remove(at).path;
            let found = store.survey().unwrap();
            let found = found.into_iter().find(|found| found.path == path);
            match found.unwrap().holder {
                Holder::Us(journal) => journal.finish().unwrap(),
                Holder::Alive => panic!("nobody has it"),
            }
        }
        Event::Sweep => store.sweep().unwrap(),
        // There is no such journal now.
        _ => {}
    }
    false
}

fn found_as_known(store: &Store, known: &[Known]) -> Result<(), TestCaseError> {
    let found = store.survey().unwrap();
    prop_assert_eq!(found.len(), known.len());
    prop_assert_eq!(store.count_journals(), known.len());
    for one in found {
        let mut all = known.iter();
        let same = all.find(|known| known.path == one.path).unwrap();
        prop_assert_eq!(&one.begun.operation, &same.operation);
        prop_assert_eq!(&one.begun.uri, URI);
        prop_assert_eq!(&one.steps, &same.steps);
        let alive = matches!(one.holder, Holder::Alive);
        prop_assert_eq!(alive, same.alive.is_some());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_found_is_what_was_written(events in prop::collection::vec(event(), 1..24)) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("state"));
        let mut known = Vec::new();
        for event in events {
            let at = match event {
                Event::Lose(at, _) => at,
                _ => usize::MAX,
            };
            if happen(&store, &mut known, event) {
                // It stops everything, until somebody has looked at it.
                prop_assert_eq!(store.survey().unwrap_err().kind(), Kind::NotUndone);
                fs::remove_file(known.remove(at).path).unwrap();
            }
            found_as_known(&store, &known)?;
        }
    }
}
