//! Guests that go to another host, which gets copies of their disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::far::Far;
use crate::lab::{Lab, Ran, tool};
use crate::migrating::{Moving, PROGRAM, counts_in};

/// After so long what has to end does not.
const HANGS: Duration = Duration::from_secs(90);

/// Two hosts, which have nothing in common but the names of directories, and clones
/// of one golden domain on the first.
struct Apart {
    moving: Moving,
    /// Where the images of the second host really are.
    real: PathBuf,
    running: String,
    off: String,
}

impl Apart {
    fn new(test: &str) -> Self {
        let real = PathBuf::from(format!("/var/lib/libvirt/images/{test}-there"));
        fs::create_dir_all(&real).unwrap();
        let source = PathBuf::from(std::env::var_os("VMKIN_GOLDEN_DIR").unwrap());
        for name in ["vmlinuz", "initrd"] {
            fs::copy(source.join(name), real.join(name)).unwrap();
        }
        let mut moving = Moving::to(test, |_| Far::on_wire(test, 6, false, &real));
        let lab = &moving.lab;
        let [running, off] = ["running", "off"].map(|name| lab.name(name));
        let clone = format!("clone -d {} {running} {off}", moving.name);
        lab.ok(&format!("{clone} --identity cloud-init"));
        moving.name.clone_from(&running);
        Self {
            moving,
            real,
            running,
            off,
        }
    }

    fn lab(&self) -> &Lab {
        &self.moving.lab
    }

    fn migrate(&self, name: &str) -> String {
        format!("migrate -d {name} --to {}", self.moving.far.uri)
    }

    /// The disk of a guest, here and there.
    fn disks(&self, name: &str) -> [PathBuf; 2] {
        let file = format!("{name}.qcow2");
        [self.lab().dir.join(&file), self.real.join(&file)]
    }

    /// What the second host has of guests.
    fn images_there(&self) -> Vec<String> {
        let files = fs::read_dir(&self.real).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut images: Vec<String> = names.filter(|name| name.ends_with(".qcow2")).collect();
        images.sort();
        images
    }

    fn domains_there(&self) -> String {
        self.moving.far.virsh(&["list", "--all", "--name"])
    }

    /// Has the guest that runs go, slowly, and returns when it is on its way.
    fn on_its_way(&self, how: &str) -> Child {
        tool("virsh", &["migrate-setspeed", &self.running, "1"]);
        let args = format!("{} {how}", self.migrate(&self.running));
        let mut going = self.lab().spawn(&args);
        let is_on_its_way =
            || tool("virsh", &["domjobinfo", &self.running]).contains("Memory processed");
        while !is_on_its_way() {
            if going.try_wait().unwrap().is_some() {
                let ran = Ran::new(&going.wait_with_output().unwrap());
                panic!("it has ended: {}", ran.stderr);
            }
            sleep(Duration::from_millis(50));
        }
        assert!(self.disks(&self.running)[1].exists(), "there is no volume");
        going
    }

    /// What was begun is taken back, and only bases stay there.
    fn recovers(&self) {
        assert_eq!(self.lab().journals(), 1);
        let since = Instant::now();
        loop {
            let ran = self.lab().vmkin("recover");
            if ran.code == Some(0) {
                break;
            }
            // Libvirt there may be busy with it still.
            assert!(since.elapsed() < HANGS, "{}", ran.stderr);
            sleep(Duration::from_millis(200));
        }
        assert_eq!(self.lab().journals(), 0);
        assert_eq!(self.images_there(), ["golden.qcow2"]);
        assert_eq!(self.domains_there().trim(), "");
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.real));
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_guests_take_copies_of_their_disks_along() {
    let mut apart = Apart::new("apart");
    let (running, off) = (apart.running.clone(), apart.off.clone());
    let target = apart.lab().dir.display().to_string();
    let pool = ["pool-create-as", "images", "dir", "--target", &target];
    apart.moving.far.virsh(&pool);
    apart.lab().ok(&format!("start -d {running} {off}"));
    let (lab, writes) = (apart.lab(), "echo what it had >/kept; sync; echo WRITTEN\n");
    thread::scope(|scope| {
        for (name, line) in [(&off, writes), (&running, PROGRAM)] {
            scope.spawn(move || {
                lab.ready(name);
                lab.type_in(name, line);
            });
        }
    });
    lab.said(&off, "WRITTEN");
    lab.virsh_destroy(&off);
    let before = apart.moving.past(1);

    // Neither is the storage shared, nor is the base there.
    let plain = apart.lab().fails(4, &apart.migrate(&running));
    assert!(plain.stderr.contains("--copy-storage"), "{}", plain.stderr);
    let own = format!("{} --copy-storage", apart.migrate(&running));
    let no_base = apart.lab().fails(4, &own);
    assert!(
        no_base.stderr.contains("vmkin base push"),
        "{}",
        no_base.stderr
    );
    assert!(apart.images_there().is_empty());
    let planned = format!("{own}=all --dry-run --json");
    let planned: Value = serde_json::from_str(&apart.lab().ok(&planned).stdout).unwrap();
    assert_eq!(planned[0]["copied"][0]["what"], "base");
    assert_eq!(planned[0]["copied"][1]["what"], "disk");
    assert!(apart.images_there().is_empty());

    the_host_dies_on_the_way(&mut apart, &pool, before);
    vmkin_dies_on_the_way(&apart);
    one_that_is_shut_off(&apart);
    one_that_runs(&apart);
    disks_without_a_base(&apart);
}

