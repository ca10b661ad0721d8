//! What the user wants, and what a template wants where the user says nothing.

use crate::error::{Error, Kind, Result};
use crate::model::import::{
    BootOption, ConsoleOption, CpuOption, DiskOption, GraphicsOption, NicOption, TpmOption,
    VcpuOption, VirtType,
};
use crate::model::options::InvalidOption;
use crate::model::{SecretText, Size};
use crate::template::DomainTemplate;

/// What the user wants the guests to be. Whatever is `None` is taken from the
/// template, then from what the operating system wants, then from the host.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The name of a template, or the path of one.
    pub template: Option<String>,
    /// Values for the template.
    pub set: Vec<(String, String)>,
    /// The operating system, by its id in the osinfo database.
    pub os_variant: Option<String>,
    /// A title for people.
    pub title: Option<String>,
    /// A longer text for people.
    pub description: Option<String>,
    /// The memory.
    pub memory: Option<Size>,
    /// The processors.
    pub vcpus: Option<VcpuOption>,
    /// What processors they see.
    pub cpu: Option<CpuOption>,
    /// The disks.
    pub disks: Vec<DiskOption>,
    /// The network interfaces; `[none]` for no interface.
    pub nics: Vec<NicOption>,
    /// The screen, and its password.
    pub screen: Option<Graphics>,
    /// The console.
    pub console: Option<ConsoleOption>,
    /// How they boot.
    pub boot: Option<BootOption>,
    /// The TPM.
    pub tpm: Option<TpmOption>,
    /// What runs them.
    pub virt_type: Option<VirtType>,
    /// The architecture.
    pub arch: Option<String>,
    /// The machine type.
    pub machine: Option<String>,
    /// The video device.
    pub video: Option<String>,
    /// Whether disks may be block devices of the host.
    pub block: bool,
}

/// A screen, and its password.
#[derive(Clone, Debug)]
pub struct Graphics {
    /// The screen.
    pub option: GraphicsOption,
    /// The password.
    pub password: Option<SecretText>,
}

/// The wishes, with what the template wants where the user wishes nothing.
pub(super) fn with_defaults(wishes: &Wishes, template: &DomainTemplate) -> Result<Wishes> {
    let mut all = wishes.clone();
    for (option, value) in &template.defaults {
        let wrong = |why: String| {
            Error::new(
                Kind::Usage,
                format!(
                    "the template '{}' has the default {option}={value}: {why}",
                    template.name
                ),
            )
        };
        let text = |e: InvalidOption| wrong(e.to_string());
        match option.as_str() {
            "memory" if all.memory.is_none() => {
                let memory = Size::parse(value, MIB).map_err(|e| wrong(e.to_string()))?;
                all.memory = Some(memory);
            }
            "vcpus" if all.vcpus.is_none() => all.vcpus = Some(value.parse().map_err(text)?),
            "graphics" if all.screen.is_none() => {
                all.screen = Some(Graphics {
                    option: value.parse().map_err(text)?,
                    password: None,
                });
            }
            "boot" if all.boot.is_none() => all.boot = Some(value.parse().map_err(text)?),
            "tpm" if all.tpm.is_none() => all.tpm = Some(value.parse().map_err(text)?),
            "video" if all.video.is_none() => all.video = Some(value.clone()),
            "os-variant" if all.os_variant.is_none() => {
                return Err(wrong(
                    "the operating system is chosen by --os-variant".to_owned(),
                ));
            }
            "memory" | "vcpus" | "graphics" | "boot" | "tpm" | "video" => {}
            _ => return Err(wrong("there is no such option".to_owned())),
        }
    }
    Ok(all)
}

/// The unit of memory without one, as virt-install has it.
pub(super) const MIB: u64 = 1 << 20;
