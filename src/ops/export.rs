//! Handing guests over to something else that runs them: as text, for KubeVirt and
//! Terraform, made by templates.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use serde::Serialize;
use uuid::Uuid;

use super::guest::chain_there;
use super::images::{path_of, trust_for};
use super::usage::KnownDomain;
use super::{Host, Usage};
use crate::error::{Error, Kind, Result};
use crate::image::remote::Remote;
use crate::image::{shell_word, shown};
use crate::model::{Disk, DiskDevice, Domain, Layer, Nic, NicSource};
use crate::template::{Escape, render};

/// What a guest is handed over to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// KubeVirt: a `VirtualMachine`, and a `DataVolume` for each disk.
    Kubevirt,
    /// Terraform's provider `dmacvicar/libvirt`.
    Terraform,
}

/// Which guests, and how.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// What they are handed over to.
    pub target: Target,
    /// Clones are made anew of their bases there: what they have written since is
    /// left out.
    pub from_base: bool,
    /// A template of the user's own, its name and its text, and not vmkin's.
    pub template: Option<(String, String)>,
}

const KUBEVIRT: &str = include_str!("../../templates/export/kubevirt.yaml.hbs");
const TERRAFORM: &str = include_str!("../../templates/export/terraform.tf.hbs");

/// The longest name that Kubernetes takes where a name is also a label (RFC 1123).
const LONGEST_NAME: usize = 63;

/// What a template is given.
#[derive(Debug, Serialize)]
struct Values {
    uri: String,
    guests: Vec<GuestValues>,
    bases: Vec<BaseValues>,
}

#[derive(Debug, Serialize)]
struct GuestValues {
    name: String,
    /// Its name as the target takes it.
    id: String,
    uuid: Uuid,
    memory: String,
    memory_mib: u64,
    vcpus: u32,
    arch: Option<String>,
    /// The same as Kubernetes calls it.
    architecture: Option<&'static str>,
    efi: bool,
    tpm: bool,
    disks: Vec<DiskValues>,
    interfaces: Vec<InterfaceValues>,
    /// What a guest there does not get, and might be expected to. Sentences.
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DiskValues {
    /// The domain that has it.
    guest: String,
    /// The same as a shell reads it.
    guest_word: String,
    id: String,
    target: String,
    bus: String,
    /// In bytes.
    size: String,
    volume: String,
    /// The id of its base, if it is made of that anew.
    base: Option<String>,
}

#[derive(Debug, Serialize)]
struct BaseValues {
    id: String,
    path: PathBuf,
    /// The same as a shell reads it.
    path_word: String,
    volume: String,
    format: String,
    /// In bytes.
    size: String,
    /// The guests that are made of it.
    guests: Vec<String>,
}

#[derive(Debug, Serialize)]
struct InterfaceValues {
    id: String,
    first: bool,
    mac: Option<String>,
    network: Option<String>,
    bridge: Option<String>,
    model: String,
}

/// The text that describes these domains there.
///
/// # Errors
///
/// [`Kind::Usage`] if two of them, or two disks, have the same name there, or the
/// template makes no sense; [`Kind::WrongState`] if a disk cannot be read, or is
/// none that can be handed over.
pub fn export(host: Host<'_>, domains: &[Domain], request: &ExportRequest) -> Result<String> {
    let usage = Usage::read(host.hypervisor)?;
    let mut values = Values {
        uri: request.text(host.hypervisor.uri()),
        guests: Vec::new(),
        bases: Vec::new(),
    };
    for domain in domains {
        let mut known = usage.domains.iter();
        let known = known.find(|known| known.domain.uuid == domain.uuid);
        let known = known.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("domain '{}' is gone", domain.name))
        })?;
        let guest = request.guest(host, known, &mut values.bases)?;
        values.guests.push(guest);
    }
    values.each_has_a_name_of_its_own()?;
    let (name, text) = match &request.template {
        Some((name, text)) => (name.as_str(), text.as_str()),
        None => match request.target {
            Target::Kubevirt => ("kubevirt.yaml.hbs", KUBEVIRT),
            Target::Terraform => ("terraform.tf.hbs", TERRAFORM),
        },
    };
    render(name, text, Escape::None, &values)
}

