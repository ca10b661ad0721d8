//! libguestfs reads what the native engine reads, and what that cannot.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Listing, assert_same, engine_listing, guestfish, ready, run};
use vmkin::guest::appliance::{Drive, Key, open};
use vmkin::guest::native::fs::FsKind;
use vmkin::guest::native::{Content, detect};
use vmkin::image::{Trust, resolve};
use vmkin::interrupt::Interrupt;
use vmkin::model::ImageFormat;

/// Fills `$MNT`.
const FILL: &str = r#"
    cd "$MNT"; mkdir -p etc deep/er odd many
    for i in {1..70}; do echo "file $i" > "many/file $i"; done
    seq 1 700000 > odd/text; : > odd/empty; truncate -s 3M odd/hole
    printf 'y' > $'odd/with\nnewline and \e[31mcolour "quoted" | # ; $x'
    printf 'z' > $'odd/\xff\xfe not text'; printf 'x' > 'odd/žluťoučký 🐧'
    ln -s ../odd/text deep/link; ln -s $'new\nline\n' deep/odd
    ln odd/text deep/er/again; mkfifo odd/pipe; mknod odd/null c 1 3
    chmod 4751 odd/text; chown 1000:100 odd/text
    touch -d '2001-02-03 04:05:06.123456789 UTC' odd/empty
"#;

fn file_system(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    fs::File::create(&path).unwrap().set_len(24 << 20).unwrap();
    run("mke2fs", &["-q", "-t", "ext4", path.to_str().unwrap()]);
    let script =
        format!("mount -o loop $IMG $MNT\n(\n{FILL}\necho {name} > etc/hostname)\numount $MNT");
    crate::common::with_mounts(&path, &script);
    path
}

/// The volume of LUKS with this in it, written by QEMU.
fn locked(dir: &Path, plain: &Path) -> PathBuf {
    let path = dir.join("locked");
    let key = dir.join("key");
    fs::write(&key, "correct horse").unwrap();
    let secret = format!("secret,id=key,file={}", key.display());
    let to = path.to_str().unwrap();
    let options = "key-secret=key,iter-time=10";
    run(
        "qemu-img",
        &[
            "convert",
            "--object",
            &secret,
            "-f",
            "raw",
            "-O",
            "luks",
            "-o",
            options,
            plain.to_str().unwrap(),
            to,
        ],
    );
    path
}

/// One half of a mirror, whose superblock is at the end (`md_p.h`, version 1.0).
fn mirrored(dir: &Path, plain: &Path) -> PathBuf {
    let mut bytes = fs::read(plain).unwrap();
    let data = bytes.len() as u64 / 512;
    bytes.resize(bytes.len() + (1 << 20), 0);
    let place = (bytes.len() as u64 / 512 - 16) & !7;
    let mut block = vec![0_u8; 256 + 2 * 2];
    let mut put = |at: usize, value: &[u8]| block[at..at + value.len()].copy_from_slice(value);
    put(0, &0xa92b_4efc_u32.to_le_bytes());
    put(4, &1_u32.to_le_bytes());
    put(16, &[7; 16]);
    put(32, b"any:mirror");
    put(72, &1_u32.to_le_bytes());
    put(80, &data.to_le_bytes());
    put(92, &2_u32.to_le_bytes());
    put(136, &data.to_le_bytes());
    put(144, &place.to_le_bytes());
    put(168, &[9; 16]);
    put(200, &1_u64.to_le_bytes());
    put(208, &u64::MAX.to_le_bytes());
    put(220, &2_u32.to_le_bytes());
    put(258, &0xffff_u16.to_le_bytes());
    let words = block
        .chunks(4)
        .map(|word| u64::from(u32::from_le_bytes(word.try_into().unwrap())));
    let sum: u64 = words.sum();
    let sum = u32::try_from((sum & 0xffff_ffff) + (sum >> 32)).unwrap();
    block[216..220].copy_from_slice(&sum.to_le_bytes());
    let at = usize::try_from(place).unwrap() * 512;
    bytes[at..at + block.len()].copy_from_slice(&block);
    let path = dir.join("mirrored");
    fs::write(&path, bytes).unwrap();
    path
}

fn native(image: &Path) -> Listing {
    let fs = ready(FsKind::Ext, image);
    engine_listing(fs.as_ref(), fs.root())
}

