//! Answers of coordinators, and requests whose answer will not come.

use std::collections::BTreeMap;

use super::Sender;
use super::coordinator::CoordinatorRequest;
use super::coordinator_link::Whose;
use super::coordinator_verdict::{Action, Decision, Facts, decide};
use super::identity::Identity;
use super::transaction::{Registered, State, transaction_kept};
use crate::error::{Error, Status};
use crate::time::Time;
use crate::wire::api::BrokerInfo;
use crate::wire::coordinator::decode_find_coordinator;
use crate::wire::header::Api;
use crate::wire::primitives::DecodeError;
use crate::wire::transactions::{
    decode_add_offsets_to_txn, decode_add_partitions_to_txn, decode_end_txn, decode_init_producer_id,
    decode_txn_offset_commit,
};

/// What an answer comes to: the worst of its codes, in words.
struct Outcome {
    decision: Decision,
    /// The broker's own.
    code: i32,
    text: String,
}

impl Sender {
    pub(super) fn handle_coordinator_answer(
        &mut self,
        now: Time,
        broker: i32,
        request: CoordinatorRequest,
        version: i16,
        body: &[u8],
    ) -> Result<(), String> {
        if !matches!(request, CoordinatorRequest::Find(_)) {
            self.transaction.links.answered();
        }
        let facts = self.coordinator_facts(now, &request);
        let handled = match &request {
            CoordinatorRequest::Find(whose) => self.found(now, broker, whose, version, body, &facts),
            CoordinatorRequest::InitProducerId { .. } => self.initialized(now, broker, version, body, &facts),
            CoordinatorRequest::AddPartitions { partitions } => {
                self.partitions_added(now, broker, partitions, version, body, &facts)
            }
            CoordinatorRequest::AddOffsets { group } => self.offsets_added(now, broker, group, version, body, &facts),
            CoordinatorRequest::CommitOffsets { group } => {
                self.offsets_committed(now, broker, group, version, body, &facts)
            }
            CoordinatorRequest::EndTxn { .. } => self.ended(now, broker, version, body, &facts),
        };
        self.arm_idle(broker);
        handled.map_err(|error| {
            let reason = format!("its {} response cannot be read: {error}", request.api().name());
            // It was acted on, or not: nobody can tell.
            self.coordinator_request_lost(now, broker, request, true, &reason);
            reason
        })
    }

    /// A request to a coordinator whose answer will not come. `written`: the socket took the whole of it.
    pub(super) fn coordinator_request_lost(
        &mut self,
        now: Time,
        broker: i32,
        request: CoordinatorRequest,
        written: bool,
        reason: &str,
    ) {
        let whose = request.whose();
        let label = self.brokers.get(&broker).map_or_else(|| format!("broker {broker}"), |broker| broker.label());
        self.note_waiting(&format!("{label}: {}: {reason}", request.api().name()));
        if let CoordinatorRequest::Find(_) = &request {
            if self.transaction.links.seeks(&whose) {
                let pause = self.random.backoff(self.config.retry_backoff_ms, self.config.retry_backoff_max_ms, 1);
                self.transaction.links.search_lost(&whose, now + pause);
            }
            return;
        }
        self.transaction.links.answered();
        self.forget_coordinator(now, &whose);
        if written {
            let registers =
                matches!(request, CoordinatorRequest::AddPartitions { .. } | CoordinatorRequest::AddOffsets { .. });
            if registers && self.transaction.registered == Registered::No {
                self.transaction.registered = Registered::Maybe;
            }
            if let CoordinatorRequest::EndTxn { is_commit } = request {
                self.transaction.end.note_doubt(is_commit);
            }
            // The broker knows a repeated question for an epoch.
            if !matches!(request, CoordinatorRequest::InitProducerId { .. }) {
                self.transaction.note_doubt();
            }
        }
    }

    fn found(
        &mut self,
        now: Time,
        broker: i32,
        whose: &Whose,
        version: i16,
        body: &[u8],
        facts: &Facts,
    ) -> Result<(), DecodeError> {
        let answer = decode_find_coordinator(version, body)?;
        self.throttle(now, broker, answer.throttle_time_ms);
        if !self.transaction.links.seeks(whose) {
            return Ok(());
        }
        self.transaction.links.search_ended(whose);
        let mut outcome = self.outcome(broker, Api::FindCoordinator, answer.error_code, "", facts);
        if let Some(message) = answer.error_message.filter(|message| !message.is_empty()) {
            outcome.text = format!("{}: {message}", outcome.text);
        }
        if outcome.decision.action != Action::Done {
            // A refusal that comes late is none of the business of what is being done now.
            if self.is_awaited(whose) {
                self.carry_out(now, Api::FindCoordinator, whose, outcome);
            }
            return Ok(());
        }
        let info = BrokerInfo { id: answer.node_id, host: answer.host, port: answer.port, rack: None };
        self.adopt_broker(now, &info);
        if !self.brokers.contains_key(&info.id) || info.id < 0 {
            self.note_waiting(&format!("broker {broker} names a coordinator without an address"));
            self.forget_coordinator(now, whose);
            return Ok(());
        }
        self.transaction.links.found(whose, info.id);
        self.reports.log(6, "TRANSACTION", || format!("broker {}: coordinator of {whose:?}", info.id));
        Ok(())
    }

