//! Operations on libvirt's test driver, several on one connection.
//!
//! The driver keeps its state for as long as the process lives. All
//! connections to `test:///default` in one process share one host, so the
//! domains here have names of their own.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use virt::connect::Connect;
use vmkin::error::{Error, Kind};
use vmkin::hypervisor::{Hypervisor, Libvirt};
use vmkin::image::{Overlay, ReflinkRule};
use vmkin::interrupt::Interrupt;
use vmkin::model::{CloneMode, DiskSource, Domain, DomainState, GuestIdentity, ImageFormat};
use vmkin::ops::clone::request::Golden;
use vmkin::ops::clone::{self, CloneRequest, NameChoice, Placement, TpmRule};
use vmkin::ops::delete::{self, DeleteRequest, Storage};
use vmkin::ops::disk::Subject;
use vmkin::ops::disk::commit::{self, CommitRequest};
use vmkin::ops::{Host, Observer, ShutOff, Usage, lifecycle};
use vmkin::store::Store;

const HOST: &str = "test:///default";

/// One test after the other: libxml2, with which libvirt validates, does not
/// survive that two threads read their first schema at once.
static ALONE: Mutex<()> = Mutex::new(());

/// Nobody looks.
struct Silent;

impl Observer for Silent {
    fn status(&self, _message: &str) {}
    fn warning(&self, _message: &str) {}
    fn progress(&self, _what: &str, _done: u64, _total: u64) {}
}

/// A golden domain with one raw disk, on the host that the process shares.
struct Scene {
    _alone: MutexGuard<'static, ()>,
    dir: tempfile::TempDir,
    hypervisor: Libvirt,
    store: Store,
    interrupt: Interrupt,
    golden: Domain,
}

impl Scene {
    fn new(name: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("golden.img");
        std::fs::write(&disk, vec![7; 1 << 20]).unwrap();
        let hypervisor = Libvirt::open(Some(HOST)).unwrap();
        let golden = hypervisor.define(&xml(name, &disk), true).unwrap();
        Self {
            _alone: alone,
            store: Store::at(dir.path().join("state")),
            dir,
            hypervisor,
            interrupt: Interrupt::default(),
            golden,
        }
    }

    fn host(&self) -> Host<'_> {
        Host {
            hypervisor: &self.hypervisor,
            store: &self.store,
            interrupt: &self.interrupt,
            observer: &Silent,
        }
    }

    fn clone_as(&self, name: &str) -> Result<Domain, Error> {
        let plan = clone::plan(self.host(), &request(&self.golden, name))?;
        let outcome = clone::apply(self.host(), plan)?;
        assert!(outcome.failed.is_empty());
        self.hypervisor.find(&name.parse().unwrap())
    }

    fn start(&self, domain: &Domain) -> Result<lifecycle::Change, Error> {
        let usage = Usage::read(&self.hypervisor)?;
        lifecycle::start(self.host(), &usage, domain, Default::default())
    }

    fn delete(&self, domain: &Domain) -> Result<(), Error> {
        let request = DeleteRequest {
            storage: Storage::All,
            destroy: false,
            managed_save: false,
            snapshots: false,
            allow_dirs: Vec::new(),
        };
        let plan = delete::plan(self.host(), domain, &request)?;
        delete::apply(self.host(), &[plan]).remove(0)
    }

    /// The domain as the library of libvirt knows it.
    fn handle(&self) -> virt::domain::Domain {
        let libvirt = Connect::open(Some(HOST)).unwrap();
        libvirt.lookup_domain_by_uuid(self.golden.uuid).unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // An immutable file could not be removed.
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            drop(vmkin::image::unseal(&entry.unwrap().path(), 0o600));
        }
    }
}

fn xml(name: &str, disk: &Path) -> String {
    format!(
        "<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory>\
         <os><type>hvm</type></os><devices><disk type='file' device='disk'>\
         <driver name='qemu' type='raw'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>\
         </devices></domain>",
        disk.display()
    )
}

fn request(golden: &Domain, name: &str) -> CloneRequest {
    CloneRequest {
        golden: Golden::Domain(golden.clone()),
        names: NameChoice::Given(vec![name.parse().unwrap()]),
        mode: CloneMode::Linked,
        placement: Placement::Beside,
        macs: Vec::new(),
        addresses: Vec::new(),
        uuids: Vec::new(),
        files: Vec::new(),
        nvrams: Vec::new(),
        share: Vec::new(),
        reflink: ReflinkRule::Auto,
        seal: true,
        tpm: TpmRule::Fresh,
        allow_dirs: Vec::new(),
        keep_hostdevs: false,
        all_or_nothing: false,
        identity: GuestIdentity::default(),
        secrets: true,
    }
}

