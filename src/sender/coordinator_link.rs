//! The way to a coordinator: looking it up, connecting to it, and the pauses between questions. One request at a time is
//! asked of coordinators; searches go to any broker, and to another one when the first is slow.

use super::Sender;
use super::broker::Broker;
use super::cluster::Source;
use super::connection::{Connection, Kind};
use super::coordinator::CoordinatorRequest;
use super::frame::Frame;
use super::timers::Timer;
use crate::error::Status;
use crate::time::{Micros, Time};
use crate::wire::coordinator::{CoordinatorKind, encode_find_coordinator};
use crate::wire::header::Api;

/// A broker that has not said who coordinates by then is not asked again now; another is.
const FIND_TIMEOUT_MS: u64 = 5_000;

/// The ways to the coordinators, and when the next request may go.
#[derive(Default)]
pub struct Links {
    transaction: Link,
    group: Link,
    /// The group whose coordinator `group` is.
    group_id: String,
    /// A request other than a search waits for its answer.
    is_asked: bool,
    /// Back-off, and its exponent.
    not_before: Time,
    failures: u32,
    /// Since when the coordinator answers that the transaction before is being completed, and how often it has.
    waits: Option<(Time, u32)>,
    /// When the timer was last armed for; zero when it is not.
    armed_at: Time,
}

/// The way to one coordinator.
#[derive(Default)]
struct Link {
    node: Option<i32>,
    /// It was looked up since the last attempt to connect to it.
    is_fresh: bool,
    /// A search is under way; at that time another broker is asked.
    asked_until: Option<Time>,
    /// Back-off between searches, and its exponent.
    not_before: Time,
    failures: u32,
}

/// Earlier transactions end in milliseconds as a rule.
const WAIT_FIRST_MS: u64 = 5;
const WAIT_MOST_MS: u64 = 20;

/// What the back-off is when the coordinator has answered `times` times, for `since`, that it is busy with the transaction
/// before: short at first, longer when there must be more to it.
fn busy_backoff_ms(since: Micros, times: u32) -> u64 {
    match since.as_ms() {
        5_000.. => 1_000,
        1_000.. => 200,
        _ => (WAIT_FIRST_MS << times.min(4)).min(WAIT_MOST_MS),
    }
}

impl Links {
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    pub fn timer_fired(&mut self, now: Time) {
        if self.armed_at <= now {
            self.armed_at = Time::ZERO;
        }
    }

    /// An answer that was not refused: what was wrong before is over.
    pub fn succeeded(&mut self, kind: CoordinatorKind) {
        self.failures = 0;
        self.waits = None;
        self.not_before = Time::ZERO;
        let link = self.link(kind);
        link.failures = 0;
        link.not_before = Time::ZERO;
    }

    pub fn asked(&mut self) {
        self.is_asked = true;
    }

    pub fn answered(&mut self) {
        self.is_asked = false;
    }

    /// Until when nothing is asked, if that is later than `now`.
    pub fn pause_until(&self, now: Time) -> Option<Time> {
        (now < self.not_before).then_some(self.not_before)
    }

    /// The coordinator, as far as it is known.
    pub fn node(&self, kind: CoordinatorKind) -> Option<i32> {
        match kind {
            CoordinatorKind::Transaction => self.transaction.node,
            CoordinatorKind::Group => self.group.node,
        }
    }

    pub fn found(&mut self, kind: CoordinatorKind, node: i32) {
        let link = self.link(kind);
        link.node = Some(node);
        link.is_fresh = true;
        link.asked_until = None;
    }

    /// Whether an answer about this coordinator is still of interest.
    pub fn seeks(&self, kind: CoordinatorKind, key: &str) -> bool {
        self.node(kind).is_none() && (kind == CoordinatorKind::Transaction || self.group_id == key)
    }

    /// The search that is under way has come to nothing.
    pub fn search_ended(&mut self, kind: CoordinatorKind) {
        self.link(kind).asked_until = None;
    }

    fn link(&mut self, kind: CoordinatorKind) -> &mut Link {
        match kind {
            CoordinatorKind::Transaction => &mut self.transaction,
            CoordinatorKind::Group => &mut self.group,
        }
    }

    /// The way to a group's coordinator is kept for the last group only: programs have one, as a rule.
    pub fn link_to_group(&mut self, group: &str) {
        if self.group_id != group {
            self.group_id = group.to_owned();
            self.group = Link::default();
        }
    }
}

impl Sender {
    /// The coordinator's broker, if it can be asked now; else whatever leads there is under way.
    pub(super) fn coordinator(&mut self, now: Time, kind: CoordinatorKind) -> Option<i32> {
        let link = self.transaction.links.link(kind);
        let Some(id) = link.node else {
            self.find_coordinator(now, kind);
            return None;
        };
        let is_fresh = link.is_fresh;
        let Some(broker) = self.brokers.get(&id) else {
            self.forget_coordinator(now, kind);
            return None;
        };
        if let Some(connection) = &broker.connection {
            if !broker.is_ready() {
                return None;
            }
            let until = connection.throttled_until;
            if until > now {
                self.arm_transaction(until);
                return None;
            }
            return Some(id);
        }
        let retry_at = broker.retry_at;
        if broker.failures > 0 {
            self.note_waiting(&broker.trouble());
            if !is_fresh {
                // It cannot be reached: perhaps another one coordinates by now.
                self.forget_coordinator(now, kind);
                self.find_coordinator(now, kind);
                return None;
            }
        }
        if retry_at > now {
            self.arm_transaction(retry_at);
        } else {
            self.transaction.links.link(kind).is_fresh = false;
            self.ensure_connected(now, id);
        }
        None
    }

