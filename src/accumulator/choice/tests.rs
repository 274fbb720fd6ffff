//! Every partitioner at work on a topic whose leaders, queues and brokers are known.

use super::super::{BrokerView, Letters, Placed, Sending};
use super::*;
use crate::config::Partitioner;
use crate::reports::{Handed, Item, Reports};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicUsize;

const RECORDS: u32 = 1_000_000;
const RECORD_BYTES: u32 = 100;

fn accumulator(change: impl FnOnce(&mut Config)) -> Accumulator {
    let mut config = Config { batch_size: 200, ..Config::default() };
    change(&mut config);
    Accumulator::new(&config, 1, 7, Arc::new(Reports::new(1 << 30, 6)))
}

/// A topic of published partitions with these leaders.
fn topic(accumulator: &Accumulator, leaders: &[i32]) -> Arc<Topic> {
    let topic = accumulator.topics.intern("t").expect("legal");
    prepare(accumulator, &topic, leaders);
    accumulator.publish(&topic, leaders.len() as u32, || Time(5), |record, _| panic!("refused {record:?}"));
    topic
}

fn prepare(accumulator: &Accumulator, topic: &Topic, leaders: &[i32]) {
    let mut next = 0;
    accumulator.prepare(topic, leaders.len() as u32, || {
        next += 1;
        next - 1
    });
    for (index, leader) in leaders.iter().enumerate() {
        topic.partition(index as u32).expect("prepared").set_leader(*leader);
    }
}

fn brokers(accumulator: &Accumulator, racks: &[(i32, &str)]) {
    let view = |(id, rack): &(i32, &str)| BrokerView {
        id: *id,
        host: c"h".into(),
        port: 9092,
        rack: std::ffi::CString::new(*rack).ok().map(Into::into),
        connected: true,
    };
    accumulator.cluster.publish(None, -1, racks.iter().map(view).collect());
}

/// Where one more record goes, as `append` has it, without the batch.
fn goes_to(accumulator: &Accumulator, topic: &Topic, key: Option<&[u8]>, now: Time) -> u32 {
    let count = topic.partition_count();
    let record = Record { key, ..Record::default() };
    let (index, sticks) = accumulator.choose(topic, count, &record, false, &|| now);
    if sticks {
        let next = |random| accumulator.next_partition(topic, count, random, now);
        topic.sticky.add(index, RECORD_BYTES, 200, next);
    }
    index
}

fn shares(accumulator: &Accumulator, topic: &Topic, records: u32) -> BTreeMap<u32, u32> {
    let mut shares = BTreeMap::new();
    for i in 0..records {
        *shares.entry(goes_to(accumulator, topic, None, Time(u64::from(i)))).or_default() += 1;
    }
    shares
}

#[test]
fn a_million_records_without_a_key_spread_within_one_percent() {
    use Partitioner::*;
    for partitioner in [Murmur2, Murmur2Random, ConsistentRandom, Fnv1aRandom, Sticky, Adaptive, Random, RoundRobin] {
        let accumulator = accumulator(|config| config.partitioner = partitioner);
        let topic = topic(&accumulator, &[1, 2, 3, 1]);
        for (partition, share) in shares(&accumulator, &topic, RECORDS) {
            let wanted = f64::from(RECORDS / 4);
            let off = (f64::from(share) - wanted).abs() / wanted;
            assert!(off < 0.01, "{partitioner:?}: partition {partition} got {share}");
        }
    }
}

#[test]
fn partitions_without_a_leader_are_left_out_evenly_as_long_as_others_have_one() {
    use Partitioner::*;
    for partitioner in [Murmur2, Sticky, Random, RoundRobin, SingleBroker] {
        let accumulator = accumulator(|config| config.partitioner = partitioner);
        let topic = topic(&accumulator, &[NO_LEADER, 5, NO_LEADER, 5, 5]);
        let shares = shares(&accumulator, &topic, 30_000);
        assert_eq!(shares.keys().copied().collect::<Vec<_>>(), [1, 3, 4], "{partitioner:?}");
        assert!(shares.values().all(|share| (9_000..11_000).contains(share)), "{partitioner:?}: {shares:?}");
        let nobody = [NO_LEADER; 5];
        prepare(&accumulator, &topic, &nobody);
        assert!(goes_to(&accumulator, &topic, None, Time(9_999_999)) < 5);
    }
}

