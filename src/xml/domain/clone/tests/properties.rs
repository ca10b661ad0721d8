//! What holds whatever the domain is like.

use proptest::prelude::*;

use super::*;
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

proptest! {
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
