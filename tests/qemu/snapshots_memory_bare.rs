//! What belongs to the memory of guests and is no disk, and what others do while
//! it is brought back: guests without an operating system.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use crate::lab::{Lab, Ran, tool};
use crate::snapshots::{Bare, Variables};

#[test]
#[ignore = "needs the private libvirtd"]
fn uefi_variables_in_qcow2_go_with_the_memory() {
    let bare = Bare::new("memory-uefi", 1, Variables::Qcow2);
    bare.lab.virsh_start(&bare.name).unwrap();
    bare.lab
        .ok(&format!("snapshot create --memory -d {} s1", bare.name));
    bare.lab.virsh_destroy(&bare.name);
    let tags = bare.tags();
    assert_eq!(tags, [["s1"], ["s1"]]);
    bare.write(2);
    let apply = format!("snapshot apply --yes --paused -d {} s1", bare.name);
    bare.lab.ok(&apply);
    assert_eq!(bare.recorded(), ["s1"]);
    bare.lab.virsh_destroy(&bare.name);
    assert_eq!(bare.tags(), tags);
    bare.ok("delete", "s1");
    assert!(bare.tags().iter().all(Vec::is_empty));
    assert!(bare.recorded().is_empty());
}

/// Runs a command to a step, does something there, and lets it go on.
fn stopped_at(lab: &Lab, step: &str, command: &str, meanwhile: impl FnOnce()) -> Ran {
    let gate = lab.dir.join(format!("snapshot.{step}"));
    std::thread::scope(|scope| {
        let failpoint = format!("snapshot.{step}=wait");
        let run = scope.spawn(move || lab.vmkin_with(&failpoint, command));
        while !gate.exists() {
            sleep(Duration::from_millis(10));
        }
        meanwhile();
        fs::remove_file(&gate).unwrap();
        run.join().unwrap()
    })
}

#[test]
#[ignore = "needs the private libvirtd"]
fn what_happens_meanwhile_is_told_from_what_libvirt_does() {
    let mut bare = Bare::new("memory-race", 2, Variables::None);
    let name = bare.name.clone();
    bare.lab.virsh_start(&name).unwrap();
    bare.lab
        .ok(&format!("snapshot create --memory -d {name} s1"));
    bare.lab.virsh_destroy(&name);
    let apply = format!("snapshot apply --yes -d {name} s1");
    // Until the last moment nobody can start it; from then on somebody may be faster.
    for (step, faster) in [("recorded", false), ("released", true)] {
        bare.write(2);
        let sees = bare.sees();
        let ran = stopped_at(&bare.lab, step, &apply, || {
            match bare.lab.virsh_start(&name) {
                Ok(()) => assert!(faster),
                Err(error) => assert!(!faster && error.contains("lock"), "{error}"),
            }
        });
        let code = if faster { 4 } else { 0 };
        assert_eq!(ran.code, Some(code), "{step}: {}", ran.stderr);
        assert!(bare.lab.is_active(&name));
        assert_eq!(
            (bare.recorded(), bare.lab.journals()),
            (vec!["s1".to_owned()], 0)
        );
        bare.lab.virsh_destroy(&name);
        assert_eq!(bare.tags(), [["s1"], ["s1"]]);
        if faster {
            assert!(
                ran.stderr.contains("was started meanwhile"),
                "{}",
                ran.stderr
            );
            assert_eq!(bare.sees(), sees);
        }
    }
    // A daemon that is restarted just before or after is asked again.
    for step in ["released", "applied"] {
        let ran = stopped_at(&bare.lab, step, &apply, || {
            tool("vmkin-private-libvirtd", &["restart"]);
        });
        bare.lab.reconnect();
        assert_eq!(ran.code, Some(0), "{step}: {}", ran.stderr);
        assert_eq!(
            (bare.recorded(), bare.lab.journals()),
            (vec!["s1".to_owned()], 0)
        );
        bare.lab.virsh_destroy(&name);
        assert_eq!(bare.tags(), [["s1"], ["s1"]]);
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn the_state_of_a_tpm_goes_with_the_memory() {
    let bare = Bare::new("memory-tpm", 1, Variables::None);
    let tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";
    bare.lab
        .define(&bare.lab.xml(&bare.name).replace("</devices>", tpm));
    let uuid = tool("virsh", &["-q", "domuuid", &bare.name]);
    let state = PathBuf::from("/var/lib/libvirt/swtpm").join(uuid.trim());
    let file = state.join("tpm2/tpm2-00.permall");
    bare.lab.virsh_start(&bare.name).unwrap();
    let one = fs::read(&file).unwrap();
    // The firmware writes to some of it meanwhile.
    let shared = |parts: &[&[u8]]| {
        let now = fs::read(&file).unwrap();
        let known = |part: &&&[u8]| now.windows(part.len()).any(|other| other == **part);
        parts.iter().filter(known).count()
    };
    let parts: Vec<&[u8]> = one.chunks_exact(32).collect();
    bare.lab
        .ok(&format!("snapshot create --memory -d {} s1", bare.name));
    bare.lab.virsh_destroy(&bare.name);
    // Libvirt makes it anew, with other keys.
    fs::remove_dir_all(&state).unwrap();
    bare.lab.virsh_start(&bare.name).unwrap();
    bare.lab.virsh_destroy(&bare.name);
    assert!(shared(&parts) < parts.len() / 2);
    bare.lab
        .ok(&format!("snapshot apply --yes -d {} s1", bare.name));
    bare.lab.virsh_destroy(&bare.name);
    let (same, all) = (shared(&parts), parts.len());
    assert!(same > all * 9 / 10, "{same} of {all}");
}
