//! Every status the library can answer: Kafka's own codes under Kafka's numbers and names, ours from -100 down.

#[cfg(test)]
mod docs;

use std::ffi::CStr;
use std::fmt;

/// A status number as it crosses the C boundary. 0 is OK, positive (and -1) are Kafka's, from -100 down are ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub i32);

/// What a status asks of the application. A status has exactly one class, so the three questions of the C interface
/// (`is_retriable`, `is_abortable`, `is_fatal`) never have two answers.
///
/// Kafka's retriable codes are those of Kafka's own table. Of the others, transactions decide: `Abortable` is what costs
/// a transaction (one of its records failed, or its coordinator says so), `Fatal` is what costs the producer. Of ours,
/// what passes with time or with a call to poll is `Retriable`; a record's final failure is `Abortable`, because
/// without a transaction it has no meaning for the producer as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Success.
    Ok,
    /// The same call may succeed later.
    Retriable,
    /// Inside a transaction: abort it and go on with the next.
    Abortable,
    /// This producer cannot go on; make a new one.
    Fatal,
    /// The call failed, and calling it again the same way does not help.
    Plain,
}

/// One row of the status table.
pub struct StatusRow {
    /// The status.
    pub status: Status,
    /// Its name without the C prefix.
    pub name: &'static CStr,
    /// What it asks of the application.
    pub class: Class,
    /// One English sentence.
    pub text: &'static CStr,
}

/// Turns a literal with its closing NUL into a C string while compiling.
const fn c_str(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("a text of the status table holds a NUL"),
    }
}

