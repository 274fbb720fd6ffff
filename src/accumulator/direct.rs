//! Batches that the application fills by itself and sends as one. Until then a batch belongs to no partition; its bytes
//! are inside `buffer.memory` from the first record on.

use std::sync::Arc;

use super::batch::OpenBatch;
use super::inbox::Event;
use super::memory::{Memory, NoChunk, Reservation};
use super::partition::{Append, NotAppended, Partition, Placed, Wanted, is_full};
use super::shares::{Claim, Holder};
use super::topic::{NO_LEADER, ParkedRecord, Tag, Topic};
use super::{Accumulator, PARKED_OVERHEAD, Sending};
use crate::record::Record;
use crate::reports::Slot;
use crate::time::Time;
use crate::wire::record_batch::{self, HEADER_LEN};

/// A batch in the application's hands.
#[derive(Debug)]
pub struct DirectBatch {
    memory: Arc<Memory>,
    /// Most bytes, the header included; a single record may be larger.
    bytes_max: usize,
    records_max: u32,
    /// Nothing before the first record, and after the batch was sent.
    open: Option<OpenBatch>,
    is_closed: bool,
}

/// A record was not put into a direct batch, which is as it was.
#[derive(Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Nothing is appended any more.
    Closed,
    /// It does not fit: so many bytes are left.
    Full(usize),
    /// It has as many records as it may have.
    Counted(u32),
    /// So much of `buffer.memory` is needed first.
    NeedsMemory(Wanted),
    /// The operating system gives none.
    OutOfMemory,
}

/// How a direct batch is sent.
#[derive(Clone, Copy, Debug)]
pub struct SendingDirect {
    /// `None`: the partition that records without a key go to at present.
    pub partition: Option<u32>,
    /// Who hears of it.
    pub tag: Option<Tag>,
}

impl DirectBatch {
    pub fn new(memory: Arc<Memory>, bytes_max: usize, records_max: u32) -> DirectBatch {
        DirectBatch { memory, bytes_max, records_max, open: None, is_closed: false }
    }

    pub fn count(&self) -> u32 {
        self.open.as_ref().map_or(0, |open| open.count)
    }

    /// Bytes so far, the header included; 0 before the first record.
    pub fn len(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.len)
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Nothing is appended any more, by nobody.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// Encodes the record at the end; answers its place. `held` is memory that an earlier refusal made the caller wait
    /// for.
    pub fn append(&mut self, record: &Record<'_>, held: &mut Option<Reservation>) -> Result<u32, NotTaken> {
        if self.is_closed {
            return Err(NotTaken::Closed);
        }
        let Some(open) = &mut self.open else { return self.append_first(record, held) };
        let delta = record.timestamp_ms.wrapping_sub(open.base_timestamp_ms);
        let body_len = record_batch::record_body_len(delta, open.count, record);
        let len = record_batch::record_len(body_len);
        if open.count >= self.records_max {
            return Err(NotTaken::Counted(self.records_max));
        }
        if open.len + len > self.bytes_max {
            return Err(NotTaken::Full(self.bytes_max.saturating_sub(open.len)));
        }
        if open.tail.room_len() < len {
            let wanted = open.len.min(self.bytes_max - open.len);
            let chunk = get_chunk(&self.memory, held, Memory::capacity_for(len, wanted), 0)?;
            open.push_chunk(chunk);
        }
        open.write(record, delta, body_len, len);
        Ok(open.count - 1)
    }

    fn append_first(&mut self, record: &Record<'_>, held: &mut Option<Reservation>) -> Result<u32, NotTaken> {
        let body_len = record_batch::record_body_len(0, 0, record);
        let len = record_batch::record_len(body_len);
        // Who makes batches means to fill them; but whatever fits the budget at all has to be taken.
        let slot_bytes = size_of::<Slot>();
        let mut capacity = Memory::capacity_for(HEADER_LEN + len, self.bytes_max.min(4 * (HEADER_LEN + len)));
        if capacity + slot_bytes > self.memory.limit() {
            capacity = HEADER_LEN + len;
        }
        let tail = get_chunk(&self.memory, held, capacity, slot_bytes)?;
        // Number and times are those of the moment at which it is sent.
        let mut open = OpenBatch { slot_bytes, ..OpenBatch::new(0, Time::ZERO, record.timestamp_ms, tail) };
        open.write(record, 0, body_len, len);
        self.open = Some(open);
        Ok(0)
    }

