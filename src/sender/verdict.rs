//! What becomes of a batch after one attempt to produce it: THE retry decision, made here and nowhere else. Pure: an outcome
//! and facts about the batch go in, a decision comes out. The delivery timeout is the caller's; it ends every retry.

use crate::error::Status;

/// What protects a batch from being written twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// Nothing: no producer id, no sequence.
    None,
    /// Producer id, epoch and sequence.
    Sequence,
    /// The same, inside a transaction: what goes wrong costs the transaction, and epochs are its coordinator's to give.
    Transaction,
}

/// What the decision depends on besides the outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchFacts {
    /// How often this batch was retried by a decision with `limited` set.
    pub limited_retries: u32,
    pub record_count: u32,
    pub named: NamedRecords,
    /// An earlier attempt of this batch (or of the batch it was split from) may be in the log.
    pub earlier_attempt_in_doubt: bool,
    /// `retries` allows one more.
    pub retries_left: bool,
    pub guard: Guard,
    /// No earlier batch of the partition is undecided: a refused sequence is this batch's own matter.
    pub is_oldest: bool,
    /// `on.in.doubt.timeout=hold`: what may be in the log is sent again until a broker decides.
    pub hold: bool,
    /// The bytes that we hold still fit their own checksum.
    pub is_intact: bool,
    /// The answer told where the log begins.
    pub log_start_known: bool,
    /// The broker has acknowledged something under this producer id and epoch.
    pub has_acked: bool,
    /// acks=all: the leader answers when others have the batch too, and may lose its place between the append and then.
    pub acks_all: bool,
}

/// The records of a batch that made the broker refuse it (KIP-467).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NamedRecords {
    /// How many the answer names.
    pub count: u32,
    /// Records of the batch have one report between them, and that one has to come before anything behind it is delivered.
    pub fails_as_one: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The broker answered for this partition. `newer_leader`: the answer named a leader that is newer than the one asked and
    /// that we can reach now (KIP-951).
    Answered { code: i16, newer_leader: bool },
    /// The connection ended first. `request_written`: the last byte of the request was given to the socket; a broker acts on
    /// whole requests only, so anything less is certainly not in the log.
    Disconnected { request_written: bool },
    /// `request.timeout.ms` passed without an answer.
    RequestTimedOut { request_written: bool },
    /// The response could not be read, or had no entry for this partition.
    Unreadable,
}

impl Outcome {
    /// The answer of a broker that names no newer leader.
    pub const fn code(code: i16) -> Outcome {
        Outcome::Answered { code, newer_leader: false }
    }

    /// What a record that fails with this outcome reports.
    pub const fn status(self) -> Status {
        match self {
            Outcome::Answered { code, .. } => Status(code as i32),
            Outcome::Disconnected { .. } => Status::DISCONNECTED,
            Outcome::RequestTimedOut { .. } => Status(REQUEST_TIMED_OUT as i32),
            Outcome::Unreadable => Status::UNKNOWN_SERVER_ERROR,
        }
    }
}

/// Whether records are in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InLog {
    /// Never written, or definitely refused.
    No,
    Maybe,
    Yes,
}

/// What to do with the batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Appended; the answer has its offset.
    Done,
    /// Appended by an earlier attempt; the offset is unknown.
    DoneDuplicate,
    /// Send it again, unchanged.
    Retry {
        /// Ask for new metadata first: the leader may be another by now.
        refresh_metadata: bool,
        pause: Pause,
        /// It uses up one of `retries`.
        counts: bool,
    },
    /// The broker refuses the sequence of a batch that is certainly in no log: it is sent again under a new epoch.
    Renumber { pause: Pause },
    /// Send it again as smaller batches. This uses up no retry; the parts inherit `earlier_attempt_in_doubt`.
    Split,
    /// Report the failure with `Outcome::status`.
    Fail,
    /// Report it for the records that the answer names. The others are sent again without them, or fail too, with a status
    /// of their own, where they may be in the log, their transaction has failed, or their report is the same.
    FailNamed { others_again: bool },
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    None,
    /// What ends in milliseconds: an earlier transaction is being completed.
    Short,
    /// `retry.backoff.ms`, growing.
    Usual,
}

