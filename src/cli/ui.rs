//! Everything the user sees. Results go to stdout, the rest to stderr.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::ops::Observer;

/// Work that takes less than this shows no progress bar.
const SHOW_AFTER: Duration = Duration::from_millis(500);

/// How progress on bytes and on a number of things is shown.
const BYTES: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
const COUNT: &str = "{msg} {wide_bar} {pos}/{len} {elapsed}";

/// Where a command writes to.
pub(super) struct Ui {
    quiet: bool,
    json: bool,
    yes: bool,
    color: ColorChoice,
    bar: Mutex<Option<Bar>>,
}

/// Progress on one piece of work.
struct Bar {
    what: String,
    since: Instant,
    bar: Option<ProgressBar>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

impl Ui {
    pub(super) fn new(quiet: bool, json: bool, yes: bool, color: ColorChoice) -> Self {
        Self {
            quiet,
            json,
            yes,
            color,
            bar: Mutex::new(None),
        }
    }

    /// Prints what was asked for: `human` for people, `machine` with `--json`.
    pub(super) fn result(&self, human: &str, machine: &impl Serialize) -> Result<()> {
        self.clear_bar();
        let text = if self.json {
            let mut text = serde_json::to_string_pretty(machine).map_err(|e| {
                Error::wrap(Kind::Environment, "cannot write the result as JSON", e)
            })?;
            text.push('\n');
            text
        } else {
            human.to_owned()
        };
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match written {
            // Whoever read it has read enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            // Not `Storage`: that would say that all was undone.
            other => other
                .map_err(|e| Error::io("cannot write the result", e).with_kind(Kind::Environment)),
        }
    }

    /// Whether the user has agreed beforehand to what cannot be undone.
    pub(super) fn is_agreed(&self) -> bool {
        self.yes
    }

    /// Whether the result is to be one JSON document.
    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody looks at the result on a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether anybody sees how far work has got.
    pub(super) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Where bytes go as they are, and as they come.
    pub(super) fn sink(&self) -> Stdout {
        self.clear_bar();
        Stdout::default()
    }

    /// Explains a failure, unless another process has done so.
    pub(super) fn error(&self, error: &Error) {
        self.clear_bar();
        if error.is_told() {
            return;
        }
        if self.json {
            self.json_error(error);
            return;
        }
        let mut chain = error.chain();
        let mut text = paint(AnsiColor::Red, "error:");
        text.push_str(&format!(
            " {}\n",
            one_line(&chain.next().unwrap_or_default())
        ));
        for cause in chain {
            text.push_str(&format!("  caused by: {}\n", one_line(&cause)));
        }
        for part in error.parts() {
            text.push_str(&format!("  {}\n", one_line(part)));
        }
        for hint in error.hints() {
            text.push_str("  ");
            text.push_str(&paint(AnsiColor::Cyan, "hint:"));
            text.push_str(&format!(" {}\n", one_line(hint)));
        }
        self.stderr(&text);
    }

    fn json_error(&self, error: &Error) {
        let mut chain = error.chain();
        let document = serde_json::json!({
            "error": {
                "kind": error.kind().word(),
                "exit_code": error.kind().exit_code(),
                "message": chain.next().unwrap_or_default(),
                "causes": chain.collect::<Vec<_>>(),
                "parts": error.parts(),
                "hints": error.hints(),
            }
        });
        self.stderr(&format!("{document:#}\n"));
    }

    /// Makes a plan of something that cannot be undone, shows it and asks. It is
    /// dropped while the user thinks, so that nothing stays locked; what is done
    /// then is what was shown.
    ///
    /// # Errors
    ///
    /// Those of the plan and of [`Self::confirm`]; [`Kind::Busy`] if it would be
    /// another plan by now.
    pub(super) fn agree<P>(
        &self,
        plan: impl Fn() -> Result<P>,
        listing: impl Fn(&P) -> String,
        question: &str,
    ) -> Result<P> {
        let first = plan()?;
        if self.yes {
            return Ok(first);
        }
        let shown = listing(&first);
        drop(first);
        self.confirm(&format!("{shown}{question}"))?;
        let now = plan()?;
        if listing(&now) == shown {
            return Ok(now);
        }
        Err(Error::new(
            Kind::Busy,
            "it would change other things by now than were shown",
        )
        .hint("run the same command again, and look at what it would change"))
    }

