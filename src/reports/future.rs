//! The outcome of one record, for threads that wait for it and callbacks that want to hear of it.

use std::ffi::CStr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::sync::{Condvar, Mutex};

use super::{FinishedBatch, Slot};

/// Completed once, by the I/O thread; waited for by any number of threads.
#[derive(Debug)]
pub struct Future {
    /// The topic that the record was sent to, for a report that nobody else can make.
    topic: Arc<CStr>,
    /// Set under the lock of `waiting`: whoever finds it empty there is heard when it comes.
    outcome: OnceLock<Outcome>,
    waiting: Mutex<Vec<Waiting>>,
    completed: Condvar,
}

/// What became of the record: its batch, without slots, and its own slot.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub batch: Arc<FinishedBatch>,
    pub slot: Slot,
}

/// A callback that hears of the outcome, and its argument; only `capi/` knows its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub callback: usize,
    pub opaque: usize,
}

impl Future {
    pub fn new(topic: Arc<CStr>) -> Future {
        Future { topic, outcome: OnceLock::new(), waiting: Mutex::default(), completed: Condvar::new() }
    }

    pub fn topic(&self) -> &Arc<CStr> {
        &self.topic
    }

    /// Wakes whoever waits. True when callbacks wait for a thread that runs them. The first outcome stays.
    pub fn complete(&self, batch: &Arc<FinishedBatch>, slot: Slot) -> bool {
        let waiting = self.waiting.lock();
        self.outcome.get_or_init(|| Outcome { batch: batch.clone(), slot });
        self.completed.notify_all();
        !waiting.is_empty()
    }

    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    pub fn is_complete(&self) -> bool {
        self.outcome.get().is_some()
    }

    /// Waits for the outcome until `deadline` (`None`: for ever).
    pub fn wait(&self, deadline: Option<Instant>) -> Option<&Outcome> {
        let mut waiting = self.waiting.lock();
        loop {
            if let Some(outcome) = self.outcome.get() {
                return Some(outcome);
            }
            match deadline {
                None => self.completed.wait(&mut waiting),
                Some(deadline) if self.completed.wait_until(&mut waiting, deadline).timed_out() => {
                    return self.outcome.get();
                }
                Some(_) => {}
            }
        }
    }

    /// Arranges for a callback. `Some`: it is complete already, and the callback is the caller's to run.
    pub fn when_complete(&self, callback: Waiting) -> Option<&Outcome> {
        let mut waiting = self.waiting.lock();
        let outcome = self.outcome.get();
        if outcome.is_none() {
            waiting.push(callback);
        }
        outcome
    }

    /// The callbacks that nobody has run yet, in the order in which they came: the taker runs them. None before it is
    /// complete.
    pub fn take_callbacks(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock();
        if self.is_complete() { std::mem::take(&mut waiting) } else { Vec::new() }
    }

    /// Of those that were taken, the ones that are yet to be run by others.
    pub fn put_back(&self, mut callbacks: Vec<Waiting>) {
        let mut waiting = self.waiting.lock();
        callbacks.append(&mut waiting);
        *waiting = callbacks;
    }

    pub fn has_callbacks(&self) -> bool {
        !self.waiting.lock().is_empty()
    }
}
