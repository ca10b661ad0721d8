//! A file system that is mounted in the appliance.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::answer;
use super::session::{Session, failed, odd, quoted};
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::{
    Entry, FileSystem, FsKind, Health, Node, Stat, Usage, Xattr, name_is_sound, needs_kernel,
    subvolume_in,
};

/// How many files are remembered by name.
const MAX_FILES: usize = 2_000_000;

/// Of how many files is kept what is known of them.
const MAX_STATS: usize = 100_000;

/// How much of a file is read at once: an answer has no room for twice as much.
const PIECE: u64 = 2 << 20;

/// What is known of a file system before it is mounted.
pub(super) struct About {
    pub(super) device: String,
    pub(super) kind: FsKind,
    pub(super) uuid: Option<String>,
    pub(super) label: Option<String>,
}

/// The name of a file and the directory it is in; a root has the place where it
/// is mounted.
type Name = (Option<u32>, Rc<[u8]>);

pub(super) struct Files {
    session: Rc<RefCell<Session>>,
    about: About,
    names: RefCell<Vec<Name>>,
    by_name: RefCell<HashMap<Name, u32>>,
    stats: RefCell<HashMap<u64, Stat>>,
    /// The piece of a file that was read last: which, from where.
    piece: RefCell<Option<(u64, u64, Vec<u8>)>>,
    /// The roots of what was mounted with other options.
    roots: RefCell<HashMap<String, Option<Node>>>,
}

impl Files {
    /// Mounts a file system.
    pub(super) fn mount(session: Rc<RefCell<Session>>, about: About) -> Result<Self> {
        let files = Self::new(session, about);
        // A copy of a disk has the UUID of the disk.
        let options = match files.about.kind {
            FsKind::Xfs => "ro,nouuid",
            _ => "ro",
        };
        files.mount_with(options)?;
        Ok(files)
    }

    /// The same of one that is mounted in this place.
    pub(super) fn at(session: Rc<RefCell<Session>>, about: About, place: &str) -> Result<Self> {
        let files = Self::new(session, about);
        files.remember((None, Rc::from(place.as_bytes())))?;
        Ok(files)
    }

    fn new(session: Rc<RefCell<Session>>, about: About) -> Self {
        Self {
            session,
            about,
            names: RefCell::default(),
            by_name: RefCell::default(),
            stats: RefCell::default(),
            piece: RefCell::default(),
            roots: RefCell::default(),
        }
    }

    fn mount_with(&self, options: &str) -> Result<Node> {
        let mut session = self.session.borrow_mut();
        let place = session.mount_point()?;
        let device = quoted(self.about.device.as_bytes());
        let options = quoted(options.as_bytes());
        session.must(&format!("mount-options {options} {device} {place}"))?;
        self.remember((None, Rc::from(place.as_bytes())))
    }

    fn remember(&self, name: Name) -> Result<Node> {
        let mut by_name = self.by_name.borrow_mut();
        if let Some(known) = by_name.get(&name) {
            return Ok(Node((*known).into()));
        }
        let mut names = self.names.borrow_mut();
        if names.len() >= MAX_FILES {
            return Err(needs_kernel(&format!("it has more than {MAX_FILES} files")));
        }
        let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
        names.push(name.clone());
        by_name.insert(name, number);
        Ok(Node(number.into()))
    }

    /// The path of a file in the appliance.
    fn path(&self, node: Node) -> Result<Vec<u8>> {
        let names = self.names.borrow();
        let mut parts = Vec::new();
        let mut at = u32::try_from(node.0).ok();
        while let Some(number) = at {
            let name = usize::try_from(number).ok().and_then(|at| names.get(at));
            let name = name.ok_or_else(|| Error::new(Kind::NotFound, "there is no such file"))?;
            parts.push(Rc::clone(&name.1));
            at = name.0;
        }
        parts.reverse();
        Ok(parts.join(&b'/'))
    }

    fn known(&self, node: Node, stat: Stat) {
        let mut stats = self.stats.borrow_mut();
        if stats.len() >= MAX_STATS {
            stats.clear();
        }
        stats.insert(node.0, stat);
    }

    fn must(&self, what: &str, node: Node, more: &str) -> Result<Vec<u8>> {
        let path = quoted(&self.path(node)?);
        let mut session = self.session.borrow_mut();
        session.must(&format!("{what} {path}{more}"))
    }

    fn child(&self, dir: Node, name: &[u8]) -> Result<Node> {
        let dir = u32::try_from(dir.0).ok();
        self.remember((dir, Rc::from(name)))
    }
}

impl FileSystem for Files {
    fn kind(&self) -> FsKind {
        self.about.kind
    }

    fn uuid(&self) -> Option<String> {
        self.about.uuid.clone()
    }

