//! Named scenarios of options per topic and per record, and of shares of the memory: what may not share a request does not,
//! order stays, and a frozen broker leaves the others their room.

use super::Sim;
use super::hands::scenario;
use crate::mock::api_key;
use crate::reports::Persisted;
use crate::time::Micros;

impl Sim {
    /// Says a record with acks of its own.
    fn say_acks(&mut self, partition: u32, value: &[u8], acks: Option<i16>) -> usize {
        let mut sent = self.record(0, Some(partition), None, Some(value.to_vec()), Vec::new(), None, true);
        sent.acks = acks;
        assert!(self.send(sent, 0), "there is memory");
        self.app.sent.len() - 1
    }

    fn topic_set(&self, topic: usize, name: &str, value: &str) {
        let topic = &self.app.topics[topic];
        topic.settings().set(&self.plan.config, topic.name(), name, value).expect("no contradiction");
    }
}

/// Every request is checked on the wire: its acks are those that each of its records asks for.
#[test]
fn records_of_other_acks_go_in_requests_of_their_own_and_in_order() {
    let mut sim = scenario(|plan| plan.brokers = 1);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let before = sim.requests(api_key::PRODUCE);
    let all = [None, Some(1), Some(1), Some(0), Some(0), None, Some(-1), Some(1)];
    let said: Vec<usize> = all.iter().enumerate().map(|(n, acks)| sim.say_acks(0, &[n as u8], *acks)).collect();
    let other = sim.say_acks(1, b"other", Some(1));
    sim.run_for(2_000);
    assert!(said.iter().chain([&other]).all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0)[1..], (0..8u8).map(|n| vec![n]).collect::<Vec<_>>());
    // What asks for all, whether by itself or by default, shares a batch.
    let requests = sim.requests(api_key::PRODUCE) - before;
    assert!((5..=8).contains(&requests), "{requests} requests for five kinds in a row and one beside them");
    assert!(sim.report(said[3]).persisted == Persisted::Maybe && sim.report(said[3]).offset < 0);
    assert!(sim.report(said[1]).persisted == Persisted::Yes && sim.report(said[1]).offset >= 0);
    sim.finish();
}

#[test]
fn a_record_without_acks_does_not_overtake_one_with_acks_that_is_sent_again() {
    for codes in [&[6][..], &[19, 6], &[3, 3, 3]] {
        let mut sim = scenario(|plan| plan.config.max_in_flight_requests_per_connection = 5);
        sim.say(0, 0, b"opens the connection");
        sim.run_for(100);
        for code in codes {
            sim.refuse(*code, 1);
        }
        for n in 0..12u8 {
            sim.say_acks(0, &[n], [Some(1), Some(0), None][usize::from(n) % 3]);
            sim.run_for(1);
        }
        sim.run_for(5_000);
        assert_eq!(sim.values(0)[1..], (0..12u8).map(|n| vec![n]).collect::<Vec<_>>(), "{codes:?}");
        sim.finish();
    }
}

#[test]
fn without_acks_from_anybody_a_broker_that_hangs_up_is_still_a_failure() {
    let mut sim = scenario(|_| ());
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.refuse(6, 1);
    sim.say_acks(0, b"refused", Some(0));
    sim.run_for(50);
    let metadata = sim.requests(api_key::METADATA);
    sim.run_for(2_000);
    let after = sim.say_acks(0, b"after", Some(0));
    sim.run_for(2_000);
    assert!(sim.is_delivered(after));
    assert!(sim.requests(api_key::METADATA) >= metadata);
    assert_eq!(sim.values(0).last(), Some(&b"after".to_vec()));
    sim.finish();
}

#[test]
fn topics_with_other_time_limits_never_share_a_request() {
    let mut sim = scenario(|plan| {
        plan.brokers = 1;
        plan.topics = vec![1, 1];
    });
    let known = [sim.say(0, 0, b"a"), sim.say(1, 0, b"b")];
    sim.run_for(100);
    let together = sim.requests(api_key::PRODUCE);
    sim.say(0, 0, b"a");
    sim.say(1, 0, b"b");
    sim.run_for(100);
    assert_eq!(sim.requests(api_key::PRODUCE) - together, 1);
    sim.topic_set(1, "request.timeout.ms", "700");
    let last = [sim.say(0, 0, b"a"), sim.say(1, 0, b"b")];
    sim.run_for(100);
    assert_eq!(sim.requests(api_key::PRODUCE) - together, 3);
    assert!(known.iter().chain(&last).all(|index| sim.is_delivered(*index)));
    sim.finish();
}

