//! Bases for other hosts: sent there through the storage volumes of their libvirt.
//!
//! A volume gets its name when it is made, and libvirt cannot give it another one. So
//! what makes an image of it goes last: its first piece that is not zero, which is the
//! header of all formats that have one. Without it, nobody can take what is there for
//! the base. It is sent when all the rest has been read back, and has the SHA-256 that
//! it has here.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{content_hash, known_format};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Piece, Volume};
use crate::image::{self, Guard, ImageFile, hexadecimal, path_word, shown};
use crate::model::{ImageFormat, NewVolume, Size, human_bytes};
use crate::ops::Host;
use crate::ops::images::dirty;
use crate::store::PushRecord;

/// After so many bytes it is written down how far it is.
const STRETCH: u64 = 64 << 20;

/// How many zeros of a hole are looked at at a time.
const ZEROS: usize = 1 << 20;

/// How many digits of the SHA-256 are in the name of a volume.
const SHORT: usize = 12;

/// A base that is to be sent: read through, and locked against writers while this
/// lives.
#[derive(Debug)]
pub struct Parcel {
    image: ImageFile,
    /// Its path.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// The SHA-256 of the whole file, in hexadecimal.
    pub sha256: String,
    /// What the volumes are called.
    pub volume: String,
    /// Where it has data.
    runs: Vec<Range<u64>>,
    /// What is sent last, and where that is; `None` if all is zero.
    key: Option<(u64, Vec<u8>)>,
    _guard: Option<Guard>,
}

impl Parcel {
    /// An image as it is, with the name that it has and on whatever it is based on.
    /// Without a guard, the caller keeps writers off it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(in crate::ops) fn of_layer(
        host: Host<'_>,
        path: &Path,
        format: ImageFormat,
        guard: Option<Guard>,
    ) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str());
        let volume = named(name.unwrap_or_default())?;
        Self::read(host, path.to_owned(), format, guard, |_| Ok(volume))
    }

    fn read(
        host: Host<'_>,
        path: PathBuf,
        format: ImageFormat,
        guard: Option<Guard>,
        volume: impl FnOnce(&str) -> Result<String>,
    ) -> Result<Self> {
        let image = ImageFile::open(&path)?;
        let sha256 = sha256(host, &path)?;
        let runs = image::data_runs(&image)?;
        let key = image::first_data(&image, &runs)?;
        let volume = volume(&sha256)?;
        Ok(Self {
            image,
            path,
            format,
            sha256,
            volume,
            runs,
            key,
            _guard: guard,
        })
    }

    /// How long its file is, in bytes.
    pub(in crate::ops) fn size(&self) -> u64 {
        self.image.size()
    }

    /// The SHA-256 of how its file begins, as [`image::head_sha256`] tells it.
    pub(in crate::ops) fn head_sha256(&self) -> Result<String> {
        let head = self.image.read_at(0, image::HEAD)?;
        Ok(image::head_sha256(&head))
    }

    /// How much of it is no hole, in bytes.
    pub(in crate::ops) fn data(&self) -> u64 {
        let lengths = self
            .runs
            .iter()
            .map(|run| run.end.saturating_sub(run.start));
        lengths.fold(0, u64::saturating_add)
    }
}

/// Reads a base and thinks of a name for it: the one it has and a part of its SHA-256,
/// so that versions are there side by side.
///
/// # Errors
///
/// [`Kind::Busy`] if somebody writes to it; [`Kind::WrongState`] if it has a backing
/// file, which is not where it is sent to; [`Kind::Unsafe`] if it was not closed well.
pub fn pack(
    host: Host<'_>,
    path: PathBuf,
    format: Option<ImageFormat>,
    name: Option<&str>,
) -> Result<Parcel> {
    host.must_be_here()?;
    let guard = Guard::base(&path)?;
    let format = match format {
        Some(format) => format,
        None => known_format(host, &path)?,
    };
    stands_alone(host, &path, format)?;
    let own = path.clone();
    Parcel::read(host, path, format, Some(guard), |sha256| match name {
        Some(name) => named(name),
        None => Ok(versioned(&own, sha256)),
    })
}

