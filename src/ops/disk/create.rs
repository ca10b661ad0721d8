//! New disks with nothing in them, and overlays.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::must_be_sound;
use crate::error::{Error, Kind, Result};
use crate::guest::scratch::Scratch;
use crate::image::{self, Guard, MAX_OVERLAYS, NewDisk, Trust, shown};
use crate::model::{Chain, ImageFormat, ImageOptions, SecretText, human_bytes};
use crate::ops::build::Workshop;
use crate::ops::images::{PLAIN_FIRST, open_dirs, trust_for};
use crate::ops::new_image::{free_path, make_whole};
use crate::ops::read_guard::format_by;
use crate::ops::{Host, Usage};

/// What is to be made.
#[derive(Clone, Debug)]
pub struct CreateRequest {
    /// The image; nothing may be there.
    pub out: PathBuf,
    /// Its format, raw or qcow2, and what else it is.
    pub options: ImageOptions,
    /// Its size in bytes; that of what is below it, if nobody says.
    pub size: Option<u64>,
    /// What its data is encrypted with.
    pub secret: Option<SecretText>,
}

/// The image that a new one is to be an overlay on.
#[derive(Clone, Debug)]
pub struct Below {
    /// Where it is.
    pub path: PathBuf,
    /// Its format, needed if no domain has it.
    pub format: Option<ImageFormat>,
    /// The option by which the user says so.
    pub format_option: &'static str,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// What was made, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct Created {
    /// Where it is.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// The size of the disk, in bytes.
    pub size: u64,
    /// What it takes on the host, in bytes; `None` if it is not made yet.
    pub allocated: Option<u64>,
    /// The image below it.
    pub backing: Option<PathBuf>,
    /// The format of that.
    pub backing_format: Option<ImageFormat>,
    /// Whether its data is encrypted.
    pub encrypted: bool,
    /// Whether it was made: not so in a dry run.
    pub made: bool,
}

/// What is to be done, and what keeps the base as it is until it is.
pub struct Plan {
    out: PathBuf,
    options: ImageOptions,
    size: u64,
    secret: Option<SecretText>,
    backing: Option<Chain>,
    /// What the user ought to know, as sentences.
    pub warnings: Vec<String>,
    _guards: Vec<Guard>,
}

/// Works out what to make. Changes nothing.
///
/// # Errors
///
/// [`Kind::Exists`] if there is something at the path; [`Kind::Usage`] if there can
/// be no such image; [`Kind::Storage`] if there is no room for it. With something
/// below it, for which a [`Host`] is needed: [`Kind::Unsafe`] if that cannot be
/// trusted, is not what it was when clones were made of it, or is too deep already;
/// [`Kind::Busy`] if somebody writes to it; [`Kind::WrongState`] if it is encrypted.
pub fn plan(request: CreateRequest, below: Option<(Host<'_>, &Below)>) -> Result<Plan> {
    let out = free_path(&request.out)?;
    let dir = out.parent().unwrap_or(Path::new("/")).to_owned();
    let mut warnings = open_dirs(std::iter::once(dir));
    let mut guards = Vec::new();
    let backing = match below {
        None => None,
        Some((host, below)) => {
            must_take_backing(&request.options)?;
            let chain = chain_below(host, below, &mut warnings)?;
            must_not_be_encrypted(&chain)?;
            for layer in chain.layers() {
                guards.push(Guard::layer(layer)?);
            }
            Some(chain)
        }
    };
    let size = size(request.size, backing.as_ref())?;
    if request.size.is_some_and(|asked| asked != size) {
        warnings.push(format!(
            "The size was rounded up to {size} bytes: a disk has whole sectors of 512."
        ));
    }
    if request.secret.is_some() && request.options.format() != ImageFormat::Qcow2 {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "an image of the format {} cannot be encrypted: only qcow2 can",
                request.options.format()
            ),
        ));
    }
    if let Some("falloc" | "full") = request.options.get("preallocation") {
        image::must_have_room_for(&out, size)?;
    }
    Ok(Plan {
        out,
        options: request.options,
        size,
        secret: request.secret,
        backing,
        warnings,
        _guards: guards,
    })
}

/// Makes what was planned.
///
/// # Errors
///
/// Those of [`NewDisk::make`]; [`Kind::Exists`] if somebody was faster with the
/// name. Nothing is left behind then.
pub fn create(workshop: Workshop<'_>, plan: &Plan) -> Result<Created> {
    let scratch = plan.secret.as_ref().map(|_| Scratch::new()).transpose()?;
    let secret = match (&plan.secret, &scratch) {
        (Some(secret), Some(scratch)) => {
            // QEMU takes all of the file for the secret, the end of its line too.
            Some(scratch.file("secret", secret.expose().as_bytes())?)
        }
        _ => None,
    };
    let cancel = workshop.interrupt.flag();
    make_whole(workshop, &plan.out, |temp| {
        let spec = NewDisk {
            options: &plan.options,
            size: plan.size,
            backing: plan.backing.as_ref(),
            secret: secret.as_deref(),
        };
        let new = spec.make(temp, cancel)?;
        crate::failpoint::hit("create.file")?;
        new.sync()?;
        let below = plan.backing.iter().flat_map(Chain::layers);
        let trust = Trust::new([] as [&Path; 0], below.map(|layer| layer.path.as_path()));
        let chain = image::look_at_new(&new, plan.options.format(), &trust, cancel)?;
        let top = chain.top();
        let as_wanted = top.virtual_size == plan.size
            && top.encrypted == plan.secret.is_some()
            && chain.layers().len() == plan.layers();
        if !as_wanted {
            return Err(Error::new(
                Kind::Storage,
                format!(
                    "what was made is not what was wanted: a disk of {} bytes",
                    top.virtual_size
                ),
            ));
        }
        let allocated = image::ImageFile::open(new.path())?.allocated();
        let mut created = plan.outcome();
        created.allocated = Some(allocated);
        created.made = true;
        crate::failpoint::hit("create.made")?;
        Ok((new, created))
    })
}

