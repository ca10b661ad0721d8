//! What the entry of an L2 table says (`qcow2.rst`, "L2 table entry",
//! "Standard Cluster Descriptor", "Compressed Clusters Descriptor" and
//! "Extended L2 Entries").

use crate::image::file::be64;
use crate::image::qcow2::Header;

/// The bits of an L1 entry, and of an L2 entry, that are an offset.
pub(super) const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;

/// A compressed cluster is read in sectors of this size.
const SECTOR: u64 = 512;

/// How many subclusters a cluster has, if it has any.
const SUBCLUSTERS: u64 = 32;

/// Where the data of a part of the disk is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// In the backing file.
    Below,
    /// Nowhere: it is zeros.
    Zero,
    /// In the file, from this offset on.
    Data(u64),
    /// In the file, as the compressed form of a whole cluster: from an offset
    /// on, in so many bytes at the most.
    Compressed { at: u64, most: u64 },
}

/// How the tables of an image are laid out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Geometry {
    /// The cluster size as a power of two.
    pub(super) cluster_bits: u32,
    /// Whether entries tell subclusters apart.
    extended: bool,
    /// Whether bit 0 of an entry means zeros.
    zeros: bool,
}

impl Geometry {
    pub(super) fn of(header: &Header) -> Self {
        Self {
            cluster_bits: header.cluster_bits,
            extended: header.incompatible.extended_l2(),
            zeros: header.version >= 3,
        }
    }

    /// The size of a cluster, in bytes.
    pub(super) fn cluster(self) -> u64 {
        1 << self.cluster_bits
    }

    /// The size of an L2 entry, in bytes.
    pub(super) fn entry_size(self) -> u64 {
        if self.extended { 16 } else { 8 }
    }

    /// How many bytes of the disk an L2 table is about.
    pub(super) fn per_table(self) -> u64 {
        self.cluster() / self.entry_size() * self.cluster()
    }

    /// The offset of a table or a cluster, which is in no other place than
    /// where a cluster begins; `None` if it is.
    pub(super) fn aligned(self, entry: u64) -> Option<u64> {
        let offset = entry & OFFSET;
        (offset & (self.cluster() - 1) == 0).then_some(offset)
    }

    /// Reads the entry of a cluster: where its data is from byte `within` of
    /// the cluster on, and for how many bytes; `None` if it says what it must
    /// not.
    pub(super) fn place(self, entry: &[u8], within: u64) -> Option<(Place, u64)> {
        let word = be64(entry, 0)?;
        let rest = self.cluster().checked_sub(within)?;
        if word & COMPRESSED != 0 {
            return Some((self.compressed(word), rest));
        }
        let offset = self.aligned(word)?;
        if self.extended {
            return self.subcluster(offset, be64(entry, 8)?, within);
        }
        let place = match (word & ZERO != 0, offset) {
            (true, _) if self.zeros => Place::Zero,
            (true, _) => return None,
            (false, 0) => Place::Below,
            (false, offset) => Place::Data(offset.checked_add(within)?),
        };
        Some((place, rest))
    }

    fn compressed(self, word: u64) -> Place {
        let offset_bits = 62 - (self.cluster_bits - 8);
        let at = word & ((1 << offset_bits) - 1);
        let sectors = ((word & (COMPRESSED - 1)) >> offset_bits) + 1;
        Place::Compressed {
            at,
            most: sectors * SECTOR - at % SECTOR,
        }
    }

