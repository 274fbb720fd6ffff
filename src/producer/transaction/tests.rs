//! Transactions from an application's side, on the mock cluster, in both versions of the protocol.

mod trouble;

use super::*;
use crate::accumulator::{Sending, Tag};
use crate::config::Config;
use crate::mock::{ClusterOptions, CoordinatorKind, MockCluster};
use crate::record::Record;
use crate::reports::{Handed, Persisted};
use std::time::{Duration, Instant};

const WAIT_MS: i32 = 20_000;
const INIT_PRODUCER_ID: i16 = 22;
const FIND_COORDINATOR: i16 = 10;
const ADD_PARTITIONS: i16 = 24;
const ADD_OFFSETS: i16 = 25;
const END_TXN: i16 = 26;
const OFFSET_COMMIT: i16 = 28;
const PRODUCE: i16 = 0;
const SENDING: Sending = Sending { partition: Some(0), tag: Some(Tag::marked(1, 7)), own_timeout: None, acks: None };

struct House {
    cluster: MockCluster,
    producer: Producer,
    /// Status and persistence of every report, one for each record.
    reports: Vec<(Status, Persisted)>,
}

fn cluster(version: i16) -> MockCluster {
    let cluster = MockCluster::new(ClusterOptions { brokers: 3, ..ClusterOptions::default() }).expect("ports");
    cluster.with(|c| c.set_transaction_version(version)).expect("legal");
    cluster.topic_create("t", 2, 3).expect("legal");
    cluster
}

fn producer(cluster: &MockCluster, change: impl FnOnce(&mut Config)) -> Producer {
    let servers = cluster.bootstrap_servers().split(',').filter_map(|server| server.rsplit_once(':'));
    let mut config = Config {
        bootstrap_servers: servers.map(|(host, port)| (host.to_owned(), port.parse().expect("a port"))).collect(),
        transactional_id: Some("tx".into()),
        enable_idempotence: true,
        linger_us: 0,
        request_timeout_ms: 5_000,
        delivery_timeout_ms: 30_000,
        retry_backoff_ms: 5,
        retry_backoff_max_ms: 20,
        reconnect_backoff_ms: 5,
        reconnect_backoff_max_ms: 20,
        ..Config::default()
    };
    change(&mut config);
    Producer::new(config).expect("a thread")
}

fn record(value: &str) -> Record<'_> {
    Record { value: Some(value.as_bytes()), ..Record::default() }
}

fn group() -> GroupMetadata {
    GroupMetadata { group_id: "g".into(), generation_id: -1, member_id: String::new(), group_instance_id: None }
}

fn offset(offset: i64) -> TopicOffset {
    TopicOffset { topic: "t".into(), partition: 1, offset, leader_epoch: -1, metadata: None }
}

impl House {
    fn new(version: i16) -> House {
        House::with(version, |_| ())
    }

    fn with(version: i16, change: impl FnOnce(&mut Config)) -> House {
        let cluster = cluster(version);
        let producer = producer(&cluster, change);
        House { cluster, producer, reports: Vec::new() }
    }

    /// Initialized.
    fn ready(version: i16) -> House {
        let mut house = House::new(version);
        house.init().expect("initialized");
        house
    }

