//! Where lines come from: the user's fingers, with history and completion, or a
//! script.

use std::io::{self, BufRead as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{getpid, kill_process};
use rustyline::completion::Completer;
use rustyline::error::{ReadlineError, Signal};
use rustyline::history::FileHistory;
use rustyline::{Behavior, CompletionType, Config, Context, Editor, Helper};
use rustyline::{highlight::Highlighter, hint::Hinter, validate::Validator};

use super::complete::{Candidate, Completion};
use crate::error::{Error, Kind, Result};
use crate::interrupt::Interrupt;

/// How many lines are remembered.
const HISTORY: usize = 1000;

/// How often it is looked whether the program is to end while the user thinks.
const TICK: Duration = Duration::from_millis(100);

/// The longest line of a script, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// Where lines come from.
pub(in crate::cli) enum Lines {
    /// A terminal.
    Terminal(Box<Terminal>),
    /// Standard input, which is none; and which line was the last.
    Input(u64),
    /// The command line, the first of them last.
    Given(Vec<String>),
}

/// What came.
pub(super) enum Heard {
    /// A line.
    Line(String),
    /// Nothing: the user has changed their mind.
    Nothing,
    /// There is no more.
    End,
}

impl Lines {
    /// Whether somebody types them.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next one.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be read; [`Kind::Terminated`].
    pub(super) fn next(
        &mut self,
        prompt: &str,
        completion: impl FnOnce() -> Completion,
        interrupt: &Interrupt,
    ) -> Result<Heard> {
        match self {
            Self::Terminal(terminal) => terminal.next(prompt, completion(), interrupt),
            Self::Given(lines) => Ok(lines.pop().map_or(Heard::End, Heard::Line)),
            Self::Input(number) => {
                let mut text = String::new();
                let stdin = io::stdin().lock();
                let read = io::Read::take(stdin, MAX_LINE).read_line(&mut text);
                let count = read.map_err(cannot_read)?;
                *number = number.saturating_add(1);
                Ok(match count {
                    0 => Heard::End,
                    _ => Heard::Line(text),
                })
            }
        }
    }

    /// Which line it was, for a message; a terminal shows it anyway.
    pub(super) fn place(&self, words: &str) -> Option<String> {
        match self {
            Self::Terminal(_) => None,
            Self::Input(number) => Some(format!("line {number}: {words}")),
            Self::Given(_) => Some(words.to_owned()),
        }
    }
}

fn cannot_read(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::wrap(Kind::Environment, "cannot read what is to be done", error)
}

/// A line editor.
pub(in crate::cli) struct Terminal {
    editor: Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
}

impl Terminal {
    /// Opens the terminal, with the lines of earlier sessions if there is a place
    /// for them.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be used.
    pub(super) fn open(history: Option<PathBuf>) -> Result<Self> {
        let config = Config::builder()
            .behavior(Behavior::PreferTerm)
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .max_history_size(HISTORY)
            .map_err(cannot_read)?
            .build();
        let mut editor = Editor::with_config(config).map_err(cannot_read)?;
        if let Some(history) = &history {
            // One that makes no sense is as good as none.
            drop(editor.load_history(history));
        }
        Ok(Self { editor, history })
    }

    fn next(
        &mut self,
        prompt: &str,
        completion: Completion,
        interrupt: &Interrupt,
    ) -> Result<Heard> {
        self.editor.set_helper(Some(Assistant(completion)));
        let typed = AtomicBool::new(false);
        let read = std::thread::scope(|scope| {
            scope.spawn(|| wake(&typed, interrupt));
            let read = self.editor.readline(prompt);
            typed.store(true, Ordering::Relaxed);
            read
        });
        // It holds the files of the guest.
        self.editor.set_helper(None);
        match read {
            Ok(line) => {
                self.remember(&line);
                Ok(Heard::Line(line))
            }
            Err(ReadlineError::Eof) => Ok(Heard::End),
            Err(ReadlineError::Interrupted | ReadlineError::Signal(Signal::Interrupt)) => {
                interrupt.forget();
                interrupt.check().map(|()| Heard::Nothing)
            }
            Err(error) => Err(cannot_read(error)),
        }
    }

    fn remember(&mut self, line: &str) {
        let added = self.editor.add_history_entry(line).unwrap_or(false);
        if let Some(history) = self.history.as_ref().filter(|_| added) {
            // A session without history is one all the same.
            drop(self.editor.append_history(history));
        }
    }
}

/// Has the editor give up when the program is to end: it hears of nothing but
/// SIGINT.
fn wake(typed: &AtomicBool, interrupt: &Interrupt) {
    while !typed.load(Ordering::Relaxed) {
        if interrupt.is_ending() {
            let _ = kill_process(getpid(), rustix::process::Signal::INT);
        }
        std::thread::sleep(TICK);
    }
}

/// What the editor asks when the user presses TAB.
struct Assistant(Completion);

impl Completer for Assistant {
    type Candidate = Candidate;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Candidate>)> {
        Ok(self.0.complete(line.get(..at).unwrap_or(line)))
    }
}

impl rustyline::completion::Candidate for Candidate {
    fn display(&self) -> &str {
        &self.shown
    }

    fn replacement(&self) -> &str {
        &self.text
    }
}

impl Helper for Assistant {}
impl Hinter for Assistant {
    type Hint = String;
}
impl Highlighter for Assistant {}
impl Validator for Assistant {}
