use super::*;
use crate::driver::{Refusal, Report};
use crate::load::numbered;
use crate::record::Record;

/// A run in which everything went well: `count` records in one partition.
fn good(count: usize) -> (Outcome, Vec<LogRecord>) {
    let mut outcome = Outcome::default();
    let mut log = Vec::new();
    for index in 0..count {
        let record = numbered("t", index, 50);
        let offset = i64::try_from(index).expect("fits");
        outcome.reports.push(report(index, &record, offset));
        log.push(LogRecord { partition: 0, offset, timestamp_ms: 7, content: record.content.clone() });
        outcome.sent.push(record);
    }
    (outcome, log)
}

fn report(index: usize, record: &Record, offset: i64) -> Report {
    Report {
        index,
        status: 0,
        name: "OK".to_owned(),
        partition: 0,
        offset,
        persisted: Persisted::Yes,
        timestamp_ms: 7,
        key_len: record.content.key.as_ref().map_or(-1, |bytes| bytes.len() as i64),
        value_len: record.content.value.as_ref().map_or(-1, |bytes| bytes.len() as i64),
        attempts: 1,
        text: String::new(),
    }
}

fn fail(outcome: &mut Outcome, index: usize, persisted: Persisted) {
    let report = &mut outcome.reports[index];
    (report.status, report.offset, report.persisted) = (7, -1, persisted);
}

#[test]
fn a_good_run_breaks_nothing() {
    let (outcome, log) = good(20);
    assert_eq!(check(&outcome, &log, Promise::HEALTHY), []);
}

#[test]
fn a_missing_acknowledged_record_is_found() {
    let (outcome, mut log) = good(20);
    log.remove(5);
    assert_eq!(
        check(&outcome, &log, Promise::FAULTS),
        [Violation::LostAcknowledged { index: 5, partition: 0, offset: 5 }]
    );
}

#[test]
fn an_altered_byte_is_found() {
    for alter in [
        (|content| content.value.as_mut().expect("a value")[20] ^= 1) as fn(&mut Content),
        |content| content.key = None,
        |content| content.headers.push((String::new(), None)),
    ] {
        let (outcome, mut log) = good(20);
        alter(&mut log[5].content);
        let violations = check(&outcome, &log, Promise::FAULTS);
        assert!(violations.contains(&Violation::Altered { index: 5, partition: 0, offset: 5 }), "{violations:?}");
        assert!(violations.contains(&Violation::Foreign { partition: 0, offset: 5 }), "{violations:?}");
    }
}

#[test]
fn null_and_empty_are_not_the_same() {
    let (mut outcome, mut log) = good(1);
    outcome.sent[0].content.value = Some(Vec::new());
    outcome.reports[0].value_len = 0;
    log[0].content.value = None;
    assert!(!check(&outcome, &log, Promise::HEALTHY).is_empty());
}

#[test]
fn a_duplicate_is_found_unless_it_is_permitted() {
    let (outcome, mut log) = good(20);
    let twice = LogRecord { offset: 20, ..log[5].clone() };
    log.push(twice);
    assert_eq!(check(&outcome, &log, Promise::HEALTHY), [Violation::Duplicate(5)]);
    assert_eq!(check(&outcome, &log, Promise::FAULTS_IN_ORDER), []);
}

#[test]
fn missing_and_repeated_reports_are_found() {
    let (mut outcome, log) = good(20);
    let repeated = outcome.reports[3].clone();
    outcome.reports.remove(5);
    outcome.reports.push(repeated);
    outcome.reports.push(Report { index: 99, ..outcome.reports[0].clone() });
    let violations = check(&outcome, &log, Promise::FAULTS);
    for expected in [Violation::NoReport(5), Violation::TooManyReports(3), Violation::UnknownReport(99)] {
        assert!(violations.contains(&expected), "{violations:?}");
    }
}

#[test]
fn a_record_said_not_to_be_written_must_not_be_in_the_log() {
    let (mut outcome, log) = good(20);
    fail(&mut outcome, 5, Persisted::No);
    assert_eq!(check(&outcome, &log, Promise::FAULTS), [Violation::InLogAgainstReport(5)]);
    fail(&mut outcome, 5, Persisted::Maybe);
    assert_eq!(check(&outcome, &log, Promise::FAULTS), []);
}

#[test]
fn a_refused_record_needs_no_report_and_must_not_be_in_the_log() {
    let (mut outcome, mut log) = good(20);
    outcome.reports.remove(5);
    outcome.refusals.push(Refusal { index: 5, status: -1, text: String::new() });
    assert_eq!(check(&outcome, &log, Promise::FAULTS), [Violation::InLogAgainstReport(5)]);
    log.remove(5);
    assert_eq!(check(&outcome, &log, Promise::FAULTS), []);
}

#[test]
fn two_reports_of_one_place_are_found() {
    let (mut outcome, log) = good(20);
    outcome.reports[6].offset = 5;
    assert!(check(&outcome, &log, Promise::FAULTS).contains(&Violation::SamePlace(5, 6)));
}

#[test]
fn swapped_records_are_out_of_order() {
    let (mut outcome, mut log) = good(20);
    let (one, other) = (log[5].content.clone(), log[6].content.clone());
    (log[5].content, log[6].content) = (other, one);
    (outcome.reports[5].offset, outcome.reports[6].offset) = (6, 5);
    assert_eq!(check(&outcome, &log, Promise::HEALTHY), [Violation::OutOfOrder { index: 5, after: 6 }]);
    assert_eq!(check(&outcome, &log, Promise::FAULTS), []);
}

#[test]
fn a_report_with_wrong_facts_is_found() {
    let (mut outcome, log) = good(20);
    outcome.reports[4].key_len += 1;
    outcome.reports[5].timestamp_ms = 8;
    outcome.reports[6].persisted = Persisted::No;
    let violations = check(&outcome, &log, Promise::FAULTS);
    for (index, fact) in
        [(4, "key length"), (5, "timestamp differs from the log's"), (6, "succeeded but not persisted")]
    {
        assert!(violations.contains(&Violation::WrongReport { index, fact }), "{violations:?}");
    }
}
