//! What the sender knows of a topic, beside what it shares with those who send.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rate_limit::RateLimit;
use super::topic_doubts::TopicDoubts;
use crate::accumulator::Topic;
use crate::time::Time;

/// A topic that records were sent to.
pub struct TopicState {
    pub topic: Arc<Topic>,
    /// Dense ids by partition index.
    pub partitions: Vec<u32>,
    pub interest: Interest,
    /// What the last answer had instead of partitions, and since when answers have it while records wait; `Time::NEVER`
    /// when none do.
    pub missing: Option<(Time, i16)>,
    /// The partition count of the last answer, while records wait for partitions beyond it.
    pub doubted_count: Option<u32>,
    /// A caller waits for a record that waits for metadata: the batch that it gets does not linger.
    pub hurry_parked: bool,
    /// The batches that parked records were put into last have smaller numbers: a flush that was asked for before that,
    /// and is handled after it, covers them.
    pub unparked_before: u64,
    /// What answers say that is not believed yet.
    pub doubts: TopicDoubts,
    /// Of lines about its batches.
    pub log_limit: RateLimit,
}

/// Whether a topic is asked for when everything is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    InUse,
    /// The cluster has refused it for good: it is asked for again when something is sent to it.
    Refused,
    /// It was deleted, or not used for `metadata.max.idle.ms`: known as if it had never been used, but for its
    /// sequences.
    Forgotten,
}

impl TopicState {
    /// Whether records wait for one of its leaders; `leaderless`: the partitions that have such records.
    pub fn waits_for_leader(&self, leaderless: &BTreeSet<u32>) -> bool {
        !leaderless.is_empty() && self.partitions.iter().any(|dense| leaderless.contains(dense))
    }
}
