//! What systemd of the guest is to start.

use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::ops::write::plan::Draft;

/// Where the administrator's units are, and what is started with the system.
const UNITS: &str = "/etc/systemd/system";
const STARTED: &str = "/etc/systemd/system/multi-user.target.wants";

/// Whether the guest is started by systemd.
///
/// # Errors
///
/// If its files cannot be read.
pub(super) fn has_systemd(draft: &Draft<'_>) -> Result<bool> {
    for path in ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"] {
        if draft.tree().look(path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A unit is there and is started with the system. `for_what` is what it is for, in
/// the words of the command line.
///
/// # Errors
///
/// [`Kind::WrongState`] if the guest has no systemd; those of [`Draft::put`].
pub(super) fn enable(draft: &mut Draft<'_>, name: &str, text: &str, for_what: &str) -> Result<()> {
    if !has_systemd(draft)? {
        return Err(Error::new(
            Kind::WrongState,
            format!("{for_what} needs systemd, which the guest does not have"),
        ));
    }
    draft.mkdir(STARTED.as_bytes(), true, None)?;
    let unit = format!("{UNITS}/{name}");
    draft.put(unit.as_bytes(), text.as_bytes(), Given::default())?;
    let link = format!("{STARTED}/{name}");
    draft.need_link(link.as_bytes(), unit.as_bytes(), Given::default())
}