fn stands_alone(host: Host<'_>, path: &Path, format: ImageFormat) -> Result<()> {
    let trust = crate::ops::trust_for(host.hypervisor, &[], &[])?;
    let survey = image::survey(path, format, &trust);
    if survey.layers.len() > 1 {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "{} has a backing file, and what is pushed must stand alone",
                shown(path)
            ),
        )
        .hint(format!(
            "make one that does: `vmkin disk convert -a {} NEW.qcow2`; or of a golden domain: \
             `vmkin flatten -d DOMAIN`",
            path_word(path)
        )));
    }
    match (survey.layers.first(), survey.problem) {
        (_, Some(problem)) => Err(problem),
        (Some(layer), None) if layer.dirty => Err(dirty(layer)),
        (_, None) => Ok(()),
    }
}

/// The SHA-256 of what the image holds: that on record, if it is still what it was.
fn sha256(host: Host<'_>, path: &Path) -> Result<String> {
    if let Some(record) = host.store.seal_record(path)? {
        let now = image::identity(path)?;
        let is_same = image::compare(&record.identity, &now) == image::Comparison::Same;
        if let Some(sha256) = record.sha256.filter(|_| is_same) {
            return Ok(sha256);
        }
    }
    content_hash(host, path)
}

fn named(name: &str) -> Result<String> {
    if name.is_empty() || name.contains(['/', '\n', '\0']) || name == "." || name == ".." {
        return Err(Error::new(
            Kind::Usage,
            format!("a volume cannot be called {name:?}"),
        ));
    }
    Ok(name.to_owned())
}

/// `debian.qcow2` and a part of what it holds: `debian-0123456789ab.qcow2`.
fn versioned(path: &Path, sha256: &str) -> String {
    let part = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned());
    let stem = part(path.file_stem()).unwrap_or_default();
    let short = sha256.get(..SHORT).unwrap_or(sha256);
    // What was pushed once, and is pushed on from there, keeps its name.
    let stem = stem.strip_suffix(&format!("-{short}")).unwrap_or(&stem);
    match part(path.extension()) {
        Some(extension) => format!("{stem}-{short}.{extension}"),
        None => format!("{stem}-{short}"),
    }
}

/// The error where one name is given for several images.
pub fn one_name_for_several() -> Error {
    Error::new(Kind::Usage, "one name cannot be that of several images")
        .hint("push them one by one, or leave `--name` out")
}

/// What becomes, or has become, of a base on a host.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Delivery {
    /// The image here.
    pub image: PathBuf,
    /// The storage pool there.
    pub pool: String,
    /// The volume there.
    pub volume: String,
    /// Its path there.
    pub path: PathBuf,
    /// Its size.
    pub size: Size,
    /// The SHA-256 of what it holds.
    pub sha256: String,
    /// What of it was there before.
    pub before: Before,
    /// What was sent, or is to be sent.
    pub sent: Size,
}

/// What of a base is on a host already.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// All of it.
    All,
    /// A part, of a push that was broken off.
    Part,
    /// Nothing.
    Nothing,
}

/// Looks at what a host has of a base. Changes nothing there.
///
/// # Errors
///
/// [`Kind::NotFound`] if it has no such pool; [`Kind::WrongState`] if the pool is not
/// one of files; [`Kind::Exists`] if something else has the name of the volume;
/// [`Kind::Storage`] if there is no room.
pub fn look(far: Host<'_>, parcel: &Parcel, pool: &str) -> Result<Delivery> {
    find(far, parcel, pool).map_err(|error| match error.kind() {
        Kind::Exists => error.hint("give this one another name: `--name NAME`"),
        _ => error,
    })
}

