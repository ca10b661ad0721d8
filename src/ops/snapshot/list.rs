//! Which snapshots there are: what libvirt has on record, and what is in the
//! images.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::create::ImageOf;
use super::external::below_with;
use super::{Records, Subject, time, variables};
use crate::error::{Error, Kind, Result};
use crate::image::qcow2::Snapshot;
use crate::image::{self, shown};
use crate::model::{
    Chain, DiskTarget, Domain, ImageFormat, Kept, RecordedDisk, RecordedSnapshot, Size,
};
use crate::ops::guard::Allowed;
use crate::ops::images::{chain_of, path_of};
use crate::ops::read_guard::format_of;
use crate::ops::{Host, Usage};
use crate::xml::domain;

/// The snapshots of a domain, or of an image.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotList {
    /// The domain; `None` for an image by its path.
    pub domain: Option<String>,
    /// Parents before their children, else in the order in which they were made.
    pub snapshots: Vec<ListedSnapshot>,
}

/// A snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct ListedSnapshot {
    /// Its name. What is in it and no text is replaced.
    pub name: String,
    /// How far down it is in the tree.
    pub depth: usize,
    /// The one that it was made after.
    pub parent: Option<String>,
    /// Whether the next one is made after this.
    pub current: bool,
    /// Whether libvirt has it on record.
    pub recorded: bool,
    /// Where it is; `None` if some is here and some there.
    pub place: Option<Kept>,
    /// The state of the guest when it was made, in libvirt's words.
    pub state: Option<String>,
    /// Where the memory of the guest is, if it is part of it.
    pub memory: Kept,
    /// When it was made.
    pub created: Option<String>,
    /// What somebody had to say about it.
    pub description: Option<String>,
    /// The images that it is in.
    pub images: Vec<ListedImage>,
    /// Of an external one: the overlays in which the guest went on.
    pub overlays: Vec<ImageOf>,
    /// The disks that it ought to be in, and is not.
    pub missing: Vec<String>,
    /// Those of them that have it in an image below, with external ones made since.
    #[serde(skip)]
    pub below: Vec<String>,
    /// The copy of the UEFI variables that belongs to it.
    pub variables: Option<PathBuf>,
}

impl ListedSnapshot {
    /// What deleting it would give back on the host; `None` if that is not
    /// known.
    pub fn space(&self) -> Option<Size> {
        if self.images.is_empty() {
            return None;
        }
        let sizes = self.images.iter().map(|image| image.space);
        sizes.sum::<Option<u64>>().map(Size)
    }

    /// The images that have several of its name.
    pub fn repeated(&self) -> Vec<String> {
        let mut repeated = Vec::new();
        for (index, image) in self.images.iter().enumerate() {
            let mut before = self.images.iter().take(index);
            let label = label(image.target.as_ref(), &image.path);
            if before.any(|other| other.path == image.path) && !repeated.contains(&label) {
                repeated.push(label);
            }
        }
        repeated
    }

    /// How much of the guest's memory it holds in images.
    pub fn memory_bytes(&self) -> u64 {
        let sizes = self.images.iter().map(|image| image.memory_bytes);
        sizes.fold(0, u64::saturating_add)
    }
}

/// A snapshot in one image.
#[derive(Clone, Debug, Serialize)]
pub struct ListedImage {
    /// Its name in the domain; `None` for UEFI variables, and for an image by
    /// its path.
    pub target: Option<DiskTarget>,
    /// Where the image is.
    pub path: PathBuf,
    /// The id that the snapshot has in it.
    pub id: String,
    /// When it was made, by what the image says.
    pub created: Option<String>,
    /// How much of the guest's memory it holds, in bytes.
    pub memory_bytes: u64,
    /// The size of the disk then, in bytes.
    pub disk_size: u64,
    /// What deleting it would give back on the host, in bytes; `None` if that
    /// would take too long to find out.
    pub space: Option<u64>,
}

/// An image and the snapshots in it.
struct Table {
    target: Option<DiskTarget>,
    path: PathBuf,
    chain: Chain,
    tags: Vec<Snapshot>,
    space: Vec<Option<u64>>,
}