/// The guest stays, and goes on.
fn the_host_dies_on_the_way(apart: &mut Apart, pool: &[&str], before: u64) {
    let going = apart.on_its_way("--copy-storage-all");
    apart.moving.far.kill();
    // It comes back soon, and has forgotten its pool.
    apart.moving.far.start_again();
    let stayed = Ran::new(&going.wait_with_output().unwrap());
    assert_eq!(stayed.code, Some(11), "{}", stayed.stderr);
    assert!(stayed.stderr.contains("vmkin recover"), "{}", stayed.stderr);
    apart.moving.past(before + 5);
    apart.moving.far.virsh(pool);
    apart.recovers();
}

fn vmkin_dies_on_the_way(apart: &Apart) {
    let mut going = apart.on_its_way("--copy-storage");
    going.kill().unwrap();
    going.wait().unwrap();
    apart.recovers();
    let before = apart.moving.past(0);
    apart.moving.past(before + 2);
    // The same of one that is shut off, with half of its disk there, and all of it.
    let args = format!("{} --copy-storage", apart.migrate(&apart.off));
    for point in ["push.sent", "migrate.filled"] {
        let killed = apart.lab().vmkin_with(&format!("{point}=kill"), &args);
        assert_eq!(killed.code, None, "{point}: {}", killed.stderr);
        assert!(apart.disks(&apart.off)[1].exists(), "{point}");
        apart.recovers();
    }
    // The next run does that, too; and who fails or is told to stop, for itself.
    apart.lab().vmkin_with("migrate.made=kill", &args);
    let failed = apart.lab().vmkin_with("migrate.filled=error", &args);
    assert!(failed.stderr.contains("Recovered"), "{}", failed.stderr);
    assert_ne!(failed.code, Some(0), "{}", failed.stderr);
    let going = apart.on_its_way("--copy-storage");
    tool("kill", &["-INT", &going.id().to_string()]);
    let stopped = Ran::new(&going.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(130), "{}", stopped.stderr);
    assert_eq!(apart.lab().journals(), 0);
    assert_eq!(apart.images_there(), ["golden.qcow2"]);
    assert_eq!(apart.domains_there().trim(), "");
}

fn one_that_is_shut_off(apart: &Apart) {
    let (lab, far, off) = (apart.lab(), &apart.moving.far, &apart.off);
    let [here, there] = apart.disks(off);
    fs::write(&there, "another guest's").unwrap();
    let migrate = format!("{} --copy-storage", apart.migrate(off));
    lab.fails(5, &migrate);
    assert_eq!(fs::read(&there).unwrap(), b"another guest's");
    fs::remove_file(&there).unwrap();

    let killed = lab.vmkin_with("migrate.gone=kill", &migrate);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    let recovered = lab.ok("recover");
    assert!(recovered.stderr.contains("gone to"), "{}", recovered.stderr);
    assert_eq!(apart.domains_there().trim(), off);
    assert!(!tool("virsh", &["list", "--all", "--name"]).contains(off.as_str()));
    let words = [&here, &there].map(|path| path.display().to_string());
    tool("cmp", &[&words[0], &words[1]]);
    let kept = lab.ok(&format!("-c {} cat -d {off} /kept", far.uri));
    assert_eq!(kept.stdout, "what it had\n");
    // Its base is there what the guest knows it to be, by vmkin on that host too.
    let base = lab.dir.join("golden.qcow2").display().to_string();
    let other = lab.name("other");
    let clone = format!("-c {} clone --base {base} {other} --dry-run", far.uri);
    lab.ok(&clone);
    let children = far.vmkin(&["base", "children", &base]);
    assert!(children.contains(off.as_str()), "{children}");
    let tree = far.vmkin(&["tree"]);
    assert!(
        tree.contains(&base) && tree.contains(off.as_str()),
        "{tree}"
    );
    let verified = far.vmkin(&["base", "verify", &base, "--json"]);
    let verified: Value = serde_json::from_str(&verified).unwrap();
    assert_eq!(
        verified[0]["problems"],
        Value::Array(Vec::new()),
        "{verified:#}"
    );
    fs::remove_file(apart.real.join(format!("{off}.log"))).unwrap_or_default();
    far.virsh(&["start", off]);
    boots(&apart.real, off);
    far.virsh(&["destroy", off]);
}

fn boots(dir: &Path, name: &str) {
    let since = Instant::now();
    let log = dir.join(format!("{name}.log"));
    while !fs::read_to_string(&log)
        .unwrap_or_default()
        .contains("VMKIN-READY")
    {
        assert!(since.elapsed() < HANGS, "it does not boot there");
        sleep(Duration::from_millis(200));
    }
}

