//! Image locks, ours against those of QEMU.

use std::ffi::OsStr;

use vmkin::error::Kind;
use vmkin::image::qemu_img::{QemuImg, image_options};
use vmkin::image::{Guard, Lease, LockState, probe};
use vmkin::model::ImageFormat;

use crate::common::{Opened, Pool, assert_same, chain, run, try_run};

#[test]
fn a_lease_keeps_everybody_out() {
    let pool = Pool::new();
    let image = pool.qcow2("image, a", "compat=1.1");
    let lease = Lease::exclusive(&image).unwrap();
    let (ok, text) = try_run("qemu-img", &args!["info", "-f", "qcow2", &image]);
    assert!(!ok && text.contains("lock"), "{text}");
    let (ok, _) = try_run(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write 0 512", &image],
    );
    assert!(!ok);
    let copy = pool.at("copy");
    let convert = args!["convert", "-f", "qcow2", "-O", "raw", &image, &copy];
    assert!(!try_run("qemu-img", &convert).0);
    run("qemu-img", &args!["info", "-U", "-f", "qcow2", &image]);
    // Our own child gets through.
    let options = image_options(&chain(&image), Some(&lease)).unwrap();
    let own = pool.at("own");
    let tool = QemuImg::find().unwrap();
    let convert_own = tool.convert(options, 0, &own, ImageFormat::Raw);
    convert_own.run().unwrap();
    drop(lease);
    run("qemu-img", &convert);
    assert_same(&copy, "raw", &own, "raw");
}

#[test]
fn a_guard_lets_readers_in_and_no_writer() {
    let pool = Pool::new();
    let base = pool.qcow2("base", "compat=1.1");
    let top = pool.overlay("top", &base, ImageFormat::Qcow2);
    let guard = Guard::base(&base).unwrap();
    run("qemu-img", &args!["info", "-f", "qcow2", &base]);
    run(
        "qemu-img",
        &args![
            "convert",
            "-f",
            "qcow2",
            "-O",
            "raw",
            &base,
            &pool.at("copy")
        ],
    );
    let (ok, text) = try_run("qemu-io", &args!["-f", "qcow2", "-c", "write 0 512", &base]);
    assert!(!ok && text.contains("lock"), "{text}");
    assert!(!try_run("qemu-img", &args!["resize", "-f", "qcow2", &base, "1G"]).0);
    run("qemu-io", &args!["-f", "qcow2", "-c", "write 0 512", &top]);
    let (ok, text) = try_run("qemu-img", &args!["commit", "-f", "qcow2", &top]);
    assert!(!ok && text.contains("lock"), "{text}");
    drop(guard);
    run("qemu-img", &args!["commit", "-f", "qcow2", &top]);
}

#[test]
fn what_others_hold_is_seen() {
    let pool = Pool::new();
    let base = pool.qcow2("base", "compat=1.1");
    let top = pool.overlay("top", &base, ImageFormat::Qcow2);
    assert_eq!(probe(&base).unwrap(), LockState::Free);

    let writer = Opened::new(&["-f", "qcow2"], &top);
    let pid = writer.child.id();
    assert_eq!(probe(&top).unwrap(), LockState::Writer);
    assert_eq!(probe(&base).unwrap(), LockState::Readers);
    let error = Guard::base(&top).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert_eq!(
        error.to_string(),
        format!(
            "image {} is in use by qemu-io, pid {pid} (it is being written to)",
            top.display()
        )
    );
    assert_eq!(Lease::exclusive(&base).unwrap_err().kind(), Kind::Busy);
    drop(Guard::base(&base).unwrap());
    writer.close();
    assert_eq!(probe(&top).unwrap(), LockState::Free);

    let reader = Opened::new(&["-r", "-f", "qcow2"], &top);
    assert_eq!(probe(&top).unwrap(), LockState::Readers);
    drop(Guard::base(&top).unwrap());
    let error = Lease::exclusive(&top).unwrap_err();
    assert!(error.to_string().contains("it is being read"), "{error}");
    reader.close();
    drop(Lease::exclusive(&top).unwrap());
}
