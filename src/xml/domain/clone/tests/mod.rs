//! One claim or more for each row of the rules.

use std::path::Path;

use uuid::Uuid;

use super::*;
use crate::error::Kind;
use crate::model::{
    CloneMode, DiskSource, DomainName, ImageFormat, Lineage, Mac, NbdExport, NbdServer,
};
use crate::xml::domain::read;

mod disks;
mod properties;
mod told;

const OLD_UUID: &str = "11111111-2222-4333-8444-555555555555";
const NEW_UUID: &str = "00000000-0000-4000-8000-000000000007";

/// A domain named `golden` with this in it.
fn domain(top: &str, devices: &str) -> String {
    format!(
        "<domain type='kvm'>\n  <name>golden</name>\n  <uuid>{OLD_UUID}</uuid>\n{top}  <devices>\n{devices}  </devices>\n</domain>\n"
    )
}

struct Clone {
    disks: Vec<NewDisk>,
    hostdevs: HostdevRule,
    nvram: Option<&'static str>,
    name: &'static str,
    seed: Option<&'static str>,
    smbios: Option<crate::model::Smbios>,
}

impl Default for Clone {
    fn default() -> Self {
        Self {
            disks: Vec::new(),
            hostdevs: HostdevRule::Drop,
            nvram: Some("/nvram/web-01_VARS.fd"),
            name: "web-01",
            seed: None,
            smbios: None,
        }
    }
}

impl Clone {
    fn disk(target: &str) -> NewDisk {
        NewDisk {
            target: target.parse().unwrap(),
            source: DiskSource::File("/new.qcow2".into()),
            format: ImageFormat::Qcow2,
            backing: Vec::new(),
            chain_known: true,
        }
    }

    fn with(disk: NewDisk) -> Self {
        Self {
            disks: vec![disk],
            ..Self::default()
        }
    }

    fn of(&self, xml: &str) -> crate::error::Result<Rewritten> {
        let name: DomainName = self.name.parse().unwrap();
        let lineage = Lineage {
            golden_name: "golden".to_owned(),
            golden_uuid: OLD_UUID.parse().unwrap(),
            time: "2026-03-04T05:06:07Z".to_owned(),
            mode: CloneMode::Linked,
            disks: Vec::new(),
            files: self.seed.iter().map(Into::into).collect(),
            reservations: Vec::new(),
        };
        let macs: Vec<Mac> = (1..=9).map(|n| Mac::kvm([0, 0xff, n])).collect();
        let spec = CloneSpec {
            name: &name,
            uuid: NEW_UUID.parse().unwrap(),
            genid: Uuid::from_u128(9),
            macs: &macs,
            disks: &self.disks,
            nvram: self.nvram.map(Path::new),
            hostdevs: self.hostdevs,
            tpm_copied: false,
            seed: self.seed.map(Path::new),
            smbios: self.smbios.as_ref(),
            lineage: &lineage,
        };
        let out = rewrite(xml, &spec)?;
        let again = rewrite(&out.xml, &spec).unwrap().xml;
        assert_eq!(again, out.xml, "rewriting again changed something");
        Ok(out)
    }
}

/// What becomes of devices, with the rest of the domain taken off.
fn devices(devices: &str) -> (String, Vec<String>) {
    devices_of(&Clone::default(), devices)
}

fn devices_of(clone: &Clone, devices: &str) -> (String, Vec<String>) {
    let Rewritten { xml, notes } = clone.of(&domain("", devices)).unwrap();
    let from = xml.find("<devices>\n").unwrap() + "<devices>\n".len();
    let to = xml.find("  </devices>").unwrap();
    (xml[from..to].to_owned(), told(&notes))
}

/// What becomes of elements beside the devices.
fn top(top: &str) -> (String, Vec<String>) {
    let Rewritten { xml, notes } = Clone::default().of(&domain(top, "")).unwrap();
    let start = xml.find("<metadata>").unwrap();
    let end = xml.find("</metadata>\n").unwrap() + "</metadata>\n".len();
    let without = format!("{}{}", xml[..start].trim_end_matches(' '), &xml[end..]);
    let from = without.find("</uuid>\n").unwrap() + "</uuid>\n".len();
    let to = without.find("  <devices>").unwrap();
    (without[from..to].to_owned(), told(&notes))
}

