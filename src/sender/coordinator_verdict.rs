//! What a coordinator's answer means for the transaction: pure. A code and a few facts go in, an action comes out, with the
//! status that the application is told; its class always fits the action (transactions.md 3.1, 5.2, 5.3).

use crate::error::Status;
use crate::wire::header::Api;

/// What the decision depends on besides the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The producer has no id yet: nothing is at stake, and the call that asks for it can be made again.
    pub is_first_init: bool,
    /// The producer's epoch can be followed up: InitProducerId v3 and later, or a transaction of version 2.
    pub can_bump: bool,
    /// EndTxn: commit, or else abort.
    pub is_commit: bool,
    /// The coordinator has had the transaction open under our epoch, and no end of it is in doubt: where it refuses the epoch,
    /// it has ended the transaction itself, or another producer has.
    pub known_open: bool,
    /// EndTxn: the abort was asked for under the epoch behind ours.
    pub uses_next_epoch: bool,
    /// Whether anything of the transaction was registered is not known: the coordinator may have nothing to end.
    pub maybe_empty: bool,
    /// Version 2, and nothing of the transaction was confirmed: the coordinator may still be writing the markers of the
    /// transaction before it. Until it has, it answers an EndTxn for the next one with PRODUCER_FENCED. False when that
    /// has lasted too long.
    pub maybe_early: bool,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    Done,
    /// Ask again after the usual back-off.
    Retry,
    /// Ask again soon: the transaction before this one is being completed.
    Wait,
    /// Look for the coordinator, then ask again.
    LookUp,
    /// It may or may not have happened: ask again until the answer is definite, and let no delayed copy do harm.
    Unknown,
    /// The coordinator knows of nothing to end: the transaction is over, and the next one needs a new epoch.
    Ended,
    /// The call fails and can be made again.
    FailCall,
    /// The transaction cannot be committed any more. `bump`: nor can the next one go on with this epoch.
    Abort {
        bump: bool,
    },
    /// Our epoch, or our part in the transaction, is refused: the transaction's time was over, or another producer has taken
    /// over. The answer to an abort tells which: under our epoch, and where that is refused, under the next one.
    Explain,
    /// The producer cannot go on.
    Fatal,
}

/// An action with what the application is told when the call ends with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    pub action: Action,
    pub status: Status,
}

/// Decides about one code in the answer to a request of `api`.
pub fn decide(api: Api, code: i16, facts: &Facts) -> Decision {
    let action = match (api, code) {
        (_, NONE) => Action::Done,
        (Api::FindCoordinator, _) => find(code, facts),
        (Api::InitProducerId, _) => init(code, facts),
        (Api::AddPartitionsToTxn, _) => add_partitions(code, facts),
        (Api::AddOffsetsToTxn, _) => add_offsets(code, facts),
        (Api::TxnOffsetCommit, _) => commit_offsets(code),
        (Api::EndTxn, _) => end(code, facts),
        (Api::Produce | Api::Metadata | Api::ApiVersions | Api::SaslHandshake | Api::SaslAuthenticate, _) => {
            Action::Fatal
        }
        (Api::GetTelemetrySubscriptions | Api::PushTelemetry, _) => Action::Fatal,
    };
    let kafkas = Status(i32::from(code));
    let status = match action {
        Action::Abort { .. } => abortable(kafkas),
        Action::Explain => Status::INVALID_PRODUCER_EPOCH,
        // The next epoch has been given to another producer, or the one behind it.
        Action::Fatal if facts.uses_next_epoch && code == INVALID_TXN_STATE => Status::PRODUCER_FENCED,
        Action::Fatal => fatal(kafkas),
        _ => kafkas,
    };
    Decision { action, status }
}

/// The status itself if it tells the application to abort, else the one that does and says no more.
pub fn abortable(status: Status) -> Status {
    if status.is_abortable() { status } else { Status::TRANSACTION_ABORTABLE }
}

