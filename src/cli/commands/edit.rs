use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use similar::TextDiff;

use super::to_guest::{ToGuest, paths};
use crate::cli::session::Session;
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::model::Substitution;
use crate::ops::write::Writing;
use crate::ops::write::plan::{Draft, Editable};
use crate::process::Tool;

/// Edit files of guests that are shut off
///
/// In $EDITOR (vi, if that is not set), by substitutions, or from a file. The file
/// keeps its owner, mode, SELinux label, ACL, attributes and names; symbolic links
/// are followed inside the guest. All of it is written or nothing, and nothing if
/// nothing changes.
#[derive(Debug, Args)]
pub(in crate::cli) struct EditArgs {
    #[command(flatten)]
    guests: ToGuest,

    #[command(flatten)]
    how: Edited,

    /// Take the new contents from a file of the host; '-' is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "expr")]
    from: Option<PathBuf>,

    /// Show what changes, and ask
    #[arg(long)]
    diff: bool,

    /// Files, by their absolute paths in the guest
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

/// How files are edited.
#[derive(Debug, Args)]
#[group(skip)]
pub(in crate::cli) struct Edited {
    /// Substitute in each line, as Perl and virt-edit do: 's/PATTERN/TEXT/', with g for all, i for any case; may be repeated
    #[arg(short, long, value_name = "s/…/…/")]
    expr: Vec<Substitution>,

    /// Keep what the file was beside it: '.bak' is put behind its name, and its name for '*' in 'old-*'
    #[arg(short, long, value_name = "EXT")]
    backup: Option<String>,
}

impl Edited {
    /// What a file is to be: by the substitutions or, without any, in an editor.
    fn text(&self, draft: &Draft<'_>, file: &Editable) -> Result<Vec<u8>> {
        match self.expr.as_slice() {
            [] => in_editor(draft, &editor(), file),
            all => Ok(all
                .iter()
                .fold(file.text.clone(), |text, one| one.apply(&text))),
        }
    }

    /// Drafts the edits of files.
    pub(in crate::cli) fn draft(&self, files: &[String], draft: &mut Draft<'_>) -> Result<()> {
        for path in paths(files) {
            let file = draft.editable(path)?;
            let text = self.text(draft, &file)?;
            draft.edit(&file, &text, self.backup.as_deref())?;
        }
        Ok(())
    }
}

/// How long what is typed or piped in may be.
const MAX_INPUT: u64 = 64 << 20;

/// How many lines around a change are shown.
const AROUND: usize = 3;

pub(in crate::cli) fn run(ui: &Ui, session: &Session<'_>, args: &EditArgs) -> Result<()> {
    if args.from.is_some() && args.files.len() > 1 {
        return Err(Error::new(
            Kind::Usage,
            "`--from` holds the contents of one file, and several are named",
        ));
    }
    // Once, for all guests.
    let from = args.from.as_deref().map(read_input).transpose()?;
    let mut plan = |_: &Writing<'_>, draft: &mut Draft<'_>| {
        for path in paths(&args.files) {
            session.check()?;
            let file = draft.editable(path)?;
            let text = match &from {
                Some(from) => from.clone(),
                None => args.how.text(draft, &file)?,
            };
            if args.diff && text != file.text {
                agree(ui, args, &file, &text)?;
            }
            draft.edit(&file, &text, args.how.backup.as_deref())?;
        }
        Ok(())
    };
    args.guests.each(ui, session, &mut plan)
}

/// All of a file of the host, or of standard input.
pub(super) fn read_input(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin()
            .lock()
            .take(MAX_INPUT + 1)
            .read_to_end(&mut bytes),
        false => std::fs::File::open(path)
            .and_then(|file| file.take(MAX_INPUT + 1).read_to_end(&mut bytes)),
    };
    let count =
        read.map_err(|error| Error::io(format!("cannot read {}", path.display()), error))?;
    if count as u64 > MAX_INPUT {
        return Err(Error::new(
            Kind::Usage,
            format!("{} is longer than 64 MiB", path.display()),
        )
        .hint("copy it into the guest: `vmkin copy-in`"));
    }
    Ok(bytes)
}

/// What the user edits with.
fn editor() -> String {
    let set = std::env::var("EDITOR").ok();
    set.filter(|editor| !editor.trim().is_empty())
        .unwrap_or_else(|| "vi".to_owned())
}

fn in_editor(draft: &Draft<'_>, editor: &str, file: &Editable) -> Result<Vec<u8>> {
    let path = draft.on_host(file)?;
    let shell = Tool::find("sh")?;
    // It may come with arguments, which a shell tells apart.
    let command = format!("{editor} \"$1\"");
    let arguments = [
        "-c".as_ref(),
        command.as_ref(),
        "sh".as_ref(),
        path.as_os_str(),
    ];
    shell
        .command(arguments)
        .attended()
        .map_err(|error| error.context(format!("nothing was changed: `{editor}` failed")))?;
    // It may have put another file in its place.
    read_input(&path)
}

/// Shows what changes, and asks.
fn agree(ui: &Ui, args: &EditArgs, file: &Editable, text: &[u8]) -> Result<()> {
    let name = file.place.path.escape_ascii().to_string();
    let (old, new) = (
        String::from_utf8_lossy(&file.text),
        String::from_utf8_lossy(text),
    );
    let diff = TextDiff::from_lines(&*old, &*new);
    let shown = diff
        .unified_diff()
        .context_radius(AROUND)
        .header(&name, &name)
        .to_string();
    for line in shown.lines() {
        ui.note(&one_line(line));
    }
    if args.guests.is_dry_run() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() && args.from.as_deref() == Some(Path::new("-")) {
        return ui.confirm("Write it?").map_err(|error| {
            error.hint("standard input is what is to be written, and cannot answer")
        });
    }
    ui.confirm("Write it?")
}
