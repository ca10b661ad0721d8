//! What the guests are to be.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use uuid::Uuid;

use super::profile::Profile;
use super::wishes::with_defaults;
use super::{Wishes, drives, images, machine};
use crate::error::{Error, Kind, Result};
use crate::model::import::{ConsoleOption, GraphicsKind, NicOption, NicPlace};
use crate::model::{Capabilities, DiskSource, DomainName, GuestAbility, Mac};
use crate::ops::Host;
use crate::ops::blueprint::{Blueprint, Contents, Drive, Guest, NAME_IN_LOG, Screen};
use crate::ops::clone::Cloned;
use crate::template::{self, DomainTemplate};

/// What guests are to be, and what there is to say about it.
#[derive(Debug)]
pub struct Designed {
    /// What they are to be.
    pub blueprint: Blueprint,
    /// What was chosen for the user. Sentences.
    pub chosen: Vec<String>,
    /// What is not as the user may think. Sentences.
    pub warnings: Vec<String>,
    /// The addresses that were asked for, in the order of the interfaces.
    pub macs: Vec<Mac>,
}

/// Works out what guests are to be, `count` of them. Changes nothing.
///
/// # Errors
///
/// [`Kind::Usage`] if the wishes do not fit together, [`Kind::NotFound`] if an
/// image, a pool or a template is not there, [`Kind::Environment`] if the host
/// cannot run such guests, [`Kind::Unsafe`] if an image is not to be trusted.
pub fn design(host: Host<'_>, wishes: &Wishes, count: u64) -> Result<Designed> {
    let images = images::of(host);
    let uri = (!host.hypervisor.is_local()).then(|| host.hypervisor.uri());
    let (mut chosen, mut warnings) = (Vec::new(), Vec::new());
    let capabilities = host.hypervisor.capabilities()?;
    let arch = wishes
        .arch
        .clone()
        .unwrap_or_else(|| capabilities.host_arch.clone());
    let profile = Profile::of(wishes.os_variant.as_deref(), &arch)?;
    warnings.extend(profile.warnings.iter().cloned());
    let name = wishes.template.as_deref().unwrap_or(profile.template);
    let template = template::find(name)?;
    let wishes = &with_defaults(wishes, &template)?;
    let drives = drives::drives(host, &*images, wishes, &profile, count, &mut chosen)?;
    let machine = machine::machine(&capabilities, &arch, wishes, &profile, uri, &mut chosen)?;
    let boot = &machine.boot;
    let mut kernels = boot.kernel.iter().chain(&boot.initrd);
    kernels.try_for_each(|path| images.must_have_kernel(path))?;
    machine::one_order(&machine.boot, &drives, &wishes.nics)?;
    one_log_for_each(wishes.console.as_ref(), count)?;
    let nics = nics(host, wishes, &profile);
    let macs = macs(&nics, count)?;
    let blueprint = Blueprint {
        label: label(&drives, &template),
        title: wishes.title.clone(),
        description: wishes.description.clone(),
        os_id: profile.os_id.clone(),
        machine,
        console: wishes.console.clone().unwrap_or_default(),
        screen: screen(wishes, &mut warnings),
        tpm: wishes.tpm.clone().or_else(|| profile.tpm()),
        set: wishes.set.clone(),
        template,
        drives,
        nics,
    };
    Ok(Designed {
        blueprint,
        chosen,
        warnings,
        macs,
    })
}

/// The XML that a template makes of a guest with one disk and one interface,
/// without asking libvirt for anything.
///
/// # Errors
///
/// Those of [`Blueprint::render`].
pub fn sample(template: &str, name: &DomainName, set: &[(String, String)]) -> Result<String> {
    let template = template::find(template)?;
    let wishes = with_defaults(&Wishes::default(), &template)?;
    let profile = Profile::of(None, SAMPLE_ARCH)?;
    let capabilities = Capabilities {
        host_arch: SAMPLE_ARCH.to_owned(),
        guests: vec![GuestAbility {
            os_type: "hvm".to_owned(),
            arch: SAMPLE_ARCH.to_owned(),
            domain_types: vec!["qemu".to_owned()],
            machines: vec!["q35".to_owned()],
        }],
    };
    let machine = machine::machine(
        &capabilities,
        SAMPLE_ARCH,
        &wishes,
        &profile,
        None,
        &mut Vec::new(),
    )?;
    let disk = drives::sample(name)?;
    let blueprint = Blueprint {
        label: template.name.clone(),
        title: None,
        description: None,
        os_id: None,
        machine,
        drives: vec![disk],
        nics: vec![NicOption::on(NicPlace::Network("default".to_owned()))],
        console: ConsoleOption::default(),
        screen: screen(&wishes, &mut Vec::new()),
        tpm: wishes.tpm.clone(),
        set: set.to_vec(),
        template,
    };
    let guest = Guest {
        name,
        uuid: Uuid::new_v4(),
        macs: &[Mac::kvm([0, 0, 1])],
        images: &[],
    };
    Ok(blueprint.render(&guest)?.expose().to_owned())
}

