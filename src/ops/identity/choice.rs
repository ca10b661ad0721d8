//! Which channel a guest is told by who it is, and what does not go together.

use std::collections::HashSet;

use uuid::Uuid;

use super::{documents, password};
use crate::error::{Error, Kind, Result};
use crate::image::Seed;
use crate::model::{
    Credential, DomainName, GuestIdentity, Hostname, HostnamePattern, IdentityChannel, Smbios,
};

/// The most that systemd is told. The tables of the firmware have 64 KiB, and
/// the arguments of QEMU are to stay readable.
const MAX_CREDENTIALS: usize = 16 << 10;

/// What `user-data` can begin with; cloud-init ignores all else.
const BEGINNINGS: &[&str] = &[
    "#cloud-config",
    "#cloud-boothook",
    "#include",
    "#part-handler",
    "#upstart-job",
    "#!",
    "## template:",
    "Content-Type:",
    "From nobody",
    "MIME-Version:",
];

/// A guest that is going to be.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The name of its domain.
    pub name: &'a DomainName,
    /// The UUID of its domain.
    pub uuid: Uuid,
}

/// What the guests run on.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// What runs them: `kvm`, `qemu`.
    pub domain_type: &'a str,
    /// The architecture, such as `x86_64`, if it is known.
    pub arch: Option<&'a str>,
}

impl Machine<'_> {
    /// Whether its firmware has tables that the host can write into.
    fn has_smbios(self) -> bool {
        matches!(self.domain_type, "kvm" | "qemu" | "hvf" | "test")
            && matches!(self.arch, None | Some("x86_64" | "i686" | "aarch64"))
    }
}

/// What a guest is told, by each channel.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its host name.
    pub hostname: Hostname,
    /// What is written to a disk for cloud-init.
    pub seed: Option<Seed>,
    /// What its firmware says.
    pub smbios: Option<Smbios>,
}

/// What all guests of a command are told.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// For each guest in order; empty if they are told nothing.
    pub guests: Vec<Told>,
    /// What was chosen and why, as a sentence, where it was left to vmkin.
    pub chosen: Option<String>,
    /// What is not as the user may think. Sentences.
    pub warnings: Vec<String>,
}

