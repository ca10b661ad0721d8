//! What `--json` prints is what `docs/json` says: every schema is one, and the
//! output of the program on libvirt's test driver fits the schema of its
//! command, field by field.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use vmkin::error::Kind;
use vmkin::store::{Operation, Store};

const GOLDEN: &str = "11111111-2222-4333-8444-555555555555";
const RUNNING: &str = "22222222-2222-4333-8444-555555555555";
const CLONE: &str = "33333333-2222-4333-8444-555555555555";

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json")
}

fn schema(name: &str) -> Value {
    let path = schemas().join(format!("{name}.schema.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The schema with every field that it does not name forbidden. Readers must
/// take new fields; a field that is printed and not documented is a mistake.
fn strict(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(map) => {
            for value in map.values_mut() {
                *value = strict(value.take());
            }
            if map.get("properties").is_some_and(Value::is_object) && map.contains_key("required") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = strict(item.take());
            }
        }
        _ => {}
    }
    schema
}

#[track_caller]
fn assert_fits(name: &str, document: &Value) {
    for schema in [schema(name), strict(schema(name))] {
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let problems: Vec<String> = validator
            .iter_errors(document)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}\n{document:#}");
    }
}

/// A hypervisor of libvirt's test driver, and images for its domains.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(bench.path("images")).unwrap();
        for name in ["golden.img", "busy.img"] {
            fs::write(bench.path("images").join(name), vec![0; 1 << 20]).unwrap();
        }
        bench.define(&[]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn uri(&self) -> String {
        format!("test://{}", self.path("host.xml").display())
    }

    /// A storage pool 'far', which is the directory of the images.
    fn give_pool(&self) {
        let xml = self.path("host.xml");
        let text = fs::read_to_string(&xml).unwrap();
        let pool = format!(
            "<pool type='dir'><name>far</name><target><path>{}</path></target></pool></node>",
            self.path("images").display()
        );
        fs::write(&xml, text.replace("</node>", &pool)).unwrap();
    }

    /// The host: a golden domain, one that runs, and those of the test, shut off.
    fn define(&self, more: &[&str]) {
        let mut xml = String::from("<node>\n");
        xml.push_str(&self.domain("golden", GOLDEN, 5, "52:54:00:00:00:01"));
        xml.push_str(&self.domain("busy", RUNNING, 1, "52:54:00:00:00:02"));
        for one in more {
            // Libvirt does not print this element, and starts what lacks it.
            let shut_off = "</name><runstate \
                 xmlns='http://libvirt.org/schemas/domain/test/1.0'>5</runstate>";
            xml.push_str(&one.replacen("</name>", shut_off, 1));
        }
        xml.push_str(
            "<network><name>default</name><bridge name='virbr0'/>\
             <ip address='192.168.122.1' netmask='255.255.255.0'>\
             <dhcp><range start='192.168.122.128' end='192.168.122.253'/></dhcp></ip></network>\n</node>\n",
        );
        fs::write(self.path("host.xml"), xml).unwrap();
    }

    fn domain(&self, name: &str, uuid: &str, state: u8, mac: &str) -> String {
        let image = self.path("images").join(format!("{name}.img"));
        format!(
            "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>\
             <name>{name}</name><uuid>{uuid}</uuid><title>The {name} one</title>\
             <memory unit='MiB'>256</memory><vcpu>2</vcpu><os><type>hvm</type></os>\
             <test:runstate>{state}</test:runstate><devices>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/>\
             <source file='{}'/><target dev='vda' bus='virtio'/></disk>\
             <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>\
             <disk type='network' device='disk'><driver name='qemu' type='raw'/>\
             <source protocol='nbd' name='export'><host name='192.0.2.1' port='10809'/></source>\
             <target dev='vdb' bus='virtio'/><shareable/></disk>\
             <interface type='network'><mac address='{mac}'/><source network='default'/>\
             <model type='virtio'/></interface>\
             <interface type='user'><mac address='52:54:00:00:01:0{state}'/></interface>\
             <graphics type='vnc' port='5999' listen='127.0.0.1' passwd='secret'/>\
             </devices></domain>\n",
            image.display()
        )
    }

    #[expect(clippy::disallowed_methods, reason = "it is the program under test")]
    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_vmkin"))
            .args(["--json", "--connect", &self.uri()])
            .args(args)
            .env("VMKIN_STATE_DIR", self.path("state"))
            .env_remove("LIBVIRT_DEFAULT_URI")
            .output()
            .unwrap()
    }

    /// The result of a command that works, after a look at its schema.
    #[track_caller]
    fn result(&self, name: &str, args: &[&str]) -> Value {
        let output = self.run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {errors}");
        let document: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {errors}"));
        assert_fits(name, &document);
        document
    }

    /// The error of a command that fails: the last document on stderr.
    #[track_caller]
    fn error(&self, kind: Kind, args: &[&str]) -> Value {
        let output = self.run(args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.code(),
            Some(i32::from(kind.exit_code())),
            "{args:?}: {text}"
        );
        let start = text.find("{\n").unwrap_or_else(|| panic!("{text}"));
        let document: Value = serde_json::from_str(text.get(start..).unwrap()).unwrap();
        assert_fits("error", &document);
        assert_eq!(document["error"]["kind"], kind.word());
        document
    }
}

