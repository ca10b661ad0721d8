//! What will be made, and whether it may be. Changes nothing.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::Flock;
use uuid::Uuid;

use super::as_they_are;
use super::far::There;
use super::guest::{self, PlannedGuest};
use super::identity::Taken;
use super::network::{self, Origin};
use super::offline;
use super::place::{Placing, Source, place};
use super::request::{CloneRequest, Golden};
use super::reserve;
use super::site::{Here, Site};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Hypervisor;
use crate::image::{self, Guard, MAX_OVERLAYS, ReflinkRule};
use crate::model::{
    BaseIdentity, BaseRecord, Chain, CloneMode, Disk, DiskSource, DiskTarget, Domain, DomainName,
    DomainState, ImageFormat, Layer, Mac, Reservation, SecretText,
};
use crate::ops::blueprint::{Blueprint, Contents};
use crate::ops::images::{PLAIN_FIRST, dirty, path_of, trust_for};
use crate::ops::snapshot::word;
use crate::ops::{Host, ShutOff, Usage, base, reservations};
use crate::xml::domain::{self, DomainFacts};

/// Clones that have been thought through but not made.
///
/// While it lives, the bases are locked against writers, and no other vmkin
/// can choose names.
#[derive(Debug)]
pub struct Plan {
    /// The name of the golden domain.
    pub golden_name: String,
    /// Its UUID; nil if its XML came from a file and has none.
    pub golden_uuid: Uuid,
    /// How the disks are made.
    pub mode: CloneMode,
    /// The images that the clones are based on or copied from.
    pub bases: Vec<PlannedBase>,
    /// The clones.
    pub clones: Vec<PlannedClone>,
    /// The storage pools that have to look again.
    pub refresh: Vec<String>,
    /// What is not as the user may think. Sentences.
    pub warnings: Vec<String>,
    /// What was chosen, where that was left to vmkin. A sentence.
    pub chosen: Option<String>,
    /// Whether copies share blocks with their source.
    pub reflink: ReflinkRule,
    /// Whether a failure takes back the clones made before it too.
    pub all_or_nothing: bool,
    /// Whether devices of the host stay in the XML.
    pub keep_hostdevs: bool,
    /// The XML of the golden domain, with secrets.
    pub(super) xml: SecretText,
    /// What makes the XML of the clones, if there is no golden domain.
    pub(super) blueprint: Option<Arc<Blueprint>>,
    /// Whether the XML has its secrets.
    pub(super) secrets: bool,
    /// Where the files are made.
    pub(super) site: Box<dyn Site>,
    /// Held until the journal reserves the names.
    pub(super) names_lock: Option<Flock<File>>,
    /// Held until the clones are defined, or the plan is dropped.
    guards: Vec<Guard>,
}

/// An image that clones are based on or copied from.
#[derive(Debug)]
pub struct PlannedBase {
    /// Its path.
    pub path: PathBuf,
    /// The image and what is below it.
    pub chain: Arc<Chain>,
    /// What it looks like now.
    pub identity: BaseIdentity,
    /// What is below it, the nearest first, and what that looks like.
    pub below: Vec<BaseRecord>,
    /// Whether it is sealed before the first clone is made.
    pub seal: bool,
    /// Its mode bits now.
    pub mode: u32,
}

/// A clone that is to be made.
#[derive(Debug)]
pub struct PlannedClone {
    /// Its name.
    pub name: DomainName,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its generation id, if the golden domain has one.
    pub genid: Uuid,
    /// The addresses of its interfaces.
    pub macs: Vec<Mac>,
    /// The IP addresses that are reserved for it.
    pub reservations: Vec<Reservation>,
    /// Its own disks.
    pub disks: Vec<PlannedDisk>,
    /// Its UEFI variables.
    pub nvram: Option<PlannedFile>,
    /// The state of its TPM, if that is copied: a directory.
    pub tpm: Option<PlannedFile>,
    /// What its guest is told about who it is.
    pub guest: PlannedGuest,
}

/// A disk that is to be made.
#[derive(Debug)]
pub struct PlannedDisk {
    /// The disk in the domain.
    pub target: DiskTarget,
    /// What it is based on or copied from.
    pub source: Origin,
    /// The format it will have.
    pub format: ImageFormat,
    /// How large it will be, in bytes, if an overlay is larger than its base.
    pub grown: Option<u64>,
    /// How the XML will name it.
    pub xml_source: DiskSource,
    /// Where it will be.
    pub path: PathBuf,
    /// Where it is while it is made.
    pub temp: PathBuf,
}

