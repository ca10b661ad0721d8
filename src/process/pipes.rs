//! The pipes of a program: reading both at once, cutting lines, keeping the end.

use std::collections::VecDeque;
use std::io::Read;
use std::process::Child;
use std::sync::mpsc;

/// How much of a program's stderr is kept, in bytes.
pub(super) const STDERR_KEPT: usize = 1024;

/// What came out of a pipe.
pub(super) enum Chunk {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

/// Reads both pipes of a child on threads of their own, which end with the pipes.
pub(super) fn listen(child: &mut Child) -> mpsc::Receiver<Chunk> {
    // Bounded, so that a child that never stops talking cannot fill the memory.
    let (sender, receiver) = mpsc::sync_channel(16);
    if let Some(pipe) = child.stdout.take() {
        let sender = sender.clone();
        std::thread::spawn(move || pump(pipe, &sender, Chunk::Out));
    }
    if let Some(pipe) = child.stderr.take() {
        std::thread::spawn(move || pump(pipe, &sender, Chunk::Err));
    }
    receiver
}

fn pump(mut pipe: impl Read, sender: &mpsc::SyncSender<Chunk>, wrap: fn(Vec<u8>) -> Chunk) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                let bytes = buffer.iter().take(count).copied().collect();
                if sender.send(wrap(bytes)).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Appends bytes and drops what is too far from the end.
pub(super) fn keep_tail(tail: &mut VecDeque<u8>, bytes: &[u8]) {
    tail.extend(bytes);
    let surplus = tail.len().saturating_sub(STDERR_KEPT);
    tail.drain(..surplus);
}

/// What a program said, on one line and harmless on a terminal.
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            line.chars().fold(String::new(), |mut shown, c| {
                if c.is_control() {
                    shown.extend(c.escape_default());
                } else {
                    shown.push(c);
                }
                shown
            })
        })
        .collect();
    lines.join("; ")
}

/// Cuts a stream of bytes into lines.
#[derive(Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// A line longer than this is cut; nobody reads it.
    const LONGEST: usize = 64 << 10;

    pub(super) fn push(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') || self.pending.len() >= Self::LONGEST {
                self.finish(line);
            }
            if !matches!(byte, b'\n' | b'\r') {
                self.pending.push(byte);
            }
        }
    }

    pub(super) fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.pending.is_empty() {
            line(&String::from_utf8_lossy(&self.pending));
            self.pending.clear();
        }
    }
}
