//! Files that a real guest wrote, read off its disk.

use crate::lab::Lab;

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_what_a_guest_wrote_is_read_while_it_runs_and_after_the_plug_was_pulled() {
    let lab = Lab::new("files");
    let clone = lab.name("a");
    lab.ok(&format!("clone -d {} {clone} --start", lab.golden));
    lab.ready(&clone);
    // The shell drops what was typed before it was there.
    lab.said(&clone, "/ # ");
    lab.type_in(
        &clone,
        "mkdir /root/new; echo written by $(hostname) > /root/new/note; seq 1 5000 > /root/new/numbers; \
         mv /root/new/note /root/new/moved; sync; echo VMKIN-WRIT''TEN\n",
    );
    lab.said(&clone, "VMKIN-WRITTEN");
    let host = lab.ready(&clone)["host"].clone();
    let numbers: String = (1..=5000).map(|number| format!("{number}\n")).collect();
    let expected = format!("written by {host}\n{numbers}");
    let read = format!("cat -v -d {clone} /root/new/moved /root/new/numbers");

    // Running: it was synced, so that it is all there.
    let running = lab.ok(&read);
    assert_eq!(running.stdout, expected);
    let warning = "may be old in one part and new in another";
    assert!(running.stderr.contains(warning), "{}", running.stderr);
    lab.fails(4, &format!("cat --consistent -d {clone} /etc/hostname"));
    // The reader held no lock that would have kept it from running.
    assert!(lab.is_active(&clone));

    lab.virsh_destroy(&clone);
    let killed = lab.ok(&read);
    assert_eq!(killed.stdout, expected);
    let replayed = "/dev/vda was not closed well; its journal was replayed in memory";
    assert!(killed.stderr.contains(replayed), "{}", killed.stderr);
    assert!(!killed.stderr.contains(warning), "{}", killed.stderr);
    lab.fails(3, &format!("cat -d {clone} /root/new/note"));

    // The guest's own kernel replays it as well, and has the same then.
    lab.ok(&format!("start -d {clone}"));
    lab.ready(&clone);
    lab.ok(&format!("shutdown -d {clone} --wait --timeout 3m"));
    let after = lab.ok(&read);
    assert_eq!(after.stdout, expected);
    assert!(!after.stderr.contains(warning), "{}", after.stderr);
    lab.ok(&format!("delete --yes -d {clone}"));
    lab.ok(&format!("base unseal {}", lab.image().display()));
}
