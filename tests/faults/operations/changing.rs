//! Changing the disks of a guest.

use super::{Effect, Operation, hosts};
use crate::expect::{
    Expect, by_the_mark, harmless, harmless_but_says, in_part, never, refused, taken_back,
};
use crate::fault::Fault;

/// A clone whose guest has written to both of its disks goes back to its base.
pub(super) const RESET: Operation = Operation {
    name: "reset",
    host: hosts::with_a_used_clone,
    args: "reset --yes -d web",
    effect: Effect::Changes("web"),
    files: &[
        "images/data.img",
        "images/golden.qcow2",
        "images/web-vdb.qcow2",
        "images/web.qcow2",
        "nvram/golden_VARS.fd",
        "nvram/web_VARS.fd",
    ],
    replaces: &["images/web-vdb.qcow2", "images/web.qcow2"],
    in_place: &[],
    sealed: &["images/data.img", "images/golden.qcow2"],
    commit: Some("reset.committed"),
    expect: reset,
};

/// Leaked clusters of a clone are given back, by `qemu-img` under our lock.
pub(super) const REPAIR: Operation = Operation {
    name: "disk-repair",
    host: hosts::with_a_leaking_clone,
    args: "disk check -d web --target vda --repair leaks",
    replaces: &["images/web.qcow2"],
    commit: Some("check.repaired"),
    expect: repair,
    ..RESET
};

/// A file of a clone is edited, by libguestfs as `scene.rs` has it.
pub(super) const EDIT: Operation = Operation {
    name: "edit",
    host: hosts::with_a_system,
    args: "edit -d web -e s/unchanged/different/ /etc/hostname",
    in_place: &["images/web-vdb.qcow2", "images/web.qcow2"],
    commit: Some("write.committed"),
    expect: edit,
    ..RESET
};

/// Both disks of a clone become images that stand alone.
pub(super) const FLATTEN: Operation = Operation {
    name: "flatten",
    args: "flatten -d web",
    effect: Effect::Flattens("web"),
    // Before that nothing is known of it but that all is ready.
    commit: Some("relayer.aside"),
    expect: flatten,
    ..RESET
};

/// What the disk of a guest holds goes into its base.
pub(super) const COMMIT: Operation = Operation {
    name: "commit",
    host: hosts::with_an_overlay,
    args: "disk commit -d web",
    effect: Effect::Commits("web"),
    files: &[hosts::BASE, "images/golden.qcow2"],
    replaces: &[hosts::BASE],
    in_place: &[hosts::BASE, "images/web.qcow2"],
    sealed: &[],
    commit: Some("commit.committed"),
    expect: commit,
};

/// The disk of a guest goes on another base.
pub(super) const REBASE: Operation = Operation {
    name: "rebase",
    host: hosts::with_another_base,
    args: "disk rebase -d web --onto ../images/next.qcow2 --onto-format qcow2",
    // It is on another base then, which can be done once.
    effect: Effect::Flattens("web"),
    files: &[
        hosts::BASE,
        "images/golden.qcow2",
        "images/next.qcow2",
        "images/web.qcow2",
    ],
    replaces: &["images/web.qcow2"],
    in_place: &[],
    commit: FLATTEN.commit,
    expect: rebase,
    ..COMMIT
};

/// The same onto one that reads the same, by its header alone.
pub(super) const REBASE_IN_PLACE: Operation = Operation {
    name: "rebase-in-place",
    host: hosts::with_the_same_base,
    args: "disk rebase -u -d web --onto ../images/next.qcow2 --onto-format qcow2",
    in_place: &["images/web.qcow2"],
    commit: Some("rename.committed"),
    expect: rebase_in_place,
    ..REBASE
};

/// A disk of a clone grows.
pub(super) const RESIZE: Operation = Operation {
    name: "resize-grow",
    args: "disk resize -d web --target vda +64M",
    host: hosts::with_a_used_clone,
    replaces: &["images/web.qcow2"],
    in_place: &["images/web.qcow2"],
    expect: resize,
    ..EDIT
};

/// It shrinks by what is empty at its end.
pub(super) const SHRINK: Operation = Operation {
    name: "resize-shrink",
    args: "disk resize -d web --target vda --shrink 1M",
    host: hosts::with_room_at_the_end,
    expect: shrink,
    ..RESIZE
};

