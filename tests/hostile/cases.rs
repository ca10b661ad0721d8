//! The table of images.

use super::places::leads;
use super::qcow2::{self, L1, Qcow2, ROOM, at, snapshot};
use super::vhdx::Vhdx;
use super::{Bytes, Case, DISK, Lure, Verdict, foreign, vhd, vmdk};

use Verdict::{Accepted, Refused};

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let mut all = good();
    all.extend(leading_elsewhere());
    all.extend(without_an_end());
    all.extend(damaged_headers());
    all.extend(damaged_tables());
    all.extend(features());
    all.extend(super::foreign_cases::foreign_cases());
    all
}

/// What is in order, so that a parser that refuses everything is found out.
fn good() -> Vec<Case> {
    let good =
        |name, format, make: fn() -> Vec<u8>| Case::bytes(name, format, Accepted, move |_| make());
    vec![
        good("good-qcow2", "qcow2", || Qcow2::new().bytes()),
        // With something in every table that is read before the data.
        good("good-snapshots-qcow2", "qcow2", || {
            let extra = Bytes::default().be64(8, DISK).be64(16, 5).0;
            let mut table = snapshot(L1, 1, &[], b"old");
            table.extend(snapshot(L1, 1, &extra, b"new"));
            Qcow2::new()
                .extension(qcow2::FEATURES, [0; 48])
                .snapshots(2, ROOM)
                .put(usize::try_from(ROOM).unwrap(), table)
                .bytes()
        }),
        good("good-bitmaps-qcow2", "qcow2", || {
            with_bitmap(|bitmap| bitmap).bytes()
        }),
        good("good-vmdk", "vmdk", vmdk::good),
        good("good-stream-vmdk", "vmdk", || vmdk::stream(vmdk::SECTORS)),
        good("good-fixed-vhd", "vpc", vhd::fixed),
        good("good-vhd", "vpc", || vhd::dynamic(vhd::DYNAMIC, None)),
        good("good-vhdx", "vhdx", || Vhdx::default().bytes()),
        good("good-vdi", "vdi", || foreign::vdi().0),
        good("good-qed", "qed", || foreign::qed().0),
        good("good-qcow", "qcow", || foreign::qcow().0),
        good("good-luks", "luks", || foreign::luks().0),
        good("good-raw", "raw", || vec![7; 1024]),
    ]
}

