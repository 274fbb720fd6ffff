//! The partition's log becomes another one while records are under way: its topic is made again, or the bootstrap
//! servers lead to another cluster. Nothing is lost by a broker then, and what was in flight says what has happened.

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

/// Another topic of the same name and the same leaders, and the connections to the leader end.
fn make_topic_again(sim: &mut Sim) {
    replace_topic(sim);
    leave_leader(sim);
}

fn replace_topic(sim: &mut Sim) {
    let leaders = [sim.leader(0), sim.leader(1)];
    for partition in 0..2 {
        // Deleting a topic is no fault of the producer's.
        let records = sim.cluster.records("t0", partition).expect("it exists");
        sim.losses.records.extend(records.iter().map(|record| record.timestamp_ms));
        sim.losses.partitions.insert(("t0".to_owned(), partition));
    }
    sim.cluster.topic_delete("t0").expect("it exists");
    sim.cluster.topic_create("t0", 2, 2).expect("legal");
    for (partition, leader) in leaders.into_iter().enumerate() {
        sim.cluster.partition_set_leader("t0", partition as i32, Some(leader)).expect("both exist");
    }
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

/// The id in the request is that of the topic before: its broker refuses it, and the record goes to the new topic only
/// when metadata has told that there is one. A broker that takes names writes it there unasked.
#[test]
fn a_record_sent_to_a_topic_that_was_made_again_meanwhile_is_recognised_by_its_broker() {
    for by_id in [true, false] {
        let mut sim = scenario(|plan| {
            plan.config.enable_idempotence = true;
            plan.config.metadata_max_age_ms = 3_600_000;
        });
        if !by_id {
            sim.cluster.set_max_version(api_key::PRODUCE, 12);
        }
        sim.say(0, 0, b"to the first topic");
        sim.run_for(500);
        let asked = sim.requests(api_key::METADATA);
        replace_topic(&mut sim);
        let records: Vec<usize> = (0..3u8).map(|n| sim.say(0, 0, &[n])).collect();
        sim.run_for(5_000);
        for index in &records {
            assert!(sim.is_delivered(*index), "{:?}", sim.report(*index));
        }
        // Refused, looked up, and sent again under a new epoch.
        let report = sim.report(records[0]);
        assert_eq!(report.attempts > 1, by_id, "{report:?}");
        assert!(!by_id || sim.requests(api_key::METADATA) > asked);
        assert!(!by_id || sim.watch.counts.bumps == 1);
        assert_eq!(sim.values(0), [[0], [1], [2]]);
        assert_eq!(sim.app.losses, Vec::<String>::new());
        if by_id {
            sim.finish();
        }
    }
}

/// Some topics of a request have ids, and one has none: all of them are named.
#[test]
fn a_topic_without_an_id_is_named_and_so_are_its_neighbours() {
    let mut sim = scenario(|plan| {
        plan.config.enable_idempotence = true;
        plan.config.linger_us = 5_000;
        (plan.brokers, plan.topics) = (1, vec![1, 1]);
    });
    sim.faults.twist_metadata = Some(Box::new(|_, response| {
        let unnamed =
            response.topics.iter_mut().filter(|topic| topic.name.as_ref().is_some_and(|name| &*name.0 == "t1"));
        unnamed.for_each(|topic| topic.topic_id = Default::default());
    }));
    for _ in 0..3 {
        let both = [sim.say(0, 0, b"with an id"), sim.say(1, 0, b"without one")];
        sim.run_for(300);
        assert!(both.iter().all(|index| sim.is_delivered(*index)));
    }
    sim.finish();
}

#[test]
fn a_record_in_flight_when_another_cluster_answers_says_so() {
    let (mut sim, index) = in_flight(false);
    sim.refuse(3, 1);
    sim.cluster.set_cluster_id("another");
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
