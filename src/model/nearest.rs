//! The word that somebody meant.

/// The words of `known` that are nearest to `word`, the nearest first: those
/// that a slip or two away, or that begin with it. None if all are far off.
pub fn nearest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Vec<&'a str> {
    let word = word.to_ascii_lowercase();
    let slips = (word.chars().count() / 3).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|other| {
            let lower = other.to_ascii_lowercase();
            let begins = word.len() > 1 && lower.starts_with(&word);
            let distance = distance(&word, &lower);
            (distance <= slips || begins).then_some((distance, other))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter()
        .take(most)
        .map(|(_, other)| other)
        .collect()
}

/// How many letters have to be put in, left out, replaced or swapped with their
/// neighbours to make one word of the other (the restricted Damerau-Levenshtein
/// distance).
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    // The last two rows of the table are all that is looked at.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&last, j) + usize::from(a != b))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped =
                i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, other, expected) in [
            ("network", "network", 0),
            ("netwrok", "network", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("bus", "buss", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn what_is_near_comes_first_and_what_is_far_not_at_all() {
        let known = ["network", "bridge", "user", "none"];
        assert_eq!(nearest("netwrok", known, 3), ["network"]);
        assert_eq!(nearest("net", known, 3), ["network"]);
        assert!(nearest("hypervisor", known, 3).is_empty());
        assert_eq!(
            nearest("centos7", ["centos7.0", "centos8", "fedora"], 2),
            ["centos8", "centos7.0"]
        );
    }
}
