//! Statuses: the constants of the header and what can be asked about them. The facts stand in `crate::error`; the
//! constants are spelled out here because the header's generator reads source text. A test compares the two.

use crate::error::Status;
use std::ffi::c_char;

/// The result of a call or of a record: 0 is success, positive numbers and -1 are Kafka's own error codes under Kafka's
/// names, numbers from -100 down are the library's.
#[allow(non_camel_case_types)]
pub type producer_status_t = i32;

/// Success.
pub const PRODUCER_OK: producer_status_t = 0;

/// The library met a bug of its own; close the producer, make a new one and report it.
pub const PRODUCER_ERR_INTERNAL: producer_status_t = -100;
/// An argument is not valid.
pub const PRODUCER_ERR_INVALID_ARGUMENT: producer_status_t = -101;
/// The call's own timeout passed.
pub const PRODUCER_ERR_TIMED_OUT: producer_status_t = -102;
/// buffer.memory, or the record's share of it, stayed full for max.block.ms; what is in it waits for brokers.
pub const PRODUCER_ERR_QUEUE_FULL: producer_status_t = -103;
/// Too many finished reports wait to be taken; call poll.
pub const PRODUCER_ERR_REPORTS_NOT_TAKEN: producer_status_t = -104;
/// The producer is closed.
pub const PRODUCER_ERR_CLOSED: producer_status_t = -105;
/// The record was purged before it was acknowledged.
pub const PRODUCER_ERR_PURGED: producer_status_t = -106;
/// This function may not be called from a callback.
pub const PRODUCER_ERR_IN_CALLBACK: producer_status_t = -107;
/// The producer belongs to the parent process; make a new one after fork.
pub const PRODUCER_ERR_FORKED: producer_status_t = -108;
/// A newer producer has taken this one's place.
pub const PRODUCER_ERR_FENCED: producer_status_t = -109;
/// There is no property of this name.
pub const PRODUCER_ERR_UNKNOWN_PROPERTY: producer_status_t = -110;
/// The property does not accept this value.
pub const PRODUCER_ERR_INVALID_PROPERTY: producer_status_t = -111;
/// Properties contradict each other, or a required one is missing.
pub const PRODUCER_ERR_CONFIG_CONFLICT: producer_status_t = -112;
/// The property or its value is known, but this version of the library does not implement it.
pub const PRODUCER_ERR_PROPERTY_NOT_SUPPORTED: producer_status_t = -113;
/// The record is larger than max.request.size.
pub const PRODUCER_ERR_RECORD_TOO_LARGE: producer_status_t = -114;
/// The topic has no partition of this number.
pub const PRODUCER_ERR_UNKNOWN_PARTITION: producer_status_t = -115;
/// The record was not acknowledged within delivery.timeout.ms or its own deadline.
pub const PRODUCER_ERR_DELIVERY_TIMED_OUT: producer_status_t = -116;
/// The connection broke while the record was in flight, and no retry was allowed.
pub const PRODUCER_ERR_DISCONNECTED: producer_status_t = -117;
/// The broker is too old, too new, or not a Kafka broker.
pub const PRODUCER_ERR_UNSUPPORTED_BROKER: producer_status_t = -118;
/// The file or thing named does not exist.
pub const PRODUCER_ERR_NOT_FOUND: producer_status_t = -119;
/// A file could not be read.
pub const PRODUCER_ERR_IO: producer_status_t = -120;
/// The operating system refused a thread, a socket or memory.
pub const PRODUCER_ERR_NO_RESOURCES: producer_status_t = -121;
/// The call does not fit the state of the transaction.
pub const PRODUCER_ERR_STATE: producer_status_t = -122;
/// The producer has no transactional.id, and makes no transactions.
pub const PRODUCER_ERR_NOT_TRANSACTIONAL: producer_status_t = -123;
/// The producer met an error after which it cannot go on.
pub const PRODUCER_ERR_FATAL: producer_status_t = -124;
/// The record's transaction was aborted before the record was sent.
pub const PRODUCER_ERR_TRANSACTION_ABORTED: producer_status_t = -125;
/// An earlier record of the partition failed, and on.failure=stop-partition fails what is behind it.
pub const PRODUCER_ERR_EARLIER_FAILED: producer_status_t = -126;
/// The record is on its way or finished; its report says what became of it.
pub const PRODUCER_ERR_TOO_LATE: producer_status_t = -128;
/// The record was cancelled before it was sent.
pub const PRODUCER_ERR_CANCELLED: producer_status_t = -129;
/// The record does not fit into the batch any more; send the batch and begin another.
pub const PRODUCER_ERR_BATCH_FULL: producer_status_t = -130;
/// The broker refused another record of the batch, and the batch with it.
pub const PRODUCER_ERR_BATCH_REFUSED: producer_status_t = -131;
/// A serializer of the application failed.
pub const PRODUCER_ERR_SERIALIZATION: producer_status_t = -140;
/// TLS with the broker failed; the sentence says why.
pub const PRODUCER_ERR_TLS_FAILED: producer_status_t = -150;
/// Credentials, a token or a library that authentication needs could not be had; the sentence says why.
pub const PRODUCER_ERR_CREDENTIALS: producer_status_t = -151;
/// The broker met an error that it has no code for.
pub const PRODUCER_ERR_UNKNOWN_SERVER_ERROR: producer_status_t = -1;
/// The offset lies outside the partition's log.
pub const PRODUCER_ERR_OFFSET_OUT_OF_RANGE: producer_status_t = 1;
/// The broker found the batch damaged: wrong checksum, wrong size, or a record without a key for a compacted topic.
pub const PRODUCER_ERR_CORRUPT_MESSAGE: producer_status_t = 2;
/// The broker does not know the topic or partition.
pub const PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION: producer_status_t = 3;
/// The fetch size is not valid.
pub const PRODUCER_ERR_INVALID_FETCH_SIZE: producer_status_t = 4;
/// The partition has no leader at the moment; one is being elected.
pub const PRODUCER_ERR_LEADER_NOT_AVAILABLE: producer_status_t = 5;
/// The broker is no longer the leader of the partition.
pub const PRODUCER_ERR_NOT_LEADER_OR_FOLLOWER: producer_status_t = 6;
/// The broker did not finish the request within its time limit.
pub const PRODUCER_ERR_REQUEST_TIMED_OUT: producer_status_t = 7;
/// The broker is not available.
pub const PRODUCER_ERR_BROKER_NOT_AVAILABLE: producer_status_t = 8;
/// The replica is not available on this broker.
pub const PRODUCER_ERR_REPLICA_NOT_AVAILABLE: producer_status_t = 9;
/// The batch is larger than the broker's message.max.bytes or the topic's max.message.bytes allows.
pub const PRODUCER_ERR_MESSAGE_TOO_LARGE: producer_status_t = 10;
/// The controller has moved to another broker.
pub const PRODUCER_ERR_STALE_CONTROLLER_EPOCH: producer_status_t = 11;
/// The metadata text of a committed offset is too long.
pub const PRODUCER_ERR_OFFSET_METADATA_TOO_LARGE: producer_status_t = 12;
/// The connection broke before the answer came.
pub const PRODUCER_ERR_NETWORK_EXCEPTION: producer_status_t = 13;
/// The coordinator is still loading its state.
pub const PRODUCER_ERR_COORDINATOR_LOAD_IN_PROGRESS: producer_status_t = 14;
/// The coordinator is not available.
pub const PRODUCER_ERR_COORDINATOR_NOT_AVAILABLE: producer_status_t = 15;
/// The broker is not the coordinator any more.
pub const PRODUCER_ERR_NOT_COORDINATOR: producer_status_t = 16;
/// The topic's name is illegal, or the topic may not be written to.
pub const PRODUCER_ERR_INVALID_TOPIC_EXCEPTION: producer_status_t = 17;
/// The batch is larger than a segment of the topic's log.
pub const PRODUCER_ERR_RECORD_LIST_TOO_LARGE: producer_status_t = 18;
/// Fewer replicas are in sync than min.insync.replicas asks for; nothing was written.
pub const PRODUCER_ERR_NOT_ENOUGH_REPLICAS: producer_status_t = 19;
/// The batch was written, but fewer replicas are in sync than min.insync.replicas asks for.
pub const PRODUCER_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND: producer_status_t = 20;
/// The broker does not accept this value of acks.
pub const PRODUCER_ERR_INVALID_REQUIRED_ACKS: producer_status_t = 21;
/// The consumer group has moved on to another generation.
pub const PRODUCER_ERR_ILLEGAL_GENERATION: producer_status_t = 22;
/// The member's protocol does not fit the group's.
pub const PRODUCER_ERR_INCONSISTENT_GROUP_PROTOCOL: producer_status_t = 23;
/// The group id is not valid.
pub const PRODUCER_ERR_INVALID_GROUP_ID: producer_status_t = 24;
/// The coordinator does not know this member of the group.
pub const PRODUCER_ERR_UNKNOWN_MEMBER_ID: producer_status_t = 25;
/// The session timeout is outside what the broker allows.
pub const PRODUCER_ERR_INVALID_SESSION_TIMEOUT: producer_status_t = 26;
/// The group is rebalancing.
pub const PRODUCER_ERR_REBALANCE_IN_PROGRESS: producer_status_t = 27;
/// The committed offsets take too much room.
pub const PRODUCER_ERR_INVALID_COMMIT_OFFSET_SIZE: producer_status_t = 28;
/// This client may not write to the topic; grant it WRITE.
pub const PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED: producer_status_t = 29;
/// This client may not use the consumer group; grant it READ.
pub const PRODUCER_ERR_GROUP_AUTHORIZATION_FAILED: producer_status_t = 30;
/// This client may not do this on the cluster; grant it the right it lacks.
pub const PRODUCER_ERR_CLUSTER_AUTHORIZATION_FAILED: producer_status_t = 31;
/// A record's timestamp is further from the broker's time than the topic allows.
pub const PRODUCER_ERR_INVALID_TIMESTAMP: producer_status_t = 32;
/// The broker does not offer this SASL mechanism.
pub const PRODUCER_ERR_UNSUPPORTED_SASL_MECHANISM: producer_status_t = 33;
/// The request does not fit the state of the SASL exchange.
pub const PRODUCER_ERR_ILLEGAL_SASL_STATE: producer_status_t = 34;
/// The broker does not support this version of the request.
pub const PRODUCER_ERR_UNSUPPORTED_VERSION: producer_status_t = 35;
/// A topic of this name exists already.
pub const PRODUCER_ERR_TOPIC_ALREADY_EXISTS: producer_status_t = 36;
/// The number of partitions is not valid.
pub const PRODUCER_ERR_INVALID_PARTITIONS: producer_status_t = 37;
/// The replication factor is below 1 or above the number of brokers.
pub const PRODUCER_ERR_INVALID_REPLICATION_FACTOR: producer_status_t = 38;
/// The assignment of replicas is not valid.
pub const PRODUCER_ERR_INVALID_REPLICA_ASSIGNMENT: producer_status_t = 39;
/// The broker refuses a configuration value.
pub const PRODUCER_ERR_INVALID_CONFIG: producer_status_t = 40;
/// The broker is not the controller.
pub const PRODUCER_ERR_NOT_CONTROLLER: producer_status_t = 41;
/// The broker finds the request malformed or contradictory.
pub const PRODUCER_ERR_INVALID_REQUEST: producer_status_t = 42;
/// The topic's message format on the broker is too old for this request.
pub const PRODUCER_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT: producer_status_t = 43;
/// A policy of the broker forbids the request.
pub const PRODUCER_ERR_POLICY_VIOLATION: producer_status_t = 44;
/// The batch's sequence number does not follow the last one the broker has.
pub const PRODUCER_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER: producer_status_t = 45;
/// The broker has a batch of this sequence number already.
pub const PRODUCER_ERR_DUPLICATE_SEQUENCE_NUMBER: producer_status_t = 46;
/// The producer's epoch is older than one the broker has seen.
pub const PRODUCER_ERR_INVALID_PRODUCER_EPOCH: producer_status_t = 47;
/// The request does not fit the state of the transaction.
pub const PRODUCER_ERR_INVALID_TXN_STATE: producer_status_t = 48;
/// The producer id does not belong to this transactional.id.
pub const PRODUCER_ERR_INVALID_PRODUCER_ID_MAPPING: producer_status_t = 49;
/// The broker allows no transaction.timeout.ms above its transaction.max.timeout.ms: lower the one or raise the other.
pub const PRODUCER_ERR_INVALID_TRANSACTION_TIMEOUT: producer_status_t = 50;
/// An earlier transaction of this transactional.id is still being completed.
pub const PRODUCER_ERR_CONCURRENT_TRANSACTIONS: producer_status_t = 51;
/// The transaction coordinator was replaced by a newer one.
pub const PRODUCER_ERR_TRANSACTION_COORDINATOR_FENCED: producer_status_t = 52;
/// This client may not use the transactional.id; grant it WRITE and DESCRIBE.
pub const PRODUCER_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED: producer_status_t = 53;
/// Security features are turned off on the broker.
pub const PRODUCER_ERR_SECURITY_DISABLED: producer_status_t = 54;
/// The broker did not try this, because another part of the request failed.
pub const PRODUCER_ERR_OPERATION_NOT_ATTEMPTED: producer_status_t = 55;
/// The broker could not use its disk.
pub const PRODUCER_ERR_KAFKA_STORAGE_ERROR: producer_status_t = 56;
/// The broker has no such log directory.
pub const PRODUCER_ERR_LOG_DIR_NOT_FOUND: producer_status_t = 57;
/// The broker refused the credentials.
pub const PRODUCER_ERR_SASL_AUTHENTICATION_FAILED: producer_status_t = 58;
/// The broker has no state for this producer id any more.
pub const PRODUCER_ERR_UNKNOWN_PRODUCER_ID: producer_status_t = 59;
/// The partitions are being reassigned.
pub const PRODUCER_ERR_REASSIGNMENT_IN_PROGRESS: producer_status_t = 60;
/// Delegation tokens are turned off on the broker.
pub const PRODUCER_ERR_DELEGATION_TOKEN_AUTH_DISABLED: producer_status_t = 61;
/// The broker does not know the delegation token.
pub const PRODUCER_ERR_DELEGATION_TOKEN_NOT_FOUND: producer_status_t = 62;
/// The delegation token belongs to somebody else.
pub const PRODUCER_ERR_DELEGATION_TOKEN_OWNER_MISMATCH: producer_status_t = 63;
/// Delegation tokens may not be asked for over this connection.
pub const PRODUCER_ERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: producer_status_t = 64;
/// This client may not use the delegation token.
pub const PRODUCER_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED: producer_status_t = 65;
/// The delegation token has expired.
pub const PRODUCER_ERR_DELEGATION_TOKEN_EXPIRED: producer_status_t = 66;
/// The broker does not support this type of principal.
pub const PRODUCER_ERR_INVALID_PRINCIPAL_TYPE: producer_status_t = 67;
/// The group still has members.
pub const PRODUCER_ERR_NON_EMPTY_GROUP: producer_status_t = 68;
/// There is no such group.
pub const PRODUCER_ERR_GROUP_ID_NOT_FOUND: producer_status_t = 69;
/// The broker does not know the fetch session.
pub const PRODUCER_ERR_FETCH_SESSION_ID_NOT_FOUND: producer_status_t = 70;
/// The epoch of the fetch session is not the expected one.
pub const PRODUCER_ERR_INVALID_FETCH_SESSION_EPOCH: producer_status_t = 71;
/// The partition's leader has no listener of the name this client is connected to.
pub const PRODUCER_ERR_LISTENER_NOT_FOUND: producer_status_t = 72;
/// The broker does not allow topics to be deleted.
pub const PRODUCER_ERR_TOPIC_DELETION_DISABLED: producer_status_t = 73;
/// The leader epoch in the request is older than the broker's.
pub const PRODUCER_ERR_FENCED_LEADER_EPOCH: producer_status_t = 74;
/// The leader epoch in the request is newer than the broker's.
pub const PRODUCER_ERR_UNKNOWN_LEADER_EPOCH: producer_status_t = 75;
/// The broker does not support the compression of the batch.
pub const PRODUCER_ERR_UNSUPPORTED_COMPRESSION_TYPE: producer_status_t = 76;
/// The broker's registration is outdated.
pub const PRODUCER_ERR_STALE_BROKER_EPOCH: producer_status_t = 77;
/// The new leader does not know its high watermark yet.
pub const PRODUCER_ERR_OFFSET_NOT_AVAILABLE: producer_status_t = 78;
/// The group member has to join again with the id it was given.
pub const PRODUCER_ERR_MEMBER_ID_REQUIRED: producer_status_t = 79;
/// The preferred leader is not available.
pub const PRODUCER_ERR_PREFERRED_LEADER_NOT_AVAILABLE: producer_status_t = 80;
/// The group is full.
pub const PRODUCER_ERR_GROUP_MAX_SIZE_REACHED: producer_status_t = 81;
/// Another member has taken over this group.instance.id.
pub const PRODUCER_ERR_FENCED_INSTANCE_ID: producer_status_t = 82;
/// No replica that may become leader is available.
pub const PRODUCER_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE: producer_status_t = 83;
/// The partition needs no election of a leader.
pub const PRODUCER_ERR_ELECTION_NOT_NEEDED: producer_status_t = 84;
/// No reassignment of the partition is under way.
pub const PRODUCER_ERR_NO_REASSIGNMENT_IN_PROGRESS: producer_status_t = 85;
/// The group is still subscribed to the topic.
pub const PRODUCER_ERR_GROUP_SUBSCRIBED_TO_TOPIC: producer_status_t = 86;
/// The broker refuses a record of the batch.
pub const PRODUCER_ERR_INVALID_RECORD: producer_status_t = 87;
/// A transaction that commits offsets is still open.
pub const PRODUCER_ERR_UNSTABLE_OFFSET_COMMIT: producer_status_t = 88;
/// The quota is used up for the moment.
pub const PRODUCER_ERR_THROTTLING_QUOTA_EXCEEDED: producer_status_t = 89;
/// A newer producer uses the same transactional.id; only one of them may live.
pub const PRODUCER_ERR_PRODUCER_FENCED: producer_status_t = 90;
/// The broker does not know the resource.
pub const PRODUCER_ERR_RESOURCE_NOT_FOUND: producer_status_t = 91;
/// The resource exists already or is named twice.
pub const PRODUCER_ERR_DUPLICATE_RESOURCE: producer_status_t = 92;
/// The credential does not meet the broker's requirements.
pub const PRODUCER_ERR_UNACCEPTABLE_CREDENTIAL: producer_status_t = 93;
/// The voters of the quorum are not the expected ones.
pub const PRODUCER_ERR_INCONSISTENT_VOTER_SET: producer_status_t = 94;
/// The version of the feature update is not valid.
pub const PRODUCER_ERR_INVALID_UPDATE_VERSION: producer_status_t = 95;
/// The finalized features could not be updated.
pub const PRODUCER_ERR_FEATURE_UPDATE_FAILED: producer_status_t = 96;
/// A forwarded request carries a principal that cannot be read.
pub const PRODUCER_ERR_PRINCIPAL_DESERIALIZATION_FAILURE: producer_status_t = 97;
/// There is no such snapshot.
pub const PRODUCER_ERR_SNAPSHOT_NOT_FOUND: producer_status_t = 98;
/// The position lies outside the snapshot.
pub const PRODUCER_ERR_POSITION_OUT_OF_RANGE: producer_status_t = 99;
/// The broker does not know the topic's id.
pub const PRODUCER_ERR_UNKNOWN_TOPIC_ID: producer_status_t = 100;
/// A broker of this id is registered already.
pub const PRODUCER_ERR_DUPLICATE_BROKER_REGISTRATION: producer_status_t = 101;
/// No broker of this id is registered.
pub const PRODUCER_ERR_BROKER_ID_NOT_REGISTERED: producer_status_t = 102;
/// The topic was deleted and created anew: its id has changed.
pub const PRODUCER_ERR_INCONSISTENT_TOPIC_ID: producer_status_t = 103;
/// The broker belongs to another cluster.
pub const PRODUCER_ERR_INCONSISTENT_CLUSTER_ID: producer_status_t = 104;
/// The coordinator does not know the transactional.id.
pub const PRODUCER_ERR_TRANSACTIONAL_ID_NOT_FOUND: producer_status_t = 105;
/// The fetch session mixes topics with and without ids.
pub const PRODUCER_ERR_FETCH_SESSION_TOPIC_ID_ERROR: producer_status_t = 106;
/// The replica may not join the in-sync replicas.
pub const PRODUCER_ERR_INELIGIBLE_REPLICA: producer_status_t = 107;
/// The change of the in-sync replicas has made another broker the leader.
pub const PRODUCER_ERR_NEW_LEADER_ELECTED: producer_status_t = 108;
/// The offset has moved to tiered storage.
pub const PRODUCER_ERR_OFFSET_MOVED_TO_TIERED_STORAGE: producer_status_t = 109;
/// The group member was fenced by its coordinator.
pub const PRODUCER_ERR_FENCED_MEMBER_EPOCH: producer_status_t = 110;
/// Another member still holds this group.instance.id.
pub const PRODUCER_ERR_UNRELEASED_INSTANCE_ID: producer_status_t = 111;
/// The group's assignor is not supported.
pub const PRODUCER_ERR_UNSUPPORTED_ASSIGNOR: producer_status_t = 112;
/// The group member's epoch is outdated.
pub const PRODUCER_ERR_STALE_MEMBER_EPOCH: producer_status_t = 113;
/// The request was sent to the wrong kind of endpoint.
pub const PRODUCER_ERR_MISMATCHED_ENDPOINT_TYPE: producer_status_t = 114;
/// The broker does not support this kind of endpoint.
pub const PRODUCER_ERR_UNSUPPORTED_ENDPOINT_TYPE: producer_status_t = 115;
/// The controller's id is not known.
pub const PRODUCER_ERR_UNKNOWN_CONTROLLER_ID: producer_status_t = 116;
/// The client's telemetry subscription is outdated.
pub const PRODUCER_ERR_UNKNOWN_SUBSCRIPTION_ID: producer_status_t = 117;
/// The client's telemetry is larger than the broker accepts.
pub const PRODUCER_ERR_TELEMETRY_TOO_LARGE: producer_status_t = 118;
/// The controller finds the broker's registration not valid.
pub const PRODUCER_ERR_INVALID_REGISTRATION: producer_status_t = 119;
/// The transaction cannot be completed; abort it and go on.
pub const PRODUCER_ERR_TRANSACTION_ABORTABLE: producer_status_t = 120;
/// The record's acknowledgement does not fit its state.
pub const PRODUCER_ERR_INVALID_RECORD_STATE: producer_status_t = 121;
/// The broker does not know the share session.
pub const PRODUCER_ERR_SHARE_SESSION_NOT_FOUND: producer_status_t = 122;
/// The epoch of the share session is not the expected one.
pub const PRODUCER_ERR_INVALID_SHARE_SESSION_EPOCH: producer_status_t = 123;
/// The epoch of the share group's state is outdated.
pub const PRODUCER_ERR_FENCED_STATE_EPOCH: producer_status_t = 124;
/// The voter's key is not the replica's.
pub const PRODUCER_ERR_INVALID_VOTER_KEY: producer_status_t = 125;
/// The voter is in the quorum already.
pub const PRODUCER_ERR_DUPLICATE_VOTER: producer_status_t = 126;
/// The voter is not in the quorum.
pub const PRODUCER_ERR_VOTER_NOT_FOUND: producer_status_t = 127;
/// The regular expression is not valid.
pub const PRODUCER_ERR_INVALID_REGULAR_EXPRESSION: producer_status_t = 128;
/// The client's metadata is stale; it has to start again from bootstrap.servers.
pub const PRODUCER_ERR_REBOOTSTRAP_REQUIRED: producer_status_t = 129;
/// The streams topology is not valid.
pub const PRODUCER_ERR_STREAMS_INVALID_TOPOLOGY: producer_status_t = 130;
/// The epoch of the streams topology is not valid.
pub const PRODUCER_ERR_STREAMS_INVALID_TOPOLOGY_EPOCH: producer_status_t = 131;
/// The epoch of the streams topology is outdated.
pub const PRODUCER_ERR_STREAMS_TOPOLOGY_FENCED: producer_status_t = 132;
/// The broker has no room for another share session.
pub const PRODUCER_ERR_SHARE_SESSION_LIMIT_REACHED: producer_status_t = 133;

