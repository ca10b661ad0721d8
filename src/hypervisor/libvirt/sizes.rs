//! What domains that are not active have: one question for all of them.

use std::collections::HashMap;
use std::ffi::{CStr, c_uint, c_ulonglong};

use uuid::Uuid;
use virt::sys;

use super::{Libvirt, failed};
use crate::error::Result;
use crate::model::{MachineSize, Size};

/// The names that libvirt has for it, in KiB and processors (`virConnectGetAllDomainStats`
/// in its manual).
const MEMORY: &CStr = c"balloon.maximum";
const VCPUS: &CStr = c"vcpu.current";

/// What each domain that is not active has, as far as the driver tells.
pub(super) fn of_inactive(libvirt: &Libvirt) -> Result<HashMap<Uuid, MachineSize>> {
    let records = Records::ask(libvirt)?;
    Ok(records.read().into_iter().collect())
}

/// What libvirt has answered. The `virt` crate has no way to look into it.
struct Records {
    first: *mut sys::virDomainStatsRecordPtr,
    count: usize,
}

impl Records {
    #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
    fn ask(libvirt: &Libvirt) -> Result<Self> {
        let mut first = std::ptr::null_mut();
        // SAFETY: the connection is open as long as it is borrowed, and there is room for
        // the address of the records.
        let count = unsafe {
            sys::virConnectGetAllDomainStats(
                libvirt.conn.as_ptr(),
                sys::VIR_DOMAIN_STATS_BALLOON | sys::VIR_DOMAIN_STATS_VCPU,
                &raw mut first,
                sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE,
            )
        };
        match usize::try_from(count) {
            Ok(count) if !first.is_null() => Ok(Self { first, count }),
            _ => {
                let error = virt::error::Error::last_error();
                Err(failed(&error, "cannot ask what the domains have"))
            }
        }
    }

    #[expect(unsafe_code, reason = "records that the crate does not wrap")]
    fn read(&self) -> Vec<(Uuid, MachineSize)> {
        let read = |at: usize| {
            let mut uuid = [0_u8; 16];
            let mut memory: c_ulonglong = 0;
            let mut vcpus: c_uint = 0;
            // SAFETY: libvirt has said that there are so many records, which are its own
            // until they are freed; a UUID has 16 bytes, and the names end with a zero byte.
            let all = unsafe {
                let record = &**self.first.add(at);
                let (parameters, count) = (record.params, record.nparams);
                [
                    sys::virDomainGetUUID(record.dom, uuid.as_mut_ptr()) + 1,
                    sys::virTypedParamsGetULLong(
                        parameters,
                        count,
                        MEMORY.as_ptr(),
                        &raw mut memory,
                    ),
                    sys::virTypedParamsGetUInt(parameters, count, VCPUS.as_ptr(), &raw mut vcpus),
                ]
            };
            let size = MachineSize {
                memory: Size(memory.saturating_mul(1024)),
                vcpus,
            };
            (all == [1; 3]).then_some((Uuid::from_bytes(uuid), size))
        };
        (0..self.count).filter_map(read).collect()
    }
}

impl Drop for Records {
    #[expect(unsafe_code, reason = "a call that the crate does not wrap")]
    fn drop(&mut self) {
        // SAFETY: they are freed once, here, and nothing of them is kept.
        unsafe { sys::virDomainStatsRecordListFree(self.first) };
    }
}
