//! Headers that the real programs have written, and some that nobody has.

use std::ffi::OsStr;

use vmkin::error::Kind;
use vmkin::image::{ImageFile, Trust, qcow2::Header, resolve};
use vmkin::model::ImageFormat;

use crate::common::{Pool, assert_same, chain, check, run, try_run, virtual_size};

#[test]
fn headers_of_qemu_img_are_read() {
    let pool = Pool::new();
    for options in [
        "compat=0.10",
        "compat=1.1",
        "cluster_size=512",
        "cluster_size=2M",
        "cluster_size=512,refcount_bits=1",
        "refcount_bits=64",
        "extended_l2=on",
        "lazy_refcounts=on",
        "compression_type=zstd",
        "preallocation=metadata",
        "preallocation=full",
    ] {
        let path = pool.qcow2("image", options);
        let header = Header::read(&ImageFile::open(&path).unwrap()).unwrap();
        assert_eq!(header.virtual_size, 3 << 20, "{options}");
        assert_eq!(header.version, if options.contains("0.10") { 2 } else { 3 });
        // A refcount of one bit cannot count to two.
        let snapshots = if options.contains("refcount_bits=1") {
            0
        } else {
            2
        };
        for name in ["one", "two"].iter().take(snapshots) {
            run("qemu-img", &args!["snapshot", "-c", *name, &path]);
        }
        let image = ImageFile::open(&path).unwrap();
        let header = Header::read(&image).unwrap();
        let table = header.snapshot_table(&image).unwrap();
        let listed = snapshots_of(&path);
        assert_eq!(table.len(), listed.len(), "{options}");
        for (own, theirs) in table.iter().zip(&listed) {
            assert_eq!(own.id, theirs["id"].as_str().unwrap().as_bytes());
            assert_eq!(own.name, theirs["name"].as_str().unwrap().as_bytes());
            assert_eq!(u64::from(own.seconds), theirs["date-sec"].as_u64().unwrap());
            assert_eq!(own.vm_state_size, theirs["vm-state-size"].as_u64().unwrap());
            assert_eq!(own.disk_size, 3 << 20);
            assert_eq!(own.icount, theirs["icount"].as_u64());
        }
        let mut size = 3 << 20;
        if header.version == 3 {
            // A longer L1 table is somewhere else, and there is an extension more.
            run("qemu-img", &args!["resize", "-f", "qcow2", &path, "70G"]);
            run(
                "qemu-img",
                &args!["bitmap", "-f", "qcow2", "--add", &path, "b"],
            );
            // The bitmap has something in it then.
            let write = ["-c", "write 1M 64k"];
            run("qemu-io", &args!["-f", "qcow2", write[0], write[1], &path]);
            size = 70 << 30;
        }
        let layer = chain(&path).top().clone();
        assert_eq!(usize::try_from(layer.snapshots), Ok(snapshots), "{options}");
        assert_eq!(layer.virtual_size, size, "{options}");
        std::fs::remove_file(path).unwrap();
    }
    // Of all sizes, an empty one among them.
    for size in ["0", "512", "1T", "60T"] {
        let path = pool.at("sized");
        run("qemu-img", &args!["create", "-f", "qcow2", &path, size]);
        assert_eq!(
            chain(&path).top().virtual_size,
            virtual_size(&path, "qcow2")
        );
    }
}

/// The internal snapshots as `qemu-img` lists them.
fn snapshots_of(path: &std::path::Path) -> Vec<serde_json::Value> {
    let text = run(
        "qemu-img",
        &args!["info", "-f", "qcow2", "--output=json", path],
    );
    let info: serde_json::Value = serde_json::from_str(&text).unwrap();
    info["snapshots"].as_array().cloned().unwrap_or_default()
}

#[test]
fn encryption_is_noted() {
    let pool = Pool::new();
    let path = pool.at("secret");
    run(
        "qemu-img",
        &args![
            "create",
            "--object",
            "secret,id=s,data=abc",
            "-f",
            "qcow2",
            "-o",
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10",
            &path,
            "1M"
        ],
    );
    assert!(chain(&path).top().encrypted);
    let luks = pool.at("luks");
    run(
        "qemu-img",
        &args![
            "create",
            "--object",
            "secret,id=s,data=abc",
            "-f",
            "luks",
            "-o",
            "key-secret=s,iter-time=10",
            &luks,
            "1M"
        ],
    );
    let chain = resolve(&luks, ImageFormat::Luks, &Trust::default()).unwrap();
    assert!(chain.top().encrypted);
    assert_eq!(chain.top().virtual_size, 1 << 20);
}

