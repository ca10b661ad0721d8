//! systemd: what it starts, and whether that is there.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;
use crate::guest::native::fs::FileKind;

/// Where units are, the first that counts first.
const DIRS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

const OWN: &str = "/etc/systemd/system";

/// What a guest does not boot without.
const NEEDED: &[&str] = &[
    "sysinit.target",
    "basic.target",
    "multi-user.target",
    "local-fs.target",
    "dbus.socket",
    "dbus.service",
    "systemd-udevd.service",
    "systemd-journald.service",
];

/// What nobody reaches it without.
const WANTED: &[&str] = &[
    "systemd-logind.service",
    "networking.service",
    "NetworkManager.service",
    "systemd-networkd.service",
    "ssh.service",
    "sshd.service",
];

pub(super) fn look(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let programs = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
    let mut there = false;
    for path in programs {
        there |= here.is_there(path)?;
    }
    if !there {
        check.not_applicable("the guest has no systemd");
        return Ok(());
    }
    if !has_unit(here, "default.target")? {
        check.problem(
            "default.target leads to no unit".to_owned(),
            here.command(
                "ln",
                &format!("-s /lib/systemd/system/multi-user.target {OWN}/default.target"),
            ),
        );
    }
    let mut enabled = 0_usize;
    for (name, place) in here.entries(OWN)? {
        let kind = here.tree.stat(&place)?.kind;
        if kind == FileKind::Link && here.tree.link(&place)? == b"/dev/null" {
            let what = format!("{name} is masked");
            let hint = here.command(
                "rm",
                &format!("{OWN}/{}", crate::image::shell_word(name.as_bytes())),
            );
            if NEEDED.contains(&name.as_str()) {
                check.problem(what, hint);
            } else if WANTED.contains(&name.as_str()) {
                check.warning(what, hint);
            }
            continue;
        }
        let wants = name.ends_with(".wants") || name.ends_with(".requires");
        if kind != FileKind::Directory || !wants {
            continue;
        }
        for (unit, _) in here.entries(&format!("{OWN}/{name}"))? {
            enabled = enabled.saturating_add(1);
            if !has_unit(here, &unit)? && !here.is_there(&format!("{OWN}/{name}/{unit}"))? {
                check.warning(
                    format!("{unit} is enabled in {name}, and there is no such unit"),
                    here.command(
                        "rm",
                        &crate::image::shell_word(format!("{OWN}/{name}/{unit}").as_bytes()),
                    ),
                );
            }
        }
    }
    check.fine(format!("{enabled} units are enabled"));
    Ok(())
}

/// Whether systemd finds a unit: by its name, or as one of a template.
fn has_unit(here: &InTree<'_>, name: &str) -> Result<bool> {
    let template = name.split_once('@').and_then(|(before, after)| {
        let (_, kind) = after.rsplit_once('.')?;
        Some(format!("{before}@.{kind}"))
    });
    for dir in DIRS {
        for name in std::iter::once(name).chain(template.as_deref()) {
            if here.is_there(&format!("{dir}/{name}"))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
