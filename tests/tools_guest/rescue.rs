//! A guest that is well, and that guest with one thing wrong: exactly that check
//! turns.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::common::{command, run};

const UUID: &str = "3e6be9de-8139-11d1-9106-a43f08d823a6";

/// Fills `$1` with a plausible system.
const HEALTHY: &str = r#"
    cd "$1"; mkdir -p etc/ssh etc/selinux etc/sysconfig/network-scripts boot/grub/i386-pc sbin bin dev
    mkdir -p lib64 usr/lib/systemd/system lib/modules/6.1.0-1/kernel var/log srv usr/sbin
    mkdir -p etc/systemd/system/multi-user.target.wants
    echo 'UUID=3e6be9de-8139-11d1-9106-a43f08d823a6 / ext4 errors=remount-ro 0 1' > etc/fstab
    echo 'UUID=00000000-0000-0000-0000-000000000001 /srv ext4 nofail 0 2' >> etc/fstab
    echo 'tmpfs /dev tmpfs defaults 0 0' >> etc/fstab
    head -c 4000 /dev/zero > boot/vmlinuz-6.1.0-1
    (printf '\037\213\010'; head -c 4000 /dev/zero) > boot/initrd.img-6.1.0-1
    cat > boot/grub/grub.cfg <<'END'
menuentry 'x' {
    search --no-floppy --fs-uuid --set=root 3e6be9de-8139-11d1-9106-a43f08d823a6
    linux   /boot/vmlinuz-6.1.0-1 root=UUID=3e6be9de-8139-11d1-9106-a43f08d823a6 ro quiet
    initrd  /boot/initrd.img-6.1.0-1
}
END
    touch lib/modules/6.1.0-1/modules.dep
    printf '#!/bin/sh\n' > usr/lib/systemd/systemd; chmod 755 usr/lib/systemd/systemd
    ln -s ../usr/lib/systemd/systemd sbin/init
    printf 'x' > bin/sh; chmod 755 bin/sh
    printf 'root:x:0:0::/root:/bin/sh\n' > etc/passwd
    printf 'root:$6$abc$def:1:0:99999:7:::\n' > etc/shadow
    for u in multi-user.target sysinit.target ssh.service; do touch usr/lib/systemd/system/$u; done
    ln -s multi-user.target usr/lib/systemd/system/default.target
    ln -s /usr/lib/systemd/system/ssh.service etc/systemd/system/multi-user.target.wants/ssh.service
    touch etc/sudoers; chmod 0440 etc/sudoers
    echo 'Port 22' > etc/ssh/sshd_config
    echo key > etc/ssh/ssh_host_ed25519_key; chmod 0600 etc/ssh/ssh_host_ed25519_key
    echo 'SELINUX=enforcing' > etc/selinux/config
    setfattr -n security.selinux -v system_u:object_r:passwd_file_t:s0 etc/passwd
    echo 'HWADDR=52:54:00:00:00:01' > etc/sysconfig/network-scripts/ifcfg-eth0
    echo 'Jan 1 kernel: Linux version 6.1' > var/log/syslog
"#;

