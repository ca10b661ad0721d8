//! Internal snapshots, made here and read by `qemu-img`, and the other way.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vmkin::error::Kind;
use vmkin::image::qcow2::Snapshot;
use vmkin::image::{Lease, snapshot};

use crate::common::{Pool, chain, check, run};

static NEVER: AtomicBool = AtomicBool::new(false);

fn write(image: &Path, what: u8, size: &str) {
    let write = format!("write -P {what} 0 {size}");
    run("qemu-io", &args!["-f", "qcow2", "-c", &write, image]);
}

fn reads(image: &Path, what: u8) -> bool {
    let read = format!("read -P {what} 0 1M");
    !run("qemu-io", &args!["-f", "qcow2", "-c", &read, image]).contains("verification failed")
}

fn create(image: &Path, name: &str) -> Snapshot {
    let chain = chain(image);
    let lease = Lease::exclusive(image).unwrap();
    snapshot::create(&chain, &lease, name.as_bytes(), &NEVER).unwrap();
    let table = snapshot::table(chain.top()).unwrap();
    snapshot::named(&table, name.as_bytes()).unwrap().clone()
}

#[test]
fn what_is_made_here_is_what_qemu_img_makes() {
    let pool = Pool::new();
    for options in [
        "compat=0.10",
        "compat=1.1",
        "extended_l2=on,compat=1.1",
        "refcount_bits=1",
    ] {
        if options == "refcount_bits=1" {
            // A cluster that is counted to one cannot belong to two.
            let image = pool.qcow2("one, bit", options);
            let lease = Lease::exclusive(&image).unwrap();
            let error = snapshot::create(&chain(&image), &lease, b"a", &NEVER).unwrap_err();
            assert_eq!(error.kind(), Kind::Storage, "{error}");
            snapshot::mend(&chain(&image), &lease, &NEVER).unwrap();
            drop(lease);
            check(&image);
            continue;
        }
        let image = pool.qcow2(&format!("image, {options}"), options);
        write(&image, 1, "1M");
        let one = create(&image, "one");
        assert!(snapshot::is_at(chain(&image).top(), &one).unwrap());
        write(&image, 2, "1M");
        assert!(!snapshot::is_at(chain(&image).top(), &one).unwrap());
        let two = create(&image, "two");
        write(&image, 3, "1M");
        let lease = Lease::exclusive(&image).unwrap();
        let again = snapshot::create(&chain(&image), &lease, b"one", &NEVER);
        assert_eq!(again.unwrap_err().kind(), Kind::Exists);
        snapshot::apply(&chain(&image), &lease, &one, &NEVER).unwrap();
        drop(lease);
        assert!(reads(&image, 1));
        run("qemu-img", &args!["snapshot", "-a", "two", &image]);
        assert!(reads(&image, 2));
        assert!(snapshot::is_at(chain(&image).top(), &two).unwrap());
        let lease = Lease::exclusive(&image).unwrap();
        snapshot::delete(&chain(&image), &lease, &one, &NEVER).unwrap();
        snapshot::delete(&chain(&image), &lease, &one, &NEVER).unwrap();
        let gone = snapshot::apply(&chain(&image), &lease, &one, &NEVER);
        assert_eq!(gone.unwrap_err().kind(), Kind::NotFound);
        drop(lease);
        check(&image);
    }
}

#[test]
fn what_a_snapshot_takes_is_what_deleting_it_gives_back() {
    let pool = Pool::new();
    let image = pool.qcow2("image", "compat=1.1");
    write(&image, 1, "1M");
    create(&image, "one");
    write(&image, 2, "1M");
    create(&image, "two");
    let (table, space) = snapshot::table_with_space(chain(&image).top()).unwrap();
    // Sixteen clusters, their L2 table and the L1 table; of the second only
    // the L1 table is its own.
    assert_eq!(space, [Some(18 << 16), Some(1 << 16)]);
    let in_use = || {
        let said = run(
            "qemu-img",
            &args!["check", "--output=json", "-f", "qcow2", &image],
        );
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        said["allocated-clusters"].as_u64().unwrap()
    };
    let before = in_use();
    let on_the_host = || std::fs::metadata(&image).unwrap().blocks() * 512;
    let took = on_the_host();
    let lease = Lease::exclusive(&image).unwrap();
    snapshot::delete(&chain(&image), &lease, &table[0], &NEVER).unwrap();
    drop(lease);
    // `qemu-img check` counts clusters of data.
    assert_eq!(in_use(), before);
    assert!(took - on_the_host() >= 16 << 16, "{took} {}", on_the_host());
    run("qemu-img", &args!["snapshot", "-c", "three", &image]);
    write(&image, 3, "1M");
    let (_, space) = snapshot::table_with_space(chain(&image).top()).unwrap();
    assert_eq!(space, [Some(1 << 16), Some(1 << 16)]);
}

