//! Who guests are told to be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use insta::assert_snapshot;

use crate::common::{Host, Outcome, tool};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE me";

fn given(host: &Host, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = host.root().join("other").join(name);
    fs::write(&path, contents).unwrap();
    path
}

/// A file of a seed, as mtools reads it.
fn read(seed: &Path, file: &str) -> String {
    tool("mtype", &args!["-i", seed, &format!("::{file}")])
}

fn clone(host: &Host, args: &str) -> Outcome {
    host.vmkin(&format!("clone -d golden {args}"))
}

/// Clones, and adds the clone to the host as libvirt would have it.
fn child(host: &Host, golden: &str, name: &str, mac: &str, more: &str) {
    let uuid = uuid::Uuid::new_v4();
    let args = format!("clone -d {golden} {name} --uuid {uuid} --mac {mac} -q {more}");
    let xml = host.vmkin(&format!("{args} --print-xml")).success();
    host.vmkin(&args).success();
    host.add_xml(name, xml.stdout());
}

#[test]
fn who_asks_for_nothing_gets_what_there_was_before() {
    let host = Host::golden();
    let plain = clone(
        &host,
        "web --print-xml --uuid 00000000-0000-4000-8000-00000000000a",
    )
    .success();
    assert!(!plain.stdout().contains("sysinfo") && !plain.stdout().contains("seed"));
    clone(&host, "web --identity none").success();
    assert!(!host.image("web-seed.img").exists());
    let made = clone(&host, "web-02 --json").success().json();
    assert!(made["clones"][0].get("seed").is_none());
}

#[test]
fn a_host_name_and_a_key() {
    let host = Host::golden();
    let key = given(&host, "id.pub", format!("# mine\n\n{KEY}\n"));
    let key = key.display();
    assert_snapshot!(clone(&host, &format!("web-{{n}} --count 2 --ssh-key {key} --ssh-key {key}")), @"
    [uuid]
    [uuid]
    --- stderr ---
    The guests are told who they are by a disk for cloud-init and by SMBIOS for systemd: what they have inside is not known. `--identity` chooses one.
    Note (of 'web-1', and the others likewise): network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
    Sealed [host]/images/golden.qcow2 ([sealed]); `vmkin base unseal [host]/images/golden.qcow2` opens it again.
    Cloned 2 domains from 'golden': 'web-1' to 'web-2'.
    ");
    for name in ["web-1", "web-2"] {
        let seed = host.image(&format!("{name}-seed.img"));
        let mode = fs::metadata(&seed).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600);
        let text = read(&seed, "user-data");
        assert!(text.starts_with("#cloud-config\n"), "{text}");
        assert!(text.contains(&format!("hostname: \"{name}\"\n")), "{text}");
        assert_eq!(text.matches(KEY).count(), 1, "{text}");
        let meta = read(&seed, "meta-data");
        assert!(
            meta.contains(&format!("local-hostname: \"{name}\"\n")),
            "{meta}"
        );
    }
    let metas: Vec<String> = [1, 2]
        .map(|n| read(&host.image(&format!("web-{n}-seed.img")), "meta-data"))
        .to_vec();
    assert_ne!(metas[0].lines().next(), metas[1].lines().next());
    // Nothing is left of the making.
    let mut left: Vec<String> = fs::read_dir(host.image(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "golden.qcow2",
            "web-1-seed.img",
            "web-1.qcow2",
            "web-2-seed.img",
            "web-2.qcow2"
        ]
    );
}

