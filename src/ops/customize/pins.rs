//! What binds the networks of a guest to the MAC addresses of its cards.

use super::files::{matching, tell, texts};
use super::{MacPins, Outcome, Which};
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::model::Mac;
use crate::ops::write::plan::Draft;

/// The files that bind a network to a card, what stands there before an address, and
/// what becomes of it if it is to go.
const PLACES: &[(&str, &str, &[&str], Going)] = &[
    (
        "/etc/sysconfig/network-scripts",
        "ifcfg-*",
        &["HWADDR=", "MACADDR="],
        Going::Line,
    ),
    (
        "/etc/sysconfig/network",
        "ifcfg-*",
        &["LLADDR="],
        Going::Line,
    ),
    (
        "/etc/NetworkManager/system-connections",
        "*",
        &["mac-address=", "cloned-mac-address="],
        Going::Line,
    ),
    // Which card has which name.
    (
        "/etc/udev/rules.d",
        "70-persistent-net.rules",
        &["ATTR{address}=="],
        Going::File,
    ),
    (
        "/etc/netplan",
        "*.yaml",
        &["macaddress:", "mac-address:"],
        Going::Told,
    ),
    ("/etc/systemd/network", "*", &["MACAddress="], Going::Told),
    ("/etc/network", "interfaces", &["hwaddress"], Going::Told),
    (
        "/etc/network/interfaces.d",
        "*",
        &["hwaddress"],
        Going::Told,
    ),
];

/// What becomes of a file if what binds is to go.
enum Going {
    /// It loses the line.
    Line,
    /// It goes.
    File,
    /// It stays and is told: a part of it cannot be taken away without changing what
    /// the rest means.
    Told,
}

const PINNED: &str = "is bound to the MAC address of a card, and stays so";

/// The length of an address as it is mostly written: `52:54:00:12:34:56`.
const LENGTH: usize = 17;

/// What binds goes where nothing else changes its meaning, and is told elsewhere.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn remove(draft: &mut Draft<'_>, outcome: &mut Outcome) -> Result<()> {
    for (dir, pattern, words, going) in PLACES {
        match going {
            Going::File => {
                for path in matching(draft, dir, &[pattern])? {
                    draft.rm(&path, true, true)?;
                }
            }
            Going::Line => {
                for (path, text) in texts(draft, dir, &[pattern])? {
                    put(draft, &path, &text, &unpinned(&text, words))?;
                }
            }
            Going::Told => tell(draft, &[(dir, pattern, words, PINNED)], outcome)?,
        }
    }
    Ok(())
}

fn put(draft: &mut Draft<'_>, path: &[u8], text: &str, now: &str) -> Result<()> {
    if now != text {
        draft.put(path, now.as_bytes(), Given::default())?;
    }
    Ok(())
}

fn unpinned(text: &str, words: &[&str]) -> String {
    let free = |line: &&str| pinned_to(line, words).is_none();
    text.split_inclusive('\n').filter(free).collect()
}

/// The files of connections that bind one to a card by a line: a directory, a pattern
/// of names, and how such a line begins.
pub(in crate::ops) fn lines() -> impl Iterator<Item = (&'static str, &'static str, Words)> {
    let of_lines = PLACES.iter().filter(|place| matches!(place.3, Going::Line));
    of_lines.map(|(dir, pattern, words, _)| (*dir, *pattern, *words))
}

/// What stands before an address.
type Words = &'static [&'static str];

/// The address that a line binds a connection to.
pub(in crate::ops) fn pinned_to<'l>(line: &'l str, words: &[&str]) -> Option<&'l str> {
    let (name, value) = line.split_once('=')?;
    let mut settings = words.iter().filter_map(|word| word.strip_suffix('='));
    // Of the words that stand for an address, such as `preserve`, none has a colon.
    let is_pin = settings.any(|setting| setting == name.trim()) && value.contains(':');
    is_pin.then(|| value.trim())
}

