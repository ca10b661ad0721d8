//! The hypervisor behind a libvirt connection.
//!
//! With the files in `libvirt/` it is the only one that names the `virt` crate.

mod errors;
mod handles;
mod jobs;
mod library;
mod lost;
mod many;
mod memory;
mod migration;
mod network;
mod place;
mod room;
mod sizes;
mod snapshots;
mod sparse;
mod state;
mod volumes;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain as VirDomain;
use virt::enumutil::Enum::Known;
use virt::error::{ErrorNumber as Code, ErrorNumberEnum};
use virt::storage_pool::StoragePool;
use virt::sys;

use self::errors::{ambiguous, failed, said};
use self::handles::Handles;
use self::many::{Askers, of_many};
use super::{Hypervisor, SnapshotCall, SnapshotRecords, Start, Undefine, uri};
use crate::error::{Error, Kind, Result};
use crate::model::{
    Address, AddressSource, Capabilities, Domain, DomainRef, DomainState, DomainStatus, HostRoom,
    Pool, SecretText, Stored,
};
use crate::xml::domain::redacted;
use crate::xml::{capabilities, pool};

/// An open libvirt connection.
#[derive(Debug)]
pub struct Libvirt {
    handles: Handles,
    conn: Arc<Connect>,
    uri: String,
    here: bool,
}

impl Libvirt {
    /// Connects to `uri`, or to the hypervisor libvirt picks if there is none.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if libvirt cannot be reached.
    pub fn open(uri: Option<&str>) -> Result<Self> {
        library::load()?;
        // Otherwise libvirt prints each error to stderr itself, before us.
        virt::error::clear_error_callback();
        place::prepare(uri);
        let conn = Connect::open(uri).map(Arc::new).map_err(|e| {
            let what = format!("cannot connect to {}", uri.unwrap_or("libvirt"));
            let error = failed(&e, what).with_kind(Kind::Environment);
            match way_in(e.code(), e.message(), uri.is_none_or(uri::may_be_here)) {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })?;
        let uri = conn
            .uri()
            .map_err(|e| failed(&e, "cannot read the connection URI"))?;
        let here = place::is_here(&conn, &uri);
        if !here {
            place::keep_alive(&conn, &uri);
        }
        Ok(Self {
            handles: Handles::default(),
            conn,
            uri,
            here,
        })
    }

    /// Whether the daemon has gone, so that no question can be answered any
    /// more. A driver without a daemon cannot be lost.
    pub(super) fn is_lost(&self) -> bool {
        self.conn.is_alive().is_ok_and(|alive| !alive)
    }

    /// Runs one call on a domain and names both in the error.
    fn call(
        &self,
        domain: &Domain,
        what: &str,
        call: impl FnOnce(&VirDomain) -> std::result::Result<(), virt::error::Error>,
    ) -> Result<()> {
        let handle = self.handle(domain)?;
        call(&handle).map_err(|e| failed(&e, format!("cannot {what} domain '{}'", domain.name)))
    }

    fn xml(&self, domain: &Domain, flags: u32) -> Result<String> {
        self.handle(domain)?
            .xml_desc(sys::VIR_DOMAIN_XML_INACTIVE | flags)
            .map_err(|e| failed(&e, format!("cannot read the XML of '{}'", domain.name)))
    }

    /// All domains that these flags of `virConnectListAllDomains` leave, by their
    /// UUIDs: one question, where looking each up is one for each.
    fn list(&self, flags: u32) -> Result<HashMap<Uuid, VirDomain>> {
        let handles = self
            .conn
            .list_all_domains(flags)
            .map_err(|e| failed(&e, "cannot list the domains"))?;
        handles
            .into_iter()
            .map(|handle| match handle.uuid() {
                Ok(uuid) => Ok((uuid, handle)),
                Err(e) => Err(failed(&e, "cannot read the identity of a domain")),
            })
            .collect()
    }

    /// What is said of each of the domains that these flags leave, if anything is.
    fn texts(
        &self,
        flags: u32,
        ask: impl Fn(&VirDomain) -> Result<Option<String>> + Sync,
    ) -> Result<Vec<(Uuid, String)>> {
        let all: Vec<(Uuid, VirDomain)> = self.list(flags)?.into_iter().collect();
        let texts = of_many(&all, self.askers(), |(_, handle)| ask(handle))?;
        let texts = all.into_iter().zip(texts);
        Ok(texts
            .filter_map(|((uuid, _), text)| Some((uuid, text.flatten()?)))
            .collect())
    }

    fn askers(&self) -> Askers {
        Askers::of(self.here)
    }

    fn pool_handle(&self, name: &str) -> Result<StoragePool> {
        self.conn.lookup_storage_pool_by_name(name).map_err(|e| {
            failed(&e, format!("no storage pool '{name}'"))
                .hint("see which there are: `virsh pool-list --all`")
        })
    }
}

impl Hypervisor for Libvirt {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn is_local(&self) -> bool {
        self.here
    }

