//! From a chain to a disk.

use super::disk::{Disk, Layer};
use super::qcow2::Qcow2;
use super::raw::Raw;
use super::served::Served;
use crate::error::{Error, Kind, Result};
use crate::image::file::{ShownBytes, shown};
use crate::image::files::{Files, Here};
use crate::image::qcow2::{Header, Snapshot};
use crate::image::source::Image;
use crate::model::{self, Chain, ImageFormat};

/// Opens the disk that a chain makes up, or one of the internal snapshots of
/// its top image, by id or by name.
///
/// The chain says which files are opened, and each has to be the very file
/// that it was when the chain was read. No lock is taken.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such snapshot or a file is gone,
/// [`Kind::Usage`] if several snapshots have that name, [`Kind::Busy`] if an
/// image is another than it was, [`Kind::Unsafe`] if one is damaged or
/// encrypted, [`Kind::Environment`] if it takes QEMU to read a format or an NBD
/// export and its `qemu-storage-daemon` is not there, or the export is not,
/// [`Kind::Storage`] if one cannot be read.
///
/// ```no_run
/// use std::path::Path;
/// use vmkin::image::{Trust, read, resolve};
/// use vmkin::model::ImageFormat;
///
/// let chain = resolve(Path::new("/srv/web-01.qcow2"), ImageFormat::Qcow2, &Trust::default())?;
/// let disk = read::open(&chain, None)?;
/// let mut sector = [0; 512];
/// disk.read_at(0, &mut sector)?;
/// # Ok::<(), vmkin::error::Error>(())
/// ```
pub fn open(chain: &Chain, snapshot: Option<&str>) -> Result<Disk> {
    open_in(&Here, chain, snapshot)
}

/// The same where the layers are among these files.
pub(in crate::image) fn open_in(
    files: &dyn Files,
    chain: &Chain,
    snapshot: Option<&str>,
) -> Result<Disk> {
    let mut layers = Vec::new();
    for (number, layer) in chain.layers().iter().enumerate() {
        let snapshot = snapshot.filter(|_| number == 0);
        layers.push(open_layer(files, layer, number, snapshot)?);
    }
    if let Some(export) = chain.export() {
        // What a name means on another host may be something else here.
        if !files.are_here() {
            return Err(Error::new(
                Kind::WrongState,
                format_args!(
                    "the disk is based on the NBD export {export}, and is read where its other \
                     images are"
                ),
            )
            .hint("run vmkin on that host"));
        }
        layers.push(Layer::Served(Box::new(Served::of_export(export)?)));
    }
    Ok(Disk::new(layers))
}

fn open_layer(
    files: &dyn Files,
    layer: &model::Layer,
    number: usize,
    snapshot: Option<&str>,
) -> Result<Layer> {
    let name = shown(&layer.path);
    let image = files.again(&layer.path)?;
    if image.id() != layer.file {
        return Err(changed(&*image, "is not the file that it was a moment ago"));
    }
    if layer.encrypted {
        return Err(Error::new(
            Kind::Unsafe,
            format_args!(
                "the data in image {name} is encrypted, and cannot be read without its secret"
            ),
        ));
    }
    if layer.format != ImageFormat::Qcow2 && snapshot.is_some() {
        return Err(Error::new(
            Kind::NotFound,
            format_args!("image {name} is {}, and has no snapshots", layer.format),
        ));
    }
    match layer.format {
        ImageFormat::Raw | ImageFormat::Iso => {
            let size = image.size().checked_next_multiple_of(512);
            let raw = Raw::new(image, size.unwrap_or(u64::MAX));
            Ok(Layer::Raw(Box::new(raw)))
        }
        ImageFormat::Qcow2 => open_qcow2(image, layer, number, snapshot),
        ImageFormat::Luks => Err(Error::new(
            Kind::Unsafe,
            format_args!("image {name} is encrypted, and cannot be read without its secret"),
        )),
        format => {
            let file = image.here().ok_or_else(|| elsewhere(&*image, format))?;
            let served = Served::new(file, format, layer.virtual_size)?;
            Ok(Layer::Served(Box::new(served)))
        }
    }
}

/// The error for an image that only QEMU reads, where QEMU cannot get at it.
fn elsewhere(image: &dyn Image, format: ImageFormat) -> Error {
    Error::new(
        Kind::WrongState,
        format_args!(
            "image {} is {format}, which QEMU reads for vmkin, and the image is on another host",
            shown(image.path())
        ),
    )
    .hint("run vmkin on that host, or convert the image to qcow2 there: `qemu-img convert`")
}

fn open_qcow2(
    image: Box<dyn Image>,
    layer: &model::Layer,
    number: usize,
    snapshot: Option<&str>,
) -> Result<Layer> {
    let header = Header::read(&*image)?;
    // Whoever swaps headers between two looks gets nothing out of it.
    let as_before = header.disk_size() == layer.virtual_size
        && header.encryption.is_none()
        && !header.incompatible.data_file()
        && header.data_file_name().is_none();
    if !as_before {
        return Err(changed(&*image, "has changed since its chain was read"));
    }
    let snapshot = match snapshot {
        Some(wanted) => Some(find_snapshot(&*image, &header, wanted)?),
        None => None,
    };
    let qcow2 = Qcow2::new(image, number, &header, snapshot.as_ref());
    Ok(Layer::Qcow2(Box::new(qcow2)))
}

/// The internal snapshot that is meant: by id first, as QEMU does; but no name
/// that could be either of two.
pub(in crate::image) fn find_snapshot(
    image: &dyn Image,
    header: &Header,
    wanted: &str,
) -> Result<Snapshot> {
    let all = header.snapshot_table(image)?;
    let is = |field: &[u8]| field == wanted.as_bytes();
    let by_id = all.iter().find(|snapshot| is(&snapshot.id));
    let named: Vec<&Snapshot> = all.iter().filter(|snapshot| is(&snapshot.name)).collect();
    let name = shown(image.path());
    let quoted = ShownBytes(wanted.as_bytes());
    match (by_id, named.as_slice()) {
        (Some(snapshot), _) => Ok(snapshot.clone()),
        (None, [snapshot]) => Ok((*snapshot).clone()),
        (None, []) => {
            let error = Error::new(
                Kind::NotFound,
                format_args!("image {name} has no snapshot '{quoted}'"),
            );
            let known: Vec<String> = all
                .iter()
                .take(20)
                .map(|snapshot| format!("'{}'", ShownBytes(&snapshot.name)))
                .collect();
            Err(match known.is_empty() {
                true => error,
                false => error.hint(format!("there are: {}", known.join(", "))),
            })
        }
        (None, several) => {
            let ids: Vec<String> = several
                .iter()
                .map(|snapshot| format!("'{}'", ShownBytes(&snapshot.id)))
                .collect();
            Err(Error::new(
                Kind::Usage,
                format_args!("image {name} has several snapshots of the name '{quoted}'"),
            )
            .hint(format!("say which by its id: {}", ids.join(", "))))
        }
    }
}

fn changed(image: &dyn Image, how: &str) -> Error {
    Error::new(
        Kind::Busy,
        format_args!("image {} {how}", shown(image.path())),
    )
    .hint("see what works on it, and try again")
}
