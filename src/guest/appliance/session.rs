//! Talking to `guestfish`.
//!
//! Each command is followed by one that says a word that nobody can know on its
//! stdout, and by one that does not exist, for which it says that word on stderr.
//! What came before them belongs to the command.

use std::path::Path;
use std::time::{Duration, Instant};

use super::kernel::Boot;
use crate::error::{Error, Kind, Result};
use crate::failpoint::patience;
use crate::guest::scratch::Scratch;
use crate::interrupt::Interrupt;
use crate::process::{Dialogue, Heard, Run, Tool, printable};

/// The program.
pub(super) const PROGRAM: &str = "guestfish";

/// How long it may say nothing. Starting takes half a minute where there is no
/// KVM and others work as well.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long one answer may be, in bytes.
const MAX_ANSWER: usize = 256 << 20;

/// How much is kept of what is of no matter: more than a mark is long.
const KEPT: usize = 4 << 10;

/// How much is told before the answers are waited for, in bytes: less than a
/// pipe holds. And how many commands, whose answers are short then.
const AT_ONCE: usize = 32 << 10;
const COMMANDS_AT_ONCE: usize = 64;

/// What a command said: its output, or why it failed.
pub(super) type Answer = std::result::Result<Vec<u8>, String>;

/// What it says when it has not started for lack of KVM, and to have it do
/// without.
const SETTINGS: &str = "LIBGUESTFS_BACKEND_SETTINGS";

/// What is said to the kernel of the appliance besides what libguestfs says.
const APPEND: &str = "LIBGUESTFS_APPEND";

/// How long a command may be, in bytes: `guestfish` reads lines of 8 KiB, and
/// takes what is behind that for another command.
pub(super) const LONGEST_COMMAND: usize = 8000;

/// A `guestfish` that is running.
pub(super) struct Session {
    dialogue: Dialogue,
    word: String,
    count: u64,
    mounts: u64,
    /// What is seen of its kernel, while that is of interest.
    boot: Option<Boot>,
    /// After the dialogue, so that it is there until that has ended.
    scratch: Option<Scratch>,
}

impl Session {
    /// Starts `guestfish`; without KVM if need be.
    pub(super) fn start(scratch: &Path, emulated: bool, interrupt: &Interrupt) -> Result<Self> {
        let tool = Tool::find(PROGRAM)?;
        let run = tool
            .command(["--keys-from-stdin"])
            .patience(patience(PATIENCE));
        // What the user has typed into another one is no affair of this one, nor the
        // other way round.
        let run = surrounded(run, scratch, emulated).env("HOME", scratch);
        Ok(Self {
            dialogue: run.talk(interrupt.clone())?,
            word: uuid::Uuid::new_v4().simple().to_string(),
            count: 0,
            mounts: 0,
            boot: None,
            scratch: None,
        })
    }

    /// Keeps the overlays, or what else is there, for as long as they are open.
    pub(super) fn keep(&mut self, scratch: Scratch) {
        self.scratch = Some(scratch);
    }

    /// Lets it end, and sees to it that it ended well.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it did not.
    pub(super) fn end(&mut self) -> Result<()> {
        self.dialogue.end()
    }

    /// Ends the appliance; everything is written to its disks then.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] if it does not say so.
    pub(super) fn finish(&mut self) -> Result<()> {
        for command in ["umount-all", "sync", "shutdown"] {
            self.must(command)?;
        }
        self.end()
    }

    /// Whether somebody has said how it is to start.
    pub(super) fn is_set_up() -> bool {
        std::env::var_os(SETTINGS).is_some()
    }

    /// Has it do one thing.
    pub(super) fn ask(&mut self, command: &str) -> Result<Answer> {
        let mut answers = self.ask_all(&[command.to_owned()])?;
        answers.pop().ok_or_else(|| odd("gave no answer"))
    }

    /// Has it do one thing that has to be done.
    pub(super) fn must(&mut self, command: &str) -> Result<Vec<u8>> {
        self.ask(command)?.map_err(|why| failed(&why))
    }

