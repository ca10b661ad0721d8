//! What is asked for, as it is typed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::model::Mac;

/// What becomes of a machine id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MachineId {
    /// A random one.
    New,
    /// None: the guest takes one when it starts.
    Empty,
    /// This one: 32 hexadecimal digits in lower case.
    This(String),
}

/// What becomes of the keys of an SSH server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostKeys {
    /// Others take their place.
    New,
    /// The same, if there is a server.
    NewIfServed,
    /// The guest makes others when it starts.
    Remove,
}

/// What becomes of what binds the networks of a guest to MAC addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MacPins {
    /// It goes.
    Remove,
    /// It is bound to the card of the domain, where that is certain.
    Domain,
    /// What is bound to the first is bound to the second.
    Pair(Mac, Mac),
}

/// Which instance of its image cloud-init is to take a guest for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InstanceId {
    /// The UUID of its domain, or a random one.
    New,
    /// This one.
    This(String),
}

/// The name of a time zone, such as `Europe/Berlin`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timezone(String);

/// A file of the host for a user of the guest: `[USER:]FILE`, root's without.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserFile {
    /// The user.
    pub user: String,
    /// The file.
    pub file: PathBuf,
}

/// The password of a user, in a file or on standard input (`-`): `USER:file:FILE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccountPassword {
    /// The user; root's for `file:FILE`.
    pub user: String,
    /// Where the password is.
    pub file: PathBuf,
}

/// What is copied, and where: `LOCAL:DIR`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CopyInto {
    /// The file or directory of the host.
    pub source: PathBuf,
    /// The directory of the guest.
    pub dir: String,
}

/// A file and what is to be in it: `FILE:CONTENT`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileText {
    /// Its path in the guest.
    pub path: String,
    /// Its contents.
    pub text: String,
}

/// Why a text is none of these.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidWish {
    /// No machine id.
    MachineId,
    /// No time zone.
    Timezone,
    /// Nothing that can become of what binds to MAC addresses.
    MacPins,
    /// No instance id.
    InstanceId,
    /// It has another form.
    Form(&'static str),
    /// No name of a user.
    User,
    /// A password for everybody to read.
    Shown,
}

impl fmt::Display for InvalidWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MachineId => f.write_str(
                "a machine id is 'new', 'empty' or 32 hexadecimal digits that are not all 0",
            ),
            Self::Timezone => {
                f.write_str("a time zone is a name below /usr/share/zoneinfo: Europe/Berlin")
            }
            Self::MacPins => f.write_str(
                "it must be 'remove', 'domain' or OLD=NEW with two MAC addresses, as in \
                 52:54:00:00:00:01=52:54:00:00:00:02",
            ),
            Self::InstanceId => f.write_str(
                "an instance id is 'new', or up to 64 letters, digits, '.', '_' and '-'",
            ),
            Self::Form(form) => write!(f, "it must be {form}"),
            Self::User => f.write_str("a user has a name, without '/' and control characters"),
            Self::Shown => f.write_str(
                "a password on the command line can be read by everybody on this host: put it \
                 into a file, or on standard input, as in 'USER:file:-'",
            ),
        }
    }
}

impl std::error::Error for InvalidWish {}

impl FromStr for MachineId {
    type Err = InvalidWish;

    fn from_str(text: &str) -> Result<Self, InvalidWish> {
        match text {
            "new" => return Ok(Self::New),
            "empty" => return Ok(Self::Empty),
            _ => {}
        }
        // It may come as a UUID.
        let id = text.replace('-', "").to_ascii_lowercase();
        let hex = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        match hex && id.bytes().any(|byte| byte != b'0') {
            true => Ok(Self::This(id)),
            false => Err(InvalidWish::MachineId),
        }
    }
}

impl FromStr for MacPins {
    type Err = InvalidWish;

