//! Who clones are, written into their disks before anybody knows them.
//!
//! Their images have a temporary name then, and go if anything fails, so that
//! libguestfs writes to them as they are. It is started once for all of a batch.

use std::fs::File;

use uuid::Uuid;

use super::network::Origin;
use super::plan::{PlannedClone, PlannedDisk};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::{Drive, GuestDisks, Writer};
use crate::guest::change::{Change, Mountable};
use crate::guest::scratch::Scratch;
use crate::image::{self, Trust};
use crate::model::{Chain, GuestIdentity, Hostname, ImageFormat, Mac, UserName};
use crate::ops::Host;
use crate::ops::customize::{HostKeys, MachineId, NewUser, Which, Wishes};
use crate::ops::guest::{Guest, View};
use crate::ops::write::plan::Draft;
use crate::ops::write::together::{self, Share, Work, can_share, shares};
use crate::ops::write::{Written, verify};

/// What is to be written for a clone. Of `cards`, the second of each takes the place
/// of the first, which is the golden guest's.
///
/// # Errors
///
/// [`Kind::Usage`] if it cannot have this host name.
pub(super) fn wishes(
    identity: &GuestIdentity,
    hostname: &Hostname,
    uuid: Uuid,
    cards: Vec<(Mac, Mac)>,
) -> Result<Wishes> {
    let hostname = hostname.as_str().parse();
    let users = identity.user.iter().map(|name| NewUser {
        name: name.clone(),
        groups: Vec::new(),
        admin: true,
    });
    let users = users.filter(|user| user.name.as_str() != "root").collect();
    let user = identity.user.as_ref();
    let user = user.map_or("root", UserName::as_str).to_owned();
    let ssh_keys = match identity.ssh_keys.as_slice() {
        [] => Vec::new(),
        keys => vec![(user.clone(), keys.to_vec())],
    };
    let password = identity.password.iter().cloned();
    Ok(Wishes {
        hostname: Some(hostname.map_err(|why| Error::new(Kind::Usage, why))?),
        machine_id: Some(MachineId::This(uuid.simple().to_string())),
        host_keys: Some(HostKeys::NewIfServed),
        users,
        ssh_keys,
        passwords: password.map(|password| (user.clone(), password)).collect(),
        generalize: true,
        cards,
        ..Wishes::default()
    })
}

/// Looks whether it can be done, in what the first clone is made of, and says what
/// the user should know. Changes nothing.
///
/// # Errors
///
/// [`Kind::Environment`] if libguestfs is not installed; [`Kind::WrongState`] if
/// there is no guest that is known how to change; those of [`Wishes::draft`].
pub(super) fn check(host: Host<'_>, clones: &[PlannedClone]) -> Result<Vec<String>> {
    let Some(clone) = clones.first().filter(|one| one.guest.offline.is_some()) else {
        return Ok(Vec::new());
    };
    Writer::must_be_installed()?;
    let mut disks = Vec::new();
    for disk in &clone.disks {
        match &disk.source {
            Origin::Image(chain) => disks.push((disk.target.to_string(), Chain::clone(chain))),
            Origin::Blank { .. } => {}
            Origin::Export { .. } | Origin::Volume { .. } => {
                return Err(refused("is on another host's disk", clone));
            }
        }
    }
    if disks.is_empty() {
        return Err(refused("has no disk that is made for it", clone));
    }
    let scratch = Scratch::new()?;
    let drafted = Drafted::of(host, clone, disks, &scratch)?;
    let mut warnings = drafted.warnings;
    warnings.dedup();
    Ok(warnings)
}

fn refused(why: &str, clone: &PlannedClone) -> Error {
    Error::new(
        Kind::WrongState,
        format!("'{}' {why}, so that nothing can be written to it now", clone.name),
    )
    .hint(format!(
        "once it is there: `vmkin customize -d {} --hostname … --machine-id new --ssh-host-keys new`",
        clone.name
    ))
}

