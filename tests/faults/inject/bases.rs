//! A base that is not what it was when clones were made of it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::common::Guest;
use crate::fault::Cell;
use crate::operations::{Effect, GOLDEN};
use crate::runner::Tally;
use crate::scene::{Different, Scene};
use crate::world::{Mend, assert_world};

/// Has the golden image known by a clone of it, where the operation does not
/// begin with one.
fn known(scene: &Scene) {
    if scene.operation.is_clone() || scene.operation.effect == Effect::Makes {
        scene.host.child("kid");
    }
}

/// Does something to the golden image, as somebody would who is not afraid.
fn after(cell: &Cell, what: &str, different: Different, change: impl FnOnce(&Path)) -> Tally {
    let scene = Scene::new(cell.operation);
    known(&scene);
    let golden = scene.host.root().join(GOLDEN);
    scene.host.open_seal(&golden);
    change(&golden);
    scene.differs(Different {
        base_is_bad: true,
        ..different
    });
    scene.remember();
    let outcome = scene.run();
    assert_world(cell, &scene, &outcome, &Mend::Stays, what);
    Tally::runs(1)
}

/// Another file has its name, with the same contents.
pub(crate) fn replaced(cell: &Cell) -> Tally {
    after(cell, "replaced", Different::default(), |golden| {
        let copy = golden.with_extension("copy");
        fs::copy(golden, &copy).unwrap();
        fs::rename(copy, golden).unwrap();
    })
}

/// It is not there.
pub(crate) fn missing(cell: &Cell) -> Tally {
    let different = Different {
        fewer: vec![GOLDEN.to_owned()],
        // What they are overlays of nobody can tell.
        may_stay: vec![
            "images/lost.qcow2".to_owned(),
            "images/on-lost.qcow2".to_owned(),
        ],
        ..Different::default()
    };
    after(cell, "missing", different, |golden| {
        fs::remove_file(golden).unwrap();
    })
}

/// The end of it is missing: first where somebody knows what it was, then where
/// nobody does.
pub(crate) fn truncated(cell: &Cell) -> Tally {
    let shorten = |golden: &Path| {
        let file = OpenOptions::new().write(true).open(golden).unwrap();
        file.set_len(file.metadata().unwrap().len() / 3).unwrap();
    };
    // Who else is on it nobody can tell by then.
    let different = Different {
        may_stay: vec![
            "images/web.qcow2".to_owned(),
            "images/web-vdb.qcow2".to_owned(),
        ],
        ..Different::default()
    };
    let mut tally = after(cell, "truncated", different, shorten);
    if matches!(cell.operation.effect, Effect::Clones(_)) {
        let scene = Scene::new(cell.operation);
        shorten(&scene.host.root().join(GOLDEN));
        scene.remember();
        let outcome = scene.run();
        assert_world(cell, &scene, &outcome, &Mend::Stays, "truncated, unknown");
        tally += Tally::runs(1);
    }
    tally
}

/// One byte of it is another.
pub(crate) fn changed(cell: &Cell) -> Tally {
    after(cell, "written to", Different::default(), |golden| {
        let file = OpenOptions::new().write(true).open(golden).unwrap();
        let end = file.metadata().unwrap().len();
        file.write_all_at(b"x", end - 1).unwrap();
    })
}

/// The image that the operation is about has a child, of a domain and of none.
pub(crate) fn in_use(cell: &Cell) -> Tally {
    for defined in [true, false] {
        let scene = Scene::new(cell.operation);
        let base = scene
            .host
            .image(&format!("{}.qcow2", scene.operation.subject()));
        let kid = scene.host.image("kid.qcow2");
        let spec = vmkin::image::Overlay {
            virtual_size: crate::common::DISK,
            backing: &base,
            backing_format: vmkin::model::ImageFormat::Qcow2,
        };
        vmkin::image::write(&kid, &spec).unwrap().sync().unwrap();
        if defined {
            let kid = Guest::new("kid").disk("vda", "qcow2", &kid);
            scene.host.add(kid);
        }
        // One that no domain has is what is looked for.
        let stays = defined || scene.operation.effect != Effect::Prunes;
        scene.differs(Different {
            more: stays
                .then(|| "images/kid.qcow2".to_owned())
                .into_iter()
                .collect(),
            ..Different::default()
        });
        scene.remember();
        let outcome = scene.run();
        let what = format!("a child, defined: {defined}");
        assert_world(cell, &scene, &outcome, &Mend::Stays, &what);
    }
    Tally::runs(2)
}
