//! Which file the kernel means by which number.

use std::collections::HashMap;

use crate::error::{Error, Kind, Result};
use crate::guest::tree::{Place, Tree};

/// The number that the kernel has for the root.
pub(super) const ROOT: u64 = 1;

/// How many bits of a number are the number of the file in its file system, where
/// it has no more.
const BITS: u32 = 48;

/// From here on are numbers that say nothing.
const OTHERS: u64 = 1 << 63;

/// A file that the kernel knows.
struct Known {
    place: Place,
    /// How often it was told the number.
    times: u64,
}

/// The files that the kernel knows by numbers.
pub(super) struct Inodes {
    known: HashMap<u64, Known>,
    root: (usize, u64),
    /// Those whose numbers say nothing. They keep them.
    others: HashMap<(usize, u64), u64>,
}

impl Inodes {
    pub(super) fn new(tree: &Tree, root: Place) -> Self {
        let key = tree.key(&root);
        let root = Known {
            place: root,
            times: 1,
        };
        Self {
            known: HashMap::from([(ROOT, root)]),
            root: key,
            others: HashMap::new(),
        }
    }

    /// The number of a file. On the root file system it is that which the guest
    /// has for it, where that can be.
    pub(super) fn number(&mut self, tree: &Tree, place: &Place) -> u64 {
        let (fs, node) = tree.key(place);
        if (fs, node) == self.root {
            return ROOT;
        }
        let above = u64::try_from(fs).ok().filter(|fs| *fs < 1 << 14);
        match above {
            Some(fs) if node >> BITS == 0 && (fs, node) > (0, ROOT) => fs << BITS | node,
            _ => {
                let next = OTHERS.saturating_add(self.others.len() as u64);
                *self.others.entry((fs, node)).or_insert(next)
            }
        }
    }

    /// The number of a file, which the kernel is told.
    pub(super) fn tell(&mut self, tree: &Tree, place: Place) -> u64 {
        let number = self.number(tree, &place);
        let known = self.known.entry(number);
        let known = known.or_insert(Known { place, times: 0 });
        known.times = known.times.saturating_add(1);
        number
    }

    /// The kernel has forgotten a number as often as it was told it.
    pub(super) fn forget(&mut self, number: u64, times: u64) {
        if number == ROOT {
            return;
        }
        if let Some(known) = self.known.get_mut(&number) {
            known.times = known.times.saturating_sub(times);
            if known.times == 0 {
                self.known.remove(&number);
            }
        }
    }

    /// The file of a number.
    pub(super) fn place(&self, number: u64) -> Result<Place> {
        let known = self.known.get(&number);
        known
            .map(|known| known.place.clone())
            .ok_or_else(|| Error::new(Kind::NotFound, "there is no such file"))
    }
}
