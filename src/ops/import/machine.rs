//! What the host can run, and what of that is chosen.

use super::Wishes;
use super::profile::Profile;
use super::wishes::MIB;
use crate::error::{Error, Kind, Result};
use crate::image::shell_word;
use crate::model::import::{BootOption, Firmware, NicOption, VcpuOption, VirtType};
use crate::model::{Capabilities, GuestAbility, Size, nearest};
use crate::ops::blueprint::{Cpu, Drive, Machine, Topology};
use crate::ops::kvm::{self, Kvm};

/// The memory of a guest of which nothing is known.
const MEMORY: Size = Size(1 << 30);

/// Chooses what guests run on. `uri` is that of the host, if it is another one.
///
/// # Errors
///
/// [`Kind::Environment`] if the host cannot run them; [`Kind::Usage`] if the
/// machine type is unknown.
pub(super) fn machine(
    capabilities: &Capabilities,
    arch: &str,
    wishes: &Wishes,
    profile: &Profile,
    uri: Option<&str>,
    chosen: &mut Vec<String>,
) -> Result<Machine> {
    let ability = ability(capabilities, arch, uri)?;
    let domain_type = domain_type(ability, wishes.virt_type, uri, chosen)?;
    let memory = wishes.memory.or(profile.memory).unwrap_or(MEMORY);
    if memory.bytes() < MIB {
        return Err(Error::new(
            Kind::Usage,
            format!("a guest cannot have {memory} of memory"),
        )
        .hint("a number without a unit is MiB: `--memory 1024`"));
    }
    let vcpus = wishes
        .vcpus
        .unwrap_or_else(|| VcpuOption::new(profile.vcpus.unwrap_or(1)));
    let mut boot = wishes.boot.clone().unwrap_or_default();
    if profile.uefi && boot.firmware.is_none() && boot.kernel.is_none() {
        boot.firmware = Some(Firmware::Uefi);
    }
    if profile.secure_boot && boot.firmware == Some(Firmware::Uefi) && boot.secure_boot.is_none() {
        boot.secure_boot = Some(true);
    }
    if boot.secure_boot.is_some() && boot.firmware != Some(Firmware::Uefi) {
        boot.firmware = Some(Firmware::Uefi);
    }
    Ok(Machine {
        machine: machine_type(ability, wishes, profile)?,
        cpu: cpu(&domain_type, wishes, vcpus),
        domain_type,
        arch: arch.to_owned(),
        memory,
        vcpus: vcpus.count,
        vcpus_most: vcpus.most,
        boot,
        video: wishes
            .video
            .clone()
            .unwrap_or_else(|| profile.video.to_owned()),
    })
}

fn ability<'a>(
    capabilities: &'a Capabilities,
    arch: &str,
    uri: Option<&str>,
) -> Result<&'a GuestAbility> {
    capabilities.hvm(arch).ok_or_else(|| {
        let mut known: Vec<&str> = capabilities
            .guests
            .iter()
            .map(|guest| guest.arch.as_str())
            .collect();
        known.sort_unstable();
        known.dedup();
        let error = Error::new(
            Kind::Environment,
            format!("{} cannot run {arch} guests", uri.unwrap_or("this host")),
        );
        if known.is_empty() {
            error.hint("install QEMU: `apt install qemu-system-x86` or `dnf install qemu-kvm`")
        } else {
            error.hint(format!("it can run: {}", known.join(", ")))
        }
    })
}

fn domain_type(
    ability: &GuestAbility,
    wish: Option<VirtType>,
    uri: Option<&str>,
    chosen: &mut Vec<String>,
) -> Result<String> {
    let has = |kind: &str| ability.domain_types.iter().any(|known| known == kind);
    let missing = |kind: &str| {
        let arch = &ability.arch;
        let what = |place| format!("libvirt cannot run {arch} guests with '{kind}' {place}");
        let error = |place| Error::new(Kind::Environment, what(place));
        match uri {
            None => error("here").hint("see what this host can do: `vmkin doctor`"),
            Some(uri) => error("there").hint(format!(
                "see what that host can do: `vmkin -c {} doctor`",
                shell_word(uri.as_bytes())
            )),
        }
    };
    match wish {
        Some(VirtType::Kvm) if has("kvm") => return Ok("kvm".to_owned()),
        Some(VirtType::Kvm) => return Err(missing("kvm")),
        Some(VirtType::Qemu) if has("qemu") => return Ok("qemu".to_owned()),
        Some(VirtType::Qemu) => return Err(missing("qemu")),
        None => {}
    }
    if has("kvm") {
        let kvm = match uri {
            None => kvm::look(),
            // Nothing can be run there to try it: the word of libvirt has to do.
            Some(_) => Kvm::Works,
        };
        match kvm {
            Kvm::Works => return Ok("kvm".to_owned()),
            Kvm::Missing => {}
            Kvm::Broken(why) if has("qemu") => chosen.push(format!(
                "KVM does not work here ({why}), so the guest is emulated by QEMU."
            )),
            Kvm::Broken(_) => {}
        }
    }
    if has("qemu") {
        return Ok("qemu".to_owned());
    }
    let first = ability.domain_types.first();
    first.cloned().ok_or_else(|| missing("qemu"))
}

/// The machine type: what is wished, then what the system does best on.
fn machine_type(
    ability: &GuestAbility,
    wishes: &Wishes,
    profile: &Profile,
) -> Result<Option<String>> {
    let has = |name: &str| ability.machines.iter().any(|known| known == name);
    if let Some(machine) = &wishes.machine {
        if has(machine) {
            return Ok(Some(machine.clone()));
        }
        let error = Error::new(
            Kind::Usage,
            format!("QEMU has no machine '{machine}' for {}", ability.arch),
        );
        let known = ability.machines.iter().map(String::as_str);
        return Err(match nearest(machine, known, 3).as_slice() {
            [] => error.hint("leave --machine out, and a good one is chosen"),
            near => error.hint(format!("did you mean {}?", near.join(", "))),
        });
    }
    let best = profile.machine.unwrap_or("q35");
    Ok(has(best).then(|| best.to_owned()))
}

fn cpu(domain_type: &str, wishes: &Wishes, vcpus: VcpuOption) -> Option<Cpu> {
    let topology = vcpus.topology.map(|(sockets, cores, threads)| Topology {
        sockets,
        cores,
        threads,
    });
    if let Some(wish) = &wishes.cpu {
        let by_mode = ["host-passthrough", "host-model", "maximum"].contains(&wish.model.as_str());
        return Some(Cpu {
            mode: if by_mode { &wish.model } else { "custom" }.to_owned(),
            model: (!by_mode).then(|| wish.model.clone()),
            features: wish.features.clone(),
            topology,
        });
    }
    let mode = match domain_type {
        "kvm" => "host-passthrough",
        // What systems of today need (x86-64-v2), QEMU's own default has not.
        "qemu" => "maximum",
        _ => "",
    };
    (!mode.is_empty() || topology.is_some()).then(|| Cpu {
        mode: mode.to_owned(),
        topology,
        ..Cpu::default()
    })
}

/// Refuses two ways of saying what boots first, of which libvirt takes one.
pub(super) fn one_order(boot: &BootOption, drives: &[Drive], nics: &[NicOption]) -> Result<()> {
    let by_device = drives.iter().any(|drive| drive.boot_order.is_some())
        || nics.iter().any(|nic| nic.boot_order.is_some());
    if by_device && !boot.devices.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "boot_order= and `--boot hd,…` both say what boots first",
        ));
    }
    Ok(())
}
