use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::error::Kind;
use crate::model::import::{BootOption, GraphicsKind, NicPlace};
use crate::model::{DiskDevice, Size};
use crate::template;

fn drive(contents: Contents) -> Drive {
    Drive {
        target: "vda".parse().unwrap(),
        device: DiskDevice::Disk,
        bus: "virtio".to_owned(),
        contents,
        readonly: false,
        shareable: false,
        cache: None,
        io: None,
        discard: None,
        detect_zeroes: None,
        serial: None,
        boot_order: None,
    }
}

fn there(path: &str) -> Contents {
    Contents::There {
        source: DiskSource::File(path.into()),
        format: ImageFormat::Qcow2,
    }
}

fn blueprint(template: DomainTemplate) -> Blueprint {
    Blueprint {
        label: "x".to_owned(),
        template,
        title: None,
        description: None,
        os_id: None,
        machine: Machine {
            domain_type: "qemu".to_owned(),
            arch: "x86_64".to_owned(),
            machine: Some("q35".to_owned()),
            memory: Size(1 << 30),
            vcpus: 2,
            vcpus_most: None,
            cpu: None,
            boot: BootOption::default(),
            video: "virtio".to_owned(),
        },
        drives: vec![drive(there("/x.qcow2"))],
        nics: vec![NicOption::on(NicPlace::Network("default".to_owned()))],
        console: ConsoleOption::default(),
        screen: None,
        tpm: None,
        set: Vec::new(),
    }
}

fn shipped(name: &str) -> Blueprint {
    blueprint(template::find(name).unwrap())
}

/// A template of somebody's, in a file of this text.
fn own(text: &str) -> Blueprint {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("own.xml.hbs");
    std::fs::write(&path, text).unwrap();
    blueprint(template::find(path.to_str().unwrap()).unwrap())
}

fn render(blueprint: &Blueprint) -> Result<String> {
    let xml = blueprint.render(&Guest {
        name: &"web".parse().unwrap(),
        uuid: Uuid::from_u128(7),
        macs: &["52:54:00:00:00:07".parse().unwrap()],
        images: &[],
    });
    Ok(xml?.expose().to_owned())
}

const GOOD: &str = "<domain type='{{type}}'>{{> identity}}{{> resources}}<devices>{{> disks}}\
                    {{> interfaces}}</devices></domain>";

#[test]
fn each_template_that_is_shipped_makes_what_was_asked() {
    for template in template::all().unwrap() {
        let mut blueprint = blueprint(template);
        blueprint.screen = Some(Screen {
            kind: GraphicsKind::Spice,
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: Some(5901),
            keymap: None,
            password: Some("a'b&c".to_owned().into()),
        });
        blueprint.tpm = Some("2.0".parse().unwrap());
        blueprint.title = Some("A <title> & more".to_owned());
        let xml = render(&blueprint).unwrap();
        let facts = crate::xml::domain::read(&xml).unwrap();
        assert_eq!(facts.title.as_deref(), Some("A <title> & more"), "{xml}");
        assert!(facts.tpm_emulator, "{xml}");
        assert!(facts.graphics[0].password_set, "{xml}");
        assert_eq!(facts.graphics[0].port, Some(5901), "{xml}");
    }
}

#[test]
fn a_template_that_makes_another_domain_is_refused() {
    assert!(render(&own(GOOD)).is_ok());
    for (from, to, says) in [
        (
            "{{> identity}}",
            "<name>other</name><uuid>{{uuid}}</uuid>",
            "its name",
        ),
        ("{{> identity}}", "<name>{{name}}</name>", "its UUID"),
        ("{{> disks}}", "", "no disk vda"),
        (
            "{{> disks}}",
            "{{#each disks}}<disk type='file' device='disk'><driver name='qemu' type='raw'/>\
             <source file='{{file}}'/><target dev='{{target}}'/></disk>{{/each}}",
            "its disk vda is another",
        ),
        (
            "{{> disks}}",
            "{{> disks}}<disk type='file' device='disk'><source file='/etc/shadow'/>\
             <target dev='vdz'/></disk>",
            "a disk vdz besides",
        ),
        ("{{> interfaces}}", "", "its network interfaces"),
        (
            "{{> resources}}",
            "<memory unit='KiB'>1</memory><vcpu>2</vcpu>",
            "its memory",
        ),
        (
            "{{> resources}}",
            "<memory unit='KiB'>{{memory_kib}}</memory>",
            "processors",
        ),
        ("<domain type", "<domein type", "no good domain XML"),
        ("</domain>", "", "no good domain XML"),
    ] {
        let text = GOOD.replace(from, to);
        let error = render(&own(&text)).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{text}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn a_template_gets_no_more_than_it_is_given() {
    for text in [
        "{{nothing}}",
        "{{{name}}}",
        "{{> nobody}}",
        "{{#each disks}}",
        "{{#if name}}{{> own}}{{/if}}",
    ] {
        let error = render(&own(&GOOD.replace("<devices>", &format!("{text}<devices>"))));
        assert_eq!(error.unwrap_err().kind(), Kind::Usage, "{text}");
    }
}

#[test]
fn own_values_are_for_what_no_option_says() {
    let text = GOOD.replace("<devices>", "<description>{{role}}</description><devices>");
    let set = |name: &str, value: &str| Blueprint {
        set: vec![(name.to_owned(), value.to_owned())],
        ..own(&text)
    };
    let xml = render(&set("role", "</description>&")).unwrap();
    let facts = crate::xml::domain::read(&xml).unwrap();
    assert_eq!(facts.description.as_deref(), Some("</description>&"));
    for (name, says) in [("name", "option of its own"), ("rolle", "no effect")] {
        let error = render(&set(name, "x")).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(render(&own(&text)).unwrap_err().kind(), Kind::Usage);
    // Each shipped template is complete without one.
    assert!(render(&shipped("server")).is_ok());
}
