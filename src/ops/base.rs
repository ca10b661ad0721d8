//! Golden images: sealing them, and noticing when they change.
//!
//! Nothing in libvirt or QEMU notices a base that has changed under its
//! overlays, so vmkin writes down what a base looked like twice: in the seal
//! record on this host, and in the metadata of each clone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use nix::fcntl::Flock;
use serde::Serialize;

use super::images::path_of;
use super::lifecycle::Change;
use super::{Host, KnownDomain, Usage, clone};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Comparison, path_word};
use crate::model::{
    BaseIdentity, BaseRecord, Chain, Disk, DiskTarget, Domain, FileId, ImageFormat, Layer, Lineage,
    LineageDisk, Size,
};
use crate::store::SealRecord;
use crate::xml::domain;

mod followers;
pub mod moving;
pub mod push;
pub mod rebasing;
mod records;

/// The mode libvirt's tools give images: that of one of which nobody knows what it had
/// before it was sealed.
const UNKNOWN_MODE: u32 = 0o644;

/// A base image, and what is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct BaseStatus {
    /// Its path.
    pub path: PathBuf,
    /// Its format, where that is known.
    pub format: Option<ImageFormat>,
    /// What the file takes on the host; `None` if it is missing.
    pub size: Option<Size>,
    /// Whether it is sealed now: mode 0444 and, where possible, immutable.
    pub sealed: bool,
    /// Whether its immutable attribute is set.
    pub immutable: bool,
    /// The domains whose disks are overlays on it.
    pub children: Vec<String>,
    /// Overlays on it, in its directory, that no domain uses.
    pub strays: Vec<PathBuf>,
    /// Whether anything is recorded of what it was, here or in a clone.
    pub known: bool,
    /// What is wrong with it, as sentences; empty if it is as it was.
    pub problems: Vec<String>,
    /// What may go wrong with it, as sentences.
    pub warnings: Vec<String>,
    /// Whether its whole contents were compared with the recorded hash.
    pub hashed: bool,
}

/// The paths of the images that a domain's own disks are on.
///
/// # Errors
///
/// [`Kind::WrongState`] if it has no disk that is a file of this host.
pub fn images_of(host: Host<'_>, domain: &Domain) -> Result<Vec<(PathBuf, ImageFormat)>> {
    host.must_be_here()?;
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    let mut images = Vec::new();
    for disk in facts.disks.iter().filter(|disk| disk.is_private()) {
        if let Some(path) = path_of(host.hypervisor, &disk.source)? {
            images.push((path, disk.format));
        }
    }
    if images.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{}' has no disk of its own on this host",
                domain.name
            ),
        ));
    }
    Ok(images)
}

/// Refuses an image that is not what it was when clones were made above it.
///
/// # Errors
///
/// [`Kind::Unsafe`] if the seal record or the metadata of a clone says that it
/// looked different.
pub(super) fn compare_with_known(
    host: Host<'_>,
    usage: &Usage,
    base: &Layer,
    now: &BaseIdentity,
) -> Result<()> {
    for (name, record) in lineages_of(usage, &base.path) {
        let comparison = image::compare(&record.identity, now);
        if !comparison.is_sound() && !vouched(host, &base.path, &record.identity, now)? {
            return Err(changed(&base.path, &comparison)
                .context(format!(
                    "clone '{name}' was made of another base than this one"
                ))
                .hint(format!(
                    "see what is known of it: `vmkin base verify {}`",
                    path_word(&base.path)
                )));
        }
    }
    Ok(())
}

/// Whether the seal record says that a base which looked like `then` and now
/// looks like `now` is still the same, because its contents were compared.
fn vouched(host: Host<'_>, path: &Path, then: &BaseIdentity, now: &BaseIdentity) -> Result<bool> {
    let Some(record) = host.store.seal_record(path)? else {
        return Ok(false);
    };
    Ok(record.same_contents.contains(then) && image::compare(&record.identity, now).is_sound())
}

/// The error that says that a base is not what it was.
fn changed(path: &Path, comparison: &Comparison) -> Error {
    Error::new(
        Kind::Unsafe,
        format!("{} is not what it was: {comparison}", path.display()),
    )
}

/// What clones remember of the image at this path, above which they were made
/// and still are.
fn lineages_of<'a>(
    usage: &'a Usage,
    path: &'a Path,
) -> impl Iterator<Item = (&'a str, &'a BaseRecord)> {
    usage.domains.iter().flat_map(move |known| {
        known
            .facts
            .lineage
            .iter()
            .flat_map(|lineage| &lineage.disks)
            .filter(move |disk| may_depend(usage, known, disk, path))
            .flat_map(|disk| &disk.bases)
            .filter(move |base| base.path == path)
            .map(|base| (known.domain.name.as_str(), base))
    })
}

