//! Images whose tables say what they must not, made byte by byte.
#![expect(clippy::cast_possible_truncation, reason = "the disks here are small")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Disk, open};
use crate::error::{Error, Kind, Result};
use crate::image::{Trust, resolve};
use crate::model::ImageFormat;

const COMPRESSED: u64 = 1 << 62;

/// An image whose tables are where the cluster of their number is.
struct Image {
    _dir: TempDir,
    path: PathBuf,
    file: File,
    cluster: u64,
}

impl Image {
    /// The clusters of the tables.
    const L1: u64 = 2;
    const L2: u64 = 64;

    /// An empty disk; `extended` with subclusters.
    fn new(cluster_bits: u32, size: u64, extended: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let file = File::create(&path).unwrap();
        let cluster = 1_u64 << cluster_bits;
        let entry = if extended { 16 } else { 8 };
        let l1 = size.div_ceil(cluster / entry * cluster);
        let mut header = b"QFI\xfb".to_vec();
        let mut put = |bytes: &[u8]| header.extend(bytes);
        put(&3_u32.to_be_bytes());
        put(&[0; 12]);
        put(&cluster_bits.to_be_bytes());
        put(&size.to_be_bytes());
        put(&[0; 4]);
        put(&u32::try_from(l1).unwrap().to_be_bytes());
        put(&(Self::L1 * cluster).to_be_bytes());
        put(&cluster.to_be_bytes());
        put(&1_u32.to_be_bytes());
        put(&[0; 12]);
        put(&(if extended { 16_u64 } else { 0 }).to_be_bytes());
        put(&[0; 16]);
        put(&4_u32.to_be_bytes());
        put(&104_u32.to_be_bytes());
        file.write_all_at(&header, 0).unwrap();
        file.set_len((Self::L2 * cluster).max(Self::L1 * cluster + l1 * 8))
            .unwrap();
        Self {
            _dir: dir,
            path,
            file,
            cluster,
        }
    }

    /// Puts words at the beginning of a cluster.
    fn words(&self, cluster: u64, words: &[u64]) -> &Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        self.file
            .write_all_at(&bytes, cluster * self.cluster)
            .unwrap();
        self
    }

    /// Makes the file so many clusters long.
    fn clusters(&self, count: u64) -> &Self {
        self.file.set_len(count * self.cluster).unwrap();
        self
    }

    /// A small disk whose first clusters have these entries.
    fn with_entries(words: &[u64]) -> Self {
        let image = Self::new(16, 1 << 20, false);
        image
            .clusters(Self::L2 + 4)
            .words(Self::L1, &[Self::L2 << 16])
            .words(Self::L2, words);
        image
    }

    fn open(&self) -> Disk {
        let chain = resolve(&self.path, ImageFormat::Qcow2, &Trust::default()).unwrap();
        open(&chain, None).unwrap()
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0xee; length];
        self.open().read_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    #[track_caller]
    fn refused(&self, what: &str) {
        let error: Error = self.read(0, 512).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe, "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.hints()[0].contains("vmkin disk check"), "{error:?}");
    }
}

#[test]
fn tables_that_cannot_be_are_refused() {
    let l1 = |word: u64| {
        let image = Image::with_entries(&[]);
        image.words(Image::L1, &[word]);
        image
    };
    l1((Image::L2 << 16) + 512).refused("no table can be");
    l1(0x00ff_ffff_ffff_0000).refused("cut off");
    l1((Image::L2 + 100) << 16).refused("cut off");
    // A table that is another table: read as what it says.
    l1(Image::L1 << 16).read(0, 512).unwrap();
    l1(1 << 63).read(0, 512).unwrap();

    let l2 = |word: u64| Image::with_entries(&[word]);
    l2(0x20_0200).refused("cannot be");
    l2((Image::L2 + 4) << 16).refused("cut off");
    l2(0x00ff_ffff_ffff_0000).refused("cut off");
    // Within what the image says is its data, there is nothing to be refused.
    let header = l2(1 << 63 | 1 << 16).read(0, 512).unwrap();
    assert_eq!(header, [0; 512]);
}

#[test]
fn compressed_clusters_that_are_none_are_refused() {
    for word in [0, 0x1234, (1 << 54) - 1, u64::MAX >> 2, 0x3f << 54 | 77] {
        Image::with_entries(&[COMPRESSED | word]).refused("decompressed");
    }
}