impl ExportRequest {
    fn guest(
        &self,
        host: Host<'_>,
        known: &KnownDomain,
        bases: &mut Vec<BaseValues>,
    ) -> Result<GuestValues> {
        let (name, facts) = (&known.domain.name, &known.facts);
        let id = self.id(name);
        let (mut disks, mut left_out) = (Vec::new(), Vec::new());
        for (disk, layers) in facts.disks.iter().zip(&known.layers) {
            // A seed tells a guest of this host who it is, and an empty drive nothing.
            if disk.is_private() {
                let there = match host.hypervisor.is_local() {
                    true => None,
                    false => layers_there(host, known, disk)?,
                };
                let layers = there.as_ref().unwrap_or(layers);
                disks.push(self.disk(host, name, (disk, layers), bases)?);
            } else if is_shared(disk) {
                let target = &disk.target;
                left_out.push(format!("Disk {target} is left out: it is shareable."));
            }
        }
        let mut interfaces = Vec::new();
        for (index, nic) in facts.nics.iter().enumerate() {
            let interface = self.interface((index, nic));
            // Another than the first is on a network of some name there.
            let nameless = interface.network.is_none() && interface.bridge.is_none();
            if self.target == Target::Kubevirt && nameless && !interface.first {
                let number = index.saturating_add(1);
                left_out.push(format!(
                    "Interface {number} is left out: it is on no network or bridge."
                ));
            } else {
                interfaces.push(interface);
            }
        }
        let memory_mib = facts.memory_bytes.div_ceil(1 << 20);
        Ok(GuestValues {
            name: self.text(name),
            uuid: known.domain.uuid,
            memory: format!("{memory_mib}Mi"),
            memory_mib,
            vcpus: facts.vcpus,
            arch: facts.arch.as_deref().map(|arch| self.text(arch)),
            architecture: facts.arch.as_deref().and_then(architecture),
            efi: facts.nvram.is_some(),
            tpm: facts.tpm_emulator,
            disks,
            interfaces,
            left_out,
            id,
        })
    }

    fn disk(
        &self,
        host: Host<'_>,
        name: &str,
        (disk, layers): (&Disk, &[Layer]),
        bases: &mut Vec<BaseValues>,
    ) -> Result<DiskValues> {
        let target = disk.target.as_str();
        let Some(top) = layers.first() else {
            let path = path_of(host.hypervisor, &disk.source).ok().flatten();
            let what =
                path.map_or_else(|| disk.source.to_string(), |path| shown(&path).to_string());
            return Err(Error::new(
                Kind::WrongState,
                format!("disk {target} of domain '{name}', {what}, cannot be read"),
            )
            .hint(format!(
                "see why: `vmkin show -d {}`",
                shell_word(name.as_bytes())
            )));
        };
        let id = self.id(&format!("{name}-{target}"));
        let base = layers.get(1).filter(|_| self.from_base);
        if let (Some(base), true) = (base, layers.len() > 2) {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "the base of disk {target} of domain '{name}', {}, is an overlay itself",
                    shown(&base.path)
                ),
            )
            .hint("leave `--from-base` out; or make the base whole: `vmkin disk convert`"));
        }
        Ok(DiskValues {
            guest: self.text(name),
            guest_word: word(name.as_bytes()),
            target: self.text(target),
            bus: self.text(disk.bus.as_deref().unwrap_or("virtio")),
            size: top.virtual_size.to_string(),
            volume: self.text(&format!("{id}.qcow2")),
            base: base.map(|base| self.base(base, name, bases)),
            id,
        })
    }

    /// The id of a base, which is handed over once.
    fn base(&self, base: &Layer, guest: &str, bases: &mut Vec<BaseValues>) -> String {
        let path = base.path.to_string_lossy();
        if let Some(known) = bases.iter_mut().find(|known| known.path == base.path) {
            known.guests.push(self.text(guest));
            return known.id.clone();
        }
        let stem = base.path.file_stem().unwrap_or_default().to_string_lossy();
        let id = self.id(&format!("base-{stem}"));
        bases.push(BaseValues {
            id: id.clone(),
            volume: self.text(&format!("{id}.{}", base.format)),
            path: PathBuf::from(self.text(&path)),
            path_word: word(base.path.as_os_str().as_bytes()),
            format: base.format.to_string(),
            size: base.virtual_size.to_string(),
            guests: vec![self.text(guest)],
        });
        id
    }

    fn interface(&self, (index, nic): (usize, &Nic)) -> InterfaceValues {
        let (network, bridge) = match &nic.source {
            NicSource::Network(name) => (Some(self.text(name)), None),
            NicSource::Bridge(name) => (None, Some(self.text(name))),
            NicSource::User | NicSource::Other(_) => (None, None),
        };
        InterfaceValues {
            id: format!("net{index}"),
            first: index == 0,
            mac: nic.mac.map(|mac| mac.to_string()),
            network,
            bridge,
            model: self.text(nic.model.as_deref().unwrap_or("virtio")),
        }
    }

    /// A text that stays what it is there: in a string of HCL, `${` and `%{` begin a
    /// template (HCL Native Syntax Specification, "Template Expressions").
    fn text(&self, text: &str) -> String {
        match self.target {
            Target::Kubevirt => text.to_owned(),
            Target::Terraform => text.replace("${", "$${").replace("%{", "%%{"),
        }
    }

    /// A name as it may be there.
    fn id(&self, name: &str) -> String {
        let keeps = |c: char| match self.target {
            Target::Kubevirt => c.is_ascii_lowercase() || c.is_ascii_digit(),
            Target::Terraform => c.is_ascii_alphanumeric() || c == '_',
        };
        let name = match self.target {
            Target::Kubevirt => name.to_ascii_lowercase(),
            // A name begins with a letter there.
            Target::Terraform if name.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("vm-{name}")
            }
            Target::Terraform => name.to_owned(),
        };
        let id: String = name
            .chars()
            .map(|c| if keeps(c) { c } else { '-' })
            .collect();
        let id: String = id.trim_matches('-').chars().take(LONGEST_NAME).collect();
        id.trim_end_matches('-').to_owned()
    }
}

