//! Making an external snapshot, of a guest that is shut off or running.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::super::create::{CreateRequest, ImageOf, WillCreate, after_the_time, exists};
use super::super::{NO_TPM, Records, Subject, memory, recover, variables, word};
use super::checks::{chain_for_overlay, refuse_comma};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::SnapshotCall;
use crate::image;
use crate::model::{Disk, DiskSource, DiskTarget, Domain, DomainState, ImageFormat, Kept};
use crate::ops::guard::{Allowed, Wanted, WriteGuard};
use crate::ops::saved::must_be_stored;
use crate::ops::{Host, ShutOff};
use crate::store::{IntentDomain, Operation, SavedVariables, SnapshotAct, SnapshotIntent, Step};
use crate::xml::domain::{self, DomainFacts};
use crate::xml::snapshot::{NewOverlay, NewOverlays};

/// Whether the guest may be running.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Live {
    /// It must be shut off.
    No,
    /// It must be running or paused. The disks are as after a power failure.
    Yes,
    /// The same, and its guest agent has it write out and freeze its file
    /// systems for that moment.
    Quiesced,
}

/// An external snapshot that has been thought through but not made. Of a guest
/// that is shut off, nobody can open the images while it lives.
pub struct OverlaysPlan<'a> {
    /// What it is of, and where the guest goes on.
    pub will: WillCreate,
    /// What is no part of it, as sentences.
    pub stays: Vec<String>,
    guard: Option<WriteGuard<'a>>,
    domain: Domain,
    overlays: Vec<NewOverlay>,
    left_out: Vec<DiskTarget>,
    variables: Option<SavedVariables>,
    quiesce: bool,
    request: CreateRequest,
}

/// Works out a new external snapshot, and locks the images of a guest that is
/// shut off. Changes nothing.
///
/// # Errors
///
/// [`Kind::Exists`] if there is a snapshot of this name, or a file where an
/// overlay would be; [`Kind::WrongState`] if the domain is not in the state
/// that `live` asks for, it would be made after an internal one, a disk is no
/// file, or has as many overlays as libvirt starts; those of [`WriteGuard`].
pub fn plan<'a>(host: Host<'a>, request: &CreateRequest, live: Live) -> Result<OverlaysPlan<'a>> {
    let Subject::Domain(domain) = &request.subject else {
        return Err(Error::new(
            Kind::Usage,
            "an external snapshot is of a domain, whose definition says where it goes on",
        )
        .hint(
            "make an overlay of an image: `qemu-img create -f qcow2 -b IMAGE -F FORMAT OVERLAY`",
        ));
    };
    host.must_be_here()?;
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let guard = match live {
        Live::No => Some(shut_off(host, domain, allow)?),
        Live::Yes | Live::Quiesced => {
            running(host, domain)?;
            None
        }
    };
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    if live != Live::No {
        same_disks_as_stored(host, domain, &facts)?;
    }
    let trust = allow.trust(host, &facts.disks)?;
    let records = Records::read(host, domain)?;
    let is_free = |name: &str| records.named(name).is_none();
    let name = match &request.name {
        Some(name) => name.as_str().to_owned(),
        None => after_the_time(SystemTime::now(), is_free),
    };
    if !is_free(&name) {
        return Err(exists(&request.subject, &name, None));
    }
    refuse_after_internal(domain, &records)?;
    let (mut overlays, mut left_out) = (Vec::new(), Vec::new());
    let mut names = HashSet::new();
    for disk in &facts.disks {
        if !disk.is_private() {
            left_out.push(disk.target.clone());
            continue;
        }
        let chain = chain_for_overlay(host, domain, disk, &trust)?;
        let path = overlay_for(&chain.top().path, &name);
        if !names.insert(path.clone()) {
            return Err(same_stem(disk, &chain.top().path));
        }
        is_to_be_made(disk, &path)?;
        if live == Live::No {
            refuse_comma(&path)?;
        }
        overlays.push(NewOverlay {
            target: disk.target.clone(),
            path,
        });
    }
    if overlays.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!("domain '{}' has no disk of its own", domain.name),
        ));
    }
    let mut stays = Vec::new();
    if facts.tpm_emulator {
        stays.push(NO_TPM.to_owned());
    }
    let nvram = facts.nvram.filter(|nvram| nvram.path.is_some());
    if live != Live::No && nvram.is_some() {
        stays.push(
            "The UEFI variables are no part of it: the guest may be writing to them.".to_owned(),
        );
    }
    let variables = match &guard {
        Some(guard) => of_variables(guard, &request.subject, &name)?,
        None => None,
    };
    Ok(OverlaysPlan {
        will: WillCreate {
            domain: Some(domain.name.clone()),
            parent: records.current,
            images: overlays.iter().map(image_of).collect(),
            variables: variables.as_ref().map(|saved| saved.copy.path.clone()),
            name,
        },
        stays,
        guard,
        domain: domain.clone(),
        overlays,
        left_out,
        variables,
        quiesce: live == Live::Quiesced,
        request: request.clone(),
    })
}

