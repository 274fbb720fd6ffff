//! Named scenarios: brokers and leaders that come, go, hang and move, and what is connected to and asked because of it.

use super::Sim;
use super::hands::scenario;
use super::plan::Plan;
use crate::mock::api_key;
use crate::time::{Micros, Time};

/// A cluster of `brokers` with one topic of as many partitions, each led by another broker.
fn wide(plan: &mut Plan, brokers: i32) {
    (plan.brokers, plan.topics) = (brokers, vec![brokers]);
}

fn addresses(sim: &Sim) -> Vec<String> {
    let mut addresses: Vec<String> = sim.net.connects.iter().map(|(_, address)| address.clone()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Nothing listens at the broker's address any more; metadata go on naming it.
fn silence(sim: &mut Sim, broker: i32) {
    sim.net.listeners.retain(|_, listener| *listener != broker);
    sim.cut_off(broker);
}

#[test]
fn only_the_leader_that_records_are_for_is_connected_to() {
    let mut sim = scenario(|plan| {
        wide(plan, 30);
        plan.config.metadata_max_age_ms = 1_000;
    });
    for round in 0..5 {
        let index = sim.say(0, 3, b"for one of thirty");
        sim.run_for(1_500);
        assert!(sim.is_delivered(index));
        // Leaders that nothing waits for change too.
        let other = 10 + round;
        sim.cluster.partition_set_leader("t0", other, Some(other)).expect("both exist");
    }
    assert!(addresses(&sim).len() <= 3, "{:?}", addresses(&sim));
    sim.finish();
}

#[test]
fn a_dead_leader_is_not_connected_to_and_nobody_is_asked_once_nothing_waits_for_it() {
    let mut sim = scenario(|plan| {
        plan.config.delivery_timeout_ms = 3_000;
        plan.config.linger_us = 1_000;
    });
    let before = [sim.say(0, 0, b"opens the connection"), sim.say(0, 1, b"so does this")];
    sim.run_for(200);
    assert!(before.iter().all(|index| sim.is_delivered(*index)));
    let dead = sim.leader(0);
    silence(&mut sim, dead);
    sim.run_for(5_000);
    let late = sim.say(0, 0, b"expires");
    sim.run_for(10_000);
    assert!(!sim.is_delivered(late));
    let (connects, asked) = (sim.net.connects.len(), sim.requests(api_key::METADATA));
    sim.run_for(120_000);
    assert_eq!((sim.net.connects.len(), sim.requests(api_key::METADATA)), (connects, asked));
    let other = sim.say(0, 1, b"the other leader is as it was");
    sim.run_for(200);
    assert!(sim.is_delivered(other));
    sim.finish();
}

#[test]
fn purged_records_leave_nothing_that_connects_to_a_dead_leader() {
    let mut sim = scenario(|_| ());
    sim.say(0, 0, b"opens the connection");
    sim.run_for(200);
    let dead = sim.leader(0);
    silence(&mut sim, dead);
    sim.run_for(1_000);
    sim.say(0, 0, b"purged");
    sim.run_for(1_000);
    sim.purge(true, true);
    sim.run_for(5_000);
    let (connects, asked) = (sim.net.connects.len(), sim.requests(api_key::METADATA));
    sim.run_for(120_000);
    assert_eq!((sim.net.connects.len(), sim.requests(api_key::METADATA)), (connects, asked));
    sim.finish();
}

#[test]
fn records_leave_a_leader_that_hangs_soon_after_the_cluster_has_moved_it() {
    for moved_after_ms in [1_500, 6_000, 9_000, 14_000, 18_000] {
        let mut sim = scenario(|plan| {
            (plan.brokers, plan.topics) = (3, vec![3]);
            plan.config.request_timeout_ms = 30_000;
            plan.config.delivery_timeout_ms = 120_000;
        });
        sim.say(0, 0, b"opens the connection");
        sim.run_for(500);
        let hung = sim.leader(0);
        sim.cluster.broker_set_frozen(hung, true);
        let index = sim.say(0, 0, b"is not answered");
        sim.run_for(moved_after_ms);
        assert!(sim.report_of(index).is_none());
        sim.cluster.partition_set_leader("t0", 0, Some(1 + hung % 3)).expect("both exist");
        sim.run_for(3_500);
        assert!(sim.is_delivered(index), "moved after {moved_after_ms} ms");
        sim.cluster.broker_set_frozen(hung, false);
        sim.finish();
    }
}

#[test]
fn a_partition_that_has_no_leader_any_more_does_not_keep_the_others_at_one_that_hangs() {
    let mut sim = scenario(|plan| {
        (plan.brokers, plan.topics) = (2, vec![4]);
        plan.config.request_timeout_ms = 30_000;
        plan.config.delivery_timeout_ms = 120_000;
        plan.config.linger_us = 5_000;
    });
    // One request with two partitions of the same leader.
    let hung = sim.leader(0);
    assert_eq!(sim.leader(2), hung);
    sim.say(0, 0, b"opens the connection");
    sim.say(0, 2, b"opens the connection");
    sim.run_for(500);
    sim.cluster.broker_set_frozen(hung, true);
    let (moved, stuck) = (sim.say(0, 0, b"moves"), sim.say(0, 2, b"has nowhere to go"));
    sim.run_for(6_000);
    sim.cluster.partition_set_leader("t0", 0, Some(3 - hung)).expect("both exist");
    sim.cluster.partition_set_leader("t0", 2, None).expect("it exists");
    sim.run_for(3_500);
    assert!(sim.is_delivered(moved) && sim.report_of(stuck).is_none());
    sim.cluster.partition_set_leader("t0", 2, Some(3 - hung)).expect("both exist");
    sim.run_for(3_000);
    assert!(sim.is_delivered(stuck));
    sim.cluster.broker_set_frozen(hung, false);
    sim.finish();
}

#[test]
fn a_leader_that_hangs_while_it_is_connected_to_is_left_as_well() {
    let mut sim = scenario(|plan| {
        plan.config.connections_max_idle_ms = Some(1_000);
        plan.config.delivery_timeout_ms = 120_000;
    });
    let other = sim.say(0, 1, b"another leader");
    sim.run_for(500);
    assert!(sim.is_delivered(other));
    let hung = sim.leader(0);
    // It accepts connections, as a stopped process does, and says nothing.
    sim.faults.silent.push((hung, api_key::API_VERSIONS));
    sim.say(0, 1, b"keeps the other connection");
    let index = sim.say(0, 0, b"waits for the connection");
    sim.run_for(1_500);
    sim.move_leader(0);
    sim.run_for(3_500);
    assert!(sim.is_delivered(index), "long before the connection is given up");
    sim.finish();
}

#[test]
fn leaders_that_name_each_other_are_not_followed_round_and_round() {
    let mut sim = scenario(|plan| plan.config.delivery_timeout_ms = 10_000);
    let warm = [sim.say(0, 0, b"known"), sim.say(0, 1, b"connects to the other broker")];
    sim.run_for(500);
    assert!(warm.iter().all(|index| sim.is_delivered(*index)));
    let mut epoch = 100;
    let mut turn = sim.leader(0);
    sim.faults.twist_produce = Some(Box::new(move |response| {
        for partition in response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses) {
            epoch += 1;
            turn = 3 - turn;
            partition.error_code = 6;
            partition.base_offset = -1;
            partition.current_leader.leader_id = turn.into();
            partition.current_leader.leader_epoch = epoch;
        }
    }));
    let asked = sim.net.produced.len();
    sim.say(0, 0, b"goes round");
    sim.run_for(9_000);
    let attempts = sim.net.produced.len() - asked;
    assert!((4..30).contains(&attempts), "{attempts} attempts in 9 s");
    sim.faults.twist_produce = None;
    sim.run_for(3_000);
    sim.finish();
}

#[test]
fn what_is_in_flight_is_answered_before_a_new_address_is_taken_over() {
    let mut sim = scenario(|plan| {
        plan.config.metadata_max_age_ms = 500;
        plan.config.max_in_flight_requests_per_connection = 5;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.cluster.broker_set_latency(leader, 900);
    sim.run_for(200);
    let index = sim.say(0, 0, b"in flight when the address changes");
    sim.run_for(50);
    // Both addresses lead to the broker, as they do behind a proxy that is being replaced.
    sim.net.listeners.insert("elsewhere:1".into(), leader);
    sim.cluster.set_address(leader, "elsewhere", 1);
    sim.run_for(3_000);
    assert!(sim.is_delivered(index));
    assert_eq!(sim.report(index).attempts, 1, "it was not sent again");
    let next = sim.say(0, 0, b"goes to the new address");
    sim.run_for(3_000);
    assert!(sim.is_delivered(next));
    assert!(sim.open_links().iter().any(|link| link.address == "elsewhere:1"));
    assert!(
        sim.open_links().iter().filter(|link| link.broker == Some(leader)).all(|link| link.address == "elsewhere:1")
    );
    sim.finish();
}

#[test]
fn an_old_address_that_does_not_answer_is_not_waited_for() {
    let mut sim = scenario(|plan| {
        plan.config.metadata_max_age_ms = 500;
        plan.config.request_timeout_ms = 30_000;
        plan.config.delivery_timeout_ms = 120_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    let leader = sim.leader(0);
    sim.faults.silent.push((leader, api_key::PRODUCE));
    let index = sim.say(0, 0, b"in flight when the address changes");
    sim.run_for(50);
    sim.net.listeners.insert("elsewhere:1".into(), leader);
    sim.cluster.set_address(leader, "elsewhere", 1);
    sim.run_for(600);
    sim.faults.silent.clear();
    sim.run_for(3_000);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn an_address_that_changes_all_the_time_costs_a_connection_each_time_and_no_record() {
    let mut sim = scenario(|plan| plan.config.metadata_max_age_ms = 1_000);
    let leader = sim.leader(0);
    sim.net.listeners.insert("inside:1".into(), leader);
    sim.net.listeners.insert("outside:1".into(), leader);
    let mut records = Vec::new();
    for round in 0..40 {
        sim.cluster.set_address(leader, if round % 2 == 0 { "inside" } else { "outside" }, 1);
        for _ in 0..5 {
            records.push(sim.say(0, 0, b"while addresses change"));
            sim.run_for(100);
        }
    }
    sim.run_for(2_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index) && sim.report(*index).attempts == 1));
    assert!(sim.net.connects.len() <= 60, "{}", sim.net.connects.len());
    sim.finish();
}

#[test]
fn a_leader_that_is_slow_but_alive_is_neither_left_nor_asked_about_all_the_time() {
    let mut sim = scenario(|plan| plan.config.request_timeout_ms = 30_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(500);
    let leader = sim.leader(0);
    sim.cluster.broker_set_latency(leader, 9_000);
    let asked = sim.requests(api_key::METADATA);
    let index = sim.say(0, 0, b"takes its time");
    sim.run_until(|sim| sim.is_delivered(index));
    assert!(sim.now >= Time::ZERO + Micros::from_ms(9_500));
    assert_eq!(sim.report(index).attempts, 1);
    assert!((1..=6).contains(&(sim.requests(api_key::METADATA) - asked)));
    sim.finish();
}
