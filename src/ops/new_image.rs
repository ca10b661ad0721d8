//! A new image: all of it, or nothing.
//!
//! 1. The journal names the image, and the temporary name that it is made under.
//! 2. It is made, and it is on the disk.
//! 3. It gets its name, if that is free. What a run that dies leaves under the
//!    temporary name, the next one removes.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::build::Workshop;
use crate::error::{Error, Kind, Result};
use crate::image::{self, NewFile, shown};
use crate::store::{FilePair, Operation};

/// The absolute path of an image that is to be made.
///
/// # Errors
///
/// [`Kind::Exists`] if there is something; [`Kind::Environment`] if nothing can be
/// made there.
pub(super) fn free_path(out: &Path) -> Result<PathBuf> {
    let out = std::path::absolute(out)
        .map_err(|error| Error::io(format!("cannot use {}", shown(out)), error))?;
    if out.file_name().is_none() {
        return Err(Error::new(
            Kind::Usage,
            format!("{} is no name for an image", shown(&out)),
        ));
    }
    match std::fs::symlink_metadata(&out) {
        Ok(_) => Err(Error::new(
            Kind::Exists,
            format!("there is something at {} already", shown(&out)),
        )
        .hint("choose another name, or remove it first")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            image::may_remove(&out)?;
            Ok(out)
        }
        Err(error) => Err(Error::io(format!("cannot look at {}", shown(&out)), error)),
    }
}

/// Makes an image under a temporary name and gives it its own: `make` is told the
/// first, and returns the file when that is on the disk. The signal that has
/// stopped it is told by the error.
///
/// # Errors
///
/// Those of `make`; [`Kind::Exists`] if somebody was faster with the name. Nothing
/// is left behind then.
pub(super) fn make_whole<T>(
    workshop: Workshop<'_>,
    out: &Path,
    make: impl FnOnce(&Path) -> Result<(NewFile, T)>,
) -> Result<T> {
    workshop.interrupt.check()?;
    let file = FilePair {
        temp: image::temporary(out, Uuid::new_v4(), 0),
        path: out.to_owned(),
    };
    let intent = Operation::Build { file: file.clone() };
    // No connection: whoever recovers next takes care of it.
    let journal = workshop.store.begin("", intent)?;
    let made = crate::failpoint::hit("build.journal")
        .and_then(|()| make(&file.temp))
        .and_then(|(new, made)| {
            workshop.interrupt.check()?;
            publish(new, out)?;
            Ok(made)
        });
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            let error = match error.kind() {
                // The step knows only that there was a signal.
                Kind::Interrupted => error.with_kind(workshop.interrupt.error().kind()),
                _ => error,
            };
            recover(&file).map_err(|left| {
                left.with_kind(Kind::NotUndone)
                    .hint("when the cause is gone, `vmkin recover` tidies up")
            })?;
            journal.finish()?;
            return Err(error);
        }
    };
    if let Err(error) = journal.finish() {
        workshop.observer.warning(&format!(
            "{} is made, but its journal not closed ({error}); `vmkin recover` does that.",
            shown(out)
        ));
    }
    Ok(made)
}

/// Takes back what was being made, and says what is there now, as a sentence.
/// Nobody else makes a file of the temporary name, and the other is given last.
///
/// # Errors
///
/// If the file cannot be removed.
pub(super) fn recover(file: &FilePair) -> Result<String> {
    Ok(match image::remove_temporary(&file.temp)? {
        false => "Nothing of it is left under its temporary name.",
        true => "It had not been made, and nothing of it is left.",
    }
    .to_owned())
}

/// Removes what was made to take the places of disks, and does not any more. The
/// names are one run's alone.
///
/// # Errors
///
/// [`Kind::NotUndone`] if it cannot be removed.
pub(super) fn remove_unused<'p>(temps: impl Iterator<Item = &'p Path>) -> Result<()> {
    for temp in temps {
        image::remove_temporary(temp).map_err(|e| {
            e.with_kind(Kind::NotUndone)
                .hint("no disk was changed; when the cause is gone, `vmkin recover` removes it")
        })?;
    }
    Ok(())
}

fn publish(mut new: NewFile, out: &Path) -> Result<()> {
    new.publish(out)?;
    image::sync_dirs_of([out])
        .and_then(|()| crate::failpoint::hit("build.renamed"))
        .inspect_err(|_| new.discard())
}
