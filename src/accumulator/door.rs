//! Whether records are accepted: the one thing that every send asks, under the lock that it appends under, and again when it
//! opens a batch. Whoever shuts the door and then draws a line (`Accumulator::settle_appends`) knows every batch and every
//! parked record that was let in.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::sync::Mutex;

/// Read for every record, written twice per transaction: a cache line of its own keeps it out of the way of what is
/// written for every batch.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Door {
    is_shut: AtomicBool,
    why: Mutex<Option<Error>>,
}

impl Door {
    /// Meaningful under the lock of a partition's queue, of a topic's parked records or of the inbox, which orders it.
    #[inline]
    pub fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Relaxed)
    }

    /// What a record is refused with from now on.
    pub fn shut(&self, why: Error) {
        *self.why.lock() = Some(why);
        self.is_shut.store(true, Ordering::Release);
    }

    pub fn open(&self) {
        self.is_shut.store(false, Ordering::Release);
        *self.why.lock() = None;
    }

    /// What a refused record is told; `None` when the door is open again.
    pub fn why(&self) -> Option<Error> {
        self.why.lock().clone()
    }
}