/// The decision, with what to remember of the attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    pub verdict: Verdict,
    /// This attempt alone; `Maybe` makes `earlier_attempt_in_doubt` true for the next ones.
    pub attempt_in_log: InLog,
    /// The whole batch, earlier attempts included: what a report says when the batch ends now.
    pub in_log: InLog,
    /// This retry is one of few that its reason allows: count it in `limited_retries`.
    pub limited: bool,
    /// The broker refuses the numbers of the oldest undecided batch: the partition needs a new epoch, and without a batch
    /// that was given up before it the broker has lost something.
    pub refused: bool,
    /// The producer cannot go on.
    pub fatal: bool,
}

/// Decides. Without idempotence a retry after an attempt in doubt can write records twice: at-least-once, as in Java with
/// `enable.idempotence=false`; `retries=0` is at-most-once.
pub fn decide(outcome: Outcome, facts: &BatchFacts) -> Decision {
    let row = row(outcome, facts);
    let in_log = match row.in_log {
        InLog::No if facts.earlier_attempt_in_doubt => InLog::Maybe,
        attempt => attempt,
    };
    // A batch that may be in the log is not given up for want of retries when the application has asked for that.
    let held = facts.hold && facts.guard != Guard::None && in_log == InLog::Maybe;
    let retry = |refresh_metadata, pause, counts| {
        let spent = counts && !facts.retries_left;
        if spent && !held { Verdict::Fail } else { Verdict::Retry { refresh_metadata, pause, counts } }
    };
    let may_split = facts.record_count > 1 && (facts.guard == Guard::None || !facts.earlier_attempt_in_doubt);
    let (verdict, limited) = match row.action {
        Action::Done => (Verdict::Done, false),
        Action::DoneDuplicate => (Verdict::DoneDuplicate, false),
        Action::Retry => (retry(false, Pause::Usual, true), false),
        Action::RetrySoon => (retry(false, Pause::Short, false), false),
        Action::Again => (retry(false, Pause::None, false), false),
        Action::Refresh => (retry(true, Pause::Usual, true), false),
        Action::RefreshFree => (retry(true, Pause::Usual, false), false),
        Action::Move => (retry(false, Pause::None, true), false),
        Action::RetryAtMost(times) if facts.limited_retries < times => {
            let verdict = retry(false, Pause::Usual, true);
            (verdict, verdict != Verdict::Fail)
        }
        Action::RetryAtMost(_) if held && row.in_log == InLog::Maybe => (retry(false, Pause::Usual, false), false),
        // Under another identity a copy of it that is still under way would not be recognised.
        Action::Split if may_split => (Verdict::Split, false),
        Action::Renumber(_) if facts.earlier_attempt_in_doubt => (Verdict::Fail, false),
        Action::Renumber(pause) => (Verdict::Renumber { pause }, false),
        Action::FailNamed if (1..facts.record_count).contains(&facts.named.count) => {
            // Under new numbers, in a batch of other bytes, a copy that is still under way would not be recognised.
            let others_again = !facts.earlier_attempt_in_doubt && facts.guard != Guard::Transaction;
            (Verdict::FailNamed { others_again: others_again && !facts.named.fails_as_one }, false)
        }
        Action::RetryAtMost(_)
        | Action::Split
        | Action::Fail
        | Action::FailNamed
        | Action::FailRefused
        | Action::FailForGood => (Verdict::Fail, false),
    };
    Decision {
        verdict,
        attempt_in_log: row.in_log,
        in_log,
        limited,
        refused: matches!(row.action, Action::Renumber(_) | Action::FailRefused),
        fatal: matches!(row.action, Action::FailForGood),
    }
}

