//! In which order things are asked and answered, and what each call and event does in each state.

mod coordinators;
mod prepared;
mod rig;

use super::*;
use crate::accumulator::GivenUp;
use crate::mock::{Cluster, CoordinatorKind};
use crate::sender::Action;
use rig::{Rig, in_state, offsets};

const PRODUCE: i16 = 0;
const FIND: i16 = 10;
const INIT: i16 = 22;
const ADD: i16 = 24;
const ADD_OFFSETS: i16 = 25;
const END: i16 = 26;
const COMMIT_OFFSETS: i16 = 28;

#[test]
fn every_call_in_every_state_is_taken_or_refused_as_the_table_says() {
    const STATE: Option<Status> = Some(Status::STATE);
    const WAITS: Option<Status> = None;
    const OK: Option<Status> = Some(Status::OK);
    const BAD: Option<Status> = Some(Status::INVALID_RECORD);
    const FENCED: Option<Status> = Some(Status::PRODUCER_FENCED);
    // Init, begin, offsets, commit, abort, close; with nothing held back but what the state needs.
    let table = [
        (State::Uninitialized, [OK, STATE, STATE, STATE, STATE, OK]),
        (State::Initializing, [WAITS, STATE, STATE, STATE, STATE, OK]),
        (State::Ready, [STATE, OK, STATE, STATE, STATE, OK]),
        (State::InTransaction, [STATE, STATE, OK, OK, OK, OK]),
        // Closing gives a prepare that is pending up for an abort.
        (State::Preparing, [STATE, STATE, STATE, STATE, STATE, WAITS]),
        (State::Prepared, [STATE, STATE, STATE, OK, OK, OK]),
        (State::Committing, [STATE, STATE, STATE, WAITS, STATE, WAITS]),
        (State::Aborting, [STATE, STATE, STATE, STATE, WAITS, WAITS]),
        (State::AbortableError, [STATE, STATE, BAD, BAD, OK, OK]),
        (State::FatalError, [FENCED; 6]),
    ];
    for (state, expected) in table {
        let calls = [
            TransactionCall::Init,
            TransactionCall::Begin,
            offsets(),
            TransactionCall::Commit,
            TransactionCall::Abort,
            TransactionCall::Finish,
        ];
        for (call, expected) in calls.into_iter().zip(expected) {
            let mut rig = in_state(state);
            let name = format!("{} in {state:?}", call.name());
            assert_eq!(rig.status(call.clone()), expected, "{name}");
            if (state, &call) == (State::Preparing, &TransactionCall::Finish) {
                assert_eq!(rig.state(), State::Aborting, "{name}");
            } else if expected != OK {
                assert_eq!(rig.state(), state, "{name}");
            }
            // Whatever was refused does not stand in the way of what is allowed.
            if rig.state() != State::FatalError {
                rig.release();
                assert!(matches!(
                    rig.state(),
                    State::Uninitialized
                        | State::Ready
                        | State::InTransaction
                        | State::Prepared
                        | State::AbortableError
                ));
            }
        }
    }
}

#[test]
fn records_are_accepted_in_an_open_transaction_and_in_no_other_state() {
    for state in State::ALL {
        let rig = in_state(state);
        assert_eq!(rig.offer(1), state == State::InTransaction, "{state:?}");
        let why = rig.accumulator.door.why().map(|why| why.status);
        let expected = match state {
            State::InTransaction => None,
            State::AbortableError => Some(Status::INVALID_RECORD),
            State::FatalError => Some(Status::PRODUCER_FENCED),
            _ => Some(Status::STATE),
        };
        assert_eq!(why, expected, "{state:?}");
    }
}

#[test]
fn a_failed_record_costs_the_transaction_that_is_open_and_nothing_in_any_other_state() {
    for state in State::ALL {
        let mut rig = in_state(state);
        let now = rig.now;
        rig.sender.transaction_record_failed(now, Status::DELIVERY_TIMED_OUT, "late");
        rig.run();
        let expected = match state {
            State::InTransaction | State::Preparing | State::Committing => State::AbortableError,
            other => other,
        };
        assert_eq!(rig.state(), expected, "{state:?}");
    }
}

