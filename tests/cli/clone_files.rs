//! What a clone is made of, and where it goes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use insta::assert_snapshot;
use vmkin::image::{Lease, Overlay};
use vmkin::model::ImageFormat;

use crate::common::{DISK, GOLDEN_MAC, Guest, Host, backing, tool};

fn format_of(path: &Path) -> String {
    let info = tool("qemu-img", &args!["info", "-U", "--output=json", path]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    info["format"].as_str().unwrap().to_owned()
}

#[track_caller]
fn same(a: (&Path, &str), b: (&Path, &str)) {
    tool(
        "qemu-img",
        &args!["compare", "-U", "-f", a.1, "-F", b.1, a.0, b.0],
    );
}

fn overlay_on(host: &Host, name: &str, base: &Path, format: ImageFormat) -> std::path::PathBuf {
    let path = host.image(name);
    let spec = Overlay {
        virtual_size: DISK,
        backing: base,
        backing_format: format,
    };
    vmkin::image::write(&path, &spec).unwrap().sync().unwrap();
    path
}

#[test]
fn a_clone_says_what_it_did_and_prints_its_uuid() {
    let host = Host::golden();
    assert_snapshot!(host.vmkin("clone -d golden web-01"), @"
    [uuid]
    --- stderr ---
    Note: network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
    Sealed [host]/images/golden.qcow2 ([sealed]); `vmkin base unseal [host]/images/golden.qcow2` opens it again.
    Cloned 'web-01' from 'golden'.
    ");
    assert_snapshot!(host.vmkin("clone -d golden web-02 -q"), @"[uuid]");
    assert_snapshot!(host.vmkin("clone -d golden web-{n} --from 3 --count 3"), @"
    [uuid]
    [uuid]
    [uuid]
    --- stderr ---
    Note (of 'web-3', and the others likewise): network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
    Cloned 3 domains from 'golden': 'web-3' to 'web-5'.
    ");
}

#[test]
fn a_linked_clone_is_an_overlay_and_seals_its_base() {
    let host = Host::golden();
    let golden = host.image("golden.qcow2");
    host.vmkin("clone -d golden web-01").success();
    let clone = host.image("web-01.qcow2");
    let expected = (golden.display().to_string(), "qcow2".to_owned());
    assert_eq!(backing(&clone), Some(expected));
    tool("qemu-img", &args!["check", "-U", "-f", "qcow2", &clone]);
    same((&golden, "qcow2"), (&clone, "qcow2"));
    let mode = fs::metadata(&golden).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o444);
    let world = host.world();
    assert_eq!(world.seals().len(), 1);
    assert!(world.journals().is_empty());
    assert_eq!(world.images(), ["golden.qcow2", "web-01.qcow2"]);
}

#[test]
fn an_overlay_on_a_raw_disk_says_that_it_is_raw() {
    let host = Host::new();
    let raw = host.raw("golden.img");
    host.add(Guest::new("golden").disk("vda", "raw", &raw));
    host.vmkin("clone -d golden web-01").success();
    let expected = (raw.display().to_string(), "raw".to_owned());
    assert_eq!(backing(&host.image("web-01.qcow2")), Some(expected));
    same((&raw, "raw"), (&host.image("web-01.qcow2"), "qcow2"));
}

#[test]
fn a_raw_disk_that_begins_like_qcow2_stays_raw() {
    let host = Host::new();
    // Its guest wrote a header into it that names a file of the host.
    let raw = host.raw("golden.img");
    let evil = overlay_on(&host, "evil", Path::new("/etc/passwd"), ImageFormat::Raw);
    let mut bytes = fs::read(&evil).unwrap();
    bytes.resize(usize::try_from(DISK).unwrap(), 0);
    fs::write(&raw, bytes).unwrap();
    fs::remove_file(evil).unwrap();
    host.add(Guest::new("golden").disk("vda", "raw", &raw));
    host.vmkin("clone -d golden web-01").success();
    let expected = (raw.display().to_string(), "raw".to_owned());
    assert_eq!(backing(&host.image("web-01.qcow2")), Some(expected));
    host.vmkin("clone -d golden web-02 --full").success();
    same((&raw, "raw"), (&host.image("web-02.img"), "raw"));
}

#[test]
fn a_base_is_left_open_on_request() {
    let host = Host::golden();
    let before = host.world();
    host.vmkin("clone -d golden web-01 --no-seal").success();
    fs::remove_file(host.image("web-01.qcow2")).unwrap();
    assert_eq!(host.world(), before);
}

#[test]
fn a_full_copy_keeps_the_format_and_depends_on_nothing() {
    let host = Host::golden();
    let raw = host.raw("data.img");
    host.add(host.golden_guest().disk("vdb", "raw", &raw));
    let before = host.world();
    host.vmkin("clone -d golden web-01 --full").success();
    let (vda, vdb) = (host.image("web-01.qcow2"), host.image("web-01-vdb.img"));
    assert_eq!(format_of(&vda), "qcow2");
    assert_eq!(backing(&vda), None);
    same((&host.image("golden.qcow2"), "qcow2"), (&vda, "qcow2"));
    same((&raw, "raw"), (&vdb, "raw"));
    fs::remove_file(vda).unwrap();
    fs::remove_file(vdb).unwrap();
    assert_eq!(host.world(), before, "a copy leaves its original alone");
}

#[test]
fn a_full_copy_of_a_chain_is_one_image() {
    for reflink in ["auto", "never"] {
        let host = Host::new();
        let base = host.raw("base.img");
        let middle = overlay_on(&host, "middle.qcow2", &base, ImageFormat::Raw);
        let top = overlay_on(&host, "golden.qcow2", &middle, ImageFormat::Qcow2);
        tool(
            "qemu-io",
            &args!["-f", "qcow2", "-c", "write -P 7 64k 64k", &middle],
        );
        tool(
            "qemu-io",
            &args!["-f", "qcow2", "-c", "write -P 9 96k 64k", &top],
        );
        host.add(
            Guest::new("golden")
                .disk("vda", "qcow2", &top)
                .nic(GOLDEN_MAC),
        );
        host.vmkin(&format!(
            "clone -d golden web-01 --full --reflink={reflink}"
        ))
        .success();
        let copy = host.image("web-01.qcow2");
        assert_eq!(backing(&copy), None);
        same((&top, "qcow2"), (&copy, "qcow2"));
        tool("qemu-img", &args!["check", "-f", "qcow2", &copy]);
        host.vmkin("clone -d golden web-02").success();
        same((&top, "qcow2"), (&host.image("web-02.qcow2"), "qcow2"));
    }
}

#[test]
fn a_read_only_disk_stays_shared_and_a_disk_is_shared_on_request() {
    let host = Host::golden();
    let (data, iso) = (host.raw("data.img"), host.raw("cd.iso"));
    host.add(host.golden_guest().disk("vdb", "raw", &data).disk_with(
        "vdc",
        "raw",
        &iso,
        "<readonly/>",
    ));
    let xml = host
        .vmkin("clone -d golden web-01 --share vdb --print-xml")
        .success();
    assert!(xml.stdout().contains(data.to_str().unwrap()), "{xml}");
    let outcome = host.vmkin("clone -d golden web-01 --share vdb").success();
    outcome
        .says("disk vdb")
        .says("disk vdc")
        .says("both write to it");
    assert_eq!(
        host.world().images(),
        ["cd.iso", "data.img", "golden.qcow2", "web-01.qcow2"]
    );
    assert_snapshot!(host.vmkin("clone -d golden web-02 --share vdz"), @"
    --- stderr ---
    error: domain 'golden' has no disk vdz
      hint: its disks are: vda, vdb, vdc
    --- exit 3 ---
    ");
}

#[test]
fn files_go_where_they_are_wanted() {
    let host = Host::golden();
    let raw = host.raw("data.img");
    host.add(host.golden_guest().disk("vdb", "raw", &raw));
    let (a, b) = (
        host.root().join("other/a b,c:d.qcow2"),
        host.root().join("other/x.img"),
    );
    host.vmkin_args(&args![
        "clone", "-d", "golden", "web-01", "--file", &a, "--file", &b
    ])
    .success();
    assert!(backing(&a).is_some() && backing(&b).is_some());
    host.vmkin_args(&args![
        "clone",
        "-d",
        "golden",
        "web-02",
        "--dir",
        &host.root().join("other")
    ])
    .success();
    assert!(host.root().join("other/web-02.qcow2").exists());
    assert!(host.root().join("other/web-02-vdb.qcow2").exists());
    // A relative path is one of the working directory.
    host.vmkin("clone -d golden web-03 --dir ../other")
        .success();
    assert!(host.root().join("other/web-03.qcow2").exists());
    assert_eq!(host.world().images(), ["data.img", "golden.qcow2"]);
}

#[test]
fn a_pool_is_found_and_never_defined() {
    let host = Host::golden();
    host.pool("tank", &host.root().join("other"));
    let outcome = host
        .vmkin("clone -d golden web-01 --pool tank --dry-run")
        .success();
    assert!(
        outcome.stdout().contains("refresh storage pool 'tank'"),
        "{outcome}"
    );
    assert!(
        !outcome.stdout().contains("define storage pool"),
        "{outcome}"
    );
    host.vmkin("clone -d golden web-01 --pool tank").success();
    assert!(host.root().join("other/web-01.qcow2").exists());
    assert_snapshot!(host.vmkin("clone -d golden web-02 --pool nope"), @"
    --- stderr ---
    error: no storage pool 'nope'
      hint: see which there are: `virsh pool-list --all`
    --- exit 3 ---
    ");
}

#[test]
fn the_variables_of_uefi_are_copied() {
    let host = Host::golden();
    let vars = host.root().join("nvram/golden_VARS.fd");
    fs::write(&vars, b"variables").unwrap();
    host.add(host.golden_guest().nvram(&vars));
    host.vmkin("clone -d golden web-01").success();
    let copy = host.root().join("nvram/web-01_VARS.fd");
    assert_eq!(fs::read(copy).unwrap(), b"variables");
    let elsewhere = host.root().join("other/v.fd");
    host.vmkin_args(&args![
        "clone", "-d", "golden", "web-02", "--nvram", &elsewhere
    ])
    .success();
    assert_eq!(fs::read(elsewhere).unwrap(), b"variables");
}

#[test]
fn a_golden_domain_need_not_be_defined() {
    let host = Host::golden();
    let xml = host
        .vmkin("clone -d golden template --print-xml --full")
        .success();
    let file = host.root().join("golden.xml");
    // The same disk, but no domain of this host.
    let text = xml.stdout().replace("template.qcow2", "golden.qcow2");
    fs::write(&file, &text).unwrap();
    let before = host.world();
    host.vmkin_args(&args![
        "clone",
        "--original-xml",
        &file,
        "web-01",
        "--print-xml"
    ])
    .success();
    assert_eq!(host.world(), before);
    host.vmkin_args(&args!["clone", "--original-xml", &file, "web-01"])
        .success()
        .says("Cloned 'web-01' from 'template'.");
    assert!(backing(&host.image("web-01.qcow2")).is_some());
    for bad in [
        "",
        "<domain>",
        "<network/>",
        "no xml",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><domain/>",
        "<domain><name>x</name><name>y</name></domain>",
    ] {
        fs::write(&file, bad).unwrap();
        let outcome = host.vmkin_args(&args!["clone", "--original-xml", &file, "web-02"]);
        outcome.fails(2, "error: ");
    }
    host.vmkin("clone --original-xml /nowhere/x.xml web-02")
        .fails(3, "cannot read /nowhere/x.xml");
    host.vmkin("clone --original-xml / web-02")
        .fails(2, "cannot read /");
}

#[test]
fn what_is_there_is_never_overwritten() {
    type Make = fn(&Path, &Host);
    let cases: &[(&str, Make)] = &[
        ("a file", |path, _| fs::write(path, "mine").unwrap()),
        ("a directory", |path, _| fs::create_dir(path).unwrap()),
        ("a link to a disk", |path, host| {
            symlink(host.image("golden.qcow2"), path).unwrap()
        }),
        ("a dangling link", |path, _| {
            symlink("/nowhere/at/all", path).unwrap()
        }),
        ("a link to itself", |path, _| symlink(path, path).unwrap()),
        ("a pipe", |path, _| {
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap()
        }),
        ("another name of the base", |path, host| {
            fs::hard_link(host.image("golden.qcow2"), path).unwrap();
        }),
    ];
    for (what, make) in cases {
        let host = Host::golden();
        let there = host.image("web-01.qcow2");
        make(&there, &host);
        let before = host.world();
        let there = there.to_str().unwrap();
        for args in [
            &["web-01"][..],
            &["web-01", "--full"],
            &["other", "--file", there],
            &["web-00", "web-01"],
            &["web-01", "--dry-run"],
        ] {
            let args = [&["clone", "-d", "golden"], args].concat();
            host.vmkin_args(&args)
                .fails(5, "exists already, and is not overwritten");
            assert_eq!(host.world(), before, "{what}: {args:?}");
        }
    }
}

#[test]
fn paths_that_no_disk_can_have() {
    let host = Host::golden();
    let golden = host.image("golden.qcow2");
    let busy = host.raw("busy.img");
    host.add(Guest::new("busy").disk("vda", "raw", &busy));
    fs::write(host.root().join("file"), "").unwrap();
    let before = host.world();
    let rows: &[(&[&OsStr], i32, &str)] = &[
        (&args!["--file", ""], 2, "--file"),
        (&args!["--file", "a\nb"], 2, "a path cannot contain"),
        (&args!["--file", "a\u{1b}b"], 2, "a path cannot contain"),
        (
            &args!["--file", OsStr::from_bytes(b"a\xff")],
            2,
            "not UTF-8",
        ),
        (&args!["--file", &golden], 5, "exists already"),
        (&args!["--file", &busy], 5, "exists already"),
        (
            &args!["--file", "x", "--file", "y"],
            2,
            "--file is given 2 times",
        ),
        (
            &args!["--file", "/nowhere/x.qcow2"],
            3,
            "cannot place clones in /nowhere",
        ),
        (&args!["--file", "/dev/null"], 5, "exists already"),
        (&args!["--dir", ""], 2, "--dir"),
        (
            &args!["--dir", "/nowhere"],
            3,
            "cannot place clones in /nowhere",
        ),
        (&args!["--dir", "../file"], 2, "is not a directory"),
        (&args!["--dir", "a\nb"], 2, "a path cannot contain"),
        (&args!["--dir", OsStr::from_bytes(b"a\xff")], 2, "not UTF-8"),
        (&args!["--pool", "nope"], 3, "no storage pool 'nope'"),
        (&args!["--nvram", "x"], 2, "has no file of UEFI variables"),
        (&args!["--share", "vdz"], 3, "has no disk vdz"),
        (&args!["--share", "../x"], 2, "invalid value"),
        (&args!["--share", ""], 2, "--share"),
    ];
    for (args, code, what) in rows {
        let args = [&args!["clone", "-d", "golden", "web-01"][..], args].concat();
        host.vmkin_args(&args).fails(*code, what);
        assert_eq!(host.world(), before, "{args:?}");
    }
    let twice = args![
        "clone",
        "-d",
        "golden",
        "a",
        "b",
        "--file",
        "x",
        "--file",
        "../home/x"
    ];
    host.vmkin_args(&twice).fails(2, "given twice");
    let once = args!["clone", "-d", "golden", "a", "b", "--file", "x"];
    host.vmkin_args(&once).fails(2, "--file is given 1 times");
    assert_eq!(host.world(), before);
}

#[test]
fn strange_names_of_images_work() {
    for name in [
        "a,b.qcow2",
        "x:y.qcow2",
        "-lead.qcow2",
        "sp ace.qcow2",
        "json:{}.qcow2",
        "ü&'.qcow2",
    ] {
        let host = Host::new();
        let image = host.qcow2("plain");
        let strange = host.image(name);
        fs::rename(image, &strange).unwrap();
        host.add(Guest::new("golden").disk("vda", "qcow2", &strange));
        host.vmkin("clone -d golden web-01").success();
        let clone = host.image("web-01.qcow2");
        let (path, _) = backing(&clone).unwrap();
        assert_eq!(Path::new(&path), strange);
        tool("qemu-img", &args!["check", "-U", "-f", "qcow2", &clone]);
        host.vmkin("clone -d golden web-02 --full").success();
        same((&clone, "qcow2"), (&host.image("web-02.qcow2"), "qcow2"));
        host.vmkin_args(&args!["base", "verify", &strange])
            .success();
        host.vmkin_args(&args!["base", "unseal", "-y", "--force", "--", &strange])
            .success();
    }
}

#[test]
fn disks_that_are_no_images() {
    let host = Host::new();
    symlink("loop.qcow2", host.image("loop.qcow2")).unwrap();
    fs::create_dir(host.image("directory")).unwrap();
    fs::write(host.image("empty.qcow2"), "").unwrap();
    fs::write(host.image("short.qcow2"), b"QFI\xfb\0\0\0\x03\0\0").unwrap();
    nix::unistd::mkfifo(&host.image("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (name, format, code) in [
        ("none.qcow2", "qcow2", 3),
        ("loop.qcow2", "qcow2", 9),
        ("directory", "raw", 4),
        ("pipe", "raw", 4),
        ("empty.qcow2", "qcow2", 9),
        ("short.qcow2", "qcow2", 9),
        ("empty.qcow2/below", "qcow2", 3),
    ] {
        host.add(Guest::new("golden").disk("vda", format, &host.image(name)));
        let before = host.world();
        for way in ["", "--full", "--dry-run"] {
            let outcome = host.vmkin(&format!("clone -d golden web-01 {way}"));
            outcome.fails(code, "disk vda");
            assert_eq!(host.world(), before, "{name} {way}");
        }
    }
    // Nobody listens on port 1.
    for (source, code, why) in [
        ("protocol='rbd' name='p/x'", 4, "qemu+ssh://localhost"),
        ("protocol='iscsi' name='p/x'", 4, "by the protocol 'iscsi'"),
        ("protocol='nbd' tls='yes'", 4, "behind TLS"),
        ("protocol='nbd' name='x'", 8, "nbd://127.0.0.1:1/x"),
    ] {
        host.add(Guest::new("golden").device(&format!(
            "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source {source}>\
             <host name='127.0.0.1' port='1'/></source><target dev='vda' bus='virtio'/></disk>"
        )));
        let before = host.world();
        host.vmkin("clone -d golden web-01").fails(code, why);
        assert_eq!(host.world(), before);
    }
    // A volume that libvirt alone can reach.
    host.pool_of(
        "rbd",
        "rack",
        "<capacity>1073741824</capacity><source><name>ceph</name><host name='mon'/></source>\
         <volume><name>x</name><capacity>1048576</capacity><target><path>ceph/x</path></target>\
         </volume>",
    );
    host.add(Guest::new("golden").device(
        "<disk type='volume' device='disk'><driver name='qemu' type='raw'/>\
         <source pool='rack' volume='x'/><target dev='vda' bus='virtio'/></disk>",
    ));
    for way in ["", "--full", "--full --pool rack"] {
        let outcome = host.vmkin(&format!("clone -d golden web-01 {way}"));
        outcome.fails(4, "disk vda, volume 'x' of pool 'rack', is no file");
    }
}

#[test]
fn a_base_by_another_name_is_the_base() {
    let host = Host::new();
    let image = host.qcow2("real.qcow2");
    symlink(&image, host.image("golden.qcow2")).unwrap();
    host.add(Guest::new("golden").disk("vda", "qcow2", &host.image("golden.qcow2")));
    host.vmkin("clone -d golden web-01").success();
    let (path, _) = backing(&host.image("web-01.qcow2")).unwrap();
    assert_eq!(
        Path::new(&path),
        image,
        "a link could lead elsewhere one day"
    );
}

#[test]
fn one_image_cannot_be_two_disks() {
    let host = Host::golden();
    let image = host.image("golden.qcow2");
    host.add(host.golden_guest().disk("vdb", "qcow2", &image));
    let before = host.world();
    host.vmkin("clone -d golden web-01")
        .fails(4, "disks vda and vdb are the same image");
    assert_eq!(host.world(), before);
}

#[test]
fn a_disk_that_somebody_writes_to_is_not_cloned() {
    let host = Host::golden();
    let before = host.world();
    let lease = Lease::exclusive(&host.image("golden.qcow2")).unwrap();
    for way in ["", "--full"] {
        let outcome = host.vmkin(&format!("clone -d golden web-01 {way}"));
        outcome.fails(7, "golden.qcow2");
        assert_eq!(host.world(), before);
    }
    drop(lease);
    host.vmkin("clone -d golden web-01").success();
}

#[test]
fn a_domain_without_disks_has_clones_too() {
    let host = Host::new();
    host.add(Guest::new("golden").nic(GOLDEN_MAC));
    host.vmkin("clone -d golden web-01").success();
    assert!(host.world().images().is_empty());
}

#[test]
fn clones_can_be_started_at_once() {
    let host = Host::golden();
    assert_snapshot!(host.vmkin("clone -d golden web-{n} --count 2 --start"), @"
    [uuid]
    [uuid]
    --- stderr ---
    Note (of 'web-1', and the others likewise): network interface 1 ([mac]): the fixed name 'testnet0' on the host was dropped, so libvirt picks one.
    Sealed [host]/images/golden.qcow2 ([sealed]); `vmkin base unseal [host]/images/golden.qcow2` opens it again.
    Cloned 2 domains from 'golden': 'web-1' to 'web-2'.
    ");
}

#[test]
fn a_directory_that_everybody_can_write_to() {
    let host = Host::golden();
    let open = host.root().join("other");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let outcome = host.vmkin_args(&args!["clone", "-d", "golden", "web-01", "--dir", &open]);
    outcome.success().says("warning: Everybody can write to");
    // Nobody can take away another's file where the sticky bit is set.
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    let outcome = host.vmkin_args(&args!["clone", "-d", "golden", "web-02", "--dir", &open]);
    assert!(!outcome.success().stderr().contains("warning:"));
}

/// Somebody could put a hostile image where a good one was looked at.
#[test]
fn a_base_where_everybody_can_put_another() {
    let host = Host::golden();
    let images = host.root().join("images");
    for (mode, warned) in [(0o777, true), (0o1777, false), (0o775, false)] {
        fs::set_permissions(&images, fs::Permissions::from_mode(mode)).unwrap();
        let dir = host.root().join("other");
        let clone = host.vmkin_args(&args![
            "clone",
            "-d",
            "golden",
            "web-01",
            "--dir",
            &dir,
            "--dry-run"
        ]);
        let start = host.vmkin("start -d golden");
        for outcome in [clone.success(), start.success()] {
            let warning = format!("warning: Everybody can write to {}", images.display());
            assert_eq!(outcome.stderr().contains(&warning), warned, "{outcome}");
        }
    }
}

/// A directory that is another one through FUSE, until this is dropped.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn over(real: &Path, place: &Path) -> Self {
        fs::create_dir(real).unwrap();
        fs::create_dir(place).unwrap();
        tool("bindfs", &args![real, place]);
        Self(place.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        tool("fusermount3", &args!["-u", "-z", &self.0]);
    }
}

#[test]
fn clones_are_made_where_a_name_takes_two_steps() {
    let host = Host::golden();
    let (real, place) = (host.image("real"), host.image("mounted"));
    let _mounted = Mounted::over(&real, &place);
    // As on NFS.
    fs::write(place.join("one"), "").unwrap();
    let [one, two] = ["one", "two"].map(|name| place.join(name));
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    let refused = rustix::fs::renameat_with(rustix::fs::CWD, &one, rustix::fs::CWD, &two, flags);
    assert_eq!(refused, Err(rustix::io::Errno::INVAL));
    fs::remove_file(one).unwrap();

    let clone = |names: &str| {
        host.vmkin(&format!(
            "clone -d golden {names} --dir {}",
            place.display()
        ))
    };
    clone("web-01 web-02").success();
    clone("web-03 --full").success();
    fs::write(real.join("web-04.qcow2"), "mine").unwrap();
    clone("web-04").fails(5, "web-04.qcow2");
    assert_eq!(fs::read(real.join("web-04.qcow2")).unwrap(), b"mine");
    let names = fs::read_dir(&real).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let wanted = [
        "web-01.qcow2",
        "web-02.qcow2",
        "web-03.qcow2",
        "web-04.qcow2",
    ];
    assert_eq!(names, wanted);
    let golden = host.image("golden.qcow2");
    same((&golden, "qcow2"), (&place.join("web-01.qcow2"), "qcow2"));
    assert!(host.world().journals().is_empty());
}