    /// The lower half of `bitmap` says which subclusters are in the file, the
    /// upper one which are zeros.
    fn subcluster(self, offset: u64, bitmap: u64, within: u64) -> Option<(Place, u64)> {
        let (stored, zeros) = (bitmap & 0xffff_ffff, bitmap >> 32);
        if stored & zeros != 0 || (offset == 0 && stored != 0) {
            return None;
        }
        let size = self.cluster() / SUBCLUSTERS;
        let state = |n: u64| (stored >> n & 1, zeros >> n & 1);
        let first = within / size;
        let place = match state(first) {
            (0, 0) => Place::Below,
            (0, _) => Place::Zero,
            _ => Place::Data(offset.checked_add(within)?),
        };
        let alike = (first..SUBCLUSTERS).find(|n| state(*n) != state(first));
        let end = alike.unwrap_or(SUBCLUSTERS).checked_mul(size)?;
        Some((place, end.checked_sub(within)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Geometry = Geometry {
        cluster_bits: 16,
        extended: false,
        zeros: true,
    };

    const EXTENDED: Geometry = Geometry {
        extended: true,
        ..PLAIN
    };

    fn plain(word: u64) -> Option<Place> {
        PLAIN
            .place(&word.to_be_bytes(), 0x1000)
            .map(|(place, rest)| {
                assert_eq!(rest, 0xf000);
                place
            })
    }

    #[test]
    fn entries_say_what_the_format_says() {
        let copied = 1 << 63;
        assert_eq!(plain(0), Some(Place::Below));
        assert_eq!(plain(copied | 0x30_0000), Some(Place::Data(0x30_1000)));
        assert_eq!(plain(0x30_0000), Some(Place::Data(0x30_1000)));
        assert_eq!(plain(0x30_0001), Some(Place::Zero));
        assert_eq!(plain(1), Some(Place::Zero));
        assert_eq!(plain(0x30_0200), None);
        let v2 = Geometry {
            zeros: false,
            ..PLAIN
        };
        assert_eq!(v2.place(&1_u64.to_be_bytes(), 0), None);
        // 2^54 is the first bit of the number of further sectors.
        let word = COMPRESSED | 3 << 54 | 0x1234;
        let (at, most) = (0x1234, 4 * 512 - 0x34);
        assert_eq!(plain(word), Some(Place::Compressed { at, most }));
    }

    #[test]
    fn subclusters_of_a_kind_are_one_run() {
        let at = |word: u64, bitmap: u64, within| {
            let mut entry = word.to_be_bytes().to_vec();
            entry.extend(bitmap.to_be_bytes());
            EXTENDED.place(&entry, within)
        };
        let bitmap = 0b1111 | 0b1100_0000 << 32;
        let size = 2048;
        let data = |at| Some((Place::Data(0x30_0000 + at), 4 * size - at));
        assert_eq!(at(0x30_0000, bitmap, 0), data(0));
        assert_eq!(at(0x30_0000, bitmap, 2049), data(2049));
        let below = Some((Place::Below, 2 * size));
        assert_eq!(at(0x30_0000, bitmap, 4 * size), below);
        let zero = Some((Place::Zero, 2 * size - 5));
        assert_eq!(at(0x30_0000, bitmap, 6 * size + 5), zero);
        let below = Some((Place::Below, 24 * size));
        assert_eq!(at(0x30_0000, bitmap, 8 * size), below);
        assert_eq!(at(0x30_0000, 1 | 1 << 32, 0), None);
        assert_eq!(at(0, 1, 0), None);
        assert_eq!(at(0, 1 << 32, 0), Some((Place::Zero, size)));
    }

    proptest! {
        /// Whatever an entry says, it is about a part of its cluster.
        #[test]
        fn no_entry_leads_out_of_its_cluster(
            words: [u64; 2], cluster_bits in 9_u32..=21, extended: bool, zeros: bool, within: u64,
        ) {
            let geometry = Geometry { cluster_bits, extended: extended && cluster_bits >= 14, zeros };
            let within = within % geometry.cluster();
            let entry: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            if let Some((place, length)) = geometry.place(&entry, within) {
                prop_assert!(length > 0 && within + length <= geometry.cluster());
                match place {
                    Place::Data(at) => prop_assert_eq!(at % geometry.cluster(), within),
                    Place::Compressed { most, .. } => prop_assert!(
                        most > 0 && most <= 2 * geometry.cluster()
                    ),
                    Place::Below | Place::Zero => {}
                }
            }
        }
    }
}
