//! The first version of qcow. The rules are those of `qcow_open()` in QEMU's
//! `block/qcow.c`.

use super::{CUT_OFF, Facts, Found, Problem, Source};
use crate::image::file::{be32, be64};

pub(super) fn read(image: &dyn Source) -> Found {
    let head = image.header(0, 48)?;
    if !head.starts_with(b"QFI\xfb") || be32(&head, 4) != Some(1) {
        return Err(Problem::Refused("it does not begin as a qcow image does"));
    }
    let long = |at| be64(&head, at).ok_or(CUT_OFF);
    if long(8)? != 0 {
        return Err(Problem::Refused("it has a backing file"));
    }
    let [cluster_bits, l2_bits] = *head
        .get(32..)
        .and_then(|rest| rest.first_chunk())
        .ok_or(CUT_OFF)?;
    if !(9..=16).contains(&cluster_bits) || !(6..=13).contains(&l2_bits) {
        return Err(Problem::Refused(
            "its clusters or tables are of an impossible size",
        ));
    }
    let encrypted = match be32(&head, 36).ok_or(CUT_OFF)? {
        0 => false,
        1 => true,
        _ => return Err(Problem::Refused("its encryption is unknown")),
    };
    let (size, l1) = (long(24)?, long(40)?);
    // An entry of the L1 table stands for that much of the disk.
    let per_entry = 1_u64 << (cluster_bits + l2_bits);
    let entries = size.div_ceil(per_entry);
    if entries > u64::from(i32::MAX.unsigned_abs()) / 8 {
        return Err(Problem::Refused("its disk is too large"));
    }
    image.holds(l1, entries * 8)?;
    // Of the last sector, QEMU shows the guest all or nothing.
    Facts::of_size(size & !511).map(|facts| Facts { encrypted, ..facts })
}
