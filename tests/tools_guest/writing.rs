//! What libguestfs makes of changes: nothing but what was asked for, as the kernel
//! sees it, file by file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{command, guestfish, run, with_mounts};
use vmkin::guest::change::Given;
use vmkin::hypervisor::Libvirt;
use vmkin::interrupt::Interrupt;
use vmkin::model::ImageFormat;
use vmkin::ops::guest::View;
use vmkin::ops::write::plan::Draft;
use vmkin::ops::write::{Job, Writing, carry_out};
use vmkin::ops::{Host, Observer};
use vmkin::store::Store;

/// Nobody looks.
struct Silent;

impl Observer for Silent {
    fn status(&self, _message: &str) {}
    fn warning(&self, _message: &str) {}
    fn progress(&self, _what: &str, _done: u64, _total: u64) {}
}

/// Fills `$MNT`.
pub(crate) const FILL: &str = r#"
    cd "$MNT"; mkdir -p etc/d usr/bin srv/old/deep var
    echo 'name=old' > etc/config; cp etc/config etc/setuid; cp etc/config etc/capable
    echo 'PasswordAuthentication yes' > etc/sshd_config; echo stays > srv/stays
    printf 'root:x:0:0::/:/bin/sh\nann:x:1000:100::/:/bin/sh\n' > etc/passwd
    printf 'users:x:100:\n' > etc/group
    ln etc/config srv/other-name; ln -s /etc/config srv/link; ln -s srv lnk
    for i in {1..40}; do echo $i > srv/old/deep/$i; done
    chown 7:8 etc/config; setfacl -m u:1000:rw etc/config
    setfattr -n user.note -v kept etc/config
    chown 1000:100 etc/setuid; chmod 6755 etc/setuid
    setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= etc/capable
    for f in etc etc/d etc/config etc/sshd_config; do
        setfattr -n security.selinux -v "system_u:object_r:etc_t:s0" $f
    done
    setfattr -n security.selinux -v "system_u:object_r:var_t:s0" srv
    find . -exec touch -h -d '2001-02-03 04:05:06.123456789 UTC' {} +
"#;

/// What there is to know of each file, with its time last.
const FACTS: &str = r#"
    cd "$MNT"
    find . -mindepth 1 ! -path './lost+found*' | sort | while IFS= read -r f; do
        size=$(stat -c %s "$f"); [ -d "$f" ] && size=-
        hash=; [ -f "$f" ] && [ ! -L "$f" ] && hash=$(sha256sum < "$f" | cut -c1-8)
        to=; [ -L "$f" ] && to=$(readlink "$f")
        x=$(getfattr -h -d -m - -e hex "$f" 2>/dev/null | grep = | sort | tr '\n' ' ')
        stat -c "%n|%A %u:%g %h $size $hash$to $x|%y" "$f"
    done
"#;

pub(crate) type Facts = BTreeMap<String, (String, String)>;

/// Where the file system is in the image, in bytes.
pub(crate) fn facts(image: &Path, offset: u64) -> Facts {
    let script = format!(
        "mount -o loop,ro,nouuid,offset={offset} $IMG $MNT 2>/dev/null || mount -o loop,ro,offset={offset} $IMG $MNT\n({FACTS})\numount $MNT"
    );
    let printed = String::from_utf8(with_mounts(image, &script)).unwrap();
    let lines = printed.lines().map(|line| {
        let fields: Vec<&str> = line.split('|').collect();
        let [path, facts, time] = fields[..] else {
            panic!("{line}")
        };
        let path = path.trim_start_matches("./").to_owned();
        let facts = facts.split_whitespace().collect::<Vec<_>>().join(" ");
        (path, (facts, time.to_owned()))
    });
    lines.collect()
}

/// What differs: what has come, gone, changed, or another time alone.
pub(crate) fn differences(before: &Facts, after: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    for (path, (facts, time)) in before {
        match after.get(path) {
            None => found.push(format!("- {path}")),
            Some((now, _)) if now != facts => found.push(format!("~ {path}: {facts} > {now}")),
            Some((_, now)) if now != time => found.push(format!("t {path}")),
            Some(_) => {}
        }
    }
    let new = after.iter().filter(|(path, _)| !before.contains_key(*path));
    found.extend(new.map(|(path, (facts, time))| {
        let time = if time.starts_with("2001-") {
            " old"
        } else {
            ""
        };
        format!("+ {path}: {facts}{time}")
    }));
    found.sort();
    found
}