/// Lists the snapshots. The domain may be running.
///
/// # Errors
///
/// [`Kind::Unsafe`] if the table of an image is damaged, or its chain cannot be
/// trusted; [`Kind::Usage`] if nobody says which format an image has.
pub fn list(host: Host<'_>, subject: &Subject, allow_dirs: &[PathBuf]) -> Result<SnapshotList> {
    host.must_be_here()?;
    let allow = Allowed {
        dirs: allow_dirs,
        damaged: false,
    };
    match subject {
        Subject::Domain(domain) => of_domain(host, domain, allow),
        Subject::Image { path, format } => {
            let usage = Usage::read_allowing(host.hypervisor, allow_dirs)?;
            let format = format_of(&usage, path, *format)?;
            let chain = image::resolve(path, format, &allow.trust(host, &[])?)?;
            if format != ImageFormat::Qcow2 {
                return Err(Error::new(
                    Kind::WrongState,
                    format!(
                        "{} is in the format {format}, and only qcow2 images have snapshots",
                        shown(path)
                    ),
                ));
            }
            let table = Table::read(None, chain)?;
            let tags = (0..table.tags.len()).filter_map(|index| table.alone(index));
            Ok(SnapshotList {
                domain: None,
                snapshots: tags.collect(),
            })
        }
    }
}

/// Shows one snapshot: the first of this name, or of an image the one with this
/// id.
///
/// # Errors
///
/// Those of [`list`]; [`Kind::NotFound`] if there is no such snapshot.
pub fn show(
    host: Host<'_>,
    subject: &Subject,
    name: &str,
    allow_dirs: &[PathBuf],
) -> Result<ListedSnapshot> {
    let all = list(host, subject, allow_dirs)?.snapshots;
    let by_id = |one: &&ListedSnapshot| {
        let image = matches!(subject, Subject::Image { .. });
        image && one.images.iter().any(|image| image.id == name)
    };
    let found = all.iter().find(|one| one.name == name);
    found
        .or_else(|| all.iter().find(by_id))
        .cloned()
        .ok_or_else(|| subject.no_snapshot(name))
}

fn of_domain(host: Host<'_>, domain: &Domain, allow: Allowed<'_>) -> Result<SnapshotList> {
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    let records = Records::read(host, domain)?;
    let trust = allow.trust(host, &facts.disks)?;
    let mut tables = Vec::new();
    for disk in facts.disks.iter().filter(|disk| disk.is_private()) {
        if disk.format != ImageFormat::Qcow2 {
            continue;
        }
        if let Some(path) = path_of(host.hypervisor, &disk.source)? {
            let chain = chain_of(disk, &path, &trust)?;
            tables.push(Table::read(Some(disk.target.clone()), chain)?);
        }
    }
    let nvram = facts.nvram.as_ref();
    let file = nvram.and_then(|nvram| Some((nvram.path.as_deref()?, nvram.format)));
    let file = file.filter(|(path, _)| path.exists());
    if let Some((path, ImageFormat::Qcow2)) = file {
        let chain = image::resolve(path, ImageFormat::Qcow2, &trust)?;
        tables.push(Table::read(None, chain)?);
    }
    let mut snapshots: Vec<ListedSnapshot> = Vec::new();
    for record in &records.all {
        let mut one = recorded(record, &records, &tables);
        one.below = below(host, domain, &one, &tables)?;
        snapshots.push(one);
    }
    // What libvirt does not know was made by `qemu-img`, or is left of one.
    for table in &tables {
        for (index, tag) in table.tags.iter().enumerate() {
            let name = text(&tag.name);
            match snapshots.iter_mut().find(|one| one.name == name) {
                Some(known) if known.recorded => {}
                Some(known) => known.images.extend(table.image(index)),
                None => snapshots.extend(table.alone(index)),
            }
        }
    }
    for one in snapshots.iter_mut().filter(|one| !one.recorded) {
        let lacking = tables.iter().filter(|table| {
            let mut images = one.images.iter();
            !images.any(|image| image.path == table.path)
        });
        one.missing = lacking.map(Table::label).collect();
    }
    if let Some((path, _)) = file {
        // Where the link leads to that the name may be.
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        for one in &mut snapshots {
            let copy = variables::copy_for(&real, &one.name);
            one.variables = copy.exists().then_some(copy);
        }
    }
    Ok(SnapshotList {
        domain: Some(domain.name.clone()),
        snapshots,
    })
}

