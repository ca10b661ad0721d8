//! The scripts in `examples/`: all of them explain themselves, and do what
//! they say on real guests.
//!
//! The tests named `qemu_…` are for `scripts/with-private-libvirtd.sh --golden`,
//! never for the libvirtd of a host.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests do"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use vmkin::hypervisor::{Hypervisor, Libvirt};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn scripts() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

#[expect(clippy::disallowed_methods, reason = "it is what is tested")]
fn run(program: &Path, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .env("VMKIN", env!("CARGO_BIN_EXE_vmkin"))
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_example_is_bash_that_can_be_read() {
    for script in scripts() {
        let output = run(Path::new("bash"), &["-n", script.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn every_example_explains_itself() {
    let readme = fs::read_to_string(examples().join("README.md")).unwrap();
    for script in scripts() {
        let name = script.file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(name), "examples/README.md has no {name}");
        let help = run(&script, &["--help"]);
        assert!(help.status.success(), "{name}: {}", text(&help.stderr));
        let usage = format!("usage: examples/{name}");
        assert!(text(&help.stdout).starts_with(&usage), "{name}");
    }
}

#[test]
fn every_example_refuses_what_it_does_not_understand() {
    for script in scripts() {
        for args in [&[][..], &["--no-such-option"]] {
            let output = run(&script, args);
            assert_eq!(output.status.code(), Some(2), "{script:?} {args:?}");
            assert!(text(&output.stderr).contains("error: "), "{script:?}");
            assert_eq!(text(&output.stdout), "", "{script:?} {args:?}");
        }
    }
}

fn golden_dir() -> PathBuf {
    let dir = std::env::var_os("VMKIN_GOLDEN_DIR");
    dir.unwrap_or_else(|| panic!("run this by scripts/with-private-libvirtd.sh --golden"))
        .into()
}

/// How the golden guest boots, for `vmkin import`.
fn boot() -> String {
    let dir = golden_dir().display().to_string();
    format!("kernel={dir}/vmlinuz,initrd={dir}/initrd,cmdline=console=ttyS0 quiet panic=-1")
}

/// A golden domain of the test's own, in the private libvirtd.
struct Golden {
    libvirt: Libvirt,
    name: &'static str,
}

impl Golden {
    /// Defines a copy of the golden guest under this name.
    fn new(name: &'static str) -> Self {
        let dir = golden_dir();
        assert!(
            Path::new("/run/vmkin-private").exists(),
            "this is not a private libvirtd"
        );
        let image = dir.join(format!("{name}.qcow2"));
        fs::copy(dir.join("golden.qcow2"), &image).unwrap();
        set_mode(&image, 0o644);
        let xml = fs::read_to_string(dir.join("golden.xml"))
            .unwrap()
            .replace("<name>golden<", &format!("<name>{name}<"))
            .replace("/golden.qcow2", &format!("/{name}.qcow2"))
            .replace("/golden.log", &format!("/{name}.log"));
        let libvirt = Libvirt::open(None).unwrap();
        libvirt.define(&xml, false).unwrap();
        Self { libvirt, name }
    }

    /// The names of the domains that have to do with this one.
    fn family(&self) -> Vec<String> {
        let domains = self.libvirt.domains().unwrap();
        let mut names: Vec<String> = domains.into_iter().map(|domain| domain.name).collect();
        names.retain(|name| name.starts_with(self.name) || name.starts_with("throwaway-"));
        names.sort();
        names
    }

    /// The image, for guests that are imported.
    fn image(&self) -> String {
        golden_dir().join(self.name).display().to_string() + ".qcow2"
    }

    fn is_sealed(&self) -> bool {
        let list = vmkin(&["base", "list", "--json"]);
        let bases: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
        let image = format!("/{}.qcow2", self.name);
        bases.as_array().unwrap().iter().any(|base| {
            let path = base.get("path").and_then(|path| path.as_str());
            let sealed = base.get("sealed").and_then(serde_json::Value::as_bool);
            path.is_some_and(|path| path.ends_with(&image)) && sealed == Some(true)
        })
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        // After a test that has failed, too, the next one shall find nothing.
        let clones: Vec<String> = self
            .family()
            .into_iter()
            .filter(|n| n != self.name)
            .collect();
        for name in &clones {
            drop(vmkin(&["delete", "--yes", "--force", "-d", name]));
        }
        drop(vmkin(&["destroy", "-d", self.name]));
        drop(vmkin(&[
            "base", "unseal", "--yes", "--force", "-d", self.name,
        ]));
        let delete = ["delete", "--yes", "--remove-all-storage", "-d", self.name];
        drop(vmkin(&delete));
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn vmkin(args: &[&str]) -> Output {
    run(Path::new(env!("CARGO_BIN_EXE_vmkin")), args)
}

fn example(name: &str, args: &[&str]) -> Output {
    run(&examples().join(name), args)
}

#[test]
#[ignore = "needs a private libvirtd"]
fn qemu_a_lab_is_up_while_its_command_runs_and_gone_after() {
    let golden = Golden::new("ex-lab");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let args = ["--prefix", "ex-lab-vm", "--out", out, "ex-lab", "2"];
    let command = [
        "sh",
        "-c",
        "test -s \"$LAB_SSH_CONFIG\" && \"$VMKIN\" list --running --name; exit 5",
    ];
    let output = example("lab.sh", &[&args[..], &command].concat());
    let stdout = text(&output.stdout);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stdout}{stderr}");
    assert!(
        stdout.contains("\nex-lab-vm-01\nex-lab-vm-02\n"),
        "{stdout}"
    );
    assert_eq!(golden.family(), ["ex-lab"], "{stderr}");

    let hosts = fs::read_to_string(dir.path().join("hosts")).unwrap();
    let mut addresses: Vec<&str> = hosts
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(address, _)| address))
        .collect();
    addresses.dedup();
    assert_eq!(addresses.len(), 2, "{hosts}");
    let config = fs::read_to_string(dir.path().join("ssh_config")).unwrap();
    for (address, host) in addresses.iter().zip(["ex-lab-vm-01", "ex-lab-vm-02"]) {
        assert!(config.contains(&format!("Host {host}\n    HostName {address}\n")));
    }
}

#[test]
#[ignore = "needs a private libvirtd"]
fn qemu_a_lab_that_cannot_be_made_leaves_nothing() {
    let golden = Golden::new("ex-none");
    let output = example(
        "lab.sh",
        &["--prefix", "ex-none", "no-such-domain", "2", "true"],
    );
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert_eq!(golden.family(), ["ex-none"]);
}

#[test]
#[ignore = "needs a private libvirtd"]
fn qemu_a_throwaway_guest_has_an_address_and_is_gone_after() {
    let golden = Golden::new("ex-throwaway");
    let command = [
        "ex-throwaway",
        "sh",
        "-c",
        "echo \"{} $GUEST_IP\"; \"$VMKIN\" show -d \"$GUEST_NAME\"; exit 7",
    ];
    let output = example("throwaway.sh", &command);
    let stdout = text(&output.stdout);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{stdout}{stderr}");
    let (address, again) = stdout.lines().next().unwrap().split_once(' ').unwrap();
    assert!(address.parse::<std::net::IpAddr>().is_ok(), "{stdout}");
    assert_eq!(address, again);
    assert!(stdout.contains("Clone of:    ex-throwaway"), "{stdout}");
    assert_eq!(golden.family(), ["ex-throwaway"], "{stderr}");
}

#[test]
#[ignore = "needs a private libvirtd"]
fn qemu_a_golden_image_with_clones_is_not_updated() {
    let golden = Golden::new("ex-kept");
    let cloned = vmkin(&["clone", "-d", "ex-kept", "ex-kept-child"]);
    assert!(cloned.status.success(), "{}", text(&cloned.stderr));
    let output = example("golden-update.sh", &["ex-kept", "true"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("ex-kept-child"), "{stderr}");
    assert!(golden.is_sealed());
}

#[test]
#[ignore = "needs a private libvirtd"]
fn qemu_a_golden_image_without_clones_is_updated_and_sealed() {
    let golden = Golden::new("ex-update");
    let sealed = vmkin(&["base", "seal", "-d", "ex-update"]);
    assert!(sealed.status.success(), "{}", text(&sealed.stderr));
    let command = ["ex-update", "sh", "-c", "echo at {}; exit 9"];
    let output = example("golden-update.sh", &command);
    let stdout = text(&output.stdout);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{stdout}{stderr}");
    assert!(stdout.starts_with("at "), "{stdout}{stderr}");
    assert!(golden.is_sealed(), "{stderr}");
    let verified = vmkin(&["base", "verify", "-d", "ex-update"]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
}

#[test]
#[ignore = "needs a private libvirtd"]
fn qemu_one_guest_is_imported_and_has_an_address() {
    let golden = Golden::new("ex-image");
    let (image, boot) = (golden.image(), boot());
    let args = ["--name", "ex-image-one", &image, "--memory", "256"];
    let output = example("import-one.sh", &[&args[..], &["--boot", &boot]].concat());
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    let ip = stdout.trim();
    assert!(ip.parse::<std::net::IpAddr>().is_ok(), "{stdout}{stderr}");
    let told = vmkin(&["ip", "-d", "ex-image-one"]);
    assert_eq!(text(&told.stdout).trim(), ip);
    assert_eq!(golden.family(), ["ex-image", "ex-image-one"]);
    assert!(golden.is_sealed());
    let delete = vmkin(&["delete", "--yes", "--force", "-d", "ex-image-one"]);
    assert!(delete.status.success(), "{}", text(&delete.stderr));
    assert!(!golden_dir().join("ex-image-one.qcow2").exists());
}

#[test]
#[ignore = "needs a private libvirtd"]
fn qemu_a_lab_is_made_of_one_base_by_a_template_of_its_own() {
    let golden = Golden::new("ex-base");
    let (image, boot) = (golden.image(), boot());
    let template = examples().join("lab.xml.hbs").display().to_string();
    let args = ["--prefix", "ex-base-vm", "--count", "3", "--template"];
    let options = ["--boot", &boot, "--set", "role=builds & tests"];
    let output = example(
        "lab-from-base.sh",
        &[&args[..], &[&template, &image], &options].concat(),
    );
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    let guests: Vec<(&str, &str)> = stdout
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let names = ["ex-base-vm-01", "ex-base-vm-02", "ex-base-vm-03"];
    assert!(guests.iter().map(|(name, _)| *name).eq(names), "{stdout}");
    let mut addresses: Vec<std::net::IpAddr> =
        guests.iter().map(|(_, ip)| ip.parse().unwrap()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 3, "{stdout}");
    let xml = text(&run(Path::new("virsh"), &["dumpxml", names[1]]).stdout);
    let role = "<description>A lab guest: builds &amp; tests</description>";
    assert!(xml.contains(role), "{xml}");
    // As its explanation says.
    let delete = ["delete", "--yes", "--force", "-d"];
    let delete = vmkin(&[&delete[..], &names].concat());
    assert!(delete.status.success(), "{}", text(&delete.stderr));
    assert_eq!(golden.family(), ["ex-base"]);
}
