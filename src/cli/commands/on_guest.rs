//! What the commands that read guests' files have in common.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::cli::fleet::Of;
use crate::cli::session::{Session, batch_result};
use crate::cli::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::Key;
use crate::guest::tree::Tree;
use crate::hypervisor::Hypervisor;
use crate::image::path_word;
use crate::model::{Domain, Glob, ImageFormat};
use crate::ops::guest::{self, Guest, View, domains};
use crate::ops::write::Writing;
use crate::ops::{Host, Observer as _};

/// The guests whose files are read.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct OnGuest {
    /// Guests, by name, UUID or id of the domain, or by a pattern such as 'web-*'; may be repeated
    #[arg(short, long, value_name = "DOMAIN", conflicts_with = "add")]
    pub(super) domain: Vec<String>,

    /// An image, by its path; several are the disks of one guest
    #[arg(short, long, value_name = "IMAGE")]
    pub(super) add: Vec<PathBuf>,

    /// The format of images that no domain has
    #[arg(long, value_name = "FORMAT", requires = "add")]
    format: Option<ImageFormat>,

    /// Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts
    #[arg(short, long, value_name = "DEVICE[:DIR]")]
    mount: Vec<MountOption>,

    /// Look at an internal snapshot of the images
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,

    /// Refuse a guest that is not shut off, or is written to meanwhile
    #[arg(long)]
    consistent: bool,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// What reads the disks; libguestfs takes seconds, and is asked where vmkin cannot
    #[arg(
        long,
        value_name = "ENGINE",
        default_value = "auto",
        hide_default_value = true
    )]
    engine: Engine,

    /// The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or 'all', and '-' for standard input
    #[arg(long, value_name = "KEY")]
    key: Vec<Key>,
}

/// What reads the disks.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    /// vmkin, or libguestfs for what it cannot read
    Auto,
    /// vmkin itself
    Native,
    /// libguestfs
    Appliance,
}

/// A device, and where it is mounted.
#[derive(Clone, Debug)]
pub(super) struct MountOption(String, String);

impl FromStr for MountOption {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let (device, at) = text.split_once(':').unwrap_or((text, "/"));
        if device.is_empty() || !at.starts_with('/') {
            return Err(
                "it must be a device, or a device and an absolute directory: /dev/sda1:/boot",
            );
        }
        Ok(Self(device.to_owned(), at.to_owned()))
    }
}

impl MountOption {
    /// The device, and the directory.
    pub(super) fn pair(&self) -> (String, String) {
        (self.0.clone(), self.1.clone())
    }
}

impl OnGuest {
    /// How they are looked into.
    pub(super) fn view(&self, session: &Session<'_>) -> Result<View> {
        let engine = match self.engine {
            Engine::Auto => guest::Engine::Auto,
            Engine::Native => guest::Engine::Native,
            Engine::Appliance => guest::Engine::Appliance,
        };
        if engine == guest::Engine::Native && !self.key.is_empty() {
            return Err(
                Error::new(Kind::Usage, "only libguestfs opens what is encrypted")
                    .hint("leave `--engine native` out, or `--key`"),
            );
        }
        let mounts = self.mount.iter();
        Ok(View {
            mounts: mounts.map(MountOption::pair).collect(),
            snapshot: self.snapshot.clone(),
            consistent: self.consistent,
            allow_dirs: self.allow_dir.clone(),
            engine,
            bare: false,
            keys: self.key.clone(),
            interrupt: session.interrupt().clone(),
        })
    }

    /// Whether the user named any guest.
    pub(super) fn is_given(&self) -> bool {
        !self.domain.is_empty() || !self.add.is_empty()
    }

    /// The images as they are named in another command, if images are named.
    pub(super) fn images_as_typed(&self) -> Option<String> {
        if self.add.is_empty() {
            return None;
        }
        let word = |path: &PathBuf| format!("-a {}", path_word(path));
        let mut words: Vec<String> = self.add.iter().map(word).collect();
        words.extend(self.format.map(|format| format!("--format {format}")));
        Some(words.join(" "))
    }

    /// Whether more than one guest may be meant.
    pub(super) fn may_be_several(&self) -> bool {
        self.domain.len() > 1 || self.domain.iter().any(|name| Glob::is_pattern(name))
    }

    /// Refuses to go on if no guest is named.
    pub(super) fn must_be_given(&self) -> Result<()> {
        if self.is_given() {
            return Ok(());
        }
        Err(Error::new(Kind::Usage, "no guest is named")
            .hint("name a domain: `-d NAME`; or an image: `-a IMAGE --format qcow2`"))
    }

    /// Opens the only guest that is meant, and tells which domain it is, if any.
    pub(super) fn only(&self, session: &Session<'_>) -> Result<(Guest, Option<Domain>)> {
        self.must_be_given()?;
        let view = self.view(session)?;
        if !self.add.is_empty() {
            let connect = || -> Result<Box<dyn Hypervisor>> { Ok(Box::new(session.connect()?)) };
            let guest = Guest::of_images(&connect, &self.add, self.format, &view)?;
            return Ok((guest, None));
        }
        let hypervisor = session.connect()?;
        let host = session.host(&hypervisor);
        let domain = only_domain(&hypervisor, &self.domain)?;
        let guest = Guest::of_domain(host, &domain, &view)?;
        Ok((guest, Some(domain)))
    }

