//! A guest put together: the file systems on its disks, which of them is its
//! root, and what it mounts where.
//!
//! What is wrong with a part is told and does not keep the rest from being
//! read: a guest that does not boot is the one that is looked at.

use std::rc::Rc;

use crate::error::{Error, Kind, Result};
use crate::guest::fstab::{self, Line, Source};
use crate::guest::native::fs::{self, FileKind, FileSystem, FsKind, Node, Opened};
use crate::guest::native::partition::{Partition, TableKind};
use crate::guest::native::{Content, Volume, VolumeKind, Volumes};
use crate::guest::tree::Tree;

/// Where distributions put the root that is not the default subvolume.
const ROOT_SUBVOLUMES: &[&str] = &["subvol=@", "subvol=root", "subvol=@rootfs"];

/// How much of `/etc/fstab` is read.
const MAX_FSTAB: u64 = 1 << 20;

/// A volume of a guest, and its file system.
pub struct Part {
    /// The path of its device in the guest, such as `/dev/vda1` or
    /// `/dev/vg/root`.
    pub device: String,
    /// What is in it.
    pub content: Content,
    /// Its size, in bytes.
    pub len: u64,
    /// Its file system, if it has one that is read here.
    pub fs: Option<Rc<dyn FileSystem>>,
    /// Why it could not be opened.
    pub problem: Option<Error>,
    /// What swap space is called, if it is that.
    pub swap: Option<SwapName>,
    kind: VolumeKind,
}

/// What swap space is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SwapName {
    /// Its UUID as text.
    pub uuid: String,
    /// Its label; none, if it is empty.
    pub label: Option<Vec<u8>>,
}

/// Where the name of swap space is, in bytes (`struct swap_header` of Linux): the
/// UUID, then the label.
const SWAP_NAME: u64 = 1024 + 12;

/// What is on the disks of a guest.
#[derive(Default)]
pub struct System {
    /// Its volumes.
    pub parts: Vec<Part>,
    /// What is not as it should be, a clause each.
    pub problems: Vec<String>,
    /// Whether there is a volume that only a kernel puts together.
    needs_kernel: bool,
}

impl System {
    /// Opens the file systems on these volumes.
    pub fn open(volumes: &Volumes) -> Self {
        let mut system = Self::default();
        for problem in &volumes.problems {
            let text = format!("{}: {}", problem.name, problem.error);
            system.problems.push(text);
            system.needs_kernel |= problem.needs_kernel;
        }
        for volume in &volumes.volumes {
            let part = part(volume);
            let health = part.fs.as_ref().map(|fs| fs.health());
            if let Some(text) = health.and_then(|health| warning(&part, health)) {
                system.problems.push(format!("{} {text}", part.device));
            }
            system.parts.push(part);
        }
        system
    }

    /// The file tree of the operating system, with what its `/etc/fstab`
    /// mounts.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if there is none, or a file system that may be it
    /// cannot be read without a kernel.
    pub fn tree(&mut self) -> Result<Tree> {
        let mut roots = Vec::new();
        for part in &self.parts {
            if let Some(fs) = &part.fs {
                match root_of(part, fs) {
                    Ok(root) => {
                        roots.extend(root.map(|root| (part.device.clone(), Rc::clone(fs), root)));
                    }
                    Err(error) => self.problems.push(format!("{}: {error}", part.device)),
                }
            }
        }
        if roots.len() > 1 {
            let devices: Vec<&str> = roots.iter().map(|root| root.0.as_str()).collect();
            self.problems.push(format!(
                "there are {} operating systems, on {}; the first is shown",
                devices.len(),
                devices.join(" and ")
            ));
        }
        if roots.is_empty() {
            return Err(self.no_root());
        }
        let (device, fs, (root, options)) = roots.swap_remove(0);
        let mut tree = Tree::new(device, fs, root);
        tree.mounted_with(options);
        self.mount_all(&mut tree);
        Ok(tree)
    }

    /// The tree of what the user names: devices, and where each is mounted.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if there is no such device, [`Kind::WrongState`] if
    /// it has no file system that can be read.
    pub fn tree_of(&self, mounts: &[(String, String)]) -> Result<Tree> {
        let mut mounts: Vec<&(String, String)> = mounts.iter().collect();
        mounts.sort_by_key(|(_, at)| at.split('/').filter(|name| !name.is_empty()).count());
        let mut tree: Option<Tree> = None;
        for (device, at) in mounts {
            let part = self
                .by_device(device)
                .ok_or_else(|| self.no_device(device))?;
            let fs = Rc::clone(part.readable()?);
            let root = fs.root();
            match &mut tree {
                None => tree = Some(Tree::new(part.device.clone(), fs, root)),
                Some(tree) => tree.mount(at.as_bytes(), part.device.clone(), fs, root)?,
            }
        }
        tree.ok_or_else(|| Error::new(Kind::Usage, "nothing is mounted"))
    }

