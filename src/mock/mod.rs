//! The mock cluster: Kafka brokers good enough for a producer to be tested against and for a consumer to read back from.
//!
//! `Cluster` is the model: frames in, answers out, no socket, thread or clock, so the simulator runs it under virtual time.
//! `MockCluster` (server.rs) puts it behind TCP listeners. The requests and record batches are read by decoders of this room's
//! own, so that a mistake of the client's encoder cannot agree with itself.
//!
//! One file per API key (`api_versions.rs`, `metadata.rs`, `produce.rs`, `fetch.rs`, `list_offsets.rs`), each naming its versions
//! and where it departs from Kafka.

mod api_versions;
mod batch_decode;
mod cluster;
mod end_marker;
mod faults;
mod fetch;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod partition_log;
mod produce;
mod producer_state;
mod reader;
mod request;
// The server is the part of the mock that lives in real time.
#[allow(clippy::disallowed_methods)]
mod server;
mod stats;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod topic;

pub use batch_decode::{BatchHeader, BatchRefusal, RecordView, Records, check_batch};
pub use cluster::{Cluster, ClusterOptions};
pub use partition_log::{LogSnapshot, StoredRecord};
pub use producer_state::UnknownProducer;
pub use request::Answer;
pub use server::MockCluster;
pub use stats::{RequestSeen, Stats};

/// The API keys the mock answers.
pub mod api_key {
    pub const PRODUCE: i16 = 0;
    pub const FETCH: i16 = 1;
    pub const LIST_OFFSETS: i16 = 2;
    pub const METADATA: i16 = 3;
    pub const API_VERSIONS: i16 = 18;
    pub const INIT_PRODUCER_ID: i16 = 22;
}

/// Kafka's error codes, as far as the mock answers them itself.
pub(crate) mod code {
    pub const NONE: i16 = 0;
    pub const OFFSET_OUT_OF_RANGE: i16 = 1;
    pub const CORRUPT_MESSAGE: i16 = 2;
    pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    pub const LEADER_NOT_AVAILABLE: i16 = 5;
    pub const NOT_LEADER_OR_FOLLOWER: i16 = 6;
    pub const REQUEST_TIMED_OUT: i16 = 7;
    pub const MESSAGE_TOO_LARGE: i16 = 10;
    pub const INVALID_TOPIC_EXCEPTION: i16 = 17;
    pub const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
    pub const INVALID_REQUIRED_ACKS: i16 = 21;
    pub const INVALID_TIMESTAMP: i16 = 32;
    pub const UNSUPPORTED_VERSION: i16 = 35;
    pub const TOPIC_ALREADY_EXISTS: i16 = 36;
    pub const INVALID_PARTITIONS: i16 = 37;
    pub const INVALID_REPLICATION_FACTOR: i16 = 38;
    pub const INVALID_REQUEST: i16 = 42;
    pub const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
    pub const INVALID_PRODUCER_EPOCH: i16 = 47;
    pub const INVALID_TXN_STATE: i16 = 48;
    pub const UNKNOWN_PRODUCER_ID: i16 = 59;
    pub const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
    pub const FENCED_LEADER_EPOCH: i16 = 74;
    pub const UNKNOWN_LEADER_EPOCH: i16 = 75;
    pub const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
    pub const INVALID_RECORD: i16 = 87;
    pub const UNKNOWN_TOPIC_ID: i16 = 100;
}
