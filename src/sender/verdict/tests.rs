use super::InLog::{Maybe, No, Yes};
use super::Verdict::{Done, DoneDuplicate, Fail, Split};
use super::*;

const FACTS: BatchFacts = BatchFacts {
    limited_retries: 0,
    record_count: 10,
    named: NamedRecords { count: 0, fails_as_one: false },
    earlier_attempt_in_doubt: false,
    retries_left: true,
    guard: Guard::None,
    is_oldest: true,
    hold: false,
    is_intact: true,
    log_start_known: true,
    has_acked: true,
    acks_all: true,
};
const GUARDS: [Guard; 3] = [Guard::None, Guard::Sequence, Guard::Transaction];

const fn retry(refresh_metadata: bool, pause: Pause, counts: bool) -> Verdict {
    Verdict::Retry { refresh_metadata, pause, counts }
}
const RETRY: Verdict = retry(false, Pause::Usual, true);
const SOON: Verdict = retry(false, Pause::Short, false);
const AGAIN: Verdict = retry(false, Pause::None, false);
const REFRESH: Verdict = retry(true, Pause::Usual, true);
const BUMP: Verdict = Verdict::Renumber { pause: Pause::None };
const BUMP_LATER: Verdict = Verdict::Renumber { pause: Pause::Usual };

/// The columns of the table: not guarded, idempotent, transactional. `X` after a verdict: the producer fails with it.
type Column = (Verdict, bool);
const X: bool = true;
const O: bool = false;

/// Written by number, apart from the code, so that a change of a decision is made twice, on purpose: code, whether that
/// attempt is in the log, retries when their reason limits them, and the verdict of a first attempt of the oldest batch.
const TABLE: &[(i16, InLog, Option<u32>, [Column; 3])] = &[
    (0, Yes, None, [(Done, O); 3]),
    (2, No, Some(2), [(RETRY, O); 3]),
    (3, Maybe, None, [(REFRESH, O); 3]),
    (5, No, None, [(REFRESH, O); 3]),
    (6, Maybe, None, [(REFRESH, O); 3]),
    (7, Maybe, None, [(RETRY, O); 3]),
    (9, No, None, [(REFRESH, O); 3]),
    (10, No, None, [(Split, O); 3]),
    (13, Maybe, None, [(REFRESH, O); 3]),
    (14, No, None, [(RETRY, O); 3]),
    (15, No, None, [(RETRY, O); 3]),
    (16, No, None, [(RETRY, O); 3]),
    (17, No, None, [(Fail, O); 3]),
    (18, No, None, [(Split, O); 3]),
    (19, No, None, [(RETRY, O); 3]),
    (20, Maybe, None, [(RETRY, O); 3]),
    (21, No, None, [(Fail, O); 3]),
    (29, No, None, [(Fail, O); 3]),
    (31, No, None, [(Fail, O), (Fail, X), (Fail, X)]),
    (32, No, None, [(Fail, O); 3]),
    (35, No, None, [(Fail, O), (Fail, X), (Fail, X)]),
    (42, No, None, [(Fail, O); 3]),
    (43, No, None, [(Fail, O); 3]),
    (44, No, None, [(Fail, O); 3]),
    (45, No, None, [(Fail, O), (BUMP, O), (Fail, O)]),
    (46, Maybe, None, [(Fail, O), (Fail, X), (Fail, X)]),
    (47, No, None, [(Fail, O), (BUMP_LATER, O), (Fail, O)]),
    (48, No, None, [(Fail, O); 3]),
    (49, No, None, [(Fail, O), (Fail, O), (Fail, X)]),
    (51, No, None, [(SOON, O); 3]),
    (53, No, None, [(Fail, O), (Fail, X), (Fail, X)]),
    (56, Maybe, None, [(REFRESH, O); 3]),
    (59, No, None, [(Fail, O), (BUMP, O), (Fail, O)]),
    (76, No, None, [(Fail, O); 3]),
    (87, No, None, [(Fail, O); 3]),
    (90, No, None, [(Fail, O), (Fail, O), (Fail, X)]),
    (100, No, None, [(REFRESH, O); 3]),
    (103, No, None, [(REFRESH, O); 3]),
    (120, No, None, [(Fail, O); 3]),
];

struct Written {
    verdict: Verdict,
    fatal: bool,
    in_log: InLog,
    limit: Option<u32>,
}

