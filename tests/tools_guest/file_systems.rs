//! Each file system that a kernel wrote reads the same here.

use std::path::Path;

use crate::common::{
    LIST, assert_same, command, engine_listing, image, kernel_listing, ready, run, with_mounts,
};
use vmkin::guest::native::fs::{FsKind, Health, Opened, open};

/// Fills `$MNT` with all sorts of files.
const FILL: &str = r#"
fill() (
    cd "$MNT"
    mkdir big small links deep odd
    for ((i = 0; i < 2500; i++)); do
        printf 'file %d\n' "$i" > "big/file-$i-$(printf '%0*d' $((i % 180 + 1)) 0)"
    done
    for ((i = 0; i < 40; i++)); do printf "$i" > "small/$i"; done
    d=deep
    for ((i = 0; i < 60; i++)); do d="$d/level-$i"; mkdir "$d"; printf "$i" > "$d/here"; done
    : > odd/empty
    printf 'x' > "odd/žluťoučký 🐧"
    printf 'y' > $'odd/with\nnewline and \e[31mcolour'
    printf 'z' > $'odd/\xff\xfe not text'
    mkfifo odd/pipe
    mknod odd/null c 1 3
    mknod odd/disk b 8 1
    ln -s ../small/1 links/short
    ln -s "/$(printf 'a%.0s' {1..200})" links/long
    ln -s "/$(printf 'b%.0s' {1..900})" links/longer
    ln -s loop links/loop
    printf 'many names' > links/one
    ln links/one links/two
    ln links/one small/three
    truncate -s 60M odd/hole
    printf 'in the middle' | dd of=odd/hole bs=1 seek=30000000 conv=notrunc status=none
    truncate -s 1234567 odd/hole-behind
    printf 'start' | dd of=odd/hole-behind conv=notrunc status=none
    # Written in turns, so that neither is in one piece.
    for ((i = 0; i < 200; i++)); do
        head -c 9000 /dev/zero | tr '\0' "\\$(printf '%o' $((i % 90 + 33)))" | tee -a odd/torn-1 >> odd/torn-2
        sync -d odd/torn-1
    done
    seq 1 400000 > odd/text
    head -c 3000000 /dev/urandom > odd/noise
    fallocate -l 200000 odd/reserved || true
    printf 'r' | dd of=odd/reserved bs=1 seek=70000 conv=notrunc status=none
    chmod 4751 odd/text; chown 1000:100 odd/text; chmod 1777 small; chown 70000:80000 odd/noise
    touch -d '2001-02-03 04:05:06.123456789 UTC' odd/text
    touch -d '2035-01-01 UTC' odd/noise
    touch -h -d '1999-12-31 UTC' links/short
    rm big/file-7*
    setfattr -n user.colour -v blue odd/text
    setfattr -n user.long -v "$(printf 'v%.0s' {1..700})" odd/text
    setfattr -n user.none odd/noise
)
"#;

fn fill(image: &Path, options: &str) -> crate::common::Listing {
    let script = format!(
        "{FILL}\nmount -o loop{options} $IMG $MNT\nfill\numount $MNT\nmount -o loop,ro{options} $IMG $MNT\n{LIST}"
    );
    let listing = kernel_listing(&with_mounts(image, &script));
    assert!(listing.len() > 1000);
    listing
}

fn same(kind: FsKind, mkfs: &[&str], options: &str, megabytes: u64) {
    let (_dir, path) = image(megabytes);
    let (program, args) = mkfs.split_first().unwrap();
    let args: Vec<&str> = args.iter().copied().chain(path.to_str()).collect();
    run(program, &args);
    let kernel = fill(&path, options);
    let fs = ready(kind, &path);
    assert_eq!(fs.health(), Health::Clean);
    let root = fs.root_for(options).unwrap().unwrap();
    let engine = engine_listing(fs.as_ref(), root);
    assert_same(&engine, &kernel);
}

#[test]
fn ext4_reads_as_the_kernel_reads_it() {
    same(
        FsKind::Ext,
        &["mke2fs", "-q", "-t", "ext4", "-b", "4096"],
        "",
        200,
    );
}

