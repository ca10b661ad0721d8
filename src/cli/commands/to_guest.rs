//! What the commands that change guests' files have in common.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::on_guest::{MountOption, path_text};
use crate::cli::session::{Session, batch_result};
use crate::cli::ui::{Ui, one_line};
use crate::error::{Error, Kind, Result};
use crate::guest::appliance::Key;
use crate::guest::change::Change;
use crate::model::ImageFormat;
use crate::ops::Observer as _;
use crate::ops::guest::{View, domains};
use crate::ops::write::plan::Draft;
use crate::ops::write::{Job, Writing, carry_out};

/// The guests whose files are changed.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct ToGuest {
    /// Guests, by name, UUID or id of the domain, or by a pattern such as 'web-*'; may be repeated
    #[arg(short, long, value_name = "DOMAIN", conflicts_with = "add")]
    domain: Vec<String>,

    /// An image, by its path, as the only disk of a guest
    #[arg(short, long, value_name = "IMAGE")]
    add: Option<PathBuf>,

    /// The format of an image that no domain has
    #[arg(long, value_name = "FORMAT", requires = "add")]
    format: Option<ImageFormat>,

    /// Mount this, such as /dev/sda1 or /dev/vg/home:/home, and not what the guest mounts
    #[arg(short, long, value_name = "DEVICE[:DIR]")]
    mount: Vec<MountOption>,

    /// Trust backing files in this directory too
    #[arg(long, value_name = "DIR")]
    allow_dir: Vec<PathBuf>,

    /// The key of an encrypted volume: DEVICE:file:PATH, with a device, a UUID or 'all', and '-' for standard input
    #[arg(long, value_name = "KEY")]
    key: Vec<Key>,

    /// Start libguestfs for each guest, and not once for all of them
    #[arg(long)]
    isolate: bool,

    /// Show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of a guest, for JSON.
#[derive(Serialize)]
struct Done {
    guest: String,
    changed: bool,
    dry_run: bool,
    changes: Vec<Changed>,
    left_out: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Changed {
    what: &'static str,
    path: String,
    path_hex: Option<String>,
}

/// A guest for which it is known what is to be changed.
struct Drafted<'a> {
    job: Job<'a>,
    left_out: Vec<PathBuf>,
}

/// What is drafted for each guest.
pub(super) trait Plan {
    /// Which guests are meant if none is named.
    fn guests(&self) -> Vec<String> {
        Vec::new()
    }

    /// Looks at the names of the guests before anything is changed.
    fn begin(&mut self, _guests: &[String]) -> Result<()> {
        Ok(())
    }

    /// Drafts the changes of one.
    fn draft(&mut self, writing: &Writing<'_>, draft: &mut Draft<'_>) -> Result<()>;

    /// Does what is to be done when those of a guest are made, the one that was
    /// drafted as this, from 0 on.
    fn done(&mut self, _number: usize) -> Result<()> {
        Ok(())
    }
}

/// What is to be changed, whichever guest it is in.
pub(in crate::cli) trait Drafts {
    /// Drafts it.
    fn draft(&self, draft: &mut Draft<'_>) -> Result<()>;
}

impl<F: FnMut(&Writing<'_>, &mut Draft<'_>) -> Result<()>> Plan for F {
    fn draft(&mut self, writing: &Writing<'_>, draft: &mut Draft<'_>) -> Result<()> {
        self(writing, draft)
    }
}

impl ToGuest {
    /// Changes all guests, with one start of libguestfs if they can share it, and
    /// goes on with the others when it fails for one.
    pub(super) fn each(&self, ui: &Ui, session: &Session<'_>, plan: &mut dyn Plan) -> Result<()> {
        let view = View {
            mounts: self.mount.iter().map(MountOption::pair).collect(),
            allow_dirs: self.allow_dir.clone(),
            keys: self.key.clone(),
            interrupt: session.interrupt().clone(),
            ..View::default()
        };
        let named = match self.domain.as_slice() {
            [] => plan.guests(),
            named => named.to_vec(),
        };
        if named.is_empty() && self.add.is_none() {
            return Err(Error::new(Kind::Usage, "no guest is named")
                .hint("name a domain: `-d NAME`; or an image: `-a IMAGE --format qcow2`"));
        }
        let hypervisor = session.connect_unless(self.dry_run)?;
        let host = session.host(&hypervisor);
        if let Some(image) = &self.add {
            let writing = Writing::of_image(host, image.clone(), self.format, &view)?;
            plan.begin(std::slice::from_ref(&writing.name))?;
            let drafted = self.draft(ui, session, writing, plan)?;
            let mut failed = Vec::new();
            let done = self.carry_out(ui, vec![drafted], plan, &mut failed);
            return match failed.pop() {
                Some((_, error)) => Err(error),
                None => self.tell(ui, &done),
            };
        }
        let mut failed = Vec::new();
        let mut drafts = Vec::new();
        let domains = domains(host.hypervisor, &named)?;
        let names: Vec<String> = domains.iter().map(|domain| domain.name.clone()).collect();
        plan.begin(&names)?;
        for domain in domains {
            session.check()?;
            let writing = Writing::of_domain(host, &domain, &view);
            match writing.and_then(|writing| self.draft(ui, session, writing, plan)) {
                Ok(drafted) => drafts.push(drafted),
                Err(error) => failed.push((domain.name, error)),
            }
        }
        let done = self.carry_out(ui, drafts, plan, &mut failed);
        self.tell(ui, &done)?;
        batch_result(failed, done.len(), "changed")
    }