/// The status itself if it tells the application to make a new producer, else the one that does and says no more.
pub fn fatal(status: Status) -> Status {
    match status {
        // Coordinators before Kafka 2.7 have no other word for a fenced producer.
        Status::INVALID_PRODUCER_EPOCH => Status::PRODUCER_FENCED,
        _ if status.is_fatal() => status,
        _ => Status::FATAL,
    }
}

fn is_retriable(code: i16) -> bool {
    Status(i32::from(code)).is_retriable()
}

/// The epoch is not the newest, or the transaction is not there: to a request of a transaction that is open here.
const fn is_stale(code: i16) -> bool {
    matches!(code, INVALID_PRODUCER_EPOCH | PRODUCER_FENCED | INVALID_TXN_STATE)
}

/// To the transaction coordinator: what several requests have in common. `None`: the request's own table decides.
fn common(code: i16) -> Option<Action> {
    Some(match code {
        COORDINATOR_NOT_AVAILABLE | NOT_COORDINATOR => Action::LookUp,
        CONCURRENT_TRANSACTIONS => Action::Wait,
        INVALID_PRODUCER_EPOCH | PRODUCER_FENCED | INVALID_PRODUCER_ID_MAPPING => Action::Fatal,
        _ if is_retriable(code) => Action::Retry,
        _ => return None,
    })
}

fn find(code: i16, facts: &Facts) -> Action {
    match code {
        _ if is_retriable(code) => Action::Retry,
        // Rights can be granted while the producer waits to be initialized.
        TRANSACTIONAL_ID_AUTHORIZATION_FAILED if facts.is_first_init => Action::FailCall,
        // There is no transaction to abort.
        TRANSACTION_ABORTABLE if facts.is_first_init => Action::Retry,
        GROUP_AUTHORIZATION_FAILED | TRANSACTION_ABORTABLE => Action::Abort { bump: false },
        _ => Action::Fatal,
    }
}

fn init(code: i16, facts: &Facts) -> Action {
    if let Some(action) = common(code) {
        return action;
    }
    match code {
        TRANSACTIONAL_ID_AUTHORIZATION_FAILED | CLUSTER_AUTHORIZATION_FAILED if facts.is_first_init => Action::FailCall,
        // There is no transaction to abort.
        TRANSACTION_ABORTABLE => Action::Retry,
        _ => Action::Fatal,
    }
}

/// A request inside the transaction whose epoch is refused.
fn stale(facts: &Facts) -> Action {
    if facts.known_open { Action::Explain } else { Action::Fatal }
}

fn add_partitions(code: i16, facts: &Facts) -> Action {
    if is_stale(code) {
        return stale(facts);
    }
    if let Some(action) = common(code) {
        return action;
    }
    match code {
        TRANSACTIONAL_ID_AUTHORIZATION_FAILED => Action::Fatal,
        UNKNOWN_PRODUCER_ID => unknown_producer(facts),
        _ => Action::Abort { bump: false },
    }
}

fn add_offsets(code: i16, facts: &Facts) -> Action {
    if is_stale(code) {
        return stale(facts);
    }
    if let Some(action) = common(code) {
        return action;
    }
    match code {
        UNKNOWN_PRODUCER_ID => unknown_producer(facts),
        GROUP_AUTHORIZATION_FAILED | TRANSACTION_ABORTABLE => Action::Abort { bump: false },
        _ => Action::Fatal,
    }
}

fn commit_offsets(code: i16) -> Action {
    match code {
        REQUEST_TIMED_OUT => Action::LookUp,
        // The group's coordinator knows only that it is so, the transaction's knows why.
        _ if is_stale(code) => Action::Explain,
        // The group has moved on, or refuses these offsets: another transaction may do better.
        ILLEGAL_GENERATION
        | UNKNOWN_MEMBER_ID
        | FENCED_INSTANCE_ID
        | GROUP_AUTHORIZATION_FAILED
        | TOPIC_AUTHORIZATION_FAILED
        | OFFSET_METADATA_TOO_LARGE
        | TRANSACTION_ABORTABLE => Action::Abort { bump: false },
        _ => common(code).unwrap_or(Action::Fatal),
    }
}

