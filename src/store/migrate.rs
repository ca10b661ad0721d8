//! What a journal says of a guest that goes to another host with its disks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::VolumeIntent;

/// A guest whose disks are copied to another host, which the journal is of. It has
/// gone when that host has a definition of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MigrateIntent {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// The URI of the host that it leaves.
    pub from: String,
    /// Whether libvirt fills the disks while it runs. What is in them then is known by
    /// nobody else; what else is copied holds what it was made to hold.
    pub live: bool,
    /// Its files here.
    pub files: Vec<PathBuf>,
    /// The volumes that are made there.
    pub volumes: Vec<VolumeIntent>,
}
