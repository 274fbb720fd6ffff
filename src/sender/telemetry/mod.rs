//! Client telemetry (KIP-714): the broker is asked which metrics it wants of this client and how often, and gets them. Over
//! a connection of its own (`link`), so that nothing here stands before a record: a broker works one connection's requests
//! off one after the other, and how long a push takes is for its operator's plug-in to decide.
//!
//! Nothing that happens here is a failure of the producer: it is tried again later, elsewhere, or never.

mod link;
mod metrics;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::Sender;
use super::timers::Timer;
use crate::codec::{Codec, Workspace};
use crate::config::Config;
use crate::error::{Error, Status};
use crate::time::{Micros, Time};
use crate::wire::otlp::{Temporality, encode_metrics};
use crate::wire::telemetry::{InstanceId, Push, SubscriptionAnswer, encode_get_subscriptions, encode_push};
use link::{Asked, Link};
use metrics::{Gauges, Snapshot, Totals, Window};

/// Kafka's own default, for brokers that name no interval.
const DEFAULT_INTERVAL: Micros = Micros::from_ms(300_000);
/// Kafka allows no shorter one (`interval.ms` of a client-metrics resource).
const INTERVAL_MIN_MS: i32 = 100;
/// Kafka's own default (`telemetry.max.bytes`), for brokers that name none.
const DEFAULT_BYTES_MAX: usize = 1 << 20;
/// No broker can make us wait longer than this with one answer.
const THROTTLE_MS_MAX: i32 = 600_000;
/// Between failures: nobody waits for telemetry.
const BACKOFF_MS: (u64, u64) = (1_000, 300_000);
/// The connection is kept when the next request comes so soon.
const KEPT_OPEN: Micros = Micros::from_ms(30_000);
/// How much longer closing takes at most for the last push.
const LAST_PUSH_MAX: Micros = Micros::from_ms(200);

const SCOPE: (&str, &str) = ("libkproducer", env!("CARGO_PKG_VERSION"));

pub struct Telemetry {
    /// `enable.metrics.push`, until a broker's answer or the producer's end ends it.
    is_on: bool,
    link: Option<Link>,
    /// Where the last connection led: kept until it fails.
    target: Option<(String, u16)>,
    instance_id: InstanceId,
    subscription: Option<Subscription>,
    /// What the next request is, and when.
    next: Asked,
    due: Time,
    failures: u32,
    /// The last answer said that the subscription is out of date; once more in a row means to wait.
    asked_again: bool,
    window: Window,
    /// What the push under way tells: given back when it is refused.
    pending: Option<Pending>,
    told: Totals,
    began_at: Time,
    told_at: Time,
    records_retried: u64,
    /// Microseconds from 1970 to `Time::ZERO`.
    wall_offset_us: i64,
    /// When the producer ends there is time for one more push.
    wants_last_push: bool,
    /// The last push is under way, until then at most.
    ending: Option<Time>,
    /// When the timer was last armed for.
    armed_at: Time,
    /// A broker refused what it had said it accepts: from now on nothing is compressed.
    is_plain: bool,
}

/// What a broker wants.
struct Subscription {
    id: i32,
    interval: Micros,
    bytes_max: usize,
    temporality: Temporality,
    prefixes: Vec<String>,
    /// The first of those that the broker accepts which is known here.
    codec: Codec,
}

struct Pending {
    totals: Totals,
    at: Time,
    window: Window,
    len: usize,
}

/// What an error code asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    Fine,
    /// The subscription is asked for again at once.
    AskNow,
    /// The same again when the interval is over.
    Wait,
    /// No more telemetry from this producer.
    Stop,
}

const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;