#[test]
fn a_fatal_error_ends_every_state_and_answers_the_call_under_way() {
    for state in State::ALL {
        let mut rig = in_state(state);
        let waiting = matches!(state, State::Initializing | State::Preparing | State::Committing | State::Aborting);
        let call = match state {
            State::Initializing => TransactionCall::Init,
            State::Preparing => TransactionCall::Prepare,
            State::Committing => TransactionCall::Commit,
            _ => TransactionCall::Abort,
        };
        let reply = waiting.then(|| rig.call(call));
        let now = rig.now;
        rig.sender.transaction_fatal(now, Status::PRODUCER_FENCED, "fenced");
        assert_eq!(rig.state(), State::FatalError);
        if let Some(reply) = reply {
            assert!(reply.done.is_complete());
            assert!(matches!(reply.give_up(), GivenUp::Answered(Err(error)) if error.status.is_fatal()));
        }
        rig.release();
        assert_eq!((rig.state(), rig.offer(0)), (State::FatalError, false));
    }
}

#[test]
fn a_record_that_ends_the_producer_is_not_said_to_need_an_abort() {
    for code in [53, 90, 49, 46] {
        let mut rig = Rig::open(2);
        rig.cluster.push_error(PRODUCE, code, 1);
        rig.send(0);
        assert_eq!((rig.state(), rig.reports()), (State::FatalError, vec![Status(i32::from(code))]));
        assert!(rig.sender.transaction.error.is_none());
        assert!(rig.accumulator.door.why().is_some_and(|why| why.status.is_fatal()));
    }
}

#[test]
fn an_illegal_step_is_a_bug_that_ends_the_producer() {
    let mut rig = Rig::ready(2);
    rig.sender.enter(State::Committing);
    assert_eq!(rig.state(), State::Ready);
    rig.run();
    assert_eq!(rig.state(), State::FatalError);
    assert_eq!(rig.accumulator.fatal().map(|fatal| fatal.status), Some(Status::INTERNAL));
}

#[test]
fn the_end_is_asked_for_when_every_record_is_decided_and_not_before() {
    for version in 1..=2 {
        for call in [TransactionCall::Commit, TransactionCall::Abort] {
            let mut rig = Rig::new(version);
            rig.apart();
            assert_eq!(rig.result(TransactionCall::Init), Ok(()));
            assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
            rig.hold.insert(PRODUCE);
            for partition in 0..4 {
                assert!(rig.offer(partition));
            }
            rig.run();
            let reply = rig.call(call.clone());
            assert!(!rig.offer(0), "the door is shut");
            assert_eq!(rig.asked(END), 0, "version {version}");
            let (conn, _, bytes) = rig.held.pop_front().expect("held");
            rig.deliver(conn, &bytes);
            rig.run();
            assert_eq!(rig.asked(END), 0, "others are in flight");
            rig.release();
            assert_eq!(rig.asked(END), 1);
            assert!(reply.done.is_complete());
            assert_eq!(rig.reports(), [Status::OK; 4], "{}", call.name());
        }
    }
}

/// The records are reported, but their request may still be on its way.
#[test]
fn the_end_waits_for_the_request_of_records_that_were_purged_or_expired() {
    for version in 1..=2 {
        for expires in [false, true] {
            for answers in [false, true] {
                let mut rig = Rig::with(version, |config| config.delivery_timeout_ms = 5_000);
                rig.apart();
                assert_eq!(rig.result(TransactionCall::Init), Ok(()));
                assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
                rig.hold.insert(PRODUCE);
                rig.send(0);
                if expires {
                    while rig.state() == State::InTransaction {
                        rig.step();
                    }
                    assert_eq!(rig.reports(), [Status::DELIVERY_TIMED_OUT]);
                } else {
                    let now = rig.now;
                    rig.sender.purge(now, true, true);
                    rig.run();
                    assert_eq!(rig.reports(), [Status::PURGED]);
                }
                let abort = rig.call(TransactionCall::Abort);
                assert_eq!((rig.asked(END), abort.done.is_complete()), (0, false), "version {version}");
                if answers {
                    rig.release();
                } else {
                    rig.break_held(PRODUCE, false);
                }
                assert_eq!((rig.asked(END), abort.done.is_complete()), (1, true), "version {version}");
                assert_eq!(rig.cluster.committed_records("t", 0).expect("it exists").len(), 0);
                // A lost copy of version 1 must meet a new epoch.
                let next = rig.call(TransactionCall::Begin);
                while !next.done.is_complete() {
                    rig.step();
                }
                assert_eq!(rig.asked(INIT) > 1, version == 1);
            }
        }
    }
}

