//! A cluster of three that loses brokers, leaders and time.

use std::time::Duration;

use kproducer_kafka_tests::cluster::{KafkaCluster, shared};
use kproducer_kafka_tests::driver::{self, Driver};
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::{read_at_least, read_topic};
use kproducer_kafka_tests::record::Record;
use kproducer_kafka_tests::verify::{Promise, assert_kept};

const PER_SECOND: u32 = 2000;
const VALUE_LEN: usize = 200;
/// One request at a time keeps order through repeated attempts without idempotence.
const IN_ORDER: [(&str, &str); 4] = [
    ("acks", "all"),
    ("enable.idempotence", "false"),
    ("max.in.flight.requests.per.connection", "1"),
    ("linger.ms", "5"),
];
const PIPELINED: [(&str, &str); 4] = [
    ("acks", "all"),
    ("enable.idempotence", "false"),
    ("max.in.flight.requests.per.connection", "5"),
    ("linger.ms", "5"),
];

fn replicated_topic(cluster: &KafkaCluster, name: &str, partitions: i32) {
    cluster.create_topic(name, partitions, 3, &[("min.insync.replicas", "2")]);
}

/// A load that is under way: a second of it is acknowledged.
fn start_load(cluster: &KafkaCluster, topic: &str, properties: &[(&str, &str)]) -> Driver {
    let mut driver = Driver::start(&cluster.bootstrap(), properties);
    let topic = topic.to_owned();
    driver.start_load(PER_SECOND, move |number| numbered(&topic, number, VALUE_LEN));
    driver.wait_for_acknowledgements(usize::try_from(PER_SECOND).expect("fits"));
    driver
}

/// Two more seconds of load, then everything must have been acknowledged and be in the log.
fn finish_load(cluster: &KafkaCluster, topic: &str, mut driver: Driver, promise: Promise) {
    driver.wait_for_acknowledgements(2 * usize::try_from(PER_SECOND).expect("fits"));
    let outcome = driver.finish();
    outcome.assert_all_acknowledged();
    let log = read_topic(cluster, topic);
    println!("{topic}: {} records sent, {} in the log", outcome.sent.len(), log.len());
    assert_kept(&outcome, &log, promise);
}

fn kill_and_restart(topic: &str, properties: &[(&str, &str)], promise: Promise) {
    let mut cluster = shared(3);
    replicated_topic(&cluster, topic, 6);
    let mut driver = start_load(&cluster, topic, properties);
    let victim = cluster.leader(topic, 0);
    cluster.kill(victim);
    // Acknowledged once the partitions it led have other leaders.
    driver.wait_for_acknowledgements(usize::try_from(PER_SECOND).expect("fits"));
    cluster
        .wait_for_topic(topic, |states| !states.is_empty() && states.iter().all(|s| ![-1, victim].contains(&s.leader)));
    cluster.restart(victim);
    cluster.wait_for_replicas(topic);
    finish_load(&cluster, topic, driver, promise);
}

#[test]
fn a_killed_broker_loses_no_acknowledged_record() {
    kill_and_restart("killed", &PIPELINED, Promise::FAULTS);
}

#[test]
fn a_killed_broker_does_not_change_the_order_with_one_request_in_flight() {
    kill_and_restart("killed-in-order", &IN_ORDER, Promise::FAULTS_IN_ORDER);
}

#[test]
fn two_brokers_killed_one_after_the_other_lose_nothing() {
    let topic = "killed-twice";
    let mut cluster = shared(3);
    replicated_topic(&cluster, topic, 6);
    let driver = start_load(&cluster, topic, &PIPELINED);
    for _ in 0..2 {
        let victim = cluster.leader(topic, 0);
        cluster.kill(victim);
        cluster.wait_for_topic(topic, |states| {
            !states.is_empty() && states.iter().all(|s| ![-1, victim].contains(&s.leader))
        });
        cluster.restart(victim);
        cluster.wait_for_replicas(topic);
    }
    finish_load(&cluster, topic, driver, Promise::FAULTS);
}

#[test]
fn a_leader_moved_under_load_loses_nothing_and_keeps_the_order() {
    let topic = "moved";
    let cluster = shared(3);
    replicated_topic(&cluster, topic, 2);
    let mut driver = start_load(&cluster, topic, &IN_ORDER);
    for _ in 0..3 {
        let target = cluster.move_leader(topic, 0);
        driver.wait_for_acknowledgements(usize::try_from(PER_SECOND / 2).expect("fits"));
        println!("partition 0 moved to node {target}");
    }
    finish_load(&cluster, topic, driver, Promise::FAULTS_IN_ORDER);
}

#[test]
fn a_leader_that_stands_still_for_five_seconds_loses_nothing() {
    let topic = "stopped";
    let mut cluster = shared(3);
    replicated_topic(&cluster, topic, 6);
    let mut properties = PIPELINED.to_vec();
    // Shorter than the stop: requests to the silent broker time out and are repeated elsewhere.
    properties.extend([("request.timeout.ms", "2000"), ("delivery.timeout.ms", "60000")]);
    let driver = start_load(&cluster, topic, &properties);
    let silent = cluster.leader(topic, 0);
    cluster.stop(silent);
    std::thread::sleep(Duration::from_secs(5));
    cluster.resume(silent);
    finish_load(&cluster, topic, driver, Promise::FAULTS);
}

#[test]
fn every_acks_setting_delivers_to_a_replicated_topic() {
    let cluster = shared(3);
    for (acks, offsets) in [("0", false), ("1", true), ("all", true)] {
        let topic = format!("acks-{acks}");
        replicated_topic(&cluster, &topic, 3);
        let records: Vec<Record> = (0..3000).map(|number| numbered(&topic, number, VALUE_LEN)).collect();
        let properties =
            [("acks", acks), ("enable.idempotence", "false"), ("max.in.flight.requests.per.connection", "1")];
        let outcome = driver::run(&cluster.bootstrap(), &properties, &records);
        outcome.assert_all_acknowledged();
        let log = read_at_least(&cluster, &topic, records.len(), Duration::from_secs(20));
        assert_eq!(log.len(), records.len(), "acks={acks}");
        assert_kept(&outcome, &log, Promise { offsets, ..Promise::HEALTHY });
    }
}

#[test]
fn a_topic_created_two_seconds_late_gets_every_record() {
    let topic = "late";
    let cluster = shared(3);
    let records: Vec<Record> = (0..2000).map(|number| numbered(topic, number, VALUE_LEN)).collect();
    let mut driver = Driver::start(&cluster.bootstrap(), &IN_ORDER);
    driver.send(&records);
    std::thread::sleep(Duration::from_secs(2));
    replicated_topic(&cluster, topic, 3);
    let outcome = driver.finish();
    outcome.assert_all_acknowledged();
    assert_kept(&outcome, &read_topic(&cluster, topic), Promise::FAULTS_IN_ORDER);
}
