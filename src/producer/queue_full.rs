//! What QUEUE_FULL says: who holds the memory, or whose share is used up.

use std::time::{Duration, Instant};

use super::Producer;
use crate::accumulator::{Crowd, Holder, NO_LEADER, Topic};
use crate::error::{Error, Status};

/// How long what was found about a full buffer is told again.
const HOLDER_VALID: Duration = Duration::from_millis(100);

/// The operating system gives less than `buffer.memory`.
#[cold]
pub(super) fn out_of_memory(limit: usize) -> Error {
    let text = format!(
        "the operating system gives no memory for the record, though buffer.memory={limit} has room; lower buffer.memory, or let the \
         process have more"
    );
    Error::new(Status::NO_RESOURCES, text)
}

impl Producer {
    /// Names the partition, and its broker, that holds most of the memory.
    #[cold]
    pub(super) fn queue_full(&self) -> Error {
        let mut known = self.memory_holder.lock();
        // Looking at every partition for every refused record would make a full buffer worse.
        let now = Instant::now();
        if known.as_ref().is_none_or(|(found_at, _)| now.duration_since(*found_at) >= HOLDER_VALID) {
            *known = Some((now, self.find_memory_holder()));
        }
        let holder = known.as_ref().map_or("", |(_, holder)| holder.as_str());
        let text = format!(
            "buffer.memory={} stayed full for max.block.ms={} ms; {holder}",
            self.accumulator.memory.limit(),
            self.max_block_ms
        );
        Error::new(Status::QUEUE_FULL, text)
    }

    /// The record's own partition or broker has what it may have: others are not held up by it.
    #[cold]
    pub(super) fn share_full(&self, topic: &Topic, crowd: &Crowd) -> Error {
        let Crowd { held, share, leader_held, leader_share, leaders, .. } = *crowd;
        let limit = self.accumulator.memory.limit();
        let name = topic.name();
        let who = match crowd.holder {
            Holder::Partition(id) => match topic.index_of(id) {
                Some(index) => format!("partition {name} [{index}]"),
                None => format!("a partition of topic '{name}'"),
            },
            Holder::Parked(_) => format!("topic '{name}', whose metadata is not known yet,"),
            Holder::Nobody => format!("topic '{name}'"),
        };
        let broker = match crowd.leader {
            NO_LEADER => "what has no leader".to_owned(),
            leader => format!("broker {leader}"),
        };
        let text = format!(
            "{who} got no more of buffer.memory={limit} for max.block.ms={} ms: it holds {held} bytes of at most {share}, \
             {broker} {leader_held} of at most {leader_share}, while {leaders} brokers are in use; the rest is kept for \
             others",
            self.max_block_ms
        );
        Error { is_of_share: true, ..Error::new(Status::QUEUE_FULL, text) }
    }

    /// Whether the records after one that was refused so would be refused too.
    #[cold]
    pub fn would_refuse_all(&self, why: &Error) -> bool {
        // The record's own fault.
        let own = [
            Status::INVALID_ARGUMENT,
            Status::INVALID_TOPIC_EXCEPTION,
            Status::UNKNOWN_TOPIC_OR_PARTITION,
            Status::RECORD_TOO_LARGE,
            Status::INVALID_RECORD,
            Status::SERIALIZATION,
            Status::NO_RESOURCES,
        ];
        match why.status {
            // Records for other brokers find room. When sends wait, each would wait in vain.
            Status::QUEUE_FULL => !why.is_of_share || self.max_block_ms > 0,
            // Also what has made a transaction fail, and then is the answer to every record.
            status if own.contains(&status) => self.accumulator.door.why().is_some_and(|door| door.status == status),
            _ => true,
        }
    }

    pub(super) fn find_memory_holder(&self) -> String {
        let mut worst = None;
        let mut parked = None;
        for id in 0..self.accumulator.topics.len() as u32 {
            let topic = self.accumulator.topics.by_id(id);
            let waiting = topic.parked_bytes();
            if waiting > 0 && parked.as_ref().is_none_or(|(most, _)| waiting > *most) {
                parked = Some((waiting, topic.name().to_owned()));
            }
            for index in 0..topic.partition_count() {
                let Some(partition) = topic.partition(index) else { continue };
                let bytes = partition.queued_bytes() + partition.taken_bytes();
                if worst.as_ref().is_none_or(|(most, _, _)| bytes > *most) {
                    worst = Some((bytes, format!("{} [{index}]", topic.name()), partition.leader()));
                }
            }
        }
        match worst {
            Some((bytes, name, NO_LEADER)) if bytes > 0 => {
                format!("partition {name}, which has no leader, holds most of what waits: {bytes} bytes")
            }
            Some((bytes, name, leader)) if bytes > 0 => {
                format!("partition {name} on broker {leader} holds most of what waits: {bytes} bytes")
            }
            _ => match parked {
                Some((bytes, name)) => format!("{bytes} bytes wait for metadata of topic '{name}'"),
                None => "it has just become free".into(),
            },
        }
    }
}
