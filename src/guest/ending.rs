//! What is at the end of a disk, and what it takes to move that: the last
//! partition, the volume group in it, and the file system in that.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::guest::native::lvm::Plain;
use crate::guest::native::partition::{self, ALIGNED, NewEnd, Partition, Patch, Table};
use crate::guest::native::{Blocks, Content, VolumeKind, Volumes};
use crate::guest::system::System;
use crate::model::Size;

/// What the appliance calls its only disk, and so what it is called here.
const DISK: &str = "sda";

/// The end of a disk.
pub struct Ending {
    disk: Arc<dyn Blocks>,
    table: Option<Table>,
    last: Option<Partition>,
    /// What is in the last partition, or in a disk without partitions.
    pub holds: Holds,
}

/// What is in a partition, or in a disk without partitions.
#[derive(Debug)]
pub enum Holds {
    /// Nothing that is known.
    Nothing,
    /// A file system.
    Files(Files),
    /// A volume group, which this volume of it has the room of.
    Group {
        /// The physical volume, as the appliance calls it.
        device: String,
        /// What grows and shrinks in it.
        files: Files,
        /// How much of it is taken, if it is a group that can shrink.
        plain: Option<Plain>,
    },
    /// Swap, which is made anew rather than moved.
    Swap,
    /// Something that cannot be moved here, as a clause.
    Other(String),
}

/// A file system.
#[derive(Clone, Debug)]
pub struct Files {
    /// What the appliance calls its device.
    pub device: String,
    /// What it is.
    pub content: Content,
    /// How much room it has, in bytes.
    pub len: u64,
    /// How much its files take, in bytes; `None` if only a kernel can tell.
    pub taken: Option<u64>,
}

/// What a disk has besides the file system at its end, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Outside {
    before: u64,
    /// What the file system has its room in multiples of.
    unit: u64,
    behind: u64,
}

impl Outside {
    /// How large the disk has to be for the file system to have that much.
    pub fn disk_for(self, len: u64) -> u64 {
        let up = |bytes: u64, unit| bytes.checked_next_multiple_of(unit).unwrap_or(bytes);
        let end = up(self.before.saturating_add(up(len, self.unit)), ALIGNED);
        up(end.saturating_add(self.behind), ALIGNED)
    }
}

/// What to type where something else is asked for than the smallest size of a disk.
pub fn smallest(whole: u64) -> String {
    format!(
        "the smallest size that will do is {whole} ({}): `--shrink {whole}`; for less, remove files \
         first",
        Size(whole)
    )
}

/// One step of giving a disk another size.
#[derive(Clone, Debug)]
pub enum Work {
    /// Writing the partition table.
    Table(Vec<Patch>),
    /// Growing a physical volume, and one volume of its group.
    Volume {
        /// The physical volume.
        physical: String,
        /// The logical volume, which takes all that is free.
        logical: String,
    },
    /// Growing a file system to what its volume has.
    Grow(Files),
    /// Making a file system smaller.
    Shrink {
        /// Which.
        files: Files,
        /// Its size then, in bytes.
        len: u64,
        /// What else is on the disk.
        outside: Outside,
    },
    /// Making a physical volume smaller, and first the volume whose file system is.
    Less {
        /// The physical volume.
        physical: String,
        /// How much room it has then, in bytes.
        room: u64,
        /// How many extents it has then, and has now.
        extents: [u64; 2],
        /// The file system of the group.
        files: Files,
        /// The size of its volume then, in bytes, if that has to be another.
        len: Option<u64>,
    },
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(_) => f.write_str("write the partition table"),
            Self::Volume { logical, .. } => {
                write!(f, "grow the volume {logical} by all that is free then")
            }
            Self::Grow(files) => {
                write!(f, "check {}, grow it, and check it again", files.content)
            }
            Self::Shrink { files, len, .. } => write!(
                f,
                "check {}, make it smaller, from {} to {}, and check it again",
                files.content,
                Size(files.len),
                Size(*len)
            ),
            Self::Less { files, len, .. } => {
                if len.is_some() {
                    write!(f, "make the volume {} smaller, ", files.device)?;
                }
                f.write_str("move what is at the end of the volume group, and make that smaller")
            }
        }
    }
}