/// A place for images, with a hypervisor that has no domains.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
    hypervisor: Libvirt,
    store: Store,
    interrupt: Interrupt,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let network = "<network><name>default</name><ip address='192.168.122.1'/></network>";
        fs::write(
            dir.path().join("host.xml"),
            format!("<node>{network}</node>"),
        )
        .unwrap();
        let uri = format!("test://{}", dir.path().join("host.xml").display());
        Self {
            hypervisor: Libvirt::open(Some(&uri)).unwrap(),
            store: Store::at(dir.path().join("state")),
            interrupt: Interrupt::default(),
            dir,
        }
    }

    fn image(&self, megabytes: u64) -> PathBuf {
        let path = self.dir.path().join("image");
        fs::File::create(&path)
            .unwrap()
            .set_len(megabytes << 20)
            .unwrap();
        path
    }

    /// Makes changes, all in one go.
    fn change(&self, image: &Path, draft: impl FnOnce(&Writing<'_>, &mut Draft<'_>)) {
        let host = Host {
            hypervisor: &self.hypervisor,
            store: &self.store,
            interrupt: &self.interrupt,
            observer: &Silent,
        };
        let format = Some(ImageFormat::Raw);
        let writing = Writing::of_image(host, image.to_owned(), format, &View::default()).unwrap();
        let mut drafted = Draft::new(&writing);
        draft(&writing, &mut drafted);
        let (changes, left_out) = drafted.finish();
        assert!(left_out.len() == 1, "{left_out:?}");
        let job = Job {
            held: writing.close(),
            changes,
        };
        let results = carry_out(&[job], false);
        results.into_iter().for_each(|result| result.unwrap());
        // Nothing is left beside the image.
        let names = fs::read_dir(self.dir.path()).unwrap();
        let hidden = names.filter(|name| {
            let name = name.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with('.')
        });
        assert_eq!(hidden.count(), 0);
    }

    /// A tree of the host that is to be copied.
    fn tree(&self) -> PathBuf {
        let tree = self.dir.path().join("tree");
        let script = format!(
            "mkdir -p {0}/sub/below {0}/lnk; cd {0}; echo new > sub/new; echo other > sub/below/stays\n\
             ln -s /nowhere sub/link; mkfifo sub/pipe; echo in > lnk/in; chmod 2750 sub/below\n\
             chown 5:6 sub/new; chmod 4711 sub/new; printf x > $'sub/odd \\\\ \"name\\''\n\
             find . -exec touch -h -d '2001-02-03 04:05:06.5 UTC' {{}} +",
            tree.display()
        );
        run("bash", &["-euc", &script]);
        tree
    }

    /// Another file for a boot loader.
    fn grub(&self) -> PathBuf {
        let dir = self.dir.path().join("new");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("grub.cfg"), "timeout=1\n").unwrap();
        dir.join("grub.cfg")
    }

    /// An archive of a directory in a tree, with a second name of a file in it.
    fn archive(&self, tree: &Path) -> PathBuf {
        let path = self.dir.path().join("archive");
        let (to, from) = (path.to_str().unwrap(), tree.to_str().unwrap());
        run(
            "ln",
            &[&format!("{from}/lnk/in"), &format!("{from}/lnk/in-too")],
        );
        run(
            "touch",
            &["-d", "2001-02-03 04:05:06 UTC", &format!("{from}/lnk/in")],
        );
        run(
            "tar",
            &[
                "-c",
                "-f",
                to,
                "-C",
                from,
                "--owner=5",
                "--group=6",
                "./lnk",
            ],
        );
        path
    }

    /// One change of each kind, on a system that [`FILL`] has made.
    fn one_of_each(&self, image: &Path) {
        let tree = self.tree();
        self.change(image, |writing, draft| {
            // Into directories that are there, also by a link to one.
            draft.copy_in(&tree.join("sub"), b"/srv").unwrap();
            draft.tar_in(&self.archive(&tree), b"/").unwrap();
            draft.mkdir(b"/etc/d/one/two", true, Some(0o700)).unwrap();
            draft.rm(b"/srv/old", true, false).unwrap();
            draft.mv(b"/etc/setuid", b"/usr/bin/moved").unwrap();
            draft.ln(b"../x", b"/etc/d", true, false).unwrap();
            draft
                .ln(b"/srv/stays", b"/srv/stays-too", false, false)
                .unwrap();
            let mode = "u+s,o-r".parse().unwrap();
            draft.chmod(b"/etc/capable", &mode, false).unwrap();
            let owner = "ann:users".parse().unwrap();
            draft.chown(b"/etc/d", &owner, true).unwrap();
            draft.touch(b"/var/touched", true).unwrap();
            draft.touch(b"/etc/passwd", true).unwrap();
            let from = writing.scratch().file("text", b"written\n").unwrap();
            assert!(
                draft
                    .write(b"/etc/new", &from, false, Given::default())
                    .unwrap()
            );
            assert!(
                draft
                    .write(b"/etc/group", &from, true, Given::default())
                    .unwrap()
            );
        });
    }
}