/// Reliability 84 to 90: what makes an image hand a file of the host to a guest.
fn leading_elsewhere() -> Vec<Case> {
    let mut all: Vec<Case> = leads()
        .into_iter()
        .map(|lead| {
            Case::bytes(lead.case, "qcow2", Refused(lead.says), move |place| {
                Qcow2::on((lead.name)(place).as_bytes(), "raw").bytes()
            })
            .lures_to(lead.lure)
        })
        .collect();
    let no_format = "does not say which format";
    let elsewhere = "its data is in another file";
    all.extend([
        Case::bytes("no-format", "qcow2", Refused(no_format), |place| {
            // What a guest has written into its own raw disk.
            let inner = Qcow2::on(place.secret().as_bytes(), "raw").bytes();
            place.write("written-by-a-guest", &inner);
            Qcow2::new().backing(b"written-by-a-guest").bytes()
        })
        .lures_to(Lure::Secret),
        Case::bytes(
            "empty-format",
            "qcow2",
            Refused("is unknown here"),
            |place| {
                place.write("written-by-a-guest", &[0; 512]);
                Qcow2::on(b"written-by-a-guest", "").bytes()
            },
        ),
        Case::bytes(
            "unknown-format",
            "qcow2",
            Refused("is unknown here"),
            |place| {
                place.write("written-by-a-guest", &[0; 512]);
                Qcow2::on(b"written-by-a-guest", "blkdebug").bytes()
            },
        ),
        // The first format ends the chain, the second goes on.
        Case::bytes("two-formats", "qcow2", Refused("is there twice"), |place| {
            let inner = Qcow2::on(place.secret().as_bytes(), "raw").bytes();
            place.write("written-by-a-guest", &inner);
            Qcow2::on(b"written-by-a-guest", "raw")
                .extension(qcow2::BACKING_FORMAT, "qcow2")
                .bytes()
        })
        .lures_to(Lure::Secret),
        Case::bytes("two-layers-down", "qcow2", Refused("outside"), |place| {
            let inner = Qcow2::on(place.secret().as_bytes(), "raw").bytes();
            place.write("middle", &inner);
            Qcow2::on(b"middle", "qcow2").bytes()
        })
        .lures_to(Lure::Secret),
        Case::bytes("data-file", "qcow2", Refused(elsewhere), |place| {
            Qcow2::new().data_file(place.secret()).bytes()
        })
        .lures_to(Lure::Secret),
        // QEMU takes no such name for a data file since 9.1 (CVE-2024-4467).
        Case::bytes("data-file-json", "qcow2", Refused(elsewhere), |place| {
            let name = format!(
                r#"json:{{"driver":"file","filename":"{}"}}"#,
                place.secret()
            );
            Qcow2::new().data_file(&name).bytes()
        })
        .lures_to(Lure::Name),
        Case::bytes("data-file-below", "qcow2", Refused(elsewhere), |place| {
            let inner = Qcow2::new().data_file(place.secret()).bytes();
            place.write("inner", &inner);
            Qcow2::on(b"inner", "qcow2").bytes()
        })
        .lures_to(Lure::Secret),
        Case::bytes("data-file-unnamed", "qcow2", Refused(elsewhere), |_| {
            Qcow2::new().incompatible(4).bytes()
        }),
        Case::bytes("data-file-unused", "qcow2", Refused(elsewhere), |place| {
            Qcow2::new()
                .extension(qcow2::DATA_FILE, place.secret())
                .bytes()
        })
        .lures_to(Lure::Name),
        // Raw is raw, whatever its guest writes to the first sector.
        Case::bytes("raw-that-says-qcow2", "raw", Accepted, |place| {
            Qcow2::on(place.secret().as_bytes(), "raw").bytes()
        }),
        Case::bytes("raw-that-says-vmdk", "raw", Accepted, |place| {
            let extents = format!("RW 8 FLAT \"{}\" 0", place.secret());
            let text = vmdk::descriptor("monolithicFlat", vmdk::ORPHAN, &extents);
            Bytes::of_size(4096).put(0, text).0
        }),
    ]);
    all
}

/// 91 to 93: loops, and chains that are too long.
fn without_an_end() -> Vec<Case> {
    vec![
        Case::bytes("loop", "qcow2", Refused("is a loop"), |_| {
            Qcow2::on(b"loop.qcow2", "qcow2").bytes()
        }),
        Case::bytes("loop-of-two", "qcow2", Refused("is a loop"), |place| {
            place.write("other", &Qcow2::on(b"loop-of-two.qcow2", "qcow2").bytes());
            Qcow2::on(b"other", "qcow2").bytes()
        }),
        Case::bytes("loop-by-link", "qcow2", Refused("is a loop"), |place| {
            let link = place.at("link");
            drop(std::fs::remove_file(&link));
            std::os::unix::fs::symlink("loop-by-link.qcow2", link).unwrap();
            Qcow2::on(b"link", "qcow2").bytes()
        }),
        Case::new(
            "deep-26",
            "qcow2",
            Refused("more than 25 layers"),
            |place| super::chains::layers(place, 26),
        ),
        Case::new(
            "deep-1000",
            "qcow2",
            Refused("more than 25 layers"),
            |place| super::chains::layers(place, 1000),
        ),
        Case::bytes("missing-base", "qcow2", Refused("is missing"), |_| {
            Qcow2::on(b"nowhere", "raw").bytes()
        }),
    ]
}

