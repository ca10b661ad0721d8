//! Windows, on NTFS as ntfs-3g writes it, with a registry as hivex writes it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::common::{Raw, command, with_mounts};
use crate::ntfs::{made, script};
use vmkin::guest::inspect::{Inspection, inspect};
use vmkin::guest::native::Volumes;
use vmkin::guest::system::System;

/// A hive with a root and nothing else, which hivex needs to begin with.
fn empty_hive() -> Vec<u8> {
    const ROOT: usize = 0x20;
    const SECURITY: usize = ROOT + 0x60;
    const FREE: usize = SECURITY + 0x30;
    let mut bytes = vec![0; 8192];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    put(0, b"regf");
    for (at, value) in [
        (4, 1),
        (8, 1),
        (20, 1),
        (24, 5),
        (32, 1),
        (36, ROOT),
        (40, 4096),
        (44, 1),
    ] {
        put(at, &number(value));
    }
    let bin = 4096;
    put(bin, b"hbin");
    put(bin + 8, &number(4096));
    put(bin + ROOT, &(-0x60_i32).to_le_bytes());
    put(bin + ROOT + 4, b"nk\x2c\0");
    put(bin + ROOT + 4 + 16, &number(0xffff_ffff));
    for at in [28, 32, 40, 48] {
        put(bin + ROOT + 4 + at, &number(0xffff_ffff));
    }
    put(bin + ROOT + 4 + 44, &number(SECURITY));
    put(bin + ROOT + 4 + 72, b"\x04\0\0\0ROOT");
    put(bin + SECURITY, &(-0x30_i32).to_le_bytes());
    put(bin + SECURITY + 4, b"sk");
    for (at, value) in [(4, SECURITY), (8, SECURITY), (12, 1), (16, 20)] {
        put(bin + SECURITY + 4 + at, &number(value));
    }
    put(bin + SECURITY + 24, b"\x01\0\x04\x80");
    put(bin + FREE, &number(4096 - FREE));
    let sum = bytes[..508].chunks(4).fold(0, |sum, part| {
        sum ^ u32::from_le_bytes(part.try_into().unwrap())
    });
    bytes[508..512].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Has hivexsh write values into a hive of its own: paths, and what to set.
fn hive(path: &Path, keys: &[(&str, &[(&str, &str)])]) {
    fs::write(path, empty_hive()).unwrap();
    let mut lines = String::new();
    for (key, values) in keys {
        lines += "cd \\\n";
        for name in key.split('\\') {
            lines += &format!("add {name}\ncd {name}\n");
        }
        lines += &format!("setval {}\n", values.len());
        for (name, value) in *values {
            lines += &format!("{name}\n{value}\n");
        }
    }
    lines += "commit\nquit\n";
    let mut shell = command("hivexsh")
        .args(["-w".as_ref(), path.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).unwrap();
    drop(stdin);
    let output = shell.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{said}\n{lines}"
    );
}

fn looked_at(hives: &Path) -> Inspection {
    let (_dir, image) = made(&["-L", "System"], 16);
    let fill = format!(
        r#"mkdir -p "$MNT/Windows/System32/config" "$MNT/Users"/{{alice,Public,Default}}
        touch "$MNT/Users"/{{alice,Default}}/ntuser.dat
        cp '{}'/* "$MNT/Windows/System32/config/""#,
        hives.display()
    );
    with_mounts(&image, &script("", &fill));
    let volumes = Volumes::find(&[("sda".to_owned(), Raw::open(&image))]);
    inspect(&System::open(&volumes).tree().unwrap())
}

const VERSION: &str = r"Microsoft\Windows NT\CurrentVersion";

#[test]
fn windows_is_told_by_its_registry() {
    let hives = tempfile::tempdir().unwrap();
    hive(
        &hives.path().join("SOFTWARE"),
        &[(
            VERSION,
            &[
                ("ProductName", "string:Windows Server 2022 Standard"),
                ("CurrentVersion", "string:6.3"),
                ("CurrentMajorVersionNumber", "dword:10"),
                ("CurrentMinorVersionNumber", "dword:0"),
                ("CurrentBuildNumber", "string:20348"),
            ],
        )],
    );
    let many: Vec<(String, &[(&str, &str)])> = (0..300)
        .map(|number| (format!("Software{number}"), &[("a", "dword:1")][..]))
        .collect();
    let mut keys: Vec<(&str, &[(&str, &str)])> = many
        .iter()
        .map(|(name, values)| (name.as_str(), *values))
        .collect();
    keys.extend([
        ("Select", &[("Current", "dword:2")][..]),
        (
            r"ControlSet002\Control\Session Manager\Environment",
            &[("PROCESSOR_ARCHITECTURE", "string:AMD64")],
        ),
        (
            r"ControlSet001\Services\Tcpip\Parameters",
            &[("Hostname", "string:not-this-one")],
        ),
    ]);
    hive(&hives.path().join("SYSTEM"), &keys);
    let os = looked_at(hives.path());
    assert_eq!(os.problems, Vec::<String>::new());
    assert_eq!(os.os.kind, "windows");
    assert_eq!(os.os.distro.as_deref(), Some("windows"));
    assert_eq!(os.os.name.as_deref(), Some("Windows Server 2022 Standard"));
    assert_eq!(os.os.version.as_deref(), Some("10.0.20348"));
    assert_eq!(os.os.arch.as_deref(), Some("x86_64"));
    assert_eq!(os.os.hostname, None);
    let users: Vec<_> = os
        .users
        .iter()
        .map(|user| (&*user.name, &*user.home))
        .collect();
    assert_eq!(users, [("alice", r"C:\Users\alice")]);
}

#[test]
fn windows_before_10_has_another_version() {
    let hives = tempfile::tempdir().unwrap();
    let version = [
        ("ProductName", "string:Windows 7 Professional"),
        ("CurrentVersion", "string:6.1"),
        ("CurrentBuildNumber", "string:7601"),
    ];
    hive(&hives.path().join("SOFTWARE"), &[(VERSION, &version)]);
    let name = r"ControlSet001\Control\ComputerName\ComputerName";
    let system = hives.path().join("SYSTEM");
    hive(&system, &[(name, &[("ComputerName", "string:OFFICE-PC")])]);
    let looked = looked_at(hives.path());
    assert_eq!(looked.problems, Vec::<String>::new());
    assert_eq!(looked.os.version.as_deref(), Some("6.1.7601"));
    assert_eq!(looked.os.hostname.as_deref(), Some("OFFICE-PC"));
    // A hive that is being written to says so, and what is damaged costs itself alone.
    let mut bytes = fs::read(&system).unwrap();
    bytes[4] ^= 1;
    fs::write(&system, bytes).unwrap();
    fs::write(hives.path().join("SOFTWARE"), "no hive").unwrap();
    let looked = looked_at(hives.path());
    assert_eq!(looked.os.hostname.as_deref(), Some("OFFICE-PC"));
    assert_eq!(looked.os.name, None);
    assert_eq!(looked.problems.len(), 2, "{:?}", looked.problems);
    assert!(looked.problems[0].contains("SOFTWARE: the registry is damaged"));
    assert!(looked.problems[1].contains("SYSTEM: what was changed last"));
}
