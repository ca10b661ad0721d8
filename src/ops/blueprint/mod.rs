//! Guests that have no golden domain: what each of them is to be, and the XML
//! that a template makes of it.
//!
//! * `drive`: a disk that is to be had;
//! * `values`: what a template is given;
//! * `check`: whether what it made is what was asked for.

mod check;
mod drive;
#[cfg(test)]
mod tests;
mod values;

use uuid::Uuid;

pub use self::drive::{Contents, Drive};
pub use self::values::{Cpu, Machine, Screen, Topology};
use crate::error::Result;
use crate::model::import::{ConsoleOption, NicOption, TpmOption};
use crate::model::{DiskSource, DiskTarget, DomainName, ImageFormat, Mac, SecretText};
use crate::template::DomainTemplate;

/// What guests are to be that are alike but for name, addresses and disks.
#[derive(Debug)]
pub struct Blueprint {
    /// What they are made of, for people: the name of the base image, or that of
    /// the template.
    pub label: String,
    /// What makes their XML.
    pub template: DomainTemplate,
    /// A title and a longer text for people.
    pub title: Option<String>,
    /// The same.
    pub description: Option<String>,
    /// The id of the operating system in the osinfo database.
    pub os_id: Option<String>,
    /// What they run on.
    pub machine: Machine,
    /// Their disks.
    pub drives: Vec<Drive>,
    /// Their network interfaces.
    pub nics: Vec<NicOption>,
    /// Their console, if they have one.
    pub console: ConsoleOption,
    /// Their screen, if they have one.
    pub screen: Option<Screen>,
    /// Their TPM.
    pub tpm: Option<TpmOption>,
    /// The user's own values for the template.
    pub set: Vec<(String, String)>,
}

/// What stands for the name of a guest in the path of its console's log.
pub(super) const NAME_IN_LOG: &str = "{name}";

/// What one guest has that no other has.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// Its name.
    pub name: &'a DomainName,
    /// Its UUID.
    pub uuid: Uuid,
    /// The addresses of its interfaces.
    pub macs: &'a [Mac],
    /// The images that are made for it: of which disk, where, in which format.
    pub images: &'a [(DiskTarget, DiskSource, ImageFormat)],
}

impl Blueprint {
    /// A disk that is not used as it is, but made for each guest.
    pub fn made(&self, target: &DiskTarget) -> Option<&Drive> {
        self.drives
            .iter()
            .find(|drive| drive.target == *target && drive.is_made())
    }

    /// The XML of one guest.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`](crate::error::Kind::Usage) if the template cannot be
    /// rendered, or makes another guest than was asked for.
    pub fn render(&self, guest: &Guest<'_>) -> Result<SecretText> {
        let xml = self.template.render(&self.values(guest)?)?;
        check::is_what_was_asked(self, guest, &xml)?;
        Ok(xml.into())
    }

    /// The XML of a guest that has the bases themselves as its disks: what there
    /// is to look at before anything is made.
    ///
    /// # Errors
    ///
    /// Those of [`Blueprint::render`].
    pub fn prototype(&self, name: &DomainName) -> Result<SecretText> {
        let images: Vec<_> = self.drives.iter().filter_map(Drive::prototype).collect();
        let nics = u32::try_from(self.nics.len()).unwrap_or(u32::MAX);
        let macs: Vec<Mac> = (0..nics)
            .map(|n| {
                let [_, a, b, c] = n.to_be_bytes();
                Mac::kvm([a, b, c])
            })
            .collect();
        self.render(&Guest {
            name,
            // Whoever takes this for a domain's finds no such domain.
            uuid: Uuid::max(),
            macs: &macs,
            images: &images,
        })
    }
}
