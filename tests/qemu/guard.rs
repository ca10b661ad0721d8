//! What is written to is locked: `reset` against everybody who would start the
//! guest meanwhile.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{Lab, look, tool};

/// How often a start and a reset are let loose on each other.
const TRIES: u32 = 1000;

/// A guest without an operating system, whose QEMU is up as soon as any, with
/// two disks that are overlays. Returns its name and its images.
fn two_disks(lab: &Lab) -> (String, [PathBuf; 2]) {
    let golden = lab.name("bare");
    let disks = ["one", "two"].map(|name| {
        let path = lab.dir.join(format!("{name}.qcow2"));
        let text = path.display().to_string();
        tool("qemu-img", &["create", "-q", "-f", "qcow2", &text, "1M"]);
        text
    });
    lab.define_bare(&golden, &disks.each_ref().map(String::as_str));
    let clone = lab.name("bare-clone");
    // Not sealed: where a base is immutable, a process that libvirt 11.3 forks
    // at each stop of a guest reports an error, and takes a lock for that which
    // another thread may have had when it was forked. Then libvirtd hangs; with
    // four guests at once, about every 500th time.
    lab.ok(&format!("clone --no-seal -d {golden} {clone}"));
    let images = lab.facts(&clone).disks.into_iter().map(|disk| {
        let vmkin::model::DiskSource::File(path) = disk.source else {
            panic!("{:?}", disk.source);
        };
        path
    });
    let images: Vec<PathBuf> = images.collect();
    (clone, images.try_into().unwrap())
}

/// The images of a clone, and what its guest has left in each: more than a
/// fresh overlay has.
struct Used(Vec<(PathBuf, PathBuf)>);

impl Used {
    fn new(lab: &Lab, disks: &[PathBuf; 2]) -> Self {
        let used = lab.dir.join("used");
        fs::create_dir_all(&used).unwrap();
        let pairs = disks.iter().map(|disk| {
            let copy = used.join(disk.file_name().unwrap());
            fs::copy(disk, &copy).unwrap();
            let text = copy.display().to_string();
            tool("qemu-io", &["-f", "qcow2", "-c", "write -P 7 0 64k", &text]);
            (copy, disk.clone())
        });
        Self(pairs.collect())
    }

    /// Gives the disks those contents, as files of their own.
    fn put(&self) {
        for (used, disk) in &self.0 {
            let temp = disk.with_extension("put");
            fs::copy(used, &temp).unwrap();
            fs::rename(temp, disk).unwrap();
        }
    }
}

fn is_fresh(disk: &PathBuf) -> bool {
    fs::metadata(disk).unwrap().len() < 300_000
}

/// The images that the process of a domain has open must be those that have
/// the names in its XML: whatever it writes elsewhere is lost.
fn has_open_what_it_names(clone: &str, disks: &[PathBuf]) {
    let pid = fs::read_to_string(format!("/run/libvirt/qemu/{clone}.pid")).unwrap();
    let files: Vec<u64> = fs::read_dir(format!("/proc/{}/fd", pid.trim()))
        .unwrap()
        .filter_map(|fd| fs::metadata(fd.unwrap().path()).ok())
        .map(|meta| meta.ino())
        .collect();
    for disk in disks {
        let inode = fs::metadata(disk).unwrap().ino();
        assert!(files.contains(&inode), "{} is not open", disk.display());
    }
}

/// Where a reset takes long, once each: before it has locks, and with them.
const STEPS: &[&str] = &[
    "guard.checked",
    "guard.locked",
    "reset.journal",
    "reset.file",
    "reset.made",
    "reset.committed",
    "reset.replaced",
];

/// Why a start failed. Libvirt does not always wait for what QEMU has to say, and then
/// tells what it saw of a process that is gone: the monitor closed, nobody at its
/// socket, or no process. The log of the domain has the reason.
fn reason(clone: &str, why: &str) -> String {
    const GONE: [&str; 3] = [
        "closed the monitor",
        "failed to connect to monitor socket",
        "process exited while connecting to monitor",
    ];
    if !GONE.iter().any(|gone| why.contains(gone)) {
        return why.to_owned();
    }
    let log = fs::read_to_string(format!("/var/log/libvirt/qemu/{clone}.log")).unwrap();
    // What came after the command line of the last start.
    let last = log.rsplit("starting up libvirt version").next().unwrap();
    format!("{why}: {last}")
}

/// Whether that is the lock on an image.
fn for_the_lock(reason: &str) -> bool {
    reason.contains("Failed to get") && reason.contains("lock")
}

/// How a start and a reset that were let loose on each other came out.
#[derive(Debug, Default)]
struct Score {
    started: u32,
    reset: u32,
    /// One after the other.
    both: u32,
    neither: u32,
}

