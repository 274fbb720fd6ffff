//! Named scenarios: topics that come, go and are made again, what is asked about them, and what is forgotten.

use std::sync::Arc;

use super::Sim;
use super::hands::scenario;
use super::plan::Plan;
use crate::accumulator::{CallReply, Command};
use crate::error::Status;
use crate::mock::api_key;
use crate::reports::{Persisted, Phase};
use crate::time::Micros;

/// How often the topic was named since the `from`-th metadata request, and how often so that it might be created.
fn named(sim: &Sim, topic: &str, from: usize) -> (usize, usize) {
    let asked = sim.net.metadata[from..].iter().filter(|(names, _)| names.iter().any(|name| name == topic));
    let created = asked.clone().filter(|(_, may_create)| *may_create).count();
    (asked.count(), created)
}

/// Brokers that tell no topic ids.
fn without_ids(sim: &mut Sim) {
    sim.cluster.set_max_version(api_key::METADATA, 9);
}

fn is_listed(sim: &Sim, topic: &str) -> bool {
    !sim.accumulator.topics.find(topic).expect("known").numbers.is_hidden()
}

/// Topics that are refreshed every second, and records that are given three to find theirs.
fn quick(plan: &mut Plan) {
    plan.config.metadata_max_age_ms = 1_000;
    plan.config.unknown_topic_grace_ms = 3_000;
    plan.config.delivery_timeout_ms = 60_000;
}

#[test]
fn what_is_asked_grows_with_the_topics_and_not_with_their_square() {
    let mut sim = scenario(|plan| plan.topics = vec![1; 400]);
    for topic in 0..400 {
        let index = sim.say(topic, 0, b"the first of its topic");
        sim.run_until(|sim| sim.is_delivered(index));
    }
    let names: usize = sim.net.metadata.iter().map(|(names, _)| names.len()).sum();
    assert!(names <= 410, "{names} names");
    sim.finish();
}

#[test]
fn topics_that_are_created_on_demand_are_asked_for_by_themselves_too() {
    let mut sim = scenario(|plan| {
        plan.topics = vec![1; 100];
        plan.auto_create_partitions = 2;
        plan.config.allow_auto_create_topics = true;
    });
    (0..100).for_each(|topic| sim.cluster.topic_delete(&format!("t{topic}")).expect("it exists"));
    for topic in 0..100 {
        let index = sim.say(topic, 0, b"the first of its topic");
        sim.run_until(|sim| sim.is_delivered(index));
    }
    let names: usize = sim.net.metadata.iter().map(|(names, _)| names.len()).sum();
    assert!(names <= 110, "{names} names");
    sim.finish();
}

#[test]
fn the_lost_leader_of_one_topic_has_no_other_asked_for() {
    let mut sim = scenario(|plan| plan.topics = vec![1; 50]);
    for topic in 0..50 {
        sim.say(topic, 0, b"known");
    }
    sim.run_for(1_000);
    let from = sim.net.metadata.len();
    sim.cluster.partition_set_leader("t7", 0, None).expect("it exists");
    let index = sim.say(7, 0, b"waits for a leader");
    sim.run_for(20_000);
    sim.cluster.partition_set_leader("t7", 0, Some(1)).expect("both exist");
    sim.run_for(3_000);
    assert!(sim.is_delivered(index));
    let asked = &sim.net.metadata[from..];
    assert!(asked.len() > 10 && asked.iter().all(|(names, _)| *names == ["t7"]), "{asked:?}");
    sim.finish();
}

#[test]
fn a_topic_that_was_deleted_stays_deleted_whatever_else_is_sent() {
    for lost in ["idle", "between its records"] {
        let mut sim = scenario(|plan| {
            quick(plan);
            plan.topics = vec![1, 1];
            plan.auto_create_partitions = 1;
            plan.config.allow_auto_create_topics = true;
        });
        sim.say(0, 0, b"stays");
        sim.say(1, 0, b"goes");
        sim.run_for(if lost == "idle" { 20_000 } else { 500 });
        let from = sim.net.metadata.len();
        sim.cluster.topic_delete("t1").expect("it exists");
        for _ in 0..20 {
            sim.say(0, 0, b"stays");
            sim.run_for(1_000);
        }
        assert_eq!(sim.cluster.partition_count("t1"), None, "{lost}");
        let (asked, created) = named(&sim, "t1", from);
        assert!(asked <= 2 && created == 0, "{lost}: asked for {asked} times, {created} times to be created");
        let index = sim.say(1, 0, b"brings it back");
        sim.run_for(2_000);
        assert!(sim.is_delivered(index), "{lost}");
        // What it had before went with it.
        sim.losses.records.extend(sim.app.sent.iter().filter(|sent| sent.topic == 1).map(|sent| sent.timestamp_ms));
        sim.finish();
    }
}

