//! What guests have in memory, saved and brought back: they count, and go on
//! counting where they were.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::lab::{Lab, Ran, look, tool};

/// How long a guest under TCG may take for the next number.
const PATIENCE: Duration = Duration::from_secs(120);

/// A guest that counts: in its memory, in a file on its first disk, and on its
/// second disk if it has one. It reads both back from the disk each time.
struct Counting {
    lab: Lab,
    name: String,
    disks: Vec<PathBuf>,
}

/// What it says each time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Count {
    memory: u64,
    first: u64,
    second: Option<u64>,
}

const PROGRAM: &str = "i=1; while :; do echo $i >/mark; \
     [ -b /dev/vdb ] && printf '%08d' $i >/dev/vdb; sync; echo 3 >/proc/sys/vm/drop_caches; \
     echo \"N=$i A=$(cat /mark) B=$(head -c 8 /dev/vdb 2>/dev/null)\"; i=$((i+1)); sleep 0.2; done\n";

impl Counting {
    fn new(test: &str, disks: usize) -> Self {
        let source = std::env::var_os("VMKIN_GOLDEN_DIR").expect("a golden image");
        let second = PathBuf::from(format!("/var/lib/libvirt/images/{test}/second.qcow2"));
        let lab = Lab::on(test, &PathBuf::from(source), "golden", |xml| {
            if disks == 1 {
                return xml.to_owned();
            }
            let disk = format!(
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
                 <source file='{}'/><target dev='vdb' bus='virtio'/></disk></devices>",
                second.display()
            );
            xml.replace("</devices>", &disk)
        });
        let mut images = vec![lab.image()];
        if disks == 2 {
            let path = second.to_str().unwrap();
            tool("qemu-img", &["create", "-q", "-f", "qcow2", path, "8M"]);
            images.push(second);
        }
        let guest = Self {
            name: lab.golden.clone(),
            disks: images,
            lab,
        };
        guest.lab.ok(&format!("start -d {}", guest.name));
        guest.lab.ready(&guest.name);
        guest.lab.type_in(&guest.name, PROGRAM);
        guest.past(1);
        guest
    }

    /// What it has said since it was started or went on last.
    fn counts(&self) -> Vec<Count> {
        let log = self.lab.dir.join(format!("{}.log", self.name));
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // The last line may not be whole yet.
        let end = text.rfind('\n').unwrap_or(0);
        text[..end].lines().filter_map(count).collect()
    }

    /// Waits until it has counted past this; returns what it said last.
    fn past(&self, number: u64) -> Count {
        let since = Instant::now();
        loop {
            let last = self.counts().last().copied();
            if let Some(last) = last.filter(|last| last.memory > number) {
                return last;
            }
            assert!(since.elapsed() < PATIENCE, "it counts no more: {last:?}");
            sleep(Duration::from_millis(100));
        }
    }

    /// It goes on from where it was at a moment when it had said `before`, and had
    /// not said `after` yet; its disks are those that it had then.
    #[track_caller]
    fn goes_on(&self, before: Count, after: u64) {
        self.past(before.memory + 3);
        let counts = self.counts();
        let first = counts[0].memory;
        assert!(
            first >= before.memory && first <= after,
            "{first} is not between {} and {after}",
            before.memory
        );
        for (count, next) in counts.iter().zip(&counts[1..]) {
            assert_eq!(count.memory + 1, next.memory);
        }
        for count in counts {
            assert_eq!(count.first, count.memory);
            let second = (self.disks.len() == 2).then_some(count.memory);
            assert_eq!(count.second, second);
        }
    }

    fn state(&self) -> String {
        tool("virsh", &["-q", "domstate", &self.name])
            .trim()
            .to_owned()
    }

    fn vmkin(&self, command: &str) -> Ran {
        self.lab.vmkin(&format!("{command} -d {}", self.name))
    }

    #[track_caller]
    fn ok(&self, command: &str) -> Ran {
        self.lab.ok(&format!("{command} -d {}", self.name))
    }

    #[track_caller]
    fn refused(&self, command: &str, says: &str) {
        let ran = self.vmkin(command);
        assert_eq!(ran.code, Some(4), "{command}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{command}: {}", ran.stderr);
    }
}

/// Reads `N=7 A=7 B=00000007`.
fn count(line: &str) -> Option<Count> {
    let mut fields = line.trim().split(' ');
    let mut field = |name| fields.next()?.strip_prefix(name);
    let memory = field("N=")?.parse().ok()?;
    let first = field("A=")?.parse().ok()?;
    let second = field("B=")?.parse().ok();
    Some(Count {
        memory,
        first,
        second,
    })
}

#[test]
#[ignore = "needs the private libvirtd"]
fn a_saved_guest_goes_on_where_it_was() {
    let guest = Counting::new("save", 1);
    let before = guest.past(3);
    guest.ok("save");
    assert!(!guest.lab.is_active(&guest.name));
    let last = guest.counts().last().unwrap().memory;
    let list = guest.lab.ok("--json list");
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let mut listed = list.as_array().unwrap().iter();
    assert!(listed.any(|one| one["name"] == guest.name.as_str() && one["state"] == "saved"));
    // Its disks are left alone meanwhile.
    let disk = look(&guest.disks[0]);
    guest.refused("snapshot create", "is saved, and must be shut off");
    assert_eq!(look(&guest.disks[0]), disk);
    guest.ok("restore");
    guest.goes_on(before, last + 1);
    assert!(guest.vmkin("restore").stderr.contains("running already"));
    // Saved running, it can go on stopped; and saved stopped, running.
    let before = guest.past(10);
    guest.ok("save --paused --bypass-cache");
    let last = guest.counts().last().unwrap().memory;
    guest.ok("restore");
    assert_eq!(guest.state(), "paused");
    guest.ok("save");
    guest.ok("restore --running --bypass-cache");
    assert_eq!(guest.state(), "running");
    guest.goes_on(before, last + 1);
    // Without its memory it boots.
    guest.ok("save");
    guest.ok("restore --discard --yes");
    guest.refused("restore", "is shut off, and must have been saved");
    guest.ok("start");
    guest.lab.ready(&guest.name);
}
