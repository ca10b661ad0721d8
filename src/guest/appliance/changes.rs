//! Carrying the changes of one guest out.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::answer;
use super::machine::{Drive, in_appliance};
use super::session::{LONGEST_COMMAND, Session, failed, odd, quoted};
use crate::error::{Error, Kind, Result};
use crate::guest::change::{Change, Given, Mountable, Spot};
use crate::guest::native::fs::{FsKind, Time};
use crate::model::ImageFormat;

/// The attribute that SELinux keeps its labels in.
const LABEL: &str = "security.selinux";

/// The attribute that capabilities are in.
const CAPABILITIES: &str = "security.capability";

/// The disks of a guest that is changed.
pub struct GuestDisks {
    /// What they are.
    pub drives: Vec<Drive>,
    /// What is written to, in their order: redo overlays on them, or images that
    /// nobody else knows yet.
    pub images: Vec<(PathBuf, ImageFormat)>,
    /// Its file systems, as the changes count them.
    pub mounts: Vec<Mountable>,
}

/// The guest that is being changed.
pub(super) struct Changing<'w> {
    session: &'w mut Session,
    guest: &'w GuestDisks,
    /// How many disks of others are before its own.
    first: usize,
    known: Known,
}

/// What is known of a guest that is being changed.
#[derive(Default)]
pub(super) struct Known {
    /// Where those of its file systems are mounted that are.
    pub(super) mounted: HashMap<usize, String>,
    /// The labels of directories; none where there is no SELinux.
    labels: HashMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'w> Changing<'w> {
    /// Nothing of it is mounted yet.
    pub(super) fn new(session: &'w mut Session, guest: &'w GuestDisks, first: usize) -> Self {
        Self {
            session,
            guest,
            first,
            known: Known::default(),
        }
    }

    /// Goes on with what is known.
    pub(super) fn resumed(session: &'w mut Session, guest: &'w GuestDisks, known: Known) -> Self {
        Self {
            known,
            ..Self::new(session, guest, 0)
        }
    }

    /// What is known by now.
    pub(super) fn into_known(self) -> Known {
        self.known
    }

    /// Makes changes, in their order; `progress` is told how many are done.
    ///
    /// # Errors
    ///
    /// Those of [`Self::carry_out`].
    pub(super) fn carry_out_all(
        &mut self,
        changes: &[Change],
        progress: &mut dyn FnMut(usize),
    ) -> Result<()> {
        for (number, change) in changes.iter().enumerate() {
            self.carry_out(change)
                .map_err(|error| error.context(format!("cannot {change}")))?;
            progress(number + 1);
        }
        Ok(())
    }

    /// Makes one change.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it cannot be made.
    pub(super) fn carry_out(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Contents {
                at,
                from,
                mode,
                capable,
            } => self.contents(at, from, *mode, *capable),
            Change::File { at, from, given } => {
                let path = self.path(at)?;
                match from {
                    Some(from) => self.upload(from, &path)?,
                    None => self.must(&["touch", &path])?,
                }
                self.give(at, &path, *given, true)
            }
            Change::Directory { at, given } => {
                let path = self.path(at)?;
                self.must(&["mkdir", &path])?;
                self.give(at, &path, *given, true)
            }
            Change::Link { at, target, given } => {
                let path = self.path(at)?;
                self.must(&["ln-s", &quoted(target), &path])?;
                self.give(at, &path, *given, false)
            }
            Change::Name { at, of } => {
                let (of, at) = (self.path(of)?, self.path(at)?);
                self.must(&["ln", &of, &at])
            }
            Change::Copy { from, to } => {
                let (from, to) = (self.path(from)?, self.path(to)?);
                self.must(&["cp-a", &from, &to])
            }
            Change::Move { from, to } => {
                // Between two file systems it is a copy and a removal.
                let how = if from.fs == to.fs { "rename" } else { "mv" };
                let (from, to) = (self.path(from)?, self.path(to)?);
                self.must(&[how, &from, &to])
            }
            Change::Remove { at, directory } => {
                let path = self.path(at)?;
                self.must(&[if *directory { "rm-rf" } else { "rm" }, &path])
            }
            Change::Mode { at, mode } => {
                let path = self.path(at)?;
                self.must(&["chmod", &format!("0{mode:o}"), &path])
            }
            Change::Owner { at, owner, mode } => self.other_owner(at, *owner, *mode),
            Change::Touched { at, time } => {
                let path = self.path(at)?;
                match time {
                    Some(time) => self.times(&path, *time),
                    None => self.must(&["utimens", &path, "0", "-1", "0", "-1"]),
                }
            }
        }
    }

