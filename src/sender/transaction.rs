//! Transactions: the state of the one that is open, and what the rest of the sender asks of it. The application's calls
//! come in `transaction/calls.rs`, ends are in `transaction/end.rs`, requests to coordinators in `coordinator.rs`. All
//! of it lives on the I/O thread; `Sender::drive_transaction` looks at the state after every input and does whatever
//! comes next.

mod calls;
mod end;
mod end_check;
mod prepared;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

pub use super::coordinator::CoordinatorRequest;
pub(super) use end::transaction_kept;
use end_check::EndCheck;
pub(super) use prepared::{Resumed, TwoPhase};
pub use state::{State, may};

use super::Sender;
use super::cluster::leader_of;
use super::coordinator_link::Links;
use super::coordinator_verdict::abortable;
use crate::accumulator::{CallReply, TransactionCall};
use crate::config::Config;
use crate::error::{Error, Status};
use crate::offsets::{GroupMetadata, TopicOffset};
use crate::reports::Completion;
use crate::time::{Micros, Time};
use crate::wire::header::Api;

/// The first produce request that registers its partitions in the transaction by itself (KIP-890).
const PRODUCE_V2: i16 = 12;
/// The highest versions that do not.
const PRODUCE_V1_MAX: i16 = 11;
const TXN_OFFSET_COMMIT_V2: i16 = 5;
const END_TXN_V2: i16 = 5;
/// InitProducerId from here on knows two-phase commit (KIP-939).
const INIT_TWO_PHASE: i16 = 6;

pub struct Transaction {
    /// `transactional.id`; without one nothing else here is used.
    pub(super) id: Option<String>,
    pub(super) state: State,
    /// Transactions of version 2: requests register what they touch, and each transaction has an epoch of its own.
    pub(super) is_v2: bool,
    /// Nothing was sent under the current epoch yet.
    is_fresh: bool,
    /// Of the transaction, among all of this producer: marks with another number mean nothing.
    serial: u64,
    /// When something of the transaction was first sent: about then the coordinator's clock starts.
    started_at: Option<Time>,
    /// By dense partition id.
    marks: Vec<Mark>,
    /// Partitions of the transaction.
    touched: Vec<u32>,
    /// Those of them that the coordinator has to be told of (version 1).
    pub(super) new: Vec<u32>,
    /// What the coordinator knows of the transaction.
    pub(super) registered: Registered,
    /// A broker has taken something of the transaction, so that the one before is over for its coordinator (version 2).
    pub(super) is_confirmed: bool,
    /// Groups that the coordinator knows of (version 1).
    pub(super) groups: BTreeSet<String>,
    /// Offsets to be sent, the first one under way.
    pub(super) offsets: VecDeque<OffsetsCall>,
    /// Groups whose offsets were asked to be in the transaction and are not known to be.
    pub(super) unsettled: BTreeSet<String>,
    pub(super) end: EndCheck,
    /// Why it cannot be committed: the first cause.
    pub(super) error: Option<Error>,
    /// A bug: told when nothing else is in anybody's hands.
    doom: Option<Error>,
    sweep: Sweep,
    /// Reached when everything that was accepted is finished.
    drained: Option<Arc<Completion>>,
    pub(super) bump: Bump,
    pub(super) two_phase: TwoPhase,
    /// The call that is under way. Offsets have their own.
    pub(super) pending: Option<Pending>,
    /// The result of a call that nobody waited for any more.
    kept: Option<(TransactionCall, Result<(), Error>)>,
    pub(super) links: Links,
}

/// A partition's part in a transaction.
#[derive(Clone, Copy, Default)]
struct Mark {
    serial: u64,
    is_registered: bool,
}

/// What is still to be failed of a transaction that is given up.
#[derive(Default)]
struct Sweep {
    /// Whatever was accepted.
    unswept: bool,
    /// Batches that were in flight then and have come back since.
    resweep: bool,
}

/// Whether the coordinator knows of anything in the transaction: it refuses to end an empty one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registered {
    No,
    /// The answer to the first registration was lost.
    Maybe,
    Yes,
}

/// Whether the next transaction needs a new epoch from the coordinator.
#[derive(Clone, Copy, Default, Debug)]
pub struct Bump {
    /// A delayed copy of a request of this epoch could end a later transaction (transactions.md 5.6).
    pub wanted: bool,
    /// Sequences of this epoch have holes: brokers would refuse what comes next.
    pub required: bool,
}

/// A call to init, begin, commit or abort.
pub struct Pending {
    pub call: TransactionCall,
    pub waiters: Vec<Arc<CallReply>>,
}

/// One call to send offsets.
pub struct OffsetsCall {
    pub group: GroupMetadata,
    /// What the group's coordinator has not confirmed yet.
    pub left: Vec<TopicOffset>,
    pub reply: Arc<CallReply>,
}

