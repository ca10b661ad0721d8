//! What is in a volume, by what the tools have made there.

use std::path::Path;

use vmkin::guest::native::{Content, VolumeKind, Volumes, detect, partition};

use crate::common::{Disks, blocks, run, run_with};

const MIB: u64 = 1 << 20;

fn found(path: &Path) -> Content {
    let disk = blocks(path);
    assert_eq!(partition::read(disk.as_ref()).unwrap(), None);
    detect(disk.as_ref()).unwrap()
}

#[test]
fn file_systems_on_whole_disks_are_recognised() {
    let disks = Disks::new();
    let made: &[(&str, &[&str], Content)] = &[
        ("mke2fs", &["-q", "-t", "ext2"], Content::Ext),
        ("mke2fs", &["-q", "-t", "ext4", "-b", "1024"], Content::Ext),
        ("mkfs.xfs", &["-q"], Content::Xfs),
        ("mkfs.btrfs", &["-q"], Content::Btrfs),
        ("mkfs.vfat", &["-F", "16"], Content::Fat),
        ("mkfs.vfat", &["-F", "32"], Content::Fat),
        ("mkfs.vfat", &["-F", "32", "-S", "4096"], Content::Fat),
        ("mkfs.ntfs", &["-q", "-F", "-Q"], Content::Ntfs),
        ("mkfs.exfat", &[], Content::ExFat),
        ("mkswap", &[], Content::Swap),
        ("mkswap", &["-p", "65536"], Content::Swap),
    ];
    for (program, options, content) in made {
        let path = disks.disk("disk", 400 * MIB);
        let mut args = options.to_vec();
        args.push(path.to_str().unwrap());
        run(program, &args);
        assert_eq!(found(&path), *content, "{program} {options:?}");
    }
}

#[test]
fn a_floppy_is_recognised() {
    let disks = Disks::new();
    let path = disks.disk("floppy", 1440 << 10);
    run("mkfs.vfat", &[path.to_str().unwrap()]);
    assert_eq!(found(&path), Content::Fat);
}

#[test]
fn an_iso_is_recognised() {
    let disks = Disks::new();
    let (path, tree) = (disks.dir().join("cd.iso"), disks.dir().join("tree"));
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("file"), "text").unwrap();
    let (path_name, tree_name) = (path.to_str().unwrap(), tree.to_str().unwrap());
    run(
        "xorrisofs",
        &["-quiet", "-J", "-R", "-o", path_name, tree_name],
    );
    assert_eq!(found(&path), Content::Iso9660);
}

#[test]
fn partitions_have_the_names_that_the_kernel_has_for_them() {
    let disks = Disks::new();
    let path = disks.disk("disk", 64 * MIB);
    let script = "label: dos\nsize=30M\ntype=5\nsize=1M\n";
    run_with("sfdisk", &["-q", path.to_str().unwrap()], &[], script);
    let offset = (2048 * 512).to_string();
    let options = format!("offset={offset}");
    run(
        "mke2fs",
        &["-q", "-E", &options, path.to_str().unwrap(), "20M"],
    );
    let whole = disks.disk("whole", 64 * MIB);
    run("mkswap", &[whole.to_str().unwrap()]);
    let names = ["sda", "nvme0n1", "sdb"].map(ToOwned::to_owned);
    let [sda, nvme, sdb] = names;
    let all = [
        (sda, blocks(&path)),
        (nvme, blocks(&path)),
        (sdb, blocks(&whole)),
    ];
    let volumes = Volumes::find(&all);
    assert!(volumes.problems.is_empty(), "{volumes:?}");
    let names: Vec<_> = volumes
        .volumes
        .iter()
        .map(|v| (v.name.as_str(), v.content))
        .collect();
    let expected = [
        ("sda1", Content::Ext),
        ("sda5", Content::Unknown),
        ("nvme0n1p1", Content::Ext),
        ("nvme0n1p5", Content::Unknown),
        ("sdb", Content::Swap),
    ];
    assert_eq!(names, expected);
    assert_eq!(volumes.get("sda1").unwrap().len(), 30 * MIB);
    assert_eq!(volumes.get("sdb").unwrap().kind, VolumeKind::Disk);
    assert!(volumes.get("sdc").is_none());
}