#[test]
fn a_topic_that_is_not_used_is_forgotten_and_known_again_when_it_is() {
    let mut sim = scenario(|plan| {
        plan.topics = vec![1, 2];
        plan.config.metadata_max_age_ms = 1_000;
        plan.config.metadata_max_idle_ms = 5_000;
        plan.config.enable_idempotence = true;
        plan.config.connections_max_idle_ms = None;
    });
    let first = sim.say(1, 1, b"used once");
    for _ in 0..8 {
        sim.say(0, 0, b"used all the time");
        sim.run_for(1_000);
    }
    assert!(sim.is_delivered(first));
    let from = sim.net.metadata.len();
    sim.run_for(3_000);
    assert_eq!(named(&sim, "t1", from), (0, 0));
    assert!(named(&sim, "t0", from).0 > 0);
    assert!(is_listed(&sim, "t0") && !is_listed(&sim, "t1"));
    let numbers = |sim: &Sim| (sim.accumulator.numbers.topics.get(), sim.accumulator.numbers.partitions.get());
    assert_eq!(numbers(&sim), (1, 1));
    // Its leader moves meanwhile, and its sequences go on where they were.
    let leader = sim.cluster.partition_leader("t1", 1).expect("it exists").0.expect("it has one");
    sim.cluster.partition_set_leader("t1", 1, Some(3 - leader)).expect("both exist");
    let second = sim.say(1, 1, b"used again");
    sim.run_for(500);
    assert!(sim.is_delivered(second));
    assert_eq!((sim.report(second).attempts, sim.report(second).offset), (1, 1));
    assert!(is_listed(&sim, "t1"));
    assert_eq!(numbers(&sim), (2, 3));
    sim.finish();
}

#[test]
fn a_producer_that_is_idle_forgets_its_topics_and_asks_for_nothing() {
    let mut sim = scenario(|plan| {
        plan.topics = vec![3; 20];
        plan.config.metadata_max_age_ms = 60_000;
        plan.config.metadata_max_idle_ms = 5_000;
    });
    for topic in 0..20 {
        sim.say(topic, 2, b"used once");
    }
    sim.run_for(10_000);
    let from = sim.net.metadata.len();
    sim.run_for(600_000);
    let names: usize = sim.net.metadata[from..].iter().map(|(names, _)| names.len()).sum();
    assert_eq!(names, 0);
    assert_eq!(sim.accumulator.numbers.topics.get(), 0);
    sim.finish();
}

#[test]
fn a_record_that_lingers_for_long_keeps_its_topic() {
    let mut sim = scenario(|plan| {
        plan.config.metadata_max_idle_ms = 5_000;
        plan.config.linger_us = 60_000_000;
        plan.config.delivery_timeout_ms = 120_000;
    });
    let first = sim.say(0, 0, b"makes the topic known");
    sim.flush();
    sim.run_for(500);
    assert!(sim.is_delivered(first));
    let second = sim.say(0, 0, b"lingers");
    sim.run_for(50_000);
    assert!(is_listed(&sim, "t0"));
    sim.run_for(11_000);
    assert!(sim.is_delivered(second));
    sim.finish();
}

