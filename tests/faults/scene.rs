//! One operation on a host of its own: what was there before, and what there
//! would be afterwards if libvirt's test driver did not forget.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::MemfdFlags;
use sha2::{Digest as _, Sha256};
use vmkin::image::ImageFile;
use vmkin::image::qcow2::Header;

use crate::common::{Host, Outcome, TEST_NAMESPACE, World};
use crate::operations::{BASE, Effect, GOLDEN, Operation};

/// A password that the golden domain has, to be found where it must not be.
pub(crate) const SECRET: &str = "hunter22";

/// A host, an operation on it, and what was there before.
pub(crate) struct Scene {
    pub(crate) host: Host,
    pub(crate) operation: &'static Operation,
    before: RefCell<World>,
    /// What the guests saw in the images that are changed in place.
    seen: RefCell<Vec<Seen>>,
    /// The clones that would be defined: their names and XML.
    clones: Vec<(String, String)>,
    /// What the fault makes different from what the operation promises.
    different: RefCell<Different>,
    /// Processes that are there because the fault needs them.
    neighbours: RefCell<Vec<u32>>,
    /// The contents of images that have been checked.
    sound: RefCell<HashSet<Vec<u8>>>,
}

/// What a fault makes different from what an operation promises elsewhere.
#[derive(Clone, Default)]
pub(crate) struct Different {
    /// Files that are there as well.
    pub(crate) more: Vec<String>,
    /// Files that are not.
    pub(crate) fewer: Vec<String>,
    /// Files that it may leave, because nobody can tell who uses them.
    pub(crate) may_stay: Vec<String>,
    /// What could not be written may have been the error line itself.
    pub(crate) is_mute: bool,
    /// An image may have clusters that belong to nothing: `qemu-img check`
    /// does not see a count beyond the end of the file, which a full disk
    /// kept from being written, and cannot give that back.
    pub(crate) may_leak: bool,
    /// A base is not what it was, so nothing on it can be sound.
    pub(crate) base_is_bad: bool,
}

/// What there is to see of an image, however its tables lie in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    /// What the guest reads, hashed; nothing where it cannot be read.
    contents: Vec<u8>,
    /// The ids and names of its snapshots.
    tags: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Seen {
    /// Whether it can be read at all.
    pub(crate) fn is_readable(&self) -> bool {
        !self.contents.is_empty()
    }

    fn of(path: &Path) -> Self {
        let meta = fs::metadata(path).unwrap();
        // In memory: there may be no space left on any disk.
        let memory = rustix::fs::memfd_create("seen", MemfdFlags::empty()).unwrap();
        let raw = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
        let convert = args!["convert", "-U", "-f", "qcow2", "-O", "raw", path, &raw];
        // What a fault has made of the chain may be nothing that can be read.
        let (mut contents, mut tags) = (Vec::new(), Vec::new());
        if tool_may_fail("qemu-img", &convert) {
            contents = Sha256::digest(fs::read(&raw).unwrap()).to_vec();
        }
        let image = ImageFile::open(path).unwrap();
        if let Ok(header) = Header::read(&image) {
            let table = header.snapshot_table(&image).unwrap();
            tags = table.into_iter().map(|tag| (tag.id, tag.name)).collect();
        }
        Self {
            inode: meta.ino(),
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            contents,
            tags,
        }
    }
}

fn tool_may_fail(program: &str, args: &[&OsStr]) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a tool that judges the result")]
    let output = Command::new(program).args(args).output();
    output.unwrap().status.success()
}

impl Scene {
    /// The host of the operation, sound and quiet.
    pub(crate) fn new(operation: &'static Operation) -> Self {
        Self::with(operation, |_| Different::default())
    }

