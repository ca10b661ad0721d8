//! The rest of the table: images of other formats.

use super::vhdx::Vhdx;
use super::{Bytes, Case, DISK, Lure, Place, Verdict, foreign, vhd, vmdk};

use Verdict::Refused;

/// All of them but the good ones.
pub(super) fn foreign_cases() -> Vec<Case> {
    let mut all = vmdks();
    all.extend(vhds());
    all.extend(vhdxs());
    all.extend(others());
    all
}

/// 89: everything that is a list of files, or a difference.
fn vmdks() -> Vec<Case> {
    let one_file = Refused("only VMDK images in one file");
    let text =
        |name, kind: &'static str, parent: fn(&Place) -> String, extents: fn(&Place) -> String| {
            Case::bytes(name, "vmdk", one_file, move |place| {
                vmdk::descriptor(kind, &parent(place), &extents(place)).into_bytes()
            })
        };
    let orphan: fn(&Place) -> String = |_| vmdk::ORPHAN.to_owned();
    let inside = |name, verdict, text: fn(&Place) -> String| {
        Case::bytes(name, "vmdk", verdict, move |place| {
            vmdk::sparse(&text(place))
        })
    };
    let header = |name, says, change: fn(Bytes) -> Bytes| {
        Case::bytes(name, "vmdk", Refused(says), move |_| {
            change(Bytes(vmdk::good())).0
        })
    };
    vec![
        text("flat", "monolithicFlat", orphan, |p| {
            format!("RW 8 FLAT \"{}\" 0", p.secret())
        })
        .lures_to(Lure::Secret),
        text("flat-relative", "monolithicFlat", orphan, |p| {
            let name = p.secret().trim_start_matches('/');
            format!("RW 8 FLAT \"{}{name}\" 0", "../".repeat(30))
        })
        .lures_to(Lure::Secret),
        text("split", "twoGbMaxExtentFlat", orphan, |p| {
            format!("RW 8 FLAT \"{0}\" 0\nRW 8 FLAT \"{0}\" 8", p.secret())
        })
        .lures_to(Lure::Secret),
        text("split-sparse", "twoGbMaxExtentSparse", orphan, |p| {
            format!("RW 8 SPARSE \"{}\"", p.secret())
        })
        .lures_to(Lure::Name),
        text("vmfs", "vmfs", orphan, |p| {
            format!("RW 8 VMFS \"{}\"", p.secret())
        })
        .lures_to(Lure::Secret),
        text("raw-device", "fullDevice", orphan, |p| {
            format!("RW 8 FLAT \"{}\" 0", p.secret())
        })
        .lures_to(Lure::Name),
        text("vmfs-raw-device", "vmfsRawDeviceMap", orphan, |p| {
            format!("RW 8 VMFSRDM \"{}\"", p.secret())
        })
        .lures_to(Lure::Name),
        text(
            "child-in-text",
            "monolithicFlat",
            |p| {
                format!(
                    "parentCID=12345678\nparentFileNameHint=\"{}\"\n",
                    p.secret()
                )
            },
            |_| "RW 8 ZERO".to_owned(),
        )
        .lures_to(Lure::Name),
        // Without a capacity, the descriptor in a sparse extent is believed.
        Case::bytes("flat-within-sparse", "vmdk", one_file, |place| {
            let extents = format!("RW 8 FLAT \"{}\" 0", place.secret());
            let text = vmdk::descriptor("monolithicFlat", vmdk::ORPHAN, &extents);
            Bytes(vmdk::sparse(&text)).le64(12, 0).0
        })
        .lures_to(Lure::Secret),
        inside("sparse-names-another", one_file, |p| {
            let extents = format!("RW {} SPARSE \"{}\"", vmdk::SECTORS, p.secret());
            vmdk::descriptor("monolithicSparse", vmdk::ORPHAN, &extents)
        })
        .lures_to(Lure::Name),
        inside("sparse-child", one_file, |p| {
            let parent = format!(
                "parentCID=12345678\nparentFileNameHint=\"{}\"\n",
                p.secret()
            );
            let extents = format!("RW {} SPARSE \"a.vmdk\"", vmdk::SECTORS);
            vmdk::descriptor("monolithicSparse", &parent, &extents)
        })
        .lures_to(Lure::Name),
        inside("sparse-without-a-word", one_file, |_| String::new()),
        // QEMU looks for a parent there, wherever the descriptor is.
        Case::bytes("sparse-hidden-parent", "vmdk", one_file, |place| {
            let parent = format!("parentFileNameHint=\"{}\"\n", place.secret());
            Bytes(vmdk::sparse(&parent))
                .le64(28, 40)
                .put(40 * 512, vmdk::good_descriptor())
                .0
        })
        .lures_to(Lure::Name),
        Case::bytes("esx", "vmdk", one_file, |_| {
            Bytes::of_size(65536).put(0, b"COWD").le32(4, 1).0
        }),
        Case::bytes("stream-of-two-sizes", "vmdk", Refused("disagree"), |_| {
            vmdk::stream(1 << 30)
        }),
        header("vmdk-version-4", "version", |i| i.le32(4, 4)),
        header("vmdk-grain-huge", "impossible size", |i| {
            i.le64(20, 1 << 40)
        }),
        header("vmdk-grain-0", "impossible size", |i| i.le64(20, 0)),
        header("vmdk-table-huge", "impossible size", |i| {
            i.le32(44, u32::MAX)
        }),
        header("vmdk-directory-beyond", "cut off", |i| i.le64(56, 1 << 50)),
        header("vmdk-capacity-huge", "impossible size", |i| {
            i.le64(12, u64::MAX)
        }),
        header("vmdk-descriptor-huge", "in one file", |i| {
            i.le64(36, 1 << 40)
        }),
    ]
}

