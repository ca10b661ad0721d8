//! Storage volumes over a connection that outlives a restart of the daemon.

use std::path::Path;
use std::sync::Arc;

use super::Connection;
use crate::error::Result;
use crate::hypervisor::{Volume, Volumes};

impl Volumes for Connection {
    fn volume_at(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>> {
        // What is read of one after the connection was lost is an error: the
        // host may have been away for long, and the disk be another by now.
        self.ask(|libvirt| libvirt.volume_at(path))
    }
}
