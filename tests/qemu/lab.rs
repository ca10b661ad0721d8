//! A golden domain of its own for each test, and all that is asked about it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use virt::connect::Connect;
use virt::sys;
use vmkin::model::{DiskSource, ImageFormat};
use vmkin::xml::domain::{DomainFacts, read};

/// How long a guest may take to boot under TCG on a busy machine.
const BOOT: Duration = Duration::from_secs(180);

/// A directory with a golden image, a golden domain on it, and a place for
/// vmkin's records. Everything is gone when it is dropped.
pub struct Lab {
    /// The name of the golden domain, and the beginning of all others.
    pub golden: String,
    /// Where all images are.
    pub dir: PathBuf,
    /// The XML that the golden domain was first defined by.
    pub recipe: String,
    /// Where the golden image of all tests is.
    pub source: PathBuf,
    conn: Connect,
}

/// What must not change about a file.
#[derive(Debug, Eq, PartialEq)]
pub struct Look {
    pub sha256: String,
    pub inode: u64,
    pub size: u64,
    pub mtime_ns: i128,
    pub owner: (u32, u32),
    pub mode: u32,
}

/// What a program printed, and how it ended.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Lab {
    /// Makes a golden domain named after the test.
    pub fn new(test: &str) -> Self {
        let source = std::env::var_os("VMKIN_GOLDEN_DIR")
            .expect("run by scripts/with-private-libvirtd.sh --golden");
        Self::on(test, &PathBuf::from(source), "golden", str::to_owned)
    }

    /// The same of the guest `name` in `source`, with its XML changed by
    /// `edit` before it is defined.
    pub fn on(test: &str, source: &Path, name: &str, edit: impl Fn(&str) -> String) -> Self {
        assert!(
            Path::new("/run/vmkin-private").exists(),
            "this is not a private libvirtd"
        );
        virt::error::clear_error_callback();
        let conn = Connect::open(None).expect("the private libvirtd answers");
        let golden = format!("{test}-golden");
        let dir = PathBuf::from(format!("/var/lib/libvirt/images/{test}"));
        fs::create_dir_all(&dir).unwrap();
        let image = dir.join("golden.qcow2");
        let (original, log) = (format!("{name}.qcow2"), format!("{name}.log"));
        fs::copy(source.join(&original), &image).unwrap();
        let xml = fs::read_to_string(source.join(format!("{name}.xml")))
            .unwrap()
            .replace(
                &format!("<name>{name}</name>"),
                &format!("<name>{golden}</name>"),
            )
            .replace(
                &source.join(original).display().to_string(),
                &image.display().to_string(),
            )
            .replace(
                &source.join(log).display().to_string(),
                &dir.join(format!("{golden}.log")).display().to_string(),
            );
        let lab = Self {
            golden,
            dir,
            recipe: edit(&xml),
            source: source.to_owned(),
            conn,
        };
        lab.define(&lab.recipe);
        lab
    }

    /// Connects anew, to a daemon that was restarted.
    pub fn reconnect(&mut self) {
        self.conn = Connect::open(None).expect("the private libvirtd answers again");
    }

    /// Defines a domain.
    pub fn define(&self, xml: &str) {
        self.conn.define_domain_xml(xml).unwrap();
    }

    /// The XML of the golden domain.
    pub fn golden_xml(&self) -> String {
        self.xml(&self.golden)
    }

    /// Defines a guest that boots nothing, with these qcow2 images as its disks.
    pub fn define_bare(&self, name: &str, images: &[&str]) {
        let disks = images.iter().zip('a'..).map(|(path, letter)| {
            format!(
                "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
                 <source file='{path}'/><target dev='vd{letter}' bus='virtio'/></disk>"
            )
        });
        self.define(&format!(
            "<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>\
             <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{}\
             <controller type='usb' model='none'/><memballoon model='none'/></devices></domain>",
            disks.collect::<String>()
        ));
    }

    /// The inactive XML of a domain.
    pub fn xml(&self, name: &str) -> String {
        self.conn
            .lookup_domain_by_name(name)
            .unwrap()
            .xml_desc(sys::VIR_DOMAIN_XML_INACTIVE | sys::VIR_DOMAIN_XML_SECURE)
            .unwrap()
    }

    /// What the XML of a domain says.
    pub fn facts(&self, name: &str) -> DomainFacts {
        read(&self.xml(name)).unwrap()
    }

    /// The golden image.
    pub fn image(&self) -> PathBuf {
        self.dir.join("golden.qcow2")
    }

    /// A clone's name.
    pub fn name(&self, clone: &str) -> String {
        format!("{}-{clone}", self.golden)
    }

    fn command(&self, args: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "this is the program under test")]
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmkin"));
        command
            .args(args)
            .env("VMKIN_STATE_DIR", self.dir.join("state"))
            .env("VMKIN_FAILPOINT_GATE", &self.dir)
            .stdin(Stdio::null());
        command
    }

    /// Runs vmkin with words separated by spaces, and these failpoints.
    pub fn vmkin_with(&self, failpoints: &str, args: &str) -> Ran {
        self.words_with(failpoints, &args.split_whitespace().collect::<Vec<_>>())
    }

    fn words_with(&self, failpoints: &str, args: &[&str]) -> Ran {
        let output = self
            .command(args)
            .env("VMKIN_FAILPOINTS", failpoints)
            .output()
            .unwrap();
        Ran::new(&output)
    }

    /// Runs vmkin with these arguments, whatever is in them.
    pub fn vmkin_args(&self, args: &[&str]) -> Ran {
        Ran::new(&self.command(args).output().unwrap())
    }

    /// Runs `vmkin import` with words separated by spaces, and these failpoints,
    /// for guests that boot the kernel of the golden domain.
    pub fn import_with(&self, failpoints: &str, args: &str) -> Ran {
        self.import_like(&self.recipe, failpoints, args)
    }

    /// The same for guests that boot the kernel of the domain of this XML.
    pub fn import_like(&self, xml: &str, failpoints: &str, args: &str) -> Ran {
        let boot = ["kernel", "initrd", "cmdline"].map(|tag| {
            let (_, after) = xml.split_once(&format!("<{tag}>")).unwrap();
            format!("{tag}={}", after.split('<').next().unwrap())
        });
        let mut words = vec!["import"];
        words.extend(args.split_whitespace());
        let boot = boot.join(",");
        words.extend(["--boot", &boot]);
        self.words_with(failpoints, &words)
    }

    /// The same without failpoints, which must succeed.
    #[track_caller]
    pub fn import(&self, args: &str) -> Ran {
        let ran = self.import_with("", args);
        assert_eq!(
            ran.code,
            Some(0),
            "import {args}\n{}{}",
            ran.stdout,
            ran.stderr
        );
        ran
    }

    /// Runs vmkin with words separated by spaces.
    pub fn vmkin(&self, args: &str) -> Ran {
        self.vmkin_with("", args)
    }

    /// Runs vmkin, which must succeed.
    #[track_caller]
    pub fn ok(&self, args: &str) -> Ran {
        let ran = self.vmkin(args);
        assert_eq!(
            ran.code,
            Some(0),
            "vmkin {args}\n{}{}",
            ran.stdout,
            ran.stderr
        );
        ran
    }

    /// Runs vmkin, which must fail with this exit code and one `error:` line.
    #[track_caller]
    pub fn fails(&self, code: i32, args: &str) -> Ran {
        let ran = self.vmkin(args);
        assert_eq!(
            ran.code,
            Some(code),
            "vmkin {args}\n{}{}",
            ran.stdout,
            ran.stderr
        );
        let errors = ran.stderr.lines().filter(|l| l.starts_with("error:"));
        assert_eq!(errors.count(), 1, "{}", ran.stderr);
        ran
    }

    /// Runs vmkin as a user who may do nothing, from a place that is open to all.
    pub fn vmkin_as_nobody(&self, args: &str) -> Ran {
        let program = self.dir.with_extension("vmkin");
        fs::copy(env!("CARGO_BIN_EXE_vmkin"), &program).unwrap();
        #[expect(clippy::disallowed_methods, reason = "this is the program under test")]
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&program)
            .args(args.split_whitespace())
            .env("VMKIN_STATE_DIR", "/nonexistent/vmkin")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        fs::remove_file(program).unwrap();
        Ran::new(&output)
    }

    /// Starts vmkin and does not wait for it.
    pub fn spawn(&self, args: &str) -> Child {
        self.spawn_with("", args)
    }

    /// The same with these failpoints.
    pub fn spawn_with(&self, failpoints: &str, args: &str) -> Child {
        let args: Vec<&str> = args.split_whitespace().collect();
        self.command(&args)
            .env("VMKIN_FAILPOINTS", failpoints)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// A command that has come as far as this failpoint, and the file that it waits for the
    /// end of.
    pub fn at_gate(&self, step: &str, args: &str) -> (Child, PathBuf) {
        let mut running = self.spawn_with(&format!("{step}=wait"), args);
        let gate = self.dir.join(step.split('@').next().unwrap());
        while !gate.exists() {
            assert_eq!(running.try_wait().unwrap(), None, "it has ended: {args}");
            sleep(Duration::from_millis(5));
        }
        (running, gate)
    }

    /// The names of the domains of this test, sorted, but for the golden one.
    pub fn clones(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .conn
            .list_all_domains(0)
            .unwrap()
            .iter()
            .map(|domain| domain.name().unwrap())
            .filter(|name| name.starts_with(&self.golden) && *name != self.golden)
            .collect();
        names.sort();
        names
    }

    /// The files in the directory of the images, but for vmkin's records and
    /// what guests print.
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != "state" && !name.ends_with(".log"))
            .collect();
        names.sort();
        names
    }

    /// How many journals there are.
    pub fn journals(&self) -> usize {
        fs::read_dir(self.dir.join("state/journal")).map_or(0, Iterator::count)
    }

    /// Waits until a guest has printed its READY line, and returns its fields.
    pub fn ready(&self, name: &str) -> BTreeMap<String, String> {
        self.ready_within(name, BOOT)
    }

    /// The same of a guest that takes its time.
    pub fn ready_within(&self, name: &str, limit: Duration) -> BTreeMap<String, String> {
        let log = self.dir.join(format!("{name}.log"));
        let since = Instant::now();
        loop {
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            // Half of a line may be there.
            let mut lines = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            if let Some(line) = lines.find(|line| line.contains("VMKIN-READY")) {
                return line
                    .split_whitespace()
                    .filter_map(|field| field.split_once('='))
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .collect();
            }
            assert!(since.elapsed() < limit, "'{name}' is not up: {text}");
            sleep(Duration::from_millis(200));
        }
    }

    /// Types a line on the console of a guest.
    pub fn type_in(&self, name: &str, line: &str) {
        let domain = self.conn.lookup_domain_by_name(name).unwrap();
        let xml = domain.xml_desc(0).unwrap();
        let at = xml.find("/dev/pts/").expect("it has a console");
        let path = xml[at..].split('\'').next().unwrap();
        let mut console = fs::OpenOptions::new().write(true).open(path).unwrap();
        // QEMU looks once a second whether somebody is at the other end, and
        // reads only while somebody is.
        sleep(Duration::from_secs(3));
        console.write_all(line.as_bytes()).unwrap();
        sleep(Duration::from_secs(3));
    }

    /// Waits until a guest has printed this on its console.
    pub fn said(&self, name: &str, what: &str) {
        let log = self.dir.join(format!("{name}.log"));
        let since = Instant::now();
        loop {
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            if text.contains(what) {
                return;
            }
            assert!(since.elapsed() < BOOT, "'{name}' never said {what}: {text}");
            sleep(Duration::from_millis(200));
        }
    }

    /// Whether a domain is active.
    pub fn is_active(&self, name: &str) -> bool {
        self.conn
            .lookup_domain_by_name(name)
            .unwrap()
            .is_active()
            .unwrap()
    }

    /// Starts a domain without asking vmkin.
    pub fn virsh_start(&self, name: &str) -> Result<(), String> {
        self.conn
            .lookup_domain_by_name(name)
            .unwrap()
            .create()
            .map(drop)
            .map_err(|e| e.message().to_owned())
    }

    /// The same, with its processors stopped.
    pub fn virsh_start_paused(&self, name: &str) -> Result<(), String> {
        start_paused(&self.conn, name)
    }

    /// Pulls the plug without asking vmkin.
    pub fn virsh_destroy(&self, name: &str) {
        let domain = self.conn.lookup_domain_by_name(name).unwrap();
        // Libvirt may say "not running" of a domain that it is still destroying.
        if let Err(error) = domain.destroy() {
            assert!(!domain.is_active().unwrap(), "{error}");
        }
    }

    /// Fails unless each disk of the clone is sound, and has the contents of
    /// the golden disk, read along the chain that the *XML* describes.
    pub fn same_contents(&self, clone: &str, golden: &Path) {
        let facts = self.facts(clone);
        let disk = &facts.disks[0];
        let DiskSource::File(top) = &disk.source else {
            panic!("{:?} is no file", disk.source);
        };
        assert!(disk.declared_whole, "the XML leaves the chain open");
        let mut options = format!("driver={},file.filename={}", disk.format, top.display());
        let mut prefix = String::new();
        let mut above = top.clone();
        for layer in &disk.declared {
            prefix.push_str("backing.");
            if let DiskSource::Network(network) = &layer.source {
                // QEMU cannot be told this but by the header above.
                let uri = network.export.as_ref().unwrap().uri();
                assert_eq!(header(&above)["backing-filename"], uri);
                assert_eq!(layer.format, Some(ImageFormat::Raw));
                options.push_str(&format!(",{prefix}driver=raw"));
                continue;
            }
            let DiskSource::File(path) = &layer.source else {
                panic!("{:?} is no file", layer.source);
            };
            above.clone_from(path);
            let format = layer.format.unwrap();
            let path = path.display();
            options.push_str(&format!(
                ",{prefix}driver={format},{prefix}file.filename={path}"
            ));
        }
        let golden = format!("driver=qcow2,file.filename={}", golden.display());
        tool("qemu-img", &["compare", "--image-opts", &golden, &options]);
        if disk.format == ImageFormat::Qcow2 {
            let top = top.display().to_string();
            tool("qemu-img", &["check", "-f", "qcow2", &top]);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for domain in self.conn.list_all_domains(0).unwrap_or_default() {
            if domain
                .name()
                .is_ok_and(|name| name.starts_with(&self.golden))
            {
                drop(domain.destroy());
                drop(domain.undefine_flags(
                    sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
                        | sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
                        | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA,
                ));
            }
        }
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            drop(vmkin::image::unseal(&entry.path(), 0o644));
        }
        drop(fs::remove_dir_all(&self.dir));
    }
}

