//! Produce requests: built when a broker can take one, and what becomes of their batches when the answer comes.

use std::sync::Arc;

use super::Sender;
use super::broker::Broker;
use super::cluster::leader_of;
use super::connection::{Kind, Part};
use super::counting::{count_ended, extent};
use super::frame::Frame;
use super::partition::Taken;
use super::refusal::fail_unsupported;
use super::sequence::Stamp;
use super::timers::Timer;
use super::verdict::Outcome;
use crate::accumulator::NO_LEADER;
use crate::codec::Codec;
use crate::error::Status;
use crate::text::line;
use crate::time::{Micros, Time};
use crate::wire::api::BrokerInfo;
use crate::wire::header::Api;
use crate::wire::produce::{
    AnsweredTopic, NO_TOPIC_ID, PARTITION_BYTES, PRODUCE_BY_ID, ProduceHead, ProduceTail, TopicPart,
    decode_produce_response, encode_produce, request_bytes, topic_bytes,
};

/// The next request is built when no more than this waits for the socket: late enough that batches fill meanwhile,
/// early enough that the socket never runs dry.
const UNWRITTEN_BYTES_MAX: u64 = 256 << 10;
/// A batch follows so many leaders that brokers name at once. After that it waits between attempts and the cluster is
/// asked: brokers that name each other would have it go round as fast as the network.
const HINTS_AT_ONCE: u32 = 3;
/// A broker cannot make us wait longer than this with one answer: a larger value is damage, not throttling.
const THROTTLE_MS_MAX: i32 = 600_000;

/// What all batches of one request have in common: the protocol says each once.
#[derive(Clone, Copy)]
struct Asked {
    acks: i16,
    request_timeout_ms: u64,
}

/// What a partition has for a request.
#[allow(clippy::large_enum_variant)] // Taken apart where it is made, once per batch.
enum Next {
    Batch(Taken),
    Nothing,
    /// A batch that wants a request of another kind.
    Other,
    /// A batch that this request has no room for.
    Full,
}

/// What a response said of one partition, kept until the whole response has been read.
struct Answered {
    part: Part,
    code: i16,
    base_offset: i64,
    log_append_time_ms: i64,
    log_start_offset: i64,
    message: Option<String>,
    record_errors: Vec<(i32, Option<String>)>,
    leader: Option<(i32, i32)>,
}

impl Sender {
    /// Sends what the broker's partitions have, as far as its connection takes it.
    pub(super) fn fill_requests(&mut self, now: Time, id: i32) {
        loop {
            let Some(broker) = self.brokers.get(&id) else { return };
            if broker.ready.is_empty() {
                return;
            }
            let Some(connection) = &broker.connection else {
                if broker.is_unsupported() && now < broker.retry_at {
                    fail_unsupported(self, now, id);
                } else {
                    self.ensure_connected(now, id);
                }
                return;
            };
            if !connection.takes_requests()
                || connection.in_flight() >= self.config.max_in_flight_requests_per_connection
                || connection.unwritten_bytes() > UNWRITTEN_BYTES_MAX
            {
                return;
            }
            if connection.throttle.until > now {
                let until = connection.throttle.until;
                self.arm_broker(id, until);
                return;
            }
            let (parts, how) = self.collect(now, id);
            let Some(how) = how else { return };
            self.send_produce(now, id, parts, how);
        }
    }

