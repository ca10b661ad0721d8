//! `vmkin shell`: what is typed, and what a script says. What changes are made of
//! is in `tests/tools_guest/shell.rs`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::common::{Guest, Host, Outcome, tool};
use crate::guest_files::guest_image;

/// A host with a guest.
fn host() -> (Host, PathBuf) {
    let host = Host::new();
    let raw = guest_image(&host, "web-01", "web-01");
    host.add(Guest::new("web-01").disk("vda", "raw", &raw));
    (host, raw)
}

/// Runs `vmkin` with these arguments and a script on its standard input.
fn script(host: &Host, args: &str, lines: &str) -> Outcome {
    let mut command = host.command();
    command.args(args.split_whitespace());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that fails early does not read all of it.
    drop(stdin.write_all(lines.as_bytes()));
    drop(stdin);
    Outcome::of(child.wait_with_output().unwrap())
}

#[test]
fn a_script_reads_what_the_guest_has() {
    let (host, _) = host();
    let before = host.world();
    let read = script(
        &host,
        "shell -d web-01",
        "# what there is\n\
         ls\n\
         \n\
         cd /path/in/../to\n\
         pwd\n\
         cat file /etc/hostname # both\n\
         find .\n\
         grep -l one /path/in/vm/one /var/log/syslog\n\
         head -n 1 /var/log/syslog\n\
         tail-n 1 /var/log/syslog\n\
         cd ..\n\
         ls in/vm\n",
    );
    assert_snapshot!(read, @"
    dir
    etc
    evil
    file
    lib
    lost+found
    path
    usr
    var
    /path/to
    a file
    web-01
    /path/to
    /path/to/file
    /path/in/vm/one
    /var/log/syslog
    one
    three
    one
    --- stderr ---
    warning: web-01: line 1 of /etc/fstab has too few fields.
    warning: web-01: /srv is not mounted: what /etc/fstab names is on no disk.
    ");
    assert_eq!(host.world(), before);
    // What is not text is no reason to end, nor is what is there twice.
    let copied = script(
        &host,
        "shell -d web-01",
        "download /etc/hostname here\ncopy-out /path .\nlcd path\ndownload /file .\nlpwd\n",
    )
    .success();
    let home = host.root().join("home");
    assert_eq!(
        copied.stdout(),
        format!("{}\n", home.join("path").display())
    );
    assert_eq!(fs::read_to_string(home.join("here")).unwrap(), "web-01\n");
    assert_eq!(
        fs::read_to_string(home.join("path/file")).unwrap(),
        "text\n"
    );
    assert!(home.join("path/to/file").is_file());
    script(&host, "shell -d web-01", "download /file here").fails(5, "line 1: download /file here");
}

#[test]
fn a_script_stops_where_it_fails_unless_it_may() {
    let (host, _) = host();
    let failed = script(
        &host,
        "shell -d web-01",
        "cat /etc/hostname\n-cat /nothing\n\n\ncat /nowhere\npwd\n",
    );
    assert_snapshot!(failed, @"
    web-01
    --- stderr ---
    warning: web-01: line 1 of /etc/fstab has too few fields.
    warning: web-01: /srv is not mounted: what /etc/fstab names is on no disk.
    error: there is no '/nothing' in the guest
    error: line 5: cat /nowhere
      caused by: there is no '/nowhere' in the guest
    --- exit 3 ---
    ");
    for (line, exit, why) in [
        ("cat 'x", 2, "a quote is opened and not closed"),
        ("cta /x", 2, "did you mean `cat`?"),
        ("ls --nonsense", 2, "see how it is used: `help ls`"),
        ("mount /dev/vdz1 /", 3, "the guest has no device /dev/vdz1"),
        ("cat /dir", 4, "must be a regular file"),
        ("umount /path", 3, "nothing is mounted on '/path'"),
        ("write /x y", 4, "`vmkin shell --rw`"),
        ("commit", 4, "this session only reads"),
    ] {
        let line = format!("pwd\n{line}\npwd\n");
        let outcome = script(&host, "shell -d web-01", &line).fails(exit, why);
        assert!(outcome.stderr().contains("line 2: "), "{outcome}");
        assert_eq!(outcome.stdout(), "/\n");
    }
    let given = host.vmkin_args(&[
        "shell",
        "-d",
        "web-01",
        "-e",
        "cd etc",
        "-e",
        "cat hostname",
    ]);
    assert_eq!(given.success().stdout(), "web-01\n");
    let json = host.vmkin("shell --json -d web-01");
    assert_eq!(json.code(), Some(2));
    assert!(
        json.stderr().contains("no result to print as JSON"),
        "{json}"
    );
    host.vmkin("shell").fails(2, "no guest is named");
    host.add(Guest::new("web-02"));
    host.vmkin("shell -d web-*")
        .fails(2, "2 domains are meant, and must be one");
}

/// The session in docs/shell.md.
fn documented() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/shell.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("```guestfish\n").unwrap();
    rest.split("```").next().unwrap().to_owned()
}

#[test]
fn the_session_of_the_document_works() {
    let (host, _) = host();
    // The image here has no partitions, and the guest no /mnt.
    let lines = documented()
        .replace("/dev/sda1", "/dev/sda")
        .replace("/mnt", "/dir");
    let lines = lines.replace("umount /\n", "mountpoints\numount /\n-ls /\n") + "ls\n";
    let session = script(&host, "shell -d web-01", &lines);
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:]+Z|[0-9a-f]{8}-[0-9a-f-]{27}").unwrap();
    let printed = time.replace_all(session.stdout(), "…").into_owned();
    assert_snapshot!(printed, @"
    Device    Type    Size  Label  UUID                                  Mounted on
    /dev/vda  ext4  16 MiB  root   …  /
    drwxr-xr-x 0 0  1024 … dir
    drwxr-xr-x 0 0  1024 … etc
    -rw-r--r-- 0 0     9 … evil
    -rwsr-x--- 0 0     5 … file
    drwxr-xr-x 0 0  1024 … lib
    drwx------ 0 0 12288 … lost+found
    drwxr-xr-x 0 0  1024 … path
    drwxr-xr-x 0 0  1024 … usr
    drwxr-xr-x 0 0  1024 … var
    root:x:0:0:root:/root:/bin/sh
    ann:x:1000:1000::/home/ann:/bin/sh
    drwxr-xr-x 0 0  1024 … dir
    drwxr-xr-x 0 0  1024 … etc
    -rw-r--r-- 0 0     9 … evil
    -rwsr-x--- 0 0     5 … file
    drwxr-xr-x 0 0  1024 … lib
    drwx------ 0 0 12288 … lost+found
    drwxr-xr-x 0 0  1024 … path
    drwxr-xr-x 0 0  1024 … usr
    drwxr-xr-x 0 0  1024 … var
    /dev/vda on / (ext4)
    ");
    assert_eq!(session.code(), Some(0), "{session}");
    assert!(
        session.stderr().contains("there is no file system"),
        "{session}"
    );
}

#[test]
fn a_disk_without_a_system_is_one_to_mount() {
    let host = Host::new();
    let tree = host.root().join("data");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("one"), "1\n").unwrap();
    let raw = host.image("data.raw");
    tool(
        "mke2fs",
        &args!["-q", "-t", "ext4", "-d", &tree, &raw, "8M"],
    );
    host.add(Guest::new("data").disk("vda", "raw", &raw));
    let read = script(&host, "shell -d data", "mount /dev/vda /\ncat one\n").success();
    assert_eq!(read.stdout(), "1\n");
    assert!(read.stderr().contains("nothing is mounted"), "{read}");
}

