//! What a guest leaves behind on the host that it has left.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::image;
use crate::ops::delete::in_use_now;
use crate::ops::guard::RemovalGuard;
use crate::ops::{Host, Usage};
use crate::store::DeletedFile;

/// Removes files that are copied, where nobody has come to use them. The guest is
/// gone with its copies by then: what stays is no error, and is told and returned.
pub(super) fn remove(
    from: Host<'_>,
    files: &[DeletedFile],
    allow_dirs: &[PathBuf],
) -> Result<Vec<PathBuf>> {
    let usage = Usage::read_allowing(from.hypervisor, allow_dirs)?;
    let mut left = Vec::new();
    for file in files {
        let why = match in_use_now(&usage, file) {
            Ok(None) => remove_one(file).err().map(|error| error.to_string()),
            Ok(why) => why,
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = why {
            let path = image::shown(&file.path);
            from.observer.warning(&format!("{path} stays here: {why}."));
            left.push(file.path.clone());
        }
    }
    let dirs: Vec<&Path> = files.iter().filter_map(|file| file.path.parent()).collect();
    let pools = from.hypervisor.pools()?.into_iter();
    let covers = |pool: &crate::model::Pool| {
        let path = pool.path.as_deref();
        pool.active && path.is_some_and(|path| dirs.contains(&path))
    };
    let names: Vec<String> = pools.filter(covers).map(|pool| pool.name).collect();
    from.refresh_pools(&names);
    Ok(left)
}

fn remove_one(file: &DeletedFile) -> Result<()> {
    let _guard = RemovalGuard::take([file.path.as_path()])?;
    image::remove_own(&file.path, file.file).map(drop)
}
