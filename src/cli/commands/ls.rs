use clap::{ArgAction, Args};
use serde::Serialize;

use super::on_guest::{OnGuest, in_tree, null_terminated, path_text};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, name_line};
use crate::error::Result;
use crate::guest::native::fs::{FileKind, Stat, Time};
use crate::guest::tree::{Place, Tree};
use crate::model::human_bytes;

/// List files of guests
///
/// Read off the disks, whether the guest boots or not. A symbolic link is
/// shown and not followed, but for one that is named with a slash at its end.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct LsArgs {
    #[command(flatten)]
    guests: OnGuest,

    #[command(flatten)]
    how: Listing,

    /// End each name with a NUL and not with a line break, and change nothing in it
    #[arg(short = '0', long, conflicts_with = "long")]
    null: bool,

    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,

    /// Files and directories, by their absolute paths in the guest
    #[arg(value_name = "PATH", default_value = "/")]
    paths: Vec<String>,
}

/// What is shown of files, and of which.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Listing {
    /// Show kind, mode, owner, group, size and time of change, too
    #[arg(short)]
    long: bool,

    /// Go into directories, and show whole paths
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Show sizes in units that people read
    #[arg(short, long)]
    human_readable: bool,

    /// Show all times: of the last access, of the contents and of the inode
    #[arg(long, requires = "long")]
    times: bool,
}

#[derive(Serialize)]
struct Listed {
    guest: String,
    path: String,
    /// Of a path that is no text.
    path_hex: Option<String>,
    kind: FileKind,
    mode: String,
    uid: u32,
    gid: u32,
    size: u64,
    links: Option<u32>,
    accessed: Time,
    modified: Time,
    changed: Option<Time>,
    target: Option<String>,
    #[serde(skip)]
    name: Vec<u8>,
    #[serde(skip)]
    stat: Stat,
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &LsArgs) -> Result<()> {
    args.guests.must_be_given()?;
    let mut all = Vec::new();
    let act = |guest: &mut crate::ops::guest::Guest| {
        let name = guest.name.clone();
        in_tree(guest, |tree| {
            let mut listed = Vec::new();
            for path in &args.paths {
                list(tree, &name, path, &args.how, &mut listed)?;
            }
            Ok(listed)
        })
    };
    let result = args.guests.each(ui, session, "read", &act, |listed| {
        all.extend(listed);
        Ok(())
    });
    if args.null && !ui.is_json() {
        null_terminated(ui, all.iter().map(|one| &*one.name))?;
    } else {
        ui.result(&text(&all, &args.how), &all)?;
    }
    result
}

/// What is printed of these paths.
pub(in crate::cli) fn listing(tree: &Tree, paths: &[String], how: &Listing) -> Result<String> {
    let mut listed = Vec::new();
    for path in paths {
        list(tree, "", path, how, &mut listed)?;
    }
    Ok(text(&listed, how))
}

fn list(
    tree: &Tree,
    guest: &str,
    path: &str,
    how: &Listing,
    listed: &mut Vec<Listed>,
) -> Result<()> {
    let start = tree.find_itself(path.as_bytes())?;
    let mut add = |place: &Place, stat: &Stat, name: &[u8]| -> Result<()> {
        listed.push(entry(tree, guest, place, *stat, name)?);
        Ok(())
    };
    let stat = tree.stat(&start)?;
    if stat.kind != FileKind::Directory {
        return add(&start, &stat, &start.path);
    }
    if how.recursive {
        return tree.visit(&start, &mut |place, stat, _| {
            add(place, stat, &place.path)?;
            Ok(true)
        });
    }
    for (name, place) in tree.entries(&start)? {
        add(&place, &tree.stat(&place)?, &name)?;
    }
    Ok(())
}

fn entry(tree: &Tree, guest: &str, place: &Place, stat: Stat, name: &[u8]) -> Result<Listed> {
    let target = match stat.kind {
        FileKind::Link => Some(String::from_utf8_lossy(&tree.link(place)?).into_owned()),
        _ => None,
    };
    let (path, path_hex) = path_text(&place.path);
    Ok(Listed {
        guest: guest.to_owned(),
        path,
        path_hex,
        kind: stat.kind,
        mode: format!("{:04o}", stat.mode),
        uid: stat.uid,
        gid: stat.gid,
        size: stat.size,
        links: stat.links.map(|links| links.count),
        accessed: stat.accessed,
        modified: stat.modified,
        changed: stat.changed,
        target,
        name: name.to_vec(),
        stat,
    })
}

fn text(listed: &[Listed], how: &Listing) -> String {
    let size = |one: &Listed| match how.human_readable {
        true => human_bytes(one.size),
        false => one.size.to_string(),
    };
    let width = |field: &dyn Fn(&Listed) -> String| {
        let widths = listed.iter().map(|one| field(one).len());
        widths.max().unwrap_or(0)
    };
    let (sizes, uids, gids) = match how.long {
        true => (
            width(&size),
            width(&|one| one.uid.to_string()),
            width(&|one| one.gid.to_string()),
        ),
        false => (0, 0, 0),
    };
    let mut text = String::new();
    for one in listed {
        if how.long {
            text.push_str(&format!(
                "{}{} {:>uids$} {:>gids$} {:>sizes$} ",
                one.stat.kind.letter(),
                permissions(one.stat.mode),
                one.uid,
                one.gid,
                size(one),
            ));
            if how.times {
                text.push_str(&format!("{} ", moment(one.accessed)));
            }
            text.push_str(&format!("{} ", moment(one.modified)));
            if how.times {
                text.push_str(&format!("{} ", one.changed.map_or("-".to_owned(), moment)));
            }
        }
        text.push_str(&name_line(&one.name));
        if let Some(target) = one.target.as_ref().filter(|_| how.long) {
            text.push_str(&format!(" -> {}", name_line(target.as_bytes())));
        }
        text.push('\n');
    }
    text
}

/// Twelve bits as `ls` writes them.
pub(in crate::cli) fn permissions(mode: u16) -> String {
    let mut text = String::new();
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, false) => letter.to_ascii_uppercase(),
            (true, true) => letter,
        });
    }
    text
}

/// A time in UTC: the guest's own zone is the guest's business.
pub(in crate::cli) fn moment(time: Time) -> String {
    let since = u64::try_from(time.seconds).ok();
    let moment = since.and_then(|seconds| {
        let since = std::time::Duration::from_secs(seconds);
        std::time::UNIX_EPOCH.checked_add(since)
    });
    // What is before 1970, or after the year 9999, is no date to this formatter.
    match moment.filter(|_| time.seconds < 253_402_300_800) {
        Some(moment) => humantime::format_rfc3339_seconds(moment).to_string(),
        None => format!("@{}", time.seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_ls_writes_them() {
        assert_eq!(permissions(0o755), "rwxr-xr-x");
        assert_eq!(permissions(0o4711), "rws--x--x");
        assert_eq!(permissions(0o2644), "rw-r-Sr--");
        assert_eq!(permissions(0o1777), "rwxrwxrwt");
    }

    #[test]
    fn times_are_in_utc() {
        let at = |seconds| {
            moment(Time {
                seconds,
                nanoseconds: 5,
            })
        };
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(-1), "@-1");
        assert_eq!(at(i64::MAX), format!("@{}", i64::MAX));
    }
}