impl Ending {
    /// Looks at the end of a disk.
    ///
    /// # Errors
    ///
    /// What reading the disk fails with.
    pub fn find(disk: Arc<dyn Blocks>) -> Result<Self> {
        let table = partition::read(disk.as_ref())?;
        let partitions = table.iter().flat_map(|table| &table.partitions);
        let last = partitions.max_by_key(|part| part.offset.saturating_add(part.len));
        let last = last.cloned();
        let volumes = Volumes::find(&[(DISK.to_owned(), Arc::clone(&disk))]);
        let name = match &last {
            Some(last) => format!("{DISK}{}", last.number),
            None => DISK.to_owned(),
        };
        let holds = match table.is_some() && last.is_none() {
            true => Holds::Nothing,
            false => holds(&volumes, &name),
        };
        Ok(Self {
            disk,
            table,
            last,
            holds,
        })
    }

    /// What is at the end, in words.
    pub fn described(&self) -> String {
        match &self.last {
            Some(last) => format!("partition {}", last.number),
            None => "the disk without partitions".to_owned(),
        }
    }

    /// What is to be done once the disk has `len` bytes, for the last partition
    /// and what is in it to have them.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if that is nothing that can grow; [`Kind::Unsafe`] if
    /// the partition table is damaged.
    pub fn grown(&self, len: u64) -> Result<Vec<Work>> {
        let mut work = Vec::new();
        if let (Some(table), Some(last)) = (&self.table, &self.last) {
            let end = table.limit(self.disk.as_ref(), len)?;
            let now = last.offset.saturating_add(last.len);
            let new = (end > now).then_some(NewEnd {
                number: last.number,
                offset: last.offset,
                end,
            });
            work.push(Work::Table(table.resized(self.disk.as_ref(), len, new)?));
        }
        match &self.holds {
            Holds::Files(files) => {
                can_grow(files)?;
                work.push(Work::Grow(files.clone()));
            }
            Holds::Group { device, files, .. } => {
                can_grow(files)?;
                work.push(Work::Volume {
                    physical: device.clone(),
                    logical: files.device.clone(),
                });
                work.push(Work::Grow(files.clone()));
            }
            Holds::Nothing => return Err(self.cannot("holds nothing that is known", "grow")),
            Holds::Swap => {
                return Err(self.cannot("holds swap", "grow").hint(
                    "swap is in the way of what is before it: grow the disk alone, without \
                     `--grow-fs`; then, in the guest, `swapoff -a`, remove that partition with \
                     `parted`, grow the one before it, and make swap anew behind that, with the UUID \
                     that /etc/fstab has: `mkswap -U UUID`",
                ));
            }
            Holds::Other(why) => return Err(self.cannot(why, "grow")),
        }
        Ok(work)
    }

    /// What is to be done before the disk is cut off at `len` bytes, where it is known
    /// whether there is anything behind that.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if what is there cannot be made so small, with how
    /// small it can be; [`Kind::Unsafe`] if the partition table is damaged.
    pub fn shrunk(&self, len: u64, is_empty_behind: bool) -> Result<Vec<Work>> {
        let Some(table) = &self.table else {
            return match &self.holds {
                Holds::Nothing if is_empty_behind => Ok(Vec::new()),
                _ => self.less(len),
            };
        };
        let disk = self.disk.as_ref();
        let mut work = Vec::new();
        let limit = len.saturating_sub(table.tail(disk)?);
        let new = match &self.last {
            Some(last) if last.offset.saturating_add(last.len) > limit => {
                let end = limit / ALIGNED * ALIGNED;
                let room = end.saturating_sub(last.offset);
                work.extend(self.less(room)?);
                Some(NewEnd {
                    number: last.number,
                    offset: last.offset,
                    end,
                })
            }
            _ => None,
        };
        let patches = table.resized(disk, len, new)?;
        if !patches.is_empty() {
            work.push(Work::Table(patches));
        }
        Ok(work)
    }

