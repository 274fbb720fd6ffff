//! Named scenarios of the idempotent producer. Each comment names the rule (R1 to R10) or the bug of another client (seed)
//! that it guards; `tests/mutants` has a mutant that takes the rule away, and the scenario fails with it.

use super::Sim;
use super::hands::scenario;
use super::plan::Plan;
use crate::config::{OnFailure, OnInDoubtTimeout, OnSequenceGap};
use crate::error::Status;
use crate::mock::{UnknownProducer, api_key};
use crate::reports::{Persisted, Phase};
use crate::time::Micros;

fn idempotent(edit: impl FnOnce(&mut Plan)) -> Sim {
    scenario(|plan| {
        plan.config.enable_idempotence = true;
        edit(plan);
    })
}

/// Small batches, so that every record of 150 bytes is one of its own.
fn one_record_batches(plan: &mut Plan) {
    plan.config.batch_size = 200;
}

impl Sim {
    /// Says records of a batch each and lets the first one open the way.
    fn say_batches(&mut self, count: u8) -> Vec<usize> {
        (0..count).map(|n| self.say(0, 0, &[n; 150])).collect()
    }

    fn is_maybe(&self, index: usize) -> bool {
        self.report(index).persisted == Persisted::Maybe
    }
}

// R1, seed 7.
#[test]
fn a_batch_is_sent_again_byte_for_byte_though_more_records_have_come() {
    let mut sim = idempotent(|plan| plan.config.linger_us = 5_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.cluster.push_disconnect(api_key::PRODUCE, true, 1);
    let first = [sim.say(0, 0, b"one"), sim.say(0, 0, b"two")];
    sim.run_for(7);
    let second = [sim.say(0, 0, b"three"), sim.say(0, 0, b"four")];
    sim.run_for(2_000);
    assert!(first.iter().chain(&second).all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0).len(), 5);
    assert_eq!(sim.watch.counts.retries, 1);
    sim.finish();
}

