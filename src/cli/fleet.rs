//! The hosts that a command is about, connected to, and what is done on all of them
//! at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde::Serialize;

use super::connect::{connect, connect_unasked};
use super::hosts::HostName;
use super::session::{Session, batch_of, batch_result, one_host, refused_before};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Connection;
use crate::model::{Domain, DomainRef, Glob};
use crate::ops::Host;
use crate::ops::guest::domains_of_each;

/// How many hosts are connected to at once. Each may be an ssh, and of a hundred of
/// these started at once the last would have used up its patience on a small machine.
const AT_ONCE: usize = 32;

/// What there is of one host.
#[derive(Debug, Serialize)]
pub(super) struct Of<T> {
    /// Which host, where there are several.
    pub(super) host: Option<String>,
    #[serde(skip)]
    at: usize,
    #[serde(flatten)]
    pub(super) what: T,
}

impl<T> Of<T> {
    /// A name, with that of the host where there are several.
    pub(super) fn shown(&self, name: &str) -> String {
        shown(self.host.as_deref(), name)
    }

    /// A sentence, with the name of the host before it where there are several.
    pub(super) fn said(&self, sentence: &str) -> String {
        match &self.host {
            Some(host) => format!("{host}: {sentence}"),
            None => sentence.to_owned(),
        }
    }

    /// Whether it is of the same host as another thing.
    pub(super) fn is_beside<U>(&self, other: &Of<U>) -> bool {
        self.at == other.at
    }

    /// Something else of the same host.
    pub(super) fn with<U>(&self, what: U) -> Of<U> {
        Of {
            host: self.host.clone(),
            at: self.at,
            what,
        }
    }
}

impl Of<Domain> {
    /// Whether it is the same domain: named twice, by its name and by its UUID.
    fn is(&self, other: &Self) -> bool {
        self.is_beside(other) && self.what.uuid == other.what.uuid
    }
}

impl<T> Of<Vec<T>> {
    /// Each by itself.
    pub(super) fn each(self) -> Vec<Of<T>> {
        let Self { host, at, what } = self;
        let each = what.into_iter().map(|what| Of {
            host: host.clone(),
            at,
            what,
        });
        each.collect()
    }
}

/// A host on which something is done, and its name, where there are several.
#[derive(Clone, Copy)]
pub(super) struct At<'f> {
    pub(super) host: Host<'f>,
    name: Option<&'f str>,
}

impl At<'_> {
    /// A name, with that of the host where there are several.
    pub(super) fn shown(&self, name: &str) -> String {
        shown(self.name, name)
    }
}

/// What has failed, and whose it is.
type Failure = (String, Error);

/// The same of several.
pub(super) type Failures = Vec<Failure>;

/// Something, and where in the order of what was typed it stands.
type Turn<T> = (usize, T);

/// A host that answers.
struct Member {
    name: Option<String>,
    connection: Connection,
}

/// The hosts that a command is about.
pub(super) struct Fleet<'s> {
    session: &'s Session<'s>,
    members: Vec<Member>,
    /// Those that do not answer.
    lost: Failures,
}

impl<'s> Fleet<'s> {
    /// Connects to all of them.
    ///
    /// # Errors
    ///
    /// If none of them answers. That only some do is told at the end.
    pub(super) fn open(session: &'s Session<'s>, hosts: &[HostName]) -> Result<Self> {
        let mut fleet = Self {
            session,
            members: Vec::new(),
            lost: Vec::new(),
        };
        if let [host] = hosts {
            fleet.members.push(Member {
                name: None,
                connection: connect(host.uri.as_deref())?,
            });
            return Ok(fleet);
        }
        for (host, answer) in hosts.iter().zip(open_all(hosts)) {
            match answer {
                Ok(connection) => fleet.members.push(Member {
                    name: Some(host.name.clone()),
                    connection,
                }),
                Err(error) => fleet.lost.push((host.name.clone(), error)),
            }
        }
        if fleet.members.is_empty() {
            batch_of("hosts", std::mem::take(&mut fleet.lost), 0, "asked")?;
        }
        Ok(fleet)
    }