/// Stops what `qemu-img` does at all moments, as a kill does.
#[test]
fn what_is_killed_leaves_the_disk_at_one_of_two_states() {
    let pool = Pool::new();
    let image = pool.at("image");
    run(
        "qemu-img",
        &args![
            "create",
            "-q",
            "-f",
            "qcow2",
            "-o",
            "cluster_size=512",
            &image,
            "64M"
        ],
    );
    write(&image, 1, "8M");
    let one = create(&image, "one");
    write(&image, 2, "8M");
    let kept = pool.at("kept");
    std::fs::copy(&image, &kept).unwrap();
    let mut stopped = 0;
    for act in ["create", "apply", "delete"] {
        for milliseconds in (0..60).step_by(4) {
            std::fs::copy(&kept, &image).unwrap();
            let cancel = AtomicBool::new(false);
            let lease = Lease::exclusive(&image).unwrap();
            let chain = chain(&image);
            let result = std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(milliseconds));
                    cancel.store(true, Ordering::Relaxed);
                });
                match act {
                    "create" => snapshot::create(&chain, &lease, b"two", &cancel),
                    "apply" => snapshot::apply(&chain, &lease, &one, &cancel),
                    _ => snapshot::delete(&chain, &lease, &one, &cancel),
                }
            });
            stopped += usize::from(result.is_err());
            snapshot::mend(&chain, &lease, &NEVER).unwrap();
            let at = snapshot::is_at(chain.top(), &one).unwrap();
            drop(lease);
            check(&image);
            if act == "apply" {
                assert!(
                    reads(&image, if at { 1 } else { 2 }),
                    "{act} {milliseconds}"
                );
                assert!(at || result.is_err());
            } else {
                assert!(reads(&image, 2), "{act} {milliseconds}");
            }
        }
    }
    assert!(stopped > 10, "only {stopped} were stopped");
}

/// A header that leads to a table of which nothing has reached the disk.
#[test]
fn a_table_that_was_never_written_is_taken_out_again() {
    use std::os::unix::fs::FileExt as _;
    let pool = Pool::new();
    for kept in [0, 1] {
        let image = pool.qcow2(&format!("image, {kept}"), "compat=1.1");
        write(&image, 1, "1M");
        for name in ["one", "two"].iter().take(kept + 1) {
            create(&image, name);
        }
        let file = std::fs::File::options().read(true).write(true).open(&image);
        let file = file.unwrap();
        let mut offset = [0; 8];
        file.read_exact_at(&mut offset, 64).unwrap();
        let table = u64::from_be_bytes(offset);
        // An entry takes 40 bytes, and what it says of itself, in eights.
        let mut entry = [0; 40];
        file.read_exact_at(&mut entry, table).unwrap();
        let length = |at: usize, size: usize| {
            let bytes = entry[at..at + size].iter();
            bytes.fold(0_u64, |sum, byte| sum * 256 + u64::from(*byte))
        };
        let one = (40 + length(12, 2) + length(14, 2) + length(36, 4)).next_multiple_of(8);
        let last = table + one * u64::try_from(kept).unwrap();
        file.write_all_at(&[0; 128], last).unwrap();
        drop(file);
        let lease = Lease::exclusive(&image).unwrap();
        snapshot::set_right(&chain(&image), &lease, &NEVER).unwrap();
        drop(lease);
        let table = snapshot::table(chain(&image).top()).unwrap();
        assert_eq!(table.len(), kept);
        assert!(table.iter().all(|one| one.name == b"one"));
        check(&image);
        assert!(reads(&image, 1));
    }
}