fn after(code: i16) -> After {
    const INVALID_CONFIG: i16 = 40;
    const THROTTLING_QUOTA_EXCEEDED: i16 = 89;
    const UNKNOWN_SUBSCRIPTION_ID: i16 = 117;
    const TELEMETRY_TOO_LARGE: i16 = 118;
    match code {
        0 => After::Fine,
        UNKNOWN_SUBSCRIPTION_ID | UNSUPPORTED_COMPRESSION_TYPE => After::AskNow,
        THROTTLING_QUOTA_EXCEEDED | TELEMETRY_TOO_LARGE => After::Wait,
        INVALID_CONFIG => After::Stop,
        // Kafka's own client stops at every other code; a broker that is only busy is worth another try.
        _ if Status(i32::from(code)).is_retriable() => After::Wait,
        _ => After::Stop,
    }
}

impl Telemetry {
    pub fn new(now: Time, config: &Config) -> Telemetry {
        Telemetry {
            is_on: config.enable_metrics_push,
            link: None,
            target: None,
            instance_id: [0; 16],
            subscription: None,
            next: Asked::Subscription,
            due: now,
            failures: 0,
            asked_again: false,
            window: Window::default(),
            pending: None,
            told: Totals::default(),
            began_at: now,
            told_at: now,
            records_retried: 0,
            wall_offset_us: 0,
            wants_last_push: false,
            ending: None,
            armed_at: Time::NEVER,
            is_plain: false,
        }
    }

    /// Whether the end of the producer waits for the last push.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    pub fn want_last_push(&mut self) {
        self.wants_last_push = true;
    }

    /// Nothing is waited for any more.
    pub fn stop(&mut self) {
        self.is_on = false;
        self.ending = None;
    }

    /// Whether there is somebody to collect for.
    fn collects(&self) -> bool {
        self.is_on && self.subscription.is_some()
    }

    /// A produce request was answered.
    pub fn note_round_trip(&mut self, broker: i32, took: Micros) {
        if self.collects() {
            self.window.round_trips.add(took.0, 1);
            if broker >= 0 {
                self.window.nodes.entry(broker).or_default().add(took.0, 1);
            }
        }
    }

    /// The silence that an answer to a produce request asks for.
    pub fn note_throttle(&mut self, throttle_ms: i32) {
        if self.collects() {
            self.window.throttles.add(throttle_ms.clamp(0, THROTTLE_MS_MAX).unsigned_abs().into(), 1);
        }
    }

    /// A batch is handed to a connection.
    pub fn note_batch(&mut self, now: Time, opened_at: Time, records: u32, bytes: usize, is_again: bool) {
        if is_again {
            self.records_retried += u64::from(records);
        } else if self.collects() {
            self.window.queue_times.add(now.since(opened_at).0, u64::from(records));
            self.window.batch_bytes.add(bytes as u64, 1);
            self.window.batch_records.add(u64::from(records), 1);
        }
    }
}

impl Sender {
    /// Metrics carry the time of the wall clock, which is never read here.
    pub fn set_wall_clock(&mut self, now: Time, wall_ms: i64) {
        let now_us = i64::try_from(now.0).unwrap_or(i64::MAX);
        self.telemetry.wall_offset_us = wall_ms.saturating_mul(1_000).saturating_sub(now_us);
    }

    /// Does what is due: connects, asks, pushes, ends. Otherwise arms the timer for when it will be.
    pub(super) fn drive_telemetry(&mut self, now: Time) {
        if !self.telemetry.is_on {
            return;
        }
        if self.telemetry.ending.is_some_and(|until| until <= now) {
            self.end_telemetry();
            return;
        }
        if let Some(link) = &self.telemetry.link {
            let deadline = link.deadline();
            if deadline <= now {
                let what = link.overdue();
                self.leave_telemetry_link();
                self.telemetry_failed(now, what);
                return;
            }
            if deadline < Time::NEVER {
                self.arm_telemetry(deadline);
                return;
            }
        }
        let due = self.telemetry.due;
        if now < due {
            if due.since(now) > KEPT_OPEN {
                self.leave_telemetry_link();
            }
            self.arm_telemetry(due);
            return;
        }
        if self.telemetry.link.as_ref().is_some_and(|link| link.is_expiring(now)) {
            self.leave_telemetry_link();
        }
        if self.telemetry.link.is_none() {
            self.connect_telemetry(now);
            return;
        }
        match self.telemetry.next {
            Asked::Subscription => self.ask_subscription(now),
            Asked::Push => self.push_metrics(now),
        }
    }

