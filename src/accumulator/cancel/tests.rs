//! Records taken back, and the batches that are left of it.

use super::*;
use crate::accumulator::direct::tests::{accumulator, publish};
use crate::accumulator::{Letters, Sending};
use crate::record::Record;
use crate::reports::{Handed, Item};
use crate::wire::record_batch::{HEADER_LEN, each_record};

fn tag(opaque: usize) -> Tag {
    Tag::marked(1, opaque)
}

/// Sends record `number`, whose value is its number; every third record without a report.
fn send(accumulator: &Accumulator, topic: &Topic, number: usize) -> Ticket {
    let text = number.to_string();
    let timestamp_ms = 1_000 + number as i64;
    let record = Record { value: Some(text.as_bytes()), timestamp_ms, ..Record::default() };
    let tagged = (number % 3 != 2).then_some(tag(number));
    let how = Sending { partition: Some(0), tag: tagged, own_timeout: None, acks: None };
    let placed = accumulator.append(topic, &record, &how, &mut None, || Time(5)).expect("room");
    Ticket::new(topic, Some(0), tag(number), placed)
}

fn cancel(accumulator: &Accumulator, topic: &Topic, ticket: &Ticket) -> bool {
    accumulator.cancel(topic, ticket, Time(9), || true)
}

fn emptied(accumulator: &Accumulator) -> usize {
    let mut letters = Letters::default();
    accumulator.inbox.take(&mut letters);
    letters.events.iter().filter(|event| matches!(event, Event::Emptied { .. } | Event::Unparked { .. })).count()
}

/// What is reported as cancelled.
fn reported(accumulator: &Accumulator) -> Vec<usize> {
    let mut out = Vec::new();
    accumulator.reports.poll_now(|item| {
        if let Item::Batch { batch, .. } = item {
            assert_eq!((batch.status, batch.persisted), (Status::CANCELLED, Persisted::No));
            out.extend(batch.slots.iter().map(|slot| {
                assert_eq!(batch.base_timestamp_ms + i64::from(slot.timestamp_delta_ms), 1_000 + slot.opaque as i64);
                slot.opaque
            }));
        }
        Handed::All
    });
    out
}

/// The numbers of a batch's records, each where it says it is, with its own time, and its slot where it has one.
fn numbers(batch: &mut Batch) -> Vec<usize> {
    let mut out = Vec::new();
    let base_timestamp_ms = batch.base_timestamp_ms;
    let (count, max_timestamp_ms) = (batch.count, batch.max_timestamp_ms);
    let mut slots = batch.take_slots().into_iter().peekable();
    let mut begins_at = HEADER_LEN;
    let mut len = 0;
    for chunk in batch.bytes.chunks() {
        len += chunk.len();
        each_record(&chunk[begins_at..], base_timestamp_ms, &mut |place, record| {
            let text = String::from_utf8(record.value.unwrap_or_default().to_vec()).expect("digits");
            let number: usize = text.parse().expect("digits");
            assert_eq!((place as usize, record.timestamp_ms), (out.len(), 1_000 + number as i64));
            if let Some(slot) = slots.next_if(|slot| slot.offset_delta == place) {
                assert_eq!(slot.opaque, number);
            } else {
                assert_eq!(number % 3, 2);
            }
            out.push(number);
        });
        begins_at = 0;
    }
    assert!(slots.next().is_none());
    assert_eq!((batch.len(), count as usize), (len, out.len()));
    assert_eq!(max_timestamp_ms, 1_000 + out.iter().max().copied().unwrap_or_default() as i64);
    out
}

