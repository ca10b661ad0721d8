//! What looks at the guest.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Shell;
use super::command::{self, Command};
use crate::cli::commands as c;
use crate::cli::table::columns;
use crate::cli::ui::name_line;
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{FileKind, Time};
use crate::guest::system::Part;
use crate::guest::tree::{Place, Tree, must_be_a_file};
use crate::model::human_bytes;
use crate::ops::Observer as _;
use crate::ops::guest::df::df;

/// How much of a file is looked at for the end of a line at once.
const PIECE: u64 = 64 << 10;

impl Shell<'_, '_> {
    /// Carries a command out that changes nothing.
    pub(super) fn read(&mut self, command: &Command) -> Result<()> {
        let text = match command {
            Command::Ls(args) => c::ls::listing(&self.tree, &args.paths, &args.how)?,
            Command::Cat(args) => return c::cat::print(self.ui, &self.tree, &args.files, args.raw),
            Command::Head(args) => return self.each_part(&args.files, args.lines, head),
            Command::Tail(args) => return self.each_part(&args.files, args.lines, tail),
            Command::Stat(args) => {
                let texts = args.paths.iter().map(|path| stat(&self.tree, path));
                texts.collect::<Result<Vec<_>>>()?.join("\n")
            }
            Command::Find(args) => lines(args.which.find(&self.tree, &args.dirs)?),
            Command::Grep(args) => args.printed(&self.tree)?,
            Command::Cd(args) => {
                self.tree.go_to(args.dir.as_bytes())?;
                return Ok(());
            }
            Command::Pwd => lines(vec![self.tree.current().unwrap_or(b"/").to_vec()]),
            Command::Lcd(args) => return go_to_on_host(&args.dir),
            Command::Lpwd => lines(vec![host_dir()?.as_os_str().as_bytes().to_vec()]),
            Command::Df(how) => c::df::table(&df(&self.name, &self.system), how),
            Command::Filesystems => self.filesystems(),
            Command::Mount(args) => match (&args.device, &args.dir) {
                (Some(device), Some(dir)) => return self.mount(device, dir),
                _ => self.mounts(),
            },
            Command::Umount(args) => return self.umount(&args.at),
            Command::Inspect(args) => {
                let (text, problems) = c::inspect::printed(&self.name, &self.tree, args.packages);
                for problem in problems {
                    self.ui.warning(&format!("{problem}."));
                }
                text
            }
            Command::CopyOut(args) => {
                let Some((to, paths)) = args.paths.split_last() else {
                    return Ok(());
                };
                let paths = (paths, Path::new(to));
                let interrupt = self.session.interrupt();
                return c::copy_out::copy_out(self.ui, &self.tree, paths, &args.kept, interrupt);
            }
            Command::Download(args) => return download(&self.tree, &args.from, &args.to),
            Command::Help(args) => command::help(args.command.as_deref())?,
            Command::Launch => {
                self.ui
                    .status("Nothing is to be done: the guest is open, and `commit` writes.");
                return Ok(());
            }
            // The others are not for reading.
            _ => return Ok(()),
        };
        self.ui.result(&text, &())
    }

    fn each_part(
        &self,
        files: &[String],
        count: usize,
        part: fn(&Tree, &Place, usize) -> Result<Vec<u8>>,
    ) -> Result<()> {
        for file in files {
            let place = self.tree.find(file.as_bytes())?;
            must_be_a_file(&place, &self.tree.stat(&place)?)?;
            let bytes = part(&self.tree, &place, count)?;
            if self.ui.is_terminal() {
                c::cat::fit_for_terminal(file, &bytes)?;
            }
            let sink = self.ui.sink();
            sink.write(&bytes)?;
            sink.close()?;
        }
        Ok(())
    }

    fn filesystems(&self) -> String {
        let mounted = |part: &Part| {
            let mounts = self.tree.mounts().iter();
            let at = mounts.filter(|mount| mount.device == part.device);
            let at: Vec<String> = at.map(|mount| name_line(&mount.at)).collect();
            at.join(" ")
        };
        let rows = self.system.parts.iter().map(|part| {
            let fs = part.fs.as_ref();
            let label = fs.and_then(|fs| fs.label());
            vec![
                part.device.clone(),
                fs.map_or(part.content.as_str().to_owned(), |fs| fs.kind().to_string()),
                human_bytes(part.len),
                label.map(|label| name_line(&label)).unwrap_or_default(),
                fs.and_then(|fs| fs.uuid()).unwrap_or_default(),
                mounted(part),
            ]
        });
        let heading = ["Device", "Type", "Size", "Label", "UUID", "Mounted on"];
        columns(&heading, &[2], rows.collect())
    }

