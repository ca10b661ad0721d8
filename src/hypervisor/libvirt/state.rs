//! What domains are doing.

use std::collections::{HashMap, HashSet};
use std::thread;

use uuid::Uuid;
use virt::domain::{Domain as VirDomain, DomainInfo, DomainState as VirState};
use virt::enumutil::Enum::Known;
use virt::sys;

use super::many::of_many;
use super::{Libvirt, failed, sizes};
use crate::error::Result;
use crate::hypervisor::Hypervisor as _;
use crate::model::{Domain, DomainState, DomainStatus, MachineSize, Size, Stored};

/// The domains of a host at one moment, and which of them have what.
struct Marks {
    handles: HashMap<Uuid, VirDomain>,
    persistent: HashSet<Uuid>,
    autostart: HashSet<Uuid>,
    saved: HashSet<Uuid>,
    /// What those have that are not active, if it was asked.
    sizes: HashMap<Uuid, MachineSize>,
}

impl Marks {
    /// What libvirt knows of all domains without being asked about each; with what
    /// they have, if that is not known.
    fn of(libvirt: &Libvirt, sized: bool) -> Result<Self> {
        let flags = [
            sys::VIR_CONNECT_LIST_DOMAINS_PERSISTENT,
            sys::VIR_CONNECT_LIST_DOMAINS_AUTOSTART,
            sys::VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
        ];
        let (having, sizes) = thread::scope(|scope| {
            let sizes = (!sized).then(|| scope.spawn(|| sizes::of_inactive(libvirt)));
            let having = of_many(&flags, libvirt.askers(), |flags| {
                Ok(libvirt.list(*flags)?.into_keys().collect())
            });
            (having, sizes.and_then(|asked| asked.join().ok()))
        });
        let having = having?;
        let mut having = having.into_iter().map(Option::unwrap_or_default);
        Ok(Self {
            persistent: having.next().unwrap_or_default(),
            autostart: having.next().unwrap_or_default(),
            saved: having.next().unwrap_or_default(),
            // Not every driver can tell: then each domain is asked for its own.
            sizes: sizes.and_then(Result::ok).unwrap_or_default(),
            // Last, for it tells which are active.
            handles: libvirt.list(0)?,
        })
    }

    fn is_active(&self, uuid: Uuid) -> bool {
        let handle = self.handles.get(&uuid);
        handle.is_some_and(|handle| handle.id().is_some())
    }

    /// One that is not active, and so has what its definition says; `None` if there is
    /// more to ask.
    fn of_stored(&self, one: &Stored) -> Option<DomainStatus> {
        let uuid = one.domain.uuid;
        if self.is_active(uuid) {
            return None;
        }
        let size = one.size.or_else(|| self.sizes.get(&uuid).copied())?;
        Some(DomainStatus {
            state: match self.saved.contains(&uuid) {
                true => DomainState::Saved,
                false => DomainState::ShutOff,
            },
            // Only an active domain can be transient.
            persistent: true,
            autostart: self.autostart.contains(&uuid),
            memory: size.memory,
            vcpus: size.vcpus,
        })
    }
}

/// What many domains are doing, `None` for those that are gone by now: where it takes
/// fewer questions, all are asked about at once, and then those alone that are active.
pub(super) fn of_all(libvirt: &Libvirt, all: &[Stored]) -> Result<Vec<Option<DomainStatus>>> {
    let askers = libvirt.askers();
    let each_alone = || of_many(all, askers, |one| libvirt.status(&one.domain));
    if all.len() < askers.many() {
        return each_alone();
    }
    // A driver that cannot filter can still be asked one by one.
    let sized = all.iter().all(|one| one.size.is_some());
    let Ok(marks) = Marks::of(libvirt, sized) else {
        return each_alone();
    };
    let mut known = Vec::with_capacity(all.len());
    let mut asked = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let Some(handle) = marks.handles.get(&one.domain.uuid) else {
            known.push(None);
            continue;
        };
        let status = marks.of_stored(one);
        if status.is_none() {
            asked.push((at, &one.domain, handle));
        }
        known.push(status);
    }
    let answers = of_many(&asked, askers, |(_, domain, handle)| {
        told(domain, handle, Some(&marks))
    })?;
    for ((at, ..), answer) in asked.into_iter().zip(answers) {
        if let Some(open) = known.get_mut(at) {
            *open = answer;
        }
    }
    Ok(known)
}

/// What a domain is doing, and no more. `handle` must be fresh: only an active
/// domain has an id.
pub(super) fn of(domain: &Domain, handle: &VirDomain) -> Result<DomainState> {
    let failed = |e| failed(&e, format!("cannot read the state of '{}'", domain.name));
    if handle.id().is_some() {
        return Ok(active_state(&handle.info().map_err(failed)?));
    }
    Ok(if handle.has_managed_save(0).map_err(failed)? {
        DomainState::Saved
    } else {
        DomainState::ShutOff
    })
}

