//! What becomes of a batch after one attempt to produce it: THE retry decision, made here and nowhere else. Pure: an outcome
//! and facts about the batch go in, a decision comes out. The delivery timeout is the caller's; it ends every retry.

use crate::error::Status;

/// What the decision depends on besides the outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchFacts {
    /// How often this batch was retried by a decision with `limited` set.
    pub limited_retries: u32,
    pub record_count: u32,
    /// An earlier attempt of this batch (or of the batch it was split from) may be in the log.
    pub earlier_attempt_in_doubt: bool,
    /// `retries` allows one more.
    pub retries_left: bool,
    /// The batch carries a producer id and sequence, so the broker recognises a repetition.
    pub idempotent: bool,
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
        /// Wait `retry.backoff.ms` first.
        backoff: bool,
        /// It uses up one of `retries`.
        counts: bool,
    },
    /// Send it again as smaller batches. This uses up no retry; the parts inherit `earlier_attempt_in_doubt`.
    Split,
    /// Report the failure with `Outcome::status`.
    Fail,
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
}

/// Decides. Without idempotence a retry after an attempt in doubt can write records twice: at-least-once, as in Java with
/// `enable.idempotence=false`; `retries=0` is at-most-once.
pub fn decide(outcome: Outcome, facts: &BatchFacts) -> Decision {
    let row = row(outcome, facts);
    let in_log = match row.in_log {
        InLog::No if facts.earlier_attempt_in_doubt => InLog::Maybe,
        attempt => attempt,
    };
    let retry = |refresh_metadata, backoff, counts| {
        if counts && !facts.retries_left { Verdict::Fail } else { Verdict::Retry { refresh_metadata, backoff, counts } }
    };
    let (verdict, limited) = match row.action {
        Action::Done => (Verdict::Done, false),
        Action::DoneDuplicate => (Verdict::DoneDuplicate, false),
        Action::Retry => (retry(false, true, true), false),
        Action::Refresh => (retry(true, true, true), false),
        Action::RefreshFree => (retry(true, true, false), false),
        Action::Move => (retry(false, false, true), false),
        Action::RetryAtMost(times) if facts.limited_retries < times => {
            let verdict = retry(false, true, true);
            (verdict, verdict != Verdict::Fail)
        }
        Action::Split if facts.record_count > 1 => (Verdict::Split, false),
        Action::RetryAtMost(_) | Action::Split | Action::Fail => (Verdict::Fail, false),
    };
    Decision { verdict, attempt_in_log: row.in_log, in_log, limited }
}

