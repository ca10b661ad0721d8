//! What clap says of a command line.

use crate::error::{Error, Kind};

/// A mistake in the arguments as an error of ours, for JSON.
pub(super) fn usage_error(error: &clap::Error) -> Error {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let message = words.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    Error::new(Kind::Usage, message).hint("see what there is: `vmkin --help`")
}