#[test]
fn a_topics_own_linger_counts_from_its_next_batch_whatever_lingers_elsewhere() {
    let mut sim = scenario(|plan| {
        plan.config.linger_us = 3_600_000_000;
        plan.config.delivery_timeout_ms = 7_200_000;
        plan.topics = vec![1, 1];
    });
    sim.topic_set(1, "linger.ms", "50");
    let (slow, quick) = (sim.say(0, 0, b"slow"), sim.say(1, 0, b"quick"));
    sim.run_for(500);
    assert!(sim.is_delivered(quick) && sim.report_of(slow).is_none());
    // An open batch keeps what it was opened with; the next one does not.
    sim.topic_set(0, "linger.ms", "0");
    sim.run_for(500);
    assert!(sim.report_of(slow).is_none());
    sim.flush();
    sim.run_for(100);
    let next = sim.say(0, 0, b"next");
    sim.run_for(100);
    assert!(sim.is_delivered(slow) && sim.is_delivered(next));
    sim.finish();
}

#[test]
fn a_topics_own_delivery_time_ends_its_records_and_no_others() {
    let mut sim = scenario(|plan| {
        plan.brokers = 1;
        plan.topics = vec![1, 1];
        plan.own_deadlines = true;
        plan.config.request_timeout_ms = 200;
    });
    sim.topic_set(1, "delivery.timeout.ms", "400");
    let known = [sim.say(0, 0, b"a"), sim.say(1, 0, b"b")];
    sim.run_for(100);
    sim.cluster.broker_set_frozen(1, true);
    let (stays, ends) = (sim.say(0, 0, b"stays"), sim.say(1, 0, b"ends"));
    sim.run_for(600);
    assert!(sim.report_of(stays).is_none() && sim.report_of(ends).is_some());
    sim.cluster.broker_set_frozen(1, false);
    sim.run_for(10_000);
    assert!(known.iter().all(|index| sim.is_delivered(*index)) && sim.is_delivered(stays));
    sim.finish();
}

/// One of three brokers is frozen; a program that goes round the partitions and takes what it gets.
#[test]
fn a_frozen_broker_leaves_the_others_room_for_everything_they_get() {
    let mut sim = scenario(|plan| {
        plan.brokers = 3;
        plan.topics = vec![3];
        plan.config.buffer_memory = 256 << 10;
        plan.config.batch_size = 4 << 10;
        plan.config.linger_us = 2_000;
    });
    let leaders: Vec<i32> = (0..3).map(|partition| sim.leader(partition)).collect();
    assert!(leaders.iter().all(|leader| leaders.iter().filter(|other| *other == leader).count() == 1), "{leaders:?}");
    for partition in 0..3 {
        sim.say(0, partition, b"opens the connection");
    }
    sim.run_for(100);
    sim.cluster.broker_set_frozen(leaders[0], true);
    let (mut refused, mut said) = ([0; 3], Vec::new());
    for _ in 0..2_000 {
        for partition in 0..3u32 {
            let sent = sim.record(0, Some(partition), None, Some(vec![7; 400]), Vec::new(), None, true);
            if sim.send(sent, 0) {
                said.push((partition, sim.app.sent.len() - 1));
            } else {
                refused[partition as usize] += 1;
            }
        }
        sim.run_for(1);
    }
    sim.run_for(200);
    assert_eq!(refused[1..], [0, 0], "the others are never refused");
    assert!(refused[0] > 1_000, "{refused:?}");
    let delivered =
        |partition: u32| said.iter().filter(|(of, index)| *of == partition && sim.is_delivered(*index)).count();
    assert_eq!((delivered(0), delivered(1), delivered(2)), (0, 2_000, 2_000));
    sim.cluster.broker_set_frozen(leaders[0], false);
    let end = sim.now + Micros::from_ms(60_000);
    sim.run_until(|sim| sim.accumulator.memory.used() == 0 || sim.now > end);
    assert!(said.iter().all(|(_, index)| sim.report_of(*index).is_some()));
    sim.finish();
}
