//! Guests of images: the words of virt-install, and what becomes of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;

use crate::common::{Guest, Host, Outcome};

/// A host with an image that is no domain's.
fn host() -> Host {
    let host = Host::new();
    host.qcow2("base.qcow2");
    host
}

/// Runs a command line as a shell would split it, in the directory of the images.
fn import(host: &Host, line: &str) -> Outcome {
    let words = line.split_whitespace().map(|word| word.replace("~", " "));
    let mut command = host.command();
    command
        .current_dir(host.root().join("images"))
        .arg("import")
        .args(words);
    Outcome::of(command.output().unwrap())
}

#[track_caller]
fn refused(line: &str, code: i32, says: &str) {
    let host = host();
    let before = host.world();
    let outcome = import(&host, line).fails(code, says);
    assert!(outcome.stdout().is_empty(), "{line}: {outcome}");
    assert_eq!(host.world(), before, "{line}");
}

#[test]
fn the_lines_of_the_tutorial_work() {
    let host = host();
    let line = "--import --name=oa --vcpus=1 --ram=1024 --disk path=base.qcow2 \
                --network network=default --graphics vnc,listen=0.0.0.0 --os-type=linux \
                --os-variant=centos7.0";
    assert_snapshot!(import(&host, line).success(), @"
    [uuid]
    --- stderr ---
    --os-type has no effect, as in virt-install; --os-variant says it all.
    warning: The screen listens on 0.0.0.0 without a password: whoever reaches this host can use it. A password comes from a file: `--graphics vnc,listen=0.0.0.0,password-file=FILE`.
    Made 'oa' of base.qcow2.
    ");
    // As it stands there, with its slip.
    let slip = line.replace("network=default", "netwrok=default");
    assert_snapshot!(import(&host, &slip), @"
    --- stderr ---
    error: invalid value 'netwrok=default' for '--network <NETWORK>': unknown option 'netwrok'; did you mean 'network'?

    For more information, try '--help'.
    --- exit 2 ---
    ");
    // The overlay that it makes by hand first.
    let both = line.replace("path=base.qcow2", "backing=base.qcow2,size=30");
    import(&host, &both).success();
    assert!(host.image("oa.qcow2").is_file());
}

#[test]
fn the_xml_is_what_was_asked_for() {
    let host = host();
    let disk = "--disk backing=base.qcow2,bus=scsi,cache=none,discard=unmap,serial=A1";
    let line = format!(
        "--name web {disk} --disk base.qcow2,readonly=on --cdrom base.qcow2 --memory 2G \
         --vcpus 2,maxvcpus=4,sockets=1,cores=4,threads=1 --network bridge=br0,model=e1000e,mtu=9000 \
         --network user --graphics spice,port=5930 --boot uefi,menu=on --tpm 2.0 --title A<B \
         --uuid 00000000-0000-4000-8000-0000000000aa --mac 52:54:00:00:00:aa --mac 52:54:00:00:00:ab \
         --print-xml"
    );
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("device='.* head-sha256='[0-9a-f]+'", "[identity]");
    let _filters = settings.bind_to_scope();
    assert_snapshot!(import(&host, &line).success().stdout(), @"
    <domain type='test'>
      <name>web</name>
      <uuid>[uuid]</uuid>
      <metadata>
        <vmkin:clone xmlns:vmkin='urn:vmkin-clone:1' mode='linked' time='[time]'>
          <vmkin:golden name='base.qcow2' uuid='[uuid]'/>
          <vmkin:disk target='sda' path='[host]/images/web.qcow2'>
            <vmkin:base path='[host]/images/base.qcow2' format='qcow2' [identity]/>
          </vmkin:disk>
        </vmkin:clone>
      </metadata>
      <title>A&lt;B</title>
      <memory unit='KiB'>2097152</memory>
      <vcpu current='2'>4</vcpu>
      <os firmware='efi'>
        <type arch='i686'>hvm</type>
        <bootmenu enable='yes'/>
      </os>
      <features>
        <acpi/>
        <apic/>
      </features>
      <cpu>
        <topology sockets='1' cores='4' threads='1'/>
      </cpu>
      <clock offset='utc'>
        <timer name='rtc' tickpolicy='catchup'/>
        <timer name='pit' tickpolicy='delay'/>
        <timer name='hpet' present='no'/>
      </clock>
      <on_poweroff>destroy</on_poweroff>
      <on_reboot>restart</on_reboot>
      <on_crash>destroy</on_crash>
      <devices>
        <disk type='file' device='disk'>
          <driver name='qemu' type='qcow2' cache='none' discard='unmap'/>
          <source file='[host]/images/web.qcow2'/>
          <backingStore type='file'>
            <format type='qcow2'/>
            <source file='[host]/images/base.qcow2'>
              <seclabel model='dac' relabel='no'/>
            </source>
            <backingStore/>
          </backingStore>
          <target dev='sda' bus='scsi'/>
          <serial>A1</serial>
        </disk>
        <disk type='file' device='disk'>
          <driver name='qemu' type='qcow2'/>
          <source file='[host]/images/base.qcow2'/>
          <target dev='vda' bus='virtio'/>
          <readonly/>
        </disk>
        <disk type='file' device='cdrom'>
          <driver name='qemu' type='raw'/>
          <source file='[host]/images/base.qcow2'/>
          <target dev='sdb' bus='sata'/>
          <readonly/>
        </disk>
        <controller type='scsi' model='virtio-scsi'/>
        <interface type='bridge'>
          <mac address='[mac]'/>
          <source bridge='br0'/>
          <model type='e1000e'/>
          <mtu size='9000'/>
        </interface>
        <interface type='user'>
          <mac address='[mac]'/>
          <model type='virtio'/>
        </interface>
        <serial type='pty'>
          <target port='0'/>
        </serial>
        <console type='pty'>
          <target type='serial' port='0'/>
        </console>
        <channel type='unix'>
          <target type='virtio' name='org.qemu.guest_agent.0'/>
        </channel>
        <graphics type='spice' port='5930' autoport='no'>
          <listen type='address' address='127.0.0.1'/>
        </graphics>
        <channel type='spicevmc'>
          <target type='virtio' name='com.redhat.spice.0'/>
        </channel>
        <video>
          <model type='virtio'/>
        </video>
        <tpm model='tpm-crb'>
          <backend type='emulator' version='2.0'/>
        </tpm>
        <rng model='virtio'>
          <backend model='random'>/dev/urandom</backend>
        </rng>
        <memballoon model='virtio'/>
      </devices>
    </domain>
    ");
}

#[test]
fn many_guests_get_an_overlay_each_and_the_base_is_sealed() {
    let host = host();
    let line = "--name lab-{n:02} --count 3 --disk backing=base.qcow2 --disk size=2M --dir .";
    assert_snapshot!(import(&host, &format!("{line} --dry-run")).success(), @"
    lock [host]/images/base.qcow2 against writers
    seal [host]/images/base.qcow2 (mode 0444, immutable)
    create overlay [host]/images/lab-01.qcow2 on [host]/images/base.qcow2
    create qcow2 image [host]/images/lab-01-vdb.qcow2, 2 MiB of nothing
    define domain 'lab-01' (UUID [uuid])
    create overlay [host]/images/lab-02.qcow2 on [host]/images/base.qcow2
    create qcow2 image [host]/images/lab-02-vdb.qcow2, 2 MiB of nothing
    define domain 'lab-02' (UUID [uuid])
    create overlay [host]/images/lab-03.qcow2 on [host]/images/base.qcow2
    create qcow2 image [host]/images/lab-03-vdb.qcow2, 2 MiB of nothing
    define domain 'lab-03' (UUID [uuid])
    ");
    assert_snapshot!(import(&host, line).success(), @"
    [uuid]
    [uuid]
    [uuid]
    --- stderr ---
    Sealed [host]/images/base.qcow2 ([sealed]); `vmkin base unseal [host]/images/base.qcow2` opens it again.
    Made 3 domains of base.qcow2: 'lab-01' to 'lab-03'.
    ");
    let mode = fs::metadata(host.image("base.qcow2"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o444);
    for name in ["lab-01.qcow2", "lab-03.qcow2", "lab-03-vdb.qcow2"] {
        assert!(host.image(name).is_file(), "{name}");
    }
}

#[test]
fn clone_makes_guests_of_a_bare_image_too() {
    let host = host();
    let base = host.image("base.qcow2").display().to_string();
    let outcome = host.vmkin(&format!(
        "clone --base {base} --template minimal web --print-xml"
    ));
    let outcome = outcome.success();
    assert!(outcome.stdout().contains("<name>web</name>"), "{outcome}");
    host.vmkin(&format!("clone --base {base} --template minimal web"))
        .success();
    assert!(host.image("web.qcow2").is_file());
    host.vmkin(&format!("clone --base {base} -d web x"))
        .fails(2, "cannot be used with");
    host.vmkin("clone --template minimal -d web x")
        .fails(2, "--base");
    host.vmkin("clone --base /none x")
        .fails(3, "there is no image /none");
}

#[test]
fn a_domain_that_has_the_image_is_in_the_way() {
    let host = host();
    host.add(Guest::new("first").disk("vda", "qcow2", &host.image("base.qcow2")));
    assert_snapshot!(import(&host, "--name web --disk base.qcow2"), @"
    --- stderr ---
    error: [host]/images/base.qcow2 is a disk of domain 'first' already
      hint: give the guest an overlay on it: `--disk backing=[host]/images/base.qcow2`
    --- exit 5 ---
    ");
    host.add(
        Guest::new("first")
            .disk("vda", "qcow2", &host.image("base.qcow2"))
            .state(1),
    );
    assert_snapshot!(import(&host, "--name web --disk backing=base.qcow2"), @"
    --- stderr ---
    error: [host]/images/base.qcow2 is a disk of domain 'first', which is running, and must be shut off
      hint: shut it down first: `vmkin shutdown -d first --wait`
    --- exit 4 ---
    ");
}

#[test]
fn what_cannot_be_understood_is_exit_2_and_leaves_nothing() {
    let disk = "--name web --disk base.qcow2";
    for (line, says) in [
        ("--name web/1 --disk base.qcow2", "cannot contain '/'"),
        ("--disk base.qcow2", "required"),
        (
            "--name web --disk base.qcow2,buss=ide",
            "did you mean 'bus'?",
        ),
        ("--name web --disk size=1GG", "a size is a number"),
        ("--name web --disk size=8E", "8 EiB"),
        ("--name web --disk size=0.1", "whole bytes"),
        ("--name web --disk size=-1", "a size is a number"),
        (&format!("{disk} --memory 1e3"), "a size is a number"),
        (&format!("{disk} --vcpus 0"), "between 1 and"),
        (&format!("{disk} --vcpus 2,cores=3"), "must be 2"),
        (&format!("{disk} --cpu host,vmx"), "no feature"),
        (
            &format!("{disk} --network netwrok=default"),
            "did you mean 'network'?",
        ),
        (
            &format!("{disk} --graphics vnc,password=x"),
            "password-file=",
        ),
        (&format!("{disk} --boot uefii"), "did you mean 'uefi'?"),
        (&format!("{disk} --os-variant centos7.x"), "centos7.0"),
        (&format!("{disk} --os-variant detect=on"), "must be named"),
        (&format!("{disk} --set nothing=1"), "does not speak of it"),
        (&format!("{disk} --set name=1"), "option of its own"),
        (&format!("{disk} --set 1=1"), "is no name"),
        (&format!("{disk} --count 2"), "no counter"),
        (&format!("{disk} --mac 1"), "MAC"),
        (&format!("{disk} --virt-type kmv"), "did you mean 'kvm'?"),
        (
            "--name w{n} --count 2 --disk base.qcow2",
            "2 guests would write to it",
        ),
    ] {
        refused(line, 2, says);
    }
}

#[test]
fn other_mistakes_have_codes_of_their_own() {
    for (line, code, says) in [
        ("--name web --disk none.qcow2", 3, "there is no image"),
        (
            "--name web --disk backing=none.qcow2",
            3,
            "there is no image",
        ),
        (
            "--name web --disk size=1 --pool nowhere",
            3,
            "no storage pool",
        ),
        (
            "--name web --disk base.qcow2 --template sever",
            3,
            "no template 'sever'",
        ),
        ("--name web --disk /dev/null", 4, "is no file"),
        ("--name web --disk .", 4, "is a directory"),
        ("--name web --disk base.qcow2,size=1", 5, "exists already"),
        (
            "--name web --disk base.qcow2 --arch s390x",
            8,
            "cannot run s390x",
        ),
        (
            "--name web --disk base.qcow2 --virt-type kvm",
            8,
            "with 'kvm' here",
        ),
        ("--name web --disk base.qcow2,format=vmdk", 9, "not safe"),
    ] {
        refused(line, code, says);
    }
}

#[test]
fn a_password_of_a_screen_is_in_the_xml_and_nowhere_else() {
    let host = host();
    let file = host.root().join("home/secret");
    fs::write(&file, "hunter22\n").unwrap();
    let line = format!(
        "--name web --disk base.qcow2 --graphics vnc,password-file={} --print-xml",
        file.display()
    );
    let public = import(&host, &line).success();
    assert!(!public.to_string().contains("hunter22"), "{public}");
    let all = import(&host, &format!("{line} --security-info")).success();
    assert!(all.stdout().contains("passwd='hunter22'"), "{all}");
    fs::write(&file, "much too long for VNC\n").unwrap();
    import(&host, &line).fails(2, "8 at the most");
}

#[test]
fn templates_are_listed_shown_and_rendered() {
    let host = Host::new();
    assert_snapshot!(host.vmkin("template list").success(), @"
    Name     From   What it is for
    server   vmkin  A server: virtio devices and a serial console, a screen only if asked for
    desktop  vmkin  A desktop: a screen on this host alone, sound, a pointer that follows the mouse
    minimal  vmkin  As little as boots: disks, interfaces, a serial console
    lean     vmkin  For hundreds of small guests on one host: no USB, no balloon, no watchdog, nothing that takes time to start
    windows  vmkin  Windows: Hyper-V's interfaces, a clock in local time, a screen on this host alone
    ");
    let shown = host.vmkin("template show lean").success();
    assert!(shown.stdout().contains("{{> disks}}"), "{shown}");
    let rendered = host.vmkin("template render lean --name x").success();
    assert!(rendered.stdout().contains("<name>x</name>"), "{rendered}");
    host.vmkin("template render leen")
        .fails(3, "did you mean lean?");
    let dir = host.root().join("home/.config/vmkin/templates");
    fs::create_dir_all(&dir).unwrap();
    let own = "{{!-- Mine --}}\n<domain type='{{type}}'>{{> identity}}{{> resources}}{{> os}}\
               <description>{{role}}</description><devices>{{> disks}}{{> interfaces}}</devices></domain>";
    fs::write(dir.join("own.xml.hbs"), own).unwrap();
    let rendered = host
        .vmkin_args(&["template", "render", "own", "--set", "role=<&>"])
        .success();
    assert!(rendered.stdout().contains("&lt;&amp;&gt;"), "{rendered}");
    host.vmkin("template render own")
        .fails(2, "there is no variable 'role'");
    let listed = host.vmkin("template list").success();
    assert!(listed.stdout().contains("Mine"), "{listed}");
}
