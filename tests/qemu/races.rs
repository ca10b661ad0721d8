//! Several vmkin processes at once.

use std::process::Child;

use crate::lab::{Lab, Ran};

fn finish(children: Vec<Child>) -> Vec<Ran> {
    children
        .into_iter()
        .map(|child| Ran::new(&child.wait_with_output().unwrap()))
        .collect()
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_four_processes_clone_one_base_at_once() {
    let lab = Lab::new("race");
    let children = (0..4)
        .map(|i| {
            let pattern = lab.name(&format!("{i}-{{n}}"));
            lab.spawn(&format!(
                "clone -d {} --name {pattern} --count 10",
                lab.golden
            ))
        })
        .collect();
    for ran in finish(children) {
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let clones = lab.clones();
    assert_eq!(clones.len(), 40);
    let mut macs: Vec<_> = clones.iter().map(|c| lab.facts(c).nics[0].mac).collect();
    macs.sort();
    macs.dedup();
    assert_eq!(macs.len(), 40);
    for clone in &clones {
        lab.same_contents(clone, &lab.image());
    }
    assert_eq!(lab.journals(), 0);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_four_processes_want_one_name_and_one_gets_it() {
    let lab = Lab::new("samename");
    for round in 0..5 {
        let name = lab.name(&format!("r{round}"));
        let children = (0..4)
            .map(|_| lab.spawn(&format!("clone -d {} {name}", lab.golden)))
            .collect();
        let codes: Vec<Option<i32>> = finish(children).iter().map(|ran| ran.code).collect();
        let winners = codes.iter().filter(|code| **code == Some(0)).count();
        assert_eq!(winners, 1, "{codes:?}");
        assert!(
            codes.iter().all(|c| matches!(c, Some(0 | 5 | 7))),
            "{codes:?}"
        );
        lab.same_contents(&name, &lab.image());
    }
    assert_eq!(lab.clones().len(), 5);
    assert_eq!(lab.files().len(), 6);
    assert_eq!(lab.journals(), 0);
}
