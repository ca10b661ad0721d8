//! The files of guests of another host, read through its libvirtd.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::far::Far;
use crate::lab::{Lab, Ran, tool};

/// What QEMU's own programs write at a time.
const PIECE: usize = 64 << 10;

/// Bytes that do not compress, and are different everywhere.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The files of a small system, of which there are three versions.
fn system(root: &Path, version: usize) {
    for dir in ["etc", "usr/bin", "var/log", "data", "root/many"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
    write(
        "etc/os-release",
        "ID=far\nNAME=\"Far away\"\nVERSION_ID=\"1\"\n",
    );
    write("etc/hostname", &format!("far-{version}\n"));
    write(
        "etc/fstab",
        "LABEL=root / ext4 defaults 0 1\nLABEL=data /data ext4 defaults 0 2\n",
    );
    let log: String = (0..version * 3000)
        .map(|n| format!("Jan  1 00:00:00 far kernel: line {n}\n"))
        .collect();
    write("var/log/messages", &log);
    for n in 0..version * 100 {
        write(&format!("root/many/{n}"), &format!("{n} of {version}\n"));
    }
    if version > 1 {
        fs::write(root.join("root/large"), noise(version * (6 << 20) + 777)).unwrap();
    }
}

fn ext4(dir: &Path, name: &str, label: &str, tree: &Path, size: &str) -> PathBuf {
    let path = dir.join(name);
    let (file, tree) = (path.display().to_string(), tree.display().to_string());
    let uuid = "9d4a1bd2-52d3-4c5e-8c52-29a5a2b6fa31";
    tool(
        "mke2fs",
        &[
            "-q", "-F", "-t", "ext4", "-L", label, "-U", uuid, "-d", &tree, &file, size,
        ],
    );
    path
}

/// Makes an overlay say what `now` has and `before` has not.
fn difference(dir: &Path, before: &Path, now: &Path, overlay: &str) {
    let (before, now) = (fs::read(before).unwrap(), fs::read(now).unwrap());
    let mut words: Vec<String> = ["-f", "qcow2"].map(str::to_owned).to_vec();
    let mut number = 0;
    for (at, (old, new)) in before.chunks(PIECE).zip(now.chunks(PIECE)).enumerate() {
        if old == new {
            continue;
        }
        let file = dir.join(format!("chunk-{number}"));
        fs::write(&file, new).unwrap();
        let (file, at) = (file.display(), at * PIECE);
        words.extend([
            "-c".to_owned(),
            format!("write -q -s {file} {at} {}", new.len()),
        ]);
        number += 1;
    }
    assert!(number > 10, "the versions are alike");
    words.push(dir.join(overlay).display().to_string());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    tool("qemu-io", &words);
    for n in 0..number {
        fs::remove_file(dir.join(format!("chunk-{n}"))).unwrap();
    }
}

/// A guest of two disks, one of three layers and one raw, in a directory.
fn guest(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let work = dir.with_extension("work");
    let mut versions = Vec::new();
    for version in 1..=3 {
        let tree = work.join(format!("tree-{version}"));
        system(&tree, version);
        versions.push(ext4(&work, &format!("{version}.raw"), "root", &tree, "64M"));
    }
    let data = work.join("data");
    fs::create_dir_all(data.join("in")).unwrap();
    fs::write(data.join("in/numbers"), noise(3 << 20)).unwrap();
    ext4(dir, "data.raw", "data", &data, "16M");
    let at = |name: &str| dir.join(name).display().to_string();
    let base = versions[0].display().to_string();
    // Compressed, so that this is read from there, too.
    let convert = [
        "convert",
        "-c",
        "-f",
        "raw",
        "-O",
        "qcow2",
        &base,
        &at("base.qcow2"),
    ];
    tool("qemu-img", &convert);
    for (name, below) in [("mid.qcow2", "base.qcow2"), ("top.qcow2", "mid.qcow2")] {
        let create = [
            "create",
            "-q",
            "-f",
            "qcow2",
            "-F",
            "qcow2",
            "-b",
            below,
            &at(name),
        ];
        tool("qemu-img", &create);
    }
    difference(dir, &versions[0], &versions[1], "mid.qcow2");
    difference(dir, &versions[1], &versions[2], "top.qcow2");
    let newest = versions[2].display().to_string();
    let top = at("top.qcow2");
    tool(
        "qemu-img",
        &["compare", "-f", "raw", "-F", "qcow2", &newest, &top],
    );
    fs::remove_dir_all(work).unwrap();
}

fn disk(path: &str, format: &str, target: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='{format}'/>\
         <source file='{path}'/><target dev='{target}' bus='scsi'/></disk>"
    )
}

