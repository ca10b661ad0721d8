//! The installed osinfo-db, read by vmkin and read by libosinfo.
//!
//! It needs the packages `osinfo-db`, and for the comparison libosinfo and its
//! binding for Python; what is missing makes these tests fail.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as tests do"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use vmkin::error::Kind;
use vmkin::osinfo::{Amounts, OsInfo, OsProfile};

const PACKAGE: &str = "/usr/share/osinfo";

/// What the package has, without what is in `/etc` and the home directory.
fn package() -> OsInfo {
    OsInfo::at(&[PathBuf::from(PACKAGE)])
        .unwrap()
        .unwrap_or_else(|| panic!("{PACKAGE} has no osinfo-db: apt-get install osinfo-db"))
}

/// What libosinfo makes of the same files.
const SCRIPT: &str = r#"
import gi, json
gi.require_version("Libosinfo", "1.0")
from gi.repository import Libosinfo

loader = Libosinfo.Loader()
loader.process_system_path()

def each(things):
    return [things.get_nth(i) for i in range(things.get_length())]

def date(d):
    return d and "%04d-%02d-%02d" % (d.get_year(), d.get_month(), d.get_day())

def amounts(resources):
    found = {r.get_architecture(): (r.get_ram(), r.get_n_cpus(), r.get_storage()) for r in each(resources)}
    def one(at):
        for arch in ("x86_64", "all"):
            if found.get(arch, (-1, -1, -1))[at] > 0:
                return found[arch][at]
    return [one(0), one(1), one(2)]

systems = []
for os in each(loader.get_db().get_os_list()):
    devices = {d.get_id() for d in each(os.get_all_devices())}
    firmware = {(f.get_architecture(), f.get_firmware_type()): f.is_supported()
                for f in reversed(each(os.get_complete_firmware_list()))}
    pci = lambda *ids: any("http://pcisig.com/pci/" + i in devices for i in ids)
    systems.append({
        "id": os.get_id(),
        "short_ids": sorted(set(os.get_short_id_list())),
        "name": os.get_name(),
        "family": os.get_family(),
        "distro": os.get_distro(),
        "version": os.get_version(),
        "release": date(os.get_release_date()),
        "eol": date(os.get_eol_date()),
        "user": os.get_cloud_image_username(),
        "minimum": amounts(os.get_minimum_resources()),
        "advised": amounts(os.get_recommended_resources()),
        "bios": firmware.get(("x86_64", "bios")),
        "uefi": firmware.get(("x86_64", "efi")),
        "q35": "http://qemu.org/chipset/x86/q35" in devices and (pci("1af4/1041") or not pci("1af4/1000")),
        "virtio_disk": pci("1af4/1001", "1af4/1042"),
        "virtio_scsi": pci("1af4/1004", "1af4/1048"),
        "virtio_net": pci("1af4/1000", "1af4/1041"),
        "virtio_gpu": pci("1af4/1050"),
        "virtio_input": pci("1af4/1052"),
        "rng": pci("1af4/1005", "1af4/1044"),
        "balloon": pci("1af4/1002", "1af4/1045"),
        "channel": pci("1af4/1003", "1af4/1043"),
        "xhci": pci("1b36/0004"),
        "nics": sorted(d.get_name() for d in each(os.get_all_devices()) if d.get_class() == "net"),
    })
print(json.dumps(systems))
"#;

