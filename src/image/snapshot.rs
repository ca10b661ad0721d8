//! Internal snapshots of qcow2 images: making them, going back to them and
//! deleting them, by `qemu-img` on an image that is leased.
//!
//! `qemu-img` takes what it is given for an id or for a name, as it happens;
//! so the table is read here before and after, and what is not as it must be
//! then is an error, whatever `qemu-img` said.

use std::sync::atomic::AtomicBool;

use super::check::{Checked, check_leased, repair};
use super::file::{ImageFile, ShownBytes, be64, shown};
use super::giving_back::giving_back;
use super::lock::Lease;
use super::qcow2::{Header, Snapshot, Space};
use super::qemu_img::{QemuImg, Repair, SnapshotAct, writable};
use super::read::find_snapshot;
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat, Layer};

/// How QEMU's L1 entries have the place of an L2 table in them, and what else
/// they say of it (`qcow2.rst`, "L1 table entry").
const L2_TABLE: u64 = 0x00ff_ffff_ffff_fe00;

/// The internal snapshots of an image, in the order of its table; none of an
/// image that is not qcow2.
///
/// # Errors
///
/// Those of [`Header::snapshot_table`]; [`Kind::Busy`] if the file is another
/// one than when the chain was read.
pub fn table(layer: &Layer) -> Result<Vec<Snapshot>> {
    match open(layer)? {
        Some((image, header)) => header.snapshot_table(&image),
        None => Ok(Vec::new()),
    }
}

/// The same, with what deleting each would give back on the host, in bytes;
/// `None` where that would take too long to find out.
///
/// # Errors
///
/// Those of [`table`].
pub fn table_with_space(layer: &Layer) -> Result<(Vec<Snapshot>, Vec<Option<u64>>)> {
    let Some((image, header)) = open(layer)? else {
        return Ok((Vec::new(), Vec::new()));
    };
    let table = header.snapshot_table(&image)?;
    let mut space = Space::new(&header, &image);
    let sizes = table.iter().map(|snapshot| space.of(snapshot));
    let sizes = sizes.collect::<Result<_>>()?;
    Ok((table, sizes))
}

/// An image that is qcow2 and still the file it was, and its header.
fn open(layer: &Layer) -> Result<Option<(ImageFile, Header)>> {
    let image = ImageFile::of_layer(layer)?;
    if layer.format != ImageFormat::Qcow2 {
        return Ok(None);
    }
    let header = Header::read(&image)?;
    Ok(Some((image, header)))
}

/// The snapshot with this id, or else of this name.
///
/// # Errors
///
/// Those of [`table`]; [`Kind::NotFound`] if there is none, [`Kind::Usage`] if
/// there are several of that name.
pub fn find(layer: &Layer, wanted: &str) -> Result<Snapshot> {
    match open(layer)? {
        Some((image, header)) => find_snapshot(&image, &header, wanted),
        None => Err(Error::new(
            Kind::NotFound,
            format_args!(
                "image {} is {}, and has no snapshots",
                shown(&layer.path),
                layer.format
            ),
        )),
    }
}

/// The snapshot of this name; the first, if there are several, for that is the
/// one that QEMU goes by.
pub fn named<'s>(table: &'s [Snapshot], name: &[u8]) -> Option<&'s Snapshot> {
    table.iter().find(|snapshot| snapshot.name == name)
}

/// The id that QEMU gives the next snapshot.
pub fn next_id(table: &[Snapshot]) -> Vec<u8> {
    let number = |snapshot: &Snapshot| {
        // As `strtoul` has it: the digits at the beginning.
        let digits = snapshot.id.iter().take_while(|byte| byte.is_ascii_digit());
        let digits: Vec<u8> = digits.copied().collect();
        String::from_utf8_lossy(&digits).parse::<u64>().unwrap_or(0)
    };
    let last = table.iter().map(number).max().unwrap_or(0);
    last.saturating_add(1).to_string().into_bytes()
}

