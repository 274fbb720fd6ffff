//! Every codec at several levels, from records of one byte to batches of a mebibyte: Kafka's own consumer and librdkafka's read back
//! what was sent, and Kafka's own tool finds the batches in order and compressed as they were meant to be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use kproducer_kafka_tests::cluster::{KafkaCluster, shared};
use kproducer_kafka_tests::driver::{self, Driver, Outcome};
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::{READ_COMMITTED, read_topic, see_topic};
use kproducer_kafka_tests::record::{LogRecord, Record};
use kproducer_kafka_tests::shell::Shell;
use kproducer_kafka_tests::tools::{DumpedBatch, content_digest, dump_log, read_with_java};
use kproducer_kafka_tests::verify::{Promise, assert_kept};
use rdkafka::Message;

const MEBIBYTE: usize = 1 << 20;

/// The property that limits a request; librdkafka's has another name.
fn request_bytes() -> &'static str {
    if env::is_peer() { "message.max.bytes" } else { "max.request.size" }
}

/// What goes into a batch.
#[derive(Clone, Copy)]
enum Stuff {
    /// Log lines, as compressors like them.
    Text,
    /// Bytes without any pattern: sent plain, since they would grow.
    Noise,
}

fn value(stuff: Stuff, number: usize, length: usize) -> Vec<u8> {
    match stuff {
        Stuff::Noise => {
            let mut value = numbered("", number, length).content.value.expect("numbered records have a value");
            value.truncate(length);
            value
        }
        Stuff::Text => {
            let mut text = String::new();
            while text.len() < length {
                let line = number * 31 + text.len();
                writeln!(
                    text,
                    "{{\"number\":{number},\"path\":\"/api/v1/items/{line}\",\"status\":200,\"agent\":\"curl/8.5\"}}"
                )
                .expect("a String takes all");
            }
            text.truncate(length);
            text.into_bytes()
        }
    }
}

/// Records from one byte to a mebibyte, with nulls and headers among them.
fn records(topic: &str) -> Vec<Record> {
    let mut records = Vec::new();
    for stuff in [Stuff::Text, Stuff::Noise] {
        for length in [0, 1, 2, 15, 16, 17, 100, 1000, 4096, 32_767, 32_768, 65_536, 65_537, 262_145, 1_000_000] {
            records.push(Record::new(topic).value(value(stuff, records.len(), length)));
        }
    }
    records.push(Record::new(topic));
    records
        .push(Record::new(topic).key([]).header("null", None).header("", Some(b"")).header("again", Some(&[0; 300])));
    // Enough small ones for batches of a mebibyte.
    for number in 0..6000 {
        let record = Record::new(topic).key(format!("key-{}", number % 100)).value(value(Stuff::Text, number, 400));
        records.push(if number.is_multiple_of(7) { record.header("trace", Some(&[number as u8; 16])) } else { record });
    }
    for record in &mut records {
        record.partition = Some(0);
    }
    records
}

/// How each consumer tells a record: its place, its time and its content.
fn told(topic: &str, records: &[LogRecord]) -> Vec<String> {
    let line = |record: &LogRecord| {
        let (partition, offset, time) = (record.partition, record.offset, record.timestamp_ms);
        format!("{topic} {partition} {offset} {time} {}", content_digest(&record.content))
    };
    records.iter().map(line).collect()
}

/// Sends the records in large batches and reads them back with librdkafka; Kafka's own consumer comes for all topics at once.
fn send(cluster: &KafkaCluster, topic: &str, properties: &[(&str, &str)]) -> Vec<LogRecord> {
    cluster.create_topic(topic, 1, 1, &[("max.message.bytes", "2000000")]);
    // Without lingering the first batches would be of a record each.
    let common = [("batch.size", "1048576"), ("linger.ms", "200"), (request_bytes(), "2000000"), ("acks", "all")];
    let properties: Vec<(&str, &str)> = common.iter().chain(properties).copied().collect();
    let outcome = driver::run(&cluster.bootstrap(), &properties, &records(topic));
    outcome.assert_all_acknowledged();
    let log = read_topic(cluster, topic);
    assert_kept(&outcome, &log, Promise::HEALTHY);
    log
}

