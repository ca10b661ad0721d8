//! What can be known of bases on another host: what libvirt tells of a volume,
//! its first bytes, and what domains say of themselves.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::copies;
use super::there::{There, locked};
use crate::error::{Error, Kind, Result};
use crate::image::{self, shown};
use crate::model::{
    BaseIdentity, BaseRecord, Chain, CloneMode, Disk, DiskSource, DomainState, LineageDisk,
    VolumeFacts,
};
use crate::ops::base::has_children;
use crate::ops::clone::as_they_are::{overlay_instead, taken, writes_to_base};
use crate::ops::clone::plan::{PlannedBase, is_golden};
use crate::ops::clone::request::CloneRequest;
use crate::ops::images::path_of;
use crate::ops::{Host, KnownDomain, Usage};
use crate::xml::domain::{self, DomainFacts};

/// What an image there looks like.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is no volume; those of libvirt.
pub(in crate::ops) fn identity(host: Host<'_>, path: &Path) -> Result<(VolumeFacts, BaseIdentity)> {
    let look = || {
        let gone = || Error::new(Kind::WrongState, "it is no volume any more");
        let volume = host.hypervisor.volume_at(path)?.ok_or_else(gone)?;
        let facts = volume.facts()?;
        let head = volume.read(0, image::HEAD)?;
        let identity = image::identity_there(&facts, &head)?;
        Ok((facts, identity))
    };
    look().map_err(|e: Error| e.context(format!("cannot look at {}", shown(path))))
}

/// As [`plan::bases`](crate::ops::clone::plan) on this host: looks at the images,
/// what clones remember of them, and who else uses them.
pub(super) fn bases(
    there: &There,
    host: Host<'_>,
    request: &CloneRequest,
    usage: &Usage,
    images: &[(&Disk, Arc<Chain>)],
    warnings: &mut Vec<String>,
) -> Result<Vec<PlannedBase>> {
    for path in locked(&there.unread).iter() {
        nobody_uses(host, request, usage, path, warnings)?;
    }
    let mut bases = Vec::new();
    for (_, chain) in images {
        let mut records = Vec::new();
        for layer in chain.layers() {
            let (facts, identity) = identity(host, &layer.path)?;
            if request.mode == CloneMode::Full && records.is_empty() {
                copies::same_format(layer, &facts)?;
            }
            if facts.mode.is_some_and(|mode| mode & 0o004 != 0) {
                locked(&there.readable).insert(layer.path.clone());
            }
            compare_with_known(host, usage, &layer.path, &identity)?;
            nobody_uses(host, request, usage, &layer.path, warnings)?;
            records.push(BaseRecord {
                path: layer.path.clone(),
                format: layer.format,
                identity,
            });
        }
        let below = records.split_off(records.len().min(1));
        let Some(top) = records.pop() else { continue };
        bases.push(PlannedBase {
            path: top.path,
            chain: Arc::clone(chain),
            identity: top.identity,
            below,
            seal: false,
            mode: 0,
        });
    }
    Ok(bases)
}

/// Fails if a base is not what it was when other clones of it were made.
fn compare_with_known(
    host: Host<'_>,
    usage: &Usage,
    path: &Path,
    now: &BaseIdentity,
) -> Result<()> {
    for known in &usage.domains {
        let lineage = known.facts.lineage.iter();
        let made = lineage.flat_map(|lineage| &lineage.disks);
        for disk in made.filter(|disk| may_depend(host, known, disk, path)) {
            let records = disk.bases.iter().filter(|base| base.path == path);
            for record in records {
                let comparison = image::compare(&record.identity, now);
                if !comparison.is_sound() {
                    let what = format!("{} is not what it was: {comparison}", shown(path));
                    let name = &known.domain.name;
                    return Err(Error::new(Kind::Unsafe, what)
                        .context(format!(
                            "clone '{name}' was made of another base than this one"
                        ))
                        .hint(format!(
                            "see on that host what is known of it: `vmkin base verify {}`",
                            shown(path)
                        )));
                }
            }
        }
    }
    Ok(())
}

