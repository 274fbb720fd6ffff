//! Metadata: whom to ask and when, and what follows from the answer. One request at a time; an answer that does not
//! come in a few seconds is sought elsewhere, so that no broker can hold the cluster's truth back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::authentication::Leaving;
use super::broker::Broker;
use super::connection::{Connection, Kind, Phase};
use super::counting::count_ended;
use super::frame::Frame;
use super::leader_tally::LeaderTally;
use super::metadata_schedule::{MetadataSchedule, Named};
use super::partition::PartitionState;
use super::rate_limit::RateLimit;
use super::timers::{Timer, Timers};
use super::topic_doubts::{Identified, TopicDoubts, is_absence, is_refusal};
use super::topic_state::{Interest, TopicState};
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
    /// Every topic that was ever in use.
    pub topics: BTreeMap<u32, TopicState>,
    pub cluster_id: Option<String>,
    /// -1 when unknown.
    pub controller_id: i32,
    /// What is asked for, and when.
    pub schedule: MetadataSchedule,
    /// Partitions of the topics in use, and their leaders.
    pub tally: LeaderTally,
    /// Topics that had records waiting for metadata when this was last looked at.
    parked: BTreeSet<u32>,
    /// Where the batches end that were ever made of parked records.
    unparked_before: u64,
    /// When the next topic or broker will not have been in use for `metadata.max.idle.ms`.
    sweep_at: Time,
    /// When `Timer::Metadata` was last armed for: saves an entry per answer.
    armed_at: Time,
    /// The last answer, or the start: without one for long the bootstrap list is tried again.
    last_answer: Time,
    /// Brokers learned from metadata are distrusted until the bootstrap list has answered.
    rebootstrapping: bool,
    /// The log has said so, and no learned broker has answered since.
    rebootstrap_told: bool,
}

impl Cluster {
    /// What is known of the brokers is not to be trusted: the bootstrap servers are asked.
    pub fn start_again(&mut self) {
        self.rebootstrapping = true;
        self.schedule.want_brokers();
    }

    pub fn new(now: Time, config: &Config) -> Cluster {
        Cluster {
            topics: BTreeMap::new(),
            cluster_id: None,
            controller_id: -1,
            schedule: MetadataSchedule::new(now, Micros::from_ms(config.metadata_max_age_ms)),
            tally: LeaderTally::default(),
            parked: BTreeSet::new(),
            unparked_before: 0,
            sweep_at: Time::NEVER,
            armed_at: Time::NEVER,
            last_answer: now,
            rebootstrapping: false,
            rebootstrap_told: false,
        }
    }

    /// How long ago the last answer came; since the start before there was one.
    pub fn metadata_age(&self, now: Time) -> Micros {
        now.since(self.last_answer)
    }

    /// Topics with records that wait for metadata.
    pub fn topics_with_parked(&mut self, accumulator: &Accumulator) -> BTreeSet<u32> {
        let topics = &self.topics;
        self.parked.retain(|id| topics.get(id).is_some_and(|state| accumulator.parked_since(&state.topic).is_some()));
        self.parked.clone()
    }

    /// The same, and perhaps some that have none any more.
    pub fn topics_wanted(&self) -> impl Iterator<Item = &TopicState> {
        self.parked.iter().filter_map(|id| self.topics.get(id))
    }

    /// No record waits for the topic's metadata any more.
    pub fn none_parked(&mut self, topic: u32) {
        self.parked.remove(&topic);
    }

    /// Whether records were known to wait for the topic's metadata.
    pub fn has_parked(&self, topic: u32) -> bool {
        self.parked.contains(&topic)
    }

    /// Where the batches end that were made of parked records, of one topic or of all.
    pub fn unparked_before(&self, topic: Option<u32>) -> u64 {
        match topic {
            Some(id) => self.topics.get(&id).map_or(0, |state| state.unparked_before),
            None => self.unparked_before,
        }
    }

    /// Parked records of the topic were put into batches, all with smaller numbers.
    pub fn note_unparked(&mut self, topic: u32, before: u64) {
        self.unparked_before = self.unparked_before.max(before);
        if let Some(state) = self.topics.get_mut(&topic) {
            state.unparked_before = before;
        }
    }

