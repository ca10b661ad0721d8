//! Who guests are and what is in them, changed while they are shut off: a file for
//! each subject.
//!
//! Each drafts changes, in an order in which they combine: first what is to go,
//! then what the user puts there, then what vmkin writes. Nothing is changed.
//!
//! * `generalize`: what clones must not share goes;
//! * `pins`: what is bound to the MAC addresses of cards;
//! * `hostname`, `hosts`, `machine_id`, `instance_id`: who the guest is;
//! * `network`: its addresses;
//! * `host_keys`, `known_hosts`: how its SSH server is known;
//! * `users`, `accounts`: who may log in;
//! * `timezone`;
//! * `firstboot`, `unit`: what it does when it starts;
//! * `wishes`, `many`, `which`: what is asked for, what of it several guests cannot
//!   have, and which guest it is for;
//! * `files`: small files that are found by their names.

mod accounts;
mod files;
mod firstboot;
mod generalize;
mod host_keys;
mod hostname;
mod hosts;
mod instance_id;
mod known_hosts;
mod machine_id;
mod many;
mod network;
pub(in crate::ops) mod pins;
#[cfg(test)]
mod tests;
mod timezone;
mod unit;
mod users;
mod which;
mod wishes;

use std::path::PathBuf;

use self::pins::rebind;
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::model::{Hostname, HostnamePattern, Mac, SecretText, SshKey};
use crate::ops::write::plan::Draft;

pub use self::known_hosts::add as add_known_hosts;
pub use self::many::must_differ;
pub use self::network::{AddressRange, NetworkWish, NicName};
pub use self::users::{InvalidNewUser, NewUser};
pub use self::which::Which;
pub use self::wishes::{
    AccountPassword, CopyInto, FileText, HostKeys, InstanceId, InvalidWish, MacPins, MachineId,
    Timezone, UserFile,
};

/// What guests are to be: the same for all of them, but for what must differ.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Their host names.
    pub hostname: Option<HostnamePattern>,
    /// Their machine ids.
    pub machine_id: Option<MachineId>,
    /// What becomes of the keys of their SSH servers.
    pub host_keys: Option<HostKeys>,
    /// Whether these keys are to be known on the host.
    pub known_hosts: bool,
    /// Users that are made if they are not there.
    pub users: Vec<NewUser>,
    /// Who may log in over SSH: users, and their keys.
    pub ssh_keys: Vec<(String, Vec<SshKey>)>,
    /// The passwords of users.
    pub passwords: Vec<(String, SecretText)>,
    /// Their time zone.
    pub timezone: Option<Timezone>,
    /// Scripts of the host that they run once, in this order.
    pub firstboot: Vec<PathBuf>,
    /// Files and trees of the host, and the directory that each goes into.
    pub copy_in: Vec<CopyInto>,
    /// Files with a text.
    pub write: Vec<FileText>,
    /// Directories, made with those above them.
    pub mkdir: Vec<String>,
    /// What is removed, with all that is in it.
    pub delete: Vec<String>,
    /// The addresses of network interfaces.
    pub network: Vec<NetworkWish>,
    /// What becomes of what is bound to MAC addresses.
    pub mac_pins: Vec<MacPins>,
    /// Cards of another guest, and those that take their place: what is bound to the
    /// first is bound to the second.
    pub cards: Vec<(Mac, Mac)>,
    /// What cloud-init is to take them for.
    pub instance_id: Option<InstanceId>,
    /// Whether what clones must not share is to go.
    pub generalize: bool,
}

/// What there is to say when changes are drafted.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
    /// Lines for a file of known hosts.
    pub known_hosts: Vec<String>,
}