#[test]
fn every_schema_is_a_schema_and_explains_itself() {
    let mut count = 0;
    for entry in fs::read_dir(schemas()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".schema.json") else {
            continue;
        };
        let schema = schema(name);
        jsonschema::meta::validate(&schema).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(schema["$id"], format!("urn:vmkin:schema:{name}"));
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        for word in ["title", "description"] {
            assert!(schema[word].is_string(), "{file} has no {word}");
        }
        count += 1;
    }
    assert!(count > 10, "{count} schemas");
}

#[test]
fn the_schema_of_errors_has_every_kind_and_code() {
    let schema = schema("error");
    let fields = &schema["properties"]["error"]["properties"];
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    let codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
    assert_eq!(fields["kind"]["enum"], json!(kinds));
    assert_eq!(fields["exit_code"]["enum"], json!(codes));
}

#[test]
fn a_field_that_is_not_documented_is_found() {
    let schema = strict(schema("changes"));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let fine =
        json!([{"host": null, "name": "a", "uuid": GOLDEN, "changed": true, "addresses": null}]);
    let more = json!([{"host": null, "name": "a", "uuid": GOLDEN, "changed": true, "addresses": null, "new": 1}]);
    let less = json!([{"host": null, "name": "a", "uuid": GOLDEN, "addresses": null}]);
    assert!(validator.is_valid(&fine));
    assert!(!validator.is_valid(&more));
    assert!(!validator.is_valid(&less));
}

#[test]
fn lists_and_domains_are_as_documented() {
    let bench = Bench::new();
    let list = bench.result("list", &["list"]);
    assert_eq!(list[0]["name"], "busy");
    assert_eq!(list[1]["state"], "shut off");
    let shown = bench.result("show", &["show", "-d", "golden", "busy"]);
    assert_eq!(shown[0]["title"], "The golden one");
    let disks = shown[0]["disks"].as_array().unwrap();
    assert!(disks.iter().any(|disk| disk["source"] == "empty"));
    assert!(!shown.to_string().contains("secret"));
    let ip = bench.result("ip", &["ip", "-d", "busy"]);
    assert!(ip[0]["addresses"][0]["ip"].is_string());
}

#[test]
fn changes_are_as_documented() {
    for (command, domain) in [
        ("start", "golden"),
        ("start", "busy"),
        ("shutdown", "busy"),
        ("reboot", "busy"),
        ("suspend", "busy"),
        ("resume", "busy"),
        ("save", "busy"),
        ("destroy", "busy"),
    ] {
        let bench = Bench::new();
        let changed = bench.result("changes", &[command, "-d", domain]);
        assert_eq!(changed[0]["name"], domain);
    }
}