#[test]
fn what_may_not_be_changed_is_refused_at_the_start() {
    let host = Host::golden();
    let raw = guest_image(&host, "web-01", "web-01");
    let disk = |guest: Guest| guest.disk("vda", "raw", &raw);
    host.child("child");
    for (guest, exit, why) in [
        (disk(Guest::new("web-01").state(1)), 4, "is running"),
        (disk(Guest::new("web-01").state(3)), 4, "is paused"),
        (disk(Guest::new("web-01").saved()), 4, "saved"),
    ] {
        host.add(guest);
        let before = host.world();
        for args in [
            "shell --rw -d web-01 -e pwd",
            "shell --rw --guestfish -d web-01",
        ] {
            let refused = host.vmkin(args).fails(exit, why);
            assert_eq!(refused.stdout(), "");
        }
        assert_eq!(host.world(), before);
    }
    let before = host.world();
    host.vmkin("shell --rw -d golden -e pwd")
        .fails(6, "is the base of 1 child");
    assert_eq!(host.world(), before);
    // Who only reads may.
    let read = host.vmkin("shell -d web-01 -e pwd").success();
    assert_eq!(read.stdout(), "/\n");
}

#[test]
fn a_session_that_changes_nothing_starts_nothing() {
    let (host, raw) = host();
    let nothing = host.root().join("no-tools");
    fs::create_dir(&nothing).unwrap();
    let before = host.world();
    let mut command = host.command();
    command
        .env("VMKIN_TOOL_PATH", &nothing)
        .args(["shell", "--rw", "-d", "web-01"]);
    for line in [
        "cat /file",
        "rm -f /x",
        "mkdir -p /etc",
        "status",
        "commit",
        "discard",
    ] {
        command.args(["-e", line]);
    }
    let outcome = Outcome::of(command.output().unwrap()).success();
    assert_eq!(outcome.stdout(), "text\n");
    let now = host.world();
    assert_eq!(now, before, "{:?}", before.differences(&now));
    assert!(raw.exists());
}

