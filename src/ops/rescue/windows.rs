//! What Windows boots with.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;
use crate::guest::tree::Tree;

/// Where it is told what to boot: on a BIOS, and with UEFI.
const STORES: &[&str] = &["/Boot/BCD", "/EFI/Microsoft/Boot/BCD"];

/// What is started.
const NEEDED: &[&str] = &[
    "/Windows/System32/ntoskrnl.exe",
    "/Windows/System32/config/SYSTEM",
    "/Windows/System32/config/SOFTWARE",
];

pub(super) fn look(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    for path in NEEDED {
        if !here.is_there(path)? {
            check.problem(format!("there is no C:{}", path.replace('/', "\\")), None);
        }
    }
    // The partition that it boots from has no letter.
    let mut store = None;
    for part in &here.patient.guest.system.parts {
        let Some(fs) = &part.fs else {
            continue;
        };
        let tree = Tree::new(part.device.clone(), std::rc::Rc::clone(fs), fs.root());
        for path in STORES {
            if let Some(place) = tree.look(path)? {
                let size = tree.stat(&place)?.size;
                store = Some((format!("{path} on {}", part.device), size));
            }
        }
    }
    match store {
        None => check.problem(
            "no partition has the store of what is booted (BCD)".to_owned(),
            Some("boot its installation CD: `bootrec /rebuildbcd`".to_owned()),
        ),
        Some((at, 0)) => check.problem(
            format!("{at} is empty"),
            Some("boot its installation CD: `bootrec /rebuildbcd`".to_owned()),
        ),
        Some((at, _)) => check.fine(format!("the store of what is booted is {at}")),
    }
    Ok(())
}