#[expect(clippy::disallowed_methods, reason = "it is another reader's word")]
fn libosinfo() -> Vec<Value> {
    let nowhere = tempfile::tempdir().unwrap();
    let output = Command::new("/usr/bin/python3")
        .args(["-c", SCRIPT])
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("OSINFO_SYSTEM_DIR", PACKAGE)
        .env("HOME", nowhere.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A profile in the words of the script, as far as it tells.
fn in_their_words(os: &OsProfile, theirs: &Value) -> Value {
    let amounts = |a: Amounts| json!([a.ram, a.cpus, a.storage]);
    // What is advised nowhere is twice the least.
    let advised = theirs["advised"].as_array().unwrap();
    let mut recommended = amounts(os.recommended);
    for (at, advised) in advised.iter().enumerate() {
        let least = theirs["minimum"][at].as_u64().map(|least| least * 2);
        if advised.is_null() && recommended[at].as_u64() == least {
            recommended[at] = Value::Null;
        }
    }
    let q35 = os.machine == Some("q35");
    let nics: Vec<&str> = theirs["nics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|nic| nic.as_str().unwrap())
        .collect();
    match os.nic_model {
        "virtio" => {}
        "e1000e" => assert!(q35, "{os:?}"),
        "e1000" => assert!(
            !q35 && (nics.contains(&"e1000") || nics.iter().all(|nic| !IN_QEMU.contains(nic))),
            "{os:?}: {nics:?}"
        ),
        model => assert!(
            !q35 && !nics.contains(&"e1000") && nics.contains(&model),
            "{os:?}: {nics:?}"
        ),
    }
    json!({
        "id": os.id,
        "short_ids": theirs["short_ids"],
        "name": os.name,
        "family": os.family,
        "distro": os.distro,
        "version": os.version,
        "release": os.release_date,
        "eol": os.eol_date,
        "user": os.cloud_user,
        "minimum": amounts(os.minimum),
        "advised": recommended,
        "bios": os.firmware.bios,
        "uefi": os.firmware.uefi,
        "q35": q35,
        "virtio_disk": os.disk_bus == "virtio",
        "virtio_scsi": os.virtio_scsi,
        "virtio_net": os.nic_model == "virtio",
        "virtio_gpu": os.video_model == "virtio",
        "virtio_input": os.virtio_input,
        "rng": os.rng,
        "balloon": os.balloon,
        "channel": os.agent_channel,
        "xhci": os.usb_controller == Some("qemu-xhci"),
        "nics": theirs["nics"],
    })
}

/// The network cards that one is chosen from.
const IN_QEMU: [&str; 4] = ["e1000", "rtl8139", "ne2k_pci", "pcnet"];

#[test]
fn every_system_is_to_us_what_it_is_to_libosinfo() {
    let theirs = libosinfo();
    assert!(theirs.len() > 700, "{} systems", theirs.len());
    let info = package();
    let mut wrong = Vec::new();
    for theirs in &theirs {
        // Some have no name of their own, so libosinfo gives none.
        let mut theirs = theirs.clone();
        let ours = info.find(theirs["id"].as_str().unwrap(), "x86_64").unwrap();
        if theirs["name"].is_null() {
            theirs["name"] = json!(ours.short_id);
        }
        let same = in_their_words(&ours, &theirs);
        if same != theirs || !ours.warnings.is_empty() {
            wrong.push(format!("{same}\n{theirs}\n{:?}", ours.warnings));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_list_is_that_of_libosinfo() {
    let listing = package().all();
    assert_eq!(listing.warnings, [""; 0]);
    let ours: BTreeMap<String, String> = listing
        .systems
        .iter()
        .flat_map(|os| {
            let names = os.short_ids.iter();
            names.map(|short_id| (short_id.clone(), os.name.clone()))
        })
        .filter(|(short_id, _)| short_id != "generic")
        .collect();
    let theirs: BTreeMap<String, String> = libosinfo()
        .iter()
        .flat_map(|os| {
            let names = os["short_ids"].as_array().unwrap().iter();
            names.map(|short_id| {
                let short_id = short_id.as_str().unwrap();
                let name = os["name"].as_str().unwrap_or(short_id);
                (short_id.to_owned(), name.to_owned())
            })
        })
        .collect();
    assert_eq!(ours, theirs);
}

/// Facts that no later version of the package is likely to change: names, the
/// identifier, machine, disk, network card, whether UEFI is said to work.
const KNOWN: &str = "
debian11 debianbullseye   http://debian.org/debian/11              q35 virtio virtio uefi
ubuntu20.04 ubuntufocal   http://ubuntu.com/ubuntu/20.04           q35 virtio virtio uefi
ubuntu22.04 ubuntujammy   http://ubuntu.com/ubuntu/22.04           q35 virtio virtio uefi
centos7.0 centos7         http://centos.org/centos/7.0             q35 virtio virtio uefi
rhel9.0                   http://redhat.com/rhel/9.0               q35 virtio virtio uefi
fedora37                  http://fedoraproject.org/fedora/37       q35 virtio virtio uefi
linux2022                 http://libosinfo.org/linux/2022          q35 virtio virtio uefi
alpinelinux3.16           http://alpinelinux.org/alpinelinux/3.16  q35 virtio virtio -
freebsd13.1               http://freebsd.org/freebsd/13.1          pc  virtio virtio -
win10                     http://microsoft.com/win/10              q35 sata   e1000e -
win11                     http://microsoft.com/win/11              q35 sata   e1000e uefi
winxp                     http://microsoft.com/win/xp              pc  ide    e1000  -
unknown                   http://libosinfo.org/unknown             pc  ide    e1000  -
";

#[test]
fn well_known_systems_are_what_they_are_known_for() {
    let info = package();
    let of = |word: &str| info.find(word, "x86_64").unwrap();
    for line in KNOWN.trim().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [names @ .., id, machine, disk, nic, uefi] = words.as_slice() else {
            panic!("{line}");
        };
        let found = of(id);
        assert_eq!(found.id.as_deref(), Some(*id));
        assert_eq!(found.short_id, names[0]);
        assert_eq!(found.machine, Some(*machine), "{line}");
        assert_eq!((found.disk_bus, found.nic_model), (*disk, *nic), "{line}");
        let uefi = (*uefi == "uefi").then_some(true);
        assert_eq!(found.firmware.uefi, uefi, "{line}");
        for name in names {
            assert_eq!(of(name), found, "{line}");
        }
        assert_eq!(found.warnings, [""; 0], "{line}");
        let windows = names[0].starts_with("win");
        assert_eq!(found.is_windows(), windows, "{line}");
        assert_eq!(found.clock == "localtime", windows, "{line}");
        let eleven = names[0] == "win11";
        assert_eq!(found.firmware.needs_uefi(), eleven, "{line}");
        assert_eq!((found.tpm, found.secure_boot), (eleven, eleven), "{line}");
    }
    let gib = 1 << 30;
    let win11 = of("win11").minimum;
    assert_eq!(
        (win11.ram, win11.cpus, win11.storage),
        (Some(4 * gib), Some(2), Some(64 * gib))
    );
    let debian = of("debian11");
    assert_eq!(
        (debian.minimum.ram, debian.recommended.storage),
        (Some(gib), Some(20 * gib))
    );
    assert_eq!(debian.cloud_user.as_deref(), Some("debian"));
    assert!(debian.cloud_init && debian.rng && debian.balloon && debian.agent_channel);
    assert_eq!(of("generic").id, None);
}

#[test]
fn a_system_from_the_future_gets_that_of_today() {
    let error = package().find("debian99", "x86_64").unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let [nearest, date] = error.hints() else {
        panic!("{error:?}");
    };
    assert!(nearest.contains("nearest to it: 'debian1"), "{nearest}");
    assert!(Path::new(PACKAGE).join("VERSION").exists());
    assert!(date.starts_with("osinfo-db is of 20"), "{date}");
}
