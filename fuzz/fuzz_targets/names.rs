//! Names, name patterns, hardware addresses, sizes and amounts of memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmkin::model::{DomainName, DomainRef, Mac, NamePattern, human_bytes};
use vmkin::xml::domain;
use vmkin_fuzz::be;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    name(&text);
    pattern(&text);
    mac(&text);
    memory(&text);
    if data.len() >= 8 {
        size(be(data, 0, 8));
    }
    if let Ok(which) = text.parse::<DomainRef>() {
        assert_eq!(which.as_str(), text);
    }
});

fn name(text: &str) {
    let Ok(name) = text.parse::<DomainName>() else {
        return;
    };
    assert_eq!(name.as_str(), text);
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    assert!(text.len() <= 120 && text.starts_with(first), "{text}");
    assert!(
        text.chars().all(|c| first(c) || "_.+-".contains(c)),
        "{text}"
    );
    assert!(text.parse::<u64>().is_err(), "{text} could be an id");
    assert!(uuid::Uuid::try_parse(text).is_err(), "{text} is a UUID");
}

fn pattern(text: &str) {
    let Ok(pattern) = text.parse::<NamePattern>() else {
        return;
    };
    let numbers = [0, 1, 7, 10, 99, 100, 101, 110, 999_999_999, u64::MAX];
    let names = numbers.map(|n| (n, pattern.name(n)));
    for (n, name) in &names {
        match name {
            Ok(name) => assert_eq!(name.as_str(), expanded(text, *n)),
            // A longer number can make a name too long, or look like an id.
            Err(_) => assert!(pattern.has_counter(), "{text}"),
        }
    }
    let mut all: Vec<String> = names
        .iter()
        .filter_map(|(_, name)| name.as_ref().ok().map(ToString::to_string))
        .collect();
    if pattern.has_counter() {
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count, "{text} gives one name to two numbers");
    }
}

/// What a pattern stands for, by another way than the program's.
fn expanded(pattern: &str, n: u64) -> String {
    let mut parts = pattern.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (field, rest) = part.split_once('}').expect("it was accepted");
        let width = match field.split_once(':') {
            Some((_, width)) => width.parse().expect("it was accepted"),
            None => 1,
        };
        let digits = n.to_string();
        out.push_str(&"0".repeat(usize::saturating_sub(width, digits.len())));
        out.push_str(&digits);
        out.push_str(rest);
    }
    out
}

fn mac(text: &str) {
    let Ok(mac) = text.parse::<Mac>() else {
        return;
    };
    let shown = mac.to_string();
    assert_eq!(shown.parse::<Mac>(), Ok(mac));
    let octets = |text: &str| -> Vec<u8> {
        let octet = |part| u8::from_str_radix(part, 16).expect("it was accepted");
        text.split([':', '-']).map(octet).collect()
    };
    let bytes = octets(text);
    assert_eq!(bytes, octets(&shown), "{text}");
    assert_eq!(bytes.len(), 6, "{text}");
    assert!(bytes[0] & 1 == 0 && bytes != [0; 6], "{text}");
}

/// Three digits at the most, and never more than there is.
fn size(bytes: u64) {
    let text = human_bytes(bytes);
    let (number, unit) = text.split_once(' ').expect("a number and a unit");
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = units.iter().position(|one| *one == unit).expect("a unit");
    let scale = 1024_u128.pow(u32::try_from(power).expect("at most 6"));
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let tenths: u128 = format!("{whole}{tenth}").parse().expect("digits");
    let exact = u128::from(bytes) * 10;
    // Whole units from a hundred on, tenths below.
    let step = if whole.len() >= 3 && unit != "B" {
        10
    } else {
        1
    };
    assert!(tenths * scale <= exact, "{bytes}: {text}");
    assert!((tenths + step) * scale > exact, "{bytes}: {text}");
}

/// `NUMBER UNIT` as the memory of a domain, against arithmetic that cannot
/// overflow.
fn memory(text: &str) {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let markup = |c: char| "<&'\"".contains(c) || c.is_control();
    if number.contains(markup) || unit.contains(markup) {
        return;
    }
    let xml = format!("<domain><name>a</name><memory unit='{unit}'>{number}</memory></domain>");
    let Ok(facts) = domain::read(&xml) else {
        return;
    };
    let scale: u128 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => 1,
        unit => {
            let (letter, rest) = unit.split_at(1);
            let power = "kmgtpe".find(letter).expect("a unit of libvirt's") + 1;
            let base: u128 = if rest == "b" { 1000 } else { 1024 };
            assert!(matches!(rest, "" | "b" | "ib"), "{unit}");
            base.pow(u32::try_from(power).expect("at most 6"))
        }
    };
    let number: u128 = number.trim().parse().expect("it was accepted");
    assert_eq!(u128::from(facts.memory_bytes), number * scale, "{text}");
}
