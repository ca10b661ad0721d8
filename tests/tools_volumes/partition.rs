//! Partition tables, compared with what `sfdisk` says of them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use vmkin::error::Kind;
use vmkin::guest::native::partition::{PartitionType, Table, TableKind, read};

use crate::common::{Disks, Loop, blocks, run, run_with};

const MIB: u64 = 1 << 20;

fn sfdisk(target: &str, script: &str) {
    run_with("sfdisk", &["-q", "--wipe=never", target], &[], script);
}

fn table(path: &Path) -> Table {
    read(blocks(path).as_ref()).unwrap().unwrap()
}

/// Compares a table with what `sfdisk` reads from the same file or device.
#[track_caller]
fn assert_as_sfdisk(table: &Table, target: &str) {
    let text = run("sfdisk", &["--json", target]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let said = &json["partitiontable"];
    let label = if table.kind == TableKind::Gpt {
        "gpt"
    } else {
        "dos"
    };
    assert_eq!(said["label"], label);
    let id = said["id"].as_str().unwrap().to_lowercase();
    assert_eq!(id.trim_start_matches("0x"), table.id);
    let sector = said["sectorsize"].as_u64().unwrap();
    assert_eq!(sector, u64::from(table.sector));
    let listed = said["partitions"].as_array().unwrap();
    let extended = |kind: &str| label == "dos" && ["5", "f", "85"].contains(&kind);
    let listed: Vec<_> = listed
        .iter()
        .filter(|entry| !extended(entry["type"].as_str().unwrap()))
        .collect();
    assert_eq!(listed.len(), table.partitions.len(), "{text}\n{table:?}");
    for entry in listed {
        let node = entry["node"].as_str().unwrap();
        let number = node.strip_prefix(target).unwrap().trim_start_matches('p');
        let number: u32 = number.parse().unwrap();
        let found = table
            .partitions
            .iter()
            .find(|p| p.number == number)
            .unwrap();
        assert_eq!(
            entry["start"].as_u64().unwrap() * sector,
            found.offset,
            "{node}"
        );
        assert_eq!(
            entry["size"].as_u64().unwrap() * sector,
            found.len,
            "{node}"
        );
        let kind = entry["type"].as_str().unwrap();
        match found.kind {
            PartitionType::Gpt(id) => {
                assert_eq!(kind.to_lowercase(), id.to_string());
                assert_eq!(entry["uuid"].as_str().unwrap().to_lowercase(), found.id);
                assert_eq!(entry["name"].as_str().unwrap_or_default(), found.name);
                let attributes = entry["attrs"].as_str().unwrap_or_default();
                assert_eq!(attributes.contains("LegacyBIOSBootable"), found.bootable);
                assert_eq!(attributes.is_empty(), found.attributes == 0);
            }
            PartitionType::Mbr(code) => {
                assert_eq!(kind, format!("{code:x}"));
                assert_eq!(found.id, format!("{}-{number:02x}", table.id));
                let bootable = entry["bootable"].as_bool().unwrap_or_default();
                assert_eq!(bootable, found.bootable);
            }
        }
    }
}

const GPT: &str = "label: gpt\n\
    size=1M, type=21686148-6449-6E6F-744E-656564454649, name=\"BIOS boot\"\n\
    size=5M, type=U, name=\"EFI \u{17e}\u{1f600}\", attrs=\"LegacyBIOSBootable\"\n\
    size=10M, type=L, name=\"root\", attrs=\"RequiredPartition,GUID:63\"\n\
    type=S\n";

#[test]
fn tables_are_what_sfdisk_says() {
    let disks = Disks::new();
    let scripts = [
        "label: dos\nsize=1M, type=83, bootable\nsize=2M, type=82\nsize=3M, type=8e\ntype=7\n",
        "label: dos\n2: start=2048, size=4096, type=c\n4: start=30000, size=99, type=fd, bootable\n",
        "label: dos\nsize=3M\ntype=5\nsize=1M\nsize=2M, type=82\nsize=3M\nsize=1M, type=8e\n",
        "label: dos\nsize=40M, type=f\nsize=3M\nsize=1M\nsize=2M\nsize=3M\nsize=5M, bootable\n",
        "label: dos\n1: size=10M, type=85\n2: size=3M\n5: size=1M\n6: size=2M\n",
        GPT,
        "label: gpt\ntable-length: 8\n3: size=1M\n8: size=4M\n",
        "label: gpt\ntable-length: 1024\nfirst-lba: 34816\n900: size=1M\n1024: size=4M\n",
    ];
    for script in scripts {
        let path = disks.disk("disk", 64 * MIB);
        sfdisk(path.to_str().unwrap(), script);
        let table = table(&path);
        assert!(table.problems.is_empty(), "{script}: {table:?}");
        assert_as_sfdisk(&table, path.to_str().unwrap());
    }
}

#[test]
fn sixty_logical_partitions_are_found() {
    let disks = Disks::new();
    let path = disks.disk("disk", 256 * MIB);
    let script = format!("label: dos\ntype=5\n{}", "size=1M\n".repeat(56));
    sfdisk(path.to_str().unwrap(), &script);
    let table = table(&path);
    assert_eq!(table.partitions.len(), 56);
    assert_as_sfdisk(&table, path.to_str().unwrap());
}

#[test]
fn disks_with_large_sectors_are_read_alike() {
    let disks = Disks::new();
    // What says how large the sectors of an MBR are is what is in the
    // partitions.
    let dos = "label: dos\nsize=8M\ntype=5\nsize=8M\nsize=8M\n";
    for script in [GPT, dos] {
        let path = disks.disk("disk", 64 * MIB);
        let device = Loop::new(&path, &["-b", "4096"]);
        sfdisk(&device.0, script);
        if script == dos {
            let part = Loop::new(&path, &["-o", "1048576", "--sizelimit", "8388608"]);
            run("mke2fs", &["-q", &part.0]);
        }
        run("sync", &[]);
        let table = table(&path);
        assert_eq!(table.sector, 4096);
        assert!(table.problems.is_empty(), "{table:?}");
        assert_as_sfdisk(&table, &device.0);
    }
}

#[test]
fn tables_of_sgdisk_and_parted_are_read() {
    let disks = Disks::new();
    let path = disks.disk("disk", 64 * MIB);
    let name = path.to_str().unwrap();
    run(
        "sgdisk",
        &[
            "-n", "1::+4M", "-c", "1:one", "-n", "7::+4M", "-A", "7:set:2", name,
        ],
    );
    assert_as_sfdisk(&table(&path), name);
    // With room for more entries, which are somewhere else.
    run("sgdisk", &["-j", "50", "-S", "256", name]);
    assert_as_sfdisk(&table(&path), name);
    // An MBR that lists a partition too. The kernel goes by the GPT.
    run("sgdisk", &["-h", "1", name]);
    let hybrid = table(&path);
    assert_eq!((hybrid.kind, hybrid.partitions.len()), (TableKind::Gpt, 2));

    for (label, parts) in [
        (
            "gpt",
            "mkpart a ext4 1MiB 5MiB mkpart b 5MiB 100% set 1 legacy_boot on",
        ),
        (
            "msdos",
            "mkpart primary 1MiB 5MiB mkpart extended 5MiB 100% mkpart logical 6MiB 9MiB \
            mkpart logical 10MiB 11MiB set 1 boot on set 5 lvm on",
        ),
    ] {
        let path = disks.disk("parted", 64 * MIB);
        let name = path.to_str().unwrap();
        let mut args = vec!["-s", "-a", "none", name, "mklabel", label];
        args.extend(parts.split_whitespace());
        run("parted", &args);
        assert_as_sfdisk(&table(&path), name);
    }
}

#[test]
fn a_damaged_gpt_is_read_from_its_copy() {
    let disks = Disks::new();
    let new = || {
        let path = disks.disk("disk", 64 * MIB);
        sfdisk(path.to_str().unwrap(), GPT);
        let table = table(&path);
        let file = File::options().write(true).open(&path).unwrap();
        (path, table, file)
    };
    let last = 64 * MIB - 512;
    // The header, its checksum, an entry.
    for at in [512, 512 + 24, 2 * 512 + 40] {
        let (path, good, file) = new();
        file.write_all_at(&[0x5a], at).unwrap();
        let found = table(&path);
        assert_eq!(found.partitions, good.partitions, "{at}");
        assert_eq!(found.problems.len(), 1, "{at}");
        // Both of them.
        file.write_all_at(&[0x5a], last + 30).unwrap();
        let error = read(blocks(&path).as_ref()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe);
    }
    // Only the copy: nobody reads it.
    let (path, good, file) = new();
    file.write_all_at(&[0x5a], last).unwrap();
    assert_eq!(table(&path), good);
    // A disk that was made larger: the copy is where the header says.
    let (path, good, file) = new();
    file.set_len(80 * MIB).unwrap();
    file.write_all_at(&[0x5a], 2 * 512).unwrap();
    assert_eq!(table(&path).partitions, good.partitions);
    // Without the MBR that announces it, Linux sees no GPT.
    let (path, _, file) = new();
    file.write_all_at(&[0; 512], 0).unwrap();
    assert_eq!(read(blocks(&path).as_ref()).unwrap(), None);
}
