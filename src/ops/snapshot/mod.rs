//! Snapshots of guests: all disks of a domain, or none.
//!
//! Libvirt's own calls make and delete the snapshots of one disk after the
//! other by a `qemu-img` each, and stop at the first that fails when they go
//! back to one. Here the images are changed by `qemu-img` under locks that are
//! held from the first look to the last step, libvirt only keeps the record,
//! and a journal says what the next run has to finish or to take back:
//!
//! | what | is taken back before | and finished after |
//! |---|---|---|
//! | create | it is on record with libvirt | |
//! | apply | the commit mark, or the new definition of the domain | |
//! | delete | | the journal is written |

pub mod apply;
pub mod create;
pub mod delete;
pub mod external;
mod held;
pub mod list;
pub mod memory;
pub(super) mod recover;
pub(super) mod variables;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::Host;
use crate::error::{Error, Kind, Result};
use crate::image::{path_word, shell_word, shown};
use crate::model::{Domain, ImageFormat, RecordedSnapshot};
use crate::xml::snapshot;

/// Whose snapshots are meant.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Those of a domain, on all its disks.
    Domain(Domain),
    /// Those of an image that no domain has.
    Image {
        /// Where it is.
        path: PathBuf,
        /// Its format.
        format: Option<ImageFormat>,
    },
}

impl Subject {
    /// What it is, for messages.
    fn shown(&self) -> String {
        match self {
            Self::Domain(domain) => format!("domain '{}'", domain.name),
            Self::Image { path, .. } => shown(path).to_string(),
        }
    }

    /// The options that name it, for hints.
    fn options(&self) -> String {
        match self {
            Self::Domain(domain) => format!("-d {}", word(&domain.name)),
            Self::Image { path, format } => {
                let image = format!("-a {}", path_word(path));
                match format {
                    Some(format) => format!("{image} --format {format}"),
                    None => image,
                }
            }
        }
    }

    fn no_snapshot(&self, name: &str) -> Error {
        Error::new(
            Kind::NotFound,
            format!("{} has no snapshot '{name}'", self.shown()),
        )
        .hint(format!(
            "see which there are: `vmkin snapshot list {}`",
            self.options()
        ))
    }
}

/// A snapshot that is to be applied or deleted.
#[derive(Clone, Debug)]
pub struct NamedRequest {
    /// Whose.
    pub subject: Subject,
    /// Its name; of an image without a domain, or its id.
    pub name: String,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// What no snapshot has of a guest with a TPM of its own, as a sentence.
const NO_TPM: &str = "The state of its TPM is not in the snapshot.";

/// The same when it goes back.
const TPM_STAYS: &str = "The state of its TPM stays as it is.";

/// What it is told of UEFI variables in a raw file that do not go back.
const VARIABLES_STAY: &str =
    "The UEFI variables stay as they are: this snapshot has no copy of them.";

/// What libvirt has on record of the snapshot that is meant; `None` if it has
/// nothing, as of an image that no domain has.
///
/// # Errors
///
/// If libvirt does not answer, or says what cannot be understood.
pub fn recorded(host: Host<'_>, request: &NamedRequest) -> Result<Option<RecordedSnapshot>> {
    let Subject::Domain(domain) = &request.subject else {
        return Ok(None);
    };
    let document = host.hypervisor.secure_snapshot(domain, &request.name)?;
    let record = document.map(|document| snapshot::read(document.expose()));
    record.transpose().map_err(|e| unknown(domain, e))
}

fn unknown(domain: &Domain, error: Error) -> Error {
    error
        .with_kind(Kind::Libvirt)
        .context(format!("the snapshots of '{}' are not known", domain.name))
}

/// A name as a shell reads it, for hints.
pub(super) fn word(name: &str) -> String {
    shell_word(name.as_bytes())
}

/// The snapshots of a domain that libvirt has on record.
#[derive(Debug, Default)]
struct Records {
    /// Parents first.
    all: Vec<RecordedSnapshot>,
    current: Option<String>,
}

impl Records {
    /// Those of a subject; libvirt knows nothing of an image that no domain has.
    fn of(host: Host<'_>, subject: &Subject) -> Result<Self> {
        match subject {
            Subject::Domain(domain) => Self::read(host, domain),
            Subject::Image { .. } => Ok(Self::default()),
        }
    }

    fn read(host: Host<'_>, domain: &Domain) -> Result<Self> {
        let records = host.hypervisor.snapshot_records(domain)?;
        let documents = records.documents.iter();
        let all: Result<Vec<_>> = documents.map(|xml| snapshot::read(xml)).collect();
        let all = all.map_err(|e| unknown(domain, e))?;
        Ok(Self {
            all: in_order(all),
            current: records.current,
        })
    }

    fn named(&self, name: &str) -> Option<&RecordedSnapshot> {
        self.all.iter().find(|snapshot| snapshot.name == name)
    }

    /// The current one, and those that it was made after.
    fn line(&self) -> impl Iterator<Item = &RecordedSnapshot> {
        let current = self.current.as_deref().and_then(|name| self.named(name));
        let line = std::iter::successors(current, move |one| self.named(one.parent.as_deref()?));
        // Whatever libvirt says: none is longer than there are snapshots.
        line.take(self.all.len())
    }
}

/// Parents before their children, else in the order in which they were made, and
/// those of one second by their names: libvirt has them in no order.
fn in_order(mut rest: Vec<RecordedSnapshot>) -> Vec<RecordedSnapshot> {
    rest.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    let mut ordered = Vec::with_capacity(rest.len());
    let waits = |one: &RecordedSnapshot, rest: &[RecordedSnapshot]| {
        let parent = one.parent.as_deref();
        parent.is_some_and(|parent| rest.iter().any(|other| other.name == parent))
    };
    while let Some(next) = rest.iter().position(|one| !waits(one, &rest)) {
        ordered.push(rest.remove(next));
    }
    // What is left would be each other's parents, which libvirt refuses.
    ordered.extend(rest);
    ordered
}

/// All that is named in what libvirt has on record of the snapshots of a domain: the
/// files that it is of, among others.
///
/// # Errors
///
/// If libvirt does not answer.
pub(super) fn named_on_record(host: Host<'_>, domain: &Domain) -> Result<HashSet<String>> {
    let mut named = HashSet::new();
    if host.hypervisor.snapshots(domain)?.is_empty() {
        return Ok(named);
    }
    for document in host.hypervisor.snapshot_records(domain)?.documents {
        named.extend(snapshot::values(&document)?);
    }
    Ok(named)
}

/// A time as people and programs read it, RFC 3339 in UTC; `None` for what no
/// calendar has.
pub(super) fn time(seconds: i64) -> Option<String> {
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    let time = SystemTime::UNIX_EPOCH.checked_add(since)?;
    // The formatter writes years of four digits only, and fails else.
    let mut text = String::new();
    let written = std::fmt::Write::write_fmt(
        &mut text,
        format_args!("{}", humantime::format_rfc3339_seconds(time)),
    );
    written.ok().map(|()| text)
}

#[cfg(test)]
mod tests;
