use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;

use super::*;
use crate::hypervisor::Volumes as _;
use crate::hypervisor::fake::Fake;
use crate::model::Pool;
use crate::ops::Observer;
use crate::ops::testing::Bench;

/// A host to which bases are pushed, and a directory that is its pool.
fn far(dir: &std::path::Path) -> Fake {
    let mut fake = Fake::default();
    fake.elsewhere = true;
    fake.pools.push(Pool {
        name: "default".to_owned(),
        active: true,
        path: Some(dir.to_owned()),
    });
    fake
}

/// An image of 130 MiB with a header, a hole, and data at its end.
fn image(bench: &Bench) -> PathBuf {
    let path = bench.path("debian.raw");
    let file = File::create(&path).unwrap();
    file.set_len(130 << 20).unwrap();
    file.write_all_at(b"the header", 0).unwrap();
    file.write_all_at(&vec![5; 100_000], 70 << 20).unwrap();
    file.write_all_at(b"the end", (130 << 20) - 7).unwrap();
    path
}

fn packed(bench: &Bench, path: PathBuf) -> Parcel {
    pack(bench.host(), path, Some(ImageFormat::Raw), None).unwrap()
}

/// What works on the far host, with the store and the observer at home.
fn at<'a>(bench: &'a Bench, fake: &'a Fake) -> Host<'a> {
    Host {
        hypervisor: fake,
        ..bench.host()
    }
}

/// Wants to stop as soon as the data in the middle was sent.
struct Hasty<'a>(&'a Bench);

impl Observer for Hasty<'_> {
    fn status(&self, _: &str) {}
    fn warning(&self, _: &str) {}
    fn progress(&self, _: &str, done: u64, _: u64) {
        self.0
            .interrupt
            .flag()
            .store(done > 50_000, Ordering::Relaxed);
    }
}

/// Begins to push, and stops when the first data is there.
fn broken_off(bench: &Bench, far: Host<'_>, parcel: &Parcel, delivery: &Delivery) {
    let observer = &Hasty(bench);
    let far = Host { observer, ..far };
    let error = deliver(far, parcel, delivery, "debian").unwrap_err();
    assert_eq!(error.kind(), Kind::Interrupted);
    bench.interrupt.flag().store(false, Ordering::Relaxed);
}

#[test]
fn a_base_arrives_whole_under_a_name_of_its_own_and_is_not_sent_twice() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let fake = far(dir.path());
    let far = at(&bench, &fake);
    let parcel = packed(&bench, image(&bench));
    let short = &parcel.sha256[..12];
    assert_eq!(parcel.volume, format!("debian-{short}.raw"));
    let delivery = look(far, &parcel, "default").unwrap();
    assert_eq!(delivery.before, Before::Nothing);
    assert!(
        delivery.sent.0 < 4 << 20,
        "holes would be sent: {}",
        delivery.sent
    );
    deliver(far, &parcel, &delivery, "debian").unwrap();
    assert_eq!(
        fs::read(dir.path().join(&parcel.volume)).unwrap(),
        fs::read(&parcel.path).unwrap()
    );
    let again = look(far, &parcel, "default").unwrap();
    assert_eq!((again.before, again.sent.0), (Before::All, 0));
    deliver(far, &parcel, &again, "debian").unwrap();
    let all = verify(far, true).unwrap();
    assert_eq!((all.len(), all[0].problem.as_deref()), (1, None));
    // A version beside it.
    let path = bench.path("debian.raw");
    drop(parcel);
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(b"!", 90 << 20)
        .unwrap();
    let newer = packed(&bench, path);
    let delivery = look(far, &newer, "default").unwrap();
    assert_eq!(delivery.before, Before::Nothing);
    deliver(far, &newer, &delivery, "debian").unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn what_was_broken_off_is_no_image_and_goes_on_from_there() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let fake = far(dir.path());
    let far = at(&bench, &fake);
    let parcel = packed(&bench, image(&bench));
    let delivery = look(far, &parcel, "default").unwrap();
    broken_off(&bench, far, &parcel, &delivery);
    let there = dir.path().join(&parcel.volume);
    let half = fs::read(&there).unwrap();
    assert!(
        half[..64 << 10].iter().all(|&byte| byte == 0),
        "the header is there"
    );
    assert_eq!(half[70 << 20], 5);
    let rest = look(far, &parcel, "default").unwrap();
    assert_eq!(rest.before, Before::Part);
    assert!(rest.sent.0 < delivery.sent.0);
    deliver(far, &parcel, &rest, "debian").unwrap();
    assert_eq!(fs::read(&there).unwrap(), fs::read(&parcel.path).unwrap());
}

#[test]
fn what_is_not_what_was_sent_does_not_become_an_image() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let fake = far(dir.path());
    let far = at(&bench, &fake);
    let parcel = packed(&bench, image(&bench));
    let delivery = look(far, &parcel, "default").unwrap();
    broken_off(&bench, far, &parcel, &delivery);
    let there = dir.path().join(&parcel.volume);
    let file = fs::OpenOptions::new().write(true).open(&there).unwrap();
    file.write_all_at(b"!", 70 << 20).unwrap();
    let rest = look(far, &parcel, "default").unwrap();
    let error = deliver(far, &parcel, &rest, "debian").unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(!there.exists());
    assert_eq!(look(far, &parcel, "default").unwrap().sent, delivery.sent);
}

#[test]
fn another_image_of_that_name_stays() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let fake = far(dir.path());
    let far = at(&bench, &fake);
    let parcel = packed(&bench, image(&bench));
    let other = fake
        .create_volume("default", &NewVolume::raw(&parcel.volume, 130 << 20))
        .unwrap();
    other.write(3, b"another").unwrap();
    let error = look(far, &parcel, "default").unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(
        look(far, &parcel, "none").unwrap_err().kind(),
        Kind::NotFound
    );
}

#[test]
fn a_pushed_base_that_changed_or_went_is_told() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let fake = far(dir.path());
    let far = at(&bench, &fake);
    let parcel = packed(&bench, image(&bench));
    let delivery = look(far, &parcel, "default").unwrap();
    deliver(far, &parcel, &delivery, "debian").unwrap();
    let volume = fake.volume_in("default", &parcel.volume).unwrap().unwrap();
    volume.write(100 << 20, b"!").unwrap();
    let problem = |hash| verify(far, hash).unwrap().remove(0).problem;
    assert_eq!(problem(false), None);
    assert!(problem(true).unwrap().contains("contents"));
    volume.delete().unwrap();
    assert!(problem(false).unwrap().contains("gone"));
}

#[test]
fn an_image_of_zeros_is_known_by_its_record() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let fake = far(dir.path());
    let far = at(&bench, &fake);
    let path = bench.path("zeros.raw");
    fs::write(&path, vec![0; 300_000]).unwrap();
    let parcel = packed(&bench, path);
    let delivery = look(far, &parcel, "default").unwrap();
    deliver(far, &parcel, &delivery, "zeros").unwrap();
    assert_eq!(look(far, &parcel, "default").unwrap().before, Before::All);
}

#[test]
fn an_overlay_and_a_bad_name_are_refused() {
    let bench = Bench::new();
    let refused = |path, name| {
        let result = pack(bench.host(), path, Some(ImageFormat::Raw), name);
        result.map(|parcel| parcel.volume).unwrap_err().kind()
    };
    for name in ["", "a/b", "..", "a\nb"] {
        assert_eq!(refused(image(&bench), Some(name)), Kind::Usage, "{name:?}");
    }
}
