//! Whether what a template made is what was asked for: a template may be
//! anybody's, and an error in it must not become a guest with another's disk.

use super::values::contents_of;
use super::{Blueprint, Guest};
use crate::error::{Error, Kind, Result};
use crate::model::{DiskSource, ImageFormat, Mac};
use crate::xml::domain::{self, DomainFacts};

/// Compares the XML of a guest with what was asked for.
///
/// # Errors
///
/// [`Kind::Usage`] with the first difference.
pub(super) fn is_what_was_asked(blueprint: &Blueprint, guest: &Guest<'_>, xml: &str) -> Result<()> {
    let name = &blueprint.template.name;
    let facts = domain::read(xml)
        .map_err(|e| e.context(format!("the template '{name}' makes no good domain XML")))?;
    match difference(blueprint, guest, &facts)? {
        None => Ok(()),
        Some(difference) => Err(Error::new(
            Kind::Usage,
            format!("the template '{name}' makes another domain than was asked for: {difference}"),
        )
        .hint(format!("see what it makes: `vmkin template render {name}`"))),
    }
}

fn difference(
    blueprint: &Blueprint,
    guest: &Guest<'_>,
    facts: &DomainFacts,
) -> Result<Option<String>> {
    if facts.name != guest.name.as_str() {
        return Ok(Some("its name is another".to_owned()));
    }
    if facts.uuid != Some(guest.uuid) {
        return Ok(Some("its UUID is another".to_owned()));
    }
    if let Some(lineage) = facts
        .lineage_damage
        .as_ref()
        .or(facts.lineage.as_ref().map(|l| &l.time))
    {
        return Ok(Some(format!("it says that it is a clone ({lineage})")));
    }
    let asked = blueprint.drives.iter();
    for drive in asked {
        let Some(disk) = facts.disks.iter().find(|disk| disk.target == drive.target) else {
            return Ok(Some(format!("it has no disk {}", drive.target)));
        };
        let (source, format) = contents_of(drive, guest)?;
        // To QEMU a CD image is raw.
        let format = match format {
            ImageFormat::Iso => ImageFormat::Raw,
            format => format,
        };
        let same = disk.source == source
            && disk.device == drive.device
            && disk.readonly == drive.readonly
            && disk.shareable == drive.shareable
            && !disk.transient
            && disk.declared.is_empty();
        if !same || (source != DiskSource::Empty && disk.format != format) {
            return Ok(Some(format!("its disk {} is another", drive.target)));
        }
    }
    if let Some(more) = facts.disks.iter().find(|disk| {
        blueprint
            .drives
            .iter()
            .all(|drive| drive.target != disk.target)
    }) {
        return Ok(Some(format!("it has a disk {} besides", more.target)));
    }
    let macs: Vec<Option<Mac>> = facts.nics.iter().map(|nic| nic.mac).collect();
    let asked: Vec<Option<Mac>> = guest.macs.iter().copied().map(Some).collect();
    if macs != asked {
        return Ok(Some("its network interfaces are others".to_owned()));
    }
    if facts.memory_bytes != blueprint.machine.memory.bytes() / 1024 * 1024 {
        return Ok(Some("its memory is another".to_owned()));
    }
    if facts.vcpus != blueprint.machine.vcpus {
        return Ok(Some("it has another number of processors".to_owned()));
    }
    Ok(None)
}
