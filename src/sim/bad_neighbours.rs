//! A broker refuses a record and names it (KIP-467): its topic is compacted, and the record has no key. It fails alone where that
//! is safe. Each comment names the mutant in `tests/mutants` that takes the rule away.

use super::Sim;
use super::coordination::TRANSACTIONAL_ID;
use super::hands::scenario;
use super::plan::Plan;
use crate::accumulator::TransactionCall;
use crate::codec::{Codec, Compression};
use crate::config::OnFailure;
use crate::error::Status;
use crate::mock::api_key;
use crate::reports::{Persisted, Phase};
use crate::time::Micros;

/// A compacted topic of one partition, whose leader has acknowledged a record already.
fn compacted(edit: impl FnOnce(&mut Plan)) -> Sim {
    let mut sim = scenario(|plan| {
        plan.config.enable_idempotence = true;
        plan.config.linger_us = 5_000;
        plan.compacted = true;
        edit(plan);
    });
    if sim.plan.config.transactional_id.is_none() {
        say(&mut sim, true);
        sim.run_for(100);
    }
    sim
}

/// A record with a key or, which its topic does not take, without one.
fn say(sim: &mut Sim, has_key: bool) -> usize {
    let value = format!("record {}", sim.app.sent.len()).into_bytes();
    let sent = sim.record(0, Some(0), has_key.then(|| b"key".to_vec()), Some(value), Vec::new(), None, true);
    assert!(sim.send(sent, 0), "there is memory");
    sim.app.sent.len() - 1
}

/// One batch of ten, of which these have no key.
fn say_ten(sim: &mut Sim, without: &[usize]) -> Vec<usize> {
    (0..10).map(|place| say(sim, !without.contains(&place))).collect()
}

fn statuses(sim: &Sim, records: &[usize]) -> Vec<Status> {
    records.iter().map(|index| sim.report(*index).status).collect()
}

fn assert_only(sim: &Sim, records: &[usize], bad: &[usize]) {
    for (place, index) in records.iter().enumerate() {
        let report = sim.report(*index);
        if bad.contains(&place) {
            let told = (report.status, report.persisted, report.phase);
            assert_eq!(told, (Status::INVALID_RECORD, Persisted::No, Phase::Answered), "record {place}");
        } else {
            assert_eq!((report.status, report.persisted), (Status::OK, Persisted::Yes), "record {place}");
        }
    }
}

#[test]
fn records_that_are_named_fail_alone_whatever_protects_the_batch() {
    for (enable_idempotence, codec) in
        [(true, Codec::None), (true, Codec::Zstd), (true, Codec::Gzip), (false, Codec::None), (false, Codec::Lz4)]
    {
        for bad in [&[4][..], &[0], &[9], &[0, 9], &[1, 2, 3], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
            let mut sim = compacted(|plan| {
                plan.config.enable_idempotence = enable_idempotence;
                plan.config.compression = Compression { codec, level: 1 };
            });
            let records = say_ten(&mut sim, bad);
            sim.run_for(500);
            assert_only(&sim, &records, bad);
            let later = say(&mut sim, true);
            sim.run_for(200);
            assert!(sim.is_delivered(later));
            assert_eq!(sim.values(0).len(), 12 - bad.len());
            // Their numbers were free: no epoch was spent on it.
            assert_eq!(sim.watch.counts.bumps, 0);
            sim.finish();
        }
    }
}

#[test]
fn a_batch_of_records_that_are_all_named_fails_whole() {
    let mut sim = compacted(|_| ());
    let all: Vec<usize> = (0..10).collect();
    let records = say_ten(&mut sim, &all);
    sim.run_for(500);
    assert_only(&sim, &records, &all);
    assert_eq!(sim.requests(api_key::PRODUCE), 2, "nothing is left to be sent again");
    sim.finish();
}

// named-numbers-shared: later batches in flight have numbers that follow the refused one's.
#[test]
fn batches_in_flight_behind_a_refused_record_come_after_its_neighbours_under_a_new_epoch() {
    for lost in [false, true] {
        let mut sim = compacted(|plan| plan.config.request_timeout_ms = 1_000);
        let leader = sim.leader(0);
        sim.cluster.broker_set_latency(leader, 60);
        let mut batches = Vec::new();
        for bad in [&[3][..], &[], &[5]] {
            batches.push(say_ten(&mut sim, bad));
            sim.run_for(10);
        }
        if lost {
            // The first is answered; the connection ends before the others are.
            sim.run_for(55);
            sim.cut_off(leader);
        }
        sim.cluster.broker_set_latency(leader, 0);
        sim.run_for(5_000);
        assert_only(&sim, &batches[0], &[3]);
        if !lost {
            assert_only(&sim, &batches[1], &[]);
            assert_only(&sim, &batches[2], &[5]);
        }
        // That their numbers do not fit is our own doing.
        assert_eq!(sim.app.losses, Vec::<String>::new());
        assert!(sim.watch.counts.bumps > 0, "what was behind it did not fit any more");
        let later = say(&mut sim, true);
        sim.run_for(200);
        assert!(sim.is_delivered(later));
        sim.finish();
    }
}