    /// Whether a kernel would see more: file systems that are not read here, or
    /// devices that others are made of. What is encrypted takes a key as well.
    pub fn takes_kernel(&self) -> bool {
        let unread = |part: &Part| match (&part.fs, &part.problem) {
            (Some(_), _) => false,
            (None, Some(error)) => error.kind() == Kind::WrongState,
            (None, None) => {
                let makes = matches!(part.content, Content::MdMember | Content::Bcache);
                let locked = matches!(part.content, Content::Luks | Content::BitLocker);
                makes || (part.is_unread_file_system() && !locked)
            }
        };
        self.needs_kernel || self.parts.iter().any(unread)
    }

    /// Has the file systems of a tree take the place of those that they are of.
    pub fn read_by(&mut self, tree: &Tree) {
        for part in &mut self.parts {
            let mut mounts = tree.mounts().iter();
            if let Some(mount) = mounts.find(|mount| mount.device == part.device) {
                part.fs = Some(Rc::clone(&mount.fs));
            }
        }
    }

    /// Takes over what another engine has found out about the partitions.
    pub fn learn_from(&mut self, other: &Self) {
        for part in &mut self.parts {
            if let Some(known) = other.parts.iter().find(|known| known.device == part.device) {
                part.kind = known.kind.clone();
            }
        }
    }

    /// The devices whose file systems were not closed well.
    pub fn replayed(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().filter(|part| {
            let health = part.fs.as_ref().map(|fs| fs.health());
            health == Some(fs::Health::Replayed)
        });
        parts.map(|part| part.device.as_str())
    }

    fn no_device(&self, device: &str) -> Error {
        let known: Vec<&str> = self.parts.iter().map(|part| part.device.as_str()).collect();
        Error::new(Kind::NotFound, format!("the guest has no device {device}"))
            .hint(format!("it has {}", known.join(", ")))
    }

    fn no_root(&self) -> Error {
        let unread = self.parts.iter().find_map(|part| {
            let error = part.problem.as_ref()?;
            Some(format!("{}: {error}", part.device))
        });
        let mut error = Error::new(
            Kind::WrongState,
            "no operating system was found on the disks of the guest",
        );
        let hopeful = self.parts.iter().find(|part| part.fs.is_some());
        if let Some(part) = hopeful {
            error = error.hint(format!(
                "to look into a file system all the same: `--mount {}`",
                part.device
            ));
        }
        let locked = self
            .parts
            .iter()
            .find(|part| part.fs.is_none() && part.content == Content::Luks);
        if let Some(part) = locked {
            error = error.hint(format!(
                "{} is encrypted; to read it with its key: `--key {}:file:PATH`",
                part.device, part.device
            ));
        }
        if self.takes_kernel() {
            error = error.hint("libguestfs has a kernel: `--engine appliance`");
        }
        match unread {
            Some(why) => error.part(why),
            None => error,
        }
    }

    /// Mounts what `/etc/fstab` says. A line that makes no sense is told.
    fn mount_all(&mut self, tree: &mut Tree) {
        let text = match tree.look("/etc/fstab").and_then(|place| {
            let place = place.map(|place| tree.contents(&place, MAX_FSTAB));
            place.transpose()
        }) {
            Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(None) => return,
            Err(error) => {
                self.problems.push(format!("/etc/fstab: {error}"));
                return;
            }
        };
        let (lines, problems) = fstab::parse(&text);
        self.problems.extend(problems);
        for line in lines.iter().filter(|line| line.at != "/") {
            if let Err(error) = self.mount_line(tree, line) {
                if error.kind() != Kind::NotFound || !line.is_optional() {
                    let what = format!("{} is not mounted: {error}", line.at);
                    self.problems.push(what);
                }
            }
        }
    }

    fn mount_line(&self, tree: &mut Tree, line: &Line) -> Result<()> {
        let part = self
            .by_source(&line.source)
            .ok_or_else(|| Error::new(Kind::NotFound, "what /etc/fstab names is on no disk"))?;
        let fs = Rc::clone(part.readable()?);
        let root = fs.root_for(&line.options)?.ok_or_else(|| {
            Error::new(Kind::NotFound, "the subvolume in /etc/fstab is not there")
        })?;
        tree.mount(line.at.as_bytes(), part.device.clone(), fs, root)?;
        if let Some(subvolume) = fs::subvolume_in(&line.options) {
            tree.mounted_with(subvolume);
        }
        Ok(())
    }