    /// Asks before something that cannot be undone.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] without a terminal and without `--yes`,
    /// [`Kind::Interrupted`] if the answer is no.
    pub(super) fn confirm(&self, question: &str) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err(Error::new(
                Kind::Usage,
                "this cannot be undone, and there is no terminal to ask on",
            )
            .hint("to go ahead without being asked: `--yes`"));
        }
        self.clear_bar();
        self.stderr(&format!("{question} [y/N] "));
        let mut answer = String::new();
        stdin
            .lock()
            .read_line(&mut answer)
            .map_err(|e| Error::io("cannot read the answer", e))?;
        if matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
            Ok(())
        } else {
            Err(Error::new(
                Kind::Interrupted,
                "not confirmed; nothing was changed",
            ))
        }
    }

    /// Says something about the result that is not part of it, whatever `-q` says.
    pub(super) fn note(&self, text: &str) {
        self.clear_bar();
        self.stderr(&format!("{}\n", one_line(text)));
    }

    fn stderr(&self, text: &str) {
        let mut out = AutoStream::new(io::stderr(), self.color);
        // There is nobody left to tell that this failed.
        drop(out.write_all(text.as_bytes()));
    }

    fn clear_bar(&self) {
        let mut slot = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = slot.take().and_then(|bar| bar.bar) {
            bar.finish_and_clear();
        }
    }

    fn show_progress(&self, template: &str, what: &str, done: u64, total: u64) {
        if !self.shows_progress() {
            return;
        }
        let mut slot = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_none_or(|bar| bar.what != what) {
            if let Some(old) = slot.take().and_then(|bar| bar.bar) {
                old.finish_and_clear();
            }
            *slot = Some(Bar {
                what: what.to_owned(),
                since: Instant::now(),
                bar: None,
            });
        }
        let Some(current) = slot.as_mut() else { return };
        if current.bar.is_none() && current.since.elapsed() > SHOW_AFTER {
            current.bar = Some(bar(template, what, total));
        }
        if let Some(bar) = &current.bar {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

impl Observer for Ui {
    fn status(&self, message: &str) {
        if !self.quiet {
            self.note(message);
        }
    }

    fn warning(&self, message: &str) {
        self.clear_bar();
        let label = paint(AnsiColor::Yellow, "warning:");
        self.stderr(&format!("{label} {}\n", one_line(message)));
    }

    fn progress(&self, what: &str, done: u64, total: u64) {
        self.show_progress(BYTES, what, done, total);
    }

    fn counted(&self, what: &str, done: u64, total: u64) {
        self.show_progress(COUNT, what, done, total);
    }
}

fn bar(template: &str, what: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(one_line(what));
    bar
}

fn paint(color: AnsiColor, label: &str) -> String {
    let style = Style::new().bold().fg_color(Some(color.into()));
    format!("{style}{label}{style:#}")
}

/// Standard output, for bytes that nobody changes.
#[derive(Default)]
pub(super) struct Stdout {
    /// Whoever read it has read enough.
    closed: AtomicBool,
}

impl Stdout {
    /// Writes bytes, if anybody still reads them.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if they cannot be written.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<()> {
        self.done(io::stdout().lock().write_all(bytes))
    }

    /// Has everything written.
    ///
    /// # Errors
    ///
    /// Those of [`Stdout::write`].
    pub(super) fn close(&self) -> Result<()> {
        self.done(io::stdout().lock().flush())
    }

    fn done(&self, written: io::Result<()>) -> Result<()> {
        match written {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            // Not `Storage`: that would say that all was undone.
            other => other
                .map_err(|e| Error::io("cannot write the result", e).with_kind(Kind::Environment)),
        }
    }

    /// Whether nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// The name of a file, which may hold any bytes, fit for one line of a terminal.
pub(super) fn name_line(name: &[u8]) -> String {
    crate::image::shown(Path::new(OsStr::from_bytes(name))).to_string()
}

/// Shows a program that is about to be run, for `-v`.
pub(super) fn show_command(program: &Path, args: &[OsString]) {
    let words: Vec<String> = args
        .iter()
        .map(|arg| one_line(&arg.to_string_lossy()))
        .collect();
    let line = format!("running: {} {}\n", program.display(), words.join(" "));
    // There is nobody left to tell that this failed.
    drop(io::stderr().write_all(line.as_bytes()));
}

/// Makes text fit for one line of a terminal: names, paths and the words of
/// others may hold escape sequences that would move the cursor or worse.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(one_line("a\u{1b}[2Jb\nc\n"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(one_line("héllo"), "héllo");
    }
}
