//! Runs of `qemu-img` that make new images, and that look whether they are right.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{Described, QemuImg, Writable, cpu_for, driver_of, option_value, within};
use crate::image::qcow2::Snapshot;
use crate::model::{ImageFormat, ImageOptions};
use crate::process::{Output, Run};

/// By which name the secret of a new image is known in one run.
const SECRET: &str = "vmkin";

/// An image that is to be made with nothing in it.
pub(in crate::image) struct Creating<'a> {
    /// Its format and the rest of it.
    pub(in crate::image) options: &'a ImageOptions,
    /// The size of the disk, in bytes.
    pub(in crate::image) size: u64,
    /// What is below it, by its absolute path, and in which format.
    pub(in crate::image) backing: Option<(&'a Path, ImageFormat)>,
    /// The file with the secret that it is encrypted with, and nothing else.
    pub(in crate::image) secret: Option<&'a Path>,
}

/// How an image is read into another.
pub(in crate::image) struct Converting<'a> {
    /// The size of the disk, in bytes.
    pub(in crate::image) size: u64,
    /// The snapshot that is read, and not what is there now.
    pub(in crate::image) snapshot: Option<&'a Snapshot>,
    /// The format of the new image and the rest of it.
    pub(in crate::image) options: &'a ImageOptions,
    /// Whether it is compressed.
    pub(in crate::image) compress: bool,
    /// How many zeros on end become a hole, in bytes; 0 for none.
    pub(in crate::image) sparse: Option<u64>,
}

impl QemuImg {
    /// Prepares to make an image at an absolute path. What is below it has been read
    /// before, and is not opened.
    pub(in crate::image) fn create(&self, new: &Creating<'_>, to: &Path) -> Run<'_> {
        let mut args: Vec<OsString> = Vec::new();
        let mut list = List::of(new.options);
        if let Some((path, format)) = new.backing {
            args.push("-u".into());
            list.add("backing_file", path.as_os_str());
            list.add("backing_fmt", driver_of(format));
        }
        if let Some(secret) = new.secret {
            let mut object = OsString::from(format!("secret,id={SECRET},format=raw,file="));
            object.push(option_value(secret.as_os_str()));
            args.extend(["--object".into(), object]);
            list.add("encrypt.format", "luks");
            list.add("encrypt.key-secret", SECRET);
        }
        args.extend(["-f".into(), driver_of(new.options.format()).into()]);
        args.extend(list.args());
        args.extend([to.into(), new.size.to_string().into()]);
        self.run("create", args, within(cpu_for(new.size)))
    }

    /// Prepares to read what is described into an image at an absolute path. It says
    /// how far it is: see [`progress_of`](super::progress_of).
    pub(in crate::image) fn convert_as(
        &self,
        from: Described,
        how: &Converting<'_>,
        to: &Path,
    ) -> Run<'_> {
        let mut args: Vec<OsString> = vec!["-p".into(), "--image-opts".into()];
        if how.compress {
            args.push("-c".into());
        }
        if let Some(bytes) = how.sparse {
            args.extend(["-S".into(), bytes.to_string().into()]);
        }
        if let Some(snapshot) = how.snapshot {
            let mut which = OsString::from("snapshot.id=");
            which.push(option_value(OsStr::from_bytes(&snapshot.id)));
            which.push(",snapshot.name=");
            which.push(option_value(OsStr::from_bytes(&snapshot.name)));
            args.extend(["-l".into(), which]);
        }
        args.extend(["-O".into(), driver_of(how.options.format()).into()]);
        args.extend(List::of(how.options).args());
        args.extend([from.0, to.into()]);
        self.run("convert", args, within(cpu_for(how.size)))
    }
}

/// How `qemu-img compare` ends when two disks differ.
const DIFFERENT: i32 = 1;

impl QemuImg {
    /// Prepares to change the options of an image of `size` bytes.
    pub(in crate::image) fn amend(
        &self,
        image: Writable,
        options: &ImageOptions,
        size: u64,
    ) -> Run<'_> {
        let mut args = List::of(options).args();
        args.extend(["--image-opts".into(), image.0.0]);
        self.run("amend", args, within(cpu_for(size)))
    }

    /// Prepares to compare two disks of at most `size` bytes: [`mismatch`] reads what
    /// it says. It says how far it is: see [`progress_of`](super::progress_of).
    pub(in crate::image) fn compare(&self, one: Described, other: Described, size: u64) -> Run<'_> {
        let args: [OsString; 4] = ["-p".into(), "--image-opts".into(), one.0, other.0];
        self.run("compare", args, within(cpu_for(size)))
            .codes(&[0, DIFFERENT])
    }
}

/// Where two disks differ, by the last line of `qemu-img compare`:
/// `Content mismatch at offset 1048576!`. `None` if they do not; an error is what
/// it said if that cannot be understood.
pub(in crate::image) fn mismatch(output: &Output) -> Result<Option<u64>, String> {
    if output.code == 0 {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let at = text
        .split(['\n', '\r'])
        .find_map(|line| line.trim().strip_prefix("Content mismatch at offset "))
        .and_then(|rest| rest.trim_end_matches('!').parse().ok());
    at.map(Some).ok_or_else(|| text.trim().to_owned())
}

/// A list for `-o`.
struct List(OsString);

impl List {
    fn of(options: &ImageOptions) -> Self {
        let mut list = Self(OsString::new());
        for (word, value) in options.pairs() {
            list.add(word, value);
        }
        list
    }

    fn add(&mut self, word: &str, value: impl AsRef<OsStr>) {
        if !self.0.is_empty() {
            self.0.push(",");
        }
        self.0.push(word);
        self.0.push("=");
        self.0.push(option_value(value.as_ref()));
    }

    fn args(self) -> Vec<OsString> {
        match self.0.is_empty() {
            true => Vec::new(),
            false => vec!["-o".into(), self.0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_disks_differ_is_read() {
        let said = |code, text: &str| Output {
            stdout: text.as_bytes().to_vec(),
            code,
            ..Output::default()
        };
        assert_eq!(mismatch(&said(0, "Images are identical.\n")), Ok(None));
        let text = "    (0.00/100%)\r    (3.00/100%)\rContent mismatch at offset 1048576!\n";
        assert_eq!(mismatch(&said(1, text)), Ok(Some(1_048_576)));
        assert!(mismatch(&said(1, "Something else")).is_err());
    }

    #[test]
    fn no_value_begins_another_option() {
        let mut options = ImageOptions::new(ImageFormat::Qcow2);
        options.set("cluster_size", "2M").unwrap();
        let mut list = List::of(&options);
        list.add("backing_file", "/a,size=1");
        assert_eq!(list.0, "cluster_size=2097152,backing_file=/a,,size=1");
    }
}