fn told(notes: &[Note]) -> Vec<String> {
    notes
        .iter()
        .map(|note| format!("{:?}: {}", note.kind, note.message))
        .collect()
}

#[track_caller]
fn kept(xml: &str) -> Vec<String> {
    let (out, notes) = devices(xml);
    assert_eq!(out, xml);
    notes
}

#[test]
fn the_running_id_is_dropped_and_name_and_uuid_are_new() {
    let xml = domain("", "").replace("<domain type='kvm'>", "<domain type='kvm' id='7'>");
    let out = Clone::default().of(&xml).unwrap().xml;
    assert!(out.starts_with("<domain type='kvm'>\n  <name>web-01</name>\n"));
    assert!(out.contains(&format!("<uuid>{NEW_UUID}</uuid>")));
}

#[test]
fn a_name_of_entities_cdata_and_comments_is_replaced_as_a_whole() {
    let name = "<name>a&amp;b<!-- c --><![CDATA[<d>]]>&#x65;</name>";
    let xml = domain("", "").replace("<name>golden</name>", name);
    assert_eq!(read(&xml).unwrap().name, "a&b<d>e");
    let out = Clone::default().of(&xml).unwrap().xml;
    assert!(out.contains("  <name>web-01</name>\n"), "{out}");
}

#[test]
fn a_domain_without_a_uuid_gets_one() {
    let xml = domain("", "").replace(&format!("  <uuid>{OLD_UUID}</uuid>\n"), "");
    let out = Clone::default().of(&xml).unwrap().xml;
    assert!(out.contains(&format!("</name>\n  <uuid>{NEW_UUID}</uuid>\n  <metadata>")));
}

#[test]
fn decoys_stay() {
    let decoys = format!(
        "  <metadata>\n    <a:x xmlns:a='urn:a'><name>golden</name><uuid>{OLD_UUID}</uuid></a:x>\n  </metadata>\n  <x:name xmlns:x='urn:x'>golden</x:name>\n  <title xmlns='urn:y'>stays</title>\n"
    );
    let out = Clone::default().of(&domain(&decoys, "")).unwrap().xml;
    for line in decoys.lines().filter(|line| !line.contains("metadata")) {
        assert!(out.contains(line), "{line}");
    }
}

#[test]
fn the_generation_id_is_new_unless_libvirt_draws_it() {
    let new = Uuid::from_u128(9);
    let (out, _) = top("  <genid>aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee</genid>\n");
    assert_eq!(out, format!("  <genid>{new}</genid>\n"));
    assert_eq!(top("  <genid/>\n").0, "  <genid/>\n");
}

#[test]
fn the_title_is_dropped_and_the_description_stays() {
    let (out, notes) = top("  <title>The one</title>\n  <description>a &lt; b</description>\n");
    assert_eq!(out, "  <description>a &lt; b</description>\n");
    assert_eq!(notes, ["Dropped: the title 'The one' was dropped"]);
}

#[test]
fn smbios_has_the_new_uuid_and_its_serials_are_warned_about() {
    let table = |uuid: &str| {
        format!(
            "  <sysinfo type='smbios'><system><entry name='uuid'>{uuid}</entry><entry name='serial'>golden</entry></system></sysinfo>\n"
        )
    };
    let (out, notes) = top(&table(OLD_UUID));
    assert_eq!(out, table(NEW_UUID));
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("SMBIOS system serial 'golden'"));
}

#[test]
fn uefi_variables_are_a_copy_in_both_forms() {
    let (out, _) = top("  <os><nvram template='/t'>/nvram/golden_VARS.fd</nvram></os>\n");
    assert_eq!(
        out,
        "  <os><nvram template='/t'>/nvram/web-01_VARS.fd</nvram></os>\n"
    );
    let (out, _) =
        top("  <os><nvram type='file' format='qcow2'><source file='/g' index='1'/></nvram></os>\n");
    assert_eq!(
        out,
        "  <os><nvram type='file' format='qcow2'><source file='/nvram/web-01_VARS.fd'/></nvram></os>\n"
    );
    let (out, _) = top("  <os><nvram type='block'><source dev='/dev/g'/></nvram></os>\n");
    assert_eq!(
        out,
        "  <os><nvram type='file'><source file='/nvram/web-01_VARS.fd'/></nvram></os>\n"
    );
}