    fn from_str(text: &str) -> Result<Self, InvalidWish> {
        match text {
            "remove" => return Ok(Self::Remove),
            "domain" => return Ok(Self::Domain),
            _ => {}
        }
        let pair = text.split_once('=');
        pair.and_then(|(old, new)| Some(Self::Pair(old.parse().ok()?, new.parse().ok()?)))
            .ok_or(InvalidWish::MacPins)
    }
}

impl FromStr for InstanceId {
    type Err = InvalidWish;

    fn from_str(text: &str) -> Result<Self, InvalidWish> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match text {
            "new" => Ok(Self::New),
            id if (1..=64).contains(&id.len()) && id.chars().all(good) => {
                Ok(Self::This(id.to_owned()))
            }
            _ => Err(InvalidWish::InstanceId),
        }
    }
}

impl Timezone {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Timezone {
    type Err = InvalidWish;

    fn from_str(text: &str) -> Result<Self, InvalidWish> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
        let good = |part: &str| !part.is_empty() && part.chars().all(allowed);
        match text.split('/').all(good) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidWish::Timezone),
        }
    }
}

/// A name of a user: what can be in `/etc/passwd`, and is no path.
fn user(text: &str) -> Result<String, InvalidWish> {
    let good = |c: char| !c.is_control() && !matches!(c, ':' | '/');
    match !text.is_empty() && text.chars().all(good) {
        true => Ok(text.to_owned()),
        false => Err(InvalidWish::User),
    }
}

impl FromStr for UserFile {
    type Err = InvalidWish;

    fn from_str(text: &str) -> Result<Self, InvalidWish> {
        // A path with a colon has a slash in front of it: `./a:b`.
        let (user_name, file) = match text.split_once(':') {
            Some((name, file)) if !name.contains('/') => (user(name)?, file),
            _ => ("root".to_owned(), text),
        };
        match file {
            "" => Err(InvalidWish::Form("[USER:]FILE")),
            file => Ok(Self {
                user: user_name,
                file: file.into(),
            }),
        }
    }
}

impl AccountPassword {
    /// The same of root: `file:FILE`.
    ///
    /// # Errors
    ///
    /// If it is of another form.
    pub fn of_root(text: &str) -> Result<Self, InvalidWish> {
        match text.split_once(':') {
            Some(("file", file)) if !file.is_empty() => Ok(Self {
                user: "root".to_owned(),
                file: file.into(),
            }),
            Some(("password", _)) => Err(InvalidWish::Shown),
            _ => Err(InvalidWish::Form("file:FILE, with '-' for standard input")),
        }
    }
}

impl FromStr for AccountPassword {
    type Err = InvalidWish;

    fn from_str(text: &str) -> Result<Self, InvalidWish> {
        const FORM: InvalidWish = InvalidWish::Form("USER:file:FILE, with '-' for standard input");
        let (name, rest) = text.split_once(':').ok_or(FORM)?;
        let of_root = Self::of_root(rest).map_err(|why| match why {
            InvalidWish::Form(_) => FORM,
            why => why,
        })?;
        Ok(Self {
            user: user(name)?,
            ..of_root
        })
    }
}

impl FromStr for CopyInto {
    type Err = InvalidWish;

    fn from_str(text: &str) -> Result<Self, InvalidWish> {
        match text.rsplit_once(':') {
            Some((source, dir)) if !source.is_empty() && dir.starts_with('/') => Ok(Self {
                source: source.into(),
                dir: dir.to_owned(),
            }),
            _ => Err(InvalidWish::Form(
                "LOCAL:DIR, with an absolute path in the guest",
            )),
        }
    }
}

impl FromStr for FileText {
    type Err = InvalidWish;

