//! Clones of a golden domain: many at once, each whole or not there.
//!
//! * [`request`]: what the user wants;
//! * `identity`: names, UUIDs and addresses that nobody has;
//! * `network`: a disk that is an export of an NBD server;
//! * `place`: where the files go;
//! * `site`: whether that is on this host, and what can be done there;
//! * `far`: the storage pools of another host;
//! * `as_they_are`: images that a guest is to have as they are;
//! * `plan`: what will be made, and whether it may be; changes nothing;
//! * `guest`: what the guests are told about who they are;
//! * `offline`: what is written into their disks of it;
//! * `apply`: makes it, in the order of `docs/architecture.md`;
//! * `reserve`: the addresses that DHCP servers keep for them;
//! * `files`: the files of the clones, from a temporary name to their own;
//! * [`spread`]: which of several hosts makes how many;
//! * `undo`: takes back what this run has made.

mod apply;
mod as_they_are;
mod far;
mod files;
mod guest;
mod identity;
mod network;
mod offline;
mod place;
mod plan;
mod render;
pub mod request;
mod reserve;
mod site;
pub mod spread;
#[cfg(test)]
mod tests;
mod undo;

pub use self::apply::{Cloned, Outcome, apply};
pub(super) use self::far::{
    Contents, begins_empty, copied, identity as identity_there, is_empty, path_there,
    remove_if as remove_volume_if, remove_volume, take_back_volumes, user_there,
};
pub use self::guest::{PlannedGuest, PlannedSeed};
pub use self::network::Origin;
pub use self::plan::{Plan, PlannedBase, PlannedClone, PlannedDisk, plan};
pub use self::request::{CloneRequest, NameChoice, Placement, TpmRule};
pub(super) use self::undo::{UnderWay, remove_files, unseal_bases};

use std::path::PathBuf;

use crate::error::Result;
use crate::ops::Host;

/// What a dry run prints: each step, in order.
pub fn steps(plan: &Plan) -> Vec<String> {
    let mut steps = Vec::new();
    for base in &plan.bases {
        let path = base.path.display();
        if plan.locks() {
            steps.push(format!("lock {path} against writers"));
        }
        if base.seal {
            steps.push(format!("seal {path} (mode 0444, immutable)"));
        }
    }
    for clone in &plan.clones {
        for disk in &clone.disks {
            let path = disk.path.display();
            let from = &disk.source;
            steps.push(match from {
                Origin::Blank { .. } => format!("create {} image {path}, {from}", disk.format),
                _ if plan.linked() => format!("create overlay {path} on {from}"),
                _ => format!("copy {from} to {path}"),
            });
        }
        if let Some(nvram) = &clone.nvram {
            if let Some(from) = &nvram.from {
                steps.push(format!(
                    "copy {} to {}",
                    from.display(),
                    nvram.path.display()
                ));
            }
        }
        steps.extend(guest::steps(clone));
        for one in &clone.reservations {
            steps.push(format!(
                "reserve {} on network '{}' for '{}' ({})",
                one.ip, one.network, one.name, one.mac
            ));
        }
        steps.push(format!(
            "define domain '{}' (UUID {})",
            clone.name, clone.uuid
        ));
    }
    steps.extend(
        plan.refresh
            .iter()
            .map(|pool| format!("refresh storage pool '{pool}'")),
    );
    steps
}

/// The XML of the clones as it would be defined now. Changes nothing.
///
/// # Errors
///
/// If the XML of the golden domain cannot be rewritten.
pub fn xml(host: Host<'_>, plan: &Plan) -> Result<Vec<String>> {
    let bases = plan.as_planned();
    let renderer = render::Renderer::new(plan, &bases)?;
    host.interrupt.check()?;
    plan.clones
        .iter()
        .map(|clone| renderer.render(clone).map(|rewritten| rewritten.xml))
        .collect()
}

/// What two clones that run at once would fight over, and what else the user
/// should know about the XML of the clones. One list for all: they are alike.
///
/// # Errors
///
/// If the XML of the golden domain cannot be rewritten.
pub fn report(plan: &Plan) -> Result<Vec<crate::xml::domain::Note>> {
    let bases = plan.as_planned();
    let renderer = render::Renderer::new(plan, &bases)?;
    match plan.clones.first() {
        Some(first) => Ok(renderer.render(first)?.notes),
        None => Ok(Vec::new()),
    }
}

/// The directory that a file is in.
fn parent(path: &std::path::Path) -> PathBuf {
    path.parent().map_or_else(PathBuf::new, PathBuf::from)
}
