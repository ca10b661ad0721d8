//! What changes the guest.

use super::command::Command;
use super::{Next, Shell};
use crate::cli::commands::to_guest::{Drafts, warn_of_left_out};
use crate::cli::ui::one_line;
use crate::error::{Error, Kind, Result};
use crate::guest::change::Given;
use crate::ops::Observer as _;
use crate::ops::write::plan::Draft;

impl Shell<'_, '_> {
    /// Carries a command out that changes files: in the appliance, and not on the
    /// disks yet.
    pub(super) fn change(&mut self, command: &Command) -> Result<()> {
        let changing = self.changing.as_mut().ok_or_else(read_only)?;
        let mut draft = changing.draft(&self.tree);
        plan(command, &mut draft)?;
        let (changes, left_out) = draft.finish();
        warn_of_left_out(self.ui, &left_out);
        if changes.is_empty() {
            self.ui.status("Nothing is to be changed.");
            return Ok(());
        }
        self.session.check()?;
        self.tree = changing.make(&self.tree, changes)?;
        self.system.read_by(&self.tree);
        Ok(())
    }

    /// Prints what is changed and not written.
    pub(super) fn status(&self) -> Result<()> {
        let changing = self.changing.as_ref().ok_or_else(read_only)?;
        let lines = changing.pending().iter();
        let lines: String = lines
            .map(|change| format!("{}\n", one_line(&change.to_string())))
            .collect();
        if lines.is_empty() {
            self.ui.status("Nothing is changed.");
        }
        self.ui.result(&lines, &())
    }

    /// Writes what is changed to the disks.
    pub(super) fn commit(&mut self) -> Result<Next> {
        let changing = self.changing.as_mut().ok_or_else(read_only)?;
        let count = changing.pending().len();
        if count == 0 {
            self.ui.status("Nothing is to be written.");
            return Ok(Next::Line);
        }
        changing.commit()?;
        self.ui
            .status(&format!("Written to '{}': {count} changes.", self.name));
        Ok(Next::Reopen)
    }

    /// Drops what is changed.
    pub(super) fn discard(&mut self) -> Result<Next> {
        let changing = self.changing.as_mut().ok_or_else(read_only)?;
        let count = changing.pending().len();
        if count == 0 {
            self.ui.status("Nothing is to be dropped.");
            return Ok(Next::Line);
        }
        changing.discard()?;
        self.ui.status(&format!("Dropped: {count} changes."));
        Ok(Next::Reopen)
    }
}

fn read_only() -> Error {
    Error::new(Kind::WrongState, "this session only reads")
        .hint("to change files of a guest that is shut off: `vmkin shell --rw`")
}

/// Drafts what a command does.
fn plan(command: &Command, draft: &mut Draft<'_>) -> Result<()> {
    let same: &dyn Drafts = match command {
        Command::CopyIn(what) => what,
        Command::Mv(what) => what,
        Command::Rm(what) => what,
        Command::Mkdir(what) => what,
        Command::Ln(what) => what,
        Command::Chmod(what) => what,
        Command::Chown(what) => what,
        Command::Touch(what) => what,
        Command::Edit(args) => return args.how.draft(&args.files, draft),
        Command::Write(args) => return text(draft, &args.file, &args.text, false),
        Command::WriteAppend(args) => return text(draft, &args.file, &args.text, true),
        Command::Upload(args) => {
            let given = Given::default();
            return draft
                .write(args.to.as_bytes(), &args.from, false, given)
                .map(drop);
        }
        Command::TarIn(args) => return draft.tar_in(&args.archive, args.dir.as_bytes()),
        Command::Cp(args) => {
            let Some((to, from)) = args.paths.split_last() else {
                return Ok(());
            };
            if from.len() > 1 {
                draft.must_be_directory(to.as_bytes())?;
            }
            return from
                .iter()
                .try_for_each(|path| draft.cp(path.as_bytes(), to.as_bytes()));
        }
        // The others change nothing.
        _ => return Ok(()),
    };
    same.draft(draft)
}

fn text(draft: &mut Draft<'_>, file: &str, text: &str, append: bool) -> Result<()> {
    let from = draft.on_the_way(text.as_bytes())?;
    draft
        .write(file.as_bytes(), &from, append, Given::default())
        .map(drop)
}
