//! Transactions as an application thread makes them: the call goes to the I/O thread, and this thread waits for the
//! answer, dispatching reports meanwhile. A call whose time is over goes on; the same call made again takes it up.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use super::close::IO_TURN;
use super::{Producer, in_callback};
use crate::accumulator::{CallReply, Command, GivenUp, TransactionCall};
use crate::error::{Error, Result, Status};
use crate::offsets::{GroupMetadata, TopicOffset};
use crate::prepared::PreparedTransaction;
use crate::reports::{Dispatch, Handed, Item};

impl Producer {
    /// Gets the producer id of the transactional id, and ends what an earlier producer of that id has left open.
    pub fn init_transactions(&self, timeout_ms: i32, hand: impl FnMut(Item<'_>) -> Handed) -> Result<()> {
        self.transact(TransactionCall::Init, timeout_ms, hand)
    }

    /// Opens a transaction. Waits for brokers only when the last one has left doubts that a new epoch has to end, and
    /// then for `max.block.ms` at most.
    pub fn begin_transaction(&self) -> Result<()> {
        let call = TransactionCall::Begin;
        self.check_call(&call)?;
        let reply = self.command(call.clone());
        // With max.block.ms=0 too: what needs no broker is the I/O thread's to say, at once.
        self.wait_for_a_look(&reply);
        // No report is dispatched here: this call has nothing to do with any.
        let in_time = self.reports.wait_complete(&reply.done, self.deadline(self.max_block_ms));
        match reply.give_up() {
            GivenUp::Answered(result) => {
                // The door is being opened at this moment.
                self.reports.wait_complete(&reply.done, Some(Instant::now() + IO_TURN));
                result
            }
            GivenUp::Waiting(_) if !in_time && self.reports.is_shut() => Err(self.ended()),
            GivenUp::Waiting(note) => Err(timed_out(&call, note, self.max_block_ms)),
        }
    }

    /// Makes offsets of a consumer group part of the transaction.
    pub fn send_offsets_to_transaction(
        &self,
        offsets: Vec<TopicOffset>,
        group: GroupMetadata,
        timeout_ms: i32,
        hand: impl FnMut(Item<'_>) -> Handed,
    ) -> Result<()> {
        let call = TransactionCall::SendOffsets { offsets, group };
        self.check_call(&call)?;
        if let TransactionCall::SendOffsets { offsets, group } = &call {
            check_offsets(offsets, group)?;
        }
        self.transact(call, timeout_ms, hand)
    }

    /// Delivers every record of the transaction, reports it, and makes all of it visible.
    pub fn commit_transaction(&self, timeout_ms: i32, hand: impl FnMut(Item<'_>) -> Handed) -> Result<()> {
        self.transact(TransactionCall::Commit, timeout_ms, hand)
    }

    /// Ends the transaction so that nothing of it is ever visible.
    pub fn abort_transaction(&self, timeout_ms: i32, hand: impl FnMut(Item<'_>) -> Handed) -> Result<()> {
        self.transact(TransactionCall::Abort, timeout_ms, hand)
    }

    fn transact(&self, call: TransactionCall, timeout_ms: i32, hand: impl FnMut(Item<'_>) -> Handed) -> Result<()> {
        transact_for(self, call, timeout_ms, hand).map(|_| ())
    }

    /// What needs no I/O thread to be refused.
    fn check_call(&self, call: &TransactionCall) -> Result<()> {
        if self.reports.in_callback() {
            return Err(in_callback(call.name()));
        }
        if self.config.transactional_id.is_none() {
            let text = format!("{}: transactional.id is not set; set it before producer_new", call.name());
            return Err(Error::new(Status::NOT_TRANSACTIONAL, text));
        }
        if call.is_two_phase() && !self.config.two_phase_commit {
            let text =
                format!("{}: transaction.two.phase.commit.enable is not true; set it before producer_new", call.name());
            return Err(Error::new(Status::STATE, text));
        }
        self.accumulator.fatal().map_or(Ok(()), |fatal| Err(fatal.clone()))
    }

    /// Until the I/O thread has looked at the call. When even that takes too long, the call is given up like any other
    /// whose time is over: it may yet be taken up.
    fn wait_for_a_look(&self, reply: &CallReply) {
        self.reports.wait_complete(&reply.started, Some(Instant::now() + IO_TURN));
    }

    fn command(&self, call: TransactionCall) -> Arc<CallReply> {
        let reply = Arc::new(CallReply::default());
        self.accumulator.inbox.command(Command::Transaction { call, reply: reply.clone() });
        reply
    }
}

/// The same, but a transaction that an earlier producer has prepared stays open. Which one that is, if there is one.
pub fn init_transactions_keep_prepared(
    producer: &Producer,
    timeout_ms: i32,
    hand: impl FnMut(Item<'_>) -> Handed,
) -> Result<Option<PreparedTransaction>> {
    let reply = transact_for(producer, TransactionCall::InitKeepPrepared, timeout_ms, hand)?;
    Ok(reply.prepared.get().copied())
}

/// Delivers every record of the transaction, reports it, and leaves the end to whoever knows the answer.
pub fn prepare_transaction(
    producer: &Producer,
    timeout_ms: i32,
    hand: impl FnMut(Item<'_>) -> Handed,
) -> Result<PreparedTransaction> {
    let reply = transact_for(producer, TransactionCall::Prepare, timeout_ms, hand)?;
    let unnamed = || Error::new(Status::INTERNAL, "internal error of the library: a prepared transaction has no name");
    reply.prepared.get().copied().ok_or_else(unnamed)
}

/// Commits the prepared transaction if it is `wanted`, else aborts it.
pub fn complete_transaction(
    producer: &Producer,
    wanted: Option<PreparedTransaction>,
    timeout_ms: i32,
    hand: impl FnMut(Item<'_>) -> Handed,
) -> Result<()> {
    producer.transact(TransactionCall::Complete(wanted), timeout_ms, hand)
}

/// A call, and what was answered to it beside its success.
fn transact_for(
    producer: &Producer,
    call: TransactionCall,
    timeout_ms: i32,
    mut hand: impl FnMut(Item<'_>) -> Handed,
) -> Result<Arc<CallReply>> {
    producer.check_call(&call)?;
    let deadline = producer.call_deadline(timeout_ms);
    let reply = producer.command(call.clone());
    if timeout_ms == 0 {
        // Whatever needs no broker is the I/O thread's to say, at once.
        producer.wait_for_a_look(&reply);
    }
    let ended = producer.reports.wait_for(&reply.done, deadline, &mut hand);
    match reply.give_up() {
        GivenUp::Answered(result) => {
            if matches!(ended, Dispatch::TimedOut(_)) {
                // It came at the last moment: what was reported before it is handed out before it, all the same.
                producer.reports.wait_for(&reply.done, Some(Instant::now() + IO_TURN), hand);
            }
            result.map(|()| reply)
        }
        GivenUp::Waiting(_) if matches!(ended, Dispatch::Ended(_)) => Err(producer.ended()),
        GivenUp::Waiting(note) => Err(timed_out(&call, note, u64::try_from(timeout_ms).unwrap_or(u64::MAX))),
    }
}

fn timed_out(call: &TransactionCall, note: Option<String>, timeout_ms: u64) -> Error {
    let remedy = match call {
        TransactionCall::Begin => "nothing was begun; call it again",
        TransactionCall::SendOffsets { .. } => "call it again with the same offsets, or abort the transaction",
        _ => "it goes on; call it again for its result",
    };
    let note = note.map_or_else(String::new, |note| format!("; it waits: {note}"));
    Error::new(Status::TIMED_OUT, format!("{} did not end within {timeout_ms} ms: {remedy}{note}", call.name()))
}

fn check_offsets(offsets: &[TopicOffset], group: &GroupMetadata) -> Result<()> {
    let wrong = |what: String| {
        let text = format!("producer_send_offsets_to_transaction: {what}");
        Err(Error::new(Status::INVALID_ARGUMENT, text))
    };
    if group.group_id.is_empty() {
        return wrong("group_id is empty; name the consumer group".into());
    }
    let Some(offset) = offsets.iter().find(|offset| offset.partition < 0 || offset.offset < 0) else { return Ok(()) };
    let (topic, partition, offset) = (&offset.topic, offset.partition, offset.offset);
    wrong(format!("partition {partition} and offset {offset} of topic '{topic}': both are 0 or more"))
}
