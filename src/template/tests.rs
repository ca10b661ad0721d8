use proptest::prelude::*;
use serde_json::json;

use super::{Escape, Template, render};
use crate::error::Kind;

fn xml(text: &str, data: &serde_json::Value) -> String {
    render("t", text, Escape::Xml, data).unwrap()
}

fn error(text: &str, escape: Escape, data: &serde_json::Value) -> String {
    let error = render("t", text, escape, data).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "{error}");
    error.to_string()
}

#[test]
fn values_loops_and_conditions() {
    let data = json!({"name": "web", "disks": [{"t": "vda"}, {"t": "vdb"}], "uefi": false});
    let text = "<n>{{name}}</n>{{#each disks}}<d t='{{this.t}}' i='{{@index}}'/>{{/each}}\
                {{#if uefi}}<u/>{{else}}<b/>{{/if}}";
    assert_eq!(
        xml(text, &data),
        "<n>web</n><d t='vda' i='0'/><d t='vdb' i='1'/><b/>"
    );
}

#[test]
fn a_variable_that_is_not_there_is_named_with_its_line() {
    for text in [
        "a\n{{naem}}",
        "a\n{{json naem}}",
        "a\n{{#each naem}}{{/each}}",
        "a\n{{#with naem}}{{/with}}",
    ] {
        let message = error(text, Escape::Xml, &json!({"name": 1}));
        assert!(
            message.contains("template 't', line 2"),
            "{text}: {message}"
        );
    }
    let message = error("{{naem}}", Escape::None, &json!({}));
    assert!(message.contains("'naem'"), "{message}");
    // Whether something is there can be asked.
    assert_eq!(xml("{{#if naem}}a{{else}}b{{/if}}", &json!({})), "b");
}

#[test]
fn what_could_become_markup_is_refused() {
    let data = json!({"x": "<evil/>", "o": {"x": "<evil/>"}});
    for text in [
        "{{{x}}}",
        "{{&x}}",
        "{{ { x } }}",
        "{{{o.x}}}",
        "{{#if x}}{{{x}}}{{/if}}",
        "{{#if x}}{{else}}{{&x}}{{/if}}",
        "{{#unless x}}{{else if x}}{{{x}}}{{/unless}}",
        "{{{lookup o 'x'}}}",
        "{{{json x}}}",
    ] {
        match render("t", text, Escape::Xml, &data) {
            Ok(text) => assert!(!text.contains("<evil"), "{text}"),
            Err(error) => assert_eq!(error.kind(), Kind::Usage),
        }
    }
    for text in [
        "{{x}}",
        "{{lookup o 'x'}}",
        "{{json x}}",
        "{{#each o}}{{this}}{{/each}}",
        "{{#with o}}{{x}}{{/with}}",
    ] {
        let made = xml(text, &data);
        assert!(
            made.contains("&lt;evil") && !made.contains('<'),
            "{text}: {made}"
        );
    }
    assert!(error("{{{x}}}", Escape::Xml, &data).contains("two braces"));
    assert_eq!(
        render("t", "{{{x}}}", Escape::None, &data).unwrap(),
        "<evil/>"
    );
}

#[test]
fn characters_that_xml_cannot_hold_are_refused() {
    for bad in ["\u{0}", "\u{1b}", "\u{ffff}"] {
        let message = error("{{a.b}}", Escape::Xml, &json!({"a": {"b": bad}}));
        assert!(message.contains("'a.b'"), "{message}");
        error(&format!("x{bad}"), Escape::Xml, &json!({}));
        error(
            "{{#each o}}{{@key}}{{/each}}",
            Escape::Xml,
            &json!({"o": {bad: 1}}),
        );
    }
}