/// The same where the name of the volume is settled.
///
/// # Errors
///
/// Those of [`look`].
pub(in crate::ops) fn find(far: Host<'_>, parcel: &Parcel, pool: &str) -> Result<Delivery> {
    let facts = far.hypervisor.pool_facts(pool)?;
    let Some(directory) = facts.directory else {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "pool '{pool}' is of the kind '{}', and bases are pushed to pools of files",
                facts.kind
            ),
        )
        .hint("name another one: `--pool NAME`"));
    };
    let path = directory.join(&parcel.volume);
    let size = parcel.image.size();
    let mut delivery = Delivery {
        image: parcel.path.clone(),
        pool: pool.to_owned(),
        volume: parcel.volume.clone(),
        path,
        size: Size(size),
        sha256: parcel.sha256.clone(),
        before: Before::Nothing,
        sent: Size(parcel.data()),
    };
    let Some(there) = far.hypervisor.volume_in(pool, &parcel.volume)? else {
        if facts.available < parcel.data() {
            return Err(Error::new(
                Kind::Storage,
                format!(
                    "pool '{pool}' has room for {}, and {} takes {}",
                    human_bytes(facts.available),
                    shown(&parcel.path),
                    human_bytes(parcel.data())
                ),
            ));
        }
        return Ok(delivery);
    };
    let taken = || another(pool, &parcel.volume);
    if there.facts()?.size != size {
        return Err(taken());
    }
    let record = far
        .store
        .push_record(far.hypervisor.uri(), &delivery.path)?;
    let record = record.filter(|record| record.sha256 == parcel.sha256 && record.size == size);
    delivery.before = match &parcel.key {
        Some((at, bytes)) => {
            let now = there.read(*at, bytes.len())?;
            if now == *bytes {
                Before::All
            } else if now.iter().all(|&byte| byte == 0) {
                Before::Part
            } else {
                return Err(taken());
            }
        }
        // All zero, as what is there may be: only the record tells.
        None if record
            .as_ref()
            .is_some_and(|record| record.pushed_at.is_some()) =>
        {
            Before::All
        }
        None => Before::Part,
    };
    let done = match delivery.before {
        Before::All => u64::MAX,
        // Of what others have begun, nothing is known.
        Before::Part | Before::Nothing => record.map_or(0, |record| record.done),
    };
    delivery.sent = Size(left(&parcel.runs, done));
    Ok(delivery)
}

/// How much of these is beyond what is done.
fn left(runs: &[Range<u64>], done: u64) -> u64 {
    runs.iter()
        .map(|run| run.end.saturating_sub(run.start.max(done)))
        .fold(0, u64::saturating_add)
}

/// Sends a base to a host, from where a push before this one was broken off, reads
/// it back, and makes it an image. `label` is what the progress is of.
///
/// # Errors
///
/// [`Kind::Unsafe`] if what is there is not what was sent, which is deleted then;
/// [`Kind::Interrupted`] soon after the user wants to stop: the same again goes on
/// from there.
pub fn deliver(far: Host<'_>, parcel: &Parcel, delivery: &Delivery, label: &str) -> Result<()> {
    let (hypervisor, store) = (far.hypervisor, far.store);
    let (pool, name) = (&delivery.pool, &delivery.volume);
    let mut record = record_of(far, parcel, delivery);
    let known = store.push_record(&record.uri, &record.path)?;
    let known = known.filter(|known| known.sha256 == record.sha256);
    let volume = match (delivery.before, hypervisor.volume_in(pool, name)?) {
        (Before::All, _) => {
            // It may have been pushed from elsewhere.
            if known.is_none_or(|known| known.pushed_at.is_none()) {
                return finished(far, record);
            }
            return Ok(());
        }
        (Before::Part, Some(volume)) => {
            record.done = known.map_or(0, |known| known.done);
            volume
        }
        _ => {
            store.remember_push(&record)?;
            hypervisor.create_volume(pool, &NewVolume::raw(name, record.size))?
        }
    };
    crate::failpoint::hit("push.made")?;
    let begun = record.done;
    let sent = transfer(far, parcel, &*volume, begun, label, &mut |done| {
        record.done = done;
        store.remember_push(&record)
    });
    let sent = sent.map_err(|error| match error.kind() {
        Kind::Interrupted | Kind::Terminated => goes_on(parcel, record.done, error),
        _ => error,
    })?;
    if !sent {
        volume.delete()?;
        store.forget_push(&record)?;
        return Err(not_as_sent(far, parcel)
            .hint("push it again; if that happens again, look at the disk of that host"));
    }
    // Only now can libvirt tell what format it has, and how large it is.
    far.refresh_pools(std::slice::from_ref(pool));
    finished(far, record)
}

/// The error for what did not arrive as it was sent, and is deleted.
pub(in crate::ops) fn not_as_sent(far: Host<'_>, parcel: &Parcel) -> Error {
    Error::new(
        Kind::Unsafe,
        format!(
            "what {} has of {} is not what was sent, and was deleted",
            far.hypervisor.uri(),
            shown(&parcel.path)
        ),
    )
}

