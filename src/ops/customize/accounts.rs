//! Who may log in: keys and passwords of the guest's users.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::model::{SecretText, SshKey};
use crate::ops::identity::password::hashed;
use crate::ops::write::plan::Draft;

const USERS: &[u8] = b"/etc/passwd";
const PASSWORDS: &[u8] = b"/etc/shadow";

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// The type that SELinux has for the keys of users.
const KEYS_LABEL: Option<&str> = Some("ssh_home_t");

/// A user of the guest.
struct User {
    id: u32,
    group: u32,
    home: String,
    /// Whether its password is in the other file.
    shadowed: bool,
}

/// A user has these keys, besides those it has.
///
/// # Errors
///
/// [`Kind::NotFound`] if the guest has no such user, or that no home.
pub(super) fn authorize(draft: &mut Draft<'_>, name: &str, keys: &[SshKey]) -> Result<()> {
    let user = user(draft, name)?;
    let home = user.home.trim_end_matches('/');
    if !home.starts_with('/') || draft.must_be_directory(home.as_bytes()).is_err() {
        return Err(Error::new(
            Kind::NotFound,
            format!(
                "user '{name}' of the guest has no home to keep keys in: '{}'",
                user.home.escape_default()
            ),
        )
        .hint(format!("make it: `--mkdir {}`", user.home.escape_default())));
    }
    let own = |mode| Given {
        mode: Some(mode),
        owner: Some((user.id, user.group)),
        label_type: KEYS_LABEL,
        ..Given::default()
    };
    let dir = format!("{home}/.ssh");
    draft.need_directory(dir.as_bytes(), own(0o700))?;
    let file = format!("{dir}/authorized_keys");
    let mut text = draft.text(file.as_bytes())?.unwrap_or_default();
    for key in keys {
        if has_key(&text, key) {
            continue;
        }
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(key.as_str().as_bytes());
        text.push(b'\n');
    }
    draft.put(file.as_bytes(), &text, own(0o600)).map(drop)
}

/// Whether a key is on one of the lines, with whatever is before and behind it.
fn has_key(text: &[u8], key: &SshKey) -> bool {
    let Some(wanted) = key.as_str().split_whitespace().nth(1) else {
        return false;
    };
    let text = String::from_utf8_lossy(text);
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .any(|line| line.split_whitespace().any(|word| word == wanted))
}

/// A user has this password from now on, also if it was locked.
///
/// # Errors
///
/// [`Kind::NotFound`] if the guest has no such user; [`Kind::WrongState`] if it
/// keeps passwords elsewhere.
pub(super) fn set_password(draft: &mut Draft<'_>, name: &str, password: &SecretText) -> Result<()> {
    let user = user(draft, name)?;
    let shadow = draft.text(PASSWORDS)?;
    let Some(shadow) = shadow.filter(|_| user.shadowed) else {
        return Err(Error::new(
            Kind::WrongState,
            format!("the guest does not keep the password of user '{name}' in /etc/shadow"),
        ));
    };
    let hash = hashed(password)?;
    let now = with_password(&shadow, name, hash.expose(), today());
    let given = Given {
        mode: Some(0o600),
        ..Given::default()
    };
    draft.put(PASSWORDS, &now, given).map(drop)
}

/// How many days of 1970 and later have begun.
pub(super) fn today() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() / SECONDS_OF_A_DAY)
}

/// `/etc/shadow` with another hash: `NAME:HASH:DAY:…`.
fn with_password(shadow: &[u8], name: &str, hash: &str, day: u64) -> Vec<u8> {
    let mut now = Vec::with_capacity(shadow.len() + hash.len());
    let mut found = false;
    for line in shadow.split_inclusive(|&byte| byte == b'\n') {
        let fields: Vec<&[u8]> = line.splitn(4, |&byte| byte == b':').collect();
        match fields[..] {
            [own, _, _, rest] if own == name.as_bytes() => {
                found = true;
                now.extend_from_slice(format!("{name}:{hash}:{day}:").as_bytes());
                now.extend_from_slice(rest);
            }
            _ => now.extend_from_slice(line),
        }
    }
    if !found {
        if !now.is_empty() && !now.ends_with(b"\n") {
            now.push(b'\n');
        }
        now.extend_from_slice(format!("{name}:{hash}:{day}:0:99999:7:::\n").as_bytes());
    }
    now
}

/// `NAME:x:ID:GROUP:…:HOME:SHELL`
fn user(draft: &Draft<'_>, name: &str) -> Result<User> {
    let text = draft.text(USERS)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let found = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[..] {
            [own, password, id, group, _, home, _] if own == name => Some(User {
                id: id.parse().ok()?,
                group: group.parse().ok()?,
                home: home.to_owned(),
                shadowed: password == "x",
            }),
            _ => None,
        }
    });
    found.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!("the guest has no user '{name}' in /etc/passwd"),
        )
        .hint("see which it has: `vmkin cat -d DOMAIN /etc/passwd`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_takes_the_place_of_the_old_one_alone() {
        let shadow = b"root:!:1:0:99999:7:::\nann:$6$old:2:0:9:7:::odd\nroots:*:1::::::";
        let now = with_password(shadow, "ann", "NEW", 20_000);
        let wanted = b"root:!:1:0:99999:7:::\nann:NEW:20000:0:9:7:::odd\nroots:*:1::::::";
        assert_eq!(
            now.escape_ascii().to_string(),
            wanted.escape_ascii().to_string()
        );
        let now = with_password(&now, "root", "R", 20_000);
        assert!(now.starts_with(b"root:R:20000:0:99999:7:::\nann:NEW:20000:"));
        // Whom it does not know yet.
        let now = with_password(b"a:b", "new", "N", 5);
        assert_eq!(now, b"a:b\nnew:N:5:0:99999:7:::\n");
    }

    #[test]
    fn a_key_is_known_with_options_and_any_comment() {
        let line =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE me";
        let key: SshKey = line.parse().unwrap();
        let bare = line.trim_end_matches(" me");
        for text in [line, bare, &format!("x\nno-pty {bare} you\n")] {
            assert!(has_key(text.as_bytes(), &key), "{text}");
        }
        for text in ["", "ssh-ed25519 AAAA", &format!("# {line}")] {
            assert!(!has_key(text.as_bytes(), &key), "{text}");
        }
    }
}