    /// Writes into a file, which stays the same file.
    fn contents(&mut self, at: &Spot, from: &Path, mode: u32, capable: bool) -> Result<()> {
        let path = self.path(at)?;
        let plain = !self
            .guest
            .mounts
            .get(at.fs)
            .is_some_and(Mountable::has_owners);
        // Something that has the attributes meanwhile.
        let kept = match capable && !plain {
            true => Some(self.keep_attributes(at, &path)?),
            false => None,
        };
        self.upload(from, &path)?;
        self.give_back(kept.as_deref(), &path)?;
        match mode & 0o6000 {
            0 => Ok(()),
            _ if plain => Ok(()),
            _ => self.must(&["chmod", &format!("0{mode:o}"), &path]),
        }
    }

    fn keep_attributes(&mut self, at: &Spot, path: &str) -> Result<String> {
        let name = format!(".vmkin-{}", uuid::Uuid::new_v4().simple());
        let mount = self.mounted(at.fs)?;
        let inner = [at.inner_dir(), b"/", name.as_bytes()].concat();
        let kept = quoted(&[mount.as_bytes(), &inner].concat());
        self.must(&["touch", &kept])?;
        self.must(&["copy-attributes", path, &kept, "xattributes:true"])?;
        Ok(kept)
    }

    fn give_back(&mut self, kept: Option<&str>, path: &str) -> Result<()> {
        let Some(kept) = kept else { return Ok(()) };
        self.must(&["copy-attributes", kept, path, "xattributes:true"])?;
        self.must(&["rm", kept])
    }

    /// Gives a file to somebody else. It keeps what a kernel takes off then: set-id
    /// bits and, if it is a program, capabilities.
    fn other_owner(&mut self, at: &Spot, owner: (u32, u32), mode: Option<u32>) -> Result<()> {
        let path = self.path(at)?;
        let mut kept = None;
        if mode.is_some_and(|mode| mode & 0o111 != 0) {
            let asked = format!("lgetxattr {path} {CAPABILITIES}");
            if self.session.ask(&asked)?.is_ok() {
                kept = Some(self.keep_attributes(at, &path)?);
            }
        }
        self.owner(&path, owner)?;
        self.give_back(kept.as_deref(), &path)?;
        match mode {
            Some(mode) => self.must(&["chmod", &format!("0{mode:o}"), &path]),
            None => Ok(()),
        }
    }

    fn upload(&mut self, from: &Path, path: &str) -> Result<()> {
        if let Some(contents) = small(from) {
            let write = format!("write {path} {}", quoted(&contents));
            if write.len() < LONGEST_COMMAND {
                return self.session.must(&write).map(drop);
            }
        }
        let from = quoted(from.as_os_str().as_bytes());
        self.must(&["upload", &from, path])
    }

    fn give(&mut self, at: &Spot, path: &str, given: Given, has_mode: bool) -> Result<()> {
        if !self
            .guest
            .mounts
            .get(at.fs)
            .is_some_and(Mountable::has_owners)
        {
            return Ok(());
        }
        // In this order: a change of owner takes set-id bits off.
        if let Some(owner) = given.owner {
            self.owner(path, owner)?;
        }
        if let Some(mode) = given.mode.filter(|_| has_mode) {
            self.must(&["chmod", &format!("0{mode:o}"), path])?;
        }
        let label = self.label_of_dir(at)?.map(|label| match given.label_type {
            Some(kind) => with_type(&label, kind),
            None => label,
        });
        if let Some(label) = &label {
            // `lsetxattr`, for a link is labelled itself.
            let length = label.len().to_string();
            self.must(&["lsetxattr", LABEL, &quoted(label), &length, path])?;
            self.known
                .labels
                .insert(self.key(at, &at.inner), Some(label.clone()));
        }
        if let Some(time) = given.modified.filter(|_| has_mode) {
            self.times(path, time)?;
        }
        Ok(())
    }

    fn times(&mut self, path: &str, time: Time) -> Result<()> {
        let (seconds, nanoseconds) = (time.seconds.to_string(), time.nanoseconds.to_string());
        let time = [&*seconds, &nanoseconds, &seconds, &nanoseconds];
        self.must(&[&["utimens", path], &time[..]].concat())
    }

    fn owner(&mut self, path: &str, (user, group): (u32, u32)) -> Result<()> {
        self.must(&["lchown", &user.to_string(), &group.to_string(), path])
    }

    /// The label of the directory that something is in, as it is now.
    fn label_of_dir(&mut self, at: &Spot) -> Result<Option<Vec<u8>>> {
        let key = self.key(at, at.inner_dir());
        if let Some(known) = self.known.labels.get(&key) {
            return Ok(known.clone());
        }
        let mount = self.mounted(at.fs)?;
        let dir = quoted(&[mount.as_bytes(), at.inner_dir()].concat());
        let answer = self.session.ask(&format!("lgetxattr {dir} {LABEL}"))?;
        // It says so where there is none, or where there cannot be any.
        let label = answer.ok().map(|label| {
            let end = label.iter().rposition(|byte| !matches!(byte, 0 | b'\n'));
            label
                .get(..end.map_or(0, |end| end + 1))
                .map(<[u8]>::to_vec)
        });
        let label = label.flatten().filter(|label| !label.is_empty());
        self.known.labels.insert(key, label.clone());
        Ok(label)
    }

