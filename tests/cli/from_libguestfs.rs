//! Every line of docs/from-libguestfs.md does what it says.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Guest, Host, tool};
use crate::guest_files::guest_image;

/// The lines of vmkin in the table.
fn lines() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/from-libguestfs.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let lines = rows.map(|row| {
        let cell = row.rsplit(" | ").next().unwrap();
        cell.trim_matches(|c| "` |".contains(c)).to_owned()
    });
    lines.collect()
}

/// The commands that change files.
const WRITES: &[&str] = &[
    "edit",
    "copy-in",
    "tar-in",
    "write",
    "mkdir",
    "rm",
    "mv",
    "ln",
    "touch",
    "chmod",
    "chown",
    "customize",
];

/// A host whose domains have one image, and the images.
fn host_of(domains: &[&str]) -> (Host, PathBuf, PathBuf) {
    let host = Host::new();
    let raw = guest_image(&host, "disk", "vmtest01");
    let hosts = host.root().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let write = format!("write {} etc/hosts", hosts.display());
    let shadow = host.root().join("shadow");
    fs::write(&shadow, "root:*:1:0:99999:7:::\n").unwrap();
    let mut script = format!(
        "mkdir opt\n{write}\nwrite {} etc/shadow\n",
        shadow.display()
    );
    for dir in [
        "home",
        "home/ann",
        "srv",
        "usr/share",
        "usr/share/zoneinfo",
        "usr/share/zoneinfo/Europe",
        "usr/lib",
        "usr/lib/systemd",
        "etc/systemd",
        "etc/systemd/system",
    ] {
        script.push_str(&format!("mkdir {dir}\n"));
    }
    for file in [
        "usr/lib/systemd/systemd",
        "usr/share/zoneinfo/Europe/Berlin",
    ] {
        script.push_str(&format!("write {} {file}\n", hosts.display()));
    }
    let commands = host.root().join("commands");
    fs::write(&commands, script).unwrap();
    tool("debugfs", &args!["-w", "-f", &commands, &raw]);
    let image = host.image("vm1");
    tool(
        "qemu-img",
        &args!["convert", "-f", "raw", "-O", "qcow2", &raw, &image],
    );
    for name in domains {
        host.add(Guest::new(name).disk("vda", "qcow2", &image));
    }
    let to = host.root().join("home/localdir");
    fs::create_dir(&to).unwrap();
    fs::write(to.join("one"), "1").unwrap();
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE me\n";
    for (name, text) in [
        ("test.txt", "this is a test"),
        ("secret", "hunter2\n"),
        ("key.pub", key),
        ("setup.sh", "#!/bin/sh\n"),
    ] {
        fs::write(host.root().join("home").join(name), text).unwrap();
    }
    let home = host.root().join("home");
    tool(
        "tar",
        &args!["-cf", &home.join("data.tar"), "-C", &home, "test.txt"],
    );
    (host, raw, image)
}

/// What a line of the document is on this host: its words, with the places here.
fn words(host: &Host, line: &str) -> Vec<String> {
    let words = line.strip_prefix("vmkin ").unwrap().split(' ');
    let words = words.map(|word| match word {
        "/mykvm/vms/vm1" | "/kvm-vm/vmtest01.qcow2" => host.image("vm1").display().to_string(),
        "/path/on/host" => host.root().join("home/localdir").display().to_string(),
        "/mnt/vm" => host.root().join("mnt").display().to_string(),
        "disk.img" => host.root().join("disk.raw").display().to_string(),
        // The image here has no partitions.
        "/dev/sda1" => "/dev/sda".to_owned(),
        word => word.trim_matches('\'').to_owned(),
    });
    words.collect()
}

/// Whether a line makes an image: it is about no guest.
fn makes(line: &str) -> bool {
    line.starts_with("vmkin image build ")
}

fn writes(line: &str) -> bool {
    WRITES.contains(&line.split(' ').nth(1).unwrap())
}

