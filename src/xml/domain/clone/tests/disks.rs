//! Disks.

use super::*;

fn disk(inner: &str) -> String {
    format!("    <disk type='file' device='disk'>{inner}<target dev='vda'/></disk>\n")
}

#[test]
fn an_overlay_is_qcow2_over_the_true_chain() {
    let mut new = Clone::disk("vda");
    new.backing = vec![
        BackingLayer {
            source: DiskSource::File("/mid&.qcow2".into()),
            format: ImageFormat::Qcow2,
            keep_owner: true,
        },
        BackingLayer {
            source: DiskSource::Block("/dev/base".into()),
            format: ImageFormat::Raw,
            keep_owner: false,
        },
    ];
    let (out, _) = devices_of(
        &Clone::with(new),
        &disk(
            "<driver name='qemu' type='raw'/><source file='/g' index='1'/><backingStore type='file'><format type='raw'/><source file='/lie'/></backingStore>",
        ),
    );
    assert_eq!(
        out,
        disk(
            "<driver name='qemu' type='qcow2'/><source file='/new.qcow2'/><backingStore type='file'><format type='qcow2'/><source file='/mid&amp;.qcow2'><seclabel model='dac' relabel='no'/></source><backingStore type='block'><format type='raw'/><source dev='/dev/base'/><backingStore/></backingStore></backingStore>"
        )
    );
}

#[test]
fn a_copy_has_no_chain_left_over() {
    let old = disk(
        "<source file='/g'/><backingStore type='file'><format type='raw'/><source file='/b'/><backingStore/></backingStore>",
    );
    let (out, _) = devices_of(&Clone::with(Clone::disk("vda")), &old);
    assert_eq!(
        out,
        disk("<driver name='qemu' type='qcow2'/><source file='/new.qcow2'/><backingStore/>")
    );
    let unknown = NewDisk {
        chain_known: false,
        ..Clone::disk("vda")
    };
    let (out, _) = devices_of(&Clone::with(unknown), &old);
    assert_eq!(
        out,
        disk("<driver name='qemu' type='qcow2'/><source file='/new.qcow2'/>")
    );
}

#[test]
fn what_belonged_to_the_old_image_goes_and_the_rest_stays() {
    let clone = Clone::with(NewDisk {
        format: ImageFormat::Raw,
        ..Clone::disk("vda")
    });
    let (out, notes) = devices_of(
        &clone,
        "    <disk type='network' device='disk' snapshot='no'>\n      <driver name='qemu' type='qcow2' cache='none'>\n        <metadata_cache>\n          <max_size>1</max_size>\n        </metadata_cache>\n      </driver>\n      <auth username='u'/>\n      <source protocol='rbd' name='p/g' startupPolicy='optional'>\n        <reservations managed='yes'/>\n      </source>\n      <mirror job='copy'/>\n      <target dev='vda' bus='virtio'/>\n      <iotune><total_iops_sec>1</total_iops_sec></iotune>\n      <serial>S</serial>\n      <wwn>5000c50015ea71aa</wwn>\n    </disk>\n",
    );
    assert_eq!(
        out,
        "    <disk type='file' device='disk' snapshot='no'>\n      <driver name='qemu' type='raw' cache='none'>\n      </driver>\n      <source file='/new.qcow2' startupPolicy='optional'/>\n      <backingStore/>\n      <target dev='vda' bus='virtio'/>\n      <iotune><total_iops_sec>1</total_iops_sec></iotune>\n      <serial>S</serial>\n      <wwn>5525400008000047</wwn>\n    </disk>\n"
    );
    assert_eq!(notes, ["Reset: disk vda got a new WWN"]);
}

#[test]
fn a_volume_stays_a_volume() {
    let clone = Clone::with(NewDisk {
        source: DiskSource::Volume {
            pool: "p".to_owned(),
            volume: "a'b".to_owned(),
        },
        ..Clone::disk("vda")
    });
    let (out, _) = devices_of(
        &clone,
        "    <disk type='volume'><driver type='raw'/><source pool='p' volume='g' mode='host'/><target dev='vda'/></disk>\n",
    );
    assert_eq!(
        out,
        "    <disk type='volume'><driver type='qcow2'/><source pool='p' volume='a&apos;b'/><backingStore/><target dev='vda'/></disk>\n"
    );
}

#[test]
fn a_disk_of_target_and_nothing_else_gets_all_it_needs() {
    let clone = Clone::with(Clone::disk("vda"));
    let (out, _) = devices_of(
        &clone,
        "    <disk>\n      <target dev='vda'/>\n    </disk>\n",
    );
    assert_eq!(
        out,
        "    <disk type='file'>\n      <driver name='qemu' type='qcow2'/>\n      <source file='/new.qcow2'/>\n      <backingStore/>\n      <target dev='vda'/>\n    </disk>\n"
    );
}

