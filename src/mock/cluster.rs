//! The broker model: brokers, topics, leaders, and what a test may do to them.

use std::collections::BTreeMap;

use crate::error::{Error, Result, Status};
use crate::time::{Micros, Time};

use super::coordinators::Coordinators;
use super::faults::{Fault, Faults};
use super::groups::Groups;
use super::partition_log::{LogSnapshot, StoredRecord};
use super::producer_state::UnknownProducer;
use super::record_rules::RecordRules;
use super::request::{self, Answer, Source};
use super::sasl::Sasl;
use super::stats::Stats;
use super::telemetry::Telemetry;
use super::topic::{Partition, Topic, is_legal_topic_name};
use super::transactions::{ProducerIds, Transactions};
use super::{api_key, code};

/// A mock cluster beyond these is a mistake in the caller's number, not a test.
const BROKERS_MAX: i32 = 1000;
const PARTITIONS_MAX: i32 = 100_000;

/// What a mock cluster is made of. `ClusterOptions::default()` is three brokers with Kafka's own defaults.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// 1 to 1000. The broker ids are 1, 2, 3 and so on.
    pub brokers: i32,
    /// Partitions of a topic that a Metadata request brings into being; 1, as in Kafka. 0: unknown topics stay unknown.
    pub auto_create_partitions: i32,
    /// The replication factor of such a topic, cut to the number of brokers.
    pub auto_create_replicas: i16,
    pub cluster_id: String,
    /// The log of each partition drops its oldest batches beyond this many bytes and moves its start offset.
    pub retention_bytes_per_partition: usize,
    /// `message.max.bytes`: the greatest record batch that is accepted, header included.
    pub message_max_bytes: usize,
    /// A request with bytes behind its body loses its connection, so that a client's encoder that writes too much is
    /// noticed. Kafka ignores them, and so does the mock without this.
    pub refuses_trailing_bytes: bool,
    /// Larger requests end their connection: Kafka's `socket.request.max.bytes`.
    pub request_max_bytes: usize,
}

impl Default for ClusterOptions {
    fn default() -> ClusterOptions {
        ClusterOptions {
            brokers: 3,
            auto_create_partitions: 1,
            auto_create_replicas: 3,
            cluster_id: "libkproducer-mock".to_owned(),
            retention_bytes_per_partition: 256 << 20,
            message_max_bytes: 1_048_588,
            refuses_trailing_bytes: false,
            request_max_bytes: 100 << 20,
        }
    }
}

pub(super) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_up: bool,
    /// How often it went down, so that a server sees a down and up between two looks.
    pub(super) times_down: u64,
    pub(super) is_frozen: bool,
    pub(super) rack: Option<String>,
    pub(super) latency: Micros,
    pub(super) throttle_ms: i32,
}

/// The model of a Kafka cluster. It reads no clock and opens no socket: `handle_frame` is its only way in for a client,
/// every other method is a test's hand on it.
pub struct Cluster {
    pub(super) options: ClusterOptions,
    brokers: Vec<Broker>,
    pub(super) topics: BTreeMap<String, Topic>,
    topics_created: u64,
    pub(super) faults: Faults,
    pub(super) max_versions: BTreeMap<i16, i16>,
    pub(super) stats: Stats,
    /// Numbers the Produce requests, to find a partition named twice in one.
    pub(super) produce_requests: u64,
    pub(super) producer_ids: ProducerIds,
    pub(super) unknown_producer: UnknownProducer,
    pub(super) transactions: Transactions,
    pub(super) groups: Groups,
    pub(super) coordinators: Coordinators,
    pub(super) telemetry: Telemetry,
    pub(super) sasl: Sasl,
    /// When the last request came, or the last look was taken: the hands of a test know no clock.
    pub(super) now: Time,
    pub(super) wall_ms: i64,
    server_changes: u64,
}