    fn capabilities(&self) -> Result<Capabilities> {
        let xml = self
            .conn
            .capabilities()
            .map_err(|e| failed(&e, "cannot read what the hypervisor can run"))?;
        capabilities::read(&xml)
    }

    fn room(&self) -> Result<HostRoom> {
        room::of(&self.conn)
    }

    fn find(&self, which: &DomainRef) -> Result<Domain> {
        let mut found: Vec<Domain> = Vec::new();
        let answers = [
            Some(self.conn.lookup_domain_by_name(which.as_str())),
            which.uuid().map(|u| self.conn.lookup_domain_by_uuid(u)),
            which.id().map(|id| self.conn.lookup_domain_by_id(id)),
        ];
        for answer in answers.into_iter().flatten() {
            match answer {
                Ok(handle) => {
                    let domain = self.known(handle)?;
                    if found.iter().all(|known| known.uuid != domain.uuid) {
                        found.push(domain);
                    }
                }
                Err(e) if e.code().is(Code::NoDomain) => {}
                Err(e) => return Err(failed(&e, format!("cannot look up domain '{which}'"))),
            }
        }
        match <[Domain; 1]>::try_from(found) {
            Ok([domain]) => Ok(domain),
            Err(none) if none.is_empty() => Err(Error::new(
                Kind::NotFound,
                format!("no domain '{which}' on {}", self.uri),
            )
            .hint("see which there are: `vmkin list`")),
            Err(several) => Err(ambiguous(which, &several)),
        }
    }

    fn find_uuid(&self, uuid: Uuid) -> Result<Option<Domain>> {
        match self.conn.lookup_domain_by_uuid(uuid) {
            Ok(handle) => self.known(handle).map(Some),
            Err(e) if e.code().is(Code::NoDomain) => Ok(None),
            Err(e) => Err(failed(&e, format!("cannot look up the domain {uuid}"))),
        }
    }

    fn domains(&self) -> Result<Vec<Domain>> {
        let handles = self
            .conn
            .list_all_domains(0)
            .map_err(|e| failed(&e, "cannot list the domains"))?;
        // A domain that has gone since is no error: it is just not listed.
        handles
            .into_iter()
            .filter_map(|handle| match self.known(handle) {
                Err(e) if e.kind() == Kind::NotFound => None,
                other => Some(other),
            })
            .collect()
    }

    fn state(&self, domain: &Domain) -> Result<DomainState> {
        let handle = self.fresh_handle(domain)?;
        state::of(domain, &handle)
    }

    fn status(&self, domain: &Domain) -> Result<DomainStatus> {
        let handle = self.fresh_handle(domain)?;
        state::status(domain, &handle)
    }

    fn status_of(&self, all: &[Stored]) -> Result<Vec<Option<DomainStatus>>> {
        state::of_all(self, all)
    }

    fn secure_xml(&self, domain: &Domain) -> Result<SecretText> {
        self.xml(domain, sys::VIR_DOMAIN_XML_SECURE)
            .map(SecretText::from)
    }

    fn public_xml(&self, domain: &Domain) -> Result<String> {
        self.xml(domain, 0)
    }

    fn public_xml_of(&self, domains: &[Domain]) -> Result<Vec<Option<String>>> {
        of_many(domains, self.askers(), |domain| self.public_xml(domain))
    }