    /// Locks the only guest that is meant for writing, and tells which domain it is.
    pub(super) fn writing<'h>(
        &self,
        session: &Session<'_>,
        host: Host<'h>,
    ) -> Result<(Writing<'h>, Option<Domain>)> {
        let view = self.view(session)?;
        let reads = [
            ("--snapshot", self.snapshot.is_some()),
            ("--engine native", view.engine == guest::Engine::Native),
        ];
        if let Some((option, _)) = reads.iter().find(|(_, given)| *given) {
            let what = format!(
                "what is written to is the guest as it is now, by libguestfs, and `{option}` is for what is read"
            );
            return Err(
                Error::new(Kind::Usage, what).hint(format!("leave `{option}` out, or `--rw`"))
            );
        }
        match self.add.as_slice() {
            [] => {
                let domain = only_domain(host.hypervisor, &self.domain)?;
                let writing = Writing::of_domain(host, &domain, &view)?;
                Ok((writing, Some(domain)))
            }
            [image] => {
                let writing = Writing::of_image(host, image.clone(), self.format, &view)?;
                Ok((writing, None))
            }
            _ => Err(
                Error::new(Kind::Usage, "of images, one can be written to at a time")
                    .hint("name a domain that has them as its disks: `-d NAME`"),
            ),
        }
    }

    /// Opens each guest and does something with it, several at a time, and hands
    /// the results over in the order of the guests. It goes on when one fails.
    /// `what` is what is done, as in "could not be read".
    pub(super) fn each<T: Send>(
        &self,
        ui: &Ui,
        session: &Session<'_>,
        what: &str,
        act: &(dyn Fn(&mut Guest) -> Result<T> + Sync),
        take: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        self.each_of((THREADS, true), ui, session, what, act, take)
    }

    /// The same, one guest after the other, for what prints while it reads.
    pub(super) fn one_by_one<T: Send>(
        &self,
        ui: &Ui,
        session: &Session<'_>,
        what: &str,
        act: &(dyn Fn(&mut Guest) -> Result<T> + Sync),
        take: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        self.each_of((1, true), ui, session, what, act, take)
    }

    /// The same as [`Self::each`], once more: what is to be said was said.
    pub(super) fn again<T: Send>(
        &self,
        ui: &Ui,
        session: &Session<'_>,
        what: &str,
        act: &(dyn Fn(&mut Guest) -> Result<T> + Sync),
        take: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        self.each_of((THREADS, false), ui, session, what, act, take)
    }

    /// Opens one guest alone, and does something with it.
    pub(super) fn alone(
        &self,
        ui: &Ui,
        session: &Session<'_>,
        view: &View,
        act: &mut dyn FnMut(&mut Guest) -> Result<()>,
    ) -> Result<()> {
        if !self.add.is_empty() {
            let mut guest = self.of_images(session, view)?;
            return act_alone(ui, &mut guest, act);
        }
        let hypervisor = session.connect()?;
        let host = session.host(&hypervisor);
        let mut guest = Guest::of_domain(host, &only_domain(host.hypervisor, &self.domain)?, view)?;
        act_alone(ui, &mut guest, act)
    }

    fn of_images(&self, session: &Session<'_>, view: &View) -> Result<Guest> {
        let connect = || -> Result<Box<dyn Hypervisor>> { Ok(Box::new(session.connect()?)) };
        Guest::of_images(&connect, &self.add, self.format, view)
    }

    /// The only guest that is meant, to be changed.
    pub(super) fn one_to_change(&self, host: Host<'_>) -> Result<ToChange> {
        match self.add.as_slice() {
            [] => Ok(ToChange::Domain(only_domain(
                host.hypervisor,
                &self.domain,
            )?)),
            [image] => {
                // It stays the same wherever the user goes.
                let path = std::path::absolute(image);
                let path = path.map_err(|e| Error::io("the directory of the host is gone", e))?;
                Ok(ToChange::Image(path, self.format))
            }
            _ => Err(Error::new(
                Kind::Usage,
                "of images that no domain has, one can be changed at a time",
            )),
        }
    }

    fn each_of<T: Send>(
        &self,
        (at_once, tells): (usize, bool),
        ui: &Ui,
        session: &Session<'_>,
        what: &str,
        act: &(dyn Fn(&mut Guest) -> Result<T> + Sync),
        mut take: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let view = self.view(session)?;
        if !self.add.is_empty() {
            let mut guest = self.of_images(session, &view)?;
            let (result, said) = done(&mut guest, act);
            if tells {
                tell(ui, session, &said);
            }
            return result.and_then(take);
        }
        let fleet = session.fleet()?;
        let everybody = ["*".to_owned()];
        let named = match self.domain.as_slice() {
            [] => &everybody[..],
            named => named,
        };
        let found = fleet.guests(named)?;
        let mut failed = Vec::new();
        let mut well = 0_usize;
        for some in found.chunks(at_once) {
            session.check()?;
            let open = |of: &Of<Domain>| Guest::of_domain(fleet.host_of(of)?, &of.what, &view);
            let one = |of: &Of<Domain>| match open(of) {
                Ok(mut guest) => {
                    guest.name = of.shown(&guest.name);
                    done(&mut guest, act)
                }
                Err(error) => (Err(error), Said::default()),
            };
            let results: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = some
                    .iter()
                    .map(|domain| scope.spawn(move || one(domain)))
                    .collect();
                threads.into_iter().map(|thread| thread.join()).collect()
            });
            for (domain, result) in some.iter().zip(results) {
                let (result, said) = result.unwrap_or_else(|_| {
                    let error = Error::new(Kind::Unsafe, "its disks make no sense");
                    (Err(error), Said::default())
                });
                if tells {
                    tell(ui, session, &said);
                }
                match result.and_then(&mut take) {
                    Ok(()) => well += 1,
                    Err(error) => failed.push((domain.shown(&domain.what.name), error)),
                }
            }
        }
        fleet.with_lost(batch_result(failed, well, what))
    }
}

