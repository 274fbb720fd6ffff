//! The basic round trip and transactions with brokers of earlier releases: versions are chosen per connection.

use kproducer_kafka_tests::cluster::{KafkaCluster, Release};
use kproducer_kafka_tests::driver;
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::{READ_COMMITTED, read_topic, see_topic, wait_for_committed_offset};
use kproducer_kafka_tests::record::Record;
use kproducer_kafka_tests::shell::Shell;
use kproducer_kafka_tests::verify::{Promise, assert_kept};
use rdkafka::Message;

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
        // Without idempotence only one request at a time keeps the order when one has to be repeated.
        let (idempotence, in_flight) = if acks == "all" { ("true", "5") } else { ("false", "1") };
        let properties =
            [("acks", acks), ("enable.idempotence", idempotence), ("max.in.flight.requests.per.connection", in_flight)];
        let outcome = driver::run(&cluster.bootstrap(), &properties, &records);
        outcome.assert_all_acknowledged();
        assert_kept(&outcome, &read_topic(&cluster, &topic), Promise::HEALTHY);
    }
    transactions(&cluster);
}

/// Commits and aborts with offsets in the transaction, a producer that is fenced, one that is killed in mid-transaction. Before
/// Kafka 2.5 a group's member is not checked by the broker, so offsets go without one.
fn transactions(cluster: &KafkaCluster) {
    cluster.create_topic("transactions", 1, 1, &[]);
    let properties = [("transactional.id", "old-brokers")];
    let mut first = Shell::start(cluster, &properties);
    first.must("init 60000");
    for (value, end, offset) in [("one", "commit 60000", 7), ("two", "abort 60000", 8), ("three", "commit 60000", 9)] {
        first.must("begin");
        first.must(&format!("send transactions 0 {value}"));
        first.must(&format!("offsets 60000 group -1 - - acks-all 0 {offset}"));
        first.must(end);
        let committed = if value == "two" { 7 } else { offset };
        wait_for_committed_offset(cluster, "group", "acks-all", 0, committed);
    }
    first.must("begin");
    first.must("send transactions 0 four");
    first.must("flush 60000");
    let mut second = Shell::start(cluster, &properties);
    second.must("init 60000");
    let mut fenced = first.call("commit 30000");
    if fenced.class == "abortable" {
        fenced = first.call("abort 30000");
    }
    assert_eq!(fenced.class, "fatal", "{fenced:?}");
    second.must("begin");
    second.must("send transactions 0 five");
    second.must("flush 60000");
    second.kill();
    let mut third = Shell::start(cluster, &properties);
    third.must("init 60000");
    third.must("begin");
    third.must("send transactions 0 six");
    third.must("commit 60000");
    third.must("close 30000");
    let mut values = Vec::new();
    see_topic(cluster, "transactions", READ_COMMITTED, |message| {
        values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
    });
    assert_eq!(values, ["one", "three", "six"]);
}

#[test]
fn kafka_2_8_takes_records_and_transactions() {
    round_trip(Release::Kafka2_8);
}

#[test]
fn kafka_2_1_takes_records_and_transactions() {
    round_trip(Release::Kafka2_1);
}
