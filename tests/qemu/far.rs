//! Another host: a second libvirtd, whose images nobody outside of it can see. It is
//! reached by its socket, or has a network of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::lab::{Ran, tool};

/// How long the daemon may take to answer.
const UP: Duration = Duration::from_secs(60);

/// Where the script is that makes a host with a network of its own.
const WIRE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/wire-host.sh");

/// A libvirtd in mounts of its own. Only its socket is reached from here, or what it
/// listens to on its network.
pub struct Far {
    daemon: Child,
    /// Its URI.
    pub uri: String,
    /// Where its images are: there. Here are other files of the same names.
    pub images: PathBuf,
    /// Where those really are.
    dir: PathBuf,
    socket_dir: PathBuf,
    wire: Option<Wire>,
}

/// The network of a host: one wire, at whose other end this namespace is.
struct Wire {
    /// What the host is called, and this end of the wire.
    name: String,
    /// The last part of its address.
    number: u8,
    six: bool,
}

impl Wire {
    fn address(&self) -> String {
        match self.six {
            true => format!("fd77::{}", self.number),
            false => format!("10.77.0.{}", self.number),
        }
    }
}

/// Where the images really are, where they are there, and where the socket is, are
/// its words.
const START: &str = include_str!("../../scripts/lib/far-libvirtd.sh");

impl Far {
    /// Starts one that has the files of `dir` under another name.
    pub fn start(test: &str, dir: &Path) -> Self {
        let socket = format!("/run/{test}-socket/libvirt-sock");
        let uri = format!("qemu+unix:///system?socket={socket}");
        Self::make(test, dir, uri, None)
    }

    /// Starts one that is reached over TCP, by IPv4 or IPv6. `name` is what the host is
    /// called, `number` the last part of its address.
    pub fn on_wire(name: &str, number: u8, six: bool, dir: &Path) -> Self {
        let wire = Wire {
            name: name.to_owned(),
            number,
            six,
        };
        let uri = match six {
            true => format!("qemu+tcp://[{}]/system", wire.address()),
            false => format!("qemu+tcp://{}/system", wire.address()),
        };
        Self::make(name, dir, uri, Some(wire))
    }

    fn make(test: &str, dir: &Path, uri: String, wire: Option<Wire>) -> Self {
        let images = PathBuf::from(format!("/run/{test}-images"));
        let socket_dir = PathBuf::from(format!("/run/{test}-socket"));
        for dir in [&images, &socket_dir] {
            fs::create_dir_all(dir).unwrap();
        }
        let mut far = Self {
            daemon: daemon(dir, &images, &socket_dir, wire.as_ref()),
            uri,
            images,
            dir: dir.to_owned(),
            socket_dir,
            wire,
        };
        far.wait();
        far
    }

    /// The same host over ssh.
    pub fn ssh(&self) -> String {
        let (address, ssh) = (self.address(), self.socket_dir.join("ssh"));
        format!(
            "qemu+ssh://root@{address}/system?command={}&no_tty=1",
            ssh.display()
        )
    }

    /// Its address on the wire.
    pub fn address(&self) -> String {
        self.wire.as_ref().unwrap().address()
    }

    /// Pulls the wire out of it, or puts it in again. What is sent there meanwhile is
    /// lost without a word, as on the way to a host behind a router.
    pub fn plug(&self, plugged: bool) {
        let name = &self.wire.as_ref().unwrap().name;
        let address = self.address();
        let mac = self.tool(&["cat", "/sys/class/net/wire/address"]);
        let (state, neighbor) = match plugged {
            true => ("up", "reachable"),
            false => ("down", "permanent"),
        };
        let known = [
            "neigh",
            "replace",
            &address,
            "lladdr",
            mac.trim(),
            "nud",
            neighbor,
            "dev",
            "wire",
        ];
        tool("ip", &known);
        tool("ip", &["link", "set", name, state]);
    }

    fn wait(&mut self) {
        let since = Instant::now();
        while self.try_virsh(&["version"]).code != Some(0) {
            assert!(since.elapsed() < UP, "the far libvirtd does not answer");
            assert_eq!(self.daemon.try_wait().unwrap(), None, "it has ended");
            sleep(Duration::from_millis(50));
        }
    }

    /// Has the host die: its daemon, and all that it knew.
    pub fn kill(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }

    /// Starts the host anew, which has its images still.
    pub fn start_again(&mut self) {
        let wire = self.wire.as_ref();
        self.daemon = daemon(&self.dir, &self.images, &self.socket_dir, wire);
        self.wait();
    }

    /// The path of an image there.
    pub fn at(&self, name: &str) -> String {
        self.images.join(name).display().to_string()
    }

    /// Puts a file here where there is another one there.
    pub fn decoy(&self, name: &str, original: &Path) {
        fs::copy(original, self.images.join(name)).unwrap();
    }

    /// A daemon that has locked itself up is not waited for.
    fn try_virsh(&self, args: &[&str]) -> Ran {
        let mut words = vec!["60", "virsh", "-q", "-c", &self.uri];
        words.extend(args);
        #[expect(clippy::disallowed_methods, reason = "it may fail")]
        let output = Command::new("timeout").args(words).output().unwrap();
        Ran::new(&output)
    }

    /// Starts the host anew if its daemon does not answer any more, and says whether it did: of
    /// its definitions nothing is left then. Libvirt (11.3) sometimes locks itself up when a
    /// client dies while it sends: what closes a client takes a lock that
    /// `daemonStreamEvent` holds.
    pub fn revived(&mut self) -> bool {
        let stuck = self.try_virsh(&["version"]).code != Some(0);
        if stuck {
            self.kill();
            self.start_again();
        }
        stuck
    }

    /// Runs virsh there, which must succeed.
    #[track_caller]
    pub fn virsh(&self, args: &[&str]) -> String {
        let ran = self.try_virsh(args);
        assert_eq!(ran.code, Some(0), "{args:?}\n{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs a program that sees the files of that host.
    pub fn tool(&self, args: &[&str]) -> String {
        let daemon = self.daemon.id().to_string();
        let mut words = vec!["-t", &daemon, "-m"];
        words.extend(args);
        tool("nsenter", &words)
    }

    /// Runs vmkin on that host, which has a wire. It must succeed.
    pub fn vmkin(&self, args: &[&str]) -> String {
        let daemon = self.daemon.id().to_string();
        let processes = format!("--pid=/proc/{daemon}/ns/pid_for_children");
        let state = "VMKIN_STATE_DIR=/var/lib/libvirt/vmkin";
        let mut words = vec!["-t", &daemon, "-m", &processes, "env", state];
        words.extend([env!("CARGO_BIN_EXE_vmkin"), "-c", "qemu:///system"]);
        words.extend(args);
        tool("nsenter", &words)
    }

    /// Defines a domain there.
    pub fn define(&self, xml: &str) {
        let file = self.socket_dir.join("domain.xml");
        fs::write(&file, xml).unwrap();
        self.virsh(&["define", &file.display().to_string()]);
    }

    /// Lets the daemon neither answer nor end, or go on.
    pub fn stop(&self, stop: bool) {
        let signal = if stop { "-STOP" } else { "-CONT" };
        tool("kill", &[signal, &self.daemon.id().to_string()]);
    }
}

/// A libvirtd that sees `dir` under the name of `images`.
fn daemon(dir: &Path, images: &Path, socket_dir: &Path, wire: Option<&Wire>) -> Child {
    let program = if wire.is_some() { WIRE } else { "unshare" };
    #[expect(clippy::disallowed_methods, reason = "a daemon is no tool that ends")]
    let mut command = Command::new(program);
    match wire {
        Some(wire) => {
            let version = if wire.six { "6" } else { "4" };
            command.args([&wire.name, &wire.number.to_string(), version]);
        }
        None => {
            let isolated = ["--mount", "--propagation", "private", "bash", "-c", START];
            command.args(isolated).arg("far");
        }
    }
    let places = command.args([dir, images, socket_dir]);
    places.stdin(Stdio::null()).spawn().unwrap()
}

impl Drop for Far {
    fn drop(&mut self) {
        // Guests on a wire go with their host.
        if self.wire.is_none() {
            self.stop(false);
            for name in self.try_virsh(&["list", "--name"]).stdout.lines() {
                self.try_virsh(&["destroy", name]);
            }
        }
        drop(self.daemon.kill());
        drop(self.daemon.wait());
        for dir in [&self.images, &self.socket_dir] {
            drop(fs::remove_dir_all(dir));
        }
    }
}