#[test]
fn a_clone_whose_guest_is_told_who_it_is() {
    let bench = Bench::new();
    let told = bench.result(
        "clone",
        &["clone", "-d", "golden", "told", "--hostname", "h"],
    );
    assert_eq!(told["clones"][0]["hostname"], "h");
    assert!(told["clones"][0]["seed"].is_string());
}

#[test]
fn clones_and_what_is_known_of_them_are_as_documented() {
    let bench = Bench::new();
    let clone = |more: &[&'static str]| {
        let args = [
            "clone",
            "-d",
            "golden",
            "web-01",
            "--uuid",
            CLONE,
            "--no-seal",
        ];
        [&args[..], more].concat()
    };
    let texts = bench.result("clone-text", &clone(&["--print-xml"]));
    let xml = texts[0].as_str().unwrap().to_owned();
    let steps = bench.result("clone-text", &clone(&["--dry-run", "--start"]));
    assert!(steps.as_array().unwrap().len() > 2);
    let made = bench.result("clone", &clone(&[]));
    assert_eq!(made["clones"][0]["uuid"], CLONE);

    // Each run has a hypervisor of its own, so the clone goes into the next by hand.
    bench.define(&[&xml]);
    let shown = bench.result("show", &["show", "-d", "web-01"]);
    bench.result(
        "export",
        &["export", "-d", "web-01", "--format", "kubevirt"],
    );
    assert_eq!(shown[0]["lineage"]["golden_name"], "golden");
    assert_eq!(shown[0]["disks"][0]["layers"].as_array().unwrap().len(), 2);
    let image = bench.path("images/golden.img");
    let image = image.to_str().unwrap();
    let bases = bench.result("base", &["base", "list"]);
    assert_eq!(bases[0]["children"][0], "web-01");
    bench.result("base", &["base", "children", image]);
    bench.result("doctor", &["doctor"]);
    let tree = bench.result("tree", &["tree"]);
    let roots = tree["roots"].as_array().unwrap();
    let root = roots.iter().find(|root| root["path"] == image).unwrap();
    assert_eq!(root["overlays"][0]["users"][0]["domain"], "web-01");
    bench.result("base", &["base", "verify", image]);
    bench.error(Kind::Protected, &["base", "unseal", image]);
    bench.result("disk-check", &["disk", "check", "-d", "web-01"]);
    bench.result("disk-check", &["disk", "check", "-d", "golden"]);
    let info = bench.result("disk-info", &["disk", "info", "-d", "web-01"]);
    assert_eq!(info[0]["layers"].as_array().unwrap().len(), 2);
    bench.result("disk-info", &["disk", "info", "-d", "busy"]);
    bench.result("disk-map", &["disk", "map", "-d", "web-01"]);
    let [made, copy] = ["images/made.qcow2", "images/copy.vdi"].map(|name| bench.path(name));
    let [made, copy] = [made.to_str().unwrap(), copy.to_str().unwrap()];
    let create = ["disk", "create", made, "-b", image, "--dry-run"];
    bench.result("disk-create", &create);
    bench.result("disk-create", &create[..5]);
    let convert = [
        "disk",
        "convert",
        "-d",
        "web-01",
        "-O",
        "vdi",
        copy,
        "--dry-run",
    ];
    bench.result("disk-convert", &convert);
    bench.result("disk-convert", &convert[..7]);
    let amend = ["disk", "amend", "-d", "web-01", "-o", "lazy_refcounts=on"];
    let amended = bench.result("disk-amend", &amend);
    assert_eq!(amended[0]["changes"][0]["option"], "lazy_refcounts");
    let compare = [
        "disk",
        "compare",
        "-a",
        image,
        "--with",
        copy,
        "--with-format",
        "vdi",
    ];
    bench.result("disk-compare", &compare);
    for path in [made, copy] {
        fs::remove_file(path).unwrap();
    }
    let plan = ["disk", "resize", "--dry-run", "-d", "web-01", "+1G"];
    assert_eq!(bench.result("disk-resize", &plan)["target"], "vda");
    let loose = bench.path("images/loose.qcow2");
    let spec = vmkin::image::Overlay {
        virtual_size: 1 << 20,
        backing: &bench.path("images/web-01.qcow2"),
        backing_format: vmkin::model::ImageFormat::Qcow2,
    };
    drop(vmkin::image::write(&loose, &spec).unwrap());
    let commit = ["disk", "commit", "-f", "qcow2", "-a"];
    let commit = [&commit[..], &[loose.to_str().unwrap(), "--dry-run"]].concat();
    assert_eq!(bench.result("disk-commit", &commit)[0]["becomes"], "empty");
    bench.result("disk-commit", &commit[..6]);
    let rebase = [
        &["disk", "rebase", "--onto", image][..],
        &["-f", "qcow2", "-a", loose.to_str().unwrap(), "--dry-run"],
    ];
    let rebase = rebase.concat();
    assert_eq!(bench.result("disk-rebase", &rebase)["onto"], image);
    bench.result("disk-rebase", &rebase[..8]);
    fs::remove_file(&loose).unwrap();
    let plan = bench.result("reset", &["reset", "--dry-run", "-d", "web-01"]);
    assert_eq!(plan[0]["disks"][0]["base"], image);
    bench.result("reset", &["reset", "--yes", "-d", "web-01"]);
    let moved = bench.path("images/moved.img");
    let moved = moved.to_str().unwrap();
    let plan = bench.result("base-move", &["base", "move", "--dry-run", image, moved]);
    assert_eq!(plan["domains"].as_array().unwrap().len(), 2);
    let next = bench.path("images/next.img");
    fs::copy(image, &next).unwrap();
    let onto = [
        "base",
        "rebase",
        "--dry-run",
        image,
        "--onto",
        next.to_str().unwrap(),
    ];
    let plan = bench.result("base-rebase", &onto);
    assert_eq!(plan["children"][0]["domain"]["name"], "web-01");
    let plan = bench.result("flatten", &["flatten", "--dry-run", "-d", "web-01"]);
    assert_eq!(plan[0]["disks"][0]["layers"][0], image);
    let orphan = bench.path("images/orphan.qcow2");
    fs::copy(bench.path("images/web-01.qcow2"), &orphan).unwrap();
    let found = bench.result("prune", &["prune"]);
    assert_eq!(found["orphans"][0]["path"], orphan.to_str().unwrap());
    let found = bench.result("prune", &["prune", "--yes"]);
    assert_eq!(found["removed"], true);
    let promoted = bench.result("promote", &["promote", "-d", "web-01"]);
    assert_eq!(promoted["sealed"].as_array().unwrap().len(), 1);
    bench.result("base-unseal", &["base", "unseal", "-d", "web-01"]);
    let plan = bench.result("delete", &["delete", "--dry-run", "-d", "web-01"]);
    assert_eq!(plan[0]["remove"].as_array().unwrap().len(), 1);
    bench.result("delete", &["delete", "--yes", "-d", "web-01"]);
    // Its overlay is gone, and what is left of it is the domain in the file.
    assert!(!bench.path("images/web-01.qcow2").exists());
}

