//! Starting and stopping guests.

use std::thread;
use std::time::{Duration, Instant};

use super::clone::Cloned;
use super::images::{chain_of, dirs_of, open_dirs, path_of, trust_for};
use super::snapshot::word;
use super::wait::{LOOK, none_known};
use super::{Host, Usage, base, list};
use crate::error::{Error, Kind, Result};
use crate::hypervisor::Start;
use crate::model::{Address, DiskSource, Domain, DomainState, Layer, NetworkSource};
use crate::xml::domain;

/// How often to ask a guest again to shut down: one that is still booting may
/// not have heard the first time.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// What happened to a domain that was asked for something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It was done.
    Done,
    /// It was so already.
    Already,
}

/// Starts a domain, if that harms nobody.
///
/// # Errors
///
/// [`Kind::Protected`] if it would write to a base that has children,
/// [`Kind::Unsafe`] if a base of its disks is not what it was, or a layer is
/// not to be trusted.
pub fn start(host: Host<'_>, usage: &Usage, domain: &Domain, how: Start) -> Result<Change> {
    let state = host.hypervisor.status(domain)?.state;
    match state {
        DomainState::Running => return Ok(Change::Already),
        DomainState::Paused | DomainState::PmSuspended => {
            return Err(Error::new(
                Kind::WrongState,
                format!("domain '{}' is {state}, and must be shut off", domain.name),
            )
            .hint(format!(
                "let it go on: `vmkin resume -d {}`",
                word(&domain.name)
            )));
        }
        _ => {}
    }
    super::mount::must_not_be_writable(host.store, domain)?;
    may_start(host, usage, domain)?;
    host.hypervisor.start(domain, how)?;
    Ok(Change::Done)
}

/// Refuses to start a domain that would harm others, or read wrong data.
fn may_start(host: Host<'_>, usage: &Usage, domain: &Domain) -> Result<()> {
    if !host.hypervisor.is_local() {
        return Ok(());
    }
    let facts = domain::read(&host.hypervisor.public_xml(domain)?)?;
    if let Some(damage) = &facts.lineage_damage {
        return Err(Error::new(
            Kind::Unsafe,
            format!(
                "what domain '{}' is a clone of cannot be read: {damage}",
                domain.name
            ),
        )
        .hint(format!(
            "nobody can tell whether its base is what it was; if you know that it is, remove \
             <vmkin:clone> from its metadata: `virsh edit {}`",
            word(&domain.name)
        )));
    }
    let trust = trust_for(host.hypervisor, &facts.disks, &[])?;
    let mut dirs = Vec::new();
    for disk in &facts.disks {
        let Some(path) = path_of(host.hypervisor, &disk.source)? else {
            if let (DiskSource::Network(network), false) = (&disk.source, disk.readonly) {
                no_children_of(usage, domain, network)?;
            }
            continue;
        };
        // What libvirt itself refuses is refused in its words. Of a part of an image
        // no clone can be made.
        if crate::image::file_id(&path)?.is_none() || disk.sliced {
            continue;
        }
        let no_start =
            |e: Error| e.context(format!("domain '{}' must not be started", domain.name));
        let chain = chain_of(disk, &path, &trust).map_err(no_start)?;
        if let Some(lineage) = &facts.lineage {
            base::base_is_as_cloned(host, lineage, &disk.target, &chain).map_err(no_start)?;
        }
        dirs.extend(dirs_of(&chain));
        let top = chain.top();
        if disk.readonly {
            continue;
        }
        if !disk.shareable {
            nobody_saved_has(host, usage, domain, top)?;
        }
        let children = usage.children(top.file);
        let dir = top.path.parent().unwrap_or(&top.path);
        let strays = usage.strays(top.file, dir)?;
        base::refuse_children(&top.path, &children, &strays.paths)
            .map_err(|e| writes_to_base(e, domain))?;
        // Its clones are gone, but nobody can write to it yet.
        if crate::image::is_immutable(&top.path).unwrap_or(false) {
            let path = top.path.display();
            return Err(Error::new(
                Kind::Protected,
                format!(
                    "domain '{}' must not be started: {path} is sealed, and it would write to it",
                    domain.name
                ),
            )
            .hint(format!(
                "it has no children now; if it shall have none, open it: `vmkin base unseal {}`",
                crate::image::path_word(&top.path)
            )));
        }
    }
    // What was looked at here libvirt opens by its name.
    for warning in open_dirs(dirs.into_iter()) {
        host.observer.warning(&warning);
    }
    Ok(())
}

