//! Starting the appliance, and finding what is on the disks.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::answer;
use super::files::{About, Files};
use super::key::Key;
use super::session::{Session, quoted};
use super::shield::Shield;
use crate::error::{Error, Kind, Result};
use crate::guest::native::fs::with_checks;
use crate::guest::system::{Part, System};
use crate::interrupt::Interrupt;
use crate::model::{Chain, ImageFormat};

/// The longest key that is read; that of `cryptsetup`.
const MAX_KEY: u64 = 8 << 20;

/// What holds others, or nothing that is read.
const NO_FILES: &[&str] = &[
    "swap",
    "unknown",
    "crypto_LUKS",
    "LVM2_member",
    "linux_raid_member",
    "BitLocker",
];

/// A disk of the guest. What its image is based on was looked at before.
#[derive(Clone)]
pub struct Drive {
    /// What it is called in the guest: `vda`.
    pub name: String,
    /// Its images, which were found to be trusted.
    pub chain: Chain,
}

impl Drive {
    /// The disks of a guest, by what they are called.
    pub fn all_of(disks: &[(String, Chain)]) -> Vec<Self> {
        let drive = |(name, chain): &(String, Chain)| Self {
            name: name.clone(),
            chain: chain.clone(),
        };
        disks.iter().map(drive).collect()
    }
}

/// Starts the appliance with the disks of a guest, opens what the keys open, and
/// mounts all file systems. Nothing is written to the disks.
///
/// # Errors
///
/// [`Kind::Environment`] if libguestfs is missing or does not start;
/// [`Kind::Usage`] if a key opens nothing; [`Kind::Storage`] if it fails.
pub fn open(drives: &[Drive], keys: &[Key], interrupt: &Interrupt) -> Result<System> {
    let shield = Shield::over(drives)?;
    let images = shield.overlays();
    let (mut session, problems) = opened(drives, images, keys, shield.dir(), interrupt)?;
    session.keep(shield.into_scratch());
    let listed = answer::file_systems(&session.must("list-filesystems")?);
    let session = Rc::new(RefCell::new(session));
    let mut system = System::default();
    for (device, word) in listed {
        if NO_FILES.contains(&word.as_str()) {
            continue;
        }
        system.parts.push(part(&session, drives, &device, &word)?);
    }
    system.problems = problems;
    Ok(system)
}

/// Starts it with these images as its disks. Where there is KVM that does not
/// work, it aborts or no kernel starts, and it does without.
pub(super) fn started(
    scratch: &Path,
    images: &[(PathBuf, ImageFormat)],
    interrupt: &Interrupt,
) -> Result<Session> {
    // It will be no different the next time.
    static EMULATED: AtomicBool = AtomicBool::new(false);
    if !EMULATED.load(Ordering::Relaxed) {
        match start(scratch, images, false, interrupt) {
            Err(error) if error.kind() == Kind::Environment && !Session::is_set_up() => {}
            other => return other,
        }
    }
    let session = start(scratch, images, true, interrupt)?;
    EMULATED.store(true, Ordering::Relaxed);
    Ok(session)
}

/// Starts it for the disks of a guest, opens what the keys open, and says what stays
/// closed.
pub(super) fn opened(
    drives: &[Drive],
    images: &[(PathBuf, ImageFormat)],
    keys: &[Key],
    scratch: &Path,
    interrupt: &Interrupt,
) -> Result<(Session, Vec<String>)> {
    let secrets: Vec<(String, String)> = keys.iter().map(secret).collect::<Result<_>>()?;
    let mut session = started(scratch, images, interrupt)?;
    let mut problems = Vec::new();
    if !secrets.is_empty() {
        unlock(&mut session, drives, &secrets, &mut problems)?;
    }
    Ok((session, problems))
}

/// Whether it has to do without KVM, which may be there and not work. Nothing is
/// done to the overlay.
pub(super) fn is_emulated(scratch: &Path, overlay: &Path, interrupt: &Interrupt) -> Result<bool> {
    if Session::is_set_up() || !Path::new("/dev/kvm").exists() {
        return Ok(false);
    }
    let mut session = Session::start(scratch, false, interrupt)?;
    let path = quoted(overlay.as_os_str().as_bytes());
    session.must(&format!("add-drive-ro {path}"))?;
    // It says so if it cannot even begin.
    Ok(!session.starts_kernel().unwrap_or(false))
}