    fn arm_telemetry(&mut self, at: Time) {
        let at = self.telemetry.ending.map_or(at, |until| at.min(until));
        if at < self.telemetry.armed_at {
            self.telemetry.armed_at = at;
            self.timers.arm(Timer::Telemetry, at);
        }
    }

    pub(super) fn telemetry_timeout(&mut self, now: Time) {
        self.telemetry.armed_at = Time::NEVER;
        self.drive_telemetry(now);
    }

    fn ask_subscription(&mut self, now: Time) {
        let client_id = self.config.client_id.clone();
        let instance_id = self.telemetry.instance_id;
        self.write_telemetry(now, Asked::Subscription, |correlation_id| {
            encode_get_subscriptions(correlation_id, &client_id, &instance_id)
        });
    }

    fn push_metrics(&mut self, now: Time) {
        let totals = self.totals();
        let gauges = self.gauges(now);
        let telemetry = &mut self.telemetry;
        let Some(subscription) = &telemetry.subscription else {
            telemetry.next = Asked::Subscription;
            self.ask_subscription(now);
            return;
        };
        let window = std::mem::take(&mut telemetry.window);
        let snapshot = Snapshot {
            totals,
            told: telemetry.told,
            gauges,
            window: &window,
            began_at: telemetry.began_at,
            told_at: telemetry.told_at,
            now,
            wall_offset_us: telemetry.wall_offset_us,
        };
        let metrics = metrics::metrics(&snapshot, &subscription.prefixes, subscription.temporality);
        let rack = Some(self.config.client_rack.as_str()).filter(|rack| !rack.is_empty());
        let labels = [("client_rack", rack), ("transactional_id", self.config.transactional_id.as_deref())];
        let resource: Vec<(&str, &str)> = labels.into_iter().filter_map(|(name, label)| Some((name, label?))).collect();
        let (payload, left_out) = encode_metrics(&resource, SCOPE, &metrics, subscription.bytes_max);
        let (instance_id, subscription_id) = (telemetry.instance_id, subscription.id);
        let codec = if telemetry.is_plain { Codec::None } else { subscription.codec };
        let (compression_type, bytes) = compressed(codec, &payload);
        telemetry.pending = Some(Pending { totals, at: now, window, len: payload.len() });
        let terminating = telemetry.ending.is_some();
        if left_out > 0 {
            let text = format!("{left_out} metrics did not fit into what the broker accepts of one push");
            self.reports.log(7, "TELEMETRY", || text);
        }
        let client_id = self.config.client_id.clone();
        self.write_telemetry(now, Asked::Push, |correlation_id| {
            let push = Push {
                client_instance_id: instance_id,
                subscription_id,
                terminating,
                compression_type,
                metrics: &bytes,
            };
            encode_push(correlation_id, &client_id, &push)
        });
    }

