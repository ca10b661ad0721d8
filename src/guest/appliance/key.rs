//! Keys of encrypted volumes.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A key, and what it opens. The key itself is never on a command line, where
/// everybody can read it: it is in a file, or comes on standard input.
#[derive(Clone, Eq, PartialEq)]
pub struct Key {
    /// The device in the guest, the UUID of its LUKS header, or `all`.
    pub device: String,
    /// The file that it is in; `-` is standard input.
    pub file: PathBuf,
}

/// Why a word is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyError {
    /// It is not of the form.
    Form,
    /// It would be on the command line.
    Shown,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "it must be DEVICE:file:PATH: a device, a UUID or 'all', and a file",
            Self::Shown => {
                "a key on the command line can be read by everybody on this host: put it into a \
                 file, or on standard input, as in 'all:file:-'"
            }
        })
    }
}

impl std::error::Error for KeyError {}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, ':');
        let (Some(device), Some(how), Some(file)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Form);
        };
        match how {
            "file" if !device.is_empty() && !file.is_empty() => Ok(Self {
                device: device.to_owned(),
                file: file.into(),
            }),
            "key" => Err(KeyError::Shown),
            _ => Err(KeyError::Form),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:file:{}", self.device, self.file.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_files() {
        let key: Key = "/dev/vda2:file:/run/a:b".parse().unwrap();
        assert_eq!(key.device, "/dev/vda2");
        assert_eq!(key.file, PathBuf::from("/run/a:b"));
        assert_eq!(
            "all:file:-".parse::<Key>().unwrap().file,
            PathBuf::from("-")
        );
        assert_eq!("all:key:secret".parse::<Key>(), Err(KeyError::Shown));
        for wrong in ["", "all", "all:file", "all:file:", ":file:x", "all:clevis:"] {
            assert_eq!(wrong.parse::<Key>(), Err(KeyError::Form), "{wrong}");
        }
    }
}