/// Whether a guest writes to a disk that others may write to as well.
fn is_shared(disk: &Disk) -> bool {
    disk.shareable && !disk.readonly && matches!(disk.device, DiskDevice::Disk | DiskDevice::Lun)
}

/// A name as a shell reads it, in a comment, which it must not end: YAML 1.1 ends a
/// line at two characters more than others do.
fn word(bytes: &[u8]) -> String {
    // They are no plain ones, so that there are quotes around them.
    shell_word(bytes)
        .replace('\u{2028}', r"'$'\u2028''")
        .replace('\u{2029}', r"'$'\u2029''")
}

/// The images that a disk on another host is made of; `None` if it is none of files.
fn layers_there(host: Host<'_>, known: &KnownDomain, disk: &Disk) -> Result<Option<Vec<Layer>>> {
    let Some(path) = path_of(host.hypervisor, &disk.source)? else {
        return Ok(None);
    };
    let trust = trust_for(host.hypervisor, &known.facts.disks, &[])?;
    let chain = chain_there(host.hypervisor, &Remote::default(), disk, &path, &trust)?;
    Ok(Some(chain.layers().to_vec()))
}

impl Values {
    fn each_has_a_name_of_its_own(&self) -> Result<()> {
        let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
        let guests = self
            .guests
            .iter()
            .map(|guest| (guest.id.as_str(), guest.name.as_str()));
        let disks = self.guests.iter().flat_map(|guest| &guest.disks);
        let disks = disks.map(|disk| (disk.id.as_str(), disk.guest.as_str()));
        let bases = self
            .bases
            .iter()
            .filter_map(|base| Some((base.id.as_str(), base.path.to_str()?)));
        for (id, whose) in guests.chain(disks).chain(bases) {
            if id.is_empty() {
                return Err(Error::new(
                    Kind::Usage,
                    format!("nothing of the name '{whose}' can be a name there"),
                ));
            }
            if let Some(other) = taken.insert(id, whose) {
                return Err(Error::new(
                    Kind::Usage,
                    format!(
                        "'{other}' and '{whose}' would both have something called '{id}' there"
                    ),
                )
                .hint("export them one by one"));
            }
        }
        Ok(())
    }
}

/// What Kubernetes calls an architecture (the values of GOARCH).
fn architecture(arch: &str) -> Option<&'static str> {
    match arch {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        "s390x" => Some("s390x"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_as_the_target_takes() {
        let request = |target| ExportRequest {
            target,
            from_base: false,
            template: None,
        };
        let kube = |name: &str| request(Target::Kubevirt).id(name);
        assert_eq!(kube("Web_01"), "web-01");
        assert_eq!(kube("-ä-"), "");
        assert_eq!(kube(&"x-".repeat(60)).len(), 63);
        let terraform = |name: &str| request(Target::Terraform).id(name);
        assert_eq!(terraform("Web_01"), "Web_01");
        assert_eq!(terraform("01"), "vm-01");
        assert_eq!(request(Target::Terraform).text("a${b}%{c}"), "a$${b}%%{c}");
    }

    #[test]
    fn a_name_in_a_command_is_one_word() {
        assert_eq!(word(b"web-01"), "web-01");
        assert_eq!(word(b"$(touch pwned)"), "'$(touch pwned)'");
        assert_eq!(word(b"it's `x`"), r"'it'\''s `x`'");
        assert_eq!(word("a\u{2028}b: c".as_bytes()), r"'a'$'\u2028''b: c'");
    }
}
