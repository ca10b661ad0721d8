//! Where a file has data, for those who send it elsewhere without its holes.

use std::ops::Range;

use super::file::{ImageFile, read_error};
use super::transfer::extent;
use crate::error::Result;

/// Data this near to the data before it goes with it, in bytes: to begin anew
/// costs more than so many zeros.
const NEAR: u64 = 1 << 20;

/// What is looked through at a time for something that is not zero, in bytes.
const PIECE: usize = 64 << 10;

/// Where the file has data, in bytes from its beginning and in order. What is
/// between two of these is a hole; small holes are in them.
///
/// # Errors
///
/// [`Kind::Storage`](crate::error::Kind::Storage) if the file cannot be looked at.
pub fn data_runs(image: &ImageFile) -> Result<Vec<Range<u64>>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < image.size() {
        let (hole, end) = extent(image.file(), at, image.size())
            .map_err(|errno| read_error(image.path(), at, errno.into()))?;
        if !hole {
            match runs.last_mut() {
                Some(last) if at.saturating_sub(last.end) < NEAR => last.end = end,
                _ => runs.push(at..end),
            }
        }
        at = end;
    }
    Ok(runs)
}

/// The first piece of the file that is not all zero: where it begins, and what
/// is in it. Of an image with a header it is the header; `None` if all is zero.
///
/// # Errors
///
/// As [`data_runs`].
pub fn first_data(image: &ImageFile, runs: &[Range<u64>]) -> Result<Option<(u64, Vec<u8>)>> {
    for run in runs {
        let mut at = run.start;
        while at < run.end {
            let left = usize::try_from(run.end.saturating_sub(at)).unwrap_or(PIECE);
            let bytes = image.read_at(at, left.min(PIECE))?;
            if bytes.iter().any(|&byte| byte != 0) {
                return Ok(Some((at, bytes)));
            }
            at = at.saturating_add(PIECE as u64);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn holes_are_left_out_and_zeros_before_the_first_data_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let file = File::create(&path).unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(&vec![0; 256 << 10], 8 << 20).unwrap();
        file.write_all_at(&[7; 4096], (8 << 20) + (256 << 10))
            .unwrap();
        // Near enough to go with what is before it.
        file.write_all_at(&[8; 4096], (8 << 20) + (512 << 10))
            .unwrap();
        file.write_all_at(&[9; 4096], 40 << 20).unwrap();
        let image = ImageFile::open(&path).unwrap();
        let runs = data_runs(&image).unwrap();
        assert_eq!(
            runs,
            [
                8 << 20..(8 << 20) + (512 << 10) + 4096,
                40 << 20..(40 << 20) + 4096
            ]
        );
        let (at, bytes) = first_data(&image, &runs).unwrap().unwrap();
        assert_eq!(at, (8 << 20) + (256 << 10));
        assert_eq!((bytes.len(), bytes[0], bytes[4096]), (PIECE, 7, 0));
    }

    #[test]
    fn nothing_but_zeros_has_no_data_to_begin_with() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::write(&path, vec![0; 100_000]).unwrap();
        let image = ImageFile::open(&path).unwrap();
        let runs = data_runs(&image).unwrap();
        assert_eq!(first_data(&image, &runs).unwrap(), None);
        std::fs::write(&path, b"").unwrap();
        let image = ImageFile::open(&path).unwrap();
        assert_eq!(data_runs(&image).unwrap(), []);
    }
}