/// Whether a disk that was an overlay on this path may still be one. Somebody
/// may have pulled the contents up or put another base below it since.
fn may_depend(usage: &Usage, known: &KnownDomain, disk: &LineageDisk, path: &Path) -> bool {
    let troubled = usage.problems.iter().any(|p| p.domain == known.domain.uuid);
    let layers = known.disk(&disk.target);
    troubled || layers.is_some_and(|(_, layers)| layers.iter().skip(1).any(|l| l.path == path))
}

/// Refuses to go on with a clone whose base is not what it was when the clone
/// was made: the guest would read wrong data. `chain` is what the disk is made
/// of now.
///
/// # Errors
///
/// [`Kind::Unsafe`] if a base changed.
pub(super) fn base_is_as_cloned(
    host: Host<'_>,
    lineage: &Lineage,
    target: &DiskTarget,
    chain: &Chain,
) -> Result<()> {
    let disks = lineage.disks.iter().filter(|disk| disk.target == *target);
    for base in disks.flat_map(|disk| &disk.bases) {
        if !chain.backing().iter().any(|layer| layer.path == base.path) {
            continue;
        }
        let now = image::identity(&base.path)?;
        let comparison = image::compare(&base.identity, &now);
        if !comparison.is_sound() && !vouched(host, &base.path, &base.identity, &now)? {
            return Err(changed(&base.path, &comparison).hint(format!(
                "if its contents are the same after all, and it was sealed with a hash, \
                 `vmkin base verify {}` finds that out and accepts it",
                path_word(&base.path)
            )));
        }
    }
    Ok(())
}

/// Seals a base because clones of it are about to be made, and says so.
pub(super) fn seal_for_clones(host: Host<'_>, chain: &Chain, mode: u32) -> Result<()> {
    let base = chain.top();
    let sealed = match image::seal(&base.path) {
        Ok(sealed) => sealed,
        // Not the owner: the clones are no worse off than without vmkin.
        Err(e) if e.kind() == Kind::Environment => {
            host.observer
                .warning(&format!("{} is not sealed: {e}.", base.path.display()));
            return Ok(());
        }
        Err(e) => return Err(e),
    };
    crate::failpoint::hit("clone.sealing")?;
    remember(host, base, mode, sealed.immutable, None)?;
    let how = if sealed.immutable {
        "read-only and immutable"
    } else {
        "read-only"
    };
    host.observer.status(&format!(
        "Sealed {} ({how}); `vmkin base unseal {}` opens it again.",
        base.path.display(),
        path_word(&base.path)
    ));
    Ok(())
}

fn remember(
    host: Host<'_>,
    base: &Layer,
    mode: u32,
    immutable: bool,
    sha256: Option<String>,
) -> Result<SealRecord> {
    let old = host.store.seal_record(&base.path)?;
    let identity = image::identity(&base.path)?;
    let mut record = SealRecord {
        path: base.path.clone(),
        format: base.format,
        identity,
        // Sealing what is sealed must not forget what it was before. What was
        // opened by other means meanwhile may have got another mode.
        mode_before: match &old {
            Some(old) if image::is_sealed_mode(mode) => old.mode_before,
            // Such as a copy of a sealed image: to open it again must open it.
            None if image::is_sealed_mode(mode) => UNKNOWN_MODE,
            _ => mode,
        },
        immutable,
        sha256,
        sealed_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        same_contents: Vec::new(),
    };
    if let Some(old) = old {
        if image::compare(&old.identity, &record.identity).is_sound() {
            record.sha256 = record.sha256.or(old.sha256);
            record.same_contents = old.same_contents;
        }
    }
    host.store.remember_seal(&record)?;
    Ok(record)
}

/// Seals a base: nobody writes to it any more, and what it looks like is
/// remembered. `hash` has its whole contents remembered too.
///
/// # Errors
///
/// [`Kind::Busy`] if somebody writes to it now, [`Kind::Environment`] if its
/// mode cannot be changed.
pub fn seal(
    host: Host<'_>,
    path: &Path,
    format: Option<ImageFormat>,
    hash: bool,
) -> Result<SealRecord> {
    host.must_be_here()?;
    // Clones that are being made may open the seal again when they fail.
    let lock = host.store.names_lock()?;
    clone::UnderWay::see(host)?.refuse_cloned(path)?;
    refuse_unsound(host, path, format)?;
    seal_as_one(host, path, format, hash, Some(lock))
}

