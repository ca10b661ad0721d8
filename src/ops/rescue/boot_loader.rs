//! The boot loader: its entries, and what they name.

use super::patient::InTree;
use super::report::Check;
use crate::error::Result;
use crate::guest::fstab::source_of;

/// The settings of GRUB and of extlinux.
const SETTINGS: &[&str] = &[
    "/boot/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/boot/extlinux/extlinux.conf",
    "/boot/extlinux.conf",
    "/extlinux.conf",
    "/boot/syslinux/syslinux.cfg",
];

/// Where entries are by the Boot Loader Specification.
const ENTRIES: &[&str] = &[
    "/boot/loader/entries",
    "/boot/efi/loader/entries",
    "/efi/loader/entries",
];

/// Where the programs of UEFI are.
const EFI: &[&str] = &["/boot/efi/EFI", "/efi/EFI", "/boot/EFI"];

/// What an entry names.
#[derive(Debug, Default, Eq, PartialEq)]
struct Named {
    /// Kernels.
    kernels: Vec<String>,
    /// Initial file systems.
    initrds: Vec<String>,
    /// The roots that are told to kernels.
    roots: Vec<String>,
    /// The entry that is booted by itself, and all there are.
    default: Option<String>,
    labels: Vec<String>,
}

pub(super) fn look(here: &InTree<'_>, check: &mut Check) -> Result<()> {
    let mut files: Vec<String> = Vec::new();
    for path in SETTINGS {
        if here.is_there(path)? {
            files.push((*path).to_owned());
        }
    }
    for dir in ENTRIES {
        let names = here.names(dir)?.into_iter();
        let entries = names.filter(|name| name.ends_with(".conf"));
        files.extend(entries.map(|name| format!("{dir}/{name}")));
    }
    let mut any_kernel = false;
    for path in &files {
        let text = here.text(path)?.unwrap_or_default();
        let named = named(&text);
        any_kernel |= !named.kernels.is_empty();
        one(here, check, path, &named)?;
    }
    let mut efi = false;
    for dir in EFI {
        efi |= !here.names(dir)?.is_empty();
    }
    let is_uefi = here
        .patient
        .facts
        .is_some_and(|facts| facts.nvram.is_some());
    if is_uefi && !efi {
        check.problem(
            "the domain starts with UEFI, and no program is in /boot/efi/EFI".to_owned(),
            Some("install the boot loader anew in the guest: `grub-install`".to_owned()),
        );
    }
    if files.is_empty() && !efi {
        check.warning(
            "none was found: neither GRUB, nor extlinux, nor entries of systemd-boot; it boots \
             only if the domain names a kernel"
                .to_owned(),
            None,
        );
        return Ok(());
    }
    if !any_kernel && !files.is_empty() {
        check.warning(
            "no entry of the boot loader names a kernel".to_owned(),
            None,
        );
    }
    check.fine(match files.first() {
        Some(first) => format!("{} files of settings, such as {first}", files.len()),
        None => "there are programs of UEFI".to_owned(),
    });
    Ok(())
}

fn one(here: &InTree<'_>, check: &mut Check, path: &str, named: &Named) -> Result<()> {
    let hint = || match path.ends_with("grub.cfg") {
        true => Some(
            "write it anew in the guest: `update-grub`, or `grub2-mkconfig -o` its path".to_owned(),
        ),
        false => here.edit(path),
    };
    for (what, names) in [("kernel", &named.kernels), ("initramfs", &named.initrds)] {
        for name in names {
            if !is_there(here, path, name)? {
                check.problem(format!("{path}: the {what} {name} is not there"), hint());
            }
        }
    }
    for root in &named.roots {
        let Some(source) = source_of(root) else {
            continue;
        };
        let system = &here.patient.guest.system;
        if system.by_source(&source).is_some() {
            continue;
        }
        let what = format!("{path}: root={root} is on no disk");
        match system.takes_kernel() {
            true => check.unknown(format!("{what} that can be read here")),
            false => check.problem(what, hint()),
        }
    }
    if let Some(default) = &named.default {
        if !named.labels.is_empty() && !named.labels.contains(default) {
            check.problem(
                format!("{path}: there is no entry '{default}', which is the default"),
                hint(),
            );
        }
    }
    Ok(())
}

