//! The rule that disks are only touched while nobody runs on them.

use super::snapshot::word;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Hypervisor;
use crate::model::{Domain, DomainState};

/// Evidence that a domain was seen shut off.
///
/// It is evidence, not a lock: somebody may start the domain a moment later.
/// What then protects an image is QEMU's own lock on it, which an operation
/// takes after this and before it looks at the state once more.
#[derive(Clone, Copy, Debug)]
pub struct ShutOff<'a>(&'a Domain);

impl<'a> ShutOff<'a> {
    /// Looks whether `domain` is shut off and has a stored definition.
    ///
    /// Block jobs are not asked for: they belong to the process of an active
    /// domain, and are gone with it.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] if it is active, saved, or transient.
    pub fn check(hypervisor: &dyn Hypervisor, domain: &'a Domain) -> Result<Self> {
        // Only an active domain can lack a stored definition.
        if hypervisor.state(domain)? == DomainState::ShutOff {
            return Ok(Self(domain));
        }
        let name = &domain.name;
        let status = hypervisor.status(domain)?;
        if !status.persistent {
            return Err(Error::new(
                Kind::WrongState,
                format!("domain '{name}' is transient, and must have a stored definition"),
            )
            .hint(format!(
                "store it while it runs: `umask 077; virsh dumpxml --security-info {name} > guest.xml && \
         virsh define guest.xml`"
            )));
        }
        let name = word(name);
        let hint = match status.state {
            DomainState::ShutOff => return Ok(Self(domain)),
            DomainState::Running | DomainState::ShuttingDown => {
                format!("shut it down first: `vmkin shutdown -d {name} --wait`")
            }
            DomainState::Paused | DomainState::PmSuspended => format!(
                "let it go on and shut it down: `vmkin resume -d {name} && vmkin shutdown -d {name} --wait`"
            ),
            DomainState::Crashed => format!("end it: `vmkin destroy -d {name}`"),
            DomainState::Saved => format!(
                "its memory is on disk and would not match changed disks; start it and shut it \
                 down, or drop the memory: `vmkin restore --discard -d {name}`"
            ),
        };
        Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{}' is {}, and must be shut off",
                domain.name, status.state
            ),
        )
        .hint(hint))
    }

    /// The domain that was looked at.
    pub fn domain(self) -> &'a Domain {
        self.0
    }
}
