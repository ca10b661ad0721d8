//! The rule that nothing is written to a disk which is not ours alone.
//!
//! [`WriteGuard`] is the evidence: an operation that changes an image asks for
//! one, and nothing else in `ops` makes the [`Lease`] that the writers in
//! [`image`] want to see (`tests/layers.rs` keeps it so). It is given back by
//! dropping it, and by the kernel if this process dies.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::images::{chain_of, path_of, trust_for};
use super::read_guard::format_of;
use super::{Host, Problem, ShutOff, Strays, Usage, Use, base};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Guard, ImageFile, Lease, Trust, shown};
use crate::model::{Chain, Disk, DiskSource, DiskTarget, Domain, FileId, ImageFormat};
use crate::xml::domain::{self, DomainFacts};

mod below;

pub use self::below::LeasedBase;
pub(super) use self::below::{Over, alone_below};

/// Evidence that a domain was seen shut off, and that its disks are locked and
/// its alone.
///
/// While it lives, the domain cannot be started, and neither QEMU nor its
/// tools nor another vmkin can open the leased images or write to what is
/// below them. `cp`, `mv` and `dd` know no locks; nothing can be done about
/// those.
pub struct WriteGuard<'a>(Locked<'a>);

/// Disks that are locked, of which it is not known yet who else uses them.
///
/// That is asked after the locks are there: a clone that somebody begins to
/// make of one of them then has been defined, or fails.
pub struct Locked<'a> {
    host: Host<'a>,
    owner: Option<Seen>,
    disks: Vec<LeasedDisk>,
    trust: Trust,
    /// On every lower layer, once each.
    below: Vec<Guard>,
    /// Where backing files may be besides the storage pools.
    allowed: Vec<PathBuf>,
}

/// A domain that was seen shut off, and what its XML said then.
#[derive(Debug)]
pub struct Seen {
    domain: Domain,
    xml: String,
    facts: DomainFacts,
}

impl Seen {
    /// Looks at a domain.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it is not shut off.
    pub fn shut_off(host: Host<'_>, domain: &Domain) -> Result<Self> {
        host.must_be_here()?;
        ShutOff::check(host.hypervisor, domain)?;
        let xml = host.hypervisor.public_xml(domain)?;
        Ok(Self {
            domain: domain.clone(),
            facts: domain::read(&xml)?,
            xml,
        })
    }

    /// What its XML said.
    pub fn facts(&self) -> &DomainFacts {
        &self.facts
    }
}

/// An image that is ours alone to write to.
#[derive(Debug)]
pub struct LeasedDisk {
    /// As the domain has it; `None` for an image that no domain has as a disk.
    disk: Option<Disk>,
    chain: Chain,
    lease: Lease,
}

impl LeasedDisk {
    /// Its name in the domain, if a domain has it.
    pub fn target(&self) -> Option<&DiskTarget> {
        self.disk.as_ref().map(|disk| &disk.target)
    }

    /// The disk that it is, if a domain has it.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// The image, and what is below it.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The lock on the image: what writes to it asks for this.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

/// Which of a domain's disks are meant, and what is allowed there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The disks by name; empty for all that are the domain's own.
    pub targets: &'a [DiskTarget],
    /// What is allowed.
    pub allow: Allowed<'a>,
    /// Whether the file of the UEFI variables is meant too, if there is one.
    pub variables: bool,
}

/// What is allowed of the images of disks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed<'a> {
    /// Where backing files may be besides the storage pools.
    pub dirs: &'a [PathBuf],
    /// Whether they may be marked corrupt: for a check or a repair only.
    pub damaged: bool,
}

impl Allowed<'_> {
    /// Where the backing files of these disks may be.
    ///
    /// # Errors
    ///
    /// If libvirt does not answer.
    pub(super) fn trust(self, host: Host<'_>, disks: &[Disk]) -> Result<Trust> {
        let mut trust = trust_for(host.hypervisor, disks, self.dirs)?;
        if self.damaged {
            trust.take_marked_top();
        }
        Ok(trust)
    }
}

