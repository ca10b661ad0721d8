//! The addresses that are reserved for clones.

use super::plan::PlannedClone;
use super::request::CloneRequest;
use crate::error::Result;
use crate::model::Reservation;
use crate::ops::{Host, reservations};
use crate::xml::domain::DomainFacts;

/// Decides which clone gets which address. Returns what the user should know.
pub(super) fn plan(
    host: Host<'_>,
    request: &CloneRequest,
    facts: &DomainFacts,
    under_way: &[(u32, Reservation)],
    clones: &mut [PlannedClone],
) -> Result<Vec<String>> {
    let guests: Vec<reservations::Guest<'_>> = clones
        .iter()
        .map(|clone| reservations::Guest {
            name: clone.name.as_str(),
            macs: &clone.macs,
        })
        .collect();
    let (ranges, nics) = (&request.addresses, &facts.nics);
    let chosen = reservations::choose(host, ranges, &facts.name, nics, &guests, under_way)?;
    for (clone, reservation) in clones.iter_mut().zip(chosen.reservations) {
        clone.reservations.extend(reservation);
    }
    Ok(chosen.warnings)
}

/// Reserves the addresses of these clones. Which they are stands in the journal,
/// so what is begun here is taken back.
///
/// # Errors
///
/// Those of [`Networks::reserve`](crate::hypervisor::Networks::reserve).
pub(super) fn make(host: Host<'_>, clones: &[&PlannedClone]) -> Result<()> {
    for reservation in clones.iter().flat_map(|clone| &clone.reservations) {
        host.interrupt.check()?;
        host.hypervisor.reserve(reservation)?;
        crate::failpoint::hit("clone.reserved")?;
    }
    Ok(())
}
