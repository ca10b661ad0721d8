//! Files of guests, read off their disks.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::common::{Guest, Host, tool};

/// The image of a small guest: a file system over the whole disk.
pub(crate) fn guest_image(host: &Host, name: &str, hostname: &str) -> PathBuf {
    let tree = host.root().join("tree");
    for dir in [
        "etc",
        "usr/bin",
        "path/to",
        "path/in/vm",
        "dir",
        "var/lib/dpkg",
        "var/log",
        "lib/modules/6.1.0/kernel",
    ] {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    let write = |path: &str, text: &str| fs::write(tree.join(path), text).unwrap();
    write("etc/hostname", &format!("{hostname}\n"));
    write(
        "etc/os-release",
        "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
    );
    write(
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
    );
    write(
        "etc/fstab",
        "nonsense\nUUID=gone /srv xfs defaults\nUUID=cd /cd iso9660 noauto\n",
    );
    write("path/to/file", "a file\n");
    write("path/in/vm/one", "one\n");
    write("file", "text\n");
    write("var/log/syslog", "one\ntwo \x1b[2J\nthree\n");
    write("evil", "\x1b[31mred\n");
    write("etc/\x1b[2Jevil\nname", "");
    write(
        "var/lib/dpkg/status",
        "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n",
    );
    fs::set_permissions(tree.join("file"), fs::Permissions::from_mode(0o4750)).unwrap();
    if !tree.join("dir/link").is_symlink() {
        symlink("../../../etc/hostname", tree.join("dir/link")).unwrap();
        symlink("/nowhere", tree.join("dir/dangling")).unwrap();
    }
    let raw = host.root().join(format!("{name}.raw"));
    let args = args![
        "-q",
        "-t",
        "ext4",
        "-L",
        "root",
        "-O",
        "^has_journal",
        "-d",
        &tree,
        &raw,
        "16M"
    ];
    tool("mke2fs", &args);
    raw
}

fn guest(host: &Host, name: &str) -> PathBuf {
    let raw = guest_image(host, name, name);
    let image = host.image(&format!("{name}.qcow2"));
    tool(
        "qemu-img",
        &args!["convert", "-f", "raw", "-O", "qcow2", "-c", &raw, &image],
    );
    host.add(Guest::new(name).disk("vda", "qcow2", &image));
    image
}

fn lab() -> Host {
    let host = Host::new();
    for name in ["web-01", "web-02", "db"] {
        guest(&host, name);
    }
    host
}

#[test]
fn a_file_is_printed_as_it_is() {
    let host = lab();
    let before = host.world();
    let printed = host
        .vmkin("cat -d web-01 /etc/hostname /dir/link /../path/to/file")
        .success();
    assert_eq!(printed.stdout(), "web-01\nweb-01\na file\n");
    let printed = host.vmkin("cat -d web-* -d db /etc/hostname").success();
    assert_eq!(printed.stdout(), "web-01\nweb-02\ndb\n");
    // To no terminal, bytes are bytes.
    assert_eq!(
        host.vmkin("cat -q -d db /evil").success().stdout(),
        "\x1b[31mred\n"
    );
    assert_eq!(host.world(), before);
}

#[test]
fn an_image_needs_no_libvirt_if_its_format_is_said() {
    let host = lab();
    let image = host.image("web-01.qcow2");
    let args = args![
        "cat",
        "-c",
        "test:///nowhere/at/all.xml",
        "--format",
        "qcow2",
        "-a",
        &image,
        "/etc/hostname"
    ];
    assert_eq!(host.vmkin_args(&args).success().stdout(), "web-01\n");
    // Or if a domain has it.
    let args = args!["cat", "-a", &image, "/etc/hostname"];
    assert_eq!(host.vmkin_args(&args).success().stdout(), "web-01\n");
    let other = host.raw("other.img");
    let args = args!["cat", "-a", &other, "/etc/hostname"];
    host.vmkin_args(&args).fails(2, "its format is not known");
}

#[test]
fn a_backing_file_that_is_not_trusted_is_not_read() {
    let host = lab();
    let base = host.root().join("other/base.qcow2");
    fs::copy(host.image("db.qcow2"), &base).unwrap();
    let top = host.image("top.qcow2");
    tool(
        "qemu-img",
        &args![
            "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &base, &top
        ],
    );
    let args = args!["cat", "--format", "qcow2", "-a", &top, "/etc/hostname"];
    host.vmkin_args(&args).fails(9, "base.qcow2");
    let dir = host.root().join("other");
    let args = args![
        "cat",
        "--allow-dir",
        &dir,
        "--format",
        "qcow2",
        "-a",
        &top,
        "/etc/hostname"
    ];
    assert_eq!(host.vmkin_args(&args).success().stdout(), "db\n");
}

#[test]
fn what_cannot_be_read_says_why() {
    let host = lab();
    host.vmkin("cat -d web-01 /etc/none")
        .fails(3, "there is no '/etc/none' in the guest");
    host.vmkin("cat -d web-01 /etc")
        .fails(4, "'/etc' is a directory");
    host.vmkin("cat -d web-01 /dir/dangling")
        .fails(3, "/dir/dangling");
    host.vmkin("cat -d none /etc/hostname").fails(3, "none");
    host.vmkin("cat -d none-* /etc/hostname")
        .fails(3, "no domain is named like 'none-*'");
    host.vmkin("cat /etc/hostname")
        .fails(2, "no guest is named");
    host.vmkin("cat -d web-01 --mount /dev/sdz /x")
        .fails(3, "the guest has no device /dev/sdz");
    host.vmkin("cat -d web-* /etc/none")
        .fails(3, "2 of 2 domains could not be read");
}

#[test]
fn a_disk_without_an_operating_system_can_be_mounted_by_hand() {
    let host = Host::golden();
    let fail = "no operating system was found";
    host.vmkin("ls -d golden").fails(4, fail);
    let image = host.image("data.img");
    let tree = host.root().join("data");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("numbers"), "1 2 3\n").unwrap();
    tool("mke2fs", &args!["-q", "-d", &tree, &image, "4M"]);
    let images = args!["ls", "--format", "raw", "-a", &image];
    host.vmkin_args(&images)
        .fails(4, fail)
        .says("--mount /dev/sda");
    let args = args![
        "cat", "--format", "raw", "-a", &image, "-m", "/dev/vda", "/numbers"
    ];
    assert_eq!(host.vmkin_args(&args).success().stdout(), "1 2 3\n");
}

