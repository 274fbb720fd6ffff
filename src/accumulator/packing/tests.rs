//! Batches between sealing and taking: order, memory, and what else may happen to them while they are compressed.

use super::*;
use crate::accumulator::{BatchPart, Letters, Placed, Sending, Tag, Ticket};
use crate::codec::Codec;
use crate::config::Config;
use crate::record::Record;
use crate::reports::{Reports, Slot};
use crate::wire::record_batch::each_record;

const BATCH_SIZE: usize = 6_000;

fn accumulator(codec: Codec, partitions: u32) -> (Accumulator, Arc<Topic>) {
    let compression = Compression { codec, level: 1 };
    let config = Config { batch_size: BATCH_SIZE, compression, ..Config::default() };
    let accumulator = Accumulator::new(&config, 1, 7, Arc::new(Reports::new(1 << 30, 7)));
    let topic = accumulator.topics.intern("t").expect("legal");
    let mut next = 0;
    accumulator.prepare(&topic, partitions, || {
        next += 1;
        next - 1
    });
    accumulator.publish(&topic, partitions, || Time(5), |record, _| panic!("refused {record:?}"));
    accumulator.packing.open(HANDED_BYTES_MIN);
    (accumulator, topic)
}

fn send(accumulator: &Accumulator, topic: &Topic, partition: u32, value: &[u8], number: usize) -> Placed {
    let record = Record { value: Some(value), timestamp_ms: number as i64, ..Record::default() };
    let tag = Some(Tag::marked(1, number));
    let how = Sending { partition: Some(partition), tag, own_timeout: None, acks: None };
    accumulator.append_as::<Placed>(topic, &record, &how, &mut None, || Time(5)).expect("there is memory")
}

/// Sends until so many batches are sealed; answers how many records are in those, and in the open one.
fn fill(accumulator: &Accumulator, topic: &Topic, partition: u32, batches: usize) -> usize {
    let sealed = || topic.partition(partition).expect("published").queue.lock().sealed.len();
    let mut sent = 0;
    while sealed() < batches {
        send(accumulator, topic, partition, &compressible(sent), sent);
        sent += 1;
    }
    sent
}

fn compressible(number: usize) -> Vec<u8> {
    format!("{number:06} {}", "all work and no play ".repeat(5)).into_bytes()
}

fn take(accumulator: &Accumulator, topic: &Topic, partition: u32) -> Option<Batch> {
    topic.partition(partition).expect("published").take(accumulator, |_, _| true)
}

/// Its values, as a broker that undoes the compression would see them.
fn values(batch: &Batch) -> Vec<Vec<u8>> {
    let records = batch.unpacked_records().unwrap_or_else(|| batch.bytes.records().flatten().copied().collect());
    let mut values = Vec::new();
    each_record(&records, batch.base_timestamp_ms, &mut |place, record| {
        assert_eq!(place as usize, values.len(), "places count up");
        values.push(record.value.expect("a value").to_vec());
    });
    assert_eq!(values.len(), batch.count as usize);
    values
}

fn numbers(batch: &mut Batch) -> Vec<usize> {
    batch.take_slots().iter().map(|slot: &Slot| slot.opaque).collect()
}

fn told(accumulator: &Accumulator) -> usize {
    let mut letters = Letters::default();
    accumulator.inbox.take(&mut letters);
    letters.events.iter().filter(|event| matches!(event, Event::Sealed { .. })).count()
}

#[test]
fn every_codec_makes_batches_smaller_and_gives_the_rest_of_their_memory_back() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let (accumulator, topic) = accumulator(codec, 1);
        let sent = fill(&accumulator, &topic, 0, 1);
        let before = accumulator.memory.used();
        let job = accumulator.next_packing().expect("one is in line");
        accumulator.finish_packing(job, &mut PackingTools::default());
        assert!(accumulator.memory.used() < before, "{codec:?}");
        let mut batch = take(&accumulator, &topic, 0).expect("it is done");
        assert!(batch.len() * 3 < batch.raw_len, "{codec:?}: {} of {}", batch.len(), batch.raw_len);
        assert_eq!(values(&batch), (0..sent - 1).map(compressible).collect::<Vec<_>>());
        batch.stamp(9, 1, 3, true);
        assert!(batch.is_intact());
        let bytes: Vec<u8> = batch.bytes.chunks().flatten().copied().collect();
        assert_eq!(bytes.len(), batch.len());
        assert_eq!(bytes[21..23], [0, 0x10 | codec as u8]);
        assert_eq!(bytes[8..12], (bytes.len() as u32 - 12).to_be_bytes());
        assert_eq!(numbers(&mut batch), (0..sent - 1).collect::<Vec<_>>());
        let partition = topic.partition(0).expect("published");
        partition.note_finished(batch.len());
        drop(batch);
        let mut open = take(&accumulator, &topic, 0).expect("the open one");
        assert_eq!(partition.load_bytes(), open.len());
        numbers(&mut open);
        drop(open);
        assert_eq!(accumulator.memory.used(), 0);
    }
}

