//! The secrets in domain XML: the passwords of screens.
//!
//! All else that libvirt calls a secret is not in the XML, which only names it
//! (`<secret uuid=…/>`). What somebody puts into `<qemu:commandline>`, into the
//! tables of the firmware or into `<metadata>`, libvirt shows to everybody.

use super::read;
use crate::error::Result;
use crate::xml::escape::escaped;
use crate::xml::span::{Document, Node};
use crate::xml::splice::Edits;

/// Domain XML as libvirt shows it to those who do not ask for secrets.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind::Usage) if it is malformed.
pub fn without_secrets(xml: &str) -> Result<String> {
    let document = Document::parse(xml, "domain")?;
    let mut edits = Edits::default();
    for screen in screens(read::root(&document)?) {
        edits.unset(screen, "passwd");
    }
    Ok(edits.apply(document.text()))
}

/// A message of somebody who was given this XML, with `***` for each secret
/// that it quotes.
///
/// Libvirt quotes the line that it does not understand.
pub fn redacted(message: &str, xml: &str) -> String {
    let Ok(document) = Document::parse(xml, "domain") else {
        // Then nobody knows what in it is a secret.
        return match message.split_once('\n') {
            Some((first, _)) => first.to_owned(),
            None => message.to_owned(),
        };
    };
    let mut message = message.to_owned();
    let screens = read::root(&document).into_iter().flat_map(screens);
    for password in screens.filter_map(|screen| screen.attribute("passwd")) {
        let written = document.text().get(password.inner.clone());
        let texts = [
            written.unwrap_or_default(),
            &*password.value,
            &*escaped(&password.value),
        ];
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            message = message.replace(text, "***");
        }
    }
    message
}

/// The screens, also of a document that has its devices in several places.
fn screens<'d, 'a>(domain: Node<'d, 'a>) -> impl Iterator<Item = Node<'d, 'a>> {
    domain
        .children()
        .filter(|node| node.is("devices"))
        .flat_map(Node::children)
        .filter(|node| node.is("graphics"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<domain><name>a</name>\n<devices>\n  <graphics type='vnc' port='-1' \
                       passwd='p&amp;&quot;w' passwdValidTo='2030-01-01T00:00:00' listen='::'/>\n  \
                       <graphics type='spice' passwd=\"hunter2\"/>\n</devices>\n\
                       <metadata><graphics passwd='theirs'/></metadata></domain>";

    #[test]
    fn passwords_are_left_out_and_all_else_stays() {
        assert_eq!(
            without_secrets(XML).unwrap(),
            "<domain><name>a</name>\n<devices>\n  <graphics type='vnc' port='-1' \
             passwdValidTo='2030-01-01T00:00:00' listen='::'/>\n  \
             <graphics type='spice'/>\n</devices>\n\
             <metadata><graphics passwd='theirs'/></metadata></domain>"
        );
    }

    #[test]
    fn a_message_that_quotes_the_xml_loses_its_passwords() {
        let message =
            "(domain_definition):3: bad\n<graphics passwd='p&amp;&quot;w'/> p&\"w hunter2 theirs";
        assert_eq!(
            redacted(message, XML),
            "(domain_definition):3: bad\n<graphics passwd='***'/> *** *** theirs"
        );
        assert_eq!(
            redacted("XML error: a\n<x passwd='y'", "<domain"),
            "XML error: a"
        );
    }
}
