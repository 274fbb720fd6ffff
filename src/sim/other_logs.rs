//! The partition's log becomes another one while records are under way: its topic is made again, or the bootstrap servers lead to
//! another cluster. Nothing is lost by a broker then, and what was in flight says what has happened.

use super::Sim;
use super::coordination::TRANSACTIONAL_ID;
use super::hands::scenario;
use crate::accumulator::TransactionCall;
use crate::error::Status;
use crate::mock::api_key;
use crate::reports::Persisted;

/// The last seconds of a topic: what was acknowledged, and a record that its leader has and did not answer for.
fn in_flight(transactional: bool) -> (Sim, usize) {
    let mut sim = scenario(|plan| {
        plan.config.enable_idempotence = true;
        plan.config.transactional_id = transactional.then(|| TRANSACTIONAL_ID.to_owned());
        plan.config.delivery_timeout_ms = 30_000;
    });
    if transactional {
        for call in [TransactionCall::Init, TransactionCall::Begin] {
            sim.call(call);
            sim.run_until(|sim| sim.txn.is_answered());
            sim.result_of_call().expect("nothing is wrong");
        }
    }
    sim.say(0, 0, b"acknowledged");
    sim.run_for(500);
    let leader = sim.leader(0);
    sim.faults.silent = vec![(leader, api_key::PRODUCE)];
    let index = sim.say(0, 0, b"in flight");
    sim.run_for(100);
    (sim, index)
}

/// Metadata names another topic id from now on, and the connections to the leader end.
fn make_topic_again(sim: &mut Sim) {
    sim.faults.twist_metadata = Some(Box::new(|_, response| {
        for topic in &mut response.topics {
            topic.topic_id = "00000000-0000-0000-0000-000000000009".parse().expect("a topic id");
        }
    }));
    leave_leader(sim);
}

fn leave_leader(sim: &mut Sim) {
    let leader = sim.leader(0);
    sim.cut_off(leader);
    sim.faults.silent.clear();
}

#[test]
fn a_record_in_flight_when_its_topic_is_made_again_says_so_and_the_next_ones_go_to_the_new_topic() {
    let (mut sim, index) = in_flight(false);
    // Its leader has no answer any more before the news of the new topic come.
    sim.refuse(3, 1);
    make_topic_again(&mut sim);
    sim.run_for(3_000);
    let report = sim.report(index);
    assert_eq!((report.status, report.persisted), (Status::UNKNOWN_TOPIC_OR_PARTITION, Persisted::Maybe));
    assert!(report.cause.contains("deleted and made again while the record was in flight"), "{}", report.cause);
    let next = sim.say(0, 0, b"of the new topic");
    sim.run_for(1_000);
    assert!(sim.is_delivered(next));
    sim.finish();
}

#[test]
fn a_record_in_flight_when_another_cluster_answers_says_so() {
    let (mut sim, index) = in_flight(false);
    sim.refuse(3, 1);
    sim.faults.twist_metadata = Some(Box::new(|_, response| response.cluster_id = Some("another".to_owned().into())));
    leave_leader(&mut sim);
    sim.run_for(3_000);
    let report = sim.report(index);
    assert_eq!((report.status, report.persisted), (Status::UNKNOWN_PRODUCER_ID, Persisted::Maybe));
    assert!(report.cause.contains("another cluster while the record was in flight"), "{}", report.cause);
    let next = sim.say(0, 0, b"for the other cluster");
    sim.run_for(1_000);
    assert!(sim.is_delivered(next));
    sim.finish();
}

#[test]
fn a_transaction_whose_topic_is_made_again_fails_with_the_reason_and_nobody_hears_of_a_loss() {
    let (mut sim, index) = in_flight(true);
    sim.refuse(3, 1);
    sim.refuse(45, 1);
    make_topic_again(&mut sim);
    sim.run_for(3_000);
    let report = sim.report(index);
    assert_eq!((report.status, report.persisted), (Status::OUT_OF_ORDER_SEQUENCE_NUMBER, Persisted::Maybe));
    assert!(report.cause.contains("made again while the record was in flight"), "{}", report.cause);
    assert_eq!(sim.app.losses, Vec::<String>::new());
    sim.finish();
}

/// A broker that names offsets at the end of all numbers, before the producer meets a loss there.
#[test]
fn offsets_stop_at_the_greatest_number() {
    let mut sim = scenario(|plan| {
        plan.config.enable_idempotence = true;
        plan.config.linger_us = 5_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.faults.twist_produce = Some(Box::new(|response| {
        let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
        partitions.for_each(|partition| partition.base_offset = i64::MAX - 1);
    }));
    let records: Vec<usize> = (0..4u8).map(|n| sim.say(0, 0, &[n])).collect();
    sim.run_for(100);
    sim.faults.twist_produce = None;
    let offsets: Vec<i64> = records.iter().map(|index| sim.report(*index).offset).collect();
    assert_eq!(offsets, [i64::MAX - 1, i64::MAX, i64::MAX, i64::MAX]);
    sim.refuse(45, 1);
    sim.say(0, 0, b"after the loss");
    sim.run_for(100);
    assert!(sim.app.losses[0].contains(&format!("up to offset {}", i64::MAX)), "{:?}", sim.app.losses);
}

#[test]
fn a_loss_after_acknowledgements_without_offsets_names_no_offset() {
    for first_answer_is_lost in [true, false] {
        let mut sim = scenario(|plan| plan.config.enable_idempotence = true);
        if first_answer_is_lost {
            // DUPLICATE_SEQUENCE_NUMBER acknowledges, and tells no offset.
            sim.cluster.push_disconnect(api_key::PRODUCE, true, 1);
            sim.faults.twist_produce = Some(Box::new(|response| {
                let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
                partitions.for_each(|partition| (partition.error_code, partition.base_offset) = (46, -1));
            }));
        }
        let first = sim.say(0, 0, b"acknowledged");
        sim.run_for(1_000);
        assert!(sim.is_delivered(first));
        sim.faults.twist_produce = None;
        sim.refuse(45, 1);
        let next = sim.say(0, 0, b"after it");
        sim.run_for(1_000);
        assert!(sim.is_delivered(next));
        let [loss] = &sim.app.losses[..] else { panic!("one loss: {:?}", sim.app.losses) };
        assert_eq!(loss.contains("offset"), !first_answer_is_lost, "{loss}");
    }
}
