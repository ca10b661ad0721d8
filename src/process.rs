//! The only place that starts other programs.
//!
//! A program started here is called by its absolute path, reads nothing (but for
//! an editor, which is the user's), dies
//! with this process even if that is killed, and is given up when it stops
//! getting on. What it says on stderr is kept for the error message.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use self::pipes::{Chunk, Lines, keep_tail, listen};
use crate::error::{Error, Kind, Result};

pub use self::background::{Background, leave_terminal, say_to};
pub use self::dialogue::{Dialogue, Heard};
pub use self::pipes::printable;
pub use self::service::Service;

mod attended;
mod background;
mod dialogue;
mod pipes;
mod service;
#[cfg(test)]
mod tests;

/// Where programs are looked for when this process runs as root, whatever
/// `PATH` says: directories that only root can write to.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Names the environment variable that takes the place of the search path.
/// It is for tests, which put programs that fail in front of the real ones.
pub const TOOL_PATH_VARIABLE: &str = "VMKIN_TOOL_PATH";

/// How much of a program's stdout is kept, in bytes.
const STDOUT_KEPT: usize = 64 << 20;

/// How often the wish to stop is looked at.
const TICK: Duration = Duration::from_millis(50);

/// How long is waited, at first and later, between two looks whether a program
/// that has closed its pipes has ended: most are about to.
const SHORTEST: Duration = Duration::from_micros(50);
const LONGEST: Duration = Duration::from_millis(2);

/// How long the pipes of a program that has ended are listened to.
const LINGER: Duration = Duration::from_millis(200);

/// How long a program may go without progress unless a caller says otherwise.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the kernel sends to a process that has used up its processor time:
/// SIGXCPU.
const OUT_OF_TIME: i32 = Signal::XCPU.as_raw();

/// A program of the host, found and ready to be run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tool {
    name: String,
    path: PathBuf,
}

/// Called with each command line before it is run.
pub type Observer = fn(&Path, &[OsString]);

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Has `observer` called with each command line before it is run. Only the
/// first call of this function counts.
pub fn observe(observer: Observer) {
    OBSERVER.get_or_init(|| observer);
}

impl Tool {
    /// Looks for a program.
    ///
    /// Root gets a fixed search path of system directories instead of `PATH`,
    /// for a directory of somebody else's in it would be theirs to fill.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`], with the package to install as a hint.
    pub fn find(name: &str) -> Result<Self> {
        let path = which::which_in_global(name, Some(search_path()))
            .ok()
            .and_then(|mut found| found.next());
        match path {
            Some(path) => Ok(Self {
                name: name.to_owned(),
                path,
            }),
            None => Err(not_found(name)),
        }
    }

    /// Takes the program at `path`, without looking whether it is there.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            name: name.to_string_lossy().into_owned(),
            path,
        }
    }

    /// The name it was looked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Prepares a run of it.
    pub fn command<I, S>(&self, args: I) -> Run<'_>
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        Run {
            tool: self,
            args: args.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            limits: Limits::default(),
            patience: crate::failpoint::patience(PATIENCE),
            cancel: None,
            codes: &[0],
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    ///
    /// Those of [`Run::run`].
    pub fn run<I, S>(&self, args: I) -> Result<Output>
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.command(args).run()
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

fn search_path() -> OsString {
    if let Some(path) = std::env::var_os(TOOL_PATH_VARIABLE) {
        return path;
    }
    if rustix::process::geteuid().is_root() {
        return SYSTEM_PATH.into();
    }
    std::env::var_os("PATH").unwrap_or_else(|| SYSTEM_PATH.into())
}

fn not_found(name: &str) -> Error {
    let error = Error::new(
        Kind::Environment,
        format_args!("the program `{name}` is not on this host"),
    );
    let packages = match name {
        "qemu-img" => ("qemu-utils", "qemu-img"),
        "qemu-storage-daemon" => ("qemu-utils", "qemu-img"),
        "guestfish" | "guestmount" | "virt-customize" => ("libguestfs-tools", "guestfs-tools"),
        "ssh-keygen" => ("openssh-client", "openssh"),
        "virsh" => ("libvirt-clients", "libvirt-client"),
        "fusermount3" => ("fuse3", "fuse3"),
        _ => return error,
    };
    error.hint(format!(
        "install it: `apt install {}` or `dnf install {}`",
        packages.0, packages.1
    ))
}

/// Has the system write no core file of this process and of those it starts: it
/// would have the passwords of the domains in it that are being cloned.
pub fn forbid_core_files() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Less is always allowed.
    let _ = rustix::process::setrlimit(Resource::Core, none);
}

