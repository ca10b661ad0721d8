use std::os::unix::fs::FileExt;

use super::*;
use crate::image::{Overlay, write};

struct Images {
    _dir: tempfile::TempDir,
    dir: PathBuf,
}

impl Images {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        std::fs::create_dir(path.join("pool")).unwrap();
        std::fs::create_dir(path.join("other")).unwrap();
        Self {
            _dir: dir,
            dir: path,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn raw(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        std::fs::write(&path, [0; 1024]).unwrap();
        path
    }

    fn overlay(&self, name: &str, backing: &Path, format: ImageFormat) -> PathBuf {
        let path = self.at(name);
        let spec = Overlay {
            virtual_size: 1 << 20,
            backing,
            backing_format: format,
        };
        drop(write(&path, &spec).unwrap());
        path
    }

    /// An overlay with any backing name at all.
    fn naming(&self, name: &str, backing: &[u8]) -> PathBuf {
        let path = self.overlay(
            name,
            &PathBuf::from(format!("/{}", "x".repeat(200))),
            ImageFormat::Raw,
        );
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let length = u32::try_from(backing.len()).unwrap();
        file.write_all_at(&length.to_be_bytes(), 16).unwrap();
        file.write_all_at(backing, 136).unwrap();
        path
    }
}

fn patch(path: &Path, at: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn qcow2(top: &Path) -> Result<Chain> {
    resolve(top, ImageFormat::Qcow2, &Trust::default())
}

fn refused(top: &Path) -> String {
    let error = qcow2(top).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe, "{error}");
    error.to_string()
}

#[test]
fn names_are_followed_beside_the_top_image() {
    let images = Images::new();
    let base = images.raw("pool/base");
    let mid = images.naming("pool/mid", b"base");
    let top = images.overlay("pool/top", &mid, ImageFormat::Qcow2);
    let chain = qcow2(&top).unwrap();
    let paths: Vec<_> = chain.layers().iter().map(|l| l.path.clone()).collect();
    assert_eq!(paths, [top, mid, base]);
    assert_eq!(chain.base().virtual_size, 1024);
    assert_eq!(chain.base().format, ImageFormat::Raw);
}

#[test]
fn a_raw_image_stays_raw_whatever_is_in_it() {
    let images = Images::new();
    let top = images.naming("pool/top", b"/etc/shadow");
    let chain = resolve(&top, ImageFormat::Raw, &Trust::default()).unwrap();
    assert_eq!(chain.layers().len(), 1);
}

#[test]
fn outside_is_refused_and_can_be_allowed() {
    let images = Images::new();
    let base = images.raw("other/base");
    let top = images.overlay("pool/top", &base, ImageFormat::Raw);
    let error = qcow2(&top).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(
        error
            .to_string()
            .contains("outside the allowed directories")
    );
    let other = images.at("other");
    assert_eq!(
        error.hints(),
        [format!(
            "if you trust the image, allow it: `--allow-dir {}`",
            other.display()
        )]
    );
    let none: [&Path; 0] = [];
    resolve(&top, ImageFormat::Qcow2, &Trust::new([&other], none)).unwrap();
    resolve(&top, ImageFormat::Qcow2, &Trust::new(none, [&base])).unwrap();
    let shadow = images.naming("pool/shadow", b"/etc/shadow");
    assert!(refused(&shadow).contains("/etc/shadow"));
    let up = images.naming("pool/up", b"../other/base");
    assert!(refused(&up).contains("outside"));
}

#[test]
fn links_do_not_lead_out() {
    let images = Images::new();
    images.raw("other/base");
    std::os::unix::fs::symlink("../other/base", images.at("pool/link")).unwrap();
    let top = images.naming("pool/top", b"link");
    assert!(refused(&top).contains("other/base"));
}

#[test]
fn a_top_image_behind_a_link_has_two_directories() {
    let images = Images::new();
    images.raw("pool/base");
    images.naming("other/top", b"base");
    std::os::unix::fs::symlink("../other/top", images.at("pool/top")).unwrap();
    // The name is taken from where the link is, as QEMU does.
    let chain = qcow2(&images.at("pool/top")).unwrap();
    assert_eq!(chain.base().path, images.at("pool/base"));
}

#[test]
fn missing_images_are_told_apart() {
    let images = Images::new();
    let none = qcow2(&images.at("pool/none")).unwrap_err();
    assert_eq!(none.kind(), Kind::NotFound);
    let top = images.naming("pool/top", b"gone");
    assert!(refused(&top).contains("is missing; was it moved?"));
    let found = survey(&top, ImageFormat::Qcow2, &Trust::default());
    assert_eq!(found.layers.len(), 1);
    assert_eq!(found.problem.unwrap().kind(), Kind::Unsafe);
}

#[test]
fn protocols_and_other_things_are_not_followed() {
    let images = Images::new();
    for name in [
        "json:{\"file.filename\":\"/etc/shadow\"}",
        "nbd://127.0.0.1:1/x",
        "ssh://h/x",
        "http://h/x",
    ] {
        let top = images.naming("pool/top", name.as_bytes());
        assert!(refused(&top).contains("protocol"), "{name}");
        std::fs::remove_file(top).unwrap();
    }
    let device = images.naming("pool/device", b"/dev/zero");
    assert!(refused(&device).contains("character device"));
    let hint = |path: &str| {
        let top = images.naming("pool/hint", path.as_bytes());
        let hints = qcow2(&top).unwrap_err().hints().to_vec();
        std::fs::remove_file(top).unwrap();
        hints
    };
    assert!(hint("/etc/hostname")[0].ends_with("`--allow-dir /etc`"));
    let dir = images.naming("pool/dir", b".");
    assert!(refused(&dir).contains("directory"));
    let nul = images.naming("pool/nul", b"base\0.img");
    assert!(refused(&nul).contains("NUL"));
}

#[test]
fn a_format_is_never_probed() {
    let images = Images::new();
    images.raw("pool/base");
    let top = images.naming("pool/top", b"base");
    // The extension becomes one that nobody knows.
    patch(&top, 112, &[0x12]);
    let error = qcow2(&top).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(error.to_string().contains("does not say which format"));
    assert!(error.hints()[0].contains("qemu-img rebase -u"));
    patch(&top, 112, &[0xe2]);
    patch(&top, 120, b"foo");
    assert!(refused(&top).contains("`foo`"));
}

#[test]
fn data_files_are_refused_by_bit_or_by_name() {
    let images = Images::new();
    let base = images.raw("pool/base");
    let bit = images.overlay("pool/bit", &base, ImageFormat::Raw);
    patch(&bit, 79, &[4]);
    assert!(refused(&bit).contains("data is in another file"));
    let name = images.overlay("pool/name", &base, ImageFormat::Raw);
    patch(&name, 112, b"DATA");
    assert!(refused(&name).contains("data is in another file, raw"));
}

#[test]
fn damage_is_refused_and_dirt_is_told() {
    let images = Images::new();
    let base = images.raw("pool/base");
    let top = images.overlay("pool/top", &base, ImageFormat::Raw);
    patch(&top, 79, &[1]);
    assert!(qcow2(&top).unwrap().top().dirty);
    patch(&top, 79, &[2]);
    let error = qcow2(&top).unwrap_err();
    assert!(error.to_string().contains("marked corrupt"));
    assert!(error.hints()[0].contains("vmkin disk check -a"));
    patch(&top, 79, &[0]);
    patch(&top, 35, &[1]);
    assert!(qcow2(&top).unwrap().top().encrypted);
    let empty = images.at("pool/empty");
    std::fs::write(&empty, "").unwrap();
    assert!(refused(&empty).contains("does not begin"));
    let error = resolve(&empty, ImageFormat::Raw, &Trust::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
}

#[test]
fn loops_are_found() {
    let images = Images::new();
    let own = images.at("pool/own");
    images.overlay("pool/own", &own, ImageFormat::Qcow2);
    assert!(refused(&own).contains("loop"));
    let (a, b) = (images.at("pool/a"), images.at("pool/b"));
    images.overlay("pool/a", &b, ImageFormat::Qcow2);
    images.overlay("pool/b", &a, ImageFormat::Qcow2);
    assert!(refused(&a).contains("loop"));
}

#[test]
fn twenty_four_overlays_and_no_more() {
    let images = Images::new();
    let mut below = images.raw("pool/0");
    let mut format = ImageFormat::Raw;
    for n in 1..=MAX_OVERLAYS {
        below = images.overlay(&format!("pool/{n}"), &below, format);
        format = ImageFormat::Qcow2;
    }
    assert_eq!(qcow2(&below).unwrap().layers().len(), MAX_OVERLAYS + 1);
    let deeper = images.overlay("pool/deeper", &below, format);
    assert!(refused(&deeper).contains("more than 25 layers"));
}

#[test]
fn a_header_longer_than_the_first_read_is_read() {
    let images = Images::new();
    let base = images.raw("pool/base");
    let top = images.overlay("pool/top", &base, ImageFormat::Raw);
    let name = std::os::unix::ffi::OsStrExt::as_bytes(base.as_os_str());
    patch(&top, 8, &60_000_u64.to_be_bytes());
    patch(&top, 60_000, name);
    // The backing name used to be where an extension is looked for now.
    patch(&top, 128, &[0; 300]);
    assert_eq!(qcow2(&top).unwrap().base().path, base);
}