/// Writes it into the images of these clones, which have their temporary names; all
/// of it is on the disk when this returns.
///
/// # Errors
///
/// If it cannot be done for one: the images are no good then.
pub(super) fn write(host: Host<'_>, clones: &[&PlannedClone]) -> Result<()> {
    let told = clones.iter().filter(|clone| clone.guest.offline.is_some());
    let told: Vec<&PlannedClone> = told.copied().collect();
    if told.is_empty() {
        return Ok(());
    }
    let scratch = Scratch::new()?;
    let mut drafts = Vec::new();
    for clone in told {
        let disks = clone.disks.iter().map(|disk| {
            let chain = made(disk)?;
            Ok((disk.target.to_string(), chain))
        });
        let disks: Vec<_> = disks.collect::<Result<_>>()?;
        drafts.push(Drafted::of(host, clone, disks, &scratch)?);
    }
    let all = drafts.iter().enumerate().map(|(number, draft)| Share {
        number,
        disks: draft.disks.len(),
        alone: !can_share(&Drive::all_of(&draft.disks), &draft.mounts),
    });
    for group in shares(all) {
        let group: Vec<&Drafted<'_>> = group.iter().filter_map(|&one| drafts.get(one)).collect();
        let work = group.iter().map(|draft| draft.work()).collect();
        let results = together::change(host, work, &[], &scratch)?;
        for (draft, result) in group.into_iter().zip(results) {
            result.map_err(|error| error.context(format!("cannot make '{}'", draft.clone.name)))?;
            draft.must_be_there(host)?;
        }
    }
    Ok(())
}

/// The image of a disk, under its temporary name.
fn made(disk: &PlannedDisk) -> Result<Chain> {
    let below = match &disk.source {
        // What it is based on was looked at when it was planned.
        Origin::Image(chain) => chain
            .layers()
            .iter()
            .map(|layer| layer.path.clone())
            .collect(),
        Origin::Export { .. } | Origin::Volume { .. } | Origin::Blank { .. } => Vec::new(),
    };
    let trust = Trust::new([] as [&std::path::Path; 0], below);
    image::resolve(&disk.temp, disk.format, &trust)
}

/// What is to be changed in a clone.
struct Drafted<'c> {
    clone: &'c PlannedClone,
    disks: Vec<(String, Chain)>,
    mounts: Vec<Mountable>,
    changes: Vec<Change>,
    warnings: Vec<String>,
}

impl<'c> Drafted<'c> {
    fn of(
        host: Host<'_>,
        clone: &'c PlannedClone,
        disks: Vec<(String, Chain)>,
        scratch: &Scratch,
    ) -> Result<Self> {
        let Some(wishes) = &clone.guest.offline else {
            return Err(refused("is told nothing", clone));
        };
        let view = View {
            interrupt: host.interrupt.clone(),
            ..View::default()
        };
        let mut guest = Guest::of_locked(clone.name.to_string(), disks.clone(), &view)?;
        let tree = guest.tree()?;
        let mut draft = Draft::over(&tree, scratch, host.interrupt);
        let which = Which {
            name: clone.name.as_str(),
            number: 1,
            uuid: Some(clone.uuid),
            macs: &clone.macs,
        };
        let outcome = wishes.draft(which, &mut draft)?;
        let mut warnings = guest.warnings.clone();
        warnings.extend(outcome.warnings);
        let (changes, _) = draft.finish();
        Ok(Self {
            mounts: Mountable::all_of(&tree),
            clone,
            disks,
            changes,
            warnings,
        })
    }

    fn work(&self) -> Work<'_> {
        let images = self.disks.iter().map(|(_, chain)| {
            let top = chain.top();
            (top.path.clone(), top.format)
        });
        Work {
            disks: GuestDisks {
                drives: Drive::all_of(&self.disks),
                images: images.collect(),
                mounts: self.mounts.clone(),
            },
            changes: &self.changes,
        }
    }

    /// Makes sure that all of it is on the disk, and whole.
    fn must_be_there(&self, host: Host<'_>) -> Result<()> {
        for (_, chain) in &self.disks {
            let top = chain.top();
            let shown = image::shown(&top.path);
            File::open(&top.path)
                .and_then(|file| file.sync_all())
                .map_err(|error| Error::io(format!("cannot write {shown} to the disk"), error))?;
            if top.format == ImageFormat::Raw {
                continue;
            }
            let checked = image::check(chain, host.interrupt.flag());
            if !checked.map_err(|error| host.stopped_by(error))?.is_sound() {
                let what = format!("what was written came out damaged in {shown}");
                return Err(Error::new(Kind::Unsafe, what));
            }
        }
        let written = Written {
            mounts: &self.mounts,
            changes: &self.changes,
        };
        verify::contents(&self.disks, written, host.interrupt)
    }
}
