//! Who uses which image file: the backing chains of all domains.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use uuid::Uuid;

use super::images::{dirs_for, path_of, real, trust_of};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Hypervisor;
use crate::image::{self, Scan, Trust, shown};
use crate::model::{
    Disk, DiskSource, DiskTarget, Domain, FileId, Layer, MachineSize, NbdExport, Size, Stored,
};
use crate::xml::domain::{self, DomainFacts};

/// A domain of the host, and the images that its disks are made of.
#[derive(Clone, Debug)]
pub struct KnownDomain {
    /// The domain.
    pub domain: Domain,
    /// What its XML says.
    pub facts: DomainFacts,
    /// The layers of each disk of [`DomainFacts::disks`], as far as they could
    /// be read, the top one first. Empty for a disk that is no file here.
    pub layers: Vec<Vec<Layer>>,
    /// The NBD exports below those layers, for the disks that have one.
    pub exports: HashMap<DiskTarget, NbdExport>,
    /// The file of its UEFI variables, if there is one here: what a symbolic link
    /// leads to.
    pub nvram: Option<FileId>,
}

impl KnownDomain {
    /// The disk of this name, and its layers.
    pub(super) fn disk(&self, target: &DiskTarget) -> Option<(&Disk, &[Layer])> {
        let mut disks = self.facts.disks.iter().zip(&self.layers);
        let (disk, layers) = disks.find(|(disk, _)| disk.target == *target)?;
        Some((disk, layers.as_slice()))
    }

    /// It with what its definition gives it.
    pub fn stored(&self) -> Stored {
        Stored {
            domain: self.domain.clone(),
            size: Some(MachineSize {
                memory: Size(self.facts.memory_most_bytes),
                vcpus: self.facts.vcpus,
            }),
        }
    }
}

/// Something that is wrong with a domain or its images.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The domain.
    pub domain: Uuid,
    /// Which of its disks; `None` if it is about all of it.
    pub target: Option<DiskTarget>,
    /// What it is, as a sentence.
    pub text: String,
    /// What to do about it.
    pub hints: Vec<String>,
    /// Whether it hides which files the domain uses. While there is such a
    /// problem, "nobody uses this" is not known of any file.
    pub blind: bool,
}

impl Problem {
    /// It as an error, after words that say what it stands in the way of.
    fn told_after(&self, words: &str) -> Error {
        let text = self.text.trim_end_matches('.');
        let error = Error::new(Kind::Unsafe, format!("{words}{text}"));
        self.hints.iter().cloned().fold(error, Error::hint)
    }
}

/// The children of a base that libvirt does not know.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Strays {
    /// Overlays that no domain uses.
    pub paths: Vec<PathBuf>,
    /// Why there may be more, as a clause.
    pub unknown: Option<String>,
}

impl Strays {
    /// Refuses to go on where there may be more of them.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`].
    pub fn must_tell(&self, base: &Path) -> Result<()> {
        let Some(unknown) = &self.unknown else {
            return Ok(());
        };
        Err(Error::new(
            Kind::Unsafe,
            format!(
                "whether others are based on {} is not known: {unknown}",
                shown(base)
            ),
        )
        .hint("repair that file, or move it out of the directory"))
    }
}

/// What is trusted of the disks of a domain: what is of all, and the layers
/// that its XML names.
fn with_declared(hypervisor: &dyn Hypervisor, all: &Trust, facts: &DomainFacts) -> Trust {
    let mut trust = all.clone();
    if !hypervisor.is_local() {
        return trust;
    }
    for layer in facts.disks.iter().flat_map(|disk| &disk.declared) {
        // A volume that is no more is found out where it is looked for.
        if let Ok(Some(path)) = path_of(hypervisor, &layer.source) {
            trust.allow_file(path);
        }
    }
    trust
}

fn is_volume(source: &DiskSource) -> bool {
    matches!(source, DiskSource::Volume { .. })
}

/// One use of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Use {
    /// The domain, as an index into [`Usage::domains`].
    pub domain: usize,
    /// The disk of the domain.
    pub target: DiskTarget,
    /// How far below the top; 0 means the guest opens this file itself.
    pub depth: usize,
    /// Whether the guest writes to it.
    pub writes: bool,
}

