//! What is read out of domain XML, and what is refused.

use std::path::Path;

use super::*;

fn domain(inner: &str) -> String {
    format!("<domain type='kvm'><name>golden</name>{inner}</domain>")
}

fn devices(inner: &str) -> Result<DomainFacts> {
    read(&domain(&format!("<devices>{inner}</devices>")))
}

fn one_disk(inner: &str) -> Disk {
    let disk = format!("<disk type='file'>{inner}<target dev='vda' bus='virtio'/></disk>");
    devices(&disk).unwrap().disks.remove(0)
}

#[test]
fn memory_has_all_units_of_libvirts() {
    let memory = |xml: &str| read(&domain(xml)).map(|facts| facts.memory_bytes);
    for (unit, bytes) in [
        ("", 3 << 10),
        (" unit='b'", 3),
        (" unit='bytes'", 3),
        (" unit='KB'", 3_000),
        (" unit='k'", 3 << 10),
        (" unit='KiB'", 3 << 10),
        (" unit='MB'", 3_000_000),
        (" unit='M'", 3 << 20),
        (" unit='MiB'", 3 << 20),
        (" unit='GB'", 3_000_000_000),
        (" unit='g'", 3 << 30),
        (" unit='GiB'", 3 << 30),
        (" unit='TiB'", 3 << 40),
        (" unit='PB'", 3_000_000_000_000_000),
        (" unit='EiB'", 3 << 60),
    ] {
        let xml = format!("<memory{unit}> 3 </memory>");
        assert_eq!(memory(&xml).unwrap(), bytes, "{unit}");
    }
    let both = "<memory unit='GiB'>2</memory><currentMemory unit='GiB'>1</currentMemory>";
    assert_eq!(memory(both).unwrap(), 1 << 30);
    assert_eq!(memory("").unwrap(), 0);
    for bad in [
        "<memory>-1</memory>",
        "<memory>1e3</memory>",
        "<memory></memory>",
        "<memory unit='furlong'>1</memory>",
        "<memory unit='EiB'>99</memory>",
    ] {
        assert_eq!(memory(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
    }
}

#[test]
fn processors_are_those_it_starts_with() {
    let vcpus = |xml: &str| read(&domain(xml)).unwrap().vcpus;
    assert_eq!(vcpus("<vcpu>4</vcpu>"), 4);
    assert_eq!(vcpus("<vcpu current='2'>4</vcpu>"), 2);
    assert_eq!(vcpus(""), 1);
    assert!(read(&domain("<vcpu>many</vcpu>")).is_err());
}

#[test]
fn a_disk_is_where_its_source_says() {
    let of = |kind: &str, source: &str| {
        let disk = format!("<disk type='{kind}'>{source}<target dev='vda'/></disk>");
        devices(&disk).unwrap().disks.remove(0).source
    };
    assert_eq!(
        of("file", "<source file='/a&amp;b'/>"),
        DiskSource::File("/a&b".into())
    );
    assert_eq!(
        of("block", "<source dev='/dev/a'/>"),
        DiskSource::Block("/dev/a".into())
    );
    assert_eq!(
        of("volume", "<source pool='p' volume='v'/>"),
        DiskSource::Volume {
            pool: "p".to_owned(),
            volume: "v".to_owned()
        }
    );
    let export = of(
        "network",
        "<source protocol='nbd' name='x'><host name='h'/></source>",
    );
    assert_eq!(export.to_string(), "nbd:x");
    assert!(matches!(export, DiskSource::Network(n) if n.export.is_ok()));
    assert_eq!(
        of("vhostuser", "<source path='/s'/>"),
        DiskSource::Other("vhostuser".to_owned())
    );
    for empty in [
        "",
        "<source startupPolicy='optional'/>",
        "<source file=''/>",
    ] {
        assert_eq!(of("file", empty), DiskSource::Empty);
    }
}

#[test]
fn the_declared_chain_is_read_to_its_end() {
    let layer = |path: &str, format, below: &str| {
        format!("<backingStore type='file'>{format}<source file='{path}'/>{below}</backingStore>")
    };
    let raw = "<format type='raw'/>";
    let disk = one_disk(&layer("/mid", "", &layer("/base", raw, "<backingStore/>")));
    assert!(disk.declared_whole);
    assert_eq!(
        disk.declared,
        [
            DeclaredLayer {
                source: DiskSource::File("/mid".into()),
                format: None
            },
            DeclaredLayer {
                source: DiskSource::File("/base".into()),
                format: Some(ImageFormat::Raw)
            },
        ]
    );
    let open = one_disk(&layer("/mid", raw, ""));
    assert!(!open.declared_whole && open.declared.len() == 1);
    let whole = one_disk("<backingStore/>");
    assert!(whole.declared_whole && whole.declared.is_empty());
}

#[test]
fn a_format_that_is_not_known_is_not_guessed() {
    assert_eq!(one_disk("").format, ImageFormat::Raw);
    assert_eq!(
        one_disk("<driver type='qcow2'/>").format,
        ImageFormat::Qcow2
    );
    for bad in [
        "<driver type='ploop'/>",
        "<backingStore type='file'><format type='ploop'/></backingStore>",
    ] {
        let error = devices(&format!("<disk>{bad}<target dev='vdb'/></disk>")).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains("'vdb'"), "{error}");
    }
}

#[test]
fn disks_that_cannot_be_told_apart_are_refused() {
    for bad in [
        "<disk/>",
        "<disk><target/></disk>",
        "<disk><target dev=''/></disk>",
        "<disk><target dev='../x'/></disk>",
        "<disk device='tape'><target dev='vda'/></disk>",
        "<disk><target dev='vda'/></disk><disk><target dev='vda'/></disk>",
    ] {
        assert_eq!(devices(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
    }
    assert_eq!(devices("").unwrap().disks, []);
    let many: String = (0..1000)
        .map(|n| format!("<disk><target dev='vd{n}'/></disk>"))
        .collect();
    assert_eq!(devices(&many).unwrap().disks.len(), 1000);
}

#[test]
fn uefi_variables_are_found_in_both_forms() {
    let nvram = |xml: &str| read(&domain(&format!("<os>{xml}</os>"))).unwrap().nvram;
    let file = |path: &str, format| {
        Some(Nvram {
            path: Some(path.into()),
            format,
        })
    };
    let none = Some(Nvram {
        path: None,
        format: ImageFormat::Raw,
    });
    assert_eq!(nvram(""), None);
    assert_eq!(
        nvram("<nvram> /a&amp;b </nvram>"),
        file("/a&b", ImageFormat::Raw)
    );
    assert_eq!(
        nvram("<nvram type='file' format='qcow2'><source file='/a'/></nvram>"),
        file("/a", ImageFormat::Qcow2)
    );
    assert_eq!(nvram("<nvram template='/t'/>"), none);
    assert_eq!(
        nvram("<nvram type='block'><source dev='/dev/a'/></nvram>"),
        none
    );
}

#[test]
fn addresses_may_be_missing_or_alike_but_not_nonsense() {
    let nic = "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='n'/></interface>";
    let facts = devices(&format!("{nic}{nic}<interface type='user'/><interface type='bridge'><source bridge='b'/><model type='virtio'/></interface><interface type='hostdev'/><hostdev/>")).unwrap();
    let sources: Vec<_> = facts.nics.iter().map(|nic| nic.source.clone()).collect();
    assert_eq!(
        sources,
        [
            NicSource::Network("n".to_owned()),
            NicSource::Network("n".to_owned()),
            NicSource::User,
            NicSource::Bridge("b".to_owned()),
            NicSource::Other("hostdev".to_owned()),
        ]
    );
    assert_eq!(facts.nics[0].mac, facts.nics[1].mac);
    assert_eq!(facts.nics[2].mac, None);
    assert_eq!(facts.hostdevs, 2);
    assert!(devices("<interface><mac address='52:54:00'/></interface>").is_err());
}

#[test]
fn of_a_password_only_its_presence_is_kept() {
    let facts = devices(
        "<graphics type='vnc' port='5901' listen='::1' passwd='s3cret'/><graphics type='spice' port='5902' autoport='yes' passwd=''><listen type='address' address='0.0.0.0'/></graphics><graphics type='vnc' port='-1'/>",
    )
    .unwrap();
    assert!(!format!("{facts:?}").contains("s3cret"));
    let seen: Vec<_> = facts
        .graphics
        .iter()
        .map(|screen| (screen.listen.as_deref(), screen.port, screen.password_set))
        .collect();
    assert_eq!(
        seen,
        [
            (Some("::1"), Some(5901), true),
            (Some("0.0.0.0"), None, false),
            (None, None, false),
        ]
    );
}

#[test]
fn the_rest_is_read_from_its_own_place() {
    let facts = read(&domain(
        "<title>t</title><description>a<!-- b -->c</description><os><type arch='x86_64' machine='q35'>hvm</type></os><devices><emulator>/usr/bin/q</emulator><tpm><backend type='emulator'/></tpm><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices>",
    ))
    .unwrap();
    assert_eq!(facts.title.as_deref(), Some("t"));
    assert_eq!(facts.description.as_deref(), Some("ac"));
    assert_eq!(facts.arch.as_deref(), Some("x86_64"));
    assert_eq!(facts.machine.as_deref(), Some("q35"));
    assert_eq!(facts.emulator.as_deref(), Some(Path::new("/usr/bin/q")));
    assert!(facts.tpm_emulator && facts.agent_channel);
    assert_eq!(facts.uuid, None);
}

#[test]
fn one_name_and_one_uuid_or_none_of_it() {
    for bad in [
        "<domain/>",
        "<domain><name/></domain>",
        "<domain><x:name xmlns:x='u'>a</x:name></domain>",
        "<domain><name>a</name><name>b</name></domain>",
        "<domain><name>a</name><devices/><devices/></domain>",
        "<domain><name>a</name><os/><devices/><os/></domain>",
        "<domain><name>a</name><metadata/><metadata/></domain>",
        "<domain><name>a<b/></name></domain>",
        "<domain><name>a</name><uuid>1</uuid></domain>",
        "<domain><name>a</name><uuid>é</uuid></domain>",
        "<domain><name>a</name><uuid/><uuid/></domain>",
    ] {
        assert_eq!(read(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
    }
    assert_eq!(
        read("<domain><name>a</name><uuid/></domain>").unwrap().uuid,
        None
    );
}
