//! The rows of the property table, but for security: every property of Java's producer (4.x) and of the producer side
//! of librdkafka (2.15). A row reads: name [aliases] kind, default, state, meaning.

use crate::codec::Codec;
use crate::config::table::Convert::{JavaPartitioner, Replace, Same, Times};
use crate::config::table::Kind::{Acks, Bool, Choice, FloatMs, Int, Level, Servers, Text, Words};
use crate::config::table::State::{Absent, Built, Harmless, NoEffect, Partly};
use crate::config::table::{Alias, Kind, Property};
use crate::config::{AddressFamily, MS_FOREVER, OnFailure, OnInDoubtTimeout, OnSequenceGap};

macro_rules! rows {
    ($($name:literal [$($alias:literal $convert:expr),*] $kind:expr, $default:literal, $state:expr, $doc:literal;)*) => {
        &[$(Property {
            name: $name,
            aliases: &[$(Alias { name: $alias, convert: $convert }),*],
            kind: $kind,
            default: $default,
            state: $state,
            doc: $doc,
        }),*]
    };
}
pub(super) use rows;

/// Largest value of Java's `int`.
pub(super) const INT: i64 = 2_147_483_647;
/// A duration that is `long` in Java: 0 to 9223372036854775807.
pub(super) const LONG_MS: Kind = Int(0, i64::MAX, "ms");
const ANY: usize = 32_767;
const NO_FUNCTION: &str = "the library makes its sockets and files and resolves names itself; remove it";
const NO_EFFECT: &str = "it has no effect in current versions of librdkafka either";
const CALLBACKS: &[&str] = &[""];

pub(super) static CONNECTING: &[Property] = rows! {
    "bootstrap.servers" ["metadata.broker.list" Same] Servers, "",
        Built(|c, v| if let crate::config::table::Value::Servers(list) = v { c.bootstrap_servers.clone_from(list) }),
        "Brokers to start from; the others are learned from them. An entry may begin with SECURITY_PROTOCOL://, which then has to be security.protocol's. Required, unless test.mock.num.brokers is set.";
    "client.id" [] Text(1000), "", Built(|c, v| c.client_id = v.text().to_string()),
        "The client's name in requests, quotas and logs. Empty: kproducer-N, counted per process.";
    "client.rack" [] Text(ANY), "", Built(|c, v| c.client_rack = v.text().to_string()),
        "Rack of this client, as the brokers' broker.rack names racks: for partitioner.rack.aware.";
    "bootstrap.resolve.timeout.ms" [] LONG_MS, "0",
        NoEffect("names are always resolved in the background, off the calling thread"),
        "Java's bound on resolving names in its constructor (KIP-909).";
    "client.software.name" [] Text(ANY), "", Absent("the library names itself; remove it"),
        "Client name in ApiVersions requests (KIP-511).";
    "client.software.version" [] Text(ANY), "", Absent("the library names itself; remove it"),
        "Client version in ApiVersions requests (KIP-511).";
};

