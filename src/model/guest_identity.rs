//! Who a guest is to be, and by which channel it is told.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{Hostname, HostnamePattern, SecretText, SshKey};

/// Who a guest is to be, as the user asks for it.
///
/// One for all guests of a command; what they must not share, such as the
/// instance id, is made of the UUID of each.
#[derive(Clone, Debug, Default)]
pub struct GuestIdentity {
    /// By which channel; `None` if the user says nothing about it.
    pub channel: Option<IdentityChannel>,
    /// Its host name: none for the name of the domain, one for all, or as many
    /// as there are guests.
    pub hostnames: Vec<HostnamePattern>,
    /// Who may log in over SSH.
    pub ssh_keys: Vec<SshKey>,
    /// A user to be made, who may become root.
    pub user: Option<UserName>,
    /// The password of that user, or of the image's default user.
    pub password: Option<SecretText>,
    /// The user's own texts for cloud-init, sent as they are.
    pub user_data: Option<SecretText>,
    /// See there.
    pub meta_data: Option<SecretText>,
    /// See there.
    pub network_config: Option<SecretText>,
}

impl GuestIdentity {
    /// Whether the user asks for anything at all.
    pub fn is_wanted(&self) -> bool {
        match self.channel {
            None => self.has_contents() || !self.hostnames.is_empty(),
            Some(channel) => channel != IdentityChannel::None,
        }
    }

    /// Whether there is more to tell than a host name.
    pub fn has_contents(&self) -> bool {
        !self.ssh_keys.is_empty()
            || self.user.is_some()
            || self.password.is_some()
            || self.user_data.is_some()
            || self.meta_data.is_some()
            || self.network_config.is_some()
    }
}

/// How a guest is told who it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IdentityChannel {
    /// Whatever fits what is asked for.
    Auto,
    /// A small disk that cloud-init reads.
    CloudInit,
    /// The tables of the firmware, which systemd and cloud-init read.
    Smbios,
    /// What is on its disks, before it starts for the first time.
    Offline,
    /// Not at all.
    None,
}

/// What the tables of the firmware tell a guest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Smbios {
    /// Which instance cloud-init is to take this for: a serial number of the
    /// form that its data source NoCloud reads.
    pub instance: Option<(Uuid, Hostname)>,
    /// What systemd is told.
    pub credentials: Vec<Credential>,
    /// Whether a domain that cannot have this is refused.
    pub required: bool,
}

/// A credential for systemd. Everybody who may read the domain's XML can read
/// it, and everybody who may see the processes of the host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credential {
    /// Its name, such as `system.hostname`.
    pub name: &'static str,
    /// What it says, in any text.
    pub value: String,
}

/// The name of a user in a guest, as all distributions allow it.
///
/// ```
/// use vmkin::model::UserName;
///
/// assert!("alice".parse::<UserName>().is_ok());
/// assert!("Alice Smith".parse::<UserName>().is_err());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserName(String);

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = InvalidUserName;

    fn from_str(s: &str) -> Result<Self, InvalidUserName> {
        let first = |c: char| c.is_ascii_lowercase() || c == '_';
        let rest = |c: char| first(c) || c.is_ascii_digit() || c == '-';
        if s.starts_with(first) && s.chars().all(rest) && s.len() <= 32 {
            Ok(Self(s.to_owned()))
        } else {
            Err(InvalidUserName)
        }
    }
}

/// That a text is no name of a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidUserName;

impl fmt::Display for InvalidUserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a user name is up to 32 lower-case letters, digits, '_' and '-', and begins with \
             a letter or '_'",
        )
    }
}

impl std::error::Error for InvalidUserName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_those_that_all_systems_take() {
        for good in ["a", "root", "_apt", "web-01_x"] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        let long = "x".repeat(33);
        for bad in [
            "", "1a", "-a", "A", "a b", "a:b", "a\n", "a.b", "é", "a$", &long,
        ] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_wanted_unless_it_is_asked_for() {
        let mut identity = GuestIdentity::default();
        assert!(!identity.is_wanted());
        identity.channel = Some(IdentityChannel::None);
        assert!(!identity.is_wanted());
        identity.channel = Some(IdentityChannel::Auto);
        assert!(identity.is_wanted() && !identity.has_contents());
        identity.channel = None;
        identity.hostnames = vec!["{name}".parse().unwrap()];
        assert!(identity.is_wanted() && !identity.has_contents());
    }
}
