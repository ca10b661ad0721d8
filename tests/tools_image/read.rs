//! The data in images, compared with what `qemu-img convert` makes of them.
#![expect(clippy::cast_possible_truncation, reason = "the disks here are small")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use vmkin::error::Kind;
use vmkin::image::read::{Disk, open};
use vmkin::image::{ExportOverlay, Trust, resolve};
use vmkin::model::{ImageFormat, NbdExport, NbdServer};

use crate::common::{Pool, run, try_run};

const MIB: u64 = 1 << 20;

/// Numbers that look like chance and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn disk(path: &Path, format: ImageFormat, snapshot: Option<&str>) -> Disk {
    let chain = resolve(path, format, &Trust::default()).unwrap();
    open(&chain, snapshot).unwrap()
}

/// What QEMU says is on the disk.
fn converted(pool: &Pool, path: &Path, options: &[&str]) -> Vec<u8> {
    let raw = pool.at("converted.raw");
    let mut args: Vec<&OsStr> = Vec::from(["convert", "-O", "raw"].map(AsRef::as_ref));
    args.extend(options.iter().map(AsRef::<OsStr>::as_ref));
    args.extend([path.as_os_str(), raw.as_os_str()]);
    run("qemu-img", &args);
    std::fs::read(raw).unwrap()
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(4096)
        .all(|part| part == &[0; 4096][..part.len()])
}

/// Reads a disk as a whole, and parts of it from everywhere.
#[track_caller]
fn assert_reads(disk: &Disk, expected: &[u8], what: &str) {
    assert_eq!(disk.len(), expected.len() as u64, "{what}");
    for step in [1 << 20, 12_345] {
        let mut found = vec![0xee; expected.len()];
        for (n, part) in found.chunks_mut(step).enumerate() {
            disk.read_at((n * step) as u64, part).unwrap();
        }
        assert!(found == expected, "{what}, {step} bytes at a time");
    }
    let mut numbers = Numbers(7);
    for _ in 0..50 {
        let at = numbers.next(expected.len() as u64 - 1);
        let most = (expected.len() as u64 - at).min(200_000);
        let length = 1 + numbers.next(most);
        let mut found = vec![0xee; length as usize];
        disk.read_at(at, &mut found).unwrap();
        let there = &expected[at as usize..(at + length) as usize];
        assert!(found == there, "{what}, {length} bytes at {at}");
    }
    // What is not said to be data is zeros, and nothing is left out.
    let mut at = 0;
    while let Some(data) = disk.next_data(at).unwrap() {
        assert!(data.start >= at && data.end > data.start, "{what}");
        let skipped = &expected[at as usize..data.start as usize];
        assert!(is_zero(skipped), "{what} at {at}");
        at = data.end;
    }
    assert!(is_zero(&expected[at as usize..]), "{what} at {at}");
    let mut one = [0];
    let error = disk.read_at(disk.len(), &mut one).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    disk.read_at(disk.len(), &mut []).unwrap();
}

#[track_caller]
fn assert_same_as_qemu(pool: &Pool, path: &Path, what: &str) {
    let expected = converted(pool, path, &["-f", "qcow2"]);
    assert_reads(&disk(path, ImageFormat::Qcow2, None), &expected, what);
}

/// Ways in which an image can be made; what is in front of the colon is the
/// cluster size, as a power of two.
const VARIANTS: &[(u32, &str)] = &[
    (16, "compat=0.10"),
    (9, "compat=0.10"),
    (21, "compat=0.10"),
    (16, "compat=1.1"),
    (9, "compat=1.1"),
    (12, "compat=1.1"),
    (21, "compat=1.1"),
    (16, "compat=1.1,lazy_refcounts=on"),
    (14, "compat=1.1,extended_l2=on"),
    (16, "compat=1.1,extended_l2=on"),
    (21, "compat=1.1,extended_l2=on"),
    (9, "compat=1.1,compression_type=zstd"),
    (16, "compat=1.1,compression_type=zstd"),
    (16, "compat=1.1,compression_type=zstd,extended_l2=on"),
    (21, "compat=1.1,compression_type=zstd"),
    (16, "compat=1.1,preallocation=metadata"),
    (16, "compat=1.1,preallocation=falloc"),
    (16, "compat=1.1,refcount_bits=1"),
];