pub(super) static BATCHING: &[Property] = rows! {
    "batch.size" [] Int(0, INT, "bytes"), "1000000", Built(|c, v| c.batch_size = v.size().max(1)),
        "Most bytes of one partition's batch; 0 makes each record a batch. Lowered to buffer.memory, and to what max.request.size has room for, if not set. Memory follows data, so that a large value costs nothing.";
    "batch.num.messages" [] Int(0, 1_000_000, ""), "0",
        Built(|c, v| c.batch_num_messages = u32::try_from(v.int()).unwrap_or(0)),
        "Most records of one batch, whatever batch.size says; 0 for no bound. librdkafka's own default is 10000.";
    "linger.ms" ["queue.buffering.max.ms" Same] FloatMs(MS_FOREVER as i64), "5",
        Built(|c, v| c.linger_us = v.int().max(0).unsigned_abs()),
        "How long a batch that is not full waits for more records; 0 sends at once.";
    "buffer.memory" ["queue.buffering.max.kbytes" Times(1024)] Int(65_536, 1 << 50, "bytes"), "134217728",
        Built(|c, v| c.buffer_memory = v.size()),
        "Bound on all bytes of records not yet finished: payload, overhead and what is in flight. Freed when the batch is finished.";
    "queue.buffering.max.messages" [] Int(0, INT, ""), "0",
        Harmless(&["0", "100000"], "records are bounded in bytes; use buffer.memory, and delivery.reports.max.count for reports"),
        "Bound on buffered records; 0 is none.";
    "max.block.ms" [] LONG_MS, "60000", Built(|c, v| c.max_block_ms = v.ms()),
        "How long a send may wait for room in buffer.memory before it fails with QUEUE_FULL; 0 never waits, as librdkafka.";
    "max.request.size" ["message.max.bytes" Same] Int(1000, 1_000_000_000, "bytes"), "1048576",
        Built(|c, v| c.max_request_size = v.size()),
        "Largest record accepted, uncompressed, with its overhead; and the most bytes of one produce request, which carries batches of several partitions, but for one batch that is larger by itself (as in Java). Lowered to buffer.memory if not set. The broker's message.max.bytes, the topic's max.message.bytes and the broker's socket.request.max.bytes must allow it too.";
    "message.copy.max.bytes" [] Int(0, 1_000_000_000, "bytes"), "65535",
        NoEffect("every record is copied once, into its batch"),
        "librdkafka: larger payloads are sent by reference.";
    "queue.buffering.backpressure.threshold" [] Int(1, 1_000_000, ""), "1",
        Harmless(&["1"], "batches fill while max.in.flight.requests.per.connection requests are unanswered; use that"),
        "librdkafka: unsent requests before batching pauses.";
    "queuing.strategy" [] Choice(&["fifo", "lifo"]), "fifo",
        Harmless(&["fifo"], "the order of a partition's records is always kept"),
        "librdkafka: order of a partition's queue.";
    "buffer.memory.allocation.strategy" [] Text(ANY), "", NoEffect("memory always follows data"),
        "Java: how batch memory is allocated (KIP-1332).";
};

pub(super) static DELIVERY: &[Property] = rows! {
    "acks" ["request.required.acks" Same] Acks, "all", Built(|c, v| c.acks = i16::try_from(v.int()).unwrap_or(-1)),
        "Who must have a batch before it is acknowledged: all in-sync replicas, the leader (1), or nobody (0: no answer, offsets are unknown, losses go unnoticed).";
    "retries" ["message.send.max.retries" Same] Int(0, INT, ""), "2147483647",
        Built(|c, v| c.retries = u32::try_from(v.int()).unwrap_or(u32::MAX)),
        "How many times a failed batch is sent again, within delivery.timeout.ms.";
    "delivery.timeout.ms" ["message.timeout.ms" Replace("0", "2147483647")] Int(1, INT, "ms"), "120000",
        Built(|c, v| c.delivery_timeout_ms = v.ms()),
        "From send to the record's outcome. At least linger.ms + request.timeout.ms: less is an error if it was set, and raised if not. With transactional.id at most transaction.timeout.ms, to which it is lowered if not set. Use 2147483647 for no limit.";
    "request.timeout.ms" ["socket.timeout.ms" Same] Int(1, INT, "ms"), "30000",
        Built(|c, v| c.request_timeout_ms = v.ms()),
        "How long an answer to any request is awaited before the connection is given up; also the time limit that a produce request gives the broker (Java's meaning, where librdkafka has only the second).";
    "retry.backoff.ms" [] LONG_MS, "100", Built(|c, v| c.retry_backoff_ms = v.ms()),
        "First delay before a request is tried again; it doubles up to retry.backoff.max.ms, with jitter.";
    "retry.backoff.max.ms" [] LONG_MS, "1000", Built(|c, v| c.retry_backoff_max_ms = v.ms()),
        "Cap of the retry delay. If only one of the pair is set, the other gives way.";
    "max.in.flight.requests.per.connection" ["max.in.flight" Same] Int(1, 1_000_000, ""), "5",
        Built(|c, v| c.max_in_flight_requests_per_connection = v.size()),
        "Unanswered requests per broker, at most 5 with enable.idempotence. Without it only 1 keeps the order of records when a batch is retried.";
    "delivery.report.only.error" [] Bool, "false",
        Built(|c, v| c.report_only_errors = v.flag()),
        "Reports for records that failed only: a delivered record costs nothing after its batch. Futures and flush hear of both.";
    "produce.offset.report" [] Bool, "true",
        NoEffect("reports always carry the offset"), "librdkafka: offsets in reports.";
    "enable.gapless.guarantee" [] Bool, "false",
        Harmless(&["false"], "use on.failure=stop-partition: what was sent to a partition behind a failed record fails with it, and the producer goes on"),
        "librdkafka: a batch that fails for good is fatal.";
};

