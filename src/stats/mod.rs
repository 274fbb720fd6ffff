//! What the producer counts, and how it is told: counters and histograms that the I/O thread writes once per batch or
//! request, never per record, and that any thread reads without a lock; the state of health; and numbers as JSON and
//! Prometheus text.

mod health;
mod histogram;
mod summary;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use health::{Health, HealthCell, HealthState};
pub use histogram::{Buckets, Histogram, Percentiles};
pub use summary::{BrokerRow, Everything, Gauges, Kind, PartitionRow, Row, Summary, TopicRow};

use crate::sync::Mutex;
use crate::time::{Micros, Time};

/// A number that only grows, or one that is set. Who reads a later number of an event sees the earlier ones too.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// One thread counts, the I/O thread: a plain store, where a locked instruction would show in the cost of small
    /// batches.
    pub fn add(&self, more: u64) {
        add(&self.0, more, Ordering::Release);
    }

    /// For the few numbers that threads of the application count as well.
    pub fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Release);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Adds to a number that no other thread writes.
fn add(number: &AtomicU64, more: u64, ordering: Ordering) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(more), ordering);
}

/// How a batch ended, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Delivered,
    /// Certainly not in the log.
    Failed,
    /// Failed, and may be in the log.
    InDoubt,
}

/// A batch, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// When its first record came.
    pub opened_at: Time,
    pub records: u32,
    pub bytes: usize,
}

/// Everything that is counted for a producer. Written by its I/O thread.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Accepted records that were handed to a connection at least once, or failed before that.
    pub records_sent: Number,
    pub records_delivered: Number,
    /// Failed for whatever reason, with a callback or without.
    pub records_failed: Number,
    /// Of the failed ones: those that may be in the log.
    pub records_in_doubt: Number,
    /// Of the failed ones: those whose delivery time was over.
    pub records_expired: Number,
    /// Of the failed ones: those that the application took back before they were sent.
    pub records_cancelled: Number,
    /// Bytes of batches, with their headers, when they were handed to a connection for the first time.
    pub bytes_sent: Number,
    pub bytes_delivered: Number,
    /// Batches handed to a connection for the first time, and again.
    pub batches_sent: Number,
    pub batches_delivered: Number,
    pub batches_failed: Number,
    pub batch_retries: Number,
    pub batch_splits: Number,
    /// Records of the batches in `batches_sent`.
    pub batch_records: Number,
    /// Bytes of batches before they were compressed, after it, and the time that it took.
    pub compress_bytes_in: Number,
    pub compress_bytes_out: Number,
    pub compress_time_us: Number,
    pub requests: Number,
    /// Requests that have their answer, or will not get one any more: the difference is in flight.
    pub requests_ended: Number,
    pub produce_requests: Number,
    /// Bytes that sockets took and gave.
    pub bytes_written: Number,
    pub bytes_received: Number,
    /// Connections over which a broker has told its versions, ever, and the second and later ones to the same broker.
    pub connects: Number,
    pub reconnects: Number,
    /// Attempts that failed and connections that ended as a failure.
    pub connection_failures: Number,
    /// Connections that are of use now.
    pub connections: Number,
    /// Milliseconds of silence that brokers asked for.
    pub throttle_ms: Number,
    pub metadata_refreshes: Number,
    pub epoch_bumps: Number,
    pub transactions_committed: Number,
    pub transactions_aborted: Number,
    /// Topics in use, their partitions, and those of them without a leader.
    pub topics: Number,
    pub partitions: Number,
    pub partitions_leaderless: Number,
    /// From a batch's first record to its first request, counted for each of its records.
    pub queue_time: Histogram,
    /// From a produce request to its answer.
    pub round_trip: Histogram,
    /// From a batch's first record to its outcome, counted for each of its records.
    pub delivery: Histogram,
    /// By id; the entries of the bootstrap list are not among them.
    brokers: Mutex<BTreeMap<i32, Counting>>,
}

/// A broker's numbers, and since when it is not in the cluster any more.
#[derive(Debug, Default)]
struct Counting {
    numbers: Arc<BrokerNumbers>,
    left_at: Option<Time>,
}

/// What is counted for each broker.
#[derive(Debug, Default)]
pub struct BrokerNumbers {
    pub requests: Number,
    pub requests_ended: Number,
    pub bytes_written: Number,
    pub bytes_received: Number,
    pub connects: Number,
    pub connection_failures: Number,
    pub throttle_ms: Number,
    /// Produce requests answered, and the sum of their round trips.
    pub round_trips: Number,
    pub round_trip_us: Number,
}

/// What is counted for each topic.
#[derive(Debug, Default)]
pub struct TopicNumbers {
    pub records_delivered: Number,
    pub records_failed: Number,
    pub bytes_delivered: Number,
    pub batches_sent: Number,
    pub batch_retries: Number,
    /// In microseconds: when something of the topic was sent, ended, or asked for last.
    used_at: Number,
    /// The topic was not in use for long: it is not told of.
    is_hidden: Number,
}

