//! How a transaction ends: records are waited for, the coordinator is asked, and what comes after; how it fails; and
//! how it is prepared, which is half an end.

use std::sync::Arc;

use super::calls::check_settled;
use super::{Bump, Registered, Resumed, State};
use crate::accumulator::{CallReply, TransactionCall};
use crate::error::{Error, Result, Status};
use crate::prepared::PreparedTransaction;
use crate::sender::Sender;
use crate::sender::identity::{EPOCH_MAX, Identity};
use crate::time::Time;

impl Sender {
    /// No record gets into the transaction any more, and what is in it goes at once; `drained` is reached when all of
    /// it is finished. With `fail`, what was not sent fails instead.
    pub(super) fn drain_transaction(&mut self, now: Time, why: &str, fail: bool) {
        self.accumulator.door.shut(Error::new(Status::STATE, why));
        if fail {
            self.transaction.sweep.unswept = true;
            self.sweep_transaction(now);
        } else {
            self.find_parked(now);
        }
        let next = self.accumulator.inbox.next_batch();
        self.flush_before = self.flush_before.max(next);
        let parked = self.cluster.topics_with_parked(&self.accumulator);
        let drained = Arc::default();
        self.window.flush(next, None, parked, Arc::clone(&drained));
        self.transaction.drained = Some(drained);
        self.end_linger(now);
        self.tell_flushes(now);
    }

    pub(in crate::sender) fn is_drained(&self) -> bool {
        self.transaction.drained.as_ref().is_some_and(|drained| drained.is_complete())
    }

    /// Whether requests with batches of the transaction have no outcome yet. Such a batch may be finished for the
    /// application (expired, purged) while its frame is still to reach the broker: behind the end marker it would
    /// belong to nothing, or to the next transaction.
    pub(in crate::sender) fn is_writing(&self) -> bool {
        self.transaction.touched.iter().any(|dense| self.partitions[*dense as usize].in_flight > 0)
    }

    /// Behind the shut door: appends that were under way are waited out, and topics are made known that nobody has told
    /// of.
    fn find_parked(&mut self, now: Time) {
        for (topic, deadline) in self.accumulator.settle_appends() {
            if !self.cluster.has_parked(topic) {
                self.topic_wanted(now, topic, deadline);
            }
        }
    }

    /// Fails what was accepted and not sent, and what was to be sent again. What is in flight is decided first: an
    /// answer may still say that it is in the log.
    pub(super) fn sweep_transaction(&mut self, now: Time) {
        let unswept = std::mem::take(&mut self.transaction.sweep.unswept);
        let resweep = std::mem::take(&mut self.transaction.sweep.resweep);
        if !unswept && !resweep {
            return;
        }
        if unswept {
            self.find_parked(now);
        }
        let text = match &self.transaction.error {
            Some(error) => format!("the transaction failed before the record was sent: {}", error.message),
            None => "the transaction was aborted before the record was sent".to_owned(),
        };
        self.fail_where(now, true, false, Status::TRANSACTION_ABORTED, &text);
        self.tell_flushes(now);
    }

    /// The transaction is over. `next`: who the coordinator says the producer is from now on.
    pub(in crate::sender) fn transaction_ended(&mut self, now: Time, next: Option<Identity>, is_told: bool) {
        let numbers = &self.accumulator.numbers;
        match self.transaction.state {
            State::Committing => numbers.transactions_committed.add(1),
            State::Aborting => numbers.transactions_aborted.add(1),
            _ => {}
        }
        if self.transaction.two_phase.resumed != Resumed::No {
            resumed_ended(self);
            return;
        }
        let is_empty = self.transaction.registered == Registered::No;
        let transaction = &mut self.transaction;
        if let Some(next) = next {
            // Nothing of the old epoch counts in the new one. Behind the last epoch comes another producer id.
            transaction.bump = Bump { wanted: false, required: next.epoch > EPOCH_MAX };
            transaction.is_fresh = true;
        } else if transaction.is_v2 && !is_empty {
            transaction.bump.wanted = true;
        }
        self.forget_transaction();
        if let Some(next) = next {
            self.adopt_identity(now, next);
        }
        self.enter(State::Ready);
        let bumps = self.transaction.bump.wanted || self.transaction.bump.required;
        // Where the coordinator found nothing to end, the new epoch tells whether that is so or somebody else has taken
        // the producer's place: the call waits for it.
        if is_told || !bumps {
            self.say_none_is_open();
            self.finish_call(Ok(()));
        }
        if bumps {
            self.enter(State::Initializing);
        }
    }