#[test]
fn ext4_with_small_blocks_and_without_checksums_reads_as_the_kernel_reads_it() {
    let small = [
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-b",
        "1024",
        "-O",
        "^metadata_csum,^64bit",
    ];
    same(FsKind::Ext, &small, "", 200);
}

#[test]
fn ext4_with_rare_features_reads_as_the_kernel_reads_it() {
    for features in ["meta_bg,^resize_inode", "large_dir,ea_inode", "bigalloc"] {
        same(
            FsKind::Ext,
            &["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", features],
            "",
            200,
        );
    }
}

#[test]
fn ext3_reads_as_the_kernel_reads_it() {
    same(FsKind::Ext, &["mke2fs", "-q", "-t", "ext3"], "", 200);
}

#[test]
fn ext2_reads_as_the_kernel_reads_it() {
    let small = [
        "mke2fs",
        "-q",
        "-t",
        "ext2",
        "-I",
        "128",
        "-O",
        "^dir_index",
    ];
    same(FsKind::Ext, &small, "", 200);
}

#[test]
fn xfs_reads_as_the_kernel_reads_it() {
    same(FsKind::Xfs, &["mkfs.xfs", "-q"], "", 500);
}

#[test]
fn xfs_with_other_sizes_of_blocks_reads_as_the_kernel_reads_it() {
    let sizes = [
        "mkfs.xfs",
        "-q",
        "-b",
        "size=1024",
        "-n",
        "size=8192",
        "-i",
        "size=512",
    ];
    same(FsKind::Xfs, &sizes, "", 500);
}

/// Kernels are built without version 4 by now; `mkfs.xfs` can fill it itself.
#[test]
fn xfs_of_version_4_reads_as_it_was_made() {
    let (dir, path) = image(500);
    let source = dir.path().join("source");
    let script = r#"
        mkdir $SOURCE; cd $SOURCE; mkdir big deep
        for ((i = 0; i < 1500; i++)); do echo "$i" > big/file-$i; done
        d=deep; for ((i = 0; i < 30; i++)); do d=$d/$i; mkdir $d; echo $i > $d/here; done
        seq 1 300000 > text; : > empty; ln -s deep/0/here link
        chmod 640 text; chown -h -R 7:8 .
        proto() {
            local entry name
            for entry in "$1"/*; do
                name=${entry##*/}
                if [ -L "$entry" ]; then echo "$name l--777 7 8 $(readlink "$entry")"
                elif [ -d "$entry" ]; then echo "$name d--755 7 8"; proto "$entry"
                else echo "$name ---$(stat -c %a "$entry") 7 8 $entry"; fi
            done
            echo '$'
        }
        umask 022; { echo /boot/none; echo 0 0; echo d--755 0 0; proto $SOURCE; } > $SOURCE.proto
        mkfs.xfs -q -m crc=0 -n ftype=0 -p $SOURCE.proto $IMG > /dev/null
        mount --bind $SOURCE $MNT"#;
    let script = format!("SOURCE={}\n{script}\n{LIST}", source.display());
    // The times are those of the copies.
    let strip = |listing: crate::common::Listing| -> crate::common::Listing {
        let without = listing.into_iter().map(|(path, facts)| {
            let mut words: Vec<&str> = facts.splitn(8, ' ').collect();
            words[5] = "-";
            (path, words.join(" "))
        });
        without.collect()
    };
    let made = strip(kernel_listing(&with_mounts(&path, &script)));
    let fs = ready(FsKind::Xfs, &path);
    let engine = strip(engine_listing(fs.as_ref(), fs.root()));
    assert_eq!(made.len(), 1565);
    assert_same(&engine, &made);
}

#[test]
fn btrfs_reads_as_the_kernel_reads_it() {
    same(FsKind::Btrfs, &["mkfs.btrfs", "-q"], "", 600);
}

#[test]
fn btrfs_with_compression_and_other_checksums_reads_as_the_kernel_reads_it() {
    for compression in ["zstd", "zlib", "lzo"] {
        let options = format!(",compress-force={compression}");
        same(FsKind::Btrfs, &["mkfs.btrfs", "-q"], &options, 600);
    }
    for checksum in ["xxhash", "sha256", "blake2"] {
        same(
            FsKind::Btrfs,
            &["mkfs.btrfs", "-q", "--csum", checksum],
            "",
            600,
        );
    }
}

