//! The layers of a disk, from the headers alone.

use std::path::{Path, PathBuf};

use super::file::{ShownBytes, path_word, shell_word, shown};
use super::files::{Files, Here, Named, Stopped, Walked};
use super::foreign;
use super::qcow2::Header;
use super::source::Image;
use super::trust::{Trust, follow};
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, FileId, ImageFormat, Layer, NbdExport};

/// How many overlays libvirt starts over one base: it counts no more than 25
/// nested elements in what it hands to QEMU.
pub const MAX_OVERLAYS: usize = 24;

/// As much of a chain as could be read, and why no more.
#[derive(Debug)]
pub struct Survey {
    /// The layers, the one the guest writes to first.
    pub layers: Vec<Layer>,
    /// The NBD export that they end on, if they do.
    pub export: Option<NbdExport>,
    /// What keeps the rest from being read; `None` if there is no rest.
    pub problem: Option<Error>,
    /// The file that is the next layer, though it was not read: it may be told
    /// by its name alone, which opens nothing.
    pub unread: Option<FileId>,
    /// Whether there may be further layers of which nothing is known.
    pub hidden: bool,
}

impl Stopped {
    /// At a layer that is open, and damaged or not to be trusted.
    fn in_layer(image: &dyn Image, format: ImageFormat, layers: &[Layer], error: Error) -> Self {
        let listed = layers.iter().any(|layer| layer.file == image.id());
        Self {
            error,
            unread: (!listed).then_some(image.id()),
            hidden: format.may_have_backing() && !stands_alone(image, format),
        }
    }
}

/// Finds the layers of a disk and checks the header of each.
///
/// No name is followed before `trust` allows the file that it leads to, and
/// no format is probed. The result holds for the moment: see
/// [`Guard`](super::Guard) for keeping a layer as it is.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no top image; [`Kind::Unsafe`] if a layer is
/// damaged, missing, or not to be trusted, if one of them comes twice, or if
/// there are more than [`MAX_OVERLAYS`] over the base; [`Kind::Environment`]
/// if one may not be read.
///
/// ```no_run
/// use std::path::Path;
/// use vmkin::image::{Trust, resolve};
/// use vmkin::model::ImageFormat;
///
/// let trust = Trust::new(["/var/lib/libvirt/images"], [] as [&str; 0]);
/// let chain = resolve(Path::new("/srv/web-01.qcow2"), ImageFormat::Qcow2, &trust)?;
/// println!("{}", chain.base().path.display());
/// # Ok::<(), vmkin::error::Error>(())
/// ```
pub fn resolve(top: &Path, format: ImageFormat, trust: &Trust) -> Result<Chain> {
    resolve_in(&Here, top, format, trust)
}

/// The same where the layers are among these files.
pub(super) fn resolve_in(
    files: &dyn Files,
    top: &Path,
    format: ImageFormat,
    trust: &Trust,
) -> Result<Chain> {
    let mut layers = Vec::new();
    let export = walk(files, top, format, trust, &mut layers).map_err(|stopped| stopped.error)?;
    let mut layers = layers.into_iter();
    let first = layers.next().ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format_args!("there is no image {}", shown(top)),
        )
    })?;
    let chain = Chain::new(first, layers.collect());
    Ok(match export {
        Some(export) => chain.on(export),
        None => chain,
    })
}

/// Finds what can be found of the layers of a disk, for a listing.
///
/// It follows the same rules as [`resolve`], and stops where that fails.
pub fn survey(top: &Path, format: ImageFormat, trust: &Trust) -> Survey {
    let mut layers = Vec::new();
    let walked = walk(&Here, top, format, trust, &mut layers);
    let (export, stopped) = match walked {
        Ok(export) => (export, None),
        Err(stopped) => (None, Some(stopped)),
    };
    Survey {
        layers,
        export,
        unread: stopped.as_ref().and_then(|stopped| stopped.unread),
        hidden: stopped.as_ref().is_some_and(|stopped| stopped.hidden),
        problem: stopped.map(|stopped| stopped.error),
    }
}

/// Whether an image that is damaged somewhere says all the same, where QEMU
/// reads it, that it depends on no other.
fn stands_alone(image: &dyn Image, format: ImageFormat) -> bool {
    let header = match format {
        ImageFormat::Qcow2 => Header::read_unchecked(image),
        _ => return false,
    };
    header.is_ok_and(|header| {
        header.is_ok_and(|header| {
            let data_file = header.incompatible.data_file() || header.data_file_name().is_some();
            header.backing_name.is_none() && !data_file
        })
    })
}

/// What the header of a layer leads to.
enum Next {
    /// A file.
    File { path: PathBuf, format: ImageFormat },
    /// Off this host.
    Export(NbdExport),
    /// Nothing.
    End,
}