fn shut_off<'a>(host: Host<'a>, domain: &Domain, allow: Allowed<'_>) -> Result<WriteGuard<'a>> {
    let state = host.hypervisor.status(domain)?.state;
    let runs = matches!(state, DomainState::Running | DomainState::Paused);
    ShutOff::check(host.hypervisor, domain).map_err(|error| match error.kind() {
        Kind::WrongState if runs => error.hint(
            "or make one of its disks while it runs: `--live`, with a guest agent `--quiesce`",
        ),
        _ => error,
    })?;
    let wanted = Wanted {
        targets: &[],
        allow,
        variables: true,
    };
    WriteGuard::of_domain(host, domain, wanted)
}

fn running(host: Host<'_>, domain: &Domain) -> Result<()> {
    let status = host.hypervisor.status(domain)?;
    if !matches!(status.state, DomainState::Running | DomainState::Paused) {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{}' is {}, and must be running for --live",
                domain.name, status.state
            ),
        )
        .hint(match status.state {
            DomainState::Saved => format!(
                "let it go on first: `vmkin restore -d {}`",
                word(&domain.name)
            ),
            _ => "of a guest that is shut off: leave out --live, and say --external".to_owned(),
        }));
    }
    must_be_stored(domain, status.persistent)
}

/// Libvirt takes all that the guest has now, and starts and goes back by what is
/// stored of it.
fn same_disks_as_stored(host: Host<'_>, domain: &Domain, stored: &DomainFacts) -> Result<()> {
    let now = memory::live_facts(host, domain)?;
    let own = |facts: &DomainFacts| -> Vec<(DiskTarget, DiskSource)> {
        let own = facts.disks.iter().filter(|disk| disk.is_private());
        let mut own: Vec<_> = own
            .map(|disk| (disk.target.clone(), disk.source.clone()))
            .collect();
        own.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        own
    };
    let (now, then) = (own(&now), own(stored));
    let differs = now.iter().find(|one| !then.contains(one));
    let Some((target, source)) = differs.or_else(|| then.iter().find(|one| !now.contains(one)))
    else {
        return Ok(());
    };
    Err(Error::new(
        Kind::WrongState,
        format!(
            "disk {target} of domain '{}' ({source}) is not the same in what runs and in what is \
             stored, and a snapshot is of both",
            domain.name
        ),
    )
    .hint(format!(
        "make them the same: `virsh attach-disk` and `detach-disk` with --config, or restart the \
         guest: `vmkin shutdown -d {} --wait`",
        word(&domain.name)
    )))
}

/// Refuses what could not be undone: libvirt deletes no external one that was
/// made after an internal one, and that one would be below the overlays.
fn refuse_after_internal(domain: &Domain, records: &Records) -> Result<()> {
    let internal = records.line().filter(|one| {
        let mut disks = one.disks.iter();
        disks.any(|disk| disk.kept == Kept::Internal)
    });
    let names: Vec<&str> = internal.map(|one| one.name.as_str()).collect();
    let Some(last) = names.first() else {
        return Ok(());
    };
    Err(Error::new(
        Kind::WrongState,
        format!(
            "an external snapshot would be made after internal ones of domain '{}' ({}), and \
             libvirt does not delete such",
            domain.name,
            names.join(", ")
        ),
    )
    .hint("make an internal one too: leave out --external; of a guest that runs, with --memory")
    .hint(format!(
        "or delete the internal ones first: `vmkin snapshot delete -d {} {}`",
        word(&domain.name),
        word(last)
    )))
}

fn image_of(overlay: &NewOverlay) -> ImageOf {
    ImageOf {
        target: Some(overlay.target.clone()),
        path: overlay.path.clone(),
    }
}

/// Where the guest goes on, named as virsh does it: with the snapshot in the
/// place of the extension. What is special in its name is written as `%` and
/// two digits, as in the copies of UEFI variables.
fn overlay_for(top: &Path, name: &str) -> PathBuf {
    let mut file = top.file_stem().unwrap_or_default().to_owned();
    file.push(".");
    file.push(variables::part_for(name));
    top.with_file_name(file)
}