fn start(
    scratch: &Path,
    images: &[(PathBuf, ImageFormat)],
    emulated: bool,
    interrupt: &Interrupt,
) -> Result<Session> {
    let mut session = Session::start(scratch, emulated, interrupt)?;
    for (image, format) in images {
        let path = quoted(image.as_os_str().as_bytes());
        // Not `readonly`: see `shield`.
        session.must(&format!("add-drive {path} format:{format}"))?;
    }
    session.launch(!emulated && !Session::is_set_up())?;
    Ok(session)
}

fn part(
    session: &Rc<RefCell<Session>>,
    drives: &[Drive],
    device: &str,
    word: &str,
) -> Result<Part> {
    let asked = ["vfs-uuid", "vfs-label", "blockdev-getsize64"];
    let commands: Vec<String> = asked
        .iter()
        .map(|what| format!("{what} {}", quoted(device.as_bytes())))
        .collect();
    let answers = session.borrow_mut().ask_all(&commands)?;
    let mut lines = answers
        .into_iter()
        .map(|answer| answer.ok().and_then(|text| answer::line(&text)));
    let mut next = || lines.next().flatten();
    let about = About {
        device: device.to_owned(),
        kind: answer::kind(word),
        uuid: next(),
        label: next(),
    };
    let len = next().and_then(|len| len.parse().ok()).unwrap_or(0);
    let files = Files::mount(Rc::clone(session), about);
    let files = match files {
        Err(error) if matches!(error.kind(), Kind::Interrupted | Kind::Terminated) => {
            return Err(error);
        }
        files => files.map(|files| Rc::from(with_checks(Box::new(files)))),
    };
    Ok(Part::of_kernel(in_guest(drives, device), word, len, files))
}

/// What a device of the appliance is called in the guest: there, all disks are
/// `sda` and so on.
fn in_guest(drives: &[Drive], device: &str) -> String {
    let split = device
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(device.len());
    let (disk, number) = device.split_at(split);
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let found = (0..).map(device_of).zip(drives);
    let found = found
        .filter(|_| plain)
        .find_map(|(name, drive)| (name == disk).then_some(drive));
    let Some(drive) = found else {
        return device.to_owned();
    };
    // As the kernel does it: `sda1`, but `nvme0n1p1`.
    let name = &drive.name;
    match !number.is_empty() && name.ends_with(|c: char| c.is_ascii_digit()) {
        true => format!("/dev/{name}p{number}"),
        false => format!("/dev/{name}{number}"),
    }
}

/// What a disk or partition of the guest is called in the appliance, where `first`
/// disks of others are before its own. `None` for what lies on disks.
pub(super) fn in_appliance(drives: &[Drive], first: usize, device: &str) -> Option<String> {
    let plain = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    for (disk, drive) in (first..).map(device_of).zip(drives) {
        let Some(rest) = device
            .strip_prefix("/dev/")
            .and_then(|name| name.strip_prefix(drive.name.as_str()))
        else {
            continue;
        };
        let numbered = drive.name.ends_with(|c: char| c.is_ascii_digit());
        let number = match rest.strip_prefix('p') {
            Some(number) if numbered && !number.is_empty() => number,
            None if !numbered || rest.is_empty() => rest,
            _ => continue,
        };
        if plain(number) {
            return Some(format!("{disk}{number}"));
        }
    }
    None
}

/// What the kernel of the appliance calls a disk, counted from 0: `/dev/sda` to
/// `/dev/sdz`, then `/dev/sdaa` and so on.
pub(super) fn device_of(number: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = Some(number);
    while let Some(value) = rest {
        let letter = u8::try_from(value % 26).unwrap_or(0);
        letters.push(char::from(b'a'.saturating_add(letter)));
        rest = (value / 26).checked_sub(1);
    }
    let letters: String = letters.iter().rev().collect();
    format!("/dev/sd{letters}")
}

/// A key as it is typed: without the end of its line.
pub(super) fn secret(key: &Key) -> Result<(String, String)> {
    let text = read(&key.file)?;
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    let line = String::from_utf8(line.to_vec()).ok();
    let line = line.filter(|line| !line.is_empty() && !line.contains(['\n', '\0']));
    let line = line.ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format!(
                "{} does not hold one line of text, which a key must be",
                key.file.display()
            ),
        )
    })?;
    Ok((key.device.clone(), line))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let what = || format!("cannot read the key {}", file.display());
    let mut text = Vec::new();
    if file != Path::new("-") {
        let read = File::open(file).and_then(|file| file.take(MAX_KEY).read_to_end(&mut text));
        return read.map(|_| text).map_err(|error| Error::io(what(), error));
    }
    // It can be read once, and is for all guests.
    static GIVEN: Mutex<Option<Vec<u8>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    if given.is_none() {
        let read = std::io::stdin().lock().take(MAX_KEY).read_to_end(&mut text);
        read.map_err(|error| Error::io(what(), error))?;
        *given = Some(text);
    }
    Ok(given.clone().unwrap_or_default())
}

