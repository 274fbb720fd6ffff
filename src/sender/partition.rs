//! One partition's taken batches in order: what waits to be sent again and whether anything may be sent now.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::sync::Arc;

use crate::accumulator::{Batch, NO_LEADER, Partition, Topic};
use crate::time::Time;

/// A batch that the sender took, with what happened to it so far.
#[derive(Debug)]
pub struct Taken {
    pub batch: Batch,
    /// Times that it was handed to a connection.
    pub attempts: u32,
    /// Retries that count against `retries`, and those of reasons that allow few.
    pub counted_retries: u32,
    pub limited_retries: u32,
    /// An attempt ended without a definite answer: the records may be in the log.
    pub in_doubt: bool,
    /// Header and CRC are written: nothing changes the bytes any more.
    pub stamped: bool,
    /// The broker of the last attempt.
    pub broker: i32,
    /// Why the last attempt failed, in words.
    pub cause: Option<Arc<CStr>>,
}

impl Taken {
    pub fn new(batch: Batch) -> Taken {
        Taken {
            batch,
            attempts: 0,
            counted_retries: 0,
            limited_retries: 0,
            in_doubt: false,
            stamped: false,
            broker: NO_LEADER,
            cause: None,
        }
    }

    /// The batch in parts of at most `max_bytes`: they share its history, not its bytes.
    pub fn split(self, max_bytes: usize) -> Vec<Taken> {
        let Taken { batch, attempts, counted_retries, in_doubt, broker, cause, .. } = self;
        let part = |batch| Taken {
            batch,
            attempts,
            counted_retries,
            limited_retries: 0,
            in_doubt,
            stamped: false,
            broker,
            cause: cause.clone(),
        };
        batch.split(max_bytes).into_iter().map(part).collect()
    }
}

/// The sender's side of a partition. Idempotence adds producer epoch and sequence counters here.
pub struct PartitionState {
    pub topic: Arc<Topic>,
    pub index: u32,
    pub leader: i32,
    pub leader_epoch: i32,
    /// Batches to be sent again, oldest first; always before anything new.
    pub retries: VecDeque<Taken>,
    /// Batches that were written and have no outcome yet, and the broker they went to.
    pub in_flight: usize,
    pub sent_to: i32,
    /// The broker in whose ready list this partition stands.
    pub queued_on: Option<i32>,
    /// Whether an entry of the linger queue or a linger timer stands for this partition: one is enough.
    pub lingering: bool,
    /// Back-off: nothing is sent before.
    pub muted_until: Time,
    /// When the deadline timer was armed for.
    pub deadline_armed: Time,
}

impl PartitionState {
    pub fn new(topic: Arc<Topic>, index: u32) -> PartitionState {
        PartitionState {
            topic,
            index,
            leader: NO_LEADER,
            leader_epoch: -1,
            retries: VecDeque::new(),
            in_flight: 0,
            sent_to: NO_LEADER,
            queued_on: None,
            lingering: false,
            muted_until: Time::ZERO,
            deadline_armed: Time::NEVER,
        }
    }

    /// The shared half, where application threads append.
    pub fn shared(&self) -> &Partition {
        self.topic.partition(self.index).expect("published partitions exist")
    }

    /// Whether anything is left to be sent, now or later.
    pub fn has_any(&self) -> bool {
        !self.retries.is_empty() || self.shared().has_batch(|_, _| true)
    }

    pub fn label(&self) -> String {
        format!("{} [{}]", self.topic.name(), self.index)
    }

    /// Whether a batch may go to the leader now. While batches are being retried they go one at a time, after everything
    /// in flight has its outcome; and nothing goes to a new leader before the old one has answered.
    pub fn may_send(&self, now: Time) -> bool {
        if self.leader == NO_LEADER || now < self.muted_until {
            return false;
        }
        if !self.retries.is_empty() {
            return self.in_flight == 0;
        }
        self.in_flight == 0 || self.sent_to == self.leader
    }

    /// Puts a batch back in front of everything that was opened after it, and of parts of itself that follow it.
    pub fn push_retry(&mut self, taken: Taken) {
        let at = self.retries.partition_point(|other| other.batch.id < taken.batch.id);
        self.retries.insert(at, taken);
    }
}
