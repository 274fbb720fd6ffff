//! Direct batches between an application thread and a taker.

use super::*;
use crate::accumulator::{BatchPart, Claim, Event, Letters, Sending, Wanted};
use crate::config::Config;
use crate::reports::Reports;
use crate::time::Micros;

const TAG: Tag = Tag::marked(1, 2);
const TO_0: SendingDirect = SendingDirect { partition: Some(0), tag: Some(TAG) };

pub(in crate::accumulator) fn accumulator(change: impl FnOnce(&mut Config)) -> Accumulator {
    let mut config = Config::default();
    change(&mut config);
    Accumulator::new(&config, 1, 7, Arc::new(Reports::new(1 << 30, 6)))
}

pub(in crate::accumulator) fn publish(accumulator: &Accumulator, topic: &Topic, count: u32) {
    let mut next = 0;
    accumulator.prepare(topic, count, || {
        next += 1;
        next - 1
    });
    accumulator.publish(topic, count, || Time(5), |record, _| panic!("refused {record:?}"));
}

fn value(bytes: &[u8]) -> Record<'_> {
    Record { value: Some(bytes), ..Record::default() }
}

fn filled(accumulator: &Accumulator, values: &[&[u8]]) -> DirectBatch {
    let mut batch = accumulator.direct_batch(1 << 20);
    for (bytes, place) in values.iter().zip(0..) {
        assert_eq!(batch.append(&value(bytes), &mut None), Ok(place));
    }
    batch
}

fn send(accumulator: &Accumulator, topic: &Topic, batch: &mut DirectBatch) -> Result<Placed, NotAppended> {
    accumulator.append_direct(topic, batch, &TO_0, &mut None, || Time(5))
}

fn send_one(accumulator: &Accumulator, topic: &Topic, bytes: &[u8]) {
    let how = Sending { partition: Some(0), tag: Some(TAG), own_timeout: None, acks: None };
    accumulator.append(topic, &value(bytes), &how, &mut None, || Time(5)).expect("room");
}

fn values(batch: &crate::accumulator::Batch) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut begins_at = HEADER_LEN;
    for chunk in batch.bytes.chunks() {
        record_batch::each_record(&chunk[begins_at..], 0, &mut |place, record| {
            assert_eq!(place as usize, out.len());
            out.push(record.value.unwrap_or_default().to_vec());
        });
        begins_at = 0;
    }
    out
}

fn events(accumulator: &Accumulator) -> Vec<Event> {
    let mut letters = Letters::default();
    accumulator.inbox.take(&mut letters);
    letters.events
}