fn end(code: i16, facts: &Facts) -> Action {
    if matches!(code, PRODUCER_FENCED | INVALID_PRODUCER_ID_MAPPING) && !facts.is_commit && facts.maybe_early {
        // Asking again tells the two apart. InitProducerId would tell too, but where the producer is fenced, the
        // coordinator aborts the open transaction of its successor first: it compares only the producer id, which both
        // have (seen with Kafka 4.3).
        return Action::Wait;
    }
    match code {
        INVALID_PRODUCER_EPOCH | PRODUCER_FENCED if facts.known_open && !facts.uses_next_epoch => {
            return Action::Explain;
        }
        // A transaction that was begun is not open any more: it cannot have been committed, or this would be a repetition.
        INVALID_TXN_STATE if facts.is_commit => return Action::Explain,
        _ => {}
    }
    if let Some(action) = common(code) {
        return action;
    }
    match code {
        UNKNOWN_SERVER_ERROR => Action::Unknown,
        TRANSACTION_ABORTABLE if facts.is_commit => Action::Abort { bump: false },
        UNKNOWN_PRODUCER_ID if facts.is_commit => unknown_producer(facts),
        // A coordinator that does not know the producer has nothing of it to abort.
        UNKNOWN_PRODUCER_ID if facts.can_bump => Action::Ended,
        INVALID_TXN_STATE if !facts.is_commit && facts.maybe_empty => Action::Ended,
        _ => Action::Fatal,
    }
}

/// KIP-360: a new epoch puts it right, where the coordinator gives one.
fn unknown_producer(facts: &Facts) -> Action {
    if facts.can_bump { Action::Abort { bump: true } } else { Action::Fatal }
}

const UNKNOWN_SERVER_ERROR: i16 = -1;
const NONE: i16 = 0;
const REQUEST_TIMED_OUT: i16 = 7;
const OFFSET_METADATA_TOO_LARGE: i16 = 12;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const NOT_COORDINATOR: i16 = 16;
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const GROUP_AUTHORIZATION_FAILED: i16 = 30;
const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
const CONCURRENT_TRANSACTIONS: i16 = 51;
const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;
const UNKNOWN_PRODUCER_ID: i16 = 59;
const FENCED_INSTANCE_ID: i16 = 82;
const PRODUCER_FENCED: i16 = 90;
const TRANSACTION_ABORTABLE: i16 = 120;

#[cfg(test)]
mod tests {
    use super::Action::*;
    use super::*;

    const FACTS: Facts = Facts {
        is_first_init: false,
        can_bump: true,
        is_commit: true,
        known_open: true,
        uses_next_epoch: false,
        maybe_empty: false,
        maybe_early: false,
    };
    const ABORT: Action = Abort { bump: false };
    const BUMP: Action = Abort { bump: true };
    const APIS: [Api; 6] = [
        Api::FindCoordinator,
        Api::InitProducerId,
        Api::AddPartitionsToTxn,
        Api::AddOffsetsToTxn,
        Api::TxnOffsetCommit,
        Api::EndTxn,
    ];

    /// Kafka's retriable codes, by number; what a request treats in its own way is in its row.
    const RETRIABLE: &[i16] = &[
        2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 88, 89, 100, 103,
        106, 122, 123, 133,
    ];

