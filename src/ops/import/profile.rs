//! What an operating system wants of the guest that it runs in.

use crate::error::{Error, Kind, Result};
use crate::model::Size;
use crate::model::import::TpmOption;
use crate::osinfo::{OsInfo, OsProfile};

/// What an operating system wants; where none is named, what any of the last ten
/// years runs on.
#[derive(Debug)]
pub(super) struct Profile {
    /// Its id in the osinfo database.
    pub(super) os_id: Option<String>,
    /// The template for it.
    pub(super) template: &'static str,
    /// The memory it should have.
    pub(super) memory: Option<Size>,
    /// The processors it should have.
    pub(super) vcpus: Option<u32>,
    /// The machine type, if one is better.
    pub(super) machine: Option<&'static str>,
    /// The bus of its disks.
    pub(super) disk_bus: &'static str,
    /// Its network interfaces.
    pub(super) nic_model: &'static str,
    /// Its video device.
    pub(super) video: &'static str,
    /// Whether it boots by UEFI only.
    pub(super) uefi: bool,
    /// Whether it wants nothing but signed systems to boot.
    pub(super) secure_boot: bool,
    /// Whether it wants a TPM.
    pub(super) needs_tpm: bool,
    /// What the database says that is not as it should be.
    pub(super) warnings: Vec<String>,
}

impl Profile {
    /// What this operating system wants on this architecture.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if one is named and there is no osinfo database;
    /// [`Kind::Usage`] if the database does not know it.
    pub(super) fn of(word: Option<&str>, arch: &str) -> Result<Self> {
        let Some(word) = word else {
            return Ok(Self::modern());
        };
        let Some(database) = OsInfo::installed()? else {
            return Err(Error::new(
                Kind::Environment,
                format!("what '{word}' wants is in the osinfo database, which is not on this host"),
            )
            .hint("install it: `apt install osinfo-db` or `dnf install osinfo-db`")
            .hint("or leave --os-variant out: the guest gets what modern systems run on"));
        };
        Ok(Self::known(&database.find(word, arch)?))
    }

    fn modern() -> Self {
        Self {
            os_id: None,
            template: "server",
            memory: None,
            vcpus: None,
            machine: None,
            disk_bus: "virtio",
            nic_model: "virtio",
            video: "virtio",
            uefi: false,
            secure_boot: false,
            needs_tpm: false,
            warnings: Vec::new(),
        }
    }

    fn known(os: &OsProfile) -> Self {
        let amount = |bytes: Option<u64>| bytes.map(Size);
        Self {
            os_id: os.id.clone(),
            template: if os.is_windows() { "windows" } else { "server" },
            memory: amount(os.recommended.ram.or(os.minimum.ram)),
            vcpus: os
                .recommended
                .cpus
                .max(os.minimum.cpus)
                .and_then(|cpus| u32::try_from(cpus).ok()),
            machine: os.machine,
            disk_bus: os.disk_bus,
            nic_model: os.nic_model,
            video: os.video_model,
            uefi: os.firmware.needs_uefi(),
            secure_boot: os.secure_boot,
            needs_tpm: os.tpm,
            warnings: os.warnings.clone(),
        }
    }

    /// The TPM that it wants.
    pub(super) fn tpm(&self) -> Option<TpmOption> {
        self.needs_tpm.then(|| TpmOption {
            version: Some("2.0".to_owned()),
            model: None,
        })
    }
}
