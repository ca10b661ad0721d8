//! Where the daemon is, and whether it still answers.

use std::fs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use uuid::Uuid;
use virt::connect::Connect;
use virt::event::{event_register_default_impl, event_run_default_impl};

use super::lost::Lines;
use crate::hypervisor::uri::{self, Place};
use crate::xml::capabilities;

/// How often a daemon on another host is asked whether it is there, in seconds,
/// and how often it may leave that without an answer.
const KEEPALIVE: (i32, u32) = (5, 5);

/// The connections to other hosts, and what leads there.
static FAR: Mutex<Vec<(Weak<Connect>, Lines)>> = Mutex::new(Vec::new());

/// Where a host has a UUID that libvirt's daemons take for its own: that of its
/// firmware, or of its installation.
const HOST_UUIDS: [&str; 2] = ["/sys/class/dmi/id/product_uuid", "/etc/machine-id"];

/// Whether the daemon at the other end is on this host. Where the URI does not
/// tell, it has to prove that: reading the files of this host for a guest of
/// another would give wrong data without a word.
pub(super) fn is_here(conn: &Connect, uri: &str) -> bool {
    match uri::place(uri) {
        Place::Here => true,
        Place::Elsewhere => false,
        Place::BehindSocket => {
            let answer = conn.capabilities().ok();
            let theirs = answer.and_then(|xml| capabilities::host_uuid(&xml).ok().flatten());
            let known = HOST_UUIDS.iter().filter_map(fs_uuid);
            theirs.is_some_and(|theirs| known.into_iter().any(|own| own == theirs))
        }
    }
}

fn fs_uuid(path: &&str) -> Option<Uuid> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// To be called before a connection is opened: keepalive messages of a
/// connection go through an event loop that is there before it is.
pub(super) fn prepare(uri: Option<&str>) {
    // Where libvirt picks one out of its own settings, nobody knows yet.
    let named = uri.map(str::to_owned);
    let uri = named.or_else(|| std::env::var("LIBVIRT_DEFAULT_URI").ok());
    if uri.is_some_and(|uri| uri::place(&uri) != Place::Here) {
        has_events();
    }
}

/// Has libvirt end the connection when the daemon does not answer any more: a
/// host that is switched off would else be waited for without end.
pub(super) fn keep_alive(conn: &Arc<Connect>, uri: &str) {
    if has_events() {
        // An old daemon, or none in between, knows no such messages.
        drop(conn.set_keep_alive(KEEPALIVE.0, KEEPALIVE.1));
        let one = (Arc::downgrade(conn), Lines::to(uri));
        FAR.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }
}

/// Ends what waits for connections that are lost, see [`Lines`].
fn cut_lost() {
    let mut all = FAR.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|(conn, lines)| {
        let Some(conn) = conn.upgrade() else {
            return false;
        };
        let lost = conn.is_alive().is_ok_and(|alive| !alive);
        if lost {
            lines.cut();
        }
        !lost
    });
}

/// Starts libvirt's event loop, once, in a thread that ends with the process.
fn has_events() -> bool {
    static RUNS: OnceLock<bool> = OnceLock::new();
    *RUNS.get_or_init(|| {
        let turn = || {
            loop {
                if event_run_default_impl().is_err() {
                    thread::sleep(Duration::from_millis(100));
                }
                // It is in such a turn that a daemon is given up.
                cut_lost();
            }
        };
        let named = thread::Builder::new().name("libvirt events".to_owned());
        event_register_default_impl().is_ok() && named.spawn(turn).is_ok()
    })
}