fn goes_on(parcel: &Parcel, done: u64, error: Error) -> Error {
    let total = parcel.data();
    error.hint(format!(
        "{} is there of {}; the same command goes on from there",
        human_bytes(total.saturating_sub(left(&parcel.runs, done))),
        human_bytes(total)
    ))
}

/// Sends an image into a volume of its size that holds all of it up to `done` and
/// zeros from there on, reads it back, and gives it its beginning if it is what was
/// sent: then it is whole. `keep` is told how far it is.
///
/// # Errors
///
/// If it cannot be sent, or `keep` fails.
pub(in crate::ops) fn transfer(
    far: Host<'_>,
    parcel: &Parcel,
    volume: &dyn Volume,
    done: u64,
    label: &str,
    keep: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<bool> {
    send(far, parcel, volume, done, label, keep)?;
    crate::failpoint::hit("push.sent")?;
    let (size, key) = (parcel.size(), parcel.key.as_ref());
    let compared = format!("compare {label}");
    if digest(far, volume, size, key, &compared)? != parcel.sha256 {
        return Ok(false);
    }
    crate::failpoint::hit("push.compared")?;
    if let Some((at, bytes)) = &parcel.key {
        volume.write(*at, bytes)?;
        if volume.read(*at, bytes.len())? != *bytes {
            return Err(Error::new(
                Kind::Storage,
                format!("the beginning of {label} could not be written"),
            ));
        }
    }
    crate::failpoint::hit("push.whole")?;
    Ok(true)
}

/// Whether a host has all of a base: known of a push from here, or read there.
///
/// # Errors
///
/// [`Kind::Exists`] if it has another image of that name, size and beginning.
pub(in crate::ops) fn has_all(far: Host<'_>, parcel: &Parcel, delivery: &Delivery) -> Result<bool> {
    if delivery.before != Before::All {
        return Ok(false);
    }
    let known = far
        .store
        .push_record(far.hypervisor.uri(), &delivery.path)?;
    if known.is_some_and(|known| known.pushed_at.is_some() && known.sha256 == parcel.sha256) {
        return Ok(true);
    }
    let (pool, name) = (&delivery.pool, &delivery.volume);
    let Some(volume) = far.hypervisor.volume_in(pool, name)? else {
        return Ok(false);
    };
    let label = format!("compare {name}");
    if digest(far, &*volume, parcel.size(), None, &label)? != parcel.sha256 {
        return Err(another(pool, name));
    }
    finished(far, record_of(far, parcel, delivery))?;
    Ok(true)
}

fn another(pool: &str, volume: &str) -> Error {
    Error::new(
        Kind::Exists,
        format!("pool '{pool}' has a volume '{volume}' that is another image"),
    )
}

fn record_of(far: Host<'_>, parcel: &Parcel, delivery: &Delivery) -> PushRecord {
    PushRecord {
        uri: far.hypervisor.uri().to_owned(),
        pool: delivery.pool.clone(),
        volume: delivery.volume.clone(),
        path: delivery.path.clone(),
        size: parcel.size(),
        sha256: parcel.sha256.clone(),
        done: 0,
        pushed_at: None,
    }
}

fn finished(far: Host<'_>, record: PushRecord) -> Result<()> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    far.store.remember_push(&PushRecord {
        done: record.size,
        pushed_at: Some(now.to_string()),
        ..record
    })
}

/// Sends all data from `done` on but the key, and has it written down how far it is.
fn send(
    far: Host<'_>,
    parcel: &Parcel,
    volume: &dyn Volume,
    done: u64,
    label: &str,
    keep: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let total = parcel.data();
    let progress = |done| {
        far.observer
            .progress(label, total.saturating_sub(left(&parcel.runs, done)), total)
    };
    progress(done);
    for run in &parcel.runs {
        let mut at = run.start.max(done);
        while at < run.end {
            far.interrupt.check()?;
            let length = run.end.saturating_sub(at).min(STRETCH);
            let mut from = Without {
                parcel,
                at,
                progress: &progress,
            };
            volume.upload(at, length, &mut from)?;
            at = at.saturating_add(length);
            keep(at)?;
            crate::failpoint::hit("push.stretch")?;
        }
    }
    Ok(())
}

