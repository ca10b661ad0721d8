//! Making an image: all of it, or nothing.
//!
//! 1. The journal names the image, and the temporary name that it is made under.
//! 2. It is made: by libguestfs, by a program for CDs, or here.
//! 3. It is on the disk, its tables are right, and what is in it is read back.
//! 4. It gets its name, if that is free. What a run that dies leaves under the
//!    temporary name, the next one removes.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::plan::Plan;
use super::verify::verify;
use super::{Built, Target, Workshop};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::Maker;
use crate::guest::build::{Hashing, Item, ItemKind, Owners, Pipe, Poured, Source, Wanted};
use crate::guest::scratch::Scratch;
use crate::image::{self, FatSpec, FatVolume, IsoSpec, NewFile};
use crate::interrupt::Interrupt;
use crate::model::layout::{Holds, Layout, Placed};
use crate::model::{ImageFormat, human_bytes};
use crate::ops::new_image::make_whole;

/// Makes what was planned.
///
/// # Errors
///
/// [`Kind::Exists`] if somebody was faster with the name; [`Kind::Interrupted`] if
/// the user wants to stop; [`Kind::Storage`] if something cannot be written, or is
/// not as it must be. Nothing is left behind then.
pub fn build(workshop: Workshop<'_>, plan: &Plan) -> Result<Built> {
    let mut built = make_whole(workshop, &plan.out, |temp| make(workshop, plan, temp))?;
    built.made = true;
    Ok(built)
}

fn make(workshop: Workshop<'_>, plan: &Plan, temp: &Path) -> Result<(NewFile, Built)> {
    let mut built = plan.outcome();
    let new = match &plan.target {
        Target::Disk { layout, format, .. } => {
            let placed = plan.placed.as_ref();
            let placed = placed.ok_or_else(|| Error::new(Kind::Usage, "nothing has a place"))?;
            let new = image::write_blank(temp, placed.size, *format)?;
            crate::failpoint::hit("build.file")?;
            let wanted = if is_native(layout, *format) {
                let label = layout
                    .places()
                    .into_iter()
                    .find_map(|place| match place.holds {
                        Holds::Files { label, .. } => label.clone(),
                        _ => None,
                    });
                let spec = FatSpec {
                    label: label.as_deref(),
                    volume_id: serial(),
                    ..FatSpec::default()
                };
                Some(fat(workshop, plan, &new, &spec)?)
            } else {
                disk(workshop, plan, &new, layout, placed, *format)?
            };
            sealed(&new, *format, workshop.interrupt)?;
            let wanted = wanted.as_ref().map(|wanted| (wanted, plan.bytes));
            verify(workshop, temp, *format, Some(layout), wanted)?;
            new
        }
        Target::Floppy { label } => {
            let new = image::write_blank(temp, FatSpec::FLOPPY, ImageFormat::Raw)?;
            crate::failpoint::hit("build.file")?;
            let spec = FatSpec {
                label: label.as_deref(),
                volume_id: serial(),
                floppy: true,
                fat12: true,
            };
            let wanted = fat(workshop, plan, &new, &spec)?;
            sealed(&new, ImageFormat::Raw, workshop.interrupt)?;
            let wanted = Some((&wanted, plan.bytes));
            verify(workshop, temp, ImageFormat::Raw, None, wanted)?;
            new
        }
        Target::Iso { label } => {
            let new = NewFile::create(temp)?;
            crate::failpoint::hit("build.file")?;
            let wanted = iso(workshop, plan, &new, label.as_deref())?;
            sealed(&new, ImageFormat::Raw, workshop.interrupt)?;
            let wanted = Some((&wanted, plan.bytes));
            verify(workshop, temp, ImageFormat::Raw, None, wanted)?;
            built.size = new.file().metadata().ok().map(|meta| meta.len());
            new
        }
    };
    crate::failpoint::hit("build.checked")?;
    Ok((new, built))
}

/// A serial number for a file system; which does not matter.
fn serial() -> u32 {
    Uuid::new_v4().as_fields().0
}

/// Whether no kernel is needed.
pub(super) fn is_native(layout: &Layout, format: ImageFormat) -> bool {
    format == ImageFormat::Raw && layout.is_plain_fat()
}

/// Everything is on the disk, and the tables are right.
fn sealed(new: &NewFile, format: ImageFormat, interrupt: &Interrupt) -> Result<()> {
    new.sync()?;
    if image::can_be_checked(format) {
        let chain = image::chain_of_new(new.path(), format, None)?;
        image::all_of_it(&chain, interrupt.flag())?;
    }
    crate::failpoint::hit("build.made")
}

