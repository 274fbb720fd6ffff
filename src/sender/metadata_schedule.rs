//! Which topics the next metadata request names, and when it is due.
//!
//! A topic that is new is asked for at once and without the others: with all of them, the cost of many topics would
//! grow with their square. A topic in trouble (a lost leader, an error that may pass) is asked for again with a
//! back-off of its own. Everything in use is asked for when `metadata.max.age.ms` has passed.
//!
//! Brokers create what a request names, if the request allows it. So topics that nothing waits for are never named
//! together with those that are to be created: one that was deleted stays deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::conn_id::ConnId;
use crate::time::{Micros, Time};

#[derive(Debug)]
pub struct MetadataSchedule {
    /// Topics of which no broker has said anything yet.
    new: BTreeSet<u32>,
    /// Topics that are asked for again.
    troubled: BTreeMap<u32, AskAgain>,
    /// An answer is wanted for the sake of the brokers that it names.
    wants_brokers: bool,
    /// Everything in use is to be asked for.
    wants_all: bool,
    /// When everything in use is too old, and how long after it was asked for.
    refresh_at: Time,
    max_age: Micros,
    /// Requests that are not about new topics only have a pause between them, whatever they name.
    spaced_until: Time,
    /// Whether the last request might create topics: those that must not take turns with it.
    was_creating: bool,
    /// Requests in a row whose answers were of no use at all.
    useless: u32,
    /// The connection whose answer is awaited, and until when.
    under_way: Option<(ConnId, Time)>,
    /// What each connection was asked and has not answered: an answer says nothing about other topics.
    named: BTreeMap<ConnId, Named>,
    /// More is wanted than when this was last looked at.
    has_changed: bool,
}

/// A topic that is asked for again: not before this, and how often it was asked for without success.
#[derive(Clone, Copy, Debug, Default)]
struct AskAgain {
    not_before: Time,
    attempts: u32,
}

/// What one request named.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Each with how often it was asked for before without success.
    pub topics: Vec<(u32, u32)>,
    /// Everything that was in use.
    is_full: bool,
    asked_at: Time,
}

/// A request to be written.
#[derive(Debug, PartialEq, Eq)]
pub struct MetadataRequest {
    pub topics: Vec<u32>,
    /// Brokers may create those that do not exist.
    pub may_create: bool,
}

impl MetadataSchedule {
    pub fn new(now: Time, max_age: Micros) -> MetadataSchedule {
        MetadataSchedule {
            new: BTreeSet::new(),
            troubled: BTreeMap::new(),
            wants_brokers: true,
            wants_all: false,
            refresh_at: now + max_age,
            max_age,
            spaced_until: Time::ZERO,
            was_creating: false,
            useless: 0,
            under_way: None,
            named: BTreeMap::new(),
            has_changed: true,
        }
    }

    /// The topic is asked for at once. Nothing changes where it is being asked for already.
    pub fn want_new(&mut self, topic: u32) {
        if !self.troubled.contains_key(&topic) && !self.is_named(topic) {
            self.has_changed |= self.new.insert(topic);
        }
    }

    /// Something is wrong with the topic: it is asked for as soon as the pauses allow.
    pub fn want(&mut self, topic: u32) {
        if !self.new.contains(&topic) {
            self.has_changed |= !self.troubled.contains_key(&topic);
            self.troubled.entry(topic).or_default();
        }
    }

    /// Whether more has come to be wanted since the last time.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    /// Some answer is wanted, whatever it names.
    pub fn want_brokers(&mut self) {
        self.has_changed |= !self.wants_brokers;
        self.wants_brokers = true;
    }

    /// Nothing is to be asked about the topic any more.
    pub fn forget(&mut self, topic: u32) {
        self.new.remove(&topic);
        self.troubled.remove(&topic);
    }

    fn is_named(&self, topic: u32) -> bool {
        let Some((conn, _)) = self.under_way else { return false };
        self.named.get(&conn).is_some_and(|named| named.topics.iter().any(|(id, _)| *id == topic))
    }

    /// When the next request is due; `Time::ZERO` is now. While an answer is awaited there is none: then until when.
    pub fn due_at(&mut self, now: Time) -> Time {
        if let Some((_, until)) = self.under_way {
            return until;
        }
        if now >= self.refresh_at {
            self.wants_all = true;
        }
        if !self.new.is_empty() {
            return Time::ZERO;
        }
        let mut at = self.refresh_at;
        if self.wants_brokers || self.wants_all {
            at = Time::ZERO;
        } else if let Some(first) = self.troubled.values().map(|pause| pause.not_before).min() {
            at = at.min(first);
        }
        at.max(self.spaced_until)
    }

