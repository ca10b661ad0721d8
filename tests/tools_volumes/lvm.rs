//! Logical volumes made by LVM2, which says itself where their extents are.
//!
//! It runs without a device mapper (`--driverloaded n`), so that it changes
//! metadata and nothing else; every block of the physical volumes says where it
//! is, and what a logical volume ought to read as follows from `lvs`.
#![expect(clippy::cast_possible_truncation, reason = "the disks here are small")]

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use vmkin::error::Kind;
use vmkin::guest::native::{Blocks, Content, Volumes};

use crate::common::{Disks, Loop, blocks, run_with};

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 4096;

/// Physical volumes on loop devices that only these commands see.
struct Lvm {
    disks: Disks,
    files: Vec<PathBuf>,
    devices: Vec<Loop>,
}

impl Lvm {
    fn new(sizes: &[u64]) -> Self {
        let disks = Disks::new();
        let mut lvm = Self {
            disks,
            files: Vec::new(),
            devices: Vec::new(),
        };
        for (n, size) in sizes.iter().enumerate() {
            let path = lvm.disks.disk(&format!("pv{n}"), *size);
            let file = File::options().write(true).open(&path).unwrap();
            for at in (0..size / BLOCK).map(|block| block * BLOCK) {
                file.write_all_at(&stamp(n as u64, at), at).unwrap();
            }
            lvm.devices.push(Loop::new(&path, &[]));
            lvm.files.push(path);
        }
        lvm.configure();
        lvm
    }

    fn configure(&self) {
        let accept: Vec<String> = self
            .devices
            .iter()
            .map(|device| format!("\"a|^{}$|\"", device.0))
            .collect();
        let text = format!(
            "devices {{ dir=\"/dev\" scan=[\"/dev\"] use_devicesfile=0 sysfs_scan=0 \
             obtain_device_list_from_udev=0 external_device_info_source=\"none\" \
             filter=[{}, \"r|.*|\"] }}\n\
             activation {{ udev_sync=0 udev_rules=0 monitoring=0 }}\n\
             backup {{ backup=0 archive=0 }}\n\
             global {{ event_activation=0 }}\n",
            accept.join(", ")
        );
        std::fs::write(self.disks.dir().join("lvm.conf"), text).unwrap();
    }

    #[track_caller]
    fn run(&self, command: &str) -> String {
        let words: Vec<String> = command
            .split_whitespace()
            .map(|word| match word.strip_prefix('@') {
                Some(number) => self.devices[number.parse::<usize>().unwrap()].0.clone(),
                None => word.to_owned(),
            })
            .collect();
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        args.splice(1..1, ["--driverloaded", "n"]);
        let dir = self.disks.dir().to_str().unwrap();
        let env = [("LVM_SYSTEM_DIR", dir), ("LVM_SUPPRESS_FD_WARNINGS", "1")];
        run_with("lvm", &args, &env, "y\ny\n")
    }

    fn create(&self, what: &str) {
        self.run(&format!("lvcreate -y -an -Zn -Wn {what}"));
    }

    fn sync(&self) {
        crate::common::run("sync", &[]);
    }

    fn volumes(&self) -> Volumes {
        self.sync();
        let all: Vec<_> = self
            .files
            .iter()
            .enumerate()
            .map(|(n, path)| (format!("sd{n}x"), blocks(path)))
            .collect();
        Volumes::find(&all)
    }

