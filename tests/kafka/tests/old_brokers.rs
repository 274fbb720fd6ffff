//! The basic round trip with brokers of earlier releases: versions are chosen per connection.

use kproducer_kafka_tests::cluster::{KafkaCluster, Release};
use kproducer_kafka_tests::driver;
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::record::Record;
use kproducer_kafka_tests::verify::{Promise, assert_kept};

fn round_trip(release: Release) {
    let cluster = KafkaCluster::start(1, release);
    for acks in ["1", "all"] {
        let topic = format!("acks-{acks}");
        cluster.create_topic(&topic, 3, 1, &[]);
        let mut records: Vec<Record> = (0..5000).map(|number| numbered(&topic, number, 100)).collect();
        records[0].content.key = None;
        records[1].content.value = None;
        records[2] = records[2].clone().header("name", Some(b"value")).header("null", None);
        records[3] = records[3].clone().timestamp_ms(1_600_000_000_000);
        let properties = [("acks", acks), ("enable.idempotence", "false")];
        let outcome = driver::run(&cluster.bootstrap(), &properties, &records);
        outcome.assert_all_acknowledged();
        assert_kept(&outcome, &read_topic(&cluster, &topic), Promise::HEALTHY);
    }
}

#[test]
fn kafka_2_8_takes_records() {
    round_trip(Release::Kafka2_8);
}

#[test]
fn kafka_2_1_takes_records() {
    round_trip(Release::Kafka2_1);
}