/// How many files this process wants to have open at once. A disk that is
/// locked takes two, and all disks of many guests are locked together.
const OPEN_FILES: u64 = 1 << 16;

/// Has the system let this process have more files open than the usual 1024, as
/// far as it may.
pub fn allow_many_files() {
    let now = rustix::process::getrlimit(Resource::Nofile);
    let wanted = now.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if now.current.is_some_and(|current| current < wanted) {
        let more = Rlimit {
            current: Some(wanted),
            ..now
        };
        // Without, it is found out when there are too many.
        let _ = rustix::process::setrlimit(Resource::Nofile, more);
    }
}

/// What a program may use at the most.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Processor time, in seconds.
    pub cpu_seconds: Option<u64>,
    /// Address space, in bytes.
    pub address_space: Option<u64>,
}

/// What a program that succeeded has written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Output {
    /// Its stdout, as it is; at most 64 MiB of it.
    pub stdout: Vec<u8>,
    /// The end of its stderr, with control characters escaped.
    pub stderr: String,
    /// How it ended: 0, or one of [`Run::codes`].
    pub code: i32,
}

/// A run of a program that has not begun.
#[must_use = "nothing is run before `run`"]
#[derive(Debug)]
pub struct Run<'a> {
    tool: &'a Tool,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    limits: Limits,
    patience: Duration,
    cancel: Option<&'a AtomicBool>,
    codes: &'static [i32],
}

impl<'a> Run<'a> {
    /// Adds an environment variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Limits what it may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long it may neither say nor read nor write anything before it is given
    /// up; 10 minutes if nobody sets it.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Takes these exit codes for success; else only 0 is.
    pub fn codes(mut self, codes: &'static [i32]) -> Self {
        self.codes = codes;
        self
    }

