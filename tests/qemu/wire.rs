//! Hosts with networks of their own, over TCP and over ssh: three at once, one whose
//! wire is pulled out, one that dies, and guests that go there while they run.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::far::Far;
use crate::far_clone::{give_golden, give_images};
use crate::lab::{Lab, Ran, tool};
use crate::migrating::{Moving, PROGRAM};

/// How long a guest may take to boot while two others do.
const BOOT: Duration = Duration::from_secs(180);

/// After so long what waits for a host that is gone does not wait for it, but hangs:
/// TCP itself gives up after two minutes at the soonest.
const HANGS: Duration = Duration::from_secs(90);

/// Three hosts with golden domains: over TCP by IPv4 and IPv6, and over ssh.
struct Rack {
    lab: Lab,
    hosts: [Far; 3],
    dirs: [PathBuf; 3],
}

impl Rack {
    fn new() -> Self {
        let lab = Lab::new("wire");
        let host = |name: &str, number, six| {
            give_images(name, &lab, |dir| Far::on_wire(name, number, six, dir))
        };
        let (one, one_dir) = host("wire-one", 2, false);
        let (two, two_dir) = host("wire-two", 3, true);
        let (three, three_dir) = host("wire-three", 4, false);
        Self {
            lab,
            hosts: [one, two, three],
            dirs: [one_dir, two_dir, three_dir],
        }
    }

    fn uris(&self) -> [String; 3] {
        let [one, two, three] = &self.hosts;
        [one.uri.clone(), two.uri.clone(), three.ssh()]
    }

    fn on_all(&self, args: &str) -> String {
        let [one, two, three] = self.uris();
        format!("-c {one} -c {two} -c {three} {args}")
    }

    /// The clones that the hosts have, each as `host:name`.
    fn clones(&self) -> Vec<String> {
        let names = self.lab.ok(&self.on_all("list --name")).stdout;
        let clones = names.lines().filter(|name| !name.ends_with("-golden"));
        clones.map(str::to_owned).collect()
    }

    /// How many files each has, but for what guests print.
    fn files(&self) -> [usize; 3] {
        self.dirs.each_ref().map(|dir| {
            let names = fs::read_dir(dir).unwrap();
            let names = names.map(|file| file.unwrap().file_name());
            let is_log = |name: &OsString| name.to_string_lossy().ends_with(".log");
            names.filter(|name| !is_log(name)).count()
        })
    }

    /// Starts a command, which waits at a failpoint.
    fn waiting(&self, point: &str, args: &str) -> Child {
        self.lab.at_gate(point, &self.on_all(args)).0
    }

    fn go_on(&self, point: &str) {
        fs::remove_file(self.lab.dir.join(point)).unwrap();
    }
}

/// How something ended that has to end.
fn ended(mut child: Child) -> Ran {
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > HANGS {
            child.kill().unwrap();
            let ran = Ran::new(&child.wait_with_output().unwrap());
            panic!("it hangs: {}", ran.stderr);
        }
        sleep(Duration::from_millis(50));
    }
    Ran::new(&child.wait_with_output().unwrap())
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_hosts_on_wires() {
    // Each waits for half a minute for a host that has gone silent.
    thread::scope(|scope| {
        scope.spawn(three_hosts_over_tcp_and_ssh);
        scope.spawn(a_guest_goes_over_a_wire_and_stays_where_it_was_if_that_is_pulled_out);
    });
}