#[test]
fn guests_of_images_and_templates_are_as_documented() {
    let bench = Bench::new();
    let image = bench.path("images/free.img");
    fs::write(&image, vec![0; 1 << 20]).unwrap();
    let disk = format!("backing={}", image.display());
    let import = |more: &[&'static str]| -> Vec<String> {
        let args = ["import", "--name", "web-01", "--no-seal", "--disk", &disk];
        args.iter().chain(more).map(ToString::to_string).collect()
    };
    let run = |schema: &str, args: Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        bench.result(schema, &args)
    };
    run("clone-text", import(&["--print-xml"]));
    run("clone-text", import(&["--dry-run"]));
    let made = run("clone", import(&["--hostname", "h"]));
    assert_eq!(made["clones"][0]["name"], "web-01");
    let list = bench.result("template-list", &["template", "list"]);
    assert!(list.as_array().unwrap().len() > 4);
    bench.result("template-show", &["template", "show", "desktop"]);
    bench.result("template-render", &["template", "render", "desktop"]);
}

#[test]
fn snapshots_are_as_documented() {
    let bench = Bench::new();
    let clone = [
        "clone",
        "-d",
        "golden",
        "web-01",
        "--no-seal",
        "--uuid",
        CLONE,
    ];
    let texts = bench.result("clone-text", &[&clone[..], &["--print-xml"]].concat());
    let xml = texts[0].as_str().unwrap().to_owned();
    bench.result("clone", &clone);
    bench.define(&[&xml]);
    let on = |command: &str, more: &[&str]| {
        let name = format!("snapshot-{command}");
        let args = [&["snapshot", command, "--yes", "-d", "web-01"], more].concat();
        bench.result(&name, &args)
    };
    assert_eq!(on("list", &[])["snapshots"], json!([]));
    on("create", &["s1", "--dry-run"]);
    let made = on("create", &["s1", "--description", "the first"]);
    assert_eq!(made["images"][0]["target"], "vda");
    assert_eq!(on("list", &[])["snapshots"][0]["name"], "s1");
    assert_eq!(on("show", &["s1"])["images"][0]["id"], "1");
    on("apply", &["s1", "--dry-run"]);
    assert_eq!(on("apply", &["s1"])["redefines"], false);
    on("delete", &["s1", "--dry-run"]);
    assert_eq!(on("delete", &["s1"])["recorded"], false);
    bench.error(Kind::NotFound, &["snapshot", "show", "-d", "web-01", "s1"]);
}