impl Ran {
    pub fn new(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn start_paused(conn: &Connect, name: &str) -> Result<(), String> {
    conn.lookup_domain_by_name(name)
        .unwrap()
        .create_with_flags(sys::VIR_DOMAIN_START_PAUSED)
        .map(drop)
        .map_err(|e| e.message().to_owned())
}

/// What must not change about a file.
pub fn look(path: &Path) -> Look {
    let meta = fs::metadata(path).unwrap();
    let bytes = fs::read(path).unwrap();
    Look {
        sha256: Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect(),
        inode: meta.ino(),
        size: meta.len(),
        mtime_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
        owner: (meta.uid(), meta.gid()),
        mode: meta.mode() & 0o7777,
    }
}

/// What `qemu-img` reads in the header of an overlay.
pub fn header(image: &Path) -> serde_json::Value {
    let image = image.display().to_string();
    let info = tool(
        "qemu-img",
        &["info", "--output=json", "-f", "qcow2", &image],
    );
    serde_json::from_str(&info).unwrap()
}

/// Runs a program, which must succeed.
#[track_caller]
pub fn tool(name: &str, args: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "tools that judge the result")]
    let output = Command::new(name).args(args).output().unwrap();
    let ran = Ran::new(&output);
    assert_eq!(
        ran.code,
        Some(0),
        "{name} {args:?}\n{}{}",
        ran.stdout,
        ran.stderr
    );
    ran.stdout
}
