//! The application of a transactional producer: it makes the five calls as one thread does, gives up waiting and calls
//! again, and acts on an error by its class alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::logins::is_refusal;
use super::{Happening, Sim};
use crate::accumulator::{CallReply, Command, GivenUp, TransactionCall};
use crate::error::{Class, Error, Status};
use crate::offsets::{GroupMetadata, TopicOffset};
use crate::prepared::PreparedTransaction;
use crate::reports::Persisted;
use crate::time::{Micros, Time};

/// The topic whose offsets go into transactions.
pub(super) const SOURCE: &str = "source";
/// What a call may take when nothing is wrong any more.
const TAIL_WAITS: Micros = Micros(60_000_000);
/// Calls that fail although they may be made again, one after the other, before the application is stuck.
const TRIES_MAX: u32 = 400;

/// Where the application thinks that it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Uninitialized,
    Ready,
    Open,
    /// Only the end is missing.
    Prepared,
    /// Something of the transaction failed: it has to be aborted.
    Failed,
    /// The producer failed for good.
    Broken,
}

/// The last transaction, when everything has settled: nothing excuses its failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tail {
    No,
    /// The transaction that is open comes to its end first.
    Due,
    Begun,
}

/// What the application does in its transactions, where chance does not decide it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// A record to this partition of the first topic.
    Say(u32),
    Offsets,
    Commit,
    Abort,
}

/// A call under way.
struct Made {
    call: TransactionCall,
    reply: Arc<CallReply>,
    gives_up_at: Time,
}

/// How the application saw a transaction end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It never asked for a commit, or the commit was refused.
    NotCommitted,
    /// A commit was asked for and never answered.
    Unknown,
    Committed,
    Aborted,
}

pub(super) struct Transaction {
    pub end: End,
    pub records: Vec<usize>,
    /// By group and partition of the source.
    pub offsets: BTreeMap<(String, i32), i64>,
    pub begun_at: Time,
    pub ended_at: Time,
}

pub(super) struct Transacting {
    pub stage: Stage,
    made: Option<Made>,
    pub transactions: Vec<Transaction>,
    /// What the last prepare, or the last init, has named.
    pub named: Option<PreparedTransaction>,
    /// Still to be begun.
    pub left: usize,
    /// Calls that were refused and will be made again, in a row.
    tries: u32,
    /// Calls that cannot succeed, made at random: each has to be refused.
    probes: Vec<(TransactionCall, Arc<CallReply>)>,
    pub fatal: Option<Error>,
    next_offset: i64,
    pub script: Option<VecDeque<Line>>,
    pub tail: Tail,
    pub abortable: usize,
    pub timed_out: usize,
}

impl Default for Transacting {
    fn default() -> Transacting {
        Transacting {
            stage: Stage::Uninitialized,
            made: None,
            transactions: Vec::new(),
            named: None,
            left: 0,
            tries: 0,
            probes: Vec::new(),
            fatal: None,
            next_offset: 0,
            script: None,
            tail: Tail::No,
            abortable: 0,
            timed_out: 0,
        }
    }
}

impl Transacting {
    pub fn open(&mut self) -> Option<&mut Transaction> {
        self.transactions.last_mut().filter(|_| matches!(self.stage, Stage::Open | Stage::Prepared))
    }

    /// Whether nothing is left to be done.
    pub fn is_done(&self) -> bool {
        let is_idle = self.left == 0 && self.made.is_none() && self.stage == Stage::Ready;
        (self.stage == Stage::Broken || is_idle) && self.tail == Tail::No
    }

    /// Whether the call under way has its result.
    pub fn is_answered(&self) -> bool {
        self.made.as_ref().is_none_or(|made| made.reply.done.is_complete())
    }

    /// Whether a call is under way.
    pub fn is_waiting(&self) -> bool {
        self.made.is_some()
    }
}

