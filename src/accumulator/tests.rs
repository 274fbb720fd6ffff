//! The accumulator as its two sides use it together: bounds, order, and what is left when everything has been taken.

use super::*;
use crate::codec::{Codec, Compression};
use crate::reports::{Handed, Item, Slot};
use crate::wire::record_batch::{HEADER_LEN, read_record};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const TAG: Option<Tag> = Some(Tag::marked(1, 2));

fn accumulator(change: impl FnOnce(&mut Config)) -> Accumulator {
    let mut config = Config::default();
    change(&mut config);
    Accumulator::new(&config, 1, 7, Arc::new(Reports::new(1 << 30, 6)))
}

fn sending(own_timeout: Option<Micros>) -> Sending {
    Sending { partition: Some(0), tag: TAG, own_timeout, acks: None }
}

fn value(bytes: &[u8]) -> Record<'_> {
    Record { value: Some(bytes), ..Record::default() }
}

fn publish(accumulator: &Accumulator, topic: &Topic, count: u32) {
    let mut next = 0;
    accumulator.prepare(topic, count, || {
        next += 1;
        next - 1
    });
    accumulator.publish(topic, count, || Time(5), |record, _| panic!("refused {record:?}"));
}

fn events(accumulator: &Accumulator) -> Vec<Event> {
    let mut letters = Letters::default();
    accumulator.inbox.take(&mut letters);
    letters.events
}

/// As `Producer::send` does it, with a bound on the rounds.
fn send(accumulator: &Accumulator, topic: &Topic, record: &Record<'_>, how: &Sending) -> Result<(), NotAppended> {
    let mut held = None;
    for _ in 0..20 {
        match accumulator.append(topic, record, how, &mut held, || Time(5)) {
            Ok(_) => return Ok(()),
            Err(NotAppended::NeedsMemory(wanted)) => {
                drop(held.take());
                let soon = Instant::now() + Duration::from_millis(50);
                match accumulator.wait_for_memory(wanted, Some(soon)) {
                    Ok(reservation) => held = Some(reservation),
                    Err(_) => return Err(NotAppended::NeedsMemory(wanted)),
                }
            }
            Err(refused) => return Err(refused),
        }
    }
    panic!("sending goes round and round");
}

#[test]
fn a_record_that_fits_the_empty_budget_is_taken_whatever_else_a_batch_would_like() {
    for (limit, len) in [(65_536, 65_100), (200_000, 70_000), (300_000, 299_800), (1_000_000, 999_000)] {
        let accumulator = accumulator(|config| config.buffer_memory = limit);
        let topic = accumulator.topics.intern("t").expect("legal");
        publish(&accumulator, &topic, 1);
        let bytes = vec![b'x'; len];
        assert_eq!(send(&accumulator, &topic, &value(&bytes), &sending(None)), Ok(()), "{len} of {limit}");
        assert!(accumulator.memory.used() <= limit);
    }
}

#[test]
fn what_the_system_refuses_is_refused_and_nothing_stays_charged() {
    let accumulator = accumulator(|config| config.buffer_memory = 1 << 20);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    accumulator.memory.source().set_refuses(true);
    for _ in 0..2 {
        let refused = send(&accumulator, &topic, &value(&[b'x'; 100]), &sending(None));
        assert_eq!(refused, Err(NotAppended::OutOfMemory));
        assert_eq!(accumulator.memory.used(), 0);
    }
    let mut batch = accumulator.direct_batch(10_000);
    assert_eq!(batch.append(&value(b"x"), &mut None), Err(NotTaken::OutOfMemory));
    assert_eq!(accumulator.memory.used(), 0);
    // With memory that was reserved before, too.
    let wanted = Wanted { bytes: 500_000, claim: Claim::nobody() };
    let mut held = Some(accumulator.wait_for_memory(wanted, None).expect("room"));
    let refused = accumulator.append(&topic, &value(b"x"), &sending(None), &mut held, || Time(5));
    assert_eq!(refused, Err(NotAppended::OutOfMemory));
    drop(held);
    assert_eq!(accumulator.memory.used(), 0);
    accumulator.memory.source().set_refuses(false);
    assert_eq!(send(&accumulator, &topic, &value(&[b'x'; 100]), &sending(None)), Ok(()));
}

