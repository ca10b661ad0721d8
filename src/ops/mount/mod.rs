//! The files of a guest on a directory of this host.
//!
//! A process stays behind a mount and serves it ([`read_only`], [`writable`]); it
//! is on record as long as it does (`store`), so that others find it. Whoever
//! unmounts waits for its end, and says how that was.
//!
//! Nothing is locked for a mount that is read, as for all else that reads; but
//! each answer is followed by a look whether the images are what they were.

mod list;
mod point;
mod unmount;
mod writable;

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::Observer;
use super::guest::Guest;
use crate::error::{Error, Kind, Result};
use crate::guest::fuse::{Hooks, Mount, Options};
use crate::guest::tree::Tree;
use crate::image::path_word;
use crate::interrupt::Interrupt;
use crate::store::{FoundMount, MountRecord, Store};

pub use self::list::{Listed, State, list};
pub(super) use self::list::{explained, must_not_be_writable};
pub use self::unmount::{Ended, Unmounted, Unmounting, Which, find, unmount};
pub use self::writable::writable;

/// What those who serve mounts work with.
#[derive(Clone, Copy)]
pub struct Serving<'a> {
    /// The number that the mount gets on record.
    pub id: Uuid,
    /// Where the record is.
    pub store: &'a Store,
    /// Whether it is to end.
    pub interrupt: &'a Interrupt,
    /// Who is told how it goes.
    pub observer: &'a dyn Observer,
    /// Called as soon as it is mounted. If this fails, it is unmounted.
    pub ready: &'a dyn Fn(&MountRecord) -> Result<()>,
}

/// Where a guest is mounted, and for whom.
#[derive(Clone, Debug)]
pub struct Place {
    /// An empty directory, by its whole path.
    pub dir: PathBuf,
    /// Who may do what there.
    pub access: Access,
}

/// Who may do what with what is mounted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// Whether others than who mounts it may look into it.
    pub allow_other: bool,
    /// Whether nothing there may be run.
    pub no_exec: bool,
}

impl Place {
    /// A directory that a guest can be mounted on. What is left there of a mount
    /// that nobody serves any more is unmounted, unless this is only a rehearsal.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if it is not there; [`Kind::WrongState`] if it is no
    /// empty directory; [`Kind::Exists`] if something is mounted there.
    pub fn find(store: &Store, dir: &Path, access: Access, rehearsal: bool) -> Result<Self> {
        let dir = point::whole(dir).map_err(|error| match error.kind() {
            Kind::NotFound => error.hint(format!("make it: `mkdir -p {}`", path_word(dir))),
            _ => error,
        })?;
        let stale = store.mounts()?.into_iter();
        let mut stale = stale.filter(|found| !found.is_served && found.record.dir == dir);
        let found = stale.next();
        let dead = point::on(&dir)?.is_some_and(|mounted| mounted.is_ours());
        if found.is_some() && dead && rehearsal {
            return Ok(Self { dir, access });
        }
        if let Some(found) = found.filter(|_| !rehearsal) {
            tidy(store, &found)?;
            stale.try_for_each(|found| store.forget_mount(found.id))?;
        }
        point::must_be_free(&dir)?;
        Ok(Self { dir, access })
    }

    fn options(&self, guest: &str) -> Options {
        Options {
            source: source(guest),
            allow_other: self.access.allow_other,
            no_exec: self.access.no_exec,
        }
    }
}

impl Place {
    /// The options of the mount for libguestfs, in the words of mount(8).
    fn words(&self, guest: &str) -> String {
        let mut words = format!("nosuid,nodev,subtype=vmkin,fsname={}", source(guest));
        if self.access.allow_other {
            words.push_str(",allow_other,default_permissions");
        }
        if self.access.no_exec {
            words.push_str(",noexec");
        }
        words
    }
}

/// What a guest is mounted from, as the kernel shows it.
fn source(guest: &str) -> String {
    // A comma would begin another option.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name = guest.chars().map(|c| if plain(c) { c } else { '_' });
    format!("vmkin:{}", name.collect::<String>())
}

/// Unmounts what nobody serves any more, and takes it off the record.
fn tidy(store: &Store, found: &FoundMount) -> Result<()> {
    let dir = &found.record.dir;
    if point::on(dir)?.is_some_and(|mounted| mounted.is_ours()) {
        // Who uses it gets nothing but errors.
        point::unmount(dir, true)?;
    }
    store.forget_mount(found.id)
}

/// Mounts a guest for reading, and serves it until it is unmounted.
///
/// # Errors
///
/// Those of [`Guest::finish`], of [`Mount::on`] and of `ready`.
pub fn read_only(
    guest: &mut Guest,
    tree: &Tree,
    domain: Option<Uuid>,
    place: &Place,
    serving: Serving<'_>,
) -> Result<()> {
    guest.finish()?;
    let mut record = MountRecord::new(place.dir.clone(), guest.name.clone());
    record.domain = domain;
    record.images = guest.images();
    let mount = Mount::on(&place.dir, &place.options(&guest.name))?;
    (serving.ready)(&record)?;
    let served = serving.store.begin_mount(serving.id, &record)?;
    let said = |what: &str| serving.observer.warning(what);
    let ended = mount.serve(
        tree,
        Hooks {
            check: &mut || guest.must_be_unchanged(),
            tell: &said,
            interrupt: serving.interrupt,
        },
    );
    let ended = match ended {
        Err(error) if error.kind() == Kind::Busy => point::unmount(&place.dir, true),
        // To end is all that it was asked for.
        Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Terminated) => Ok(()),
        other => other,
    };
    served.forget();
    ended
}

/// The error for a mount that ended with an error in another process.
fn failed(code: u8, message: &str, hints: &[String]) -> Error {
    let kind = Kind::of_exit_code(code).unwrap_or(Kind::NotUndone);
    let error = Error::new(kind, message);
    let hints = hints.iter().cloned();
    hints.fold(error, Error::hint)
}