/// The architecture of a guest that is made up.
const SAMPLE_ARCH: &str = "x86_64";

/// Has these guests start with the host. That one does not is no reason to undo
/// anything.
pub fn start_with_host(host: Host<'_>, made: &[Cloned]) {
    for one in made {
        if let Err(error) = host.hypervisor.set_autostart(&one.domain(), true) {
            host.observer.warning(&format!(
                "'{}' does not start with the host ({error}); `virsh autostart {}` changes that.",
                one.name, one.name
            ));
        }
    }
}

fn nics(host: Host<'_>, wishes: &Wishes, profile: &Profile) -> Vec<NicOption> {
    let place = if host.hypervisor.uri().ends_with("/session") {
        // There is no network that an ordinary user may give a guest.
        NicPlace::User
    } else {
        NicPlace::Network("default".to_owned())
    };
    let all = if wishes.nics.is_empty() {
        vec![NicOption::on(place)]
    } else {
        wishes.nics.clone()
    };
    all.into_iter()
        .filter(|nic| nic.place.is_some())
        .map(|nic| NicOption {
            model: nic.model.or_else(|| Some(profile.nic_model.to_owned())),
            ..nic
        })
        .collect()
}

/// Refuses one file for what several guests print: libvirt opens it for the
/// first to start, and starts no other.
fn one_log_for_each(console: Option<&ConsoleOption>, count: u64) -> Result<()> {
    let log = console.and_then(|console| console.log.as_deref());
    match log.map(Path::to_string_lossy) {
        Some(log) if count > 1 && !log.contains(NAME_IN_LOG) => Err(Error::new(
            Kind::Usage,
            format!("log={log} is one file, and {count} guests need one each"),
        )
        .hint("put {name} in its name, which stands for that of the guest")),
        _ => Ok(()),
    }
}

/// The addresses that interfaces are to have, as the maker of clones wants them:
/// those of the first so many interfaces.
fn macs(nics: &[NicOption], count: u64) -> Result<Vec<Mac>> {
    let Some(last) = nics.iter().rposition(|nic| nic.mac.is_some()) else {
        return Ok(Vec::new());
    };
    if count > 1 {
        return Err(Error::new(
            Kind::Usage,
            format!("mac= is one address, and {count} guests need one each"),
        )
        .hint("leave it out, and each gets one; or repeat `--mac` for each of them"));
    }
    Ok(nics
        .iter()
        .take(last + 1)
        .map(|nic| {
            nic.mac.unwrap_or_else(|| {
                let [a, b, c, ..] = *Uuid::new_v4().as_bytes();
                Mac::kvm([a, b, c])
            })
        })
        .collect())
}

fn screen(wishes: &Wishes, warnings: &mut Vec<String>) -> Option<Screen> {
    let graphics = wishes.screen.as_ref()?;
    let option = &graphics.option;
    if option.kind == GraphicsKind::None {
        return None;
    }
    let listen = option.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if !listen.is_loopback() && graphics.password.is_none() {
        warnings.push(format!(
            "The screen listens on {listen} without a password: whoever reaches this host can \
             use it. A password comes from a file: `--graphics {},listen={listen},password-file=FILE`.",
            option.kind.as_str()
        ));
    }
    Some(Screen {
        kind: option.kind,
        listen,
        port: option.port,
        keymap: option.keymap.clone(),
        password: graphics.password.clone(),
    })
}

/// What people call what the guests are made of.
fn label(drives: &[Drive], template: &DomainTemplate) -> String {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let base = drives.iter().find_map(|drive| match &drive.contents {
        Contents::Overlay { base, .. } => name(base),
        _ => None,
    });
    let image = drives.iter().find_map(|drive| match &drive.contents {
        Contents::There {
            source: DiskSource::File(path) | DiskSource::Block(path),
            ..
        } => name(path),
        _ => None,
    });
    base.or(image).unwrap_or_else(|| template.name.clone())
}
