//! Directories in which nothing can be made: full, read-only, immutable, or
//! somebody else's.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::common::{Outcome, tool};
use crate::expect::Letter;
use crate::fault::Cell;
use crate::runner::{Tally, with_own_mounts};
use crate::scene::{Different, Scene};
use crate::world::{Mend, assert_world};

/// Where a host has its own small file systems.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The one that the images are on.
    Images,
    /// The one that journals and records are on.
    Records,
}

impl Place {
    fn of(self, scene: &Scene) -> PathBuf {
        match self {
            Self::Images => std::env::temp_dir(),
            Self::Records => scene.host.state(),
        }
    }
}

/// A host whose images, records and test's own files are on three small file
/// systems. Only where mounts are one's own.
fn scene(cell: &Cell) -> Scene {
    let scene = Scene::new(cell.operation);
    for dir in [scene.host.state(), scene.host.root().join("faults")] {
        fs::create_dir_all(&dir).unwrap();
        let aside = dir.with_extension("aside");
        tool("cp", &args!["-a", &dir, &aside]);
        mount(&dir);
        for entry in fs::read_dir(&aside).unwrap() {
            tool("cp", &args!["-a", &entry.unwrap().path(), &dir]);
        }
        fs::remove_dir_all(aside).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    }
    scene.remember();
    scene
}

fn mount(dir: &Path) {
    tool(
        "mount",
        &args!["-t", "tmpfs", "-o", "size=12M,mode=0755", "tmpfs", dir],
    );
}

fn umount(scene: &Scene) {
    for dir in [scene.host.state(), scene.host.root().join("faults")] {
        tool("umount", &args![&dir]);
    }
}

/// What takes up the space.
const FILLER: &str = "filler";

/// Fills a file system, and leaves so many pages free.
fn fill(place: &Path, pages: u64) -> PathBuf {
    let filler = place.join(FILLER);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&filler)
        .unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len() & !4095;
    file.set_len(length.saturating_sub(pages * 4096)).unwrap();
    filler
}

fn full(cell: &Cell, place: Place) -> Tally {
    if let Some(tally) = with_own_mounts(cell) {
        return tally;
    }
    mount(&std::env::temp_dir());
    let free: &[u64] = if cell.letter == Letter::S {
        &[0]
    } else {
        &[0, 1, 2, 3, 4, 6, 8, 12, 20]
    };
    let mut refused = 0;
    for pages in free {
        let scene = scene(cell);
        scene.differs(Different {
            may_leak: !cell.operation.in_place.is_empty(),
            ..Different::default()
        });
        let filler = fill(&place.of(&scene), *pages);
        let outcome = scene.run();
        refused += usize::from(outcome.code() != Some(0));
        let mend = |_: &Scene| fs::remove_file(&filler).unwrap();
        let what = format!("{place:?} full but for {pages} pages");
        assert_world(cell, &scene, &outcome, &Mend::By(&mend), &what);
        umount(&scene);
    }
    assert!(refused > 0 || cell.letter == Letter::S, "it was never full");
    Tally::runs(free.len())
}

/// No space is left where the images are.
pub(crate) fn full_images(cell: &Cell) -> Tally {
    full(cell, Place::Images)
}

/// No space is left where the journals are.
pub(crate) fn full_records(cell: &Cell) -> Tally {
    full(cell, Place::Records)
}

fn read_only(cell: &Cell, place: Place) -> Tally {
    if let Some(tally) = with_own_mounts(cell) {
        return tally;
    }
    mount(&std::env::temp_dir());
    let scene = scene(cell);
    let remount = |how: &str| {
        tool("mount", &args!["-o", how, &place.of(&scene)]);
    };
    remount("remount,ro");
    let outcome = scene.run();
    let mend = |_: &Scene| remount("remount,rw");
    assert_world(cell, &scene, &outcome, &Mend::By(&mend), "read-only");
    umount(&scene);
    Tally::runs(1)
}

/// The images are on a read-only mount.
pub(crate) fn read_only_images(cell: &Cell) -> Tally {
    read_only(cell, Place::Images)
}

/// The journals are on a read-only mount.
pub(crate) fn read_only_records(cell: &Cell) -> Tally {
    read_only(cell, Place::Records)
}

/// A directory in which nothing can be made or removed until this is dropped.
struct Frozen(PathBuf);

impl Frozen {
    fn new(dir: PathBuf) -> Self {
        tool("chattr", &args!["+i", &dir]);
        Self(dir)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        tool("chattr", &args!["-i", &self.0]);
    }
}

/// The directory of the images is immutable, which stops root too.
pub(crate) fn immutable(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    let frozen = std::cell::RefCell::new(Some(Frozen::new(scene.host.root().join("images"))));
    let outcome = scene.run();
    let mend = |_: &Scene| drop(frozen.take());
    assert_world(cell, &scene, &outcome, &Mend::By(&mend), "immutable");
    Tally::runs(1)
}

/// The user is nobody, may read the images, and has records of his own.
pub(crate) fn another_user(cell: &Cell) -> Tally {
    const NOBODY: u32 = 65534;
    let scene = Scene::new(cell.operation);
    let root = scene.host.root();
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(root, 0o755);
    open(&root.join("tmp"), 0o1777);
    open(&root.join("faults"), 0o1777);
    let records = root.join("faults/records");
    fs::create_dir(&records).unwrap();
    chown(&records, Some(NOBODY), Some(NOBODY)).unwrap();
    open(&records, 0o700);
    scene.remember();
    let user = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--",
    ];
    let mut command = scene.program_under(&program_for_all(), &user);
    scene.operate(&mut command);
    command.env("VMKIN_STATE_DIR", &records);
    let outcome = Outcome::of(command.output().unwrap());
    assert_world(cell, &scene, &outcome, &Mend::Gone, "as nobody");
    // Nor is anything left among the records of that user.
    let journal = records.join("journal");
    let left = fs::read_dir(&journal).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{}: {outcome}", cell.name());
    Tally::runs(1)
}

/// The program where everybody can reach it, wherever it was built.
fn program_for_all() -> PathBuf {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_vmkin"), dir.path().join("vmkin")).unwrap();
        dir
    });
    dir.path().join("vmkin")
}
