//! Requests to coordinators: which comes next, to whom it goes and when, one at a time. Answers are in
//! `coordinator_answers.rs`, what they mean in `coordinator_verdict.rs`.

use super::Sender;
use super::cluster::Source;
use super::connection::{Connection, Kind};
use super::coordinator_verdict::Facts;
use super::frame::Frame;
use super::timers::Timer;
use super::transaction::{Registered, State};
use crate::error::Status;
use crate::time::{Micros, Time};
use crate::wire::coordinator::{CoordinatorKind, encode_find_coordinator};
use crate::wire::header::Api;
use crate::wire::transactions::{
    TransactionHead, encode_add_offsets_to_txn, encode_add_partitions_to_txn, encode_end_txn, encode_init_producer_id,
    encode_txn_offset_commit,
};

/// A broker that has not said who coordinates by then is not asked again now; another is.
const FIND_TIMEOUT_MS: u64 = 5_000;
/// InitProducerId from here on says which epoch is to be followed up (KIP-360).
const INIT_WITH_EPOCH: i16 = 3;
/// TxnOffsetCommit from here on says who the consumer is in its group (KIP-447).
const COMMIT_WITH_MEMBER: i16 = 3;

/// A request that was written and waits for its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CoordinatorRequest {
    Find {
        kind: CoordinatorKind,
        key: String,
    },
    /// The first one, or one that follows up an epoch.
    InitProducerId {
        is_first: bool,
    },
    /// By dense id.
    AddPartitions {
        partitions: Vec<u32>,
    },
    AddOffsets {
        group: String,
    },
    CommitOffsets {
        group: String,
    },
    EndTxn {
        is_commit: bool,
    },
}

impl CoordinatorRequest {
    pub fn api(&self) -> Api {
        match self {
            CoordinatorRequest::Find { .. } => Api::FindCoordinator,
            CoordinatorRequest::InitProducerId { .. } => Api::InitProducerId,
            CoordinatorRequest::AddPartitions { .. } => Api::AddPartitionsToTxn,
            CoordinatorRequest::AddOffsets { .. } => Api::AddOffsetsToTxn,
            CoordinatorRequest::CommitOffsets { .. } => Api::TxnOffsetCommit,
            CoordinatorRequest::EndTxn { .. } => Api::EndTxn,
        }
    }

    /// Whose coordinator it goes to.
    pub fn kind(&self) -> CoordinatorKind {
        match self {
            CoordinatorRequest::Find { kind, .. } => *kind,
            CoordinatorRequest::CommitOffsets { .. } => CoordinatorKind::Group,
            _ => CoordinatorKind::Transaction,
        }
    }
}

/// The ways to the coordinators, and when the next request may go.
#[derive(Default)]
pub struct Links {
    transaction: Link,
    group: Link,
    /// The group whose coordinator `group` is.
    group_id: String,
    /// A request other than a search waits for its answer.
    is_asked: bool,
    /// Back-off, and its exponent.
    not_before: Time,
    failures: u32,
    /// Since when the coordinator answers that the transaction before is being completed, and how often it has.
    waits: Option<(Time, u32)>,
    /// When the timer was last armed for; zero when it is not.
    armed_at: Time,
}

/// The way to one coordinator.
#[derive(Default)]
struct Link {
    node: Option<i32>,
    /// It was looked up since the last attempt to connect to it.
    is_fresh: bool,
    /// A search is under way; at that time another broker is asked.
    asked_until: Option<Time>,
    /// Back-off between searches, and its exponent.
    not_before: Time,
    failures: u32,
}

/// Earlier transactions end in milliseconds as a rule.
const WAIT_FIRST_MS: u64 = 5;
const WAIT_MOST_MS: u64 = 20;

/// What the back-off is when the coordinator has answered `times` times, for `since`, that it is busy with the transaction
/// before: short at first, longer when there must be more to it.
fn busy_backoff_ms(since: Micros, times: u32) -> u64 {
    match since.as_ms() {
        5_000.. => 1_000,
        1_000.. => 200,
        _ => (WAIT_FIRST_MS << times.min(4)).min(WAIT_MOST_MS),
    }
}