impl Sim {
    /// One step of the application.
    pub(super) fn transact(&mut self) {
        if self.app.is_closed || self.app.is_closing {
            return;
        }
        if let Some(made) = self.txn.made.take() {
            self.look_at(made);
            return;
        }
        if self.random.percent(3) {
            self.probe();
        }
        match self.txn.stage {
            Stage::Uninitialized => self.call(TransactionCall::Init),
            Stage::Broken if self.txn.tail != Tail::No => self.close(),
            Stage::Ready if self.txn.tail == Tail::Begun => self.close(),
            Stage::Ready if self.txn.tail == Tail::Due => {
                self.txn.left = 1;
                self.txn.tail = Tail::Begun;
                self.call(TransactionCall::Begin);
            }
            Stage::Open if self.txn.tail == Tail::Begun => {
                self.send_last();
                self.call(TransactionCall::Commit);
            }
            Stage::Ready if self.txn.left > 0 => self.call(TransactionCall::Begin),
            Stage::Ready | Stage::Broken => {}
            Stage::Open => self.go_on_in_transaction(),
            Stage::Prepared => self.decide(),
            Stage::Failed => self.call(TransactionCall::Abort),
        }
        if self.random.percent(30) {
            self.take_reports();
        }
        if !self.app.late.is_empty() && self.random.percent(5) {
            self.create_late_topics();
        }
    }

    fn go_on_in_transaction(&mut self) {
        if let Some(script) = &mut self.txn.script {
            let line = script.pop_front().unwrap_or(Line::Commit);
            self.follow(line);
            return;
        }
        match self.random.below(100) {
            0..60 => self.send_some(),
            60..72 => self.send_offsets(),
            72..76 => {
                self.flush();
            }
            76..93 if self.plan.config.two_phase_commit && self.random.percent(60) => {
                self.call(TransactionCall::Prepare);
            }
            76..93 => self.call(TransactionCall::Commit),
            93..98 => self.call(TransactionCall::Abort),
            // Some of its records are accepted while the commit is on its way to the I/O thread.
            _ => {
                self.call(TransactionCall::Commit);
                self.send_some();
            }
        }
    }

    /// What the other system says.
    fn decide(&mut self) {
        let named = self.txn.named;
        let call = match self.random.below(10) {
            0..6 => TransactionCall::Complete(named),
            6..8 => TransactionCall::Commit,
            8 => TransactionCall::Complete(None),
            _ => TransactionCall::Abort,
        };
        self.call(call);
    }

    fn follow(&mut self, line: Line) {
        match line {
            Line::Say(partition) => {
                let value = Some(vec![7; 150]);
                let sent = self.record(0, Some(partition), None, value, Vec::new(), None, true);
                self.send(sent, 0);
            }
            Line::Offsets => self.send_offsets(),
            Line::Commit => self.call(TransactionCall::Commit),
            Line::Abort => self.call(TransactionCall::Abort),
        }
    }

    fn send_some(&mut self) {
        for _ in 0..self.random.between(1, 4) {
            let sent = self.make_record();
            self.send(sent, 0);
        }
        if self.plan.directs && self.random.percent(20) {
            self.send_direct();
        }
        if self.plan.cancels && self.random.percent(40) {
            self.cancel_one();
        }
    }

    fn send_offsets(&mut self) {
        let group_id = format!("group{}", self.random.below(2));
        let group = GroupMetadata { group_id, generation_id: -1, member_id: String::new(), group_instance_id: None };
        let count = self.random.between(1, 2);
        let offsets = (0..count).map(|_| {
            self.txn.next_offset += 1;
            TopicOffset {
                topic: SOURCE.to_owned(),
                partition: self.random.below(2) as i32,
                offset: self.txn.next_offset,
                leader_epoch: -1,
                metadata: None,
            }
        });
        let mut offsets: Vec<TopicOffset> = offsets.collect();
        // One entry for each partition, as consumers keep them.
        offsets.reverse();
        offsets.sort_by_key(|offset| offset.partition);
        offsets.dedup_by_key(|offset| offset.partition);
        self.call(TransactionCall::SendOffsets { offsets, group });
    }