/// A small file that is to be copied.
#[derive(Debug)]
pub struct PlannedFile {
    /// What it is copied from; `None` if there is nothing to copy yet.
    pub from: Option<PathBuf>,
    /// Where it will be.
    pub path: PathBuf,
    /// Where it is while it is made.
    pub temp: PathBuf,
}

impl Plan {
    /// Whether the clones are overlays.
    pub fn linked(&self) -> bool {
        self.mode == CloneMode::Linked
    }

    /// Whether nobody can write to the bases: those of another host cannot be locked.
    pub(super) fn locks(&self) -> bool {
        !self.guards.is_empty()
    }

    /// What the bases look like now, in their order.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub(super) fn identities(&self, host: Host<'_>) -> Result<Vec<BaseIdentity>> {
        let bases = self.bases.iter();
        bases
            .map(|base| self.site.identity(host, &base.path))
            .collect()
    }

    /// What the bases looked like when this was planned.
    pub(super) fn as_planned(&self) -> Vec<BaseIdentity> {
        let bases = self.bases.iter();
        bases.map(|base| base.identity.clone()).collect()
    }
}

/// Works out what to make. Takes the lock on names and the guards of the
/// bases, and changes nothing.
///
/// # Errors
///
/// All that `vmkin-clone(1)` lists: see `docs/design.md`.
pub fn plan(host: Host<'_>, request: &CloneRequest) -> Result<Plan> {
    let hypervisor = host.hypervisor;
    let site: Box<dyn Site> = match hypervisor.is_local() {
        true => Box::new(Here),
        false => Box::new(There::new(host, request)?),
    };
    let mut warnings = Vec::new();
    let xml = golden_xml(host, request, &mut warnings)?;
    let facts = domain::read(xml.expose())?;
    crate::failpoint::hit("clone.checked")?;

    let names_lock = host.store.names_lock()?;
    // First the journals, then the domains: a process that finishes in
    // between is then seen at least once.
    let journals = host.store.survey()?;
    let usage = Usage::read(hypervisor)?;
    let identities =
        Taken::new(&usage, &journals).choose(request, &facts.name, facts.nics.len())?;
    let reserving = reservations::under_way(host, &journals);
    drop(journals);

    let pools = hypervisor.pools()?;
    let own = own_disks(&facts, request)?;
    let trust = trust_for(hypervisor, &facts.disks, &request.allow_dirs)?;
    let mut origins = Vec::new();
    let mut named = Vec::new();
    let mut images: Vec<(&Disk, Arc<Chain>)> = Vec::new();
    for disk in &own {
        if let Some(blank) = blank(request, &disk.target) {
            named.push(None);
            origins.push(blank);
            continue;
        }
        if let Some(volume) = site.volume(host, request, disk)? {
            named.push(None);
            origins.push(volume);
            continue;
        }
        let path = path_of(hypervisor, &disk.source)?;
        named.push(path.clone());
        let Some(path) = path else {
            origins.push(site.off_host(host, request, disk)?);
            continue;
        };
        let chain = Arc::new(site.chain(host, disk, &path, &trust)?);
        images.push((disk, Arc::clone(&chain)));
        origins.push(Origin::Image(chain));
    }
    crate::failpoint::hit("clone.chain")?;
    no_file_twice(&images)?;
    network::no_export_twice(&own, &origins)?;
    none_dirty(&images)?;
    none_encrypted(&images)?;
    match request.mode {
        CloneMode::Linked => not_too_deep(&images)?,
        CloneMode::Full => network::can_be_copied(&images)?,
    }
    let guards = site.guards(&images)?;
    if let Golden::Domain(golden) = &request.golden {
        still_as_read(hypervisor, golden, request.secrets, &xml)?;
    }
    let bases = site.bases(host, request, &usage, &images, &mut warnings)?;
    if let Some(blueprint) = request.golden.blueprint() {
        as_they_are::may_be_used(host, &*site, blueprint, &facts, &usage, &trust)?;
    }
    warnings.extend(network::warnings(request, &usage, &origins));
    let placing = Placing::new(request, &pools, &*site)?;
    let sources: Vec<Source<'_>> = own
        .iter()
        .zip(&origins)
        .zip(&named)
        .map(|((disk, origin), named)| Source {
            disk,
            origin,
            named: named.as_deref(),
        })
        .collect();
    let mut clones = place(host, request, &facts, &sources, identities, &placing)?;
    let told = guest::add(host, request, &facts, &placing, &mut clones)?;
    warnings.extend(told.warnings);
    warnings.extend(offline::check(host, &clones)?);
    warnings.extend(reserve::plan(
        host,
        request,
        &facts,
        &reserving,
        &mut clones,
    )?);
    warnings.extend(site.warnings(host, &images, &clones));
    warnings.extend(
        usage
            .problems
            .iter()
            .filter(|p| p.blind)
            .map(|p| p.text.clone()),
    );
    Ok(Plan {
        golden_name: match request.golden.blueprint() {
            Some(blueprint) => blueprint.label.clone(),
            None => facts.name.clone(),
        },
        golden_uuid: match request.golden.blueprint() {
            Some(_) => Uuid::nil(),
            None => facts.uuid.unwrap_or_default(),
        },
        mode: request.mode,
        bases,
        refresh: site.refresh(&pools, &clones),
        clones,
        warnings,
        chosen: told.chosen,
        reflink: request.reflink,
        all_or_nothing: request.all_or_nothing,
        keep_hostdevs: request.keep_hostdevs,
        blueprint: match &request.golden {
            Golden::Blueprint(blueprint) => Some(Arc::clone(blueprint)),
            Golden::Domain(_) | Golden::Xml(_) => None,
        },
        secrets: request.secrets,
        xml,
        names_lock: Some(names_lock),
        site,
        guards,
    })
}

