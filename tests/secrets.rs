//! The passwords of a domain's screens reach libvirt and nothing else: no
//! message, no result, no file, no program that is started.
//!
//! Every command is run on a golden domain whose passwords are easily found
//! again. What is looked through is all that the program leaves behind.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as tests do"
)]

/// The arguments of a program, of different types.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$(AsRef::<std::ffi::OsStr>::as_ref($arg)),*] };
}

#[path = "cli/common/mod.rs"]
#[expect(dead_code, reason = "the tests of the command line need more of it")]
mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use self::common::{Host, Outcome};

/// What both passwords have in them.
const MARK: &str = "Zq9tMark";

const SCREENS: &str = "<graphics type='vnc' port='5901' autoport='no' listen='0.0.0.0' passwd='Zq9tMark&amp;vnc'/>\
     <graphics type='spice' autoport='yes' passwd='Zq9tMark-spice' passwdValidTo='2031-01-01T00:00:00'/>";

/// A host whose golden domain has passwords, an overlay on a base, a raw disk
/// and UEFI variables; and programs that write down how they are called.
struct Watched {
    host: Host,
    tools: PathBuf,
}

impl Watched {
    fn new() -> Self {
        let host = Host::new();
        let tools = host.root().join("tools");
        fs::create_dir(&tools).unwrap();
        let tool = tools.join("qemu-img");
        let script = format!(
            "#!/bin/sh\n{{ printf '%s\\n' \"$0\" \"$@\"; env; echo \"core $(ulimit -c)\"; \
             tr '\\0' '\\n' </proc/$PPID/cmdline; }} >>{}/calls\nexec /usr/bin/qemu-img \"$@\"\n",
            tools.display()
        );
        fs::write(&tool, script).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();

        let base = host.qcow2("base.qcow2");
        let top = host.image("golden.qcow2");
        common::tool(
            "qemu-img",
            &args![
                "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", &base, &top
            ],
        );
        fs::set_permissions(&top, fs::Permissions::from_mode(0o644)).unwrap();
        let vars = host.root().join("nvram/golden_VARS.fd");
        fs::write(&vars, "variables").unwrap();
        fs::set_permissions(&vars, fs::Permissions::from_mode(0o600)).unwrap();
        let data = host.raw("data.img");
        let watched = Self { host, tools };
        watched.host.add(
            common::Guest::new("golden")
                .uuid(common::GOLDEN_UUID)
                .disk("vda", "qcow2", &top)
                .disk("vdb", "raw", &data)
                .nic(common::GOLDEN_MAC)
                .nvram(&vars)
                .device(SCREENS),
        );
        watched
    }

    fn command(&self) -> std::process::Command {
        let mut command = self.host.command();
        command.env("VMKIN_TOOL_PATH", &self.tools);
        command
    }

    /// Runs it, and looks for the passwords in all that it says and leaves.
    fn run<S: AsRef<OsStr> + std::fmt::Debug>(&self, args: &[S]) -> Outcome {
        let outcome = Outcome::of(self.command().args(args).output().unwrap());
        silent(&outcome, &format!("{args:?}"));
        self.clean(&format!("{args:?}"));
        outcome
    }

    fn words(&self, args: &str) -> Outcome {
        self.run(&args.split_whitespace().collect::<Vec<_>>())
    }

    /// No file has a password in it but those that had it before: the host's
    /// own, and what was given as XML.
    fn clean(&self, what: &str) {
        for path in self.host.paths_below(self.host.root()) {
            let name = path.file_name().unwrap_or_default();
            let given = name == "host.xml" || path.extension().is_some_and(|e| e == "given");
            if given || !path.is_file() || path.is_symlink() {
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            assert!(!has(&bytes), "{what}: {} has the password", path.display());
        }
        self.private(what);
    }

    /// What vmkin remembers is for its user alone.
    fn private(&self, what: &str) {
        let state = self.host.state();
        if !state.exists() {
            return;
        }
        for path in self.host.paths_below(&state).into_iter().chain([state]) {
            let mode = fs::symlink_metadata(&path).unwrap().mode() & 0o7777;
            let most = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode & !most, 0, "{what}: {} is {mode:o}", path.display());
        }
    }

    /// How often a program was started, and that none of them could have
    /// written its memory to a file.
    fn calls(&self) -> usize {
        let text = fs::read_to_string(self.tools.join("calls")).unwrap_or_default();
        let cores: Vec<&str> = text.lines().filter(|l| l.starts_with("core ")).collect();
        assert!(cores.iter().all(|line| *line == "core 0"), "{cores:?}");
        cores.len()
    }

    fn given(&self, name: &str, xml: &str) -> PathBuf {
        let path = self.host.root().join(format!("{name}.given"));
        fs::write(&path, xml).unwrap();
        path
    }

