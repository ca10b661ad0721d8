//! Guests mounted on a directory, as the kernel shows them there, against the
//! kernel's own mounts of the same images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::common::{
    LIST, assert_same, command, formatted, guestfish, kernel_listing, run, with_mounts,
};
use crate::writing::{FILL, differences, facts};

/// What [`FILL`] has not: names that are no text, old times, holes, many names.
const MORE: &str = r#"
    cd "$MNT"; printf x > $'bad\xff\n name'; mkfifo pipe; : > 'a b\c'
    truncate -s 40M hole; printf end >> hole; head -c 3000001 /dev/urandom > blob
    mkdir many; (cd many; seq -f 'name-%.0f' 10000 | xargs touch)
    ln blob srv/blob-too; chmod 1777 var
    touch -h -d '1960-01-02 03:04:05.5 UTC' srv/link; touch -d '1960-01-02 03:04:05 UTC' blob
"#;

/// The attributes of each file.
const XATTRS: &str = r"
    cd $MNT; find . ! -path './many/*' -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex 2>&1
";

/// A place for an image, with records of its own.
struct Bench {
    dir: tempfile::TempDir,
    image: PathBuf,
    mount: PathBuf,
}

impl Bench {
    fn of(dir: tempfile::TempDir, image: PathBuf) -> Self {
        let mount = dir.path().join("mount");
        fs::create_dir(&mount).unwrap();
        let image = image.canonicalize().unwrap();
        let mount = mount.canonicalize().unwrap();
        Self { dir, image, mount }
    }