    /// The swap space that a line of `/etc/fstab` means.
    pub fn swap_by_source(&self, source: &Source) -> Option<&Part> {
        let mut parts = self.parts.iter();
        parts.find(|part| match (source, &part.swap) {
            (Source::Uuid(uuid), Some(swap)) => swap.uuid == *uuid,
            (Source::Label(label), Some(swap)) => swap.label.as_deref() == Some(label.as_bytes()),
            _ => false,
        })
    }

    /// The volume that a line of `/etc/fstab` means, as far as its file system is
    /// read here.
    pub fn by_source(&self, source: &Source) -> Option<&Part> {
        let with_fs = |wanted: &dyn Fn(&dyn FileSystem) -> bool| {
            self.parts
                .iter()
                .find(|part| part.fs.as_ref().is_some_and(|fs| wanted(fs.as_ref())))
        };
        let partition = |wanted: &dyn Fn(&str, &str) -> bool| {
            self.parts.iter().find(|part| match &part.kind {
                VolumeKind::Partition { partition, .. } => wanted(&partition.id, &partition.name),
                _ => false,
            })
        };
        match source {
            Source::Uuid(uuid) => {
                with_fs(&|fs| fs.uuid().is_some_and(|own| own.eq_ignore_ascii_case(uuid)))
            }
            Source::Label(label) => {
                with_fs(&|fs| fs.label().is_some_and(|own| own == label.as_bytes()))
            }
            Source::PartUuid(uuid) => partition(&|id, _| id.eq_ignore_ascii_case(uuid)),
            Source::PartLabel(label) => partition(&|_, name| name == label),
            Source::Device(device) => self.by_device(device),
        }
    }

    /// A volume by the path of its device, as the guest or libvirt or whoever
    /// wrote its `/etc/fstab` calls it.
    pub fn by_device(&self, device: &str) -> Option<&Part> {
        let wanted = plain_name(device);
        let exact = self
            .parts
            .iter()
            .find(|part| plain_name(&part.device) == wanted);
        exact.or_else(|| {
            let wanted = bus_free(&wanted)?;
            let mut parts = self.parts.iter();
            parts.find(|part| bus_free(&plain_name(&part.device)).as_ref() == Some(&wanted))
        })
    }
}

impl Part {
    /// What the table says of it, if it is a partition.
    pub fn partition(&self) -> Option<(TableKind, &Partition)> {
        match &self.kind {
            VolumeKind::Partition { table, partition } => Some((*table, partition)),
            VolumeKind::Disk | VolumeKind::Logical { .. } => None,
        }
    }

    /// A volume that a kernel has read, which calls what is in it by this word.
    pub fn of_kernel(
        device: String,
        word: &str,
        len: u64,
        files: Result<Rc<dyn FileSystem>>,
    ) -> Self {
        let (fs, problem) = match files {
            Ok(fs) => (Some(fs), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            device,
            content: Content::of_word(word),
            len,
            fs,
            problem,
            swap: None,
            kind: VolumeKind::Disk,
        }
    }

    /// Its file system.
    ///
    /// # Errors
    ///
    /// Why it cannot be read.
    pub fn readable(&self) -> Result<&Rc<dyn FileSystem>> {
        if let Some(fs) = &self.fs {
            return Ok(fs);
        }
        let device = &self.device;
        Err(match &self.problem {
            Some(error) => Error::new(error.kind(), format!("{device}: {error}")),
            None => Error::new(
                Kind::WrongState,
                format!("{device} holds {}, which is not read here", self.content),
            )
            .hint("libguestfs may read it: `--engine appliance`"),
        })
    }

    /// Whether it holds a file system, though none that is read here.
    pub fn is_unread_file_system(&self) -> bool {
        self.fs.is_none()
            && !matches!(
                self.content,
                Content::LvmPv
                    | Content::MdMember
                    | Content::Bcache
                    | Content::Swap
                    | Content::Unknown
            )
    }
}

/// What to say of a file system that may not be whole.
fn warning(part: &Part, health: fs::Health) -> Option<&'static str> {
    match health {
        fs::Health::Clean | fs::Health::Replayed => None,
        fs::Health::Unclean if part.content == Content::Ntfs => {
            Some("was not closed well, and its journal is not replayed")
        }
        fs::Health::Unclean => Some("was not closed well, and has no journal"),
        fs::Health::Hibernated => {
            Some("is that of Windows that sleeps: what it has in its memory is not on the disk")
        }
    }
}