#[test]
fn batches_keep_their_order_whichever_is_compressed_first() {
    let (accumulator, topic) = accumulator(Codec::Lz4, 1);
    let sent = fill(&accumulator, &topic, 0, 3);
    told(&accumulator);
    let jobs: Vec<PackingJob> = std::iter::from_fn(|| accumulator.next_packing()).collect();
    assert_eq!(jobs.len(), 3);
    let mut tools = PackingTools::default();
    let partition = topic.partition(0).expect("published");
    let mut jobs = jobs.into_iter();
    let first = jobs.next().expect("three");
    for job in jobs.rev() {
        accumulator.finish_packing(job, &mut tools);
        assert!(take(&accumulator, &topic, 0).is_none() && !partition.has_batch(|_, _| true) && !partition.is_empty());
        assert_eq!(told(&accumulator), 0, "it is not their turn");
    }
    accumulator.finish_packing(first, &mut tools);
    assert_eq!(told(&accumulator), 1);
    let mut all = Vec::new();
    while let Some(mut batch) = take(&accumulator, &topic, 0) {
        all.extend(numbers(&mut batch));
    }
    assert_eq!(all, (0..sent).collect::<Vec<_>>());
}

#[test]
fn a_busy_partition_does_not_keep_the_others_waiting() {
    let (accumulator, topic) = accumulator(Codec::Snappy, 2);
    fill(&accumulator, &topic, 0, 5);
    fill(&accumulator, &topic, 1, 1);
    let mut tools = PackingTools::default();
    let mut order = Vec::new();
    while let Some(job) = accumulator.next_packing() {
        order.push(job.index);
        accumulator.finish_packing(job, &mut tools);
    }
    assert_eq!(order, [0, 1, 0, 0, 0, 0]);
    for partition in 0..2 {
        while let Some(mut batch) = take(&accumulator, &topic, partition) {
            numbers(&mut batch);
        }
    }
}

#[test]
fn what_expires_while_it_is_compressed_goes_as_it_is_and_the_result_is_dropped() {
    let (accumulator, topic) = accumulator(Codec::Zstd, 1);
    let sent = fill(&accumulator, &topic, 0, 2);
    let job = accumulator.next_packing().expect("in line");
    let partition = topic.partition(0).expect("published");
    let mut all = Vec::new();
    for mut batch in partition.take_expired(&accumulator.memory, Time::NEVER) {
        assert_eq!(batch.codec, Codec::None);
        values(&batch);
        all.extend(numbers(&mut batch));
    }
    assert_eq!(all, (0..sent).collect::<Vec<_>>());
    assert!(accumulator.memory.used() > 0, "the bytes are being read");
    accumulator.finish_packing(job, &mut PackingTools::default());
    assert_eq!(accumulator.memory.used(), 0);
    assert!(accumulator.next_packing().is_none(), "the other was not begun");
}

#[test]
fn a_record_is_cancelled_before_while_and_after_its_batch_is_compressed() {
    for stage in 0..3 {
        let (accumulator, topic) = accumulator(Codec::Gzip, 1);
        let first = send(&accumulator, &topic, 0, b"not wanted", 999_999);
        let sent = fill(&accumulator, &topic, 0, 1);
        let ticket = Ticket::new(&topic, Some(0), Tag::marked(1, 999_999), first);
        let cancel = || assert!(accumulator.cancel(&topic, &ticket, Time(9), || true), "stage {stage}");
        let mut tools = PackingTools::default();
        if stage == 0 {
            cancel();
        }
        let job = accumulator.next_packing().expect("in line");
        if stage == 1 {
            cancel();
        }
        accumulator.finish_packing(job, &mut tools);
        if stage == 2 {
            cancel();
        }
        if stage > 0 {
            assert!(take(&accumulator, &topic, 0).is_none(), "it is in line again");
            accumulator.finish_packing(accumulator.next_packing().expect("in line"), &mut tools);
        }
        let mut batch = take(&accumulator, &topic, 0).expect("the rest");
        assert_eq!(batch.codec, Codec::Gzip, "stage {stage}");
        assert_eq!(values(&batch), (0..sent - 1).map(compressible).collect::<Vec<_>>(), "stage {stage}");
        assert_eq!(numbers(&mut batch), (0..sent - 1).collect::<Vec<_>>());
        drop(batch);
        drop(numbers(&mut take(&accumulator, &topic, 0).expect("the open one")));
        assert_eq!((accumulator.memory.used(), topic.partition(0).expect("published").queued_bytes()), (0, 0));
    }
}

