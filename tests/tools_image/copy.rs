//! Full copies.

use std::cell::Cell;
use std::ffi::OsStr;
use std::sync::atomic::AtomicBool;

use vmkin::error::Kind;
use vmkin::image::{Copy, CopyMethod, ReflinkRule, Trust, resolve};
use vmkin::model::ImageFormat;

use crate::common::{Opened, Pool, assert_same, chain, run};

#[test]
fn a_chain_is_copied_through() {
    let pool = Pool::new();
    let base = pool.raw("base, 1", 40 << 20);
    let mid = pool.overlay("mid: 2", &base, ImageFormat::Raw);
    run(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 1 1M 1M", &mid],
    );
    let top = pool.overlay("top\n3", &mid, ImageFormat::Qcow2);
    run(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 2 5M 100k", &top],
    );
    let chain = chain(&top);
    for format in [ImageFormat::Qcow2, ImageFormat::Raw] {
        let to = pool.at("copy, x: y");
        let copy = Copy {
            chain: &chain,
            to: &to,
            format,
            reflink: ReflinkRule::Auto,
        };
        assert_eq!(copy.method().unwrap(), CopyMethod::Convert);
        let last = Cell::new((0, 0));
        let new = copy
            .run(&|done, all| last.set((done, all)), &AtomicBool::new(false))
            .unwrap();
        new.sync().unwrap();
        assert_eq!(last.get(), (40 << 20, 40 << 20));
        assert_same(&top, "qcow2", &to, format.as_str());
        let copied = resolve(&to, format, &Trust::default()).unwrap();
        assert_eq!(copied.layers().len(), 1);
        assert_eq!(copied.top().file, new.id());
        assert_eq!(
            copy.run(&|_, _| {}, &AtomicBool::new(false))
                .unwrap_err()
                .kind(),
            Kind::Exists
        );
        new.discard();
        assert!(!to.exists());
    }
}

#[test]
fn the_deepest_chain_can_be_copied() {
    let pool = Pool::new();
    let mut below = pool.raw("0", 1 << 20);
    let mut format = ImageFormat::Raw;
    for n in 1..=24 {
        below = pool.overlay(&n.to_string(), &below, format);
        format = ImageFormat::Qcow2;
    }
    let chain = chain(&below);
    let to = pool.at("copy");
    let copy = Copy {
        chain: &chain,
        to: &to,
        format: ImageFormat::Qcow2,
        reflink: ReflinkRule::Never,
    };
    drop(copy.run(&|_, _| {}, &AtomicBool::new(false)).unwrap());
    assert_same(&pool.at("0"), "raw", &to, "qcow2");
}

#[test]
fn snapshots_are_left_behind_and_plain_images_are_not_converted() {
    let pool = Pool::new();
    let image = pool.qcow2("image", "compat=1.1");
    let plain = chain(&image);
    let to = pool.at("copy");
    let copy = |chain| Copy {
        chain,
        to: &to,
        format: ImageFormat::Qcow2,
        reflink: ReflinkRule::Auto,
    };
    let never = AtomicBool::new(false);
    let new = copy(&plain).run(&|_, _| {}, &never).unwrap();
    assert_eq!(std::fs::read(&image).unwrap(), std::fs::read(&to).unwrap());
    new.discard();

    run("qemu-img", &args!["snapshot", "-c", "one", &image]);
    let with_snapshot = chain(&image);
    let new = copy(&with_snapshot).run(&|_, _| {}, &never).unwrap();
    assert_eq!(chain(&to).top().snapshots, 0);
    assert_same(&image, "qcow2", &to, "qcow2");
    new.discard();

    let always = Copy {
        reflink: ReflinkRule::Always,
        ..copy(&with_snapshot)
    };
    assert_eq!(
        always.run(&|_, _| {}, &never).unwrap_err().kind(),
        Kind::WrongState
    );
    assert!(!to.exists());
}

#[test]
fn a_copy_is_stopped_and_a_written_source_is_not_copied() {
    let pool = Pool::new();
    let base = pool.raw("base", 1 << 20);
    let top = pool.overlay("top", &base, ImageFormat::Raw);
    let chain = chain(&top);
    let to = pool.at("copy");
    let copy = Copy {
        chain: &chain,
        to: &to,
        format: ImageFormat::Qcow2,
        reflink: ReflinkRule::Auto,
    };
    let error = copy.run(&|_, _| {}, &AtomicBool::new(true)).unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(!to.exists());
    let writer = Opened::new(&["-f", "qcow2"], &top);
    let error = copy.run(&|_, _| {}, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(!to.exists());
    writer.close();
}
