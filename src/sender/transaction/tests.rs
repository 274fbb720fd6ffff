//! In which order things are asked and answered, and what each call and event does in each state.

mod rig;

use super::*;
use crate::accumulator::GivenUp;
use crate::mock::{Cluster, CoordinatorKind};
use crate::sender::coordinator_link::Whose;
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
            if expected != OK {
                assert_eq!(rig.state(), state, "{name}");
            }
            // Whatever was refused does not stand in the way of what is allowed.
            if rig.state() != State::FatalError {
                rig.release();
                assert!(matches!(
                    rig.state(),
                    State::Uninitialized | State::Ready | State::InTransaction | State::AbortableError
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
            State::InTransaction | State::Committing => State::AbortableError,
            other => other,
        };
        assert_eq!(rig.state(), expected, "{state:?}");
    }
}

#[test]
fn a_fatal_error_ends_every_state_and_answers_the_call_under_way() {
    for state in State::ALL {
        let mut rig = in_state(state);
        let waiting = matches!(state, State::Initializing | State::Committing | State::Aborting);
        let call = match state {
            State::Initializing => TransactionCall::Init,
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
fn in_version_one_no_record_of_a_partition_goes_out_before_the_coordinator_has_it() {
    let mut rig = Rig::open(1);
    rig.hold.insert(ADD);
    for partition in 0..3 {
        assert!(rig.offer(partition));
    }
    rig.run();
    assert_eq!((rig.asked(ADD), rig.asked(PRODUCE)), (1, 0), "all of them in one request");
    rig.send(3);
    assert_eq!(rig.asked(ADD), 1, "one request at a time");
    rig.release();
    assert_eq!(rig.asked(ADD), 2);
    assert_eq!(rig.reports(), [Status::OK; 4]);
    rig.send(1);
    assert_eq!(rig.asked(ADD), 2, "it is registered");
}

#[test]
fn a_partition_that_the_coordinator_does_not_know_yet_costs_those_asked_for_beside_it_nothing() {
    let mut rig = Rig::open(1);
    rig.cluster.topic_create("new", 1, 3).expect("legal");
    rig.cluster.set_late_topic(Some("new"));
    rig.hold.insert(ADD);
    assert!(rig.offer_to("new", 0) && rig.offer(0));
    rig.run();
    let names = [&b"\x04new"[..], b"\x02t"];
    let asked = &rig.held[0].2;
    assert!(names.iter().all(|name| asked.windows(name.len()).any(|w| w == *name)), "both in one request");
    rig.release();
    assert_eq!((rig.state(), rig.asked(PRODUCE)), (State::InTransaction, 0), "3 beside 55");
    while rig.asked(ADD) < 4 {
        rig.step();
    }
    rig.cluster.set_late_topic(None);
    while rig.asked(PRODUCE) < 2 {
        rig.step();
    }
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
    assert_eq!(rig.reports(), [Status::OK; 2]);
}

#[test]
fn a_registration_that_a_coordinator_may_have_written_before_it_lost_its_place_is_ended() {
    for (code, ends) in [(14, 1), (15, 1), (16, 1), (7, 1), (3, 0), (51, 0)] {
        for by_offsets in [false, true] {
            if by_offsets && code == 3 {
                continue;
            }
            let mut rig = Rig::open(1);
            rig.cluster.push_error(if by_offsets { ADD_OFFSETS } else { ADD }, code, 1);
            rig.hold.insert(FIND);
            let call = by_offsets.then(|| rig.call(offsets()));
            if !by_offsets {
                rig.send(0);
            }
            let abort = rig.call(TransactionCall::Abort);
            rig.release();
            while !abort.done.is_complete() {
                rig.step();
            }
            assert!(call.is_none_or(|call| call.done.is_complete()));
            assert!(matches!(abort.give_up(), GivenUp::Answered(Ok(()))), "{code}: there was nothing to end");
            assert_eq!(rig.asked(END), ends, "{code}, by offsets: {by_offsets}");
        }
    }
}

#[test]
fn records_are_registered_while_they_linger() {
    let mut rig = Rig::with(1, |config| config.linger_us = 50_000);
    assert_eq!(rig.result(TransactionCall::Init), Ok(()));
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    // The topic becomes known.
    rig.send(0);
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    rig.send(0);
    assert_eq!((rig.asked(ADD), rig.asked(PRODUCE)), (2, 1));
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
}

#[test]
fn requests_to_coordinators_go_one_at_a_time() {
    let mut rig = Rig::open(1);
    rig.hold.insert(ADD);
    rig.send(0);
    let reply = rig.call(offsets());
    assert_eq!((rig.asked(ADD), rig.asked(ADD_OFFSETS)), (1, 0));
    rig.hold.insert(ADD_OFFSETS);
    let (conn, _, bytes) = rig.held.pop_front().expect("held");
    rig.deliver(conn, &bytes);
    rig.run();
    assert_eq!((rig.asked(ADD_OFFSETS), rig.asked(COMMIT_OFFSETS)), (1, 0));
    rig.release();
    assert!(reply.done.is_complete());
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
        if let crate::reports::Item::Batch(batch) = item {
            heard.push((batch.status, batch.persisted));
        }
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
                let is_in_doubt = !matches!(first, "51" | "none");
                let name = format!("version {version}, {first}, {second}: {error:?}");
                assert_eq!(error.status.is_fatal(), is_in_doubt || second == 48, "{name}");
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
fn what_asks_for_an_abort_where_no_transaction_is_open_is_tried_again() {
    for api in [FIND, INIT] {
        let mut rig = Rig::new(1);
        rig.cluster.push_error(api, 120, 2);
        let init = rig.call(TransactionCall::Init);
        while !init.done.is_complete() {
            rig.step();
        }
        assert!(matches!(init.give_up(), GivenUp::Answered(Ok(()))));
        assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
        rig.send(0);
        // A new epoch is needed.
        rig.hold.insert(END);
        let commit = rig.call(TransactionCall::Commit);
        rig.break_held(END, true);
        while !commit.done.is_complete() {
            rig.step();
        }
        rig.cluster.push_error(api, 120, 2);
        let begin = rig.call(TransactionCall::Begin);
        while !begin.done.is_complete() {
            rig.step();
        }
        assert!(matches!(begin.give_up(), GivenUp::Answered(Ok(()))));
    }
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
fn a_search_that_a_broker_does_not_answer_goes_to_another_one_without_cutting_the_first_off() {
    let mut rig = Rig::new(2);
    rig.hold.insert(FIND);
    let init = rig.call(TransactionCall::Init);
    let begun = rig.now;
    let slow = rig.held[0].0;
    let another = rig.brokers[&slow] % 3 + 1;
    rig.cluster.coordinator_move(CoordinatorKind::Transaction, "tx", Some(another)).expect("legal");
    while rig.asked(FIND) == 1 {
        rig.step();
    }
    assert!(rig.now.since(begun) <= Micros::from_ms(6_000), "{:?}", rig.now.since(begun));
    assert_ne!(rig.held.back().map(|(conn, ..)| *conn), Some(slow));
    let (conn, _, bytes) = rig.held.pop_back().expect("held");
    rig.deliver(conn, &bytes);
    rig.run();
    assert!(init.done.is_complete() && rig.brokers.contains_key(&slow));
    rig.release();
    assert_eq!(rig.state(), State::Ready, "the late answer is of no interest");
}

#[test]
fn a_busy_coordinator_is_asked_again_after_five_ten_and_twenty_milliseconds() {
    let mut rig = Rig::open(2);
    rig.send(0);
    rig.cluster.push_error(END, 51, 4);
    let commit = rig.call(TransactionCall::Commit);
    while !commit.done.is_complete() {
        rig.step();
    }
    let times: Vec<Time> = rig.seen.iter().filter(|(api, _)| *api == END).map(|(_, at)| *at).collect();
    let pauses_ms: Vec<u64> = times.windows(2).map(|pair| pair[1].since(pair[0]).as_ms()).collect();
    assert_eq!(pauses_ms, [5, 10, 20, 20]);
}

#[test]
fn a_coordinator_that_is_busy_for_long_is_asked_less_often() {
    let mut rig = Rig::open(2);
    rig.send(0);
    rig.cluster.push_error(END, 51, u32::MAX);
    let begun = rig.now;
    let commit = rig.call(TransactionCall::Commit);
    while rig.now.since(begun) < Micros::from_ms(20_000) {
        rig.step();
    }
    assert!(!commit.done.is_complete());
    let asked = rig.asked(END);
    assert!((60..110).contains(&asked), "{asked}");
}

#[test]
fn the_coordinator_of_another_group_is_looked_up() {
    let mut rig = Rig::open(2);
    assert_eq!(rig.result(offsets()), Ok(()));
    assert_eq!(rig.result(offsets()), Ok(()));
    assert_eq!(rig.asked(FIND), 2, "the transaction's and the group's");
    let TransactionCall::SendOffsets { offsets: positions, group } = offsets() else { unreachable!() };
    let group = GroupMetadata { group_id: "other".into(), ..group };
    let other = TransactionCall::SendOffsets { offsets: positions, group };
    assert_eq!(rig.result(other.clone()), Ok(()));
    assert_eq!(rig.asked(FIND), 3);
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    for call in [offsets(), other] {
        assert_eq!(rig.result(call), Ok(()));
    }
    assert_eq!(rig.asked(FIND), 3, "both are known");
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
}

#[test]
fn a_group_that_has_to_be_asked_again_later_does_not_hold_the_transactions_coordinator_back() {
    let mut rig = Rig::open(1);
    rig.cluster.push_error(COMMIT_OFFSETS, 14, 1);
    let late = rig.call(offsets());
    assert_eq!(rig.asked(COMMIT_OFFSETS), 1);
    rig.send(2);
    assert_eq!((rig.asked(ADD), rig.reports()), (1, vec![Status::OK]), "in the same moment");
    while !late.done.is_complete() {
        rig.step();
    }
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
}

#[test]
fn a_late_refusal_for_a_group_does_not_touch_the_next_transaction() {
    for version in 1..=2 {
        let mut rig = Rig::open(version);
        if version == 1 {
            // Its coordinator registers the group before the group's own is looked for.
            rig.apart();
        }
        rig.hold.insert(FIND);
        let call = rig.call(offsets());
        assert_eq!(rig.asked(FIND), 2, "version {version}");
        let abort = rig.call(TransactionCall::Abort);
        rig.hold.clear();
        let held = std::mem::take(&mut rig.held);
        for (conn, api, bytes) in held {
            if api == FIND { rig.held.push_back((conn, api, bytes)) } else { rig.deliver(conn, &bytes) }
        }
        rig.run();
        assert!(call.done.is_complete() && abort.done.is_complete(), "version {version}");
        assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
        rig.cluster.push_error(FIND, 30, 1);
        rig.release();
        assert_eq!(rig.state(), State::InTransaction, "version {version}");
        assert_eq!(rig.result(offsets()), Ok(()));
        assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
    }
}

#[test]
fn a_coordinator_whose_broker_has_left_the_cluster_is_looked_for_at_once() {
    let mut rig = Rig::open(2);
    rig.apart();
    rig.send(0);
    let gone = rig.sender.transaction.links.node(&Whose::Transaction).expect("known");
    rig.cluster.coordinator_move(CoordinatorKind::Transaction, "tx", Some(gone % 3 + 1)).expect("legal");
    rig.sender.brokers.remove(&gone);
    rig.sender.connections.retain(|_, broker| *broker != gone);
    let asked = rig.asked(FIND);
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()), "nothing else wakes it");
    assert_eq!(rig.asked(FIND), asked + 1);
}

#[test]
fn a_transaction_that_outlived_its_timeout_is_named_in_the_error() {
    let mut rig = Rig::with(1, |config| config.transaction_timeout_ms = 5_000);
    assert_eq!(rig.result(TransactionCall::Init), Ok(()));
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    rig.send(0);
    rig.now = rig.now + Micros::from_ms(6_000);
    let refused = rig.call(TransactionCall::Commit);
    assert!(refused.done.is_complete());
    let GivenUp::Answered(Err(error)) = refused.give_up() else { panic!("its coordinator has aborted it") };
    assert!(error.status.is_fatal() && error.message.contains("transaction.timeout.ms=5000"), "{error:?}");
}

#[test]
fn an_idle_coordinator_is_connected_to_again_without_a_search() {
    let mut rig = Rig::with(2, |config| config.connections_max_idle_ms = Some(1_000));
    assert_eq!(rig.result(TransactionCall::Init), Ok(()));
    let coordinator = rig.cluster.coordinator(CoordinatorKind::Transaction, "tx").expect("one");
    while rig.brokers.values().any(|broker| *broker == coordinator) {
        rig.step();
    }
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    rig.send(0);
    let commit = rig.call(TransactionCall::Commit);
    while !commit.done.is_complete() {
        rig.step();
    }
    assert_eq!(rig.asked(FIND), 1);
}
