//! Warming up: a topic's metadata, a connection to each of its leaders and a producer id before the first record.

use std::sync::Arc;

use super::Sender;
use super::broker::Broker;
use super::cluster::leader_of;
use super::timers::Timer;
use super::topic_doubts::is_refusal;
use super::topic_state::TopicState;
use crate::accumulator::{CallReply, NO_LEADER};
use crate::error::{Error, Status};
use crate::time::{Micros, Time};

#[derive(Debug)]
pub struct WarmUp {
    topic: u32,
    reply: Arc<CallReply>,
    /// Then it is given up, whoever still waits: `topic.metadata.propagation.max.ms`, and longer while somebody waits.
    until: Time,
}

/// How far a warm-up has come.
enum Warm {
    Ready,
    /// What is missing, in words.
    Not(String),
    Failed(Error),
}

impl Sender {
    pub(super) fn warm_up(&mut self, now: Time, topic: u32, reply: Arc<CallReply>) {
        let shared = self.accumulator.topics.by_id(topic);
        self.cluster.use_topic(now, shared.clone(), Micros::from_ms(self.config.metadata_max_idle_ms));
        let until = now + Micros::from_ms(self.config.unknown_topic_grace_ms);
        self.warm_ups.push(WarmUp { topic, reply, until });
        self.timers.arm(Timer::WarmUp, until);
        if shared.partition_count() == 0 {
            if let Some(state) = self.cluster.topics.get_mut(&topic)
                && self.accumulator.parked_since(&shared).is_none()
            {
                // What was said of it before is asked again.
                state.missing = None;
            }
            self.cluster.want_topic(topic);
        }
        self.drive_warm_ups(now);
        self.try_refusers(now);
    }

    /// Looks at what each still needs. Called whenever a connection, metadata or the time has changed something.
    pub(super) fn drive_warm_ups(&mut self, now: Time) {
        let mut left = Vec::new();
        for warm_up in std::mem::take(&mut self.warm_ups) {
            let result = match self.warmth(now, warm_up.topic) {
                Warm::Ready => Ok(()),
                Warm::Failed(error) => Err(error),
                Warm::Not(what) => {
                    warm_up.reply.note(&what);
                    if warm_up.until > now || Arc::strong_count(&warm_up.reply) > 1 {
                        left.push(warm_up);
                    }
                    continue;
                }
            };
            warm_up.reply.answer(result);
            self.reports.complete(&warm_up.reply.done);
        }
        self.warm_ups = left;
    }

    /// Nobody lets us in: whoever has asked hears why.
    pub(super) fn fail_warm_ups(&mut self, error: &Error) {
        for warm_up in std::mem::take(&mut self.warm_ups) {
            warm_up.reply.answer(Err(error.clone()));
            self.reports.complete(&warm_up.reply.done);
        }
    }

    fn warmth(&mut self, now: Time, id: u32) -> Warm {
        let Some(state) = self.cluster.topics.get(&id) else { return Warm::Not("its metadata".into()) };
        let name = state.topic.name();
        let count = state.topic.partition_count() as usize;
        if count == 0 {
            let Some((_, code)) = state.missing else {
                let trouble = self.brokers.values().find(|broker| broker.failures > 0).map(Broker::trouble);
                let trouble = trouble.map_or_else(String::new, |trouble| format!("; {trouble}"));
                return Warm::Not(format!("metadata of topic '{name}'{trouble}"));
            };
            let status = Status(i32::from(code));
            if is_refusal(code) {
                return Warm::Failed(Error::new(status, format!("metadata of topic '{name}': {}", status.text())));
            }
            return Warm::Not(format!("topic '{name}' to be there: {}", status.text()));
        }
        let mut missing = None;
        let mut leaders: Vec<i32> = Vec::new();
        for dense in state.partitions.iter().take(count) {
            let partition = &self.partitions[*dense as usize];
            if partition.leader == NO_LEADER {
                missing = missing.or_else(|| Some(format!("a leader of {}", partition.label())));
            } else if !leaders.contains(&partition.leader) {
                leaders.push(partition.leader);
            }
        }
        for leader in leaders {
            let Some(broker) = self.brokers.get(&leader) else { continue };
            if !broker.is_ready() {
                missing = missing.or_else(|| Some(broker.trouble()));
                if broker.failures > 0 {
                    // Others may lead by now what it led.
                    self.cluster.schedule.want(id);
                }
                self.ensure_connected(now, leader);
            }
        }
        if missing.is_none() && self.awaits_producer_id() {
            return Warm::Not("a producer id".into());
        }
        missing.map_or(Warm::Ready, Warm::Not)
    }

    /// Whether somebody waits for the topic's metadata though no record does.
    pub(super) fn warms_up(&self, topic: u32) -> bool {
        self.warm_ups.iter().any(|warm_up| warm_up.topic == topic)
    }

    pub(super) fn warm_up_waits_for_leader(&self, state: &TopicState) -> bool {
        let count = state.topic.partition_count() as usize;
        let fails = |broker: &Broker| broker.failures > 0 && !broker.is_ready();
        let waits = |dense: &u32| leader_of(&self.partitions[*dense as usize], &self.brokers).is_none_or(fails);
        self.warms_up(state.topic.id) && state.partitions.iter().take(count).any(waits)
    }

    /// `statistics.interval.ms` has passed: whoever dispatches next makes the numbers' text.
    pub(super) fn tell_statistics(&mut self, now: Time) {
        self.reports.stats_due();
        self.arm_statistics(now);
    }

    pub(super) fn arm_statistics(&mut self, now: Time) {
        let interval_ms = self.config.statistics_interval_ms;
        if interval_ms > 0 {
            self.timers.arm(Timer::Statistics, now + Micros::from_ms(interval_ms));
        }
    }
}
