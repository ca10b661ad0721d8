//! Partition tables: GPT, and MBR with its logical partitions.

mod gpt;
mod mbr;
mod table;
#[cfg(test)]
mod tests;

pub use self::table::{Partition, PartitionType, Table, TableKind, read};
