//! A topic opens: its partitions are known, and the records that waited for them go there.

use std::sync::Arc;

use super::Sender;
use crate::accumulator::Topic;
use crate::error::Status;
use crate::time::Time;

impl Sender {
    /// The application's partitioner has chosen for the records that wait for this topic.
    pub(super) fn topic_chosen(&mut self, now: Time, id: u32) {
        let Some(topic) = self.cluster.topics.get(&id).map(|state| state.topic.clone()) else { return };
        let count = self.accumulator.choosable(&topic).max(topic.partition_count());
        if self.publish_topic(now, id, &topic, count) {
            self.refresh_metadata(now);
        }
    }

    /// Lets the topic's records into its partitions, unless the application has yet to choose among them. True when records
    /// wait for partitions that the topic may not have.
    pub(super) fn publish_topic(&mut self, now: Time, id: u32, topic: &Arc<Topic>, count: u32) -> bool {
        let accumulator = self.accumulator.clone();
        if accumulator.begins_choosing(topic, count) {
            return false;
        }
        let mut refused = Vec::new();
        // One answer may leave the newest partitions out: it takes two that agree to fail what was sent to them.
        let believed =
            self.cluster.topics.get_mut(&id).is_some_and(|state| state.doubted_count.replace(count) == Some(count));
        let mut doubted = false;
        let first_new = accumulator.inbox.next_batch();
        accumulator.publish(
            topic,
            count,
            || now,
            |record| {
                if believed {
                    refused.push(record);
                    return None;
                }
                doubted = true;
                Some(record)
            },
        );
        let next = accumulator.inbox.next_batch();
        if next > first_new
            && let Some(state) = self.cluster.topics.get_mut(&id)
        {
            state.unparked_before = next;
        }
        if self.window.waits_for_parked(id) || self.cluster.topics.get(&id).is_some_and(|state| state.hurry_parked) {
            // They are told of as batches only after this, and find that they are not to linger.
            self.hurry_topic(now, id, next);
        }
        if doubted {
            self.window.extend(id, accumulator.inbox.next_batch());
        } else {
            self.window.unparked(id, accumulator.inbox.next_batch());
            if let Some(state) = self.cluster.topics.get_mut(&id) {
                state.doubted_count = None;
                state.hurry_parked = false;
            }
        }
        if !refused.is_empty() {
            let cause = format!("topic '{}' has {count} partitions, numbered from 0", topic.name());
            for record in refused {
                self.fail_parked(now, topic, record, Status::UNKNOWN_PARTITION, &cause);
            }
        }
        doubted
    }
}
