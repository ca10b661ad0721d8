//! This very program once more, in the background: it goes on when the one that
//! started it has ended.

use std::process::Child;

use super::Run;
use crate::error::{Error, Kind, Result};

/// A program that goes on by itself.
#[derive(Debug)]
pub struct Background(Child);

impl Run<'_> {
    /// Starts it with the standard streams of this process, and lets it be: it
    /// neither dies with this process nor belongs to its terminal.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be started.
    pub fn background(self) -> Result<Background> {
        let child = self
            .on_our_streams()
            .spawn()
            .map_err(|error| self.not_started(error))?;
        Ok(Background(child))
    }
}

impl Background {
    /// The exit code, if it has ended.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it was killed.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        let lost = |error| Error::io("lost the process in the background", error);
        let Some(status) = self.0.try_wait().map_err(lost)? else {
            return Ok(None);
        };
        let killed = || {
            let what = format!("the process in the background has died ({status})");
            Error::new(Kind::Storage, what)
        };
        status.code().map(Some).ok_or_else(killed)
    }

    /// Asks it to end, as Ctrl-C would.
    pub fn stop(&self) {
        let number = i32::try_from(self.0.id()).ok();
        if let Some(process) = number.and_then(rustix::process::Pid::from_raw) {
            // It may have ended, which is just as well: it was not waited for.
            let _ = rustix::process::kill_process(process, rustix::process::Signal::INT);
        }
    }
}

/// Leaves the terminal and the process group that this was started in, so that
/// what is typed there is for others.
pub fn leave_terminal() {
    // Fails only for who leads a group already, and so has left.
    let _ = rustix::process::setsid();
}

/// Lets go of the standard streams, and of the directory that this is in: what is
/// said from now on goes to `log`.
///
/// # Errors
///
/// [`Kind::Environment`] if there is no `/dev/null`.
pub fn say_to(log: &std::fs::File) -> Result<()> {
    let cannot = |error: std::io::Error| {
        Error::io("cannot let go of the terminal", error).with_kind(Kind::Environment)
    };
    let nothing = std::fs::File::open("/dev/null").map_err(cannot)?;
    rustix::stdio::dup2_stdin(&nothing).map_err(|error| cannot(error.into()))?;
    rustix::stdio::dup2_stdout(log).map_err(|error| cannot(error.into()))?;
    rustix::stdio::dup2_stderr(log).map_err(|error| cannot(error.into()))?;
    rustix::process::chdir("/").map_err(|error| cannot(error.into()))
}
