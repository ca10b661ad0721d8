//! How large everything is, and where it begins.

use super::{Holds, Layout, PartitionTable, Room};

/// Partitions begin and end at multiples of this, in bytes.
const ALIGNED: u64 = 1 << 20;

/// What LVM hands out at once, in bytes; and what a physical volume keeps for
/// itself.
const EXTENT: u64 = 4 << 20;

/// Swap space of which nobody says how much.
const SWAP: u64 = 64 << 20;

/// What goes into a file system: bytes in whole blocks, and the number of files.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Content {
    /// Bytes, each file in whole blocks.
    pub bytes: u64,
    /// Files, directories and all else.
    pub files: u64,
}

/// Where a partition is, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Span {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
}

/// Everything has a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placed {
    /// The size of the disk, in bytes.
    pub size: u64,
    /// The partitions, in the order of [`Layout::parts`].
    pub parts: Vec<Span>,
    /// How many extents each logical volume gets, in bytes; none for one that has
    /// the rest of its group.
    pub volumes: Vec<Option<u64>>,
}

/// It does not fit; this much is needed, in bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Needed {
    /// What is too small, as a clause: `the disk`.
    pub what: String,
    /// How much there is.
    pub has: u64,
    /// How much must be.
    pub needs: u64,
}

fn aligned(bytes: u64, to: u64) -> u64 {
    bytes.checked_next_multiple_of(to).unwrap_or(u64::MAX)
}

impl Layout {
    /// How large the disk has to be, in bytes, if each place gets what is in it,
    /// by its number in [`Layout::places`].
    pub fn estimate(&self, contents: &[Content]) -> u64 {
        let parts = self
            .parts
            .iter()
            .enumerate()
            .map(|(index, part)| aligned(self.part_needs(index, part.room, contents), ALIGNED));
        let parts = parts.fold(0_u64, u64::saturating_add);
        match self.table {
            Some(_) => parts.saturating_add(2 * ALIGNED),
            None => parts,
        }
    }

    fn part_needs(&self, index: usize, room: Room, contents: &[Content]) -> u64 {
        let Some(part) = self.parts.get(index) else {
            return 0;
        };
        match (room, &part.holds) {
            (Room::Bytes(bytes), _) => bytes,
            (Room::Rest, Holds::Group(group)) => {
                let elsewhere = self.parts.iter().filter_map(|part| match part.room {
                    Room::Bytes(bytes) if part.holds == Holds::Group(group.clone()) => {
                        Some(bytes.saturating_sub(EXTENT))
                    }
                    _ => None,
                });
                let elsewhere = elsewhere.fold(0_u64, u64::saturating_add);
                let needs = self.group_needs(group, contents);
                needs.saturating_sub(elsewhere).saturating_add(2 * EXTENT)
            }
            (Room::Rest, holds) => needs(holds, contents.get(index).copied()),
        }
    }

    fn group_needs(&self, group: &str, contents: &[Content]) -> u64 {
        let volumes = self.volumes.iter().enumerate();
        let own = volumes.filter(|(_, volume)| volume.group == group);
        own.map(|(number, volume)| {
            let bytes = match volume.room {
                Room::Bytes(bytes) => bytes,
                Room::Rest => {
                    let index = self.parts.len().saturating_add(number);
                    needs(&volume.holds, contents.get(index).copied())
                }
            };
            aligned(bytes, EXTENT)
        })
        .fold(0, u64::saturating_add)
    }

