//! OpenTelemetry's MetricsData v1 as protobuf: what PushTelemetry carries (KIP-714). Only what a producer has to tell: gauges
//! and sums of one number per point, with text attributes.

/// One number under one name, with a point for each set of attributes.
#[derive(Clone, PartialEq, Debug)]
pub struct Metric {
    pub name: &'static str,
    /// In UCUM's letters: "ms", "By", "1".
    pub unit: &'static str,
    pub kind: Kind,
    pub points: Vec<Point>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A value at a moment.
    Gauge,
    /// A count that only grows: since the point's start, which is that of the producer or of the push before.
    Sum(Temporality),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Temporality {
    Delta,
    Cumulative,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    pub value: Value,
    /// Nanoseconds since 1970; `None` where the value has no beginning.
    pub start_unix_nanos: Option<u64>,
    pub time_unix_nanos: u64,
    pub attributes: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value {
    Int(i64),
    Double(f64),
}

/// Encodes the metrics with what is the same for all of them: the resource's attributes, and the library as their scope.
/// Those that do not fit into `bytes_max` any more are left out; the second number says how many.
pub fn encode_metrics(
    resource: &[(&str, &str)],
    (scope_name, scope_version): (&str, &str),
    metrics: &[Metric],
    bytes_max: usize,
) -> (Vec<u8>, usize) {
    let mut attributes = Vec::new();
    for (key, value) in resource {
        put_attribute(&mut attributes, RESOURCE_ATTRIBUTES, key, value);
    }
    let mut scope = Vec::new();
    put_text(&mut scope, SCOPE_NAME, scope_name);
    put_text(&mut scope, SCOPE_VERSION, scope_version);
    let mut scope_metrics = Vec::new();
    put_bytes(&mut scope_metrics, SCOPE_METRICS_SCOPE, &scope);
    // What the levels around the metrics take at most: a key and a length each.
    let around = attributes.len() + 3 * (1 + VARINT_BYTES_MAX);
    let mut left_out = 0;
    let mut encoded = Vec::new();
    for metric in metrics {
        encoded.clear();
        put_metric(&mut encoded, metric);
        if around + scope_metrics.len() + encoded.len() + 1 + VARINT_BYTES_MAX > bytes_max {
            left_out += 1;
            continue;
        }
        put_bytes(&mut scope_metrics, SCOPE_METRICS_METRICS, &encoded);
    }
    let mut resource_metrics = Vec::with_capacity(scope_metrics.len() + around);
    put_bytes(&mut resource_metrics, RESOURCE_METRICS_RESOURCE, &attributes);
    put_bytes(&mut resource_metrics, RESOURCE_METRICS_SCOPE_METRICS, &scope_metrics);
    let mut data = Vec::with_capacity(resource_metrics.len() + 1 + VARINT_BYTES_MAX);
    put_bytes(&mut data, METRICS_DATA_RESOURCE_METRICS, &resource_metrics);
    (data, left_out)
}

fn put_metric(out: &mut Vec<u8>, metric: &Metric) {
    put_text(out, METRIC_NAME, metric.name);
    put_text(out, METRIC_UNIT, metric.unit);
    let mut data = Vec::new();
    let mut point = Vec::new();
    for one in &metric.points {
        point.clear();
        put_point(&mut point, one);
        put_bytes(&mut data, DATA_POINTS, &point);
    }
    match metric.kind {
        Kind::Gauge => put_bytes(out, METRIC_GAUGE, &data),
        Kind::Sum(temporality) => {
            put_varint_field(&mut data, SUM_TEMPORALITY, if temporality == Temporality::Delta { 1 } else { 2 });
            put_varint_field(&mut data, SUM_IS_MONOTONIC, 1);
            put_bytes(out, METRIC_SUM, &data);
        }
    }
}

fn put_point(out: &mut Vec<u8>, point: &Point) {
    if let Some(start) = point.start_unix_nanos {
        put_fixed64(out, POINT_START, start);
    }
    put_fixed64(out, POINT_TIME, point.time_unix_nanos);
    match point.value {
        Value::Int(value) => put_fixed64(out, POINT_INT, value as u64),
        Value::Double(value) => put_fixed64(out, POINT_DOUBLE, value.to_bits()),
    }
    for (key, value) in &point.attributes {
        put_attribute(out, POINT_ATTRIBUTES, key, value);
    }
}

fn put_attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &str) {
    let mut any = Vec::new();
    put_text(&mut any, ANY_TEXT, value);
    let mut pair = Vec::new();
    put_text(&mut pair, PAIR_KEY, key);
    put_bytes(&mut pair, PAIR_VALUE, &any);
    put_bytes(out, field, &pair);
}

fn put_text(out: &mut Vec<u8>, field: u32, text: &str) {
    put_bytes(out, field, text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(field << 3 | WIRE_LENGTH));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint_field(out: &mut Vec<u8>, field: u32, value: u64) {
    put_varint(out, u64::from(field << 3 | WIRE_VARINT));
    put_varint(out, value);
}

/// Protobuf's fixed numbers are little-endian.
fn put_fixed64(out: &mut Vec<u8>, field: u32, bits: u64) {
    put_varint(out, u64::from(field << 3 | WIRE_FIXED64));
    out.extend_from_slice(&bits.to_le_bytes());
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

const WIRE_VARINT: u32 = 0;
const WIRE_FIXED64: u32 = 1;
const WIRE_LENGTH: u32 = 2;
/// Of a length below 4 GiB.
const VARINT_BYTES_MAX: usize = 5;

// Field numbers of opentelemetry/proto/{metrics,resource,common}/v1.
const METRICS_DATA_RESOURCE_METRICS: u32 = 1;
const RESOURCE_METRICS_RESOURCE: u32 = 1;
const RESOURCE_METRICS_SCOPE_METRICS: u32 = 2;
const RESOURCE_ATTRIBUTES: u32 = 1;
const SCOPE_METRICS_SCOPE: u32 = 1;
const SCOPE_METRICS_METRICS: u32 = 2;
const SCOPE_NAME: u32 = 1;
const SCOPE_VERSION: u32 = 2;
const METRIC_NAME: u32 = 1;
const METRIC_UNIT: u32 = 3;
const METRIC_GAUGE: u32 = 5;
const METRIC_SUM: u32 = 7;
const DATA_POINTS: u32 = 1;
const SUM_TEMPORALITY: u32 = 2;
const SUM_IS_MONOTONIC: u32 = 3;
const POINT_START: u32 = 2;
const POINT_TIME: u32 = 3;
const POINT_DOUBLE: u32 = 4;
const POINT_INT: u32 = 6;
const POINT_ATTRIBUTES: u32 = 7;
const PAIR_KEY: u32 = 1;
const PAIR_VALUE: u32 = 2;
const ANY_TEXT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn point(value: Value) -> Point {
        Point { value, start_unix_nanos: Some(1), time_unix_nanos: 2, attributes: vec![("node_id", "node-1".into())] }
    }

    /// Written out by hand from the .proto files: the mock cluster's decoder, which is another one, reads the rest.
    #[test]
    fn a_small_message_is_these_bytes() {
        let sum = Metric {
            name: "s",
            unit: "1",
            kind: Kind::Sum(Temporality::Delta),
            points: vec![Point {
                value: Value::Int(-2),
                start_unix_nanos: Some(0x0102),
                time_unix_nanos: 0x0304,
                attributes: vec![("k", "v".into())],
            }],
        };
        let (bytes, left_out) = encode_metrics(&[("r", "x")], ("l", "2"), &[sum], usize::MAX);
        assert_eq!(left_out, 0);
        let point = [
            &[0x11, 2, 1, 0, 0, 0, 0, 0, 0, 0x19, 4, 3, 0, 0, 0, 0, 0, 0][..],
            &[0x31, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x3a, 8, 0x0a, 1, b'k', 0x12, 3, 0x0a, 1, b'v'],
        ]
        .concat();
        let sum = [&[0x0a, point.len() as u8][..], &point, &[0x10, 1, 0x18, 1]].concat();
        let metric = [&[0x0a, 1, b's', 0x1a, 1, b'1', 0x3a, sum.len() as u8][..], &sum].concat();
        let scope_metrics = [&[0x0a, 6, 0x0a, 1, b'l', 0x12, 1, b'2', 0x12, metric.len() as u8][..], &metric].concat();
        let resource = [0x0a, 8, 0x0a, 1, b'r', 0x12, 3, 0x0a, 1, b'x'];
        let resource_metrics =
            [&[0x0a, resource.len() as u8][..], &resource, &[0x12, scope_metrics.len() as u8], &scope_metrics].concat();
        assert_eq!(bytes, [&[0x0a, resource_metrics.len() as u8][..], &resource_metrics].concat());
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted() {
        let metric = |name| Metric { name, unit: "ms", kind: Kind::Gauge, points: vec![point(Value::Double(0.5))] };
        let big = Metric { points: vec![point(Value::Int(1)); 1_000], ..metric("big") };
        let metrics = [metric("a"), big, metric("b")];
        let (all, left_out) = encode_metrics(&[], ("l", "1"), &metrics, usize::MAX);
        assert_eq!(left_out, 0);
        let (some, left_out) = encode_metrics(&[], ("l", "1"), &metrics, 400);
        assert_eq!(left_out, 1);
        assert!(some.len() <= 400 && all.len() > 40_000);
        let without = [metrics[0].clone(), metrics[2].clone()];
        assert_eq!(some, encode_metrics(&[], ("l", "1"), &without, usize::MAX).0);
        for bytes_max in 0..some.len() + 20 {
            let (bytes, _) = encode_metrics(&[], ("l", "1"), &without, bytes_max);
            assert!(bytes.len() <= bytes_max.max(40), "{bytes_max}: {}", bytes.len());
        }
    }
}