/// Libvirt could make it, and not go back: it names those overlays itself.
fn same_stem(disk: &Disk, path: &Path) -> Error {
    Error::new(
        Kind::WrongState,
        format!(
            "disk {} ({}) and another one of the domain are called the same but for their \
             extensions, and libvirt could not go back to the snapshot",
            disk.target,
            image::shown(path)
        ),
    )
    .hint("rename one of the files, or put it into another directory, and change the domain")
}

fn is_to_be_made(disk: &Disk, path: &Path) -> Result<()> {
    if std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Exists,
        format!(
            "{} exists already, and disk {} would go on there",
            image::shown(path),
            disk.target
        ),
    )
    .hint("give the snapshot another name"))
}

/// The UEFI variables, which libvirt leaves out.
fn of_variables(
    guard: &WriteGuard<'_>,
    subject: &Subject,
    name: &str,
) -> Result<Option<SavedVariables>> {
    let mut disks = guard.disks().iter();
    let Some(disk) = disks.find(|disk| disk.target().is_none()) else {
        return Ok(None);
    };
    if disk.chain().top().format != ImageFormat::Raw {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "the UEFI variables {} are a qcow2 image, which holds internal snapshots alone",
                image::shown(&disk.chain().top().path)
            ),
        )
        .hint("make an internal one: leave out --external"));
    }
    let saved = variables::plan(disk.lease().image().real_path(), name)?;
    if saved.file.is_some() {
        return Err(variables::taken(&saved.copy.path, subject, name));
    }
    Ok(Some(saved))
}

/// Makes it: of all disks, or of none.
///
/// # Errors
///
/// If it fails, nothing has changed; [`Kind::NotUndone`] if a copy of the UEFI
/// variables is left.
pub fn apply(host: Host<'_>, plan: OverlaysPlan<'_>) -> Result<()> {
    host.interrupt.check()?;
    let OverlaysPlan {
        will,
        guard,
        domain,
        overlays,
        left_out,
        variables,
        quiesce,
        request,
        ..
    } = plan;
    let document = NewOverlays {
        name: &will.name,
        description: request.description.as_deref(),
        overlays: &overlays,
        left_out: &left_out,
    };
    let call = SnapshotCall::Create {
        document: document.document()?,
        quiesce,
    };
    let Some(saved) = variables else {
        if let Some(guard) = &guard {
            guard.recheck()?;
        }
        // Libvirt locks the images itself, and finds them locked else.
        drop(guard);
        crate::failpoint::hit("snapshot.begun")?;
        host.hypervisor.snapshot(&domain, &call)?;
        return crate::failpoint::hit("snapshot.made");
    };
    let intent = SnapshotIntent {
        act: SnapshotAct::Create,
        domain: Some(IntentDomain::of(&domain)),
        name: will.name.clone(),
        recorded: None,
        images: Vec::new(),
        variables: Some(saved.clone()),
        undo: None,
        redefines: false,
        allow_dirs: request.allow_dirs.clone(),
    };
    let operation = Operation::Snapshot(Box::new(intent.clone()));
    let mut journal = host.store.begin(host.hypervisor.uri(), operation)?;
    let mut steps = Vec::new();
    let made = (|| {
        crate::failpoint::hit("snapshot.begun")?;
        let copy = variables::save(&saved)?;
        steps.push(Step::Saved { file: copy.id() });
        journal.add(&steps)?;
        variables::publish(&saved)?;
        crate::failpoint::hit("snapshot.variables")?;
        if let Some(guard) = &guard {
            guard.recheck()?;
        }
        drop(guard);
        host.hypervisor.snapshot(&domain, &call)
    })();
    match made {
        Ok(()) => journal.finish(),
        Err(error) => {
            let error = host.stopped_by(error);
            recover::settle(host, &intent, &steps, Duration::ZERO).map_err(|e| {
                e.with_kind(Kind::NotUndone).hint(
                    "the disks are what they were, but a copy of the UEFI variables is left; \
                     when the cause is gone, `vmkin recover` removes it",
                )
            })?;
            journal.finish()?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlays_are_named_as_virsh_names_them() {
        let named = |top: &str| overlay_for(Path::new(top), "s-1");
        assert_eq!(named("/a/web.qcow2"), Path::new("/a/web.s-1"));
        assert_eq!(named("/a/web"), Path::new("/a/web.s-1"));
        assert_eq!(named("/a.b/web.old"), Path::new("/a.b/web.s-1"));
        assert_eq!(
            overlay_for(Path::new("/a/web.old"), "v1.2, b"),
            Path::new("/a/web.v1%2e2%2c%20b")
        );
    }
}