#[test]
fn a_topic_that_is_refused_is_not_asked_for_again_before_something_is_sent_to_it() {
    for code in [17, 29, 31] {
        let mut sim = scenario(|plan| {
            quick(plan);
            plan.topics = vec![1, 1];
        });
        sim.say(0, 0, b"allowed");
        sim.run_for(500);
        sim.faults.twist_metadata = Some(Box::new(move |_, response| {
            for topic in
                response.topics.iter_mut().filter(|topic| topic.name.as_ref().is_some_and(|name| *name.0 == *"t1"))
            {
                topic.error_code = code;
                topic.partitions.clear();
            }
        }));
        let refused = sim.say(1, 0, b"refused");
        sim.run_for(100);
        assert_eq!(sim.report(refused).status, Status(i32::from(code)), "at once");
        let from = sim.net.metadata.len();
        for _ in 0..10 {
            sim.say(0, 0, b"allowed");
            sim.run_for(1_000);
        }
        assert_eq!(named(&sim, "t1", from), (0, 0));
        assert!(named(&sim, "t0", from).0 > 5);
        let again = sim.say(1, 0, b"refused again");
        sim.run_for(100);
        assert_eq!(sim.report(again).status, Status(i32::from(code)));
        sim.faults.twist_metadata = None;
        let allowed = sim.say(1, 0, b"allowed now");
        sim.run_for(100);
        assert!(sim.is_delivered(allowed));
        sim.finish();
    }
}

#[test]
fn every_error_of_a_topic_that_may_pass_is_given_time() {
    for code in [3, 5, -1, 38, 44, 56, 999, 0] {
        for passes in [true, false] {
            let mut sim = scenario(quick);
            let started = sim.now;
            sim.faults.twist_metadata = Some(Box::new(move |_, response| {
                for topic in &mut response.topics {
                    topic.error_code = code;
                    topic.partitions.clear();
                }
            }));
            let index = sim.say(0, 0, b"waits");
            sim.run_for(2_000);
            assert!(sim.report_of(index).is_none(), "{code}");
            if passes {
                sim.faults.twist_metadata = None;
                sim.run_for(1_300);
                assert!(sim.is_delivered(index), "{code}");
            } else {
                sim.run_for(1_500);
                let report = sim.report(index);
                let status = if code == 0 { 3 } else { i32::from(code) };
                assert_eq!((report.status, report.phase), (Status(status), Phase::Metadata), "{code}");
                assert!(report.finished_at <= started + Micros::from_ms(3_100), "{code}");
                assert!(report.cause.contains("topic.metadata.propagation.max.ms"), "{code}: {}", report.cause);
            }
            sim.finish();
        }
    }
}

#[test]
fn an_error_of_a_topic_whose_leaders_still_take_records_stops_nothing() {
    for (code, times) in [(3, 20), (5, 100), (999, 100), (29, 100)] {
        let mut sim = scenario(quick);
        sim.say(0, 0, b"known");
        sim.run_for(500);
        sim.faults.twist_metadata = Some(Box::new(move |_, response| {
            for topic in &mut response.topics {
                topic.error_code = code;
                topic.partitions.clear();
            }
        }));
        let mut records = Vec::new();
        for _ in 0..times {
            records.push(sim.say(0, 0, b"goes to the leader that is known"));
            sim.run_for(100);
        }
        if code == 3 {
            // After a moment without records it is asked for anew, as one that was deleted.
            sim.faults.twist_metadata = None;
            sim.run_for(1_000);
        }
        assert!(records.iter().all(|index| sim.is_delivered(*index)), "{code}");
        sim.finish();
    }
}

#[test]
fn records_of_a_topic_that_is_deleted_under_way_fail_with_its_status_after_the_grace() {
    for (idempotent, transport) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut sim = scenario(|plan| {
            quick(plan);
            plan.config.enable_idempotence = idempotent;
            plan.config.retries = u32::MAX;
            plan.config.linger_us = 5_000;
        });
        sim.say(0, 0, b"known");
        sim.run_for(500);
        let leader = sim.leader(0);
        sim.cluster.topic_delete("t0").expect("it exists");
        if transport {
            // Its leader is gone as well.
            sim.net.listeners.retain(|_, listener| *listener != leader);
            sim.cut_off(leader);
        }
        let started = sim.now;
        let records: Vec<usize> = (0..6).map(|n| sim.say(0, n % 2, b"for the topic that is gone")).collect();
        sim.run_for(6_000);
        for index in records {
            let report = sim.report(index);
            assert_eq!(report.status, Status::UNKNOWN_TOPIC_OR_PARTITION, "{}", report.cause);
            let took = report.finished_at.since(started).as_ms();
            assert!((2_900..4_500).contains(&took), "after {took} ms");
        }
        // Nothing is asked about it any more.
        let from = sim.net.metadata.len();
        sim.run_for(20_000);
        assert!(named(&sim, "t0", from).0 <= 1);
        sim.app.topics.clear();
        sim.app.sent.clear();
        sim.abort();
    }
}

