//! Guests whose disks were given another size.

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
    lab.fails(4, &format!("disk resize -d {clone} --live +256M"));

    lab.ok(&format!("disk resize -d {clone} --grow-fs +256M"));
    lab.ok(&format!("start -d {clone}"));
    let (disk, large) = sizes(&lab, &clone, "LARGE");
    assert_eq!(disk * 512, before + (256 << 20));
    lab.fails(4, &format!("disk resize -d {clone} --grow-fs +64M"));
    lab.ok(&format!("shutdown -d {clone} --wait --timeout 3m"));

    lab.ok(&format!("disk resize -d {clone} --shrink -128M"));
    std::fs::remove_file(lab.dir.join(format!("{clone}.log"))).unwrap();
    let spare = lab.dir.join("spare.raw");
    let file = std::fs::File::create(&spare).unwrap();
    file.set_len(16 << 20).unwrap();
    let second = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vdb' bus='virtio'/></disk></devices>",
        spare.display()
    );
    lab.define(&lab.xml(&clone).replace("</devices>", &second));
    lab.ok(&format!("start -d {clone}"));
    let (disk, small) = sizes(&lab, &clone, "SMALL");
    assert_eq!(disk * 512, before + (128 << 20));
    let less = large - small;
    assert!((100 << 10..=150 << 10).contains(&less), "{large} {small}");
    // While it runs: it sees more at once, and all that it has stays.
    let live = format!("disk resize -d {clone} --live");
    lab.fails(2, &format!("{live} --target vda -64M"));
    lab.ok(&format!("{live} --target vda +64M"));
    lab.ok(&format!("{live} --target vdb 32M"));
    lab.type_in(&clone, "echo RAW-SI''ZE $(cat /sys/block/vdb/size)\n");
    lab.said(&clone, "RAW-SIZE 65536");
    assert_eq!(spare.metadata().unwrap().len(), 32 << 20);
    let (disk, same) = sizes(&lab, &clone, "LIVE");
    assert_eq!(disk * 512, before + (192 << 20));
    assert_eq!(same, small);
    lab.ok(&format!("shutdown -d {clone} --wait --timeout 3m"));
    let stays = lab.ok(&format!(
        "--json disk resize -d {clone} --target vda +512 --dry-run"
    ));
    let stays: serde_json::Value = serde_json::from_str(&stays.stdout).unwrap();
    assert_eq!(stays["before"].as_u64(), Some(before + (192 << 20)));
    lab.ok(&format!("disk check -d {clone}"));
    lab.ok(&format!("delete --yes -d {clone}"));
    assert!(std::fs::read(lab.image()).unwrap() == base);
    lab.ok(&format!("base unseal {}", lab.image().display()));
}
