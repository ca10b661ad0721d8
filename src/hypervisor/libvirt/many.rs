//! Asking libvirt many questions at once.

use std::thread;

use crate::error::{Error, Kind, Result};

/// How many threads ask libvirt at once where there is a lot to ask, and how much
/// that is at least for each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Askers {
    threads: usize,
    least: usize,
    many: usize,
}

impl Askers {
    /// The daemon answers about this many at a time (`max_client_requests` is 5).
    const HERE: Self = Self {
        threads: 4,
        least: 16,
        many: 16,
    };

    /// While one waits for its answer to come over the line, others can ask.
    const THERE: Self = Self {
        threads: 20,
        least: 1,
        many: 2,
    };

    pub(super) fn of(here: bool) -> Self {
        match here {
            true => Self::HERE,
            false => Self::THERE,
        }
    }

    /// From how many domains on it is better to ask about all than about each.
    pub(super) fn many(self) -> usize {
        self.many
    }
}

/// Asks for each of many domains, or about each of other things, several at a time;
/// `None` where it is gone.
pub(super) fn of_many<D: Sync, T: Send>(
    all: &[D],
    askers: Askers,
    ask: impl Fn(&D) -> Result<T> + Sync,
) -> Result<Vec<Option<T>>> {
    let size = all.len().div_ceil(askers.threads).max(askers.least);
    let ask_part = |part: &[D]| -> Result<Vec<Option<T>>> {
        part.iter()
            .map(|one| match ask(one) {
                Ok(answer) => Ok(Some(answer)),
                Err(e) if e.kind() == Kind::NotFound => Ok(None),
                Err(e) => Err(e),
            })
            .collect()
    };
    thread::scope(|scope| {
        let ask_part = &ask_part;
        let mut parts = all.chunks(size);
        let first = parts.next().unwrap_or_default();
        let askers: Vec<_> = parts
            .map(|part| scope.spawn(move || ask_part(part)))
            .collect();
        // This thread has nothing else to do: mostly no other is needed.
        let mut answers = ask_part(first)?;
        for asker in askers {
            answers.extend(asker.join().unwrap_or_else(|_| {
                Err(Error::new(
                    Kind::Libvirt,
                    "a thread that asks libvirt failed",
                ))
            })?);
        }
        Ok(answers)
    })
}