#[test]
fn parked_records_without_memory_for_their_batch_are_given_back() {
    let accumulator = accumulator(|config| config.buffer_memory = 1 << 20);
    let topic = accumulator.topics.intern("t").expect("legal");
    for place in 0..3 {
        assert_eq!(send(&accumulator, &topic, &value(&[place; 100]), &sending(None)), Ok(()));
    }
    accumulator.memory.source().set_refuses(true);
    accumulator.prepare(&topic, 1, || 0);
    let mut given_back = Vec::new();
    accumulator.publish(
        &topic,
        1,
        || Time(5),
        |record, why| {
            assert_eq!(why, Unpublished::OutOfMemory);
            given_back.push(record.value.as_deref().map(|value| value[0]));
            None
        },
    );
    assert_eq!(given_back, [Some(0), Some(1), Some(2)]);
    assert_eq!((accumulator.memory.used(), topic.partition_count()), (0, 1));
}

#[test]
fn a_record_that_does_not_fit_the_empty_budget_says_how_much_it_needs() {
    let accumulator = accumulator(|config| config.buffer_memory = 65_536);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let needs = send(&accumulator, &topic, &value(&[0; 65_536]), &sending(None)).expect_err("too large");
    assert!(matches!(needs, NotAppended::NeedsMemory(Wanted { bytes: 65_537.., .. })), "{needs:?}");
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn a_parked_record_with_an_earlier_deadline_than_the_one_before_is_told_of() {
    let accumulator = accumulator(|config| config.delivery_timeout_ms = 10);
    let topic = accumulator.topics.intern("t").expect("legal");
    for own in [Some(Micros::FOREVER), None, None, Some(Micros::FOREVER), None] {
        send(&accumulator, &topic, &value(b"v"), &sending(own)).expect("room");
    }
    let told: Vec<Time> = events(&accumulator)
        .iter()
        .filter_map(|event| match event {
            Event::Parked { deadline, .. } => Some(*deadline),
            _ => None,
        })
        .collect();
    assert!(told.contains(&Time(10_005)), "{told:?}");
    assert!(told.len() < 5, "not every record is told of: {told:?}");
}

#[test]
fn a_records_own_timeout_stands_instead_of_the_default_also_when_it_is_longer() {
    let accumulator = accumulator(|config| config.delivery_timeout_ms = 10);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let partition = topic.partition(0).expect("published");
    send(&accumulator, &topic, &value(b"v"), &sending(Some(Micros::from_ms(50)))).expect("room");
    assert_eq!(partition.earliest_deadline(), Some(Time(50_005)));
    assert!(matches!(events(&accumulator)[..], [Event::Opened { deadline: Time(50_005), .. }]));
    // The shortest time of a batch wins, and the default is one of them.
    send(&accumulator, &topic, &value(b"v"), &sending(None)).expect("room");
    assert_eq!(partition.earliest_deadline(), Some(Time(10_005)));
    assert!(matches!(events(&accumulator)[..], [Event::Deadline { deadline: Time(10_005), .. }]));
    send(&accumulator, &topic, &value(b"v"), &sending(None)).expect("room");
    assert_eq!(events(&accumulator), []);
}

#[test]
fn parked_records_leave_neither_charge_nor_room_behind() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    for _ in 0..10_000 {
        send(&accumulator, &topic, &value(b"v"), &sending(None)).expect("room");
    }
    publish(&accumulator, &topic, 1);
    assert!(topic.parked.lock().capacity() < 100);
    for mut batch in topic.partition(0).expect("published").take_expired(&accumulator.memory, Time::NEVER) {
        assert_eq!(batch.take_slots().len() as u32, batch.count);
    }
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn a_split_batch_keeps_each_records_own_time_and_returns_its_charge() {
    let accumulator = accumulator(|config| config.batch_size = 1 << 20);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let far = i64::from(i32::MAX);
    let times = [far + 10, 11, 2 * far + 9, 11, far, 2 * far];
    let long = [b'x'; 200];
    for (i, timestamp_ms) in times.into_iter().enumerate() {
        // The first fills a part alone, so that the next one's time is the base of the second part.
        let record = Record { timestamp_ms, ..value(if i == 0 { &long } else { b"short" }) };
        send(&accumulator, &topic, &record, &sending(None)).expect("room");
    }
    let partition = topic.partition(0).expect("published");
    let batch = partition.take(&accumulator, |_, _| true).expect("one batch");
    assert_eq!(batch.count, 6);
    let mut reported = Vec::new();
    let mut written = Vec::new();
    for BatchPart { batch: mut part, .. } in batch.split(310) {
        let bytes: Vec<u8> = part.bytes.chunks().flatten().copied().collect();
        let mut rest = &bytes[HEADER_LEN..];
        while !rest.is_empty() {
            let (record, used) = read_record(rest).expect("our encoding");
            written.push(part.base_timestamp_ms + record.timestamp_delta);
            rest = &rest[used..];
        }
        let base = part.base_timestamp_ms;
        reported.extend(part.take_slots().iter().map(|slot| base + i64::from(slot.timestamp_delta_ms)));
    }
    assert_eq!(written, times);
    assert_eq!(reported, times);
    assert_eq!(accumulator.memory.used(), 0);
}

/// Eight threads send in their own order, to a topic that becomes known in the middle, while another thread takes.
#[test]
fn each_threads_records_keep_their_order_and_the_budget_comes_back_to_zero() {
    const THREADS: usize = 8;
    const EACH: u32 = 4_000;
    let accumulator = accumulator(|config| {
        config.buffer_memory = 300_000;
        config.batch_size = 2_000;
    });
    let topic = accumulator.topics.intern("t").expect("legal");
    let (sent, done) = (AtomicU32::new(0), AtomicBool::new(false));
    let mut seen: HashMap<(u32, usize), Vec<u32>> = HashMap::new();
    let mut slots: Vec<Slot> = Vec::new();
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (accumulator, topic, sent) = (&accumulator, &topic, &sent);
                scope.spawn(move || {
                    let key = [thread as u8];
                    for i in 0..EACH {
                        let number = i.to_be_bytes();
                        let record = Record { key: Some(&key), value: Some(&number), ..Record::default() };
                        let tag = (i % 3 != 0).then_some(Tag::marked(1, i as usize));
                        let own_timeout = (i % 5 == 0).then_some(Micros(u64::from(i)));
                        let how = Sending { partition: None, tag, own_timeout, acks: None };
                        let mut held = None;
                        while let Err(NotAppended::NeedsMemory(wanted)) =
                            accumulator.append(topic, &record, &how, &mut held, || Time(5))
                        {
                            drop(held.take());
                            held = Some(accumulator.wait_for_memory(wanted, None).expect("open"));
                        }
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let taker = scope.spawn(|| {
            let waiting = accumulator.memory.clone();
            let (mut seen, mut slots) = (HashMap::<(u32, usize), Vec<u32>>::new(), Vec::new());
            while sent.load(Ordering::Relaxed) < 300 {
                std::thread::yield_now();
            }
            publish(&accumulator, &topic, 3);
            loop {
                let last = done.load(Ordering::Acquire);
                let mut letters = Letters::default();
                accumulator.inbox.take(&mut letters);
                accumulator.memory.clear_pressure();
                for index in 0..3 {
                    let partition = topic.partition(index).expect("published");
                    while let Some(mut batch) = partition.take(&accumulator, |_, _| last || waiting.has_waiters()) {
                        batch.stamp(-1, -1, -1, false);
                        let bytes: Vec<u8> = batch.bytes.chunks().flatten().copied().collect();
                        assert_eq!(bytes.len(), batch.len());
                        let mut rest = &bytes[HEADER_LEN..];
                        let mut count = 0;
                        while !rest.is_empty() {
                            let (record, used) = read_record(rest).expect("our encoding");
                            let thread = usize::from(record.key.expect("a key")[0]);
                            let number = record.value.and_then(|v| v.try_into().ok()).map(u32::from_be_bytes);
                            seen.entry((index, thread)).or_default().push(number.expect("a number"));
                            rest = &rest[used..];
                            count += 1;
                        }
                        assert_eq!(count, batch.count);
                        slots.extend(batch.take_slots());
                    }
                }
                if last {
                    return (seen, slots);
                }
            }
        });
        for sender in senders {
            sender.join().expect("no panic");
        }
        done.store(true, Ordering::Release);
        (seen, slots) = taker.join().expect("no panic");
    });
    assert_eq!(seen.len(), THREADS, "each key has one partition");
    for (place, numbers) in &seen {
        assert!(numbers.iter().copied().eq(0..EACH), "{place:?}: lost, twice or out of order");
    }
    assert_eq!(slots.len(), THREADS * (0..EACH).filter(|i| i % 3 != 0).count());
    assert_eq!(accumulator.memory.used(), 0);
    assert!(!accumulator.memory.has_waiters());
    accumulator.reports.poll(Some(Instant::now()), |item| {
        assert!(matches!(item, Item::Log(_)));
        Handed::All
    });
}

/// The sender that has acted on a shortage must hear of those who begin to wait afterwards.
#[test]
fn pressure_is_told_after_the_waiter_stands_in_line() {
    let accumulator = accumulator(|config| config.buffer_memory = 65_536);
    assert!(accumulator.memory.try_charge(Claim::nobody(), 65_536));
    let accumulator = Arc::new(accumulator);
    let seen = Arc::new(AtomicBool::new(false));
    let (theirs, told) = (accumulator.clone(), seen.clone());
    accumulator.inbox.set_wake(move || told.store(theirs.memory.has_waiters(), Ordering::SeqCst));
    assert!(!accumulator.inbox.before_sleep(Time::NEVER));
    assert!(accumulator.wait_for_memory(Wanted { bytes: 1, claim: Claim::nobody() }, Some(Instant::now())).is_err());
    assert!(seen.load(Ordering::SeqCst), "woken before anybody waited");
    assert_eq!(events(&accumulator), [Event::Pressure]);
}

#[test]
fn behind_a_shut_door_nothing_is_accepted_and_what_was_parked_still_gets_in() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    send(&accumulator, &topic, &value(b"parked"), &sending(None)).expect("room");
    accumulator.door.shut(Error::new(Status::STATE, "not now"));
    assert_eq!(send(&accumulator, &topic, &value(b"v"), &sending(None)), Err(NotAppended::Refused));
    assert_eq!(accumulator.settle_appends().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [topic.id]);
    publish(&accumulator, &topic, 1);
    assert!(accumulator.settle_appends().is_empty());
    assert_eq!(send(&accumulator, &topic, &value(b"v"), &sending(None)), Err(NotAppended::Refused));
    assert_eq!(accumulator.door.why().map(|why| why.status), Some(Status::STATE));
    let batch = topic.partition(0).and_then(|p| p.take(&accumulator, |_, _| true)).expect("the parked one");
    assert_eq!(batch.count, 1);
    accumulator.door.open();
    assert_eq!(send(&accumulator, &topic, &value(b"v"), &sending(None)), Ok(()));
    assert_eq!(accumulator.door.why(), None);
}

#[test]
fn whoever_shuts_the_door_and_settles_has_seen_the_last_record() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 4);
    let accepted = AtomicU32::new(0);
    for round in 0..200 {
        accepted.store(0, Ordering::SeqCst);
        let before = accumulator.memory.used();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (accumulator, topic, accepted) = (&accumulator, &topic, &accepted);
                scope.spawn(move || {
                    let how = Sending { partition: Some(thread), ..sending(None) };
                    while accumulator.append(topic, &value(b"v"), &how, &mut None, || Time(5)).is_ok() {
                        accepted.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            while accepted.load(Ordering::SeqCst) < round {
                std::hint::spin_loop();
            }
            accumulator.door.shut(Error::new(Status::STATE, "not now"));
            accumulator.settle_appends();
            let line = accumulator.inbox.next_batch();
            let mut taken = 0;
            for partition in (0..4).filter_map(|index| topic.partition(index)) {
                while let Some(mut batch) = partition.take(&accumulator, |_, _| true) {
                    assert!(batch.id < line);
                    taken += batch.count;
                    batch.take_slots();
                }
            }
            assert_eq!(accumulator.inbox.next_batch(), line, "a batch was opened behind the line");
            // Whoever had just appended counts it in a moment.
            while accepted.load(Ordering::SeqCst) < taken {
                std::hint::spin_loop();
            }
            for partition in (0..4).filter_map(|index| topic.partition(index)) {
                assert!(!partition.has_batch(|_, _| true), "a record came after the last");
            }
        });
        assert_eq!(accumulator.memory.used(), before, "all that was accepted was taken");
        accumulator.door.open();
    }
}

