use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::stats::summary::{BrokerRow, Gauges, PartitionRow, TopicRow};
use crate::stats::{Counted, Extent, Numbers, TopicNumbers};
use crate::time::{Micros, Time};

fn everything() -> Everything {
    let numbers = Numbers::default();
    let topic = TopicNumbers::default();
    let (opened, sent, answered) = (Time(0), Time(2_000), Time(9_000));
    let extent = |records, bytes| Extent { opened_at: opened, records, bytes };
    numbers.batch_written(sent, extent(10, 1_000), false, &topic);
    numbers.batch_written(sent, extent(10, 1_000), true, &topic);
    numbers.round_trip(answered, Micros(7_000), &Arc::default());
    numbers.finished(answered, extent(10, 1_000), Counted::Delivered, true, &topic);
    numbers.finished(answered, extent(3, 300), Counted::InDoubt, false, &topic);
    numbers.throttle_ms.add(1_250);
    numbers.packed(4_000, 1_000, Micros(250));
    numbers.requests.add(5);
    numbers.requests_ended.add(3);
    let gauges = Gauges { buffer_used: 7, buffer_limit: 100, senders_waiting: 1, reports_waiting: 2 };
    let broker =
        BrokerRow { id: 3, host: "h".into(), port: 9092, round_trips: 2, round_trip_us: 9, ..BrokerRow::default() };
    let buckets = |histogram: &crate::stats::Histogram| histogram.buckets(7, 14);
    Everything {
        client_id: "a \"b\" \\ c\nd".into(),
        time_ms: 1,
        age_ms: 2,
        health: HealthState::Degraded,
        health_text: "\"quoted\"".into(),
        summary: numbers.summary(answered, gauges),
        queue_time: buckets(&numbers.queue_time),
        round_trip: buckets(&numbers.round_trip),
        delivery: buckets(&numbers.delivery),
        brokers: vec![broker],
        topics: vec![TopicRow { name: "t".into(), records_failed: 3, ..TopicRow::default() }],
        partitions: vec![PartitionRow { topic: "t".into(), leader: 3, queued_bytes: 4, ..PartitionRow::default() }],
    }
}

#[test]
fn the_json_is_json_and_carries_every_number() {
    let everything = everything();
    let json: Value = serde_json::from_str(&everything.json()).expect("JSON");
    for row in everything.summary.rows() {
        assert_eq!(json[row.name], row.value, "{}", row.name);
    }
    assert_eq!((&json["records_sent"], &json["records_failed"]), (&json!(13), &json!(3)));
    assert_eq!((&json["batch_retries"], &json["requests_in_flight"]), (&json!(1), &json!(2)));
    assert_eq!((&json["batch_records_avg"], &json["batch_bytes_avg"]), (&json!(10.0), &json!(1000.0)));
    assert_eq!((&json["compress_ratio"], &json["compress_time_us"]), (&json!(0.25), &json!(250)));
    assert_eq!(json["client_id"], everything.client_id);
    assert_eq!(json["health"], json!({ "state": "degraded", "text": "\"quoted\"" }));
    assert_eq!((&json["delivery_us"]["count"], &json["delivery_us"]["max"]), (&json!(13), &json!(9_000)));
    assert_eq!((&json["brokers"][0]["id"], &json["brokers"][0]["round_trip_avg_us"]), (&json!(3), &json!(4)));
    assert_eq!(json["topic_list"][0]["records_failed"], 3);
    assert_eq!(json["largest_partitions"][0]["queued_bytes"], 4);
}

/// Samples by name and labels; every rule of the format that is broken panics.
fn parse(text: &str) -> BTreeMap<(String, String), f64> {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    let mut family = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("a help text");
            assert!(!words.is_empty());
            family = name.to_owned();
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(name, family, "a type stands behind its help");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').expect("labels");
        let stem = name.strip_prefix(&family).expect("below its head");
        match types[&family].as_str() {
            "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&stem)),
            "counter" => assert!(stem.is_empty() && name.ends_with("_total")),
            kind => assert!(stem.is_empty() && kind == "gauge" && !name.ends_with("_total")),
        }
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
        let value: f64 = value.parse().expect("a number");
        let labels = labels.strip_suffix('}').expect("the end of the labels").to_owned();
        assert!(samples.insert((name.to_owned(), labels), value).is_none(), "{line} comes twice");
    }
    samples
}

#[test]
fn the_prometheus_text_keeps_the_formats_rules_and_carries_every_number() {
    let everything = everything();
    let text = everything.prometheus();
    let samples = parse(&text);
    let client = r#"client_id="a \"b\" \\ c\nd""#;
    let get = |name: &str, labels: &str| {
        let labels = if labels.is_empty() { client.to_owned() } else { format!("{client},{labels}") };
        let key = (format!("kproducer_{name}"), labels);
        *samples.get(&key).unwrap_or_else(|| panic!("{key:?} is missing in\n{text}"))
    };
    for row in everything.summary.rows() {
        let time =
            [("_ms", 1e3), ("_us", 1e6)].iter().find_map(|(unit, in_s)| Some((row.name.strip_suffix(unit)?, in_s)));
        let value = match (row.kind, time) {
            (Kind::Counter, Some((stem, in_s))) => get(&format!("{stem}_seconds_total"), "") * in_s,
            (Kind::Counter, None) => get(&format!("{}_total", row.name), ""),
            (Kind::Gauge, _) => get(row.name, ""),
        };
        assert_eq!(value, row.value as f64, "{}", row.name);
    }
    assert_eq!(get("throttle_seconds_total", ""), 1.25);
    assert_eq!(get("compress_time_seconds_total", ""), 0.000_25);
    assert_eq!((get("health", r#"state="degraded""#), get("health", r#"state="ok""#)), (1.0, 0.0));
    assert_eq!(get("delivery_seconds_bucket", r#"le="0.008192""#), 0.0);
    assert_eq!(get("delivery_seconds_bucket", r#"le="0.016384""#), 13.0);
    assert_eq!(get("delivery_seconds_bucket", r#"le="+Inf""#), get("delivery_seconds_count", ""));
    assert_eq!(get("delivery_seconds_sum", ""), 0.117);
    assert_eq!(get("topic_records_failed_total", r#"topic="t""#), 3.0);
    assert_eq!(get("broker_connected", r#"broker="3""#), 0.0);
}
