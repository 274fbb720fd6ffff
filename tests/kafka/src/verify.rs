//! Compares what was sent, what was reported and what the log holds: the judge of every test here.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::driver::{Outcome, Persisted};
use crate::record::{Content, LogRecord};

/// What the run's settings promise beyond the rules that always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// A record may be in the log twice, because an attempt without an answer was repeated.
    pub duplicates: bool,
    /// Records of a partition stand in the log in the order they were sent in.
    pub order: bool,
    /// A success says where the record is; with acks=0 it says nothing.
    pub offsets: bool,
}

impl Promise {
    /// A cluster in good health: each record once, in order, at its offset.
    pub const HEALTHY: Self = Self { duplicates: false, order: true, offsets: true };
    /// Faults without idempotence, one request in flight: in order, repeated attempts.
    pub const FAULTS_IN_ORDER: Self = Self { duplicates: true, order: true, offsets: true };
    /// Faults without idempotence, several requests in flight.
    pub const FAULTS: Self = Self { duplicates: true, order: false, offsets: true };
}

/// A broken promise. Records are named by their index in the order of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An accepted record without a report.
    NoReport(usize),
    /// A record with more than one report, or a refused one with any.
    TooManyReports(usize),
    /// A report for a record nobody sent.
    UnknownReport(usize),
    /// An acknowledged record is not at the place its report names.
    LostAcknowledged { index: usize, partition: i32, offset: i64 },
    /// An acknowledged record's place holds something else.
    Altered { index: usize, partition: i32, offset: i64 },
    /// Two reports name the same place.
    SamePlace(usize, usize),
    /// A report's facts contradict the record: partition, timestamp, lengths or persisted.
    WrongReport { index: usize, fact: &'static str },
    /// The log holds a record whose report says it is not there, or that was refused.
    InLogAgainstReport(usize),
    /// The log holds a record more often than promised.
    Duplicate(usize),
    /// The log holds a record nobody sent.
    Foreign { partition: i32, offset: i64 },
    /// In the log after a record that was sent later.
    OutOfOrder { index: usize, after: usize },
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

/// Panics with the first violations unless all promises were kept.
pub fn assert_kept(outcome: &Outcome, log: &[LogRecord], promise: Promise) {
    let violations = check(outcome, log, promise);
    let shown: Vec<String> = violations.iter().take(10).map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{} promises broken, the first: {}", violations.len(), shown.join("\n"));
}

/// All violations of a run that sent to one topic. Records with equal content are interchangeable where only the content can
/// tell them apart, so loads number their records.
pub fn check(outcome: &Outcome, log: &[LogRecord], promise: Promise) -> Vec<Violation> {
    let mut violations = Vec::new();
    check_reports(outcome, &mut violations);
    if promise.offsets {
        check_places(outcome, log, &mut violations);
    }
    check_log(outcome, log, promise, &mut violations);
    if promise.order {
        check_order(outcome, log, &mut violations);
    }
    violations
}

/// Exactly one report per accepted record, and its facts are the record's.
fn check_reports(outcome: &Outcome, violations: &mut Vec<Violation>) {
    let mut expected: Vec<i64> = vec![1; outcome.sent.len()];
    for refusal in &outcome.refusals {
        if let Some(count) = expected.get_mut(refusal.index) {
            *count -= 1;
        }
    }
    for report in &outcome.reports {
        let index = report.index;
        let Some(record) = outcome.sent.get(index) else {
            violations.push(Violation::UnknownReport(index));
            continue;
        };
        expected[index] -= 1;
        let mut fact = |right: bool, fact| {
            if !right {
                violations.push(Violation::WrongReport { index, fact });
            }
        };
        fact(report.key_len == record.content.key.as_ref().map_or(-1, |bytes| bytes.len() as i64), "key length");
        fact(report.value_len == record.content.value.as_ref().map_or(-1, |bytes| bytes.len() as i64), "value length");
        fact(record.partition.is_none_or(|partition| partition == report.partition), "partition");
        fact(record.timestamp_ms.is_none_or(|time| time == report.timestamp_ms), "timestamp");
        fact(report.status == 0 || report.persisted != Persisted::Yes, "failed but persisted");
        fact(report.status != 0 || report.persisted != Persisted::No, "succeeded but not persisted");
    }
    for (index, count) in expected.into_iter().enumerate() {
        match count {
            0 => {}
            1.. => violations.push(Violation::NoReport(index)),
            _ => violations.push(Violation::TooManyReports(index)),
        }
    }
}

/// Every acknowledged record is at its offset, alone, with its timestamp.
fn check_places(outcome: &Outcome, log: &[LogRecord], violations: &mut Vec<Violation>) {
    let places: HashMap<(i32, i64), &LogRecord> =
        log.iter().map(|record| ((record.partition, record.offset), record)).collect();
    let mut taken: HashMap<(i32, i64), usize> = HashMap::new();
    for report in outcome.reports.iter().filter(|report| report.status == 0) {
        let (index, partition, offset) = (report.index, report.partition, report.offset);
        let Some(record) = outcome.sent.get(index) else { continue };
        match places.get(&(partition, offset)) {
            None => violations.push(Violation::LostAcknowledged { index, partition, offset }),
            Some(found) if found.content != record.content => {
                violations.push(Violation::Altered { index, partition, offset });
            }
            Some(found) if found.timestamp_ms != report.timestamp_ms => {
                violations.push(Violation::WrongReport { index, fact: "timestamp differs from the log's" });
            }
            Some(_) => {}
        }
        match taken.insert((partition, offset), index) {
            Some(other) if other != index => violations.push(Violation::SamePlace(other, index)),
            _ => {}
        }
    }
}

/// The log holds nothing that was not sent, nothing that was reported as not written, and nothing too often.
fn check_log(outcome: &Outcome, log: &[LogRecord], promise: Promise, violations: &mut Vec<Violation>) {
    let reports = outcome.by_index();
    // Per content: how many records may be there, and one of those that carry it.
    let mut allowed: HashMap<&Content, (usize, usize)> = HashMap::new();
    for (index, record) in outcome.sent.iter().enumerate() {
        let may_be_there = reports.get(&index).is_some_and(|report| report.persisted != Persisted::No);
        let entry = allowed.entry(&record.content).or_insert((0, index));
        entry.0 += usize::from(may_be_there);
    }
    let mut found: HashMap<&Content, usize> = HashMap::new();
    for record in log {
        let Some((count, index)) = allowed.get(&record.content) else {
            violations.push(Violation::Foreign { partition: record.partition, offset: record.offset });
            continue;
        };
        let seen = found.entry(&record.content).or_insert(0);
        *seen += 1;
        if *count == 0 {
            violations.push(Violation::InLogAgainstReport(*index));
        } else if *seen > *count && !promise.duplicates {
            violations.push(Violation::Duplicate(*index));
        }
    }
}

/// First appearances in each partition rise by index. Records whose content is not unique are left out.
fn check_order(outcome: &Outcome, log: &[LogRecord], violations: &mut Vec<Violation>) {
    let mut indices: HashMap<&Content, Option<usize>> = HashMap::new();
    for (index, record) in outcome.sent.iter().enumerate() {
        indices.entry(&record.content).and_modify(|known| *known = None).or_insert(Some(index));
    }
    let mut last: BTreeMap<i32, usize> = BTreeMap::new();
    let mut seen: HashMap<(i32, usize), ()> = HashMap::new();
    for record in log {
        let Some(Some(index)) = indices.get(&record.content).copied() else { continue };
        if seen.insert((record.partition, index), ()).is_some() {
            continue;
        }
        match last.insert(record.partition, index) {
            Some(after) if after > index => violations.push(Violation::OutOfOrder { index, after }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