    /// Makes the same changes in each guest.
    pub(super) fn change(&self, ui: &Ui, session: &Session<'_>, what: &dyn Drafts) -> Result<()> {
        let mut plan = |_: &Writing<'_>, draft: &mut Draft<'_>| what.draft(draft);
        self.each(ui, session, &mut plan)
    }

    fn draft<'a>(
        &self,
        ui: &Ui,
        session: &Session<'_>,
        writing: Writing<'a>,
        plan: &mut dyn Plan,
    ) -> Result<Drafted<'a>> {
        say(ui, session, &writing);
        let mut draft = Draft::new(&writing);
        plan.draft(&writing, &mut draft)?;
        let (changes, left_out) = draft.finish();
        warn_of_left_out(ui, &left_out);
        let held = writing.close();
        Ok(Drafted {
            job: Job { held, changes },
            left_out,
        })
    }

    /// Makes the changes, and returns what is done.
    fn carry_out(
        &self,
        ui: &Ui,
        drafts: Vec<Drafted<'_>>,
        plan: &mut dyn Plan,
        failed: &mut Vec<(String, Error)>,
    ) -> Vec<Done> {
        let (jobs, left_out): (Vec<_>, Vec<_>) = drafts
            .into_iter()
            .map(|one| (one.job, one.left_out))
            .unzip();
        let results = match self.dry_run {
            true => jobs.iter().map(|_| Ok(())).collect(),
            false => carry_out(&jobs, self.isolate),
        };
        let mut all = Vec::new();
        let each = jobs.into_iter().zip(left_out).zip(results).enumerate();
        for (number, ((Job { held, changes }, left_out), result)) in each {
            let guest = held.name().to_owned();
            // From here on it can be started.
            drop(held);
            let result = result.and_then(|()| match self.dry_run {
                true => Ok(()),
                false => {
                    ui.status(&said(&guest, &changes));
                    plan.done(number)
                }
            });
            match result {
                Ok(()) => all.push(Done {
                    guest,
                    changed: !self.dry_run && !changes.is_empty(),
                    dry_run: self.dry_run,
                    changes: changes.iter().map(changed).collect(),
                    left_out,
                }),
                Err(error) => failed.push((guest, error)),
            }
        }
        all
    }

    fn tell(&self, ui: &Ui, all: &[Done]) -> Result<()> {
        let mut text = String::new();
        for done in all.iter().filter(|done| done.dry_run) {
            for change in &done.changes {
                let line = format!("{}: {} {}", done.guest, change.what, change.path);
                text.push_str(&one_line(&line));
                text.push('\n');
            }
        }
        ui.result(&text, &all)
    }

    /// Whether it is one image, and no domain.
    pub(super) fn is_image(&self) -> bool {
        self.add.is_some()
    }

    /// Whether nothing is to be changed.
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

/// Says what there is to say of a guest.
pub(super) fn say(ui: &Ui, session: &Session<'_>, writing: &Writing<'_>) {
    for warning in &writing.warnings {
        ui.warning(warning);
    }
    if session.is_verbose() {
        writing.details.iter().for_each(|detail| ui.note(detail));
    }
}

/// Says how much of the host is not copied.
pub(in crate::cli) fn warn_of_left_out(ui: &Ui, left_out: &[PathBuf]) {
    if !left_out.is_empty() {
        ui.warning(&format!(
            "{} devices, pipes or sockets are not copied.",
            left_out.len()
        ));
    }
}

fn changed(change: &Change) -> Changed {
    let (path, path_hex) = path_text(&change.subject().path);
    Changed {
        what: change.word(),
        path,
        path_hex,
    }
}

fn said(guest: &str, changes: &[Change]) -> String {
    match changes {
        [] => format!("Nothing is to be changed in '{guest}'."),
        [one] => format!("Done in '{guest}': {one}."),
        all => format!("Done in '{guest}': {} changes.", all.len()),
    }
}

/// A path in the guest, as the user typed it.
pub(super) fn paths(paths: &[String]) -> impl Iterator<Item = &[u8]> {
    paths.iter().map(String::as_bytes)
}