    /// The topic is in use: it belongs to those whose metadata is asked for.
    pub fn use_topic(&mut self, now: Time, topic: Arc<Topic>, max_idle: Micros) {
        let id = topic.id;
        topic.numbers.used(now);
        self.sweep_by(now + max_idle);
        let state = self.topics.entry(id).or_insert_with(|| TopicState {
            topic,
            partitions: Vec::new(),
            interest: Interest::Forgotten,
            missing: None,
            doubted_count: None,
            hurry_parked: false,
            unparked_before: 0,
            doubts: TopicDoubts::default(),
            log_limit: RateLimit::default(),
        });
        if state.interest != Interest::InUse {
            state.interest = Interest::InUse;
            // What was said of it before is asked again.
            state.missing = None;
            self.tally.set_in_use(id, true);
        }
    }

    /// Records wait for the topic's metadata, or a caller does: one that nothing is known of is asked for at once.
    pub fn want_topic(&mut self, id: u32) {
        match self.topics.get(&id) {
            Some(state) if state.topic.partition_count() == 0 && state.missing.is_none() => self.schedule.want_new(id),
            Some(_) => self.schedule.want(id),
            None => {}
        }
    }

    /// A topic in use has other partitions than before.
    pub fn recount(&mut self, topic: u32, before: u32, after: u32, partitions: &[PartitionState]) {
        let Some(state) = self.topics.get(&topic) else { return };
        let dense = |from: u32, to: u32| state.partitions.iter().take(to as usize).skip(from as usize).copied();
        for id in dense(before, after) {
            self.tally.add(id, partitions[id as usize].leader != NO_LEADER);
        }
        for id in dense(after, before) {
            self.tally.remove(id);
        }
    }

    /// Makes what the sender needs of the topic's first `count` partitions.
    fn make_room(
        &mut self,
        topic: &Arc<Topic>,
        count: u32,
        accumulator: &Accumulator,
        partitions: &mut Vec<PartitionState>,
    ) {
        let Some(state) = self.topics.get_mut(&topic.id) else { return };
        let mut made = topic.room();
        accumulator.prepare(topic, count, || {
            let dense = partitions.len() as u32;
            partitions.push(PartitionState::new(topic.clone(), made));
            made += 1;
            state.partitions.push(dense);
            dense
        });
    }

    /// Whether one more line about the topic's batches may be logged, and what to append to it.
    pub fn allow_log(&mut self, now: Time, topic: u32) -> Option<String> {
        self.topics.get_mut(&topic)?.log_limit.allow(now)
    }

    /// The dense id of a topic's partition.
    pub fn dense(&self, topic: u32, index: i32) -> Option<u32> {
        let index = usize::try_from(index).ok()?;
        self.topics.get(&topic)?.partitions.get(index).copied()
    }

    /// Something may have been out of use for long enough by then.
    pub fn sweep_by(&mut self, at: Time) {
        self.sweep_at = self.sweep_at.min(at);
    }

    /// Whether that time has come; the caller says when the next one is.
    pub fn takes_sweep(&mut self, now: Time) -> bool {
        let is_due = now >= self.sweep_at;
        if is_due {
            self.sweep_at = Time::NEVER;
        }
        is_due
    }

    /// Arms the timer unless it fires earlier anyway.
    fn arm(&mut self, timers: &mut Timers, at: Time) {
        let at = at.min(self.sweep_at);
        if at < self.armed_at {
            self.armed_at = at;
            timers.arm(Timer::Metadata, at);
        }
    }

    /// The timer has fired.
    pub fn timer_fired(&mut self) {
        self.armed_at = Time::NEVER;
    }
}

/// The partition's leader. Negative ids are those of bootstrap servers: `NO_LEADER` must not find one.
pub(super) fn leader_of<'a>(state: &PartitionState, brokers: &'a BTreeMap<i32, Broker>) -> Option<&'a Broker> {
    if state.leader == NO_LEADER { None } else { brokers.get(&state.leader) }
}

