//! Kernels, each with its initramfs.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;

/// What an initramfs begins with: what it is compressed by, or the archive itself,
/// which may hold microcode first.
const MAGIC: &[&[u8]] = &[
    b"\x1f\x8b",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"\x02\x21\x4c\x18",
    b"\x04\x22\x4d\x18",
    b"\x5d\x00\x00",
    b"BZh",
    b"\x89LZO",
    b"070701",
    b"070702",
];

/// The smallest that can be one, in bytes.
const SMALLEST: u64 = 512;

pub(super) fn look(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let mut versions = Vec::new();
    for version in here.names("/lib/modules")? {
        let dir = format!("/lib/modules/{version}");
        if here.is_there(&format!("{dir}/modules.dep"))?
            || here.is_there(&format!("{dir}/kernel"))?
        {
            versions.push(version);
        }
    }
    let boot = here.names("/boot")?;
    let kernels = || {
        boot.iter()
            .filter(|name| name.starts_with("vmlinuz") || name.starts_with("vmlinux"))
    };
    if versions.is_empty() {
        match kernels().next() {
            Some(_) => check.warning(
                "there are kernels in /boot, and no modules in /lib/modules".to_owned(),
                None,
            ),
            None => check.not_applicable("no kernel is installed in the guest"),
        }
        return Ok(());
    }
    // Where names say nothing of versions, nobody can tell what belongs together.
    let by_version = |version: &String| {
        let mut names = boot.iter();
        names.any(|name| name.contains(version.as_str()))
    };
    if !versions.iter().any(by_version) && kernels().next().is_some() {
        check.unknown(
            "which file in /boot belongs to which kernel: their names do not say".to_owned(),
        );
        return Ok(());
    }
    let mut whole = 0_usize;
    for version in &versions {
        let places = [
            format!("/boot/vmlinuz-{version}"),
            format!("/boot/vmlinux-{version}"),
            format!("/boot/kernel-{version}"),
            format!("/lib/modules/{version}/vmlinuz"),
        ];
        let kernel = first(here, &places)?;
        let places = [
            format!("/boot/initrd.img-{version}"),
            format!("/boot/initramfs-{version}.img"),
            format!("/boot/initrd-{version}"),
            format!("/boot/initramfs-{version}"),
        ];
        let initrd = first(here, &places)?;
        match (kernel, initrd) {
            (None, None) => {
                // What a removed kernel leaves behind.
                check.fine(format!("there are modules of {version}, and no kernel"));
            }
            (None, Some(initrd)) => check.problem(
                format!("the kernel {version} is not in /boot, though {initrd} is"),
                Some(format!(
                    "install it anew in the guest, or copy it in: `vmkin copy-in`; see {initrd}"
                )),
            ),
            (Some(kernel), None) => {
                check.problem(format!("{kernel} has no initramfs"), anew(version))
            }
            (Some(kernel), Some(initrd)) => {
                if here.stat(&kernel)?.is_some_and(|stat| stat.size < SMALLEST) {
                    check.problem(
                        format!("{kernel} is empty or cut off"),
                        Some("install the kernel anew in the guest".to_owned()),
                    );
                } else if let Some(wrong) = wrong_with(here, &initrd)? {
                    check.problem(format!("{initrd} {wrong}"), anew(version));
                } else {
                    whole = whole.saturating_add(1);
                }
            }
        }
    }
    match whole {
        0 if check
            .findings
            .iter()
            .all(|found| found.state != super::State::Problem) =>
        {
            check.problem("no kernel is in /boot".to_owned(), None);
        }
        n => check.fine(format!("{n} kernels with an initramfs")),
    }
    Ok(())
}

fn first(here: &InTree<'_>, places: &[String]) -> Result<Option<String>> {
    for path in places {
        if here.is_there(path)? {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

fn anew(version: &str) -> Option<String> {
    let version = crate::image::shell_word(version.as_bytes());
    Some(format!(
        "make it anew in the guest: `update-initramfs -c -k {version}`, or `dracut --force --kver {version}`"
    ))
}

/// What is wrong with an initramfs, as far as its beginning tells.
fn wrong_with(here: &InTree<'_>, path: &str) -> Result<Option<&'static str>> {
    let Some(place) = here.look(path)? else {
        return Ok(None);
    };
    let size = here.tree.stat(&place)?.size;
    let mut head = [0; 8];
    let count = here.tree.read(&place, 0, &mut head)?;
    let head = head.get(..count).unwrap_or_default();
    Ok(match size {
        0 => Some("is empty"),
        size if size < SMALLEST => Some("is cut off"),
        _ if !MAGIC.iter().any(|magic| head.starts_with(magic)) => {
            Some("is no archive, compressed or not")
        }
        _ => None,
    })
}
