//! A session with one guest: lines in, commands carried out on files that are
//! opened once.
//!
//! | file | what it knows |
//! |---|---|
//! | `line` | where lines come from: a terminal or a script |
//! | `words` | what a line says, and the names of other programs |
//! | `command` | the commands and their arguments |
//! | `complete` | what TAB offers |
//! | `read` | what looks at the guest |
//! | `change` | what changes it |
//!
//! With `--rw` the first change starts an appliance on redo overlays, in which
//! each change is carried out at once, and by which the files are read from then
//! on. The disks get all of it with `commit`, or nothing.

mod change;
mod command;
mod complete;
mod line;
mod read;
mod words;

use self::command::Command;
use self::complete::Completion;
use self::line::{Heard, Terminal};
use self::words::Line;
use super::session::Session;
use super::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::guest::system::System;
use crate::guest::tree::Tree;
use crate::ops::write::Pending;

pub(in crate::cli) use self::line::Lines;

/// The lines of the user: from the command line, a terminal or standard input.
///
/// # Errors
///
/// [`Kind::Environment`] if the terminal cannot be used.
pub(in crate::cli) fn lines(session: &Session<'_>, given: &[String]) -> Result<Lines> {
    use std::io::IsTerminal as _;
    if !given.is_empty() {
        return Ok(Lines::Given(given.iter().rev().cloned().collect()));
    }
    if !std::io::stdin().is_terminal() {
        return Ok(Lines::Input(0));
    }
    // A session without history is one all the same.
    let history = session.shell_history().ok();
    Ok(Lines::Terminal(Box::new(Terminal::open(history)?)))
}

/// A guest that is worked with.
pub(in crate::cli) struct Shell<'s, 'w> {
    pub(in crate::cli) ui: &'s Ui,
    pub(in crate::cli) session: &'s Session<'s>,
    /// Its name.
    pub(in crate::cli) name: String,
    /// Its file systems, and what of them is mounted.
    pub(in crate::cli) system: System,
    pub(in crate::cli) tree: Tree,
    /// What is changed; `None` if nothing may be.
    pub(in crate::cli) changing: Option<Pending<'w>>,
    /// Whether the user has mounted something.
    pub(in crate::cli) remounted: bool,
}

/// What comes after a session.
pub(in crate::cli) enum Then {
    /// Nothing.
    End,
    /// The disks are others by now, and to be opened again, with these mounts if
    /// the user has chosen some, in this directory.
    Reopen {
        mounts: Vec<(String, String)>,
        at: Vec<u8>,
    },
}

/// What comes after a command.
enum Next {
    Line,
    Reopen,
    End,
}

impl Shell<'_, '_> {
    /// Does what the lines say.
    ///
    /// # Errors
    ///
    /// What a script failed with; nothing of what it had changed is written then.
    pub(in crate::cli) fn run(&mut self, lines: &mut Lines) -> Result<Then> {
        self.tree.stopped_by(self.session.interrupt());
        loop {
            if lines.is_terminal() {
                // What it stopped is over.
                self.session.interrupt().forget();
            }
            let heard = lines.next(
                &self.prompt(),
                || self.completion(),
                self.session.interrupt(),
            );
            let next = match heard? {
                Heard::Nothing => Ok(Next::Line),
                Heard::Line(text) => self.line(&text, lines),
                Heard::End => self.end(lines.is_terminal()),
            };
            match next {
                Ok(Next::Line) => {}
                Ok(Next::End) => return Ok(Then::End),
                Ok(Next::Reopen) => return Ok(self.reopen()),
                Err(error) if lines.is_terminal() && error.kind() != Kind::Terminated => {
                    self.ui.error(&error);
                    if error.kind() == Kind::NotUndone {
                        return Err(error);
                    }
                    if self.changing.as_ref().is_some_and(Pending::is_lost) {
                        return Ok(self.reopen());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn line(&mut self, text: &str, lines: &Lines) -> Result<Next> {
        let done = Line::parse(text).and_then(|line| {
            if line.words.is_empty() {
                return Ok(Next::Line);
            }
            let done = self.words(&line.words, lines.is_terminal());
            let lost = self.changing.as_ref().is_some_and(Pending::is_lost);
            match done {
                Err(error) if may_go_on(&error) && line.may_fail && !lost => {
                    self.ui.error(&error);
                    Ok(Next::Line)
                }
                other => other,
            }
        });
        done.map_err(|error| match lines.place(&one_line(text)) {
            Some(place) => error.context(place),
            None => error,
        })
    }

    fn words(&mut self, words: &[String], on_terminal: bool) -> Result<Next> {
        self.session.check()?;
        let command = Command::parse(words)?;
        match command {
            Command::Exit => return self.end(on_terminal),
            Command::Commit => return self.commit(),
            Command::Discard => return self.discard(),
            Command::Status => self.status()?,
            ref command if command.changes() => self.change(command)?,
            ref command => self.read(command)?,
        }
        Ok(Next::Line)
    }

    /// Ends the session, if the user agrees to what becomes of the changes.
    fn end(&mut self, on_terminal: bool) -> Result<Next> {
        let pending = self.pending();
        if pending == 0 {
            return Ok(Next::End);
        }
        if on_terminal {
            let question = format!("Write {pending} changes to '{}'?", one_line(&self.name));
            self.ui.confirm(&question).map_err(|_| {
                Error::new(
                    Kind::Interrupted,
                    "the session goes on, and nothing is written",
                )
                .hint("to write what is changed: `commit`; to drop it: `discard`")
            })?;
        }
        self.commit().map(|_| Next::End)
    }

    fn pending(&self) -> usize {
        let changing = self.changing.as_ref();
        changing.map_or(0, |changing| changing.pending().len())
    }

    fn prompt(&self) -> String {
        let at = self.tree.current().unwrap_or(b"/");
        let at = super::ui::name_line(at);
        let star = if self.pending() > 0 { "*" } else { "" };
        let end = if self.changing.is_some() { '#' } else { '>' };
        format!("{}:{at}{star}{end} ", one_line(&self.name))
    }

    fn completion(&self) -> Completion {
        let parts = self.system.parts.iter();
        Completion {
            tree: self.tree.clone(),
            devices: parts.map(|part| part.device.clone()).collect(),
        }
    }

    fn reopen(&self) -> Then {
        let mounts = self.tree.mounts().iter();
        let mounts = mounts.filter(|_| self.remounted).map(|mount| {
            let at = String::from_utf8_lossy(&mount.at).into_owned();
            (mount.device.clone(), at)
        });
        Then::Reopen {
            mounts: mounts.collect(),
            at: self.tree.current().unwrap_or(b"/").to_vec(),
        }
    }
}

/// Whether a script may have this fail: not that the user wants it to end, nor that
/// something is left to be recovered.
fn may_go_on(error: &Error) -> bool {
    let kind = error.kind();
    !matches!(kind, Kind::Interrupted | Kind::Terminated | Kind::NotUndone)
}
