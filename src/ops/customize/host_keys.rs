//! The keys of a guest's SSH server.

use std::fs;

use uuid::Uuid;

use super::{Outcome, unit};
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::guest::native::fs::FileKind;
use crate::model::{Hostname, ModeChange};
use crate::ops::write::plan::Draft;
use crate::process::Tool;

/// Where they are.
pub(super) const DIR: &str = "/etc/ssh";

/// What others than the owner and the group may not do with a private key, and
/// the group neither: Red Hat's servers read theirs by a group.
const FORBIDDEN: u32 = 0o037;

/// The types that are made, and those for a guest that has none.
const TYPES: &[&str] = &["ecdsa", "ed25519", "rsa"];
const DEFAULT: &[&str] = &["ed25519", "rsa"];

/// What makes keys in guests that do not make them by themselves. It stays, and
/// does nothing where there are some.
const UNIT_NAME: &str = "vmkin-ssh-host-keys.service";
const UNIT: &str = "\
[Unit]
Description=Host keys for the SSH server, if there are none
Before=ssh.service sshd.service
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
";

/// The type in the label of a key, private or public.
const LABEL: Option<&str> = Some("sshd_key_t");

/// The names of private keys, public keys and certificates that are there.
fn names(draft: &Draft<'_>) -> Result<Vec<String>> {
    let names = draft.names(DIR.as_bytes())?.into_iter();
    let names = names.filter_map(|name| String::from_utf8(name).ok());
    let is_key = |name: &String| {
        let rest = name.strip_prefix("ssh_host_");
        rest.is_some_and(|rest| {
            let rest = rest.strip_suffix(".pub").unwrap_or(rest);
            let rest = rest.strip_suffix("-cert").unwrap_or(rest);
            rest == "key" || rest.ends_with("_key")
        })
    };
    Ok(names.filter(is_key).collect())
}

/// Whether there is a server that they are for.
pub(super) fn are_wanted(draft: &Draft<'_>) -> bool {
    draft.must_be_directory(DIR.as_bytes()).is_ok()
}

/// Others take the place of the keys: of the same types, and made here.
///
/// # Errors
///
/// [`Kind::WrongState`] if the guest has no SSH server; [`Kind::Environment`] if
/// `ssh-keygen` is not on this host.
pub(super) fn renew(
    draft: &mut Draft<'_>,
    host: Option<&Hostname>,
    outcome: &mut Outcome,
) -> Result<()> {
    if !are_wanted(draft) {
        return Err(Error::new(
            Kind::WrongState,
            format!("the guest has no SSH server: there is no {DIR}"),
        ));
    }
    let names = names(draft)?;
    let private = |kind: &str| format!("ssh_host_{kind}_key");
    let public = |kind: &str| format!("ssh_host_{kind}_key.pub");
    let known = TYPES.iter().filter(|kind| names.contains(&private(kind)));
    let mut kinds: Vec<&str> = known.copied().collect();
    if kinds.is_empty() {
        kinds = DEFAULT.to_vec();
    }
    for name in &names {
        // What nobody makes any more, and certificates of keys that are gone.
        let stays = kinds
            .iter()
            .any(|kind| *name == private(kind) || *name == public(kind));
        if !stays {
            draft.rm(format!("{DIR}/{name}").as_bytes(), false, true)?;
            outcome
                .warnings
                .push(format!("{DIR}/{name} has no successor, and is removed."));
        }
    }
    let comment = match host {
        Some(host) => format!("root@{host}"),
        None => String::new(),
    };
    for kind in kinds {
        let (key, public_key) = made(draft, kind, &comment)?;
        let given = |mode| Given {
            mode: Some(mode),
            label_type: LABEL,
            ..Given::default()
        };
        let path = format!("{DIR}/{}", private(kind));
        let open = draft.stat(path.as_bytes())?;
        let open = open.is_some_and(|stat| u32::from(stat.mode) & FORBIDDEN != 0);
        draft.put(path.as_bytes(), &key, given(0o600))?;
        if open {
            let closed: ModeChange = "0600".parse().map_err(|why| Error::new(Kind::Usage, why))?;
            draft.chmod(path.as_bytes(), &closed, false)?;
        }
        let path = format!("{DIR}/{}", public(kind));
        draft.put(path.as_bytes(), &public_key, given(0o644))?;
    }
    Ok(())
}

/// A key of this host's making: private, and public.
fn made(draft: &Draft<'_>, kind: &str, comment: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    let tool = Tool::find("ssh-keygen")?;
    let name = format!("key-{}", Uuid::new_v4().simple());
    let path = draft.scratch_dir().join(name);
    let public = path.with_extension("pub");
    tool.run([
        "-q".as_ref(),
        "-t".as_ref(),
        kind.as_ref(),
        "-N".as_ref(),
        "".as_ref(),
        "-C".as_ref(),
        comment.as_ref(),
        "-f".as_ref(),
        path.as_os_str(),
    ])?;
    let read = |path| {
        fs::read(path).map_err(|error| Error::io("cannot read the key that was made", error))
    };
    Ok((read(&path)?, read(&public)?))
}

/// The keys are gone, and the guest makes others when it starts.
///
/// # Errors
///
/// [`Kind::WrongState`] if the guest would be left without.
pub(super) fn remove(draft: &mut Draft<'_>, outcome: &mut Outcome) -> Result<()> {
    let names = names(draft)?;
    for name in &names {
        draft.rm(format!("{DIR}/{name}").as_bytes(), false, true)?;
    }
    if names.is_empty() || makes_its_own(draft)? {
        return Ok(());
    }
    if !unit::has_systemd(draft)? || draft.tree().look("/usr/bin/ssh-keygen")?.is_none() {
        return Err(Error::new(
            Kind::WrongState,
            "the guest would have no keys for its SSH server: it does not make them when it starts",
        )
        .hint("give it others: `--ssh-host-keys new`"));
    }
    unit::enable(draft, UNIT_NAME, UNIT, "removing host keys")?;
    outcome.warnings.push(format!(
        "The guest does not make host keys by itself: {UNIT_NAME} is added, which does that when \
         there are none."
    ));
    Ok(())
}

/// Whether there is what makes keys whenever the system starts without, as Red
/// Hat's, SUSE's and Arch's systems have it. What Debian 13 has does that only if
/// systemd takes the start for the first ever.
fn makes_its_own(draft: &Draft<'_>) -> Result<bool> {
    for dir in [
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
        "/etc/systemd/system",
    ] {
        for name in draft.names(dir.as_bytes())? {
            let starts = ["sshd-keygen", "sshdgenkeys", "vmkin-ssh-host-keys"];
            let named = starts.iter().any(|it| name.starts_with(it.as_bytes()));
            let path = [dir.as_bytes(), b"/", &name].concat();
            let stat = draft.stat(&path)?;
            if !named || stat.is_none_or(|stat| stat.kind != FileKind::File) {
                continue;
            }
            let text = draft.text(&path)?.unwrap_or_default();
            if !String::from_utf8_lossy(&text).contains("ConditionFirstBoot=") {
                return Ok(true);
            }
        }
    }
    Ok(draft
        .tree()
        .look("/usr/sbin/sshd-gen-keys-start")?
        .is_some())
}

/// The public keys that the guest will have.
///
/// # Errors
///
/// If they cannot be read.
pub(super) fn public(draft: &Draft<'_>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for kind in TYPES {
        let path = format!("{DIR}/ssh_host_{kind}_key.pub");
        if let Some(text) = draft.text(path.as_bytes())? {
            found.push(String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(found)
}
