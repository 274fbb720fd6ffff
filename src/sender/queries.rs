//! Metadata that the application asks for: requests of their own beside the sender's, so that no question of the
//! application's changes what is sent where. A broker that does not answer in a few seconds has another asked.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use super::Sender;
use super::cluster::Source;
use super::connection::Kind;
use super::frame::Frame;
use super::timers::Timer;
use super::topic_doubts::is_refusal;
use super::topic_state::{Interest, TopicState};
use crate::accumulator::{
    BrokerView, MetadataReply, NO_LEADER, Nodes, PartitionDetail, Question, Snapshot, TopicDetail,
};
use crate::error::{Error, Status};
use crate::time::{Micros, Time};
use crate::wire::api::{Detail, MetadataAnswer, NodeLists, TopicInfo, decode_metadata, encode_metadata};
use crate::wire::header::Api;

/// A broker that takes longer than this to answer is not waited for; another is asked.
const ATTEMPT_TIMEOUT: Micros = Micros::from_ms(5_000);

/// Questions without a final answer.
#[derive(Debug, Default)]
pub struct Queries {
    open: Vec<Query>,
    /// Requests so far: numbers them.
    requests: u64,
}

#[derive(Debug)]
struct Query {
    question: Question,
    reply: Arc<MetadataReply>,
    /// The request whose answer is awaited, and until when.
    asked: Option<(u64, Time)>,
    not_before: Time,
    /// Answers that were not final.
    attempts: u32,
}

impl Query {
    /// Nobody waits for it any more.
    fn is_given_up(&self) -> bool {
        Arc::strong_count(&self.reply) == 1
    }
}

impl Sender {
    pub(super) fn handle_query(&mut self, now: Time, question: Question, reply: Arc<MetadataReply>) {
        if !question.fresh {
            reply.answer(Ok(self.known_snapshot(question.topic.as_deref())));
            self.reports.complete(&reply.done);
            return;
        }
        self.queries.open.push(Query { question, reply, asked: None, not_before: now, attempts: 0 });
        self.drive_queries(now);
        self.try_refusers(now);
    }

    /// Asks what is to be asked now. Called whenever a connection, metadata or the time has changed something.
    pub(super) fn drive_queries(&mut self, now: Time) {
        self.queries.open.retain(|query| !query.is_given_up());
        let mut wake_at = Time::NEVER;
        for at in 0..self.queries.open.len() {
            let query = &mut self.queries.open[at];
            let waits_until = match query.asked {
                Some((_, until)) if now < until => until,
                _ => query.not_before,
            };
            if waits_until > now {
                wake_at = wake_at.min(waits_until);
                continue;
            }
            query.asked = None;
            match self.metadata_source(now) {
                Source::Ask(id) => wake_at = wake_at.min(self.ask_query(now, id, at)),
                // Metadata in general finds a way to some broker, the bootstrap list if need be.
                Source::Connect(_) | Source::Wait(_) => self.cluster.schedule.want_brokers(),
            }
        }
        self.timers.arm(Timer::Query, wake_at);
    }

