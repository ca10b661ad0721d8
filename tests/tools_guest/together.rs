//! Clones of bases that have the same ids of volume groups and file systems, changed
//! by one appliance: each gets its own changes, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{command, guestfish, run, with_mounts};
use crate::writing::{Facts, differences, facts};

/// Fills `$MNT`.
const FILL: &str = r#"
    cd "$MNT"; mkdir -p etc/ssh usr/lib/systemd usr/bin opt root
    echo golden > etc/hostname; printf '127.0.0.1 localhost\n127.0.1.1 golden\n' > etc/hosts
    echo 0123456789abcdef0123456789abcdef > etc/machine-id; chmod 444 etc/machine-id
    printf 'root:x:0:0::/root:/bin/sh\n' > etc/passwd; echo > usr/lib/systemd/systemd
    echo old > etc/ssh/ssh_host_ed25519_key; echo old > etc/ssh/ssh_host_ed25519_key.pub
    for i in {1..30}; do echo $i > opt/$i; done
    find . -exec touch -h -d '2001-02-03 04:05:06.123456789 UTC' {} +
"#;

/// A base, and how it is looked at.
struct Base {
    name: &'static str,
    image: PathBuf,
    /// Where its file system is, in bytes.
    offset: u64,
    /// What is before the paths of the guest.
    prefix: &'static str,
    /// The program that checks it, which finds the file system in `$FS`.
    check: &'static str,
    before: Facts,
}

