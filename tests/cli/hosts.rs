//! One command, several hosts: each a test driver with domains of its own.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Guest, Host, Outcome};
use crate::guest_files::guest_image;

/// Two hosts, and a file that names them.
struct Rack {
    one: Host,
    two: Host,
}

impl Rack {
    fn new() -> Self {
        let [one, two] = [Host::golden(), Host::golden()];
        one.child("web-01");
        two.child("web-02");
        two.add(Guest::new("busy").state(1));
        let settings = one.root().join("settings/vmkin");
        fs::create_dir_all(&settings).unwrap();
        let text = format!(
            "[hosts]\nrack1 = {:?}\nrack2 = {:?}\nattic = 'test:///nowhere/host.xml'\n\
             [groups]\nlab = ['rack1', 'rack2']\nall = ['lab', 'attic']\n",
            one.uri(),
            two.uri()
        );
        fs::write(settings.join("hosts.toml"), text).unwrap();
        Self { one, two }
    }

    fn vmkin(&self, args: &str) -> Outcome {
        let mut command = self.one.command();
        command.env("XDG_CONFIG_HOME", self.one.root().join("settings"));
        Outcome::of(command.args(args.split_whitespace()).output().unwrap())
    }

    fn json(&self, args: &str) -> Value {
        let outcome = self.vmkin(&format!("{args} --json"));
        serde_json::from_str(outcome.success().stdout()).unwrap()
    }
}

#[test]
fn a_list_says_which_host_has_a_domain() {
    let rack = Rack::new();
    let names = rack.vmkin("list --name --host rack2,rack1").success();
    assert_eq!(
        names.stdout(),
        "rack2:busy\nrack2:golden\nrack2:web-02\nrack1:golden\nrack1:web-01\n"
    );
    let text = rack.vmkin("list --host lab").success();
    let mut lines = text.stdout().lines();
    assert!(lines.next().unwrap().starts_with("Host "), "{text}");
    let hosts: Vec<&str> = lines
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(hosts, ["rack1", "rack1", "rack2", "rack2", "rack2"]);
    let json = rack.json("list --host lab");
    assert_eq!(json[0]["host"], "rack1");
    assert_eq!(json[4]["name"], "web-02");
    // Of one host there is nothing to say.
    let one = rack.json("list --host rack1");
    assert_eq!(one[0]["host"], Value::Null);
    // By their URIs alone.
    let (a, b) = (rack.one.uri(), rack.two.uri());
    let both = rack.vmkin(&format!("-c {a} -c {b} -c {a} list --name"));
    assert_eq!(both.success().stdout().lines().count(), 5);
}

#[test]
fn a_host_that_is_not_there_is_told_and_the_others_are_shown() {
    let rack = Rack::new();
    let listed = rack.vmkin("list --name --host all");
    assert_eq!(listed.code(), Some(12), "{listed}");
    assert_eq!(listed.stdout().lines().count(), 5);
    listed
        .says("1 of 3 hosts could not be asked")
        .says("attic: ");
    let shown = rack.vmkin("show --host all -d rack2:golden");
    assert_eq!(shown.code(), Some(12), "{shown}");
    assert!(shown.stdout().contains("rack2"), "{shown}");
    let none = rack.vmkin("list --host attic");
    assert_eq!(none.code(), Some(8), "{none}");
    let shown = rack.vmkin("show --host attic -c test:///nowhere/2.xml -d web-01");
    assert_eq!(shown.code(), Some(8), "{shown}");
    shown.says("2 of 2 hosts could not be asked");
    let unknown = rack.vmkin("list --host rack3");
    assert_eq!(unknown.code(), Some(3), "{unknown}");
    unknown.says("did you mean rack");
}