fn active_state(info: &DomainInfo) -> DomainState {
    match info.state {
        Known(VirState::Paused) => DomainState::Paused,
        Known(VirState::Shutdown) => DomainState::ShuttingDown,
        Known(VirState::PMSuspended) => DomainState::PmSuspended,
        Known(VirState::Crashed) => DomainState::Crashed,
        // Whatever libvirt invents next counts as running: the safe side.
        _ => DomainState::Running,
    }
}

/// What a domain is doing, and what else can be said of it without its XML.
/// `handle` must be fresh: it has told whether the domain is active.
pub(super) fn status(domain: &Domain, handle: &VirDomain) -> Result<DomainStatus> {
    told(domain, handle, None)
}

/// The same; with `marks` there is one question left to ask.
fn told(domain: &Domain, handle: &VirDomain, marks: Option<&Marks>) -> Result<DomainStatus> {
    let failed = |e| failed(&e, format!("cannot read the state of '{}'", domain.name));
    // `info`, not `state`: virt 0.5.0 drops the error of the latter.
    let info = handle.info().map_err(failed)?;
    // The lookup has told the id, which only an active domain has. Should
    // it have been started since, its state tells.
    let off = matches!(info.state, Known(VirState::Shutoff | VirState::Crashed));
    let active = handle.id().is_some() || !off;
    let saved = || match marks {
        Some(marks) => Ok(marks.saved.contains(&domain.uuid)),
        None => handle.has_managed_save(0).map_err(failed),
    };
    let state = if active {
        active_state(&info)
    } else if saved()? {
        DomainState::Saved
    } else {
        DomainState::ShutOff
    };
    // Only an active domain can be transient.
    let persistent = !active
        || match marks {
            Some(marks) => marks.persistent.contains(&domain.uuid),
            None => handle.is_persistent().map_err(failed)?,
        };
    // Libvirt refuses to answer for a transient domain.
    let autostart = persistent
        && match marks {
            Some(marks) => marks.autostart.contains(&domain.uuid),
            None => handle.autostart().map_err(failed)?,
        };
    Ok(DomainStatus {
        state,
        persistent,
        autostart,
        memory: Size(info.max_mem.saturating_mul(1024)),
        vcpus: info.nr_virt_cpu,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::{Memory as _, Save, Start, Undefine};
    use crate::xml::domain::read;

    #[test]
    fn what_is_known_of_all_at_once_is_what_each_alone_would_tell() {
        let libvirt = Libvirt::open(Some("test:///default")).unwrap();
        let xml = |n: u32| {
            format!(
                "<domain type='test'><name>many-{n}</name><memory unit='KiB'>{0}</memory>\
                 <currentMemory unit='KiB'>2048</currentMemory><vcpu current='2'>4</vcpu>\
                 <os><type>hvm</type></os></domain>",
                4096 + 1024 * n
            )
        };
        let mut stored = Vec::new();
        for n in 0..24 {
            let domain = libvirt.define(&xml(n), false).unwrap();
            match n % 4 {
                1 => libvirt.start(&domain, Start::default()).unwrap(),
                2 => {
                    libvirt.start(&domain, Start::default()).unwrap();
                    libvirt.save(&domain, Save::default()).unwrap();
                }
                3 => libvirt.set_autostart(&domain, true).unwrap(),
                _ => {}
            }
            let facts = read(&libvirt.public_xml(&domain).unwrap()).unwrap();
            let size = MachineSize {
                memory: Size(facts.memory_most_bytes),
                vcpus: facts.vcpus,
            };
            stored.push(Stored {
                domain,
                size: Some(size),
            });
        }
        let last = stored.last().map(|one| one.domain.clone()).unwrap();
        libvirt.undefine(&last, Undefine::default()).unwrap();

        assert!(stored.len() >= libvirt.askers().many());
        let together = of_all(&libvirt, &stored).unwrap();
        let mut bare = stored.clone();
        bare.iter_mut().for_each(|one| one.size = None);
        assert_eq!(of_all(&libvirt, &bare).unwrap(), together);
        let alone: Vec<Option<DomainStatus>> = stored
            .iter()
            .map(|one| libvirt.status(&one.domain).ok())
            .collect();
        assert_eq!(together, alone);
        let states: HashSet<_> = alone
            .iter()
            .flatten()
            .map(|one| one.state.to_string())
            .collect();
        assert_eq!(states.len(), 3, "{states:?}");
        assert_eq!(together.last(), Some(&None));

        for one in stored.iter().take(23) {
            let with = Undefine {
                managed_save: true,
                ..Undefine::default()
            };
            drop(libvirt.destroy(&one.domain, false));
            libvirt.undefine(&one.domain, with).unwrap();
        }
    }
}