    fn call(&mut self, work: impl FnOnce(&Producer, &mut dyn FnMut(Item<'_>) -> Handed) -> Result<()>) -> Result<()> {
        let reports = &mut self.reports;
        let mut hand = |item: Item<'_>| {
            if let Item::Batch { batch, .. } = item {
                reports.extend(batch.slots.iter().map(|_| (batch.status, batch.persisted)));
            }
            Handed::All
        };
        work(&self.producer, &mut hand)
    }

    fn init(&mut self) -> Result<()> {
        self.call(|producer, hand| producer.init_transactions(WAIT_MS, hand))
    }

    fn commit(&mut self) -> Result<()> {
        self.commit_within(WAIT_MS)
    }

    fn commit_within(&mut self, timeout_ms: i32) -> Result<()> {
        self.call(|producer, hand| producer.commit_transaction(timeout_ms, hand))
    }

    fn abort(&mut self) -> Result<()> {
        self.call(|producer, hand| producer.abort_transaction(WAIT_MS, hand))
    }

    fn send_offsets(&mut self, next: i64) -> Result<()> {
        self.call(|p, hand| p.send_offsets_to_transaction(vec![offset(next)], group(), WAIT_MS, hand))
    }

    fn flush(&mut self) {
        self.call(|producer, hand| producer.flush(WAIT_MS, hand)).expect("delivered");
    }

    fn send(&self, value: &str) -> Result<()> {
        let topic = self.producer.topic("t").expect("legal");
        self.producer.send::<()>(&topic, &record(value), &SENDING)
    }

    fn committed(&self) -> Vec<String> {
        let records = self.cluster.with(|c| c.committed_records("t", 0)).expect("it exists");
        records.into_iter().map(|r| String::from_utf8(r.value.unwrap_or_default()).expect("text")).collect()
    }

    fn requests(&self, api: i16) -> u64 {
        self.cluster.with(|c| c.stats().requests(api))
    }

    /// Every connection is made anew, so that the brokers tell their versions and features again.
    fn greet_again(&self) {
        for broker in 1..=3 {
            self.cluster.broker_down(broker);
            self.cluster.broker_up(broker).expect("its port");
        }
    }

    fn transact(&mut self, value: &str) {
        self.producer.begin_transaction().expect("begun");
        self.send(value).expect("open");
        self.commit().expect("committed");
    }
}

fn status(result: Result<()>) -> Status {
    result.expect_err("refused").status
}

#[test]
fn a_committed_transaction_is_visible_and_reported_before_commit_returns_and_an_aborted_one_never_is() {
    for version in 0..=2 {
        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        for value in ["a", "b", "c"] {
            house.send(value).expect("open");
        }
        house.commit().expect("committed");
        assert_eq!(house.reports, vec![(Status::OK, Persisted::Yes); 3], "version {version}");
        assert_eq!(house.committed(), ["a", "b", "c"]);
        house.producer.begin_transaction().expect("begun");
        house.send("never").expect("open");
        house.flush();
        house.abort().expect("aborted");
        house.transact("d");
        assert_eq!(house.committed(), ["a", "b", "c", "d"], "version {version}");
        assert_eq!(house.requests(ADD_PARTITIONS) > 0, version < 2, "version {version}");
        assert_eq!(house.requests(END_TXN), 3);
        for (api, least) in [(PRODUCE, 12), (END_TXN, 5)] {
            let versions: Vec<i16> = house
                .cluster
                .with(|c| c.stats().recent().filter(|seen| seen.api_key == api).map(|seen| seen.api_version).collect());
            assert!(versions.iter().all(|v| (*v >= least) == (version == 2)), "api {api}: {versions:?}, {version}");
        }
        assert!(!house.cluster.with(|c| c.is_transaction_open("tx")));
        house.producer.close(WAIT_MS, |_| Handed::All).expect("nothing is left");
    }
}

#[test]
fn offsets_are_in_the_group_when_and_only_when_the_transaction_is_committed() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        let committed = |house: &House| house.cluster.with(|c| c.committed_offset("g", "t", 1));
        house.producer.begin_transaction().expect("begun");
        house.send_offsets(5).expect("in the transaction");
        assert_eq!(committed(&house), None);
        house.abort().expect("aborted");
        assert_eq!(committed(&house), None, "version {version}");
        house.producer.begin_transaction().expect("begun");
        house.send("a").expect("open");
        house.send_offsets(6).expect("in the transaction");
        house.send_offsets(7).expect("in the transaction");
        house.commit().expect("committed");
        assert_eq!(committed(&house), Some(7), "version {version}");
        // A group is told to the coordinator once per transaction.
        assert_eq!(house.requests(ADD_OFFSETS), if version == 1 { 2 } else { 0 });
        assert_eq!(house.requests(OFFSET_COMMIT), 3);
    }
}