#[test]
fn keys_stay_where_they_belong_unless_they_do_not_count() {
    for (partitioner, ignored) in
        [(Partitioner::SingleBroker, false), (Partitioner::Sticky, false), (Partitioner::Sticky, true)]
    {
        let accumulator = accumulator(|config| {
            config.partitioner = partitioner;
            config.partitioner_ignore_keys = ignored;
        });
        let topic = topic(&accumulator, &[1, 2, 3, 1, 2, 3]);
        let went: BTreeSet<u32> =
            (0..1_000).map(|i| goes_to(&accumulator, &topic, Some(b"kafka"), Time(i * 100))).collect();
        if ignored {
            assert!(went.len() > 1);
        } else {
            assert_eq!(went.into_iter().collect::<Vec<_>>(), [1_348_980_580 % 6], "{partitioner:?}");
        }
    }
}

#[test]
fn a_partition_with_a_long_queue_gets_a_small_share_while_it_is_long() {
    for partitioner in [Partitioner::Murmur2, Partitioner::Sticky] {
        let accumulator = accumulator(|config| {
            config.partitioner = partitioner;
            config.batch_size = 1_000;
        });
        let topic = topic(&accumulator, &[1, 2, 3]);
        let how = Sending { partition: Some(1), tag: None, own_timeout: None, acks: None };
        let value = [0; 500];
        let record = Record { value: Some(&value), ..Record::default() };
        for _ in 0..20 {
            accumulator.append(&topic, &record, &how, &mut None, || Time(5)).expect("room");
        }
        let long = shares(&accumulator, &topic, 10_000)[&1];
        let is_adaptive = partitioner == Partitioner::Murmur2;
        assert_eq!(long < 1_000, is_adaptive, "{partitioner:?}: {long}");
        assert_eq!((2_500..4_200).contains(&long), !is_adaptive, "{partitioner:?}: {long}");
    }
}

#[test]
fn a_broker_that_takes_nothing_is_avoided_until_it_does() {
    let accumulator = accumulator(|config| config.partitioner_availability_timeout_ms = 100);
    let topic = topic(&accumulator, &[1, 2, 3]);
    let stall = accumulator.choosing.stalls.of(2);
    stall.begin(Time::from_ms(10), Micros::from_ms(100));
    let went = |from_ms: u64| -> BTreeSet<u32> {
        // A table of before may be used for some milliseconds, and a partition keeps what fits into a batch.
        let at = |i: u64| Time::from_ms(from_ms) + Micros(i * 100);
        (0..2_000)
            .map(|i| (i, goes_to(&accumulator, &topic, None, at(i))))
            .filter(|(i, _)| *i > 100)
            .map(|(_, p)| p)
            .collect()
    };
    assert_eq!(went(150), BTreeSet::from([0, 2]));
    stall.end();
    assert_eq!(went(400), BTreeSet::from([0, 1, 2]));
}

#[test]
fn leaders_in_the_clients_rack_are_preferred_and_without_any_there_all_are_used() {
    let accumulator = accumulator(|config| {
        config.partitioner_rack_aware = true;
        config.client_rack = "b".into();
    });
    brokers(&accumulator, &[(1, "a"), (2, "b"), (3, "b"), (4, "c")]);
    let topic = topic(&accumulator, &[1, 2, 3, 4]);
    let shares = shares(&accumulator, &topic, 10_000);
    assert_eq!(shares.keys().copied().collect::<Vec<_>>(), [1, 2]);
    brokers(&accumulator, &[(1, "a"), (2, "a"), (3, "a"), (4, "c")]);
    let went: BTreeSet<u32> = (0..10_000).map(|i| goes_to(&accumulator, &topic, None, Time(20_000 + i))).collect();
    assert_eq!(went.len(), 4);
    assert_eq!(goes_to(&accumulator, &topic, Some(b"kafka"), Time(0)), 0, "keys know of no racks");
}

