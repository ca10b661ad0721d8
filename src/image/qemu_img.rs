//! What `qemu-img` wants to hear, and what it says.
//!
//! Nothing else in this program runs it on an image. What it reads is
//! [`Described`], which has a driver for each layer, so that no call can be made
//! that leaves a format to be guessed; and each run has limits, for what it
//! reads was written by somebody who is not to be trusted.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use super::file::shown;
use super::lock::Lease;
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat, Layer, NbdExport, NbdServer};
use crate::process::{Limits, Run, Tool};

mod making;

pub(super) use self::making::{Converting, Creating, mismatch};

/// Address space for `qemu-img`, in bytes. Two cores and one layer need 0.6 GiB,
/// and 25 layers over a disk of 8 TiB were measured at 1.1 GiB. At the worst, 64 threads with a stack of 8 MiB each, and 25 layers with an L1 table of 32
/// MiB and as large a cache of L2 tables, need 2 GiB more.
const ADDRESS_SPACE: u64 = 4 << 30;

/// How many arenas its allocator may have. Else they are eight for each
/// processor, with 64 MiB of address space each, and [`ADDRESS_SPACE`] would be
/// too little on a large host.
const ARENAS: &str = "4";

/// Processor time for anything, in seconds.
const CPU_AT_LEAST: u64 = 600;

/// How much of a disk is converted in a second of processor time at the very
/// least, in bytes. Decompressing takes longest, at ten times that.
const BYTES_PER_CPU_SECOND: u64 = 16 << 20;

/// Processor time for a disk that says that it is larger than all others, in
/// seconds: a week.
const CPU_AT_MOST: u64 = 7 * 24 * 3600;

/// The same for a look at a header.
const CPU_FOR_A_LOOK: u64 = 20;

/// How long `qemu-img` may take to open an image, on the network too.
const PATIENCE_FOR_A_LOOK: Duration = Duration::from_secs(15);

/// How `qemu-img check` ends when it has found wrong tables.
const CHECK_CORRUPT: i32 = 2;

/// How it ends when it has found nothing but leaked clusters.
const CHECK_LEAKS: i32 = 3;

/// The program, found and ready to be run.
#[derive(Clone, Debug)]
pub struct QemuImg(Tool);

impl QemuImg {
    /// Looks for it.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if there is none.
    pub fn find() -> Result<Self> {
        Tool::find("qemu-img").map(Self)
    }