    fn current_xml(&self) -> Result<Vec<(Uuid, String)>> {
        let active = |handle: &VirDomain| {
            let xml = handle.xml_desc(0);
            xml.map(Some)
                .map_err(|e| failed(&e, "cannot read the XML of an active domain"))
        };
        let kinds = [
            sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE,
            sys::VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
        ];
        let texts = of_many(&kinds, self.askers(), |kind| match *kind {
            sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE => self.texts(*kind, active),
            _ => self.texts(*kind, saved_xml),
        })?;
        Ok(texts.into_iter().flatten().flatten().collect())
    }

    fn define(&self, xml: &str, validate: bool) -> Result<Domain> {
        let flags = if validate {
            sys::VIR_DOMAIN_DEFINE_VALIDATE
        } else {
            0
        };
        let domain = self.conn.define_domain_xml_flags(xml, flags).map_err(|e| {
            let what = "libvirt does not accept the XML of the domain";
            said(&e, what, redacted(e.message(), xml))
        })?;
        identity(&domain)
    }

    fn undefine(&self, domain: &Domain, with: Undefine) -> Result<()> {
        let mut flags = if with.nvram {
            sys::VIR_DOMAIN_UNDEFINE_NVRAM
        } else {
            sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
        };
        flags |= if with.tpm {
            sys::VIR_DOMAIN_UNDEFINE_TPM
        } else {
            sys::VIR_DOMAIN_UNDEFINE_KEEP_TPM
        };
        if with.managed_save {
            flags |= sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE;
        }
        if with.snapshots {
            flags |= sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        }
        self.call(domain, "undefine", |handle| {
            let mut result = handle.undefine_flags(flags);
            for fewer in fewer_undefine_flags(flags) {
                result = match result {
                    Err(e)
                        if matches!(
                            e.code(),
                            Known(Code::InvalidArg | Code::ArgumentUnsupported | Code::NoSupport)
                        ) =>
                    {
                        handle.undefine_flags(fewer)
                    }
                    done => return done,
                };
            }
            result
        })
    }

    fn set_autostart(&self, domain: &Domain, on: bool) -> Result<()> {
        self.call(domain, "set the autostart of", |handle| {
            handle.set_autostart(on)
        })
    }

    fn start(&self, domain: &Domain, how: Start) -> Result<()> {
        let mut flags = 0;
        if how.paused {
            flags |= sys::VIR_DOMAIN_START_PAUSED;
        }
        if how.force_boot {
            flags |= sys::VIR_DOMAIN_START_FORCE_BOOT;
        }
        if how.bypass_cache {
            flags |= sys::VIR_DOMAIN_START_BYPASS_CACHE;
        }
        self.call(domain, "start", |handle| handle.create_with_flags(flags))
    }

    fn shutdown(&self, domain: &Domain) -> Result<()> {
        self.call(domain, "shut down", VirDomain::shutdown)
    }

    fn reboot(&self, domain: &Domain) -> Result<()> {
        self.call(domain, "reboot", |handle| handle.reboot(0))
    }

    fn suspend(&self, domain: &Domain) -> Result<()> {
        self.call(domain, "suspend", VirDomain::suspend)
    }

    fn resume(&self, domain: &Domain) -> Result<()> {
        if self.status(domain)?.state == DomainState::PmSuspended {
            return self.call(domain, "wake", |handle| handle.pm_wakeup(0));
        }
        self.call(domain, "resume", VirDomain::resume)
    }

    fn destroy(&self, domain: &Domain, graceful: bool) -> Result<()> {
        let flags = if graceful {
            sys::VIR_DOMAIN_DESTROY_GRACEFUL
        } else {
            0
        };
        self.call(domain, "destroy", |handle| {
            // Libvirt may say "not running" of a domain that ended by itself
            // meanwhile, which is what was wanted.
            handle.destroy_flags(flags).or_else(
                |e| {
                    if handle.is_active()? { Err(e) } else { Ok(()) }
                },
            )
        })
    }

