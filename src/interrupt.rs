//! Whether the user wants the program to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::{Error, Kind, Result};

/// Notices SIGINT, SIGTERM and SIGHUP, so that work stops between two steps
/// and takes back what it has begun, instead of dying in the middle of one.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    seen: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
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
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, Arc::clone(&interrupt.signal), number)
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupt.seen)))
                .map_err(|e| Error::wrap(Kind::Environment, "cannot watch for signals", e))?;
        }
        Ok(interrupt)
    }

    /// The flag that is raised when a signal has come, for code that polls.
    pub fn flag(&self) -> &AtomicBool {
        &self.seen
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
        if self.signal.load(Ordering::Relaxed) == usize::try_from(SIGINT).unwrap_or_default() {
            Error::new(Kind::Interrupted, "interrupted")
        } else {
            Error::new(Kind::Terminated, "terminated")
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
