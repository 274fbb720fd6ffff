//! Metadata: whom to ask and when, and what follows from the answer. One request at a time; an answer that does not come in
//! a few seconds is sought elsewhere, so that no broker can hold the cluster's truth back.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::authentication::Leaving;
use super::broker::Broker;
use super::connection::{Connection, Kind, Phase};
use super::counting::count_ended;
use super::frame::Frame;
use super::partition::PartitionState;
use super::sequence::SequenceBreak;
use super::timers::Timer;
use super::{Action, ConnId, Sender};
use crate::accumulator::{Accumulator, NO_LEADER, Topic};
use crate::config::Config;
use crate::error::Status;
use crate::text::line_of;
use crate::time::{Micros, Time};
use crate::wire::api::{BrokerInfo, Detail, MetadataAnswer, TopicInfo, decode_metadata, encode_metadata};
use crate::wire::header::Api;

/// A broker that takes longer than this to answer is not asked again now; another is.
const ATTEMPT_TIMEOUT_MS: u64 = 5_000;
/// A connection that is not made by then has another tried beside it.
const CONNECT_PATIENCE: Micros = Micros::from_ms(1_000);
const REBOOTSTRAP_REQUIRED: i16 = 129;
/// Kafka's own have 22 bytes.
const CLUSTER_ID_SHOWN_MAX: usize = 100;

pub struct Cluster {
    pub topics: BTreeMap<u32, TopicState>,
    pub cluster_id: Option<String>,
    /// -1 when unknown.
    pub controller_id: i32,
    /// The connection whose answer is awaited, and until when.
    asked: Option<(ConnId, Time)>,
    /// The topics that the last request named: an answer says nothing about those that were wanted after it was built.
    asked_topics: BTreeSet<u32>,
    /// When metadata is too old (`metadata.max.age.ms`).
    refresh_at: Time,
    /// Somebody waits for newer metadata.
    wanted: bool,
    /// Back-off between attempts, and its exponent.
    not_before: Time,
    attempts: u32,
    /// The last answer, or the start: without one for long the bootstrap list is tried again.
    last_answer: Time,
    /// Brokers learned from metadata are distrusted until the bootstrap list has answered.
    rebootstrapping: bool,
    /// The log has said so, and no learned broker has answered since.
    rebootstrap_told: bool,
}

/// A topic that records were sent to.
pub struct TopicState {
    pub topic: Arc<Topic>,
    /// Dense ids by partition index.
    pub partitions: Vec<u32>,
    /// Since when answers say that it does not exist, and how.
    pub missing: Option<(Time, i16)>,
    /// The partition count of the last answer, while records wait for partitions beyond it.
    pub doubted_count: Option<u32>,
    /// Somebody waits for a record that waits for metadata: what becomes of those does not linger.
    pub hurry_parked: bool,
    /// The batches that parked records were put into last have smaller numbers: a flush that was asked for before that, and
    /// is handled after it, covers them.
    pub unparked_before: u64,
    /// Tells a topic from one of the same name that was made after it was deleted; zero when not told.
    pub topic_id: [u8; 16],
}

impl Cluster {
    pub fn new(now: Time, config: &Config) -> Cluster {
        Cluster {
            topics: BTreeMap::new(),
            cluster_id: None,
            controller_id: -1,
            asked: None,
            asked_topics: BTreeSet::new(),
            refresh_at: now + Micros::from_ms(config.metadata_max_age_ms),
            wanted: false,
            not_before: Time::ZERO,
            attempts: 0,
            last_answer: now,
            rebootstrapping: false,
            rebootstrap_told: false,
        }
    }

    /// How long ago the last answer came; since the start before there was one.
    pub fn metadata_age(&self, now: Time) -> Micros {
        now.since(self.last_answer)
    }

    /// Whether somebody waits for newer metadata already.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Topics with records that wait for metadata.
    pub fn topics_with_parked(&self, accumulator: &Accumulator) -> BTreeSet<u32> {
        let parked = |state: &TopicState| accumulator.parked_since(&state.topic).is_some();
        self.topics.iter().filter(|(_, state)| parked(state)).map(|(id, _)| *id).collect()
    }

    /// Where the batches end that were made of parked records, of one topic or of all.
    pub fn unparked_before(&self, topic: Option<u32>) -> u64 {
        match topic {
            Some(id) => self.topics.get(&id).map_or(0, |state| state.unparked_before),
            None => self.topics.values().map(|state| state.unparked_before).max().unwrap_or(0),
        }
    }
}

