//! The calls of transactions on their way to the I/O thread, and the way back.

use crate::sync::Mutex;

use crate::error::Result;
use crate::offsets::{GroupMetadata, TopicOffset};
use crate::reports::Completion;

/// One of the five calls, in Kafka's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TransactionCall {
    Init,
    Begin,
    SendOffsets { offsets: Vec<TopicOffset>, group: GroupMetadata },
    Commit,
    Abort,
}

/// What a thread waits for that has made one of the calls. It may give up: the call goes on without it, and the same call
/// made again takes it up (init, commit, abort).
#[derive(Debug, Default)]
pub struct CallReply {
    /// Reached when `result` is there; what had to be reported before it has its place before it.
    pub done: Completion,
    result: Mutex<ReplyState>,
}

#[derive(Debug, Default)]
enum ReplyState {
    #[default]
    Awaited,
    /// The caller's time was over first.
    GivenUp,
    Answered(Result<()>),
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

    /// The caller stops waiting: the answer, if it came at the last moment.
    pub fn give_up(&self) -> Option<Result<()>> {
        let mut state = self.result.lock();
        match std::mem::replace(&mut *state, ReplyState::GivenUp) {
            ReplyState::Answered(result) => Some(result),
            _ => None,
        }
    }
}