    fn from_str(text: &str) -> Result<Self, InvalidWish> {
        match text.split_once(':') {
            Some((path, text)) if path.starts_with('/') => Ok(Self {
                path: path.to_owned(),
                text: text.to_owned(),
            }),
            _ => Err(InvalidWish::Form(
                "FILE:CONTENT, with an absolute path in the guest",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_ids_are_32_digits() {
        let id = "0123456789abcdef0123456789abcdef";
        let this = MachineId::This(id.to_owned());
        assert_eq!(id.to_uppercase().parse(), Ok(this.clone()));
        assert_eq!("01234567-89ab-cdef-0123-456789abcdef".parse(), Ok(this));
        assert_eq!("new".parse(), Ok(MachineId::New));
        assert_eq!("empty".parse(), Ok(MachineId::Empty));
        for bad in ["", "New", "0123", &"0".repeat(32), &"g".repeat(32)] {
            assert_eq!(
                bad.parse::<MachineId>(),
                Err(InvalidWish::MachineId),
                "{bad}"
            );
        }
    }

    #[test]
    fn cards_and_instances_are_named() {
        let [a, b] = ["52:54:00:00:00:01", "52:54:00:00:00:02"];
        let pair = MacPins::Pair(a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(format!("{a}={b}").parse(), Ok(pair));
        assert_eq!("remove".parse(), Ok(MacPins::Remove));
        for bad in ["", "domains", a, "52:54:00:00:00:01=", "=x"] {
            assert_eq!(bad.parse::<MacPins>(), Err(InvalidWish::MacPins), "{bad}");
        }
        let id = InstanceId::This("iid-1".to_owned());
        assert_eq!("iid-1".parse(), Ok(id));
        for bad in ["", "a b", "a\nb", "a:b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<InstanceId>(), Err(InvalidWish::InstanceId));
        }
        assert_eq!("domain".parse(), Ok(MacPins::Domain));
        assert!("x".parse::<MacPins>().is_err());
    }

    #[test]
    fn zones_are_no_paths_out() {
        for good in [
            "UTC",
            "Europe/Berlin",
            "America/Port-au-Prince",
            "Etc/GMT+5",
        ] {
            assert_eq!(good.parse::<Timezone>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "Europe/",
            "Europe//Berlin",
            "a b",
            "a\n",
        ] {
            assert!(bad.parse::<Timezone>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn passwords_are_in_files() {
        let password: AccountPassword = "ann:file:/run/a:b".parse().unwrap();
        assert_eq!((&*password.user, password.file), ("ann", "/run/a:b".into()));
        assert_eq!(AccountPassword::of_root("file:-").unwrap().user, "root");
        for shown in ["ann:password:hunter2", "root:password:"] {
            assert_eq!(shown.parse::<AccountPassword>(), Err(InvalidWish::Shown));
        }
        assert_eq!(
            AccountPassword::of_root("password:hunter2"),
            Err(InvalidWish::Shown)
        );
        for bad in [
            "",
            "ann",
            "ann:file:",
            "ann:random",
            ":file:x",
            "a/b:file:x",
        ] {
            assert!(bad.parse::<AccountPassword>().is_err(), "{bad}");
        }
    }

    #[test]
    fn files_have_places() {
        let of = |text: &str| text.parse::<UserFile>().map(|it| (it.user, it.file));
        assert_eq!(of("key.pub"), Ok(("root".to_owned(), "key.pub".into())));
        assert_eq!(of("ann:key.pub"), Ok(("ann".to_owned(), "key.pub".into())));
        assert_eq!(of("./a:b"), Ok(("root".to_owned(), "./a:b".into())));
        for bad in ["", "ann:", ":x"] {
            assert!(of(bad).is_err(), "{bad}");
        }
        let into: CopyInto = "a:b:/srv".parse().unwrap();
        assert_eq!((into.source, &*into.dir), ("a:b".into(), "/srv"));
        let text: FileText = "/etc/x:a:b\n".parse().unwrap();
        assert_eq!((&*text.path, &*text.text), ("/etc/x", "a:b\n"));
        for bad in ["a", "a:", "a:b", ":/x"] {
            assert!(bad.parse::<CopyInto>().is_err(), "{bad}");
            assert!(bad.parse::<FileText>().is_err(), "{bad}");
        }
    }
}
