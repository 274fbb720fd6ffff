//! Scenarios of what ends linger: flushes of one topic, and somebody who waits for one record.

use super::Sim;
use super::hands::scenario;
use crate::error::Status;
use crate::mock::api_key;
use crate::time::Micros;

/// Two topics, two brokers, and a linger that nothing but a flush ends.
fn lingering() -> Sim {
    scenario(|plan| {
        plan.topics = vec![2, 2];
        plan.config.linger_us = 3_600_000_000;
        plan.config.delivery_timeout_ms = 7_200_000;
    })
}

/// Both topics are known and their leaders connected.
fn warm() -> Sim {
    let mut sim = lingering();
    for topic in 0..2 {
        for partition in 0..2 {
            sim.say(topic, partition, b"warm-up");
        }
    }
    sim.flush();
    sim.run_for(1_000);
    sim
}

#[test]
fn a_flush_of_one_topic_leaves_the_others_lingering() {
    let mut sim = warm();
    let (ours, others) = ([sim.say(0, 0, b"a"), sim.say(0, 1, b"b")], sim.say(1, 0, b"c"));
    let flush = sim.flush_of(Some(0));
    let later = sim.say(0, 0, b"goes along: its batch is flushed");
    sim.run_for(1_000);
    assert!(flush.is_complete());
    assert!(ours.iter().all(|index| sim.is_delivered(*index)));
    assert!(sim.is_delivered(later) && !sim.is_delivered(others));
    let next = sim.say(0, 0, b"d");
    sim.run_for(60_000);
    assert!(!sim.is_delivered(next) && !sim.is_delivered(others), "a flush is for what came before it");
    sim.finish();
}

#[test]
fn a_flush_of_one_topic_takes_its_parked_records_and_no_others() {
    let mut sim = lingering();
    let (ours, others) = (sim.say(0, 0, b"a"), sim.say(1, 0, b"b"));
    let flush = sim.flush_of(Some(0));
    sim.run_for(1_000);
    assert!(flush.is_complete() && sim.is_delivered(ours) && !sim.is_delivered(others));
    sim.finish();
}

#[test]
fn a_flush_of_one_topic_waits_for_its_own_leader_only() {
    let mut sim = warm();
    let stuck = sim.say(1, 0, b"its leader refuses");
    sim.refuse(i16::try_from(Status::NOT_ENOUGH_REPLICAS.code()).expect("a Kafka code"), 3);
    let theirs = sim.flush_of(Some(1));
    sim.run_until(|sim| sim.requests(api_key::PRODUCE) > 4);
    assert!(!theirs.is_complete());
    // The refusals left are for whoever comes next: it is their order that counts, not who gets them.
    let ours = sim.say(0, 0, b"a");
    let flush = sim.flush_of(Some(0));
    sim.run_for(60_000);
    assert!(flush.is_complete() && theirs.is_complete());
    assert!(sim.is_delivered(ours) && sim.is_delivered(stuck));
    sim.finish();
}

#[test]
fn a_flush_covers_records_whose_metadata_came_while_it_was_being_asked_for() {
    for topic in [None, Some(0)] {
        let mut sim = lingering();
        let index = sim.say(0, 0, b"parked");
        sim.run_until(|sim| sim.requests(api_key::METADATA) > 0 && sim.accumulator.topics.by_id(0).parked_bytes() > 0);
        // It is read after the answer that puts the record into its batch.
        let flush = sim.flush_unheard(topic);
        sim.run_for(1_000);
        assert!(flush.is_complete() && sim.is_delivered(index));
        sim.finish();
    }
}

#[test]
fn a_record_that_somebody_waits_for_ends_the_linger_of_its_partition_only() {
    let mut sim = warm();
    let others = [sim.say(0, 1, b"another partition"), sim.say(1, 0, b"another topic")];
    let before = sim.say(0, 0, b"the same batch");
    let index = sim.say(0, 0, b"awaited");
    sim.await_last();
    sim.run_for(100);
    assert!(sim.is_delivered(index) && sim.is_delivered(before));
    let next = sim.say(0, 0, b"nobody waits for it");
    sim.run_for(60_000);
    assert!(others.iter().chain([&next]).all(|index| !sim.is_delivered(*index)));
    sim.finish();
}

#[test]
fn a_record_that_somebody_waits_for_while_it_is_parked_does_not_linger_afterwards() {
    let mut sim = lingering();
    let other = sim.say(1, 0, b"another topic");
    let index = sim.say(0, 1, b"awaited");
    sim.await_last();
    sim.run_for(1_000);
    assert!(sim.is_delivered(index) && !sim.is_delivered(other));
    sim.finish();
}

#[test]
fn a_record_that_was_parked_and_is_in_a_batch_when_somebody_waits_for_it_does_not_linger() {
    let mut sim = lingering();
    let index = sim.say(0, 1, b"awaited late");
    sim.run_for(1_000);
    assert!(!sim.is_delivered(index), "it lingers");
    sim.await_last();
    sim.run_for(100);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn waiting_for_a_record_reaches_it_behind_a_connection_that_breaks() {
    let mut sim = warm();
    let index = sim.say(0, 0, b"awaited");
    sim.await_last();
    sim.cluster.push_disconnect(api_key::PRODUCE, true, 1);
    let begun = sim.now;
    sim.run_until(|sim| sim.is_delivered(index));
    assert!(sim.now.since(begun) < Micros::from_ms(10_000));
    sim.finish();
}
