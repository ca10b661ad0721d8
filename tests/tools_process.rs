//! Children against real processes: they die with this program, and a tool
//! that fails leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use vmkin::error::Kind;
use vmkin::image::{Copy, Overlay, ReflinkRule, Trust, resolve, write};
use vmkin::model::ImageFormat;
use vmkin::process::{TOOL_PATH_VARIABLE, Tool};

/// Tells a test that it is the inner half of itself, and where to work.
const INNER: &str = "VMKIN_TEST_INNER";

fn inner() -> Option<PathBuf> {
    std::env::var_os(INNER).map(PathBuf::from)
}

/// This test program once more, to run one test alone.
#[expect(clippy::disallowed_methods, reason = "it is to be killed")]
fn again(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(INNER, dir)
        .stdin(Stdio::null());
    command
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_child_dies_when_we_are_killed() {
    if let Some(dir) = inner() {
        let script = format!("echo $$ > {}/pid; exec sleep 300", dir.display());
        drop(Tool::at("/bin/sh").run(["-c", &script]));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut program = again("a_child_dies_when_we_are_killed", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = dir.path().join("pid");
    let child = || std::fs::read_to_string(&pid).unwrap_or_default();
    wait_until("the child is started", || child().ends_with('\n'));
    let stat = format!("/proc/{}/stat", child().trim());
    assert!(Path::new(&stat).exists());
    program.kill().unwrap();
    program.wait().unwrap();
    wait_until("the child is gone", || {
        // Nobody may be there to collect it; then it stays as a zombie.
        std::fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "))
    });
}

#[test]
fn a_tool_that_fails_leaves_nothing_behind() {
    if let Some(dir) = inner() {
        let base = dir.join("base");
        std::fs::write(&base, [7; 4096]).unwrap();
        let spec = Overlay {
            virtual_size: 1 << 20,
            backing: &base,
            backing_format: ImageFormat::Raw,
        };
        let top = dir.join("top");
        drop(write(&top, &spec).unwrap());
        let chain = resolve(&top, ImageFormat::Qcow2, &Trust::default()).unwrap();
        let to = dir.join("copy");
        let copy = Copy {
            chain: &chain,
            to: &to,
            format: ImageFormat::Qcow2,
            reflink: ReflinkRule::Auto,
        };
        for (script, message) in [
            ("kill -9 $$", "`qemu-img convert` was killed (signal 9)"),
            (
                "echo 'qemu-img: No space left on device' >&2; exit 1",
                "`qemu-img convert` failed (exit 1): qemu-img: No space left on device",
            ),
            // What it may use: processor seconds, KiB of address space, arenas.
            (
                "echo $(ulimit -t) $(ulimit -v) $MALLOC_ARENA_MAX >&2; exit 1",
                "`qemu-img convert` failed (exit 1): 600 4194304 4",
            ),
            // It is told each format; nothing is left to be probed.
            (
                r#"echo "$1 $2 $3 $4 $5" "${6%%,file.filename*}" >&2; exit 1"#,
                "`qemu-img convert` failed (exit 1): \
                 convert -p --image-opts -O qcow2 driver=qcow2,file.driver=file",
            ),
        ] {
            let tool = dir.join("qemu-img");
            std::fs::write(&tool, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
            let error = copy.run(&|_, _| {}, &AtomicBool::new(false)).unwrap_err();
            assert_eq!(error.kind(), Kind::Storage);
            assert_eq!(error.to_string(), message);
            assert!(!to.exists());
            std::fs::remove_file(tool).unwrap();
        }
        let error = copy.run(&|_, _| {}, &AtomicBool::new(false)).unwrap_err();
        assert_eq!(error.kind(), Kind::Environment);
        assert!(!to.exists());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let status = again("a_tool_that_fails_leaves_nothing_behind", dir.path())
        .env(TOOL_PATH_VARIABLE, dir.path())
        .status()
        .unwrap();
    assert!(status.success());
}
