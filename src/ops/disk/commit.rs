//! Putting what an overlay holds into the image that it is based on.
//!
//! The overlay hides all that is written into the base, so that the guest sees no
//! difference at any time: what is stopped or killed on the way can be done again.
//! Only when the two have been compared does the overlay go, or become empty.

use std::path::{Path, PathBuf};

use serde::Serialize;
use uuid::Uuid;

use super::{Subject, only_one};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Lease, shown};
use crate::model::{BaseIdentity, DiskTarget, Domain, ImageFormat, SecretText, Size};
use crate::ops::guard::{
    Allowed, LeasedBase, LeasedDisk, Over, WriteGuard, alone_below, lease_again, still_alone,
};
use crate::ops::images::{pools_over, real};
use crate::ops::new_image::remove_unused;
use crate::ops::relayer::{
    chain_of_own, layers_below, may_be_replaced, no_snapshots, of_disk, with_bases,
};
use crate::ops::{Host, ShutOff, Usage, path_of};
use crate::store::{CommitIntent, CommittedDisk, Journal, Operation, Step};
use crate::xml::domain::{self, Rechained};

/// Which overlays go into their bases.
#[derive(Clone, Debug)]
pub struct CommitRequest {
    /// The overlays; those of a domain are all that it has, if none is named.
    pub subject: Subject,
    /// Whether the overlay stays, with nothing in it.
    pub keep: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// What is to be done, or was.
#[derive(Clone, Debug, Serialize)]
pub struct CommitReport {
    /// The domain whose disk it is, if one has it.
    pub domain: Option<Domain>,
    /// The disk in it.
    pub target: Option<DiskTarget>,
    /// The overlay.
    pub overlay: PathBuf,
    /// What it holds takes so much on the host at most.
    pub data: Size,
    /// The image that it goes into.
    pub base: PathBuf,
    /// The format of that.
    pub format: ImageFormat,
    /// The size that its base has before, in bytes.
    pub before: Size,
    /// The size that it has then.
    pub after: Size,
    /// What becomes of the overlay.
    pub becomes: Becomes,
}

/// What becomes of an overlay whose contents are in its base.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Becomes {
    /// It goes, and the base is the disk.
    Gone,
    /// It stays, with nothing in it.
    Empty,
}

/// A commit that has been thought through. Nobody can open the overlay or its base
/// while it lives.
pub struct CommitPlan<'a> {
    /// What is to be done.
    pub report: CommitReport,
    guard: WriteGuard<'a>,
    base: LeasedBase,
    allow_dirs: Vec<PathBuf>,
}

impl CommitRequest {
    /// The same for each overlay by itself. Each goes into its base as a whole, or
    /// stays; the guest reads the same at any time.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if the domain is not shut off, or has no overlay.
    pub fn each(&self, host: Host<'_>) -> Result<Vec<Self>> {
        let alone = self.subject.overlays(host, &self.allow_dirs)?;
        let alone = alone.into_iter().map(|subject| Self {
            subject,
            ..self.clone()
        });
        Ok(alone.collect())
    }

    /// What messages call the overlay.
    pub fn name(&self) -> String {
        match &self.subject {
            Subject::Image { path, .. } => shown(path).to_string(),
            Subject::Domain { .. } => self.subject.named().collect::<Vec<_>>().join(", "),
        }
    }
}

/// Works it out for one overlay, and locks both images. Changes nothing.
///
/// # Errors
///
/// [`Kind::Usage`] if there are several; those of [`WriteGuard`] and [`WriteGuard::with_base`]; [`Kind::WrongState`] if the
/// domain has snapshots, the disk is no overlay, or its base cannot take it.
pub fn plan<'a>(host: Host<'a>, request: &CommitRequest) -> Result<CommitPlan<'a>> {
    host.must_be_here()?;
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let mut guard = request.subject.lock(host, allow)?;
    let disk = only_one(guard.disks())?;
    let name = guard.name(disk);
    if let Some(owner) = guard.owner() {
        no_snapshots(host, owner)?;
    }
    may_be_replaced(&name, disk)?;
    can_take(disk)?;
    let base = guard.with_base(0, !request.keep)?;
    let disk = only_one(guard.disks())?;
    let (top, below) = (disk.chain().top(), base.chain().top());
    if below.virtual_size != top.virtual_size {
        image::may_have_size(base.chain(), top.virtual_size)?;
    }
    let report = CommitReport {
        domain: guard.owner().cloned(),
        target: disk.target().cloned(),
        overlay: top.path.clone(),
        data: Size(top.allocated),
        base: below.path.clone(),
        format: below.format,
        before: Size(below.virtual_size),
        after: Size(top.virtual_size),
        becomes: if request.keep {
            Becomes::Empty
        } else {
            Becomes::Gone
        },
    };
    Ok(CommitPlan {
        report,
        guard,
        base,
        allow_dirs: request.allow_dirs.clone(),
    })
}

