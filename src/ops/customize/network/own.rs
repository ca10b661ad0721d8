//! Files that are vmkin's own, one for each interface.

use super::setup::Setup;
use crate::error::Result;
use crate::ops::customize::files::texts;
use crate::ops::write::plan::Draft;

/// What vmkin wrote for the same interface under another name goes: both would hold,
/// or the older one alone. `line` is what says in them which interface it is.
///
/// # Errors
///
/// If the files cannot be read.
pub(super) fn remove_others(
    draft: &mut Draft<'_>,
    dir: &str,
    pattern: &str,
    keep: &str,
    line: &str,
    setup: &Setup,
) -> Result<()> {
    for (path, text) in texts(draft, dir, &[pattern])? {
        let is_it = |other: &str| other.trim().eq_ignore_ascii_case(line);
        if path != keep.as_bytes() && (setup.nic.is_only || text.lines().any(is_it)) {
            draft.rm(&path, false, true)?;
        }
    }
    Ok(())
}
