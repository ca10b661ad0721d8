//! What a command works with, opened when it first asks for it.

use super::GlobalArgs;
use super::connect::connect;
use super::fleet::{Failures, Fleet};
use super::hosts::{self, HostName};
use super::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::hypervisor::{Connection, Hypervisor};
use crate::interrupt::Interrupt;
use crate::ops::build::Workshop;
use crate::ops::doctor::{Finding, examine};
use crate::ops::recover::{Recovered, Recovery, recover};
use crate::ops::{Host, Observer as _};
use crate::store::{Holder, Store};

/// What a command works with.
pub(super) struct Session<'a> {
    ui: &'a Ui,
    /// At least one.
    hosts: Vec<HostName>,
    store: Store,
    interrupt: Interrupt,
    verbose: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(ui: &'a Ui, global: &GlobalArgs) -> Result<Self> {
        Ok(Self {
            ui,
            hosts: hosts::meant(&global.connect, &global.host)?,
            store: Store::of_user()?,
            interrupt: Interrupt::watch()?,
            verbose: global.verbose > 0,
        })
    }

    /// Connects to libvirt. Commands that do not need it do not call this, so
    /// that they work without a daemon. Says so if an earlier run left work
    /// unfinished.
    pub(super) fn connect(&self) -> Result<Connection> {
        let libvirt = connect(self.only_host()?)?;
        self.mention_unfinished();
        Ok(libvirt)
    }

    /// Connects to all hosts that are meant, for a command that can be about
    /// several.
    pub(super) fn fleet(&'a self) -> Result<Fleet<'a>> {
        let fleet = Fleet::open(self, &self.hosts)?;
        self.mention_unfinished();
        Ok(fleet)
    }

    /// Connects to the hosts that these words mean: hosts and groups of `hosts.toml`,
    /// and URIs.
    pub(super) fn fleet_of(&'a self, words: &[String]) -> Result<Fleet<'a>> {
        let (uris, names): (Vec<String>, Vec<String>) =
            words.iter().cloned().partition(|word| word.contains("://"));
        Fleet::open(self, &hosts::meant(&uris, &names)?)
    }

    /// The same for one that changes disks, as [`Self::connect_to_change`].
    pub(super) fn fleet_to_change(&'a self) -> Result<Fleet<'a>> {
        let fleet = Fleet::open(self, &self.hosts)?;
        fleet.each_first(|libvirt| self.recover_on(libvirt))?;
        Ok(fleet)
    }

    /// The same: to change disks, unless it is only told what would be changed.
    pub(super) fn fleet_unless(&'a self, only_told: bool) -> Result<Fleet<'a>> {
        match only_told {
            true => self.fleet(),
            false => self.fleet_to_change(),
        }
    }

    /// The same for one that is about domains of one host.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if several hosts are meant.
    pub(super) fn one_to_change(&'a self) -> Result<Fleet<'a>> {
        self.only_host()?;
        self.fleet_to_change()
    }

    /// The URI of the only host that is meant, if it has one.
    fn only_host(&self) -> Result<Option<&str>> {
        match self.hosts.as_slice() {
            [host] => Ok(host.uri.as_deref()),
            several => Err(one_host(several.len())),
        }
    }

    /// Connects to libvirt for a command that changes disks: what an earlier
    /// run left behind is finished or taken back first.
    pub(super) fn connect_to_change(&self) -> Result<Connection> {
        let libvirt = connect(self.only_host()?)?;
        self.recover_on(&libvirt)?;
        Ok(libvirt)
    }

    fn recover_on(&self, libvirt: &Connection) -> Result<()> {
        self.recover_between(&[libvirt.uri()])
    }

    /// Finishes or takes back first what an earlier run left behind on several hosts
    /// that have to do with each other.
    pub(super) fn recover_between(&self, uris: &[&str]) -> Result<()> {
        if self.store.count_journals() > 0 {
            for recovered in self.recover_where(&|other| uris.contains(&other))? {
                self.say(&recovered);
            }
        }
        Ok(())
    }

    /// Connects to libvirt: to change disks, unless it is only told what would be
    /// changed.
    pub(super) fn connect_unless(&self, only_told: bool) -> Result<Connection> {
        match only_told {
            true => self.connect(),
            false => self.connect_to_change(),
        }
    }

    /// What images are made with, where no domain is concerned.
    pub(super) fn workshop(&self) -> Workshop<'_> {
        Workshop {
            store: &self.store,
            interrupt: &self.interrupt,
            observer: self.ui,
        }
    }

    /// Recovers what was left behind and is about no domain, without a connection.
    pub(super) fn recover_apart(&self) -> Result<()> {
        if self.store.count_journals() > 0 {
            for recovered in self.recover_where(&|_| false)? {
                self.say(&recovered);
            }
        }
        Ok(())
    }

    /// Looks at everything that vmkin needs, libvirt reachable or not.
    pub(super) fn examine(&self) -> Vec<Finding> {
        let libvirt = self
            .only_host()
            .and_then(connect)
            .map(|libvirt| Box::new(libvirt) as Box<dyn Hypervisor>);
        examine(&libvirt, &self.store)
    }

    /// What is remembered between runs.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the user wants to know more than the result.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether the user wants to stop.
    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Stops if the user wants to.
    pub(super) fn check(&self) -> Result<()> {
        self.interrupt.check()
    }

    fn mention_unfinished(&self) {
        if self.store.count_journals() == 0 {
            return;
        }
        match self.store.survey() {
            Ok(all) => {
                for found in all {
                    if matches!(found.holder, Holder::Us(_)) {
                        self.ui.warning(&format!(
                            "An earlier vmkin (pid {}) was interrupted and left work unfinished; \
                             `vmkin recover` takes care of it.",
                            found.begun.pid
                        ));
                    }
                }
            }
            Err(e) => self.ui.warning(&format!("{e}.")),
        }
    }

    /// Where the lines are kept that a user has typed.
    pub(super) fn shell_history(&self) -> Result<std::path::PathBuf> {
        self.store.shell_history()
    }

    /// Recovers what was left behind on the connections that `wanted` accepts.
    pub(super) fn recover_where(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Recovered>> {
        recover(&Recovery {
            store: &self.store,
            interrupt: &self.interrupt,
            observer: self.ui,
            connect: &|uri| {
                if !wanted(uri) {
                    return Ok(None);
                }
                let libvirt = connect(Some(uri))?;
                Ok(Some(Box::new(libvirt)))
            },
        })
    }

    /// Says what was recovered.
    pub(super) fn say(&self, recovered: &Recovered) {
        self.ui.status(&format!(
            "Recovered from {} (begun by pid {}). {}",
            recovered.what, recovered.pid, recovered.result
        ));
    }

    /// What operations on this connection work with.
    pub(super) fn host<'b>(&'b self, hypervisor: &'b dyn Hypervisor) -> Host<'b> {
        Host {
            hypervisor,
            store: &self.store,
            interrupt: &self.interrupt,
            observer: self.ui,
        }
    }
}

/// The error for a command that is about one host, where so many are meant.
pub(super) fn one_host(meant: usize) -> Error {
    Error::new(
        Kind::Usage,
        format!("this command is about one host, and {meant} are meant"),
    )
    .hint("name one: `-c URI` or `--host NAME`")
}

/// The error for a batch of domains of which these failed, if any did.
pub(super) fn batch_result(failed: Failures, done: usize, what: &str) -> Result<()> {
    batch_of("domains", failed, done, what)
}

/// The error for a batch of which these are refused, if any is, and for which `others`
/// were not begun either: none of them is done, whatever else could have been.
pub(super) fn refused_before(failed: Failures, others: usize, what: &str) -> Result<()> {
    let Some(kind) = failed.first().map(|(_, error)| error.kind()) else {
        return Ok(());
    };
    if others == 0 {
        return batch_result(failed, 0, what);
    }
    let total = others + failed.len();
    let message = format!(
        "none of {total} domains was {what}: {} of them cannot be",
        failed.len()
    );
    Err(listed(Error::new(kind, message), &failed))
}

/// The same for a batch of other things.
pub(super) fn batch_of(things: &str, mut failed: Failures, done: usize, what: &str) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let total = done + failed.len();
    if total == 1 {
        if let Some((_, error)) = failed.pop() {
            return Err(error);
        }
    }
    let mut kinds = failed.iter().map(|(_, error)| error.kind());
    let same = kinds
        .clone()
        .next()
        .filter(|first| done == 0 && kinds.clone().all(|kind| kind == *first));
    // That there is something to recover must not be lost among the others.
    let left = kinds.find(|kind| *kind == Kind::NotUndone);
    let error = Error::new(
        left.or(same).unwrap_or(Kind::Partial),
        format!("{} of {total} {things} could not be {what}", failed.len()),
    );
    Err(listed(error, &failed))
}

/// With what became of each, and what to do about it.
fn listed(mut error: Error, failed: &[(String, Error)]) -> Error {
    for (name, cause) in failed {
        error = error.part(format!("{name}: {cause}"));
        for hint in cause.hints() {
            error = error.hint(hint.clone());
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_recovered_is_told_by_the_exit_code_of_a_batch() {
        let batch = |kinds: &[Kind], done| {
            let failed = kinds.iter().map(|kind| {
                let error = Error::new(*kind, "no");
                ("d".to_owned(), error)
            });
            batch_result(failed.collect(), done, "reset").map_err(|e| e.kind())
        };
        assert_eq!(batch(&[], 2), Ok(()));
        assert_eq!(batch(&[Kind::Busy], 0), Err(Kind::Busy));
        assert_eq!(batch(&[Kind::Busy, Kind::Busy], 0), Err(Kind::Busy));
        assert_eq!(batch(&[Kind::Busy, Kind::Unsafe], 0), Err(Kind::Partial));
        assert_eq!(batch(&[Kind::Busy], 1), Err(Kind::Partial));
        assert_eq!(
            batch(&[Kind::Busy, Kind::NotUndone], 1),
            Err(Kind::NotUndone)
        );
    }
}
