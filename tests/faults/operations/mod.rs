//! The operations: one column of the matrix each.
//!
//! A new operation is a row of [`OPERATIONS`] and a function that says what it
//! promises about each fault; see `CONTRIBUTING.md`.

mod bases;
mod changing;
mod clones;
mod deletion;
mod disks;
mod hosts;
mod looking;
mod recovery;
mod snapshots;

use crate::common::Host;
use crate::expect::Expect;
use crate::fault::Fault;

pub(crate) use self::hosts::{BASE, GOLDEN};

/// Something that must happen as a whole or not at all.
pub(crate) struct Operation {
    /// What its cells are called by.
    pub(crate) name: &'static str,
    /// Makes a host on which it works.
    pub(crate) host: fn() -> Host,
    /// Its arguments, separated by spaces.
    pub(crate) args: &'static str,
    /// What it does to the domains of the host.
    pub(crate) effect: Effect,
    /// All files there are when it is done, but for seal records.
    pub(crate) files: &'static [&'static str],
    /// Those of them that are other files then than before.
    pub(crate) replaces: &'static [&'static str],
    /// Those of them that `qemu-img` changes in place: what is taken back is
    /// then what the guest sees, and not every byte.
    pub(crate) in_place: &'static [&'static str],
    /// The images that are sealed when it is done.
    pub(crate) sealed: &'static [&'static str],
    /// The step that is passed right after the commit mark, if it has one:
    /// before that it is taken back, from there on it is finished.
    pub(crate) commit: Option<&'static str>,
    /// What it promises about each fault.
    pub(crate) expect: fn(Fault) -> Expect,
}

/// What an operation does to the domains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// Defines these, each with an image of its name.
    Clones(&'static [&'static str]),
    /// Undefines this one.
    Deletes(&'static str),
    /// Changes the images of this one.
    Changes(&'static str),
    /// Changes the images of this one so that nothing is below them, which can be
    /// done once.
    Flattens(&'static str),
    /// Puts what the disk of this one holds into its base, which then is the disk.
    /// Until then nobody sees the base but through the disk.
    Commits(&'static str),
    /// Gives the images of this one something of a name, which then is taken.
    Tags(&'static str),
    /// Takes it off them again, and then there is none.
    Untags(&'static str),
    /// Gives the golden image another name.
    Moves,
    /// Seals the images of this one.
    Seals(&'static str),
    /// Opens a seal.
    Unseals,
    /// Finishes what another run left behind.
    Recovers,
    /// Makes an image that no domain has.
    Makes,
    /// Removes images that no domain has, one by one.
    Prunes,
    /// Changes nothing.
    Reads,
}

/// All columns.
pub(crate) static OPERATIONS: &[Operation] = &[
    clones::ONE,
    clones::RESERVED,
    clones::MANY,
    clones::FULL,
    clones::MANY_FULL,
    clones::ALL_OR_NOTHING,
    clones::TOLD,
    clones::IMPORT,
    deletion::DELETE,
    deletion::RESERVED,
    changing::RESET,
    changing::REPAIR,
    changing::EDIT,
    disks::CREATE,
    disks::CONVERT,
    disks::PRUNE,
    changing::FLATTEN,
    changing::COMMIT,
    changing::REBASE,
    changing::REBASE_IN_PLACE,
    changing::RESIZE,
    changing::SHRINK,
    snapshots::CREATE,
    snapshots::APPLY,
    snapshots::DELETE,
    bases::SEAL,
    bases::UNSEAL,
    bases::PROMOTE,
    bases::MOVE,
    recovery::RECOVER,
    looking::LIST,
    looking::SHOW,
    looking::TREE,
    looking::DOCTOR,
    looking::BASE_VERIFY,
    looking::BASE_CHILDREN,
];

impl Operation {
    /// The arguments. Clones get UUIDs and addresses that are known before, so
    /// that the host can be told what libvirt would remember.
    pub(crate) fn args(&self) -> Vec<String> {
        let mut args: Vec<String> = self.args.split_whitespace().map(str::to_owned).collect();
        if let Effect::Clones(names) = self.effect {
            for n in 1..=names.len() {
                args.push(format!("--uuid=11111111-0000-4000-8000-{n:012}"));
                args.push(format!("--mac=52:54:00:11:00:{n:02}"));
            }
        }
        args
    }

    /// The domain that it is about.
    pub(crate) fn subject(&self) -> &'static str {
        match self.effect {
            Effect::Deletes(name)
            | Effect::Changes(name)
            | Effect::Flattens(name)
            | Effect::Commits(name)
            | Effect::Tags(name)
            | Effect::Untags(name)
            | Effect::Seals(name) => name,
            _ => "golden",
        }
    }

    pub(crate) fn is_clone(&self) -> bool {
        matches!(self.effect, Effect::Clones(_))
    }
}