macro_rules! statuses {
    ($($code:literal $name:ident $class:ident $text:literal,)*) => {
        impl Status {
            $(#[doc = $text] pub const $name: Status = Status($code);)*
        }

        /// Every known status, ascending.
        pub static STATUS_TABLE: &[StatusRow] = &[$(StatusRow {
            status: Status($code),
            name: c_str(concat!(stringify!($name), "\0")),
            class: Class::$class,
            text: c_str(concat!($text, "\0")),
        },)*];
    };
}

// The table, ascending by number: the lookup is a binary search.
statuses! {
    // Ours.
    -151 CREDENTIALS Plain "Credentials, a token or a library that authentication needs could not be had; the sentence says why.",
    -150 TLS_FAILED Plain "TLS with the broker failed; the sentence says why.",
    -140 SERIALIZATION Plain "A serializer of the application failed.",
    -131 BATCH_REFUSED Abortable "The broker refused another record of the batch, and the batch with it.",
    -130 BATCH_FULL Plain "The record does not fit into the batch any more; send the batch and begin another.",
    -129 CANCELLED Plain "The record was cancelled before it was sent.",
    -128 TOO_LATE Plain "The record is on its way or finished; its report says what became of it.",
    -126 EARLIER_FAILED Abortable "An earlier record of the partition failed, and on.failure=stop-partition fails what is behind it.",
    -125 TRANSACTION_ABORTED Abortable "The record's transaction was aborted before the record was sent.",
    -124 FATAL Fatal "The producer met an error after which it cannot go on.",
    -123 NOT_TRANSACTIONAL Plain "The producer has no transactional.id, and makes no transactions.",
    -122 STATE Plain "The call does not fit the state of the transaction.",
    -121 NO_RESOURCES Retriable "The operating system refused a thread, a socket or memory.",
    -120 IO Plain "A file could not be read.",
    -119 NOT_FOUND Plain "The file or thing named does not exist.",
    -118 UNSUPPORTED_BROKER Plain "The broker is too old, too new, or not a Kafka broker.",
    -117 DISCONNECTED Abortable "The connection broke while the record was in flight, and no retry was allowed.",
    -116 DELIVERY_TIMED_OUT Abortable "The record was not acknowledged within delivery.timeout.ms or its own deadline.",
    -115 UNKNOWN_PARTITION Abortable "The topic has no partition of this number.",
    -114 RECORD_TOO_LARGE Abortable "The record is larger than max.request.size.",
    -113 PROPERTY_NOT_SUPPORTED Plain "The property or its value is known, but this version of the library does not implement it.",
    -112 CONFIG_CONFLICT Plain "Properties contradict each other, or a required one is missing.",
    -111 INVALID_PROPERTY Plain "The property does not accept this value.",
    -110 UNKNOWN_PROPERTY Plain "There is no property of this name.",
    -109 FENCED Fatal "A newer producer has taken this one's place.",
    -108 FORKED Fatal "The producer belongs to the parent process; make a new one after fork.",
    -107 IN_CALLBACK Plain "This function may not be called from a callback.",
    -106 PURGED Abortable "The record was purged before it was acknowledged.",
    -105 CLOSED Fatal "The producer is closed.",
    -104 REPORTS_NOT_TAKEN Retriable "Too many finished reports wait to be taken; call poll.",
    -103 QUEUE_FULL Retriable "buffer.memory, or the record's share of it, stayed full for max.block.ms; what is in it waits for brokers.",
    -102 TIMED_OUT Retriable "The call's own timeout passed.",
    -101 INVALID_ARGUMENT Plain "An argument is not valid.",
    -100 INTERNAL Fatal "The library met a bug of its own; close the producer, make a new one and report it.",
    // Kafka's.
    -1 UNKNOWN_SERVER_ERROR Plain "The broker met an error that it has no code for.",
    0 OK Ok "Success.",
    1 OFFSET_OUT_OF_RANGE Plain "The offset lies outside the partition's log.",
    2 CORRUPT_MESSAGE Retriable "The broker found the batch damaged: wrong checksum, wrong size, or a record without a key for a compacted topic.",
    3 UNKNOWN_TOPIC_OR_PARTITION Retriable "The broker does not know the topic or partition.",
    4 INVALID_FETCH_SIZE Plain "The fetch size is not valid.",
    5 LEADER_NOT_AVAILABLE Retriable "The partition has no leader at the moment; one is being elected.",
    6 NOT_LEADER_OR_FOLLOWER Retriable "The broker is no longer the leader of the partition.",
    7 REQUEST_TIMED_OUT Retriable "The broker did not finish the request within its time limit.",
    8 BROKER_NOT_AVAILABLE Plain "The broker is not available.",
    9 REPLICA_NOT_AVAILABLE Retriable "The replica is not available on this broker.",
    10 MESSAGE_TOO_LARGE Abortable "The batch is larger than the broker's message.max.bytes or the topic's max.message.bytes allows.",
    11 STALE_CONTROLLER_EPOCH Plain "The controller has moved to another broker.",
    12 OFFSET_METADATA_TOO_LARGE Plain "The metadata text of a committed offset is too long.",
    13 NETWORK_EXCEPTION Retriable "The connection broke before the answer came.",
    14 COORDINATOR_LOAD_IN_PROGRESS Retriable "The coordinator is still loading its state.",
    15 COORDINATOR_NOT_AVAILABLE Retriable "The coordinator is not available.",
    16 NOT_COORDINATOR Retriable "The broker is not the coordinator any more.",
    17 INVALID_TOPIC_EXCEPTION Abortable "The topic's name is illegal, or the topic may not be written to.",
    18 RECORD_LIST_TOO_LARGE Abortable "The batch is larger than a segment of the topic's log.",
    19 NOT_ENOUGH_REPLICAS Retriable "Fewer replicas are in sync than min.insync.replicas asks for; nothing was written.",
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND Retriable "The batch was written, but fewer replicas are in sync than min.insync.replicas asks for.",
    21 INVALID_REQUIRED_ACKS Abortable "The broker does not accept this value of acks.",
    22 ILLEGAL_GENERATION Abortable "The consumer group has moved on to another generation.",
    23 INCONSISTENT_GROUP_PROTOCOL Plain "The member's protocol does not fit the group's.",
    24 INVALID_GROUP_ID Plain "The group id is not valid.",
    25 UNKNOWN_MEMBER_ID Abortable "The coordinator does not know this member of the group.",
    26 INVALID_SESSION_TIMEOUT Plain "The session timeout is outside what the broker allows.",
    27 REBALANCE_IN_PROGRESS Plain "The group is rebalancing.",
    28 INVALID_COMMIT_OFFSET_SIZE Plain "The committed offsets take too much room.",
    29 TOPIC_AUTHORIZATION_FAILED Abortable "This client may not write to the topic; grant it WRITE.",
    30 GROUP_AUTHORIZATION_FAILED Abortable "This client may not use the consumer group; grant it READ.",
    31 CLUSTER_AUTHORIZATION_FAILED Fatal "This client may not do this on the cluster; grant it the right it lacks.",
    32 INVALID_TIMESTAMP Abortable "A record's timestamp is further from the broker's time than the topic allows.",
    33 UNSUPPORTED_SASL_MECHANISM Plain "The broker does not offer this SASL mechanism.",
    34 ILLEGAL_SASL_STATE Plain "The request does not fit the state of the SASL exchange.",
    35 UNSUPPORTED_VERSION Fatal "The broker does not support this version of the request.",
    36 TOPIC_ALREADY_EXISTS Plain "A topic of this name exists already.",
    37 INVALID_PARTITIONS Plain "The number of partitions is not valid.",
    38 INVALID_REPLICATION_FACTOR Plain "The replication factor is below 1 or above the number of brokers.",
    39 INVALID_REPLICA_ASSIGNMENT Plain "The assignment of replicas is not valid.",
    40 INVALID_CONFIG Plain "The broker refuses a configuration value.",
    41 NOT_CONTROLLER Retriable "The broker is not the controller.",
    42 INVALID_REQUEST Abortable "The broker finds the request malformed or contradictory.",
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT Abortable "The topic's message format on the broker is too old for this request.",
    44 POLICY_VIOLATION Abortable "A policy of the broker forbids the request.",
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Abortable "The batch's sequence number does not follow the last one the broker has.",
    46 DUPLICATE_SEQUENCE_NUMBER Abortable "The broker has a batch of this sequence number already.",
    47 INVALID_PRODUCER_EPOCH Abortable "The producer's epoch is older than one the broker has seen.",
    48 INVALID_TXN_STATE Abortable "The request does not fit the state of the transaction.",
    49 INVALID_PRODUCER_ID_MAPPING Fatal "The producer id does not belong to this transactional.id.",
    50 INVALID_TRANSACTION_TIMEOUT Fatal "The broker allows no transaction.timeout.ms above its transaction.max.timeout.ms: lower the one or raise the other.",
    51 CONCURRENT_TRANSACTIONS Retriable "An earlier transaction of this transactional.id is still being completed.",
    52 TRANSACTION_COORDINATOR_FENCED Plain "The transaction coordinator was replaced by a newer one.",
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED Fatal "This client may not use the transactional.id; grant it WRITE and DESCRIBE.",
    54 SECURITY_DISABLED Plain "Security features are turned off on the broker.",
    55 OPERATION_NOT_ATTEMPTED Abortable "The broker did not try this, because another part of the request failed.",
    56 KAFKA_STORAGE_ERROR Retriable "The broker could not use its disk.",
    57 LOG_DIR_NOT_FOUND Plain "The broker has no such log directory.",
    58 SASL_AUTHENTICATION_FAILED Plain "The broker refused the credentials.",
    59 UNKNOWN_PRODUCER_ID Abortable "The broker has no state for this producer id any more.",
    60 REASSIGNMENT_IN_PROGRESS Plain "The partitions are being reassigned.",
    61 DELEGATION_TOKEN_AUTH_DISABLED Plain "Delegation tokens are turned off on the broker.",
    62 DELEGATION_TOKEN_NOT_FOUND Plain "The broker does not know the delegation token.",
    63 DELEGATION_TOKEN_OWNER_MISMATCH Plain "The delegation token belongs to somebody else.",
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED Plain "Delegation tokens may not be asked for over this connection.",
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED Plain "This client may not use the delegation token.",
    66 DELEGATION_TOKEN_EXPIRED Plain "The delegation token has expired.",
    67 INVALID_PRINCIPAL_TYPE Plain "The broker does not support this type of principal.",
    68 NON_EMPTY_GROUP Plain "The group still has members.",
    69 GROUP_ID_NOT_FOUND Plain "There is no such group.",
    70 FETCH_SESSION_ID_NOT_FOUND Retriable "The broker does not know the fetch session.",
    71 INVALID_FETCH_SESSION_EPOCH Retriable "The epoch of the fetch session is not the expected one.",
    72 LISTENER_NOT_FOUND Retriable "The partition's leader has no listener of the name this client is connected to.",
    73 TOPIC_DELETION_DISABLED Plain "The broker does not allow topics to be deleted.",
    74 FENCED_LEADER_EPOCH Retriable "The leader epoch in the request is older than the broker's.",
    75 UNKNOWN_LEADER_EPOCH Retriable "The leader epoch in the request is newer than the broker's.",
    76 UNSUPPORTED_COMPRESSION_TYPE Abortable "The broker does not support the compression of the batch.",
    77 STALE_BROKER_EPOCH Plain "The broker's registration is outdated.",
    78 OFFSET_NOT_AVAILABLE Retriable "The new leader does not know its high watermark yet.",
    79 MEMBER_ID_REQUIRED Plain "The group member has to join again with the id it was given.",
    80 PREFERRED_LEADER_NOT_AVAILABLE Retriable "The preferred leader is not available.",
    81 GROUP_MAX_SIZE_REACHED Plain "The group is full.",
    82 FENCED_INSTANCE_ID Abortable "Another member has taken over this group.instance.id.",
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE Retriable "No replica that may become leader is available.",
    84 ELECTION_NOT_NEEDED Retriable "The partition needs no election of a leader.",
    85 NO_REASSIGNMENT_IN_PROGRESS Plain "No reassignment of the partition is under way.",
    86 GROUP_SUBSCRIBED_TO_TOPIC Plain "The group is still subscribed to the topic.",
    87 INVALID_RECORD Abortable "The broker refuses a record of the batch.",
    88 UNSTABLE_OFFSET_COMMIT Retriable "A transaction that commits offsets is still open.",
    89 THROTTLING_QUOTA_EXCEEDED Retriable "The quota is used up for the moment.",
    90 PRODUCER_FENCED Fatal "A newer producer uses the same transactional.id; only one of them may live.",
    91 RESOURCE_NOT_FOUND Plain "The broker does not know the resource.",
    92 DUPLICATE_RESOURCE Plain "The resource exists already or is named twice.",
    93 UNACCEPTABLE_CREDENTIAL Plain "The credential does not meet the broker's requirements.",
    94 INCONSISTENT_VOTER_SET Plain "The voters of the quorum are not the expected ones.",
    95 INVALID_UPDATE_VERSION Plain "The version of the feature update is not valid.",
    96 FEATURE_UPDATE_FAILED Plain "The finalized features could not be updated.",
    97 PRINCIPAL_DESERIALIZATION_FAILURE Plain "A forwarded request carries a principal that cannot be read.",
    98 SNAPSHOT_NOT_FOUND Plain "There is no such snapshot.",
    99 POSITION_OUT_OF_RANGE Plain "The position lies outside the snapshot.",
    100 UNKNOWN_TOPIC_ID Retriable "The broker does not know the topic's id.",
    101 DUPLICATE_BROKER_REGISTRATION Plain "A broker of this id is registered already.",
    102 BROKER_ID_NOT_REGISTERED Plain "No broker of this id is registered.",
    103 INCONSISTENT_TOPIC_ID Retriable "The topic was deleted and created anew: its id has changed.",
    104 INCONSISTENT_CLUSTER_ID Plain "The broker belongs to another cluster.",
    105 TRANSACTIONAL_ID_NOT_FOUND Plain "The coordinator does not know the transactional.id.",
    106 FETCH_SESSION_TOPIC_ID_ERROR Retriable "The fetch session mixes topics with and without ids.",
    107 INELIGIBLE_REPLICA Plain "The replica may not join the in-sync replicas.",
    108 NEW_LEADER_ELECTED Plain "The change of the in-sync replicas has made another broker the leader.",
    109 OFFSET_MOVED_TO_TIERED_STORAGE Plain "The offset has moved to tiered storage.",
    110 FENCED_MEMBER_EPOCH Plain "The group member was fenced by its coordinator.",
    111 UNRELEASED_INSTANCE_ID Plain "Another member still holds this group.instance.id.",
    112 UNSUPPORTED_ASSIGNOR Plain "The group's assignor is not supported.",
    113 STALE_MEMBER_EPOCH Plain "The group member's epoch is outdated.",
    114 MISMATCHED_ENDPOINT_TYPE Plain "The request was sent to the wrong kind of endpoint.",
    115 UNSUPPORTED_ENDPOINT_TYPE Plain "The broker does not support this kind of endpoint.",
    116 UNKNOWN_CONTROLLER_ID Plain "The controller's id is not known.",
    117 UNKNOWN_SUBSCRIPTION_ID Plain "The client's telemetry subscription is outdated.",
    118 TELEMETRY_TOO_LARGE Plain "The client's telemetry is larger than the broker accepts.",
    119 INVALID_REGISTRATION Plain "The controller finds the broker's registration not valid.",
    120 TRANSACTION_ABORTABLE Abortable "The transaction cannot be completed; abort it and go on.",
    121 INVALID_RECORD_STATE Plain "The record's acknowledgement does not fit its state.",
    122 SHARE_SESSION_NOT_FOUND Retriable "The broker does not know the share session.",
    123 INVALID_SHARE_SESSION_EPOCH Retriable "The epoch of the share session is not the expected one.",
    124 FENCED_STATE_EPOCH Plain "The epoch of the share group's state is outdated.",
    125 INVALID_VOTER_KEY Plain "The voter's key is not the replica's.",
    126 DUPLICATE_VOTER Plain "The voter is in the quorum already.",
    127 VOTER_NOT_FOUND Plain "The voter is not in the quorum.",
    128 INVALID_REGULAR_EXPRESSION Plain "The regular expression is not valid.",
    129 REBOOTSTRAP_REQUIRED Plain "The client's metadata is stale; it has to start again from bootstrap.servers.",
    130 STREAMS_INVALID_TOPOLOGY Plain "The streams topology is not valid.",
    131 STREAMS_INVALID_TOPOLOGY_EPOCH Plain "The epoch of the streams topology is not valid.",
    132 STREAMS_TOPOLOGY_FENCED Plain "The epoch of the streams topology is outdated.",
    133 SHARE_SESSION_LIMIT_REACHED Retriable "The broker has no room for another share session.",
}

impl Status {
    /// The status of this name, as `name` writes it.
    pub fn of_name(name: &str) -> Option<Status> {
        STATUS_TABLE.iter().find(|row| row.name.to_bytes() == name.as_bytes()).map(|row| row.status)
    }

    /// The number that crosses the C boundary.
    pub const fn code(self) -> i32 {
        self.0
    }

    /// The status's row, or nothing for a number this version does not know.
    pub fn row(self) -> Option<&'static StatusRow> {
        let index = STATUS_TABLE.binary_search_by_key(&self, |row| row.status).ok()?;
        STATUS_TABLE.get(index)
    }

    /// The name without the C prefix, as a C string; `UNKNOWN_STATUS` for a number this version does not know.
    pub fn name_c(self) -> &'static CStr {
        self.row().map_or(c"UNKNOWN_STATUS", |row| row.name)
    }

    /// One English sentence, as a C string.
    pub fn text_c(self) -> &'static CStr {
        self.row().map_or(c"This version of the library does not know this status.", |row| row.text)
    }

    /// The name without the C prefix; `UNKNOWN_STATUS` for a number this version does not know.
    pub fn name(self) -> &'static str {
        self.name_c().to_str().unwrap_or_default()
    }

    /// One English sentence.
    pub fn text(self) -> &'static str {
        self.text_c().to_str().unwrap_or_default()
    }

    /// What the status asks of the application. An unknown number is `Plain`.
    pub fn class(self) -> Class {
        self.row().map_or(Class::Plain, |row| row.class)
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(self) -> bool {
        self.class() == Class::Retriable
    }

    /// Whether it costs the transaction: abort and go on.
    pub fn is_abortable(self) -> bool {
        self.class() == Class::Abortable
    }

    /// Whether it costs the producer: make a new one.
    pub fn is_fatal(self) -> bool {
        self.class() == Class::Fatal
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({} {})", self.0, self.name())
    }
}

