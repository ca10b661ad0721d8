//! Images that are read in pieces, of a host that is not there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::image::BLOCK;
use super::{Finder, Ranges, Remote, ahead};
use crate::error::{Error, Kind, Result};
use crate::image::{self, Overlay, Trust};
use crate::model::{Chain, ImageFormat, VolumeFacts};

/// A host with these files, and what was asked for of them.
#[derive(Clone, Debug, Default)]
struct There(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: HashMap<PathBuf, File>,
    looked_for: Vec<PathBuf>,
    asked: Vec<(PathBuf, u64, usize)>,
    /// This piece, counted from 1, cannot be read.
    fails: usize,
    /// More is sent than was asked for.
    too_much: bool,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    modified: Option<String>,
    block: bool,
}

#[derive(Debug)]
struct Handle(There, PathBuf);

impl There {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let file = File {
            bytes: bytes.to_vec(),
            modified: Some("1.0".to_owned()),
            block: false,
        };
        self.state().files.insert(path.into(), file);
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut File)) {
        change(self.state().files.get_mut(Path::new(path)).unwrap());
    }

    /// An overlay of that name there, which may name anything.
    fn overlay(&self, path: &str, backing: &str, backing_format: ImageFormat) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        let long = format!("/{}", "x".repeat(200));
        let spec = Overlay {
            virtual_size: 1 << 20,
            backing: Path::new(&long),
            backing_format,
        };
        drop(image::write(&file, &spec).unwrap());
        let mut bytes = std::fs::read(&file).unwrap();
        let length = u32::try_from(backing.len()).unwrap();
        bytes[16..20].copy_from_slice(&length.to_be_bytes());
        bytes[136..136 + backing.len()].copy_from_slice(backing.as_bytes());
        self.put(path, &bytes);
    }

    fn asked(&self) -> Vec<(u64, usize)> {
        let asked = std::mem::take(&mut self.state().asked);
        asked.into_iter().map(|(_, at, len)| (at, len)).collect()
    }
}

impl Finder for There {
    fn find(&self, path: &Path) -> Result<Box<dyn Ranges>> {
        let mut state = self.state();
        state.looked_for.push(path.to_owned());
        if !state.files.contains_key(path) {
            return Err(Error::new(Kind::WrongState, "it is in no pool"));
        }
        Ok(Box::new(Handle(self.clone(), path.to_owned())))
    }
}

impl Ranges for Handle {
    fn facts(&self) -> Result<VolumeFacts> {
        let file = self.0.state().files[&self.1].clone();
        Ok(VolumeFacts {
            block: file.block,
            size: file.bytes.len() as u64,
            capacity: file.bytes.len() as u64,
            allocated: 0,
            modified: file.modified,
            mode: None,
            backing: None,
            format: None,
        })
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut state = self.0.state();
        state.asked.push((self.1.clone(), offset, length));
        if state.asked.len() == state.fails {
            return Err(Error::new(Kind::Libvirt, "the line is down"));
        }
        let bytes = &state.files[&self.1].bytes;
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        let to = (from + length).min(bytes.len());
        let mut part = bytes[from..to].to_vec();
        part.extend(vec![0; usize::from(state.too_much)]);
        Ok(part)
    }
}

/// Bytes that are different everywhere.
fn pattern(length: usize) -> Vec<u8> {
    let word = |n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    (0..length.div_ceil(8))
        .flat_map(word)
        .take(length)
        .collect()
}

fn raw(there: &There, length: usize) -> (Vec<u8>, Remote, Chain) {
    let bytes = pattern(length);
    there.put("/p/raw", &bytes);
    let remote = Remote::default();
    let chain = remote
        .resolve(
            there,
            Path::new("/p/raw"),
            ImageFormat::Raw,
            &Trust::default(),
        )
        .unwrap();
    (bytes, remote, chain)
}

#[test]
fn a_small_look_is_one_small_piece_and_is_kept() {
    let there = There::default();
    let (bytes, remote, chain) = raw(&there, 10 << 20);
    let disk = remote.open(&chain, None).unwrap();
    let block = usize::try_from(BLOCK).unwrap();
    assert_eq!(there.asked(), []);
    for at in [5 << 20, (5 << 20) + 7, (5 << 20) + 60_000] {
        let mut buf = [0; 4096];
        disk.read_at(at as u64, &mut buf).unwrap();
        assert_eq!(buf, bytes[at..at + 4096]);
    }
    assert_eq!(there.asked(), [(5 << 20, block)]);
}

