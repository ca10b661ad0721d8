//! What guests have in memory, saved and brought back: they count, and go on
//! counting where they were.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
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

/// A device that libvirt does not know: it does not see that a definition lacks
/// it, but QEMU finds it in the memory, after it has taken the disks back.
const DEVICE: &str = "<qemu:commandline><qemu:arg value='-device'/>\
     <qemu:arg value='virtio-rng-pci,addr=0x1e'/></qemu:commandline>";

const DOMAIN: &str = "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>";

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
            let xml = xml.replace("<domain type='qemu'>", DOMAIN);
            let xml = xml.replace("</domain>", &format!("{DEVICE}</domain>"));
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
            // So that ids differ from those of the first.
            tool("qemu-img", &["snapshot", "-c", "odd", path]);
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

    /// The number that it has said by now, and that it may not have missed when it
    /// goes on from a moment ago: it may have been in the middle of a line, of which
    /// the rest is no number.
    fn by_now(&self) -> u64 {
        self.past(0).memory + 2
    }

    /// It goes on from where it was at a moment when it had said `before`, and not
    /// what comes after `after`; its disks are those that it had then.
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
fn a_guest_with_one_disk_goes_on_where_it_was_saved_or_kept() {
    let guest = Counting::new("memory-one", 1);
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
    guest.goes_on(before, last + 2);
    assert!(guest.vmkin("restore").stderr.contains("running already"));
    // Saved running, it can go on stopped; and saved stopped, running.
    let before = guest.past(10);
    guest.ok("save --paused --bypass-cache");
    let last = guest.counts().last().unwrap().memory;
    tool("virsh", &["-q", "start", &guest.name]);
    assert_eq!(guest.state(), "paused");
    guest.ok("save");
    guest.ok("restore --running --bypass-cache");
    assert_eq!(guest.state(), "running");
    guest.goes_on(before, last + 2);
    // The same of a snapshot, with its one disk.
    let before = guest.past(20);
    guest.made("create --memory", "one");
    let after = guest.by_now();
    guest.past(after + 3);
    guest.unplug();
    guest.made("apply", "one");
    guest.goes_on(before, after);
    guest.has(&["one"]);
    // Made while it was paused, it goes on paused, or as is wanted.
    guest.ok("suspend");
    let last = guest.counts().last().unwrap().memory;
    guest.made("create --memory", "two");
    guest.unplug();
    guest.made("apply", "two");
    assert_eq!(guest.state(), "paused");
    guest.unplug();
    guest.made("apply --running", "two");
    assert_eq!(guest.state(), "running");
    guest.past(last);
    assert!(guest.counts()[0].memory <= last + 2);
    guest.has(&["one", "two"]);
    // Without its memory it boots.
    tool("virsh", &["-q", "managedsave", &guest.name]);
    let file = format!("/var/lib/libvirt/qemu/save/{}.save", guest.name);
    let mut saved = fs::OpenOptions::new().write(true).open(file).unwrap();
    // First what QEMU reads, then what libvirt reads of it is no more.
    for at in [200_000, 0] {
        saved.seek(SeekFrom::Start(at)).unwrap();
        saved.write_all(&[7; 60_000]).unwrap();
        let ran = guest.vmkin("restore");
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("vmkin restore --discard"),
            "{}",
            ran.stderr
        );
        assert!(!guest.lab.is_active(&guest.name));
    }
    guest.ok("restore --discard --yes");
    guest.refused("restore", "is shut off, and must have been saved");
    guest.ok("start");
    guest.lab.ready(&guest.name);
}

impl Counting {
    /// The names of the snapshots in each image, but for the odd one.
    fn tags(&self) -> Vec<Vec<String>> {
        let tags = |path: &PathBuf| {
            let path = path.to_str().unwrap();
            let args = ["info", "-U", "--output=json", "-f", "qcow2", path];
            let info: serde_json::Value = serde_json::from_str(&tool("qemu-img", &args)).unwrap();
            let tags = info["snapshots"].as_array().cloned().unwrap_or_default();
            let names = tags.iter().map(|tag| tag["name"].as_str().unwrap());
            let names = names.filter(|name| *name != "odd");
            names.map(str::to_owned).collect()
        };
        self.disks.iter().map(tags).collect()
    }

    /// What libvirt has on record.
    fn recorded(&self) -> Vec<String> {
        let names = tool("virsh", &["snapshot-list", &self.name, "--name"]);
        let names = names.lines().filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    }

