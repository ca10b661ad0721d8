//! A hundred hosts in one command, each a test driver with its own images. How long
//! that takes is for the benchmark (`docs/scale.md`); here it has to be right.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Outcome, TEST_NAMESPACE, tool};

const HOSTS: usize = 100;
const GUESTS: usize = 20;

/// A domain with this disk, shut off.
fn guest(name: &str, image: &Path) -> String {
    format!(
        "<domain type='test' xmlns:test='{TEST_NAMESPACE}'><name>{name}</name><memory unit='MiB'>64</memory><os>\
         <type>hvm</type></os><devices><disk type='file'><driver name='qemu' type='qcow2'/>\
         <source file='{}'/><target dev='vda' bus='virtio'/></disk><interface type='user'/>\
         </devices><test:runstate>5</test:runstate></domain>",
        image.display()
    )
}

struct Hosts {
    dir: tempfile::TempDir,
}

impl Hosts {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let overlay = |at: &Path, golden: &Path| {
            tool(
                "qemu-img",
                &args![
                    "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", golden, at
                ],
            );
        };
        let mut settings = String::from("[hosts]\n");
        for host in 1..=HOSTS {
            let images = dir.path().join(format!("{host}"));
            fs::create_dir(&images).unwrap();
            let golden = images.join("golden.qcow2");
            tool(
                "qemu-img",
                &args!["create", "-q", "-f", "qcow2", &golden, "1M"],
            );
            let first = images.join("1.qcow2");
            overlay(&first, &golden);
            let mut domains = guest("golden", &golden);
            for n in 1..=GUESTS {
                let image = images.join(format!("{n}.qcow2"));
                if n > 1 {
                    fs::copy(&first, &image).unwrap();
                }
                domains += &guest(&format!("h{host}-{n}"), &image);
            }
            let xml = images.join("host.xml");
            let pool = format!(
                "<pool type='dir'><name>images</name><target><path>{}</path></target></pool>",
                images.display()
            );
            fs::write(&xml, format!("<node>{pool}{domains}</node>")).unwrap();
            settings += &format!("h{host} = 'test://{}'\n", xml.display());
        }
        let names: Vec<String> = (1..=HOSTS).map(|host| format!("'h{host}'")).collect();
        settings += &format!("[groups]\nall = [{}]\n", names.join(", "));
        let to = dir.path().join("settings/vmkin");
        fs::create_dir_all(&to).unwrap();
        fs::write(to.join("hosts.toml"), settings).unwrap();
        Self { dir }
    }

    fn json(&self, args: &str) -> Value {
        #[expect(clippy::disallowed_methods, reason = "the program itself")]
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vmkin"));
        command
            .env("XDG_CONFIG_HOME", self.dir.path().join("settings"))
            .env("VMKIN_STATE_DIR", self.dir.path().join("state"))
            .args(["--host", "all", "--json"])
            .args(args.split_whitespace());
        let outcome = Outcome::of(command.output().unwrap());
        serde_json::from_str(outcome.success().stdout()).unwrap()
    }

    fn images(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.dir.path().join("1")).unwrap();
        all.map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn a_hundred_hosts_are_one_list_one_tree_and_one_plan() {
    let hosts = Hosts::new();
    let before = hosts.images();
    let list = hosts.json("list");
    let mut of: BTreeMap<&str, usize> = BTreeMap::new();
    for domain in list.as_array().unwrap() {
        *of.entry(domain["host"].as_str().unwrap()).or_default() += 1;
        let is_golden = domain["name"] == "golden";
        assert_eq!(domain["base"].is_null(), is_golden);
    }
    assert_eq!(of.len(), HOSTS);
    assert!(of.values().all(|count| *count == GUESTS + 1), "{of:?}");

    let tree = hosts.json("tree");
    assert_eq!(tree.as_array().unwrap().len(), HOSTS);

    // Ten for each, which asks for 10 GiB of room: all have the same file system.
    let plan = hosts.json("clone -d golden --spread --name w{n:05} --count 1000 --dry-run");
    let shares = plan.as_array().unwrap();
    let names: HashSet<&str> = shares
        .iter()
        .flat_map(|share| share["clones"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 1000);
    assert_eq!(shares.len(), HOSTS);
    assert_eq!(hosts.images(), before);
}