#[derive(Clone, Copy)]
enum Action {
    Done,
    DoneDuplicate,
    /// Again to the same broker, after the backoff.
    Retry,
    /// The same, after some milliseconds, not counted: it says nothing against the batch, and comes often.
    RetrySoon,
    /// Again as soon as what is before it has landed, not counted.
    Again,
    /// Again after new metadata and the backoff.
    Refresh,
    /// The same, not counted.
    RefreshFree,
    /// At once, to the leader that the answer named.
    Move,
    /// Again, but no more often than this in the life of the batch.
    RetryAtMost(u32),
    Split,
    /// Again under a new epoch; in doubt, it fails instead.
    Renumber(Pause),
    Fail,
    /// The same, for the records that are named, if any are.
    FailNamed,
    /// The same as `Fail`, and its sequence is the reason: a transaction's epochs are its coordinator's to give.
    FailRefused,
    /// And the producer with it.
    FailForGood,
}

struct Row {
    action: Action,
    in_log: InLog,
}

fn row(outcome: Outcome, facts: &BatchFacts) -> Row {
    use Action::*;
    let (action, in_log) = match outcome {
        Outcome::Answered { code, newer_leader } => return code_row(code, newer_leader, facts),
        // What was never sent was no attempt: only the delivery timeout ends it.
        Outcome::Disconnected { request_written: false } | Outcome::RequestTimedOut { request_written: false } => {
            (RefreshFree, InLog::No)
        }
        Outcome::Disconnected { request_written: true } | Outcome::RequestTimedOut { request_written: true } => {
            (Refresh, InLog::Maybe)
        }
        Outcome::Unreadable => (Retry, InLog::Maybe),
    };
    Row { action, in_log }
}

/// The rows of transactions.md section 4.
fn code_row(code: i16, newer_leader: bool, facts: &BatchFacts) -> Row {
    use Action::*;
    let guarded = facts.guard != Guard::None;
    let after_append = if facts.acks_all { InLog::Maybe } else { InLog::No };
    let (action, in_log) = match code {
        NONE => (Done, InLog::Yes),

        LEADER_NOT_AVAILABLE | REPLICA_NOT_AVAILABLE => (Refresh, InLog::No),
        // A leader that resigns answers so for what it had appended and was replicating (`DelayedProduce`): its successor
        // may have it.
        UNKNOWN_TOPIC_OR_PARTITION => (Refresh, after_append),
        NOT_LEADER_OR_FOLLOWER if newer_leader => (Move, after_append),
        NOT_LEADER_OR_FOLLOWER => (Refresh, after_append),
        UNKNOWN_TOPIC_ID | INCONSISTENT_TOPIC_ID => (Refresh, InLog::No),
        // The disk of that leader is gone, perhaps after the append.
        KAFKA_STORAGE_ERROR | NETWORK_EXCEPTION => (Refresh, InLog::Maybe),

        // The leader has appended it; whether it stays is not known.
        REQUEST_TIMED_OUT | NOT_ENOUGH_REPLICAS_AFTER_APPEND => (Retry, InLog::Maybe),
        // This one is also how brokers show trouble with their coordinators.
        NOT_ENOUGH_REPLICAS => (Retry, InLog::No),
        COORDINATOR_LOAD_IN_PROGRESS | COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR => (Retry, InLog::No),
        CONCURRENT_TRANSACTIONS => (RetrySoon, InLog::No),
        // Damage on the wire does not come three times; damage in our own memory makes everything else doubtful too.
        CORRUPT_MESSAGE if facts.is_intact => (RetryAtMost(2), InLog::No),
        CORRUPT_MESSAGE => (FailForGood, InLog::No),

        MESSAGE_TOO_LARGE | RECORD_LIST_TOO_LARGE => (Split, InLog::No),

        CLUSTER_AUTHORIZATION_FAILED | UNSUPPORTED_VERSION | TRANSACTIONAL_ID_AUTHORIZATION_FAILED if guarded => {
            (FailForGood, InLog::No)
        }
        // What may be wrong with one record and not with its neighbours.
        INVALID_TIMESTAMP | UNSUPPORTED_FOR_MESSAGE_FORMAT | POLICY_VIOLATION | INVALID_RECORD => {
            (FailNamed, InLog::No)
        }
        INVALID_TOPIC_EXCEPTION
        | INVALID_REQUIRED_ACKS
        | TOPIC_AUTHORIZATION_FAILED
        | CLUSTER_AUTHORIZATION_FAILED
        | UNSUPPORTED_VERSION
        | INVALID_REQUEST
        | TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | UNSUPPORTED_COMPRESSION_TYPE => (Fail, InLog::No),

        DUPLICATE_SEQUENCE_NUMBER if guarded && facts.earlier_attempt_in_doubt => (DoneDuplicate, InLog::Yes),
        // Something of this sequence is in the log, but nothing says that it is this batch: the numbers are wrong.
        DUPLICATE_SEQUENCE_NUMBER if guarded => (FailForGood, InLog::Maybe),
        DUPLICATE_SEQUENCE_NUMBER => (Fail, InLog::Maybe),

        UNKNOWN_PRODUCER_ID if guarded && !facts.log_start_known => (Retry, InLog::No),
        // What is before it has not landed yet; when it has, this one will fit.
        OUT_OF_ORDER_SEQUENCE_NUMBER if guarded && !facts.is_oldest => (Again, InLog::No),
        UNKNOWN_PRODUCER_ID | INVALID_PRODUCER_EPOCH if facts.guard == Guard::Sequence && !facts.is_oldest => {
            (Again, InLog::No)
        }
        OUT_OF_ORDER_SEQUENCE_NUMBER | UNKNOWN_PRODUCER_ID if facts.guard == Guard::Sequence => {
            // Refusing the first of an epoch as well, a broker would be asked again and again.
            (Renumber(if facts.has_acked { Pause::None } else { Pause::Usual }), InLog::No)
        }
        INVALID_PRODUCER_EPOCH if facts.guard == Guard::Sequence => (Renumber(Pause::Usual), InLog::No),

        PRODUCER_FENCED | INVALID_PRODUCER_ID_MAPPING if facts.guard == Guard::Transaction => (FailForGood, InLog::No),
        OUT_OF_ORDER_SEQUENCE_NUMBER if facts.guard == Guard::Transaction => (FailRefused, InLog::No),
        OUT_OF_ORDER_SEQUENCE_NUMBER
        | INVALID_PRODUCER_EPOCH
        | INVALID_TXN_STATE
        | INVALID_PRODUCER_ID_MAPPING
        | UNKNOWN_PRODUCER_ID
        | PRODUCER_FENCED
        | TRANSACTION_ABORTABLE => (Fail, InLog::No),

        // UNKNOWN_SERVER_ERROR and whatever Kafka adds: it may have happened after the append.
        _ => (RetryAtMost(1), InLog::Maybe),
    };
    Row { action, in_log }
}

