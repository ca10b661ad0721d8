//! What a template is given. The variables are in `templates/README.md`.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Blueprint, Contents, Drive, Guest, NAME_IN_LOG};
use crate::error::{Error, Kind, Result};
use crate::model::import::{BootOption, Firmware, GraphicsKind, NicOption, NicPlace};
use crate::model::{DiskDevice, DiskSource, ImageFormat, Mac, SecretText, Size};

/// What guests run on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What runs them: `kvm`, `qemu`.
    pub domain_type: String,
    /// The architecture.
    pub arch: String,
    /// The machine type; `None` for libvirt's choice.
    pub machine: Option<String>,
    /// The memory.
    pub memory: Size,
    /// The processors.
    pub vcpus: u32,
    /// How many processors they can have while they run.
    pub vcpus_most: Option<u32>,
    /// What processors they see.
    pub cpu: Option<Cpu>,
    /// How they boot.
    pub boot: BootOption,
    /// The video device, where there is a screen.
    pub video: String,
}

/// What processors guests see.
#[derive(Clone, Debug, Default)]
pub struct Cpu {
    /// libvirt's word for how it is chosen.
    pub mode: String,
    /// The model, where it is chosen by name.
    pub model: Option<String>,
    /// Features that it has besides, and that it has not.
    pub features: Vec<(String, bool)>,
    /// How they are arranged.
    pub topology: Option<Topology>,
}

/// How processors are arranged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Topology {
    /// How many sockets.
    pub sockets: u32,
    /// How many cores a socket has.
    pub cores: u32,
    /// How many threads a core has.
    pub threads: u32,
}

/// The screen of guests.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Its protocol.
    pub kind: GraphicsKind,
    /// Where it listens.
    pub listen: IpAddr,
    /// The port, if it is not drawn at each start.
    pub port: Option<u16>,
    /// The layout of the keyboard.
    pub keymap: Option<String>,
    /// The password.
    pub password: Option<SecretText>,
}

impl Blueprint {
    /// What the template is given for this guest.
    pub(super) fn values(&self, guest: &Guest<'_>) -> Result<Value> {
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| {
            all.insert(name.to_owned(), value);
        };
        put("name", json!(guest.name.as_str()));
        put("uuid", json!(guest.uuid.to_string()));
        put("title", json!(self.title));
        put("description", json!(self.description));
        put("os_id", json!(self.os_id));
        let machine = &self.machine;
        put("type", json!(machine.domain_type));
        put("arch", json!(machine.arch));
        put(
            "is_x86",
            json!(["x86_64", "i686"].contains(&machine.arch.as_str())),
        );
        put("machine", json!(machine.machine));
        put("memory_kib", json!(machine.memory.bytes() / 1024));
        put("memory_mib", json!(machine.memory.bytes() >> 20));
        put("vcpus", json!(machine.vcpus));
        put("vcpus_most", json!(machine.vcpus_most));
        put("video", json!(machine.video));
        self.cpu_values(&mut put);
        self.boot_values(&mut put)?;
        put("disks", self.disk_values(guest)?);
        let scsi = self.drives.iter().any(|drive| drive.bus == "scsi");
        put("scsi", json!(scsi));
        put("interfaces", self.nic_values(guest)?);
        let log = self.console.log.as_deref().map(text_of).transpose()?;
        let log = log.map(|log| log.replace(NAME_IN_LOG, guest.name.as_str()));
        put(
            "console",
            match &self.console {
                console if console.there => json!({
                    "virtio": console.virtio,
                    "log": log,
                }),
                _ => Value::Null,
            },
        );
        put("graphics", self.screen_values());
        put(
            "tpm",
            match &self.tpm {
                Some(tpm) if tpm.version.is_some() => json!({
                    "version": tpm.version,
                    "model": tpm.model.as_deref().unwrap_or("tpm-crb"),
                }),
                _ => Value::Null,
            },
        );
        for (name, value) in &self.set {
            if all.contains_key(name) {
                return Err(Error::new(
                    Kind::Usage,
                    format!("--set {name}=… cannot be: '{name}' is said by an option of its own"),
                ));
            }
            if !self.template.mentions(name) {
                return Err(Error::new(
                    Kind::Usage,
                    format!(
                        "--set {name}=… has no effect: the template '{}' does not speak of it",
                        self.template.name
                    ),
                )
                .hint(format!(
                    "see what it speaks of: `vmkin template show {}`",
                    self.template.name
                )));
            }
            all.insert(name.clone(), json!(value));
        }
        Ok(Value::Object(all))
    }

    fn cpu_values(&self, put: &mut impl FnMut(&str, Value)) {
        let cpu = self.machine.cpu.clone().unwrap_or_default();
        let mode = Some(cpu.mode).filter(|mode| !mode.is_empty());
        put("cpu", json!(self.machine.cpu.is_some()));
        put("cpu_mode", json!(mode));
        put("cpu_model", json!(cpu.model));
        let features = cpu.features.iter().map(|(name, has)| {
            let policy = if *has { "require" } else { "disable" };
            json!({"name": name, "policy": policy})
        });
        put("cpu_features", features.collect());
        put(
            "topology",
            match cpu.topology {
                Some(all) => json!({
                    "sockets": all.sockets, "cores": all.cores, "threads": all.threads,
                }),
                None => Value::Null,
            },
        );
    }

