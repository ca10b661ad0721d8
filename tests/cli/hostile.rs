//! Images that were made to do harm, as the disk of a golden domain.
//!
//! That no program sees such an image is shown three times: those that vmkin
//! could start are replaced by ones that leave a mark, somebody listens where
//! the images lead to, and strace writes down what is opened and connected to.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Guest, Host, Outcome};
use crate::hostile_images::chains::overlay;
use crate::hostile_images::{Case, Lure, Place, SECRET_SIZE, Verdict, cases};

/// The name of the file that no command may open.
const SECRET: &str = "the-secret-of-the-host";

/// A host whose golden domain has a hostile disk, with traps where it leads.
struct Trap {
    host: Host,
    image: PathBuf,
    listener: TcpListener,
}

impl Trap {
    fn new(case: &Case) -> Self {
        let host = Host::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let secret = host.root().join("other").join(SECRET);
        let place = Place::new(host.root().join("images"), secret, port);
        let mut image = case.make(&place);
        let mut format = case.format;
        if matches!(format, "vhdx" | "luks") {
            // Libvirt does not know these as the format of a disk.
            (image, format) = (overlay(&place, &image, format), "qcow2");
        }
        fs::set_permissions(&image, fs::Permissions::from_mode(0o644)).unwrap();
        host.add(Guest::new("golden").disk("vda", format, &image));
        let tools = host.root().join("home/tools");
        fs::create_dir(&tools).unwrap();
        for name in [
            "qemu-img",
            "qemu-io",
            "qemu-nbd",
            "guestfish",
            "virsh",
            "file",
        ] {
            let tool = tools.join(name);
            fs::write(&tool, "#!/bin/sh\necho \"$0 $*\" >> \"${0%/*}/started\"\n").unwrap();
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            host,
            image,
            listener,
        }
    }

    fn armed(&self, command: &mut Command, args: &[&str]) -> Outcome {
        let tools = self.host.root().join("home/tools");
        let args = args.iter().map(|arg| match *arg {
            "IMAGE" => self.image.as_os_str(),
            arg => OsStr::new(arg),
        });
        let output = command.args(args).env("VMKIN_TOOL_PATH", tools).output();
        Outcome::of(output.unwrap())
    }

    fn vmkin(&self, args: &str) -> Outcome {
        let args: Vec<&str> = args.split_whitespace().collect();
        self.armed(&mut self.host.command(), &args)
    }

    /// The same under strace. Also returns what it wrote down.
    fn traced(&self, args: &str) -> (Outcome, String) {
        let log = self.host.root().join("home/trace");
        let log_name = log.to_str().unwrap();
        let options = "-f -qq -y -e trace=open,openat,openat2,connect,execve -o";
        let mut all: Vec<&str> = options.split_whitespace().collect();
        all.extend([log_name, env!("CARGO_BIN_EXE_vmkin")]);
        all.extend(args.split_whitespace());
        let outcome = self.armed(&mut self.host.command_of("strace"), &all);
        let text = fs::read_to_string(&log)
            .unwrap_or_else(|e| panic!("strace is needed for this test: {e}: {outcome}"));
        fs::remove_file(log).unwrap();
        (outcome, text)
    }

    /// Nobody was started, and nobody called.
    #[track_caller]
    fn is_untouched(&self, what: &str) {
        let started = self.host.root().join("home/tools/started");
        let text = fs::read_to_string(started).unwrap_or_default();
        assert!(text.is_empty(), "{what}: {text}");
        match self.listener.accept() {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            other => panic!("{what}: {other:?}"),
        }
    }
}

fn refused() -> impl Iterator<Item = (Case, &'static str)> {
    cases().into_iter().filter_map(|case| match case.verdict {
        Verdict::Refused(says) => Some((case, says)),
        Verdict::Accepted => None,
    })
}

