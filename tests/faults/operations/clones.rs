//! Cloning: one, many, full, all or nothing.

use super::{Effect, Operation, hosts};
use crate::expect::{Expect, finished, harmless, harmless_but_says, never, refused, taken_back};
use crate::fault::Fault;

const EIGHT: [&str; 8] = ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8"];

const EIGHT_FILES: [&str; 9] = [
    "images/golden.qcow2",
    "images/w1.qcow2",
    "images/w2.qcow2",
    "images/w3.qcow2",
    "images/w4.qcow2",
    "images/w5.qcow2",
    "images/w6.qcow2",
    "images/w7.qcow2",
    "images/w8.qcow2",
];

/// Two disks and UEFI variables.
pub(super) const ONE: Operation = Operation {
    name: "clone-one",
    host: hosts::rich,
    args: "clone -d golden web",
    effect: Effect::Clones(&["web"]),
    files: &[
        "images/data.img",
        "images/golden.qcow2",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/golden_VARS.fd",
        "nvram/web_VARS.fd",
    ],
    replaces: &[],
    in_place: &[],
    sealed: &["images/data.img", "images/golden.qcow2"],
    // Define is the commit point of each clone. The test driver forgets what
    // was defined; `tests/qemu/faults.rs` has the same kill points on a
    // libvirt that does not.
    commit: None,
    expect: one,
};

/// With an address that is reserved for it.
pub(super) const RESERVED: Operation = Operation {
    name: "clone-reserved",
    args: "clone -d golden web --ip 192.168.122.50",
    ..ONE
};

pub(super) const MANY: Operation = Operation {
    name: "clone-many",
    host: hosts::plain,
    args: "clone -d golden w{n} --count 8",
    effect: Effect::Clones(&EIGHT),
    files: &EIGHT_FILES,
    sealed: &["images/golden.qcow2"],
    expect: many,
    ..ONE
};

/// One disk that `qemu-img` converts, and one that is copied.
pub(super) const FULL: Operation = Operation {
    name: "clone-full",
    host: hosts::layered,
    args: "clone -d golden web --full",
    files: &[
        "images/base.qcow2",
        "images/data.img",
        "images/golden.qcow2",
        "images/web-vdb.img",
        "images/web.qcow2",
    ],
    sealed: &[],
    expect: full,
    ..ONE
};

pub(super) const MANY_FULL: Operation = Operation {
    name: "clone-many-full",
    args: "clone -d golden w{n} --count 8 --full",
    sealed: &[],
    expect: many_full,
    ..MANY
};

pub(super) const ALL_OR_NOTHING: Operation = Operation {
    name: "clone-all-or-nothing",
    args: "clone -d golden w{n} --count 8 --all-or-nothing",
    expect: all_or_nothing,
    ..MANY
};

/// A clone whose guest is told who it is.
pub(super) const TOLD: Operation = Operation {
    name: "clone-told",
    args: "clone -d golden web --hostname web1",
    files: &[
        "images/data.img",
        "images/golden.qcow2",
        "images/web-seed.img",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/golden_VARS.fd",
        "nvram/web_VARS.fd",
    ],
    ..ONE
};

/// A guest of an image, which here is a golden domain's too: an overlay, a new
/// disk, and a seed.
pub(super) const IMPORT: Operation = Operation {
    name: "import",
    host: hosts::plain,
    args: "import --name web --disk backing=../images/golden.qcow2 \
           --disk path=../images/web-vdb.qcow2,size=1M --hostname web",
    files: &[
        "images/golden.qcow2",
        "images/web-seed.img",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
    ],
    sealed: &["images/golden.qcow2"],
    expect: import,
    ..ONE
};

fn one(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => taken_back(&[], ""),
        // 0: it was too late, all had been done.
        Stopped => taken_back(&[0, 130, 143], ""),
        OutputClosed => harmless(),
        // It is done, and only cannot be told.
        OutputFull => finished(&[8]),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => {
            never("overlays are written without a program")
        }
        NoSpaceForImages | NoSpaceForRecords => taken_back(&[0, 8, 10], ""),
        // 0: only the journal could not be removed.
        InputOutput => taken_back(&[0, 8, 10, 11], ""),
        DirectoryImmutable => refused(&[8], "may not create files in"),
        AnotherUser => refused(&[8], "may not create files in"),
        ReadOnlyImages => refused(&[8], "may not create files in"),
        ReadOnlyRecords => refused(&[8], "Read-only file system"),
        PoolUnknown => refused(&[3], "no storage pool"),
        NoLocks => refused(&[8], "cannot fence"),
        NoExclusiveRename => taken_back(&[8], "only if that is free"),
        NoLibvirt => refused(&[8], "cannot connect"),
        StepFails => taken_back(&[0, 10], ""),
        SameAtOnce => refused(&[7], "is making"),
        BesideAnother => harmless(),
        NameTaken => refused(&[5], "exists already"),
        AddressTaken => refused(&[5], "belongs to another domain"),
        UuidTaken => refused(&[5], "exists already"),
        FileTaken => refused(&[5], "exists already"),
        LeftBehind => harmless_but_says("Recovered from "),
        BaseReplaced => refused(&[9], "replaced"),
        BaseMissing => refused(&[3], "there is no image"),
        BaseTruncated => refused(&[9], ""),
        BaseChanged => refused(&[9], "it was written to"),
        BaseInUse => harmless(),
        HostileChain => refused(&[9], ""),
        DirtyImage => refused(&[9], ""),
        Active => refused(&[4], "must be shut off"),
        Saved => refused(&[4], "is saved"),
        Transient => refused(&[4], "is transient"),
        OddDisks => harmless(),
        VariablesMissing => harmless(),
        ClockJumps => harmless(),
        OddPaths => harmless(),
        HugeXml => refused(&[2, 9], ""),
        DeepChain => refused(&[9], "at most"),
        RecordCorrupt => refused(&[11], "not a journal"),
    }
}

fn many(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        // 12: those that were done stay, and are listed.
        InputOutput => taken_back(&[0, 8, 10, 11, 12], ""),
        StepFails => taken_back(&[0, 10, 12], ""),
        VariablesMissing => never("its golden domain has no UEFI variables"),
        other => one(other),
    }
}

fn all_or_nothing(fault: Fault) -> Expect {
    match fault {
        Fault::VariablesMissing => never("its golden domain has no UEFI variables"),
        other => one(other),
    }
}

pub(super) fn full(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        ToolKilled => taken_back(&[10], "was killed (signal 9)"),
        ToolHangs => taken_back(&[10], "gave no progress"),
        ToolMissing => taken_back(&[8], "is not on this host"),
        ToolTooOld => taken_back(&[10], "unrecognized option"),
        // Its overlay is for root alone.
        AnotherUser => refused(&[8], "Permission denied"),
        VariablesMissing => never("its golden domain has no UEFI variables"),
        other => one(other),
    }
}

fn many_full(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => {
            never("an image that stands alone is copied without a program")
        }
        NoSpaceForImages => taken_back(&[0, 10, 12], ""),
        other => many(other),
    }
}

fn import(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        BaseMissing => refused(&[3], "there is no image"),
        Transient => refused(&[4], "must be shut off"),
        OddDisks => never("it looks at the images that it is given, and at no others"),
        OddPaths => never("its own arguments name the image"),
        VariablesMissing => never("it is given no UEFI variables"),
        HugeXml => never("its XML is made by a template"),
        other => one(other),
    }
}
