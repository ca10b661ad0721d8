//! Disks on the network: which of them are NBD exports that can be a base.

use crate::model::{NbdExport, NbdServer, NetworkSource};
use crate::xml::escape::shown;
use crate::xml::span::Node;

/// What a `<source>` says of the way to a disk, and not of the disk.
const WAYS: [&str; 5] = ["auth", "config", "host", "reconnect", "timeout"];

/// What a `<source>` of a network disk says; `None` if it names no protocol.
pub(super) fn source(node: Node<'_, '_>) -> Option<NetworkSource> {
    let get = |name| {
        node.get(name)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    let protocol = get("protocol")?;
    Some(NetworkSource {
        name: get("name"),
        whole: node.children().all(|child| WAYS.contains(&child.name())),
        export: match protocol.as_str() {
            "nbd" => export(node),
            other => Err(format!(
                "is reached by the protocol '{}', and clones can only be made of NBD exports",
                shown(other)
            )),
        },
        protocol,
    })
}

/// The export, or why it cannot be a base: a clause that begins with a verb.
fn export(source: Node<'_, '_>) -> Result<NbdExport, String> {
    if source.get("tls").is_some_and(|tls| tls != "no") || source.get("tlsHostname").is_some() {
        return Err("is an NBD export behind TLS, for which an overlay has no words".to_owned());
    }
    // A part of the export, something that is encrypted, or what a later
    // libvirt knows: nothing of it would be in the header of an overlay.
    let special = source
        .children()
        .find(|child| !child.is("host") && !child.is("reconnect"));
    if let Some(child) = special {
        return Err(format!(
            "is an NBD export with a <{}>, for which an overlay has no words",
            shown(child.name())
        ));
    }
    let mut hosts = source.all("host");
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err("is an NBD export without exactly one server".to_owned());
    };
    NbdExport::new(server(host)?, source.get("name").unwrap_or_default())
        .map_err(|why| shown(&why).into_owned())
}

fn server(host: Node<'_, '_>) -> Result<NbdServer, String> {
    let get = |name| host.get(name).unwrap_or_default().to_owned();
    match host.get("transport").unwrap_or("tcp") {
        "tcp" => Ok(NbdServer::Tcp {
            host: get("name"),
            port: match host.get("port") {
                None => NbdExport::PORT,
                Some(port) => port
                    .parse()
                    .map_err(|_| format!("has an NBD server on the port '{}'", shown(port)))?,
            },
        }),
        "unix" => Ok(NbdServer::Unix(get("socket"))),
        other => Err(format!(
            "is an NBD export over '{}', and only tcp and unix are known",
            shown(other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::xml::span::Document;

    fn of(source: &str) -> Result<String, String> {
        let document = Document::parse(source, "source").unwrap();
        super::source(document.root().unwrap())
            .unwrap()
            .export
            .map(|export| export.uri())
    }

    fn nbd(attributes: &str, children: &str) -> Result<String, String> {
        of(&format!(
            "<source protocol='nbd' {attributes}>{children}</source>"
        ))
    }

    #[test]
    fn plain_exports_can_be_a_base() {
        let tcp = "<host name='h' port='1'/><reconnect delay='10'/>";
        assert_eq!(nbd("name='a&amp;b'", tcp).unwrap(), "nbd://h:1/a%26b");
        assert_eq!(
            nbd("tls='no'", "<host name='h'/>").unwrap(),
            "nbd://h:10809"
        );
        assert_eq!(
            nbd("name='x'", "<host transport='unix' socket='/s'/>").unwrap(),
            "nbd+unix:///x?socket=/s"
        );
    }

    #[test]
    fn everything_else_says_why_not() {
        let host = "<host name='h'/>";
        for (attributes, children) in [
            ("tls='yes'", host),
            ("tlsHostname='x'", host),
            ("", ""),
            ("", "<host name='h'/><host name='i'/>"),
            ("", "<host name='h' port='x'/>"),
            ("", "<host name='h' port='0'/>"),
            ("", "<host name='h' transport='rdma'/>"),
            ("", "<host transport='unix'/>"),
            (
                "",
                "<host name='h'/><slices><slice type='storage' offset='0' size='1'/></slices>",
            ),
            ("", "<host name='h'/><encryption format='luks'/>"),
            ("name='/x'", host),
        ] {
            assert!(
                nbd(attributes, children).is_err(),
                "{attributes} {children}"
            );
        }
        let why = of("<source protocol='rbd' name='p/i'><host name='h'/></source>").unwrap_err();
        assert!(why.contains("'rbd'"), "{why}");
    }
}