    /// What makes that smaller which is at the end.
    fn less(&self, room: u64) -> Result<Vec<Work>> {
        match &self.holds {
            Holds::Files(files) => Ok(vec![self.smaller(&self.described(), files, room)?]),
            Holds::Group {
                device,
                files,
                plain,
            } => {
                let plain = plain.ok_or_else(|| {
                    self.cannot(
                        "is not all that its volume group of LVM is on, or there are others than \
                         plain volumes in that",
                        "shrink",
                    )
                    .hint(format!(
                        "make {} smaller in the guest, with `lvreduce --resizefs` and `pvresize`; or \
                         copy the files to a smaller image: `vmkin image build --from DIR`",
                        files.device
                    ))
                })?;
                self.smaller_group(device, files, plain, room)
            }
            Holds::Nothing => Err(self.cannot("holds nothing that is known", "shrink")),
            Holds::Swap => Err(self.cannot("holds swap", "shrink").hint(
                "remove it in the guest first, with `swapoff -a` and `parted`: then what is before it \
                 is the last",
            )),
            Holds::Other(why) => Err(self.cannot(why, "shrink")),
        }
    }

    /// What leaves a physical volume no more than that: what is not taken goes first,
    /// and then the end of the file system.
    fn smaller_group(
        &self,
        device: &str,
        files: &Files,
        plain: Plain,
        room: u64,
    ) -> Result<Vec<Work>> {
        let extents = room.saturating_sub(plain.start) / plain.extent;
        let lacking = plain.taken.saturating_sub(extents);
        let mut work = Vec::new();
        let mut len = None;
        if lacking > 0 {
            let left = files
                .len
                .saturating_sub(lacking.saturating_mul(plain.extent));
            work.push(self.smaller(&files.device, files, left)?);
            len = Some(left);
        }
        work.push(Work::Less {
            physical: device.to_owned(),
            room,
            extents: [extents, plain.extents],
            files: files.clone(),
            len,
        });
        Ok(work)
    }

    /// What makes a file system smaller.
    fn smaller(&self, what: &str, files: &Files, room: u64) -> Result<Work> {
        let cannot = |why: &str| cannot(what, why, "shrink");
        match files.content {
            Content::Ext | Content::Btrfs | Content::Ntfs => {}
            Content::Xfs => {
                return Err(cannot("is XFS, which cannot be made smaller").hint(
                    "copy its files to a smaller image: `vmkin copy-out`, then `vmkin image build \
                     --from DIR`",
                ));
            }
            other => return Err(cannot(&format!("is {other}"))),
        }
        if room == 0 || files.taken.is_some_and(|taken| room < taken) {
            let taken = files
                .taken
                .map(|taken| format!(", of which {} are taken", Size(taken)));
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "{what} has {}{}, and would have {} then",
                    Size(files.len),
                    taken.unwrap_or_default(),
                    Size(room)
                ),
            ));
        }
        Ok(Work::Shrink {
            files: files.clone(),
            len: room,
            outside: self.outside()?,
        })
    }

    /// The file system at the end, if the appliance can tell how small that could be.
    pub fn measurable(&self) -> Option<&Files> {
        let files = match &self.holds {
            Holds::Files(files)
            | Holds::Group {
                files,
                plain: Some(_),
                ..
            } => files,
            _ => return None,
        };
        matches!(files.content, Content::Ext | Content::Ntfs).then_some(files)
    }

    /// What the disk has besides the file system at its end.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if the partition table is damaged.
    pub fn outside(&self) -> Result<Outside> {
        let (inside, unit) = match &self.holds {
            Holds::Group {
                files,
                plain: Some(plain),
                ..
            } => {
                let all = plain.taken.saturating_mul(plain.extent);
                let others = all.saturating_sub(files.len);
                (plain.start.saturating_add(others), plain.extent)
            }
            _ => (0, 1),
        };
        let before = self.last.as_ref().map_or(0, |last| last.offset);
        Ok(Outside {
            before: before.saturating_add(inside),
            unit,
            behind: match &self.table {
                Some(table) => table.tail(self.disk.as_ref())?,
                None => 0,
            },
        })
    }

    /// Makes sure that a disk whose end was moved is what it was to be.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it is not.
    pub fn must_follow(&self, before: &Self) -> Result<()> {
        let wrong = |what: &str| Err(Error::new(Kind::Storage, format!("{what} afterwards")));
        let number = |ending: &Self| ending.last.as_ref().map(|last| last.number);
        if number(self) != number(before) {
            return wrong("the last partition is another one");
        }
        if self
            .table
            .as_ref()
            .is_some_and(|table| !table.problems.is_empty())
        {
            return wrong("the partition table is damaged");
        }
        let kind = |ending: &Self| match &ending.holds {
            Holds::Files(files) | Holds::Group { files, .. } => Some(files.content),
            Holds::Nothing | Holds::Swap | Holds::Other(_) => None,
        };
        if kind(self) != kind(before) {
            return wrong("the file system is not there");
        }
        let within = |plain: &Plain| {
            let end = plain.extents.saturating_mul(plain.extent);
            let room = self.last.as_ref().map(|last| last.len);
            plain.start.saturating_add(end) <= room.unwrap_or_else(|| self.disk.len())
        };
        let fits = |files: &Files| files.taken.is_none_or(|taken| taken <= files.len);
        match &self.holds {
            Holds::Files(files) | Holds::Group { files, .. } if !fits(files) => {
                wrong("the file system does not fit its volume")
            }
            Holds::Group {
                plain: Some(plain), ..
            } if !within(plain) => wrong("the volume group does not fit its partition"),
            _ => Ok(()),
        }
    }

    fn cannot(&self, why: &str, verb: &str) -> Error {
        cannot(&self.described(), why, verb)
    }
}