fn domain(name: &str, disks: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>\
         <os><type arch='x86_64'>hvm</type></os><devices>\
         <controller type='scsi' model='virtio-scsi'/>{disks}</devices></domain>"
    )
}

fn two_disks(name: &str, at: &dyn Fn(&str) -> String) -> String {
    let disks = disk(&at("top.qcow2"), "qcow2", "sda") + &disk(&at("data.raw"), "raw", "sdb");
    domain(name, &disks)
}

/// A guest here and there, and files here that only have the names of those.
fn here_and_there(test: &str) -> (Lab, Far, String) {
    let lab = Lab::new(test);
    let dir = lab.dir.join("far");
    guest(&dir);
    let far = Far::start(test, &dir);
    for name in ["top.qcow2", "mid.qcow2", "base.qcow2", "data.raw"] {
        far.decoy(name, &lab.image());
    }
    let name = lab.name("web");
    lab.define(&two_disks(&name, &|file| {
        dir.join(file).display().to_string()
    }));
    far.define(&two_disks(&name, &|file| far.at(file)));
    (lab, far, name)
}

fn pool(far: &Far, name: &str) {
    let target = far.images.display().to_string();
    far.virsh(&["pool-create-as", name, "dir", "--target", &target]);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_remote_guests_are_read_as_local_ones_are() {
    let (lab, far, name) = here_and_there("remote");
    pool(&far, "images");
    for command in [
        "cat -d NAME /etc/hostname /root/large /data/in/numbers",
        "cat --consistent -d NAME /var/log/messages",
        "ls -lR -d NAME /",
        "ls -lR --json -d NAME /root",
        "inspect -d NAME",
        "inspect --json -d NAME",
        "df -d NAME",
        "df --json -d NAME",
        "find -d NAME --name 12*",
        "grep -d NAME line /var/log/messages",
        "log -d NAME",
    ] {
        let command = command.replace("NAME", &name);
        let local = lab.ok(&command);
        let remote = lab.ok(&format!("-c {} {command}", far.uri));
        assert_eq!(remote.stdout, local.stdout, "{command}");
        assert_eq!(remote.stderr, local.stderr, "{command}");
        assert!(!remote.stdout.is_empty(), "{command}");
    }
    let hostname = lab.ok(&format!("-c {} cat -d {name} /etc/hostname", far.uri));
    assert_eq!(hostname.stdout, "far-3\n");
    // The same disk as it was two versions before.
    let old = lab.name("old");
    let data = disk(&far.at("data.raw"), "raw", "sdb");
    far.define(&domain(
        &old,
        &(disk(&far.at("base.qcow2"), "qcow2", "sda") + &data),
    ));
    let base = lab.dir.join("far/base.qcow2").display().to_string();
    let data = lab.dir.join("far/data.raw").display().to_string();
    let disks = disk(&base, "qcow2", "sda") + &disk(&data, "raw", "sdb");
    lab.define(&domain(&old, &disks));
    let diff = format!("diff -d {old} -d {name} /");
    let (local, remote) = (
        lab.vmkin(&diff),
        lab.vmkin(&format!("-c {} {diff}", far.uri)),
    );
    assert_eq!((remote.code, &remote.stdout), (local.code, &local.stdout));
    assert!(remote.stdout.contains("/root/large"), "{}", remote.stdout);

    let (one, other) = (lab.dir.join("out-here"), lab.dir.join("out-there"));
    for (dir, uri) in [(&one, "qemu:///system"), (&other, far.uri.as_str())] {
        fs::create_dir(dir).unwrap();
        let dir = dir.display();
        lab.ok(&format!(
            "-c {uri} copy-out -d {name} /root /data /etc {dir}"
        ));
    }
    let (one, other) = (one.display().to_string(), other.display().to_string());
    tool("diff", &["-r", &one, &other]);
    let large = fs::read(Path::new(&other).join("root/large")).unwrap();
    assert!(large == noise(3 * (6 << 20) + 777));
    // Whoever changes disks still refuses; clones are another matter.
    let refused = lab.fails(8, &format!("-c {} flatten -d {name}", far.uri));
    assert!(
        refused.stderr.contains("another host"),
        "{}",
        refused.stderr
    );
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_remote_images_that_are_no_volumes_are_refused_and_it_is_said_what_to_type() {
    let (lab, far, name) = here_and_there("remotepool");
    let cat = format!("-c {} cat -d {name} /etc/hostname", far.uri);
    // What is to be typed stands between backquotes.
    let typed = |stderr: &str, verb: &str| {
        let command = stderr.split('`').find(|text| text.contains(verb));
        let command = command.unwrap_or_else(|| panic!("no {verb} in {stderr}"));
        tool("sh", &["-c", command]);
    };
    let refused = lab.fails(4, &cat);
    assert!(
        refused.stderr.contains("no active storage pool"),
        "{}",
        refused.stderr
    );
    typed(&refused.stderr, "pool-create-as");
    assert_eq!(lab.ok(&cat).stdout, "far-3\n");

    // Newer than libvirt's last look.
    let dir = lab.dir.join("far");
    let mid = far.at("mid.qcow2");
    let top = dir.join("new.qcow2").display().to_string();
    // The base is not there where this is made.
    let create = [
        "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", &mid, &top, "64M",
    ];
    tool("qemu-img", &create);
    let new = lab.name("new");
    far.define(&domain(&new, &disk(&far.at("new.qcow2"), "qcow2", "sda")));
    let cat_new = format!("-c {} cat -d {new} /etc/hostname", far.uri);
    let refused = lab.fails(4, &cat_new);
    assert!(
        refused.stderr.contains("as far as libvirt has looked"),
        "{}",
        refused.stderr
    );
    typed(&refused.stderr, "pool-refresh");
    assert_eq!(lab.ok(&cat_new).stdout, "far-2\n");

    // A header that names what is no business of the image.
    for (backing, code) in [("/etc/hostname", 9), ("/var/lib/libvirt/x", 9), ("../x", 4)] {
        tool(
            "qemu-img",
            &[
                "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", backing, &top,
            ],
        );
        let refused = lab.fails(code, &cat_new);
        assert!(
            refused.stderr.contains("new.qcow2") || code == 4,
            "{}",
            refused.stderr
        );
    }
    lab.fails(4, &cat_new.replace("cat", "cat --allow-dir /etc"));

    // What takes another program than this one.
    let vmdk = dir.join("disk.vmdk").display().to_string();
    tool("qemu-img", &["create", "-q", "-f", "vmdk", &vmdk, "16M"]);
    far.virsh(&[
        "pool-refresh",
        far.images.file_name().unwrap().to_str().unwrap(),
    ]);
    far.define(&domain(
        &lab.name("vmdk"),
        &disk(&far.at("disk.vmdk"), "vmdk", "sda"),
    ));
    let refused = lab.fails(4, &format!("-c {} df -d {}", far.uri, lab.name("vmdk")));
    assert!(
        refused.stderr.contains("on another host"),
        "{}",
        refused.stderr
    );
    let refused = lab.fails(4, &cat.replace("cat", "cat --engine appliance"));
    assert!(
        refused.stderr.contains("run vmkin on that host"),
        "{}",
        refused.stderr
    );
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_remote_guests_that_run_are_read_with_a_warning_and_writers_are_seen() {
    let (lab, far, name) = here_and_there("remoterun");
    pool(&far, "images");
    far.virsh(&["start", "--paused", &name]);
    let cat = format!("-c {} cat -d {name} /etc/hostname", far.uri);
    let read = lab.ok(&cat);
    assert_eq!(read.stdout, "far-3\n");
    let warning = "may be old in one part and new in another";
    assert_eq!(read.stderr.matches(warning).count(), 1, "{}", read.stderr);
    lab.fails(4, &cat.replace("cat", "cat --consistent"));
    far.virsh(&["destroy", &name]);
    assert_eq!(lab.ok(&cat.replace("cat", "cat --consistent")).stderr, "");

    // Somebody else writes while a long file is read.
    let stop = std::sync::atomic::AtomicBool::new(false);
    let image = lab.dir.join("far/data.raw");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().write(true).open(&image).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all_at(&[0; 512], (16 << 20) - 512).unwrap();
            }
        });
        let read = lab.vmkin(&cat);
        let consistent = lab.vmkin(&cat.replace("cat", "cat --consistent"));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(read.code, Some(0), "{}", read.stderr);
        assert!(read.stderr.contains(warning), "{}", read.stderr);
        assert!(
            matches!(consistent.code, Some(4 | 7)),
            "{}",
            consistent.stderr
        );
    });
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_remote_hosts_that_do_not_answer_any_more_are_not_waited_for_without_end() {
    let (lab, far, name) = here_and_there("remotedead");
    pool(&far, "images");
    let mut cat = lab.spawn(&format!("-c {} cat -d {name} /root/large", far.uri));
    let mut out = cat.stdout.take().unwrap();
    let mut first = vec![0; 1 << 20];
    out.read_exact(&mut first).unwrap();
    // It waits for somebody to take the rest, and has not read it all.
    far.stop(true);
    let since = Instant::now();
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    let ended = Ran::new(&cat.wait_with_output().unwrap());
    far.stop(false);
    assert!(
        since.elapsed() < Duration::from_secs(90),
        "{:?}",
        since.elapsed()
    );
    assert!(!matches!(ended.code, Some(0) | None), "{:?}", ended.code);
    assert!(ended.stderr.contains("keepalive"), "{}", ended.stderr);
}
