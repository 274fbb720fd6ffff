//! Where records without a key go, under the virtual clock: away from a slow broker, and to one broker at a time.

use super::Sim;
use super::hands::scenario;
use super::plan::Plan;
use crate::config::Partitioner;
use std::collections::BTreeSet;

/// Sends a record without a key; false when there is no memory for it.
fn send_anywhere(sim: &mut Sim, value_bytes: usize) -> bool {
    let value = Some(vec![b'v'; value_bytes]);
    let sent = sim.record(0, None, None, value, Vec::new(), None, true);
    // Refused for want of memory it is given up, not kept for later.
    sim.send(sent, u32::MAX)
}

/// The share in percent that the broker with the slow answers gets of everything delivered in five seconds, sent as fast as it goes.
fn share_of_the_slow_broker(edit: impl FnOnce(&mut Plan)) -> usize {
    let mut sim = scenario(|plan| {
        plan.brokers = 3;
        plan.topics = vec![3];
        plan.config.batch_size = 4_000;
        plan.config.buffer_memory = 128 << 10;
        plan.config.max_in_flight_requests_per_connection = 2;
        edit(plan);
    });
    for broker in 1..=3 {
        sim.cluster.broker_set_latency(broker, if broker == 2 { 200 } else { 20 });
    }
    for _ in 0..1_000 {
        while send_anywhere(&mut sim, 1_000) {}
        sim.run_for(5);
    }
    let sent = |sim: &Sim, slow: bool| -> usize {
        (0..3)
            .filter(|partition| (sim.leader(*partition) == 2) == slow)
            .map(|partition| sim.values(partition).len())
            .sum()
    };
    let (slow, fast) = (sent(&sim, true), sent(&sim, false));
    assert!(fast > 200, "{fast}");
    sim.finish();
    100 * slow / (slow + fast)
}

#[test]
fn a_broker_ten_times_slower_gets_at_most_a_third_of_its_share() {
    let adaptive = share_of_the_slow_broker(|_| ());
    assert!(adaptive <= 11, "{adaptive} %");
    // Sharing evenly, all go at the pace of the slowest; what it has not taken yet does not count here.
    let even = share_of_the_slow_broker(|plan| plan.config.partitioner = Partitioner::Sticky);
    assert!(even > 14, "{even} %");
}

#[test]
fn a_frozen_broker_is_avoided_after_the_availability_timeout_and_used_again_afterwards() {
    let mut sim = scenario(|plan| {
        plan.brokers = 3;
        plan.topics = vec![3];
        plan.config.batch_size = 2_000;
        plan.config.partitioner_availability_timeout_ms = 500;
    });
    let share = |sim: &mut Sim, ms: u64| -> Vec<usize> {
        let count = |sim: &Sim| -> Vec<usize> {
            sim.app.sent.iter().fold(vec![0; 3], |mut counts, sent| {
                if let Some(report) = &sent.report {
                    counts[report.partition as usize] += 1;
                }
                counts
            })
        };
        let before = count(sim);
        for _ in 0..ms / 10 {
            (0..4).for_each(|_| assert!(send_anywhere(sim, 500)));
            sim.run_for(10);
        }
        count(sim).iter().zip(before).map(|(now, before)| now - before).collect()
    };
    assert!(share(&mut sim, 3_000).iter().all(|share| *share > 200));
    let frozen = (0..3).find(|partition| sim.leader(*partition) == 2).expect("three brokers lead three partitions");
    sim.cluster.broker_set_frozen(2, true);
    share(&mut sim, 3_000);
    let unreported = |sim: &Sim| sim.app.sent.iter().filter(|sent| sent.report.is_none()).count();
    let stuck = unreported(&sim);
    let avoiding = share(&mut sim, 3_000);
    assert_eq!(avoiding[frozen as usize], 0);
    assert!(unreported(&sim) <= stuck + 8, "nothing more goes there: {stuck}, {}", unreported(&sim));
    sim.cluster.broker_set_frozen(2, false);
    share(&mut sim, 5_000);
    assert!(share(&mut sim, 3_000)[frozen as usize] > 200);
    sim.finish();
}

#[test]
fn single_broker_holds_one_connection_and_moves_on_when_its_time_is_over() {
    let mut sim = scenario(|plan| {
        plan.brokers = 3;
        plan.topics = vec![6];
        plan.config.partitioner = Partitioner::SingleBroker;
        plan.config.partitioner_broker_rotation_ms = 10_000;
        plan.config.connections_max_idle_ms = Some(2_000);
    });
    let mut connections = Vec::new();
    for tenth in 0..600 {
        assert!(send_anywhere(&mut sim, 100));
        sim.run_for(100);
        // Long after a move, and before the next.
        if tenth % 100 == 70 {
            connections.push(sim.open_links().len());
        }
    }
    assert_eq!(connections, [1; 6]);
    let mut turns: Vec<i32> = sim.net.produced.iter().map(|(_, broker)| *broker).collect();
    turns.dedup();
    assert!((6..=7).contains(&turns.len()), "{turns:?}");
    assert_eq!(turns[..3].iter().collect::<BTreeSet<_>>().len(), 3, "each in its turn: {turns:?}");
    assert_eq!(turns[..3], turns[3..6]);
    sim.finish();
}
