//! All the numbers of a producer at one moment, as plain data: one table gives the struct, the JSON and the Prometheus text.

use super::{Buckets, HealthState, Numbers, Percentiles};
use crate::time::Time;

/// Whether a number only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// One number with its name and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    pub value: u64,
}

macro_rules! numbers {
    ($($kind:ident $name:ident $help:literal;)*) => {
        /// The numbers that need no list.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Summary {
            $(#[doc = $help] pub $name: u64,)*
            pub queue_time: Percentiles,
            pub round_trip: Percentiles,
            pub delivery: Percentiles,
        }

        impl Summary {
            pub fn rows(&self) -> Vec<Row> {
                vec![$(Row { name: stringify!($name), kind: Kind::$kind, help: $help, value: self.$name },)*]
            }
        }
    };
}

numbers! {
    Counter records_sent "Records that were handed to a connection or failed before that; open batches not yet.";
    Counter records_delivered "Records acknowledged by a broker, or written with acks=0.";
    Counter records_failed "Records that failed, with a callback or without.";
    Counter records_in_doubt "Failed records that may be in the log all the same.";
    Counter records_expired "Failed records whose delivery time was over.";
    Counter records_cancelled "Failed records that the application took back before they were sent.";
    Counter bytes_sent "Bytes of batches handed to a connection for the first time.";
    Counter bytes_delivered "Bytes of batches that were delivered.";
    Counter batches_sent "Batches handed to a connection for the first time; one that was cut counts once for each part.";
    Counter batches_delivered "Batches that were delivered.";
    Counter batches_failed "Batches that failed, and records that failed before they got into one.";
    Counter batch_retries "Batches handed to a connection again.";
    Counter batch_splits "Batches cut because a broker found them too large, or compression left more of them than expected.";
    Counter batch_records "Records of the batches counted in batches_sent.";
    Counter compress_bytes_in "Bytes of batches before compression; those that compression.type=none sends are not counted.";
    Counter compress_bytes_out "The same batches after compression; one that did not get smaller counts as it is.";
    Counter compress_time_us "Microseconds that compressing took, summed over threads.";
    Counter requests "Requests handed to connections, of every kind.";
    Counter produce_requests "Produce requests handed to connections.";
    Counter bytes_written "Bytes that sockets took.";
    Counter bytes_received "Bytes that came from sockets.";
    Counter connects "Connections over which a broker could be used.";
    Counter reconnects "Of them, the second and later ones to the same broker.";
    Counter connection_failures "Attempts to connect that failed, and connections that ended as a failure.";
    Counter throttle_ms "Milliseconds of silence that brokers asked for.";
    Counter metadata_refreshes "Answers with metadata that were taken over.";
    Counter epoch_bumps "Times the producer went on under a new epoch or producer id.";
    Counter transactions_committed "Transactions committed.";
    Counter transactions_aborted "Transactions aborted.";
    Gauge requests_in_flight "Requests whose answer is awaited.";
    Gauge connections "Connections that can be used now.";
    Gauge buffer_used_bytes "Bytes of buffer.memory in use.";
    Gauge buffer_limit_bytes "buffer.memory.";
    Gauge senders_waiting "Threads that wait for room in buffer.memory.";
    Gauge reports_waiting "Records whose reports wait to be taken.";
    Gauge topics "Topics in use.";
    Gauge partitions "Partitions of the topics in use.";
    Gauge partitions_leaderless "Partitions of the topics in use that have no leader.";
}

impl Summary {
    /// What compression left of what it was given; 1 when it was given nothing.
    pub fn compress_ratio(&self) -> f64 {
        match self.compress_bytes_in {
            0 => 1.0,
            bytes => self.compress_bytes_out as f64 / bytes as f64,
        }
    }
}

/// What is read elsewhere than in `Numbers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    pub buffer_used: usize,
    pub buffer_limit: usize,
    pub senders_waiting: usize,
    pub reports_waiting: usize,
}