/// What is said of printed XML without the passwords that clones would have.
const PASSWORD_LEFT_OUT: &str = "A password is left out; `--security-info` prints it. Defined \
                                 without it, the clones would listen to everybody.";

fn golden_xml(
    host: Host<'_>,
    request: &CloneRequest,
    warnings: &mut Vec<String>,
) -> Result<SecretText> {
    let hypervisor = host.hypervisor;
    let (xml, public) = match &request.golden {
        Golden::Domain(golden) => {
            ShutOff::check(hypervisor, golden)?;
            not_cloned(hypervisor, golden, warnings)?;
            let public = || hypervisor.public_xml(golden);
            (hypervisor.secure_xml(golden)?, Some(public))
        }
        Golden::Xml(xml) => {
            // It may describe a domain of this host all the same.
            let uuid = domain::read(xml.expose())?.uuid;
            if let Some(golden) = uuid
                .map(|uuid| hypervisor.find_uuid(uuid))
                .transpose()?
                .flatten()
            {
                ShutOff::check(hypervisor, &golden)?;
            }
            (xml.clone(), None)
        }
        Golden::Blueprint(blueprint) => {
            let screen = blueprint.screen.as_ref();
            if !request.secrets && screen.is_some_and(|screen| screen.password.is_some()) {
                warnings.push(PASSWORD_LEFT_OUT.to_owned());
            }
            // Each guest's own XML is rendered, and loses its secrets, later.
            return blueprint.prototype(&prototype_name()?);
        }
    };
    if request.secrets {
        return Ok(xml);
    }
    if domain::read(xml.expose())?
        .graphics
        .iter()
        .any(|screen| screen.password_set)
    {
        warnings.push(PASSWORD_LEFT_OUT.to_owned());
    }
    let public = match public {
        // Libvirt knows best what it keeps to itself.
        Some(public) => public()?,
        None => domain::without_secrets(xml.expose())?,
    };
    Ok(public.into())
}

/// A name for what is rendered only to be looked at.
fn prototype_name() -> Result<DomainName> {
    "prototype"
        .parse()
        .map_err(|e| super::request::usage(format!("{e}")))
}

/// What a disk comes from that is new and empty.
fn blank(request: &CloneRequest, target: &DiskTarget) -> Option<Origin> {
    let drive = request.golden.blueprint()?.made(target)?;
    match &drive.contents {
        Contents::Blank { size, format, .. } => Some(Origin::Blank {
            size: *size,
            format: *format,
        }),
        _ => None,
    }
}

