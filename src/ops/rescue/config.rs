//! Settings that must be as programs insist on.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;

const SUDOERS: &str = "/etc/sudoers";
const SSHD: &str = "/etc/ssh/sshd_config";
const SELINUX: &str = "/etc/selinux/config";

/// sudo refuses settings that others may write to.
pub(super) fn sudo(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let Some(stat) = here.stat(SUDOERS)? else {
        check.not_applicable("there is no /etc/sudoers");
        return Ok(());
    };
    if stat.uid != 0 {
        check.problem(
            format!("{SUDOERS} belongs to {}, and must be root's", stat.uid),
            here.command("chown", &format!("0:0 {SUDOERS}")),
        );
    }
    if stat.mode & 0o022 != 0 {
        check.problem(
            format!("{SUDOERS} has the mode {:04o}, and must be 0440", stat.mode),
            here.command("chmod", &format!("0440 {SUDOERS}")),
        );
    }
    check.fine(format!("{SUDOERS} has the mode {:04o}", stat.mode));
    Ok(())
}

/// sshd starts only with keys that nobody else may read.
pub(super) fn ssh(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let Some(text) = here.text(SSHD)? else {
        check.not_applicable("there is no /etc/ssh/sshd_config");
        return Ok(());
    };
    let said = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let is_key = words.next()?.eq_ignore_ascii_case("HostKey");
        is_key
            .then(|| words.next().map(ToOwned::to_owned))
            .flatten()
    });
    let mut keys: Vec<String> = said.filter(|path| path.starts_with('/')).collect();
    if keys.is_empty() {
        let names = here.names("/etc/ssh")?.into_iter();
        let own = names.filter(|name| name.starts_with("ssh_host_") && name.ends_with("_key"));
        keys.extend(own.map(|name| format!("/etc/ssh/{name}")));
    }
    let mut good = 0_usize;
    for key in &keys {
        let Some(stat) = here.stat(key)? else {
            continue;
        };
        // On some systems a group may read them, for programs of theirs.
        let of_group = stat.mode & 0o077 == 0o040 && stat.gid != 0;
        if stat.mode & 0o077 != 0 && !of_group {
            check.problem(
                format!(
                    "{key} has the mode {:04o}, and must be 0600: sshd does not use it",
                    stat.mode
                ),
                here.command(
                    "chmod",
                    &format!("0600 {}", crate::image::shell_word(key.as_bytes())),
                ),
            );
        } else if stat.size == 0 {
            check.problem(
                format!("{key} is empty"),
                here.command("rm", &crate::image::shell_word(key.as_bytes())),
            );
        } else {
            good = good.saturating_add(1);
        }
    }
    match good {
        0 if check.findings.is_empty() => check.warning(
            "the SSH server has no host key, and starts only if something makes them first"
                .to_owned(),
            here.command("customize", "--ssh-host-keys new"),
        ),
        n => check.fine(format!("{n} host keys")),
    }
    Ok(())
}

/// A system that insists on labels needs them.
pub(super) fn selinux(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let Some(text) = here.text(SELINUX)? else {
        check.not_applicable("there is no /etc/selinux/config");
        return Ok(());
    };
    let mode = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("SELINUX="));
    let mode = mode.unwrap_or("disabled").trim();
    if !matches!(mode, "enforcing" | "permissive" | "disabled") {
        check.problem(
            format!("{SELINUX}: '{mode}' is no mode of SELinux"),
            here.edit(SELINUX),
        );
        return Ok(());
    }
    if mode != "enforcing" {
        check.fine(format!("it is {mode}"));
        return Ok(());
    }
    let Some(place) = here.look("/etc/passwd")? else {
        return Ok(());
    };
    let Some(attributes) = here.tree.xattrs(&place)? else {
        check.unknown("whether files have labels: the file system does not tell".to_owned());
        return Ok(());
    };
    let labelled = attributes
        .iter()
        .any(|(name, _)| name == b"security.selinux");
    if !labelled && !here.is_there("/.autorelabel")? {
        check.problem(
            "it is enforcing, and /etc/passwd has no label".to_owned(),
            here.command("touch", "/.autorelabel"),
        );
        return Ok(());
    }
    check.fine("it is enforcing, and files have labels".to_owned());
    Ok(())
}