#[test]
fn a_domain_with_a_disk_that_is_no_overlay_keeps_it_as_documented() {
    let bench = Bench::new();
    let plan = bench.result("delete", &["delete", "--yes", "-d", "golden"]);
    assert!(plan[0]["keep"][0]["why"].is_string());
    assert!(bench.path("images/golden.img").exists());
}

#[test]
fn seals_are_as_documented() {
    let bench = Bench::new();
    let image = bench.path("images/golden.img");
    let image = image.to_str().unwrap();
    let sealed = bench.result("base-seal", &["base", "seal", image]);
    // Opened first, for an immutable file would outlive a test that fails.
    let opened = bench.result("base-unseal", &["base", "unseal", image]);
    assert_eq!(sealed[0]["format"], "raw");
    assert!(sealed[0]["sha256"].is_string());
    assert_eq!(opened[0], image);
}

#[test]
fn clones_over_several_hosts_are_as_documented() {
    let (bench, other) = (Bench::new(), Bench::new());
    let uri = other.uri();
    let spread = ["-c", &uri, "clone", "--spread", "--no-seal", "-d", "golden"];
    let planned = [&spread[..], &["a", "b", "--dry-run"]].concat();
    let planned = bench.result("clone-spread", &planned);
    assert_eq!(planned[0]["clones"], serde_json::json!(["a"]));
    let made = bench.result("clone", &[&spread[..], &["a", "b"]].concat());
    assert_eq!(made["clones"][1]["host"], uri);
}

#[test]
fn a_guest_that_can_migrate_is_as_documented() {
    let (bench, there) = (Bench::new(), Bench::new());
    bench.define(&[
        "<domain type='test'><name>diskless</name><memory>1024</memory>\
         <os><type>hvm</type></os></domain>",
    ]);
    let to = there.uri();
    let planned = bench.result(
        "migrate",
        &["migrate", "--dry-run", "-d", "diskless", "--to", &to],
    );
    assert_eq!(planned[0]["live"], false);
    // The test driver makes no files, so that its directories are those of nobody else.
    there.give_pool();
    let image = there.path("images/own.img");
    fs::write(&image, vec![7; 1 << 20]).unwrap();
    bench.define(&[&format!(
        "<domain type='test'><name>own</name><memory>1024</memory><os><type>hvm</type></os>\
         <devices><disk type='file'><driver type='raw'/><source file='{}'/><target dev='vda'/>\
         </disk></devices></domain>",
        image.display()
    )]);
    let copied = ["migrate", "--dry-run", "-d", "own", "--to", &to];
    bench.error(Kind::WrongState, &copied);
    let copied = bench.result("migrate", &[&copied[..], &["--copy-storage"]].concat());
    assert_eq!(copied[0]["copied"][0]["size"], 1 << 20);
    assert_eq!(copied[0]["left"][0], copied[0]["copied"][0]["path"]);
    let taken = ["migrate", "--dry-run", "-d", "golden", "--to", &to];
    bench.error(Kind::Exists, &taken);
}

