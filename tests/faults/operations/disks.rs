//! Images that are made, of disks and of nothing, and images that nobody has.

use super::{Effect, Operation, clones, hosts};
use crate::expect::{
    Expect, by_the_mark, finished, harmless, harmless_but_says, in_part, never, refused, taken_back,
};
use crate::fault::Fault;

/// A disk with an image below it, into an image of its own.
pub(super) const CONVERT: Operation = Operation {
    name: "convert",
    host: hosts::layered,
    args: "disk convert -d golden --target vda ../images/copy.qcow2",
    effect: Effect::Makes,
    files: &[
        "images/base.qcow2",
        "images/copy.qcow2",
        "images/data.img",
        "images/golden.qcow2",
    ],
    sealed: &[],
    commit: Some("build.renamed"),
    expect: convert,
    ..clones::FULL
};

/// An overlay on the golden image.
pub(super) const CREATE: Operation = Operation {
    name: "disk-create",
    host: hosts::sealed,
    args: "disk create ../images/copy.qcow2 --backing ../images/golden.qcow2 --cluster-size 64k",
    files: &["images/copy.qcow2", "images/golden.qcow2"],
    sealed: &["images/golden.qcow2"],
    expect: create,
    ..CONVERT
};

/// What nobody has goes: overlays on one another, and what a run that died left.
pub(super) const PRUNE: Operation = Operation {
    name: "prune",
    host: hosts::with_orphans,
    args: "prune --yes",
    effect: Effect::Prunes,
    files: &[
        "images/data.img",
        "images/golden.qcow2",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/golden_VARS.fd",
        "nvram/web_VARS.fd",
    ],
    sealed: &["images/data.img", "images/golden.qcow2"],
    // Each file is gone or there, and the rest goes the next time.
    commit: None,
    expect: prune,
    ..CONVERT
};

fn create(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Active | Saved | Transient | OddDisks => harmless(),
        other => convert(other),
    }
}

fn prune(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => in_part(&[]),
        Stopped => in_part(&[0, 130, 143]),
        OutputClosed => harmless(),
        OutputFull => finished(&[8]),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => never("no program is run"),
        // It makes room, and needs none.
        NoSpaceForImages | NoSpaceForRecords => harmless(),
        InputOutput => in_part(&[0, 8, 10]),
        DirectoryImmutable => refused(&[8], "images"),
        AnotherUser => refused(&[9], "Permission denied"),
        ReadOnlyImages => refused(&[8], "ead-only file system"),
        ReadOnlyRecords => refused(&[8], "Read-only file system"),
        PoolUnknown | FileTaken => never("it makes nothing"),
        NoLocks => refused(&[8], "cannot fence"),
        NoExclusiveRename => never("it gives nothing a name"),
        NoLibvirt => refused(&[8], "cannot connect"),
        StepFails => in_part(&[10]),
        SameAtOnce => refused(&[7], "another vmkin"),
        BesideAnother => never("the test driver forgets the clone, and its files are nobody's"),
        NameTaken | AddressTaken | UuidTaken => never("it gives no identity away"),
        LeftBehind => harmless_but_says("Recovered from "),
        // What base it is that nobody needs the overlays of is all the same.
        BaseReplaced | BaseChanged | BaseTruncated | BaseMissing | DirtyImage => harmless(),
        BaseInUse => harmless(),
        // It may hide what it is based on, unless what it names is raw.
        HostileChain => by_the_mark(&[0, 9]),
        DeepChain => refused(&[9], "is not known"),
        Active | Saved | Transient | OddDisks | ClockJumps => harmless(),
        VariablesMissing => never("of the domains no more is looked at than their disks"),
        OddPaths => never("to rename a base is to lose its overlays: F27"),
        HugeXml => refused(&[9], "is not known"),
        RecordCorrupt => refused(&[11], "not a journal"),
    }
}

fn convert(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => by_the_mark(&[]),
        Stopped => by_the_mark(&[0, 130, 143]),
        OutputFull => finished(&[8]),
        // What had its name already loses it again.
        StepFails => taken_back(&[10], ""),
        DirectoryImmutable => refused(&[8], "copy.qcow2"),
        ReadOnlyImages => refused(&[8], "read-only file system"),
        PoolUnknown => never("it is told where the image goes"),
        NameTaken | AddressTaken | UuidTaken => never("it gives no identity away"),
        FileTaken => never("names that are taken are tried in `tests/cli/disk_images.rs`"),
        SameAtOnce => harmless(),
        OddPaths => never("its own arguments name the image"),
        other => clones::full(other),
    }
}