/// Refuses to seal what no clone could be made of: sealed, it would be taken for
/// something that was found good.
fn refuse_unsound(host: Host<'_>, path: &Path, format: Option<ImageFormat>) -> Result<()> {
    let format = match format {
        Some(format) => format,
        None => known_format(host, path)?,
    };
    // What the domains that have this disk declare is theirs to name.
    let usage = Usage::read(host.hypervisor)?;
    let users = usage.of(existing(path)?);
    let disks: Vec<Disk> = users
        .iter()
        .filter_map(|one| usage.domain(one))
        .flat_map(|known| known.facts.disks.clone())
        .collect();
    let trust = super::trust_for(host.hypervisor, &disks, &[])?;
    let survey = image::survey(path, format, &trust);
    if let Some(problem) = survey.problem {
        return Err(problem);
    }
    if let Some(layer) = survey.layers.iter().find(|layer| layer.dirty) {
        return Err(super::images::dirty(layer));
    }
    for layer in survey.layers.iter().skip(1).filter(|layer| !layer.block) {
        compare_with_known(host, &usage, layer, &image::identity(&layer.path)?)?;
    }
    Ok(())
}

/// Seals a base, or leaves it as it was. The lock on names is given back as
/// soon as the image is sealed: hashing it may take long.
pub(super) fn seal_as_one(
    host: Host<'_>,
    path: &Path,
    format: Option<ImageFormat>,
    hash: bool,
    lock: Option<Flock<File>>,
) -> Result<SealRecord> {
    let _guard = image::Guard::base(path)?;
    let layer = layer(host, path, format)?;
    if layer.block {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is a block device, which cannot be sealed",
                path.display()
            ),
        ));
    }
    let before = image::seal_state(path)?;
    let known = host.store.seal_record(path)?;
    let seal = || -> Result<SealRecord> {
        // On record before it is done: should this be killed in between, the
        // mode that the image had is not lost.
        remember(host, &layer, before.mode, before.immutable, None)?;
        crate::failpoint::hit("base.recorded")?;
        let sealed = image::seal(path)?;
        drop(lock);
        crate::failpoint::hit("base.sealed")?;
        let sha256 = if hash {
            Some(content_hash(host, path)?)
        } else {
            None
        };
        remember(host, &layer, sealed.mode_before, sealed.immutable, sha256)
    };
    seal().map_err(|error| match take_back_seal(host, &layer, &before, known) {
        Ok(()) => error,
        Err(undo) => error
            .with_kind(Kind::NotUndone)
            .context(format!("the seal could not be taken back: {undo}"))
            .hint(format!(
                "when the cause is gone, run `vmkin base unseal {}`",
                path_word(path)
            )),
    })
}

/// Gives a base the mode and the record back that it had, unless somebody has
/// begun to rely on the seal since it was put on.
fn take_back_seal(
    host: Host<'_>,
    layer: &Layer,
    before: &image::SealState,
    known: Option<SealRecord>,
) -> Result<()> {
    let path = &layer.path;
    let now = image::seal_state(path)?;
    if (now.mode, now.immutable) != (before.mode, before.immutable) {
        // It was given back before the image was hashed.
        let _lock = host.store.names_lock()?;
        if let Err(why) = nobody_relies_on(host, path) {
            remember(host, layer, before.mode, now.immutable, None)?;
            host.observer
                .warning(&format!("{} stays sealed: {why}.", path.display()));
            return Ok(());
        }
        image::unseal(path, before.mode)?;
    }
    match known {
        Some(known) => host.store.remember_seal(&known),
        None => host.store.forget_seal(path),
    }
}

/// What this file is as an image, by a domain that uses it, or else by its
/// header.
fn layer(host: Host<'_>, path: &Path, format: Option<ImageFormat>) -> Result<Layer> {
    let format = match format {
        Some(format) => format,
        None => known_format(host, path)?,
    };
    let trust = super::trust_for(host.hypervisor, &[], &[])?;
    let survey = image::survey(path, format, &trust);
    match (survey.layers.into_iter().next(), survey.problem) {
        (Some(layer), _) => Ok(layer),
        (None, Some(problem)) => Err(problem),
        (None, None) => Err(Error::new(
            Kind::NotFound,
            format!("{} is no image", path.display()),
        )),
    }
}

fn known_format(host: Host<'_>, path: &Path) -> Result<ImageFormat> {
    let file = existing(path)?;
    let usage = Usage::read(host.hypervisor)?;
    match usage.layer(file) {
        Some(layer) => Ok(layer.format),
        None if image::looks_like_qcow2(path)? => Ok(ImageFormat::Qcow2),
        None => Ok(ImageFormat::Raw),
    }
}

