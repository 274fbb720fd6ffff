//! Two-phase commit under faults: a prepared transaction is ended once, by whoever knows its name, however long that
//! takes.

use super::Sim;
use super::coordination::TRANSACTIONAL_ID;
use super::transacting::Stage;
use super::transactions::transactional;
use crate::accumulator::TransactionCall;
use crate::error::Status;
use crate::mock::{CoordinatorKind, api_key};
use crate::prepared::PreparedTransaction;
use crate::time::Micros;

fn two_phase(version: i16) -> Sim {
    transactional(version, |plan| {
        plan.config.two_phase_commit = true;
        plan.config.transaction_timeout_ms = i32::MAX as u64;
    })
}

/// A record to each partition, in a prepared transaction.
fn prepare(sim: &mut Sim) -> PreparedTransaction {
    sim.begin();
    sim.say(0, 0, b"prepared");
    sim.say(0, 1, b"prepared");
    sim.done(TransactionCall::Prepare).expect("nothing is wrong");
    sim.txn.named.expect("it is prepared")
}

#[test]
fn a_prepared_transaction_is_committed_once_though_coordinators_move_and_answers_get_lost() {
    for version in [1, 2] {
        for acts in [false, true] {
            let mut sim = two_phase(version);
            let prepared = prepare(&mut sim);
            assert_eq!(sim.visible(), 0);
            let next = sim.coordinator() % sim.plan.brokers + 1;
            sim.cluster
                .coordinator_move(CoordinatorKind::Transaction, TRANSACTIONAL_ID, Some(next))
                .expect("it exists");
            sim.cluster.push_disconnect(api_key::END_TXN, acts, 2);
            sim.done(TransactionCall::Complete(Some(prepared))).expect("it is found out");
            assert_eq!(sim.visible(), 2, "version {version}");
            sim.transact_once();
            assert_eq!(sim.visible(), 4);
            sim.finish();
        }
    }
}

#[test]
fn no_time_ends_a_prepared_transaction() {
    for version in [1, 2] {
        let mut sim = two_phase(version);
        let prepared = prepare(&mut sim);
        sim.run_for(900_000);
        assert!(sim.cluster.is_transaction_open(TRANSACTIONAL_ID));
        sim.done(TransactionCall::Complete(Some(prepared))).expect("nothing is wrong");
        assert_eq!(sim.visible(), 2);
        sim.finish();
    }
}

#[test]
fn another_name_aborts_and_the_producer_goes_on() {
    for version in [1, 2] {
        let mut sim = two_phase(version);
        prepare(&mut sim);
        let other = PreparedTransaction { producer_id: 1, producer_epoch: 1 };
        sim.done(TransactionCall::Complete(None)).expect("nothing is wrong");
        assert_eq!((sim.visible(), sim.txn.stage), (0, Stage::Ready));
        let named = prepare(&mut sim);
        assert_ne!(named, other);
        sim.done(TransactionCall::Commit).expect("nothing is wrong");
        assert_eq!(sim.visible(), 2);
        sim.finish();
    }
}

// With an epoch behind its own, which a coordinator gives up after a timeout, an abort would end the other one's
// transaction.
#[test]
fn who_has_prepared_leaves_the_transaction_alone_that_another_has_taken_over() {
    for version in [1, 2] {
        for abort in [false, true] {
            let mut sim = two_phase(version);
            let prepared = prepare(&mut sim);
            sim.was_fenced = true;
            sim.cluster.keep_prepared(TRANSACTIONAL_ID);
            let call = if abort { TransactionCall::Abort } else { TransactionCall::Complete(Some(prepared)) };
            let error = sim.done_within(call, 30_000).expect_err("another one is here");
            assert_eq!(error.status, Status::PRODUCER_FENCED, "{error}");
            sim.run_for(Micros::from_ms(20_000).as_ms());
            assert!(sim.cluster.is_transaction_open(TRANSACTIONAL_ID), "version {version}, abort {abort}");
        }
    }
}
