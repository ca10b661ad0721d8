//! Machine ids.

use uuid::Uuid;

use super::MachineId;
use crate::error::Result;
use crate::guest::change::Given;
use crate::guest::native::fs::FileKind;
use crate::ops::write::plan::Draft;

const FILE: &[u8] = b"/etc/machine-id";

/// The same for D-Bus: a link to the other, or a file of its own.
const OF_DBUS: &[u8] = b"/var/lib/dbus/machine-id";

/// The guest has another machine id, or none.
///
/// # Errors
///
/// Those of [`Draft::put`].
pub(super) fn draft(draft: &mut Draft<'_>, id: &MachineId) -> Result<()> {
    let text = match id {
        // What systemd makes is of this form.
        MachineId::New => format!("{}\n", Uuid::new_v4().simple()),
        MachineId::This(id) => format!("{id}\n"),
        // An empty file, and not none: without one systemd takes the next start for
        // the first ever, and what it presets for that.
        MachineId::Empty => String::new(),
    };
    let given = Given {
        mode: Some(0o444),
        label_type: Some("machineid_t"),
        ..Given::default()
    };
    draft.put(FILE, text.as_bytes(), given)?;
    let of_dbus = draft.stat(OF_DBUS)?;
    if of_dbus.is_none_or(|stat| stat.kind != FileKind::File) {
        return Ok(());
    }
    match id {
        // An empty one would stop D-Bus; it makes what is not there.
        MachineId::Empty => draft.rm(OF_DBUS, false, true),
        _ => draft.put(OF_DBUS, text.as_bytes(), given).map(drop),
    }
}
