//! A session in which files are changed bit by bit: each change is carried out at
//! once, on redo overlays, and the disks get all of them together.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;

use super::plan::Draft;
use super::{Begun, Held, Host, Written};
use crate::error::{Error, Result};
use crate::guest::appliance::{GuestDisks, Live};
use crate::guest::change::{Change, Given, Mountable};
use crate::guest::system::Part;
use crate::guest::tree::Tree;
use crate::image;

/// Changes that are not on the disks yet.
pub struct Pending<'w> {
    held: &'w Held<'w>,
    open: Option<Open<'w>>,
    changes: Vec<Change>,
    /// What the files of the host were that went into the guest, by the numbers of
    /// their changes.
    sources: Vec<Option<Source>>,
    lost: bool,
}

struct Open<'w> {
    begun: Begun<'w>,
    live: Live,
}

/// What a file of the host is: its inode, its length, and when it was changed.
type Source = (u64, u64, i64, i64);

impl<'w> Pending<'w> {
    /// Nothing is changed, and nothing begun.
    pub fn new(held: &'w Held<'w>) -> Self {
        Self {
            held,
            open: None,
            changes: Vec::new(),
            sources: Vec::new(),
            lost: false,
        }
    }

    /// Works out what is to be changed in these files, which are those of the guest
    /// as they are now.
    pub fn draft<'t>(&self, tree: &'t Tree) -> Draft<'t>
    where
        'w: 't,
    {
        Draft::in_tree(self.held, tree)
    }

    /// What is changed and not on the disks, in its order.
    pub fn pending(&self) -> &[Change] {
        &self.changes
    }

    /// Whether what was changed is gone, for something has failed: the disks are to
    /// be opened again.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Makes changes, and returns the files as they are then.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`](crate::error::Kind::Storage) if one cannot be made. Nobody knows then what is on the
    /// overlays, so all that was changed is dropped.
    pub fn make(&mut self, tree: &Tree, changes: Vec<Change>) -> Result<Tree> {
        let needed: u64 = changes.iter().map(Change::host_bytes).sum();
        for disk in self.held.guard.disks() {
            image::must_have_room(disk.lease(), needed)?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(begin(self.held, tree, needed)?),
        };
        match open.make(self.held.host, tree, &changes) {
            Ok(tree) => {
                self.sources.extend(changes.iter().map(source));
                self.changes.extend(changes);
                Ok(tree)
            }
            Err(error) => Err(self.lose(error)),
        }
    }

    /// Drops everything after an error.
    fn lose(&mut self, error: Error) -> Error {
        let error = self.held.host.stopped_by(error);
        let had = self.changes.len();
        let Err(other) = self.drop_all() else {
            return match had {
                0 => error,
                had => error.hint(format!(
                    "the {had} changes before it are dropped too, and nothing is written: make \
                     them again, and `commit` them first"
                )),
            };
        };
        other.part(error.to_string())
    }

    /// Mounts one more file system, which may be one that is changed.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::mount`] and [`Part::readable`].
    pub fn mount(&mut self, tree: &mut Tree, part: &Part, at: &[u8]) -> Result<()> {
        let fs = Rc::clone(part.readable()?);
        let (device, kind, root) = (part.device.clone(), fs.kind(), fs.root());
        tree.mount(at, device.clone(), fs, root)?;
        if let Some(open) = &mut self.open {
            open.live.add(Mountable {
                device,
                kind,
                options: String::new(),
            });
            *tree = open.seen(tree)?;
        }
        Ok(())
    }

    /// Has the disks get all that is changed, or nothing.
    ///
    /// # Errors
    ///
    /// If it fails before the commit mark, nothing has changed; after that,
    /// [`Kind::NotUndone`](crate::error::Kind::NotUndone): the next run finishes it.
    pub fn commit(&mut self) -> Result<()> {
        let Some(Open { begun, live }) = self.open.take() else {
            return Ok(());
        };
        self.lost = true;
        let mounts = live.mounts().to_vec();
        let ended = live.finish();
        let known = self.known();
        match ended {
            Ok(()) => begun.commit(Written {
                mounts: &mounts,
                changes: &known,
            }),
            Err(error) => Err(begun.failed(error)),
        }
    }

    /// Drops all that is changed: the disks are as they were.
    ///
    /// # Errors
    ///
    /// [`Kind::NotUndone`](crate::error::Kind::NotUndone) if the overlays cannot be removed.
    pub fn discard(&mut self) -> Result<()> {
        self.drop_all()
    }

    fn drop_all(&mut self) -> Result<()> {
        self.lost = true;
        self.changes.clear();
        match self.open.take() {
            Some(Open { begun, live }) => {
                live.give_up();
                begun.abort()
            }
            None => Ok(()),
        }
    }

    /// The changes, without the contents that nobody knows any more: those of files
    /// of the host that are others by now.
    fn known(&self) -> Vec<Change> {
        let both = self.changes.iter().zip(&self.sources);
        both.map(|(change, then)| match change {
            Change::Contents { at, .. } | Change::File { at, .. } if source(change) != *then => {
                Change::File {
                    at: at.clone(),
                    from: None,
                    given: Given::default(),
                }
            }
            same => same.clone(),
        })
        .collect()
    }
}

impl Open<'_> {
    /// Makes changes, and returns the files as they are then.
    fn make(&mut self, host: Host<'_>, tree: &Tree, changes: &[Change]) -> Result<Tree> {
        host.interrupt.check()?;
        let total = changes.len() as u64;
        self.live.carry_out(changes, &mut |done| {
            host.observer.counted("changing", done as u64, total);
        })?;
        self.seen(tree)
    }

    /// The files as they are in the appliance; those of file systems that were not
    /// changed are read as before.
    fn seen(&mut self, tree: &Tree) -> Result<Tree> {
        let live = &mut self.live;
        tree.read_by(|number, mount| {
            if live.holds(&mount.device) {
                return live.files(number, mount.fs.as_ref());
            }
            Ok((Rc::clone(&mount.fs), mount.root()))
        })
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // What is left behind, the next run tidies up.
        drop(self.drop_all());
    }
}

fn begin<'w>(held: &'w Held<'w>, tree: &Tree, needed: u64) -> Result<Open<'w>> {
    let begun = held.begin(needed)?;
    let guest = GuestDisks {
        drives: held.drives(),
        images: begun.images(),
        mounts: Mountable::all_of(tree),
    };
    // A command that is stopped is to leave it as it is.
    match Live::start(guest, held.keys(), held.scratch(), &held.interrupt) {
        Ok(live) => Ok(Open { begun, live }),
        Err(error) => Err(begun.failed(error)),
    }
}

/// What the file of the host is that a change takes, if it is one that the user may
/// change.
fn source(change: &Change) -> Option<Source> {
    let (Change::Contents { from, .. }
    | Change::File {
        from: Some(from), ..
    }) = change
    else {
        return None;
    };
    facts(from)
}

fn facts(path: &Path) -> Option<Source> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}
