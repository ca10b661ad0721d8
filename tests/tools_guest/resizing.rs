//! Disks made larger and smaller with what is on them: nothing is lost, as the kernel
//! and `fsck` see it.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::{LIST, command, guestfish, run, with_mounts};
use crate::writing::{FILL, Facts, differences, facts};

const MIB: u64 = 1 << 20;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn resize(&self, image: &str, args: &[&str]) -> Output {
        command(env!("CARGO_BIN_EXE_vmkin"))
            .current_dir(self.0.path())
            .env("VMKIN_STATE_DIR", self.path("state"))
            .env("LIBVIRT_DEFAULT_URI", "test:///default")
            .env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
            .args(["disk", "resize", "-a", image, "--format", "qcow2"])
            .args(args)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn resized(&self, image: &str, args: &[&str]) -> String {
        let output = self.resize(image, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, code: i32, image: &str, args: &[&str]) -> String {
        let before = std::fs::read(self.path(image)).unwrap();
        let output = self.resize(image, args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(std::fs::read(self.path(image)).unwrap() == before);
        said
    }

    /// A disk with one partition, which a script fills: `$LOOP` is a device on it.
    fn made(&self, image: &str, size: u64, script: &str) -> PathBuf {
        let raw = self.path(&format!("{image}.raw"));
        std::fs::File::create(&raw).unwrap().set_len(size).unwrap();
        let path = raw.to_str().unwrap();
        run("sgdisk", &["-n", "1:2048:0", "-c", "1:the root", path]);
        on_loop(&raw, size - 2 * MIB, script);
        let image = self.path(image);
        let image = image.to_str().unwrap();
        run(
            "qemu-img",
            &["convert", "-f", "raw", "-O", "qcow2", path, image],
        );
        raw
    }

    /// The disk as a raw image.
    fn raw(&self, image: &str) -> PathBuf {
        let to = self.path("seen.raw");
        let (from, into) = (self.path(image), to.to_str().unwrap());
        let from = from.to_str().unwrap();
        run("qemu-img", &["check", "-q", "-f", "qcow2", from]);
        run(
            "qemu-img",
            &["convert", "-f", "qcow2", "-O", "raw", from, into],
        );
        to
    }
}

/// Runs a script with `$LOOP`, a device on the partition, and returns what it said.
fn on_loop(raw: &Path, size: u64, script: &str) -> String {
    let device = format!("LOOP=$(losetup -f --show -o {MIB} --sizelimit {size} $IMG)");
    let script = format!("{device}; trap 'losetup -d $LOOP' EXIT\n{script}");
    String::from_utf8(with_mounts(raw, &script)).unwrap()
}

/// Both copies of the table are right, and the file system in the partition is
/// clean, fits, and has all its files. Returns the length of the partition.
#[track_caller]
fn assert_whole(raw: &Path, before: &Facts) -> u64 {
    let path = raw.to_str().unwrap();
    let verified = run("sgdisk", &["-v", path]);
    assert!(verified.contains("No problems found"), "{verified}");
    let table = run("sfdisk", &["-J", path]);
    let table: serde_json::Value = serde_json::from_str(&table).unwrap();
    let partition = &table["partitiontable"]["partitions"][0];
    assert_eq!(partition["name"], "the root");
    assert_eq!(partition["start"], 2048);
    let script = "loop=$(losetup -f --show -o 1048576 --sizelimit $SIZE $IMG); trap 'losetup -d $loop' EXIT; e2fsck -fn $loop";
    let size = partition["size"].as_u64().unwrap() * 512;
    with_mounts(raw, &format!("SIZE={size}; {script}"));
    assert_eq!(differences(before, &facts(raw, MIB)), [""; 0]);
    size
}

fn room(raw: &Path, offset: u64) -> u64 {
    let script =
        format!("mount -o loop,ro,offset={offset} $IMG $MNT; stat -f -c '%b %S' $MNT; umount $MNT");
    let printed = String::from_utf8(with_mounts(raw, &script)).unwrap();
    printed
        .split_whitespace()
        .map(|number| number.parse::<u64>().unwrap())
        .product()
}

#[test]
fn ext4_in_a_partition_grows_and_shrinks_with_its_disk() {
    let bench = Bench::new();
    let made = bench.path("made.raw");
    let path = made.to_str().unwrap();
    run("truncate", &["-s", "300M", path]);
    run(
        "sgdisk",
        &["-n", "1:2048:0", "-c", "1:the root", "-A", "1:set:2", path],
    );
    let length = (300 * MIB - 2 * MIB) / 1024;
    run(
        "mke2fs",
        &[
            "-q",
            "-t",
            "ext4",
            "-E",
            "offset=1048576",
            path,
            &format!("{length}k"),
        ],
    );
    let fill = format!(
        "mount -o loop,offset=1048576 $IMG $MNT; ({FILL}\n cd $MNT; head -c 90M /dev/urandom > big); umount $MNT"
    );
    with_mounts(&made, &fill);
    let before = facts(&made, MIB);
    let disk = bench.path("disk.qcow2");
    run(
        "qemu-img",
        &[
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            path,
            disk.to_str().unwrap(),
        ],
    );

    let said = bench.resized("disk.qcow2", &["--grow-fs", "+200M"]);
    assert!(said.ends_with("/disk.qcow2: 500 MiB, was 300 MiB, with its file system\n"));
    let raw = bench.raw("disk.qcow2");
    assert_eq!(raw.metadata().unwrap().len(), 500 * MIB);
    assert_eq!(assert_whole(&raw, &before), 498 * MIB);
    assert!(room(&raw, MIB) > 440 * MIB, "{}", room(&raw, MIB));

    // The smallest size that is told will do.
    let said = bench.refused(4, "disk.qcow2", &["--shrink", "-450M"]);
    assert!(said.contains("partition 1 has 498 MiB, of which"), "{said}");
    bench.refused(2, "disk.qcow2", &["400M"]);
    let (_, least) = said.split_once("--shrink ").unwrap();
    let (least, _) = least.split_once('`').unwrap();
    bench.resized("disk.qcow2", &["--shrink", least]);
    let raw = bench.raw("disk.qcow2");
    assert_eq!(raw.metadata().unwrap().len().to_string(), least);
    assert!(raw.metadata().unwrap().len() < 250 * MIB, "{least}");
    assert_whole(&raw, &before);
    let mut left = std::fs::read_dir(bench.0.path()).unwrap();
    assert!(left.all(|entry| {
        !entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.')
    }));
}

#[test]
fn xfs_on_a_logical_volume_grows_and_says_that_it_cannot_shrink() {
    let bench = Bench::new();
    let disk = bench.path("disk.qcow2");
    let path = disk.to_str().unwrap();
    run("qemu-img", &["create", "-q", "-f", "qcow2", path, "400M"]);
    // The volume is not the only one, and not all of the group is taken.
    let script = "run : part-init /dev/sda mbr : part-add /dev/sda p 2048 -1 : \
                  part-set-mbr-id /dev/sda 1 0x8e : pvcreate /dev/sda1 : vgcreate vg /dev/sda1 : \
                  lvcreate swap vg 16 : lvcreate root vg 320 : mkfs xfs /dev/vg/root : \
                  mkswap /dev/vg/swap : mount /dev/vg/root / : write /kept kept : \
                  fill-pattern kept 20M /big";
    let words = ["-a", path, "--"]
        .into_iter()
        .chain(script.split_whitespace());
    guestfish(&words.collect::<Vec<_>>());
    // Behind what is before the partition, the header of the physical volume, and swap.
    let offset = 18 * MIB;
    let before = facts(&bench.raw("disk.qcow2"), offset);

    let said = bench.refused(4, "disk.qcow2", &["--shrink", "300M"]);
    assert!(
        said.contains("/dev/vg/root is XFS, which cannot be made smaller"),
        "{said}"
    );
    bench.resized("disk.qcow2", &["--grow-fs", "600M"]);
    let raw = bench.raw("disk.qcow2");
    let table = run("sfdisk", &["-J", raw.to_str().unwrap()]);
    assert!(
        table.contains(&format!("\"size\": {}", (600 * MIB - MIB) / 512)),
        "{table}"
    );
    assert_eq!(differences(&before, &facts(&raw, offset)), [""; 0]);
    assert!(room(&raw, offset) > 500 * MIB, "{}", room(&raw, offset));
    let repair = "loop=$(losetup -f --show -o $OFFSET $IMG); trap 'losetup -d $loop' EXIT; xfs_repair -n $loop";
    with_mounts(&raw, &format!("OFFSET={offset}; {repair}"));
    // XFS itself, without a group around it.
    let (alone, image) = (bench.path("xfs.raw"), bench.path("xfs.qcow2"));
    run("truncate", &["-s", "320M", alone.to_str().unwrap()]);
    run("mkfs.xfs", &["-q", alone.to_str().unwrap()]);
    let [from, to] = [&alone, &image].map(|path| path.to_str().unwrap());
    run(
        "qemu-img",
        &["convert", "-f", "raw", "-O", "qcow2", from, to],
    );
    let said = bench.refused(4, "xfs.qcow2", &["--shrink", "310M"]);
    assert!(
        said.contains("is XFS, which cannot be made smaller"),
        "{said}"
    );
    assert!(said.contains("vmkin image build --from DIR"), "{said}");
}

/// LVM without a device mapper: what changes is metadata alone.
const LVM: &str =
    "lvm_() { local it=$1; shift; $it --devices $LOOP --driverloaded n \"$@\" 2>/dev/null; }";

#[test]
fn ext4_on_a_logical_volume_shrinks_and_what_is_behind_it_is_moved() {
    let bench = Bench::new();
    let script = format!(
        "{LVM}\nlvm_ pvcreate -q $LOOP; lvm_ vgcreate -q vg $LOOP\n\
         for it in root:320M swap:16M; do lvm_ lvcreate -q -an -Zn -Wn -n ${{it%:*}} -L ${{it#*:}} vg; done\n\
         mke2fs -q -t ext4 -E offset={MIB} $LOOP 320M\n\
         head -c 16M /dev/urandom > $MNT/swap; mkswap -q $MNT/swap\n\
         dd if=$MNT/swap of=$LOOP bs=1M seek=321 conv=notrunc status=none\n\
         mount -o loop,offset={MIB} $LOOP $MNT\n\
         ({FILL}\n cd $MNT; head -c 60M /dev/urandom > big); umount $MNT"
    );
    let raw = bench.made("disk.qcow2", 600 * MIB, &script);
    let root = 2 * MIB;
    let before = facts(&raw, root);
    let swap = |raw: &Path, at: u64| {
        let read = format!(
            "dd if=$IMG bs=1M skip={} count=16 status=none | sha256sum",
            at / MIB
        );
        with_mounts(raw, &read)
    };
    let behind = swap(&raw, root + 320 * MIB);

    bench.resized("disk.qcow2", &["--shrink", "200M"]);
    let raw = bench.raw("disk.qcow2");
    assert_eq!(raw.metadata().unwrap().len(), 200 * MIB);
    let verified = run("sgdisk", &["-v", raw.to_str().unwrap()]);
    assert!(verified.contains("No problems found"), "{verified}");
    assert_eq!(differences(&before, &facts(&raw, root)), [""; 0]);
    // 49 extents of 4 MiB are left, the last 4 of them for swap.
    assert_eq!(swap(&raw, root + 180 * MIB), behind);
    let said = on_loop(
        &raw,
        198 * MIB,
        &format!(
            "{LVM}\nlvm_ vgck vg; lvm_ pvs --noheadings --units m -o pv_size,pv_used $LOOP\n\
             lvm_ lvs --noheadings --units m -o lv_name,lv_size,seg_start_pe vg"
        ),
    );
    let said: Vec<_> = said.split_whitespace().collect();
    assert_eq!(
        said,
        [
            "196.00m", "196.00m", "root", "180.00m", "0", "swap", "16.00m", "0"
        ]
    );
    let fsck = format!(
        "FS=$(losetup -f --show -o {MIB} --sizelimit {} $LOOP); e2fsck -fn $FS || wrong=1; \
         losetup -d $FS; [ -z \"${{wrong:-}}\" ]",
        180 * MIB
    );
    on_loop(&raw, 198 * MIB, &fsck);
}

#[test]
fn btrfs_and_ntfs_grow_and_shrink_with_their_disks() {
    let btrfs = format!(
        "mkfs.btrfs -q $LOOP; mount $LOOP $MNT; ({FILL}\n cd $MNT; head -c 60M /dev/urandom > big); umount $MNT"
    );
    let ntfs = "mkntfs -q -F -Q $LOOP; ntfs-3g $LOOP $MNT; mkdir $MNT/dir; \
        for i in {1..60}; do head -c 1M /dev/urandom > $MNT/dir/$i; done; umount $MNT";
    let list = |mount: &str| format!("{mount}\n({LIST})\numount $MNT");
    let cases = [
        (
            "mount -o ro $LOOP $MNT",
            btrfs.as_str(),
            "btrfs check $LOOP",
        ),
        (
            "ntfs-3g -o ro $LOOP $MNT",
            ntfs,
            "ntfsresize --info --no-action --force $LOOP; ntfsfix -n $LOOP",
        ),
    ];
    for (mount, fill, check) in cases {
        let bench = Bench::new();
        let made = bench.made("large.qcow2", 400 * MIB, fill);
        std::fs::copy(bench.path("large.qcow2"), bench.path("small.qcow2")).unwrap();
        let before = on_loop(&made, 398 * MIB, &list(mount));
        assert!(before.len() > 1000, "{before}");
        for (image, args, size) in [
            ("large.qcow2", ["--grow-fs", "+200M"], 600 * MIB),
            ("small.qcow2", ["--shrink", "300M"], 300 * MIB),
        ] {
            bench.resized(image, &args);
            let raw = bench.raw(image);
            assert_eq!(raw.metadata().unwrap().len(), size);
            let verified = run("sgdisk", &["-v", raw.to_str().unwrap()]);
            assert!(verified.contains("No problems found"), "{verified}");
            let inside = size - 2 * MIB;
            on_loop(&raw, inside, check);
            assert_eq!(on_loop(&raw, inside, &list(mount)), before);
            let room = format!("{mount}; stat -f -c '%b %S' $MNT; umount $MNT");
            let room = on_loop(&raw, inside, &room);
            let room = room
                .split_whitespace()
                .map(|number| number.parse::<u64>().unwrap());
            let room: u64 = room.product();
            assert!(
                room <= inside && room + 4 * MIB > inside,
                "{room} of {inside}"
            );
        }
    }
}

#[test]
fn the_last_logical_partition_of_an_mbr_grows_and_shrinks() {
    let bench = Bench::new();
    let made = bench.path("made.raw");
    let file = std::fs::File::create(&made).unwrap();
    file.set_len(160 * MIB).unwrap();
    let table = "label: dos\nstart=1MiB, size=20MiB, type=83, bootable\nstart=21MiB, type=5\n\
        start=22MiB, size=10MiB, type=83\nstart=33MiB, type=83\n";
    let root = 33 * MIB;
    let fill = format!(
        "echo '{table}' | sfdisk -q $IMG\n\
         for at in 1:20 22:10; do\n\
         dd if=/dev/urandom of=$IMG bs=1M seek=${{at%:*}} count=${{at#*:}} conv=notrunc status=none; done\n\
         mke2fs -q -t ext4 -E offset={root} $IMG {}k; mount -o loop,offset={root} $IMG $MNT\n\
         ({FILL}\n cd $MNT; head -c 40M /dev/urandom > big); umount $MNT",
        127 << 10
    );
    with_mounts(&made, &fill);
    let others = |raw: &Path| {
        let bytes = std::fs::read(raw).unwrap();
        let part = |from: u64, to: u64| {
            let range = usize::try_from(from * MIB).unwrap()..usize::try_from(to * MIB).unwrap();
            bytes[range].to_vec()
        };
        [part(1, 21), part(22, 32)]
    };
    let (before, beside) = (facts(&made, root), others(&made));
    let disk = bench.path("disk.qcow2");
    let [from, to] = [&made, &disk].map(|path| path.to_str().unwrap());
    run(
        "qemu-img",
        &["convert", "-f", "raw", "-O", "qcow2", from, to],
    );
    for (args, size) in [(["--grow-fs", "+100M"], 260), (["--shrink", "140M"], 140)] {
        bench.resized("disk.qcow2", &args);
        let raw = bench.raw("disk.qcow2");
        assert_eq!(raw.metadata().unwrap().len(), size * MIB);
        let path = raw.to_str().unwrap();
        let verified = run("sfdisk", &["--verify", path]);
        assert!(verified.contains("No errors detected"), "{verified}");
        let table = run("sfdisk", &["-J", path]);
        let table: serde_json::Value = serde_json::from_str(&table).unwrap();
        let parts = table["partitiontable"]["partitions"].as_array().unwrap();
        let parts = parts.iter().map(|part| {
            let place = |key: &str| part[key].as_u64().unwrap() * 512 / MIB;
            (place("start"), place("size"))
        });
        assert_eq!(
            parts.collect::<Vec<_>>(),
            [(1, 20), (21, size - 21), (22, 10), (33, size - 33)]
        );
        assert!(others(&raw) == beside);
        assert_eq!(differences(&before, &facts(&raw, root)), [""; 0]);
        let inside = (size - 33) * MIB;
        let script = format!(
            "loop=$(losetup -f --show -o {root} --sizelimit {inside} $IMG); \
             trap 'losetup -d $loop' EXIT; e2fsck -fn $loop"
        );
        with_mounts(&raw, &script);
        let room = room(&raw, root);
        assert!(
            room > inside - 30 * MIB && room < inside,
            "{room} of {inside}"
        );
    }
}
