//! The C library, loaded when it is first called.
//!
//! Libvirt's client library brings some sixty others with it, and mapping them
//! takes several times as long as reading a file out of an image. What needs no
//! connection does without: `vmkin cat -a`, `--help`; it even works where libvirt
//! is not installed.
//!
//! So the functions that the `virt` crate calls are defined here, each of them
//! a jump to the one in the library. The linker then finds that nothing of the
//! library itself is missing, and leaves it out of what the program needs to
//! start. A function that is used but not listed puts it back, which works just
//! the same, only slower; a test notices.

use std::ffi::{c_char, c_int, c_longlong, c_uchar, c_uint, c_ulong, c_ulonglong, c_void};
use std::sync::OnceLock;

use libloading::Library;
use virt::sys::{
    self, virConnectPtr, virDomainBlockJobInfoPtr, virDomainInfoPtr, virDomainInterfacePtr,
    virDomainJobInfoPtr, virDomainPtr, virDomainSnapshotPtr, virDomainStatsRecordPtr, virErrorFunc,
    virErrorPtr, virNetworkDHCPLeasePtr, virNetworkPtr, virNodeInfoPtr, virNodeMemoryStatsPtr,
    virStoragePoolPtr, virStorageVolPtr, virStreamPtr, virTypedParameterPtr,
};

use crate::error::{Error, Kind, Result};

/// Its name with the version of its interface, which has not changed since 2005.
const NAME: &str = "libvirt.so.0";

static CALLS: OnceLock<Calls> = OnceLock::new();

/// Loads the library unless it is there already.
///
/// # Errors
///
/// [`Kind::Environment`] if it is not installed, or too old.
pub(super) fn load() -> Result<()> {
    if CALLS.get().is_none() {
        // Somebody else may have been first, with the same functions.
        let _ = CALLS.set(find(NAME)?);
    }
    Ok(())
}

fn find(name: &str) -> Result<Calls> {
    Calls::find(name).map_err(|error| {
        Error::wrap(
            Kind::Environment,
            "cannot load the client library of libvirt",
            error,
        )
        .hint(
            "install it: `sudo apt install libvirt0` (Fedora: `sudo dnf install libvirt-libs`); \
             images of no domain are read without it: `-a IMAGE --format qcow2`",
        )
    })
}

/// What a function answers if there is no library: what libvirt's own answer
/// when they fail.
trait Failed {
    const FAILED: Self;
}

impl Failed for c_int {
    const FAILED: Self = -1;
}

impl Failed for c_uint {
    const FAILED: Self = Self::MAX;
}

impl Failed for () {
    const FAILED: Self = ();
}

impl<T> Failed for *const T {
    const FAILED: Self = std::ptr::null();
}

impl<T> Failed for *mut T {
    const FAILED: Self = std::ptr::null_mut();
}

macro_rules! calls {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $answer:ty)?;)*) => {
        /// Where the functions are.
        #[expect(non_snake_case, reason = "libvirt's own names")]
        struct Calls {
            $($name: unsafe extern "C" fn($($type),*) $(-> $answer)?,)*
        }

        impl Calls {
            fn find(name: &str) -> std::result::Result<Self, libloading::Error> {
                // SAFETY: libvirt sets itself up when it is first called, and
                // has nothing that runs when it is loaded or unloaded. Each
                // function has the type that the bindings say, see below. It
                // stays loaded as long as the process lives.
                #[expect(unsafe_code, reason = "calls into a C library")]
                unsafe {
                    let library = Library::new(name)?;
                    let calls = Self {
                        $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)*
                    };
                    std::mem::forget(library);
                    Ok(calls)
                }
            }
        }

        $(
            // SAFETY: the name is libvirt's, and means just that function.
            #[expect(unsafe_code, reason = "takes the place of a C function")]
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) $(-> $answer)? {
                match load().ok().and_then(|()| CALLS.get()) {
                    // SAFETY: the caller knows what libvirt wants.
                    Some(calls) => unsafe { (calls.$name)($($argument),*) },
                    None => Failed::FAILED,
                }
            }

            // They are of the type that the bindings were generated with.
            const _: unsafe extern "C" fn($($type),*) $(-> $answer)? = sys::$name;
        )*
    };
}

