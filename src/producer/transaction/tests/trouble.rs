//! The same with brokers that are late, old, moved, fenced or gone.

use super::*;

#[test]
fn an_end_whose_answer_is_lost_is_asked_for_again_and_version_one_takes_a_new_epoch() {
    for version in 1..=2 {
        for after_acting in [true, false] {
            let mut house = House::ready(version);
            house.producer.begin_transaction().expect("begun");
            house.send("a").expect("open");
            house.flush();
            house.cluster.push_disconnect(END_TXN, after_acting, 1);
            house.commit().expect("committed");
            house.transact("b");
            assert_eq!(house.committed(), ["a", "b"], "version {version}, {after_acting}");
            let inits = if version == 1 { 2 } else { 1 };
            assert_eq!(house.requests(INIT_PRODUCER_ID), inits, "version {version}, {after_acting}");
        }
    }
}

#[test]
fn every_request_survives_a_lost_connection_a_moved_coordinator_and_a_busy_one() {
    for version in 1..=2 {
        for api in [FIND_COORDINATOR, INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, OFFSET_COMMIT, END_TXN] {
            for trouble in ["before", "after", "14", "15", "16", "51"] {
                let mut house = House::new(version);
                match trouble.parse() {
                    Ok(code) => house.cluster.push_error(api, code, 2),
                    Err(_) => house.cluster.push_disconnect(api, trouble == "after", 1),
                }
                let name = format!("version {version}, api {api}, {trouble}");
                house.init().expect(&name);
                house.producer.begin_transaction().expect(&name);
                house.send("a").expect(&name);
                house.send_offsets(3).expect(&name);
                house.commit().expect(&name);
                house.transact("b");
                assert_eq!(house.committed(), ["a", "b"], "{name}");
                assert_eq!(house.cluster.with(|c| c.committed_offset("g", "t", 1)), Some(3), "{name}");
                assert_eq!(house.reports, vec![(Status::OK, Persisted::Yes); 2], "{name}");
            }
        }
    }
}

#[test]
fn a_coordinator_that_moves_is_found_again() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        for broker in [1, 2, 3] {
            let moved = |c: &mut crate::mock::Cluster| {
                c.coordinator_move(CoordinatorKind::Transaction, "tx", Some(broker))?;
                c.coordinator_move(CoordinatorKind::Group, "g", Some(broker))
            };
            house.producer.begin_transaction().expect("begun");
            house.send("a").expect("open");
            house.cluster.with(moved).expect("legal");
            house.send_offsets(i64::from(broker)).expect("in the transaction");
            house.commit().expect("committed");
        }
        assert_eq!(house.committed().len(), 3);
        assert_eq!(house.cluster.with(|c| c.committed_offset("g", "t", 1)), Some(3));
    }
}

#[test]
fn a_fenced_producer_is_broken_for_good_and_closes() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.transact("a");
        house.producer.begin_transaction().expect("begun");
        house.send("zombie").expect("open");
        house.cluster.with(|c| c.fence("tx")).expect("it is known");
        let fenced = match house.commit() {
            // Its partition's leader says first that the epoch is old.
            Err(error) if error.status.is_abortable() => house.abort(),
            other => other,
        };
        assert_eq!(status(fenced), Status::PRODUCER_FENCED, "version {version}");
        for call in
            [house.init(), house.producer.begin_transaction(), house.commit(), house.abort(), house.send("late")]
        {
            assert_eq!(status(call), Status::PRODUCER_FENCED);
        }
        assert_eq!(status(house.producer.close(WAIT_MS, |_| Handed::All)), Status::PRODUCER_FENCED);
        assert_eq!(house.committed(), ["a"]);
    }
}

