//! GetTelemetrySubscriptions v0 and PushTelemetry v0 (KIP-714), announced once a test has subscribed. As a Kafka broker, it refuses
//! what comes before the push interval is over, what names another subscription and what it cannot read; it does not forget
//! clients.

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::messages::{GetTelemetrySubscriptionsResponse, PushTelemetryResponse};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::code;
use super::decompress::decompress;
use super::otlp::{MetricSeen, decode_metrics};
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request};
use crate::time::{Micros, Time};

/// Older pushes than these are forgotten.
const PUSHES_MAX: usize = 1_000;

/// What the cluster wants of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Prefixes of names; "*" is every metric, an empty list is none.
    pub metrics: Vec<String>,
    /// Answered as it is, however absurd; refusals go by it where it is positive.
    pub push_interval_ms: i32,
    pub telemetry_max_bytes: i32,
    pub delta_temporality: bool,
    /// Codecs by their numbers, the best first; uncompressed needs no mention.
    pub compression_types: Vec<i8>,
}

impl Subscription {
    /// As brokers subscribe that were not told more.
    pub fn new(metrics: &[&str], push_interval_ms: i32) -> Subscription {
        Subscription {
            metrics: metrics.iter().map(|&prefix| prefix.to_owned()).collect(),
            push_interval_ms,
            telemetry_max_bytes: 1 << 20,
            delta_temporality: true,
            // Kafka's: zstd, lz4, gzip, snappy.
            compression_types: vec![4, 3, 1, 2],
        }
    }
}

/// One accepted push.
#[derive(Clone, Debug, PartialEq)]
pub struct PushSeen {
    pub at: Time,
    pub broker: i32,
    pub client_instance_id: [u8; 16],
    pub subscription_id: i32,
    pub terminating: bool,
    /// How it came; what it says is below without that.
    pub compression_type: i8,
    pub bytes: Vec<u8>,
    pub metrics: Vec<MetricSeen>,
}

#[derive(Default)]
pub(super) struct Telemetry {
    subscription: Option<Subscription>,
    /// Counts the subscriptions: the id tells a client that its own is out of date.
    subscription_id: i32,
    clients: BTreeMap<[u8; 16], Client>,
    pushes: VecDeque<PushSeen>,
    pushed: u64,
}

/// What is known of one client instance.
#[derive(Default)]
struct Client {
    asked_at: Option<Time>,
    pushed_at: Option<Time>,
    /// The subscription that it was given last.
    subscription_id: i32,
    is_terminating: bool,
}

impl Telemetry {
    pub(super) fn is_offered(&self) -> bool {
        self.subscription.is_some()
    }

    fn interval(&self) -> Micros {
        let ms = self.subscription.as_ref().map_or(0, |subscription| subscription.push_interval_ms);
        Micros::from_ms(ms.max(0).unsigned_abs().into())
    }
}

impl Cluster {
    /// The brokers offer telemetry from now on and want this; what was subscribed before ends. `None`: they do not offer it
    /// any more.
    pub fn telemetry_subscribe(&mut self, subscription: Option<Subscription>) {
        self.telemetry.subscription = subscription;
        self.telemetry.subscription_id += 1;
    }

    /// The last thousand pushes that were accepted, oldest first.
    pub fn telemetry_pushes(&self) -> impl Iterator<Item = &PushSeen> {
        self.telemetry.pushes.iter()
    }

    /// How many pushes were accepted, ever.
    pub fn telemetry_push_count(&self) -> u64 {
        self.telemetry.pushed
    }
}

fn read_get(body: &mut Reader<'_>) -> ReadResult<[u8; 16]> {
    let id = body.uuid()?;
    body.tagged_fields()?;
    body.end()?;
    Ok(id)
}

pub(super) fn handle_get(
    cluster: &mut Cluster,
    mut request: Request<'_>,
    injected: Option<i16>,
) -> ReadResult<Outcome> {
    let asked = read_get(&mut request.body)?;
    let mut response = GetTelemetrySubscriptionsResponse::default();
    response.throttle_time_ms = request.throttle_ms(cluster);
    let now = cluster.now;
    let id = if asked == [0; 16] { new_instance_id(cluster.telemetry.clients.len()) } else { asked };
    let telemetry = &mut cluster.telemetry;
    let interval = telemetry.interval();
    let Some(subscription) = &telemetry.subscription else {
        response.error_code = code::UNSUPPORTED_VERSION;
        return request.encode(&response).map(Outcome::Respond);
    };
    let client = telemetry.clients.entry(id).or_default();
    let last = client.asked_at.max(client.pushed_at);
    let is_early = last.is_some_and(|last| now.since(last) < interval);
    let is_new = client.subscription_id != telemetry.subscription_id;
    response.error_code = injected.unwrap_or(match is_early && !is_new {
        true => code::THROTTLING_QUOTA_EXCEEDED,
        false => code::NONE,
    });
    if response.error_code != code::NONE {
        return request.encode(&response).map(Outcome::Respond);
    }
    client.asked_at = Some(now);
    client.subscription_id = telemetry.subscription_id;
    response.client_instance_id = id.to_vec().try_into().unwrap_or_default();
    response.subscription_id = telemetry.subscription_id;
    response.accepted_compression_types.clone_from(&subscription.compression_types);
    response.push_interval_ms = subscription.push_interval_ms;
    response.telemetry_max_bytes = subscription.telemetry_max_bytes;
    response.delta_temporality = subscription.delta_temporality;
    response.requested_metrics = subscription.metrics.iter().map(|name| StrBytes::from_string(name.clone())).collect();
    request.encode(&response).map(Outcome::Respond)
}

