//! A host of libvirt's test driver with real image files, and what the program
//! does on it.

mod guest;
mod outcome;
mod world;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use insta::internals::SettingsBindDropGuard;

pub(crate) use self::guest::{Guest, TEST_NAMESPACE};
pub(crate) use self::outcome::Outcome;
pub(crate) use self::world::World;

/// The UUID of the golden domain of [`Host::golden`].
pub(crate) const GOLDEN_UUID: &str = "00000000-0000-4000-8000-000000000001";
/// Its MAC address.
pub(crate) const GOLDEN_MAC: &str = "52:54:00:00:00:01";

/// The size of the disks here, in bytes.
pub(crate) const DISK: u64 = 1 << 20;

/// A host: a file that the test driver reads, images, and a place to keep
/// journals. The driver forgets what a command did when that ends, so each
/// command meets the host as the file has it; images and journals stay.
pub(crate) struct Host {
    _filters: SettingsBindDropGuard,
    root: PathBuf,
    parts: RefCell<Vec<(String, String)>>,
    /// What DHCP reserves in the network `default`, as XML.
    reserved: RefCell<String>,
    // Last: it goes when all else has.
    _dir: tempfile::TempDir,
}

impl Host {
    /// A host without domains.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for name in ["images", "home", "other", "nvram"] {
            // Not for others to write to, whatever the umask is.
            fs::DirBuilder::new()
                .mode(0o755)
                .create(root.join(name))
                .unwrap();
        }
        let host = Self {
            _filters: filters(&root).bind_to_scope(),
            root,
            parts: RefCell::default(),
            reserved: RefCell::default(),
            _dir: dir,
        };
        host.write();
        host
    }

    /// A host with the domain `golden`, shut off, with one qcow2 disk and one
    /// interface.
    pub(crate) fn golden() -> Self {
        let host = Self::new();
        host.add(host.golden_guest());
        host
    }

    /// The domain that [`Host::golden`] has, with its image.
    pub(crate) fn golden_guest(&self) -> Guest {
        let image = self.qcow2("golden.qcow2");
        Guest::new("golden")
            .uuid(GOLDEN_UUID)
            .disk("vda", "qcow2", &image)
            .nic(GOLDEN_MAC)
    }

    /// Adds a domain to the host, or replaces the one of that name.
    pub(crate) fn add(&self, guest: Guest) {
        let name = guest.name().to_owned();
        self.part(&name, guest.xml());
    }

    /// Adds a domain by its XML as libvirt or vmkin prints it, shut off.
    pub(crate) fn add_xml(&self, name: &str, xml: &str) {
        let state =
            format!("<test:runstate xmlns:test='{TEST_NAMESPACE}'>5</test:runstate></domain>");
        self.part(name, xml.replace("</domain>", &state));
    }

    /// Changes the XML of a domain.
    pub(crate) fn edit(&self, name: &str, change: impl Fn(&str) -> String) {
        for (known, xml) in self.parts.borrow_mut().iter_mut() {
            if known == name {
                *xml = change(xml);
            }
        }
        self.write();
    }

    /// The XML of all domains of the host.
    pub(crate) fn domains(&self) -> Vec<String> {
        let parts = self.parts.borrow();
        let domains = parts.iter().filter(|(name, _)| !name.starts_with("pool "));
        domains.map(|(_, xml)| xml.clone()).collect()
    }

    /// The names of all domains of the host.
    pub(crate) fn names(&self) -> Vec<String> {
        let parts = self.parts.borrow();
        let names = parts.iter().map(|(name, _)| name.clone());
        names.filter(|name| !name.starts_with("pool ")).collect()
    }

    /// Adds an active storage pool over a directory.
    pub(crate) fn pool(&self, name: &str, dir: &Path) {
        let dir = dir.display();
        let target = format!("<target><path>{dir}</path></target>");
        self.pool_of("dir", name, &target);
    }

    /// Adds an active storage pool of this kind that has this in it.
    pub(crate) fn pool_of(&self, kind: &str, name: &str, inner: &str) {
        let xml = format!("<pool type='{kind}'><name>{name}</name>{inner}</pool>");
        self.part(&format!("pool {name}"), xml);
    }

    /// Takes a domain off the host.
    pub(crate) fn remove(&self, name: &str) {
        self.parts.borrow_mut().retain(|(known, _)| known != name);
        self.write();
    }

    /// Has the network `default` keep an address for somebody.
    pub(crate) fn reserve(&self, entry: &str) {
        self.reserved.borrow_mut().push_str(entry);
        self.write();
    }

    fn part(&self, name: &str, xml: String) {
        self.parts.borrow_mut().retain(|(known, _)| known != name);
        self.parts.borrow_mut().push((name.to_owned(), xml));
        self.write();
    }

    fn write(&self) {
        let parts: Vec<String> = self.parts.borrow().iter().map(|p| p.1.clone()).collect();
        let network = format!(
            "<network><name>default</name><bridge name='virbr0'/>\
             <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>\
             <range start='192.168.122.2' end='192.168.122.254'/>{}</dhcp></ip></network>",
            self.reserved.borrow()
        );
        let text = format!("<node>\n{}\n{network}\n</node>\n", parts.join("\n"));
        fs::write(self.root.join("host.xml"), text).unwrap();
    }

    /// Clones `golden`, and adds the clone to the host as libvirt would have
    /// it. Returns the path of its disk.
    pub(crate) fn child(&self, name: &str) -> PathBuf {
        self.child_with(name, &[])
    }

    /// The same, with more arguments.
    pub(crate) fn child_with(&self, name: &str, more: &[&str]) -> PathBuf {
        let uuid = uuid::Uuid::new_v4();
        // Of the UUID's own bytes, or two of few clones would have one address.
        let [first, second, third, ..] = *uuid.as_bytes();
        let mac = vmkin::model::Mac::kvm([first, second, third]).to_string();
        let uuid = uuid.to_string();
        let args = [
            "clone", "-d", "golden", name, "--uuid", &uuid, "--mac", &mac, "--quiet",
        ];
        let args = [&args[..], more].concat();
        // What is printed before differs from what is defined in nothing but the
        // time of the seal.
        let xml = self
            .vmkin_args(&[&args[..], &["--print-xml"]].concat())
            .success();
        self.vmkin_args(&args).success();
        self.add_xml(name, xml.stdout());
        self.image(&format!("{name}.qcow2"))
    }

    /// Where the host is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of an image.
    pub(crate) fn image(&self, name: &str) -> PathBuf {
        self.root.join("images").join(name)
    }

    /// Where vmkin remembers things.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The connection URI.
    pub(crate) fn uri(&self) -> String {
        format!("test://{}", self.root.join("host.xml").display())
    }

    /// A raw image with something in it.
    pub(crate) fn raw(&self, name: &str) -> PathBuf {
        let path = self.image(name);
        fs::write(&path, contents()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// A qcow2 image with something in it.
    pub(crate) fn qcow2(&self, name: &str) -> PathBuf {
        let raw = self.root.join("source.raw");
        let path = self.image(name);
        fs::write(&raw, contents()).unwrap();
        tool(
            "qemu-img",
            &args!["convert", "-f", "raw", "-O", "qcow2", &raw, &path],
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// A clone of the golden domain that has written something.
    pub(crate) fn written_child(&self, name: &str) -> PathBuf {
        let path = self.child(name);
        tool(
            "qemu-io",
            &args!["-f", "qcow2", "-c", "write -P 7 0 64k", &path],
        );
        path
    }

    /// What a guest reads from a disk.
    pub(crate) fn reads(&self, image: &Path, format: &str) -> Vec<u8> {
        let raw = self.root.join("seen.raw");
        tool(
            "qemu-img",
            &args!["convert", "-f", format, "-O", "raw", image, &raw],
        );
        let bytes = fs::read(&raw).unwrap();
        fs::remove_file(raw).unwrap();
        bytes
    }

    /// Runs `vmkin` with `args`, split at spaces.
    #[must_use = "snapshot it, or say what it must be"]
    pub(crate) fn vmkin(&self, args: &str) -> Outcome {
        self.vmkin_args(&args.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs `vmkin` with these arguments.
    #[must_use = "snapshot it, or say what it must be"]
    pub(crate) fn vmkin_args<S: AsRef<OsStr>>(&self, args: &[S]) -> Outcome {
        Outcome::of(self.command().args(args).output().unwrap())
    }

    /// `vmkin` on this host, with nothing of the environment of the test.
    pub(crate) fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_vmkin"))
    }

    pub(crate) fn command_of(&self, program: &str) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the program under test")]
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.root.join("home"))
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("COLUMNS", "100")
            .env("VMKIN_STATE_DIR", self.state())
            .env("LIBVIRT_DEFAULT_URI", self.uri())
            .current_dir(self.root.join("home"))
            .stdin(Stdio::null());
        // Whoever runs the tests knows whether KVM works here.
        for name in ["LIBGUESTFS_BACKEND", "LIBGUESTFS_BACKEND_SETTINGS"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// The same, told to die or to fail at a failpoint: `clone.renamed@3=kill`.
    pub(crate) fn vmkin_failing(&self, args: &str, failpoint: &str) -> Outcome {
        // Whoever runs the tests in the background has SIGINT ignored, which
        // the program would heed.
        let mut command = self.command_of("env");
        command
            .args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_vmkin")])
            .env("VMKIN_FAILPOINTS", failpoint)
            .args(args.split_whitespace());
        Outcome::of(command.output().unwrap())
    }

    /// Every path below one.
    pub(crate) fn paths_below(&self, dir: &Path) -> Vec<PathBuf> {
        world::files(dir)
    }

    /// Everything that a command could have changed.
    pub(crate) fn world(&self) -> World {
        World::of(&self.root)
    }

    /// Opens the seal of an image, as somebody would who is not afraid.
    pub(crate) fn open_seal(&self, path: &Path) {
        vmkin::image::unseal(path, 0o644).unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Immutable files could not be removed.
        for path in world::files(&self.root) {
            if path.is_file() && !path.is_symlink() {
                drop(vmkin::image::unseal(&path, 0o600));
            }
        }
    }
}

/// What the disks here have in them: something at the start, in the middle and
/// at the end.
pub(crate) fn contents() -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(DISK).unwrap()];
    for (at, text) in [
        (0, "the beginning"),
        (400_000, "the middle"),
        (1_048_569, "the end"),
    ] {
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    bytes
}

/// Runs one of the real programs, which must succeed.
#[track_caller]
pub(crate) fn tool<S: AsRef<OsStr> + std::fmt::Debug>(program: &str, args: &[S]) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "these are the programs to be compared with"
    )]
    let output = Command::new(program)
        .env("LC_ALL", "C")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {text}{said}");
    text
}

/// What differs from run to run, and with it what differs from file system to
/// file system: some have no immutable files, and not everybody may set them.
fn filters(root: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&regex_of(root), "[host]");
    settings.add_filter("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[uuid]");
    settings.add_filter("52:54:00(:[0-9a-f]{2}){3}", "[mac]");
    settings.add_filter(
        r"\((read-only and immutable|read-only; this file system has no immutable files|read-only)\)",
        "([sealed])",
    );
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]");
    settings
}

fn regex_of(path: &Path) -> String {
    let text = path.display().to_string();
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '/' {
                c.to_string()
            } else {
                format!("\\{c}")
            }
        })
        .collect()
}

/// The backing file and its format, as qemu-img reads them.
pub(crate) fn backing(path: &Path) -> Option<(String, String)> {
    let info = tool(
        "qemu-img",
        &args!["info", "-U", "-f", "qcow2", "--output=json", path],
    );
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let name = info["backing-filename"].as_str()?.to_owned();
    let format = info["backing-filename-format"].as_str();
    Some((name, format.unwrap().to_owned()))
}
