//! The numbers as JSON, and in Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::summary::{Everything, Kind};
use super::{Buckets, HealthState, Percentiles};

const STATES: [(HealthState, &str); 6] = [
    (HealthState::Connecting, "connecting"),
    (HealthState::Ok, "ok"),
    (HealthState::Degraded, "degraded"),
    (HealthState::Unreachable, "unreachable"),
    (HealthState::AuthenticationFailed, "authentication_failed"),
    (HealthState::Fatal, "fatal"),
];

fn state_name(state: HealthState) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("", |(_, name)| name)
}

impl Everything {
    pub fn json(&self) -> String {
        let mut all = Map::new();
        all.insert("client_id".into(), json!(self.client_id));
        all.insert("time_ms".into(), json!(self.time_ms));
        all.insert("age_ms".into(), json!(self.age_ms));
        all.insert("health".into(), json!({ "state": state_name(self.health), "text": self.health_text }));
        for row in self.summary.rows() {
            all.insert(row.name.into(), json!(row.value));
        }
        let average = |of: u64| match self.summary.batches_sent {
            0 => 0.0,
            batches => of as f64 / batches as f64,
        };
        all.insert("batch_records_avg".into(), json!(average(self.summary.batch_records)));
        all.insert("batch_bytes_avg".into(), json!(average(self.summary.bytes_sent)));
        all.insert("compress_ratio".into(), json!(self.summary.compress_ratio()));
        all.insert("queue_time_us".into(), percentiles(&self.summary.queue_time));
        all.insert("round_trip_us".into(), percentiles(&self.summary.round_trip));
        all.insert("delivery_us".into(), percentiles(&self.summary.delivery));
        let brokers = self.brokers.iter().map(|broker| {
            json!({
                "id": broker.id, "host": broker.host, "port": broker.port, "connected": broker.connected,
                "requests": broker.requests, "requests_in_flight": broker.requests_in_flight,
                "bytes_written": broker.bytes_written, "bytes_received": broker.bytes_received,
                "connects": broker.connects, "connection_failures": broker.connection_failures,
                "throttle_ms": broker.throttle_ms, "produce_answers": broker.round_trips,
                "round_trip_avg_us": broker.round_trip_us.checked_div(broker.round_trips).unwrap_or(0),
            })
        });
        all.insert("brokers".into(), brokers.collect());
        let topics = self.topics.iter().map(|topic| {
            json!({
                "topic": topic.name, "partitions": topic.partitions, "records_delivered": topic.records_delivered,
                "records_failed": topic.records_failed, "bytes_delivered": topic.bytes_delivered,
                "batches_sent": topic.batches_sent, "batch_retries": topic.batch_retries,
            })
        });
        // The number of topics has the name already.
        all.insert("topic_list".into(), topics.collect());
        let partitions = self.partitions.iter().map(|partition| {
            json!({
                "topic": partition.topic, "partition": partition.partition, "leader": partition.leader,
                "queued_bytes": partition.queued_bytes, "in_flight_bytes": partition.in_flight_bytes,
            })
        });
        all.insert("largest_partitions".into(), partitions.collect());
        Value::Object(all).to_string()
    }

    pub fn prometheus(&self) -> String {
        let mut out = Text { out: String::with_capacity(16 << 10), client_id: label_value(&self.client_id) };
        for row in self.summary.rows() {
            out.number(row.name, row.kind, row.help, row.value);
        }
        out.head("health", "gauge", "1 for the state of health that the producer is in.");
        for (state, name) in STATES {
            out.line("health", &format!("state=\"{name}\""), &u8::from(state == self.health).to_string());
        }
        out.histogram(
            "queue_time_seconds",
            "From a batch's first record to its first request, per record.",
            &self.queue_time,
        );
        out.histogram("round_trip_seconds", "From a produce request to its answer.", &self.round_trip);
        out.histogram("delivery_seconds", "From a batch's first record to its outcome, per record.", &self.delivery);
        self.broker_lines(&mut out);
        self.topic_lines(&mut out);
        out.out
    }

