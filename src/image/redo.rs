//! Redo overlays: what is to be written to a disk, kept beside it until all of it
//! is there, and then written into the disk.
//!
//! While that is done the disk is *aside*: it has another name, which nobody
//! knows but the journal. Who looks for it under its own name, a start of the
//! guest above all, finds what was there before, or all of what is new, or
//! nothing, and never a half.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::check::{Checked, can_be_checked, read_checked, repair};
use super::file::{ImageFile, id_of_name, shown};
use super::lock::Lease;
use super::overlay::{NewFile, publish, write_shield};
use super::qcow2::{Header, MAX_L1_ENTRIES};
use super::qemu_img::{
    QemuImg, Repair, both_writable, progress_of, redo_options, telling, writable,
};
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat, Layer};

/// What the tables of an image may take for what is written into it, in bytes.
const TABLES: u64 = 4 << 20;

/// Writes an empty redo overlay on a disk that is leased. Whoever opens it takes
/// no lock on the disk, for the lease would be in the way.
///
/// # Errors
///
/// Those of [`write_shield`].
pub fn write_redo(path: &Path, chain: &Chain) -> Result<NewFile> {
    write_shield(path, chain, chain.top().virtual_size)
}

/// The same for a disk that is to be of another size in the end. As long as what is
/// on it has to be moved, it is as large as it ever is.
///
/// # Errors
///
/// Those of [`write_redo`].
pub fn write_redo_sized(path: &Path, chain: &Chain, size: u64) -> Result<NewFile> {
    write_shield(path, chain, chain.top().virtual_size.max(size))
}

/// Cuts off the end of a redo overlay, if it is longer than that.
///
/// # Errors
///
/// [`Kind::Storage`] if it cannot be written; those of [`ImageFile::open`].
pub fn cut_redo(redo: &Path, chain: &Chain, lease: &Lease, size: u64) -> Result<()> {
    if Header::read(&ImageFile::open(redo)?)?.disk_size() <= size {
        return Ok(());
    }
    let image = redo_options(redo, chain, lease)?;
    let before = chain.top().virtual_size;
    QemuImg::find()?.cut(image, before, size).run().map(drop)
}

/// Sees to it that a disk that was written to is of this size: its end is cut
/// off, if it is longer. It can be repeated.
///
/// # Errors
///
/// [`Kind::Storage`] if it cannot be written, or is shorter.
pub fn settle_size(chain: &Chain, lease: &Lease, size: u64) -> Result<()> {
    let path = &chain.top().path;
    if size_now(path, chain)? > size {
        let image = writable(chain, lease)?;
        let before = chain.top().virtual_size;
        QemuImg::find()?.cut(image, before, size).run()?;
        sync(&chain.top().path, lease)?;
    }
    match size_now(path, chain)? {
        now if now == size => Ok(()),
        now => Err(Error::new(
            Kind::Storage,
            format_args!(
                "{} has {now} bytes now, and was to have {size}",
                shown(path)
            ),
        )),
    }
}

fn size_now(path: &Path, chain: &Chain) -> Result<u64> {
    let image = ImageFile::open(path)?;
    match chain.top().format {
        ImageFormat::Qcow2 => Ok(Header::read(&image)?.disk_size()),
        _ => Ok(image.size()),
    }
}

/// Refuses a size that an image cannot be given.
///
/// # Errors
///
/// [`Kind::WrongState`], with what is in the way.
pub fn may_have_size(chain: &Chain, size: u64) -> Result<()> {
    let top = chain.top();
    let why_not = |why: String| {
        let error = Error::new(Kind::WrongState, format_args!("{} {why}", shown(&top.path)));
        Err(error)
    };
    if top.format != ImageFormat::Qcow2 {
        return match i64::try_from(size) {
            Ok(_) => Ok(()),
            Err(_) => why_not("cannot be as large as that".to_owned()),
        };
    }
    let header = Header::read(&ImageFile::open(&top.path)?)?;
    if header.version < 3 && top.snapshots > 0 {
        return why_not(format!(
            "has {} internal snapshots, and QEMU changes the size of an image that has some only \
             from version 3 of the format on",
            top.snapshots
        ))
        .map_err(|error| error.hint("delete them first: `vmkin snapshot delete`"));
    }
    if size.div_ceil(header.bytes_per_l1_entry().max(1)) > MAX_L1_ENTRIES {
        return why_not(format!(
            "cannot be as large as that with clusters of {} bytes",
            header.cluster_size()
        ));
    }
    Ok(())
}

/// Makes sure that a redo overlay is on the disk and that its tables are right,
/// and that there is room for what is in it.
///
/// # Errors
///
/// [`Kind::Unsafe`] if its tables are wrong; [`Kind::Storage`] if it cannot be
/// written out or there is no room; and those of [`super::check`].
pub fn seal_redo(redo: &Path, chain: &Chain, lease: &Lease, cancel: &AtomicBool) -> Result<()> {
    let file = ImageFile::open(redo)?;
    file.file().sync_all().map_err(|error| {
        Error::wrap(
            Kind::Storage,
            format_args!("cannot write {} to the disk", shown(redo)),
            error,
        )
    })?;
    let tool = QemuImg::find()?;
    let image = redo_options(redo, chain, lease)?;
    let run = tool.check_redo(image, chain.top().virtual_size);
    let found = read_checked(redo, &run.cancel(cancel).run()?)?;
    if !found.is_sound() {
        return Err(Error::new(
            Kind::Unsafe,
            format_args!("what was to be written came out damaged in {}", shown(redo)),
        ));
    }
    must_have_room(lease, file.allocated())
}

