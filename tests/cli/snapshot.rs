use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::common::{Guest, Host, TEST_NAMESPACE, tool};

const UUID: &str = "00000000-0000-4000-8000-000000000009";

/// A host with the domain `guest`: two disks, a CD drive and UEFI variables.
struct Scene {
    host: Host,
    disks: [PathBuf; 2],
    variables: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let host = Host::new();
        let disks = [host.qcow2("a.qcow2"), host.qcow2("b.qcow2")];
        let variables = host.root().join("nvram/guest_VARS.fd");
        let scene = Self {
            host,
            disks,
            variables,
        };
        scene.write(1);
        scene.host.add(scene.guest());
        scene
    }

    fn guest(&self) -> Guest {
        Guest::new("guest")
            .uuid(UUID)
            .disk("vda", "qcow2", &self.disks[0])
            .disk("vdb", "qcow2", &self.disks[1])
            .device(
                "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>",
            )
            .nvram(&self.variables)
    }

    /// The guest writes to all that it has.
    fn write(&self, what: u8) {
        for disk in &self.disks {
            let write = format!("write -P {what} 0 128k");
            tool("qemu-io", &args!["-f", "qcow2", "-c", &write, disk]);
        }
        fs::write(&self.variables, vec![what; 4096]).unwrap();
    }

    /// Fails unless all is as the guest wrote it then.
    #[track_caller]
    fn has(&self, what: u8) {
        for disk in &self.disks {
            assert!(reads(disk, what), "{} is not at {what}", disk.display());
            tool("qemu-img", &args!["check", "-q", "-f", "qcow2", disk]);
        }
        assert_eq!(fs::read(&self.variables).unwrap()[0], what);
    }

    /// Has libvirt remember a snapshot, as the test driver does not from one
    /// command to the next.
    fn let_libvirt_know(&self, name: &str, state: &str, disk: &str) {
        let domain = format!(
            "<domain type='test'><name>guest</name><uuid>{UUID}</uuid><memory unit='MiB'>512</memory>\
             <vcpu>1</vcpu><os><type arch='i686'>hvm</type></os><devices>\
             <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>\
             <target dev='vda' bus='virtio'/></disk></devices></domain>",
            self.disks[0].display()
        );
        let record = format!(
            "<test:domainsnapshot xmlns:test='{TEST_NAMESPACE}'><name>{name}</name>\
             <creationTime>1700000000</creationTime><state>{state}</state>{disk}{domain}<active>0</active>\
             </test:domainsnapshot></domain>"
        );
        self.host
            .edit("guest", |xml| match xml.strip_suffix("</domain>") {
                Some(head) => format!("{head}{record}"),
                None => xml.to_owned(),
            });
    }
}

/// Whether the guest sees this where it wrote.
fn reads(disk: &Path, what: u8) -> bool {
    let read = format!("read -P {what} 0 128k");
    let said = tool("qemu-io", &args!["-f", "qcow2", "-c", &read, disk]);
    !said.contains("verification failed")
}

