//! Nobody to read what it says, and nobody to do what it asks.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use crate::fault::Cell;
use crate::runner::Tally;
use crate::scene::Scene;
use crate::world::{Mend, assert_world};

/// Something to write to that nobody reads.
fn broken_pipe() -> Stdio {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    OwnedFd::from(ours).into()
}

/// Stdout is closed, and stderr with it.
pub(crate) fn closed(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    let outcome = scene.run_with(|c| c.stdout(broken_pipe()));
    assert_world(cell, &scene, &outcome, &Mend::Gone, "stdout closed");
    let scene = Scene::new(cell.operation);
    let outcome = scene.run_with(|c| c.stdout(broken_pipe()).stderr(broken_pipe()));
    assert_world(cell, &scene, &outcome, &Mend::Gone, "both closed");
    Tally::runs(2)
}

/// Stdout is a file on a full disk.
pub(crate) fn full(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let outcome = scene.run_with(|c| c.stdout(file));
    assert_world(cell, &scene, &outcome, &Mend::Gone, "stdout is full");
    Tally::runs(1)
}

/// The daemon's socket is not there.
pub(crate) fn no_libvirt(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    let nowhere = format!(
        "qemu+unix:///system?socket={}/no-socket",
        scene.host.root().display()
    );
    let outcome = scene.run_with(|c| c.env("LIBVIRT_DEFAULT_URI", nowhere));
    assert_world(cell, &scene, &outcome, &Mend::Gone, "no socket");
    Tally::runs(1)
}
