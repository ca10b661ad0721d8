//! What `vmkin import` can be told about a guest, in the words of virt-install.
//!
//! Plain values: they say what was typed, and not whether it can be done.

mod boot;
mod cpu;
mod disk;
mod graphics;
mod nic;

pub use self::boot::{BootDevice, BootOption, ConsoleOption, Firmware, TpmOption};
pub use self::cpu::{CpuOption, VcpuOption, VirtType};
pub use self::disk::DiskOption;
pub use self::graphics::{GraphicsKind, GraphicsOption};
pub use self::nic::{NicOption, NicPlace};