    /// A call that does not fit, whatever happens meanwhile.
    fn probe(&mut self) {
        let call = match self.txn.stage {
            Stage::Uninitialized => TransactionCall::Commit,
            Stage::Open => TransactionCall::Begin,
            _ => TransactionCall::Init,
        };
        let reply = Arc::new(CallReply::default());
        self.note(70, 0, 0, || format!("a call that does not fit: {}", call.name()));
        self.accumulator.inbox.command(Command::Transaction { call: call.clone(), reply: reply.clone() });
        self.txn.probes.push((call, reply));
        self.after_application();
    }

    pub(super) fn call(&mut self, call: TransactionCall) {
        if self.txn.fatal.is_some() {
            self.txn.stage = Stage::Broken;
            return;
        }
        if matches!(call, TransactionCall::Commit | TransactionCall::Complete(Some(_)))
            && let Some(open) = self.txn.open()
        {
            open.end = End::Unknown;
        }
        let reply = Arc::new(CallReply::default());
        let waits = if self.txn.tail != Tail::No {
            TAIL_WAITS.0
        } else {
            self.random.pick(&[1_000, 100_000, 2_000_000, 20_000_000])
        };
        let gives_up_at = self.now + Micros(waits);
        self.note(71, 0, 0, || format!("{} is called", call.name()));
        self.accumulator.inbox.command(Command::Transaction { call: call.clone(), reply: reply.clone() });
        self.txn.made = Some(Made { call, reply, gives_up_at });
        self.after_application();
    }

    /// The call under way has ended, or is given up, or is waited for.
    fn look_at(&mut self, made: Made) {
        if !made.reply.done.is_complete() && self.now < made.gives_up_at {
            self.txn.made = Some(made);
            return;
        }
        match made.reply.give_up() {
            GivenUp::Answered(result) => {
                self.txn.named = made.reply.prepared.get().copied().or(self.txn.named);
                self.ended(made.call, result);
            }
            GivenUp::Waiting(_) => self.timed_out(made.call),
        }
    }

    /// For named scenarios: what became of the call under way.
    pub(super) fn result_of_call(&mut self) -> Result<(), Error> {
        let Some(made) = self.txn.made.take() else {
            return self.txn.fatal.clone().map_or(Ok(()), Err);
        };
        let result = match made.reply.give_up() {
            GivenUp::Answered(result) => {
                self.txn.named = made.reply.prepared.get().copied();
                result
            }
            GivenUp::Waiting(_) => Err(Error::new(Status::TIMED_OUT, "the scenario waits no longer")),
        };
        match &result {
            Ok(()) => self.succeeded(made.call),
            Err(error) if error.status.class() == Class::Abortable => {
                if let Some(open) = self.txn.open() {
                    open.end = End::NotCommitted;
                }
                self.txn.stage = Stage::Failed;
            }
            Err(error) if error.status.class() == Class::Fatal => self.broke(error.clone()),
            Err(_) => {}
        }
        result
    }

    fn timed_out(&mut self, call: TransactionCall) {
        self.note(72, 0, 0, || format!("{} is given up", call.name()));
        self.txn.timed_out += 1;
        if self.txn.tail != Tail::No {
            self.fail(format!("{} does not end though nothing is wrong", call.name()));
            return;
        }
        self.again(call);
    }

    /// A call is made again; instead of offsets an abort may come.
    fn again(&mut self, call: TransactionCall) {
        self.txn.tries += 1;
        if self.txn.tries > TRIES_MAX {
            self.fail(format!("{} is made again and again", call.name()));
        }
        let is_offsets = matches!(call, TransactionCall::SendOffsets { .. });
        if is_offsets && self.random.percent(30) {
            self.call(TransactionCall::Abort);
        } else {
            self.call(call);
        }
    }