    /// The host of the operation, changed by `prepare` before anything is asked
    /// of it.
    pub(crate) fn with(
        operation: &'static Operation,
        prepare: impl FnOnce(&Host) -> Different,
    ) -> Self {
        let host = (operation.host)();
        let different = prepare(&host);
        for dir in ["tools", "tmp", "faults"] {
            fs::create_dir(host.root().join(dir)).unwrap();
        }
        symlink(real_qemu_img(), host.root().join("tools/qemu-img")).unwrap();
        if operation.args.starts_with("edit") {
            guestfish(&host);
        }
        let mut scene = Self {
            before: RefCell::new(host.world()),
            seen: RefCell::default(),
            host,
            operation,
            clones: Vec::new(),
            different: RefCell::new(different),
            neighbours: RefCell::default(),
            sound: RefCell::default(),
        };
        scene.clones = scene.clones_to_be();
        scene.remember();
        scene
    }

    /// Asks what the clones will look like; the driver forgets them when the
    /// process ends that defines them.
    fn clones_to_be(&self) -> Vec<(String, String)> {
        let Effect::Clones(names) = self.operation.effect else {
            return Vec::new();
        };
        let output = self
            .command()
            .args(["--print-xml", "--json"])
            .output()
            .unwrap();
        let outcome = Outcome::of(output);
        // Some hosts are so bad that nothing can be cloned there.
        if outcome.code() != Some(0) {
            return Vec::new();
        }
        let documents: Vec<String> = serde_json::from_str(outcome.stdout()).unwrap();
        assert_eq!(documents.len(), names.len());
        let names = names.iter().map(|name| (*name).to_owned());
        names.zip(documents).collect()
    }

    /// Takes what is there now for what was there before.
    pub(crate) fn remember(&self) {
        *self.before.borrow_mut() = self.host.world();
        *self.seen.borrow_mut() = self.seen_now();
    }

    /// What guests see in the images that are changed in place.
    pub(crate) fn seen_now(&self) -> Vec<Seen> {
        if self.different().base_is_bad {
            // To open a chain that leads anywhere is what `vmkin` is kept from.
            return Vec::new();
        }
        let hidden = matches!(self.operation.effect, Effect::Commits(_));
        let images = self.operation.in_place.iter();
        let images = images.filter(|name| !hidden || **name != BASE);
        let images = images.map(|name| self.host.root().join(name));
        let there = images.filter(|path| path.exists());
        there.map(|path| Seen::of(&path)).collect()
    }

