//! Which brokers take nothing although something waits for them, for those who choose partitions (KIP-794). Without
//! `partitioner.availability.timeout.ms` nobody asks, and nothing is noted.

use super::Sender;
use crate::time::Time;

impl Sender {
    /// Serves the broker, and notes whether it took anything.
    pub(super) fn pump(&mut self, now: Time, id: i32) {
        let Some(timeout) = self.accumulator.choosing.availability_timeout() else {
            self.fill_requests(now, id);
            return;
        };
        let before = self.queued_on_connection(id);
        self.fill_requests(now, id);
        let after = self.queued_on_connection(id);
        let took = before.is_some_and(|(conn, bytes)| after.is_some_and(|(same, more)| same == conn && more > bytes));
        if took {
            self.note_progress(id);
            return;
        }
        let in_line = |dense: &u32| self.partitions[*dense as usize].queued_on == Some(id);
        if self.brokers.get(&id).is_some_and(|broker| broker.ready.iter().any(in_line)) {
            self.accumulator.choosing.stalls.of(id).begin(now, timeout);
        }
    }

    /// A partition has a batch, and has to wait for the answers to those before it.
    pub(super) fn note_held_back(&mut self, now: Time, id: i32, dense: u32) {
        if let Some(timeout) = self.accumulator.choosing.availability_timeout()
            && self.partitions[dense as usize].in_flight > 0
        {
            self.accumulator.choosing.stalls.of(id).begin(now, timeout);
        }
    }

    /// The broker takes requests, or has answered one.
    pub(super) fn note_progress(&mut self, id: i32) {
        if self.accumulator.choosing.availability_timeout().is_some() {
            self.accumulator.choosing.stalls.of(id).end();
        }
    }

    /// Bytes handed to the broker's connection, as long as it is the same.
    fn queued_on_connection(&self, id: i32) -> Option<(u64, u64)> {
        let connection = self.brokers.get(&id)?.connection.as_ref()?;
        Some((connection.id.0, connection.queued_bytes))
    }
}