fn written(code: i16, guard: Guard) -> Written {
    let column = GUARDS.iter().position(|other| *other == guard).expect("a guard");
    match TABLE.iter().find(|row| row.0 == code) {
        Some(&(_, in_log, limit, columns)) => {
            Written { verdict: columns[column].0, fatal: columns[column].1, in_log, limit }
        }
        None => Written { verdict: RETRY, fatal: false, in_log: Maybe, limit: Some(1) },
    }
}

fn all() -> impl Iterator<Item = (i16, Guard)> {
    (-1..=140).flat_map(|code| GUARDS.map(|guard| (code, guard)))
}

#[test]
fn every_code_is_decided_as_the_table_says() {
    for (code, guard) in all() {
        let row = written(code, guard);
        let decision = decide(Outcome::code(code), &BatchFacts { guard, ..FACTS });
        let refused = matches!(row.verdict, Verdict::Renumber { .. }) || (code == 45 && guard == Guard::Transaction);
        let expected = Decision {
            verdict: row.verdict,
            attempt_in_log: row.in_log,
            in_log: row.in_log,
            limited: row.limit.is_some(),
            refused,
            fatal: row.fatal,
        };
        assert_eq!(decision, expected, "{code} {guard:?}");
        assert_eq!(Outcome::code(code).status(), Status(i32::from(code)));
    }
}

#[test]
fn a_sequence_refused_behind_an_undecided_batch_is_tried_again_when_that_has_landed() {
    for (code, guard) in all() {
        let facts = BatchFacts { guard, is_oldest: false, ..FACTS };
        let decision = decide(Outcome::code(code), &facts);
        let again = match guard {
            Guard::None => false,
            Guard::Sequence => [45, 47, 59].contains(&code),
            Guard::Transaction => code == 45,
        };
        let expected = if again { AGAIN } else { written(code, guard).verdict };
        assert_eq!((decision.verdict, decision.refused), (expected, false), "{code} {guard:?}");
    }
}

#[test]
fn a_refused_sequence_of_a_batch_in_doubt_is_never_renumbered() {
    for code in [45, 47, 59] {
        let facts = BatchFacts { guard: Guard::Sequence, earlier_attempt_in_doubt: true, ..FACTS };
        let decision = decide(Outcome::code(code), &facts);
        assert_eq!((decision.verdict, decision.in_log, decision.refused), (Fail, Maybe, true));
    }
}

#[test]
fn an_unknown_producer_id_from_a_broker_that_does_not_know_its_log_is_asked_again() {
    for guard in [Guard::Sequence, Guard::Transaction] {
        let decision = decide(Outcome::code(59), &BatchFacts { guard, log_start_known: false, ..FACTS });
        assert_eq!((decision.verdict, decision.refused), (RETRY, false));
    }
}

#[test]
fn a_limited_reason_ends_after_its_retries_and_no_other_does() {
    for (code, guard) in all() {
        let row = written(code, guard);
        for limited_retries in 0..5 {
            let facts = BatchFacts { limited_retries, guard, ..FACTS };
            let expected = if row.limit.is_some_and(|limit| limited_retries >= limit) { Fail } else { row.verdict };
            assert_eq!(decide(Outcome::code(code), &facts).verdict, expected, "{code}");
        }
    }
}

#[test]
fn without_retries_left_every_counted_retry_fails() {
    for (code, guard) in all() {
        let facts = BatchFacts { retries_left: false, guard, ..FACTS };
        let row = written(code, guard);
        let counted = matches!(row.verdict, Verdict::Retry { counts: true, .. });
        let expected = if counted { Fail } else { row.verdict };
        let decision = decide(Outcome::code(code), &facts);
        assert_eq!((decision.verdict, decision.in_log, decision.limited), (expected, row.in_log, false), "{code}");
    }
    let facts = BatchFacts { retries_left: false, ..FACTS };
    for outcome in [Outcome::Disconnected { request_written: true }, Outcome::Unreadable] {
        let decision = decide(outcome, &facts);
        assert_eq!((decision.verdict, decision.in_log), (Fail, Maybe));
    }
}

#[test]
fn what_is_held_is_never_given_up_for_want_of_retries_while_it_may_be_in_the_log() {
    for (code, guard) in all() {
        for earlier_attempt_in_doubt in [false, true] {
            let facts = BatchFacts {
                retries_left: false,
                limited_retries: 9,
                hold: true,
                earlier_attempt_in_doubt,
                guard,
                ..FACTS
            };
            let loose = decide(Outcome::code(code), &BatchFacts { hold: false, ..facts });
            let held = decide(Outcome::code(code), &facts);
            let retryable = matches!(written(code, guard).verdict, Verdict::Retry { .. });
            // A damaged batch stays damaged: nothing would ever decide it.
            let spent = code == 2;
            if guard != Guard::None && loose.in_log == Maybe && retryable && !spent {
                assert!(matches!(held.verdict, Verdict::Retry { .. }), "{code} {guard:?}");
            } else {
                assert_eq!(held, loose, "{code} {guard:?}");
            }
        }
    }
}

