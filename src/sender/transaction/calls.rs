//! The application's calls as they arrive: refused at once when they do not fit the state, which they then leave as it
//! is; else they wait for what `end.rs` and the coordinators bring. A call whose caller's time is over goes on, and the
//! same call made again takes it up.

use std::sync::Arc;

use super::end::{complete_called, prepare_called, tell_prepared};
use super::{OffsetsCall, Pending, State};
use crate::accumulator::{CallReply, TransactionCall};
use crate::error::{Error, Result, Status};
use crate::offsets::{GroupMetadata, TopicOffset};
use crate::sender::Sender;
use crate::time::Time;

impl Sender {
    pub(in crate::sender) fn handle_transaction_call(
        &mut self,
        now: Time,
        call: TransactionCall,
        reply: Arc<CallReply>,
    ) {
        if let Err(error) = self.admit(now, call, &reply) {
            self.tell(&reply, Err(error));
        }
        self.drive_transaction(now);
        self.try_refusers(now);
        self.reports.complete(&reply.started);
    }

    fn tell(&mut self, reply: &CallReply, result: Result<()>) {
        self.reports.push_all(&mut self.outcomes);
        reply.answer(result);
        self.reports.complete(&reply.done);
    }

    /// Takes the call, or says why not.
    fn admit(&mut self, now: Time, call: TransactionCall, reply: &Arc<CallReply>) -> Result<()> {
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        if !self.transaction.is_used() {
            return Err(not_transactional(&call));
        }
        if let Some((ended, result)) = self.transaction.kept.take() {
            if ended == call {
                if result.is_ok() {
                    self.say_none_is_open();
                    tell_prepared(self, reply);
                }
                self.tell(reply, result);
                return Ok(());
            }
            if call == TransactionCall::Finish && ended == TransactionCall::Prepare {
                // Nobody has learnt its name, so that nobody can have decided to commit it.
                self.transaction.two_phase.prepared = None;
            }
            if call != TransactionCall::Finish {
                let text = format!(
                    "{} timed out earlier and has ended since: call it again for its result before {}",
                    ended.name(),
                    call.name()
                );
                self.transaction.kept = Some((ended, result));
                return Err(Error::new(Status::STATE, text));
            }
        }
        if self.transaction.pending.is_some() && self.joins_pending(&call, reply)? {
            return Ok(());
        }
        match call {
            TransactionCall::Init | TransactionCall::InitKeepPrepared => self.init_called(call, reply),
            TransactionCall::Begin => self.begin_called(now, reply),
            TransactionCall::SendOffsets { offsets, group } => self.offsets_called(offsets, group, reply),
            TransactionCall::Prepare => prepare_called(self, now, reply),
            TransactionCall::Commit => self.commit_called(now, call, reply),
            TransactionCall::Abort => self.abort_called(now, call, reply),
            TransactionCall::Complete(wanted) => complete_called(self, now, wanted, reply),
            TransactionCall::Finish => self.finish_called(now, reply),
        }
    }

    /// A call while another is under way: true when it waits for the same end.
    fn joins_pending(&mut self, call: &TransactionCall, reply: &Arc<CallReply>) -> Result<bool> {
        let Some(pending) = &mut self.transaction.pending else { return Ok(false) };
        // A program that asks again and again leaves no pile.
        pending.waiters.retain(|waiter| !waiter.is_given_up());
        let is_ending =
            matches!(pending.call, TransactionCall::Commit | TransactionCall::Abort | TransactionCall::Complete(_));
        let is_begin = pending.call == TransactionCall::Begin;
        if is_begin && pending.waiters.is_empty() {
            // Nobody waits for it any more, and nothing has been begun.
            self.transaction.pending = None;
            return Ok(false);
        }
        if *call == TransactionCall::Finish && pending.call == TransactionCall::Prepare {
            // It would stay open for ever, and nobody would know its name.
            let text = "the producer was closed before the transaction was prepared";
            self.finish_call(Err(Error::new(Status::CLOSED, text)));
            return Ok(false);
        }
        if *call == TransactionCall::Finish && !is_ending {
            // Nothing is open.
            self.tell(reply, Ok(()));
            return Ok(true);
        }
        if *call == TransactionCall::Finish || (*call == pending.call && !is_begin) {
            pending.waiters.push(reply.clone());
            return Ok(true);
        }
        let remedy = if is_begin { "wait for it" } else { "call that again until it has ended" };
        let text = format!("{} while {} is under way: {remedy} first", call.name(), pending.call.name());
        Err(Error::new(Status::STATE, text))
    }

    pub(super) fn pend(&mut self, call: TransactionCall, reply: &Arc<CallReply>) {
        self.transaction.pending = Some(Pending { call, waiters: vec![reply.clone()] });
    }

    pub(super) fn wrong_state(&self, call: &TransactionCall, remedy: &str) -> Error {
        let text = format!("{}: the producer is {}; {remedy}", call.name(), self.transaction.state.words());
        Error::new(Status::STATE, text)
    }

    fn init_called(&mut self, call: TransactionCall, reply: &Arc<CallReply>) -> Result<()> {
        if self.transaction.state != State::Uninitialized {
            return Err(self.wrong_state(&call, "it is initialized once"));
        }
        self.transaction.two_phase.keeps = call == TransactionCall::InitKeepPrepared;
        self.pend(call, reply);
        self.enter(State::Initializing);
        Ok(())
    }