/// Fails if somebody has started, undefined, renamed or redefined the golden
/// domain since its XML was read. To be asked with the guards held: from then on
/// the images that the XML names are those that are cloned, whatever becomes of
/// the domain.
pub(super) fn still_as_read(
    hypervisor: &dyn Hypervisor,
    golden: &Domain,
    secrets: bool,
    xml: &SecretText,
) -> Result<()> {
    let changed = |how: &str| {
        Error::new(
            Kind::WrongState,
            format!("domain '{}' changed under us: it was {how}", golden.name),
        )
        .hint("run the same command again")
    };
    let Some(now) = hypervisor.find_uuid(golden.uuid)? else {
        return Err(changed("undefined"));
    };
    if now.name != golden.name {
        return Err(changed("renamed"));
    }
    ShutOff::check(hypervisor, golden)?;
    let xml_now = if secrets {
        hypervisor.secure_xml(golden)?
    } else {
        hypervisor.public_xml(golden)?.into()
    };
    if xml_now.expose() == xml.expose() {
        Ok(())
    } else {
        Err(changed("redefined"))
    }
}

/// Says what a domain has beside its XML, which clones do not get.
fn not_cloned(
    hypervisor: &dyn Hypervisor,
    golden: &Domain,
    warnings: &mut Vec<String>,
) -> Result<()> {
    if hypervisor.status(golden)?.autostart {
        warnings.push(format!(
            "'{}' starts with the host, and its clones do not; `virsh autostart` changes that.",
            golden.name
        ));
    }
    let snapshots = hypervisor.snapshots(golden)?.len();
    if snapshots > 0 {
        warnings.push(format!(
            "The {snapshots} snapshots of '{}' are not cloned.",
            golden.name
        ));
    }
    Ok(())
}

/// The disks that each clone gets one of its own of.
fn own_disks<'a>(facts: &'a DomainFacts, request: &CloneRequest) -> Result<Vec<&'a Disk>> {
    for target in &request.share {
        if !facts.disks.iter().any(|disk| disk.target == *target) {
            let there: Vec<&str> = facts.disks.iter().map(|d| d.target.as_str()).collect();
            return Err(Error::new(
                Kind::NotFound,
                format!("domain '{}' has no disk {target}", facts.name),
            )
            .hint(format!("its disks are: {}", there.join(", "))));
        }
    }
    let is_own = |disk: &&Disk| match request.golden.blueprint() {
        Some(blueprint) => blueprint.made(&disk.target).is_some(),
        None => disk.is_private() && !request.share.contains(&disk.target),
    };
    Ok(facts.disks.iter().filter(is_own).collect())
}

fn no_file_twice(images: &[(&Disk, Arc<Chain>)]) -> Result<()> {
    let mut seen: Vec<(&DiskTarget, crate::model::FileId)> = Vec::new();
    for (disk, chain) in images {
        let file = chain.top().file;
        if let Some((other, _)) = seen.iter().find(|(_, known)| *known == file) {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "disks {other} and {} are the same image, {}",
                    disk.target,
                    chain.top().path.display()
                ),
            ));
        }
        seen.push((&disk.target, file));
    }
    Ok(())
}

fn not_too_deep(images: &[(&Disk, Arc<Chain>)]) -> Result<()> {
    for (disk, chain) in images {
        let overlays = chain.layers().len() + usize::from(chain.export().is_some());
        if overlays > MAX_OVERLAYS {
            return Err(Error::new(
                Kind::Unsafe,
                format!(
                    "disk {} has {overlays} layers, and libvirt starts at most {MAX_OVERLAYS} \
                     overlays over a base",
                    disk.target
                ),
            )
            .hint("make independent copies: `--full`"));
        }
    }
    Ok(())
}

/// Refuses an image that was not closed well: what it says about which of its
/// clusters are free may be wrong.
fn none_dirty(images: &[(&Disk, Arc<Chain>)]) -> Result<()> {
    let mut layers = images.iter().flat_map(|(_, chain)| chain.layers());
    match layers.find(|layer| layer.dirty) {
        None => Ok(()),
        Some(layer) => Err(dirty(layer)),
    }
}

/// Refuses an image that is encrypted, or is on one that is: its clones are not told the
/// secret, and what they write to an overlay would not be encrypted.
fn none_encrypted(images: &[(&Disk, Arc<Chain>)]) -> Result<()> {
    for (disk, chain) in images {
        not_encrypted(disk, chain, "and such a disk cannot be cloned")?;
    }
    Ok(())
}

pub(super) fn not_encrypted(disk: &Disk, chain: &Chain, so: &str) -> Result<()> {
    let Some(layer) = chain.encrypted() else {
        return Ok(());
    };
    Err(Error::new(
        Kind::WrongState,
        format!(
            "disk '{}' is on {}, which is encrypted, {so}",
            disk.target,
            image::shown(&layer.path)
        ),
    )
    .hint(PLAIN_FIRST))
}

