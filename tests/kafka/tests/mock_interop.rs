//! The mock cluster as others see it: written to by libkproducer, librdkafka and kcat, read back by librdkafka's consumer and by
//! kcat. Every record must come back as it was sent, whoever sent it. No broker is started and no Java is needed.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use kproducer::accumulator::{Sending, Tag};
use kproducer::config::ConfigBuilder;
use kproducer::error::Status;
use kproducer::mock::{ClusterOptions, MockCluster};
use kproducer::producer::Producer;
use kproducer::reports::{Handed, Item, Persisted};
use kproducer_kafka_tests::log::read_partitions;
use kproducer_kafka_tests::record::{Content, Header, LogRecord, Record};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header as KafkaHeader, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// Every kind of key, value, header list and timestamp, and enough of them for many batches.
fn records(topic: &str) -> Vec<Record> {
    let keys: [Option<Vec<u8>>; 4] = [None, Some(Vec::new()), Some(b"key".to_vec()), Some((0..=255).collect())];
    let values: [Option<Vec<u8>>; 5] =
        [None, Some(Vec::new()), Some(b"v".to_vec()), Some((0..=255).rev().collect()), Some(vec![b'x'; 70_000])];
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let headers: [Vec<Header>; 3] = [
        Vec::new(),
        vec![header("trace", Some(b"1f")), header("empty", Some(b"")), header("null", None)],
        vec![header("again", Some(b"1")), header("again", Some(b"2")), header("größe", Some(b"\xff\xfe"))],
    ];
    // Not 0: librdkafka's producer takes it for "now".
    let timestamps_ms = [1, 1_700_000_000_123, 2, 4_102_444_800_000, 1_700_000_000_122];
    let mut records = Vec::new();
    for number in 0..600_usize {
        let mut record = Record::new(topic).partition((number % 7) as i32 % PARTITIONS);
        record.timestamp_ms = Some(timestamps_ms[number % timestamps_ms.len()]);
        record.content = Content {
            key: keys[number % keys.len()].clone(),
            value: values[number / 2 % values.len()].clone(),
            headers: headers[number / 3 % headers.len()].clone(),
        };
        records.push(record);
    }
    records
}

fn cluster(topic: &str) -> MockCluster {
    let mock = MockCluster::new(ClusterOptions::default()).expect("a mock cluster");
    mock.topic_create(topic, PARTITIONS, 3).expect("a topic");
    mock
}

/// Sends with libkproducer and answers partition and offset of each record as reported.
fn send_with_libkproducer(mock: &MockCluster, records: &[Record]) -> Vec<(i32, i64)> {
    let mut config = ConfigBuilder::new();
    config.set("bootstrap.servers", mock.bootstrap_servers()).expect("a server list");
    config.set("batch.size", "100000").expect("a batch size");
    let producer = Producer::new(config.build().expect("no contradiction")).expect("a producer");
    for (number, record) in records.iter().enumerate() {
        let headers: Vec<kproducer::record::Header<'_>> = record
            .content
            .headers
            .iter()
            .map(|(name, value)| kproducer::record::Header { name, value: value.as_deref() })
            .collect();
        let fields = kproducer::record::Record {
            key: record.content.key.as_deref(),
            value: record.content.value.as_deref(),
            headers: &headers,
            timestamp_ms: record.timestamp_ms.expect("a timestamp"),
        };
        let how = Sending {
            partition: record.partition.map(|partition| partition as u32),
            // No function is there: only this loop looks at it. The lowest numbers have a meaning of their own.
            tag: Tag::new(0x1000, number),
            own_timeout: None,
            acks: None,
        };
        let topic = producer.topic(&record.topic).expect("a legal name");
        producer.send::<()>(&topic, &fields, &how).expect("accepted");
    }
    let mut places = vec![None; records.len()];
    let note = |item: Item<'_>| {
        let Item::Batch { batch, .. } = item else { return Handed::All };
        assert_eq!((batch.status, batch.persisted), (Status::OK, Persisted::Yes), "{:?}", batch.cause);
        for slot in &batch.slots {
            let place = (batch.partition, batch.base_offset + i64::from(slot.offset_delta));
            assert_eq!(places[slot.opaque].replace(place), None, "record {} was reported twice", slot.opaque);
        }
        Handed::All
    };
    producer.flush(60_000, note).expect("everything is delivered");
    producer.close(10_000, |_| Handed::All).expect("nothing is left");
    places.into_iter().map(|place| place.expect("a report")).collect()
}

fn send_with_librdkafka(mock: &MockCluster, records: &[Record]) {
    let mut config = rdkafka_config(mock);
    config.set("acks", "all").set("message.max.bytes", "1000000").set("linger.ms", "5");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a producer");
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (name, value) in &record.content.headers {
            headers = headers.insert(KafkaHeader { key: name, value: value.as_deref() });
        }
        let mut message = BaseRecord::<[u8], [u8]>::to(&record.topic);
        message.partition = record.partition;
        message.timestamp = record.timestamp_ms;
        message.key = record.content.key.as_deref();
        message.payload = record.content.value.as_deref();
        message.headers = (!record.content.headers.is_empty()).then_some(headers);
        producer.send(message).map_err(|(error, _)| error).expect("accepted");
    }
    producer.flush(PATIENCE).expect("everything is delivered");
}

