//! What the program wrote and how it ended.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;

/// What the program wrote and how it ended, in a form to snapshot.
pub(crate) struct Outcome(Output);

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let outcome = Self(output);
        // Whatever a test asks for, this must never be.
        assert!(!outcome.stderr().contains("panicked at"), "{outcome}");
        outcome
    }

    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert!(self.0.status.success(), "{self}");
        self
    }

    /// It failed with this code and one `error:` line that says `what`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, what: &str) -> Self {
        assert_eq!(self.code(), Some(code), "{self}");
        let errors: Vec<&str> = self
            .stderr()
            .lines()
            .filter(|line| line.starts_with("error:"))
            .collect();
        assert_eq!(errors.len(), 1, "one line is the error:\n{self}");
        assert!(
            self.stderr().contains(what),
            "the error must say {what:?}:\n{self}"
        );
        self
    }

    /// What it said has this in it.
    #[track_caller]
    pub(crate) fn says(self, what: &str) -> Self {
        assert!(
            self.stderr().contains(what),
            "it must say {what:?}:\n{self}"
        );
        self
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub(crate) fn signal(&self) -> Option<i32> {
        self.0.status.signal()
    }

    pub(crate) fn stdout(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).unwrap()
    }

    pub(crate) fn stderr(&self) -> &str {
        std::str::from_utf8(&self.0.stderr).unwrap()
    }

    /// The JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.stdout()).unwrap_or_else(|e| panic!("{e}:\n{self}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.0.stdout))?;
        if !self.0.stderr.is_empty() {
            writeln!(f, "--- stderr ---")?;
            write!(f, "{}", String::from_utf8_lossy(&self.0.stderr))?;
        }
        match self.0.status.code() {
            Some(0) => Ok(()),
            Some(code) => writeln!(f, "--- exit {code} ---"),
            None => writeln!(f, "--- {} ---", self.0.status),
        }
    }
}
