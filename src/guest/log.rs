//! The end of a guest's system log, where that is text.

use crate::error::Result;
use crate::guest::tree::Tree;

/// Where systems log to, the best first.
const LOGS: &[&str] = &["/var/log/syslog", "/var/log/messages", "/var/log/kern.log"];

/// How much of the end of a log is read.
const END: u64 = 4 << 20;

/// The end of a log.
pub struct LogEnd {
    /// Where it is.
    pub path: &'static str,
    /// Its last lines; the first may be cut.
    pub lines: Vec<Vec<u8>>,
}

/// The end of the system log; `None` if there is none that is text.
///
/// # Errors
///
/// If it cannot be read.
pub fn end_of_log(tree: &Tree) -> Result<Option<LogEnd>> {
    for path in LOGS {
        let Some(place) = tree.look(path)? else {
            continue;
        };
        let size = tree.stat(&place)?.size;
        let from = size.saturating_sub(END);
        let mut bytes = vec![0; usize::try_from(size.saturating_sub(from)).unwrap_or(0)];
        let count = tree.read(&place, from, &mut bytes)?;
        bytes.truncate(count);
        let lines = bytes
            .strip_suffix(b"\n")
            .unwrap_or(&bytes)
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::to_vec);
        return Ok(Some(LogEnd {
            path,
            lines: lines.collect(),
        }));
    }
    Ok(None)
}