pub(super) static PARTITIONING: &[Property] = rows! {
    "partitioner" ["partitioner.class" JavaPartitioner]
        Choice(&["murmur2", "murmur2_random", "consistent", "consistent_random", "fnv1a", "fnv1a_random", "random",
            "round_robin", "sticky", "adaptive", "single_broker"]), "murmur2",
        Built(|c, v| c.partitioner = partitioner(v.text())),
        "How a partition is chosen for a record that names none (docs/PARTITIONING.md). murmur2: keys as in Java; without a key, one partition until batch.size bytes went there. librdkafka's own default is consistent_random (CRC-32): the same key goes elsewhere.";
    "partitioner.adaptive.partitioning.enable" [] Bool, "true",
        Built(|c, v| c.partitioner_adaptive_partitioning_enable = v.flag()),
        "murmur2: records without a key prefer partitions with short queues (KIP-794); false makes all equally likely.";
    "partitioner.availability.timeout.ms" [] LONG_MS, "0", Built(|c, v| c.partitioner_availability_timeout_ms = v.ms()),
        "Records without a key avoid brokers that take nothing for this long although something waits; 0 is off.";
    "partitioner.ignore.keys" [] Bool, "false", Built(|c, v| c.partitioner_ignore_keys = v.flag()),
        "Choose partitions as if records had no key.";
    "partitioner.rack.aware" [] Bool, "false", Built(|c, v| c.partitioner_rack_aware = v.flag()),
        "Records without a key prefer leaders in client.rack (KIP-1123); with none there, all others.";
    "partitioner.broker.rotation.ms" [] Int(1, i64::MAX, "ms"), "30000",
        Built(|c, v| c.partitioner_broker_rotation_ms = v.ms()),
        "How long single_broker stays with a broker.";
    "sticky.partitioning.linger.ms" [] Int(0, 900_000, "ms"), "10",
        Harmless(&["10"], "records without a key change partition by bytes, not by time; use batch.size"),
        "librdkafka: time on one partition.";
};

pub(super) static COMPRESSION: &[Property] = rows! {
    "compression.type" ["compression.codec" Same] Choice(&["none", "gzip", "snappy", "lz4", "zstd"]), "none",
        Built(|c, v| c.compression.codec = codec(v.text())),
        "How batches are compressed (docs/COMPRESSION.md). One that does not get smaller is sent as it is.";
    "compression.gzip.level" [] Level(-1, 1, 9), "-1", Built(|c, v| c.compression_levels.gzip = level(v)),
        "Level of gzip; -1 is its own default, 6. More is smaller and slower.";
    "compression.lz4.level" [] Int(1, 17, ""), "9", Built(|c, v| c.compression_levels.lz4 = level(v)),
        "Level of lz4, as Java counts them: 9 is the quick one; the others are LZ4 HC of that level, smaller and slower to compress, and as quick to read.";
    "compression.zstd.level" [] Int(-131_072, 22, ""), "3", Built(|c, v| c.compression_levels.zstd = level(v)),
        "Level of zstd. More is smaller and slower; negative ones are quicker than 1.";
    "compression.level" [] Int(-1, 12, ""), "-1", Built(|c, v| c.compression_levels.any = level(v)),
        "librdkafka: one level for whichever codec; -1 is the codec's own default. A codec's own property stands before it, and a level that the codec does not have becomes the nearest that it has. snappy has none.";
    "compression.threads" [] Int(0, 64, ""), "1", Built(|c, v| c.compression_threads = v.size()),
        "Threads that compress full batches, so that neither the threads that send nor the one that speaks to brokers do; a partition's order is kept. Started with the producer if compression.type is set, else when a topic sets it. 0 compresses where requests are made.";
};