/// Whether a disk that was an overlay on this path may still be one, by what the
/// domain says: it has the image that was made, and names no other base.
fn may_depend(host: Host<'_>, known: &KnownDomain, made: &LineageDisk, path: &Path) -> bool {
    let mut disks = known.facts.disks.iter();
    let Some(disk) = disks.find(|disk| disk.target == made.target) else {
        return false;
    };
    let named = |source| path_there(host, source);
    let mut declared = disk.declared.iter().map(|layer| named(&layer.source));
    let open = disk.declared.is_empty() && !disk.declared_whole;
    named(&disk.source).as_ref() == Some(&made.path)
        && (open || declared.any(|layer| layer.as_deref() == Some(path)))
}

/// Refuses an image that a domain writes to that runs or is saved, as it is at
/// home, and tells of those that would write to it.
fn nobody_uses(
    host: Host<'_>,
    request: &CloneRequest,
    usage: &Usage,
    image: &Path,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let path = shown(image);
    for known in writers(host, usage, image)? {
        let name = &known.domain.name;
        if is_golden(&request.golden, known.domain.uuid) {
            continue;
        }
        let state = match host.hypervisor.state(&known.domain) {
            // It has gone since it was listed.
            Err(e) if e.kind() == Kind::NotFound => continue,
            state => state?,
        };
        if state == DomainState::ShutOff {
            warnings.push(format!(
                "{path} is also a disk of domain '{name}', which would write to it."
            ));
            continue;
        }
        return Err(Error::new(
            Kind::WrongState,
            format!("{path} is a disk of domain '{name}', which is {state}, and must be shut off"),
        )
        .hint(format!(
            "shut it down first: `vmkin shutdown -d {name} --wait`"
        )));
    }
    Ok(())
}

/// What domains there are just now, where they may be another than when they start
/// next.
struct Now(HashMap<Uuid, DomainFacts>);

impl Now {
    fn of(host: Host<'_>) -> Result<Self> {
        let texts = host.hypervisor.current_xml()?.into_iter();
        let facts = texts.filter_map(|(uuid, xml)| Some((uuid, domain::read(&xml).ok()?)));
        Ok(Self(facts.collect()))
    }

    /// What a domain is when it starts next, and now.
    fn and_next<'a>(&'a self, known: &'a KnownDomain) -> impl Iterator<Item = &'a DomainFacts> {
        std::iter::once(&known.facts).chain(self.0.get(&known.domain.uuid))
    }
}

/// As [`may_be_given`](crate::ops::clone::as_they_are) on this host, by what domains
/// and volumes say: refuses an image that another domain has, and one that others are
/// based on to a guest that would write to it.
pub(super) fn may_be_given<'a>(
    host: Host<'_>,
    usage: &Usage,
    disk: &Disk,
    path: &Path,
    pools: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let now = Now::of(host)?;
    let named = |source| path_there(host, source);
    let is_it = |source| named(source).as_deref() == Some(path);
    let mut children = Vec::new();
    for known in &usage.domains {
        let name = known.domain.name.as_str();
        for facts in now.and_next(known) {
            let mut theirs = facts.disks.iter().filter(|theirs| is_it(&theirs.source));
            let harmless = |theirs: &Disk| {
                (disk.shareable && theirs.shareable) || (disk.readonly && theirs.readonly)
            };
            let nvram = facts.nvram.as_ref().and_then(|nvram| nvram.path.as_deref());
            if nvram == Some(path) || theirs.any(|theirs| !harmless(theirs)) {
                return Err(taken(path, name));
            }
            let mut below = facts.disks.iter().flat_map(|disk| &disk.declared);
            if below.any(|layer| is_it(&layer.source)) {
                children.push(name);
            }
        }
        let mut made = known.facts.lineage.iter().flat_map(|made| &made.disks);
        let depends = |made: &LineageDisk| {
            may_depend(host, known, made, path) && made.bases.iter().any(|base| base.path == path)
        };
        if made.any(depends) {
            children.push(name);
        }
    }
    if disk.readonly {
        return Ok(());
    }
    children.dedup();
    let mut overlays = Vec::new();
    // Those that have a domain are told by its name.
    for pool in pools.filter(|_| children.is_empty()) {
        let volumes = host.hypervisor.volumes_of(pool)?.into_iter();
        let above = volumes.filter(|volume| volume.facts.backing.as_deref() == Some(path));
        overlays.extend(above.map(|volume| volume.path));
    }
    if let Some(error) = has_children(path, &children, &overlays) {
        return Err(writes_to_base(disk, path, error));
    }
    can_be_written(host, path)
}

