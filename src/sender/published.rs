//! What application threads see of the cluster and of the producer's health: published at the end of an input that changed it.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use super::Sender;
use super::broker::Broker;
use crate::accumulator::{BrokerView, NO_LEADER};
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
}

impl Published {
    /// Something of what application threads see may be another now.
    pub fn note(&mut self) {
        self.is_stale = true;
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
        let (partitions, leaderless, first) = self.leaderless_partitions();
        self.accumulator.numbers.topics.set(self.cluster.topics.len() as u64);
        self.accumulator.numbers.partitions.set(partitions);
        self.accumulator.numbers.partitions_leaderless.set(leaderless);
        let (state, text) = self.health_now(partitions, leaderless, first);
        let before = self.published.state;
        if state != before {
            self.published.state = state;
            self.published.since = now;
        }
        let health = Health {
            state,
            since: self.published.since,
            age: Micros::ZERO,
            partitions_leaderless: leaderless,
            partitions,
            text: CString::new(text.replace('\0', "")).unwrap_or_default().into(),
        };
        self.accumulator.health.store(health.clone());
        if state == before {
            return;
        }
        self.reports.health_changed(health);
        if matches!(state, HealthState::Unreachable | HealthState::AuthenticationFailed) {
            // Somebody has to notice when it ends, even with nothing left to send.
            self.refresh_metadata(now);
        }
    }

    fn health_now(&self, partitions: u64, leaderless: u64, first: Option<u32>) -> (HealthState, String) {
        if let Some(fatal) = self.accumulator.fatal() {
            return (HealthState::Fatal, fatal.message.clone());
        }
        if let Some((is_refused, trouble)) = self.unreachable() {
            let state = if is_refused { HealthState::AuthenticationFailed } else { HealthState::Unreachable };
            return (state, trouble);
        }
        if !self.published.was_reached {
            return (HealthState::Connecting, "no broker has answered yet".into());
        }
        let Some(first) = first else { return (HealthState::Ok, String::new()) };
        let label = self.partitions[first as usize].label();
        (HealthState::Degraded, format!("{leaderless} of {partitions} partitions have no leader, {label} among them"))
    }

    /// Why none of the brokers can be reached, when that is so: none answers, and each has failed since one did last: what failed
    /// before then may be up again, and nobody has asked. The bootstrap list counts as long as it is all that is known. A failure counts until the broker answers more than a greeting. True when
    /// those that could be reached refuse us.
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
        Some((refuser.is_some(), told.trouble()))
    }

    /// How many partitions of the topics in use there are, how many have no leader, and one of these.
    fn leaderless_partitions(&self) -> (u64, u64, Option<u32>) {
        let (mut all, mut leaderless, mut first) = (0, 0, None);
        for state in self.cluster.topics.values() {
            // There is room for more partitions than the topic has.
            let count = state.topic.partition_count() as usize;
            for dense in state.partitions.iter().take(count) {
                all += 1;
                if self.partitions[*dense as usize].leader == NO_LEADER {
                    leaderless += 1;
                    first = first.or(Some(*dense));
                }
            }
        }
        (all, leaderless, first)
    }
}
