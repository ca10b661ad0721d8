//! From the disks in domain XML to the images on the host.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::hypervisor::Hypervisor;
use crate::image::{self, Trust};
use crate::model::{Chain, Disk, DiskSource, DiskTarget, Layer, Pool};
use crate::xml::domain::BackingLayer;

/// What to do where an image is encrypted, and must not be.
pub(super) const PLAIN_FIRST: &str =
    "make an image of it that is not: `qemu-img convert`, with its secret";

/// The path of a source on this host; `None` if it has none.
///
/// # Errors
///
/// If it is a volume that libvirt does not know.
pub fn path_of(hypervisor: &dyn Hypervisor, source: &DiskSource) -> Result<Option<PathBuf>> {
    match source {
        DiskSource::File(path) | DiskSource::Block(path) => Ok(Some(path.clone())),
        DiskSource::Volume { pool, volume } => hypervisor.volume_path(pool, volume).map(Some),
        DiskSource::Empty | DiskSource::Network(_) | DiskSource::Other(_) => Ok(None),
    }
}

/// The directory of a pool that is to get new files. `or` is what else the user
/// can name, for the hint.
///
/// # Errors
///
/// If there is no such pool, it is not active, or is no directory.
pub(super) fn pool_dir(pools: &[Pool], name: &str, or: &str) -> Result<PathBuf> {
    let pool = pools.iter().find(|pool| pool.name == name);
    let pool = pool.ok_or_else(|| {
        Error::new(Kind::NotFound, format!("no storage pool '{name}'"))
            .hint("see which there are: `virsh pool-list --all`")
    })?;
    if !pool.active {
        return Err(Error::new(
            Kind::Storage,
            format!("storage pool '{name}' is not active"),
        )
        .hint(format!("start it: `virsh pool-start {name}`")));
    }
    pool.path.clone().ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            format!("storage pool '{name}' is not a directory"),
        )
        .hint(format!("name a pool of type dir, fs or netfs, or {or}"))
    })
}

/// The active pools whose directories these files are in.
pub(super) fn pools_over<'a>(
    pools: &[Pool],
    files: impl Iterator<Item = &'a PathBuf>,
) -> Vec<String> {
    // Many files are in few directories.
    let named: HashSet<&Path> = files.filter_map(|file| file.parent()).collect();
    let dirs: HashSet<PathBuf> = named.into_iter().map(real).collect();
    pools
        .iter()
        .filter(|pool| pool.active)
        .filter(|pool| {
            let path = pool.path.as_deref();
            path.is_some_and(|path| dirs.contains(&real(path)))
        })
        .map(|pool| pool.name.clone())
        .collect()
}

/// A path free of symbolic links, if there is one.
pub(super) fn real(dir: &Path) -> PathBuf {
    fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned())
}

/// Where the backing files of these disks may be: in the directory of an
/// active storage pool, where the user allows it, or where the XML says by
/// name, because whoever defines domains may do so.
pub fn trust_for(
    hypervisor: &dyn Hypervisor,
    disks: &[Disk],
    allowed: &[PathBuf],
) -> Result<Trust> {
    let dirs = dirs_for(hypervisor, allowed)?;
    let mut named = Vec::new();
    for layer in disks.iter().flat_map(|disk| &disk.declared) {
        named.extend(path_of(hypervisor, &layer.source)?);
    }
    Ok(if hypervisor.is_local() {
        Trust::new(dirs, named)
    } else {
        Trust::of_names(dirs, named)
    })
}

/// The directories of the active storage pools, and those that the user allows.
pub(super) fn dirs_for(hypervisor: &dyn Hypervisor, allowed: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let pools = hypervisor.pools()?.into_iter();
    let active = pools.filter(|pool| pool.active);
    let dirs = active.filter_map(|pool| pool.path);
    Ok(dirs.chain(allowed.iter().cloned()).collect())
}

/// Where the backing files of one disk may be: what is true of all, and the NBD
/// export that the XML declares below this disk and no other.
pub(super) fn trust_of(disk: &Disk, all: &Trust) -> Trust {
    let mut trust = all.clone();
    if let Some(export) = disk.declared_export() {
        trust.allow_export(export.clone());
    }
    trust
}

/// Resolves the backing chain of a disk that has a path.
///
/// # Errors
///
/// [`Kind::Unsafe`] if a layer is missing, damaged or not to be trusted, or if
/// the XML names another chain than the images have; [`Kind::WrongState`] if the
/// guest sees a part of an image alone.
pub(super) fn chain_of(disk: &Disk, path: &Path, trust: &Trust) -> Result<Chain> {
    let resolve = |trust: &Trust| image::resolve(path, disk.format, trust);
    chain_by(disk, trust, &resolve, &image::same_file)
}