impl Transaction {
    pub fn new(config: &Config) -> Transaction {
        Transaction {
            id: config.transactional_id.clone(),
            state: State::Uninitialized,
            is_v2: false,
            is_fresh: false,
            serial: 1,
            started_at: None,
            marks: Vec::new(),
            touched: Vec::new(),
            new: Vec::new(),
            registered: Registered::No,
            is_confirmed: false,
            groups: BTreeSet::new(),
            offsets: VecDeque::new(),
            unsettled: BTreeSet::new(),
            end: EndCheck::default(),
            error: None,
            doom: None,
            sweep: Sweep::default(),
            drained: None,
            bump: Bump::default(),
            two_phase: TwoPhase::default(),
            pending: None,
            kept: None,
            links: Links::default(),
        }
    }

    /// Whether the producer makes transactions at all.
    pub fn is_used(&self) -> bool {
        self.id.is_some()
    }

    /// Whether records go out.
    pub(super) fn is_sending(&self) -> bool {
        matches!(self.state, State::InTransaction | State::Preparing | State::Committing)
    }

    /// Whether what was accepted and not sent is to fail.
    fn is_giving_up(&self) -> bool {
        matches!(self.state, State::Aborting | State::AbortableError)
    }

    fn mark(&mut self, dense: u32) -> &mut Mark {
        let at = dense as usize;
        if at >= self.marks.len() {
            self.marks.resize(at + 1, Mark::default());
        }
        &mut self.marks[at]
    }

    /// Something of the transaction is being sent.
    pub(super) fn note_started(&mut self, now: Time) {
        self.started_at.get_or_insert(now);
        self.is_fresh = false;
    }

    /// A batch goes to a broker. Under version 2 that is what registers its partition, and not before: what was to be
    /// sent may have been cancelled.
    pub(super) fn note_produced(&mut self) {
        if self.is_used() && self.is_v2 {
            self.registered = Registered::Yes;
        }
    }

    /// The coordinator has confirmed these partitions.
    pub(super) fn confirm(&mut self, confirmed: &[u32]) {
        if confirmed.is_empty() {
            return;
        }
        let serial = self.serial;
        for dense in confirmed {
            *self.mark(*dense) = Mark { serial, is_registered: true };
        }
        let marks = &self.marks;
        self.new.retain(|dense| !marks[*dense as usize].is_registered);
        self.registered = Registered::Yes;
    }

    /// A batch that was in flight is to be sent again. When nothing is sent any more, it is to be failed.
    pub(super) fn note_retry(&mut self) {
        self.sweep.resweep |= self.is_giving_up();
    }

    /// Whether the transaction has failed, and the coordinator's answer decides how: the first call that meets fencing
    /// says so.
    fn is_being_explained(&self) -> bool {
        self.state == State::AbortableError && self.end.is_pending()
    }

    /// Whether the coordinator certainly had the transaction open under the producer's epoch, and nothing that was
    /// asked for may have ended it since: what has, was the coordinator itself or another producer.
    pub(super) fn is_known_open(&self) -> bool {
        let has_begun = if self.is_v2 { self.is_confirmed } else { self.registered == Registered::Yes };
        has_begun && !self.end.is_end_in_doubt()
    }

    /// A request of this transaction may have been acted on, or may be yet: version 2 has an epoch for each
    /// transaction, so that a delayed copy meets a closed door; version 1 gets a new one before the next transaction.
    pub(super) fn note_doubt(&mut self) {
        self.bump.wanted |= !self.is_v2;
    }
}

impl Sender {
    /// Goes from one state to another. A step that is not legal is a bug, after which the producer is not trusted any
    /// more.
    pub(super) fn enter(&mut self, to: State) {
        let from = self.transaction.state;
        if !may(from, to) {
            let text = format!("internal error of the library: transaction state {from:?} cannot become {to:?}");
            self.transaction.doom.get_or_insert(Error::new(Status::INTERNAL, text));
            return;
        }
        self.reports.log(7, "TRANSACTION", || format!("{from:?} -> {to:?}"));
        self.transaction.state = to;
    }

    /// Whether a batch of this partition may go to a broker now. When not, whatever allows it later puts the partition
    /// in line again with `mark_ready`.
    pub(super) fn transaction_lets(&mut self, now: Time, dense: u32) -> bool {
        if !self.transaction.is_used() {
            return true;
        }
        // In the other states a sweep fails what is queued.
        self.transaction.is_sending() && self.touch(now, dense) && self.leader_speaks_v2(now, dense)
    }

    /// A partition has got its first records: it is registered while they linger.
    pub(super) fn transaction_expects(&mut self, now: Time, dense: u32) {
        if self.transaction.is_used() && self.transaction.is_sending() && !self.transaction.is_v2 {
            self.touch(now, dense);
        }
    }

