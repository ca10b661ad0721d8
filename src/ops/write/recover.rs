//! Finishing, or taking back, changes to files that were left behind.

use super::transaction::{chain_of_aside, release};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Guard, Lease};
use crate::model::Chain;
use crate::ops::guard::lease_again;
use crate::store::{RedoDisk, Step, WriteIntent};

/// Finishes or takes back changes that were left behind, and says what is there
/// now, as a sentence.
///
/// With the mark, a disk is aside or written to: under the other name nobody can
/// have started a guest with it. One that has its own name is left alone, whatever
/// a guest has made of it since.
///
/// # Errors
///
/// If a disk is locked, cannot be written to, or cannot have its name back.
pub(in crate::ops) fn recover(intent: &WriteIntent, steps: &[Step]) -> Result<String> {
    let committed = steps
        .iter()
        .any(|step| matches!(step, Step::Committed { .. }));
    if !committed {
        release(&intent.disks)?;
        return Ok("Nothing had been written to its disks.".to_owned());
    }
    let mut left: Vec<Held<'_>> = Vec::new();
    let mut lost = Vec::new();
    for disk in &intent.disks {
        if image::file_id(&disk.aside)? == Some(disk.file) {
            left.push(Held::of(disk)?);
        } else if image::file_id(&disk.path)? != Some(disk.file) {
            lost.push(image::shown(&disk.path).to_string());
        }
    }
    for held in &left {
        image::merge_again(&held.disk.redo, &held.chain, &held.lease, held.disk.size)?;
        crate::failpoint::hit("recover.merged")?;
    }
    release(&intent.disks)?;
    Ok(match lost.len() {
        0 => "All changes are on its disks now.".to_owned(),
        _ => format!(
            "All changes are on its disks now, but for what is gone or was replaced: {}.",
            lost.join(", ")
        ),
    })
}

/// A disk that is aside, locked.
struct Held<'i> {
    disk: &'i RedoDisk,
    chain: Chain,
    lease: Lease,
    /// On what is below it.
    _below: Vec<Guard>,
}

impl<'i> Held<'i> {
    fn of(disk: &'i RedoDisk) -> Result<Self> {
        if image::file_id(&disk.redo)?.is_none() {
            return Err(Error::new(
                Kind::NotUndone,
                format!(
                    "{} is gone, with what was to be written to {}",
                    image::shown(&disk.redo),
                    image::shown(&disk.aside)
                ),
            ));
        }
        let lease = lease_again(&disk.aside)?;
        let chain = chain_of_aside(disk)?;
        let below = chain.backing().iter().map(Guard::layer);
        Ok(Self {
            disk,
            _below: below.collect::<Result<_>>()?,
            chain,
            lease,
        })
    }
}
