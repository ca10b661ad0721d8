//! The headers of formats other than qcow2, as far as it takes to know the size
//! of the disk and that the image leads to no other file.
//!
//! Images of these formats are bases and nothing else: one that is based on
//! another is refused, by whatever its format calls that. What cannot be told
//! easily is refused too, and so is what QEMU would refuse, with few exceptions
//! that its drivers find when they read the data.

mod luks;
mod parallels;
mod qcow1;
mod qed;
mod raw;
#[cfg(test)]
mod tests;
mod vdi;
mod vhdx;
mod vmdk;
mod vpc;

use super::file::{path_word, shown};
use super::source::Image;
use crate::error::{Error, Kind, Result};
use crate::model::ImageFormat;

/// What a header says that matters to a chain.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Facts {
    /// The size of the disk that the guest sees, in bytes.
    pub(super) virtual_size: u64,
    /// Whether it was not closed well.
    pub(super) dirty: bool,
    /// Whether reading it takes a secret.
    pub(super) encrypted: bool,
}

impl Facts {
    /// An image of this size about which there is nothing else to say.
    fn of_size(virtual_size: u64) -> Found {
        if virtual_size == 0 {
            return Err(Problem::Refused("its disk has no size"));
        }
        Ok(Self {
            virtual_size,
            ..Self::default()
        })
    }
}

/// Why there are no facts.
#[derive(Debug)]
enum Problem {
    /// What is wrong with the image.
    Refused(&'static str),
    /// Changes are in its log that are not in its data yet. Readers differ in
    /// whether they heed them.
    Log,
    /// It cannot be read.
    Unread(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Unread(error)
    }
}

type Found = std::result::Result<Facts, Problem>;

/// The bytes of an image.
trait Source {
    /// How many there are.
    fn size(&self) -> u64;

    /// Some of them; fewer only at the end.
    fn read(&self, at: u64, most: usize) -> Result<Vec<u8>>;

    /// Some of them, all of which are there.
    fn header(&self, at: u64, length: usize) -> std::result::Result<Vec<u8>, Problem> {
        let bytes = self.read(at, length)?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(CUT_OFF)
        }
    }

    /// Refuses a table that is not all there.
    fn holds(&self, offset: u64, length: u64) -> std::result::Result<(), Problem> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size() => Ok(()),
            _ => Err(Problem::Refused(
                "a table of it is beyond the end of the file: it was cut off",
            )),
        }
    }
}

impl Source for &dyn Image {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read(&self, at: u64, most: usize) -> Result<Vec<u8>> {
        self.read_at(at, most)
    }
}

const CUT_OFF: Problem = Problem::Refused("its header is cut off");
const DIFFERENCE: Problem = Problem::Refused("it is a difference to another image");

/// Reads the header of an image that is not qcow2.
///
/// # Errors
///
/// [`Kind::Unsafe`] if the image leads to other files, or may, or is damaged;
/// [`Kind::Storage`] if it cannot be read.
pub(super) fn facts(image: &dyn Image, format: ImageFormat) -> Result<Facts> {
    found(&image, format).map_err(|problem| refusal(image, format, problem))
}

fn found(image: &dyn Source, format: ImageFormat) -> Found {
    match format {
        ImageFormat::Raw | ImageFormat::Iso => raw::read(image),
        ImageFormat::Vmdk => vmdk::read(image),
        ImageFormat::Vdi => vdi::read(image),
        ImageFormat::Vpc => vpc::read(image),
        ImageFormat::Vhdx => vhdx::read(image),
        ImageFormat::Qed => qed::read(image),
        ImageFormat::Qcow => qcow1::read(image),
        ImageFormat::Parallels => parallels::read(image),
        ImageFormat::Luks => luks::read(image),
        _ => Err(Problem::Refused(
            "nobody here knows what files it may lead to",
        )),
    }
}

fn refusal(image: &dyn Image, format: ImageFormat, problem: Problem) -> Error {
    let error = |why: &str| {
        let name = shown(image.path());
        Error::new(
            Kind::Unsafe,
            format_args!("{format} image {name} is not safe to use: {why}"),
        )
    };
    let convert = "if you trust it, convert it to qcow2 first with `qemu-img convert`";
    match problem {
        Problem::Unread(error) => error,
        Problem::Refused(why) if matches!(format, ImageFormat::Raw | ImageFormat::Iso) => {
            error(why)
        }
        Problem::Refused(why) => error(why).hint(convert),
        Problem::Log => {
            let word = path_word(image.path());
            error("it was not closed well, and changes wait in its log").hint(format!(
                "if you trust it, have them made: `qemu-img check -r all -f {format} {word}`"
            ))
        }
    }
}