#[test]
fn subclusters_that_contradict_themselves_are_refused() {
    for (word, bitmap) in [(0x10_0000_u64, 1 | 1_u64 << 32), (0, 1)] {
        let image = Image::new(16, 1 << 20, true);
        image
            .clusters(Image::L2 + 4)
            .words(Image::L1, &[Image::L2 << 16])
            .words(Image::L2, &[word, bitmap]);
        image.refused("cannot be");
    }
}

#[test]
fn what_is_beyond_the_last_whole_entry_is_said_when_it_is_read() {
    // A good cluster, then a bad one: the first can be read.
    let good = (Image::L2 + 1) << 16;
    let image = Image::with_entries(&[good, good + 512]);
    image.file.write_all_at(&[7; 1 << 16], good).unwrap();
    assert_eq!(image.read(0, 1 << 16).unwrap(), vec![7; 1 << 16]);
    assert_eq!(image.read(65_000, 536).unwrap(), vec![7; 536]);
    assert!(image.read(0, (1 << 16) + 1).is_err());
}

#[test]
fn an_enormous_empty_disk_is_looked_through_at_once() {
    // All that an L1 table of 32 MiB can lead to: 2 EiB.
    let image = Image::new(21, 1 << 61, false);
    let disk = image.open();
    let start = Instant::now();
    let mut at = 0;
    while let Some(data) = disk.next_data(at).unwrap() {
        at = data.end;
    }
    assert!(start.elapsed() < Duration::from_secs(20));
    let mut bytes = [1; 4096];
    disk.read_at((1 << 61) - 4096, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 4096]);
}

#[test]
fn tables_that_are_made_to_take_time_are_given_up() {
    // Every entry leads to one table, in which every cluster is zeros.
    let image = Image::new(12, 1 << 38, false);
    image.clusters(2000);
    image.words(Image::L1, &vec![1500 << 12; 1 << 17]);
    image.words(1500, &[1; 512]);
    let disk = image.open();
    let start = Instant::now();
    let data = disk.next_data(0).unwrap().unwrap();
    assert!(data.start > 0 && data.end < disk.len(), "{data:?}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the tables say: what is read is the same in one piece and in
    /// many, and what is no data is zeros.
    #[test]
    fn any_tables_are_read_or_refused(
        l1: [u64; 2],
        mut l2: [u64; 32],
        kinds: [u8; 34],
        extended: bool,
        cluster_bits in 14_u32..=16,
    ) {
        // Mostly such as could be.
        let tame = |word: u64, kind: u8| match kind % 8 {
            0 => word,
            1 => COMPRESSED | word,
            2 => 1,
            3 => 0,
            _ => (word % 70) << cluster_bits,
        };
        for (word, kind) in l2.iter_mut().zip(kinds) {
            *word = tame(*word, kind);
        }
        let image = Image::new(cluster_bits, 1 << 20, extended);
        image.clusters(70);
        let first = if kinds[32] % 4 == 0 { tame(l1[0], kinds[33]) } else { Image::L2 << cluster_bits };
        image.words(Image::L1, &[first, l1[1]]);
        image.words(Image::L2, &l2);
        let disk = image.open();
        let mut whole = vec![0; 1 << 20];
        let all = disk.read_at(0, &mut whole);
        let mut pieces = true;
        for (n, expected) in whole.chunks(4096).enumerate() {
            let mut piece = vec![0xee; 4096];
            match disk.read_at(n as u64 * 4096, &mut piece) {
                Ok(()) if all.is_ok() => prop_assert_eq!(&piece, expected),
                Ok(()) => {}
                Err(error) => {
                    prop_assert_eq!(error.kind(), Kind::Unsafe);
                    pieces = false;
                }
            }
        }
        prop_assert_eq!(pieces, all.is_ok());
        let mut at = 0;
        while let Ok(Some(data)) = disk.next_data(at) {
            let hole = whole.get(at as usize..data.start as usize).unwrap();
            prop_assert!(all.is_err() || hole.iter().all(|byte| *byte == 0));
            prop_assert!(data.end > data.start && data.end <= disk.len());
            at = data.end;
        }
    }
}
