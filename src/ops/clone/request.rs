//! What the user wants cloned, and how.

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::image::ReflinkRule;
use crate::model::{
    CloneMode, DiskTarget, Domain, DomainName, GuestIdentity, IpRange, Mac, NamePattern, SecretText,
};
use crate::ops::blueprint::Blueprint;

/// The most clones one command makes. Nothing breaks beyond it; it is there
/// because `--count 1000000000` is a slip.
const MAX_COUNT: u64 = 10_000;

/// What the user wants cloned, and how.
#[derive(Clone, Debug)]
pub struct CloneRequest {
    /// What is cloned.
    pub golden: Golden,
    /// How the clones are named.
    pub names: NameChoice,
    /// Linked or full.
    pub mode: CloneMode,
    /// Where their disks go.
    pub placement: Placement,
    /// Addresses, in the order of clones and their interfaces.
    pub macs: Vec<Mac>,
    /// IP addresses to reserve, in the order of clones; none reserves none.
    pub addresses: Vec<IpRange>,
    /// UUIDs, in the order of clones.
    pub uuids: Vec<Uuid>,
    /// Paths of disks, in the order of clones and their disks.
    pub files: Vec<PathBuf>,
    /// Paths of UEFI variable files, in the order of clones.
    pub nvrams: Vec<PathBuf>,
    /// Disks that stay shared with the golden domain.
    pub share: Vec<DiskTarget>,
    /// Whether full copies share blocks with their source.
    pub reflink: ReflinkRule,
    /// Whether bases are sealed.
    pub seal: bool,
    /// What becomes of the state of an emulated TPM.
    pub tpm: TpmRule,
    /// Directories outside storage pools in which backing files may be.
    pub allow_dirs: Vec<PathBuf>,
    /// Whether the clones keep devices of the host that are passed through.
    pub keep_hostdevs: bool,
    /// Whether a failure takes back the clones made before it too.
    pub all_or_nothing: bool,
    /// Who the guests are to be, and how they are told.
    pub identity: GuestIdentity,
    /// Whether the XML has its secrets, such as VNC passwords. Only for
    /// printing it: a clone that is defined without them listens to everybody.
    pub secrets: bool,
}

/// What is cloned.
#[derive(Clone, Debug)]
pub enum Golden {
    /// A domain of the host.
    Domain(Domain),
    /// XML that no domain of the host needs to have.
    Xml(SecretText),
    /// What a template makes, on images that are no domain's.
    Blueprint(Arc<Blueprint>),
}

impl Golden {
    /// What the guests are to be, if they have no golden domain.
    pub(super) fn blueprint(&self) -> Option<&Blueprint> {
        match self {
            Self::Blueprint(blueprint) => Some(blueprint),
            Self::Domain(_) | Self::Xml(_) => None,
        }
    }
}

/// How clones are named.
#[derive(Clone, Debug)]
pub enum NameChoice {
    /// By these names.
    Given(Vec<DomainName>),
    /// By a pattern with a counter.
    Pattern {
        /// The pattern.
        pattern: NamePattern,
        /// The first number.
        from: u64,
        /// How many.
        count: u64,
    },
    /// After the golden domain: `X-clone`, `X-clone1`, …
    Automatic {
        /// How many.
        count: u64,
    },
}

/// Where the disks of clones go.
#[derive(Clone, Debug)]
pub enum Placement {
    /// Each beside the disk that it comes from.
    Beside,
    /// Into this directory.
    Dir(PathBuf),
    /// Into the directory of this storage pool.
    Pool(String),
}

/// What becomes of the state of an emulated TPM.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TpmRule {
    /// The clone starts with an empty one.
    Fresh,
    /// The clone gets a copy of the golden domain's.
    Copy,
}

impl NameChoice {
    /// How many clones there are to be.
    pub fn count(&self) -> u64 {
        match self {
            Self::Given(names) => u64::try_from(names.len()).unwrap_or(u64::MAX),
            Self::Pattern { count, .. } | Self::Automatic { count } => *count,
        }
    }

    /// Makes sense of names, patterns and counts as they were typed.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if they do not fit together.
    pub fn from_words(
        words: &[NamePattern],
        count: Option<u64>,
        from: Option<u64>,
    ) -> Result<Self> {
        if count == Some(0) {
            return Err(usage("--count is 0, and must be at least 1"));
        }
        if let Some(n) = count.filter(|n| *n > MAX_COUNT) {
            return Err(usage(format!(
                "--count is {n}, and can be {MAX_COUNT} at the most"
            )));
        }
        let counters = words.iter().filter(|word| word.has_counter()).count();
        match words {
            [] => {
                if from.is_some() {
                    return Err(usage("--from needs a pattern to count in")
                        .hint("give one: `--name 'web-{n:02}'`"));
                }
                Ok(Self::Automatic {
                    count: count.unwrap_or(1),
                })
            }
            [pattern] if counters == 1 => {
                let from = from.unwrap_or(1);
                let count = count.unwrap_or(1);
                if from.checked_add(count).is_none() {
                    return Err(usage("--from is too large to count on from"));
                }
                Ok(Self::Pattern {
                    pattern: pattern.clone(),
                    from,
                    count,
                })
            }
            _ if counters > 0 => Err(usage("a pattern cannot be mixed with other names")
                .hint("run the command once for each pattern")),
            names => {
                let given = u64::try_from(names.len()).unwrap_or(u64::MAX);
                if from.is_some() || count.is_some_and(|n| n != given) {
                    let hint = "put a counter into the name: `--name 'web-{n:02}' --count 5`";
                    return Err(match (count, given) {
                        (Some(n), 1) => {
                            usage(format!("--count is {n}, and the one name has no counter"))
                        }
                        (Some(n), _) => {
                            usage(format!("--count is {n}, and {given} names are given"))
                        }
                        (None, _) => usage("--from needs a pattern to count in"),
                    }
                    .hint(hint));
                }
                let names = names
                    .iter()
                    .map(|name| name.name(1).map_err(|e| usage(e.to_string())))
                    .collect::<Result<_>>()?;
                Ok(Self::Given(names))
            }
        }
    }
}

/// An error in what the user typed.
pub(super) fn usage(message: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(words: &[&str], count: Option<u64>, from: Option<u64>) -> Result<NameChoice> {
        let words: Vec<NamePattern> = words.iter().map(|word| word.parse().unwrap()).collect();
        NameChoice::from_words(&words, count, from)
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (words, count, from) in [
            (&["web"][..], Some(5), None),
            (&["web"], None, Some(3)),
            (&["a", "b"], Some(3), None),
            (&["a{n}", "b"], None, None),
            (&["a{n}", "b{n}"], Some(2), None),
            (&[], None, Some(3)),
            (&["a{n}"], Some(0), None),
            (&["a{n}"], Some(1_000_000_000), None),
            (&["a{n}"], Some(2), Some(u64::MAX)),
        ] {
            let error = choose(words, count, from).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{words:?} {count:?} {from:?}");
        }
    }

    #[test]
    fn a_count_that_says_what_the_names_say_is_fine() {
        assert!(matches!(
            choose(&["a", "b"], Some(2), None).unwrap(),
            NameChoice::Given(names) if names.len() == 2
        ));
        assert!(matches!(
            choose(&["a{n}"], None, None).unwrap(),
            NameChoice::Pattern {
                from: 1,
                count: 1,
                ..
            }
        ));
        assert!(matches!(
            choose(&[], Some(3), None).unwrap(),
            NameChoice::Automatic { count: 3 }
        ));
    }
}
