//! Images that somebody made to do harm, byte by byte from the specifications.
//!
//! No image is kept in the repository: a builder for each format writes what it
//! is told, and `cases` tells it. The same table is put to the parser, to the
//! program on libvirt's test driver, and to real guests (`tests/tools_image`,
//! `tests/cli`, `tests/qemu`).

mod cases;
pub(crate) mod chains;
mod foreign;
mod foreign_cases;
mod places;
mod qcow2;
mod vhd;
mod vhdx;
mod vmdk;

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

pub(crate) use self::cases::cases;

/// How large the disks in these images are, in bytes.
pub(crate) const DISK: u64 = 1 << 20;

/// What must not get out of the host's file.
pub(crate) const SECRET: &str = "the-host-alone-may-read-this";

/// How large that file is, in bytes: some sectors, so that a program may take
/// it for a disk.
pub(crate) const SECRET_SIZE: usize = 8192;

/// Where an image is to be made, and what it may name.
pub(crate) struct Place {
    /// A directory for images.
    pub(crate) dir: PathBuf,
    /// A file of the host that no guest may read: see [`SECRET`].
    pub(crate) secret: PathBuf,
    /// A port of this host at which somebody may listen.
    pub(crate) port: u16,
}

impl Place {
    /// Puts the secret where it belongs.
    pub(crate) fn new(dir: PathBuf, secret: PathBuf, port: u16) -> Self {
        let mut bytes = SECRET.as_bytes().to_vec();
        bytes.resize(SECRET_SIZE, 0);
        fs::write(&secret, bytes).unwrap();
        Self { dir, secret, port }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes an image with holes for its zeros: some cases need a thousand.
    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        const PAGE: usize = 4096;
        let path = self.at(name);
        let file = File::create(&path).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        for (n, page) in bytes.chunks(PAGE).enumerate() {
            if page.iter().any(|&byte| byte != 0) {
                file.write_all_at(page, (n * PAGE) as u64).unwrap();
            }
        }
        path
    }

    fn secret(&self) -> &str {
        self.secret.to_str().unwrap()
    }
}

/// What the parser has to say to an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is refused as unsafe, in a message that has this in it.
    Refused(&'static str),
    /// It is what it is, and harmless.
    Accepted,
}

/// What an image leads to if it is believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lure {
    /// Nothing: it is damaged, or a puzzle.
    Nothing,
    /// [`Place::secret`], and QEMU hands that to the guest.
    Secret,
    /// [`Place::secret`], by a way that QEMU does not go.
    Name,
    /// [`Place::port`].
    Port,
}

/// One image.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The format by which it is opened, in QEMU's words.
    pub(crate) format: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) lure: Lure,
    make: Box<dyn Fn(&Place) -> PathBuf>,
}

impl Case {
    fn new(
        name: &'static str,
        format: &'static str,
        verdict: Verdict,
        make: impl Fn(&Place) -> PathBuf + 'static,
    ) -> Self {
        Self {
            name,
            format,
            verdict,
            lure: Lure::Nothing,
            make: Box::new(make),
        }
    }

    /// An image of one file.
    fn bytes(
        name: &'static str,
        format: &'static str,
        verdict: Verdict,
        make: impl Fn(&Place) -> Vec<u8> + 'static,
    ) -> Self {
        Self::new(name, format, verdict, move |place| {
            place.write(&format!("{name}.{format}"), &make(place))
        })
    }

    fn lures_to(self, lure: Lure) -> Self {
        Self { lure, ..self }
    }

    /// Makes the image, and what it needs beside it. Returns its path.
    pub(crate) fn make(&self, place: &Place) -> PathBuf {
        (self.make)(place)
    }
}

/// Bytes that are written to wherever one likes.
#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn of_size(size: usize) -> Self {
        Self(vec![0; size])
    }

    fn put(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let end = at + bytes.len();
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        self.0[at..end].copy_from_slice(bytes);
        self
    }

    fn be16(self, at: usize, number: u16) -> Self {
        self.put(at, number.to_be_bytes())
    }

    fn be32(self, at: usize, number: u32) -> Self {
        self.put(at, number.to_be_bytes())
    }

    fn be64(self, at: usize, number: u64) -> Self {
        self.put(at, number.to_be_bytes())
    }

    fn le16(self, at: usize, number: u16) -> Self {
        self.put(at, number.to_le_bytes())
    }

    fn le32(self, at: usize, number: u32) -> Self {
        self.put(at, number.to_le_bytes())
    }

    fn le64(self, at: usize, number: u64) -> Self {
        self.put(at, number.to_le_bytes())
    }
}

/// Whether the secret is in a file, with nothing done to it.
pub(crate) fn betrays(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes())
}
