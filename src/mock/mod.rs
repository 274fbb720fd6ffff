//! The mock cluster: Kafka brokers good enough for a producer to be tested against and for a consumer to read back
//! from.
//!
//! `Cluster` is the model: frames in, answers out, no socket, thread or clock, so the simulator runs it under virtual
//! time. `MockCluster` (server.rs) puts it behind TCP listeners. The requests and record batches are read by decoders
//! of this room's own, so that a mistake of the client's encoder cannot agree with itself.
//!
//! One file per API key or pair of them (`produce.rs`, `end_txn.rs`, …), each naming its versions and where it departs
//! from Kafka. Beside them: `producer_state.rs` what a partition knows of its producers, `transactions.rs` what a
//! coordinator knows of its transactional ids, `admission.rs` how a partition asks it, `markers.rs` how transactions
//! end, `groups.rs` committed offsets, `coordinators.rs` which broker coordinates what, `scram.rs` the brokers' side of
//! SASL's mechanisms.

mod add_to_txn;
mod admission;
mod api_versions;
mod batch_decode;
mod cluster;
mod coordinators;
mod decompress;
mod end_marker;
mod end_txn;
mod faults;
mod fetch;
mod find_coordinator;
mod group_offsets;
mod groups;
mod init_producer_id;
mod list_offsets;
mod markers;
mod metadata;
mod otlp;
mod partition_log;
mod produce;
mod producer_state;
mod reader;
mod record_rules;
mod request;
mod sasl;
mod scram;
// The server is the part of the mock that lives in real time.
#[allow(clippy::disallowed_methods)]
mod server;
mod stats;
mod telemetry;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod topic;
mod transaction_hands;
mod transactions;
mod txn_offset_commit;

pub use batch_decode::{BatchHeader, BatchRefusal, RecordView, Records, check_batch};
pub use cluster::{Cluster, ClusterOptions};
pub use coordinators::CoordinatorKind;
pub use decompress::plain_batch;
pub use otlp::{KindSeen, MetricSeen, PointSeen, decode_metrics};
pub use partition_log::{LogSnapshot, StoredRecord};
pub use producer_state::UnknownProducer;
pub use request::Answer;
pub use server::{Listening, MockCluster};
pub use stats::{RequestSeen, Stats};
pub use telemetry::{PushSeen, Subscription};
pub use transactions::TwoPhase;

/// The API keys the mock answers.
pub mod api_key {
    pub const PRODUCE: i16 = 0;
    pub const FETCH: i16 = 1;
    pub const LIST_OFFSETS: i16 = 2;
    pub const METADATA: i16 = 3;
    pub const OFFSET_COMMIT: i16 = 8;
    pub const OFFSET_FETCH: i16 = 9;
    pub const FIND_COORDINATOR: i16 = 10;
    pub const SASL_HANDSHAKE: i16 = 17;
    pub const API_VERSIONS: i16 = 18;
    pub const INIT_PRODUCER_ID: i16 = 22;
    pub const ADD_PARTITIONS_TO_TXN: i16 = 24;
    pub const ADD_OFFSETS_TO_TXN: i16 = 25;
    pub const END_TXN: i16 = 26;
    pub const TXN_OFFSET_COMMIT: i16 = 28;
    pub const SASL_AUTHENTICATE: i16 = 36;
    pub const GET_TELEMETRY_SUBSCRIPTIONS: i16 = 71;
    pub const PUSH_TELEMETRY: i16 = 72;
}

/// Kafka's error codes, as far as the mock answers them itself.
pub(crate) mod code {
    pub const UNKNOWN_SERVER_ERROR: i16 = -1;
    pub const NONE: i16 = 0;
    pub const OFFSET_OUT_OF_RANGE: i16 = 1;
    pub const CORRUPT_MESSAGE: i16 = 2;
    pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    pub const LEADER_NOT_AVAILABLE: i16 = 5;
    pub const NOT_LEADER_OR_FOLLOWER: i16 = 6;
    pub const REQUEST_TIMED_OUT: i16 = 7;
    pub const MESSAGE_TOO_LARGE: i16 = 10;
    pub const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
    pub const COORDINATOR_NOT_AVAILABLE: i16 = 15;
    pub const NOT_COORDINATOR: i16 = 16;
    pub const INVALID_TOPIC_EXCEPTION: i16 = 17;
    pub const NOT_ENOUGH_REPLICAS: i16 = 19;
    pub const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
    pub const INVALID_REQUIRED_ACKS: i16 = 21;
    pub const ILLEGAL_GENERATION: i16 = 22;
    pub const INVALID_GROUP_ID: i16 = 24;
    pub const UNKNOWN_MEMBER_ID: i16 = 25;
    pub const INVALID_TIMESTAMP: i16 = 32;
    pub const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
    pub const ILLEGAL_SASL_STATE: i16 = 34;
    pub const UNSUPPORTED_VERSION: i16 = 35;
    pub const TOPIC_ALREADY_EXISTS: i16 = 36;
    pub const INVALID_PARTITIONS: i16 = 37;
    pub const INVALID_REPLICATION_FACTOR: i16 = 38;
    pub const INVALID_REQUEST: i16 = 42;
    pub const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
    pub const INVALID_PRODUCER_EPOCH: i16 = 47;
    pub const INVALID_TXN_STATE: i16 = 48;
    pub const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
    pub const INVALID_TRANSACTION_TIMEOUT: i16 = 50;
    pub const CONCURRENT_TRANSACTIONS: i16 = 51;
    pub const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;
    pub const OPERATION_NOT_ATTEMPTED: i16 = 55;
    pub const SASL_AUTHENTICATION_FAILED: i16 = 58;
    pub const UNKNOWN_PRODUCER_ID: i16 = 59;
    pub const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
    pub const FENCED_LEADER_EPOCH: i16 = 74;
    pub const UNKNOWN_LEADER_EPOCH: i16 = 75;
    pub const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
    pub const FENCED_INSTANCE_ID: i16 = 82;
    pub const INVALID_RECORD: i16 = 87;
    pub const UNSTABLE_OFFSET_COMMIT: i16 = 88;
    pub const THROTTLING_QUOTA_EXCEEDED: i16 = 89;
    pub const PRODUCER_FENCED: i16 = 90;
    pub const UNKNOWN_TOPIC_ID: i16 = 100;
    pub const UNKNOWN_SUBSCRIPTION_ID: i16 = 117;
    pub const TELEMETRY_TOO_LARGE: i16 = 118;
    pub const TRANSACTION_ABORTABLE: i16 = 120;
    pub const REBOOTSTRAP_REQUIRED: i16 = 129;
}