impl Links {
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    pub fn timer_fired(&mut self, now: Time) {
        if self.armed_at <= now {
            self.armed_at = Time::ZERO;
        }
    }

    /// An answer that was not refused: what was wrong before is over.
    pub fn succeeded(&mut self, kind: CoordinatorKind) {
        self.failures = 0;
        self.waits = None;
        self.not_before = Time::ZERO;
        let link = self.link(kind);
        link.failures = 0;
        link.not_before = Time::ZERO;
    }

    pub fn answered(&mut self) {
        self.is_asked = false;
    }

    pub fn found(&mut self, kind: CoordinatorKind, node: i32) {
        let link = self.link(kind);
        link.node = Some(node);
        link.is_fresh = true;
        link.asked_until = None;
    }

    /// Whether an answer about this coordinator is still of interest.
    pub fn seeks(&self, kind: CoordinatorKind, key: &str) -> bool {
        match kind {
            CoordinatorKind::Transaction => self.transaction.node.is_none(),
            CoordinatorKind::Group => self.group.node.is_none() && self.group_id == key,
        }
    }

    /// The search that is under way has come to nothing.
    pub fn search_ended(&mut self, kind: CoordinatorKind) {
        self.link(kind).asked_until = None;
    }

    fn link(&mut self, kind: CoordinatorKind) -> &mut Link {
        match kind {
            CoordinatorKind::Transaction => &mut self.transaction,
            CoordinatorKind::Group => &mut self.group,
        }
    }

    fn link_to_group(&mut self, group: &str) {
        if self.group_id != group {
            self.group_id = group.to_owned();
            self.group = Link::default();
        }
    }
}

impl Sender {
    /// Does the next thing that the transaction needs of a coordinator. False when that has to wait for something.
    pub(super) fn ask_next(&mut self, now: Time) -> bool {
        let Some(request) = self.next_request() else { return false };
        if let CoordinatorRequest::EndTxn { .. } = request
            && self.transaction.registered == Registered::No
        {
            // The coordinator knows of no transaction: there is nothing to end.
            self.transaction_ended(now, None);
            return true;
        }
        if now < self.transaction.links.not_before {
            let at = self.transaction.links.not_before;
            self.arm_transaction(at);
            return false;
        }
        if let CoordinatorRequest::CommitOffsets { group } = &request {
            self.transaction.links.link_to_group(group);
        }
        let Some(broker) = self.coordinator(now, request.kind()) else { return false };
        match self.transaction_version(request.api(), broker) {
            Ok(version) => self.ask(now, broker, version, request),
            Err(why) => self.request_impossible(now, &request, why),
        }
        true
    }

    /// What is to be asked now; `None` as long as an answer is awaited.
    fn next_request(&self) -> Option<CoordinatorRequest> {
        let transaction = &self.transaction;
        if transaction.links.is_asked {
            return None;
        }
        let adds = !transaction.new.is_empty();
        match transaction.state {
            State::Initializing => Some(CoordinatorRequest::InitProducerId { is_first: self.identity().is_none() }),
            State::InTransaction | State::Committing if adds => {
                Some(CoordinatorRequest::AddPartitions { partitions: transaction.new.clone() })
            }
            State::InTransaction => {
                let group = transaction.offsets.front()?.group.group_id.clone();
                Some(if transaction.is_v2 || transaction.groups.contains(&group) {
                    CoordinatorRequest::CommitOffsets { group }
                } else {
                    CoordinatorRequest::AddOffsets { group }
                })
            }
            State::Committing | State::Aborting if self.is_drained() => {
                Some(CoordinatorRequest::EndTxn { is_commit: transaction.state == State::Committing })
            }
            _ => None,
        }
    }

