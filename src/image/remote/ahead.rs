//! How far to read beyond what is asked for.

/// How much is read at once at the most, in bytes: enough for the way there and
/// back to be a small part of the time, also over a slow line.
pub(super) const MOST: u64 = 4 << 20;

/// How many places are read on from at a time: a file, the tables that lead to
/// it, and the same of other files.
const RUNS: usize = 8;

/// The places up to which was read, and how much the last time.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Those that were read on from lately are last.
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    /// Where it would go on.
    next: u64,
    /// How much was read, in bytes.
    length: u64,
}

impl Ahead {
    /// How much to read from `at`, of which `wanted` bytes are needed: as much
    /// as that; but where reading goes on, twice as much as the last time, so
    /// that a large file is read in few pieces and of a small one little is
    /// read in vain.
    pub(super) fn length(&mut self, at: u64, wanted: u64) -> u64 {
        let known = self.runs.iter().position(|run| run.next == at);
        let before = known.map_or(0, |index| self.runs.remove(index).length);
        let length = wanted.max(before.saturating_mul(2)).min(MOST);
        if self.runs.len() >= RUNS {
            self.runs.remove(0);
        }
        self.runs.push(Run {
            next: at.saturating_add(length),
            length,
        });
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_read_in_larger_and_larger_pieces() {
        let mut ahead = Ahead::default();
        let mut at = 0;
        let mut pieces = Vec::new();
        while at < 64 << 20 {
            let length = ahead.length(at, 64 << 10);
            // Something else in between changes nothing.
            ahead.length((1 << 40) + at, 64 << 10);
            pieces.push(length);
            at += length;
        }
        assert_eq!(pieces[..4], [64 << 10, 128 << 10, 256 << 10, 512 << 10]);
        assert_eq!(pieces.last(), Some(&MOST));
        assert!(pieces.len() < 25, "{}", pieces.len());
    }

    #[test]
    fn what_jumps_about_is_not_read_ahead_of() {
        let mut ahead = Ahead::default();
        for n in 0..1000 {
            assert_eq!(ahead.length(n * (10 << 20), 64 << 10), 64 << 10);
            assert!(ahead.runs.len() <= RUNS);
        }
        // What is asked for at once is read at once, within the limit.
        assert_eq!(ahead.length(1 << 50, 1 << 20), 1 << 20);
        assert_eq!(ahead.length(1 << 51, u64::MAX), MOST);
    }
}
