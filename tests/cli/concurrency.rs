//! Several vmkin at once, on one base.

use std::process::{Output, Stdio};

use crate::common::Host;

/// Runs these commands at once.
fn at_once(host: &Host, commands: &[Vec<String>]) -> Vec<Output> {
    let children: Vec<_> = commands
        .iter()
        .map(|args| {
            host.command()
                .args(args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .collect()
}

fn clone_of_golden(names: &[&str]) -> Vec<String> {
    let mut args = vec!["clone".to_owned(), "-d".to_owned(), "golden".to_owned()];
    args.extend(names.iter().map(|&name| name.to_owned()));
    args
}

#[test]
fn different_names_all_win() {
    for _ in 0..5 {
        let host = Host::golden();
        let commands: Vec<_> = (1..=4)
            .map(|n| clone_of_golden(&[&format!("w{n}-{{n}}"), "--count", "5"]))
            .collect();
        let mut uuids = Vec::new();
        for output in at_once(&host, &commands) {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            uuids.extend(
                String::from_utf8(output.stdout)
                    .unwrap()
                    .lines()
                    .map(str::to_owned),
            );
        }
        uuids.sort();
        uuids.dedup();
        assert_eq!(uuids.len(), 20);
        let world = host.world();
        assert_eq!(world.images().len(), 21);
        assert_eq!(world.seals().len(), 1);
        assert!(world.journals().is_empty());
    }
}

#[test]
fn of_one_name_there_is_one_winner() {
    for _ in 0..10 {
        let host = Host::golden();
        let commands = vec![clone_of_golden(&["web-01"]); 4];
        let mut won = 0;
        for output in at_once(&host, &commands) {
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => won += 1,
                Some(5 | 7) => {}
                other => panic!("{other:?}: {said}"),
            }
        }
        assert_eq!(won, 1);
        let world = host.world();
        assert_eq!(world.images(), ["golden.qcow2", "web-01.qcow2"]);
        assert!(world.journals().is_empty());
        let info = crate::common::tool(
            "qemu-img",
            &args!["check", "-U", "-f", "qcow2", &host.image("web-01.qcow2")],
        );
        assert!(info.contains("No errors"), "{info}");
        // The losers have not opened the seal that the winner relies on.
        host.vmkin("base verify -d golden --quick").success();
        assert_eq!(world.seals().len(), 1);
        assert!(
            vmkin::image::seal_state(&host.image("golden.qcow2"))
                .unwrap()
                .sealed
        );
    }
}

#[test]
fn a_clone_and_a_delete_do_not_hurt_each_other() {
    for _ in 0..5 {
        let host = Host::golden();
        host.child("old");
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let commands = [
            words("clone -d golden new"),
            words("delete --yes -d old"),
            words("base unseal -d golden"),
        ];
        let outputs = at_once(&host, &commands);
        assert!(outputs[0].status.success() && outputs[1].status.success());
        let world = host.world();
        assert_eq!(world.images(), ["golden.qcow2", "new.qcow2"]);
        assert!(world.journals().is_empty());
    }
}
