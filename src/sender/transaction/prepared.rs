//! Two-phase commit (KIP-939): a transaction whose records are all delivered is left open until the application has decided,
//! together with another system, how it ends. The end may be asked for by another producer: one that was initialized so that
//! the coordinator keeps the transaction, or, where the coordinator cannot (Kafka 4.3), one that asks for the commit under the
//! identity of the producer that prepared it, before it is initialized itself.

use std::sync::Arc;

use super::{INIT_TWO_PHASE, Registered, State};
use crate::accumulator::{CallReply, TransactionCall};
use crate::error::{Error, Result, Status};
use crate::prepared::PreparedTransaction;
use crate::sender::Sender;
use crate::sender::identity::Identity;
use crate::time::Time;

/// Whether the commit under way is of a transaction of an earlier producer, under that one's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resumed {
    No,
    /// Which protocol the cluster speaks is seen when a coordinator can be asked.
    Unasked,
    Asked,
}

impl Sender {
    pub(super) fn prepare_called(&mut self, now: Time, reply: &Arc<CallReply>) -> Result<()> {
        if self.transaction.state != State::InTransaction {
            return Err(self.not_open(&TransactionCall::Prepare));
        }
        self.check_settled(&TransactionCall::Prepare)?;
        self.pend(TransactionCall::Prepare, reply);
        reply.note("records of the transaction are being delivered");
        self.enter(State::Preparing);
        let text = "producer_prepare_transaction is pending: call it again until it has ended";
        self.drain_transaction(now, text, false);
        Ok(())
    }

    /// The transaction is prepared as soon as nothing of it is outstanding.
    pub(super) fn settle_prepared(&mut self) {
        let transaction = &self.transaction;
        if transaction.state != State::Preparing
            || !transaction.new.is_empty()
            || transaction.links.is_asked()
            || !self.is_drained()
            || self.is_writing()
        {
            return;
        }
        self.transaction.prepared = self.identity().map(name_of);
        self.enter(State::Prepared);
        self.say_none_is_open();
        self.finish_call(Ok(()));
    }

    /// The coordinator has kept the transaction that an earlier producer prepared; `identity` may end it.
    pub(in crate::sender) fn transaction_kept(&mut self, now: Time, identity: Identity, ongoing: Identity) {
        self.transaction.bump = super::Bump::default();
        self.transaction.is_v2 = self.cluster_speaks_v2();
        self.transaction.is_fresh = true;
        self.transaction.registered = Registered::Yes;
        self.transaction.is_confirmed = true;
        self.transaction.prepared = Some(name_of(ongoing));
        self.adopt_identity(now, identity);
        self.enter(State::Prepared);
        self.say_none_is_open();
        self.finish_call(Ok(()));
    }

    pub(super) fn complete_called(
        &mut self,
        now: Time,
        wanted: Option<PreparedTransaction>,
        reply: &Arc<CallReply>,
    ) -> Result<()> {
        let call = TransactionCall::Complete(wanted);
        match (self.transaction.state, wanted) {
            (State::Prepared, Some(_)) if wanted == self.transaction.prepared => self.commit_called(now, call, reply),
            (State::Prepared, _) => self.abort_called(now, call, reply),
            (State::Uninitialized, Some(wanted)) => {
                self.pend(call, reply);
                self.resume(now, wanted);
                Ok(())
            }
            (State::Uninitialized, None) => {
                Err(self.wrong_state(&call, "the state is empty: producer_init_transactions aborts what was left open"))
            }
            (State::AbortableError, _) => Err(self.not_open(&call)),
            _ => Err(self.wrong_state(&call, "no transaction is prepared")),
        }
    }

    /// Asks for the commit under the identity of the producer that has prepared the transaction. Who was fenced since is told,
    /// and a commit that was carried out already is recognised as repeated.
    fn resume(&mut self, now: Time, prepared: PreparedTransaction) {
        self.transaction.resumed = Resumed::Unasked;
        self.transaction.registered = Registered::Yes;
        self.transaction.is_confirmed = true;
        self.adopt_identity(now, Identity { id: prepared.producer_id, epoch: prepared.producer_epoch });
        self.enter(State::Committing);
        let text = "a commit is pending: call producer_complete_transaction again until it has ended";
        self.drain_transaction(now, text, false);
    }

    /// A transaction of an earlier producer is committed. This one still has no identity of its own.
    pub(super) fn resumed_ended(&mut self) {
        self.transaction.resumed = Resumed::No;
        self.transaction.bump = super::Bump::default();
        self.transaction.is_v2 = false;
        self.forget_transaction();
        self.drop_identity();
        self.enter(State::Uninitialized);
        let text = "the producer is not initialized: call producer_init_transactions first";
        self.accumulator.door.shut(Error::new(Status::STATE, text));
        self.finish_call(Ok(()));
    }

    /// Tells whoever waits which transaction is prepared.
    pub(super) fn tell_prepared(&self, reply: &CallReply) {
        if let (State::Prepared, Some(prepared)) = (self.transaction.state, self.transaction.prepared) {
            // It is the same one if a caller was told before.
            let _ = reply.prepared.set(prepared);
        }
    }

    /// The version of InitProducerId to a coordinator that offers up to `offered`.
    pub(super) fn init_version(&self, offered: i16) -> std::result::Result<i16, String> {
        match self.config.two_phase_commit {
            false => Ok(offered.min(INIT_TWO_PHASE - 1)),
            true if offered >= INIT_TWO_PHASE => Ok(offered),
            true => Err(format!(
                "it takes InitProducerId up to version {offered}, and transaction.two.phase.commit.enable needs version \
                 {INIT_TWO_PHASE} (KIP-939): brokers of Kafka 4.3 have it with unstable.api.versions.enable=true"
            )),
        }
    }
}

fn name_of(identity: Identity) -> PreparedTransaction {
    PreparedTransaction { producer_id: identity.id, producer_epoch: identity.epoch }
}
