//! Making a golden domain of a guest.

use std::path::PathBuf;

use serde::Serialize;

use super::flatten::{self, FlattenRequest, Flattened, overlays_of};
use super::images::real;
use super::{Host, ShutOff, base};
use crate::error::Result;
use crate::image;
use crate::model::{Domain, ImageFormat};
use crate::store::SealRecord;

/// How a guest becomes golden.
#[derive(Clone, Debug, Default)]
pub struct PromoteRequest {
    /// Its overlays become images that stand alone first; else they stay overlays,
    /// and are layers over their base.
    pub flatten: bool,
    /// Have the whole contents of its images remembered.
    pub hash: bool,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
}

/// A guest that is golden.
#[derive(Clone, Debug, Serialize)]
pub struct Promoted {
    /// The domain.
    pub domain: Domain,
    /// What was flattened, if anything was.
    pub flattened: Option<Flattened>,
    /// Its images, which are sealed.
    pub sealed: Vec<SealRecord>,
}

/// Seals the images of a guest, so that it does not start any more and clones can be
/// made of it.
///
/// # Errors
///
/// [`Kind::WrongState`](crate::error::Kind::WrongState) if it is not shut off; those
/// of [`flatten::plan`] and [`base::seal`]. What was flattened stays so.
pub fn promote(host: Host<'_>, domain: &Domain, request: &PromoteRequest) -> Result<Promoted> {
    host.must_be_here()?;
    ShutOff::check(host.hypervisor, domain)?;
    let mut flattened = None;
    if request.flatten && !overlays_of(host, domain, &request.allow_dirs)?.is_empty() {
        let plan = flatten::plan(
            host,
            domain,
            &FlattenRequest {
                targets: Vec::new(),
                allow_dirs: request.allow_dirs.clone(),
            },
        )?;
        flattened = Some(flatten::apply(host, plan)?);
    }
    let mut sealed = Vec::new();
    let mut new = Vec::new();
    for (path, format) in base::images_of(host, domain)? {
        let path = real(&path);
        match seal(host, domain, &path, format, request.hash) {
            Ok((record, is_new)) => {
                new.extend(is_new.then_some(path));
                sealed.push(record);
            }
            Err(error) => {
                // All its images, or none.
                for path in new.iter().rev() {
                    base::unseal(host, path, false)?;
                }
                return Err(error);
            }
        }
    }
    Ok(Promoted {
        domain: domain.clone(),
        flattened,
        sealed,
    })
}

fn seal(
    host: Host<'_>,
    domain: &Domain,
    path: &std::path::Path,
    format: ImageFormat,
    hash: bool,
) -> Result<(SealRecord, bool)> {
    let is_new = !image::seal_state(path)?.sealed;
    let record = base::seal(host, path, Some(format), hash)?;
    // What was sealed cannot be started any more; it may have been just before.
    if let Err(error) = ShutOff::check(host.hypervisor, domain) {
        if is_new {
            base::unseal(host, path, false)?;
        }
        return Err(error);
    }
    Ok((record, is_new))
}