#[test]
fn what_is_left_of_a_batch_is_as_if_the_others_had_never_been_there() {
    let accumulator = accumulator(|config| config.batch_size = 1 << 20);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let tickets: Vec<Ticket> = (0..900).map(|number| send(&accumulator, &topic, number)).collect();
    let out = [0, 1, 3, 400, 402, 897, 898 - 2, 720];
    let out: Vec<usize> = out.into_iter().filter(|number| number % 3 != 2).collect();
    for number in &out {
        assert!(cancel(&accumulator, &topic, &tickets[*number]));
        assert!(!cancel(&accumulator, &topic, &tickets[*number]), "once");
    }
    // Appending goes on behind them.
    send(&accumulator, &topic, 900);
    assert_eq!(reported(&accumulator), out);
    let partition = topic.partition(0).expect("published");
    let mut batch = partition.take(&accumulator, |_, _| true).expect("one batch");
    let left: Vec<usize> = (0..=900).filter(|number| !out.contains(number)).collect();
    assert_eq!(numbers(&mut batch), left);
    assert!(!cancel(&accumulator, &topic, &tickets[4]), "the sender has it");
    assert_eq!(emptied(&accumulator), 0);
    drop(batch);
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn a_batch_of_which_nothing_is_left_is_gone_and_told_of_once() {
    let accumulator = accumulator(|config| config.batch_size = 82);
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let tickets: Vec<Ticket> = [0, 1, 3, 4, 6, 7].map(|number| send(&accumulator, &topic, number)).into();
    let batches: std::collections::BTreeSet<_> = tickets.iter().map(|ticket| ticket.batch).collect();
    assert!(batches.len() > 2, "several are sealed");
    for ticket in &tickets {
        assert!(cancel(&accumulator, &topic, ticket));
    }
    assert_eq!(emptied(&accumulator), batches.len());
    let partition = topic.partition(0).expect("published");
    assert!(!partition.has_batch(|_, _| true));
    assert_eq!(accumulator.memory.used(), 0);
    let next = send(&accumulator, &topic, 9);
    assert!(!batches.contains(&next.batch), "the next one opens a batch of its own");
    assert_eq!(
        partition.take_expired(&accumulator.memory, Time::NEVER).iter_mut().map(numbers).collect::<Vec<_>>(),
        [[9]]
    );
}

#[test]
fn a_parked_record_is_found_before_and_after_it_has_got_its_batch() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    let tickets: Vec<Ticket> = (0..5).map(|number| send(&accumulator, &topic, number)).collect();
    assert_eq!(tickets[0].batch, None);
    assert!(cancel(&accumulator, &topic, &tickets[1]));
    publish(&accumulator, &topic, 1);
    assert!(cancel(&accumulator, &topic, &tickets[3]));
    assert!(!cancel(&accumulator, &topic, &tickets[1]));
    assert_eq!(reported(&accumulator), [1, 3]);
    let mut batch = topic.partition(0).expect("published").take(&accumulator, |_, _| true).expect("one batch");
    assert_eq!(numbers(&mut batch), [0, 2, 4]);
    drop(batch);
    assert_eq!((accumulator.memory.used(), emptied(&accumulator)), (0, 0));
}

#[test]
fn the_last_parked_record_is_told_of() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    let tickets: Vec<Ticket> = [0, 1].map(|number| send(&accumulator, &topic, number)).into();
    assert!(cancel(&accumulator, &topic, &tickets[0]));
    assert_eq!(emptied(&accumulator), 0);
    assert!(cancel(&accumulator, &topic, &tickets[1]));
    assert_eq!((emptied(&accumulator), accumulator.memory.used()), (1, 0));
}

#[test]
fn another_record_with_the_same_tag_is_left_alone() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    for known in [false, true] {
        if known {
            publish(&accumulator, &topic, 1);
        }
        let ticket = send(&accumulator, &topic, 0);
        assert!(!accumulator.cancel(&topic, &ticket, Time(9), || false));
    }
    assert!(reported(&accumulator).is_empty());
}

#[test]
fn a_batch_whose_first_chunk_was_cancelled_is_split_like_any_other() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let value = [b'x'; 900];
    let record = Record { value: Some(&value), timestamp_ms: 1_000, ..Record::default() };
    let tickets: Vec<Ticket> = (0..3)
        .map(|number| {
            let how = Sending { partition: Some(0), tag: Some(tag(number)), own_timeout: None, acks: None };
            let placed = accumulator.append(&topic, &record, &how, &mut None, || Time(5)).expect("room");
            Ticket::new(&topic, Some(0), tag(number), placed)
        })
        .collect();
    let partition = topic.partition(0).expect("published");
    assert!(cancel(&accumulator, &topic, &tickets[0]));
    let whole = partition.take(&accumulator, |_, _| true).expect("two are left");
    let first = whole.bytes.chunks().next().expect("its header");
    assert_eq!((whole.bytes.chunks().count(), first.len()), (3, HEADER_LEN), "nothing but the header");
    let mut parts = whole.split(1_000);
    let left: Vec<Vec<usize>> =
        parts.iter_mut().map(|part| part.batch.take_slots().iter().map(|slot| slot.opaque).collect()).collect();
    assert_eq!(left, [[1], [2]]);
    drop(parts);
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn what_is_left_of_a_batch_gives_all_its_memory_back_when_nothing_of_it_wants_a_report() {
    let accumulator = accumulator(|_| ());
    let topic = accumulator.topics.intern("t").expect("legal");
    publish(&accumulator, &topic, 1);
    let tickets: Vec<Ticket> = (0..3).map(|number| send(&accumulator, &topic, number)).collect();
    assert!(cancel(&accumulator, &topic, &tickets[0]) && cancel(&accumulator, &topic, &tickets[1]));
    let partition = topic.partition(0).expect("published");
    drop(partition.take(&accumulator, |_, _| true).expect("the third is left"));
    assert!(accumulator.memory.take_orphans().is_empty());
    assert_eq!(accumulator.memory.used(), 0);
}