    /// One batch of each partition that may send, in the order in which they got in line, up to what the application
    /// and the broker allow of a request; one batch goes whatever its size. The first decides with which acks and time
    /// limit; those that want others keep their places, and the next request is theirs.
    fn collect(&mut self, now: Time, id: i32) -> (Vec<Part>, Option<Asked>) {
        let mut parts: Vec<Part> = Vec::new();
        let broker_max = self.brokers.get(&id).map_or(usize::MAX, |broker| broker.request_limit.bytes_max());
        let bytes_max = self.config.max_request_size.min(broker_max);
        let mut bytes = request_bytes(&self.config.client_id, self.config.transactional_id.as_deref());
        let mut last_topic = None;
        let mut how: Option<Asked> = None;
        let mut others: Vec<u32> = Vec::new();
        let in_line = self.brokers.get(&id).map_or(0, |broker| broker.ready.len());
        for _ in 0..in_line {
            let Some(dense) = self.brokers.get_mut(&id).and_then(|broker| broker.ready.pop_front()) else { break };
            let state = &mut self.partitions[dense as usize];
            if state.queued_on != Some(id) {
                // The leader moved: it stands in line elsewhere.
                continue;
            }
            state.queued_on = None;
            if state.leader != id {
                self.mark_ready(now, dense);
                continue;
            }
            if !state.may_send(now, self.idempotence.is_on) {
                // Whatever holds it back puts it in line again: the outcome of what is in flight, or its timer.
                self.note_held_back(now, id, dense);
                continue;
            }
            if !self.transaction_lets(now, dense) || !self.may_number(now, dense) {
                continue;
            }
            let topic = &self.partitions[dense as usize].topic;
            let request_timeout_ms = topic.settings().request_timeout_ms();
            // Where topics alternate their names are counted more often than they are written: requests are a little
            // smaller then.
            let topic_head = if last_topic == Some(topic.id) { 0 } else { topic_bytes(topic.name()) };
            let topic_id = topic.id;
            let head = bytes + topic_head + PARTITION_BYTES;
            let room = if parts.is_empty() { usize::MAX } else { bytes_max.saturating_sub(head) };
            let suits = how.is_none_or(|how| how.request_timeout_ms == request_timeout_ms);
            let suits = |acks| suits && how.is_none_or(|how| how.acks == acks);
            let taken = match self.take_unexpired(now, dense, room, suits) {
                Next::Batch(taken) => taken,
                Next::Nothing => continue,
                next => {
                    self.partitions[dense as usize].queued_on = Some(id);
                    others.push(dense);
                    match next {
                        // Looking for smaller ones behind it would cost a look at each of them for every request.
                        Next::Full => break,
                        _ => continue,
                    }
                }
            };
            self.transaction.note_produced();
            how = Some(Asked { acks: taken.batch.acks, request_timeout_ms });
            last_topic = Some(topic_id);
            bytes = head + taken.batch.len();
            let topic_id = self.cluster.topics.get(&topic_id).map_or(NO_TOPIC_ID, |state| state.doubts.id());
            parts.push(Part { partition: dense, topic_id, taken: Some(taken) });
        }
        if let Some(broker) = self.brokers.get_mut(&id) {
            others.into_iter().rev().for_each(|dense| broker.ready.push_front(dense));
        }
        // Only now: a stale place in line must not give the partition a second batch in one request.
        for part in &parts {
            self.rejoin_line(now, part.partition, id);
        }
        (parts, how)
    }

    /// The partition's next batch, if its acks suit and it has no more than `room` bytes. Expired ones on the way are
    /// reported, not sent.
    fn take_unexpired(&mut self, now: Time, dense: u32, room: usize, suits: impl Fn(i16) -> bool) -> Next {
        loop {
            let may_seal = self.may_seal(now, dense);
            let state = &mut self.partitions[dense as usize];
            // What was asked for with other acks is decided first, or a retry of it would come after this.
            let follows = |acks: i16| state.in_flight == 0 || state.acks_in_flight == acks;
            let may_take = |acks: i16, len: usize| follows(acks) && suits(acks) && len <= room;
            let next = match state.retries.front() {
                Some(taken) if may_take(taken.batch.acks, taken.batch.len()) => Ok(None),
                Some(taken) => Err(taken.batch.acks),
                None => {
                    let shared = &self.accumulator;
                    match state.shared().take_if(shared, may_seal, may_take) {
                        Ok(None) => return Next::Nothing,
                        Ok(Some(batch)) => Ok(Some(Taken::new(batch))),
                        Err(acks) => Err(acks),
                    }
                }
            };
            let taken = match next {
                // The outcome of what is in flight puts it in line again.
                Err(acks) if !follows(acks) => return Next::Nothing,
                Err(acks) if !suits(acks) => return Next::Other,
                Err(_) => return Next::Full,
                Ok(taken) => taken.or_else(|| state.retries.pop_front()),
            };
            let Some(taken) = taken else { return Next::Nothing };
            if taken.batch.deadline > now || self.is_held(&taken) {
                let outgrown = self.outgrew(dense, &taken);
                let leader = leader_of(&self.partitions[dense as usize], &self.brokers);
                if !outgrown && !leader.is_some_and(|broker| exceeds(broker, &taken)) {
                    return Next::Batch(taken);
                }
                self.split(now, dense, taken, outgrown);
                if self.partitions[dense as usize].in_flight > 0 {
                    // The parts go one at a time, like what is sent again.
                    return Next::Nothing;
                }
                continue;
            }
            self.fail_expired(now, dense, taken, true);
            self.stop_partitions(now);
            if self.transaction.is_used() && !self.transaction.is_sending() {
                // It has cost the transaction: the sweep at the end of this input fails what follows.
                return Next::Nothing;
            }
            if self.partitions[dense as usize].sequences.has_hole() {
                // What follows gets numbers only under a new epoch, next time it is its turn.
                self.mark_ready(now, dense);
                return Next::Nothing;
            }
        }
    }