fn recorded(record: &RecordedSnapshot, records: &Records, tables: &[Table]) -> ListedSnapshot {
    let mut images = Vec::new();
    let mut missing = Vec::new();
    for disk in record
        .disks
        .iter()
        .filter(|disk| disk.kept == Kept::Internal)
    {
        let table = tables.iter().find(|table| {
            let target = table.target.as_ref();
            target.is_some_and(|target| target.as_str() == disk.target)
        });
        let named = table.map_or_else(Vec::new, |table| table.named(&record.name));
        if named.is_empty() {
            missing.push(disk.target.clone());
        }
        images.extend(named);
    }
    if record.place() == Some(Kept::Internal) {
        let nvram = tables.iter().filter(|table| table.target.is_none());
        images.extend(nvram.flat_map(|table| table.named(&record.name)));
    }
    ListedSnapshot {
        name: record.name.clone(),
        depth: depth(record, records),
        parent: record.parent.clone(),
        current: records.current.as_deref() == Some(&record.name),
        recorded: true,
        place: record.place(),
        state: Some(record.state.clone()),
        memory: record.memory,
        created: time(record.created),
        description: record.description.clone(),
        images,
        overlays: record.disks.iter().filter_map(overlay).collect(),
        missing,
        below: Vec::new(),
        variables: None,
    }
}

/// The disks that a snapshot is missing in because external ones were made since.
fn below(
    host: Host<'_>,
    domain: &Domain,
    one: &ListedSnapshot,
    tables: &[Table],
) -> Result<Vec<String>> {
    let mut below = Vec::new();
    for table in tables {
        let label = table.label();
        if one.missing.contains(&label)
            && below_with(host, domain, &table.chain, &one.name)?.is_some()
        {
            below.push(label);
        }
    }
    Ok(below)
}

fn overlay(disk: &RecordedDisk) -> Option<ImageOf> {
    let path = disk.overlay.as_ref();
    let path = path.filter(|_| disk.kept == Kept::External)?;
    Some(ImageOf {
        target: disk.target.parse().ok(),
        path: path.clone(),
    })
}

fn depth(record: &RecordedSnapshot, records: &Records) -> usize {
    let mut depth: usize = 0;
    let mut parent = record.parent.as_deref();
    // Whatever libvirt says: no tree is deeper than it has nodes.
    while let Some(above) = parent.and_then(|name| records.named(name)) {
        depth = depth.saturating_add(1);
        if depth >= records.all.len() {
            break;
        }
        parent = above.parent.as_deref();
    }
    depth
}

impl Table {
    fn read(target: Option<DiskTarget>, chain: Chain) -> Result<Self> {
        let (tags, space) = image::snapshot::table_with_space(chain.top())?;
        Ok(Self {
            target,
            path: chain.top().path.clone(),
            chain,
            tags,
            space,
        })
    }

    fn label(&self) -> String {
        label(self.target.as_ref(), &self.path)
    }

    /// All of this name: `qemu-img` makes a second one without a word.
    fn named(&self, name: &str) -> Vec<ListedImage> {
        let tags = self.tags.iter().enumerate();
        let named = tags.filter(|(_, tag)| tag.name == name.as_bytes());
        named.filter_map(|(index, _)| self.image(index)).collect()
    }

    fn image(&self, index: usize) -> Option<ListedImage> {
        let tag = self.tags.get(index)?;
        Some(ListedImage {
            target: self.target.clone(),
            path: self.path.clone(),
            id: text(&tag.id),
            created: time(i64::from(tag.seconds)),
            memory_bytes: tag.vm_state_size,
            disk_size: tag.disk_size,
            space: self.space.get(index).copied().flatten(),
        })
    }

    /// A snapshot of which no more is known than what this image says.
    fn alone(&self, index: usize) -> Option<ListedSnapshot> {
        let image = self.image(index)?;
        let tag = self.tags.get(index)?;
        let memory = if tag.vm_state_size == 0 {
            Kept::No
        } else {
            Kept::Internal
        };
        Some(ListedSnapshot {
            name: text(&tag.name),
            depth: 0,
            parent: None,
            current: false,
            recorded: false,
            place: Some(Kept::Internal),
            state: None,
            memory,
            created: image.created.clone(),
            description: None,
            images: vec![image],
            overlays: Vec::new(),
            missing: Vec::new(),
            below: Vec::new(),
            variables: None,
        })
    }
}

/// What an image is called in remarks.
fn label(target: Option<&DiskTarget>, path: &Path) -> String {
    match target {
        Some(target) => target.to_string(),
        None => shown(path).to_string(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
