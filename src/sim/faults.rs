//! What goes wrong: at brokers from time to time, and to single requests and responses.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{MetadataResponse, ProduceResponse, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

use super::network::Told;
use super::plan::{Greets, Rates};
use super::{Happening, Sim};
use crate::mock::{Answer, api_key, testing};
use crate::sender::ConnId;
use crate::time::{Micros, Time};

/// Wall clock of the brokers at the start.
const WALL_MS: i64 = 1_700_000_000_000;

/// What named scenarios make of a response before it leaves.
pub(super) type Twist = Box<dyn FnMut(&mut ProduceResponse)>;
pub(super) type MetadataTwist = Box<dyn FnMut(i32, &mut MetadataResponse)>;

/// Since when, who, epoch.
type Leadership = (Time, i32, i32);

#[derive(Default)]
pub(super) struct Faults {
    pub are_over: bool,
    /// Leaders that partitions had.
    history: BTreeMap<(String, i32), Vec<Leadership>>,
    pub twist_produce: Option<Twist>,
    pub twist_metadata: Option<MetadataTwist>,
    /// Of every topic id that metadata has told: also of topics that are gone.
    pub topic_names: BTreeMap<[u8; 16], String>,
    /// Named scenarios: requests of these APIs are read and never answered.
    pub silent: Vec<(i32, i16)>,
    /// The same, and they are not acted on either: they stand in the broker's queue.
    pub frozen_requests: Vec<(i32, i16)>,
    /// Named scenarios: every request that is unanswered when its connection ends reaches its broker so much later, and
    /// not before.
    pub zombies_after: Option<Micros>,
    /// The client's process stands still until then; what happens to it meanwhile, in order; and how long it ever
    /// stood.
    pub still_until: Time,
    pub meanwhile: VecDeque<Happening>,
    pub stood_still: Micros,
}

impl Sim {
    /// Draws whether a fault of this kind happens now.
    pub(super) fn fault(&mut self, rate: impl Fn(&Rates) -> u32) -> bool {
        !self.faults.are_over && self.random.per_mille(rate(&self.plan.rates))
    }

    /// The broker has a whole request.
    pub(super) fn process(&mut self, conn: ConnId, broker: i32, request: &[u8]) {
        let (key, version) =
            (i16::from_be_bytes([request[0], request[1]]), i16::from_be_bytes([request[2], request[3]]));
        if self.fault(|rates| rates.reset_before_processing) {
            self.note(20, conn.0, 0, || format!("broker {broker} ends {conn:?} before acting on a request"));
            self.break_off(conn);
            return;
        }
        if self.faults.frozen_requests.contains(&(broker, key)) {
            self.out_of_step(conn);
            return;
        }
        if key == api_key::API_VERSIONS && version > 0 && self.greets_otherwise(conn, broker, request) {
            return;
        }
        self.note_leaders();
        if key == api_key::PRODUCE {
            self.note_ends();
        }
        let answer = self.cluster.handle_frame_from(self.now, self.wall_ms(), broker, conn.0, request);
        self.note(21, conn.0, key as u64, || format!("broker {broker} acts on API {key} v{version} from {conn:?}"));
        if self.fault(|rates| rates.reset_after_processing) {
            self.break_off(conn);
            return;
        }
        match answer {
            Answer::Nothing => {}
            Answer::Disconnect { delay } => {
                self.end_broker_side(conn);
                let at = self.now + delay + self.latency();
                self.schedule(at, Happening::HangUp(conn, "the broker closed the connection"));
            }
            Answer::Respond { bytes, delay } => {
                if self.faults.silent.contains(&(broker, key)) {
                    self.out_of_step(conn);
                    return;
                }
                self.respond(conn, broker, key, version, bytes, delay);
            }
        }
    }