    /// Whether the batch was filled for compression that then left too much of it: a broker would hardly take it.
    fn outgrew(&self, dense: u32, taken: &Taken) -> bool {
        let batch = &taken.batch;
        if batch.compression.codec == Codec::None || batch.count == 1 || taken.attempts > 0 {
            return false;
        }
        let batch_size = self.partitions[dense as usize].topic.settings().batch_size();
        batch.len() > batch_size.max(self.config.max_request_size)
    }

    /// Back in line when there is more to send at once.
    fn rejoin_line(&mut self, now: Time, dense: u32, id: i32) {
        let may_seal = self.may_seal(now, dense);
        let state = &mut self.partitions[dense as usize];
        // While retrying, the next one waits for this one's outcome.
        if state.queued_on.is_none() && state.retries.is_empty() && state.shared().has_batch(may_seal) {
            state.queued_on = Some(id);
            if let Some(broker) = self.brokers.get_mut(&id) {
                broker.ready.push_back(dense);
            }
        }
    }

    fn send_produce(&mut self, now: Time, id: i32, mut parts: Vec<Part>, how: Asked) {
        // One entry per topic with its partitions behind it; the order is the broker's to read, ours to remember.
        parts.sort_by_key(|part| self.partitions[part.partition as usize].topic.id);
        let mut batches = Vec::with_capacity(parts.len());
        let mut entries: Vec<(i32, usize)> = Vec::with_capacity(parts.len());
        let (idempotent, transactional) = (self.idempotence.is_on, self.config.transactional_id.is_some());
        for part in &mut parts {
            let state = &mut self.partitions[part.partition as usize];
            state.in_flight += 1;
            state.acks_in_flight = how.acks;
            state.sent_to = id;
            let Some(taken) = &mut part.taken else { continue };
            if !taken.stamped {
                if idempotent && taken.number.is_none() {
                    taken.number = state.sequences.assign(taken.batch.count);
                }
                match taken.number {
                    Some(Stamp { identity, base_sequence, .. }) => {
                        taken.batch.stamp(identity.id, identity.epoch, base_sequence, transactional);
                    }
                    None => taken.batch.stamp(-1, -1, -1, false),
                }
                taken.stamped = true;
            }
            let again = taken.attempts > 0;
            let extent = extent(&taken.batch);
            self.accumulator.numbers.batch_written(now, extent, again, &state.topic.numbers);
            self.telemetry.note_batch(now, extent.opened_at, extent.records, extent.bytes, again);
            state.retry_in_flight = again;
            taken.attempts += 1;
            taken.broker = id;
            taken.leader_epoch = state.leader_epoch;
            entries.push((state.index as i32, taken.batch.len()));
            batches.push(taken.batch.bytes.clone());
        }
        let mut topics: Vec<TopicPart<'_>> = Vec::new();
        let mut start = 0;
        for end in 1..=parts.len() {
            let topic = &self.partitions[parts[start].partition as usize].topic;
            if end == parts.len() || self.partitions[parts[end].partition as usize].topic.id != topic.id {
                let id = parts[start].topic_id;
                topics.push(TopicPart { name: topic.name(), id, partitions: &entries[start..end] });
                start = end;
            }
        }
        let Some(connection) = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()) else { return };
        let mut offered = connection.versions.get(Api::Produce).unwrap_or(Api::Produce.versions().0);
        if topics.iter().any(|topic| topic.id == NO_TOPIC_ID) {
            // A request names all of its topics in one way.
            offered = offered.min(PRODUCE_BY_ID - 1);
        }
        let version = self.transaction_produce_version(offered);
        let Asked { acks, request_timeout_ms } = how;
        let timeout_ms = i32::try_from(request_timeout_ms).unwrap_or(i32::MAX);
        let mut head = ProduceHead::default();
        // The correlation id is the connection's next one: `write` below gives the same.
        let correlation_id = connection.peek_correlation_id();
        encode_produce(
            version,
            correlation_id,
            &self.config.client_id,
            self.config.transactional_id.as_deref(),
            acks,
            timeout_ms,
            &topics,
            &mut head,
        );
        drop(topics);
        let deadline = now + Micros::from_ms(request_timeout_ms);
        let kind = Kind::Produce { parts, answered: acks != 0 };
        self.write(now, id, version, kind, deadline, |_| Frame::with_batches(head.head, &head.cuts, batches));
    }

    /// acks=0: a request that the socket took whole is all that will ever be known.
    pub(super) fn finish_unanswered(&mut self, now: Time, id: i32) {
        let mut done = Vec::new();
        if let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) {
            let written = connection.through_bytes;
            let mut at = 0;
            while at < connection.requests.len() && connection.requests[at].end <= written {
                if matches!(connection.requests[at].kind, Kind::Produce { answered: false, .. }) {
                    done.extend(connection.requests.remove(at));
                    connection.unanswered -= 1;
                } else {
                    at += 1;
                }
            }
        }
        if let Some(broker) = self.brokers.get(&id) {
            count_ended(&self.accumulator.numbers, broker, done.len());
        }
        for request in done {
            let Kind::Produce { parts, .. } = request.kind else { continue };
            for part in parts {
                self.settle_lost(now, part, Outcome::code(0), "");
            }
        }
        self.arm_idle(id);
    }

    /// A produce response: every part gets its outcome exactly once, whatever the response repeats or leaves out.
    pub(super) fn handle_produced(
        &mut self,
        now: Time,
        id: i32,
        version: i16,
        parts: Vec<Part>,
        body: &[u8],
    ) -> Result<(), String> {
        self.note_progress(id);
        let mut waiting: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
        let mut answers: Vec<Answered> = Vec::with_capacity(waiting.len());
        let mut next = 0;
        let mut strange = 0;
        let states = &self.partitions;
        let tail = decode_produce_response(version, body, |response| {
            let matches = |part: &Option<Part>| {
                part.as_ref().is_some_and(|part| {
                    let state = &states[part.partition as usize];
                    let is_topic = match response.topic {
                        AnsweredTopic::Name(name) => state.topic.name() == name,
                        AnsweredTopic::Id(id) => part.topic_id == id,
                    };
                    i64::from(state.index) == i64::from(response.index) && is_topic
                })
            };
            // Brokers answer in our order nearly always: look at the next one first.
            let at = if waiting.get(next).is_some_and(matches) { Some(next) } else { waiting.iter().position(matches) };
            let Some(part) = at.and_then(|at| waiting[at].take()) else {
                strange += 1;
                return;
            };
            next = at.map_or(next, |at| at + 1);
            answers.push(Answered {
                part,
                code: response.error_code,
                base_offset: response.base_offset,
                log_append_time_ms: response.log_append_time_ms,
                log_start_offset: response.log_start_offset,
                message: response.error_message,
                record_errors: response.record_errors,
                leader: response.current_leader,
            });
        });
        let label = self.brokers.get(&id).map_or_else(String::new, |broker| broker.label());
        let unreadable = match &tail {
            Ok(_) => None,
            Err(error) => Some(format!("its produce response cannot be read: {error}")),
        };
        if strange > 0
            && let Some(more) = self.brokers.get_mut(&id).and_then(|broker| broker.log_limit.allow(now))
        {
            self.reports.log(4, "BROKER", || {
                format!("{label}: {strange} entries of a produce response repeat or were not asked for; ignored{more}")
            });
        }
        let tail = tail.unwrap_or_default();
        self.adopt_endpoints(now, &tail);
        self.throttle(now, id, tail.throttle_time_ms);
        self.telemetry.note_throttle(tail.throttle_time_ms);
        for answer in answers {
            self.settle_answered(now, id, answer, &label);
        }
        for part in waiting.into_iter().flatten() {
            let what = unreadable.as_deref().unwrap_or("its produce response has no entry for this partition");
            self.settle_lost(now, part, Outcome::Unreadable, &format!("{label}: {what}"));
        }
        self.stop_partitions(now);
        // Parts that were settled behind the one that was fatal are not in anybody's list yet when that fails the
        // others.
        self.sweep_after_failure(now);
        self.arm_idle(id);
        unreadable.map_or(Ok(()), Err)
    }

    fn settle_answered(&mut self, now: Time, id: i32, answer: Answered, label: &str) {
        let dense = answer.part.partition;
        let newer_leader = answer.leader.is_some_and(|(leader, epoch)| {
            leader != id
                && epoch > self.partitions[dense as usize].leader_epoch
                && self.brokers.contains_key(&leader)
                && answer.code != 0
        });
        if newer_leader && let Some((leader, epoch)) = answer.leader {
            // KIP-951: the broker that lost the partition says who has it.
            if self.set_leader(dense, leader, epoch) {
                self.mark_ready(now, dense);
            }
        }
        let attempts = answer.part.taken.as_ref().map_or(0, |taken| taken.attempts);
        let outcome = Outcome::Answered { code: answer.code, newer_leader: newer_leader && attempts <= HINTS_AT_ONCE };
        let facts = super::outcome::Answer {
            base_offset: answer.base_offset,
            log_append_time_ms: (answer.log_append_time_ms >= 0).then_some(answer.log_append_time_ms),
            log_start_offset: answer.log_start_offset,
            record_errors: answer.record_errors,
        };
        let status = outcome.status();
        let mut cause = String::new();
        if answer.code != 0 {
            let detail = answer.message.unwrap_or_else(|| status.text().to_owned());
            cause = format!("{label}: {}: {detail}", status.name());
            if status == Status::UNSUPPORTED_COMPRESSION_TYPE {
                let topic = self.partitions[answer.part.partition as usize].topic.name();
                cause.push_str(&about_codec(&answer.part, topic));
            }
        }
        self.settle(now, answer.part, outcome, facts, &cause);
    }

    /// Brokers named beside new leaders.
    fn adopt_endpoints(&mut self, now: Time, tail: &ProduceTail) {
        for node in &tail.node_endpoints {
            let info = BrokerInfo { id: node.id, host: node.host.clone(), port: node.port, rack: None };
            self.adopt_broker(now, &info);
        }
    }

    pub(super) fn throttle(&mut self, now: Time, id: i32, throttle_ms: i32) {
        if throttle_ms <= 0 {
            return;
        }
        self.count_throttle(id, throttle_ms.min(THROTTLE_MS_MAX) as u64);
        let span = Micros::from_ms(throttle_ms.min(THROTTLE_MS_MAX) as u64);
        if let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) {
            let was_felt = connection.throttle.felt(now).is_some();
            connection.throttle.ask(now, span);
            let is_news = !was_felt && connection.throttle.felt(now).is_some();
            self.arm_broker(id, now + span);
            if is_news {
                self.note_change();
            }
        }
    }

    /// The partition may have something left to do after an outcome.
    pub(super) fn after_outcome(&mut self, now: Time, dense: u32) {
        let may_seal = self.may_seal(now, dense);
        let state = &mut self.partitions[dense as usize];
        if state.queued_on.is_some() {
            return;
        }
        let has_work = !state.retries.is_empty() || state.shared().has_batch(may_seal);
        if !has_work {
            return;
        }
        if state.muted_until > now {
            let at = state.muted_until;
            self.timers.arm(Timer::Partition(dense), at);
        } else if state.leader == NO_LEADER || state.may_send(now, self.idempotence.is_on) {
            self.mark_ready(now, dense);
        }
    }
}

/// What to do about a broker that does not know a batch's codec.
#[cold]
fn about_codec(part: &Part, topic: &str) -> String {
    let codec = part.taken.as_ref().map_or(Codec::None, |taken| taken.batch.codec);
    format!("; set another compression.type than {} for topic '{topic}', or for the producer", codec.name())
}

/// Whether the broker has hung up on requests of this batch's size. One that may be in the log keeps its boundaries.
fn exceeds(broker: &Broker, taken: &Taken) -> bool {
    taken.batch.len() > broker.request_limit.bytes_max() && taken.batch.count > 1 && !taken.in_doubt
}

/// Words of a batch's last attempt, shared with its report.
pub(super) fn c_text(text: &str) -> Option<Arc<std::ffi::CStr>> {
    let line = line(text);
    // A clean line has no NUL inside.
    if line.is_empty() { None } else { std::ffi::CString::new(&*line).ok().map(Into::into) }
}
