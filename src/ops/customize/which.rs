//! The guest that is to be customized.

use uuid::Uuid;

use crate::model::Mac;

/// Which guest it is.
#[derive(Clone, Copy, Debug)]
pub struct Which<'g> {
    /// The name of its domain, or of its image without the extension.
    pub name: &'g str,
    /// Which one it is of those that are customized, from 1 on.
    pub number: u64,
    /// The UUID of its domain; none if it is an image that no domain has.
    pub uuid: Option<Uuid>,
    /// The MAC addresses of its domain's interfaces, in their order.
    pub macs: &'g [Mac],
}

impl Which<'_> {
    /// Its MAC addresses, as they are told.
    pub(super) fn shown_macs(&self) -> String {
        let macs: Vec<String> = self.macs.iter().map(Mac::to_string).collect();
        match macs.is_empty() {
            true => "none".to_owned(),
            false => macs.join(", "),
        }
    }
}
