//! Images that are not to be trusted, and bases that are not what they were.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use vmkin::image::Overlay;
use vmkin::model::ImageFormat;

use crate::common::{DISK, Guest, Host, contents, tool};

/// An overlay whose header says what `change` makes of it: the name of its
/// backing file, and the format of that.
fn hostile(host: &Host, name: &str, backing: &str, format: &str) -> PathBuf {
    let path = host.image(name);
    // Written with room for the name, which replaces another of its length.
    let placeholder = format!("/{}", "p".repeat(backing.len().max(2) - 1));
    let spec = Overlay {
        virtual_size: DISK,
        backing: Path::new(&placeholder),
        backing_format: ImageFormat::Qcow2,
    };
    vmkin::image::write(&path, &spec).unwrap().sync().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = find(&bytes, placeholder.as_bytes()).unwrap();
    bytes[at..at + backing.len()].copy_from_slice(backing.as_bytes());
    bytes[16..20].copy_from_slice(&u32::try_from(backing.len()).unwrap().to_be_bytes());
    if format != "qcow2" {
        // The extension 0xe2792aca holds the format, in eight bytes at most.
        let at = find(&bytes, &0xe279_2aca_u32.to_be_bytes()).unwrap();
        assert!(format.len() <= 5);
        if format.is_empty() {
            // An unknown extension that nobody has to understand.
            bytes[at..at + 4].copy_from_slice(&0x7071_7273_u32.to_be_bytes());
        } else {
            bytes[at + 4..at + 8]
                .copy_from_slice(&u32::try_from(format.len()).unwrap().to_be_bytes());
            bytes[at + 8..at + 13].fill(0);
            bytes[at + 8..at + 8 + format.len()].copy_from_slice(format.as_bytes());
        }
    }
    fs::write(&path, bytes).unwrap();
    path
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Sets one bit of the incompatible features in a qcow2 header.
fn set_incompatible(path: &Path, bit: u8) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 79).unwrap();
    file.write_all_at(&[byte[0] | (1 << bit)], 79).unwrap();
}

/// No command that would hand the image to anybody goes on with it.
#[track_caller]
fn refused(host: &Host, image: &Path, what: &str) {
    host.add(Guest::new("golden").disk("vda", "qcow2", image));
    let before = host.world();
    for args in [
        "clone -d golden web-01",
        "clone -d golden web-01 --full",
        "clone -d golden web-01 --print-xml",
        "start -d golden",
    ] {
        host.vmkin(args).fails(9, what);
        assert_eq!(host.world(), before, "{args}");
    }
    host.vmkin("list").success();
    host.vmkin("show -d golden").success();
}

#[test]
fn names_that_are_no_plain_files_are_not_followed() {
    let host = Host::new();
    for backing in [
        r#"json:{"driver":"raw","file.filename":"/etc/passwd"}"#,
        "nbd://127.0.0.1:1/x",
        "nbd:localhost:10809",
        "ssh://h/x",
        "http://h/x",
        "fat:/etc",
        "file:relative",
        "fd:/dev/fdset/1",
    ] {
        let image = hostile(&host, "hostile.qcow2", backing, "raw");
        refused(&host, &image, "as its backing file");
        fs::remove_file(image).unwrap();
    }
}

#[test]
fn a_file_of_the_host_is_not_read() {
    let host = Host::new();
    let image = hostile(&host, "hostile.qcow2", "/etc/passwd", "raw");
    refused(&host, &image, "outside the allowed directories");
    let image = hostile(&host, "hostile2.qcow2", "../../../../../etc/passwd", "raw");
    refused(&host, &image, "");
}

#[test]
fn a_link_beside_the_image_does_not_lead_out() {
    let host = Host::new();
    std::os::unix::fs::symlink("/etc/passwd", host.image("innocent.img")).unwrap();
    let image = hostile(&host, "hostile.qcow2", "innocent.img", "raw");
    refused(&host, &image, "/etc/passwd");
}

