//! What holds whatever the domain is like.

use proptest::prelude::*;

use super::*;
use crate::model::{DiskDevice, NicSource};
use crate::xml::domain::DomainFacts;
use crate::xml::span::Document;

/// Elements that no rule is about, in all the ways they can be written.
fn bystander() -> impl Strategy<Value = String> {
    let text = "[ \n\ta-zA-Z0-9._é-]{0,12}";
    let leaf = prop_oneof![
        text.prop_map(|text| format!("<bystander a='{text}'>{text}</bystander>")),
        text.prop_map(|text| format!("<q:x xmlns:q=\"urn:{}\"  b = \"&lt;\"/>", text.trim().len())),
        text.prop_map(|text| format!("<!--{}-->", text.replace('-', " "))),
        text.prop_map(|text| format!("<![CDATA[<{text}&]]>")),
        text.prop_map(|text| format!("<?pi {text}?>")),
        Just("&amp;&#xe9;".to_owned()),
        "[ \n\t]{0,4}".prop_map(String::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop::collection::vec(inner, 0..4)
            .prop_map(|inner| format!("<outer>{}</outer>", inner.concat()))
    })
}

/// Devices of all sorts that there are rules about. `TARGET` stands for the
/// name of a disk, which no other has.
fn device() -> impl Strategy<Value = String> {
    let pick = |words: &'static [&'static str]| prop::sample::select(words);
    let disk = (
        pick(&[
            "type='file'><source file='/g' index='2'/>",
            "type='file'><source file='/a&amp;b' startupPolicy='optional'/>",
            "type='file' device='cdrom'>",
            "type='file' device='cdrom'><source file='/iso'/>",
            "type='block' device='lun' rawio='yes'><source dev='/dev/g'/>",
            "type='volume'><source pool='p' volume='v'/>",
            "type='network'><source protocol='nbd' name='e'><host name='h'/></source>",
        ]),
        pick(&["", "<driver name='qemu' type='qcow2' cache='none'/>", "<driver type='raw'/>"]),
        pick(&[
            "",
            "<backingStore/>",
            "<backingStore type='file'><format type='raw'/><source file='/b'/><backingStore/></backingStore>",
            "<backingStore type='file'><format type='qcow2'/><source file='/b'/></backingStore>",
        ]),
        pick(&["", "<readonly/>", "<shareable/>", "<transient/>", "<wwn>5000c50015ea71ad</wwn>"]),
    )
        .prop_map(|(head, driver, backing, more)| {
            format!("<disk {head}{driver}{backing}{more}<target dev='TARGET' bus='virtio'/></disk>")
        });
    let nic = (
        pick(&["user", "network", "bridge", "hostdev", "vhostuser"]),
        pick(&[
            "",
            "<mac address='52:54:00:00:00:01'/>",
            "<mac address='52:54:00:00:00:02'></mac>",
        ]),
        pick(&[
            "",
            "<target dev='tap0'/>",
            "<source path='/s' mode='server'/>",
        ]),
    )
        .prop_map(|(kind, mac, more)| format!("<interface type='{kind}'>{mac}{more}</interface>"));
    let screen = (
        pick(&["vnc", "spice", "sdl"]),
        pick(&[
            "",
            " port='5900'",
            " port='-1' autoport='yes'",
            " tlsPort='1' socket='/s'",
        ]),
        pick(&["", " passwd='p&quot;w'", " listen='0.0.0.0'"]),
    )
        .prop_map(|(kind, port, more)| format!("<graphics type='{kind}'{port}{more}/>"));
    let other = pick(&[
        "<serial type='file'><source path='/log/golden.log'/></serial>",
        "<serial type='unix'><source mode='bind' path='/s'/></serial>",
        "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>",
        "<tpm model='tpm-tis'><backend type='emulator'/></tpm>",
        "<vsock><cid auto='no' address='3'/></vsock>",
    ])
    .prop_map(str::to_owned);
    prop_oneof![3 => disk, 3 => nic, 2 => screen, 2 => other, 1 => bystander()]
}

/// What the facts of a clone must be.
fn expected(golden: &DomainFacts, clone: &Clone) -> DomainFacts {
    let mut facts = golden.clone();
    clone.name.clone_into(&mut facts.name);
    facts.uuid = NEW_UUID.parse().ok();
    facts.hostdevs = 0;
    facts
        .nics
        .retain(|nic| nic.source != NicSource::Other("hostdev".to_owned()));
    for (nic, last) in facts.nics.iter_mut().zip(1..) {
        nic.mac = Some(Mac::kvm([0, 0xff, last]));
    }
    for disk in &mut facts.disks {
        if let Some(new) = clone.disks.iter().find(|new| new.target == disk.target) {
            disk.source = new.source.clone();
            disk.format = new.format;
            disk.device = DiskDevice::Disk;
            disk.declared.clear();
            disk.declared_whole = true;
        }
    }
    for screen in &mut facts.graphics {
        if screen.kind != "sdl" {
            screen.port = None;
        }
    }
    facts
}