/// Refuses to start a domain that would write to the disk of one whose memory is
/// saved: that holds no lock, and goes on as if its disk were what it left.
fn nobody_saved_has(host: Host<'_>, usage: &Usage, domain: &Domain, top: &Layer) -> Result<()> {
    for one in usage.of(top.file) {
        let Some(other) = usage.domain(one).map(|known| &known.domain) else {
            continue;
        };
        if other.uuid == domain.uuid || host.hypervisor.state(other)? != DomainState::Saved {
            continue;
        }
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{}' must not be started: it would write to {}, which is disk {} of \
                 domain '{}', whose memory is saved",
                domain.name,
                top.path.display(),
                one.target,
                other.name
            ),
        )
        .hint(format!(
            "let that go on and shut it down first: `vmkin restore -d {}`",
            word(&other.name)
        )));
    }
    Ok(())
}

/// Refuses to start a domain that writes to an NBD export below the disks of
/// others.
fn no_children_of(usage: &Usage, domain: &Domain, network: &NetworkSource) -> Result<()> {
    let Ok(export) = &network.export else {
        return Ok(());
    };
    match usage.children_of_export(export).as_slice() {
        [] => Ok(()),
        [first, others @ ..] => {
            let more = match others.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let error = Error::new(
                Kind::Protected,
                format!("{export} is the base of domain '{first}'{more}"),
            );
            Err(writes_to_base(error, domain))
        }
    }
}

fn writes_to_base(error: Error, domain: &Domain) -> Error {
    error
        .context(format!(
            "domain '{}' must not be started: it would write to the base of others",
            domain.name
        ))
        .hint(format!(
            "start a clone of it instead: `vmkin clone -d {} --start`",
            word(&domain.name)
        ))
}

/// Asks a guest to shut down; with a `limit`, waits until it has.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is still active at the limit.
pub fn shutdown(host: Host<'_>, domain: &Domain, limit: Option<Duration>) -> Result<Change> {
    let state = host.hypervisor.status(domain)?.state;
    if !state.is_active() {
        return Ok(Change::Already);
    }
    if matches!(state, DomainState::Paused | DomainState::PmSuspended) {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "domain '{}' is {state}, and must be running to hear that it shall shut down",
                domain.name
            ),
        )
        .hint(format!(
            "let it go on first: `vmkin resume -d {}`",
            word(&domain.name)
        )));
    }
    let since = Instant::now();
    let mut asked = None;
    loop {
        let ask = asked.is_none_or(|last: Instant| last.elapsed() > ASK_AGAIN);
        if ask {
            match host.hypervisor.shutdown(domain) {
                Ok(()) => {}
                // It has just gone down by itself, or because somebody else, or an
                // earlier round of this command, had asked before.
                Err(e)
                    if e.kind() == Kind::WrongState
                        && (asked.is_some() || is_gone(host, domain)?) => {}
                Err(e) => return Err(e),
            }
            asked = Some(Instant::now());
        }
        let Some(limit) = limit else {
            return Ok(Change::Done);
        };
        if is_gone(host, domain)? {
            return Ok(Change::Done);
        }
        if since.elapsed() >= limit {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "domain '{}' is still running after {}",
                    domain.name,
                    humantime::format_duration(limit)
                ),
            )
            .hint(format!(
                "its guest may ignore the power button; wait longer: `--timeout 5m`, \
                 or pull the plug: `vmkin destroy -d {}`",
                word(&domain.name)
            )));
        }
        host.interrupt.check()?;
        thread::sleep(LOOK);
    }
}

