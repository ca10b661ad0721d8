//! New images, compared with what they were made of, as the kernel sees both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::{LIST, Listing, assert_same, command, kernel_listing, run, with_mounts};

/// Fills `$1` with what is odd in a file system of Linux.
const FILL: &str = r#"
    cd "$1"; mkdir -p etc usr/bin boot 'odd dir' empty
    echo name > etc/hostname; ln etc/hostname etc/again; ln -s ../usr/bin/big etc/link
    head -c 300000 /dev/urandom > usr/bin/big; chmod 4755 usr/bin/big
    setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= usr/bin/big
    mknod device c 1 3; mknod block b 7 1; mkfifo pipe; : > etc/nothing
    printf x > $'odd dir/new\nline \xff'; printf y > 'odd dir/"quoted" $(x) \'
    setfattr -n user.note -v $'a\nb' etc/hostname; setfacl -m u:1000:rw etc/hostname
    setfattr -n security.selinux -v system_u:object_r:etc_t:s0 etc
    chown 1234:99999 etc/hostname; chown -h 7:8 etc/link; chmod 1777 empty
    long=$(printf 'n%.0s' {1..200}); mkdir -p $long/$long; echo deep > $long/$long/$long
    ln -s "$long/$long/$long//x/../y" longlink; echo k > boot/vmlinuz
    find . -exec touch -h -d '2001-02-03 04:05:06.123456789 UTC' {} +