#[test]
fn the_life_of_a_clone() {
    let scene = Scene::new("life");
    let clone = scene.clone_as("life-01").unwrap();
    let again = scene.clone_as("life-01").unwrap_err();
    assert_eq!(again.kind(), Kind::Exists);
    let other = scene.clone_as("life-02").unwrap();

    assert_eq!(scene.start(&clone).unwrap(), lifecycle::Change::Done);
    assert_eq!(scene.start(&clone).unwrap(), lifecycle::Change::Already);
    let golden = scene.start(&scene.golden).unwrap_err();
    assert_eq!(golden.kind(), Kind::Protected);
    let running = scene.delete(&clone).unwrap_err();
    assert_eq!(running.kind(), Kind::WrongState);
    lifecycle::destroy(scene.host(), &clone, false).unwrap();

    scene.delete(&clone).unwrap();
    let base = scene.delete(&scene.golden).unwrap_err();
    assert_eq!(base.kind(), Kind::Protected);
    scene.delete(&other).unwrap();
    assert!(!scene.dir.path().join("life-02.qcow2").exists());
    assert!(scene.hypervisor.find_uuid(clone.uuid).unwrap().is_none());
    assert_eq!(scene.store.count_journals(), 0);
}

#[test]
fn a_domain_with_saved_memory_is_not_cloned() {
    let scene = Scene::new("saved");
    scene.handle().create().unwrap();
    let running = scene.clone_as("saved-01").unwrap_err();
    assert_eq!(running.kind(), Kind::WrongState);
    scene.handle().managed_save(0).unwrap();

    let status = scene.hypervisor.status(&scene.golden).unwrap();
    assert_eq!(status.state, DomainState::Saved);
    let error = scene.clone_as("saved-01").unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.hints()[0].contains("vmkin restore --discard -d saved"));
    assert!(ShutOff::check(&scene.hypervisor, &scene.golden).is_err());
    let error = scene.delete(&scene.golden).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);

    scene.handle().managed_save_remove(0).unwrap();
    scene.clone_as("saved-01").unwrap();
}

#[test]
fn a_domain_that_is_started_between_plan_and_apply_wins() {
    // Its disk is locked by nobody on this driver; what tells is the base.
    let scene = Scene::new("race");
    let plan = clone::plan(scene.host(), &request(&scene.golden, "race-01")).unwrap();
    let disk = scene.dir.path().join("golden.img");
    std::fs::write(&disk, vec![8; 1 << 20]).unwrap();
    let error = clone::apply(scene.host(), plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsafe);
    assert!(!scene.dir.path().join("race-01.qcow2").exists());
    assert!(!vmkin::image::seal_state(&disk).unwrap().sealed);
    assert_eq!(scene.store.count_journals(), 0);
}

#[test]
fn a_name_that_is_taken_between_plan_and_apply_stays_theirs() {
    let scene = Scene::new("taken");
    let plan = clone::plan(scene.host(), &request(&scene.golden, "taken-01")).unwrap();
    let other = scene.dir.path().join("other.img");
    std::fs::write(&other, "theirs").unwrap();
    let theirs = scene
        .hypervisor
        .define(&xml("taken-01", &other), false)
        .unwrap();
    let error = clone::apply(scene.host(), plan).unwrap_err();
    assert!(
        matches!(error.kind(), Kind::Exists | Kind::Libvirt),
        "{error}"
    );
    assert_eq!(
        scene
            .hypervisor
            .find(&"taken-01".parse().unwrap())
            .unwrap()
            .uuid,
        theirs.uuid
    );
    assert!(!scene.dir.path().join("taken-01.qcow2").exists());
    assert_eq!(scene.store.count_journals(), 0);
}

#[test]
fn a_file_that_comes_between_plan_and_apply_is_not_overwritten() {
    let scene = Scene::new("file");
    let plan = clone::plan(scene.host(), &request(&scene.golden, "file-01")).unwrap();
    let theirs = scene.dir.path().join("file-01.qcow2");
    std::fs::write(&theirs, "theirs").unwrap();
    let error = clone::apply(scene.host(), plan).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
    assert!(
        !vmkin::image::seal_state(&scene.dir.path().join("golden.img"))
            .unwrap()
            .sealed
    );
}

#[test]
fn snapshots_are_not_lost_without_asking() {
    let scene = Scene::new("snap");
    let snapshot = "<domainsnapshot><name>one</name></domainsnapshot>";
    scene.handle().create_snapshot_xml(snapshot, 0).unwrap();
    let error = scene.delete(&scene.golden).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    assert!(error.hints()[0].contains("--snapshots"));
    assert!(scene.dir.path().join("golden.img").exists());
}

