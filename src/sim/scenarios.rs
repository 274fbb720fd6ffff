//! Named scenarios: bugs that other clients had, bugs that seeds found here, and what each fault must lead to. No
//! chance but in delays.

use std::sync::Arc;

use kafka_protocol::messages::produce_response::PartitionProduceResponse;

use super::Sim;
use super::hands::scenario;
use super::plan::Plan;
use crate::accumulator::{Command, MetadataReply, Question};
use crate::error::Status;
use crate::mock::api_key;
use crate::reports::{Persisted, Phase};
use crate::time::{Micros, Time};

#[test]
fn an_expired_batch_keeps_its_bytes_as_long_as_a_stalled_socket_holds_them() {
    let mut sim = scenario(|plan| plan.config.delivery_timeout_ms = 1_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.net.stalled_until = sim.now + Micros::from_ms(5_000);
    // Large enough not to be copied into its frame.
    let held = vec![b'h'; 4_000];
    let late = sim.say(0, 0, &held);
    sim.run_for(2_000);
    let report = sim.report(late).clone();
    assert_eq!((report.status, report.persisted), (Status::DELIVERY_TIMED_OUT, Persisted::Maybe));
    assert_eq!(report.phase, Phase::InFlight);
    assert!(sim.accumulator.memory.used() > 0, "the socket still has it");
    for _ in 0..20 {
        sim.say(0, 1, b"takes what memory is free");
    }
    sim.run_for(5_000);
    assert_eq!(sim.values(0), [b"opens the connection".to_vec(), held]);
    assert_eq!(sim.accumulator.memory.used(), 0);
    sim.finish();
}

#[test]
fn entries_of_a_response_that_repeat_or_are_foreign_report_nothing_twice() {
    let mut sim = scenario(|_| ());
    sim.faults.twist_produce = Some(Box::new(|response| {
        for topic in &mut response.responses {
            let first = topic.partition_responses[0].clone();
            topic.partition_responses.insert(0, PartitionProduceResponse::default().with_index(99));
            topic.partition_responses.push(first.with_error_code(6));
        }
    }));
    let records = [sim.say(0, 0, b"a"), sim.say(0, 1, b"b")];
    sim.run_for(1_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert!(sim.requests(api_key::PRODUCE) <= 2, "nothing is sent again");
    sim.finish();
}

#[test]
fn a_partition_that_the_response_leaves_out_is_sent_again() {
    let mut sim = scenario(|_| ());
    let mut first = true;
    sim.faults.twist_produce = Some(Box::new(move |response| {
        if std::mem::take(&mut first) {
            response.responses.clear();
        }
    }));
    let index = sim.say(0, 0, b"a");
    sim.run_for(1_000);
    assert!(sim.is_delivered(index));
    assert_eq!(sim.report(index).attempts, 2);
    sim.finish();
}

#[test]
fn a_partition_missing_from_one_metadata_answer_keeps_its_records() {
    let mut sim = scenario(|plan| plan.config.metadata_max_age_ms = 1_000);
    sim.say(0, 1, b"known");
    sim.run_for(100);
    let mut missing = 2;
    sim.faults.twist_metadata = Some(Box::new(move |_, response| {
        if missing > 0 {
            missing -= 1;
            response.topics[0].partitions.remove(missing);
        }
    }));
    sim.cluster.push_error(api_key::PRODUCE, 6, 1);
    let index = sim.say(0, 1, b"kept");
    sim.run_for(3_000);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn a_frame_cut_off_in_the_middle_is_sent_again_whole() {
    let mut sim = scenario(|_| ());
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.plan.write_slice = 20;
    let index = sim.say(0, 0, &[7; 2_000]);
    sim.run_until(|sim| sim.net.produced.len() == 2);
    for _ in 0..3 {
        assert!(sim.step(Time::NEVER));
    }
    let leader = sim.leader(0);
    sim.cut_off(leader);
    sim.run_for(2_000);
    assert!(sim.is_delivered(index));
    assert_eq!((sim.report(index).attempts, sim.values(0).len()), (2, 2));
    sim.finish();
}

#[test]
fn a_batch_split_while_later_ones_are_in_flight_keeps_its_own_order() {
    let mut sim = scenario(|plan| plan.config.batch_size = 2_000);
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    sim.cluster.set_message_max_bytes(700);
    let records: Vec<usize> = (0..30u8).map(|n| sim.say(0, 0, &[n; 150])).collect();
    sim.run_for(3_000);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    assert_eq!(sim.values(0).len(), 31, "every record once");
    sim.finish();
}

#[test]
fn with_one_in_flight_a_split_keeps_the_order_of_everything() {
    let mut sim = scenario(|plan| {
        plan.config.batch_size = 2_000;
        plan.config.max_in_flight_requests_per_connection = 1;
    });
    sim.cluster.set_message_max_bytes(700);
    for n in 0..30u8 {
        sim.say(0, 0, &[n; 150]);
    }
    sim.run_for(3_000);
    assert_eq!(sim.values(0), (0..30u8).map(|n| vec![n; 150]).collect::<Vec<_>>());
    sim.finish();
}

#[test]
fn with_one_in_flight_retries_keep_the_order() {
    let mut sim = scenario(|plan| {
        plan.config.batch_size = 200;
        plan.config.max_in_flight_requests_per_connection = 1;
    });
    for code in [6, 19, 3, 5] {
        sim.cluster.push_error(api_key::PRODUCE, 0, 1);
        sim.cluster.push_error(api_key::PRODUCE, code, 2);
    }
    for n in 0..20u8 {
        sim.say(0, 0, &[n; 100]);
    }
    sim.run_for(10_000);
    assert_eq!(sim.values(0), (0..20u8).map(|n| vec![n; 100]).collect::<Vec<_>>());
    sim.finish();
}

#[test]
fn a_named_newer_leader_is_followed_at_once_without_metadata() {
    let mut sim = scenario(|plan| plan.config.retry_backoff_ms = 1_000);
    sim.say(0, 0, b"known");
    sim.say(0, 1, b"connects to the other broker");
    sim.run_for(100);
    let asked = sim.requests(api_key::METADATA);
    let to = sim.move_leader(0);
    let index = sim.say(0, 0, b"moves");
    sim.run_for(50);
    assert!(sim.is_delivered(index));
    assert_eq!(sim.net.produced.last().map(|(_, broker)| *broker), Some(to));
    assert_eq!(sim.requests(api_key::METADATA), asked);
    sim.finish();
}

#[test]
fn what_waits_for_the_old_leader_follows_a_named_newer_one() {
    let mut sim = scenario(|plan| {
        plan.config.max_in_flight_requests_per_connection = 1;
        plan.config.batch_size = 200;
    });
    sim.say(0, 0, b"known");
    sim.say(0, 1, b"connects to the other broker");
    sim.run_for(100);
    let from = sim.leader(0);
    sim.move_leader(0);
    let records: Vec<usize> = (0..4u8).map(|n| sim.say(0, 0, &[n; 150])).collect();
    sim.run_until(|sim| sim.net.produced[2..].iter().any(|(_, broker)| *broker != from));
    sim.cluster.broker_down(from);
    sim.cut_off(from);
    sim.run_for(500);
    assert!(records.iter().all(|index| sim.is_delivered(*index)));
    sim.finish();
}

#[test]
fn when_all_known_brokers_are_gone_the_bootstrap_list_is_asked_again() {
    let mut sim = scenario(|plan| plan.bootstrap_aliases = true);
    sim.say(0, 0, b"known");
    sim.run_for(100);
    sim.move_broker(1);
    sim.move_broker(2);
    let index = sim.say(0, 0, b"after the move");
    sim.run_for(5_000);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn metadata_are_asked_elsewhere_when_a_broker_does_not_answer() {
    let mut sim = scenario(|_| ());
    sim.run_until(|sim| sim.requests(api_key::API_VERSIONS) > 0);
    let first = sim.open_links().first().and_then(|link| link.broker).expect("connected");
    sim.faults.silent.push((first, api_key::METADATA));
    sim.say(0, 0, b"waits for metadata");
    sim.run_for(4_900);
    assert_eq!(sim.net.connects.len(), 1);
    sim.run_for(1_100);
    assert!(sim.is_delivered(0), "another broker told");
    sim.finish();
}

#[test]
fn an_idle_connection_is_closed_and_opened_again_when_needed() {
    let mut sim = scenario(|plan| plan.config.connections_max_idle_ms = Some(2_000));
    sim.say(0, 0, b"first");
    sim.run_for(1_000);
    assert!(!sim.open_links().is_empty());
    sim.run_for(10_000);
    assert_eq!(sim.open_links().len(), 0);
    let index = sim.say(0, 0, b"second");
    sim.run_for(100);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn a_throttled_connection_stays_silent_as_long_as_the_broker_asks() {
    let mut sim = scenario(|plan| plan.config.connections_max_idle_ms = Some(1_000));
    let leader = sim.leader(0);
    sim.say(0, 0, b"makes the topic known");
    sim.run_for(100);
    sim.cluster.set_throttle_ms(leader, 3_000);
    let first = sim.say(0, 0, b"first");
    sim.run_for(100);
    let answered = sim.report(first).finished_at;
    let index = sim.say(0, 0, b"second");
    sim.run_for(5_000);
    assert!(sim.is_delivered(index));
    let (at, _) = sim.net.produced[2];
    assert!(at >= answered + Micros::from_ms(3_000), "{at:?}");
    assert!(at <= answered + Micros::from_ms(3_010), "{at:?}");
    sim.finish();
}

#[test]
fn retries_back_off_twice_as_long_each_time() {
    let mut sim = scenario(|plan| plan.config.retry_backoff_ms = 100);
    sim.cluster.push_error(api_key::PRODUCE, 19, 5);
    let index = sim.say(0, 0, b"again and again");
    sim.run_for(10_000);
    assert!(sim.is_delivered(index));
    let times: Vec<Time> = sim.net.produced.iter().map(|(at, _)| *at).collect();
    let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1].since(pair[0]).as_ms()).collect();
    for (pause, expected) in pauses.iter().zip([100, 200, 400, 800, 1_000]) {
        assert!((expected * 8 / 10..=expected * 12 / 10 + 5).contains(pause), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 5);
    sim.finish();
}

#[test]
fn a_flush_overrides_a_linger_of_one_hour() {
    let mut sim = scenario(|plan| {
        plan.config.linger_us = 3_600_000_000;
        plan.config.delivery_timeout_ms = 7_200_000;
    });
    let parked = sim.say(0, 0, b"its topic is not known yet");
    let first = sim.flush();
    sim.run_for(200);
    assert!(sim.is_delivered(parked) && first.is_complete());
    let index = sim.say(0, 0, b"lingers");
    sim.run_for(1_000);
    assert!(!sim.is_delivered(index));
    let second = sim.flush();
    sim.run_for(100);
    assert!(sim.is_delivered(index) && second.is_complete());
    let third = sim.say(0, 0, b"lingers again");
    sim.run_for(1_000);
    assert!(!sim.is_delivered(third), "a flush is for what came before it");
    sim.finish();
}

#[test]
fn a_topic_that_is_never_created_fails_its_records_after_the_grace() {
    let mut sim = scenario(|plan| {
        plan.ghost_topic = true;
        plan.config.unknown_topic_grace_ms = 3_000;
    });
    let index = sim.say(1, 0, b"for nobody");
    let flush = sim.flush();
    sim.run_for(2_900);
    assert!(sim.app.sent[index].report.is_none());
    sim.run_for(200);
    let report = sim.report(index);
    assert_eq!(report.status, Status::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!((report.persisted, report.phase), (Persisted::No, Phase::Metadata));
    assert!(report.cause.contains("ghost"), "{}", report.cause);
    assert!(flush.is_complete());
    sim.finish();
}

#[test]
fn a_topic_that_one_answer_does_not_name_is_asked_for_again() {
    let mut sim = scenario(|plan| plan.config.unknown_topic_grace_ms = 0);
    let mut first = true;
    sim.faults.twist_metadata = Some(Box::new(move |_, response| {
        if !response.topics.is_empty() && std::mem::take(&mut first) {
            response.topics.clear();
        }
    }));
    let index = sim.say(0, 0, b"kept");
    sim.run_for(1_000);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn a_partition_out_of_range_fails() {
    let mut sim = scenario(|_| ());
    let before = sim.say(0, 9, b"nowhere");
    sim.run_for(100);
    let after = sim.say(0, 9, b"nowhere");
    sim.run_for(500);
    for index in [before, after] {
        let report = sim.report(index);
        assert_eq!((report.status, report.persisted), (Status::UNKNOWN_PARTITION, Persisted::No));
        assert_eq!(report.partition, 9);
    }
    sim.finish();
}

#[test]
fn a_request_without_an_answer_is_sent_again_after_its_timeout() {
    let mut sim = scenario(|plan| plan.config.request_timeout_ms = 1_000);
    let leader = sim.leader(0);
    sim.faults.silent.push((leader, api_key::PRODUCE));
    let index = sim.say(0, 0, b"twice in the log");
    sim.run_for(900);
    sim.faults.silent.clear();
    sim.run_for(1_500);
    assert!(sim.is_delivered(index));
    assert_eq!((sim.report(index).attempts, sim.values(0).len()), (2, 2));
    sim.finish();
}

#[test]
fn a_delivery_timeout_says_where_the_record_stood() {
    let within = |plan: &mut Plan| {
        plan.ghost_topic = true;
        plan.config.delivery_timeout_ms = 1_000;
        plan.config.linger_us = 0;
    };
    let outcome = |mut sim: Sim, index: usize| {
        sim.run_for(3_000);
        let report = sim.report(index).clone();
        assert_eq!(report.status, Status::DELIVERY_TIMED_OUT);
        assert!(report.finished_at <= sim.app.sent[index].deadline + Micros::from_ms(1));
        sim.finish();
        (report.phase, report.persisted)
    };

    let mut sim = scenario(within);
    let index = sim.say(1, 0, b"no such topic");
    assert_eq!(outcome(sim, index), (Phase::Metadata, Persisted::No));

    let mut sim = scenario(within);
    sim.cluster.partition_set_leader("t0", 0, None).expect("it exists");
    let index = sim.say(0, 0, b"no leader");
    assert_eq!(outcome(sim, index), (Phase::Leader, Persisted::No));

    let mut sim = scenario(within);
    sim.cluster.push_error(api_key::PRODUCE, 19, 1_000);
    let index = sim.say(0, 0, b"refused every time");
    assert_eq!(outcome(sim, index), (Phase::Queued, Persisted::No));

    let mut sim = scenario(within);
    let leader = sim.leader(0);
    sim.faults.silent.push((leader, api_key::PRODUCE));
    let index = sim.say(0, 0, b"not answered");
    assert_eq!(outcome(sim, index), (Phase::InFlight, Persisted::Maybe));

    let mut sim = scenario(within);
    sim.cluster.push_error(api_key::PRODUCE, 7, 1_000);
    let index = sim.say(0, 0, b"appended, and refused");
    assert_eq!(outcome(sim, index), (Phase::Queued, Persisted::Maybe));
}

#[test]
fn a_records_own_timeout_counts_even_while_its_batch_lingers() {
    let mut sim = scenario(|plan| {
        plan.config.linger_us = 3_600_000_000;
        plan.config.delivery_timeout_ms = 7_200_000;
    });
    sim.say(0, 0, b"makes the topic known");
    sim.flush();
    sim.run_for(1_000);
    let short = sim.say_within(0, 0, b"short", Some(300));
    sim.run_for(301);
    assert_eq!(sim.report(short).status, Status::DELIVERY_TIMED_OUT);
    sim.finish();
}

#[test]
fn a_records_own_timeout_may_be_longer_than_the_default() {
    let mut sim = scenario(|plan| plan.config.delivery_timeout_ms = 1_000);
    let long = sim.say_within(0, 0, b"long", Some(60_000));
    sim.run_for(100);
    assert!(sim.is_delivered(long));
    let leader = sim.leader(0);
    sim.faults.silent.push((leader, api_key::PRODUCE));
    let long = sim.say_within(0, 0, b"long", Some(60_000));
    sim.run_for(20_000);
    sim.faults.silent.clear();
    sim.run_for(30_000);
    assert!(sim.is_delivered(long));
    sim.finish();
}

#[test]
fn a_parked_record_with_an_earlier_deadline_than_the_one_before_expires_in_time() {
    let mut sim = scenario(|plan| {
        plan.ghost_topic = true;
        plan.config.delivery_timeout_ms = 500;
    });
    sim.say_within(1, 0, b"long", Some(5_000));
    let short = sim.say(1, 0, b"the default, which is shorter");
    sim.run_for(501);
    assert_eq!(sim.report(short).status, Status::DELIVERY_TIMED_OUT);
    sim.finish();
}

#[test]
fn a_purge_reports_what_is_in_flight_before_what_waits_behind_it() {
    let mut sim = scenario(|plan| {
        plan.config.batch_size = 200;
        plan.config.max_in_flight_requests_per_connection = 1;
    });
    let leader = sim.leader(0);
    sim.faults.silent.push((leader, api_key::PRODUCE));
    let records: Vec<usize> = (0..4u8).map(|n| sim.say(0, 0, &[n; 150])).collect();
    sim.run_for(100);
    sim.purge(true, true);
    sim.run_for(10);
    let places: Vec<usize> = records.iter().map(|index| sim.report(*index).place).collect();
    assert_eq!(places, [0, 1, 2, 3]);
    let persisted = records.iter().map(|index| sim.report(*index).persisted);
    assert!(persisted.eq([Persisted::Maybe, Persisted::No, Persisted::No, Persisted::No]));
    sim.finish();
}

#[test]
fn a_broker_that_left_the_cluster_is_let_go_of() {
    let mut sim = scenario(|plan| plan.config.metadata_max_age_ms = 1_000);
    sim.say(0, 0, b"one");
    sim.say(0, 1, b"other");
    sim.run_for(500);
    assert_eq!(sim.open_links().len(), 2);
    let gone = sim.leader(0);
    sim.move_leader(0);
    sim.run_for(1_500);
    sim.faults.twist_metadata = Some(Box::new(move |_, response| {
        response.brokers.retain(|broker| broker.node_id.0 != gone);
    }));
    let connects = sim.net.connects.len();
    sim.run_for(5_000);
    assert!(sim.open_links().iter().all(|link| link.broker != Some(gone)));
    assert_eq!(sim.net.connects.len(), connects);
    let index = sim.say(0, 0, b"goes to the one that is left");
    sim.run_for(100);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn an_absurd_partition_index_in_metadata_is_no_panic() {
    let mut sim = scenario(|_| ());
    let mut first = true;
    sim.faults.twist_metadata = Some(Box::new(move |_, response| {
        if let Some(topic) = response.topics.first_mut()
            && std::mem::take(&mut first)
        {
            topic.partitions[0].partition_index = i32::MAX;
        }
    }));
    let index = sim.say(0, 0, b"kept");
    sim.run_for(1_000);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn a_purged_partition_without_a_leader_asks_for_no_metadata() {
    let mut sim = scenario(|plan| plan.config.linger_us = 1_000_000);
    sim.say(0, 0, b"makes the topic known");
    sim.run_for(2_000);
    sim.cluster.partition_set_leader("t0", 0, None).expect("it exists");
    sim.cluster.push_error(api_key::PRODUCE, 6, 1);
    sim.say(0, 0, b"shows that the leader is gone");
    sim.run_for(2_000);
    sim.say(0, 0, b"lingers");
    sim.purge(true, true);
    sim.run_for(2_000);
    let asked = sim.requests(api_key::METADATA);
    sim.run_for(30_000);
    assert!(sim.requests(api_key::METADATA) <= asked + 1);
    sim.finish();
}

#[test]
fn records_of_a_partition_that_one_metadata_answer_leaves_out_are_kept() {
    let mut sim = scenario(|_| ());
    let mut first = true;
    sim.faults.twist_metadata = Some(Box::new(move |_, response| {
        if let Some(topic) = response.topics.first_mut()
            && std::mem::take(&mut first)
        {
            topic.partitions.retain(|partition| partition.partition_index == 0);
        }
    }));
    let index = sim.say(0, 1, b"for the partition that was left out");
    sim.run_for(2_000);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn a_batch_that_a_panic_drops_is_reported_all_the_same() {
    let mut sim = scenario(|plan| plan.config.linger_us = 1_000_000);
    sim.say(0, 0, b"makes the topic known");
    sim.run_for(2_000);
    let index = sim.say(0, 0, b"in the hands of a panic");
    let topic = sim.accumulator.topics.find("t0").expect("known");
    let partition = topic.partition(0).expect("published");
    drop(partition.take(&sim.accumulator, |_, _| true).expect("the open batch"));
    sim.sender.handle_panic(sim.now, "on purpose");
    sim.take_reports();
    let report = sim.report(index);
    assert_eq!((report.status, report.persisted), (Status::INTERNAL, Persisted::Maybe));
    assert_eq!(sim.accumulator.memory.used(), 0);
    assert!(sim.accumulator.fatal().is_some());
}

#[test]
fn a_silent_leader_that_lost_its_partition_is_left_long_before_the_request_times_out() {
    let mut sim = scenario(|plan| {
        plan.config.request_timeout_ms = 30_000;
        plan.config.delivery_timeout_ms = 120_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(500);
    let old = sim.leader(0);
    sim.faults.silent.push((old, api_key::PRODUCE));
    let index = sim.say(0, 0, b"its answer never comes");
    sim.run_for(100);
    sim.move_leader(0);
    sim.run_for(4_000);
    assert!(sim.is_delivered(index));
    assert_eq!(sim.report(index).attempts, 2);
    sim.finish();
}

#[test]
fn a_topic_that_was_made_again_has_leaders_with_epochs_of_its_own() {
    let mut sim = scenario(|_| ());
    // Metadata lies: the brokers know the topic under the name alone.
    sim.cluster.set_max_version(api_key::PRODUCE, 12);
    for round in 0..4u8 {
        sim.say(0, 0, &[round]);
        sim.run_for(500);
        sim.move_leader(0);
    }
    let index = sim.say(0, 0, b"of the first topic");
    sim.run_for(1_000);
    assert!(sim.is_delivered(index));
    sim.faults.twist_metadata = Some(Box::new(|_, response| {
        for topic in &mut response.topics {
            topic.topic_id = "00000000-0000-0000-0000-000000000009".parse().expect("a topic id");
            topic.partitions.iter_mut().for_each(|partition| partition.leader_epoch = 0);
        }
    }));
    let old = sim.leader(0);
    sim.cluster.broker_down(old);
    sim.cut_off(old);
    let index = sim.say(0, 0, b"of the second topic");
    sim.run_for(3_000);
    assert!(sim.is_delivered(index));
    sim.finish();
}

#[test]
fn a_batch_opened_behind_one_that_lingers_is_sent_in_its_own_time() {
    let mut sim = scenario(|plan| {
        plan.config.linger_us = 50_000;
        plan.config.batch_size = 300;
        plan.config.max_in_flight_requests_per_connection = 1;
    });
    sim.say(0, 0, b"known");
    sim.run_for(500);
    let leader = sim.leader(0);
    sim.say(0, 0, &[1; 250]);
    sim.run_for(20);
    sim.cluster.broker_set_latency(leader, 65);
    sim.run_for(31);
    // In flight until 115 ms or so. The next batch is full when its linger ends, and the one behind it is not due yet.
    sim.cluster.broker_set_latency(leader, 0);
    sim.say(0, 0, &[2; 150]);
    sim.run_for(20);
    let last = sim.say(0, 0, &[3; 150]);
    sim.run_for(150);
    assert!(sim.is_delivered(last), "nothing else has to happen for it to go");
    sim.finish();
}

#[test]
fn a_flush_reaches_a_batch_opened_behind_one_that_lingered() {
    let mut sim = scenario(|plan| {
        plan.config.linger_us = 3_600_000_000;
        plan.config.batch_size = 300;
        plan.config.delivery_timeout_ms = 7_200_000;
    });
    sim.say(0, 0, &[1; 150]);
    sim.run_for(100);
    sim.flush();
    let first = sim.say(0, 0, &[2; 150]);
    let second = sim.say(0, 0, &[3; 150]);
    sim.run_for(100);
    sim.flush();
    sim.run_for(100);
    assert!(sim.is_delivered(first) && sim.is_delivered(second));
    sim.finish();
}

#[test]
fn a_topic_that_waits_while_the_only_broker_owes_an_answer_to_the_application_is_asked_for_then() {
    let mut sim = scenario(|plan| (plan.brokers, plan.topics) = (1, vec![1, 1]));
    sim.say(0, 0, b"connects");
    sim.run_for(1_000);
    let reply = Arc::new(MetadataReply::default());
    let question = Question { topic: None, fresh: true };
    sim.accumulator.inbox.command(Command::Metadata { question, reply: reply.clone() });
    sim.run_for(0);
    let parked = sim.say(1, 0, b"its topic is not known yet");
    sim.run_for(1_000);
    assert!(matches!(reply.take(), Some(Ok(_))));
    assert!(sim.is_delivered(parked), "nothing else would have asked for minutes");
    sim.finish();
}

#[test]
fn memory_of_a_burst_is_kept_for_the_next_one_and_goes_back_when_there_is_none() {
    let mut sim = scenario(|plan| {
        plan.config.buffer_memory = 32 << 20;
        plan.config.batch_size = 1_000_000;
    });
    sim.say(0, 0, b"opens the connection");
    sim.run_for(100);
    for _ in 0..2 {
        let burst: Vec<usize> = (0..60).map(|n| sim.say(0, 0, &[n; 100_000])).collect();
        sim.run_for(1_000);
        assert!(burst.iter().all(|index| sim.is_delivered(*index)));
        sim.run_for(8_000);
        assert!(sim.accumulator.memory.has_surplus(), "the next burst comes within ten seconds");
    }
    // A trickle needs none of it.
    for _ in 0..20 {
        sim.say(0, 0, b"now and then");
        sim.run_for(1_000);
    }
    assert!(!sim.accumulator.memory.has_surplus());
    sim.finish();
}
