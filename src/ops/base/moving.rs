//! Giving a base another place.
//!
//! A file is not moved under its children: it is whole under both names until
//! the last of them has followed. On one file system it gets a second name,
//! elsewhere a copy is made and compared. So a guest finds all it had at every
//! moment, whether its overlay names the old place or the new one, and after a
//! kill too; what is left is only to be finished.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::fcntl::Flock;
use serde::Serialize;
use uuid::Uuid;

use super::followers::{Followers, refuse_block};
use super::{content_hash, existing, layer, records, status};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Guard, HeaderState, ImageFile, Lease, Renaming, shown};
use crate::model::{FileId, ImageFormat, SecretText, Size};
use crate::ops::guard::lease_again;
use crate::ops::images::{chain_of, path_of, pools_over, real, trust_for};
use crate::ops::{Host, ShutOff, Usage, clone};
use crate::store::{Journal, MoveIntent, OldHeader, Operation, Step};
use crate::xml::domain::{self, Repoint};

/// Which base goes where.
#[derive(Clone, Debug)]
pub struct MoveRequest {
    /// The base, by a path free of symbolic links.
    pub base: PathBuf,
    /// A directory, or the name of the file there.
    pub dest: PathBuf,
    /// Whether it is copied on the same file system too.
    pub copy: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// How a base gets to its new place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveMethod {
    /// The same file gets another name.
    Rename,
    /// Another file gets the same contents.
    Copy,
}

/// A move that has been thought through but not done.
#[derive(Clone, Debug, Serialize)]
pub struct MovePlan {
    /// Where the base is.
    pub from: PathBuf,
    /// Where it is to be.
    pub to: PathBuf,
    /// How it gets there.
    pub method: MoveMethod,
    /// What the file takes on the host.
    pub size: Size,
    /// The domains whose definitions follow it.
    pub domains: Vec<String>,
    /// The overlays that will name the new place.
    pub overlays: Vec<PathBuf>,
    #[serde(skip)]
    intent: MoveIntent,
}

/// Works out a move. Changes nothing.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such image; [`Kind::Exists`] if there is
/// something at the new place; [`Kind::WrongState`] if a domain on it is not
/// shut off, or it cannot be moved; [`Kind::Unsafe`] if it is not what it was, or
/// nobody can tell who is on it; [`Kind::Busy`] if somebody writes to it.
pub fn plan(host: Host<'_>, request: &MoveRequest) -> Result<MovePlan> {
    host.must_be_here()?;
    let from = &request.base;
    let file = existing(from)?;
    let layer = layer(host, from, None)?;
    if layer.block {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is a block device, and only files are moved",
                shown(from)
            ),
        ));
    }
    let to = destination(from, &request.dest)?;
    let there = image::file_id(&to)?;
    // An earlier run may have left the second name, for somebody used the base.
    if there.is_some_and(|there| there != file || request.copy) || to == *from {
        return Err(Error::new(
            Kind::Exists,
            format!("{} is there already, and is never overwritten", shown(&to)),
        ));
    }
    let dir = to.parent().unwrap_or(Path::new("/"));
    let same_device = existing_dir(dir)?.device == file.device;
    refuse_relative(from, dir, layer.format)?;
    image::may_remove(from)?;
    image::may_remove(&to)?;
    let usage = Usage::read_allowing(host.hypervisor, &request.allow_dirs)?;
    let state = status(host, &usage, from)?;
    if let Some(problem) = state.problems.first() {
        return Err(Error::new(
            Kind::Unsafe,
            format!("{} is not what it was: {problem}", shown(from)),
        )
        .hint(format!(
            "see what is known of it: `vmkin base verify {}`",
            shown(from)
        )));
    }
    let followers = Followers::find(host, &usage, from, file, &to)?;
    followers.must_find_it_in(host, &usage, file, dir)?;
    drop(Guard::base(from)?);
    let method = if same_device && !request.copy {
        MoveMethod::Rename
    } else {
        MoveMethod::Copy
    };
    let temp = (method == MoveMethod::Copy).then(|| image::temporary(&to, Uuid::new_v4(), 0));
    let mut domains: Vec<String> = followers.domains.iter().map(|d| d.name.clone()).collect();
    domains.sort();
    let mut overlays: Vec<PathBuf> = followers.overlays.into_iter().map(|(p, _)| p).collect();
    overlays.sort();
    Ok(MovePlan {
        from: from.clone(),
        to: to.clone(),
        method,
        size: Size(layer.allocated),
        domains,
        overlays,
        intent: MoveIntent {
            from: from.clone(),
            file,
            format: layer.format,
            to,
            temp,
            immutable: state.immutable,
            allow_dirs: request.allow_dirs.clone(),
        },
    })
}