/// 94: iotest 080 of QEMU, and the fields that it leaves out.
fn damaged_headers() -> Vec<Case> {
    let case = |name, says, image: fn() -> Qcow2| {
        Case::bytes(name, "qcow2", Refused(says), move |_| image().bytes())
    };
    vec![
        case("header-length-huge", "more than a cluster", || {
            Qcow2::new().be32(at::HEADER_LENGTH, u32::MAX)
        }),
        case("header-length-odd", "multiple of 8", || {
            Qcow2::new().be32(at::HEADER_LENGTH, 109)
        }),
        case("header-length-short", "104 at least", || {
            Qcow2::new().be32(at::HEADER_LENGTH, 96)
        }),
        case("version-1", "unknown qcow2 version", || {
            Qcow2::new().be32(at::VERSION, 1)
        }),
        case("version-4", "unknown qcow2 version", || {
            Qcow2::new().be32(at::VERSION, 4)
        }),
        case("cluster-bits-0", "clusters", || {
            Qcow2::new().be32(at::CLUSTER_BITS, 0)
        }),
        case("cluster-bits-22", "clusters", || {
            Qcow2::new().be32(at::CLUSTER_BITS, 22)
        }),
        case("cluster-bits-64", "clusters", || {
            Qcow2::new().be32(at::CLUSTER_BITS, 64)
        }),
        case("extension-huge", "too large", || {
            Qcow2::new()
                .be32(at::EXTENSIONS, 0x1234_5678)
                .be32(at::EXTENSIONS + 4, u32::MAX)
        }),
        case("extension-2g", "too large", || {
            Qcow2::new()
                .be32(at::EXTENSIONS, 0x1234_5678)
                .be32(at::EXTENSIONS + 4, 0x7fff_ffff)
        }),
        case("extension-over-the-name", "too large", || {
            Qcow2::on(b"base", "raw").be32(at::EXTENSIONS + 4, 100)
        }),
        case("backing-format-long", "too long", || {
            Qcow2::on(b"base", "sixteen-bytes-xx")
        }),
        case("backing-length-huge", "too long", || {
            Qcow2::on(b"base", "raw").be32(at::BACKING_LENGTH, u32::MAX)
        }),
        case("backing-length-1024", "too long", || {
            Qcow2::on(b"base", "raw").be32(at::BACKING_LENGTH, 1024)
        }),
        case(
            "backing-offset-huge",
            "outside of the first cluster",
            || Qcow2::on(b"base", "raw").be64(at::BACKING_OFFSET, u64::MAX),
        ),
        case(
            "backing-offset-beyond",
            "outside of the first cluster",
            || Qcow2::on(b"base", "raw").be64(at::BACKING_OFFSET, 65537),
        ),
        case(
            "backing-over-the-end",
            "outside of the first cluster",
            || Qcow2::on(b"base", "raw").be64(at::BACKING_OFFSET, 65534),
        ),
        case("encryption-3", "unknown encryption", || {
            Qcow2::new().be32(at::ENCRYPTION, 3)
        }),
        case("encryption-without-header", "no LUKS header", || {
            Qcow2::new().be32(at::ENCRYPTION, 2)
        }),
        case("encryption-header-beyond", "LUKS header", || {
            let pointer = Bytes::default().be64(0, 1 << 40).be64(8, 4096).0;
            Qcow2::new()
                .extension(qcow2::LUKS, pointer)
                .be32(at::ENCRYPTION, 2)
        }),
        case("encryption-header-short", "too small", || {
            Qcow2::new()
                .extension(qcow2::LUKS, [0; 15])
                .be32(at::ENCRYPTION, 2)
        }),
    ]
}