    /// Makes the partition part of the transaction. True when the coordinator knows of it, or hears of it from its
    /// leader.
    fn touch(&mut self, now: Time, dense: u32) -> bool {
        let serial = self.transaction.serial;
        let mark = *self.transaction.mark(dense);
        if mark.serial == serial {
            return mark.is_registered;
        }
        if !self.partitions[dense as usize].has_any() {
            // A place in line that has outlived its records. Registering it would make an empty transaction look like
            // one.
            return false;
        }
        let transaction = &mut self.transaction;
        transaction.note_started(now);
        transaction.touched.push(dense);
        let is_v2 = transaction.is_v2;
        *transaction.mark(dense) = Mark { serial, is_registered: is_v2 };
        if !is_v2 {
            transaction.new.push(dense);
        }
        is_v2
    }

    /// Under version 2 produce requests register their partitions; a leader that cannot must not get one.
    fn leader_speaks_v2(&mut self, now: Time, dense: u32) -> bool {
        if !self.transaction.is_v2 {
            return true;
        }
        let state = &self.partitions[dense as usize];
        let Some(broker) = leader_of(state, &self.brokers) else { return true };
        let Some(connection) = &broker.connection else { return true };
        let offered = connection.versions.get(Api::Produce).unwrap_or(0);
        if offered >= PRODUCE_V2 {
            return true;
        }
        let text = format!(
            "{}: {} takes Produce up to version {offered}, and this transaction needs version {PRODUCE_V2} \
             (transaction.version=2): upgrade it",
            state.label(),
            broker.label()
        );
        self.transaction_failed(now, Status::TRANSACTION_ABORTABLE, text);
        false
    }

    /// The version of a produce request to a broker that offers `offered`.
    pub(super) fn transaction_produce_version(&self, offered: i16) -> i16 {
        if self.transaction.is_used() && !self.transaction.is_v2 { offered.min(PRODUCE_V1_MAX) } else { offered }
    }

    /// A record of the open transaction failed: it cannot be committed any more.
    pub(super) fn transaction_record_failed(&mut self, now: Time, status: Status, cause: &str) {
        // Closing and bugs fail everything, and say so themselves.
        if !self.transaction.is_sending() || matches!(status, Status::CLOSED | Status::INTERNAL) {
            return;
        }
        if self.accumulator.fatal().is_some() {
            // Nobody is told to abort what cannot be aborted any more.
            return;
        }
        let mut text = format!("a record of the transaction failed: {}", status.name());
        if !cause.is_empty() {
            text = format!("{text}: {cause}");
        }
        self.transaction_failed(now, status, text);
    }

    /// A batch of the open transaction is in the log.
    pub(super) fn transaction_record_taken(&mut self) {
        self.transaction.is_confirmed = true;
    }

    /// The transaction can only be aborted from now on. What was not sent fails at the end of this input: whoever calls
    /// this may have batches in hand.
    pub(super) fn transaction_failed(&mut self, now: Time, status: Status, text: String) {
        if !self.transaction.is_sending() {
            // The first cause is kept, and an abort that is under way is what the error asks for.
            return;
        }
        if self.transaction.two_phase.resumed != Resumed::No {
            // It is another producer's: what this one was to do with it cannot be done.
            self.transaction_fatal(now, status, &text);
            return;
        }
        if matches!(status, Status::INVALID_PRODUCER_EPOCH | Status::INVALID_TXN_STATE)
            && self.transaction.registered != Registered::No
        {
            self.transaction.end.want(status == Status::INVALID_PRODUCER_EPOCH);
        } else if self.transaction.end.is_commit_in_doubt() {
            // Who is told to abort does the same work again.
            self.transaction_fatal(now, Status::FATAL, &text);
            return;
        }
        let text = format!("{text}{}; abort the transaction", self.overdue_words(now));
        self.reports.log(4, "TRANSACTION", || text.clone());
        let error = Error::new(abortable(status), text);
        self.accumulator.door.shut(error.clone());
        self.transaction.error = Some(error);
        self.transaction.sweep.unswept = true;
        self.enter(State::AbortableError);
    }

    /// The producer cannot go on: everything that is outstanding fails with its report, and so does the call under way.
    pub(super) fn transaction_fatal(&mut self, now: Time, status: Status, text: &str) {
        let doubt = if self.transaction.end.is_commit_in_doubt() {
            "; whether the transaction was committed is not known: an earlier attempt may have done it"
        } else {
            ""
        };
        // Once the coordinator has been asked for the reason, the time that has passed explains nothing.
        let overdue = if self.transaction.end.uses_next_epoch() { String::new() } else { self.overdue_words(now) };
        let text = format!("{text}{doubt}{overdue}");
        self.fail_for_good(now, status, &text);
        self.drive_transaction(now);
    }