pub(super) static TRANSACTIONS: &[Property] = rows! {
    "enable.idempotence" [] Bool, "true", Built(|c, v| c.enable_idempotence = v.flag()),
        "Batches carry a producer id and sequence numbers: over retries nothing is written twice, and a partition's order is kept. Needs acks=all, retries above 0 and max.in.flight.requests.per.connection of at most 5; where one of these was set otherwise, set this to false.";
    "transactional.id" [] Text(ANY), "",
        Built(|c, v| c.transactional_id = Some(v.text().to_string()).filter(|id| !id.is_empty())),
        "Name under which transactions are made; empty: none. The same name after a restart: the broker then aborts what was left open and refuses the older producer of the name. Needs enable.idempotence.";
    "transaction.timeout.ms" [] Int(1000, INT, "ms"), "60000", Built(|c, v| c.transaction_timeout_ms = v.ms()),
        "When the broker aborts an open transaction by itself; it refuses more than its transaction.max.timeout.ms (15 minutes). With transactional.id, delivery.timeout.ms must not be more and request.timeout.ms must be less: those not set are lowered, this one never changes by itself.";
    "on.sequence.gap" [] Choice(&["bump", "fatal"]), "bump",
        Built(|c, v| c.on_sequence_gap = match v.text() {
            "fatal" => OnSequenceGap::Fatal,
            _ => OnSequenceGap::Bump,
        }),
        "What it costs when a broker says that it has lost records which it had acknowledged. bump: the data-loss callback is told, and the partition goes on. fatal: the producer fails for good. Needs enable.idempotence.";
    "on.in.doubt.timeout" [] Choice(&["report", "hold"]), "report",
        Built(|c, v| c.on_in_doubt_timeout = match v.text() {
            "hold" => OnInDoubtTimeout::Hold,
            _ => OnInDoubtTimeout::Report,
        }),
        "What becomes of a record whose delivery time ends while it may be in the log. report: it fails, as PRODUCER_PERSISTED_MAYBE. hold: it is sent again until a broker decides, however long that takes. Needs enable.idempotence.";
    "on.failure" [] Choice(&["gap", "stop-partition"]), "gap",
        Built(|c, v| c.on_failure = match v.text() {
            "stop-partition" => OnFailure::StopPartition,
            _ => OnFailure::Gap,
        }),
        "What a failed record means for those sent to its partition after it. gap: they are delivered without it. stop-partition: those accepted so far fail too, with EARLIER_FAILED.";
    "test.first.sequence" [] Int(0, INT, ""), "0",
        Built(|c, v| c.test_first_sequence = u32::try_from(v.int()).unwrap_or(0)),
        "Only for tests of the wrap-around: the sequence number that each partition begins with. Brokers that hold state of the producer id accept only 0.";
    "transaction.two.phase.commit.enable" [] Bool, "false", Built(|c, v| c.two_phase_commit = v.flag()),
        "Transactions never expire, and producer_prepare_transaction leaves them open until another system has decided too (KIP-939). Needs transactional.id, brokers that allow it, and no transaction.timeout.ms: see TRANSACTIONS.md.";
};

pub(super) static METADATA: &[Property] = rows! {
    "metadata.max.age.ms" ["topic.metadata.refresh.interval.ms" Replace("-1", "9223372036854775807")]
        Int(10, i64::MAX, "ms"), "300000", Built(|c, v| c.metadata_max_age_ms = v.ms()),
        "Age at which metadata is asked for again, as in Java; in librdkafka this name is a cache's lifetime.";
    "metadata.max.idle.ms" [] Int(5000, i64::MAX, "ms"), "300000", Built(|c, v| c.metadata_max_idle_ms = v.ms()),
        "When a topic that nothing is sent to is not asked for any more, and its statistics and those of a broker that left the cluster go.";
    "metadata.recovery.strategy" [] Choice(&["rebootstrap", "none"]), "rebootstrap",
        Built(|c, v| c.metadata_recovery_rebootstrap = v.text() == "rebootstrap"),
        "rebootstrap: go back to bootstrap.servers when no known broker answers (KIP-899).";
    "metadata.recovery.rebootstrap.trigger.ms" [] LONG_MS, "300000",
        Built(|c, v| c.metadata_recovery_rebootstrap_trigger_ms = v.ms()),
        "Time without metadata after which the client goes back to bootstrap.servers (KIP-1102).";
    "topic.metadata.propagation.max.ms" [] Int(0, 3_600_000, "ms"), "30000",
        Built(|c, v| c.unknown_topic_grace_ms = v.ms()),
        "How long records wait for a topic that no broker knows before they fail.";
    "allow.auto.create.topics" [] Bool, "true", Built(|c, v| c.allow_auto_create_topics = v.flag()),
        "Whether sending to a missing topic may create it, where the broker's auto.create.topics.enable agrees.";
    "client.dns.lookup" [] Choice(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]), "use_all_dns_ips",
        Partly(&["use_all_dns_ips"], |c, _| c.client_dns_lookup = super::ClientDnsLookup::UseAllDnsIps),
        "use_all_dns_ips: every address of a broker's name is tried in turn.";
    "broker.address.family" [] Choice(&["any", "v4", "v6"]), "any",
        Built(|c, v| c.broker_address_family = match v.text() {
            "v4" => AddressFamily::V4,
            "v6" => AddressFamily::V6,
            _ => AddressFamily::Any,
        }),
        "Which addresses of a broker's name are used.";
    "broker.address.ttl" [] Int(0, 86_400_000, "ms"), "0", NoEffect("names are resolved at each connect"),
        "librdkafka: how long resolved addresses are kept.";
    "topic.metadata.refresh.fast.interval.ms" [] Int(1, 60_000, "ms"), "100",
        Harmless(&["100"], "use retry.backoff.ms and retry.backoff.max.ms"), "librdkafka: metadata retries after a lost leader.";
    "topic.metadata.refresh.fast.cnt" [] Int(0, 1000, ""), "10", NoEffect(NO_EFFECT), "librdkafka, deprecated.";
    "topic.metadata.refresh.sparse" [] Bool, "true",
        Harmless(&["true"], "only topics in use are asked for"), "librdkafka: ask only for topics in use.";
    "topic.blacklist" [] Text(ANY), "", Harmless(&[""], "only topics in use are asked for"),
        "librdkafka: topics left out of metadata.";
    "metadata.request.timeout.ms" [] Int(10, 900_000, "ms"), "60000", Harmless(&["60000"], "use request.timeout.ms"),
        "librdkafka, deprecated.";
    "metadata.cluster.check.enable" [] Bool, "true", Built(|c, v| c.metadata_cluster_check = v.flag()),
        "Tell brokers that check it (Kafka 4.4 and later) whom a connection is meant for; one that reached another broker or another cluster is given up, and the bootstrap servers are asked again (KIP-1242). Nothing with metadata.recovery.strategy=none.";
    "enable.sparse.connections" [] Bool, "true",
        Harmless(&["true"], "brokers are connected to when needed"), "librdkafka: connect only when needed.";
};