#[test]
fn a_host_that_says_nothing_costs_seconds() {
    let rack = Rack::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("qemu+tcp://{}/system", silent.local_addr().unwrap());
    let since = Instant::now();
    let listed = rack.vmkin(&format!("-c {uri} --host lab list --name"));
    assert_eq!(listed.code(), Some(12), "{listed}");
    assert_eq!(listed.stdout().lines().count(), 5);
    listed
        .says("127.0.0.1: cannot connect to qemu+tcp://127.0.0.1:")
        .says("it did not answer within 10 seconds");
    // And where it is the only one.
    let alone = rack.vmkin(&format!("-c {uri} list"));
    assert_eq!(alone.code(), Some(8), "{alone}");
    alone
        .says("it did not answer within 10 seconds")
        .says("`ping 127.0.0.1`");
    // Keepalive of a connection that is not made yet would take for ever.
    assert!(since.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_domain_is_found_where_it_stands() {
    let rack = Rack::new();
    let shown = rack.vmkin("show --host lab -d web-02").success();
    assert!(
        shown.stdout().starts_with("Host:        rack2\n"),
        "{shown}"
    );
    // On both.
    let both = rack.vmkin("show --host lab -d golden");
    assert_eq!(both.code(), Some(2), "{both}");
    both.says("'golden' is a domain on rack1 and on rack2")
        .says("-d rack1:golden");
    rack.vmkin("show --host lab -d rack1:golden rack2:golden")
        .success();
    // By its URI, if that is its name.
    let (a, b) = (rack.one.uri(), rack.two.uri());
    rack.vmkin(&format!("-c {a} -c {b} show -d {b}:golden"))
        .success();
    let none = rack.vmkin("show --host lab -d web-03");
    assert_eq!(none.code(), Some(3), "{none}");
    let elsewhere = rack.vmkin("show --host lab -d rack1:web-02");
    assert_eq!(elsewhere.code(), Some(3), "{elsewhere}");
}

#[test]
fn domains_of_several_hosts_are_changed_at_once() {
    let rack = Rack::new();
    let started = rack.vmkin("start --host lab -d web-01 web-02").success();
    started
        .says("Domain 'rack1:web-01' was started.")
        .says("Domain 'rack2:web-02' was started.");
    let part = rack.vmkin("suspend --host lab -d busy rack1:golden");
    assert_eq!(part.code(), Some(12), "{part}");
    part.says("Domain 'rack2:busy' is paused.")
        .says("rack1:golden: ");
    // The driver forgets what becomes of a domain, but files are removed.
    let image = rack.two.image("web-02.qcow2");
    let planned = rack.json("delete --host lab -d web-02 --dry-run");
    assert_eq!(planned[0]["host"], "rack2");
    assert!(image.exists());
    rack.vmkin("delete --yes --host lab -d web-01 web-02")
        .success()
        .says("Deleted 'rack2:web-02'.");
    assert!(!image.exists() && !rack.one.image("web-01.qcow2").exists());
    assert!(rack.one.image("golden.qcow2").exists());
}

#[test]
fn what_cannot_be_pushed_is_refused_before_anything_is_sent() {
    let rack = Rack::new();
    let (golden, child) = (
        rack.one.image("golden.qcow2"),
        rack.one.image("web-01.qcow2"),
    );
    let (golden, child) = (golden.display(), child.display());
    let refused = |code, args: &str| {
        let outcome = rack.vmkin(&format!("base push {args}"));
        assert_eq!(outcome.code(), Some(code), "{args}: {outcome}");
        outcome
    };
    refused(4, &format!("{child} --to rack2"))
        .says("has a backing file")
        .says("disk convert");
    refused(3, &format!("{golden} --to rack2 --pool none")).says("no storage pool 'none'");
    refused(3, &format!("{golden} --to rack3")).says("there is no host or group 'rack3'");
    refused(2, &format!("{golden} {golden} --name a --to rack2")).says("one by one");
    refused(2, &golden.to_string()).says("--to");
    refused(
        12,
        &format!("{golden} --to rack2 attic --dry-run --pool images"),
    )
    .says("attic: ");
    let verified = rack.vmkin("base verify --pushed --host lab").success();
    verified.says("Nothing was pushed there");
}

#[test]
fn a_guest_migrates_to_one_host_that_has_its_disks() {
    let rack = Rack::new();
    let refused = |code, args: &str| {
        let outcome = rack.vmkin(&format!("migrate {args}"));
        assert_eq!(outcome.code(), Some(code), "{args}: {outcome}");
        outcome
    };
    refused(3, "-d web-01 --to rack2")
        .says("has no active storage pool of the directory")
        .says("pool-create-as");
    refused(5, "-d golden --to rack2").says("has a domain");
    refused(2, "-d web-01 --to lab").says("guests go to one host");
    refused(2, "-d web-01 --to rack1").says("already");
    refused(3, "-d web-02 --to rack2");
    refused(2, "--host lab -d web-01 --to rack2").says("about one host");
    refused(8, "-d web-01 --to attic");
    refused(3, "-d web-01 --to rack2 --copy-storage").says("pool-create-as");
    refused(2, "-d web-01 --to rack2 --delete-source").says("--copy-storage");
    refused(
        2,
        "-d web-01 --to rack2 --copy-storage-all --copy-storage-inc",
    );
    refused(2, "-d web-01 --to rack2 --copy-storage some");
}

#[test]
fn clones_are_spread_over_hosts() {
    let rack = Rack::new();
    let spread = "clone --host lab -d golden --spread --name web-{n:02} --from 10";
    let planned = rack.json(&format!("{spread} --count 6 --dry-run"));
    let of = |at: usize| (planned[at]["host"].clone(), planned[at]["clones"].clone());
    assert_eq!(of(0).0, "rack1");
    assert_eq!(of(1).0, "rack2");
    let names: Vec<&Value> = [0, 1]
        .iter()
        .flat_map(|at| planned[*at]["clones"].as_array().unwrap())
        .collect();
    assert_eq!(
        names,
        ["web-10", "web-11", "web-12", "web-13", "web-14", "web-15"]
    );
    let made = rack.json(&format!("{spread} --count 6"));
    let clones = made["clones"].as_array().unwrap();
    for rack_of in ["rack1", "rack2"] {
        let here = clones.iter().filter(|clone| clone["host"] == rack_of);
        assert_eq!(here.count(), 3, "{made:#}");
    }
    for (host, name) in [(&rack.one, "web-10"), (&rack.two, "web-15")] {
        assert!(host.image(&format!("{name}.qcow2")).exists(), "{name}");
    }
    // A name that one host has is free on none.
    let taken = rack.vmkin("clone --host lab -d golden --spread web-01 web-03");
    assert_eq!(taken.code(), Some(5), "{taken}");
    taken.says("domain 'web-01' exists already");
    let full = rack.vmkin(&format!("{spread} --count 6 --max-per-host 2"));
    assert_eq!(full.code(), Some(4), "{full}");
    full.says("there is room for 4 of 6 clones")
        .says("--count 4");
    // A host that does not answer gets none, and that is told.
    let part = rack.vmkin("clone --host all -d golden --spread a b");
    assert_eq!(part.code(), Some(12), "{part}");
    part.says("1 of 3 hosts did not answer");
    assert!(rack.one.image("a.qcow2").exists() && rack.two.image("b.qcow2").exists());
    // One that has no golden domain.
    let one = rack
        .vmkin("clone --host lab -d web-02 --spread c")
        .success();
    one.says("rack1 gets no clones");
    let none = rack.vmkin("clone --host lab -d nothing --spread c");
    assert_eq!(none.code(), Some(3), "{none}");
}

#[test]
fn a_tree_is_drawn_for_each_host() {
    let rack = Rack::new();
    let tree = rack.vmkin("tree --host lab").success();
    let text = tree.stdout();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(at("rack1:\n") < at("web-01"));
    assert!(at("web-01") < at("rack2:\n"));
    assert!(at("rack2:\n") < at("web-02"));
    assert_eq!(rack.json("tree --host lab")[1]["host"], "rack2");
}

#[test]
fn files_are_looked_for_on_all_hosts() {
    let rack = Rack::new();
    for (host, name) in [(&rack.one, "one"), (&rack.two, "two")] {
        let image = guest_image(host, name, name);
        host.add(Guest::new("files").disk("vda", "raw", &image));
    }
    let found = rack
        .vmkin("grep --host lab -d files* . /etc/hostname")
        .success();
    assert_eq!(
        found.stdout(),
        "rack1:files:/etc/hostname:1:one\nrack2:files:/etc/hostname:1:two\n"
    );
    let one = rack
        .vmkin("cat --host lab -d rack2:files /etc/hostname")
        .success();
    assert_eq!(one.stdout(), "two\n");
    let both = rack.vmkin("df --host lab -d files");
    assert_eq!(both.code(), Some(2), "{both}");
    let full = rack.vmkin("df --host lab -d files*").success();
    assert!(full.stdout().contains("rack2:files:/dev/vda"), "{full}");
}

#[test]
fn what_is_about_one_host_says_so() {
    let rack = Rack::new();
    let reset = rack.vmkin("reset --host lab -d web-01");
    assert_eq!(reset.code(), Some(2), "{reset}");
    reset.says("this command is about one host, and 2 are meant");
    let clone = rack.vmkin("clone --host lab --base /x y");
    assert_eq!(clone.code(), Some(2), "{clone}");
    clone.says("this command is about one host, and 2 are meant");
}

#[test]
fn clones_are_made_where_the_golden_domain_is() {
    let rack = Rack::new();
    let clone = rack.vmkin("clone --host lab -d golden x");
    assert_eq!(clone.code(), Some(2), "{clone}");
    clone.says("on rack1 and on rack2").says("-d rack1:golden");
    let none = rack.vmkin("clone --host lab -d nothing x");
    assert_eq!(none.code(), Some(3), "{none}");
    let steps = rack.vmkin("clone --host lab -d rack2:golden x --dry-run");
    let there = rack.two.root().display().to_string();
    assert!(steps.success().stdout().contains(&there));
    let steps = rack.vmkin("clone --host all -d web-02 x --dry-run");
    assert_eq!(steps.code(), Some(12), "{steps}");
    assert!(steps.stdout().contains("define domain 'x'"), "{steps}");
    rack.vmkin("clone --host lab -d rack2:golden x").success();
}