fn reset(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Killed => by_the_mark(&[]),
        Stopped => by_the_mark(&[0, 130, 143]),
        OutputClosed => harmless(),
        OutputFull => harmless(),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => never("no program is run"),
        NoSpaceForImages => taken_back(&[0, 10], ""),
        NoSpaceForRecords => taken_back(&[0, 10], ""),
        InputOutput => by_the_mark(&[0, 8, 10, 11]),
        DirectoryImmutable => refused(&[8], "images"),
        AnotherUser => refused(&[8], "Permission denied"),
        ReadOnlyImages => refused(&[8], "read-only file system"),
        ReadOnlyRecords => refused(&[8], "Read-only file system"),
        PoolUnknown | FileTaken => never("it makes nothing of a name that others may want"),
        NoLocks => refused(&[8], "cannot fence"),
        NoExclusiveRename => never("it replaces what it has locked"),
        NoLibvirt => refused(&[8], "cannot connect"),
        StepFails => by_the_mark(&[10, 11]),
        SameAtOnce => refused(&[7], "is in use by"),
        BesideAnother => harmless(),
        NameTaken | AddressTaken | UuidTaken => never("it gives no identity away"),
        LeftBehind => harmless_but_says("Recovered from "),
        BaseReplaced | BaseMissing | BaseTruncated | BaseChanged => refused(&[9], ""),
        BaseInUse => refused(&[6], "is the base of"),
        HostileChain | DirtyImage | DeepChain => refused(&[9], ""),
        Active | Saved => refused(&[4], "must be shut off"),
        Transient => refused(&[4], "is transient"),
        OddDisks | VariablesMissing | ClockJumps => harmless(),
        OddPaths => refused(&[9], ""),
        HugeXml => refused(&[9], "is not known"),
        RecordCorrupt => refused(&[11], "not a journal"),
    }
}

fn repair(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        Stopped => by_the_mark(&[0, 130, 143]),
        // The result is all that it has to say.
        OutputFull => Expect::Ends(crate::expect::Letter::F, &[8], "cannot write the result"),
        ToolKilled => taken_back(&[10], "was killed"),
        ToolHangs => taken_back(&[10], "gave no progress"),
        ToolMissing => refused(&[8], "qemu-img"),
        ToolTooOld => taken_back(&[10], "qemu-img check"),
        NoSpaceForImages | NoSpaceForRecords => harmless(),
        // `qemu-img` repairs in place.
        InputOutput => in_part(&[0, 8, 10]),
        DirectoryImmutable => harmless(),
        ReadOnlyImages => refused(&[8, 10], ""),
        ReadOnlyRecords => harmless(),
        StepFails => by_the_mark(&[10]),
        other => reset(other),
    }
}

fn edit(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => repair(fault),
        NoSpaceForImages => refused(&[10], "o space left"),
        NoExclusiveRename => taken_back(&[8], "a name only if that is free"),
        other => reset(other),
    }
}

fn flatten(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        ToolKilled | ToolHangs => repair(fault),
        ToolMissing => taken_back(&[8], "qemu-img"),
        ToolTooOld => taken_back(&[10], "qemu-img"),
        NoExclusiveRename => taken_back(&[8], "a name only if that is free"),
        // QEMU does it while the guest runs, and the test driver is no QEMU.
        Active => refused(&[1], "cannot flatten disk"),
        other => reset(other),
    }
}

fn commit(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        OutputFull => repair(fault),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => flatten(fault),
        // Its base is another one than the golden image.
        BaseReplaced | BaseMissing | BaseTruncated | BaseChanged | DirtyImage | OddPaths => {
            harmless()
        }
        HostileChain => never("the golden image is not in its chain"),
        VariablesMissing => never("the guest has none"),
        other => reset(other),
    }
}

fn rebase(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        NoExclusiveRename => flatten(fault),
        other => commit(other),
    }
}

fn rebase_in_place(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        OutputFull => repair(fault),
        ToolKilled | ToolHangs | ToolMissing | ToolTooOld => never("no program is run"),
        NoExclusiveRename => never("it gives nothing a name"),
        // It takes no room.
        NoSpaceForImages => harmless(),
        ReadOnlyImages => refused(&[8], "ead-only file system"),
        other => rebase(other),
    }
}

fn resize(fault: Fault) -> Expect {
    match fault {
        Fault::OutputFull => repair(fault),
        other => edit(other),
    }
}

fn shrink(fault: Fault) -> Expect {
    use Fault::*;
    match fault {
        // The size is given to what is to be written first.
        ToolTooOld => taken_back(&[10], "qemu-img resize"),
        Killed | InputOutput | NoSpaceForImages | ToolKilled | ToolHangs | ToolMissing => {
            resize(fault)
        }
        _ => never("what becomes of that is the same for `resize-grow`, whatever the size"),
    }
}
