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

    /// Reads a size as people type it: `10`, `1.5G`, `512 MiB`. `unit` is what a
    /// number without a unit counts, in bytes. Units are binary, and a fraction
    /// must come to whole bytes: nothing is rounded.
    ///
    /// # Errors
    ///
    /// If it is no such size, is zero, or has more than 2⁶³ bytes, which is more
    /// than a file can have.
    pub fn parse(text: &str, unit: u64) -> Result<Self, InvalidSize> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let unit = match suffix.trim_start().to_ascii_lowercase().as_str() {
            "" => unit,
            "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            "t" | "tb" | "tib" => 1 << 40,
            "p" | "pb" | "pib" => 1 << 50,
            "e" | "eb" | "eib" => 1 << 60,
            _ => return Err(InvalidSize::NoSize),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let has_point = number.contains('.');
        if !is_number(whole) || (has_point && !is_number(fraction)) || fraction.len() > 9 {
            return Err(InvalidSize::NoSize);
        }
        // In integers: a float would round.
        let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or_default());
        let digits: u128 = format!("{whole}{fraction}")
            .parse()
            .map_err(|_| InvalidSize::TooLarge)?;
        let scaled = digits
            .checked_mul(u128::from(unit))
            .ok_or(InvalidSize::TooLarge)?;
        if scaled % scale != 0 {
            return Err(InvalidSize::NotWhole);
        }
        match u64::try_from(scaled / scale) {
            Ok(0) => Err(InvalidSize::Zero),
            Ok(bytes) if bytes <= i64::MAX.unsigned_abs() => Ok(Self(bytes)),
            _ => Err(InvalidSize::TooLarge),
        }
    }
}

/// Why a text is no size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidSize {
    /// It is no number with a unit.
    NoSize,
    /// It is zero.
    Zero,
    /// It does not come to whole bytes.
    NotWhole,
    /// It is more than a file can have.
    TooLarge,
}

impl fmt::Display for InvalidSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSize => "a size is a number with a unit, such as 10G or 512M",
            Self::Zero => "a size of nothing is no size",
            Self::NotWhole => {
                "that does not come to whole bytes; take a smaller unit, such as 512M"
            }
            Self::TooLarge => "that is more than a file can have (8 EiB)",
        })
    }
}

impl std::error::Error for InvalidSize {}

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

    #[test]
    fn sizes_are_read_as_they_are_typed() {
        let size = |text: &str| Size::parse(text, 1 << 30).map(Size::bytes);
        assert_eq!(size("10"), Ok(10 << 30));
        assert_eq!(size("0.5"), Ok(1 << 29));
        assert_eq!(size("1.5G"), Ok(3 << 29));
        assert_eq!(size("512 MiB"), Ok(512 << 20));
        assert_eq!(size("513b"), Ok(513));
        assert_eq!(size("0"), Err(InvalidSize::Zero));
        assert_eq!(size("0.1"), Err(InvalidSize::NotWhole));
        assert_eq!(size("8E"), Err(InvalidSize::TooLarge));
        assert_eq!(size("9223372036854775807b"), Ok(i64::MAX.unsigned_abs()));
        assert_eq!(size("18446744073709551616"), Err(InvalidSize::TooLarge));
        assert_eq!(size(&"9".repeat(60)), Err(InvalidSize::TooLarge));
        for text in [
            "", "-1", "1e3", "1GG", "G", "1.", ".5", "1..5", "1.5.5", "+1", "1 2", "٣",
        ] {
            assert_eq!(size(text), Err(InvalidSize::NoSize), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_size_in_units_is_that_many(n in 1_u64..1 << 20, power in 0_usize..5) {
            let suffix = ["b", "K", "M", "G", "T"][power];
            let unit = 1_u64 << (10 * power);
            // 2²⁰ TiB is 2⁶⁰ bytes.
            prop_assert_eq!(Size::parse(&format!("{n}{suffix}"), 1), Ok(Size(n * unit)));
        }

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
