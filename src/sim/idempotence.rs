//! Named scenarios of the idempotent producer. Each comment names the rule (R1 to R10) or the bug of another client (seed)
//! that it guards; `tests/mutants` has a patch that takes the rule away, and the scenario fails with it.

use super::Sim;
use super::hands::scenario;
use super::plan::Plan;
use crate::config::{OnFailure, OnInDoubtTimeout, OnSequenceGap};
use crate::error::Status;
use crate::mock::{UnknownProducer, api_key};
use crate::reports::{Persisted, Phase};
use crate::time::{Micros, Time};

fn idempotent(edit: impl FnOnce(&mut Plan)) -> Sim {
    scenario(|plan| {
        plan.config.enable_idempotence = true;
        edit(plan);
    })
}

/// Small batches, so that every record of 150 bytes is one of its own.
fn one_record_batches(plan: &mut Plan) {
    plan.config.batch_size = 200;
}

impl Sim {
    /// Says records of a batch each and lets the first one open the way.
    fn say_batches(&mut self, count: u8) -> Vec<usize> {
        (0..count).map(|n| self.say(0, 0, &[n; 150])).collect()
    }

    fn is_maybe(&self, index: usize) -> bool {
        self.report(index).persisted == Persisted::Maybe
    }
}

// R1, seed 7.
#[test]
fn a_batch_is_sent_again_byte_for_byte_though_more_records_have_come() {
    let mut sim = idempotent(|plan| plan.config.linger_us = 5_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.cluster.push_disconnect(api_key::PRODUCE, true, 1);
    let first = [sim.say(0, 0, b"one"), sim.say(0, 0, b"two")];
    sim.run_for(7);
    let second = [sim.say(0, 0, b"three"), sim.say(0, 0, b"four")];
    sim.run_for(2_000);
    assert!(first.iter().chain(&second).all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0).len(), 5);
    assert_eq!(sim.watch.counts.retries, 1);
    sim.finish();
}

// R1: the sequence numbers of a batch that a broker may have stay its own when its time is over.
#[test]
fn a_batch_that_expires_in_flight_takes_its_sequence_numbers_along() {
    let mut sim = idempotent(|plan| plan.config.delivery_timeout_ms = 1_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.cluster.broker_set_latency(leader, 1_500);
    let late = sim.say(0, 0, b"answered too late");
    sim.run_for(1_200);
    assert!(sim.is_maybe(late));
    let next = sim.say_within(0, 0, b"after it", Some(5_000));
    sim.run_for(5_000);
    assert!(sim.is_delivered(next));
    assert_eq!(sim.values(0).len(), 3);
    sim.finish();
}

// `on.failure=stop-partition` while the connection that carried both ends.
#[test]
fn a_failure_stops_what_was_in_flight_behind_it_on_the_same_connection() {
    let mut sim = idempotent(|plan| {
        one_record_batches(plan);
        plan.config.on_failure = OnFailure::StopPartition;
        plan.config.retries = 1;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.cluster.push_error(api_key::PRODUCE, 19, 1);
    let records = sim.say_batches(3);
    while sim.report_of(records[0]).is_none() {
        sim.faults.silent = vec![(leader, api_key::PRODUCE)];
        sim.run_for(500);
        sim.cut_off(leader);
        sim.run_for(500);
    }
    sim.faults.silent.clear();
    sim.run_for(5_000);
    assert_eq!(sim.report(records[0]).status, Status::DISCONNECTED);
    for index in &records[1..] {
        assert_eq!(sim.report(*index).status, Status::EARLIER_FAILED);
    }
    sim.finish();
}
