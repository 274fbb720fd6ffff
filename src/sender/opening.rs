//! A topic opens: its partitions are known, and the records that waited for them go there. And it closes, when it is
//! deleted or not used any more.

use std::sync::Arc;

use super::Sender;
use super::topic_state::Interest;
use crate::accumulator::{Topic, Unpublished};
use crate::error::Status;
use crate::time::{Micros, Time};

/// What has not been used for `metadata.max.idle.ms` is looked for this often in that time.
const SWEEPS_PER_IDLE_TIME: u64 = 16;

/// Of a record that waited for its topic.
const OUT_OF_MEMORY: &str = "the operating system gave no memory for the record's batch when its topic was known; lower buffer.memory, or \
                             let the process have more";

impl Sender {
    /// The application's partitioner has chosen for the records that wait for this topic.
    pub(super) fn topic_chosen(&mut self, now: Time, id: u32) {
        let Some(topic) = self.cluster.topics.get(&id).map(|state| state.topic.clone()) else { return };
        let count = self.accumulator.choosable(&topic).max(topic.partition_count());
        if self.publish_topic(now, id, &topic, count) {
            self.cluster.schedule.want(id);
        }
    }

    /// Lets the topic's records into its partitions, unless the application has yet to choose among them. True when
    /// records wait for partitions that the topic may not have.
    pub(super) fn publish_topic(&mut self, now: Time, id: u32, topic: &Arc<Topic>, count: u32) -> bool {
        let accumulator = self.accumulator.clone();
        if accumulator.begins_choosing(topic, count) {
            return false;
        }
        let mut refused = Vec::new();
        let mut without_memory = Vec::new();
        // One answer may leave the newest partitions out: it takes two that agree to fail what was sent to them.
        let believed =
            self.cluster.topics.get_mut(&id).is_some_and(|state| state.doubted_count.replace(count) == Some(count));
        let mut doubted = false;
        let (first_new, before) = (accumulator.inbox.next_batch(), topic.partition_count());
        accumulator.publish(
            topic,
            count,
            || now,
            |record, why| {
                if why == Unpublished::OutOfMemory {
                    without_memory.push(record);
                    return None;
                }
                if believed {
                    refused.push(record);
                    return None;
                }
                doubted = true;
                Some(record)
            },
        );
        self.cluster.recount(id, before, count, &self.partitions);
        let next = accumulator.inbox.next_batch();
        if next > first_new {
            self.cluster.note_unparked(id, next);
        }
        if self.window.waits_for_parked(id) || self.cluster.topics.get(&id).is_some_and(|state| state.hurry_parked) {
            // They are told of as batches only after this, and find that they are not to linger.
            self.hurry_topic(now, id, next);
        }
        if doubted {
            self.window.extend(id, accumulator.inbox.next_batch());
        } else {
            self.window.unparked(id, accumulator.inbox.next_batch());
            self.cluster.none_parked(id);
            if let Some(state) = self.cluster.topics.get_mut(&id) {
                state.doubted_count = None;
                state.hurry_parked = false;
            }
        }
        for record in without_memory {
            self.fail_parked(now, topic, record, Status::NO_RESOURCES, OUT_OF_MEMORY);
        }
        if !refused.is_empty() {
            let cause = format!("topic '{}' has {count} partitions, numbered from 0", topic.name());
            for record in refused {
                self.fail_parked(now, topic, record, Status::UNKNOWN_PARTITION, &cause);
            }
        }
        doubted
    }

    /// Nothing is known of the topic any more but the sequences of its partitions, as long as nothing of it is under
    /// way.
    pub(super) fn forget_topic(&mut self, now: Time, id: u32) -> bool {
        let Some(state) = self.cluster.topics.get_mut(&id) else { return false };
        let is_busy = |dense: &u32| {
            let partition = &self.partitions[*dense as usize];
            partition.in_flight > 0 || partition.has_any()
        };
        let before = state.topic.partition_count();
        if state.partitions.iter().any(is_busy) || !state.topic.unpublish() {
            return false;
        }
        state.interest = Interest::Forgotten;
        state.missing = None;
        state.doubts.clear();
        let partitions = state.partitions.clone();
        self.cluster.recount(id, before, 0, &self.partitions);
        self.cluster.tally.set_in_use(id, false);
        self.cluster.schedule.forget(id);
        // Its numbers are told for as long as if it had not been deleted.
        self.cluster.sweep_by(now + Micros::from_ms(self.config.metadata_max_idle_ms));
        for dense in partitions {
            self.partitions[dense as usize].forget_leader();
            self.leaderless.remove(&dense);
        }
        self.published.note();
        true
    }

    /// Topics and brokers that were not in use for `metadata.max.idle.ms` go.
    pub(super) fn forget_unused(&mut self, now: Time) {
        if !self.cluster.takes_sweep(now) {
            return;
        }
        let max_idle = Micros::from_ms(self.config.metadata_max_idle_ms);
        let mut next = self.accumulator.numbers.forget_brokers(now, max_idle);
        let mut unused = Vec::new();
        for (id, state) in &self.cluster.topics {
            let numbers = &state.topic.numbers;
            if numbers.is_hidden() {
                continue;
            }
            match numbers.used_at() + max_idle {
                at if at > now => next = next.min(at),
                _ if state.interest == Interest::Forgotten => numbers.hide(),
                _ => unused.push(*id),
            }
        }
        for id in unused {
            let is_wanted = self.topic_waits(id);
            let Some(topic) = self.cluster.topics.get(&id).map(|state| state.topic.clone()) else { continue };
            if !is_wanted && self.forget_topic(now, id) {
                topic.numbers.hide();
            } else {
                topic.numbers.used(now);
                next = next.min(now + max_idle);
            }
        }
        // However many there are, they are looked at now and then only.
        self.cluster.sweep_by(next.max(now + Micros(max_idle.0 / SWEEPS_PER_IDLE_TIME)));
    }
}