#[test]
fn uefi_variables_are_never_shared() {
    let clone = Clone {
        nvram: None,
        ..Clone::default()
    };
    let with = |nvram: &str| domain(&format!("  <os>{nvram}</os>\n"), "");
    for own in [
        "<nvram>/g</nvram>",
        "<nvram type='file'><source file='/g'/></nvram>",
        "<nvram type='network'><source protocol='iscsi' name='x'/></nvram>",
    ] {
        assert_eq!(clone.of(&with(own)).unwrap_err().kind(), Kind::WrongState);
    }
    // Libvirt makes these when the domain first starts.
    for none in ["<nvram/>", "<nvram template='/t'/>", "<nvram type='file'/>"] {
        assert!(clone.of(&with(none)).unwrap().xml.contains(none));
    }
}

#[test]
fn an_interface_gets_its_address_and_loses_its_name_on_the_host() {
    let (out, notes) = devices(
        "    <interface type='network'>\n      <mac address='52:54:00:00:00:01'/>\n      <target dev='tap0'/>\n    </interface>\n    <interface type='user'/>\n",
    );
    assert_eq!(
        out,
        "    <interface type='network'>\n      <mac address='52:54:00:00:ff:01'/>\n    </interface>\n    <interface type='user'>\n      <mac address='52:54:00:00:ff:02'/>\n    </interface>\n"
    );
    assert_eq!(notes.len(), 1);
}

