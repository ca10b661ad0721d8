//! Opening the disks of guests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::there::chain_there;
use super::watch::Watched;
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::{self, Drive, Key};
use crate::guest::native::{Blocks, Volumes};
use crate::guest::system::System;
use crate::guest::tree::Tree;
use crate::hypervisor::Hypervisor;
use crate::image::remote::Remote;
use crate::image::{self, LockState, Trust, shown};
use crate::interrupt::Interrupt;
use crate::model::{
    Chain, DiskDevice, DiskSource, Domain, DomainRef, DomainState, Glob, ImageFormat,
};
use crate::ops::guard::Allowed;
use crate::ops::images::{chain_of, path_of};
use crate::ops::read_guard::format_of;
use crate::ops::{Host, ShutOff, Usage, trust_for};
use crate::xml::domain;

/// Which engine reads the files.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Engine {
    /// The native one; libguestfs for what that cannot read.
    #[default]
    Auto,
    /// This process, and nothing else.
    Native,
    /// libguestfs.
    Appliance,
}

/// How guests are looked into.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Which file systems are mounted where, instead of what the guest says:
    /// devices and directories.
    pub mounts: Vec<(String, String)>,
    /// The internal snapshot to look at, by name or id.
    pub snapshot: Option<String>,
    /// Whether to refuse a guest that may change meanwhile.
    pub consistent: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
    /// Which engine reads.
    pub engine: Engine,
    /// Whether a guest without an operating system is to be shown all the same, with
    /// nothing mounted.
    pub bare: bool,
    /// Keys of encrypted volumes. With one, it is libguestfs that reads.
    pub keys: Vec<Key>,
    /// Whether the user wants to stop.
    pub interrupt: Interrupt,
}

/// A guest whose disks are open for reading.
pub struct Guest {
    /// Its name: that of the domain, or of the image.
    pub name: String,
    /// Its file systems.
    pub system: System,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
    /// What the user may want to know, a sentence each.
    pub details: Vec<String>,
    /// What libvirt says of it; nothing of images that no domain is named for.
    pub facts: Option<domain::DomainFacts>,
    view: View,
    /// The disks, for libguestfs.
    drives: Vec<Drive>,
    /// Whether that reads them.
    in_appliance: bool,
    /// What is on no disk that is read, a clause each.
    absent: Vec<String>,
    /// The images that are read.
    images: Images,
    /// Whether it has been said that somebody writes to them.
    torn: bool,
    /// When it was last asked whether they have changed.
    asked: Option<Instant>,
}

/// How often it is asked whether images of another host have changed.
const BETWEEN: Duration = Duration::from_secs(5);

/// Where the images are.
enum Images {
    /// On this host.
    Here(Vec<Watched>),
    /// On another.
    There(Remote),
}