#[test]
fn one_broker_gets_everything_until_its_time_is_over() {
    let accumulator = accumulator(|config| {
        config.partitioner = Partitioner::SingleBroker;
        config.partitioner_broker_rotation_ms = 1_000;
    });
    brokers(&accumulator, &[(1, "a"), (2, "a"), (3, "a")]);
    let leaders = [1, 2, 3, 1, 2, 3];
    let topic = topic(&accumulator, &leaders);
    let mut order = Vec::new();
    for second in 0..6 {
        let at = |i: u64| Time::from_ms(second * 1_000 + 10) + Micros(i * 500);
        let went: BTreeSet<u32> = (0..1_000).map(|i| goes_to(&accumulator, &topic, None, at(i))).collect();
        let used: BTreeSet<i32> = went.iter().map(|index| leaders[*index as usize]).collect();
        assert_eq!((used.len(), went.len()), (1, 2), "all partitions of one broker: {went:?}");
        order.extend(used);
    }
    assert_eq!(order[..3].iter().copied().collect::<BTreeSet<_>>().len(), 3, "{order:?}");
    assert_eq!(order[..3], order[3..], "each in its turn");

    // The broker loses its partitions: the next one takes over at once.
    let home = order[5];
    for (index, leader) in leaders.iter().enumerate().filter(|(_, leader)| **leader == home) {
        topic.partition(index as u32).expect("there").set_leader(leader % 3 + 1);
    }
    let went: BTreeSet<i32> = (0..100)
        .map(|i| goes_to(&accumulator, &topic, None, Time::from_ms(5_600) + Micros(i)))
        .map(|index| topic.partition(index).expect("there").leader())
        .collect();
    assert!(went.len() == 1 && !went.contains(&home), "{went:?}");
}

#[test]
fn a_partition_that_loses_its_leader_is_left() {
    let accumulator = accumulator(|config| config.batch_size = 1 << 20);
    let topic = topic(&accumulator, &[1, 2]);
    let at = goes_to(&accumulator, &topic, None, Time(5));
    topic.partition(at).expect("there").set_leader(NO_LEADER);
    accumulator.leave_partition(&topic, at, Time(6));
    assert_eq!(goes_to(&accumulator, &topic, None, Time(7)), 1 - at);
}

