//! The commands of a session: their arguments, which are those of the commands of
//! vmkin with the same names, and what their paths are.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use super::words;
use crate::cli::commands as c;
use crate::error::{Error, Kind, Result};

/// One line.
#[derive(Debug, Parser)]
#[command(
    multicall = true,
    disable_help_flag = true,
    disable_help_subcommand = true,
    help_expected = true,
    max_term_width = 100
)]
struct OneLine {
    #[command(subcommand)]
    command: Command,
}

/// What can be done. In `help` they have this order.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List files
    Ls(Ls),
    /// Print files
    Cat(Cat),
    /// Print the beginning of files
    Head(Part),
    /// Print the end of files
    Tail(Part),
    /// Tell all that is known of files
    Stat(Paths),
    /// Look for files
    Find(Find),
    /// Look for lines in files
    Grep(c::grep::Lines),
    /// Go to a directory of the guest
    Cd(Cd),
    /// Print the directory of the guest that paths begin at
    Pwd,
    /// Go to a directory of the host
    Lcd(Lcd),
    /// Print the directory of the host that its paths begin at
    Lpwd,
    /// Show how full the file systems are
    Df(c::df::Columns),
    /// List the file systems on the disks, mounted or not
    Filesystems,
    /// Show what is mounted, or mount a file system for this session
    Mount(Mount),
    /// Take what is mounted on a directory away, and what is below it
    Umount(Umount),
    /// Tell what the guest is: operating system, mounts, kernels, users, packages
    Inspect(Inspect),
    /// Copy files and directories to a directory of the host
    CopyOut(CopyOut),
    /// Copy a file to a new file of the host
    Download(Download),
    /// Edit files, in $EDITOR or by substitutions
    Edit(Edit),
    /// Write a text to a file
    Write(Text),
    /// Add a text to a file
    WriteAppend(Text),
    /// Copy files and directories of the host into a directory
    CopyIn(c::copy_in::CopiedIn),
    /// Copy a file of the host to a file
    Upload(Upload),
    /// Unpack a tar archive of the host into a directory
    TarIn(TarIn),
    /// Copy files and directories, with all that they have
    Cp(Copied),
    /// Move files, or give them other names
    Mv(c::mv::Moved),
    /// Remove files
    Rm(c::rm::Removed),
    /// Make directories
    Mkdir(c::mkdir::Directories),
    /// Make links
    Ln(c::ln::Link),
    /// Give files another mode
    Chmod(c::chmod::Modes),
    /// Give files another owner
    Chown(c::chown::Owners),
    /// Make empty files, or set the times of files
    Touch(c::touch::Touched),
    /// List what is changed and not on the disks yet
    Status,
    /// Write all that is changed to the disks
    Commit,
    /// Drop all that is changed
    Discard,
    /// Nothing, which lines for guestfish may need: the guest is open already
    Launch,
    /// Show what there is, or what a command does
    Help(Help),
    /// End the session; what is changed is committed
    Exit,
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    #[command(flatten)]
    pub(super) how: c::ls::Listing,

    /// Show hidden files too, which are always shown
    #[arg(short, long)]
    all: bool,

    /// Files and directories; without one, where you are
    #[arg(value_name = "PATH", default_value = ".", hide_default_value = true)]
    pub(super) paths: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Cat {
    /// Print control characters to a terminal, too
    #[arg(long)]
    pub(super) raw: bool,

    /// Files
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Part {
    /// How many lines
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 10)]
    pub(super) lines: usize,

    /// Files
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Paths {
    /// Files and directories
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Find {
    #[command(flatten)]
    pub(super) which: c::find::Which,

    /// Directories; without one, where you are
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(super) dirs: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Cd {
    /// The directory
    #[arg(value_name = "DIR", default_value = "/")]
    pub(super) dir: String,
}

#[derive(Debug, Args)]
pub(super) struct Lcd {
    /// The directory
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Mount {
    /// The device, as `filesystems` lists it
    #[arg(value_name = "DEVICE", requires = "dir")]
    pub(super) device: Option<String>,

    /// The directory; for / all that was mounted goes
    #[arg(value_name = "DIR")]
    pub(super) dir: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Umount {
    /// The directory, or the device
    #[arg(value_name = "DIR")]
    pub(super) at: String,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// List the packages one by one
    #[arg(long)]
    pub(super) packages: bool,
}

#[derive(Debug, Args)]
pub(super) struct CopyOut {
    #[command(flatten)]
    pub(super) kept: c::copy_out::Kept,

    /// Files and directories of the guest; then a directory of the host
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    pub(super) paths: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Download {
    /// The file of the guest
    #[arg(value_name = "FILE")]
    pub(super) from: String,

    /// The file of the host, which must not be there, or a directory for it
    #[arg(value_name = "HOST_FILE")]
    pub(super) to: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Edit {
    #[command(flatten)]
    pub(super) how: c::edit::Edited,

    /// Files
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Text {
    /// The file, which is made if it is not there
    #[arg(value_name = "FILE")]
    pub(super) file: String,

    /// The text, without anything behind it
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) text: String,
}

#[derive(Debug, Args)]
pub(super) struct Copied {
    /// Directories are copied without being asked for, as everything is
    #[arg(short, short_alias = 'a', hide = true)]
    recursive: bool,

    /// Files and directories; then a directory or another name
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    pub(super) paths: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Upload {
    /// The file of the host
    #[arg(value_name = "HOST_FILE")]
    pub(super) from: PathBuf,

    /// The file of the guest, which is made if it is not there
    #[arg(value_name = "FILE")]
    pub(super) to: String,
}

#[derive(Debug, Args)]
pub(super) struct TarIn {
    /// The archive, a file of the host, which is not compressed
    #[arg(value_name = "ARCHIVE")]
    pub(super) archive: PathBuf,

    /// The directory of the guest
    #[arg(value_name = "DIR")]
    pub(super) dir: String,
}

#[derive(Debug, Args)]
pub(super) struct Help {
    /// The command
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
}

/// What an argument of a command is, for completion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kinds {
    /// A path in the guest.
    Guest,
    /// A path on the host.
    Host,
    /// A name of a command.
    Command,
    /// A device of the guest.
    Device,
    /// Nothing that is known.
    Other,
}

impl Command {
    /// Understands the words of a line.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if they make no sense.
    pub(super) fn parse(words: &[String]) -> Result<Self> {
        let name = words.first().map_or("", String::as_str);
        if OneLine::command().find_subcommand(name).is_none() {
            let error = Error::new(Kind::Usage, format!("there is no command '{name}'"));
            return Err(match like(name) {
                Some(like) => error.hint(format!("did you mean `{like}`?")),
                None => error.hint("see what there is: `help`"),
            });
        }
        let line = OneLine::try_parse_from(words);
        line.map(|line| line.command).map_err(|error| {
            Error::new(Kind::Usage, crate::cli::mistake::message(&error))
                .hint(format!("see how it is used: `help {name}`"))
        })
    }

    /// Whether it changes the guest.
    pub(super) fn changes(&self) -> bool {
        matches!(
            self,
            Self::Edit(_)
                | Self::Write(_)
                | Self::WriteAppend(_)
                | Self::CopyIn(_)
                | Self::Upload(_)
                | Self::TarIn(_)
                | Self::Cp(_)
                | Self::Mv(_)
                | Self::Rm(_)
                | Self::Mkdir(_)
                | Self::Ln(_)
                | Self::Chmod(_)
                | Self::Chown(_)
                | Self::Touch(_)
        )
    }
}

/// All names of commands, those that others have last.
pub(super) fn names() -> Vec<String> {
    let own = OneLine::command();
    let own = own.get_subcommands().map(|one| one.get_name().to_owned());
    let others = words::aliases().map(|(name, _)| name.to_owned());
    own.chain(others).collect()
}

fn like(name: &str) -> Option<String> {
    let near = |other: &String| strsim::damerau_levenshtein(name, other);
    names()
        .into_iter()
        .filter(|other| near(other) <= 2 && near(other) < other.len())
        .min_by_key(near)
}

/// What there is, or what one command does.
///
/// # Errors
///
/// [`Kind::NotFound`] if there is no such command.
pub(super) fn help(of: Option<&str>) -> Result<String> {
    let mut all = OneLine::command();
    let Some(name) = of else {
        let lines = all.get_subcommands().map(|one| {
            let about = one.get_about().map(ToString::to_string);
            format!("{:<12} {}\n", one.get_name(), about.unwrap_or_default())
        });
        let lines: String = lines.collect();
        let others: Vec<&str> = words::aliases().map(|(name, _)| name).collect();
        return Ok(format!(
            "{lines}\nOther names that are understood: {}.\nOf one command: `help COMMAND`.\n",
            others.join(", ")
        ));
    };
    let same = words::meaning(name);
    let own = same.and_then(|words| words.first()).copied();
    // What they have from all of them, they have only then.
    all.build();
    let command = all.find_subcommand_mut(own.unwrap_or(name));
    let command = command.ok_or_else(|| {
        Error::new(Kind::NotFound, format!("there is no command '{name}'"))
            .hint("see what there is: `help`")
    })?;
    let text = command.render_long_help().to_string();
    // Between them clap has the name of a program, which there is none of.
    let text = text.replace("Usage:  ", "Usage: ");
    Ok(match same {
        Some(words) => format!("{name} is: {}\n\n{text}", words.join(" ")),
        None => text,
    })
}

/// What the next word of a command is, after these.
pub(super) fn next_word(before: &[String]) -> Kinds {
    let Some(name) = before.first() else {
        return Kinds::Command;
    };
    let name = name.strip_prefix('-').unwrap_or(name);
    let name = words::meaning(name).and_then(|words| words.first().copied());
    let name = name.unwrap_or_else(|| before.first().map_or("", String::as_str));
    let arguments = before.iter().skip(1).filter(|word| !word.starts_with('-'));
    let first = arguments.count() == 0;
    match (name, first) {
        ("help", true) => Kinds::Command,
        ("mount", true) => Kinds::Device,
        ("lcd" | "upload" | "tar-in", true) | ("download", false) => Kinds::Host,
        // Its last word is a path of the other side, and nobody knows yet whether
        // this is the last: what it begins with tells most.
        ("copy-in", true) => Kinds::Host,
        ("copy-out", true) => Kinds::Guest,
        ("grep" | "chmod" | "chown", true) | ("write" | "write-append", false) => Kinds::Other,
        ("pwd" | "lpwd" | "df" | "filesystems" | "inspect" | "status", _) => Kinds::Other,
        ("commit" | "discard" | "launch" | "exit" | "help" | "lcd", _) => Kinds::Other,
        _ => Kinds::Guest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        OneLine::command().debug_assert();
        for (name, meaning) in words::aliases() {
            let own = OneLine::command();
            assert!(own.find_subcommand(name).is_none(), "{name}");
            assert!(own.find_subcommand(meaning[0]).is_some(), "{name}");
        }
    }
}
