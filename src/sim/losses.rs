//! What a cluster may lose and what it may get wrong about its producers: truncated logs, forgotten producer ids, answers that
//! hide an append. The rest of the simulator asks here what the client cannot be blamed for.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::{InitProducerIdResponse, ProduceResponse};

use super::plan::PRODUCER_ID_CODES;
use super::watch::Place;
use super::{Happening, Sim, faults};
use crate::config::OnSequenceGap;
use crate::mock::{api_key, testing};

/// Codes that leave open whether the batch is in the log: a broker may answer them after the append.
const AFTER_APPEND: [i16; 6] = [7, 20, -1, 13, 56, 999];
const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;

#[derive(Default)]
pub(super) struct Losses {
    /// Timestamps of records that were in a log when its end was cut off.
    pub records: BTreeSet<i64>,
    /// Partitions that lost records or producer state at any time.
    pub partitions: BTreeSet<Place>,
    /// Ends of the logs before the request that is being answered.
    ends: BTreeMap<Place, i64>,
}

impl Sim {
    /// Records at the end of a partition's log vanish, as in an unclean election: another broker leads, or the same one
    /// after it was restarted.
    pub(super) fn truncate(&mut self, topic: &str, partition: i32, offset: i64) {
        let before = self.cluster.records(topic, partition).expect("the partition exists");
        self.cluster.truncate(topic, partition, offset).expect("the partition exists");
        let end = self.cluster.end_offset(topic, partition).expect("the partition exists");
        let gone: Vec<i64> = before.iter().filter(|r| r.offset >= end).map(|r| r.timestamp_ms).collect();
        self.note(50, partition as u64, gone.len() as u64, || {
            format!("{topic} [{partition}] loses {} records from offset {end} on", gone.len())
        });
        self.losses.records.extend(gone);
        let (leader, _) = self.cluster.partition_leader(topic, partition).expect("the partition exists");
        if let Some(leader) = leader {
            let next = leader % self.plan.brokers + 1;
            self.cluster.partition_set_leader(topic, partition, Some(next)).expect("both exist");
            if next == leader {
                self.cut_off(leader);
            }
        }
        self.losses.partitions.insert((topic.to_owned(), partition));
    }

    /// What may go wrong with producer ids and what they wrote.
    pub(super) fn idempotence_fault_step(&mut self) {
        if self.fault(|rates| rates.truncation) {
            self.lose_records();
        }
        if self.fault(|rates| rates.producer_expiry) {
            self.forget_producers();
        }
        if self.fault(|rates| rates.producer_id_error) {
            let (mut code, count) = (self.random.pick(&PRODUCER_ID_CODES), self.random.between(1, 3) as u32);
            if self.is_transactional() && code == -1 {
                // That ends a transactional producer.
                code = 14;
            }
            self.note(52, code as u64, count.into(), || format!("InitProducerId answers {code} {count} times"));
            self.cluster.push_error(api_key::INIT_PRODUCER_ID, code, count);
        }
    }

    /// At a fault step: some partition loses the end of its log.
    pub(super) fn lose_records(&mut self) {
        let Some((topic, partition)) = self.some_partition() else { return };
        let end = self.cluster.end_offset(&topic, partition).unwrap_or(0);
        let offset = end - self.random.below(8).min(end as u64) as i64;
        self.truncate(&topic, partition, offset);
    }

    /// At a fault step: a leader is restarted and has no snapshot of its producers, as if they had been idle for a day.
    /// Nothing that could still arrive is under way: no broker could tell a repetition any more.
    pub(super) fn forget_producers(&mut self) {
        let Some(place) = self.some_partition() else { return };
        let under_way = self.queue.values().any(|happening| matches!(happening, Happening::Arrive(..)));
        if self.watch.is_quiet(&place) && self.zombies_pending == 0 && !under_way {
            self.restart_without_producers(&place.0, place.1);
        }
    }

