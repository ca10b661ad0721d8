//! Making a golden domain of a guest.

use std::path::PathBuf;

use serde::Serialize;

use super::flatten::{self, FlattenPlan, FlattenRequest, Flattened, overlays_of};
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

/// A guest that is golden, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct Promoted {
    /// The domain.
    pub domain: Domain,
    /// What was flattened, if anything was.
    pub flattened: Option<Flattened>,
    /// Its images.
    pub images: Vec<PathBuf>,
    /// What is on record of them, once they are sealed.
    pub sealed: Vec<SealRecord>,
}

/// What would be done. Changes nothing.
///
/// # Errors
///
/// Those of [`promote`], but for what only sealing finds out.
pub fn plan(host: Host<'_>, domain: &Domain, request: &PromoteRequest) -> Result<Promoted> {
    host.must_be_here()?;
    ShutOff::check(host.hypervisor, domain)?;
    let flattening = flattening(host, domain, request)?;
    let images = base::images_of(host, domain)?;
    Ok(Promoted {
        domain: domain.clone(),
        flattened: flattening.map(|plan| plan.flattened),
        images: images.iter().map(|(path, _)| real(path)).collect(),
        sealed: Vec::new(),
    })
}

/// How its overlays become images that stand alone, if that is asked for and there
/// are any.
fn flattening<'a>(
    host: Host<'a>,
    domain: &Domain,
    request: &PromoteRequest,
) -> Result<Option<FlattenPlan<'a>>> {
    if !request.flatten || overlays_of(host, domain, &request.allow_dirs)?.is_empty() {
        return Ok(None);
    }
    let request = FlattenRequest {
        targets: Vec::new(),
        allow_dirs: request.allow_dirs.clone(),
    };
    flatten::plan(host, domain, &request).map(Some)
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
    let flattened = flattening(host, domain, request)?
        .map(|plan| flatten::apply(host, plan))
        .transpose()?;
    let mut images = Vec::new();
    let mut sealed = Vec::new();
    let mut new = Vec::new();
    for (path, format) in base::images_of(host, domain)? {
        let path = real(&path);
        images.push(path.clone());
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
        images,
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
