//! Whether KVM works, which `/dev/kvm` alone does not tell: it may be there, and
//! QEMU abort as soon as it has a processor.

use std::ffi::OsString;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::image::{self, NewFile};
use crate::process::Tool;

/// A machine with a port by which a guest ends it.
const ARGUMENTS: &str = "-accel kvm -cpu host -machine pc -m 64 -nodefaults -no-user-config \
                         -display none -monitor none -serial none \
                         -device isa-debug-exit,iobase=0xf4,iosize=1 -bios";

/// What becomes of a guest that uses KVM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kvm {
    /// It runs.
    Works,
    /// There is no KVM.
    Missing,
    /// There is, and it does not run; why, as a clause.
    Broken(String),
}

/// How long a guest of four instructions may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The smallest firmware that QEMU takes.
const FIRMWARE: usize = 64 << 10;

/// Where the processor begins: sixteen bytes before the end of the firmware
/// (Intel SDM vol. 3, "First Instruction Executed").
const RESET: usize = FIRMWARE - 16;

/// `mov al, 0x2a; out 0xf4, al; hlt`: tells QEMU's debug port to end it.
const PROGRAM: [u8; 5] = [0xb0, 0x2a, 0xe6, 0xf4, 0xf4];

/// What QEMU ends with then: twice what was written, and one more
/// (`hw/misc/debugexit.c`).
const ENDED: i32 = 0x2a * 2 + 1;

/// Runs a guest that does nothing but end itself.
///
/// A KVM that runs this may still fail to boot a kernel: that has been seen
/// under other hypervisors, and no quick look finds it.
pub fn look() -> Kvm {
    if !Path::new("/dev/kvm").exists() {
        return Kvm::Missing;
    }
    match run() {
        Ok(()) => Kvm::Works,
        Err(error) => Kvm::Broken(error.to_string()),
    }
}

fn run() -> Result<()> {
    let qemu = Tool::find("qemu-system-x86_64")?;
    let mut firmware = vec![0; FIRMWARE];
    for (byte, of_program) in firmware.iter_mut().skip(RESET).zip(PROGRAM) {
        *byte = of_program;
    }
    let name = std::env::temp_dir().join("firmware");
    let file = NewFile::create(&image::temporary(&name, Uuid::new_v4(), "kvm"))?;
    let mut args: Vec<OsString> = ARGUMENTS.split_whitespace().map(Into::into).collect();
    args.push(file.path().into());
    let ran = file
        .file()
        .write_all_at(&firmware, 0)
        .map_err(|e| Error::io("cannot write a temporary file", e))
        .and_then(|()| qemu.command(args).patience(PATIENCE).codes(&[ENDED]).run());
    file.discard();
    ran.map(|_| ())
}
