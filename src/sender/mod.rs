//! The sender core: everything the I/O thread decides, without a thread, socket, clock, environment or lock of its own.
//! `now` and randomness are arguments. Input comes through `handle_*`, output is taken with `poll_*`:
//!
//! after every `handle_*` call the driver takes `poll_action` until `None`, then sleeps at most until `poll_timeout`.

mod frame;
pub mod verdict;

pub use frame::Frame;

/// One connection attempt and the connection it became. Never reused, so a late event of an old connection is recognised.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnId(pub u64);

/// What the driver (`io/` or the simulator) is to do.
#[derive(Debug)]
pub enum Action {
    /// Resolve `host` (off the I/O thread), connect to its addresses one after the other until one answers, then call
    /// `handle_connected`, or `handle_closed` with a sentence when none did. `setup_timeout_ms` bounds the whole of it.
    Connect { conn: ConnId, host: String, port: u16, setup_timeout_ms: u64 },
    /// Append the frame to the connection's output. Progress is told by `handle_written`. The frame is kept, whole, until
    /// its last byte is written or the connection is destroyed: batch memory is only reused after that.
    Write { conn: ConnId, frame: Frame },
    /// Close at once and forget; no `handle_closed` follows.
    Close { conn: ConnId },
}