/// Whether a path of an entry is there. It begins at the file system that the
/// boot loader is on, which may be mounted at /boot, or beside its settings.
fn is_there(here: &InTree<'_>, settings: &str, name: &str) -> Result<bool> {
    let beside = settings.rsplit_once('/').map_or("", |(dir, _)| dir);
    let slash = if name.starts_with('/') { "" } else { "/" };
    for dir in ["", "/boot", "/boot/efi", "/efi", beside] {
        if here.is_there(&format!("{dir}{slash}{name}"))? {
            return Ok(true);
        }
    }
    // btrfs: the subvolume is a part of the path there.
    let below = name
        .strip_prefix("/@")
        .or_else(|| name.strip_prefix("/root"));
    match below.filter(|below| below.starts_with('/')) {
        Some(below) => here.is_there(below),
        None => Ok(false),
    }
}

/// What settings name, as far as it is no variable.
fn named(text: &str) -> Named {
    let mut named = Named::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(verb) = words.next() else {
            continue;
        };
        let words: Vec<&str> = words.collect();
        let plain = |word: &&&str| !word.contains(['$', '(', '\'', '"']);
        match verb.to_ascii_lowercase().as_str() {
            "linux" | "linux16" | "linuxefi" | "kernel" => {
                let kernel = words.first().filter(plain);
                named
                    .kernels
                    .extend(kernel.map(|kernel| (*kernel).to_owned()));
            }
            "initrd" | "initrd16" | "initrdefi" => {
                let names = words.iter().filter(plain);
                let names = names.flat_map(|name| name.split(','));
                named.initrds.extend(names.map(ToOwned::to_owned));
            }
            "default" if words.len() == 1 => {
                named.default = words.first().map(|word| (*word).to_owned());
            }
            "label" => named
                .labels
                .extend(words.first().map(|word| (*word).to_owned())),
            _ => {}
        }
        if matches!(
            verb.to_ascii_lowercase().as_str(),
            "linux" | "linux16" | "linuxefi" | "options" | "append" | "kernel"
        ) {
            for word in &words {
                if let Some(initrd) = word.strip_prefix("initrd=").filter(|name| plain(&name)) {
                    named
                        .initrds
                        .extend(initrd.split(',').map(ToOwned::to_owned));
                }
                if let Some(root) = word.strip_prefix("root=").filter(|name| plain(&name)) {
                    named.roots.push(root.to_owned());
                }
            }
        }
    }
    for list in [&mut named.kernels, &mut named.initrds, &mut named.roots] {
        list.sort();
        list.dedup();
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_each_boot_loader_are_read() {
        let grub = "menuentry 'Debian' {\n\tlinux\t/boot/vmlinuz-6 root=UUID=ab ro\n\tinitrd\t/boot/a.img /boot/b.img\n}\nlinux $kernel root=$root\n";
        let found = named(grub);
        assert_eq!(found.kernels, ["/boot/vmlinuz-6"]);
        assert_eq!(found.initrds, ["/boot/a.img", "/boot/b.img"]);
        assert_eq!(found.roots, ["UUID=ab"]);
        let extlinux =
            "DEFAULT linux\nLABEL linux\n  KERNEL vmlinuz\n  APPEND root=/dev/vda1 initrd=i.img\n";
        let found = named(extlinux);
        assert_eq!(found.kernels, ["vmlinuz"]);
        assert_eq!(
            (found.initrds[0].as_str(), found.roots[0].as_str()),
            ("i.img", "/dev/vda1")
        );
        assert_eq!(
            (found.default.as_deref(), found.labels[0].as_str()),
            (Some("linux"), "linux")
        );
        let bls =
            "title x\nlinux /vmlinuz\ninitrd /i.img $tuned_initrd\noptions root=LABEL=r quiet\n";
        let found = named(bls);
        assert_eq!(found.initrds, ["/i.img"]);
        assert_eq!(found.roots, ["LABEL=r"]);
    }
}
