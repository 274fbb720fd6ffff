//! What is counted for each request and connection.

use super::Sender;
use super::broker::Broker;
use super::connection::{Kind, Request};
use super::outcome::Ending;
use super::partition::Taken;
use super::verdict::InLog;
use crate::accumulator::{Batch, ParkedRecord, Topic};
use crate::error::Status;
use crate::stats::{Counted, Extent, Numbers};
use crate::time::Time;

impl Sender {
    pub(super) fn count_request(&self, id: i32, is_produce: bool) {
        let numbers = &self.accumulator.numbers;
        numbers.requests.add(1);
        if is_produce {
            numbers.produce_requests.add(1);
        }
        if let Some(broker) = self.brokers.get(&id) {
            broker.numbers.requests.add(1);
        }
    }

    pub(super) fn count_answer(&self, now: Time, id: i32, request: &Request) {
        let numbers = &self.accumulator.numbers;
        let Some(broker) = self.brokers.get(&id) else { return };
        if matches!(request.kind, Kind::Produce { .. }) {
            numbers.round_trip(now, now.since(request.sent_at), &broker.numbers);
        }
        count_ended(numbers, broker, 1);
    }

    /// A batch has its outcome.
    pub(super) fn count_outcome(&self, now: Time, dense: u32, taken: &Taken, ending: &Ending) {
        let how = match (ending.status, ending.in_log) {
            (Status::OK, _) => Counted::Delivered,
            (_, InLog::No) => Counted::Failed,
            _ => Counted::InDoubt,
        };
        let (topic, batch) = (&self.partitions[dense as usize].topic, &taken.batch);
        let written = taken.attempts > 0;
        let numbers = &self.accumulator.numbers;
        numbers.finished(now, extent(batch), how, written, &topic.numbers);
        if ending.status == Status::DELIVERY_TIMED_OUT {
            numbers.records_expired.add(u64::from(batch.count));
        }
    }

    /// A record that never got into a batch has failed, or all those of a batch that never got to a partition.
    pub(super) fn count_unbatched(&self, now: Time, topic: &Topic, record: &ParkedRecord, status: Status) {
        let (numbers, count) = (&self.accumulator.numbers, record.count());
        let extent = Extent { opened_at: record.parked_at, records: count, bytes: 0 };
        numbers.finished(now, extent, Counted::Failed, false, &topic.numbers);
        if status == Status::DELIVERY_TIMED_OUT {
            numbers.records_expired.add(u64::from(count));
        }
    }

    pub(super) fn count_bytes(&self, id: i32, written: usize, received: usize) {
        let numbers = &self.accumulator.numbers;
        numbers.bytes_written.add(written as u64);
        numbers.bytes_received.add(received as u64);
        if let Some(broker) = self.brokers.get(&id) {
            broker.numbers.bytes_written.add(written as u64);
            broker.numbers.bytes_received.add(received as u64);
        }
    }

    /// A broker has told its versions: the connection can be used.
    pub(super) fn count_connect(&mut self, id: i32) {
        let numbers = &self.accumulator.numbers;
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        numbers.connects.add(1);
        broker.numbers.connects.add(1);
        if std::mem::replace(&mut broker.was_connected, true) {
            numbers.reconnects.add(1);
        }
    }

    pub(super) fn count_throttle(&self, id: i32, throttle_ms: u64) {
        self.accumulator.numbers.throttle_ms.add(throttle_ms);
        if let Some(broker) = self.brokers.get(&id) {
            broker.numbers.throttle_ms.add(throttle_ms);
        }
    }
}

/// A batch, as far as it is counted.
pub(super) fn extent(batch: &Batch) -> Extent {
    Extent { opened_at: batch.opened_at, records: batch.count, bytes: batch.len() }
}

/// So many requests have an end: answered, or lost with their connection.
pub(super) fn count_ended(numbers: &Numbers, broker: &Broker, requests: usize) {
    numbers.requests_ended.add(requests as u64);
    broker.numbers.requests_ended.add(requests as u64);
}
