//! Partition tables: GPT, and MBR with its logical partitions.

mod gpt;
mod mbr;
mod resized;
mod table;
#[cfg(test)]
mod tests;

pub use self::resized::{ALIGNED, NewEnd, Patch};
pub use self::table::{Partition, PartitionType, Table, TableKind, read};
