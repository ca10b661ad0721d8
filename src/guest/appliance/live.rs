//! An appliance that changes a guest bit by bit, and by which it is read meanwhile.

use std::cell::RefCell;
use std::rc::Rc;

use super::changes::{Changing, GuestDisks, Known, mounted};
use super::files::{About, Files};
use super::key::Key;
use super::machine::{in_appliance, opened};
use super::session::Session;
use crate::error::Result;
use crate::guest::change::{Change, Mountable};
use crate::guest::native::fs::{FileSystem, Node, with_checks};
use crate::guest::scratch::Scratch;
use crate::interrupt::Interrupt;

/// An appliance with the disks of one guest.
pub struct Live {
    session: Rc<RefCell<Session>>,
    guest: GuestDisks,
    known: Known,
}

impl Live {
    /// Starts it with redo overlays on the disks, and opens what the keys open.
    /// Nothing is mounted yet. What it needs for itself goes to `scratch`, which
    /// must be there until it has ended.
    ///
    /// # Errors
    ///
    /// Those of [`open`](super::open).
    pub fn start(
        guest: GuestDisks,
        keys: &[Key],
        scratch: &Scratch,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let (drives, images) = (&guest.drives, &guest.images);
        let (session, _) = opened(drives, images, keys, scratch.dir(), interrupt)?;
        Ok(Self {
            session: Rc::new(RefCell::new(session)),
            guest,
            known: Known::default(),
        })
    }

    /// Carries changes out, in their order; `progress` is told how many are done.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`](crate::error::Kind::Storage) if one cannot be made: the
    /// overlays are no good then.
    pub fn carry_out(&mut self, changes: &[Change], progress: &mut dyn FnMut(usize)) -> Result<()> {
        let mut session = self.session.borrow_mut();
        let known = std::mem::take(&mut self.known);
        let mut changing = Changing::resumed(&mut session, &self.guest, known);
        let result = changing.carry_out_all(changes, progress);
        self.known = changing.into_known();
        result
    }

    /// What can be mounted, in the order that changes count it in.
    pub fn mounts(&self) -> &[Mountable] {
        &self.guest.mounts
    }

    /// Has changes be made on one more.
    pub fn add(&mut self, mount: Mountable) {
        self.guest.mounts.push(mount);
    }

    /// Whether a device is mounted, and so may be changed.
    pub fn holds(&self, device: &str) -> bool {
        let mut mounts = self.guest.mounts.iter().enumerate();
        mounts.any(|(number, mount)| {
            mount.device == device && self.known.mounted.contains_key(&number)
        })
    }

    /// The files of a file system as they are now, and its root. `was` is the file
    /// system before anything was changed. What is changed after this need not be
    /// seen in it.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`](crate::error::Kind::WrongState) if it cannot be mounted.
    pub fn files(
        &mut self,
        number: usize,
        was: &dyn FileSystem,
    ) -> Result<(Rc<dyn FileSystem>, Node)> {
        let place = match self.known.mounted.get(&number) {
            Some(place) => place.clone(),
            None => {
                let mut session = self.session.borrow_mut();
                let place = mounted(&mut session, &self.guest, 0, number)?;
                self.known.mounted.insert(number, place.clone());
                place
            }
        };
        let device = self
            .guest
            .mounts
            .get(number)
            .map(|mount| mount.device.as_str());
        let device = device.unwrap_or_default();
        let label = was.label();
        let about = About {
            device: in_appliance(&self.guest.drives, 0, device)
                .unwrap_or_else(|| device.to_owned()),
            kind: was.kind(),
            uuid: was.uuid(),
            label: label.map(|label| String::from_utf8_lossy(&label).into_owned()),
        };
        let files = Files::at(Rc::clone(&self.session), about, &place)?;
        let root = files.root();
        Ok((Rc::from(with_checks(Box::new(files))), root))
    }

    /// Ends the appliance; everything is written to the overlays then.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`](crate::error::Kind::Storage) if it does not say so: the
    /// overlays are no good then.
    pub fn finish(self) -> Result<()> {
        self.session.borrow_mut().finish()
    }

    /// Ends the appliance; what is on the overlays is of no use then.
    pub fn give_up(self) {
        // They go, whatever it says.
        drop(self.session.borrow_mut().end());
    }
}
