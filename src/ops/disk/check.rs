//! Checking and repairing the images of disks.

use std::path::PathBuf;

use serde::Serialize;

use super::Subject;
use crate::error::{Error, Kind, Result};
use crate::image::qemu_img::Repair;
use crate::image::{self, Checked};
use crate::model::{Chain, DiskTarget, ImageFormat};
use crate::ops::Host;
use crate::ops::guard::Allowed;

/// What is to be checked, and whether to repair it.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// The disks.
    pub subject: Subject,
    /// What is repaired, if anything is.
    pub repair: Option<Repair>,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// What was found in one image.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Its name in the domain.
    pub target: Option<DiskTarget>,
    /// Where it is.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// What was found; `None` if images of this format have nothing to check.
    pub found: Option<Checked>,
}

/// Checks the images of a domain's disks, or one by its path: not what is below
/// them.
///
/// # Errors
///
/// Those of [`ReadGuard`], or with a repair of
/// [`WriteGuard`](crate::ops::guard::WriteGuard); those of [`image::check`].
/// That something is wrong with an image is no error here: see
/// [`CheckReport::verdict`].
pub fn check(host: Host<'_>, request: &CheckRequest) -> Result<Vec<CheckReport>> {
    let cancel = host.interrupt.flag();
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: true,
    };
    if let Some(what) = request.repair {
        let guard = request.subject.lock(host, allow)?;
        crate::failpoint::hit("check.locked")?;
        let reports = guard.disks().iter().map(|disk| {
            guard.recheck()?;
            let chain = disk.chain();
            let found = checkable(chain)
                .then(|| image::repair(chain, disk.lease(), what, cancel))
                .transpose()
                .map_err(|e| host.stopped_by(e))?;
            crate::failpoint::hit("check.repaired")?;
            Ok(report(disk.target(), chain, found))
        });
        return reports.collect();
    }
    let guard = request.subject.guard(host, allow)?;
    let reports = guard.disks().iter().map(|disk| {
        let found = checkable(&disk.chain)
            .then(|| image::check(&disk.chain, cancel))
            .transpose()
            .map_err(|e| host.stopped_by(e))?;
        Ok(report(disk.target.as_ref(), &disk.chain, found))
    });
    reports.collect()
}

fn checkable(chain: &Chain) -> bool {
    image::can_be_checked(chain.top().format)
}

fn report(target: Option<&DiskTarget>, chain: &Chain, found: Option<Checked>) -> CheckReport {
    CheckReport {
        target: target.cloned(),
        path: chain.top().path.clone(),
        format: chain.top().format,
        found,
    }
}

impl CheckReport {
    /// Whether the image is as it must be. Leaked clusters cost space and no
    /// data.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`] if it is not.
    pub fn verdict(&self) -> Result<()> {
        let Some(found) = self.found.filter(|found| !found.is_sound()) else {
            return Ok(());
        };
        let path = image::shown(&self.path);
        let what = match (found.corruptions, found.check_errors) {
            (0, n) => format!("could not be checked through ({n} errors)"),
            (n, _) => format!("is damaged: {n} wrong entries in its tables"),
        };
        let error = Error::new(Kind::Unsafe, format!("{path} {what}"));
        Err(match found.corruptions {
            0 => error,
            _ => error.hint(
                "what can be saved, save first (`vmkin clone --full`, or a copy of the file); then \
                 repair it: `--repair all`",
            ),
        })
    }
}