/// Where it is to be, free of symbolic links.
fn destination(from: &Path, dest: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(dest)
        .map_err(|e| Error::io(format!("cannot use the path {}", dest.display()), e))?;
    if absolute.is_dir() {
        let name = from.file_name().unwrap_or_default();
        return Ok(real(&absolute).join(name));
    }
    let dir = absolute.parent().unwrap_or(Path::new("/"));
    match absolute.file_name() {
        Some(name) if dir.is_dir() && !dest.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            Ok(real(dir).join(name))
        }
        _ => Err(Error::new(
            Kind::NotFound,
            format!("there is no directory for {}", shown(&absolute)),
        )),
    }
}

fn existing_dir(dir: &Path) -> Result<FileId> {
    image::file_id(dir)?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!("there is no directory {}", shown(dir)),
        )
    })
}

/// Refuses a base that names what is below it from where it is.
fn refuse_relative(from: &Path, dir: &Path, format: ImageFormat) -> Result<()> {
    if format != ImageFormat::Qcow2 || from.parent() == Some(dir) {
        return Ok(());
    }
    let header = image::qcow2::Header::read(&ImageFile::open(from)?)?;
    if header
        .backing_name
        .is_none_or(|name| name.starts_with(b"/"))
    {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "{} names its own base by a relative path, which leads nowhere from {}",
            shown(from),
            shown(dir)
        ),
    )
    .hint("give it another name in its directory, or have it name an absolute path first"))
}

/// Does it. Before the mark in the journal everything is taken back if it fails,
/// after that it is finished, by the next run at the latest.
///
/// # Errors
///
/// Those of [`plan`], for what has changed since; [`Kind::Interrupted`];
/// [`Kind::Storage`] if a copy cannot be made or differs. [`Kind::NotUndone`] after
/// the mark.
pub fn apply(host: Host<'_>, plan: &MovePlan) -> Result<()> {
    host.interrupt.check()?;
    let intent = &plan.intent;
    let guard = Guard::base(&intent.from)?;
    guard.image().must_be(intent.file)?;
    let mut journal = host
        .store
        .begin(host.hypervisor.uri(), Operation::MoveBase(intent.clone()))?;
    let mut made = made_of(&[], intent);
    let ready = match prepare(host, intent, &guard, &mut journal, &mut made) {
        Ok(ready) => ready,
        Err(error) => {
            let error = host.stopped_by(Journal::may_take_back(error)?);
            take_back(intent, made).map_err(|undo| {
                undo.with_kind(Kind::NotUndone).hint(
                    "nobody's disks have changed; when the cause is gone, run `vmkin recover`",
                )
            })?;
            journal.finish()?;
            return Err(error);
        }
    };
    ready.finish(host, intent).map_err(|error| {
        error.with_kind(Kind::NotUndone).hint(
            "the base is whole in both places; when the cause is gone, `vmkin recover` finishes it",
        )
    })?;
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "{} is moved, but the journal not closed ({error}); `vmkin recover` does that.",
            shown(&intent.from)
        ));
    }
    Ok(())
}

/// All that has to follow, locked, and the base under both names.
struct Ready {
    /// Nobody makes clones of the base, or opens its seal.
    _names: Flock<File>,
    file: FileId,
    overlays: Vec<Follower>,
    followers: Followers,
}

/// An overlay that is to name the new place.
struct Follower {
    lease: Lease,
    /// What is to be written, if it was not yet.
    renaming: Option<Renaming>,
    /// Whether it is sealed, when nothing is written to it.
    sealed: bool,
}