pub(super) static SOCKETS: &[Property] = rows! {
    "connections.max.idle.ms" [] Int(-1, i64::MAX, "ms"), "180000",
        Built(|c, v| c.connections_max_idle_ms = Some(v.ms()).filter(|ms| *ms > 0)),
        "When an idle connection is closed; 0 and -1 are never. Java's 540000 outlives the four minutes of cloud load balancers.";
    "reconnect.backoff.ms" [] LONG_MS, "50", Built(|c, v| c.reconnect_backoff_ms = v.ms()),
        "First delay before a broker is connected to again; it doubles up to reconnect.backoff.max.ms, with jitter.";
    "reconnect.backoff.max.ms" [] LONG_MS, "1000", Built(|c, v| c.reconnect_backoff_max_ms = v.ms()),
        "Cap of the reconnect delay. If only one of the pair is set, the other gives way.";
    "reconnect.backoff.jitter.ms" [] Int(0, 3_600_000, "ms"), "0", NoEffect(NO_EFFECT),
        "librdkafka, deprecated.";
    "socket.connection.setup.timeout.ms" [] Int(1, INT, "ms"), "5000",
        Built(|c, v| c.socket_connection_setup_timeout_ms = v.ms()),
        "Bound on establishing one connection, all addresses together (librdkafka's meaning; Java's is one TCP connect).";
    "socket.connection.setup.timeout.max.ms" [] LONG_MS, "5000",
        Harmless(&["5000", "30000"], "the bound does not grow; use socket.connection.setup.timeout.ms, and reconnect.backoff.max.ms for the pace"),
        "Java: cap of the growing connection timeout.";
    "send.buffer.bytes" ["socket.send.buffer.bytes" Replace("0", "-1")] Int(-1, 100_000_000, "bytes"), "-1",
        Built(|c, v| c.send_buffer_bytes = (v.int() > 0).then(|| v.size())),
        "SO_SNDBUF; -1 and 0 leave it to the operating system, which adapts it.";
    "receive.buffer.bytes" ["socket.receive.buffer.bytes" Replace("0", "-1")] Int(-1, 100_000_000, "bytes"), "-1",
        Built(|c, v| c.receive_buffer_bytes = (v.int() > 0).then(|| v.size())),
        "SO_RCVBUF; -1 and 0 leave it to the operating system, which adapts it.";
    "socket.keepalive.enable" [] Bool, "true", Built(|c, v| c.socket_keepalive_enable = v.flag()), "SO_KEEPALIVE.";
    "socket.nagle.disable" [] Bool, "true", Partly(&["true"], |c, v| c.socket_nagle_disable = v.flag()),
        "TCP_NODELAY, always on.";
    "tcp.user.timeout.ms" [] Int(-1, INT, "ms"), "-1",
        Built(|c, v| c.tcp_user_timeout_ms = (v.int() > 0).then(|| v.ms())),
        "TCP_USER_TIMEOUT: when written data without acknowledgement breaks the connection; -1 is request.timeout.ms, 0 the operating system's choice.";
    "receive.message.max.bytes" [] Int(1000, INT, "bytes"), "100000000",
        Built(|c, v| c.receive_message_max_bytes = v.size()),
        "Largest response accepted; a larger one is taken for garbage and the connection closed. Responses that are not complete yet take at most twice as much, over all connections.";
    "socket.max.fails" [] Int(0, 1_000_000, ""), "1", Harmless(&["1"], "a request that times out always ends its connection"),
        "librdkafka: timeouts before a connection is closed.";
    "socket.blocking.max.ms" [] Int(1, 60_000, "ms"), "1000", NoEffect(NO_EFFECT), "librdkafka, deprecated.";
    "api.version.request" [] Bool, "true", Harmless(&["true"], "brokers before 0.10 are not supported"),
        "librdkafka: ask brokers for their versions.";
    "api.version.request.timeout.ms" [] Int(1, 300_000, "ms"), "10000", Harmless(&["10000"], "use request.timeout.ms"),
        "librdkafka: wait for the broker's versions.";
    "api.version.fallback.ms" [] Int(0, 604_800_000, "ms"), "0", Harmless(&["0"], "brokers before 0.10 are not supported"),
        "librdkafka, deprecated.";
    "broker.version.fallback" [] Text(ANY), "", Harmless(&["", "0.10.0"], "brokers before 0.10 are not supported"),
        "librdkafka, deprecated.";
};