/// Makes a snapshot, on the disk when this returns.
///
/// # Errors
///
/// [`Kind::Exists`] if there is one of this name; [`Kind::Interrupted`] soon
/// after `cancel` becomes true; [`Kind::Environment`] without `qemu-img`;
/// [`Kind::Storage`] if it fails, and then there may be one all the same.
pub fn create(chain: &Chain, lease: &Lease, name: &[u8], cancel: &AtomicBool) -> Result<()> {
    let before = table(chain.top())?;
    if named(&before, name).is_some() {
        return Err(Error::new(
            Kind::Exists,
            format_args!(
                "{} has a snapshot '{}' already",
                shown(&chain.top().path),
                ShownBytes(name)
            ),
        ));
    }
    run(chain, lease, SnapshotAct::Create(name), cancel)?;
    let after = table(chain.top())?;
    let made = named(&after, name).is_some_and(|made| made.id == next_id(&before));
    verify(made, chain, "making", name)
}

/// Takes the disk back to a snapshot, on the disk when this returns.
///
/// # Errors
///
/// Those of [`create`]; [`Kind::NotFound`] if there is no such snapshot.
pub fn apply(chain: &Chain, lease: &Lease, which: &Snapshot, cancel: &AtomicBool) -> Result<()> {
    only_one(chain, which)?;
    run(chain, lease, SnapshotAct::Apply(&which.id), cancel)?;
    verify(is_at(chain.top(), which)?, chain, "applying", &which.name)
}

/// Deletes a snapshot, if it is there. On the disk when this returns.
///
/// # Errors
///
/// Those of [`create`]; [`Kind::WrongState`] if another one of the same name
/// comes before it, which `qemu-img` would delete instead.
pub fn delete(chain: &Chain, lease: &Lease, which: &Snapshot, cancel: &AtomicBool) -> Result<()> {
    let before = table(chain.top())?;
    if !before.iter().any(|one| is_same(one, which)) {
        return Ok(());
    }
    if named(&before, &which.name).is_some_and(|first| !is_same(first, which)) {
        return Err(Error::new(
            Kind::WrongState,
            format_args!(
                "{} has several snapshots '{}', of which `qemu-img` can delete the first alone",
                shown(&chain.top().path),
                ShownBytes(&which.name)
            ),
        ));
    }
    run(chain, lease, SnapshotAct::Delete(&which.name), cancel)?;
    let after = table(chain.top())?;
    let gone = !after.iter().any(|one| is_same(one, which));
    verify(gone, chain, "deleting", &which.name)
}

/// Whether the disk is what it was when a snapshot was made, so that nobody
/// has written to it since it was made or applied: every write then makes a
/// new L2 table, for the old one belongs to the snapshot too.
///
/// # Errors
///
/// Those of [`table`].
pub fn is_at(layer: &Layer, which: &Snapshot) -> Result<bool> {
    let image = ImageFile::open(&layer.path)?;
    let header = Header::read(&image)?;
    if header.disk_size() != which.disk_size & !511 {
        return Ok(false);
    }
    let now = l1_table(&image, header.l1_offset, header.l1_size)?;
    let then = l1_table(&image, which.l1_offset, which.l1_size)?;
    // Either may have room for more, which is empty, or memory behind it.
    let per_entry = header.bytes_per_l1_entry();
    let entries = usize::try_from(header.disk_size().div_ceil(per_entry)).unwrap_or(usize::MAX);
    let at = |table: &[u64], index: usize| table.get(index).copied().unwrap_or(0) & L2_TABLE;
    let most = entries.min(now.len().max(then.len()));
    Ok((0..most).all(|index| at(&now, index) == at(&then, index)))
}

/// Sets right what a `qemu-img` that died half-way has left behind: space that
/// belongs to nothing, or reference counts that are not written out in full.
/// Does nothing where nothing is wrong, or nothing was written since the image
/// was leased.
///
/// # Errors
///
/// Those of [`check`](super::check); [`Kind::Unsafe`] if the image is damaged.
pub fn mend(chain: &Chain, lease: &Lease, cancel: &AtomicBool) -> Result<()> {
    if !is_touched(lease)? {
        return Ok(());
    }
    set_right(chain, lease, cancel)
}

