//! All volumes on the disks of a guest.

use std::fmt;
use std::sync::Arc;

use super::content::{Content, detect};
use super::lvm::{self, Member, Plain};
use super::partition::{self, Partition, TableKind};
use super::{Blocks, Slice};
use crate::error::{Error, Result};

/// A volume: a whole disk, a partition or a logical volume.
pub struct Volume {
    /// What it is called: `sda`, `sda1` or, for a logical volume, `group/name`.
    pub name: String,
    /// What sort of volume it is.
    pub kind: VolumeKind,
    /// What is in it.
    pub content: Content,
    blocks: Arc<dyn Blocks>,
}

/// The sorts of volumes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VolumeKind {
    /// A disk without a partition table.
    Disk,
    /// A partition.
    Partition {
        /// What sort of table has it.
        table: TableKind,
        /// What the table says about it.
        partition: Partition,
    },
    /// A logical volume.
    Logical {
        /// The name of its group.
        group: String,
        /// The id of its group, without dashes: names need not be unique.
        group_id: String,
        /// Its own id, without dashes.
        id: String,
        /// The volumes that it is on.
        on: Vec<String>,
    },
}

impl Volume {
    /// Its data.
    pub fn blocks(&self) -> &Arc<dyn Blocks> {
        &self.blocks
    }

    /// Its size, in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a volume always has a size")]
    pub fn len(&self) -> u64 {
        self.blocks.len()
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("content", &self.content)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The volumes of a guest.
#[derive(Debug, Default)]
pub struct Volumes {
    /// Disk by disk, then the logical volumes. What others are made of, such
    /// as physical volumes of LVM2, is among them.
    pub volumes: Vec<Volume>,
    /// How much is taken of physical volumes that have a group of plain volumes for
    /// themselves, by the name of the volume.
    pub plain: Vec<(String, Plain)>,
    /// What could not be read or is damaged, by the name of the disk or volume.
    pub problems: Vec<Problem>,
}

/// What is wrong with a disk or a volume.
#[derive(Debug)]
pub struct Problem {
    /// What it is about.
    pub name: String,
    /// What is wrong.
    pub error: Error,
    /// Whether nothing is wrong but that it takes a kernel to read it.
    pub needs_kernel: bool,
}

impl Volumes {
    /// Finds the volumes on disks, each with the name that it has: `sda`,
    /// `vdb`, `nvme0n1`.
    ///
    /// What is wrong with a part does not keep the rest from being found.
    pub fn find(disks: &[(String, Arc<dyn Blocks>)]) -> Self {
        let mut found = Self::default();
        for (name, disk) in disks {
            if let Err(error) = found.add_disk(name, disk) {
                found.problem(name.clone(), error, false);
            }
        }
        found.add_logical();
        found
    }

    /// The volume of that name, if there is exactly one.
    pub fn get(&self, name: &str) -> Option<&Volume> {
        let mut named = self.volumes.iter().filter(|volume| volume.name == name);
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }

    fn problem(&mut self, name: String, error: Error, needs_kernel: bool) {
        self.problems.push(Problem {
            name,
            error,
            needs_kernel,
        });
    }

    fn add_disk(&mut self, name: &str, disk: &Arc<dyn Blocks>) -> Result<()> {
        let Some(table) = partition::read(disk.as_ref())? else {
            return self.add(name.to_owned(), VolumeKind::Disk, Arc::clone(disk));
        };
        for problem in table.problems {
            let error = Error::new(crate::error::Kind::Unsafe, problem);
            self.problem(name.to_owned(), error, false);
        }
        // As the kernel does it: `sda1`, but `nvme0n1p1`.
        let between = match name.ends_with(|c: char| c.is_ascii_digit()) {
            true => "p",
            false => "",
        };
        for partition in table.partitions {
            let name = format!("{name}{between}{}", partition.number);
            let part = Slice::new(Arc::clone(disk), partition.offset, partition.len);
            let kind = VolumeKind::Partition {
                table: table.kind,
                partition,
            };
            let added = part.and_then(|part| self.add(name.clone(), kind, Arc::new(part)));
            if let Err(error) = added {
                self.problem(name, error, false);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: String, kind: VolumeKind, blocks: Arc<dyn Blocks>) -> Result<()> {
        let content = detect(blocks.as_ref())?;
        self.volumes.push(Volume {
            name,
            kind,
            content,
            blocks,
        });
        Ok(())
    }

    fn add_logical(&mut self) {
        let members: Vec<Member> = self
            .volumes
            .iter()
            .filter(|volume| volume.content == Content::LvmPv)
            .map(|volume| (volume.name.clone(), Arc::clone(&volume.blocks)))
            .collect();
        let assembled = lvm::assemble(&members);
        for (name, error) in assembled.problems {
            self.problem(name, error, false);
        }
        for group in assembled.groups {
            if let ([member], Some(plain)) = (group.members.as_slice(), group.plain) {
                self.plain.push((member.clone(), plain));
            }
            for volume in group.volumes {
                let name = format!("{}/{}", group.name, volume.name);
                let needs_kernel = volume.needs_lvm();
                let blocks = volume.blocks();
                let kind = VolumeKind::Logical {
                    group: group.name.clone(),
                    group_id: group.id.clone(),
                    id: volume.id,
                    on: volume.on,
                };
                match blocks.and_then(|blocks| self.add(name.clone(), kind, blocks)) {
                    Ok(()) => {}
                    Err(error) => self.problem(name, error, needs_kernel),
                }
            }
        }
    }
}