/// Exchanges addresses in all files that bind networks to cards: each first one of
/// a pair becomes the second, all at once, so that two can change places.
///
/// # Errors
///
/// If the files of the guest cannot be read.
pub(super) fn rebind(draft: &mut Draft<'_>, pairs: &[(Mac, Mac)]) -> Result<()> {
    for (dir, pattern, ..) in PLACES {
        for (path, text) in texts(draft, dir, &[pattern])? {
            put(draft, &path, &text, &rebound(&text, pairs))?;
        }
    }
    Ok(())
}

/// Drafts what is asked for but for [`MacPins::Remove`].
///
/// # Errors
///
/// [`Kind::WrongState`] if it is not certain which address takes the place of
/// which; [`Kind::NotFound`] if there is none of those that are said.
pub(super) fn draft(draft: &mut Draft<'_>, pins: &[MacPins], which: Which<'_>) -> Result<()> {
    let mut pairs: Vec<(Mac, Mac)> = Vec::new();
    for pin in pins {
        match pin {
            MacPins::Remove => {}
            MacPins::Domain => pairs.extend(certain(&pinned(draft)?, which)?),
            MacPins::Pair(old, new) => pairs.push((*old, *new)),
        }
    }
    let said = pins.iter().any(|pin| matches!(pin, MacPins::Pair(..)));
    if said {
        must_be_there(&pinned(draft)?, &pairs, which)?;
    }
    rebind(draft, &pairs)
}

/// The one address that takes the place of another, if there is just one that can.
fn certain(pinned: &[Pinned], which: Which<'_>) -> Result<Option<(Mac, Mac)>> {
    if which.uuid.is_none() {
        return Err(
            Error::new(Kind::Usage, "an image has no domain whose cards are known")
                .hint("say the addresses: `--mac-pins OLD=NEW`"),
        );
    }
    let old: Vec<&Pinned> = pinned
        .iter()
        .filter(|pin| !which.macs.contains(&pin.mac))
        .collect();
    let bound = |mac: &&Mac| pinned.iter().any(|pin| pin.mac == **mac);
    let free: Vec<&Mac> = which.macs.iter().filter(|mac| !bound(mac)).collect();
    match (&old[..], &free[..]) {
        ([], _) => Ok(None),
        ([old], [new]) => Ok(Some((old.mac, **new))),
        _ => Err(Error::new(
            Kind::WrongState,
            format!(
                "it is not certain which MAC addresses take the place of which: the guest is \
                 bound to {}, and the domain has {}",
                list(pinned),
                which.shown_macs()
            ),
        )
        .hint("say it for each: `--mac-pins OLD=NEW`")),
    }
}

fn must_be_there(pinned: &[Pinned], pairs: &[(Mac, Mac)], which: Which<'_>) -> Result<()> {
    for (old, new) in pairs {
        // The second time it is done already.
        let there = |pin: &Pinned| pin.mac == *old || pin.mac == *new;
        if !pinned.iter().any(there) {
            return Err(Error::new(
                Kind::NotFound,
                format!("nothing in the guest is bound to {old}"),
            )
            .hint(format!("it is bound to {}", list(pinned))));
        }
        if which.uuid.is_some() && !which.macs.contains(new) {
            return Err(Error::new(
                Kind::NotFound,
                format!("the domain has no interface with {new}"),
            )
            .hint(format!("it has {}", which.shown_macs())));
        }
    }
    Ok(())
}

/// An address that something in a guest is bound to.
struct Pinned {
    mac: Mac,
    /// The file.
    path: Vec<u8>,
}

fn list(pinned: &[Pinned]) -> String {
    let shown = pinned
        .iter()
        .map(|pin| format!("{} ({})", pin.mac, pin.path.escape_ascii()));
    match pinned {
        [] => "none".to_owned(),
        _ => shown.collect::<Vec<_>>().join(", "),
    }
}

