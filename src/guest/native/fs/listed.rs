//! What is kept of the directory that was listed last: names are looked up in
//! what is listed, so that both are always the same.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Entry, Node};
use crate::error::Result;

/// A directory that was listed.
pub(super) struct Listed {
    dir: Node,
    /// What is in it.
    pub(super) entries: Vec<Entry>,
    by_name: HashMap<Vec<u8>, Node>,
}

impl Listed {
    /// What has exactly this name.
    pub(super) fn find(&self, name: &[u8]) -> Option<Node> {
        self.by_name.get(name).copied()
    }
}

/// The directory that was listed last.
#[derive(Default)]
pub(super) struct LastListed(RefCell<Option<Rc<Listed>>>);

impl LastListed {
    /// A directory, which is listed if it is another than the last one.
    ///
    /// # Errors
    ///
    /// Those of `list`.
    pub(super) fn of(
        &self,
        dir: Node,
        list: impl FnOnce() -> Result<Vec<Entry>>,
    ) -> Result<Rc<Listed>> {
        if let Some(last) = self.0.borrow().as_ref() {
            if last.dir == dir {
                return Ok(Rc::clone(last));
            }
        }
        let entries = list()?;
        let by_name = entries.iter().map(|entry| (entry.name.clone(), entry.node));
        let listed = Rc::new(Listed {
            dir,
            by_name: by_name.collect(),
            entries,
        });
        *self.0.borrow_mut() = Some(Rc::clone(&listed));
        Ok(listed)
    }
}
