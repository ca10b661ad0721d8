//! What to do, and in which order. Nothing here prints or asks.

pub mod base;
pub mod blueprint;
pub mod build;
pub mod clone;
pub mod customize;
pub mod delete;
pub mod disk;
pub mod doctor;
pub mod export;
pub mod flatten;
pub mod guard;
pub mod guest;
pub mod identity;
mod images;
pub mod import;
pub mod kvm;
pub mod lifecycle;
pub mod list;
pub mod migrate;
pub mod mount;
mod new_image;
pub mod promote;
pub mod prune;
pub mod read_guard;
pub mod recover;
mod relayer;
pub mod rescue;
pub mod reservations;
pub mod reset;
pub mod saved;
mod shut_off;
pub mod snapshot;
#[cfg(test)]
mod testing;
mod threads;
pub mod tree;
mod usage;
pub mod wait;
pub mod write;

use crate::error::{Error, Kind, Result};
use crate::hypervisor::Hypervisor;
use crate::interrupt::Interrupt;
use crate::store::Store;

pub use self::images::{path_of, trust_for};
pub use self::lifecycle::start_clones;
pub use self::shut_off::ShutOff;
pub use self::usage::{KnownDomain, Problem, Strays, Usage, Use};

/// What an operation works with.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// The hypervisor.
    pub hypervisor: &'a dyn Hypervisor,
    /// What is remembered between runs.
    pub store: &'a Store,
    /// Whether the user wants to stop.
    pub interrupt: &'a Interrupt,
    /// Who is told how it goes.
    pub observer: &'a dyn Observer,
}

impl Host<'_> {
    /// Refuses to work with image files where the domains are on another host:
    /// a file of the same name here is not theirs.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if they are.
    fn must_be_here(&self) -> Result<()> {
        if self.hypervisor.is_local() {
            return Ok(());
        }
        Err(self.elsewhere("whose image files cannot be worked with from here"))
    }

    /// The error for what is done on this host alone. `why` ends the sentence.
    fn elsewhere(&self, why: &str) -> Error {
        let uri = self.hypervisor.uri();
        let what = format!("{uri} is another host, {why}");
        let error = Error::new(Kind::Environment, what).hint("run vmkin on that host");
        if uri.contains("socket=") {
            return error.hint(
                "if it is this one, leave the socket out: `-c qemu:///system`; the daemon behind \
                 another socket counts only if it has this host's UUID",
            );
        }
        error
    }

    /// Tells which signal it was that stopped a step: the step knows only that
    /// there was one.
    fn stopped_by(&self, error: Error) -> Error {
        if error.kind() == Kind::Interrupted {
            return error.with_kind(self.interrupt.error().kind());
        }
        error
    }

    /// Has libvirt look again which volumes these pools have. That it does not
    /// is no reason to undo anything.
    fn refresh_pools(&self, names: &[String]) {
        for name in names {
            if let Err(error) = self.hypervisor.refresh_pool(name) {
                self.observer.warning(&format!("{error}."));
            }
        }
    }
}

/// Is told how an operation goes, while it goes.
pub trait Observer: Sync {
    /// Something was done that the user should know. A full sentence.
    fn status(&self, message: &str);

    /// Something is not as the user may think it is. A full sentence.
    fn warning(&self, message: &str);

    /// So much of the work that goes by this name is done.
    fn progress(&self, what: &str, done: u64, total: u64);

    /// So many of the things that go by this name are done; nothing, where
    /// nobody is shown that.
    fn counted(&self, what: &str, done: u64, total: u64) {
        let _ = (what, done, total);
    }
}