fn part(volume: &Volume) -> Part {
    let mut part = Part {
        device: format!("/dev/{}", volume.name),
        content: volume.content,
        len: volume.len(),
        fs: None,
        problem: None,
        swap: None,
        kind: volume.kind.clone(),
    };
    if part.content == Content::Swap {
        part.swap = swap_name(volume);
    }
    let kind = match volume.content {
        Content::Ext => FsKind::Ext,
        Content::Xfs => FsKind::Xfs,
        Content::Btrfs => FsKind::Btrfs,
        Content::Fat => FsKind::Fat,
        Content::Iso9660 => FsKind::Iso9660,
        Content::Ntfs => FsKind::Ntfs,
        _ => return part,
    };
    match fs::open(kind, std::sync::Arc::clone(volume.blocks())) {
        Ok(Opened::Ready(fs)) => part.fs = Some(Rc::from(fs)),
        Ok(Opened::NeedsKernel(why)) => part.problem = Some(fs::needs_kernel(&why)),
        Err(error) => part.problem = Some(error),
    }
    part
}

fn swap_name(volume: &Volume) -> Option<SwapName> {
    let mut name = [0; 32];
    volume.blocks().read_at(SWAP_NAME, &mut name).ok()?;
    let (uuid, label) = name.split_at_checked(16)?;
    let label = label.split(|&byte| byte == 0).next().unwrap_or_default();
    Some(SwapName {
        uuid: uuid::Uuid::from_slice(uuid).ok()?.to_string(),
        label: (!label.is_empty()).then(|| label.to_vec()),
    })
}

/// The root directory of an operating system, if this file system has one, and
/// the options that a kernel mounts it with.
fn root_of(part: &Part, fs: &Rc<dyn FileSystem>) -> Result<Option<(Node, &'static str)>> {
    let mut candidates = vec![(fs.root(), "")];
    if fs.kind() == FsKind::Btrfs {
        for options in ROOT_SUBVOLUMES.iter().copied() {
            let root = fs.root_for(options)?;
            candidates.extend(root.map(|root| (root, options)));
        }
    }
    for (root, options) in candidates {
        let tree = Tree::new(part.device.clone(), Rc::clone(fs), root);
        if is_root(&tree)? {
            return Ok(Some((root, options)));
        }
    }
    Ok(None)
}

/// Whether this is a system: settings, and programs.
fn is_root(tree: &Tree) -> Result<bool> {
    let is_dir = |path: &str| -> Result<bool> {
        // A link may lead to what is on another volume.
        match tree.find_itself(path.as_bytes()) {
            Ok(place) => Ok(matches!(
                tree.stat(&place)?.kind,
                FileKind::Directory | FileKind::Link
            )),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    };
    Ok(is_dir("/etc")? && (is_dir("/usr")? || is_dir("/bin")?) || is_dir("/Windows/System32")?)
}

/// `vda1` of `/dev/vda1`, and `vg/my-root` of `/dev/mapper/vg-my--root`.
fn plain_name(device: &str) -> String {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    let Some(mapped) = name.strip_prefix("mapper/") else {
        return name.to_owned();
    };
    // A dash in a name is doubled; the one that is not separates.
    let mut plain = String::new();
    let mut chars = mapped.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '-' if chars.next_if_eq(&'-').is_some() => plain.push('-'),
            '-' => plain.push('/'),
            c => plain.push(c),
        }
    }
    plain
}

/// `a1` of `sda1` and of `vda1`: which bus a disk is on is not for ever.
fn bus_free(name: &str) -> Option<String> {
    let rest = ["sd", "vd", "hd", "xvd"]
        .iter()
        .find_map(|bus| name.strip_prefix(bus))?;
    rest.starts_with(|c: char| c.is_ascii_lowercase())
        .then(|| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{bus_free, plain_name};

    #[test]
    fn devices_have_several_names() {
        assert_eq!(plain_name("/dev/vda1"), "vda1");
        assert_eq!(plain_name("/dev/vg/root"), "vg/root");
        assert_eq!(plain_name("/dev/mapper/my--vg-root"), "my-vg/root");
        assert_eq!(bus_free("vda12"), bus_free("sda12"));
        assert_ne!(bus_free("vda1"), bus_free("vdb1"));
        assert_eq!(bus_free("nvme0n1p1"), None);
        assert_eq!(bus_free("vg/sda1"), None);
    }
}
