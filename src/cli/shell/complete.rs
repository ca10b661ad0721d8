//! What the word before the cursor may become.

use std::os::unix::ffi::OsStrExt as _;

use super::command::{self, Kinds};
use super::words::Last;
use crate::guest::native::fs::FileKind;
use crate::guest::tree::Tree;

/// What is known when TAB is pressed.
pub(super) struct Completion {
    /// The files.
    pub(super) tree: Tree,
    /// The devices.
    pub(super) devices: Vec<String>,
}

/// What a word may become.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Candidate {
    /// How it is listed.
    pub(super) shown: String,
    /// What takes the place of the word.
    pub(super) text: String,
}

impl Completion {
    /// Where the word begins, and what it may become.
    pub(super) fn complete(&self, line: &str) -> (usize, Vec<Candidate>) {
        let last = Last::of(line);
        let (dir, begun) = match last.word.rfind('/') {
            Some(at) => last.word.split_at(at + 1),
            None => ("", last.word.as_str()),
        };
        let mut found: Vec<(String, bool)> = match command::next_word(&last.before) {
            // What a line may begin with is no name of a command.
            Kinds::Command => return named(&last, command::names()),
            Kinds::Device => return named(&last, self.devices.clone()),
            Kinds::Guest => self.in_guest(dir),
            Kinds::Host => on_host(dir),
            Kinds::Other => Vec::new(),
        };
        found.retain(|(name, _)| {
            let hidden = name.starts_with('.') && !begun.starts_with('.');
            name.starts_with(begun) && !hidden
        });
        found.sort();
        let candidate = |(name, is_dir): (String, bool)| {
            let shown = match is_dir {
                true => format!("{name}/"),
                false => name,
            };
            Candidate {
                text: last.quoted(&format!("{dir}{shown}"), !is_dir),
                shown,
            }
        };
        (last.start, found.into_iter().map(candidate).collect())
    }

    fn in_guest(&self, dir: &str) -> Vec<(String, bool)> {
        // What cannot be read has nothing to offer.
        let place = self.tree.find(match dir {
            "" => b".",
            dir => dir.as_bytes(),
        });
        let entries = place.and_then(|place| self.tree.entries(&place));
        let names = entries.into_iter().flatten().filter_map(|(name, place)| {
            let name = fit(&name)?;
            let stat = self
                .tree
                .find(&place.path)
                .and_then(|to| self.tree.stat(&to));
            let is_dir = stat.is_ok_and(|stat| stat.kind == FileKind::Directory);
            Some((name, is_dir))
        });
        names.collect()
    }
}

fn on_host(dir: &str) -> Vec<(String, bool)> {
    let dir = match dir {
        "" => ".",
        dir => dir,
    };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| {
        let name = fit(entry.file_name().as_bytes())?;
        Some((name, entry.path().is_dir()))
    });
    names.collect()
}

/// A name that can be typed, and shown without harm.
fn fit(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    (!name.chars().any(char::is_control)).then(|| name.to_owned())
}

fn named(last: &Last, names: Vec<String>) -> (usize, Vec<Candidate>) {
    let mut fit: Vec<String> = names;
    fit.retain(|name| name.starts_with(&last.word));
    fit.sort();
    let candidates = fit.into_iter().map(|name| Candidate {
        text: last.quoted(&name, true),
        shown: name,
    });
    (last.start, candidates.collect())
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::guest::native::fs::Node;
    use crate::guest::tree::fake::{Fake, What};

    fn completion() -> Completion {
        let nodes = vec![
            What::Dir(&[(b"etc", 1), (b"it's here", 2), (b".x", 3), (b"e\x1b[2J", 3)]),
            What::Dir(&[(b"hosts", 3), (b"hostname", 3)]),
            What::Dir(&[(b"a", 3)]),
            What::File(b""),
        ];
        let mut tree = Tree::new("/dev/sda".to_owned(), Rc::new(Fake(nodes)), Node(0));
        tree.go_to(b"/").unwrap();
        Completion {
            tree,
            devices: vec!["/dev/sda1".to_owned()],
        }
    }

    fn texts(line: &str) -> (usize, Vec<String>) {
        let (start, found) = completion().complete(line);
        (start, found.into_iter().map(|one| one.text).collect())
    }

    #[test]
    fn commands_and_devices_are_completed() {
        assert_eq!(texts("copy-o"), (0, vec!["copy-out ".to_owned()]));
        assert_eq!(texts("help um").1, ["umount ", "umount-all "]);
        assert_eq!(texts("mount /de").1, ["/dev/sda1 "]);
    }

    #[test]
    fn paths_of_the_guest_are_completed_and_quoted() {
        assert_eq!(
            texts("cat /etc/hostn"),
            (4, vec!["/etc/hostname ".to_owned()])
        );
        assert_eq!(texts("cat e").1, ["etc/"]);
        assert_eq!(texts("ls -l it").1, ["it\\'s\\ here/"]);
        assert_eq!(texts("cat '/it").1, ["'/it'\\''s here/"]);
        // Hidden ones when they are asked for; what a terminal obeys, never.
        assert_eq!(texts("cat ").1, ["etc/", "it\\'s\\ here/"]);
        assert_eq!(texts("cat .").1, [".x "]);
        assert_eq!(texts("cat /nothing/").1, Vec::<String>::new());
        assert_eq!(texts("ll /etc/hos").1, ["/etc/hostname ", "/etc/hosts "]);
    }

    #[test]
    fn paths_of_the_host_are_completed_where_they_are_meant() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("local file"), "").unwrap();
        let line = format!("upload {}/lo", dir.path().display());
        assert_eq!(
            texts(&line).1,
            [format!("{}/local\\ file ", dir.path().display())]
        );
        assert_eq!(texts("upload x /et").1, ["/etc/"]);
        assert_eq!(texts("download /et").1, ["/etc/"]);
    }
}
