//! Text made of a template and values: domain XML, and what cloud-init reads.
//!
//! A template may come from anybody. It gets at the values that it is given and
//! at nothing else, ends, and cannot let a value become markup.

mod catalog;
mod check;
mod engine;
mod json;
#[cfg(test)]
mod tests;

pub use self::catalog::{DomainTemplate, all, find};
pub use self::engine::{Escape, Template, render};
