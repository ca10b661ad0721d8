//! Pieces of a file that are worth keeping, and no more of them than allowed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

/// A piece: the layer it is from, and its place in the file of that layer.
pub(in crate::image) type Key = (usize, u64);

/// Keeps pieces of files up to a number of bytes.
///
/// It drops what was not asked for since it last came by: a clock, which takes
/// one bit where a list of what was used when would have to be rewritten by
/// every reader.
#[derive(Debug)]
pub(in crate::image) struct Cache {
    budget: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pieces: HashMap<Key, Piece>,
    round: VecDeque<Key>,
    bytes: usize,
}

#[derive(Debug)]
struct Piece {
    bytes: Arc<[u8]>,
    used: bool,
}

impl Cache {
    /// What a piece costs besides its bytes, roughly.
    const OVERHEAD: usize = 128;

    /// A cache of so many bytes.
    pub(in crate::image) fn new(budget: usize) -> Self {
        Self {
            budget,
            inner: Mutex::default(),
        }
    }

    /// Returns a piece, which `read` gets if it is not there. Two threads may
    /// both read it; neither waits for the other's disk.
    pub(super) fn get(
        &self,
        key: Key,
        read: impl FnOnce() -> Result<Arc<[u8]>>,
    ) -> Result<Arc<[u8]>> {
        if let Some(piece) = self.find(key) {
            return Ok(piece);
        }
        let bytes = read()?;
        self.keep(key, &bytes, false);
        Ok(bytes)
    }

    /// Returns a piece if it is there.
    pub(in crate::image) fn find(&self, key: Key) -> Option<Arc<[u8]>> {
        let mut inner = self.inner();
        let piece = inner.pieces.get_mut(&key)?;
        piece.used = true;
        Some(Arc::clone(&piece.bytes))
    }

    /// Keeps a piece, in the place of a shorter one if there is one. One that
    /// was read ahead counts as `used`: it would else be dropped before it is
    /// asked for, in favour of what was used and is done with.
    pub(in crate::image) fn keep(&self, key: Key, bytes: &Arc<[u8]>, used: bool) {
        let cost = bytes.len().saturating_add(Self::OVERHEAD);
        let mut inner = self.inner();
        let known = inner.pieces.get(&key).map(|piece| piece.bytes.len());
        if cost > self.budget || known.is_some_and(|known| known >= bytes.len()) {
            return;
        }
        if known.is_some() {
            inner.drop_piece(key);
        }
        while inner.bytes.saturating_add(cost) > self.budget && inner.drop_one() {}
        let bytes = Arc::clone(bytes);
        inner.pieces.insert(key, Piece { bytes, used });
        inner.round.push_back(key);
        inner.bytes = inner.bytes.saturating_add(cost);
    }

    /// What a thread that panicked leaves here is whole pieces.
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Drops the next piece that nobody has asked for. All are looked at twice
    /// at the most: the first time takes their mark.
    fn drop_one(&mut self) -> bool {
        while let Some(key) = self.round.pop_front() {
            let Some(piece) = self.pieces.get_mut(&key) else {
                continue;
            };
            if std::mem::take(&mut piece.used) {
                self.round.push_back(key);
                continue;
            }
            self.drop_piece(key);
            return true;
        }
        false
    }

    fn drop_piece(&mut self, key: Key) {
        if let Some(piece) = self.pieces.remove(&key) {
            let cost = piece.bytes.len().saturating_add(Cache::OVERHEAD);
            self.bytes = self.bytes.saturating_sub(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(length: usize) -> Arc<[u8]> {
        vec![0; length].into()
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_used_stays() {
        let cache = Cache::new(10 * (1000 + Cache::OVERHEAD));
        for n in 0..1000 {
            cache.get((0, n), || Ok(piece(1000))).unwrap();
            cache.get((1, 7), || Ok(piece(1000))).unwrap();
            assert!(cache.inner().bytes <= cache.budget);
        }
        assert_eq!(cache.inner().pieces.len(), 10);
        assert!(cache.inner().pieces.contains_key(&(1, 7)));
        assert!(cache.inner().round.len() <= 10);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let cache = Cache::new(1000);
        assert_eq!(cache.get((0, 0), || Ok(piece(5000))).unwrap().len(), 5000);
        assert!(cache.inner().pieces.is_empty());
        assert_eq!(cache.inner().bytes, 0);
    }
}
