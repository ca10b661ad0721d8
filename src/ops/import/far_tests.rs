//! Guests of images of another host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;

use super::tests::{import, refused, wishes};
use super::*;
use crate::error::Kind;
use crate::image::{Overlay, blank};
use crate::model::import::VirtType;
use crate::model::{DomainState, ImageFormat};
use crate::ops::testing::Bench;
use crate::xml::domain;

/// A host elsewhere with the image `web.qcow2`, of which nobody has made anything,
/// and a kernel. Their names here are others.
fn bench() -> Bench {
    let bench = Bench::elsewhere();
    let image = blank(1 << 20, ImageFormat::Qcow2).unwrap();
    let mut bytes = vec![0; usize::try_from(image.length).unwrap()];
    for (at, piece) in image.pieces {
        let at = usize::try_from(at).unwrap();
        bytes[at..at + piece.len()].copy_from_slice(&piece);
    }
    for (name, bytes) in [("web.qcow2", bytes), ("vmlinuz", vec![1; 512])] {
        let file = bench.path(&format!("really-{name}"));
        fs::write(&file, bytes).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        bench.fake.has_volume(bench.path(name), file);
    }
    bench
}

const HAS: [&str; 3] = ["really-vmlinuz", "really-web.qcow2", "really.raw"];

#[test]
fn images_there_are_used_and_made_through_its_pools() {
    let bench = bench();
    let disks = [
        "DIR/web.qcow2",
        "backing=DIR/golden.raw,size=2M",
        "size=3M,pool=far",
        "size=1M,format=raw,path=DIR/scratch.img",
    ];
    let mut wishes = wishes(&bench, &disks);
    let kernel = format!("kernel={}", bench.path("vmlinuz").display());
    wishes.boot = Some(kernel.parse().unwrap());
    import(&bench, &wishes, &["a"]).unwrap();
    // The first that is made for it has no more than its name.
    let mut files = vec!["a-vdc.qcow2", "a.qcow2"];
    files.extend(HAS);
    files.push("scratch.img");
    assert_eq!(bench.files(), files);
    let made = |name: &str| bench.path(name);
    let facts = domain::read(&bench.domain_xml("a")).unwrap();
    assert_eq!(facts.disks[0].format, ImageFormat::Qcow2, "by its header");
    let lineage = facts.lineage.unwrap();
    let paths: Vec<_> = lineage.disks.iter().map(|disk| disk.path.clone()).collect();
    assert_eq!(paths.len(), 3);
    assert_eq!(paths[2], made("scratch.img"));
    assert_eq!(lineage.disks[0].bases[0].path, made("golden.raw"));
    let overlay = Overlay {
        virtual_size: 2 << 20,
        backing: &made("golden.raw"),
        backing_format: ImageFormat::Raw,
    };
    let overlay = overlay.contents().unwrap();
    let new = blank(3 << 20, ImageFormat::Qcow2).unwrap();
    for (path, contents) in paths.iter().zip([overlay, new]) {
        let written = fs::read(path).unwrap();
        assert_eq!(written.len() as u64, contents.length);
        for (at, piece) in contents.pieces {
            let at = usize::try_from(at).unwrap();
            assert_eq!(written[at..at + piece.len()], piece);
        }
    }
    assert_eq!(fs::read(&paths[2]).unwrap(), vec![0; 1 << 20]);
    assert_eq!(bench.store.count_journals(), 0);
}

#[test]
fn an_image_there_is_one_guests_and_no_base() {
    let bench = bench();
    let (kind, says) = refused(&bench, &["DIR/golden.raw"], &["a"]);
    assert_eq!(kind, Kind::Exists, "{says}");
    assert!(says.contains("domain 'golden'"), "{says}");
    import(&bench, &wishes(&bench, &["vol=far/web.qcow2"]), &["a"]).unwrap();
    let (kind, says) = refused(&bench, &["DIR/web.qcow2"], &["b"]);
    assert_eq!((kind, says.contains("'a'")), (Kind::Exists, true), "{says}");

    let bench = self::bench();
    import(&bench, &wishes(&bench, &["backing=DIR/web.qcow2"]), &["a"]).unwrap();
    let (kind, says) = refused(&bench, &["DIR/web.qcow2"], &["b"]);
    assert_eq!(kind, Kind::Protected, "{says}");
    assert!(says.contains("would write to a base"), "{says}");
    import(
        &bench,
        &wishes(&bench, &["DIR/web.qcow2,readonly=on"]),
        &["c"],
    )
    .unwrap();
    // What a running guest writes to is no base.
    bench
        .fake
        .change("golden", |golden| golden.state = DomainState::Running);
    let (kind, says) = refused(&bench, &["backing=DIR/golden.raw"], &["d"]);
    assert_eq!(kind, Kind::WrongState, "{says}");

    // A base that is sealed, or was pushed.
    let bench = self::bench();
    let file = bench.path("really-web.qcow2");
    fs::set_permissions(file, fs::Permissions::from_mode(0o444)).unwrap();
    let (kind, says) = refused(&bench, &["DIR/web.qcow2"], &["a"]);
    assert_eq!(kind, Kind::Protected, "{says}");
}