/// Whether something waits for the partition that its leader does not take.
fn is_stuck(now: Time, state: &PartitionState, brokers: &BTreeMap<i32, Broker>) -> bool {
    let answers = |broker: &Broker| broker.is_ready() && broker.connection.as_ref().is_some_and(|c| !c.is_silent(now));
    let is_served = state.retries.is_empty() && leader_of(state, brokers).is_some_and(answers);
    !is_served && (state.in_flight > 0 || state.has_any())
}

impl Sender {
    /// Records wait for this topic's metadata.
    pub(super) fn topic_wanted(&mut self, now: Time, id: u32, deadline: Time) {
        let max_idle = Micros::from_ms(self.config.metadata_max_idle_ms);
        self.cluster.use_topic(now, self.accumulator.topics.by_id(id), max_idle);
        self.cluster.parked.insert(id);
        self.timers.arm(Timer::Parked(id), deadline);
        self.cluster.want_topic(id);
        self.try_refusers(now);
    }

    /// A partition has records and no leader.
    pub(super) fn leader_wanted(&mut self, now: Time, dense: u32) {
        let topic = self.partitions[dense as usize].topic.clone();
        let id = topic.id;
        let max_idle = Micros::from_ms(self.config.metadata_max_idle_ms);
        self.cluster.use_topic(now, topic, max_idle);
        self.leaderless.insert(dense);
        self.cluster.schedule.want(id);
    }

    /// Sends a metadata request if one is due and none is under way; otherwise arms the timer for when it will be.
    pub(super) fn drive_metadata(&mut self, now: Time) {
        if self.finished {
            return;
        }
        self.forget_unused(now);
        if let Some(conn) = self.cluster.schedule.overdue(now) {
            let broker = self.connections.get(&conn).and_then(|id| self.brokers.get_mut(id));
            if let Some(broker) = broker
                && let Some(more) = broker.log_limit.allow(now)
            {
                let label = broker.label();
                self.reports.log(5, "METADATA", || {
                    format!("{label}: no answer to a metadata request for {ATTEMPT_TIMEOUT_MS} ms; asking another broker{more}")
                });
            }
        }
        let due_at = self.cluster.schedule.due_at(now);
        if due_at > now {
            self.cluster.arm(&mut self.timers, due_at);
            return;
        }
        self.maybe_rebootstrap(now);
        let wake_at = match self.metadata_source(now) {
            Source::Ask(id) => self.ask_metadata(now, id),
            Source::Connect(id) => {
                self.ensure_connected(now, id);
                now + CONNECT_PATIENCE
            }
            Source::Wait(until) => until,
        };
        self.cluster.arm(&mut self.timers, wake_at);
    }

