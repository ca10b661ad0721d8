//! Changing what images are, and none of their data.

use std::path::PathBuf;

use serde::Serialize;

use super::Subject;
use crate::error::{Error, Kind, Result};
use crate::image::{self, Details, shown};
use crate::model::{DiskTarget, ImageOptions};
use crate::ops::Host;
use crate::ops::guard::{Allowed, LeasedDisk};

/// What can be changed of an image that is there.
pub const CHANGEABLE: [&str; 3] = ["compat", "lazy_refcounts", "refcount_bits"];

/// What is to be changed.
#[derive(Clone, Debug)]
pub struct AmendRequest {
    /// The disks.
    pub subject: Subject,
    /// What they are to be, of the options in [`CHANGEABLE`].
    pub options: ImageOptions,
    /// Where backing files may be besides the storage pools.
    pub allow_dirs: Vec<PathBuf>,
    /// Whether it is only told what would be changed.
    pub dry_run: bool,
}

/// What was changed of one image, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct Amended {
    /// Its name in the domain; `None` for an image by its path.
    pub target: Option<DiskTarget>,
    /// The image.
    pub path: PathBuf,
    /// What was something else before.
    pub changes: Vec<AmendedOption>,
    /// Whether it was changed: not so in a dry run, or where nothing is to be.
    pub changed: bool,
}

/// An option that was something else before.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AmendedOption {
    /// Its name.
    pub option: String,
    /// What it was.
    pub before: String,
    /// What it is, or would be.
    pub after: String,
}

/// Changes options of the images that a domain's disks are, or of one by its path,
/// one after the other.
///
/// # Errors
///
/// Those of [`WriteGuard`](crate::ops::guard::WriteGuard); [`Kind::WrongState`] if an
/// image is not qcow2; [`Kind::Usage`] for other options than those in
/// [`CHANGEABLE`]; those of [`image::amend`].
pub fn amend(host: Host<'_>, request: &AmendRequest) -> Result<Vec<Amended>> {
    can_be_changed(&request.options)?;
    let allow = Allowed {
        dirs: &request.allow_dirs,
        damaged: false,
    };
    let guard = request.subject.lock(host, allow)?;
    crate::failpoint::hit("amend.locked")?;
    let mut all = Vec::new();
    for disk in guard.disks() {
        all.push(plan(disk, &request.options)?);
    }
    if request.dry_run {
        return Ok(all);
    }
    for (disk, amended) in guard.disks().iter().zip(&mut all) {
        if amended.changes.is_empty() {
            continue;
        }
        guard.recheck()?;
        let cancel = host.interrupt.flag();
        image::amend(disk.chain(), disk.lease(), &request.options, cancel)
            .map_err(|error| host.stopped_by(error))?;
        crate::failpoint::hit("amend.changed")?;
        if !plan(disk, &request.options)?.changes.is_empty() {
            return Err(Error::new(
                Kind::Storage,
                format!("{} is not what it was to become", shown(&amended.path)),
            ));
        }
        amended.changed = true;
    }
    Ok(all)
}

fn can_be_changed(options: &ImageOptions) -> Result<()> {
    let mut words = options.pairs().map(|(word, _)| word);
    if options.is_empty() {
        return Err(
            Error::new(Kind::Usage, "nothing is to be changed").hint(format!(
                "say what, as in `-o {}=…`",
                CHANGEABLE.join("=…, ")
            )),
        );
    }
    let Some(fixed) = words.find(|word| !CHANGEABLE.contains(word)) else {
        return Ok(());
    };
    Err(Error::new(
        Kind::Usage,
        format!("'{fixed}' is for ever: it cannot be changed in an image that is there"),
    )
    .hint("make another image of it: `vmkin disk convert`"))
}

/// What would change in an image.
fn plan(disk: &LeasedDisk, options: &ImageOptions) -> Result<Amended> {
    let top = disk.chain().top();
    let now = image::details(top)?.ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            format!(
                "{} is {}, and only qcow2 images have options that can be changed",
                shown(&top.path),
                top.format
            ),
        )
    })?;
    let changes = options.pairs().filter_map(|(word, after)| {
        let before = value_of(&now, word);
        let after = match after {
            "v2" => "0.10",
            "v3" => "1.1",
            after => after,
        };
        (before != after).then(|| AmendedOption {
            option: word.to_owned(),
            before,
            after: after.to_owned(),
        })
    });
    Ok(Amended {
        target: disk.target().cloned(),
        path: top.path.clone(),
        changes: changes.collect(),
        changed: false,
    })
}

/// What an option is now, as `qemu-img` writes it.
fn value_of(now: &Details, word: &str) -> String {
    match word {
        "compat" => now.compat.to_owned(),
        "lazy_refcounts" => if now.lazy_refcounts { "on" } else { "off" }.to_owned(),
        _ => now.refcount_bits.to_string(),
    }
}