// R1: the sequence numbers of a batch that a broker may have stay its own when its time is over.
#[test]
fn a_batch_that_expires_in_flight_takes_its_sequence_numbers_along() {
    let mut sim = idempotent(|plan| plan.config.delivery_timeout_ms = 1_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.cluster.broker_set_latency(leader, 1_500);
    let late = sim.say(0, 0, b"answered too late");
    sim.run_for(1_200);
    assert!(sim.is_maybe(late));
    let next = sim.say_within(0, 0, b"after it", Some(5_000));
    sim.run_for(5_000);
    assert!(sim.is_delivered(next));
    assert_eq!(sim.values(0).len(), 3);
    sim.finish();
}

// R3, seed 3: the broker refuses a sequence once; an earlier copy of the batch, whose connection died, comes late.
#[test]
fn a_batch_that_may_be_in_the_log_is_not_numbered_anew() {
    let mut sim = idempotent(|_| ());
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.faults.zombies_after = Some(Micros::from_ms(1_000));
    sim.faults.frozen_requests = vec![(leader, api_key::PRODUCE)];
    let index = sim.say(0, 0, b"once and only once");
    sim.run_for(10);
    sim.refuse(45, 1);
    sim.cut_off(leader);
    sim.faults.frozen_requests.clear();
    sim.run_for(900);
    assert_eq!((sim.report(index).status.code(), sim.is_maybe(index)), (45, true));
    let next = sim.say(0, 0, b"goes on under a new epoch");
    sim.run_for(3_000);
    assert!(sim.is_delivered(next));
    assert_eq!(sim.zombies, 1);
    sim.finish();
}

// R3, R4, seed 3: one partition has to begin a new epoch while another has a batch in doubt.
#[test]
fn a_new_epoch_of_one_partition_leaves_what_is_in_doubt_of_another_as_it_is() {
    let mut sim = idempotent(|plan| plan.topics = vec![3]);
    // Partitions 0 and 2 have one leader, partition 1 the other.
    for partition in 0..3 {
        sim.say(0, partition, b"opens the connection");
    }
    sim.run_for(100);
    let other = sim.leader(1);
    sim.faults.zombies_after = Some(Micros::from_ms(1_000));
    sim.faults.frozen_requests = vec![(other, api_key::PRODUCE)];
    let in_doubt = sim.say(0, 1, b"in doubt");
    sim.run_for(10);
    sim.cut_off(other);
    sim.cluster.broker_set_frozen(other, true);
    sim.refuse(87, 1);
    let refused = sim.say(0, 0, b"invalid, says the broker");
    sim.run_for(50);
    assert_eq!(sim.report(refused).status, Status::INVALID_RECORD);
    let next = sim.say(0, 0, b"under a new epoch");
    sim.run_for(50);
    assert!(sim.is_delivered(next));
    assert_eq!(sim.watch.counts.bumps, 1);
    sim.faults.frozen_requests.clear();
    sim.cluster.broker_set_frozen(other, false);
    sim.run_for(10_000);
    assert!(sim.is_delivered(in_doubt));
    assert_eq!((sim.values(1).len(), sim.zombies), (2, 1));
    sim.finish();
}

// R4, seed 11.
#[test]
fn an_idle_partition_begins_a_new_epoch_at_zero() {
    let mut sim = idempotent(|_| ());
    sim.say(0, 0, b"one");
    sim.say(0, 1, b"of another partition");
    sim.run_for(100);
    sim.refuse(87, 1);
    let refused = sim.say(0, 0, b"invalid, says the broker");
    sim.run_for(100);
    assert_eq!(sim.report(refused).status, Status::INVALID_RECORD);
    let first = [sim.say(0, 0, b"under a new epoch")];
    sim.run_for(100);
    let second = [sim.say(0, 1, b"the idle one takes it on")];
    sim.run_for(100);
    assert!(first.iter().chain(&second).all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.watch.counts.bumps, 2);
    assert!(sim.requests(api_key::PRODUCE) <= 6, "nothing had to be sent again");
    sim.finish();
}

// R5, seed 32. More requests in flight than a configuration allows, so that nothing else holds the window.
#[test]
fn no_more_than_five_batches_are_sent_from_the_oldest_undecided_one() {
    let mut sim = idempotent(|plan| {
        one_record_batches(plan);
        plan.config.max_in_flight_requests_per_connection = 10;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let records = sim.say_batches(20);
    sim.run_for(1_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    sim.finish();
}

// R6, seed 2: a broker that knows nothing of the producer takes any first sequence.
#[test]
fn a_second_batch_waits_until_the_leader_has_acknowledged_one() {
    let mut sim = idempotent(one_record_batches);
    sim.say(0, 1, b"makes the topic known");
    sim.run_for(100);
    sim.refuse(6, 1);
    let records = sim.say_batches(3);
    sim.run_for(2_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0), (0..3).map(|n| vec![n; 150]).collect::<Vec<_>>());
    assert_eq!(sim.watch.counts.bumps, 0);
    sim.finish();
}

// R6: a new leader may know nothing of the producer, however well the old one did.
#[test]
fn after_a_move_one_batch_goes_first_again() {
    let mut sim = idempotent(one_record_batches);
    let before = sim.say_batches(8);
    sim.run_for(200);
    sim.move_leader(0);
    let after = sim.say_batches(8);
    sim.run_for(3_000);
    assert!(before.iter().chain(&after).all(|index| sim.is_delivered(*index)));
    let values: Vec<Vec<u8>> = (0..8).chain(0..8).map(|n| vec![n; 150]).collect();
    assert_eq!(sim.values(0), values);
    sim.finish();
}

// R6: the batch whose answer never came had expired before its connection ended, and a later one has proved it to be in the
// log, so that the epoch stays.
#[test]
fn after_a_lost_answer_that_nobody_waited_for_one_batch_goes_first_again() {
    let mut sim = idempotent(|plan| {
        one_record_batches(plan);
        plan.config.request_timeout_ms = 1_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    let mut answers = 0;
    sim.faults.twist_produce = Some(Box::new(move |response| {
        answers += 1;
        if answers == 1 {
            response.responses.clear();
        }
    }));
    let short = sim.say_within(0, 0, &[0; 150], Some(600));
    let proof = sim.say(0, 0, &[1; 150]);
    sim.run_until(|sim| sim.report_of(proof).is_some());
    sim.faults.silent = vec![(leader, api_key::PRODUCE)];
    sim.run_for(900);
    assert!(sim.is_maybe(short));
    let records = sim.say_batches(5);
    sim.faults.silent.clear();
    sim.run_for(3_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.watch.counts.bumps, 0);
    sim.finish();
}

// R6, seed 33: the broker has forgotten the producer of a partition that nobody wrote to for a day.
#[test]
fn after_a_long_pause_one_batch_goes_first_again() {
    let mut sim = idempotent(|plan| {
        one_record_batches(plan);
        plan.topics = vec![3];
    });
    // Partitions 0 and 2 have one leader: its connection stays in use.
    sim.say(0, 0, b"opens the connection");
    for _ in 0..24 * 60 {
        sim.say(0, 2, b"every minute");
        sim.run_for(60_000);
    }
    sim.expire("t0", 0);
    sim.refuse(19, 1);
    let records = sim.say_batches(3);
    sim.run_for(3_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0)[1..], (0..3).map(|n| vec![n; 150]).collect::<Vec<_>>());
    sim.finish();
}

// R7: the old leader has taken a batch and does not answer; the new one gets nothing before that connection is gone.
#[test]
fn nothing_goes_to_a_new_leader_before_the_old_one_has_answered() {
    let mut sim = idempotent(one_record_batches);
    sim.say(0, 0, b"opens the connection");
    sim.say(0, 1, b"to the other broker too");
    sim.run_for(100);
    let old = sim.leader(0);
    sim.cluster.broker_set_latency(old, 300);
    let first = sim.say(0, 0, &[1; 150]);
    sim.run_for(10);
    sim.move_leader(0);
    // The other broker says who leads now.
    sim.refuse(5, 1);
    let other = sim.say(0, 1, b"asks for metadata");
    sim.run_for(150);
    let second = sim.say(0, 0, &[2; 150]);
    sim.run_for(3_000);
    assert!([first, second, other].iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0)[1..], [vec![1; 150], vec![2; 150]]);
    sim.finish();
}

// R8.
#[test]
fn batches_that_are_sent_again_go_one_at_a_time_in_order() {
    let mut sim = idempotent(one_record_batches);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.refuse(19, 1);
    let records = sim.say_batches(8);
    sim.run_for(3_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0)[1..], (0..8).map(|n| vec![n; 150]).collect::<Vec<_>>());
    assert_eq!(sim.watch.counts.bumps, 0);
    sim.finish();
}

// R9, seed 4.
#[test]
fn a_topic_that_vanishes_and_comes_back_goes_on_with_its_sequences() {
    let mut sim = idempotent(|plan| {
        plan.config.metadata_max_age_ms = 500;
        plan.config.unknown_topic_grace_ms = 500;
    });
    for n in 0..3u8 {
        sim.say(0, 0, &[n]);
        sim.run_for(100);
    }
    sim.faults.twist_metadata = Some(Box::new(|_, response| {
        for topic in &mut response.topics {
            topic.error_code = 3;
            topic.partitions.clear();
        }
    }));
    sim.run_for(3_000);
    sim.faults.twist_metadata = None;
    sim.run_for(1_000);
    let records: Vec<usize> = (3..6u8).map(|n| sim.say(0, 0, &[n])).collect();
    sim.run_for(1_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0), (0..6u8).map(|n| vec![n]).collect::<Vec<_>>());
    sim.finish();
}

// R10: the answer leaves the first batch out and acknowledges the second. Nobody has said that the first one is there.
#[test]
fn a_batch_is_not_taken_for_acknowledged_because_a_later_one_is() {
    let mut sim = idempotent(|plan| {
        one_record_batches(plan);
        plan.config.delivery_timeout_ms = 2_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    let mut answers = 0;
    sim.faults.twist_produce = Some(Box::new(move |response| {
        answers += 1;
        if answers == 1 {
            response.responses.clear();
        }
    }));
    let records = sim.say_batches(2);
    sim.run_until(|sim| sim.report_of(records[1]).is_some());
    assert!(sim.is_delivered(records[1]) && sim.report_of(records[0]).is_none());
    sim.faults.silent = vec![(leader, api_key::PRODUCE)];
    sim.run_for(3_000);
    assert_eq!(sim.report(records[0]).status, Status::DELIVERY_TIMED_OUT);
    assert!(sim.is_maybe(records[0]));
    sim.faults.silent.clear();
    sim.run_for(30_000);
    let next = sim.say(0, 0, b"and it goes on");
    sim.run_for(1_000);
    assert!(sim.is_delivered(next));
    assert_eq!(sim.watch.counts.bumps, 0, "the later one proves that there is no hole");
    sim.finish();
}

// R10, seeds 6 and 8: a batch that timed out in the middle of a sequence.
#[test]
fn after_a_batch_that_may_be_in_the_log_the_next_ones_go_on_under_a_new_epoch() {
    let mut sim = idempotent(|plan| {
        plan.config.delivery_timeout_ms = 1_000;
        plan.config.request_timeout_ms = 600;
        plan.config.on_sequence_gap = OnSequenceGap::Fatal;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.faults.zombies_after = Some(Micros::from_ms(60_000));
    sim.faults.frozen_requests = vec![(leader, api_key::PRODUCE)];
    let lost = sim.say(0, 0, b"lost");
    sim.run_for(2_000);
    assert!(sim.is_maybe(lost));
    sim.faults.frozen_requests.clear();
    let records: Vec<usize> = (0..3u8).map(|n| sim.say(0, 0, &[n])).collect();
    sim.run_for(1_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.watch.counts.bumps, 1);
    sim.finish();
}

// Seed 12: it expires while its first request is on its way. What comes after it is neither refused nor lost.
#[test]
fn a_batch_that_expires_in_its_first_flight_does_not_keep_the_next_ones() {
    let mut sim = idempotent(|plan| {
        one_record_batches(plan);
        plan.config.request_timeout_ms = 1_000;
        plan.config.delivery_timeout_ms = 10_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.faults.zombies_after = Some(Micros::from_ms(100_000));
    sim.faults.frozen_requests = vec![(leader, api_key::PRODUCE)];
    let short = sim.say_within(0, 0, &[0; 150], Some(300));
    sim.run_for(400);
    assert!(sim.is_maybe(short));
    let behind = sim.say_batches(4);
    sim.run_for(400);
    sim.faults.frozen_requests.clear();
    sim.run_for(1_500);
    assert!(behind.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.watch.counts.bumps, 1);
    sim.finish();
}

// Seed 9.
#[test]
fn after_the_last_epoch_a_new_producer_id_is_asked_for() {
    let mut sim = idempotent(|plan| plan.first_epoch = 32_765);
    for n in 0..4u8 {
        let delivered = sim.say(0, 0, &[n]);
        sim.run_for(100);
        assert!(sim.is_delivered(delivered));
        sim.refuse(87, 1);
        let refused = sim.say(0, 0, b"costs an epoch");
        sim.run_for(100);
        assert_eq!(sim.report(refused).status, Status::INVALID_RECORD);
    }
    assert_eq!(sim.watch.producer_ids().len(), 2);
    assert_eq!(sim.values(0).len(), 4);
    sim.finish();
}

// Seed 10.
#[test]
fn sequence_numbers_wrap_to_zero_and_order_is_kept_across_the_wrap() {
    let mut sim = idempotent(|plan| {
        plan.config.test_first_sequence = i32::MAX as u32 - 3;
        plan.config.batch_size = 380;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.refuse(19, 1);
    let records = sim.say_batches(12);
    sim.run_for(2_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0)[1..], (0..12).map(|n| vec![n; 150]).collect::<Vec<_>>());
    assert_eq!((sim.watch.counts.wraps, sim.watch.counts.bumps), (1, 0));
    sim.finish();
}

// Seed 33: every kind of broker, after a day without records.
#[test]
fn a_producer_that_the_broker_has_forgotten_goes_on() {
    for unknown in [UnknownProducer::Accept, UnknownProducer::MustStartAtZero, UnknownProducer::Refuse] {
        let mut sim = idempotent(|plan| plan.unknown_producer = unknown);
        sim.say(0, 0, b"one");
        sim.say(0, 0, b"two");
        sim.run_for(100);
        sim.expire("t0", 0);
        let records = sim.say_batches(3);
        sim.run_for(1_000);
        assert!(records.iter().all(|index| sim.is_delivered(*index)), "{unknown:?}");
        assert_eq!(sim.values(0).len(), 5);
        sim.finish();
    }
}

// Seed 34.
#[test]
fn a_batch_split_while_later_ones_are_in_flight_keeps_sequences_and_order() {
    let mut sim = idempotent(|plan| plan.config.batch_size = 2_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.cluster.set_message_max_bytes(700);
    let records: Vec<usize> = (0..30u8).map(|n| sim.say(0, 0, &[n; 150])).collect();
    sim.run_for(3_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0)[1..], (0..30).map(|n| vec![n; 150]).collect::<Vec<_>>());
    sim.finish();
}

// Seed 34, R3: what may be in the log whole is not cut.
#[test]
fn a_batch_in_doubt_is_not_split() {
    let mut sim = idempotent(|plan| plan.config.batch_size = 2_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.faults.zombies_after = Some(Micros::from_ms(2_000));
    sim.faults.frozen_requests = vec![(leader, api_key::PRODUCE)];
    let records: Vec<usize> = (0..8u8).map(|n| sim.say(0, 0, &[n; 150])).collect();
    sim.run_for(10);
    sim.cut_off(leader);
    sim.cluster.set_message_max_bytes(700);
    sim.faults.frozen_requests.clear();
    sim.run_for(1_000);
    sim.cluster.set_message_max_bytes(1 << 20);
    sim.run_for(3_000);
    assert!(records.iter().all(|index| sim.report_of(*index).is_some()));
    sim.finish();
}

// The broker lost what it had acknowledged.
#[test]
fn lost_records_are_told_and_the_partition_goes_on_as_configured() {
    for on_gap in [OnSequenceGap::Bump, OnSequenceGap::Fatal] {
        let mut sim = idempotent(|plan| plan.config.on_sequence_gap = on_gap);
        for n in 0..4u8 {
            sim.say(0, 0, &[n]);
            sim.run_for(100);
        }
        let leader = sim.leader(0);
        sim.truncate("t0", 0, 2);
        // The same leader again: an answer that it resigned would leave the record in doubt, and so not to be renumbered.
        sim.cluster.partition_set_leader("t0", 0, Some(leader)).expect("both exist");
        let next = sim.say(0, 0, b"after the loss");
        sim.run_for(1_000);
        let goes_on = on_gap == OnSequenceGap::Bump;
        assert_eq!(sim.is_delivered(next), goes_on);
        assert_eq!(sim.accumulator.fatal().is_none(), goes_on);
        if !goes_on {
            let report = sim.report(next);
            assert_eq!((report.status.code(), report.persisted), (45, Persisted::No));
        }
        sim.finish();
    }
}

// `on.in.doubt.timeout=hold`.
#[test]
fn a_batch_that_may_be_in_the_log_is_held_beyond_its_time() {
    let mut sim = idempotent(|plan| {
        plan.config.delivery_timeout_ms = 1_000;
        plan.config.request_timeout_ms = 500;
        plan.config.on_in_doubt_timeout = OnInDoubtTimeout::Hold;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.faults.silent = vec![(leader, api_key::PRODUCE)];
    let held = sim.say(0, 0, b"held");
    sim.run_for(20_000);
    assert!(sim.report_of(held).is_none());
    sim.faults.silent.clear();
    sim.run_for(3_000);
    assert!(sim.is_delivered(held));
    assert_eq!(sim.values(0).len(), 2);
    sim.finish();
}

// `on.failure=stop-partition`.
#[test]
fn a_failure_stops_everything_accepted_behind_it() {
    let mut sim = idempotent(|plan| {
        one_record_batches(plan);
        plan.config.on_failure = OnFailure::StopPartition;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.refuse(87, 1);
    let records = sim.say_batches(7);
    sim.run_for(1);
    let elsewhere = sim.say(0, 1, b"another partition");
    sim.run_for(1_000);
    assert_eq!(sim.report(records[0]).status, Status::INVALID_RECORD);
    for index in &records[1..] {
        assert_eq!(sim.report(*index).status, Status::EARLIER_FAILED);
    }
    assert!(sim.is_delivered(elsewhere));
    let next = sim.say(0, 0, b"a new beginning");
    sim.run_for(1_000);
    assert!(sim.is_delivered(next));
    sim.finish();
}

// `on.failure=stop-partition`, and the connection that carried all of them ends.
#[test]
fn a_failure_stops_what_was_in_flight_behind_it_on_a_connection_that_ended() {
    let mut sim = scenario(|plan| {
        one_record_batches(plan);
        plan.config.on_failure = OnFailure::StopPartition;
        plan.config.retries = 1;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.refuse(19, 1);
    let mut records = vec![sim.say(0, 0, b"its retry is its last one")];
    sim.run_for(10);
    sim.faults.silent = vec![(leader, api_key::PRODUCE)];
    sim.run_for(1_000);
    records.extend(sim.say_batches(2));
    sim.run_for(100);
    sim.cut_off(leader);
    sim.faults.silent.clear();
    sim.run_for(5_000);
    assert_eq!(sim.report(records[0]).status, Status::DISCONNECTED);
    for index in &records[1..] {
        assert_eq!((sim.report(*index).status, sim.report(*index).attempts), (Status::EARLIER_FAILED, 1));
    }
    sim.finish();
}

// A refusal does not take back that an earlier attempt may be in the log.
#[test]
fn a_refused_retry_of_a_batch_in_doubt_stays_in_doubt() {
    let mut sim = idempotent(|plan| plan.config.request_timeout_ms = 500);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.faults.zombies_after = Some(Micros::from_ms(5_000));
    sim.faults.frozen_requests = vec![(leader, api_key::PRODUCE)];
    let index = sim.say(0, 0, b"comes late");
    sim.run_for(10);
    sim.refuse(87, 1);
    sim.cut_off(leader);
    sim.faults.frozen_requests.clear();
    sim.run_for(1_000);
    let report = sim.report(index);
    assert_eq!(
        (report.status, report.persisted, report.phase),
        (Status::INVALID_RECORD, Persisted::Maybe, Phase::Answered)
    );
    sim.run_for(10_000);
    assert_eq!(sim.values(0).len(), 2, "it came late");
    sim.finish();
}
