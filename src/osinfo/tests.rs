//! Small databases, made by hand.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::error::{Error, Kind};

/// Three directories of a database: the package's, the host's, the user's.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    fn dirs(&self) -> Vec<PathBuf> {
        ["system", "local", "user"]
            .map(|name| self.dir.path().join(name))
            .into()
    }

    /// Writes a file below `os` of one of the directories.
    fn file(&self, dir: &str, place: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(dir).join("os").join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes `a.org/NAME.xml` of the package.
    fn os(&self, name: &str, inner: &str) {
        self.file("system", &format!("a.org/{name}.xml"), &os(name, inner));
    }

    fn info(&self) -> OsInfo {
        OsInfo::at(&self.dirs()).unwrap().unwrap()
    }

    fn find(&self, word: &str) -> OsProfile {
        let profile = self.info().find(word, "x86_64").unwrap();
        assert_eq!(profile.warnings, [""; 0]);
        profile
    }
}

/// A document about the system `http://a.org/NAME`.
fn os(name: &str, inner: &str) -> String {
    format!(
        "<libosinfo version='0.0.1'><os id='http://a.org/{name}'>\
         <short-id>{name}</short-id><name>The {name}</name>{inner}</os></libosinfo>"
    )
}

fn from(name: &str) -> String {
    format!("<derives-from id='http://a.org/{name}'/>")
}

fn device(id: &str) -> String {
    format!("<devices><device id='http://pcisig.com/pci/{id}'/></devices>")
}

fn no_device(id: &str) -> String {
    device(id).replace("'/>", "' supported='false'/>")
}

fn hints(error: &Error) -> String {
    error.hints().join("\n")
}

#[test]
fn without_files_there_is_no_database() {
    let world = World::new();
    assert!(OsInfo::at(&world.dirs()).unwrap().is_none());
    fs::create_dir_all(world.dir.path().join("system/os/a.org")).unwrap();
    fs::write(world.dir.path().join("user"), "not a directory").unwrap();
    assert!(OsInfo::at(&world.dirs()).unwrap().is_none());
}

#[test]
fn a_system_is_found_by_each_of_its_names() {
    let world = World::new();
    world.os("a1", "<short-id>alpha</short-id>");
    world.os(
        "b1",
        "<!-- <short-id>c1</short-id> --><version>a1</version>",
    );
    for word in [
        "a1",
        "alpha",
        "http://a.org/a1",
        "name=a1",
        "short-id=alpha",
        "id=http://a.org/a1",
        "detect=off,name=a1,require=on",
    ] {
        let found = world.find(word);
        assert_eq!(found.short_id, "a1", "{word}");
        assert_eq!(found.id.as_deref(), Some("http://a.org/a1"));
        assert_eq!(found.name, "The a1");
    }
    for word in ["generic", "none", "name=generic"] {
        assert_eq!(world.find(word).short_id, GENERIC);
    }
    for (word, what) in [
        ("c1", "no operating system 'c1'"),
        ("The a1", "no operating system 'The a1'"),
        ("http://a.org/A1", "no operating system"),
        ("http://a.org/a/1", "no operating system"),
        ("detect=on,require=off", "must be named"),
        ("auto", "must be named"),
        ("nmae=a1", "there is no setting 'nmae'"),
        ("require=on", "names no operating system"),
        ("", "no operating system ''"),
    ] {
        let error = world.info().find(word, "x86_64").unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{word}");
        assert!(error.to_string().contains(what), "{word}: {error}");
    }
}

#[test]
fn a_wrong_name_gets_the_nearest_and_the_age_of_the_database() {
    let world = World::new();
    for name in ["debian9", "debian10", "debian11", "fedora37"] {
        world.os(name, "");
    }
    fs::write(world.dir.path().join("system/VERSION"), "20221203\n").unwrap();
    let error = world.info().find("debian12", "x86_64").unwrap_err();
    assert_eq!(
        error.hints(),
        [
            "take the one nearest to it: 'debian11', 'debian10' or 'debian9'",
            "osinfo-db is of 2022-12-03; a newer package knows newer systems",
        ]
    );
    let error = world.info().find("name=fedroa", "x86_64").unwrap_err();
    assert!(
        hints(&error).contains("nearest to it: 'fedora37'"),
        "{error:?}"
    );
    let error = world.info().find("plan9", "x86_64").unwrap_err();
    assert!(!hints(&error).contains("nearest"), "{error:?}");
}

