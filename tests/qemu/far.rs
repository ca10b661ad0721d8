//! Another host: a second libvirtd, whose images nobody outside of it can see.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::lab::{Ran, tool};

/// How long the daemon may take to answer.
const UP: Duration = Duration::from_secs(60);

/// A libvirtd in mounts of its own. Only its socket is reached from here.
pub struct Far {
    daemon: Child,
    /// Its URI.
    pub uri: String,
    /// Where its images are: there. Here are other files of the same names.
    pub images: PathBuf,
    /// Where those really are.
    dir: PathBuf,
    socket_dir: PathBuf,
}

/// Where the images really are, where they are there, and where the socket is, are
/// its words.
const START: &str = include_str!("../../scripts/lib/far-libvirtd.sh");

impl Far {
    /// Starts one that has the files of `dir` under another name.
    pub fn start(test: &str, dir: &Path) -> Self {
        let images = PathBuf::from(format!("/run/{test}-images"));
        let socket_dir = PathBuf::from(format!("/run/{test}-socket"));
        for dir in [&images, &socket_dir] {
            fs::create_dir_all(dir).unwrap();
        }
        let socket = socket_dir.join("libvirt-sock");
        let mut far = Self {
            daemon: daemon(dir, &images, &socket_dir),
            uri: format!("qemu+unix:///system?socket={}", socket.display()),
            images,
            dir: dir.to_owned(),
            socket_dir,
        };
        far.wait();
        far
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
        self.daemon = daemon(&self.dir, &self.images, &self.socket_dir);
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

    fn try_virsh(&self, args: &[&str]) -> Ran {
        let mut words = vec!["-q", "-c", &self.uri];
        words.extend(args);
        #[expect(clippy::disallowed_methods, reason = "it may fail")]
        let output = Command::new("virsh").args(words).output().unwrap();
        Ran::new(&output)
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
fn daemon(dir: &Path, images: &Path, socket_dir: &Path) -> Child {
    #[expect(clippy::disallowed_methods, reason = "a daemon is no tool that ends")]
    Command::new("unshare")
        .args(["--mount", "--propagation", "private", "bash", "-c", START])
        .arg("far")
        .args([dir, images, socket_dir])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop(false);
        for name in self.try_virsh(&["list", "--name"]).stdout.lines() {
            self.try_virsh(&["destroy", name]);
        }
        drop(self.daemon.kill());
        drop(self.daemon.wait());
        for dir in [&self.images, &self.socket_dir] {
            drop(fs::remove_dir_all(dir));
        }
    }
}