fn cannot(what: &str, why: &str, verb: &str) -> Error {
    Error::new(
        Kind::WrongState,
        format!("{what} {why}, and vmkin cannot {verb} it"),
    )
}

fn can_grow(files: &Files) -> Result<()> {
    match files.content {
        Content::Ext | Content::Xfs | Content::Btrfs | Content::Ntfs => Ok(()),
        other => Err(Error::new(
            Kind::WrongState,
            format!("{} is {other}, and vmkin cannot grow it", files.device),
        )
        .hint("grow the disk alone: leave `--grow-fs` out")),
    }
}

/// What is in the volume of this name.
fn holds(volumes: &Volumes, name: &str) -> Holds {
    let Some(volume) = volumes.get(name) else {
        return Holds::Other("cannot be read".to_owned());
    };
    match volume.content {
        Content::Unknown => Holds::Nothing,
        Content::LvmPv => group(volumes, name),
        Content::Swap => Holds::Swap,
        content => {
            let files = System::open(volumes).files_of(&format!("/dev/{name}"), content);
            match files {
                Some(files) => Holds::Files(files),
                None => Holds::Other(format!("holds {content}")),
            }
        }
    }
}

/// The volume group that is on a partition, and which of its volumes is to have
/// more room: the root of the system, or the only one with files.
fn group(volumes: &Volumes, name: &str) -> Holds {
    let mut system = System::open(volumes);
    let root = system.tree().ok();
    let root = root.and_then(|tree| Some(tree.mounts().first()?.device.clone()));
    let mut with_files = Vec::new();
    for volume in &volumes.volumes {
        let VolumeKind::Logical { on, .. } = &volume.kind else {
            continue;
        };
        if on.iter().any(|physical| physical == name) {
            let device = format!("/dev/{}", volume.name);
            with_files.extend(system.files_of(&device, volume.content));
        }
    }
    let is_root = |files: &Files| Some(&files.device) == root.as_ref();
    let chosen = match with_files.iter().position(is_root) {
        Some(place) => Some(with_files.swap_remove(place)),
        None if with_files.len() == 1 => with_files.pop(),
        None => None,
    };
    match chosen {
        Some(files) => Holds::Group {
            device: format!("/dev/{name}"),
            files,
            plain: plain_of(volumes, name),
        },
        None => Holds::Other(
            "is a volume group in which nobody can tell whose room it is to be".to_owned(),
        ),
    }
}

/// How much of a physical volume is taken, if it can be made smaller.
fn plain_of(volumes: &Volumes, name: &str) -> Option<Plain> {
    let mut known = volumes.plain.iter().filter(|(member, _)| member == name);
    let (_, plain) = known.next()?;
    // The appliance counts the size of volumes in whole MiB.
    plain.extent.is_multiple_of(ALIGNED).then_some(*plain)
}

impl System {
    /// The file system on a device, if it has one.
    fn files_of(&self, device: &str, content: Content) -> Option<Files> {
        let part = self.by_device(device)?;
        let usage = part.fs.as_ref().and_then(|fs| fs.usage().ok());
        if usage.is_none()
            && !matches!(
                content,
                Content::Ext | Content::Xfs | Content::Btrfs | Content::Ntfs
            )
        {
            return None;
        }
        Some(Files {
            device: device.to_owned(),
            content,
            len: part.len,
            taken: usage.map(|usage| usage.used),
        })
    }
}
