//! Metadata through the C interface, held against what librdkafka hears from the same brokers.

use std::process::Command;

use kproducer_kafka_tests::cluster::{KafkaCluster, PartitionState, shared};
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::tools::output;

/// What the example prints of a topic.
fn printed(cluster: &KafkaCluster, topic: &str) -> String {
    let mut command = Command::new(env::build_directory().join("metadata"));
    command.args([&cluster.bootstrap(), topic]);
    let text = output(command, "");
    println!("{text}");
    text
}

/// The numbers behind a word of a partition's line: "replicas 1,2,3  in sync 2".
fn numbers(line: &str, word: &str) -> Vec<i32> {
    let (_, behind) = line.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {line:?}"));
    let list = behind.trim_start().split(' ').next().unwrap_or_default();
    let mut ids: Vec<i32> = list.split(',').filter_map(|id| id.parse().ok()).collect();
    ids.sort_unstable();
    ids
}

fn partitions(text: &str) -> Vec<PartitionState> {
    let lines = text.lines().filter(|line| line.starts_with("  partition "));
    let state = |line: &str| PartitionState {
        partition: numbers(line, "partition")[0],
        leader: numbers(line, "leader")[0],
        replicas: numbers(line, "replicas"),
        in_sync: numbers(line, "in sync"),
    };
    lines.map(state).collect()
}

fn sorted(mut states: Vec<PartitionState>) -> Vec<PartitionState> {
    for state in &mut states {
        state.replicas.sort_unstable();
        state.in_sync.sort_unstable();
    }
    states.sort_by_key(|state| state.partition);
    states
}

#[test]
fn brokers_leaders_replicas_and_those_in_sync_are_what_librdkafka_hears() {
    if env::is_peer() {
        println!("skipped: metadata through libkproducer's own functions");
        return;
    }
    let mut cluster = shared(3);
    let topic = "described";
    cluster.create_topic(topic, 7, 3, &[]);
    cluster.wait_for_topic(topic, |states| states.len() == 7 && states.iter().all(|state| state.in_sync.len() == 3));
    let text = printed(&cluster, topic);
    assert_eq!(partitions(&text), sorted(cluster.topic(topic)));
    assert_eq!(text.lines().filter(|line| line.starts_with("broker ")).count(), 3);
    assert!(text.contains("topic described: OK, 7 partitions"), "{text}");
    assert!(text.contains("healthy for "), "every leader was connected before anything was sent");

    cluster.kill(2);
    let changed = |states: &[PartitionState]| {
        states.iter().all(|state| state.leader > 0 && state.leader != 2 && !state.in_sync.contains(&2))
    };
    cluster.wait_for_topic(topic, changed);
    let text = printed(&cluster, topic);
    assert_eq!(partitions(&text), sorted(cluster.topic(topic)));
    assert_eq!(text.lines().filter(|line| line.starts_with("broker ")).count(), 2, "{text}");
}
