//! The same for many, several at a time.

use std::thread;

use crate::error::{Error, Kind, Result};

/// Does this with each, in so many threads. All are waited for, whatever the
/// first says; a thread stops at its first error.
///
/// # Errors
///
/// The first one.
pub(super) fn each<T: Send>(
    items: &mut [T],
    threads: usize,
    act: impl Fn(&mut T) -> Result<()> + Sync,
) -> Result<()> {
    let size = items.len().div_ceil(threads.max(1)).max(1);
    let act = &act;
    thread::scope(|scope| {
        let parts = items.chunks_mut(size);
        let threads: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter_mut().try_for_each(act)))
            .collect();
        let results: Vec<Result<()>> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(thread_failed())))
            .collect();
        results.into_iter().collect()
    })
}

fn thread_failed() -> Error {
    Error::new(Kind::Storage, "a thread failed that was to do a part of it")
}
