//! One batch of one partition: open while application threads append, then sealed, stamped once and never changed again.

use std::sync::Arc;

use super::memory::{Chunk, Memory};
use super::packing::Stage;
use super::shares::Holder;
use crate::codec::{self, Codec, Compression};
use crate::record::Record;
use crate::reports::Slot;
use crate::time::Time;
use crate::wire::record_batch::{self, BatchHeader, HEADER_LEN};

/// The bytes of a sealed batch. They go back to the pool when the last holder lets go: the sender, or a frame that a
/// socket has not finished writing. Reusing them earlier would send other data under this batch's header.
pub struct BatchBytes {
    /// All chunks but the last: most batches of a program with many partitions have none of these.
    full: Vec<Chunk>,
    last: Chunk,
    len: usize,
    /// Whose bytes they are.
    holder: Holder,
    memory: Arc<Memory>,
}

impl BatchBytes {
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.full.iter().chain(std::iter::once(&self.last)).map(Chunk::filled)
    }

    /// What stands behind the header.
    pub(super) fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut begins_at = HEADER_LEN;
        self.chunks().map(move |chunk| &chunk[std::mem::take(&mut begins_at)..])
    }

    /// Puts these bytes in the place of the records, which take more room. Chunks that are not needed for them go back.
    fn replace_records(&mut self, records: &[u8]) {
        let mut chunks = std::mem::take(&mut self.full);
        chunks.push(std::mem::take(&mut self.last));
        let (mut rest, mut used, mut begins_at) = (records, 0, HEADER_LEN);
        for chunk in &mut chunks {
            chunk.shorten(std::mem::take(&mut begins_at));
            let (now, later) = rest.split_at(rest.len().min(chunk.room_len()));
            chunk.room()[..now.len()].copy_from_slice(now);
            chunk.advance(now.len());
            (rest, used) = (later, used + 1);
            if rest.is_empty() {
                break;
            }
        }
        debug_assert!(rest.is_empty(), "less than what stood there");
        let surplus = chunks.split_off(used);
        self.last = chunks.pop().unwrap_or_default();
        self.full = chunks;
        self.len = HEADER_LEN + records.len();
        self.memory.release(self.holder, surplus.into_iter());
    }

    /// The same bytes in memory of their own.
    fn copy(&self) -> BatchBytes {
        let copy = |chunk: &Chunk| {
            let mut own = self.memory.forced_chunk(self.holder, chunk.filled().len(), 0);
            own.room()[..chunk.filled().len()].copy_from_slice(chunk.filled());
            own.advance(chunk.filled().len());
            own
        };
        let full = self.full.iter().map(copy).collect();
        BatchBytes { full, last: copy(&self.last), len: self.len, holder: self.holder, memory: self.memory.clone() }
    }

    /// The chunk that begins with the header.
    fn first_mut(&mut self) -> &mut [u8] {
        self.full.first_mut().unwrap_or(&mut self.last).filled_mut()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for BatchBytes {
    fn drop(&mut self) {
        let last = std::mem::take(&mut self.last);
        self.memory.release(self.holder, self.full.drain(..).chain(std::iter::once(last)));
    }
}

impl std::fmt::Debug for BatchBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BatchBytes({} in {} chunks)", self.len, self.full.len() + 1)
    }
}

/// The codec at a level that takes little time.
fn quickest(how: Compression) -> Compression {
    match how.codec {
        // Its default is its quickest.
        Codec::Lz4 => Codec::Lz4.at_default_level(),
        // Its default of -1 is the same as 6; 0 would not compress at all.
        Codec::Gzip => Compression { level: if how.level < 0 { 1 } else { how.level.min(1) }, ..how },
        _ => Compression { level: how.level.min(1), ..how },
    }
}

/// What `Batch::unpacked_records` answers for a batch of these bytes.
pub(super) fn unpacked_records(how: Codec, bytes: &BatchBytes, raw_len: usize) -> Option<Vec<u8>> {
    if how == Codec::None {
        return None;
    }
    let packed: Vec<u8> = bytes.records().flatten().copied().collect();
    let mut records = Vec::new();
    codec::decompress(how, &packed, raw_len - HEADER_LEN, &mut records).expect("our own compression");
    Some(records)
}