#[test]
fn a_record_that_expires_while_it_is_its_turn_lets_nothing_behind_it_out() {
    let mut rig = Rig::with(2, |config| config.batch_size = 1);
    assert_eq!(rig.result(TransactionCall::Init), Ok(()));
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    rig.hold.insert(PRODUCE);
    rig.send(0);
    let topic = rig.accumulator.topics.intern("t").expect("legal");
    let record = crate::record::Record { value: Some(b"v"), ..Default::default() };
    for own_timeout in [Some(Micros::from_ms(10)), None] {
        let tag = Some(crate::accumulator::Tag::marked(1, 0));
        let how = crate::accumulator::Sending { partition: Some(0), tag, own_timeout, acks: None };
        rig.accumulator.append(&topic, &record, &how, &mut None, || rig.now).expect("open");
    }
    rig.run();
    rig.now = rig.now + Micros::from_ms(20);
    rig.release();
    assert_eq!(rig.reports(), [Status::OK, Status::DELIVERY_TIMED_OUT, Status::TRANSACTION_ABORTED]);
    assert_eq!((rig.state(), rig.asked(PRODUCE)), (State::AbortableError, 1));
}

#[test]
fn numbers_that_reached_no_broker_cost_no_new_epoch() {
    let mut rig = Rig::open(1);
    assert!(rig.offer(0));
    rig.sender.handle_wakeup(rig.now);
    let conn = loop {
        match rig.sender.poll_action(rig.now).expect("it is sent") {
            Action::Write { conn, frame } if frame.to_vec()[4..6] == PRODUCE.to_be_bytes() => break conn,
            action => rig.act(action),
        }
        rig.sender.handle_wakeup(rig.now);
    };
    // The socket took nothing of it.
    rig.lose(conn);
    let abort = rig.call(TransactionCall::Abort);
    while !abort.done.is_complete() {
        rig.step();
    }
    assert_eq!(rig.reports(), [Status::TRANSACTION_ABORTED]);
    assert_eq!(rig.state(), State::Ready, "{:?}", rig.sender.transaction.bump);
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    assert_eq!(rig.asked(INIT), 1);
    rig.send(0);
    let commit = rig.call(TransactionCall::Commit);
    while !commit.done.is_complete() {
        rig.step();
    }
    assert_eq!(rig.asked(INIT), 1);
    assert_eq!(rig.reports(), [Status::OK]);
}

#[test]
fn a_record_that_comes_too_early_is_told_which_call_is_pending() {
    for (call, name) in [
        (TransactionCall::Commit, "producer_commit_transaction again"),
        (TransactionCall::Abort, "producer_abort_transaction again"),
    ] {
        let mut rig = Rig::open(2);
        let why = |rig: &Rig| rig.accumulator.door.why().expect("shut").message;
        rig.send(0);
        rig.hold.insert(END);
        assert_eq!(rig.status(call.clone()), None);
        assert!(why(&rig).contains(name), "{}", why(&rig));
        rig.release();
        // It has ended, and nobody has heard of it.
        assert!(why(&rig).contains("call it again for its result"), "{}", why(&rig));
        assert_eq!(rig.result(call), Ok(()));
        assert!(why(&rig).contains("producer_begin_transaction first"), "{}", why(&rig));
    }
}

#[test]
fn what_waits_to_be_sent_again_when_the_transaction_fails_ends_in_doubt_at_once() {
    let mut rig = Rig::open(2);
    rig.hold.insert(PRODUCE);
    rig.send(0);
    let conn = rig.held[0].0;
    rig.hold.clear();
    rig.lose(conn);
    rig.run();
    // It is being sent again after a pause; another partition's record fails meanwhile.
    let now = rig.now;
    rig.sender.transaction_record_failed(now, Status::INVALID_RECORD, "another one");
    rig.run();
    let mut heard = Vec::new();
    rig.accumulator.reports.poll_now(|item| {
        if let crate::reports::Item::Batch { batch, .. } = item {
            heard.push((batch.status, batch.persisted));
        }
        crate::reports::Handed::All
    });
    assert_eq!(heard, [(Status::TRANSACTION_ABORTED, crate::reports::Persisted::Maybe)]);
    assert_eq!(rig.result(TransactionCall::Abort), Ok(()));
}

#[test]
fn a_record_in_flight_that_is_to_be_sent_again_is_given_up_when_the_transaction_is_aborted() {
    for version in 1..=2 {
        let mut rig = Rig::open(version);
        rig.hold.insert(PRODUCE);
        rig.send(0);
        assert_eq!(rig.status(TransactionCall::Abort), None);
        rig.cluster.push_error(PRODUCE, 19, 1);
        rig.release();
        assert_eq!(rig.reports(), [Status::TRANSACTION_ABORTED], "version {version}: not sent again");
        assert_eq!(rig.asked(PRODUCE), 1);
        assert_eq!((rig.asked(END), rig.state()), (1, State::Ready));
    }
}