/// Deletes the topic and makes it again with so many partitions.
fn make_again(sim: &mut Sim, partitions: i32) {
    sim.cluster.topic_delete("t0").expect("it exists");
    sim.cluster.topic_create("t0", partitions, 2).expect("a legal topic");
    // What it had before went with it.
    sim.losses.records.extend(sim.app.sent.iter().map(|sent| sent.timestamp_ms));
    (0..12).for_each(|index| {
        sim.losses.partitions.insert(("t0".into(), index));
    });
}

#[test]
fn a_topic_made_again_with_fewer_partitions_gets_its_records_there() {
    for (ids, idempotent) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut sim = scenario(|plan| {
            quick(plan);
            plan.topics = vec![12];
            plan.config.enable_idempotence = idempotent;
            plan.config.batch_size = 200;
        });
        if !ids {
            without_ids(&mut sim);
        }
        let keyed = |sim: &mut Sim, n: usize, with_key: bool| {
            let key = with_key.then(|| format!("key{n}").into_bytes());
            let sent = sim.record(0, None, key, Some(vec![b'v'; 50]), Vec::new(), None, true);
            assert!(sim.send(sent, 0));
            sim.app.sent.len() - 1
        };
        let before: Vec<usize> = (0..60).map(|n| keyed(&mut sim, n, n % 2 == 0)).collect();
        sim.run_for(500);
        assert!(before.iter().all(|index| sim.is_delivered(*index)));
        make_again(&mut sim, 3);
        sim.run_for(2_500);
        let after: Vec<usize> = (0..60).map(|n| keyed(&mut sim, n, n % 2 == 0)).collect();
        sim.run_for(3_000);
        for index in after {
            let report = sim.report(index);
            assert_eq!(report.status, Status::OK, "ids: {ids}, {}", report.cause);
            assert!(report.partition < 3);
        }
        assert_eq!(sim.accumulator.numbers.partitions.get(), 3);
        assert_eq!(sim.accumulator.numbers.partitions_leaderless.get(), 0);
        // A partition that is not there any more is refused as any other.
        let nowhere = sim.say(0, 7, b"nowhere");
        sim.run_for(3_000);
        assert_eq!(sim.report(nowhere).status, Status::UNKNOWN_PARTITION);
        sim.app.sent.clear();
        sim.app.topics.clear();
        sim.abort();
    }
}

#[test]
fn records_that_wait_in_a_partition_which_is_not_there_any_more_fail_after_the_grace() {
    for ids in [true, false] {
        let mut sim = scenario(|plan| {
            quick(plan);
            plan.topics = vec![6];
            plan.config.linger_us = 10_000_000;
        });
        if !ids {
            without_ids(&mut sim);
        }
        sim.say(0, 0, b"known");
        sim.flush();
        sim.run_for(500);
        let (stays, goes) = (sim.say(0, 1, b"lingers"), sim.say(0, 5, b"lingers"));
        make_again(&mut sim, 2);
        sim.run_for(3_000);
        let started = sim.now;
        sim.flush();
        sim.run_for(4_500);
        assert!(sim.is_delivered(stays));
        let report = sim.report(goes);
        assert_eq!((report.status, report.persisted), (Status::UNKNOWN_TOPIC_OR_PARTITION, Persisted::No));
        assert!(report.cause.contains("t0 [5]") && report.cause.contains("2 partitions"), "{}", report.cause);
        assert!(report.finished_at <= started + Micros::from_ms(4_200));
        sim.app.sent.clear();
        sim.app.topics.clear();
        sim.abort();
    }
}

