//! A client for the network block device protocol, as far as it takes to read
//! one export of a server that this program has started itself.
//!
//! The source is `doc/proto.md` of the NBD project: "Fixed newstyle
//! negotiation", `NBD_OPT_EXPORT_NAME` and simple replies.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::image::file::{be16, be32, be64};

const GREETING: &[u8; 8] = b"NBDMAGIC";
const OPTIONS: &[u8; 8] = b"IHAVEOPT";

/// "Fixed newstyle", and no zeros after what is said of an export.
const FLAGS: u32 = 3;

const EXPORT_NAME: u32 = 1;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;
const READ: u16 = 0;

/// How much is asked for at once, in bytes. Servers allow 32 MiB.
const MOST: usize = 4 << 20;

/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An export that can be read.
#[derive(Debug)]
pub(super) struct Client {
    connection: Mutex<Connection>,
    size: u64,
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    /// After a failure nobody knows what comes next.
    broken: bool,
    /// The number of the last request.
    request: u64,
}

impl Client {
    /// Takes an export of the server at the other end.
    pub(super) fn new(mut stream: UnixStream, export: &str) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let hello = take::<18>(&mut stream)?;
        let newstyle = be16(&hello, 16).is_some_and(|flags| u32::from(flags) & FLAGS == FLAGS);
        if !hello.starts_with(GREETING) || hello.get(8..16) != Some(OPTIONS) || !newstyle {
            return Err(nonsense());
        }
        let mut answer = FLAGS.to_be_bytes().to_vec();
        answer.extend(OPTIONS);
        answer.extend(EXPORT_NAME.to_be_bytes());
        answer.extend(
            u32::try_from(export.len())
                .map_err(|_| nonsense())?
                .to_be_bytes(),
        );
        answer.extend(export.as_bytes());
        stream.write_all(&answer)?;
        let size = be64(&take::<10>(&mut stream)?, 0).ok_or_else(nonsense)?;
        Ok(Self {
            connection: Mutex::new(Connection {
                stream,
                broken: false,
                request: 0,
            }),
            size,
        })
    }

    /// The size of the export, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Fills `buf` from `offset` on.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut at = offset;
        for part in buf.chunks_mut(MOST) {
            connection.read(at, part)?;
            at = at.saturating_add(part.len() as u64);
        }
        Ok(())
    }
}

impl Connection {
    fn read(&mut self, offset: u64, part: &mut [u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.request = self.request.wrapping_add(1);
        let length = u32::try_from(part.len()).map_err(|_| nonsense())?;
        let mut request = REQUEST.to_be_bytes().to_vec();
        request.extend([0; 2]);
        request.extend(READ.to_be_bytes());
        request.extend(self.request.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(length.to_be_bytes());
        self.stream.write_all(&request)?;
        let reply = take::<16>(&mut self.stream)?;
        if be32(&reply, 0) != Some(REPLY) || be64(&reply, 8) != Some(self.request) {
            return Err(nonsense());
        }
        // An answer that is an error has nothing after it.
        match be32(&reply, 4) {
            Some(0) => self.stream.read_exact(part)?,
            error => {
                self.broken = false;
                let number = error.and_then(|number| i32::try_from(number).ok());
                return Err(io::Error::from_raw_os_error(number.unwrap_or(5)));
            }
        }
        self.broken = false;
        Ok(())
    }
}

fn take<const N: usize>(stream: &mut UnixStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn nonsense() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "what the server says makes no sense",
    )
}