    /// A transaction that outlives `transaction.timeout.ms` is aborted by its coordinator, which then speaks of
    /// fencing: what most likely happened is said beside it.
    fn overdue_words(&self, now: Time) -> String {
        let limit_ms = self.config.transaction_timeout_ms;
        match self.transaction.started_at.map(|started_at| now.since(started_at)) {
            Some(open_for) if open_for >= Micros::from_ms(limit_ms) => format!(
                " (the transaction has been open for {} ms, and transaction.timeout.ms={limit_ms}: its coordinator has most \
                 likely aborted it; raise that, or make smaller transactions)",
                open_for.as_ms()
            ),
            _ => String::new(),
        }
    }

    /// A batch that ended without being acknowledged has left a hole in the sequence: the next transaction needs a new
    /// epoch.
    pub(super) fn transaction_needs_bump(&mut self) {
        self.transaction.bump.required |= self.transaction.is_used();
    }

    /// An attempt to produce ended without an answer.
    pub(super) fn transaction_attempt_in_doubt(&mut self) {
        if self.transaction.is_used() {
            self.transaction.note_doubt();
        }
    }

    /// Whether every broker that is known well enough takes the requests of version 2. Asked between transactions only.
    pub(super) fn cluster_speaks_v2(&self) -> bool {
        let needed =
            [(Api::Produce, PRODUCE_V2), (Api::EndTxn, END_TXN_V2), (Api::TxnOffsetCommit, TXN_OFFSET_COMMIT_V2)];
        self.features.transaction_version() >= 2
            && self.brokers.values().filter(|broker| broker.is_ready()).all(|broker| {
                let versions = broker.connection.as_ref().map(|connection| &connection.versions);
                versions.is_some_and(|v| needed.iter().all(|(api, least)| v.get(*api) >= Some(*least)))
            })
    }

    /// The version of a request to a coordinator, of which version 1 must not use the highest; or a sentence why there
    /// is none.
    pub(super) fn transaction_version(&self, api: Api, broker: i32) -> Result<i16, String> {
        let Some(broker) = self.brokers.get(&broker) else { return Err("the broker is gone".into()) };
        let Some(connection) = &broker.connection else { return Err(format!("{} is not connected", broker.label())) };
        let version = connection.versions.choose(api).map_err(|why| format!("{}: {why}", broker.label()))?;
        if api == Api::InitProducerId {
            return init_version(self.config.two_phase_commit, version)
                .map_err(|why| format!("{}: {why}", broker.label()));
        }
        let least = match api {
            Api::EndTxn => END_TXN_V2,
            Api::TxnOffsetCommit => TXN_OFFSET_COMMIT_V2,
            _ => return Ok(version),
        };
        match self.transaction.is_v2 {
            false => Ok(version.min(least - 1)),
            true if version >= least => Ok(version),
            true => Err(format!(
                "{}: it takes {} up to version {version}, and this transaction needs version {least} \
                 (transaction.version=2): upgrade it",
                broker.label(),
                api.name()
            )),
        }
    }

    /// Whatever the state of the transaction wants to happen next.
    pub(super) fn drive_transaction(&mut self, now: Time) {
        if !self.transaction.is_used() || self.finished {
            return;
        }
        self.transaction.links.timer_fired(now);
        // A bug that shows in a step of the loop is told in the next.
        for _ in 0..STEPS_MAX {
            if let Some(doom) = self.transaction.doom.take() {
                self.fail_for_good(now, doom.status, &doom.message);
            }
            if let Some(fatal) = self.accumulator.fatal().cloned() {
                self.transaction_broken(&fatal);
                return;
            }
            end::settle_prepared(self);
            if self.transaction.is_giving_up() {
                self.sweep_transaction(now);
            }
            if let (State::AbortableError, Some(error)) = (self.transaction.state, self.transaction.error.clone())
                && !self.transaction.end.is_pending()
            {
                self.fail_offsets(&error);
                self.finish_call(Err(error));
            }
            if !self.ask_next(now) && self.transaction.doom.is_none() {
                return;
            }
        }
    }
}

/// The version of InitProducerId to a coordinator that offers up to `offered`.
fn init_version(two_phase: bool, offered: i16) -> Result<i16, String> {
    match two_phase {
        false => Ok(offered.min(INIT_TWO_PHASE - 1)),
        true if offered >= INIT_TWO_PHASE => Ok(offered),
        true => Err(format!(
            "it takes InitProducerId up to version {offered}, and transaction.two.phase.commit.enable needs version \
             {INIT_TWO_PHASE} (KIP-939): brokers of Kafka 4.3 have it with unstable.api.versions.enable=true"
        )),
    }
}

/// Steps that one input can lead to: end, new epoch, begin, and a request.
const STEPS_MAX: u32 = 8;
