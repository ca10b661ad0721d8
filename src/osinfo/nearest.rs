//! The names that look most like a wrong one.

use std::cmp::Reverse;

use strsim::damerau_levenshtein;

/// A name in its parts: `ubuntu22.04` is `ubuntu` and 22, 4.
pub(super) struct Parts {
    letters: String,
    numbers: Vec<u64>,
}

impl Parts {
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_lowercase();
        let digit = name.find(|c: char| c.is_ascii_digit());
        let (letters, numbers) = name.split_at(digit.unwrap_or(name.len()));
        Self {
            letters: letters.chars().filter(|c| c.is_alphanumeric()).collect(),
            numbers: numbers
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .collect(),
        }
    }

    /// What puts a list of names in the order that people expect:
    /// `debian9` before `debian10`.
    pub(super) fn order(self) -> (String, Vec<u64>) {
        (self.letters, self.numbers)
    }

    /// How far the letters are apart, or `None` if they have nothing to do
    /// with each other.
    fn distance(&self, other: &Self) -> Option<usize> {
        let (mine, theirs) = (self.letters.as_str(), other.letters.as_str());
        if mine == theirs {
            return Some(0);
        }
        // Such as `windows` for `win`, or `centos` for `centosstream`.
        let shorter = mine.len().min(theirs.len());
        if shorter >= 3 && (mine.starts_with(theirs) || theirs.starts_with(mine)) {
            return Some(1);
        }
        let distance = damerau_levenshtein(mine, theirs);
        let limit = if shorter >= 5 { 2 } else { 1 };
        (distance <= limit).then_some(distance)
    }

    /// How far the versions are apart, place by place. The newest is nearest
    /// to one that is not said.
    fn apart(&self, other: &Self) -> [u64; 2] {
        [0, 1].map(|place| {
            let theirs = other.numbers.get(place).copied();
            match (self.numbers.get(place), theirs) {
                (Some(mine), theirs) => mine.abs_diff(theirs.unwrap_or(0)),
                (None, theirs) => u64::MAX - theirs.unwrap_or(0),
            }
        })
    }
}

/// Up to five names that look like `wrong`, the most likely first. First come
/// those with the same letters, then those with the nearest version: who asks
/// for `debian12` wants `debian11` and not `debian2`.
pub(super) fn nearest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let parts = Parts::of(wrong);
    let mut found: Vec<_> = names
        .filter_map(|name| {
            let other = Parts::of(name);
            let letters = parts.distance(&other)?;
            let rest = damerau_levenshtein(wrong, name);
            Some((letters, parts.apart(&other), rest, Reverse(name)))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    let best = found.into_iter().map(|(.., Reverse(name))| name);
    best.take(5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 20] = [
        "centos-stream9",
        "centos7.0",
        "centos8",
        "debian1.2",
        "debian10",
        "debian11",
        "debian2.2",
        "debian9",
        "debiantesting",
        "fedora37",
        "generic",
        "rhel9.0",
        "rhel9.1",
        "ubuntu20.04",
        "ubuntu22.04",
        "ubuntu22.10",
        "win10",
        "win11",
        "win2k22",
        "winxp",
    ];

    #[test]
    fn the_first_guess_is_what_was_meant() {
        for (wrong, first) in [
            ("debian12", "debian11"),
            ("Debian 11", "debian11"),
            ("debain10", "debian10"),
            ("debian", "debian11"),
            ("ubuntu24.04", "ubuntu22.04"),
            ("ubunut22.10", "ubuntu22.10"),
            ("centos7", "centos7.0"),
            ("centos-7.9", "centos7.0"),
            ("rhel9", "rhel9.1"),
            ("fedora40", "fedora37"),
            ("windows11", "win11"),
            ("generc", "generic"),
        ] {
            let found = nearest(wrong, NAMES.into_iter());
            assert_eq!(found.first(), Some(&first), "{wrong}: {found:?}");
            assert!(found.len() <= 5, "{found:?}");
        }
        for wrong in ["", "x", "plan9", "{}", "99999999999999999999"] {
            assert_eq!(nearest(wrong, NAMES.into_iter()), [""; 0], "{wrong}");
        }
    }
}
