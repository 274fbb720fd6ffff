//! The configuration: one table of properties (table.rs) drives the parser, the C interface's `producer_property_*` and
//! docs/CONFIGURATION.md. `Config` is what the rest of the library reads: parsed once, values that cannot be wrong.

mod builder;
mod compression;
#[cfg(test)]
mod docs;
mod file;
#[cfg(test)]
mod file_tests;
mod jaas;
#[cfg(test)]
mod librdkafka_tests;
mod notices;
mod rows;
mod sasl;
#[cfg(test)]
mod sasl_tests;
mod secure;
mod security;
pub mod table;
#[cfg(test)]
mod tests;
mod topic;
mod value;

use crate::codec::Compression;

pub use builder::ConfigBuilder;
pub use compression::CompressionLevels;
pub use jaas::Jaas;
pub use notices::notices;
pub use sasl::warnings;
pub use secure::{
    AssertionSettings, AwsRoleSettings, KerberosSettings, OauthSettings, RefreshSettings, SaslMechanism, SaslSettings,
    SecurityProtocol, StoreType, TlsSettings, TlsVersion, TokenSource,
};
pub use topic::TOPIC_PROPERTIES;

/// How a partition is chosen for a record that names none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Partitioner {
    /// Keys by murmur2 as in Java; records without a key stick to one partition until `batch.size` bytes went there,
    /// and the next one is drawn by the lengths of queues.
    #[default]
    Murmur2,
    /// Keys by murmur2; the others stick to one partition after the other, whatever the queues.
    Murmur2Random,
    /// CRC-32 of the key, of an empty one without: librdkafka's `consistent`.
    Consistent,
    /// CRC-32 of the key; records with an empty key or none stick to one partition after the other.
    ConsistentRandom,
    /// FNV-1a of the key, of an empty one without.
    Fnv1a,
    /// FNV-1a of the key; records without one stick to one partition after the other.
    Fnv1aRandom,
    /// Every record anywhere.
    Random,
    /// Every record to the next partition.
    RoundRobin,
    /// Keys by murmur2; the others stick to one partition after the other, all equally likely.
    Sticky,
    /// Keys by murmur2; the others stick to one partition after the other, drawn by the lengths of queues.
    Adaptive,
    /// Keys by murmur2; the others go to the partitions of one broker, which changes with time.
    SingleBroker,
}

/// Which thread runs delivery callbacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DeliveryDispatch {
    /// The thread that calls poll, flush or close.
    #[default]
    Poll,
    /// One of the library's own.
    Thread,
}

/// Which addresses of a broker's name are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddressFamily {
    /// IPv4 and IPv6, in the resolver's order.
    #[default]
    Any,
    /// Only IPv4.
    V4,
    /// Only IPv6.
    V6,
}

/// How the names in `bootstrap.servers` are resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientDnsLookup {
    /// Every address of a name is tried in turn.
    #[default]
    UseAllDnsIps,
}

/// What a broker's OUT_OF_ORDER_SEQUENCE_NUMBER for the oldest undecided batch of a partition costs: the broker has
/// lost what it acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnSequenceGap {
    /// The data-loss callback is told, the partition goes on under a new producer epoch.
    #[default]
    Bump,
    /// The producer fails for good.
    Fatal,
}

/// What becomes of a batch whose delivery time is over while it may be in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnInDoubtTimeout {
    /// It is reported as failed, with `persisted` MAYBE.
    #[default]
    Report,
    /// It is sent again until a broker decides: its report may come later than its delivery timeout.
    Hold,
}

/// What a failed batch means for the records behind it in its partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnFailure {
    /// They go on: the failed records are missing from the partition's order.
    #[default]
    Gap,
    /// Everything accepted for the partition so far fails with it.
    StopPartition,
}