#[test]
fn a_clone_of_a_clone_reads_both() {
    let scene = Scene::new("deep");
    let clone = scene.clone_as("deep-01").unwrap();
    let plan = clone::plan(scene.host(), &request(&clone, "deep-02")).unwrap();
    clone::apply(scene.host(), plan).unwrap();
    let grandchild = scene.hypervisor.find(&"deep-02".parse().unwrap()).unwrap();
    let usage = Usage::read(&scene.hypervisor).unwrap();
    let known = usage
        .domains
        .iter()
        .find(|known| known.domain.uuid == grandchild.uuid)
        .unwrap();
    let formats: Vec<ImageFormat> = known.layers[0].iter().map(|layer| layer.format).collect();
    assert_eq!(
        formats,
        [ImageFormat::Qcow2, ImageFormat::Qcow2, ImageFormat::Raw]
    );
    // The first clone is a base by now.
    assert_eq!(scene.start(&clone).unwrap_err().kind(), Kind::Protected);
    assert_eq!(scene.delete(&clone).unwrap_err().kind(), Kind::Protected);
    assert_eq!(scene.start(&grandchild).unwrap(), lifecycle::Change::Done);
}

#[test]
fn an_overlay_that_names_no_domain_counts_as_a_child() {
    let scene = Scene::new("stray");
    let disk = scene.dir.path().join("golden.img");
    let spec = Overlay {
        virtual_size: 1 << 20,
        backing: &disk,
        backing_format: ImageFormat::Raw,
    };
    vmkin::image::write(&scene.dir.path().join("stray.qcow2"), &spec).unwrap();
    let error = scene.delete(&scene.golden).unwrap_err();
    assert_eq!(error.kind(), Kind::Protected);
    assert!(disk.exists());
}

/// What is known of the base of a clone follows it, and what the definition says of
/// the disk.
#[test]
fn a_clone_whose_overlay_is_committed_starts_on_its_base() {
    let scene = Scene::new("commit");
    let clone = scene.clone_as("commit-01").unwrap();
    let [base, overlay] = ["golden.img", "commit-01.qcow2"].map(|name| scene.dir.path().join(name));
    let request = |keep| CommitRequest {
        subject: Subject::Domain {
            domain: clone.clone(),
            targets: Vec::new(),
        },
        keep,
        allow_dirs: Vec::new(),
    };
    let commit = |keep| {
        let plan = commit::plan(scene.host(), &request(keep))?;
        commit::apply(scene.host(), plan)
    };
    let facts = || {
        let xml = scene.hypervisor.public_xml(&clone).unwrap();
        vmkin::xml::domain::read(&xml).unwrap()
    };
    assert_eq!(commit(true).unwrap_err().kind(), Kind::Protected);
    vmkin::ops::base::unseal(scene.host(), &base, true).unwrap();
    let of_base = || facts().lineage.unwrap().disks.remove(0).bases.remove(0);
    let before = of_base().identity;
    // A byte at the end, so that the base is written to.
    let spec = Overlay {
        virtual_size: 2 << 20,
        backing: &base,
        backing_format: ImageFormat::Raw,
    };
    std::fs::remove_file(&overlay).unwrap();
    vmkin::image::write(&overlay, &spec).unwrap();
    commit(true).unwrap();
    assert_eq!(std::fs::metadata(&base).unwrap().len(), 2 << 20);
    let now = of_base().identity;
    assert_ne!(now, before);
    assert_eq!(now, vmkin::image::identity(&base).unwrap());
    assert_eq!(scene.start(&clone).unwrap(), lifecycle::Change::Done);
    lifecycle::destroy(scene.host(), &clone, false).unwrap();
    // Two domains must not have one disk.
    assert_eq!(commit(false).unwrap_err().kind(), Kind::WrongState);
    scene.handle().undefine().unwrap();
    commit(false).unwrap();
    let disk = facts().disks.remove(0);
    assert_eq!(disk.source, DiskSource::File(base));
    assert_eq!(disk.format, ImageFormat::Raw);
    assert!(disk.declared.is_empty());
    assert!(facts().lineage.unwrap().disks.is_empty());
    assert!(!overlay.exists());
    assert_eq!(scene.start(&clone).unwrap(), lifecycle::Change::Done);
    lifecycle::destroy(scene.host(), &clone, false).unwrap();
    assert_eq!(scene.store.count_journals(), 0);
}
