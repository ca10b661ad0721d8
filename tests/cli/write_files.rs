//! Changing the files of guests, with a `guestfish` that writes to the overlay it
//! is given without an appliance: what happens around it is what matters here.
//! What libguestfs makes of the changes is in `tests/tools_guest/writing.rs`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::common::{Guest, Host, tool};
use crate::guest_files::guest_image;

/// A `guestfish` that takes disks, puts each file that is written where it belongs
/// on the disk that is mounted there, by `debugfs`, and writes something to the last
/// disk if that is wanted. All else it only says that it does, as the real one
/// answers. Where it is to stall, it runs no kernel without emulation.
const GUESTFISH: &str = r#"#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
here=$(dirname "$0"); count=0; last=; fail=$(cat "$here/fail" 2>/dev/null)
while read -r line; do
    case $line in
        "echo "*) echo "${line#echo }"; continue ;;
        -add-drive*)
            last=${line#*\"}; last=${last%%\"*}
            eval "disk_$count=\$last"; count=$((count + 1)); format=${line##*:} ;;
        -launch)
            [ ! -e "$here/launches" ] || echo >> "$here/launches"
            if [ -e "$here/stall" ] && [ -z "$LIBGUESTFS_BACKEND_SETTINGS" ]; then
                echo "Booting from ROM..." >&2
                sleep 60
            fi ;;
        -mount-options*)
            eval "set -- ${line#-}"
            letter=${3#/dev/sd}; letter=${letter%%[0-9]*}; before=abcdefgh; before=${before%%$letter*}
            eval "fs_${4#/fs}=\$disk_${#before}" ;;
        -upload*|-write*)
            eval "set -- ${line#-}"
            case $1 in
                upload) from=$2 to=$3 ;;
                # What the shell has for itself does not know \x.
                write) from=$(mktemp) to=$2; /usr/bin/printf %b "$3" > "$from" ;;
            esac
            fs=${to#/fs}; path=/${fs#*/}; eval "disk=\$fs_${fs%%/*}"
            qemu-img convert -U -f "$format" -O raw "$disk" "$from.raw"
            "$here/put" "$from" "$path" "$from.raw"
            qemu-io -f "$format" -c "write -s $from.raw 0 16M" "$disk" >/dev/null
            [ "$1" = upload ] || rm -f "$from" "$from.raw"
            [ ! -e "$here/both" ] || qemu-io -f qcow2 -c "write -P 65 800k 128k" "$last" >/dev/null ;;
        -*x*x) case ${line#-} in *[!0-9a-fx]*) ;; *) echo "${line#-}: unknown command" >&2; continue ;; esac ;;
    esac
    case ${line#-} in
        "lgetxattr "*) echo "*stdin*:1: libguestfs: error: lgetxattr: No data available" >&2 ;;
        "${fail:-nothing} "*|"${fail:-nothing}") echo "*stdin*:1: libguestfs: error: $fail: it is broken" >&2 ;;
    esac
done
"#;

/// Puts a file in the place of another in a file system, the same way each time,
/// and makes the directories above it.
const PUT: &str = r#"#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin E2FSPROGS_FAKE_TIME=1000000000
cp "$1" "$3.file"; chmod 600 "$3.file"; touch -d @1000000000 "$3.file"
dir=; for part in $(dirname "$2" | tr / ' '); do dir=$dir/$part; echo "mkdir $dir"; done > "$3.debugfs"
printf 'cd %s\nrm %s\nwrite %s %s\n' "$(dirname "$2")" "$(basename "$2")" "$3.file" "$(basename "$2")" >> "$3.debugfs"
debugfs -w -f "$3.debugfs" "$3" >/dev/null 2>&1
rm "$3.debugfs" "$3.file"
"#;

