//! The hosts on which operations begin.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use vmkin::image::Overlay;
use vmkin::model::ImageFormat;

use crate::common::{DISK, GOLDEN_MAC, GOLDEN_UUID, Guest, Host, tool};
use crate::scene::SECRET;

/// The path of the golden image on each host.
pub(crate) const GOLDEN: &str = "images/golden.qcow2";

/// The golden image of all hosts: made once, for it takes a process.
fn golden_bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let host = Host::new();
        fs::read(host.qcow2("golden.qcow2")).unwrap()
    })
}

/// A golden image at this name of the host.
fn golden_image(host: &Host, name: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = host.image(name);
    fs::write(&path, golden_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

/// A golden domain on this image, with a password that nobody may see.
fn guest(image: &std::path::Path) -> Guest {
    Guest::new("golden")
        .uuid(GOLDEN_UUID)
        .disk("vda", "qcow2", image)
        .nic(GOLDEN_MAC)
        .device(&format!(
            "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1' passwd='{SECRET}'/>"
        ))
}

/// A golden domain with one disk.
pub(super) fn plain() -> Host {
    let host = Host::new();
    let image = golden_image(&host, "golden.qcow2");
    host.add(guest(&image));
    host
}

/// A golden domain that has two disks and UEFI variables.
pub(crate) fn rich() -> Host {
    let host = Host::new();
    let image = golden_image(&host, "golden.qcow2");
    let vars = host.root().join("nvram/golden_VARS.fd");
    fs::write(&vars, "variables".repeat(100)).unwrap();
    let data = host.raw("data.img");
    host.add(guest(&image).disk("vdb", "raw", &data).nvram(&vars));
    host
}

/// An overlay on a base, with nothing in it.
fn overlay(host: &Host, name: &str, base: &Path) -> PathBuf {
    let path = host.image(name);
    let spec = Overlay {
        virtual_size: DISK,
        backing: base,
        backing_format: ImageFormat::Qcow2,
    };
    vmkin::image::write(&path, &spec).unwrap().sync().unwrap();
    path
}

/// A golden domain whose disk is an overlay, so that a copy of it has to be
/// read through by `qemu-img`, and a raw one, which does not.
pub(super) fn layered() -> Host {
    let host = Host::new();
    let base = golden_image(&host, "base.qcow2");
    let path = overlay(&host, "golden.qcow2", &base);
    let data = host.raw("data.img");
    host.add(guest(&path).disk("vdb", "raw", &data));
    host
}

/// A golden domain and a clone of it with two disks and UEFI variables.
pub(super) fn with_a_clone() -> Host {
    let host = rich();
    host.child("web");
    host
}

/// The same, where the network keeps an address for the clone.
pub(super) fn with_a_reserved_clone() -> Host {
    let host = rich();
    host.child_with("web", &["--ip", "192.168.122.50"]);
    let web = host.domains().pop().unwrap();
    let lineage = vmkin::xml::domain::read(&web).unwrap().lineage.unwrap();
    host.reserve(&vmkin::xml::network::dhcp_entry(&lineage.reservations[0]));
    host
}

/// The same, where the guest of the clone has written to both disks.
pub(super) fn with_a_used_clone() -> Host {
    let host = with_a_clone();
    for name in ["web.qcow2", "web-vdb.qcow2"] {
        let write = "write -P 7 0 64k";
        tool(
            "qemu-io",
            &args!["-f", "qcow2", "-c", write, &host.image(name)],
        );
    }
    host
}

/// A clone whose guest has written to both disks, and to nothing in the second half of
/// the first.
pub(super) fn with_room_at_the_end() -> Host {
    let host = with_a_used_clone();
    let size = format!("+{DISK}");
    let image = host.image("web.qcow2");
    tool(
        "qemu-img",
        &args!["resize", "-q", "-f", "qcow2", &image, &size],
    );
    host
}

/// A clone whose guest has written to both disks, with a snapshot of what it had then, and of which it has
/// written more since.
pub(super) fn with_a_snapshot() -> Host {
    let host = with_a_used_clone();
    host.vmkin("snapshot create -d web s1 --quiet").success();
    for name in ["web.qcow2", "web-vdb.qcow2"] {
        let write = "write -P 8 0 64k";
        tool(
            "qemu-io",
            &args!["-f", "qcow2", "-c", write, &host.image(name)],
        );
    }
    let vars = host.root().join("nvram/web_VARS.fd");
    fs::write(vars, "otherwise".repeat(100)).unwrap();
    host
}

/// The same, where what was written to the first disk belongs to nothing any
/// more. In overlays of vmkin the first L2 table comes right after what they begin
/// with, at 256 KiB.
pub(super) fn with_a_leaking_clone() -> Host {
    let host = with_a_used_clone();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(host.image("web.qcow2"));
    file.unwrap().write_all_at(&[0; 8], 256 << 10).unwrap();
    host
}

/// The same, with a system on the first disk of the clone.
pub(super) fn with_a_system() -> Host {
    let host = with_a_used_clone();
    let tree = host.root().join("tree");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::create_dir_all(tree.join("usr")).unwrap();
    fs::write(tree.join("etc/hostname"), "host-unchanged\n").unwrap();
    let raw = host.root().join("system");
    let size = format!("{}k", DISK >> 10);
    tool(
        "mke2fs",
        &args![
            "-q",
            "-t",
            "ext4",
            "-O",
            "^has_journal",
            "-d",
            &tree,
            &raw,
            &size
        ],
    );
    let write = format!("write -s {} 0 {DISK}", raw.display());
    let image = host.image("web.qcow2");
    tool("qemu-io", &args!["-f", "qcow2", "-c", &write, &image]);
    fs::remove_dir_all(tree).unwrap();
    fs::remove_file(raw).unwrap();
    host
}

/// A golden domain and a clone of it, and what nobody has: an overlay on the golden
/// image, one on that, and a file that a run was at when it died.
pub(super) fn with_orphans() -> Host {
    let host = with_a_clone();
    let lost = overlay(&host, "lost.qcow2", &host.root().join(GOLDEN));
    overlay(&host, "on-lost.qcow2", &lost);
    let temporary = format!(".vmkin-{}-0.tmp", "0".repeat(32));
    fs::write(host.image(&temporary), "left").unwrap();
    host
}

/// The path of the base of the one overlay on it.
pub(crate) const BASE: &str = "images/base.qcow2";

/// A golden domain, and a guest whose disk is the one overlay on another image, to
/// which it has written.
pub(super) fn with_an_overlay() -> Host {
    let host = plain();
    let base = golden_image(&host, "base.qcow2");
    let path = overlay(&host, "web.qcow2", &base);
    let write = "write -P 7 0 64k";
    tool("qemu-io", &args!["-f", "qcow2", "-c", write, &path]);
    host.add(
        Guest::new("web")
            .uuid("00000000-0000-4000-8000-000000000007")
            .disk("vda", "qcow2", &path),
    );
    host
}

/// The same, and another image that the overlay could be on.
pub(super) fn with_another_base() -> Host {
    let host = with_an_overlay();
    let next = golden_image(&host, "next.qcow2");
    let write = "write -P 9 384k 64k";
    tool("qemu-io", &args!["-f", "qcow2", "-c", write, &next]);
    host
}

/// The same, where that reads the same.
pub(super) fn with_the_same_base() -> Host {
    let host = with_an_overlay();
    golden_image(&host, "next.qcow2");
    host
}

/// A golden domain whose image is sealed.
pub(super) fn sealed() -> Host {
    let host = plain();
    host.vmkin("base seal -d golden --quiet").success();
    host
}

/// A host on which a clone was killed when its files had their names.
pub(super) fn half_cloned() -> Host {
    let host = plain();
    let dead = host.vmkin_failing("clone -d golden web", "clone.renamed=kill");
    assert_eq!(dead.signal(), Some(9), "{dead}");
    host
}