    /// Whether there is one host, which needs no name.
    pub(super) fn is_one(&self) -> bool {
        self.members.iter().all(|member| member.name.is_none())
    }

    /// The host, where one was named and it answers.
    pub(super) fn only(&self) -> Option<Host<'_>> {
        match self.members.as_slice() {
            [one] if one.name.is_none() => Some(self.at(one).host),
            _ => None,
        }
    }

    fn at<'f>(&'f self, member: &'f Member) -> At<'f> {
        At {
            host: self.session.host(&member.connection),
            name: member.name.as_deref(),
        }
    }

    /// Asks all hosts at once. What they have comes in the order of the hosts.
    ///
    /// # Errors
    ///
    /// Where there is one host, its own; of several, [`Self::verdict`] says which
    /// failed.
    pub(super) fn ask<T: Send>(
        &self,
        ask: impl Fn(Host<'_>) -> Result<T> + Sync,
    ) -> Result<(Vec<Of<T>>, Failures)> {
        self.on_each(|at| ask(at.host))
    }

    /// The same for what says the names of the hosts meanwhile.
    pub(super) fn on_each<T: Send>(
        &self,
        act: impl Fn(At<'_>) -> Result<T> + Sync,
    ) -> Result<(Vec<Of<T>>, Failures)> {
        let all = (0..self.members.len()).map(|at| (at, ())).collect();
        let (found, mut failed) = self.at_once(all, |at, ()| act(at));
        match self.own_error(&mut failed) {
            Some(error) => Err(error),
            None => Ok((found, failed)),
        }
    }

    /// Why it failed, where there is one host and it did: then that is all there is to
    /// say.
    fn own_error(&self, failed: &mut Failures) -> Option<Error> {
        let (_, error) = failed.pop_if(|_| self.is_one())?;
        Some(error)
    }

    /// What to end with where so many hosts have answered and these have not.
    pub(super) fn verdict(mut self, answered: usize, mut failed: Failures) -> Result<()> {
        failed.append(&mut self.lost);
        batch_of("hosts", failed, answered, "asked")
    }

    /// Lets each connection be used once before anything else is done.
    pub(super) fn each_first(&self, first: impl Fn(&Connection) -> Result<()>) -> Result<()> {
        self.members
            .iter()
            .try_for_each(|member| first(&member.connection))
    }

    /// Does something with each of these domains, at once on different hosts, and
    /// goes on when one fails. `prepare` looks once at each host that has one of
    /// them; `what` is what is done, as in "could not be started".
    ///
    /// The error is the domain's own if there is one domain; of several, which
    /// failed and why: [`Kind::Partial`] if some did not. What was done comes with
    /// it.
    pub(super) fn each<C, T: Send>(
        &self,
        named: &[DomainRef],
        what: &str,
        prepare: impl Fn(Host<'_>) -> Result<C> + Sync,
        act: impl Fn(At<'_>, &C, &Domain) -> Result<T> + Sync,
    ) -> (Vec<Of<T>>, Result<()>) {
        let end = |failed, done| batch_result(failed, done, what);
        self.each_to_end(named, prepare, act, end)
    }

    /// The same where it is only thought through what is to be done, and nothing is
    /// done of it if one of them is refused.
    pub(super) fn plan_each<C, T: Send>(
        &self,
        named: &[DomainRef],
        what: &str,
        prepare: impl Fn(Host<'_>) -> Result<C> + Sync,
        act: impl Fn(At<'_>, &C, &Domain) -> Result<T> + Sync,
    ) -> (Vec<Of<T>>, Result<()>) {
        let end = |failed, planned| refused_before(failed, planned, what);
        self.each_to_end(named, prepare, act, end)
    }

    /// The same, and `end` says what comes of those that failed and so many that did
    /// not.
    fn each_to_end<C, T: Send>(
        &self,
        named: &[DomainRef],
        prepare: impl Fn(Host<'_>) -> Result<C> + Sync,
        act: impl Fn(At<'_>, &C, &Domain) -> Result<T> + Sync,
        end: impl FnOnce(Failures, usize) -> Result<()>,
    ) -> (Vec<Of<T>>, Result<()>) {
        let (found, mut failed) = self.find(named);
        let work = by_host(found.into_iter().map(|(turn, of)| (of.at, (turn, of.what))));
        let (results, mut unprepared) = self.at_once(work, |at, own| {
            let known = prepare(at.host)?;
            let act = |(turn, domain): (usize, Domain)| {
                let result = at.host.interrupt.check();
                let result = result.and_then(|()| act(at, &known, &domain));
                (turn, domain.name, result)
            };
            Ok(own.into_iter().map(act).collect::<Vec<_>>())
        });
        if let Some(error) = self.own_error(&mut unprepared) {
            return (Vec::new(), Err(error));
        }
        let mut done = Vec::new();
        for one in results.into_iter().flat_map(Of::each) {
            let of = one.with(());
            let (turn, name, result) = one.what;
            match result {
                Ok(what) => done.push((turn, of.with(what))),
                Err(error) => failed.push((turn, (of.shown(&name), error))),
            }
        }
        // In the order in which they were named, whichever was faster.
        done.sort_by_key(|(turn, _)| *turn);
        failed.sort_by_key(|(turn, _)| *turn);
        let done: Vec<Of<T>> = done.into_iter().map(|(_, of)| of).collect();
        let mut failed: Failures = failed
            .into_iter()
            .map(|(_, failed)| failed)
            .chain(unprepared)
            .collect();
        let stops = [Kind::Interrupted, Kind::Terminated];
        let stopped = failed
            .iter()
            .position(|(_, error)| stops.contains(&error.kind()));
        let result = match stopped {
            Some(at) => Err(failed.swap_remove(at).1),
            None => self.with_lost(end(failed, done.len())),
        };
        (done, result)
    }

    /// The same without a look at the host.
    pub(super) fn each_alone<T: Send>(
        &self,
        named: &[DomainRef],
        what: &str,
        act: impl Fn(Host<'_>, &Domain) -> Result<T> + Sync,
    ) -> (Vec<Of<T>>, Result<()>) {
        self.each(
            named,
            what,
            |_| Ok(()),
            |at, (), domain| act(at.host, domain),
        )
    }

    /// Goes on with what there is of some domains, all of a host together, at once
    /// on different hosts.
    pub(super) fn go_on<T: Send, U: Send>(
        &self,
        all: Vec<Of<T>>,
        act: impl Fn(Host<'_>, Vec<T>) -> U + Sync,
    ) -> (Vec<Of<U>>, Failures) {
        let work = by_host(all.into_iter().map(|one| (one.at, one.what)));
        self.at_once(work, |at, own| Ok(act(at.host, own)))
    }

    /// The host that something is of.
    pub(super) fn host_of<T>(&self, of: &Of<T>) -> Result<Host<'_>> {
        let member = self.members.get(of.at).ok_or_else(nobody)?;
        Ok(self.at(member).host)
    }

    /// That a host did not answer must not be lost.
    pub(super) fn with_lost(&self, result: Result<()>) -> Result<()> {
        if self.lost.is_empty() {
            return result;
        }
        let (lost, all) = (self.lost.len(), self.lost.len() + self.members.len());
        let mut error = match result {
            Ok(()) => Error::new(
                Kind::Partial,
                format!("{lost} of {all} hosts did not answer"),
            ),
            Err(error) => error,
        };
        for (name, cause) in &self.lost {
            error = error.part(format!("{name}: {cause}"));
        }
        Err(error)
    }

    /// The guests of these names and patterns, whose files are to be read.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if one is on no host; [`Kind::Usage`] if a name is on
    /// several.
    pub(super) fn guests(&self, named: &[String]) -> Result<Vec<Of<Domain>>> {
        let ask = |host: Host<'_>, names: &[&str]| domains_of_each(host.hypervisor, names);
        let mut found: Vec<Of<Domain>> = Vec::new();
        for (name, answer) in self.look_up(named.to_vec(), ask) {
            let answer: Vec<Of<Domain>> = answer?.into_iter().flat_map(Of::each).collect();
            if answer.len() > 1 && !Glob::is_pattern(&name) {
                return Err(on_several(&name, &answer));
            }
            for one in answer {
                if !found.iter().any(|known| known.is(&one)) {
                    found.push(one);
                }
            }
        }
        Ok(found)
    }

    /// The domain of this name, on whichever host it is.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] if it is on no host; [`Kind::Usage`] if on several.
    pub(super) fn one(&self, named: &DomainRef) -> Result<Of<Domain>> {
        let (found, failed) = self.find(std::slice::from_ref(named));
        let error = failed.into_iter().next().map(|(_, (_, error))| error);
        match (found.into_iter().next(), error) {
            (Some((_, domain)), None) => Ok(domain),
            (_, Some(error)) => Err(error),
            (None, None) => Err(nobody()),
        }
    }

    /// The host, where one is meant.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if several are.
    pub(super) fn host(&self) -> Result<Host<'_>> {
        let meant = self.members.len().saturating_add(self.lost.len());
        self.only().ok_or_else(|| one_host(meant))
    }

    /// Which host has each of these domains, each once, and of which that cannot be
    /// said; with the turn of each.
    fn find(&self, named: &[DomainRef]) -> (Vec<Turn<Of<Domain>>>, Vec<Turn<Failure>>) {
        let names = named.iter().map(DomainRef::to_string).collect();
        let find = |host: Host<'_>, name: &str| {
            let which: DomainRef = name.parse().map_err(|why| Error::new(Kind::Usage, why))?;
            host.hypervisor.find(&which)
        };
        let ask = |host: Host<'_>, names: &[&str]| {
            let found = names.iter().map(|name| find(host, name));
            found.collect()
        };
        let mut found: Vec<Turn<Of<Domain>>> = Vec::new();
        let mut failed = Vec::new();
        for (turn, (name, answer)) in self.look_up(names, ask).into_iter().enumerate() {
            match answer {
                Ok(several) if several.len() > 1 => {
                    let error = on_several(&name, &several);
                    failed.push((turn, (name, error)));
                }
                Ok(mut one) => {
                    one.retain(|one| !found.iter().any(|(_, known)| known.is(one)));
                    found.extend(one.into_iter().map(|one| (turn, one)));
                }
                Err(error) => failed.push((turn, (name, error))),
            }
        }
        (found, failed)
    }

    /// Asks all hosts at once for each of these names, or the one that is named
    /// before it: what each has that has any.
    fn look_up<T: Send>(
        &self,
        names: Vec<String>,
        ask: impl Fn(Host<'_>, &[&str]) -> Vec<Result<T>> + Sync,
    ) -> Vec<(String, Result<Vec<Of<T>>>)> {
        let asked: Vec<(Option<usize>, &str)> =
            names.iter().map(|name| self.taken_apart(name)).collect();
        let everybody = (0..self.members.len()).map(|at| (at, at)).collect();
        let (answers, broken) = self.at_once(everybody, |on, at| {
            let own = asked.iter().enumerate();
            let own = own.filter(|(_, (only, _))| only.is_none_or(|only| only == at));
            let (turns, names): (Vec<usize>, Vec<&str>) =
                own.map(|(turn, (_, name))| (turn, *name)).unzip();
            let answers = turns.into_iter().zip(ask(on.host, &names));
            Ok(answers.collect::<Vec<_>>())
        });
        if !broken.is_empty() {
            let failed = names.into_iter().map(|name| (name, Err(nonsense())));
            return failed.collect();
        }
        let mut of_names: Vec<Result<Vec<Of<T>>>> = names.iter().map(|_| Ok(Vec::new())).collect();
        for answer in answers {
            let host = answer.with(());
            for (turn, own) in answer.what {
                match (of_names.get_mut(turn), own) {
                    (Some(Ok(found)), Ok(what)) => found.push(host.with(what)),
                    (Some(of_name @ Ok(_)), Err(error))
                        if self.is_one() || error.kind() != Kind::NotFound =>
                    {
                        *of_name = Err(error);
                    }
                    _ => {}
                }
            }
        }
        let named = names.into_iter().zip(of_names);
        named
            .map(|(name, found)| match found {
                Ok(found) if found.is_empty() && !self.is_one() => {
                    let error = self.on_none(&name);
                    (name, Err(error))
                }
                found => (name, found),
            })
            .collect()
    }

    /// `host:domain`, where there is such a host.
    fn taken_apart<'n>(&self, name: &'n str) -> (Option<usize>, &'n str) {
        // A host may be called by its URI, which has colons of its own.
        let parts = self.members.iter().enumerate().find_map(|(at, member)| {
            let rest = name.strip_prefix(member.name.as_deref()?)?;
            Some((Some(at), rest.strip_prefix(':')?))
        });
        parts.unwrap_or((None, name))
    }

    fn on_none(&self, which: &str) -> Error {
        let error = Error::new(
            Kind::NotFound,
            format!("there is no domain '{which}' on any of the hosts that answer"),
        );
        error.hint("see which there are: `vmkin list`, with the same hosts")
    }

    /// Does something with what there is for each host, at once. What comes of it is in
    /// the order of that.
    fn at_once<I: Send, T: Send>(
        &self,
        work: Vec<(usize, I)>,
        act: impl Fn(At<'_>, I) -> Result<T> + Sync,
    ) -> (Vec<Of<T>>, Failures) {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        let act = &act;
        thread::scope(|scope| {
            let threads: Vec<_> = work
                .into_iter()
                .filter_map(|(at, one)| {
                    let on = self.at(self.members.get(at)?);
                    Some((at, on.name, scope.spawn(move || act(on, one))))
                })
                .collect();
            for (at, name, thread) in threads {
                let host = name.map(str::to_owned);
                match thread.join().unwrap_or_else(|_| Err(nonsense())) {
                    Ok(what) => done.push(Of { host, at, what }),
                    Err(error) => failed.push((host.unwrap_or_default(), error)),
                }
            }
        });
        (done, failed)
    }
}

impl Drop for Fleet<'_> {
    /// Says goodbye to all hosts at once: each answers, and the answers of a hundred take
    /// seconds one after the other.
    fn drop(&mut self) {
        thread::scope(|scope| {
            for member in self.members.drain(..) {
                scope.spawn(move || drop(member));
            }
        });
    }
}

/// Connects to hosts, many at once; what came of each is in their order.
fn open_all(hosts: &[HostName]) -> Vec<Result<Connection>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut opened = Vec::new();
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let Some(host) = hosts.get(turn) else {
                return opened;
            };
            opened.push((turn, connect_unasked(host.uri.as_deref())));
        }
    };
    let mut opened: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..hosts.len().min(AT_ONCE))
            .map(|_| scope.spawn(worker))
            .collect();
        let opened = workers.into_iter().filter_map(|worker| worker.join().ok());
        opened.flatten().collect()
    });
    opened.sort_by_key(|(turn, _)| *turn);
    opened.into_iter().map(|(_, opened)| opened).collect()
}

/// What there is for each host, by their order.
fn by_host<T>(all: impl Iterator<Item = (usize, T)>) -> Vec<(usize, Vec<T>)> {
    let mut hosts: BTreeMap<usize, Vec<T>> = BTreeMap::new();
    for (at, one) in all {
        hosts.entry(at).or_default().push(one);
    }
    hosts.into_iter().collect()
}

/// A name, with that of the host where there are several.
fn shown(host: Option<&str>, name: &str) -> String {
    match host {
        Some(host) => format!("{host}:{name}"),
        None => name.to_owned(),
    }
}

fn on_several<T>(which: &str, found: &[Of<T>]) -> Error {
    let hosts: Vec<&str> = found.iter().filter_map(|one| one.host.as_deref()).collect();
    let error = Error::new(
        Kind::Usage,
        format!("'{which}' is a domain on {}", hosts.join(" and on ")),
    );
    match hosts.first() {
        Some(host) => error.hint(format!("say which: `-d {host}:{which}`")),
        None => error,
    }
}

fn nonsense() -> Error {
    Error::new(Kind::Libvirt, "what it has makes no sense")
}

fn nobody() -> Error {
    Error::new(Kind::Environment, "no host has answered")
}