/// A directory with that program and what else is needed.
pub(crate) fn tools(host: &Host) -> PathBuf {
    let dir = host.root().join("tools");
    if dir.exists() {
        return dir;
    }
    fs::create_dir(&dir).unwrap();
    for (name, script) in [("guestfish", GUESTFISH), ("put", PUT)] {
        let program = dir.join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["qemu-img", "qemu-io", "sh"] {
        let real = ["/usr/bin", "/bin"]
            .iter()
            .map(|dir| Path::new(dir).join(name))
            .find(|path| path.exists());
        drop(std::os::unix::fs::symlink(real.unwrap(), dir.join(name)));
    }
    dir
}

/// What the first disk has in it after [`EDIT`].
fn edited(host: &Host, bytes: &[u8]) -> Vec<u8> {
    with_hostname(host, bytes, "db-01\n")
}

fn with_hostname(host: &Host, bytes: &[u8], name: &str) -> Vec<u8> {
    let (raw, text) = (host.root().join("edited.raw"), host.root().join("edited"));
    fs::write(&raw, bytes).unwrap();
    fs::write(&text, name).unwrap();
    let put = tools(host).join("put");
    tool(put.to_str().unwrap(), &args![&text, "/etc/hostname", &raw]);
    let bytes = fs::read(&raw).unwrap();
    fs::remove_file(raw).unwrap();
    fs::remove_file(text).unwrap();
    bytes
}

/// What the last of several disks has in it then.
fn changed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[800 << 10..928 << 10].fill(65);
    bytes
}

/// A guest with a disk in this format.
fn guest(host: &Host, format: &str) -> PathBuf {
    let raw = guest_image(host, "disk", "web-01");
    let image = host.image("web-01.img");
    tool(
        "qemu-img",
        &args!["convert", "-f", "raw", "-O", format, &raw, &image],
    );
    host.add(Guest::new("web-01").disk("vda", format, &image));
    image
}

fn edit(host: &Host, args: &str) -> std::process::Command {
    let mut command = host.command();
    command
        .env("VMKIN_TOOL_PATH", tools(host))
        .args(args.split_whitespace());
    command
}

#[track_caller]
fn code(mut command: std::process::Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

const EDIT: &str = "edit -d web-01 -e s/web/db/ /etc/hostname";

#[test]
fn what_is_written_is_on_the_disk_and_nothing_is_left() {
    for format in ["raw", "qcow2"] {
        let host = Host::new();
        let image = guest(&host, format);
        let (before, inode) = (host.reads(&image, format), fs::metadata(&image).unwrap());
        let (code, said) = code(edit(&host, EDIT));
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains("Done in 'web-01': change /etc/hostname."),
            "{said}"
        );
        assert!(
            host.reads(&image, format) == edited(&host, &before),
            "{format}"
        );
        let now = fs::metadata(&image).unwrap();
        assert_eq!((now.ino(), now.mode()), (inode.ino(), inode.mode()));
        assert_eq!(host.world().images(), ["web-01.img"]);
        assert!(host.world().journals().is_empty());
        if format == "qcow2" {
            tool("qemu-img", &args!["check", "-f", format, &image]);
        }
    }
}

