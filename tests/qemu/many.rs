//! Many clones.

use crate::lab::Lab;

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_batch_gives_what_it_promises() {
    let lab = Lab::new("many");
    let pattern = lab.name("{n:03}");
    lab.ok(&format!(
        "clone -d {} --name {pattern} --count 100",
        lab.golden
    ));
    let clones = lab.clones();
    assert_eq!(clones.len(), 100);
    let mut macs = Vec::new();
    let mut uuids = Vec::new();
    for clone in &clones {
        let facts = lab.facts(clone);
        macs.push(facts.nics[0].mac.unwrap());
        uuids.push(facts.uuid.unwrap());
    }
    macs.sort();
    macs.dedup();
    uuids.sort();
    uuids.dedup();
    assert_eq!((macs.len(), uuids.len()), (100, 100));
    assert_eq!(lab.journals(), 0);
    let tree = lab.ok("tree");
    let root = format!("{}  qcow2", lab.image().display());
    let drawn = tree.stdout.lines().skip_while(|l| !l.starts_with(&root));
    let branches = drawn.skip(1).take_while(|l| l.starts_with(['├', '└']));
    assert_eq!(branches.count(), 100, "{}", tree.stdout);
    assert!(lab.ok("tree --dot").stdout.starts_with("digraph"));
    // The next hundred do not get in the way of the first.
    lab.fails(
        5,
        &format!(
            "clone -d {} --name {pattern} --count 2 --from 100",
            lab.golden
        ),
    );
    assert_eq!(lab.clones().len(), 100);
    lab.ok(&format!(
        "clone -d {} --name {pattern} --count 2 --from 101",
        lab.golden
    ));
    lab.ok(&format!("delete --yes -d {}", lab.clones().join(" ")));
    assert_eq!(lab.files(), ["golden.qcow2"]);
}