    /// The timestamp of its first record.
    pub(super) fn base_timestamp_ms(&self) -> i64 {
        self.open.as_ref().map_or(0, |open| open.base_timestamp_ms)
    }

    /// What its report needs, if it wants one.
    fn slot(tag: Tag) -> Slot {
        Slot {
            callback: tag.callback(),
            opaque: tag.opaque,
            key_len: -1,
            value_len: -1,
            timestamp_delta_ms: 0,
            offset_delta: 0,
        }
    }

    /// Its records in order.
    pub(super) fn each_record(&self, take: &mut dyn FnMut(u32, &Record<'_>)) {
        let Some(open) = &self.open else { return };
        let mut rest_of_header = HEADER_LEN;
        for chunk in open.full.iter().chain(std::iter::once(&open.tail)) {
            record_batch::each_record(&chunk.filled()[rest_of_header..], open.base_timestamp_ms, take);
            rest_of_header = 0;
        }
    }
}

impl Drop for DirectBatch {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.release(Holder::Nobody, &self.memory);
        }
    }
}

impl Accumulator {
    /// An empty batch of at most `bytes_max` bytes.
    pub fn direct_batch(&self, bytes_max: usize) -> DirectBatch {
        DirectBatch::new(self.memory.clone(), bytes_max, self.direct_records_max)
    }

    /// Puts the batch, which is not empty, behind everything that was accepted for its partition before; or parks it
    /// until the topic's metadata is there. When that is refused it stays as it is.
    pub fn append_direct(
        &self,
        topic: &Topic,
        batch: &mut DirectBatch,
        how: &SendingDirect,
        held: &mut Option<Reservation>,
        clock: impl Fn() -> Time,
    ) -> Result<Placed, NotAppended> {
        let count = topic.partition_count();
        if how.partition.unwrap_or(0) < count {
            return self.append_direct_known(topic, count, batch, how, None, clock);
        }
        let mut parked = topic.parked.lock();
        let count = topic.partition_count();
        if how.partition.unwrap_or(0) < count {
            drop(parked);
            return self.append_direct_known(topic, count, batch, how, None, clock);
        }
        if self.door.is_shut() {
            return Err(NotAppended::Refused);
        }
        let now = clock();
        let holder = Holder::Parked(topic.id);
        match held.take() {
            Some(reservation) if reservation.covers(PARKED_OVERHEAD) => reservation.spend(holder, PARKED_OVERHEAD),
            other => {
                *held = other;
                let claim = Claim { holder, leader: NO_LEADER, at: now };
                if !self.memory.try_charge(claim, PARKED_OVERHEAD) {
                    return Err(NotAppended::NeedsMemory(Wanted { bytes: PARKED_OVERHEAD, claim }));
                }
            }
        }
        let deadline = now + topic.settings().delivery_timeout();
        let tells = parked.back().is_none_or(|last| deadline < last.deadline);
        let moved = DirectBatch {
            memory: self.memory.clone(),
            bytes_max: batch.bytes_max,
            records_max: batch.records_max,
            open: batch.open.take(),
            is_closed: batch.is_closed,
        };
        parked.push_back(ParkedRecord {
            partition: how.partition,
            serial: topic.next_serial(),
            tag: how.tag,
            parked_at: now,
            deadline,
            charged: PARKED_OVERHEAD,
            timestamp_ms: moved.base_timestamp_ms(),
            direct: Some(Box::new(moved)),
            ..ParkedRecord::default()
        });
        if tells {
            self.inbox.tell(Event::Parked { topic: topic.id, deadline }, Time::ZERO);
        }
        Ok(Placed::Parked)
    }