/// What is done to the system, which check turns, and what it says.
const BROKEN: &[(&str, &str, &str, &str)] = &[
    (
        "echo 'UUID=dead-beef /data xfs defaults 0 0' >> etc/fstab; mkdir data",
        "fstab",
        "problem",
        "line 4: UUID=dead-beef is on no disk",
    ),
    (
        "echo 'UUID=dead-beef none swap sw 0 0' >> etc/fstab",
        "fstab",
        "warning",
        "waits for it",
    ),
    (
        "sed -i 's/ ext4 errors/ xfs errors/' etc/fstab",
        "fstab",
        "problem",
        "holds ext, not xfs",
    ),
    (
        "echo broken >> etc/fstab",
        "fstab",
        "problem",
        "line 4 has too few fields",
    ),
    (
        "echo 'tmpfs /missing tmpfs defaults 0 0' >> etc/fstab",
        "fstab",
        "warning",
        "/missing is not there",
    ),
    (
        "sed 1q etc/fstab >> etc/fstab",
        "fstab",
        "warning",
        "mounted at / already",
    ),
    (
        "sed -i 's/root=UUID=3e/root=UUID=4e/' boot/grub/grub.cfg",
        "boot-loader",
        "problem",
        "is on no disk",
    ),
    (
        "sed -i 's/vmlinuz-6.1.0-1/vmlinuz-9/' boot/grub/grub.cfg",
        "boot-loader",
        "problem",
        "the kernel /boot/vmlinuz-9 is not there",
    ),
    (
        "rm boot/grub/grub.cfg",
        "boot-loader",
        "warning",
        "none was found",
    ),
    (
        "mkdir -p boot/extlinux; printf 'DEFAULT a\nLABEL b\nKERNEL /boot/vmlinuz-6.1.0-1\n' > boot/extlinux/extlinux.conf",
        "boot-loader",
        "problem",
        "no entry 'a'",
    ),
    (
        ": > boot/initrd.img-6.1.0-1",
        "kernels",
        "problem",
        "is empty",
    ),
    (
        "head -c 9000 /dev/zero > boot/initrd.img-6.1.0-1",
        "kernels",
        "problem",
        "is no archive",
    ),
    (
        "head -c 99 boot/initrd.img-6.1.0-1 > x; mv x boot/initrd.img-6.1.0-1",
        "kernels",
        "problem",
        "is cut off",
    ),
    (
        "mkdir -p lib/modules/6.9.0/kernel; echo x > boot/vmlinuz-6.9.0",
        "kernels",
        "problem",
        "vmlinuz-6.9.0 has no initramfs",
    ),
    ("rm sbin/init", "init", "problem", "there is no /sbin/init"),
    (
        "chmod 644 usr/lib/systemd/systemd",
        "init",
        "problem",
        "no program that can be started",
    ),
    (
        "printf '#!/bin/gone\n' > usr/lib/systemd/systemd",
        "init",
        "problem",
        "needs /bin/gone",
    ),
    ("rm etc/shadow", "accounts", "problem", "no /etc/shadow"),
    (
        "rm usr/lib/systemd/system/default.target",
        "units",
        "problem",
        "default.target leads to no unit",
    ),
    (
        "ln -s /lib/systemd/system/gone.service etc/systemd/system/multi-user.target.wants/gone.service",
        "units",
        "warning",
        "gone.service is enabled",
    ),
    (
        "ln -s /dev/null etc/systemd/system/sysinit.target",
        "units",
        "problem",
        "sysinit.target is masked",
    ),
    ("chmod 0666 etc/sudoers", "sudo", "problem", "must be 0440"),
    (
        "chmod 0644 etc/ssh/ssh_host_ed25519_key",
        "ssh",
        "problem",
        "must be 0600",
    ),
    (
        "rm etc/ssh/ssh_host_ed25519_key",
        "ssh",
        "warning",
        "no host key",
    ),
    (
        "setfattr -x security.selinux etc/passwd",
        "selinux",
        "problem",
        "has no label",
    ),
    (
        "sed -i s/00:01/00:09/ etc/sysconfig/network-scripts/ifcfg-eth0",
        "network",
        "problem",
        "52:54:00:00:00:09",
    ),
    (
        "echo 'You are in emergency mode' >> var/log/syslog",
        "log",
        "warning",
        "emergency mode",
    ),
    (
        "mv etc/passwd etc/x; echo 'ann:x:1:1::/:' > etc/passwd; setfattr -n security.selinux -v a:b:c:s0 etc/passwd",
        "accounts",
        "problem",
        "no root with the number 0",
    ),
];

/// Puts a tree on a disk, without a kernel.
fn disk(tree: &Path, image: &Path, size: &str) {
    let (tree, image) = (tree.to_str().unwrap(), image.to_str().unwrap());
    drop(fs::remove_file(image));
    run(
        "mke2fs",
        &["-q", "-t", "ext4", "-U", UUID, "-d", tree, image, size],
    );
}

/// A host with a domain that has the image, and says this more.
fn host(dir: &Path, image: &Path, more: &str, os: &str) -> String {
    let xml = format!(
        "<node><domain type='test'><name>web</name><memory>1024</memory><os><type>hvm</type>{os}</os>\
         <devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vda'/></disk>{more}<interface type='user'><mac address='52:54:00:00:00:01'/>\
         </interface></devices></domain></node>",
        image.display()
    );
    let path = dir.join("host.xml");
    fs::write(&path, xml).unwrap();
    // The test driver starts what it reads.
    format!("test://{}", path.display())
}

fn rescue(dir: &Path, args: &[&str]) -> (Output, Value) {
    let output = command(env!("CARGO_BIN_EXE_vmkin"))
        .env("VMKIN_STATE_DIR", dir.join("state"))
        .args(["--json", "rescue"])
        .args(args)
        .output()
        .unwrap();
    let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, value)
}

fn states(value: &Value) -> Vec<(String, String)> {
    let checks = value[0]["checks"].as_array().unwrap();
    let word = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    checks
        .iter()
        .map(|check| (word(check, "id"), word(check, "state")))
        .collect()
}

fn is_bad(state: &str) -> bool {
    matches!(state, "warning" | "problem")
}