    fn subscription_answered(&mut self, now: Time, answer: SubscriptionAnswer) {
        let silence = throttle(answer.throttle_time_ms);
        if !self.telemetry_went_well(now, "GetTelemetrySubscriptions", answer.error_code, silence) {
            return;
        }
        let telemetry = &mut self.telemetry;
        if telemetry.instance_id == [0; 16] {
            telemetry.instance_id = answer.client_instance_id;
            if telemetry.instance_id == [0; 16] {
                self.leave_telemetry_link();
                self.telemetry_failed(now, "the broker gave no client instance id");
                return;
            }
            self.accumulator.client_instance.set(telemetry.instance_id);
            self.reports.complete(&self.accumulator.client_instance.settled);
        }
        let interval = match answer.push_interval_ms {
            ..=0 => DEFAULT_INTERVAL,
            ms => Micros::from_ms(ms.max(INTERVAL_MIN_MS).unsigned_abs().into()),
        };
        let bytes_max = usize::try_from(answer.telemetry_max_bytes).unwrap_or(0);
        let is_ending = telemetry.ending.is_some();
        let temporality = if answer.delta_temporality { Temporality::Delta } else { Temporality::Cumulative };
        telemetry.failures = 0;
        if metrics::any_wanted(&answer.requested_metrics) {
            telemetry.next = Asked::Push;
            // Many clients may have been started at once: they spread out, from half an interval to one and a half.
            telemetry.due = now + Micros(interval.0 / 2 + self.random.below(interval.0)).max(silence);
            telemetry.subscription = Some(Subscription {
                id: answer.subscription_id,
                interval,
                bytes_max: if bytes_max == 0 { DEFAULT_BYTES_MAX } else { bytes_max },
                temporality,
                prefixes: answer.requested_metrics,
                codec: answer.accepted_compression_types.iter().find_map(|&id| Codec::of(id)).unwrap_or_default(),
            });
        } else {
            // Only asking again tells when something is wanted.
            telemetry.next = Asked::Subscription;
            telemetry.due = now + interval.max(silence);
            telemetry.subscription = None;
            telemetry.window = Window::default();
        }
        if is_ending {
            telemetry.due = now;
            if telemetry.subscription.is_none() {
                self.end_telemetry();
                return;
            }
        }
        self.reports.log(7, "TELEMETRY", || {
            let wanted = if self.telemetry.subscription.is_some() { "metrics" } else { "nothing" };
            format!("the broker wants {wanted} every {} ms", interval.as_ms())
        });
        self.drive_telemetry(now);
    }

    fn push_answered(&mut self, now: Time, code: i16, throttle_time_ms: i32, was_last: bool) {
        let pending = self.telemetry.pending.take();
        if was_last {
            self.end_telemetry();
            return;
        }
        let is_fine = after(code) == After::Fine;
        if let Some(pending) = pending {
            let telemetry = &mut self.telemetry;
            if is_fine {
                (telemetry.told, telemetry.told_at) = (pending.totals, pending.at);
            } else {
                telemetry.window.join(pending.window);
                const TELEMETRY_TOO_LARGE: i16 = 118;
                telemetry.is_plain |= code == UNSUPPORTED_COMPRESSION_TYPE;
                if code == TELEMETRY_TOO_LARGE
                    && let Some(subscription) = &mut telemetry.subscription
                {
                    // The broker has another limit than it said.
                    subscription.bytes_max = pending.len / 2;
                }
            }
        }
        let silence = throttle(throttle_time_ms);
        if !self.telemetry_went_well(now, "PushTelemetry", code, silence) {
            return;
        }
        let telemetry = &mut self.telemetry;
        telemetry.failures = 0;
        telemetry.asked_again = false;
        telemetry.next = Asked::Push;
        telemetry.due = now + telemetry.interval().max(silence);
        if telemetry.ending.is_some() {
            telemetry.due = now;
        }
        self.drive_telemetry(now);
    }

    /// Carries out what a code asks for, unless it is 0.
    fn telemetry_went_well(&mut self, now: Time, request: &'static str, code: i16, silence: Micros) -> bool {
        let status = Status(i32::from(code));
        let after = after(code);
        if after != After::Fine {
            self.reports.log(7, "TELEMETRY", || format!("{request} was answered with {}", status.name()));
            if self.telemetry.ending.is_some() {
                self.end_telemetry();
                return false;
            }
        }
        let telemetry = &mut self.telemetry;
        match after {
            After::Fine => return true,
            After::Stop => {
                self.stop_telemetry(status, request);
                return false;
            }
            After::AskNow if !std::mem::replace(&mut telemetry.asked_again, true) => {
                telemetry.next = Asked::Subscription;
                telemetry.due = now + silence;
            }
            After::AskNow => {
                telemetry.next = Asked::Subscription;
                telemetry.due = now + telemetry.interval().max(silence);
            }
            After::Wait => telemetry.due = now + telemetry.interval().max(silence),
        }
        self.drive_telemetry(now);
        false
    }