    fn broker_lines(&self, out: &mut Text) {
        type Get = fn(&super::summary::BrokerRow) -> u64;
        let rows: [(&str, Kind, &str, Get); 8] = [
            ("broker_connected", Kind::Gauge, "1 while the broker can be used.", |b| u64::from(b.connected)),
            ("broker_requests", Kind::Counter, "Requests handed to the broker's connections.", |b| b.requests),
            ("broker_requests_in_flight", Kind::Gauge, "Requests whose answer is awaited.", |b| b.requests_in_flight),
            ("broker_bytes_written", Kind::Counter, "Bytes that the broker's sockets took.", |b| b.bytes_written),
            ("broker_bytes_received", Kind::Counter, "Bytes that came from the broker.", |b| b.bytes_received),
            ("broker_connects", Kind::Counter, "Connections over which the broker could be used.", |b| b.connects),
            ("broker_connection_failures", Kind::Counter, "Attempts and connections that failed.", |b| {
                b.connection_failures
            }),
            ("broker_throttle_ms", Kind::Counter, "Milliseconds of silence that the broker asked for.", |b| {
                b.throttle_ms
            }),
        ];
        for (name, kind, help, get) in rows {
            let lines = self.brokers.iter().map(|broker| (format!("broker=\"{}\"", broker.id), get(broker)));
            out.family(name, kind, help, lines);
        }
    }

    fn topic_lines(&self, out: &mut Text) {
        type Get = fn(&super::summary::TopicRow) -> u64;
        let rows: [(&str, &str, Get); 5] = [
            ("topic_records_delivered", "Records of the topic that were delivered.", |t| t.records_delivered),
            ("topic_records_failed", "Records of the topic that failed.", |t| t.records_failed),
            ("topic_bytes_delivered", "Bytes of the topic's batches that were delivered.", |t| t.bytes_delivered),
            ("topic_batches_sent", "Batches of the topic handed to a connection for the first time.", |t| {
                t.batches_sent
            }),
            ("topic_batch_retries", "Batches of the topic handed to a connection again.", |t| t.batch_retries),
        ];
        for (name, help, get) in rows {
            let topic = |name: &str| format!("topic=\"{}\"", label_value(name));
            let lines = self.topics.iter().map(|row| (topic(&row.name), get(row)));
            out.family(name, Kind::Counter, help, lines);
        }
    }
}

fn percentiles(of: &Percentiles) -> Value {
    json!({ "count": of.count, "p50": of.p50, "p95": of.p95, "p99": of.p99, "p99.9": of.p999, "max": of.max })
}

struct Text {
    out: String,
    /// Escaped.
    client_id: String,
}

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "# HELP kproducer_{name} {help}\n# TYPE kproducer_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let _ = writeln!(self.out, "kproducer_{name}{{client_id=\"{}\"{comma}{labels}}} {value}", self.client_id);
    }

    fn number(&mut self, name: &str, kind: Kind, help: &str, value: u64) {
        self.family(name, kind, help, std::iter::once((String::new(), value)));
    }

    /// Prometheus wants seconds, and counters that say so.
    fn family(&mut self, name: &str, kind: Kind, help: &str, lines: impl Iterator<Item = (String, u64)>) {
        // Microseconds of one in its unit.
        let time = [("_ms", 1_000), ("_us", 1)].iter().find_map(|(unit, us)| Some((name.strip_suffix(unit)?, *us)));
        let mut full = time.map_or_else(|| name.to_owned(), |(stem, _)| format!("{stem}_seconds"));
        if kind == Kind::Counter {
            full.push_str("_total");
        }
        let in_seconds = |help: &str| help.replace("Milliseconds", "Seconds").replace("Microseconds", "Seconds");
        let help = if time.is_some() { in_seconds(help) } else { help.to_owned() };
        self.head(&full, if kind == Kind::Counter { "counter" } else { "gauge" }, &help);
        for (labels, value) in lines {
            let value = match time {
                Some((_, us)) => seconds(value.saturating_mul(us)),
                None => value.to_string(),
            };
            self.line(&full, &labels, &value);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, buckets: &Buckets) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (up_to_us, count) in &buckets.up_to {
            self.line(&bucket, &format!("le=\"{}\"", seconds(*up_to_us)), &count.to_string());
        }
        self.line(&bucket, "le=\"+Inf\"", &buckets.count.to_string());
        self.line(&format!("{name}_sum"), "", &seconds(buckets.sum_us));
        self.line(&format!("{name}_count"), "", &buckets.count.to_string());
    }
}

/// Exact, without the noise of a division.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