    /// What a verdict about the answer to `request` depends on.
    pub(super) fn coordinator_facts(&self, request: &CoordinatorRequest) -> Facts {
        let transaction = &self.transaction;
        let coordinator = transaction.links.transaction.node.and_then(|id| self.brokers.get(&id));
        let versions = coordinator.and_then(|broker| broker.connection.as_ref()).map(|c| &c.versions);
        let with_epoch = versions.is_some_and(|v| v.get(Api::InitProducerId) >= Some(INIT_WITH_EPOCH));
        Facts {
            is_first_init: transaction.state == State::Initializing && self.identity().is_none(),
            can_bump: transaction.is_v2 || with_epoch,
            is_commit: *request == CoordinatorRequest::EndTxn { is_commit: true },
            maybe_empty: !transaction.is_v2 && transaction.registered == Registered::Maybe,
        }
    }

    fn ask(&mut self, now: Time, broker: i32, version: i16, request: CoordinatorRequest) {
        let Some(id) = self.transaction.id.clone() else { return };
        let client = self.config.client_id.clone();
        let identity = self.identity();
        let head = TransactionHead {
            transactional_id: &id,
            producer_id: identity.map_or(-1, |identity| identity.id),
            producer_epoch: identity.map_or(-1, |identity| identity.epoch),
        };
        let frame: Vec<u8> = match &request {
            CoordinatorRequest::Find { .. } => return,
            CoordinatorRequest::InitProducerId { is_first } => {
                if !is_first && version < INIT_WITH_EPOCH {
                    self.cannot_bump(now, broker);
                    return;
                }
                let timeout_ms = i32::try_from(self.config.transaction_timeout_ms).unwrap_or(i32::MAX);
                let (pid, epoch) = (head.producer_id, head.producer_epoch);
                encode_init_producer_id(version, self.next_id(broker), &client, Some(&id), timeout_ms, pid, epoch)
            }
            CoordinatorRequest::AddPartitions { partitions } => {
                let topics = self.by_topic(partitions);
                let topics: Vec<(&str, Vec<i32>)> = topics.iter().map(|(name, p)| (name.as_str(), p.clone())).collect();
                encode_add_partitions_to_txn(version, self.next_id(broker), &client, &head, &topics)
            }
            CoordinatorRequest::AddOffsets { group } => {
                encode_add_offsets_to_txn(version, self.next_id(broker), &client, &head, group)
            }
            CoordinatorRequest::CommitOffsets { .. } => {
                let Some(call) = self.transaction.offsets.front() else { return };
                if version < COMMIT_WITH_MEMBER && call.group.names_member() {
                    self.member_unsupported(broker, version);
                    return;
                }
                let left: Vec<_> = call.left.iter().collect();
                let frame = encode_txn_offset_commit(version, self.next_id(broker), &client, &head, &call.group, &left);
                if self.transaction.is_v2 {
                    // The group's coordinator registers it.
                    self.transaction.registered = Registered::Yes;
                }
                frame
            }
            CoordinatorRequest::EndTxn { is_commit } => {
                encode_end_txn(version, self.next_id(broker), &client, &head, *is_commit)
            }
        };
        self.reports.log(7, "TRANSACTION", || format!("{request:?} to broker {broker}, version {version}"));
        if self.transaction.state == State::InTransaction {
            self.transaction.note_started(now);
        }
        self.transaction.links.is_asked = true;
        let deadline = now + Micros::from_ms(self.config.request_timeout_ms);
        self.write(now, broker, version, Kind::Coordinator(request), deadline, |_| Frame::plain(frame));
    }

    /// The correlation id that `write` gives next.
    fn next_id(&self, broker: i32) -> i32 {
        let connection = self.brokers.get(&broker).and_then(|broker| broker.connection.as_ref());
        connection.map_or(0, Connection::peek_correlation_id)
    }

    /// Each topic once, with its partitions.
    fn by_topic(&self, partitions: &[u32]) -> Vec<(String, Vec<i32>)> {
        let mut sorted: Vec<&super::PartitionState> =
            partitions.iter().map(|p| &self.partitions[*p as usize]).collect();
        sorted.sort_by_key(|state| (state.topic.id, state.index));
        let of_topic = sorted.chunk_by(|a, b| a.topic.id == b.topic.id);
        of_topic
            .map(|states| {
                let indexes = states.iter().map(|state| state.index as i32).collect();
                (states[0].topic.name().to_owned(), indexes)
            })
            .collect()
    }