    /// For good.
    fn stop_telemetry(&mut self, status: Status, request: &'static str) {
        self.leave_telemetry_link();
        self.telemetry.stop();
        self.telemetry.window = Window::default();
        let text = format!("a broker answered {request} with {}: {}", status.name(), status.text());
        self.reports.log(6, "TELEMETRY", || format!("{text}; no metrics are pushed any more"));
        self.accumulator.client_instance.refuse(Error::new(status, text));
        self.reports.complete(&self.accumulator.client_instance.settled);
    }

    /// A connection failed, or a request on it: another broker is tried, after a while.
    fn telemetry_failed(&mut self, now: Time, reason: &str) {
        if self.telemetry.ending.is_some() {
            self.end_telemetry();
            return;
        }
        let telemetry = &mut self.telemetry;
        // It may have arrived: told twice would be worse than not at all.
        if let Some(pending) = telemetry.pending.take() {
            (telemetry.told, telemetry.told_at) = (pending.totals, pending.at);
        }
        telemetry.target = None;
        telemetry.failures = telemetry.failures.saturating_add(1);
        let (first, most) = BACKOFF_MS;
        telemetry.due = now + self.random.backoff(first, most, telemetry.failures);
        self.accumulator.client_instance.note("the last broker that was asked did not answer");
        self.reports.log(7, "TELEMETRY", || reason.to_owned());
        let due = self.telemetry.due;
        self.arm_telemetry(due);
    }

    /// The producer ends: one last push where somebody wants metrics, in a moment or not at all.
    pub(super) fn begin_telemetry_end(&mut self, now: Time) {
        let telemetry = &mut self.telemetry;
        if !telemetry.wants_last_push || !telemetry.collects() || telemetry.failures > 0 {
            self.end_telemetry();
            return;
        }
        telemetry.ending = Some(now + LAST_PUSH_MAX);
        telemetry.next = Asked::Push;
        telemetry.due = now;
        telemetry.armed_at = Time::NEVER;
        self.drive_telemetry(now);
    }

    fn end_telemetry(&mut self) {
        self.leave_telemetry_link();
        self.telemetry.stop();
    }

    fn totals(&self) -> Totals {
        let numbers = &self.accumulator.numbers;
        Totals {
            connects: numbers.connects.get(),
            records_sent: numbers.records_sent.get(),
            records_failed: numbers.records_failed.get(),
            records_retried: self.telemetry.records_retried,
            batch_splits: numbers.batch_splits.get(),
            requests: numbers.requests.get(),
            bytes_written: numbers.bytes_written.get(),
            bytes_received: numbers.bytes_received.get(),
        }
    }

    fn gauges(&self, now: Time) -> Gauges {
        let memory = &self.accumulator.memory;
        let (total, used) = (memory.limit() as u64, memory.used() as u64);
        let connected = self.brokers.values().filter(|broker| broker.is_ready()).count();
        Gauges {
            connections: connected as u64,
            requests_in_flight: self.accumulator.numbers.in_flight(),
            buffer_total_bytes: total,
            buffer_available_bytes: total.saturating_sub(used),
            metadata_age: self.cluster.metadata_age(now),
        }
    }
}

impl Telemetry {
    fn interval(&self) -> Micros {
        self.subscription.as_ref().map_or(DEFAULT_INTERVAL, |subscription| subscription.interval)
    }
}

/// The payload as it goes, with the codec's number. A push every few minutes: contexts are not worth keeping.
fn compressed(codec: Codec, payload: &[u8]) -> (i8, Cow<'_, [u8]>) {
    let mut out = Vec::new();
    let most = payload.len().saturating_sub(1);
    match Workspace::new().compress(codec.at_default_level(), &[payload], most, &mut out) {
        Ok(true) => (codec as i8, out.into()),
        // It grows, or no context could be had: as it is it is always accepted.
        Ok(false) | Err(_) => (0, payload.into()),
    }
}

fn throttle(throttle_time_ms: i32) -> Micros {
    Micros::from_ms(throttle_time_ms.clamp(0, THROTTLE_MS_MAX).unsigned_abs().into())
}