#[test]
fn every_line_that_reads_works() {
    let lines = lines();
    assert!(lines.len() > 30, "{lines:?}");
    for line in lines
        .into_iter()
        .filter(|line| !writes(line) && !makes(line))
    {
        // What may write has its disk to itself.
        let domains = match line.contains("--rw") {
            true => &["instance-00000020"][..],
            false => &["instance-00000020", "golden"],
        };
        let (host, raw, _) = host_of(domains);
        assert_eq!(raw, host.root().join("disk.raw"));
        for name in ["test.txt", "secret", "key.pub", "setup.sh", "data.tar"] {
            fs::remove_file(host.root().join("home").join(name)).unwrap();
        }
        fs::remove_file(host.root().join("home/localdir/one")).unwrap();
        let mount = host.root().join("mnt");
        fs::create_dir(&mount).unwrap();
        if line.starts_with("vmkin umount") {
            let words = args!["mount", "-d", "instance-00000020", &mount];
            host.vmkin_args(&words).success();
        }
        let outcome = host.command().args(words(&host, &line)).output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr);
        // The guest here would not boot, which is for `rescue` to say.
        let code = if line.contains("rescue") { 4 } else { 0 };
        assert_eq!(outcome.status.code(), Some(code), "{line}: {said}");
        let copies = line.contains("copy-out") && !line.ends_with(" -");
        let made = host.paths_below(&host.root().join("home"));
        let files: Vec<_> = made.iter().filter(|path| path.is_file()).collect();
        assert_eq!(!files.is_empty(), copies, "{line}: {files:?}");
        // Of one image, nothing differs; and nobody types anything.
        let mounts = line.starts_with("vmkin mount");
        let quiet = ["diff", "umount", "shell"];
        let silent = copies || mounts || quiet.iter().any(|word| line.contains(word));
        assert_eq!(outcome.stdout.is_empty(), silent, "{line}");
        if mounts {
            let name = fs::read_to_string(mount.join("etc/hostname")).unwrap();
            assert_eq!(name, "vmtest01\n", "{line}");
            host.vmkin_args(&args!["umount", &mount]).success();
        }
        assert_eq!(fs::read_dir(&mount).unwrap().count(), 0, "{line}");
    }
}

/// Those that take libguestfs are only planned: what it makes is tested with the
/// kernel.
#[test]
fn every_line_that_makes_an_image_works() {
    let lines: Vec<String> = lines().into_iter().filter(|line| makes(line)).collect();
    assert!(lines.len() > 3, "{lines:?}");
    let (mut made, mut planned) = (0, 0);
    for line in lines {
        let (host, _, _) = host_of(&[]);
        let home = host.root().join("home");
        let mut words = words(&host, &line);
        let native = line.contains("--iso") || line.contains("vfat");
        if !native {
            words.push("--dry-run".to_owned());
        }
        let outcome = host.command().args(words).output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert!(outcome.status.success(), "{line}: {said}");
        let there = home.join("data.img").exists() || home.join("data.iso").exists();
        assert_eq!(there, native, "{line}");
        if native { made += 1 } else { planned += 1 }
    }
    assert!(made > 1 && planned > 1);
}

/// Three of them with libguestfs, the others with what takes its place in
/// `write_files`: what it does is tested with each file system.
#[test]
fn every_line_that_writes_works() {
    let lines: Vec<String> = lines().into_iter().filter(|line| writes(line)).collect();
    for wanted in WRITES {
        let of = |line: &String| line.split(' ').nth(1) == Some(wanted);
        assert!(lines.iter().any(of), "no line has {wanted}");
    }
    for line in lines {
        let domain = match line.contains("vmtest01 test.txt") {
            true => "vmtest01",
            false => "instance-00000020",
        };
        let (host, _, image) = host_of(&[domain]);
        let before = fs::read(&image).unwrap();
        let real = line.contains(" -e ") || line.starts_with("vmkin copy-in");
        let mut command = host.command();
        command
            .args(words(&host, &line))
            .env("EDITOR", "sed -i s/./x/");
        if !real {
            command.env("VMKIN_TOOL_PATH", crate::write_files::tools(&host));
        }
        let outcome = command.output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert!(outcome.status.success(), "{line}: {said}");
        assert!(said.contains("Done in '"), "{line}: {said}");
        assert!(outcome.stdout.is_empty(), "{line}");
        if real {
            assert!(fs::read(&image).unwrap() != before, "{line}");
            let (reads, wanted) = match line.as_str() {
                line if line.contains("test.txt") => {
                    ("cat -d vmtest01 /opt/test.txt", "this is a test")
                }
                line if line.starts_with("vmkin copy-in") => {
                    ("cat -d instance-00000020 /path/in/vm/localdir/one", "1")
                }
                _ => (
                    "cat -d instance-00000020 /etc/hostname /etc/hostname.orig",
                    "db\nvmtest01\n",
                ),
            };
            assert_eq!(host.vmkin(reads).success().stdout(), wanted);
        }
    }
}