    /// Prepares to read a disk of `size` bytes into a file in another format.
    /// It says how far it is: see [`progress_of`].
    pub fn convert(&self, from: Described, size: u64, to: &Path, format: ImageFormat) -> Run<'_> {
        let options: [OsString; 6] = [
            "-p".into(),
            "--image-opts".into(),
            "-O".into(),
            driver_of(format).into(),
            from.0,
            to.into(),
        ];
        self.run("convert", options, within(cpu_for(size)))
    }

    /// Which version it is, in its own words.
    ///
    /// # Errors
    ///
    /// Those of [`Run::run`].
    pub fn version(&self) -> Result<String> {
        let said = self.0.run(["--version"])?;
        let said = String::from_utf8_lossy(&said.stdout);
        Ok(said.lines().next().unwrap_or_default().to_owned())
    }

    /// Prepares to ask what an image is, in JSON.
    pub fn info(&self, image: Described) -> Run<'_> {
        let options: [OsString; 3] = ["--output=json".into(), "--image-opts".into(), image.0];
        self.run("info", options, within(CPU_FOR_A_LOOK))
            .patience(PATIENCE_FOR_A_LOOK)
    }

    /// Prepares to tell which parts of a disk are in which layer, which reads
    /// the whole chain's tables and none of its data.
    pub(super) fn map(&self, image: Described) -> Run<'_> {
        let options: [OsString; 2] = ["--image-opts".into(), image.0];
        self.run("map", options, within(CPU_FOR_A_LOOK))
    }

    /// Prepares to write an overlay into the layer below it, which this program
    /// does only to see that it is refused.
    pub(super) fn commit(&self, image: Writable) -> Run<'_> {
        let options: [OsString; 2] = ["--image-opts".into(), image.0.0];
        self.run("commit", options, within(CPU_FOR_A_LOOK))
    }

    /// Prepares to write a redo overlay over a disk of `size` bytes into the
    /// image below it, and leaves the overlay as it is: what was killed can be
    /// done again. It says how far it is: see [`progress_of`].
    pub(super) fn merge(&self, redo: Writable, size: u64) -> Run<'_> {
        let options: [OsString; 4] = ["-d".into(), "-p".into(), "--image-opts".into(), redo.0.0];
        let limits = Limits {
            address_space: Some(address_space_with_bitmap(size)),
            ..within(cpu_for(size))
        };
        self.run("commit", options, limits)
    }

    /// Prepares to give an overlay of `size` bytes another backing file, with what
    /// differs copied into it: it reads as before. It says how far it is: see
    /// [`progress_of`].
    pub(super) fn rebase(&self, overlay: Writable, base: &Layer, size: u64) -> Run<'_> {
        let options: [OsString; 7] = [
            "-p".into(),
            "-b".into(),
            base.path.as_os_str().to_owned(),
            "-F".into(),
            driver_of(base.format).into(),
            "--image-opts".into(),
            overlay.0.0,
        ];
        self.run("rebase", options, within(cpu_for(size)))
    }

    /// Prepares to cut off what an image of `before` bytes has behind `size`.
    pub(super) fn cut(&self, image: Writable, before: u64, size: u64) -> Run<'_> {
        let options: [OsString; 5] = [
            "-q".into(),
            "--shrink".into(),
            "--image-opts".into(),
            image.0.0,
            size.to_string().into(),
        ];
        self.run("resize", options, within(cpu_for(before)))
    }

    /// Prepares to check the tables of an image of `size` bytes:
    /// [`Checked`](super::Checked) reads what it says.
    pub fn check(&self, image: Described, size: u64) -> Run<'_> {
        let options: [OsString; 3] = ["--output=json".into(), "--image-opts".into(), image.0];
        self.run("check", options, within(cpu_for(size)))
            .codes(&[0, CHECK_CORRUPT, CHECK_LEAKS])
    }

    /// The same of a redo overlay.
    pub(super) fn check_redo(&self, redo: Writable, size: u64) -> Run<'_> {
        self.check(redo.0, size)
    }

    /// Prepares to repair them, where that is possible.
    pub fn repair(&self, image: Writable, what: Repair, size: u64) -> Run<'_> {
        let what = match what {
            Repair::Leaks => "leaks",
            Repair::All => "all",
        };
        let options: [OsString; 5] = [
            "-r".into(),
            what.into(),
            "--output=json".into(),
            "--image-opts".into(),
            image.0.0,
        ];
        self.run("check", options, within(cpu_for(size)))
            .codes(&[0, CHECK_CORRUPT, CHECK_LEAKS])
    }

    /// Prepares to make, apply or delete an internal snapshot of a disk of
    /// `size` bytes. It goes through the tables of the disk, and not its data.
    pub(super) fn snapshot(&self, image: Writable, act: SnapshotAct<'_>, size: u64) -> Run<'_> {
        let (option, which) = match act {
            SnapshotAct::Create(name) => ("-c", name),
            SnapshotAct::Apply(id) => ("-a", id),
            SnapshotAct::Delete(name) => ("-d", name),
        };
        let options: [OsString; 4] = [
            option.into(),
            OsStr::from_bytes(which).to_owned(),
            "--image-opts".into(),
            image.0.0,
        ];
        self.run("snapshot", options, within(cpu_for(size)))
    }

    fn run(
        &self,
        verb: &str,
        options: impl IntoIterator<Item = OsString>,
        limits: Limits,
    ) -> Run<'_> {
        self.0
            .command(std::iter::once(verb.into()).chain(options))
            .env("MALLOC_ARENA_MAX", ARENAS)
            .limits(limits)
    }
}

