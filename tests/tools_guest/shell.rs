//! `vmkin shell --rw` and `--guestfish` with the real libguestfs: what was changed is
//! seen, and the disks get all of it or nothing.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use sha2::{Digest as _, Sha256};

use crate::common::{command, run, with_mounts};
use crate::writing::{differences, facts};

/// A raw image of a small guest, in a directory of its own.
struct Bench {
    dir: tempfile::TempDir,
    image: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("host.xml"), "<node/>").unwrap();
        let tree = at("tree");
        for below in ["etc", "usr/bin", "srv/old"] {
            fs::create_dir_all(tree.join(below)).unwrap();
        }
        for (path, text) in [
            ("etc/hostname", "web-01\n"),
            ("etc/config", "name=old\n"),
            ("srv/old/file", "1\n"),
            ("srv/stays", "stays\n"),
        ] {
            fs::write(tree.join(path), text).unwrap();
        }
        fs::write(at("local"), "of the host\n").unwrap();
        let image = at("guest.img");
        let (to, from) = (image.to_str().unwrap(), tree.to_str().unwrap());
        run("mke2fs", &["-q", "-t", "ext4", "-d", from, to, "64M"]);
        Self { dir, image }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn vmkin(&self, args: &[&str]) -> std::process::Command {
        let mut command = command(env!("CARGO_BIN_EXE_vmkin"));
        command
            .args(["-c", &format!("test://{}", self.path("host.xml").display())])
            .args(args)
            .env("VMKIN_STATE_DIR", self.path("state"))
            .env("TMPDIR", self.dir.path())
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn shell(&self, more: &[&str]) -> Child {
        let args = ["shell", "--format", "raw", "-a", "guest.img"];
        self.vmkin(&[&args[..], more].concat()).spawn().unwrap()
    }

    /// Runs a script.
    fn script(&self, more: &[&str], lines: &str) -> Output {
        let mut child = self.shell(more);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    fn hash(&self) -> Vec<u8> {
        Sha256::digest(fs::read(&self.image).unwrap()).to_vec()
    }

    /// What is beside the image that was not there, and the journals.
    fn left(&self) -> Vec<String> {
        let names = |dir: &Path| -> Vec<String> {
            let entries = fs::read_dir(dir).into_iter().flatten();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let mut left = names(self.dir.path());
        left.retain(|name| name.starts_with('.') || name.starts_with("vmkin-"));
        left.extend(names(&self.path("state/journal")));
        left
    }
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn what_is_changed_is_seen_and_written_with_the_end_of_the_script() {
    let bench = Bench::new();
    let before = facts(&bench.image, 0);
    let done = bench.script(
        &["--rw"],
        "cd /etc\n\
         write hostname 'db 01'\n\
         cat hostname\n\
         write-append hostname ' and more'\n\
         cat hostname\n\
         -cat nothing\n\
         mkdir-p /srv/a/b\n\
         upload local /srv/a/b/up\n\
         cp /srv/old /srv/a\n\
         mv /srv/a/b/up /srv/a/b/moved\n\
         rm-rf /srv/old\n\
         ln-s ../stays /srv/a/link\n\
         edit -e s/old/new/ config\n\
         chmod 0600 /srv/a/b/moved\n\
         find /srv/a\n\
         cat /srv/a/link /srv/a/b/moved /srv/a/old/file config\n\
         -ls /srv/old\n\
         ls -l /srv/a/b\n\
         -rm /srv/nothing\n\
         -mkdir /srv/a\n\
         status\n",
    );
    let errors = said(&done, 0);
    let printed = String::from_utf8(done.stdout).unwrap();
    let printed: Vec<&str> = printed.lines().collect();
    let wanted = [
        // `write` ends no line.
        "db 01db 01 and more/srv/a",
        "/srv/a/b",
        "/srv/a/b/moved",
        "/srv/a/link",
        "/srv/a/old",
        "/srv/a/old/file",
        "stays",
        "of the host",
        "1",
        "name=new",
    ];
    assert_eq!(printed[..wanted.len()], wanted);
    assert!(printed[wanted.len()].starts_with("-rw------- 0 0 12 "));
    let status = &printed[wanted.len() + 1..];
    assert_eq!(status[0], "change /etc/hostname");
    assert_eq!(status.len(), 11, "{status:?}");
    for what in [
        "'nothing'",
        "'/srv/old'",
        "'/srv/nothing'",
        "'/srv/a' is there already",
    ] {
        assert!(errors.contains(what), "{errors}");
    }
    assert!(
        errors.contains("Written to 'guest.img': 11 changes."),
        "{errors}"
    );
    run("e2fsck", &["-fn", bench.image.to_str().unwrap()]);
    let found = differences(&before, &facts(&bench.image, 0));
    let names: Vec<&str> = found
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .filter(|line| !line.starts_with("t "))
        .collect();
    assert_eq!(
        names,
        [
            "+ srv/a/b/moved",
            "+ srv/a/b",
            "+ srv/a/link",
            "+ srv/a/old/file",
            "+ srv/a/old",
            "+ srv/a",
            "- srv/old",
            "- srv/old/file",
            "~ etc/config",
            "~ etc/hostname",
        ]
    );
    let read = "mount -o loop,ro $IMG $MNT; cat $MNT/etc/hostname; umount $MNT";
    assert_eq!(with_mounts(&bench.image, read), b"db 01 and more");
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn what_is_dropped_or_fails_leaves_the_disk_as_it_was() {
    let bench = Bench::new();
    let before = bench.hash();
    let failed = bench.script(
        &["--rw"],
        "write /etc/new text\ncat /etc/new\ndiscard\n-cat /etc/new\n\
         write /etc/hostname x\nls -l /etc/hostname\ncat /nowhere\nwrite /y z\n",
    );
    let errors = said(&failed, 3);
    assert!(errors.contains("Dropped: 1 changes."), "{errors}");
    assert!(
        errors.contains("there is no '/etc/new' in the guest"),
        "{errors}"
    );
    assert!(errors.contains("line 7: cat /nowhere"), "{errors}");
    assert!(failed.stdout.starts_with(b"text-rw-r--r-- 0 0 1 "));
    assert!(bench.hash() == before);
    assert_eq!(bench.left(), [""; 0]);
}

#[test]
fn a_session_that_is_killed_leaves_the_disk_as_it_was() {
    let bench = Bench::new();
    let before = bench.hash();
    let mut child = bench.shell(&["--rw"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"write /etc/hostname killed\ncat /etc/hostname\nls /usr\n")
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "killedbin\n");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(bench.left().iter().any(|name| name.ends_with(".jsonl")));
    let recovered = bench.vmkin(&["recover"]).output().unwrap();
    said(&recovered, 0);
    assert!(bench.hash() == before);
    // What the appliance had for itself goes with the next one who needs such a place.
    said(&bench.script(&["--rw"], "status\n"), 0);
    let left = bench.left();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn guestfish_gets_overlays_and_the_disk_what_it_ends_well_with() {
    let bench = Bench::new();
    let before = bench.hash();
    let lines = "cat /etc/hostname\nwrite /etc/hostname by-guestfish\ncat /etc/hostname\n";
    let read = bench.script(
        &["--guestfish"],
        &format!("-write /x y\numount /\nmount /dev/sda /\n{lines}"),
    );
    said(&read, 0);
    let printed = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(printed.contains("web-01\n"), "{printed}");
    assert!(printed.contains("by-guestfish"), "{printed}");
    assert!(bench.hash() == before);
    let failed = bench.script(&["--guestfish", "--rw"], &format!("{lines}cat /nothing\n"));
    said(&failed, 8);
    assert!(String::from_utf8_lossy(&failed.stdout).contains("by-guestfish"));
    assert!(bench.hash() == before);
    assert_eq!(bench.left(), [""; 0]);
    let written = bench.script(&["--guestfish", "--rw"], lines);
    assert!(said(&written, 0).contains("Written to 'guest.img'."));
    let read = "mount -o loop,ro $IMG $MNT; cat $MNT/etc/hostname; umount $MNT";
    assert_eq!(with_mounts(&bench.image, read), b"by-guestfish");
    run("e2fsck", &["-fn", bench.image.to_str().unwrap()]);
    assert_eq!(bench.left(), [""; 0]);
}
