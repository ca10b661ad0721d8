//! Hosts behind long lines: each byte is late by 5 or 25 milliseconds, and a line can
//! be cut while something is on the way.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::far::Far;
use crate::far_clone::{give_golden, with_golden};
use crate::lab::{Lab, Ran};
use crate::pushing::base;

/// The program that a line is.
const DELAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/delay.py");

/// A way to a host.
struct Line {
    proxy: Child,
    here: PathBuf,
    there: PathBuf,
    /// Its round trip, in milliseconds.
    trip: u32,
}

impl Line {
    fn to(far: &Far, dir: &Path, trip: u32) -> Self {
        let (_, there) = far.uri.split_once("socket=").unwrap();
        let here = dir.join(format!("line-{trip}"));
        let there = PathBuf::from(there);
        let proxy = proxy(&here, &there, trip);
        Self {
            proxy,
            here,
            there,
            trip,
        }
    }

    fn uri(&self) -> String {
        format!("qemu+unix:///system?socket={}", self.here.display())
    }

    /// All that is on its way is lost.
    fn cut(&mut self) {
        self.proxy.kill().unwrap();
        self.proxy.wait().unwrap();
    }

    fn mend(&mut self) {
        fs::remove_file(&self.here).unwrap();
        self.proxy = proxy(&self.here, &self.there, self.trip);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.proxy.kill());
        drop(self.proxy.wait());
    }
}

fn proxy(here: &Path, there: &Path, trip: u32) -> Child {
    #[expect(clippy::disallowed_methods, reason = "a line is no tool that ends")]
    let mut command = Command::new("python3");
    command.arg(DELAY).args([here, there]).arg(trip.to_string());
    let mut proxy = command.stdin(Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while !here.exists() {
        assert_eq!(proxy.try_wait().unwrap(), None, "the line has ended");
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "there is no line"
        );
        sleep(Duration::from_millis(5));
    }
    proxy
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_what_is_done_over_long_lines_is_what_is_done_beside_them() {
    let lab = Lab::new("lines");
    let (one, one_dir) = with_golden("lines-one", &lab);
    let (mut two, two_dir) = with_golden("lines-two", &lab);
    let near = Line::to(&one, &lab.dir, 10);
    let mut far = Line::to(&two, &lab.dir, 50);
    let over = format!("-c {} -c {}", near.uri(), far.uri());
    let beside = format!("-c {} -c {}", one.uri, two.uri);
    let names = |on: &str| -> BTreeSet<String> {
        let listed = lab.ok(&format!("{on} list --json")).stdout;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let all = listed.as_array().unwrap().iter();
        all.map(|one| format!("{} {} {}", one["name"], one["state"], one["memory"]))
            .collect()
    };

    let golden = &lab.golden;
    let pattern = lab.name("{n:02}");
    let spread = format!("{over} clone -d {golden} --spread --max-per-host 6 --name {pattern}");
    lab.ok(&format!("{spread} --count 12"));
    assert_eq!(
        names(&over).len(),
        13,
        "twelve, and the golden domains of one name"
    );
    assert_eq!(names(&over), names(&beside));
    // Of all at once it is known what each would tell alone.
    let json = |args: &str| -> Value { serde_json::from_str(&lab.ok(args).stdout).unwrap() };
    let listed = json(&format!("-c {} list --json", near.uri()));
    for row in listed.as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        let shown = json(&format!("-c {} show --json -d {name}", one.uri));
        for field in [
            "state",
            "memory",
            "vcpus",
            "autostart",
            "persistent",
            "uuid",
        ] {
            assert_eq!(row[field], shown[0][field], "{field} of {name}");
            assert!(!row[field].is_null(), "{field}");
        }
    }
    let tree = json(&format!("-c {} tree --json", near.uri()));
    let [root] = tree["roots"].as_array().unwrap().as_slice() else {
        panic!("{tree}");
    };
    assert_eq!(root["path"], one.at("golden.qcow2"));
    assert_eq!(root["users"][0]["domain"], golden.as_str());
    let above = root["overlays"].as_array().unwrap();
    assert_eq!(above.len(), 6, "{tree}");
    for overlay in above {
        assert_eq!(overlay["virtual_size"], root["virtual_size"]);
        assert_eq!(overlay["users"][0]["state"], "shut off");
    }
    let overlays = |dir: &Path| {
        let names = fs::read_dir(dir)
            .unwrap()
            .map(|one| one.unwrap().file_name());
        names
            .filter(|name| name.to_str().unwrap().contains("lines-"))
            .count()
    };
    assert_eq!((overlays(&one_dir), overlays(&two_dir)), (6, 6));

    // What is handed over is read through libvirt, too.
    let first = lab.name("01");
    let handed = format!(
        "-c {} export -d {first} --from-base --format terraform",
        near.uri()
    );
    let handed = lab.ok(&handed).stdout;
    let size = root["virtual_size"].to_string();
    assert!(handed.contains(&size), "{size}: {handed}");
    assert!(handed.contains(&one.at("golden.qcow2")), "{handed}");

    // Cut while volumes are made there: the disk may be another by the time it is mended.
    let one_more = format!("-c {} clone -d {golden} {}", far.uri(), lab.name("cut"));
    let (cloning, gate) = lab.at_gate("clone.made", &one_more);
    far.cut();
    far.mend();
    fs::remove_file(gate).unwrap();
    let ran = Ran::new(&cloning.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("-cut.qcow2"), "{}", ran.stderr);
    assert_eq!(overlays(&two_dir), 6);
    assert_eq!(lab.journals(), 0);
    lab.ok(&one_more);
    assert_eq!(overlays(&two_dir), 7);

    let all: Vec<String> = (1..=12).map(|n| lab.name(&format!("{n:02}"))).collect();
    let all = format!("{} {}", all.join(" "), lab.name("cut"));
    lab.ok(&format!("{over} delete -y -d {all}"));
    assert_eq!((overlays(&one_dir), overlays(&two_dir)), (0, 0));
    assert_eq!(names(&over), names(&beside));
    assert_eq!(lab.journals(), 0);

    // Cut while a base is sent, which goes on from there.
    let base = base(&lab);
    let push = format!("base push {} --pool far --to {}", base.display(), far.uri());
    let planned = |args: &str| -> u64 {
        let plan = lab.ok(&format!("{args} --dry-run --json")).stdout;
        let plan: Value = serde_json::from_str(&plan).unwrap();
        plan[0]["sent"].as_u64().unwrap()
    };
    let whole = planned(&push);
    let (pushing, gate) = lab.at_gate("push.stretch@2", &push);
    far.cut();
    fs::remove_file(gate).unwrap();
    let ran = Ran::new(&pushing.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    far.mend();
    if two.revived() {
        give_golden(&two, &lab);
    }
    assert!(planned(&push) < whole);
    lab.ok(&push);
    lab.ok(&format!("-c {} base verify --pushed", far.uri()));
}