#[test]
fn shared_disks_stay_and_are_told_about() {
    let share = |inner: &str| disk(&format!("<source file='/s'/>{inner}"));
    for (inner, why) in [
        ("<readonly/>", "it is read-only"),
        ("<shareable/>", "it is shareable"),
        ("<transient shareBacking='yes'/>", "it is transient"),
        ("", "both write to it"),
    ] {
        assert_eq!(
            kept(&share(inner)),
            [format!(
                "Shared: disk vda (/s) is shared with the golden domain: {why}"
            )]
        );
    }
    assert_eq!(kept(&share("<transient/>")).len(), 2);
    let empty = "    <disk type='file' device='cdrom'><target dev='sda'/><readonly/></disk>\n";
    assert_eq!(kept(empty), [""; 0]);
    let (out, _) = devices(&disk("<source file='/s' index='1'/><readonly/>"));
    assert_eq!(out, disk("<source file='/s'/><readonly/>"));
}

#[test]
fn what_cannot_be_cloned_is_refused() {
    let clone = Clone::with(Clone::disk("vda"));
    let kind = |clone: &Clone, inner: &str| clone.of(&domain("", &disk(inner))).unwrap_err().kind();
    let luks = "<encryption format='luks'/>";
    assert_eq!(kind(&clone, luks), Kind::WrongState);
    assert_eq!(
        kind(&clone, &format!("<source file='/g'>{luks}</source>")),
        Kind::WrongState
    );
    assert_eq!(kind(&Clone::with(Clone::disk("vdz")), ""), Kind::NotFound);
    let on = |source| {
        Clone::with(NewDisk {
            source,
            ..Clone::disk("vda")
        })
    };
    assert_eq!(kind(&on(DiskSource::Empty), ""), Kind::WrongState);
    let newline = on(DiskSource::File("/a\nb".into()));
    assert_eq!(kind(&newline, ""), Kind::Usage);
}

#[test]
fn each_disk_has_another_wwn() {
    let one = |target: &str| {
        format!(
            "    <disk><source file='/{target}'/><target dev='{target}'/><wwn>5000c50015ea71aa</wwn></disk>\n"
        )
    };
    let clone = Clone {
        disks: vec![Clone::disk("vda"), Clone::disk("vdb")],
        ..Clone::default()
    };
    let (out, _) = devices_of(&clone, &format!("{}{}", one("vda"), one("vdb")));
    assert!(out.contains("<wwn>5525400008000047</wwn>"), "{out}");
    assert!(out.contains("<wwn>5525400008000048</wwn>"), "{out}");
}

#[test]
fn a_scsi_device_that_becomes_an_image_is_a_plain_disk() {
    let lun = "    <disk type='block' device='lun' sgio='filtered' rawio='yes'><driver type='raw'/><source dev='/dev/g'/><target dev='sda'/></disk>\n";
    let (out, notes) = devices_of(&Clone::with(Clone::disk("sda")), lun);
    assert_eq!(
        out,
        "    <disk type='file' device='disk'><driver type='qcow2'/><source file='/new.qcow2'/><backingStore/><target dev='sda'/></disk>\n"
    );
    assert!(notes[0].starts_with("Reset"), "{notes:?}");
    let copy = Clone::with(NewDisk {
        source: DiskSource::Block("/dev/copy".into()),
        format: ImageFormat::Raw,
        chain_known: false,
        ..Clone::disk("sda")
    });
    let (out, _) = devices_of(&copy, lun);
    assert_eq!(out, lun.replace("/dev/g", "/dev/copy"));
}

#[test]
fn an_export_keeps_the_element_that_leads_to_it() {
    let export = |port| {
        let host = "nas".to_owned();
        NbdExport::new(NbdServer::Tcp { host, port }, "a&b").unwrap()
    };
    let on = |port| {
        Clone::with(NewDisk {
            backing: vec![BackingLayer {
                source: DiskSource::Network(export(port).into()),
                format: ImageFormat::Raw,
                keep_owner: false,
            }],
            ..Clone::disk("vda")
        })
    };
    let source = |index: &str| {
        format!(
            "<source protocol=\"nbd\"  name='a&#38;b'{index} tls='no'><!-- x -->\n <host name='nas' port='9'/><reconnect delay='5'/></source>"
        )
    };
    let old = format!(
        "    <disk type='network' device='disk'><driver name='qemu' type='raw' cache='none'/>{}<target dev='vda'/></disk>\n",
        source(" index='3'")
    );
    let (out, _) = devices_of(&on(9), &old);
    let new = format!(
        "    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='/new.qcow2'/><backingStore type='network'><format type='raw'/>{}<backingStore/></backingStore><target dev='vda'/></disk>\n",
        source("")
    );
    assert_eq!(out, new);
    // A clone of the clone finds it one level down.
    assert_eq!(devices_of(&on(9), &new).0, new);
    let error = on(10).of(&domain("", &old)).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongState);
}
