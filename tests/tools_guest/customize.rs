//! Two guests that are customized by libguestfs: what they are to be and nothing
//! else, and not alike where they must not be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::{command, run, with_mounts};
use crate::writing::{Facts, differences, facts};

/// Fills `$MNT`: something as Fedora has it, with labels, and with what Debian has.
const FILL: &str = r#"
    cd "$MNT"; mkdir -p etc/ssh etc/systemd/system usr/lib/systemd usr/share/zoneinfo/Europe usr/bin
    mkdir -p root home/ann var/lib/dbus var/lib/systemd var/log
    echo golden > etc/hostname; printf '127.0.0.1 localhost\n127.0.1.1 golden\n' > etc/hosts
    echo 0123456789abcdef0123456789abcdef > etc/machine-id; chmod 444 etc/machine-id
    ln -s /etc/machine-id var/lib/dbus/machine-id
    printf 'root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n' > etc/passwd
    printf 'root:!:19000:0:99999:7:::\nann:*:19000:0:99999:7:::\n' > etc/shadow
    chmod 640 etc/shadow; chown 0:42 etc/shadow
    chmod 700 root home/ann; chown 1000:100 home/ann
    echo TZif2 > usr/share/zoneinfo/Europe/Berlin; echo Etc/UTC > etc/timezone
    ln -s ../usr/share/zoneinfo/Etc/UTC etc/localtime
    echo > usr/lib/systemd/systemd; echo seed > var/lib/systemd/random-seed; echo log > var/log/syslog
    echo old > etc/ssh/ssh_host_ed25519_key; chmod 640 etc/ssh/ssh_host_ed25519_key
    chown 0:998 etc/ssh/ssh_host_ed25519_key; echo old > etc/ssh/ssh_host_ed25519_key.pub
    find . -exec setfattr -h -n security.selinux -v system_u:object_r:dir_t:s0 {} +
    setfattr -n security.selinux -v system_u:object_r:shadow_t:s0 etc/shadow
    find . -exec touch -h -d '2001-02-03 04:05:06.123456789 UTC' {} +
"#;

/// What differs, without what is another in each guest: labels by their types.
fn shown(before: &Facts, after: &Facts) -> Vec<String> {
    let lines = differences(before, after).into_iter();
    let plain = |line: String| {
        let mut line = line;
        for (name, kind) in [
            ("DIR", "dir_t"),
            ("SHADOW", "shadow_t"),
            ("SSH", "ssh_home_t"),
            ("ZONE", "locale_t"),
        ] {
            let label = format!("system_u:object_r:{kind}:s0");
            let hex: String = label.bytes().map(|byte| format!("{byte:02x}")).collect();
            // The kernel keeps a zero at its end where a program has put one.
            for end in ["00", ""] {
                line = line.replace(&format!("security.selinux=0x{hex}{end}"), name);
            }
        }
        line
    };
    lines.map(plain).collect()
}

/// The words of a line but for sizes and hashes, which are random.
fn steady(line: &str) -> String {
    let random = |word: &&str| word.len() == 8 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = line.split(' ').filter(|word| !random(word));
    words.collect::<Vec<_>>().join(" ")
}

const CHANGED: &[&str] = &[
    "+ etc/systemd/system/multi-user.target.wants/vmkin-firstboot.service: lrwxrwxrwx 0:0 1 43 /etc/systemd/system/vmkin-firstboot.service DIR",
    "+ etc/systemd/system/multi-user.target.wants: drwxr-xr-x 0:0 2 - DIR",
    "+ etc/systemd/system/vmkin-firstboot.service: -rw-r--r-- 0:0 1 272 DIR",
    "+ home/ann/.ssh/authorized_keys: -rw------- 1000:100 1 89 SSH",
    "+ home/ann/.ssh: drwx------ 1000:100 2 - SSH",
    "+ var/lib/vmkin-firstboot/0001-setup.sh: -rwx------ 0:0 1 20 DIR",
    "+ var/lib/vmkin-firstboot/run: -rwx------ 0:0 1 684 DIR",
    "+ var/lib/vmkin-firstboot: drwx------ 0:0 2 - DIR",
    "- var/lib/systemd/random-seed",
    "t etc",
    "t var/lib/systemd",
    "~ etc/hostname: -rw-r--r-- 0:0 1 7 DIR > -rw-r--r-- 0:0 1 11 DIR",
    "~ etc/hosts: -rw-r--r-- 0:0 1 37 DIR > -rw-r--r-- 0:0 1 48 DIR",
    "~ etc/localtime: lrwxrwxrwx 0:0 1 29 ../usr/share/zoneinfo/Etc/UTC DIR > lrwxrwxrwx 0:0 1 35 ../usr/share/zoneinfo/Europe/Berlin ZONE",
    "~ etc/machine-id: -r--r--r-- 0:0 1 33 DIR > -r--r--r-- 0:0 1 33 DIR",
    "~ etc/shadow: -rw-r----- 0:42 1 51 SHADOW > -rw-r----- 0:42 1 261 SHADOW",
    "~ etc/ssh/ssh_host_ed25519_key.pub: -rw-r--r-- 0:0 1 4 DIR > -rw-r--r-- 0:0 1 97 DIR",
    "~ etc/ssh/ssh_host_ed25519_key: -rw-r----- 0:998 1 4 DIR > -rw-r----- 0:998 1 411 DIR",
    "~ etc/systemd/system: drwxr-xr-x 0:0 2 - DIR > drwxr-xr-x 0:0 3 - DIR",
    "~ etc/timezone: -rw-r--r-- 0:0 1 8 DIR > -rw-r--r-- 0:0 1 14 DIR",
    "~ home/ann: drwx------ 1000:100 2 - DIR > drwx------ 1000:100 3 - DIR",
    "~ var/lib: drwxr-xr-x 0:0 4 - DIR > drwxr-xr-x 0:0 5 - DIR",
];