/// Refuses to begin with what has no room beside a disk: so many bytes, and what
/// is needed to find them again.
///
/// # Errors
///
/// [`Kind::Storage`].
pub fn must_have_room(lease: &Lease, bytes: u64) -> Result<()> {
    let disk = lease.image();
    let room = rustix::fs::fstatvfs(disk.file())
        .map(|known| known.f_bavail.saturating_mul(known.f_frsize))
        .map_err(|errno| Error::io("cannot tell how much room there is", errno.into()))?;
    let needed = bytes.saturating_add(TABLES);
    if room >= needed {
        return Ok(());
    }
    Err(Error::new(
        Kind::Storage,
        format_args!(
            "no space left beside {}: up to {needed} bytes are to be written, and there are {room}",
            shown(disk.path())
        ),
    ))
}

/// The chain of a disk with its redo overlay on top, for it to be read.
///
/// # Errors
///
/// Those of [`ImageFile::open`].
pub fn chain_with_redo(chain: &Chain, redo: &Path) -> Result<Chain> {
    let image = ImageFile::open(redo)?;
    let top = Layer {
        path: redo.to_owned(),
        format: ImageFormat::Qcow2,
        virtual_size: Header::read(&image)?.disk_size(),
        file: image.id(),
        file_size: image.size(),
        allocated: image.allocated(),
        snapshots: 0,
        ..chain.top().clone()
    };
    Ok(Chain::new(top, chain.layers().to_vec()))
}

/// Gives a disk that is leased the name that it has while it is written to.
///
/// # Errors
///
/// [`Kind::Busy`] if its name leads to another file by now; those of [`publish`].
pub fn put_aside(lease: &Lease, aside: &Path) -> Result<()> {
    let path = lease.image().real_path();
    if id_of_name(path) != Some(lease.image().id()) {
        return Err(Error::new(
            Kind::Busy,
            format_args!("{} is another file by now", shown(path)),
        ));
    }
    publish(path, aside)
}

/// The chain of a disk that is aside.
pub fn chain_aside(chain: &Chain, aside: &Path) -> Chain {
    let top = Layer {
        path: aside.to_owned(),
        ..chain.top().clone()
    };
    Chain::new(top, chain.backing().to_vec())
}

/// Writes what is in a redo overlay into the disk below it, which is leased; it
/// is on the disk when this returns. Nothing is to stop it: it can be repeated,
/// and has to be until it was done once.
///
/// # Errors
///
/// [`Kind::Storage`] if it cannot be written.
pub fn merge(
    redo: &Path,
    chain: &Chain,
    lease: &Lease,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let tool = QemuImg::find()?;
    // The disk below it grows first, if it is shorter.
    let longer = Header::read(&ImageFile::open(redo)?)?.disk_size();
    let size = chain.top().virtual_size.max(longer);
    let run = tool.merge(redo_options(redo, chain, lease)?, size);
    run.run_lines(&mut |line| {
        if let Some(done) = progress_of(line) {
            progress(done, 10_000);
        }
    })?;
    sync(&chain.top().path, lease)
}

/// Writes what is in an overlay into the image right below it, which grows first if
/// it is shorter; both are leased. It is on the disk when this returns. The overlay
/// stays as it is, and hides whatever is written: it reads the same all the time,
/// and this can be stopped and done again.
///
/// # Errors
///
/// [`Kind::Storage`] if it cannot be written; [`Kind::Interrupted`] soon after
/// `cancel` becomes true; [`Kind::Environment`] without `qemu-img`.
pub fn commit(
    chain: &Chain,
    overlay: &Lease,
    base: &Lease,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<()> {
    let tool = QemuImg::find()?;
    let size = chain.top().virtual_size;
    tool.merge(both_writable(chain, overlay, base)?, size)
        .cancel(cancel)
        .run_lines(&mut telling(progress, size))?;
    sync(base.image().path(), base)
}

fn sync(image: &Path, lease: &Lease) -> Result<()> {
    lease.image().file().sync_data().map_err(|error| {
        Error::wrap(
            Kind::Storage,
            format_args!("cannot write {} to the disk", shown(image)),
            error,
        )
    })
}

/// The same as [`merge`] and [`settle_size`] after a run of it was killed, which may have left clusters that are
/// taken and belong to nothing.
///
/// # Errors
///
/// Those of [`merge`], [`settle_size`] and [`repair`]; [`Kind::Unsafe`] if the image is damaged.
pub fn merge_again(redo: &Path, chain: &Chain, lease: &Lease, size: Option<u64>) -> Result<()> {
    merge(redo, chain, lease, &mut |_, _| {})?;
    if let Some(size) = size {
        settle_size(chain, lease, size)?;
    }
    give_back_leaks(chain, lease)
}

/// Gives back the clusters of an image that are taken and belong to nothing, as a
/// run that was killed leaves some, and makes sure that its tables are right.
///
/// # Errors
///
/// Those of [`repair`]; [`Kind::Unsafe`] if the image is damaged.
pub fn give_back_leaks(chain: &Chain, lease: &Lease) -> Result<()> {
    if !can_be_checked(chain.top().format) {
        return Ok(());
    }
    // Of an image with lazy reference counts, a kill leaves more than leaks.
    let what = if chain.top().dirty {
        Repair::All
    } else {
        Repair::Leaks
    };
    let found: Checked = repair(chain, lease, what, &AtomicBool::new(false))?;
    if found.is_sound() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsafe,
        format_args!(
            "{} is damaged: {} wrong entries in its tables",
            shown(&chain.top().path),
            found.corruptions
        ),
    ))
}
