//! Time zones.

use super::Timezone;
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::guest::native::fs::FileKind;
use crate::ops::write::plan::Draft;

/// Where the zones are.
const ZONES: &str = "/usr/share/zoneinfo";

/// The guest has another time zone, one that it knows.
///
/// # Errors
///
/// [`Kind::NotFound`] if it knows none of that name.
pub(super) fn draft(draft: &mut Draft<'_>, zone: &Timezone) -> Result<()> {
    let zone = zone.as_str();
    if draft.tree().look(ZONES)?.is_none() {
        return Err(Error::new(
            Kind::NotFound,
            format!("the guest knows no time zones: it has no {ZONES}"),
        )
        .hint("install the package tzdata in it"));
    }
    let there = draft.tree().look(&format!("{ZONES}/{zone}"))?;
    let is_zone = match &there {
        Some(place) => draft.tree().stat(place)?.kind == FileKind::File,
        None => false,
    };
    if !is_zone {
        return Err(Error::new(
            Kind::NotFound,
            format!("the guest knows no time zone '{zone}'"),
        )
        .hint(format!(
            "see which it knows: `vmkin ls -R -d DOMAIN {ZONES}`"
        )));
    }
    let given = Given {
        label_type: Some("locale_t"),
        ..Given::default()
    };
    // As systemd writes it: it holds wherever the root is mounted.
    let target = format!("..{ZONES}/{zone}");
    draft.need_link(b"/etc/localtime", target.as_bytes(), given)?;
    // Debian's, which not all systems have.
    if draft.text(b"/etc/timezone")?.is_some() {
        let line = format!("{zone}\n");
        draft.put(b"/etc/timezone", line.as_bytes(), Given::default())?;
    }
    Ok(())
}