    /// Kills it as soon as `cancel` is true.
    pub fn cancel(mut self, cancel: &'a AtomicBool) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Runs it to its end. It dies with the thread that called this, and so
    /// with the process too.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be started, [`Kind::Interrupted`] if
    /// it was cancelled, [`Kind::Storage`] if it fails, is killed, or is given
    /// up. The message holds the end of what it wrote to stderr.
    pub fn run(self) -> Result<Output> {
        self.run_lines(&mut |_| {})
    }

    /// Runs it to its end, and calls `line` with each line of its stdout as it
    /// comes. A carriage return ends a line too, as in `qemu-img -p`.
    ///
    /// # Errors
    ///
    /// Those of [`Run::run`].
    pub fn run_lines(self, line: &mut dyn FnMut(&str)) -> Result<Output> {
        if let Some(observer) = OBSERVER.get() {
            observer(&self.tool.path, &self.args);
        }
        let mut child = Running(self.spawn()?);
        let chunks = listen(&mut child.0);
        let mut lines = Lines::default();
        let mut stdout = Vec::new();
        let mut stderr = VecDeque::new();
        let mut last_progress = Instant::now();
        let mut moved = 0;
        let mut listening = true;
        let mut pause = SHORTEST;
        let mut ended = None;
        let status = loop {
            if self.cancel.is_some_and(|c| c.load(Ordering::Relaxed)) {
                return Err(Error::new(
                    Kind::Interrupted,
                    format_args!("`{}` was interrupted", self.step()),
                ));
            }
            let chunk = if listening {
                chunks.recv_timeout(TICK)
            } else {
                std::thread::sleep(pause);
                pause = LONGEST.min(pause.saturating_mul(2));
                Err(RecvTimeoutError::Timeout)
            };
            match chunk {
                Ok(chunk) => {
                    last_progress = Instant::now();
                    match chunk {
                        Chunk::Out(bytes) => {
                            lines.push(&bytes, line);
                            let room = STDOUT_KEPT.saturating_sub(stdout.len());
                            stdout.extend(bytes.into_iter().take(room));
                        }
                        Chunk::Err(bytes) => keep_tail(&mut stderr, &bytes),
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => listening = false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            match child.0.try_wait() {
                // What is still in the pipes is read first; but something that
                // it left running may hold them open for ever.
                Ok(Some(status)) => {
                    let ended = *ended.get_or_insert_with(Instant::now);
                    if !listening || ended.elapsed() > LINGER {
                        break status;
                    }
                }
                Ok(None) => {}
                Err(error) => return Err(Error::io(format!("lost `{}`", self.step()), error)),
            }
            if last_progress.elapsed() > self.patience {
                let now = bytes_moved(&child.0);
                if now == moved {
                    return Err(Error::new(
                        Kind::Storage,
                        format_args!(
                            "`{}` gave no progress for {} s; stopped it",
                            self.step(),
                            self.patience.as_secs()
                        ),
                    ));
                }
                moved = now;
                last_progress = Instant::now();
            }
        };
        // A grandchild may hold the pipes open: what has come has to do.
        while let Ok(chunk) = chunks.try_recv() {
            match chunk {
                Chunk::Out(bytes) => {
                    lines.push(&bytes, line);
                    stdout.extend(bytes);
                }
                Chunk::Err(bytes) => keep_tail(&mut stderr, &bytes),
            }
        }
        lines.finish(line);
        let stderr = printable(stderr.make_contiguous());
        if let Some(code) = status.code().filter(|code| self.codes.contains(code)) {
            return Ok(Output {
                stdout,
                stderr,
                code,
            });
        }
        Err(self.failure(status, &stderr))
    }

    /// What is being done, in two words: `qemu-img convert`.
    fn step(&self) -> String {
        let verb = self.args.first().map(|arg| arg.to_string_lossy());
        match verb {
            Some(verb) if verb.starts_with(|c: char| c.is_ascii_lowercase()) => {
                format!("{} {verb}", self.tool.name)
            }
            _ => self.tool.name.clone(),
        }
    }

    fn failure(&self, status: ExitStatus, stderr: &str) -> Error {
        let step = self.step();
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("`{step}` failed (exit {code})"),
            (None, Some(signal)) if signal == OUT_OF_TIME => format!(
                "`{step}` used {} s of processor time, which is its limit",
                self.limits.cpu_seconds.unwrap_or_default()
            ),
            (None, Some(signal)) => format!("`{step}` was killed (signal {signal})"),
            (None, None) => format!("`{step}` failed ({status})"),
        };
        if stderr.is_empty() {
            Error::new(Kind::Storage, how)
        } else {
            Error::new(Kind::Storage, format_args!("{how}: {stderr}"))
        }
    }

    fn spawn(&self) -> Result<Child> {
        let child = self.prepared(Stdio::null()).spawn();
        child.map_err(|error| self.not_started(error))
    }

    fn not_started(&self, error: std::io::Error) -> Error {
        Error::wrap(
            Kind::Environment,
            format_args!("cannot start {}", self.tool.path.display()),
            error,
        )
    }

    fn prepared(&self, stdin: Stdio) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the place")]
        let mut command = Command::new(&self.tool.path);
        command
            .args(&self.args)
            .env("LC_ALL", "C")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal is for us; we tell the child.
            .process_group(0);
        let limits = self.limits;
        let parent = rustix::process::getpid();
        // SAFETY: the closure runs between fork and exec, where only
        // async-signal-safe functions may be called: prctl, getppid, getrlimit
        // and setrlimit are plain system calls here, and nothing is allocated.
        #[expect(
            unsafe_code,
            reason = "there is no other way to set these in the child"
        )]
        unsafe {
            command.pre_exec(move || prepare(parent, limits));
        }
        command
    }
}

/// Ties the new process to its parent and limits it. Runs between fork and exec.
fn prepare(parent: Pid, limits: Limits) -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before it could be asked for; then nobody is
    // going to send the signal.
    if rustix::process::getppid() != Some(parent) {
        return Err(rustix::io::Errno::SRCH.into());
    }
    let set = |resource, most: Option<u64>| {
        let Some(most) = most else { return Ok(()) };
        // What is limited already stays so: nobody but root may raise it.
        let above = rustix::process::getrlimit(resource).maximum;
        let most = above.map_or(most, |above| above.min(most));
        let limit = Rlimit {
            current: Some(most),
            // One second more of processor time is between the signal that says
            // why and the one that kills.
            maximum: Some(above.map_or(most.saturating_add(1), |above| {
                above.min(most.saturating_add(1))
            })),
        };
        rustix::process::setrlimit(resource, limit)
    };
    set(Resource::Cpu, limits.cpu_seconds)?;
    set(Resource::As, limits.address_space)?;
    Ok(())
}

/// A child that is killed, with all it started, when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.0.try_wait() {
            return;
        }
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It may be gone by now, which is just as well.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// How many bytes a child has read and written so far, from and to anything; 0
/// if nobody knows.
fn bytes_moved(child: &Child) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            line.strip_prefix("rchar: ")
                .or(line.strip_prefix("wchar: "))
        })
        .filter_map(|number| number.trim().parse::<u64>().ok())
        .fold(0, u64::wrapping_add)
}
