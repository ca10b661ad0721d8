//! Deleting a guest.

use super::{Effect, Operation, hosts};
use crate::expect::{Expect, by_the_mark, harmless, harmless_but_says, never, refused, taken_back};
use crate::fault::Fault;

/// A clone with two disks and UEFI variables.
pub(super) const DELETE: Operation = Operation {
    name: "delete",
    host: hosts::with_a_clone,
    args: "delete --yes -d web",
    effect: Effect::Deletes("web"),
    files: &[
        "images/data.img",
        "images/golden.qcow2",
        "nvram/golden_VARS.fd",
    ],
    replaces: &[],
    in_place: &[],
    sealed: &["images/data.img", "images/golden.qcow2"],
    commit: Some("delete.undefined"),
    expect,
};

/// A clone that has an address reserved.
pub(super) const RESERVED: Operation = Operation {
    name: "delete-reserved",
    host: hosts::with_a_reserved_clone,
    ..DELETE
};

fn expect(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => by_the_mark(&[]),
        // There is no step at which it could stop that is worth it.
        Stopped => by_the_mark(&[0]),
        OutputClosed => harmless(),
        OutputFull => harmless(),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => never("no program is run"),
        NoSpaceForImages => harmless(),
        NoSpaceForRecords => taken_back(&[0, 10], ""),
        // 0: only the journal could not be removed.
        InputOutput => by_the_mark(&[0, 8, 10, 11]),
        DirectoryImmutable => refused(&[8], "images"),
        AnotherUser => refused(&[8], "may not write"),
        ReadOnlyImages => refused(&[8], "read-only file system"),
        ReadOnlyRecords => refused(&[8], "Read-only file system"),
        PoolUnknown | FileTaken => never("it makes nothing"),
        NoLocks => refused(&[8], "cannot fence"),
        NoExclusiveRename => never("it gives nothing a name"),
        NoLibvirt => refused(&[8], "cannot connect"),
        StepFails => by_the_mark(&[10, 11]),
        SameAtOnce => refused(&[7], "another vmkin"),
        BesideAnother => harmless(),
        NameTaken | AddressTaken | UuidTaken => never("it gives no identity away"),
        LeftBehind => harmless_but_says("Recovered from "),
        BaseReplaced | BaseMissing | BaseTruncated | BaseChanged => harmless(),
        BaseInUse => refused(&[6], "is the base of"),
        DirtyImage => harmless(),
        // It may hide that it is based on what would go, unless what it names is
        // raw, with nothing below.
        HostileChain => by_the_mark(&[0, 9]),
        DeepChain => refused(&[9], "is not known"),
        Active => refused(&[4], "must be shut off"),
        Saved => refused(&[4], "saved memory"),
        Transient => refused(&[4], "must be shut off"),
        OddDisks | VariablesMissing | ClockJumps | OddPaths => harmless(),
        HugeXml => refused(&[9], "is not known"),
        RecordCorrupt => refused(&[11], "not a journal"),
    }
}