    fn ended(&mut self, call: TransactionCall, result: Result<(), Error>) {
        self.note(73, 0, 0, || format!("{} ends: {result:?}", call.name()));
        self.take_reports();
        let error = match result {
            Ok(()) => {
                self.txn.tries = 0;
                self.succeeded(call);
                return;
            }
            Err(error) => error,
        };
        if error.message.is_empty() {
            self.fail(format!("{} failed without a sentence: {error:?}", call.name()));
        }
        match error.status.class() {
            Class::Fatal => self.broke(error),
            Class::Retriable => self.again(call),
            Class::Abortable => self.must_abort(&call, &error),
            // Nobody lets us in yet.
            Class::Plain if call == TransactionCall::Init && is_refusal(error.status) => self.again(call),
            Class::Ok | Class::Plain => {
                self.fail(format!("{} in {:?} failed: {error:?}", call.name(), self.txn.stage));
            }
        }
    }

    fn must_abort(&mut self, call: &TransactionCall, error: &Error) {
        if matches!(call, TransactionCall::Init | TransactionCall::Begin) && self.hard_code_answered {
            // A coordinator told to answer TRANSACTION_ABORTABLE where nothing is open.
            self.again(call.clone());
            return;
        }
        if self.txn.tail == Tail::Begun && self.may_fail_late() {
            self.txn.tail = Tail::Due;
            let records = self.txn.open().map(|open| open.records.clone()).unwrap_or_default();
            records.into_iter().for_each(|index| self.app.sent[index].is_tail = false);
        }
        let fits = matches!(
            call,
            TransactionCall::Commit
                | TransactionCall::Prepare
                | TransactionCall::Complete(Some(_))
                | TransactionCall::SendOffsets { .. }
        );
        if !fits || self.txn.open().is_none() || self.txn.tail == Tail::Begun {
            self.fail(format!("{} in {:?} asks for an abort: {error:?}", call.name(), self.txn.stage));
        }
        self.txn.abortable += 1;
        if let Some(open) = self.txn.open() {
            open.end = End::NotCommitted;
        }
        self.txn.stage = Stage::Failed;
    }

    /// Whether something that happened before everything settled may show only now: a partition has forgotten the
    /// producer, another one has taken its place.
    fn may_fail_late(&mut self) -> bool {
        self.txn.tries += 1;
        let config = &self.plan.config;
        let is_short = config.delivery_timeout_ms < 2_000 || config.retries <= 100;
        (is_short || !self.losses.partitions.is_empty() || self.may_be_fatal()) && self.txn.tries < 40
    }

    /// The first cause stays, whatever is called after it.
    fn broke(&mut self, error: Error) {
        if let Some(first) = &self.txn.fatal
            && *first != error
        {
            self.fail(format!("the producer failed for good with {first:?}, and then with {error:?}"));
        }
        self.txn.fatal.get_or_insert(error);
        self.txn.stage = Stage::Broken;
    }

    fn succeeded(&mut self, call: TransactionCall) {
        let now = self.now;
        match call {
            TransactionCall::Init => self.txn.stage = Stage::Ready,
            TransactionCall::InitKeepPrepared => {
                self.txn.stage = if self.txn.named.is_some() { Stage::Prepared } else { Stage::Ready };
            }
            TransactionCall::Prepare => {
                self.check_reports_of_commit();
                self.txn.stage = Stage::Prepared;
            }
            TransactionCall::Begin => {
                self.txn.left = self.txn.left.saturating_sub(1);
                self.txn.stage = Stage::Open;
                self.txn.transactions.push(Transaction {
                    end: End::NotCommitted,
                    records: Vec::new(),
                    offsets: BTreeMap::new(),
                    begun_at: now,
                    ended_at: Time::NEVER,
                });
            }
            TransactionCall::SendOffsets { offsets, group } => {
                if let Some(open) = self.txn.open() {
                    for offset in offsets {
                        open.offsets.insert((group.group_id.clone(), offset.partition), offset.offset);
                    }
                }
            }
            TransactionCall::Commit | TransactionCall::Complete(Some(_)) => {
                self.check_reports_of_commit();
                if let Some(open) = self.txn.open() {
                    open.end = End::Committed;
                    open.ended_at = now;
                }
                self.txn.stage = Stage::Ready;
            }
            TransactionCall::Abort | TransactionCall::Complete(None) | TransactionCall::Finish => {
                if let Some(last) = self.txn.transactions.last_mut() {
                    last.end = End::Aborted;
                    last.ended_at = now;
                }
                self.txn.stage = Stage::Ready;
            }
        }
    }