/// The same where somebody else reads the headers and tells files apart.
pub(super) fn chain_by(
    disk: &Disk,
    trust: &Trust,
    resolve: &dyn Fn(&Trust) -> Result<Chain>,
    same: &dyn Fn(&Path, &Path) -> bool,
) -> Result<Chain> {
    if disk.sliced {
        return Err(part_of_image(&disk.target));
    }
    let chain = resolve(&trust_of(disk, trust))
        .map_err(|e| e.context(format!("disk {} cannot be used", disk.target)))?;
    declared_is_true(disk, &chain, same)?;
    Ok(chain)
}

/// Refuses a directory in which a base of this disk would be out of reach: where the
/// XML does not name what is below `top`, it is only looked for beside that and in the
/// storage pools.
///
/// # Errors
///
/// [`Kind::WrongState`].
pub(super) fn must_be_found_in(
    hypervisor: &dyn Hypervisor,
    disk: &Disk,
    top: &Path,
    dir: &Path,
) -> Result<()> {
    let dir = real(dir);
    if !disk.declared.is_empty() || real(top).parent() == Some(dir.as_path()) {
        return Ok(());
    }
    let pools = dirs_for(hypervisor, &[])?;
    if pools.iter().any(|pool| dir.starts_with(real(pool))) {
        return Ok(());
    }
    let target = &disk.target;
    let shown = image::shown(&dir).to_string();
    Err(Error::new(
        Kind::WrongState,
        format!(
            "the domain XML does not say what disk {target} is based on, and must, for {shown} is \
             in no storage pool: nobody would take a base there for its own"
        ),
    )
    .hint(format!(
        "make a storage pool of it: `virsh pool-define-as NAME dir --target {}`, `virsh \
         pool-start NAME`",
        image::path_word(&dir)
    )))
}

/// Where the whole image was read, other bytes would come out than the guest has, and
/// what is written would go where it does not look.
fn part_of_image(target: &DiskTarget) -> Error {
    Error::new(
        Kind::WrongState,
        format!(
            "disk {target} is a part of an image (<slices> in the domain XML), and must be a \
             whole one"
        ),
    )
    .hint(
        "make an image of that part: `qemu-img convert --image-opts \
         driver=raw,offset=OFFSET,size=SIZE,file.driver=file,file.filename=IMAGE -O qcow2 NEW`",
    )
}

/// How domain XML says that a layer is below a disk, which everybody may read or
/// not.
pub(super) fn declared(layer: &Layer, readable_by_all: bool) -> BackingLayer {
    BackingLayer {
        source: if layer.block {
            DiskSource::Block(layer.path.clone())
        } else {
            DiskSource::File(layer.path.clone())
        },
        format: layer.format,
        // Libvirt gives every layer to the user QEMU runs as, and the base
        // would be taken from its owner for good. Where everybody may read
        // it anyway, it is left alone.
        keep_owner: !layer.block && readable_by_all,
    }
}

/// Says which directories everybody can write to, of these and those above.
pub(super) fn open_dirs(dirs: impl Iterator<Item = PathBuf>) -> Vec<String> {
    // Many images are in few directories.
    let dirs: BTreeSet<PathBuf> = dirs.collect();
    let open: BTreeSet<PathBuf> = dirs
        .iter()
        .flat_map(|dir| image::open_to_all(dir))
        .collect();
    open.iter()
        .map(|dir| {
            format!(
                "Everybody can write to {0}, and put other disks in the place of these: \
                 `chmod o-w {0}`.",
                dir.display()
            )
        })
        .collect()
}

/// Where the layers of a chain really are.
pub(super) fn dirs_of(chain: &Chain) -> impl Iterator<Item = PathBuf> {
    let layers = chain.layers().iter();
    layers.filter_map(|layer| real(&layer.path).parent().map(Path::to_owned))
}

/// Refuses a disk whose XML and images disagree about what is below the top:
/// QEMU would follow the XML, qemu-img and everybody else the images.
fn declared_is_true(disk: &Disk, chain: &Chain, same: &dyn Fn(&Path, &Path) -> bool) -> Result<()> {
    if disk.declared.is_empty() && !disk.declared_whole {
        return Ok(());
    }
    let mut found = chain.backing().iter();
    for declared in &disk.declared {
        if let DiskSource::Network(network) = &declared.source {
            // Only the last declared layer can be the export that was allowed.
            let same = found.as_slice().is_empty()
                && network.export.as_ref().ok() == chain.export()
                && chain.export().is_some();
            if !same {
                let but = format!("names {} below it", declared.source);
                return Err(disagreement(disk, chain, &but));
            }
            return Ok(());
        }
        let (DiskSource::File(path) | DiskSource::Block(path)) = &declared.source else {
            return Ok(());
        };
        let is_it = found.next().is_some_and(|layer| same(&layer.path, path));
        if !is_it {
            return Err(disagreement(
                disk,
                chain,
                &format!("names {} below it", path.display()),
            ));
        }
    }
    if disk.declared_whole && (found.next().is_some() || chain.export().is_some()) {
        return Err(disagreement(disk, chain, "ends the chain earlier"));
    }
    Ok(())
}