/// Names a status.
///
/// `status`: any number.
/// Returns the constant's name without its prefix, such as `NOT_LEADER_OR_FOLLOWER`, `OK` for success, and
/// `UNKNOWN_STATUS` for a number this version does not know; never NULL. The text is static: do not free it.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub extern "C" fn producer_status_name(status: producer_status_t) -> *const c_char {
    Status(status).name_c().as_ptr()
}

/// Explains a status in one English sentence; `producer_last_error` says more about the call that failed.
///
/// `status`: any number.
/// Returns the sentence; never NULL. The text is static: do not free it.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub extern "C" fn producer_status_text(status: producer_status_t) -> *const c_char {
    Status(status).text_c().as_ptr()
}

/// Tells whether the same call may succeed later.
///
/// `status`: any number.
/// Returns true for Kafka's retriable codes and for the library's `TIMED_OUT`, `QUEUE_FULL`, `REPORTS_NOT_TAKEN` and
/// `NO_RESOURCES`. At most one of retriable, abortable and fatal is true.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub extern "C" fn producer_status_is_retriable(status: producer_status_t) -> bool {
    Status(status).is_retriable()
}

/// Tells whether, inside a transaction, the transaction has to be aborted, after which the producer can go on.
///
/// `status`: any number.
/// Returns true for the failures that cost a transaction; without one they cost only the record concerned.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub extern "C" fn producer_status_is_abortable(status: producer_status_t) -> bool {
    Status(status).is_abortable()
}