#[test]
fn closing_keeps_its_time_whatever_the_coordinator_does() {
    let mut house = House::ready(2);
    house.producer.begin_transaction().expect("begun");
    house.send("a").expect("open");
    house.flush();
    for broker in 1..=3 {
        house.cluster.broker_freeze(broker);
    }
    let begun = Instant::now();
    assert_eq!(status(house.producer.close(100, |_| Handed::All)), Status::TIMED_OUT);
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn with_the_brokers_down_each_call_times_out_with_words_and_the_state_unchanged() {
    let mut house = House::new(2);
    let all = |house: &House, up: bool| {
        for broker in 1..=3 {
            if up { house.cluster.broker_up(broker).expect("a port") } else { house.cluster.broker_down(broker) }
        }
    };
    all(&house, false);
    let late = house.call(|p, hand| p.init_transactions(60, hand)).expect_err("nobody is there");
    assert!(late.status.is_retriable() && late.message.contains("it waits: "), "{late:?}");
    assert_eq!(status(house.producer.begin_transaction()), Status::STATE);
    all(&house, true);
    house.init().expect("initialized");
    house.producer.begin_transaction().expect("begun");
    house.send("a").expect("open");
    house.flush();
    all(&house, false);
    let late = house.call(|p, h| p.send_offsets_to_transaction(vec![offset(4)], group(), 60, h)).expect_err("nobody");
    assert!(late.status.is_retriable(), "{late:?}");
    let refused = house.commit().expect_err("the offsets are not known to be in it");
    assert!(refused.status == Status::STATE && refused.message.contains("'g'"), "{refused:?}");
    all(&house, true);
    house.send_offsets(4).expect("in the transaction");
    all(&house, false);
    assert_eq!(status(house.commit_within(60)), Status::TIMED_OUT);
    all(&house, true);
    house.commit().expect("committed");
    assert_eq!(house.committed(), ["a"]);
    assert_eq!(house.cluster.with(|c| c.committed_offset("g", "t", 1)), Some(4));
    house.producer.begin_transaction().expect("begun");
    house.send("b").expect("open");
    house.flush();
    all(&house, false);
    let late = house.call(|p, hand| p.abort_transaction(60, hand)).expect_err("nobody is there");
    assert!(late.status.is_retriable(), "{late:?}");
    assert_eq!(status(house.commit()), Status::STATE);
    all(&house, true);
    house.abort().expect("aborted");
    house.transact("c");
    assert_eq!(house.committed(), ["a", "c"]);
}

#[test]
fn the_version_changes_between_transactions_only_and_the_way_up_takes_a_new_epoch() {
    let mut house = House::ready(1);
    house.transact("one");
    house.producer.begin_transaction().expect("begun");
    house.send("still one").expect("open");
    house.flush();
    house.cluster.with(|c| c.set_transaction_version(2)).expect("legal");
    house.greet_again();
    house.commit().expect("committed");
    assert_eq!((house.requests(ADD_PARTITIONS), house.requests(INIT_PRODUCER_ID)), (2, 1));
    house.transact("two");
    house.transact("two again");
    assert_eq!((house.requests(ADD_PARTITIONS), house.requests(INIT_PRODUCER_ID)), (2, 2));
    house.producer.begin_transaction().expect("begun");
    house.send("still two").expect("open");
    house.flush();
    house.cluster.with(|c| c.set_transaction_version(1)).expect("legal");
    house.greet_again();
    house.commit().expect("committed");
    assert_eq!(house.requests(ADD_PARTITIONS), 2);
    house.transact("one again");
    assert_eq!((house.requests(ADD_PARTITIONS), house.requests(INIT_PRODUCER_ID)), (3, 2));
    assert_eq!(house.committed(), ["one", "still one", "two", "two again", "still two", "one again"]);
}

#[test]
fn version_two_is_not_used_with_brokers_whose_requests_cannot() {
    for (api, most) in [(PRODUCE, 11), (END_TXN, 4), (OFFSET_COMMIT, 4)] {
        let mut house = House::new(2);
        house.cluster.with(|c| c.set_max_version(api, most));
        // The producer may have connected before that.
        house.greet_again();
        house.init().expect("initialized");
        house.transact("a");
        assert_eq!(house.requests(ADD_PARTITIONS), 1, "api {api} up to {most}");
        assert_eq!(house.committed(), ["a"]);
    }
}

#[test]
fn a_leader_that_cannot_take_version_two_is_named_and_the_next_transaction_does_without() {
    let mut house = House::ready(2);
    house.producer.begin_transaction().expect("begun");
    house.cluster.with(|c| c.set_max_version(PRODUCE, 11));
    house.greet_again();
    house.send("a").expect("open");
    let refused = house.commit().expect_err("its leader is too old");
    assert!(refused.status == Status::TRANSACTION_ABORTABLE && refused.message.contains("version 11"), "{refused:?}");
    house.abort().expect("aborted");
    house.transact("b");
    assert_eq!(house.committed(), ["b"]);
}

#[test]
fn an_error_without_a_name_is_no_end_and_no_success() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        house.send("a").expect("open");
        house.flush();
        house.cluster.push_error(END_TXN, -1, u32::MAX);
        assert_eq!(status(house.commit_within(100)), Status::TIMED_OUT);
        assert!(house.committed().is_empty());
        house.cluster.with(crate::mock::Cluster::clear_faults);
        house.commit().expect("committed");
        house.transact("b");
        assert_eq!(house.committed(), ["a", "b"], "version {version}");
        assert_eq!(house.requests(INIT_PRODUCER_ID), if version == 1 { 2 } else { 1 });
    }
}