impl Cluster {
    /// The brokers' number is brought into its range.
    pub fn new(mut options: ClusterOptions) -> Cluster {
        options.brokers = options.brokers.clamp(1, BROKERS_MAX);
        options.auto_create_partitions = options.auto_create_partitions.clamp(0, PARTITIONS_MAX);
        let broker = |_| Broker {
            host: "127.0.0.1".to_owned(),
            port: 9092,
            is_up: true,
            times_down: 0,
            is_frozen: false,
            rack: None,
            latency: Micros::ZERO,
            throttle_ms: 0,
        };
        Cluster {
            brokers: (0..options.brokers).map(broker).collect(),
            options,
            topics: BTreeMap::new(),
            topics_created: 0,
            faults: Faults::default(),
            max_versions: BTreeMap::new(),
            stats: Stats::default(),
            produce_requests: 0,
            producer_ids: ProducerIds::default(),
            unknown_producer: UnknownProducer::default(),
            transactions: Transactions::default(),
            groups: Groups::default(),
            coordinators: Coordinators::default(),
            telemetry: Telemetry::default(),
            sasl: Sasl::default(),
            now: Time::ZERO,
            wall_ms: 0,
            server_changes: 0,
        }
    }

    /// The broker ids, ascending: 1 to the number of brokers.
    pub fn broker_ids(&self) -> impl Iterator<Item = i32> + use<> {
        1..=self.options.brokers
    }

    pub fn has_broker(&self, id: i32) -> bool {
        self.broker(id).is_some()
    }

