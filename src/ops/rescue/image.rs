//! The disks and their file systems.

use super::patient::Patient;
use super::report::Check;
use crate::error::Kind;
use crate::guest::native::fs::Health;
use crate::image::{path_word, shown};

/// How full a file system may be, in percent, before it is told.
const FULL: u64 = 95;

/// Whether the images can be read, and the file systems in them.
pub(super) fn image(patient: &Patient<'_>) -> Check {
    let mut check = Check::new("image", "images and file systems");
    let mut layers = 0_usize;
    for (name, chain) in patient.guest.chains() {
        layers = layers.saturating_add(chain.layers().len());
        for layer in chain.layers().iter().filter(|layer| layer.dirty) {
            let path = path_word(&layer.path);
            check.warning(
                format!("{name}: {} was not closed well by QEMU", shown(&layer.path)),
                Some(format!("`vmkin disk check -a {path} --repair leaks`")),
            );
        }
    }
    for part in &patient.guest.system.parts {
        let device = &part.device;
        match (&part.fs, &part.problem) {
            (Some(fs), _) => match fs.health() {
                Health::Clean => {}
                Health::Replayed => check.fine(format!(
                    "{device} was not closed well, and has a journal to be replayed"
                )),
                Health::Unclean => check.warning(
                    format!("{device} was not closed well, and no journal was replayed"),
                    None,
                ),
                Health::Hibernated => check.warning(
                    format!("{device} is that of Windows that sleeps, and can only be read"),
                    Some("start it, and shut it down fully: `shutdown /s /t 0`".to_owned()),
                ),
            },
            // Only a kernel can read it.
            (None, Some(error)) if error.kind() == Kind::WrongState => {
                check.unknown(format!("{device}: {error}"));
            }
            (None, Some(error)) => check.problem(
                format!("{device}: {error}"),
                Some(
                    "save what can be saved (`vmkin copy-out`), and run its fsck on it".to_owned(),
                ),
            ),
            (None, None) if part.is_unread_file_system() => check.unknown(format!(
                "{device} holds {}, which is not read here",
                part.content
            )),
            (None, None) => {}
        }
    }
    for problem in &patient.guest.system.problems {
        // What is wrong with lines of `/etc/fstab` has a check of its own.
        let told = patient.guest.system.parts.iter();
        let told = told
            .into_iter()
            .any(|part| problem.starts_with(&part.device));
        if !told && !problem.contains("fstab") && !problem.contains(" is not mounted: ") {
            check.problem(problem.clone(), None);
        }
    }
    check.fine(format!(
        "{layers} images can be read; whether their tables are right: `vmkin disk check`"
    ));
    check
}

/// Whether there is room in the file systems.
pub(super) fn space(patient: &Patient<'_>) -> Check {
    let mut check = Check::new("space", "room in file systems");
    let mut looked = 0_usize;
    for part in &patient.guest.system.parts {
        let Some(fs) = &part.fs else {
            continue;
        };
        let usage = match fs.usage() {
            Ok(usage) => usage,
            Err(error) => {
                check.unknown(format!("{}: {error}", part.device));
                continue;
            }
        };
        looked = looked.saturating_add(1);
        let percent = |used: u64, all: u64| used.saturating_mul(100).checked_div(all).unwrap_or(0);
        let hint = || patient.command("df", "");
        let device = &part.device;
        let reachable = usage.used.saturating_add(usage.available);
        // A CD has no room, and needs none.
        if fs.kind() == crate::guest::native::fs::FsKind::Iso9660 {
            continue;
        }
        match percent(usage.used, reachable) {
            _ if usage.available == 0 => {
                check.problem(format!("{device} is full: no byte is left"), hint());
            }
            full if full >= FULL => check.warning(format!("{device} is full to {full} %"), hint()),
            _ => {}
        }
        if let (Some(all), Some(used)) = (usage.inodes, usage.inodes_used) {
            match percent(used, all) {
                _ if used >= all && all > 0 => {
                    check.problem(
                        format!("{device} has no inode left for another file"),
                        hint(),
                    );
                }
                full if full >= FULL => {
                    check.warning(format!("{device} has used {full} % of its inodes"), hint());
                }
                _ => {}
            }
        }
    }
    if looked == 0 {
        check.not_applicable("there is no file system that is read here");
    }
    check
}