fn existing(path: &Path) -> Result<FileId> {
    image::file_id(path)?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!("there is no image {}", path.display()),
        )
        .hint("see which bases there are: `vmkin base list`")
    })
}

fn content_hash(host: Host<'_>, path: &Path) -> Result<String> {
    let what = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let progress = |done, total| host.observer.progress(&what, done, total);
    let stop: &AtomicBool = host.interrupt.flag();
    image::content_sha256(path, &progress, stop).map_err(|error| host.stopped_by(error))
}

/// Opens a seal: the image gets its mode back and is forgotten. What is not sealed
/// stays as it is.
///
/// # Errors
///
/// [`Kind::Protected`] if it has children, [`Kind::Busy`] if it is about to
/// have some, unless `force`.
pub fn unseal(host: Host<'_>, path: &Path, force: bool) -> Result<Change> {
    host.must_be_here()?;
    existing(path)?;
    // Nobody begins to make clones of it meanwhile.
    let _lock = host.store.names_lock()?;
    if !force {
        nobody_relies_on(host, path)?;
    }
    // What is no image has no seal.
    drop(image::ImageFile::open(path)?);
    let now = image::seal_state(path)?.mode;
    let mode = match host.store.seal_record(path)? {
        Some(record) => record.mode_before,
        None if image::is_sealed_mode(now) => UNKNOWN_MODE,
        // That is somebody else's doing, and so is its mode.
        None if image::is_immutable(path)? => now,
        None => return Ok(Change::Already),
    };
    crate::failpoint::hit("base.opening")?;
    image::unseal(path, mode)?;
    let forgotten =
        crate::failpoint::hit("base.opened").and_then(|()| host.store.forget_seal(path));
    if forgotten.is_err() {
        // The record stays, so the seal has to.
        drop(image::seal(path));
    }
    forgotten.map(|()| Change::Done)
}

/// Refuses to open the seal of a base that has children, or is about to get
/// some. To be asked with the lock on names held.
fn nobody_relies_on(host: Host<'_>, path: &Path) -> Result<()> {
    clone::UnderWay::see(host)?.refuse_cloned(path)?;
    let usage = Usage::read(host.hypervisor)?;
    let file = existing(path)?;
    let children = usage.children(file);
    let strays = usage.strays(file, path.parent().unwrap_or(path))?;
    refuse_children(path, &children, &strays.paths)?;
    let Some(problem) = usage.blind().or(strays.unknown.as_deref()) else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Protected,
        format!(
            "whether {} has children is not known: {problem}",
            path.display()
        ),
    )
    .hint("if you know that it has none: `--force`"))
}

/// Refuses to do something to an image that others depend on.
///
/// # Errors
///
/// [`Kind::Protected`] if there are children or strays.
pub(super) fn refuse_children(path: &Path, children: &[&str], strays: &[PathBuf]) -> Result<()> {
    match has_children(path, children, strays) {
        None => Ok(()),
        Some(error) => Err(error.hint(format!(
            "see all of them: `vmkin base children {}`",
            path_word(path)
        ))),
    }
}

/// The error for an image that others depend on, if there are any.
pub(super) fn has_children(path: &Path, children: &[&str], strays: &[PathBuf]) -> Option<Error> {
    let number = children.len() + strays.len();
    if number == 0 {
        return None;
    }
    let mut names: Vec<String> = children.iter().map(|name| format!("'{name}'")).collect();
    names.extend(strays.iter().map(|path| path.display().to_string()));
    let more = match names.len().checked_sub(3) {
        Some(more) if more > 0 => format!(" and {more} more"),
        _ => String::new(),
    };
    names.truncate(3);
    Some(Error::new(
        Kind::Protected,
        format!(
            "{} is the base of {number} {}: {}{more}",
            path.display(),
            if number == 1 { "child" } else { "children" },
            names.join(", ")
        ),
    ))
}

