//! Sealing a base, and opening the seal.

use super::{Effect, Operation, hosts};
use crate::expect::{
    Expect, by_the_mark, finished, harmless, harmless_but_says, never, refused, taken_back,
};
use crate::fault::Fault;

pub(super) const SEAL: Operation = Operation {
    name: "base-seal",
    host: hosts::plain,
    args: "base seal -d golden",
    effect: Effect::Seals("golden"),
    files: &["images/golden.qcow2"],
    replaces: &[],
    in_place: &[],
    sealed: &["images/golden.qcow2"],
    commit: None,
    expect: seal,
};

pub(super) const UNSEAL: Operation = Operation {
    name: "base-unseal",
    host: hosts::sealed,
    args: "base unseal -d golden",
    effect: Effect::Unseals,
    sealed: &[],
    expect: unseal,
    ..SEAL
};

/// A golden image gets another name, and a clone follows.
pub(super) const MOVE: Operation = Operation {
    name: "base-move",
    host: hosts::with_a_clone,
    args: "base move ../images/golden.qcow2 ../images/moved.qcow2",
    effect: Effect::Moves,
    files: &[
        "images/data.img",
        "images/moved.qcow2",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/golden_VARS.fd",
        "nvram/web_VARS.fd",
    ],
    // Its header names the base.
    replaces: &["images/web.qcow2", "images/kid.qcow2"],
    sealed: &["images/data.img", "images/moved.qcow2"],
    commit: Some("move.committed"),
    expect: moved,
    ..SEAL
};

/// A clone becomes golden itself, as a layer over the images that it was made of.
pub(super) const PROMOTE: Operation = Operation {
    name: "promote",
    host: hosts::with_a_clone,
    args: "promote -d web",
    effect: Effect::Seals("web"),
    files: &[
        "images/data.img",
        "images/golden.qcow2",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/golden_VARS.fd",
        "nvram/web_VARS.fd",
    ],
    sealed: &[
        "images/data.img",
        "images/golden.qcow2",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
    ],
    expect: promote,
    ..SEAL
};

fn seal(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        // The same command again finishes it.
        Killed => finished(&[]),
        Stopped => taken_back(&[130, 143], "interrupted"),
        NoSpaceForRecords => taken_back(&[0, 8, 10], ""),
        NoLocks => refused(&[8], "cannot fence"),
        AnotherUser => taken_back(&[8], "golden.qcow2"),
        BaseMissing => refused(&[3], "there is no image"),
        Active => never("only a real guest holds the lock that tells: tests/qemu/faults.rs"),
        HostileChain | DirtyImage | BaseTruncated | DeepChain => refused(&[9], ""),
        other => either(other),
    }
}

fn promote(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        StepFails => taken_back(&[10, 11], ""),
        AnotherUser => taken_back(&[8], "web"),
        SameAtOnce => refused(&[7], "making clones of"),
        BesideAnother => harmless(),
        BaseMissing | BaseReplaced | BaseChanged | OddPaths => refused(&[9], ""),
        VariablesMissing | HugeXml => harmless(),
        Active | Saved => refused(&[4], "must be shut off"),
        Transient => refused(&[4], "is transient"),
        other => seal(other),
    }
}

fn unseal(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => finished(&[]),
        Stopped => harmless(),
        // It makes room, and needs none.
        NoSpaceForRecords => harmless(),
        NoLocks => harmless(),
        AnotherUser => taken_back(&[8], "golden.qcow2"),
        BaseMissing => refused(&[3], "there is no image"),
        // Not if nobody can tell whether it has children; a dirty one can be read.
        HostileChain | DirtyImage | BaseTruncated | DeepChain => taken_back(&[0, 6], ""),
        BaseInUse => refused(&[6], "is the base of"),
        Active => harmless(),
        other => either(other),
    }
}

fn either(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed | Stopped | NoSpaceForRecords | NoLocks | AnotherUser | BaseMissing | Active
        | HostileChain | DirtyImage | BaseTruncated | DeepChain => {
            never("said by each of the two itself")
        }
        OutputClosed => harmless(),
        OutputFull => harmless(),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => never("no program is run"),
        NoSpaceForImages => harmless(),
        InputOutput => taken_back(&[0, 8, 10, 11], ""),
        DirectoryImmutable => harmless(),
        ReadOnlyImages => taken_back(&[8], "ead-only file system"),
        ReadOnlyRecords => taken_back(&[8], "ead-only file system"),
        PoolUnknown | FileTaken => never("it makes no image"),
        NoExclusiveRename => never("it gives nothing a name"),
        NoLibvirt => refused(&[8], "cannot connect"),
        StepFails => taken_back(&[10], ""),
        SameAtOnce => refused(&[7], "making clones of"),
        BesideAnother => never("another one on the same base is the same one"),
        NameTaken | AddressTaken | UuidTaken => never("it gives no identity away"),
        LeftBehind => harmless_but_says("Recovered from "),
        BaseReplaced | BaseChanged => harmless(),
        BaseInUse | Saved | Transient | OddDisks | ClockJumps | OddPaths => harmless(),
        VariablesMissing => never("its domain has no UEFI variables"),
        HugeXml => refused(&[2, 9], ""),
        RecordCorrupt => refused(&[11], "not a journal"),
    }
}

fn moved(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => by_the_mark(&[]),
        Stopped => by_the_mark(&[0, 130, 143]),
        NoSpaceForRecords | StepFails => by_the_mark(&[0, 10, 11]),
        InputOutput => by_the_mark(&[0, 8, 10, 11]),
        DirectoryImmutable => refused(&[8], "images"),
        AnotherUser => refused(&[8], "Permission denied"),
        ReadOnlyImages => refused(&[8], "read-only file system"),
        ReadOnlyRecords => refused(&[8], "Read-only file system"),
        PoolUnknown | FileTaken => never("what is there is refused: tests/cli/base_move.rs"),
        NoLocks => refused(&[8], "cannot fence"),
        NoExclusiveRename => harmless(),
        BaseMissing | OddPaths => refused(&[3], "there is no image"),
        BaseReplaced | BaseTruncated | BaseChanged => refused(&[9], ""),
        HostileChain | DirtyImage | DeepChain => refused(&[9], ""),
        // They follow.
        BaseInUse => harmless(),
        SameAtOnce => taken_back(&[7], "making clones of"),
        Active | Saved => refused(&[4], "must be shut off"),
        Transient => refused(&[4], "is transient"),
        VariablesMissing => never("of the domain no more is looked at than its disks"),
        HugeXml => refused(&[9], "is not known"),
        other => either(other),
    }
}