#[test]
fn what_is_on_this_host_or_cannot_be_seen_there_is_refused() {
    let bench = bench();
    // It is here, and no volume there.
    fs::write(bench.path("local.raw"), [1; 512]).unwrap();
    // Its header names a file of that host that is none of its guest's.
    let overlay = Overlay {
        virtual_size: 1 << 20,
        backing: "/etc/shadow".as_ref(),
        backing_format: ImageFormat::Raw,
    };
    drop(crate::image::write(&bench.path("evil"), &overlay).unwrap());
    bench
        .fake
        .has_volume(bench.path("evil.qcow2"), bench.path("evil"));
    for (disk, kind, says) in [
        ("DIR/local.raw", Kind::WrongState, "no volume of it"),
        ("backing=DIR/local.raw", Kind::WrongState, "no volume of it"),
        ("/none/x.raw", Kind::WrongState, "in no active storage pool"),
        ("/none/x.raw,size=1", Kind::WrongState, "storage pool"),
        ("web.qcow2", Kind::Usage, "must be an absolute path"),
        ("DIR/../x.raw", Kind::Usage, "`..`"),
        ("DIR/web.qcow2,size=1", Kind::Exists, "exists already"),
        ("DIR/local.raw,size=1", Kind::Exists, "no volume"),
        (
            "DIR/new.raw,size=1,format=vmdk",
            Kind::Usage,
            "qcow2 or raw",
        ),
        ("size=1", Kind::Usage, "nothing says where"),
        ("DIR/evil.qcow2", Kind::Unsafe, "/etc/shadow"),
        ("backing=DIR/evil.qcow2", Kind::Unsafe, "/etc/shadow"),
        ("vol=none/x", Kind::NotFound, "no pool"),
    ] {
        let (got, text) = refused(&bench, &[disk], &["a"]);
        assert_eq!(got, kind, "{disk}: {text}");
        assert!(text.contains(says), "{disk}: {text}");
    }
    let mut wishes = wishes(&bench, &["DIR/web.qcow2"]);
    wishes.boot = Some("kernel=/bin/sh".parse().unwrap());
    let error = design(bench.host(), &wishes, 1).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState, "it is a file of this host");
    wishes.boot = None;
    wishes.virt_type = Some(VirtType::Kvm);
    let error = design(bench.host(), &wishes, 1).unwrap_err();
    assert_eq!(error.kind(), Kind::Environment);
    assert!(error.hints()[0].contains("doctor"), "{:?}", error.hints());
}

#[test]
fn an_import_that_dies_there_is_taken_back() {
    let bench = bench();
    let disks = [
        "backing=DIR/golden.raw",
        "size=3M,pool=far",
        "size=1M,format=raw,path=DIR/one.img",
        "size=1M,format=raw,path=DIR/two.img",
    ];
    bench.fake.die_at_define.store(true, Ordering::SeqCst);
    let error = import(&bench, &wishes(&bench, &disks), &["a"]).unwrap_err();
    assert_eq!(error.kind(), Kind::NotUndone);
    bench.fake.dead.store(false, Ordering::SeqCst);
    // Somebody has put something on one of the raw disks since, beyond its beginning.
    let mut used = vec![0; 1 << 20];
    used[200_000..900_000].fill(7);
    fs::write(bench.path("two.img"), &used).unwrap();
    bench.recovered().unwrap();
    let mut left = HAS.to_vec();
    left.push("two.img");
    assert_eq!(bench.files(), left);
    assert_eq!(fs::read(bench.path("two.img")).unwrap(), used);
    assert_eq!(bench.store.count_journals(), 0);
}
