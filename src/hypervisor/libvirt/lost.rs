//! Ends what waits for a connection that is lost.
//!
//! A daemon that has gone silent is given up by libvirt's keepalive, but of the threads
//! that wait for its answers libvirt (6.1 to 11.3 at least) wakes one; the next one
//! takes its place at a socket from which nothing comes any more, and all others wait
//! behind it, for as long as TCP does. Only the end of the socket wakes them, and libvirt
//! does not say which it is.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Shutdown, TcpStream, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fd::AsFd as _;
use rustix::process::{
    ForeignRawFd, Pid, PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, pidfd_getfd,
    pidfd_open,
};

use crate::hypervisor::uri;

/// What leads from this process to a daemon: the sockets, by what the kernel calls them,
/// and the `ssh` that libvirt has started.
#[derive(Debug, Default)]
pub(super) struct Lines {
    sockets: BTreeSet<PathBuf>,
    programs: Vec<Pid>,
}

impl Lines {
    /// Those to the daemon of this URI, as soon as it is connected to.
    pub(super) fn to(to: &str) -> Self {
        let host = uri::host(to);
        let by_ssh = |_: &&str| {
            to.split_once("://")
                .is_some_and(|(by, _)| by.ends_with("+ssh"))
        };
        let mut leading = BTreeSet::new();
        if let Some(host) = host {
            let known = (host, 0).to_socket_addrs().into_iter().flatten();
            let known: BTreeSet<IpAddr> = known.map(|address| address.ip()).collect();
            let leads = |socket: OwnedFd| {
                let peer = TcpStream::from(socket).peer_addr();
                peer.is_ok_and(|peer| known.contains(&peer.ip()))
            };
            leading.extend(sockets().filter_map(|(name, socket)| leads(socket).then_some(name)));
        } else if let Some(path) = uri::socket(to) {
            let leads = |socket: OwnedFd| {
                let peer = UnixStream::from(socket).peer_addr();
                peer.is_ok_and(|peer| peer.as_pathname() == Some(Path::new(path)))
            };
            leading.extend(sockets().filter_map(|(name, socket)| leads(socket).then_some(name)));
        }
        Self {
            sockets: leading,
            programs: host.filter(by_ssh).map(children_for).unwrap_or_default(),
        }
    }

    /// Ends them.
    pub(super) fn cut(&self) {
        for (name, socket) in sockets() {
            if self.sockets.contains(&name) {
                drop(TcpStream::from(socket).shutdown(Shutdown::Both));
            }
        }
        if self.programs.is_empty() {
            return;
        }
        // Only those that are there still: their numbers may be those of others by now.
        let now: Vec<Pid> = children().collect();
        for pid in self.programs.iter().filter(|pid| now.contains(pid)) {
            let _ = kill_process(*pid, Signal::TERM);
        }
    }
}

/// Copies of the sockets that this process has, with what the kernel calls them.
fn sockets() -> impl Iterator<Item = (PathBuf, OwnedFd)> {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).ok();
    let all = fs::read_dir("/proc/self/fd").into_iter().flatten();
    all.filter_map(move |entry| {
        let path = entry.ok()?.path();
        let target = fs::read_link(&path).ok()?;
        if !target.to_str()?.starts_with("socket:") {
            return None;
        }
        let number: ForeignRawFd = path.file_name()?.to_str()?.parse().ok()?;
        let socket = pidfd_getfd(own.as_ref()?.as_fd(), number, PidfdGetfdFlags::empty());
        Some((target, socket.ok()?))
    })
}

/// The programs that this process has started.
fn children() -> impl Iterator<Item = Pid> {
    let own = getpid().as_raw_nonzero().to_string();
    let all = fs::read_dir("/proc").into_iter().flatten();
    all.filter_map(move |entry| {
        let path = entry.ok()?.path();
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        let stat = fs::read_to_string(path.join("stat")).ok()?;
        // Behind the name, in which there may be anything: its state, its parent.
        let (_, rest) = stat.rsplit_once(") ")?;
        let is_it = rest.split(' ').nth(1) == Some(own.as_str());
        is_it.then(|| Pid::from_raw(pid))?
    })
}

/// Those of them that have this host among their words.
fn children_for(host: &str) -> Vec<Pid> {
    let is_it = |pid: &Pid| {
        let words = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        words.is_ok_and(|words| {
            words
                .split(|byte| *byte == 0)
                .any(|word| word == host.as_bytes())
        })
    };
    children().filter(is_it).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    #[test]
    fn who_waits_for_a_host_is_woken_and_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let (tcp, unix) = (
            TcpListener::bind("127.0.0.1:0").unwrap(),
            UnixListener::bind(&path).unwrap(),
        );
        let mut by_tcp = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        let mut by_unix = UnixStream::connect(&path).unwrap();
        let _others = (tcp.accept().unwrap(), unix.accept().unwrap());
        let uri = format!("qemu+unix:///system?socket={}", path.display());
        let lines = [Lines::to("qemu+tcp://127.0.0.1/system"), Lines::to(&uri)];
        Lines::to("qemu+tcp://127.0.0.9/system").cut();
        Lines::to("qemu+unix:///system?socket=/nowhere").cut();
        by_tcp.set_nonblocking(true).unwrap();
        let still = by_tcp.read(&mut [0]).unwrap_err();
        assert_eq!(still.kind(), std::io::ErrorKind::WouldBlock);
        by_tcp.set_nonblocking(false).unwrap();
        thread::scope(|scope| {
            let first = scope.spawn(|| by_tcp.read(&mut [0]));
            let second = scope.spawn(|| by_unix.read(&mut [0]));
            lines.iter().for_each(Lines::cut);
            assert_eq!(first.join().unwrap().unwrap(), 0);
            assert_eq!(second.join().unwrap().unwrap(), 0);
        });
    }
}
