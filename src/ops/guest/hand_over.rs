//! Handing guests over to `guestfish`.

use super::Guest;
use crate::error::Result;
use crate::guest::appliance::{Drive, HandOver};
use crate::guest::change::Mountable;
use crate::guest::scratch::Scratch;
use crate::guest::tree::Tree;
use crate::interrupt::Interrupt;

impl Guest {
    /// Has the user talk to `guestfish`, with overlays on the disks and what is
    /// mounted in a tree of this guest. Nothing that is written there stays.
    /// `unmounted` is told of what it cannot be told to mount.
    ///
    /// # Errors
    ///
    /// Those of [`HandOver::to_read`]; if the images are on another host.
    pub fn hand_over(&mut self, tree: &Tree, unmounted: &mut dyn FnMut(&str)) -> Result<()> {
        self.must_be_here()?;
        let scratch = Scratch::new()?;
        let interrupt = self.interrupt().clone();
        to_guestfish(self.drives(), tree, (&scratch, &interrupt), unmounted).to_read()
    }
}

/// What `guestfish` is to be told.
pub(in crate::ops) fn to_guestfish<'h>(
    drives: Vec<Drive>,
    tree: &Tree,
    (scratch, interrupt): (&'h Scratch, &'h Interrupt),
    unmounted: &mut dyn FnMut(&str),
) -> HandOver<'h> {
    let mut mounts = Vec::new();
    for (mount, mounted) in Mountable::all_of(tree).into_iter().zip(tree.mounts()) {
        match HandOver::can_mount(&mount, &mounted.at) {
            true => mounts.push((mount, mounted.at.clone())),
            false => unmounted(&mount.device),
        }
    }
    HandOver {
        drives,
        mounts,
        scratch,
        interrupt,
    }
}