    fn addresses(&self, domain: &Domain, source: AddressSource) -> Result<Vec<Address>> {
        let from = match source {
            AddressSource::Lease => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
            AddressSource::Agent => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
            AddressSource::Arp => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
        };
        let interfaces = match self.handle(domain)?.interface_addresses(from, 0) {
            Ok(interfaces) => interfaces,
            // No agent, no libvirt network, a driver that cannot tell: this
            // source knows nothing, and another may.
            Err(e)
                if matches!(
                    e.code(),
                    Known(
                        Code::AgentUnresponsive
                            | Code::NoSupport
                            | Code::ArgumentUnsupported
                            | Code::ConfigUnsupported
                            | Code::NoNetwork
                            | Code::OperationUnsupported
                    )
                ) =>
            {
                return Ok(Vec::new());
            }
            // Older libvirt (seen with 9.0) stumbles over an ARP table that is
            // empty: "wrong nlmsg len".
            Err(e) if source == AddressSource::Arp && e.code().is(Code::InternalError) => {
                return Ok(Vec::new());
            }
            Err(e) => {
                let what = format!("cannot read the addresses of '{}'", domain.name);
                return Err(failed(&e, what));
            }
        };
        let mut all = Vec::new();
        for interface in interfaces {
            let mac = interface.hwaddr.and_then(|mac| mac.parse().ok());
            for address in interface.addrs {
                if let (Ok(ip), Ok(prefix)) = (address.addr.parse(), u8::try_from(address.prefix)) {
                    all.push(Address {
                        mac,
                        ip,
                        prefix,
                        source,
                    });
                }
            }
        }
        Ok(all)
    }

    fn snapshots(&self, domain: &Domain) -> Result<Vec<String>> {
        snapshots::names(self, domain)
    }

    fn snapshot_records(&self, domain: &Domain) -> Result<SnapshotRecords> {
        snapshots::records(self, domain)
    }

    fn secure_snapshot(&self, domain: &Domain, name: &str) -> Result<Option<SecretText>> {
        snapshots::secure(self, domain, name)
    }

    fn record_snapshot(&self, domain: &Domain, document: &SecretText, current: bool) -> Result<()> {
        snapshots::record(self, domain, document, current)
    }

    fn forget_snapshot(&self, domain: &Domain, name: &str) -> Result<()> {
        snapshots::forget(self, domain, name)
    }

    fn snapshot(&self, domain: &Domain, call: &SnapshotCall) -> Result<()> {
        snapshots::call(self, domain, call)
    }

    fn redefine(&self, _domain: &Domain, definition: &SecretText) -> Result<()> {
        self.define(definition.expose(), false).map(drop)
    }

    fn volume_path(&self, pool: &str, volume: &str) -> Result<PathBuf> {
        let what = || format!("cannot find volume '{volume}' in storage pool '{pool}'");
        let path = self
            .pool_handle(pool)?
            .lookup_storage_vol_by_name(volume)
            .and_then(|volume| volume.path())
            .map_err(|e| failed(&e, what()))?;
        Ok(PathBuf::from(path))
    }

