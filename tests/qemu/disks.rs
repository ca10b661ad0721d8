//! Guests whose disks were given another size while they were shut off.

use crate::lab::Lab;

/// What the guest says: the size of its disk in sectors, and that of its root.
fn sizes(lab: &Lab, clone: &str, mark: &str) -> (u64, u64) {
    lab.ready(clone);
    lab.said(clone, "/ # ");
    let line = format!(
        "echo {mark}-DI''SK $(cat /sys/block/vda/size) $(df -k / | tail -n 1); echo {mark}-EN''D\n"
    );
    lab.type_in(clone, &line);
    lab.said(clone, &format!("{mark}-END"));
    let log = std::fs::read(lab.dir.join(format!("{clone}.log"))).unwrap();
    let log = String::from_utf8_lossy(&log).into_owned();
    let start = format!("{mark}-DISK ");
    let (_, rest) = log.rsplit_once(&start).unwrap();
    let mut words = rest.split_whitespace();
    let disk = words.next().unwrap().parse().unwrap();
    (disk, words.nth(1).unwrap().parse().unwrap())
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_guest_boots_with_more_room_and_with_less() {
    let lab = Lab::new("disks");
    let clone = lab.name("a");
    lab.ok(&format!("clone -d {} {clone}", lab.golden));
    let base = std::fs::read(lab.image()).unwrap();
    lab.fails(6, &format!("disk resize -d {} +64M", lab.golden));
    let before = lab.ok(&format!("--json disk resize -d {clone} +512 --dry-run"));
    let before: serde_json::Value = serde_json::from_str(&before.stdout).unwrap();
    let before = before["before"].as_u64().unwrap();

    lab.ok(&format!("disk resize -d {clone} --grow-fs +256M"));
    lab.ok(&format!("start -d {clone}"));
    let (disk, large) = sizes(&lab, &clone, "LARGE");
    assert_eq!(disk * 512, before + (256 << 20));
    lab.fails(4, &format!("disk resize -d {clone} --grow-fs +64M"));
    lab.ok(&format!("shutdown -d {clone} --wait --timeout 3m"));

    lab.ok(&format!("disk resize -d {clone} --shrink -128M"));
    std::fs::remove_file(lab.dir.join(format!("{clone}.log"))).unwrap();
    lab.ok(&format!("start -d {clone}"));
    let (disk, small) = sizes(&lab, &clone, "SMALL");
    assert_eq!(disk * 512, before + (128 << 20));
    let less = large - small;
    assert!((100 << 10..=150 << 10).contains(&less), "{large} {small}");
    lab.ok(&format!("shutdown -d {clone} --wait --timeout 3m"));
    lab.ok(&format!("disk check -d {clone}"));
    lab.ok(&format!("delete --yes -d {clone}"));
    assert!(std::fs::read(lab.image()).unwrap() == base);
    lab.ok(&format!("base unseal {}", lab.image().display()));
}