    /// The coordinator is looked for again: at once the first time, then with back-off.
    pub(super) fn forget_coordinator(&mut self, now: Time, kind: CoordinatorKind) {
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        let link = self.transaction.links.link(kind);
        link.node = None;
        link.failures += 1;
        let failures = link.failures;
        if failures > 1 {
            let pause = self.random.backoff(first, most, failures - 1);
            self.transaction.links.link(kind).not_before = now + pause;
        }
    }

    fn find_coordinator(&mut self, now: Time, kind: CoordinatorKind) {
        let link = self.transaction.links.link(kind);
        let wait_until = link.asked_until.unwrap_or(Time::ZERO).max(link.not_before);
        if now < wait_until {
            self.arm_transaction(wait_until);
            return;
        }
        let owes = |connection: &Connection| {
            connection.requests.iter().any(|request| {
                matches!(&request.kind, Kind::Coordinator(CoordinatorRequest::Find { kind: k, .. }) if *k == kind)
            })
        };
        let ready = self.brokers.values().filter(|broker| broker.is_ready());
        let connections = ready.filter_map(|broker| Some((broker.id, broker.connection.as_ref()?)));
        let free = connections.filter(|(_, connection)| !owes(connection));
        // One that owes metadata may be slow.
        let Some((id, _)) = free.min_by_key(|(_, c)| (c.throttled_until > now, c.owes_metadata(), c.in_flight()))
        else {
            self.note_unreachable();
            match self.metadata_source(now) {
                Source::Connect(id) => self.ensure_connected(now, id),
                Source::Wait(until) => self.arm_transaction(until),
                Source::Ask(_) => self.connect_another(now),
            }
            return;
        };
        let key = match kind {
            CoordinatorKind::Transaction => self.transaction.id.clone().unwrap_or_default(),
            CoordinatorKind::Group => self.transaction.links.group_id.clone(),
        };
        let version = match self.transaction_version(Api::FindCoordinator, id) {
            Ok(version) => version,
            Err(why) => {
                self.transaction_fatal(now, Status::FATAL, &why);
                return;
            }
        };
        let until = now + Micros::from_ms(FIND_TIMEOUT_MS.min(self.config.request_timeout_ms));
        self.transaction.links.link(kind).asked_until = Some(until);
        self.arm_transaction(until);
        let client_id = self.config.client_id.clone();
        let deadline = now + Micros::from_ms(self.config.request_timeout_ms);
        let request = Kind::Coordinator(CoordinatorRequest::Find { kind, key: key.clone() });
        self.write(now, id, version, request, deadline, |correlation_id| {
            Frame::plain(encode_find_coordinator(version, correlation_id, &client_id, kind, &key))
        });
    }

    /// Every connected broker has been asked and is silent: one more is connected to, beside them.
    fn connect_another(&mut self, now: Time) {
        let is_making = |broker: &Broker| broker.connection.is_some() && !broker.is_ready();
        if self.brokers.values().any(is_making) {
            // It will be asked when it is there.
            return;
        }
        let idle = self.brokers.values().filter(|broker| broker.connection.is_none() && !broker.is_bootstrap());
        let next =
            idle.min_by_key(|broker| (broker.retry_at, broker.failures)).map(|broker| (broker.id, broker.retry_at));
        match next {
            Some((_, retry_at)) if retry_at > now => self.arm_transaction(retry_at),
            Some((id, _)) => self.ensure_connected(now, id),
            // The first of them has a deadline, and what follows from it asks again.
            None => {}
        }
    }

    /// The usual back-off before the next request.
    pub(super) fn coordinator_backoff(&mut self, now: Time) {
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        self.transaction.links.failures += 1;
        let pause = self.random.backoff(first, most, self.transaction.links.failures);
        self.transaction.links.not_before = now + pause;
    }

    /// The back-off while the coordinator completes the transaction before.
    pub(super) fn coordinator_is_busy(&mut self, now: Time) {
        let (since, times) = self.transaction.links.waits.unwrap_or((now, 0));
        self.transaction.links.waits = Some((since, times.saturating_add(1)));
        let pause_ms = busy_backoff_ms(now.since(since), times);
        self.transaction.links.not_before = now + Micros::from_ms(pause_ms);
    }

    pub(super) fn arm_transaction(&mut self, at: Time) {
        let armed_at = &mut self.transaction.links.armed_at;
        if *armed_at == Time::ZERO || at < *armed_at {
            *armed_at = at;
            self.timers.arm(Timer::Transaction, at);
        }
    }

    /// Says to whoever waits what he waits for.
    pub(super) fn note_waiting(&self, words: &str) {
        let waiters = self.transaction.pending.iter().flat_map(|pending| &pending.waiters);
        let offsets = self.transaction.offsets.iter().map(|call| &call.reply);
        waiters.chain(offsets).for_each(|reply| reply.note(words));
    }

    fn note_unreachable(&self) {
        let in_trouble = self.brokers.values().find(|broker| broker.last_error.is_some());
        let words = in_trouble.map_or_else(String::new, |broker| format!("; {}", broker.trouble()));
        self.note_waiting(&format!("no broker can be asked{words}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_coordinator_is_asked_again_in_milliseconds_and_less_often_when_it_stays_busy() {
        let soon = Micros::from_ms(10);
        let first: Vec<u64> = (0..6).map(|times| busy_backoff_ms(soon, times)).collect();
        assert_eq!(first, [5, 10, 20, 20, 20, 20]);
        assert_eq!(busy_backoff_ms(Micros::from_ms(999), 50), 20);
        assert_eq!(busy_backoff_ms(Micros::from_ms(1_000), 51), 200);
        assert_eq!(busy_backoff_ms(Micros::from_ms(5_000), 60), 1_000);
        assert_eq!(busy_backoff_ms(Micros::from_ms(60_000), u32::MAX), 1_000);
    }
}
