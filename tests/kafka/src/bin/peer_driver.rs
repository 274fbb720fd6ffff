//! The stand-in for `c/driver.c` on librdkafka's producer: the same input, the same output. `tests/kafka/run --peer` runs all tests
//! with it, which checks the tests, the brokers and the harness without libkproducer.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::time::Duration;

use kproducer_kafka_tests::record::Record;
use rdkafka::ClientContext;
use rdkafka::Message;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

/// Java's names that librdkafka does not know; the tests' results do not depend on them.
const NOT_KNOWN: [&str; 2] = ["max.block.ms", "buffer.memory"];
const FINISH: Duration = Duration::from_secs(120);

struct Printer;

impl ClientContext for Printer {}

impl ProducerContext for Printer {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Box<usize>) {
        let (message, error) = match result {
            Ok(message) => (message, None),
            Err((error, message)) => (message, Some(error)),
        };
        let status = error.map_or(0, |error| error.rdkafka_error_code().map_or(-1, |code| code as i32));
        print(&format!(
            "report\t{index}\t{status}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t1\t{}",
            error.map_or_else(|| "OK".to_owned(), |error| format!("{error:?}")),
            message.partition(),
            error.map_or(message.offset(), |_| -1),
            error.map_or("yes", |_| "maybe"),
            message.timestamp().to_millis().unwrap_or(-1),
            message.key().map_or(-1, |key| key.len() as i64),
            message.payload().map_or(-1, |value| value.len() as i64),
            error.map_or_else(String::new, ToString::to_string),
        ));
    }
}

fn print(line: &str) {
    // The reader is the test; when it is gone there is nobody to tell.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = ClientConfig::new();
    config.set("partitioner", "murmur2_random").set("message.max.bytes", "1048576");
    config.set_log_level(RDKafkaLogLevel::Critical);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    for property in arguments.chunks(2) {
        let [_, setting] = property else { return Err("usage: peer_driver [--property NAME=VALUE]...".into()) };
        let (name, value) = setting.split_once('=').ok_or("a property needs a =")?;
        if !NOT_KNOWN.contains(&name) {
            config.set(name, value);
        }
    }
    let producer: ThreadedProducer<Printer> = config.create_with_context(Printer)?;
    for (index, line) in std::io::stdin().lock().lines().enumerate() {
        let record = Record::parse(&line?).ok_or("malformed record")?;
        if let Err(error) = send(&producer, &record, index) {
            let mut text = String::new();
            write!(text, "refused\t{index}\t{}\t{error}", error.rdkafka_error_code().map_or(-1, |code| code as i32))?;
            print(&text);
        }
    }
    print(&format!("flushed\t{}", i32::from(producer.flush(FINISH).is_err())));
    drop(producer);
    print("closed\t0");
    Ok(())
}

fn send(producer: &ThreadedProducer<Printer>, record: &Record, index: usize) -> Result<(), KafkaError> {
    let mut headers = OwnedHeaders::new();
    for (name, value) in &record.content.headers {
        headers = headers.insert(Header { key: name, value: value.as_deref() });
    }
    let mut message = BaseRecord::<[u8], [u8], Box<usize>>::with_opaque_to(&record.topic, Box::new(index));
    message.partition = record.partition;
    message.timestamp = record.timestamp_ms;
    message.key = record.content.key.as_deref();
    message.payload = record.content.value.as_deref();
    if !record.content.headers.is_empty() {
        message.headers = Some(headers);
    }
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            // The library waits for room here; librdkafka wants to be asked again.
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                message = again;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error),
        }
    }
}
