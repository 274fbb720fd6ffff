//! What is told: numbers in, OpenTelemetry's metrics out, under the names that KIP-714 and Kafka's own client have for them.
//! Pure, so that it can be tried without a producer.

use std::collections::BTreeMap;

use crate::time::{Micros, Time};
use crate::wire::otlp::{Kind, Metric, Point, Temporality, Value};

/// Counted since the producer began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    pub connects: u64,
    pub records_sent: u64,
    pub records_failed: u64,
    pub records_retried: u64,
    pub batch_splits: u64,
    pub requests: u64,
    pub bytes_written: u64,
    pub bytes_received: u64,
}

/// As it is at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gauges {
    pub connections: u64,
    pub requests_in_flight: u64,
    pub buffer_total_bytes: u64,
    pub buffer_available_bytes: u64,
    pub metadata_age: Micros,
}

/// Values of one kind since the push before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spread {
    count: u64,
    sum: u64,
    max: u64,
}

/// What averages and maxima are made of; begins anew with each push.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// Round trips of produce requests in microseconds, by broker.
    pub nodes: BTreeMap<i32, Spread>,
    /// The same of all brokers.
    pub round_trips: Spread,
    /// Milliseconds of silence that each answer to a produce request asked for, 0 too.
    pub throttles: Spread,
    /// Microseconds from a batch's first record to its first request, counted for each record.
    pub queue_times: Spread,
    /// Bytes and records of each batch.
    pub batch_bytes: Spread,
    pub batch_records: Spread,
}

/// Everything that one push is made of.
#[derive(Debug)]
pub struct Snapshot<'a> {
    pub totals: Totals,
    /// The totals of the last push that counts.
    pub told: Totals,
    pub gauges: Gauges,
    pub window: &'a Window,
    /// When the producer began, when the last push that counts was made, and now.
    pub began_at: Time,
    pub told_at: Time,
    pub now: Time,
    /// Microseconds from 1970 to `Time::ZERO`.
    pub wall_offset_us: i64,
}

impl Spread {
    pub fn add(&mut self, value: u64, times: u64) {
        self.count += times;
        self.sum = self.sum.saturating_add(value.saturating_mul(times));
        self.max = self.max.max(value);
    }

    fn join(&mut self, other: Spread) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// `None` without any value: KIP-714 lets metrics without news be left out.
    fn average(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    fn greatest(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max as f64)
    }
}

impl Window {
    /// Takes back what a push that was refused had taken.
    pub fn join(&mut self, other: Window) {
        for (id, spread) in other.nodes {
            self.nodes.entry(id).or_default().join(spread);
        }
        self.round_trips.join(other.round_trips);
        self.throttles.join(other.throttles);
        self.queue_times.join(other.queue_times);
        self.batch_bytes.join(other.batch_bytes);
        self.batch_records.join(other.batch_records);
    }
}

/// Where a metric's value comes from.
enum Source {
    /// A count that only grows, and what it grows by in a second.
    Total(fn(&Totals) -> u64),
    Rate(fn(&Totals) -> u64),
    Gauge(fn(&Gauges) -> f64),
    /// Of the values of a window, multiplied by a factor that makes the unit.
    Average(fn(&Window) -> &Spread, f64),
    Max(fn(&Window) -> &Spread, f64),
    /// The same for each broker.
    NodeAverage,
    NodeMax,
}

const MS_PER_US: f64 = 1e-3;

macro_rules! metrics {
    ($($name:literal $unit:literal $source:expr;)*) => {
        &[$((concat!("org.apache.kafka.producer.", $name), $unit, $source)),*]
    };
}