fn rdkafka_config(mock: &MockCluster) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", mock.bootstrap_servers());
    config
}

/// What each partition's log must hold: the records in the order in which they were sent.
fn expected(sent: &[&[Record]]) -> Vec<LogRecord> {
    let mut next_offset: BTreeMap<i32, i64> = BTreeMap::new();
    let mut log = Vec::new();
    for record in sent.iter().copied().flatten() {
        let partition = record.partition.expect("a partition");
        let offset = next_offset.entry(partition).or_default();
        let timestamp_ms = record.timestamp_ms.expect("a timestamp");
        log.push(LogRecord { partition, offset: *offset, timestamp_ms, content: record.content.clone() });
        *offset += 1;
    }
    log.sort_by_key(|record| (record.partition, record.offset));
    log
}

/// Compares one by one, so that a failure names the record and not everything.
fn assert_log(reader: &str, log: &[LogRecord], expected: &[LogRecord]) {
    for (found, wanted) in log.iter().zip(expected) {
        assert!(found == wanted, "{reader} found {}\nwhere this was sent: {}", short(found), short(wanted));
    }
    assert_eq!(log.len(), expected.len(), "{reader}: number of records");
}

fn short(record: &LogRecord) -> String {
    format!("{record:?}").chars().take(600).collect()
}

/// All readers find exactly `wanted`.
fn read_back(mock: &MockCluster, topic: &str, wanted: &[LogRecord]) {
    let partitions: Vec<i32> = (0..PARTITIONS).collect();
    let log = read_partitions(rdkafka_config(mock), topic, &partitions, wanted.len(), PATIENCE);
    assert_log("librdkafka", &log, wanted);

    let consumer: BaseConsumer = rdkafka_config(mock).set("group.id", "watermarks").create().expect("a consumer");
    for partition in partitions {
        let count = wanted.iter().filter(|record| record.partition == partition).count() as i64;
        let watermarks = consumer.fetch_watermarks(topic, partition, PATIENCE).expect("watermarks");
        assert_eq!(watermarks, (0, count), "watermarks of partition {partition}");
        assert_eq!(mock.end_offset(topic, partition), Some(count), "end offset of partition {partition}");
    }

    if has_kcat() {
        assert_log("kcat", &read_with_kcat(mock, topic), wanted);
        for partition in 0..PARTITIONS {
            let count = wanted.iter().filter(|record| record.partition == partition).count();
            let text = kcat(mock, &["-Q", "-t", &format!("{topic}:{partition}:-1")], b"");
            assert_eq!(String::from_utf8_lossy(&text).trim(), format!("{topic} [{partition}] offset {count}"));
        }
    }
}

// ---- kcat ----

/// Whether kcat is there. Where everything must be tested (`CI=true`) its absence is a failure.
fn has_kcat() -> bool {
    let found = Command::new("kcat").arg("-V").output().is_ok_and(|output| output.status.success());
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !must, "kcat is missing, and CI=true wants everything tested");
    if !found {
        eprintln!("kcat is not installed: its part is left out");
    }
    found
}

/// Runs kcat against the mock cluster; answers its output.
fn kcat(mock: &MockCluster, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("timeout");
    command.args(["60", "kcat", "-b", mock.bootstrap_servers()]).args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("timeout and kcat start");
    child.stdin.take().expect("a pipe").write_all(input).expect("kcat reads its input");
    let output = child.wait_with_output().expect("kcat ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kcat {arguments:?}: {}: {errors}", output.status);
    output.stdout
}

fn read_with_kcat(mock: &MockCluster, topic: &str) -> Vec<LogRecord> {
    // Lengths first, so that keys and values may hold anything; headers end at the line's end.
    let format = "%p %o %T %K %S\n%k%s%h\n";
    let text = kcat(mock, &["-C", "-t", topic, "-e", "-q", "-X", "check.crcs=true", "-f", format], b"");
    let mut rest = &text[..];
    let mut log = Vec::new();
    while !rest.is_empty() {
        let head = String::from_utf8(take_line(&mut rest).to_vec()).expect("numbers");
        let numbers: Vec<i64> = head.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [partition, offset, timestamp_ms, key_len, value_len] = numbers[..] else { panic!("kcat: {head}") };
        let key = take_bytes(&mut rest, key_len);
        let value = take_bytes(&mut rest, value_len);
        let headers = headers_of(take_line(&mut rest));
        let partition = i32::try_from(partition).expect("a partition");
        log.push(LogRecord { partition, offset, timestamp_ms, content: Content { key, value, headers } });
    }
    log.sort_by_key(|record| (record.partition, record.offset));
    log
}

fn take_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| *byte == b'\n').expect("a whole line");
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    line
}

/// -1 is null, as kcat says it.
fn take_bytes(rest: &mut &[u8], len: i64) -> Option<Vec<u8>> {
    let len = usize::try_from(len).ok()?;
    let bytes = rest[..len].to_vec();
    *rest = &rest[len..];
    Some(bytes)
}