/// A guest that is to be changed.
pub(super) enum ToChange {
    Domain(Domain),
    Image(PathBuf, Option<ImageFormat>),
}

impl ToChange {
    /// Locks its disks, and looks into them.
    pub(super) fn lock<'a>(&self, host: Host<'a>, view: &View) -> Result<Writing<'a>> {
        match self {
            Self::Domain(domain) => Writing::of_domain(host, domain, view),
            Self::Image(path, format) => Writing::of_image(host, path.clone(), *format, view),
        }
    }
}

/// How many guests are read at once: each has its disks open.
const THREADS: usize = 4;

/// What is to be said about a guest.
#[derive(Default)]
struct Said {
    warnings: Vec<String>,
    details: Vec<String>,
}

/// The only domain that is meant.
pub(super) fn only_domain(hypervisor: &dyn Hypervisor, named: &[String]) -> Result<Domain> {
    let mut found = domains(hypervisor, named)?;
    match (found.pop(), found.len()) {
        (Some(domain), 0) => Ok(domain),
        (_, more) => {
            let what = format!("{} domains are meant, and must be one", more + 1);
            Err(Error::new(Kind::Usage, what))
        }
    }
}

/// Says what there is to be said about a guest that was opened.
pub(super) fn tell_about(ui: &Ui, session: &Session<'_>, guest: &Guest) {
    tell(ui, session, &said(guest));
}

fn act_alone(
    ui: &Ui,
    guest: &mut Guest,
    act: &mut dyn FnMut(&mut Guest) -> Result<()>,
) -> Result<()> {
    let result = act(guest);
    // What there was to say before was said.
    let known = guest.warnings.len();
    let result = result.and_then(|()| guest.finish());
    for warning in guest.warnings.iter().skip(known) {
        ui.warning(warning);
    }
    result
}

fn done<T>(guest: &mut Guest, act: &(dyn Fn(&mut Guest) -> Result<T> + Sync)) -> (Result<T>, Said) {
    let result = act(guest);
    let result = result.and_then(|value| guest.finish().map(|()| value));
    (result, said(guest))
}

fn said(guest: &Guest) -> Said {
    let mut warnings = guest.warnings.clone();
    let problems = guest.system.problems.iter();
    warnings.extend(problems.map(|problem| format!("{}: {problem}.", guest.name)));
    let replayed = guest.system.replayed();
    let details = replayed.map(|device| {
        format!(
            "{}: {device} was not closed well; its journal was replayed in memory.",
            guest.name
        )
    });
    let mut details: Vec<String> = details.collect();
    details.extend(guest.details.iter().cloned());
    Said { warnings, details }
}

fn tell(ui: &Ui, session: &Session<'_>, said: &Said) {
    for warning in &said.warnings {
        ui.warning(warning);
    }
    if session.is_verbose() {
        for detail in &said.details {
            ui.note(detail);
        }
    }
}

/// The file tree of a guest, and what else a command asks of it.
pub(super) fn in_tree<T>(guest: &mut Guest, act: impl FnOnce(&Tree) -> Result<T>) -> Result<T> {
    let tree = guest.tree()?;
    act(&tree)
}

/// Prints paths as they are, each with a NUL behind it.
pub(super) fn null_terminated<'a>(ui: &Ui, paths: impl Iterator<Item = &'a [u8]>) -> Result<()> {
    let sink = ui.sink();
    for path in paths {
        sink.write(path)?;
        sink.write(b"\0")?;
    }
    sink.close()
}

/// A path of a guest as text, and as hexadecimal digits where that loses
/// something.
pub(super) fn path_text(path: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(path) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            String::from_utf8_lossy(path).into_owned(),
            Some(path.iter().map(|byte| format!("{byte:02x}")).collect()),
        ),
    }
}