    /// These snapshots are there, everywhere, and no others.
    #[track_caller]
    fn has(&self, names: &[&str]) {
        let mut recorded = self.recorded();
        let mut sorted = names.to_vec();
        recorded.sort();
        sorted.sort_unstable();
        assert_eq!(recorded, sorted);
        for tags in self.tags() {
            assert_eq!(tags, names);
        }
        assert_eq!(self.lab.journals(), 0);
    }

    fn snapshot(&self, what: &str, name: &str) -> Ran {
        self.failing("", what, name)
    }

    /// The same with these failpoints.
    fn failing(&self, failpoints: &str, what: &str, name: &str) -> Ran {
        let args = format!("snapshot {what} --yes -d {} {name}", self.name);
        self.lab.vmkin_with(failpoints, &args)
    }

    #[track_caller]
    fn made(&self, what: &str, name: &str) -> Ran {
        let ran = self.snapshot(what, name);
        assert_eq!(ran.code, Some(0), "{what} {name}: {}", ran.stderr);
        ran
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn a_guest_that_runs_is_kept_with_its_memory_or_not_at_all() {
    let guest = Counting::new("memory-make", 2);
    guest.made("create --memory", "one");
    assert_eq!(guest.state(), "running");
    guest.past(guest.past(1).memory);
    guest.has(&["one"]);
    let shown = guest.made("--json show", "one").stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["state"], "running");
    assert_eq!(shown["memory"], "internal");
    assert_eq!(shown["images"].as_array().unwrap().len(), 2);
    let sizes = shown["images"].as_array().unwrap().iter();
    let sizes: Vec<u64> = sizes.map(|i| i["memory_bytes"].as_u64().unwrap()).collect();
    assert!(sizes.iter().sum::<u64>() > 10 << 20, "{sizes:?}");
    let info = tool("virsh", &["snapshot-info", &guest.name, "one"]);
    assert!(
        info.contains("running") && info.contains("internal"),
        "{info}"
    );
    // Paused, it stays paused.
    guest.ok("suspend");
    guest.made("create --memory --description why", "two");
    assert_eq!(guest.state(), "paused");
    guest.ok("resume");
    // The name is taken, on record or in one image alone.
    for name in ["one", "odd"] {
        let ran = guest.snapshot("create --memory", name);
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    }
    guest.has(&["one", "two"]);
    // What fails when libvirt is done leaves nothing.
    let ran = guest.failing("snapshot.made=fail", "create --memory", "three");
    assert_eq!(ran.code, Some(10), "{}", ran.stderr);
    guest.has(&["one", "two"]);
    // Killed before or after libvirt has done it, or meanwhile.
    let ran = guest.failing("snapshot.begun=kill", "create --memory", "three");
    assert_eq!(ran.code, None);
    assert!(
        guest
            .lab
            .ok("recover")
            .stderr
            .contains("nothing of it is left")
    );
    guest.has(&["one", "two"]);
    let ran = guest.failing("snapshot.made=kill", "create --memory", "three");
    assert_eq!(ran.code, None);
    assert!(guest.lab.ok("recover").stderr.contains("had been made"));
    guest.has(&["one", "two", "three"]);
    for n in 0..6 {
        let args = format!("snapshot create --memory -d {} k{n}", guest.name);
        let mut child = guest.lab.spawn(&args);
        sleep(Duration::from_millis(40 * (n / 2 + 1)));
        let pid = child.id().to_string();
        // It may have ended by now.
        let signal = if n % 2 == 0 { "-KILL" } else { "-TERM" };
        tool("sh", &["-c", &format!("kill {signal} {pid} || true")]);
        let status = child.wait().unwrap();
        if n % 2 == 1 {
            let made = guest.recorded().contains(&format!("k{n}"));
            // It may not have been listening yet.
            let code = status.code();
            assert!(if made {
                code == Some(0)
            } else {
                code.is_none_or(|c| c == 143)
            });
        }
        guest.lab.ok("recover");
        // Libvirt may have heard of it, and not begun yet.
        let since = Instant::now();
        while guest
            .tags()
            .iter()
            .any(|tags| tags.len() != guest.recorded().len())
        {
            assert!(since.elapsed() < PATIENCE, "{:?}", guest.tags());
            sleep(Duration::from_millis(100));
        }
    }
    assert_eq!(guest.state(), "running");
    guest.past(guest.past(1).memory);
    // What is shut off has no memory, and what is saved has to go on first.
    guest.ok("save");
    guest.refused("snapshot create --memory", "vmkin restore -d");
    guest.ok("restore --discard --yes");
    guest.refused("snapshot create --memory", "must be running or paused");
    for disk in &guest.disks {
        tool(
            "qemu-img",
            &["check", "-q", "-f", "qcow2", disk.to_str().unwrap()],
        );
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn what_cannot_be_kept_with_the_memory_is_told_before_anything_is_done() {
    for (disk, nvram, says) in [
        (
            "raw",
            "",
            "disk vdb of domain 'memory-no-golden' is in the format raw",
        ),
        ("shareable", "", "is shareable"),
        ("", "raw", "the UEFI variables"),
    ] {
        let source = std::env::var_os("VMKIN_GOLDEN_DIR").expect("a golden image");
        let other = PathBuf::from("/var/lib/libvirt/images/memory-no/other");
        let lab = Lab::on("memory-no", &PathBuf::from(source), "golden", |xml| {
            let shareable = if disk == "shareable" {
                "<shareable/>"
            } else {
                ""
            };
            let device = format!(
                "<disk type='file' device='disk'><driver name='qemu' type='raw'/>\
                 <source file='{}'/><target dev='vdb' bus='virtio'/>{shareable}</disk></devices>",
                other.display()
            );
            match (disk, nvram) {
                ("", "raw") => xml.replace("machine='pc'", "machine='q35'").replace(
                    "<kernel>",
                    &format!(
                        "<loader readonly='yes' type='pflash' format='raw'>\
                         /usr/share/OVMF/OVMF_CODE_4M.fd</loader>\
                         <nvram format='raw'>{}</nvram><kernel>",
                        other.display()
                    ),
                ),
                _ => xml.replace("</devices>", &device),
            }
        });
        let path = other.to_str().unwrap();
        if nvram.is_empty() {
            tool("qemu-img", &["create", "-q", "-f", "raw", path, "1M"]);
        } else {
            fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &other).unwrap();
        }
        lab.virsh_start_paused(&lab.golden).unwrap();
        let ran = lab.vmkin(&format!("snapshot create --memory -d {}", lab.golden));
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
        let image = lab.image();
        let args = ["snapshot", "-l", "-U", image.to_str().unwrap()];
        assert_eq!(tool("qemu-img", &args), "");
    }
}

impl Counting {
    /// Off, without being asked.
    fn unplug(&self) {
        self.lab.virsh_destroy(&self.name);
    }

    /// What is on its disks, hashed.
    fn sees(&self) -> Vec<String> {
        let raw = self.lab.dir.join("seen");
        let raw = raw.to_str().unwrap();
        let hash = |path: &PathBuf| {
            let path = path.to_str().unwrap();
            tool("qemu-img", &["check", "-q", "-f", "qcow2", path]);
            tool(
                "qemu-img",
                &["convert", "-f", "qcow2", "-O", "raw", path, raw],
            );
            look(&PathBuf::from(raw)).sha256
        };
        let all = self.disks.iter().map(hash).collect();
        fs::remove_file(raw).unwrap();
        all
    }

    /// Has libvirt believe that a snapshot was of another guest.
    fn forge(&self, name: &str, change: impl Fn(&str) -> String) -> String {
        let args = ["snapshot-dumpxml", "--security-info", &self.name, name];
        let before = tool("virsh", &args);
        self.redefine(&change(&before));
        before
    }

    fn redefine(&self, xml: &str) {
        let file = self.lab.dir.join("record.xml");
        fs::write(&file, xml).unwrap();
        let file = file.to_str().unwrap();
        tool(
            "virsh",
            &["snapshot-create", "--redefine", &self.name, file],
        );
        fs::remove_file(file).unwrap();
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn a_guest_goes_on_from_its_memory_with_all_its_disks_or_nothing_has_happened() {
    let guest = Counting::new("memory-apply", 2);
    let before = guest.past(3);
    guest.made("create --memory", "ours");
    let after = guest.by_now();
    guest.past(after + 3);
    // As long as it runs, is paused or saved, nothing goes back or away.
    for (change, says) in [
        ("show", "is running"),
        ("suspend", "is paused"),
        ("save", "is saved"),
    ] {
        guest.ok(change);
        for what in ["apply", "delete"] {
            let ran = guest.snapshot(what, "ours");
            assert_eq!(ran.code, Some(4), "{}", ran.stderr);
            assert!(ran.stderr.contains(says), "{}", ran.stderr);
        }
    }
    guest.ok("restore --discard --yes");
    let xml = guest.lab.xml(&guest.name);
    guest.made("apply", "ours");
    assert_eq!(guest.state(), "running");
    guest.goes_on(before, after);
    guest.has(&["ours"]);
    assert_eq!(guest.lab.xml(&guest.name), xml);
    // virsh goes on from what we made, and we from what virsh has made.
    guest.unplug();
    tool("virsh", &["snapshot-revert", &guest.name, "ours"]);
    guest.goes_on(before, after);
    let before = guest.past(after + 20);
    tool("virsh", &["snapshot-create-as", &guest.name, "theirs"]);
    let after = guest.by_now();
    guest.past(after + 3);
    guest.unplug();
    guest.made("apply", "theirs");
    guest.goes_on(before, after);
    guest.has(&["ours", "theirs"]);

    guest.unplug();
    let sees = guest.sees();
    let xml = guest.lab.xml(&guest.name);
    let unchanged = || {
        assert!(!guest.lab.is_active(&guest.name));
        assert_eq!(guest.sees(), sees);
        assert_eq!(guest.lab.xml(&guest.name), xml);
        guest.has(&["ours", "theirs"]);
        let current = tool("virsh", &["-q", "snapshot-current", &guest.name, "--name"]);
        assert_eq!(current.trim(), "theirs");
    };
    // QEMU does not start; QEMU starts, takes the disks back, and cannot load.
    type Change = fn(&str) -> String;
    let changes: [Change; 2] = [
        |xml| xml.replace("/vmlinuz</kernel>", "/no-such-file</kernel>"),
        |xml| xml.replace("virtio-rng-pci", "virtio-balloon-pci"),
    ];
    for change in changes {
        let record = guest.forge("ours", change);
        let ran = guest.snapshot("apply", "ours");
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        guest.redefine(&record);
        unchanged();
    }
    // Killed while nothing has gone back yet, or nobody knows.
    for step in ["begun", "saved@2", "recorded", "released"] {
        let ran = guest.failing(&format!("snapshot.{step}=kill"), "apply", "ours");
        assert_eq!(ran.code, None, "{step}: {}", ran.stderr);
        let said = guest.lab.ok("recover").stderr;
        assert!(
            said.contains("All disks are what they were before"),
            "{step}: {said}"
        );
        unchanged();
    }
    for step in ["saved@2", "released"] {
        let ran = guest.failing(&format!("snapshot.{step}=fail"), "apply", "ours");
        assert_eq!(ran.code, Some(10), "{step}: {}", ran.stderr);
        unchanged();
    }
    // Killed when it goes on already.
    for step in ["applied", "committed"] {
        let ran = guest.failing(&format!("snapshot.{step}=kill"), "apply", "theirs");
        assert_eq!(ran.code, None, "{step}: {}", ran.stderr);
        let said = guest.lab.ok("recover").stderr;
        assert!(said.contains("goes on from the snapshot"), "{step}: {said}");
        guest.has(&["ours", "theirs"]);
        guest.goes_on(before, after);
        guest.unplug();
    }
    // Killed or stopped while libvirt is at it.
    for n in 0..4 {
        let sees = guest.sees();
        let args = format!("snapshot apply --yes -d {} theirs", guest.name);
        let mut child = guest.lab.spawn(&args);
        sleep(Duration::from_millis(100 * (n / 2 + 1)));
        let pid = child.id().to_string();
        // It may have ended by now.
        let signal = if n % 2 == 0 { "-KILL" } else { "-TERM" };
        tool("sh", &["-c", &format!("kill {signal} {pid} || true")]);
        let status = child.wait().unwrap();
        // QEMU may just be about to open the images, or to close them.
        let since = Instant::now();
        while guest.lab.vmkin("recover").code != Some(0) {
            assert!(since.elapsed() < PATIENCE);
        }
        let active = guest.lab.is_active(&guest.name);
        if n % 2 == 1 {
            // It may not have been listening yet.
            let code = status.code();
            assert!(if active {
                code == Some(0)
            } else {
                code.is_none_or(|c| c == 143)
            });
        }
        if active {
            guest.goes_on(before, after);
            guest.unplug();
        } else {
            assert_eq!(guest.sees(), sees);
        }
        guest.has(&["ours", "theirs"]);
    }
    // One of two images that lacks it keeps all from it.
    let second = guest.disks[1].to_str().unwrap();
    tool("qemu-img", &["snapshot", "-d", "theirs", second]);
    let ran = guest.snapshot("apply", "theirs");
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("vdb of domain"), "{}", ran.stderr);
    guest.made("delete", "theirs");
    guest.has(&["ours"]);
    guest.made("delete", "ours");
    guest.has(&[]);
}
