//! Disk images, by this program's own hands: headers, chains, overlays, locks.
//!
//! No image is trusted. What `qemu-img` or libvirt gets to see has been read
//! here first, by a parser that follows no name before [`Trust`] allows it and
//! never guesses a format.
//!
//! | file | what it knows |
//! |---|---|
//! | `file` | opening an image without side effects, telling files apart |
//! | `source`, `files` | what images are read from, and where a chain finds its layers |
//! | `qcow2` | the header of a qcow2 image, and its snapshots |
//! | `foreign` | the headers of other formats, a file for each |
//! | `trust` | which files an image may lead to |
//! | `chain` | the layers of a disk |
//! | `snapshot` | making, applying and deleting internal snapshots |
//! | `giving_back` | space that an image does not need any more |
//! | `check` | whether the tables of an image are right, and repairing them |
//! | `overlay` | writing a new overlay, giving it its name |
//! | `renaming` | having an overlay name another backing file |
//! | `redo` | what is to be written to a disk, until it is |
//! | `lock` | QEMU's image locks |
//! | `identity` | whether a base is still what it was |
//! | `seal` | making a base hard to change |
//! | `amend` | changing what an image is, and none of its data |
//! | `compare` | whether two disks are the same |
//! | `create` | new disks, and what images are converted to |
//! | `details` | what a qcow2 header says besides |
//! | `runs` | where a file has data |
//! | `copy`, `transfer` | full copies, and moving the bytes |
//! | `qemu_img` | every run of `qemu-img`: formats, limits, what it says |
//! | `flatten` | new images in the place of an overlay |
//! | `fat` | making FAT file systems |
//! | `iso` | making CD images |
//! | `seed` | the disk that tells a guest who it is |
//! | `self_test` | whether `qemu-img` and we heed each other's locks |
//! | `read` | the data in images |
//! | `remote` | images of another host, read in pieces |
//! | `nbd` | overlays on an NBD export, and copies of one |
//! | `magic` | what an image says that it is |
//! | `scan` | the overlays in a directory |

mod abilities;
mod amend;
mod chain;
mod check;
mod compare;
mod copy;
mod create;
mod details;
pub(crate) mod exclusive;
mod fat;
mod file;
mod files;
mod flatten;
mod foreign;
mod giving_back;
mod identity;
mod iso;
mod lock;
mod look;
mod magic;
mod nbd;
mod overlay;
pub mod qcow2;
pub mod qemu_img;
pub mod read;
mod redo;
pub mod remote;
mod renaming;
mod runs;
mod scan;
mod seal;
mod seed;
mod self_test;
pub mod snapshot;
mod source;
mod transfer;
mod tree;
mod trust;

pub use self::abilities::{Abilities, abilities};
pub use self::amend::amend;
pub use self::chain::{MAX_OVERLAYS, Survey, resolve, survey};
pub use self::check::{Checked, can_be_checked, check, repair};
pub use self::compare::compare_disks;
pub use self::copy::{
    Copy, CopyMethod, ReflinkRule, all_of_it, copy_small, duplicate, must_have_room_for,
};
pub use self::create::{Conversion, NewDisk, look_at_new};
pub use self::details::{Details, details};
pub use self::fat::{FatSpec, FatVolume, mend_directories};
pub use self::file::{ImageFile, id_of, path_word, shell_word, shown};
pub(crate) use self::file::{ShownBytes, be16, be32, le16, le32, le64};
pub use self::flatten::{chain_of_new, differs_at, flattened, must_read_the_same, rebased};
pub(crate) use self::identity::hexadecimal;
pub use self::identity::{
    Comparison, HEAD, compare, content_sha256, head_sha256, identity, identity_of, identity_there,
};
pub use self::iso::{IsoSpec, write_iso};
pub use self::lock::{Guard, Lease, LockState, probe};
pub use self::look::{
    SealState, born_ns, file_id, looks_like_qcow2, open_to_all, readable_by_all, same_file,
    seal_state,
};
pub use self::magic::{format_by_head, format_of};
pub use self::nbd::{ExportCopy, ExportOverlay, export_size};
pub use self::overlay::{
    NewFile, Overlay, OverlayContents, blank, may_remove, publish, put_back, remove_own,
    remove_temporary, replace, second_name, sync_dir, sync_dirs_of, temporary, write, write_blank,
    write_fresh, write_shield,
};
pub use self::qemu_img::refuse_export;
pub use self::redo::{
    chain_aside, chain_with_redo, commit, cut_redo, give_back_leaks, may_have_size, merge,
    merge_again, must_have_room, put_aside, seal_redo, settle_size, write_redo, write_redo_sized,
};
pub use self::renaming::{HeaderState, Renaming};
pub use self::runs::{data_runs, first_data};
pub use self::scan::{FoundOverlay, Scan, overlays_in};
pub use self::seal::{SEALED_MODE, Sealed, is_immutable, is_sealed_mode, seal, unseal};
pub use self::seed::{MAX_SEED, Seed, looks_like_seed};
pub use self::self_test::fault_of_locks;
pub use self::source::Image;
pub use self::tree::copy_tree;
pub use self::trust::Trust;
