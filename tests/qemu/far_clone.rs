//! Volumes and clones on another host, made through its libvirtd.

use std::fs;

use vmkin::error::Kind;
use vmkin::hypervisor::{Connection, Hypervisor as _, Volumes as _};
use vmkin::model::NewVolume;

use crate::far::Far;

#[test]
#[ignore = "needs a private libvirtd"]
fn a_volume_there_is_made_written_and_deleted() {
    let real = tempfile::tempdir().unwrap();
    let far = Far::start("far-volumes", real.path());
    let images = far.images.display().to_string();
    far.virsh(&["pool-create-as", "far", "dir", "--target", &images]);
    let there = Connection::open(Some(&far.uri)).unwrap();
    assert!(!there.is_local());
    let facts = there.pool_facts("far").unwrap();
    assert_eq!(facts.directory.as_ref(), Some(&far.images));
    assert!(facts.available > 1 << 20, "{facts:?}");

    let mut new = NewVolume::raw("a.img", 3 << 20);
    new.mode = Some(0o640);
    let volume = there.create_volume("far", &new).unwrap();
    let again = there.create_volume("far", &new).unwrap_err();
    assert_eq!(again.kind(), Kind::Exists, "{again}");
    // More than one message holds, and not to the end.
    let bytes: Vec<u8> = (0..2_000_001_u32).map(|n| (n % 251) as u8).collect();
    volume.write(5, &bytes).unwrap();
    let file = fs::read(real.path().join("a.img")).unwrap();
    assert_eq!(file.len(), 3 << 20);
    assert!(file[5..5 + bytes.len()] == bytes, "something else");
    assert_eq!(file[..5], [0; 5]);
    assert_eq!(volume.facts().unwrap().size, 3 << 20);
    // What ends too early is an error, and the connection goes on.
    let short = volume.upload(0, 1 << 20, &mut &b"abc"[..]).unwrap_err();
    assert_eq!(short.kind(), Kind::Storage, "{short}");

    // A file that libvirt has not seen, and that stays what it is.
    fs::write(real.path().join("b.img"), "mine").unwrap();
    let unseen = there.create_volume("far", &NewVolume::raw("b.img", 8));
    assert_eq!(unseen.unwrap_err().kind(), Kind::Exists);
    assert_eq!(fs::read(real.path().join("b.img")).unwrap(), b"mine");
    there.refresh_pool("far").unwrap();
    let listed = there.volumes_of("far").unwrap();
    let mut names: Vec<&str> = listed.iter().map(|volume| volume.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a.img", "b.img"]);

    let found = there.volume_at(&far.images.join("a.img")).unwrap();
    found.unwrap().delete().unwrap();
    assert!(!real.path().join("a.img").exists());
    assert!(there.volume_in("far", "a.img").unwrap().is_none());
    assert!(!far.images.join("a.img").exists(), "it was made here");
}