/// What is in the image from here on, with zeros where the key is.
struct Without<'a> {
    parcel: &'a Parcel,
    at: u64,
    progress: &'a dyn Fn(u64),
}

impl io::Read for Without<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let bytes = self.parcel.image.read_at(self.at, room.len());
        let bytes = bytes.map_err(|error| io::Error::other(error.to_string()))?;
        let Some(read) = room.get_mut(..bytes.len()) else {
            return Ok(0);
        };
        read.copy_from_slice(&bytes);
        if let Some((key, held)) = &self.parcel.key {
            put_over(read, self.at, &vec![0; held.len()], *key);
        }
        self.at = self.at.saturating_add(bytes.len() as u64);
        (self.progress)(self.at);
        Ok(bytes.len())
    }
}

/// Puts what is held over that part of `bytes` where it belongs: `bytes` begin at `at`,
/// and what is held at `from`.
fn put_over(bytes: &mut [u8], at: u64, held: &[u8], from: u64) {
    let beyond =
        |from: u64, at: u64| usize::try_from(from.saturating_sub(at)).unwrap_or(usize::MAX);
    let held = held.get(beyond(at, from)..).unwrap_or_default();
    let room = bytes.get_mut(beyond(from, at)..).unwrap_or_default();
    for (byte, held) in room.iter_mut().zip(held) {
        *byte = *held;
    }
}

/// The SHA-256 of all that a volume holds, in hexadecimal, with the key where there is
/// one that is not there yet.
fn digest(
    far: Host<'_>,
    volume: &dyn Volume,
    size: u64,
    key: Option<&(u64, Vec<u8>)>,
    label: &str,
) -> Result<String> {
    let mut hash = Sha256::new();
    let mut at = 0_u64;
    let mut add = |bytes: &mut [u8]| {
        if let Some((from, held)) = key {
            put_over(bytes, at, held, *from);
        }
        hash.update(&*bytes);
        at = at.saturating_add(bytes.len() as u64);
        far.observer.progress(label, at, size);
        far.interrupt.check()
    };
    volume.read_through(&mut |piece| match piece {
        Piece::Data(bytes) => add(bytes),
        Piece::Hole(mut left) => {
            while left > 0 {
                let mut zeros = vec![0; usize::try_from(left).unwrap_or(ZEROS).min(ZEROS)];
                add(&mut zeros)?;
                left = left.saturating_sub(zeros.len() as u64);
            }
            Ok(())
        }
    })?;
    Ok(hexadecimal(&hash.finalize()))
}

/// A base that was pushed to a host, and whether it is still what it was.
#[derive(Clone, Debug, Serialize)]
pub struct Pushed {
    /// What was written down of it.
    #[serde(flatten)]
    pub record: PushRecord,
    /// What is wrong with it; `None` if it is what was pushed.
    pub problem: Option<String>,
}

/// Looks at all bases that were pushed to a host. `hash` has them read whole.
///
/// # Errors
///
/// If the host cannot be asked.
pub fn verify(far: Host<'_>, hash: bool) -> Result<Vec<Pushed>> {
    let mut all = Vec::new();
    for record in far.store.push_records(far.hypervisor.uri())? {
        if record.pushed_at.is_none() {
            continue;
        }
        far.interrupt.check()?;
        let problem = problem_of(far, &record, hash)?;
        all.push(Pushed { record, problem });
    }
    Ok(all)
}

fn problem_of(far: Host<'_>, record: &PushRecord, hash: bool) -> Result<Option<String>> {
    let volume = match far.hypervisor.volume_in(&record.pool, &record.volume) {
        Err(error) if error.kind() == Kind::NotFound => {
            return Ok(Some("its pool is gone".to_owned()));
        }
        volume => volume?,
    };
    let Some(volume) = volume else {
        return Ok(Some("it is gone".to_owned()));
    };
    let now = volume.facts()?.size;
    if now != record.size {
        let (then, now) = (human_bytes(record.size), human_bytes(now));
        return Ok(Some(format!("it had {then}, and has {now}")));
    }
    if !hash {
        return Ok(None);
    }
    let label = format!("compare {}", record.volume);
    let same = digest(far, &*volume, record.size, None, &label)? == record.sha256;
    Ok((!same).then(|| "its contents are not what was pushed".to_owned()))
}

#[cfg(test)]
mod tests;
