//! The way to a coordinator: looking it up, connecting to it, and the pauses between questions. One request at a time
//! is asked of coordinators; searches go to any broker, and to another one when the first is slow.

use std::collections::BTreeMap;

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

/// Whose coordinator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whose {
    Transaction,
    /// That of the group with this id.
    Group(String),
}

impl Whose {
    pub fn kind(&self) -> CoordinatorKind {
        match self {
            Whose::Transaction => CoordinatorKind::Transaction,
            Whose::Group(_) => CoordinatorKind::Group,
        }
    }
}

/// The ways to the coordinators, and when the next request may go.
#[derive(Default)]
pub struct Links {
    transaction: Link,
    /// By group id.
    groups: BTreeMap<String, Link>,
    /// A request other than a search waits for its answer.
    is_asked: bool,
    /// When the timer was last armed for; zero when it is not.
    armed_at: Time,
}

/// Programs have one group as a rule. With more than these some are looked up again.
const GROUPS_MAX: usize = 16;

/// The way to one coordinator.
#[derive(Default)]
struct Link {
    node: Option<i32>,
    /// It was looked up since the last attempt to connect to it.
    is_fresh: bool,
    /// A search is under way; at that time another broker is asked.
    asked_until: Option<Time>,
    search: Backoff,
    requests: Backoff,
    /// Since when the coordinator answers that the transaction before is being completed, and how often it has.
    waits: Option<(Time, u32)>,
}

/// A pause with its exponent.
#[derive(Default)]
struct Backoff {
    not_before: Time,
    failures: u32,
}

/// Earlier transactions end in milliseconds as a rule.
const WAIT_FIRST_MS: u64 = 5;
const WAIT_MOST_MS: u64 = 20;

/// What the back-off is when the coordinator has answered `times` times, for `since`, that it is busy with the
/// transaction before: short at first, longer when there must be more to it.
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
    pub fn succeeded(&mut self, whose: &Whose) {
        let link = self.link(whose);
        link.waits = None;
        link.search = Backoff::default();
        link.requests = Backoff::default();
    }

    pub fn asked(&mut self) {
        self.is_asked = true;
    }

    pub fn answered(&mut self) {
        self.is_asked = false;
    }

    /// Until when nothing is asked there, if that is later than `now`.
    pub fn pause_until(&self, now: Time, whose: &Whose) -> Option<Time> {
        let not_before = self.known(whose)?.requests.not_before;
        (now < not_before).then_some(not_before)
    }

    /// How long the coordinator has been answering that the transaction before is being completed.
    pub fn busy_for(&self, now: Time, whose: &Whose) -> Micros {
        self.known(whose).and_then(|link| link.waits).map_or(Micros::ZERO, |(since, _)| now.since(since))
    }

    /// The coordinator, as far as it is known.
    pub fn node(&self, whose: &Whose) -> Option<i32> {
        self.known(whose)?.node
    }

    pub fn found(&mut self, whose: &Whose, node: i32) {
        let link = self.link(whose);
        link.node = Some(node);
        link.is_fresh = true;
        link.asked_until = None;
    }

    /// Whether an answer about this coordinator is still of interest.
    pub fn seeks(&self, whose: &Whose) -> bool {
        self.known(whose).is_some_and(|link| link.node.is_none())
    }

    /// The search ended with its connection, which says nothing about the coordinator: the pause before the next one
    /// does not grow. A broker that closes connections after a time shorter than a grown pause would close each one
    /// before it is asked.
    pub fn search_lost(&mut self, whose: &Whose, not_before: Time) {
        let link = self.link(whose);
        link.asked_until = None;
        link.search.not_before = not_before;
    }

    /// The search that is under way has come to nothing.
    pub fn search_ended(&mut self, whose: &Whose) {
        self.link(whose).asked_until = None;
    }

    /// Nobody waits for the coordinator of a group any more.
    pub fn drop_group_searches(&mut self) {
        self.groups.retain(|_, link| link.node.is_some());
    }

    fn known(&self, whose: &Whose) -> Option<&Link> {
        match whose {
            Whose::Transaction => Some(&self.transaction),
            Whose::Group(id) => self.groups.get(id),
        }
    }

    fn link(&mut self, whose: &Whose) -> &mut Link {
        match whose {
            Whose::Transaction => &mut self.transaction,
            Whose::Group(id) => {
                if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(id) {
                    self.groups.pop_first();
                }
                self.groups.entry(id.clone()).or_default()
            }
        }
    }
}

