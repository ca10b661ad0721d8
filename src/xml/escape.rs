//! Values on their way into XML and out to the user.

use std::borrow::Cow;
use std::path::Path;

use crate::error::{Error, Kind, Result};

/// Escapes text for an attribute in either kind of quotes, and for content.
///
/// Line breaks and tabs become character references, because a reader turns
/// them into spaces in attributes.
pub(super) fn escaped(raw: &str) -> Cow<'_, str> {
    let escaped = quick_xml::escape::escape(raw);
    if !escaped.contains(['\t', '\n', '\r']) {
        return escaped;
    }
    let references = escaped
        .replace('\t', "&#9;")
        .replace('\n', "&#10;")
        .replace('\r', "&#13;");
    Cow::Owned(references)
}

/// Whether XML 1.0 can hold this character at all, even as a reference.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// The text of a path, if it can be put into XML and be the same path when
/// libvirt reads it.
pub(super) fn path_text(path: &Path) -> Result<&str> {
    let refuse = |why: &str| {
        Error::new(
            Kind::Usage,
            format!("the path {path:?} cannot be put into domain XML: it {why}"),
        )
    };
    let text = path.to_str().ok_or_else(|| refuse("is not UTF-8"))?;
    if text.is_empty() {
        return Err(refuse("is empty"));
    }
    plain_text(text).map_err(|_| refuse("has a control character"))
}

/// Passes a value that has no characters that XML or a terminal chokes on.
pub(super) fn plain_text(text: &str) -> Result<&str> {
    if text.chars().all(|c| is_xml_char(c) && !c.is_control()) {
        Ok(text)
    } else {
        Err(Error::new(
            Kind::Usage,
            format!("{text:?} cannot be put into domain XML: it has a control character"),
        ))
    }
}

/// A value out of XML as it can be shown in a message: on one line, and with
/// nothing in it that a terminal obeys.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        Cow::Owned(text.replace(char::is_control, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn what_an_attribute_would_lose_becomes_a_reference() {
        assert_eq!(
            escaped("a&'\"<>\t\n"),
            "a&amp;&apos;&quot;&lt;&gt;&#9;&#10;"
        );
        assert!(matches!(escaped("/plain/path.qcow2"), Cow::Borrowed(_)));
    }

    #[test]
    fn paths_that_xml_cannot_hold_are_refused() {
        for bad in [
            &b"/a\nb"[..],
            b"/a\x1bb",
            b"/\xff",
            b"",
            "/\u{ffff}".as_bytes(),
        ] {
            let path = Path::new(OsStr::from_bytes(bad));
            assert_eq!(path_text(path).unwrap_err().kind(), Kind::Usage, "{path:?}");
        }
        assert_eq!(path_text(Path::new("/a, b/é&<'")).unwrap(), "/a, b/é&<'");
    }
}
