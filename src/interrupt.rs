//! Whether the user wants the program to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, Kind, Result};

/// Notices SIGINT, SIGTERM and SIGHUP, so that work stops between two steps
/// and takes back what it has begun, instead of dying in the middle of one.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    seen: Arc<AtomicBool>,
    /// Whether it was another signal than SIGINT.
    ending: Arc<AtomicBool>,
}

impl Interrupt {
    /// Starts to watch. From now on these signals end the program only through
    /// [`Interrupt::check`]; a second one does not hurry it, because it is
    /// cleaning up by then.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if the handlers cannot be installed.
    pub fn watch() -> Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // `nohup` and shells in the background ask for it to be ignored.
            if is_ignored(signal) {
                continue;
            }
            let flags = [
                (signal != SIGINT).then_some(&interrupt.ending),
                Some(&interrupt.seen),
            ];
            for flag in flags.into_iter().flatten() {
                signal_hook::flag::register(signal, Arc::clone(flag))
                    .map_err(|e| Error::wrap(Kind::Environment, "cannot watch for signals", e))?;
            }
        }
        Ok(interrupt)
    }

    /// The flag that is raised when a signal has come, for code that polls.
    pub fn flag(&self) -> &AtomicBool {
        &self.seen
    }

    /// Forgets that the user wanted to stop what was going on, for what goes on to
    /// something else then. That the program is to end is not forgotten.
    pub fn forget(&self) {
        if !self.is_ending() {
            self.seen.store(false, Ordering::Relaxed);
        }
    }

    /// The same without SIGINT, for what goes on when the user has stopped a part of
    /// it.
    pub fn only_ending(&self) -> Self {
        Self {
            seen: Arc::clone(&self.ending),
            ending: Arc::clone(&self.ending),
        }
    }

    /// Whether SIGTERM or SIGHUP has come.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Whether a signal has come.
    pub fn is_set(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// Fails if a signal has come.
    ///
    /// # Errors
    ///
    /// [`Kind::Interrupted`] or, for SIGTERM and SIGHUP, [`Kind::Terminated`].
    pub fn check(&self) -> Result<()> {
        if self.is_set() {
            return Err(self.error());
        }
        Ok(())
    }

    /// The error that says which signal has come.
    pub fn error(&self) -> Error {
        match self.is_ending() {
            true => Error::new(Kind::Terminated, "terminated"),
            false => Error::new(Kind::Interrupted, "interrupted"),
        }
    }
}

/// Whether the process that started this one had a signal ignored.
///
/// Read from `SigIgn` in `/proc/self/status` (proc(5)): a mask in hexadecimal
/// whose lowest bit is signal 1.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let bit = u32::try_from(signal.saturating_sub(1)).unwrap_or(u32::MAX);
    mask.checked_shr(bit).is_some_and(|rest| rest & 1 == 1)
}