/// Whether a domain is shut off, or has gone with its process.
fn is_gone(host: Host<'_>, domain: &Domain) -> Result<bool> {
    match host.hypervisor.status(domain) {
        Ok(status) => Ok(!status.state.is_active()),
        Err(e) if e.kind() == Kind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

/// Asks a guest to reboot.
pub fn reboot(host: Host<'_>, domain: &Domain) -> Result<Change> {
    must_be_active(host, domain)?;
    host.hypervisor.reboot(domain)?;
    Ok(Change::Done)
}

/// Stops the processors of a domain.
pub fn suspend(host: Host<'_>, domain: &Domain) -> Result<Change> {
    if must_be_active(host, domain)? == DomainState::Paused {
        return Ok(Change::Already);
    }
    host.hypervisor.suspend(domain)?;
    Ok(Change::Done)
}

/// Lets a domain go on.
pub fn resume(host: Host<'_>, domain: &Domain) -> Result<Change> {
    if must_be_active(host, domain)? == DomainState::Running {
        return Ok(Change::Already);
    }
    host.hypervisor.resume(domain)?;
    Ok(Change::Done)
}

/// Pulls the plug.
pub fn destroy(host: Host<'_>, domain: &Domain, graceful: bool) -> Result<Change> {
    if is_gone(host, domain)? {
        return Ok(Change::Already);
    }
    host.hypervisor.destroy(domain, graceful)?;
    Ok(Change::Done)
}

fn must_be_active(host: Host<'_>, domain: &Domain) -> Result<DomainState> {
    let state = host.hypervisor.status(domain)?.state;
    if state.is_active() {
        return Ok(state);
    }
    Err(Error::new(
        Kind::WrongState,
        format!("domain '{}' is {state}, and must be running", domain.name),
    )
    .hint(start_it(host, domain)))
}

/// What to type to have a domain run. One whose disks are sealed is there to be cloned,
/// and would not be started.
pub(super) fn start_it(host: Host<'_>, domain: &Domain) -> String {
    let name = word(&domain.name);
    let is_sealed = base::images_of(host, domain).is_ok_and(|images| {
        let mut images = images.iter();
        images.any(|(path, _)| crate::image::seal_state(path).is_ok_and(|seal| seal.sealed))
    });
    if is_sealed {
        format!("it is sealed; start a clone of it instead: `vmkin clone -d {name} --start`")
    } else {
        format!("start it: `vmkin start -d {name}`")
    }
}

/// The addresses of a guest; with a `limit`, waits until there is one.
///
/// # Errors
///
/// [`Kind::WrongState`] if it is not active, [`Kind::NotFound`] if nobody knows
/// an address, at the limit if there is one.
pub fn addresses(host: Host<'_>, domain: &Domain, limit: Option<Duration>) -> Result<Vec<Address>> {
    let since = Instant::now();
    loop {
        must_be_active(host, domain)?;
        let found = list::addresses(host.hypervisor, domain, list::ALL_SOURCES)?;
        if !found.is_empty() {
            return Ok(found);
        }
        if limit.is_none_or(|limit| since.elapsed() >= limit) {
            return Err(none_known(&domain.name, limit));
        }
        host.interrupt.check()?;
        thread::sleep(LOOK);
    }
}

/// How many domains are started at once: each start is QEMU's and the kernel's
/// work, so more than a few only compete.
const STARTERS: usize = 4;

/// Starts clones that were just made; which could not be started, and why.
///
/// What [`start`] looks for cannot be wrong with them: their disks were made a
/// moment ago, on bases that were locked and compared.
pub fn start_clones(host: Host<'_>, clones: &[Cloned]) -> Vec<(String, Error)> {
    let size = clones.len().div_ceil(STARTERS).max(1);
    let start_part = |part: &[Cloned]| -> Vec<(String, Error)> {
        part.iter()
            .filter_map(|clone| {
                let domain = clone.domain();
                let started = host
                    .interrupt
                    .check()
                    .and_then(|()| host.hypervisor.start(&domain, Start::default()));
                started.err().map(|error| (clone.name.clone(), error))
            })
            .collect()
    };
    thread::scope(|scope| {
        let start_part = &start_part;
        let starters: Vec<_> = clones
            .chunks(size)
            .map(|part| (part, scope.spawn(move || start_part(part))))
            .collect();
        starters
            .into_iter()
            .flat_map(|(part, starter)| {
                starter.join().unwrap_or_else(|_| {
                    let error = || Error::new(Kind::Libvirt, "the thread that starts it failed");
                    part.iter()
                        .map(|clone| (clone.name.clone(), error()))
                        .collect()
                })
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypervisor::Hypervisor;
    use crate::model::AddressSource;
    use crate::ops::testing::Bench;

    fn golden(bench: &Bench) -> Domain {
        bench.fake.find(&"golden".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_guest_that_does_not_hear_is_told_from_one_that_is_down() {
        let bench = Bench::new();
        let golden = golden(&bench);
        assert_eq!(
            shutdown(bench.host(), &golden, None).unwrap(),
            Change::Already
        );
        bench.fake.change("golden", |d| {
            d.state = DomainState::Running;
            d.deaf = 1;
        });
        let error = shutdown(bench.host(), &golden, Some(Duration::ZERO)).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.hints()[0].contains("vmkin destroy -d golden"));
        let done = shutdown(bench.host(), &golden, Some(Duration::from_secs(9))).unwrap();
        assert_eq!(done, Change::Done);
    }

    #[test]
    fn a_guest_that_goes_down_a_moment_before_it_is_asked_is_down() {
        for limit in [None, Some(Duration::from_secs(9))] {
            let bench = Bench::new();
            bench.fake.change("golden", |d| {
                d.state = DomainState::Running;
                d.hasty = true;
            });
            let done = shutdown(bench.host(), &golden(&bench), limit).unwrap();
            assert_eq!(done, Change::Done);
        }
    }

    #[test]
    fn a_domain_that_would_write_to_the_base_of_another_does_not_start() {
        let bench = Bench::new();
        let overlay = crate::image::Overlay {
            virtual_size: 1 << 20,
            backing: &bench.path("golden.raw"),
            backing_format: crate::model::ImageFormat::Raw,
        };
        let golden = golden(&bench);
        let start_it = |bench: &Bench| {
            let usage = Usage::read(&bench.fake).unwrap();
            start(bench.host(), &usage, &golden, Start::default())
        };
        drop(crate::image::write(&bench.path("child.qcow2"), &overlay).unwrap());
        // An overlay that no domain uses is a child too.
        let error = start_it(&bench).unwrap_err();
        assert_eq!(error.kind(), Kind::Protected);
        let child = bench.xml("child", 2, "child.qcow2", "qcow2");
        let child = bench.fake.add(&child, DomainState::ShutOff);
        let error = start_it(&bench).unwrap_err();
        assert_eq!(error.kind(), Kind::Protected);
        assert!(error.to_string().contains("'child'"), "{error}");
        let usage = Usage::read(&bench.fake).unwrap();
        start(bench.host(), &usage, &child, Start::default()).unwrap();
        std::fs::remove_file(bench.path("child.qcow2")).unwrap();
        assert_eq!(start_it(&bench).unwrap(), Change::Done);
        assert_eq!(start_it(&bench).unwrap(), Change::Already);
    }

    #[test]
    fn what_is_to_be_typed_can_be_typed() {
        let bench = Bench::new();
        let xml = bench.xml("my vm", 2, "golden.raw", "raw");
        let domain = bench.fake.add(&xml, DomainState::Paused);
        let error = shutdown(bench.host(), &domain, None).unwrap_err();
        assert!(error.hints()[0].contains("`vmkin resume -d 'my vm'`"));
        // A golden domain with clones would not be started.
        let golden = golden(&bench);
        bench
            .fake
            .change("my vm", |d| d.state = DomainState::ShutOff);
        let hint = |domain| {
            let error = suspend(bench.host(), domain).unwrap_err();
            error.hints()[0].clone()
        };
        assert!(hint(&golden).contains("`vmkin start -d golden`"));
        bench.clone_of("golden", "a", true);
        assert!(hint(&golden).contains("`vmkin clone -d golden --start`"));
    }

    #[test]
    fn a_domain_whose_disk_is_sealed_still_is_told_how_to_open_it() {
        let bench = Bench::new();
        let golden = golden(&bench);
        let image = bench.path("golden.raw");
        // Not every file system has immutable files.
        if !crate::image::seal(&image).unwrap().immutable {
            return;
        }
        let start_it = || {
            let usage = Usage::read(&bench.fake).unwrap();
            start(bench.host(), &usage, &golden, Start::default())
        };
        let error = start_it().unwrap_err();
        assert_eq!(error.kind(), Kind::Protected);
        assert!(error.hints()[0].contains("vmkin base unseal"), "{error}");
        base::unseal(bench.host(), &image, false).unwrap();
        assert_eq!(start_it().unwrap(), Change::Done);
    }

    #[test]
    fn an_address_comes_from_the_surest_source_that_has_a_useful_one() {
        let bench = Bench::new();
        let golden = golden(&bench);
        let none = addresses(bench.host(), &golden, None).unwrap_err();
        assert_eq!(none.kind(), Kind::WrongState);
        let address = |ip: &str, source| Address {
            mac: None,
            ip: ip.parse().unwrap(),
            prefix: 24,
            source,
        };
        bench.fake.change("golden", |d| {
            d.state = DomainState::Running;
            d.addresses = vec![address("10.0.0.3", AddressSource::Arp)];
        });
        let found = |bench: &Bench| {
            addresses(bench.host(), &golden, None).unwrap()[0]
                .ip
                .to_string()
        };
        assert_eq!(found(&bench), "10.0.0.3");
        bench.fake.change("golden", |d| {
            d.addresses.push(address("127.0.0.1", AddressSource::Agent));
            d.addresses.push(address("fe80::1", AddressSource::Agent));
            d.addresses.push(address("10.0.0.2", AddressSource::Agent));
        });
        assert_eq!(found(&bench), "10.0.0.2");
        bench.fake.change("golden", |d| d.addresses.clear());
        let error = addresses(bench.host(), &golden, Some(Duration::ZERO)).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
    }

    #[test]
    fn of_many_clones_those_that_do_not_start_are_told() {
        let mut bench = Bench::new();
        bench.fake.refuse_start = Some("c3".to_owned());
        let clones: Vec<Cloned> = (1..=9_u8)
            .map(|n| {
                let name = format!("c{n}");
                let xml = bench.xml(&name, 100 + u128::from(n), "golden.raw", "raw");
                let domain = bench.fake.add(&xml, DomainState::ShutOff);
                Cloned {
                    name,
                    uuid: domain.uuid,
                    macs: Vec::new(),
                    disks: Vec::new(),
                    hostname: None,
                    seed: None,
                    reservations: Vec::new(),
                }
            })
            .collect();
        let failed = start_clones(bench.host(), &clones);
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].0, "c3");
    }
}