#[test]
fn what_changes_nothing_starts_nothing() {
    let host = Host::new();
    let image = guest(&host, "qcow2");
    let nothing = host.root().join("no-tools");
    fs::create_dir(&nothing).unwrap();
    let before = host.world();
    let run = |args: &str| {
        let mut command = host.command();
        command.env("VMKIN_TOOL_PATH", &nothing);
        command.args(args.split_whitespace());
        code(command)
    };
    for args in [
        "edit -d web-01 -e s/nowhere/x/ /etc/hostname",
        "rm -f -d web-01 /nowhere",
        "mkdir -p -d web-01 /etc",
        "chmod -d web-01 u+r /etc/hostname",
        "touch -d web-01 --no-create /nowhere",
    ] {
        let (code, said) = run(args);
        assert_eq!(code, Some(0), "{args}: {said}");
        assert!(
            said.contains("Nothing is to be changed in 'web-01'."),
            "{said}"
        );
    }
    // What is to be changed takes it.
    let (code, said) = run(EDIT);
    assert_eq!(code, Some(8), "{said}");
    assert!(
        said.contains("the program `guestfish` is not on this host"),
        "{said}"
    );
    let outcome = host.vmkin(&format!("{EDIT} --dry-run -b .bak"));
    assert_snapshot!(outcome, @"
    web-01: copy /etc/hostname.bak
    web-01: change /etc/hostname
    --- stderr ---
    warning: web-01: line 1 of /etc/fstab has too few fields.
    warning: web-01: /srv is not mounted: what /etc/fstab names is on no disk.
    ");
    let now = host.world();
    assert_eq!(now, before, "{:?}", before.differences(&now));
    assert!(image.exists());
}

#[test]
fn what_may_not_be_written_to_is_refused_and_stays() {
    let host = Host::golden();
    let image = guest(&host, "qcow2");
    let disk = |guest: Guest| guest.disk("vda", "qcow2", &image);
    host.child("child");
    for (guest, exit, why) in [
        (disk(Guest::new("web-01").state(1)), 4, "is running"),
        (disk(Guest::new("web-01").state(3)), 4, "is paused"),
        (disk(Guest::new("web-01").saved()), 4, "saved"),
        (
            disk(Guest::new("web-01").state(1).transient()),
            4,
            "transient",
        ),
        (Guest::new("web-01"), 4, "no disk of its own"),
        (
            Guest::new("web-01").disk_with("vda", "qcow2", &image, "<readonly/>"),
            4,
            "no disk of its own",
        ),
    ] {
        host.add(guest);
        let before = host.world();
        for args in [EDIT, "write -d web-01 /x y", "rm -d web-01 /file"] {
            host.vmkin(args).fails(exit, why);
            assert_eq!(host.world(), before, "{args}");
        }
    }
    let before = host.world();
    host.vmkin("edit -d golden -e s/a/b/ /x")
        .fails(6, "is the base of 1 child");
    host.vmkin("rm -d golden").fails(2, "required arguments");
    assert_eq!(host.world(), before);

    host.add(disk(Guest::new("web-01")));
    let lock = vmkin::image::Guard::base(&image).unwrap();
    host.vmkin(EDIT).fails(7, "is in use by");
    drop(lock);
    let other = host.image("other.vmdk");
    tool(
        "qemu-img",
        &args!["convert", "-f", "qcow2", "-O", "vmdk", &image, &other],
    );
    host.add(Guest::new("vm").disk("vda", "vmdk", &other));
    host.vmkin("edit -d vm -e s/a/b/ /etc/hostname")
        .fails(4, "must be raw or qcow2");
    host.add(disk(Guest::new("twice")));
    host.vmkin(EDIT).fails(4, "also in use as disk vda");
}

#[test]
fn what_cannot_be_planned_is_told_before_anything_is_begun() {
    let host = Host::new();
    guest(&host, "raw");
    let before = host.world();
    for (args, exit, why) in [
        ("edit -d web-01 -e s/a/b/ etc/hostname", 2, "absolute path"),
        ("edit -d web-01 -e s/a/b/ /nowhere", 3, "no '/nowhere'"),
        ("edit -d web-01 -e s/a/b/ /etc", 4, "is a directory"),
        ("edit -d web-01 -e y/a/b/ /etc/hostname", 2, "substitution"),
        ("edit -d web-01 --from - /file /etc/hostname", 2, "one file"),
        (
            "edit -d web-01 -e s/web/x/ -b * /etc/hostname",
            2,
            "another name",
        ),
        ("write -d web-01 /no/where x", 3, "no '/no"),
        ("mkdir -d web-01 /etc", 5, "there already"),
        ("mkdir -d web-01 /a/b", 3, "no '/a"),
        ("rm -d web-01 /etc", 4, "with all that is in it: `-r`"),
        ("rm -d web-01 /nowhere", 3, "no '/nowhere'"),
        ("rm -r -d web-01 /", 2, "name of a file"),
        ("mv -d web-01 /etc /etc/x", 4, "the same or in it"),
        ("mv -d web-01 /file /path/in /nowhere", 3, "no '/nowhere'"),
        ("ln -d web-01 /etc /x", 4, "`-s`"),
        ("ln -d web-01 -s /x /file", 5, "there already"),
        ("chown -d web-01 nobody-here /file", 3, "no user"),
        ("chmod -d web-01 u+q /file", 2, "0644"),
        ("copy-in -d web-01 /nowhere /etc", 3, "/nowhere"),
        (
            "copy-in -d web-01 /etc/hostname /file",
            4,
            "must be a directory",
        ),
        ("copy-in -d web-01 / /etc", 2, "no name of its own"),
        ("tar-in -d web-01 /etc/hostname /etc", 2, "no tar archive"),
        ("tar-in -d web-01 /nowhere /etc", 3, "/nowhere"),
        (
            "tar-in -d web-01 /etc/hostname /nowhere",
            3,
            "no '/nowhere'",
        ),
        ("edit -e s/a/b/ /file", 2, "no guest is named"),
    ] {
        host.vmkin(args).fails(exit, why);
        assert_eq!(host.world(), before, "{args}");
    }
}

/// What is killed or fails anywhere leaves the disk as it was, or finds it
/// changed when the next run has finished it; never in between, under its name.
#[test]
fn the_disk_is_untouched_or_changed_whatever_happens() {
    let steps = [
        ("write.journal", false),
        ("write.redo", false),
        ("write.started", false),
        ("write.changed", false),
        ("write.closed", false),
        ("write.aside", false),
        ("write.committed", true),
        ("write.merged", true),
        ("write.restored", true),
    ];
    for format in ["raw", "qcow2"] {
        let host = Host::new();
        let image = guest(&host, format);
        let original = fs::read(&image).unwrap();
        let wanted_bytes = edited(&host, &host.reads(&image, format));
        for (step, committed) in steps {
            for act in ["kill", "term", "error"] {
                fs::write(&image, &original).unwrap();
                let (inode, step) = (fs::metadata(&image).unwrap().ino(), format!("{step}={act}"));
                let mut command = host.command_of("env");
                command
                    .args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_vmkin")])
                    .args(EDIT.split_whitespace())
                    .env("VMKIN_TOOL_PATH", tools(&host))
                    .env("VMKIN_FAILPOINTS", &step);
                let (exit, said) = code(command);
                let wanted = match (act, committed) {
                    // Past the mark nobody stops any more.
                    ("term", true) => Some(0),
                    ("term", false) => Some(143),
                    ("error", true) => Some(11),
                    ("error", false) => Some(10),
                    _ => None,
                };
                assert_eq!(exit, wanted, "{format} {step}: {said}");
                // Nobody finds a disk that is half of it, before it is recovered.
                if image.exists() {
                    let now = fs::read(&image).unwrap();
                    let whole = now == original || host.reads(&image, format) == wanted_bytes;
                    assert!(whole, "{format} {step}");
                }
                let (exit, said) = code(edit(&host, "recover"));
                assert_eq!(exit, Some(0), "{format} {step}: {said}");
                if committed {
                    let now = host.reads(&image, format);
                    assert!(now == wanted_bytes, "{format} {step}");
                    if format == "qcow2" {
                        tool("qemu-img", &args!["check", "-f", format, &image]);
                    }
                } else {
                    assert!(fs::read(&image).unwrap() == original, "{format} {step}");
                }
                assert_eq!(
                    fs::metadata(&image).unwrap().ino(),
                    inode,
                    "{format} {step}"
                );
                assert_eq!(host.world().images(), ["web-01.img"], "{format} {step}");
                assert!(host.world().journals().is_empty(), "{format} {step}");
            }
        }
    }
}

/// `qemu-img` that has vmkin killed when it has written for a while.
const KILLER: &str = r#"#!/bin/sh
case $1 in commit)
    shift; (sleep 0.$(cat "$(dirname "$0")/after"); kill -9 $PPID) >/dev/null 2>&1 &
    exec /usr/bin/qemu-img commit -r 16M "$@"