#[test]
fn a_topic_made_again_with_as_many_or_more_partitions_goes_on() {
    for (ids, partitions) in [(true, 2), (true, 5), (false, 2), (false, 5)] {
        let mut sim = scenario(|plan| {
            quick(plan);
            plan.config.enable_idempotence = true;
        });
        if !ids {
            without_ids(&mut sim);
        }
        for round in 0..4u8 {
            sim.say(0, 0, &[round]);
            sim.run_for(500);
            sim.move_leader(0);
        }
        sim.run_for(1_500);
        make_again(&mut sim, partitions);
        let mut records = Vec::new();
        for n in 0..40 {
            records.push(sim.say(0, n % 2, b"goes on"));
            sim.run_for(100);
        }
        sim.run_for(3_000);
        let failed: Vec<usize> = records.into_iter().filter(|index| !sim.is_delivered(*index)).collect();
        for index in &failed {
            // Under way when its leader was another already: the deleted topic may have it.
            let report = sim.report(*index);
            let (status, persisted) = (Status::UNKNOWN_TOPIC_OR_PARTITION, Persisted::Maybe);
            assert_eq!((report.status, report.persisted), (status, persisted), "ids: {ids}, {}", report.cause);
        }
        assert!(failed.len() <= 2, "ids: {ids}, {failed:?}");
        sim.app.sent.clear();
        sim.app.topics.clear();
        sim.abort();
    }
}

#[test]
fn a_leader_epoch_that_went_back_is_believed_where_the_known_leader_fails() {
    let mut sim = scenario(|plan| {
        quick(plan);
        plan.brokers = 3;
    });
    without_ids(&mut sim);
    for round in 0..6u8 {
        sim.say(0, 0, &[round]);
        sim.run_for(500);
        let next = 1 + sim.leader(0) % 3;
        sim.cluster.partition_set_leader("t0", 0, Some(next)).expect("both exist");
    }
    sim.say(0, 0, b"at the last epoch");
    sim.run_for(2_000);
    // The cluster was restored: the epochs of its leaders begin at an earlier point, and another broker leads.
    let next = 1 + sim.leader(0) % 3;
    sim.cluster.partition_set_leader("t0", 0, Some(next)).expect("both exist");
    sim.faults.twist_metadata = Some(Box::new(|_, response| {
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        partitions.for_each(|partition| partition.leader_epoch = (partition.leader_epoch - 6).max(0));
    }));
    let index = sim.say(0, 0, b"for the leader of the older epoch");
    sim.run_for(3_000);
    assert!(sim.is_delivered(index));
    for _ in 0..3 {
        let next = 1 + sim.leader(0) % 3;
        sim.cluster.partition_set_leader("t0", 0, Some(next)).expect("both exist");
        let index = sim.say(0, 0, b"elections go on from there");
        sim.run_for(3_000);
        assert!(sim.is_delivered(index));
    }
    sim.finish();
}

#[test]
fn a_broker_that_lags_does_not_take_records_from_a_leader_that_works() {
    let mut sim = scenario(|plan| plan.config.metadata_max_age_ms = 100);
    sim.say(0, 0, b"known");
    sim.run_for(500);
    let old = sim.leader(0);
    let new = sim.move_leader(0);
    let index = sim.say(0, 0, b"finds the new leader");
    sim.run_for(1_000);
    assert!(sim.is_delivered(index));
    sim.faults.twist_metadata = Some(Box::new(move |_, response| {
        let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.partition_index == 0) {
            (partition.leader_id, partition.leader_epoch) = (old.into(), 0);
        }
    }));
    let from = sim.net.produced.len();
    for _ in 0..50 {
        sim.say(0, 0, b"goes where it is taken");
        sim.run_for(100);
    }
    assert!(sim.net.produced[from..].iter().all(|(_, broker)| *broker == new));
    sim.finish();
}

