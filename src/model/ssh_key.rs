//! Public keys as OpenSSH writes them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// The longest line: an RSA key of 16384 bits has 2800 bytes.
const MAX_LINE: usize = 8192;

/// The sorts of keys that OpenSSH lets anybody in with.
const TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// A public key, on one line: its type, the key, and a comment.
///
/// ```
/// use vmkin::model::SshKey;
///
/// let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE me";
/// let key: SshKey = line.parse()?;
/// assert_eq!(key.as_str(), line);
/// # Ok::<(), vmkin::model::InvalidSshKey>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SshKey(String);

impl SshKey {
    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SshKey {
    type Err = InvalidSshKey;

    fn from_str(line: &str) -> Result<Self, InvalidSshKey> {
        let line = line.trim();
        if line.len() > MAX_LINE {
            return Err(InvalidSshKey::TooLong(line.len()));
        }
        if line.contains("PRIVATE KEY") {
            return Err(InvalidSshKey::Private);
        }
        if let Some(bad) = line.chars().find(|c| c.is_control()) {
            return Err(InvalidSshKey::Control(bad));
        }
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let (kind, key) = (words.next(), words.next());
        let Some(kind) = kind.filter(|kind| TYPES.contains(kind)) else {
            return Err(InvalidSshKey::Type(kind.unwrap_or_default().to_owned()));
        };
        let bytes = STANDARD
            .decode(key.unwrap_or_default())
            .map_err(|_| InvalidSshKey::Key)?;
        // It begins with its type once more, and the length of that; RFC 4253.
        let length = u32::try_from(kind.len()).unwrap_or(u32::MAX).to_be_bytes();
        let rest = bytes
            .strip_prefix(&length)
            .and_then(|rest| rest.strip_prefix(kind.as_bytes()));
        match rest {
            Some(rest) if rest.len() >= 32 => Ok(Self(line.to_owned())),
            _ => Err(InvalidSshKey::Key),
        }
    }
}

/// Why a line is no public key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvalidSshKey {
    /// It has this many bytes, which is too many.
    TooLong(usize),
    /// It is of a private key.
    Private,
    /// It has a control character.
    Control(char),
    /// It begins with this instead of a type of keys.
    Type(String),
    /// What follows the type is no key of that type.
    Key,
}

impl fmt::Display for InvalidSshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(n) => write!(
                f,
                "a line of {n} bytes, which is longer than any public key ({MAX_LINE})"
            ),
            Self::Private => f.write_str("a private key, which must stay where it is"),
            Self::Control(c) => write!(f, "a line with {c:?}, which no public key has"),
            // What it is may be a secret.
            Self::Type(_) => write!(
                f,
                "a line that does not begin with a type of keys: {}",
                TYPES.join(", ")
            ),
            Self::Key => f.write_str("a line with a type of keys and no key of that type"),
        }
    }
}

impl std::error::Error for InvalidSshKey {}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIEc4jVVbhBg7RbkiGBlUQ2Wb6nr+yt4L3bgJGKGQJHUE";

    #[test]
    fn a_key_may_have_a_comment() {
        for comment in ["", " me@here", " two words é", "  \"quoted\" \\"] {
            let line = format!("ssh-ed25519 {KEY}{comment}");
            assert_eq!(line.parse::<SshKey>().unwrap().as_str(), line);
        }
        let key: SshKey = format!("  ssh-ed25519 {KEY}\n").parse().unwrap();
        assert_eq!(key.as_str(), format!("ssh-ed25519 {KEY}"));
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        for bad in [
            String::new(),
            "ssh-ed25519".to_owned(),
            format!("ssh-rsa {KEY}"),
            KEY.to_owned(),
            format!("ssh-ed25519 {}", &KEY[..20]),
            format!("ssh-ed25519 {}!", &KEY[..67]),
            format!("ssh-ed25519 {KEY} a\nssh-ed25519 {KEY}"),
            format!("ssh-ed25519 {KEY} \u{1b}]0;x\u{7}"),
            format!("ssh-ed25519\t{KEY}"),
            format!("command=\"x\" ssh-ed25519 {KEY}"),
            "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(),
            format!("ssh-ed25519 {KEY} {}", "x".repeat(9000)),
        ] {
            let error = bad.parse::<SshKey>().unwrap_err();
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
    }
}
