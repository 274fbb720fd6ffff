//! Requests to coordinators: which comes next, to whom it goes and when, one at a time. Answers are in
//! `coordinator_answers.rs`, what they mean in `coordinator_verdict.rs`.

use super::Sender;
use super::connection::{Connection, Kind};
use super::coordinator_link::Whose;
use super::coordinator_verdict::Facts;
use super::frame::Frame;
use super::transaction::{Registered, Resumed, State};
use crate::error::{Error, Status};
use crate::time::{Micros, Time};
use crate::wire::header::Api;
use crate::wire::transactions::{
    ProducerIdQuestion, TransactionHead, encode_add_offsets_to_txn, encode_add_partitions_to_txn, encode_end_txn,
    encode_init_producer_id, encode_txn_offset_commit,
};

/// InitProducerId from here on says which epoch is to be followed up (KIP-360).
const INIT_WITH_EPOCH: i16 = 3;
/// TxnOffsetCommit from here on says who the consumer is in its group (KIP-447).
const COMMIT_WITH_MEMBER: i16 = 3;
/// How long an abort that is answered with PRODUCER_FENCED is repeated where the coordinator may mean the transaction
/// before. Longer than markers take while a partition gets another leader; a fenced producer learns of it this late.
const EARLY_END_MAX: Micros = Micros::from_ms(10_000);

/// A request that was written and waits for its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CoordinatorRequest {
    Find(Whose),
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
            CoordinatorRequest::Find(_) => Api::FindCoordinator,
            CoordinatorRequest::InitProducerId { .. } => Api::InitProducerId,
            CoordinatorRequest::AddPartitions { .. } => Api::AddPartitionsToTxn,
            CoordinatorRequest::AddOffsets { .. } => Api::AddOffsetsToTxn,
            CoordinatorRequest::CommitOffsets { .. } => Api::TxnOffsetCommit,
            CoordinatorRequest::EndTxn { .. } => Api::EndTxn,
        }
    }

    /// Whose coordinator it goes to, or looks for.
    pub fn whose(&self) -> Whose {
        match self {
            CoordinatorRequest::Find(whose) => whose.clone(),
            CoordinatorRequest::CommitOffsets { group } => Whose::Group(group.clone()),
            _ => Whose::Transaction,
        }
    }
}

impl Sender {
    /// Does the next thing that the transaction needs of a coordinator. False when that has to wait for something.
    pub(super) fn ask_next(&mut self, now: Time) -> bool {
        let Some(request) = self.next_request() else { return false };
        if let CoordinatorRequest::EndTxn { .. } = request {
            if let Some(next) = self.transaction.end.over() {
                self.transaction_ended(now, next, true);
                return true;
            }
            if self.transaction.registered == Registered::No {
                // The coordinator knows of no transaction: there is nothing to end.
                self.transaction_ended(now, None, true);
                return true;
            }
        }
        let whose = request.whose();
        if let Some(at) = self.transaction.links.pause_until(now, &whose) {
            self.arm_transaction(at);
            return false;
        }
        let Some(broker) = self.coordinator(now, &whose) else { return false };
        if self.transaction.two_phase.resumed == Resumed::Unasked {
            // A connection to the coordinator has told by now. From here on it stays so: a repetition is another one
            // then.
            self.transaction.is_v2 = self.cluster_speaks_v2();
            self.transaction.two_phase.resumed = Resumed::Asked;
        }
        match self.transaction_version(request.api(), broker) {
            Ok(version) => self.ask(now, broker, version, request),
            Err(why) => self.request_impossible(now, &request, why),
        }
        true
    }

    /// What is to be asked now; `None` as long as an answer is awaited.
    fn next_request(&self) -> Option<CoordinatorRequest> {
        let transaction = &self.transaction;
        if transaction.links.is_asked() {
            return None;
        }
        let adds = !transaction.new.is_empty();
        match transaction.state {
            State::Initializing => Some(CoordinatorRequest::InitProducerId { is_first: self.identity().is_none() }),
            State::InTransaction | State::Preparing | State::Committing if adds => {
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
            State::Committing | State::Aborting if self.is_drained() && !self.is_writing() => {
                Some(CoordinatorRequest::EndTxn { is_commit: transaction.state == State::Committing })
            }
            // It cannot be committed any more, and the answer says why.
            State::AbortableError if transaction.end.is_pending() && !self.is_writing() => {
                Some(CoordinatorRequest::EndTxn { is_commit: false })
            }
            _ => None,
        }
    }

    /// What a verdict about the answer to `request` depends on.
    pub(super) fn coordinator_facts(&self, now: Time, request: &CoordinatorRequest) -> Facts {
        let transaction = &self.transaction;
        let coordinator = transaction.links.node(&Whose::Transaction).and_then(|id| self.brokers.get(&id));
        let versions = coordinator.and_then(|broker| broker.connection.as_ref()).map(|c| &c.versions);
        let with_epoch = versions.is_some_and(|v| v.get(Api::InitProducerId) >= Some(INIT_WITH_EPOCH));
        Facts {
            is_first_init: transaction.state == State::Initializing && self.identity().is_none(),
            can_bump: transaction.is_v2 || with_epoch,
            is_commit: *request == CoordinatorRequest::EndTxn { is_commit: true },
            // With two-phase commit no transaction's time is ever over: whose epoch is refused is fenced. The epoch
            // behind ours is no secret then, but the one that the next producer keeps a prepared transaction with.
            known_open: transaction.is_known_open() && !self.config.two_phase_commit,
            uses_next_epoch: transaction.end.uses_next_epoch(),
            maybe_empty: !transaction.is_v2 && transaction.registered == Registered::Maybe,
            maybe_early: transaction.is_v2
                && !transaction.is_confirmed
                && !transaction.end.is_epoch_old()
                && transaction.links.busy_for(now, &Whose::Transaction) < EARLY_END_MAX,
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
            CoordinatorRequest::Find(_) => return,
            CoordinatorRequest::InitProducerId { is_first } => {
                if !is_first && version < INIT_WITH_EPOCH {
                    self.cannot_bump(now, broker);
                    return;
                }
                let timeout_ms = i32::try_from(self.config.transaction_timeout_ms).unwrap_or(i32::MAX);
                let question = ProducerIdQuestion {
                    transactional_id: Some(&id),
                    timeout_ms,
                    producer_id: head.producer_id,
                    producer_epoch: head.producer_epoch,
                    enable_2pc: self.config.two_phase_commit,
                    keep_prepared: *is_first && self.transaction.two_phase.keeps,
                };
                encode_init_producer_id(version, self.next_id(broker), &client, &question)
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
                let asks = identity.map(|identity| self.transaction.end.asks_as(identity));
                let head = TransactionHead { producer_epoch: asks.map_or(-1, |asks| asks.epoch), ..head };
                encode_end_txn(version, self.next_id(broker), &client, &head, *is_commit)
            }
        };
        self.reports.log(7, "TRANSACTION", || format!("{request:?} to broker {broker}, version {version}"));
        if self.transaction.state == State::InTransaction {
            self.transaction.note_started(now);
        }
        self.transaction.links.asked();
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
            CoordinatorRequest::InitProducerId { is_first: true } if self.config.two_phase_commit => {
                self.init_refused(Error::new(Status::UNSUPPORTED_BROKER, why));
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
        call.reply.answer(Err(Error::new(Status::UNSUPPORTED_BROKER, text)));
        self.reports.complete(&call.reply.done);
    }
}
