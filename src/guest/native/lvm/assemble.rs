//! Which physical volumes make up which group.

use std::sync::Arc;

use super::super::Blocks;
use super::group::{Group, Plain, Segment, Volume};
use super::label::Label;
use super::volume::Mapped;
use crate::error::{Error, Kind, Result};
use crate::image::ShownBytes;

/// A volume that holds a physical volume of LVM2, and what it is called.
pub type Member = (String, Arc<dyn Blocks>);

/// What was found on physical volumes.
#[derive(Debug, Default)]
pub struct Assembled {
    /// The volume groups, by name.
    pub groups: Vec<VolumeGroup>,
    /// What is wrong with physical volumes, by their names.
    pub problems: Vec<(String, Error)>,
}

/// A volume group.
#[derive(Debug)]
pub struct VolumeGroup {
    /// Its name. Two groups on the disks of a guest may have the same.
    pub name: String,
    /// Its id, without dashes.
    pub id: String,
    /// The volumes that it is on, by the names they were given.
    pub members: Vec<String>,
    /// Its logical volumes, without those that LVM2 keeps for itself.
    pub volumes: Vec<LogicalVolume>,
    /// Where it has but one member, and nothing but plain volumes: how much of that
    /// is taken.
    pub plain: Option<Plain>,
}

/// A logical volume.
pub struct LogicalVolume {
    /// Its name in the group.
    pub name: String,
    /// Its id, without dashes.
    pub id: String,
    /// The names of the volumes that it is on.
    pub on: Vec<String>,
    content: std::result::Result<Arc<dyn Blocks>, Refused>,
}

/// Why a logical volume cannot be read here.
struct Refused {
    kind: Kind,
    why: String,
}

impl LogicalVolume {
    /// What is in it.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it is of a type that takes LVM2 itself to read
    /// (see [`LogicalVolume::needs_lvm`]), [`Kind::NotFound`] if a physical
    /// volume is missing, [`Kind::Unsafe`] if one is there twice or too small.
    pub fn blocks(&self) -> Result<Arc<dyn Blocks>> {
        match &self.content {
            Ok(blocks) => Ok(Arc::clone(blocks)),
            Err(refused) => Err(Error::new(
                refused.kind,
                format_args!(
                    "logical volume '{}' cannot be read here: {}",
                    ShownBytes(self.name.as_bytes()),
                    ShownBytes(refused.why.as_bytes())
                ),
            )),
        }
    }

    /// Whether LVM2 itself could read it: nothing is wrong with it, it is of a
    /// type that is not read here.
    pub fn needs_lvm(&self) -> bool {
        matches!(&self.content, Err(refused) if refused.kind == Kind::WrongState)
    }
}

impl std::fmt::Debug for LogicalVolume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = self.content.as_ref().err().map(|refused| &refused.why);
        f.debug_struct("LogicalVolume")
            .field("name", &self.name)
            .field("on", &self.on)
            .field("refused", &why)
            .finish_non_exhaustive()
    }
}

/// A physical volume with a label.
struct Labelled<'a> {
    name: &'a str,
    blocks: &'a Arc<dyn Blocks>,
    id: String,
}

/// Puts together the volume groups that are on physical volumes.
///
/// What is wrong with one is told, and does not keep the others from being
/// used. Of several copies of the metadata of a group the newest counts.
pub fn assemble(volumes: &[Member]) -> Assembled {
    let mut found = Assembled::default();
    let mut labelled = Vec::new();
    let mut newest: Vec<Group> = Vec::new();
    for (name, blocks) in volumes {
        match examine(blocks.as_ref()) {
            Ok((label, groups)) => {
                labelled.push(Labelled {
                    name,
                    blocks,
                    id: label.id,
                });
                groups
                    .into_iter()
                    .for_each(|group| keep(&mut newest, group));
            }
            Err(error) => found.problems.push((name.clone(), error)),
        }
    }
    newest.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    found.groups = newest
        .into_iter()
        .map(|group| put_together(group, &labelled))
        .collect();
    found
}

/// Reads the label of one, and the groups that its metadata is about: one, or
/// none if it is in no group or the metadata is on other members.
fn examine(volume: &dyn Blocks) -> Result<(Label, Vec<Group>)> {
    let damaged = |what| Error::new(Kind::Unsafe, what);
    let label = Label::read(volume)?
        .ok_or_else(|| damaged("the label of the physical volume is damaged"))?;
    let texts = label.texts(volume)?;
    if texts.is_empty() {
        return Ok((label, Vec::new()));
    }
    let groups: Vec<Group> = texts.iter().filter_map(|text| Group::read(text)).collect();
    if groups.is_empty() && label.has_areas() {
        return Err(damaged("the metadata of the volume group is damaged"));
    }
    Ok((label, groups))
}

fn keep(newest: &mut Vec<Group>, group: Group) {
    match newest.iter_mut().find(|known| known.id == group.id) {
        Some(known) if known.number < group.number => *known = group,
        Some(_) => {}
        None => newest.push(group),
    }
}

fn put_together(group: Group, labelled: &[Labelled<'_>]) -> VolumeGroup {
    // For each member in the metadata, those volumes that say to be it.
    let members: Vec<Vec<&Labelled<'_>>> = group
        .members
        .iter()
        .map(|member| labelled.iter().filter(|l| l.id == member.id).collect())
        .collect();
    let volumes = group
        .volumes
        .into_iter()
        .map(|volume| logical_volume(volume, &members))
        .collect();
    VolumeGroup {
        name: group.name,
        id: group.id,
        members: members
            .iter()
            .flatten()
            .map(|labelled| labelled.name.to_owned())
            .collect(),
        volumes,
        plain: group.plain,
    }
}

fn logical_volume(volume: Volume, members: &[Vec<&Labelled<'_>>]) -> LogicalVolume {
    let mut on = Vec::new();
    let wrong_state = |why| Refused {
        kind: Kind::WrongState,
        why,
    };
    let content = volume
        .layout
        .map_err(wrong_state)
        .and_then(|segments| connect(segments, members, &mut on));
    LogicalVolume {
        name: volume.name,
        id: volume.id,
        on,
        content,
    }
}

/// Finds the volumes for the stripes of all segments.
fn connect(
    segments: Vec<Segment>,
    members: &[Vec<&Labelled<'_>>],
    on: &mut Vec<String>,
) -> std::result::Result<Arc<dyn Blocks>, Refused> {
    let mut mapped = Vec::new();
    for segment in segments {
        let mut blocks = Vec::new();
        let each = segment.len / (segment.stripes.len() as u64).max(1);
        for stripe in &segment.stripes {
            let there = members.get(stripe.member).map(Vec::as_slice);
            let member = match there.unwrap_or_default() {
                [one] => one,
                [] => {
                    return Err(Refused {
                        kind: Kind::NotFound,
                        why: "a physical volume of its group is missing".to_owned(),
                    });
                }
                [a, b, ..] => {
                    return Err(Refused {
                        kind: Kind::Unsafe,
                        why: format!("{} and {} are the same physical volume", a.name, b.name),
                    });
                }
            };
            let end = stripe.offset.checked_add(each);
            if end.is_none_or(|end| end > member.blocks.len()) {
                return Err(Refused {
                    kind: Kind::Unsafe,
                    why: format!("it goes on beyond the end of {}", member.name),
                });
            }
            if !on.iter().any(|name| name == member.name) {
                on.push(member.name.to_owned());
            }
            blocks.push(Arc::clone(member.blocks));
        }
        mapped.push((segment, blocks));
    }
    Ok(Arc::new(Mapped::new(mapped)))
}
