//! The template language, as much of it as is safe.

use std::collections::BTreeMap;
use std::io;
use std::thread;

use handlebars::{
    Handlebars, Output, RenderContext, RenderError, RenderErrorReason, Renderable as _,
    TemplateError, TemplateErrorReason,
};
use serde::Serialize;
use serde_json::Value;

use super::check::{self, Checked};
use super::json::JSON_HELPER;
use crate::error::{Error, Kind, Result};

/// How large a template may be. The parser's time grows with the square of it.
const MAX_TEXT: usize = 64 << 10;

/// How many tags a template may have, and how many parentheses.
const MAX_TAGS: usize = 2_000;
const MAX_PARENTHESES: usize = 500;

/// How much text a template may become.
const MAX_OUTPUT: usize = 8 << 20;

/// How large the values may be that a template is given, as JSON.
const MAX_DATA: usize = 4 << 20;

/// What the parser and what it makes need at the most, with the limits above:
/// both recurse.
const STACK: usize = 64 << 20;

/// What becomes of the characters of a value that mean something in the text
/// around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Escape {
    /// The text is XML: whatever a value is, a reader gets it back as it was.
    Xml,
    /// The text is something else, and its template has to take care: in YAML
    /// by `{{json value}}`.
    None,
}

/// A template, and those that it may include.
#[derive(Clone, Copy, Debug)]
pub struct Template<'a> {
    /// What it is called in messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// What `{{> name}}` may name.
    pub partials: &'a [(&'a str, &'a str)],
    /// What becomes of values.
    pub escape: Escape,
}

/// Makes text of a template that includes no others.
///
/// # Errors
///
/// Those of [`Template::render`].
pub fn render(name: &str, text: &str, escape: Escape, data: &impl Serialize) -> Result<String> {
    Template {
        name,
        text,
        partials: &[],
        escape,
    }
    .render(data)
}

