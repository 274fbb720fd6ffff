//! Client telemetry with a real broker: a plug-in of ours in it reads what is pushed with Kafka's own classes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kproducer_kafka_tests::cluster::{Extras, KafkaCluster, Release};
use kproducer_kafka_tests::driver::Driver;
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::tools::subscribe_to_metrics;
use kproducer_kafka_tests::verify::{Promise, assert_kept};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A value that the broker's plug-in printed.
#[derive(Debug)]
struct Told {
    client: String,
    is_last: bool,
    metric: String,
    kind: String,
    value: f64,
    attributes: String,
    labels: String,
    time_unix_nanos: u128,
}

fn told(cluster: &KafkaCluster) -> Vec<Told> {
    let log = cluster.broker_log(1);
    let lines = log.lines().filter_map(|line| line.strip_prefix("telemetry "));
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [client, is_last, metric, kind, value, attributes, labels, time] = fields[..] else { return None };
        Some(Told {
            client: client.to_owned(),
            is_last: is_last == "true",
            metric: metric.strip_prefix("org.apache.kafka.producer.")?.to_owned(),
            kind: kind.to_owned(),
            value: value.parse().ok()?,
            attributes: attributes.to_owned(),
            labels: labels.to_owned(),
            time_unix_nanos: time.parse().ok()?,
        })
    };
    // The last line may be half written.
    let whole = lines.filter(|line| line.ends_with(|end: char| end.is_ascii_digit()));
    whole.map(|line| parse(line).unwrap_or_else(|| panic!("the plug-in printed {line:?}"))).collect()
}

fn wait_for(cluster: &KafkaCluster, wanted: impl Fn(&[Told]) -> bool) -> Vec<Told> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let values = told(cluster);
        if wanted(&values) {
            return values;
        }
        assert!(Instant::now() < deadline, "the broker was not told what was wanted: {values:?}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

#[test]
fn a_broker_gets_the_metrics_that_it_asks_for() {
    if env::is_peer() {
        println!("skipped: librdkafka has telemetry of its own");
        return;
    }
    let cluster =
        KafkaCluster::start_with(1, Release::Kafka4_3, Extras::settings(&["metric.reporters=TelemetryPrinter"]));
    // The harness's own clients have telemetry too.
    subscribe_to_metrics(&cluster.bootstrap(), "told", "org.apache.kafka.producer.", 200);
    cluster.create_topic("t", 3, 1, &[]);
    let count = 3_000;
    let records: Vec<_> = (0..count).map(|number| numbered("t", number, 100)).collect();
    let mut driver = Driver::start(&cluster.bootstrap(), &[("client.id", "told")]);
    driver.send(&records[..count / 2]);
    // A push after records, with another one before it: the second is one that the interval, not the start, has brought.
    wait_for(&cluster, |values| values.iter().filter(|told| told.metric == "record.send.total").count() >= 2);
    driver.send(&records[count / 2..]);
    let outcome = driver.finish();
    outcome.assert_all_acknowledged();
    assert_kept(&outcome, &read_topic(&cluster, "t"), Promise::HEALTHY);

    let values = wait_for(&cluster, |values| values.iter().any(|told| told.is_last));
    let clients: BTreeSet<&str> = values.iter().map(|told| told.client.as_str()).collect();
    assert_eq!(clients.len(), 1, "one client instance: {clients:?}");
    let sent: f64 = values.iter().filter(|told| told.metric == "record.send.total").map(|told| told.value).sum();
    assert_eq!(sent, count as f64, "what each push added comes to the whole");
    for metric in ["connection.creation.total", "record.error.total", "outgoing.byte.total"] {
        assert!(values.iter().any(|told| told.metric == metric && told.kind == "sum"), "{metric}");
    }
    for metric in ["connection.creation.rate", "produce.throttle.time.max", "record.queue.time.avg"] {
        assert!(values.iter().any(|told| told.metric == metric && told.kind == "gauge"), "{metric}");
    }
    let latency = values.iter().find(|told| told.metric == "node.request.latency.avg").expect("there is one");
    assert!(latency.value > 0.0 && latency.attributes.contains("node_id") && latency.attributes.contains("node-1"));
    assert!(values.iter().all(|told| told.labels == "[]"), "no transactional.id, no label");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    assert!(values.iter().all(|told| now.abs_diff(told.time_unix_nanos) < 600_000_000_000), "the wall clock's time");
    assert!(!cluster.broker_log(1).contains("InvalidRecord"), "the plug-in could read everything");
}
