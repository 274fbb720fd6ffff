//! What application threads see of the cluster and of the producer's health: published at the end of an input that
//! changed it.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use super::Sender;
use super::broker::Broker;
use super::obstacles::{Finding, Findings, Obstacle, Obstacles};
use super::partition::PartitionState;
use super::silence::SUSPECTED_AFTER;
use super::timers::Timer;
use crate::accumulator::BrokerView;
use crate::error::Status;
use crate::stats::{Health, HealthState};
use crate::time::{Micros, Time};

/// What was published last, and whether there may be something new.
#[derive(Debug, Default)]
pub struct Published {
    /// Metadata, leaders or connections have changed since.
    is_stale: bool,
    state: HealthState,
    since: Time,
    /// A broker has answered more than a greeting.
    pub was_reached: bool,
    /// A broker has let us in: from then on refusals may pass as any outage does.
    pub was_let_in: bool,
    /// A broker has refused us, or died, since this was looked at.
    pub was_refused: bool,
    /// When the last connection ended that was of use.
    pub was_good_until: Time,
    /// What keeps records waiting though brokers answer.
    pub obstacles: Obstacles,
}

impl Published {
    /// Something of what application threads see may be another now.
    pub fn note(&mut self) {
        self.is_stale = true;
    }

    /// The time has come at which something may have lasted long enough, or be over.
    pub fn look_again(&mut self) {
        self.obstacles.disarm();
        self.note();
    }

    /// A batch of the partition will be sent again because of this.
    pub fn note_retry(&mut self, now: Time, partition: u32, cause: Option<&Arc<CStr>>) {
        self.is_stale |= self.obstacles.note_retry(now, partition, cause);
    }

    /// A batch of the partition has its outcome.
    pub fn note_outcome(&mut self, partition: u32) {
        self.is_stale |= self.obstacles.note_outcome(partition);
    }

    /// The broker has answered a produce request.
    pub fn note_answer(&mut self, broker: i32) {
        self.is_stale |= self.obstacles.is_silent(broker);
    }
}

impl Sender {
    /// Something of what application threads see may be another now.
    pub(super) fn note_change(&mut self) {
        self.published.note();
    }

    /// At the end of an input.
    pub(super) fn publish_changes(&mut self, now: Time) {
        if std::mem::take(&mut self.published.is_stale) {
            self.publish_cluster();
            self.publish_health(now);
            self.drive_warm_ups(now);
            self.drive_queries(now);
        }
    }

    pub(super) fn publish_cluster(&self) {
        let c_text = |text: &str| -> Arc<CStr> { CString::new(text).unwrap_or_default().into() };
        let learned = self.brokers.values().filter(|broker| !broker.is_bootstrap());
        let brokers = learned.map(|broker| BrokerView {
            id: broker.id,
            host: c_text(&broker.host),
            port: i32::from(broker.port),
            rack: broker.rack.as_deref().map(c_text),
            connected: broker.is_ready(),
        });
        let cluster_id = self.cluster.cluster_id.as_deref().map(c_text);
        self.accumulator.cluster.publish(cluster_id, self.cluster.controller_id, brokers.collect());
        let connections = self.brokers.values().filter(|broker| broker.is_ready()).count();
        self.accumulator.numbers.connections.set(connections as u64);
    }

    fn publish_health(&mut self, now: Time) {
        let (partitions, leaderless, first) = self.cluster.tally.partitions();
        self.accumulator.numbers.topics.set(self.cluster.tally.topics());
        self.accumulator.numbers.partitions.set(partitions);
        self.accumulator.numbers.partitions_leaderless.set(leaderless);
        let present = obstacles(self, now);
        let findings = self.published.obstacles.look(now, present);
        let again_at = findings.again_at.min(calm_at(self, now));
        if self.published.obstacles.arms(again_at) {
            self.timers.arm(Timer::Health, again_at);
        }
        let (state, text) = self.health_now(partitions, leaderless, first, &findings, now);
        let hint = findings.fresh.as_ref().map_or_else(String::new, |finding| words(self, now, finding));
        let before = self.published.state;
        if state != before {
            self.published.state = state;
            self.published.since = now;
        }
        let c_text = |text: &str| -> Arc<CStr> { CString::new(text.replace('\0', "")).unwrap_or_default().into() };
        let health = Health {
            state,
            since: self.published.since,
            age: Micros::ZERO,
            partitions_leaderless: leaderless,
            partitions,
            text: c_text(&text),
            hint: c_text(&hint),
        };
        self.accumulator.health.store(health.clone());
        if state == before {
            return;
        }
        if state == HealthState::Degraded && self.published.obstacles.may_log(now) {
            self.reports.log(4, "HEALTH", || format!("degraded: {text}"));
        }
        self.reports.health_changed(health);
        if matches!(state, HealthState::Unreachable | HealthState::AuthenticationFailed) {
            // Somebody has to notice when it ends, even with nothing left to send.
            self.cluster.schedule.want_brokers();
        }
    }