fn base(
    dir: &Path,
    name: &'static str,
    (offset, prefix): (u64, &'static str),
    check: &'static str,
    make: impl FnOnce(&Path),
    fill: &str,
) -> Base {
    let image = dir.join(format!("{name}.raw"));
    fs::File::create(&image)
        .unwrap()
        .set_len(420 << 20)
        .unwrap();
    make(&image);
    with_mounts(
        &image,
        &format!("mount -o loop,offset={offset} $IMG $MNT\n({fill})\numount $MNT"),
    );
    Base {
        name,
        offset,
        prefix,
        check,
        before: facts(&image, offset),
        image,
    }
}

/// As CentOS 7: XFS on a logical volume. As Fedora: a subvolume of btrfs. As Debian.
fn bases(dir: &Path) -> [Base; 3] {
    let centos = |image: &Path| {
        let script = [
            &["--format=raw", "-a", image.to_str().unwrap(), "--", "run"][..],
            &["part-init", "/dev/sda", "mbr"],
            &["part-add", "/dev/sda", "p", "2048", "-2048"],
            &["part-set-mbr-id", "/dev/sda", "1", "0x8e"],
            &["pvcreate", "/dev/sda1"],
            &["vgcreate", "centos", "/dev/sda1"],
            &["lvcreate", "root", "centos", "400"],
            &["mkfs", "xfs", "/dev/centos/root"],
            &["shutdown"],
        ];
        guestfish(&script.join(&":"));
    };
    let fstab = |line: &str| format!("{FILL}\necho '{line}' > etc/fstab");
    let on_lvm = fstab("/dev/mapper/centos-root / xfs defaults 0 0");
    let on_btrfs = format!(
        "btrfs -q subvolume create $MNT/root\nMNT=$MNT/root\n{}",
        fstab("LABEL=fedora / btrfs subvol=root 0 0")
    );
    let on_ext4 = fstab("LABEL=debian / ext4 defaults 0 1");
    let program = |program: &'static str, label: &'static str| {
        move |image: &Path| {
            drop(run(program, &["-q", "-L", label, image.to_str().unwrap()]));
        }
    };
    [
        base(
            dir,
            "centos",
            (2 << 20, ""),
            "xfs_repair -n",
            centos,
            &on_lvm,
        ),
        base(
            dir,
            "fedora",
            (0, "root/"),
            "btrfs check",
            program("mkfs.btrfs", "fedora"),
            &on_btrfs,
        ),
        base(
            dir,
            "debian",
            (0, ""),
            "e2fsck -fn",
            program("mkfs.ext4", "debian"),
            &on_ext4,
        ),
    ]
}

/// A host whose domains these are, with a disk each, and what `vmkin` says on it.
fn vmkin(dir: &Path, clones: &[(String, PathBuf)], args: &[&str]) -> String {
    let domains: String = clones
        .iter()
        .map(|(name, image)| domain(name, image))
        .collect();
    let host = dir.join("host.xml");
    let network = "<network><name>default</name><ip address='192.168.122.1'/></network>";
    fs::write(&host, format!("<node>{network}{domains}</node>")).unwrap();
    let output = command(env!("CARGO_BIN_EXE_vmkin"))
        .args(["-c", &format!("test://{}", host.display())])
        .args(args)
        .arg("--allow-dir")
        .arg(dir)
        .env("VMKIN_STATE_DIR", dir.join("state"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A domain as the test driver has it when nobody has started it.
fn domain(name: &str, image: &Path) -> String {
    let image = image.display();
    format!(
        "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>\
         <test:runstate>5</test:runstate><name>{name}</name><memory>8192</memory><os><type>hvm</type></os>\
         <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
         <source file='{image}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
}

/// An overlay on a base.
fn overlay(dir: &Path, name: &str, base: &Path) -> PathBuf {
    let image = dir.join(format!("{name}.qcow2"));
    let (from, to) = (base.to_str().unwrap(), image.to_str().unwrap());
    run(
        "qemu-img",
        &["create", "-q", "-f", "qcow2", "-F", "raw", "-b", from, to],
    );
    image
}

#[test]
fn clones_of_three_bases_get_their_own_changes_in_one_appliance() {
    let dir = tempfile::tempdir().unwrap();
    let bases = bases(dir.path());
    let mut clones = Vec::new();
    for base in &bases {
        for number in 1..=2 {
            let name = format!("{}-{number}", base.name);
            let image = overlay(dir.path(), &name, &base.image);
            clones.push((base, name, image));
        }
    }
    let domains: Vec<_> = clones
        .iter()
        .map(|(_, name, image)| (name.clone(), image.clone()))
        .collect();
    vmkin(
        dir.path(),
        &domains,
        &[
            "customize",
            "-d",
            "*",
            "--hostname",
            "{name}.lab",
            "--machine-id",
            "new",
            "--write",
            "/opt/new:the same in all",
            "--delete",
            "/opt/7",
        ],
    );
    let mut ids = Vec::new();
    for (base, name, image) in &clones {
        let raw = dir.path().join("seen.raw");
        let (from, to) = (image.to_str().unwrap(), raw.to_str().unwrap());
        run("qemu-img", &["convert", "-O", "raw", from, to]);
        let script = format!(
            "FS=$(losetup -f --show -o {} --sizelimit {} {to}); trap 'losetup -d $FS' EXIT; {} $FS",
            base.offset,
            if base.offset == 0 {
                420 << 20
            } else {
                400 << 20
            },
            base.check
        );
        run("bash", &["-euc", &script]);
        let found = differences(&base.before, &facts(&raw, base.offset));
        let p = base.prefix;
        let paths: Vec<String> = found
            .iter()
            .map(|line| {
                line.split(':')
                    .next()
                    .unwrap()
                    .replacen(p, "", usize::from(!p.is_empty()))
            })
            .collect();
        let wanted = [
            "+ opt/new",
            "- opt/7",
            "t opt",
            "~ etc/hostname",
            "~ etc/hosts",
            "~ etc/machine-id",
        ];
        assert_eq!(paths, wanted, "{name}: {found:#?}");
        let cat = |path: &str| {
            let script = format!(
                "mount -o loop,ro,offset={} $IMG $MNT 2>/dev/null || mount -o loop,ro,nouuid,offset={} $IMG $MNT\n\
                 cat $MNT/{p}{path}\numount $MNT",
                base.offset, base.offset
            );
            String::from_utf8(with_mounts(&raw, &script)).unwrap()
        };
        assert_eq!(cat("etc/hostname"), format!("{name}.lab\n"));
        assert_eq!(cat("opt/new"), "the same in all");
        ids.push(cat("etc/machine-id"));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), clones.len());
    for base in &bases {
        assert!(differences(&base.before, &facts(&base.image, base.offset)).is_empty());
    }
}

#[test]
fn twenty_clones_differ_where_they_must() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base.raw");
    fs::File::create(&base).unwrap().set_len(64 << 20).unwrap();
    run("mkfs.ext4", &["-q", base.to_str().unwrap()]);
    with_mounts(
        &base,
        &format!("mount -o loop $IMG $MNT\n({FILL})\numount $MNT"),
    );
    let clones: Vec<(String, PathBuf)> = (1..=20)
        .map(|number| {
            let name = format!("web-{number:02}");
            let image = overlay(dir.path(), &name, &base);
            (name, image)
        })
        .collect();
    vmkin(
        dir.path(),
        &clones,
        &[
            "customize",
            "-d",
            "web-*",
            "--hostname",
            "{name}",
            "--generalize",
            "--machine-id",
            "new",
            "--ssh-host-keys",
            "new",
        ],
    );
    for file in [
        "/etc/hostname",
        "/etc/machine-id",
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/ssh/ssh_host_ed25519_key.pub",
    ] {
        let mut seen: Vec<String> = clones
            .iter()
            .map(|(name, _)| vmkin(dir.path(), &clones, &["cat", "-q", "-d", name, file]))
            .collect();
        for (text, (name, _)) in seen.iter().zip(&clones) {
            assert!(text.len() > 5 && text != "old\n");
            assert!(file != "/etc/hostname" || *text == format!("{name}\n"));
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), clones.len(), "{file}");
    }
}