calls! {
    fn virConnectClose(conn: virConnectPtr) -> c_int;
    fn virConnectGetAllDomainStats(
        conn: virConnectPtr, stats: c_uint, records: *mut *mut virDomainStatsRecordPtr, flags: c_uint
    ) -> c_int;
    fn virConnectGetCapabilities(conn: virConnectPtr) -> *mut c_char;
    fn virConnectGetHostname(conn: virConnectPtr) -> *mut c_char;
    fn virConnectGetLibVersion(conn: virConnectPtr, lib_ver: *mut c_ulong) -> c_int;
    fn virConnectGetURI(conn: virConnectPtr) -> *mut c_char;
    fn virConnectIsAlive(conn: virConnectPtr) -> c_int;
    fn virConnectListAllDomains(conn: virConnectPtr, domains: *mut *mut virDomainPtr, flags: c_uint) -> c_int;
    fn virConnectListAllStoragePools(
        conn: virConnectPtr, pools: *mut *mut virStoragePoolPtr, flags: c_uint
    ) -> c_int;
    fn virConnectOpen(name: *const c_char) -> virConnectPtr;
    fn virConnectRef(conn: virConnectPtr) -> c_int;
    fn virConnectSetKeepAlive(conn: virConnectPtr, interval: c_int, count: c_uint) -> c_int;
    fn virDomainAbortJob(dom: virDomainPtr) -> c_int;
    fn virDomainBlockJobAbort(dom: virDomainPtr, disk: *const c_char, flags: c_uint) -> c_int;
    fn virDomainBlockPull(
        dom: virDomainPtr, disk: *const c_char, bandwidth: c_ulong, flags: c_uint
    ) -> c_int;
    fn virDomainBlockResize(
        dom: virDomainPtr, disk: *const c_char, size: c_ulonglong, flags: c_uint
    ) -> c_int;
    fn virDomainCreateWithFlags(domain: virDomainPtr, flags: c_uint) -> c_int;
    fn virDomainDefineXMLFlags(conn: virConnectPtr, xml: *const c_char, flags: c_uint) -> virDomainPtr;
    fn virDomainDestroyFlags(domain: virDomainPtr, flags: c_uint) -> c_int;
    fn virDomainFree(domain: virDomainPtr) -> c_int;
    fn virDomainGetBlockJobInfo(
        dom: virDomainPtr, disk: *const c_char, info: virDomainBlockJobInfoPtr, flags: c_uint
    ) -> c_int;
    fn virDomainGetAutostart(domain: virDomainPtr, autostart: *mut c_int) -> c_int;
    fn virDomainGetID(domain: virDomainPtr) -> c_uint;
    fn virDomainGetInfo(domain: virDomainPtr, info: virDomainInfoPtr) -> c_int;
    fn virDomainGetJobInfo(dom: virDomainPtr, info: virDomainJobInfoPtr) -> c_int;
    fn virDomainGetName(domain: virDomainPtr) -> *const c_char;
    fn virDomainGetUUID(domain: virDomainPtr, uuid: *mut c_uchar) -> c_int;
    fn virDomainGetXMLDesc(domain: virDomainPtr, flags: c_uint) -> *mut c_char;
    fn virDomainHasManagedSaveImage(dom: virDomainPtr, flags: c_uint) -> c_int;
    fn virDomainInterfaceAddresses(
        dom: virDomainPtr, ifaces: *mut *mut virDomainInterfacePtr, source: c_uint, flags: c_uint
    ) -> c_int;
    fn virDomainIsActive(dom: virDomainPtr) -> c_int;
    fn virDomainIsPersistent(dom: virDomainPtr) -> c_int;
    fn virDomainListAllSnapshots(
        domain: virDomainPtr, snaps: *mut *mut virDomainSnapshotPtr, flags: c_uint
    ) -> c_int;
    fn virDomainLookupByID(conn: virConnectPtr, id: c_int) -> virDomainPtr;
    fn virDomainLookupByName(conn: virConnectPtr, name: *const c_char) -> virDomainPtr;
    fn virDomainLookupByUUID(conn: virConnectPtr, uuid: *const c_uchar) -> virDomainPtr;
    fn virDomainManagedSave(dom: virDomainPtr, flags: c_uint) -> c_int;
    fn virDomainManagedSaveGetXMLDesc(domain: virDomainPtr, flags: c_uint) -> *mut c_char;
    fn virDomainManagedSaveRemove(dom: virDomainPtr, flags: c_uint) -> c_int;
    fn virDomainMigrate3(
        domain: virDomainPtr, dconn: virConnectPtr, params: virTypedParameterPtr, nparams: c_uint, flags: c_uint
    ) -> virDomainPtr;
    fn virDomainPMWakeup(domain: virDomainPtr, flags: c_uint) -> c_int;
    fn virDomainReboot(domain: virDomainPtr, flags: c_uint) -> c_int;
    fn virDomainResume(domain: virDomainPtr) -> c_int;
    fn virDomainRevertToSnapshot(snapshot: virDomainSnapshotPtr, flags: c_uint) -> c_int;
    fn virDomainSetAutostart(domain: virDomainPtr, autostart: c_int) -> c_int;
    fn virDomainShutdown(domain: virDomainPtr) -> c_int;
    fn virDomainSnapshotCreateXML(
        domain: virDomainPtr, xml_desc: *const c_char, flags: c_uint
    ) -> virDomainSnapshotPtr;
    fn virDomainSnapshotCurrent(domain: virDomainPtr, flags: c_uint) -> virDomainSnapshotPtr;
    fn virDomainSnapshotDelete(snapshot: virDomainSnapshotPtr, flags: c_uint) -> c_int;
    fn virDomainSnapshotFree(snapshot: virDomainSnapshotPtr) -> c_int;
    fn virDomainSnapshotGetName(snapshot: virDomainSnapshotPtr) -> *const c_char;
    fn virDomainSnapshotGetXMLDesc(snapshot: virDomainSnapshotPtr, flags: c_uint) -> *mut c_char;
    fn virDomainSnapshotLookupByName(
        domain: virDomainPtr, name: *const c_char, flags: c_uint
    ) -> virDomainSnapshotPtr;
    fn virDomainStatsRecordListFree(records: *mut virDomainStatsRecordPtr);
    fn virDomainSuspend(domain: virDomainPtr) -> c_int;
    fn virDomainUndefineFlags(domain: virDomainPtr, flags: c_uint) -> c_int;
    fn virEventRegisterDefaultImpl() -> c_int;
    fn virEventRunDefaultImpl() -> c_int;
    fn virGetLastError() -> virErrorPtr;
    fn virNetworkDHCPLeaseFree(lease: virNetworkDHCPLeasePtr);
    fn virNetworkFree(network: virNetworkPtr) -> c_int;
    fn virNetworkGetDHCPLeases(
        network: virNetworkPtr, mac: *const c_char, leases: *mut *mut virNetworkDHCPLeasePtr, flags: c_uint
    ) -> c_int;
    fn virNetworkGetXMLDesc(network: virNetworkPtr, flags: c_uint) -> *mut c_char;
    fn virNetworkIsActive(net: virNetworkPtr) -> c_int;
    fn virNetworkIsPersistent(net: virNetworkPtr) -> c_int;
    fn virNetworkLookupByName(conn: virConnectPtr, name: *const c_char) -> virNetworkPtr;
    fn virNetworkUpdate(
        network: virNetworkPtr, command: c_uint, section: c_uint, parent_index: c_int, xml: *const c_char, flags: c_uint
    ) -> c_int;
    fn virNodeGetInfo(conn: virConnectPtr, info: virNodeInfoPtr) -> c_int;
    fn virNodeGetMemoryStats(
        conn: virConnectPtr, cell: c_int, params: virNodeMemoryStatsPtr, nparams: *mut c_int, flags: c_uint
    ) -> c_int;
    fn virSetErrorFunc(user_data: *mut c_void, handler: virErrorFunc);
    fn virStoragePoolFree(pool: virStoragePoolPtr) -> c_int;
    fn virStoragePoolGetName(pool: virStoragePoolPtr) -> *const c_char;
    fn virStoragePoolGetXMLDesc(pool: virStoragePoolPtr, flags: c_uint) -> *mut c_char;
    fn virStoragePoolIsActive(pool: virStoragePoolPtr) -> c_int;
    fn virStoragePoolListAllVolumes(
        pool: virStoragePoolPtr, volumes: *mut *mut virStorageVolPtr, flags: c_uint
    ) -> c_int;
    fn virStoragePoolLookupByName(conn: virConnectPtr, name: *const c_char) -> virStoragePoolPtr;
    fn virStoragePoolLookupByVolume(vol: virStorageVolPtr) -> virStoragePoolPtr;
    fn virStoragePoolRefresh(pool: virStoragePoolPtr, flags: c_uint) -> c_int;
    fn virStorageVolCreateXML(
        pool: virStoragePoolPtr, xml: *const c_char, flags: c_uint
    ) -> virStorageVolPtr;
    fn virStorageVolCreateXMLFrom(
        pool: virStoragePoolPtr, xml: *const c_char, clonevol: virStorageVolPtr, flags: c_uint
    ) -> virStorageVolPtr;
    fn virStorageVolDelete(vol: virStorageVolPtr, flags: c_uint) -> c_int;
    fn virStorageVolDownload(
        vol: virStorageVolPtr, stream: virStreamPtr, offset: c_ulonglong, length: c_ulonglong, flags: c_uint
    ) -> c_int;
    fn virStorageVolFree(vol: virStorageVolPtr) -> c_int;
    fn virStorageVolGetName(vol: virStorageVolPtr) -> *const c_char;
    fn virStorageVolGetPath(vol: virStorageVolPtr) -> *mut c_char;
    fn virStorageVolGetXMLDesc(pool: virStorageVolPtr, flags: c_uint) -> *mut c_char;
    fn virStorageVolLookupByName(pool: virStoragePoolPtr, name: *const c_char) -> virStorageVolPtr;
    fn virStorageVolLookupByPath(conn: virConnectPtr, path: *const c_char) -> virStorageVolPtr;
    fn virStorageVolUpload(
        vol: virStorageVolPtr, stream: virStreamPtr, offset: c_ulonglong, length: c_ulonglong, flags: c_uint
    ) -> c_int;
    fn virStreamAbort(st: virStreamPtr) -> c_int;
    fn virStreamEventRemoveCallback(stream: virStreamPtr) -> c_int;
    fn virStreamFinish(st: virStreamPtr) -> c_int;
    fn virStreamFree(st: virStreamPtr) -> c_int;
    fn virStreamNew(conn: virConnectPtr, flags: c_uint) -> virStreamPtr;
    fn virStreamRecv(st: virStreamPtr, data: *mut c_char, nbytes: usize) -> c_int;
    fn virStreamRecvFlags(st: virStreamPtr, data: *mut c_char, nbytes: usize, flags: c_uint) -> c_int;
    fn virStreamRecvHole(st: virStreamPtr, length: *mut c_longlong, flags: c_uint) -> c_int;
    fn virStreamSend(st: virStreamPtr, data: *const c_char, nbytes: usize) -> c_int;
    fn virTypedParamsGetUInt(
        params: virTypedParameterPtr, count: c_int, name: *const c_char, value: *mut c_uint
    ) -> c_int;
    fn virTypedParamsGetULLong(
        params: virTypedParameterPtr, count: c_int, name: *const c_char, value: *mut c_ulonglong
    ) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::{Failed, Kind, find};

    #[test]
    fn a_library_that_is_not_there_is_named_with_what_installs_it() {
        let Err(error) = find("libvirt-of-nobody.so.0") else {
            panic!("there is no such library");
        };
        assert_eq!(error.kind(), Kind::Environment);
        assert!(
            error.to_string().contains("libvirt-of-nobody.so.0"),
            "{error}"
        );
        assert!(error.hints()[0].contains("apt install libvirt0"));
    }

    #[test]
    fn what_cannot_be_called_fails_as_libvirt_says_it() {
        assert_eq!(<std::ffi::c_int as Failed>::FAILED, -1);
        // A domain without an id.
        assert_eq!(<std::ffi::c_uint as Failed>::FAILED, u32::MAX);
        assert!(<*mut u8 as Failed>::FAILED.is_null());
    }
}