#[test]
fn what_would_be_done_is_said_and_not_done() {
    let host = Host::golden();
    let outcome = clone(
        &host,
        "web --hostname '{name}.lab' --uuid 00000000-0000-4000-8000-00000000000a --dry-run"
            .replace('\'', "")
            .as_str(),
    );
    assert_snapshot!(outcome, @"
    lock [host]/images/golden.qcow2 against writers
    seal [host]/images/golden.qcow2 (mode 0444, immutable)
    create overlay [host]/images/web.qcow2 on [host]/images/golden.qcow2
    write [host]/images/web-seed.img for cloud-init (user-data, meta-data)
    tell 'web' by SMBIOS: system.hostname, system.machine_id
    define domain 'web' (UUID [uuid])
    --- stderr ---
    The guests are told who they are by a disk for cloud-init and by SMBIOS for systemd: what they have inside is not known. `--identity` chooses one.
    Note: network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
    ");
    assert!(!host.image("web-seed.img").exists());
    let made = clone(&host, "web --hostname {name}.lab --json")
        .success()
        .json();
    assert_eq!(made["clones"][0]["hostname"], "web.lab");
    let seed = made["clones"][0]["seed"].as_str().unwrap();
    assert_eq!(Path::new(seed), host.image("web-seed.img"));
}

#[test]
fn the_xml_has_the_disk_and_what_systemd_reads() {
    let host = Host::golden();
    let uuid = "00000000-0000-4000-8000-00000000000a";
    let xml = clone(
        &host,
        &format!("web --hostname h --print-xml --uuid {uuid}"),
    )
    .success();
    let xml = xml.stdout();
    for part in [
        "<target dev='vdb' bus='virtio'/>",
        "<readonly/>",
        "web-seed.img'/>",
        "<entry>io.systemd.credential:system.hostname=h</entry>",
        "<entry>io.systemd.credential:system.machine_id=0000000000004000800000000000000a</entry>",
        "<smbios mode='sysinfo'/>",
        "<vmkin:file path='",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    assert!(!xml.contains("ds=nocloud"), "{xml}");
    let libvirt = virt::connect::Connect::open(Some("test:///default")).unwrap();
    let domain = libvirt.define_domain_xml(xml).unwrap();
    domain.undefine().unwrap();

    let only = |channel: &str| {
        let args = format!("web --hostname h --identity {channel} --print-xml --uuid {uuid}");
        clone(&host, &args).success().stdout().to_owned()
    };
    let smbios = only("smbios");
    assert!(
        smbios.contains(&format!("ds=nocloud;i={uuid};h=h")),
        "{smbios}"
    );
    assert!(!smbios.contains("seed.img"), "{smbios}");
    let seed = only("cloud-init");
    assert!(
        seed.contains("seed.img") && !seed.contains("sysinfo"),
        "{seed}"
    );
}

#[test]
fn a_seed_goes_with_its_guest_and_is_not_shared() {
    let host = Host::golden();
    child(&host, "golden", "a", "52:54:00:00:00:0a", "--hostname a");
    let seed = host.image("a-seed.img");
    let then = fs::read(&seed).unwrap();
    host.vmkin("list").success();
    host.vmkin("show -d a").success();
    let tree = host.vmkin("tree").success();
    assert!(!tree.stdout().contains("a-seed.img"), "{tree}");
    // A clone of it has one of its own, or none.
    let plain = host.vmkin("clone -d a plain --print-xml").success();
    plain.says("which tells the golden domain who it is, was dropped");
    let plain = host.vmkin("clone -d a plain --print-xml").success();
    assert!(!plain.stdout().contains("seed.img") && !plain.stdout().contains("machine_id"));
    child(&host, "a", "b", "52:54:00:00:00:0b", "--hostname b");
    let xml = host
        .domains()
        .into_iter()
        .find(|xml| xml.contains("<name>b</name>"))
        .unwrap();
    assert!(
        xml.contains("b-seed.img") && !xml.contains("a-seed.img"),
        "{xml}"
    );
    assert!(!xml.contains("system.hostname=a<"), "{xml}");
    host.vmkin("delete --yes -d b").success();
    assert!(!host.image("b-seed.img").exists());
    host.remove("b");
    // Its disk begins anew, and it is who it was.
    host.vmkin("base unseal --yes --force").fails(2, "");
    assert_eq!(fs::read(&seed).unwrap(), then);
    host.vmkin("delete --yes --keep-storage -d a").success();
    assert!(seed.exists());
    host.vmkin("delete --yes -d a").success();
    assert!(!seed.exists());
}

#[test]
fn a_reset_keeps_who_the_guest_is() {
    let host = Host::golden();
    child(&host, "golden", "a", "52:54:00:00:00:0a", "--hostname a");
    let seed = host.image("a-seed.img");
    let then = fs::read(&seed).unwrap();
    host.vmkin("reset --yes -d a").success();
    assert_eq!(fs::read(&seed).unwrap(), then);
}

#[test]
fn what_is_there_is_not_overwritten() {
    let host = Host::golden();
    fs::write(host.image("web-seed.img"), "mine").unwrap();
    clone(&host, "web --hostname h").fails(5, "web-seed.img exists already");
    let file = host.image("x-seed.img");
    clone(&host, &format!("x --hostname h --file {}", file.display())).fails(2, "given twice");
    assert!(!host.image("web.qcow2").exists() && !file.exists());
    let dir = host.root().join("other");
    clone(&host, &format!("web --hostname h --dir {}", dir.display())).success();
    assert!(dir.join("web-seed.img").exists());
}

#[test]
fn a_password_comes_from_a_file_or_standard_input() {
    let host = Host::golden();
    let file = given(&host, "password", "hunter2\n");
    clone(
        &host,
        &format!("a --user alice --password-file {}", file.display()),
    )
    .success();
    let text = read(&host.image("a-seed.img"), "user-data");
    assert!(
        text.contains("name: \"alice\"") && !text.contains("hunter2"),
        "{text}"
    );
    let hash = text
        .split('"')
        .find(|part| part.starts_with("$6$"))
        .unwrap();
    let salt = hash.split('$').nth(2).unwrap();
    let expected = tool("openssl", &args!["passwd", "-6", "-salt", salt, "hunter2"]);
    assert_eq!(expected.trim(), hash);

    let mut command = host.command();
    command.args(["clone", "-d", "golden", "b", "--password-file", "-"]);
    let mut running = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(running.stdin.as_mut().unwrap(), b"hunter2").unwrap();
    Outcome::of(running.wait_with_output().unwrap()).success();
    assert!(read(&host.image("b-seed.img"), "user-data").contains("ssh_pwauth: true"));
}

#[test]
fn files_that_are_no_keys_passwords_or_texts_are_refused() {
    let host = Host::golden();
    let two = format!("{KEY}\nssh-ed25519 nonsense\n");
    let huge = vec![b'x'; 3 << 20];
    for (option, contents, says) in [
        (
            "--ssh-key",
            &b"-----BEGIN OPENSSH PRIVATE KEY-----\n"[..],
            "a private key",
        ),
        ("--ssh-key", b"", "no public key"),
        ("--ssh-key", two.as_bytes(), "line 2"),
        ("--ssh-key", b"ssh-ed25519 \x1b[31m", "'\\u{1b}'"),
        ("--ssh-key", b"\xff\xfe", "not UTF-8"),
        ("--ssh-key", &huge, "too large"),
        ("--password-file", b"", "empty"),
        ("--password-file", b"\n", "empty"),
        (
            "--password-file",
            b"secret1\nsecret2\n",
            "more than one line",
        ),
        ("--password-file", b"secret1\0", "control character"),
        ("--password-file", b"secret1\xff", "not UTF-8"),
        ("--password-file", &huge, "too large"),
        ("--user-data", b" \n", "empty"),
        ("--user-data", b"\x1f\x8b\x08", "not UTF-8"),
        ("--user-data", &huge, "too large"),
        ("--meta-data", &huge, "too large"),
        ("--network-config", &huge, "too large"),
    ] {
        let path = given(&host, "given", contents);
        let outcome = clone(&host, &format!("web {option} {}", path.display()));
        let outcome = outcome.fails(2, says);
        assert!(
            !outcome.stderr().contains("secret1") && !outcome.stderr().contains('\u{1b}'),
            "{outcome}"
        );
    }
    clone(&host, "web --ssh-key /nothing/here").fails(3, "/nothing/here");
    clone(&host, "web --ssh-key /").fails(2, "cannot read /");
    clone(&host, "web --user-data /dev/zero").fails(2, "too large");
    assert!(!host.image("web.qcow2").exists());
}

#[test]
fn names_that_are_none_and_what_does_not_go_together() {
    let host = Host::golden();
    let text = given(&host, "text", "#cloud-config\n");
    let password = given(&host, "password", "x");
    let (text, password) = (text.display(), password.display());
    for (args, says) in [
        (
            "web --hostname a_b".to_owned(),
            "a host name cannot contain '_'",
        ),
        ("web --hostname=-a".to_owned(), "begin or end with '-'"),
        ("web --hostname a.".to_owned(), "a dot"),
        ("web --hostname {m}".to_owned(), "unknown field"),
        ("web --user Alice".to_owned(), "lower-case"),
        ("web_1 --ssh-key ../x".to_owned(), ""),
        (
            "web_1 --identity auto".to_owned(),
            "needs another host name",
        ),
        ("a b --hostname x".to_owned(), "cannot be that of 2"),
        ("a b --hostname x --hostname X".to_owned(), "two guests"),
        ("a --identity elsewhere".to_owned(), "possible values"),
        (
            "a --identity none --hostname x".to_owned(),
            "--identity none",
        ),
        (
            format!("a --identity smbios --password-file {password}"),
            "list of processes",
        ),
        (
            format!("a --identity smbios --user-data {text}"),
            "for cloud-init",
        ),
        (format!("a --user-data {text} --user x"), "sent as it is"),
        (format!("a b --meta-data {text}"), "one instance id"),
    ] {
        let code = if says.is_empty() { 3 } else { 2 };
        clone(&host, &args).fails(code, says);
    }
    assert!(!host.image("a.qcow2").exists() && !host.image("web.qcow2").exists());
}

#[test]
fn a_seed_of_another_tool_is_pointed_out() {
    let host = Host::new();
    let other = host.image("cloud.iso");
    let mut cd = vec![0_u8; 40 << 10];
    cd[32769..32774].copy_from_slice(b"CD001");
    cd[32808..32840].copy_from_slice(b"CIDATA                          ");
    fs::write(&other, cd).unwrap();
    let guest = host.golden_guest();
    host.add(guest.disk_with("vdc", "raw", &other, "<readonly/>"));
    clone(&host, "web --hostname h")
        .success()
        .says("reads one of the two");
    let plain = clone(&host, "plain").success();
    assert!(!plain.stderr().contains("cloud-init"), "{plain}");
}

#[test]
fn own_texts_go_as_they_are() {
    let host = Host::golden();
    let text = given(&host, "user-data", "#cloud-config\nx: {{y}}\n");
    let network = given(&host, "network", "version: 2\n");
    let (text, network) = (text.display(), network.display());
    clone(
        &host,
        &format!("a b --user-data {text} --network-config {network}"),
    )
    .success()
    .says("the same network configuration");
    for name in ["a", "b"] {
        let seed = host.image(&format!("{name}-seed.img"));
        assert_eq!(read(&seed, "user-data"), "#cloud-config\nx: {{y}}\n");
        assert_eq!(read(&seed, "network-config"), "version: 2\n");
    }
    let other = given(&host, "other", "hello\n");
    clone(&host, &format!("c --user-data {}", other.display()))
        .success()
        .says("it will be ignored");
}