/// The tables that a header points to.
fn damaged_tables() -> Vec<Case> {
    let case = |name, says, image: fn() -> Qcow2| {
        Case::bytes(name, "qcow2", Refused(says), move |_| image().bytes())
    };
    let refcounts = "refcount table";
    let snapshots = "snapshot table";
    let l1 = "L1 table";
    let room = |entry: Vec<u8>| {
        Qcow2::new()
            .snapshots(1, ROOM)
            .put(usize::try_from(ROOM).unwrap(), entry)
    };
    let snapshot_case = move |name, says, entry: fn() -> Vec<u8>| {
        Case::bytes(name, "qcow2", Refused(says), move |_| room(entry()).bytes())
    };
    let bitmap = |name, change: fn(Bytes) -> Bytes| {
        let refused = Refused("bitmap directory is damaged");
        Case::bytes(name, "qcow2", refused, move |_| with_bitmap(change).bytes())
    };
    vec![
        case("refcounts-huge", "too large", || {
            Qcow2::new().be32(at::REFCOUNT_CLUSTERS, u32::MAX)
        }),
        case("refcounts-2g", "too large", || {
            Qcow2::new().be32(at::REFCOUNT_CLUSTERS, 0x0002_0001)
        }),
        case("refcounts-none", "no refcount table", || {
            Qcow2::new().be32(at::REFCOUNT_CLUSTERS, 0)
        }),
        case("refcounts-odd", refcounts, || {
            Qcow2::new().be64(at::REFCOUNTS, 0x1234)
        }),
        case("refcounts-last", refcounts, || {
            Qcow2::new().be64(at::REFCOUNTS, u64::MAX)
        }),
        case("refcounts-overflow", refcounts, || {
            Qcow2::new().be64(at::REFCOUNTS, 0x7fff_ffff_ffff_0000)
        }),
        case("refcount-order-7", "wider than 64 bits", || {
            Qcow2::new().be32(at::REFCOUNT_ORDER, 7)
        }),
        case("refcount-order-huge", "wider than 64 bits", || {
            Qcow2::new().be32(at::REFCOUNT_ORDER, u32::MAX)
        }),
        case("l1-huge", "too large", || {
            Qcow2::new().be32(at::L1_SIZE, u32::MAX)
        }),
        case("l1-over-limit", "too large", || {
            Qcow2::new().be32(at::L1_SIZE, 0x0040_0001)
        }),
        case("l1-none", "too small", || Qcow2::new().be32(at::L1_SIZE, 0)),
        case("l1-odd", l1, || Qcow2::new().be64(at::L1_OFFSET, L1 + 8)),
        case("l1-last", l1, || Qcow2::new().be64(at::L1_OFFSET, u64::MAX)),
        case("l1-overflow", l1, || {
            Qcow2::new().be64(at::L1_OFFSET, 0x7fff_ffff_ffff_0000)
        }),
        case("l1-beyond", l1, || {
            Qcow2::new().be64(at::L1_OFFSET, 1 << 40)
        }),
        case("disk-of-16-eib", "too small for its size", || {
            Qcow2::new().be64(at::DISK_SIZE, u64::MAX)
        }),
        case("disk-of-8-eib", "too small for its size", || {
            Qcow2::new().be64(at::DISK_SIZE, 1 << 63)
        }),
        case("snapshots-65537", "too many", || {
            Qcow2::new().snapshots(65537, ROOM)
        }),
        case("snapshots-huge", "too many", || {
            Qcow2::new().snapshots(u32::MAX, ROOM)
        }),
        case("snapshots-odd", snapshots, || {
            Qcow2::new().snapshots(1, 0x1234)
        }),
        case("snapshots-last", snapshots, || {
            Qcow2::new().snapshots(1, u64::MAX)
        }),
        case("snapshots-overflow", snapshots, || {
            Qcow2::new().snapshots(1, 0x7fff_ffff_ffff_0000)
        }),
        case("snapshots-beyond", snapshots, || {
            Qcow2::new().snapshots(65536, ROOM)
        }),
        snapshot_case("snapshot-extra-huge", "too large", || {
            let mut entry = snapshot(L1, 1, &[], b"s");
            entry[36..40].copy_from_slice(&u32::MAX.to_be_bytes());
            entry
        }),
        snapshot_case("snapshot-extra-1025", "too large", || {
            snapshot(L1, 1, &[0; 1025], b"s")
        }),
        snapshot_case("snapshot-name-beyond", snapshots, || {
            let mut entry = snapshot(L1, 1, &[], b"s");
            entry[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
            entry
        }),
        snapshot_case("snapshot-l1-huge", "of a snapshot", || {
            snapshot(L1, u32::MAX, &[], b"s")
        }),
        snapshot_case("snapshot-l1-odd", "of a snapshot", || {
            snapshot(L1 + 1, 1, &[], b"s")
        }),
        snapshot_case("snapshot-l1-beyond", "of a snapshot", || {
            snapshot(1 << 62, 1, &[], b"s")
        }),
        case("bitmaps-none", "bitmaps", || bitmaps(0, 32, ROOM)),
        case("bitmaps-huge", "bitmaps", || bitmaps(u32::MAX, 32, ROOM)),
        case("bitmaps-odd", "bitmap directory", || bitmaps(1, 32, 3)),
        bitmap("bitmap-table", |b| b.be64(0, 5)),
        bitmap("bitmap-table-none", |b| b.be32(8, 0)),
        bitmap("bitmap-table-huge", |b| b.be32(8, u32::MAX)),
        bitmap("bitmap-flags", |b| b.be32(12, 8)),
        bitmap("bitmap-kind", |b| b.put(16, [2])),
        bitmap("bitmap-granularity", |b| b.put(17, [63])),
        bitmap("bitmap-nameless", |b| b.be16(18, 0)),
        bitmap("bitmap-name-beyond", |b| b.be16(18, u16::MAX)),
        bitmap("bitmap-extra", |b| b.be32(20, 8)),
        bitmap("bitmap-twice", |b| b.put(24, "another1")),
        case("bitmaps-beyond", "bitmap directory", || {
            bitmaps(1, 32, 1 << 40)
        }),
    ]
}

/// An image with two bitmaps, of which the first was changed.
fn with_bitmap(change: impl Fn(Bytes) -> Bytes) -> Qcow2 {
    let entry = |name: &str| {
        Bytes::of_size(24)
            .be64(0, ROOM)
            .be32(8, 1)
            .be32(12, 2)
            .put(16, [1, 16])
            .be16(18, u16::try_from(name.len()).unwrap())
            .put(24, name)
    };
    let mut both = change(entry("eight-by")).0;
    both.extend(entry("another1").0);
    bitmaps(2, both.len() as u64, ROOM).put(usize::try_from(ROOM).unwrap(), both)
}

fn bitmaps(count: u32, size: u64, offset: u64) -> Qcow2 {
    let extension = Bytes::default()
        .be32(0, count)
        .be64(8, size)
        .be64(16, offset)
        .0;
    Qcow2::new()
        .extension(qcow2::BITMAPS, extension)
        .be64(at::AUTOCLEAR, 1)
}

/// 96: what an image says that it needs, or that it is.
fn features() -> Vec<Case> {
    let case = |name, verdict, image: fn() -> Qcow2| {
        Case::bytes(name, "qcow2", verdict, move |_| image().bytes())
    };
    vec![
        case("corrupt", Refused("it is marked corrupt"), || {
            Qcow2::new().incompatible(2)
        }),
        // Reading one is fine; `clone` looks at the bit itself.
        case("dirty", Accepted, || Qcow2::new().incompatible(1)),
        case("feature-5", Refused("unknown here: 5"), || {
            Qcow2::new().incompatible(1 << 5)
        }),
        case("feature-63", Refused("unknown here: 63"), || {
            Qcow2::new().incompatible(1 << 63)
        }),
        case("feature-named", Refused(r"6 (evil\x1b[2J)"), || {
            let mut names = vec![0, 6];
            names.extend(b"evil\x1b[2J");
            names.resize(48, 0);
            Qcow2::new()
                .extension(qcow2::FEATURES, names)
                .incompatible(1 << 6)
        }),
        case("compression-unsaid", Refused("compression"), || {
            Qcow2::new().put(at::COMPRESSION, [1])
        }),
        case("compression-unmeant", Refused("compression"), || {
            Qcow2::new().incompatible(8)
        }),
        case("compression-2", Refused("compression"), || {
            Qcow2::new().incompatible(8).put(at::COMPRESSION, [2])
        }),
        case(
            "subclusters-too-small",
            Refused("too small for subclusters"),
            || {
                Qcow2::new()
                    .incompatible(16)
                    .be32(at::CLUSTER_BITS, 13)
                    .be32(at::L1_SIZE, 64)
            },
        ),
        case("all-that-may-be-ignored", Accepted, || {
            Qcow2::new()
                .put(80, [0xff; 8])
                .put(at::AUTOCLEAR, [0xff; 7])
        }),
    ]
}
