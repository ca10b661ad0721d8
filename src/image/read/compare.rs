//! Whether two disks are the same to a guest.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::Disk;
use crate::error::{Error, Kind, Result};

/// How much of each disk is read at once, in bytes.
const PIECE: usize = 1 << 20;

/// How two disks compare.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Comparison {
    /// The first byte that is another; `None` if there is none. Where one disk
    /// has ended, the other has to have zeros.
    pub differs_at: Option<u64>,
    /// The size of the first disk, in bytes.
    pub size: u64,
    /// The size of the other, in bytes.
    pub other_size: u64,
}

impl Comparison {
    /// Whether a guest finds the same data on both.
    pub fn is_same(self) -> bool {
        self.differs_at.is_none()
    }
}

/// Compares what two disks say from their first byte to the last of the longer
/// one. What both know to be zeros is not read.
///
/// # Errors
///
/// Those of [`Disk::read_at`]; [`Kind::Interrupted`] soon after `cancel` becomes
/// true.
pub fn compare(
    one: &Disk,
    other: &Disk,
    progress: &dyn Fn(u64, u64),
    cancel: &AtomicBool,
) -> Result<Comparison> {
    let (size, other_size) = (one.len(), other.len());
    let all = size.max(other_size);
    let mut buffers = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    let mut differs_at = None;
    while at < all && differs_at.is_none() {
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "comparing was interrupted"));
        }
        let zeros = zeros_at(one, at)?.min(zeros_at(other, at)?);
        if zeros > 0 {
            at = at.saturating_add(zeros).min(all);
        } else {
            let length = usize::try_from(all.saturating_sub(at)).unwrap_or(PIECE);
            let length = length.min(PIECE);
            read(one, at, &mut buffers.0, length)?;
            read(other, at, &mut buffers.1, length)?;
            let (left, right) = (buffers.0.get(..length), buffers.1.get(..length));
            if left != right {
                let pairs = left.into_iter().flatten().zip(right.into_iter().flatten());
                let same = pairs.take_while(|(left, right)| left == right).count();
                differs_at = at.checked_add(same as u64);
            }
            at = at.saturating_add(length as u64);
        }
        progress(at, all);
    }
    Ok(Comparison {
        differs_at,
        size,
        other_size,
    })
}

/// For how long a disk is known to be zeros from here on; for ever after its end.
fn zeros_at(disk: &Disk, at: u64) -> Result<u64> {
    if at >= disk.len() {
        return Ok(u64::MAX);
    }
    let extent = disk.extent(at)?;
    let end = at.saturating_add(extent.len);
    Ok(match extent.data {
        true => 0,
        false if end >= disk.len() => u64::MAX,
        false => extent.len,
    })
}

/// Fills the beginning of a buffer, with zeros after the end of the disk.
fn read(disk: &Disk, at: u64, buffer: &mut [u8], length: usize) -> Result<()> {
    let there = usize::try_from(disk.len().saturating_sub(at)).unwrap_or(length);
    let Some((data, rest)) = buffer
        .get_mut(..length)
        .and_then(|all| all.split_at_mut_checked(there.min(length)))
    else {
        return Ok(());
    };
    rest.fill(0);
    if data.is_empty() {
        return Ok(());
    }
    disk.read_at(at, data)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;
    use std::path::Path;

    use super::*;
    use crate::image::read::open;
    use crate::image::{Trust, resolve};
    use crate::model::ImageFormat;

    fn disk(dir: &Path, name: &str, size: u64, bytes: &[(u64, u8)]) -> Disk {
        let path = dir.join(name);
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(size).unwrap();
        for (at, byte) in bytes {
            file.write_all_at(&[*byte], *at).unwrap();
        }
        let chain = resolve(&path, ImageFormat::Raw, &Trust::default()).unwrap();
        open(&chain, None).unwrap()
    }

    fn differs_at(one: &Disk, other: &Disk) -> Option<u64> {
        let never = AtomicBool::new(false);
        let there = compare(one, other, &|_, _| {}, &never).unwrap();
        let back = compare(other, one, &|_, _| {}, &never).unwrap();
        assert_eq!(there.differs_at, back.differs_at);
        there.differs_at
    }

    #[test]
    fn the_first_byte_that_differs_is_found_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let disk = |name, size, bytes: &[(u64, u8)]| disk(dir.path(), name, size, bytes);
        let size = 9 << 20;
        let one = disk("a", size, &[(5, 1), (7 << 20, 2)]);
        assert_eq!(differs_at(&one, &one), None);
        for at in [0, 4, 4095, 1 << 20, (3 << 20) + 7, size - 1] {
            let other = disk("b", size, &[(5, 1), (7 << 20, 2), (at, 9)]);
            assert_eq!(differs_at(&one, &other), Some(at));
        }
        // A longer one is the same if there is nothing in the rest of it.
        let longer = disk("c", size * 2, &[(5, 1), (7 << 20, 2)]);
        assert_eq!(differs_at(&one, &longer), None);
        let other = disk("d", size * 2, &[(5, 1), (7 << 20, 2), (size + 3, 1)]);
        assert_eq!(differs_at(&one, &other), Some(size + 3));
    }

    #[test]
    fn it_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let one = disk(dir.path(), "a", 1 << 20, &[(5, 1)]);
        let stop = AtomicBool::new(true);
        let error = compare(&one, &one, &|_, _| {}, &stop).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
    }
}
