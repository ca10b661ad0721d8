//! Finishing, or taking back, what an earlier run left behind.

use uuid::Uuid;

use super::guard::RemovalGuard;
use super::{Host, Observer, Usage, clone, reservations};
use crate::error::{Error, Kind, Result};
use crate::guest::scratch::Scratch;
use crate::hypervisor::Hypervisor;
use crate::image;
use crate::interrupt::Interrupt;
use crate::model::{FileId, Reservation};
use crate::store::{
    Begun, DeletedFile, Found, Holder, Journal, Operation, RelayerAct, SnapshotAct, Step, Store,
};

/// What was done about one journal.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Recovered {
    /// What had been begun, as a clause: `cloning 'golden'`.
    pub what: String,
    /// The process that had begun it.
    pub pid: u32,
    /// What is there now. A sentence.
    pub result: String,
}

/// What is to be recovered with, where there may be journals of several
/// connections.
pub struct Recovery<'a> {
    /// Where the journals are.
    pub store: &'a Store,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
    /// Who is told how it goes.
    pub observer: &'a dyn Observer,
    /// Opens the connection a journal is about; `None` leaves that journal be.
    #[expect(clippy::type_complexity, reason = "a name for it would say no more")]
    pub connect: &'a dyn Fn(&str) -> Result<Option<Box<dyn Hypervisor>>>,
}