fn create(pool: &Pool, name: &str, (bits, options): (u32, &str), size: u64) -> PathBuf {
    let path = pool.at(name);
    let options = format!("{options},cluster_size={}", 1_u64 << bits);
    let size = size.to_string();
    run(
        "qemu-img",
        &args!["create", "-q", "-f", "qcow2", "-o", &options, &path, &size],
    );
    path
}

/// Has `qemu-io` do all sorts of things to an image.
fn scribble(path: &Path, size: u64, compressed: u64, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut commands = Vec::new();
    for n in 0..60 {
        let at = numbers.next(size / 512) * 512;
        let most = (size - at).min(300 * 1024);
        let length = (1 + numbers.next(most / 512)) * 512;
        let pattern = 1 + numbers.next(250);
        commands.push(match numbers.next(8) {
            0 => format!("write -z {at} {length}"),
            1 => format!("write -z -u {at} {length}"),
            2 => format!("discard {at} {length}"),
            3 if compressed != 0 => {
                let at = at - at % compressed;
                let length = compressed.min(size - at);
                format!("write -c -P {pattern} {at} {length}")
            }
            _ => format!("write -P {pattern} {at} {length}"),
        });
        if n == 59 {
            commands.push(format!("write -P 9 {} 512", size - 512));
        }
    }
    let mut args: Vec<String> = ["-d", "unmap", "-f", "qcow2"].map(Into::into).into();
    for command in commands {
        args.extend(["-c".to_owned(), command]);
    }
    args.push(path.display().to_string());
    let (_, said) = try_run("qemu-io", &args);
    assert!(!said.contains("can't open"), "{said}");
}

#[test]
fn every_variant_reads_as_qemu_reads_it() {
    let pool = Pool::new();
    for (n, (bits, options)) in VARIANTS.iter().enumerate() {
        let size = 9 * MIB + 512 * 5;
        let path = create(&pool, "image", (*bits, options), size);
        scribble(&path, size, 1 << bits, n as u64);
        assert_same_as_qemu(&pool, &path, &format!("2^{bits} {options}"));
        std::fs::remove_file(path).unwrap();
    }
}