esac
exec /usr/bin/qemu-img "$@"
"#;

/// Killed in the middle of what `qemu-img` writes, a disk is nowhere to be found
/// by its name until the next run has written all of it.
#[test]
fn a_disk_that_is_half_written_has_no_name() {
    for format in ["raw", "qcow2"] {
        let host = Host::new();
        let image = guest(&host, format);
        let dir = tools(&host);
        let original = fs::read(&image).unwrap();
        let wanted = edited(&host, &host.reads(&image, format));
        let killer = host.root().join("killer");
        fs::write(&killer, KILLER).unwrap();
        fs::set_permissions(&killer, fs::Permissions::from_mode(0o755)).unwrap();
        let real = fs::canonicalize(dir.join("qemu-img")).unwrap();
        for after in ["05", "15", "30", "50"] {
            fs::write(&image, &original).unwrap();
            fs::write(dir.join("after"), after).unwrap();
            fs::remove_file(dir.join("qemu-img")).unwrap();
            fs::copy(&killer, dir.join("qemu-img")).unwrap();
            let (exit, said) = code(edit(&host, EDIT));
            assert_eq!(exit, None, "{format} {after}: {said}");
            assert!(!image.exists(), "{format} {after}");
            fs::remove_file(dir.join("qemu-img")).unwrap();
            std::os::unix::fs::symlink(&real, dir.join("qemu-img")).unwrap();
            let (exit, said) = code(edit(&host, "recover"));
            assert_eq!(exit, Some(0), "{format} {after}: {said}");
            assert!(host.reads(&image, format) == wanted, "{format} {after}");
            if format == "qcow2" {
                tool("qemu-img", &args!["check", "-f", format, &image]);
            }
            assert_eq!(host.world().images(), ["web-01.img"]);
        }
    }
}

