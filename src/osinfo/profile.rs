//! Which devices a new domain gets for its system.
//!
//! What `virt-install` makes of the database, so that a domain is what its
//! users expect; where the two differ, it is said.

use super::inherit::Facts;
use crate::xml::osinfo::{Amounts, OsEntry};

/// The short name of a system of which nothing is known. It is not in the
/// database.
pub const GENERIC: &str = "generic";

const VIRTIO_NET: &str = "http://pcisig.com/pci/1af4/1000";
const VIRTIO_BLOCK: &str = "http://pcisig.com/pci/1af4/1001";
const VIRTIO_BALLOON: &str = "http://pcisig.com/pci/1af4/1002";
const VIRTIO_CONSOLE: &str = "http://pcisig.com/pci/1af4/1003";
const VIRTIO_SCSI: &str = "http://pcisig.com/pci/1af4/1004";
const VIRTIO_RNG: &str = "http://pcisig.com/pci/1af4/1005";
const VIRTIO1_NET: &str = "http://pcisig.com/pci/1af4/1041";
const VIRTIO1_BLOCK: &str = "http://pcisig.com/pci/1af4/1042";
const VIRTIO1_CONSOLE: &str = "http://pcisig.com/pci/1af4/1043";
const VIRTIO1_RNG: &str = "http://pcisig.com/pci/1af4/1044";
const VIRTIO1_BALLOON: &str = "http://pcisig.com/pci/1af4/1045";
const VIRTIO1_SCSI: &str = "http://pcisig.com/pci/1af4/1048";
const VIRTIO1_GPU: &str = "http://pcisig.com/pci/1af4/1050";
const VIRTIO1_INPUT: &str = "http://pcisig.com/pci/1af4/1052";
const XHCI: &str = "http://pcisig.com/pci/1b36/0004";
const Q35: &str = "http://qemu.org/chipset/x86/q35";
const ICH6_SOUND: &str = "http://pcisig.com/pci/8086/2668";

/// Network cards that are not virtio, the better first.
const NICS: [(&str, &str); 4] = [
    ("http://pcisig.com/pci/8086/100e", "e1000"),
    ("http://pcisig.com/pci/10ec/8139", "rtl8139"),
    ("http://pcisig.com/pci/10ec/8029", "ne2k_pci"),
    ("http://pcisig.com/pci/1022/2000", "pcnet"),
];

/// Sound cards for a machine without PCI Express, the better first.
const SOUND: [(&str, &str); 3] = [
    (ICH6_SOUND, "ich6"),
    ("http://pcisig.com/pci/8086/2415", "ac97"),
    ("http://pcisig.com/pci/1274/5000", "es1370"),
];

/// What an operating system needs, and what serves it best, on one processor.
///
/// Words for the domain's XML are as libvirt has them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OsProfile {
    /// Such as `debian12`: its usual name, though another was asked for.
    pub short_id: String,
    /// Such as `http://debian.org/debian/12`, which belongs in the domain's
    /// metadata; `None` for [`GENERIC`].
    pub id: Option<String>,
    /// For people, such as `Debian 12`.
    pub name: String,
    /// The kind of kernel: `linux`, `winnt`, `freebsd` and so on.
    pub family: Option<String>,
    /// Such as `debian`.
    pub distro: Option<String>,
    /// As its makers write it.
    pub version: Option<String>,
    /// `YYYY-MM-DD`.
    pub release_date: Option<String>,
    /// The end of its support, `YYYY-MM-DD`.
    pub eol_date: Option<String>,
    /// The least it runs with.
    pub minimum: Amounts,
    /// What is advised; twice the least where nothing is.
    pub recommended: Amounts,
    /// `q35` or `pc`; `None` where the processor has neither.
    pub machine: Option<&'static str>,
    /// The firmware it starts with.
    pub firmware: Firmware,
    /// Whether it wants a TPM 2.0. The database does not know; it is taken of
    /// systems that no longer start from a BIOS.
    pub tpm: bool,
    /// Whether it wants firmware with Secure Boot, taken as `tpm` is, and only
    /// of Windows.
    pub secure_boot: bool,
    /// The bus of its disks: `virtio`, `sata` or `ide`.
    pub disk_bus: &'static str,
    /// Whether it drives disks on a virtio-scsi controller.
    pub virtio_scsi: bool,
    /// The model of its network cards, such as `virtio` or `e1000e`.
    pub nic_model: &'static str,
    /// The model of its video card, if it has graphics: `virtio`, `vga`, or
    /// `bochs` with UEFI.
    pub video_model: &'static str,
    /// The model of its sound card, if it has sound.
    pub sound_model: &'static str,
    /// The model of its USB controller: `qemu-xhci`, or `None` if it may not
    /// know USB 3, for libvirt to choose.
    pub usb_controller: Option<&'static str>,
    /// Whether it drives virtio input devices. All that have graphics get a
    /// USB tablet.
    pub virtio_input: bool,
    /// Whether it takes random numbers from a virtio device.
    pub rng: bool,
    /// Whether it gives memory back by a virtio balloon.
    pub balloon: bool,
    /// Whether it drives virtio serial ports, which the guest agent needs.
    pub agent_channel: bool,
    /// `utc`, or `localtime` for those that take the hardware's clock for it.
    pub clock: &'static str,
    /// Whether there are images of it that heed cloud-init. `false` may be
    /// for want of knowledge.
    pub cloud_init: bool,
    /// The user that its cloud images have.
    pub cloud_user: Option<String>,
    /// Files and links of the database that had to be left out, each a
    /// sentence without a period.
    pub warnings: Vec<String>,
}

