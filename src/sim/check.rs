//! What must hold of every run, whatever went wrong in it.

use std::collections::{BTreeMap, BTreeSet};

use super::Sim;
use super::driver::{Report, Sent};
use super::logins::is_refusal;
use super::watch::Place;
use crate::config::OnInDoubtTimeout;
use crate::error::Status;
use crate::mock::{StoredRecord, UnknownProducer};
use crate::reports::Persisted;
use crate::time::{Micros, Time};

/// Virtual time that the I/O thread may be late: a wake-up's way.
const SLACK: Micros = Micros(1_000);
/// Codes that only a mistake of ours brings about when no broker was told to answer them.
const OUR_MISTAKES: [i32; 8] = [2, 21, 35, 42, 46, 47, 48, 87];

/// Where a record is: partitions and offsets.
type Copies<'a> = Vec<(&'a Place, i64)>;

/// A partition's log: its records, and the base offset of each one's batch.
struct Log {
    records: Vec<StoredRecord>,
    bases: Vec<i64>,
}

impl Log {
    fn base_of(&self, offset: i64) -> i64 {
        let after = self.bases.partition_point(|base| *base <= offset);
        self.bases[after.saturating_sub(1)]
    }
}

impl Sim {
    /// A flush is complete only when everything before it is reported.
    pub(super) fn check_flushes(&mut self) {
        let complete = |flush: &super::driver::Flush| flush.complete_at.is_none() && flush.completion.is_complete();
        if !self.app.flushes.iter().any(complete) {
            return;
        }
        self.take_reports();
        let now = self.now;
        let mut missing = None;
        for flush in self.app.flushes.iter_mut().filter(|flush| complete(flush)) {
            flush.complete_at = Some(now);
            let before = &self.app.sent[..flush.before];
            let is_its = |sent: &Sent| flush.topic.is_none_or(|topic| topic == sent.topic);
            let late = |sent: &Sent| is_its(sent) && sent.is_tagged && sent.report.is_none();
            missing = missing.or(before.iter().position(late));
        }
        if let Some(index) = missing {
            self.fail(format!("a flush is complete, and record {index}, sent before it, has no report"));
        }
    }

    pub(super) fn check_end(&mut self) {
        if self.violation.is_some() {
            return;
        }
        self.take_reports();
        let mut found = self.check_reports();
        if found.is_none() {
            found = self.check_logs();
        }
        if found.is_none() {
            found = self.check_order();
        }
        if found.is_none() {
            found = self.check_failures();
        }
        if found.is_none() {
            found = self.check_transactions();
        }
        if found.is_none() {
            found = self.check_logins();
        }
        if found.is_none() {
            found = self.check_leftovers();
        }
        if let Some(text) = found {
            self.fail(text);
        }
    }

    fn check_leftovers(&self) -> Option<String> {
        let (used, pending) = (self.accumulator.memory.used(), self.reports.pending());
        if used != 0 {
            return Some(format!("{used} bytes of buffer.memory are still in use"));
        }
        if pending != 0 {
            return Some(format!("{pending} reports are pending after all were taken"));
        }
        let open = self.app.flushes.iter().position(|flush| flush.complete_at.is_none())?;
        Some(format!("flush {open} never completed"))
    }

    fn check_reports(&self) -> Option<String> {
        let names: BTreeSet<&str> = self.app.topics.iter().map(|topic| topic.name()).collect();
        for (index, sent) in self.app.sent.iter().enumerate() {
            if !sent.is_tagged {
                continue;
            }
            let Some(report) = &sent.report else { return Some(format!("record {index} has no report")) };
            let topic = self.app.topics[sent.topic].name();
            if report.topic != topic || !names.contains(report.topic.as_str()) {
                return Some(format!("record {index} went to {topic}, its report is of {}", report.topic));
            }
            if sent.partition.is_some_and(|partition| partition as i32 != report.partition) {
                return Some(format!("record {index} has a report of partition {}", report.partition));
            }
            let holds = self.plan.config.on_in_doubt_timeout == OnInDoubtTimeout::Hold && report.attempts > 0;
            let slack = Micros(SLACK.0 + self.faults.stood_still.0);
            if report.finished_at > sent.deadline + slack && !holds {
                let late = report.finished_at.since(sent.deadline).0;
                return Some(format!("the report of record {index} came {late} us after its deadline"));
            }
            if let Some(text) = self.check_report(index, sent, report) {
                return Some(text);
            }
        }
        None
    }

