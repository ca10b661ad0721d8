//! Kinds of disks and firmware that libvirt's test driver does not know well.

use std::fs;
use std::path::{Path, PathBuf};

use vmkin::model::DiskSource;

use crate::lab::{Lab, look, tool};

/// Replaces the golden domain by one whose XML has other pieces of text.
fn redefine(lab: &Lab, pieces: &[(&str, &str)]) {
    let mut xml = lab.golden_xml();
    for (from, to) in pieces {
        assert!(xml.contains(from), "{from} is not in\n{xml}");
        xml = xml.replace(from, to);
    }
    lab.define(&xml);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_a_volume_disk_stays_a_volume() {
    let lab = Lab::new("volume");
    let pool = lab.name("pool");
    let dir = lab.dir.display().to_string();
    tool(
        "virsh",
        &["-q", "pool-create-as", &pool, "dir", "--target", &dir],
    );
    let file = format!("<source file='{}'/>", lab.image().display());
    let volume = format!("<source pool='{pool}' volume='golden.qcow2'/>");
    redefine(
        &lab,
        &[
            (&file, &volume),
            ("<disk type='file'", "<disk type='volume'"),
        ],
    );
    let clone = lab.name("a");
    let disk = format!("{clone}.qcow2");
    let pools = tool("virsh", &["-q", "pool-list", "--all", "--name"]);
    lab.ok(&format!("clone -d {} {clone} --start", lab.golden));
    lab.ready(&clone);
    assert_eq!(
        lab.facts(&clone).disks[0].source,
        DiskSource::Volume {
            pool: pool.clone(),
            volume: disk.clone(),
        }
    );
    // No pool was defined behind anybody's back, and this one has looked again.
    assert_eq!(
        tool("virsh", &["-q", "pool-list", "--all", "--name"]),
        pools
    );
    let volumes = tool("virsh", &["-q", "vol-list", &pool]);
    assert!(volumes.contains(&disk), "{volumes}");
    lab.ok(&format!("delete --yes --force -d {clone}"));
    let volumes = tool("virsh", &["-q", "vol-list", &pool]);
    assert!(!volumes.contains(&disk), "{volumes}");
    tool("virsh", &["-q", "pool-destroy", &pool]);
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_clones_of_a_block_device_are_files_on_it() {
    let lab = Lab::new("block");
    let raw = lab.dir.join("disk.raw");
    let (image, path) = (lab.image().display().to_string(), raw.display().to_string());
    tool(
        "qemu-img",
        &["convert", "-f", "qcow2", "-O", "raw", &image, &path],
    );
    let device = Loop::new(&raw);
    let file = format!("<source file='{image}'/>");
    let source = format!("<source dev='{}'/>", device.0);
    redefine(
        &lab,
        &[
            (&file, &source),
            ("<disk type='file'", "<disk type='block'"),
            ("type='qcow2'", "type='raw'"),
        ],
    );
    let clone = lab.name("a");
    let refused = lab.fails(2, &format!("clone -d {} {clone}", lab.golden));
    assert!(refused.stderr.contains("--dir"), "{}", refused.stderr);
    let before = look(&raw);
    lab.ok(&format!(
        "clone -d {} {clone} --dir {} --start",
        lab.golden,
        lab.dir.display()
    ));
    lab.ready(&clone);
    lab.virsh_destroy(&clone);
    assert_eq!(look(&raw), before);
}

/// A loop device, detached when it is dropped.
struct Loop(String);

impl Loop {
    fn new(file: &Path) -> Self {
        let file = file.display().to_string();
        Self(
            tool("losetup", &["--find", "--show", &file])
                .trim()
                .to_owned(),
        )
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        tool("losetup", &["--detach", &self.0]);
    }
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_uefi_variables_are_copied_in_both_forms() {
    let code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
    let vars = PathBuf::from("/usr/share/OVMF/OVMF_VARS_4M.fd");
    let lab = Lab::new("nvram");
    for (form, nvram) in [
        ("text", "<nvram>FILE</nvram>"),
        ("source", "<nvram type='file'><source file='FILE'/></nvram>"),
    ] {
        let file = lab.dir.join(format!("{form}_VARS.fd"));
        fs::copy(&vars, &file).unwrap();
        let golden = lab.name(&format!("g{form}"));
        let nvram = nvram.replace("FILE", &file.display().to_string());
        let firmware =
            format!("</type><loader readonly='yes' type='pflash'>{code}</loader>{nvram}");
        let xml = lab
            .recipe
            .replace(
                &format!("<name>{}</name>", lab.golden),
                &format!("<name>{golden}</name>"),
            )
            .replace("machine='pc'", "machine='q35'")
            .replace("</type>", &firmware);
        lab.define(&xml);
        let clone = lab.name(&format!("c{form}"));
        lab.ok(&format!("clone -d {golden} {clone}"));
        let copy = lab.facts(&clone).nvram.unwrap().path.unwrap();
        assert_ne!(copy, file);
        assert_eq!(fs::read(&copy).unwrap(), fs::read(&file).unwrap());
        lab.virsh_start(&clone).unwrap();
        lab.virsh_destroy(&clone);
        lab.ok(&format!("delete --yes -d {clone}"));
        assert!(!copy.exists() && file.exists());
    }
}

/// What one clone must not have in common with another, as far as the QEMU of
/// every distribution has it. Two clones of it must run at once.
const EVERYTHING: &str = "
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='DIR/data.raw'/>
      <target dev='sda' bus='scsi'/>
      <serial>S123</serial>
      <wwn>5000c50015ea71aa</wwn>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='DIR/shared.raw'/>
      <target dev='vdc' bus='virtio'/>
      <shareable/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/>
      <source file='DIR/cd.iso'/>
      <target dev='hda' bus='ide'/>
      <readonly/>
    </disk>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <channel type='unix'>
      <source mode='bind' path='DIR/GOLDEN.agent'/>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <serial type='file'>
      <source path='DIR/GOLDEN.serial'/>
      <target port='1'/>
    </serial>
    <graphics type='vnc' port='5905' autoport='no' websocket='5705' listen='127.0.0.1' passwd='secret'/>
    <video><model type='vga'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  ";

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_two_clones_of_everything_run_at_once() {
    let lab = Lab::new("sink");
    for file in ["data.raw", "shared.raw", "cd.iso"] {
        fs::write(lab.dir.join(file), vec![7; 1 << 20]).unwrap();
    }
    let devices = EVERYTHING
        .replace("DIR", &lab.dir.display().to_string())
        .replace("GOLDEN", &lab.golden);
    let uuid = lab.facts(&lab.golden).uuid.unwrap();
    redefine(
        &lab,
        &[
            ("</devices>", &format!("{devices}</devices>")),
            (
                "</uuid>",
                "</uuid><genid>11111111-2222-4333-8444-555555555555</genid><title>the golden one</title>",
            ),
            (
                "<os>",
                &format!(
                    "<sysinfo type='smbios'><system><entry name='uuid'>{uuid}</entry></system></sysinfo><os><smbios mode='sysinfo'/>"
                ),
            ),
        ],
    );
    let (one, two) = (lab.name("a"), lab.name("b"));
    let made = lab.ok(&format!("clone -d {} {one} {two} --start", lab.golden));
    assert!(made.stderr.contains("vdc"), "{}", made.stderr);
    lab.ready(&one);
    lab.ready(&two);
    // Where each clone has something of its own, and where libvirt chooses.
    let golden = lab.golden_xml();
    for clone in [&one, &two] {
        let xml = lab.xml(clone);
        for gone in [
            &uuid.to_string(),
            "11111111-2222-4333-8444-555555555555",
            "the golden one",
            "5000c50015ea71aa",
            "5905",
            "5705",
            "data.raw'/>\n      <target",
            &format!("{}.serial", lab.golden),
            &format!("{}.agent", lab.golden),
        ] {
            assert!(
                golden.contains(gone) || gone.contains("data.raw"),
                "{gone} is not in the original"
            );
            assert!(
                !xml.replace("<vmkin:golden", "")
                    .contains(&format!("'{gone}'")),
                "{gone}\n{xml}"
            );
        }
        // The password stays: without it the clone would be open to all.
        assert!(xml.contains("passwd='secret'"), "{xml}");
        assert!(xml.contains("<serial>S123</serial>"), "{xml}");
        assert!(xml.contains("shared.raw"), "{xml}");
        lab.virsh_destroy(clone);
    }
    let files = lab.files();
    assert!(files.contains(&format!("{one}-sda.qcow2")), "{files:?}");
    lab.ok(&format!("delete --yes -d {one} {two}"));
    for kept in ["data.raw", "shared.raw", "cd.iso", "golden.qcow2"] {
        assert!(lab.dir.join(kept).exists(), "{kept}");
    }
    assert!(!lab.dir.join(format!("{one}-sda.qcow2")).exists());
}

#[test]
#[ignore = "needs the private libvirtd"]
fn qemu_the_tpm_of_a_clone_is_empty_or_a_copy() {
    let lab = Lab::new("tpm");
    redefine(
        &lab,
        &[(
            "</devices>",
            "<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm></devices>",
        )],
    );
    let state = |name: &str| {
        let uuid = lab.facts(name).uuid.unwrap();
        PathBuf::from(format!("/var/lib/libvirt/swtpm/{uuid}"))
    };
    let refused = lab.fails(
        3,
        &format!("clone -d {} {} --tpm copy", lab.golden, lab.name("x")),
    );
    assert!(refused.stderr.contains("--tpm fresh"), "{}", refused.stderr);
    // The first start makes the state.
    lab.virsh_start(&lab.golden).unwrap();
    lab.virsh_destroy(&lab.golden);
    let contents = state(&lab.golden).join("tpm2/tpm2-00.permall");
    let bytes = fs::read(&contents).unwrap();
    let (fresh, copy) = (lab.name("fresh"), lab.name("copy"));
    lab.ok(&format!("clone -d {} {fresh}", lab.golden));
    assert!(!state(&fresh).exists());
    lab.ok(&format!("clone -d {} {copy} --tpm copy", lab.golden));
    assert_eq!(
        fs::read(state(&copy).join("tpm2/tpm2-00.permall")).unwrap(),
        bytes
    );
    lab.ok(&format!("start -d {copy} {fresh}"));
    lab.virsh_destroy(&copy);
    lab.virsh_destroy(&fresh);
    let gone = state(&copy);
    lab.ok(&format!("delete --yes -d {copy} {fresh}"));
    assert!(!gone.exists());
    assert!(contents.exists());
}
