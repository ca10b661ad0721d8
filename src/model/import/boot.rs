//! `--boot uefi`, `--console pty`, `--tpm default`.

use std::path::PathBuf;
use std::str::FromStr;

use crate::model::options::{InvalidOption, Options};

/// How a guest boots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BootOption {
    /// Where the firmware looks for something to boot, in this order.
    pub devices: Vec<BootDevice>,
    /// The firmware, if it is said.
    pub firmware: Option<Firmware>,
    /// Whether only signed systems boot.
    pub secure_boot: Option<bool>,
    /// A kernel that is booted instead.
    pub kernel: Option<PathBuf>,
    /// Its initial file system.
    pub initrd: Option<PathBuf>,
    /// Its command line.
    pub cmdline: Option<String>,
    /// Whether the firmware shows a menu.
    pub menu: Option<bool>,
}

/// Something that a guest can boot from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BootDevice {
    /// A hard disk.
    Disk,
    /// A CD.
    Cdrom,
    /// The network.
    Network,
    /// A floppy.
    Floppy,
}

impl BootDevice {
    /// The word for it in XML.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "hd",
            Self::Cdrom => "cdrom",
            Self::Network => "network",
            Self::Floppy => "fd",
        }
    }
}

/// The program that a guest begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Firmware {
    /// The one of old.
    Bios,
    /// UEFI.
    Uefi,
}

const WORDS: &[&str] = &[
    "devices",
    "hd",
    "cdrom",
    "network",
    "fd",
    "uefi",
    "bios",
    "firmware",
    "secure_boot",
    "kernel",
    "initrd",
    "cmdline",
    "kernel_args",
    "menu",
];

impl FromStr for BootOption {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let options = Options::parse(text, "devices", WORDS)?;
        if let Some(other) = options.text("devices")? {
            return Err(InvalidOption::unknown(
                other,
                WORDS.get(1..).unwrap_or_default(),
            ));
        }
        let mut boot = Self {
            secure_boot: options.switch("secure_boot")?,
            kernel: options.text("kernel")?.map(PathBuf::from),
            initrd: options.text("initrd")?.map(PathBuf::from),
            cmdline: options
                .text("cmdline")?
                .or(options.text("kernel_args")?)
                .map(str::to_owned),
            menu: options.switch("menu")?,
            ..Self::default()
        };
        for word in options.words() {
            boot.devices.push(match word {
                "hd" => BootDevice::Disk,
                "cdrom" => BootDevice::Cdrom,
                "network" => BootDevice::Network,
                "fd" => BootDevice::Floppy,
                _ => continue,
            });
        }
        let named = options.one_of("firmware", &["efi", "bios"])?;
        let uefi = options.has("uefi") || named.as_deref() == Some("efi");
        let bios = options.has("bios") || named.as_deref() == Some("bios");
        boot.firmware = match (uefi, bios) {
            (true, true) => return Err(InvalidOption("a guest has one firmware".to_owned())),
            (true, false) => Some(Firmware::Uefi),
            (false, true) => Some(Firmware::Bios),
            (false, false) => None,
        };
        if boot.secure_boot == Some(true) && bios {
            return Err(InvalidOption("secure boot needs UEFI".to_owned()));
        }
        if boot.kernel.is_none() && (boot.initrd.is_some() || boot.cmdline.is_some()) {
            return Err(InvalidOption(
                "initrd= and cmdline= need a kernel=".to_owned(),
            ));
        }
        Ok(boot)
    }
}

/// The console of a guest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsoleOption {
    /// Whether there is one.
    pub there: bool,
    /// Whether it is a device of virtio's and no serial port.
    pub virtio: bool,
    /// A file of the host that gets all that is printed; `{name}` in it is the
    /// name of the guest.
    pub log: Option<PathBuf>,
}

impl Default for ConsoleOption {
    fn default() -> Self {
        Self {
            there: true,
            virtio: false,
            log: None,
        }
    }
}

impl FromStr for ConsoleOption {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let words = ["type", "target_type", "target.type", "log", "log.file"];
        let options = Options::parse(text, "type", &words)?;
        let kind = options.one_of("type", &["pty", "none"])?;
        let target = options
            .one_of("target_type", &["serial", "virtio"])?
            .or(options.one_of("target.type", &["serial", "virtio"])?);
        let log = options.text("log")?.or(options.text("log.file")?);
        Ok(Self {
            there: kind.as_deref() != Some("none"),
            virtio: target.as_deref() == Some("virtio"),
            log: log.map(PathBuf::from),
        })
    }
}

/// A trusted platform module of a guest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TpmOption {
    /// Its version, `1.2` or `2.0`; `None` for no TPM.
    pub version: Option<String>,
    /// The device that the guest sees.
    pub model: Option<String>,
}

impl FromStr for TpmOption {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Self, InvalidOption> {
        let words = ["type", "model", "version"];
        let options = Options::parse(text, "type", &words)?;
        let kind = options.one_of("type", &["default", "emulator", "none", "1.2", "2.0"])?;
        let version = options.one_of("version", &["1.2", "2.0"])?;
        let version = match kind.as_deref() {
            Some("none") => None,
            Some(version @ ("1.2" | "2.0")) => Some(version.to_owned()),
            _ => Some(version.unwrap_or_else(|| "2.0".to_owned())),
        };
        Ok(Self {
            version,
            model: options.one_of("model", &["tpm-crb", "tpm-tis", "tpm-spapr"])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_boot() {
        let boot: BootOption = "uefi".parse().unwrap();
        assert_eq!(boot.firmware, Some(Firmware::Uefi));
        let boot: BootOption = "cdrom,hd,menu=on".parse().unwrap();
        assert_eq!(boot.devices, [BootDevice::Cdrom, BootDevice::Disk]);
        let boot: BootOption = "kernel=/k,initrd=/i,cmdline=a=b c,,d".parse().unwrap();
        assert_eq!(boot.cmdline.as_deref(), Some("a=b c,d"));
        for text in [
            "",
            "uefii",
            "uefi,bios",
            "initrd=/i",
            "hd,hd",
            "bios,secure_boot=on",
            "floppy",
        ] {
            assert!(text.parse::<BootOption>().is_err(), "{text}");
        }
        let error = "uefii".parse::<BootOption>().unwrap_err();
        assert!(error.0.contains("'uefi'"), "{error}");
    }

    #[test]
    fn consoles_and_tpms() {
        assert_eq!(
            "pty,target_type=serial".parse(),
            Ok(ConsoleOption::default())
        );
        assert!(!"none".parse::<ConsoleOption>().unwrap().there);
        assert!("ptty".parse::<ConsoleOption>().is_err());
        let version = |text: &str| text.parse::<TpmOption>().map(|tpm| tpm.version);
        assert_eq!(version("none"), Ok(None));
        assert_eq!(version("default"), Ok(Some("2.0".to_owned())));
        assert_eq!(version("emulator,version=1.2"), Ok(Some("1.2".to_owned())));
        assert!(version("3.0").is_err());
    }
}
