//! The calls of transactions on their way to the I/O thread, and the way back.

use std::sync::OnceLock;

use crate::sync::Mutex;

use crate::error::Result;
use crate::offsets::{GroupMetadata, TopicOffset};
use crate::prepared::PreparedTransaction;
use crate::reports::Completion;

/// One of the calls, in Kafka's words, or what closing asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransactionCall {
    Init,
    /// As `Init`, but an open transaction stays as it is.
    InitKeepPrepared,
    Begin,
    SendOffsets {
        offsets: Vec<TopicOffset>,
        group: GroupMetadata,
    },
    Prepare,
    Commit,
    Abort,
    /// Commits the prepared transaction if it is this one, else aborts it. `None` is no transaction's name.
    Complete(Option<PreparedTransaction>),
    /// The producer is being closed: a commit or abort under way is brought to its end, an open transaction is aborted.
    Finish,
}

impl TransactionCall {
    /// The C function, for sentences.
    pub const fn name(&self) -> &'static str {
        match self {
            TransactionCall::Init => "producer_init_transactions",
            TransactionCall::InitKeepPrepared => "producer_init_transactions_keep_prepared",
            TransactionCall::Begin => "producer_begin_transaction",
            TransactionCall::SendOffsets { .. } => "producer_send_offsets_to_transaction",
            TransactionCall::Prepare => "producer_prepare_transaction",
            TransactionCall::Commit => "producer_commit_transaction",
            TransactionCall::Abort => "producer_abort_transaction",
            TransactionCall::Complete(_) => "producer_complete_transaction",
            TransactionCall::Finish => "producer_close",
        }
    }

    /// Whether it needs `transaction.two.phase.commit.enable`.
    pub const fn is_two_phase(&self) -> bool {
        matches!(self, TransactionCall::InitKeepPrepared | TransactionCall::Prepare | TransactionCall::Complete(_))
    }
}

/// What a thread waits for that has made one of the calls. It may give up: the call goes on without it, and the same
/// call made again takes it up (all but begin and offsets).
#[derive(Debug, Default)]
pub struct CallReply {
    /// Reached when the I/O thread has looked at the call: whatever needs no broker is answered by then.
    pub started: Completion,
    /// Reached when the result is there; what had to be reported before it has its place before it.
    pub done: Completion,
    /// Which transaction is prepared when the call has succeeded; never set when none is.
    pub prepared: OnceLock<PreparedTransaction>,
    result: Mutex<ReplyState>,
}

#[derive(Debug)]
enum ReplyState {
    /// With what the call waits for, in words.
    Awaited(Option<String>),
    /// The caller's time was over first.
    GivenUp,
    Answered(Result<()>),
}

impl Default for ReplyState {
    fn default() -> ReplyState {
        ReplyState::Awaited(None)
    }
}

/// What a caller has when its time is over.
#[derive(Debug)]
pub enum GivenUp {
    /// The answer came at the last moment, and counts: `done` is reached in no time.
    Answered(Result<()>),
    /// With what the call still waits for, in words.
    Waiting(Option<String>),
}

impl CallReply {
    /// The I/O thread answers; false when nobody waits any more: the result is then kept for the call that resumes.
    /// `done` has to be completed afterwards, through the reports.
    pub fn answer(&self, result: Result<()>) -> bool {
        let mut state = self.result.lock();
        if matches!(*state, ReplyState::GivenUp) {
            return false;
        }
        *state = ReplyState::Answered(result);
        true
    }

    /// The I/O thread says what the call waits for.
    pub fn note(&self, words: &str) {
        let mut state = self.result.lock();
        if let ReplyState::Awaited(note) = &mut *state {
            *note = Some(words.to_owned());
        }
    }

    pub fn is_given_up(&self) -> bool {
        matches!(*self.result.lock(), ReplyState::GivenUp)
    }

    /// The caller stops waiting.
    pub fn give_up(&self) -> GivenUp {
        let mut state = self.result.lock();
        match std::mem::replace(&mut *state, ReplyState::GivenUp) {
            ReplyState::Answered(result) => GivenUp::Answered(result),
            ReplyState::Awaited(note) => GivenUp::Waiting(note),
            ReplyState::GivenUp => GivenUp::Waiting(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_comes_first_counts_and_one_that_comes_late_is_for_nobody() {
        let reply = CallReply::default();
        assert!(reply.answer(Ok(())));
        assert!(matches!(reply.give_up(), GivenUp::Answered(Ok(()))));
        let reply = CallReply::default();
        reply.note("the coordinator");
        assert!(!reply.is_given_up());
        assert!(matches!(reply.give_up(), GivenUp::Waiting(Some(words)) if words == "the coordinator"));
        assert!(reply.is_given_up() && !reply.answer(Ok(())));
        reply.note("nobody reads this");
        assert!(matches!(reply.give_up(), GivenUp::Waiting(None)));
    }
}