/// Refuses a base that cannot hold what its overlay reads.
fn can_take(disk: &LeasedDisk) -> Result<()> {
    let Some(below) = disk.chain().backing().first() else {
        return Ok(());
    };
    let (top, path) = (disk.chain().top(), shown(&below.path));
    if !matches!(below.format, ImageFormat::Raw | ImageFormat::Qcow2) {
        return Err(Error::new(
            Kind::WrongState,
            format!("{path} is {}, and must be raw or qcow2", below.format),
        )
        .hint("make an image that stands alone instead: `vmkin disk convert`"));
    }
    if top.virtual_size < below.virtual_size {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} has {} bytes, and {path} has more, {}: the disk would be larger then",
                shown(&top.path),
                top.virtual_size,
                below.virtual_size
            ),
        )
        .hint("make it as large first: `vmkin disk resize`"));
    }
    Ok(())
}

/// Does it.
///
/// # Errors
///
/// Before the comparison is done, the disk is an overlay as before and reads what it
/// read, and the same command does the rest; after it, [`Kind::NotUndone`]: the next
/// run finishes it.
pub fn apply(host: Host<'_>, plan: CommitPlan<'_>) -> Result<CommitReport> {
    host.interrupt.check()?;
    let disk = only_one(plan.guard.disks())?;
    let intent = intent(&plan, disk);
    let operation = Operation::Commit(intent.clone());
    let mut journal = host.store.begin(host.hypervisor.uri(), operation)?;
    let merged = merge(host, &plan, disk, &intent).and_then(|overlay| {
        if intent.fresh.is_none() {
            journal.add(&[Step::Merged { overlay }])?;
        }
        Ok(())
    });
    if let Err(error) = merged {
        let error = Journal::may_take_back(error)?;
        leave(host, &intent, Some(&plan.base))?;
        journal.finish()?;
        return Err(host.stopped_by(error).hint(
            "the disk is an overlay as before, and reads what it read; the same command does the \
             rest",
        ));
    }
    let finished = match &intent.fresh {
        Some(fresh) => image::replace(disk.lease(), fresh)
            .and_then(|()| image::sync_dirs_of([intent.overlay.as_path()]))
            .and_then(|()| crate::failpoint::hit("commit.emptied"))
            .and_then(|()| remember(host, &intent)),
        None => finish(host, &intent),
    };
    finished.map_err(|error| {
        error
            .with_kind(Kind::NotUndone)
            .hint("when the cause is gone, `vmkin recover` finishes it")
    })?;
    let pools = host.hypervisor.pools().unwrap_or_default();
    host.refresh_pools(&pools_over(
        &pools,
        [&intent.overlay, &intent.base].into_iter(),
    ));
    if let Err(error) = journal.finish() {
        host.observer.warning(&format!(
            "'{}' is done, but its journal not closed ({error}); `vmkin recover` does that.",
            intent.name
        ));
    }
    Ok(plan.report)
}

fn intent(plan: &CommitPlan<'_>, disk: &LeasedDisk) -> CommitIntent {
    let (overlay, base) = (disk.lease().image(), plan.base.lease().image());
    let owner = plan.guard.owner().zip(disk.target());
    CommitIntent {
        name: plan.guard.name(disk),
        disk: owner.map(|(domain, target)| CommittedDisk {
            uuid: domain.uuid,
            target: target.clone(),
        }),
        overlay: overlay.real_path().to_owned(),
        overlay_file: overlay.id(),
        base: base.real_path().to_owned(),
        base_file: base.id(),
        base_format: plan.base.chain().top().format,
        fresh: (plan.report.becomes == Becomes::Empty)
            .then(|| image::temporary(overlay.real_path(), Uuid::new_v4(), 0)),
        allow_dirs: plan.allow_dirs.clone(),
    }
}