    fn check_report(&self, index: usize, sent: &Sent, report: &Report) -> Option<String> {
        let acks0 = sent.acks.unwrap_or(self.plan.config.acks) == 0;
        let ok = report.status == Status::OK;
        let right = match report.persisted {
            Persisted::Yes => {
                let has_offset = report.offset >= 0 || sent.is_direct.is_some_and(|place| place > 0);
                ok && (has_offset || self.plan.rates.hidden_append > 0) && !acks0
            }
            Persisted::Maybe => !ok || acks0,
            Persisted::No => !ok,
        };
        if !right || ok != report.cause.is_empty() {
            return Some(format!("the report of record {index} contradicts itself: {report:?}"));
        }
        if (report.status == Status::CANCELLED) != sent.is_cancelled {
            let what = if sent.is_cancelled { "was cancelled" } else { "was not cancelled" };
            return Some(format!("record {index} {what}: {report:?}"));
        }
        if is_refusal(report.status) && !self.may_be_refused(report.finished_at) {
            return Some(format!("record {index} was failed for who we are though a broker had let us in: {report:?}"));
        }
        if report.status == Status::DELIVERY_TIMED_OUT {
            let least = self.earliest_deadline();
            let timeout = Micros::from_ms(self.plan.config.delivery_timeout_ms);
            if !self.plan.own_deadlines && report.finished_at < least(sent) {
                return Some(format!("record {index} timed out before its batch could: {report:?}"));
            }
            let settled = self.healed_at + Micros(self.plan.settle_us());
            // Half a response that nobody asked for is only noticed with the next one, which then is late.
            let lingers = self.plan.config.linger_us >= timeout.0
                || self.plan.config.delivery_timeout_ms <= self.plan.config.request_timeout_ms + 1_000;
            // A few batches that take long to be compressed are all the time that a record may have of its own.
            let packing = Micros(self.plan.packing_us.saturating_mul(10));
            let is_compressed_late = self.plan.packers > 0 && sent.own_timeout.is_some_and(|own| own < packing);
            if report.finished_at > settled && !lingers && !is_compressed_late && !self.is_ghost(sent) {
                return Some(format!("record {index} timed out long after the faults had stopped: {report:?}"));
            }
        }
        let code = report.status.code();
        // A transaction that was given up elsewhere is refused everywhere.
        let excused = self.is_transactional() && [47, 48].contains(&code) && self.may_be_fatal();
        // One report stands for all records of a batch that the application filled, and old brokers do not name any.
        let is_unnamed = sent.is_direct.is_some() || self.plan.old_brokers;
        let excused = excused || code == 87 && self.plan.compacted && (sent.key.is_none() || is_unnamed);
        let is_alone = sent.is_direct.is_none() && !self.plan.directs && !self.is_transactional();
        if report.status == Status::BATCH_REFUSED && report.persisted == Persisted::No && is_alone {
            return Some(format!("record {index} could have been sent again without the refused one: {report:?}"));
        }
        if OUR_MISTAKES.contains(&code) && !self.plan.may_answer(code) && !excused {
            return Some(format!("record {index} was refused as only a mistake of ours is: {report:?}"));
        }
        // With few retries a leader that moved long ago is one too many.
        let is_fatal = self.accumulator.fatal().is_some();
        let may_try = self.plan.config.delivery_timeout_ms >= 2_000 && self.plan.config.retries > 100 && !is_fatal;
        // A leader that resigned may have it; one that then knows nothing of the producer refuses it, and it ends in
        // doubt.
        let is_forgotten = [45, 59].contains(&report.status.code()) && report.persisted == Persisted::Maybe;
        let may_be_forgotten = self.plan.rates.producer_expiry > 0
            || self.plan.rates.truncation > 0
            || self.plan.unknown_producer != UnknownProducer::Accept;
        // Something that was sent before, and lingered, has no key.
        let neighbours = [Status::EARLIER_FAILED, Status::BATCH_REFUSED, Status::INVALID_RECORD];
        let is_stopped = self.plan.compacted && neighbours.contains(&report.status);
        if sent.is_tail && !ok && may_try && !(is_forgotten && may_be_forgotten) && !is_stopped {
            return Some(format!("record {index} was sent after everything had settled, and failed: {report:?}"));
        }
        None
    }

    fn is_ghost(&self, sent: &Sent) -> bool {
        self.app.topics[sent.topic].name() == "ghost"
    }

    /// Without deadlines of their own, records expire with the batch that they are in, whose first record may be older.
    fn earliest_deadline(&self) -> impl Fn(&Sent) -> Time {
        let timeout = Micros::from_ms(self.plan.config.delivery_timeout_ms);
        let first = self.app.sent.first().map_or(Time::ZERO, |sent| sent.accepted_at);
        move |_| first + timeout
    }