impl TopicNumbers {
    /// Something of the topic happens.
    pub fn used(&self, now: Time) {
        self.used_at.set(now.0);
        self.is_hidden.set(0);
    }

    pub fn used_at(&self) -> Time {
        Time(self.used_at.get())
    }

    /// Nothing is told of the topic until it is used again.
    pub fn hide(&self) {
        self.is_hidden.set(1);
    }

    pub fn is_hidden(&self) -> bool {
        self.is_hidden.get() != 0
    }
}

impl Numbers {
    /// A batch is handed to a connection: the first time, or again.
    pub fn batch_written(&self, now: Time, batch: Extent, again: bool, topic: &TopicNumbers) {
        topic.used_at.set(now.0);
        if again {
            self.batch_retries.add(1);
            topic.batch_retries.add(1);
            return;
        }
        let count = u64::from(batch.records);
        self.records_sent.add_shared(count);
        self.batch_records.add(count);
        self.bytes_sent.add(batch.bytes as u64);
        self.batches_sent.add(1);
        topic.batches_sent.add(1);
        self.queue_time.record(now, now.since(batch.opened_at), count);
    }

    /// A batch that was counted as sent has become `parts`, with so many bytes more in all: each has an outcome of its
    /// own.
    pub fn split(&self, parts: usize, more_bytes: usize, topic: &TopicNumbers) {
        let more = parts.saturating_sub(1) as u64;
        self.batch_splits.add(1);
        self.batches_sent.add(more);
        topic.batches_sent.add(more);
        self.bytes_sent.add(more_bytes as u64);
    }

    /// A batch that was not counted yet has become several: each is counted when it is sent.
    pub fn cut(&self) {
        self.batch_splits.add(1);
    }

    /// A batch was compressed, or was to be and did not get smaller. Called by threads that compress.
    pub fn packed(&self, raw: usize, packed: usize, took: Micros) {
        // Read in the other order: what is told as left is never more than what was given.
        self.compress_bytes_in.add_shared(raw as u64);
        self.compress_bytes_out.add_shared(packed as u64);
        self.compress_time_us.add_shared(took.0);
    }

    /// A batch, or a record that never got into one, has its outcome. `written`: it was handed to a connection before.
    pub fn finished(&self, now: Time, batch: Extent, how: Counted, written: bool, topic: &TopicNumbers) {
        let count = u64::from(batch.records);
        topic.used_at.set(now.0);
        if !written {
            self.records_sent.add_shared(count);
        }
        self.delivery.record(now, now.since(batch.opened_at), count);
        if how == Counted::Delivered {
            self.records_delivered.add(count);
            self.bytes_delivered.add(batch.bytes as u64);
            self.batches_delivered.add(1);
            topic.records_delivered.add(count);
            topic.bytes_delivered.add(batch.bytes as u64);
            return;
        }
        self.records_failed.add_shared(count);
        self.batches_failed.add(1);
        topic.records_failed.add_shared(count);
        if how == Counted::InDoubt {
            self.records_in_doubt.add(count);
        }
    }

    /// The application has taken a record back. Called on its threads.
    pub fn cancelled(&self, topic: &TopicNumbers) {
        self.records_sent.add_shared(1);
        self.records_cancelled.add_shared(1);
        self.records_failed.add_shared(1);
        topic.records_failed.add_shared(1);
    }

    /// A produce request was answered.
    pub fn round_trip(&self, now: Time, took: Micros, broker: &BrokerNumbers) {
        self.round_trip.record(now, took, 1);
        broker.round_trips.add(1);
        broker.round_trip_us.add(took.0);
    }

    pub fn in_flight(&self) -> u64 {
        // Read in this order the difference is never below zero.
        let ended = self.requests_ended.get();
        self.requests.get().saturating_sub(ended)
    }

    /// The numbers of one broker, made when it is new.
    pub fn broker(&self, id: i32) -> Arc<BrokerNumbers> {
        if id < 0 {
            return Arc::default();
        }
        let mut brokers = self.brokers.lock();
        let counting = brokers.entry(id).or_default();
        counting.left_at = None;
        counting.numbers.clone()
    }

    /// The broker has left the cluster. Its numbers stay for a while: counters do not fall when it comes back.
    pub fn broker_left(&self, now: Time, id: i32) {
        if let Some(counting) = self.brokers.lock().get_mut(&id) {
            counting.left_at = Some(now);
        }
    }

    /// The numbers of brokers that left so long ago go. When the next ones will.
    pub fn forget_brokers(&self, now: Time, kept_for: Micros) -> Time {
        let mut next = Time::NEVER;
        self.brokers.lock().retain(|_, counting| match counting.left_at {
            Some(left_at) if left_at + kept_for <= now => false,
            Some(left_at) => {
                next = next.min(left_at + kept_for);
                true
            }
            None => true,
        });
        next
    }

    pub fn brokers(&self) -> Vec<(i32, Arc<BrokerNumbers>)> {
        self.brokers.lock().iter().map(|(id, counting)| (*id, counting.numbers.clone())).collect()
    }
}