#[test]
fn devices_are_inherited_and_the_nearest_word_counts() {
    let world = World::new();
    let all = [
        device("1af4/1001"),
        device("1af4/1005"),
        device("1af4/1050"),
    ]
    .concat();
    world.os("a1", &all);
    // Takes one back, and one that nobody has.
    world.os(
        "a2",
        &[from("a1"), no_device("1af4/1050"), no_device("1af4/1002")].concat(),
    );
    world.os("a3", &[from("a2"), device("1af4/1050")].concat());
    // By way of a clone, and what it upgrades gives it nothing.
    world.os(
        "a4",
        "<clones id='http://a.org/a3'/><upgrades id='http://a.org/b1'/>",
    );
    world.os("b1", &device("1af4/1002"));
    let gpu = |word: &str| world.find(word).video_model;
    assert_eq!(
        ["a1", "a2", "a3", "a4"].map(gpu),
        ["virtio", "vga", "virtio", "virtio"]
    );
    let a4 = world.find("a4");
    assert_eq!((a4.disk_bus, a4.rng, a4.balloon), ("virtio", true, false));
}

#[test]
fn resources_are_inherited_only_where_it_is_said() {
    let world = World::new();
    let amounts = |arch: &str, more: &str, inner: &str| {
        format!("<resources arch='{arch}'{more}>{inner}</resources>")
    };
    world.os(
        "a1",
        &amounts(
            "all",
            "",
            "<minimum><ram>10</ram><n-cpus>1</n-cpus></minimum>\
                                        <recommended><ram>30</ram></recommended>",
        ),
    );
    world.os(
        "a2",
        &[
            from("a1"),
            amounts("all", " inherit='true'", "<minimum><ram>11</ram></minimum>"),
        ]
        .concat(),
    );
    world.os(
        "a3",
        &[
            from("a1"),
            amounts("all", "", "<minimum><ram>12</ram></minimum>"),
        ]
        .concat(),
    );
    world.os("a4", &from("a1"));
    world.os("a5", &amounts("x86_64", "", "<minimum><ram>7</ram></minimum>")
        .replace("</resources>", "</resources><resources arch='all'><minimum><ram>5</ram><storage>6</storage></minimum></resources>"));
    let of = |word: &str| {
        let found = world.find(word);
        (
            found.minimum.ram,
            found.minimum.cpus,
            found.recommended.ram,
            found.recommended.cpus,
        )
    };
    assert_eq!(of("a1"), (Some(10), Some(1), Some(30), Some(2)));
    assert_eq!(of("a2"), (Some(11), Some(1), Some(30), Some(2)));
    assert_eq!(of("a3"), (Some(12), None, Some(24), None));
    assert_eq!(of("a4"), (None, None, None, None));
    assert_eq!(of("a5").0, Some(7));
    assert_eq!(world.find("a5").recommended.storage, Some(12));
    let arm = world.info().find("a5", "aarch64").unwrap();
    assert_eq!(arm.minimum.ram, Some(5));
}

#[test]
fn firmware_decides_about_the_tpm() {
    let world = World::new();
    world.os("a1", "<firmware arch='x86_64' type='efi'/>");
    world.os(
        "win11",
        &[
            from("a1"),
            "<family>winnt</family>".to_owned(),
            "<firmware arch='x86_64' type='bios' supported='false'/>".to_owned(),
        ]
        .concat(),
    );
    let a1 = world.find("a1");
    assert_eq!(
        a1.firmware,
        Firmware {
            bios: None,
            uefi: Some(true)
        }
    );
    assert!(!a1.firmware.needs_uefi() && !a1.tpm && !a1.secure_boot);
    let win = world.find("win11");
    assert!(win.firmware.needs_uefi() && win.tpm && win.secure_boot && win.is_windows());
    assert_eq!((win.clock, win.video_model), ("localtime", "bochs"));
    let other = world.info().find("win11", "i686").unwrap();
    assert_eq!(other.firmware, Firmware::default());
}