#[test]
fn an_append_that_found_the_door_open_opens_no_batch_once_it_is_shut() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let (inside, is_inside) = std::sync::mpsc::channel();
    let (go, may_go) = std::sync::mpsc::channel();
    let line = std::thread::scope(|scope| {
        let (accumulator, topic) = (&accumulator, &topic);
        scope.spawn(move || {
            // A new batch's time is read under the partition's lock, behind the door.
            let clock = || {
                inside.send(()).expect("the test listens");
                may_go.recv().expect("the test says when");
                Time(5)
            };
            let appended = accumulator.append(topic, &value(b"v"), &sending(None), &mut None, clock);
            assert_eq!(appended, Err(NotAppended::Refused));
        });
        is_inside.recv().expect("it begins a batch");
        accumulator.door.shut(Error::new(Status::STATE, "not now"));
        accumulator.settle_appends();
        let line = accumulator.inbox.next_batch();
        go.send(()).expect("the append waits");
        line
    });
    assert_eq!((line, accumulator.inbox.next_batch()), (0, 0), "no batch behind the line");
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn records_taken_apart_keep_their_order_their_reports_and_their_bytes() {
    for codec in [Codec::None, Codec::Gzip, Codec::Lz4] {
        let accumulator = accumulator(|config| {
            config.compression = Compression { codec, level: 1 };
            // Compressed by whoever takes it.
            config.compression_threads = 0;
        });
        let topic = accumulator.topics.intern("t").expect("legal");
        publish(&accumulator, &topic, 1);
        for place in 0..6usize {
            let bytes = [place as u8; 200];
            // Only every other one wants a report.
            let tag = (place % 2 == 0).then(|| Tag::marked(1, place));
            let record = Record { timestamp_ms: 100 - 7 * place as i64, ..value(&bytes) };
            send(&accumulator, &topic, &record, &Sending { tag, ..sending(None) }).expect("room");
        }
        let partition = topic.partition(0).expect("published");
        let batch = partition.take(&accumulator, |_, _| true).expect("one batch");
        assert_eq!((batch.count, batch.codec), (6, codec));
        let mut seen = Vec::new();
        for BatchPart { group, first_record, batch: mut part } in
            batch.separate(|place| usize::from(place == 2 || place == 5))
        {
            assert_eq!(part.codec, Codec::None);
            let bytes: Vec<u8> = part.bytes.chunks().flatten().copied().collect();
            let (mut rest, mut values) = (&bytes[HEADER_LEN..], Vec::new());
            while !rest.is_empty() {
                let (record, used) = read_record(rest).expect("our own encoding");
                rest = &rest[used..];
                assert_eq!(record.offset_delta as usize, values.len());
                let value = record.value.expect("each has one");
                assert!(value.len() == 200 && value.iter().all(|byte| *byte == value[0]));
                assert_eq!(part.base_timestamp_ms + record.timestamp_delta, 100 - 7 * i64::from(value[0]));
                values.push(value[0]);
            }
            let base = part.base_timestamp_ms;
            let told = |slot: &Slot| (slot.opaque, base + i64::from(slot.timestamp_delta_ms));
            assert!(part.slots.iter().all(|slot| usize::from(values[slot.offset_delta as usize]) == slot.opaque));
            seen.push((group, first_record, values, part.take_slots().iter().map(told).collect::<Vec<_>>()));
        }
        let others = (0, 0, vec![0, 1, 3, 4], vec![(0, 100), (4, 72)]);
        let named = (1, 2, vec![2, 5], vec![(2, 86)]);
        assert_eq!(seen, [others, named], "{codec:?}");
        assert_eq!(accumulator.memory.used(), 0);
    }
}