    /// The broker offers no version of the request that will do.
    fn request_impossible(&mut self, now: Time, request: &CoordinatorRequest, why: String) {
        match request {
            CoordinatorRequest::AddPartitions { .. }
            | CoordinatorRequest::AddOffsets { .. }
            | CoordinatorRequest::CommitOffsets { .. } => {
                self.transaction_failed(now, Status::TRANSACTION_ABORTABLE, why);
            }
            _ => self.transaction_fatal(now, Status::FATAL, &why),
        }
    }

    /// The coordinator gives new epochs to nobody (Kafka before 2.5).
    fn cannot_bump(&mut self, now: Time, broker: i32) {
        if self.transaction.bump.required {
            let text = format!(
                "broker {broker}: a batch of an earlier transaction is missing from the sequence, and only Kafka 2.5 and \
                 later give a new epoch"
            );
            self.transaction_fatal(now, Status::FATAL, &text);
            return;
        }
        let text = "no new epoch after a lost answer: that needs Kafka 2.5 or later";
        self.reports.log(5, "TRANSACTION", || text.into());
        self.transaction.bump = super::transaction::Bump::default();
        self.bump_over(now);
    }

    /// The fencing of a consumer that has been left behind is never dropped in silence.
    fn member_unsupported(&mut self, broker: i32, version: i16) {
        let Some(call) = self.transaction.offsets.pop_front() else { return };
        let text = format!(
            "broker {broker} takes TxnOffsetCommit up to version {version}, which cannot check member_id, generation_id and \
             group_instance_id (KIP-447, Kafka 2.5): give the group_id alone, or abort the transaction"
        );
        call.reply.answer(Err(crate::error::Error::new(Status::UNSUPPORTED_BROKER, text)));
        self.reports.complete(&call.reply.done);
    }

    /// The coordinator's broker, if it can be asked now; else whatever leads there is under way.
    fn coordinator(&mut self, now: Time, kind: CoordinatorKind) -> Option<i32> {
        let link = self.transaction.links.link(kind);
        let Some(id) = link.node else {
            self.find_coordinator(now, kind);
            return None;
        };
        let is_fresh = link.is_fresh;
        let Some(broker) = self.brokers.get(&id) else {
            self.forget_coordinator(now, kind);
            return None;
        };
        if let Some(connection) = &broker.connection {
            if !broker.is_ready() {
                return None;
            }
            let until = connection.throttled_until;
            if until > now {
                self.arm_transaction(until);
                return None;
            }
            return Some(id);
        }
        let retry_at = broker.retry_at;
        if broker.failures > 0 {
            self.note_waiting(&broker.trouble());
            if !is_fresh {
                // It cannot be reached: perhaps another one coordinates by now.
                self.forget_coordinator(now, kind);
                self.find_coordinator(now, kind);
                return None;
            }
        }
        if retry_at > now {
            self.arm_transaction(retry_at);
        } else {
            self.transaction.links.link(kind).is_fresh = false;
            self.ensure_connected(now, id);
        }
        None
    }

    /// The coordinator is looked for again: at once the first time, then with back-off.
    pub(super) fn forget_coordinator(&mut self, now: Time, kind: CoordinatorKind) {
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        let link = self.transaction.links.link(kind);
        link.node = None;
        link.failures += 1;
        let failures = link.failures;
        if failures > 1 {
            let pause = self.random.backoff(first, most, failures - 1);
            self.transaction.links.link(kind).not_before = now + pause;
        }
    }

