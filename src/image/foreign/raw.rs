//! Raw images, and those of discs: nothing but the guest's data.
//!
//! What is in them is not looked at. A guest may have written the header of any
//! format there, and whoever goes by that reads what the guest has named.

use super::{Facts, Found, Problem, Source};

pub(super) fn read(image: &dyn Source) -> Found {
    let size = image.size();
    if size < 512 {
        return Err(Problem::Refused("it is smaller than one sector"));
    }
    // QEMU fills the last sector up with zeros.
    match size.checked_next_multiple_of(512) {
        Some(size) => Facts::of_size(size),
        None => Err(Problem::Refused("it is too large")),
    }
}
