//! What a new disk is filled with, and whether it has arrived.
//!
//! | file | what it knows |
//! |---|---|
//! | `item` | a file of the source: what it is, and all that is known of it |
//! | `source` | a directory, an archive, or nothing |
//! | `dir`, `archive` | reading each of them, item by item |
//! | `header` | what the headers of archives say that is not plain to read |
//! | `pax` | what archives say in extended headers |
//! | `pour` | all of it as one archive, through a pipe |
//! | `stage` | all of it in a directory |
//! | `wanted` | what must be there then, and comparing it |

mod archive;
mod dir;
pub mod header;
mod item;
mod pax;
mod pour;
mod source;
mod stage;
mod wanted;

pub use self::item::{Item, ItemKind, Owners};
pub use self::pax::time as pax_time;
pub use self::pour::{Hashing, Pipe, Poured};
pub use self::source::{Source, Visit};
pub use self::wanted::Wanted;