#[test]
fn an_earlier_doubt_outlasts_a_definite_refusal() {
    for (code, guard) in all() {
        let facts = BatchFacts { earlier_attempt_in_doubt: true, guard, ..FACTS };
        let row = written(code, guard);
        let decision = decide(Outcome::code(code), &facts);
        if code == 46 && guard != Guard::None {
            assert_eq!((decision.verdict, decision.in_log, decision.fatal), (DoneDuplicate, Yes, false));
            continue;
        }
        let changed = guard != Guard::None && (row.verdict == Split || matches!(row.verdict, Verdict::Renumber { .. }));
        let expected = if changed { Fail } else { row.verdict };
        assert_eq!((decision.verdict, decision.attempt_in_log), (expected, row.in_log), "{code} {guard:?}");
        assert_eq!(decision.in_log, if row.in_log == Yes { Yes } else { Maybe }, "{code}");
    }
}

#[test]
fn what_was_never_written_is_not_in_the_log_and_costs_no_retry() {
    for retries_left in [true, false] {
        let facts = BatchFacts { retries_left, ..FACTS };
        for outcome in
            [Outcome::Disconnected { request_written: false }, Outcome::RequestTimedOut { request_written: false }]
        {
            let decision = decide(outcome, &facts);
            assert_eq!((decision.verdict, decision.in_log), (retry(true, Pause::Usual, false), No));
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
    for (code, guard) in all() {
        let decision = decide(Outcome::Answered { code, newer_leader: true }, &BatchFacts { guard, ..FACTS });
        let now = retry(false, Pause::None, true);
        assert_eq!(decision.verdict, if code == 6 { now } else { written(code, guard).verdict }, "{code}");
    }
}

#[test]
fn a_leader_that_resigns_may_have_appended_unless_it_answers_at_once() {
    for code in [3, 6] {
        for (acks_all, in_log) in [(true, Maybe), (false, No)] {
            let decision = decide(Outcome::code(code), &BatchFacts { acks_all, ..FACTS });
            assert_eq!((decision.verdict, decision.in_log), (REFRESH, in_log));
        }
    }
}

#[test]
fn a_broker_that_refuses_the_first_sequence_too_is_asked_again_later() {
    for code in [45, 59] {
        let decision = decide(Outcome::code(code), &BatchFacts { guard: Guard::Sequence, has_acked: false, ..FACTS });
        assert_eq!((decision.verdict, decision.refused), (BUMP_LATER, true));
    }
}

#[test]
fn records_that_are_named_fail_alone_where_nothing_is_in_doubt_and_no_transaction_has_failed() {
    for (code, guard) in all() {
        for (count, fails_as_one) in [(1, false), (9, false), (1, true)] {
            let named = NamedRecords { count, fails_as_one };
            for earlier_attempt_in_doubt in [false, true] {
                let facts = BatchFacts { named, earlier_attempt_in_doubt, guard, ..FACTS };
                let decision = decide(Outcome::code(code), &facts);
                let plain = decide(Outcome::code(code), &BatchFacts { named: FACTS.named, ..facts });
                let others_again = !earlier_attempt_in_doubt && guard != Guard::Transaction && !fails_as_one;
                let verdict = match [32, 43, 44, 87].contains(&code) {
                    true => Verdict::FailNamed { others_again },
                    false => plain.verdict,
                };
                assert_eq!(decision, Decision { verdict, ..plain }, "{code} {guard:?}");
            }
        }
        // All of them, or more than there are: there is nobody to spare.
        for count in [10, 11] {
            let facts = BatchFacts { named: NamedRecords { count, fails_as_one: false }, guard, ..FACTS };
            assert_eq!(decide(Outcome::code(code), &facts).verdict, written(code, guard).verdict, "{code}");
        }
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
fn damage_of_our_own_memory_ends_the_producer() {
    let decision = decide(Outcome::code(2), &BatchFacts { is_intact: false, ..FACTS });
    assert_eq!((decision.verdict, decision.fatal), (Fail, true));
}