/// The topic's batches by Kafka's own tool, which has checked each.
fn batches(cluster: &KafkaCluster, topic: &str) -> Vec<DumpedBatch> {
    let batches = dump_log(&cluster.data_directory(1).join(format!("{topic}-0")));
    assert!(batches.iter().all(|batch| batch.is_valid), "{topic}: {batches:?}");
    batches
}

#[test]
fn every_codec_and_level_is_read_by_kafkas_own_consumer_and_by_librdkafka() {
    let cluster = shared(1);
    let cases: [(&str, &str, &[&str]); 5] = [
        ("none", "", &[""]),
        ("gzip", "compression.gzip.level", &["-1", "1", "9"]),
        ("snappy", "", &[""]),
        ("lz4", "compression.lz4.level", &["1", "9", "17"]),
        ("zstd", "compression.zstd.level", &["-5", "3", "19"]),
    ];
    let (mut topics, mut wanted) = (Vec::new(), Vec::new());
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for (codec, property, levels) in cases {
        for (number, level) in levels.iter().enumerate() {
            let topic = format!("codec-{codec}-{number}");
            // In place as well as by threads.
            let threads = if number == 1 { "0" } else { "2" };
            let mut properties = vec![("compression.type", codec), ("compression.threads", threads)];
            if !property.is_empty() && !env::is_peer() {
                properties.push((property, level));
            }
            if env::is_peer() {
                properties.retain(|(name, _)| *name != "compression.threads");
            }
            let log = send(&cluster, &topic, &properties);
            let batches = batches(&cluster, &topic);
            let codecs: BTreeSet<&str> = batches.iter().map(|batch| batch.codec.as_str()).collect();
            assert!(codecs.contains(codec), "{topic}: {codecs:?}");
            // What would grow is sent plain, and nothing is compressed otherwise.
            assert!(codecs.iter().all(|found| [codec, "none"].contains(found)), "{topic}: {codecs:?}");
            let (bytes, largest) =
                (batches.iter().map(|batch| batch.size).sum(), batches.iter().map(|b| b.records).max());
            println!(
                "{topic} level {level:?}: {bytes} bytes in {} batches, of {largest:?} records at most",
                batches.len()
            );
            sizes.insert(topic.clone(), bytes);
            wanted.extend(told(&topic, &log));
            topics.push(topic);
        }
    }
    let plain = sizes["codec-none-0"];
    for (topic, size) in &sizes {
        assert!(topic == "codec-none-0" || *size < plain * 3 / 4, "{topic}: {size} bytes of {plain}");
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    assert_eq!(read_with_java(&cluster.bootstrap(), &names), wanted, "Kafka's own consumer reads the same");
}

/// Batches far smaller than a request and far larger: the estimate of what a codec makes of records is learnt on the way.
#[test]
fn records_of_one_size_come_back_whatever_batches_they_make() {
    let cluster = shared(1);
    let (mut topics, mut wanted) = (Vec::new(), Vec::new());
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        for (size, count) in [(1, 4000), (1024, 2000), (65_536, 100), (MEBIBYTE - 200, 6)] {
            let topic = format!("size-{codec}-{size}");
            cluster.create_topic(&topic, 1, 1, &[("max.message.bytes", "2000000")]);
            let stuff = |number: usize| if number.is_multiple_of(3) { Stuff::Noise } else { Stuff::Text };
            let record = |number| Record::new(&topic).partition(0).value(value(stuff(number), number, size));
            let records: Vec<Record> = (0..count).map(record).collect();
            let properties = [("compression.type", codec), (request_bytes(), "2000000"), ("linger.ms", "5")];
            let outcome = driver::run(&cluster.bootstrap(), &properties, &records);
            outcome.assert_all_acknowledged();
            let log = read_topic(&cluster, &topic);
            // The shortest are not told apart by their content: their places are.
            assert_kept(&outcome, &log, Promise { order: size > 20, ..Promise::HEALTHY });
            wanted.extend(told(&topic, &log));
            topics.push(topic);
        }
    }
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    assert_eq!(read_with_java(&cluster.bootstrap(), &names), wanted);
}