#[test]
fn a_directory_is_allowed_by_name() {
    let host = Host::new();
    let base = host.root().join("other/base.img");
    fs::write(&base, contents()).unwrap();
    let image = hostile(&host, "golden.qcow2", base.to_str().unwrap(), "raw");
    refused(&host, &image, "--allow-dir");
    let dir = host.root().join("other");
    host.vmkin_args(&args![
        "clone",
        "-d",
        "golden",
        "web-01",
        "--allow-dir",
        &dir
    ])
    .success();
    tool(
        "qemu-img",
        &args![
            "compare",
            "-U",
            "-f",
            "raw",
            "-F",
            "qcow2",
            &base,
            &host.image("web-01.qcow2")
        ],
    );
    // A pool is a place for images, and so is what the domain's XML names.
    host.pool("other", &dir);
    host.vmkin("clone -d golden web-02").success();
}

#[test]
fn a_backing_file_without_a_format_is_not_probed() {
    let host = Host::new();
    host.raw("base.img");
    let image = hostile(&host, "hostile.qcow2", "base.img", "");
    refused(&host, &image, "does not say which format");
    let image = hostile(&host, "hostile2.qcow2", "base.img", "floop");
    refused(&host, &image, "unknown here");
}

#[test]
fn a_chain_that_ends_nowhere_or_in_itself() {
    let host = Host::new();
    let image = hostile(&host, "self.qcow2", "self.qcow2", "qcow2");
    refused(&host, &image, "is a loop");
    let a = hostile(&host, "a.qcow2", "b.qcow2", "qcow2");
    hostile(&host, "b.qcow2", "a.qcow2", "qcow2");
    refused(&host, &a, "is a loop");
    let image = hostile(&host, "lost.qcow2", "none.qcow2", "qcow2");
    refused(&host, &image, "is missing");
}

#[test]
fn a_chain_that_is_too_deep_to_start() {
    let host = Host::new();
    host.raw("layer-0.qcow2");
    for n in 1..=26 {
        let format = if n == 1 { "raw" } else { "qcow2" };
        hostile(
            &host,
            &format!("layer-{n}.qcow2"),
            &format!("layer-{}.qcow2", n - 1),
            format,
        );
    }
    refused(&host, &host.image("layer-26.qcow2"), "layers");
    // As deep as libvirt starts it: nothing fits on top, but a copy can be made.
    host.add(Guest::new("golden").disk("vda", "qcow2", &host.image("layer-24.qcow2")));
    let before = host.world();
    host.vmkin("clone -d golden web-01").fails(9, "--full");
    assert_eq!(host.world(), before);
    host.vmkin("clone -d golden web-01 --full").success();
}

#[test]
fn data_in_another_file_is_not_followed() {
    let host = Host::new();
    let (image, data) = (host.image("golden.qcow2"), host.root().join("other/data"));
    let option = format!("data_file={}", data.display());
    tool(
        "qemu-img",
        &args!["create", "-f", "qcow2", "-o", &option, &image, "1M"],
    );
    refused(&host, &image, "its data is in another file");
}

#[test]
fn damaged_and_unknown_images() {
    let host = Host::new();
    for (bit, what) in [(1, "corrupt"), (5, ""), (7, "")] {
        let image = host.qcow2("golden.qcow2");
        set_incompatible(&image, bit);
        refused(&host, &image, what);
    }
}

#[test]
fn an_image_that_was_not_closed_well() {
    let host = Host::golden();
    set_incompatible(&host.image("golden.qcow2"), 0);
    let before = host.world();
    host.vmkin("clone -d golden web-01").fails(9, "dirty bit");
    host.vmkin("clone -d golden web-01 --full")
        .fails(9, "qemu-img check -r all");
    assert_eq!(host.world(), before);
}

#[test]
fn xml_and_image_must_tell_the_same_chain() {
    let host = Host::new();
    let (base, other) = (host.raw("base.img"), host.raw("other.img"));
    let image = hostile(&host, "golden.qcow2", "base.img", "raw");
    let store = |path: &Path| {
        format!(
            "<backingStore type='file'><format type='raw'/><source file='{}'/><backingStore/></backingStore>",
            path.display()
        )
    };
    host.add(Guest::new("golden").disk_with("vda", "qcow2", &image, &store(&other)));
    let before = host.world();
    host.vmkin("clone -d golden web-01").fails(9, "disagree");
    host.vmkin("start -d golden").fails(9, "disagree");
    assert_eq!(host.world(), before);
    host.add(Guest::new("golden").disk_with("vda", "qcow2", &image, &store(&base)));
    host.vmkin("clone -d golden web-01").success();
}