impl Wishes {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.hostname.is_none()
            && self.machine_id.is_none()
            && self.host_keys.is_none()
            && !self.known_hosts
            && self.users.is_empty()
            && self.ssh_keys.is_empty()
            && self.passwords.is_empty()
            && self.timezone.is_none()
            && self.firstboot.is_empty()
            && self.copy_in.is_empty()
            && self.write.is_empty()
            && self.mkdir.is_empty()
            && self.delete.is_empty()
            && self.network.is_empty()
            && self.mac_pins.is_empty()
            && self.cards.is_empty()
            && self.instance_id.is_none()
            && !self.generalize
    }

    /// Drafts the changes of one guest.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if the guest is none that is known how to customize;
    /// [`Kind::NotFound`] if it has no such user, time zone or directory; those of
    /// [`Draft`].
    pub fn draft(&self, which: Which<'_>, draft: &mut Draft<'_>) -> Result<Outcome> {
        must_be_linux(draft)?;
        let mut outcome = Outcome::default();
        let old = hostname::of(draft)?;
        let new = self
            .hostname
            .as_ref()
            .map(|pattern| hostname_of(pattern, which))
            .transpose()?;
        let name = new.clone().or_else(|| old.clone());
        if self.generalize {
            generalize::draft(draft, self, &mut outcome)?;
        }
        if self.loses_pins() {
            pins::remove(draft, &mut outcome)?;
        }
        self.draft_files(draft)?;
        if let Some(new) = &new {
            hostname::draft(draft, old.as_ref(), new)?;
        }
        let empty = self.generalize.then_some(&MachineId::Empty);
        if let Some(id) = self.machine_id.as_ref().or(empty) {
            machine_id::draft(draft, id)?;
        }
        let remove = self.generalize.then_some(HostKeys::Remove);
        match self.host_keys.or(remove) {
            Some(HostKeys::New) => host_keys::renew(draft, name.as_ref(), &mut outcome)?,
            Some(HostKeys::NewIfServed) if !host_keys::are_wanted(draft) => {}
            Some(HostKeys::NewIfServed) => host_keys::renew(draft, name.as_ref(), &mut outcome)?,
            // A system without a server has none.
            Some(HostKeys::Remove) => host_keys::remove(draft, &mut outcome)?,
            None => {}
        }
        for user in &self.users {
            users::add(draft, user)?;
        }
        for (user, keys) in &self.ssh_keys {
            accounts::authorize(draft, user, keys)?;
        }
        for (user, password) in &self.passwords {
            accounts::set_password(draft, user, password)?;
        }
        if let Some(zone) = &self.timezone {
            timezone::draft(draft, zone)?;
        }
        if let Some(id) = &self.instance_id {
            instance_id::draft(draft, id, new.as_ref(), which)?;
        }
        rebind(draft, &self.cards)?;
        pins::draft(draft, &self.mac_pins, which)?;
        network::draft(draft, &self.network, which)?;
        if !self.firstboot.is_empty() {
            firstboot::draft(draft, &self.firstboot)?;
        }
        if self.known_hosts {
            let name = name.or_else(|| which.name.parse().ok());
            outcome.known_hosts = known_hosts::lines(draft, name.as_ref())?;
        }
        Ok(outcome)
    }

    /// Whether what is bound to MAC addresses goes.
    fn loses_pins(&self) -> bool {
        match &self.mac_pins[..] {
            [] => self.generalize && self.cards.is_empty(),
            pins => pins.contains(&MacPins::Remove),
        }
    }

    fn draft_files(&self, draft: &mut Draft<'_>) -> Result<()> {
        for path in &self.delete {
            draft.rm(path.as_bytes(), true, true)?;
        }
        for path in &self.mkdir {
            draft.mkdir(path.as_bytes(), true, None)?;
        }
        for CopyInto { source, dir } in &self.copy_in {
            draft.copy_in(source, dir.as_bytes())?;
        }
        for FileText { path, text } in &self.write {
            draft.put(path.as_bytes(), text.as_bytes(), Given::default())?;
        }
        Ok(())
    }
}

fn must_be_linux(draft: &Draft<'_>) -> Result<()> {
    let refuse = |why| Err(Error::new(Kind::WrongState, why));
    if draft.must_be_directory(b"/etc").is_err() {
        return refuse("the guest has no /etc: only guests with Linux can be customized");
    }
    // Its files are links to what others share.
    if draft.tree().look("/etc/NIXOS")?.is_some() {
        return refuse("the guest is NixOS, which makes its /etc of its own configuration");
    }
    Ok(())
}

fn hostname_of(pattern: &HostnamePattern, which: Which<'_>) -> Result<Hostname> {
    let name = which.name.parse().map_err(|why| {
        Error::new(
            Kind::Usage,
            format!("'{}' makes no host name: {why}", which.name),
        )
    })?;
    pattern
        .hostname(&name, which.number)
        .map_err(|why| Error::new(Kind::Usage, why).hint("name it: `--hostname NAME`"))
}
