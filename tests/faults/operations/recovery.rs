//! Recovering itself, of a clone that was killed.

use super::{Effect, Operation, hosts};
use crate::expect::{Expect, finished, harmless, never, refused};
use crate::fault::Fault;

pub(super) const RECOVER: Operation = Operation {
    name: "recover",
    host: hosts::half_cloned,
    args: "recover",
    effect: Effect::Recovers,
    files: &["images/golden.qcow2"],
    replaces: &[],
    in_place: &[],
    sealed: &[],
    commit: None,
    expect,
};

fn expect(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => finished(&[]),
        Stopped | OutputClosed | OutputFull => harmless(),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => never("no program is run"),
        // It makes room, and needs none.
        NoSpaceForImages | NoSpaceForRecords => harmless(),
        // 10: a journal could not be looked for.
        InputOutput => finished(&[0, 8, 10, 11]),
        DirectoryImmutable => finished(&[11]),
        AnotherUser => never("each user has journals of his own"),
        ReadOnlyImages => finished(&[11]),
        ReadOnlyRecords => refused(&[8], "ead-only file system"),
        PoolUnknown | FileTaken => never("it makes no image"),
        NoLocks | NoExclusiveRename => harmless(),
        NoLibvirt => never("it connects to what the journal names, which is a file here"),
        StepFails => finished(&[11]),
        SameAtOnce => harmless(),
        BesideAnother => harmless(),
        NameTaken | AddressTaken | UuidTaken => never("it gives no identity away"),
        LeftBehind => harmless(),
        BaseReplaced | BaseMissing | BaseTruncated | BaseChanged => harmless(),
        BaseInUse => never("what is recovered was its only child"),
        HostileChain | DirtyImage | DeepChain => harmless(),
        Active | Saved | Transient | OddDisks => harmless(),
        VariablesMissing => never("its golden domain has no UEFI variables"),
        ClockJumps => harmless(),
        OddPaths => never("to rename the base of a journal is to lose it: F27"),
        HugeXml => harmless(),
        RecordCorrupt => refused(&[11], "not a journal"),
    }
}