    fn logs(&self) -> BTreeMap<Place, Log> {
        let mut logs = BTreeMap::new();
        for (name, count) in self.topic_sizes() {
            for index in 0..count {
                let records = self.cluster.records(&name, index).expect("the partition exists");
                let bases = self.cluster.batch_base_offsets(&name, index).expect("the partition exists");
                logs.insert((name.clone(), index), Log { records, bases });
            }
        }
        logs
    }

    /// What reports say against what the brokers have.
    fn check_logs(&self) -> Option<String> {
        let logs = self.logs();
        // Where each record is: partition and offsets.
        let mut copies: BTreeMap<usize, Copies<'_>> = BTreeMap::new();
        for (place, log) in &logs {
            for stored in &log.records {
                let Some(&index) = self.app.by_timestamp.get(&stored.timestamp_ms) else {
                    return Some(format!("{place:?} has a record that was never accepted: {stored:?}"));
                };
                let sent = &self.app.sent[index];
                if self.app.topics[sent.topic].name() != place.0 || sent.partition.is_some_and(|p| p as i32 != place.1)
                {
                    return Some(format!("record {index} is in {place:?}, where it was not sent"));
                }
                if (&stored.key, &stored.value, &stored.headers) != (&sent.key, &sent.value, &sent.headers) {
                    return Some(format!("record {index} is in the log with other bytes: {stored:?}"));
                }
                copies.entry(index).or_default().push((place, stored.offset));
            }
        }
        for (index, sent) in self.app.sent.iter().enumerate() {
            let places = copies.get(&index).map_or(&[][..], |places| &places[..]);
            if places.windows(2).any(|pair| pair[0].0 != pair[1].0) {
                return Some(format!("record {index} is in several partitions: {places:?}"));
            }
            if let Some(report) = &sent.report {
                let there = places.iter().any(|(place, offset)| {
                    place.1 == report.partition && (*offset == report.offset || report.offset < 0)
                });
                let truthful = match report.persisted {
                    Persisted::Yes => there || self.losses.records.contains(&sent.timestamp_ms),
                    Persisted::No => places.is_empty(),
                    Persisted::Maybe => true,
                };
                if !truthful {
                    return Some(format!("record {index} is at {places:?}, and its report says {report:?}"));
                }
            }
            if let Some(text) = self.check_exactly_once(index, sent, places) {
                return Some(text);
            }
            // An answer that was read ends a batch: nothing sends it again.
            let ended = places.iter().filter(|(place, offset)| {
                let base = logs.get(*place).map_or(-1, |log| log.base_of(*offset));
                self.answered.contains(&(place.0.clone(), place.1, base))
            });
            if ended.count() > 1 && self.losses.partitions.is_empty() {
                return Some(format!("record {index} was sent again after an answer for it: {places:?}"));
            }
        }
        None
    }

    /// Order of what is acknowledged, and order of reports, where they are promised.
    fn check_order(&self) -> Option<String> {
        let one_in_flight = self.plan.config.max_in_flight_requests_per_connection == 1;
        let is_idempotent = self.plan.config.enable_idempotence;
        let nothing_is_refused = self.plan.faults_span_us == 0 && !self.plan.compacted;
        let promised = is_idempotent || one_in_flight || nothing_is_refused;
        if !promised {
            return None;
        }
        let mut last: BTreeMap<(usize, i32), (usize, i64)> = BTreeMap::new();
        let mut last_place: BTreeMap<(usize, i32), (usize, usize)> = BTreeMap::new();
        // Own deadlines and purges end later batches before earlier ones.
        // So does a broker that refuses a record, whose neighbours are sent again.
        let in_order =
            !self.plan.own_deadlines && !self.plan.compacted && !self.app.purged && one_in_flight && !is_idempotent;
        for (index, sent) in self.app.sent.iter().enumerate() {
            let Some(report) = sent.report.as_ref().filter(|report| report.partition >= 0) else { continue };
            let partition = (sent.topic, report.partition);
            if report.persisted == Persisted::Yes
                && report.offset >= 0
                && !self.losses.records.contains(&sent.timestamp_ms)
                && let Some((before, offset)) = last.insert(partition, (index, report.offset))
                && offset >= report.offset
            {
                return Some(format!(
                    "records {before} and {index} changed places: offsets {offset}, {}",
                    report.offset
                ));
            }
            // What is taken back is reported at once.
            let was_batched = ![Status::UNKNOWN_PARTITION, Status::CANCELLED].contains(&report.status);
            if in_order
                && was_batched
                && let Some((before, place)) = last_place.insert(partition, (index, report.place))
                && place > report.place
            {
                return Some(format!("the reports of records {before} and {index} changed places"));
            }
        }
        None
    }
}
