//! How full the file systems of guests are.

use serde::Serialize;

use crate::guest::native::fs::{Health, Usage};
use crate::guest::system::System;

/// A file system of a guest, and how full it is.
#[derive(Clone, Debug, Serialize)]
pub struct Filled {
    /// The guest.
    pub guest: String,
    /// The device in the guest.
    pub device: String,
    /// Which file system it is.
    pub fs: String,
    /// Its label.
    pub label: Option<String>,
    /// Its UUID.
    pub uuid: Option<String>,
    /// Whether it was closed well; `None` if it could not be opened.
    pub health: Option<Health>,
    /// How full it is; `None` if nobody knows.
    pub usage: Option<Usage>,
    /// Why nobody knows.
    pub problem: Option<String>,
}

/// How full the file systems of a guest are. Volumes that only hold others, and
/// swap space, are left out; so is what is empty.
pub fn df(guest: &str, system: &System) -> Vec<Filled> {
    let parts = system.parts.iter();
    let parts = parts
        .filter(|part| part.fs.is_some() || part.problem.is_some() || part.is_unread_file_system());
    parts
        .map(|part| {
            let usage = part.readable().and_then(|fs| fs.usage());
            let label = part.fs.as_ref().and_then(|fs| fs.label());
            Filled {
                guest: guest.to_owned(),
                device: part.device.clone(),
                fs: match &part.fs {
                    Some(fs) => fs.kind().as_str().to_owned(),
                    None => part.content.as_str().to_owned(),
                },
                label: label.map(|label| String::from_utf8_lossy(&label).into_owned()),
                uuid: part.fs.as_ref().and_then(|fs| fs.uuid()),
                health: part.fs.as_ref().map(|fs| fs.health()),
                problem: usage.as_ref().err().map(ToString::to_string),
                usage: usage.ok(),
            }
        })
        .collect()
}