#[test]
fn a_large_file_is_read_in_few_pieces_and_little_is_kept() {
    let there = There::default();
    let (bytes, remote, chain) = raw(&there, (48 << 20) + 1536);
    let disk = remote.open(&chain, None).unwrap();
    let mut all = Vec::new();
    while (all.len() as u64) < disk.len() {
        let most = (disk.len() - all.len() as u64).min(10_000);
        let mut buf = vec![0; usize::try_from(most).unwrap()];
        disk.read_at(all.len() as u64, &mut buf).unwrap();
        all.extend(buf);
    }
    assert!(all == bytes, "what was read is not what is there");
    let asked = there.asked();
    let sum: usize = asked.iter().map(|(_, length)| length).sum();
    assert_eq!(sum, bytes.len(), "nothing is read twice");
    assert!(asked.len() <= 20, "{asked:?}");
    assert!(
        asked
            .iter()
            .all(|(_, length)| *length as u64 <= ahead::MOST)
    );
}

#[test]
fn what_was_read_ahead_is_still_there_when_it_is_its_turn() {
    let there = There::default();
    let (_, remote, chain) = raw(&there, 64 << 20);
    let disk = remote.open(&chain, None).unwrap();
    let mut buf = vec![0; 16 << 10];
    for at in (0..32 << 20).step_by(16 << 10) {
        disk.read_at(at, &mut buf).unwrap();
        // A table that is looked at all the time.
        disk.read_at(60 << 20, &mut buf).unwrap();
    }
    let sum: usize = there.asked().iter().map(|(_, length)| length).sum();
    assert!(sum <= (36 << 20) + (64 << 10), "{sum}");
}

#[test]
fn what_grows_is_read_to_its_new_end_and_what_shrinks_is_an_error() {
    let there = There::default();
    let (bytes, remote, chain) = raw(&there, 100_352);
    let disk = remote.open(&chain, None).unwrap();
    let mut buf = vec![0; 100_352];
    disk.read_at(0, &mut buf).unwrap();
    assert!(buf == bytes);
    // The disk of a raw image has the size it had; a qcow2 image may go on.
    let image = remote.image_for_test("/p/raw");
    let longer = pattern(200_000);
    there.change("/p/raw", |file| file.bytes.clone_from(&longer));
    let mut buf = vec![0; 200_000];
    assert_eq!(image.read_into(0, &mut buf).unwrap(), 200_000);
    assert!(buf == longer, "the end that was kept was too short");

    let there = There::default();
    let (_, remote, chain) = raw(&there, 1 << 20);
    let disk = remote.open(&chain, None).unwrap();
    there.change("/p/raw", |file| file.bytes.truncate(300_000));
    let error = disk.read_at(0, &mut vec![0; 1 << 20]).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage, "{error}");
}

#[test]
fn errors_are_told_and_forgotten() {
    let there = There::default();
    let (bytes, remote, chain) = raw(&there, 1 << 20);
    let disk = remote.open(&chain, None).unwrap();
    there.state().fails = 1;
    let mut buf = [0; 512];
    let error = disk.read_at(0, &mut buf).unwrap_err();
    assert_eq!(error.kind(), Kind::Libvirt);
    disk.read_at(0, &mut buf).unwrap();
    assert_eq!(buf, bytes[..512]);
    there.state().too_much = true;
    let error = disk.read_at(1 << 19, &mut buf).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage, "{error}");
}

#[test]
fn places_that_no_file_has_are_the_end() {
    let there = There::default();
    let (_, remote, _) = raw(&there, 1000);
    let image = remote.image_for_test("/p/raw");
    for far in [1000, 1 << 62, u64::MAX - 1, u64::MAX] {
        assert_eq!(image.read_into(far, &mut [0; 100]).unwrap(), 0);
        assert_eq!(image.read_at(far, 100).unwrap(), b"");
    }
    assert_eq!(image.read_at(990, 100).unwrap().len(), 10);
    assert_eq!(image.read_at(0, 0).unwrap(), b"");
}

#[test]
fn chains_are_found_there_by_their_names() {
    let there = There::default();
    let base = pattern(1 << 20);
    there.put("/pool/base.raw", &base);
    there.overlay("/pool/mid.qcow2", "/pool/base.raw", ImageFormat::Raw);
    there.overlay("/p/top.qcow2", "/pool/mid.qcow2", ImageFormat::Qcow2);
    let trust = Trust::of_names(["/pool"], [""; 0]);
    let remote = Remote::default();
    let top = Path::new("/p//top.qcow2");
    let chain = remote
        .resolve(&there, top, ImageFormat::Qcow2, &trust)
        .unwrap();
    assert_eq!(chain.layers().len(), 3);
    let disk = remote.open(&chain, None).unwrap();
    let mut buf = vec![0; 1 << 20];
    disk.read_at(0, &mut buf).unwrap();
    assert!(buf == base);
    // Each image was looked for once, and the headers were read once.
    let looked_for = there.state().looked_for.clone();
    let wanted = ["/p/top.qcow2", "/pool/mid.qcow2", "/pool/base.raw"].map(PathBuf::from);
    assert_eq!(looked_for, wanted);
}