#[test]
fn an_empty_transaction_asks_nobody() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        house.commit().expect("nothing to do");
        house.producer.begin_transaction().expect("begun");
        house.abort().expect("nothing to do");
        let empty = house.call(|p, hand| p.send_offsets_to_transaction(Vec::new(), group(), 0, hand));
        assert_eq!(status(empty), Status::STATE);
        house.producer.begin_transaction().expect("begun");
        house.call(|p, hand| p.send_offsets_to_transaction(Vec::new(), group(), 0, hand)).expect("nothing to do");
        house.call(|p, hand| p.commit_transaction(0, hand)).expect("needs no time");
        assert_eq!(house.requests(END_TXN), 0);
    }
}

#[test]
fn calls_in_the_wrong_state_are_refused_and_change_nothing() {
    let mut house = House::new(2);
    assert_eq!(status(house.producer.begin_transaction()), Status::STATE);
    assert_eq!(status(house.commit()), Status::STATE);
    assert_eq!(status(house.abort()), Status::STATE);
    assert_eq!(status(house.send_offsets(1)), Status::STATE);
    assert_eq!(status(house.send("early")), Status::STATE);
    house.init().expect("initialized");
    assert_eq!(status(house.init()), Status::STATE);
    assert_eq!(status(house.commit()), Status::STATE);
    assert_eq!(status(house.abort()), Status::STATE);
    assert_eq!(status(house.send("early")), Status::STATE);
    house.producer.begin_transaction().expect("begun");
    assert_eq!(status(house.producer.begin_transaction()), Status::STATE);
    assert_eq!(status(house.init()), Status::STATE);
    let nameless = GroupMetadata { group_id: String::new(), ..group() };
    let refused = house.call(|p, hand| p.send_offsets_to_transaction(vec![offset(1)], nameless, 0, hand));
    assert_eq!(status(refused), Status::INVALID_ARGUMENT);
    let refused = house.call(|p, hand| p.send_offsets_to_transaction(vec![offset(-1)], group(), 0, hand));
    assert_eq!(status(refused), Status::INVALID_ARGUMENT);
    house.send("in").expect("open");
    house.commit().expect("committed");
    assert_eq!(house.committed(), ["in"]);
}

#[test]
fn without_a_transactional_id_every_call_says_so() {
    let mut house = House::with(2, |config| config.transactional_id = None);
    for refused in
        [house.init(), house.producer.begin_transaction(), house.send_offsets(1), house.commit(), house.abort()]
    {
        assert_eq!(status(refused), Status::NOT_TRANSACTIONAL);
    }
    house.send("free").expect("no transaction is needed");
    house.flush();
    assert_eq!(house.committed(), ["free"]);
}

#[test]
fn a_failed_record_poisons_the_transaction_and_an_abort_heals_it() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        house.cluster.push_error(PRODUCE, 87, 1);
        house.send("bad").expect("open");
        house.call(|p, hand| p.flush(WAIT_MS, hand)).expect("all have their reports");
        let refused = house.send("late").expect_err("it can only be aborted");
        assert!(refused.status.is_abortable(), "{refused:?}");
        assert_eq!(status(house.send_offsets(1)), Status::INVALID_RECORD);
        assert_eq!(status(house.commit()), Status::INVALID_RECORD);
        assert_eq!(status(house.producer.begin_transaction()), Status::STATE);
        house.abort().expect("aborted");
        house.transact("good");
        assert_eq!(house.committed(), ["good"], "version {version}");
    }
}

#[test]
fn a_record_that_fails_while_the_commit_waits_fails_the_commit() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.transact("first");
        house.producer.begin_transaction().expect("begun");
        house.cluster.push_error(PRODUCE, 44, 1);
        house.send("bad").expect("open");
        let refused = house.commit().expect_err("a record failed");
        assert!(refused.status == Status::POLICY_VIOLATION && refused.message.contains("abort"), "{refused:?}");
        house.abort().expect("aborted");
        house.transact("good");
        assert_eq!(house.committed(), ["first", "good"], "version {version}");
        assert_eq!(house.reports.iter().filter(|(status, _)| *status == Status::OK).count(), 2);
    }
}