    fn begin_called(&mut self, now: Time, reply: &Arc<CallReply>) -> Result<()> {
        let remedy = match self.transaction.state {
            State::Ready => {
                self.pend(TransactionCall::Begin, reply);
                self.begin(now);
                return Ok(());
            }
            // A new epoch is on its way, or first the identity itself.
            State::Initializing => {
                self.pend(TransactionCall::Begin, reply);
                return Ok(());
            }
            State::Uninitialized => "call producer_init_transactions first",
            State::AbortableError => "call producer_abort_transaction first",
            _ => "commit or abort that first",
        };
        Err(self.wrong_state(&TransactionCall::Begin, remedy))
    }

    fn offsets_called(
        &mut self,
        offsets: Vec<TopicOffset>,
        group: GroupMetadata,
        reply: &Arc<CallReply>,
    ) -> Result<()> {
        if self.transaction.state != State::InTransaction && !self.transaction.is_being_explained() {
            let call = TransactionCall::SendOffsets { offsets: Vec::new(), group };
            return Err(self.not_open(&call));
        }
        if offsets.is_empty() {
            self.tell(reply, Ok(()));
            return Ok(());
        }
        // What a caller gave up is replaced by what he sends now; only what is in a coordinator's hands is waited for.
        let is_asked = self.transaction.links.is_asked();
        let mut place = 0;
        self.transaction.offsets.retain(|earlier| {
            let is_under_way = is_asked && place == 0;
            place += 1;
            is_under_way || earlier.group.group_id != group.group_id || !earlier.reply.is_given_up()
        });
        self.transaction.unsettled.insert(group.group_id.clone());
        self.transaction.offsets.push_back(OffsetsCall { group, left: offsets, reply: reply.clone() });
        Ok(())
    }

    pub(super) fn commit_called(&mut self, now: Time, call: TransactionCall, reply: &Arc<CallReply>) -> Result<()> {
        if self.transaction.is_being_explained() {
            self.pend(call, reply);
            reply.note("the coordinator is being asked whether the transaction's time was over or another producer has taken over");
            return Ok(());
        }
        if !matches!(self.transaction.state, State::InTransaction | State::Prepared) {
            return Err(self.not_open(&call));
        }
        check_settled(self, &call)?;
        let name = call.name();
        self.pend(call, reply);
        reply.note("records of the transaction are being delivered");
        self.enter(State::Committing);
        let text =
            format!("a commit is pending: call {name} again until it has ended, then producer_begin_transaction");
        self.drain_transaction(now, &text, false);
        Ok(())
    }

    pub(super) fn abort_called(&mut self, now: Time, call: TransactionCall, reply: &Arc<CallReply>) -> Result<()> {
        if !matches!(self.transaction.state, State::InTransaction | State::Prepared | State::AbortableError) {
            return Err(self.not_open(&call));
        }
        self.pend(call, reply);
        self.start_abort(now);
        Ok(())
    }

    fn start_abort(&mut self, now: Time) {
        self.enter(State::Aborting);
        self.transaction.new.clear();
        let text = "the transaction was aborted before the offsets were in it";
        self.fail_offsets(&Error::new(Status::TRANSACTION_ABORTED, text));
        let name = match &self.transaction.pending {
            Some(Pending { call: call @ TransactionCall::Complete(_), .. }) => call.name(),
            _ => TransactionCall::Abort.name(),
        };
        let text =
            format!("an abort is pending: call {name} again until it has ended, then producer_begin_transaction");
        self.drain_transaction(now, &text, true);
        if let Some(pending) = &self.transaction.pending {
            pending.waiters.iter().for_each(|w| w.note("records of the transaction that are in flight are awaited"));
        }
    }

    fn finish_called(&mut self, now: Time, reply: &Arc<CallReply>) -> Result<()> {
        let is_open = match self.transaction.state {
            State::InTransaction | State::Preparing | State::AbortableError => true,
            // Whoever knows its name ends it, with another producer.
            State::Prepared => self.transaction.two_phase.prepared.is_none(),
            _ => false,
        };
        if !is_open {
            self.tell(reply, Ok(()));
            return Ok(());
        }
        self.pend(TransactionCall::Finish, reply);
        self.start_abort(now);
        Ok(())
    }

    /// The call needs an open transaction that nothing has gone wrong with.
    pub(super) fn not_open(&self, call: &TransactionCall) -> Error {
        match (self.transaction.state, &self.transaction.error) {
            (State::AbortableError, Some(error)) => error.clone(),
            (State::Uninitialized, _) => {
                self.wrong_state(call, "call producer_init_transactions and producer_begin_transaction first")
            }
            (State::Prepared, _) => self.wrong_state(call, "commit, abort or complete that first"),
            _ => self.wrong_state(call, "call producer_begin_transaction first"),
        }
    }
}

/// Whether all offsets that were asked to be in the transaction are.
pub(super) fn check_settled(sender: &Sender, call: &TransactionCall) -> Result<()> {
    let Some(group) = sender.transaction.unsettled.first() else { return Ok(()) };
    let remedy = format!(
        "offsets of group '{group}' are not known to be in it: call producer_send_offsets_to_transaction again, or \
         producer_abort_transaction"
    );
    Err(sender.wrong_state(call, &remedy))
}

/// What every call of transactions says to a producer that makes none.
pub fn not_transactional(call: &TransactionCall) -> Error {
    let text = format!("{}: transactional.id is not set; set it before producer_new", call.name());
    Error::new(Status::NOT_TRANSACTIONAL, text)
}