/// Tells whether the producer cannot go on: close it and make a new one.
///
/// `status`: any number.
/// Returns true for such failures, among them `PRODUCER_FENCED`, `FENCED`, `FATAL`, `CLOSED`, `FORKED` and `INTERNAL`.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub extern "C" fn producer_status_is_fatal(status: producer_status_t) -> bool {
    Status(status).is_fatal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::STATUS_TABLE;
    use std::collections::BTreeMap;
    use std::ffi::CStr;

    #[test]
    fn constants_and_their_docs_equal_the_table() {
        let source = include_str!("status.rs");
        let mut constants = BTreeMap::new();
        let mut doc = "";
        for line in source.lines() {
            if let Some(text) = line.strip_prefix("/// ") {
                doc = text;
            } else if let Some(rest) = line.strip_prefix("pub const PRODUCER_") {
                let (name, value) = rest.split_once(": producer_status_t = ").expect("a typed constant");
                let value: i32 = value.trim_end_matches(';').parse().expect("a plain number");
                let name = name.strip_prefix("ERR_").unwrap_or(name);
                assert!(constants.insert(value, (name, doc)).is_none(), "{value} twice");
            }
        }
        let table: BTreeMap<_, _> =
            STATUS_TABLE.iter().map(|row| (row.status.0, (row.status.name(), row.status.text()))).collect();
        assert_eq!(constants, table);
    }

    #[test]
    fn names_and_texts_are_c_strings_for_any_number() {
        for code in [0, 6, 120, -1, -103, -50, 5000, i32::MIN] {
            // SAFETY: both functions return static NUL-ended strings.
            let (name, text) =
                unsafe { (CStr::from_ptr(producer_status_name(code)), CStr::from_ptr(producer_status_text(code))) };
            assert_eq!(name.to_str().ok(), Some(Status(code).name()));
            assert_eq!(text.to_str().ok(), Some(Status(code).text()));
        }
        assert!(producer_status_is_retriable(PRODUCER_ERR_QUEUE_FULL));
        assert!(producer_status_is_abortable(PRODUCER_ERR_TRANSACTION_ABORTABLE));
        assert!(producer_status_is_fatal(PRODUCER_ERR_PRODUCER_FENCED));
        assert!(!producer_status_is_fatal(PRODUCER_OK));
    }
}
