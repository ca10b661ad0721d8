//! The XML of one clone.

use std::time::SystemTime;

use super::network::Origin;
use super::plan::{Plan, PlannedClone, PlannedDisk};
use crate::error::Result;
use crate::model::{
    BaseIdentity, BaseRecord, DiskSource, ImageFormat, Layer, Lineage, LineageDisk,
};
use crate::ops::blueprint::{Blueprint, Guest};
use crate::ops::images::declared;
use crate::xml::domain::{
    BackingLayer, CloneSpec, HostdevRule, NewDisk, Rewriter, Rewritten, without_secrets,
};

/// Renders the clones of one plan.
pub(super) struct Renderer<'a> {
    plan: &'a Plan,
    identities: &'a [BaseIdentity],
    text: Text<'a>,
    time: String,
}

/// What the XML of the clones is made of.
#[derive(Debug)]
enum Text<'a> {
    /// The XML of the golden domain.
    Golden(Box<Rewriter<'a>>),
    /// A template.
    Blueprint(&'a Blueprint),
}

impl<'a> Renderer<'a> {
    /// Reads the XML of the golden domain once for all clones. `identities`
    /// says what the bases look like, in the order of [`Plan::bases`].
    pub(super) fn new(plan: &'a Plan, identities: &'a [BaseIdentity]) -> Result<Self> {
        Ok(Self {
            plan,
            identities,
            text: match &plan.blueprint {
                Some(blueprint) => Text::Blueprint(blueprint),
                None => Text::Golden(Box::new(Rewriter::new(plan.xml.expose())?)),
            },
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        })
    }

    /// The XML of one clone, and what there is to say about it.
    pub(super) fn render(&self, clone: &PlannedClone) -> Result<Rewritten> {
        let disks: Vec<NewDisk> = clone.disks.iter().map(|disk| self.disk(disk)).collect();
        let lineage = self.lineage(clone);
        let spec = CloneSpec {
            name: &clone.name,
            uuid: clone.uuid,
            genid: clone.genid,
            macs: &clone.macs,
            disks: &disks,
            nvram: clone.nvram.as_ref().map(|nvram| nvram.path.as_path()),
            hostdevs: if self.plan.keep_hostdevs {
                HostdevRule::Keep
            } else {
                HostdevRule::Drop
            },
            tpm_copied: clone.tpm.is_some(),
            seed: clone.guest.seed.as_ref().map(|seed| seed.path.as_path()),
            smbios: clone.guest.smbios.as_ref(),
            lineage: &lineage,
        };
        match &self.text {
            Text::Golden(rewriter) => rewriter.rewrite(&spec),
            Text::Blueprint(blueprint) => self.complete(blueprint, clone, &spec),
        }
    }

    /// The XML that a template makes, with what no template knows of: the chains
    /// of the disks, and the lineage.
    fn complete(
        &self,
        blueprint: &Blueprint,
        clone: &PlannedClone,
        spec: &CloneSpec<'_>,
    ) -> Result<Rewritten> {
        let images: Vec<_> = clone
            .disks
            .iter()
            .map(|disk| (disk.target.clone(), disk.xml_source.clone(), disk.format))
            .collect();
        let xml = blueprint.render(&Guest {
            name: &clone.name,
            uuid: clone.uuid,
            macs: &clone.macs,
            images: &images,
        })?;
        let mut completed = Rewriter::new(xml.expose())?.complete(spec)?;
        if !self.plan.secrets {
            completed.xml = without_secrets(&completed.xml)?;
        }
        Ok(completed)
    }

    fn disk(&self, disk: &PlannedDisk) -> NewDisk {
        let mut backing = Vec::new();
        if self.plan.linked() {
            let layers = disk.source.chain().into_iter().flat_map(|c| c.layers());
            backing.extend(layers.map(|layer| self.backing(layer)));
            backing.extend(disk.source.export().map(|export| BackingLayer {
                source: DiskSource::Network(export.clone().into()),
                format: ImageFormat::Raw,
                keep_owner: false,
            }));
        }
        NewDisk {
            target: disk.target.clone(),
            source: disk.xml_source.clone(),
            format: disk.format,
            backing,
            chain_known: true,
        }
    }

    fn backing(&self, layer: &Layer) -> BackingLayer {
        let sealed = self
            .plan
            .bases
            .iter()
            .any(|base| base.seal && base.path == layer.path);
        declared(layer, sealed || self.plan.site.readable_by_all(layer))
    }

    fn lineage(&self, clone: &PlannedClone) -> Lineage {
        // The nearest as it looks after sealing, and what is below it.
        let records = |disk: &PlannedDisk| -> Vec<BaseRecord> {
            let Some(top) = disk.source.chain().map(|chain| chain.top()) else {
                return Vec::new();
            };
            let mut bases = self.plan.bases.iter().zip(self.identities);
            let Some((base, identity)) = bases.find(|(base, _)| base.path == top.path) else {
                return Vec::new();
            };
            let nearest = BaseRecord {
                path: base.path.clone(),
                format: top.format,
                identity: identity.clone(),
            };
            std::iter::once(nearest)
                .chain(base.below.iter().cloned())
                .collect()
        };
        Lineage {
            golden_name: self.plan.golden_name.clone(),
            golden_uuid: self.plan.golden_uuid,
            time: self.time.clone(),
            mode: self.plan.mode,
            disks: clone
                .disks
                .iter()
                .map(|disk| LineageDisk {
                    target: disk.target.clone(),
                    path: disk.path.clone(),
                    bases: if self.plan.linked() {
                        records(disk)
                    } else {
                        Vec::new()
                    },
                    export: match &disk.source {
                        Origin::Export { export, .. } if self.plan.linked() => Some(export.uri()),
                        _ => None,
                    },
                })
                .collect(),
            files: {
                let nvram = clone.nvram.iter().map(|nvram| nvram.path.clone());
                let seed = clone.guest.seed.iter().map(|seed| seed.path.clone());
                nvram.chain(seed).collect()
            },
            reservations: clone.reservations.clone(),
        }
    }
}