/// What [`Bench::one_of_each`] does to it.
const EACH: &[&str] = &[
    "+ etc/d/one/two: drwx------ 0:0 2 - ETC",
    "+ etc/d/one: drwxr-xr-x 0:0 3 - ETC",
    "+ etc/d/x: lrwxrwxrwx 0:0 1 4 ../x ETC",
    "+ etc/new: -rw-r--r-- 0:0 1 8 d9ed84a1 ETC",
    "+ srv/in-too: -rw-r--r-- 5:6 2 3 ab508036 SRV old",
    "+ srv/in: -rw-r--r-- 5:6 2 3 ab508036 SRV old",
    "+ srv/stays-too: -rw-r--r-- 0:0 2 6 88068bdc old",
    "+ srv/sub/below/stays: -rw-r--r-- 0:0 1 6 7e4fa2eb SRV old",
    "+ srv/sub/below: drwxr-s--- 0:0 2 - SRV old",
    "+ srv/sub/link: lrwxrwxrwx 0:0 1 8 /nowhere SRV",
    "+ srv/sub/new: -rws--x--x 5:6 1 4 7aa7a535 SRV old",
    "+ srv/sub/odd \\ \"name': -rw-r--r-- 0:0 1 1 2d711642 SRV old",
    "+ srv/sub: drwxr-xr-x 0:0 3 - SRV old",
    "+ usr/bin/moved: -rwsr-sr-x 1000:100 1 9 HASH TIME",
    "+ var/touched: -rw-r--r-- 0:0 1 0 e3b0c442",
    "- etc/setuid",
    "- srv/old",
    "- srv/old/deep",
    "t etc",
    "t etc/passwd",
    "t srv",
    "t usr/bin",
    "t var",
    "~ etc/capable: -rw-r--r-- 0:0 1 9 HASH CAP > -rwSr----- 0:0 1 9 HASH CAP",
    "~ etc/d: drwxr-xr-x 0:0 2 - ETC > drwxr-xr-x 1000:100 3 - ETC",
    "~ etc/group: -rw-r--r-- 0:0 1 13 e3a018b5 > -rw-r--r-- 0:0 1 21 f012ae67",
    "~ srv/stays: -rw-r--r-- 0:0 1 6 88068bdc > -rw-r--r-- 0:0 2 6 88068bdc",
];

/// `security.selinux` with the label of `etc` and that of `srv`.
const ETC: &str = "security.selinux=0x73797374656d5f753a6f626a6563745f723a6574635f743a7330";
const SRV: &str = "security.selinux=0x73797374656d5f753a6f626a6563745f723a7661725f743a7330";

const ACL: &str = "system.posix_acl_access=0x0200000001000600ffffffff02000600e803000004000400ffffffff\
     10000600ffffffff20000400ffffffff";
const CAPABLE: &str = "security.capability=0x0100000200200000000000000000000000000000";

fn short(lines: Vec<String>) -> Vec<String> {
    let short = |line: String| {
        let words = [(ETC, "ETC"), (SRV, "SRV"), (ACL, "ACL"), (CAPABLE, "CAP")];
        words
            .iter()
            .fold(line, |line, (long, short)| line.replace(long, short))
    };
    let many = |line: &String| !line.starts_with("- srv/old/deep/");
    lines.into_iter().filter(many).map(short).collect()
}

