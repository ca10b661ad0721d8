//! Disks on the network, and the one kind of them that can be a base.

use std::fmt;
use std::net::Ipv6Addr;

use serde::Serialize;

/// A disk on the network, as domain XML has it.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
pub struct NetworkSource {
    /// The protocol, as libvirt spells it.
    pub protocol: String,
    /// The export, image or path on the other side.
    pub name: Option<String>,
    /// Whether the disk is all that goes by this name, and no part or snapshot of it.
    #[serde(skip)]
    pub whole: bool,
    /// The export that clones can be based on, or why it is none: a clause
    /// about the disk that begins with a verb.
    #[serde(skip)]
    pub export: Result<NbdExport, String>,
}

impl From<NbdExport> for NetworkSource {
    fn from(export: NbdExport) -> Self {
        Self {
            protocol: "nbd".to_owned(),
            name: Some(export.name.clone()).filter(|name| !name.is_empty()),
            whole: true,
            export: Ok(export),
        }
    }
}

/// A disk that an NBD server offers without TLS.
///
/// Two of them are equal if they are written alike; whether two names lead to
/// one server, nobody knows.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct NbdExport {
    server: NbdServer,
    name: String,
}

/// Where an NBD server listens.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum NbdServer {
    /// On a port.
    Tcp {
        /// The name or address of its host.
        host: String,
        /// The port.
        port: u16,
    },
    /// On a socket of this host, by its absolute path.
    Unix(String),
}

impl NbdExport {
    /// The port of servers that do not name one.
    pub const PORT: u16 = 10_809;

    /// Makes one of a server and the name of an export, which may be empty.
    ///
    /// # Errors
    ///
    /// If QEMU, reading the URI in the header of an overlay, and libvirt,
    /// reading the domain XML, might not be led to the same export: a clause
    /// that begins with a verb.
    pub fn new(server: NbdServer, name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        match &server {
            NbdServer::Tcp { host, port } => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                let fine = if host.contains(':') {
                    host.parse::<Ipv6Addr>().is_ok()
                } else {
                    !host.is_empty() && host.chars().all(plain)
                };
                if !fine || *port == 0 {
                    return Err(format!("has the impossible NBD server '{host}:{port}'"));
                }
            }
            NbdServer::Unix(socket) => {
                if !socket.starts_with('/') {
                    return Err(format!("has an NBD socket without a full path, '{socket}'"));
                }
                // QEMU resolves what is quoted in a query twice, and cuts it
                // into parameters in between.
                if socket.contains(['%', '&', ';']) || socket.chars().any(char::is_control) {
                    return Err(format!(
                        "has the NBD socket '{socket}', and QEMU cannot read `%`, `&` and `;` there"
                    ));
                }
            }
        }
        // QEMU takes any number of slashes in front of it for none.
        if name.starts_with('/') || name.chars().any(char::is_control) {
            return Err(format!(
                "has the NBD export '{}', which cannot be named in an image",
                name.escape_debug()
            ));
        }
        Ok(Self { server, name })
    }

    /// Where its server listens.
    pub fn server(&self) -> &NbdServer {
        &self.server
    }

    /// Its name; empty for the one that a server offers to those who name none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URI, as QEMU reads it in the header of an image.
    pub fn uri(&self) -> String {
        let name = quoted(&self.name);
        match &self.server {
            NbdServer::Tcp { host, port } => {
                let host = match host.contains(':') {
                    true => format!("[{host}]"),
                    false => host.clone(),
                };
                match name.is_empty() {
                    true => format!("nbd://{host}:{port}"),
                    false => format!("nbd://{host}:{port}/{name}"),
                }
            }
            NbdServer::Unix(socket) => {
                let socket = quoted(socket);
                match name.is_empty() {
                    true => format!("nbd+unix://?socket={socket}"),
                    false => format!("nbd+unix:///{name}?socket={socket}"),
                }
            }
        }
    }
}

/// Quotes what has a meaning of its own somewhere in a URI.
fn quoted(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

impl fmt::Display for NbdExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.uri())
    }
}

impl From<NbdExport> for String {
    fn from(export: NbdExport) -> Self {
        export.uri()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16, name: &str) -> Result<NbdExport, String> {
        let host = host.to_owned();
        NbdExport::new(NbdServer::Tcp { host, port }, name)
    }

    fn unix(socket: &str, name: &str) -> Result<NbdExport, String> {
        NbdExport::new(NbdServer::Unix(socket.to_owned()), name)
    }

    #[test]
    fn uris_are_as_qemu_writes_them() {
        let uri = |export: Result<NbdExport, String>| export.unwrap().uri();
        assert_eq!(uri(tcp("nas-1.lan", 10809, "a")), "nbd://nas-1.lan:10809/a");
        assert_eq!(uri(tcp("::1", 99, "a/b")), "nbd://[::1]:99/a/b");
        assert_eq!(uri(tcp("10.0.0.1", 1, "")), "nbd://10.0.0.1:1");
        assert_eq!(uri(unix("/run/n", "a")), "nbd+unix:///a?socket=/run/n");
        assert_eq!(uri(unix("/run/n", "")), "nbd+unix://?socket=/run/n");
    }

    #[test]
    fn what_means_something_in_a_uri_is_quoted() {
        assert_eq!(
            unix("/s k,?#+=\u{e9}", "a b%c?d&#x,:@").unwrap().uri(),
            "nbd+unix:///a%20b%25c%3Fd%26%23x%2C%3A%40?socket=/s%20k%2C%3F%23%2B%3D%C3%A9"
        );
    }

    #[test]
    fn what_would_be_read_in_two_ways_is_refused() {
        for export in [
            tcp("", 1, "a"),
            tcp("h", 0, "a"),
            tcp("h/x", 1, "a"),
            tcp("h@evil", 1, "a"),
            tcp("fe80::1%eth0", 1, "a"),
            tcp("h:1", 1, "a"),
            tcp("h", 1, "/a"),
            tcp("h", 1, "a\nb"),
            unix("relative", "a"),
            unix("/a%41", "a"),
            unix("/a&b", "a"),
            unix("/a;b", "a"),
        ] {
            assert!(export.is_err(), "{export:?}");
        }
    }

    #[test]
    fn in_json_an_export_is_its_uri() {
        let json = serde_json::to_string(&tcp("h", 1, "a").unwrap()).unwrap();
        assert_eq!(json, "\"nbd://h:1/a\"");
    }
}
