//! A program that is talked to while it runs.

use std::io::Write as _;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::pipes::{Chunk, listen};
use super::{OBSERVER, Run, Running, TICK, bytes_moved};
use crate::error::{Error, Kind, Result};
use crate::interrupt::Interrupt;

/// How long a program may take to end by itself when nobody talks to it any
/// more. It has things of its own to tidy up.
const FAREWELL: Duration = Duration::from_secs(5);

/// And how long before what it has started is told to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a program has said.
pub enum Heard {
    /// On stdout.
    Out(Vec<u8>),
    /// On stderr.
    Err(Vec<u8>),
}

/// A program that reads what it is told. When this is dropped it is let go, and
/// killed if it does not.
pub struct Dialogue {
    // Before the child, so that it sees the end of its input first.
    stdin: Option<ChildStdin>,
    child: Running,
    chunks: Receiver<Chunk>,
    interrupt: Interrupt,
    patience: Duration,
    step: String,
}

impl Run<'_> {
    /// Starts it to be talked to. It dies with the thread that called this.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be started.
    pub fn talk(self, interrupt: Interrupt) -> Result<Dialogue> {
        if let Some(observer) = OBSERVER.get() {
            observer(&self.tool.path, &self.args);
        }
        let child = self.prepared(Stdio::piped()).spawn();
        let mut child = Running(child.map_err(|error| self.not_started(error))?);
        Ok(Dialogue {
            stdin: child.0.stdin.take(),
            chunks: listen(&mut child.0),
            child,
            interrupt,
            patience: self.patience,
            step: self.step(),
        })
    }
}

impl Dialogue {
    /// Lets it be silent for longer from now on.
    pub fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Tells it something. No more than a pipe holds, 64 KiB, may be told before
    /// it has answered.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it has ended.
    pub fn tell(&mut self, bytes: &[u8]) -> Result<()> {
        let stdin = self.stdin.as_mut();
        let told = stdin.map(|stdin| stdin.write_all(bytes).and_then(|()| stdin.flush()));
        match told {
            Some(Ok(())) => Ok(()),
            _ => Err(self.ended()),
        }
    }

    /// What it says next.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it has ended, or says nothing for too long; those of
    /// [`Interrupt::check`].
    pub fn hear(&mut self) -> Result<Heard> {
        let mut moved = None;
        loop {
            if let Some(heard) = self.hear_until(Instant::now().checked_add(self.patience))? {
                return Ok(heard);
            }
            // It may be busy with much.
            let now = bytes_moved(&self.child.0);
            if moved.replace(now) == Some(now) {
                return Err(Error::new(
                    Kind::Storage,
                    format_args!(
                        "`{}` said nothing for {} s; stopped it",
                        self.step,
                        self.patience.as_secs()
                    ),
                ));
            }
        }
    }

    /// What it says next; `None` if it says nothing until then.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it has ended; those of [`Interrupt::check`].
    pub fn hear_until(&mut self, deadline: Option<Instant>) -> Result<Option<Heard>> {
        loop {
            self.interrupt.check()?;
            match self.chunks.recv_timeout(TICK) {
                Ok(Chunk::Out(bytes)) => return Ok(Some(Heard::Out(bytes))),
                Ok(Chunk::Err(bytes)) => return Ok(Some(Heard::Err(bytes))),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Ok(None);
            }
        }
    }

    /// Tells it that there is no more, and waits until it has ended.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it does not end, or not well.
    pub fn end(&mut self) -> Result<()> {
        drop(self.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < self.patience {
            // What it says now is no answer to anything.
            drop(self.chunks.recv_timeout(TICK / 5));
            match self.child.0.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(_)) => return Err(self.ended()),
                Err(error) => return Err(Error::io(format!("lost `{}`", self.step), error)),
            }
        }
        Err(Error::new(
            Kind::Storage,
            format_args!("`{}` does not end; stopped it", self.step),
        ))
    }

    fn ended(&self) -> Error {
        Error::new(
            Kind::Storage,
            format_args!("`{}` ended unexpectedly", self.step),
        )
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let begun = Instant::now();
        let mut hurried = false;
        while begun.elapsed() < FAREWELL && matches!(self.child.0.try_wait(), Ok(None)) {
            // It may have more to say before it ends.
            drop(self.chunks.recv_timeout(TICK / 5));
            // If it waits for something that it has started, it ends when that
            // does, and tidies up.
            if !hurried && begun.elapsed() > PATIENCE {
                hurried = true;
                for child in children(self.child.0.id()) {
                    let _ = rustix::process::kill_process(child, Signal::TERM);
                }
            }
        }
    }
}

/// The processes that a process has started and that are there still. It has
/// not been waited for, so that its number is its own.
fn children(of: u32) -> Vec<Pid> {
    let listed = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
    let listed = listed.unwrap_or_default();
    let numbers = listed
        .split_whitespace()
        .filter_map(|word| word.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}
