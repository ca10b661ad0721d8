//! Connection URIs.

/// Whether a libvirt URI leads to a daemon on this host, so that the paths in
/// domain XML are paths here.
///
/// The form is `driver[+transport]://[user@][host][:port]/[path][?query]`
/// (libvirt, docs/uri.rst). A host name means another host, `localhost`
/// included: over ssh or in a container it may well be one.
pub(super) fn is_local(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return false;
    };
    let transport = scheme.split_once('+').map(|(_, transport)| transport);
    rest.starts_with('/') && matches!(transport, None | Some("unix"))
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn a_host_name_or_a_transport_is_elsewhere() {
        assert!(is_local("qemu:///system"));
        assert!(is_local("qemu+unix:///system?socket=/run/x"));
        assert!(is_local("test:///default"));
        assert!(!is_local("qemu+ssh://root@host/system"));
        assert!(!is_local("qemu://localhost/system"));
        assert!(!is_local("qemu+ext:///system"));
        assert!(!is_local("nonsense"));
    }
}