/// Writes it into the base, compares, and makes what comes in its place. Returns
/// what the overlay looks like then.
fn merge(
    host: Host<'_>,
    plan: &CommitPlan<'_>,
    disk: &LeasedDisk,
    intent: &CommitIntent,
) -> Result<BaseIdentity> {
    let (lease, base, cancel) = (disk.lease(), &plan.base, host.interrupt.flag());
    image::must_have_room(base.lease(), plan.report.data.bytes())?;
    plan.guard.recheck()?;
    // What was opened by other means than ours is on record as sealed.
    host.store.forget_seal(&base.chain().top().path)?;
    crate::failpoint::hit("commit.journal")?;
    let what = of_disk(&intent.name, plan.report.target.as_ref());
    let progress = |done, total| host.observer.progress(&what, done, total);
    image::commit(disk.chain(), lease, base.lease(), &progress, cancel)?;
    crate::failpoint::hit("commit.merged")?;
    image::give_back_leaks(base.chain(), base.lease())?;
    let overlay = chain_of_own(&intent.overlay, ImageFormat::Qcow2)?;
    let now = chain_of_own(&intent.base, intent.base_format)?;
    let what = format!("{what}, compared");
    let progress = |done, total| host.observer.progress(&what, done, total);
    image::must_read_the_same(&overlay, &now, &progress, cancel)?;
    crate::failpoint::hit("commit.compared")?;
    if let Some(fresh) = &intent.fresh {
        let no_base = || Error::new(Kind::WrongState, "there is nothing below the disk");
        let new = image::write_fresh(fresh, &overlay)?.ok_or_else(no_base)?;
        new.belong_like(lease.image())?;
        new.sync()?;
        crate::failpoint::hit("commit.fresh")?;
    }
    host.interrupt.check()?;
    plan.guard.recheck()?;
    image::identity_of(lease.image())
}

/// Has the definition say that the base is the disk, and removes the overlay.
fn finish(host: Host<'_>, intent: &CommitIntent) -> Result<()> {
    crate::failpoint::hit("commit.committed")?;
    if let Some(disk) = &intent.disk {
        let domain = found(host, disk)?;
        ShutOff::check(host.hypervisor, &domain)?;
        let old = host.hypervisor.secure_xml(&domain)?;
        let chain = chain_of_own(&intent.base, intent.base_format)?;
        let now = Rechained {
            target: disk.target.clone(),
            image: Some((intent.base.clone(), intent.base_format)),
            backing: layers_below(&chain),
        };
        // The base was not made for it, and stays when the domain is deleted.
        let lineage = domain::read(old.expose())?.lineage.map(|mut lineage| {
            lineage.disks.retain(|made| made.target != disk.target);
            lineage
        });
        let new = domain::rechained(old.expose(), &[now], lineage.as_ref())?;
        host.hypervisor.redefine(&domain, &SecretText::from(new))?;
    }
    crate::failpoint::hit("commit.defined")?;
    drop_overlay(intent)
}

fn drop_overlay(intent: &CommitIntent) -> Result<()> {
    image::remove_own(&intent.overlay, intent.overlay_file)?;
    crate::failpoint::hit("commit.removed")?;
    image::sync_dirs_of([intent.overlay.as_path()])
}

fn found(host: Host<'_>, disk: &CommittedDisk) -> Result<Domain> {
    host.hypervisor
        .find_uuid(disk.uuid)?
        .ok_or_else(|| Error::new(Kind::NotFound, "the domain is gone"))
}

/// Leaves the disk the overlay that it is, and tidies up. The base has to be leased
/// for its tables to be mended.
fn leave(host: Host<'_>, intent: &CommitIntent, base: Option<&LeasedBase>) -> Result<()> {
    remove_unused(intent.fresh.iter().map(PathBuf::as_path))?;
    if let Some(base) = base {
        mend(host, intent, base.lease())?;
    }
    remember(host, intent)
}

/// Gives back what leaks in a base that was written to in part. What cannot be given
/// back only takes space.
fn mend(host: Host<'_>, intent: &CommitIntent, base: &Lease) -> Result<()> {
    let chain = chain_of_own(&intent.base, intent.base_format)?;
    match image::give_back_leaks(&chain, base) {
        Err(error) if error.kind() != Kind::Unsafe => {
            host.observer.warning(&format!(
                "{} may have leaked clusters, which only take space ({error}).",
                shown(&intent.base)
            ));
            Ok(())
        }
        done => done,
    }
}

/// Has the lineage of a clone say what its base looks like by now: that it was
/// written to changes nothing for this one disk.
fn remember(host: Host<'_>, intent: &CommitIntent) -> Result<()> {
    let Some(disk) = &intent.disk else {
        return Ok(());
    };
    let Some(domain) = host.hypervisor.find_uuid(disk.uuid)? else {
        return Ok(());
    };
    let old = host.hypervisor.secure_xml(&domain)?;
    let Some(lineage) = domain::read(old.expose())?.lineage else {
        return Ok(());
    };
    let chain = chain_of_own(&intent.overlay, ImageFormat::Qcow2)?;
    let now = with_bases(lineage.clone(), &[(&disk.target, chain)])?;
    if now == lineage {
        return Ok(());
    }
    let new = domain::rechained(old.expose(), &[], Some(&now))?;
    host.hypervisor.redefine(&domain, &SecretText::from(new))
}