const NONE: i16 = 0;
const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const LEADER_NOT_AVAILABLE: i16 = 5;
const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const REQUEST_TIMED_OUT: i16 = 7;
const REPLICA_NOT_AVAILABLE: i16 = 9;
const MESSAGE_TOO_LARGE: i16 = 10;
const NETWORK_EXCEPTION: i16 = 13;
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const INVALID_TOPIC_EXCEPTION: i16 = 17;
const RECORD_LIST_TOO_LARGE: i16 = 18;
const NOT_ENOUGH_REPLICAS: i16 = 19;
const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
const INVALID_REQUIRED_ACKS: i16 = 21;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
const INVALID_TIMESTAMP: i16 = 32;
const UNSUPPORTED_VERSION: i16 = 35;
const INVALID_REQUEST: i16 = 42;
const UNSUPPORTED_FOR_MESSAGE_FORMAT: i16 = 43;
const POLICY_VIOLATION: i16 = 44;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
const CONCURRENT_TRANSACTIONS: i16 = 51;
const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;
const KAFKA_STORAGE_ERROR: i16 = 56;
const UNKNOWN_PRODUCER_ID: i16 = 59;
const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
const INVALID_RECORD: i16 = 87;
const PRODUCER_FENCED: i16 = 90;
const UNKNOWN_TOPIC_ID: i16 = 100;
const INCONSISTENT_TOPIC_ID: i16 = 103;
const TRANSACTION_ABORTABLE: i16 = 120;

#[cfg(test)]
mod tests;