/// Lets a start and a reset loose on each other, again and again, the one or
/// the other a little earlier each time.
fn race(lab: &Lab, tries: u32) -> Score {
    let (clone, disks) = two_disks(lab);
    let used = Used::new(lab, &disks);
    let bases = ["one.qcow2", "two.qcow2"].map(|name| lab.dir.join(name));
    let before = bases.each_ref().map(|base| look(base));
    let files = lab.files();
    let reset = format!("reset --yes -d {clone}");

    // How long a start takes, so that the two meet in every part of it.
    let since = Instant::now();
    lab.virsh_start_paused(&clone).unwrap();
    let takes = since.elapsed();
    lab.virsh_destroy(&clone);

    let mut score = Score::default();
    for round in 0..tries {
        used.put();
        // At one of its steps the reset takes as long as a start does.
        let step = STEPS.get(round as usize % (STEPS.len() + 1));
        let failpoint = step.map(|step| format!("{step}=pause-{}", takes.as_millis()));
        let failpoint = failpoint.unwrap_or_default();
        let (start, ran) = thread::scope(|scope| {
            let start = scope.spawn(|| {
                thread::sleep(takes * (round % 10) / 10);
                lab.virsh_start_paused(&clone)
            });
            let ran = lab.vmkin_with(&failpoint, &reset);
            (start.join().unwrap(), ran)
        });
        let what = format!("round {round}: {start:?}, {:?} {}", ran.code, ran.stderr);
        assert!(matches!(ran.code, Some(0 | 4 | 7)), "{what}");
        let was_reset = ran.code == Some(0);
        assert_eq!(disks.each_ref().map(is_fresh), [was_reset; 2], "{what}");
        match &start {
            Ok(()) => has_open_what_it_names(&clone, &disks),
            Err(why) => {
                let reason = reason(&clone, why);
                // Or libvirt gave QEMU's user the old file, and QEMU found the
                // new one.
                let replaced = was_reset && reason.contains("Permission denied");
                assert!(replaced || for_the_lock(&reason), "{what}: {reason}");
                assert!(!lab.is_active(&clone), "{what}");
            }
        }
        match (start.is_ok(), was_reset) {
            (true, true) => score.both += 1,
            (true, false) => score.started += 1,
            (false, true) => score.reset += 1,
            (false, false) => score.neither += 1,
        }
        lab.virsh_destroy(&clone);
        assert_eq!(lab.files(), files, "{what}");
        assert_eq!(lab.journals(), 0, "{what}");
        if round % 10 == 0 {
            for disk in &disks {
                let disk = disk.display().to_string();
                tool("qemu-img", &["check", "-q", "-f", "qcow2", &disk]);
            }
        }
    }
    assert_eq!(bases.each_ref().map(|base| look(base)), before);
    score
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_thousand_starts_against_resets() {
    // Most of the time is waiting, so that several do not disturb each other.
    const AT_ONCE: u32 = 4;
    let scores: Vec<Score> = thread::scope(|scope| {
        let races: Vec<_> = (0..AT_ONCE)
            .map(|index| {
                scope.spawn(move || {
                    let lab = Lab::new(&format!("startrace{index}"));
                    race(&lab, TRIES / AT_ONCE)
                })
            })
            .collect();
        races.into_iter().map(|race| race.join().unwrap()).collect()
    });
    let sum = |what: fn(&Score) -> u32| scores.iter().map(what).sum::<u32>();
    let (started, reset) = (sum(|s| s.started), sum(|s| s.reset));
    let (both, neither) = (sum(|s| s.both), sum(|s| s.neither));
    println!(
        "{TRIES} starts against resets: {started} times only the start, {reset} times only the \
         reset, {both} times both in turn, {neither} times neither"
    );
    // Else they have not met.
    assert!(started > 0 && reset > 0, "{scores:?}");
    assert_eq!(started + reset + both + neither, TRIES);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_nothing_is_reset_that_is_not_shut_off() {
    let lab = Lab::new("notoff");
    let (clone, disks) = two_disks(&lab);
    let used = Used::new(&lab, &disks);
    used.put();
    let reset = format!("reset --yes -d {clone}");
    let contents = || disks.each_ref().map(|disk| fs::read(disk).unwrap());
    let before = contents();
    lab.virsh_start_paused(&clone).unwrap();
    lab.fails(4, &reset);
    tool("virsh", &["-q", "resume", &clone]);
    lab.fails(4, &reset);
    tool("virsh", &["-q", "managedsave", &clone]);
    let refused = lab.fails(4, &reset);
    assert!(refused.stderr.contains("is saved"), "{}", refused.stderr);
    assert_eq!(contents(), before);
    tool("virsh", &["-q", "managedsave-remove", &clone]);
    lab.ok(&reset);
    assert_ne!(contents(), before);
}

/// Lets `reset` come to a step, does something there, and lets it go on.
fn meanwhile(lab: &Lab, clone: &str, step: &str, act: impl FnOnce()) -> crate::lab::Ran {
    let gate = lab.dir.join(step);
    thread::scope(|scope| {
        let failpoint = format!("{step}=wait");
        let args = format!("reset --yes -d {clone}");
        let run = scope.spawn(move || lab.vmkin_with(&failpoint, &args));
        while !gate.exists() {
            assert!(!run.is_finished(), "{step} was not reached");
            thread::sleep(Duration::from_millis(2));
        }
        act();
        fs::remove_file(&gate).unwrap();
        run.join().unwrap()
    })
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_what_happens_meanwhile_is_noticed_or_kept_out() {
    let lab = Lab::new("meanwhile");
    let (clone, disks) = two_disks(&lab);
    let used = Used::new(&lab, &disks);
    used.put();
    let contents = || disks.each_ref().map(|disk| fs::read(disk).unwrap());
    let before = contents();
    let files = lab.files();

    // Started before the locks are there: that one was first.
    let ran = meanwhile(&lab, &clone, "guard.checked", || {
        lab.virsh_start_paused(&clone).unwrap();
    });
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    lab.virsh_destroy(&clone);
    assert_eq!(contents(), before);

    // Redefined while it is locked.
    let xml = lab.xml(&clone);
    let ran = meanwhile(&lab, &clone, "reset.file", || {
        lab.define(&xml.replace("<vcpu", "<description>x</description><vcpu"));
    });
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("was changed meanwhile"),
        "{}",
        ran.stderr
    );
    assert_eq!(contents(), before);
    assert_eq!(lab.files(), files);
    lab.define(&xml);

    // Once it is locked, up to its end, nobody starts it.
    for step in [
        "guard.locked",
        "reset.made",
        "reset.committed",
        "reset.replaced",
    ] {
        used.put();
        let ran = meanwhile(&lab, &clone, step, || {
            let why = lab.virsh_start_paused(&clone).unwrap_err();
            assert!(for_the_lock(&reason(&clone, &why)), "{step}: {why}");
        });
        assert_eq!(ran.code, Some(0), "{step}: {}", ran.stderr);
        lab.virsh_start_paused(&clone).unwrap();
        has_open_what_it_names(&clone, &disks);
        lab.virsh_destroy(&clone);
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_reset_that_is_killed_is_finished_or_never_was() {
    let lab = Lab::new("resetkill");
    let (clone, disks) = two_disks(&lab);
    let used = Used::new(&lab, &disks);
    let files = lab.files();
    for (step, done) in [
        ("guard.locked", false),
        ("reset.journal", false),
        ("reset.file@2", false),
        ("reset.made", false),
        ("reset.committed", true),
        ("reset.replaced", true),
        ("reset.replaced@2", true),
    ] {
        used.put();
        let ran = lab.vmkin_with(&format!("{step}=kill"), &format!("reset --yes -d {clone}"));
        assert_eq!(ran.code, None, "{step} was not reached: {}", ran.stderr);
        // Before the guest runs, its disks are made whole.
        lab.ok(&format!("start --paused -d {clone}"));
        assert_eq!(disks.each_ref().map(is_fresh), [done; 2], "{step}");
        has_open_what_it_names(&clone, &disks);
        lab.virsh_destroy(&clone);
        assert_eq!(lab.files(), files, "{step}");
        assert_eq!(lab.journals(), 0, "{step}");
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_disk_that_only_the_running_guest_has_is_seen() {
    let lab = Lab::new("plugged");
    let (clone, [_, image]) = two_disks(&lab);
    let image = image.display();
    let repair = format!("disk check -a {image} --format qcow2 --repair leaks");
    lab.ok(&repair);
    lab.virsh_start_paused(&clone).unwrap();
    // From the stored definition only.
    tool("virsh", &["-q", "detach-disk", &clone, "vdb", "--config"]);
    let refused = lab.fails(4, &repair);
    assert!(refused.stderr.contains("is paused"), "{}", refused.stderr);
    // Saved, it holds no lock, and its stored definition knows nothing of it.
    tool("virsh", &["-q", "managedsave", &clone]);
    let refused = lab.fails(4, &repair);
    assert!(refused.stderr.contains("is saved"), "{}", refused.stderr);
    tool("virsh", &["-q", "managedsave-remove", &clone]);
    lab.ok(&repair);
}
