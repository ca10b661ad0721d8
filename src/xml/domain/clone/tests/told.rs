//! What tells a guest who it is.

use super::*;
use crate::model::{Credential, Smbios};

fn smbios(instance: bool, required: bool) -> Smbios {
    Smbios {
        instance: instance.then(|| (NEW_UUID.parse().unwrap(), "web-01.lab".parse().unwrap())),
        credentials: vec![
            Credential {
                name: "system.hostname",
                value: "web-01.lab".to_owned(),
            },
            Credential {
                name: "system.machine_id",
                value: NEW_UUID.replace('-', ""),
            },
            Credential {
                name: "ssh.authorized_keys.root",
                value: "ssh-ed25519 AAAA a&<\n".to_owned(),
            },
        ],
        required,
    }
}

fn told_by(smbios: Smbios) -> Clone {
    Clone {
        smbios: Some(smbios),
        ..Clone::default()
    }
}

fn seeded() -> Clone {
    Clone {
        seed: Some("/images/web-01-seed.img"),
        ..Clone::default()
    }
}

const OS: &str = "  <os>\n    <type arch='x86_64'>hvm</type>\n  </os>\n";

fn top_of(clone: &Clone, top: &str) -> (String, Vec<String>) {
    let Rewritten { xml, notes } = clone.of(&domain(top, "")).unwrap();
    let from = xml.find("  <sysinfo").or(xml.find("  <os")).unwrap();
    let to = xml.find("  <devices>").unwrap();
    (xml[from..to].to_owned(), told(&notes))
}

