//! Places where a test can make the program die or fail.
//!
//! Compiled to nothing without the feature `failpoints`. With it, the
//! environment variable `VMKIN_FAILPOINTS` holds a list such as
//! `clone.renamed=kill` or `clone.defined@3=error`, where `@3` means the third
//! time this place is passed. The action `wait` makes the file
//! `$VMKIN_FAILPOINT_GATE/operation.step` and goes on when a test has removed it;
//! `pause-300` goes on after 300 ms.

use crate::error::Result;

/// A step that is about to be left behind. `step` is `operation.step`.
///
/// # Errors
///
/// Only with the feature, if the environment asks for it.
#[cfg(not(feature = "failpoints"))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
pub(crate) fn hit(_step: &str) -> Result<()> {
    Ok(())
}

/// How long something that does not get on is waited for: `usual`, unless a
/// test asks for less in `VMKIN_FAILPOINT_PATIENCE`, in milliseconds.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(crate) fn patience(usual: std::time::Duration) -> std::time::Duration {
    usual
}

#[cfg(feature = "failpoints")]
pub(crate) use enabled::{hit, patience};

#[cfg(feature = "failpoints")]
mod enabled {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex, PoisonError};
    use std::time::Duration;

    use nix::sys::signal::{Signal, raise};

    use super::Result;
    use crate::error::{Error, Kind};

    static PASSED: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);
    static ASKED: LazyLock<Vec<(String, u32, String)>> = LazyLock::new(|| {
        let list = std::env::var("VMKIN_FAILPOINTS").unwrap_or_default();
        list.split(';')
            .filter_map(|item| {
                let (place, action) = item.split_once('=')?;
                let (step, nth) = place.split_once('@').unwrap_or((place, "1"));
                Some((step.to_owned(), nth.parse().ok()?, action.to_owned()))
            })
            .collect()
    });

    /// `pause-300` takes 300 ms, as more work at this place would.
    fn pause(action: &str) {
        let time = action.strip_prefix("pause-").and_then(|ms| ms.parse().ok());
        std::thread::sleep(Duration::from_millis(time.unwrap_or(0)));
    }

    /// A test that is to see something half-made needs it to stay so for as
    /// long as it looks, however slow the machine is.
    fn wait_at_the_gate(step: &str) {
        let Some(gate) = std::env::var_os("VMKIN_FAILPOINT_GATE") else {
            return;
        };
        let here = std::path::Path::new(&gate).join(step);
        drop(std::fs::write(&here, ""));
        // A test that has died leaves nobody waiting for ever.
        for _ in 0..30_000 {
            if !here.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn patience(usual: Duration) -> Duration {
        std::env::var("VMKIN_FAILPOINT_PATIENCE")
            .ok()
            .and_then(|milliseconds| milliseconds.parse().ok())
            .map_or(usual, Duration::from_millis)
    }

    pub(crate) fn hit(step: &str) -> Result<()> {
        if let Some(file) = std::env::var_os("VMKIN_FAILPOINT_LOG") {
            use std::io::Write as _;
            if let Ok(mut file) = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(file)
            {
                // In one write, for there are several threads.
                drop(file.write_all(format!("{step}\n").as_bytes()));
            }
        }
        let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        let count = passed.entry(step.to_owned()).or_default();
        *count += 1;
        let count = *count;
        drop(passed);
        for (asked, nth, action) in ASKED.iter() {
            if asked != step || *nth != count {
                continue;
            }
            match action.as_str() {
                "kill" => drop(raise(Signal::SIGKILL)),
                "term" => drop(raise(Signal::SIGTERM)),
                "int" => drop(raise(Signal::SIGINT)),
                "wait" => wait_at_the_gate(step),
                other if other.starts_with("pause-") => pause(other),
                _ => {
                    return Err(Error::new(
                        Kind::Storage,
                        format!("the failpoint {step} was asked to fail"),
                    ));
                }
            }
        }
        Ok(())
    }
}