/// A run that dies while a disk is written to is finished, also when the run that
/// finishes it dies; and what was done since is left alone.
#[test]
fn recovery_can_be_killed_and_leaves_alone_what_was_used_since() {
    let host = Host::new();
    let image = guest(&host, "qcow2");
    let before = host.reads(&image, "qcow2");
    let failing = |args: &str, step: &str| {
        let mut command = edit(&host, args);
        command.env("VMKIN_FAILPOINTS", step);
        command
    };
    assert_eq!(code(failing(EDIT, "write.committed=kill")).0, None);
    assert!(!image.exists(), "nobody can start what is half written");
    assert_eq!(code(failing("recover", "recover.merged=kill")).0, None);
    assert!(!image.exists());
    assert_eq!(code(failing("recover", "write.restored=kill")).0, None);
    assert!(host.reads(&image, "qcow2") == edited(&host, &before));
    // A guest writes there before the next run looks.
    tool(
        "qemu-io",
        &args!["-f", "qcow2", "-c", "write -P 9 800k 64k", &image],
    );
    let used = host.reads(&image, "qcow2");
    let (exit, said) = code(edit(&host, "recover"));
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("All changes are on its disks now."), "{said}");
    assert!(host.reads(&image, "qcow2") == used);
    assert_eq!(host.world().images(), ["web-01.img"]);
}

/// All disks of a guest get what is written, or none.
#[test]
fn several_disks_are_one() {
    let host = Host::new();
    let image = guest(&host, "qcow2");
    let second = host.qcow2("second.qcow2");
    host.add(
        Guest::new("web-01")
            .disk("vda", "qcow2", &image)
            .disk("vdb", "qcow2", &second)
            .device(
                "<disk type='network' device='disk'><driver name='qemu' type='raw'/>\
                 <source protocol='nbd' name='x'><host name='192.0.2.1' port='10809'/></source>\
                 <target dev='vdc' bus='virtio'/></disk>",
            ),
    );
    let before = (fs::read(&image).unwrap(), fs::read(&second).unwrap());
    fs::write(tools(&host).join("both"), "").unwrap();
    for step in ["write.aside", "write.merged", "write.restored"] {
        fs::write(&image, &before.0).unwrap();
        fs::write(&second, &before.1).unwrap();
        let mut command = edit(&host, EDIT);
        command.env("VMKIN_FAILPOINTS", format!("{step}=kill"));
        assert_eq!(code(command).0, None);
        // One of both is missing, so that the guest cannot be started.
        assert!(!(image.exists() && second.exists()), "{step}");
        let (exit, said) = code(edit(&host, "recover"));
        assert_eq!(exit, Some(0), "{said}");
        let now = host.reads(&second, "qcow2");
        let is_changed = now == changed(crate::common::contents());
        assert_eq!(is_changed, step != "write.aside", "{step}");
        assert_eq!(host.world().images(), ["second.qcow2", "web-01.img"]);
    }
}

#[test]
fn what_libguestfs_cannot_do_changes_nothing() {
    let host = Host::new();
    guest(&host, "raw");
    for (fails, exit) in [
        ("launch", 8),
        ("mount-options", 4),
        ("write", 10),
        ("umount-all", 10),
        ("shutdown", 10),
    ] {
        fs::write(tools(&host).join("fail"), fails).unwrap();
        let before = host.world();
        let (code, said) = code(edit(&host, EDIT));
        assert_eq!(code, Some(exit), "{fails}: {said}");
        assert!(said.contains("it is broken"), "{fails}: {said}");
        assert_eq!(host.world(), before, "{fails}");
    }
}

/// Guests `web-01` to `web-03` with a disk each, and the images.
fn three(host: &Host) -> Vec<PathBuf> {
    let names = ["web-01", "web-02", "web-03"];
    let images = names.map(|name| {
        let raw = guest_image(host, name, name);
        let image = host.image(&format!("{name}.img"));
        fs::rename(raw, &image).unwrap();
        host.add(Guest::new(name).disk("vda", "raw", &image));
        image
    });
    images.to_vec()
}