    /// Whether the coordinator is needed for what comes next.
    fn is_awaited(&self, whose: &Whose) -> bool {
        match whose {
            Whose::Transaction => true,
            Whose::Group(id) => self.transaction.offsets.front().is_some_and(|call| call.group.group_id == *id),
        }
    }

    fn initialized(
        &mut self,
        now: Time,
        broker: i32,
        version: i16,
        body: &[u8],
        facts: &Facts,
    ) -> Result<(), DecodeError> {
        let answer = decode_init_producer_id(version, body)?;
        self.throttle(now, broker, answer.throttle_time_ms);
        let mut outcome = self.outcome(broker, Api::InitProducerId, answer.error_code, "", facts);
        explain_two_phase(self, facts, &mut outcome);
        match identity(answer.producer_id, answer.producer_epoch) {
            Some(ours) if outcome.decision.action == Action::Done => {
                self.transaction.links.succeeded(&Whose::Transaction);
                match identity(answer.ongoing_producer_id, answer.ongoing_producer_epoch) {
                    Some(ongoing) if facts.is_first_init && self.transaction.two_phase.keeps => {
                        transaction_kept(self, now, ours, ongoing);
                    }
                    _ => self.transaction_initialized(now, ours),
                }
            }
            _ if outcome.decision.action == Action::Done => {
                self.note_waiting(&format!("{}: it gives no producer id", outcome.text));
                self.coordinator_backoff(now, &Whose::Transaction);
            }
            _ => self.carry_out(now, Api::InitProducerId, &Whose::Transaction, outcome),
        }
        Ok(())
    }

    fn partitions_added(
        &mut self,
        now: Time,
        broker: i32,
        asked: &[u32],
        version: i16,
        body: &[u8],
        facts: &Facts,
    ) -> Result<(), DecodeError> {
        let answer = decode_add_partitions_to_txn(version, body)?;
        self.throttle(now, broker, answer.throttle_time_ms);
        let mut codes: BTreeMap<(&str, i32), i16> = BTreeMap::new();
        for (topic, partition, code) in &answer.results {
            codes.entry((topic, *partition)).or_insert(*code);
        }
        let mut worst: Option<Outcome> = None;
        let mut confirmed = Vec::new();
        for dense in asked {
            let state = &self.partitions[*dense as usize];
            match codes.get(&(state.topic.name(), state.index as i32)) {
                Some(0) => confirmed.push(*dense),
                Some(code) => {
                    let label = state.label();
                    worst = worse(worst, self.outcome(broker, Api::AddPartitionsToTxn, *code, &label, facts));
                }
                // Nothing was said of it: it stays to be asked for.
                None => worst = worse(worst, self.unanswered(broker, Api::AddPartitionsToTxn, &state.label())),
            }
        }
        // What is registered stays so whatever became of the others.
        self.transaction.confirm(&confirmed);
        for dense in confirmed {
            self.mark_ready(now, dense);
        }
        match worst {
            None => self.transaction.links.succeeded(&Whose::Transaction),
            Some(outcome) => {
                let names = |status: Status| answer.results.iter().any(|r| i32::from(r.2) == status.0);
                if may_hide_a_registration(&outcome) || names(Status::UNKNOWN_SERVER_ERROR) {
                    self.maybe_registered();
                }
                self.carry_out(now, Api::AddPartitionsToTxn, &Whose::Transaction, outcome);
            }
        }
        Ok(())
    }

    fn offsets_added(
        &mut self,
        now: Time,
        broker: i32,
        group: &str,
        version: i16,
        body: &[u8],
        facts: &Facts,
    ) -> Result<(), DecodeError> {
        let answer = decode_add_offsets_to_txn(version, body)?;
        self.throttle(now, broker, answer.throttle_time_ms);
        let what = format!("group '{group}'");
        let outcome = self.outcome(broker, Api::AddOffsetsToTxn, answer.error_code, &what, facts);
        if outcome.decision.action == Action::Done {
            self.transaction.registered = Registered::Yes;
            self.transaction.groups.insert(group.to_owned());
            self.transaction.links.succeeded(&Whose::Transaction);
        } else {
            if may_hide_a_registration(&outcome) {
                self.maybe_registered();
            }
            self.carry_out(now, Api::AddOffsetsToTxn, &Whose::Transaction, outcome);
        }
        Ok(())
    }