    fn mounts(&self) -> String {
        let mounts = self.tree.mounts().iter();
        let lines = mounts.map(|mount| {
            let options = match mount.options.as_str() {
                "" => String::new(),
                options => format!(", {}", name_line(options.as_bytes())),
            };
            let (device, at) = (name_line(mount.device.as_bytes()), name_line(&mount.at));
            format!("{device} on {at} ({}{options})\n", mount.fs.kind())
        });
        lines.collect()
    }

    fn mount(&mut self, device: &str, at: &str) -> Result<()> {
        let part = self.system.by_device(device).ok_or_else(|| {
            Error::new(Kind::NotFound, format!("the guest has no device {device}"))
                .hint("see which it has: `filesystems`")
        })?;
        let is_root = at.bytes().all(|byte| byte == b'/');
        match &mut self.changing {
            Some(changing) if !changing.pending().is_empty() => {
                if is_root {
                    return Err(self.unfinished());
                }
                changing.mount(&mut self.tree, part, at.as_bytes())?;
            }
            _ => {
                let (device, fs) = (part.device.clone(), Rc::clone(part.readable()?));
                let root = fs.root();
                if is_root {
                    let mut tree = Tree::new(device, fs, root);
                    tree.stopped_by(self.session.interrupt());
                    tree.go_to(b"/")?;
                    self.tree = tree;
                } else {
                    self.tree.mount(at.as_bytes(), device, fs, root)?;
                }
            }
        }
        self.remounted = true;
        Ok(())
    }

    fn umount(&mut self, at: &str) -> Result<()> {
        if self.pending() > 0 {
            return Err(self.unfinished());
        }
        let mut mounts = self.tree.mounts().iter().rev();
        let named = mounts.find(|mount| mount.device == at);
        let at = match named {
            Some(mount) => mount.at.clone(),
            None => self.tree.find(at.as_bytes())?.path,
        };
        let mut left = self.tree.without(&at)?;
        // Where the user was may be gone.
        if left.go_to(b".").is_err() {
            drop(left.go_to(b"/"));
        }
        self.tree = left;
        self.remounted = true;
        Ok(())
    }

    fn unfinished(&self) -> Error {
        Error::new(
            Kind::WrongState,
            "what is changed is not written yet, and takes what is mounted",
        )
        .hint("to write it: `commit`; to drop it: `discard`")
    }
}

/// Paths, each on a line.
fn lines(paths: Vec<Vec<u8>>) -> String {
    let lines = paths.iter().map(|path| format!("{}\n", name_line(path)));
    lines.collect()
}

/// The first lines of a file.
fn head(tree: &Tree, place: &Place, count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut left = count;
    // Both look at it: what is taken, and whether it is enough.
    let left = std::cell::Cell::new(std::mem::take(&mut left));
    let mut take = |piece: &[u8]| {
        for line in piece.split_inclusive(|&byte| byte == b'\n') {
            if left.get() == 0 {
                break;
            }
            bytes.extend_from_slice(line);
            if line.ends_with(b"\n") {
                left.set(left.get() - 1);
            }
        }
        Ok(())
    };
    c::cat::pieces(tree, place, &mut take, &|| left.get() == 0)?;
    Ok(bytes)
}

/// The last lines of a file, which is read backwards.
fn tail(tree: &Tree, place: &Place, count: usize) -> Result<Vec<u8>> {
    let mut start = tree.stat(place)?.size;
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let found = last_lines(&bytes, count);
        if start == 0 || found.is_some() {
            let from = found.unwrap_or(0);
            return Ok(bytes.split_off(from.min(bytes.len())));
        }
        let length = start.min(PIECE);
        start = start.saturating_sub(length);
        let mut piece = vec![0; usize::try_from(length).unwrap_or(0)];
        let read = tree.read(place, start, &mut piece)?;
        piece.truncate(read);
        piece.append(&mut bytes);
        bytes = piece;
    }
}

