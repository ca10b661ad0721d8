//! Taking back what a run has made, and nothing else.

use std::fs;
use std::path::Path;

use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Hypervisor, Undefine};
use crate::image;
use crate::model::FileId;
use crate::ops::{Host, Strays, Usage};
use crate::store::{FilePair, Journal, Operation, SealIntent};

/// Makes sure that the domain of a clone is not there. One of another name has
/// a UUID that the user gave, and was faster to take it: that one stays.
///
/// # Errors
///
/// If libvirt does not answer: then nobody knows, and the files have to stay.
/// [`Kind::NotUndone`] if somebody has started it: then they have to as well.
pub(super) fn undefine(hypervisor: &dyn Hypervisor, name: &str, uuid: Uuid) -> Result<()> {
    let Some(domain) = hypervisor.find_uuid(uuid)? else {
        return Ok(());
    };
    if domain.name != name {
        return Ok(());
    }
    if hypervisor.status(&domain)?.state.is_active() {
        return Err(Error::new(
            Kind::NotUndone,
            format!("domain '{name}' was started meanwhile"),
        ));
    }
    hypervisor.undefine(&domain, Undefine::default())
}

/// Removes the files of one clone: what has a temporary name, and what has its
/// own if it is the very file that was made.
///
/// # Errors
///
/// If one is there and cannot be removed.
pub(in crate::ops) fn remove_files(pairs: &[FilePair], made: Option<&[FileId]>) -> Result<()> {
    for (index, pair) in pairs.iter().enumerate() {
        remove(&pair.temp)?;
        let ours = made.and_then(|made| made.get(index)).copied();
        if ours.is_some() && image::file_id(&pair.path)? == ours {
            remove(&pair.path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("cannot remove {}", path.display()), e)
                .with_kind(Kind::NotUndone))
        }
        _ => Ok(()),
    }
}

/// Opens the seals again that the run of this journal has put on bases, unless
/// somebody else relies on them by now. Nobody begins to make clones of them
/// meanwhile.
///
/// # Errors
///
/// If a base cannot be given its mode back.
pub(in crate::ops) fn unseal_bases(
    host: Host<'_>,
    seals: &[SealIntent],
    journal: &Journal,
) -> Result<()> {
    let _lock = host.store.names_lock()?;
    let mut others = host.store.survey()?;
    others.retain(|found| found.path != journal.path());
    if seals.is_empty() {
        return Ok(());
    }
    let usage = Usage::read(host.hypervisor)?;
    for seal in seals {
        if image::file_id(&seal.path)? != Some(seal.file) {
            continue;
        }
        let wanted_elsewhere = others
            .iter()
            .any(|found| wants(&found.begun.operation, &seal.path));
        let dir = super::parent(&seal.path);
        let may_have_children = usage.blind().is_some()
            || !usage.children(seal.file).is_empty()
            || usage.strays(seal.file, &dir)? != Strays::default();
        if wanted_elsewhere || may_have_children {
            continue;
        }
        image::unseal(&seal.path, seal.mode_before)?;
        host.store.forget_seal(&seal.path)?;
        host.observer.status(&format!(
            "Opened the seal of {} again: no clone was made.",
            seal.path.display()
        ));
    }
    Ok(())
}

/// Whether an operation under way makes clones of this base. It may have found
/// the base sealed, and so not name it; then its files are enough to be careful.
fn wants(operation: &Operation, base: &Path) -> bool {
    match operation {
        // Of another host, names are all that is known.
        Operation::Clone { bases, .. } => bases
            .iter()
            .any(|path| path == base || image::same_file(path, base)),
        Operation::Delete { .. }
        | Operation::Reset { .. }
        | Operation::Snapshot(_)
        | Operation::Write(_)
        | Operation::MoveBase(_)
        | Operation::Relayer(_)
        | Operation::Commit(_)
        | Operation::Rename(_)
        | Operation::Migrate(_)
        | Operation::Build { .. } => false,
    }
}

/// What is under way on this host. To be looked at with the lock on names held,
/// or more could begin right after; and before the domains are listed: a clone
/// that is finished in between is seen at least once.
pub(in crate::ops) struct UnderWay(Vec<(u32, Operation)>);

impl UnderWay {
    /// Looks.
    ///
    /// # Errors
    ///
    /// Those of [`Store::survey`](crate::store::Store::survey).
    pub(in crate::ops) fn see(host: Host<'_>) -> Result<Self> {
        let found = host.store.survey()?.into_iter();
        let begun = found.map(|found| (found.begun.pid, found.begun.operation));
        Ok(Self(begun.collect()))
    }

    /// The process that is at work on a file of this path, if there is one.
    pub(in crate::ops) fn names(&self, path: &Path) -> Option<u32> {
        // Whatever the part is that it has in the operation.
        let path = format!("{path:?}");
        let mut all = self.0.iter();
        let found = all.find(|(_, operation)| format!("{operation:?}").contains(&path));
        found.map(|(pid, _)| *pid)
    }

    /// Refuses to take an image from under clones that another process is
    /// making.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`] if there is such a process.
    pub(in crate::ops) fn refuse_cloned(&self, image: &Path) -> Result<()> {
        match self.0.iter().find(|(_, operation)| wants(operation, image)) {
            None => Ok(()),
            Some((pid, _)) => Err(Error::new(
                Kind::Busy,
                format!(
                    "vmkin (pid {pid}) is making clones of {} now",
                    image.display()
                ),
            )
            .hint("wait for it; or, if it is dead, run `vmkin recover`")),
        }
    }
}