#[test]
fn partials_are_those_that_are_given() {
    let with = |text: &str, partials: &[(&str, &str)]| {
        Template {
            name: "t",
            text,
            partials,
            escape: Escape::Xml,
        }
        .render(&json!({"x": "<", "list": [1, 2]}))
    };
    assert_eq!(
        with("{{> a}}", &[("a", "[{{x}}{{> b}}]"), ("b", "!")]).unwrap(),
        "[&lt;!]"
    );
    for (text, partials, says) in [
        ("{{> a}}", &[][..], "no partial 'a'"),
        ("{{> b}}", &[("a", "")], "there are: a"),
        ("{{> a}}", &[("a", "{{> a}}")], "includes itself"),
        (
            "{{> a}}",
            &[("a", "{{> b}}"), ("b", "{{> a}}")],
            "includes itself",
        ),
        ("{{> a}}", &[("a", "\n{{{x}}}")], "template 'a', line 2"),
        ("{{> a}}", &[("a", "\n{{y}}")], "line 2"),
        ("{{> (lookup x 'a')}}", &[("a", "")], "template 't'"),
        ("{{> @partial-block}}", &[("a", "")], "no partial"),
        ("{{#> a}}x{{/a}}", &[("a", "")], "not supported"),
        (
            "{{#*inline \"a\"}}{{> a}}{{/inline}}{{> a}}",
            &[],
            "not supported",
        ),
        ("{{> t}}", &[("a", "")], "no partial"),
    ] {
        let error = with(text, partials).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn hostile_templates_end() {
    let list: Vec<u32> = (0..100).collect();
    let data = json!({"l": list, "x": "y", "big": "z".repeat(100_000)});
    let nested =
        |n: usize, open: &str, close: &str| format!("{}x{}", open.repeat(n), close.repeat(n));
    for text in [
        nested(5, "{{#each l}}", "{{/each}}"),
        nested(5, "{{#each @root.l}}", "{{/each}}"),
        nested(25, "{{#if x}}", "{{/if}}"),
        nested(900, "{{#if x}}", "{{/if}}"),
        nested(4000, "{{#if x}}", "{{/if}}"),
        nested(400, "{{#if x}}{{else if x}}", "{{/if}}"),
        "{{#if x}}".repeat(1900),
        "{{{{raw}}}}".repeat(450),
        format!("{{{{#if x}}}}{}{{{{/if}}}}", "{{else if x}}".repeat(1500)),
        format!("{{{{{}}}}}", nested(30_000, "(", ")")),
        format!("{{{{json {}}}}}", nested(30_000, "[", "]")),
        format!(
            "{{{{#each [{}1]}}}}{}{{{{/each}}}}",
            "1,".repeat(20_000),
            "{{x}}{{x}}{{x}}{{x}}{{x}}{{x}}"
        ),
        "{{#each l}}{{../big}}{{/each}}".to_owned(),
        "{{".to_owned(),
        "{{{".to_owned(),
        "{{#if x}}".to_owned(),
        "{{/if}}".to_owned(),
        "{{#if x}}{{/each}}".to_owned(),
        "{{else}}".to_owned(),
        "{{#nothing x}}{{/nothing}}".to_owned(),
        "{{nothing x}}".to_owned(),
        "{{log x}}".to_owned(),
        "{{* decorate}}".to_owned(),
        "{{x}}".repeat(2001),
        "x".repeat(65 << 10),
    ] {
        let start = std::time::Instant::now();
        let made = render("t", &text, Escape::Xml, &data);
        let shown: String = text.chars().take(60).collect();
        let error = made.map(|t| t.len()).expect_err(&shown);
        assert_eq!(error.kind(), Kind::Usage, "{shown}: {error}");
        assert!(start.elapsed().as_secs() < 10, "{shown}");
        assert!(error.to_string().len() < 400, "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    // Close to the limits, it works.
    xml(&format!("{{{{{}}}}}", nested(450, "(not ", ")")), &data);
    xml(
        &format!("{{{{not {} }}}}", nested(450, "(not ", ")")),
        &data,
    );
    xml(&nested(24, "{{#if x}}", "{{/if}}"), &data);
    xml(&nested(2, "{{#each @root.l}}", "{{/each}}"), &data);
}

#[test]
fn values_are_in_no_message() {
    let data = json!({"password": "hunter2", "n": ["hunter2"]});
    for text in [
        "{{password.x}}",
        "{{#each password}}{{x}}{{/each}}",
        "{{lookup n password}}",
        "{{lookup password 'a'}}",
        "{{json}}",
        "{{len}}",
        "{{#with password}}{{this.x}}{{/with}}",
        "{{n.hunter}}",
        "{{gt password 1}}{{nothing}}",
    ] {
        if let Err(error) = render("t", text, Escape::None, &data) {
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{text}: {error:?}"
            );
        }
    }
}

#[test]
fn json_is_what_yaml_readers_accept() {
    let text = render(
        "t",
        "{{json x}}",
        Escape::None,
        &json!({"x": "a\"\u{7f}\u{85}\n\u{2028}é😀\\"}),
    );
    assert_eq!(text.unwrap(), r#""a\"\u007f\u0085\n\u2028é😀\\""#);
}

/// What a reader of XML makes of the references that are written here.
fn unescaped(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#9;", "\t"),
        ("&#10;", "\n"),
        ("&#13;", "\r"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

proptest! {
    #[test]
    fn a_value_comes_back_as_it_was(value in "[a-z&<>\"'\t\n\r;#é😀{}/=!\\[\\]-]{0,40}") {
        let made = xml("<a b='{{v}}' c=\"{{v}}\">{{v}}</a>", &json!({"v": value}));
        let shape: String = made.chars().filter(|c| "<>\"'".contains(*c)).collect();
        prop_assert_eq!(shape, "<''\"\"><>");
        prop_assert!(!made.contains(['\t', '\n', '\r']));
        let inner = made.strip_prefix("<a b='").unwrap().split_once('\'').unwrap().0;
        prop_assert_eq!(unescaped(inner), value.as_str());
    }

    #[test]
    fn json_comes_back_as_it_was(value in any::<String>()) {
        let made = render("t", "{{json v}}", Escape::None, &json!({"v": value})).unwrap();
        let back: String = serde_json::from_str(&made).unwrap();
        prop_assert_eq!(back, value);
    }

    #[test]
    fn any_text_is_rendered_or_refused(text in "([{}#/> ~!&*(a.\"\\[\\]]|\\{\\{|\\}\\}|#if|else|each){0,30}") {
        if let Err(error) = render("t", &text, Escape::Xml, &json!({"a": "<"})) {
            prop_assert_eq!(error.kind(), Kind::Usage);
        }
    }
}
