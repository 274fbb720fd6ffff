//! Reads topics back with librdkafka, checking every batch's CRC.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Headers;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::cluster::KafkaCluster;
use crate::record::{Content, Header, LogRecord};

const PATIENCE: Duration = Duration::from_secs(120);

/// Everything in a topic's log, by partition and offset.
pub fn read_topic(cluster: &KafkaCluster, topic: &str) -> Vec<LogRecord> {
    read(cluster, topic, 0, PATIENCE)
}

/// The same for records whose acknowledgement did not wait for the log: reads until `count` records are there or `patience` ends.
pub fn read_at_least(cluster: &KafkaCluster, topic: &str, count: usize, patience: Duration) -> Vec<LogRecord> {
    read(cluster, topic, count, patience)
}

fn read(cluster: &KafkaCluster, topic: &str, count: usize, patience: Duration) -> Vec<LogRecord> {
    let states = cluster.wait_for_topic(topic, |states| !states.is_empty() && states.iter().all(|s| s.leader >= 0));
    let partitions: Vec<i32> = states.iter().map(|state| state.partition).collect();
    read_partitions(cluster.client_config(), topic, &partitions, count, patience)
}

/// The same of any cluster, which `config` names.
pub fn read_partitions(
    mut config: ClientConfig,
    topic: &str,
    partitions: &[i32],
    count: usize,
    patience: Duration,
) -> Vec<LogRecord> {
    config.set("group.id", "kproducer-tests").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("check.crcs", "true").set("isolation.level", "read_uncommitted").set("fetch.error.backoff.ms", "50");
    config.set("fetch.wait.max.ms", "50").set("queued.max.messages.kbytes", "16384");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).expect("an assignable offset");
    }
    consumer.assign(&assignment).expect("an assignment");
    let mut at_end = vec![false; partitions.len()];
    let mut records = Vec::new();
    let deadline = Instant::now() + patience;
    let hard_deadline = Instant::now() + PATIENCE;
    while !(at_end.iter().all(|end| *end) && (records.len() >= count || Instant::now() > deadline)) {
        assert!(Instant::now() < hard_deadline, "reading {topic} came to no end: {} records", records.len());
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(partition))) => mark(&mut at_end, partition, true),
            Some(Ok(message)) => {
                mark(&mut at_end, message.partition(), false);
                records.push(log_record(&message));
            }
            // Brokers come and go in these tests; the deadline ends what does not get better.
            Some(Err(error)) => eprintln!("reading {topic}: {error}"),
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

fn mark(at_end: &mut [bool], partition: i32, value: bool) {
    at_end[usize::try_from(partition).expect("a partition number")] = value;
}

fn log_record(message: &impl Message) -> LogRecord {
    let headers: Vec<Header> = message.headers().map_or_else(Vec::new, |headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
    });
    LogRecord {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        content: Content {
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        },
    }
}
