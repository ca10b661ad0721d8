//! What the guest has said last, the last time that it ran.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;
use crate::guest::log::end_of_log;
use crate::image::ShownBytes;

/// What is worth telling.
const BAD: &[&str] = &[
    "Kernel panic",
    "Dependency failed for",
    "emergency mode",
    "Failed to mount",
    "Out of memory:",
    "EXT4-fs error",
    "I/O error",
    "XFS (",
    "No space left on device",
];

/// With this the kernel begins.
const BEGINS: &str = "Linux version ";

/// How many lines are told, and how much of each.
const TOLD: usize = 5;
const LONGEST: usize = 300;

pub(super) fn look(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let Some(end) = end_of_log(here.tree)? else {
        match here.is_there("/var/log/journal")? {
            true => {
                check.unknown("it is in the journal of systemd, which is not read here".to_owned())
            }
            false => check.not_applicable("there is no system log that is text"),
        }
        return Ok(());
    };
    let path = end.path;
    let lines: Vec<String> = end
        .lines
        .iter()
        .map(|line| ShownBytes(line).to_string())
        .collect();
    let begun = lines.iter().rposition(|line| line.contains(BEGINS));
    let last = lines.iter().skip(begun.unwrap_or(0));
    let bad: Vec<&String> = last.filter(|line| is_bad(line)).collect();
    let skipped = bad.len().saturating_sub(TOLD);
    for line in bad.iter().skip(skipped) {
        let short: String = line.chars().take(LONGEST).collect();
        check.warning(format!("{path}: {short}"), None);
    }
    match bad.len() {
        0 => check.fine(format!("{path} tells of nothing bad since the last start")),
        n => check.warning(
            format!("{n} such lines since the last start"),
            here.command("log", ""),
        ),
    }
    Ok(())
}

fn is_bad(line: &str) -> bool {
    BAD.iter().any(|word| {
        // XFS says much, and most of it is no error.
        line.contains(word)
            && (*word != "XFS (" || line.contains("orrupt") || line.contains("hutdown"))
    })
}
