//! Where the files of clones go.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use uuid::Uuid;

use super::guest::PlannedGuest;
use super::identity::Identity;
use super::network::{self, Origin};
use super::parent;
use super::plan::{PlannedClone, PlannedDisk, PlannedFile};
use super::request::{CloneRequest, Placement, TpmRule, usage};
use super::site::Site;
use crate::error::{Error, Kind, Result};
use crate::image;
use crate::model::{CloneMode, Disk, DiskSource, DomainName, ImageFormat, Pool, human_bytes};
use crate::ops::Host;
use crate::ops::blueprint::{Contents, Drive};
use crate::ops::images::pool_dir;
use crate::xml::domain::DomainFacts;

/// The storage pool that new images go to if nothing is said, as in virt-install.
const DEFAULT_POOL: &str = "default";

/// Where files go.
pub(super) struct Placing<'a> {
    site: &'a dyn Site,
    dir: Option<PathBuf>,
    pool: Option<String>,
    pools: Vec<Pool>,
    batch: Uuid,
}

impl<'a> Placing<'a> {
    pub(super) fn new(request: &CloneRequest, pools: &[Pool], site: &'a dyn Site) -> Result<Self> {
        let mut placing = Self {
            site,
            dir: None,
            pool: None,
            pools: pools.to_vec(),
            batch: Uuid::new_v4(),
        };
        match &request.placement {
            Placement::Beside => {}
            Placement::Dir(dir) => {
                placing.dir = Some(absolute(dir)?);
            }
            Placement::Pool(name) => {
                let dir = match site.place_of(name) {
                    Some(place) => place,
                    None => pool_dir(pools, name, "a directory: `--dir DIR`")?,
                };
                placing.dir = Some(dir);
                placing.pool = Some(name.clone());
            }
        }
        Ok(placing)
    }

    /// Where the files are made.
    pub(super) fn site(&self) -> &'a dyn Site {
        self.site
    }

    /// The directory that the user names for all files.
    pub(super) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// The directory for what comes from this disk.
    fn dir_for(&self, from: Source<'_>) -> Result<PathBuf> {
        let disk = from.disk;
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        if let Some(dir) = self.site.beside(from.origin, from.named) {
            return Ok(dir);
        }
        match (from.origin, from.named) {
            (Origin::Export { export, .. }, _) => Err(network::no_place(disk, export)),
            (Origin::Volume { path, .. }, _) => Err(usage(format!(
                "nothing says where the clone of disk {}, {}, goes",
                disk.target,
                path.display()
            ))),
            (Origin::Blank { .. }, _) => self.default_dir().ok_or_else(|| {
                usage(format!(
                    "nothing says where the new disk {} goes",
                    disk.target
                ))
                .hint("say where: `--dir DIR` or `--pool POOL`")
            }),
            (Origin::Image(chain), Some(named)) if !chain.top().block => Ok(parent(named)),
            (Origin::Image(chain), _) => Err(usage(format!(
                "disk {} is a block device, {}, which says nothing about where clones go",
                disk.target,
                chain.top().path.display()
            ))
            .hint("say where: `--dir DIR` or `--pool POOL`")),
        }
    }

    /// Where a new and empty image goes if nothing is said.
    pub(super) fn default_dir(&self) -> Option<PathBuf> {
        let mut active = self.pools.iter().filter(|pool| pool.active);
        active
            .find(|pool| pool.name == DEFAULT_POOL)
            .and_then(|pool| pool.path.clone())
    }

    /// How the XML names a new image: as a volume if the golden domain's disk
    /// is one and the new image is in a pool, else as a file.
    fn xml_source(&self, old: &DiskSource, path: &Path) -> DiskSource {
        let DiskSource::Volume { pool: old_pool, .. } = old else {
            return DiskSource::File(path.to_owned());
        };
        let wanted = self.pool.as_ref().unwrap_or(old_pool);
        let covers = |pool: &&Pool| pool.name == *wanted && pool.path.as_deref() == path.parent();
        match (self.pools.iter().find(covers), path.file_name()) {
            (Some(pool), Some(name)) => DiskSource::Volume {
                pool: pool.name.clone(),
                volume: name.to_string_lossy().into_owned(),
            },
            _ => DiskSource::File(path.to_owned()),
        }
    }

    /// A name that nobody else makes a file of, in the directory of `path`.
    pub(super) fn temp(&self, path: &Path, serial: impl std::fmt::Display) -> PathBuf {
        image::temporary(path, self.batch, serial)
    }
}

/// Makes a path absolute, and refuses what XML cannot carry.
fn absolute(path: &Path) -> Result<PathBuf> {
    let text = path.to_str().ok_or_else(|| {
        usage(format!(
            "{} is not UTF-8, which domain XML must be",
            path.display()
        ))
    })?;
    if text.is_empty() {
        return Err(usage("a path is empty"));
    }
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        return Err(usage(format!("a path cannot contain {bad:?}")));
    }
    std::path::absolute(path).map_err(|e| Error::io(format!("cannot use {text}"), e))
}