fn vhds() -> Vec<Case> {
    let case =
        |name, says, make: fn(&Place) -> Vec<u8>| Case::bytes(name, "vpc", Refused(says), make);
    let other = "a difference to another image";
    vec![
        case("vhd-difference", other, |p| {
            vhd::dynamic(vhd::DIFFERENCING, Some(p.secret()))
        })
        .lures_to(Lure::Name),
        case("vhd-hidden-parent", other, |p| {
            vhd::dynamic(vhd::DYNAMIC, Some(p.secret()))
        })
        .lures_to(Lure::Name),
        case("vhd-checksum", "checksum", |_| {
            Bytes(vhd::fixed())
                .put(usize::try_from(DISK).unwrap() + 100, [1])
                .0
        }),
        case("vhd-header-checksum", "dynamic header", |_| {
            Bytes(vhd::dynamic(vhd::DYNAMIC, None))
                .put(512 + 900, [1])
                .0
        }),
        case("vhd-kind", "type", |_| vhd::dynamic(9, None)),
        // The guest of a fixed image writes the footer of a dynamic one.
        case("vhd-fixed-in-front", "type", |_| {
            Bytes(vhd::fixed()).put(0, vhd::footer(vhd::FIXED)).0
        }),
        case("vhd-blocks-0", "impossible size", |_| {
            vhd::with_header(vhd::DYNAMIC, |h| h.be32(32, 0))
        }),
        case("vhd-table-small", "cannot hold", |_| {
            vhd::with_header(vhd::DYNAMIC, |h| h.be32(28, 0))
        }),
        case("vhd-table-huge", "cannot hold", |_| {
            vhd::with_header(vhd::DYNAMIC, |h| h.be32(28, u32::MAX))
        }),
        case("vhd-table-beyond", "cut off", |_| {
            vhd::with_header(vhd::DYNAMIC, |h| h.be64(16, u64::MAX - 7))
        }),
        case("vhd-block-beyond", "cut off", |_| {
            Bytes(vhd::dynamic(vhd::DYNAMIC, None))
                .be32(1536, 1 << 20)
                .0
        }),
        case("vhd-nothing", "no Virtual PC footer", |_| vec![0; 4096]),
    ]
}

fn vhdxs() -> Vec<Case> {
    let case = |name, says, change: fn(&mut Vhdx)| {
        Case::bytes(name, "vhdx", Refused(says), move |_| {
            let mut image = Vhdx::default();
            change(&mut image);
            image.bytes()
        })
    };
    vec![
        Case::bytes(
            "vhdx-difference",
            "vhdx",
            Refused("a difference to another image"),
            |place| {
                Vhdx {
                    parent: Some(place.secret().to_owned()),
                    ..Vhdx::default()
                }
                .bytes()
            },
        )
        .lures_to(Lure::Name),
        case("vhdx-log", "changes wait in its log", |i| i.log_guid = 7),
        case("vhdx-log-place", "log is damaged", |i| i.log_offset = 5),
        case("vhdx-two-headers", "no good header", |i| {
            i.sequence = [0, 0];
            i.second_writer = 2;
        }),
        case("vhdx-regions-huge", "regions", |i| i.regions = u32::MAX),
        case("vhdx-regions-one", "regions", |i| i.regions = 1),
        case("vhdx-region-unknown", "region unknown", |i| {
            i.required.0 = Some(9);
        }),
        case("vhdx-metadata-unknown", "metadata unknown", |i| {
            i.required.1 = Some(9);
        }),
        case("vhdx-metadata-missing", "metadata is damaged", |i| {
            i.items = 2
        }),
        case("vhdx-metadata-huge", "metadata is damaged", |i| {
            i.items = u16::MAX;
        }),
        case("vhdx-blocks-0", "impossible size", |i| i.block = 0),
        case("vhdx-blocks-odd", "impossible size", |i| i.block = 3 << 20),
        case("vhdx-sectors", "sectors", |i| i.sector = 4096),
        case("vhdx-disk-huge", "cannot hold", |i| i.size = !511),
        case("vhdx-disk-none", "no size", |i| i.size = 0),
        Case::bytes("vhdx-checksum", "vhdx", Refused("no good header"), |_| {
            Bytes(Vhdx::default().bytes())
                .put((64 << 10) + 3000, [1])
                .put((128 << 10) + 3000, [1])
                .0
        }),
    ]
}