fn three_hosts_over_tcp_and_ssh() {
    let mut rack = Rack::new();
    let golden = rack.lab.golden.clone();
    let pattern = rack.lab.name("{n}");
    let listed = rack.lab.ok(&rack.on_all("list --json")).stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let names: BTreeSet<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|domain| domain["host"].as_str().unwrap())
        .collect();
    assert_eq!(names, BTreeSet::from(["10.77.0.2", "10.77.0.4", "fd77::3"]));

    // A base, the same on all of them.
    let image = rack.lab.image().display().to_string();
    let [one, two, three] = rack.uris();
    let to = format!("--to {one} {two} {three} --pool far");
    rack.lab
        .ok(&format!("base push {image} {to} --name pushed.qcow2"));
    for dir in &rack.dirs {
        let pushed = dir.join("pushed.qcow2").display().to_string();
        tool("cmp", &[&image, &pushed]);
    }
    rack.lab.ok(&rack.on_all("base verify --pushed"));

    // One clone on each comes up.
    let before = rack.files();
    let spread = format!("clone -d {golden} --spread --name {pattern}");
    let three_of_them = format!("{spread} --count 3 --max-per-host 1 --start");
    rack.lab.ok(&rack.on_all(&three_of_them));
    let clones = rack.clones();
    let mut macs = BTreeSet::new();
    for (host, dir) in rack
        .hosts
        .iter()
        .zip(["wire-one", "wire-two", "wire-three"])
    {
        let mine = format!("{}:", host.address());
        let name = clones.iter().find_map(|clone| clone.strip_prefix(&mine));
        let log = format!("{dir}/{}", name.unwrap());
        macs.insert(rack.lab.ready_within(&log, BOOT)["mac"].clone());
    }
    assert_eq!(macs.len(), 3);
    let delete = |clones: &[String]| format!("delete -y --destroy -d {}", clones.join(" "));
    rack.lab.ok(&rack.on_all(&delete(&clones)));
    assert_eq!(rack.files(), before);

    // While clones are made the wire of one is pulled out, and the one behind ssh dies. Who
    // comes later and has to connect, and who is in the middle, go on with the third.
    let making = rack.waiting("clone.made", &format!("{spread} --count 6"));
    rack.hosts[1].plug(false);
    rack.hosts[2].kill();
    rack.go_on("clone.made");
    let late = ended(rack.lab.spawn(&rack.on_all("list")));
    assert_eq!(late.code, Some(12), "{}", late.stderr);
    assert!(late.stdout.contains("10.77.0.2"), "{}", late.stdout);
    let made = ended(making);
    // By then they may have begun, which cannot be taken back now.
    assert!(matches!(made.code, Some(11 | 12)), "{}", made.stderr);
    for host in &rack.hosts[1..] {
        let address = host.address();
        assert!(late.stderr.contains(&address), "{}", late.stderr);
        assert!(made.stderr.contains(&address), "{}", made.stderr);
    }
    rack.hosts[1].plug(true);
    rack.hosts[2].start_again();
    give_golden(&rack.hosts[2], &rack.lab);
    rack.lab.ok("recover");
    assert_eq!(rack.lab.journals(), 0);
    let clones = rack.clones();
    assert_eq!(clones.len(), 2, "{clones:?}");
    assert!(clones.iter().all(|clone| clone.starts_with("10.77.0.2:")));
    rack.lab.ok(&rack.on_all(&delete(&clones)));
    assert_eq!(rack.files(), before);
}

fn a_guest_goes_over_a_wire_and_stays_where_it_was_if_that_is_pulled_out() {
    // By IPv6, and nobody here knows the name that the host has for itself.
    let name = "wiremove";
    let moving = Moving::to(name, |shared| Far::on_wire(name, 5, true, shared));
    let (lab, far, name) = (&moving.lab, &moving.far, &moving.name);
    moving.pool();
    lab.ok(&format!("start -d {name}"));
    lab.ready(name);
    lab.type_in(name, PROGRAM);
    let before = moving.past(1);
    let migrate = format!("migrate -d {name} --to {} --unsafe", far.uri);

    // It takes long, and the other host is lost on the way.
    tool("virsh", &["migrate-setspeed", name, "1"]);
    let mut going = lab.spawn(&migrate);
    let is_on_its_way = || tool("virsh", &["domjobinfo", name]).contains("Memory processed");
    while !is_on_its_way() && going.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(50));
    }
    far.plug(false);
    let stayed = ended(going);
    assert_eq!(stayed.code, Some(8), "{}", stayed.stderr);
    assert!(
        stayed.stderr.contains("does not answer any more"),
        "{}",
        stayed.stderr
    );
    moving.past(before + 5);
    far.plug(true);
    // Libvirt there finds out by itself that nobody comes.
    let since = Instant::now();
    while moving.domains() != (true, false) {
        assert!(since.elapsed() < HANGS, "half a guest is there still");
        sleep(Duration::from_millis(200));
    }

    tool("virsh", &["migrate-setspeed", name, "1000"]);
    let before = moving.past(before);
    lab.ok(&migrate);
    assert_eq!(moving.domains(), (false, true));
    moving.goes_on(before + 5);
    assert_eq!(far.virsh(&["domstate", name]).trim(), "running");
}