/// A disk that clones get one of their own of.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) disk: &'a Disk,
    pub(super) origin: &'a Origin,
    /// The path by which the domain names it, if it is on this host.
    pub(super) named: Option<&'a Path>,
}

/// Decides where each file of each clone goes, and whether it can.
pub(super) fn place(
    host: Host<'_>,
    request: &CloneRequest,
    facts: &DomainFacts,
    own: &[Source<'_>],
    identities: Vec<Identity>,
    placing: &Placing<'_>,
) -> Result<Vec<PlannedClone>> {
    let count = identities.len();
    let disks = count.saturating_mul(own.len());
    for (flag, given, most) in [
        ("--file", request.files.len(), disks),
        ("--nvram", request.nvrams.len(), count),
    ] {
        if given > most || (count > 1 && given != 0 && given != most) {
            return Err(usage(format!(
                "{flag} is given {given} times, and must be {most} times for {count} clones"
            )));
        }
    }
    if !request.nvrams.is_empty() && facts.nvram.as_ref().is_none_or(|n| n.path.is_none()) {
        return Err(usage(format!(
            "--nvram is given, and domain '{}' has no file of UEFI variables",
            facts.name
        )));
    }
    let mut files = request.files.iter();
    let mut nvrams = request.nvrams.iter();
    let mut serial = 0_usize;
    let mut new_paths = HashSet::new();
    let mut dirs = HashSet::new();
    let mut clones = Vec::with_capacity(count);
    for identity in identities {
        let mut claim = |path: PathBuf| -> Result<(PathBuf, PathBuf)> {
            serial += 1;
            if !new_paths.insert(placing.site.claim(host, &path)?) {
                return Err(usage(format!("{} is given twice", path.display())));
            }
            dirs.insert(parent(&path));
            let temp = placing.temp(&path, serial);
            Ok((path, temp))
        };
        let mut planned = Vec::with_capacity(own.len());
        for (index, source) in own.iter().enumerate() {
            let disk = source.disk;
            let drive = request
                .golden
                .blueprint()
                .and_then(|blueprint| blueprint.made(&disk.target));
            let format = match (request.mode, source.origin) {
                (CloneMode::Linked, Origin::Image(_) | Origin::Export { .. }) => ImageFormat::Qcow2,
                _ => source.origin.copy_format(),
            };
            let path = match drive.and_then(Drive::path).or_else(|| files.next()) {
                Some(path) => absolute(path)?,
                None => {
                    let dir = match drive.and_then(Drive::dir) {
                        Some(dir) => dir.clone(),
                        None => placing.dir_for(*source)?,
                    };
                    let from = source.named.unwrap_or(Path::new(""));
                    let name = file_name(&identity.name, disk, index, format, from);
                    let copied = request.mode == CloneMode::Full;
                    match source.origin {
                        Origin::Image(_) | Origin::Volume { .. } if copied => {
                            let (site, batch) = (placing.site, placing.batch);
                            site.copy_path(source.origin, &dir, &name, batch)?
                        }
                        _ => dir.join(name),
                    }
                }
            };
            let (path, temp) = claim(path)?;
            planned.push(PlannedDisk {
                target: disk.target.clone(),
                source: source.origin.clone(),
                format,
                grown: grown(drive, source.origin)?,
                xml_source: placing
                    .site
                    .source_of_copy(&disk.source, &path)
                    .unwrap_or_else(|| placing.xml_source(&disk.source, &path)),
                path,
                temp,
            });
        }
        let old_nvram = facts.nvram.as_ref().and_then(|nvram| nvram.path.as_ref());
        let nvram = match old_nvram {
            None => None,
            Some(old) => {
                let path = match nvrams.next() {
                    Some(path) => absolute(path)?,
                    None => parent(old).join(nvram_name(&identity.name, &facts.name, old)),
                };
                placing.site.must_be_file(&path)?;
                let (path, temp) = claim(path)?;
                Some(PlannedFile {
                    // Libvirt makes it from its template at the first start.
                    from: placing.site.has(host, old)?.then(|| old.clone()),
                    path,
                    temp,
                })
            }
        };
        let tpm = tpm_copy(host, request, facts, identity.uuid)?
            .map(|(from, path)| {
                claim(path).map(|(path, temp)| PlannedFile {
                    from: Some(from),
                    path,
                    temp,
                })
            })
            .transpose()?;
        clones.push(PlannedClone {
            name: identity.name,
            uuid: identity.uuid,
            genid: Uuid::new_v4(),
            macs: identity.macs,
            reservations: Vec::new(),
            disks: planned,
            nvram,
            tpm,
            guest: PlannedGuest::default(),
        });
    }
    for dir in &dirs {
        placing.site.writable(host, dir)?;
    }
    Ok(clones)
}

/// How large an overlay is, if not as its base.
fn grown(drive: Option<&Drive>, origin: &Origin) -> Result<Option<u64>> {
    let (Some(Contents::Overlay { size, .. }), Some(chain)) =
        (drive.map(|drive| &drive.contents), origin.chain())
    else {
        return Ok(None);
    };
    let base = chain.top();
    match size {
        Some(size) if *size < base.virtual_size => Err(usage(format!(
            "an overlay of {} on {} would cut off its end: that has {}",
            human_bytes(*size),
            base.path.display(),
            human_bytes(base.virtual_size)
        ))
        .hint("leave size= out, or make it larger")),
        size => Ok(size.filter(|size| *size != base.virtual_size)),
    }
}

/// `web-01.qcow2` for the first disk, `web-01-vdb.qcow2` for the others. A raw
/// copy keeps the extension of its source.
fn file_name(
    name: &DomainName,
    disk: &Disk,
    index: usize,
    format: ImageFormat,
    from: &Path,
) -> String {
    let extension = match (format, from.extension().and_then(|e| e.to_str())) {
        (ImageFormat::Qcow2, _) => "qcow2",
        (_, Some(extension)) if extension.bytes().all(|b| b.is_ascii_alphanumeric()) => extension,
        (format, _) => format.as_str(),
    };
    match index {
        0 => format!("{name}.{extension}"),
        _ => format!("{name}-{}.{extension}", disk.target),
    }
}

/// `golden_VARS.fd` becomes `web-01_VARS.fd`, and so does anything else.
fn nvram_name(name: &DomainName, golden: &str, old: &Path) -> String {
    let old = old.file_name().unwrap_or_default().to_string_lossy();
    match old.strip_prefix(golden) {
        Some(rest) if rest.starts_with(['_', '.', '-']) => format!("{name}{rest}"),
        _ => format!("{name}_VARS.fd"),
    }
}

/// Where the state of the golden domain's TPM is, and that of the clone's will be.
fn tpm_copy(
    host: Host<'_>,
    request: &CloneRequest,
    facts: &DomainFacts,
    uuid: Uuid,
) -> Result<Option<(PathBuf, PathBuf)>> {
    if request.tpm == TpmRule::Fresh || !facts.tpm_emulator {
        return Ok(None);
    }
    let dir = if host.hypervisor.uri().ends_with("/session") {
        let config = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")))
            .unwrap_or_default();
        config.join("libvirt/qemu/swtpm")
    } else {
        PathBuf::from("/var/lib/libvirt/swtpm")
    };
    let from = dir.join(facts.uuid.unwrap_or_default().to_string());
    if !from.is_dir() {
        return Err(Error::new(
            Kind::NotFound,
            format!(
                "the TPM of '{}' has no state to copy in {}",
                facts.name,
                from.display()
            ),
        )
        .hint("let the clones start with empty TPMs: `--tpm fresh`"));
    }
    Ok(Some((from, dir.join(uuid.to_string()))))
}

/// Whether there is a file to copy. Not to be allowed to look is no "no".
pub(super) fn there(file: &Path) -> Result<bool> {
    file.try_exists()
        .map_err(|e| Error::io(format!("cannot look at {}", file.display()), e))
}

/// Refuses a path that something is at, a dangling symbolic link included.
pub(super) fn free(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        // Whether it has a directory to be in is asked later.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
        Err(e) => Err(Error::io(format!("cannot look at {}", path.display()), e)),
        Ok(_) => Err(Error::new(
            Kind::Exists,
            format!("{} exists already, and is not overwritten", path.display()),
        )
        .hint("choose other names, or place the clones elsewhere: `--dir DIR`")),
    }
}