/// A batch that application threads append to, under its partition's lock. What every record touches comes first and
/// together: with thousands of partitions each cache line is a miss.
#[derive(Debug)]
#[repr(C)]
pub(super) struct OpenBatch {
    /// The chunk that is being filled; `full` are those before it.
    pub tail: Chunk,
    /// Bytes so far, the header included.
    pub len: usize,
    pub base_timestamp_ms: i64,
    pub max_timestamp_ms: i64,
    pub slots: Vec<Slot>,
    pub count: u32,
    /// What every record of it asks for: -1 (all), 0 or 1.
    pub acks: i16,
    /// The earliest deadline of its records: the whole batch expires then (least-timeout rule).
    pub deadline: Time,
    /// What `deadline` is for a record without a time of its own.
    pub usual_deadline: Time,
    pub id: u64,
    pub opened_at: Time,
    /// When it has lingered for long enough.
    pub due_at: Time,
    pub full: Vec<Chunk>,
    /// What the slots take of `buffer.memory`.
    pub slot_bytes: usize,
    /// So many records at its beginning have one report between them: that of the first slot.
    pub direct: u32,
    /// Places of records that were cancelled: they are cut out when the batch is taken, and have no slots any more.
    pub cancelled: Vec<u32>,
    /// How it is compressed when it is sealed.
    pub compression: Compression,
}

impl OpenBatch {
    pub fn new(id: u64, opened_at: Time, base_timestamp_ms: i64, mut tail: Chunk) -> OpenBatch {
        tail.advance(HEADER_LEN);
        OpenBatch {
            id,
            opened_at,
            deadline: Time::NEVER,
            usual_deadline: Time::NEVER,
            due_at: opened_at,
            acks: -1,
            base_timestamp_ms,
            max_timestamp_ms: base_timestamp_ms,
            count: 0,
            len: HEADER_LEN,
            tail,
            full: Vec::new(),
            slots: Vec::new(),
            slot_bytes: 0,
            direct: 0,
            cancelled: Vec::new(),
            compression: Compression::default(),
        }
    }

    /// Encodes the record at the end; the tail has room for its `len` bytes.
    #[inline]
    pub fn write(&mut self, record: &Record<'_>, timestamp_delta: i64, body_len: usize, len: usize) {
        let wrote = record_batch::write_record(self.tail.room(), body_len, timestamp_delta, self.count, record);
        debug_assert_eq!(wrote, len);
        self.tail.advance(len);
        self.len += len;
        self.count += 1;
        self.max_timestamp_ms = self.max_timestamp_ms.max(record.timestamp_ms);
    }

    pub fn push_chunk(&mut self, chunk: Chunk) {
        let filled = std::mem::replace(&mut self.tail, chunk);
        self.full.push(filled);
    }

    pub fn seal(self, partition: u32, memory: &Arc<Memory>) -> Batch {
        Batch {
            id: self.id,
            partition,
            opened_at: self.opened_at,
            deadline: self.deadline,
            due_at: self.due_at,
            acks: self.acks,
            base_timestamp_ms: self.base_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            count: self.count,
            bytes: Arc::new(BatchBytes {
                full: self.full,
                last: self.tail,
                len: self.len,
                holder: Holder::Partition(partition),
                memory: memory.clone(),
            }),
            slots: self.slots,
            slot_bytes: self.slot_bytes,
            direct: self.direct,
            cancelled: self.cancelled,
            stage: if self.compression.codec == Codec::None { Stage::Final } else { Stage::Raw },
            compression: self.compression,
            codec: Codec::None,
            raw_len: self.len,
        }
    }

    /// What it holds of `buffer.memory`.
    pub fn charged(&self) -> usize {
        self.full.iter().map(Chunk::capacity).sum::<usize>() + self.tail.capacity() + self.slot_bytes
    }

    /// Gives back what it holds of `buffer.memory`: for a batch that will not be sent.
    pub fn release(mut self, holder: Holder, memory: &Memory) {
        memory.uncharge(holder, self.slot_bytes);
        memory.release(holder, self.full.drain(..).chain(std::iter::once(self.tail)));
    }
}