/// The addresses that the guest is bound to, each once.
fn pinned(draft: &Draft<'_>) -> Result<Vec<Pinned>> {
    let mut pinned: Vec<Pinned> = Vec::new();
    for (dir, pattern, words, _) in PLACES {
        for (path, text) in texts(draft, dir, &[pattern])? {
            for line in text.lines().filter(|line| !is_comment(line)) {
                let behind = words.iter().find_map(|word| line.split_once(word));
                for (_, mac) in addresses(behind.map_or("", |(_, behind)| behind)) {
                    if !pinned.iter().any(|pin| pin.mac == mac) {
                        let path = path.clone();
                        pinned.push(Pinned { mac, path });
                    }
                }
            }
        }
    }
    Ok(pinned)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// The addresses in a text, and where each begins.
fn addresses(text: &str) -> impl Iterator<Item = (usize, Mac)> {
    let part = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':';
    let bytes = text.as_bytes();
    let windows = bytes.windows(LENGTH).enumerate();
    windows.filter_map(move |(start, window)| {
        // Not a part of something longer.
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        let behind = bytes.get(start.saturating_add(LENGTH));
        if before.is_some_and(part) || behind.is_some_and(part) {
            return None;
        }
        let at_colon = window.iter().skip(2).step_by(3);
        if !at_colon.clone().all(|&byte| byte == b':') {
            return None;
        }
        let mac = std::str::from_utf8(window).ok()?.parse().ok()?;
        Some((start, mac))
    })
}

fn rebound(text: &str, pairs: &[(Mac, Mac)]) -> String {
    let mut now = String::with_capacity(text.len());
    let mut at = 0;
    for (start, mac) in addresses(text) {
        let Some((_, new)) = pairs.iter().find(|(old, _)| *old == mac) else {
            continue;
        };
        let end = start.saturating_add(LENGTH);
        let old = text.get(start..end).unwrap_or_default();
        now.push_str(text.get(at..start).unwrap_or_default());
        // Some programs compare it as it is written.
        match old.contains(|c: char| c.is_ascii_uppercase()) {
            true => now.push_str(&new.to_string().to_uppercase()),
            false => now.push_str(&new.to_string()),
        }
        at = end;
    }
    now.push_str(text.get(at..).unwrap_or_default());
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_loses_its_card_and_nothing_else() {
        let text = "DEVICE=eth0\nHWADDR=52:54:00:00:00:01\nHWADDR2=x:y\n#HWADDR=a:b\nMACADDR=\"52:54:00:00:00:01\"";
        let now = unpinned(text, &["HWADDR=", "MACADDR="]);
        assert_eq!(now, "DEVICE=eth0\nHWADDR2=x:y\n#HWADDR=a:b\n");
        let text = "[ethernet]\nmac-address=52:54:00:00:00:01\ncloned-mac-address=preserve\n";
        let now = unpinned(text, &["mac-address=", "cloned-mac-address="]);
        assert_eq!(now, "[ethernet]\ncloned-mac-address=preserve\n");
    }

    #[test]
    fn whole_addresses_are_exchanged_and_can_change_places() {
        let mac = |last: &str| format!("52:54:00:00:00:{last}").parse::<Mac>().unwrap();
        let pairs = [(mac("aa"), mac("0b")), (mac("0b"), mac("aa"))];
        let text = "52:54:00:00:00:aa,52:54:00:00:00:0b\n\u{e4} 52:54:00:00:00:AA 52-54-00-00-00-aa \
                    52:54:00:00:00:aa:01 0:52:54:00:00:00:aa x52:54:00:00:00:0B";
        let wanted = "52:54:00:00:00:0b,52:54:00:00:00:aa\n\u{e4} 52:54:00:00:00:0B 52-54-00-00-00-aa \
                      52:54:00:00:00:aa:01 0:52:54:00:00:00:aa x52:54:00:00:00:AA";
        assert_eq!(rebound(text, &pairs), wanted);
        assert_eq!(rebound(text, &[]), text);
    }
}