    fn offsets_committed(
        &mut self,
        now: Time,
        broker: i32,
        group: &str,
        version: i16,
        body: &[u8],
        facts: &Facts,
    ) -> Result<(), DecodeError> {
        let answer = decode_txn_offset_commit(version, body)?;
        let whose = Whose::Group(group.to_owned());
        self.throttle(now, broker, answer.throttle_time_ms);
        let Some(mut call) = self.transaction.offsets.pop_front() else {
            // The transaction was given up meanwhile. Only what ends the producer still counts.
            for (topic, partition, code) in &answer.results {
                let what = format!("group '{group}', {topic} [{partition}]");
                let outcome = self.outcome(broker, Api::TxnOffsetCommit, *code, &what, facts);
                if matches!(outcome.decision.action, Action::Fatal | Action::Explain) {
                    self.carry_out(now, Api::TxnOffsetCommit, &whose, outcome);
                    break;
                }
            }
            return Ok(());
        };
        let mut codes: BTreeMap<(&str, i32), i16> = BTreeMap::new();
        for (topic, partition, code) in &answer.results {
            codes.entry((topic, *partition)).or_insert(*code);
        }
        let mut worst: Option<Outcome> = None;
        call.left.retain(|offset| {
            let what = || format!("group '{group}', {} [{}]", offset.topic, offset.partition);
            match codes.get(&(offset.topic.as_str(), offset.partition)) {
                Some(0) => return false,
                Some(code) => {
                    let outcome = self.outcome(broker, Api::TxnOffsetCommit, *code, &what(), facts);
                    worst = worse(worst.take(), outcome);
                }
                None => worst = worse(worst.take(), self.unanswered(broker, Api::TxnOffsetCommit, &what())),
            }
            true
        });
        let is_replaced = |later: &super::transaction::OffsetsCall| later.group.group_id == group;
        let is_replaced = self.transaction.offsets.iter().any(is_replaced);
        let Some(outcome) = worst else {
            self.transaction.links.succeeded(&whose);
            self.transaction.is_confirmed = true;
            if !is_replaced {
                self.transaction.unsettled.remove(group);
            }
            call.reply.answer(Ok(()));
            self.reports.push_all(&mut self.outcomes);
            self.reports.complete(&call.reply.done);
            return Ok(());
        };
        if !(is_replaced && call.reply.is_given_up()) {
            self.transaction.offsets.push_front(call);
        }
        self.carry_out(now, Api::TxnOffsetCommit, &whose, outcome);
        Ok(())
    }

    fn ended(&mut self, now: Time, broker: i32, version: i16, body: &[u8], facts: &Facts) -> Result<(), DecodeError> {
        let answer = decode_end_txn(version, body)?;
        self.throttle(now, broker, answer.throttle_time_ms);
        let what = if facts.is_commit { "commit" } else { "abort" };
        let outcome = self.outcome(broker, Api::EndTxn, answer.error_code, what, facts);
        if outcome.decision.action == Action::Done {
            self.transaction.links.succeeded(&Whose::Transaction);
            let named = identity(answer.producer_id, answer.producer_epoch);
            if self.transaction.end.is_pending() {
                // The application asks for the abort later, or all of its records are not finished yet.
                let ours = self.identity();
                self.transaction.end.aborted(ours, named);
            } else {
                self.transaction_ended(now, named, true);
            }
        } else {
            if matches!(outcome.decision.action, Action::Retry | Action::Unknown | Action::LookUp) {
                // Coordinators also answer so when they lose their place after they have written the decision.
                self.transaction.end.note_doubt(facts.is_commit);
            }
            self.carry_out(now, Api::EndTxn, &Whose::Transaction, outcome);
        }
        Ok(())
    }

    fn outcome(&self, broker: i32, api: Api, code: i16, what: &str, facts: &Facts) -> Outcome {
        let decision = decide(api, code, facts);
        let status = Status(i32::from(code));
        let label = self.brokers.get(&broker).map_or_else(|| format!("broker {broker}"), |broker| broker.label());
        let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
        let text = format!("{label}: {}{what}: {}: {}", api.name(), status.name(), status.text());
        Outcome { decision, code: status.0, text }
    }

    /// The answer says nothing of what was asked: that is asked again.
    fn unanswered(&self, broker: i32, api: Api, what: &str) -> Outcome {
        let decision = Decision { action: Action::Retry, status: Status::UNKNOWN_SERVER_ERROR };
        let code = decision.status.0;
        Outcome {
            decision,
            code,
            text: format!("broker {broker}: its {} response has no entry for {what}", api.name()),
        }
    }

    fn maybe_registered(&mut self) {
        if self.transaction.registered == Registered::No {
            self.transaction.registered = Registered::Maybe;
        }
    }

