use clap::Args;
use serde::Serialize;

use super::on_guest::{OnGuest, in_tree};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::Result;
use crate::guest::inspect::{Inspection, Packages, inspect};
use crate::guest::tree::Tree;
use crate::ops::Observer as _;
use crate::xml::inspector;

/// Tell what guests are: operating system, mounts, kernels, users, packages
///
/// Read off the disks, whether the guest boots or not. A broken /etc/fstab
/// costs its broken lines, and no more.
#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    #[command(flatten)]
    guests: OnGuest,

    /// Print XML as virt-inspector does
    #[arg(long, conflicts_with = "json")]
    xml: bool,

    /// List the packages one by one
    #[arg(long, conflicts_with_all = ["json", "xml"])]
    packages: bool,
}

#[derive(Serialize)]
struct Inspected {
    guest: String,
    #[serde(flatten)]
    inspection: Inspection,
}

impl Inspected {
    fn of(guest: String, tree: &Tree) -> Self {
        Self {
            guest,
            inspection: inspect(tree),
        }
    }
}

/// What is printed of one guest, and what is wrong with it.
pub(in crate::cli) fn printed(guest: &str, tree: &Tree, packages: bool) -> (String, Vec<String>) {
    let one = Inspected::of(guest.to_owned(), tree);
    (text(&one, packages), one.inspection.problems)
}

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &InspectArgs) -> Result<()> {
    args.guests.must_be_given()?;
    let mut all: Vec<Inspected> = Vec::new();
    let act = |guest: &mut crate::ops::guest::Guest| {
        let name = guest.name.clone();
        in_tree(guest, |tree| Ok(Inspected::of(name, tree)))
    };
    let result = args.guests.each(ui, session, "inspected", &act, |one| {
        all.push(one);
        Ok(())
    });
    let text = if args.xml {
        document(&all)
    } else {
        let texts: Vec<String> = all.iter().map(|one| text(one, args.packages)).collect();
        texts.join("\n")
    };
    ui.result(&text, &all)?;
    for one in &all {
        for problem in &one.inspection.problems {
            ui.warning(&format!("{}: {problem}.", one.guest));
        }
    }
    result
}

fn text(one: &Inspected, packages: bool) -> String {
    let Inspection { os, .. } = &one.inspection;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{name:<10} {}\n", one_line(value)));
        }
    };
    let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
    line("Guest", &one.guest);
    line("System", &or_empty(&os.name));
    let distro = [or_empty(&os.distro), or_empty(&os.version)].join(" ");
    line("Distro", distro.trim());
    line("Processor", &or_empty(&os.arch));
    line("Host name", &or_empty(&os.hostname));
    for mount in &one.inspection.mounts {
        let uuid = mount.uuid.as_deref().unwrap_or("no UUID");
        let mount = format!("{} on {} ({}, {uuid})", mount.device, mount.at, mount.fs);
        line("Mount", &mount);
    }
    for kernel in &one.inspection.kernels {
        line("Kernel", kernel);
    }
    for path in &one.inspection.network {
        line("Network", path);
    }
    let people = one.inspection.users.iter();
    let is_person = |uid: u32| uid == 0 || (1000..60_000).contains(&uid);
    for user in people.filter(|user| user.uid.is_none_or(is_person)) {
        let uid = user.uid.map(|uid| format!(" ({uid})")).unwrap_or_default();
        let shell = user.shell.as_deref().unwrap_or_default();
        let shown = format!("{}{uid} {} {shell}", user.name, user.home);
        line("User", shown.trim_end());
    }
    line("Packages", &summary(&one.inspection.packages));
    if packages {
        for package in &one.inspection.packages.list {
            let arch = package.arch.as_deref().unwrap_or("-");
            line(
                "Package",
                &format!("{} {} {arch}", package.name, package.version),
            );
        }
    }
    text
}

fn summary(packages: &Packages) -> String {
    match (packages.manager, packages.read) {
        (None, _) => String::new(),
        (Some(manager), true) => format!("{} ({manager})", packages.list.len()),
        (Some(manager), false) => format!("not read ({manager})"),
    }
}

/// What virt-inspector prints: the same names for the same things.
fn document(all: &[Inspected]) -> String {
    let mut xml = inspector::Document::new();
    for one in all {
        xml.guest(|guest| describe(guest, &one.inspection));
    }
    xml.finish()
}

fn describe(guest: &mut inspector::Guest<'_>, one: &Inspection) {
    let os = &one.os;
    let root = one.mounts.first().map(|mount| mount.device.as_str());
    guest.value("root", root);
    guest.value("name", Some(&os.kind));
    guest.value("arch", os.arch.as_deref());
    guest.value("distro", os.distro.as_deref());
    guest.value("product_name", os.name.as_deref());
    let version = os.version.as_deref().unwrap_or("0");
    let mut numbers = version.split('.');
    guest.value("major_version", numbers.next());
    guest.value("minor_version", Some(numbers.next().unwrap_or("0")));
    let kind = one.packages.kind.map(|kind| match kind {
        crate::guest::inspect::PackageKind::Deb => "deb",
        crate::guest::inspect::PackageKind::Rpm => "rpm",
        crate::guest::inspect::PackageKind::Apk => "apk",
        crate::guest::inspect::PackageKind::Pacman => "pacman",
    });
    guest.value("package_format", kind);
    guest.value("package_management", one.packages.manager);
    guest.value("hostname", os.hostname.as_deref());
    guest.mountpoints(one.mounts.iter().map(|mount| (&*mount.device, &*mount.at)));
    guest.filesystems(one.mounts.iter().map(|mount| inspector::Filesystem {
        device: &mount.device,
        kind: &mount.fs,
        label: mount.label.as_deref(),
        uuid: mount.uuid.as_deref(),
    }));
    guest.applications(
        one.packages
            .list
            .iter()
            .map(|package| inspector::Application {
                name: &package.name,
                version: &package.version,
                arch: package.arch.as_deref(),
            }),
    );
}