    fn health_now(
        &self,
        partitions: u64,
        leaderless: u64,
        first: Option<u32>,
        findings: &Findings,
        now: Time,
    ) -> (HealthState, String) {
        if let Some(fatal) = self.accumulator.fatal() {
            return (HealthState::Fatal, fatal.message.clone());
        }
        if let Some((is_refused, trouble)) = self.unreachable() {
            let state = if is_refused { HealthState::AuthenticationFailed } else { HealthState::Unreachable };
            return (state, trouble);
        }
        if !self.published.was_reached {
            return (HealthState::Connecting, not_reached_yet(self));
        }
        if let Some(first) = first {
            let label = self.partitions[first as usize].label();
            let text = format!("{leaderless} of {partitions} partitions have no leader, {label} among them");
            return (HealthState::Degraded, text);
        }
        match &findings.lasting {
            None => (HealthState::Ok, String::new()),
            Some((finding, 0)) => (HealthState::Degraded, words(self, now, finding)),
            Some((finding, more)) => {
                (HealthState::Degraded, format!("{}; and {more} more of the kind", words(self, now, finding)))
            }
        }
    }

    /// Why none of the brokers can be reached, when that is so: none answers, and each has failed since one did last:
    /// what failed before then may be up again, and nobody has asked. The bootstrap list counts as long as it is all
    /// that is known. A failure counts until the broker answers more than a greeting. True when those that could be
    /// reached refuse us.
    fn unreachable(&self) -> Option<(bool, String)> {
        if self.brokers.values().any(|broker| broker.is_ready() && broker.failures == 0) {
            return None;
        }
        let learned = self.brokers.values().any(|broker| !broker.is_bootstrap());
        let mut known = self.brokers.values().filter(|broker| !broker.is_bootstrap() || !learned);
        let good_until = self.published.was_good_until;
        // Who refused us is no better for being asked long ago.
        let is_over = |broker: &Broker| broker.failed_at < good_until && broker.refused.is_none();
        if known.clone().any(|broker| broker.failures == 0 || is_over(broker)) {
            return None;
        }
        let refuser = known.clone().find(|broker| broker.refused.is_some());
        let told = refuser.or_else(|| known.next())?;
        // One whose versions are not ours has nothing against the credentials.
        Some((refuser.is_some_and(|broker| !broker.is_unsupported()), told.trouble()))
    }
}

/// What keeps records waiting now, though others answer.
fn obstacles(sender: &Sender, now: Time) -> Vec<(Obstacle, Option<Time>)> {
    let mut present = Vec::new();
    for (id, broker) in sender.brokers.iter().filter(|(_, broker)| !broker.is_bootstrap()) {
        let connection = broker.connection.as_ref();
        if connection.is_some_and(|connection| connection.throttle.felt(now).is_some()) {
            present.push((Obstacle::Throttled(*id), None));
        }
        let oldest = connection.and_then(|connection| connection.oldest_produce());
        if let Some(oldest) = oldest.filter(|oldest| now.since(oldest.sent_at) >= SUSPECTED_AFTER) {
            present.push((Obstacle::Silent(*id), Some(oldest.sent_at)));
        }
        if broker.is_ready() && broker.failures == 0 || waiting_for(sender, broker).next().is_none() {
            continue;
        }
        let is_failing = broker.failures > 0;
        present.push((if is_failing { Obstacle::Unreached(*id) } else { Obstacle::Connecting(*id) }, None));
    }
    for state in sender.cluster.topics_wanted() {
        if let Some((since, code)) = state.missing
            && code != 0
            && sender.accumulator.parked_since(&state.topic).is_some()
        {
            present.push((Obstacle::Missing(state.topic.id), Some(since)));
        }
    }
    if sender.idempotence.trouble_of_waiting().is_some() {
        present.push((Obstacle::ProducerId, None));
    }
    present
}