/// The names that `qemu-img` knows.
fn tags(disk: &Path) -> Vec<String> {
    let info = tool(
        "qemu-img",
        &args!["info", "--output=json", "-f", "qcow2", disk],
    );
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let tags = info["snapshots"].as_array().cloned().unwrap_or_default();
    let names = tags.iter().map(|tag| tag["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[test]
fn all_disks_and_the_variables_go_there_and_back() {
    let scene = Scene::new();
    let host = &scene.host;
    assert_snapshot!(host.vmkin("snapshot create -d guest s1"), @"
    --- stderr ---
    Made snapshot 's1' of 'guest'.
    ");
    for disk in &scene.disks {
        assert_eq!(tags(disk), ["s1"]);
    }
    scene.write(2);
    host.vmkin("snapshot create -d guest s2").success();
    scene.write(3);
    // The test driver has forgotten by now what was put on record.
    assert_snapshot!(host.vmkin("snapshot list -d guest"), @"
    Name  Made                  Kind      Memory    Space  Remarks
    s1    [time]  internal       -  512 KiB  not known to libvirt; with UEFI variables
    s2    [time]  internal       -  512 KiB  not known to libvirt; with UEFI variables
    ");
    assert_snapshot!(host.vmkin("snapshot show -d guest s1"), @"
    Name:         s1
    Made:         [time]
    Current:      no
    Kind:         internal
    In:           vda  [host]/images/a.qcow2 (id 1, disk of 1 MiB, 256 KiB of its own)
    In:           vdb  [host]/images/b.qcow2 (id 1, disk of 1 MiB, 256 KiB of its own)
    UEFI:         [host]/nvram/guest_VARS.fd.s1.vmkin-snapshot
    Remarks:      not known to libvirt
    ");
    assert_snapshot!(host.vmkin("snapshot apply -d guest s1 --dry-run"), @"
    Back to snapshot 's1'
      vda  [host]/images/a.qcow2
      vdb  [host]/images/b.qcow2
      UEFI variables  [host]/nvram/guest_VARS.fd
    ");
    scene.has(3);
    host.vmkin("snapshot apply -d guest s1").fails(2, "--yes");
    scene.has(3);
    assert_snapshot!(host.vmkin("snapshot apply --yes -d guest s1"), @"
    --- stderr ---
    'guest' is back at snapshot 's1'.
    ");
    scene.has(1);
    host.vmkin("snapshot revert --yes -d guest s2").success();
    scene.has(2);
    assert_snapshot!(host.vmkin("snapshot delete -d guest s1 --dry-run"), @"
    Snapshot 's1'
      vda  [host]/images/a.qcow2
      vdb  [host]/images/b.qcow2
      UEFI variables  [host]/nvram/guest_VARS.fd.s1.vmkin-snapshot
      libvirt does not know of it
    ");
    host.vmkin("snapshot delete -d guest s1").fails(2, "--yes");
    assert_snapshot!(host.vmkin("snapshot delete --yes -d guest s1"), @"
    --- stderr ---
    Deleted snapshot 's1' of 'guest'.
    ");
    host.vmkin("snapshot rm --yes -d guest s2").success();
    scene.has(2);
    assert_snapshot!(host.vmkin("snapshot list -d guest"), @"There are no snapshots.");
    let files = host.world().files();
    assert!(
        !files.iter().any(|name| name.contains("snapshot")),
        "{files:?}"
    );
    assert!(host.world().journals().is_empty());
}

#[test]
fn a_name_is_taken_once_and_made_of_the_time_if_nobody_gives_one() {
    let scene = Scene::new();
    let host = &scene.host;
    host.vmkin("snapshot create -d guest s1").success();
    let before = host.world();
    host.vmkin("snapshot create -d guest s1")
        .fails(5, "vda of domain 'guest' has a snapshot 's1' already");
    assert_eq!(host.world(), before);
    let made = host
        .vmkin("snapshot create -d guest --json")
        .success()
        .json();
    let name = made["name"].as_str().unwrap().to_owned();
    // 2026-11-25-134733
    assert_eq!(name.len(), 17, "{name}");
    assert_eq!(tags(&scene.disks[1]), ["s1", &name]);
    for bad in [
        "",
        "a/b",
        "..",
        "7",
        "-x",
        " x",
        "x ",
        "a\nb",
        "vmkin-undo-1",
    ] {
        let outcome = host.vmkin_args(&["snapshot", "create", "-d", "guest", "--", bad]);
        assert_eq!(outcome.code(), Some(2), "{bad:?}: {outcome}");
    }
    for odd in [
        "<x>&\"'",
        "a b",
        "a,b",
        "\u{e4}\u{4e2d}",
        "a;rm -rf $HOME",
        "%n",
        "1a",
    ] {
        let with = |command: &str| {
            let args = ["snapshot", command, "--yes", "-d", "guest", "--", odd];
            host.vmkin_args(&args).success()
        };
        scene.write(8);
        with("create");
        assert!(tags(&scene.disks[0]).contains(&odd.to_owned()));
        scene.write(9);
        with("apply");
        scene.has(8);
        with("show");
        with("delete");
        assert!(!tags(&scene.disks[0]).contains(&odd.to_owned()));
    }
}

#[test]
fn a_guest_that_is_not_shut_off_keeps_its_disks() {
    let scene = Scene::new();
    let host = &scene.host;
    host.vmkin("snapshot create -d guest s1").success();
    scene.write(2);
    let guests = [
        (scene.guest().state(1), "is running, and must be shut off"),
        (scene.guest().state(3), "is paused, and must be shut off"),
        (scene.guest().saved(), "is saved, and must be shut off"),
    ];
    for (guest, says) in guests {
        host.add(guest);
        let before = host.world();
        for command in [
            "create -d guest s2",
            "apply --yes -d guest s1",
            "delete --yes -d guest s1",
        ] {
            host.vmkin(&format!("snapshot {command}")).fails(4, says);
        }
        host.vmkin("snapshot list -d guest").success();
        assert_eq!(host.world(), before, "{says}");
    }
}

#[test]
fn one_disk_that_cannot_keeps_all_from_it() {
    let scene = Scene::new();
    let host = &scene.host;
    host.vmkin("snapshot create -d guest s1").success();
    tool("qemu-img", &args!["snapshot", "-d", "s1", &scene.disks[1]]);
    scene.write(2);
    let before = host.world();
    host.vmkin("snapshot apply --yes -d guest s1")
        .fails(4, "vdb of domain 'guest' has no snapshot 's1'");
    host.vmkin("snapshot apply --yes -d guest s9")
        .fails(3, "domain 'guest' has no snapshot 's9'");
    host.vmkin("snapshot delete --yes -d guest s9")
        .fails(3, "'s9'");
    host.vmkin("snapshot show -d guest s9").fails(3, "'s9'");
    let raw = host.raw("raw.img");
    host.add(scene.guest().disk("vdc", "raw", &raw));
    host.vmkin("snapshot create -d guest s2")
        .fails(4, "disk vdc of domain 'guest' is in the format raw")
        .says("`vmkin snapshot create --external -d guest`");
    // What is read-only or shared is no part of the guest's own state.
    host.add(scene.guest().disk_with("vdc", "raw", &raw, "<readonly/>"));
    let mut now = host.world();
    let mut then = before;
    for world in [&mut now, &mut then] {
        world.forget("host.xml");
        world.forget("images/raw.img");
        world.forget("source.raw");
    }
    assert_eq!(then, now);
    host.vmkin("snapshot create -d guest s2").success();
    // What is left of a snapshot can be deleted.
    host.vmkin("snapshot delete --yes -d guest s1").success();
    assert_eq!(tags(&scene.disks[0]), ["s2"]);
}

#[test]
fn what_libvirt_has_on_record_is_listed_too() {
    let scene = Scene::new();
    let host = &scene.host;
    tool("qemu-img", &args!["snapshot", "-c", "old", &scene.disks[0]]);
    let internal = "<memory snapshot='no'/><disks><disk name='vda' snapshot='internal'/></disks>";
    scene.let_libvirt_know("old", "shutoff", internal);
    scene.let_libvirt_know("lost", "shutoff", internal);
    let external = "<memory snapshot='no'/><disks><disk name='vda' snapshot='external' \
                    type='file'><driver type='qcow2'/><source file='/a.s'/></disk></disks>";
    scene.let_libvirt_know("outside", "disk-snapshot", external);
    assert_snapshot!(host.vmkin("snapshot list -d guest"), @"
    Name     Made                  Kind      Memory   Space  Remarks
    lost     [time]  internal       -       -  missing in vda
    old      [time]  internal       -  64 KiB  -
    outside  [time]  external       -       -  -
    ");
    host.vmkin("snapshot create -d guest lost")
        .fails(5, "has a snapshot 'lost' already");
    // It is of one disk, and so is not of all.
    host.vmkin("snapshot apply --yes -d guest outside")
        .fails(4, "vdb of domain 'guest' has no part in snapshot 'outside'");
    host.vmkin("snapshot delete --yes -d guest outside")
        .fails(4, "is on another branch");
    // Libvirt's is of one disk, and so is not of all.
    host.vmkin("snapshot apply --yes -d guest old")
        .fails(4, "vdb");
    host.vmkin("snapshot delete --yes -d guest lost").success();
    host.vmkin("snapshot delete --yes -d guest old").success();
    assert!(tags(&scene.disks[0]).is_empty());
}

#[test]
fn an_image_without_a_domain_has_snapshots_too() {
    let host = Host::new();
    let image = host.qcow2("alone.qcow2");
    let on = |command: &str, more: &str| {
        let path = image.display();
        host.vmkin(&format!(
            "snapshot {command} --yes -a {path} --format qcow2 {more}"
        ))
    };
    let write = |what: u8| {
        let write = format!("write -P {what} 0 128k");
        tool("qemu-io", &args!["-f", "qcow2", "-c", &write, &image]);
    };
    write(1);
    on("create", "s1").success();
    write(2);
    on("create", "s2").success();
    write(3);
    assert_snapshot!(on("list", ""), @"
    Name  Made                  Kind      Memory    Space  Remarks
    s1    [time]  internal       -  256 KiB  -
    s2    [time]  internal       -  256 KiB  -
    ");
    assert_snapshot!(on("show", "2"), @"
    Name:         s2
    Made:         [time]
    Current:      no
    Kind:         internal
    In:           [host]/images/alone.qcow2 (id 2, disk of 1 MiB, 256 KiB of its own)
    ");
    on("apply", "s1").success();
    assert!(reads(&image, 1));
    // By its id, as qemu-img has it.
    on("apply", "2").success();
    assert!(reads(&image, 2));
    on("delete", "1").success();
    assert_eq!(tags(&image), ["s2"]);
    on("delete", "s1")
        .fails(3, "has no snapshot 's1'")
        .says("alone.qcow2 --format qcow2`");
    host.vmkin(&format!("snapshot create s3 -a {}", image.display()))
        .fails(2, "--format qcow2");
    host.vmkin(&format!(
        "snapshot list -a {} --format raw",
        image.display()
    ))
    .fails(4, "only qcow2 images have snapshots");
    host.add(Guest::new("guest").disk("vda", "qcow2", &image));
    let before = host.world();
    for command in ["create", "apply", "delete"] {
        on(command, "s2").fails(4, "is disk vda of domain 'guest'");
    }
    on("list", "").success();
    assert_eq!(host.world(), before);
}

#[test]
fn of_two_with_one_name_the_right_one_is_meant() {
    let host = Host::new();
    let image = host.qcow2("alone.qcow2");
    let on = |command: &str, name: &str| {
        let path = image.display();
        host.vmkin(&format!(
            "snapshot {command} --yes -a {path} --format qcow2 {name}"
        ))
    };
    let write = |what: u8| {
        let write = format!("write -P {what} 0 128k");
        tool("qemu-io", &args!["-f", "qcow2", "-c", &write, &image]);
    };
    // The second is called by the id of the first, the fourth like the third.
    for (what, name) in [(1, "a"), (2, "1"), (3, "twin"), (4, "twin")] {
        write(what);
        tool("qemu-img", &args!["snapshot", "-c", name, &image]);
    }
    on("apply", "1").success();
    assert!(reads(&image, 2), "`qemu-img snapshot -a 1` goes by the id");
    on("apply", "4").success();
    assert!(reads(&image, 4));
    for command in ["apply", "delete"] {
        on(command, "twin")
            .fails(4, "has 2 snapshots 'twin' (ids 3 and 4)")
            .says("name one by its id: 3 or 4");
    }
    assert_eq!(tags(&image), ["a", "1", "twin", "twin"]);
    on("apply", "3").success();
    assert!(reads(&image, 3));
    on("delete", "4").fails(4, "several snapshots");
    on("delete", "3").success();
    on("apply", "twin").success();
    assert!(reads(&image, 4));
    on("delete", "twin").success();
    on("delete", "1").success();
    assert_eq!(tags(&image), ["a"]);
}

#[test]
fn a_name_that_a_disk_has_twice_is_nobodys() {
    let scene = Scene::new();
    let host = &scene.host;
    let [first, second] = &scene.disks;
    for disk in [first, first, second] {
        tool("qemu-img", &args!["snapshot", "-c", "daily", disk]);
    }
    scene.write(2);
    let before = host.world();
    for command in ["apply", "delete"] {
        host.vmkin(&format!("snapshot {command} --yes -d guest daily"))
            .fails(4, "disk vda has 2 snapshots 'daily' (ids 1 and 2)")
            .says("`qemu-img snapshot -d daily ");
    }
    assert_eq!(host.world(), before);
    let list = host.vmkin("snapshot list -d guest").success();
    assert!(list.stdout().contains("more than once in vda"), "{list}");
    scene.let_libvirt_know(
        "daily",
        "shutoff",
        "<memory snapshot='no'/><disks><disk name='vda' snapshot='internal'/></disks>",
    );
    let list = host.vmkin("snapshot list -d guest").success();
    assert!(list.stdout().contains("more than once in vda"), "{list}");
    tool("qemu-img", &args!["snapshot", "-d", "daily", first]);
    host.vmkin("snapshot delete --yes -d guest daily").success();
    assert!(tags(first).is_empty() && tags(second).is_empty());
}

#[test]
fn a_copy_of_variables_that_virsh_has_left_is_said_to_be_left() {
    let scene = Scene::new();
    let host = &scene.host;
    let copy = host.root().join("nvram/guest_VARS.fd.s1.vmkin-snapshot");
    fs::write(&copy, "old").unwrap();
    for how in ["", "--external "] {
        host.vmkin(&format!("snapshot create {how}-d guest s1"))
            .fails(5, "exists already, and is never overwritten")
            .says("`vmkin snapshot delete -d guest s1`");
    }
    host.vmkin("snapshot delete --yes -d guest s1").success();
    assert!(!copy.exists());
    host.vmkin("snapshot create -d guest s1").success();
}

#[test]
fn a_base_with_children_gets_no_snapshot() {
    let host = Host::golden();
    host.child("web-01");
    let before = host.world();
    host.vmkin("snapshot create -d golden s1")
        .fails(6, "'web-01'");
    assert_eq!(host.world(), before);
    // Its child does, and what is below stays as it is.
    host.vmkin("snapshot create -d web-01 s1").success();
    host.vmkin("base verify -d golden").success();
}

#[test]
fn an_image_that_somebody_has_open_is_left_alone() {
    let scene = Scene::new();
    let guard = vmkin::image::Guard::base(&scene.disks[1]).unwrap();
    let before = scene.host.world();
    scene
        .host
        .vmkin("snapshot create -d guest s1")
        .fails(7, "is in use by");
    assert_eq!(scene.host.world(), before);
    drop(guard);
    scene.host.vmkin("snapshot create -d guest s1").success();
}

#[test]
fn variables_go_with_their_guest_and_those_of_its_snapshots_with_them() {
    let scene = Scene::new();
    let host = &scene.host;
    host.vmkin("snapshot create -d guest s1").success();
    let copy = host.root().join("nvram/guest_VARS.fd.s1.vmkin-snapshot");
    assert!(copy.exists());
    host.vmkin("delete --yes --force --remove-all-storage -d guest")
        .success();
    assert!(!copy.exists() && !scene.variables.exists());
}

/// What is in the chip is libvirt's, and is in no snapshot.
#[test]
fn the_state_of_a_tpm_is_said_to_stay() {
    let host = Host::new();
    let disk = host.qcow2("a.qcow2");
    let tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>";
    host.add(Guest::new("guest").disk("vda", "qcow2", &disk).device(tpm));
    let made = host.vmkin("snapshot create -d guest s1");
    assert!(
        made.stderr().contains("The state of its TPM is not in"),
        "{made}"
    );
    let back = host.vmkin("snapshot apply --yes -d guest s1");
    assert!(
        back.stderr().contains("The state of its TPM stays"),
        "{back}"
    );
}

/// The test driver keeps records of them and makes no overlay, but what is
/// refused is refused before that.
#[test]
fn external_ones_are_looked_at_before_libvirt_is_asked() {
    let scene = Scene::new();
    let host = &scene.host;
    assert_snapshot!(host.vmkin("snapshot create --external -d guest s1 --dry-run"), @"
    Snapshot 's1'
      vda  [host]/images/a.s1
      vdb  [host]/images/b.s1
      UEFI variables  [host]/nvram/guest_VARS.fd.s1.vmkin-snapshot
    ");
    // A file where the second disk would go on.
    let overlay = scene.disks[1].with_extension("s1");
    fs::write(&overlay, "mine").unwrap();
    host.vmkin("snapshot create --external -d guest s1")
        .fails(5, "exists already, and disk vdb would go on there");
    assert_eq!(fs::read(&overlay).unwrap(), b"mine");
    assert!(!scene.disks[0].with_extension("s1").exists());
    fs::remove_file(&overlay).unwrap();
    host.vmkin("snapshot create --live -d guest s1")
        .fails(4, "must be running for --live");
    // Libvirt would find no names for both when it goes back.
    let twins = Guest::new("twins").disk("vda", "qcow2", &host.qcow2("a2.qcow2"));
    host.add(twins.disk("vdb", "raw", &host.image("a2.raw")));
    fs::write(host.image("a2.raw"), [0; 512]).unwrap();
    host.vmkin("snapshot create --external -d twins s1")
        .fails(4, "called the same but for their extensions");
    for line in [
        "--external -a /x --format qcow2 s1",
        "--quiesce -d guest s1",
    ] {
        host.vmkin(&format!("snapshot create {line}"))
            .fails(2, "Usage: vmkin snapshot create");
    }
    let external = "<memory snapshot='no'/><disks><disk name='vda' snapshot='external' \
                    type='file'><driver type='qcow2'/><source file='/a.s'/></disk></disks>";
    scene.let_libvirt_know("outside", "disk-snapshot", external);
    assert_snapshot!(host.vmkin("snapshot show -d guest outside"), @"
    Name:         outside
    Made:         [time]
    State:        disk-snapshot
    Current:      no
    Kind:         external
    Goes on in:   vda  /a.s
    ");
    scene.has(1);
}