#[test]
fn subvolumes_are_shown_where_the_kernel_shows_them() {
    let (_dir, path) = image(300);
    run("mkfs.btrfs", &["-q", path.to_str().unwrap()]);
    let script = format!(
        r"mount -o loop $IMG $MNT
        for name in @ @/nested @home; do btrfs -q subvolume create $MNT/$name; done
        echo root > $MNT/@/file; echo nested > $MNT/@/nested/file; echo home > $MNT/@home/file
        btrfs -q subvolume snapshot $MNT/@ $MNT/@/snapshot
        echo later > $MNT/@/nested/later
        btrfs subvolume set-default $MNT/@
        umount $MNT
        mount -o loop,ro $IMG $MNT
        {LIST}"
    );
    let kernel = kernel_listing(&with_mounts(&path, &script));
    assert!(kernel.contains_key(&b"snapshot/nested"[..]));
    assert!(!kernel.contains_key(&b"snapshot/nested/file"[..]));
    let fs = ready(FsKind::Btrfs, &path);
    let engine = engine_listing(fs.as_ref(), fs.root());
    // How many names the stand-in of a subvolume in a snapshot has is made up
    // by the kernel, and so are its mode and times.
    let strip = |listing: &crate::common::Listing| {
        let mut listing = listing.clone();
        listing.remove(&b"snapshot/nested"[..]);
        listing
    };
    assert_same(&strip(&engine), &strip(&kernel));
    for (options, file) in [
        ("rw,subvol=@home", "home"),
        ("subvol=/@/nested", "nested"),
        ("subvolid=5", "-"),
        ("subvolid=256", "root"),
    ] {
        let root = fs.root_for(options).unwrap().unwrap();
        match fs.lookup(root, b"file").unwrap() {
            Some(node) => {
                let mut buf = [0; 100];
                let count = fs.read(node, 0, &mut buf).unwrap();
                assert_eq!(buf[..count], *format!("{file}\n").as_bytes(), "{options}");
            }
            None => assert_eq!(file, "-", "{options}"),
        }
    }
    for options in ["subvol=@none", "subvolid=4000", "subvolid=x", "subvol=@/.."] {
        assert!(fs.root_for(options).unwrap().is_none(), "{options}");
    }
}

#[test]
fn extended_attributes_are_those_that_were_set() {
    for (kind, mkfs) in [
        (FsKind::Ext, &["mke2fs", "-q"][..]),
        (FsKind::Xfs, &["mkfs.xfs", "-q"]),
        (FsKind::Btrfs, &["mkfs.btrfs", "-q"]),
    ] {
        let (_dir, path) = image(500);
        run(mkfs[0], &[mkfs[1], path.to_str().unwrap()]);
        fill(&path, "");
        let fs = ready(kind, &path);
        let odd = fs.lookup(fs.root(), b"odd").unwrap().unwrap();
        let xattrs = |name: &[u8]| {
            let node = fs.lookup(odd, name).unwrap().unwrap();
            let mut xattrs = fs.xattrs(node).unwrap().unwrap();
            xattrs.retain(|(name, _)| name.starts_with(b"user."));
            xattrs.sort();
            xattrs
        };
        let expected = [
            (b"user.colour".to_vec(), b"blue".to_vec()),
            (b"user.long".to_vec(), vec![b'v'; 700]),
        ];
        assert_eq!(xattrs(b"text"), expected);
        assert_eq!(xattrs(b"noise"), [(b"user.none".to_vec(), Vec::new())]);
        assert_eq!(xattrs(b"empty"), []);
    }
}

/// Copies an image out from under a mounted file system: a power cut.
const CUT: &str = r#"
    mount -o loop"$OPTIONS" $IMG $MNT
    mkdir $MNT/before; for i in {1..500}; do echo "$i" > $MNT/before/$i; done
    sync
    for i in {1..300}; do echo "later $i" > $MNT/before/later-$i; rm $MNT/before/$i; done
    mv $MNT/before/400 $MNT/moved
    sync -d $MNT/moved
    # The journal is on the disk, and what it is about is not.
    xfs_io -x -c 'shutdown -f' $MNT > /dev/null
    umount $MNT
"#;