    /// The golden domain as somebody hands it over in a file.
    fn original(&self) -> String {
        let host = fs::read_to_string(self.host.root().join("host.xml")).unwrap();
        let from = host.find("<domain").unwrap();
        let to = host.find("</domain>").unwrap() + "</domain>".len();
        host[from..to].replace(common::GOLDEN_UUID, "22222222-0000-4000-8000-000000000002")
    }
}

fn has(bytes: &[u8]) -> bool {
    bytes
        .windows(MARK.len())
        .any(|part| part == MARK.as_bytes())
}

fn silent(outcome: &Outcome, what: &str) {
    for text in [outcome.stdout(), outcome.stderr()] {
        assert!(!has(text.as_bytes()), "{what}: {outcome}");
    }
}

#[test]
fn no_command_tells_a_password() {
    let watched = Watched::new();
    for args in [
        "list -vv",
        "list --json",
        "show -d golden -vv",
        "show -d golden --json",
        "tree --json",
        "tree --dot",
        "doctor -vv",
        "doctor --json",
        "clone -d golden web --dry-run -vv",
        "clone -d golden web --dry-run --json",
        "clone -d golden web --print-xml -vv",
        "clone -d golden web --print-xml --json",
        "clone -d golden web --print-xml --full",
        "clone -d golden web -vv",
        "clone -d golden json --json",
        "clone -d golden full --full -vv",
        "clone -d golden b{n} --count 9 --start -vv --json",
        "base list --json",
        "base children IMAGES/golden.qcow2 --json",
        "base verify -d golden --json",
        "base verify -d golden -vv",
        "base unseal --yes --force IMAGES/golden.qcow2 -vv",
        "base seal IMAGES/golden.qcow2 -vv",
        "start -d golden -vv",
        "ip -d golden",
        "recover --json",
    ] {
        let images = watched.host.image("").display().to_string();
        let outcome = watched.words(&args.replace("IMAGES/", &images));
        assert_ne!(outcome.code(), Some(2), "{args}: {outcome}");
    }
    let shown = watched.words("show -d golden").success();
    assert!(shown.stdout().contains("with a password"), "{shown}");
    assert!(watched.calls() > 2, "no program was watched");

    // What the clone has of its own is as private as that of the golden domain.
    for name in ["web", "full"] {
        let vars = watched.host.root().join(format!("nvram/{name}_VARS.fd"));
        let mode = fs::metadata(vars).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
    watched.words("delete --yes -d golden -vv").fails(6, "");
    watched
        .words("delete --yes --keep-storage -d golden -vv --json")
        .success();
}

#[test]
fn who_asks_for_the_passwords_gets_them_on_stdout_alone() {
    let watched = Watched::new();
    let file = watched.given("original", &watched.original());
    let file = file.to_str().unwrap();
    for original in [["-d", "golden"], ["--original-xml", file]] {
        let clone = |more: &[&str]| {
            let args = [&["clone"], &original[..], &["web", "--print-xml"], more].concat();
            Outcome::of(watched.command().args(args).output().unwrap()).success()
        };
        let told = clone(&["--security-info"]);
        assert!(told.stdout().contains("passwd='Zq9tMark&amp;vnc'"));
        assert!(told.stdout().contains("passwd='Zq9tMark-spice'"));
        assert!(!has(told.stderr().as_bytes()), "{told}");
        watched.clean("--security-info");

        let public = clone(&[]).says("`--security-info` prints it");
        silent(&public, "--print-xml");
        assert!(!public.stdout().contains("passwd="), "{public}");
        silent(&clone(&["--json"]), "--print-xml --json");
    }
}

#[test]
fn a_run_that_fails_or_dies_at_any_step_tells_no_password() {
    let learnt = Watched::new();
    let log = learnt.host.root().join("log");
    let clone = "clone -d golden web --full -vv";
    let mut command = learnt.command();
    command.env("VMKIN_FAILPOINT_LOG", &log);
    let outcome = command.args(clone.split_whitespace()).output().unwrap();
    Outcome::of(outcome).success();
    let text = fs::read_to_string(&log).unwrap();
    let mut steps: Vec<&str> = text.lines().collect();
    steps.sort_unstable();
    steps.dedup();
    assert!(steps.len() > 5, "{steps:?}");

    for step in steps {
        for action in ["error", "kill"] {
            let what = format!("{step}={action}");
            let watched = Watched::new();
            let mut command = watched.command();
            command.env("VMKIN_FAILPOINTS", &what);
            let output = command.args(clone.split_whitespace()).output().unwrap();
            let outcome = Outcome::of(output);
            silent(&outcome, &what);
            watched.clean(&what);
            watched.words("list -vv").success();
            watched.words("doctor --json");
            watched.words("recover -vv").success();
        }
    }
}

/// A guest's password is nowhere, not even in what the guest is told; texts of
/// the user's own are in that and nowhere else.
#[test]
fn what_a_guest_is_told_is_told_to_nobody_else() {
    let watched = Watched::new();
    let password = watched.given("password", &format!("{MARK}-guest\n"));
    let text = watched.given("user-data", &format!("#cloud-config\npassword: {MARK}\n"));
    let clone = |name: &str, option: &str, file: &Path, more: &[&str]| {
        let file = file.to_str().unwrap();
        let args = [&["clone", "-d", "golden", name, option, file], more].concat();
        let outcome = Outcome::of(watched.command().args(&args).output().unwrap());
        silent(&outcome, &format!("{args:?}"));
        outcome
    };
    for (number, more) in [
        &["-vv"][..],
        &["--json"],
        &["--dry-run", "--json"],
        &["--print-xml"],
        &["--print-xml", "--json"],
        &["--user", "alice", "-vv"],
        &["--identity", "smbios", "-vv"],
        &["--hostname", "a_b", "-vv"],
        &["--dir", "/nothing/here", "-vv"],
    ]
    .iter()
    .enumerate()
    {
        clone(&format!("p{number}"), "--password-file", &password, more);
        watched.clean(&format!("{more:?}"));
    }
    let seed = fs::metadata(watched.host.image("p0-seed.img")).unwrap();
    assert_eq!(seed.mode() & 0o777, 0o600);

    for step in ["clone.journal", "clone.seed", "clone.made", "clone.defined"] {
        for action in ["error", "kill"] {
            let mut command = watched.command();
            command.env("VMKIN_FAILPOINTS", format!("{step}={action}"));
            let args = args![
                "clone",
                "-d",
                "golden",
                "f",
                "-vv",
                "--password-file",
                &password
            ];
            let outcome = Outcome::of(command.args(args).output().unwrap());
            assert_ne!(outcome.code(), Some(0), "{step}={action}: {outcome}");
            silent(&outcome, step);
            watched.clean(step);
            watched.words("recover -vv").success();
            assert!(
                !watched.host.image("f-seed.img").exists(),
                "{step}={action}"
            );
        }
    }

    clone("t", "--user-data", &text, &["-vv"]).success();
    clone("u", "--user-data", &text, &["--user", "alice", "-vv"]).fails(2, "sent as it is");
    let seed = watched.host.image("t-seed.img");
    assert!(has(&fs::read(&seed).unwrap()));
    fs::remove_file(seed).unwrap();
    watched.clean("--user-data");
}

#[test]
fn xml_that_cannot_be_read_or_defined_is_not_quoted() {
    let watched = Watched::new();
    let good = watched.original();
    let vnc = "passwd='Zq9tMark&amp;vnc'";
    assert!(good.contains(vnc));
    for (name, bad) in [
        ("entity", good.replace(vnc, "passwd='a&Zq9tMark;'")),
        ("open entity", good.replace(vnc, "passwd='a&Zq9tMark'")),
        ("character", good.replace(vnc, "passwd='&#0;Zq9tMark'")),
        ("no quotes", good.replace(vnc, "passwd=Zq9tMark")),
        ("one quote", good.replace(vnc, "passwd='Zq9tMark")),
        ("other quote", good.replace(vnc, "passwd=\"Zq9tMark'")),
        ("markup", good.replace(vnc, "passwd='<Zq9tMark'")),
        ("twice", good.replace(vnc, "passwd='Zq9tMark' passwd='b'")),
        ("control", good.replace(vnc, "passwd='Zq9tMark\u{1}'")),
        (
            "cut off",
            good.split(vnc).next().unwrap().to_owned() + "passwd='Zq9tMark",
        ),
        ("a tag", good.replace("</devices>", "</device>")),
        (
            "a DTD",
            format!("<!DOCTYPE domain [<!ENTITY x 'Zq9tMark'>]>{good}"),
        ),
        // What libvirt refuses.
        ("schema", good.replace(vnc, &format!("{vnc} nonsense='x'"))),
        ("element", good.replace("<devices>", "<devices><nonsense/>")),
        (
            "time",
            good.replace("2031-01-01T00:00:00", "Zq9tMark&amp;vnc"),
        ),
    ] {
        let file = watched.given(name, &bad);
        for more in ["--quiet", "-vv", "--json", "--print-xml"] {
            let args = args!["clone", "--original-xml", &file, "web", more];
            let outcome = Outcome::of(watched.command().args(args).output().unwrap());
            // A time is printed, whatever it looks like.
            if (name, more) != ("time", "--print-xml") {
                silent(&outcome, &format!("{name} {more}"));
            }
            watched.clean(name);
        }
    }
    assert!(Path::new(&watched.host.state()).exists());
}