/// Name, unit, source. First those that KIP-714 asks every producer for: what does not fit into a push is cut from the end.
static METRICS: &[(&str, &str, Source)] = metrics! {
    "connection.creation.rate" "1" Source::Rate(|totals| totals.connects);
    "connection.creation.total" "1" Source::Total(|totals| totals.connects);
    "node.request.latency.avg" "ms" Source::NodeAverage;
    "node.request.latency.max" "ms" Source::NodeMax;
    "produce.throttle.time.avg" "ms" Source::Average(|window| &window.throttles, 1.0);
    "produce.throttle.time.max" "ms" Source::Max(|window| &window.throttles, 1.0);
    "record.queue.time.avg" "ms" Source::Average(|window| &window.queue_times, MS_PER_US);
    "record.queue.time.max" "ms" Source::Max(|window| &window.queue_times, MS_PER_US);
    "request.latency.avg" "ms" Source::Average(|window| &window.round_trips, MS_PER_US);
    "request.latency.max" "ms" Source::Max(|window| &window.round_trips, MS_PER_US);
    "record.send.rate" "1" Source::Rate(|totals| totals.records_sent);
    "record.send.total" "1" Source::Total(|totals| totals.records_sent);
    "record.error.rate" "1" Source::Rate(|totals| totals.records_failed);
    "record.error.total" "1" Source::Total(|totals| totals.records_failed);
    "record.retry.rate" "1" Source::Rate(|totals| totals.records_retried);
    "record.retry.total" "1" Source::Total(|totals| totals.records_retried);
    "batch.split.rate" "1" Source::Rate(|totals| totals.batch_splits);
    "batch.split.total" "1" Source::Total(|totals| totals.batch_splits);
    "batch.size.avg" "By" Source::Average(|window| &window.batch_bytes, 1.0);
    "batch.size.max" "By" Source::Max(|window| &window.batch_bytes, 1.0);
    "request.rate" "1" Source::Rate(|totals| totals.requests);
    "request.total" "1" Source::Total(|totals| totals.requests);
    "requests.in.flight" "1" Source::Gauge(|gauges| gauges.requests_in_flight as f64);
    "outgoing.byte.rate" "By" Source::Rate(|totals| totals.bytes_written);
    "outgoing.byte.total" "By" Source::Total(|totals| totals.bytes_written);
    "incoming.byte.rate" "By" Source::Rate(|totals| totals.bytes_received);
    "incoming.byte.total" "By" Source::Total(|totals| totals.bytes_received);
    "connection.count" "1" Source::Gauge(|gauges| gauges.connections as f64);
    "buffer.total.bytes" "By" Source::Gauge(|gauges| gauges.buffer_total_bytes as f64);
    "buffer.available.bytes" "By" Source::Gauge(|gauges| gauges.buffer_available_bytes as f64);
    "metadata.age" "s" Source::Gauge(|gauges| gauges.metadata_age.0 as f64 / 1e6);
};

/// Whether one of the prefixes that a broker sent asks for this name.
fn is_wanted(name: &str, prefixes: &[String]) -> bool {
    prefixes.iter().any(|prefix| prefix == "*" || name.starts_with(prefix.as_str()))
}

/// Whether the prefixes ask for anything that there is.
pub fn any_wanted(prefixes: &[String]) -> bool {
    METRICS.iter().any(|(name, ..)| is_wanted(name, prefixes))
}

/// The metrics that the prefixes ask for, without those that have no value yet.
pub fn metrics(snapshot: &Snapshot<'_>, prefixes: &[String], temporality: Temporality) -> Vec<Metric> {
    let wanted = METRICS.iter().filter(|(name, ..)| is_wanted(name, prefixes));
    let metrics = wanted.map(|(name, unit, source)| {
        let (kind, points) = snapshot.points(source, temporality);
        Metric { name, unit, kind, points }
    });
    metrics.filter(|metric| !metric.points.is_empty()).collect()
}