impl<'a> WriteGuard<'a> {
    /// Locks disks of a domain for writing.
    ///
    /// # Errors
    ///
    /// Those of [`Locked::domain`] and [`Locked::examine`].
    pub fn of_domain(host: Host<'a>, domain: &Domain, wanted: Wanted<'_>) -> Result<Self> {
        Self::of_seen(host, Seen::shut_off(host, domain)?, wanted)
    }

    /// The same where the domain was looked at a moment ago.
    ///
    /// # Errors
    ///
    /// Those of [`WriteGuard::of_domain`].
    pub fn of_seen(host: Host<'a>, seen: Seen, wanted: Wanted<'_>) -> Result<Self> {
        let locked = Locked::seen(host, seen, wanted)?;
        locked.examine(&Usage::read_allowing(host.hypervisor, wanted.allow.dirs)?)
    }

    /// Locks an image for writing, by its path. A domain whose disk it is must
    /// be shut off, and there may be no second one.
    ///
    /// `format` is what the user says of an image that no domain has; the XML
    /// tells of all others.
    ///
    /// # Errors
    ///
    /// Those of [`WriteGuard::of_domain`]; [`Kind::Usage`] if nobody says
    /// which format the image has.
    pub fn of_image(
        host: Host<'a>,
        path: &Path,
        format: Option<ImageFormat>,
        allow: Allowed<'_>,
    ) -> Result<Self> {
        host.must_be_here()?;
        let usage = Usage::read_allowing(host.hypervisor, allow.dirs)?;
        let file = image::ImageFile::open(path)?.id();
        let mut own = usage.of(file).iter().filter(|one| one.depth == 0);
        if let Some((one, owner)) = own.next().and_then(|one| Some((one, usage.domain(one)?))) {
            let wanted = Wanted {
                targets: std::slice::from_ref(&one.target),
                allow,
                ..Wanted::default()
            };
            return Self::of_domain(host, &owner.domain, wanted);
        }
        let format = format_of(&usage, path, format)?;
        let trust = allow.trust(host, &[])?;
        let chain = image::resolve(path, format, &trust)?;
        let locked = Locked::take(host, None, vec![(None, chain)], trust, allow.dirs)?;
        locked.examine(&Usage::read_allowing(host.hypervisor, allow.dirs)?)
    }

    /// The images that are locked.
    pub fn disks(&self) -> &[LeasedDisk] {
        &self.0.disks
    }

    /// The domain whose disks these are.
    pub fn owner(&self) -> Option<&Domain> {
        self.0.owner.as_ref().map(|owner| &owner.domain)
    }

    /// Its XML, without its secrets.
    pub fn owner_xml(&self) -> Option<&str> {
        self.0.owner.as_ref().map(|owner| owner.xml.as_str())
    }

    /// Looks once more whether the domain is shut off and what it was. To be
    /// asked last before something is done that cannot be taken back: a
    /// domain can be saved, renamed or redefined without its images being
    /// opened.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it is not.
    pub fn recheck(&self) -> Result<()> {
        self.0.recheck()
    }
}

impl<'a> Locked<'a> {
    /// Locks disks of a domain.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if the domain is not shut off, or a disk is not
    /// its own to write to; [`Kind::Busy`] if somebody has one open;
    /// [`Kind::Unsafe`] if a chain cannot be trusted, or a base is not what it
    /// was; [`Kind::NotFound`] if there is no such disk.
    pub fn domain(host: Host<'a>, domain: &Domain, wanted: Wanted<'_>) -> Result<Self> {
        Self::seen(host, Seen::shut_off(host, domain)?, wanted)
    }

    fn seen(host: Host<'a>, seen: Seen, wanted: Wanted<'_>) -> Result<Self> {
        let Seen { domain, facts, .. } = &seen;
        let trust = wanted.allow.trust(host, &facts.disks)?;
        let mut images = Vec::new();
        for disk in chosen(domain, &facts.disks, wanted.targets)? {
            let path = path_of(host.hypervisor, &disk.source)?.ok_or_else(|| not_here(disk))?;
            let chain = chain_of(disk, &path, &trust)?;
            if let Some(lineage) = &facts.lineage {
                base::base_is_as_cloned(host, lineage, &disk.target, &chain)?;
            }
            images.push((Some(disk.clone()), chain));
        }
        if let Some(nvram) = facts.nvram.as_ref().filter(|_| wanted.variables) {
            if let Some(path) = nvram.path.as_ref().filter(|path| path.exists()) {
                images.push((None, image::resolve(path, nvram.format, &trust)?));
            }
        }
        Self::take(host, Some(seen), images, trust, wanted.allow.dirs)
    }

