//! Waiting for one record: its future, and what makes its batch go at once.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Producer;
use crate::accumulator::{Accumulator, NO_LEADER, Placed};
use crate::error::Status;
use crate::reports::{FinishedBatch, Future, Outcome, Persisted, Phase, RICH, RichTags, Slot};

/// The future of an accepted record. It may outlive its producer.
#[derive(Clone)]
pub struct SentFuture {
    future: Arc<Future>,
    home: Weak<Accumulator>,
    topic: Option<u32>,
    placed: Placed,
}

impl Producer {
    /// What records want that have more than a callback.
    pub fn rich_tags(&self) -> &RichTags {
        &self.reports.rich
    }

    /// Of a record that was sent with a tag that names the future, to this topic if that is sure.
    pub fn sent_future(&self, future: Arc<Future>, topic: Option<u32>, placed: Placed) -> SentFuture {
        SentFuture { future, home: Arc::downgrade(&self.accumulator), topic, placed }
    }

    /// The producer has ended, and nobody reports these records any more: whoever waits for one has to hear of it.
    pub(super) fn abandon_futures(&self) {
        for (key, future) in self.reports.rich.futures() {
            let now = self.clock.now();
            self.reports.push(FinishedBatch {
                topic: future.topic().clone(),
                partition: -1,
                status: self.accumulator.fatal().map_or(Status::CLOSED, |fatal| fatal.status),
                persisted: Persisted::Maybe,
                phase: Phase::InFlight,
                base_offset: -1,
                base_timestamp_ms: 0,
                log_append_time_ms: None,
                broker: NO_LEADER,
                attempts: 0,
                opened_at: now,
                finished_at: now,
                cause: Some(Arc::from(c"the producer ended before the outcome of the record was known")),
                record_causes: Vec::new(),
                slots: vec![Slot {
                    callback: RICH,
                    opaque: key,
                    key_len: -1,
                    value_len: -1,
                    timestamp_delta_ms: 0,
                    offset_delta: 0,
                }],
                rich: Vec::new(),
                undelivered: None,
            });
        }
    }
}

impl SentFuture {
    pub fn future(&self) -> &Future {
        &self.future
    }

    /// Whether this thread is in code of the application that its producer calls while it sends.
    pub fn is_called_out(&self) -> bool {
        self.home.upgrade().is_some_and(|home| home.reports.is_called_out())
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
        // -1, the only negative value that gets here, waits for ever.
        let time = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        self.future.wait(time.and_then(|time| Instant::now().checked_add(time)))
    }

    /// This thread has run the callbacks: no dispatcher need come for them.
    pub fn callbacks_were_run(&self) {
        if let Some(home) = self.home.upgrade() {
            home.reports.forget_idle_futures();
        }
    }
}
