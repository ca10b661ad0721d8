//! Storage volumes over a connection that outlives a restart of the daemon.

use std::path::Path;
use std::sync::Arc;

use super::Connection;
use crate::error::Result;
use crate::hypervisor::{Volume, Volumes};
use crate::model::{NewVolume, PoolFacts, PoolVolume, VolumeName};

// What is read of or written to a volume after the connection was lost is an
// error: the host may have been away for long, and the disk be another by now.
impl Volumes for Connection {
    fn volume_at(&self, path: &Path) -> Result<Option<Arc<dyn Volume>>> {
        self.ask(|libvirt| libvirt.volume_at(path))
    }

    fn volume_in(&self, pool: &str, name: &str) -> Result<Option<Arc<dyn Volume>>> {
        self.ask(|libvirt| libvirt.volume_in(pool, name))
    }

    fn volume_names(&self, pool: &str) -> Result<Vec<String>> {
        self.ask(|libvirt| libvirt.volume_names(pool))
    }

    fn volumes_of(&self, pool: &str) -> Result<Vec<PoolVolume>> {
        self.ask(|libvirt| libvirt.volumes_of(pool))
    }

    fn pool_facts(&self, pool: &str) -> Result<PoolFacts> {
        self.ask(|libvirt| libvirt.pool_facts(pool))
    }

    fn create_volume(&self, pool: &str, new: &NewVolume) -> Result<Arc<dyn Volume>> {
        self.now().create_volume(pool, new)
    }

    fn copy_volume(
        &self,
        from: &VolumeName,
        pool: &str,
        new: &NewVolume,
    ) -> Result<Arc<dyn Volume>> {
        self.now().copy_volume(from, pool, new)
    }
}