#[test]
fn tables_are_made_where_there_are_none() {
    let (xml, notes) = top_of(&told_by(smbios(true, true)), OS);
    assert!(notes.is_empty(), "{notes:?}");
    insta::assert_snapshot!(xml, @r"
      <sysinfo type='smbios'>
        <system>
          <entry name='serial'>ds=nocloud;i=00000000-0000-4000-8000-000000000007;h=web-01.lab</entry>
        </system>
        <oemStrings>
          <entry>io.systemd.credential:system.hostname=web-01.lab</entry>
          <entry>io.systemd.credential:system.machine_id=00000000000040008000000000000007</entry>
          <entry>io.systemd.credential.binary:ssh.authorized_keys.root=c3NoLWVkMjU1MTkgQUFBQSBhJjwK</entry>
        </oemStrings>
      </sysinfo>
      <os>
        <type arch='x86_64'>hvm</type>
        <smbios mode='sysinfo'/>
      </os>
    ");
    // Nothing but strings where the serial number is not needed.
    let (xml, _) = top_of(&told_by(smbios(false, false)), OS);
    assert!(
        !xml.contains("<system>") && xml.contains("<oemStrings>"),
        "{xml}"
    );
}

#[test]
fn what_others_have_in_tables_stays() {
    let theirs = "  <sysinfo type='fwcfg'>\n    <entry name='opt/x'>y</entry>\n  </sysinfo>\n  \
        <sysinfo type='smbios'>\n    <bios>\n      <entry name='vendor'>ACME</entry>\n    </bios>\n    \
        <system>\n      <entry name='serial'>42</entry>\n    </system>\n    <oemStrings>\n      \
        <entry>theirs</entry>\n      <entry>io.systemd.credential:system.hostname=old</entry>\n      \
        <entry>io.systemd.credential.binary:system.hostname=b2xk</entry>\n      \
        <entry>io.systemd.credential:other=x</entry>\n    </oemStrings>\n  </sysinfo>\n  \
        <os>\n    <smbios mode='emulate'/>\n  </os>\n";
    let (xml, notes) = top_of(&told_by(smbios(true, true)), theirs);
    assert_eq!(
        notes,
        ["Warning: the SMBIOS serial number '42' stays, so cloud-init is told nothing by it"]
    );
    insta::assert_snapshot!(xml, @r"
      <sysinfo type='fwcfg'>
        <entry name='opt/x'>y</entry>
      </sysinfo>
      <sysinfo type='smbios'>
        <bios>
          <entry name='vendor'>ACME</entry>
        </bios>
        <system>
          <entry name='serial'>42</entry>
        </system>
        <oemStrings>
          <entry>theirs</entry>
          <entry>io.systemd.credential:system.hostname=web-01.lab</entry>
          <entry>io.systemd.credential:other=x</entry>
          <entry>io.systemd.credential:system.machine_id=00000000000040008000000000000007</entry>
          <entry>io.systemd.credential.binary:ssh.authorized_keys.root=c3NoLWVkMjU1MTkgQUFBQSBhJjwK</entry>
        </oemStrings>
      </sysinfo>
      <os>
        <smbios mode='sysinfo'/>
      </os>
    ");
    // Left as it is by who is told nothing.
    assert_eq!(
        top_of(&Clone::default(), theirs),
        (theirs.to_owned(), vec![])
    );
}

#[test]
fn tables_without_entries_get_some() {
    for tables in [
        "<sysinfo type='smbios'/>",
        "<sysinfo type='smbios'></sysinfo>",
        "<sysinfo type='smbios'><system/><oemStrings/></sysinfo>",
        "<sysinfo type='smbios'>\n    <system>\n    </system>\n  </sysinfo>",
    ] {
        let (xml, _) = top_of(
            &told_by(smbios(true, true)),
            &format!("  {tables}\n  <os/>\n"),
        );
        assert_eq!(xml.matches("<entry").count(), 4, "{xml}");
        assert_eq!(xml.matches("<oemStrings>").count(), 1, "{xml}");
        assert_eq!(xml.matches("<system>").count(), 1, "{xml}");
        assert!(
            xml.contains("<os><smbios mode='sysinfo'/></os>") || xml.contains("<smbios mode"),
            "{xml}"
        );
    }
}

#[test]
fn what_the_golden_domain_was_told_is_not_told_to_a_clone() {
    let golden = "  <sysinfo type='smbios'>\n    <system>\n      \
        <entry name='serial'>ds=nocloud;i=11111111-2222-4333-8444-555555555555;h=golden</entry>\n    \
        </system>\n    <oemStrings>\n      <entry>io.systemd.credential:system.hostname=golden</entry>\n      \
        <entry>io.systemd.credential:system.machine_id=11111111222243338444555555555555</entry>\n    \
        </oemStrings>\n  </sysinfo>\n  <os>\n    <smbios mode='sysinfo'/>\n  </os>\n";
    let (xml, notes) = top_of(&Clone::default(), golden);
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(
        xml,
        "  <sysinfo type='smbios'>\n  </sysinfo>\n  <os>\n    <smbios mode='sysinfo'/>\n  </os>\n"
    );
    let (xml, notes) = top_of(&told_by(smbios(true, true)), golden);
    assert!(notes.is_empty(), "{notes:?}");
    assert!(
        !xml.contains("golden") && !xml.contains("11111111"),
        "{xml}"
    );
    assert!(
        xml.contains("ds=nocloud;i=00000000-0000-4000-8000-000000000007;h=web-01.lab"),
        "{xml}"
    );
    // Beside others' entries, ours alone go.
    let mixed = golden.replace(
        "    <oemStrings>\n",
        "    <oemStrings>\n      <entry>theirs</entry>\n",
    );
    let (xml, _) = top_of(&Clone::default(), &mixed);
    assert!(
        xml.contains("<oemStrings>\n      <entry>theirs</entry>\n    </oemStrings>"),
        "{xml}"
    );
}

#[test]
fn a_guest_that_sees_the_host_cannot_be_told() {
    let host = "  <os>\n    <smbios mode='host'/>\n  </os>\n";
    let (xml, notes) = top_of(&told_by(smbios(true, false)), host);
    assert_eq!(xml, host);
    assert_eq!(notes.len(), 1, "{notes:?}");
    let error = told_by(smbios(true, true))
        .of(&domain(host, ""))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
    let error = told_by(smbios(true, true)).of(&domain("", "")).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
}

#[test]
fn a_seed_is_a_disk_on_virtio_that_cannot_be_written_to() {
    let disk = "    <disk type='file' device='disk'>\n      <target dev='vda' bus='virtio'/>\n    </disk>\n";
    let more = "    <controller type='usb'/>\n";
    let clone = Clone {
        disks: vec![Clone::disk("vda")],
        ..seeded()
    };
    let (xml, notes) = devices_of(&clone, &format!("{disk}{more}"));
    assert!(notes.is_empty(), "{notes:?}");
    assert!(
        xml.ends_with(
            "    </disk>\n    <disk type='file' device='disk'>\n      <driver name='qemu' type='raw'/>\n      \
             <source file='/images/web-01-seed.img'/>\n      <target dev='vdb' bus='virtio'/>\n      \
             <readonly/>\n    </disk>\n    <controller type='usb'/>\n"
        ),
        "{xml}"
    );
    // Where there is no disk.
    let (xml, _) = devices_of(&seeded(), "    <emulator>/q</emulator>\n");
    assert!(
        xml.starts_with("    <emulator>/q</emulator>\n    <disk"),
        "{xml}"
    );
    assert!(xml.contains("dev='vda'"), "{xml}");
    let (xml, _) = devices_of(&seeded(), more);
    assert!(xml.contains("dev='vda'"), "{xml}");
}

#[test]
fn a_seed_of_the_golden_domain_is_not_shared() {
    let lineage = format!(
        "  <metadata><v:clone xmlns:v='urn:vmkin-clone:1' mode='linked' time='t'>\
         <v:golden name='g' uuid='{OLD_UUID}'/><v:file path='/images/golden-seed.img'/>\
         </v:clone></metadata>\n"
    );
    let old = "    <disk type='file' device='disk'>\n      <source file='/images/golden-seed.img'/>\n      \
        <target dev='vdb' bus='virtio'/>\n      <readonly/>\n      <address type='pci' slot='0x05'/>\n    </disk>\n";
    let of = |clone: &Clone, devices: &str| {
        let Rewritten { xml, notes } = clone.of(&domain(&lineage, devices)).unwrap();
        let from = xml.find("<devices>\n").unwrap() + "<devices>\n".len();
        (
            xml[from..xml.find("  </devices>").unwrap()].to_owned(),
            told(&notes),
        )
    };
    let (xml, notes) = of(&Clone::default(), old);
    assert_eq!(xml, "");
    assert_eq!(
        notes,
        ["Dropped: disk vdb, which tells the golden domain who it is, was dropped"]
    );
    let (xml, notes) = of(&seeded(), old);
    assert!(notes.is_empty(), "{notes:?}");
    assert!(
        xml.contains("web-01-seed.img") && !xml.contains("golden-seed"),
        "{xml}"
    );
    assert!(xml.contains("dev='vdb'") && !xml.contains("slot"), "{xml}");
    // Another read-only disk is none.
    let other = old.replace("golden-seed", "tools");
    let (xml, notes) = of(&Clone::default(), &other);
    assert_eq!(xml, other);
    assert!(notes[0].starts_with("Shared: "), "{notes:?}");
}