#[test]
fn an_abort_that_is_told_to_abort_does_not_go_round_for_ever() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        house.send("a").expect("open");
        house.flush();
        house.cluster.push_error(END_TXN, 120, 1);
        let refused = house.commit().expect_err("abortable");
        assert_eq!(refused.status, Status::TRANSACTION_ABORTABLE);
        house.abort().expect("aborted");
        house.producer.begin_transaction().expect("begun");
        house.send("b").expect("open");
        house.flush();
        house.cluster.push_error(END_TXN, 120, 1);
        let broken = house.abort().expect_err("fatal");
        assert!(broken.status == Status::FATAL && broken.message.contains("TRANSACTION_ABORTABLE"), "{broken:?}");
    }
}

#[test]
fn a_failed_registration_leaves_what_was_registered_before_to_be_ended() {
    let mut house = House::ready(1);
    house.producer.begin_transaction().expect("begun");
    house.send("a").expect("open");
    house.flush();
    assert!(house.cluster.with(|c| c.is_transaction_open("tx")));
    house.cluster.push_error(ADD_PARTITIONS, 29, 1);
    let topic = house.producer.topic("t").expect("legal");
    house.producer.send::<()>(&topic, &record("b"), &Sending { partition: Some(1), ..SENDING }).expect("open");
    assert_eq!(status(house.commit()), Status::TOPIC_AUTHORIZATION_FAILED);
    house.abort().expect("aborted");
    assert!(!house.cluster.with(|c| c.is_transaction_open("tx")), "the coordinator was told");
    house.transact("c");
    assert_eq!(house.committed(), ["c"]);
}

#[test]
fn a_first_registration_that_is_refused_leaves_nothing_to_be_ended() {
    let mut house = House::ready(1);
    house.producer.begin_transaction().expect("begun");
    house.cluster.push_error(ADD_PARTITIONS, 29, 1);
    house.send("a").expect("open");
    assert_eq!(status(house.commit()), Status::TOPIC_AUTHORIZATION_FAILED);
    house.abort().expect("there is nothing to tell the coordinator");
    assert_eq!(house.requests(END_TXN), 0);
    house.transact("b");
    assert_eq!(house.committed(), ["b"]);
}