    fn find_coordinator(&mut self, now: Time, kind: CoordinatorKind) {
        let link = self.transaction.links.link(kind);
        let wait_until = link.asked_until.unwrap_or(Time::ZERO).max(link.not_before);
        if now < wait_until {
            self.arm_transaction(wait_until);
            return;
        }
        let owes = |connection: &Connection| {
            connection.requests.iter().any(|request| {
                matches!(&request.kind, Kind::Coordinator(CoordinatorRequest::Find { kind: k, .. }) if *k == kind)
            })
        };
        let ready = self.brokers.values().filter(|broker| broker.is_ready());
        let connections = ready.filter_map(|broker| Some((broker.id, broker.connection.as_ref()?)));
        let free = connections.filter(|(_, connection)| !owes(connection));
        // One that owes metadata may be slow.
        let Some((id, _)) = free.min_by_key(|(_, c)| (c.throttled_until > now, c.owes_metadata(), c.in_flight()))
        else {
            self.note_unreachable();
            match self.metadata_source(now) {
                Source::Connect(id) => self.ensure_connected(now, id),
                Source::Wait(until) => self.arm_transaction(until),
                // It is asked already, and has a deadline.
                Source::Ask(_) => {}
            }
            return;
        };
        let key = match kind {
            CoordinatorKind::Transaction => self.transaction.id.clone().unwrap_or_default(),
            CoordinatorKind::Group => self.transaction.links.group_id.clone(),
        };
        let version = match self.transaction_version(Api::FindCoordinator, id) {
            Ok(version) => version,
            Err(why) => {
                self.transaction_fatal(now, Status::FATAL, &why);
                return;
            }
        };
        let until = now + Micros::from_ms(FIND_TIMEOUT_MS.min(self.config.request_timeout_ms));
        self.transaction.links.link(kind).asked_until = Some(until);
        self.arm_transaction(until);
        let client_id = self.config.client_id.clone();
        let deadline = now + Micros::from_ms(self.config.request_timeout_ms);
        let request = Kind::Coordinator(CoordinatorRequest::Find { kind, key: key.clone() });
        self.write(now, id, version, request, deadline, |correlation_id| {
            Frame::plain(encode_find_coordinator(version, correlation_id, &client_id, kind, &key))
        });
    }

    /// The usual back-off before the next request.
    pub(super) fn coordinator_backoff(&mut self, now: Time) {
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        self.transaction.links.failures += 1;
        let pause = self.random.backoff(first, most, self.transaction.links.failures);
        self.transaction.links.not_before = now + pause;
    }

    /// The back-off while the coordinator completes the transaction before.
    pub(super) fn coordinator_is_busy(&mut self, now: Time) {
        let (since, times) = self.transaction.links.waits.unwrap_or((now, 0));
        self.transaction.links.waits = Some((since, times.saturating_add(1)));
        let pause_ms = busy_backoff_ms(now.since(since), times);
        self.transaction.links.not_before = now + Micros::from_ms(pause_ms);
    }

    fn arm_transaction(&mut self, at: Time) {
        let armed_at = &mut self.transaction.links.armed_at;
        if *armed_at == Time::ZERO || at < *armed_at {
            *armed_at = at;
            self.timers.arm(Timer::Transaction, at);
        }
    }

    /// Says to whoever waits what he waits for.
    pub(super) fn note_waiting(&self, words: &str) {
        let waiters = self.transaction.pending.iter().flat_map(|pending| &pending.waiters);
        let offsets = self.transaction.offsets.iter().map(|call| &call.reply);
        waiters.chain(offsets).for_each(|reply| reply.note(words));
    }

    fn note_unreachable(&self) {
        let in_trouble = self.brokers.values().find(|broker| broker.last_error.is_some());
        let words = in_trouble.map_or_else(String::new, |broker| format!("; {}", broker.trouble()));
        self.note_waiting(&format!("no broker can be asked{words}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_coordinator_is_asked_again_in_milliseconds_and_less_often_when_it_stays_busy() {
        let soon = Micros::from_ms(10);
        let first: Vec<u64> = (0..6).map(|times| busy_backoff_ms(soon, times)).collect();
        assert_eq!(first, [5, 10, 20, 20, 20, 20]);
        assert_eq!(busy_backoff_ms(Micros::from_ms(999), 50), 20);
        assert_eq!(busy_backoff_ms(Micros::from_ms(1_000), 51), 200);
        assert_eq!(busy_backoff_ms(Micros::from_ms(5_000), 60), 1_000);
        assert_eq!(busy_backoff_ms(Micros::from_ms(60_000), u32::MAX), 1_000);
    }
}
