//! A program that runs beside this one, for as long as it is needed.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal};

use super::pipes::{Chunk, keep_tail, listen, printable};
use super::{OBSERVER, Run, Running, TICK};
use crate::error::{Error, Kind, Result};

/// A program that is killed, with all it started, when this is dropped.
#[derive(Debug)]
pub struct Service {
    group: Option<Pid>,
    stop: Arc<AtomicBool>,
    said: Arc<Mutex<VecDeque<u8>>>,
    keeper: Option<JoinHandle<()>>,
}

impl Run<'_> {
    /// Starts it, with a file to read or listen on as its stdin, and lets it
    /// run. It dies with this process. Its patience, and what its exit code
    /// means, are of no matter.
    ///
    /// # Errors
    ///
    /// [`Kind::Environment`] if it cannot be started.
    pub fn serve(self, stdin: OwnedFd) -> Result<Service> {
        if let Some(observer) = OBSERVER.get() {
            observer(&self.tool.path, &self.args);
        }
        let mut command = self.prepared(Stdio::from(stdin));
        let stop = Arc::new(AtomicBool::new(false));
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, started) = mpsc::sync_channel(1);
        let (stopped, heard) = (Arc::clone(&stop), Arc::clone(&said));
        // It dies with the thread that starts it, which is therefore one that
        // lives as long as it does.
        let keeper = std::thread::Builder::new().spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => Running(child),
                Err(error) => return drop(sender.send(Err(error))),
            };
            // Its stdin is its own now.
            drop(command);
            let chunks = listen(&mut child.0);
            drop(sender.send(Ok(child.0.id())));
            // It is waited for at the very end: until then nobody else gets its number.
            while !stopped.load(Ordering::Relaxed) {
                match chunks.recv_timeout(TICK) {
                    Ok(Chunk::Err(bytes)) => {
                        keep_tail(
                            &mut heard.lock().unwrap_or_else(PoisonError::into_inner),
                            &bytes,
                        );
                    }
                    Ok(Chunk::Out(_)) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => std::thread::park_timeout(TICK),
                }
            }
        });
        let failed = |error| self.not_started(error);
        let keeper = keeper.map_err(failed)?;
        let number = started
            .recv()
            .map_err(|_| Error::new(Kind::Environment, "a thread has died"))?
            .map_err(failed)?;
        Ok(Service {
            group: i32::try_from(number).ok().and_then(Pid::from_raw),
            stop,
            said,
            keeper: Some(keeper),
        })
    }
}

impl Service {
    /// The end of what it has said on stderr so far, on one line.
    pub fn said(&self) -> String {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        printable(said.make_contiguous())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(group) = self.group {
            // It may be gone by now, which is just as well.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.thread().unpark();
            drop(keeper.join());
        }
    }
}