    pub(super) fn broker(&self, id: i32) -> Option<&Broker> {
        self.brokers.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    fn broker_mut(&mut self, id: i32) -> Option<&mut Broker> {
        self.brokers.get_mut(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    /// What Metadata answers as this broker's address.
    pub fn set_address(&mut self, broker: i32, host: &str, port: u16) {
        if let Some(broker) = self.broker_mut(broker) {
            broker.host = host.to_owned();
            broker.port = port;
        }
    }

    /// Creates a topic; the leaders go round the brokers, each topic starting one further on.
    pub fn topic_create(&mut self, name: &str, partitions: i32, replicas: i16) -> Result<()> {
        if !is_legal_topic_name(name) {
            return Err(kafka_error(code::INVALID_TOPIC_EXCEPTION, format!("\"{name}\" is not a legal topic name")));
        }
        if self.topics.contains_key(name) {
            return Err(kafka_error(code::TOPIC_ALREADY_EXISTS, format!("topic {name} exists already")));
        }
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            let text = format!("topic {name} cannot have {partitions} partitions: 1 to {PARTITIONS_MAX}");
            return Err(kafka_error(code::INVALID_PARTITIONS, text));
        }
        if !(1..=self.options.brokers).contains(&i32::from(replicas)) {
            let text = format!("topic {name} cannot have {replicas} replicas: 1 to {} brokers", self.options.brokers);
            return Err(kafka_error(code::INVALID_REPLICATION_FACTOR, text));
        }
        self.topics_created += 1;
        let brokers = u64::from(self.options.brokers.unsigned_abs());
        let partition = |index: u64| {
            let first = index + self.topics_created - 1;
            let replicas: Vec<i32> =
                (0..replicas.unsigned_abs().into()).map(|n: u64| 1 + ((first + n) % brokers) as i32).collect();
            let leader = replicas.iter().copied().find(|&id| self.is_up(id));
            Partition::new(replicas, leader)
        };
        let partitions = (0..u64::from(partitions.unsigned_abs())).map(partition).collect();
        let mut id = *b"kproducer-\0\0\0\0\0\0";
        id[10..].copy_from_slice(&self.topics_created.to_be_bytes()[2..]);
        self.topics
            .insert(name.to_owned(), Topic { id, partitions, log_append_time: false, rules: RecordRules::default() });
        Ok(())
    }

    /// Deletes a topic with its logs. One that is created under the same name is another, with an id of its own.
    pub fn topic_delete(&mut self, name: &str) -> Result<()> {
        self.topics.remove(name).map(|_| ()).ok_or_else(|| unknown_partition(name, -1))
    }

    /// The name of the topic with this id.
    pub fn topic_name(&self, id: [u8; 16]) -> Option<&str> {
        self.topics.iter().find(|(_, topic)| topic.id == id).map(|(name, _)| name.as_str())
    }

    /// `message.timestamp.type` of a topic: true keeps the time of the append (`LogAppendTime`).
    pub fn topic_set_log_append_time(&mut self, name: &str, log_append_time: bool) -> Result<()> {
        let topic = self.topics.get_mut(name).ok_or_else(|| unknown_partition(name, -1))?;
        topic.log_append_time = log_append_time;
        Ok(())
    }

    /// Sets a configuration of a topic under Kafka's name: cleanup.policy, message.timestamp.before.max.ms or
    /// message.timestamp.after.max.ms. Batches with records that break it are refused, and the answer names these
    /// records.
    pub fn topic_set(&mut self, topic: &str, name: &str, value: &str) -> Result<()> {
        let topic = self.topics.get_mut(topic).ok_or_else(|| unknown_partition(topic, -1))?;
        topic.rules.set(name, value).map_err(|text| Error::new(Status::INVALID_ARGUMENT, text))
    }

    /// The next `count` requests of this API answer `error_code`; 0 lets them through. A Produce answers it for every
    /// partition and appends nothing, except with NOT_ENOUGH_REPLICAS_AFTER_APPEND (20) and REQUEST_TIMED_OUT (7),
    /// where a real broker has appended too. Orders of one API are carried out in the order they were given.
    pub fn push_error(&mut self, api_key: i16, error_code: i16, count: u32) {
        self.faults.push(api_key, Fault::Error(error_code), count);
    }

    /// The next `count` requests of this API lose their connection instead of getting an answer; with `after_append`
    /// the broker has done what the request says all the same.
    pub fn push_disconnect(&mut self, api_key: i16, after_append: bool, count: u32) {
        self.faults.push(api_key, Fault::Disconnect { after_append }, count);
    }

    /// Takes back every order of `push_error` and `push_disconnect` that no request has met yet.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The broker refuses connections, and its partitions go to their next replica that is up, or have no leader.
    pub fn broker_down(&mut self, broker: i32) {
        let Some(state) = self.broker_mut(broker) else { return };
        if state.is_up {
            state.is_up = false;
            state.times_down += 1;
            self.server_changes += 1;
            self.elect_leaders();
        }
    }

    /// The broker is there again, with its logs; partitions without a leader that it holds get one.
    pub fn broker_up(&mut self, broker: i32) {
        let Some(state) = self.broker_mut(broker) else { return };
        if !state.is_up {
            state.is_up = true;
            self.server_changes += 1;
            self.elect_leaders();
        }
    }

    pub fn is_up(&self, broker: i32) -> bool {
        self.broker(broker).is_some_and(|broker| broker.is_up)
    }

    /// By id less 1.
    pub(super) fn brokers_up(&self) -> Vec<bool> {
        self.brokers.iter().map(|broker| broker.is_up).collect()
    }

    fn elect_leaders(&mut self) {
        let up = self.brokers_up();
        self.coordinators.elect(&up, self.now);
        let is_up = |id: i32| usize::try_from(id - 1).ok().and_then(|index| up.get(index)) == Some(&true);
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.held_leaderless || partition.leader.is_some_and(is_up) {
                continue;
            }
            let elected = partition.replicas.iter().copied().find(|&id| is_up(id));
            if elected != partition.leader {
                partition.set_leader(elected);
            }
        }
    }

    /// A frozen broker reads and answers nothing while its connections stay open. The model only keeps the mark; the
    /// server or simulator around it acts on it.
    pub fn broker_set_frozen(&mut self, broker: i32, is_frozen: bool) {
        let Some(state) = self.broker_mut(broker) else { return };
        if state.is_frozen != is_frozen {
            state.is_frozen = is_frozen;
            self.server_changes += 1;
        }
    }

    pub fn is_frozen(&self, broker: i32) -> bool {
        self.broker(broker).is_some_and(|broker| broker.is_frozen)
    }

    /// The rack that metadata tells of a broker; `None` for none.
    pub fn broker_set_rack(&mut self, broker: i32, rack: Option<&str>) {
        if let Some(broker) = self.broker_mut(broker) {
            broker.rack = rack.map(str::to_owned);
        }
    }

    /// Every answer of this broker comes so much later.
    pub fn broker_set_latency(&mut self, broker: i32, latency_ms: u32) {
        if let Some(broker) = self.broker_mut(broker) {
            broker.latency = Micros::from_ms(latency_ms.into());
        }
    }

    /// The `throttle_time_ms` that this broker's answers carry.
    pub fn set_throttle_ms(&mut self, broker: i32, throttle_ms: i32) {
        if let Some(broker) = self.broker_mut(broker) {
            broker.throttle_ms = throttle_ms.max(0);
        }
    }

    /// Moves a partition's leader and bumps its epoch. `None` takes the leader away until it is set again. The new
    /// leader becomes a replica if it was none; it may be down, then the partition is as unreachable as Metadata says.
    pub fn partition_set_leader(&mut self, topic: &str, partition: i32, broker: Option<i32>) -> Result<()> {
        if let Some(id) = broker.filter(|&id| self.broker(id).is_none()) {
            return Err(Error::new(Status::NOT_FOUND, format!("the mock cluster has no broker {id}")));
        }
        let state = self.partition_mut(topic, partition)?;
        state.held_leaderless = broker.is_none();
        if let Some(id) = broker.filter(|id| !state.replicas.contains(id)) {
            state.replicas.push(id);
        }
        state.set_leader(broker);
        Ok(())
    }

    /// Leader and leader epoch of a partition.
    pub fn partition_leader(&self, topic: &str, partition: i32) -> Result<(Option<i32>, i32)> {
        let partition = self.partition(topic, partition)?;
        Ok((partition.leader, partition.leader_epoch))
    }

    /// Pretends to be an older broker: ApiVersions announces at most this version of the API, and requests above it
    /// lose their connection. A negative version takes the API away.
    pub fn set_max_version(&mut self, api_key: i16, max_version: i16) {
        self.max_versions.insert(api_key, max_version);
    }

    /// From now on another cluster answers at these addresses.
    #[cfg(test)]
    pub fn set_cluster_id(&mut self, id: &str) {
        id.clone_into(&mut self.options.cluster_id);
    }

    /// The versions and ways of Kafka 2.1, the oldest broker that Kafka 4's clients support.
    pub fn pretend_kafka_2_1(&mut self) {
        self.set_max_version(api_key::PRODUCE, 7);
        self.set_max_version(api_key::FETCH, 10);
        self.set_max_version(api_key::LIST_OFFSETS, 4);
        self.set_max_version(api_key::METADATA, 7);
        self.set_max_version(api_key::API_VERSIONS, 2);
        self.set_max_version(api_key::OFFSET_COMMIT, 6);
        self.set_max_version(api_key::OFFSET_FETCH, 5);
        self.set_max_version(api_key::FIND_COORDINATOR, 2);
        self.set_max_version(api_key::INIT_PRODUCER_ID, 1);
        self.set_max_version(api_key::ADD_PARTITIONS_TO_TXN, 1);
        self.set_max_version(api_key::ADD_OFFSETS_TO_TXN, 1);
        self.set_max_version(api_key::END_TXN, 1);
        self.set_max_version(api_key::TXN_OFFSET_COMMIT, 2);
        self.set_max_version(api_key::SASL_AUTHENTICATE, 0);
        self.set_max_version(api_key::GET_TELEMETRY_SUBSCRIPTIONS, -1);
        self.set_max_version(api_key::PUSH_TELEMETRY, -1);
        self.unknown_producer = UnknownProducer::Refuse;
        self.transactions.version = 0;
        self.transactions.verifies = false;
    }

    /// What brokers make of a producer id that a partition knows nothing of, when its first sequence is not 0.
    pub fn set_unknown_producer(&mut self, unknown: UnknownProducer) {
        self.unknown_producer = unknown;
    }

    /// The partition forgets the producer id, as Kafka does after `producer.id.expiration.ms`. False: it knew none, or
    /// there is a transaction open, which Kafka spares.
    pub fn expire_producer(&mut self, topic: &str, partition: i32, producer_id: i64) -> Result<bool> {
        Ok(self.partition_mut(topic, partition)?.log.producers.expire(producer_id))
    }

    /// Every partition forgets every producer id that has no transaction open there.
    pub fn expire_all_producers(&mut self) {
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.log.producers.expire_all();
        }
    }