/// Where the last lines begin, if there is one more before them.
fn last_lines(bytes: &[u8], count: usize) -> Option<usize> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let Some(before) = count.checked_sub(1) else {
        return Some(bytes.len());
    };
    let mut ends = text.iter().enumerate().rev();
    let mut ends = ends.by_ref().filter(|(_, byte)| **byte == b'\n');
    ends.nth(before).map(|(at, _)| at + 1)
}

/// All that is known of a file.
fn stat(tree: &Tree, path: &str) -> Result<String> {
    let place = tree.find_itself(path.as_bytes())?;
    let stat = tree.stat(&place)?;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<10} {value}\n"));
    let path = match stat.kind {
        FileKind::Link => {
            let target = tree.link(&place)?;
            format!("{} -> {}", name_line(&place.path), name_line(&target))
        }
        _ => name_line(&place.path),
    };
    line("Path", &path);
    line("Kind", stat.kind.described());
    let letters = c::ls::permissions(stat.mode);
    line("Mode", &format!("{:04o} ({letters})", stat.mode));
    line("Owner", &format!("{}:{}", stat.uid, stat.gid));
    line("Size", &stat.size.to_string());
    if let Some(links) = stat.links {
        line("Inode", &links.inode.to_string());
        line("Links", &links.count.to_string());
    }
    let time = |time: Time| c::ls::moment(time);
    line("Accessed", &time(stat.accessed));
    line("Modified", &time(stat.modified));
    if let Some(changed) = stat.changed {
        line("Changed", &time(changed));
    }
    for (name, value) in tree.xattrs(&place)?.unwrap_or_default() {
        let (name, value) = (name_line(&name), value.escape_ascii());
        line("Attribute", &format!("{name} = {value}"));
    }
    Ok(text)
}

fn go_to_on_host(dir: &Path) -> Result<()> {
    std::env::set_current_dir(dir)
        .map_err(|error| Error::io(format!("cannot go to {}", dir.display()), error))
}

fn host_dir() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| Error::io("the directory of the host is gone", error))
}

/// Copies a file to a new file of the host.
fn download(tree: &Tree, from: &str, to: &Path) -> Result<()> {
    let place = tree.find(from.as_bytes())?;
    must_be_a_file(&place, &tree.stat(&place)?)?;
    let to = match to.is_dir() {
        true => {
            let name = place.path.rsplit(|&byte| byte == b'/').next();
            to.join(OsStr::from_bytes(name.unwrap_or_default()))
        }
        false => to.to_owned(),
    };
    let cannot = |error| Error::io(format!("cannot write {}", to.display()), error);
    let mut file = std::fs::File::create_new(&to).map_err(cannot)?;
    let mut take = |piece: &[u8]| file.write_all(piece).map_err(cannot);
    let copied = c::cat::pieces(tree, &place, &mut take, &|| false);
    copied
        .and_then(|()| file.sync_all().map_err(cannot))
        .inspect_err(|_| {
            // The error is what matters.
            drop(std::fs::remove_file(&to));
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::native::fs::Node;
    use crate::guest::tree::fake::{Fake, What};

    #[test]
    fn parts_of_files_are_lines() {
        let nodes = vec![
            What::Dir(&[(b"a", 1), (b"b", 2)]),
            What::File(b"1\n2\n3\n4"),
            What::File(b"1\n2\n3\n"),
        ];
        let tree = Tree::new("/dev/sda".to_owned(), Rc::new(Fake(nodes)), Node(0));
        let (a, b) = (tree.find(b"/a").unwrap(), tree.find(b"/b").unwrap());
        let text = |part: Result<Vec<u8>>| String::from_utf8(part.unwrap()).unwrap();
        assert_eq!(text(head(&tree, &a, 2)), "1\n2\n");
        assert_eq!(text(head(&tree, &a, 9)), "1\n2\n3\n4");
        assert_eq!(text(head(&tree, &a, 0)), "");
        assert_eq!(text(tail(&tree, &a, 2)), "3\n4");
        assert_eq!(text(tail(&tree, &b, 2)), "2\n3\n");
        assert_eq!(text(tail(&tree, &b, 3)), "1\n2\n3\n");
        assert_eq!(text(tail(&tree, &b, 9)), "1\n2\n3\n");
        assert_eq!(text(tail(&tree, &b, 0)), "");
    }
}