#[test]
fn other_formats_are_bases_if_they_lead_nowhere() {
    let pool = Pool::new();
    for (format, options) in [
        (ImageFormat::Vmdk, "subformat=monolithicSparse"),
        (ImageFormat::Vmdk, "subformat=streamOptimized"),
        (ImageFormat::Vdi, "static=off"),
        (ImageFormat::Vdi, "static=on"),
        (ImageFormat::Vpc, "subformat=dynamic"),
        (ImageFormat::Vpc, "subformat=fixed"),
        (ImageFormat::Vpc, "subformat=dynamic,force_size=on"),
        (ImageFormat::Qed, "cluster_size=64K"),
        (ImageFormat::Qed, "cluster_size=4K,table_size=2"),
        (ImageFormat::Qcow, "encryption=off"),
        (ImageFormat::Parallels, "cluster_size=1M"),
        (ImageFormat::Parallels, "cluster_size=4k"),
        (ImageFormat::Vhdx, "subformat=dynamic"),
        (ImageFormat::Vhdx, "subformat=fixed"),
        (ImageFormat::Vhdx, "block_size=256M,log_size=16M"),
        (
            ImageFormat::Vmdk,
            "subformat=monolithicSparse,compat6=on,zeroed_grain=on",
        ),
    ] {
        let path = pool.at("image");
        run(
            "qemu-img",
            &args!["create", "-f", format.as_str(), "-o", options, &path, "10M"],
        );
        let chain = resolve(&path, format, &Trust::default()).unwrap();
        let expected = virtual_size(&path, format.as_str());
        assert_eq!(chain.top().virtual_size, expected, "{format} {options}");
        let top = pool.overlay("top", &path, format);
        check(&top);
        assert_same(&top, "qcow2", &path, format.as_str());
        std::fs::remove_file(top).unwrap();
        std::fs::remove_file(path).unwrap();
    }
}

/// Of every size and with something in them; a size that the format cannot have
/// is rounded by whoever writes it, and has to be read as QEMU reads it.
#[test]
fn other_formats_are_as_large_as_qemu_finds_them() {
    let pool = Pool::new();
    let formats = [
        ("raw", "preallocation=off"),
        ("vmdk", "subformat=monolithicSparse"),
        ("vmdk", "subformat=streamOptimized"),
        ("vdi", "static=off"),
        ("vpc", "subformat=dynamic"),
        ("vpc", "subformat=fixed"),
        ("vpc", "subformat=fixed,force_size=on"),
        ("vhdx", "subformat=dynamic"),
        ("qed", "cluster_size=64K"),
        ("qcow", "encryption=off"),
    ];
    for size in [512_u64, 1 << 20, (7 << 20) + 512, (33 << 20) + 1536] {
        let raw = pool.at("source");
        let file = std::fs::File::create(&raw).unwrap();
        file.set_len(size).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"data", size / 2).unwrap();
        for (format, options) in formats {
            let path = pool.at("image");
            run(
                "qemu-img",
                &args![
                    "convert", "-f", "raw", "-O", format, "-o", options, &raw, &path
                ],
            );
            let known: ImageFormat = format.parse().unwrap();
            let chain = resolve(&path, known, &Trust::default()).unwrap();
            let expected = virtual_size(&path, format);
            assert_eq!(
                chain.top().virtual_size,
                expected,
                "{size} {format} {options}"
            );
            assert!(!chain.top().dirty && !chain.top().encrypted);
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn other_formats_that_lead_elsewhere_are_refused() {
    let pool = Pool::new();
    let base = pool.raw("base", 1 << 20);
    let flat = pool.at("flat.vmdk");
    run(
        "qemu-img",
        &args![
            "create",
            "-f",
            "vmdk",
            "-o",
            "subformat=monolithicFlat",
            &flat,
            "1M"
        ],
    );
    let parent = pool.at("parent.vmdk");
    let child = pool.at("child.vmdk");
    run("qemu-img", &args!["create", "-f", "vmdk", &parent, "1M"]);
    run(
        "qemu-img",
        &args!["create", "-f", "vmdk", "-b", &parent, "-F", "vmdk", &child],
    );
    let qed = pool.at("child.qed");
    run(
        "qemu-img",
        &args!["create", "-f", "qed", "-b", &base, "-F", "raw", &qed],
    );
    let qcow = pool.at("child.qcow");
    run(
        "qemu-img",
        &args!["create", "-f", "qcow", "-b", &base, "-F", "raw", &qcow],
    );
    for (path, format) in [
        (flat, ImageFormat::Vmdk),
        (child, ImageFormat::Vmdk),
        (qed, ImageFormat::Qed),
        (qcow, ImageFormat::Qcow),
    ] {
        let error = resolve(&path, format, &Trust::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe, "{error}");
    }
}

/// What the parser takes, `qemu-img` takes too; and neither hangs or crashes.
#[test]
fn nothing_is_accepted_that_qemu_img_refuses() {
    let pool = Pool::new();
    let base = pool.raw("base", 1 << 20);
    let good = std::fs::read(pool.sized("good", &base, ImageFormat::Raw, 1 << 30)).unwrap();
    let path = pool.at("mutant");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1_000_003).unwrap() % below
    };
    let mut accepted = 0;
    for n in 0..1000 {
        let mut bytes = good.clone();
        for _ in 0..1 + random(3) {
            let bits = [1, 2, 4, 8, 16, 32, 64, 128];
            bytes[4 + random(140)] ^= bits[random(8)];
        }
        std::fs::write(&path, &bytes).unwrap();
        let image = ImageFile::open(&path).unwrap();
        if Header::read(&image).is_ok() {
            accepted += 1;
            let (ok, text) = try_run("qemu-img", &args!["info", "-f", "qcow2", &path]);
            // A data file is refused with the chain, not with the header.
            let data_file = text.contains("data-file") || text.contains("data file");
            let header = &bytes[..160];
            assert!(ok || data_file, "mutant {n}: {text} {header:02x?}");
        }
    }
    assert!(accepted > 20, "{accepted}");
}