/// Decides what each of these guests is told, and how. `first` is the number of
/// the first guest, for patterns. Changes nothing.
///
/// # Errors
///
/// [`Kind::Usage`] if what is asked for does not go together, or a name cannot
/// be a host name or is given to two guests; [`Kind::WrongState`] if the
/// machine does not have the channel that is asked for.
pub fn prepare(
    identity: &GuestIdentity,
    guests: &[Guest<'_>],
    first: u64,
    machine: Machine<'_>,
) -> Result<Prepared> {
    if !identity.is_wanted() {
        return match identity.channel {
            Some(IdentityChannel::None)
                if identity.has_contents() || !identity.hostnames.is_empty() =>
            {
                Err(
                    usage("--identity none tells guests nothing, and there is something to tell")
                        .hint("leave it out, or choose a channel: `--identity auto`"),
                )
            }
            _ => Ok(Prepared::default()),
        };
    }
    let channel = identity.channel.unwrap_or(IdentityChannel::Auto);
    fits_together(identity, guests.len())?;
    match channel {
        IdentityChannel::Smbios => fits_smbios(identity, machine)?,
        IdentityChannel::Offline => refuse_documents(identity, "written into the disks")?,
        _ => {}
    }
    let hostnames = hostnames(identity, guests, first)?;
    let by_seed = !matches!(channel, IdentityChannel::Smbios | IdentityChannel::Offline);
    let mut by_smbios = match channel {
        IdentityChannel::Smbios => true,
        IdentityChannel::Auto => machine.has_smbios(),
        IdentityChannel::CloudInit | IdentityChannel::Offline | IdentityChannel::None => false,
    };
    let hash = identity
        .password
        .as_ref()
        .map(password::hashed)
        .transpose()?;
    let mut told = Vec::with_capacity(guests.len());
    for (guest, hostname) in guests.iter().zip(hostnames) {
        let seed = by_seed
            .then(|| -> Result<Seed> {
                Ok(Seed {
                    volume_id: guest.uuid.as_fields().0,
                    user_data: documents::user_data(
                        identity,
                        hash.as_ref(),
                        guest.uuid,
                        &hostname,
                    )?,
                    meta_data: documents::meta_data(identity, guest.uuid, &hostname)?,
                    network_config: identity.network_config.clone(),
                })
            })
            .transpose()?;
        let credentials = credentials(identity, guest.uuid, &hostname);
        let size: usize = credentials.iter().map(|one| one.value.len()).sum();
        if size > MAX_CREDENTIALS {
            if channel == IdentityChannel::Smbios {
                return Err(usage(format!(
                    "the SSH keys have {size} bytes, and SMBIOS takes {MAX_CREDENTIALS}"
                ))
                .hint("use a disk for cloud-init: `--identity cloud-init`"));
            }
            by_smbios = false;
        }
        let smbios = by_smbios.then(|| Smbios {
            // The seed says the same. Without one, this makes cloud-init begin
            // anew; with one, the serial number is left to its owner.
            instance: (!by_seed).then(|| (guest.uuid, hostname.clone())),
            credentials,
            required: channel == IdentityChannel::Smbios,
        });
        told.push(Told {
            hostname,
            seed,
            smbios,
        });
    }
    Ok(Prepared {
        guests: told,
        chosen: (channel == IdentityChannel::Auto).then(|| said(by_smbios)),
        warnings: warnings(identity, guests.len()),
    })
}

fn said(by_smbios: bool) -> String {
    if by_smbios {
        "The guests are told who they are by a disk for cloud-init and by SMBIOS for systemd: what \
         they have inside is not known. `--identity` chooses one."
            .to_owned()
    } else {
        "The guests are told who they are by a disk for cloud-init.".to_owned()
    }
}

/// What cloud-init would not get to see, or in two versions.
fn fits_together(identity: &GuestIdentity, guests: usize) -> Result<()> {
    if identity.user_data.is_some() {
        for (flag, given) in [
            ("--user", identity.user.is_some()),
            ("--password-file", identity.password.is_some()),
        ] {
            if given {
                return Err(usage(format!(
                    "{flag} cannot be used with --user-data, which is sent as it is"
                ))
                .hint("write it into that file"));
            }
        }
    }
    if identity.meta_data.is_some() {
        if !identity.hostnames.is_empty() {
            return Err(usage(
                "--hostname cannot be used with --meta-data, which is sent as it is",
            )
            .hint("write local-hostname into that file"));
        }
        if identity.user_data.is_some() && !identity.ssh_keys.is_empty() {
            return Err(usage(
                "--ssh-key cannot be used with both --user-data and --meta-data, which are sent \
                 as they are",
            )
            .hint("write the keys into one of them"));
        }
        if guests > 1 {
            return Err(usage(format!(
                "--meta-data gives all {guests} guests one instance id and one name"
            ))
            .hint("leave it out: each guest gets its own"));
        }
    }
    Ok(())
}

fn fits_smbios(identity: &GuestIdentity, machine: Machine<'_>) -> Result<()> {
    if !machine.has_smbios() {
        let what = machine.arch.unwrap_or(machine.domain_type);
        return Err(Error::new(
            Kind::WrongState,
            format!("a domain of {what} has no SMBIOS that could tell it anything"),
        )
        .hint("use a disk for cloud-init: `--identity cloud-init`"));
    }
    for (flag, given, why) in [
        (
            "--password-file",
            identity.password.is_some(),
            "it would be in the domain's XML and in the list of processes",
        ),
        ("--user", identity.user.is_some(), "systemd makes no users"),
    ] {
        if given {
            return Err(usage(format!("{flag} cannot go by SMBIOS: {why}"))
                .hint("use a disk for cloud-init: `--identity cloud-init`"));
        }
    }
    refuse_documents(identity, "told by SMBIOS")
}

/// What only cloud-init reads.
fn refuse_documents(identity: &GuestIdentity, how: &str) -> Result<()> {
    for (flag, given) in [
        ("--user-data", identity.user_data.is_some()),
        ("--meta-data", identity.meta_data.is_some()),
        ("--network-config", identity.network_config.is_some()),
    ] {
        if given {
            return Err(
                usage(format!("{flag} cannot be {how}: it is for cloud-init"))
                    .hint("use a disk for cloud-init: `--identity cloud-init`"),
            );
        }
    }
    Ok(())
}

fn hostnames(identity: &GuestIdentity, guests: &[Guest<'_>], first: u64) -> Result<Vec<Hostname>> {
    let patterns = &identity.hostnames;
    let each = patterns.len() == guests.len();
    match patterns.as_slice() {
        [] => {}
        [one] if each || one.has_counter() => {}
        [_] => {
            return Err(usage(format!(
                "one --hostname cannot be that of {} guests",
                guests.len()
            ))
            .hint("put the name or a number into it: `--hostname '{name}.lab'`"));
        }
        _ if each => {}
        many => {
            return Err(usage(format!(
                "--hostname is given {} times, and there are {} guests",
                many.len(),
                guests.len()
            )));
        }
    }
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(guests.len());
    for (index, guest) in guests.iter().enumerate() {
        let pattern: Option<&HostnamePattern> = if each {
            patterns.get(index)
        } else {
            patterns.first()
        };
        let number = u64::try_from(index)
            .unwrap_or(u64::MAX)
            .saturating_add(first);
        let name = match pattern {
            Some(pattern) => pattern.hostname(guest.name, number),
            None => guest.name.as_str().parse(),
        };
        let name = name.map_err(|invalid| {
            let error = usage(format!(
                "'{}' needs another host name: {invalid}",
                guest.name
            ));
            match pattern {
                Some(_) => error,
                None => error.hint("give it one: `--hostname NAME`"),
            }
        })?;
        if !seen.insert(name.as_str().to_ascii_lowercase()) {
            return Err(
                usage(format!("two guests would have the host name '{name}'"))
                    .hint("put the name or a number into it: `--hostname '{name}.lab'`"),
            );
        }
        names.push(name);
    }
    Ok(names)
}

/// What systemd takes from the host, each only where the image does not say it
/// already.
fn credentials(identity: &GuestIdentity, uuid: Uuid, hostname: &Hostname) -> Vec<Credential> {
    // The user's own metadata names the host.
    let hostname = identity.meta_data.is_none().then(|| Credential {
        name: "system.hostname",
        value: hostname.to_string(),
    });
    let machine_id = Credential {
        name: "system.machine_id",
        value: uuid.simple().to_string(),
    };
    // A user that is named gets the keys instead of root.
    let root = identity
        .user
        .as_ref()
        .is_none_or(|user| user.as_str() == "root");
    let keys = (root && !identity.ssh_keys.is_empty()).then(|| Credential {
        name: "ssh.authorized_keys.root",
        value: identity
            .ssh_keys
            .iter()
            .map(|key| format!("{}\n", key.as_str()))
            .collect(),
    });
    hostname
        .into_iter()
        .chain([machine_id])
        .chain(keys)
        .collect()
}

fn warnings(identity: &GuestIdentity, guests: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(text) = &identity.user_data {
        let begins = |beginning: &&str| text.expose().starts_with(*beginning);
        if !BEGINNINGS.iter().any(begins) {
            warnings.push(
                "The user-data begins with nothing that cloud-init knows, such as #cloud-config; \
                 it will be ignored."
                    .to_owned(),
            );
        }
    }
    if identity.network_config.is_some() && guests > 1 {
        warnings.push(format!(
            "All {guests} guests get the same network configuration."
        ));
    }
    warnings
}

fn usage(message: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, message)
}
