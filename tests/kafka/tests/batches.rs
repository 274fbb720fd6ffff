//! Batches that the application fills, and records that it takes back, on a real broker: each report says where its records
//! lie, and what was cancelled lies nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use kproducer_kafka_tests::cluster::shared;
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::tools::output;

const BATCHES: usize = 2_000;
const PARTITIONS: i32 = 3;

fn batches_and_records_lie_where_their_reports_say(topic: &str, idempotent: bool) {
    if env::is_peer() {
        println!("skipped: librdkafka has no batches of the application's own");
        return;
    }
    let cluster = shared(1);
    cluster.create_topic(topic, PARTITIONS, 1, &[]);
    let mut command = Command::new(env::build_directory().join("batches"));
    let (batches, partitions) = (BATCHES.to_string(), PARTITIONS.to_string());
    command.args(["--topic", topic, "--batches", &batches, "--partitions", &partitions]);
    let bootstrap = format!("bootstrap.servers={}", cluster.bootstrap());
    // Without idempotence only one request at a time keeps the order when one has to be repeated.
    let in_order: [&str; 2] = if idempotent {
        ["enable.idempotence=true", "max.in.flight.requests.per.connection=5"]
    } else {
        ["enable.idempotence=false", "max.in.flight.requests.per.connection=1"]
    };
    for property in [bootstrap.as_str()].into_iter().chain(in_order) {
        command.args(["--property", property]);
    }
    let mut log: BTreeMap<(i32, i64), usize> = BTreeMap::new();
    let mut last: BTreeMap<i32, usize> = BTreeMap::new();
    let said = output(command, "");
    for record in read_topic(&cluster, topic) {
        let value = record.content.value.expect("a value");
        let number = String::from_utf8(value).ok().and_then(|text| text.parse().ok()).expect("a number");
        let before = last.insert(record.partition, number);
        assert!(before.is_none_or(|before| before < number), "{before:?} and {number} in {}", record.partition);
        log.insert((record.partition, record.offset), number);
    }
    let (mut seen, mut cancelled, mut of_batches) = (BTreeSet::new(), BTreeSet::new(), 0);
    for line in said.lines() {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        assert_ne!(what, "failed", "{line}");
        let fields: Vec<i64> = rest.split(' ').map(|field| field.parse().expect("a number")).collect();
        match (what, &fields[..]) {
            ("batch", [first, count, partition, offset]) => {
                of_batches += 1;
                for at in 0..*count {
                    let number = (first + at) as usize;
                    assert_eq!(log.get(&(*partition as i32, offset + at)), Some(&number), "{line}");
                    assert!(seen.insert(number), "{number} is reported twice");
                }
            }
            ("record", [number, partition, offset]) => {
                assert_eq!(log.get(&(*partition as i32, *offset)), Some(&(*number as usize)), "{line}");
                assert!(seen.insert(*number as usize), "{number} is reported twice");
            }
            ("cancelled", [number]) => assert!(cancelled.insert(*number as usize), "{number} is reported twice"),
            _ => panic!("{line}"),
        }
    }
    assert_eq!(of_batches, BATCHES);
    assert_eq!(log.len(), seen.len(), "what is in the log is what was reported");
    assert!(seen.is_disjoint(&cancelled));
    let all = seen.len() + cancelled.len();
    assert_eq!(seen.union(&cancelled).last(), Some(&(all - 1)), "every record has its report");
    println!("{} records in {BATCHES} batches and beside them, {} cancelled", seen.len(), cancelled.len());
}

#[test]
fn batches_with_idempotence_lie_where_their_reports_say() {
    batches_and_records_lie_where_their_reports_say("batches-idempotent", true);
}

#[test]
fn batches_without_idempotence_lie_where_their_reports_say() {
    batches_and_records_lie_where_their_reports_say("batches", false);
}
