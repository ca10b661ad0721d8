//! Amounts of storage and memory.

use std::fmt;

use serde::{Serialize, Serializer};

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Size(pub u64);

impl Size {
    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&human_bytes(self.0))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// Writes a number of bytes as `qemu-img info` does: binary units, and three
/// digits at the most unless it is a whole number of the unit.
///
/// ```
/// use vmkin::model::human_bytes;
///
/// assert_eq!(human_bytes(512), "512 B");
/// assert_eq!(human_bytes(196_608), "192 KiB");
/// assert_eq!(human_bytes(1_610_612_736), "1.5 GiB");
/// ```
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, in integers: a float would round 8 EiB - 1 up.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = "KiB";
    for next in UNITS.into_iter().skip(1) {
        if tenths < 10 * 1024 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    let (whole, tenth) = (tenths / 10, tenths % 10);
    if tenth == 0 || whole >= 100 {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{tenth} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_change_where_they_should() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(1023), "1023 B");
        assert_eq!(human_bytes(1024), "1 KiB");
        assert_eq!(human_bytes(1024 * 1024 - 1), "1023 KiB");
        assert_eq!(human_bytes(10 << 30), "10 GiB");
        assert_eq!(human_bytes(u64::MAX), "15.9 EiB");
    }

    proptest! {
        /// What is shown is never more than there is, and the next larger that
        /// could be shown is always more.
        #[test]
        fn a_size_is_rounded_down_to_three_digits(base in any::<u64>(), shift in 0_u32..64) {
            let bytes = base >> shift;
            let text = human_bytes(bytes);
            let (number, unit) = text.split_once(' ').unwrap();
            let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
            let power = units.iter().position(|known| *known == unit).unwrap();
            let scale = 1024_u128.pow(u32::try_from(power).unwrap());
            let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
            prop_assert!(whole.len() <= 4 && tenth.len() == 1, "{}", text);
            let tenths: u128 = format!("{whole}{tenth}").parse().unwrap();
            let step = if unit == "B" || whole.len() > 2 { 10 } else { 1 };
            prop_assert!(tenths * scale <= u128::from(bytes) * 10, "{}", text);
            prop_assert!((tenths + step) * scale > u128::from(bytes) * 10, "{}", text);
        }
    }
}