    /// `parked_until`: it is inside already, and expires then.
    pub(super) fn append_direct_known(
        &self,
        topic: &Topic,
        count: u32,
        batch: &mut DirectBatch,
        how: &SendingDirect,
        parked_until: Option<Time>,
        clock: impl Fn() -> Time,
    ) -> Result<Placed, NotAppended> {
        // The batch as a whole has no key, and the application's partitioner is not asked.
        let anywhere = || self.choose(topic, count, &Record::default(), true, &clock);
        let (index, sticks) = how.partition.map_or_else(anywhere, |index| (index, false));
        let partition = topic.partition(index).expect("published partitions exist");
        let settings = topic.settings();
        let sending = Sending { partition: None, tag: how.tag, own_timeout: None, acks: None };
        let append = Append {
            shared: self,
            settings,
            sending: &sending,
            own_deadline: parked_until,
            forced: parked_until.is_some(),
        };
        let len = batch.len();
        let placed = partition.append_direct(batch, &append, &clock)?;
        if sticks {
            let switch_after = u32::try_from(settings.fill_size()).unwrap_or(u32::MAX);
            topic
                .sticky
                .add(index, len as u32, switch_after, |random| self.next_partition(topic, count, random, clock()));
        }
        Ok(placed)
    }
}

impl Partition {
    /// The batch becomes the open one; or, closed, the last of the sealed ones, which goes at once.
    fn append_direct(
        &self,
        batch: &mut DirectBatch,
        how: &Append<'_>,
        clock: impl Fn() -> Time,
    ) -> Result<Placed, NotAppended> {
        let mut queue = self.queue.lock();
        if how.shared.door.is_shut() && !how.forced {
            return Err(NotAppended::Refused);
        }
        // What was accepted before goes before.
        let was_open = queue.open.is_some();
        queue.seal_open(self.id, &how.shared.memory);
        // One that is being compressed is told of when that is done.
        let last = queue.last_sealed();
        let sealed = was_open && !queue.hand_over(last, self, &how.shared.packing);
        let opened_at = clock();
        let usual_deadline = opened_at + how.settings.delivery_timeout();
        let deadline = how.own_deadline.unwrap_or(usual_deadline);
        // A batch that takes no more goes at once, whether the application says so or its size.
        let settings = how.settings;
        let is_full = is_full(batch.len(), batch.count(), settings.fill_size(), settings.batch_records_max());
        let is_whole = batch.is_closed || is_full;
        let due_at = if is_whole { opened_at } else { opened_at + settings.linger() };
        let door = if how.forced { None } else { Some(&how.shared.door) };
        // An empty batch must not get a number, which nothing would ever finish; one that gets none stays the caller's.
        debug_assert!(!batch.is_empty());
        let numbered = match &batch.open {
            Some(_) => how.shared.inbox.opened(door, self.id, deadline, due_at, sealed || is_whole),
            None => None,
        };
        let Some((id, open)) = numbered.and_then(|id| Some((id, batch.open.take()?))) else {
            self.publish_sealed(&queue);
            if sealed {
                how.shared.inbox.tell(Event::Sealed { partition: self.id }, Time::ZERO);
            }
            return Err(NotAppended::Refused);
        };
        how.shared.memory.assign(self.claim(opened_at), open.charged());
        let (slots, direct) = match how.sending.tag {
            Some(tag) => (vec![DirectBatch::slot(tag)], open.count),
            None => (Vec::new(), 0),
        };
        queue.open = Some(OpenBatch {
            id,
            opened_at,
            deadline,
            usual_deadline,
            due_at,
            acks: how.acks(),
            slots,
            direct,
            compression: how.settings.compression(),
            ..open
        });
        if is_whole {
            queue.seal_open(self.id, &how.shared.memory);
            let last = queue.last_sealed();
            queue.hand_over(last, self, &how.shared.packing);
        }
        self.publish_sealed(&queue);
        Ok(Placed::InBatch { partition: self.id, index: 0, batch: id })
    }
}

/// A chunk, and `more` bytes charged beside it.
fn get_chunk(
    memory: &Arc<Memory>,
    held: &mut Option<Reservation>,
    capacity: usize,
    more: usize,
) -> Result<super::memory::Chunk, NotTaken> {
    match held.take() {
        Some(reservation) if reservation.covers(capacity + more) => {
            memory.chunk(reservation, Holder::Nobody, capacity, more).map_err(|_| NotTaken::OutOfMemory)
        }
        other => {
            *held = other;
            let claim = Claim::nobody();
            let wanted = Wanted { bytes: capacity + more, claim };
            memory.try_chunk(claim, capacity, more).map_err(|why| match why {
                NoChunk::Budget => NotTaken::NeedsMemory(wanted),
                NoChunk::System => NotTaken::OutOfMemory,
            })
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