/// Half of the table each, so that two of them run at the same time.
fn all_is_refused(half: usize) {
    for (_, (case, says)) in refused().enumerate().filter(|(n, _)| n % 2 == half) {
        let trap = Trap::new(&case);
        let before = trap.host.world();
        let mut commands = vec!["start -d golden"];
        if case.lure != Lure::Nothing {
            commands.extend([
                "clone -d golden web-01",
                "clone -d golden web-01 --full",
                "clone -d golden web-01 --full --dry-run",
                "clone -d golden web-01 --print-xml",
                "clone -d golden web-01 --no-seal --start",
            ]);
        }
        for command in commands {
            let what = format!("{}: {command}", case.name);
            let outcome = trap.vmkin(command);
            assert_eq!(outcome.code(), Some(9), "{what}: {outcome}");
            outcome.fails(9, says);
            trap.is_untouched(&what);
        }
        assert_eq!(trap.host.world(), before, "{}", case.name);
    }
}

#[test]
fn no_hostile_image_is_handed_on_first_half() {
    all_is_refused(0);
}

#[test]
fn no_hostile_image_is_handed_on_second_half() {
    all_is_refused(1);
}

/// What only looks has to show the others all the same.
#[test]
fn a_hostile_image_keeps_no_listing_from_working() {
    for (case, _) in refused() {
        let trap = Trap::new(&case);
        let good = trap.host.raw("good.img");
        trap.host.add(Guest::new("other").disk("vda", "raw", &good));
        let before = trap.host.world();
        let mut commands = vec!["tree"];
        if case.lure != Lure::Nothing {
            commands.extend([
                "list --all",
                "list --all --json",
                "show -d golden",
                "show -d golden --json",
                "tree --json",
                "base list",
                "delete -d golden --dry-run --yes",
            ]);
        }
        for command in commands {
            let what = format!("{}: {command}", case.name);
            let outcome = trap.vmkin(command);
            assert_eq!(outcome.code(), Some(0), "{what}: {outcome}");
            // A name in a header is not to write to the terminal.
            let shown = format!("{}{}", outcome.stdout(), outcome.stderr());
            let controls = |c: char| c.is_control() && c != '\n';
            assert!(!shown.contains(controls), "{what}: {outcome}");
            trap.is_untouched(&what);
        }
        assert_eq!(trap.host.world(), before, "{}", case.name);
    }
}

/// The system calls, of vmkin and of all that it starts.
#[test]
fn what_an_image_names_is_not_opened() {
    let mut seen = 0;
    for (case, _) in refused() {
        if case.lure == Lure::Nothing {
            continue;
        }
        let trap = Trap::new(&case);
        let secret = trap.host.root().join("other").join(SECRET);
        for command in [
            "clone -d golden web-01 --full",
            "start -d golden",
            "tree",
            "base seal -d golden",
            "base unseal -d golden --force --yes",
            "delete -d golden --yes",
        ] {
            let what = format!("{}: {command}", case.name);
            let (outcome, trace) = trap.traced(command);
            assert!(matches!(outcome.code(), Some(0 | 9)), "{what}: {outcome}");
            // The image itself is, or the trace shows nothing.
            let opened = |path: &Path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                trace
                    .lines()
                    .filter(|line| line.contains("open") && line.contains(name))
                    .filter(|line| !line.contains("O_PATH") && !line.contains(" = -1 "))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            seen += opened(&trap.image).len();
            assert_eq!(opened(&secret), [""; 0], "{what}");
            let ports = trace.lines().filter(|line| line.contains("htons("));
            assert_eq!(ports.collect::<Vec<_>>(), [""; 0], "{what}");
            let started = trace.matches("execve(").count();
            assert_eq!(started, 1, "{what}: {trace}");
            trap.is_untouched(&what);
        }
        assert_eq!(fs::read(&secret).unwrap().len(), SECRET_SIZE);
    }
    assert!(seen > 50, "{seen}");
}

/// The traps work: an image that is in order sets them off.
#[test]
fn a_good_image_is_handed_on() {
    let case = cases().into_iter().find(|c| c.name == "good-vmdk").unwrap();
    let trap = Trap::new(&case);
    let (_, trace) = trap.traced("clone -d golden web-01 --full");
    assert!(trace.matches("execve(").count() > 1, "{trace}");
    let started = fs::read_to_string(trap.host.root().join("home/tools/started")).unwrap();
    assert!(started.contains("driver=vmdk"), "{started}");
}