#[test]
fn aborting_fails_what_was_not_sent_at_once() {
    for version in 1..=2 {
        let mut house = House::with(version, |config| config.linger_us = 60_000_000);
        house.init().expect("initialized");
        house.producer.begin_transaction().expect("begun");
        for _ in 0..10 {
            house.send("lingers").expect("open");
        }
        house.abort().expect("aborted");
        assert_eq!(house.reports, vec![(Status::TRANSACTION_ABORTED, Persisted::No); 10], "version {version}");
        assert!(house.cluster.records("t", 0).expect("it exists").is_empty());
        house.transact("lingers until the commit");
        assert_eq!(house.committed().len(), 1);
    }
}

#[test]
fn parked_records_belong_to_the_transaction_in_which_they_were_accepted() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        let topic = house.producer.topic("new").expect("legal");
        house.producer.send::<()>(&topic, &record("parked"), &Sending { partition: None, ..SENDING }).expect("open");
        house.commit().expect("committed");
        assert_eq!(house.reports, [(Status::OK, Persisted::Yes)]);
        let records = house.cluster.with(|c| c.committed_records("new", 0)).expect("made by the first record");
        assert_eq!(records.len(), 1, "version {version}");
    }
}

#[test]
fn a_commit_whose_time_is_over_goes_on_and_the_same_call_takes_it_up() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        house.send("a").expect("open");
        house.flush();
        let coordinator = house.cluster.with(|c| c.coordinator(CoordinatorKind::Transaction, "tx")).expect("one");
        house.cluster.broker_freeze(coordinator);
        let late = house.commit_within(50).expect_err("nobody answers");
        assert!(late.status.is_retriable() && late.message.contains("call it again"), "{late:?}");
        assert_eq!(status(house.abort()), Status::STATE);
        assert_eq!(status(house.producer.begin_transaction()), Status::STATE);
        assert_eq!(status(house.send("late")), Status::STATE);
        house.cluster.broker_thaw(coordinator);
        house.commit().expect("committed");
        house.transact("b");
        assert_eq!(house.committed(), ["a", "b"], "version {version}");
    }
}

#[test]
fn a_commit_that_ended_after_its_callers_time_keeps_its_result_for_the_next_call() {
    let mut house = House::ready(2);
    house.producer.begin_transaction().expect("begun");
    house.send("a").expect("open");
    house.flush();
    let coordinator = house.cluster.with(|c| c.coordinator(CoordinatorKind::Transaction, "tx")).expect("one");
    house.cluster.broker_freeze(coordinator);
    assert_eq!(status(house.commit_within(0)), Status::TIMED_OUT);
    house.cluster.broker_thaw(coordinator);
    while house.committed().is_empty() {
        std::thread::yield_now();
    }
    // Whether the answer has come is the sender's to know; either way the other calls are refused.
    assert_eq!(status(house.producer.begin_transaction()), Status::STATE);
    assert_eq!(status(house.abort()), Status::STATE);
    house.commit().expect("it was committed");
    house.transact("b");
    assert_eq!(house.committed(), ["a", "b"]);
}

#[test]
fn a_new_incarnation_ends_what_the_old_one_left_open() {
    for version in 1..=2 {
        let mut old = House::ready(version);
        old.producer.begin_transaction().expect("begun");
        old.send("old").expect("open");
        old.flush();
        let new = producer(&old.cluster, |_| ());
        new.init_transactions(WAIT_MS, |_| Handed::All).expect("initialized");
        assert!(!old.cluster.with(|c| c.is_transaction_open("tx")));
        new.begin_transaction().expect("begun");
        let topic = new.topic("t").expect("legal");
        new.send::<()>(&topic, &record("new"), &SENDING).expect("open");
        new.commit_transaction(WAIT_MS, |_| Handed::All).expect("committed");
        assert_eq!(status(old.commit()), Status::PRODUCER_FENCED);
        assert_eq!(old.committed(), ["new"], "version {version}");
    }
}