/// Finishes what was left behind, and says what is there now, as a sentence. What
/// had not been compared is left to the same command.
///
/// # Errors
///
/// If it cannot be finished now: libvirt does not answer, or the disk cannot be
/// written to.
pub(in crate::ops) fn recover(
    host: Host<'_>,
    intent: &CommitIntent,
    steps: &[Step],
) -> Result<String> {
    let merged = steps.iter().find_map(|step| match step {
        Step::Merged { overlay } => Some(overlay),
        _ => None,
    });
    let why = match merged {
        None => "what is not in its base yet, the same command puts there".to_owned(),
        Some(merged) => match complete(host, intent, merged)? {
            Rest::Done => {
                return Ok("All of it is in its base, and the overlay is gone.".to_owned());
            }
            Rest::Used => {
                return Ok(format!(
                    "Its base is the disk now. {} stays: others have come to use it.",
                    shown(&intent.overlay)
                ));
            }
            Rest::NotNow(why) => why,
        },
    };
    remove_unused(intent.fresh.iter().map(PathBuf::as_path))?;
    if image::file_id(&intent.overlay)?.is_none() {
        return Ok("Its overlay is gone.".to_owned());
    }
    // Somebody may have it open by now; what leaks there only takes space.
    let lease = lease_again(&intent.base).ok();
    if let Some(lease) = lease.filter(|lease| lease.image().id() == intent.base_file) {
        mend(host, intent, &lease)?;
    }
    remember(host, intent)?;
    Ok(format!(
        "Its disk is an overlay, and reads what it read: {why}."
    ))
}

/// What became of the rest.
enum Rest {
    /// It is done.
    Done,
    /// The overlay is the domain's no more, and somebody else's.
    Used,
    /// It cannot be done, for this reason, a clause.
    NotNow(String),
}

/// Does the rest once all is in the base.
fn complete(host: Host<'_>, intent: &CommitIntent, merged: &BaseIdentity) -> Result<Rest> {
    let not_now = |why: &str| Ok(Rest::NotNow(why.to_owned()));
    if image::file_id(&intent.overlay)? != Some(intent.overlay_file) {
        // It is the last thing to go.
        return Ok(Rest::Done);
    }
    let domain = match &intent.disk {
        Some(disk) => match host.hypervisor.find_uuid(disk.uuid)? {
            Some(domain) => Some((domain, &disk.target)),
            None => return not_now("the domain is gone"),
        },
        None => None,
    };
    let usage = Usage::read_allowing(host.hypervisor, &intent.allow_dirs)?;
    let lease = lease_again(&intent.overlay);
    let dir = intent.overlay.parent().unwrap_or(&intent.overlay);
    let strays = usage.strays(intent.overlay_file, dir)?;
    let used = !usage.of(intent.overlay_file).is_empty() || !strays.paths.is_empty();
    if let Some((domain, target)) = &domain {
        if is_on(host, domain, target, &intent.base)? {
            if used || lease.is_err() {
                return Ok(Rest::Used);
            }
            drop_overlay(intent)?;
            return Ok(Rest::Done);
        }
    } else if used {
        return not_now("others have come to use it");
    }
    let (Ok(overlay), Ok(base)) = (lease, lease_again(&intent.base)) else {
        return not_now("it is in use");
    };
    if !image::compare(merged, &image::identity_of(overlay.image())?).is_sound() {
        return not_now("the overlay has been written to since");
    }
    let owner = domain.as_ref().map(|(domain, _)| domain);
    let over = Over {
        file: intent.overlay_file,
        path: &intent.overlay,
        goes: true,
    };
    let alone = || -> Result<()> {
        if let Some(domain) = owner {
            ShutOff::check(host.hypervisor, domain)?;
            still_alone(&usage, domain, &overlay)?;
        }
        base.image().must_be(intent.base_file)?;
        usage.must_tell(&intent.base, |_| false)?;
        alone_below(host, &usage, over, base.image())
    };
    if let Err(why) = alone() {
        return not_now(&why.to_string());
    }
    finish(host, intent)?;
    Ok(Rest::Done)
}

/// Whether the definition of a domain has this image as the disk.
fn is_on(host: Host<'_>, domain: &Domain, target: &DiskTarget, image: &Path) -> Result<bool> {
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    let mut disks = facts.disks.iter();
    let Some(disk) = disks.find(|disk| disk.target == *target) else {
        return Ok(false);
    };
    let path = path_of(host.hypervisor, &disk.source)?;
    Ok(path.is_some_and(|path| real(&path) == image))
}