/// What all else may use that has so many seconds of processor time.
fn within(cpu_seconds: u64) -> Limits {
    Limits {
        cpu_seconds: Some(cpu_seconds),
        address_space: Some(ADDRESS_SPACE),
    }
}

/// Address space for what remembers of each cluster whether it was written, in bytes:
/// a bit for each 64 KiB, or for each cluster if those are smaller, 512 bytes at the least
/// (`bdrv_get_default_bitmap_granularity` in QEMU's `block/dirty-bitmap.c`), and some levels above it. Where it
/// could not be had, a merge that was begun could never be finished.
fn address_space_with_bitmap(size: u64) -> u64 {
    const SMALLEST_CLUSTER: u64 = 4 << 10;
    let bitmap = size / (SMALLEST_CLUSTER * 8);
    ADDRESS_SPACE.saturating_add(bitmap.saturating_mul(2))
}

/// Processor time for all of a disk of `size` bytes, in seconds.
fn cpu_for(size: u64) -> u64 {
    let seconds = CPU_AT_LEAST.saturating_add(size / BYTES_PER_CPU_SECOND);
    seconds.min(CPU_AT_MOST)
}

/// What is repaired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repair {
    /// Clusters that are taken and belong to nothing, which only cost space.
    Leaks,
    /// Wrong tables too. What they led to may be lost.
    All,
}

/// What is done with an internal snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SnapshotAct<'a> {
    /// Makes one of this name.
    Create(&'a [u8]),
    /// Applies the one with this id; one whose name this is only if there is
    /// none.
    Apply(&'a [u8]),
    /// Deletes the first of this name.
    Delete(&'a [u8]),
}

/// What QEMU calls a format.
fn driver_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Iso => ImageFormat::Raw.as_str(),
        format => format.as_str(),
    }
}

/// An image in QEMU's words for `--image-opts`. There is no way to make one
/// without a driver for each of its layers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Described(OsString);

/// The same of an image that may be written to: there is no way to make one
/// without the lock that keeps everybody else off it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Writable(Described);

/// Describes a chain to QEMU whose top image it may write to.
///
/// # Errors
///
/// Those of [`image_options`].
pub fn writable(chain: &Chain, lease: &Lease) -> Result<Writable> {
    image_options(chain, Some(lease)).map(Writable)
}

/// Describes a chain to QEMU so that it takes no name and no format from a
/// header: those may have changed since they were checked.
///
/// With a `lease` on its top image, QEMU takes no lock on that: ours would be
/// in its way, and keeps all others out. It locks the layers below as ever. Nor
/// does it give space back to the host by itself: see [`super::giving_back`].
///
/// # Errors
///
/// Those of [`refuse_export`]; [`Kind::Busy`] if the lease is on another file
/// than the top image, which nothing would lock then.
pub fn image_options(chain: &Chain, lease: Option<&Lease>) -> Result<Described> {
    may_be_described(chain, lease)?;
    let mut options = OsString::new();
    push_layers(&mut options, "", chain, usize::from(lease.is_some()));
    Ok(Described(options))
}

/// Describes an overlay over a chain to QEMU, which may write to the top image
/// of that; see [`image_options`].
///
/// # Errors
///
/// Those of [`image_options`].
pub(super) fn redo_options(redo: &Path, chain: &Chain, lease: &Lease) -> Result<Writable> {
    may_be_described(chain, Some(lease))?;
    let mut options = OsString::from("driver=qcow2,file.driver=file,file.filename=");
    options.push(option_value(redo.as_os_str()));
    options.push(",");
    push_layers(&mut options, "backing.", chain, 1);
    Ok(Writable(Described(options)))
}

fn may_be_described(chain: &Chain, lease: Option<&Lease>) -> Result<()> {
    refuse_export(chain)?;
    let Some(lease) = lease.filter(|lease| lease.image().id() != chain.top().file) else {
        return Ok(());
    };
    Err(not_locked(lease))
}

fn not_locked(lease: &Lease) -> Error {
    Error::new(
        Kind::Busy,
        format_args!(
            "{} is not the file that was locked",
            shown(lease.image().path())
        ),
    )
}