#[test]
fn a_registration_of_unknown_outcome_is_ended_whether_it_happened_or_not() {
    for after_acting in [true, false] {
        let mut house = House::ready(1);
        house.producer.begin_transaction().expect("begun");
        let coordinator = house.cluster.with(|c| c.coordinator(CoordinatorKind::Transaction, "tx")).expect("one");
        house.cluster.push_disconnect(ADD_PARTITIONS, after_acting, 1);
        // What comes after the lost answer waits: the abort finds the registration undecided.
        house.cluster.push_error(FIND_COORDINATOR, 15, u32::MAX);
        house.send("a").expect("open");
        while house.requests(ADD_PARTITIONS) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(status(house.call(|p, hand| p.abort_transaction(30, hand))), Status::TIMED_OUT);
        house.cluster.with(crate::mock::Cluster::clear_faults);
        house.abort().expect("aborted, or there was nothing to abort");
        house.transact("b");
        assert_eq!(house.committed(), ["b"], "broker {coordinator}, {after_acting}");
        assert_eq!(house.requests(INIT_PRODUCER_ID), 2, "a new epoch after the doubt");
    }
}

#[test]
fn a_record_that_ran_out_of_retries_costs_the_transaction_and_is_not_called_retriable() {
    for version in 1..=2 {
        let mut house = House::with(version, |config| config.retries = 1);
        house.init().expect("initialized");
        house.producer.begin_transaction().expect("begun");
        house.cluster.push_error(PRODUCE, 19, 2);
        house.send("a").expect("open");
        let refused = house.commit().expect_err("a record failed");
        assert!(
            refused.status == Status::TRANSACTION_ABORTABLE && refused.message.contains("NOT_ENOUGH_REPLICAS"),
            "{refused:?}"
        );
        house.abort().expect("aborted");
        house.transact("b");
        assert_eq!(house.committed(), ["b"], "version {version}");
    }
}

#[test]
fn a_consumer_that_was_left_behind_costs_the_transaction_and_nothing_else() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.cluster.with(|c| c.group_set_members("g", 4, &[("m", None)]));
        let member = |generation_id| GroupMetadata { generation_id, member_id: "m".into(), ..group() };
        house.producer.begin_transaction().expect("begun");
        house.send("a").expect("open");
        let refused = house
            .call(|p, hand| p.send_offsets_to_transaction(vec![offset(1)], member(3), WAIT_MS, hand))
            .expect_err("another generation");
        assert_eq!(refused.status, Status::ILLEGAL_GENERATION);
        assert_eq!(status(house.commit()), Status::ILLEGAL_GENERATION);
        house.abort().expect("aborted");
        house.producer.begin_transaction().expect("begun");
        house
            .call(|p, hand| p.send_offsets_to_transaction(vec![offset(2)], member(4), WAIT_MS, hand))
            .expect("the right one");
        house.commit().expect("committed");
        assert_eq!(house.cluster.with(|c| c.committed_offset("g", "t", 1)), Some(2), "version {version}");
    }
}

#[test]
fn old_brokers_make_transactions_and_never_drop_a_members_fencing_in_silence() {
    let mut house = House::new(0);
    house.cluster.with(crate::mock::Cluster::pretend_kafka_2_1);
    house.init().expect("initialized");
    house.transact("a");
    house.producer.begin_transaction().expect("begun");
    house.send("b").expect("open");
    let member = GroupMetadata { generation_id: 3, member_id: "m".into(), ..group() };
    let refused = house
        .call(|p, hand| p.send_offsets_to_transaction(vec![offset(1)], member, WAIT_MS, hand))
        .expect_err("it cannot be checked");
    assert!(refused.status == Status::UNSUPPORTED_BROKER && refused.message.contains("group_id"), "{refused:?}");
    assert_eq!(status(house.commit()), Status::STATE, "not without the offsets");
    house.send_offsets(2).expect("the group alone");
    house.commit().expect("committed");
    assert_eq!(house.committed(), ["a", "b"]);
    // No new epochs there: after a lost answer the old one goes on.
    house.producer.begin_transaction().expect("begun");
    house.send("c").expect("open");
    house.flush();
    house.cluster.push_disconnect(END_TXN, false, 1);
    house.commit().expect("committed");
    house.transact("d");
    assert_eq!(house.committed(), ["a", "b", "c", "d"]);
}