    /// Until when the answer is waited for.
    fn ask_metadata(&mut self, now: Time, id: i32) -> Time {
        let Some(connection) = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()) else { return now };
        let (conn, version) =
            (connection.id, connection.versions.get(Api::Metadata).unwrap_or(Api::Metadata.versions().0));
        let until = now + Micros::from_ms(ATTEMPT_TIMEOUT_MS.min(self.config.request_timeout_ms));
        let deadline = now + Micros::from_ms(self.config.request_timeout_ms);
        let in_use = |(id, state): (&u32, &TopicState)| (state.interest == Interest::InUse).then_some(*id);
        let all = || self.cluster.topics.iter().filter_map(in_use).collect();
        let slack = Micros::from_ms(self.config.retry_backoff_ms / 4);
        let request = self.cluster.schedule.next(now, slack, all, |topic| self.may_create(topic));
        let topics = request.topics.iter().filter_map(|id| Some(self.cluster.topics.get(id)?.topic.clone()));
        let topics: Vec<Arc<Topic>> = topics.collect();
        let client_id = self.config.client_id.clone();
        let may_create = request.may_create;
        self.write(now, id, version, Kind::Metadata, deadline, |correlation_id| {
            let names: Vec<&str> = topics.iter().map(|topic| topic.name()).collect();
            Frame::plain(encode_metadata(version, correlation_id, &client_id, Some(&names), may_create))
        });
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        self.cluster.schedule.asked(now, conn, until, self.random.backoff(first, most, 1), request);
        until
    }

    /// Whether brokers may create the topic when they are asked for it: only if something waits for it. Another that
    /// does not exist any more was deleted, and stays so.
    fn may_create(&self, id: u32) -> bool {
        let Some(state) = self.cluster.topics.get(&id).filter(|_| self.config.allow_auto_create_topics) else {
            return false;
        };
        let has_parked = || self.cluster.has_parked(id) && self.accumulator.parked_since(&state.topic).is_some();
        let is_absent = state.missing.is_some_and(|(_, code)| is_absence(code));
        let waits =
            |dense: &u32| self.leaderless.contains(dense) || !self.partitions[*dense as usize].retries.is_empty();
        has_parked() || self.warms_up(id) || is_absent && state.partitions.iter().any(waits)
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
        if self.cluster.schedule.connection_lost(conn) {
            self.cluster.arm(&mut self.timers, now);
        }
    }

    pub(super) fn handle_metadata(&mut self, now: Time, id: i32, version: i16, body: &[u8]) -> Result<(), String> {
        let answer = decode_metadata(version, body, Detail::Leaders)
            .map_err(|error| format!("its metadata cannot be read: {error}"))?;
        self.throttle(now, id, answer.throttle_time_ms);
        let codes = answer.topics.iter().map(|topic| topic.error_code);
        let wants_rebootstrap = codes.chain([answer.error_code]).any(|code| code == REBOOTSTRAP_REQUIRED);
        // A broker that is starting does not know any other yet.
        let is_useful = !answer.brokers.is_empty() && !wants_rebootstrap;
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        let conn = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()).map(|c| c.id);
        let random = &mut self.random;
        let named = conn.and_then(|conn| {
            self.cluster.schedule.answered(now, conn, is_useful, |times| random.backoff(first, most, times))
        });
        let Some(named) = named else {
            self.cluster.rebootstrapping |= wants_rebootstrap;
            self.drive_metadata(now);
            return Ok(());
        };
        self.cluster.last_answer = now;
        self.cluster.rebootstrapping = false;
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
        self.adopt_topics(now, &answer, &named);
        self.timers.arm(Timer::LeadersMoved, now);
        if id >= 0 {
            self.cluster.rebootstrap_told = false;
        }
        self.arm_idle(id);
        self.drive_metadata(now);
        Ok(())
    }

    /// Brokers appear, move and disappear; a bootstrap connection becomes the connection of the broker that it leads
    /// to.
    fn adopt_brokers(&mut self, now: Time, answering: i32, answer: &MetadataAnswer) {
        for info in &answer.brokers {
            self.adopt_broker(now, info);
            if let Some(broker) = self.brokers.get_mut(&info.id) {
                broker.rack.clone_from(&info.rack);
            }
        }
        let is_named: BTreeSet<i32> = answer.brokers.iter().map(|info| info.id).collect();
        let mut gone: BTreeSet<i32> =
            self.brokers.keys().copied().filter(|id| *id >= 0 && !is_named.contains(id)).collect();
        if !gone.is_empty() {
            for state in &self.partitions {
                gone.remove(&state.leader);
                if state.in_flight > 0 {
                    gone.remove(&state.sent_to);
                }
            }
        }
        for id in gone {
            // Nothing of a batch is in flight there, so the connection goes with the broker: ending it in the usual way
            // would connect again.
            let removed = self.brokers.remove(&id);
            let Some(mut removed) = removed else { continue };
            self.accumulator.numbers.broker_left(now, id);
            self.accumulator.choosing.stalls.forget(id);
            self.cluster.sweep_by(now + Micros::from_ms(self.config.metadata_max_idle_ms));
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

    /// What the answer says of the topics that it was asked for.
    fn adopt_topics(&mut self, now: Time, answer: &MetadataAnswer, named: &Named) {
        let answers: BTreeMap<&str, &TopicInfo> =
            answer.topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        for (id, attempts) in &named.topics {
            let Some(topic) = self.cluster.topics.get(id).map(|state| state.topic.clone()) else { continue };
            let unsettled = match answers.get(topic.name()) {
                Some(info) if info.error_code == 0 && !info.partitions.is_empty() => {
                    self.adopt_topic(now, *id, &topic, info)
                }
                Some(info) => self.topic_missing(now, *id, info.error_code),
                // That a topic does not exist is said in an entry of its own. Ask again.
                None => self.topic_waits(*id),
            };
            let random = &mut self.random;
            let pause = |attempts| random.backoff(first, most, attempts);
            self.cluster.schedule.told(named, *id, *attempts, !unsettled, pause);
        }
    }

    /// The topic's partitions and leaders. True when records wait that this answer does not help, or when it says what
    /// only several answers are believed.
    fn adopt_topic(&mut self, now: Time, id: u32, topic: &Arc<Topic>, info: &TopicInfo) -> bool {
        let mut indexes: Vec<i32> = info.partitions.iter().map(|partition| partition.index).collect();
        indexes.sort_unstable();
        indexes.dedup();
        let (Some(0..), Some(last)) = (indexes.first(), indexes.last()) else { return true };
        // Partitions are numbered from 0; an answer that leaves one out must not shift the others.
        let mut count = last.saturating_add(1).unsigned_abs();
        let is_whole = count as usize == indexes.len();
        let more = count.saturating_sub(topic.room()) as usize;
        if count > PARTITIONS_MAX || more > 0 && self.partitions.len() + more > ALL_PARTITIONS_MAX {
            return true;
        }
        let Some(state) = self.cluster.topics.get_mut(&id) else { return false };
        state.missing = None;
        let mut is_made_again = match state.doubts.identify(now, info.topic_id) {
            Identified::Same => false,
            Identified::Another => true,
            Identified::Former => return self.topic_waits(id),
        };
        let known = topic.partition_count();
        let mut unsettled = false;
        if count > known && !is_whole && !state.doubts.believes_sparse(count) {
            (count, unsettled) = (known, true);
        } else if count < known && !is_made_again {
            // Kafka takes no partitions away. Without ids only the number tells that it is another topic.
            is_made_again = !state.doubts.has_id() && is_whole && state.doubts.believes_fewer(count);
            if !is_made_again {
                (count, unsettled) = (known, !state.doubts.has_id());
            }
        } else {
            state.doubts.count_confirmed();
        }
        if count == 0 {
            return true;
        }
        if is_made_again {
            state.doubts.clear();
            let is_transactional = self.config.transactional_id.is_some();
            for dense in &state.partitions {
                self.partitions[*dense as usize].begin_again(is_transactional);
            }
            self.reports.log(5, "METADATA", || format!("topic '{}' was deleted and made again", topic.name()));
        }
        self.cluster.make_room(topic, count, &self.accumulator, &mut self.partitions);
        let mut moved = Vec::new();
        for partition in &info.partitions {
            let Some(dense) = self.cluster.dense(id, partition.index) else { continue };
            let state = &self.partitions[dense as usize];
            let had_leader = state.leader != NO_LEADER;
            let is_older = (0..state.leader_epoch).contains(&partition.leader_epoch);
            if let Some(topic) = self.cluster.topics.get_mut(&id) {
                if !is_older {
                    topic.doubts.epoch_confirmed(state.index);
                } else {
                    let fails = is_stuck(now, state, &self.brokers);
                    if topic.doubts.believes_setback(state.index, partition.leader_epoch, fails) {
                        self.partitions[dense as usize].leader_epoch = -1;
                    } else {
                        unsettled |= fails;
                    }
                }
            }
            if self.set_leader(dense, partition.leader, partition.leader_epoch) {
                moved.push(dense);
            }
            if had_leader && self.partitions[dense as usize].leader == NO_LEADER {
                self.accumulator.leave_partition(topic, partition.index as u32, now);
            }
        }
        unsettled |= self.note_absent(now, id, &indexes, count);
        let doubted = self.publish_topic(now, id, topic, count);
        for dense in moved {
            // A leader that nothing waits for is no reason to connect to it.
            if self.partitions[dense as usize].has_any() {
                self.mark_ready(now, dense);
            }
        }
        let Some(state) = self.cluster.topics.get(&id) else { return doubted };
        let waits = state.waits_for_leader(&self.leaderless) || self.warm_up_waits_for_leader(state);
        unsettled || doubted || waits
    }

    /// The answer names these partitions of a topic that has `count` of them. Records for others are given
    /// `topic.metadata.propagation.max.ms` from the first answer that leaves theirs out. True when there are such.
    fn note_absent(&mut self, now: Time, id: u32, named: &[i32], count: u32) -> bool {
        let Some(state) = self.cluster.topics.get(&id) else { return false };
        let grace = Micros::from_ms(self.config.unknown_topic_grace_ms);
        let mut earliest = Time::NEVER;
        for dense in state.partitions.clone() {
            let index = self.partitions[dense as usize].index;
            if index >= count {
                // It was the former topic's.
                self.set_leader(dense, NO_LEADER, -1);
            }
            let is_named = named.binary_search(&(index as i32)).is_ok();
            let is_absent = !is_named && is_stuck(now, &self.partitions[dense as usize], &self.brokers);
            let Some(state) = self.cluster.topics.get_mut(&id) else { return false };
            if is_absent {
                earliest = earliest.min(state.doubts.absent_since(now, index) + grace);
            } else {
                state.doubts.not_absent(index);
            }
        }
        if earliest <= now {
            self.expire_parked(now, id);
        }
        self.timers.arm(Timer::Parked(id), earliest);
        earliest < Time::NEVER
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
            if state.index < state.topic.partition_count() {
                self.cluster.tally.set_led(dense, leader != NO_LEADER);
            }
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

    /// Whether records, or a warm-up, wait for the topic's partitions or for one of its leaders.
    pub(super) fn topic_waits(&self, id: u32) -> bool {
        let Some(state) = self.cluster.topics.get(&id) else { return false };
        state.waits_for_leader(&self.leaderless)
            || self.warms_up(id)
            || self.cluster.has_parked(id) && self.accumulator.parked_since(&state.topic).is_some()
    }

    /// The answer has no usable partitions for the topic. True when records wait for it.
    fn topic_missing(&mut self, now: Time, id: u32, code: i16) -> bool {
        let Some(state) = self.cluster.topics.get(&id) else { return false };
        let (topic, since) = (state.topic.clone(), state.missing);
        let is_stuck = |dense: &u32| is_stuck(now, &self.partitions[*dense as usize], &self.brokers);
        let stuck: Vec<u32> = state.partitions.iter().copied().filter(is_stuck).collect();
        if is_refusal(code) {
            let status = Status(i32::from(code));
            let cause = format!("metadata of topic '{}': {}", topic.name(), status.text());
            self.fail_all_parked(now, &topic, status, &cause);
            for dense in &stuck {
                self.fail_queued(now, *dense, status, &cause);
            }
            // What follows something in flight fails after it: until then the topic is asked for, or nothing would end
            // its wait.
            let is_left = stuck.iter().any(|dense| self.partitions[*dense as usize].has_any());
            if let Some(state) = self.cluster.topics.get_mut(&id) {
                state.interest = if is_left { Interest::InUse } else { Interest::Refused };
                state.missing = Some((Time::NEVER, code));
            }
            return is_left;
        }
        let waits = !stuck.is_empty() || self.topic_waits(id);
        if !waits && is_absence(code) && self.forget_topic(now, id) {
            return false;
        }
        let since = since.map_or(Time::NEVER, |(since, _)| since);
        let since = if waits { since.min(now) } else { Time::NEVER };
        if let Some(state) = self.cluster.topics.get_mut(&id) {
            state.missing = Some((since, code));
        }
        if !waits {
            return false;
        }
        let grace_ends = since + Micros::from_ms(self.config.unknown_topic_grace_ms);
        if grace_ends <= now {
            self.expire_parked(now, id);
            return self.topic_waits(id);
        }
        let deadline = self.accumulator.parked_since(&topic).map_or(Time::NEVER, |(_, deadline)| deadline);
        self.timers.arm(Timer::Parked(id), grace_ends.min(deadline));
        true
    }
}

/// No cluster has a topic with more; a count beyond it is a damaged answer.
const PARTITIONS_MAX: u32 = 1_000_000;
/// Partitions of all topics that a producer keeps track of: what each takes is never given back.
const ALL_PARTITIONS_MAX: usize = 2_000_000;

pub(super) enum Source {
    Ask(i32),
    Connect(i32),
    Wait(Time),
}