impl Plan {
    /// What would be made.
    pub fn outcome(&self) -> Created {
        let below = self.backing.as_ref().map(Chain::top);
        Created {
            path: self.out.clone(),
            format: self.options.format(),
            size: self.size,
            allocated: None,
            backing: below.map(|below| below.path.clone()),
            backing_format: below.map(|below| below.format),
            encrypted: self.secret.is_some(),
            made: false,
        }
    }

    fn layers(&self) -> usize {
        let below = self
            .backing
            .as_ref()
            .map_or(0, |chain| chain.layers().len());
        below.saturating_add(1)
    }
}

/// Whether an image can be an overlay and all else that is asked of it.
fn must_take_backing(options: &ImageOptions) -> Result<()> {
    let usage = |what: &str| Err(Error::new(Kind::Usage, what));
    if options.format() != ImageFormat::Qcow2 {
        return usage("only a qcow2 image can have a backing file");
    }
    match options.get("preallocation") {
        None | Some("off") => Ok(()),
        _ => usage(
            "room cannot be allocated ahead in an overlay: what is not in it is read from below",
        ),
    }
}

/// Refuses what a guest could not read through an overlay: what is written to that would
/// not be encrypted, and libvirt has no secret for what is below.
fn must_not_be_encrypted(chain: &Chain) -> Result<()> {
    let Some(layer) = chain.encrypted() else {
        return Ok(());
    };
    Err(Error::new(
        Kind::WrongState,
        format!(
            "{} is encrypted, and what is written to an overlay would not be",
            shown(&layer.path)
        ),
    )
    .hint(PLAIN_FIRST))
}

fn size(asked: Option<u64>, backing: Option<&Chain>) -> Result<u64> {
    let below = backing.map(|chain| chain.top().virtual_size);
    let Some(size) = asked.or(below) else {
        return Err(
            Error::new(Kind::Usage, "nobody says how large the disk is to be")
                .hint("say it after the name: `vmkin disk create FILE 10G`"),
        );
    };
    if let Some(below) = below.filter(|below| size < *below) {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "a disk of {} would cut off the end of what is below it, which has {}",
                human_bytes(size),
                human_bytes(below)
            ),
        )
        .hint("leave the size out to have that of the backing file"));
    }
    let whole = size.checked_next_multiple_of(512);
    whole
        .filter(|size| i64::try_from(*size).is_ok())
        .ok_or_else(|| {
            Error::new(
                Kind::Usage,
                format!("a disk cannot have {size} bytes: that is more than a file can"),
            )
        })
}

/// Finds the image below, and makes sure that it is one to build on.
pub(super) fn chain_below(
    host: Host<'_>,
    below: &Below,
    warnings: &mut Vec<String>,
) -> Result<Chain> {
    host.must_be_here()?;
    // The overlay names the image itself, and not a link to it: a link that leads
    // elsewhere one day would change the base under it.
    let path = std::fs::canonicalize(&below.path).unwrap_or_else(|_| below.path.clone());
    let usage = Usage::read_allowing(host.hypervisor, &below.allow_dirs)?;
    let format = format_by(&usage, &path, below.format, below.format_option)?;
    let trust = trust_for(host.hypervisor, &[], &below.allow_dirs)?;
    let chain = image::resolve(&path, format, &trust)?;
    if chain.layers().len() > MAX_OVERLAYS {
        return Err(Error::new(
            Kind::Unsafe,
            format!(
                "{} has {} layers, and libvirt starts at most {MAX_OVERLAYS} overlays over a base",
                shown(&path),
                chain.layers().len()
            ),
        )
        .hint("make an independent copy of it first: `vmkin disk convert`"));
    }
    must_be_sound(host, &usage, &chain)?;
    let top = chain.top();
    if !top.block && !image::seal_state(&top.path)?.sealed {
        let writers = usage.of(top.file).iter().filter(|one| one.writes);
        let writer = writers.filter_map(|one| usage.domain(one)).next();
        let who = match writer {
            Some(known) => format!("'{}' writes to it when it is started", known.domain.name),
            None => "nothing keeps others from writing to it".to_owned(),
        };
        let word = image::shell_word(std::os::unix::ffi::OsStrExt::as_bytes(top.path.as_os_str()));
        warnings.push(format!(
            "{} is not sealed: {who}, and then what is in the overlay is worth nothing. Seal it: \
             `vmkin base seal {word}`.",
            shown(&top.path)
        ));
    }
    Ok(chain)
}
