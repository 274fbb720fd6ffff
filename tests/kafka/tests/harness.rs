//! The harness judged by itself: with librdkafka as the producer it must find nothing wrong, and with a tampered log it must
//! find what is wrong.

use std::net::TcpStream;

use kproducer_kafka_tests::cluster::{KafkaCluster, Release};
use kproducer_kafka_tests::driver::{Driver, Outcome};
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::record::{LogRecord, Record};
use kproducer_kafka_tests::verify::{Promise, Violation, check};

fn send_with_librdkafka(cluster: &KafkaCluster, records: &[Record]) -> Outcome {
    let mut driver = Driver::start_program(&env::peer_program("driver"), &cluster.bootstrap(), &[("acks", "all")]);
    driver.send(records);
    driver.finish()
}

/// A good log passes; each kind of damage is found.
fn judge(cluster: &KafkaCluster, topic: &str) {
    cluster.create_topic(topic, 2, 1, &[]);
    let records: Vec<Record> = (0..1000).map(|number| numbered(topic, number, 100)).collect();
    let outcome = send_with_librdkafka(cluster, &records);
    outcome.assert_all_acknowledged();
    let log = read_topic(cluster, topic);
    assert_eq!(check(&outcome, &log, Promise::HEALTHY), []);

    let damages: [fn(&mut Vec<LogRecord>); 3] = [
        |log| drop(log.remove(500)),
        |log| log[500].content.value.as_mut().expect("a value")[50] ^= 1,
        |log| log[500].timestamp_ms += 1,
    ];
    for damage in damages {
        let mut damaged = log.clone();
        damage(&mut damaged);
        assert_ne!(check(&outcome, &damaged, Promise::FAULTS), []);
    }

    // The same records once more are duplicates, for a broker as for us.
    send_with_librdkafka(cluster, &records[..1]);
    let twice = read_topic(cluster, topic);
    assert_eq!(check(&outcome, &twice, Promise::HEALTHY), [Violation::Duplicate(0)]);
    assert_eq!(check(&outcome, &twice, Promise::FAULTS_IN_ORDER), []);
}

#[test]
fn the_verifier_accepts_librdkafka_and_finds_damage_and_a_dropped_cluster_is_gone() {
    let mut cluster = KafkaCluster::start(1, Release::Kafka4_3);
    judge(&cluster, "judged");
    let address = cluster.bootstrap();
    assert!(TcpStream::connect(&address).is_ok(), "the broker listens");

    cluster.kill(1);
    assert!(TcpStream::connect(&address).is_err(), "a killed broker does not listen");
    cluster.restart(1);
    assert_eq!(read_topic(&cluster, "judged").len(), 1001, "a restarted broker has its log");

    drop(cluster);
    assert!(TcpStream::connect(&address).is_err(), "a dropped cluster does not listen");
}