    /// Where LVM2 says that the volumes of a group are.
    fn layouts(&self, group: &str) -> HashMap<String, Vec<Layout>> {
        let text = self.run(&format!(
            "lvs --reportformat json --units b --nosuffix -o \
             lv_name,seg_start_pe,seg_size,seg_pe_ranges,stripe_size,vg_extent_size {group}"
        ));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let text = self.run("pvs --reportformat json --units b --nosuffix -o pv_name,pe_start");
        let places: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut starts = HashMap::new();
        for place in places["report"][0]["pv"].as_array().unwrap() {
            let name = place["pv_name"].as_str().unwrap().to_owned();
            starts.insert(name, number(&place["pe_start"]));
        }
        let mut layouts: HashMap<String, Vec<Layout>> = HashMap::new();
        for row in json["report"][0]["lv"].as_array().unwrap() {
            let extent = number(&row["vg_extent_size"]);
            let ranges = row["seg_pe_ranges"].as_str().unwrap();
            let stripes = ranges
                .split_whitespace()
                .map(|range| {
                    let (device, range) = range.split_once(':').unwrap();
                    let first: u64 = range.split_once('-').unwrap().0.parse().unwrap();
                    let is = |known: &Loop| known.0 == device;
                    let member = self.devices.iter().position(is).unwrap();
                    (member as u64, starts[device] + first * extent)
                })
                .collect();
            let name = row["lv_name"].as_str().unwrap().to_owned();
            layouts.entry(name).or_default().push(Layout {
                start: number(&row["seg_start_pe"]) * extent,
                len: number(&row["seg_size"]),
                chunk: number(&row["stripe_size"]),
                stripes,
            });
        }
        layouts
    }
}

