//! Named scenarios of brokers that are not the newest Apache Kafka, and of a client that is stopped and continued.

use super::hands::scenario;
use super::plan::Greets;
use crate::error::Status;
use crate::mock::api_key;
use crate::reports::{Persisted, Phase};
use crate::time::Micros;

#[test]
fn brokers_that_make_nothing_of_newer_api_versions_are_asked_for_older_ones() {
    let others = [
        Greets::HangsUp,
        Greets::Refuses(&[]),
        Greets::Refuses(&[0, 0, 0, 0]),
        Greets::Refuses(&[1, 0, 0, 0, 0, 0]),
        Greets::Refuses(&[0xff; 100]),
        Greets::InVersion0,
    ];
    for greets in others {
        let mut sim = scenario(|plan| plan.greets = greets.clone());
        let first = sim.say(0, 0, b"to one broker");
        let second = sim.say(0, 1, b"to the other");
        sim.run_for(2_000);
        assert!(sim.is_delivered(first) && sim.is_delivered(second), "{greets:?}");
        // One for each broker and one for the first question; a hang-up costs one more.
        let most = if greets == Greets::HangsUp { 6 } else { 3 };
        assert!(sim.net.connects.len() <= most, "{greets:?}: {} connections", sim.net.connects.len());
        sim.finish();
    }
}

#[test]
fn a_broker_that_always_hangs_up_on_newer_api_versions_is_soon_asked_for_the_oldest_only() {
    let mut sim = scenario(|plan| {
        plan.greets = Greets::HangsUp;
        plan.brokers = 1;
        plan.config.connections_max_idle_ms = Some(200);
    });
    for round in 0..6u8 {
        let index = sim.say(0, 0, &[round]);
        sim.run_for(1_000);
        assert!(sim.is_delivered(index));
    }
    let before = sim.net.connects.len();
    let index = sim.say(0, 0, b"again");
    sim.run_for(1_000);
    assert!(sim.is_delivered(index));
    assert_eq!(sim.net.connects.len(), before + 1, "it is known by now");
    sim.finish();
}

#[test]
fn brokers_below_our_versions_fail_records_at_once_and_say_why() {
    let mut sim = scenario(|plan| plan.brokers = 1);
    sim.plan.greets = Greets::TooOld(1);
    let early = sim.say(0, 0, b"before it is known");
    sim.run_for(200);
    let late = sim.say(0, 0, b"afterwards");
    sim.run_for(1_500);
    for index in [early, late] {
        let report = sim.report(index);
        assert_eq!((report.status, report.persisted), (Status::UNSUPPORTED_BROKER, Persisted::No));
        let words = ["versions 0 to 5 of Produce", "we speak 7 to ", "Kafka 2.1 or newer is needed"];
        assert!(words.iter().all(|words| report.cause.contains(words)), "{}", report.cause);
    }
    // It was replaced by a newer one.
    sim.plan.greets = Greets::AsKafka;
    sim.run_for(6_000);
    let after = sim.say(0, 0, b"to its successor");
    sim.run_for(6_000);
    assert!(sim.is_delivered(after));
    sim.finish();
}

#[test]
fn a_leader_below_our_versions_fails_its_records_and_no_others() {
    let mut sim = scenario(|plan| plan.bootstrap_aliases = true);
    let old = sim.leader(0);
    sim.plan.greets = Greets::TooOld(old);
    let other = sim.say(0, 1, b"to the newer one");
    let early = sim.say(0, 0, b"to the old one");
    sim.run_for(500);
    let late = sim.say(0, 0, b"to the old one again");
    sim.run_for(100);
    assert!(sim.is_delivered(other));
    for index in [early, late] {
        assert_eq!((sim.report(index).status, sim.report(index).phase), (Status::UNSUPPORTED_BROKER, Phase::Queued));
    }
    sim.move_leader(0);
    sim.say(0, 0, b"shows that the leader is of no use");
    sim.run_for(2_000);
    let moved = sim.say(0, 0, b"to its successor");
    sim.run_for(2_000);
    assert!(sim.is_delivered(moved));
    sim.finish();
}

