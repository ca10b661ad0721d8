//! Where the files of clones are made: on this host, or in the storage pools of
//! another.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::as_they_are;
use super::files;
use super::network::{self, Origin};
use super::place::{free, there, writable};
use super::plan::{self, Plan, PlannedBase, PlannedClone};
use super::request::CloneRequest;
use super::{parent, undo};
use crate::error::Result;
use crate::image::{self, Guard, Trust};
use crate::model::{BaseIdentity, Chain, Disk, DiskSource, FileId, Layer, Pool};
use crate::ops::images::{chain_of, dirs_of, open_dirs, pools_over, real};
use crate::ops::{Host, Usage};
use crate::store::{FilePair, VolumeIntent};

/// The disks that clones get one of their own of, with their images.
pub(super) type Images<'a> = [(&'a Disk, Arc<Chain>)];

/// The place where clones are made, and what can be known and done there.
pub(super) trait Site: fmt::Debug + Send + Sync {
    /// The image at this path and what is below it.
    fn chain(&self, host: Host<'_>, disk: &Disk, path: &Path, trust: &Trust) -> Result<Chain>;

    /// What a disk comes from that is no image.
    fn off_host(&self, host: Host<'_>, request: &CloneRequest, disk: &Disk) -> Result<Origin>;

    /// Locks the images against writers, where that can be done.
    fn guards(&self, images: &Images<'_>) -> Result<Vec<Guard>>;

    /// Looks whether these may be the bases of clones, and at what they are.
    fn bases(
        &self,
        host: Host<'_>,
        request: &CloneRequest,
        usage: &Usage,
        images: &Images<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<PlannedBase>>;

    /// Refuses to give a guest this image as it is, where that would harm somebody,
    /// or is not to be trusted.
    fn may_be_given(
        &self,
        host: Host<'_>,
        usage: &Usage,
        disk: &Disk,
        path: &Path,
        trust: &Trust,
    ) -> Result<()>;

    /// What a disk comes from that only libvirt there can clone; `None` if it is an
    /// image or an export.
    fn volume(&self, host: Host<'_>, request: &CloneRequest, disk: &Disk)
    -> Result<Option<Origin>>;

    /// The path of a copy that would be this file if nobody else could take it.
    fn copy_path(&self, _: &Origin, dir: &Path, name: &str, _: Uuid) -> Result<PathBuf> {
        Ok(dir.join(name))
    }

    /// Where volumes of this pool are, if it is no directory and copies can go there.
    fn place_of(&self, _pool: &str) -> Option<PathBuf> {
        None
    }

    /// Where the copy of a disk goes by itself that is no file, if it can.
    fn beside(&self, _: &Origin, _named: Option<&Path>) -> Option<PathBuf> {
        None
    }

    /// How the XML names a copy that is no file.
    fn source_of_copy(&self, _old: &DiskSource, _path: &Path) -> Option<DiskSource> {
        None
    }

    /// Refuses a place where there can be no files.
    fn must_be_file(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    /// Refuses a path that something is at. Returns it free of symbolic links,
    /// as far as they can be seen.
    fn claim(&self, host: Host<'_>, path: &Path) -> Result<PathBuf>;

    /// Refuses a directory that no file can be made in.
    fn writable(&self, host: Host<'_>, dir: &Path) -> Result<()>;

    /// Whether there is a file to copy. Not to be allowed to look is no "no".
    fn has(&self, host: Host<'_>, file: &Path) -> Result<bool>;

    /// Whether cloud-init would read this disk.
    fn looks_like_seed(&self, path: &Path) -> bool;

    /// What the user has to know of the place. Sentences.
    fn warnings(&self, host: Host<'_>, images: &Images<'_>, clones: &[PlannedClone])
    -> Vec<String>;

    /// The pools that have to look again when these files are made.
    fn refresh(&self, pools: &[Pool], clones: &[PlannedClone]) -> Vec<String>;

    /// What an image looks like now.
    fn identity(&self, host: Host<'_>, path: &Path) -> Result<BaseIdentity>;

    /// Whether everybody there may read an image.
    fn readable_by_all(&self, layer: &Layer) -> bool;

    /// How many clones are worked on at once.
    fn at_once(&self) -> usize;

    /// What a journal has to know of the files of a clone.
    fn record(
        &self,
        host: Host<'_>,
        clone: &PlannedClone,
    ) -> Result<(Vec<FilePair>, Vec<VolumeIntent>)>;

    /// Makes the files of a clone, which are not yet what they are to be.
    fn make(&self, host: Host<'_>, plan: &Plan, clone: &PlannedClone) -> Result<Vec<FileId>>;

    /// Makes the files of these clones what they are to be, for good when this
    /// returns.
    fn finish(&self, host: Host<'_>, plan: &Plan, clones: &[&PlannedClone]) -> Result<()>;

    /// Removes the files of a clone that this run has made.
    fn remove(&self, host: Host<'_>, clone: &PlannedClone, made: Option<&[FileId]>) -> Result<()>;
}

/// How many threads write overlays and define domains: most of their time is
/// waiting for the disk, and libvirtd answers up to five requests of one
/// connection at a time.
const AT_ONCE: usize = 4;

/// This host.
#[derive(Debug)]
pub(super) struct Here;

impl Site for Here {
    fn chain(&self, _: Host<'_>, disk: &Disk, path: &Path, trust: &Trust) -> Result<Chain> {
        // The overlays name the image itself, and not a link to it: a link
        // that leads elsewhere one day would change the base under them.
        let image = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        chain_of(disk, &image, trust)
    }

    fn off_host(&self, host: Host<'_>, request: &CloneRequest, disk: &Disk) -> Result<Origin> {
        Origin::off_host(host, request, disk)
    }

    fn guards(&self, images: &Images<'_>) -> Result<Vec<Guard>> {
        plan::guard(images)
    }

    fn bases(
        &self,
        host: Host<'_>,
        request: &CloneRequest,
        usage: &Usage,
        images: &Images<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<PlannedBase>> {
        plan::bases(host, request, usage, images, warnings)
    }

    fn may_be_given(
        &self,
        _: Host<'_>,
        usage: &Usage,
        disk: &Disk,
        path: &Path,
        trust: &Trust,
    ) -> Result<()> {
        as_they_are::may_be_given(usage, disk, path, trust)
    }

    fn volume(&self, host: Host<'_>, _: &CloneRequest, disk: &Disk) -> Result<Option<Origin>> {
        let DiskSource::Volume { pool, volume } = &disk.source else {
            return Ok(None);
        };
        // Of Ceph and its like, libvirt has no paths.
        if host.hypervisor.volume_path(pool, volume)?.is_absolute() {
            return Ok(None);
        }
        let what = format!("disk {}, volume '{volume}' of pool '{pool}',", disk.target);
        Err(network::through_libvirt(network::no_file(&what), disk))
    }

    fn claim(&self, _: Host<'_>, path: &Path) -> Result<PathBuf> {
        free(path)?;
        Ok(real(&parent(path)).join(path.file_name().unwrap_or_default()))
    }

    fn writable(&self, _: Host<'_>, dir: &Path) -> Result<()> {
        writable(dir)
    }

    fn has(&self, _: Host<'_>, file: &Path) -> Result<bool> {
        there(file)
    }

    fn looks_like_seed(&self, path: &Path) -> bool {
        image::looks_like_seed(path)
    }

    fn warnings(&self, _: Host<'_>, images: &Images<'_>, clones: &[PlannedClone]) -> Vec<String> {
        let new = clones.iter().flat_map(|clone| &clone.disks);
        let old = images.iter().flat_map(|(_, chain)| dirs_of(chain));
        open_dirs(new.map(|disk| parent(&disk.path)).chain(old))
    }

    fn refresh(&self, pools: &[Pool], clones: &[PlannedClone]) -> Vec<String> {
        let disks = clones.iter().flat_map(|clone| &clone.disks);
        pools_over(pools, disks.map(|disk| &disk.path))
    }

    fn identity(&self, _: Host<'_>, path: &Path) -> Result<BaseIdentity> {
        image::identity(path)
    }

    fn readable_by_all(&self, layer: &Layer) -> bool {
        image::readable_by_all(&layer.path)
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn record(
        &self,
        _: Host<'_>,
        clone: &PlannedClone,
    ) -> Result<(Vec<FilePair>, Vec<VolumeIntent>)> {
        Ok((files::pairs(clone), Vec::new()))
    }

    fn make(&self, host: Host<'_>, plan: &Plan, clone: &PlannedClone) -> Result<Vec<FileId>> {
        files::make(host, plan, clone)
    }

    fn finish(&self, _: Host<'_>, _: &Plan, clones: &[&PlannedClone]) -> Result<()> {
        files::publish(clones)
    }

    fn remove(&self, _: Host<'_>, clone: &PlannedClone, made: Option<&[FileId]>) -> Result<()> {
        undo::remove_files(&files::pairs(clone), made)
    }
}