/// Some records of a batch, in a batch of their own.
#[derive(Debug)]
pub struct BatchPart {
    pub group: usize,
    /// The place of its first record in the whole.
    pub first_record: u32,
    pub batch: Batch,
}

/// The same while it is being filled.
struct GrowingPart {
    group: usize,
    first_record: u32,
    open: OpenBatch,
    slots: Vec<Slot>,
}

/// What is left of a batch that was dropped with records unreported: only a panic does that.
#[derive(Debug)]
pub struct Orphan {
    pub partition: u32,
    pub opened_at: Time,
    pub base_timestamp_ms: i64,
    pub slots: Vec<Slot>,
}

impl Drop for Batch {
    fn drop(&mut self) {
        if !self.slots.is_empty() {
            let orphan = Orphan {
                partition: self.partition,
                opened_at: self.opened_at,
                base_timestamp_ms: self.base_timestamp_ms,
                slots: std::mem::take(&mut self.slots),
            };
            self.bytes.memory.keep_orphan(orphan);
        }
        // Their room may be charged still where the last of them was cancelled.
        self.take_slots();
    }
}

/// A sealed batch. The sender owns it from the moment it is taken until it is finished.
#[derive(Debug)]
pub struct Batch {
    pub id: u64,
    /// The partition's dense id.
    pub partition: u32,
    pub opened_at: Time,
    pub deadline: Time,
    /// When it had lingered for long enough.
    pub due_at: Time,
    /// -1 (all), 0 or 1: kept through retries and splits.
    pub acks: i16,
    pub base_timestamp_ms: i64,
    pub max_timestamp_ms: i64,
    pub count: u32,
    pub bytes: Arc<BatchBytes>,
    /// One for each record that wants a report, in order.
    pub slots: Vec<Slot>,
    slot_bytes: usize,
    /// So many records at its beginning have one report between them: that of the first slot.
    pub direct: u32,
    /// Places of cancelled records, until `cut_cancelled`.
    pub(super) cancelled: Vec<u32>,
    pub(super) stage: Stage,
    /// How it is, or was, to be compressed.
    pub compression: Compression,
    /// Of its bytes as they are.
    pub codec: Codec,
    /// Its bytes without compression, the header included.
    pub raw_len: usize,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.bytes.len
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it can be taken to be sent.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_being_compressed()
    }

    /// Whether it is in line for it, or a thread is at it.
    pub fn is_being_compressed(&self) -> bool {
        matches!(self.stage, Stage::InLine | Stage::AtWork)
    }

    /// Writes header and CRC: before any byte went to a socket; afterwards the batch is re-sent verbatim, until a broker has
    /// definitely refused it and it is numbered anew.
    pub fn stamp(&mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32, transactional: bool) {
        let header = BatchHeader {
            record_count: self.count,
            base_timestamp_ms: self.base_timestamp_ms,
            max_timestamp_ms: self.max_timestamp_ms,
            producer_id,
            producer_epoch,
            base_sequence,
            transactional,
            codec: self.codec,
        };
        if Arc::get_mut(&mut self.bytes).is_none() {
            // A socket that is being closed holds the refused bytes still: they stay as they were.
            self.bytes = Arc::new(self.bytes.copy());
        }
        let bytes = Arc::get_mut(&mut self.bytes).expect("just made sure that nobody else holds it");
        let len = bytes.len;
        record_batch::write_header(bytes.first_mut(), len, &header);
        let crc = record_batch::batch_crc(bytes.chunks());
        record_batch::seal_crc(bytes.first_mut(), crc);
    }

    /// Takes the cancelled records out of the bytes, before anything is made of them. Some stay: a batch of which nothing is
    /// left is not taken at all.
    pub(super) fn cut_cancelled(&mut self) {
        if self.cancelled.is_empty() {
            return;
        }
        let mut cancelled = std::mem::take(&mut self.cancelled);
        cancelled.sort_unstable();
        let new_place = |place: u32| match cancelled.binary_search(&place) {
            Ok(_) => None,
            Err(before) => Some(place - before as u32),
        };
        let base_timestamp_ms = self.base_timestamp_ms;
        self.unpack();
        if Arc::get_mut(&mut self.bytes).is_none() {
            // A thread that compresses it reads them still.
            self.bytes = Arc::new(self.bytes.copy());
        }
        let bytes = Arc::get_mut(&mut self.bytes).expect("just made sure that nobody else holds it");
        let mut max_timestamp_ms = i64::MIN;
        let mut begins_at = HEADER_LEN;
        bytes.len = 0;
        for chunk in bytes.full.iter_mut().chain(std::iter::once(&mut bytes.last)) {
            let len = record_batch::renumber_records(chunk.filled_mut(), begins_at, |place, timestamp_delta| {
                let new_place = new_place(place)?;
                max_timestamp_ms = max_timestamp_ms.max(base_timestamp_ms + timestamp_delta);
                Some(new_place)
            });
            chunk.shorten(len.expect("our own encoding"));
            bytes.len += chunk.filled().len();
            begins_at = 0;
        }
        self.raw_len = bytes.len;
        self.max_timestamp_ms = max_timestamp_ms;
        self.count -= cancelled.len() as u32;
        for slot in &mut self.slots {
            slot.offset_delta = new_place(slot.offset_delta).expect("a cancelled record has no slot");
        }
    }

    /// Puts the compressed records, which are less, in the place of the records.
    pub(super) fn put_packed(&mut self, records: &[u8]) {
        // Else somebody reads them still: it stays as it is.
        if let Some(bytes) = Arc::get_mut(&mut self.bytes) {
            bytes.replace_records(records);
            self.codec = self.compression.codec;
        }
    }

    /// The records as they were before compression, in memory outside of the budget; `None` when they are not compressed.
    pub(super) fn unpacked_records(&self) -> Option<Vec<u8>> {
        unpacked_records(self.codec, &self.bytes, self.raw_len)
    }

    /// Undoes the compression: before records are taken out. It is done again when the batch is taken.
    fn unpack(&mut self) {
        let Some(records) = self.unpacked_records() else { return };
        let (memory, holder) = (self.bytes.memory.clone(), self.bytes.holder);
        let len = HEADER_LEN + records.len();
        // They were inside the budget before.
        let mut last = memory.forced_chunk(holder, Memory::capacity_for(len, len), 0);
        last.advance(HEADER_LEN);
        last.room()[..records.len()].copy_from_slice(&records);
        last.advance(records.len());
        self.bytes = Arc::new(BatchBytes { full: Vec::new(), last, len, holder, memory });
        (self.codec, self.stage) = (Codec::None, Stage::Raw);
    }

    /// Cuts a batch that a broker found too large into batches of at most `max_bytes` (one record at least) before
    /// compression, in order.
    pub fn split(self, max_bytes: usize) -> Vec<BatchPart> {
        self.cut(max_bytes, |_| 0)
    }

    /// Takes the records apart by the group that their place in the batch has, each group's in order. A group is several parts
    /// where its records' times lie too far apart for one.
    pub fn separate(self, group_of: impl Fn(u32) -> usize) -> Vec<BatchPart> {
        self.cut(usize::MAX, group_of)
    }

    /// The records are inside `buffer.memory` already, so their new chunks are had whatever the budget says.
    fn cut(mut self, max_bytes: usize, group_of: impl Fn(u32) -> usize) -> Vec<BatchPart> {
        let memory = self.bytes.memory.clone();
        let holder = self.bytes.holder;
        let room_max = max_bytes.min(self.raw_len);
        let mut growing: Vec<GrowingPart> = Vec::new();
        // By group: the part that its next record goes to.
        let mut current: Vec<Option<usize>> = Vec::new();
        let partition = self.partition;
        // The slots stay here until the parts are made, so that a panic in between reports each record, and once.
        let mut slots = self.slots.iter().copied().peekable();
        // The report that many records have between them is asked for by each part that has some of them.
        let shared = if self.direct > 0 { slots.next() } else { None };
        // The thread that speaks to brokers compresses the parts: it has no time for more.
        let part_compression = quickest(self.compression);
        let unpacked = self.unpacked_records();
        let is_unpacked = unpacked.is_some();
        let pieces: Vec<&[u8]> = match &unpacked {
            Some(records) => vec![records],
            None => self.bytes.records().collect(),
        };
        for mut rest in pieces {
            while !rest.is_empty() {
                let (own, used) = record_batch::read_record(rest).expect("our own encoding");
                rest = &rest[used..];
                let record = Record {
                    key: own.key,
                    value: own.value,
                    headers: &own.headers,
                    timestamp_ms: self.base_timestamp_ms + own.timestamp_delta,
                };
                // A record's fields only shrink when its deltas do; this is the size it can have at most.
                let most = record_batch::record_len_max(&record);
                // Deltas to the first record's time fit the slots' 32 bits in the whole batch; in a part its first is another.
                let takes = |part: &GrowingPart| {
                    let delta = record.timestamp_ms - part.open.base_timestamp_ms;
                    most <= max_bytes.saturating_sub(part.open.len) && i32::try_from(delta).is_ok()
                };
                let group = group_of(own.offset_delta);
                if current.len() <= group {
                    current.resize(group + 1, None);
                }
                let at = match current[group] {
                    Some(at) if takes(&growing[at]) => at,
                    _ => {
                        let tail = memory.forced_chunk(holder, Memory::capacity_for(most + HEADER_LEN, room_max), 0);
                        let open = OpenBatch {
                            deadline: self.deadline,
                            due_at: self.due_at,
                            acks: self.acks,
                            compression: part_compression,
                            ..OpenBatch::new(self.id, self.opened_at, record.timestamp_ms, tail)
                        };
                        growing.push(GrowingPart { group, first_record: own.offset_delta, open, slots: Vec::new() });
                        current[group] = Some(growing.len() - 1);
                        growing.len() - 1
                    }
                };
                let GrowingPart { open: target, slots: own_slots, .. } = &mut growing[at];
                if target.tail.room_len() < most {
                    target.push_chunk(memory.forced_chunk(holder, Memory::capacity_for(most, room_max), 0));
                }
                let delta = record.timestamp_ms - target.base_timestamp_ms;
                let body_len = record_batch::record_body_len(delta, target.count, &record);
                if let Some(shared) = shared
                    && own.offset_delta < self.direct
                {
                    if target.direct == 0 {
                        own_slots.push(shared);
                    }
                    target.direct += 1;
                }
                if slots.peek().is_some_and(|slot| slot.offset_delta == own.offset_delta) {
                    let slot = slots.next().expect("peeked");
                    let shift = target.base_timestamp_ms - self.base_timestamp_ms;
                    own_slots.push(Slot {
                        offset_delta: target.count,
                        timestamp_delta_ms: (i64::from(slot.timestamp_delta_ms) - shift) as i32,
                        ..slot
                    });
                }
                target.write(&record, delta, body_len, record_batch::record_len(body_len));
            }
        }
        self.take_slots();
        let finished = growing.into_iter().map(|part| {
            let mut batch = part.open.seal(partition, &memory);
            if !is_unpacked {
                // It was not compressed, or that made it no smaller.
                batch.stage = Stage::Final;
            }
            batch.slots = part.slots;
            batch.slot_bytes = batch.slots.capacity() * size_of::<Slot>();
            memory.force_charge(holder, batch.slot_bytes);
            BatchPart { group: part.group, first_record: part.first_record, batch }
        });
        finished.collect()
    }

    /// Whether the bytes still fit the checksum that was written over them.
    pub fn is_intact(&self) -> bool {
        let header = self.bytes.chunks().next().unwrap_or_default();
        record_batch::stored_crc(header) == Some(record_batch::batch_crc(self.bytes.chunks()))
    }

    /// Takes the slots for the report and gives their part of the budget back.
    pub fn take_slots(&mut self) -> Vec<Slot> {
        self.bytes.memory.uncharge(self.bytes.holder, std::mem::take(&mut self.slot_bytes));
        std::mem::take(&mut self.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_batch_are_compressed_at_the_quickest_level() {
        let quickest = |codec, level| quickest(Compression { codec, level }).level;
        assert_eq!([-1, 6, 9, 1, 0].map(|level| quickest(Codec::Gzip, level)), [1, 1, 1, 1, 0]);
        assert_eq!([-5, 3, 22].map(|level| quickest(Codec::Zstd, level)), [-5, 1, 1]);
        assert_eq!(quickest(Codec::Lz4, 12), Codec::Lz4.at_default_level().level);
    }
}