impl Sender {
    /// Records wait for this topic's metadata.
    pub(super) fn topic_wanted(&mut self, now: Time, id: u32, deadline: Time) {
        self.use_topic(id);
        self.timers.arm(Timer::Parked(id), deadline);
        self.refresh_metadata(now);
        self.try_refusers(now);
    }

    /// The topic belongs to those whose metadata is asked for.
    pub(super) fn use_topic(&mut self, id: u32) {
        let topic = self.accumulator.topics.by_id(id);
        if let Entry::Vacant(vacant) = self.cluster.topics.entry(id) {
            vacant.insert(TopicState {
                topic,
                partitions: Vec::new(),
                missing: None,
                doubted_count: None,
                hurry_parked: false,
                unparked_before: 0,
                topic_id: [0; 16],
            });
            // The back-off is for repeated questions: a new topic is asked for at once.
            self.cluster.not_before = Time::ZERO;
        }
    }

    /// Newer metadata is wanted as soon as the back-off allows.
    pub(super) fn refresh_metadata(&mut self, now: Time) {
        if !self.cluster.wanted {
            self.cluster.wanted = true;
            self.drive_metadata(now);
        }
    }

    /// Sends a metadata request if one is due and none is under way; otherwise arms the timer for when it will be.
    pub(super) fn drive_metadata(&mut self, now: Time) {
        if self.finished {
            return;
        }
        if let Some((conn, until)) = self.cluster.asked {
            if now < until {
                self.timers.arm(Timer::Metadata, until);
                return;
            }
            self.cluster.asked = None;
            self.reports.log(5, "METADATA", || {
                let id = self.connections.get(&conn).and_then(|id| self.brokers.get(id));
                let label = id.map_or_else(|| "a broker".into(), Broker::label);
                format!("{label}: no answer to a metadata request for {ATTEMPT_TIMEOUT_MS} ms; asking another broker")
            });
            self.cluster.wanted = true;
        }
        if now >= self.cluster.refresh_at {
            self.cluster.wanted = true;
        }
        if !self.cluster.wanted {
            self.timers.arm(Timer::Metadata, self.cluster.refresh_at);
            return;
        }
        if now < self.cluster.not_before {
            self.timers.arm(Timer::Metadata, self.cluster.not_before);
            return;
        }
        self.maybe_rebootstrap(now);
        match self.metadata_source(now) {
            Source::Ask(id) => self.ask_metadata(now, id),
            Source::Connect(id) => self.ensure_connected(now, id),
            Source::Wait(until) => self.timers.arm(Timer::Metadata, until),
        }
    }

