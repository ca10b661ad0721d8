//! A program that the user works with while it runs: an editor.

use std::process::{Command, Stdio};

use super::{OBSERVER, Run};
use crate::error::{Error, Kind, Result};

impl Run<'_> {
    /// Runs it to its end on the user's terminal, which is its own until then:
    /// what is typed there, Ctrl-C too, is for it. It has all the time it takes.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be started, or fails.
    pub fn attended(self) -> Result<()> {
        if let Some(observer) = OBSERVER.get() {
            observer(&self.tool.path, &self.args);
        }
        let mut command = self.on_our_streams();
        let status = command.status().map_err(|error| self.not_started(error))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::new(
            Kind::Environment,
            format!("the program did not end well ({status})"),
        ))
    }

    /// The program with the standard streams of this process.
    pub(super) fn on_our_streams(&self) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the place")]
        let mut command = Command::new(&self.tool.path);
        command
            .args(&self.args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::inherit())
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit());
        command
    }
}
