//! The addresses of network interfaces, written as the guest's own files have them.
//!
//! * `wish`: what is asked for; `setup`: what that is for one guest;
//! * `system`: what sets up the networks of a guest;
//! * `networkd`, `network_manager`, `ifcfg`, `interfaces`: how each is told;
//! * `own`: files of vmkin's own; `assignments`: files of shell assignments;
//!   `resolv`: name servers, where nothing else knows them.

mod assignments;
mod ifcfg;
mod interfaces;
mod network_manager;
mod networkd;
mod own;
mod resolv;
mod setup;
mod system;
mod wish;

use self::setup::Setup;
use self::system::System;
pub use self::wish::{AddressRange, NetworkWish, NicName};
use super::Which;
use super::instance_id::has_cloud_init;
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::ops::write::plan::Draft;

/// Keeps cloud-init from writing files anew that are changed here.
const CLOUD: &str = "/etc/cloud/cloud.cfg.d/99-vmkin-network.cfg";
const CLOUD_TEXT: &str = "# Written by vmkin customize: the networks are set up already.\n\
                          network: {config: disabled}\n";

/// Interfaces get addresses.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is not known how the guest sets up its networks, or
/// not certain which of its files is that of an interface; [`Kind::NotFound`] if the
/// domain has no such interface; [`Kind::Usage`] if an interface has to be named.
pub(super) fn draft(draft: &mut Draft<'_>, wishes: &[NetworkWish], which: Which<'_>) -> Result<()> {
    let mut setups: Vec<Setup> = Vec::new();
    for wish in wishes {
        let setup = Setup::of(wish, which)?;
        if setups.iter().any(|other| other.nic.is(&setup.nic)) {
            return Err(Error::new(
                Kind::Usage,
                format!("{} is set up twice", setup.nic),
            ));
        }
        setups.push(setup);
    }
    if setups.is_empty() {
        return Ok(());
    }
    let system = System::of(draft)?;
    for setup in &setups {
        match system {
            System::Networkd => networkd::draft(draft, setup)?,
            System::NetworkManager => network_manager::draft(draft, setup)?,
            System::Ifcfg => ifcfg::red_hat(draft, setup)?,
            System::Wicked => ifcfg::suse(draft, setup)?,
            System::Interfaces => interfaces::draft(draft, setup)?,
        }
    }
    if system.has_files_of_cloud_init() && has_cloud_init(draft)? {
        draft.mkdir(b"/etc/cloud/cloud.cfg.d", true, None)?;
        draft.put(CLOUD.as_bytes(), CLOUD_TEXT.as_bytes(), Given::default())?;
    }
    Ok(())
}