/// Something that compresses here and does not there.
fn mixed(pool: &Pool, size: u64) -> PathBuf {
    let path = pool.at("mixed.raw");
    let mut numbers = Numbers(3);
    let mut bytes = vec![0; size as usize];
    for (n, part) in bytes.chunks_mut(40_000).enumerate() {
        match n % 4 {
            0 => part.fill_with(|| numbers.next(256) as u8),
            1 => part.fill_with(|| b"the same words "[numbers.next(15) as usize]),
            2 => part.fill(n as u8),
            _ => {}
        }
    }
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn whole_images_that_are_compressed_read_the_same() {
    let pool = Pool::new();
    let raw = mixed(&pool, 5 * MIB);
    let expected = std::fs::read(&raw).unwrap();
    for compression in ["zlib", "zstd"] {
        for bits in [9, 12, 16, 21] {
            let options = format!(
                "compression_type={compression},cluster_size={}",
                1_u64 << bits
            );
            let path = pool.at("compressed");
            let to = ["convert", "-c", "-f", "raw", "-O", "qcow2", "-o", &options];
            let mut args: Vec<&OsStr> = to.iter().map(AsRef::<OsStr>::as_ref).collect();
            args.extend([raw.as_os_str(), path.as_os_str()]);
            run("qemu-img", &args);
            assert_reads(&disk(&path, ImageFormat::Qcow2, None), &expected, &options);
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// Makes an overlay of another size and with other clusters.
fn overlay(
    pool: &Pool,
    name: &str,
    base: &Path,
    format: &str,
    kind: (u32, &str),
    size: u64,
) -> PathBuf {
    let path = pool.at(name);
    let options = format!("{},cluster_size={}", kind.1, 1_u64 << kind.0);
    let size = size.to_string();
    run(
        "qemu-img",
        &args![
            "create", "-q", "-f", "qcow2", "-o", &options, "-F", format, "-b", base, &path, &size
        ],
    );
    path
}

#[test]
fn chains_of_different_sizes_and_clusters_read_the_same() {
    let pool = Pool::new();
    let raw = pool.at("base.raw");
    std::fs::copy(mixed(&pool, 6 * MIB), &raw).unwrap();
    File::options()
        .write(true)
        .open(&raw)
        .unwrap()
        .set_len(6 * MIB - 100)
        .unwrap();
    let sizes = [
        [7 * MIB, 9 * MIB],
        [3 * MIB + 512, 10 * MIB],
        [8 * MIB, 4 * MIB],
        // Longer than what is below, which is longer than what is between.
        [2 * MIB, 5 * MIB],
    ];
    let kinds = [
        [(16, "compat=1.1"), (9, "compat=0.10")],
        [(12, "compat=1.1"), (16, "compat=1.1,extended_l2=on")],
        [(16, "compat=1.1,compression_type=zstd"), (21, "compat=1.1")],
        [(21, "compat=0.10"), (14, "compat=1.1,extended_l2=on")],
    ];
    for (n, (sizes, kinds)) in sizes.iter().zip(kinds).enumerate() {
        let middle = overlay(&pool, "middle", &raw, "raw", kinds[0], sizes[0]);
        scribble(&middle, sizes[0], 1 << kinds[0].0, 20 + n as u64);
        let top = overlay(&pool, "top", &middle, "qcow2", kinds[1], sizes[1]);
        assert_same_as_qemu(&pool, &top, &format!("empty top of chain {n}"));
        scribble(&top, sizes[1], 0, 40 + n as u64);
        assert_same_as_qemu(&pool, &top, &format!("chain {n}"));
        std::fs::remove_file(top).unwrap();
        std::fs::remove_file(middle).unwrap();
    }
}

#[test]
fn internal_snapshots_are_read_by_name_and_by_id() {
    let pool = Pool::new();
    let raw = mixed(&pool, 4 * MIB);
    for kind in [
        (16, "compat=1.1"),
        (9, "compat=0.10"),
        (16, "compat=1.1,extended_l2=on,compression_type=zstd"),
    ] {
        let path = overlay(&pool, "image", &raw, "raw", kind, 5 * MIB);
        for (n, name) in ["first", "second", "7"].iter().enumerate() {
            scribble(&path, 5 * MIB, 0, 60 + n as u64);
            run("qemu-img", &args!["snapshot", "-c", name, &path]);
        }
        scribble(&path, 5 * MIB, 0, 70);
        for (by, name) in [("1", "first"), ("second", "second"), ("3", "7"), ("7", "7")] {
            let expected = converted(&pool, &path, &["-f", "qcow2", "-l", name]);
            let disk = disk(&path, ImageFormat::Qcow2, Some(by));
            assert_reads(&disk, &expected, &format!("{kind:?}, snapshot {by}"));
        }
        assert_same_as_qemu(&pool, &path, "the image itself");
        let chain = resolve(&path, ImageFormat::Qcow2, &Trust::default()).unwrap();
        let error = open(&chain, Some("third")).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(
            error.hints()[0].contains("'first', 'second', '7'"),
            "{error:?}"
        );
        run("qemu-img", &args!["snapshot", "-c", "first", &path]);
        let chain = resolve(&path, ImageFormat::Qcow2, &Trust::default()).unwrap();
        let error = open(&chain, Some("first")).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.hints()[0].contains("'1', '4'"), "{error:?}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_snapshot_of_a_smaller_disk_has_its_size() {
    let pool = Pool::new();
    let path = create(&pool, "image", (9, "compat=1.1"), MIB);
    scribble(&path, MIB, 0, 80);
    let expected = converted(&pool, &path, &["-f", "qcow2"]);
    run("qemu-img", &args!["snapshot", "-c", "small", &path]);
    run(
        "qemu-img",
        &args!["resize", "-q", "-f", "qcow2", &path, "70M"],
    );
    scribble(&path, 70 * MIB, 0, 81);
    assert_same_as_qemu(&pool, &path, "after growing");
    let disk = disk(&path, ImageFormat::Qcow2, Some("small"));
    assert_reads(&disk, &expected, "before");
}

#[test]
fn raw_images_keep_their_holes_and_end_with_a_whole_sector() {
    let pool = Pool::new();
    let path = pool.at("raw");
    let file = File::create(&path).unwrap();
    file.set_len(64 * MIB + 100).unwrap();
    file.write_all_at(&[7; 5000], 32 * MIB).unwrap();
    file.write_all_at(&[8; 100], 64 * MIB).unwrap();
    let expected = converted(&pool, &path, &["-f", "raw"]);
    let disk = disk(&path, ImageFormat::Raw, None);
    assert_reads(&disk, &expected, "raw");
    let first = disk.next_data(0).unwrap().unwrap();
    assert!(first.start <= 32 * MIB && first.end < 33 * MIB, "{first:?}");
    let second = disk.next_data(first.end).unwrap().unwrap();
    assert_eq!(second.end, 64 * MIB + 512);
    assert!(second.start > 63 * MIB, "{second:?}");
}

#[test]
fn an_image_that_something_writes_to_can_be_read() {
    const SIZE: u64 = 16 * MIB;
    let pool = Pool::new();
    let path = create(&pool, "image", (12, "lazy_refcounts=on"), SIZE);
    let mut writer = crate::common::Opened::new(&["-f", "qcow2"], &path);
    let mut numbers = Numbers(5);
    let mut found = vec![0; SIZE as usize];
    let mut count = |disk: &Disk| {
        disk.read_at(0, &mut found).unwrap();
        // A block may be read before all of it is written.
        let written = |block: &&[u8]| block.contains(&5);
        let known = |block: &[u8]| block == [5; 512] || block == [0; 512];
        assert!(found.chunks(512).all(known));
        found.chunks(4096).filter(written).count()
    };
    let disk = disk(&path, ImageFormat::Qcow2, None);
    for _ in 0..10 {
        for _ in 0..15 {
            let at = numbers.next(SIZE / 4096) * 4096;
            let stdin = writer.child.stdin.as_mut().unwrap();
            writeln!(stdin, "write -P 5 {at} 4096").unwrap();
            // It takes the next line only when it is done with this one.
            let stdout = writer.child.stdout.as_mut().unwrap();
            let (mut said, mut byte) = (Vec::new(), [0]);
            while !said.ends_with(b"ops/sec)") {
                stdout.read_exact(&mut byte).unwrap();
                said.extend(byte);
            }
        }
        count(&disk);
    }
    // It is not closed but killed, and stays marked as dirty.
    writer.child.kill().unwrap();
    writer.child.wait().unwrap();
    let chain = resolve(&path, ImageFormat::Qcow2, &Trust::default()).unwrap();
    assert!(chain.top().dirty);
    assert!(count(&open(&chain, None).unwrap()) > 120);
}

#[test]
fn what_cannot_be_read_says_so() {
    let pool = Pool::new();
    let secret = ["--object", "secret,id=s,data=abc"];
    let path = pool.at("encrypted");
    let mut args: Vec<&OsStr> = Vec::from(["create", "-q"].map(AsRef::as_ref));
    args.extend(secret.iter().map(AsRef::<OsStr>::as_ref));
    let options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10";
    args.extend(["-f", "qcow2", "-o", options].map(AsRef::<OsStr>::as_ref));
    args.extend([path.as_os_str(), "1M".as_ref()]);
    run("qemu-img", &args);
    let chain = resolve(&path, ImageFormat::Qcow2, &Trust::default()).unwrap();
    let error = open(&chain, None).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(error.to_string().contains("encrypted"), "{error}");

    // Another file under the same name.
    let path = create(&pool, "image", (16, "compat=1.1"), MIB);
    let chain = resolve(&path, ImageFormat::Qcow2, &Trust::default()).unwrap();
    std::fs::copy(&path, pool.at("other")).unwrap();
    std::fs::rename(pool.at("other"), &path).unwrap();
    assert_eq!(open(&chain, None).unwrap_err().kind(), Kind::Busy);
}

#[test]
fn an_image_that_was_cut_off_is_no_disk_of_zeros() {
    let pool = Pool::new();
    let path = create(&pool, "image", (16, "compat=1.1"), 8 * MIB);
    run(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 3 0 8M", &path],
    );
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 100_000)
        .unwrap();
    let disk = disk(&path, ImageFormat::Qcow2, None);
    let mut buf = vec![0; 4096];
    disk.read_at(0, &mut buf).unwrap();
    let error = disk.read_at(8 * MIB - 4096, &mut buf).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(error.to_string().contains("cut off"), "{error}");
    assert!(error.hints()[0].contains("disk check"), "{error:?}");
}

#[test]
fn formats_that_are_not_read_here_are_read_by_qemu() {
    let pool = Pool::new();
    let raw = mixed(&pool, 8 * MIB);
    for (format, word, options) in [
        (ImageFormat::Vmdk, "vmdk", "subformat=monolithicSparse"),
        (ImageFormat::Vmdk, "vmdk", "subformat=streamOptimized"),
        (ImageFormat::Vdi, "vdi", "static=off"),
        (ImageFormat::Vpc, "vpc", "subformat=dynamic,force_size=on"),
        (ImageFormat::Vhdx, "vhdx", "subformat=dynamic"),
        (ImageFormat::Qed, "qed", "cluster_size=65536"),
        (ImageFormat::Qcow, "qcow", "size=8M"),
        (ImageFormat::Parallels, "parallels", "cluster_size=64k"),
    ] {
        let path = pool.at(&format!("a, \"b\".{word}"));
        let mut args: Vec<&OsStr> =
            Vec::from(["convert", "-f", "raw", "-O", word, "-o", options].map(AsRef::as_ref));
        args.extend([raw.as_os_str(), path.as_os_str()]);
        run("qemu-img", &args);
        let expected = converted(&pool, &path, &["-f", word]);
        let disk = disk(&path, format, None);
        assert_reads(&disk, &expected, options);
        // Nothing keeps the image from being used meanwhile.
        let user = crate::common::Opened::new(&["-f", word], &path);
        user.close();
        drop(disk);
        // As the base of an overlay.
        let top = overlay(&pool, "top", &path, word, (16, "compat=1.1"), 9 * MIB);
        scribble(&top, 9 * MIB, 0, 90);
        assert_same_as_qemu(&pool, &top, &format!("an overlay on {word}"));
        std::fs::remove_file(top).unwrap();
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn qemu_goes_with_the_disk_that_it_reads() {
    let pool = Pool::new();
    let raw = mixed(&pool, 4 * MIB);
    let path = pool.at("image.vdi");
    run(
        "qemu-img",
        &args!["convert", "-f", "raw", "-O", "vdi", &raw, &path],
    );
    let running = || {
        let name = path.to_str().unwrap();
        let processes = std::fs::read_dir("/proc").unwrap();
        processes
            .filter_map(|entry| std::fs::read(entry.unwrap().path().join("cmdline")).ok())
            .filter(|line| String::from_utf8_lossy(line).contains(name))
            .count()
    };
    // Opened by a thread that ends, used by another, from several at once.
    let disk = std::thread::scope(|scope| {
        let open = scope.spawn(|| disk(&path, ImageFormat::Vdi, None));
        open.join().unwrap()
    });
    assert_eq!(running(), 1);
    let expected = std::fs::read(&raw).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut found = vec![0; expected.len()];
                disk.read_at(0, &mut found).unwrap();
                assert!(found == expected);
            });
        }
    });
    drop(disk);
    assert_eq!(running(), 0);
}

#[test]
fn a_disk_on_an_nbd_export_is_read_to_its_ground() {
    let pool = Pool::new();
    let base = pool.raw("base.raw", 3 * MIB);
    let file = File::options().write(true).open(&base).unwrap();
    file.write_all_at(&[7; 100_000], MIB - 50_000).unwrap();
    let socket = pool.at("a server.sock");
    let mut server = crate::common::command("qemu-nbd");
    let args = ["-f", "raw", "--read-only", "--persistent", "-x", "a disk"];
    server.args(args).arg("-k").arg(&socket).arg(&base);
    let mut server = server.spawn().unwrap();
    let since = std::time::Instant::now();
    while !socket.exists() {
        assert!(since.elapsed().as_secs() < 20, "nobody listens");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let at = NbdServer::Unix(socket.display().to_string());
    let export = NbdExport::new(at, "a disk").unwrap();
    let top = pool.at("top.qcow2");
    let overlay = ExportOverlay {
        virtual_size: 3 * MIB,
        export: &export,
    };
    drop(overlay.write(&top).unwrap());
    let write = ["-f", "qcow2", "-c", "write -P 9 1M 4k"].map(AsRef::<OsStr>::as_ref);
    run("qemu-io", &[&write[..], &[top.as_os_str()]].concat());
    let mut trust = Trust::default();
    trust.allow_export(export);
    let chain = resolve(&top, ImageFormat::Qcow2, &trust).unwrap();
    let expected = converted(&pool, &top, &["-f", "qcow2"]);
    assert_eq!(expected[MIB as usize - 1..][..2], [7, 9]);
    let disk = open(&chain, None).unwrap();
    assert_reads(&disk, &expected, "on an export");

    drop(disk);
    server.kill().unwrap();
    server.wait().unwrap();
    let error = open(&chain, None).unwrap_err();
    assert_eq!(error.kind(), Kind::Environment, "{error}");
    assert!(
        error
            .to_string()
            .contains("the NBD export nbd+unix:///a%20disk"),
        "{error}"
    );
}