#[test]
fn an_edit_changes_the_contents_and_nothing_else() {
    let bench = Bench::new();
    let image = bench.image(64);
    run("mke2fs", &["-q", "-t", "ext4", image.to_str().unwrap()]);
    with_mounts(
        &image,
        &format!("mount -o loop $IMG $MNT\n({FILL})\numount $MNT"),
    );
    let before = facts(&image, 0);
    let output = command(env!("CARGO_BIN_EXE_vmkin"))
        .args([
            "-c",
            &format!("test://{}/host.xml", bench.dir.path().display()),
        ])
        .args([
            "edit",
            "--format",
            "raw",
            "-b",
            ".bak",
            "-e",
            "s/old/new/",
            "-a",
        ])
        .arg(&image)
        .args(["/lnk/link", "/etc/setuid", "/etc/capable"])
        .env("VMKIN_STATE_DIR", bench.dir.path().join("state"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    run("e2fsck", &["-fn", image.to_str().unwrap()]);
    let found = short(differences(&before, &facts(&image, 0)));
    let same = [
        "+ etc/capable.bak: -rw-r--r-- 0:0 1 9 bd04ccce CAP old",
        "+ etc/config.bak: -rw-rw-r-- 7:8 1 9 bd04ccce ETC ACL user.note=0x6b657074 old",
        "+ etc/setuid.bak: -rwsr-sr-x 1000:100 1 9 bd04ccce old",
        "t etc",
        "~ etc/capable: -rw-r--r-- 0:0 1 9 bd04ccce CAP > -rw-r--r-- 0:0 1 9 cec1b93d CAP",
        "~ etc/config: -rw-rw-r-- 7:8 2 9 bd04ccce ETC ACL user.note=0x6b657074 > \
         -rw-rw-r-- 7:8 2 9 cec1b93d ETC ACL user.note=0x6b657074",
        "~ etc/setuid: -rwsr-sr-x 1000:100 1 9 bd04ccce > -rwsr-sr-x 1000:100 1 9 cec1b93d",
        // The other name of it.
        "~ srv/other-name: -rw-rw-r-- 7:8 2 9 bd04ccce ETC ACL user.note=0x6b657074 > \
         -rw-rw-r-- 7:8 2 9 cec1b93d ETC ACL user.note=0x6b657074",
    ];
    assert_eq!(found, same);
    let before = facts(&image, 0);
    bench.one_of_each(&image);
    run("e2fsck", &["-fn", image.to_str().unwrap()]);
    each_is_there(&before, &facts(&image, 0), "cec1b93d", "");
}

/// Fails unless there is what [`Bench::one_of_each`] does, and nothing else; `hash`
/// and `time` are those of `etc/setuid`.
#[track_caller]
fn each_is_there(before: &Facts, after: &Facts, hash: &str, time: &str) {
    let found = short(differences(before, after));
    let wanted: Vec<String> = EACH
        .iter()
        .map(|line| line.replace("HASH", hash).replace(" TIME", time))
        .collect();
    assert_eq!(found, wanted);
}

/// Where the first logical volume begins: the partition, and the metadata of LVM2.
const LOGICAL: u64 = (1 << 20) + (1 << 20);

#[test]
fn xfs_on_a_logical_volume_is_changed_as_asked() {
    let bench = Bench::new();
    let image = bench.image(420);
    let to = image.to_str().unwrap();
    let script = [
        &["--format=raw", "-a", to, "--", "run"][..],
        &["part-init", "/dev/sda", "mbr"],
        &["part-add", "/dev/sda", "p", "2048", "-2048"],
        &["part-set-mbr-id", "/dev/sda", "1", "0x8e"],
        &["pvcreate", "/dev/sda1"],
        &["vgcreate", "vg", "/dev/sda1"],
        &["lvcreate", "root", "vg", "400"],
        &["mkfs", "xfs", "/dev/vg/root"],
        &["shutdown"],
    ];
    guestfish(&script.join(&":"));
    let fill = format!("mount -o loop,offset={LOGICAL} $IMG $MNT\n({FILL})\numount $MNT");
    with_mounts(&image, &fill);
    let before = facts(&image, LOGICAL);
    bench.one_of_each(&image);
    each_is_there(&before, &facts(&image, LOGICAL), "bd04ccce", " old");
    let volume = bench.dir.path().join("volume");
    let script = format!(
        "dd if={to} of={0} bs=1M skip={1} count=400 status=none; xfs_repair -n {0}",
        volume.display(),
        LOGICAL >> 20
    );
    run("bash", &["-euc", &script]);
}

#[test]
fn files_without_owners_are_changed_as_well() {
    let bench = Bench::new();
    let image = bench.image(64);
    let to = image.to_str().unwrap();
    run("mkfs.vfat", &["-F", "32", to]);
    let file = bench.dir.path().join("grub.cfg");
    fs::write(&file, "timeout=5\n").unwrap();
    run("mcopy", &["-i", to, file.to_str().unwrap(), "::/grub.cfg"]);
    let output = command(env!("CARGO_BIN_EXE_vmkin"))
        .args([
            "-c",
            &format!("test://{}/host.xml", bench.dir.path().display()),
        ])
        .args(["copy-in", "--format", "raw", "-m", "/dev/sda", "-a", to])
        .args([
            file.parent().unwrap().join("host.xml"),
            bench.grub(),
            "/".into(),
        ])
        .env("VMKIN_STATE_DIR", bench.dir.path().join("state"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    run("fsck.fat", &["-n", to]);
    assert_eq!(run("mtype", &["-i", to, "::/grub.cfg"]), "timeout=1\n");
    let known = fs::read_to_string(bench.dir.path().join("host.xml")).unwrap();
    assert_eq!(run("mtype", &["-i", to, "::/host.xml"]), known);
    let listed = run("mdir", &["-b", "-i", to]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
}
