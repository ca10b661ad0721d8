//! A parser that panics is an error, and not the end of the program.
//!
//! The libraries are made for whole images and tested on damaged ones, and yet
//! an arithmetic slip in one of them must not take a run over a hundred guests
//! down with it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::error::{Error, Kind, Result};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a call of a parser.
///
/// # Errors
///
/// Its own, and [`Kind::Unsafe`] if it panics: on a sound image none does.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                usual(info);
            }
        }));
    });
    let outer = INSIDE.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(outer);
    outcome.unwrap_or_else(|_| {
        Err(Error::new(
            Kind::Unsafe,
            "the file system is damaged: its structures make no sense",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let error = guarded(|| -> Result<()> { panic!("index out of bounds") }).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsafe);
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
        assert!(!INSIDE.get());
    }
}
