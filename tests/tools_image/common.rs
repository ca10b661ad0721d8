//! Running the real programs, and images to run them on.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use vmkin::image::{Overlay, Trust, resolve, write};
use vmkin::model::{Chain, ImageFormat};

#[expect(
    clippy::disallowed_methods,
    reason = "these are the programs to be compared with"
)]
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").stdin(Stdio::null());
    command
}

/// Runs a program and returns whether it succeeded and what it said.
pub(crate) fn try_run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> (bool, String) {
    let output = command(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

#[track_caller]
pub(crate) fn run<S: AsRef<OsStr> + std::fmt::Debug>(program: &str, args: &[S]) -> String {
    let (ok, text) = try_run(program, args);
    assert!(ok, "{program} {args:?}: {text}");
    text
}

pub(crate) fn virtual_size(path: &Path, format: &str) -> u64 {
    let text = run(
        "qemu-img",
        &args!["info", "-U", "-f", format, "--output=json", path],
    );
    let info: serde_json::Value = serde_json::from_str(&text).unwrap();
    info["virtual-size"].as_u64().unwrap()
}

pub(crate) struct Pool {
    _dir: tempfile::TempDir,
    pub(crate) dir: PathBuf,
}

impl Pool {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            dir: dir.path().canonicalize().unwrap(),
            _dir: dir,
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A raw image with something in it.
    pub(crate) fn raw(&self, name: &str, size: u64) -> PathBuf {
        let path = self.at(name);
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(size).unwrap();
        file.write_all_at(&[0xa5; 300], size / 3).unwrap();
        file.write_all_at(b"the end", size - 7).unwrap();
        path
    }

    pub(crate) fn qcow2(&self, name: &str, options: &str) -> PathBuf {
        let raw = self.raw("source.raw", 3 << 20);
        let path = self.at(name);
        run(
            "qemu-img",
            &args![
                "convert", "-f", "raw", "-O", "qcow2", "-o", options, &raw, &path
            ],
        );
        path
    }

    pub(crate) fn overlay(&self, name: &str, backing: &Path, format: ImageFormat) -> PathBuf {
        let chain = resolve(backing, format, &Trust::default()).unwrap();
        self.sized(name, backing, format, chain.top().virtual_size)
    }

    pub(crate) fn sized(
        &self,
        name: &str,
        backing: &Path,
        backing_format: ImageFormat,
        size: u64,
    ) -> PathBuf {
        let path = self.at(name);
        let spec = Overlay {
            virtual_size: size,
            backing,
            backing_format,
        };
        write(&path, &spec).unwrap().sync().unwrap();
        path
    }
}

pub(crate) fn chain(top: &Path) -> Chain {
    resolve(top, ImageFormat::Qcow2, &Trust::default()).unwrap()
}

pub(crate) fn check(path: &Path) {
    run("qemu-img", &args!["check", "-f", "qcow2", path]);
}

pub(crate) fn assert_same(a: &Path, a_format: &str, b: &Path, b_format: &str) {
    run(
        "qemu-img",
        &args!["compare", "-f", a_format, "-F", b_format, a, b],
    );
}

/// A program that has an image open until it is told to stop.
pub(crate) struct Opened {
    pub(crate) child: Child,
}

impl Opened {
    pub(crate) fn new(options: &[&str], path: &Path) -> Self {
        let mut child = command("qemu-io")
            .args(options)
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It answers, so it has the image open.
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(b"length\n").unwrap();
        stdin.flush().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::with_capacity(1, stdout)
            .read_line(&mut line)
            .unwrap();
        assert!(!line.is_empty(), "qemu-io could not open {path:?}");
        Self { child }
    }

    pub(crate) fn close(mut self) {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.child
            .stdout
            .as_mut()
            .unwrap()
            .read_to_string(&mut rest)
            .unwrap();
        self.child.wait().unwrap();
    }
}