impl Sender {
    /// The coordinator's broker, if it can be asked now; else whatever leads there is under way.
    pub(super) fn coordinator(&mut self, now: Time, whose: &Whose) -> Option<i32> {
        let link = self.transaction.links.link(whose);
        let Some(id) = link.node else {
            self.find_coordinator(now, whose);
            return None;
        };
        let is_fresh = link.is_fresh;
        let Some(broker) = self.brokers.get(&id) else {
            // It has left the cluster. Nothing else may happen that would bring us back here.
            self.forget_coordinator(now, whose);
            self.find_coordinator(now, whose);
            return None;
        };
        if let Some(connection) = &broker.connection {
            if !connection.takes_requests() {
                return None;
            }
            let until = connection.throttle.until;
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
                self.forget_coordinator(now, whose);
                self.find_coordinator(now, whose);
                return None;
            }
        }
        if retry_at > now {
            self.arm_transaction(retry_at);
        } else {
            self.transaction.links.link(whose).is_fresh = false;
            self.ensure_connected(now, id);
        }
        None
    }

    /// The coordinator is looked for again: at once the first time, then with back-off.
    pub(super) fn forget_coordinator(&mut self, now: Time, whose: &Whose) {
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        let link = self.transaction.links.link(whose);
        link.node = None;
        link.search.failures += 1;
        let failures = link.search.failures;
        if failures > 1 {
            let pause = self.random.backoff(first, most, failures - 1);
            self.transaction.links.link(whose).search.not_before = now + pause;
        }
    }

    fn find_coordinator(&mut self, now: Time, whose: &Whose) {
        let link = self.transaction.links.link(whose);
        let wait_until = link.asked_until.unwrap_or(Time::ZERO).max(link.search.not_before);
        if now < wait_until {
            self.arm_transaction(wait_until);
            return;
        }
        let owes = |connection: &Connection| {
            connection.requests.iter().any(|request| {
                matches!(&request.kind, Kind::Coordinator(CoordinatorRequest::Find(sought)) if sought == whose)
            })
        };
        let ready = self.brokers.values().filter(|broker| broker.takes_requests());
        let connections = ready.filter_map(|broker| Some((broker.id, broker.connection.as_ref()?)));
        let free = connections.filter(|(_, connection)| !owes(connection));
        // One that owes metadata may be slow.
        let Some((id, _)) = free.min_by_key(|(_, c)| (c.throttle.until > now, c.owes_metadata(), c.in_flight())) else {
            self.note_unreachable();
            match self.metadata_source(now) {
                Source::Connect(id) => self.ensure_connected(now, id),
                Source::Wait(until) => self.arm_transaction(until),
                Source::Ask(_) => self.connect_another(now),
            }
            return;
        };
        let key = match whose {
            Whose::Transaction => self.transaction.id.clone().unwrap_or_default(),
            Whose::Group(id) => id.clone(),
        };
        let kind = whose.kind();
        let version = match self.transaction_version(Api::FindCoordinator, id) {
            Ok(version) => version,
            Err(why) => {
                self.transaction_fatal(now, Status::FATAL, &why);
                return;
            }
        };
        let until = now + Micros::from_ms(FIND_TIMEOUT_MS.min(self.config.request_timeout_ms));
        self.transaction.links.link(whose).asked_until = Some(until);
        self.arm_transaction(until);
        let client_id = self.config.client_id.clone();
        let deadline = now + Micros::from_ms(self.config.request_timeout_ms);
        let request = Kind::Coordinator(CoordinatorRequest::Find(whose.clone()));
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
    pub(super) fn coordinator_backoff(&mut self, now: Time, whose: &Whose) {
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        let requests = &mut self.transaction.links.link(whose).requests;
        requests.failures += 1;
        requests.not_before = now + self.random.backoff(first, most, requests.failures);
    }

    /// The back-off while the coordinator completes the transaction before.
    pub(super) fn coordinator_is_busy(&mut self, now: Time, whose: &Whose) {
        let link = self.transaction.links.link(whose);
        let (since, times) = link.waits.unwrap_or((now, 0));
        link.waits = Some((since, times.saturating_add(1)));
        link.requests.not_before = now + Micros::from_ms(busy_backoff_ms(now.since(since), times));
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
    fn the_ways_to_several_groups_are_kept_and_their_pauses_are_their_own() {
        let mut links = Links::default();
        let group = |number: usize| Whose::Group(format!("{number:02}"));
        for number in 0..GROUPS_MAX {
            links.found(&group(number), number as i32);
        }
        assert!((0..GROUPS_MAX).all(|number| links.node(&group(number)) == Some(number as i32)));
        links.found(&group(99), 99);
        assert_eq!((links.groups.len(), links.node(&group(99))), (GROUPS_MAX, Some(99)));
        links.link(&group(1)).requests.not_before = Time(9);
        assert_eq!(links.pause_until(Time(5), &group(1)), Some(Time(9)));
        assert_eq!(links.pause_until(Time(5), &group(2)), None);
        assert_eq!(links.pause_until(Time(5), &Whose::Transaction), None);
    }

    #[test]
    fn searches_for_groups_end_with_the_offsets_that_needed_them() {
        let mut links = Links::default();
        let (known, sought) = (Whose::Group("known".into()), Whose::Group("sought".into()));
        links.found(&known, 1);
        links.link(&sought).asked_until = Some(Time(9));
        assert!(links.seeks(&sought));
        links.drop_group_searches();
        assert!(!links.seeks(&sought) && links.node(&known) == Some(1));
    }

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