#[test]
fn a_topic_with_a_codec_of_its_own_keeps_what_was_sent() {
    let cluster = shared(1);
    for (topic_codec, codec) in [("zstd", "gzip"), ("uncompressed", "lz4"), ("producer", "snappy"), ("gzip", "none")] {
        let topic = format!("own-{topic_codec}");
        cluster.create_topic(&topic, 1, 1, &[("compression.type", topic_codec)]);
        let text = |number| Record::new(&topic).partition(0).value(value(Stuff::Text, number, 500));
        let records: Vec<Record> = (0..500).map(text).collect();
        let outcome = driver::run(&cluster.bootstrap(), &[("compression.type", codec), ("linger.ms", "50")], &records);
        outcome.assert_all_acknowledged();
        assert_kept(&outcome, &read_topic(&cluster, &topic), Promise::HEALTHY);
        let stored = match topic_codec {
            "uncompressed" => "none",
            "producer" => codec,
            own => own,
        };
        for batch in batches(&cluster, &topic) {
            assert_eq!(batch.codec, stored, "{topic}");
        }
    }
}

/// What is too large is split and sent again in parts; nothing is lost, doubled or out of order, with idempotence as without.
#[test]
fn batches_that_are_too_large_after_all_are_split() {
    if env::is_peer() {
        println!("skipped: librdkafka does not split");
        return;
    }
    let cluster = shared(1);
    for idempotence in ["true", "false"] {
        for codec in ["none", "gzip", "zstd"] {
            let topic = format!("split-{codec}-{idempotence}");
            cluster.create_topic(&topic, 1, 1, &[("max.message.bytes", "40000")]);
            let properties = [
                ("compression.type", codec),
                ("enable.idempotence", idempotence),
                ("max.in.flight.requests.per.connection", if idempotence == "true" { "5" } else { "1" }),
                ("batch.size", "400000"),
                ("linger.ms", "20"),
            ];
            let mut driver = Driver::start(&cluster.bootstrap(), &properties);
            // First what shrinks, so that the estimate promises much, then what does not.
            let sized = |stuff, from: usize| -> Vec<Record> {
                (from..from + 400).map(|n| numbered_as(&topic, stuff, n)).collect()
            };
            for round in 0..3 {
                driver.send(&sized(Stuff::Text, round * 800));
                driver.send(&sized(Stuff::Noise, round * 800 + 400));
            }
            let outcome: Outcome = driver.finish();
            outcome.assert_all_acknowledged();
            assert_kept(&outcome, &read_topic(&cluster, &topic), Promise::HEALTHY);
            let batches = batches(&cluster, &topic);
            assert!(batches.iter().all(|batch| batch.size <= 40_000), "{topic}: {batches:?}");
            println!("{topic}: {} batches", batches.len());
        }
    }
}

fn numbered_as(topic: &str, stuff: Stuff, number: usize) -> Record {
    let mut bytes = format!("{number:012} ").into_bytes();
    bytes.extend(value(stuff, number, 1000));
    Record::new(topic).partition(0).value(bytes)
}

#[test]
fn transactions_of_compressed_batches_are_all_or_nothing() {
    let cluster = shared(1);
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("txn-{codec}");
        cluster.create_topic(&topic, 1, 1, &[]);
        let id = format!("codecs-{codec}");
        let properties =
            [("transactional.id", id.as_str()), ("compression.type", codec), ("linger.ms", "1000"), ("acks", "all")];
        let mut shell = Shell::start(&cluster, &properties);
        shell.must("init 60000");
        for (round, end) in ["commit 60000", "abort 60000", "commit 60000"].into_iter().enumerate() {
            shell.must("begin");
            for number in 0..200 {
                shell.must(&format!("send {topic} 0 value-value-value-{round}-{number}"));
            }
            shell.must("flush 60000");
            shell.must(end);
        }
        shell.must("close 60000");
        let mut values = Vec::new();
        see_topic(&cluster, &topic, READ_COMMITTED, |message| {
            values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
        });
        let wanted =
            [0, 2].into_iter().flat_map(|round| (0..200).map(move |n| format!("value-value-value-{round}-{n}")));
        assert_eq!(values, wanted.collect::<Vec<String>>());
        let codecs: BTreeSet<String> = batches(&cluster, &topic)
            .into_iter()
            .filter(|batch| !batch.is_control)
            .map(|batch| {
                assert!(batch.is_transactional);
                batch.codec
            })
            .collect();
        assert_eq!(codecs, BTreeSet::from([codec.to_owned()]), "{topic}");
        let java = read_with_java(&cluster.bootstrap(), &[&topic]);
        assert_eq!(java.len(), 400, "Kafka's own consumer reads what was committed");
    }
}