#[test]
fn two_guests_are_themselves_and_nothing_else_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let network = "<network><name>default</name><ip address='192.168.122.1'/></network>";
    fs::write(
        dir.path().join("host.xml"),
        format!("<node>{network}</node>"),
    )
    .unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mine = dir.path().join("mine");
    run(
        "ssh-keygen",
        &[
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            &mine.display().to_string(),
        ],
    );
    let key = fs::read_to_string(dir.path().join("mine.pub")).unwrap();
    let secret = file("secret", "hunter2\n");
    let script = file("setup.sh", "#!/bin/sh\necho done\n");
    let known = dir.path().join("known_hosts");
    let mut seen = Vec::new();
    for name in ["web-01", "web-02"] {
        let image = dir.path().join(format!("{name}.raw"));
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        run("mke2fs", &["-q", "-t", "ext4", image.to_str().unwrap()]);
        with_mounts(
            &image,
            &format!("mount -o loop $IMG $MNT\n({FILL})\numount $MNT"),
        );
        let before = facts(&image, 0);
        let output = command(env!("CARGO_BIN_EXE_vmkin"))
            .args(["-c", &format!("test://{}/host.xml", dir.path().display())])
            .args(["customize", "--format", "raw", "--hostname", "{name}.lab"])
            .args([
                "--machine-id",
                "new",
                "--ssh-host-keys",
                "new",
                "--generalize",
            ])
            .args(["--ssh-key", &format!("ann:{}.pub", mine.display())])
            .args(["--root-password", &format!("file:{secret}")])
            .args(["--password", &format!("ann:file:{secret}")])
            .args(["--timezone", "Europe/Berlin", "--firstboot", &script])
            .arg("--known-hosts")
            .arg(&known)
            .arg("-a")
            .arg(&image)
            .env("VMKIN_STATE_DIR", dir.path().join("state"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(
            !said.contains("hunter2") && !said.contains("warning"),
            "{said}"
        );
        run("e2fsck", &["-fn", image.to_str().unwrap()]);
        let found = shown(&before, &facts(&image, 0));
        let found: Vec<String> = found.iter().map(|line| steady(line)).collect();
        assert_eq!(found, CHANGED, "{found:#?}");
        seen.push(read(&image));
    }
    let [one, other] = &seen[..] else { panic!() };
    for (one, other) in one.iter().zip(other) {
        assert_ne!(one, other);
    }
    for (files, name) in seen.iter().zip(["web-01", "web-02"]) {
        assert_eq!(files[0], format!("{name}.lab\n"));
        assert_eq!(
            files[1],
            format!("127.0.0.1 localhost\n127.0.1.1\t{name}.lab {name}\n")
        );
        assert_eq!(files[2].len(), 33);
        // The private key is that of the public one, and of what is known.
        let private = dir.path().join("private");
        fs::write(&private, &files[4]).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
        let public = run("ssh-keygen", &["-y", "-f", private.to_str().unwrap()]);
        assert!(files[5].starts_with(public.trim_end()), "{public}");
        let found = run("ssh-keygen", &["-F", name, "-f", known.to_str().unwrap()]);
        let of_it = public.split(' ').nth(1).unwrap();
        assert!(found.contains(of_it));
    }
    // What both are to have alike.
    for name in ["web-01", "web-02"] {
        let image = dir.path().join(format!("{name}.raw"));
        let keys = cat(&image, "home/ann/.ssh/authorized_keys");
        assert_eq!(keys, key);
    }
}

/// What must differ.
fn read(image: &Path) -> Vec<String> {
    let files = [
        "etc/hostname",
        "etc/hosts",
        "etc/machine-id",
        "etc/shadow",
        "etc/ssh/ssh_host_ed25519_key",
        "etc/ssh/ssh_host_ed25519_key.pub",
    ];
    files.iter().map(|file| cat(image, file)).collect()
}

fn cat(image: &Path, file: &str) -> String {
    let script = format!("mount -o loop,ro $IMG $MNT; cat \"$MNT/{file}\"; umount $MNT");
    String::from_utf8(with_mounts(image, &script)).unwrap()
}