    /// Until when the answer is waited for.
    fn ask_query(&mut self, now: Time, id: i32, at: usize) -> Time {
        let Some(connection) = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()) else { return now };
        let version = connection.versions.get(Api::Metadata).unwrap_or(Api::Metadata.versions().0);
        self.queries.requests += 1;
        let serial = self.queries.requests;
        let until = now + ATTEMPT_TIMEOUT.min(Micros::from_ms(self.config.request_timeout_ms));
        let query = &mut self.queries.open[at];
        query.asked = Some((serial, until));
        let names: Vec<Arc<CStr>> = match &query.question.topic {
            Some(topic) => vec![topic.clone()],
            None => {
                let in_use = self.cluster.topics.values().filter(|state| state.interest != Interest::Forgotten);
                in_use.map(|state| state.topic.c_name().clone()).collect()
            }
        };
        // Of the topics in use one may have been deleted: that is told, and no reason to bring it back.
        let auto_create = self.config.allow_auto_create_topics && query.question.topic.is_some();
        let client_id = self.config.client_id.clone();
        let deadline = now + Micros::from_ms(self.config.request_timeout_ms);
        self.write(now, id, version, Kind::Query(serial), deadline, |correlation_id| {
            let names: Vec<&str> = names.iter().map(|name| name.to_str().unwrap_or_default()).collect();
            Frame::plain(encode_metadata(version, correlation_id, &client_id, Some(&names), auto_create))
        });
        until
    }

    pub(super) fn handle_query_answer(
        &mut self,
        now: Time,
        id: i32,
        serial: u64,
        version: i16,
        body: &[u8],
    ) -> Result<(), String> {
        let answer = decode_metadata(version, body, Detail::Replicas);
        // Whatever it says, others can be asked again.
        self.note_change();
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.query_lost(now, serial);
                return Err(format!("its metadata cannot be read: {error}"));
            }
        };
        self.throttle(now, id, answer.throttle_time_ms);
        self.arm_idle(id);
        // The broker owes nothing any more: metadata in general may have waited for just that.
        self.drive_metadata(now);
        let asked = |query: &Query| query.asked.is_some_and(|(asked, _)| asked == serial);
        let Some(at) = self.queries.open.iter().position(asked) else { return Ok(()) };
        let auto_create = self.config.allow_auto_create_topics;
        let is_final = is_final(&answer, self.queries.open[at].question.topic.is_some(), auto_create);
        if !answer.brokers.is_empty() {
            let snapshot = self.snapshot_of(answer);
            self.queries.open[at].reply.answer(Ok(snapshot));
        }
        if is_final {
            let query = self.queries.open.swap_remove(at);
            self.reports.complete(&query.reply.done);
        } else {
            self.query_back_off(now, at);
        }
        Ok(())
    }

    /// The connection ended before the answer came.
    pub(super) fn query_lost(&mut self, now: Time, serial: u64) {
        let asked = |query: &Query| query.asked.is_some_and(|(asked, _)| asked == serial);
        if let Some(at) = self.queries.open.iter().position(asked) {
            self.query_back_off(now, at);
        }
    }

    /// Nobody lets us in: whoever has asked hears why.
    pub(super) fn fail_queries(&mut self, error: &Error) {
        for query in std::mem::take(&mut self.queries.open) {
            query.reply.answer(Err(error.clone()));
            self.reports.complete(&query.reply.done);
        }
    }

    fn query_back_off(&mut self, now: Time, at: usize) {
        let query = &mut self.queries.open[at];
        query.asked = None;
        query.attempts += 1;
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        query.not_before = now + self.random.backoff(first, most, query.attempts);
        let not_before = query.not_before;
        self.timers.arm(Timer::Query, not_before);
    }

    fn snapshot_of(&self, answer: MetadataAnswer) -> Snapshot {
        let mut brokers: Vec<BrokerView> = answer
            .brokers
            .into_iter()
            .map(|info| BrokerView {
                connected: self.brokers.get(&info.id).is_some_and(super::broker::Broker::is_ready),
                id: info.id,
                host: c_text(&info.host),
                port: info.port,
                rack: info.rack.as_deref().map(c_text),
            })
            .collect();
        brokers.sort_by_key(|broker| broker.id);
        let mut topics: Vec<TopicDetail> = answer.topics.into_iter().map(topic_of).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Snapshot {
            cluster_id: answer.cluster_id.as_deref().map(c_text),
            controller_id: answer.controller_id,
            brokers,
            topics,
        }
    }

    /// What is known without asking: leaders, but no replicas.
    fn known_snapshot(&self, topic: Option<&CStr>) -> Snapshot {
        let view = self.accumulator.cluster.load();
        let wanted = |state: &&TopicState| {
            state.interest != Interest::Forgotten && topic.is_none_or(|topic| **state.topic.c_name() == *topic)
        };
        let mut topics: Vec<TopicDetail> =
            self.cluster.topics.values().filter(wanted).filter_map(|state| self.known_topic(state)).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Snapshot {
            cluster_id: view.cluster_id.clone(),
            controller_id: view.controller_id,
            brokers: view.brokers.clone(),
            topics,
        }
    }

    /// `None`: nothing has been heard of it yet.
    fn known_topic(&self, state: &TopicState) -> Option<TopicDetail> {
        let count = state.topic.partition_count() as usize;
        let status = match state.missing {
            // Error 0 with no partitions is a topic on its way in or out.
            Some((_, code)) => Status(if code == 0 { UNKNOWN_TOPIC_OR_PARTITION } else { i32::from(code) }),
            None if count == 0 => return None,
            None => Status::OK,
        };
        let partitions = state.partitions.iter().take(count).enumerate().map(|(index, dense)| {
            let partition = &self.partitions[*dense as usize];
            PartitionDetail {
                index: index as i32,
                status: if partition.leader == NO_LEADER { Status(LEADER_NOT_AVAILABLE) } else { Status::OK },
                leader: partition.leader,
                leader_epoch: partition.leader_epoch,
                replicas: Nodes::default(),
                in_sync: Nodes::default(),
                offline: Nodes::default(),
            }
        });
        Some(TopicDetail {
            name: state.topic.c_name().clone(),
            status,
            partitions: partitions.collect(),
            nodes: Vec::new(),
        })
    }
}

const UNKNOWN_TOPIC_OR_PARTITION: i32 = 3;
const LEADER_NOT_AVAILABLE: i32 = 5;

/// Whether asking again would tell nothing better: a broker that knows somebody, and for one topic, partitions or an
/// error that does not go away. A topic that asking creates is waited for.
fn is_final(answer: &MetadataAnswer, names_topic: bool, auto_create: bool) -> bool {
    if answer.brokers.is_empty() {
        return false;
    }
    let settled = |topic: &TopicInfo| match i32::from(topic.error_code) {
        0 => !topic.partitions.is_empty(),
        UNKNOWN_TOPIC_OR_PARTITION => !auto_create,
        _ => is_refusal(topic.error_code),
    };
    // That a topic does not exist is said in an entry of its own.
    !names_topic || answer.topics.first().is_some_and(settled)
}

fn topic_of(info: TopicInfo) -> TopicDetail {
    let mut partitions: Vec<PartitionDetail> = info
        .partitions
        .iter()
        .map(|partition| {
            let NodeLists { start, replicas, in_sync, offline } = partition.nodes;
            let (start, replicas, in_sync) = (start as usize, replicas as usize, in_sync as usize);
            PartitionDetail {
                index: partition.index,
                status: Status(i32::from(partition.error_code)),
                leader: partition.leader.max(NO_LEADER),
                leader_epoch: partition.leader_epoch,
                replicas: Nodes { start, len: replicas },
                in_sync: Nodes { start: start + replicas, len: in_sync },
                offline: Nodes { start: start + replicas + in_sync, len: offline as usize },
            }
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    TopicDetail { name: c_text(&info.name), status: Status(i32::from(info.error_code)), partitions, nodes: info.nodes }
}

/// A NUL inside a name would come from a damaged answer: what is shown is then empty.
fn c_text(text: &str) -> Arc<CStr> {
    CString::new(text).unwrap_or_default().into()
}
