//! What QEMU reads for us: images in the formats `vmdk`, `vhdx` and others, and
//! NBD exports.
//!
//! The headers of images have been read by this program (`foreign`), so that they
//! name no other file; an export is raw, and no header is looked for. The program that reads the rest has limits, and only this
//! process is connected to it: the socket has a name for no longer than it
//! takes to connect, in a directory that nobody else can enter.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};

use uuid::Uuid;

use super::nbd::Client;
use crate::error::{Error, Kind, Result};
use crate::image::file::{ImageFile, shown};
use crate::model::{ImageFormat, NbdExport, NbdServer};
use crate::process::{Limits, Service, Tool};

/// Address space for the program, in bytes: as `qemu-img` has.
const ADDRESS_SPACE: u64 = 4 << 30;

/// Processor time for it, in seconds: it is there as long as the disk is open.
const CPU: u64 = 24 * 3600;

const EXPORT: &str = "disk";

/// What another program reads.
#[derive(Debug)]
pub(super) struct Served {
    client: Client,
    /// What it is, for messages.
    name: String,
    /// The size of the disk, in bytes.
    size: u64,
    service: Service,
}

impl Served {
    /// Has an image of a format with a checked header read, of which that says
    /// that its disk has `size` bytes.
    pub(super) fn new(image: &ImageFile, format: ImageFormat, size: u64) -> Result<Self> {
        let name = shown(image.path()).to_string();
        let served = Self::start(name, of_image(image, format)?)?;
        // It may count a part of a sector that this program does not, or the
        // other way round; but it is the same disk.
        if served.size.abs_diff(size) >= 512 {
            return Err(Error::new(
                Kind::Unsafe,
                format_args!(
                    "the header of {} says that its disk has {size} bytes, and QEMU says {}",
                    served.name, served.size
                ),
            ));
        }
        Ok(served)
    }

    /// Has an NBD export read, which is raw.
    pub(super) fn of_export(export: &NbdExport) -> Result<Self> {
        Self::start(format!("the NBD export {export}"), block_device(export)).map_err(|error| {
            match error.kind() {
                Kind::Storage => error
                    .with_kind(Kind::Environment)
                    .hint("see that its server runs, and offers it to this host"),
                _ => error,
            }
        })
    }

    /// Has what QEMU is told to open read.
    fn start(name: String, device: serde_json::Value) -> Result<Self> {
        let tool = Tool::find("qemu-storage-daemon")?;
        let (listener, stream) = connected().map_err(|error| {
            Error::io(
                "cannot make a socket in the directory for temporary files",
                error,
            )
            .with_kind(Kind::Environment)
        })?;
        let limits = Limits {
            address_space: Some(ADDRESS_SPACE),
            cpu_seconds: Some(CPU),
        };
        let service = tool
            .command(arguments(&device))
            .env("MALLOC_ARENA_MAX", "4")
            .limits(limits)
            .serve(listener)?;
        let client =
            Client::new(stream, EXPORT).map_err(|error| failure(&name, &service, error))?;
        Ok(Self {
            size: client.size(),
            client,
            name,
            service,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.client.read(offset, buf).map_err(|error| {
            let said = self.service.said();
            let colon = if said.is_empty() { "" } else { ": " };
            Error::wrap(
                Kind::Storage,
                format_args!(
                    "QEMU cannot read {} at offset {offset}{colon}{said}",
                    self.name
                ),
                error,
            )
        })
    }
}

/// A socket that listens, and the only connection to it.
fn connected() -> std::io::Result<(OwnedFd, UnixStream)> {
    let dir = std::env::temp_dir().join(format!(".vmkin-{}", Uuid::new_v4()));
    DirBuilder::new().mode(0o700).create(&dir)?;
    let path = dir.join("s");
    let pair = UnixListener::bind(&path)
        .and_then(|listener| UnixStream::connect(&path).map(|stream| (listener.into(), stream)));
    // Who is connected needs no name any more.
    let removed = std::fs::remove_file(&path).and_then(|()| std::fs::remove_dir(&dir));
    let pair = pair?;
    removed?;
    Ok(pair)
}

fn of_image(image: &ImageFile, format: ImageFormat) -> Result<serde_json::Value> {
    let path = image.path().to_str().ok_or_else(|| {
        Error::new(
            Kind::Usage,
            format_args!(
                "the name of {} is not in UTF-8, and QEMU's programs take no other",
                shown(image.path())
            ),
        )
    })?;
    // Reading takes no lock: that would keep a guest from being started.
    let file = serde_json::json!({
        "driver": if image.is_block() { "host_device" } else { "file" },
        "filename": path,
        "read-only": true,
        "locking": "off",
    });
    Ok(device(format.as_str(), &file))
}

fn block_device(export: &NbdExport) -> serde_json::Value {
    let server = match export.server() {
        NbdServer::Tcp { host, port } => serde_json::json!({
            "type": "inet",
            "host": host,
            "port": port.to_string(),
        }),
        NbdServer::Unix(path) => serde_json::json!({ "type": "unix", "path": path }),
    };
    // Without a name it is the one that the server offers to those who name none.
    let export = (!export.name().is_empty()).then(|| export.name());
    let file = match export {
        Some(export) => serde_json::json!({
            "driver": "nbd", "server": server, "export": export, "read-only": true,
        }),
        None => serde_json::json!({ "driver": "nbd", "server": server, "read-only": true }),
    };
    device("raw", &file)
}

fn device(driver: &str, file: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "node-name": EXPORT,
        "driver": driver,
        "read-only": true,
        "file": file,
    })
}

fn arguments(device: &serde_json::Value) -> Vec<OsString> {
    let export = format!("type=nbd,id=export,node-name={EXPORT},name={EXPORT},writable=off");
    [
        "--blockdev",
        &device.to_string(),
        "--nbd-server",
        "addr.type=fd,addr.str=0",
        "--export",
        &export,
    ]
    .map(OsString::from)
    .into()
}

fn failure(name: &str, service: &Service, error: std::io::Error) -> Error {
    // What it says comes by another way than the end of the connection.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let said = service.said();
    let message = format!("QEMU cannot open {name}");
    if said.is_empty() {
        return Error::wrap(Kind::Storage, message, error);
    }
    Error::new(Kind::Storage, format_args!("{message}: {said}"))
}