/// Opens the encrypted devices that there are keys for.
pub(super) fn unlock(
    session: &mut Session,
    drives: &[Drive],
    secrets: &[(String, String)],
    problems: &mut Vec<String>,
) -> Result<()> {
    let mut devices = Vec::new();
    for list in ["list-devices", "list-partitions", "list-md-devices", "lvs"] {
        devices.extend(answer::devices(&session.must(list)?));
    }
    let mut locked = 0;
    for device in devices {
        let argument = quoted(device.as_bytes());
        let kind = session.ask(&format!("vfs-type {argument}"))?;
        if kind.ok().and_then(|kind| answer::line(&kind)).as_deref() != Some("crypto_LUKS") {
            continue;
        }
        locked += 1;
        let uuid = session.must(&format!("luks-uuid {argument}"))?;
        let uuid = answer::line(&uuid).unwrap_or_default();
        let name = in_guest(drives, &device);
        let fits = |wanted: &str| {
            wanted == "all"
                || wanted.eq_ignore_ascii_case(&uuid)
                || wanted == name
                || wanted == device
        };
        let mapped = quoted(format!("luks-{uuid}").as_bytes());
        let mut tried = false;
        let mut opened = false;
        for (_, secret) in secrets.iter().filter(|(wanted, _)| fits(wanted)) {
            tried = true;
            // The key is the line after the command.
            let command = format!("cryptsetup-open {argument} {mapped}\n{secret}");
            if session.ask(&command)?.is_ok() {
                opened = true;
                break;
            }
        }
        if tried && !opened {
            return Err(Error::new(
                Kind::Usage,
                format!("no key that is given opens {name}"),
            ));
        }
        if !tried {
            problems.push(format!("{name} is encrypted, and no key is given for it"));
        }
    }
    if locked == 0 {
        return Err(Error::new(
            Kind::NotFound,
            "the guest has no encrypted device for the key",
        )
        .hint("leave `--key` out"));
    }
    session.must("lvm-scan true")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Drive, device_of, in_appliance, in_guest};
    use crate::model::{Chain, FileId, ImageFormat, Layer};

    #[test]
    fn devices_have_one_name_here_and_another_there() {
        let layer = Layer {
            path: "/disk".into(),
            format: ImageFormat::Raw,
            file: FileId {
                device: 1,
                inode: 2,
            },
            block: false,
            virtual_size: 512,
            file_size: 512,
            allocated: 0,
            snapshots: 0,
            dirty: false,
            encrypted: false,
        };
        let drives: Vec<Drive> = ["vda", "nvme0n1", "sda"]
            .into_iter()
            .map(|name| Drive {
                name: name.to_owned(),
                chain: Chain::new(layer.clone(), Vec::new()),
            })
            .collect();
        for (guest, appliance) in [
            ("/dev/vda", "/dev/sda"),
            ("/dev/vda12", "/dev/sda12"),
            ("/dev/nvme0n1", "/dev/sdb"),
            ("/dev/nvme0n1p3", "/dev/sdb3"),
            ("/dev/sda1", "/dev/sdc1"),
        ] {
            let there = in_appliance(&drives, 0, guest);
            assert_eq!(there.as_deref(), Some(appliance));
            assert_eq!(in_guest(&drives, appliance), guest);
        }
        for other in [
            "/dev/vg/root",
            "/dev/mapper/luks-1",
            "/dev/vdap1",
            "/dev/nvme0n12",
            "/dev/sdaa1",
        ] {
            assert_eq!(in_appliance(&drives, 0, other), None, "{other}");
            assert_eq!(in_guest(&drives, other), other);
        }
        let there = in_appliance(&drives, 25, "/dev/nvme0n1p3");
        assert_eq!(there.as_deref(), Some("/dev/sdaa3"));
    }

    #[test]
    fn disks_are_counted_in_letters() {
        for (number, device) in [
            (0, "/dev/sda"),
            (25, "/dev/sdz"),
            (26, "/dev/sdaa"),
            (51, "/dev/sdaz"),
            (52, "/dev/sdba"),
            (701, "/dev/sdzz"),
            (702, "/dev/sdaaa"),
        ] {
            assert_eq!(device_of(number), device);
        }
    }
}
