//! Images that name what is not theirs, or say that they are broken.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use vmkin::image::Overlay;
use vmkin::model::ImageFormat;

use crate::common::{DISK, tool};
use crate::fault::Cell;
use crate::operations::GOLDEN;
use crate::runner::Tally;
use crate::scene::{Different, Scene};
use crate::world::{Mend, assert_world};

/// Runs the operation on a host whose golden image is what `make` makes it.
fn on(cell: &Cell, what: &str, make: impl FnOnce(&Path)) -> Tally {
    let scene = Scene::new(cell.operation);
    let golden = scene.host.root().join(GOLDEN);
    scene.host.open_seal(&golden);
    make(&golden);
    scene.differs(Different {
        may_stay: vec![
            "other/secret.raw".to_owned(),
            "images/web.qcow2".to_owned(),
            "images/web-vdb.qcow2".to_owned(),
        ],
        base_is_bad: true,
        ..Different::default()
    });
    scene.remember();
    let outcome = scene.run();
    assert_world(cell, &scene, &outcome, &Mend::Stays, what);
    Tally::runs(1)
}

/// A file of the host that no image may name.
fn secret(golden: &Path) -> String {
    let root = golden.parent().unwrap().parent().unwrap();
    let path = root.join("other/secret.raw");
    fs::write(&path, vec![b's'; 1 << 20]).unwrap();
    path.display().to_string()
}

/// Makes the golden image an overlay on whatever this names.
fn over(golden: &Path, backing: &str, format: &str) {
    drop(secret(golden));
    let new = golden.with_extension("new");
    tool(
        "qemu-img",
        &args![
            "create", "-q", "-u", "-f", "qcow2", "-F", format, "-b", backing, &new, "1M"
        ],
    );
    fs::rename(new, golden).unwrap();
}

/// Names of files, servers and itself where the name of a base should be.
pub(crate) fn chains(cell: &Cell) -> Tally {
    let mut tally = on(cell, "a file of the host", |golden| {
        let secret = secret(golden);
        over(golden, &secret, "raw");
    });
    for name in [
        r#"json:{"driver":"raw","file.filename":"/etc/passwd"}"#,
        "http://127.0.0.1:1/x",
        "ssh://127.0.0.1/x",
    ] {
        tally += on(cell, name, |golden| over(golden, name, "raw"));
    }
    tally += on(cell, "a loop", |golden| {
        let own = golden.display().to_string();
        over(golden, &own, "qcow2");
    });
    tally += on(cell, "an external data file", |golden| {
        let secret = secret(golden);
        fs::remove_file(golden).unwrap();
        let options = format!("data_file={secret},data_file_raw=on");
        tool(
            "qemu-img",
            &args!["create", "-q", "-f", "qcow2", "-o", &options, golden, "1M"],
        );
    });
    tally
}

/// Bits of the header that say that the image is not sound.
pub(crate) fn marked(cell: &Cell) -> Tally {
    let mut tally = Tally::default();
    for (what, bit) in [("dirty", 0_u8), ("corrupt", 1)] {
        tally += on(cell, what, |golden| {
            drop(secret(golden));
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(golden)
                .unwrap();
            // The last byte of the incompatible features.
            let mut byte = [0];
            file.read_exact_at(&mut byte, 79).unwrap();
            file.write_all_at(&[byte[0] | (1 << bit)], 79).unwrap();
        });
    }
    tally
}

/// More layers than libvirt starts.
pub(crate) fn deep(cell: &Cell) -> Tally {
    const LAYERS: usize = 40;
    let scene = Scene::new(cell.operation);
    let golden = scene.host.root().join(GOLDEN);
    scene.host.open_seal(&golden);
    let mut below = scene.host.image("layer0.qcow2");
    fs::rename(&golden, &below).unwrap();
    let mut more = vec!["images/layer0.qcow2".to_owned()];
    for n in 1..=LAYERS {
        let path = if n == LAYERS {
            golden.clone()
        } else {
            more.push(format!("images/layer{n}.qcow2"));
            scene.host.image(&format!("layer{n}.qcow2"))
        };
        let spec = Overlay {
            virtual_size: DISK,
            backing: &below,
            backing_format: ImageFormat::Qcow2,
        };
        vmkin::image::write(&path, &spec).unwrap();
        below = path;
    }
    scene.differs(Different {
        more,
        may_stay: vec![
            "images/web.qcow2".to_owned(),
            "images/web-vdb.qcow2".to_owned(),
        ],
        base_is_bad: true,
        ..Different::default()
    });
    scene.remember();
    let outcome = scene.run();
    assert_world(cell, &scene, &outcome, &Mend::Stays, "40 layers");
    Tally::runs(1)
}
