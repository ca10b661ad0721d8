//! What a host has for guests.

use std::ffi::c_int;

use virt::connect::Connect;
use virt::sys::{self, virNodeMemoryStats};

use super::failed;
use crate::error::Result;
use crate::model::HostRoom;

/// Memory that is free, or is as soon as somebody wants it.
const FREE: [&str; 3] = ["free", "buffers", "cached"];

/// How many kinds of memory a driver may tell of; those of QEMU are four.
const MOST: usize = 64;

pub(super) fn of(conn: &Connect) -> Result<HostRoom> {
    let what = |e| failed(&e, "cannot read what the host has for guests");
    let info = conn.node_info().map_err(what)?;
    Ok(HostRoom {
        memory: info.memory.saturating_mul(1024),
        free_memory: free(conn),
        cpus: info.cpus,
    })
}

/// `None` where the driver does not tell. `virNodeGetFreeMemory` does not count what
/// the host only keeps of files.
fn free(conn: &Connect) -> Option<u64> {
    let mut count = 0;
    stats(conn, &mut [], &mut count)?;
    let room = usize::try_from(count).ok().filter(|room| *room <= MOST)?;
    let empty = virNodeMemoryStats {
        field: [0; 80],
        value: 0,
    };
    let mut all = vec![empty; room];
    stats(conn, &mut all, &mut count)?;
    let kib = all
        .iter()
        .filter(|one| FREE.contains(&name(one).as_str()))
        .map(|one| one.value);
    let kib = kib.fold(0, u64::saturating_add);
    (kib > 0).then(|| kib.saturating_mul(1024))
}

fn stats(conn: &Connect, all: &mut [virNodeMemoryStats], count: &mut c_int) -> Option<()> {
    // SAFETY: the connection is alive while it is borrowed; libvirt writes no more of
    // these than `count` says, for which there is room.
    #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
    let answer = unsafe {
        sys::virNodeGetMemoryStats(
            conn.as_ptr(),
            sys::VIR_NODE_MEMORY_STATS_ALL_CELLS,
            all.as_mut_ptr(),
            count,
            0,
        )
    };
    (answer >= 0).then_some(())
}

/// The C string in a field that may be larger.
fn name(one: &virNodeMemoryStats) -> String {
    let bytes = one.field.iter().map(|&byte| byte.cast_unsigned());
    let bytes = bytes.take_while(|&byte| byte != 0).collect();
    String::from_utf8(bytes).unwrap_or_default()
}
