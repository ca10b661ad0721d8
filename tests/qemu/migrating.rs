//! Guests that go to another host, which has the same storage.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::far::Far;
use crate::lab::{Lab, tool};

/// How long a guest under TCG may take for the next number.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the guest types on: each number is read back from its disk.
pub const PROGRAM: &str = "i=1; while :; do echo $i >/mark; sync; echo 3 >/proc/sys/vm/drop_caches; \
     echo \"N=$i A=$(cat /mark)\"; i=$((i+1)); sleep 0.2; done\n";

/// Two hosts, and a guest on the first whose files both have.
pub struct Moving {
    pub lab: Lab,
    pub far: Far,
    pub name: String,
}

impl Moving {
    fn new(test: &str) -> Self {
        Self::to(test, |shared| Far::start(test, shared))
    }

    /// The second host is what `host` makes.
    pub fn to(test: &str, host: impl Fn(&Path) -> Far) -> Self {
        let mut lab = Lab::new(test);
        // Each host has it: it is mounted on itself there.
        let shared = PathBuf::from(format!("/run/{test}-images"));
        fs::create_dir_all(&shared).unwrap();
        let source = PathBuf::from(std::env::var_os("VMKIN_GOLDEN_DIR").unwrap());
        for name in ["golden.qcow2", "vmlinuz", "initrd"] {
            fs::copy(source.join(name), shared.join(name)).unwrap();
        }
        let name = lab.name("mover");
        let here = |dir: &Path| dir.display().to_string();
        let xml = lab
            .golden_xml()
            .replace(&here(&lab.dir), &here(&shared))
            .replace(&here(&source), &here(&shared))
            .replace(
                &format!("<name>{}</name>", lab.golden),
                &format!("<name>{name}</name>"),
            )
            .replace(&format!("{}.log", lab.golden), &format!("{name}.log"))
            .replace("append='off'", "append='on'")
            .replace("<interface type='network'>", "<interface type='user'>")
            .replace("<source network='default'/>", "");
        let (start, rest) = xml
            .split_once("<uuid>")
            .map_or((xml.as_str(), ""), |(start, rest)| {
                (start, rest.split_once("</uuid>").unwrap().1)
            });
        lab.define(&format!("{start}{rest}"));
        let far = host(&shared);
        lab.dir = shared;
        Self { lab, far, name }
    }

    /// The host is told that the storage is shared.
    pub fn pool(&self) {
        let target = self.far.images.display().to_string();
        self.far
            .virsh(&["pool-create-as", "shared", "dir", "--target", &target]);
    }

    /// Waits until the guest has counted past this.
    pub fn past(&self, number: u64) -> u64 {
        let since = Instant::now();
        loop {
            let last = self.counts().last().copied().unwrap_or(0);
            if last > number {
                return last;
            }
            assert!(since.elapsed() < PATIENCE, "it counts no more: {last}");
            sleep(Duration::from_millis(100));
        }
    }

    /// Waits until it has counted past this, and looks whether it has left out nothing.
    pub fn goes_on(&self, past: u64) {
        self.past(past);
        let counts = self.counts();
        for (count, next) in counts.iter().zip(&counts[1..]) {
            assert_eq!(count + 1, *next, "it did not go on where it was");
        }
    }

    fn counts(&self) -> Vec<u64> {
        counts_in(&self.lab.dir.join(format!("{}.log", self.name)))
    }

    /// Whether it is here, and there.
    pub fn domains(&self) -> (bool, bool) {
        let has = |list: String| list.lines().any(|line| line.trim() == self.name);
        let here = tool("virsh", &["list", "--all", "--name"]);
        (has(here), has(self.far.virsh(&["list", "--all", "--name"])))
    }
}

/// What a guest has counted on this console.
pub fn counts_in(log: &Path) -> Vec<u64> {
    let log = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&log).into_owned();
    let end = text.rfind('\n').unwrap_or(0);
    let count = |line: &str| {
        let (memory, disk) = line.trim().strip_prefix("N=")?.split_once(" A=")?;
        assert_eq!(memory, disk, "the disk is another");
        memory.parse().ok()
    };
    text[..end].lines().filter_map(count).collect()
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_guest_goes_to_another_host_while_it_runs_and_shut_off() {
    let moving = Moving::new("migrate");
    let (lab, far, name) = (&moving.lab, &moving.far, &moving.name);
    let migrate = format!(
        "migrate -d {name} --to {} --migrate-uri tcp://127.0.0.1",
        far.uri
    );
    let refused = lab.fails(3, &migrate);
    assert!(
        refused.stderr.contains("pool-create-as"),
        "{}",
        refused.stderr
    );
    moving.pool();

    lab.ok(&format!("start -d {name}"));
    lab.ready(name);
    lab.type_in(name, PROGRAM);
    let before = moving.past(1);
    let planned = lab.ok(&format!("{migrate} --dry-run --json")).stdout;
    let planned: Value = serde_json::from_str(&planned).unwrap();
    assert_eq!(planned[0]["live"], true);
    assert_eq!(moving.domains(), (true, false));
    // The storage is local to both, which libvirt cannot know to be one.
    let wary = lab.fails(1, &migrate);
    assert!(wary.stderr.contains("nsafe"), "{}", wary.stderr);
    assert_eq!(moving.domains(), (true, false));
    lab.ok(&format!("{migrate} --unsafe"));
    assert_eq!(moving.domains(), (false, true));
    moving.goes_on(before + 5);
    assert_eq!(far.virsh(&["domstate", name]).trim(), "running");

    // And back, from a host that is not this one.
    let target = far.images.display().to_string();
    tool(
        "virsh",
        &["-q", "pool-create-as", name, "dir", "--target", &target],
    );
    let back = format!(
        "-c {} migrate -d {name} --to qemu:///system --migrate-uri tcp://127.0.0.1 --unsafe",
        far.uri
    );
    let before = moving.past(before + 5);
    lab.fails(8, &format!("{back} --copy-storage"));
    lab.ok(&back);
    assert_eq!(moving.domains(), (true, false));
    moving.goes_on(before + 5);

    // Shut off, it goes by its definition, there and back; what is known of it stays.
    lab.virsh_destroy(name);
    lab.ok(&migrate);
    assert_eq!(moving.domains(), (false, true));
    lab.ok(&back);
    assert_eq!(moving.domains(), (true, false));
    tool("virsh", &["-q", "pool-destroy", name]);
    lab.ok(&migrate);
    assert_eq!(moving.domains(), (false, true));
    assert!(
        far.virsh(&["dumpxml", name])
            .contains(&format!("<name>{name}</name>"))
    );
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_guest_does_not_go_where_a_directory_only_has_the_name() {
    let lab = Lab::new("migratenot");
    let other = lab.dir.join("other");
    fs::create_dir(&other).unwrap();
    let far = Far::start("migratenot", &other);
    fs::copy(lab.image(), other.join("golden.qcow2")).unwrap();
    // There it has another directory of the name that the images have here.
    let dir = lab.dir.display().to_string();
    far.tool(&["mkdir", "-p", &dir]);
    far.tool(&["mount", "--bind", &far.images.display().to_string(), &dir]);
    far.virsh(&["pool-create-as", "shared", "dir", "--target", &dir]);
    let refused = lab.fails(4, &format!("migrate -d {} --to {}", lab.golden, far.uri));
    assert!(
        refused.stderr.contains("is not the directory of that name"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        fs::read_dir(&other).unwrap().count(),
        1,
        "the probe is there still"
    );
}