impl Template<'_> {
    /// Makes the text.
    ///
    /// Besides `if`, `unless`, `each`, `with`, `lookup`, the comparisons and
    /// `len`, a template has `json`, which writes a value as JSON and as YAML.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`], with the name of the template, the line, and the
    /// variable where there is one: if it is no template, asks for a variable
    /// or a partial that there is not, would take too long, becomes too large,
    /// or could let a value of XML become markup. Values are in no message.
    pub fn render(&self, data: &impl Serialize) -> Result<String> {
        let data = serde_json::to_value(data)
            .map_err(|e| self.refuse(None, format!("its values cannot be used: {e}")))?;
        let text = self.on_large_stack(&data)?;
        if self.escape == Escape::Xml {
            self.all_xml(&text)?;
        }
        Ok(text)
    }

    fn on_large_stack(&self, data: &Value) -> Result<String> {
        thread::scope(|scope| {
            let work = thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, || self.render_here(data))
                .map_err(|e| Error::io("cannot start a thread for a template", e))?;
            work.join()
                // The template library is said to panic on some texts.
                .unwrap_or_else(|_| Err(self.refuse(None, "it cannot be understood")))
        })
    }

    fn render_here(&self, data: &Value) -> Result<String> {
        if data.to_string().len() > MAX_DATA {
            return Err(self.refuse(None, format!("its values are larger than {MAX_DATA} bytes")));
        }
        if self.escape == Escape::Xml {
            self.values_are_xml(data, "")?;
        }
        let mut parsed = BTreeMap::new();
        let main = parse(self.name, self.text)?;
        for (name, text) in self.partials {
            parsed.insert(*name, parse(name, text)?);
        }
        Checked {
            partials: &parsed,
            escape: self.escape,
            largest: check::largest(data),
        }
        .check(self.name, &main)?;

        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.unregister_helper("log");
        registry.register_helper("json", Box::new(JSON_HELPER));
        match self.escape {
            Escape::Xml => registry.register_escape_fn(xml_escape),
            Escape::None => registry.register_escape_fn(handlebars::no_escape),
        }
        for (name, template) in parsed {
            registry.register_template(name, template);
        }
        let context = handlebars::Context::wraps(data)
            .map_err(|e| self.refuse(None, format!("its values cannot be used: {e}")))?;
        let mut out = Limited(String::new());
        main.render(&registry, &context, &mut RenderContext::new(None), &mut out)
            .map_err(|e| self.failed(&e))?;
        Ok(out.0)
    }

    fn refuse(&self, line: Option<usize>, what: impl std::fmt::Display) -> Error {
        refuse(self.name, line, what)
    }

    fn failed(&self, error: &RenderError) -> Error {
        let name = error.template_name.as_deref().unwrap_or(self.name);
        let what = match error.reason() {
            RenderErrorReason::MissingVariable(Some(path)) => {
                return refuse(
                    name,
                    error.line_no,
                    format!("there is no variable '{path}'"),
                )
                .hint(format!(
                    "give it a value, or ask first: `{{{{#if {path}}}}}`"
                ));
            }
            RenderErrorReason::MissingVariable(None) => {
                "there is no variable of that name".to_owned()
            }
            RenderErrorReason::HelperNotFound(helper) => format!("there is no helper '{helper}'"),
            RenderErrorReason::IOError(e) => e.to_string(),
            // Its text may quote what it was given.
            RenderErrorReason::SerdeError(_) | RenderErrorReason::NestedError(_) => {
                "a value cannot be used like this".to_owned()
            }
            other => other.to_string(),
        };
        refuse(name, error.line_no, what)
    }

    /// Values that XML cannot hold in any way of writing.
    fn values_are_xml(&self, value: &Value, path: &str) -> Result<()> {
        let below = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        match value {
            Value::String(text) => match text.chars().find(|c| !is_xml_char(*c)) {
                Some(bad) => Err(self.refuse(
                    None,
                    format!("the value of '{path}' has {bad:?}, which XML cannot hold"),
                )),
                None => Ok(()),
            },
            Value::Array(all) => all
                .iter()
                .enumerate()
                .try_for_each(|(index, one)| self.values_are_xml(one, &below(&index.to_string()))),
            Value::Object(all) => all
                .iter()
                .try_for_each(|(name, one)| self.values_are_xml(one, &below(name))),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    /// Names in values, and the template's own text.
    fn all_xml(&self, text: &str) -> Result<()> {
        match text.chars().find(|c| !is_xml_char(*c)) {
            Some(bad) => Err(self.refuse(
                None,
                format!("its result has {bad:?}, which XML cannot hold"),
            )),
            None => Ok(()),
        }
    }
}

/// An error of a template.
pub(super) fn refuse(template: &str, line: Option<usize>, what: impl std::fmt::Display) -> Error {
    let place = line.map_or(String::new(), |line| format!(", line {line}"));
    Error::new(Kind::Usage, format!("template '{template}'{place}: {what}"))
}

fn parse(name: &str, text: &str) -> Result<handlebars::Template> {
    if text.len() > MAX_TEXT {
        let size = text.len();
        return Err(refuse(
            name,
            None,
            format!("it has {size} bytes, and can have {MAX_TEXT} at the most"),
        ));
    }
    // Counted in the text, because the parser recurses before there is anything
    // else to count in.
    for (what, count, most) in [
        ("tags", text.matches("{{").count(), MAX_TAGS),
        ("parentheses", text.matches('(').count(), MAX_PARENTHESES),
    ] {
        if count > most {
            return Err(refuse(
                name,
                None,
                format!("it has {count} {what}, and can have {most} at the most"),
            ));
        }
    }
    handlebars::Template::compile_with_name(text, name.to_owned()).map_err(|e| not_parsed(name, &e))
}

fn not_parsed(name: &str, error: &TemplateError) -> Error {
    let line = error.pos().map(|(line, _)| line);
    let what = match error.reason() {
        TemplateErrorReason::InvalidSyntax(_) => "this is no tag, or one that is not closed".into(),
        TemplateErrorReason::MismatchingClosedHelper(open, close)
        | TemplateErrorReason::MismatchingClosedDecorator(open, close) => {
            format!("'{open}' was opened, and '{close}' is closed")
        }
        other => other.to_string(),
    };
    refuse(name, line, what)
}

/// The text so far, up to its limit.
struct Limited(String);

impl Output for Limited {
    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.0.len().saturating_add(text.len()) > MAX_OUTPUT {
            return Err(io::Error::other(format!(
                "its result is larger than {MAX_OUTPUT} bytes"
            )));
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Whether XML 1.0 can hold this character at all, even as a reference.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// A value in XML, in an attribute in either kind of quotes or in an element.
/// White space that a reader would change in attributes is written by number.
fn xml_escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            c => escaped.push(c),
        }
    }
    escaped
}