    fn key(&self, at: &Spot, inner: &[u8]) -> Vec<u8> {
        [at.fs.to_string().as_bytes(), inner].concat()
    }

    /// The path of something in the appliance, quoted.
    fn path(&mut self, spot: &Spot) -> Result<String> {
        let mount = self.mounted(spot.fs)?;
        Ok(quoted(&[mount.as_bytes(), &spot.inner].concat()))
    }

    /// Where a file system is mounted, which it is from now on.
    fn mounted(&mut self, fs: usize) -> Result<String> {
        if let Some(known) = self.known.mounted.get(&fs) {
            return Ok(known.clone());
        }
        let place = mounted(self.session, self.guest, self.first, fs)?;
        self.known.mounted.insert(fs, place.clone());
        Ok(place)
    }

    fn must(&mut self, words: &[&str]) -> Result<()> {
        self.session.must(&words.join(" ")).map(drop)
    }
}

/// The contents of a file of this host that can be said in a command, which takes
/// milliseconds; an upload takes most of a fifth of a second under TCG, however
/// little it is. guestfish ends an argument at a NUL.
fn small(from: &Path) -> Option<Vec<u8>> {
    // Nothing that could keep us waiting.
    let file = from.is_file().then(|| File::open(from).ok())??;
    let mut contents = Vec::new();
    let read = file.take(LONGEST_COMMAND as u64).read_to_end(&mut contents);
    let fits = read.is_ok_and(|read| read < LONGEST_COMMAND);
    (fits && !contents.contains(&0)).then_some(contents)
}

/// Mounts a file system of a guest in a place of its own, and returns where.
pub(super) fn mounted(
    session: &mut Session,
    guest: &GuestDisks,
    first: usize,
    fs: usize,
) -> Result<String> {
    let place = session.mount_point()?;
    mount_at(session, guest, first, fs, &place)?;
    Ok(place)
}

/// Mounts a file system of a guest on a directory, whose name is quoted.
pub(super) fn mount_at(
    session: &mut Session,
    guest: &GuestDisks,
    first: usize,
    fs: usize,
    place: &str,
) -> Result<()> {
    let mount = guest
        .mounts
        .get(fs)
        .ok_or_else(|| Error::new(Kind::NotFound, "there is no such file system"))?;
    let mut options: Vec<&str> = Vec::new();
    if mount.kind == FsKind::Xfs {
        // A copy of a disk has the UUID of the disk.
        options.push("nouuid");
    }
    if !mount.options.is_empty() {
        options.push(&mount.options);
    }
    let options = quoted(options.join(",").as_bytes());
    let device = in_appliance(&guest.drives, first, &mount.device);
    let device = device.unwrap_or_else(|| mount.device.clone());
    let command = format!(
        "mount-options {options} {} {place}",
        quoted(device.as_bytes())
    );
    session.ask(&command)?.map_err(|why| {
        let error = failed(&why).with_kind(Kind::WrongState);
        error.context(format!("{} cannot be mounted for writing", mount.device))
    })?;
    if mount.kind == FsKind::Btrfs {
        // It may have taken another device with the same id.
        let mounted = answer::devices(&session.must("mounts")?);
        if !mounted.contains(&device) {
            return Err(odd("mounts another file system than it was told"));
        }
    }
    Ok(())
}

/// A label with another type: the third of `user:role:type:level`.
fn with_type(label: &[u8], kind: &str) -> Vec<u8> {
    let mut fields: Vec<&[u8]> = label.split(|&byte| byte == b':').collect();
    if let Some(field) = fields.get_mut(2) {
        *field = kind.as_bytes();
    }
    fields.join(&b':')
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_COMMAND, small, with_type};

    #[test]
    fn what_is_small_and_has_no_nul_is_said_in_a_command() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        for (contents, is_small) in [
            (&b""[..], true),
            (b"web-01\n\xff", true),
            (b"a\0b", false),
            (&[b'x'; LONGEST_COMMAND], false),
        ] {
            std::fs::write(&file, contents).unwrap();
            let wanted = is_small.then(|| contents.to_vec());
            assert_eq!(small(&file), wanted, "{}", contents.len());
        }
        assert_eq!(small(dir.path()), None);
    }

    #[test]
    fn a_label_gets_another_type_and_keeps_the_rest() {
        for (label, wanted) in [
            ("system_u:object_r:etc_t:s0", "system_u:object_r:x_t:s0"),
            ("a:b:c:s0-s0:c0.c3", "a:b:x_t:s0-s0:c0.c3"),
            ("a:b:c", "a:b:x_t"),
            ("odd", "odd"),
        ] {
            assert_eq!(with_type(label.as_bytes(), "x_t"), wanted.as_bytes());
        }
    }
}