/// `name=value,name=value`; no value here holds a comma or is the word NULL.
fn headers_of(line: &[u8]) -> Vec<Header> {
    if line.is_empty() {
        return Vec::new();
    }
    let header = |text: &[u8]| {
        let at = text.iter().position(|byte| *byte == b'=').expect("name=value");
        let name = String::from_utf8(text[..at].to_vec()).expect("a name in UTF-8");
        (name, (&text[at + 1..] != b"NULL").then(|| text[at + 1..].to_vec()))
    };
    line.split(|byte| *byte == b',').map(header).collect()
}

// ---- the tests ----

#[test]
fn what_libkproducer_sends_is_read_back_equal() {
    let mock = cluster("ours");
    let sent = records("ours");
    let places = send_with_libkproducer(&mock, &sent);
    let wanted = expected(&[&sent]);
    read_back(&mock, "ours", &wanted);
    for (record, place) in sent.iter().zip(&places) {
        let at = wanted.binary_search_by_key(place, |found| (found.partition, found.offset)).expect("a known place");
        assert_eq!(wanted[at].content, record.content, "the report named another record's place");
    }
}

#[test]
fn what_librdkafka_sends_is_read_back_equal() {
    let mock = cluster("theirs");
    let sent = records("theirs");
    send_with_librdkafka(&mock, &sent);
    read_back(&mock, "theirs", &expected(&[&sent]));
}

#[test]
fn both_may_write_to_one_log() {
    let mock = cluster("mixed");
    let sent = records("mixed");
    let (first, second) = sent.split_at(200);
    let (second, third) = second.split_at(200);
    send_with_libkproducer(&mock, first);
    send_with_librdkafka(&mock, second);
    send_with_libkproducer(&mock, third);
    read_back(&mock, "mixed", &expected(&[first, second, third]));
}

#[test]
fn what_kcat_sends_is_read_back_equal() {
    if !has_kcat() {
        return;
    }
    let mock = cluster("lines");
    kcat(&mock, &["-P", "-t", "lines", "-p", "2", "-K", ":", "-H", "from=kcat"], b"a:first\nb:second\n");
    let log = read_partitions(rdkafka_config(&mock), "lines", &[0, 1, 2, 3], 2, PATIENCE);
    let content = |key: &[u8], value: &[u8]| Content {
        key: Some(key.to_vec()),
        value: Some(value.to_vec()),
        headers: vec![("from".to_owned(), Some(b"kcat".to_vec()))],
    };
    let found: Vec<_> = log.into_iter().map(|record| (record.partition, record.offset, record.content)).collect();
    assert_eq!(found, [(2, 0, content(b"a", b"first")), (2, 1, content(b"b", b"second"))]);
}

#[test]
fn librdkafka_and_kcat_list_all_topics() {
    let mock = cluster("listed");
    mock.topic_create("another", 1, 1).expect("a topic");
    let consumer: BaseConsumer = rdkafka_config(&mock).create().expect("a consumer");
    let metadata = consumer.fetch_metadata(None, PATIENCE).expect("metadata of all topics");
    let found: BTreeMap<_, _> =
        metadata.topics().iter().map(|topic| (topic.name(), topic.partitions().len() as i32)).collect();
    assert_eq!(found, BTreeMap::from([("another", 1), ("listed", PARTITIONS)]));
    assert_eq!(metadata.brokers().len(), 3);
    if has_kcat() {
        let text = kcat(&mock, &["-L"], b"");
        let text = String::from_utf8_lossy(&text);
        assert!(text.contains("3 brokers:") && text.contains("2 topics:"), "{text}");
        assert!(text.contains("topic \"listed\" with 4 partitions:"), "{text}");
    }
}

#[test]
fn the_first_millisecond_of_1970_is_kept() {
    let mock = cluster("epoch");
    let sent = [Record::new("epoch").partition(0).value("early").timestamp_ms(0)];
    send_with_libkproducer(&mock, &sent);
    read_back(&mock, "epoch", &expected(&[&sent]));
}

#[test]
fn a_reader_that_is_there_first_gets_the_records_that_come_later() {
    let mock = cluster("live");
    let mut config = rdkafka_config(&mock);
    // The mock cluster has no group coordinator: a consumer that commits would wait for one when it closes.
    config.set("group.id", "live").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut assignment = rdkafka::TopicPartitionList::new();
    assignment.add_partition_offset("live", 0, rdkafka::Offset::Beginning).expect("an assignable offset");
    consumer.assign(&assignment).expect("an assignment");
    assert!(consumer.poll(Duration::from_millis(500)).is_none(), "the log is empty");
    for number in 0..3 {
        let record = Record::new("live").partition(0).value(format!("{number}")).timestamp_ms(5);
        send_with_libkproducer(&mock, &[record]);
        let message = consumer.poll(PATIENCE).expect("a message").expect("and no error");
        assert_eq!(rdkafka::Message::payload(&message), Some(format!("{number}").as_bytes()));
    }
}
