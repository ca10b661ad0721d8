//! What the user types: `512M:esp`, `rest:ext4:/:root`, `vg/root:8G:xfs:/`.

use std::str::FromStr;

use super::{FsType, Holds, Logical, Part, Room};
use crate::model::Size;

/// A partition as it is typed: `SIZE:TYPE[:DIR[:LABEL]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartSpec(pub Part);

/// A logical volume as it is typed: `GROUP/NAME:SIZE:TYPE[:DIR[:LABEL]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogicalSpec(pub Logical);

const PART: &str = "a partition is SIZE:TYPE[:DIR[:LABEL]], such as 512M:esp, 1G:ext4:/boot or \
                    rest:lvm:GROUP";
const LOGICAL: &str = "a volume is GROUP/NAME:SIZE:TYPE[:DIR[:LABEL]], such as vg/root:8G:xfs:/";

impl FromStr for PartSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.splitn(4, ':');
        let (Some(size), Some(kind)) = (fields.next(), fields.next()) else {
            return Err(PART.to_owned());
        };
        let (third, label) = (fields.next(), fields.next());
        let esp = matches!(kind, "esp" | "efi");
        let holds = match kind {
            "lvm" => {
                let group = third.filter(|_| label.is_none());
                let group = group.ok_or("a partition of a volume group is SIZE:lvm:GROUP")?;
                Holds::Group(name(group)?)
            }
            "bios" | "none" => {
                if third.is_some() {
                    return Err(format!("'{kind}' has neither a directory nor a label"));
                }
                match kind {
                    "bios" => Holds::BiosBoot,
                    _ => Holds::Nothing,
                }
            }
            _ if esp => files(FsType::Vfat, third.or(Some("/boot/efi")), label)?,
            _ => content(kind, third, label)?,
        };
        Ok(Self(Part {
            room: room(size)?,
            holds,
            esp,
        }))
    }
}

impl FromStr for LogicalSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut fields = text.splitn(5, ':');
        let (Some(which), Some(size), Some(kind)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(LOGICAL.to_owned());
        };
        let (group, volume) = volume_name(which)?;
        let holds = match kind {
            "none" => Holds::Nothing,
            kind => content(kind, fields.next(), fields.next())?,
        };
        Ok(Self(Logical {
            group,
            name: volume,
            room: room(size)?,
            holds,
        }))
    }
}

/// A group and a volume in it: `vg/root`, or `/dev/vg/root`.
pub(super) fn volume_name(text: &str) -> Result<(String, String), String> {
    let plain = text.strip_prefix("/dev/").unwrap_or(text);
    let (group, volume) = plain
        .split_once('/')
        .ok_or_else(|| format!("'{text}' is no volume: it must be GROUP/NAME, such as vg/root"))?;
    Ok((name(group)?, name(volume)?))
}

/// A name that LVM takes.
fn name(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || "+_.-".contains(c);
    let reserved = matches!(text, "." | ".." | "snapshot" | "pvmove");
    if text.is_empty()
        || text.len() > 100
        || text.starts_with('-')
        || reserved
        || !text.chars().all(sound)
    {
        return Err(format!(
            "'{text}' is no name for a volume or a group: letters, digits and +_.- are possible"
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn room(text: &str) -> Result<Room, String> {
    match text {
        "rest" | "*" => Ok(Room::Rest),
        // As in all sizes of disks here, a plain number counts bytes.
        text => Size::parse(text, 1)
            .map(|size| Room::Bytes(size.bytes()))
            .map_err(|why| format!("'{text}' is no size: {why}; or `rest`")),
    }
}

fn content(kind: &str, dir: Option<&str>, label: Option<&str>) -> Result<Holds, String> {
    if kind == "swap" {
        if dir.is_some_and(|dir| !dir.is_empty()) {
            return Err("swap space has no directory: swap::LABEL".to_owned());
        }
        return Ok(Holds::Swap {
            label: non_empty(label),
        });
    }
    files(kind.parse()?, dir, label)
}

fn files(kind: FsType, dir: Option<&str>, label: Option<&str>) -> Result<Holds, String> {
    let dir = non_empty(dir).map(|dir| directory(&dir)).transpose()?;
    Ok(Holds::Files {
        kind,
        dir,
        label: non_empty(label),
    })
}

fn non_empty(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// An absolute directory, spelled in one way.
fn directory(text: &str) -> Result<String, String> {
    let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
    if !text.starts_with('/') || names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(format!("'{text}' is no absolute directory, such as /boot"));
    }
    Ok(format!("/{}", names.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Result<Part, String> {
        text.parse::<PartSpec>().map(|spec| spec.0)
    }

    #[test]
    fn partitions_are_read() {
        let root = part("rest:ext4:/:root").unwrap();
        assert_eq!(root.room, Room::Rest);
        let Holds::Files { kind, dir, label } = root.holds else {
            panic!("{root:?}");
        };
        assert_eq!(
            (kind, dir.as_deref(), label.as_deref()),
            (FsType::Ext4, Some("/"), Some("root"))
        );
        let esp = part("512M:esp").unwrap();
        assert!(esp.esp);
        assert_eq!(esp.room, Room::Bytes(512 << 20));
        assert!(
            matches!(esp.holds, Holds::Files { kind: FsType::Vfat, dir: Some(ref dir), .. } if dir == "/boot/efi")
        );
        assert_eq!(
            part("1G:lvm:vg").unwrap().holds,
            Holds::Group("vg".to_owned())
        );
        assert_eq!(part("1M:bios").unwrap().holds, Holds::BiosBoot);
        assert_eq!(
            part("1M:swap::s").unwrap().holds,
            Holds::Swap {
                label: Some("s".to_owned())
            }
        );
        let boot = part("1G:ext2://boot/").unwrap().holds;
        assert!(matches!(boot, Holds::Files { dir: Some(ref dir), .. } if dir == "/boot"));
        for wrong in [
            "",
            "1G",
            "x:ext4",
            "1G:zfs",
            "1G:ext4:boot",
            "1G:ext4:/a/../b",
            "1G:lvm",
            "1G:lvm:a b",
            "1G:bios:/x",
            "1G:swap:/x",
        ] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn volumes_are_read() {
        let volume = "/dev/vg/root:8G:xfs:/".parse::<LogicalSpec>().unwrap().0;
        assert_eq!(
            (volume.group.as_str(), volume.name.as_str()),
            ("vg", "root")
        );
        assert_eq!(volume.room, Room::Bytes(8 << 30));
        for wrong in [
            "",
            "vg:1G:xfs",
            "vg/-x:1G:xfs",
            "vg/a/b:1G:xfs",
            "vg/a:1G",
            "vg/a:1G:lvm:x",
        ] {
            assert!(wrong.parse::<LogicalSpec>().is_err(), "{wrong}");
        }
    }
}
