//! The first program, and who may log in.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;
use crate::guest::native::fs::FileKind;
use crate::image::{ShownBytes, le16, le32, le64};

/// What the kernel starts, if it is told nothing else.
const INIT: &[&str] = &["/sbin/init", "/etc/init", "/bin/init"];

/// How much of a program is looked at, in bytes.
const HEAD: usize = 8 << 10;

/// Whether the first program can be started.
pub(super) fn init(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    for path in INIT {
        let Some(place) = here.look(path)? else {
            continue;
        };
        let stat = here.tree.stat(&place)?;
        if stat.kind != FileKind::File || stat.mode & 0o111 == 0 || stat.size == 0 {
            check.problem(
                format!("{path} is no program that can be started"),
                here.command("ls", &format!("-l {path}")),
            );
            return Ok(());
        }
        let mut head = vec![0; HEAD];
        let count = here.tree.read(&place, 0, &mut head)?;
        head.truncate(count);
        if let Some(needed) = interpreter(&head) {
            let shown = ShownBytes(&needed).to_string();
            let there = here.look(&String::from_utf8_lossy(&needed))?;
            if there.is_none() {
                check.problem(
                    format!("{path} needs {shown}, which is not there"),
                    Some(
                        "copy it from a guest like this one: `vmkin copy-out`, `vmkin copy-in`"
                            .to_owned(),
                    ),
                );
                return Ok(());
            }
        }
        let at = ShownBytes(&place.path).to_string();
        check.fine(match at == *path {
            true => format!("{path} can be started"),
            false => format!("{path} is {at}, and can be started"),
        });
        return Ok(());
    }
    check.problem(
        "there is no /sbin/init, and none where the kernel looks besides".to_owned(),
        here.command("ls", "-l /sbin/"),
    );
    Ok(())
}

/// What a program needs to be started: what stands behind `#!`, or the loader of
/// an ELF file (`PT_INTERP`).
fn interpreter(head: &[u8]) -> Option<Vec<u8>> {
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next()?.trim_ascii();
        return Some(line.split(|&byte| byte == b' ').next()?.to_vec());
    }
    // 64 bits, little-endian.
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = usize::try_from(le64(head, 32)?).ok()?;
    let (size, count) = (usize::from(le16(head, 54)?), usize::from(le16(head, 56)?));
    for index in 0..count.min(64) {
        let at = table.checked_add(index.checked_mul(size)?)?;
        if le32(head, at)? == 3 {
            let from = usize::try_from(le64(head, at.checked_add(8)?)?).ok()?;
            let name = head.get(from..)?.split(|&byte| byte == 0).next()?;
            return Some(name.to_vec());
        }
    }
    None
}

/// Whether somebody can log in.
pub(super) fn accounts(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let Some(passwd) = here.text("/etc/passwd")? else {
        check.problem(
            "there is no /etc/passwd".to_owned(),
            Some(
                "most systems keep a copy: `vmkin cat` /etc/passwd-, and `vmkin write` it back"
                    .to_owned(),
            ),
        );
        return Ok(());
    };
    let roots = passwd
        .lines()
        .filter(|line| line.split(':').nth(2) == Some("0"));
    let Some(root) = roots.into_iter().find(|line| line.starts_with("root:")) else {
        check.problem(
            "/etc/passwd has no root with the number 0".to_owned(),
            here.edit("/etc/passwd"),
        );
        return Ok(());
    };
    let shadowed = root.split(':').nth(1) == Some("x");
    let shell = root.rsplit(':').next().unwrap_or_default();
    if shell.starts_with('/') && !here.is_there(shell)? {
        check.problem(
            format!("the shell of root, {shell}, is not there"),
            here.edit("/etc/passwd"),
        );
    }
    match here.text("/etc/shadow")? {
        None if shadowed => check.problem(
            "there is no /etc/shadow, in which passwords are".to_owned(),
            here.command("customize", "--root-password file:FILE"),
        ),
        None => {}
        Some(shadow) => {
            let hash = shadow.lines().find_map(|line| line.strip_prefix("root:"));
            let hash = hash.and_then(|rest| rest.split(':').next());
            match hash {
                None if shadowed => check.problem(
                    "/etc/shadow has no line for root".to_owned(),
                    here.command("customize", "--root-password file:FILE"),
                ),
                // As many systems have it; in emergency mode nobody gets in then.
                Some(hash) if hash.starts_with(['!', '*']) => check.fine(
                    "root has no password, so that nobody gets in in emergency mode".to_owned(),
                ),
                _ => check.fine("root has a password".to_owned()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::interpreter;

    #[test]
    fn what_a_program_needs_is_found() {
        assert_eq!(interpreter(b"#! /bin/sh -e\n").unwrap(), b"/bin/sh");
        assert_eq!(interpreter(b"\x7fELF\x01\x01"), None);
        let mut elf = vec![0_u8; 512];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 2;
        elf[64 + 56] = 3;
        elf[64 + 56 + 8] = 200;
        elf[200..208].copy_from_slice(b"/lib/ld\0");
        assert_eq!(interpreter(&elf).unwrap(), b"/lib/ld");
        elf[32] = 0xff;
        elf[39] = 0xff;
        assert_eq!(interpreter(&elf), None);
    }
}