    /// Whether the broker, or what stands before it, made something else of a request for its versions than Kafka does.
    fn greets_otherwise(&mut self, conn: ConnId, broker: i32, request: &[u8]) -> bool {
        let mut oldest = request.get(..8).unwrap_or_default().to_vec();
        match self.plan.greets {
            Greets::AsKafka => return false,
            Greets::TooOld(one) if one != broker => return false,
            Greets::TooOld(_) => {
                let body =
                    [&[0, 0, 0, 0, 0, 3][..], &[0, 0, 0, 0, 0, 5], &[0, 3, 0, 0, 0, 5], &[0, 18, 0, 0, 0, 0]].concat();
                let mut bytes = (4 + body.len() as u32).to_be_bytes().to_vec();
                bytes.extend_from_slice(&oldest[4..]);
                bytes.extend_from_slice(&body);
                self.respond(conn, broker, api_key::API_VERSIONS, 0, bytes, Micros::ZERO);
            }
            Greets::HangsUp => self.break_off(conn),
            Greets::Refuses(tail) => {
                let mut bytes = (6 + tail.len() as u32).to_be_bytes().to_vec();
                bytes.extend_from_slice(&oldest[4..]);
                bytes.extend_from_slice(&[0, 35]);
                bytes.extend_from_slice(tail);
                self.respond(conn, broker, api_key::API_VERSIONS, 0, bytes, Micros::ZERO);
            }
            Greets::InVersion0 => {
                // The same request in version 0, without a client id.
                oldest[2..4].fill(0);
                oldest.extend_from_slice(&[0xff; 2]);
                let answer = self.cluster.handle_frame_from(self.now, self.wall_ms(), broker, conn.0, &oldest);
                if let Answer::Respond { bytes, delay } = answer {
                    self.respond(conn, broker, api_key::API_VERSIONS, 0, bytes, delay);
                } else {
                    self.break_off(conn);
                }
            }
        }
        true
    }

    /// A request of so many bytes is coming in: whether the broker hangs up instead of reading it.
    pub(super) fn refuses_size(&mut self, conn: ConnId, len: usize) -> bool {
        let refuses = !self.faults.are_over && self.plan.request_bytes_max.is_some_and(|most| len > most);
        if refuses {
            self.note(26, conn.0, len as u64, || format!("the broker hangs up on a request of {len} bytes"));
            self.break_off(conn);
        }
        refuses
    }

    /// From now on nothing of the client's process runs for a while.
    pub(super) fn stand_still(&mut self, span: Micros) {
        self.note(27, span.0, 0, || format!("the process stands still for {} us", span.0));
        self.faults.still_until = self.now + span;
        self.faults.stood_still = Micros(self.faults.stood_still.0 + span.0);
    }

    pub(super) fn wall_ms(&self) -> i64 {
        WALL_MS + (self.now.0 / 1000) as i64
    }

    fn break_off(&mut self, conn: ConnId) {
        self.end_broker_side(conn);
        let at = self.now + self.latency();
        self.schedule(at, Happening::HangUp(conn, "connection reset"));
    }

    fn respond(&mut self, conn: ConnId, broker: i32, key: i16, version: i16, bytes: Vec<u8>, mut delay: Micros) {
        let mut bytes = bytes;
        let mut told = Told {
            answers_produce: key == api_key::PRODUCE,
            correlation_id: bytes.get(4..8).map_or(-1, |id| i32::from_be_bytes([id[0], id[1], id[2], id[3]])),
            ..Told::default()
        };
        if key == api_key::PRODUCE {
            bytes = self.twist_produce(version, bytes);
            let (_, mut response) = testing::response::<ProduceResponse>(&bytes, version);
            self.name_topics(&mut response);
            for topic in &response.responses {
                for partition in &topic.partition_responses {
                    let name = topic.name.0.to_string();
                    if partition.error_code == 0 {
                        told.appended.push((name.clone(), partition.index, partition.base_offset));
                    }
                    told.codes.push(((name, partition.index), partition.error_code));
                }
            }
            let lines = &response.responses;
            self.note(22, conn.0, told.appended.len() as u64, || format!("  answers {}", produced(lines)));
        }
        if key == api_key::METADATA {
            bytes = self.twist_metadata(broker, version, bytes);
            self.note_topic_ids(version, &bytes);
        }
        if key == api_key::INIT_PRODUCER_ID {
            bytes = self.twist_producer_id(version, bytes);
        }
        if self.is_transactional() {
            bytes = self.hide_acts(key, version, bytes);
        }
        if self.fault(|rates| rates.response_lost) {
            self.note(23, conn.0, 0, || format!("  the response to {conn:?} is lost"));
            self.out_of_step(conn);
            return;
        }
        if self.fault(|rates| rates.response_late) {
            delay = Micros(1_000 * self.plan.config.request_timeout_ms + self.random.below(2_000_000));
        }
        let repeated = self.fault(|rates| rates.response_repeated);
        let garbage = self.fault(|rates| rates.response_garbage);
        let truncated = !garbage && self.fault(|rates| rates.response_truncated);
        told.is_clean = !garbage && !truncated && self.net.links.get(&conn).is_some_and(|link| !link.is_dirty);
        if garbage || truncated {
            self.note(24, conn.0, 0, || format!("  the response to {conn:?} is damaged"));
            told.appended.clear();
            self.damage(&mut bytes, garbage);
            if let Some(link) = self.net.links.get_mut(&conn) {
                link.is_dirty = true;
            }
        }
        self.send_down(conn, &bytes, delay, told);
        if repeated {
            if let Some(link) = self.net.links.get_mut(&conn) {
                link.is_dirty = true;
            }
            self.send_down(conn, &bytes, delay, Told::default());
        }
    }