/// Who uses which image file.
///
/// Read natively, from the headers: asking `qemu-img info --backing-chain` for
/// each disk takes hundreds of times as long.
#[derive(Debug, Default)]
pub struct Usage {
    /// All domains whose XML could be read.
    pub domains: Vec<KnownDomain>,
    /// What is wrong with them.
    pub problems: Vec<Problem>,
    by_file: HashMap<FileId, Vec<Use>>,
    /// Where images are: the storage pools, and what the user allows.
    dirs: Vec<PathBuf>,
    /// See [`Usage::image_dirs`]: each of a thousand guests asks for them.
    image_dirs: OnceLock<BTreeSet<PathBuf>>,
    scans: Mutex<HashMap<PathBuf, Arc<Scan>>>,
}

impl Usage {
    /// Looks at all domains of the host.
    ///
    /// # Errors
    ///
    /// If libvirt does not answer. A domain that cannot be understood is a
    /// problem, not an error.
    pub fn read(hypervisor: &dyn Hypervisor) -> Result<Self> {
        Self::read_allowing(hypervisor, &[])
    }

    /// The same where the user allows backing files in these directories too.
    ///
    /// # Errors
    ///
    /// Those of [`Usage::read`].
    pub fn read_allowing(hypervisor: &dyn Hypervisor, allowed: &[PathBuf]) -> Result<Self> {
        let all = hypervisor.domains()?;
        let texts = hypervisor.public_xml_of(&all)?;
        let mut usage = Self::default();
        // The files of another host are not looked at, so nothing is trusted there.
        let mut pools = Trust::default();
        if hypervisor.is_local() {
            usage.dirs = dirs_for(hypervisor, allowed)?;
            pools = Trust::new(&usage.dirs, std::iter::empty::<PathBuf>());
        }
        for (domain, xml) in all.into_iter().zip(texts) {
            let Some(xml) = xml else { continue };
            match domain::read(&xml) {
                Ok(facts) => usage.add(hypervisor, &pools, domain, facts),
                Err(e) => usage.problems.push(Problem {
                    domain: domain.uuid,
                    target: None,
                    text: format!("Domain '{}' cannot be understood: {e}.", domain.name),
                    hints: e.hints().to_vec(),
                    blind: true,
                }),
            }
        }
        usage.add_current(hypervisor, &pools)?;
        Ok(usage)
    }

