//! Changing a guest by the hand of the user, who talks to `guestfish`.

use super::{Held, Written};
use crate::error::Result;
use crate::guest::tree::Tree;
use crate::ops::guest::to_guestfish;

impl Held<'_> {
    /// Has the user talk to `guestfish` with what is mounted in a tree of this guest,
    /// and the disks get all that it has written, or nothing: if it does not end
    /// well, or `agree` fails. `unmounted` is told of what it cannot be told to mount.
    ///
    /// # Errors
    ///
    /// Those of [`Begun::commit`](super::Begun::commit), and of what fails.
    pub fn with_guestfish(
        &self,
        tree: &Tree,
        unmounted: &mut dyn FnMut(&str),
        agree: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let begun = self.begin(0)?;
        let around = (&self.scratch, &self.interrupt);
        let handed = to_guestfish(self.drives(), tree, around, unmounted);
        let done = handed.to_change(begun.overlays()).and_then(|()| agree());
        match done {
            Ok(()) => begun.commit(Written::default()),
            Err(error) => Err(begun.failed(error)),
        }
    }
}