    type Row = (Api, &'static [(i16, Action)], Action);

    /// Written by number, apart from the code above: each API's own codes, and what every other code means that is not
    /// retriable. In the middle of a transaction, committing, with a coordinator that gives new epochs.
    const TABLE: &[Row] = &[
        (Api::FindCoordinator, &[(30, ABORT), (53, Fatal), (120, ABORT)], Fatal),
        (
            Api::InitProducerId,
            &[(15, LookUp), (16, LookUp), (31, Fatal), (47, Fatal), (51, Wait), (53, Fatal), (90, Fatal), (120, Retry)],
            Fatal,
        ),
        (
            Api::AddPartitionsToTxn,
            &[
                (15, LookUp),
                (16, LookUp),
                (29, ABORT),
                (47, Explain),
                (48, Explain),
                (49, Fatal),
                (51, Wait),
                (53, Fatal),
                (55, ABORT),
                (59, BUMP),
                (90, Explain),
                (120, ABORT),
            ],
            ABORT,
        ),
        (
            Api::AddOffsetsToTxn,
            &[
                (15, LookUp),
                (16, LookUp),
                (30, ABORT),
                (47, Explain),
                (48, Explain),
                (49, Fatal),
                (51, Wait),
                (53, Fatal),
                (59, BUMP),
                (90, Explain),
                (120, ABORT),
            ],
            Fatal,
        ),
        (
            Api::TxnOffsetCommit,
            &[
                (7, LookUp),
                (12, ABORT),
                (15, LookUp),
                (16, LookUp),
                (22, ABORT),
                (25, ABORT),
                (29, ABORT),
                (30, ABORT),
                (43, Fatal),
                (47, Explain),
                (48, Explain),
                (49, Fatal),
                (51, Wait),
                (53, Fatal),
                (59, Fatal),
                (82, ABORT),
                (90, Explain),
                (120, ABORT),
            ],
            Fatal,
        ),
        (
            Api::EndTxn,
            &[
                (-1, Unknown),
                (15, LookUp),
                (16, LookUp),
                (47, Explain),
                (48, Explain),
                (49, Fatal),
                (51, Wait),
                (53, Fatal),
                (59, BUMP),
                (90, Explain),
                (120, ABORT),
            ],
            Fatal,
        ),
    ];

    fn written(api: Api, code: i16) -> Action {
        let (_, own, other) = TABLE.iter().find(|row| row.0 == api).expect("every API has a row");
        match own.iter().find(|(own, _)| *own == code) {
            Some((_, action)) => *action,
            None if code == 0 => Done,
            None if RETRIABLE.contains(&code) => Retry,
            None => *other,
        }
    }

    #[test]
    fn every_code_of_every_request_is_decided_as_the_table_says() {
        for api in APIS {
            for code in -1..=140 {
                assert_eq!(decide(api, code, &FACTS).action, written(api, code), "{} {code}", api.name());
            }
        }
    }

    #[test]
    fn the_class_of_what_the_application_is_told_fits_the_action() {
        for is_first_init in [true, false] {
            for can_bump in [true, false] {
                for is_commit in [true, false] {
                    for maybe_empty in [true, false] {
                        let maybe_early = !maybe_empty;
                        let (known_open, uses_next_epoch) = (can_bump, maybe_empty && !is_commit);
                        let facts = Facts {
                            is_first_init,
                            can_bump,
                            is_commit,
                            known_open,
                            uses_next_epoch,
                            maybe_empty,
                            maybe_early,
                        };
                        for (api, code) in APIS.into_iter().flat_map(|api| (-1..=140).map(move |code| (api, code))) {
                            let Decision { action, status } = decide(api, code, &facts);
                            let name = format!("{} {code} {action:?} {status:?}", api.name());
                            match action {
                                Done => assert_eq!(status, Status::OK, "{name}"),
                                Abort { .. } | Explain => assert!(status.is_abortable(), "{name}"),
                                Fatal => assert!(status.is_fatal(), "{name}"),
                                _ => assert_eq!(status, Status(i32::from(code)), "{name}"),
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn statuses_keep_kafkas_name_where_its_class_fits() {
        let told = |api, code| decide(api, code, &FACTS).status;
        assert_eq!(told(Api::InitProducerId, 47), Status(90), "the old word for a fenced producer");
        assert_eq!(told(Api::InitProducerId, 90), Status(90));
        assert_eq!(told(Api::EndTxn, 90), Status(47), "until the coordinator has said that another one is here");
        assert_eq!(told(Api::EndTxn, 48), Status(47));
        assert_eq!(told(Api::AddPartitionsToTxn, 29), Status(29));
        assert_eq!(told(Api::AddPartitionsToTxn, 1), Status(120));
        assert_eq!(told(Api::AddPartitionsToTxn, -1), Status(120));
        assert_eq!(told(Api::TxnOffsetCommit, 22), Status(22));
        assert_eq!(told(Api::TxnOffsetCommit, 43), Status::FATAL);
        assert_eq!(told(Api::InitProducerId, 50), Status(50));
        assert_eq!(told(Api::InitProducerId, 35), Status(35));
    }

    #[test]
    fn while_the_producer_is_first_initialized_missing_rights_fail_the_call_only() {
        let facts = Facts { is_first_init: true, ..FACTS };
        let changed = [
            (Api::FindCoordinator, 53, FailCall),
            (Api::FindCoordinator, 120, Retry),
            (Api::InitProducerId, 31, FailCall),
            (Api::InitProducerId, 53, FailCall),
        ];
        for (api, code) in APIS.into_iter().flat_map(|api| (-1..=140).map(move |code| (api, code))) {
            let change = changed.iter().find(|change| (change.0, change.1) == (api, code));
            let expected = change.map_or_else(|| written(api, code), |change| change.2);
            assert_eq!(decide(api, code, &facts).action, expected, "{} {code}", api.name());
        }
    }

    #[test]
    fn a_coordinator_that_gives_no_new_epochs_makes_an_unknown_producer_fatal() {
        let facts = Facts { can_bump: false, ..FACTS };
        for (api, code) in APIS.into_iter().flat_map(|api| (-1..=140).map(move |code| (api, code))) {
            let expected = if written(api, code) == BUMP { Fatal } else { written(api, code) };
            assert_eq!(decide(api, code, &facts).action, expected, "{} {code}", api.name());
        }
        let abort = Facts { is_commit: false, ..facts };
        assert_eq!(decide(Api::EndTxn, 59, &abort).action, Fatal);
    }

    #[test]
    fn an_epoch_is_refused_for_good_where_the_coordinator_cannot_have_ended_the_transaction_itself() {
        let unknown = Facts { known_open: false, ..FACTS };
        for api in [Api::AddPartitionsToTxn, Api::AddOffsetsToTxn] {
            for code in [47, 48, 90] {
                assert_eq!(decide(api, code, &unknown).action, Fatal, "{} {code}", api.name());
            }
        }
        for is_commit in [true, false] {
            let unknown = Facts { is_commit, ..unknown };
            for code in [47, 90] {
                let told = Decision { action: Fatal, status: Status::PRODUCER_FENCED };
                assert_eq!(decide(Api::EndTxn, code, &unknown), told, "{code}");
            }
        }
        // The group's coordinator does not know the reason, and a transaction that is not open was not committed.
        for (api, code) in [(Api::TxnOffsetCommit, 47), (Api::TxnOffsetCommit, 90), (Api::EndTxn, 48)] {
            assert_eq!(decide(api, code, &unknown).action, Explain, "{} {code}", api.name());
        }
        let next = Facts { uses_next_epoch: true, is_commit: false, ..FACTS };
        for code in [47, 48, 90] {
            let told = Decision { action: Fatal, status: Status::PRODUCER_FENCED };
            assert_eq!(decide(Api::EndTxn, code, &next), told, "{code}");
        }
        assert_eq!(decide(Api::EndTxn, 51, &next).action, Wait, "the abort of its own is being completed");
    }

    #[test]
    fn an_abort_that_may_not_be_made_is_fatal_and_one_of_nothing_is_over() {
        for (maybe_empty, maybe_early) in [(true, false), (false, true), (false, false)] {
            let facts = Facts { is_commit: false, known_open: false, maybe_empty, maybe_early, ..FACTS };
            for code in -1..=140 {
                let expected = match code {
                    48 if maybe_empty => Ended,
                    49 | 90 if maybe_early => Wait,
                    59 => Ended,
                    47 | 48 | 90 | 120 => Fatal,
                    _ => written(Api::EndTxn, code),
                };
                assert_eq!(decide(Api::EndTxn, code, &facts).action, expected, "{code}");
            }
        }
    }
}