#[test]
fn a_name_is_followed_where_it_is_allowed_and_nowhere_else() {
    let there = There::default();
    // A file of the same name is here, too, and must not be taken.
    let dir = tempfile::tempdir().unwrap();
    let local = dir.path().join("secret");
    std::fs::write(&local, [0; 4096]).unwrap();
    there.put("/elsewhere/base", &[0; 4096]);
    there.put("/p/sub/base", &[0; 4096]);
    there.put("/p/base", &[0; 4096]);
    let refused = |backing: &str, trust: &Trust| {
        there.overlay("/p/top", backing, ImageFormat::Raw);
        there.state().looked_for.clear();
        let remote = Remote::default();
        let error = remote
            .resolve(&there, Path::new("/p/top"), ImageFormat::Qcow2, trust)
            .unwrap_err();
        (error.kind(), there.state().looked_for.len())
    };
    let none = Trust::default();
    let local = local.display().to_string();
    for backing in ["/elsewhere/base", "/p/sub/base", "/etc/shadow", &local] {
        assert_eq!(refused(backing, &none), (Kind::Unsafe, 1), "{backing}");
    }
    let anywhere = Trust::of_names(["/"], [""; 0]);
    // Allowed, and not there.
    assert_eq!(refused(&local, &anywhere), (Kind::WrongState, 2));
    // Where this leads, only that host knows.
    for backing in ["/p/../elsewhere/base", "../elsewhere/base"] {
        assert_eq!(
            refused(backing, &anywhere),
            (Kind::WrongState, 1),
            "{backing}"
        );
    }
    for backing in ["nbd://h/x", "json:{}", "ssh://h/x"] {
        assert_eq!(refused(backing, &anywhere), (Kind::Unsafe, 1), "{backing}");
    }
    // It is its own base.
    assert_eq!(refused("/p/top", &anywhere).0, Kind::Unsafe);

    for (backing, trust) in [
        ("/p/base", &none),
        ("base", &none),
        ("./base", &none),
        (
            "/elsewhere/base",
            &Trust::of_names([""; 0], ["/elsewhere/base"]),
        ),
        (
            "/elsewhere/base",
            &Trust::of_names(["/elsewhere/"], [""; 0]),
        ),
        ("/p/sub/base", &Trust::of_names(["/p"], [""; 0])),
    ] {
        there.overlay("/p/top", backing, ImageFormat::Raw);
        let remote = Remote::default();
        let chain = remote.resolve(&there, Path::new("/p/top"), ImageFormat::Qcow2, trust);
        assert_eq!(chain.unwrap().layers().len(), 2, "{backing}");
    }
}

#[test]
fn a_long_chain_and_other_formats_are_refused() {
    let there = There::default();
    there.put("/p/0", &[0; 4096]);
    there.overlay("/p/1", "/p/0", ImageFormat::Raw);
    for n in 2..30 {
        let backing = format!("/p/{}", n - 1);
        there.overlay(&format!("/p/{n}"), &backing, ImageFormat::Qcow2);
    }
    let remote = Remote::default();
    let top = Path::new("/p/29");
    let error = remote.resolve(&there, top, ImageFormat::Qcow2, &Trust::default());
    assert_eq!(error.unwrap_err().kind(), Kind::Unsafe);

    let mut vdi = vec![0; 4096];
    let mut put = |at: usize, bytes: &[u8]| vdi[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x40, &0xbeda_107f_u32.to_le_bytes());
    there.put("/p/vdi", &vdi);
    let path = Path::new("/p/vdi");
    let error = remote.resolve(&there, path, ImageFormat::Vdi, &Trust::default());
    assert_eq!(error.unwrap_err().kind(), Kind::Unsafe);
}

#[test]
fn it_is_seen_when_somebody_has_written() {
    let there = There::default();
    let (_, remote, _) = raw(&there, 4096);
    assert_eq!(remote.written(true).unwrap(), None);
    there.change("/p/raw", |file| {
        file.modified = Some("1.000000001".to_owned())
    });
    let path = PathBuf::from("/p/raw");
    assert_eq!(remote.written(true).unwrap(), Some(path.clone()));
    // Of a device nobody can tell, unless its size is another.
    there.change("/p/raw", |file| (file.modified, file.block) = (None, true));
    let remote = Remote::default();
    remote
        .resolve(&there, &path, ImageFormat::Raw, &Trust::default())
        .unwrap();
    assert_eq!(remote.written(false).unwrap(), None);
    let error = remote.written(true).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    there.change("/p/raw", |file| file.bytes.push(0));
    assert_eq!(remote.written(true).unwrap(), Some(path));
}
