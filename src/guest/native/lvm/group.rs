//! What the metadata of a volume group says.

use std::collections::{HashMap, HashSet};

use super::text::{Section, Value, parse};

/// Sizes in metadata are in sectors of this size.
const SECTOR: u64 = 512;

/// A volume group, as one copy of its metadata has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    /// Without dashes.
    pub(super) id: String,
    /// Which copy is the newest.
    pub(super) number: u64,
    pub(super) members: Vec<Member>,
    /// The logical volumes that are meant to be seen.
    pub(super) volumes: Vec<Volume>,
    /// Where it has but one member, and nothing but plain volumes.
    pub(super) plain: Option<Plain>,
}

/// How much of the only member of a group is taken. Sizes are in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plain {
    /// Where its first extent is.
    pub start: u64,
    /// The size of an extent.
    pub extent: u64,
    /// How many extents it has.
    pub extents: u64,
    /// How many of them are those of a logical volume.
    pub taken: u64,
}

/// A physical volume that a group is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    /// What it is called in the metadata, such as `pv0`.
    pub(super) name: String,
    /// Without dashes.
    pub(super) id: String,
    /// Where its first extent is, in bytes.
    start: u64,
    /// How many extents it has.
    extents: u64,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Volume {
    pub(super) name: String,
    /// Without dashes.
    pub(super) id: String,
    /// What it is made of, in its order; or why that cannot be read here.
    pub(super) layout: Result<Vec<Segment>, String>,
}

/// A part of a logical volume. All sizes are in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) len: u64,
    /// How much of it is on one member before it goes on on the next.
    pub(super) chunk: u64,
    /// Where it is; nowhere if it is zeros.
    pub(super) stripes: Vec<Stripe>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stripe {
    /// The number of the member.
    pub(super) member: usize,
    /// Where on it, in bytes.
    pub(super) offset: u64,
}

/// Ids are compared without the dashes that only the text has.
fn without_dashes(id: &str) -> String {
    id.chars().filter(|c| *c != '-').collect()
}

impl Group {
    /// Reads the metadata of a group; `None` if it cannot be understood.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let document = parse(text)?;
        let (name, group) = document.sections().next()?;
        let extent = group.number("extent_size")?.checked_mul(SECTOR)?;
        let mut members = Vec::new();
        for (name, member) in group.section("physical_volumes")?.sections() {
            members.push(Member {
                name: name.to_owned(),
                id: without_dashes(member.text("id")?),
                start: member.number("pe_start")?.checked_mul(SECTOR)?,
                extents: member.number("pe_count")?,
            });
        }
        let reader = Reader {
            extent,
            members: &members,
            numbers: members
                .iter()
                .enumerate()
                .map(|(number, member)| (member.name.as_str(), number))
                .collect(),
        };
        // A group without volumes has no such section.
        let all = group.section("logical_volumes");
        let count = all.map_or(0, |all| all.sections().count());
        let volumes: Vec<Volume> = all.map_or_else(Vec::new, |all| {
            let special = Special::of(all);
            all.sections()
                .filter(|(name, volume)| {
                    // LVM2 shows snapshots all the same.
                    volume.list_has("status", "VISIBLE") || special.snapshots.contains(name)
                })
                .map(|(name, volume)| Volume {
                    name: name.to_owned(),
                    id: without_dashes(volume.text("id").unwrap_or_default()),
                    layout: match special.reason(name) {
                        Some(reason) => Err(reason.to_owned()),
                        None => reader.segments(volume),
                    },
                })
                .collect()
        });
        let plain = match (members.as_slice(), volumes.len() == count) {
            ([member], true) => Plain::of(member, extent, &volumes),
            _ => None,
        };
        Some(Self {
            name: name.to_owned(),
            id: without_dashes(group.text("id")?),
            number: group.number("seqno")?,
            members,
            volumes,
            plain,
        })
    }
}

impl Plain {
    /// `None` if one of the volumes, which are all that the group has, is not plain.
    fn of(member: &Member, extent: u64, volumes: &[Volume]) -> Option<Self> {
        let mut taken = 0_u64;
        for volume in volumes {
            for segment in volume.layout.as_ref().ok()? {
                if !segment.stripes.is_empty() {
                    taken = taken.checked_add(segment.len.checked_div(extent)?)?;
                }
            }
        }
        (extent > 0).then_some(Self {
            start: member.start,
            extent,
            extents: member.extents,
            taken,
        })
    }
}

/// Volumes that look plain and are not: a snapshot of the old sort is listed
/// as the plain volume that holds what the origin had before it was changed,
/// beside a hidden one that says so.
struct Special<'a> {
    snapshots: HashSet<&'a str>,
    merging: HashSet<&'a str>,
}

