//! `disk info`, `map`, `create`, `convert` and `compare`: beside `qemu-img`, and
//! where that does what nobody wants.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::{Guest, Host, Outcome, tool};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Writes a pattern into an image.
fn write(image: &Path, what: &str) {
    tool("qemu-io", &args!["-f", "qcow2", "-c", what, image]);
}

/// A domain whose disk is an overlay with something in it, on the golden image.
fn web(host: &Host) -> PathBuf {
    let disk = host.child("web");
    write(&disk, "write -P 7 64k 64k");
    write(&disk, "write -z 192k 64k");
    disk
}

/// What goes to standard output has these words.
#[track_caller]
fn prints(outcome: Outcome, what: &str) {
    assert!(outcome.stdout().contains(what), "{what}: {outcome}");
}

/// Whether `qemu-img` finds the same on both, and exits 0.
fn same(format: &str, one: &Path, other_format: &str, other: &Path) {
    tool(
        "qemu-img",
        &args!["compare", "-f", format, "-F", other_format, one, other],
    );
}

/// What `disk info` says without what images take on this file system.
fn without_amounts(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let end = line.find(", takes ").or_else(|| line.find(" on this host"));
        let line = end.map_or(line, |end| &line[..end]);
        match line.strip_prefix("vda: ") {
            Some(rest) => format!("vda: {}\n", rest.split(',').next().unwrap()),
            None => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[test]
fn info_tells_the_chain_and_who_uses_it() {
    let host = Host::golden();
    let disk = web(&host);
    write(&disk, "write -P 8 64k 64k");
    assert_snapshot!(without_amounts(host.vmkin("disk info -d web").success().stdout()), @"
    vda: 1 MiB
      image: [host]/images/web.qcow2
        format: qcow2, compat 1.1, clusters of 64 KiB, zlib
        size: 1 MiB (1048576 bytes)
        disk: vda of 'web' (shut off)
      backing file: [host]/images/golden.qcow2
        format: qcow2, compat 1.1, clusters of 64 KiB, zlib
        size: 1 MiB (1048576 bytes)
        state: sealed, and immutable
        disk: vda of 'golden' (shut off)
        base of: web
    ");
    let ours = host.vmkin("disk info -d web --json").json();
    let theirs = json(&tool(
        "qemu-img",
        &args!["info", "--backing-chain", "--output=json", &disk],
    ));
    let layers = ours[0]["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2);
    for (layer, theirs) in layers.iter().zip(theirs.as_array().unwrap()) {
        assert_eq!(layer["path"], theirs["filename"]);
        assert_eq!(layer["virtual_size"], theirs["virtual-size"]);
        assert_eq!(layer["allocated"], theirs["actual-size"]);
        assert_eq!(layer["format"], theirs["format"]);
        assert_eq!(layer["qcow2"]["cluster_size"], theirs["cluster-size"]);
        let special = &theirs["format-specific"]["data"];
        assert_eq!(layer["qcow2"]["compat"], special["compat"]);
        assert_eq!(layer["qcow2"]["refcount_bits"], special["refcount-bits"]);
    }
    assert_eq!(layers[1]["children"][0], "web");
    assert_eq!(layers[1]["sealed"], true);

    // By its path, running, with snapshots, and with nothing to read below.
    host.vmkin("snapshot create -d web s1 --quiet").success();
    let by_path = format!("disk info -a {} --json", disk.display());
    let now = host.vmkin(&by_path).json();
    assert_eq!(now[0]["layers"][0]["snapshots"][0]["name"], "s1");
    assert_eq!(now[0]["layers"][0]["users"][0]["domain"], "web");
    host.edit("web", |xml| {
        xml.replace("runstate>5<", "runstate>1<")
            .replace("shutoff", "running")
    });
    host.open_seal(&host.image("golden.qcow2"));
    fs::remove_file(host.image("golden.qcow2")).unwrap();
    let broken = host.vmkin("disk info -d web");
    assert!(broken.stdout().contains("image: "), "{broken}");
    broken.fails(9, "is not whole");
    host.vmkin("disk info -d web --target vdx")
        .fails(3, "has no disk vdx");
    host.vmkin("disk info -a /nowhere.qcow2 -f qcow2")
        .fails(3, "/nowhere.qcow2");
}

#[test]
fn info_tells_of_the_file_that_a_link_leads_to() {
    let host = Host::golden();
    host.child("web");
    let link = host.image("link.qcow2");
    symlink(host.image("golden.qcow2"), &link).unwrap();
    let info = format!("disk info -a {} -f qcow2 --json", link.display());
    let now = host.vmkin(&info).json();
    let layer = &now[0]["layers"][0];
    assert_eq!(layer["sealed"], true);
    assert_eq!(layer["children"][0], "web");
}

#[test]
fn the_map_is_that_of_qemu_img() {
    let host = Host::golden();
    let disk = web(&host);
    let ours = host.vmkin("disk map -d web --json").json();
    let theirs = json(&tool(
        "qemu-img",
        &args!["map", "-f", "qcow2", "--output=json", &disk],
    ));
    let parts = ours[0]["parts"].as_array().unwrap();
    let theirs = theirs.as_array().unwrap();
    assert!(parts.len() > 4, "{ours:#}");
    assert_eq!(parts.len(), theirs.len(), "{ours:#}\n{theirs:#?}");
    for (part, theirs) in parts.iter().zip(theirs) {
        for field in [
            "start",
            "length",
            "depth",
            "present",
            "zero",
            "data",
            "compressed",
            "offset",
        ] {
            assert_eq!(part[field], theirs[field], "{field}: {part:#}\n{theirs:#}");
        }
    }
    let table = host.vmkin("disk map -d web").success();
    assert!(table.stdout().contains("golden.qcow2"), "{table}");
}

#[test]
fn new_disks_are_what_was_asked_for() {
    let host = Host::golden();
    let golden = host.image("golden.qcow2");
    let golden = golden.to_str().unwrap();
    let at = |name: &str| host.image(name);
    for (name, args) in [
        ("a.img", "16M"),
        ("b.qcow2", "16M"),
        ("c", "16M -f qcow2 --cluster-size 2M"),
        (
            "d.qcow2",
            "16M -o cluster_size=4k,lazy_refcounts=on,compression_type=zstd",
        ),
        ("e.img", "4M --preallocation falloc"),
        ("f.qcow2", "4M --preallocation full"),
        ("g,1.qcow2", "16M -o compat=0.10"),
        ("x:y.qcow2", "1.5M"),
        ("h.qcow2", &format!("-b {golden}")),
        (
            "i.qcow2",
            &format!("-o backing_file={golden},backing_fmt=qcow2,size=30M,cluster_size=1M"),
        ),
    ] {
        let path = at(name);
        let mut words: Vec<&str> = vec!["disk", "create", path.to_str().unwrap(), "--json"];
        words.extend(args.split(' '));
        let created = host.vmkin_args(&words).success();
        let ours: Value = json(created.stdout());
        let theirs = json(&tool("qemu-img", &args!["info", "--output=json", &path]));
        assert_eq!(ours["size"], theirs["virtual-size"], "{name}");
        assert_eq!(
            ours["backing"],
            theirs
                .get("full-backing-filename")
                .cloned()
                .unwrap_or_default(),
            "{name}"
        );
        if name != "a.img" && name != "e.img" {
            assert_eq!(ours["format"], theirs["format"], "{name}");
            tool("qemu-img", &args!["check", "-f", "qcow2", &path]);
        }
        let special = &theirs["format-specific"]["data"];
        match name {
            "c" => assert_eq!(theirs["cluster-size"], 2 << 20),
            "d.qcow2" => {
                assert_eq!(special["lazy-refcounts"], true);
                assert_eq!(special["compression-type"], "zstd");
            }
            "g,1.qcow2" => assert_eq!(special["compat"], "0.10"),
            "e.img" | "f.qcow2" => assert!(ours["allocated"].as_u64().unwrap() >= 4 << 20),
            "i.qcow2" => assert_eq!(theirs["cluster-size"], 1 << 20),
            _ => {}
        }
    }
    assert_eq!(host.world().journals(), [""; 0]);
}

#[test]
fn what_cannot_be_a_disk_is_refused_and_nothing_is_left() {
    let host = Host::golden();
    let golden = host.image("golden.qcow2");
    let (golden, free) = (golden.display(), host.image("free.qcow2"));
    symlink("/nowhere", host.image("link")).unwrap();
    fs::create_dir(host.image("open")).unwrap();
    let raw = host.raw("other.img");
    let before = host.world();
    let free = free.display();
    for (args, code, says) in [
        (format!("{free}"), 2, "how large"),
        (format!("{free} 0"), 2, "no size"),
        (format!("{free} -1"), 2, "unexpected argument"),
        (
            format!("{free} 9223372036854775807"),
            2,
            "more than a file can",
        ),
        (
            format!("{free} 18446744073709551616"),
            2,
            "more than a file can",
        ),
        (format!("{free} 8E"), 2, "more than a file can"),
        (format!("{free} 64P"), 2, "2 PiB"),
        (format!("{free} 1e3"), 2, "number with a unit"),
        (format!("{free} 1GG"), 2, "number with a unit"),
        (format!("{free} 1M -o cluster_size=1000"), 2, "power of two"),
        (
            format!("{free} 1M -o data_file=/etc/shadow"),
            2,
            "unknown option 'data_file'",
        ),
        (
            format!("{free} 1M -f raw --cluster-size 64k"),
            2,
            "for the format raw",
        ),
        (
            format!("{free} 1M -f raw -b {golden}"),
            2,
            "only a qcow2 image",
        ),
        (format!("{free} 512k -b {golden}"), 2, "cut off the end"),
        (
            format!("{free} -b {golden} --preallocation full"),
            2,
            "in an overlay",
        ),
        (format!("{free} -b {}", raw.display()), 2, "no domain has"),
        (format!("{free} -b json:{{}} -F raw"), 3, "json:"),
        (
            format!("{free} -b {} -F qcow2", raw.display()),
            9,
            "does not begin as",
        ),
        (format!("{golden} 1M"), 5, "there is something"),
        (
            format!("{} 1M", host.image("link").display()),
            5,
            "there is something",
        ),
        (
            format!("{} 1M", host.image("open").display()),
            5,
            "there is something",
        ),
        (
            format!("{} 1M", host.image("none/a.img").display()),
            3,
            "none",
        ),
        (
            format!("{free} 1M -f raw --secret-file {}", raw.display()),
            2,
            "",
        ),
    ] {
        host.vmkin(&format!("disk create {args}")).fails(code, says);
        assert_eq!(host.world(), before, "{args}");
    }
    // Somebody writes to it.
    let lease = vmkin::image::Lease::exclusive(&host.image("golden.qcow2")).unwrap();
    host.vmkin(&format!("disk create {free} -b {golden}"))
        .fails(7, "is in use by");
    drop(lease);
    // Rounded up, and said so; and a dry run makes nothing.
    host.vmkin(&format!("disk create {free} 513 --dry-run"))
        .success()
        .says("rounded up to 1024");
    assert_eq!(host.world(), before);
    // A base that changed under its clones is no base for more.
    host.child("web");
    host.open_seal(&host.image("golden.qcow2"));
    write(&host.image("golden.qcow2"), "write -P 9 0 64k");
    host.vmkin(&format!("disk create {free} -b {golden}"))
        .fails(9, "another base");
}

#[test]
fn an_encrypted_disk_opens_with_its_secret_alone() {
    let host = Host::new();
    let (disk, secret) = (host.image("a.qcow2"), host.root().join("secret"));
    fs::write(&secret, "geheim, mit Komma\n").unwrap();
    let made = host.vmkin_args(&args![
        "-v",
        "disk",
        "create",
        &disk,
        "1M",
        "--secret-file",
        &secret
    ]);
    assert!(!format!("{made}").contains("geheim"), "{made}");
    prints(made.success(), "encrypted");
    let open = |secret: &str| {
        let object = format!("secret,id=s,data={}", secret.replace(',', ",,"));
        let image = format!(
            "driver=qcow2,encrypt.key-secret=s,file.filename={}",
            disk.display()
        );
        #[expect(clippy::disallowed_methods, reason = "it is to fail")]
        let mut command = std::process::Command::new("qemu-io");
        command.args([
            "--object",
            &object,
            "--image-opts",
            &image,
            "-c",
            "write -P 1 0 64k",
        ]);
        command.output().unwrap().status.success()
    };
    assert!(!open("geheim"));
    assert!(open("geheim, mit Komma"));
    host.vmkin(&format!(
        "disk convert -a {} -f qcow2 {}",
        disk.display(),
        host.image("b").display()
    ))
    .fails(4, "is encrypted");
    // Nobody would tell a guest the secret of what is below its overlay.
    let before = host.world();
    let base = disk.display();
    let free = host.image("free.qcow2").display().to_string();
    host.vmkin(&format!("disk create {free} -b {base} -F qcow2"))
        .fails(4, "is encrypted");
    for args in [
        format!("clone --base {base} web"),
        format!("clone --base {base} web --full"),
        format!("import --name web --disk backing={base}"),
        format!("import --name web --disk {base}"),
    ] {
        host.vmkin(&args).fails(4, "which is encrypted");
    }
    assert_eq!(host.world(), before);
}

#[test]
fn a_snapshot_of_another_size_and_a_disk_of_none_are_not_converted() {
    let host = Host::golden();
    let disk = web(&host);
    host.vmkin("snapshot create -d web s1 --quiet").success();
    tool("qemu-img", &args!["resize", "-f", "qcow2", &disk, "2M"]);
    let empty = host.image("empty.qcow2");
    tool("qemu-img", &args!["create", "-f", "qcow2", &empty, "0"]);
    let out = host.image("out.img");
    let before = host.world();
    host.vmkin(&format!("disk convert -d web -s s1 {}", out.display()))
        .fails(4, "snapshot 's1' is of a disk of 1048576 bytes")
        .says("vmkin snapshot apply -a COPY -f qcow2 s1");
    host.vmkin(&format!(
        "disk convert -a {} -f qcow2 {}",
        empty.display(),
        out.display()
    ))
    .fails(4, "the disk has no bytes");
    assert_eq!(host.world(), before);
}

#[test]
fn a_disk_becomes_an_image_of_any_format() {
    let host = Host::golden();
    let disk = web(&host);
    for (format, more) in [
        ("raw", ""),
        ("raw", "-S 0"),
        ("qcow2", "-o cluster_size=4k"),
        ("qcow2", "--compress -o compression_type=zstd"),
        ("qcow", ""),
        ("qed", ""),
        ("vmdk", ""),
        ("vmdk", "--compress -o subformat=streamOptimized"),
        ("vdi", ""),
        ("vpc", "-o force_size=on"),
        ("vhdx", ""),
    ] {
        let out = host.image("out");
        let line = format!(
            "disk convert --json -d web -O {format} {} {more}",
            out.display()
        );
        let made = host.vmkin(&line).json();
        assert_eq!(made["compared"], true, "{line}");
        same("qcow2", &disk, format, &out);
        if more == "-S 0" {
            assert!(
                made["allocated"].as_u64() >= made["size"].as_u64(),
                "{made:#}"
            );
        }
        // And back again.
        let back = host.image("back.qcow2");
        let line = format!(
            "disk convert -a {} -f {format} {}",
            out.display(),
            back.display()
        );
        host.vmkin(&line).success();
        same("qcow2", &disk, "qcow2", &back);
        fs::remove_file(out).unwrap();
        fs::remove_file(back).unwrap();
    }
    // What was there when a snapshot was made.
    let then = host.image("then.img");
    let now = host.image("now.img");
    host.vmkin(&format!("disk convert -d web {}", then.display()))
        .success();
    // QEMU would take the comma for the end of the name.
    host.vmkin("snapshot create -d web s,1 --quiet").success();
    write(&disk, "write -P 9 0 64k");
    host.vmkin(&format!("disk convert -d web -s s,1 {}", now.display()))
        .success();
    same("raw", &then, "raw", &now);
    host.vmkin(&format!(
        "disk convert -d web -s s2 {}",
        host.image("x").display()
    ))
    .fails(3, "no snapshot 's2'");
}

#[test]
fn nothing_is_converted_that_is_written_to_or_over() {
    let host = Host::golden();
    let disk = web(&host);
    let out = host.image("out.img");
    symlink(&disk, host.image("link")).unwrap();
    let data = host.raw("data.img");
    let two = Guest::new("two")
        .disk("vda", "raw", &data)
        .disk("vdb", "raw", &host.raw("more.img"));
    host.add(two);
    host.add(
        Guest::new("busy")
            .disk("vda", "raw", &host.raw("busy.img"))
            .state(1),
    );
    let before = host.world();
    let convert = |args: &str| host.vmkin(&format!("disk convert {args}"));
    let to = out.display();
    convert(&format!("-d busy {to}")).fails(4, "must be shut off");
    convert(&format!("-d web {}", disk.display())).fails(5, "there is something");
    convert(&format!("-d web {}", host.image("link").display())).fails(5, "there is something");
    convert(&format!("-d two {to}")).fails(2, "vda, vdb");
    convert(&format!("-d web --compress {to}")).fails(2, "not compressed");
    convert(&format!("-d web -O vmdk -o subformat=monolithicFlat {to}")).fails(2, "subformat");
    convert(&format!("-d web -O iso {to}")).fails(2, "invalid value");
    convert(&format!("-a {to} -f raw {}", host.image("x").display())).fails(3, "out.img");
    prints(
        convert(&format!("-d web {to} --dry-run")).success(),
        "Would convert",
    );
    let lease = vmkin::image::Lease::exclusive(&disk).unwrap();
    convert(&format!("-d web {to}")).fails(7, "is in use by");
    drop(lease);
    assert_eq!(host.world(), before);
    for step in [
        "build.journal",
        "convert.written",
        "convert.compared",
        "build.renamed",
    ] {
        let line = format!("disk convert -d web {to}");
        host.vmkin_failing(&line, &format!("{step}=error"))
            .fails(10, "failpoint");
        assert_eq!(host.world(), before, "{step}");
        let killed = host.vmkin_failing(&line, &format!("{step}=kill"));
        assert_eq!(killed.signal(), Some(9), "{step}");
        host.vmkin("recover").success();
        if step == "build.renamed" {
            same("qcow2", &disk, "raw", &out);
            fs::remove_file(&out).unwrap();
        }
        assert_eq!(host.world(), before, "{step}");
    }
    // With the disk of `two` named, it works.
    convert(&format!("-d two --target vdb {to}")).success();
    same("raw", &data, "raw", &out);
}

#[test]
fn a_copy_that_is_not_the_same_is_found_before_it_has_its_name() {
    let host = Host::golden();
    web(&host);
    let bin = host.root().join("bin");
    fs::create_dir(&bin).unwrap();
    // One byte of what was written is another one a moment later.
    let script = "#!/bin/sh\nexport PATH=/usr/bin:/bin\nqemu-img \"$@\" || exit\nfor to; do :; done\n\
                  test \"$1\" = convert && printf X | dd of=\"$to\" bs=1 seek=700000 conv=notrunc 2>/dev/null\nexit 0\n";
    fs::write(bin.join("qemu-img"), script).unwrap();
    fs::set_permissions(bin.join("qemu-img"), fs::Permissions::from_mode(0o755)).unwrap();
    let out = host.image("out.img");
    let before = host.world();
    let run = |more: &[&str]| {
        let mut command = host.command();
        command.env("VMKIN_TOOL_PATH", &bin);
        command
            .args(["disk", "convert", "-d", "web"])
            .arg(&out)
            .args(more);
        Outcome::of(command.output().unwrap())
    };
    run(&[]).fails(10, "from byte 700000 on");
    assert_eq!(host.world(), before);
    run(&["--no-compare"]).success();
    assert!(out.exists());
}

#[test]
fn disks_are_compared_as_a_guest_sees_them() {
    let host = Host::golden();
    let disk = web(&host);
    let raw = host.image("copy.img");
    host.vmkin(&format!("disk convert -d web {}", raw.display()))
        .success();
    let with = format!(
        "disk compare -d web --with {} --with-format raw",
        raw.display()
    );
    assert_snapshot!(host.vmkin(&with).success(), @"vda  [host]/images/web.qcow2 and [host]/images/copy.img: the same");
    host.vmkin(&format!("disk compare -d web --with {}", raw.display()))
        .fails(2, "`--with-format qcow2`");
    // A longer one is the same, if there is nothing in the rest.
    let file = fs::OpenOptions::new().write(true).open(&raw).unwrap();
    file.set_len(2 << 20).unwrap();
    prints(host.vmkin(&with).success(), "but for the size");
    host.vmkin(&format!("{with} --strict"))
        .fails(9, "different sizes");
    file.write_all_at(b"x", (1 << 20) + 512 + 5).unwrap();
    assert_snapshot!(host.vmkin(&with), @"
    vda  [host]/images/web.qcow2 and [host]/images/copy.img: differ, from byte 1049093 on
    --- stderr ---
    error: [host]/images/web.qcow2 and [host]/images/copy.img differ, from byte 1049093 on
    --- exit 9 ---
    ");
    // Two guests; and where QEMU has to read for us.
    host.child("other");
    host.vmkin("disk compare -d web --with-domain other")
        .fails(9, "from byte 65536 on");
    let vdi = host.image("copy.vdi");
    host.vmkin(&format!("disk convert -d other -O vdi {}", vdi.display()))
        .success();
    let with = |name: &str| {
        format!(
            "disk compare -d {name} --with {} --with-format vdi",
            vdi.display()
        )
    };
    host.vmkin(&with("other")).success();
    let ours = host.vmkin(&with("web"));
    assert!(ours.stdout().contains("from byte 65536 on"), "{ours}");
    host.vmkin("disk compare -d web").fails(2, "--with");
    drop(disk);
}

#[test]
fn what_an_image_is_can_be_changed_and_its_data_stays() {
    let host = Host::golden();
    let disk = web(&host);
    let copy = host.image("copy.qcow2");
    host.vmkin(&format!("disk convert -d web {}", copy.display()))
        .success();
    let world = host.world();
    let amend = |args: &str| host.vmkin(&format!("disk amend {args}"));
    assert_snapshot!(
        amend("-d web -o lazy_refcounts=on,compat=1.1 --dry-run"),
        @"vda  [host]/images/web.qcow2: lazy_refcounts off → on"
    );
    amend("-d web -o compat=1.1").success();
    amend("-d web -o cluster_size=4k").fails(2, "is for ever");
    amend("-d web -o lazy_refcount=on").fails(2, "did you mean");
    amend("-d golden -o lazy_refcounts=on").fails(6, "'web'");
    let guard = vmkin::image::Guard::base(&disk).unwrap();
    amend("-d web -o lazy_refcounts=on").fails(7, "is in use by");
    drop(guard);
    assert_eq!(host.world(), world);
    amend("-d web -o lazy_refcounts=on").success();
    amend("-d web -o lazy_refcounts=off -o compat=0.10").success();
    let info = host.vmkin("disk info -d web --json").json();
    assert_eq!(info[0]["layers"][0]["qcow2"]["compat"], "0.10");
    tool("qemu-img", &args!["check", "-f", "qcow2", &disk]);
    same("qcow2", &disk, "qcow2", &copy);
    let raw = host.raw("raw.img");
    amend(&format!("-a {} -f raw -o compat=1.1", raw.display())).fails(4, "only qcow2");
}
