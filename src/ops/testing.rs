//! A small host for unit tests of operations.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;
use uuid::Uuid;

use super::clone::request::Golden;
use super::clone::{self, CloneRequest, NameChoice, Placement, TpmRule};
use super::delete::{DeleteRequest, Storage};
use super::recover::{Recovered, Recovery, recover};
use super::{Host, Observer};
use crate::error::Result;
use crate::hypervisor::Hypervisor as _;
use crate::hypervisor::fake::Fake;
use crate::image::ReflinkRule;
use crate::interrupt::Interrupt;
use crate::model::{CloneMode, Domain, GuestIdentity, Pool};
use crate::store::Store;

/// Deletes a guest that is shut off, with what was made for it.
pub(super) const DELETE_OWN: DeleteRequest = DeleteRequest {
    storage: Storage::Own,
    destroy: false,
    managed_save: false,
    snapshots: false,
    allow_dirs: Vec::new(),
};

/// A directory with a golden image, a store, and a fake hypervisor.
pub(super) struct Bench {
    pub(super) dir: TempDir,
    pub(super) fake: Fake,
    pub(super) store: Store,
    pub(super) interrupt: Interrupt,
    pub(super) said: Said,
}

/// Remembers what an operation says.
#[derive(Default)]
pub(super) struct Said(pub(super) Mutex<Vec<String>>);

impl Observer for Said {
    fn status(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }

    fn warning(&self, message: &str) {
        self.status(message);
    }

    fn progress(&self, _what: &str, _done: u64, _total: u64) {}
}

impl Bench {
    /// With a golden domain on a raw image of 1 MiB.
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("golden.raw"), vec![7; 1 << 20]).unwrap();
        let store = Store::at(dir.path().join("state"));
        let bench = Self {
            fake: Fake::default(),
            store,
            interrupt: Interrupt::default(),
            said: Said::default(),
            dir,
        };
        let xml = bench.xml("golden", 1, "golden.raw", "raw");
        bench.fake.add(&xml, crate::model::DomainState::ShutOff);
        bench
    }

    /// A host elsewhere with one pool. What its golden image is called here is not
    /// what it is called there.
    pub(super) fn elsewhere() -> Self {
        let mut bench = Self::new();
        fs::rename(bench.path("golden.raw"), bench.path("really.raw")).unwrap();
        bench
            .fake
            .has_volume(bench.path("golden.raw"), bench.path("really.raw"));
        let dir = bench.path("golden.raw").parent().map(Path::to_owned);
        bench.fake.pools = vec![Pool {
            name: "far".to_owned(),
            active: true,
            path: dir,
        }];
        bench.fake.elsewhere = true;
        bench
    }

    /// What the next run does about what this one has left.
    pub(super) fn recovered(&self) -> Result<Vec<Recovered>> {
        recover(&Recovery {
            store: &self.store,
            interrupt: &self.interrupt,
            observer: &self.said,
            connect: &|_| Ok(Some(Box::new(self.fake.copy()))),
        })
    }

    pub(super) fn host(&self) -> Host<'_> {
        Host {
            hypervisor: &self.fake,
            store: &self.store,
            interrupt: &self.interrupt,
            observer: &self.said,
        }
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(file)
    }

    /// The XML of a domain with one disk and one interface.
    pub(super) fn xml(&self, name: &str, id: u128, file: &str, format: &str) -> String {
        let uuid = Uuid::from_u128(id);
        let path = self.path(file);
        format!(
            "<domain type='qemu'>\n  <name>{name}</name>\n  <uuid>{uuid}</uuid>\n  \
             <memory unit='KiB'>1024</memory>\n  <devices>\n    \
             <disk type='file' device='disk'>\n      <driver name='qemu' type='{format}'/>\n      \
             <source file='{}'/>\n      <target dev='vda' bus='virtio'/>\n    </disk>\n    \
             <interface type='network'>\n      <mac address='52:54:00:00:00:{id:02x}'/>\n      \
             <source network='default'/>\n    </interface>\n  </devices>\n</domain>\n",
            path.display()
        )
    }

    /// What clones of a domain, as overlays beside its disk, are asked for by.
    pub(super) fn request(&self, golden: &str, names: &[&str]) -> CloneRequest {
        CloneRequest {
            golden: Golden::Domain(self.domain(golden)),
            names: NameChoice::Given(names.iter().map(|n| n.parse().unwrap()).collect()),
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

    /// A domain of the fake.
    pub(super) fn domain(&self, name: &str) -> Domain {
        self.fake.find(&name.parse().unwrap()).unwrap()
    }

    /// What libvirt says of a domain.
    pub(super) fn domain_xml(&self, name: &str) -> String {
        self.fake.public_xml(&self.domain(name)).unwrap()
    }

    /// Makes one linked clone.
    pub(super) fn clone_of(&self, golden: &str, name: &str, seal: bool) {
        let request = CloneRequest {
            seal,
            ..self.request(golden, &[name])
        };
        let plan = clone::plan(self.host(), &request).unwrap();
        assert_eq!(clone::apply(self.host(), plan).unwrap().failed.len(), 0);
    }

    /// The files beside the golden image, but for the store.
    pub(super) fn files(&self) -> Vec<String> {
        files(self.dir.path())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Else an immutable base could not be removed.
        for file in self.files() {
            drop(crate::image::unseal(&self.path(&file), 0o644));
        }
    }
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "state")
        .collect();
    names.sort();
    names
}