#[test]
fn a_full_batch_is_as_it_was_and_memory_comes_back_when_it_is_dropped() {
    let accumulator = accumulator(|_| ());
    let mut batch = accumulator.direct_batch(300);
    while batch.append(&value(&[b'x'; 50]), &mut None).is_ok() {}
    let (count, len, used) = (batch.count(), batch.len(), accumulator.memory.used());
    assert!(count == 4 && len <= 300 && used >= len);
    assert!(matches!(batch.append(&value(&[b'x'; 50]), &mut None), Err(NotTaken::Full(left)) if left == 300 - len));
    assert_eq!(batch.append(&value(b""), &mut None), Ok(4), "a small one fits still");
    batch.close();
    assert_eq!(batch.append(&value(b""), &mut None), Err(NotTaken::Closed));
    drop(batch);
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn without_memory_it_says_how_much_it_needs_and_takes_what_was_waited_for() {
    let accumulator = accumulator(|config| config.buffer_memory = 4_000);
    let wanted = Wanted { bytes: 3_500, claim: Claim::nobody() };
    let hold = accumulator.wait_for_memory(wanted, None).expect("room");
    let mut batch = accumulator.direct_batch(2_000);
    let Err(NotTaken::NeedsMemory(wanted)) = batch.append(&value(&[0; 600]), &mut None) else { panic!("no room") };
    drop(hold);
    let mut held = Some(accumulator.wait_for_memory(wanted, None).expect("room"));
    assert_eq!(batch.append(&value(&[0; 600]), &mut held), Ok(0));
    assert!(held.is_none());
    drop(batch);
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn an_open_one_is_filled_further_and_a_closed_one_goes_at_once() {
    let accumulator = accumulator(|config| config.linger_us = 1_000_000);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let partition = topic.partition(0).expect("published");
    send_one(&accumulator, &topic, b"before");
    let mut batch = filled(&accumulator, &[b"a", b"b"]);
    assert!(send(&accumulator, &topic, &mut batch).is_ok());
    assert!(batch.is_empty());
    send_one(&accumulator, &topic, b"joins");
    let never = |_, _| false;
    let mut taken = partition.take(&accumulator, never).expect("what was open before is sealed");
    assert_eq!(values(&taken), [b"before"]);
    taken.take_slots();
    drop(taken);
    assert!(partition.take(&accumulator, never).is_none(), "the open one lingers");
    let mut closed = filled(&accumulator, &[b"c"]);
    closed.close();
    assert!(send(&accumulator, &topic, &mut closed).is_ok());
    let mut taken = partition.take(&accumulator, never).expect("sealed by its successor");
    assert_eq!(values(&taken), [&b"a"[..], b"b", b"joins"]);
    assert_eq!(taken.direct, 2);
    let slots = taken.take_slots();
    assert_eq!(slots.iter().map(|slot| slot.offset_delta).collect::<Vec<_>>(), [0, 2]);
    assert_eq!((slots[0].key_len, slots[0].value_len), (-1, -1));
    drop(taken);
    let mut taken = partition.take(&accumulator, never).expect("closed: it does not linger");
    assert_eq!(values(&taken), [b"c"]);
    taken.take_slots();
    drop(taken);
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn a_shut_door_keeps_it_out_and_leaves_it_whole() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    for known in [false, true] {
        if known {
            publish(&accumulator, &topic, 1);
        }
        accumulator.door.shut(crate::error::Error::new(crate::error::Status::STATE, "not now"));
        let mut batch = filled(&accumulator, &[b"a"]);
        assert_eq!(send(&accumulator, &topic, &mut batch), Err(NotAppended::Refused));
        assert_eq!(batch.count(), 1);
        accumulator.door.open();
    }
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn a_door_that_is_shut_in_between_leaves_it_whole_and_has_what_was_sealed_for_it_sent() {
    let accumulator = accumulator(|config| config.linger_us = 1_000_000);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    send_one(&accumulator, &topic, b"before");
    let mut batch = filled(&accumulator, &[b"a", b"b"]);
    events(&accumulator);
    // The time is asked for after the first look at the door.
    let shuts = || {
        accumulator.door.shut(crate::error::Error::new(crate::error::Status::STATE, "not now"));
        Time(5)
    };
    let refused = accumulator.append_direct(&topic, &mut batch, &TO_0, &mut None, shuts);
    assert_eq!(refused, Err(NotAppended::Refused));
    assert_eq!(batch.count(), 2, "the records are the caller's still");
    assert!(matches!(events(&accumulator)[..], [Event::Sealed { partition: 0 }]));
    let partition = topic.partition(0).expect("published");
    assert!(partition.load_bytes() > 0, "whoever chooses a partition sees what waits");
    let mut taken = partition.take(&accumulator, |_, _| false).expect("sealed");
    assert_eq!(values(&taken), [b"before"]);
    taken.take_slots();
    drop((taken, batch));
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn parked_ones_keep_their_place_and_their_deadline() {
    let accumulator = accumulator(|config| config.delivery_timeout_ms = 40);
    let topic = accumulator.topics.intern("t").expect("legal");
    send_one(&accumulator, &topic, b"1");
    let mut batch = filled(&accumulator, &[b"2", b"3"]);
    assert_eq!(send(&accumulator, &topic, &mut batch), Ok(Placed::Parked));
    drop(batch);
    send_one(&accumulator, &topic, b"4");
    events(&accumulator);
    publish(&accumulator, &topic, 1);
    let partition = topic.partition(0).expect("published");
    let mut all = Vec::new();
    while let Some(mut taken) = partition.take(&accumulator, |_, _| true) {
        assert_eq!(taken.deadline, Time(5) + Micros::from_ms(40));
        all.extend(values(&taken));
        taken.take_slots();
    }
    assert_eq!(all, [b"1", b"2", b"3", b"4"]);
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn parts_of_a_split_one_share_its_report() {
    let accumulator = accumulator(|config| config.batch_size = 1 << 20);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let mut batch = filled(&accumulator, &[&[b'x'; 100][..]; 6]);
    send(&accumulator, &topic, &mut batch).expect("room");
    for _ in 0..3 {
        send_one(&accumulator, &topic, &[b'y'; 100]);
    }
    let partition = topic.partition(0).expect("published");
    let whole = partition.take(&accumulator, |_, _| true).expect("one batch");
    let mut parts = whole.split(600);
    let seen: Vec<(u32, u32, Vec<u32>)> = parts
        .iter_mut()
        .map(|BatchPart { batch: part, .. }| {
            (part.count, part.direct, part.take_slots().iter().map(|slot| slot.offset_delta).collect())
        })
        .collect();
    assert_eq!(seen, [(4, 4, vec![0]), (4, 2, vec![0, 2, 3]), (1, 0, vec![0])]);
    drop(parts);
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn batches_have_no_more_records_than_batch_num_messages_allows() {
    let accumulator = accumulator(|config| config.batch_num_messages = 3);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    for _ in 0..7 {
        send_one(&accumulator, &topic, b"x");
    }
    let mut batch = filled(&accumulator, &[b"a", b"b", b"c"]);
    assert_eq!(batch.append(&value(b"d"), &mut None), Err(NotTaken::Counted(3)));
    send(&accumulator, &topic, &mut batch).expect("room");
    send_one(&accumulator, &topic, b"x");
    let partition = topic.partition(0).expect("published");
    let mut counts = Vec::new();
    while let Some(mut taken) = partition.take(&accumulator, |_, _| true) {
        counts.push(taken.count);
        taken.take_slots();
    }
    assert_eq!(counts, [3, 3, 1, 3, 1]);
}
