//! Snapshots of a guest with two disks and UEFI variables. The test driver
//! keeps no records from one process to the next, so what is applied and
//! deleted here is in the images alone; `tests/qemu/snapshots.rs` has the kill
//! points of those that libvirt has on record.

use super::{Effect, Operation, hosts};
use crate::expect::{Expect, by_the_mark, harmless, harmless_but_says, never, refused, taken_back};
use crate::fault::Fault;

pub(super) const CREATE: Operation = Operation {
    name: "snapshot-create",
    host: hosts::with_a_used_clone,
    args: "snapshot create -d web s1",
    effect: Effect::Tags("web"),
    files: &[
        "images/data.img",
        "images/golden.qcow2",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/golden_VARS.fd",
        "nvram/web_VARS.fd",
        "nvram/web_VARS.fd.s1.vmkin-snapshot",
    ],
    replaces: &["images/web-vdb.qcow2", "images/web.qcow2"],
    in_place: &["images/web-vdb.qcow2", "images/web.qcow2"],
    sealed: &["images/data.img", "images/golden.qcow2"],
    // That it is on record with libvirt, which the test driver forgets.
    commit: None,
    expect: create,
};

pub(super) const APPLY: Operation = Operation {
    name: "snapshot-apply",
    host: hosts::with_a_snapshot,
    args: "snapshot apply --yes -d web s1",
    effect: Effect::Changes("web"),
    replaces: &[
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/web_VARS.fd",
    ],
    commit: Some("snapshot.committed"),
    expect: apply,
    ..CREATE
};

pub(super) const DELETE: Operation = Operation {
    name: "snapshot-delete",
    host: hosts::with_a_snapshot,
    args: "snapshot delete --yes -d web s1",
    effect: Effect::Untags("web"),
    files: &[
        "images/data.img",
        "images/golden.qcow2",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/golden_VARS.fd",
        "nvram/web_VARS.fd",
    ],
    commit: Some("snapshot.deleting"),
    expect: delete,
    ..CREATE
};

fn create(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => taken_back(&[], ""),
        Stopped => taken_back(&[0, 130, 143], ""),
        ToolKilled => taken_back(&[10], "was killed"),
        ToolHangs => taken_back(&[10], "gave no progress"),
        ToolMissing => taken_back(&[8], "qemu-img"),
        ToolTooOld => taken_back(&[10], "--image-opts"),
        NoSpaceForImages => taken_back(&[0, 10, 11], ""),
        NoSpaceForRecords => taken_back(&[0, 10], ""),
        InputOutput => taken_back(&[0, 8, 10, 11], ""),
        NoExclusiveRename => taken_back(&[8], "only if that is free"),
        StepFails => taken_back(&[10], ""),
        FileTaken => never("its names come of the snapshot's, which is free"),
        VariablesMissing => harmless(),
        other => either(other),
    }
}

fn apply(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => by_the_mark(&[]),
        Stopped => by_the_mark(&[0, 130, 143]),
        ToolKilled => taken_back(&[10], "was killed"),
        ToolHangs => taken_back(&[10], "gave no progress"),
        ToolMissing => taken_back(&[8], "qemu-img"),
        ToolTooOld => taken_back(&[10], "--image-opts"),
        NoSpaceForImages => by_the_mark(&[0, 10, 11]),
        NoSpaceForRecords => by_the_mark(&[0, 10, 11]),
        InputOutput => by_the_mark(&[0, 8, 10, 11]),
        StepFails => by_the_mark(&[10, 11]),
        NoExclusiveRename => never("it replaces what it has locked"),
        FileTaken => never("it makes nothing of a name that others may want"),
        VariablesMissing => harmless(),
        other => either(other),
    }
}

fn delete(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => by_the_mark(&[]),
        // 0: from its mark on it goes on to the end.
        Stopped => by_the_mark(&[0, 130, 143]),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => by_the_mark(&[11]),
        NoSpaceForImages => harmless(),
        NoSpaceForRecords => taken_back(&[0, 10], ""),
        InputOutput => by_the_mark(&[0, 8, 10, 11]),
        StepFails => by_the_mark(&[10, 11]),
        NoExclusiveRename => never("it gives nothing a name"),
        FileTaken => never("it makes nothing"),
        VariablesMissing => harmless(),
        other => either(other),
    }
}

fn either(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed | Stopped | ToolKilled | ToolHangs | ToolMissing | ToolTooOld | NoSpaceForImages
        | NoSpaceForRecords | InputOutput | StepFails | NoExclusiveRename | FileTaken
        | VariablesMissing => never("said by each itself"),
        OutputClosed => harmless(),
        OutputFull => harmless(),
        DirectoryImmutable => harmless(),
        AnotherUser => refused(&[8], "Permission denied"),
        ReadOnlyImages => refused(&[8], "read-only"),
        ReadOnlyRecords => refused(&[8], "Read-only file system"),
        PoolUnknown => never("it makes no image"),
        NoLocks => refused(&[8], "cannot fence"),
        NoLibvirt => refused(&[8], "cannot connect"),
        SameAtOnce => refused(&[7], "is in use by"),
        BesideAnother => harmless(),
        NameTaken | AddressTaken | UuidTaken => never("it gives no identity away"),
        LeftBehind => harmless_but_says("Recovered from "),
        BaseReplaced | BaseMissing | BaseTruncated | BaseChanged => refused(&[9], ""),
        BaseInUse => refused(&[6], "is the base of"),
        HostileChain | DirtyImage | DeepChain => refused(&[9], ""),
        Active | Saved => refused(&[4], "must be shut off"),
        Transient => refused(&[4], "is transient"),
        OddDisks | ClockJumps => harmless(),
        OddPaths => refused(&[9], ""),
        HugeXml => refused(&[9], "is not known"),
        RecordCorrupt => refused(&[11], "not a journal"),
    }
}
