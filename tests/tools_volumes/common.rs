//! Running the tools, and disks to run them on.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use vmkin::guest::native::Blocks;
use vmkin::image::read::open;
use vmkin::image::{Trust, resolve};
use vmkin::model::ImageFormat;

/// Runs a program of the system's, with something to read.
#[track_caller]
pub(crate) fn run_with(program: &str, args: &[&str], env: &[(&str, &str)], input: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "these are the programs to be compared with"
    )]
    let mut child = Command::new(program)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?}: {stdout}{stderr}"
    );
    stdout
}

#[track_caller]
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    run_with(program, args, &[], "")
}

/// Files that are disks.
pub(crate) struct Disks {
    dir: tempfile::TempDir,
}

impl Disks {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// An empty disk.
    pub(crate) fn disk(&self, name: &str, size: u64) -> PathBuf {
        let path = self.dir.path().join(name);
        File::create(&path).unwrap().set_len(size).unwrap();
        path
    }
}

/// What the reader sees of a raw image.
pub(crate) fn blocks(path: &Path) -> Arc<dyn Blocks> {
    let chain = resolve(path, ImageFormat::Raw, &Trust::default()).unwrap();
    Arc::new(open(&chain, None).unwrap())
}

/// A loop device on a file, or on a part of one.
pub(crate) struct Loop(pub(crate) String);

impl Loop {
    pub(crate) fn new(file: &Path, options: &[&str]) -> Self {
        let mut args = vec!["--show", "-f"];
        args.extend(options);
        args.push(file.to_str().unwrap());
        Self(run("losetup", &args).trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        run("losetup", &["-d", &self.0]);
    }
}