/// How often libguestfs was started since this was asked.
fn starts(host: &Host) -> usize {
    let launches = tools(host).join("launches");
    let starts = fs::read_to_string(&launches).map_or(0, |text| text.lines().count());
    fs::write(launches, "").unwrap();
    starts
}

fn all_are(host: &Host, images: &[PathBuf], before: &[Vec<u8>], name: &str) {
    for (image, before) in images.iter().zip(before) {
        assert!(host.reads(image, "raw") == with_hostname(host, before, name));
    }
}

#[test]
fn many_guests_take_one_start() {
    let host = Host::new();
    let images = three(&host);
    let before: Vec<Vec<u8>> = images
        .iter()
        .map(|image| fs::read(image).unwrap())
        .collect();
    starts(&host);
    let (exit, said) = code(edit(
        &host,
        "edit -d web-* -e s/web-0./db-01/ /etc/hostname",
    ));
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(starts(&host), 1);
    all_are(&host, &images, &before, "db-01\n");
    let (exit, said) = code(edit(
        &host,
        "edit --isolate -d web-* -e s/db-01/db-02/ /etc/hostname",
    ));
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(starts(&host), 3);
    let before: Vec<Vec<u8>> = before
        .iter()
        .map(|bytes| with_hostname(&host, bytes, "db-01\n"))
        .collect();
    all_are(&host, &images, &before, "db-02\n");
}

/// What fails beside others may be well alone, and is no reason to leave the others
/// as they are.
#[test]
fn a_guest_that_fails_among_others_is_tried_alone() {
    let host = Host::new();
    let images = three(&host);
    let before: Vec<Vec<u8>> = images
        .iter()
        .map(|image| fs::read(image).unwrap())
        .collect();
    let fail = tools(&host).join("fail");
    fs::write(&fail, "mount-options \"\" \"/dev/sdb\"").unwrap();
    let change = "edit -d web-* -e s/web-0./db-01/ /etc/hostname";
    starts(&host);
    let (exit, said) = code(edit(&host, change));
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(starts(&host), 2);
    all_are(&host, &images, &before, "db-01\n");
    // Nothing is to be changed in the first and the third.
    let before: Vec<Vec<u8>> = images
        .iter()
        .map(|image| fs::read(image).unwrap())
        .collect();
    fs::write(&fail, "umount-all").unwrap();
    let (exit, said) = code(edit(&host, "edit -d web-* -e s/db-01/db-02/ /etc/hostname"));
    assert_eq!(exit, Some(10), "{said}");
    assert_eq!(starts(&host), 4);
    for (image, before) in images.iter().zip(before) {
        assert!(fs::read(image).unwrap() == before);
    }
}

#[test]
fn what_does_not_start_at_all_is_not_tried_for_each_guest() {
    let host = Host::new();
    three(&host);
    fs::write(tools(&host).join("fail"), "launch").unwrap();
    starts(&host);
    let mut command = edit(&host, "edit -d web-* -e s/web-0./db-01/ /etc/hostname");
    command.env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg");
    let (exit, said) = code(command);
    assert_eq!(exit, Some(8), "{said}");
    assert_eq!(said.matches("it is broken").count(), 3, "{said}");
    // All together, and the first alone.
    assert_eq!(starts(&host), 2);
}

/// Killed at any point, each guest is as it was or as it is to be.
#[test]
fn of_many_guests_each_is_changed_or_not() {
    let host = Host::new();
    let images = three(&host);
    let before: Vec<Vec<u8>> = images
        .iter()
        .map(|image| fs::read(image).unwrap())
        .collect();
    for (point, done) in [
        ("write.redo@2", 0),
        ("write.closed", 0),
        ("write.aside@2", 1),
        ("write.committed@2", 2),
        ("write.restored@3", 3),
    ] {
        for (image, before) in images.iter().zip(&before) {
            fs::write(image, before).unwrap();
        }
        let mut command = edit(&host, "edit -d web-* -e s/web-0./db-01/ /etc/hostname");
        command.env("VMKIN_FAILPOINTS", format!("{point}=kill"));
        assert_eq!(code(command).0, None, "{point}");
        let (exit, said) = code(edit(&host, "recover"));
        assert_eq!(exit, Some(0), "{point}: {said}");
        for (number, (image, before)) in images.iter().zip(&before).enumerate() {
            let now = fs::read(image).unwrap();
            let wanted = with_hostname(&host, before, "db-01\n");
            assert!(
                now == if number < done {
                    wanted
                } else {
                    before.clone()
                },
                "{point}: {}",
                image.display()
            );
        }
        let images = host.world().images();
        assert_eq!(
            images,
            ["web-01.img", "web-02.img", "web-03.img"],
            "{point}"
        );
    }
}