    fn label(&self) -> Option<Vec<u8>> {
        self.about.label.clone().map(String::into_bytes)
    }

    fn health(&self) -> Health {
        // A journal was written back by the kernel, over the disk.
        Health::Clean
    }

    fn root(&self) -> Node {
        Node(0)
    }

    fn root_for(&self, options: &str) -> Result<Option<Node>> {
        let subvolume = subvolume_in(options);
        let Some(subvolume) = subvolume.filter(|_| self.about.kind == FsKind::Btrfs) else {
            return Ok(Some(self.root()));
        };
        if let Some(known) = self.roots.borrow().get(subvolume) {
            return Ok(*known);
        }
        let root = match self.mount_with(&format!("ro,{subvolume}")) {
            Ok(root) => Some(root),
            // It says so for whatever it cannot mount.
            Err(error) if matches!(error.kind(), Kind::Storage | Kind::NotFound) => None,
            Err(error) => return Err(error),
        };
        self.roots.borrow_mut().insert(subvolume.to_owned(), root);
        Ok(root)
    }

    fn lookup(&self, dir: Node, name: &[u8]) -> Result<Option<Node>> {
        // What was listed is there: nothing changes under the overlay.
        let known: Name = (u32::try_from(dir.0).ok(), Rc::from(name));
        let known = self.by_name.borrow().get(&known).copied().map(u64::from);
        if let Some(known) = known.filter(|node| self.stats.borrow().contains_key(node)) {
            return Ok(Some(Node(known)));
        }
        let mut path = self.path(dir)?;
        path.push(b'/');
        path.extend_from_slice(name);
        let command = format!("lstatns {}", quoted(&path));
        let answer = self.session.borrow_mut().ask(&command)?;
        match answer.map_err(|why| failed(&why)) {
            Ok(text) => {
                let node = self.child(dir, name)?;
                self.known(node, answer::stat(&text)?);
                Ok(Some(node))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn entries(&self, dir: Node) -> Result<Vec<Entry>> {
        let path = self.path(dir)?;
        let command = format!("ls0 {} /dev/stdout", quoted(&path));
        let names = answer::names(&self.session.borrow_mut().must(&command)?);
        let names: Vec<Vec<u8>> = names
            .into_iter()
            .filter(|name| *name != b"." && *name != b"..")
            .collect();
        if let Some(evil) = names.iter().find(|name| !name_is_sound(name)) {
            return Err(odd(&format!("listed '{}'", evil.escape_ascii())));
        }
        let command =
            |name: &Vec<u8>| format!("lstatns {}", quoted(&[&path[..], b"/", name].concat()));
        let commands: Vec<String> = names.iter().map(command).collect();
        let answers = self.session.borrow_mut().ask_all(&commands)?;
        let mut entries = Vec::with_capacity(names.len());
        for (name, answer) in names.into_iter().zip(answers) {
            let node = self.child(dir, &name)?;
            // What cannot be looked at says why when it is asked for.
            if let Ok(text) = answer {
                self.known(node, answer::stat(&text)?);
            }
            entries.push(Entry { name, node });
        }
        Ok(entries)
    }

    fn stat(&self, node: Node) -> Result<Stat> {
        if let Some(known) = self.stats.borrow().get(&node.0) {
            return Ok(*known);
        }
        let stat = answer::stat(&self.must("lstatns", node, "")?)?;
        self.known(node, stat);
        Ok(stat)
    }

    fn read(&self, node: Node, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(done as u64);
            let from = at - at % PIECE;
            let mut piece = self.piece.borrow_mut();
            let here = |piece: &(u64, u64, Vec<u8>)| piece.0 == node.0 && piece.1 == from;
            if !piece.as_ref().is_some_and(here) {
                let bytes = self.must("pread", node, &format!(" {PIECE} {from}"))?;
                *piece = Some((node.0, from, bytes));
            }
            let bytes = piece.as_ref().map_or(&[][..], |piece| &piece.2);
            let within = usize::try_from(at - from).unwrap_or(usize::MAX);
            let bytes = bytes.get(within..).unwrap_or_default();
            let count = bytes.len().min(rest.len());
            for (to, from) in rest.iter_mut().zip(bytes) {
                *to = *from;
            }
            if count == 0 {
                break;
            }
            done = done.saturating_add(count);
        }
        Ok(done)
    }

    fn link(&self, node: Node) -> Result<Vec<u8>> {
        let mut target = self.must("readlink", node, "")?;
        if target.last() == Some(&b'\n') {
            target.pop();
        }
        Ok(target)
    }

    fn xattrs(&self, _: Node) -> Result<Option<Vec<Xattr>>> {
        // Their values are printed as they are, and so cannot be told apart.
        Ok(None)
    }

    fn usage(&self) -> Result<Usage> {
        answer::usage(&self.must("statvfs", self.root(), "")?)
    }
}
