//! What there is to be done, and whether it can be: nothing is changed here.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::make::is_native;
use super::{BuildRequest, Built, BuiltVolume, DiskSize, Target, Workshop};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::Writer;
use crate::guest::build::{Item, ItemKind, Owners, Source};
use crate::image::{self, FatSpec, IsoSpec, shown};
use crate::model::human_bytes;
use crate::model::layout::{Content, FsType, Holds, Layout, Needed, Placed};
use crate::ops::new_image::free_path;

/// What a file takes at least, and its length is rounded up to, in bytes.
const BLOCK: u64 = 4096;

/// The longest file that FAT can hold, in bytes.
const LONGEST_ON_FAT: u64 = (4 << 30) - 1;

/// What is to be done.
pub struct Plan {
    /// The image, by its absolute path.
    pub(super) out: PathBuf,
    /// What is put into it.
    pub(super) source: Source,
    /// Whose that is.
    pub(super) owners: Owners,
    /// What sort of image it is.
    pub(super) target: Target,
    /// Where everything is on a disk.
    pub(super) placed: Option<Placed>,
    /// How many bytes the files have.
    pub(super) bytes: u64,
    files: u64,
    left_out: Vec<String>,
    engine: &'static str,
}

impl Plan {
    /// Reads the source through, and finds out whether there is room for it.
    ///
    /// # Errors
    ///
    /// [`Kind::Exists`] if there is something at the path of the image;
    /// [`Kind::Usage`] if the layout makes no sense, or is too small, with how much
    /// it takes; [`Kind::WrongState`] if a file system cannot hold what is to be in
    /// it; [`Kind::Environment`] if a program is missing; [`Kind::Storage`] if there
    /// is no room for the image; those of [`Source::each`].
    pub fn new(workshop: Workshop<'_>, request: &BuildRequest) -> Result<Self> {
        let out = free_path(&request.out)?;
        let mut target = request.target.clone();
        if let Target::Disk { layout, .. } = &mut target {
            settle(layout, &request.source)?;
        }
        if let Source::Dir(dir) = &request.source {
            must_not_be_in(&out, dir)?;
        }
        let engine = engine(&target)?;
        let mut survey = Survey::of(&target);
        let left_out =
            request
                .source
                .each(request.owners, workshop.interrupt, &mut |item, _| {
                    survey.take(item)
                })?;
        let placed = match &target {
            Target::Disk { layout, size, .. } => Some(place(layout, *size, &survey.contents)?),
            Target::Floppy { .. } => {
                survey.must_fit(FatSpec::FLOPPY)?;
                None
            }
            Target::Iso { .. } => None,
        };
        let all = survey.contents.iter().map(|content| content.bytes);
        let all = all.fold(0_u64, u64::saturating_add);
        image::must_have_room_for(&out, all.saturating_add(8 << 20))?;
        Ok(Self {
            out,
            source: request.source.clone(),
            owners: request.owners,
            target,
            placed,
            bytes: survey.bytes,
            files: survey.files,
            left_out,
            engine,
        })
    }

    /// What would be made.
    pub fn outcome(&self) -> Built {
        let (format, table, volumes) = match &self.target {
            Target::Disk { layout, format, .. } => {
                let rooms = layout.parts.iter().map(|part| part.room);
                let rooms = rooms.chain(layout.volumes.iter().map(|volume| volume.room));
                let volumes = layout.places().into_iter().zip(rooms);
                let volumes =
                    volumes.map(|(place, room)| BuiltVolume::new(place.device, room, place.holds));
                (format.as_str(), layout.table, volumes.collect())
            }
            Target::Iso { .. } => ("iso", None, Vec::new()),
            Target::Floppy { .. } => ("raw", None, Vec::new()),
        };
        Built {
            path: self.out.clone(),
            format,
            size: match &self.target {
                Target::Floppy { .. } => Some(FatSpec::FLOPPY),
                _ => self.placed.as_ref().map(|placed| placed.size),
            },
            engine: self.engine,
            files: self.files,
            bytes: self.bytes,
            table,
            volumes,
            left_out: self.left_out.clone(),
            made: false,
        }
    }
}

