//! Reads topics back with librdkafka, checking every batch's CRC.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::cluster::KafkaCluster;
use crate::record::{Content, Header, LogRecord};

/// isolation.level: everything in the log.
pub const READ_UNCOMMITTED: &str = "read_uncommitted";
/// isolation.level: what is in no transaction, and what transactions have committed.
pub const READ_COMMITTED: &str = "read_committed";

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
    config: ClientConfig,
    topic: &str,
    partitions: &[i32],
    count: usize,
    patience: Duration,
) -> Vec<LogRecord> {
    let mut records = Vec::new();
    let deadline = Instant::now() + patience;
    let consumer = assigned(config, READ_UNCOMMITTED, topic, partitions);
    visit(&consumer, topic, partitions.len(), |message| {
        if let Some(message) = message {
            records.push(log_record(message));
        }
        records.len() >= count || Instant::now() > deadline
    });
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// Shows every record of a topic to `see`, partition by partition in the order of offsets; all that was written, or only what
/// transactions have committed.
pub fn see_topic(cluster: &KafkaCluster, topic: &str, isolation: &str, mut see: impl FnMut(&BorrowedMessage<'_>)) {
    let states = cluster.wait_for_topic(topic, |states| !states.is_empty() && states.iter().all(|s| s.leader >= 0));
    let partitions: Vec<i32> = states.iter().map(|state| state.partition).collect();
    if isolation == READ_COMMITTED {
        wait_for_open_transactions(cluster, topic, &partitions);
    }
    let consumer = assigned(cluster.client_config(), isolation, topic, &partitions);
    visit(&consumer, topic, partitions.len(), |message| {
        if let Some(message) = message {
            see(message);
        }
        true
    });
}

/// Waits until a consumer group has committed this offset for a partition: the marker that a transaction's end leaves in the
/// group's log may come a moment later.
pub fn wait_for_committed_offset(cluster: &KafkaCluster, group: &str, topic: &str, partition: i32, offset: i64) {
    let mut config = cluster.client_config();
    config.set("group.id", group);
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let answered = consumer.committed_offsets(asked, PATIENCE).expect("the group's coordinator answers");
        let found = answered.elements()[0].offset();
        if found == Offset::Offset(offset) {
            return;
        }
        assert!(Instant::now() < deadline, "group {group} has committed {found:?}, not {offset}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The end of the log as a reader of an isolation sees it.
fn end_offset(consumer: &BaseConsumer, topic: &str, partition: i32) -> i64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match consumer.fetch_watermarks(topic, partition, Duration::from_secs(5)) {
            Ok((_, end)) => return end,
            Err(error) => assert!(Instant::now() < deadline, "no watermarks of {topic}-{partition}: {error}"),
        }
    }
}

/// Waits until no transaction is open in the partitions: until then records behind it are not to be seen.
fn wait_for_open_transactions(cluster: &KafkaCluster, topic: &str, partitions: &[i32]) {
    let deadline = Instant::now() + PATIENCE;
    let all = assigned(cluster.client_config(), READ_UNCOMMITTED, topic, &[]);
    let stable = assigned(cluster.client_config(), READ_COMMITTED, topic, &[]);
    for partition in partitions {
        loop {
            let (stable, end) = (end_offset(&stable, topic, *partition), end_offset(&all, topic, *partition));
            if stable == end {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "a transaction stays open in {topic}-{partition}: its last stable offset is {stable}, its end {end}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn assigned(mut config: ClientConfig, isolation: &str, topic: &str, partitions: &[i32]) -> BaseConsumer {
    config.set("group.id", "kproducer-tests").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("check.crcs", "true").set("isolation.level", isolation).set("fetch.error.backoff.ms", "50");
    config.set("fetch.wait.max.ms", "50").set("queued.max.messages.kbytes", "16384");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).expect("an assignable offset");
    }
    consumer.assign(&assignment).expect("an assignment");
    consumer
}

/// Reads until every partition is at its end and `see` says that it has seen enough; `see` is called without a message too.
fn visit(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: usize,
    mut see: impl FnMut(Option<&BorrowedMessage<'_>>) -> bool,
) {
    let mut at_end = vec![false; partitions];
    let hard_deadline = Instant::now() + PATIENCE;
    let mut enough = false;
    while !(enough && at_end.iter().all(|end| *end)) {
        assert!(Instant::now() < hard_deadline, "reading {topic} came to no end: {at_end:?}");
        match consumer.poll(Duration::from_millis(200)) {
            None => enough = see(None),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                mark(&mut at_end, partition, true);
                enough = see(None);
            }
            Some(Ok(message)) => {
                mark(&mut at_end, message.partition(), false);
                enough = see(Some(&message));
            }
            // Brokers come and go in these tests; the deadline ends what does not get better.
            Some(Err(error)) => eprintln!("reading {topic}: {error}"),
        }
    }
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
