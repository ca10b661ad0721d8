//! Storage volume XML.

use std::path::PathBuf;

use super::escape::{escaped, plain_text};
use super::span::{Document, Node};
use crate::error::{Error, Kind, Result};
use crate::model::{NewVolume, VolumeFacts};

/// What the XML of a volume says about its file.
///
/// # Errors
///
/// [`Kind::Usage`] if this is no volume XML, [`Kind::WrongState`] if the volume
/// is neither a file nor a block device.
pub fn read(xml: &str) -> Result<VolumeFacts> {
    let document = Document::parse(xml, "volume")?;
    facts(root(&document)?)
}

/// The same of a volume in a list, and where it is.
///
/// # Errors
///
/// Those of [`read`]; [`Kind::Usage`] if it does not say where.
pub fn listed(xml: &str) -> Result<(PathBuf, VolumeFacts)> {
    let document = Document::parse(xml, "volume")?;
    let volume = root(&document)?;
    let facts = facts(volume)?;
    let path = volume.at(&["target", "path"]);
    let path = path.ok_or_else(|| Error::new(Kind::Usage, "the XML of a volume has no path"))?;
    Ok((PathBuf::from(path.text().as_ref()), facts))
}

fn root<'d>(document: &'d Document<'_>) -> Result<Node<'d, 'd>> {
    document
        .root()
        .ok_or_else(|| Error::new(Kind::Usage, "the XML of a volume is empty"))
}

fn facts(volume: Node<'_, '_>) -> Result<VolumeFacts> {
    let block = match volume.get("type") {
        // Before libvirt 1.2 there was no such attribute.
        Some("file") | None => false,
        Some("block") => true,
        Some(other) => {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "it is a volume of the type '{other}', and must be a file or a block device"
                ),
            ));
        }
    };
    let modified = volume.at(&["target", "timestamps", "mtime"]);
    let bytes = |name| volume.child(name).and_then(bytes).unwrap_or(0);
    Ok(VolumeFacts {
        block,
        // Left out of an empty file.
        size: bytes("physical"),
        capacity: bytes("capacity"),
        allocated: if block { 0 } else { bytes("allocation") },
        modified: modified
            .filter(|_| !block)
            .map(|time| time.text().trim().to_owned()),
        mode: volume
            .at(&["target", "permissions", "mode"])
            .and_then(|mode| u32::from_str_radix(mode.text().trim(), 8).ok()),
        backing: volume
            .at(&["backingStore", "path"])
            .map(|path| PathBuf::from(path.text().as_ref())),
        format: volume
            .at(&["target", "format"])
            .and_then(|format| format.get("type"))
            .map(Into::into),
    })
}

/// The document that a volume is made of.
///
/// # Errors
///
/// [`Kind::Usage`] if the name is none that XML can hold.
pub fn new(volume: &NewVolume) -> Result<String> {
    let name = escaped(plain_text(&volume.name)?);
    let mode = volume.mode.map_or_else(String::new, |mode| {
        format!("<permissions><mode>{mode:04o}</mode></permissions>")
    });
    Ok(format!(
        "<volume><name>{name}</name><capacity unit='bytes'>{}</capacity>\
         <allocation unit='bytes'>{}</allocation>\
         <target><format type='{}'/>{mode}</target></volume>",
        volume.capacity, volume.allocation, volume.format
    ))
}

/// A size, which libvirt writes in bytes.
pub(super) fn bytes(node: Node<'_, '_>) -> Option<u64> {
    let plain = matches!(node.get("unit"), None | Some("bytes" | "B"));
    let text = node.text();
    text.trim().parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<volume type='file'>\n  <name>a</name>\n  <capacity unit='bytes'>1073741824\
        </capacity>\n  <allocation unit='bytes'>200704</allocation>\n  <physical unit='bytes'>196624\
        </physical>\n  <target>\n    <path>/p/a</path>\n    <permissions><mode>0644</mode></permissions>\n    <timestamps>\n      \
        <mtime>1795641300.424628956</mtime>\n    </timestamps>\n  </target>\n</volume>";

    #[test]
    fn the_size_is_that_of_the_file_and_not_of_the_disk() {
        let facts = read(XML).unwrap();
        assert_eq!((facts.size, facts.allocated), (196_624, 200_704));
        assert_eq!(facts.capacity, 1 << 30);
        assert_eq!(listed(XML).unwrap(), (PathBuf::from("/p/a"), facts.clone()));
        assert_eq!(facts.modified.as_deref(), Some("1795641300.424628956"));
        assert!(!facts.block);
        assert_eq!((facts.mode, facts.backing), (Some(0o644), None));
        assert_eq!(facts.format, None);
        let format = "<target><format type='qcow2'/>";
        let facts = read(&XML.replace("<target>", format)).unwrap();
        assert_eq!(facts.format.as_deref(), Some("qcow2"));
        let below =
            "<backingStore><path>/p/a&amp;b</path><format type='raw'/></backingStore></volume>";
        let overlay = read(&XML.replace("</volume>", below)).unwrap();
        assert_eq!(overlay.backing, Some(PathBuf::from("/p/a&b")));
        let empty = XML.replace("physical", "other");
        assert_eq!(read(&empty).unwrap().size, 0);
    }

    #[test]
    fn a_device_has_no_time_and_other_types_are_refused() {
        let device = read(&XML.replace("'file'", "'block'")).unwrap();
        assert!(device.block && device.modified.is_none() && device.size == 196_624);
        let error = read(&XML.replace("'file'", "'network'")).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(read("<pool/>").is_err());
    }

    #[test]
    fn a_new_volume_says_what_is_wanted_of_it() {
        let mut volume = NewVolume::raw("a&b.qcow2", 196_624);
        assert_eq!(
            new(&volume).unwrap(),
            "<volume><name>a&amp;b.qcow2</name><capacity unit='bytes'>196624</capacity>\
             <allocation unit='bytes'>0</allocation>\
             <target><format type='raw'/></target></volume>"
        );
        volume.mode = Some(0o444);
        assert!(new(&volume).unwrap().contains("<mode>0444</mode>"));
        volume.name = "a\nb".to_owned();
        assert_eq!(new(&volume).unwrap_err().kind(), Kind::Usage);
    }
}
