//! What cannot be in a layout.

use super::{Holds, Layout, Logical, PartitionTable, Room};

impl Layout {
    /// Makes sure that it is one.
    ///
    /// # Errors
    ///
    /// A clause that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.parts.is_empty() {
            return Err("a layout needs a partition: `--part SIZE:TYPE`".to_owned());
        }
        if self.table == Some(PartitionTable::Mbr) && self.parts.len() > 4 {
            return Err(format!(
                "an MBR has 4 partitions, and {} are wanted; take `--partition gpt`",
                self.parts.len()
            ));
        }
        if self.parts.len() > 128 {
            return Err("a GPT has no more than 128 partitions".to_owned());
        }
        let rests = |rooms: &mut dyn Iterator<Item = Room>| {
            rooms.filter(|room| *room == Room::Rest).count() > 1
        };
        if rests(&mut self.parts.iter().map(|part| part.room)) {
            return Err("only one partition can have the rest of the disk".to_owned());
        }
        let groups = self.groups();
        for group in &groups {
            let own = |volume: &&Logical| volume.group == *group;
            if rests(&mut self.volumes.iter().filter(own).map(|volume| volume.room)) {
                return Err(format!(
                    "only one volume can have the rest of group '{group}'"
                ));
            }
        }
        for (index, volume) in self.volumes.iter().enumerate() {
            if !groups.contains(&volume.group.as_str()) {
                return Err(format!(
                    "volume '{}/{}' is in a group that is on no partition; add one: \
                     `--part rest:lvm:{}`",
                    volume.group, volume.name, volume.group
                ));
            }
            let same =
                |other: &Logical| (&other.group, &other.name) == (&volume.group, &volume.name);
            if self.volumes.iter().take(index).any(same) {
                return Err(format!(
                    "there are two volumes '{}/{}'",
                    volume.group, volume.name
                ));
            }
        }
        if self.table == Some(PartitionTable::Mbr)
            && self.parts.iter().any(|part| part.holds == Holds::BiosBoot)
        {
            return Err(
                "only a GPT has a partition for GRUB: leave `bios` out, or take \
                        `--partition gpt`"
                    .to_owned(),
            );
        }
        self.check_dirs()
    }

    fn check_dirs(&self) -> Result<(), String> {
        let mut dirs: Vec<&str> = Vec::new();
        for place in self.places() {
            let (label, limit, kind) = match place.holds {
                Holds::Files { kind, dir, label } => {
                    if let Some(dir) = dir {
                        if dirs.contains(&dir.as_str()) {
                            return Err(format!("there are two file systems for {dir}"));
                        }
                        dirs.push(dir);
                    }
                    (label, kind.longest_label(), kind.as_str())
                }
                Holds::Swap { label } => (label, 15, "swap space"),
                _ => continue,
            };
            if let Some(label) = label.as_ref().filter(|label| label.len() > limit) {
                return Err(format!(
                    "the label '{label}' has {} bytes, and one of {kind} can have {limit}",
                    label.len()
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FsType, Part};
    use super::*;

    fn files(kind: FsType, dir: &str) -> Holds {
        Holds::Files {
            kind,
            dir: Some(dir.to_owned()),
            label: None,
        }
    }

    fn part(room: Room, holds: Holds) -> Part {
        Part {
            room,
            holds,
            esp: false,
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        let whole = |holds| Layout {
            table: None,
            parts: vec![part(Room::Rest, holds)],
            volumes: Vec::new(),
        };
        assert!(whole(files(FsType::Ext4, "/")).check().is_ok());
        let labelled = Holds::Files {
            kind: FsType::Vfat,
            dir: None,
            label: Some("TWELVE CHARS".to_owned()),
        };
        assert!(whole(labelled).check().unwrap_err().contains("can have 11"));
        let mut twice = whole(files(FsType::Ext4, "/"));
        twice.table = Some(PartitionTable::Mbr);
        twice
            .parts
            .push(part(Room::Bytes(1), files(FsType::Xfs, "/")));
        assert!(
            twice
                .check()
                .unwrap_err()
                .contains("two file systems for /")
        );
        let rest = part(Room::Rest, Holds::Nothing);
        twice.parts = vec![rest.clone(), rest.clone()];
        assert!(twice.check().unwrap_err().contains("the rest of the disk"));
        twice.parts = vec![part(Room::Bytes(1), Holds::Nothing); 5];
        assert!(twice.check().unwrap_err().contains("gpt"));
        let mut lost = whole(Holds::Nothing);
        lost.volumes.push(Logical {
            group: "vg".to_owned(),
            name: "lv".to_owned(),
            room: Room::Rest,
            holds: Holds::Nothing,
        });
        assert!(lost.check().unwrap_err().contains("rest:lvm:vg"));
        lost.parts = vec![part(Room::Rest, Holds::Group("vg".to_owned()))];
        assert!(lost.check().is_ok());
        let again = lost.volumes.clone();
        lost.volumes.extend(again);
        lost.volumes[1].room = Room::Bytes(1);
        assert!(lost.check().unwrap_err().contains("two volumes"));
    }

    #[test]
    fn devices_have_the_names_of_a_first_disk() {
        let mut layout = Layout {
            table: None,
            parts: vec![part(Room::Rest, Holds::Group("vg".to_owned()))],
            volumes: vec![Logical {
                group: "vg".to_owned(),
                name: "root".to_owned(),
                room: Room::Rest,
                holds: files(FsType::Xfs, "/"),
            }],
        };
        let names = |layout: &Layout| -> Vec<String> {
            layout
                .places()
                .into_iter()
                .map(|place| place.device)
                .collect()
        };
        assert_eq!(names(&layout), ["sda", "vg/root"]);
        layout.table = Some(PartitionTable::Gpt);
        assert_eq!(names(&layout), ["sda1", "vg/root"]);
    }
}
