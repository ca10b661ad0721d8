//! What the guest mounts, and whether it is there.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;
use crate::guest::fstab::{Entry, Source, entries};
use crate::guest::native::Content;
use crate::guest::native::fs::{FileKind, FsKind};
use crate::guest::system::Part;

const FSTAB: &str = "/etc/fstab";

pub(super) fn look(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let Some(text) = here.text(FSTAB)? else {
        check.not_applicable("there is none");
        return Ok(());
    };
    let mut at: Vec<String> = Vec::new();
    let mut count = 0_usize;
    for (number, entry) in entries(&text) {
        count = count.saturating_add(1);
        let entry = match entry {
            Ok(entry) => entry,
            Err(why) => {
                check.problem(format!("line {number} {why}"), here.edit(FSTAB));
                continue;
            }
        };
        one(here, check, number, &entry)?;
        let is_place = entry.at.starts_with('/') && !entry.has("noauto");
        if is_place && at.contains(&entry.at) {
            check.warning(
                format!(
                    "line {number}: something is mounted at {} already",
                    entry.at
                ),
                here.edit(FSTAB),
            );
        }
        at.push(entry.at);
    }
    check.fine(format!("lines that count: {count}"));
    Ok(())
}

fn one(here: &InTree<'_>, check: &mut Check, number: usize, entry: &Entry) -> Result<()> {
    let swap = entry.kind == "swap";
    if !swap && entry.at != "none" && !entry.at.starts_with('/') {
        let what = format!("line {number}: '{}' is no absolute directory", entry.at);
        check.problem(what, here.edit(FSTAB));
        return Ok(());
    }
    if let Some(source) = entry.source.as_ref().filter(|_| !entry.is_elsewhere()) {
        device(here, check, number, entry, source);
    }
    if swap || !entry.at.starts_with('/') || entry.at == "/" {
        return Ok(());
    }
    match here.stat(&entry.at)?.map(|stat| stat.kind) {
        Some(FileKind::Directory) => {}
        // systemd makes what is missing, if the file system can be written to.
        None => check.warning(
            format!("line {number}: the directory {} is not there", entry.at),
            here.command(
                "mkdir",
                &format!("-p {}", crate::image::shell_word(entry.at.as_bytes())),
            ),
        ),
        // A file can be mounted on a file.
        Some(_) if entry.has("bind") || entry.has("rbind") => {}
        Some(kind) => check.problem(
            format!(
                "line {number}: {} is {}, and must be a directory",
                entry.at,
                kind.described()
            ),
            here.edit(FSTAB),
        ),
    }
    Ok(())
}

fn device(here: &InTree<'_>, check: &mut Check, number: usize, entry: &Entry, source: &Source) {
    let system = &here.patient.guest.system;
    let optional = entry.has("nofail") || entry.has("noauto");
    let swap = entry.kind == "swap";
    let found = match swap {
        true => system
            .swap_by_source(source)
            .or_else(|| by_partition(here, source)),
        false => system.by_source(source),
    };
    let Some(part) = found else {
        // What is encrypted, or on a RAID, has names of its own.
        if system.takes_kernel() || hides(here) {
            check.unknown(format!(
                "line {number}: whether {} is there: not all volumes can be read",
                entry.text
            ));
            return;
        }
        // Drives for CDs and floppies, and what is made by a program.
        let removable = ["/dev/sr", "/dev/cdrom", "/dev/fd", "/dev/zram", "/dev/loop"];
        if removable
            .iter()
            .any(|prefix| entry.text.starts_with(prefix))
        {
            return;
        }
        let what = format!("line {number}: {} is on no disk", entry.text);
        match (optional, swap) {
            (true, _) => check.fine(format!("{what}, and may be missing")),
            // It is waited for, for a minute and a half.
            (false, true) => check.warning(
                format!("{what}; the guest waits for it as it boots"),
                here.edit(FSTAB),
            ),
            (false, false) => check.problem(
                format!("{what}, and has no `nofail`: the guest stops in emergency mode"),
                here.edit(FSTAB),
            ),
        }
        return;
    };
    let same = match entry.kind.as_str() {
        "auto" | "none" => true,
        "swap" => part.content == Content::Swap,
        kind => match part.fs.as_ref().map(|fs| fs.kind()) {
            None => true,
            Some(FsKind::Ext) => matches!(kind, "ext2" | "ext3" | "ext4"),
            Some(FsKind::Fat) => matches!(kind, "vfat" | "msdos"),
            Some(FsKind::Ntfs) => kind.starts_with("ntfs"),
            Some(other) => kind == other.as_str(),
        },
    };
    if !same {
        let what = format!(
            "line {number}: {} holds {}, not {}",
            entry.text, part.content, entry.kind
        );
        match optional {
            true => check.warning(what, here.edit(FSTAB)),
            false => check.problem(what, here.edit(FSTAB)),
        }
    }
}

/// Swap space that is named by its device or its partition.
fn by_partition<'p>(here: &'p InTree<'_>, source: &Source) -> Option<&'p Part> {
    match source {
        Source::Device(_) | Source::PartUuid(_) | Source::PartLabel(_) => {
            here.patient.guest.system.by_source(source)
        }
        Source::Uuid(_) | Source::Label(_) => None,
    }
}

/// Whether there are volumes that hold others which cannot be seen here.
fn hides(here: &InTree<'_>) -> bool {
    let mut parts = here.patient.guest.system.parts.iter();
    parts.any(|part| matches!(part.content, Content::Luks | Content::BitLocker))
}