/// The parsed configuration. A field is named after its property, with underscores; durations never exceed
/// [`MS_FOREVER`], so that microsecond arithmetic on them cannot overflow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Host and port of each broker to start from. Empty only when `test_mock_num_brokers` is positive.
    pub bootstrap_servers: Vec<(String, u16)>,
    /// The client's name in requests, quotas and logs. Empty: the producer chooses `kproducer-N`.
    pub client_id: String,
    /// Most bytes of one partition's batch; a single larger record makes a batch of its own.
    pub batch_size: usize,
    /// Most records of one batch; 0 for no bound.
    pub batch_num_messages: u32,
    /// `linger.ms` in microseconds: how long a batch that is not full waits for more records.
    pub linger_us: u64,
    /// Bound on all bytes of records not yet finished.
    pub buffer_memory: usize,
    /// How long a send may wait for room in `buffer_memory`; 0 never waits.
    pub max_block_ms: u64,
    /// Largest record accepted, uncompressed, with its overhead.
    pub max_request_size: usize,
    /// -1 (all in-sync replicas), 0 (no answer) or 1 (the leader).
    pub acks: i16,
    /// How many times a failed batch is sent again.
    pub retries: u32,
    /// From send to the record's outcome.
    pub delivery_timeout_ms: u64,
    /// How long an answer to a request is awaited before the connection is given up.
    pub request_timeout_ms: u64,
    /// First delay before a batch or a metadata request is sent again.
    pub retry_backoff_ms: u64,
    /// Cap of the growing retry delay; never below `retry_backoff_ms`.
    pub retry_backoff_max_ms: u64,
    /// Unanswered requests per broker connection.
    pub max_in_flight_requests_per_connection: usize,
    /// Batches carry a producer id and sequence numbers, so that brokers recognise a repetition.
    pub enable_idempotence: bool,
    /// The name under which transactions are made; `None`: no transactions.
    pub transactional_id: Option<String>,
    /// When the coordinator aborts an open transaction by itself.
    pub transaction_timeout_ms: u64,
    /// Transactions never expire, and can be prepared (KIP-939).
    pub two_phase_commit: bool,
    /// What a sequence gap that a broker sees at the head of a partition costs.
    pub on_sequence_gap: OnSequenceGap,
    /// What becomes of a batch whose delivery time is over while it may be in the log.
    pub on_in_doubt_timeout: OnInDoubtTimeout,
    /// What a failed batch means for the records behind it in its partition.
    pub on_failure: OnFailure,
    /// `test.first.sequence`: the sequence number that every partition begins with. Only for tests of the wrap-around.
    pub test_first_sequence: u32,
    /// How connections are protected.
    pub security_protocol: SecurityProtocol,
    /// Everything under `ssl.`.
    pub tls: TlsSettings,
    /// Everything under `sasl.`.
    pub sasl: SaslSettings,
    /// `compression.type` with its level.
    pub compression: Compression,
    /// The levels that were set; `compression` has what they come to.
    pub compression_levels: CompressionLevels,
    /// Threads that compress batches; 0 compresses on the I/O thread.
    pub compression_threads: usize,
    /// How a partition is chosen for a record that names none.
    pub partitioner: Partitioner,
    /// `murmur2` draws the next partition by the lengths of queues.
    pub partitioner_adaptive_partitioning_enable: bool,
    /// Brokers that take nothing for this long are avoided; 0 is never.
    pub partitioner_availability_timeout_ms: u64,
    /// Partitions are chosen as if records had no key.
    pub partitioner_ignore_keys: bool,
    /// Leaders in `client_rack` are preferred.
    pub partitioner_rack_aware: bool,
    /// How long `single_broker` stays with a broker.
    pub partitioner_broker_rotation_ms: u64,
    /// Rack of this client; empty: unknown.
    pub client_rack: String,
    /// Age at which metadata is asked for again.
    pub metadata_max_age_ms: u64,
    /// Idle time after which a topic's metadata would be forgotten. Not acted on in this version.
    pub metadata_max_idle_ms: u64,
    /// `metadata.recovery.strategy=rebootstrap`: go back to `bootstrap_servers` when no known broker answers.
    pub metadata_recovery_rebootstrap: bool,
    /// Brokers are told whom a connection is meant for, where they check it (KIP-1242).
    pub metadata_cluster_check: bool,
    /// Time without successful metadata after which the client goes back to `bootstrap_servers`.
    pub metadata_recovery_rebootstrap_trigger_ms: u64,
    /// `topic.metadata.propagation.max.ms`: how long records wait for a topic that no broker knows.
    pub unknown_topic_grace_ms: u64,
    /// Whether asking for a topic's metadata may create the topic.
    pub allow_auto_create_topics: bool,
    /// How the names in `bootstrap_servers` are resolved.
    pub client_dns_lookup: ClientDnsLookup,
    /// Which addresses of a broker's name are used.
    pub broker_address_family: AddressFamily,
    /// Idle time after which a connection is closed; `None` is never (property value 0 or -1).
    pub connections_max_idle_ms: Option<u64>,
    /// First delay before a broker is connected to again.
    pub reconnect_backoff_ms: u64,
    /// Cap of the growing reconnect delay; never below `reconnect_backoff_ms`.
    pub reconnect_backoff_max_ms: u64,
    /// Bound on establishing one connection.
    pub socket_connection_setup_timeout_ms: u64,
    /// SO_SNDBUF; `None` leaves it to the operating system (property value -1).
    pub send_buffer_bytes: Option<usize>,
    /// SO_RCVBUF; `None` leaves it to the operating system (property value -1).
    pub receive_buffer_bytes: Option<usize>,
    /// SO_KEEPALIVE.
    pub socket_keepalive_enable: bool,
    /// TCP_NODELAY; always true.
    pub socket_nagle_disable: bool,
    /// TCP_USER_TIMEOUT; `None` leaves it to the operating system. Follows `request_timeout_ms` unless set.
    pub tcp_user_timeout_ms: Option<u64>,
    /// Largest response accepted from a broker.
    pub receive_message_max_bytes: usize,
    /// `delivery.reports.max.count`: finished reports not yet taken before sends are refused.
    pub reports_max_count: usize,
    /// Which thread runs delivery callbacks.
    pub delivery_dispatch: DeliveryDispatch,
    /// `delivery.report.only.error`: records that were delivered make no report.
    pub report_only_errors: bool,
    /// How often the stats callback is called; 0 is never.
    pub statistics_interval_ms: u64,
    /// Least important line that reaches the log callback: 0 (emergency) to 7 (debug).
    pub log_level: i32,
    /// Whether metrics are pushed to brokers that ask for them (KIP-714).
    pub enable_metrics_push: bool,
    /// Brokers of the embedded mock cluster to start and use; 0 is none.
    pub test_mock_num_brokers: i32,
    /// Delay the mock brokers add to each answer.
    pub test_mock_broker_rtt_ms: u64,
    /// Canonical names of the properties that were set, sorted; the others have their default.
    pub explicit: Vec<&'static str>,
}

