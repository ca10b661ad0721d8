//! A file that says for each guest what its options would say.
//!
//! Its keys are the long options without their dashes, so that there is one
//! description of both, and one that reads them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Kind, Result};

/// The longest that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// The options of one guest, or of all.
type Options = BTreeMap<String, Value>;

/// What is in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFile {
    /// For all guests, where it is not said for one.
    #[serde(default)]
    all: Options,
    /// For each guest, by its name.
    #[serde(default)]
    guests: BTreeMap<String, Option<Options>>,
}

/// The value of an option.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    /// Given or not.
    Flag(bool),
    /// As it would be typed.
    Number(i64),
    /// As it would be typed.
    Text(String),
    /// Once for each.
    Several(Vec<String>),
}

impl PlanFile {
    /// Reads one in TOML or YAML, by its name.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if it is neither, or says something else; what reading a
    /// file fails with.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let cannot = |error| Error::io(format!("cannot read {shown}"), error);
        let mut text = String::new();
        let file = File::open(path).map_err(cannot)?;
        file.take(LONGEST)
            .read_to_string(&mut text)
            .map_err(cannot)?;
        if text.len() as u64 >= LONGEST {
            return Err(usage(format!("{shown} is longer than a plan can be")));
        }
        let kind = path.extension().and_then(|kind| kind.to_str());
        let read = match kind.map(str::to_ascii_lowercase).as_deref() {
            Some("toml") => toml::from_str(&text).map_err(|error| error.to_string()),
            Some("yaml" | "yml") => {
                serde_saphyr::from_str(&text).map_err(|error| error.to_string())
            }
            _ => {
                return Err(usage(format!("{shown} is no plan by its name"))
                    .hint("name it by what it is written in: `plan.toml` or `plan.yaml`"));
            }
        };
        let plan: Self = read.map_err(|why| {
            // It shows the line, and may take several to do so.
            let why = why.trim().replace('\n', "; ");
            usage(format!("{shown}: {why}")).hint(
                "it has a table 'all' and a table 'guests' with one for each guest; their keys are \
                 options without the dashes",
            )
        })?;
        Ok(plan)
    }

    /// The names of the guests that are in it.
    pub(super) fn guests(&self) -> Vec<String> {
        self.guests.keys().cloned().collect()
    }

    /// The arguments of a guest: what is said for it, else what is said for all.
    pub(super) fn arguments(&self, guest: &str) -> Vec<String> {
        let mut options = self.all.clone();
        if let Some(Some(own)) = self.guests.get(guest) {
            options.extend(own.clone());
        }
        let mut arguments = Vec::new();
        for (name, value) in options {
            let several = match value {
                Value::Flag(true) => {
                    arguments.push(format!("--{name}"));
                    continue;
                }
                Value::Flag(false) => continue,
                Value::Number(number) => vec![number.to_string()],
                Value::Text(text) => vec![text],
                Value::Several(texts) => texts,
            };
            arguments.extend(several.iter().map(|text| format!("--{name}={text}")));
        }
        arguments
    }
}

fn usage(message: impl std::fmt::Display) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
        [all]
        timezone = "Europe/Berlin"
        ssh-key = ["a.pub", "ann:b.pub"]
        generalize = true

        [guests.web-01]
        hostname = "one.lab"

        [guests.web-02]
        timezone = "UTC"
        generalize = false
        ssh-key = "c.pub"
    "#;

    const YAML: &str = "
all:
  timezone: Europe/Berlin
  ssh-key: [a.pub, 'ann:b.pub']
  generalize: true
guests:
  web-01: {hostname: one.lab}
  web-02:
    timezone: UTC
    generalize: false
    ssh-key: c.pub
";

    fn read(name: &str, text: &str) -> Result<PlanFile> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        PlanFile::read(&path)
    }

    #[test]
    fn toml_and_yaml_say_the_same() {
        for (name, text) in [("plan.toml", TOML), ("plan.YAML", YAML)] {
            let plan = read(name, text).unwrap();
            assert_eq!(plan.guests(), ["web-01", "web-02"]);
            assert_eq!(
                plan.arguments("web-01"),
                [
                    "--generalize",
                    "--hostname=one.lab",
                    "--ssh-key=a.pub",
                    "--ssh-key=ann:b.pub",
                    "--timezone=Europe/Berlin",
                ]
            );
            assert_eq!(
                plan.arguments("web-02"),
                ["--ssh-key=c.pub", "--timezone=UTC"]
            );
            assert_eq!(plan.arguments("other").len(), 4);
        }
    }

    #[test]
    fn what_is_no_plan_is_told() {
        for (name, text, wanted) in [
            ("plan.txt", TOML, "no plan by its name"),
            (
                "plan.toml",
                "[guest.a]\nhostname = 'a'",
                "unknown field `guest`",
            ),
            ("plan.toml", "[all]\nhostname = ", "line 2"),
            ("plan.yaml", "all: [1]", "plan.yaml"),
            ("plan.yml", "guests:\n  a: {hostname: {b: c}}", "plan.yml"),
        ] {
            let error = read(name, text).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(wanted), "{error}");
        }
        let empty = read("plan.yaml", "guests:\n  a:\n").unwrap();
        assert_eq!(empty.guests(), ["a"]);
    }
}
