//! Why a guest does not boot: a checklist, read off its disks.
//!
//! Nothing is changed and nothing is guessed: a check that cannot be done says so.
//!
//! | file | its checks |
//! |---|---|
//! | `report` | what a check is, and what it has found |
//! | `patient` | the guest, and looking at its files |
//! | `image` | `image`, `space`: the disks and their file systems |
//! | `partitions` | `partitions`: what the firmware needs |
//! | `fstab` | `fstab`: what is mounted, and whether it is there |
//! | `boot_loader` | `boot-loader`: entries, and what they name |
//! | `kernels` | `kernels`: each with its initramfs |
//! | `init` | `init`, `accounts`: the first program, and who may log in |
//! | `units` | `units`: systemd |
//! | `config` | `sudo`, `ssh`, `selinux` |
//! | `network` | `network`: connections that are bound to a card |
//! | `log` | `log`: what was said last |
//! | `domain` | `domain`: what libvirt has to find |
//! | `windows` | `windows`: what Windows boots with |

mod boot_loader;
mod config;
mod domain;
mod fstab;
mod image;
mod init;
mod kernels;
mod log;
mod network;
mod partitions;
mod patient;
mod report;
mod units;
mod windows;

use self::patient::{InTree, Patient};
use crate::ops::guest::Guest;

pub use self::report::{Check, Examined, Finding, State};

/// Examines a guest. `named` is how the user names it in a command: `-d web`.
pub fn examine(guest: &mut Guest, named: String) -> Examined {
    let tree = guest.tree();
    let patient = Patient {
        guest,
        named,
        facts: guest.facts.as_ref(),
    };
    let mut checks = vec![image::image(&patient), image::space(&patient)];
    let tree = match tree {
        Ok(tree) => tree,
        Err(error) => {
            let mut system = Check::new("system", "operating system");
            system.problem(error.to_string(), error.hints().first().cloned());
            checks.push(system);
            checks.push(domain::domain(&patient));
            return Examined::new(guest.name.clone(), checks);
        }
    };
    let here = InTree {
        patient: &patient,
        tree: &tree,
    };
    let is_windows = here.is_windows();
    let of_linux: &[(&'static str, &'static str, patient::Look)] = &[
        ("partitions", "partitions and firmware", partitions::look),
        ("fstab", "/etc/fstab", fstab::look),
        ("boot-loader", "boot loader", boot_loader::look),
        ("kernels", "kernels and initramfs", kernels::look),
        ("init", "first program", init::init),
        ("accounts", "accounts", init::accounts),
        ("units", "units of systemd", units::look),
        ("sudo", "sudo", config::sudo),
        ("ssh", "SSH server", config::ssh),
        ("selinux", "SELinux", config::selinux),
        ("network", "network", network::look),
        ("log", "system log", log::look),
    ];
    for (id, title, look) in of_linux {
        let mut check = Check::new(id, title);
        if is_windows {
            check.not_applicable("the guest is Windows");
        } else if let Err(error) = look(&here, &mut check) {
            check.unknown(error.to_string());
        }
        checks.push(check);
    }
    let mut check = Check::new("windows", "Windows' boot files");
    if !is_windows {
        check.not_applicable("the guest is not Windows");
    } else if let Err(error) = windows::look(&here, &mut check) {
        check.unknown(error.to_string());
    }
    checks.push(check);
    checks.push(domain::domain(&patient));
    Examined::new(guest.name.clone(), checks)
}