proptest! {
    #[test]
    fn a_clone_has_what_it_was_given_and_the_rest_of_its_golden_domain(
        devices in prop::collection::vec((device(), "|\n    |\r\n\t"), 0..9),
    ) {
        let mut text = String::new();
        for (letter, (device, space)) in ('a'..).zip(&devices) {
            let device = device.replace("TARGET", &format!("vd{letter}"));
            text.push_str(space);
            text.push_str(&device);
        }
        let golden = domain("", &text);
        let before = read(&golden).unwrap();
        let private = before.disks.iter().filter(|disk| disk.is_private());
        let disks = private.map(|disk| NewDisk {
            source: DiskSource::File(format!("/new-{}", disk.target).into()),
            ..Clone::disk(disk.target.as_str())
        });
        let clone = Clone { disks: disks.collect(), ..Clone::default() };
        let made = clone.of(&golden).unwrap().xml;
        let mut after = read(&made).unwrap();
        prop_assert!(after.lineage.take().is_some());
        prop_assert_eq!(after, expected(&before, &clone));
    }

    #[test]
    fn bytes_that_no_rule_is_about_are_identical(
        before in bystander(),
        within in bystander(),
        after in bystander(),
    ) {
        let xml = |name: &str, uuid: &str, lineage: &str, mac: &str| format!(
            "<domain type='kvm'>{before}<name>{name}</name><uuid>{uuid}</uuid>{lineage}{within}<devices>{before}\
             <interface type='user'>{within}<mac address='{mac}'/>{after}</interface>{within}</devices>{after}</domain>"
        );
        let golden = xml("golden", OLD_UUID, "", "52:54:00:00:00:01");
        let clone = Clone::default().of(&golden).unwrap().xml;
        // The lineage is the one element that is added.
        let start = clone.find("<metadata>");
        let end = clone.find("</metadata>").map(|at| at + "</metadata>".len());
        let (Some(start), Some(end)) = (start, end) else { panic!("no lineage") };
        let blank = clone[..start].trim_end_matches([' ', '\t', '\n']).len();
        let name = clone.find("<name>").unwrap_or_default();
        let lineage = &clone[blank.max(name)..end];
        prop_assert_eq!(&clone, &xml("web-01", NEW_UUID, lineage, "52:54:00:00:ff:01"));
    }

    /// `Clone::of` rewrites twice and compares.
    #[test]
    fn paths_of_any_mixture_of_names_are_rewritten_once(
        path in "(/|\\.|-|golden|web-01|web|01|x|é|&amp;|11111111-2222-4333-8444-555555555555|/libvirt/qemu/channel/){0,8}",
        mode in "bind|connect|server|client",
        name in "web-01|golden|golden-golden|x",
    ) {
        let devices = format!(
            "<serial type='file'><source path='{path}'/><log file='{path}'/></serial>
             <serial type='unix'><source mode='{mode}' path='{path}'/></serial>
             <channel type='unix'><source mode='{mode}' path='{path}'/><target type='virtio'/></channel>
             <channel type='unix'><source mode='{mode}' path='{path}'/><target type='guestfwd'/></channel>
             <interface type='vhostuser'><source path='{path}' mode='{mode}'/><backend logFile='{path}'/></interface>"
        );
        let name = ["web-01", "golden", "golden-golden", "x"].into_iter().find(|n| *n == name);
        let clone = Clone { name: name.unwrap_or("web-01"), ..Clone::default() };
        prop_assert!(clone.of(&domain("", &devices)).is_ok());
    }

    #[test]
    fn no_text_makes_it_panic(text in "(<|/|>|domain|name|'|\"|=|&|;|#|!|\\[|\\]|-|\\?|a| |é|xmlns|:){0,40}") {
        for xml in [text.clone(), format!("<domain>{text}</domain>"), domain(&text, &text)] {
            if let Ok(rewriter) = Rewriter::new(&xml) {
                let name = rewriter.facts().name.clone();
                prop_assert!(!name.is_empty());
                drop(Clone::default().of(&xml));
            }
        }
    }

    #[test]
    fn a_document_cut_off_anywhere_is_an_error(at in 0_usize..10_000) {
        let xml = include_str!("../../../../../tests/golden/kitchen-sink.xml");
        let end = xml.trim_end().len();
        let at = (0..=at % end).rev().find(|at| xml.is_char_boundary(*at)).unwrap_or(0);
        prop_assert!(read(&xml[..at]).is_err());
        prop_assert!(Document::parse(&xml[..end], "domain").is_ok());
    }
}
