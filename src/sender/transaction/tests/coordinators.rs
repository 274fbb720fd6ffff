//! Registrations, and the ways to coordinators that are slow, busy, moved or gone.

use super::*;
use crate::sender::coordinator_link::Whose;

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
    // Where they are is known.
    assert!(rig.offer_to("new", 0) && rig.offer(0));
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
    assert_eq!(rig.reports(), [Status::OK; 2]);
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    let before = (rig.asked(ADD), rig.asked(PRODUCE));
    rig.cluster.set_late_topic(Some("new"));
    rig.hold.insert(ADD);
    assert!(rig.offer_to("new", 0) && rig.offer(0));
    rig.run();
    let names = [&b"\x04new"[..], b"\x02t"];
    let asked = &rig.held[0].2;
    assert!(names.iter().all(|name| asked.windows(name.len()).any(|w| w == *name)), "both in one request");
    rig.release();
    assert_eq!((rig.state(), rig.asked(PRODUCE)), (State::InTransaction, before.1), "3 beside 55");
    while rig.asked(ADD) < before.0 + 4 {
        rig.step();
    }
    rig.cluster.set_late_topic(None);
    while rig.asked(PRODUCE) < before.1 + 2 {
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
    let mut rig = Rig::open(2);
    rig.hold.insert(FIND);
    let call = rig.call(offsets());
    assert_eq!(rig.asked(FIND), 2);
    assert_eq!(rig.result(TransactionCall::Abort), Ok(()));
    assert!(call.done.is_complete());
    assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
    rig.cluster.push_error(FIND, 30, 1);
    rig.release();
    assert_eq!(rig.state(), State::InTransaction);
    assert_eq!(rig.result(offsets()), Ok(()));
    assert_eq!(rig.result(TransactionCall::Commit), Ok(()));
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

#[test]
fn a_new_epoch_that_was_refused_is_asked_for_again_before_the_next_transaction() {
    let mut rig = Rig::open(1);
    rig.send(0);
    rig.hold.insert(END);
    let commit = rig.call(TransactionCall::Commit);
    rig.cluster.push_error(INIT, 120, 1);
    rig.break_held(END, true);
    while !commit.done.is_complete() {
        rig.step();
    }
    assert_eq!((rig.state(), rig.asked(INIT)), (State::Initializing, 2), "after a pause");
    let begin = rig.call(TransactionCall::Begin);
    while !begin.done.is_complete() {
        assert!(!rig.offer(0));
        rig.step();
    }
    assert_eq!((rig.state(), rig.asked(INIT)), (State::InTransaction, 3));
}