fn after_a_power_cut(kind: FsKind, mkfs: &[&str], megabytes: u64) {
    let (_dir, path) = image(megabytes);
    let (program, args) = mkfs.split_first().unwrap();
    let args: Vec<&str> = args.iter().copied().chain(path.to_str()).collect();
    run(program, &args);
    with_mounts(&path, &format!("OPTIONS=\n{CUT}"));
    let before = run("sha256sum", &[path.to_str().unwrap()]);
    let opened = open(kind, crate::common::Raw::open(&path)).unwrap();
    assert_eq!(run("sha256sum", &[path.to_str().unwrap()]), before);
    // The kernel replays the journal of a copy.
    let copy = path.with_extension("copy");
    run("cp", &[path.to_str().unwrap(), copy.to_str().unwrap()]);
    let script = format!("mount -o loop $IMG $MNT\n{LIST}");
    let kernel = kernel_listing(&with_mounts(&copy, &script));
    assert!(kernel.contains_key(&b"moved"[..]));
    match opened {
        Opened::Ready(fs) => {
            assert_eq!(fs.health(), Health::Replayed);
            let engine = engine_listing(fs.as_ref(), fs.root());
            assert_same(&engine, &kernel);
        }
        Opened::NeedsKernel(why) => panic!("{why}"),
    }
}

#[test]
fn a_journal_of_ext4_is_replayed_as_the_kernel_replays_it() {
    after_a_power_cut(FsKind::Ext, &["mke2fs", "-q", "-t", "ext4"], 100);
}

#[test]
fn a_journal_of_ext3_is_replayed_as_the_kernel_replays_it() {
    let old = ["mke2fs", "-q", "-t", "ext3", "-I", "128"];
    after_a_power_cut(FsKind::Ext, &old, 100);
    // As CentOS 7 has them.
    let seven = ["mke2fs", "-q", "-t", "ext4", "-O", "^metadata_csum,^64bit"];
    after_a_power_cut(FsKind::Ext, &seven, 100);
}

#[test]
fn a_log_of_xfs_is_replayed_as_the_kernel_replays_it() {
    after_a_power_cut(FsKind::Xfs, &["mkfs.xfs", "-q"], 500);
}

#[test]
fn what_only_a_kernel_can_read_is_not_half_read() {
    // A journal of fast commits that was not written back.
    let (_dir, path) = image(100);
    let args = [
        "-q",
        "-t",
        "ext4",
        "-O",
        "fast_commit",
        path.to_str().unwrap(),
    ];
    run("mke2fs", &args);
    with_mounts(&path, &format!("OPTIONS=\n{CUT}"));
    let opened = open(FsKind::Ext, crate::common::Raw::open(&path));
    let Opened::NeedsKernel(why) = opened.unwrap() else {
        panic!("it was opened");
    };
    assert!(why.contains("journal"), "{why}");
    // What the reader does not know, and what nobody knows.
    for feature in ["inline_data", "FEATURE_I30"] {
        let (_dir, path) = image(100);
        run("mke2fs", &["-q", "-t", "ext4", path.to_str().unwrap()]);
        let command = format!("feature {feature}");
        run("debugfs", &["-w", "-R", &command, path.to_str().unwrap()]);
        let opened = open(FsKind::Ext, crate::common::Raw::open(&path)).unwrap();
        assert!(matches!(opened, Opened::NeedsKernel(_)), "{feature}");
    }
}

#[test]
fn a_log_tree_of_btrfs_is_not_ignored() {
    let (_dir, path) = image(300);
    run("mkfs.btrfs", &["-q", path.to_str().unwrap()]);
    let script = r"mount -o loop $IMG $MNT
        echo one > $MNT/file; sync
        echo two > $MNT/file; sync $MNT/file
        cp $IMG $IMG.cut
        umount $MNT";
    with_mounts(&path, script);
    let cut = path.with_extension("cut");
    let opened = open(FsKind::Btrfs, crate::common::Raw::open(&cut)).unwrap();
    assert!(matches!(opened, Opened::NeedsKernel(_)));
    // It is there because of the log, and for no other reason.
    let said = command("btrfs")
        .args(["inspect-internal", "dump-super"])
        .arg(&cut)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stdout);
    let log = said.lines().find(|line| line.starts_with("log_root\t"));
    assert!(!log.unwrap().ends_with("\t0"), "{log:?}");
}
