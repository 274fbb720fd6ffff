//! The only sockets, and the only clock besides `producer/`: one thread that drives a sans-IO [`Core`].
//!
//! ```text
//! Waker ──▶ reactor ──▶ resolve (a short-lived thread per name) ──▶ connect (addresses in turn) ──▶ connection
//!              │ handle_*: bytes came, bytes went, connected, closed, woken, time is up
//!              ▼ poll_action: connect, write, close
//!            Core
//! ```
//!
//! Where `IoOptions` has TLS, the handshake is the last step of connecting, and a connection's bytes go through rustls
//! (`tls`).
//!
//! Threads: `kp-io` runs the reactor and the core; `kp-resolve` threads run `getaddrinfo` and nothing else. Both block
//! every asynchronous signal, so the host's handlers never run on them.

mod clock;
mod connect;
mod connection;
mod reactor;
mod resolve;
mod socket;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::sync::{Condvar, Mutex};

use crate::config::AddressFamily;
use crate::error::{Error, Result, Status};
use crate::security::tls::SharedTls;
use crate::sender::{Action, Closed, ConnId};
use crate::threads;
use crate::time::Time;

pub use clock::Clock;

use reactor::Reactor;
use resolve::Lookup;

/// What the reactor drives. After every `handle_*` call it takes `poll_action` until `None`.
pub trait Core {
    /// Application threads left work in the shared inbox; the core reads it itself. May come without any.
    fn handle_wakeup(&mut self, now: Time);
    /// The connection asked for by `Action::Connect` is open.
    fn handle_connected(&mut self, now: Time, conn: ConnId);
    /// Raw bytes as they came; the core cuts frames.
    fn handle_bytes(&mut self, now: Time, conn: ConnId, bytes: &[u8]);
    /// So many more bytes may go to the broker from now on: the socket has them, or TLS does. Frames of which the last
    /// byte is among them were dropped before the call. `through`: so many more has the socket.
    fn handle_written(&mut self, now: Time, conn: ConnId, bytes: usize, through: usize);
    /// The connection could not be made or is gone; its frames were dropped before the call. `closed` says what
    /// happened.
    fn handle_closed(&mut self, now: Time, conn: ConnId, closed: Closed);
    /// `poll_timeout` has been reached.
    fn handle_timeout(&mut self, now: Time);
    /// The next thing to do.
    fn poll_action(&mut self, now: Time) -> Option<Action>;
    /// When to call `handle_timeout`; `Time::NEVER` sleeps until woken.
    fn poll_timeout(&self) -> Time;
    /// When the first of these is due that gives something up because nothing came: the sockets are read once more
    /// before it fires. Never earlier than `poll_timeout`.
    fn poll_deadline(&self) -> Time {
        self.poll_timeout()
    }
    /// Publishes "asleep until" to application threads, which from then on wake the reactor when they leave work.
    /// Answers true when there is work already and the loop must not sleep.
    fn before_sleep(&mut self, now: Time, until: Time) -> bool;
    /// Publishes "awake": work left from now on is seen without a wake-up, at the latest by the next `before_sleep`.
    /// Called every turn, also when the loop did not sleep and so did not ask `before_sleep`.
    fn after_sleep(&mut self);
    /// True ends the loop: connections are closed and the thread ends.
    fn is_finished(&self) -> bool;
    /// The loop caught a panic or lost its event queue: the core fails every outstanding record; then the thread ends.
    /// Every frame was dropped before the call.
    fn handle_panic(&mut self, message: &str);
}

/// A read that does not fill the buffer has emptied the socket, and the next byte is a new edge: with epoll and kqueue
/// the extra read that would say "would block" can be spared.
const SHORT_READ_IS_LAST: bool = cfg!(unix);

