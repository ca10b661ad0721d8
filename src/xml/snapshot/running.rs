//! What is on record of a guest that ran.

use super::super::span::{Document, Node};
use super::root;
use crate::error::Result;

/// The two definitions that are on record with a snapshot of a guest that ran:
/// what it goes on as, and what it starts as after that. They are the same where
/// libvirt has one alone.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if this is no snapshot XML.
pub fn definitions(xml: &str) -> Result<(Option<String>, Option<String>)> {
    let document = Document::parse(xml, "domainsnapshot")?;
    let root = root(&document)?;
    let text = |node: Node<'_, '_>| document.text().get(node.whole()).map(str::to_owned);
    let live = root.child("domain").and_then(text);
    // Under another name, it is a domain all the same.
    let stored = root.child("inactiveDomain").and_then(text).map(|text| {
        text.replacen("<inactiveDomain", "<domain", 1)
            .replace("</inactiveDomain>", "</domain>")
    });
    let next = stored.or_else(|| live.clone());
    Ok((live, next))
}

#[cfg(test)]
mod tests {
    use super::definitions;

    #[test]
    fn what_goes_on_and_what_starts_next_are_told_apart() {
        let both = "<domainsnapshot><name>m</name><domain type='qemu'><name>now</name></domain>\
                    <inactiveDomain type='qemu'><name>next</name></inactiveDomain></domainsnapshot>";
        let domain = |name| Some(format!("<domain type='qemu'><name>{name}</name></domain>"));
        assert_eq!(definitions(both).unwrap(), (domain("now"), domain("next")));
        let (head, _) = both.split_once("<inactive").unwrap();
        let one = format!("{head}</domainsnapshot>");
        assert_eq!(definitions(&one).unwrap(), (domain("now"), domain("now")));
        let none = "<domainsnapshot><name>m</name></domainsnapshot>";
        assert_eq!(definitions(none).unwrap(), (None, None));
    }
}