/// A program on a terminal of its own.
struct Typist {
    child: Child,
    terminal: fs::File,
    said: Receiver<Vec<u8>>,
    seen: String,
}

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

impl Typist {
    fn new(host: &Host, args: &str) -> Self {
        Self::with(host, args, |_| {})
    }

    fn with(host: &Host, args: &str, change: impl FnOnce(&mut Command)) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let open = || {
            let name = Path::new(std::str::from_utf8(name.to_bytes()).unwrap());
            let file = fs::File::options().read(true).write(true).open(name);
            Stdio::from(OwnedFd::from(file.unwrap()))
        };
        // It makes this its terminal, so that Ctrl-C is a signal.
        // Whoever runs the tests in the background has the signals ignored.
        let mut command = host.command_of("env");
        command
            .args(["--default-signal=INT,TERM,HUP", "setsid", "--ctty"])
            .arg(env!("CARGO_BIN_EXE_vmkin"))
            .args(args.split_whitespace())
            .env("TERM", "xterm")
            .env("VMKIN_TOOL_PATH", "/usr/bin:/bin");
        change(&mut command);
        let child = command.stdin(open()).stdout(open()).stderr(open()).spawn();
        let terminal = fs::File::from(terminal);
        let (sender, said) = channel();
        let mut reader = terminal.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends with an error when nobody has the other end any more.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child: child.unwrap(),
            terminal,
            said,
            seen: String::new(),
        }
    }

    /// Waits until this is on the terminal, and forgets what was before it.
    #[track_caller]
    fn sees(&mut self, text: &str) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            if let Ok(bytes) = self.said.recv_timeout(Duration::from_secs(1)) {
                self.seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        panic!("no '{text}' in {:?}", self.seen);
    }

    fn types(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_terminal_has_a_prompt_completion_and_history() {
    let (host, _) = host();
    let mut typist = Typist::new(&host, "shell -d web-01");
    typist.sees("web-01:/> ");
    typist.types("cat etc/hostn\t");
    typist.sees("cat etc/hostname ");
    typist.types("\r");
    typist.sees("web-01\r\n");
    typist.sees("web-01:/> ");
    typist.types("cd pa\tt\t\r");
    typist.sees("web-01:/path/to> ");
    // A mistake is told, and the session goes on.
    typist.types("cat nothing\r");
    typist.sees("there is no 'nothing' in the guest");
    typist.sees("web-01:/path/to> ");
    // What was begun is dropped.
    typist.types("nonsense\x03");
    typist.sees("web-01:/path/to> ");
    // The line before the last.
    typist.types("\x1b[A\x1b[A\r");
    typist.sees("there is no 'path/to/' in the guest");
    typist.sees("web-01:/path/to> ");
    typist.types("\x04");
    assert_eq!(typist.code(), Some(0));
    let history = host.state().join("shell-history");
    let mode = fs::metadata(&history).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let lines = fs::read_to_string(&history).unwrap();
    assert!(lines.contains("cat etc/hostname"), "{lines}");

    // Another session remembers it.
    let mut typist = Typist::new(&host, "shell -d web-01");
    typist.sees("web-01:/> ");
    typist.types("\x12hostn");
    typist.sees("cat etc/hostname");
    typist.types("\r");
    typist.sees("web-01\r\n");
    typist.sees("web-01:/> ");
    typist.types("exit\r");
    assert_eq!(typist.code(), Some(0));
}

#[test]
fn ctrl_c_stops_a_command_and_sigterm_the_session() {
    let (host, _) = host();
    let mut typist = Typist::with(&host, "shell --rw -d web-01", |command| {
        // One that lasts, and hears a signal that reached none but its shell, for that
        // was just about to start a program.
        command.env("EDITOR", "echo it waits; while sleep 0.1; do :; done; :");
    });
    typist.sees("web-01:/# ");
    typist.types("edit /file\r");
    typist.sees("it waits");
    typist.types("\x03");
    typist.sees("nothing was changed");
    typist.sees("web-01:/# ");
    let pid = i32::try_from(typist.child.id()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // It is to end, though nobody types anything.
    typist.sees("terminated");
    assert_eq!(typist.code(), Some(143));
}
