//! Commands that change nothing.

use super::{Effect, Operation, hosts};
use crate::expect::{Expect, harmless, never, refused};
use crate::fault::Fault;

/// On a host with a clone, so that there is something to see.
pub(super) const LIST: Operation = Operation {
    name: "list",
    host: hosts::with_a_clone,
    args: "list",
    effect: Effect::Reads,
    files: &[],
    replaces: &[],
    in_place: &[],
    sealed: &[],
    commit: None,
    expect: looks,
};

pub(super) const SHOW: Operation = Operation {
    name: "show",
    args: "show -d golden",
    expect: show,
    ..LIST
};

pub(super) const TREE: Operation = Operation {
    name: "tree",
    args: "tree",
    ..LIST
};

pub(super) const DOCTOR: Operation = Operation {
    name: "doctor",
    args: "doctor",
    expect: doctor,
    ..LIST
};

pub(super) const BASE_VERIFY: Operation = Operation {
    name: "base-verify",
    args: "base verify -d golden",
    expect: verify,
    ..LIST
};

pub(super) const BASE_CHILDREN: Operation = Operation {
    name: "base-children",
    args: "base children -d golden",
    expect: children,
    ..LIST
};

fn looks(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed | Stopped | StepFails => never("it has no step that could be left half done"),
        OutputClosed => harmless(),
        OutputFull => refused(&[8], "cannot write the result"),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => never("no program is run"),
        InputOutput => never("it writes nothing"),
        NoSpaceForImages | NoSpaceForRecords | ReadOnlyImages | ReadOnlyRecords => harmless(),
        DirectoryImmutable => harmless(),
        AnotherUser => harmless(),
        PoolUnknown | FileTaken => never("it makes nothing"),
        NoLocks | NoExclusiveRename => harmless(),
        NoLibvirt => refused(&[8], "cannot connect"),
        SameAtOnce | BesideAnother => harmless(),
        NameTaken | AddressTaken | UuidTaken => never("it gives no identity away"),
        LeftBehind => harmless(),
        BaseReplaced | BaseMissing | BaseTruncated | BaseChanged => harmless(),
        BaseInUse => harmless(),
        HostileChain | DirtyImage | DeepChain => harmless(),
        Active | Saved | Transient | OddDisks | VariablesMissing => harmless(),
        ClockJumps | OddPaths | HugeXml | RecordCorrupt => harmless(),
    }
}

fn show(fault: Fault) -> Expect {
    match fault {
        Fault::HugeXml => refused(&[2], "more than 8 MiB"),
        other => looks(other),
    }
}

fn doctor(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld | RecordCorrupt => refused(&[8], "BAD"),
        // It looks at QEMU's locks on a file of its own.
        NoSpaceForImages => refused(&[0, 8], ""),
        NoLocks | ReadOnlyImages => refused(&[8], "BAD"),
        other => looks(other),
    }
}

fn verify(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        // All it says about a sound base goes to stderr.
        OutputFull => harmless(),
        BaseReplaced | BaseMissing | BaseTruncated | BaseChanged | HostileChain | DirtyImage
        | DeepChain => refused(&[9], "not what"),
        // Of an image of that name nothing is recorded.
        OddPaths => refused(&[3], "nothing is recorded"),
        HugeXml => refused(&[2], "more than 8 MiB"),
        other => looks(other),
    }
}

fn children(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        BaseMissing => refused(&[3], "there is no image"),
        HugeXml => refused(&[2], "more than 8 MiB"),
        other => looks(other),
    }
}