    /// One of this file system, filled by this script.
    fn filled(mkfs: &[&str], megabytes: u64, script: &str) -> Self {
        let (dir, image) = formatted(mkfs, megabytes);
        let script = format!("mount -o loop $IMG $MNT; ({script}); umount $MNT");
        with_mounts(&image, &script);
        Self::of(dir, image)
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn vmkin(&self, args: &[&str]) -> Output {
        command(env!("CARGO_BIN_EXE_vmkin"))
            .args(args)
            .env("VMKIN_STATE_DIR", self.state())
            .env("LIBVIRT_DEFAULT_URI", "test:///default")
            .output()
            .unwrap()
    }

    /// Has to work; returns what it printed and said.
    #[track_caller]
    fn does(&self, args: &[&str]) -> String {
        let output = self.vmkin(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &said
    }

    /// Has to fail with this exit code; returns what it said.
    #[track_caller]
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.vmkin(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }

    /// The words that mount the whole image with these options.
    fn words<'w>(&'w self, more: &[&'w str]) -> Vec<&'w str> {
        let image = self.image.to_str().unwrap();
        let mut words = vec!["mount", "-a", image, "--format", "raw", "-m", "/dev/sda"];
        words.extend(more);
        words.push(self.at());
        words
    }

    fn at(&self) -> &str {
        self.mount.to_str().unwrap()
    }

    fn list(&self) -> serde_json::Value {
        let output = self.vmkin(&["mount", "--list", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Kills the process that serves the mount.
    fn kill(&self) {
        let pid = self.list()[0]["pid"].to_string();
        run("kill", &["-9", &pid]);
        // The kernel sees to it as soon as it is gone.
        while Path::new("/proc").join(&pid).exists() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn hash(&self) -> String {
        let bytes = fs::read(&self.image).unwrap();
        format!("{:x}", Sha256::digest(bytes))
    }

    /// What a script prints that looks at the mount, in a mount namespace of its own.
    fn through_vmkin(&self, script: &str) -> Vec<u8> {
        let program = env!("CARGO_BIN_EXE_vmkin");
        let state = self.state();
        let script = format!(
            "export VMKIN_STATE_DIR={} LIBVIRT_DEFAULT_URI=test:///default\n\
             {program} -q mount -a $IMG --format raw -m /dev/sda $MNT\n\
             ({script})\n{program} -q umount $MNT\n! grep -q \" $MNT \" /proc/self/mountinfo",
            state.display()
        );
        with_mounts(&self.image, &script)
    }

    fn through_kernel(&self, script: &str) -> Vec<u8> {
        let script = format!("mount -o loop,ro $IMG $MNT; ({script}); umount $MNT");
        with_mounts(&self.image, &script)
    }
}

impl Drop for Bench {
    /// A test that fails leaves nothing mounted.
    fn drop(&mut self) {
        let lazy = command("umount").args(["-l", "-q", self.at()]).output();
        drop(lazy);
    }
}

/// Every file is what the kernel has, with all that it has.
fn is_the_same(mkfs: &[&str], megabytes: u64) {
    let bench = Bench::filled(mkfs, megabytes, &format!("({FILL}); ({MORE})"));
    let kernel = kernel_listing(&bench.through_kernel(LIST));
    let ours = kernel_listing(&bench.through_vmkin(LIST));
    assert!(kernel.len() > 10_040, "{}", kernel.len());
    assert_same(&ours, &kernel);
    let attributes = |printed: Vec<u8>| String::from_utf8_lossy(&printed).into_owned();
    let kernel = attributes(bench.through_kernel(XATTRS));
    assert!(kernel.contains("security.selinux=") && kernel.contains("user.note="));
    let ours = attributes(bench.through_vmkin(XATTRS));
    let differ = ours
        .lines()
        .zip(kernel.lines())
        .find(|(one, other)| one != other);
    assert_eq!(differ, None);
    assert_eq!(ours.lines().count(), kernel.lines().count());
}

#[test]
fn ext4_is_what_the_kernel_mounts() {
    is_the_same(&["mkfs.ext4", "-q", "-N", "20000"], 128);
}

#[test]
fn xfs_is_what_the_kernel_mounts() {
    is_the_same(&["mkfs.xfs", "-q"], 320);
}

#[test]
fn btrfs_is_what_the_kernel_mounts() {
    is_the_same(&["mkfs.btrfs", "-q"], 256);
}

/// A file system with one large file, by which pages can be told apart.
fn simple() -> Bench {
    Bench::filled(
        &["mkfs.ext4", "-q"],
        64,
        "cd $MNT; mkdir etc; echo db > etc/hostname; seq 2000000 > numbers",
    )
}

#[test]
fn many_read_at_once_and_nobody_writes() {
    let bench = simple();
    let said = bench.does(&bench.words(&[]));
    assert!(said.contains("vmkin umount"), "{said}");
    let file = bench.mount.join("numbers");
    let wanted: String = (1..=2_000_000).map(|n| format!("{n}\n")).collect();
    thread::scope(|scope| {
        for reader in 0..8_usize {
            let (file, wanted) = (&file, wanted.as_bytes());
            scope.spawn(move || {
                use std::os::unix::fs::FileExt as _;
                let file = fs::File::open(file).unwrap();
                let mut piece = vec![0; 70_001];
                for at in (reader * 7919..wanted.len() - piece.len()).step_by(500_009) {
                    file.read_exact_at(&mut piece, at as u64).unwrap();
                    assert_eq!(piece, &wanted[at..at + piece.len()]);
                }
            });
        }
    });
    assert_eq!(fs::read(&file).unwrap(), wanted.as_bytes());
    let read_only = |done: std::io::Result<()>| {
        let kind = done.unwrap_err().kind();
        assert_eq!(kind, std::io::ErrorKind::ReadOnlyFilesystem);
    };
    read_only(fs::write(bench.mount.join("new"), "x"));
    read_only(fs::write(&file, "x"));
    read_only(fs::remove_file(&file));
    read_only(fs::create_dir(bench.mount.join("dir")));
    read_only(fs::rename(&file, bench.mount.join("other")));
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = table
        .lines()
        .find(|line| line.contains(bench.at()))
        .unwrap();
    assert!(line.contains(" ro,nosuid,nodev"), "{line}");
    // There and used, so that nothing else is mounted there, and it is not unmounted.
    bench.fails(5, &bench.words(&[]));
    let open = fs::File::open(&file).unwrap();
    let said = bench.fails(7, &["umount", bench.at()]);
    let own = format!("(pid {})", std::process::id());
    assert!(said.contains(&own) && said.contains("--lazy"), "{said}");
    assert_eq!(bench.list()[0]["state"], "mounted");
    drop(open);
    bench.does(&["umount", "--all"]);
    assert_eq!(bench.list(), serde_json::json!([]));
    assert_eq!(fs::read_dir(&bench.mount).unwrap().count(), 0);
}

#[test]
fn what_nobody_serves_any_more_is_seen_and_cleaned() {
    let bench = simple();
    for by_mounting in [false, true] {
        bench.does(&bench.words(&[]));
        bench.kill();
        assert!(fs::read_dir(&bench.mount).is_err());
        assert_eq!(bench.list()[0]["state"], "stale");
        let doctor = bench.vmkin(&["doctor"]);
        let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(doctor.contains("nobody serves it any more"), "{doctor}");
        if by_mounting {
            bench.does(&bench.words(&[]));
            let text = fs::read_to_string(bench.mount.join("etc/hostname")).unwrap();
            assert_eq!(text, "db\n");
        }
        bench.does(&["umount", bench.at()]);
        assert_eq!(fs::read_dir(&bench.mount).unwrap().count(), 0);
        assert_eq!(bench.list(), serde_json::json!([]));
    }
    bench.fails(3, &["umount", bench.at()]);
}

#[test]
fn an_image_that_is_written_to_is_read_no_more() {
    let bench = simple();
    bench.does(&bench.words(&[]));
    let name = bench.mount.join("etc/hostname");
    assert_eq!(fs::read_to_string(&name).unwrap(), "db\n");
    let image = fs::File::options().write(true).open(&bench.image).unwrap();
    std::os::unix::fs::FileExt::write_at(&image, &[0], 63 << 20).unwrap();
    let error = fs::read_to_string(bench.mount.join("numbers")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5), "{error}");
    let log = fs::read_to_string(bench.state().join("mount.log")).unwrap();
    assert!(log.contains("was written to"), "{log}");
    bench.does(&["umount", bench.at()]);
}

/// Killed, dropped, and at last kept: three times in libguestfs, one after the
/// other, for each takes its time.
#[test]
fn what_is_written_gets_into_the_guest_whole_or_not_at_all() {
    let bench = Bench::filled(&["mkfs.ext4", "-q"], 64, FILL);
    let before = facts(&bench.image, 0);
    let hash = bench.hash();
    let change = || {
        fs::write(bench.mount.join("etc/new"), "new\n").unwrap();
        fs::rename(bench.mount.join("srv/stays"), bench.mount.join("var/moved")).unwrap();
        run(
            "chmod",
            &["0600", bench.mount.join("etc/passwd").to_str().unwrap()],
        );
        fs::remove_file(bench.mount.join("srv/old/deep/7")).unwrap();
    };
    let beside = || {
        let names = fs::read_dir(bench.dir.path()).unwrap();
        let names = names.map(|name| name.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with('.')).count()
    };

    bench.does(&bench.words(&["--rw"]));
    change();
    // Nobody else gets at it meanwhile, and is told who has it.
    let image = bench.image.to_str().unwrap();
    let edit = [
        "touch", "-a", image, "--format", "raw", "-m", "/dev/sda", "/x",
    ];
    let said = bench.fails(7, &edit);
    assert!(said.contains("vmkin umount"), "{said}");
    let qemu = command("qemu-img")
        .args(["check", "-f", "raw", "-r", "all", image])
        .output();
    drop(qemu);
    let qemu = command("qemu-io")
        .args(["-f", "raw", "-c", "write 0 512", image])
        .output();
    let qemu = qemu.unwrap();
    assert!(!qemu.status.success());
    assert!(
        String::from_utf8_lossy(&qemu.stderr).contains("lock"),
        "{qemu:?}"
    );
    bench.kill();
    let said = bench.does(&["umount", bench.at()]);
    assert!(said.contains("vmkin recover"), "{said}");
    assert_eq!(beside(), 1);
    bench.does(&["recover"]);
    assert_eq!((beside(), bench.hash()), (0, hash.clone()));

    bench.does(&bench.words(&["--rw"]));
    change();
    let said = bench.does(&["umount", "--discard", bench.at()]);
    assert!(said.contains("is as it was"), "{said}");
    assert_eq!((beside(), bench.hash()), (0, hash));

    bench.does(&bench.words(&["--rw"]));
    change();
    let held = fs::File::open(bench.mount.join("etc/passwd")).unwrap();
    bench.fails(7, &["umount", bench.at()]);
    drop(held);
    let said = bench.does(&["umount", bench.at()]);
    assert!(said.contains("what was written is in"), "{said}");
    assert_eq!((beside(), bench.list()), (0, serde_json::json!([])));
    run("fsck.ext4", &["-fn", image]);
    let changed = differences(&before, &facts(&bench.image, 0));
    let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
    let times = |line: &&&str| !line.starts_with("t ");
    let changed: Vec<&str> = changed.iter().filter(times).copied().collect();
    assert_eq!(changed.len(), 5, "{changed:#?}");
    for (line, wanted) in changed.iter().zip([
        "+ etc/new: -rw-r--r-- 0:0 1 4 ",
        "+ var/moved: ",
        "- srv/old/deep/7",
        "- srv/stays",
        "~ etc/passwd: -rw-r--r-- ",
    ]) {
        assert!(line.starts_with(wanted), "{changed:#?}");
    }
}

/// Two logical volumes and a partition, put together by `/etc/fstab`.
#[test]
fn all_file_systems_are_where_the_guest_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    fs::File::create(&image)
        .unwrap()
        .set_len(200 << 20)
        .unwrap();
    let fstab = "/dev/vg/root / ext4 defaults 0 1\n/dev/vg/home /home ext4 defaults 0 2\n\
                 /dev/sda1 /boot ext4 defaults 0 2\n";
    let mut words = vec!["--format=raw", "-a", image.to_str().unwrap(), "--"];
    for command in [
        &["run"][..],
        &["part-init", "/dev/sda", "mbr"],
        &["part-add", "/dev/sda", "p", "2048", "40959"],
        &["part-add", "/dev/sda", "p", "40960", "-1"],
        &["pvcreate", "/dev/sda2"],
        &["vgcreate", "vg", "/dev/sda2"],
        &["lvcreate", "root", "vg", "40"],
        &["lvcreate", "home", "vg", "80"],
        &["mkfs", "ext4", "/dev/vg/root"],
        &["mkfs", "ext4", "/dev/vg/home"],
        &["mkfs", "ext4", "/dev/sda1"],
        &["mount", "/dev/vg/root", "/"],
        &["mkdir-p", "/etc"],
        &["mkdir-p", "/usr/lib/systemd"],
        &["mkdir-p", "/var/lib"],
        &["mkdir", "/bin"],
        &["mkdir", "/home"],
        &["mkdir", "/boot"],
        &["write", "/etc/fstab", fstab],
        &["write", "/etc/os-release", "ID=debian\n"],
        &["write", "/usr/lib/systemd/systemd", "x"],
        &["write", "/home/hidden", "below\n"],
        &["mount", "/dev/vg/home", "/home"],
        &["mount", "/dev/sda1", "/boot"],
        &["write", "/home/letter", "dear\n"],
        &["write", "/boot/vmlinuz", "kernel\n"],
    ] {
        words.extend(command);
        words.push(":");
    }
    words.pop();
    guestfish(&words);
    let bench = Bench::of(dir, image.clone());
    let mount = ["mount", "-a", image.to_str().unwrap(), "--format", "raw"];
    let with = |more: &[&'static str]| -> Vec<String> {
        let words = mount.iter().chain(more).map(|word| (*word).to_owned());
        words.chain([bench.at().to_owned()]).collect()
    };
    let does = |words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        bench.does(&words)
    };
    let rehearsed = does(&with(&["--dry-run"]));
    let at = bench.at();
    for line in [
        format!("/dev/vg/root (ext4) on {at}\n"),
        format!("/dev/vg/home (ext4) on {at}/home\n"),
        format!("/dev/sda1 (ext4) on {at}/boot\n"),
    ] {
        assert!(rehearsed.contains(&line), "{rehearsed}");
    }
    does(&with(&[]));
    let text = |name: &str| fs::read_to_string(bench.mount.join(name)).unwrap();
    assert_eq!(text("home/letter"), "dear\n");
    assert_eq!(text("boot/vmlinuz"), "kernel\n");
    assert_eq!(text("etc/fstab"), fstab);
    assert!(!bench.mount.join("home/hidden").exists());
    let listed: Vec<String> = run("ls", &["-1", at]).lines().map(str::to_owned).collect();
    assert_eq!(
        listed,
        ["bin", "boot", "etc", "home", "lost+found", "usr", "var"]
    );
    // Names of one number on different file systems are different files.
    let number = |name: &str| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(bench.mount.join(name)).unwrap().ino()
    };
    assert_ne!(number("home/letter"), number("boot/vmlinuz"));
    bench.does(&["umount", at]);
}