pub(super) fn writable(dir: &Path) -> Result<()> {
    let meta = fs::metadata(dir)
        .map_err(|e| Error::io(format!("cannot place clones in {}", dir.display()), e))?;
    if !meta.is_dir() {
        return Err(usage(format!("{} is not a directory", dir.display())));
    }
    access(dir, Access::WRITE_OK | Access::EXEC_OK).map_err(|e| {
        let why = format!("may not create files in {}", dir.display());
        Error::io(why, e.into()).hint("run as root, or place the clones elsewhere: `--dir DIR`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_the_clone() {
        let name: DomainName = "web-01".parse().unwrap();
        let nvram = |old: &str| nvram_name(&name, "golden", Path::new(old));
        assert_eq!(nvram("/n/golden_VARS.fd"), "web-01_VARS.fd");
        assert_eq!(nvram("/n/golden.qcow2"), "web-01.qcow2");
        assert_eq!(nvram("/n/goldenrod_VARS.fd"), "web-01_VARS.fd");
        assert_eq!(nvram("/n/vars"), "web-01_VARS.fd");
    }

    #[test]
    fn a_path_that_xml_cannot_carry_is_refused() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt as _;
        assert!(absolute(Path::new("")).is_err());
        assert!(absolute(Path::new("a\nb")).is_err());
        assert!(absolute(Path::new(OsStr::from_bytes(b"a\xff"))).is_err());
        assert!(absolute(Path::new("a,b:c d")).unwrap().is_absolute());
    }
}