    /// Adds the disks that active and saved domains have besides those they
    /// start with: plugged in since, or left out of the stored definition since.
    fn add_current(&mut self, hypervisor: &dyn Hypervisor, pools: &Trust) -> Result<()> {
        for (uuid, xml) in hypervisor.current_xml()? {
            let known = self.domains.iter().position(|k| k.domain.uuid == uuid);
            // One that cannot be understood is told already.
            let Some(index) = known else { continue };
            let Some(domain) = self.domains.get(index).map(|k| k.domain.clone()) else {
                continue;
            };
            let facts = match domain::read(&xml) {
                Ok(facts) => facts,
                Err(e) => {
                    self.problems.push(Problem {
                        domain: uuid,
                        target: None,
                        text: format!("What '{}' is now cannot be understood: {e}.", domain.name),
                        hints: e.hints().to_vec(),
                        blind: true,
                    });
                    continue;
                }
            };
            let trust = with_declared(hypervisor, pools, &facts);
            for disk in &facts.disks {
                let stored = self.domains.get(index).is_some_and(|known| {
                    let mut disks = known.facts.disks.iter();
                    disks.any(|d| d.target == disk.target && d.source == disk.source)
                });
                if !stored {
                    self.survey(hypervisor, &trust, index, &domain, disk);
                }
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        hypervisor: &dyn Hypervisor,
        pools: &Trust,
        domain: Domain,
        facts: DomainFacts,
    ) {
        let index = self.domains.len();
        let here = hypervisor.is_local();
        let trust = with_declared(hypervisor, pools, &facts);
        let mut all_layers = Vec::with_capacity(facts.disks.len());
        let mut exports = HashMap::new();
        for disk in &facts.disks {
            let (layers, export) = self.survey(hypervisor, &trust, index, &domain, disk);
            if let Some(export) = export {
                exports.insert(disk.target.clone(), export);
            }
            if layers.is_empty() && here {
                self.believe(index, &facts, disk);
            }
            all_layers.push(layers);
        }
        let nvram = facts.nvram.as_ref().and_then(|nvram| nvram.path.as_deref());
        let nvram = nvram.filter(|_| here).and_then(image::id_of);
        self.domains.push(KnownDomain {
            domain,
            nvram,
            facts,
            layers: all_layers,
            exports,
        });
    }

    /// Finds the layers of a disk of a domain, and remembers who uses them.
    fn survey(
        &mut self,
        hypervisor: &dyn Hypervisor,
        trust: &Trust,
        index: usize,
        domain: &Domain,
        disk: &Disk,
    ) -> (Vec<Layer>, Option<NbdExport>) {
        // The files of another host are none of this one, whatever their names.
        if !hypervisor.is_local() {
            return (Vec::new(), None);
        }
        let path = match path_of(hypervisor, &disk.source) {
            // An image of Ceph has a name for a path.
            Ok(Some(path)) if path.is_relative() && is_volume(&disk.source) => None,
            Ok(path) => path,
            Err(e) => {
                self.problem(domain, &disk.target, &e, true);
                None
            }
        };
        let Some(path) = path else {
            return (Vec::new(), None);
        };
        let survey = image::survey(&path, disk.format, &trust_of(disk, trust));
        if let Some(e) = survey.problem {
            self.problem(domain, &disk.target, &e, survey.hidden);
        }
        let files = survey.layers.iter().map(|layer| layer.file);
        // The last may not have been read, and is used all the same.
        for (depth, file) in files.chain(survey.unread).enumerate() {
            self.by_file.entry(file).or_default().push(Use {
                domain: index,
                target: disk.target.clone(),
                depth,
                writes: depth == 0 && !disk.readonly,
            });
        }
        (survey.layers, survey.export)
    }

    /// Takes the word of a domain's XML for what is below a disk that is not
    /// there: its file system may not be mounted just now.
    fn believe(&mut self, index: usize, facts: &DomainFacts, disk: &Disk) {
        let lineage = facts.lineage.iter().flat_map(|lineage| &lineage.disks);
        let made = lineage.filter(|made| made.target == disk.target);
        let declared = disk
            .declared
            .iter()
            .filter_map(|layer| match &layer.source {
                DiskSource::File(path) | DiskSource::Block(path) => Some(path),
                _ => None,
            });
        let below = made
            .flat_map(|made| made.bases.iter().map(|base| &base.path))
            .chain(declared);
        for file in below.filter_map(|path| image::id_of(path)) {
            let one = Use {
                domain: index,
                target: disk.target.clone(),
                depth: 1,
                writes: false,
            };
            let known = self.by_file.entry(file).or_default();
            if !known.contains(&one) {
                known.push(one);
            }
        }
    }

    fn problem(&mut self, domain: &Domain, target: &DiskTarget, error: &Error, blind: bool) {
        self.problems.push(Problem {
            domain: domain.uuid,
            target: Some(target.clone()),
            text: format!("Disk {target} of domain '{}': {error}.", domain.name),
            hints: error.hints().to_vec(),
            blind,
        });
    }

    /// Why it is not known who uses which file, if it is not.
    pub fn blind(&self) -> Option<&str> {
        self.problems
            .iter()
            .find(|problem| problem.blind)
            .map(|problem| problem.text.as_str())
    }

    /// Refuses to go on where nobody can tell who else uses a file, unless what
    /// hides it is `excused`: a disk that is known by other means, or that goes.
    ///
    /// # Errors
    ///
    /// [`Kind::Unsafe`], with what is to be done about the domain or image
    /// that hides it.
    pub fn must_tell(&self, path: &Path, excused: impl Fn(&Problem) -> bool) -> Result<()> {
        let mut others = self.problems.iter();
        let others = others.find(|problem| problem.blind && !excused(problem));
        let Some(problem) = others else {
            return Ok(());
        };
        let what = format!("whether others use {} is not known: ", shown(path));
        Err(problem.told_after(&what))
    }

    /// What is wrong with a disk of a domain that this file is part of.
    pub(super) fn trouble_with(&self, file: FileId) -> Option<Error> {
        let mut uses = self.of(file).iter();
        uses.find_map(|one| {
            let domain = self.domain(one)?.domain.uuid;
            let mut problems = self.problems.iter();
            let problem = problems.find(|problem| {
                problem.domain == domain && problem.target.as_ref() == Some(&one.target)
            })?;
            Some(problem.told_after(""))
        })
    }

    /// Everybody who uses this file.
    pub fn of(&self, file: FileId) -> &[Use] {
        self.by_file.get(&file).map_or(&[], Vec::as_slice)
    }

    /// What this file is as an image, by a domain that has it in a chain which
    /// was read. Of some uses no more is known than that they are.
    pub fn layer(&self, file: FileId) -> Option<&Layer> {
        self.of(file).iter().find_map(|one| {
            let mut layers = self.domain(one)?.layers.iter().flatten();
            layers.find(|layer| layer.file == file)
        })
    }

    /// A domain that has this file as a disk, below one, or as its UEFI
    /// variables.
    pub fn user_of(&self, file: FileId) -> Option<&KnownDomain> {
        let by_disk = self.of(file).first().and_then(|one| self.domain(one));
        by_disk.or_else(|| self.domains.iter().find(|known| known.nvram == Some(file)))
    }

    /// Where a domain is in [`Usage::domains`].
    pub fn index_of(&self, domain: Uuid) -> Option<usize> {
        let mut known = self.domains.iter();
        known.position(|known| known.domain.uuid == domain)
    }

    /// The domain of a use.
    pub fn domain(&self, one: &Use) -> Option<&KnownDomain> {
        self.domains.get(one.domain)
    }

    /// The names of the domains that have this file as a lower layer, sorted.
    pub fn children(&self, file: FileId) -> Vec<&str> {
        self.children_of_others(file, None)
    }

    /// The same without one domain, an index into [`Usage::domains`].
    pub fn children_of_others(&self, file: FileId, except: Option<usize>) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .of(file)
            .iter()
            .filter(|one| one.depth > 0 && Some(one.domain) != except)
            .filter_map(|one| self.domain(one))
            .map(|known| known.domain.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of the domains whose disks are overlays on this export, sorted.
    pub fn children_of_export(&self, export: &NbdExport) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .domains
            .iter()
            .filter(|known| known.exports.values().any(|below| below == export))
            .map(|known| known.domain.name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// The domains that write to this export themselves.
    pub fn writers_to(&self, export: &NbdExport) -> impl Iterator<Item = &KnownDomain> {
        self.domains.iter().filter(move |known| {
            known.facts.disks.iter().any(|disk| {
                let mine = matches!(&disk.source, DiskSource::Network(network)
                    if network.export.as_ref() == Ok(export));
                mine && !disk.readonly
            })
        })
    }

    /// The overlays that name this file as their backing file and that no domain
    /// uses: children that libvirt does not know. They are looked for in this
    /// directory, in the storage pools, and wherever domains have images.
    ///
    /// Only of the first it is told if somebody cannot be read there.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed.
    pub fn strays(&self, file: FileId, dir: &Path) -> Result<Strays> {
        let scan = self.scan(dir)?;
        let unknown = if scan.capped {
            Some(format!(
                "{} has more files than are looked at",
                dir.display()
            ))
        } else {
            scan.unread
                .first()
                .map(|(path, why)| format!("{} cannot be read: {why}", path.display()))
        };
        let mut paths = self.strays_among(&scan, file);
        let own = real(dir);
        for other in self.image_dirs().iter().filter(|other| **other != own) {
            // Whoever has no such directory has no children in it.
            if let Ok(scan) = self.scan(other) {
                paths.extend(self.strays_among(&scan, file));
            }
        }
        Ok(Strays { paths, unknown })
    }

    fn strays_among(&self, scan: &Scan, file: FileId) -> Vec<PathBuf> {
        let overlays = scan.overlays.iter();
        overlays
            .filter(|overlay| overlay.backing_file == Some(file))
            .filter(|overlay| self.of(overlay.file).is_empty())
            .map(|overlay| overlay.path.clone())
            .collect()
    }

    /// The directories that images are in, free of symbolic links: those of the
    /// storage pools, and those of all layers that domains have.
    pub fn image_dirs(&self) -> &BTreeSet<PathBuf> {
        self.image_dirs.get_or_init(|| self.find_dirs())
    }

    fn find_dirs(&self) -> BTreeSet<PathBuf> {
        let layers = self.domains.iter().flat_map(|known| known.layers.iter());
        let named: BTreeSet<&Path> = layers
            .flatten()
            .filter(|layer| !layer.block)
            .filter_map(|layer| layer.path.parent())
            .chain(self.dirs.iter().map(PathBuf::as_path))
            .collect();
        named.into_iter().map(real).collect()
    }

    /// Whether a file in a directory has a backing file.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed.
    pub fn is_overlay(&self, file: FileId, dir: &Path) -> Result<bool> {
        let scan = self.scan(dir)?;
        Ok(scan.overlays.iter().any(|overlay| overlay.file == file))
    }

    /// The overlays in a directory, as they were when it was first asked for: a
    /// thousand guests are in one, and each would be another look at them all.
    fn scan(&self, dir: &Path) -> Result<Arc<Scan>> {
        let mut scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scan) = scans.get(dir) {
            return Ok(Arc::clone(scan));
        }
        let scan = Arc::new(image::overlays_in(dir)?);
        scans.insert(dir.to_owned(), Arc::clone(&scan));
        Ok(scan)
    }
}