/// Describes a chain to QEMU whose top image and the one right below it are both
/// leased, and which may write to both; see [`image_options`].
///
/// # Errors
///
/// Those of [`image_options`].
pub(super) fn both_writable(chain: &Chain, top: &Lease, base: &Lease) -> Result<Writable> {
    may_be_described(chain, Some(top))?;
    if chain.backing().first().map(|layer| layer.file) != Some(base.image().id()) {
        return Err(not_locked(base));
    }
    let mut options = OsString::new();
    push_layers(&mut options, "", chain, 2);
    Ok(Writable(Described(options)))
}

/// The layers of a chain in QEMU's words; the first `leased` of them without locks.
fn push_layers(options: &mut OsString, below: &str, chain: &Chain, leased: usize) {
    let mut prefix = below.to_owned();
    for (number, layer) in chain.layers().iter().enumerate() {
        if number > 0 {
            options.push(",");
        }
        let format = driver_of(layer.format);
        let driver = if layer.block { "host_device" } else { "file" };
        options.push(format!(
            "{prefix}driver={format},{prefix}file.driver={driver},{prefix}file.filename="
        ));
        options.push(option_value(layer.path.as_os_str()));
        if number < leased {
            options.push(format!(
                ",{prefix}file.locking=off,{prefix}file.discard=ignore"
            ));
        }
        prefix.push_str("backing.");
    }
}

/// Refuses a chain on an NBD export: QEMU takes the place of a lower layer
/// from the options only if that is a file, and else goes by the header.
///
/// # Errors
///
/// [`Kind::WrongState`].
pub fn refuse_export(chain: &Chain) -> Result<()> {
    let Some(export) = chain.export() else {
        return Ok(());
    };
    Err(Error::new(
        Kind::WrongState,
        format_args!(
            "{} is an overlay on {export}, and `qemu-img` would read whatever its header names \
             by then",
            shown(&chain.top().path)
        ),
    )
    .hint("make a linked clone, or a full one of the domain whose disk the export is"))
}

/// Describes an NBD export to QEMU, as a raw disk.
pub fn export_options(export: &NbdExport) -> Described {
    let mut options = OsString::from("driver=raw,file.driver=nbd");
    let mut add = |name: &str, value: &str| {
        options.push(format!(",file.{name}="));
        options.push(option_value(value.as_ref()));
    };
    match export.server() {
        NbdServer::Tcp { host, port } => {
            add("server.type", "inet");
            add("server.host", host);
            add("server.port", &port.to_string());
        }
        NbdServer::Unix(socket) => {
            add("server.type", "unix");
            add("server.path", socket);
        }
    }
    if !export.name().is_empty() {
        add("export", export.name());
    }
    Described(options)
}

/// Doubles the commas of a value in one of QEMU's option lists
/// (`--image-opts`, `-o`), where a single one would begin the next option.
fn option_value(value: &OsStr) -> OsString {
    let doubled = value.as_bytes().iter().fold(Vec::new(), |mut all, &byte| {
        if byte == b',' {
            all.push(byte);
        }
        all.push(byte);
        all
    });
    OsString::from_vec(doubled)
}

/// Reads the progress that `qemu-img -p` shows: `    (12.34/100%)`.
///
/// Returns hundredths of a percent, 0 to 10000.
pub fn progress_of(line: &str) -> Option<u64> {
    let number = line.trim().strip_prefix('(')?.strip_suffix("/100%)")?;
    let (whole, part) = number.split_once('.')?;
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = part.get(..2)?.parse().ok()?;
    (whole <= 100).then(|| (whole * 100 + part).min(10_000))
}

