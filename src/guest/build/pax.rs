//! What archives say about the next file in an extended header.
//!
//! The lengths count, and not the ends of lines: values are bytes, and those of
//! attributes have any.

use crate::guest::native::fs::Time;

/// Records of an extended header, as they come.
pub(super) type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads an extended header; `None` if it makes no sense.
pub(super) fn records(mut text: &[u8]) -> Option<Records> {
    let mut records = Vec::new();
    while !text.is_empty() {
        let space = text.iter().position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(text.get(..space)?).ok()?.parse().ok()?;
        let record = text.get(space.checked_add(1)?..length.checked_sub(1)?)?;
        if text.get(length.checked_sub(1)?) != Some(&b'\n') {
            return None;
        }
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let (key, value) = record.split_at(equals);
        records.push((key.to_vec(), value.get(1..)?.to_vec()));
        text = text.get(length..)?;
    }
    Some(records)
}

/// A time as it is written there: `1.5`, or `-1`.
pub fn time(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = part.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if !whole.starts_with('-') || nanoseconds == 0 {
        return Some(Time {
            seconds,
            nanoseconds,
        });
    }
    Some(Time {
        seconds: seconds.checked_sub(1)?,
        nanoseconds: 1_000_000_000_u32.checked_sub(nanoseconds)?,
    })
}

/// The other way round.
pub(super) fn time_text(time: Time) -> String {
    if time.seconds >= 0 || time.nanoseconds == 0 {
        return format!("{}.{:09}", time.seconds, time.nanoseconds);
    }
    let part = 1_000_000_000_u32.saturating_sub(time.nanoseconds);
    format!(
        "-{}.{part:09}",
        time.seconds.saturating_add(1).unsigned_abs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bytes() {
        let text = b"9 a=\n\n\x00z\n12 path=b c\n";
        let found = records(text).unwrap();
        assert_eq!(found[0], (b"a".to_vec(), b"\n\n\x00z".to_vec()));
        assert_eq!(found[1], (b"path".to_vec(), b"b c".to_vec()));
        for wrong in ["9 a=b\n", "x", "3 a", "99 a=b\n", "0 a=b\n", "4 a\n"] {
            assert_eq!(records(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for time_of in [
            (0, 0),
            (1_700_000_000, 123_456_789),
            (-5, 0),
            (-5, 250_000_000),
            (-1, 1),
        ] {
            let wanted = Time {
                seconds: time_of.0,
                nanoseconds: time_of.1,
            };
            assert_eq!(
                time(time_text(wanted).as_bytes()),
                Some(wanted),
                "{wanted:?}"
            );
        }
        assert_eq!(time(b"12").unwrap().seconds, 12);
        assert_eq!(time(b"1.5").unwrap().nanoseconds, 500_000_000);
        assert_eq!(time(b"x"), None);
    }
}