"#;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new(fill: &str) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::create_dir(bench.path("src")).unwrap();
        run("bash", &["-euc", fill, "x", &bench.text("src")]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = command(env!("CARGO_BIN_EXE_vmkin"));
        command
            .current_dir(self.0.path())
            .env("VMKIN_STATE_DIR", self.path("state"))
            .env("LIBVIRT_DEFAULT_URI", "test:///default")
            .env("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg")
            .args(args);
        command
    }

    fn vmkin(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    #[track_caller]
    fn build(&self, args: &[&str]) {
        let output = self.vmkin(&[&["image", "build"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
    }

    /// What there is besides the source and what vmkin remembers.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names
            .filter(|name| name != "src" && name != "state")
            .collect();
        names.sort();
        names
    }

    /// What mtools copies out of an image of FAT is what the source has; not every
    /// kernel reads FAT.
    #[track_caller]
    fn same_by_mtools(&self, image: &str) {
        let copy = "export MTOOLSRC=/dev/null TZ=UTC; rm -rf $3; mkdir $3; mcopy -s -m -n -i $1 '::*' $3; diff -r $2 $3; stat -c %Y $3/empty";
        let (from, to) = (self.text("src"), self.text("out"));
        let printed = run("bash", &["-euc", copy, "x", &self.text(image), &from, &to]);
        assert_eq!(printed.trim(), "981173106");
    }

    /// What the kernel sees in the source.
    fn source(&self) -> (Listing, String) {
        let script = format!("MNT=$IMG; ({LIST})");
        let listing = kernel_listing(&with_mounts(&self.path("src"), &script));
        let script = format!("MNT=$IMG; {ATTRIBUTES}");
        let attributes = with_mounts(&self.path("src"), &script);
        (listing, String::from_utf8_lossy(&attributes).into_owned())
    }
}

const ATTRIBUTES: &str =
    "cd $MNT; find . ! -name lost+found -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex";

/// What the kernel sees in an image.
fn seen(image: &Path, options: &str) -> (Listing, String) {
    let mount = format!("mount -o loop,ro,{options} $IMG $MNT");
    let script = format!("{mount}; ({LIST}); cd /; umount $MNT");
    let mut listing = kernel_listing(&with_mounts(image, &script));
    listing.remove(&b"lost+found"[..]);
    let script = format!("{mount}; ({ATTRIBUTES}); cd /; umount $MNT");
    let attributes = with_mounts(image, &script);
    (listing, String::from_utf8_lossy(&attributes).into_owned())
}

#[test]
fn a_disk_holds_what_the_directory_holds() {
    let bench = Bench::new(FILL);
    bench.build(&["out.img", "--from", "src", "--label", "root"]);
    assert_eq!(bench.files(), ["out.img"]);
    let (wanted, attributes) = bench.source();
    let (there, own) = seen(&bench.path("out.img"), "noload");
    assert_same(&there, &wanted);
    assert_eq!(own, attributes);
    assert!(run("blkid", &["-p", &bench.text("out.img")]).contains("LABEL=\"root\""));
    let output = bench.vmkin(&["image", "build", "out.img"]);
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn partitions_and_volumes_are_filled_from_an_archive() {
    let bench = Bench::new(FILL);
    run(
        "bash",
        &[
            "-euc",
            "cd $1; tar --xattrs --xattrs-include='*' --format=pax --exclude './odd dir/new*' -cJf ../src.tar.xz .; mkdir esp; rm -rf 'odd dir'/new*; touch -d '2001-02-03 04:05:06.123456789 UTC' 'odd dir'",
            "x",
            &bench.text("src"),
        ],
    );
    fs::remove_dir(bench.path("src/esp")).unwrap();
    bench.build(&[
        "out.qcow2",
        "--format",
        "qcow2",
        "--from",
        "src.tar.xz",
        "--size",
        "+16M",
        "--part",
        "40M:esp:/efi:EFI",
        "--part",
        "32M:ext2:/boot:boot",
        "--part",
        "16M:swap::swp",
        "--part",
        "rest:lvm:vg",
        "--lv",
        "vg/root:rest:xfs:/:root",
        "--lv",
        "vg/data:160M:btrfs:/data",
    ]);
    assert!(run("qemu-img", &["check", &bench.text("out.qcow2")]).contains("No errors"));
    run(
        "qemu-img",
        &[
            "convert",
            "-O",
            "raw",
            &bench.text("out.qcow2"),
            &bench.text("raw"),
        ],
    );
    let table = run("sfdisk", &["-J", &bench.text("raw")]);
    let table: serde_json::Value = serde_json::from_str(&table).unwrap();
    let part =
        |index: usize, field: &str| table["partitiontable"]["partitions"][index][field].clone();
    assert_eq!(table["partitiontable"]["label"], "gpt");
    assert_eq!(part(0, "type"), "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
    assert_eq!(part(3, "type"), "E6D6D379-F507-44C2-A23C-238F2A3DF928");
    let start = |index| part(index, "start").as_u64().unwrap() * 512;
    let (wanted, _) = bench.source();
    let raw = bench.path("raw");
    let (boot, _) = seen(&raw, &format!("offset={}", start(1)));
    let kernel = &wanted[&b"boot/vmlinuz"[..]];
    assert_eq!(boot.get(&b"vmlinuz"[..]), Some(kernel));
    // The volumes are one after the other, behind the header of the physical volume;
    // that with a size is made first.
    let root = start(3) + (1 << 20) + (160 << 20);
    let (mut there, attributes) = seen(&raw, &format!("nouuid,norecovery,offset={root}"));
    there.remove(&b"efi"[..]);
    there.remove(&b"data"[..]);
    let mut wanted = wanted;
    wanted.remove(&b"boot/vmlinuz"[..]);
    // What /boot itself is like is a matter of the file system on it.
    there.remove(&b"boot"[..]);
    wanted.remove(&b"boot"[..]);
    assert_same(&there, &wanted);
    assert!(attributes.contains("user.note=0x610a62"), "{attributes}");
    let listed = bench.vmkin(&[
        "ls",
        "-a",
        "out.qcow2",
        "--format",
        "qcow2",
        "-m",
        "/dev/vg/root",
        "/etc",
    ]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("hostname"));
}

#[test]
fn a_floppy_and_a_cd_hold_what_the_directory_holds() {
    let bench = Bench::new(
        "cd \"$1\"; mkdir -p Sub/deep; echo one > 'A long name.text'; head -c 20000 /dev/urandom > Sub/deep/data; : > empty; find . -exec touch -d '2001-02-03 04:05:06 UTC' {} +",
    );
    bench.build(&["floppy.img", "--floppy", "--from", "src", "--label", "data"]);
    let image = bench.text("floppy.img");
    assert_eq!(fs::metadata(&image).unwrap().len(), 1_474_560);
    assert!(run("mdir", &["-/", "-b", "-i", &image, "::"]).contains("::/Sub/deep/data"));
    let copy = "export MTOOLSRC=/dev/null; mcopy -i $1 ::/Sub/deep/data - | cmp - $2/Sub/deep/data";
    run("bash", &["-euc", copy, "x", &image, &bench.text("src")]);
    // It ends well only if there is nothing to be said.
    run("fsck.vfat", &["-n", &image]);
    bench.same_by_mtools("floppy.img");
    // A disk that is one FAT file system is made without libguestfs, too.
    bench.build(&[
        "fat.img", "--type", "vfat", "--size", "40M", "--from", "src",
    ]);
    bench.same_by_mtools("fat.img");
    run("fsck.vfat", &["-n", &bench.text("fat.img")]);
    // CDs.
    run(
        "bash",
        &[
            "-euc",
            "cd $1; chown 7:8 empty; chmod 600 empty; ln -s Sub/deep link; tar -czf ../src.tar.gz .",
            "x",
            &bench.text("src"),
        ],
    );
    for (name, from) in [("dir.iso", "src"), ("tar.iso", "src.tar.gz")] {
        bench.build(&[name, "--iso", "--from", from, "--label", "CD_1"]);
        // Not every kernel reads CDs.
        let copy = "rm -rf $3; xorriso -osirrox on -indev $1 -extract / $3 2>/dev/null; diff -r --no-dereference $2 $3; stat -c '%u %g %a' $3/empty";
        let (from, to) = (bench.text("src"), bench.text("out"));
        let printed = run("bash", &["-euc", copy, "x", &bench.text(name), &from, &to]);
        assert_eq!(printed.trim(), "7 8 600", "{name}");
        let listed = bench.vmkin(&[
            "ls",
            "-a",
            name,
            "--format",
            "raw",
            "-m",
            "/dev/sda",
            "/Sub/deep",
        ]);
        assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "data");
    }
}

#[test]
fn a_run_that_is_killed_leaves_nothing_after_recovery() {
    let bench = Bench::new("echo x > $1/file");
    // In the middle of libguestfs' work.
    let mut child = bench
        .command(&["image", "build", "out.img", "--from", "src"])
        .spawn()
        .unwrap();
    while !bench.files().iter().any(|name| name.starts_with(".vmkin-")) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let guestfish = loop {
        let listed = fs::read_to_string(&children).unwrap();
        if let Some(first) = listed.split_whitespace().next() {
            break first.to_owned();
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    // It dies with its parent.
    while fs::read_to_string(format!("/proc/{guestfish}/comm"))
        .is_ok_and(|name| name.starts_with("guestfish"))
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(bench.files().len(), 1);
    assert!(bench.vmkin(&["recover"]).status.success());
    assert_eq!(bench.files(), [""; 0]);
    // Whatever comes next does it too.
    let killed = bench
        .command(&["image", "build", "f.img", "--floppy", "--from", "src"])
        .env("VMKIN_FAILPOINTS", "build.checked=kill")
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None);
    assert_eq!(bench.files().len(), 1);
    bench.build(&["g.img", "--floppy", "--from", "src"]);
    assert_eq!(bench.files(), ["g.img"]);
}