    fn take(
        host: Host<'a>,
        owner: Option<Seen>,
        images: Vec<(Option<Disk>, Chain)>,
        trust: Trust,
        allowed: &[PathBuf],
    ) -> Result<Self> {
        no_file_twice(&images)?;
        crate::failpoint::hit("guard.checked")?;
        let mut seen = HashSet::new();
        let mut below = Vec::new();
        let mut disks = Vec::new();
        for (disk, chain) in images {
            for layer in chain.backing() {
                if seen.insert(layer.file) {
                    below.push(Guard::layer(layer)?);
                }
            }
            let lease = Lease::exclusive(&chain.top().path)
                .map_err(|error| super::mount::explained(host.store, &chain.top().path, error))?;
            disks.push(LeasedDisk { disk, chain, lease });
        }
        crate::failpoint::hit("guard.locked")?;
        Ok(Self {
            host,
            owner,
            disks,
            trust,
            below,
            allowed: allowed.to_vec(),
        })
    }

    /// Makes sure that nobody else uses the disks, and that all that was
    /// looked at before the locks were there is still so. `usage` must have
    /// been read since then.
    ///
    /// # Errors
    ///
    /// [`Kind::Protected`] if others are based on a disk, or it is sealed;
    /// [`Kind::WrongState`] if another domain has it, or the domain is not
    /// shut off any more; [`Kind::Unsafe`] if nobody can tell who uses it;
    /// [`Kind::Busy`] if an image was replaced meanwhile.
    pub fn examine(self, usage: &Usage) -> Result<WriteGuard<'a>> {
        let uuid = self.owner.as_ref().map(|owner| owner.domain.uuid);
        let owner = usage
            .domains
            .iter()
            .position(|known| Some(known.domain.uuid) == uuid);
        // Their chains are read here, by rules of their own.
        let ours: Vec<_> = self.disks.iter().map(LeasedDisk::target).collect();
        let ours = |problem: &Problem| {
            Some(problem.domain) == uuid
                && problem.target.is_some()
                && ours.contains(&problem.target.as_ref())
        };
        for disk in &self.disks {
            nobody_else(usage, owner, disk)?;
            usage.must_tell(&disk.chain.top().path, ours)?;
            disk.unchanged(&self.trust)?;
        }
        self.recheck()?;
        Ok(WriteGuard(self))
    }

    fn recheck(&self) -> Result<()> {
        let Some(Seen { domain, xml, .. }) = &self.owner else {
            return Ok(());
        };
        let name = &domain.name;
        ShutOff::check(self.host.hypervisor, domain).map_err(|error| match error.kind() {
            Kind::WrongState => error.context(format!("domain '{name}' was started meanwhile")),
            Kind::NotFound => Error::new(
                Kind::WrongState,
                format!("domain '{name}' is gone: somebody has undefined it meanwhile"),
            ),
            _ => error,
        })?;
        if self.host.hypervisor.public_xml(domain)? != *xml {
            return Err(Error::new(
                Kind::WrongState,
                format!("the definition of domain '{name}' was changed meanwhile"),
            )
            .hint("run the same command again"));
        }
        Ok(())
    }
}

impl LeasedDisk {
    /// Refuses an image that was replaced or got another chain between the
    /// first look and the lock.
    fn unchanged(&self, trust: &Trust) -> Result<()> {
        let top = self.chain.top();
        let now = match &self.disk {
            Some(disk) => chain_of(disk, &top.path, trust),
            None => image::resolve(&top.path, top.format, trust),
        }?;
        let same = self.lease.image().id() == top.file
            && now.export() == self.chain.export()
            && files(&now).eq(files(&self.chain));
        if same {
            return Ok(());
        }
        Err(Error::new(
            Kind::Busy,
            format!("{} was changed meanwhile", shown(&top.path)),
        )
        .hint("run the same command again"))
    }
}