/// Deals with every journal that was left behind. Idempotent: what it cannot
/// do now stays for the next time.
///
/// # Errors
///
/// [`Kind::NotUndone`] if something could not be finished or taken back, after
/// all others were dealt with.
pub fn recover(recovery: &Recovery<'_>) -> Result<Vec<Recovered>> {
    let mut done = Vec::new();
    let mut failed = None;
    recovery.store.sweep()?;
    Scratch::sweep();
    for found in recovery.store.survey_patiently()? {
        let Found {
            begun,
            steps,
            holder,
            path,
        } = found;
        let Holder::Us(journal) = holder else {
            continue;
        };
        match one(recovery, &begun, &steps, journal) {
            Ok(recovered) => done.extend(recovered),
            Err(e) => {
                failed.get_or_insert(
                    Error::new(
                        Kind::NotUndone,
                        format!("{} could not be undone: {e}", what(&begun.operation)),
                    )
                    .hint(format!(
                        "when the cause is gone, run `vmkin recover`; the record is {}",
                        path.display()
                    )),
                );
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

fn one(
    recovery: &Recovery<'_>,
    begun: &Begun,
    steps: &[Step],
    journal: Journal,
) -> Result<Option<Recovered>> {
    if let Operation::Build { file } = &begun.operation {
        // It is about no domain, and so on no connection.
        let result = super::new_image::recover(file)?;
        return finished(begun, journal, result).map(Some);
    }
    let Some(hypervisor) = (recovery.connect)(&begun.uri)? else {
        return Ok(None);
    };
    let host = Host {
        hypervisor: &*hypervisor,
        store: recovery.store,
        interrupt: recovery.interrupt,
        observer: recovery.observer,
    };
    let result = match &begun.operation {
        Operation::Clone { .. } => take_back_clones(host, &begun.operation, steps, &journal)?,
        Operation::Delete {
            uuid,
            files,
            volumes,
            reservations,
            allow_dirs,
            ..
        } => {
            if hypervisor.find_uuid(*uuid)?.is_some() {
                "Nothing had happened yet.".to_owned()
            } else {
                let usage = Usage::read_allowing(host.hypervisor, allow_dirs)?;
                let kept = super::delete::remove_volumes(host, &usage, *uuid, volumes)?;
                remove_deleted(host, *uuid, files, reservations, &usage, kept)?
            }
        }
        Operation::Reset {
            uuid,
            disks,
            allow_dirs,
            ..
        } => super::reset::recover(host, *uuid, disks, allow_dirs, steps)?,
        Operation::Snapshot(intent) => super::snapshot::recover::recover(host, intent, steps)?,
        Operation::Write(intent) => super::write::recover::recover(intent, steps)?,
        Operation::MoveBase(intent) => super::base::moving::recover(host, intent, steps)?,
        Operation::Relayer(intent) => super::relayer::recover(host, intent, steps)?,
        Operation::Commit(intent) => super::disk::commit::recover(host, intent, steps)?,
        Operation::Rename(intent) => super::disk::rebase::recover(host, intent, steps)?,
        Operation::Migrate(intent) => {
            match super::migrate::recover(recovery, host, intent, steps)? {
                Some(result) => result,
                None => return Ok(None),
            }
        }
        Operation::Build { file } => super::new_image::recover(file)?,
    };
    finished(begun, journal, result).map(Some)
}

fn finished(begun: &Begun, journal: Journal, result: String) -> Result<Recovered> {
    crate::failpoint::hit("recover.done")?;
    journal.finish()?;
    Ok(Recovered {
        what: what(&begun.operation),
        pid: begun.pid,
        result,
    })
}

/// Removes the files of a domain that is gone, but for those that somebody uses
/// by now, and what was reserved for it. Says what is there then, as a sentence.
fn remove_deleted(
    host: Host<'_>,
    uuid: Uuid,
    files: &[DeletedFile],
    reserved: &[Reservation],
    usage: &Usage,
    mut kept: Vec<String>,
) -> Result<String> {
    for file in files {
        if let Some(why) = super::delete::in_use_now(usage, file)? {
            kept.push(why);
        } else {
            let _guard = RemovalGuard::take([file.path.as_path()])?;
            super::delete::remove_if_same(host, file)?;
        }
    }
    reservations::release(host, &reservations::own(usage, uuid, reserved))?;
    Ok(match kept.len() {
        0 => "The domain was gone already; its files are gone now too.".to_owned(),
        n => format!(
            "The domain was gone already; {n} of its files stay: {}.",
            kept.join("; ")
        ),
    })
}

/// What an operation does, as a clause.
fn what(operation: &Operation) -> String {
    match operation {
        Operation::Clone { golden, .. } => format!("cloning '{golden}'"),
        Operation::Delete { name, .. } => format!("deleting '{name}'"),
        Operation::Reset { name, .. } => format!("resetting '{name}'"),
        Operation::Relayer(intent) => format!(
            "{} '{}'",
            match intent.act {
                RelayerAct::Flatten => "flattening",
                RelayerAct::Rebase => "rebasing",
            },
            intent.name
        ),
        Operation::Commit(intent) => format!("committing '{}'", intent.name),
        Operation::Rename(intent) => format!("rebasing '{}'", intent.name),
        Operation::Migrate(intent) => format!("migrating '{}'", intent.name),
        Operation::MoveBase(intent) => format!("moving {}", image::shown(&intent.from)),
        Operation::Write(intent) => format!("changing files of '{}'", intent.name),
        Operation::Build { file } => format!("building {}", image::shown(&file.path)),
        Operation::Snapshot(intent) => {
            let act = match intent.act {
                SnapshotAct::Create | SnapshotAct::CreateMemory => "making",
                SnapshotAct::Apply | SnapshotAct::ApplyMemory | SnapshotAct::Revert => "applying",
                SnapshotAct::Delete | SnapshotAct::Merge => "deleting",
            };
            let of = match (&intent.domain, intent.images.first()) {
                (Some(domain), _) => format!("'{}'", domain.name),
                (None, Some(image)) => image::shown(&image.path).to_string(),
                (None, None) => "nothing".to_owned(),
            };
            format!("{act} snapshot '{}' of {of}", intent.name)
        }
    }
}

/// Each clone whose domain is defined is whole, because that is its last step.
/// The others lose their files.
fn take_back_clones(
    host: Host<'_>,
    operation: &Operation,
    steps: &[Step],
    journal: &Journal,
) -> Result<String> {
    let Operation::Clone { clones, seals, .. } = operation else {
        return Ok(String::new());
    };
    let mut whole = 0_usize;
    let usage = Usage::read(host.hypervisor)?;
    for (index, clone) in clones.iter().enumerate() {
        if host.hypervisor.find_uuid(clone.uuid)?.is_some() {
            whole += 1;
            continue;
        }
        let made = steps.iter().rev().find_map(|step| match step {
            Step::Made { clone, files } if *clone == index => Some(files.as_slice()),
            _ => None,
        });
        // Somebody may have made a domain of what was left.
        let adopted = |made: &&[FileId]| made.iter().any(|file| usage.user_of(*file).is_some());
        let reserved = reservations::own(&usage, clone.uuid, &clone.reservations);
        reservations::release(host, &reserved)?;
        clone::remove_files(&clone.files, made.filter(|made| !adopted(made)))?;
        clone::take_back_volumes(host, &usage, clone, made.is_some())?;
        crate::failpoint::hit("recover.clone")?;
    }
    if whole == 0 {
        clone::unseal_bases(host, seals, journal)?;
    } else {
        complete_seal_records(host, seals)?;
    }
    Ok(match (whole, clones.len() - whole) {
        (0, n) => format!("None of the {n} clones had been made, and nothing of them is left."),
        (n, 0) => format!("All {n} clones had been made."),
        (n, m) => format!("{n} clones had been made and stay; of the other {m} nothing is left."),
    })
}

/// A base that was sealed just before the process died may not be on record.
fn complete_seal_records(host: Host<'_>, seals: &[crate::store::SealIntent]) -> Result<()> {
    for seal in seals {
        let same: Option<FileId> = image::file_id(&seal.path)?;
        if same == Some(seal.file) && host.store.seal_record(&seal.path)?.is_none() {
            super::base::seal_as_one(host, &seal.path, None, false, None)?;
        }
    }
    Ok(())
}
