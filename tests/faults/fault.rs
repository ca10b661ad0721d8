//! The faults: one row of the matrix each.

use crate::expect::{Expect, Letter};
use crate::inject;
use crate::operations::Operation;
use crate::runner::Tally;

/// A fault. The order is that of the rows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Fault {
    Killed,
    Stopped,
    OutputClosed,
    OutputFull,
    ToolKilled,
    ToolHangs,
    NoSpaceForImages,
    NoSpaceForRecords,
    InputOutput,
    DirectoryImmutable,
    AnotherUser,
    ReadOnlyImages,
    ReadOnlyRecords,
    PoolUnknown,
    NoLocks,
    NoExclusiveRename,
    NoLibvirt,
    StepFails,
    SameAtOnce,
    BesideAnother,
    NameTaken,
    AddressTaken,
    UuidTaken,
    FileTaken,
    LeftBehind,
    BaseReplaced,
    BaseMissing,
    BaseTruncated,
    BaseChanged,
    BaseInUse,
    HostileChain,
    DirtyImage,
    Active,
    Saved,
    Transient,
    OddDisks,
    VariablesMissing,
    ToolMissing,
    ToolTooOld,
    ClockJumps,
    OddPaths,
    HugeXml,
    DeepChain,
    RecordCorrupt,
}

/// One row: what it is called, what happens, and how it is made to happen.
pub(crate) struct Row {
    pub(crate) fault: Fault,
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Cell) -> Tally,
}

/// One cell: a fault and the operation that it happens to.
pub(crate) struct Cell {
    pub(crate) row: &'static Row,
    pub(crate) operation: &'static Operation,
    pub(crate) letter: Letter,
    pub(crate) codes: &'static [i32],
    pub(crate) says: &'static str,
}

impl Cell {
    /// The cell of a row and an operation, or why there is none.
    pub(crate) fn of(
        row: &'static Row,
        operation: &'static Operation,
    ) -> Result<Self, &'static str> {
        match (operation.expect)(row.fault) {
            Expect::Never(why) => Err(why),
            Expect::Ends(letter, codes, says) => Ok(Self {
                row,
                operation,
                letter,
                codes,
                says,
            }),
        }
    }

    /// What it is called: `F07/clone-one`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.row.id, self.operation.name)
    }
}

const fn row(fault: Fault, id: &'static str, what: &'static str, run: fn(&Cell) -> Tally) -> Row {
    Row {
        fault,
        id,
        what,
        run,
    }
}

/// All rows. The numbers are those of `docs/architecture.md`; a letter tells
/// apart several ways of one fault. What only a real libvirtd can do is in
/// `tests/qemu/faults.rs`.
pub(crate) static ROWS: &[Row] = {
    use Fault::*;
    use inject::{
        bases, calls, hostile, identity, neighbours, output, places, states, steps, tools,
    };
    &[
        row(Killed, "F01", "killed at each step", steps::killed),
        row(
            Stopped,
            "F02",
            "SIGINT and SIGTERM at each step",
            steps::stopped,
        ),
        row(
            OutputClosed,
            "F03a",
            "nobody reads its output",
            output::closed,
        ),
        row(
            OutputFull,
            "F03b",
            "its output goes to a full disk",
            output::full,
        ),
        row(ToolKilled, "F04", "qemu-img is killed", tools::killed),
        row(ToolHangs, "F05", "qemu-img hangs", tools::hangs),
        row(
            NoSpaceForImages,
            "F06a",
            "no space left for images",
            places::full_images,
        ),
        row(
            NoSpaceForRecords,
            "F06b",
            "no space left for journals",
            places::full_records,
        ),
        row(
            InputOutput,
            "F07",
            "each system call that writes fails",
            calls::failing,
        ),
        row(
            DirectoryImmutable,
            "F08a",
            "nothing can be made or removed there",
            places::immutable,
        ),
        row(
            AnotherUser,
            "F08b",
            "run by a user who may do nothing",
            places::another_user,
        ),
        row(
            ReadOnlyImages,
            "F09a",
            "the images are on a read-only mount",
            places::read_only_images,
        ),
        row(
            ReadOnlyRecords,
            "F09b",
            "the journals are on a read-only mount",
            places::read_only_records,
        ),
        row(
            PoolUnknown,
            "F10",
            "the pool is not there",
            identity::unknown_pool,
        ),
        row(
            NoLocks,
            "F11a",
            "no locks on that file system",
            calls::no_locks,
        ),
        row(
            NoExclusiveRename,
            "F11b",
            "no exclusive rename and no second names on that file system",
            calls::no_exclusive_rename,
        ),
        row(
            NoLibvirt,
            "F12",
            "libvirt cannot be reached",
            output::no_libvirt,
        ),
        row(StepFails, "F15", "a step fails", steps::failing),
        row(
            SameAtOnce,
            "F19",
            "another vmkin does the same now",
            neighbours::same,
        ),
        row(
            BesideAnother,
            "F20",
            "another vmkin works on the same base",
            neighbours::beside,
        ),
        row(NameTaken, "F21", "the name is taken", identity::name_taken),
        row(
            AddressTaken,
            "F22",
            "the MAC address is taken",
            identity::address_taken,
        ),
        row(UuidTaken, "F23", "the UUID is taken", identity::uuid_taken),
        row(
            FileTaken,
            "F24",
            "the file is there already",
            identity::file_taken,
        ),
        row(
            LeftBehind,
            "F25",
            "a journal of a dead process is there",
            neighbours::left_behind,
        ),
        row(
            BaseReplaced,
            "F26",
            "the base was replaced",
            bases::replaced,
        ),
        row(BaseMissing, "F27", "the base is missing", bases::missing),
        row(
            BaseTruncated,
            "F28",
            "the base was truncated",
            bases::truncated,
        ),
        row(
            BaseChanged,
            "F29",
            "the base was written to",
            bases::changed,
        ),
        row(BaseInUse, "F30", "the image has children", bases::in_use),
        row(
            HostileChain,
            "F31",
            "the image names what is not its own",
            hostile::chains,
        ),
        row(
            DirtyImage,
            "F32",
            "the image is marked dirty or corrupt",
            hostile::marked,
        ),
        row(Active, "F34", "the domain is active", states::active),
        row(Saved, "F35", "the domain has saved memory", states::saved),
        row(
            Transient,
            "F37",
            "the domain is transient",
            states::transient_and_running,
        ),
        row(
            OddDisks,
            "F38",
            "disks that are no private files",
            states::odd_disks,
        ),
        row(
            VariablesMissing,
            "F39",
            "the UEFI variables are missing",
            states::no_variables,
        ),
        row(ToolMissing, "F40a", "qemu-img is missing", tools::missing),
        row(ToolTooOld, "F40b", "qemu-img is too old", tools::too_old),
        row(
            ClockJumps,
            "F41",
            "the records are of the future",
            neighbours::future,
        ),
        row(
            OddPaths,
            "F42",
            "paths with odd characters",
            states::odd_paths,
        ),
        row(HugeXml, "F43a", "XML of many megabytes", states::huge_xml),
        row(
            DeepChain,
            "F43b",
            "a chain of too many layers",
            hostile::deep,
        ),
        row(
            RecordCorrupt,
            "T104",
            "a journal that nobody understands",
            neighbours::corrupt,
        ),
    ]
};