impl Images {
    /// The first that somebody writes to: who holds QEMU's locks is seen here,
    /// and on another host that an image was written to since it was opened.
    /// Where nobody can know, that matters only if it must be known.
    fn writer(&self, must_know: bool) -> Result<Option<PathBuf>> {
        let images = match self {
            Self::There(remote) => return remote.written(must_know),
            Self::Here(images) => images,
        };
        for Watched { path, .. } in images {
            match image::probe(path) {
                Ok(LockState::Writer) => return Ok(Some(path.clone())),
                Ok(_) => {}
                Err(error) if must_know || error.kind() != Kind::Environment => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// The first that is not what it was when it was opened. On another host that
    /// costs time, and is asked every few seconds.
    fn changed(&mut self, asked: &mut Option<Instant>) -> Result<Option<PathBuf>> {
        match self {
            Self::Here(images) => {
                for image in images {
                    if image.is_written()? {
                        return Ok(Some(image.path.clone()));
                    }
                }
                Ok(None)
            }
            Self::There(_) if asked.is_some_and(|at| at.elapsed() < BETWEEN) => Ok(None),
            Self::There(remote) => {
                *asked = Some(Instant::now());
                remote.written(false)
            }
        }
    }

    fn open(&self, chain: &Chain, snapshot: Option<&str>) -> Result<image::read::Disk> {
        match self {
            Self::Here(_) => image::read::open(chain, snapshot),
            Self::There(remote) => remote.open(chain, snapshot),
        }
    }
}

/// The domains that these names and patterns mean, each once.
///
/// # Errors
///
/// [`Kind::NotFound`] if a name or a pattern means none; [`Kind::Usage`] if a
/// pattern is none.
pub fn domains(hypervisor: &dyn Hypervisor, named: &[String]) -> Result<Vec<Domain>> {
    let mut all = None;
    let mut found: Vec<Domain> = Vec::new();
    for name in named {
        for domain in like(hypervisor, name, &mut all)? {
            if !found.iter().any(|other| other.uuid == domain.uuid) {
                found.push(domain);
            }
        }
    }
    Ok(found)
}

/// The same for each by itself.
pub fn domains_of_each(hypervisor: &dyn Hypervisor, named: &[&str]) -> Vec<Result<Vec<Domain>>> {
    let mut all = None;
    let each = named.iter().map(|name| like(hypervisor, name, &mut all));
    each.collect()
}

/// The domain of this name, or those like this pattern. All domains are listed for
/// the first pattern, and kept for the others.
fn like(
    hypervisor: &dyn Hypervisor,
    name: &str,
    all: &mut Option<Vec<Domain>>,
) -> Result<Vec<Domain>> {
    if !Glob::is_pattern(name) {
        let which: DomainRef = name
            .parse()
            .map_err(|why| Error::new(Kind::Usage, format!("'{name}' is no domain: {why}")))?;
        return Ok(vec![hypervisor.find(&which)?]);
    }
    let glob: Glob = name
        .parse()
        .map_err(|why| Error::new(Kind::Usage, format!("'{name}' is no pattern: {why}")))?;
    let all = match all {
        Some(all) => all,
        none => {
            let mut domains = hypervisor.domains()?;
            domains.sort_by(|one, other| one.name.cmp(&other.name));
            none.insert(domains)
        }
    };
    let like = all.iter().filter(|domain| glob.matches(&domain.name));
    let like: Vec<Domain> = like.cloned().collect();
    // That a host has no domains at all is no mistake of the user's.
    if like.is_empty() && name != "*" {
        return Err(
            Error::new(Kind::NotFound, format!("no domain is named like '{name}'"))
                .hint("see which there are: `vmkin list --all`"),
        );
    }
    Ok(like)
}

impl Guest {
    /// Opens the disks of a domain.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it has none that can be read, or if it is not
    /// shut off and the view must be consistent; [`Kind::Unsafe`] if a chain
    /// cannot be trusted; [`Kind::Environment`] if an image may not be read.
    pub fn of_domain(host: Host<'_>, domain: &Domain, view: &View) -> Result<Self> {
        let remote = (!host.hypervisor.is_local()).then(Remote::default);
        if view.consistent {
            ShutOff::check(host.hypervisor, domain)?;
        }
        let state = host.hypervisor.status(domain)?.state;
        let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
        let allow = Allowed {
            dirs: &view.allow_dirs,
            damaged: false,
        };
        let trust = allow.trust(host, &facts.disks)?;
        let mut disks = Vec::new();
        let mut problems = Vec::new();
        for disk in &facts.disks {
            let is_disk = matches!(disk.device, DiskDevice::Disk | DiskDevice::Lun);
            if !is_disk || disk.source == DiskSource::Empty {
                continue;
            }
            let name = disk.target.to_string();
            match path_of(host.hypervisor, &disk.source)? {
                Some(path) => {
                    let chain = match &remote {
                        None => chain_of(disk, &path, &trust)?,
                        Some(remote) => chain_there(host.hypervisor, remote, disk, &path, &trust)?,
                    };
                    disks.push((name, chain));
                }
                None => problems.push(format!("disk {name} is no image on this host")),
            }
        }
        let images = match remote {
            None => here(&disks),
            Some(remote) => Images::There(remote),
        };
        let mut guest = Self::open(domain.name.clone(), disks, images, view)?;
        guest.system.problems.extend(problems.iter().cloned());
        guest.absent = problems;
        guest.facts = Some(facts);
        match state {
            DomainState::ShutOff => {}
            DomainState::Saved => guest.warnings.push(format!(
                "Domain '{}' is saved: its files may be older than its memory.",
                domain.name
            )),
            state => guest.warn_of_writer(&format!("Domain '{}' is {state}", domain.name)),
        }
        Ok(guest)
    }

    /// Opens images as the disks of one guest. What they are, is for the user to
    /// say or for the domain that has them.
    ///
    /// # Errors
    ///
    /// Those of [`Guest::of_domain`]; [`Kind::Usage`] if nobody says which format
    /// an image has.
    pub fn of_images(
        connect: &dyn Fn() -> Result<Box<dyn Hypervisor>>,
        paths: &[PathBuf],
        format: Option<ImageFormat>,
        view: &View,
    ) -> Result<Self> {
        let mut disks = Vec::new();
        for (index, path) in paths.iter().enumerate() {
            let letter = u8::try_from(index)
                .ok()
                .and_then(|index| b'a'.checked_add(index));
            let letter = letter
                .filter(u8::is_ascii_lowercase)
                .ok_or_else(|| Error::new(Kind::Usage, "a guest has no more than 26 disks"))?;
            let chain = chain_of_image(connect, path, format, view)?;
            disks.push((format!("sd{}", char::from(letter)), chain));
        }
        let name = paths.first().and_then(|path| path.file_name());
        let name = name.map(|name| name.to_string_lossy().into_owned());
        let images = here(&disks);
        Self::open(name.unwrap_or_default(), disks, images, view)
    }

    /// Opens disks that nobody else can write to, for their locks are ours.
    ///
    /// # Errors
    ///
    /// Those of [`Guest::of_domain`], but for its state.
    pub(in crate::ops) fn of_locked(
        name: String,
        disks: Vec<(String, Chain)>,
        view: &View,
    ) -> Result<Self> {
        // Our own locks would look like those of a writer.
        let images = Images::Here(Vec::new());
        Self::open(name, disks, images, view)
    }

    fn open(
        name: String,
        disks: Vec<(String, Chain)>,
        images: Images,
        view: &View,
    ) -> Result<Self> {
        if disks.is_empty() {
            return Err(Error::new(
                Kind::WrongState,
                format!("'{name}' has no disk that can be read"),
            ));
        }
        // Images of another host have just been looked at for the first time.
        let writer = match &images {
            Images::There(_) if !view.consistent => None,
            images => images.writer(view.consistent)?,
        };
        if let Some(image) = writer.as_ref().filter(|_| view.consistent) {
            return Err(Error::new(
                Kind::WrongState,
                format!("{} is being written to, and must not be", shown(image)),
            )
            .hint("leave `--consistent` out to read it all the same"));
        }
        let mut volumes = Vec::new();
        for (target, chain) in &disks {
            let disk = images.open(chain, view.snapshot.as_deref())?;
            let disk: Arc<dyn Blocks> = Arc::new(disk);
            volumes.push((target.clone(), disk));
        }
        let mut guest = Self {
            system: System::open(&Volumes::find(&volumes)),
            warnings: Vec::new(),
            details: Vec::new(),
            facts: None,
            view: view.clone(),
            drives: Drive::all_of(&disks),
            in_appliance: false,
            absent: Vec::new(),
            torn: false,
            asked: None,
            images,
            name,
        };
        if let Some(image) = writer {
            guest.warn_of_writer(&format!("{} is being written to", shown(&image)));
        }
        match (view.engine, view.keys.as_slice()) {
            (Engine::Appliance, _) => guest.use_appliance("it was asked for")?,
            (Engine::Auto, [_, ..]) => guest.use_appliance("there is a key")?,
            _ => {}
        }
        Ok(guest)
    }

    /// Has libguestfs read from now on.
    fn use_appliance(&mut self, why: &str) -> Result<()> {
        if self.view.snapshot.is_some() {
            return Err(
                Error::new(Kind::Usage, "libguestfs reads no internal snapshots")
                    .hint("leave `--engine` and `--key` out, or `--snapshot`"),
            );
        }
        self.must_be_here()?;
        let mut system = appliance::open(&self.drives, &self.view.keys, &self.view.interrupt)?;
        system.learn_from(&self.system);
        system.problems.extend(self.absent.iter().cloned());
        self.system = system;
        self.in_appliance = true;
        let said = format!("{}: read with libguestfs: {why}.", self.name);
        self.details.push(said);
        Ok(())
    }

    /// The file tree: what the user mounts, or what the guest does.
    ///
    /// # Errors
    ///
    /// Those of [`System::tree`] and [`System::tree_of`].
    pub fn tree(&mut self) -> Result<Tree> {
        match self.tree_by_any() {
            Err(error) if self.view.bare && error.kind() == Kind::WrongState => {
                self.warnings
                    .push(format!("{}: {error}; nothing is mounted.", self.name));
                Ok(Tree::default())
            }
            other => other,
        }
    }

    fn tree_by_any(&mut self) -> Result<Tree> {
        let problems = self.system.problems.len();
        let error = match self.tree_now() {
            Err(error) if self.view.engine == Engine::Auto && !self.in_appliance => error,
            other => return other,
        };
        if !self.system.takes_kernel() {
            return Err(error);
        }
        if self.is_elsewhere() {
            return Err(error.hint("libguestfs has to run where the images are: run vmkin there"));
        }
        self.system.problems.truncate(problems);
        match self.use_appliance(&error.to_string()) {
            Ok(()) => self.tree_now(),
            // Why it was asked for at all is a part of it.
            Err(other) => Err(other.part(error.to_string())),
        }
    }

    /// Refuses images that libguestfs cannot get at.
    pub(super) fn must_be_here(&self) -> Result<()> {
        if !self.is_elsewhere() {
            return Ok(());
        }
        Err(Error::new(
            Kind::WrongState,
            format!(
                "the images of '{}' are on another host, and libguestfs reads those of this one \
                 only",
                self.name
            ),
        )
        .hint("run vmkin on that host"))
    }

    /// Whether the user wants to stop.
    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.view.interrupt
    }

    /// The disks, for libguestfs.
    pub(super) fn drives(&self) -> Vec<Drive> {
        self.drives.clone()
    }

    /// The images of its disks, by what those are called.
    pub fn chains(&self) -> impl Iterator<Item = (&str, &Chain)> {
        let drives = self.drives.iter();
        drives.map(|drive| (drive.name.as_str(), &drive.chain))
    }

    /// Whether its images are on another host.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.images, Images::There(_))
    }

    /// Warns of somebody who writes. Two warnings of one thing are no better.
    fn warn_of_writer(&mut self, what: &str) {
        if !std::mem::replace(&mut self.torn, true) {
            self.warnings.push(format!(
                "{what}: what is read may be old in one part and new in another."
            ));
        }
    }

    fn tree_now(&mut self) -> Result<Tree> {
        if self.view.mounts.is_empty() {
            self.system.tree()
        } else {
            self.system.tree_of(&self.view.mounts)
        }
    }

    /// Its images, from the top of each disk down; none where they are elsewhere.
    pub fn images(&self) -> Vec<PathBuf> {
        match &self.images {
            Images::Here(images) => images.iter().map(|image| image.path.clone()).collect(),
            Images::There(_) => Vec::new(),
        }
    }

    /// Whether somebody wrote to the disks when they were opened, which was told.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// Looks whether the disks are what they were when they were opened, after
    /// something was read. Those that somebody wrote to then are left at that.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`] if not.
    pub fn must_be_unchanged(&mut self) -> Result<()> {
        if self.torn {
            return Ok(());
        }
        match self.images.changed(&mut self.asked)? {
            None => Ok(()),
            Some(image) => Err(Error::new(
                Kind::Busy,
                format!("{} was written to, or replaced", shown(&image)),
            )),
        }
    }

    /// Looks whether somebody has begun to write to the disks since they were
    /// opened. To be called after everything was read.
    ///
    /// # Errors
    ///
    /// [`Kind::Busy`] if so, and the view must be consistent.
    pub fn finish(&mut self) -> Result<()> {
        if self.torn {
            return Ok(());
        }
        let Some(image) = self.images.writer(self.view.consistent)? else {
            return Ok(());
        };
        let what = format!("{} was written to while it was read", shown(&image));
        if self.view.consistent {
            return Err(Error::new(Kind::Busy, what).hint("run the same command again"));
        }
        self.warn_of_writer(&what);
        Ok(())
    }
}

/// The images of these disks, which are files of this host.
fn here(disks: &[(String, Chain)]) -> Images {
    let layers = disks.iter().flat_map(|(_, chain)| chain.layers());
    Images::Here(layers.map(|layer| Watched::new(&layer.path)).collect())
}

/// The chain of an image. If the user says which format it has, and it is based
/// on nothing that only libvirt can vouch for, libvirt is not asked.
fn chain_of_image(
    connect: &dyn Fn() -> Result<Box<dyn Hypervisor>>,
    path: &Path,
    format: Option<ImageFormat>,
    view: &View,
) -> Result<Chain> {
    let own = Trust::new(&view.allow_dirs, Vec::<PathBuf>::new());
    if let Some(format) = format {
        match image::resolve(path, format, &own) {
            Err(error) if error.kind() == Kind::Unsafe => {
                // Libvirt may know the directory; the first error is the better
                // one if it cannot be asked.
                let hypervisor = match connect() {
                    Ok(hypervisor) if hypervisor.is_local() => hypervisor,
                    // What another host trusts, says nothing about files here.
                    _ => return Err(error),
                };
                let trust = trust_for(hypervisor.as_ref(), &[], &view.allow_dirs)?;
                return image::resolve(path, format, &trust);
            }
            other => return other,
        }
    }
    let hypervisor = connect()?;
    if !hypervisor.is_local() {
        return Err(Error::new(
            Kind::Usage,
            format!(
                "{} is an image of this host, of which {} does not know the format",
                shown(path),
                hypervisor.uri()
            ),
        )
        .hint("say which it has: `--format qcow2`, or `--format raw`; a guest of that host is named by `-d`"));
    }
    let usage = Usage::read_allowing(hypervisor.as_ref(), &view.allow_dirs)?;
    let format = format_of(&usage, path, None)?;
    let trust = trust_for(hypervisor.as_ref(), &[], &view.allow_dirs)?;
    image::resolve(path, format, &trust)
}