    /// Makes sure that its appliance has what something takes.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if not, with the package that has it.
    pub(super) fn must_be_able(&mut self, feature: &str, package: &str) -> Result<()> {
        let asked = format!("feature-available {}", quoted(feature.as_bytes()));
        if self.must(&asked)?.trim_ascii() == b"true" {
            return Ok(());
        }
        Err(Error::new(
            Kind::Environment,
            format!("the appliance of libguestfs cannot make {feature}"),
        )
        .hint(format!("on Debian and Ubuntu: `apt install {package}`")))
    }

    /// Has it do several things, and returns as many answers.
    pub(super) fn ask_all(&mut self, commands: &[String]) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut waiting = Vec::new();
        let mut text = String::new();
        for command in commands {
            if command.len() >= LONGEST_COMMAND {
                self.exchange(&mut text, &mut waiting, &mut answers)?;
                answers.push(Err("the path is too long for guestfish".to_owned()));
                continue;
            }
            self.count += 1;
            let mark = format!("{}x{}x", self.word, self.count);
            text.push_str(&format!("-{command}\necho {mark}\n-{mark}\n"));
            waiting.push(mark);
            if text.len() > AT_ONCE || waiting.len() >= COMMANDS_AT_ONCE {
                self.exchange(&mut text, &mut waiting, &mut answers)?;
            }
        }
        self.exchange(&mut text, &mut waiting, &mut answers)?;
        Ok(answers)
    }

    fn exchange(
        &mut self,
        text: &mut String,
        waiting: &mut Vec<String>,
        answers: &mut Vec<Answer>,
    ) -> Result<()> {
        self.dialogue.tell(text.as_bytes())?;
        text.clear();
        let mut out = Stream::default();
        let mut err = Stream::default();
        for mark in waiting.drain(..) {
            let ends = [format!("{mark}\n"), format!("{mark}: unknown command\n")];
            let mut said = [None, None];
            loop {
                for ((end, said), stream) in ends.iter().zip(&mut said).zip([&mut out, &mut err]) {
                    if said.is_none() {
                        *said = stream.cut(end.as_bytes());
                    }
                }
                if let [Some(output), Some(errors)] = &mut said {
                    answers.push(answer(std::mem::take(output), errors));
                    break;
                }
                match self.hear()? {
                    Heard::Out(bytes) => out.push(&bytes)?,
                    Heard::Err(bytes) => err.push(&bytes)?,
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<Heard> {
        let deadline = self.boot.as_ref().and_then(Boot::deadline);
        let heard = match deadline {
            None => self.dialogue.hear()?,
            Some(_) => self.dialogue.hear_until(deadline)?.ok_or_else(|| {
                Error::new(Kind::Environment, "no kernel starts in the appliance")
            })?,
        };
        if let (Some(boot), Heard::Err(bytes)) = (&mut self.boot, &heard) {
            boot.see(bytes, Instant::now());
        }
        Ok(heard)
    }

    /// Starts the appliance, whose disks are added. If it is `watched`, its kernel has
    /// to start soon: one that is emulated on a busy host need not.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it does not start.
    pub(super) fn launch(&mut self, watched: bool) -> Result<()> {
        if watched {
            // Its console is on stderr then, and all that it does takes longer.
            self.must("set-verbose true")?;
            self.boot = Some(Boot::default());
        }
        let answer = self.ask("launch")?;
        answer.map_err(|why| {
            Error::new(
                Kind::Environment,
                format!("libguestfs does not start its appliance: {why}"),
            )
            .hint("see what it lacks: `libguestfs-test-tool`")
        })?;
        match self.boot.take() {
            Some(_) => self.must("set-verbose false").map(drop),
            None => Ok(()),
        }
    }

    /// Has it do one thing that takes as long as others like. What it says meanwhile
    /// is of no matter: an error of theirs is none of the command.
    pub(super) fn wait_for(&mut self, command: &str) -> Result<()> {
        self.dialogue.be_patient(Duration::MAX);
        self.count += 1;
        let mark = format!("{}x{}x", self.word, self.count);
        let text = format!("-{command}\necho {mark}\n-{mark}\n");
        self.dialogue.tell(text.as_bytes())?;
        let mut streams = [
            (format!("{mark}\n"), Stream::default(), false),
            (
                format!("{mark}: unknown command\n"),
                Stream::default(),
                false,
            ),
        ];
        while streams.iter().any(|(.., ended)| !ended) {
            let heard = self.dialogue.hear()?;
            let [out, err] = &mut streams;
            let ((end, stream, ended), bytes) = match heard {
                Heard::Out(bytes) => (out, bytes),
                Heard::Err(bytes) => (err, bytes),
            };
            stream.push(&bytes)?;
            *ended = *ended || stream.cut(end.as_bytes()).is_some();
            stream.keep_end();
        }
        self.dialogue.be_patient(patience(PATIENCE));
        Ok(())
    }

    /// Whether a kernel starts in the appliance, whose disks are added. It is of no
    /// use then.
    pub(super) fn starts_kernel(&mut self) -> Result<bool> {
        self.must("set-verbose true")?;
        self.dialogue.tell(b"launch\n")?;
        let mut boot = Boot::default();
        loop {
            match self.dialogue.hear_until(boot.deadline())? {
                Some(Heard::Err(bytes)) => boot.see(&bytes, Instant::now()),
                Some(Heard::Out(_)) => {}
                None => return Ok(false),
            }
            if boot.is_over() {
                return Ok(true);
            }
        }
    }

    /// A place where nothing is mounted yet.
    pub(super) fn mount_point(&mut self) -> Result<String> {
        let place = format!("/fs{}", self.mounts);
        self.mounts += 1;
        self.must(&format!("mkmountpoint {place}"))?;
        Ok(place)
    }
}

/// What `guestfish` is to know, whoever talks to it.
pub(super) fn surrounded<'r>(mut run: Run<'r>, scratch: &Path, emulated: bool) -> Run<'r> {
    // What it leaves behind, should it be killed, goes with our own.
    run = run.env("LIBGUESTFS_TMPDIR", scratch).env("TMPDIR", scratch);
    // Its appliance is hundreds of megabytes, and is to be kept where it is
    // kept otherwise: it would follow the directory for temporary files.
    if std::env::var_os("LIBGUESTFS_CACHEDIR").is_none() {
        run = run.env("LIBGUESTFS_CACHEDIR", "/var/tmp");
    }
    // The other one asks libvirt for a guest, who then may not read the disks.
    if std::env::var_os("LIBGUESTFS_BACKEND").is_none() {
        run = run.env("LIBGUESTFS_BACKEND", "direct");
    }
    if emulated && !Session::is_set_up() {
        run = run.env(SETTINGS, "force_tcg");
    }
    if emulated || is_told_to_emulate() {
        run = run.env(APPEND, told_too(std::env::var(APPEND).ok()));
    }
    run
}

/// Whether somebody has said that it is to do without KVM.
fn is_told_to_emulate() -> bool {
    std::env::var(SETTINGS).is_ok_and(|set| set.contains("force_tcg"))
}

/// What is said to its kernel, besides what somebody else says: what keeps programs
/// apart that share a processor costs a tenth of its start where the processor is
/// emulated, and keeps nothing apart there.
fn told_too(theirs: Option<String>) -> String {
    match theirs {
        Some(theirs) => format!("{theirs} mitigations=off"),
        None => "mitigations=off".to_owned(),
    }
}

/// What comes out of a pipe and belongs to nothing yet.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    searched: usize,
}

