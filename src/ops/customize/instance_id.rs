//! Which instance of its image cloud-init takes a guest for.

use uuid::Uuid;

use super::{InstanceId, Which};
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::model::Hostname;
use crate::ops::write::plan::Draft;

/// Where cloud-init looks for what it is told, in the image itself.
const SEEDS: &[&str] = &[
    "/var/lib/cloud/seed/nocloud",
    "/var/lib/cloud/seed/nocloud-net",
];

/// Whether the guest has cloud-init.
///
/// # Errors
///
/// If its files cannot be read.
pub(super) fn has_cloud_init(draft: &Draft<'_>) -> Result<bool> {
    for path in ["/usr/bin/cloud-init", "/etc/cloud/cloud.cfg"] {
        if draft.tree().look(path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The guest is another instance, and has this host name if one is said.
///
/// # Errors
///
/// [`Kind::WrongState`] if it has no cloud-init, or what is told it is of a form
/// that is not known; those of [`Draft::put`].
pub(super) fn draft(
    draft: &mut Draft<'_>,
    id: &InstanceId,
    hostname: Option<&Hostname>,
    which: Which<'_>,
) -> Result<()> {
    if !has_cloud_init(draft)? {
        return Err(Error::new(
            Kind::WrongState,
            "the guest has no cloud-init, which an instance id is for",
        ));
    }
    let id = match id {
        InstanceId::New => which.uuid.unwrap_or_else(Uuid::new_v4).to_string(),
        InstanceId::This(id) => id.clone(),
    };
    let mut seeds = Vec::new();
    for seed in SEEDS {
        if draft.stat(seed.as_bytes())?.is_some() {
            seeds.push(*seed);
        }
    }
    if seeds.is_empty() {
        let seed = "/var/lib/cloud/seed/nocloud";
        draft.mkdir(seed.as_bytes(), true, None)?;
        // Both files make a seed.
        let file = format!("{seed}/user-data");
        if draft.text(file.as_bytes())?.is_none() {
            draft.put(file.as_bytes(), b"", Given::default())?;
        }
        seeds.push(seed);
    }
    for seed in seeds {
        let path = format!("{seed}/meta-data");
        let text = draft.text(path.as_bytes())?.unwrap_or_default();
        let text = String::from_utf8(text).ok();
        // A text of JSON is one of YAML too.
        let text = text.filter(|text| !text.trim_start().starts_with('{'));
        let Some(text) = text else {
            return Err(Error::new(
                Kind::WrongState,
                format!("{path} has no lines with settings"),
            )
            .hint("remove it first: `--delete`"));
        };
        let mut now = with(&text, "instance-id", &id);
        if let Some(hostname) = hostname {
            now = with(&now, "local-hostname", hostname.as_str());
        }
        let given = Given {
            mode: Some(0o644),
            ..Given::default()
        };
        draft.put(path.as_bytes(), now.as_bytes(), given)?;
    }
    Ok(())
}

/// The text with a setting: in the place of the same, or else at the end.
fn with(text: &str, name: &str, value: &str) -> String {
    let wanted = format!("{name}: \"{value}\"\n");
    let is_it = |line: &str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    match lines.iter().position(|line| is_it(line)) {
        Some(at) => {
            if let Some(line) = lines.get_mut(at) {
                *line = &wanted;
            }
        }
        None => {
            if !text.is_empty() && !text.ends_with('\n') {
                lines.push("\n");
            }
            lines.push(&wanted);
        }
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn a_setting_takes_the_place_of_the_same_one() {
        for (text, wanted) in [
            ("", "instance-id: \"x\"\n"),
            (
                "a: 1\n  instance-id: y",
                "a: 1\n  instance-id: y\ninstance-id: \"x\"\n",
            ),
            (
                "instance-id : y\ninstance-ids: z\n",
                "instance-id: \"x\"\ninstance-ids: z\n",
            ),
        ] {
            assert_eq!(with(text, "instance-id", "x"), wanted);
            assert_eq!(with(wanted, "instance-id", "x"), wanted);
        }
    }
}