/// Has libguestfs make a disk.
fn disk(
    workshop: Workshop<'_>,
    plan: &Plan,
    new: &NewFile,
    layout: &Layout,
    placed: &Placed,
    format: ImageFormat,
) -> Result<Option<Wanted>> {
    let scratch = Scratch::new()?;
    let mut maker = Maker::start(new.path(), format, &scratch, workshop.interrupt)?;
    maker.lay_out(layout, placed)?;
    crate::failpoint::hit("build.laid-out")?;
    let wanted = match plan.source {
        Source::Nothing => None,
        _ => Some(fill(workshop, plan, &mut maker, layout, &scratch)?),
    };
    maker.finish()?;
    Ok(wanted)
}

/// Sends the source through a pipe, while the appliance unpacks it.
fn fill(
    workshop: Workshop<'_>,
    plan: &Plan,
    maker: &mut Maker,
    layout: &Layout,
    scratch: &Scratch,
) -> Result<Wanted> {
    let pipe = Pipe::make(scratch)?;
    let stop = AtomicBool::new(false);
    let send = || -> Result<Poured> {
        pipe.pour(
            &plan.source,
            plan.owners,
            &stop,
            workshop.interrupt,
            &mut |done| {
                workshop.observer.progress("copying", done, plan.bytes);
            },
        )
    };
    let (sent, unpacked) = std::thread::scope(|scope| {
        let sender = scope.spawn(send);
        let unpacked = maker.fill(layout, pipe.path());
        // If nobody has opened the pipe, nobody will.
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap_or_else(|_| {
            Err(Error::new(
                Kind::Unsafe,
                "what is in the source makes no sense",
            ))
        });
        (sent, unpacked)
    });
    match (sent, unpacked) {
        (Ok(poured), Ok(())) => Ok(poured.wanted),
        // Why nobody read any more is what matters.
        (Err(sent), Err(unpacked)) if sent.kind() == Kind::Storage => Err(no_room(unpacked)),
        (Err(error), _) => Err(error),
        (Ok(_), Err(error)) => Err(no_room(error)),
    }
}

/// Says what to do about what does not fit.
fn no_room(error: Error) -> Error {
    if !error.to_string().contains("No space left on device") {
        return error;
    }
    error
        .context("the image is too small for what is to be in it")
        .hint("give it more: a larger `--size`, or `--size +1G` for more than was worked out")
}

/// Makes a FAT file system on all of the image, and fills it.
fn fat(workshop: Workshop<'_>, plan: &Plan, new: &NewFile, spec: &FatSpec<'_>) -> Result<Wanted> {
    let mut volume = FatVolume::format(new.file(), spec)?;
    let free = volume.free()?;
    let mut wanted = Wanted::default();
    let mut done = 0_u64;
    let copied = plan
        .source
        .each(plan.owners, workshop.interrupt, &mut |item, contents| {
            let path = item.path.strip_prefix(b"/").unwrap_or(&item.path);
            let modified = item.modified.seconds;
            let mut hashing = Hashing::new(contents);
            match item.kind {
                ItemKind::Directory if path.is_empty() => {}
                ItemKind::Directory => volume.directory(path, modified)?,
                _ => volume.file(path, modified, &mut hashing)?,
            }
            done = done.saturating_add(hashing.count());
            workshop.observer.progress("copying", done, plan.bytes);
            wanted.add(item, hashing.finish());
            Ok(())
        });
    if let Err(error) = copied {
        return Err(match plan.bytes > free {
            true => error.with_kind(Kind::Usage).hint(format!(
                "there is room for {} in it, and what is to be in it has {}",
                human_bytes(free),
                human_bytes(plan.bytes)
            )),
            false => error,
        });
    }
    volume.finish()?;
    image::mend_directories(new.file())?;
    Ok(wanted)
}

/// Has a program make a CD, of a directory or of what an archive is unpacked to.
fn iso(workshop: Workshop<'_>, plan: &Plan, new: &NewFile, label: Option<&str>) -> Result<Wanted> {
    let scratch = Scratch::new()?;
    let staged = scratch.dir().join("files");
    let from = match &plan.source {
        Source::Dir(dir) => dir.as_path(),
        other => {
            std::fs::create_dir(&staged)
                .map_err(|error| Error::io("cannot make a directory for temporary files", error))?;
            other.stage(&staged, plan.owners, workshop.interrupt)?;
            &staged
        }
    };
    let spec = IsoSpec {
        from,
        label,
        roots: plan.owners == Owners::Root,
    };
    image::write_iso(new, &spec, workshop.interrupt.flag())?;
    let mut wanted = Wanted::default();
    plan.source.each(
        plan.owners,
        workshop.interrupt,
        &mut |item: &Item, contents: &mut dyn Read| {
            let mut hashing = Hashing::new(contents);
            std::io::copy(&mut hashing, &mut std::io::sink())
                .map_err(|error| Error::io("cannot read the source again", error))?;
            wanted.add(item, hashing.finish());
            Ok(())
        },
    )?;
    Ok(wanted)
}