fn prepare(
    host: Host<'_>,
    intent: &MoveIntent,
    guard: &Guard,
    journal: &mut Journal,
    made: &mut Option<FileId>,
) -> Result<Ready> {
    crate::failpoint::hit("move.journal")?;
    make_copy(host, intent, guard, made)?;
    let names = host.store.names_lock()?;
    clone::UnderWay::see(host)?.refuse_cloned(&intent.from)?;
    let usage = Usage::read_allowing(host.hypervisor, &intent.allow_dirs)?;
    let mut followers = Followers::find(host, &usage, &intent.from, intent.file, &intent.to)?;
    followers.leave_out(&intent.to);
    let mut overlays = Vec::new();
    let mut headers = Vec::new();
    for (path, file) in &followers.overlays {
        refuse_block(path)?;
        let lease = lease_again(path)?;
        lease.image().must_be(*file)?;
        let renaming = Renaming::plan(lease.image(), &intent.to)?;
        let real = lease.image().real_path();
        let sealed = image::seal_state(real)?.sealed;
        headers.push(OldHeader {
            path: real.to_owned(),
            file: *file,
            before: renaming.before(),
            sealed,
        });
        overlays.push(Follower {
            lease,
            renaming: Some(renaming),
            sealed,
        });
    }
    crate::failpoint::hit("move.locked")?;
    // Locked, they cannot be started; they can have been saved before.
    for domain in &followers.domains {
        ShutOff::check(host.hypervisor, domain)?;
    }
    host.interrupt.check()?;
    let file = made.unwrap_or(intent.file);
    if let Some(temp) = &intent.temp {
        journal.add(&[Step::Made {
            clone: 0,
            files: vec![file],
        }])?;
        image::publish(temp, &intent.to)?;
    } else if image::file_id(&intent.to)? != Some(intent.file) {
        // Two mounts of one file system have no names in common.
        movable(intent, || image::second_name(&intent.from, &intent.to)).map_err(|error| {
            match error.kind() {
                Kind::Environment => error.hint("to copy it instead: `--copy`"),
                _ => error,
            }
        })?;
    }
    image::sync_dirs_of([intent.to.as_path()])?;
    crate::failpoint::hit("move.named")?;
    journal.add(&[Step::Repointing {
        file,
        overlays: headers,
    }])?;
    Ok(Ready {
        _names: names,
        file,
        overlays,
        followers,
    })
}

/// Copies the base under a temporary name, if it is to be copied, and compares.
fn make_copy(
    host: Host<'_>,
    intent: &MoveIntent,
    guard: &Guard,
    made: &mut Option<FileId>,
) -> Result<()> {
    let Some(temp) = &intent.temp else {
        return Ok(());
    };
    let what = intent
        .from
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let progress = |done, total| host.observer.progress(&what, done, total);
    let new = image::duplicate(guard.image(), temp, &progress, host.interrupt.flag())?;
    *made = Some(new.id());
    new.belong_like(guard.image())?;
    new.sync()?;
    crate::failpoint::hit("move.copied")?;
    let known = host
        .store
        .seal_record(&intent.from)?
        .and_then(|record| record.sha256);
    let then = content_hash(host, &intent.from)?;
    if known.is_some_and(|known| known != then) {
        return Err(Error::new(
            Kind::Unsafe,
            format!(
                "the contents of {} are not those that were sealed",
                shown(&intent.from)
            ),
        ));
    }
    if content_hash(host, temp)? != then {
        return Err(Error::new(
            Kind::Storage,
            format!("the copy of {} differs from it", shown(&intent.from)),
        ));
    }
    Ok(())
}