#[test]
fn rights_that_are_missing_at_first_can_be_granted() {
    for (api, code) in [(FIND_COORDINATOR, 53), (INIT_PRODUCER_ID, 53), (INIT_PRODUCER_ID, 31)] {
        let mut house = House::new(2);
        house.cluster.push_error(api, code, 1);
        assert_eq!(status(house.init()), Status(code.into()));
        assert_eq!(status(house.producer.begin_transaction()), Status::STATE);
        house.init().expect("granted meanwhile");
        house.transact("a");
        assert_eq!(house.committed(), ["a"]);
    }
}

#[test]
fn a_coordinator_that_completes_the_transaction_before_is_waited_for_in_milliseconds() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.cluster.with(|c| c.set_marker_delay_ms(15));
        let begun = Instant::now();
        for _ in 0..10 {
            house.transact("a");
        }
        assert!(begun.elapsed() < Duration::from_millis(1_500), "version {version}: {:?}", begun.elapsed());
        assert!(house.committed().len() >= 9, "version {version}: the last one's markers may be under way");
    }
}

#[test]
fn epochs_end_and_a_new_producer_id_goes_on() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.transact("a");
        let before = house.cluster.with(|c| c.producer_of("tx")).expect("known");
        house.cluster.with(|c| c.set_producer_epoch("tx", 32_765)).expect("between transactions");
        let new = producer(&house.cluster, |_| ());
        new.init_transactions(WAIT_MS, |_| Handed::All).expect("initialized");
        house.producer = new;
        for value in ["b", "c", "d"] {
            house.transact(value);
        }
        let after = house.cluster.with(|c| c.producer_of("tx")).expect("known");
        assert_eq!(house.committed(), ["a", "b", "c", "d"], "version {version}: {before:?} {after:?}");
    }
}

#[test]
fn offsets_whose_time_was_over_are_replaced_by_those_sent_again_and_never_overtake_them() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        house.send_offsets(1).expect("the group's coordinator is known");
        let coordinator = house.cluster.with(|c| c.coordinator(CoordinatorKind::Group, "g")).expect("one");
        house.cluster.broker_freeze(coordinator);
        for late in 2..5 {
            let late = house.call(|p, h| p.send_offsets_to_transaction(vec![offset(late)], group(), 20, h));
            assert_eq!(status(late), Status::TIMED_OUT);
        }
        assert_eq!(status(house.commit()), Status::STATE);
        house.cluster.broker_thaw(coordinator);
        house.send_offsets(9).expect("in the transaction");
        house.commit().expect("committed");
        assert_eq!(house.cluster.with(|c| c.committed_offset("g", "t", 1)), Some(9), "version {version}");
        // One was under way, the last one given up may have gone on in the background; those between were replaced.
        assert!(house.requests(OFFSET_COMMIT) <= 4, "version {version}: {}", house.requests(OFFSET_COMMIT));
    }
}

#[test]
fn without_time_to_block_a_transaction_begins_all_the_same_unless_a_broker_is_needed_first() {
    for version in 1..=2 {
        let mut house = House::with(version, |config| config.max_block_ms = 0);
        house.init().expect("initialized");
        for _ in 0..20 {
            house.transact("a");
        }
        assert_eq!(house.committed().len(), 20, "version {version}");
        house.producer.begin_transaction().expect("begun");
        house.send("b").expect("open");
        house.flush();
        // Version 1 needs a new epoch after this.
        house.cluster.push_disconnect(END_TXN, true, 1);
        house.commit().expect("committed");
        while let Err(early) = house.producer.begin_transaction() {
            assert!(version == 1 && early.status.is_retriable(), "{early:?}");
        }
        house.send("c").expect("open");
        house.commit().expect("committed");
        assert_eq!(house.committed().len(), 22, "version {version}");
    }
}
