//! Waiting for one record: its future, and what makes its batch go at once.

use std::sync::{Arc, Weak};

use super::{Producer, call_deadline};
use crate::accumulator::{Accumulator, Placed};
use crate::reports::{Future, Outcome};

/// The future of an accepted record. It may outlive its producer.
#[derive(Clone)]
pub struct SentFuture {
    future: Arc<Future>,
    home: Weak<Accumulator>,
    topic: u32,
    placed: Placed,
}

impl Producer {
    /// Of a record that was sent to the topic with a tag that names the future.
    pub fn sent_future(&self, future: Arc<Future>, topic: u32, placed: Placed) -> SentFuture {
        SentFuture { future, home: Arc::downgrade(&self.accumulator), topic, placed }
    }
}

impl SentFuture {
    pub fn future(&self) -> &Future {
        &self.future
    }

    /// Waits up to `timeout_ms` (-1: for ever) for the outcome; the record's batch does not linger any more.
    pub fn wait(&self, timeout_ms: i32) -> Option<&Outcome> {
        if let Some(outcome) = self.future.outcome() {
            return Some(outcome);
        }
        // Without its producer it is complete, or about to be.
        if let Some(home) = self.home.upgrade() {
            home.hurry(self.topic, self.placed);
        }
        self.future.wait(call_deadline(timeout_ms))
    }

    /// This thread has run the callbacks: no dispatcher need come for them.
    pub fn callbacks_were_run(&self) {
        if let Some(home) = self.home.upgrade() {
            home.reports.forget_idle_futures();
        }
    }
}