    fn carry_out(&mut self, now: Time, api: Api, whose: &Whose, outcome: Outcome) {
        let Outcome { decision, text, .. } = outcome;
        match decision.action {
            Action::Done => {}
            Action::Retry | Action::Unknown => {
                self.note_waiting(&text);
                if decision.action == Action::Unknown {
                    self.transaction.note_doubt();
                }
                if api == Api::FindCoordinator {
                    self.search_failed(now, whose);
                } else {
                    self.coordinator_backoff(now, whose);
                }
            }
            Action::Wait => {
                self.note_waiting(&text);
                self.coordinator_is_busy(now, whose);
            }
            Action::LookUp => {
                self.note_waiting(&text);
                self.forget_coordinator(now, whose);
            }
            Action::Ended => {
                self.transaction.bump.wanted = true;
                self.transaction.links.succeeded(whose);
                if self.transaction.state == State::AbortableError {
                    self.transaction.end.aborted(None, None);
                } else {
                    self.transaction_ended(now, None, false);
                }
            }
            Action::Explain => match self.transaction.state {
                State::Aborting => self.transaction.end.use_next_epoch(),
                State::AbortableError if api == Api::EndTxn => self.transaction.end.use_next_epoch(),
                State::AbortableError => self.transaction.end.want(false),
                _ => {
                    let text = format!("{text} The coordinator does not have this transaction open any more");
                    self.transaction_failed(now, decision.status, text);
                }
            },
            Action::FailCall => {
                self.reports.log(4, "TRANSACTION", || text.clone());
                self.coordinator_backoff(now, whose);
                self.init_refused(Error::new(decision.status, text));
            }
            Action::Abort { bump } => {
                self.transaction.bump.required |= bump;
                if api == Api::FindCoordinator && self.transaction.state != State::InTransaction {
                    // An end and a new epoch need their coordinator all the same.
                    self.note_waiting(&text);
                    self.search_failed(now, whose);
                } else {
                    self.transaction_failed(now, decision.status, text);
                }
            }
            Action::Fatal => self.transaction_fatal(now, decision.status, &text),
        }
    }

    /// A search is repeated after the back-off, the first time too: the answer came from a broker that is well.
    fn search_failed(&mut self, now: Time, whose: &Whose) {
        self.forget_coordinator(now, whose);
        self.coordinator_backoff(now, whose);
    }
}

/// What brokers refuse because of two-phase commit, which they have no words of their own for.
fn explain_two_phase(sender: &Sender, facts: &Facts, outcome: &mut Outcome) {
    if !sender.config.two_phase_commit {
        return;
    }
    match outcome.decision.status {
        Status::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => outcome.text.push_str(
            " transaction.two.phase.commit.enable needs the right TWO_PHASE_COMMIT on the transactional id, and brokers \
             with transaction.two.phase.commit.enable=true",
        ),
        _ if outcome.code == Status::UNSUPPORTED_VERSION.0 && facts.is_first_init && sender.transaction.two_phase.keeps => {
            outcome.text.push_str(
                " The coordinator cannot keep a prepared transaction (Kafka 4.3 cannot). It is as it was: \
                 producer_complete_transaction before producer_init_transactions commits it, \
                 producer_init_transactions alone aborts it",
            );
            outcome.decision = Decision { action: Action::FailCall, status: Status::UNSUPPORTED_BROKER };
        }
        _ => {}
    }
}

/// Coordinators that lose their place after they have written a registration answer as if they had refused it. An
/// unknown topic is found before anything is written, and so is a transaction that is being completed.
fn may_hide_a_registration(outcome: &Outcome) -> bool {
    match outcome.decision.action {
        Action::LookUp | Action::Unknown => true,
        Action::Retry => outcome.decision.status != Status::UNKNOWN_TOPIC_OR_PARTITION,
        _ => false,
    }
}

/// An identity that a coordinator names; -1 is none.
fn identity(id: i64, epoch: i16) -> Option<Identity> {
    (id >= 0 && epoch >= 0).then_some(Identity { id, epoch })
}

/// Of several codes in one answer the one that asks for most.
fn worse(known: Option<Outcome>, other: Outcome) -> Option<Outcome> {
    let rank = |outcome: &Outcome| match outcome.decision.action {
        Action::Done | Action::Ended => 0,
        // The partition whose error kept this one out decides for both: when that is asked for again, so is this.
        Action::Abort { .. } if outcome.decision.status == Status::OPERATION_NOT_ATTEMPTED => 1,
        Action::Retry | Action::Unknown => 2,
        Action::Wait => 3,
        Action::LookUp | Action::FailCall => 4,
        Action::Abort { bump: false } => 5,
        Action::Abort { bump: true } => 6,
        Action::Explain => 7,
        Action::Fatal => 8,
    };
    match known {
        Some(known) if rank(&known) >= rank(&other) => Some(known),
        _ => Some(other),
    }
}
