use std::fs::File;
use std::io::{ErrorKind, Read, stdin};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::error::{Error, Kind, Result};
use crate::image::MAX_SEED;
use crate::model::{GuestIdentity, HostnamePattern, IdentityChannel, SecretText, SshKey, UserName};

/// How much of a file with public keys, or with a password, is read.
const MAX_KEYS: u64 = 256 << 10;
const MAX_PASSWORD: u64 = 1024;

/// Who guests are to be: for each command that makes some.
#[derive(Debug, Args)]
pub(super) struct IdentityArgs {
    /// The host name of the guest, or a pattern such as '{name}.lab' or
    /// 'node-{n:02}' [default: the name]
    ///
    /// Repeat it to give each clone its own. This option and those below tell
    /// guests who they are without touching their disks; see --identity.
    #[arg(long, value_name = "NAME")]
    hostname: Vec<HostnamePattern>,

    /// A file of public keys that may log in over SSH
    #[arg(long, value_name = "FILE")]
    ssh_key: Vec<PathBuf>,

    /// Make this user, who may become root, and give it the keys and the
    /// password instead of the image's default user
    #[arg(long, value_name = "NAME")]
    user: Option<UserName>,

    /// A file with the password of the user; - for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// User-data of your own for cloud-init, sent as it is
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,

    /// Metadata of your own for cloud-init, sent as it is
    #[arg(long, value_name = "FILE")]
    meta_data: Option<PathBuf>,

    /// A network configuration for cloud-init, sent as it is
    #[arg(long, value_name = "FILE")]
    network_config: Option<PathBuf>,

    /// How guests are told who they are [default: auto if there is something
    /// to tell, else none]
    #[arg(long, value_name = "CHANNEL")]
    identity: Option<Channel>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Channel {
    /// A disk for cloud-init, and SMBIOS for systemd
    Auto,
    /// A small disk that cloud-init reads
    CloudInit,
    /// SMBIOS alone, which systemd and cloud-init read
    Smbios,
    /// What is on its disks, written by libguestfs before it starts
    Offline,
    /// Not at all
    None,
}

impl IdentityArgs {
    /// What is asked for, with the files read.
    pub(super) fn read(&self) -> Result<GuestIdentity> {
        let mut ssh_keys: Vec<SshKey> = Vec::new();
        for file in &self.ssh_key {
            for key in keys(file)? {
                if !ssh_keys.contains(&key) {
                    ssh_keys.push(key);
                }
            }
        }
        let text = |file: &Option<PathBuf>| -> Result<Option<SecretText>> {
            let file = file.as_deref();
            file.map(|file| document(file).map(SecretText::from))
                .transpose()
        };
        Ok(GuestIdentity {
            channel: self.identity.map(|channel| match channel {
                Channel::Auto => IdentityChannel::Auto,
                Channel::CloudInit => IdentityChannel::CloudInit,
                Channel::Smbios => IdentityChannel::Smbios,
                Channel::Offline => IdentityChannel::Offline,
                Channel::None => IdentityChannel::None,
            }),
            hostnames: self.hostname.clone(),
            ssh_keys,
            user: self.user.clone(),
            password: self.password_file.as_deref().map(password).transpose()?,
            user_data: text(&self.user_data)?,
            meta_data: text(&self.meta_data)?,
            network_config: text(&self.network_config)?,
        })
    }
}

/// The public keys in a file, one on a line. Empty lines and comments are left
/// out, as in `authorized_keys`.
pub(super) fn keys(file: &Path) -> Result<Vec<SshKey>> {
    let text = read(file, MAX_KEYS)?;
    let lines = text.lines().zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    let keys: Vec<SshKey> = lines
        .map(|(line, number)| {
            line.parse().map_err(|invalid| {
                let file = file.display();
                usage(format!("{file}, line {number}: {invalid}")).hint(format!(
                    "name a file of public keys, such as ~/.ssh/id_ed25519.pub; `ssh-keygen -y -f \
                     {file}` prints that of a private key"
                ))
            })
        })
        .collect::<Result<_>>()?;
    if keys.is_empty() {
        return Err(usage(format!("{} has no public key in it", file.display())));
    }
    Ok(keys)
}

/// A password: the first line, and there is no other.
pub(super) fn password(file: &Path) -> Result<SecretText> {
    let text = if file == Path::new("-") {
        limited(stdin().lock(), Path::new("standard input"), MAX_PASSWORD)?
    } else {
        read(file, MAX_PASSWORD)?
    };
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let file = file.display();
    if line.is_empty() {
        return Err(usage(format!("the password in {file} is empty")));
    }
    if line.chars().any(char::is_control) {
        return Err(usage(format!(
            "the password in {file} has more than one line, or a control character"
        )));
    }
    Ok(line.to_owned().into())
}

/// A text for cloud-init.
fn document(file: &Path) -> Result<String> {
    let text = read(file, MAX_SEED as u64)?;
    if text.trim().is_empty() {
        return Err(usage(format!("{} is empty", file.display())));
    }
    Ok(text)
}

fn read(file: &Path, most: u64) -> Result<String> {
    let open =
        File::open(file).map_err(|e| Error::io(format!("cannot read {}", file.display()), e))?;
    limited(open, file, most)
}

/// Reads a text to its end, which must come: `/dev/zero` has none.
fn limited(from: impl Read, name: &Path, most: u64) -> Result<String> {
    let mut bytes = Vec::new();
    let name = name.display();
    from.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| {
            let directory = e.kind() == ErrorKind::IsADirectory;
            let error = Error::io(format!("cannot read {name}"), e);
            if directory {
                error.with_kind(Kind::Usage)
            } else {
                error
            }
        })?;
    if bytes.len() as u64 > most {
        return Err(usage(format!(
            "{name} is too large: it can have {most} bytes at the most"
        )));
    }
    // What is in it may be a secret, so the error says nothing of it.
    String::from_utf8(bytes).map_err(|_| usage(format!("{name} is not UTF-8 text")))
}

fn usage(message: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, message)
}
