//! What others do on a real libvirtd while vmkin is in the middle of something:
//! the cells of the fault matrix that the test driver cannot have.

use std::fs;

use crate::lab::{Lab, Look, Ran, look, tool};

/// Runs vmkin until it waits at a step, does something, and lets it go on.
fn meanwhile(lab: &Lab, step: &str, args: &str, act: impl FnOnce()) -> Ran {
    let gate = lab.dir.join(step);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| lab.vmkin_with(&format!("{step}=wait"), args));
        while !gate.exists() {
            assert!(!run.is_finished(), "it ended before {step}");
            std::thread::yield_now();
        }
        act();
        fs::remove_file(&gate).unwrap();
        run.join().unwrap()
    })
}

/// One error with this code that says this.
#[track_caller]
fn failed(ran: &Ran, code: i32, what: &str) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    let errors = ran.stderr.lines().filter(|l| l.starts_with("error:"));
    assert_eq!(errors.count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains(what), "{}", ran.stderr);
}

/// Nothing has come of it, and nothing of it is left.
#[track_caller]
fn nothing_happened(lab: &Lab, before: &Look) {
    assert_eq!(lab.clones(), Vec::<String>::new());
    assert_eq!(lab.files(), ["golden.qcow2"]);
    assert_eq!(lab.journals(), 0);
    assert_eq!(&look(&lab.image()), before);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_golden_domain_that_changes_before_the_guards_is_noticed() {
    let lab = Lab::new("f17");
    let before = look(&lab.image());
    let golden = lab.golden.clone();
    let other = format!("{golden}-renamed");
    let recipe = lab.golden_xml();
    let clone = format!("clone -d {golden} {}", lab.name("a"));

    // Other disks would do as much harm, and an own UUID is kept by both.
    let redefined = recipe.replace("<vcpu", "<title>another</title><vcpu");
    assert_ne!(redefined, recipe);
    let ran = meanwhile(&lab, "clone.chain", &clone, || lab.define(&redefined));
    failed(&ran, 4, "changed under us: it was redefined");
    nothing_happened(&lab, &before);
    lab.define(&recipe);

    let ran = meanwhile(&lab, "clone.chain", &clone, || {
        tool("virsh", &["domrename", &golden, &other]);
    });
    failed(&ran, 4, "changed under us: it was renamed");
    tool("virsh", &["domrename", &other, &golden]);
    nothing_happened(&lab, &before);

    let ran = meanwhile(&lab, "clone.chain", &clone, || {
        tool("virsh", &["undefine", &golden]);
    });
    failed(&ran, 4, "changed under us: it was undefined");
    nothing_happened(&lab, &before);

    lab.define(&recipe);
    lab.ok(&clone);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_golden_domain_that_is_started_meanwhile_is_never_cloned() {
    let lab = Lab::new("f16");
    let before = look(&lab.image());
    let golden = lab.golden.clone();
    let clone = format!("clone -d {golden} {}", lab.name("a"));
    // Before the guards it wins the race, and is told of by its own locks.
    let ran = meanwhile(&lab, "clone.chain", &clone, || {
        lab.virsh_start(&golden).unwrap();
    });
    failed(&ran, 7, "is in use");
    assert_eq!(lab.clones(), Vec::<String>::new());
    assert_eq!(lab.journals(), 0);
    // Nor is its image sealed under it.
    lab.fails(7, &format!("base seal -d {golden}"));
    lab.virsh_destroy(&golden);
    let now = look(&lab.image());
    assert_eq!((now.inode, now.mode), (before.inode, before.mode));
    // After them it does not start.
    for step in ["clone.journal", "clone.renamed"] {
        let name = lab.name(if step == "clone.journal" { "b" } else { "c" });
        let clone = format!("clone -d {golden} {name}");
        let ran = meanwhile(&lab, step, &clone, || {
            lab.virsh_start(&golden).unwrap_err();
        });
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        lab.same_contents(&name, &lab.image());
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_name_that_is_taken_at_the_last_moment_is_left_to_who_has_it() {
    let lab = Lab::new("f15");
    let before = look(&lab.image());
    let name = lab.name("a");
    let clone = format!("clone -d {} {name}", lab.golden);
    let xml = "<domain type='qemu'><memory unit='MiB'>64</memory>\
               <os><type arch='x86_64'>hvm</type></os><name>NAME</name></domain>";
    let ran = meanwhile(&lab, "clone.renamed", &clone, || {
        lab.define(&xml.replace("NAME", &name));
    });
    failed(&ran, 5, &name);
    // The clone is taken back, the other domain is not.
    assert_eq!(lab.clones(), [name.as_str()]);
    assert_eq!(lab.facts(&name).disks.len(), 0);
    assert_eq!(lab.files(), ["golden.qcow2"]);
    assert_eq!(lab.journals(), 0);
    assert_eq!(look(&lab.image()), before);
    lab.fails(5, &clone);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_an_undefine_that_is_refused_leaves_the_guest_whole() {
    let lab = Lab::new("f15delete");
    let name = lab.name("a");
    lab.ok(&format!("clone -d {} {name}", lab.golden));
    let image = lab.dir.join(format!("{name}.qcow2"));
    let before = look(&image);
    let delete = format!("delete --yes -d {name}");
    let ran = meanwhile(&lab, "delete.journal", &delete, || {
        // Only what libvirt knows of one: the images are locked.
        let snapshot = lab.dir.join("snapshot.xml");
        let xml = format!(
            "<domainsnapshot><name>s</name><state>shutoff</state>\
             <creationTime>1</creationTime>{}</domainsnapshot>",
            lab.xml(&name)
        );
        fs::write(&snapshot, xml).unwrap();
        let path = snapshot.display().to_string();
        tool("virsh", &["snapshot-create", &name, &path, "--redefine"]);
        fs::remove_file(snapshot).unwrap();
    });
    failed(&ran, 4, "snapshot");
    assert_eq!(lab.clones(), [name.as_str()]);
    assert_eq!(look(&image).inode, before.inode);
    assert_eq!(lab.journals(), 0);
    lab.ok(&format!("{delete} --snapshots"));
    assert_eq!(lab.files(), ["golden.qcow2"]);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_domain_that_goes_while_it_is_deleted_is_deleted() {
    let lab = Lab::new("f17delete");
    let name = lab.name("a");
    lab.ok(&format!("clone -d {} {name}", lab.golden));
    let delete = format!("delete --yes -d {name}");
    let ran = meanwhile(&lab, "delete.journal", &delete, || {
        tool("virsh", &["undefine", &name]);
    });
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(lab.clones(), Vec::<String>::new());
    assert_eq!(lab.files(), ["golden.qcow2"]);
    assert_eq!(lab.journals(), 0);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_daemon_that_is_restarted_is_asked_again() {
    let mut lab = Lab::new("f14");
    let restart = || drop(tool("vmkin-private-libvirtd", &["restart"]));
    let clone = format!("clone -d {} {}", lab.golden, lab.name("a"));
    let ran = meanwhile(&lab, "clone.renamed", &clone, restart);
    lab.reconnect();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    lab.same_contents(&lab.name("a"), &lab.image());
    assert_eq!(lab.journals(), 0);
    let reset = format!("reset --yes -d {}", lab.name("a"));
    let ran = meanwhile(&lab, "reset.file", &reset, restart);
    lab.reconnect();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    lab.same_contents(&lab.name("a"), &lab.image());
    assert_eq!(lab.journals(), 0);
    let ran = meanwhile(
        &lab,
        "delete.journal",
        &format!("delete --yes -d {}", lab.name("a")),
        restart,
    );
    lab.reconnect();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(lab.files(), ["golden.qcow2"]);
    lab.ok(&clone);
    let name = lab.name("a");
    let ran = meanwhile(
        &lab,
        "delete.undefined",
        &format!("delete --yes -d {name}"),
        || {
            tool("vmkin-private-libvirtd", &["restart"]);
        },
    );
    lab.reconnect();
    // What is left to do needs no daemon.
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(lab.files(), ["golden.qcow2"]);
    assert_eq!(lab.journals(), 0);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_pool_that_is_not_active_gets_no_clones() {
    let lab = Lab::new("f10");
    let before = look(&lab.image());
    let dir = lab.dir.join("state").display().to_string();
    tool("virsh", &["pool-define-as", "f10", "dir", "--target", &dir]);
    lab.fails(
        10,
        &format!("clone -d {} {} --pool f10", lab.golden, lab.name("a")),
    );
    tool("virsh", &["pool-undefine", "f10"]);
    nothing_happened(&lab, &before);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_user_whom_libvirt_does_not_know_is_told_so() {
    let lab = Lab::new("f18");
    let before = look(&lab.image());
    for args in [
        "list".to_owned(),
        format!("clone -d {} {}", lab.golden, lab.name("a")),
    ] {
        let ran = lab.vmkin_as_nobody(&args);
        failed(&ran, 8, "cannot connect");
    }
    nothing_happened(&lab, &before);
}
