//! What an operation promises about a fault.

/// How it ends. The letters are those of the fault matrix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Letter {
    /// Refused before anything was changed, or written down to be.
    N,
    /// Taken back: everything is as before, at once or after `vmkin recover`.
    R,
    /// As R before the commit mark of the operation, as F after it.
    X,
    /// Finished, at once or by `vmkin recover`.
    F,
    /// Done in part, in place; the same command does the rest.
    P,
    /// Done, as if nothing had happened.
    S,
}

/// What must be seen in one cell of the matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// It ends so, with one of these exit codes, and says this.
    Ends(Letter, &'static [i32], &'static str),
    /// It cannot happen to this operation, for this reason.
    Never(&'static str),
}

/// Refused with this code and these words.
pub(crate) fn refused(codes: &'static [i32], says: &'static str) -> Expect {
    Expect::Ends(Letter::N, codes, says)
}

/// Begun and taken back.
pub(crate) fn taken_back(codes: &'static [i32], says: &'static str) -> Expect {
    Expect::Ends(Letter::R, codes, says)
}

/// Taken back or finished, depending on how far it had come.
pub(crate) fn by_the_mark(codes: &'static [i32]) -> Expect {
    Expect::Ends(Letter::X, codes, "")
}

/// Left unfinished; the next run finishes it.
pub(crate) fn finished(codes: &'static [i32]) -> Expect {
    Expect::Ends(Letter::F, codes, "")
}

/// Done in part, or not.
pub(crate) fn in_part(codes: &'static [i32]) -> Expect {
    Expect::Ends(Letter::P, codes, "")
}

/// Done all the same.
pub(crate) fn harmless() -> Expect {
    Expect::Ends(Letter::S, &[0], "")
}

/// Done all the same, and mentioned.
pub(crate) fn harmless_but_says(says: &'static str) -> Expect {
    Expect::Ends(Letter::S, &[0], says)
}

/// Cannot happen here.
pub(crate) fn never(why: &'static str) -> Expect {
    Expect::Never(why)
}