#[test]
fn when_all_records_of_the_first_are_cancelled_the_one_behind_it_is_told_of() {
    let (accumulator, topic) = accumulator(Codec::Lz4, 1);
    let large = vec![7; BATCH_SIZE - 200];
    let tickets: Vec<Ticket> = (0..3)
        .map(|number| {
            let placed = send(&accumulator, &topic, 0, &large, number);
            Ticket::new(&topic, Some(0), Tag::marked(1, number), placed)
        })
        .collect();
    let first = accumulator.next_packing().expect("in line");
    let second = accumulator.next_packing().expect("in line");
    let mut tools = PackingTools::default();
    accumulator.finish_packing(second, &mut tools);
    told(&accumulator);
    assert!(accumulator.cancel(&topic, &tickets[0], Time(9), || true));
    assert_eq!(told(&accumulator), 1);
    accumulator.finish_packing(first, &mut tools);
    assert_eq!(numbers(&mut take(&accumulator, &topic, 0).expect("it is there")), [1]);
    assert!(take(&accumulator, &topic, 0).is_none(), "the open one is sealed, and in line");
    accumulator.finish_packing(accumulator.next_packing().expect("in line"), &mut tools);
    assert_eq!(numbers(&mut take(&accumulator, &topic, 0).expect("it is there")), [2]);
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn a_compressed_batch_is_cut_into_parts_that_are_compressed_again() {
    let (accumulator, topic) = accumulator(Codec::Zstd, 1);
    let sent = fill(&accumulator, &topic, 0, 1);
    let job = accumulator.next_packing().expect("in line");
    accumulator.finish_packing(job, &mut PackingTools::default());
    let batch = take(&accumulator, &topic, 0).expect("it is done");
    let raw = batch.raw_len;
    let (mut seen, mut opaques) = (Vec::new(), Vec::new());
    let parts = batch.split(raw / 2);
    assert!(parts.len() >= 2);
    for BatchPart { batch: mut part, .. } in parts {
        accumulator.pack(&mut part, &topic);
        assert!(part.codec == Codec::Zstd && part.len() < part.raw_len && part.raw_len <= raw / 2);
        seen.extend(values(&part));
        opaques.extend(numbers(&mut part));
    }
    assert_eq!(seen, (0..sent - 1).map(compressible).collect::<Vec<_>>());
    assert_eq!(opaques, (0..sent - 1).collect::<Vec<_>>());
    drop(numbers(&mut take(&accumulator, &topic, 0).expect("the open one")));
    assert_eq!(accumulator.memory.used(), 0);
}

#[test]
fn a_batch_that_does_not_get_smaller_stays_as_it_is() {
    let (accumulator, topic) = accumulator(Codec::Lz4, 1);
    let mut state = 1u64;
    let noise: Vec<u8> = (0..BATCH_SIZE - 500)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        })
        .collect();
    send(&accumulator, &topic, 0, &noise, 0);
    send(&accumulator, &topic, 0, &noise, 1);
    let job = accumulator.next_packing().expect("in line");
    accumulator.finish_packing(job, &mut PackingTools::default());
    for number in 0..2 {
        let mut batch = take(&accumulator, &topic, 0).unwrap_or_else(|| {
            let job = accumulator.next_packing().expect("the open one was sealed and is in line");
            accumulator.finish_packing(job, &mut PackingTools::default());
            take(&accumulator, &topic, 0).expect("it is done")
        });
        assert_eq!((batch.codec, batch.len()), (Codec::None, batch.raw_len));
        assert_eq!(values(&batch), std::slice::from_ref(&noise));
        assert_eq!(numbers(&mut batch), [number]);
    }
    assert_eq!(topic.settings().fill_size(), BATCH_SIZE);
}

#[test]
fn without_threads_and_after_their_end_batches_are_compressed_where_they_are_taken() {
    let (accumulator, topic) = accumulator(Codec::Snappy, 1);
    accumulator.packing.end();
    assert!(accumulator.packing.next_in_line().is_none());
    fill(&accumulator, &topic, 0, 2);
    assert_eq!(told(&accumulator), 2);
    assert!(accumulator.next_packing().is_none());
    for _ in 0..3 {
        let mut batch = take(&accumulator, &topic, 0).expect("it waits for nobody");
        assert_eq!(batch.codec, Codec::Snappy);
        values(&batch);
        numbers(&mut batch);
    }
}

