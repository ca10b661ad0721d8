//! Domains in states and shapes in which not everything can be done with them.

use std::fs;

use crate::common::{Host, TEST_NAMESPACE};
use crate::expect::Letter;
use crate::fault::Cell;
use crate::operations::{Effect, GOLDEN, Operation};
use crate::runner::Tally;
use crate::scene::{Different, Scene};
use crate::world::{Mend, assert_world};

/// Runs the operation with its domain changed, and changed back.
fn with_domain(cell: &Cell, what: &str, change: impl Fn(&str) -> String) -> Tally {
    let scene = Scene::new(cell.operation);
    let subject = scene.operation.subject();
    scene.host.edit(subject, &change);
    scene.remember();
    let outcome = scene.run();
    let mend = |scene: &Scene| {
        scene.host.edit(subject, |xml| {
            let xml = xml.replace(&transient(), "").replace(&saved_memory(), "");
            (1..=7).fold(xml, |xml, state| {
                xml.replace(&state_of(state), &state_of(5))
            })
        });
    };
    // Once deleted it does not come back.
    let mend = if outcome.code() == Some(0) {
        Mend::Gone
    } else {
        Mend::By(&mend)
    };
    assert_world(cell, &scene, &outcome, &mend, what);
    Tally::runs(1)
}

fn state_of(state: u32) -> String {
    format!(">{state}</test:runstate>")
}

fn transient() -> String {
    format!("<test:transient xmlns:test='{TEST_NAMESPACE}'/>")
}

fn saved_memory() -> String {
    format!("<test:hasmanagedsave xmlns:test='{TEST_NAMESPACE}'/>")
}

/// Running, blocked, paused, shutting down, crashed, suspended by its guest.
pub(crate) fn active(cell: &Cell) -> Tally {
    let mut tally = Tally::default();
    for state in [1, 2, 3, 4, 6, 7] {
        tally += with_domain(cell, &format!("in state {state}"), |xml| {
            xml.replace(&state_of(5), &state_of(state))
        });
    }
    tally
}

/// Its memory is on disk.
pub(crate) fn saved(cell: &Cell) -> Tally {
    with_domain(cell, "with a managed save", |xml| {
        xml.replace("</domain>", &format!("{}</domain>", saved_memory()))
    })
}

/// It has no stored definition.
pub(crate) fn transient_and_running(cell: &Cell) -> Tally {
    with_domain(cell, "transient", |xml| {
        xml.replace(&state_of(5), &state_of(1))
            .replace("</domain>", &format!("{}</domain>", transient()))
    })
}

/// Runs the operation on a host that is prepared before anything is asked.
fn prepared(cell: &Cell, what: &str, prepare: impl FnOnce(&Host) -> Different) -> Tally {
    let scene = Scene::with(cell.operation, prepare);
    let outcome = scene.run();
    assert_world(cell, &scene, &outcome, &lasting(cell), what);
    Tally::runs(1)
}

/// What can be done about something that is so from the beginning: nothing.
fn lasting(cell: &Cell) -> Mend<'static> {
    if cell.letter == Letter::N {
        Mend::Stays
    } else {
        Mend::Gone
    }
}

/// An empty drive, a read-only disk and a shareable one: none is its own.
pub(crate) fn odd_disks(cell: &Cell) -> Tally {
    let subject = cell.operation.subject();
    prepared(cell, "odd disks", |host| {
        let cd = host.raw("cd.iso");
        let shared = host.raw("shared.img");
        let devices = format!(
            "<disk type='file' device='cdrom'><target dev='hda' bus='ide'/><readonly/></disk>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/>\
             <source file='{}'/><target dev='vdx' bus='virtio'/><readonly/></disk>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/>\
             <source file='{}'/><target dev='vdy' bus='virtio'/><shareable/></disk></devices>",
            cd.display(),
            shared.display()
        );
        host.edit(subject, |xml| xml.replace("</devices>", &devices));
        Different {
            more: vec!["images/cd.iso".to_owned(), "images/shared.img".to_owned()],
            ..Different::default()
        }
    })
}

/// The file of the UEFI variables is not there.
pub(crate) fn no_variables(cell: &Cell) -> Tally {
    let subject = cell.operation.subject();
    prepared(cell, "no variables", |host| {
        let gone = format!("nvram/{subject}_VARS.fd");
        fs::remove_file(host.root().join(&gone)).unwrap();
        let mut fewer = vec![gone, "nvram/web_VARS.fd".to_owned()];
        let copy = "nvram/web_VARS.fd.s1.vmkin-snapshot";
        if !host.root().join(copy).exists() {
            // What is not there is not kept either.
            fewer.push(copy.to_owned());
        }
        Different {
            fewer,
            ..Different::default()
        }
    })
}

/// A comma, a colon, a leading dash, quotes, letters of other alphabets.
pub(crate) fn odd_paths(cell: &Cell) -> Tally {
    let names = ["-a,b: 'c&d.qcow2", "json:ж.qcow2"];
    for name in names {
        rename(cell.operation, name, cell);
    }
    Tally::runs(names.len())
}

fn rename(operation: &'static Operation, name: &str, cell: &Cell) {
    let scene = Scene::with(operation, |host| {
        let golden = host.root().join(GOLDEN);
        let reseal = operation.effect == Effect::Unseals;
        if reseal {
            host.vmkin("base unseal -d golden").success();
        }
        host.open_seal(&golden);
        let odd = host.image(name);
        fs::rename(&golden, &odd).unwrap();
        let (from, to) = (golden.display().to_string(), odd.display().to_string());
        let to = to.replace('&', "&amp;").replace('\'', "&apos;");
        host.edit("golden", |xml| xml.replace(&from, &to));
        if reseal {
            host.vmkin("base seal -d golden").success();
        }
        Different {
            more: vec![format!("images/{name}")],
            fewer: vec![GOLDEN.to_owned()],
            ..Different::default()
        }
    });
    let outcome = scene.run();
    assert_world(cell, &scene, &outcome, &lasting(cell), name);
}

/// A description of nine megabytes.
pub(crate) fn huge_xml(cell: &Cell) -> Tally {
    let scene = Scene::new(cell.operation);
    let text = format!("<description>{}</description><memory", "x".repeat(9 << 20));
    scene
        .host
        .edit("golden", |xml| xml.replacen("<memory", &text, 1));
    // Who has which disk is not known where a domain cannot be read.
    scene.differs(Different {
        may_stay: vec![
            "images/web.qcow2".to_owned(),
            "images/web-vdb.qcow2".to_owned(),
        ],
        base_is_bad: true,
        ..Different::default()
    });
    scene.remember();
    let outcome = scene.run();
    assert_world(cell, &scene, &outcome, &Mend::Stays, "9 MiB of XML");
    Tally::runs(1)
}