impl Ready {
    /// Has everything follow, and removes the old name.
    fn finish(&self, host: Host<'_>, intent: &MoveIntent) -> Result<()> {
        crate::failpoint::hit("move.committed")?;
        let recorded = host.store.seal_record(&intent.from)?;
        if intent.immutable || (recorded.is_some() && image::seal_state(&intent.to)?.sealed) {
            image::seal(&intent.to)?;
        }
        let mut repoints = Vec::new();
        for overlay in &self.overlays {
            let path = overlay.lease.image().real_path();
            overlay.follow(path)?;
            repoints.push(new_look(host, path)?);
        }
        let copied = (self.file != intent.file).then(|| image::identity(&intent.to));
        repoints.push(Repoint {
            identity: copied.transpose()?,
            ..self.followers.repoint(&intent.to)
        });
        for domain in &self.followers.domains {
            ShutOff::check(host.hypervisor, domain)?;
            let old = host.hypervisor.secure_xml(domain)?;
            let new = domain::repointed(old.expose(), &repoints)?;
            if new != old.expose() {
                host.hypervisor.redefine(domain, &SecretText::from(new))?;
            }
            crate::failpoint::hit("move.defined")?;
        }
        for domain in &self.followers.recorded {
            records::follow(host, domain, &repoints)?;
        }
        self.verify(host, intent)?;
        if let Some(record) = recorded {
            host.store.remember_seal(&crate::store::SealRecord {
                path: intent.to.clone(),
                identity: image::identity(&intent.to)?,
                immutable: image::is_immutable(&intent.to)?,
                ..record
            })?;
        }
        crate::failpoint::hit("move.recorded")?;
        if image::file_id(&intent.from)? == Some(intent.file) {
            movable(intent, || {
                image::remove_own(&intent.from, intent.file).map(drop)
            })?;
            image::sync_dirs_of([intent.from.as_path()])?;
        }
        crate::failpoint::hit("move.removed")?;
        host.store.forget_seal(&intent.from)?;
        let pools = host.hypervisor.pools().unwrap_or_default();
        host.refresh_pools(&pools_over(&pools, [&intent.from, &intent.to].into_iter()));
        Ok(())
    }