fn number(value: &serde_json::Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

/// One row of `lvs`; in bytes.
struct Layout {
    start: u64,
    len: u64,
    chunk: u64,
    stripes: Vec<(u64, u64)>,
}

/// What is at a place of a physical volume.
fn stamp(member: u64, at: u64) -> Vec<u8> {
    let words = [member, at, member ^ 0xff, at.reverse_bits()];
    let text: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    text.iter().copied().cycle().take(BLOCK as usize).collect()
}

#[track_caller]
fn assert_is(volume: &dyn Blocks, layouts: &[Layout], name: &str) {
    let len: u64 = layouts.iter().map(|layout| layout.len).sum();
    assert_eq!(volume.len(), len, "{name}");
    let mut found = vec![0; len as usize];
    volume.read_at(0, &mut found).unwrap();
    for layout in layouts {
        for within in (0..layout.len / BLOCK).map(|block| block * BLOCK) {
            let count = layout.stripes.len() as u64;
            let (member, at) = if count == 1 {
                (layout.stripes[0].0, layout.stripes[0].1 + within)
            } else {
                let row = within / (layout.chunk * count);
                let turn = within / layout.chunk % count;
                let (member, start) = layout.stripes[turn as usize];
                (member, start + row * layout.chunk + within % layout.chunk)
            };
            let at_in_volume = (layout.start + within) as usize;
            let there = &found[at_in_volume..at_in_volume + BLOCK as usize];
            assert!(there == stamp(member, at), "{name} at {at_in_volume}");
        }
    }
    // In pieces that fit nothing.
    let mut piece = vec![0; 100_003];
    for at in (0..len - 100_003).step_by(700_001) {
        volume.read_at(at, &mut piece).unwrap();
        assert!(piece == found[at as usize..at as usize + 100_003], "{name}");
    }
    assert!(volume.read_at(len - 1, &mut [0; 2]).is_err());
}

#[test]
fn volumes_are_where_lvm_says() {
    let lvm = Lvm::new(&[48 * MIB, 40 * MIB, 64 * MIB + 3 * 4096]);
    lvm.run("pvcreate -q @0");
    lvm.run("pvcreate -q --metadatacopies 2 --dataalignment 3m @1");
    lvm.run("pvcreate -q --metadatacopies 0 @2");
    lvm.run("vgcreate -q -s 1m vg-a.b_c @0 @1 @2");
    for what in [
        "-n hole -l 3 vg-a.b_c",
        "-n three -i3 -I8k -l 9 vg-a.b_c",
        "-n with-dash_2 -l 5 vg-a.b_c",
        "-n two -i2 -I128k -l 6 vg-a.b_c @2 @0",
    ] {
        lvm.create(what);
    }
    lvm.run("lvremove -y vg-a.b_c/hole");
    lvm.run("lvextend -i2 -I64k -l +6 vg-a.b_c/three");
    lvm.create("-n spread -l 80 vg-a.b_c");
    lvm.run("lvextend -l +20 vg-a.b_c/with-dash_2");
    let layouts = lvm.layouts("vg-a.b_c");
    assert!(layouts["spread"].len() > 1 && layouts["with-dash_2"].len() > 1);
    let volumes = lvm.volumes();
    assert!(volumes.problems.is_empty(), "{:?}", volumes.problems);
    assert_eq!(layouts.len(), 4);
    for (name, layouts) in &layouts {
        let volume = volumes.get(&format!("vg-a.b_c/{name}")).unwrap();
        assert_is(volume.blocks().as_ref(), layouts, name);
    }
    let members = volumes
        .volumes
        .iter()
        .filter(|v| v.content == Content::LvmPv);
    assert_eq!(members.count(), 3);

    // Metadata that has gone round its ring many times.
    for _ in 0..150 {
        lvm.run("lvrename vg-a.b_c two two_");
        lvm.run("lvrename vg-a.b_c two_ two");
    }
    for (name, layouts) in &lvm.layouts("vg-a.b_c") {
        let volumes = lvm.volumes();
        let volume = volumes.get(&format!("vg-a.b_c/{name}")).unwrap();
        assert_is(volume.blocks().as_ref(), layouts, name);
    }
}

#[test]
fn a_member_that_is_missing_hides_only_what_is_on_it() {
    let mut lvm = Lvm::new(&[32 * MIB, 32 * MIB]);
    lvm.run("vgcreate -q vg @0 @1");
    lvm.create("-n first -l 2 vg @0");
    lvm.create("-n second -l 2 vg @1");
    lvm.create("-n both -i2 -l 2 vg");
    lvm.files.pop();
    let volumes = lvm.volumes();
    assert!(volumes.get("vg/first").is_some());
    let mut wrong: Vec<_> = volumes.problems.iter().map(|p| p.name.as_str()).collect();
    wrong.sort_unstable();
    assert_eq!(wrong, ["vg/both", "vg/second"]);
    let problem = &volumes.problems[0];
    assert_eq!(problem.error.kind(), Kind::NotFound);
    assert!(!problem.needs_kernel);
}

#[test]
fn the_newest_metadata_counts_and_damage_is_told() {
    let lvm = Lvm::new(&[32 * MIB, 32 * MIB]);
    lvm.run("vgcreate -q vg @0 @1");
    lvm.create("-n old -l 2 vg @0");
    lvm.sync();
    let stale = std::fs::read(&lvm.files[0]).unwrap();
    lvm.run("lvrename vg old new");
    lvm.sync();
    std::fs::write(&lvm.files[0], &stale).unwrap();
    let volumes = lvm.volumes();
    assert!(volumes.get("vg/new").is_some() && volumes.get("vg/old").is_none());

    // A byte of the metadata on one of them: the other has it too.
    let break_text = |n: usize| {
        let bytes = std::fs::read(&lvm.files[n]).unwrap();
        let file = File::options().write(true).open(&lvm.files[n]).unwrap();
        let word = b"extent_size";
        for at in 4096..MIB as usize {
            if bytes[at..].starts_with(word) {
                file.write_all_at(b"E", at as u64).unwrap();
            }
        }
    };
    break_text(1);
    assert!(lvm.volumes().get("vg/old").is_some());
    break_text(0);
    let volumes = lvm.volumes();
    assert_eq!(volumes.volumes.len(), 2);
}

#[test]
fn groups_of_one_name_and_copies_of_a_member_are_told_apart() {
    let mut lvm = Lvm::new(&[32 * MIB]);
    lvm.run("vgcreate -q vg @0");
    lvm.create("-n root -l 2 vg");
    let other = Lvm::new(&[32 * MIB]);
    other.run("vgcreate -q vg @0");
    other.create("-n root -l 2 vg");
    other.create("-n data -l 2 vg");
    other.sync();
    lvm.files.extend(other.files.clone());
    let volumes = lvm.volumes();
    assert!(volumes.problems.is_empty(), "{:?}", volumes.problems);
    let named = volumes.volumes.iter().filter(|v| v.name == "vg/root");
    assert_eq!(named.count(), 2);
    // Which of the two is meant nobody can say.
    assert!(volumes.get("vg/root").is_none() && volumes.get("vg/data").is_some());

    lvm.files.truncate(1);
    lvm.files.push(lvm.files[0].clone());
    let volumes = lvm.volumes();
    assert_eq!(volumes.problems.len(), 1);
    let error = &volumes.problems[0].error;
    assert_eq!(error.kind(), Kind::Unsafe);
    let said = error.to_string();
    assert!(
        said.contains("sd0x and sd1x are the same physical volume"),
        "{said}"
    );
}

/// What LVM2 takes for a good group with volumes of all sorts, made by adding
/// to the metadata of one with plain ones: making them would take a kernel.
#[test]
fn volumes_that_take_a_kernel_are_told_and_not_read() {
    let lvm = Lvm::new(&[64 * MIB, 64 * MIB]);
    lvm.run("vgcreate -q vg @0 @1");
    for what in [
        "-n origin -l 2 vg @0",
        "-n snap -l 1 vg @0",
        "-n image0 -l 2 vg @0",
        "-n image1 -l 2 vg @1",
        "-n meta0 -l 1 vg @0",
        "-n meta1 -l 1 vg @1",
    ] {
        lvm.create(what);
    }
    lvm.create("--type raid0 -i2 -n fast -l 2 vg");
    let backup = lvm.disks.dir().join("backup");
    let backup_name = backup.to_str().unwrap();
    lvm.run(&format!("vgcfgbackup -f {backup_name} vg"));
    let mut text = std::fs::read_to_string(&backup).unwrap();
    for (plain, part) in [
        ("image0", "r_rimage_0"),
        ("image1", "r_rimage_1"),
        ("meta0", "r_rmeta_0"),
        ("meta1", "r_rmeta_1"),
    ] {
        let from = text.find(&format!("\t\t{plain} {{")).unwrap();
        let (before, after) = text.split_at(from);
        let after = after.replacen(plain, part, 1).replacen(
            "\"READ\", \"WRITE\", \"VISIBLE\"",
            "\"READ\", \"WRITE\"",
            1,
        );
        text = format!("{before}{after}");
    }
    let more = "logical_volumes {\n\
        r {\nid = \"aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa\"\n\
        status = [\"READ\", \"WRITE\", \"VISIBLE\"]\nflags = []\nsegment_count = 1\n\
        segment1 {\nstart_extent = 0\nextent_count = 2\ntype = \"raid1\"\ndevice_count = 2\n\
        region_size = 4096\nraids = [ \"r_rmeta_0\", \"r_rimage_0\", \"r_rmeta_1\", \"r_rimage_1\" ]\n}\n}\n\
        snapshot0 {\nid = \"bbbbbb-bbbb-bbbb-bbbb-bbbb-bbbb-bbbbbb\"\n\
        status = [\"READ\", \"WRITE\"]\nflags = []\nsegment_count = 1\n\
        segment1 {\nstart_extent = 0\nextent_count = 2\ntype = \"snapshot\"\nchunk_size = 8\n\
        origin = \"origin\"\ncow_store = \"snap\"\n}\n}\n";
    let text = text.replacen("logical_volumes {", more, 1);
    std::fs::write(&backup, text).unwrap();
    lvm.run(&format!("vgcfgrestore --force -f {backup_name} vg"));
    // LVM2 has understood it as it was meant.
    let said = lvm.run("lvs --noheadings -a -o lv_name,segtype,origin vg");
    let rows: Vec<Vec<&str>> = said
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert!(rows.contains(&vec!["snap", "linear", "origin"]), "{said}");
    assert!(rows.contains(&vec!["r", "raid1"]), "{said}");

    let volumes = lvm.volumes();
    // The origin of a snapshot is what it is.
    assert!(volumes.get("vg/origin").is_some());
    let mut why: Vec<_> = volumes
        .problems
        .iter()
        .map(|problem| {
            assert!(problem.needs_kernel, "{problem:?}");
            assert_eq!(problem.error.kind(), Kind::WrongState);
            let said = problem.error.to_string();
            (
                problem.name.as_str(),
                said.rsplit(": ").next().unwrap().to_owned(),
            )
        })
        .collect();
    why.sort();
    let expected = [
        ("vg/fast", "its type is 'raid0'"),
        ("vg/r", "its type is 'raid1'"),
        ("vg/snap", "it is a snapshot"),
    ];
    assert_eq!(why, expected.map(|(name, why)| (name, why.to_owned())));
}