fn files(chain: &Chain) -> impl Iterator<Item = FileId> {
    chain.layers().iter().map(|layer| layer.file)
}

/// Files that are about to be removed, and that nobody has open.
#[derive(Debug)]
pub struct RemovalGuard {
    _leases: Vec<Lease>,
}

impl RemovalGuard {
    /// Locks files that go with their domain: the removal of an image is the
    /// last of all changes to it.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`] if somebody has one open, a QEMU that libvirt does not
    /// know among them.
    pub fn take<'p>(files: impl IntoIterator<Item = &'p Path>) -> Result<Self> {
        let leases = files
            .into_iter()
            .map(Lease::exclusive)
            .filter(|lease| !matches!(lease, Err(e) if e.kind() == Kind::NotFound))
            .collect::<Result<_>>()?;
        Ok(Self { _leases: leases })
    }
}

/// Locks an image that a journal says a guarded operation was about to change
/// when its process died. That nobody else used it was seen then, and has to be
/// seen again: see [`still_alone`]. So is an overlay locked whose base gets
/// another name, which no guest can tell.
///
/// # Errors
///
/// [`Kind::Busy`] if somebody has it open.
pub(super) fn lease_again(path: &Path) -> Result<Lease> {
    Lease::exclusive(path)
}

/// Makes sure that a domain still has an image that was leased again, and that
/// nobody else has come to use it. `usage` must have been read since then.
///
/// # Errors
///
/// [`Kind::Protected`], [`Kind::WrongState`] or [`Kind::Unsafe`], as those of
/// [`Locked::examine`].
pub(super) fn still_alone(usage: &Usage, domain: &Domain, lease: &Lease) -> Result<()> {
    let (image, uuid) = (lease.image(), domain.uuid);
    let mut domains = usage.domains.iter();
    let owner = domains.position(|known| known.domain.uuid == uuid);
    not_of_others(usage, owner, None, image)?;
    usage.must_tell(image.path(), |_| false)?;
    strays_of(usage, image)?.must_tell(image.path())?;
    let mut uses = usage.of(image.id()).iter();
    if uses.any(|one| Some(one.domain) == owner && one.depth == 0) {
        return Ok(());
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "{} is no disk of domain '{}' any more",
            shown(image.path()),
            domain.name
        ),
    ))
}

/// The disk of this name.
///
/// # Errors
///
/// [`Kind::NotFound`].
pub(super) fn named<'d>(
    domain: &Domain,
    disks: &'d [Disk],
    target: &DiskTarget,
) -> Result<&'d Disk> {
    let found = disks.iter().find(|disk| disk.target == *target);
    found.ok_or_else(|| {
        let there: Vec<&str> = disks.iter().map(|disk| disk.target.as_str()).collect();
        Error::new(
            Kind::NotFound,
            format!("domain '{}' has no disk {target}", domain.name),
        )
        .hint(format!("its disks are: {}", there.join(", ")))
    })
}

/// The disks that are meant: those that were named, or else all that are the
/// domain's own.
pub(super) fn chosen<'d>(
    domain: &Domain,
    disks: &'d [Disk],
    targets: &[DiskTarget],
) -> Result<Vec<&'d Disk>> {
    let name = &domain.name;
    let mut chosen = Vec::new();
    for target in targets {
        let disk = named(domain, disks, target)?;
        let why = if disk.source == DiskSource::Empty {
            "is empty"
        } else if disk.readonly {
            "is read-only to the domain"
        } else if disk.shareable {
            "is shareable: other guests may have it open without a lock"
        } else if disk.transient {
            "is transient: nothing that is written to it stays"
        } else if !disk.is_private() {
            "is not the domain's own"
        } else {
            chosen.push(disk);
            continue;
        };
        return Err(Error::new(
            Kind::WrongState,
            format!("disk {target} of domain '{name}' {why}, and must be its own to write to"),
        ));
    }
    if targets.is_empty() {
        chosen.extend(disks.iter().filter(|disk| disk.is_private()));
    }
    if chosen.is_empty() {
        return Err(Error::new(
            Kind::WrongState,
            format!("domain '{name}' has no disk of its own"),
        ));
    }
    Ok(chosen)
}

