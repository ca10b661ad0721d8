//! Guests that take copies of their disks along.
//!
//! On both hosts the paths are the same. What a guest writes to goes into volumes that
//! are made there: libvirt fills them while it runs, and vmkin sends the files of one
//! that is shut off. What that is based on has to be there, byte by byte, or is pushed
//! there as it is: the guest stays a clone of its base.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Copied, CopiedFile, CopyStorage, MigrateRequest, Migrated, go, take_back};
use super::{is_shared, must_see, pool_of};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Instead, Migration, Volume};
use crate::image::{self, Guard, Overlay, shown};
use crate::model::{
    Chain, Disk, DiskSource, DiskTarget, Domain, FileId, ImageFormat, Layer, Lineage, NewVolume,
    Pool, SecretText, Size, human_bytes,
};
use crate::ops::Host;
use crate::ops::base::base_is_as_cloned;
use crate::ops::base::push::{self, Before, Delivery, Parcel};
use crate::ops::clone::{Contents, identity_there};
use crate::ops::guard::WriteGuard;
use crate::ops::images::{chain_of, declared, path_of, trust_for};
use crate::ops::snapshot::word;
use crate::store::{DeletedFile, Journal, MigrateIntent, Operation, Step, VolumeIntent};
use crate::xml::domain::{self, DomainFacts, Rechained};

/// What goes along with a guest.
#[derive(Debug)]
pub(super) struct Copies {
    /// Its own files.
    own: Vec<Own>,
    /// Images below them that are pushed, the lowest first.
    bases: Vec<(Parcel, Delivery)>,
    /// Those that are on both hosts, and locked against writers.
    there: Vec<Parcel>,
    lineage: Option<Lineage>,
}

/// A file that a guest has of its own, or alone.
#[derive(Debug)]
struct Own {
    path: PathBuf,
    file: FileId,
    pool: String,
    volume: String,
    format: ImageFormat,
    /// The disk that the guest writes to, and what it is made of.
    disk: Option<(DiskTarget, Chain)>,
    /// Other guests may use it as well, but not write to it: locked, and read through.
    parcel: Option<Parcel>,
}

/// What is put into a volume.
enum Filling<'a> {
    /// A file, as it is.
    File(&'a Parcel),
    /// An image that libvirt fills.
    Blank(Contents),
}

/// What a guest that runs is now. What it is when it starts next may not be on other
/// disks.
pub(super) fn facts_now(from: Host<'_>, domain: &Domain) -> Result<DomainFacts> {
    let now = domain::read(from.hypervisor.migratable_xml(domain)?.expose())?;
    let next = domain::read(&from.hypervisor.public_xml(domain)?)?;
    let sources = |facts: &DomainFacts| -> BTreeMap<DiskTarget, DiskSource> {
        let disks = facts.disks.iter();
        disks
            .map(|disk| (disk.target.clone(), disk.source.clone()))
            .collect()
    };
    if sources(&now) == sources(&next) {
        return Ok(now);
    }
    Err(Error::new(
        Kind::WrongState,
        format!(
            "domain '{}' has other disks now than it has when it starts next, and what is copied \
             must be those of both",
            domain.name
        ),
    )
    .hint("see both: `virsh dumpxml`, and with `--inactive`"))
}

/// The directories of a host, and which of them are those of this one.
struct Places<'a> {
    from: Host<'a>,
    to: Host<'a>,
    pools: Vec<Pool>,
    known: BTreeMap<PathBuf, (String, bool)>,
}

impl Places<'_> {
    /// The pool there that a file is to be in, and whether it is in it already because
    /// both hosts have the directory.
    fn of(&mut self, file: &Path) -> Result<(String, bool)> {
        let dir = file.parent().unwrap_or(file);
        if let Some(known) = self.known.get(dir) {
            return Ok(known.clone());
        }
        self.to.interrupt.check()?;
        let pool = pool_of(self.to, &self.pools, dir)?.name.clone();
        let shared = is_shared(self.from, self.to, &pool, dir)?;
        // What others have put there is to be seen, too.
        self.to.hypervisor.refresh_pool(&pool)?;
        self.known.insert(dir.to_owned(), (pool.clone(), shared));
        Ok((pool, shared))
    }
}