#[test]
fn after_a_lost_end_version_one_begins_no_transaction_before_its_new_epoch() {
    for acts in [true, false] {
        let mut rig = Rig::open(1);
        rig.send(0);
        rig.hold.insert(END);
        let commit = rig.call(TransactionCall::Commit);
        rig.break_held(END, acts);
        rig.hold.insert(INIT);
        while !commit.done.is_complete() {
            rig.step();
        }
        assert!(matches!(commit.give_up(), GivenUp::Answered(Ok(()))), "what is certain is told at once");
        assert_eq!((rig.state(), rig.asked(INIT)), (State::Initializing, 2));
        let begin = rig.call(TransactionCall::Begin);
        assert!(!begin.done.is_complete() && !rig.offer(0));
        rig.release();
        assert!(begin.done.is_complete() && rig.offer(0));
    }
}

/// "Abort it" would say that nothing became visible.
#[test]
fn a_commit_that_may_have_happened_and_is_refused_afterwards_is_not_told_to_be_aborted() {
    // How the first attempt ends; what the second is answered.
    for version in 1..=2 {
        for first in ["lost after", "lost before", "-1", "14", "15", "16", "19", "51", "none"] {
            for second in [120, 59, 48] {
                let mut rig = Rig::open(version);
                rig.send(0);
                match first.parse() {
                    Ok(code) => rig.cluster.push_error(END, code, 1),
                    Err(_) if first == "none" => {}
                    Err(_) => rig.cluster.push_disconnect(END, first == "lost after", 1),
                }
                rig.cluster.push_error(END, second, 1);
                let commit = rig.call(TransactionCall::Commit);
                while !commit.done.is_complete() {
                    rig.step();
                }
                let GivenUp::Answered(Err(error)) = commit.give_up() else { panic!("{first}, {second}: refused") };
                // After 48 the coordinator is asked to abort, and does unless it has committed.
                let is_in_doubt = if second == 48 { first == "lost after" } else { !matches!(first, "51" | "none") };
                let name = format!("version {version}, {first}, {second}: {error:?}");
                assert_eq!(error.status.is_fatal(), is_in_doubt, "{name}");
                assert_eq!(error.message.contains("committed is not known"), is_in_doubt, "{name}");
                if !error.status.is_fatal() {
                    assert_eq!(rig.result(TransactionCall::Abort), Ok(()), "{name}");
                }
            }
        }
    }
}

#[test]
fn a_begin_that_nobody_waits_for_any_more_opens_nothing() {
    let mut rig = Rig::open(1);
    rig.send(0);
    rig.hold.insert(END);
    let commit = rig.call(TransactionCall::Commit);
    rig.break_held(END, true);
    rig.hold.insert(INIT);
    while !commit.done.is_complete() {
        rig.step();
    }
    let begin = rig.call(TransactionCall::Begin);
    assert!(matches!(begin.give_up(), GivenUp::Waiting(_)));
    rig.release();
    assert_eq!((rig.state(), rig.offer(0)), (State::Ready, false));
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    assert!(rig.offer(0));
}

#[test]
fn an_attempt_to_produce_without_an_answer_costs_version_one_a_new_epoch_too() {
    for (version, inits) in [(1, 2), (2, 1)] {
        let mut rig = Rig::open(version);
        rig.hold.insert(PRODUCE);
        rig.send(0);
        rig.break_held(PRODUCE, true);
        let commit = rig.call(TransactionCall::Commit);
        while !commit.done.is_complete() {
            rig.step();
        }
        assert_eq!(rig.reports(), [Status::OK]);
        assert_eq!(rig.asked(INIT), inits, "version {version}");
    }
}

#[test]
fn a_transaction_that_outlived_its_timeout_is_named_in_the_error() {
    for version in 1..=2 {
        let mut rig = Rig::with(version, |config| config.transaction_timeout_ms = 5_000);
        assert_eq!(rig.result(TransactionCall::Init), Ok(()));
        assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
        rig.send(0);
        rig.now = rig.now + Micros::from_ms(6_000);
        let refused = rig.call(TransactionCall::Commit);
        assert!(refused.done.is_complete());
        let GivenUp::Answered(Err(error)) = refused.give_up() else { panic!("its coordinator has aborted it") };
        assert_eq!(error.status, Status::INVALID_PRODUCER_EPOCH, "{error:?}");
        assert!(error.message.contains("transaction.timeout.ms=5000"), "{error:?}");
        // Commit, why not, and under version 1 once more under the coordinator's epoch; the abort asks nothing.
        let asked = rig.asked(END);
        assert_eq!(asked, if version == 1 { 3 } else { 2 });
        assert_eq!(rig.result(TransactionCall::Abort), Ok(()));
        assert_eq!((rig.asked(END), rig.asked(INIT)), (asked, 1));
        assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
        rig.send(0);
        assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
    }
}