/// 100 years. Longer durations (Java users write 9223372036854775807) are held as this.
pub const MS_FOREVER: u64 = 3_153_600_000_000;

impl Config {
    /// Whether brokers are told whom a connection is meant for: where they refuse it, the bootstrap servers have to
    /// help.
    pub fn checks_destination(&self) -> bool {
        self.metadata_cluster_check && self.metadata_recovery_rebootstrap
    }

    /// Whether the property of this canonical name was set rather than left at its default.
    pub fn is_explicit(&self, name: &str) -> bool {
        self.explicit.binary_search(&name).is_ok()
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            bootstrap_servers: Vec::new(),
            client_id: String::new(),
            batch_size: 1_000_000,
            batch_num_messages: 0,
            linger_us: 5_000,
            buffer_memory: 128 << 20,
            max_block_ms: 60_000,
            max_request_size: 1 << 20,
            acks: -1,
            retries: i32::MAX as u32,
            delivery_timeout_ms: 120_000,
            request_timeout_ms: 30_000,
            retry_backoff_ms: 100,
            retry_backoff_max_ms: 1_000,
            max_in_flight_requests_per_connection: 5,
            enable_idempotence: true,
            transactional_id: None,
            transaction_timeout_ms: 60_000,
            two_phase_commit: false,
            on_sequence_gap: OnSequenceGap::Bump,
            on_in_doubt_timeout: OnInDoubtTimeout::Report,
            on_failure: OnFailure::Gap,
            test_first_sequence: 0,
            security_protocol: SecurityProtocol::Plaintext,
            tls: TlsSettings::default(),
            sasl: SaslSettings::default(),
            compression: Compression::default(),
            compression_levels: CompressionLevels::default(),
            compression_threads: 1,
            partitioner: Partitioner::Murmur2,
            partitioner_adaptive_partitioning_enable: true,
            partitioner_availability_timeout_ms: 0,
            partitioner_ignore_keys: false,
            partitioner_rack_aware: false,
            partitioner_broker_rotation_ms: 30_000,
            client_rack: String::new(),
            metadata_max_age_ms: 300_000,
            metadata_max_idle_ms: 300_000,
            metadata_recovery_rebootstrap: true,
            metadata_cluster_check: true,
            metadata_recovery_rebootstrap_trigger_ms: 300_000,
            unknown_topic_grace_ms: 30_000,
            allow_auto_create_topics: true,
            client_dns_lookup: ClientDnsLookup::UseAllDnsIps,
            broker_address_family: AddressFamily::Any,
            connections_max_idle_ms: Some(180_000),
            reconnect_backoff_ms: 50,
            reconnect_backoff_max_ms: 1_000,
            socket_connection_setup_timeout_ms: 5_000,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            socket_keepalive_enable: true,
            socket_nagle_disable: true,
            tcp_user_timeout_ms: Some(30_000),
            receive_message_max_bytes: 100_000_000,
            reports_max_count: 1_000_000,
            delivery_dispatch: DeliveryDispatch::Poll,
            report_only_errors: false,
            statistics_interval_ms: 0,
            log_level: 6,
            enable_metrics_push: true,
            test_mock_num_brokers: 0,
            test_mock_broker_rtt_ms: 0,
            explicit: Vec::new(),
        }
    }
}