    /// An answer is missing: later ones are out of step, and the client does not believe them.
    fn out_of_step(&mut self, conn: ConnId) {
        if let Some(link) = self.net.links.get_mut(&conn) {
            link.is_dirty = true;
        }
    }

    /// No answer that a client could believe: nonsense in place of length, correlation id or body, or a body that ends
    /// early.
    fn damage(&mut self, bytes: &mut Vec<u8>, garbage: bool) {
        if !garbage {
            let keep = self.random.between(4, bytes.len() as u64 - 1) as usize;
            bytes.truncate(keep);
            bytes[..4].copy_from_slice(&(keep as u32 - 4).to_be_bytes());
        } else if self.random.percent(50) {
            bytes[8..].fill(0xff);
        } else {
            // A correlation id is changed in its highest byte: lower down it could become that of another request,
            // whose answer was lost, and nobody could tell.
            let at = self.random.below(8).min(4) as usize;
            bytes[at] ^= 1 << self.random.below(8);
        }
    }

    fn twist_produce(&mut self, version: i16, bytes: Vec<u8>) -> Vec<u8> {
        let by_chance = self.fault(|rates| rates.response_entries);
        if !by_chance && self.faults.twist_produce.is_none() && self.plan.rates.hidden_append == 0 {
            return bytes;
        }
        let (correlation_id, mut response) = testing::response::<ProduceResponse>(&bytes, version);
        self.name_topics(&mut response);
        if self.plan.config.enable_idempotence {
            self.hide_appends(&mut response);
        }
        if let Some(twist) = &mut self.faults.twist_produce {
            twist(&mut response);
        }
        if by_chance {
            for topic in &mut response.responses {
                let entries = &mut topic.partition_responses;
                match self.random.below(3) {
                    0 => {
                        entries.pop();
                    }
                    1 => entries.extend(entries.first().cloned()),
                    _ => entries.insert(0, PartitionProduceResponse::default().with_index(77)),
                }
            }
        }
        encode(correlation_id, version, &response)
    }

    /// From v13 on an answer has ids only.
    fn name_topics(&self, response: &mut ProduceResponse) {
        for topic in &mut response.responses {
            if let Some(name) = self.faults.topic_names.get(topic.topic_id.as_bytes()) {
                topic.name = TopicName(StrBytes::from_string(name.clone()));
            }
        }
    }

    /// What the client learns of topics' ids.
    fn note_topic_ids(&mut self, version: i16, bytes: &[u8]) {
        let (_, response) = testing::response::<MetadataResponse>(bytes, version);
        for topic in &response.topics {
            let name = topic.name.as_ref().map_or_else(String::new, |name| name.0.to_string());
            if !topic.topic_id.is_nil() {
                self.faults.topic_names.insert(topic.topic_id.into_bytes(), name);
            }
        }
    }