    fn ask_metadata(&mut self, now: Time, id: i32) {
        let Some(connection) = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()) else { return };
        let (conn, version) =
            (connection.id, connection.versions.get(Api::Metadata).unwrap_or(Api::Metadata.versions().0));
        let until = now + Micros::from_ms(ATTEMPT_TIMEOUT_MS.min(self.config.request_timeout_ms));
        let deadline = now + Micros::from_ms(self.config.request_timeout_ms);
        let topics: Vec<Arc<Topic>> = self.cluster.topics.values().map(|state| state.topic.clone()).collect();
        let client_id = self.config.client_id.clone();
        let auto_create = self.config.allow_auto_create_topics;
        self.write(now, id, version, Kind::Metadata, deadline, |correlation_id| {
            let names: Vec<&str> = topics.iter().map(|topic| topic.name()).collect();
            Frame::plain(encode_metadata(version, correlation_id, &client_id, Some(&names), auto_create))
        });
        self.cluster.asked_topics = self.cluster.topics.keys().copied().collect();
        self.cluster.wanted = false;
        self.cluster.attempts += 1;
        let step = self.cluster.attempts;
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        self.cluster.not_before = now + self.random.backoff(first, most, step);
        self.cluster.asked = Some((conn, until));
        self.timers.arm(Timer::Metadata, until);
    }

    /// Whom to ask: a connected broker with the least to do; else one to connect to; else when to try again.
    pub(super) fn metadata_source(&mut self, now: Time) -> Source {
        let distrust = self.cluster.rebootstrapping;
        let usable = |broker: &&Broker| !distrust || broker.is_bootstrap();
        // One that owes an answer is not asked again, however long it takes: another one is.
        let owes = |broker: &Broker| broker.connection.as_ref().is_some_and(Connection::owes_metadata);
        let ready = self.brokers.values().filter(usable).filter(|broker| broker.takes_requests() && !owes(broker));
        let in_flight = |broker: &&Broker| broker.connection.as_ref().map_or(usize::MAX, |c| c.in_flight());
        // Nor is one that may hang, as long as there is another.
        let hangs = |broker: &Broker| broker.connection.as_ref().is_some_and(|connection| connection.is_silent(now));
        if let Some(broker) = ready.clone().filter(|broker| !hangs(broker)).min_by_key(in_flight) {
            return Source::Ask(broker.id);
        }
        // One connection at a time is being made, unless it takes long: then another is tried beside it.
        let making = self.brokers.values().filter(usable).filter_map(|broker| broker.connection.as_ref());
        // So is a session being renewed.
        let begun_at = |c: &Connection| if c.phase == Phase::Ready { c.sasl.held_since } else { Some(c.begun_at) };
        let begun_at = making.filter_map(begun_at).max();
        let patience_ends = begun_at.map_or(Time::ZERO, |begun_at| begun_at + CONNECT_PATIENCE);
        if now < patience_ends {
            return Source::Wait(patience_ends);
        }
        let idle = self.brokers.values().filter(usable).filter(|broker| broker.connection.is_none());
        let free: Vec<i32> = idle.clone().filter(|broker| broker.retry_at <= now).map(|broker| broker.id).collect();
        let known: Vec<i32> = free.iter().copied().filter(|id| *id >= 0).collect();
        let last_resort = ready.min_by_key(in_flight).map(|broker| broker.id);
        let choice = match last_resort {
            None if known.is_empty() => &free,
            _ => &known,
        };
        if !choice.is_empty() {
            return Source::Connect(choice[self.random.below(choice.len() as u64) as usize]);
        }
        if let Some(id) = last_resort {
            return Source::Ask(id);
        }
        // Brokers that owe an answer have a request deadline, and what follows from it calls `drive_metadata`.
        let earliest = idle.map(|broker| broker.retry_at).min();
        Source::Wait(earliest.unwrap_or(Time::NEVER))
    }

    /// KIP-899 and KIP-1102: the bootstrap list is tried again when nothing known answers.
    fn maybe_rebootstrap(&mut self, now: Time) {
        let learned = self.brokers.values().filter(|broker| !broker.is_bootstrap());
        if !self.config.metadata_recovery_rebootstrap || self.cluster.rebootstrapping || learned.clone().count() == 0 {
            return;
        }
        let trigger = Micros::from_ms(self.config.metadata_recovery_rebootstrap_trigger_ms);
        let none_answers = learned.clone().all(|broker| broker.connection.is_none() && broker.failures > 0);
        let silent = now.since(self.cluster.last_answer) >= trigger && learned.clone().all(|b| !b.is_ready());
        if none_answers || silent {
            self.cluster.rebootstrapping = true;
            if !std::mem::replace(&mut self.cluster.rebootstrap_told, true) {
                let text = "no known broker answers: asking the bootstrap servers again";
                self.reports.log(5, "METADATA", || text.into());
            }
        }
    }

    /// A connection is gone; if it owed us metadata, another is asked.
    pub(super) fn metadata_connection_lost(&mut self, now: Time, conn: ConnId) {
        if self.cluster.asked.is_some_and(|(asked, _)| asked == conn) {
            self.cluster.asked = None;
            self.cluster.wanted = true;
            self.timers.arm(Timer::Metadata, self.cluster.not_before.max(now));
        }
    }

    pub(super) fn handle_metadata(&mut self, now: Time, id: i32, version: i16, body: &[u8]) -> Result<(), String> {
        let answer = decode_metadata(version, body, Detail::Leaders)
            .map_err(|error| format!("its metadata cannot be read: {error}"))?;
        let asked = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()).map(|c| c.id);
        if self.cluster.asked.is_some_and(|(conn, _)| Some(conn) == asked) {
            self.cluster.asked = None;
        }
        self.throttle(now, id, answer.throttle_time_ms);
        if answer.topics.iter().any(|topic| topic.error_code == REBOOTSTRAP_REQUIRED) {
            self.cluster.rebootstrapping = true;
            self.cluster.wanted = true;
            self.drive_metadata(now);
            return Ok(());
        }
        if answer.brokers.is_empty() {
            // A broker that is starting does not know anybody yet.
            self.cluster.wanted = true;
            self.drive_metadata(now);
            return Ok(());
        }
        self.cluster.last_answer = now;
        self.cluster.rebootstrapping = false;
        self.cluster.refresh_at = now + Micros::from_ms(self.config.metadata_max_age_ms);
        if answer.cluster_id.is_some() && answer.cluster_id != self.cluster.cluster_id {
            let known = self.cluster.cluster_id.take();
            self.cluster.cluster_id = answer.cluster_id.clone();
            if let (Some(old), Some(new)) = (known, self.cluster.cluster_id.clone()) {
                // Another cluster counts its leaders' epochs anew, and may have given our producer id to somebody else.
                self.partitions.iter_mut().for_each(|state| state.leader_epoch = -1);
                self.forget_producer_id();
                if let Some(more) = self.brokers.get_mut(&id).and_then(|broker| broker.log_limit.allow(now)) {
                    // Both, however long a broker makes them.
                    let (old, new) = (line_of(&old, CLUSTER_ID_SHOWN_MAX), line_of(&new, CLUSTER_ID_SHOWN_MAX));
                    self.reports.log(4, "METADATA", || {
                        format!(
                            "the cluster id changed from {old} to {new}: do the bootstrap servers name one cluster?{more}"
                        )
                    });
                }
            }
        }
        self.cluster.controller_id = answer.controller_id;
        self.accumulator.numbers.metadata_refreshes.add(1);
        self.note_change();
        self.adopt_brokers(now, id, &answer);
        // Who chooses partitions for the records that get theirs now looks at the brokers' racks.
        self.publish_cluster();
        self.adopt_topics(now, answer);
        self.leave_silent_leaders(now);
        if id >= 0 {
            self.cluster.rebootstrap_told = false;
        }
        self.arm_idle(id);
        self.drive_metadata(now);
        Ok(())
    }

    /// Brokers appear, move and disappear; a bootstrap connection becomes the connection of the broker that it leads to.
    fn adopt_brokers(&mut self, now: Time, answering: i32, answer: &MetadataAnswer) {
        for info in &answer.brokers {
            self.adopt_broker(now, info);
            if let Some(broker) = self.brokers.get_mut(&info.id) {
                broker.rack.clone_from(&info.rack);
            }
        }
        let gone: Vec<i32> = self
            .brokers
            .keys()
            .copied()
            .filter(|id| *id >= 0 && !answer.brokers.iter().any(|info| info.id == *id))
            .filter(|id| {
                !self.partitions.iter().any(|state| state.leader == *id || state.sent_to == *id && state.in_flight > 0)
            })
            .collect();
        for id in gone {
            // Nothing of a batch is in flight there, so the connection goes with the broker: ending it in the usual way would
            // connect again.
            let removed = self.brokers.remove(&id);
            let Some(mut removed) = removed else { continue };
            if let Some(connection) = removed.connection.take() {
                count_ended(&self.accumulator.numbers, &removed, connection.requests.len());
                let conn = connection.id;
                self.connections.remove(&conn);
                self.actions.push_back(Action::Close { conn });
                self.metadata_connection_lost(now, conn);
                let written = connection.written_bytes;
                for request in connection.requests {
                    let is_written = request.end <= written;
                    self.request_lost(now, id, request.kind, is_written, "the broker has left the cluster");
                }
            }
        }
        let Some(from) = self.brokers.get(&answering).filter(|broker| broker.is_bootstrap()) else { return };
        let same = |broker: &&Broker| !broker.is_bootstrap() && broker.host == from.host && broker.port == from.port;
        let Some(to) = self.brokers.values().find(same).filter(|to| to.connection.is_none()).map(|to| to.id) else {
            return;
        };
        let connection = self.brokers.get_mut(&answering).and_then(|broker| broker.connection.take());
        if let (Some(connection), Some(broker)) = (connection, self.brokers.get_mut(&to)) {
            self.connections.insert(connection.id, to);
            broker.connection = Some(connection);
            broker.was_connected = true;
            broker.numbers.connects.add(1);
            let open = broker.connection.as_ref().map_or(0, |connection| connection.requests.len());
            broker.numbers.requests.add(open as u64);
            broker.failures = 0;
            // Its requests' deadlines were armed under the other id.
            let at = broker.connection.as_ref().map_or(Time::NEVER, |c| c.request_deadline().min(c.sasl.due_at()));
            self.arm_broker(to, at);
            self.arm_idle(to);
        }
    }

    pub(super) fn adopt_broker(&mut self, now: Time, info: &BrokerInfo) {
        let Ok(port) = u16::try_from(info.port) else { return };
        match self.brokers.get_mut(&info.id) {
            _ if info.id < 0 => {}
            None => {
                let numbers = self.accumulator.numbers.broker(info.id);
                self.brokers.insert(info.id, Broker::new(info.id, info.host.clone(), port, numbers));
                self.note_change();
            }
            Some(broker) if broker.host != info.host || broker.port != port => {
                broker.host = info.host.clone();
                broker.port = port;
                broker.failures = 0;
                broker.retry_at = now;
                let Some(connection) = &broker.connection else { return };
                let (conn, address) = (connection.id, format!("{}:{port}", info.host));
                if connection.phase == Phase::Ready && !connection.is_silent(now) {
                    // What is in flight there is answered first.
                    self.leave(now, info.id, Leaving::Moved(address));
                } else {
                    self.drop_connection(now, conn, format!("the broker moved to {address}"));
                }
            }
            Some(_) => {}
        }
    }

    fn adopt_topics(&mut self, now: Time, answer: MetadataAnswer) {
        let mut answers: BTreeMap<&str, &TopicInfo> =
            answer.topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        let ids: Vec<u32> = self.cluster.topics.keys().copied().collect();
        let mut unsettled = false;
        let mut not_asked = false;
        for id in ids {
            let Some(state) = self.cluster.topics.get(&id) else { continue };
            let topic = state.topic.clone();
            if !self.cluster.asked_topics.contains(&id) {
                not_asked = true;
                continue;
            }
            match answers.remove(topic.name()) {
                Some(info) if info.error_code == 0 && !info.partitions.is_empty() => {
                    unsettled |= self.adopt_topic(now, id, &topic, info);
                }
                Some(info) => unsettled |= self.topic_missing(now, id, info.error_code),
                // That a topic does not exist is said in an entry of its own. Ask again.
                None => unsettled |= self.topic_waits(id),
            }
        }
        if unsettled {
            self.cluster.wanted = true;
        } else {
            self.cluster.attempts = 0;
        }
        if not_asked {
            self.cluster.wanted = true;
            self.cluster.not_before = Time::ZERO;
        }
    }

    /// The topic's partitions and leaders. True when records wait that this answer does not help.
    fn adopt_topic(&mut self, now: Time, id: u32, topic: &Arc<Topic>, info: &TopicInfo) -> bool {
        let indexes = info.partitions.iter().map(|partition| partition.index);
        // Partitions are numbered from 0; an answer that leaves one out must not shift the others.
        let count = indexes.max().map_or(0, |most| most.max(-1).saturating_add(1)) as u32;
        if let Some(state) = self.cluster.topics.get_mut(&id) {
            state.missing = None;
        }
        self.notice_recreation(id, topic, info);
        let known = topic.partition_count();
        if count as usize > info.partitions.len() || count > PARTITIONS_MAX {
            return true;
        }
        let partitions = &mut self.partitions;
        let mut made = topic.room();
        let accumulator = self.accumulator.clone();
        let mut ids = Vec::new();
        let number = || {
            let dense = partitions.len() as u32;
            partitions.push(PartitionState::new(topic.clone(), made));
            made += 1;
            ids.push(dense);
            dense
        };
        let count = count.max(known);
        accumulator.prepare(topic, count, number);
        if let Some(state) = self.cluster.topics.get_mut(&id) {
            state.partitions.extend(ids);
        }
        let mut moved = Vec::new();
        for partition in &info.partitions {
            let Some(dense) = self.dense(id, partition.index) else { continue };
            let had_leader = self.partitions[dense as usize].leader != NO_LEADER;
            if self.set_leader(dense, partition.leader, partition.leader_epoch) {
                moved.push(dense);
            }
            if had_leader && self.partitions[dense as usize].leader == NO_LEADER {
                accumulator.leave_partition(topic, partition.index as u32, now);
            }
        }
        let doubted = self.publish_topic(now, id, topic, count);
        for dense in moved {
            // A leader that nothing waits for is no reason to connect to it.
            if self.partitions[dense as usize].has_any() {
                self.mark_ready(now, dense);
            }
        }
        let Some(state) = self.cluster.topics.get(&id) else { return doubted };
        doubted || self.waits_for_leader(state) || self.warm_up_waits_for_leader(state)
    }

    /// A topic of the same name but another id is another topic: its leaders' epochs begin anew, and so do our sequences, under
    /// a new producer epoch. What may be in the log of the old one is reported as such.
    fn notice_recreation(&mut self, id: u32, topic: &Topic, info: &TopicInfo) {
        let Some(state) = self.cluster.topics.get_mut(&id) else { return };
        if info.topic_id == [0; 16] {
            // An older broker does not tell.
            return;
        }
        let before = std::mem::replace(&mut state.topic_id, info.topic_id);
        if before == [0; 16] || before == info.topic_id {
            return;
        }
        let transactional = self.config.transactional_id.is_some();
        for dense in &state.partitions {
            let partition = &mut self.partitions[*dense as usize];
            partition.leader_epoch = -1;
            partition.ramp = None;
            partition.acked_offset = -1;
            partition.sequences.break_off(SequenceBreak::TopicMadeAgain);
            // Its brokers know nothing of the sequences so far. In a transaction that is for the coordinator to sort out:
            // the broker's refusal costs the transaction.
            if !transactional {
                partition.sequences.refuse();
            }
        }
        self.reports.log(5, "METADATA", || format!("topic '{}' was deleted and made again", topic.name()));
    }

    /// Takes over a leader unless the answer is older than what is known. True when records may now be sent there.
    pub(super) fn set_leader(&mut self, dense: u32, leader: i32, epoch: i32) -> bool {
        let known = self.brokers.contains_key(&leader);
        let state = &mut self.partitions[dense as usize];
        if epoch >= 0 && epoch < state.leader_epoch {
            // One broker lags behind another: keep what we have, and keep asking if that has failed us.
            return state.leader != NO_LEADER && self.leaderless.remove(&dense);
        }
        state.leader_epoch = epoch;
        let leader = if leader >= 0 && known { leader } else { NO_LEADER };
        let changed = state.leader != leader;
        if changed {
            self.published.note();
        }
        state.leader = leader;
        state.shared().set_leader(leader);
        let waited = leader != NO_LEADER && self.leaderless.remove(&dense);
        if changed {
            // Its place in the old leader's line is void.
            let has_work = state.queued_on.take().is_some() || !state.retries.is_empty();
            if has_work && leader == NO_LEADER {
                self.leaderless.insert(dense);
            }
        }
        waited || (changed && leader != NO_LEADER)
    }

    /// Whether records wait for the topic's partitions or for one of its leaders.
    fn topic_waits(&self, id: u32) -> bool {
        let Some(state) = self.cluster.topics.get(&id) else { return false };
        self.accumulator.parked_since(&state.topic).is_some() || self.waits_for_leader(state) || self.warms_up(id)
    }

    /// Whether records wait for one of the topic's leaders.
    fn waits_for_leader(&self, state: &TopicState) -> bool {
        state.partitions.iter().any(|dense| self.leaderless.contains(dense))
    }

    /// The answer has no usable partitions for the topic. True when records wait for it.
    fn topic_missing(&mut self, now: Time, id: u32, code: i16) -> bool {
        let Some(state) = self.cluster.topics.get_mut(&id) else { return false };
        let since = state.missing.map_or(now, |(since, _)| since);
        let topic = state.topic.clone();
        state.missing = Some((since, code));
        let Some((_, deadline)) = self.accumulator.parked_since(&topic) else {
            return self.warms_up(id) || self.cluster.topics.get(&id).is_some_and(|state| self.waits_for_leader(state));
        };
        let status = Status(i32::from(code));
        if code != 0 && !status.is_retriable() {
            let cause = format!("metadata of topic '{}': {}", topic.name(), status.text());
            self.fail_all_parked(now, &topic, status, &cause);
            return false;
        }
        let grace_ends = since + Micros::from_ms(self.config.unknown_topic_grace_ms);
        if grace_ends <= now {
            self.expire_parked(now, id);
            return false;
        }
        self.timers.arm(Timer::Parked(id), grace_ends.min(deadline));
        true
    }

    /// The dense id of a topic's partition.
    pub(super) fn dense(&self, topic: u32, index: i32) -> Option<u32> {
        let index = usize::try_from(index).ok()?;
        self.cluster.topics.get(&topic)?.partitions.get(index).copied()
    }
}

/// No cluster has a topic with more; a count beyond it is a damaged answer.
const PARTITIONS_MAX: u32 = 1_000_000;

pub(super) enum Source {
    Ask(i32),
    Connect(i32),
    Wait(Time),
}