/// A status with the sentence that names the property, topic or broker concerned and the remedy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What the caller gets.
    pub status: Status,
    /// What the caller may read with `producer_last_error`.
    pub message: String,
    /// Of `QUEUE_FULL`: only the share of one broker or partition is used up, others find room.
    pub is_of_share: bool,
}

impl Error {
    /// An error of this status with this sentence.
    pub fn new(status: Status, message: impl Into<String>) -> Error {
        Error { status, message: message.into(), is_of_share: false }
    }
}

/// What fallible functions of the library return.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::error::ResponseError;

    #[test]
    fn table_is_ascending_and_every_constant_is_found_again() {
        assert!(STATUS_TABLE.windows(2).all(|pair| pair[0].status < pair[1].status));
        for row in STATUS_TABLE {
            assert_eq!(row.status.row().map(|found| found.name), Some(row.name));
            let text = row.status.text();
            assert!(text.ends_with('.') && text.len() < 150 && !text.contains('\n'), "{text}");
        }
        assert!(STATUS_TABLE.iter().all(|row| Status::of_name(row.status.name()) == Some(row.status)));
        assert_eq!(Status::of_name("NO_SUCH_STATUS"), None);
        let names: std::collections::BTreeSet<_> = STATUS_TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), STATUS_TABLE.len(), "names are unique");
    }

    #[test]
    fn every_code_from_minus_one_to_133_has_kafkas_name_and_retriability() {
        for code in -1..=133i16 {
            let status = Status(i32::from(code));
            let row = status.row().unwrap_or_else(|| panic!("no row for {code}"));
            if code == 0 {
                continue;
            }
            let Some(theirs) = ResponseError::try_from_code(code) else { panic!("no error {code}") };
            let flat = row.name.to_str().unwrap().replace('_', "").to_lowercase();
            assert_eq!(flat, format!("{theirs:?}").to_lowercase(), "{code}");
            // The crate's table predates Kafka 4.0, where waiting for the earlier transaction became retriable.
            let retriable = theirs.is_retriable() || status == Status::CONCURRENT_TRANSACTIONS;
            assert_eq!(status.is_retriable(), retriable, "{code}");
        }
    }

    #[test]
    fn a_status_answers_at_most_one_of_the_three_questions() {
        for code in -200..=200 {
            let s = Status(code);
            let yes = [s.is_retriable(), s.is_abortable(), s.is_fatal()].iter().filter(|yes| **yes).count();
            assert!(yes <= 1, "{s:?}");
        }
        assert_eq!(Status::OK.class(), Class::Ok);
        assert!(Status::QUEUE_FULL.is_retriable() && Status::TIMED_OUT.is_retriable());
        assert!(Status::TRANSACTION_ABORTABLE.is_abortable());
        assert!(Status::PRODUCER_FENCED.is_fatal() && Status::FENCED.is_fatal() && Status::FORKED.is_fatal());
    }

    #[test]
    fn unknown_numbers_are_named_so() {
        for code in [134, 9999, -2, -99, -127, i32::MIN, i32::MAX] {
            assert_eq!(Status(code).name(), "UNKNOWN_STATUS");
            assert!(!Status(code).text().is_empty());
            assert_eq!(Status(code).class(), Class::Plain);
        }
    }
}