/// Everything that is known of one base. `hash` compares its whole contents
/// with the recorded hash, if there is one.
///
/// # Errors
///
/// If it cannot be looked at. That it has changed is a problem in the result.
pub fn verify(host: Host<'_>, path: &Path, hash: bool) -> Result<BaseStatus> {
    host.must_be_here()?;
    let usage = Usage::read(host.hypervisor)?;
    let mut status = status(host, &usage, path)?;
    let Some(mut record) = host.store.seal_record(path)? else {
        return Ok(status);
    };
    let (true, Some(recorded)) = (hash && status.size.is_some(), &record.sha256) else {
        return Ok(status);
    };
    let contents = content_hash(host, path)?;
    status.hashed = true;
    if contents != *recorded {
        status.problems = vec![format!(
            "Its contents are not those that were sealed (SHA-256 {recorded} then, {contents} now)."
        )];
        return Ok(status);
    }
    // Byte for byte what it was, whatever the file around it looks like: from
    // now on that look is known to be good too.
    let now = image::identity(path)?;
    let mut before: Vec<BaseIdentity> = lineages_of(&usage, path)
        .map(|(_, base)| base.identity.clone())
        .collect();
    before.push(record.identity.clone());
    for identity in before {
        if identity != now && !record.same_contents.contains(&identity) {
            // Only what had this very content can be vouched for.
            if identity.size == now.size && identity.head_sha256 == now.head_sha256 {
                record.same_contents.push(identity);
            }
        }
    }
    record.identity = now;
    host.store.remember_seal(&record)?;
    let usage = Usage::read(host.hypervisor)?;
    let refreshed = self::status(host, &usage, path)?;
    Ok(BaseStatus {
        hashed: true,
        ..refreshed
    })
}

/// All bases: what was sealed on this host, and what has children.
pub fn list(host: Host<'_>) -> Result<Vec<BaseStatus>> {
    host.must_be_here()?;
    let usage = Usage::read(host.hypervisor)?;
    let mut paths: Vec<PathBuf> = host
        .store
        .seal_records()?
        .into_iter()
        .map(|record| record.path)
        .collect();
    for known in &usage.domains {
        let lower = known.layers.iter().flat_map(|layers| layers.iter().skip(1));
        paths.extend(lower.map(|layer| layer.path.clone()));
        let lineage = known.facts.lineage.iter().flat_map(|l| &l.disks);
        paths.extend(lineage.flat_map(|d| &d.bases).map(|b| b.path.clone()));
    }
    paths.sort();
    paths.dedup();
    paths
        .iter()
        .map(|path| status(host, &usage, path))
        .collect()
}

/// One base: its children, and whether it is what it was.
///
/// # Errors
///
/// [`Kind::NotFound`] if nothing is known of such a base.
pub fn children(host: Host<'_>, path: &Path) -> Result<BaseStatus> {
    host.must_be_here()?;
    existing(path)?;
    let usage = Usage::read(host.hypervisor)?;
    status(host, &usage, path)
}

fn status(host: Host<'_>, usage: &Usage, path: &Path) -> Result<BaseStatus> {
    let record = host.store.seal_record(path)?;
    let mut status = BaseStatus {
        path: path.to_owned(),
        format: record.as_ref().map(|record| record.format),
        size: None,
        sealed: false,
        immutable: false,
        children: Vec::new(),
        strays: Vec::new(),
        known: record.is_some() || lineages_of(usage, path).next().is_some(),
        problems: Vec::new(),
        warnings: Vec::new(),
        hashed: false,
    };
    let Some(file) = image::file_id(path)? else {
        let lost: Vec<&str> = lineages_of(usage, path).map(|(name, _)| name).collect();
        if record.is_none() && lost.is_empty() {
            existing(path)?;
        }
        status.problems.push("It is missing.".to_owned());
        status.children = lost.into_iter().map(str::to_owned).collect();
        return Ok(status);
    };
    let seal = image::seal_state(path)?;
    let now = image::identity(path)?;
    status.size = Some(Size(now.size));
    status.sealed = seal.sealed;
    status.immutable = seal.immutable;
    status.children = usage
        .children(file)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let strays = usage.strays(file, path.parent().unwrap_or(path))?;
    status.strays = strays.paths;
    let unknown = usage.blind().map(str::to_owned).or(strays.unknown);
    status.warnings.extend(unknown.map(|why| {
        format!(
            "It may have more children than these: {}.",
            why.trim_end_matches('.')
        )
    }));
    if status.format.is_none() {
        status.format = usage
            .domains
            .iter()
            .flat_map(|known| known.layers.iter().flatten())
            .find(|layer| layer.file == file)
            .map(|layer| layer.format);
    }
    if let Some(record) = &record {
        let comparison = image::compare(&record.identity, &now);
        if !comparison.is_sound() {
            status
                .problems
                .push(format!("Since it was sealed, {comparison}."));
        }
        if !seal.sealed {
            status.warnings.push(format!(
                "It was sealed, and somebody has opened the seal; `vmkin base seal {}` seals it again.",
                path_word(path)
            ));
        }
    }
    for (name, base) in lineages_of(usage, path) {
        let comparison = image::compare(&base.identity, &now);
        if !comparison.is_sound() && !vouched(host, path, &base.identity, &now)? {
            status.problems.push(format!(
                "Since clone '{name}' was made of it, {comparison}."
            ));
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests;
