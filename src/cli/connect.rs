//! Connecting to a host.

use std::io::{IsTerminal as _, stdin};
use std::time::Duration;

use crate::error::Result;
use crate::hypervisor::Connection;

/// How long a host may take to answer. One that is switched off would else be waited for
/// as long as TCP does: two minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to the only host of a command, or to what libvirt picks.
///
/// # Errors
///
/// Those of [`Connection::open_within`].
pub(super) fn connect(uri: Option<&str>) -> Result<Connection> {
    let picked = std::env::var("LIBVIRT_DEFAULT_URI").ok();
    match uri.or(picked.as_deref()) {
        Some(named) if may_ask(named, stdin().is_terminal()) => Connection::open(uri),
        named => connect_unasked(named),
    }
}

/// Connects where nobody is asked anything: to one of several hosts.
///
/// # Errors
///
/// As above.
pub(super) fn connect_unasked(uri: Option<&str>) -> Result<Connection> {
    match uri {
        Some(uri) => Connection::open_within(uri, PATIENCE),
        None => Connection::open(None),
    }
}

/// Whether a user can be asked for a password, or whether this is the right host: people
/// type slowly.
fn may_ask(uri: &str, terminal: bool) -> bool {
    let scheme = uri.split_once("://").map_or("", |(scheme, _)| scheme);
    let transport = scheme
        .split_once('+')
        .map_or("", |(_, transport)| transport);
    terminal && matches!(transport, "ssh" | "libssh" | "libssh2" | "ext")
}

#[cfg(test)]
mod tests {
    use super::may_ask;

    #[test]
    fn people_may_take_their_time_where_they_are_asked() {
        assert!(may_ask("qemu+ssh://root@host/system", true));
        assert!(!may_ask("qemu+ssh://root@host/system", false));
        assert!(!may_ask("qemu+tcp://host/system", true));
        assert!(!may_ask("qemu:///system", true));
    }
}