    /// The partition loses its records from `offset` on, though they were acknowledged: its state of producers becomes
    /// what the rest of the log tells. Whole batches go, so the end may come a little lower.
    pub fn truncate(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        self.partition_mut(topic, partition)?.log.truncate(offset);
        Ok(())
    }

    /// `message.max.bytes` from now on.
    pub fn set_message_max_bytes(&mut self, bytes: usize) {
        self.options.message_max_bytes = bytes;
    }

    pub fn set_request_max_bytes(&mut self, bytes: usize) {
        self.options.request_max_bytes = bytes;
    }

    /// Every record of the partition that retention has left, in order.
    pub fn records(&self, topic: &str, partition: i32) -> Result<Vec<StoredRecord>> {
        Ok(self.snapshot(topic, partition, 0)?.records().map(StoredRecord::from).collect())
    }

    /// The records from `first_offset` on, to be read without the cluster.
    pub fn snapshot(&self, topic: &str, partition: i32, first_offset: i64) -> Result<LogSnapshot> {
        Ok(self.partition(topic, partition)?.log.snapshot(first_offset))
    }

    pub fn record_at(&self, topic: &str, partition: i32, offset: i64) -> Option<StoredRecord> {
        self.partition(topic, partition).ok()?.log.record_at(offset)
    }