    pub(super) fn forget_transaction(&mut self) {
        let transaction = &mut self.transaction;
        transaction.serial += 1;
        transaction.started_at = None;
        transaction.touched.clear();
        transaction.new.clear();
        transaction.registered = Registered::No;
        transaction.is_confirmed = false;
        transaction.groups.clear();
        transaction.unsettled.clear();
        transaction.end = super::EndCheck::default();
        transaction.error = None;
        transaction.two_phase.prepared = None;
        transaction.sweep = super::Sweep::default();
        transaction.drained = None;
    }

    /// The coordinator has given an id or a new epoch.
    pub(in crate::sender) fn transaction_initialized(&mut self, now: Time, identity: Identity) {
        self.transaction.bump = Bump::default();
        self.transaction.is_fresh = true;
        self.adopt_identity(now, identity);
        self.bump_over(now);
    }

    /// The producer has what it was being initialized for, or goes on without.
    pub(in crate::sender) fn bump_over(&mut self, now: Time) {
        self.enter(State::Ready);
        self.say_none_is_open();
        match self.transaction.pending.as_ref().map(|pending| &pending.call) {
            Some(TransactionCall::Begin) => self.begin(now),
            Some(_) => self.finish_call(Ok(())),
            None => {}
        }
    }

    /// What a record is refused with between transactions, unless a result has to be taken first.
    pub(super) fn say_none_is_open(&self) {
        if self.transaction.kept.is_some() {
            return;
        }
        let text = match self.transaction.state {
            State::Prepared => "the transaction is prepared: commit, abort or complete it first",
            _ => "no transaction is open: call producer_begin_transaction first",
        };
        self.accumulator.door.shut(Error::new(Status::STATE, text));
    }

    /// The coordinator does not give an id or a new epoch for a reason that can be put right: the call fails and can be
    /// made again.
    pub(in crate::sender) fn init_refused(&mut self, error: Error) {
        let to = if self.identity().is_none() { State::Uninitialized } else { State::Ready };
        self.enter(to);
        self.finish_call(Err(error));
    }

    /// Nobody lets us in: whoever waits for the first identity hears why.
    pub(in crate::sender) fn fail_init(&mut self, error: &Error) {
        if self.transaction.state == State::Initializing && self.identity().is_none() {
            self.init_refused(error.clone());
        }
    }

    /// Opens a transaction for the call that waits for it, if it still does; a new epoch may be needed first.
    pub(super) fn begin(&mut self, now: Time) {
        let is_v2 = self.cluster_speaks_v2();
        let transaction = &self.transaction;
        let changes = is_v2 && !transaction.is_v2 && !transaction.is_fresh;
        if transaction.bump.wanted || transaction.bump.required || changes {
            self.enter(State::Initializing);
            return;
        }
        let Some(pending) = self.transaction.pending.take() else { return };
        self.transaction.is_v2 = is_v2;
        let mut is_told = false;
        for waiter in pending.waiters {
            // Nobody may find a transaction open that he did not begin.
            if waiter.answer(Ok(())) {
                is_told = true;
                self.enter(State::InTransaction);
                self.accumulator.door.open();
            }
            self.reports.complete(&waiter.done);
        }
        if is_told {
            self.reports.log(7, "TRANSACTION", || format!("at {now:?}: begun, version {}", if is_v2 { 2 } else { 1 }));
        }
    }

    /// Answers the call under way. A result that nobody waits for is kept for the same call made again.
    pub(in crate::sender) fn finish_call(&mut self, result: Result<()>) {
        let Some(pending) = self.transaction.pending.take() else { return };
        self.reports.push_all(&mut self.outcomes);
        let mut is_told = false;
        for waiter in pending.waiters {
            if result.is_ok() {
                tell_prepared(self, &waiter);
            }
            is_told |= waiter.answer(result.clone());
            self.reports.complete(&waiter.done);
        }
        if !is_told && pending.call != TransactionCall::Begin {
            if result.is_ok() {
                // Nothing else can be called before.
                let name = pending.call.name();
                let text = format!("{name} timed out earlier and has ended since: call it again for its result");
                self.accumulator.door.shut(Error::new(Status::STATE, text));
            }
            self.transaction.kept = Some((pending.call, result));
        }
    }

    /// Everything that waits for offsets to be in the transaction hears that they will not be.
    pub(super) fn fail_offsets(&mut self, error: &Error) {
        self.transaction.links.drop_group_searches();
        self.reports.push_all(&mut self.outcomes);
        for call in std::mem::take(&mut self.transaction.offsets) {
            call.reply.answer(Err(error.clone()));
            self.reports.complete(&call.reply.done);
        }
    }

    /// Nothing is left but to close.
    pub(super) fn transaction_broken(&mut self, fatal: &Error) {
        if self.transaction.state != State::FatalError {
            self.enter(State::FatalError);
        }
        self.fail_offsets(fatal);
        self.finish_call(Err(fatal.clone()));
        self.transaction.kept = None;
    }
}

