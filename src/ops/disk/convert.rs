//! Reading a disk into an image of its own, of any format.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Subject, must_be_sound, only_one};
use crate::error::{Error, Kind, Result};
use crate::image::qcow2::Snapshot;
use crate::image::{self, Conversion, NewFile, Trust, path_word, shell_word, shown};
use crate::model::{DiskTarget, ImageFormat, ImageOptions, Layer};
use crate::ops::build::Workshop;
use crate::ops::guard::Allowed;
use crate::ops::images::open_dirs;
use crate::ops::new_image::{free_path, make_whole};
use crate::ops::read_guard::{GuardedDisk, ReadGuard};
use crate::ops::{Host, Usage};

/// What is to be converted, and to what.
#[derive(Clone, Debug)]
pub struct ConvertRequest {
    /// The disk.
    pub subject: Subject,
    /// The internal snapshot of it that is read, by id or by name, if one is.
    pub snapshot: Option<String>,
    /// The new image; nothing may be there.
    pub out: PathBuf,
    /// Its format, and what else it is.
    pub options: ImageOptions,
    /// Whether it is compressed.
    pub compress: bool,
    /// How many zeros on end become a hole, in bytes; 0 for none.
    pub sparse: Option<u64>,
    /// Whether the new image is read again and compared with the disk.
    pub compare: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// What was made, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct Converted {
    /// The disk in the domain; `None` for an image by its path.
    pub target: Option<DiskTarget>,
    /// The image that was read, with what is below it.
    pub from: PathBuf,
    /// The snapshot of it that was read.
    pub snapshot: Option<String>,
    /// The new image.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// The size of the disk in it, in bytes.
    pub size: u64,
    /// What it takes on the host, in bytes; `None` if it is not made yet.
    pub allocated: Option<u64>,
    /// Whether it was read again and compared.
    pub compared: bool,
    /// Whether it was made: not so in a dry run.
    pub made: bool,
}

/// What is to be done, and what keeps the disk as it is until it is.
pub struct Plan {
    request: ConvertRequest,
    out: PathBuf,
    snapshot: Option<Snapshot>,
    guard: ReadGuard,
    /// What the user ought to know, as sentences.
    pub warnings: Vec<String>,
}

/// Finds the disk and locks it against writers. Changes nothing.
///
/// # Errors
///
/// [`Kind::Exists`] if there is something at the new path; those of
/// [`ReadGuard::of_domain`]; [`Kind::Usage`] if several disks are meant, or the format
/// cannot be compressed; [`Kind::NotFound`] if there is no such snapshot;
/// [`Kind::WrongState`] if the disk has another size now, or no bytes; those of
/// [`Conversion::check`].
pub fn plan(host: Host<'_>, request: ConvertRequest) -> Result<Plan> {
    let out = free_path(&request.out)?;
    may_be_compressed(&request)?;
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let guard = request.subject.guard(host, allow)?;
    let disk = only_one(guard.disks())?;
    let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
    must_be_sound(host, &usage, &disk.chain)?;
    let wanted = request.snapshot.as_deref();
    let snapshot = wanted
        .map(|wanted| image::snapshot::find(disk.chain.top(), wanted))
        .transpose()?;
    if let Some(snapshot) = &snapshot {
        must_have_its_size(snapshot, disk.chain.top())?;
    }
    let dir = out.parent().unwrap_or(Path::new("/")).to_owned();
    let warnings = open_dirs(std::iter::once(dir));
    let plan = Plan {
        request,
        out,
        snapshot,
        guard,
        warnings,
    };
    let conversion = plan.conversion(plan.disk()?);
    must_have_bytes(&conversion)?;
    conversion.check(&plan.out)?;
    Ok(plan)
}

/// Makes what was planned.
///
/// # Errors
///
/// Those of [`Conversion::make`]; [`Kind::Storage`] if what was written is not what was
/// read; [`Kind::Exists`] if somebody was faster with the name. Nothing is left
/// behind then.
pub fn convert(host: Host<'_>, plan: &Plan) -> Result<Converted> {
    let workshop = Workshop {
        store: host.store,
        interrupt: host.interrupt,
        observer: host.observer,
    };
    let disk = plan.disk()?;
    make_whole(workshop, &plan.out, |temp| {
        let progress = |done, all| host.observer.progress("converting", done, all);
        let cancel = host.interrupt.flag();
        let new = plan.conversion(disk).make(temp, &progress, cancel)?;
        crate::failpoint::hit("convert.written")?;
        new.sync()?;
        let size = plan.look_at(host, disk, &new)?;
        crate::failpoint::hit("convert.compared")?;
        let mut converted = plan.outcome()?;
        converted.size = size;
        converted.allocated = Some(image::ImageFile::open(new.path())?.allocated());
        converted.compared = plan.request.compare;
        converted.made = true;
        Ok((new, converted))
    })
}

