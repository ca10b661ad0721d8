//! Connection URIs.

use std::path::{Component, Path, PathBuf};

/// Where the daemon behind a URI is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// On this host, so that the paths in domain XML are paths here.
    Here,
    /// On another one.
    Elsewhere,
    /// Behind a socket that anybody may have put there, an `ssh -L` to another
    /// host for example. Only the daemon can tell.
    BehindSocket,
}

/// Where the daemon behind a libvirt URI is, as far as the URI tells.
///
/// The form is `driver[+transport]://[user@][host][:port]/[path][?query]`
/// (libvirt, docs/uri.rst). A host name means another host, `localhost`
/// included: over ssh or in a container it may well be one.
pub(super) fn place(uri: &str) -> Place {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return Place::Elsewhere;
    };
    let transport = scheme.split_once('+').map(|(_, transport)| transport);
    if !rest.starts_with('/') || !matches!(transport, None | Some("unix")) {
        return Place::Elsewhere;
    }
    match sockets(rest).all(|socket| is_libvirts_own(Path::new(socket))) {
        true => Place::Here,
        false => Place::BehindSocket,
    }
}

/// The sockets that the query of a URI names.
fn sockets(uri: &str) -> impl Iterator<Item = &str> {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    query
        .split(['&', ';'])
        .filter_map(|one| one.strip_prefix("socket="))
}

/// The socket that a URI names.
pub(super) fn socket(uri: &str) -> Option<&str> {
    sockets(uri).next()
}

/// Whether it may be on this host.
pub(super) fn may_be_here(uri: &str) -> bool {
    place(uri) != Place::Elsewhere
}

/// The host in a URI, if it has one: that of `qemu+ssh://root@[::1]:22/system` is
/// `::1` (RFC 3986, section 3.2).
pub fn host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let whole = rest.split(['/', '?', '#']).next()?;
    let host = whole.rsplit_once('@').map_or(whole, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// Whether a socket is where libvirt's daemons have theirs.
fn is_libvirts_own(socket: &Path) -> bool {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::RootDir);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let dirs = ["/run/libvirt", "/var/run/libvirt"].map(PathBuf::from);
    let mut dirs = dirs
        .into_iter()
        .chain(runtime.map(|dir| dir.join("libvirt")));
    socket.components().all(plain) && dirs.any(|dir| socket.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::{Place, place};

    #[test]
    fn a_host_name_or_a_transport_is_elsewhere() {
        assert_eq!(place("qemu:///system"), Place::Here);
        assert_eq!(place("qemu+unix:///system?mode=direct"), Place::Here);
        assert_eq!(place("test:///default"), Place::Here);
        for uri in [
            "qemu+ssh://root@host/system",
            "qemu+ssh://host/system?socket=/run/libvirt/libvirt-sock",
            "qemu+tcp://127.0.0.1/system",
            "qemu://localhost/system",
            "qemu+ext:///system",
            "nonsense",
        ] {
            assert_eq!(place(uri), Place::Elsewhere, "{uri}");
        }
    }

    #[test]
    fn a_socket_may_lead_anywhere_unless_it_is_libvirts_own() {
        for socket in [
            "/run/libvirt/libvirt-sock",
            "/var/run/libvirt/virtqemud-sock",
        ] {
            let uri = format!("qemu+unix:///system?socket={socket}");
            assert_eq!(place(&uri), Place::Here, "{uri}");
            assert_eq!(place(&format!("{uri}&mode=legacy")), Place::Here);
        }
        for query in [
            "socket=/tmp/forwarded",
            "mode=direct&socket=/run/x",
            "socket=/run/libvirt/../x",
            "socket=%2Frun%2Flibvirt%2Flibvirt-sock",
            "socket=/run/libvirt/libvirt-sock&socket=/x",
            "socket=/run/libvirtx/y;mode=direct",
            "socket=",
        ] {
            let uri = format!("qemu+unix:///system?{query}");
            assert_eq!(place(&uri), Place::BehindSocket, "{uri}");
            assert_eq!(
                place(&format!("qemu:///system?{query}")),
                Place::BehindSocket
            );
        }
    }
}