    /// What they saw there before.
    pub(crate) fn seen_before(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Whether an image with these very bytes has been checked here. It leads
    /// to the same base then, and that nothing has changed.
    pub(crate) fn is_known_sound(&self, bytes: &[u8]) -> bool {
        self.sound.borrow().contains(bytes)
    }

    /// An image with these bytes has passed the check.
    pub(crate) fn knows_sound(&self, bytes: Vec<u8>) {
        self.sound.borrow_mut().insert(bytes);
    }

    /// Says what the fault makes different.
    pub(crate) fn differs(&self, different: Different) {
        *self.different.borrow_mut() = different;
    }

    /// What the fault makes different.
    pub(crate) fn different(&self) -> Different {
        self.different.borrow().clone()
    }

    /// A process of the fault itself has come.
    pub(crate) fn has_neighbour(&self, pid: u32) {
        self.neighbours.borrow_mut().push(pid);
    }

    /// Whether a process belongs to the fault itself.
    pub(crate) fn is_neighbour(&self, pid: u32) -> bool {
        self.neighbours.borrow().contains(&pid)
    }

    /// The processes of the fault are gone, or should be.
    pub(crate) fn is_alone(&self) {
        self.neighbours.borrow_mut().clear();
    }

    /// What was there before.
    pub(crate) fn before(&self) -> World {
        self.before.borrow().clone()
    }

    /// Where the steps are written down that a run passes.
    fn log(&self) -> PathBuf {
        self.host.root().join("faults/steps")
    }

    /// The steps that were passed since the last run began.
    pub(crate) fn steps(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The operation, as a program to be run.
    pub(crate) fn command(&self) -> Command {
        self.command_under::<&str>(&[])
    }

    /// The same, run by another program.
    pub(crate) fn command_under<S: AsRef<OsStr>>(&self, wrapper: &[S]) -> Command {
        let mut command = self.vmkin_under(wrapper);
        self.operate(&mut command);
        command
    }

    /// Has a command do the operation, and write down its steps.
    pub(crate) fn operate(&self, command: &mut Command) {
        drop(fs::remove_file(self.log()));
        command
            .args(self.operation.args())
            .env("VMKIN_FAILPOINT_LOG", self.log());
    }

    /// `vmkin` on this host, without arguments yet.
    pub(crate) fn vmkin_under<S: AsRef<OsStr>>(&self, wrapper: &[S]) -> Command {
        self.program_under(Path::new(env!("CARGO_BIN_EXE_vmkin")), wrapper)
    }

    /// The same, of a copy of the program.
    pub(crate) fn program_under<S: AsRef<OsStr>>(&self, program: &Path, wrapper: &[S]) -> Command {
        // Whoever runs the tests in the background has SIGINT ignored, which
        // the program would heed.
        let mut command = self.host.command_of("env");
        command
            .arg("--default-signal=INT,TERM,HUP")
            .args(wrapper)
            .arg(program)
            .env("VMKIN_TOOL_PATH", self.host.root().join("tools"))
            .env("TMPDIR", self.host.root().join("tmp"));
        command
    }

    /// Runs the operation.
    pub(crate) fn run(&self) -> Outcome {
        Outcome::of(self.command().output().unwrap())
    }

    /// Runs the operation with a change to how it is run.
    pub(crate) fn run_with(&self, change: impl FnOnce(&mut Command) -> &mut Command) -> Outcome {
        let mut command = self.command();
        Outcome::of(change(&mut command).output().unwrap())
    }

    /// Runs something else on this host.
    pub(crate) fn vmkin(&self, args: &str) -> Outcome {
        let mut command = self.vmkin_under::<&str>(&[]);
        command.args(args.split_whitespace());
        Outcome::of(command.output().unwrap())
    }

    /// Whether the last run came past the commit mark of the operation.
    pub(crate) fn is_committed(&self) -> bool {
        self.operation
            .commit
            .is_some_and(|mark| self.steps().iter().any(|step| step == mark))
    }

    /// The clones whose files are all there, and whose domains are then too.
    pub(crate) fn clones_there(&self) -> usize {
        self.clones
            .iter()
            .filter(|(name, _)| self.host.image(&format!("{name}.qcow2")).exists())
            .count()
    }

    /// Has the host know what libvirt would know now: the clones that are
    /// there, or that a domain is gone.
    pub(crate) fn let_libvirt_know(&self) {
        match self.operation.effect {
            Effect::Clones(_) => {
                for (name, xml) in &self.clones {
                    if self.host.image(&format!("{name}.qcow2")).exists() {
                        self.host.add_xml(name, xml);
                    }
                }
            }
            Effect::Deletes(name) => self.host.remove(name),
            Effect::Moves => self.let_libvirt_know_the_place(),
            Effect::Flattens(name) => self.host.edit(name, without_chains),
            Effect::Commits(name) => self.let_libvirt_know_the_base(name),
            Effect::Tags(name) => self.let_libvirt_know_the_snapshot(name),
            Effect::Changes(_)
            | Effect::Untags(_)
            | Effect::Seals(_)
            | Effect::Unseals
            | Effect::Recovers
            | Effect::Makes
            | Effect::Prunes
            | Effect::Reads => {}
        }
    }
}

impl Scene {
    /// Names the base of an overlay as the disk, if the overlay is gone.
    fn let_libvirt_know_the_base(&self, name: &str) {
        let (overlay, base) = (self.host.image("web.qcow2"), self.host.root().join(BASE));
        if !overlay.exists() {
            let (from, to) = (overlay.display().to_string(), base.display().to_string());
            self.host.edit(name, |xml| xml.replace(&from, &to));
        }
    }

    /// Names the new place of the golden image, if it is there and nowhere else.
    fn let_libvirt_know_the_place(&self) {
        let (from, to) = (
            self.host.root().join(GOLDEN),
            self.host.image("moved.qcow2"),
        );
        if from.exists() || !to.exists() {
            return;
        }
        let (from, to) = (from.display().to_string(), to.display().to_string());
        for name in self.host.names() {
            self.host.edit(&name, |xml| xml.replace(&from, &to));
        }
    }

    /// Puts the snapshot on record that a journal says was put there.
    fn let_libvirt_know_the_snapshot(&self, domain: &str) {
        let Ok(journals) = fs::read_dir(self.host.state().join("journal")) else {
            return;
        };
        for journal in journals.flatten() {
            let path = journal.path();
            if path.extension().is_none_or(|e| e != "jsonl") {
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let first = text.lines().next().unwrap();
            let begun: serde_json::Value = serde_json::from_str(first).unwrap();
            let Some(created) = begun["operation"]["recorded"].as_i64() else {
                continue;
            };
            self.host.edit(domain, |xml| {
                let record = format!(
                    "<test:domainsnapshot xmlns:test='{TEST_NAMESPACE}'><name>s1</name>\
                     <creationTime>{created}</creationTime><state>shutoff</state>\
                     <disks><disk name='vda' snapshot='internal'/>\
                     <disk name='vdb' snapshot='internal'/></disks>{xml}<active>1</active>\
                     </test:domainsnapshot></domain>"
                );
                let (head, _) = xml.rsplit_once("</domain>").unwrap();
                format!("{head}{record}")
            });
        }
    }
}

/// A domain that names nothing below its disks.
fn without_chains(xml: &str) -> String {
    let mut xml = xml.to_owned();
    while let Some(start) = xml.find("<backingStore type") {
        let end = "</backingStore>";
        let length = xml[start..].find(end).unwrap() + end.len();
        xml.replace_range(start..start + length, "<backingStore/>");
    }
    xml
}

/// Where the real `qemu-img` is.
pub(crate) fn real_qemu_img() -> PathBuf {
    let dirs = ["/usr/bin", "/usr/local/bin", "/bin"];
    let paths = dirs.iter().map(|dir| PathBuf::from(dir).join("qemu-img"));
    let found = paths.into_iter().find(|path| path.exists());
    found.expect("qemu-img is needed for this test")
}

/// Puts a `guestfish` there that needs no appliance: it changes the one text that
/// is edited, where it finds it on the first disk, and answers as the real
/// one does.
fn guestfish(host: &Host) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = host.root().join("tools/guestfish");
    fs::write(&path, GUESTFISH).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

const GUESTFISH: &str = r#"#!/bin/sh
export PATH=/usr/bin:/bin
disk= raw=$TMPDIR/seen.$$
while read -r line; do
    case $line in
        "echo "*) echo "${line#echo }"; continue ;;
        -add-drive*)
            [ -n "$disk" ] || { disk=${line#*\"}; disk=${disk%%\"*}; } ;;
        -write*)
            qemu-img convert -U -f qcow2 -O raw "$disk" "$raw"
            for at in $(grep -abo host-unchanged "$raw" | cut -d: -f1); do
                printf host-different | dd of="$raw" bs=1 seek="$at" conv=notrunc status=none
                # In whole sectors, for that is how a disk is written.
                dd if="$raw" of="$raw.part" bs=512 skip=$((at / 512)) count=2 status=none
                qemu-io -f qcow2 -c "write -s $raw.part $((at / 512 * 512)) 1024" "$disk" > /dev/null
            done
            rm -f "$raw" "$raw.part" ;;
        -*x*x) case ${line#-} in *[!0-9a-fx]*) ;; *) echo "${line#-}: unknown command" >&2 ;; esac ;;
    esac
done
"#;