#[test]
fn an_old_virtio_keeps_a_system_off_q35() {
    let world = World::new();
    let q35 = "<devices><device id='http://qemu.org/chipset/x86/q35'/></devices>";
    world.os("a1", q35);
    world.os("a2", &[from("a1"), device("1af4/1000")].concat());
    world.os("a3", &[from("a2"), device("1af4/1041")].concat());
    world.os(
        "a4",
        &[
            device("10ec/8139"),
            device("10ec/8029"),
            device("8086/2415"),
        ]
        .concat(),
    );
    let of = |word: &str| {
        let found = world.find(word);
        (
            found.machine.unwrap(),
            found.disk_bus,
            found.nic_model,
            found.sound_model,
        )
    };
    assert_eq!(of("a1"), ("q35", "sata", "e1000e", "ich9"));
    assert_eq!(of("a2"), ("pc", "ide", "virtio", "ich6"));
    assert_eq!(of("a3"), ("q35", "sata", "virtio", "ich9"));
    assert_eq!(of("a4"), ("pc", "ide", "rtl8139", "ac97"));
    assert_eq!(of(GENERIC), ("pc", "ide", "e1000", "ich6"));
    let arm = world.info().find("a1", "aarch64").unwrap();
    assert_eq!(
        (arm.machine, arm.disk_bus, arm.nic_model),
        (None, "virtio", "virtio")
    );
}

#[test]
fn a_later_directory_replaces_or_extends() {
    let world = World::new();
    world.os("a1", &device("1af4/1001"));
    world.file(
        "system",
        "a.org/a1.d/x.xml",
        &os("a1", &device("1af4/1005")),
    );
    let found = world.find("a1");
    assert_eq!((found.disk_bus, found.rng), ("virtio", true));
    // Without the file itself: added.
    world.file("local", "a.org/a1.d/y.xml", &os("a1", &device("1af4/1050")));
    let found = world.find("a1");
    assert_eq!((found.rng, found.video_model), (true, "virtio"));
    // With it: all that was before is gone.
    world.file(
        "user",
        "a.org/a1.xml",
        &os("a1", "<short-id>mine</short-id>"),
    );
    let found = world.find("mine");
    assert_eq!(
        (found.disk_bus, found.rng, found.video_model),
        ("ide", false, "vga")
    );
    // A short name that two have belongs to the directory that counts most.
    world.os("zz", "<short-id>a1</short-id>");
    world.file("user", "a.org/b1.xml", &os("b1", "<short-id>zz</short-id>"));
    assert_eq!(world.find("a1").id.as_deref(), Some("http://a.org/a1"));
    assert_eq!(world.find("zz").id.as_deref(), Some("http://a.org/b1"));
    // An empty file takes a system away.
    world.file("user", "a.org/a1.xml", "");
    assert!(world.info().find("http://a.org/a1", "x86_64").is_err());
}

#[test]
fn who_is_made_of_himself_is_told_so() {
    let world = World::new();
    world.os("a1", &[from("a2"), device("1af4/1001")].concat());
    world.os("a2", &[from("a3"), device("1af4/1005")].concat());
    world.os("a3", &[from("a1"), from("a3"), from("gone")].concat());
    let found = world.info().find("a1", "x86_64").unwrap();
    assert_eq!((found.disk_bus, found.rng), ("virtio", true));
    assert_eq!(
        found.warnings,
        [
            "'http://a.org/a1' is made of itself, by way of 'http://a.org/a3'",
            "'http://a.org/a3' is made of itself, by way of 'http://a.org/a3'",
            "'http://a.org/gone', which 'http://a.org/a3' is made of, is not there",
        ]
    );
}