#[test]
fn a_batch_opened_before_a_topic_was_set_otherwise_keeps_its_codec() {
    let (accumulator, topic) = accumulator(Codec::Lz4, 1);
    let base = Config { batch_size: BATCH_SIZE, ..Config::default() };
    fill(&accumulator, &topic, 0, 1);
    topic.settings().set(&base, "t", "compression.type", "zstd").expect("legal");
    fill(&accumulator, &topic, 0, 3);
    let mut tools = PackingTools::default();
    while let Some(job) = accumulator.next_packing() {
        accumulator.finish_packing(job, &mut tools);
    }
    for codec in [Codec::Lz4, Codec::Lz4, Codec::Zstd] {
        let mut batch = take(&accumulator, &topic, 0).expect("done");
        assert_eq!(batch.codec, codec);
        numbers(&mut batch);
    }
    drop(numbers(&mut take(&accumulator, &topic, 0).expect("the open one")));
}

#[test]
fn a_bug_where_a_batch_is_compressed_costs_its_compression_and_nothing_else() {
    let (accumulator, topic) = accumulator(Codec::Zstd, 1);
    let sent = fill(&accumulator, &topic, 0, 3);
    let left = std::sync::atomic::AtomicUsize::new(1);
    accumulator.packing.set_clock(move || {
        assert!(left.fetch_sub(1, Ordering::Relaxed) != 1, "on purpose");
        Time::ZERO
    });
    let mut tools = PackingTools::default();
    told(&accumulator);
    for n in 0..3 {
        let partition = accumulator.packing.next_in_line().expect("it stays in line");
        accumulator.pack_next_of(partition, &mut tools);
        assert_eq!(told(&accumulator), usize::from(n == 0), "the first of the queue is told of");
    }
    let mut all = Vec::new();
    for codec in [Codec::None, Codec::Zstd, Codec::Zstd] {
        let mut batch = take(&accumulator, &topic, 0).expect("none is at work for ever");
        assert_eq!(batch.codec, codec);
        values(&batch);
        all.extend(numbers(&mut batch));
    }
    all.extend(numbers(&mut take(&accumulator, &topic, 0).expect("the open one")));
    assert_eq!(all, (0..sent).collect::<Vec<_>>());
}

#[test]
fn without_a_thread_that_is_left_batches_in_line_are_compressed_where_they_are_taken() {
    let (accumulator, topic) = accumulator(Codec::Lz4, 2);
    fill(&accumulator, &topic, 0, 2);
    fill(&accumulator, &topic, 1, 1);
    assert!(take(&accumulator, &topic, 0).is_none());
    told(&accumulator);
    accumulator.packers_gone();
    assert_eq!(told(&accumulator), 2, "both partitions have something");
    fill(&accumulator, &topic, 1, 2);
    for partition in [0, 0, 0, 1, 1, 1] {
        let mut batch = take(&accumulator, &topic, partition).expect("it waits for nobody");
        assert_eq!(batch.codec, Codec::Lz4);
        numbers(&mut batch);
    }
}

#[test]
fn when_all_records_of_the_first_are_cancelled_the_open_one_behind_it_is_told_of() {
    for is_at_work in [false, true] {
        let (accumulator, topic) = accumulator(Codec::Lz4, 1);
        let large = vec![7; BATCH_SIZE - 200];
        let placed = send(&accumulator, &topic, 0, &large, 0);
        send(&accumulator, &topic, 0, &large, 1);
        let job = is_at_work.then(|| accumulator.next_packing().expect("in line"));
        // The open one has lingered, in vain.
        assert!(take(&accumulator, &topic, 0).is_none());
        told(&accumulator);
        let ticket = Ticket::new(&topic, Some(0), Tag::marked(1, 0), placed);
        assert!(accumulator.cancel(&topic, &ticket, Time(9), || true));
        assert_eq!(told(&accumulator), 1);
        let mut tools = PackingTools::default();
        job.into_iter().for_each(|job| accumulator.finish_packing(job, &mut tools));
        assert!(take(&accumulator, &topic, 0).is_none(), "it is sealed, and in line");
        let partition = accumulator.packing.next_in_line().expect("in line");
        if !is_at_work {
            // Its place in line may have been that of the one before it.
            assert_eq!(partition, (topic.id, 0));
        }
        accumulator.pack_next_of(partition, &mut tools);
        assert_eq!(numbers(&mut take(&accumulator, &topic, 0).expect("it is there")), [1]);
        assert_eq!(accumulator.memory.used(), 0);
    }
}
