//! A guest that can be written to through a directory of this host.
//!
//! It is a transaction that takes as long as the mount: libguestfs has redo
//! overlays, and the disks get what is in them when it is unmounted, all of it or
//! nothing. Until then the guest's disks are locked.

use uuid::Uuid;

use super::{Place, Serving, point};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::{GuestDisks, Writer};
use crate::ops::write::{Begun, Held, Writing, Written};
use crate::store::{MountEnd, MountRecord, ServedMount};

/// How much room there has to be for what is written, at least. How much that will
/// be, nobody knows.
const ROOM: u64 = 64 << 20;

/// What came of the time in which it was mounted.
enum Wish {
    Commit,
    Discard,
}

/// Mounts a guest for reading and writing, and serves it until it is unmounted, by
/// whomever. Then what was written is put into the guest, unless that is not wanted.
/// If this is asked to end before, it is unmounted, and what was written dropped.
///
/// # Errors
///
/// Those of [`Begun`]; [`Kind::Storage`] if libguestfs does not end well. The guest
/// is as it was then, unless it is [`Kind::NotUndone`].
pub fn writable(
    writing: Writing<'_>,
    domain: Option<Uuid>,
    place: &Place,
    serving: Serving<'_>,
) -> Result<()> {
    let mut record = MountRecord::new(place.dir.clone(), writing.name.clone());
    record.domain = domain;
    record.writable = true;
    let mounts = writing.tree().mounts().iter();
    let places: Vec<Vec<u8>> = mounts.map(|mount| mount.at.clone()).collect();
    let held = writing.close();
    let drives = held.drives().into_iter();
    record.images = drives.map(|drive| drive.chain.top().path.clone()).collect();
    let begun = held.begin(ROOM)?;
    let writer = match mounted(&held, &begun, &places, place, serving) {
        Ok(writer) => writer,
        Err(error) => return Err(begun.failed(error)),
    };
    let served =
        (serving.ready)(&record).and_then(|()| serving.store.begin_mount(serving.id, &record));
    let served = match served {
        Ok(served) => served,
        Err(error) => {
            give_up(place, writer);
            return Err(begun.failed(error));
        }
    };
    let result = match serve(writer, place, &served, serving) {
        Ok(Wish::Commit) => begun
            .commit(Written::default())
            .map(|()| MountEnd::Committed),
        Ok(Wish::Discard) => begun.abort().map(|()| MountEnd::Discarded),
        Err(error) => Err(begun.failed(error)),
    };
    told(result, &record, served, serving)
}

/// Starts libguestfs, and has it mount.
fn mounted(
    held: &Held<'_>,
    begun: &Begun<'_>,
    places: &[Vec<u8>],
    place: &Place,
    serving: Serving<'_>,
) -> Result<Writer> {
    let guest = GuestDisks {
        drives: held.drives(),
        images: begun.images(),
        mounts: held.mounts().to_vec(),
    };
    let mut writer = Writer::start(vec![guest], held.keys(), held.scratch(), serving.interrupt)?;
    crate::failpoint::hit("write.started")?;
    writer.mount_on(places, &place.dir, &place.words(held.name()))?;
    Ok(writer)
}

/// Answers until it is unmounted, and sees to it that all is in the overlays then.
fn serve(
    mut writer: Writer,
    place: &Place,
    served: &ServedMount,
    serving: Serving<'_>,
) -> Result<Wish> {
    let served_all = writer.serve().and_then(|()| match point::on(&place.dir)? {
        Some(mounted) if mounted.is_ours() => Err(Error::new(
            Kind::Storage,
            "libguestfs does not serve it any more, though it is mounted",
        )),
        _ => Ok(()),
    });
    if let Err(error) = served_all {
        give_up(place, writer);
        return Err(error);
    }
    writer.finish()?;
    serving.interrupt.check()?;
    match served.is_to_be_discarded() {
        true => Ok(Wish::Discard),
        false => Ok(Wish::Commit),
    }
}

/// Unmounts what nobody is going to answer for any more, and ends who did.
fn give_up(place: &Place, writer: Writer) {
    // Who asks something at this moment waits for an answer, or for the end.
    drop(point::unmount(&place.dir, true));
    drop(writer);
}

/// Leaves on record how it ended, for who waits for that; and says it.
fn told(
    result: Result<MountEnd>,
    record: &MountRecord,
    served: ServedMount,
    serving: Serving<'_>,
) -> Result<()> {
    let guest = &record.guest;
    match &result {
        Ok(end) => {
            serving.observer.status(&match end {
                MountEnd::Committed => format!("What was written is in '{guest}' now."),
                _ => format!("What was written was dropped: '{guest}' is as it was."),
            });
            served.end(end)?;
        }
        Err(error) => {
            let hints = error.hints().to_vec();
            served.end(&MountEnd::Failed {
                code: error.kind().exit_code(),
                message: error.to_string(),
                hints,
            })?;
        }
    }
    result.map(drop)
}
