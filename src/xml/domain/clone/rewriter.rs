//! One golden domain, many clones.

use super::names::Names;
use super::spec::{CloneSpec, Note, NoteKind, Rewritten};
use super::{
    chardevs, devices, disks, firmware, graphics, identity, metadata, nics, report, seed, smbios,
};
use crate::error::Result;
use crate::model::Lineage;
use crate::xml::domain::facts::DomainFacts;
use crate::xml::domain::read;
use crate::xml::span::{Document, Node};
use crate::xml::splice::Edits;

/// Makes the XML of one clone out of that of a golden domain.
///
/// For many clones of one domain, a [`Rewriter`] reads the XML only once.
///
/// # Errors
///
/// Those of [`Rewriter::new`] and [`Rewriter::rewrite`].
pub fn rewrite(xml: &str, spec: &CloneSpec<'_>) -> Result<Rewritten> {
    Rewriter::new(xml)?.rewrite(spec)
}

/// The XML of a golden domain, read once and ready to be rewritten often.
///
/// The XML must be the inactive one *with* secrets: without them, the
/// passwords of screens silently vanish and clones listen open.
#[derive(Debug)]
pub struct Rewriter<'a> {
    document: Document<'a>,
    facts: DomainFacts,
}

impl<'a> Rewriter<'a> {
    /// Reads the XML of a golden domain.
    ///
    /// # Errors
    ///
    /// Those of [`read`](crate::xml::domain::read()).
    pub fn new(xml: &'a str) -> Result<Self> {
        let document = Document::parse(xml, "domain")?;
        let facts = read::facts(read::root(&document)?)?;
        Ok(Self { document, facts })
    }

    /// What the XML says about the golden domain.
    pub fn facts(&self) -> &DomainFacts {
        &self.facts
    }

    /// Makes the XML of a clone. Bytes that do not have to change do not.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`](crate::error::Kind::Usage) if a path or name cannot be
    /// put into XML, or there are fewer addresses than network interfaces;
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if there is no such
    /// disk; [`Kind::WrongState`](crate::error::Kind::WrongState) if a disk is
    /// encrypted, or there is no copy of the UEFI variables.
    pub fn rewrite(&self, spec: &CloneSpec<'_>) -> Result<Rewritten> {
        let domain = read::root(&self.document)?;
        let mut work = self.work(spec);
        identity::rewrite(&mut work, domain)?;
        smbios::rewrite(&mut work, domain)?;
        metadata::rewrite(&mut work, domain)?;
        firmware::rewrite(&mut work, domain)?;
        if let Some(all) = domain.child("devices") {
            disks::rewrite(&mut work, all)?;
            seed::rewrite(&mut work, all)?;
            nics::rewrite(&mut work, all)?;
            graphics::rewrite(&mut work, all);
            chardevs::rewrite(&mut work, all);
            devices::rewrite(&mut work, all);
        }
        report::look(&mut work, domain);
        Ok(work.done(self.document.text()))
    }

    /// Adds what the author of the XML could not know, where the XML was made for
    /// this very domain: the chains of its disks, what it is told about itself, and
    /// its lineage.
    ///
    /// # Errors
    ///
    /// Those of [`Rewriter::rewrite`].
    pub fn complete(&self, spec: &CloneSpec<'_>) -> Result<Rewritten> {
        let domain = read::root(&self.document)?;
        let mut work = self.work(spec);
        smbios::rewrite(&mut work, domain)?;
        // Where nothing was made for it, there is nothing to know later.
        let Lineage {
            disks,
            files,
            reservations,
            ..
        } = spec.lineage;
        if !(disks.is_empty() && files.is_empty() && reservations.is_empty()) {
            metadata::rewrite(&mut work, domain)?;
        }
        if let Some(all) = domain.child("devices") {
            disks::rewrite(&mut work, all)?;
            seed::rewrite(&mut work, all)?;
        }
        // Notes compare with a golden domain, and there is none.
        work.notes.clear();
        Ok(work.done(self.document.text()))
    }

    fn work<'w>(&'w self, spec: &'w CloneSpec<'w>) -> Work<'w> {
        Work {
            text: self.document.text(),
            facts: &self.facts,
            spec,
            names: Names::new(&self.facts, spec),
            edits: Edits::default(),
            notes: Vec::new(),
        }
    }
}

/// What the subjects share while one clone is being thought through.
pub(super) struct Work<'w> {
    /// The XML of the golden domain.
    pub(super) text: &'w str,
    pub(super) facts: &'w DomainFacts,
    pub(super) spec: &'w CloneSpec<'w>,
    pub(super) names: Names<'w>,
    pub(super) edits: Edits,
    notes: Vec<Note>,
}

impl Work<'_> {
    fn done(self, text: &str) -> Rewritten {
        Rewritten {
            xml: self.edits.apply(text),
            notes: self.notes,
        }
    }

    /// Tells the user something, once: a console is often written down twice,
    /// as `<serial>` and as `<console>`.
    pub(super) fn note(&mut self, kind: NoteKind, message: impl Into<String>) {
        let note = Note {
            kind,
            message: message.into(),
        };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Removes an element.
    pub(super) fn remove(&mut self, node: Node<'_, '_>) {
        self.edits.remove(node, self.text);
    }
}