pub(super) fn not_here(disk: &Disk) -> Error {
    Error::new(
        Kind::WrongState,
        format!(
            "disk {} is {}, and must be a file or block device of this host",
            disk.target, disk.source
        ),
    )
    .hint("leave it out: name the others with `--target`")
}

fn no_file_twice(images: &[(Option<Disk>, Chain)]) -> Result<()> {
    let mut tops = HashSet::new();
    for (_, chain) in images {
        if !tops.insert(chain.top().file) {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "two disks of the domain are the same image, {}",
                    shown(&chain.top().path)
                ),
            ));
        }
    }
    let mut below = images.iter().flat_map(|(_, chain)| chain.backing());
    match below.find(|layer| tops.contains(&layer.file)) {
        None => Ok(()),
        Some(layer) => Err(Error::new(
            Kind::WrongState,
            format!(
                "{} is a disk of the domain, and below another of its disks",
                shown(&layer.path)
            ),
        )),
    }
}

/// Refuses an image that anybody but this disk of one domain uses, whatever
/// they do now: what is shut off holds no lock, and finds another disk than it
/// left.
fn nobody_else(usage: &Usage, owner: Option<usize>, disk: &LeasedDisk) -> Result<()> {
    let top = disk.chain.top();
    let image = disk.lease.image();
    // Of what is no disk the owner's variables are meant.
    let variables = owner.filter(|_| disk.disk.is_none());
    not_of_others(usage, owner, variables, image)?;
    let mut others = usage.of(top.file).iter();
    if let Some(one) = others.find(|one| Some(&one.target) != disk.target()) {
        return Err(used_too(usage, one, &top.path));
    }
    strays_of(usage, image)?.must_tell(&top.path)?;
    if top.block {
        return Ok(());
    }
    let seal = image::seal_state(image.real_path())?;
    if seal.sealed || seal.immutable {
        let what = if seal.sealed { "sealed" } else { "immutable" };
        return Err(Error::new(
            Kind::Protected,
            format!("{} is {what}, and has no children now", shown(&top.path)),
        )
        .hint(format!(
            "if it shall have none, open it: `vmkin base unseal {}`",
            image::path_word(&top.path)
        )));
    }
    Ok(())
}

/// Refuses an image that others are known to use: domains that have it as a
/// disk or below one, or as their UEFI variables, and overlays beside it. It may
/// be the `variables` of that one domain.
pub(super) fn not_of_others(
    usage: &Usage,
    owner: Option<usize>,
    variables: Option<usize>,
    image: &ImageFile,
) -> Result<()> {
    let (path, file) = (image.path(), image.id());
    let children = usage.children_of_others(file, owner);
    base::refuse_children(path, &children, &strays_of(usage, image)?.paths)?;
    let mut users = usage.of(file).iter();
    if let Some(one) = users.find(|one| Some(one.domain) != owner) {
        return Err(used_too(usage, one, path));
    }
    let mut domains = usage.domains.iter().enumerate();
    match domains.find(|(index, known)| known.nvram == Some(file) && variables != Some(*index)) {
        None => Ok(()),
        Some((_, known)) => Err(Error::new(
            Kind::WrongState,
            format!(
                "{} holds the UEFI variables of domain '{}'",
                shown(path),
                known.domain.name
            ),
        )),
    }
}

fn strays_of(usage: &Usage, image: &ImageFile) -> Result<Strays> {
    // Where it really is: beside a link to it lie none of its overlays.
    let real = image.real_path();
    usage.strays(image.id(), real.parent().unwrap_or(real))
}

fn used_too(usage: &Usage, one: &Use, path: &Path) -> Error {
    let other = usage.domain(one);
    let name = other.map_or("?", |known| known.domain.name.as_str());
    Error::new(
        Kind::WrongState,
        format!(
            "{} is also in use as disk {} of domain '{name}', and must be in use once only",
            shown(path),
            one.target,
        ),
    )
    .hint("see what is on what: `vmkin tree`")
}

#[cfg(test)]
mod tests;