    /// The offset the next record will get: the number of records and end markers of transactions that ever came.
    pub fn end_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.partition(topic, partition).ok()?.log.end_offset())
    }

    /// `end_offset`, or an error that names what is missing.
    pub fn require_end_offset(&self, topic: &str, partition: i32) -> Result<i64> {
        Ok(self.partition(topic, partition)?.log.end_offset())
    }

    /// The first offset that retention has left.
    pub fn log_start_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.partition(topic, partition).ok()?.log.start_offset())
    }

    /// The base offset of each stored batch, in order.
    pub fn batch_base_offsets(&self, topic: &str, partition: i32) -> Option<Vec<i64>> {
        Some(self.partition(topic, partition).ok()?.log.batch_base_offsets())
    }

    pub fn partition_count(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).map(|topic| topic.partitions.len() as i32)
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Counts the changes that a server has to act on: brokers going down, up, frozen, thawed.
    pub(super) fn server_changes(&self) -> u64 {
        self.server_changes
    }

    pub(super) fn has_partition(&self, topic: &str, partition: i32) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.partition(partition).is_some())
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Result<&Partition> {
        let found = self.topics.get(topic).and_then(|topic| topic.partition(partition));
        found.ok_or_else(|| unknown_partition(topic, partition))
    }

    fn partition_mut(&mut self, topic: &str, partition: i32) -> Result<&mut Partition> {
        let found = self.topics.get_mut(topic).and_then(|topic| topic.partition_mut(partition));
        found.ok_or_else(|| unknown_partition(topic, partition))
    }

    /// One request, without its 4-byte length, that `broker` got at `now`. `wall_ms` is the broker's wall clock, for
    /// topics that keep the time of the append.
    pub fn handle_frame(&mut self, now: Time, wall_ms: i64, broker: i32, frame: &[u8]) -> Answer {
        self.advance(now, wall_ms);
        request::handle(self, now, wall_ms, Source { broker, connection: None }, frame)
    }

    /// The same over a connection, of which brokers may want to know who is at its other end. Connections are numbered
    /// in the order in which they were opened; no number is used twice.
    pub fn handle_frame_from(&mut self, now: Time, wall_ms: i64, broker: i32, connection: u64, frame: &[u8]) -> Answer {
        self.advance(now, wall_ms);
        request::handle(self, now, wall_ms, Source { broker, connection: Some(connection) }, frame)
    }
}

pub(super) fn kafka_error(code: i16, message: String) -> Error {
    Error::new(Status(code.into()), message)
}

fn unknown_partition(topic: &str, partition: i32) -> Error {
    let text = match partition {
        -1 => format!("the mock cluster has no topic {topic}"),
        _ => format!("the mock cluster has no partition {partition} of topic {topic}"),
    };
    kafka_error(code::UNKNOWN_TOPIC_OR_PARTITION, text)
}
