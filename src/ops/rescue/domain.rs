//! What libvirt has to find to start the guest.

use super::patient::Patient;
use super::report::Check;
use crate::image::{self, shown};
use crate::model::DiskSource;

pub(super) fn domain(patient: &Patient<'_>) -> Check {
    let mut check = Check::new("domain", "domain");
    let Some(facts) = patient.facts else {
        check.not_applicable("no domain is named, but images");
        return check;
    };
    if patient.guest.is_elsewhere() {
        check.unknown("whether its files are there: they are on another host".to_owned());
        return check;
    }
    for disk in &facts.disks {
        if let DiskSource::File(path) = &disk.source {
            if matches!(image::file_id(path), Ok(None)) {
                check.problem(
                    format!("{}: there is no {}", disk.target, shown(path)),
                    Some(format!(
                        "take it out: `virsh detach-disk {} {} --config`",
                        image::shell_word(facts.name.as_bytes()),
                        disk.target
                    )),
                );
            }
        }
    }
    if let Some(path) = facts.nvram.as_ref().and_then(|nvram| nvram.path.as_ref()) {
        if matches!(image::file_id(path), Ok(None)) {
            check.warning(
                format!(
                    "the variables of its firmware, {}, are not there; libvirt makes new ones",
                    shown(path)
                ),
                Some(
                    "what it boots from is forgotten with them: it must be in EFI/BOOT".to_owned(),
                ),
            );
        }
    }
    if facts.disks.is_empty() {
        check.problem("it has no disk".to_owned(), None);
    }
    check.fine(format!("its disks: {}", facts.disks.len()));
    check
}