#[test]
fn libguestfs_reads_what_the_native_engine_reads_and_more() {
    let dir = tempfile::tempdir().unwrap();
    let plain = file_system(dir.path(), "plain");
    let secret = file_system(dir.path(), "secret");
    let locked = locked(dir.path(), &secret);
    let mirrored = mirrored(dir.path(), &plain);
    let content = |path: &Path| detect(crate::common::Raw::open(path).as_ref()).unwrap();
    assert_eq!(content(&locked), Content::Luks);
    assert_eq!(content(&mirrored), Content::MdMember);
    let ntfs = dir.path().join("ntfs");
    fs::File::create(&ntfs).unwrap().set_len(8 << 20).unwrap();
    run(
        "mkfs.ntfs",
        &["-q", "-F", "-L", "Windows", ntfs.to_str().unwrap()],
    );
    // Of which no library is read natively.
    let exfat = dir.path().join("exfat");
    fs::File::create(&exfat).unwrap().set_len(8 << 20).unwrap();
    run("mkfs.exfat", &["-L", "Stick", exfat.to_str().unwrap()]);
    assert_eq!(content(&exfat), Content::ExFat);
    // A guest can write the header of an overlay to its disk; it names a file of
    // the host, which is no business of the guest's.
    let evil = dir.path().join("evil");
    let args = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b"];
    run(
        "qemu-img",
        &[
            &args[..],
            &[plain.to_str().unwrap(), evil.to_str().unwrap()],
        ]
        .concat(),
    );
    let trust = Trust::new(Vec::<PathBuf>::new(), Vec::<PathBuf>::new());
    let drives: Vec<Drive> = [
        ("vda", &plain),
        ("vdb", &locked),
        ("vdc", &mirrored),
        ("nvme0n1", &ntfs),
        ("vdf", &exfat),
        ("vde", &evil),
    ]
    .into_iter()
    .map(|(name, path)| Drive {
        name: name.to_owned(),
        chain: resolve(path, ImageFormat::Raw, &trust).unwrap(),
    })
    .collect();
    let before: Vec<_> = drives
        .iter()
        .map(|drive| fs::read(&drive.chain.top().path).unwrap())
        .collect();
    let wrong = dir.path().join("wrong");
    fs::write(&wrong, "battery staple\n").unwrap();
    let key = |device: &str, file: PathBuf| Key {
        device: device.to_owned(),
        file,
    };
    let keys = [key("all", wrong), key("/dev/vdb", dir.path().join("key"))];
    let system = open(&drives, &keys, &Interrupt::default()).unwrap();
    assert_eq!(system.problems, Vec::<String>::new());
    let mut seen: Vec<String> = Vec::new();
    for part in &system.parts {
        let files = part.readable().unwrap();
        let listing = engine_listing(files.as_ref(), files.root());
        match part.device.as_str() {
            "/dev/vda" => assert_same(&listing, &native(&plain)),
            "/dev/nvme0n1" => {
                assert_eq!(
                    (files.kind(), files.label()),
                    (FsKind::Ntfs, Some(b"Windows".to_vec()))
                );
            }
            "/dev/vdf" => {
                assert_eq!(
                    (files.kind(), files.label()),
                    (FsKind::ExFat, Some(b"Stick".to_vec()))
                );
            }
            device if device.starts_with("/dev/md") => assert_same(&listing, &native(&plain)),
            _ => assert_same(&listing, &native(&secret)),
        }
        let usage = files.usage().unwrap();
        assert!(
            usage.size > usage.used && usage.size < 40 << 20,
            "{usage:?}"
        );
        seen.push(part.device.clone());
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(
        seen.iter()
            .any(|device| device.starts_with("/dev/mapper/luks-")),
        "{seen:?}"
    );
    // A name that is not there, and one that is none.
    let files = system.by_device("/dev/sda").unwrap().readable().unwrap();
    assert!(files.lookup(files.root(), b"nope").unwrap().is_none());
    drop(system);
    let after: Vec<_> = drives
        .iter()
        .map(|drive| fs::read(&drive.chain.top().path).unwrap())
        .collect();
    assert!(before == after);
}

/// There is no device-mapper here to make one with; the appliance has it.
fn thin(dir: &Path) -> PathBuf {
    let path = dir.join("thin");
    fs::File::create(&path).unwrap().set_len(300 << 20).unwrap();
    let disk = path.to_str().unwrap();
    let script = [
        &["--format=raw", "-a", disk, "run"][..],
        &["debug", "sh", "modprobe dm-thin-pool"],
        // Not by `debug sh`: in the kernel of the appliance the first disk may have another
        // name, which only libguestfs knows.
        &["pvcreate", "/dev/sda"],
        &["vgcreate", "vg", "/dev/sda"],
        &[
            "debug",
            "sh",
            "lvcreate --type thin-pool -L 100M -n pool vg",
        ],
        // Larger than the pool: that is what they are for.
        &["debug", "sh", "lvcreate -V 200M --thin -n root vg/pool"],
        &["mkfs", "ext4", "/dev/vg/root"],
        &["mount", "/dev/vg/root", "/"],
        &["mkdir", "/etc"],
        &["write", "/etc/hostname", "thin"],
        &["umount-all"],
    ];
    guestfish(&script.join(&":"));
    path
}

#[test]
fn libguestfs_reads_thin_volumes() {
    let dir = tempfile::tempdir().unwrap();
    let path = thin(dir.path());
    let trust = Trust::new(Vec::<PathBuf>::new(), Vec::<PathBuf>::new());
    let chain = resolve(&path, ImageFormat::Raw, &trust).unwrap();
    let name = "vda".to_owned();
    let before = fs::read(&path).unwrap();
    let system = open(&[Drive { name, chain }], &[], &Interrupt::default()).unwrap();
    let part = system.by_device("/dev/vg/root").unwrap();
    let files = part.readable().unwrap();
    let etc = files.lookup(files.root(), b"etc").unwrap().unwrap();
    let hostname = files.lookup(etc, b"hostname").unwrap().unwrap();
    let mut text = [0; 16];
    let count = files.read(hostname, 0, &mut text).unwrap();
    assert_eq!(&text[..count], b"thin");
    drop(system);
    assert!(fs::read(&path).unwrap() == before);
}