    fn twist_metadata(&mut self, broker: i32, version: i16, bytes: Vec<u8>) -> Vec<u8> {
        let loses = self.fault(|rates| rates.metadata_entries);
        let lags = self.fault(|rates| rates.metadata_lags);
        if !loses && !lags && self.faults.twist_metadata.is_none() {
            return bytes;
        }
        let (correlation_id, mut response) = testing::response::<MetadataResponse>(&bytes, version);
        if let Some(twist) = &mut self.faults.twist_metadata {
            twist(broker, &mut response);
        }
        if lags {
            let then = self.now - self.random.micros(0, 3_000_000);
            for topic in &mut response.topics {
                let name = topic.name.as_ref().map_or_else(String::new, |name| name.0.to_string());
                for partition in &mut topic.partitions {
                    let Some(history) = self.faults.history.get(&(name.clone(), partition.partition_index)) else {
                        continue;
                    };
                    let Some((_, leader, epoch)) = history.iter().rev().find(|(since, _, _)| *since <= then) else {
                        continue;
                    };
                    partition.leader_id = (*leader).into();
                    if version >= 7 {
                        partition.leader_epoch = *epoch;
                    }
                }
            }
        }
        if loses {
            match self.random.below(4) {
                0 => {
                    response.topics.pop();
                }
                1 => response.brokers.clear(),
                2 => {
                    if let Some(topic) = response.topics.first_mut() {
                        topic.partitions.clear();
                    }
                }
                _ => {
                    for topic in &mut response.topics {
                        let at = self.random.below(topic.partitions.len() as u64) as usize;
                        if at < topic.partitions.len() {
                            topic.partitions.remove(at);
                        }
                    }
                }
            }
        }
        encode(correlation_id, version, &response)
    }

    /// Remembers who leads now, for metadata that lag.
    fn note_leaders(&mut self) {
        for (name, count) in self.topic_sizes() {
            for index in 0..count {
                let Ok((leader, epoch)) = self.cluster.partition_leader(&name, index) else { continue };
                let history = self.faults.history.entry((name.clone(), index)).or_default();
                if history.last().is_none_or(|(_, _, last)| *last != epoch) {
                    history.push((self.now, leader.unwrap_or(-1), epoch));
                }
            }
        }
    }

    pub(super) fn topic_sizes(&self) -> Vec<(String, i32)> {
        let names = self.app.topics.iter().map(|topic| topic.name().to_owned());
        names.filter_map(|name| self.cluster.partition_count(&name).map(|count| (name, count))).collect()
    }

    /// Something happens to the cluster, perhaps.
    pub(super) fn fault_step(&mut self) {
        if self.faults.are_over {
            return;
        }
        self.note_leaders();
        let broker = self.random.between(1, self.plan.brokers as u64) as i32;
        if self.fault(|rates| rates.broker_down) {
            if self.cluster.is_up(broker) {
                self.note(30, broker as u64, 0, || format!("broker {broker} goes down"));
                self.cluster.broker_down(broker);
                self.cut_off(broker);
            } else {
                self.note(31, broker as u64, 0, || format!("broker {broker} comes up"));
                self.cluster.broker_up(broker);
            }
        } else if !self.cluster.is_up(broker) && self.random.percent(10) {
            self.note(31, broker as u64, 0, || format!("broker {broker} comes up"));
            self.cluster.broker_up(broker);
        }
        if self.fault(|rates| rates.broker_freezes) {
            let frozen = self.cluster.is_frozen(broker);
            self.note(32, broker as u64, 0, || format!("broker {broker} frozen: {}", !frozen));
            self.cluster.broker_set_frozen(broker, !frozen);
        }
        // Only where the bootstrap list keeps up can all of them move.
        if self.plan.bootstrap_aliases && self.fault(|rates| rates.broker_moves) {
            self.move_broker(broker);
        }
        if self.fault(|rates| rates.leader_moves) {
            self.set_leader(Some(broker));
        }
        if self.fault(|rates| rates.leader_lost) {
            self.set_leader(None);
        }
        if self.fault(|rates| rates.throttle) {
            let throttle_ms = self.random.pick(&[0, 50, 500]);
            self.cluster.set_throttle_ms(broker, throttle_ms);
        }
        if self.fault(|rates| rates.latency) {
            let latency_ms = self.random.pick(&[0, 5, 100, 700]);
            self.cluster.broker_set_latency(broker, latency_ms);
        }
        if self.fault(|rates| rates.error_code) {
            let codes = self.plan.codes.clone();
            let (code, count) = (self.random.pick(&codes), self.random.between(1, 3) as u32);
            let api = self.random.pick(&[api_key::PRODUCE, api_key::PRODUCE, api_key::METADATA, api_key::API_VERSIONS]);
            self.note(33, code as u64, count.into(), || format!("API {api} answers {code} {count} times"));
            self.cluster.push_error(api, code, count);
        }
        if self.plan.config.enable_idempotence {
            self.idempotence_fault_step();
        }
        if self.is_transactional() {
            self.transaction_fault_step();
        }
        if self.fault(|rates| rates.message_max) {
            let bytes = self.random.pick(&[300, 1_000, 5_000, 1_048_588]);
            self.note(34, bytes as u64, 0, || format!("message.max.bytes={bytes}"));
            self.cluster.set_message_max_bytes(bytes);
        }
        let left = self.plan.faults_span_us.saturating_sub(self.now.0);
        if self.faults.still_until <= self.now && self.fault(|rates| rates.stands_still) {
            let most = 2_000 * self.plan.config.request_timeout_ms;
            let span = self.random.micros(0, most).min(Micros(left));
            self.stand_still(span);
        }
        let pause = self.random.micros(1_000, 100_000);
        self.schedule(self.now + pause, Happening::Fault);
    }

