//! How each fault is made to happen, one subject a file.

pub(crate) mod bases;
pub(crate) mod calls;
pub(crate) mod hostile;
pub(crate) mod identity;
pub(crate) mod neighbours;
pub(crate) mod output;
pub(crate) mod places;
pub(crate) mod states;
pub(crate) mod steps;
pub(crate) mod tools;