#[derive(Clone, Copy)]
enum Action {
    Done,
    DoneDuplicate,
    /// Again to the same broker, after the backoff.
    Retry,
    /// Again after new metadata and the backoff.
    Refresh,
    /// The same, not counted.
    RefreshFree,
    /// At once, to the leader that the answer named.
    Move,
    /// Again, but no more often than this in the life of the batch.
    RetryAtMost(u32),
    Split,
    Fail,
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

/// Codes that only an idempotent or transactional producer can cause (45 to 49, 59, 90, 120) are refusals here, except the
/// duplicate of an attempt in doubt; sequences, bumps and fatal states join when batches carry a producer id.
fn code_row(code: i16, newer_leader: bool, facts: &BatchFacts) -> Row {
    use Action::*;
    let (action, in_log) = match code {
        NONE => (Done, InLog::Yes),

        UNKNOWN_TOPIC_OR_PARTITION | LEADER_NOT_AVAILABLE | REPLICA_NOT_AVAILABLE => (Refresh, InLog::No),
        NOT_LEADER_OR_FOLLOWER if newer_leader => (Move, InLog::No),
        NOT_LEADER_OR_FOLLOWER => (Refresh, InLog::No),
        UNKNOWN_TOPIC_ID | INCONSISTENT_TOPIC_ID => (Refresh, InLog::No),
        // The disk of that leader is gone, perhaps after the append.
        KAFKA_STORAGE_ERROR | NETWORK_EXCEPTION => (Refresh, InLog::Maybe),

        // The leader has appended it; whether it stays is not known.
        REQUEST_TIMED_OUT | NOT_ENOUGH_REPLICAS_AFTER_APPEND => (Retry, InLog::Maybe),
        // This one is also how brokers show trouble with their coordinators.
        NOT_ENOUGH_REPLICAS => (Retry, InLog::No),
        COORDINATOR_LOAD_IN_PROGRESS | COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR | CONCURRENT_TRANSACTIONS => {
            (Retry, InLog::No)
        }
        // Damage on the wire does not come three times.
        CORRUPT_MESSAGE => (RetryAtMost(2), InLog::No),

        MESSAGE_TOO_LARGE | RECORD_LIST_TOO_LARGE => (Split, InLog::No),

        INVALID_TOPIC_EXCEPTION
        | INVALID_REQUIRED_ACKS
        | TOPIC_AUTHORIZATION_FAILED
        | CLUSTER_AUTHORIZATION_FAILED
        | INVALID_TIMESTAMP
        | UNSUPPORTED_VERSION
        | INVALID_REQUEST
        | UNSUPPORTED_FOR_MESSAGE_FORMAT
        | POLICY_VIOLATION
        | TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | UNSUPPORTED_COMPRESSION_TYPE
        | INVALID_RECORD => (Fail, InLog::No),

        DUPLICATE_SEQUENCE_NUMBER if facts.idempotent && facts.earlier_attempt_in_doubt => (DoneDuplicate, InLog::Yes),
        // Something of this sequence is in the log, but nothing says that it is this batch.
        DUPLICATE_SEQUENCE_NUMBER => (Fail, InLog::Maybe),
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
mod tests {
    use super::InLog::{Maybe, No, Yes};
    use super::Verdict::{Done, DoneDuplicate, Fail, Split};
    use super::*;

    const FACTS: BatchFacts = BatchFacts {
        limited_retries: 0,
        record_count: 10,
        earlier_attempt_in_doubt: false,
        retries_left: true,
        idempotent: false,
    };
    const RETRY: Verdict = Verdict::Retry { refresh_metadata: false, backoff: true, counts: true };
    const REFRESH: Verdict = Verdict::Retry { refresh_metadata: true, backoff: true, counts: true };

    /// Written by number, apart from the code above, so that a change of a decision is made twice, on purpose:
    /// code, the verdict of a first attempt, whether that attempt is in the log, retries when their reason limits them.
    const TABLE: &[(i16, Verdict, InLog, Option<u32>)] = &[
        (0, Done, Yes, None),
        (2, RETRY, No, Some(2)),
        (3, REFRESH, No, None),
        (5, REFRESH, No, None),
        (6, REFRESH, No, None),
        (7, RETRY, Maybe, None),
        (9, REFRESH, No, None),
        (10, Split, No, None),
        (13, REFRESH, Maybe, None),
        (14, RETRY, No, None),
        (15, RETRY, No, None),
        (16, RETRY, No, None),
        (17, Fail, No, None),
        (18, Split, No, None),
        (19, RETRY, No, None),
        (20, RETRY, Maybe, None),
        (21, Fail, No, None),
        (29, Fail, No, None),
        (31, Fail, No, None),
        (32, Fail, No, None),
        (35, Fail, No, None),
        (42, Fail, No, None),
        (43, Fail, No, None),
        (44, Fail, No, None),
        (45, Fail, No, None),
        (46, Fail, Maybe, None),
        (47, Fail, No, None),
        (48, Fail, No, None),
        (49, Fail, No, None),
        (51, RETRY, No, None),
        (53, Fail, No, None),
        (56, REFRESH, Maybe, None),
        (59, Fail, No, None),
        (76, Fail, No, None),
        (87, Fail, No, None),
        (90, Fail, No, None),
        (100, REFRESH, No, None),
        (103, REFRESH, No, None),
        (120, Fail, No, None),
    ];

    fn written(code: i16) -> (Verdict, InLog, Option<u32>) {
        TABLE
            .iter()
            .find(|row| row.0 == code)
            .map_or((RETRY, Maybe, Some(1)), |&(_, verdict, in_log, limit)| (verdict, in_log, limit))
    }

    #[test]
    fn every_code_is_decided_as_the_table_says() {
        for code in -1..=140 {
            let (verdict, in_log, limit) = written(code);
            let decision = decide(Outcome::code(code), &FACTS);
            assert_eq!(
                decision,
                Decision { verdict, attempt_in_log: in_log, in_log, limited: limit.is_some() },
                "{code}"
            );
            assert_eq!(Outcome::code(code).status(), Status(i32::from(code)));
        }
    }

    #[test]
    fn a_limited_reason_ends_after_its_retries_and_no_other_does() {
        for code in -1..=140 {
            let (verdict, _, limit) = written(code);
            for limited_retries in 0..5 {
                let facts = BatchFacts { limited_retries, ..FACTS };
                let expected = if limit.is_some_and(|limit| limited_retries >= limit) { Fail } else { verdict };
                assert_eq!(decide(Outcome::code(code), &facts).verdict, expected, "{code}");
            }
        }
    }

    #[test]
    fn without_retries_left_every_counted_retry_fails() {
        let facts = BatchFacts { retries_left: false, ..FACTS };
        for code in -1..=140 {
            let (verdict, in_log, _) = written(code);
            let expected = if matches!(verdict, Verdict::Retry { .. }) { Fail } else { verdict };
            let decision = decide(Outcome::code(code), &facts);
            assert_eq!(
                decision,
                Decision { verdict: expected, attempt_in_log: in_log, in_log, limited: false },
                "{code}"
            );
        }
        for outcome in [Outcome::Disconnected { request_written: true }, Outcome::Unreadable] {
            let decision = decide(outcome, &facts);
            assert_eq!((decision.verdict, decision.in_log), (Fail, Maybe));
        }
    }

    #[test]
    fn an_earlier_doubt_outlasts_a_definite_refusal_and_changes_nothing_else() {
        let facts = BatchFacts { earlier_attempt_in_doubt: true, ..FACTS };
        for code in -1..=140 {
            let (verdict, in_log, _) = written(code);
            let decision = decide(Outcome::code(code), &facts);
            assert_eq!((decision.verdict, decision.attempt_in_log), (verdict, in_log), "{code}");
            assert_eq!(decision.in_log, if in_log == Yes { Yes } else { Maybe }, "{code}");
        }
    }

    #[test]
    fn what_was_never_written_is_not_in_the_log_and_costs_no_retry() {
        let free = Verdict::Retry { refresh_metadata: true, backoff: true, counts: false };
        for retries_left in [true, false] {
            let facts = BatchFacts { retries_left, ..FACTS };
            for outcome in
                [Outcome::Disconnected { request_written: false }, Outcome::RequestTimedOut { request_written: false }]
            {
                let decision = decide(outcome, &facts);
                assert_eq!((decision.verdict, decision.in_log), (free, No));
            }
        }
    }

    #[test]
    fn what_was_written_and_not_answered_is_in_doubt_and_retried() {
        for (outcome, verdict, status) in [
            (Outcome::Disconnected { request_written: true }, REFRESH, Status::DISCONNECTED),
            (Outcome::RequestTimedOut { request_written: true }, REFRESH, Status(7)),
            (Outcome::Unreadable, RETRY, Status(-1)),
        ] {
            let decision = decide(outcome, &FACTS);
            assert_eq!((decision.verdict, decision.attempt_in_log, decision.in_log), (verdict, Maybe, Maybe));
            assert_eq!(outcome.status(), status);
        }
    }

    #[test]
    fn a_named_newer_leader_is_asked_at_once() {
        let now = Verdict::Retry { refresh_metadata: false, backoff: false, counts: true };
        for code in -1..=140 {
            let decision = decide(Outcome::Answered { code, newer_leader: true }, &FACTS);
            assert_eq!(decision.verdict, if code == 6 { now } else { written(code).0 }, "{code}");
        }
    }

    #[test]
    fn a_single_record_too_large_fails() {
        for code in [10, 18] {
            let decision = decide(Outcome::code(code), &BatchFacts { record_count: 1, ..FACTS });
            assert_eq!((decision.verdict, decision.in_log), (Fail, No));
        }
    }

    #[test]
    fn a_duplicate_is_success_only_for_an_idempotent_batch_in_doubt() {
        for (idempotent, earlier_attempt_in_doubt) in [(true, true), (true, false), (false, true), (false, false)] {
            let facts = BatchFacts { idempotent, earlier_attempt_in_doubt, ..FACTS };
            let decision = decide(Outcome::code(46), &facts);
            let expected = if idempotent && earlier_attempt_in_doubt { (DoneDuplicate, Yes) } else { (Fail, Maybe) };
            assert_eq!((decision.verdict, decision.in_log), expected);
        }
    }
}