/// Locks every layer against writers.
pub(super) fn guard(images: &[(&Disk, Arc<Chain>)]) -> Result<Vec<Guard>> {
    let mut seen = HashSet::new();
    let mut guards = Vec::new();
    for layer in images.iter().flat_map(|(_, chain)| chain.layers()) {
        if seen.insert(layer.file) {
            guards.push(Guard::layer(layer)?);
        }
    }
    Ok(guards)
}

pub(super) fn bases(
    host: Host<'_>,
    request: &CloneRequest,
    usage: &Usage,
    images: &[(&Disk, Arc<Chain>)],
    warnings: &mut Vec<String>,
) -> Result<Vec<PlannedBase>> {
    let mut bases = Vec::new();
    for (disk, chain) in images {
        let top = chain.top();
        let identity = image::identity(&top.path)?;
        base::compare_with_known(host, usage, top, &identity)?;
        for layer in chain.layers() {
            nobody_uses(host, request, usage, layer)?;
        }
        let mut below = Vec::new();
        for layer in chain.backing() {
            let identity = image::identity(&layer.path)?;
            base::compare_with_known(host, usage, layer, &identity)?;
            below.push(BaseRecord {
                path: layer.path.clone(),
                format: layer.format,
                identity,
            });
        }
        let seal = image::seal_state(&top.path)?;
        let wanted = request.mode == CloneMode::Linked && request.seal;
        if wanted && top.block {
            warnings.push(format!(
                "vmkin cannot seal {}, a block device: nothing may write there as long as there \
                 are clones.",
                top.path.display()
            ));
        }
        for one in usage.of(top.file) {
            let Some(other) = usage.domain(one) else {
                continue;
            };
            if one.writes && !is_golden(&request.golden, other.domain.uuid) {
                warnings.push(format!(
                    "{} (disk {}) is also a disk of domain '{}', which would write to it.",
                    top.path.display(),
                    disk.target,
                    other.domain.name
                ));
            }
        }
        bases.push(PlannedBase {
            path: top.path.clone(),
            chain: Arc::clone(chain),
            identity,
            below,
            seal: wanted && !top.block && !is_sealed(host, &top.path, &seal)?,
            mode: seal.mode,
        });
    }
    Ok(bases)
}

/// Whether an image is sealed as far as it can be. A copy of a sealed one has its mode,
/// and nothing else of the seal.
fn is_sealed(host: Host<'_>, path: &Path, now: &image::SealState) -> Result<bool> {
    if !now.sealed || now.immutable {
        return Ok(now.sealed);
    }
    let record = host.store.seal_record(path)?;
    Ok(record.is_some_and(|record| !record.immutable))
}

/// Refuses an image that a domain writes to that runs or is saved. One that is
/// saved holds no lock, and goes on where it was when it is started: its disk is
/// in the middle of something now, and must not be kept from it later.
fn nobody_uses(host: Host<'_>, request: &CloneRequest, usage: &Usage, layer: &Layer) -> Result<()> {
    for one in usage.of(layer.file).iter().filter(|one| one.writes) {
        let Some(other) = usage.domain(one) else {
            continue;
        };
        let status = match host.hypervisor.status(&other.domain) {
            // It has gone since it was listed.
            Err(e) if e.kind() == Kind::NotFound => continue,
            status => status?,
        };
        let (name, state) = (&other.domain.name, status.state);
        let path = layer.path.display();
        let error = Error::new(
            Kind::WrongState,
            format!("{path} is a disk of domain '{name}', which is {state}, and must be shut off"),
        );
        if state == DomainState::Saved {
            return Err(error.hint(format!(
                "start '{name}' and shut it down, or drop its memory: \
                 `vmkin restore --discard -d {}`",
                word(name)
            )));
        }
        // Of the golden domain itself it is said in other words.
        if state.is_active() && !is_golden(&request.golden, other.domain.uuid) {
            return Err(error.hint(format!(
                "shut it down first: `vmkin shutdown -d {} --wait`",
                word(name)
            )));
        }
    }
    Ok(())
}

pub(super) fn is_golden(golden: &Golden, uuid: Uuid) -> bool {
    matches!(golden, Golden::Domain(domain) if domain.uuid == uuid)
}
