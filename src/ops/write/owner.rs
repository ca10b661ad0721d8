//! The domain whose files are changed.

use super::Writing;
use crate::error::Result;
use crate::model::{Domain, Mac};
use crate::xml::domain;

impl Writing<'_> {
    /// The domain that it is, if it is one.
    pub fn domain(&self) -> Option<&Domain> {
        self.guard.owner()
    }

    /// The MAC addresses of the domain's interfaces, in their order; none of an image
    /// that no domain has.
    ///
    /// # Errors
    ///
    /// If the XML of the domain cannot be read.
    pub fn macs(&self) -> Result<Vec<Mac>> {
        let nics = match self.guard.owner_xml() {
            Some(xml) => domain::read(xml)?.nics,
            None => Vec::new(),
        };
        Ok(nics.iter().filter_map(|nic| nic.mac).collect())
    }
}
