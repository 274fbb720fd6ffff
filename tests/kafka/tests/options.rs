//! Options per topic and per record on a real broker: acks 0, 1 and all in one partition, and settings that change all the
//! time. What is in the log is everything, once, in order.

use std::collections::BTreeMap;
use std::process::Command;

use kproducer_kafka_tests::cluster::{KafkaCluster, shared};
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::tools::output;

const RECORDS: usize = 10_000;
const PARTITIONS: i32 = 3;

/// The numbers of each partition in the order of its log.
fn numbers(cluster: &KafkaCluster, topic: &str) -> BTreeMap<i32, Vec<usize>> {
    let mut numbers: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for record in read_topic(cluster, topic) {
        let value = record.content.value.expect("a value");
        let number = String::from_utf8(value).ok().and_then(|text| text.parse().ok()).expect("a number");
        numbers.entry(record.partition).or_default().push(number);
    }
    numbers
}

#[test]
fn records_of_all_acks_in_one_partition_are_all_there_in_order() {
    if env::is_peer() {
        println!("skipped: librdkafka has no acks per record");
        return;
    }
    let cluster = shared(1);
    let topic = "options";
    for name in [topic, "options-set"] {
        cluster.create_topic(name, PARTITIONS, 1, &[]);
    }
    let mut command = Command::new(env::build_directory().join("options"));
    let (records, partitions) = (RECORDS.to_string(), PARTITIONS.to_string());
    command.args(["--topic", topic, "--records", &records, "--partitions", &partitions]);
    // Without idempotence only one request at a time keeps the order when one has to be repeated.
    let in_order = ["enable.idempotence=false", "max.in.flight.requests.per.connection=1"];
    for property in [format!("bootstrap.servers={}", cluster.bootstrap()).as_str()].into_iter().chain(in_order) {
        command.args(["--property", property]);
    }
    let said = output(command, "");
    let all = 2 * (RECORDS + PARTITIONS as usize);
    assert!(said.starts_with(&format!("reported {all} failed 0 answered ")), "{said}");
    for name in [topic, "options-set"] {
        for (partition, found) in numbers(&cluster, name) {
            let mine = (0..RECORDS).filter(|number| number % PARTITIONS as usize == partition as usize);
            let expected: Vec<usize> = mine.chain([RECORDS]).collect();
            assert_eq!(found, expected, "{name} [{partition}]");
        }
    }
}