/// What somebody does to a base that has a clone.
type Harm = fn(&Host, &Path);

#[test]
fn a_base_that_is_not_what_it_was() {
    let harms: &[(Harm, &str)] = &[
        (
            |_, base| {
                let file = fs::OpenOptions::new().write(true).open(base).unwrap();
                file.write_all_at(b"!", 200_000).unwrap();
            },
            "it was written to",
        ),
        (
            |_, base| {
                let file = fs::OpenOptions::new().write(true).open(base).unwrap();
                file.write_all_at(b"!", 60_000).unwrap();
            },
            "its first bytes were overwritten",
        ),
        (
            |_, base| {
                let file = fs::OpenOptions::new().write(true).open(base).unwrap();
                file.set_len(file.metadata().unwrap().len() + 65_536)
                    .unwrap();
            },
            "its size went from",
        ),
        (
            |_, base| {
                let bytes = fs::read(base).unwrap();
                let new = base.with_extension("new");
                fs::write(&new, bytes).unwrap();
                fs::rename(new, base).unwrap();
            },
            "it was replaced by another file",
        ),
    ];
    for (harm, what) in harms {
        let host = Host::golden();
        host.child("web-01");
        let base = host.image("golden.qcow2");
        host.open_seal(&base);
        harm(&host, &base);
        let before = host.world();
        host.vmkin("clone -d golden web-02").fails(9, what);
        host.vmkin("clone -d golden web-02 --full").fails(9, what);
        host.vmkin("start -d web-01").fails(9, what);
        host.vmkin_args(&args!["base", "verify", &base])
            .fails(9, "is not what it was");
        assert_eq!(host.world(), before, "{what}");
    }
}

#[test]
fn a_base_that_was_moved_away() {
    let host = Host::golden();
    host.child("web-01");
    let base = host.image("golden.qcow2");
    host.open_seal(&base);
    fs::rename(&base, host.root().join("other/golden.qcow2")).unwrap();
    host.vmkin("start -d web-01")
        .fails(9, "is missing")
        .says("put it back");
    host.vmkin("clone -d web-01 web-02").fails(9, "is missing");
    host.vmkin("list").success();
    // Back where it was, all is well.
    fs::rename(host.root().join("other/golden.qcow2"), &base).unwrap();
    host.vmkin("start -d web-01").success();
}

#[test]
fn a_base_that_was_only_touched_is_fine() {
    let host = Host::golden();
    host.child("web-01");
    let base = host.image("golden.qcow2");
    host.open_seal(&base);
    host.vmkin("start -d web-01").success();
    host.vmkin("clone -d golden web-02").success();
}

#[test]
fn a_base_that_the_lineage_of_a_clone_remembers_otherwise() {
    let host = Host::golden();
    let xml = host.vmkin("clone -d golden web-01 --print-xml").success();
    host.vmkin("clone -d golden web-01 --no-seal").success();
    for (field, what) in [
        ("inode", "it was replaced by another file"),
        ("size", "its size went from"),
        ("mtime-ns", "it was written to"),
        ("head-sha256", "its first bytes were overwritten"),
    ] {
        let (head, rest) = xml.stdout().split_once(&format!(" {field}='")).unwrap();
        let (_, tail) = rest.split_once('\'').unwrap();
        host.add_xml("web-01", &format!("{head} {field}='4711'{tail}"));
        let before = host.world();
        host.vmkin("clone -d golden web-02").fails(9, what);
        host.vmkin("clone -d golden web-02 --full").fails(9, what);
        host.vmkin("start -d web-01").fails(9, what);
        host.vmkin("base verify -d golden")
            .fails(9, "is not what it was");
        assert_eq!(host.world(), before, "{field}");
    }
    // What the record of a device says may change with a reboot.
    let (head, rest) = xml.stdout().split_once(" device='").unwrap();
    let (_, tail) = rest.split_once('\'').unwrap();
    host.add_xml("web-01", &format!("{head} device='4711'{tail}"));
    host.vmkin("start -d web-01").success();
    // A lineage that cannot be read is no reason to trust the base.
    host.add_xml("web-01", &xml.stdout().replace(" inode='", " inode='x"));
    host.vmkin("start -d web-01")
        .fails(9, "cannot be read")
        .says("virsh edit web-01");
}
