//! Whether two disks are the same to a guest.

use std::path::PathBuf;

use serde::Serialize;

use super::Subject;
use crate::error::{Error, Kind, Result};
use crate::image::{self, shown};
use crate::model::DiskTarget;
use crate::ops::Host;
use crate::ops::guard::Allowed;
use crate::ops::read_guard::{GuardedDisk, ReadGuard};

/// Which disks are to be compared.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// One of them, or those of one domain.
    pub one: Subject,
    /// The other.
    pub other: Subject,
    /// Whether disks of different sizes differ, even if there is nothing but zeros
    /// in the rest of the larger one.
    pub strict: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// How two disks compare.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Its name in the domain; `None` for an image by its path.
    pub target: Option<DiskTarget>,
    /// The image of the first.
    pub path: PathBuf,
    /// The image of the other.
    pub other_path: PathBuf,
    /// Whether they are the same.
    pub same: bool,
    /// The first byte that is another; `None` if there is none.
    pub differs_at: Option<u64>,
    /// The size of the first, in bytes.
    pub size: u64,
    /// The size of the other, in bytes.
    pub other_size: u64,
}

/// Compares two disks, or those of two domains that have the same names.
///
/// # Errors
///
/// Those of [`ReadGuard`](crate::ops::read_guard::ReadGuard);
/// [`Kind::Usage`] if it is not told which is compared with which. That they differ
/// is no error here: see [`Compared::verdict`].
pub fn compare(host: Host<'_>, request: &CompareRequest) -> Result<Vec<Compared>> {
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let one = request.one.guard(host, allow)?;
    let other = match &request.other {
        Subject::Image { path, format } => {
            ReadGuard::of_image_by(host, path, (*format, "--with-format"), allow)?
        }
        Subject::Domain { .. } => request.other.guard(host, allow)?,
    };
    let mut all = Vec::new();
    for (left, right) in pairs(one.disks(), other.disks())? {
        let progress = |done, all| host.observer.progress("comparing", done, all);
        let cancel = host.interrupt.flag();
        let found = image::compare_disks(&left.chain, None, &right.chain, &progress, cancel)
            .map_err(|error| host.stopped_by(error))?;
        let same_size = found.size == found.other_size;
        all.push(Compared {
            target: left.target.clone(),
            path: left.chain.top().path.clone(),
            other_path: right.chain.top().path.clone(),
            same: found.is_same() && (same_size || !request.strict),
            differs_at: found.differs_at,
            size: found.size,
            other_size: found.other_size,
        });
    }
    Ok(all)
}

impl Compared {
    /// Whether they are the same.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if they differ.
    pub fn verdict(&self) -> Result<()> {
        if self.same {
            return Ok(());
        }
        let how = match self.differs_at {
            Some(at) => format!("differ, from byte {at} on"),
            None => format!(
                "have different sizes, {} and {} bytes",
                self.size, self.other_size
            ),
        };
        Err(Error::new(
            Kind::Unsafe,
            format!(
                "{} and {} {how}",
                shown(&self.path),
                shown(&self.other_path)
            ),
        ))
    }
}

type Pair<'a> = (&'a GuardedDisk, &'a GuardedDisk);

/// Which is compared with which: one with one, or those of the same name.
fn pairs<'a>(one: &'a [GuardedDisk], other: &'a [GuardedDisk]) -> Result<Vec<Pair<'a>>> {
    if let ([left], [right]) = (one, other) {
        return Ok(vec![(left, right)]);
    }
    let named = |left: &'a GuardedDisk| {
        let target = left.target.as_ref()?;
        let mut others = other.iter();
        let right = others.find(|right| right.target.as_ref() == Some(target))?;
        Some((left, right))
    };
    let pairs: Option<Vec<Pair<'a>>> = one.iter().map(named).collect();
    pairs
        .filter(|pairs| pairs.len() == other.len() && !pairs.is_empty())
        .ok_or_else(|| {
            Error::new(
                Kind::Usage,
                "it is not clear which disk is to be compared with which",
            )
            .hint("name one of each: `--target vda`, and `--with-target vda`")
        })
}