impl<'a> Special<'a> {
    fn of(volumes: &'a Section<'_>) -> Self {
        let mut special = Self {
            snapshots: HashSet::new(),
            merging: HashSet::new(),
        };
        for (_, volume) in volumes.sections() {
            for (_, segment) in volume.sections() {
                special.snapshots.extend(segment.text("cow_store"));
                special.snapshots.extend(segment.text("merging_store"));
                if segment.text("merging_store").is_some() {
                    special.merging.extend(segment.text("origin"));
                }
            }
        }
        special
    }

    fn reason(&self, name: &str) -> Option<&'static str> {
        if self.snapshots.contains(name) {
            Some("it is a snapshot")
        } else if self.merging.contains(name) {
            Some("a snapshot is being merged into it")
        } else {
            None
        }
    }
}

struct Reader<'a> {
    /// The size of an extent, in bytes.
    extent: u64,
    members: &'a [Member],
    /// The number of each member, by its name.
    numbers: HashMap<&'a str, usize>,
}

impl Reader<'_> {
    fn bytes(&self, extents: u64) -> Result<u64, String> {
        let bytes = extents.checked_mul(self.extent);
        bytes.ok_or_else(|| "it is larger than anything can be".to_owned())
    }

    /// The segments of a volume, which have to follow each other.
    fn segments(&self, volume: &Section<'_>) -> Result<Vec<Segment>, String> {
        let mut parts: Vec<(u64, u64, &Section<'_>)> = Vec::new();
        for (_, segment) in volume.sections() {
            let place = segment
                .number("start_extent")
                .zip(segment.number("extent_count"));
            let (start, count) = place.ok_or("a part of it has no place")?;
            parts.push((start, count, segment));
        }
        parts.sort_by_key(|(start, ..)| *start);
        let mut segments = Vec::new();
        let mut next = 0_u64;
        for (start, count, segment) in parts {
            if start != next || count == 0 {
                return Err("its parts do not follow each other".to_owned());
            }
            next = start
                .checked_add(count)
                .ok_or("it is larger than anything can be")?;
            self.bytes(next)?;
            segments.push(self.segment(segment, count)?);
        }
        if segments.is_empty() {
            return Err("it has no parts".to_owned());
        }
        Ok(segments)
    }

    fn segment(&self, segment: &Section<'_>, extents: u64) -> Result<Segment, String> {
        let kind = segment.text("type").ok_or("a part of it has no type")?;
        let len = self.bytes(extents)?;
        match kind {
            "striped" | "linear" => {}
            "zero" => {
                let stripes = Vec::new();
                return Ok(Segment {
                    len,
                    chunk: len,
                    stripes,
                });
            }
            // Thin, cached, mirrored, RAID and what else there may be.
            other => return Err(format!("its type is '{other}'")),
        }
        let list = segment.list("stripes").ok_or("a part of it is nowhere")?;
        let count = list.len() as u64 / 2;
        let counted = segment.number("stripe_count") == Some(count) && list.len() % 2 == 0;
        if !counted || count == 0 || extents % count != 0 {
            return Err("a part of it is on an impossible number of members".to_owned());
        }
        let each = extents / count;
        let mut stripes = Vec::new();
        for pair in list.chunks_exact(2) {
            stripes.push(self.stripe(pair, each)?);
        }
        let chunk = match count {
            1 => len,
            _ => segment
                .number("stripe_size")
                .and_then(|sectors| sectors.checked_mul(SECTOR))
                .filter(|chunk| *chunk > 0 && (len / count) % chunk == 0)
                .ok_or("its stripes have an impossible size")?,
        };
        Ok(Segment {
            len,
            chunk,
            stripes,
        })
    }

    /// A name and a number: a member, and an extent on it.
    fn stripe(&self, pair: &[Value<'_>], extents: u64) -> Result<Stripe, String> {
        let [Value::Text(name), Value::Number(first)] = pair else {
            return Err("a part of it is at an impossible place".to_owned());
        };
        let known = self.numbers.get(name.as_ref()).copied();
        let Some((number, member)) = known.and_then(|n| Some((n, self.members.get(n)?))) else {
            // So it is while data is moved from one to another, too.
            return Err("a part of it is on another logical volume".to_owned());
        };
        let outside = || "a part of it is beyond the end of a physical volume".to_owned();
        let first = u64::try_from(*first).map_err(|_| outside())?;
        let end = first.checked_add(extents);
        if end.is_none_or(|end| end > member.extents) {
            return Err(outside());
        }
        let offset = member.start.checked_add(self.bytes(first)?);
        Ok(Stripe {
            member: number,
            offset: offset.ok_or_else(outside)?,
        })
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