/// Tells `progress` how much of so many bytes is done, by lines of what `qemu-img -p`
/// prints.
pub(super) fn telling(progress: &dyn Fn(u64, u64), size: u64) -> impl FnMut(&str) {
    move |line| {
        if let Some(hundredths) = progress_of(line) {
            progress(size / 10_000 * hundredths, size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileId;

    fn layer(path: &str, format: ImageFormat) -> Layer {
        Layer {
            path: path.into(),
            format,
            file: FileId {
                device: 1,
                inode: 2,
            },
            block: false,
            virtual_size: 512,
            file_size: 512,
            allocated: 0,
            snapshots: 0,
            dirty: false,
            encrypted: false,
        }
    }

    #[test]
    fn every_layer_is_spelled_out() {
        let top = layer("/top", ImageFormat::Qcow2);
        let base = Layer {
            block: true,
            ..layer("/dev/a,b", ImageFormat::Iso)
        };
        let chain = Chain::new(top, vec![base]);
        assert_eq!(
            image_options(&chain, None).unwrap().0,
            "driver=qcow2,file.driver=file,file.filename=/top,\
             backing.driver=raw,backing.file.driver=host_device,backing.file.filename=/dev/a,,b"
        );
    }

    /// A lease, and the layer that it is on.
    fn leased(format: ImageFormat) -> (tempfile::TempDir, Lease, Layer) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("top");
        std::fs::write(&path, [0; 512]).unwrap();
        let lease = Lease::exclusive(&path).unwrap();
        let file = lease.image().id();
        let leased = Layer {
            file,
            ..layer("/top", format)
        };
        (dir, lease, leased)
    }

    #[test]
    fn locking_is_off_on_the_leased_file_and_no_other() {
        let (_dir, lease, leased) = leased(ImageFormat::Raw);
        let base = layer("/base", ImageFormat::Raw);
        let chain = Chain::new(leased, vec![base.clone()]);
        assert_eq!(
            image_options(&chain, Some(&lease)).unwrap().0,
            "driver=raw,file.driver=file,file.filename=/top,file.locking=off,\
             file.discard=ignore,backing.driver=raw,backing.file.driver=file,backing.file.filename=/base"
        );
        let other = Chain::new(base, Vec::new());
        let error = image_options(&other, Some(&lease)).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
    }

    #[test]
    fn below_a_redo_overlay_locking_is_off_on_the_leased_file_alone() {
        let (_dir, lease, leased) = leased(ImageFormat::Qcow2);
        let base = layer("/base", ImageFormat::Raw);
        let chain = Chain::new(leased, vec![base.clone()]);
        let redo = redo_options(Path::new("/r,1"), &chain, &lease).unwrap();
        assert_eq!(
            redo.0.0,
            "driver=qcow2,file.driver=file,file.filename=/r,,1,\
             backing.driver=qcow2,backing.file.driver=file,backing.file.filename=/top,\
             backing.file.locking=off,backing.file.discard=ignore,\
             backing.backing.driver=raw,backing.backing.file.driver=file,\
             backing.backing.file.filename=/base"
        );
        let other = Chain::new(base, Vec::new());
        let error = redo_options(Path::new("/r"), &other, &lease).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
    }

    #[test]
    fn an_export_is_raw_and_on_its_own() {
        let export = |server, name: &str| NbdExport::new(server, name).unwrap();
        let unix = export(NbdServer::Unix("/s,1".to_owned()), "a,b");
        assert_eq!(
            export_options(&unix).0,
            "driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=/s,,1,file.export=a,,b"
        );
        let top = layer("/top", ImageFormat::Qcow2);
        let chain = Chain::new(top, Vec::new()).on(unix);
        let error = image_options(&chain, None).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        let host = "::1".to_owned();
        let tcp = export(NbdServer::Tcp { host, port: 9 }, "");
        assert_eq!(
            export_options(&tcp).0,
            "driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=::1,file.server.port=9"
        );
    }

    #[test]
    fn progress_is_read() {
        assert_eq!(progress_of("    (12.34/100%)"), Some(1234));
        assert_eq!(progress_of("    (100.00/100%)"), Some(10_000));
        assert_eq!(progress_of("Image resized."), None);
    }

    #[test]
    fn commas_are_doubled() {
        assert_eq!(option_value(OsStr::new("/a,b,c")), "/a,,b,,c");
    }
}