#[test]
fn an_interface_without_an_address_left_for_it_is_an_error() {
    let nics = "    <interface type='user'/>\n".repeat(10);
    let error = Clone::default().of(&domain("", &nics)).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn switch_ports_are_new_where_libvirt_can_draw_them() {
    let port = |kind: &str| {
        format!(
            "    <interface type='bridge'><mac address='52:54:00:00:ff:01'/><virtualport type='{kind}'><parameters interfaceid='{OLD_UUID}'/></virtualport></interface>\n"
        )
    };
    let (out, _) = devices(&port("openvswitch"));
    assert!(out.contains("<virtualport type='openvswitch'></virtualport>"));
    let notes = kept(&port("midonet"));
    assert!(notes[0].starts_with("Warning"), "{notes:?}");
}

#[test]
fn sockets_logs_and_ports_of_interfaces_do_not_collide_in_silence() {
    let (out, notes) = devices(
        "    <interface type='vhostuser'><mac address='52:54:00:00:ff:01'/><source type='unix' path='/run/v0' mode='client'/></interface>\n    <interface type='user'><mac address='52:54:00:00:ff:02'/><backend type='passt' logFile='/log/golden.log'/><portForward proto='udp'/></interface>\n",
    );
    assert!(out.contains("path='/run/v0-web-01'"));
    assert!(out.contains("logFile='/log/web-01.log'"));
    assert_eq!(
        notes,
        [
            "Warning: network interface 1 (52:54:00:00:ff:01) connects to /run/v0-web-01: the switch must have that socket before the clone starts",
            "Renamed: network interface 2 (52:54:00:00:ff:02): the passt log /log/golden.log is /log/web-01.log for the clone",
            "Warning: network interface 2 (52:54:00:00:ff:02) forwards all ports of the host: only one domain can",
        ]
    );
    for exclusive in [
        "<interface type='direct'><mac address='52:54:00:00:ff:01'/><source dev='eth0' mode='passthrough'/></interface>",
        "<interface type='vdpa'><mac address='52:54:00:00:ff:01'/><source dev='/dev/vhost-vdpa-0'/></interface>",
        "<interface type='server'><mac address='52:54:00:00:ff:01'/><source port='5558'/></interface>",
    ] {
        assert!(kept(&format!("    {exclusive}\n"))[0].starts_with("Warning"));
    }
}

#[test]
fn devices_of_the_host_are_dropped_or_kept_as_asked() {
    let hostdevs = "    <interface type='hostdev'>\n      <mac address='52:54:00:00:ff:01'/>\n      <source><address type='pci' domain='0x0000' bus='0x07' slot='0x10' function='0x2'/></source>\n    </interface>\n    <hostdev mode='subsystem' type='usb'>\n      <source><vendor id='0x1234'/><product id='0xbeef'/></source>\n    </hostdev>\n    <hostdev mode='capabilities' type='misc'>\n      <source><char>/dev/input/event3</char></source>\n    </hostdev>\n";
    let (out, notes) = devices(hostdevs);
    assert_eq!(out, "");
    assert_eq!(
        notes,
        [
            "Dropped: network interface 0000:07:10.2 was dropped: two domains cannot have a device of the host at once",
            "Dropped: hostdev 1234:beef was dropped: two domains cannot have it at once",
            "Dropped: hostdev /dev/input/event3 was dropped: two domains cannot have it at once",
        ]
    );
    let keep = Clone {
        hostdevs: HostdevRule::Keep,
        ..Clone::default()
    };
    let (out, notes) = devices_of(&keep, hostdevs);
    assert_eq!(out, hostdevs);
    assert!(notes.len() == 3 && notes.iter().all(|note| note.starts_with("Warning")));
}

#[test]
fn fixed_ports_of_screens_become_automatic_and_passwords_stay() {
    let (out, notes) = devices(
        "    <graphics type='vnc' port='5900' websocket='5700' passwd='p'/>\n    <graphics type='spice' tlsPort='5901'/>\n    <graphics type='rdp' port='3389' autoport='no'/>\n",
    );
    assert_eq!(
        out,
        "    <graphics type='vnc' port='-1' websocket='-1' passwd='p' autoport='yes'/>\n    <graphics type='spice' tlsPort='-1'/>\n    <graphics type='rdp' port='-1' autoport='yes'/>\n"
    );
    assert_eq!(notes.len(), 3);
    let automatic = "    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>\n    <graphics type='sdl' display=':0'/>\n";
    assert_eq!(kept(automatic), [""; 0]);
}

#[test]
fn a_screen_on_a_socket_does_not_move_to_a_port() {
    let (out, _) = devices("    <graphics type='vnc' socket='/run/golden.vnc'/>\n");
    assert_eq!(
        out,
        "    <graphics type='vnc'>\n      <listen type='socket'/>\n    </graphics>\n"
    );
    let (out, _) = devices(
        "    <graphics type='vnc' socket='/s'>\n      <listen type='socket' socket='/s'/>\n    </graphics>\n",
    );
    assert_eq!(
        out,
        "    <graphics type='vnc'>\n      <listen type='socket'/>\n    </graphics>\n"
    );
}

#[test]
fn an_open_screen_is_warned_about() {
    for open in ["listen='0.0.0.0'", "listen='::'", "listen='::' passwd=''"] {
        let notes = kept(&format!("    <graphics type='vnc' {open}/>\n"));
        assert_eq!(
            notes,
            ["Warning: the vnc screen listens on all addresses and asks for no password"]
        );
    }
    let inside = "    <graphics type='vnc'><listen type='address' address='0.0.0.0'/></graphics>\n";
    assert_eq!(kept(inside).len(), 1);
    for closed in ["listen='0.0.0.0' passwd='p'", "listen='127.0.0.1'", ""] {
        assert_eq!(
            kept(&format!("    <graphics type='vnc' {closed}/>\n")),
            [""; 0]
        );
    }
}

#[test]
fn channels_get_a_socket_of_their_own() {
    let channel = |source: &str| {
        format!(
            "    <channel type='unix'><source {source}/><target type='virtio' name='x'/></channel>\n"
        )
    };
    let bind = channel("mode='bind'");
    for path in [
        "/var/lib/libvirt/qemu/channel/target/domain-1-golden/org.qemu.guest_agent.0",
        "/run/libvirt/qemu/channel/1-golden/org.qemu.guest_agent.0",
        "/root/.config/libvirt/qemu/channel/target/golden.x",
        "/srv/golden.sock",
    ] {
        let (out, _) = devices(&channel(&format!("mode='bind' path='{path}'")));
        assert_eq!(out, bind, "{path}");
    }
    let (out, _) = devices(&channel(&format!(
        "mode='bind' path='/srv/{OLD_UUID}.sock'"
    )));
    assert_eq!(
        out,
        channel(&format!("mode='bind' path='/srv/{NEW_UUID}.sock'"))
    );
    let (out, _) = devices(&channel("mode='connect' path='/srv/golden.sock'"));
    assert_eq!(out, channel("mode='connect' path='/srv/web-01.sock'"));
    for other in ["mode='bind' path='/srv/x'", "mode='connect' path='/srv/x'"] {
        let notes = kept(&channel(other));
        assert!(
            notes.len() == 1 && notes[0].starts_with("Warning"),
            "{notes:?}"
        );
    }
}

#[test]
fn files_and_sockets_of_consoles_have_the_name_of_the_clone() {
    let (out, notes) = devices(
        "    <serial type='file'><source path='/log/c.log'/></serial>\n    <console type='file'><source path='/log/c.log'/></console>\n    <parallel type='unix'><source mode='bind' path='/run/p'/></parallel>\n    <serial type='pty'><log file='/log/golden.txt' append='on'/></serial>\n    <serial type='file'><source path='/dev/null'/></serial>\n",
    );
    assert_eq!(
        out,
        "    <serial type='file'><source path='/log/c-web-01.log'/></serial>\n    <console type='file'><source path='/log/c-web-01.log'/></console>\n    <parallel type='unix'><source mode='bind' path='/run/p-web-01'/></parallel>\n    <serial type='pty'><log file='/log/web-01.txt' append='on'/></serial>\n    <serial type='file'><source path='/dev/null'/></serial>\n"
    );
    // The console is the serial port, and one message is enough.
    assert_eq!(notes.len(), 3);
}

#[test]
fn a_socket_path_that_is_too_long_is_warned_about() {
    let (_, notes) = devices(&format!(
        "    <serial type='unix'><source mode='bind' path='/{}'/></serial>\n",
        "x".repeat(104)
    ));
    assert!(notes[1].contains("longer than the 107 bytes"), "{notes:?}");
}

#[test]
fn ports_and_devices_of_consoles_are_warned_about() {
    for source in [
        ("tcp", "mode='bind' host='::' service='4555'"),
        ("udp", "mode='bind' host='::' service='4555'"),
        ("dev", "path='/dev/ttyS0'"),
        ("pipe", "path='/run/pipe'"),
        ("unix", "mode='connect' path='/run/x'"),
    ] {
        let (kind, attributes) = source;
        let notes = kept(&format!(
            "    <serial type='{kind}'><source {attributes}/></serial>\n"
        ));
        assert!(
            notes.len() == 1 && notes[0].starts_with("Warning"),
            "{source:?}"
        );
    }
    let connects = "    <serial type='tcp'><source mode='connect' host='h' service='1'/></serial>\n    <serial type='pty'/>\n";
    assert_eq!(kept(connects), [""; 0]);
}

#[test]
fn a_tpm_starts_empty_and_in_a_place_of_its_own() {
    let (out, notes) = devices(
        "    <tpm><backend type='emulator'><source type='file' path='/tpm'/></backend></tpm>\n",
    );
    assert_eq!(out, "    <tpm><backend type='emulator'></backend></tpm>\n");
    assert!(notes.len() == 2 && notes[1].starts_with("Reset: the TPM starts empty"));
    for shared in [
        "<backend type='passthrough'><device path='/dev/tpm0'/></backend>",
        "<backend type='external'><source type='unix' mode='connect' path='/s'/></backend>",
    ] {
        assert!(kept(&format!("    <tpm>{shared}</tpm>\n"))[0].starts_with("Warning"));
    }
}

#[test]
fn a_fixed_cid_becomes_automatic() {
    let (out, notes) = devices("    <vsock><cid address='3'/></vsock>\n");
    assert_eq!(out, "    <vsock><cid auto='yes'/></vsock>\n");
    assert_eq!(notes.len(), 1);
    let (out, notes) = devices("    <vsock><cid auto='yes' address='3'/></vsock>\n");
    assert_eq!(out, "    <vsock><cid auto='yes'/></vsock>\n");
    assert_eq!(notes, [""; 0]);
}

#[test]
fn what_two_running_clones_would_fight_over_is_warned_about() {
    for device in [
        "<shmem name='s'/>",
        "<rng model='virtio'><backend model='egd' type='unix'><source mode='connect' path='/e'/></backend></rng>",
        "<memory model='nvdimm'><source><path>/n</path></source></memory>",
        "<memory model='virtio-pmem'><source><path>/n</path></source></memory>",
        "<filesystem type='mount'><source dir='/share'/><target dir='t'/></filesystem>",
        "<filesystem type='mount'><source socket='/s'/><target dir='t'/><readonly/></filesystem>",
        "<input type='evdev'><source dev='/dev/input/event1'/></input>",
        "<lease><lockspace>l</lockspace><key>k</key><target path='/l'/></lease>",
    ] {
        let notes = kept(&format!("    {device}\n"));
        assert!(
            notes.len() == 1 && notes[0].starts_with("Warning"),
            "{device}: {notes:?}"
        );
    }
    for harmless in [
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "<memory model='dimm'><target><size>1</size></target></memory>",
        "<filesystem type='mount'><source dir='/share'/><target dir='t'/><readonly/></filesystem>",
    ] {
        assert_eq!(kept(&format!("    {harmless}\n")), [""; 0], "{harmless}");
    }
}

#[test]
fn labels_and_command_lines_that_speak_of_the_golden_domain_are_warned_about() {
    let warned = |xml: &str| {
        let (out, notes) = top(xml);
        assert_eq!(out, xml);
        notes.len()
    };
    let label = |model: &str, label: &str| {
        format!("  <seclabel type='static' model='{model}'><label>{label}</label></seclabel>\n")
    };
    assert_eq!(warned(&label("selinux", "a:b:c:s0:c1,c2")), 1);
    assert_eq!(warned(&label("dac", "+64055:+64055")), 0);
    assert_eq!(warned(&label("dac", "golden:kvm")), 1);
    assert_eq!(warned("  <seclabel type='dynamic' model='selinux'/>\n"), 0);
    let argument = |value: &str| {
        format!(
            "  <q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='{value}'/></q:commandline>\n"
        )
    };
    assert_eq!(warned(&argument("name=golden")), 1);
    assert_eq!(warned(&argument(OLD_UUID)), 1);
    assert_eq!(warned(&argument("-nodefaults")), 0);
}

#[test]
fn a_clone_of_a_clone_has_one_lineage() {
    let clone = Clone {
        name: "second",
        ..Clone::default()
    };
    let first = Clone::default().of(&domain("", "")).unwrap().xml;
    // Another prefix for the same namespace, as some tool may write it.
    let renamed = first
        .replace("vmkin:", "v:")
        .replace("xmlns:vmkin", "xmlns:v");
    for xml in [first, renamed] {
        assert!(read(&xml).unwrap().lineage.is_some());
        let second = clone.of(&xml).unwrap().xml;
        assert_eq!(second.matches("xmlns:v").count(), 1, "{second}");
    }
}

#[test]
fn a_lineage_that_somebody_changed_is_no_lineage() {
    let xml = Clone::default().of(&domain("", "")).unwrap().xml;
    for (good, bad) in [
        ("mode='linked'", "mode='borrowed'"),
        (" time=", " tine="),
        ("<vmkin:golden ", "<vmkin:silver "),
        (&format!("uuid='{OLD_UUID}'")[..], "uuid='x'"),
    ] {
        let facts = read(&xml.replace(good, bad)).unwrap();
        assert_eq!(facts.lineage, None);
        assert!(facts.lineage_damage.is_some(), "{bad}");
    }
    // Not ours: only the name is alike.
    let other = xml.replace(crate::xml::domain::LINEAGE_NAMESPACE, "urn:other");
    let facts = read(&other).unwrap();
    assert_eq!((facts.lineage, facts.lineage_damage), (None, None));
}