#[test]
fn each_fault_turns_its_check_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    let healthy = dir.path().join("healthy");
    fs::create_dir(&healthy).unwrap();
    run("bash", &["-euc", HEALTHY, "x", healthy.to_str().unwrap()]);
    disk(&healthy, &image, "24M");
    let uri = host(dir.path(), &image, "", "");
    let (output, value) = rescue(dir.path(), &["-c", &uri, "-d", "web"]);
    let well = states(&value);
    assert!(output.status.success(), "{value:#}");
    let bad: Vec<_> = well.iter().filter(|(_, state)| is_bad(state)).collect();
    assert!(bad.is_empty(), "{value:#}");
    assert_eq!(well.len(), 16, "{well:?}");
    let mut wrong = Vec::new();
    for (harm, id, state, says) in BROKEN {
        let broken = dir.path().join("broken");
        let script = format!("rm -rf $2; cp -a $1 $2; cd $2; {harm}");
        let (from, to) = (healthy.to_str().unwrap(), broken.to_str().unwrap());
        run("bash", &["-euc", &script, "x", from, to]);
        disk(&broken, &image, "24M");
        let (output, value) = rescue(dir.path(), &["-c", &uri, "-d", "web"]);
        let code = if *state == "problem" { 4 } else { 0 };
        let turned: Vec<_> = states(&value)
            .into_iter()
            .filter(|(_, state)| is_bad(state))
            .collect();
        let expected = [((*id).to_owned(), (*state).to_owned())];
        let text = value.to_string();
        if turned != expected || !text.contains(says) || output.status.code() != Some(code) {
            wrong.push(format!(
                "{harm}\n  {turned:?} {:?} {text}",
                output.status.code()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn disks_and_firmware_are_looked_at_too() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    let healthy = dir.path().join("healthy");
    fs::create_dir(&healthy).unwrap();
    run("bash", &["-euc", HEALTHY, "x", healthy.to_str().unwrap()]);
    let turned = |uri: &str| {
        let (output, value) = rescue(dir.path(), &["-c", uri, "-d", "web"]);
        let bad: Vec<String> = states(&value)
            .into_iter()
            .filter(|(_, state)| is_bad(state))
            .map(|(id, _)| id)
            .collect();
        (bad, output, value)
    };
    // A full disk.
    run(
        "bash",
        &[
            "-euc",
            "head -c 3000000 /dev/urandom > $1/srv/big",
            "x",
            healthy.to_str().unwrap(),
        ],
    );
    disk(&healthy, &image, "24M");
    run(
        "bash",
        &[
            "-euc",
            "s=$(debugfs -R stats $1 2>/dev/null | sed -n 's/^Free blocks: *//p'); b=$(dumpe2fs -h $1 2>/dev/null | sed -n 's/^Block size: *//p'); head -c $(((s-30)*b)) /dev/urandom > $2/srv/more",
            "x",
            image.to_str().unwrap(),
            healthy.to_str().unwrap(),
        ],
    );
    disk(&healthy, &image, "24M");
    let uri = host(dir.path(), &image, "", "");
    assert_eq!(turned(&uri).0, ["space"]);
    fs::remove_file(healthy.join("srv/more")).unwrap();
    disk(&healthy, &image, "24M");
    // Firmware that finds no partition to boot from, and no variables.
    let os = format!(
        "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram>{}</nvram>",
        dir.path().join("gone.fd").display()
    );
    let uri = host(dir.path(), &image, "", &os);
    let (bad, output, _) = turned(&uri);
    assert_eq!(bad, ["partitions", "boot-loader", "domain"]);
    assert_eq!(output.status.code(), Some(4));
    // An image without a domain: what is about that does not apply, and the hints
    // name the image.
    run(
        "bash",
        &[
            "-euc",
            "echo broken >> $1/etc/fstab",
            "x",
            healthy.to_str().unwrap(),
        ],
    );
    disk(&healthy, &image, "24M");
    let path = image.to_str().unwrap();
    let (output, value) = rescue(dir.path(), &["-a", path, "--format", "raw"]);
    assert_eq!(output.status.code(), Some(4));
    let of = |id: &str| {
        states(&value)
            .into_iter()
            .find(|one| one.0 == id)
            .unwrap()
            .1
    };
    assert_eq!(
        [of("network"), of("domain"), of("fstab")],
        ["not-applicable", "not-applicable", "problem"]
    );
    let typed = format!("`vmkin edit -a {path} --format raw /etc/fstab`");
    assert!(value.to_string().contains(&typed), "{value:#}");
    // No system at all.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    disk(&empty, &image, "4M");
    let (output, value) = rescue(dir.path(), &["-a", path, "--format", "raw"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(states(&value).contains(&("system".to_owned(), "problem".to_owned())));
}