    fn boot_values(&self, put: &mut impl FnMut(&str, Value)) -> Result<()> {
        let boot = &self.machine.boot;
        let uefi = boot.firmware == Some(Firmware::Uefi);
        put("firmware", json!(uefi.then_some("efi")));
        put("secure_boot", json!(uefi && boot.secure_boot == Some(true)));
        put("secure_boot_said", json!(boot.secure_boot.is_some()));
        put(
            "kernel",
            json!(boot.kernel.as_deref().map(text_of).transpose()?),
        );
        put(
            "initrd",
            json!(boot.initrd.as_deref().map(text_of).transpose()?),
        );
        put("cmdline", json!(boot.cmdline));
        let devices: Vec<&str> = boot.devices.iter().map(|device| device.as_str()).collect();
        put("boot_devices", json!(devices));
        put("boot_menu", json!(boot.menu == Some(true)));
        Ok(())
    }

    fn disk_values(&self, guest: &Guest<'_>) -> Result<Value> {
        self.drives
            .iter()
            .map(|drive| {
                let (source, format) = contents_of(drive, guest)?;
                let (mut file, mut block, mut volume) = (None, None, None);
                let kind = match &source {
                    DiskSource::Block(path) => {
                        block = Some(text_of(path)?);
                        "block"
                    }
                    DiskSource::Volume { pool, volume: name } => {
                        volume = Some((pool, name));
                        "volume"
                    }
                    DiskSource::File(path) => {
                        file = Some(text_of(path)?);
                        "file"
                    }
                    _ => "file",
                };
                let device = match drive.device {
                    DiskDevice::Disk => "disk",
                    DiskDevice::Cdrom => "cdrom",
                    DiskDevice::Floppy => "floppy",
                    DiskDevice::Lun => "lun",
                };
                // To QEMU a CD image is raw.
                let format = match format {
                    ImageFormat::Iso => ImageFormat::Raw,
                    format => format,
                };
                Ok(json!({
                    "type": kind,
                    "device": device,
                    "format": format.as_str(),
                    "file": file,
                    "block": block,
                    "pool": volume.map(|(pool, _)| pool),
                    "volume": volume.map(|(_, name)| name),
                    "target": drive.target.as_str(),
                    "bus": drive.bus,
                    "readonly": drive.readonly,
                    "shareable": drive.shareable,
                    "cache": drive.cache,
                    "io": drive.io,
                    "discard": drive.discard,
                    "detect_zeroes": drive.detect_zeroes,
                    "serial": drive.serial,
                    "boot_order": drive.boot_order,
                }))
            })
            .collect()
    }

    fn nic_values(&self, guest: &Guest<'_>) -> Result<Value> {
        let missing = || Error::new(Kind::Usage, "there are fewer addresses than interfaces");
        let mut macs = guest.macs.iter();
        self.nics
            .iter()
            .map(|nic| Ok(nic_value(nic, macs.next().ok_or_else(missing)?)))
            .collect()
    }

    fn screen_values(&self) -> Value {
        match &self.screen {
            Some(screen) if screen.kind != GraphicsKind::None => json!({
                "type": screen.kind.as_str(),
                "is_spice": screen.kind == GraphicsKind::Spice,
                "listen": screen.listen.to_string(),
                "port": screen.port,
                "keymap": screen.keymap,
                "password": screen.password.as_ref().map(SecretText::expose),
            }),
            _ => Value::Null,
        }
    }
}

fn nic_value(nic: &NicOption, mac: &Mac) -> Value {
    let (mut network, mut bridge, mut device) = (None, None, None);
    let kind = match &nic.place {
        Some(NicPlace::Network(name)) => {
            network = Some(name);
            "network"
        }
        Some(NicPlace::Bridge(name)) => {
            bridge = Some(name);
            "bridge"
        }
        Some(NicPlace::Direct { device: name, mode }) => {
            device = Some((name, mode));
            "direct"
        }
        Some(NicPlace::User) | None => "user",
    };
    json!({
        "type": kind,
        "network": network,
        "portgroup": nic.portgroup,
        "bridge": bridge,
        "device": device.map(|(name, _)| name),
        "mode": device.map(|(_, mode)| mode),
        "virtualport": nic.virtualport,
        "model": nic.model.as_deref().unwrap_or("virtio"),
        "mac": mac.to_string(),
        "mtu": nic.mtu,
        "boot_order": nic.boot_order,
    })
}

/// Where the image of a drive of this guest is, and its format.
pub(super) fn contents_of(drive: &Drive, guest: &Guest<'_>) -> Result<(DiskSource, ImageFormat)> {
    match &drive.contents {
        Contents::Empty => Ok((DiskSource::Empty, ImageFormat::Raw)),
        Contents::There { source, format } => Ok((source.clone(), *format)),
        Contents::Overlay { .. } | Contents::Blank { .. } => guest
            .images
            .iter()
            .find(|(target, ..)| *target == drive.target)
            .map(|(_, source, format)| (source.clone(), *format))
            .ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    format!("no image was made for disk {}", drive.target),
                )
            }),
    }
}

/// A path as XML can have it.
fn text_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!("{path:?} is not UTF-8, which domain XML must be"),
        )
    })
}
