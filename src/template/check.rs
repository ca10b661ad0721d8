//! What a template may not do, seen before it does anything.

use std::collections::BTreeMap;

use handlebars::Template;
use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, TemplateElement};
use serde_json::Value;

use super::engine::{Escape, refuse};
use crate::error::Result;

/// How deep blocks and partials may be nested.
const MAX_DEPTH: usize = 24;

/// How many pieces may be put together. A loop counts as often as it may turn.
const MAX_WORK: usize = 200_000;

/// What a template is checked against.
pub(super) struct Checked<'a> {
    pub(super) partials: &'a BTreeMap<&'a str, Template>,
    pub(super) escape: Escape,
    /// How often a loop over one of the values may turn.
    pub(super) largest: usize,
}

/// The number of elements of the largest list or table in the values.
pub(super) fn largest(value: &Value) -> usize {
    match value {
        Value::Array(all) => all.iter().map(largest).fold(all.len(), usize::max),
        Value::Object(all) => all.values().map(largest).fold(all.len(), usize::max),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

impl<'a> Checked<'a> {
    /// Checks a template and what it includes.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`](crate::error::Kind::Usage).
    pub(super) fn check(&self, name: &str, template: &'a Template) -> Result<()> {
        self.work(name, template, &mut Vec::new(), 0).map(drop)
    }

    /// How many pieces this puts together at the most.
    fn work(
        &self,
        name: &str,
        template: &'a Template,
        includes: &mut Vec<&'a str>,
        depth: usize,
    ) -> Result<usize> {
        let mut total = 0_usize;
        for (index, element) in template.elements.iter().enumerate() {
            let line = template.mapping.get(index).map(|place| place.0);
            let no = |what: String| Err(refuse(name, line, what));
            let pieces = match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => 1,
                TemplateElement::Expression(_) => 1,
                TemplateElement::HtmlExpression(_) if self.escape == Escape::None => 1,
                TemplateElement::HtmlExpression(tag) => {
                    let what = tag
                        .name
                        .as_name()
                        .map_or(String::new(), |n| format!(" '{n}'"));
                    return no(format!(
                        "the value{what} would be put into XML as it is: write {{{{value}}}}, \
                         with two braces"
                    ));
                }
                TemplateElement::DecoratorExpression(_) | TemplateElement::DecoratorBlock(_) => {
                    return no("decorators, such as {{#*inline}}, are not supported".to_owned());
                }
                TemplateElement::PartialBlock(_) => {
                    return no("partials with a block, {{#> name}}, are not supported".to_owned());
                }
                TemplateElement::HelperBlock(block) => {
                    if depth >= MAX_DEPTH {
                        return no(format!("blocks are nested deeper than {MAX_DEPTH}"));
                    }
                    self.block(name, block, includes, depth)?
                }
                TemplateElement::PartialExpression(tag) => {
                    let partial = match self.partial(tag, includes) {
                        Ok(partial) => partial,
                        Err(what) => return no(what),
                    };
                    if depth >= MAX_DEPTH {
                        return no(format!("partials are nested deeper than {MAX_DEPTH}"));
                    }
                    includes.push(partial.0);
                    let pieces = self.work(partial.0, partial.1, includes, depth + 1)?;
                    includes.pop();
                    // The values are copied for it.
                    pieces.saturating_add(self.largest)
                }
                _ => return no("this sort of tag is not supported".to_owned()),
            };
            total = total.saturating_add(pieces);
            if total > MAX_WORK {
                return no(format!(
                    "its loops would put together more than {MAX_WORK} pieces"
                ));
            }
        }
        Ok(total)
    }

    fn block(
        &self,
        name: &str,
        block: &'a HelperTemplate,
        includes: &mut Vec<&'a str>,
        depth: usize,
    ) -> Result<usize> {
        let mut inside = |template: &'a Option<Template>| match template {
            Some(template) => self.work(name, template, includes, depth + 1),
            None => Ok(0),
        };
        let (body, otherwise) = (inside(&block.template)?, inside(&block.inverse)?);
        let turns = if block.name.as_name() == Some("each") {
            match block.params.first() {
                Some(Parameter::Literal(value)) => largest(value),
                _ => self.largest,
            }
        } else {
            1
        };
        Ok(body
            .saturating_add(1)
            .saturating_mul(turns.max(1))
            .saturating_add(otherwise))
    }

    /// The template that is included, by its name.
    fn partial(
        &self,
        tag: &DecoratorTemplate,
        includes: &[&str],
    ) -> std::result::Result<(&'a str, &'a Template), String> {
        let name = match &tag.name {
            Parameter::Name(name) => name.as_str(),
            _ => return Err("a partial must be named, not computed".to_owned()),
        };
        let (known, template) = self.partials.get_key_value(name).ok_or_else(|| {
            let mut names = String::new();
            for name in self.partials.keys() {
                names.push_str(if names.is_empty() { "" } else { ", " });
                names.push_str(name);
            }
            match names.as_str() {
                "" => format!("there is no partial '{name}': none can be included here"),
                names => format!("there is no partial '{name}'; there are: {names}"),
            }
        })?;
        if includes.contains(known) {
            return Err(format!("the partial '{name}' includes itself"));
        }
        Ok((*known, template))
    }
}