/// The simulator fails the run when a request of more than one batch exceeds max.request.size.
#[test]
fn a_request_holds_no_more_than_max_request_size_but_for_one_batch() {
    let mut sim = scenario(|plan| {
        plan.brokers = 1;
        plan.topics = vec![20, 20];
        plan.config.max_request_size = 10_000;
        plan.config.batch_size = 16 << 10;
        plan.config.linger_us = 5_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.say(1, 0, b"opens the connection");
    sim.run_for(100);
    let before = sim.requests(api_key::PRODUCE);
    let said: Vec<usize> = (0..40).map(|n| sim.say(n % 2, n as u32 / 2, &[7; 1_500])).collect();
    let alone = sim.say(0, 0, &[8; 12_000]);
    sim.run_for(2_000);
    assert!(said.iter().chain([&alone]).all(|index| sim.is_delivered(*index)));
    let requests = sim.requests(api_key::PRODUCE) - before;
    assert!((7..=12).contains(&requests), "{requests} requests for 72,000 bytes");
    sim.finish();
}

#[test]
fn a_broker_that_hangs_up_on_large_requests_gets_smaller_ones() {
    for idempotent in [true, false] {
        let mut sim = scenario(|plan| {
            plan.brokers = 1;
            plan.topics = vec![40];
            plan.request_bytes_max = Some(40_000);
            plan.config.batch_size = 16 << 10;
            plan.config.linger_us = 5_000;
            plan.config.enable_idempotence = idempotent;
        });
        sim.say(0, 0, b"opens the connection");
        sim.run_for(100);
        let connects = sim.net.connects.len();
        for _ in 0..4 {
            let said: Vec<usize> = (0..40).map(|n| sim.say(0, n, &[7; 6_000])).collect();
            sim.run_for(10_000);
            assert!(said.iter().all(|index| sim.is_delivered(*index)));
        }
        let more = sim.net.connects.len() - connects;
        assert!((1..=6).contains(&more), "{more} connections until the size is found");
        sim.finish();
    }
}

#[test]
fn batches_that_no_request_of_the_broker_has_room_for_are_cut_before_they_are_sent() {
    let mut sim = scenario(|plan| {
        plan.brokers = 1;
        plan.topics = vec![4];
        plan.request_bytes_max = Some(60_000);
        plan.config.max_in_flight_requests_per_connection = 1;
        plan.config.batch_size = 100_000;
        plan.config.linger_us = 5_000;
        plan.config.delivery_timeout_ms = 20_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let said: Vec<usize> = (0..4 * 50).map(|n| sim.say(0, n % 4, &[7; 2_000])).collect();
    sim.run_for(19_000);
    // The first may have arrived as far as we know, so that its boundaries stay, and what is behind it waits for it.
    let delivered = said.iter().filter(|index| sim.is_delivered(**index)).count();
    assert!(delivered >= 150, "{delivered} of {}", said.len());
    sim.run_for(10_000);
    for index in said.into_iter().filter(|index| !sim.is_delivered(*index)) {
        let report = sim.report(index);
        assert_eq!(report.status, Status::DELIVERY_TIMED_OUT);
        assert!(report.cause.contains("right after a request of"), "{}", report.cause);
    }
    sim.finish();
}

#[test]
fn what_came_while_the_process_stood_still_is_read_before_its_timers_fire() {
    // Longer than the request's time limit, the records' and the greeting's.
    for (request_ms, delivery_ms) in [(1_000, 120_000), (1_000, 2_000)] {
        let mut sim = scenario(|plan| {
            plan.config.request_timeout_ms = request_ms;
            plan.config.delivery_timeout_ms = delivery_ms;
        });
        sim.run_for(50);
        let index = sim.say(0, 0, b"answered meanwhile");
        let before = sim.requests(api_key::PRODUCE);
        sim.run_until(|sim| sim.requests(api_key::PRODUCE) > before);
        sim.stand_still(Micros::from_ms(10_000));
        sim.run_for(10_100);
        assert!(sim.is_delivered(index));
        assert_eq!((sim.report(index).attempts, sim.values(0).len()), (1, 1));
        sim.finish();
    }
    let mut sim = scenario(|plan| plan.brokers = 1);
    sim.run_until(|sim| sim.requests(api_key::API_VERSIONS) > 0);
    sim.stand_still(Micros::from_ms(60_000));
    let index = sim.say(0, 0, b"greeted meanwhile");
    sim.run_for(60_100);
    assert!(sim.is_delivered(index));
    assert_eq!(sim.net.connects.len(), 1, "the connection was fine");
    sim.finish();
}