/// The same of an image that somebody else may have been killed on. To be done
/// before anything else is written there: a `qemu-img` that cannot say for sure
/// that a new table of snapshots is on the disk gives that back, though the
/// header leads to it, and the next one would write over it.
///
/// # Errors
///
/// Those of [`mend`].
pub fn set_right(chain: &Chain, lease: &Lease, cancel: &AtomicBool) -> Result<()> {
    set_counts_right(chain, lease, cancel)?;
    if !has_empty_entry(chain)? {
        return Ok(());
    }
    run(chain, lease, SnapshotAct::Delete(b""), cancel)?;
    if has_empty_entry(chain)? {
        return Err(damaged(chain));
    }
    set_counts_right(chain, lease, cancel)
}

/// Whether an entry of the table is nothing but zeros: where the disk fails, a
/// header can lead to a table that was never written (seen with QEMU 10.0 and a
/// failing `fdatasync`). QEMU gives every snapshot an id.
fn has_empty_entry(chain: &Chain) -> Result<bool> {
    let table = table(chain.top())?;
    Ok(table
        .iter()
        .any(|one| one.id.is_empty() && one.name.is_empty()))
}

fn set_counts_right(chain: &Chain, lease: &Lease, cancel: &AtomicBool) -> Result<()> {
    let found = check_leased(chain, lease, cancel)?;
    if found == Checked::default() {
        return Ok(());
    }
    let what = if found.is_sound() {
        Repair::Leaks
    } else {
        Repair::All
    };
    if repair(chain, lease, what, cancel)?.is_sound() {
        return Ok(());
    }
    Err(damaged(chain))
}

fn damaged(chain: &Chain) -> Error {
    Error::new(
        Kind::Unsafe,
        format_args!("{} is damaged", shown(&chain.top().path)),
    )
}

/// Whether an image was written to since it was leased.
fn is_touched(lease: &Lease) -> Result<bool> {
    let now = ImageFile::open(lease.image().real_path())?;
    let (now, then) = (now.stat(), lease.image().stat());
    let times = |stat: &rustix::fs::Stat| {
        (
            stat.st_mtime,
            stat.st_mtime_nsec,
            stat.st_ctime,
            stat.st_ctime_nsec,
        )
    };
    Ok(times(now) != times(then) || now.st_size != then.st_size || lease.image().is_block())
}

fn l1_table(image: &ImageFile, at: u64, entries: u32) -> Result<Vec<u64>> {
    let length = usize::try_from(u64::from(entries).saturating_mul(8)).unwrap_or(usize::MAX);
    let bytes = image.read_at(at, length)?;
    let entries = (0..bytes.len()).step_by(8);
    Ok(entries.filter_map(|at| be64(&bytes, at)).collect())
}

fn is_same(one: &Snapshot, other: &Snapshot) -> bool {
    one.id == other.id && one.name == other.name
}

/// Makes sure that an id means this snapshot and no other one.
fn only_one(chain: &Chain, which: &Snapshot) -> Result<()> {
    let table = table(chain.top())?;
    let mut same = table.iter().filter(|one| one.id == which.id);
    let found = same.next().is_some_and(|one| is_same(one, which));
    if found && same.next().is_none() {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotFound,
        format_args!(
            "{} has no snapshot '{}'",
            shown(&chain.top().path),
            ShownBytes(&which.name)
        ),
    ))
}

fn run(chain: &Chain, lease: &Lease, act: SnapshotAct<'_>, cancel: &AtomicBool) -> Result<()> {
    let tool = QemuImg::find()?;
    let image = writable(chain, lease)?;
    let run = tool.snapshot(image, act, chain.top().virtual_size);
    giving_back(chain, lease, || run.cancel(cancel).run().map(drop))
}

/// `qemu-img` has been seen to end well without what it was asked for.
fn verify(done: bool, chain: &Chain, what: &str, name: &[u8]) -> Result<()> {
    if done {
        return Ok(());
    }
    Err(Error::new(
        Kind::Storage,
        format_args!(
            "{what} snapshot '{}' of {} was said to be done, and was not",
            ShownBytes(name),
            shown(&chain.top().path)
        ),
    ))
}
