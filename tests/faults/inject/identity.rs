//! Names, addresses, UUIDs and files that are taken, and a pool that is not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::common::Guest;
use crate::fault::Cell;
use crate::operations::Effect;
use crate::runner::Tally;
use crate::scene::Scene;
use crate::world::{Mend, assert_world};

/// The name of the last clone: what is wrong with that must stop the first.
fn last(scene: &Scene) -> &'static str {
    match scene.operation.effect {
        Effect::Clones(names) => names[names.len() - 1],
        _ => panic!("{} makes no clone", scene.operation.name),
    }
}

fn number(scene: &Scene) -> usize {
    match scene.operation.effect {
        Effect::Clones(names) => names.len(),
        _ => 0,
    }
}

/// Runs the operation beside this domain, which goes afterwards.
fn beside(cell: &Cell, guest: impl FnOnce(&Scene) -> Guest) -> Tally {
    let scene = Scene::new(cell.operation);
    let guest = guest(&scene);
    let name = guest.name().to_owned();
    scene.host.add(guest);
    scene.remember();
    let outcome = scene.run();
    let mend = |scene: &Scene| scene.host.remove(&name);
    assert_world(
        cell,
        &scene,
        &outcome,
        &Mend::By(&mend),
        &format!("beside '{name}'"),
    );
    Tally::runs(1)
}

/// A domain has the name of the last clone.
pub(crate) fn name_taken(cell: &Cell) -> Tally {
    beside(cell, |scene| Guest::new(last(scene)))
}

/// A domain, in whatever state, has the address of the last clone.
pub(crate) fn address_taken(cell: &Cell) -> Tally {
    let mac = |scene: &Scene| format!("52:54:00:11:00:{:02}", number(scene));
    let mut tally = beside(cell, |scene| Guest::new("other").nic(&mac(scene)));
    tally += beside(cell, |scene| Guest::new("other").nic(&mac(scene)).state(1));
    tally
}

/// A domain has the UUID of the last clone.
pub(crate) fn uuid_taken(cell: &Cell) -> Tally {
    beside(cell, |scene| {
        let uuid = format!("11111111-0000-4000-8000-{:012}", number(scene));
        Guest::new("other").uuid(&uuid)
    })
}

/// Something is where the last clone would have its disk: a file, a link that
/// leads nowhere, a link to an image, a directory, another domain's disk.
pub(crate) fn file_taken(cell: &Cell) -> Tally {
    type Make = fn(&Scene, &PathBuf);
    let ways: [(&str, Make); 5] = [
        ("a file", |_, path| {
            fs::write(path, "somebody else's").unwrap()
        }),
        ("a link that leads nowhere", |_, path| {
            symlink("nowhere", path).unwrap()
        }),
        ("a link to an image", |_, path| {
            symlink("golden.qcow2", path).unwrap()
        }),
        ("a directory", |_, path| fs::create_dir(path).unwrap()),
        ("another domain's disk", |scene, path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            scene.host.raw(&name);
            scene.host.add(Guest::new("other").disk("vda", "raw", path));
        }),
    ];
    for (what, make) in &ways {
        let scene = Scene::new(cell.operation);
        let path = scene.host.image(&format!("{}.qcow2", last(&scene)));
        make(&scene, &path);
        scene.remember();
        let outcome = scene.run();
        let mend = |scene: &Scene| {
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            scene.host.remove("other");
        };
        assert_world(cell, &scene, &outcome, &Mend::By(&mend), what);
    }
    Tally::runs(ways.len())
}

/// The clones are to go into a pool that libvirt does not know.
pub(crate) fn unknown_pool(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    let outcome = scene.run_with(|c| c.args(["--pool", "nowhere"]));
    assert_world(cell, &scene, &outcome, &Mend::Gone, "--pool nowhere");
    Tally::runs(1)
}
