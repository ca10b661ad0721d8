//! What is read, where it is, and what is refused.

use super::*;

fn refused(xml: &str) -> String {
    let error = Document::parse(xml, "domain").unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    error.to_string()
}

#[test]
fn positions_are_those_of_the_text() {
    let xml = "<?xml version='1.0'?>\n<domain a = 'x'  b=\"y&amp;\">\n  <n>t&lt;<!--c--><![CDATA[<&]]></n>\n  <e/>\n</domain>\n";
    let document = Document::parse(xml, "domain").unwrap();
    let root = document.root().unwrap();
    let [a, b] = root.attributes() else { panic!() };
    assert_eq!(&xml[a.whole.clone()], " a = 'x'");
    assert_eq!(&xml[b.whole.clone()], "  b=\"y&amp;\"");
    assert_eq!(&xml[b.inner.clone()], "y&amp;");
    assert_eq!(b.value, "y&");
    let n = root.child("n").unwrap();
    assert_eq!(&xml[n.open()], "<n>");
    assert_eq!(&xml[n.inner().unwrap()], "t&lt;<!--c--><![CDATA[<&]]>");
    assert_eq!(n.text(), "t<<&");
    assert_eq!(n.indent(), Some("\n  "));
    let e = root.child("e").unwrap();
    assert_eq!(&xml[e.whole()], "<e/>");
    assert_eq!(e.inner(), None);
    assert_eq!(root.subtree().count(), 3);
    assert_eq!(n.subtree().count(), 1);
}

#[test]
fn prefixes_and_default_namespaces_make_an_element_foreign() {
    let xml = "<domain xmlns:x='urn:x'><x:name/><name xmlns='urn:y'><name/><name xmlns=''/></name></domain>";
    let document = Document::parse(xml, "domain").unwrap();
    let root = document.root().unwrap();
    assert!(root.child("name").is_none());
    let [x, y] = root.children().collect::<Vec<_>>()[..] else {
        panic!()
    };
    assert_eq!(x.namespace(), Some("urn:x"));
    assert_eq!(y.children().filter(|child| child.is("name")).count(), 1);
}

#[test]
fn what_is_not_one_whole_domain_is_refused() {
    for (xml, why) in [
        ("", "has no elements"),
        ("   \n", "has no elements"),
        ("<!-- only -->", "has no elements"),
        ("text", "text outside"),
        ("<domain/>text", "text outside"),
        ("<domain/><domain/>", "more than one root"),
        ("<network/>", "is not a <domain>"),
        ("<x:domain xmlns:x='u'/>", "is not a <domain>"),
        ("<domain xmlns='u'/>", "is not a <domain>"),
        ("<domain>", "ends inside <domain>"),
        ("<domain>\n<name>golden", "ends inside <name> (line 2)"),
        ("<domain><name>", "ends inside <name>"),
        ("<domain><na", "malformed"),
        ("<domain a='1", "malformed"),
        ("<domain><!-- ", "malformed"),
        ("<domain><![CDATA[", "malformed"),
        ("<domain></dom>", "malformed"),
        ("</domain>", "malformed"),
        ("<domain a=1/>", "malformed"),
        ("<domain a/>", "malformed"),
        ("<domain a='1' a='2'/>", "twice"),
        // Some readers would have `a` twice.
        ("<domain :a='1' a='2'/>", "malformed"),
        ("<domain x:='1'/>", "malformed"),
        ("<domain x:y:z='1'/>", "malformed"),
        ("<domain><:a/></domain>", "malformed"),
        ("<domain a='<'/>", "malformed"),
        ("<domain><a<b/></domain>", "malformed"),
        ("<domain>&nbsp;</domain>", "unknown entity '&nbsp;'"),
        ("<domain a='&nbsp;'/>", "malformed"),
        ("<domain>&#0;</domain>", "malformed"),
        (
            "<domain>&#27;</domain>",
            "a character that XML does not have",
        ),
        ("<domain a='&#27;'/>", "a character that XML does not have"),
        ("<domain>\u{1b}</domain>", "has the character '\\u{1b}'"),
        ("<domain>a & b</domain>", "malformed"),
        ("<domain/><?xml version='1.0'?>", "declaration"),
    ] {
        let error = refused(xml);
        assert!(error.contains(why), "{xml:?}: {error}");
    }
}

#[test]
fn a_dtd_is_refused_before_it_means_anything() {
    let laughs = "<!DOCTYPE domain [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><domain>&b;</domain>";
    let outside = "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/shadow'>]><domain>&x;</domain>";
    for xml in [laughs, outside, "<!DOCTYPE domain><domain/>"] {
        assert!(refused(xml).contains("DTD"), "{xml}");
    }
}

#[test]
fn the_limits_hold() {
    let deep = |n: usize| format!("<domain>{}{}</domain>", "<a>".repeat(n), "</a>".repeat(n));
    assert!(Document::parse(&deep(255), "domain").is_ok());
    assert!(refused(&deep(256)).contains("deep"));
    assert!(refused(&deep(100_000)).contains("deep"));
    let long = format!("<domain>{}</domain>", " ".repeat(8 << 20));
    assert!(refused(&long).contains("8 MiB"));
    let many = format!("<domain>{}</domain>", "<a/>".repeat(200_000));
    assert!(refused(&many).contains("elements"));
    let attributes: String = (0..65).map(|n| format!(" a{n}=''")).collect();
    assert!(refused(&format!("<domain{attributes}/>")).contains("attributes"));
}