#[test]
fn what_is_pushed_is_as_documented() {
    let bench = Bench::new();
    let (image, uri) = (bench.path("images/golden.img"), bench.uri());
    bench.give_pool();
    let push = [
        "base",
        "push",
        "--dry-run",
        image.to_str().unwrap(),
        "--pool",
        "far",
        "--to",
        &uri,
    ];
    let planned = bench.result("base-push", &push);
    assert_eq!(planned[0]["before"], "nothing");
    bench.result("base-pushed", &["base", "verify", "--pushed"]);
    // Something was, and is not there any more.
    let record = serde_json::json!({
        "uri": uri, "pool": "far", "volume": "gone.img", "path": "/far/gone.img", "size": 1,
        "sha256": "00", "done": 1, "pushed_at": "2026-01-01T00:00:00Z",
    });
    let dir = bench.path("state/pushes");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("0.json"), record.to_string()).unwrap();
    let output = bench.run(&["base", "verify", "--pushed"]);
    assert_eq!(output.status.code(), Some(9));
    let pushed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_fits("base-pushed", &pushed);
    assert_eq!(pushed[0]["problem"], "it is gone");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it makes the file system")]
fn what_is_mounted_is_as_documented() {
    let bench = Bench::new();
    let (image, dir) = (bench.path("fs.img"), bench.path("mnt"));
    fs::create_dir(&dir).unwrap();
    fs::write(&image, vec![0; 4 << 20]).unwrap();
    let mut mkfs = Command::new("mke2fs");
    assert!(mkfs.arg("-q").arg(&image).status().unwrap().success());
    let (image, dir) = (image.to_str().unwrap(), dir.to_str().unwrap());
    let words = [
        "mount", "-a", image, "--format", "raw", "-m", "/dev/sda", dir,
    ];
    let rehearsed = bench.result("mount", &[&words[..], &["--dry-run"]].concat());
    assert_eq!(rehearsed["pid"], Value::Null);
    let mounted = bench.result("mount", &words);
    assert_eq!(mounted["file_systems"][0]["at"], "/");
    let listed = bench.result("mount-list", &["mount", "--list"]);
    assert_eq!(listed[0]["pid"], mounted["pid"]);
    let rehearsed = bench.result("umount", &["umount", "--dry-run", dir]);
    assert_eq!(rehearsed[0]["result"], "unchanged");
    let unmounted = bench.result("umount", &["umount", dir]);
    assert_eq!(unmounted[0]["result"], "unmounted");
    assert_eq!(bench.result("mount-list", &["mount"]), json!([]));
}

#[test]
fn what_was_recovered_is_as_documented() {
    let bench = Bench::new();
    assert_eq!(bench.result("recover", &["recover"]), json!([]));
    let store = Store::at(bench.path("state"));
    let operation = Operation::Delete {
        name: "web-01".to_owned(),
        uuid: CLONE.parse().unwrap(),
        volumes: Vec::new(),
        files: Vec::new(),
        reservations: Vec::new(),
        allow_dirs: Vec::new(),
    };
    // Left behind: nobody holds it any more.
    drop(store.begin(&bench.uri(), operation).unwrap());
    let recovered = bench.result("recover", &["recover"]);
    assert_eq!(recovered[0]["what"], "deleting 'web-01'");
}

