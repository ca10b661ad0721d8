//! Logical volumes of LVM2: linear and striped ones, on one disk or several.
//!
//! LVM2 documents none of this but in its source: `lib/label/label.h` and
//! `lib/format_text/layout.h` for what is on a disk, `libdm/libdm-config.c` for
//! the text, `lib/format_text/import_vsn1.c` and `lib/striped/striped.c` for
//! what the text says. What is written here follows from those.
//!
//! | file | what it knows |
//! |---|---|
//! | `label` | the label of a physical volume, and where its metadata is |
//! | `text` | the language of the metadata |
//! | `group` | what the metadata of a volume group says |
//! | `assemble` | which physical volumes make up which group |
//! | `volume` | reading a logical volume |

mod assemble;
mod group;
#[cfg(test)]
mod hostile_tests;
mod label;
mod text;
mod volume;

pub use self::assemble::{Assembled, LogicalVolume, Member, VolumeGroup, assemble};
pub use self::group::Plain;