#[test]
fn a_partition_that_is_left_out_keeps_nothing_of_its_topic_waiting() {
    for left_out in 0..3 {
        let mut sim = scenario(|plan| {
            quick(plan);
            plan.topics = vec![3];
        });
        let known: Vec<usize> = (0..3).map(|n| sim.say(0, n, b"known")).collect();
        sim.run_for(500);
        assert!(known.iter().all(|index| sim.is_delivered(*index)));
        sim.faults.twist_metadata = Some(Box::new(move |_, response| {
            let topics = response.topics.iter_mut();
            topics.for_each(|topic| topic.partitions.retain(|partition| partition.partition_index != left_out));
        }));
        let moved = (left_out + 1) % 3;
        let to = 3 - sim.leader(moved);
        sim.cluster.partition_set_leader("t0", moved, Some(to)).expect("both exist");
        let records: Vec<usize> = (0..3).map(|n| sim.say(0, n, b"while one is left out")).collect();
        sim.run_for(2_000);
        for index in records {
            assert!(sim.is_delivered(index), "without {left_out}: {}", sim.report(index).cause);
        }
        sim.finish();
    }
}

#[test]
fn a_new_topic_with_a_partition_left_out_takes_records_for_the_others() {
    let mut sim = scenario(|plan| {
        quick(plan);
        plan.topics = vec![3];
    });
    sim.faults.twist_metadata = Some(Box::new(|_, response| {
        let topics = response.topics.iter_mut();
        topics.for_each(|topic| topic.partitions.retain(|partition| partition.partition_index != 1));
    }));
    let started = sim.now;
    let records: Vec<usize> = (0..3).map(|n| sim.say(0, n, b"the first of its topic")).collect();
    sim.run_for(1_000);
    assert!(sim.is_delivered(records[0]) && sim.is_delivered(records[2]));
    assert!(sim.report_of(records[1]).is_none());
    sim.run_for(4_000);
    let report = sim.report(records[1]);
    assert_eq!(report.status, Status::UNKNOWN_TOPIC_OR_PARTITION);
    assert!(report.finished_at <= started + Micros::from_ms(4_500));
    sim.faults.twist_metadata = None;
    let later = sim.say(0, 1, b"it is there again");
    sim.run_for(1_500);
    assert!(sim.is_delivered(later));
    sim.finish();
}

#[test]
fn brokers_that_come_and_go_leave_nothing_behind() {
    let mut sim = scenario(|plan| {
        (plan.brokers, plan.topics) = (1, vec![1]);
        plan.config.metadata_max_age_ms = 100;
        plan.config.metadata_max_idle_ms = 5_000;
        plan.config.connections_max_idle_ms = None;
    });
    let mut next = 100;
    sim.faults.twist_metadata = Some(Box::new(move |_, response| {
        // Another one with each answer, beside the one that stays.
        let mut passing = response.brokers[0].clone();
        next += 1;
        passing.node_id = next.into();
        response.brokers.push(passing);
    }));
    for _ in 0..300 {
        sim.say(0, 0, b"meanwhile");
        sim.run_for(100);
    }
    let brokers = sim.accumulator.cluster.load().brokers.len();
    assert_eq!(brokers, 2);
    let counted = sim.accumulator.numbers.brokers().len();
    assert!((2..80).contains(&counted), "{counted}: those of the last five seconds");
    sim.faults.twist_metadata = None;
    sim.run_for(10_000);
    assert_eq!(sim.accumulator.numbers.brokers().len(), 1);
    sim.finish();
}

#[test]
fn a_warm_up_follows_a_leader_that_is_down() {
    let mut sim = scenario(|plan| plan.topics = vec![3]);
    let index = sim.say(0, 0, b"the topic is known");
    sim.run_until(|sim| sim.is_delivered(index));
    let asked = sim.net.metadata.len();
    // A partition that no record waits for: nothing but the warm-up wants its leader.
    let down = (1..3).map(|partition| (partition, sim.leader(partition))).find(|(_, leader)| *leader != sim.leader(0));
    let (_, down) = down.expect("several brokers lead");
    sim.cluster.broker_down(down);
    sim.cut_off(down);
    let warm = Arc::new(CallReply::default());
    sim.accumulator.inbox.command(Command::WarmUp { topic: sim.app.topics[0].id, reply: warm.clone() });
    sim.after_application();
    sim.run_for(5_000);
    assert!(warm.done.is_complete(), "it goes on with the new leader");
    let asked = sim.net.metadata.len() - asked;
    assert!(asked <= 12, "asked {asked} times");
    sim.finish();
}