pub(super) fn prepare_called(sender: &mut Sender, now: Time, reply: &Arc<CallReply>) -> Result<()> {
    if sender.transaction.state != State::InTransaction {
        return Err(sender.not_open(&TransactionCall::Prepare));
    }
    check_settled(sender, &TransactionCall::Prepare)?;
    sender.pend(TransactionCall::Prepare, reply);
    reply.note("records of the transaction are being delivered");
    sender.enter(State::Preparing);
    let text = "producer_prepare_transaction is pending: call it again until it has ended";
    sender.drain_transaction(now, text, false);
    Ok(())
}

/// The transaction is prepared as soon as nothing of it is outstanding.
pub(super) fn settle_prepared(sender: &mut Sender) {
    let transaction = &sender.transaction;
    if transaction.state != State::Preparing
        || !transaction.new.is_empty()
        || transaction.links.is_asked()
        || !sender.is_drained()
        || sender.is_writing()
    {
        return;
    }
    sender.transaction.two_phase.prepared = sender.identity().map(name_of);
    sender.enter(State::Prepared);
    sender.say_none_is_open();
    sender.finish_call(Ok(()));
}

/// The coordinator has kept the transaction that an earlier producer prepared; `identity` may end it.
pub(in crate::sender) fn transaction_kept(sender: &mut Sender, now: Time, identity: Identity, ongoing: Identity) {
    sender.transaction.bump = Bump::default();
    sender.transaction.is_v2 = sender.cluster_speaks_v2();
    sender.transaction.is_fresh = true;
    sender.transaction.registered = Registered::Yes;
    sender.transaction.is_confirmed = true;
    sender.transaction.two_phase.prepared = Some(name_of(ongoing));
    sender.adopt_identity(now, identity);
    sender.enter(State::Prepared);
    sender.say_none_is_open();
    sender.finish_call(Ok(()));
}

pub(super) fn complete_called(
    sender: &mut Sender,
    now: Time,
    wanted: Option<PreparedTransaction>,
    reply: &Arc<CallReply>,
) -> Result<()> {
    let call = TransactionCall::Complete(wanted);
    match (sender.transaction.state, wanted) {
        (State::Prepared, Some(_)) if wanted == sender.transaction.two_phase.prepared => {
            sender.commit_called(now, call, reply)
        }
        (State::Prepared, _) => sender.abort_called(now, call, reply),
        (State::Uninitialized, Some(wanted)) => {
            sender.pend(call, reply);
            resume(sender, now, wanted);
            Ok(())
        }
        (State::Uninitialized, None) => {
            Err(sender.wrong_state(&call, "the state is empty: producer_init_transactions aborts what was left open"))
        }
        (State::AbortableError, _) => Err(sender.not_open(&call)),
        _ => Err(sender.wrong_state(&call, "no transaction is prepared")),
    }
}

/// Asks for the commit under the identity of the producer that has prepared the transaction. Who was fenced since is
/// told, and a commit that was carried out already is recognised as repeated.
fn resume(sender: &mut Sender, now: Time, prepared: PreparedTransaction) {
    sender.transaction.two_phase.resumed = Resumed::Unasked;
    sender.transaction.registered = Registered::Yes;
    sender.transaction.is_confirmed = true;
    sender.adopt_identity(now, Identity { id: prepared.producer_id, epoch: prepared.producer_epoch });
    sender.enter(State::Committing);
    let text = "a commit is pending: call producer_complete_transaction again until it has ended";
    sender.drain_transaction(now, text, false);
}

/// A transaction of an earlier producer is committed. This one still has no identity of its own.
pub(super) fn resumed_ended(sender: &mut Sender) {
    sender.transaction.two_phase.resumed = Resumed::No;
    sender.transaction.bump = Bump::default();
    sender.transaction.is_v2 = false;
    sender.forget_transaction();
    sender.idempotence.current = None;
    sender.note_change();
    sender.enter(State::Uninitialized);
    let text = "the producer is not initialized: call producer_init_transactions first";
    sender.accumulator.door.shut(Error::new(Status::STATE, text));
    sender.finish_call(Ok(()));
}

/// Tells whoever waits which transaction is prepared.
pub(super) fn tell_prepared(sender: &Sender, reply: &CallReply) {
    if let (State::Prepared, Some(prepared)) = (sender.transaction.state, sender.transaction.two_phase.prepared) {
        // It is the same one if a caller was told before.
        let _ = reply.prepared.set(prepared);
    }
}

fn name_of(identity: Identity) -> PreparedTransaction {
    PreparedTransaction { producer_id: identity.id, producer_epoch: identity.epoch }
}