pub(super) static OBSERVING: &[Property] = rows! {
    "delivery.reports.max.count" [] Int(1, INT, ""), "1000000", Built(|c, v| c.reports_max_count = v.size()),
        "Finished reports not yet taken by poll at which sends are refused with REPORTS_NOT_TAKEN.";
    "delivery.dispatch" [] Choice(&["poll", "thread"]), "poll",
        Built(|c, v| c.delivery_dispatch = match v.text() {
            "thread" => super::DeliveryDispatch::Thread,
            _ => super::DeliveryDispatch::Poll,
        }),
        "Who runs callbacks. poll: the thread that calls poll, flush, close or a function of transactions. thread: one of the library's own, and then nobody needs to poll.";
    "log_level" ["log.level" Same] Int(0, 7, ""), "6", Built(|c, v| c.log_level = i32::try_from(v.int()).unwrap_or(6)),
        "Least important lines that reach the log callback: syslog's levels, 3 error, 4 warning, 6 info, 7 debug.";
    "debug" [] Text(ANY), "", Harmless(&[""], "use log_level=7"), "librdkafka: debug contexts.";
    "log.queue" [] Bool, "true", NoEffect("log lines are always queued for the thread that polls"),
        "librdkafka: log through the event queue.";
    "log.thread.name" [] Bool, "true", NoEffect("log lines name the broker instead of a thread"), "librdkafka: thread in log lines.";
    "log.connection.close" [] Bool, "true", NoEffect("use log_level to see fewer lines"), "librdkafka: log closed connections.";
    "statistics.interval.ms" [] Int(0, 86_400_000, "ms"), "0", Built(|c, v| c.statistics_interval_ms = v.ms()),
        "How often the stats callback receives the producer's numbers; 0 is never. producer_stats gives them at any time.";
    "enable.metrics.push" [] Bool, "true", Built(|c, v| c.enable_metrics_push = v.flag()),
        "Push metrics to brokers that ask for them (KIP-714, Kafka 3.7 and newer where the operator has set it up), over a connection of its own.";
    "test.mock.num.brokers" [] Int(0, 100, ""), "0",
        Built(|c, v| c.test_mock_num_brokers = i32::try_from(v.int()).unwrap_or(0)),
        "Start a mock cluster of so many brokers inside the process and send to it; then bootstrap.servers must not be set.";
    "test.mock.broker.rtt.ms" ["test.mock.broker.rtt" Same] Int(0, 600_000, "ms"), "0",
        Built(|c, v| c.test_mock_broker_rtt_ms = v.ms()), "Delay that mock brokers add to each answer.";
    "enable.random.seed" [] Bool, "false", NoEffect("the library never uses the process's rand()"),
        "librdkafka: seed the process's rand().";
    "internal.termination.signal" [] Int(0, 128, ""), "0", Harmless(&["0"], "the library uses no signals"),
        "librdkafka: signal to end its threads.";
    "builtin.features" [] Words(&["gzip", "snappy", "ssl", "sasl", "regex", "lz4", "sasl_gssapi", "sasl_plain", "sasl_scram",
        "plugins", "zstd", "sasl_oauthbearer", "http", "oidc"]), "gzip,snappy,ssl,sasl,lz4,sasl_gssapi,sasl_plain,sasl_scram,zstd,sasl_oauthbearer,http,oidc",
        NoEffect("what a producer can use of these is always there; producer_property_at lists every property"), "librdkafka: features of the build.";
    "plugin.library.paths" [] Text(ANY), "", Harmless(&[""], "the library loads no code"), "librdkafka: plugins.";
};

