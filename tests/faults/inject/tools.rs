//! A `qemu-img` that does what the real one should not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::fault::Cell;
use crate::runner::Tally;
use crate::scene::{Scene, real_qemu_img};
use crate::world::{Mend, assert_world};

/// Puts a script in the place of `qemu-img`, or nothing.
fn replace(scene: &Scene, script: Option<&str>) {
    let path = scene.host.root().join("tools/qemu-img");
    fs::remove_file(&path).unwrap();
    if let Some(script) = script {
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Puts the real one back.
fn restore(scene: &Scene) {
    let path = scene.host.root().join("tools/qemu-img");
    drop(fs::remove_file(&path));
    symlink(real_qemu_img(), path).unwrap();
}

fn run(cell: &Cell, script: Option<&str>) {
    let scene = Scene::new(cell.operation);
    replace(&scene, script);
    // Nobody waits ten minutes for a test.
    let outcome = scene.run_with(|c| c.env("VMKIN_FAILPOINT_PATIENCE", "300"));
    let what = format!("with qemu-img being {script:?}");
    assert_world(cell, &scene, &outcome, &Mend::By(&restore), &what);
}

/// It is killed, before and after it has written something.
pub(crate) fn killed(cell: &Cell) -> Tally {
    run(cell, Some("kill -9 $$"));
    run(
        cell,
        Some("for last; do :; done; case $last in /*) echo partial >\"$last\" ;; esac; kill -9 $$"),
    );
    Tally::runs(2)
}

/// It hangs, itself and in a child of its own.
pub(crate) fn hangs(cell: &Cell) -> Tally {
    run(cell, Some("exec sleep 600"));
    run(cell, Some("sleep 600 & wait"));
    Tally::runs(2)
}

/// It is not on this host.
pub(crate) fn missing(cell: &Cell) -> Tally {
    run(cell, None);
    Tally::runs(1)
}

/// It does not know what it is asked for.
pub(crate) fn too_old(cell: &Cell) -> Tally {
    run(
        cell,
        Some("echo \"qemu-img: unrecognized option '--image-opts'\" >&2; exit 1"),
    );
    Tally::runs(1)
}