/// A UUID of version 4 as far as its form goes; the same in every run.
fn new_instance_id(clients: usize) -> [u8; 16] {
    let mut id = *b"mock client\0\0\0\0\0";
    id[11..].copy_from_slice(&(clients as u64 + 1).to_be_bytes()[3..]);
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

struct PushRequest<'a> {
    client_instance_id: [u8; 16],
    subscription_id: i32,
    terminating: bool,
    compression_type: i8,
    metrics: &'a [u8],
}

fn read_push<'a>(body: &mut Reader<'a>) -> ReadResult<PushRequest<'a>> {
    let push = PushRequest {
        client_instance_id: body.uuid()?,
        subscription_id: body.i32()?,
        terminating: body.bool()?,
        compression_type: body.i8()?,
        metrics: body.nullable_bytes()?.unwrap_or_default(),
    };
    body.tagged_fields()?;
    body.end()?;
    Ok(push)
}

pub(super) fn handle_push(
    cluster: &mut Cluster,
    mut request: Request<'_>,
    injected: Option<i16>,
) -> ReadResult<Outcome> {
    let push = read_push(&mut request.body)?;
    let error_code = match injected {
        Some(error_code) => error_code,
        None => accept(cluster, request.broker, &push).err().unwrap_or(code::NONE),
    };
    let response = PushTelemetryResponse::default()
        .with_throttle_time_ms(request.throttle_ms(cluster))
        .with_error_code(error_code);
    request.encode(&response).map(Outcome::Respond)
}

/// In the order of Kafka's ClientMetricsManager.
fn accept(cluster: &mut Cluster, broker: i32, push: &PushRequest<'_>) -> Result<(), i16> {
    let now = cluster.now;
    let telemetry = &mut cluster.telemetry;
    let interval = telemetry.interval();
    let bytes_max = telemetry.subscription.as_ref().map_or(0, |subscription| subscription.telemetry_max_bytes);
    if push.client_instance_id == [0; 16] {
        return Err(code::INVALID_REQUEST);
    }
    let client = telemetry.clients.entry(push.client_instance_id).or_default();
    let was_terminating = std::mem::replace(&mut client.is_terminating, push.terminating);
    if was_terminating {
        return Err(code::INVALID_REQUEST);
    }
    // The first push after a subscription comes at a time of the client's choice.
    let is_first = client.asked_at > client.pushed_at;
    let is_early = client.pushed_at.is_some_and(|last| now.since(last) < interval);
    if is_early && !is_first && !push.terminating {
        return Err(code::THROTTLING_QUOTA_EXCEEDED);
    }
    client.pushed_at = Some(now);
    if push.subscription_id != telemetry.subscription_id {
        return Err(code::UNKNOWN_SUBSCRIPTION_ID);
    }
    let accepted = telemetry.subscription.as_ref().map_or(&[][..], |subscription| &subscription.compression_types);
    if push.compression_type != 0 && !accepted.contains(&push.compression_type) {
        return Err(code::UNSUPPORTED_COMPRESSION_TYPE);
    }
    if i64::try_from(push.metrics.len()).unwrap_or(i64::MAX) > i64::from(bytes_max) {
        return Err(code::TELEMETRY_TOO_LARGE);
    }
    let bytes = decompress(push.compression_type.into(), push.metrics).map_err(|_| code::INVALID_RECORD)?;
    let metrics = decode_metrics(&bytes).ok_or(code::INVALID_RECORD)?;
    if telemetry.pushes.len() == PUSHES_MAX {
        telemetry.pushes.pop_front();
    }
    telemetry.pushed += 1;
    telemetry.pushes.push_back(PushSeen {
        at: now,
        broker,
        client_instance_id: push.client_instance_id,
        subscription_id: push.subscription_id,
        terminating: push.terminating,
        compression_type: push.compression_type,
        bytes: bytes.into_owned(),
        metrics,
    });
    Ok(())
}