const SERIALIZER: &str = "keys and values are bytes here; serialize before the send, or give a function to producer_config_set_value_serializer";
/// Java's serializers that leave bytes as they are, or are UTF-8 as C's strings are.
const SERIALIZERS: &[&str] = &[
    "",
    "org.apache.kafka.common.serialization.ByteArraySerializer",
    "org.apache.kafka.common.serialization.BytesSerializer",
    "org.apache.kafka.common.serialization.ByteBufferSerializer",
    "org.apache.kafka.common.serialization.StringSerializer",
];
const METRICS: &str = "the library keeps no Java metrics; producer_stats has its numbers";

pub(super) static CODE: &[Property] = rows! {
    "key.serializer" [] Text(ANY), "", Harmless(SERIALIZERS, SERIALIZER), "Java: class that serializes keys.";
    "value.serializer" [] Text(ANY), "", Harmless(SERIALIZERS, SERIALIZER), "Java: class that serializes values.";
    "interceptor.classes" [] Text(ANY), "", Harmless(&[""], "a class cannot be loaded by a C library; give functions to producer_config_add_interceptor"),
        "Java: classes that see every record.";
    "interceptors" [] Text(ANY), "", Harmless(CALLBACKS, "give functions to producer_config_add_interceptor"), "librdkafka: interceptors.";
    "metric.reporters" [] Text(ANY), "", Harmless(&[""], "a class cannot be loaded by a C library"), "Java: classes that report metrics.";
    "metrics.num.samples" [] Int(1, INT, ""), "2", NoEffect(METRICS), "Java: samples of a metric.";
    "metrics.sample.window.ms" [] LONG_MS, "30000", NoEffect(METRICS), "Java: window of a sample.";
    "metrics.recording.level" [] Choice(&["INFO", "DEBUG", "TRACE"]), "INFO", NoEffect(METRICS), "Java: detail of metrics.";
    "auto.include.jmx.reporter" [] Bool, "false", Harmless(&["false"], "there is no JMX here"), "Java: JMX reporter.";
    "config.providers" [] Text(ANY), "", Harmless(&[""], "put the values in before the properties are set"),
        "Java: classes that fill variables in values (KIP-421).";
    "dr_msg_cb" [] Text(ANY), "", Harmless(CALLBACKS, "give the callback to producer_send"), "librdkafka: delivery reports.";
    "dr_cb" [] Text(ANY), "", Harmless(CALLBACKS, "give the callback to producer_send"), "librdkafka: delivery reports.";
    "error_cb" [] Text(ANY), "",
        Harmless(CALLBACKS, "producer_config_set_health_callback tells of brokers that are all unreachable and of fatal errors, and reports of each record"),
        "librdkafka: errors.";
    "throttle_cb" [] Text(ANY), "", Harmless(CALLBACKS, "producer_stats has the time in throttle_ms"), "librdkafka: throttling.";
    "stats_cb" [] Text(ANY), "", Harmless(CALLBACKS, "give the function to producer_config_set_stats_callback"), "librdkafka: statistics.";
    "log_cb" [] Text(ANY), "", Harmless(CALLBACKS, "use producer_config_set_log_callback"), "librdkafka: logs.";
    "background_event_cb" [] Text(ANY), "",
        Harmless(CALLBACKS, "set delivery.dispatch=thread, and callbacks run on a thread of the library's own"), "librdkafka: events on a thread of its own.";
    "enabled_events" [] Int(0, INT, ""), "0", Harmless(&["0"], "producer_poll_reports gives reports without a callback"),
        "librdkafka: events to generate.";
    "opaque" [] Text(ANY), "", Harmless(CALLBACKS, "give the pointer along with each callback"), "librdkafka: the application's pointer.";
    "default_topic_conf" [] Text(ANY), "", Harmless(CALLBACKS, "set topic properties directly, they apply to every topic"),
        "librdkafka: configuration of topics.";
    "partitioner_cb" [] Text(ANY), "", Harmless(CALLBACKS, "give the function to producer_config_set_partitioner"), "librdkafka: partitioner.";
    "msg_order_cmp" [] Text(ANY), "", Harmless(CALLBACKS, "the order of a partition's records is always kept"), "librdkafka: order of a queue.";
    "socket_cb" [] Text(ANY), "", Harmless(CALLBACKS, NO_FUNCTION), "librdkafka: makes sockets.";
    "connect_cb" [] Text(ANY), "", Harmless(CALLBACKS, NO_FUNCTION), "librdkafka: connects sockets.";
    "closesocket_cb" [] Text(ANY), "", Harmless(CALLBACKS, NO_FUNCTION), "librdkafka: closes sockets.";
    "open_cb" [] Text(ANY), "", Harmless(CALLBACKS, NO_FUNCTION), "librdkafka: opens files.";
    "resolve_cb" [] Text(ANY), "", Harmless(CALLBACKS, NO_FUNCTION), "librdkafka: resolves names.";
};

