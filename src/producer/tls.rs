//! What secures a producer's connections: made with it, renewed while it runs, by a call or by the thread "kp-tls" that looks at
//! the files now and then. The I/O thread reads no file.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Producer;
use crate::accumulator::{Accumulator, Command};
use crate::config::Config;
use crate::error::{Error, Result, Status};
use crate::io;
use crate::reports::Reports;
use crate::security::tls::{ClientTls, SharedTls};
use crate::sync::{Condvar, Mutex};

const FACILITY: &str = "TLS";

/// A producer's TLS and who renews it.
pub(super) struct Secured {
    tls: SharedTls,
    reports: Arc<Reports>,
    /// Told when there is something new. Not a count of its own: its owner outlives it.
    accumulator: Weak<Accumulator>,
    /// One reload at a time, or an older file could replace a newer one.
    reloading: Mutex<()>,
    watching: Mutex<Watching>,
    changed: Condvar,
}

#[derive(Default)]
struct Watching {
    thread: Option<JoinHandle<()>>,
    is_running: bool,
    is_over: bool,
}

impl Secured {
    /// Reads certificates and keys where the configuration asks for TLS.
    pub fn new(
        config: &Config,
        accumulator: &Arc<Accumulator>,
        reports: &Arc<Reports>,
    ) -> Result<Option<Arc<Secured>>> {
        if !config.security_protocol.uses_tls() {
            return Ok(None);
        }
        let tls = Arc::new(ClientTls::new(&config.tls)?);
        let secured = Arc::new(Secured {
            tls,
            reports: reports.clone(),
            accumulator: Arc::downgrade(accumulator),
            reloading: Mutex::default(),
            watching: Mutex::default(),
            changed: Condvar::default(),
        });
        secured.warn();
        Ok(Some(secured))
    }

    pub fn shared(&self) -> SharedTls {
        self.tls.clone()
    }

    /// Begins to look at the files every `interval_ms`, where there are files and that is not 0.
    pub fn watch(self: &Arc<Secured>, interval_ms: u64) -> Result<()> {
        if interval_ms == 0 || !self.tls.reads_files() {
            return Ok(());
        }
        let secured = self.clone();
        let interval = Duration::from_millis(interval_ms);
        let mut watching = self.watching.lock();
        watching.thread = Some(io::start_thread("kp-tls", move || secured.run(interval))?);
        watching.is_running = true;
        Ok(())
    }

    fn run(&self, interval: Duration) {
        let _running = Running(self);
        while !self.is_over_within(interval) {
            if self.tls.files_changed() {
                // What went wrong is in the log, and the old ones stay: the next change is tried again.
                let _ = self.reload();
            }
        }
    }

    fn is_over_within(&self, interval: Duration) -> bool {
        let mut watching = self.watching.lock();
        self.changed.wait_while_for(&mut watching, |watching| !watching.is_over, interval);
        watching.is_over
    }

    /// Reads everything again; true: something is new. The old ones stay in use where it fails.
    fn reload(&self) -> Result<bool> {
        let _turn = self.reloading.lock();
        match self.tls.reload() {
            Ok(true) => {
                let text = "certificates and keys were read anew; new connections use them";
                self.reports.log(6, FACILITY, || text.to_owned());
                self.warn();
                if let Some(accumulator) = self.accumulator.upgrade() {
                    accumulator.inbox.command(Command::CredentialsChanged);
                }
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => {
                let text = format!("{}; the certificates and keys read before stay in use", error.message);
                self.reports.log(3, FACILITY, || text.clone());
                Err(Error::new(error.status, text))
            }
        }
    }

    fn warn(&self) {
        for warning in self.tls.warnings() {
            self.reports.log(4, FACILITY, || warning);
        }
    }

    /// Lets the watching thread end after what it is at.
    pub fn tell_end(&self) {
        self.watching.lock().is_over = true;
        self.changed.notify_all();
    }

    /// Ends the watching thread. One that a file system does not answer for longer than `timeout` is left to end by itself:
    /// it touches nothing but what it shares in ownership.
    pub fn end(&self, timeout: Duration) {
        self.tell_end();
        let mut watching = self.watching.lock();
        self.changed.wait_while_for(&mut watching, |watching| watching.is_running, timeout);
        let thread = watching.thread.take().filter(|_| !watching.is_running);
        drop(watching);
        if let Some(thread) = thread {
            // An error would be a panic: the certificates are as they were, and nothing watches them any more.
            let _ = thread.join();
        }
    }
}

/// Tells of the thread's end, also when a panic ended it.
struct Running<'a>(&'a Secured);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.watching.lock().is_running = false;
        self.0.changed.notify_all();
    }
}

impl Producer {
    /// Reads certificates and keys again; what is new is used by new connections. The error leaves the old ones in use.
    pub fn reload_tls(&self) -> Result<()> {
        let Some(secured) = &self.secured else {
            let text =
                "security.protocol has no TLS: there are no certificates to read again; set it to SSL or SASL_SSL";
            return Err(Error::new(Status::CONFIG_CONFLICT, text));
        };
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        secured.reload().map(drop)
    }
}