#[test]
fn files_of_guests_are_as_documented() {
    let bench = Bench::new();
    let tree = bench.path("tree");
    for dir in ["etc", "usr", "var/log"] {
        fs::create_dir_all(tree.join(dir)).unwrap();
    }
    fs::write(tree.join("var/log/messages"), "first\nlast\n").unwrap();
    fs::write(tree.join("etc/hostname"), "golden\n").unwrap();
    fs::write(tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    std::os::unix::fs::symlink("hostname", tree.join("etc/link")).unwrap();
    let make = |image: &str| {
        #[expect(clippy::disallowed_methods, reason = "it makes what is looked at")]
        let made = Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-d"])
            .args([&tree, &bench.path(image)])
            .arg("8M")
            .status();
        assert!(made.unwrap().success());
    };
    make("images/golden.img");
    fs::remove_file(tree.join("etc/passwd")).unwrap();
    make("images/busy.img");
    let guest = ["-d", "golden"];
    let result = |name: &str, args: &[&str]| {
        let args = [&[name][..], &guest[..], args].concat();
        bench.result(name, &args)
    };
    assert_eq!(result("cat", &["/etc/link"])[0]["text"], "golden\n");
    assert_eq!(result("ls", &["-l", "/etc"])[1]["target"], "hostname");
    assert_eq!(result("df", &[])[0]["health"], "clean");
    // It would not boot, which is an exit code of its own.
    let output = bench.run(&["rescue", "-d", "golden"]);
    assert_eq!(output.status.code(), Some(4));
    let examined: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_fits("rescue", &examined);
    assert_eq!(examined[0]["checks"][0]["id"], "image");
    let (image, from) = (bench.path("f.img"), tree.display().to_string());
    let image = image.to_str().unwrap();
    fs::remove_file(tree.join("etc/link")).unwrap();
    let build = ["image", "build", image, "--from", &from];
    let planned = bench.result(
        "image-build",
        &[&build[..], &["--lvm", "vg/a", "--dry-run"]].concat(),
    );
    assert_eq!(planned["volumes"][1]["device"], "/dev/vg/a");
    let made = bench.result("image-build", &[&build[..], &["--floppy"]].concat());
    assert_eq!(made["size"], 1_474_560);
    let inspected = result("inspect", &[]);
    assert_eq!(inspected[0]["users"][0]["name"], "root");
    assert_eq!(inspected[0]["mounts"][0]["at"], "/");
    assert_eq!(result("grep", &["^gold", "/etc/hostname"])[0]["line"], 1);
    assert_eq!(
        result("find", &["--name", "pass*"])[0]["path"],
        "/etc/passwd"
    );
    let would = |args: &[&str]| {
        let args = [args, &["--dry-run", "-d", "golden"]].concat();
        bench.result("edit", &args)[0]["changes"][0].clone()
    };
    let edited = would(&["edit", "-e", "s/old/OLD/", "/etc/hostname"]);
    assert_eq!(
        edited,
        json!({"what": "change", "path": "/etc/hostname", "path_hex": null})
    );
    for (args, what) in [
        (&["write", "/new", "text"][..], "make"),
        (&["copy-in", tree.to_str().unwrap(), "/etc"], "mkdir"),
        (&["customize", "--write", "/new:text"], "make"),
        (&["mkdir", "/new"], "mkdir"),
        (&["rm", "/etc/link"], "remove"),
        (&["mv", "/etc/link", "/new"], "move"),
        (&["ln", "-s", "x", "/new"], "symlink"),
        (&["ln", "/etc/hostname", "/new"], "link"),
        (&["touch", "/etc/link"], "touch"),
        (&["chmod", "0600", "/etc/hostname"], "chmod"),
        (&["chown", "root:7", "/etc/hostname"], "chown"),
    ] {
        assert_eq!(would(args)["what"], what, "{args:?}");
    }
    let to = bench.path("to");
    fs::create_dir(&to).unwrap();
    assert_eq!(
        result("copy-out", &["/etc", to.to_str().unwrap()])[0]["files"],
        2
    );
}

#[test]
fn errors_are_as_documented() {
    let bench = Bench::new();
    bench.error(Kind::NotFound, &["show", "-d", "nobody"]);
    let error = bench.error(Kind::WrongState, &["clone", "-d", "busy", "x"]);
    assert!(error["error"]["hints"][0].is_string());
    let error = bench.error(Kind::Partial, &["destroy", "-d", "busy", "nobody"]);
    assert_eq!(error["error"]["parts"].as_array().unwrap().len(), 1);
    bench.error(Kind::Exists, &["clone", "-d", "golden", "busy"]);
}
