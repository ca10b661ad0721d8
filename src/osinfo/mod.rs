//! What is known of operating systems: the installed osinfo-db.
//!
//! A domain works better, or at all, if its devices are those that its system
//! drives. The package osinfo-db says of each system which those are. Its files
//! are read directly: libosinfo reads all of them before it answers, and would
//! be one more library to have.
//!
//! | file | what it knows |
//! |---|---|
//! | `database` | where the files are, which of them count |
//! | `find` | a system by what the user calls it, and the list of all |
//! | `inherit` | what a system has of those that it is made of |
//! | `profile` | which devices a new domain gets for it |
//! | `nearest` | the names that look most like a wrong one |

mod database;
mod find;
mod inherit;
mod nearest;
mod profile;
#[cfg(test)]
mod tests;

pub use self::database::OsInfo;
pub use self::find::{Listing, OsName};
pub use self::profile::{Firmware, GENERIC, OsProfile};
pub use crate::xml::osinfo::Amounts;