/// Who makes it; and whether they are there.
fn engine(target: &Target) -> Result<&'static str> {
    match target {
        Target::Floppy { .. } => Ok("vmkin"),
        Target::Iso { label } => IsoSpec {
            from: Path::new(""),
            label: label.as_deref(),
            roots: false,
        }
        .maker(),
        Target::Disk { layout, format, .. } if is_native(layout, *format) => Ok("vmkin"),
        Target::Disk { .. } => {
            Writer::must_be_installed()?;
            Ok("libguestfs")
        }
    }
}

fn must_not_be_in(out: &Path, dir: &Path) -> Result<()> {
    let real = |path: &Path| {
        std::fs::canonicalize(path)
            .map_err(|error| Error::io(format!("cannot read {}", shown(path)), error))
    };
    let into = real(out.parent().unwrap_or(Path::new("/")))?;
    if !into.starts_with(real(dir)?) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Usage,
        format!(
            "{} would be in {}, and so a part of itself",
            shown(out),
            shown(dir)
        ),
    )
    .hint("put the image into another directory"))
}

/// Says which file system the source goes into, where there is only one.
fn settle(layout: &mut Layout, source: &Source) -> Result<()> {
    let wrong = |why: String| Error::new(Kind::Usage, why);
    if *source != Source::Nothing {
        let parts = layout.parts.iter_mut().map(|part| &mut part.holds);
        let volumes = layout.volumes.iter_mut().map(|volume| &mut volume.holds);
        let mut dirs: Vec<&mut Option<String>> = parts
            .chain(volumes)
            .filter_map(|holds| match holds {
                Holds::Files { dir, .. } => Some(dir),
                _ => None,
            })
            .collect();
        let any = dirs.iter().any(|dir| dir.is_some());
        match dirs.as_mut_slice() {
            [] => {
                return Err(wrong(
                    "nothing can be put into the image: it has no file system".to_owned(),
                )
                .hint("leave `--from` out, or add a file system: `--part rest:ext4:/`"));
            }
            [only] if !any => **only = Some("/".to_owned()),
            _ if !any => {
                return Err(wrong(
                    "it does not say which file system the source goes into".to_owned(),
                )
                .hint("name the directory of each: `--part 1G:ext4:/boot --part rest:ext4:/`"));
            }
            _ => {}
        }
    }
    layout.check().map_err(wrong)
}

fn place(layout: &Layout, size: DiskSize, contents: &[Content]) -> Result<Placed> {
    let bytes = match size {
        // Whole sectors, so that no program sees less than another.
        DiskSize::Exactly(bytes) => bytes.checked_next_multiple_of(512).unwrap_or(bytes),
        DiskSize::Estimated(more) => {
            let estimate = layout.estimate(contents).saturating_add(more);
            estimate
                .checked_next_multiple_of(1 << 20)
                .unwrap_or(estimate)
        }
    };
    if bytes > i64::MAX.unsigned_abs() {
        return Err(Error::new(Kind::Usage, "a disk cannot be that large"));
    }
    let placed = layout
        .place(bytes, contents)
        .map_err(|needed| too_small(&needed))?;
    for (part, span) in layout.parts.iter().zip(&placed.parts) {
        if let Holds::Files { kind, .. } = part.holds {
            if span.len < smallest(kind) {
                return Err(too_small(&Needed {
                    what: format!("the file system ({kind})"),
                    has: span.len,
                    needs: kind.smallest(),
                }));
            }
        }
    }
    Ok(placed)
}

/// What its `mkfs` refuses to be smaller than.
fn smallest(kind: FsType) -> u64 {
    match kind {
        FsType::Xfs => 300 << 20,
        FsType::Btrfs => 110 << 20,
        FsType::Ext2 | FsType::Ext3 | FsType::Ext4 | FsType::Vfat => 64 << 10,
        FsType::Ntfs => 1 << 20,
    }
}

fn too_small(needed: &Needed) -> Error {
    // Rounded up: who types it back must have enough.
    let mib = needed.needs.div_ceil(1 << 20);
    Error::new(
        Kind::Usage,
        format!(
            "{} is too small: it has {}, and needs about {}",
            needed.what,
            human_bytes(needed.has),
            human_bytes(mib.saturating_mul(1 << 20))
        ),
    )
    .hint(format!(
        "take {mib}M at least, or leave the size out to have it worked out"
    ))
}