/// Looks at what is to be copied.
struct Planner<'a> {
    places: Places<'a>,
    how: CopyStorage,
    live: bool,
    files: BTreeSet<PathBuf>,
    copied: Vec<Copied>,
    copies: Copies,
    /// What the files take, by pool.
    needed: BTreeMap<String, u64>,
}

/// Decides about all files of a guest, and says so in `told`.
pub(super) fn plan(
    from: Host<'_>,
    to: Host<'_>,
    facts: &DomainFacts,
    request: &MigrateRequest,
    how: CopyStorage,
    told: &mut Migrated,
) -> Result<Copies> {
    let mut planner = Planner {
        places: Places {
            from,
            to,
            pools: to.hypervisor.pools()?,
            known: BTreeMap::new(),
        },
        how,
        live: told.live,
        files: BTreeSet::new(),
        copied: Vec::new(),
        copies: Copies {
            own: Vec::new(),
            bases: Vec::new(),
            there: Vec::new(),
            lineage: facts.lineage.clone(),
        },
        needed: BTreeMap::new(),
    };
    let trust = trust_for(from.hypervisor, &facts.disks, &request.allow_dirs)?;
    for disk in &facts.disks {
        let Some(path) = path_of(from.hypervisor, &disk.source)? else {
            continue;
        };
        let chain = chain_of(disk, &path, &trust)?;
        if let Some(lineage) = &facts.lineage {
            base_is_as_cloned(from, lineage, &disk.target, &chain)?;
        }
        planner.disk(disk, chain)?;
    }
    let nvram = facts.nvram.as_ref().filter(|_| !told.live);
    if let Some(nvram) = nvram {
        // While it runs, QEMU has them in its memory, and writes them there.
        if let Some(path) = nvram.path.as_ref().filter(|path| path.exists()) {
            planner.variables(path, nvram.format)?;
        }
    }
    planner.must_have_room()?;
    told.files = planner.files.into_iter().collect();
    told.copied = planner.copied;
    told.left = planner
        .copies
        .own()
        .into_iter()
        .map(|file| file.path)
        .collect();
    Ok(planner.copies)
}