// named-resent-in-doubt: an earlier attempt lost its answer; when the topic takes such records for a while, its copy is appended.
#[test]
fn neighbours_of_a_refused_record_are_not_sent_again_when_an_earlier_attempt_may_be_in_the_log() {
    let mut sim = compacted(|plan| plan.config.request_timeout_ms = 500);
    let leader = sim.leader(0);
    sim.faults.zombies_after = Some(Micros::from_ms(3_000));
    sim.faults.frozen_requests = vec![(leader, api_key::PRODUCE)];
    let records = say_ten(&mut sim, &[4]);
    sim.run_for(20);
    sim.cut_off(leader);
    sim.faults.frozen_requests.clear();
    sim.run_for(1_500);
    for (place, index) in records.iter().enumerate() {
        let report = sim.report(*index);
        let status = if place == 4 { Status::INVALID_RECORD } else { Status::BATCH_REFUSED };
        assert_eq!((report.status, report.persisted), (status, Persisted::Maybe), "record {place}");
        assert_eq!(report.cause.contains("another record of the batch"), place != 4, "{}", report.cause);
    }
    sim.cluster.topic_set("t0", "cleanup.policy", "delete").expect("legal");
    sim.run_for(5_000);
    assert_eq!((sim.zombies, sim.values(0).len()), (1, 11), "it came late, and once");
    sim.finish();
}

// named-resent-in-a-transaction.
#[test]
fn in_a_transaction_the_neighbours_fail_with_a_status_of_their_own() {
    for version in [1, 2] {
        let mut sim = compacted(|plan| {
            plan.config.transactional_id = Some(TRANSACTIONAL_ID.to_owned());
            plan.config.delivery_timeout_ms = 30_000;
            plan.transaction_version = version;
        });
        let done = |sim: &mut Sim, call| {
            sim.call(call);
            sim.run_until(|sim| sim.txn.is_answered());
            sim.result_of_call()
        };
        for call in [TransactionCall::Init, TransactionCall::Begin] {
            done(&mut sim, call).expect("nothing is wrong");
        }
        let records = say_ten(&mut sim, &[4]);
        let error = done(&mut sim, TransactionCall::Commit).expect_err("a record failed");
        assert_eq!(error.status, Status::INVALID_RECORD, "{error}");
        let mut expected = vec![Status::BATCH_REFUSED; 10];
        expected[4] = Status::INVALID_RECORD;
        sim.take_reports();
        assert_eq!(statuses(&sim, &records), expected);
        assert!(records.iter().all(|index| sim.report(*index).persisted == Persisted::No));
        done(&mut sim, TransactionCall::Abort).expect("it may be");
        done(&mut sim, TransactionCall::Begin).expect("it may be");
        let records = say_ten(&mut sim, &[]);
        done(&mut sim, TransactionCall::Commit).expect("nothing is wrong any more");
        sim.take_reports();
        assert_only(&sim, &records, &[]);
        sim.finish();
    }
}

#[test]
fn with_stop_partition_what_was_sent_behind_a_named_record_fails_too_in_its_batch_and_after_it() {
    let mut sim = compacted(|plan| plan.config.on_failure = OnFailure::StopPartition);
    let records = say_ten(&mut sim, &[4, 7]);
    sim.run_for(2);
    let behind = say(&mut sim, true);
    sim.run_for(500);
    let status = |place: usize| match place {
        0..4 => Status::OK,
        4 | 7 => Status::INVALID_RECORD,
        _ => Status::EARLIER_FAILED,
    };
    assert_eq!(statuses(&sim, &records), (0..10).map(status).collect::<Vec<_>>());
    assert!(matches!(sim.report(behind).status, Status::EARLIER_FAILED | Status::OK));
    let next = say(&mut sim, true);
    sim.run_for(500);
    assert!(sim.is_delivered(next));
    sim.finish();
}

// A rule that another record breaks each time, and a broker that names places that are not there.
#[test]
fn what_is_left_is_judged_anew_each_time_it_is_sent() {
    let mut sim = compacted(|_| ());
    sim.faults.twist_produce = Some(Box::new(|response| {
        let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
        for partition in partitions.filter(|partition| partition.error_code != 0) {
            // The mock refuses a batch of ten for one record; here each answer names the first of what is left.
            let named = partition.record_errors.first().cloned().unwrap_or_default();
            let bent = [0, 99, -1].map(|place| named.clone().with_batch_index(place));
            partition.record_errors = bent.to_vec();
        }
    }));
    let records = say_ten(&mut sim, &[3]);
    sim.run_for(2_000);
    sim.faults.twist_produce = None;
    // The bad one moves to the front, one by one, until it is named itself.
    let expected: Vec<Status> =
        (0..10).map(|place| if place <= 3 { Status::INVALID_RECORD } else { Status::OK }).collect();
    assert_eq!(statuses(&sim, &records), expected);
    // Three of them had keys.
    sim.plan.codes.push(87);
    sim.finish();
}