/// When the first of the brokers that throttle the producer noticeably will have stopped, if it does.
fn calm_at(sender: &Sender, now: Time) -> Time {
    let connections = sender.brokers.values().filter_map(|broker| broker.connection.as_ref());
    let throttles = connections.map(|connection| connection.throttle).filter(|throttle| throttle.felt(now).is_some());
    throttles.map(|throttle| throttle.calm_at()).min().unwrap_or(Time::NEVER)
}

/// Partitions with records that wait for this broker.
fn waiting_for<'a>(sender: &'a Sender, broker: &'a Broker) -> impl Iterator<Item = &'a PartitionState> {
    let states = broker.ready.iter().map(|dense| &sender.partitions[*dense as usize]);
    states.filter(|state| state.queued_on == Some(broker.id) && state.has_any())
}

fn words(sender: &Sender, now: Time, finding: &Finding) -> String {
    let obstacle = match finding {
        Finding::Obstacle(obstacle) => *obstacle,
        Finding::Retried(partition, cause) => {
            let label = sender.partitions[*partition as usize].label();
            let cause = cause.as_ref().map_or("no answer".into(), |cause| cause.to_string_lossy());
            return format!("records of {label} are being sent again; last error: {cause}");
        }
    };
    let broker_words =
        |id: i32, tell: &dyn Fn(&Broker) -> String| sender.brokers.get(&id).map_or_else(String::new, tell);
    match obstacle {
        Obstacle::Unreached(id) => broker_words(id, &|broker| {
            let source = if broker.was_connected {
                ""
            } else {
                "; the cluster gave this address (the broker's advertised.listeners)"
            };
            format!("{}; {}{source}", broker.trouble(), waiting_words(sender, broker))
        }),
        Obstacle::Connecting(id) => broker_words(id, &|broker| {
            format!("{} is still being connected to; {}", broker.label(), waiting_words(sender, broker))
        }),
        Obstacle::Silent(id) => {
            broker_words(id, &|broker| format!("{} does not answer a produce request", broker.label()))
        }
        Obstacle::Throttled(id) => broker_words(id, &|broker| throttle_words(broker, now).unwrap_or_default()),
        Obstacle::ProducerId => {
            let trouble = sender.idempotence.trouble_of_waiting().unwrap_or("brokers give no producer id");
            format!("{trouble}; records wait for one")
        }
        Obstacle::Missing(id) => sender.cluster.topics.get(&id).map_or_else(String::new, |state| {
            let code = state.missing.map_or(3, |(_, code)| code);
            format!("topic '{}' is not there: {}", state.topic.name(), Status(code.into()).text())
        }),
    }
}

/// Which partitions wait for a broker.
fn waiting_words(sender: &Sender, broker: &Broker) -> String {
    let mut waiting = waiting_for(sender, broker);
    let Some(first) = waiting.next() else { return "nothing waits for it".to_owned() };
    match waiting.count() {
        0 => format!("it leads {}, whose records wait", first.label()),
        more => format!("it leads {} and {more} more partitions whose records wait", first.label()),
    }
}

/// That a broker throttles the producer noticeably, and by how much.
pub(super) fn throttle_words(broker: &Broker, now: Time) -> Option<String> {
    let paused = broker.connection.as_ref()?.throttle.felt(now)?;
    Some(format!(
        "{} throttles this producer by a quota: it has asked for pauses of {} ms, in which nothing is sent to it",
        broker.label(),
        paused.as_ms()
    ))
}

/// Why everything waits, as far as that is known.
pub(super) fn why_records_wait(sender: &mut Sender, now: Time) -> Option<String> {
    let (partitions, leaderless, first) = sender.cluster.tally.partitions();
    let present = obstacles(sender, now);
    let findings = sender.published.obstacles.look(now, present);
    let (_, text) = sender.health_now(partitions, leaderless, first, &findings, now);
    match (text.is_empty(), &findings.fresh) {
        (false, _) => Some(text),
        (true, Some(fresh)) => Some(words(sender, now, fresh)),
        (true, None) => None,
    }
}

/// What the producer is about while no broker has answered.
fn not_reached_yet(sender: &Sender) -> String {
    let mut text = "no broker has answered yet".to_owned();
    let connecting = sender.brokers.values().find(|broker| broker.connection.is_some());
    if let Some(broker) = connecting {
        text.push_str(&format!("; connecting to {}", broker.label()));
    }
    if let Some(failed) = sender.brokers.values().find(|broker| broker.last_error.is_some()) {
        text.push_str(&format!("; {}", failed.trouble()));
    }
    text
}