fn others() -> Vec<Case> {
    let case = |name, format, says, make: fn(&Place) -> Bytes| {
        Case::bytes(name, format, Refused(says), move |place| make(place).0)
    };
    let other = "a difference to another image";
    vec![
        case("vdi-difference", "vdi", other, |_| {
            foreign::vdi().le32(0x4c, 4)
        }),
        case("vdi-undo", "vdi", other, |_| foreign::vdi().le32(0x4c, 3)),
        case("vdi-parent", "vdi", other, |_| {
            foreign::vdi().put(0x1b8, [1; 16])
        }),
        case("vdi-link", "vdi", other, |_| {
            foreign::vdi().put(0x1a8, [1; 16])
        }),
        case("vdi-version", "vdi", "does not begin", |_| {
            foreign::vdi().le32(0x44, 0x10002)
        }),
        case("vdi-sectors", "vdi", "unusual size", |_| {
            foreign::vdi().le32(0x168, 4096)
        }),
        case("vdi-blocks", "vdi", "disagree", |_| {
            foreign::vdi().le32(0x180, 0)
        }),
        case("vdi-size", "vdi", "disagree", |_| {
            foreign::vdi().le64(0x170, u64::MAX)
        }),
        case("vdi-map", "vdi", "cut off", |_| {
            foreign::vdi().le32(0x154, 0xffff_fe00)
        }),
        case("qed-backing", "qed", "backing file", |p| {
            foreign::qed_on(p.secret(), 1)
        })
        .lures_to(Lure::Name),
        case("qed-backing-raw", "qed", "backing file", |p| {
            foreign::qed_on(p.secret(), 5)
        })
        .lures_to(Lure::Secret),
        case("qed-features", "qed", "features unknown", |_| {
            foreign::qed().le64(16, 8)
        }),
        case("qed-clusters", "qed", "impossible size", |_| {
            foreign::qed().le32(4, 3)
        }),
        case("qed-tables", "qed", "impossible size", |_| {
            foreign::qed().le32(8, 17)
        }),
        case("qed-table-beyond", "qed", "cut off", |_| {
            foreign::qed().le64(40, 1 << 40)
        }),
        case("qed-disk", "qed", "cannot hold", |_| {
            foreign::qed().le64(48, !511)
        }),
        case("qcow-backing", "qcow", "backing file", |p| {
            foreign::qcow_on(p.secret())
        })
        .lures_to(Lure::Secret),
        case("qcow-clusters", "qcow", "impossible size", |_| {
            foreign::qcow().put(32, [63])
        }),
        case("qcow-encryption", "qcow", "unknown", |_| {
            foreign::qcow().be32(36, 2)
        }),
        case("qcow-disk", "qcow", "too large", |_| {
            foreign::qcow().be64(24, u64::MAX)
        }),
        case("qcow-table", "qcow", "cut off", |_| {
            foreign::qcow().be64(40, u64::MAX)
        }),
        case("luks-version", "luks", "does not begin", |_| {
            foreign::luks().be16(6, 2)
        }),
        case("luks-slot", "luks", "key slot", |_| {
            foreign::luks().be32(208, 7)
        }),
        case("luks-slots-overlap", "luks", "key slot", |_| {
            foreign::luks().be32(208 + 48 + 40, 8)
        }),
        case("luks-payload", "luks", "contradicts", |_| {
            foreign::luks().be32(104, 0)
        }),
        case("luks-cipher", "luks", "cipher", |_| {
            foreign::luks().put(8, [b'a'; 32])
        }),
        case("raw-empty", "raw", "smaller than one sector", |_| {
            Bytes::default()
        }),
    ]
}