fn walk(
    files: &dyn Files,
    top: &Path,
    format: ImageFormat,
    trust: &Trust,
    layers: &mut Vec<Layer>,
) -> Walked<Option<NbdExport>> {
    let top = std::path::absolute(top).map_err(|error| {
        Error::wrap(
            Kind::Usage,
            format_args!("cannot use the path {top:?}"),
            error,
        )
    })?;
    let (image, beside) = files.top(&top, format)?;
    let mut seen: Vec<FileId> = vec![image.id()];
    let mut next = read_layer(&*image, format, trust, layers)
        .map_err(|e| Stopped::in_layer(&*image, format, layers, e))?;
    let mut above = image;
    loop {
        if layers.len() > MAX_OVERLAYS && !matches!(next, Next::End) {
            return Err(Error::new(
                Kind::Unsafe,
                format_args!(
                    "the chain of {} has more than {} layers, and libvirt starts at most that many",
                    shown(&top),
                    MAX_OVERLAYS + 1,
                ),
            )
            .hint(format!(
                "make an image of it that stands alone: `qemu-img convert -f {} -O qcow2 {} NEW`",
                format,
                path_word(&top)
            ))
            .into());
        }
        let (path, format) = match next {
            Next::End => return Ok(None),
            Next::Export(export) => return Ok(Some(export)),
            Next::File { path, format } => (path, format),
        };
        let image = files.below(&Named {
            path: &path,
            format,
            above: above.path(),
            trust,
            beside: &beside,
        })?;
        if seen.contains(&image.id()) {
            // All files of a loop have been seen.
            return Err(Stopped::at_nothing(Error::new(
                Kind::Unsafe,
                format_args!(
                    "the chain of {} is a loop: {} says that its backing file is {}, which \
                     is in the chain already",
                    shown(&top),
                    shown(above.path()),
                    shown(&path)
                ),
            )));
        }
        seen.push(image.id());
        next = read_layer(&*image, format, trust, layers)
            .map_err(|e| Stopped::in_layer(&*image, format, layers, e))?;
        above = image;
    }
}

/// Reads the header of one layer and returns what it leads to.
fn read_layer(
    image: &dyn Image,
    format: ImageFormat,
    trust: &Trust,
    layers: &mut Vec<Layer>,
) -> Result<Next> {
    let mut layer = Layer {
        path: image.path().to_owned(),
        format,
        file: image.id(),
        block: image.is_block(),
        virtual_size: 0,
        file_size: image.size(),
        allocated: image.allocated(),
        snapshots: 0,
        dirty: false,
        encrypted: false,
    };
    if format != ImageFormat::Qcow2 {
        let facts = foreign::facts(image, format)?;
        layer.virtual_size = facts.virtual_size;
        layer.dirty = facts.dirty;
        layer.encrypted = facts.encrypted;
        layers.push(layer);
        return Ok(Next::End);
    }
    let header = if layers.is_empty() && trust.takes_marked_top() {
        Header::read_marked(image)
    } else {
        Header::read(image)
    }?;
    layer.virtual_size = header.disk_size();
    layer.snapshots = header.snapshots;
    layer.dirty = header.incompatible.dirty();
    layer.encrypted = header.encryption.is_some();
    layers.push(layer);
    refuse_data_file(image.path(), &header)?;
    match &header.backing_name {
        Some(name) => next_layer(image.path(), &header, name, trust),
        None => Ok(Next::End),
    }
}

fn refuse_data_file(path: &Path, header: &Header) -> Result<()> {
    let name = header.data_file_name();
    if name.is_none() && !header.incompatible.data_file() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unsafe,
        format_args!(
            "the header of {} says that its data is in another file, {}",
            shown(path),
            ShownBytes(name.unwrap_or(b"which it does not name"))
        ),
    )
    .hint("external data files are not followed; copy it into a plain qcow2 image with `qemu-img convert`"))
}

/// Finds out what the backing file of an image is.
fn next_layer(path: &Path, header: &Header, name: &[u8], trust: &Trust) -> Result<Next> {
    // Made when it is needed: this is asked of every overlay of the host.
    let says = || {
        let (image, name) = (shown(path), ShownBytes(name));
        format!("the header of {image} names {name} as its backing file")
    };
    if let Some(export) = trust.export(name) {
        return match header.backing_format() {
            Some(ImageFormat::Raw) => Ok(Next::Export(export.clone())),
            _ => Err(Error::new(
                Kind::Unsafe,
                format_args!("{}, and does not say that it is raw", says()),
            )),
        };
    }
    let below = follow(name, path.parent().unwrap_or(Path::new("/")))
        .map_err(|why| Error::new(Kind::Unsafe, format_args!("{}: {why}", says())))?;
    match (header.backing_format(), header.backing_format_name()) {
        (Some(format), _) => Ok(Next::File {
            path: below,
            format,
        }),
        (None, Some(word)) => Err(Error::new(
            Kind::Unsafe,
            format_args!(
                "{}, and as its format `{}`, which is unknown here",
                says(),
                ShownBytes(word)
            ),
        )),
        (None, None) => Err(Error::new(
            Kind::Unsafe,
            format_args!("{}, and does not say which format that has", says()),
        )
        .hint(format!(
            "a guest could write the header of another format into it; if you know the format, \
             set it: `qemu-img rebase -u -f qcow2 -F FORMAT -b {} {}`",
            shell_word(name),
            path_word(path)
        ))),
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