    /// Gives everything its place on a disk of this size.
    ///
    /// # Errors
    ///
    /// If there is no room for all of it.
    pub fn place(&self, size: u64, contents: &[Content]) -> Result<Placed, Needed> {
        let ends = match self.table {
            None => (0, 0),
            // The first sector, and as much as GRUB puts behind it.
            Some(PartitionTable::Mbr) => (ALIGNED, 0),
            // The copy of the table is at the end.
            Some(PartitionTable::Gpt) => (ALIGNED, ALIGNED),
        };
        let fixed = self.parts.iter().map(|part| match part.room {
            Room::Bytes(bytes) => aligned(bytes, ALIGNED),
            Room::Rest => 0,
        });
        let fixed = fixed
            .fold(ends.0, u64::saturating_add)
            .saturating_add(ends.1);
        let too_small = |needs: u64| Needed {
            what: "the disk".to_owned(),
            has: size,
            needs,
        };
        let has_rest = self.parts.iter().any(|part| part.room == Room::Rest);
        let least = fixed.saturating_add(if has_rest { ALIGNED } else { 0 });
        if size < least {
            return Err(too_small(least.max(self.estimate(contents))));
        }
        let rest = match self.table {
            None => size,
            Some(_) => size.saturating_sub(fixed) / ALIGNED * ALIGNED,
        };
        let mut at = ends.0;
        let mut parts = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let len = match (part.room, self.table) {
                (Room::Bytes(bytes), Some(_)) => aligned(bytes, ALIGNED),
                _ => rest,
            };
            let content = contents.get(index).copied().unwrap_or_default();
            if content.bytes > len {
                return Err(self.short(index, size, len, contents));
            }
            parts.push(Span { offset: at, len });
            at = at.saturating_add(len);
        }
        let volumes = self.place_volumes(&parts, size, contents)?;
        Ok(Placed {
            size,
            parts,
            volumes,
        })
    }

    fn place_volumes(
        &self,
        parts: &[Span],
        size: u64,
        contents: &[Content],
    ) -> Result<Vec<Option<u64>>, Needed> {
        for group in self.groups() {
            let on = self.parts.iter().zip(parts);
            let on = on.filter(|(part, _)| part.holds == Holds::Group(group.to_owned()));
            let has = on
                .map(|(_, span)| span.len.saturating_sub(EXTENT) / EXTENT * EXTENT)
                .fold(0_u64, u64::saturating_add);
            let fixed: u64 = self
                .volumes
                .iter()
                .filter(|volume| volume.group == group)
                .map(|volume| match volume.room {
                    Room::Bytes(bytes) => aligned(bytes, EXTENT),
                    Room::Rest => EXTENT,
                })
                .fold(0, u64::saturating_add);
            if fixed > has {
                return Err(Needed {
                    what: format!("volume group '{group}'"),
                    has,
                    needs: fixed,
                });
            }
        }
        let volumes = self.volumes.iter().enumerate();
        let placed = volumes.map(|(number, volume)| {
            let index = self.parts.len().saturating_add(number);
            let content = contents.get(index).copied().unwrap_or_default();
            match volume.room {
                Room::Rest if content.bytes > size => Err(self.short(index, size, size, contents)),
                Room::Rest => Ok(None),
                Room::Bytes(bytes) if content.bytes > aligned(bytes, EXTENT) => {
                    Err(self.short(index, size, bytes, contents))
                }
                Room::Bytes(bytes) => Ok(Some(aligned(bytes, EXTENT))),
            }
        });
        placed.collect()
    }

    /// A place is smaller than what is to be in it.
    fn short(&self, index: usize, size: u64, has: u64, contents: &[Content]) -> Needed {
        let places = self.places();
        let Some(place) = places.get(index).filter(|_| places.len() > 1) else {
            return Needed {
                what: "the disk".to_owned(),
                has: size,
                needs: self.estimate(contents),
            };
        };
        Needed {
            what: format!("/dev/{}", place.device),
            has,
            needs: needs(place.holds, contents.get(index).copied()),
        }
    }
}

/// How much a place needs, in bytes, for what goes into it.
fn needs(holds: &Holds, content: Option<Content>) -> u64 {
    let content = content.unwrap_or_default();
    match holds {
        Holds::Files { kind, .. } => kind.estimate(content.bytes, content.files),
        Holds::Swap { .. } => SWAP,
        Holds::Group(_) => 4 * EXTENT,
        Holds::BiosBoot | Holds::Nothing => ALIGNED,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LogicalSpec, PartSpec};
    use super::*;

    fn layout(table: Option<PartitionTable>, parts: &[&str], volumes: &[&str]) -> Layout {
        let parts = parts.iter().map(|text| text.parse::<PartSpec>().unwrap().0);
        let volumes = volumes
            .iter()
            .map(|text| text.parse::<LogicalSpec>().unwrap().0);
        Layout {
            table,
            parts: parts.collect(),
            volumes: volumes.collect(),
        }
    }

    #[test]
    fn partitions_follow_each_other_and_leave_room_for_the_table() {
        let gpt = layout(
            Some(PartitionTable::Gpt),
            &["1M:bios", "100M:ext4:/boot", "rest:ext4:/"],
            &[],
        );
        let placed = gpt.place(1 << 30, &[]).unwrap();
        let mib = |span: &Span| (span.offset >> 20, span.len >> 20);
        let spans: Vec<_> = placed.parts.iter().map(mib).collect();
        assert_eq!(spans, [(1, 1), (2, 100), (102, 921)]);
        let whole = layout(None, &["rest:ext4:/"], &[]);
        assert_eq!(
            whole.place((64 << 20) + 512, &[]).unwrap().parts,
            [Span {
                offset: 0,
                len: (64 << 20) + 512
            }]
        );
    }

    #[test]
    fn what_does_not_fit_says_how_much_it_takes() {
        let content = Content {
            bytes: 50 << 20,
            files: 10,
        };
        let whole = layout(None, &["rest:ext4:/"], &[]);
        let needed = whole.place(10 << 20, &[content]).unwrap_err();
        assert_eq!(needed.what, "the disk");
        assert_eq!(needed.needs, whole.estimate(&[content]));
        assert!(whole.place(needed.needs, &[content]).is_ok());
        let two = layout(
            Some(PartitionTable::Mbr),
            &["10M:ext4:/boot", "rest:ext4:/"],
            &[],
        );
        let needed = two.place(1 << 30, &[content]).unwrap_err();
        assert_eq!(needed.what, "/dev/sda1");
        assert!(needed.needs > 50 << 20);
        let group = layout(
            None,
            &["rest:lvm:vg"],
            &["vg/a:600M:ext4:/", "vg/b:rest:ext4:/b"],
        );
        let needed = group.place(500 << 20, &[]).unwrap_err();
        assert_eq!(needed.what, "volume group 'vg'");
        let size = group.estimate(&[Content::default(), content, content]);
        let placed = group.place(size, &[]).unwrap();
        assert_eq!(placed.volumes, [Some(600 << 20), None]);
    }
}