#[test]
fn closing_aborts_what_is_open_and_finishes_a_commit_under_way() {
    for version in 1..=2 {
        let mut house = House::ready(version);
        house.transact("a");
        house.producer.begin_transaction().expect("begun");
        house.send("open").expect("open");
        house.flush();
        house.producer.close(WAIT_MS, |_| Handed::All).expect("aborted in time");
        assert!(!house.cluster.with(|c| c.is_transaction_open("tx")), "version {version}");
        assert_eq!(house.committed(), ["a"]);

        let mut house = House::ready(version);
        house.producer.begin_transaction().expect("begun");
        house.send("b").expect("open");
        house.flush();
        house.cluster.push_error(END_TXN, 14, 3);
        assert_eq!(status(house.commit_within(0)), Status::TIMED_OUT);
        house.producer.close(WAIT_MS, |_| Handed::All).expect("committed in time");
        assert_eq!(house.committed(), ["b"], "version {version}");
    }
}

/// What a thread that sends without pause has to do with transactions: nothing is lost between two of them, and nothing is
/// in one that was accepted in another.
#[test]
fn threads_that_send_all_the_time_put_each_record_into_the_transaction_that_accepted_it() {
    for version in 1..=2 {
        let house = House::ready(version);
        let (producer, cluster) = (&house.producer, &house.cluster);
        let accepted = std::sync::atomic::AtomicUsize::new(0);
        let is_over = std::sync::atomic::AtomicBool::new(false);
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let (mut committed, mut aborted) = (Vec::new(), 0);
        std::thread::scope(|scope| {
            for thread in 0..2_usize {
                let (accepted, is_over) = (&accepted, &is_over);
                scope.spawn(move || {
                    let topic = producer.topic("t").expect("legal");
                    let mut number = thread;
                    while !is_over.load(relaxed) {
                        let tag = Some(Tag::marked(1, number));
                        let how = Sending { partition: Some(0), tag, own_timeout: None, acks: None };
                        match producer.send::<()>(&topic, &record(&number.to_string()), &how) {
                            Ok(_) => {
                                accepted.fetch_add(1, relaxed);
                                number += 2;
                            }
                            Err(error) => assert_eq!(error.status, Status::STATE, "{error}"),
                        }
                    }
                });
            }
            for round in 0..60 {
                let mut heard: Vec<(Status, usize)> = Vec::new();
                let mut hand = |item: Item<'_>| {
                    if let Item::Batch { batch, .. } = item {
                        heard.extend(batch.slots.iter().map(|slot| (batch.status, slot.opaque)));
                    }
                    Handed::All
                };
                let enough = accepted.load(relaxed) + round % 4 * 50;
                producer.begin_transaction().expect("begun");
                while accepted.load(relaxed) < enough {
                    std::thread::yield_now();
                }
                if round % 3 == 2 {
                    producer.abort_transaction(WAIT_MS, &mut hand).expect("aborted");
                    aborted += heard.len();
                } else {
                    producer.commit_transaction(WAIT_MS, &mut hand).expect("committed");
                    assert!(heard.iter().all(|(status, _)| *status == Status::OK));
                    committed.extend(heard.iter().map(|(_, number)| number.to_string()));
                }
            }
            is_over.store(true, relaxed);
        });
        assert_eq!(accepted.into_inner(), committed.len() + aborted, "one report for each, before its call returned");
        let records = cluster.with(|c| c.committed_records("t", 0)).expect("it exists");
        let mut visible: Vec<String> =
            records.into_iter().map(|r| String::from_utf8(r.value.unwrap_or_default()).expect("text")).collect();
        visible.sort();
        committed.sort();
        assert_eq!(visible, committed, "version {version}");
        assert!(!committed.is_empty() && aborted > 0);
    }
}

#[test]
fn calls_from_a_callback_are_refused() {
    let house = House::ready(2);
    house.producer.begin_transaction().expect("begun");
    house.send("a").expect("open");
    let mut refused = Vec::new();
    house
        .producer
        .flush(WAIT_MS, |item| {
            if let Item::Batch { .. } = item {
                refused.push(status(house.producer.begin_transaction()));
                refused.push(status(house.producer.commit_transaction(0, |_| Handed::All)));
                refused.push(status(house.producer.abort_transaction(0, |_| Handed::All)));
                refused.push(status(house.producer.init_transactions(0, |_| Handed::All)));
            }
            Handed::All
        })
        .expect("delivered");
    assert_eq!(refused, vec![Status::IN_CALLBACK; 4]);
}
