//! The file tree of a guest as a file system of this host, read-only.
//!
//! The kernel asks, and threads of `fuser` take its questions; but a [`Tree`] is
//! one thread's. So each question goes to that thread, with the way back for the
//! answer, and is answered there.

mod inodes;
mod questions;
mod server;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};

use self::questions::{Asker, Question};
use self::server::Server;
use super::tree::Tree;
use crate::error::{Error, Kind, Result};
use crate::interrupt::Interrupt;

/// Where the kernel is asked for a file system of this kind.
const DEVICE: &str = "/dev/fuse";

/// How often it is looked whether the user wants to stop.
const TICK: Duration = Duration::from_millis(200);

/// How a tree is mounted.
pub struct Options {
    /// What it is mounted from, for `mount` and `findmnt` to show.
    pub source: String,
    /// Whether others may look into it, as far as the modes of its files let them.
    pub allow_other: bool,
    /// Whether nothing there may be run.
    pub no_exec: bool,
}

/// A mount that is there, with nobody who answers yet.
pub struct Mount {
    session: BackgroundSession,
    questions: Receiver<Question>,
}

/// What is to be done while a tree is served.
pub struct Hooks<'h> {
    /// Looks, after something was read, whether that is still what is on the
    /// disks. When it fails, everything from then on does.
    pub check: &'h mut dyn FnMut() -> Result<()>,
    /// Is told what could not be read, a sentence each.
    pub tell: &'h dyn Fn(&str),
    /// Whether the user wants it to end.
    pub interrupt: &'h Interrupt,
}

impl Mount {
    /// Mounts on an empty directory.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if this host, or this user, cannot mount.
    pub fn on(dir: &Path, options: &Options) -> Result<Self> {
        if !Path::new(DEVICE).exists() {
            return Err(Error::new(
                Kind::Environment,
                format!("there is no {DEVICE}, which it takes to mount a guest"),
            )
            .hint("load the module: `modprobe fuse`; in a container, give it the device"));
        }
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::RO,
            MountOption::NoSuid,
            MountOption::NoDev,
            MountOption::FSName(options.source.clone()),
            // The library has it for the program alone that mounts for users.
            MountOption::CUSTOM("subtype=vmkin".to_owned()),
        ];
        if options.no_exec {
            config.mount_options.push(MountOption::NoExec);
        }
        if options.allow_other {
            config.acl = SessionACL::All;
            config.mount_options.push(MountOption::DefaultPermissions);
        }
        let (sender, questions) = channel();
        let session = Session::new(Asker::new(sender), dir, &config).and_then(Session::spawn);
        let session = session.map_err(|error| not_mounted(dir, options, error))?;
        Ok(Self { session, questions })
    }

    /// Answers until it is unmounted, or the user wants it to end.
    ///
    /// # Errors
    ///
    /// Those of [`Interrupt::check`]; then it is unmounted. [`Kind::Busy`] if
    /// somebody uses it still.
    pub fn serve(self, tree: &Tree, hooks: Hooks<'_>) -> Result<()> {
        let interrupt = hooks.interrupt;
        let mut server = Server::new(tree, hooks)?;
        loop {
            match self.questions.recv_timeout(TICK) {
                Ok(question) => server.answer(question),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(stop) = interrupt.check() {
                // What is asked from now on is not answered: the process ends.
                drop(self.questions);
                let ended = self.session.umount_and_join();
                return Err(match ended {
                    Ok(()) => stop,
                    Err(error) => Error::wrap(Kind::Busy, "cannot unmount it", error),
                });
            }
        }
    }
}

fn not_mounted(dir: &Path, options: &Options, error: std::io::Error) -> Error {
    let kind = error.kind();
    let what = format!("cannot mount on {}", dir.display());
    let error = Error::wrap(Kind::Environment, what, error);
    match kind {
        ErrorKind::NotFound => error.hint(
            "users other than root need `fusermount3`: `apt install fuse3` or `dnf install fuse3`",
        ),
        ErrorKind::PermissionDenied if options.allow_other => error.hint(
            "have root write `user_allow_other` to /etc/fuse.conf, or leave `--allow-other` out",
        ),
        _ => error,
    }
}
