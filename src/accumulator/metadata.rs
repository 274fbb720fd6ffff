//! Metadata that the application asks for: the question on its way to the I/O thread, and the answer, a copy of its own.

use std::ffi::CStr;
use std::sync::Arc;

use super::cluster_view::BrokerView;
use crate::error::{Error, Status};
use crate::reports::Completion;
use crate::sync::Mutex;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// `None`: the topics in use.
    pub topic: Option<Arc<CStr>>,
    /// Asks the cluster; otherwise tells what is known now.
    pub fresh: bool,
}

/// What a broker answered, or what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub cluster_id: Option<Arc<CStr>>,
    /// -1 when unknown.
    pub controller_id: i32,
    /// In the order of their ids.
    pub brokers: Vec<BrokerView>,
    /// In the order of their names.
    pub topics: Vec<TopicDetail>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDetail {
    pub name: Arc<CStr>,
    pub status: Status,
    /// In the order of their indexes.
    pub partitions: Vec<PartitionDetail>,
    /// What the partitions' lists count off.
    pub nodes: Vec<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionDetail {
    pub index: i32,
    pub status: Status,
    /// -1 when there is none.
    pub leader: i32,
    /// -1 when unknown.
    pub leader_epoch: i32,
    /// Broker ids: a place in the topic's `nodes` and a length each.
    pub replicas: Nodes,
    pub in_sync: Nodes,
    pub offline: Nodes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    pub start: usize,
    pub len: usize,
}

impl TopicDetail {
    pub fn nodes(&self, list: Nodes) -> &[i32] {
        self.nodes.get(list.start..list.start + list.len).unwrap_or_default()
    }
}

/// What a thread waits for that has asked. It may give up: the question is then forgotten.
#[derive(Debug, Default)]
pub struct MetadataReply {
    /// Reached when the answer is final.
    pub done: Completion,
    answer: Mutex<Option<Result<Snapshot, Error>>>,
}

impl MetadataReply {
    /// The latest answer: it counts even when a better one was waited for and did not come.
    pub fn answer(&self, answer: Result<Snapshot, Error>) {
        *self.answer.lock() = Some(answer);
    }

    pub fn take(&self) -> Option<Result<Snapshot, Error>> {
        self.answer.lock().take()
    }
}
