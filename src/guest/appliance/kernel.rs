//! Whether the kernel of the appliance starts.
//!
//! There are hosts whose KVM runs the firmware and then no kernel, for ever. What is
//! on the console of the appliance tells.

use std::time::{Duration, Instant};

/// How long a kernel may take from the firmware to its first line. It is a second
/// on a busy host.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the firmware says last, and what a kernel says first.
const FIRMWARE: &[u8] = b"Booting from ROM";
const KERNEL: &[u8] = b"Linux version ";

/// How much of what was said is kept, for a word that comes in two pieces.
const KEPT: usize = 64;

/// What is known of it from what was on the console.
#[derive(Debug, Default)]
pub(super) struct Boot {
    tail: Vec<u8>,
    firmware: Option<Instant>,
    kernel: bool,
}

impl Boot {
    /// Sees what is on the console now.
    pub(super) fn see(&mut self, bytes: &[u8], now: Instant) {
        if self.kernel {
            return;
        }
        self.tail.extend_from_slice(bytes);
        if self.firmware.is_none() && contains(&self.tail, FIRMWARE) {
            self.firmware = Some(now);
        }
        self.kernel = contains(&self.tail, KERNEL);
        let old = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..old);
    }

    /// Whether the kernel has started.
    pub(super) fn is_over(&self) -> bool {
        self.kernel
    }

    /// When it is clear that no kernel starts, unless one does until then. `None`
    /// while the firmware is not done, or if the kernel has started.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let firmware = self.firmware.filter(|_| !self.kernel)?;
        firmware.checked_add(PATIENCE)
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|some| some == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_waited_for_from_the_firmware_on() {
        let mut boot = Boot::default();
        let now = Instant::now();
        boot.see(b"SeaBIOS (version 1.16.3)\nBooting fr", now);
        assert_eq!(boot.deadline(), None);
        boot.see(b"om ROM..\n", now);
        assert_eq!(boot.deadline(), Some(now + PATIENCE));
        boot.see(b"[    0.000000] Linux ver", now);
        assert_eq!(boot.deadline(), Some(now + PATIENCE));
        boot.see(b"sion 6.1.0", now);
        assert_eq!(boot.deadline(), None);
        boot.see(b"Booting from ROM", now);
        assert_eq!(boot.deadline(), None);
    }
}