/// Refuses an image that nobody may write to, as a base that is sealed or was pushed.
fn can_be_written(host: Host<'_>, path: &Path) -> Result<()> {
    let volume = host.hypervisor.volume_at(path)?;
    let mode = volume.map(|volume| volume.facts()).transpose()?;
    match mode.and_then(|facts| facts.mode) {
        Some(mode) if mode & 0o222 == 0 => Err(Error::new(
            Kind::Protected,
            format!(
                "{} may be written to by nobody (mode {mode:04o}), as a base, and the guest would \
                 write to it",
                shown(path)
            ),
        )
        .hint(overlay_instead(path))),
        _ => Ok(()),
    }
}

/// The domains that have this image as a disk that they write to, when they
/// start next or now.
fn writers<'a>(host: Host<'_>, usage: &'a Usage, path: &Path) -> Result<Vec<&'a KnownDomain>> {
    let writes = |disk: &Disk| {
        let named = path_of(host.hypervisor, &disk.source).ok().flatten();
        !disk.readonly && named.as_deref() == Some(path)
    };
    let now = Now::of(host)?;
    let domains = usage.domains.iter();
    let writes = |known: &&KnownDomain| {
        let mut all = now.and_next(known);
        all.any(|facts| facts.disks.iter().any(writes))
    };
    Ok(domains.filter(writes).collect())
}

/// The path of a source there, as libvirt spells those of volumes: an image of Ceph
/// has one, too, `POOL/IMAGE`.
pub(in crate::ops) fn path_there(host: Host<'_>, source: &DiskSource) -> Option<PathBuf> {
    match source {
        DiskSource::Network(network) if network.protocol == "rbd" => {
            network.name.as_ref().map(PathBuf::from)
        }
        _ => path_of(host.hypervisor, source).ok().flatten(),
    }
}

/// A domain there, other than this one, that has the image of this path in some
/// part, by what it says: as a disk, below one, or as its UEFI variables.
pub(in crate::ops) fn user_there<'a>(
    host: Host<'_>,
    usage: &'a Usage,
    path: &Path,
    but: Uuid,
) -> Result<Option<&'a str>> {
    let now = Now::of(host)?;
    let names = |facts: &DomainFacts| {
        let declared = facts.disks.iter().flat_map(|disk| &disk.declared);
        let sources = facts.disks.iter().map(|disk| &disk.source);
        let mut sources = sources.chain(declared.map(|layer| &layer.source));
        let mut made = facts.lineage.iter().flat_map(|lineage| &lineage.disks);
        let nvram = facts.nvram.as_ref().and_then(|nvram| nvram.path.as_deref());
        nvram == Some(path)
            || sources.any(|source| {
                let named = path_there(host, source);
                named.as_deref() == Some(path)
            })
            || made.any(|disk| disk.bases.iter().any(|base| base.path == path))
    };
    let mut others = usage.domains.iter().filter(|one| one.domain.uuid != but);
    let user = others.find(|known| now.and_next(known).any(names));
    Ok(user.map(|known| known.domain.name.as_str()))
}