    /// A commit or a prepare that succeeded has every record delivered that was not taken back, and said so before.
    fn check_reports_of_commit(&mut self) {
        let Some(open) = self.txn.transactions.last() else { return };
        for index in &open.records {
            let sent = &self.app.sent[*index];
            let is_told = sent.report.as_ref().is_some_and(|report| report.persisted == Persisted::Yes);
            if sent.is_tagged && !sent.is_cancelled && !is_told {
                let text = format!(
                    "a commit or a prepare succeeded, and the report of its record {index} is {:?}",
                    sent.report
                );
                self.fail(text);
                return;
            }
        }
    }

    /// A send was refused: what the door says is the application's to act on.
    pub(super) fn refused(&mut self) {
        let Some(error) = self.accumulator.fatal().cloned().or_else(|| self.accumulator.door.why()) else { return };
        self.note(74, 0, 0, || format!("a record is refused: {error}"));
        match error.status.class() {
            Class::Fatal => {
                self.app.left = 0;
                if self.is_transactional() {
                    self.broke(error);
                }
            }
            Class::Abortable if self.txn.stage == Stage::Open => {
                // A commit that is under way has the same to say.
                if self.txn.made.is_none() {
                    self.txn.abortable += 1;
                    self.txn.stage = Stage::Failed;
                }
            }
            _ => {
                let may_be = self.txn.made.is_some() || self.txn.stage != Stage::Open;
                if !may_be {
                    self.fail(format!("a record is refused in an open transaction: {error:?}"));
                }
            }
        }
    }

    /// What is under way is to come to its end, and a last transaction to follow.
    pub(super) fn transact_tail(&mut self) {
        self.txn.tail = Tail::Due;
        self.txn.left = 0;
        let until = self.now + TAIL_WAITS;
        if let Some(made) = &mut self.txn.made {
            made.gives_up_at = made.gives_up_at.max(until);
        }
        self.schedule(self.now, Happening::App);
    }

    fn send_last(&mut self) {
        for topic in 0..self.plan.topics.len() {
            for partition in 0..self.plan.topics[topic] as u32 {
                let mut sent = self.record(
                    topic,
                    Some(partition),
                    Some(b"tail".to_vec()),
                    Some(b"tail".to_vec()),
                    Vec::new(),
                    None,
                    true,
                );
                sent.is_tail = true;
                self.send(sent, 0);
            }
        }
    }

    /// Refusals of calls that did not fit.
    pub(super) fn check_probes(&self) -> Option<String> {
        for (call, reply) in &self.txn.probes {
            let refused =
                |status: Status| matches!(status.class(), Class::Fatal | Class::Abortable) || status == Status::STATE;
            match reply.give_up() {
                GivenUp::Answered(Err(error)) if refused(error.status) => {}
                GivenUp::Waiting(_) if self.app.is_closed => {}
                GivenUp::Answered(other) => return Some(format!("{} did not fit and ended: {other:?}", call.name())),
                GivenUp::Waiting(_) => return Some(format!("{} did not fit and was not refused", call.name())),
            }
        }
        None
    }
}
