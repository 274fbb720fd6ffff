//! How the producer is and what it has counted, gathered for whoever asks.

use std::ffi::CString;
use std::sync::Weak;

use super::Producer;
use crate::accumulator::Accumulator;
use crate::io::Clock;
use crate::reports::NewsSource;
use crate::stats::{BrokerRow, Everything, Gauges, Health, HealthState, PartitionRow, Summary, TopicRow};
use crate::time::{Micros, Time};

/// Partitions listed in the JSON: those that hold most bytes.
const PARTITIONS_LISTED: usize = 100;
/// Histograms are told at powers of two: from 128 microseconds to 67 seconds.
const BUCKET_EXPONENTS: (u32, u32) = (7, 26);

impl Producer {
    /// How the producer is, by what is known now.
    pub fn health(&self) -> Health {
        let mut health = health_of(&self.accumulator, self.clock.now());
        health.age = self.clock.now().since(health.since);
        health
    }

    /// The numbers that need no list: no lock is taken.
    pub fn numbers(&self) -> Summary {
        summary_of(&self.accumulator, self.clock.now())
    }

    pub fn stats_json(&self) -> String {
        everything(&self.accumulator, &self.config.client_id, &self.clock, true).json()
    }

    pub fn stats_prometheus(&self) -> String {
        everything(&self.accumulator, &self.config.client_id, &self.clock, false).prometheus()
    }
}

/// What the report queue asks when it hands out news: it must not keep the producer alive.
pub(super) struct News {
    pub accumulator: Weak<Accumulator>,
    pub client_id: String,
    pub clock: Clock,
}

impl NewsSource for News {
    fn stats_json(&self) -> Option<String> {
        let accumulator = self.accumulator.upgrade()?;
        Some(everything(&accumulator, &self.client_id, &self.clock, true).json())
    }

    fn age(&self, since: Time) -> Micros {
        self.clock.now().since(since)
    }
}

fn health_of(accumulator: &Accumulator, now: Time) -> Health {
    let mut health = accumulator.health.load();
    if health.state != HealthState::Fatal
        && let Some(fatal) = accumulator.fatal()
    {
        // Whoever is refused for good may ask why before the I/O thread has told.
        health.state = HealthState::Fatal;
        health.since = now;
        health.text = CString::new(fatal.message.replace('\0', "")).unwrap_or_default().into();
    }
    health
}

fn summary_of(accumulator: &Accumulator, now: Time) -> Summary {
    let gauges = Gauges {
        buffer_used: accumulator.memory.used(),
        buffer_limit: accumulator.memory.limit(),
        senders_waiting: accumulator.memory.waiting(),
        reports_waiting: accumulator.reports.pending(),
    };
    accumulator.numbers.summary(now, gauges)
}

/// With `partitions`, each partition's lock is taken for a moment.
fn everything(accumulator: &Accumulator, client_id: &str, clock: &Clock, partitions: bool) -> Everything {
    let now = clock.now();
    let health = health_of(accumulator, now);
    let numbers = &accumulator.numbers;
    let (from, to) = BUCKET_EXPONENTS;
    let mut everything = Everything {
        client_id: client_id.to_owned(),
        time_ms: clock.wall_ms(),
        // The clock's origin is the moment the producer was made.
        age_ms: now.since(Time::ZERO).as_ms(),
        health: health.state,
        health_text: health.text.to_string_lossy().into_owned(),
        summary: summary_of(accumulator, now),
        queue_time: numbers.queue_time.buckets(from, to),
        round_trip: numbers.round_trip.buckets(from, to),
        delivery: numbers.delivery.buckets(from, to),
        brokers: brokers_of(accumulator),
        topics: Vec::new(),
        partitions: Vec::new(),
    };
    for id in 0..accumulator.topics.len() as u32 {
        let topic = accumulator.topics.by_id(id);
        if topic.numbers.is_hidden() {
            continue;
        }
        let count = topic.partition_count();
        everything.topics.push(TopicRow {
            name: topic.name().to_owned(),
            partitions: u64::from(count),
            records_delivered: topic.numbers.records_delivered.get(),
            records_failed: topic.numbers.records_failed.get(),
            bytes_delivered: topic.numbers.bytes_delivered.get(),
            batches_sent: topic.numbers.batches_sent.get(),
            batch_retries: topic.numbers.batch_retries.get(),
        });
        if !partitions {
            continue;
        }
        for index in 0..count {
            let Some(partition) = topic.partition(index) else { continue };
            let row = PartitionRow {
                topic: String::new(),
                partition: index,
                leader: partition.leader(),
                queued_bytes: partition.queued_bytes() as u64,
                in_flight_bytes: partition.taken_bytes() as u64,
            };
            if row.queued_bytes + row.in_flight_bytes > 0 {
                everything.partitions.push(PartitionRow { topic: topic.name().to_owned(), ..row });
            }
        }
    }
    everything.partitions.sort_by_key(|row| std::cmp::Reverse(row.queued_bytes + row.in_flight_bytes));
    everything.partitions.truncate(PARTITIONS_LISTED);
    everything
}

fn brokers_of(accumulator: &Accumulator) -> Vec<BrokerRow> {
    let view = accumulator.cluster.load();
    let numbers = accumulator.numbers.brokers();
    let row = |(id, numbers): (i32, std::sync::Arc<crate::stats::BrokerNumbers>)| {
        let known = view.broker(id);
        // What has ended was begun before: read in this order the difference is never below zero.
        let ended = numbers.requests_ended.get();
        let requests = numbers.requests.get();
        BrokerRow {
            id,
            host: known.map_or_else(String::new, |broker| broker.host.to_string_lossy().into_owned()),
            port: known.map_or(-1, |broker| broker.port),
            connected: known.is_some_and(|broker| broker.connected),
            requests,
            requests_in_flight: requests.saturating_sub(ended),
            bytes_written: numbers.bytes_written.get(),
            bytes_received: numbers.bytes_received.get(),
            connects: numbers.connects.get(),
            connection_failures: numbers.connection_failures.get(),
            throttle_ms: numbers.throttle_ms.get(),
            round_trips: numbers.round_trips.get(),
            round_trip_us: numbers.round_trip_us.get(),
        }
    };
    numbers.into_iter().map(row).collect()
}
