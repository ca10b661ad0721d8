//! Layouts that have a name, which are those of `guestfish -N`.

use std::str::FromStr;

use super::spec::{room, volume_name};
use super::{FsType, Holds, Layout, Logical, Part, PartitionTable, Room};

/// A layout with a name, and how large the disk is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shape {
    /// The layout.
    pub layout: Layout,
    /// The size of the disk in bytes.
    pub size: u64,
}

const GIB: u64 = 1 << 30;
const BOOT: u64 = 128 << 20;

/// The fields behind a name; those that are left out or empty have values of
/// their own.
struct Fields<'t>(std::str::Split<'t, char>);

impl<'t> Fields<'t> {
    fn next(&mut self) -> Option<&'t str> {
        self.0.next().filter(|text| !text.is_empty())
    }

    fn fs(&mut self, dir: Option<&str>) -> Result<Holds, String> {
        Ok(Holds::Files {
            kind: self.next().unwrap_or("ext2").parse::<FsType>()?,
            dir: dir.map(ToOwned::to_owned),
            label: None,
        })
    }

    fn size(&mut self, otherwise: u64) -> Result<u64, String> {
        match self.next().map(room).transpose()? {
            None => Ok(otherwise),
            Some(Room::Bytes(bytes)) => Ok(bytes),
            Some(Room::Rest) => Err("the size of a disk is a number".to_owned()),
        }
    }

    fn table(&mut self) -> Result<Option<PartitionTable>, String> {
        Ok(Some(
            self.next().unwrap_or("mbr").parse::<PartitionTable>()?,
        ))
    }

    fn volume(&mut self) -> Result<(String, String), String> {
        volume_name(self.next().unwrap_or("/dev/VG/LV"))
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.split(':');
        let name = fields.next().unwrap_or_default();
        let mut fields = Fields(fields);
        let part = |room, holds| Part {
            room,
            holds,
            esp: false,
        };
        let whole = |table, holds| Layout {
            table,
            parts: vec![part(Room::Rest, holds)],
            volumes: Vec::new(),
        };
        let on_group = |table, (group, name): (String, String), holds| Layout {
            volumes: vec![Logical {
                group: group.clone(),
                name,
                room: Room::Rest,
                holds,
            }],
            ..whole(table, Holds::Group(group))
        };
        let (layout, size) = match name {
            "disk" => {
                let size = fields.size(GIB)?;
                (whole(None, Holds::Nothing), size)
            }
            "part" => {
                let size = fields.size(GIB)?;
                (whole(fields.table()?, Holds::Nothing), size)
            }
            "fs" => {
                let (holds, size) = (fields.fs(Some("/"))?, fields.size(GIB)?);
                (whole(fields.table()?, holds), size)
            }
            "lv" => {
                let (volume, size) = (fields.volume()?, fields.size(GIB)?);
                (on_group(fields.table()?, volume, Holds::Nothing), size)
            }
            "lvfs" => {
                let (volume, holds) = (fields.volume()?, fields.fs(Some("/"))?);
                let size = fields.size(GIB)?;
                (on_group(fields.table()?, volume, holds), size)
            }
            "bootroot" => {
                let (boot, root) = (fields.fs(Some("/boot"))?, fields.fs(Some("/"))?);
                let (size, boot_size) = (fields.size(GIB)?, fields.size(BOOT)?);
                let mut layout = whole(fields.table()?, root);
                layout.parts.insert(0, part(Room::Bytes(boot_size), boot));
                (layout, size)
            }
            "bootrootlv" => {
                let volume = fields.volume()?;
                let (boot, root) = (fields.fs(Some("/boot"))?, fields.fs(Some("/"))?);
                let (size, boot_size) = (fields.size(GIB)?, fields.size(BOOT)?);
                let mut layout = on_group(fields.table()?, volume, root);
                layout.parts.insert(0, part(Room::Bytes(boot_size), boot));
                (layout, size)
            }
            other => {
                return Err(format!(
                    "no layout is called '{other}'; there are disk, part, fs, lv, lvfs, bootroot \
                     and bootrootlv"
                ));
            }
        };
        if fields.0.next().is_some() {
            return Err(format!("'{text}' has more fields than '{name}' takes"));
        }
        Ok(Self { layout, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_guestfish() {
        let shape = |text: &str| text.parse::<Shape>();
        let fs = shape("fs:ext4:300M:gpt").unwrap();
        assert_eq!(fs.size, 300 << 20);
        assert_eq!(fs.layout.table, Some(PartitionTable::Gpt));
        let lv = shape("bootrootlv:/dev/vg/root:ext4:xfs:2G:256M").unwrap();
        assert_eq!(lv.layout.parts[0].room, Room::Bytes(256 << 20));
        assert_eq!(lv.layout.parts[1].holds, Holds::Group("vg".to_owned()));
        assert_eq!(lv.layout.volumes[0].name, "root");
        for plain in ["disk", "part", "fs", "lv", "lvfs", "bootroot", "bootrootlv"] {
            let shape = shape(plain).unwrap();
            assert_eq!(shape.size, GIB, "{plain}");
            assert_eq!(shape.layout.check(), Ok(()), "{plain}");
        }
        assert_eq!(shape("disk:10M").unwrap().layout.table, None);
        for wrong in ["", "x", "disk:10M:mbr", "fs:zfs", "fs::x", "lv:nogroup"] {
            assert!(shape(wrong).is_err(), "{wrong}");
        }
    }
}