    fn pools(&self) -> Result<Vec<Pool>> {
        let failed = |e| failed(&e, "cannot list the storage pools");
        let pools = match self.conn.list_all_storage_pools(0) {
            Ok(pools) => pools,
            Err(e) if e.code().is(Code::NoSupport) => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        pools
            .iter()
            .map(|handle| {
                let xml = handle.xml_desc(0).map_err(failed)?;
                Ok(Pool {
                    name: handle.name().map_err(failed)?,
                    active: handle.is_active().map_err(failed)?,
                    path: pool::directory(&xml)?,
                })
            })
            .collect()
    }

    fn refresh_pool(&self, name: &str) -> Result<()> {
        self.pool_handle(name)?
            .refresh(0)
            .map_err(|e| failed(&e, format!("cannot refresh storage pool '{name}'")))
    }
}

/// What to do about a daemon that could not be connected to, with libvirt's words on it.
fn way_in(code: ErrorNumberEnum, words: &str, may_be_here: bool) -> Option<&'static str> {
    let refused = match code {
        Known(Code::AuthFailed | Code::AuthUnavailable) => true,
        // Where nobody is asked for a password, it is the mode of the socket that refuses.
        Known(Code::SystemError | Code::Rpc) if may_be_here => words.contains("Permission denied"),
        _ => return None,
    };
    Some(if refused {
        "run as root, join the group: `sudo usermod -aG libvirt $USER`, \
         or use your own session: `-c qemu:///session`"
    } else {
        "is the daemon running? `systemctl start virtqemud.socket` \
         (libvirt's older layout: `systemctl start libvirtd`)"
    })
}

/// What a saved domain goes on as; `None` from a driver that has no memory to save,
/// or if it is saved no more.
fn saved_xml(handle: &VirDomain) -> Result<Option<String>> {
    match managed_save_xml(handle) {
        Ok(xml) => Ok(Some(xml)),
        Err(e) if matches!(e.code(), Known(Code::NoSupport | Code::OperationInvalid)) => Ok(None),
        Err(e) => {
            let name = handle.name().unwrap_or_default();
            let what = format!("cannot read what saved domain '{name}' goes on as");
            Err(failed(&e, what).hint(format!(
                "if its memory is damaged, it can only be dropped: `vmkin restore --discard -d \
                 {name}`"
            )))
        }
    }
}

/// The `virt` crate has no call for it.
fn managed_save_xml(handle: &VirDomain) -> std::result::Result<String, virt::error::Error> {
    // SAFETY: the handle is alive as long as it is borrowed; what is returned is
    // null or a string that ends with a zero byte and belongs to the caller.
    #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
    unsafe {
        let text = sys::virDomainManagedSaveGetXMLDesc(handle.as_ptr(), 0);
        if text.is_null() {
            return Err(virt::error::Error::last_error());
        }
        let xml = std::ffi::CStr::from_ptr(text)
            .to_string_lossy()
            .into_owned();
        nix::libc::free(text.cast());
        Ok(xml)
    }
}

/// What to undefine with where not all of these flags are known: older libvirt
/// and other drivers refuse those they do not know even where they would change
/// nothing. The youngest go first, for without those that are left libvirt may
/// refuse as well: a domain with UEFI variables goes only with a word on them.
fn fewer_undefine_flags(flags: u32) -> [u32; 3] {
    // Since libvirt 8.9.
    let no_tpm = flags & !(sys::VIR_DOMAIN_UNDEFINE_TPM | sys::VIR_DOMAIN_UNDEFINE_KEEP_TPM);
    // Since libvirt 5.6.
    let no_checkpoints = no_tpm & !sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
    // Other drivers have nothing to keep.
    let oldest = no_checkpoints & !sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;
    [no_tpm, no_checkpoints, oldest]
}

fn identity(domain: &VirDomain) -> Result<Domain> {
    let failed = |e| failed(&e, "cannot read the identity of a domain");
    Ok(Domain {
        name: domain.name().map_err(failed)?,
        uuid: domain.uuid().map_err(failed)?,
        id: domain.id(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_connect_is_not_told_to_start_the_daemon() {
        let to = |words: &str| format!("Failed to connect socket to '/x': {words}");
        let hint = |code, words: &str, here| way_in(Known(code), &to(words), here).unwrap_or("");
        let refused = hint(Code::SystemError, "Permission denied", true);
        assert!(refused.contains("usermod"), "{refused}");
        assert_eq!(hint(Code::AuthFailed, "", false), refused);
        let gone = hint(Code::SystemError, "No such file or directory", true);
        assert!(gone.contains("systemctl start"), "{gone}");
        // The shell of another host has other groups.
        assert_eq!(hint(Code::Rpc, "Permission denied", false), "");
    }

    #[test]
    fn older_libvirt_is_still_told_what_becomes_of_the_uefi_variables() {
        // Libvirt 8.0 knows nothing of TPM state, and refuses to undefine a
        // domain with UEFI variables when it is not told to keep them.
        let flags = sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
            | sys::VIR_DOMAIN_UNDEFINE_TPM
            | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        let metadata = sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
        assert_eq!(
            fewer_undefine_flags(flags),
            [
                sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
                    | metadata
                    | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
                sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | metadata,
                metadata,
            ]
        );
    }
}
