//! The disk that tells a guest who it is, as others read it.

use std::ffi::OsStr;

use vmkin::image::Seed;

use crate::common::{Pool, run, virtual_size};

fn seed(network_config: Option<&str>) -> Seed {
    Seed {
        volume_id: 0xc0ff_ee01,
        user_data: "#cloud-config\nhostname: \"web é\"\n".repeat(9000).into(),
        meta_data: "instance-id: x\n".to_owned().into(),
        network_config: network_config.map(|text| text.to_owned().into()),
    }
}

#[test]
fn others_read_what_was_written() {
    let pool = Pool::new();
    for (name, network_config) in [("plain", None), ("network", Some("version: 2\n"))] {
        let path = pool.dir.join(name);
        let seed = seed(network_config);
        seed.write(&path).unwrap().sync().unwrap();

        // What cloud-init asks: which disk has this label, and what is on it.
        let found = run("blkid", &args!["-p", "-o", "export", &path]);
        for line in [
            "LABEL=CIDATA",
            "LABEL_FATBOOT=CIDATA",
            "TYPE=vfat",
            "UUID=C0FF-EE01",
        ] {
            assert!(found.lines().any(|found| found == line), "{found}");
        }
        let checked = run("fsck.fat", &args!["-n", "-v", &path]);
        assert!(!checked.to_lowercase().contains("error"), "{checked}");
        let read = |file: &str| {
            let file = format!("::{file}");
            run("mtype", &args!["-i", &path, &file])
        };
        assert!(read("user-data") == seed.user_data.expose());
        assert_eq!(read("meta-data"), "instance-id: x\n");
        if let Some(text) = network_config {
            assert_eq!(read("network-config"), text);
        }
        let listed = run("mdir", &args!["-b", "-i", &path, "::"]);
        assert_eq!(listed.lines().count(), seed.names().len(), "{listed}");
        // No second on which it was made, so that it is the same each time.
        let dates = run("mdir", &args!["-i", &path, "::"]);
        assert!(dates.contains("1980-01-01"), "{dates}");
    }
}

#[test]
fn qemu_takes_all_of_it_and_it_costs_little() {
    use std::os::unix::fs::MetadataExt as _;
    let pool = Pool::new();
    let path = pool.dir.join("seed");
    let small = Seed {
        user_data: "#cloud-config\n".to_owned().into(),
        ..seed(None)
    };
    small.write(&path).unwrap().sync().unwrap();
    let meta = std::fs::metadata(&path).unwrap();
    assert_eq!(virtual_size(&path, "raw"), meta.len());
    assert!(meta.blocks() * 512 <= 64 << 10, "{} blocks", meta.blocks());
}
