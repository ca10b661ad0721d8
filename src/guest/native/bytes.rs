//! Reading pieces of a disk that somebody else has written.

use super::Blocks;
use crate::error::Result;

/// Reads `length` bytes from `offset`; `None` if the disk does not go that far.
pub(super) fn read(disk: &dyn Blocks, offset: u64, length: usize) -> Result<Option<Vec<u8>>> {
    let end = offset.checked_add(length as u64);
    if end.is_none_or(|end| end > disk.len()) {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    disk.read_at(offset, &mut bytes)?;
    Ok(Some(bytes))
}