#[test]
fn names_do_not_reach_the_terminal_unescaped() {
    let host = lab();
    let listed = host.vmkin("ls -q -d web-01 /etc").success();
    assert_snapshot!(listed.stdout(), @r"
    \x1b[2Jevil\nname
    fstab
    hostname
    os-release
    passwd
    ");
    let raw = host.vmkin("ls -q -0 -d web-01 /etc").success();
    assert!(raw.stdout().starts_with("\x1b[2Jevil\nname\0fstab\0"));
    let long = host.vmkin("ls -l -d web-01 /file /dir").success();
    assert!(long.stdout().starts_with("-rwsr-x---"), "{long}");
    assert!(
        long.stdout().contains(" link -> ../../../etc/hostname\n"),
        "{long}"
    );
    let all = host.vmkin("ls -R -d web-01 /path").success();
    assert_eq!(
        all.stdout(),
        "/path\n/path/in\n/path/in/vm\n/path/in/vm/one\n/path/to\n/path/to/file\n"
    );
}

#[test]
fn all_guests_are_in_one_table() {
    let host = lab();
    let table = host.vmkin("df").success();
    let lines: Vec<&str> = table.stdout().lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[2].starts_with("web-01:/dev/vda  ext4"), "{table}");
    let sizes = host.vmkin("df -h -d db").success();
    assert!(sizes.stdout().contains("MiB"), "{sizes}");
    let inodes = host.vmkin("df -i -d db --json").success().json();
    assert_eq!(inodes[0]["usage"]["inodes"], 4096);
    let csv = host.vmkin("df --csv -d db").success();
    assert!(csv.stdout().contains("\ndb,/dev/vda,ext4,root,"), "{csv}");
}

#[test]
fn a_guest_is_inspected_though_its_fstab_is_broken() {
    let host = lab();
    let told = host.vmkin("inspect -d web-01").success();
    let told = told
        .says("line 1 of /etc/fstab has too few fields")
        .says("/srv is not mounted");
    assert!(!told.stderr().contains("/cd"), "{told}");
    for line in [
        "System     Debian GNU/Linux 12",
        "Host name  web-01",
        "Kernel     6.1.0",
        "User       ann (1000) /home/ann /bin/sh",
        "Packages   1 (apt)",
    ] {
        assert!(told.stdout().contains(line), "{told}");
    }
    let xml = host.vmkin("inspect -q -d web-01 --xml").success();
    for element in [
        "<distro>debian</distro>",
        "<name>bash</name>",
        "<mountpoint dev=\"/dev/vda\">/</mountpoint>",
    ] {
        assert!(xml.stdout().contains(element), "{xml}");
    }
}

#[test]
fn a_tree_is_copied_and_nothing_is_replaced() {
    let host = lab();
    let to = host.root().join("home/to");
    fs::create_dir(&to).unwrap();
    host.vmkin("copy-out -d web-01 /dir /file to").success();
    assert_eq!(
        fs::read_link(to.join("dir/link")).unwrap(),
        Path::new("../../../etc/hostname")
    );
    let file = fs::metadata(to.join("file")).unwrap();
    // Whose program it would be on this host is nobody's business.
    assert_eq!(file.mode() & 0o7777, 0o750);
    host.vmkin("copy-out -d web-01 /etc/hostname /dir to")
        .fails(5, "there is a 'dir' in to already");
    let left = fs::read_dir(&to).unwrap().count();
    assert_eq!(left, 2);
    host.vmkin("copy-out -d web-01 /etc none")
        .fails(3, "mkdir -p none");
    let copied = host.vmkin("copy-out --json -d db /etc to").success().json();
    assert_eq!(copied[0]["files"], 5);
    let archive = host
        .command()
        .args(["copy-out", "-d", "db", "/dir", "-"])
        .output()
        .unwrap();
    assert!(archive.stdout.starts_with(b"dir\0"));
}

#[test]
fn a_running_guest_is_read_with_a_warning_and_not_if_it_must_hold_still() {
    let host = lab();
    host.add(
        Guest::new("busy")
            .disk("vda", "qcow2", &host.image("db.qcow2"))
            .state(1),
    );
    let read = host.vmkin("cat -d busy /etc/hostname").success();
    assert_eq!(read.stdout(), "db\n");
    assert!(
        read.stderr()
            .contains("may be old in one part and new in another"),
        "{read}"
    );
    host.vmkin("cat --consistent -d busy /etc/hostname")
        .fails(4, "must be shut off");
    let quiet = host
        .vmkin("cat --consistent -d web-01 /etc/hostname")
        .success();
    assert!(!quiet.stderr().contains("old in one part"), "{quiet}");
}

#[test]
fn an_internal_snapshot_can_be_looked_at() {
    let host = lab();
    let image = host.image("web-01.qcow2");
    tool("qemu-img", &args!["snapshot", "-c", "before", &image]);
    let raw = guest_image(&host, "later", "later");
    tool(
        "qemu-img",
        &args!["convert", "-n", "-f", "raw", "-O", "qcow2", &raw, &image],
    );
    let now = host.vmkin("cat -d web-01 /etc/hostname").success();
    assert_eq!(now.stdout(), "later\n");
    let before = host
        .vmkin("cat --snapshot before -d web-01 /etc/hostname")
        .success();
    assert_eq!(before.stdout(), "web-01\n");
    host.vmkin("cat --snapshot none -d web-01 /etc/hostname")
        .fails(3, "none");
}

#[test]
fn lines_and_files_are_looked_for_in_many_guests() {
    let host = lab();
    let found = host
        .vmkin("grep -q -d web-* -d db ^web /etc/hostname")
        .success();
    assert_eq!(
        found.stdout(),
        "web-01:/etc/hostname:1:web-01\nweb-02:/etc/hostname:1:web-02\n"
    );
    let evil = host.vmkin("grep -q -r -i -F -d db [31MRED /").success();
    assert_eq!(evil.stdout(), "db:/evil:1:\\x1b[31mred\n");
    host.vmkin("grep -q -d db nobody /etc/hostname")
        .fails(3, "no line has 'nobody'");
    host.vmkin("grep -d db ( /etc/hostname")
        .fails(2, "the pattern makes no sense");
    let found = host.vmkin("find -q -d web-01 --mode 4000").success();
    assert_eq!(found.stdout(), "web-01:/file\n");
    let found = host
        .vmkin("find -q -d web-01 --name h* --type f /etc")
        .success();
    assert_eq!(found.stdout(), "web-01:/etc/hostname\n");
}

#[test]
fn what_differs_between_two_guests_is_told() {
    let host = lab();
    // The names of the hosts have the same length.
    let told = host.vmkin("diff -q -d web-01 -d web-02").success();
    assert_eq!(told.stdout(), "~ /etc/hostname (contents)\n");
    let told = host.vmkin("diff -q -d web-01 -d db /etc").success();
    assert_eq!(told.stdout(), "~ /etc/hostname (size)\n");
    let told = host
        .vmkin("diff -q -d web-01 -d db /path --quick")
        .success();
    assert_eq!(told.stdout(), "");
    let _same = host.vmkin("diff -d web-01 -d db /file").success();
    host.vmkin("diff -d web-01")
        .fails(2, "two guests are compared");
}

#[test]
fn the_end_of_a_log_is_printed_escaped() {
    let host = lab();
    let log = host.vmkin("log -q -n 2 -d db").success();
    assert_eq!(log.stdout(), "two \\x1b[2J\nthree\n");
}
