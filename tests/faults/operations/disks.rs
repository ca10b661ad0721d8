//! Images made of disks.

use super::{Effect, Operation, clones, hosts};
use crate::expect::{Expect, by_the_mark, finished, harmless, never, refused, taken_back};
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