    /// Makes sure that everybody finds the base at the new place, and nobody looks
    /// for it at the old one.
    fn verify(&self, host: Host<'_>, intent: &MoveIntent) -> Result<()> {
        let mut allowed = intent.allow_dirs.clone();
        allowed.extend(intent.to.parent().map(Path::to_owned));
        self.followers.records_have_followed(host)?;
        for domain in &self.followers.domains {
            let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
            let trust = trust_for(host.hypervisor, &facts.disks, &allowed)?;
            for disk in &facts.disks {
                let Some(path) = path_of(host.hypervisor, &disk.source)? else {
                    continue;
                };
                let chain = chain_of(disk, &path, &trust)?;
                let mut old = self.followers.paths.iter();
                if let Some(old) = old.find(|old| chain.names(old)) {
                    return Err(Error::new(
                        Kind::Unsafe,
                        format!(
                            "disk {} of domain '{}' still leads to {}",
                            disk.target,
                            domain.name,
                            shown(old)
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Does something to the name of the base, which an immutable file does not let
/// be done. It is immutable again afterwards, under whichever name is left.
fn movable(intent: &MoveIntent, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let state = image::seal_state(&intent.from)?;
    if !state.immutable {
        return act();
    }
    image::unseal(&intent.from, state.mode)?;
    let done = crate::failpoint::hit("move.opened").and_then(|()| act());
    let path = if image::file_id(&intent.from)? == Some(intent.file) {
        Some(&intent.from)
    } else if intent.temp.is_none() {
        Some(&intent.to)
    } else {
        None
    };
    if let Some(path) = path {
        image::seal(path)?;
    }
    done
}

impl Follower {
    /// Writes the name into the overlay, which may be sealed itself.
    fn follow(&self, path: &Path) -> Result<()> {
        if let Some(renaming) = &self.renaming {
            if self.sealed {
                image::unseal(path, 0o600)?;
            }
            renaming.apply(&self.lease)?;
            crate::failpoint::hit("move.overlay")?;
        }
        if self.sealed {
            image::seal(path)?;
        }
        Ok(())
    }
}

/// What clones of an overlay are to know of it now: it looks different, for it
/// has another name in it.
fn new_look(host: Host<'_>, path: &Path) -> Result<Repoint> {
    let identity = image::identity(path)?;
    if let Some(mut record) = host.store.seal_record(path)? {
        if record.identity.head_sha256 != identity.head_sha256 {
            if record.sha256.is_some() {
                record.sha256 = Some(content_hash(host, path)?);
            }
            record.same_contents.clear();
        }
        record.identity = identity.clone();
        host.store.remember_seal(&record)?;
    }
    Ok(Repoint {
        from: vec![path.to_owned()],
        volumes: Vec::new(),
        to: path.to_owned(),
        identity: Some(identity),
    })
}

/// The file of a copy that has its own name, or is about to get it.
fn made_of(steps: &[Step], intent: &MoveIntent) -> Option<FileId> {
    let made = steps.iter().find_map(|step| match step {
        Step::Made { files, .. } => files.first().copied(),
        _ => None,
    });
    match (&intent.temp, made) {
        (None, _) => Some(intent.file),
        (Some(_), made) => made,
    }
}

/// Removes what was made, while nobody names it yet.
fn take_back(intent: &MoveIntent, made: Option<FileId>) -> Result<()> {
    if let Some(temp) = &intent.temp {
        image::remove_temporary(temp)?;
    }
    let old_is_there = image::file_id(&intent.from)? == Some(intent.file);
    if let Some(made) = made.filter(|_| old_is_there && intent.from != intent.to) {
        if image::file_id(&intent.to)? == Some(made) {
            if intent.temp.is_some() {
                let state = image::seal_state(&intent.to)?;
                if state.immutable {
                    image::unseal(&intent.to, state.mode)?;
                }
                image::remove_own(&intent.to, made)?;
            } else {
                movable(intent, || image::remove_own(&intent.to, made).map(drop))?;
            }
        }
    }
    if intent.immutable && old_is_there {
        image::seal(&intent.from)?;
    }
    Ok(())
}

/// Finishes or takes back a move that was left behind, and says what is there
/// now, as a sentence.
///
/// # Errors
///
/// If something cannot be done now: an overlay is locked, or libvirt does not
/// answer. The base is whole in both places then.
pub(in crate::ops) fn recover(
    host: Host<'_>,
    intent: &MoveIntent,
    steps: &[Step],
) -> Result<String> {
    let marked = steps.iter().find_map(|step| match step {
        Step::Repointing { file, overlays } => Some((*file, overlays)),
        _ => None,
    });
    let Some((file, headers)) = marked else {
        take_back(intent, made_of(steps, intent))?;
        return Ok("Nobody had followed it yet, and it is where it was.".to_owned());
    };
    if image::file_id(&intent.to)? != Some(file) {
        return Ok(format!("{} is another file by now.", shown(&intent.to)));
    }
    let names = host.store.names_lock()?;
    let mut overlays = Vec::new();
    for header in headers {
        // Who has removed an overlay since needs no base.
        if image::file_id(&header.path)? != Some(header.file) {
            continue;
        }
        let lease = lease_again(&header.path)?;
        let renaming = Renaming::again(&header.before, &intent.to)?;
        let renaming = match renaming.state(lease.image())? {
            HeaderState::After => None,
            HeaderState::Before | HeaderState::Torn => Some(renaming),
            // A guest has run on it, with the one name or the other.
            HeaderState::Other => Some(Renaming::plan(lease.image(), &intent.to)?),
        };
        overlays.push(Follower {
            lease,
            renaming,
            sealed: header.sealed,
        });
    }
    let usage = Usage::read_allowing(host.hypervisor, &intent.allow_dirs)?;
    let mut followers = Followers::of(&intent.from);
    for file in [intent.file, file] {
        followers.add_users(host, &usage, file)?;
    }
    followers.leave_out(&intent.to);
    followers.add_records(host, &usage)?;
    for domain in followers.domains.iter().chain(&followers.recorded) {
        if let Err(why) = ShutOff::check(host.hypervisor, domain) {
            // Both names lead to it, so that nothing has to be done at once.
            return Ok(format!(
                "Not all have followed it, and it stays in both places: {why}. Run the same \
                 command again when it is shut off."
            ));
        }
    }
    let ready = Ready {
        _names: names,
        file,
        overlays,
        followers,
    };
    ready.finish(host, intent)?;
    Ok(format!(
        "It is at {} now, and all have followed it.",
        shown(&intent.to)
    ))
}