impl Plan {
    /// What would be made.
    ///
    /// # Errors
    ///
    /// None, for a plan that was made.
    pub fn outcome(&self) -> Result<Converted> {
        let disk = self.disk()?;
        Ok(Converted {
            target: disk.target.clone(),
            from: disk.chain.top().path.clone(),
            snapshot: self.request.snapshot.clone(),
            path: self.out.clone(),
            format: self.request.options.format(),
            size: self.conversion(disk).size(),
            allocated: None,
            compared: false,
            made: false,
        })
    }

    fn disk(&self) -> Result<&GuardedDisk> {
        only_one(self.guard.disks())
    }

    fn conversion<'a>(&'a self, disk: &'a GuardedDisk) -> Conversion<'a> {
        Conversion {
            chain: &disk.chain,
            snapshot: self.snapshot.as_ref(),
            options: &self.request.options,
            compress: self.request.compress,
            sparse: self.request.sparse,
        }
    }

    /// Reads the new image as anybody else will, and compares it with the disk.
    /// Returns the size of the disk in it, in bytes.
    fn look_at(&self, host: Host<'_>, disk: &GuardedDisk, new: &NewFile) -> Result<u64> {
        let cancel = host.interrupt.flag();
        let format = self.request.options.format();
        let chain = image::look_at_new(new, format, &Trust::default(), cancel)?;
        let wrong = |what: String| {
            Err(Error::new(
                Kind::Storage,
                format!("what was written to {} is {what}", shown(new.path())),
            )
            .hint("see the kernel's messages about the disk, and repeat the command"))
        };
        let size = chain.top().virtual_size;
        let wanted = self.conversion(disk).size();
        if size < wanted {
            return wrong(format!(
                "a disk of {size} bytes, and what was read has {wanted}"
            ));
        }
        if !self.request.compare {
            return Ok(size);
        }
        let snapshot = self.request.snapshot.as_deref();
        let progress = |done, all| host.observer.progress("comparing", done, all);
        let found = image::compare_disks(&disk.chain, snapshot, &chain, &progress, cancel)?;
        match found.differs_at {
            None => Ok(size),
            Some(at) => wrong(format!("not what was read, from byte {at} on")),
        }
    }
}

/// Refuses a snapshot of when the disk had another size: `qemu-img` reads all of them at
/// the size that it has now (QEMU 10.0).
fn must_have_its_size(snapshot: &Snapshot, top: &Layer) -> Result<()> {
    let then = snapshot.disk_size & !511;
    if then == top.virtual_size {
        return Ok(());
    }
    let name = String::from_utf8_lossy(&snapshot.name);
    let error = Error::new(
        Kind::WrongState,
        format!(
            "snapshot '{name}' is of a disk of {then} bytes, and the disk has {} now; `qemu-img` \
             cannot read it at its own size",
            top.virtual_size
        ),
    );
    Err(error.hint(format!(
        "take a copy of the image back to it, and convert that: `cp {} COPY`, `vmkin snapshot \
         apply -a COPY -f qcow2 {}`, `vmkin disk convert -a COPY -f qcow2 …`",
        path_word(&top.path),
        shell_word(&snapshot.name)
    )))
}

/// Refuses a disk without bytes where an image of it would be none.
fn must_have_bytes(conversion: &Conversion<'_>) -> Result<()> {
    let format = conversion.options.format();
    if conversion.size() > 0 || format == ImageFormat::Qcow2 {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!("the disk has no bytes, and an image of the format {format} must have some"),
    ))
}

fn may_be_compressed(request: &ConvertRequest) -> Result<()> {
    let options = &request.options;
    let can = match options.format() {
        // QEMU's driver of qcow could, and `qemu-img` 10.0 fails without a word.
        ImageFormat::Qcow2 => true,
        ImageFormat::Vmdk => options.get("subformat") == Some("streamOptimized"),
        _ => false,
    };
    if can || !request.compress {
        return Ok(());
    }
    let error = Error::new(
        Kind::Usage,
        format!(
            "images of the format {} are not compressed",
            options.format()
        ),
    );
    Err(match options.format() {
        ImageFormat::Vmdk => error.hint("those of one kind are: `-o subformat=streamOptimized`"),
        _ => error.hint("qcow2 can be: `-O qcow2`"),
    })
}