impl Planner<'_> {
    fn disk(&mut self, disk: &Disk, chain: Chain) -> Result<()> {
        let top = chain.top();
        if top.block || chain.layers().iter().any(|layer| layer.block) {
            return Err(cannot(disk, "is on a block device, and files are copied"));
        }
        if chain.export().is_some() {
            return Err(cannot(
                disk,
                "is on an NBD export, which is not looked at from there",
            ));
        }
        for layer in chain.backing().iter().rev() {
            self.base(layer)?;
        }
        let (pool, shared) = self.places.of(&top.path)?;
        if shared {
            return self.on_both(&top.path);
        }
        if let DiskSource::Volume { pool: named, .. } = &disk.source {
            if *named != pool {
                let what =
                    format!("is in pool '{named}', whose directory is that of '{pool}' there");
                return Err(cannot(disk, &what));
            }
        }
        if disk.readonly {
            return self.read_only(top, pool);
        }
        if !disk.is_private() {
            return Err(cannot(
                disk,
                "is shareable or transient, and a copy of it would be another disk",
            ));
        }
        if self.live {
            can_be_filled(disk, top)?;
        }
        self.must_be_free(&top.path, &pool)?;
        let (path, file, format) = (top.path.clone(), top.file, top.format);
        self.copied(&path, &pool, top.allocated, CopiedFile::Disk);
        self.copies.own.push(Own {
            volume: name_of(&path)?,
            path,
            file,
            pool,
            format,
            disk: Some((disk.target.clone(), chain)),
            parcel: None,
        });
        Ok(())
    }

    /// An image below a disk.
    fn base(&mut self, layer: &Layer) -> Result<()> {
        let bases = self.copied.iter().map(|copied| &copied.path);
        if self.files.contains(&layer.path) || bases.clone().any(|path| *path == layer.path) {
            return Ok(());
        }
        let (pool, shared) = self.places.of(&layer.path)?;
        if shared {
            return self.on_both(&layer.path);
        }
        let Some((parcel, delivery)) = self.unless_there(layer, &pool)? else {
            return Ok(());
        };
        if self.how == CopyStorage::Own {
            return Err(self.no_base(layer, &pool));
        }
        self.copied.push(Copied {
            path: layer.path.clone(),
            pool,
            size: delivery.sent,
            what: CopiedFile::Base,
        });
        self.copies.bases.push((parcel, delivery));
        Ok(())
    }

    /// A file that guests only read, such as a CD.
    fn read_only(&mut self, top: &Layer, pool: String) -> Result<()> {
        let Some((parcel, delivery)) = self.unless_there(top, &pool)? else {
            return Ok(());
        };
        if delivery.before != Before::Nothing {
            return Err(taken(self.places.to, &pool, &delivery.volume));
        }
        self.copied(&top.path, &pool, parcel.data(), CopiedFile::File);
        self.copies.own.push(Own {
            path: top.path.clone(),
            file: top.file,
            pool,
            volume: delivery.volume,
            format: top.format,
            disk: None,
            parcel: Some(parcel),
        });
        Ok(())
    }

    /// What is to be sent of an image that nobody writes to, if that host does not have it.
    fn unless_there(&mut self, layer: &Layer, pool: &str) -> Result<Option<(Parcel, Delivery)>> {
        let guard = Guard::layer(layer)?;
        let parcel = Parcel::of_layer(self.places.from, &layer.path, layer.format, Some(guard))?;
        let delivery = push::find(self.places.to, &parcel, pool)?;
        if !push::has_all(self.places.to, &parcel, &delivery)? {
            return Ok(Some((parcel, delivery)));
        }
        self.files.insert(layer.path.clone());
        self.copies.there.push(parcel);
        Ok(None)
    }

    fn no_base(&self, layer: &Layer, pool: &str) -> Error {
        let (to, path) = (self.places.to.hypervisor.uri(), shown(&layer.path));
        let name = layer.path.file_name().unwrap_or_default().to_string_lossy();
        Error::new(
            Kind::WrongState,
            format!("{to} does not have {path}, on which a disk is based"),
        )
        .hint(format!(
            "send it there: `vmkin base push {path} --to {} --pool {} --name {}`",
            word(to),
            word(pool),
            word(&name)
        ))
        .hint("or have all be copied that is not there: `--copy-storage all`")
    }

    fn variables(&mut self, path: &Path, format: ImageFormat) -> Result<()> {
        let (pool, shared) = self.places.of(path)?;
        if shared {
            return self.on_both(path);
        }
        self.must_be_free(path, &pool)?;
        let cannot = |e| Error::io(format!("cannot look at {}", shown(path)), e);
        let size = fs::metadata(path).map_err(cannot)?.len();
        self.copied(path, &pool, size, CopiedFile::File);
        self.copies.own.push(Own {
            path: path.to_owned(),
            file: image::file_id(path)?.unwrap_or(FileId {
                device: 0,
                inode: 0,
            }),
            volume: name_of(path)?,
            pool,
            format,
            disk: None,
            parcel: None,
        });
        Ok(())
    }

    fn on_both(&mut self, file: &Path) -> Result<()> {
        must_see(self.places.to, file)?;
        self.files.insert(file.to_owned());
        Ok(())
    }

    fn must_be_free(&self, path: &Path, pool: &str) -> Result<()> {
        let name = name_of(path)?;
        match self.places.to.hypervisor.volume_in(pool, &name)? {
            None => Ok(()),
            Some(_) => Err(taken(self.places.to, pool, &name)),
        }
    }

    fn copied(&mut self, path: &Path, pool: &str, size: u64, what: CopiedFile) {
        let needed = self.needed.entry(pool.to_owned()).or_default();
        *needed = needed.saturating_add(size);
        self.copied.push(Copied {
            path: path.to_owned(),
            pool: pool.to_owned(),
            size: Size(size),
            what,
        });
    }

    fn must_have_room(&self) -> Result<()> {
        for (pool, needed) in &self.needed {
            let room = self.places.to.hypervisor.pool_facts(pool)?.available;
            if room < *needed {
                return Err(Error::new(
                    Kind::Storage,
                    format!(
                        "pool '{pool}' has room for {}, and what is copied there takes {}",
                        human_bytes(room),
                        human_bytes(*needed)
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn cannot(disk: &Disk, why: &str) -> Error {
    Error::new(Kind::WrongState, format!("disk {} {why}", disk.target))
}

/// Refuses what a blank image, filled by QEMU, would not be the same as.
fn can_be_filled(disk: &Disk, top: &Layer) -> Result<()> {
    let why = if !matches!(top.format, ImageFormat::Raw | ImageFormat::Qcow2) {
        format!(
            "is a {} image, and those that are copied while a guest runs are qcow2 or raw",
            top.format
        )
    } else if top.encrypted {
        "is encrypted, and is copied only while the guest is shut off".to_owned()
    } else if top.snapshots > 0 {
        "has snapshots inside, which are copied only while the guest is shut off".to_owned()
    } else {
        return Ok(());
    };
    Err(cannot(disk, &why).hint("shut it down first: `vmkin shutdown --wait`"))
}

fn taken(to: Host<'_>, pool: &str, volume: &str) -> Error {
    let uri = to.hypervisor.uri();
    Error::new(
        Kind::Exists,
        format!(
            "pool '{pool}' of {uri} has a volume '{volume}' already, which may be another guest's"
        ),
    )
    .hint(format!(
        "if nobody needs it, delete it there: `virsh -c {} vol-delete {} --pool {}`",
        word(uri),
        word(volume),
        word(pool)
    ))
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        Error::new(
            Kind::WrongState,
            format!("{} has a name that no volume can have", shown(path)),
        )
    })
}

impl Copies {
    /// What is the guest's alone, and is of no use here when it has gone.
    pub(super) fn own(&self) -> Vec<DeletedFile> {
        let made = self.lineage.iter().flat_map(|lineage| &lineage.files);
        let made: BTreeSet<&PathBuf> = made.collect();
        let own = self.own.iter();
        own.filter(|own| own.parcel.is_none() || made.contains(&own.path))
            .map(|own| DeletedFile {
                path: own.path.clone(),
                file: own.file,
                born_ns: image::born_ns(&own.path),
            })
            .collect()
    }

    /// Brings the guest and all that goes along; if that fails, nothing stays there
    /// but bases.
    pub(super) fn bring(
        &self,
        from: Host<'_>,
        to: Host<'_>,
        told: &Migrated,
        how: Migration,
        guard: Option<&WriteGuard<'_>>,
    ) -> Result<()> {
        if let Some(guard) = guard {
            self.must_be(guard)?;
        }
        for (parcel, delivery) in &self.bases {
            push::deliver(to, parcel, delivery, &delivery.volume)?;
            let path = shown(&delivery.path);
            to.observer
                .status(&format!("Pushed {path} to {}.", told.to));
        }
        let parcels = self.parcels(from, told.live)?;
        let fillings = self.fillings(&parcels)?;
        let mut intent = MigrateIntent {
            name: told.domain.name.clone(),
            uuid: told.domain.uuid,
            from: told.from.clone(),
            live: told.live,
            files: self.own.iter().map(|own| own.path.clone()).collect(),
            volumes: self.intents(&fillings)?,
        };
        let operation = Operation::Migrate(intent.clone());
        let mut journal = to.store.begin(&told.to, operation)?;
        crate::failpoint::hit("migrate.journal")?;
        let mut made = Made::default();
        let result = self
            .make(to, &intent, &fillings, &mut made, &mut journal)
            .and_then(|()| {
                let how = Migration {
                    copied: self.filled(told.live),
                    instead: self.instead(from, to, told)?,
                    ..how
                };
                go(from, to, told, &how)
            });
        let Err(error) = result else {
            crate::failpoint::hit("migrate.gone")?;
            return journal.finish();
        };
        let error = Journal::may_take_back(error)?;
        // What was there before is none of ours.
        intent.volumes.truncate(made.tried);
        match take_back::remove(to, &intent, made.recorded) {
            Ok(()) => journal.finish().and(Err(error)),
            Err(why) => Err(error.with_kind(Kind::NotUndone).hint(format!(
                "what was copied to {} is not removed ({why}); when the cause is gone: `vmkin \
                 recover`",
                told.to
            ))),
        }
    }

    /// Refuses disks that are not what was planned.
    fn must_be(&self, guard: &WriteGuard<'_>) -> Result<()> {
        for (target, chain) in self.own.iter().filter_map(|own| own.disk.as_ref()) {
            let mut leased = guard.disks().iter();
            let same = leased.any(|leased| {
                let now = leased.chain().layers().iter().map(|layer| layer.file);
                leased.target() == Some(target) && now.eq(chain.layers().iter().map(|l| l.file))
            });
            if !same {
                return Err(
                    Error::new(Kind::Busy, format!("disk {target} was changed meanwhile"))
                        .hint("run the same command again"),
                );
            }
        }
        Ok(())
    }

    /// The files that are sent as they are, and are not read through yet: the caller
    /// has them locked.
    fn parcels(&self, from: Host<'_>, live: bool) -> Result<Vec<Option<Parcel>>> {
        let own = self.own.iter();
        own.map(|own| match (&own.disk, &own.parcel) {
            (Some(_), _) if live => Ok(None),
            (_, Some(_)) => Ok(None),
            (_, None) => Parcel::of_layer(from, &own.path, own.format, None).map(Some),
        })
        .collect()
    }

    fn fillings<'a>(&'a self, parcels: &'a [Option<Parcel>]) -> Result<Vec<Filling<'a>>> {
        let own = self.own.iter().zip(parcels);
        own.map(
            |(own, parcel)| match (parcel.as_ref().or(own.parcel.as_ref()), &own.disk) {
                (Some(parcel), _) => Ok(Filling::File(parcel)),
                (None, Some((_, chain))) => blank(chain).map(Filling::Blank),
                (None, None) => Err(Error::new(Kind::WrongState, "a file is not read through")),
            },
        )
        .collect()
    }

    fn intents(&self, fillings: &[Filling<'_>]) -> Result<Vec<VolumeIntent>> {
        let own = self.own.iter().zip(fillings);
        own.map(|(own, filling)| {
            let (size, head_sha256) = match filling {
                Filling::File(parcel) => (parcel.size(), parcel.head_sha256()?),
                Filling::Blank(contents) => (contents.length, contents.head_sha256()),
            };
            Ok(VolumeIntent {
                pool: own.pool.clone(),
                name: own.volume.clone(),
                size,
                head_sha256,
                copied: false,
            })
        })
        .collect()
    }

    /// The disks that libvirt fills.
    fn filled(&self, live: bool) -> Vec<DiskTarget> {
        let disks = self.own.iter().filter_map(|own| own.disk.as_ref());
        disks
            .filter(|_| live)
            .map(|(target, _)| target.clone())
            .collect()
    }

    /// Makes the volumes, and puts into them what is to be in them.
    fn make(
        &self,
        to: Host<'_>,
        intent: &MigrateIntent,
        fillings: &[Filling<'_>],
        made: &mut Made,
        journal: &mut Journal,
    ) -> Result<()> {
        let mut volumes = Vec::new();
        for VolumeIntent {
            pool, name, size, ..
        } in &intent.volumes
        {
            to.interrupt.check()?;
            let volume = to
                .hypervisor
                .create_volume(pool, &NewVolume::raw(name, *size));
            // That there is one already is the only answer that says that it is not ours.
            if !matches!(&volume, Err(error) if error.kind() == Kind::Exists) {
                made.tried = made.tried.saturating_add(1);
            }
            volumes.push(volume?);
            crate::failpoint::hit("migrate.volume")?;
        }
        let files = Vec::new();
        journal.add(&[Step::Made { clone: 0, files }])?;
        made.recorded = true;
        crate::failpoint::hit("migrate.made")?;
        for (volume, filling) in volumes.iter().zip(fillings) {
            fill(to, &**volume, filling)?;
        }
        // Only now can libvirt tell what formats they have.
        let pools: BTreeSet<&String> = intent.volumes.iter().map(|one| &one.pool).collect();
        for pool in pools {
            to.hypervisor.refresh_pool(pool)?;
        }
        crate::failpoint::hit("migrate.filled")
    }

    /// What the guest is there: what its images are based on has another look there.
    fn instead(&self, from: Host<'_>, to: Host<'_>, told: &Migrated) -> Result<Option<Instead>> {
        let bases = self.bases.iter().map(|(parcel, _)| parcel);
        let mut there = BTreeMap::new();
        for parcel in self.there.iter().chain(bases) {
            there.insert(parcel.path.clone(), identity_there(to, &parcel.path)?);
        }
        if there.is_empty() {
            return Ok(None);
        }
        let readable = |layer: &Layer| match there.get(&layer.path) {
            Some((facts, _)) => facts.mode.is_some_and(|mode| mode & 0o004 != 0),
            None => image::readable_by_all(&layer.path),
        };
        let disks = self.own.iter().filter_map(|own| own.disk.as_ref());
        let rechained: Vec<Rechained> = disks
            .filter(|(_, chain)| !chain.is_single())
            .map(|(target, chain)| Rechained {
                target: target.clone(),
                image: None,
                backing: chain
                    .backing()
                    .iter()
                    .map(|layer| declared(layer, readable(layer)))
                    .collect(),
            })
            .collect();
        let mut lineage = self.lineage.clone();
        let made = lineage.iter_mut().flat_map(|lineage| &mut lineage.disks);
        for base in made.flat_map(|disk| &mut disk.bases) {
            if let Some((_, identity)) = there.get(&base.path) {
                base.identity = identity.clone();
            }
        }
        let changed = |xml: SecretText| -> Result<SecretText> {
            domain::rechained(xml.expose(), &rechained, lineage.as_ref()).map(SecretText::from)
        };
        let next = changed(from.hypervisor.secure_xml(&told.domain)?)?;
        let now = match told.live {
            true => changed(from.hypervisor.migratable_xml(&told.domain)?)?,
            false => next.clone(),
        };
        Ok(Some(Instead { now, next }))
    }
}

/// How far volumes are made.
#[derive(Default)]
struct Made {
    /// How many of them may be there.
    tried: usize,
    /// Whether it is on record that they are ours.
    recorded: bool,
}

fn fill(to: Host<'_>, volume: &dyn Volume, filling: &Filling<'_>) -> Result<()> {
    match filling {
        Filling::Blank(contents) => volume.write(0, &contents.bytes),
        Filling::File(parcel) => {
            let label = &parcel.volume;
            match push::transfer(to, parcel, volume, 0, label, &mut |_| Ok(()))? {
                true => Ok(()),
                false => Err(push::not_as_sent(to, parcel)
                    .hint("if that happens again, look at the disk of that host")),
            }
        }
    }
}

/// An image that reads as the disk does before its guest has written anything.
fn blank(chain: &Chain) -> Result<Contents> {
    let top = chain.top();
    let laid_out = match chain.backing().first() {
        Some(base) => Overlay {
            virtual_size: top.virtual_size,
            backing: &base.path,
            backing_format: base.format,
        }
        .contents()?,
        None => image::blank(top.virtual_size, top.format)?,
    };
    Ok(Contents::of(&laid_out))
}