    /// The broker's address changes; the old one is nobody's any more.
    pub(super) fn move_broker(&mut self, broker: i32) {
        self.moves += 1;
        let (host, port) = (format!("moved{}-{broker}", self.moves), 9000 + broker as u16);
        self.note(35, broker as u64, 0, || format!("broker {broker} moves to {host}"));
        // Bootstrap names are kept up by those who run the cluster.
        self.net.listeners.retain(|address, listener| *listener != broker || address.starts_with("boot"));
        self.net.listeners.insert(format!("{host}:{port}"), broker);
        self.cluster.set_address(broker, &host, port);
        self.cut_off(broker);
    }

    fn set_leader(&mut self, leader: Option<i32>) {
        let sizes = self.topic_sizes();
        if sizes.is_empty() {
            return;
        }
        let (name, count) = sizes[self.random.below(sizes.len() as u64) as usize].clone();
        let index = self.random.below(count as u64) as i32;
        self.note(36, index as u64, leader.map_or(0, |id| id as u64), || {
            format!("{name} [{index}] is led by {leader:?}")
        });
        let set = self.cluster.partition_set_leader(&name, index, leader);
        debug_assert!(set.is_ok(), "the partition exists");
    }

    /// Faults stop: everything is up, led and fast again.
    pub(super) fn heal(&mut self) {
        self.note(37, 0, 0, || "faults stop".into());
        self.faults.are_over = true;
        self.healed_at = self.now;
        self.cluster.clear_faults();
        if self.is_transactional() {
            self.heal_coordinators();
        }
        self.cluster.set_message_max_bytes(1_048_588);
        for broker in 1..=self.plan.brokers {
            self.cluster.broker_up(broker);
            self.cluster.broker_set_frozen(broker, false);
            self.cluster.set_throttle_ms(broker, 0);
            self.cluster.broker_set_latency(broker, 0);
        }
        self.create_late_topics();
        for (name, count) in self.topic_sizes() {
            for index in 0..count {
                if self.cluster.partition_leader(&name, index).is_ok_and(|(leader, _)| leader.is_none()) {
                    let leader = self.random.between(1, self.plan.brokers as u64) as i32;
                    let set = self.cluster.partition_set_leader(&name, index, Some(leader));
                    debug_assert!(set.is_ok(), "the partition exists");
                }
            }
        }
    }
}

fn produced(topics: &[kafka_protocol::messages::produce_response::TopicProduceResponse]) -> String {
    let mut words = Vec::new();
    for topic in topics {
        for partition in &topic.partition_responses {
            let (index, code, offset) = (partition.index, partition.error_code, partition.base_offset);
            words.push(format!("{} [{index}] code {code} offset {offset}", topic.name.0));
        }
    }
    words.join(", ")
}

pub(super) fn encode<M: Encodable + HeaderVersion>(correlation_id: i32, version: i16, response: &M) -> Vec<u8> {
    let mut bytes = BytesMut::from(&[0u8; 4][..]);
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut bytes, M::header_version(version)).expect("a header encodes");
    response.encode(&mut bytes, version).expect("a decoded response encodes again");
    let len = (bytes.len() as u32 - 4).to_be_bytes();
    bytes[..4].copy_from_slice(&len);
    bytes.to_vec()
}
