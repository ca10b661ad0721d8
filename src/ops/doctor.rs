//! What this host lacks, and how to get it.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hypervisor::Hypervisor;
use crate::image;
use crate::image::qemu_img::QemuImg;
use crate::ops::kvm::{self, Kvm};
use crate::store::{Holder, Store};

/// How something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it must be.
    Good,
    /// Something works less well than it could.
    Fair,
    /// Something will not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// How it is.
    pub health: Health,
    /// What was looked at.
    pub what: String,
    /// What was found, as a clause.
    pub found: String,
    /// What to do about it, preferably as a command to type.
    pub hints: Vec<String>,
}

impl Finding {
    fn new(health: Health, what: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            health,
            what: what.into(),
            found: found.into(),
            hints: Vec::new(),
        }
    }

    fn of_error(what: impl Into<String>, error: &Error) -> Self {
        Self {
            hints: error.hints().to_vec(),
            ..Self::new(Health::Bad, what, error.to_string())
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Looks at everything that vmkin needs. `hypervisor` is the connection, or why
/// there is none.
pub fn examine(hypervisor: &Result<Box<dyn Hypervisor>>, store: &Store) -> Vec<Finding> {
    let mut findings = vec![libvirt(hypervisor), kvm(), qemu_img(), journals(store)];
    if let Ok(hypervisor) = hypervisor {
        if hypervisor.is_local() {
            findings.extend(pools(&**hypervisor));
        }
    }
    findings.extend(mounts(store));
    findings
}

/// The mounts that there is something to say about.
fn mounts(store: &Store) -> Vec<Finding> {
    const WHAT: &str = "mounted guests";
    let all = match super::mount::list(store) {
        Err(e) => return vec![Finding::of_error(WHAT, &e)],
        Ok(all) => all,
    };
    let complaints = all.iter().filter_map(super::mount::Listed::complaint);
    let finding =
        |(what, hint)| Finding::new(Health::Fair, WHAT, what).hint(format!("unmount it: {hint}"));
    complaints.map(finding).collect()
}

fn libvirt(hypervisor: &Result<Box<dyn Hypervisor>>) -> Finding {
    match hypervisor {
        Err(e) => Finding::of_error("libvirt", e),
        Ok(hypervisor) => match hypervisor.domains() {
            Ok(domains) => Finding::new(
                Health::Good,
                "libvirt",
                format!("{} answers, {} domains", hypervisor.uri(), domains.len()),
            ),
            Err(e) => Finding::of_error("libvirt", &e),
        },
    }
}

fn kvm() -> Finding {
    const WHAT: &str = "KVM";
    match kvm::look() {
        Kvm::Missing => Finding::new(
            Health::Fair,
            WHAT,
            "there is none; guests are emulated, and slow",
        )
        .hint("switch on virtualization in the firmware, or pass it through to this guest"),
        Kvm::Works => Finding::new(Health::Good, WHAT, "is there, and runs a guest"),
        Kvm::Broken(why) => Finding::new(
            Health::Fair,
            WHAT,
            format!("/dev/kvm is there and does not work: {why}"),
        )
        .hint(
            "define domains with <domain type='qemu'> (`vmkin import` does so by itself); libvirt \
             looks at a KVM that does not work again at every definition, a second each time",
        ),
    }
}

/// Whether `qemu-img` is there, and whether it and vmkin speak the same locks.
fn qemu_img() -> Finding {
    const WHAT: &str = "qemu-img";
    let look = || -> Result<Finding> {
        let tool = QemuImg::find()?;
        let version = tool.version()?;
        Ok(match image::fault_of_locks(&tool, &std::env::temp_dir())? {
            None => Finding::new(Health::Good, WHAT, format!("{version}; heeds image locks")),
            Some(fault) => Finding::new(Health::Bad, WHAT, format!("{version}; {fault}"))
                .hint("install a qemu-img that heeds locks (2.10 or newer)"),
        })
    };
    look().unwrap_or_else(|e| Finding::of_error(WHAT, &e))
}

fn journals(store: &Store) -> Finding {
    let what = format!("records in {}", store.root().display());
    match store.survey() {
        Err(e) => Finding::of_error(what, &e),
        Ok(found) => {
            let left = found.iter().filter(|f| matches!(f.holder, Holder::Us(_)));
            match left.count() {
                0 => Finding::new(Health::Good, what, "nothing is unfinished"),
                n => Finding::new(Health::Fair, what, format!("{n} operations are unfinished"))
                    .hint("finish them or take them back: `vmkin recover`"),
            }
        }
    }
}

/// What the directories of the active storage pools can do for images.
fn pools(hypervisor: &dyn Hypervisor) -> Vec<Finding> {
    let pools = match hypervisor.pools() {
        Ok(pools) => pools,
        Err(e) => return vec![Finding::of_error("storage pools", &e)],
    };
    pools
        .iter()
        .filter(|pool| pool.active)
        .filter_map(|pool| pool.path.as_ref().map(|path| (pool, path)))
        .map(|(pool, path)| directory(format!("pool '{}' ({})", pool.name, path.display()), path))
        .collect()
}

fn directory(what: String, path: &Path) -> Finding {
    if !path.is_dir() {
        return Finding::new(Health::Fair, what, "the directory is not there");
    }
    let can = match image::abilities(path) {
        Ok(can) => can,
        Err(e) => {
            return Finding {
                health: Health::Fair,
                ..Finding::of_error(what, &e)
            }
            .hint("to make clones there, run vmkin as root");
        }
    };
    if let Err(e) = can.locks.and(can.exclusive_names) {
        return Finding::of_error(what, &e);
    }
    let copies = if can.reflink {
        "full copies share blocks"
    } else {
        "full copies copy"
    };
    match can.not_immutable {
        None => Finding::new(
            Health::Good,
            what,
            format!("images can be locked and sealed; {copies}"),
        ),
        Some(why) => Finding::new(
            Health::Fair,
            what,
            format!("images can be locked, and sealed by their mode alone ({why}); {copies}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::hypervisor::fake::Fake;
    use crate::model::Pool;
    use crate::ops::testing::Bench;

    #[test]
    fn each_part_of_the_host_is_looked_at() {
        let bench = Bench::new();
        let mut fake = Fake::default();
        fake.pools.push(Pool {
            name: "images".to_owned(),
            active: true,
            path: Some(bench.dir.path().to_owned()),
        });
        let findings = examine(&Ok(Box::new(fake)), &bench.store);
        let health = |what: &str| {
            let found = findings.iter().find(|f| f.what.starts_with(what));
            found
                .unwrap_or_else(|| panic!("{what}: {findings:?}"))
                .health
        };
        assert_eq!(health("libvirt"), Health::Good);
        assert_eq!(health("qemu-img"), Health::Good);
        assert_eq!(health("records"), Health::Good);
        assert_ne!(health("pool 'images'"), Health::Bad);
        let none = Err(Error::new(Kind::Environment, "no daemon").hint("start it"));
        let findings = examine(&none, &bench.store);
        assert_eq!(findings[0].health, Health::Bad);
        assert_eq!(findings[0].hints, ["start it"]);
    }
}
