//! Scripts that a guest runs once.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::unit;
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::ops::write::plan::Draft;

/// Where the scripts wait.
const DIR: &str = "/var/lib/vmkin-firstboot";

const UNIT_NAME: &str = "vmkin-firstboot.service";

const UNIT: &str = "\
[Unit]
Description=Scripts of vmkin customize --firstboot
Wants=network-online.target
After=network-online.target
ConditionPathExists=/var/lib/vmkin-firstboot/run

[Service]
Type=oneshot
ExecStart=/bin/sh /var/lib/vmkin-firstboot/run

[Install]
WantedBy=multi-user.target
";

/// What runs them. Each is put away before it is run: it is run once, whatever
/// becomes of it. All of it is read before anything is done, for it removes itself.
pub(super) const RUN: &str = r#"#!/bin/sh
# Runs the scripts of `vmkin customize --firstboot`, once and in order.
main() {
    dir=/var/lib/vmkin-firstboot
    units=/etc/systemd/system
    umask 077
    exec >>/var/log/vmkin-firstboot.log 2>&1
    mkdir -p "$dir/begun"
    umask 022
    for script in "$dir"/[0-9]*; do
        [ -f "$script" ] || continue
        name=${script##*/}
        mv "$script" "$dir/begun/$name" || exit 1
        echo "$(date) $name begins"
        (cd / && "$dir/begun/$name" </dev/null)
        echo "$(date) $name ends with exit code $?"
    done
    rm -f "$units/multi-user.target.wants/vmkin-firstboot.service" "$units/vmkin-firstboot.service"
    rm -rf "$dir"
    exit 0
}
main
"#;

/// The longest script.
const MAX_SCRIPT: u64 = 16 << 20;

/// The guest runs scripts of the host when it starts, after those that wait already.
///
/// # Errors
///
/// [`Kind::Usage`] if one is no script; [`Kind::WrongState`] if the guest has no
/// systemd.
pub(super) fn draft(draft: &mut Draft<'_>, scripts: &[PathBuf]) -> Result<()> {
    unit::enable(draft, UNIT_NAME, UNIT, "`--firstboot`")?;
    let private = Given {
        mode: Some(0o700),
        ..Given::default()
    };
    let waiting = draft.names(DIR.as_bytes())?;
    draft.need_directory(DIR.as_bytes(), private)?;
    draft.put(format!("{DIR}/run").as_bytes(), RUN.as_bytes(), private)?;
    let numbers = waiting.iter().filter_map(|name| {
        let digits = name.get(..4)?;
        std::str::from_utf8(digits).ok()?.parse::<u32>().ok()
    });
    let next = numbers.max().unwrap_or(0).saturating_add(1);
    for (script, number) in scripts.iter().zip(next..=9999) {
        let text = read(script)?;
        let name = script.file_name().unwrap_or_default().to_string_lossy();
        // It is in the log, and no shell reads it.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name: String = name
            .chars()
            .map(|c| if plain(c) { c } else { '_' })
            .take(100)
            .collect();
        let path = format!("{DIR}/{number:04}-{name}");
        draft.put(path.as_bytes(), &text, private)?;
    }
    Ok(())
}

fn read(script: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(script)
        .and_then(|file| file.take(MAX_SCRIPT + 1).read_to_end(&mut text))
        .map_err(|error| Error::io(format!("cannot read {}", script.display()), error))?;
    let usage = |what: &str| Error::new(Kind::Usage, format!("{} {what}", script.display()));
    if text.len() as u64 > MAX_SCRIPT {
        return Err(usage("is longer than 16 MiB"));
    }
    if !text.starts_with(b"#!") {
        return Err(usage("is no script: it does not begin with '#!'")
            .hint("begin it with the line `#!/bin/sh`"));
    }
    Ok(text)
}
