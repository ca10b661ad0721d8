//! What libvirt has on record of snapshots, and its own work on external ones.
//! No other call touches an image: that is done under locks which libvirt's own
//! `qemu-img` would not get past, and of all disks or of none.

use virt::domain::Domain as VirDomain;
use virt::domain_snapshot::DomainSnapshot;
use virt::enumutil::Enum::Known;
use virt::error::ErrorNumber as Code;
use virt::sys;

use super::{Libvirt, failed, said};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{SnapshotCall, SnapshotRecords};
use crate::model::{Domain, SecretText};
use crate::xml::domain::redacted;

/// The driver that has snapshots and no images, and knows fewer flags.
const TEST_DRIVER: &str = "test:";

/// The first version of libvirt that goes back to external snapshots, as it
/// numbers them.
const REVERTS_EXTERNAL: u32 = 9_009_000;

pub(super) fn names(libvirt: &Libvirt, domain: &Domain) -> Result<Vec<String>> {
    let failed = |e| {
        let what = format!("cannot list the snapshots of '{}'", domain.name);
        failed(&e, what)
    };
    let snapshots = match libvirt.handle(domain)?.list_all_snapshots(0) {
        Ok(snapshots) => snapshots,
        Err(e) if e.code().is(Code::NoSupport) => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let names = snapshots
        .iter()
        .map(|snapshot| snapshot.name().map_err(failed));
    names.collect()
}

pub(super) fn records(libvirt: &Libvirt, domain: &Domain) -> Result<SnapshotRecords> {
    let what = format!("cannot read the snapshots of '{}'", domain.name);
    let failed = |e| failed(&e, &what);
    let handle = libvirt.handle(domain)?;
    // Not in the order of the tree: while libvirt makes one, it cannot list them so
    // (seen with 11.3: "name in virGetDomainSnapshot must not be NULL").
    let snapshots = match handle.list_all_snapshots(0) {
        Ok(snapshots) => snapshots,
        Err(e) if e.code().is(Code::NoSupport) => return Ok(SnapshotRecords::default()),
        Err(e) => return Err(failed(e)),
    };
    let mut found = SnapshotRecords::default();
    for snapshot in &snapshots {
        match snapshot.xml_desc(0) {
            Ok(document) => found.documents.push(document),
            // It has gone since.
            Err(e) if e.code().is(Code::NoDomainSnapshot) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    if snapshots.is_empty() {
        return Ok(found);
    }
    found.current = match handle.current_snapshot(0) {
        Ok(current) => Some(current.name().map_err(failed)?),
        Err(e) if e.code().is(Code::NoDomainSnapshot) => None,
        Err(e) => return Err(failed(e)),
    };
    Ok(found)
}

pub(super) fn secure(libvirt: &Libvirt, domain: &Domain, name: &str) -> Result<Option<SecretText>> {
    let Some(snapshot) = find(libvirt, domain, name)? else {
        return Ok(None);
    };
    let flags = sys::VIR_DOMAIN_SNAPSHOT_XML_SECURE;
    match snapshot.xml_desc(flags) {
        Ok(document) => Ok(Some(SecretText::from(document))),
        Err(e) => Err(failed(
            &e,
            format!("cannot read snapshot '{name}' of '{}'", domain.name),
        )),
    }
}

/// Puts a snapshot on record, or replaces what is on record of it.
pub(super) fn record(
    libvirt: &Libvirt,
    domain: &Domain,
    document: &SecretText,
    current: bool,
) -> Result<()> {
    let mut flags = sys::VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE;
    if current {
        flags |= sys::VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT;
    }
    let text = document.expose();
    let handle = libvirt.handle(domain)?;
    match handle.create_snapshot_xml(text, flags) {
        Ok(_) => Ok(()),
        Err(e) => Err(said(
            &e,
            format!("libvirt does not keep the snapshot of '{}'", domain.name),
            redacted(e.message(), text),
        )),
    }
}

/// Takes a snapshot off the record. Its children are those of its parent then.
pub(super) fn forget(libvirt: &Libvirt, domain: &Domain, name: &str) -> Result<()> {
    let Some(snapshot) = find(libvirt, domain, name)? else {
        return Ok(());
    };
    // The test driver does not know the flag, and nothing but records.
    let flags = if libvirt.uri.starts_with(TEST_DRIVER) {
        0
    } else {
        sys::VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY
    };
    snapshot.delete(flags).map_err(|e| {
        failed(
            &e,
            format!("cannot forget snapshot '{name}' of '{}'", domain.name),
        )
    })
}

/// Works on an external snapshot.
pub(super) fn call(libvirt: &Libvirt, domain: &Domain, call: &SnapshotCall) -> Result<()> {
    match call {
        SnapshotCall::Create { document, quiesce } => {
            let mut flags =
                sys::VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | sys::VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC;
            if *quiesce {
                flags |= sys::VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE;
            }
            let made = libvirt.handle(domain)?.create_snapshot_xml(document, flags);
            made.map(drop).map_err(|e| {
                let error = failed(
                    &e,
                    format!("libvirt makes no snapshot of '{}'", domain.name),
                );
                if *quiesce
                    && matches!(
                        e.code(),
                        Known(
                            Code::AgentUnresponsive
                                | Code::AgentUnsynced
                                | Code::ArgumentUnsupported
                                | Code::OperationUnsupported
                                | Code::ConfigUnsupported
                        )
                    )
                {
                    return error.hint(
                        "--quiesce needs a guest agent: its channel in the domain \
                         (org.qemu.guest_agent.0), and the package qemu-guest-agent in the guest",
                    );
                }
                error
            })
        }
        SnapshotCall::Revert { name } => {
            let what = || format!("libvirt does not take '{}' back to '{name}'", domain.name);
            let Some(snapshot) = find(libvirt, domain, name)? else {
                return Err(Error::new(Kind::NotFound, what()));
            };
            snapshot.revert(0).map_err(|e| {
                let error = failed(&e, what());
                let version = libvirt.conn.lib_version();
                if version.is_ok_and(|version| version < REVERTS_EXTERNAL) {
                    return error.hint("libvirt goes back to external snapshots from 9.9.0 on");
                }
                error
            })
        }
    }
}

pub(super) fn find(
    libvirt: &Libvirt,
    domain: &Domain,
    name: &str,
) -> Result<Option<DomainSnapshot>> {
    let handle = libvirt.handle(domain)?;
    match VirDomain::lookup_snapshot_by_name(&handle, name, 0) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(e) if matches!(e.code(), Known(Code::NoDomainSnapshot | Code::NoSupport)) => Ok(None),
        Err(e) => Err(failed(
            &e,
            format!("cannot look up snapshot '{name}' of '{}'", domain.name),
        )),
    }
}