impl Stream {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.bytes.len().saturating_add(bytes.len()) > MAX_ANSWER {
            return Err(odd("said more than anybody can want to know"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Drops what cannot be a part of what is still looked for.
    fn keep_end(&mut self) {
        let surplus = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..surplus);
        self.searched = self.searched.saturating_sub(surplus);
    }

    /// Everything before `end`, if that is there.
    fn cut(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        let rest = self.bytes.get(self.searched..)?;
        let Some(found) = rest.windows(end.len()).position(|some| some == end) else {
            self.searched = self.bytes.len().saturating_sub(end.len());
            return None;
        };
        let at = self.searched.saturating_add(found);
        self.searched = 0;
        let later = self.bytes.split_off(at.saturating_add(end.len()));
        let mut before = std::mem::replace(&mut self.bytes, later);
        before.truncate(at);
        Some(before)
    }
}

/// What stands before each of its errors.
const ERROR: &str = "libguestfs: error: ";

fn answer(output: Vec<u8>, errors: &[u8]) -> Answer {
    // Names of the guest are in it, and so whatever is in them.
    let said = String::from_utf8_lossy(errors);
    let errors = said.lines().filter_map(|line| line.split_once(ERROR));
    let errors: Vec<String> = errors.map(|(_, why)| printable(why.as_bytes())).collect();
    if errors.is_empty() {
        return Ok(output);
    }
    Err(errors.join("; "))
}

/// The error for what libguestfs could not do.
pub(super) fn failed(why: &str) -> Error {
    let kind = match why.contains("No such file or directory") {
        true => Kind::NotFound,
        false => Kind::Storage,
    };
    Error::new(kind, format!("libguestfs: {why}"))
}

/// The error for an answer that makes no sense.
pub(super) fn odd(what: &str) -> Error {
    Error::new(Kind::Storage, format!("`guestfish` {what}"))
}

/// An argument, whatever is in it.
pub(super) fn quoted(argument: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in argument {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                text.push(char::from(*byte));
            }
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_to_the_kernel_stays_said() {
        assert_eq!(told_too(None), "mitigations=off");
        assert_eq!(told_too(Some("a=b".to_owned())), "a=b mitigations=off");
    }

    #[test]
    fn arguments_are_quoted_byte_by_byte() {
        assert_eq!(quoted(b"/etc/host-name_1.x"), "\"/etc/host-name_1.x\"");
        assert_eq!(
            quoted("\"; !rm\n|é".as_bytes()),
            "\"\\x22\\x3b\\x20\\x21rm\\x0a\\x7c\\xc3\\xa9\""
        );
    }

    #[test]
    fn answers_are_cut_at_their_ends() {
        let mut stream = Stream::default();
        stream.push(b"one").unwrap();
        assert_eq!(stream.cut(b"END\n"), None);
        stream.push(b"twoEN").unwrap();
        assert_eq!(stream.cut(b"END\n"), None);
        stream.push(b"D\nthreeEND\n").unwrap();
        assert_eq!(stream.cut(b"END\n").unwrap(), b"onetwo");
        assert_eq!(stream.cut(b"END\n").unwrap(), b"three");
        assert_eq!(stream.cut(b"END\n"), None);
    }

    #[test]
    fn a_mark_is_found_though_nothing_before_it_is_kept() {
        let mut stream = Stream::default();
        for _ in 0..100 {
            stream.push(&[b'x'; 1000]).unwrap();
            assert_eq!(stream.cut(b"END\n"), None);
            stream.keep_end();
            assert!(stream.bytes.len() <= KEPT);
        }
        stream.push(b"EN").unwrap();
        assert_eq!(stream.cut(b"END\n"), None);
        stream.keep_end();
        stream.push(b"D\n").unwrap();
        assert!(stream.cut(b"END\n").is_some());
    }

    #[test]
    fn an_error_is_what_it_says_and_harmless() {
        let errors = b"*stdin*:4: libguestfs: error: pread: open: /fs0/\x1b[2J: No such file\n";
        let why = answer(b"half".to_vec(), errors).unwrap_err();
        assert_eq!(why, "pread: open: /fs0/\\u{1b}[2J: No such file");
        assert_eq!(answer(b"all".to_vec(), b"a warning\n").unwrap(), b"all");
    }
}