/// There is KVM that runs the firmware, and no kernel after it.
#[test]
fn where_kvm_starts_no_kernel_it_is_done_without() {
    let host = Host::new();
    let image = guest(&host, "raw");
    let wanted = edited(&host, &fs::read(&image).unwrap());
    fs::write(tools(&host).join("stall"), "").unwrap();
    starts(&host);
    let mut command = edit(&host, EDIT);
    command.env_remove("LIBGUESTFS_BACKEND_SETTINGS");
    let (exit, said) = code(command);
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(starts(&host), 2);
    assert!(host.reads(&image, "raw") == wanted);
}

/// What libguestfs says that it did is not taken for done.
#[test]
fn what_cannot_be_read_back_is_not_written() {
    let host = Host::new();
    guest(&host, "raw");
    let put = tools(&host).join("put");
    for (instead, why) in [
        ("printf db-0", "its length is another"),
        ("printf 'db-02\\n'", "its contents are others"),
        ("exit; :", "its length is another"),
    ] {
        let script = PUT.replace("cp \"$1\" \"$3.file\"", &format!("{instead} > \"$3.file\""));
        fs::write(&put, script).unwrap();
        let before = host.world();
        let (code, said) = code(edit(&host, EDIT));
        assert!(said.contains(why), "{said}");
        assert_eq!(code, Some(10), "{said}");
        assert_eq!(host.world(), before, "{instead}");
    }
}

#[test]
fn the_editor_gets_a_private_file_and_what_it_leaves_is_written() {
    let host = Host::new();
    let image = guest(&host, "raw");
    let before = fs::read(&image).unwrap();
    let with = |editor: &str| {
        let mut command = edit(&host, "edit -d web-01 /etc/hostname");
        command.env("EDITOR", editor);
        command
    };
    let seen = host.root().join("seen");
    let script = host.root().join("editor");
    let write = |act: &str| {
        let seen = seen.display();
        let text = format!(
            "#!/bin/sh\nPATH=/usr/bin:/bin\n[ \"$1\" = -n ] && shift\n\
             stat -c %a \"$1\" \"$(dirname \"$1\")\" > {seen}; cat \"$1\" >> {seen}\n\
             case $1 in *-hostname) ;; *) exit 9 ;; esac\n{act}\n"
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let program = format!("{} -n", script.display());
    write("");
    let (exit, said) = code(with(&program));
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("Nothing is to be changed"), "{said}");
    assert_eq!(fs::read_to_string(&seen).unwrap(), "600\n700\nweb-01\n");
    write("echo db > \"$1\"; exit 3");
    let (exit, said) = code(with(&program));
    assert_eq!(exit, Some(8), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert!(fs::read(&image).unwrap() == before);
    // As editors do it that write another file.
    write("echo db > \"$1.new\"; mv \"$1.new\" \"$1\"");
    let (exit, said) = code(with(&program));
    assert_eq!(exit, Some(0), "{said}");
    assert!(fs::read(&image).unwrap() == with_hostname(&host, &before, "db\n"));
}

#[test]
fn what_changes_is_shown_before_it_is_asked() {
    let host = Host::new();
    guest(&host, "raw");
    let before = host.world();
    let outcome = host.vmkin(&format!("{EDIT} --diff"));
    assert_snapshot!(outcome, @"
    --- stderr ---
    warning: web-01: line 1 of /etc/fstab has too few fields.
    warning: web-01: /srv is not mounted: what /etc/fstab names is on no disk.
    --- /etc/hostname
    +++ /etc/hostname
    @@ -1 +1 @@
    -web-01
    +db-01
    error: this cannot be undone, and there is no terminal to ask on
      hint: to go ahead without being asked: `--yes`
    --- exit 2 ---
    ");
    assert_eq!(host.world(), before);
    let (exit, said) = code(edit(&host, &format!("{EDIT} --diff --yes")));
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("-web-01\n+db-01\n"), "{said}");
}