#[test]
fn a_common_ancestor_is_no_loop_and_a_long_line_ends() {
    let world = World::new();
    world.os("top", &device("1af4/1001"));
    world.os("left", &from("top"));
    world.os("right", &from("top"));
    world.os("both", &[from("left"), from("right")].concat());
    assert_eq!(world.find("both").disk_bus, "virtio");
    for n in 0..400 {
        world.os(&format!("n{n}"), &from(&format!("n{}", n + 1)));
    }
    let found = world.info().find("n0", "x86_64").unwrap();
    assert_eq!(found.warnings.len(), 1);
    assert!(
        found.warnings[0].contains("more than 256"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn a_file_that_cannot_be_understood_is_left_out_and_named() {
    let world = World::new();
    world.os("a1", &device("1af4/1001"));
    world.os("a2", &from("a1"));
    let bomb = "<!DOCTYPE libosinfo [<!ENTITY a 'a'>]><libosinfo><os id='http://a.org/a1'>\
                <short-id>a1</short-id></os></libosinfo>";
    let huge = os("a1", &" ".repeat(1 << 20));
    let elsewhere = os("a3", "<short-id>a1</short-id>");
    for (bad, why) in [
        (
            "<libosinfo><os id='http://a.org/a1'><short-id>a1</short-id>",
            "ends inside",
        ),
        (
            "<domain><short-id>a1</short-id></domain>",
            "is not a <libosinfo>",
        ),
        (bomb, "has a DTD"),
        (&huge, "more than 1024 KiB"),
        (&elsewhere, "must be in os/a.org/a3.xml"),
    ] {
        let path = world.file("user", "a.org/a1.xml", bad);
        for word in ["a1", "a2"] {
            let found = world.info().find(word, "x86_64").unwrap();
            assert_eq!(found.disk_bus, "virtio", "{why}");
            let [warning] = found.warnings.as_slice() else {
                panic!("{why}: {:?}", found.warnings);
            };
            assert!(warning.contains(why), "{warning}");
            assert!(warning.contains(&path.display().to_string()), "{warning}");
        }
        assert_eq!(world.info().all().warnings.len(), 1);
        let error = world.info().find("a9", "x86_64").unwrap_err();
        assert!(hints(&error).contains(why), "{error:?}");
    }
    // A bad extension leaves the rest.
    let path = world.file("user", "a.org/a1.xml", &os("a1", &device("1af4/1005")));
    world.file("user", "a.org/a1.d/bad.xml", "<");
    let found = world.info().find("a1", "x86_64").unwrap();
    assert!(found.rng && found.warnings.len() == 1, "{found:?}");
    // Neither bytes that are no text nor a pipe stop it.
    fs::write(&path, b"\xff\xfe>a1<").unwrap();
    assert_eq!(
        world.info().find("a1", "x86_64").unwrap().disk_bus,
        "virtio"
    );
    fs::remove_file(&path).unwrap();
    let pipe = nix::sys::stat::Mode::from_bits_truncate(0o600);
    nix::unistd::mkfifo(&path, pipe).unwrap();
    let found = world.info().find("a1", "x86_64").unwrap();
    assert_eq!(found.disk_bus, "virtio");
    assert!(found.warnings[0].contains("no regular file"), "{found:?}");
}

#[test]
fn directories_that_lead_in_circles_are_no_trouble() {
    let world = World::new();
    world.os("a1", "");
    let os = world.dir.path().join("system/os");
    symlink(&os, os.join("loop")).unwrap();
    symlink(&os, os.join("a.org/loop.d")).unwrap();
    world.file("system", "a.org/deep/er/a2.xml", &self::os("a2", ""));
    let listing = world.info().all();
    let names: Vec<_> = listing
        .systems
        .iter()
        .map(|os| os.short_ids[0].as_str())
        .collect();
    assert_eq!(names, ["a1", GENERIC]);
}

#[test]
fn the_list_has_everything_in_the_order_of_versions() {
    let world = World::new();
    for name in ["b10", "b9", "a2", "b1.10", "b1.9"] {
        world.os(name, "<short-id>x</short-id>");
    }
    let listing = world.info().all();
    let names: Vec<_> = listing
        .systems
        .iter()
        .map(|os| os.short_ids[0].as_str())
        .collect();
    assert_eq!(names, ["a2", "b1.9", "b1.10", "b9", "b10", GENERIC]);
    assert_eq!(listing.systems[0].short_ids, ["a2", "x"]);
    assert_eq!(listing.systems[0].name, "The a2");
    assert_eq!(listing.warnings, [""; 0]);
}

#[test]
fn a_directory_that_cannot_be_read_is_an_error() {
    let world = World::new();
    world.os("a1", "");
    // For root too: a link to itself is neither there nor missing.
    fs::create_dir(world.dir.path().join("user")).unwrap();
    symlink("os", world.dir.path().join("user/os")).unwrap();
    let error = OsInfo::at(&world.dirs()).unwrap_err();
    assert_eq!(error.kind(), Kind::Environment);
    assert!(error.to_string().contains("cannot read"), "{error}");
}