fn one_that_runs(apart: &Apart) {
    let (lab, far, running) = (apart.lab(), &apart.moving.far, &apart.running);
    tool("virsh", &["migrate-setspeed", running, "1000"]);
    let args = format!(
        "{} --copy-storage --delete-source --json",
        apart.migrate(running)
    );
    let told: Value = serde_json::from_str(&lab.ok(&args).stdout).unwrap();
    assert_eq!(told[0]["left"], Value::Array(Vec::new()));
    assert_eq!(
        told[0]["files"][0],
        lab.dir.join("golden.qcow2").display().to_string()
    );
    let [here, there] = apart.disks(running);
    assert!(!here.exists() && there.exists());
    assert!(lab.dir.join("golden.qcow2").exists());
    assert_eq!(apart.moving.domains(), (false, true));
    assert_eq!(far.virsh(&["domstate", running]).trim(), "running");

    // It goes on where it was, and reads what it has written.
    let log = |dir: &Path| counts_in(&dir.join(format!("{running}.log")));
    let last = *log(&lab.dir).last().unwrap();
    let since = Instant::now();
    while log(&apart.real).len() < 5 {
        assert!(since.elapsed() < HANGS, "it counts no more: {last}");
        sleep(Duration::from_millis(100));
    }
    let first = log(&apart.real)[0];
    // A line may be on both consoles, one half on each.
    assert!((last + 1..=last + 2).contains(&first), "{last}, {first}");
    let path = lab.dir.join(format!("{running}.qcow2"));
    let xml = far.virsh(&["dumpxml", "--inactive", running]);
    assert!(
        xml.contains("vmkin:base") && xml.contains(&path.display().to_string()),
        "{xml}"
    );
    far.virsh(&["destroy", running]);
    far.tool(&[
        "qemu-img",
        "check",
        "-f",
        "qcow2",
        &path.display().to_string(),
    ]);
    // And what it has written is there when it starts anew.
    let mark = lab
        .ok(&format!("-c {} cat -d {running} /mark", far.uri))
        .stdout;
    assert!(mark.trim().parse::<u64>().unwrap() >= first, "{mark}");
}

/// A qcow2 and a raw image, and UEFI variables: one guest goes while it runs, one like it shut off.
fn disks_without_a_base(apart: &Apart) {
    let (lab, far) = (apart.lab(), &apart.moving.far);
    let at = |dir: &Path, name: &str| dir.join(name).display().to_string();
    for (guest, live) in [("bare-live", true), ("bare-off", false)] {
        let name = lab.name(guest);
        let files = ["qcow2", "raw", "fd"].map(|end| format!("{guest}.{end}"));
        let [qcow2, raw, variables] = files.each_ref().map(|file| at(&lab.dir, file));
        tool("qemu-img", &["create", "-q", "-f", "qcow2", &qcow2, "64M"]);
        tool("qemu-img", &["create", "-q", "-f", "raw", &raw, "32M"]);
        for (format, path, place) in [
            ("qcow2", &qcow2, "40M"),
            ("raw", &raw, "0"),
            ("raw", &raw, "20M"),
        ] {
            let write = format!("write -P 7 {place} 100k");
            tool("qemu-io", &["-f", format, "-c", &write, path]);
        }
        fs::write(&variables, vec![9; 100_000]).unwrap();
        lab.define_bare(&name, &[&qcow2, &raw]);
        // The second is the raw one.
        let xml = lab.xml(&name);
        let (first, second) = xml.rsplit_once("type='qcow2'").unwrap();
        let mut xml = format!("{first}type='raw'{second}");
        if !live {
            let nvram = format!(
                "<loader readonly='yes' type='pflash'>/usr/share/x</loader><nvram>{variables}</nvram></os>\
                 <features><acpi/></features>"
            );
            xml = xml.replace("</os>", &nvram);
        }
        lab.define(&xml);
        if live {
            lab.ok(&format!("start -d {name}"));
        }
        let migrate = format!("{} --copy-storage --delete-source", apart.migrate(&name));
        lab.ok(&migrate);
        let state = if live { "running" } else { "shut off" };
        assert_eq!(far.virsh(&["domstate", &name]).trim(), state);
        for (format, file, reads) in [
            ("qcow2", &files[0], &[("40M", 7), ("10M", 0)][..]),
            ("raw", &files[1], &[("0", 7), ("20M", 7), ("10M", 0)]),
        ] {
            assert!(!lab.dir.join(file).exists(), "{file} is here still");
            for (place, pattern) in reads {
                let read = format!("read -P {pattern} {place} 100k");
                let path = at(&apart.real, file);
                let said = tool("qemu-io", &["-r", "-U", "-f", format, "-c", &read, &path]);
                assert!(
                    !said.contains("verification failed"),
                    "{file} {place}: {said}"
                );
            }
        }
        if !live {
            assert!(!Path::new(&variables).exists());
            assert_eq!(
                fs::read(apart.real.join(&files[2])).unwrap(),
                vec![9; 100_000]
            );
        }
    }
}