/// How connections are made.
#[derive(Clone)]
pub struct IoOptions {
    /// SO_SNDBUF; zero and less leave it to the operating system.
    pub send_buffer_bytes: i64,
    /// SO_RCVBUF; zero and less leave it to the operating system.
    pub receive_buffer_bytes: i64,
    pub keepalive: bool,
    /// TCP_USER_TIMEOUT where there is one: a peer that acknowledges nothing for so long is gone. Zero: not set.
    pub tcp_user_timeout_ms: u64,
    pub address_family: AddressFamily,
    /// Every connection is secured with it; `None`: none is.
    pub tls: Option<SharedTls>,
}

impl Default for IoOptions {
    fn default() -> IoOptions {
        IoOptions {
            send_buffer_bytes: -1,
            receive_buffer_bytes: -1,
            keepalive: true,
            tcp_user_timeout_ms: 0,
            address_family: AddressFamily::Any,
            tls: None,
        }
    }
}

/// Wakes the I/O thread from any thread: one write to an eventfd (or its like), so callers gate it with a flag.
#[derive(Clone, Debug)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Makes the loop run `handle_wakeup` soon. Harmless after the thread has ended.
    pub fn wake(&self) {
        // It fails only when the host has closed our descriptors. Then the loop's own poll fails too and reports it
        // through `handle_panic`, so there is nothing for this caller to do.
        let _ = threads::uncancelled(|| self.0.wake());
    }
}

/// Starts another thread of the library's own: the application's signals do not run on it.
pub fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>> {
    threads::spawn(name, work)
        .map_err(|e| Error::new(Status::NO_RESOURCES, format!("the operating system refused the thread {name}: {e}")))
}

/// The running I/O thread. Dropping it neither stops nor joins the thread: the core's `is_finished` ends it.
#[derive(Debug)]
pub struct IoThread {
    waker: Waker,
    ended: Arc<Ended>,
    handle: Option<thread::JoinHandle<()>>,
}

impl IoThread {
    /// Starts the thread. It calls `handle_wakeup` once at the start, so work left before now is seen.
    pub fn start<C>(name: &str, options: IoOptions, clock: Clock, core: C) -> Result<IoThread>
    where
        C: Core + Send + 'static,
    {
        IoThread::start_with_lookup(name, options, clock, core, Arc::new(resolve::getaddrinfo))
    }

    fn start_with_lookup<C>(name: &str, options: IoOptions, clock: Clock, core: C, lookup: Lookup) -> Result<IoThread>
    where
        C: Core + Send + 'static,
    {
        let no_resources = |what: &str, e: std::io::Error| Error::new(Status::NO_RESOURCES, format!("{what}: {e}"));
        let (reactor, waker) = Reactor::new(options, clock, core, lookup)
            .map_err(|e| no_resources("the operating system refused an event queue for the I/O thread", e))?;
        let ended = Arc::new(Ended::default());
        let guard = EndedGuard(ended.clone());
        let handle = threads::spawn(name, move || {
            // Declared first, dropped last: whatever happens below, a waiting `join` learns of the end.
            let _guard = guard;
            reactor.run_to_end();
        })
        .map_err(|e| no_resources("the operating system refused the I/O thread", e))?;
        Ok(IoThread { waker, ended, handle: Some(handle) })
    }

    /// Something to wake the thread with.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Waits until the thread has ended; false when it has not within `timeout`. It does not ask the thread to end.
    pub fn join(&mut self, timeout: Duration) -> bool {
        if !self.ended.wait(timeout) {
            return false;
        }
        if let Some(handle) = self.handle.take() {
            // An error would be a panic in the core's destructor: it was past every report, and the thread is gone.
            let _ = handle.join();
        }
        true
    }
}

/// Tells that the thread's work is over; `JoinHandle::join` alone has no timeout.
#[derive(Debug, Default)]
struct Ended {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Ended {
    fn wait(&self, timeout: Duration) -> bool {
        let mut ended = self.ended.lock();
        self.changed.wait_while_for(&mut ended, |ended| !*ended, timeout);
        *ended
    }
}

struct EndedGuard(Arc<Ended>);

impl Drop for EndedGuard {
    fn drop(&mut self) {
        *self.0.ended.lock() = true;
        self.0.changed.notify_all();
    }
}