/// What goes where.
struct Survey {
    /// The directories of the file systems, each with its number in the layout and
    /// which it is; the innermost first.
    dirs: Vec<(Vec<u8>, usize, FsType)>,
    /// What goes into each.
    contents: Vec<Content>,
    files: u64,
    bytes: u64,
    /// What is on FAT, in lower case.
    names: HashSet<Vec<u8>>,
}

impl Survey {
    fn of(target: &Target) -> Self {
        let mut dirs = Vec::new();
        let mut count = 1;
        match target {
            Target::Disk { layout, .. } => {
                let places = layout.places();
                count = places.len();
                for (index, place) in places.iter().enumerate() {
                    if let Holds::Files {
                        kind,
                        dir: Some(dir),
                        ..
                    } = place.holds
                    {
                        dirs.push((dir.clone().into_bytes(), index, *kind));
                    }
                }
            }
            Target::Floppy { .. } => dirs.push((b"/".to_vec(), 0, FsType::Vfat)),
            // Rock Ridge has all that ext4 has, as far as it matters here.
            Target::Iso { .. } => dirs.push((b"/".to_vec(), 0, FsType::Ext4)),
        }
        dirs.sort_by_key(|(dir, ..)| std::cmp::Reverse(dir.len()));
        Self {
            dirs,
            contents: vec![Content::default(); count],
            files: 0,
            bytes: 0,
            names: HashSet::new(),
        }
    }

    fn take(&mut self, item: &Item) -> Result<()> {
        let within = |dir: &[u8]| {
            let rest = item
                .path
                .strip_prefix(dir.strip_suffix(b"/").unwrap_or(dir));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let found = self.dirs.iter().find(|(dir, ..)| within(dir));
        let Some((_, index, kind)) = found else {
            return Err(Error::new(
                Kind::Usage,
                format!(
                    "'{}' of the source has no file system to go into",
                    image::ShownBytes(&item.path)
                ),
            )
            .hint("add one for the root: `--part rest:ext4:/`"));
        };
        let (index, kind) = (*index, *kind);
        if !kind.is_unix() {
            self.must_be_held(item, kind)?;
        }
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(item.size());
        if let Some(content) = self.contents.get_mut(index) {
            let blocks = item.size().checked_next_multiple_of(BLOCK);
            let own = match item.kind {
                ItemKind::Directory => BLOCK,
                _ => blocks.unwrap_or(u64::MAX),
            };
            content.bytes = content.bytes.saturating_add(own);
            content.files = content.files.saturating_add(1);
        }
        Ok(())
    }

    /// FAT and NTFS, as they are made here, hold files and directories.
    fn must_be_held(&mut self, item: &Item, kind: FsType) -> Result<()> {
        let what = match &item.kind {
            ItemKind::Directory => None,
            ItemKind::File(size) if kind == FsType::Vfat && *size > LONGEST_ON_FAT => {
                Some("is longer than 4 GiB")
            }
            ItemKind::File(_) => None,
            ItemKind::Link(_) => Some("is a symbolic link"),
            ItemKind::Name(_) => Some("is another name of a file"),
            ItemKind::Char(..) | ItemKind::Block(..) => Some("is a device"),
            ItemKind::Pipe => Some("is a named pipe"),
        };
        let what = what.or_else(|| {
            if kind != FsType::Vfat || item.path == b"/" {
                return None;
            }
            let lower = String::from_utf8_lossy(&item.path).to_lowercase();
            let new = self.names.insert(lower.into_bytes());
            (!new && item.kind != ItemKind::Directory)
                .then_some("has the name of another, but for large and small letters")
        });
        let Some(what) = what else {
            return Ok(());
        };
        Err(Error::new(
            Kind::WrongState,
            format!(
                "'{}' {what}, which {kind} cannot hold",
                image::ShownBytes(&item.path)
            ),
        )
        .hint("take a file system of Linux: `--type ext4`"))
    }

    fn must_fit(&self, has: u64) -> Result<()> {
        if self.bytes <= has {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            format!(
                "a floppy is too small: it holds {}, and what is to be on it has {}",
                human_bytes(has),
                human_bytes(self.bytes)
            ),
        )
        .hint("make a disk: `--type vfat` in place of `--floppy`"))
    }
}