/// The firmware a system starts with; `None` where the database says nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Firmware {
    /// A BIOS. Where nothing is said it is likely on x86, and there is none
    /// elsewhere.
    pub bios: Option<bool>,
    /// UEFI.
    pub uefi: Option<bool>,
}

impl Firmware {
    /// Whether it must be UEFI.
    pub fn needs_uefi(self) -> bool {
        self.uefi == Some(true) && self.bios == Some(false)
    }
}

impl OsProfile {
    /// Of a system of which nothing is known: what every PC had.
    pub(super) fn generic(arch: &str) -> Self {
        let entry = OsEntry {
            short_ids: vec![GENERIC.to_owned()],
            name: Some("Any system".to_owned()),
            ..OsEntry::default()
        };
        Self {
            id: None,
            ..Self::new(entry, &Facts::default(), arch)
        }
    }

    /// Of the system of this entry, with all that is known of it.
    pub(super) fn new(entry: OsEntry, facts: &Facts, arch: &str) -> Self {
        let x86 = matches!(arch, "x86_64" | "i686");
        // Machines of other processors have nothing else.
        let virtio = |devices: &[&str]| !x86 || facts.drives(devices);
        let family = entry.family.as_deref().unwrap_or_default();
        let windows = is_windows(family);

        let q35 = x86 && drives_q35(facts);
        let firmware = Firmware {
            bios: facts.starts_with(arch, "bios"),
            uefi: facts.starts_with(arch, "efi"),
        };
        let disk_bus = match (virtio(&[VIRTIO_BLOCK, VIRTIO1_BLOCK]), q35) {
            (true, _) => "virtio",
            (false, true) => "sata",
            (false, false) => "ide",
        };
        let nic_model = match (virtio(&[VIRTIO_NET, VIRTIO1_NET]), q35) {
            (true, _) => "virtio",
            (false, true) => "e1000e",
            (false, false) => best(facts, &NICS),
        };
        let video_model = match (virtio(&[VIRTIO1_GPU]), firmware.needs_uefi()) {
            (true, _) => "virtio",
            (false, true) => "bochs",
            (false, false) => "vga",
        };
        let (minimum, recommended) = facts.resources(arch);
        let short_id = entry.short_ids.first().unwrap_or(&entry.id).clone();
        Self {
            name: entry.name.clone().unwrap_or_else(|| short_id.clone()),
            short_id,
            minimum,
            recommended: recommended.or(twice(minimum)),
            machine: x86.then_some(if q35 { "q35" } else { "pc" }),
            firmware,
            tpm: firmware.needs_uefi(),
            secure_boot: windows && firmware.needs_uefi(),
            disk_bus,
            virtio_scsi: virtio(&[VIRTIO_SCSI, VIRTIO1_SCSI]),
            nic_model,
            video_model,
            sound_model: if q35 { "ich9" } else { best(facts, &SOUND) },
            usb_controller: virtio(&[XHCI]).then_some("qemu-xhci"),
            virtio_input: virtio(&[VIRTIO1_INPUT]),
            rng: virtio(&[VIRTIO_RNG, VIRTIO1_RNG]),
            balloon: virtio(&[VIRTIO_BALLOON, VIRTIO1_BALLOON]),
            agent_channel: virtio(&[VIRTIO_CONSOLE, VIRTIO1_CONSOLE]),
            clock: if windows || family == "solaris" {
                "localtime"
            } else {
                "utc"
            },
            cloud_init: entry.cloud_init,
            cloud_user: facts.cloud_user.clone(),
            id: Some(entry.id),
            family: entry.family,
            distro: entry.distro,
            version: entry.version,
            release_date: entry.release_date,
            eol_date: entry.eol_date,
            warnings: Vec::new(),
        }
    }

    /// Whether it is a Windows, which libvirt can make feel at home.
    pub fn is_windows(&self) -> bool {
        self.family.as_deref().is_some_and(is_windows)
    }
}

fn is_windows(family: &str) -> bool {
    matches!(family, "winnt" | "win9x" | "win16")
}

/// Whether it runs on a `q35`. There virtio devices speak the protocol of
/// version 1.0, which a system that only drives those before cannot.
fn drives_q35(facts: &Facts) -> bool {
    let old = facts.drives(&[VIRTIO_NET]) && !facts.drives(&[VIRTIO1_NET]);
    facts.drives(&[Q35]) && !old
}

/// The first of these that it drives, or the first of all.
fn best(facts: &Facts, models: &[(&str, &'static str)]) -> &'static str {
    let driven = models.iter().find(|(id, _)| facts.drives(&[id]));
    driven.or(models.first()).map_or("", |(_, model)| model)
}

fn twice(amounts: Amounts) -> Amounts {
    let double = |amount: Option<u64>| amount.map(|amount| amount.saturating_mul(2));
    Amounts {
        ram: double(amounts.ram),
        cpus: double(amounts.cpus),
        storage: double(amounts.storage),
    }
}