    pub(super) fn restart_without_producers(&mut self, topic: &str, partition: i32) {
        self.expire(topic, partition);
        if let Ok((Some(leader), _)) = self.cluster.partition_leader(topic, partition) {
            self.cut_off(leader);
        }
    }

    pub(super) fn expire(&mut self, topic: &str, partition: i32) {
        let ids = self.watch.producer_ids();
        self.note(51, partition as u64, ids.len() as u64, || {
            format!("{topic} [{partition}] forgets producers {ids:?}")
        });
        for id in ids {
            self.cluster.expire_producer(topic, partition, id).expect("the partition exists");
        }
        self.losses.partitions.insert((topic.to_owned(), partition));
    }

    fn some_partition(&mut self) -> Option<Place> {
        let sizes = self.topic_sizes();
        if sizes.is_empty() {
            return None;
        }
        let (name, count) = sizes[self.random.below(sizes.len() as u64) as usize].clone();
        Some((name, self.random.below(count as u64) as i32))
    }

    /// Before a broker acts on a produce request: what is in the logs already.
    pub(super) fn note_ends(&mut self) {
        if self.plan.rates.hidden_append == 0 {
            return;
        }
        for (name, count) in self.topic_sizes() {
            for index in 0..count {
                let end = self.cluster.end_offset(&name, index).unwrap_or(0);
                self.losses.ends.insert((name.clone(), index), end);
            }
        }
    }

    /// Answers that hide what is in the log: an error after the append, DUPLICATE_SEQUENCE_NUMBER in place of the offset.
    pub(super) fn hide_appends(&mut self, response: &mut ProduceResponse) {
        for topic in &mut response.responses {
            for partition in topic.partition_responses.iter_mut().filter(|partition| partition.error_code == 0) {
                if !self.fault(|rates| rates.hidden_append) {
                    continue;
                }
                let end = self.losses.ends.get(&(topic.name.0.to_string(), partition.index));
                let is_repetition = end.is_some_and(|end| partition.base_offset < *end);
                let code = self.random.pick(&AFTER_APPEND);
                partition.error_code = match is_repetition && self.random.percent(50) {
                    true => DUPLICATE_SEQUENCE_NUMBER,
                    false => code,
                };
                partition.base_offset = -1;
            }
        }
    }

    /// Producer ids may begin at any epoch: near the last one the client has to ask for a new id.
    pub(super) fn twist_producer_id(&mut self, version: i16, bytes: Vec<u8>) -> Vec<u8> {
        if self.plan.first_epoch == 0 || self.plan.config.transactional_id.is_some() {
            return bytes;
        }
        let (correlation_id, mut response) = testing::response::<InitProducerIdResponse>(&bytes, version);
        if response.error_code == 0 {
            response.producer_epoch = self.plan.first_epoch;
        }
        faults::encode(correlation_id, version, &response)
    }

    /// Whether the producer may end for good: something happened that its configuration makes fatal.
    pub(super) fn may_be_fatal(&self) -> bool {
        let gaps = self.plan.config.on_sequence_gap == OnSequenceGap::Fatal;
        let lost = !self.losses.partitions.is_empty() || [45, 59].iter().any(|code| self.plan.may_answer(*code));
        if self.is_transactional() {
            // An old coordinator gives no new epoch, and without one nothing goes on after a failure.
            // While markers of the last epoch's transaction are written, a coordinator does not know the id that it has
            // given for the next one.
            let rotates = self.plan.first_epoch > 0;
            let excused = rotates
                || (gaps && lost)
                || self.was_fenced
                || self.hard_code_answered
                || self.was_overdue()
                || self.plan.old_brokers;
            return excused || [31, 35, 47, 48, 53].iter().any(|code| self.plan.may_answer(*code));
        }
        (gaps && lost) || [31, 35, 53].iter().any(|code| self.plan.may_answer(*code))
    }
}