impl Numbers {
    /// Everything, read one after the other.
    pub fn summary(&self, now: Time, gauges: Gauges) -> Summary {
        // What has ended was begun before: read in this order, no sum is larger than its whole.
        let records_failed = self.records_failed.get();
        let records_delivered = self.records_delivered.get();
        Summary {
            records_in_doubt: self.records_in_doubt.get().min(records_failed),
            records_expired: self.records_expired.get().min(records_failed),
            records_cancelled: self.records_cancelled.get().min(records_failed),
            records_failed,
            records_delivered,
            records_sent: self.records_sent.get(),
            bytes_delivered: self.bytes_delivered.get(),
            bytes_sent: self.bytes_sent.get(),
            batches_delivered: self.batches_delivered.get(),
            batches_failed: self.batches_failed.get(),
            batches_sent: self.batches_sent.get(),
            batch_retries: self.batch_retries.get(),
            batch_splits: self.batch_splits.get(),
            batch_records: self.batch_records.get(),
            compress_bytes_out: self.compress_bytes_out.get(),
            compress_bytes_in: self.compress_bytes_in.get(),
            compress_time_us: self.compress_time_us.get(),
            requests_in_flight: self.in_flight(),
            requests: self.requests.get(),
            produce_requests: self.produce_requests.get(),
            bytes_written: self.bytes_written.get(),
            bytes_received: self.bytes_received.get(),
            connects: self.connects.get(),
            reconnects: self.reconnects.get(),
            connection_failures: self.connection_failures.get(),
            connections: self.connections.get(),
            throttle_ms: self.throttle_ms.get(),
            metadata_refreshes: self.metadata_refreshes.get(),
            epoch_bumps: self.epoch_bumps.get(),
            transactions_committed: self.transactions_committed.get(),
            transactions_aborted: self.transactions_aborted.get(),
            buffer_used_bytes: gauges.buffer_used as u64,
            buffer_limit_bytes: gauges.buffer_limit as u64,
            senders_waiting: gauges.senders_waiting as u64,
            reports_waiting: gauges.reports_waiting as u64,
            topics: self.topics.get(),
            partitions: self.partitions.get(),
            partitions_leaderless: self.partitions_leaderless.get(),
            queue_time: self.queue_time.percentiles(now),
            round_trip: self.round_trip.percentiles(now),
            delivery: self.delivery.percentiles(now),
        }
    }
}

/// The numbers with everything that is a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Everything {
    pub client_id: String,
    /// Milliseconds since 1970, and since the producer was made.
    pub time_ms: i64,
    pub age_ms: u64,
    pub health: HealthState,
    pub health_text: String,
    pub summary: Summary,
    /// Queue time, round trip, delivery: since the start.
    pub queue_time: Buckets,
    pub round_trip: Buckets,
    pub delivery: Buckets,
    pub brokers: Vec<BrokerRow>,
    pub topics: Vec<TopicRow>,
    /// Those that hold most bytes, the largest first.
    pub partitions: Vec<PartitionRow>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerRow {
    pub id: i32,
    pub host: String,
    pub port: i32,
    pub connected: bool,
    pub requests: u64,
    pub requests_in_flight: u64,
    pub bytes_written: u64,
    pub bytes_received: u64,
    pub connects: u64,
    pub connection_failures: u64,
    pub throttle_ms: u64,
    pub round_trips: u64,
    pub round_trip_us: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicRow {
    pub name: String,
    pub partitions: u64,
    pub records_delivered: u64,
    pub records_failed: u64,
    pub bytes_delivered: u64,
    pub batches_sent: u64,
    pub batch_retries: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionRow {
    pub topic: String,
    pub partition: u32,
    pub leader: i32,
    /// Bytes that wait, and bytes that were taken for sending and have no outcome yet.
    pub queued_bytes: u64,
    pub in_flight_bytes: u64,
}
