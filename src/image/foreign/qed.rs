//! QEMU's QED, which nobody makes any more. `docs/interop/qed_spec.rst` of QEMU;
//! the rules are those of `bdrv_qed_do_open()` in its `block/qed.c`.

use super::{CUT_OFF, Facts, Found, Problem, Source};
use crate::image::file::{le32, le64};

const BACKING_FILE: u64 = 1;
const NEEDS_CHECK: u64 = 1 << 1;
/// Says that the backing file is raw; it means nothing without one.
const NO_PROBE: u64 = 1 << 2;

pub(super) fn read(image: &dyn Source) -> Found {
    let head = image.header(0, 64)?;
    if !head.starts_with(b"QED\0") {
        return Err(Problem::Refused("it does not begin as a QED image does"));
    }
    let word = |at| le32(&head, at).map(u64::from).ok_or(CUT_OFF);
    let long = |at| le64(&head, at).ok_or(CUT_OFF);
    let features = long(16)?;
    if features & (BACKING_FILE | NO_PROBE) != 0 {
        return Err(Problem::Refused(
            "it has a backing file or unknown features",
        ));
    }
    if features & !NEEDS_CHECK != 0 {
        return Err(Problem::Refused("it has features unknown here"));
    }
    let (cluster, table, header) = (word(4)?, word(8)?, word(12)?);
    let usual = cluster.is_power_of_two()
        && (4 << 10..=64 << 20).contains(&cluster)
        && table.is_power_of_two()
        // QEMU makes images with tables of one cluster, and does not open them.
        && (2..=16).contains(&table);
    if !usual {
        return Err(Problem::Refused(
            "its clusters or tables are of an impossible size",
        ));
    }
    let (l1, size) = (long(40)?, long(48)?);
    // The L1 table is of whole clusters, between the header and the end.
    if l1 % cluster != 0 || header == 0 || l1 < header * cluster {
        return Err(Problem::Refused("its L1 table is at an impossible place"));
    }
    image.holds(l1, table * cluster)?;
    let entries = table * cluster / 8;
    let most = u128::from(entries) * u128::from(entries) * u128::from(cluster);
    if size % 512 != 0 || u128::from(size) > most {
        return Err(Problem::Refused(
            "its tables cannot hold a disk of its size",
        ));
    }
    Facts::of_size(size).map(|facts| Facts {
        dirty: features & NEEDS_CHECK != 0,
        ..facts
    })
}
