//! What ends linger before its time: a flush of everything or of one topic, and somebody who waits for one record.

use std::sync::Arc;

use super::Sender;
use crate::accumulator::Placed;
use crate::reports::Completion;
use crate::time::Time;

impl Sender {
    /// Everything sent before goes at once; `started` is told now, `done` when all of it is finished.
    pub(super) fn handle_flush(
        &mut self,
        now: Time,
        before: u64,
        topic: Option<u32>,
        started: &Completion,
        done: Arc<Completion>,
    ) {
        // Metadata may have come between asking for the flush and this: what was parked then has batches now.
        let before = before.max(self.cluster.unparked_before(topic));
        let mut parked = self.cluster.topics_with_parked(&self.accumulator);
        match topic {
            None => {
                self.flush_before = self.flush_before.max(before);
                self.window.flush(before, None, parked, done);
                self.end_linger(now);
            }
            Some(id) => {
                parked.retain(|other| *other == id);
                self.window.flush(before, topic, parked, done);
                self.hurry_topic(now, id, before);
            }
        }
        self.tell_flushes(now);
        self.reports.complete(started);
    }

    /// Somebody waits for a record: nothing up to its batch lingers in its partition. Of a record that was parked nobody
    /// knows the partition, so none of its topic's lingers; nor any other, when an interceptor may have changed the topic.
    pub(super) fn handle_hurry(&mut self, now: Time, next_batch: u64, topic: Option<u32>, placed: Placed) {
        if let Placed::InBatch { partition, batch, .. } = placed {
            self.hurry_partition(now, partition, batch + 1);
            return;
        }
        for id in self.cluster.topics_with_parked(&self.accumulator) {
            if topic.is_none_or(|topic| topic == id)
                && let Some(state) = self.cluster.topics.get_mut(&id)
            {
                state.hurry_parked = true;
            }
        }
        match topic {
            Some(topic) => self.hurry_topic(now, topic, next_batch),
            None => {
                self.flush_before = self.flush_before.max(next_batch);
                self.end_linger(now);
            }
        }
    }

    /// Batches of the topic with a smaller number than `before` go at once.
    pub(super) fn hurry_topic(&mut self, now: Time, topic: u32, before: u64) {
        let Some(state) = self.cluster.topics.get(&topic) else { return };
        for dense in state.partitions.clone() {
            self.hurry_partition(now, dense, before);
        }
    }

    fn hurry_partition(&mut self, now: Time, dense: u32, before: u64) {
        let state = &mut self.partitions[dense as usize];
        if before <= state.hurry_before {
            return;
        }
        state.hurry_before = before;
        let may_seal = self.may_seal(now, dense);
        if self.partitions[dense as usize].shared().has_batch(may_seal) {
            self.mark_ready(now, dense);
        }
    }

    /// Batches of the partition with a smaller number do not linger.
    pub(super) fn flushes_before(&self, dense: u32) -> u64 {
        self.flush_before.max(self.partitions[dense as usize].hurry_before)
    }
}
