//! What `qemu-img` wants to hear, and what it says.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::file::shown;
use super::lock::Lease;
use crate::error::{Error, Kind, Result};
use crate::model::{Chain, ImageFormat, NbdExport, NbdServer};

/// Describes a chain to QEMU so that it takes no name and no format from a
/// header: those may have changed since they were checked.
///
/// With a `lease` on its top image, QEMU takes no lock on that: ours would be
/// in its way, and keeps all others out. It locks the layers below as ever.
///
/// # Errors
///
/// Those of [`refuse_export`]; [`Kind::Busy`] if the lease is on another file
/// than the top image, which nothing would lock then.
pub fn image_options(chain: &Chain, lease: Option<&Lease>) -> Result<OsString> {
    refuse_export(chain)?;
    if let Some(lease) = lease.filter(|lease| lease.image().id() != chain.top().file) {
        return Err(Error::new(
            Kind::Busy,
            format_args!(
                "{} is not the file that was locked",
                shown(lease.image().path())
            ),
        ));
    }
    let mut options = OsString::new();
    let mut prefix = String::new();
    for layer in chain.layers() {
        if !options.is_empty() {
            options.push(",");
        }
        let format = match layer.format {
            ImageFormat::Iso => ImageFormat::Raw,
            format => format,
        };
        let driver = if layer.block { "host_device" } else { "file" };
        options.push(format!(
            "{prefix}driver={format},{prefix}file.driver={driver},{prefix}file.filename="
        ));
        options.push(option_value(layer.path.as_os_str()));
        if lease.is_some() && prefix.is_empty() {
            options.push(",file.locking=off");
        }
        prefix.push_str("backing.");
    }
    Ok(options)
}

/// Refuses a chain on an NBD export: QEMU takes the place of a lower layer
/// from the options only if that is a file, and else goes by the header.
///
/// # Errors
///
/// [`Kind::WrongState`].
pub fn refuse_export(chain: &Chain) -> Result<()> {
    let Some(export) = chain.export() else {
        return Ok(());
    };
    Err(Error::new(
        Kind::WrongState,
        format_args!(
            "{} is an overlay on {export}, and `qemu-img` would read whatever its header names \
             by then",
            shown(&chain.top().path)
        ),
    )
    .hint("make a linked clone, or a full one of the domain whose disk the export is"))
}

/// Describes an NBD export to QEMU, as a raw disk.
pub fn export_options(export: &NbdExport) -> OsString {
    let mut options = OsString::from("driver=raw,file.driver=nbd");
    let mut add = |name: &str, value: &str| {
        options.push(format!(",file.{name}="));
        options.push(option_value(value.as_ref()));
    };
    match export.server() {
        NbdServer::Tcp { host, port } => {
            add("server.type", "inet");
            add("server.host", host);
            add("server.port", &port.to_string());
        }
        NbdServer::Unix(socket) => {
            add("server.type", "unix");
            add("server.path", socket);
        }
    }
    if !export.name().is_empty() {
        add("export", export.name());
    }
    options
}

/// Doubles the commas of a value in one of QEMU's option lists
/// (`--image-opts`, `-o`), where a single one would begin the next option.
pub fn option_value(value: &OsStr) -> OsString {
    let doubled = value.as_bytes().iter().fold(Vec::new(), |mut all, &byte| {
        if byte == b',' {
            all.push(byte);
        }
        all.push(byte);
        all
    });
    OsString::from_vec(doubled)
}

/// Reads the progress that `qemu-img -p` shows: `    (12.34/100%)`.
///
/// Returns hundredths of a percent, 0 to 10000.
pub fn progress_of(line: &str) -> Option<u64> {
    let number = line.trim().strip_prefix('(')?.strip_suffix("/100%)")?;
    let (whole, part) = number.split_once('.')?;
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = part.get(..2)?.parse().ok()?;
    (whole <= 100).then(|| (whole * 100 + part).min(10_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileId, Layer};

    fn layer(path: &str, format: ImageFormat) -> Layer {
        Layer {
            path: path.into(),
            format,
            file: FileId {
                device: 1,
                inode: 2,
            },
            block: false,
            virtual_size: 512,
            file_size: 512,
            allocated: 0,
            snapshots: 0,
            dirty: false,
            encrypted: false,
        }
    }

    #[test]
    fn every_layer_is_spelled_out() {
        let top = layer("/top", ImageFormat::Qcow2);
        let base = Layer {
            block: true,
            ..layer("/dev/a,b", ImageFormat::Iso)
        };
        let chain = Chain::new(top, vec![base]);
        assert_eq!(
            image_options(&chain, None).unwrap(),
            "driver=qcow2,file.driver=file,file.filename=/top,\
             backing.driver=raw,backing.file.driver=host_device,backing.file.filename=/dev/a,,b"
        );
    }

    #[test]
    fn locking_is_off_on_the_leased_file_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("top");
        std::fs::write(&path, [0; 512]).unwrap();
        let lease = Lease::exclusive(&path).unwrap();
        let leased = Layer {
            file: lease.image().id(),
            ..layer("/top", ImageFormat::Raw)
        };
        let base = layer("/base", ImageFormat::Raw);
        let chain = Chain::new(leased, vec![base.clone()]);
        assert_eq!(
            image_options(&chain, Some(&lease)).unwrap(),
            "driver=raw,file.driver=file,file.filename=/top,file.locking=off,\
             backing.driver=raw,backing.file.driver=file,backing.file.filename=/base"
        );
        let other = Chain::new(base, Vec::new());
        let error = image_options(&other, Some(&lease)).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
    }

    #[test]
    fn an_export_is_raw_and_on_its_own() {
        let export = |server, name: &str| NbdExport::new(server, name).unwrap();
        let unix = export(NbdServer::Unix("/s,1".to_owned()), "a,b");
        assert_eq!(
            export_options(&unix),
            "driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=/s,,1,file.export=a,,b"
        );
        let top = layer("/top", ImageFormat::Qcow2);
        let chain = Chain::new(top, Vec::new()).on(unix);
        let error = image_options(&chain, None).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        let host = "::1".to_owned();
        let tcp = export(NbdServer::Tcp { host, port: 9 }, "");
        assert_eq!(
            export_options(&tcp),
            "driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=::1,file.server.port=9"
        );
    }

    #[test]
    fn progress_is_read() {
        assert_eq!(progress_of("    (12.34/100%)"), Some(1234));
        assert_eq!(progress_of("    (100.00/100%)"), Some(10_000));
        assert_eq!(progress_of("Image resized."), None);
    }

    #[test]
    fn commas_are_doubled() {
        assert_eq!(option_value(OsStr::new("/a,b,c")), "/a,,b,,c");
    }
}
