//! Where the name of a backing file leads, and the URIs of NBD exports.
#![no_main]

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vmkin::error::Kind;
use vmkin::image::{ExportOverlay, Overlay, Survey, Trust, survey};
use vmkin::model::{ImageFormat, NbdExport, NbdServer};
use vmkin_fuzz::{be, scratch, write};

/// A name of this length leaves the header of a new overlay room to be
/// overwritten in.
const ROOM: usize = 1023;

fuzz_target!(|data: &[u8]| {
    let name = &data[..data.len().min(ROOM)];
    if !name.is_empty() {
        follow(name);
    }
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '|');
    let (one, two, three) = (parts.next(), parts.next(), parts.next());
    let word = |part: Option<&str>| part.unwrap_or_default().to_owned();
    let port = word(three).parse().unwrap_or(NbdExport::PORT);
    export(NbdServer::Unix(word(one)), &word(two));
    export(
        NbdServer::Tcp {
            host: word(one),
            port,
        },
        &word(two),
    );
});

/// The header of an overlay with room for a name, and where that goes.
static TEMPLATE: LazyLock<(Vec<u8>, usize, u64)> = LazyLock::new(|| {
    for (name, fill) in [("images/base", 1), ("images/nbd:x", 2), ("secret", 3)] {
        write(name, &[fill; 1024]);
    }
    let longest = format!("/{}", "x".repeat(ROOM - 1));
    let overlay = Overlay {
        virtual_size: 1 << 20,
        backing: Path::new(&longest),
        backing_format: ImageFormat::Raw,
    };
    let contents = overlay.contents().expect("an overlay can be laid out");
    let (_, header) = contents.pieces.first().expect("it has a header");
    let at = usize::try_from(be(header, 8, 8)).expect("it is near the beginning");
    (header.clone(), at, contents.length)
});

/// The layers of an overlay that names this. Beside it is a file, and one that
/// is named as a protocol is; above it is one that nobody may have.
fn walk(name: &[u8], trust: &Trust) -> Survey {
    let (header, at, size) = &*TEMPLATE;
    let mut bytes = header.clone();
    let length = u32::try_from(name.len()).expect("it is short");
    bytes[16..20].copy_from_slice(&length.to_be_bytes());
    bytes[*at..*at + name.len()].copy_from_slice(name);
    let path = write("images/top", &bytes);
    let top = OpenOptions::new().write(true).open(&path);
    top.and_then(|file| file.set_len(*size))
        .expect("holes cost nothing");
    survey(&path, ImageFormat::Qcow2, trust)
}

fn follow(name: &[u8]) {
    let dir = scratch().join("images");
    let found = walk(name, &Trust::default());
    assert!(found.export.is_none());
    assert!(!found.layers.is_empty(), "the top has a good header");
    match found.layers.get(1) {
        Some(layer) => {
            assert!(layer.path.is_absolute(), "{layer:?}");
            let real = layer.path.canonicalize().expect("it was read");
            assert_eq!(real.parent(), Some(dir.as_path()), "{layer:?}");
        }
        None => {
            let error = found.problem.as_ref().expect("it names something");
            assert_eq!(error.kind(), Kind::Unsafe, "{error}");
        }
    }
    if is_protocol(name) {
        assert_eq!(found.layers.len(), 1);
        let error = found.problem.expect("no layer and no problem");
        let error = error.to_string();
        assert!(!error.contains("is missing"), "taken for a name: {error}");
    }
}

/// `path_has_protocol()` of QEMU's block.c, but for `file:`.
fn is_protocol(name: &[u8]) -> bool {
    let mut before_slash = name.split(|byte| *byte == b'/');
    let first = before_slash.next().unwrap_or_default();
    first.contains(&b':') && !first.starts_with(b"file:")
}

fn export(server: NbdServer, name: &str) {
    let Ok(export) = NbdExport::new(server.clone(), name) else {
        return;
    };
    let uri = export.uri();
    assert_eq!(read_uri(&uri), Some((server, name.to_owned())), "{uri}");

    if (ExportOverlay {
        virtual_size: 512,
        export: &export,
    })
    .contents()
    .is_err()
    {
        assert!(uri.len() > ROOM, "{uri}");
        return;
    }
    let mut trust = Trust::default();
    let stranger = walk(uri.as_bytes(), &trust);
    assert!(stranger.export.is_none() && stranger.layers.len() == 1);
    trust.allow_export(export.clone());
    assert_eq!(walk(uri.as_bytes(), &trust).export, Some(export));
    if uri.len() < ROOM {
        let other = walk(format!("{uri}x").as_bytes(), &trust);
        assert!(other.export.is_none());
    }
}

/// What QEMU makes of a URI (`nbd_parse_uri()` in its block/nbd.c).
fn read_uri(uri: &str) -> Option<(NbdServer, String)> {
    let (scheme, rest) = uri.split_once("://")?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    let name = unquoted(path.trim_start_matches('/'))?;
    let server = match scheme {
        "nbd" => {
            let (host, port) = authority.rsplit_once(':')?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            NbdServer::Tcp {
                host: host.to_owned(),
                port: port.parse().ok()?,
            }
        }
        "nbd+unix" if authority.is_empty() => {
            // It resolves what is quoted twice.
            let socket = unquoted(&unquoted(query)?)?;
            NbdServer::Unix(socket.strip_prefix("socket=")?.to_owned())
        }
        _ => return None,
    };
    Some((server, name))
}

fn unquoted(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
