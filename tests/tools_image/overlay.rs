//! Overlays, and what is done with bases.

use std::ffi::OsStr;
use std::path::Path;

use vmkin::error::Kind;
use vmkin::image::{
    Guard, ImageFile, Lease, copy_small, overlays_in, publish, seal, sync_dir, unseal,
};
use vmkin::model::ImageFormat;

use crate::common::{Pool, assert_same, chain, check, run, try_run, virtual_size};

#[test]
fn overlays_are_what_qemu_img_makes() {
    let pool = Pool::new();
    let bases = [
        (pool.raw("plain.raw", 3 << 20), ImageFormat::Raw),
        (
            pool.raw("odd, size: 1.raw", (1 << 20) + 513),
            ImageFormat::Raw,
        ),
        (
            pool.qcow2("v3 \u{438}\u{43c}\u{44f}.qcow2", "compat=1.1"),
            ImageFormat::Qcow2,
        ),
        (
            pool.qcow2("v2\nline.qcow2", "compat=0.10"),
            ImageFormat::Qcow2,
        ),
        (
            pool.qcow2("small,clusters", "cluster_size=512"),
            ImageFormat::Qcow2,
        ),
        (
            pool.qcow2("a:b", "extended_l2=on,cluster_size=2M"),
            ImageFormat::Qcow2,
        ),
    ];
    for (n, (base, format)) in bases.iter().enumerate() {
        let top = pool.overlay(&format!("top, {n}: x"), base, *format);
        check(&top);
        assert_same(&top, "qcow2", base, format.as_str());
        let before = std::fs::read(base).unwrap();
        run(
            "qemu-io",
            &args!["-f", "qcow2", "-c", "write -P 7 4096 70000", &top],
        );
        check(&top);
        assert_eq!(std::fs::read(base).unwrap(), before);
        assert_eq!(chain(&top).base().path, *base);
    }
}

#[test]
fn overlays_can_be_of_any_size() {
    let pool = Pool::new();
    let base = pool.raw("base", 1 << 20);
    let sizes = [
        1,
        511,
        513,
        (512 << 20) - 1,
        (512 << 20) + 1,
        (4 << 40) - 512,
        4 << 40,
        (4 << 40) + 1,
        5 << 40,
        64 << 40,
        (100 << 40) + 12345,
        2 << 50,
    ];
    for size in sizes {
        let top = pool.sized("top", &base, ImageFormat::Raw, size);
        check(&top);
        let rounded = u64::next_multiple_of(size, 512);
        assert_eq!(virtual_size(&top, "qcow2"), rounded);
        let write = format!("write -P 9 {} 512", rounded - 512);
        run("qemu-io", &args!["-f", "qcow2", "-c", &write, &top]);
        check(&top);
        assert_eq!(chain(&top).top().virtual_size, rounded);
        std::fs::remove_file(top).unwrap();
    }
}

#[test]
fn a_sealed_base_is_read_and_not_written() {
    let pool = Pool::new();
    let base = pool.qcow2("base", "compat=1.1");
    let sealed = seal(&base).unwrap();
    let top = pool.overlay("top", &base, ImageFormat::Qcow2);
    run("qemu-io", &args!["-f", "qcow2", "-c", "write 0 512", &top]);
    check(&top);
    drop(Guard::base(&base).unwrap());
    drop(Lease::exclusive(&base).unwrap());
    if sealed.immutable {
        let write = args!["-f", "qcow2", "-c", "write 0 512", &base];
        let (ok, text) = try_run("qemu-io", &write);
        assert!(!ok || text.contains("not permitted"), "{text}");
    }
    unseal(&base, sealed.mode_before).unwrap();
}

#[test]
fn children_are_found_as_qemu_img_makes_them() {
    let pool = Pool::new();
    let base = pool.raw("base", 1 << 20);
    for (name, backing) in [
        ("absolute", base.as_path()),
        ("relative", Path::new("base")),
    ] {
        let path = pool.at(name);
        run(
            "qemu-img",
            &args!["create", "-f", "qcow2", "-F", "raw", "-b", backing, &path],
        );
    }
    let base_id = ImageFile::open(&base).unwrap().id();
    let scan = overlays_in(&pool.dir).unwrap();
    let children: Vec<_> = scan.overlays.iter().map(|o| o.path.clone()).collect();
    assert_eq!(children, [pool.at("absolute"), pool.at("relative")]);
    assert!(
        scan.overlays
            .iter()
            .all(|o| o.backing_file == Some(base_id))
    );
    assert_eq!(scan.unread, []);
}

#[test]
fn a_clone_of_files_is_published_at_once() {
    let pool = Pool::new();
    let base = pool.raw("base", 1 << 20);
    let temp = pool.sized(".vmkin-1.tmp", &base, ImageFormat::Raw, 1 << 20);
    let to = pool.at("web-01.qcow2");
    publish(&temp, &to).unwrap();
    sync_dir(&pool.dir).unwrap();
    check(&to);
    let error = copy_small(&base, &to).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
}
