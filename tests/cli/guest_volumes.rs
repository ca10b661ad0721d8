//! Guests whose files are on more than one volume, and on more than one kind
//! of file system.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::common::{Host, tool};

const MIB: u64 = 1 << 20;

/// Puts images behind each other into partitions of their own.
pub(crate) fn partitioned(host: &Host, name: &str, parts: &[(&str, &Path)]) -> PathBuf {
    let disk = host.image(name);
    let mut at = MIB;
    let mut table = "label: gpt\n".to_owned();
    let file = File::create(&disk).unwrap();
    for (kind, part) in parts {
        let length = fs::metadata(part).unwrap().len();
        table += &format!("start={}, size={}, type={kind}\n", at / 512, length / 512);
        at += length;
    }
    file.set_len(at + MIB).unwrap();
    let script = host.root().join("table");
    fs::write(&script, table).unwrap();
    let command = format!("sfdisk -q '{}' < '{}'", disk.display(), script.display());
    tool("sh", &args!["-c", &command]);
    let mut disk_file = OpenOptions::new().write(true).open(&disk).unwrap();
    disk_file.seek(SeekFrom::Start(MIB)).unwrap();
    for (_, part) in parts {
        let mut bytes = Vec::new();
        File::open(part).unwrap().read_to_end(&mut bytes).unwrap();
        std::io::Write::write_all(&mut disk_file, &bytes).unwrap();
    }
    disk
}

/// A root file system of 16 MiB.
pub(crate) fn root_image(host: &Host, fstab: &str, dirs: &[&str]) -> PathBuf {
    let tree = host.root().join("root-tree");
    for dir in ["etc", "usr/bin"].iter().chain(dirs) {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    fs::write(tree.join("etc/hostname"), "volumes\n").unwrap();
    fs::write(tree.join("etc/fstab"), fstab).unwrap();
    let raw = host.root().join("root.raw");
    let args = args!["-q", "-t", "ext4", "-d", &tree, &raw, "16M"];
    tool("mke2fs", &args);
    raw
}

#[test]
fn an_efi_partition_is_read_where_the_guest_mounts_it() {
    let host = Host::new();
    let fstab = "UUID=1A2B-3C4D /boot/efi vfat umask=0077 0 1\n";
    let root = root_image(&host, fstab, &["boot/efi"]);
    let esp = host.root().join("esp.raw");
    let args = args![
        "-F", "32", "-s", "1", "-i", "1a2b3c4d", "-n", "ESP", "-C", &esp, "40960"
    ];
    tool("mkfs.fat", &args);
    let config = host.root().join("grub.cfg");
    fs::write(&config, "set timeout=5\n").unwrap();
    tool("mmd", &args!["-i", &esp, "::/EFI", "::/EFI/debian"]);
    tool(
        "mcopy",
        &args!["-i", &esp, &config, "::/EFI/debian/grub.cfg"],
    );
    let disk = partitioned(&host, "efi.img", &[("uefi", &esp), ("linux", &root)]);
    let on_disk = |words: &[&str]| {
        let mut args = args![words[0], "--format", "raw", "-a", &disk].to_vec();
        args.extend(words[1..].iter().map(std::ffi::OsStr::new));
        host.vmkin_args(&args)
    };
    let before = host.world();
    let path = "/boot/efi/EFI/debian/grub.cfg";
    assert_eq!(
        on_disk(&["cat", path]).success().stdout(),
        "set timeout=5\n"
    );
    // As the guest finds it too.
    let other = on_disk(&["cat", "/boot/efi/efi/DEBIAN/grub.cfg"]).success();
    assert_eq!(other.stdout(), "set timeout=5\n");
    let listed = on_disk(&["ls", "-R", "/boot"]).success();
    assert_eq!(
        listed.stdout(),
        "/boot\n/boot/efi\n/boot/efi/EFI\n/boot/efi/EFI/debian\n/boot/efi/EFI/debian/grub.cfg\n"
    );
    let found = on_disk(&["find", "-q", "--name", "*.cfg"]).success();
    assert!(found.stdout().ends_with(&format!("{path}\n")), "{found}");
    let found = on_disk(&["grep", "-q", "-r", "timeout", "/boot"]).success();
    assert!(
        found
            .stdout()
            .ends_with(&format!("{path}:1:set timeout=5\n")),
        "{found}"
    );
    let table = on_disk(&["df"]).success();
    let line = table.stdout().lines().find(|line| line.contains("sda1"));
    assert!(line.unwrap().contains("vfat"), "{table}");
    let json = on_disk(&["inspect", "--json"]).success().json();
    let mount = json[0]["mounts"][1].as_object().unwrap();
    assert_eq!(mount["at"], "/boot/efi");
    assert_eq!(mount["fs"], "vfat");
    assert_eq!(mount["uuid"], "1A2B-3C4D");
    assert_eq!(mount["label"], "ESP");
    let to = host.root().join("home/to");
    fs::create_dir(&to).unwrap();
    on_disk(&["copy-out", "/boot/efi", "to"]).success();
    let copied = fs::read_to_string(to.join("efi/EFI/debian/grub.cfg"));
    assert_eq!(copied.unwrap(), "set timeout=5\n");
    fs::remove_dir_all(&to).unwrap();
    assert_eq!(host.world(), before);
}

#[test]
fn a_cd_image_is_read() {
    let host = Host::new();
    let tree = host.root().join("cd");
    fs::create_dir_all(tree.join("isolinux")).unwrap();
    fs::write(tree.join("isolinux/A long name.cfg"), "timeout 5\n").unwrap();
    let disc = host.image("cd.iso");
    let args = args!["-quiet", "-R", "-V", "DISC", "-o", &disc, &tree];
    tool("xorrisofs", &args);
    let on_disc = |words: &[&str]| {
        let mut args = args![words[0], "--format", "raw", "-a", &disc].to_vec();
        args.extend(words[1..].iter().map(std::ffi::OsStr::new));
        host.vmkin_args(&args)
    };
    on_disc(&["ls", "/"])
        .fails(4, "no operating system")
        .says("--mount /dev/sda");
    let path = "/isolinux/A long name.cfg";
    let told = on_disc(&["cat", "--mount", "/dev/sda", path]).success();
    assert_eq!(told.stdout(), "timeout 5\n");
    let json = on_disc(&["df", "--json"]).success().json();
    assert_eq!(json[0]["fs"], "iso9660");
    assert_eq!(json[0]["label"], "DISC");
    assert_eq!(json[0]["usage"]["available"], 0);
}
