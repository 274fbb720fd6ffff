//! What arrived, so that a test can ask how many requests of each kind it took.

use std::collections::{BTreeMap, VecDeque};

use crate::time::Time;

/// How many of the last requests are kept one by one.
const RECENT_REQUESTS_MAX: usize = 4096;

/// One request that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestSeen {
    pub at: Time,
    pub broker: i32,
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    /// Partitions named, in Produce, Fetch, ListOffsets, AddPartitionsToTxn and TxnOffsetCommit; topics named, in Metadata;
    /// else 0.
    pub partition_count: u32,
}

/// Counters over the cluster's life, and the last few thousand requests.
#[derive(Default)]
pub struct Stats {
    per_api: BTreeMap<i16, u64>,
    recent: VecDeque<RequestSeen>,
    pub(super) batches_appended: u64,
    pub(super) records_appended: u64,
    pub(super) bytes_appended: u64,
}

impl Stats {
    pub(super) fn count(&mut self, seen: RequestSeen) {
        *self.per_api.entry(seen.api_key).or_default() += 1;
        if self.recent.len() == RECENT_REQUESTS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(seen);
    }

    /// Notes what the body of the request counted last names.
    pub(super) fn set_partition_count(&mut self, count: usize) {
        if let Some(seen) = self.recent.back_mut() {
            seen.partition_count = u32::try_from(count).unwrap_or(u32::MAX);
        }
    }

    /// How many requests of this API arrived, those answered with an error included.
    pub fn requests(&self, api_key: i16) -> u64 {
        self.per_api.get(&api_key).copied().unwrap_or(0)
    }

    /// The last 4096 requests, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &RequestSeen> {
        self.recent.iter()
    }

    /// The number of partitions in each of the recent Produce requests, oldest first.
    pub fn produce_partition_counts(&self) -> Vec<u32> {
        let produce = self.recent.iter().filter(|seen| seen.api_key == super::api_key::PRODUCE);
        produce.map(|seen| seen.partition_count).collect()
    }

    pub fn batches_appended(&self) -> u64 {
        self.batches_appended
    }

    pub fn records_appended(&self) -> u64 {
        self.records_appended
    }

    /// Bytes of record batches, headers included.
    pub fn bytes_appended(&self) -> u64 {
        self.bytes_appended
    }
}