fn disagreement(disk: &Disk, chain: &Chain, but: &str) -> Error {
    let top = chain.top().path.display();
    Error::new(
        Kind::Unsafe,
        format!(
            "disk {}: the header of {top} and the domain XML disagree: the XML {but}",
            disk.target
        ),
    )
    .hint(format!(
        "see what the image says: `qemu-img info -U --backing-chain {top}`, \
         and what the domain says: `virsh dumpxml --inactive`"
    ))
}

/// The error for an image that was not closed well.
pub(super) fn dirty(layer: &Layer) -> Error {
    Error::new(
        Kind::Unsafe,
        format!(
            "{} was not closed well (its dirty bit is set)",
            layer.path.display()
        ),
    )
    .hint(format!(
        "repair it: `qemu-img check -r all -f {} {}`",
        layer.format,
        layer.path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ExportOverlay, Overlay};
    use crate::model::{ImageFormat, NbdExport, NbdServer};

    const EXPORT: &str = "<backingStore type='network'><format type='raw'/><source protocol='nbd' \
                          name='a'><host name='h' port='1'/></source>END</backingStore>";

    fn export() -> NbdExport {
        let host = "h".to_owned();
        NbdExport::new(NbdServer::Tcp { host, port: 1 }, "a").unwrap()
    }

    /// A disk whose XML has this below its top image.
    fn disk(backing: &str) -> Disk {
        let backing = backing.replace("END", "<backingStore/>");
        let xml = format!(
            "<domain><name>d</name><devices><disk type='file'><driver type='qcow2'/>\
             <source file='/x'/>{backing}<target dev='vda'/></disk></devices></domain>"
        );
        let mut facts = crate::xml::domain::read(&xml).unwrap();
        facts.disks.remove(0)
    }

    fn on_export(dir: &Path) -> PathBuf {
        let path = dir.join("on-export");
        let spec = ExportOverlay {
            virtual_size: 1 << 20,
            export: &export(),
        };
        drop(spec.write(&path).unwrap());
        path
    }

    fn on_file(dir: &Path, name: &str, backing: &Path, backing_format: ImageFormat) -> PathBuf {
        let path = dir.join(name);
        let spec = Overlay {
            virtual_size: 1 << 20,
            backing,
            backing_format,
        };
        drop(image::write(&path, &spec).unwrap());
        path
    }

    fn refused(disk: &Disk, path: &Path) -> bool {
        match chain_of(disk, path, &Trust::default()) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unsafe, "{error}");
                true
            }
        }
    }

    #[test]
    fn an_export_has_to_be_declared_for_this_very_disk() {
        let dir = tempfile::tempdir().unwrap();
        let top = on_export(dir.path());
        let declared = disk(EXPORT);
        let chain = chain_of(&declared, &top, &Trust::default()).unwrap();
        assert_eq!(chain.export(), Some(&export()));
        for other in [
            "",
            "END",
            // Left open, of no or another format, another export, too deep.
            &EXPORT.replace("END", ""),
            &EXPORT.replace("<format type='raw'/>", ""),
            &EXPORT.replace("'raw'", "'qcow2'"),
            &EXPORT.replace("port='1'", "port='2'"),
            &EXPORT.replace("<source", "<source tls='yes'"),
            &format!(
                "<backingStore type='file'><format type='qcow2'/><source file='/y'/>{EXPORT}</backingStore>"
            ),
        ] {
            assert!(refused(&disk(other), &top), "{other}");
        }
    }

    #[test]
    fn an_export_has_to_be_where_the_header_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let below = on_export(dir.path());
        let top = on_file(dir.path(), "top", &below, ImageFormat::Qcow2);
        let raw = dir.path().join("raw");
        std::fs::write(&raw, [0; 512]).unwrap();
        let other = on_file(dir.path(), "other", &raw, ImageFormat::Raw);
        // The XML says: right below the top.
        assert!(refused(&disk(EXPORT), &top));
        assert!(refused(&disk(EXPORT), &other));
        let below = below.display();
        let true_chain = format!(
            "<backingStore type='file'><format type='qcow2'/><source file='{below}'/>{EXPORT}</backingStore>"
        );
        let chain = chain_of(&disk(&true_chain), &top, &Trust::default()).unwrap();
        assert_eq!(chain.layers().len(), 2);
        assert!(refused(&disk(&true_chain), &other));
    }
}