/// The partitioner of a name that the table allows.
fn partitioner(name: &str) -> super::Partitioner {
    use super::Partitioner::*;
    match name {
        "murmur2_random" => Murmur2Random,
        "consistent" => Consistent,
        "consistent_random" => ConsistentRandom,
        "fnv1a" => Fnv1a,
        "fnv1a_random" => Fnv1aRandom,
        "random" => Random,
        "round_robin" => RoundRobin,
        "sticky" => Sticky,
        "adaptive" => Adaptive,
        "single_broker" => SingleBroker,
        _ => Murmur2,
    }
}

/// Settings of consumers, brokers and topics, which are often found in the same files.
pub(super) static FOREIGN: &[(&str, &[&str])] = &[
    (
        "consumers",
        &[
            "group.id",
            "group.instance.id",
            "group.protocol",
            "group.protocol.type",
            "group.remote.assignor",
            "auto.offset.reset",
            "enable.auto.commit",
            "auto.commit.interval.ms",
            "auto.commit.enable",
            "enable.auto.offset.store",
            "enable.partition.eof",
            "fetch.min.bytes",
            "fetch.max.bytes",
            "fetch.max.wait.ms",
            "fetch.wait.max.ms",
            "fetch.message.max.bytes",
            "fetch.error.backoff.ms",
            "fetch.queue.backoff.ms",
            "max.partition.fetch.bytes",
            "max.poll.records",
            "max.poll.interval.ms",
            "session.timeout.ms",
            "heartbeat.interval.ms",
            "partition.assignment.strategy",
            "isolation.level",
            "key.deserializer",
            "value.deserializer",
            "check.crcs",
            "exclude.internal.topics",
            "default.api.timeout.ms",
            "queued.min.messages",
            "queued.max.messages.kbytes",
            "coordinator.query.interval.ms",
            "consume.callback.max.messages",
            "offset.store.method",
            "offset.store.path",
            "offset.store.sync.interval.ms",
            "rebalance_cb",
            "offset_commit_cb",
            "consume_cb",
            "internal.leave.group.on.close",
        ],
    ),
    (
        "brokers and topics",
        &[
            "min.insync.replicas",
            "replication.factor",
            "default.replication.factor",
            "num.partitions",
            "broker.id",
            "node.id",
            "process.roles",
            "listeners",
            "advertised.listeners",
            "log.dirs",
            "log.dir",
            "auto.create.topics.enable",
            "cleanup.policy",
            "delete.retention.ms",
            "retention.ms",
            "retention.bytes",
            "segment.bytes",
            "segment.ms",
            "max.message.bytes",
            "message.timestamp.type",
            "unclean.leader.election.enable",
            "zookeeper.connect",
            "transaction.max.timeout.ms",
            "log.retention.hours",
            "inter.broker.protocol.version",
        ],
    ),
];

fn codec(name: &str) -> Codec {
    match name {
        "gzip" => Codec::Gzip,
        "snappy" => Codec::Snappy,
        "lz4" => Codec::Lz4,
        "zstd" => Codec::Zstd,
        _ => Codec::None,
    }
}

/// The rows' ranges are within.
fn level(value: &crate::config::table::Value) -> i32 {
    i32::try_from(value.int()).unwrap_or(-1)
}