/// Answers what it is told to, and counts.
struct Fixed {
    answers: fn(&View<'_>) -> i32,
    calls: AtomicUsize,
}

impl Partitioning for Fixed {
    fn choose(&self, view: &View<'_>) -> i32 {
        self.calls.fetch_add(1, Ordering::Relaxed);
        (self.answers)(view)
    }
}

fn custom(accumulator: &Accumulator, answers: fn(&View<'_>) -> i32) -> Arc<Fixed> {
    let fixed = Arc::new(Fixed { answers, calls: AtomicUsize::new(0) });
    accumulator.set_partitioning(fixed.clone(), |_| true);
    fixed
}

fn send(accumulator: &Accumulator, topic: &Topic, key: Option<&[u8]>) -> Placed {
    let how = Sending { partition: None, tag: None, own_timeout: None, acks: None };
    let record = Record { key, ..Record::default() };
    accumulator.append(topic, &record, &how, &mut None, || Time(5)).expect("room")
}

fn partition_of(placed: Placed) -> u32 {
    match placed {
        Placed::InBatch { partition, .. } => partition,
        Placed::Parked => panic!("parked"),
    }
}

#[test]
fn the_applications_function_sees_the_record_and_the_cluster_and_its_answer_counts() {
    let accumulator = accumulator(|_| ());
    brokers(&accumulator, &[(7, "a"), (9, "b")]);
    let topic = topic(&accumulator, &[7, 9, NO_LEADER]);
    let fixed = custom(&accumulator, |view| {
        assert_eq!((view.topic, view.value), (c"t", None));
        let leaders: Vec<_> = view.picture.partitions.iter().map(|p| (p.leader, p.is_available)).collect();
        assert_eq!(leaders, [(7, true), (9, true), (NO_LEADER, false)]);
        assert_eq!(view.picture.cluster.brokers.len(), 2);
        view.key.map_or(ANY_PARTITION, |key| i32::from(key[0]))
    });
    assert_eq!(partition_of(send(&accumulator, &topic, Some(&[2]))), 2);
    assert_eq!(partition_of(send(&accumulator, &topic, Some(&[0]))), 0);
    assert!(partition_of(send(&accumulator, &topic, None)) < 2, "the library chooses one with a leader");
    assert_eq!(fixed.calls.load(Ordering::Relaxed), 3);
}

#[test]
fn wrong_answers_are_logged_once_and_the_library_chooses() {
    let accumulator = accumulator(|_| ());
    let topic = topic(&accumulator, &[1, 1]);
    custom(&accumulator, |view| view.key.map_or(-2, |_| 2));
    for key in [None, Some(&b"kafka"[..]), None] {
        assert!(partition_of(send(&accumulator, &topic, key)) < 2);
    }
    assert_eq!(partition_of(send(&accumulator, &topic, Some(b"kafka"))), 1_348_980_580 % 2);
    let mut lines = Vec::new();
    accumulator.reports.poll_now(|item| {
        if let Item::Log(line) = item {
            lines.push(line.text.clone());
        }
        Handed::All
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("answered -2 for topic 't', which has 2 partitions"), "{lines:?}");
}

#[test]
fn parked_records_are_chosen_for_elsewhere_in_their_order_and_later_ones_by_their_senders() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    let fixed = custom(&accumulator, |view| i32::from(view.key.expect("a key")[0]) % 3);
    for n in 0..5u8 {
        assert_eq!(send(&accumulator, &topic, Some(&[n])), Placed::Parked);
    }
    prepare(&accumulator, &topic, &[1, 1, 1]);
    assert!(accumulator.begins_choosing(&topic, 3) && accumulator.begins_choosing(&topic, 3));
    assert_eq!(fixed.calls.load(Ordering::Relaxed), 0, "not on this thread");
    // It is behind the others, and must not wait unchosen.
    assert_eq!(send(&accumulator, &topic, Some(&[5])), Placed::Parked);
    assert_eq!(fixed.calls.load(Ordering::Relaxed), 1);
    accumulator.choose_parked(&topic, || Time(6), || false);
    assert_eq!(fixed.calls.load(Ordering::Relaxed), 6);
    let mut letters = Letters::default();
    accumulator.inbox.take(&mut letters);
    assert!(matches!(letters.commands[..], [Command::Chosen { topic: 0 }]), "{:?}", letters.commands);
    let parked: Vec<_> = topic.parked.lock().iter().map(|record| record.partition).collect();
    assert_eq!(parked, [0, 1, 2, 0, 1, 2].map(Some));
    assert!(!accumulator.begins_choosing(&topic, 3));
    accumulator.publish(&topic, 3, || Time(7), |record, _| panic!("refused {record:?}"));
    assert_eq!(partition_of(send(&accumulator, &topic, Some(&[7]))), 1);
    assert_eq!(fixed.calls.load(Ordering::Relaxed), 7);
}

/// What the last parked record is numbered with.
fn last_serial(topic: &Topic) -> u64 {
    topic.parked.lock().back().expect("parked").serial
}

#[test]
fn a_number_of_a_parked_record_is_given_once_also_behind_a_batch_and_after_the_last_was_cancelled() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    custom(&accumulator, |view| i32::from(view.key.expect("a key")[0]) % 3);
    let mut serials = Vec::new();
    send(&accumulator, &topic, Some(&[2]));
    serials.push(last_serial(&topic));
    let mut batch = accumulator.direct_batch(1 << 10);
    batch.append(&Record::default(), &mut None).expect("room");
    let to_0 = crate::accumulator::SendingDirect { partition: Some(0), tag: None };
    assert_eq!(accumulator.append_direct(&topic, &mut batch, &to_0, &mut None, || Time(5)), Ok(Placed::Parked));
    serials.push(last_serial(&topic));
    for n in [0, 1] {
        send(&accumulator, &topic, Some(&[n]));
        serials.push(last_serial(&topic));
        // Cancelled: the next one is not taken for it.
        topic.parked.lock().pop_back();
    }
    send(&accumulator, &topic, Some(&[1]));
    serials.push(last_serial(&topic));
    assert!(serials.is_sorted_by(|a, b| a < b), "{serials:?}");
    prepare(&accumulator, &topic, &[1, 1, 1]);
    assert!(accumulator.begins_choosing(&topic, 3));
    accumulator.choose_parked(&topic, || Time(6), || false);
    let parked: Vec<_> = topic.parked.lock().iter().map(|record| record.partition).collect();
    assert_eq!(parked, [2, 0, 1].map(Some));
}

#[test]
fn where_no_thread_can_be_had_the_library_chooses_for_parked_records() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    accumulator.set_partitioning(Arc::new(Fixed { answers: |_| 0, calls: AtomicUsize::new(0) }), |_| false);
    send(&accumulator, &topic, None);
    prepare(&accumulator, &topic, &[NO_LEADER, 1]);
    assert!(!accumulator.begins_choosing(&topic, 2));
    accumulator.publish(&topic, 2, || Time(7), |record, _| panic!("refused {record:?}"));
    assert!(topic.partition(1).expect("there").queued_bytes() > 0);
}