    /// What the request says that is written now, to be noted by `asked`. `all` gives the topics in use; `creates` says
    /// which of them are to be created if need be. `slack`: pauses that end so soon are over.
    pub fn next(
        &self,
        now: Time,
        slack: Micros,
        all: impl FnOnce() -> Vec<u32>,
        creates: impl Fn(u32) -> bool,
    ) -> MetadataRequest {
        let mut topics: BTreeSet<u32> = self.new.clone();
        if now >= self.spaced_until {
            let due = self.troubled.iter().filter(|(_, pause)| pause.not_before <= now + slack);
            topics.extend(due.map(|(topic, _)| *topic));
            if self.wants_all {
                topics.extend(all());
            }
        }
        let (created, others): (Vec<u32>, Vec<u32>) = topics.into_iter().partition(|topic| creates(*topic));
        let may_create = match (created.is_empty(), others.is_empty()) {
            (true, _) => false,
            (_, true) => true,
            // In turns, so that one kind cannot keep the other waiting.
            _ => !self.was_creating,
        };
        MetadataRequest { topics: if may_create { created } else { others }, may_create }
    }

    /// The request was written to this connection; its answer is awaited until then. `pause` is the least before the
    /// next one.
    pub fn asked(&mut self, now: Time, conn: ConnId, until: Time, pause: Micros, request: MetadataRequest) {
        let is_spaced = now >= self.spaced_until;
        let is_about_new = !request.topics.is_empty() && request.topics.iter().all(|topic| self.new.contains(topic));
        let mut named = Named { asked_at: now, ..Named::default() };
        for topic in request.topics {
            self.new.remove(&topic);
            let attempts = self.troubled.remove(&topic).map_or(0, |pause| pause.attempts);
            named.topics.push((topic, attempts));
        }
        if is_spaced && !request.may_create {
            named.is_full = std::mem::take(&mut self.wants_all);
        }
        self.wants_brokers = false;
        self.was_creating = request.may_create;
        if !is_about_new || named.is_full {
            self.spaced_until = now + pause;
        }
        self.under_way = Some((conn, until));
        self.named.insert(conn, named);
    }

    /// The connection that has kept us waiting for too long: its topics are asked for elsewhere.
    pub fn overdue(&mut self, now: Time) -> Option<ConnId> {
        let (conn, until) = self.under_way?;
        if now < until {
            return None;
        }
        self.under_way = None;
        if let Some(named) = self.named.get(&conn).cloned() {
            self.ask_again(&named, now);
        }
        Some(conn)
    }

    /// The connection has ended. True when an answer was awaited from it.
    pub fn connection_lost(&mut self, conn: ConnId) -> bool {
        let named = self.named.remove(&conn);
        if self.under_way.is_none_or(|(asked, _)| asked != conn) {
            // It was given up before.
            return false;
        }
        self.under_way = None;
        if let Some(named) = named {
            let not_before = self.spaced_until.max(named.asked_at);
            self.ask_again(&named, not_before);
        }
        true
    }

    /// The connection has answered: what it was asked. `is_useful`: the answer tells something. When it does not,
    /// everything is asked again, after `pause` of the number of such answers in a row.
    pub fn answered(
        &mut self,
        now: Time,
        conn: ConnId,
        is_useful: bool,
        pause: impl FnOnce(u32) -> Micros,
    ) -> Option<Named> {
        let named = self.named.remove(&conn).unwrap_or_default();
        if self.under_way.is_some_and(|(asked, _)| asked == conn) {
            self.under_way = None;
        }
        if is_useful {
            self.useless = 0;
            if named.is_full {
                self.refresh_at = now + self.max_age;
            }
            return Some(named);
        }
        self.useless += 1;
        self.spaced_until = self.spaced_until.max(named.asked_at + pause(self.useless));
        self.ask_again(&named, Time::ZERO);
        None
    }

    fn ask_again(&mut self, named: &Named, not_before: Time) {
        self.wants_all |= named.is_full;
        self.wants_brokers |= named.topics.is_empty();
        for (topic, attempts) in &named.topics {
            if !named.is_full || *attempts > 0 {
                self.troubled.entry(*topic).or_insert(AskAgain { not_before, attempts: *attempts });
            }
        }
    }

    /// What an answer said of a topic that it was asked for `attempts` times before: `settled`, or it is asked for
    /// again after `pause` of the number of attempts.
    pub fn told(&mut self, named: &Named, topic: u32, attempts: u32, settled: bool, pause: impl FnOnce(u32) -> Micros) {
        if settled {
            return;
        }
        let attempts = attempts + 1;
        let not_before = named.asked_at + pause(attempts);
        let entry = self.troubled.entry(topic).or_default();
        *entry = AskAgain { not_before, attempts };
    }
}

#[cfg(test)]
mod tests;
