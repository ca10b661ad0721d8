//! Mistakes in arguments, in our words.

use crate::error::{Error, Kind};

/// A mistake in the arguments as an error of ours, for JSON.
pub(super) fn usage_error(error: &clap::Error) -> Error {
    Error::new(Kind::Usage, message(error)).hint("see what there is: `vmkin --help`")
}

/// What is wrong with arguments, on one line.
pub(super) fn message(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let message = words.join(" ");
    let plain = message.strip_prefix("error: ").unwrap_or(&message);
    plain.to_owned()
}