impl Snapshot<'_> {
    fn points(&self, source: &Source, temporality: Temporality) -> (Kind, Vec<Point>) {
        let gauge = |value: Option<f64>| {
            let point = value.map(|value| self.point(Value::Double(value), None, Vec::new()));
            (Kind::Gauge, point.into_iter().collect())
        };
        match source {
            Source::Total(total) => {
                let (value, since) = match temporality {
                    Temporality::Delta => (total(&self.totals).saturating_sub(total(&self.told)), self.told_at),
                    Temporality::Cumulative => (total(&self.totals), self.began_at),
                };
                let value = Value::Int(i64::try_from(value).unwrap_or(i64::MAX));
                (Kind::Sum(temporality), vec![self.point(value, Some(since), Vec::new())])
            }
            Source::Rate(total) => {
                let more = total(&self.totals).saturating_sub(total(&self.told));
                let span = self.now.since(self.told_at).0;
                gauge((span > 0).then(|| more as f64 * 1e6 / span as f64))
            }
            Source::Gauge(value) => gauge(Some(value(&self.gauges))),
            Source::Average(spread, factor) => gauge(spread(self.window).average().map(|value| value * factor)),
            Source::Max(spread, factor) => gauge(spread(self.window).greatest().map(|value| value * factor)),
            Source::NodeAverage => (Kind::Gauge, self.nodes(Spread::average)),
            Source::NodeMax => (Kind::Gauge, self.nodes(Spread::greatest)),
        }
    }

    fn nodes(&self, value: fn(&Spread) -> Option<f64>) -> Vec<Point> {
        let nodes = self.window.nodes.iter().filter_map(|(id, spread)| {
            // As Kafka's own client names it, so that one dashboard serves both.
            let attributes = vec![("node_id", format!("node-{id}"))];
            Some(self.point(Value::Double(value(spread)? * MS_PER_US), None, attributes))
        });
        nodes.collect()
    }

    fn point(&self, value: Value, start: Option<Time>, attributes: Vec<(&'static str, String)>) -> Point {
        let start_unix_nanos = start.map(|start| self.unix_nanos(start));
        Point { value, start_unix_nanos, time_unix_nanos: self.unix_nanos(self.now), attributes }
    }

    fn unix_nanos(&self, time: Time) -> u64 {
        time.0.saturating_add_signed(self.wall_offset_us).saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        let mut window = Window::default();
        window.queue_times.add(4_000, 3);
        window.queue_times.add(8_000, 1);
        window.nodes.entry(2).or_default().add(1_500, 1);
        window
    }

    fn snapshot(window: &Window) -> Snapshot<'_> {
        Snapshot {
            totals: Totals { connects: 7, records_sent: 1_000, ..Totals::default() },
            told: Totals { connects: 5, ..Totals::default() },
            gauges: Gauges { buffer_total_bytes: 32, ..Gauges::default() },
            window,
            began_at: Time::from_ms(1_000),
            told_at: Time::from_ms(6_000),
            now: Time::from_ms(10_000),
            wall_offset_us: 1_700_000_000_000_000,
        }
    }

    fn all() -> Vec<String> {
        vec!["*".to_owned()]
    }

    fn find<'a>(metrics: &'a [Metric], name: &str) -> &'a Metric {
        let full = format!("org.apache.kafka.producer.{name}");
        metrics.iter().find(|metric| metric.name == full).expect("it is there")
    }

    #[test]
    fn averages_maxima_and_rates_are_of_the_time_since_the_last_push() {
        let window = window();
        let metrics = metrics(&snapshot(&window), &all(), Temporality::Delta);
        let value = |name| find(&metrics, name).points[0].value;
        assert_eq!(value("record.queue.time.avg"), Value::Double(5.0));
        assert_eq!(value("record.queue.time.max"), Value::Double(8.0));
        assert_eq!(value("connection.creation.rate"), Value::Double(0.5));
        assert_eq!(value("connection.creation.total"), Value::Int(2));
        assert_eq!(value("buffer.total.bytes"), Value::Double(32.0));
        let node = &find(&metrics, "node.request.latency.max").points;
        assert_eq!((node.len(), node[0].value), (1, Value::Double(1.5)));
        assert_eq!(node[0].attributes, [("node_id", "node-2".to_owned())]);
        let point = &find(&metrics, "connection.creation.total").points[0];
        assert_eq!(point.start_unix_nanos, Some(1_700_000_006_000_000_000));
        assert_eq!(point.time_unix_nanos, 1_700_000_010_000_000_000);
    }

    #[test]
    fn sums_are_of_the_whole_life_where_deltas_are_not_wanted() {
        let window = window();
        let metrics = metrics(&snapshot(&window), &all(), Temporality::Cumulative);
        let total = find(&metrics, "connection.creation.total");
        assert_eq!((total.kind, total.points[0].value), (Kind::Sum(Temporality::Cumulative), Value::Int(7)));
        assert_eq!(total.points[0].start_unix_nanos, Some(1_700_000_001_000_000_000));
    }

    #[test]
    fn what_has_no_value_is_left_out() {
        let metrics = metrics(&snapshot(&Window::default()), &all(), Temporality::Delta);
        assert!(metrics.iter().all(|metric| !metric.points.is_empty()));
        assert!(!metrics.iter().any(|metric| metric.name.contains("latency") || metric.name.contains("queue")));
        assert!(metrics.iter().any(|metric| metric.name.ends_with("record.send.total")));
    }

    #[test]
    fn prefixes_choose() {
        let window = window();
        let names = |prefixes: &[&str]| {
            let prefixes: Vec<String> = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
            let metrics = metrics(&snapshot(&window), &prefixes, Temporality::Delta);
            assert_eq!(any_wanted(&prefixes), !metrics.is_empty(), "{prefixes:?}");
            metrics.len()
        };
        assert_eq!(names(&["org.apache.kafka.producer.connection.creation."]), 2);
        assert_eq!(names(&["org.apache.kafka.consumer.", "org.apache.kafka.producer.buffer.total"]), 1);
        assert_eq!(names(&["org.apache.kafka.consumer.", "org.apache.kafka.producer.recordX"]), 0);
        assert_eq!(names(&[]), 0);
        assert_eq!(names(&["*"]), names(&[""]));
        assert!(names(&["*"]) > 15);
    }

    #[test]
    fn a_window_takes_back_what_was_not_told() {
        let mut window = window();
        let taken = std::mem::take(&mut window);
        window.queue_times.add(20_000, 4);
        window.nodes.entry(3).or_default().add(1, 1);
        window.join(taken);
        assert_eq!(window.queue_times.average(), Some(12_500.0));
        assert_eq!(window.queue_times.greatest(), Some(20_000.0));
        assert_eq!(window.nodes.len(), 2);
        assert_eq!(Spread::default().average(), None);
    }
}
