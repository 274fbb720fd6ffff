//! One partition's queue: sealed batches in order and the open one behind them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::sync::Mutex;

use super::batch::{Batch, OpenBatch};
use super::fallible::{self, OutOfMemory};
use super::inbox::Event;
use super::memory::{Chunk, Memory, NoChunk, Reservation};
use super::packing::Stage;
use super::settings::TopicSettings;
use super::shares::{Claim, Holder};
use super::topic::{LeaderCell, Tag};
use super::{Accumulator, Sending};
use crate::record::Record;
use crate::reports::Slot;
use crate::time::Time;
use crate::wire::record_batch::{self, HEADER_LEN, RECORD_LEN_MIN};

/// Slots of a partition's first batch; later ones start with the room that the one before needed.
const SLOTS_MIN: usize = 8;

#[derive(Debug)]
#[repr(C, align(64))]
pub struct Partition {
    pub(super) queue: Mutex<Queue>,
    /// Dense over all topics: the sender's index.
    pub id: u32,
    pub topic: u32,
    pub index: i32,
    leader: LeaderCell,
    /// Bytes of batches that the sender has taken and not finished.
    taken_bytes: AtomicUsize,
    /// And how many they are.
    taken_batches: AtomicU32,
    /// Bytes of batches that are sealed and not taken: for who chooses a partition without its lock.
    sealed_bytes: AtomicUsize,
}

#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Queue {
    pub open: Option<OpenBatch>,
    pub sealed: VecDeque<Batch>,
    /// Their bytes.
    pub sealed_bytes: usize,
    /// What the last batch came to: how much room the next one is given at once.
    last_len: usize,
    last_slots: usize,
    /// It stands in the line of what is to be compressed.
    pub is_in_line: bool,
    /// No batch with a smaller number is in line.
    pub first_in_line: u64,
}

/// What appending needs to know beside the record. Few words, made for every record: the rest is a look away, and most
/// of it is looked at for the first record of a batch only.
pub(super) struct Append<'a> {
    pub shared: &'a Accumulator,
    /// Of the topic.
    pub settings: &'a TopicSettings,
    pub sending: &'a Sending,
    /// The record's own deadline, when it has one.
    pub own_deadline: Option<Time>,
    /// Takes memory whatever the budget says, and passes the door: for records that are inside already.
    pub forced: bool,
}

impl Append<'_> {
    #[inline]
    fn fill_size(&self) -> usize {
        self.settings.fill_size()
    }

    #[inline]
    fn records_max(&self) -> u32 {
        self.settings.batch_records_max()
    }

    /// What the record asks for, or its topic.
    #[inline]
    pub fn acks(&self) -> i16 {
        self.sending.acks.unwrap_or(self.settings.acks())
    }
}

/// Where an accepted record went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It waits for its topic's metadata.
    Parked,
    /// It is record `index` of the batch numbered `batch`, of the partition with this dense id.
    InBatch { partition: u32, index: u32, batch: u64 },
}

/// What a caller wants to know of where its record went. Most want nothing, and nothing is looked up for them: the
/// batch's number and the partition's stand in cache lines that appending does not touch otherwise.
pub trait Place: Sized {
    fn parked() -> Self;
    fn in_batch(partition: &Partition, index: u32, batch: &u64) -> Self;
}

impl Place for () {
    fn parked() {}

    #[inline]
    fn in_batch(_: &Partition, _: u32, _: &u64) {}
}

impl Place for Placed {
    fn parked() -> Placed {
        Placed::Parked
    }

    #[inline]
    fn in_batch(partition: &Partition, index: u32, batch: &u64) -> Placed {
        Placed::InBatch { partition: partition.id, index, batch: *batch }
    }
}

/// Memory that somebody has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub bytes: usize,
    pub claim: Claim,
}

/// The record was not appended.
#[derive(Debug, PartialEq, Eq)]
pub enum NotAppended {
    /// So much of `buffer.memory` is needed first.
    NeedsMemory(Wanted),
    /// The operating system gives none.
    OutOfMemory,
    /// The door is shut, and says why.
    Refused,
}

impl From<OutOfMemory> for NotAppended {
    fn from(_: OutOfMemory) -> NotAppended {
        NotAppended::OutOfMemory
    }
}

impl Partition {
    pub(super) fn new(id: u32, topic: u32, index: i32) -> Partition {
        Partition {
            id,
            topic,
            index,
            leader: LeaderCell::new(),
            taken_bytes: AtomicUsize::new(0),
            taken_batches: AtomicU32::new(0),
            sealed_bytes: AtomicUsize::new(0),
            queue: Mutex::default(),
        }
    }

    /// The leader's broker id, or `NO_LEADER`.
    pub fn leader(&self) -> i32 {
        self.leader.get()
    }

    pub fn set_leader(&self, broker: i32) {
        self.leader.set(broker);
    }

    /// Encodes the record into the open batch; answers its bytes and its place. `held` is memory that an earlier
    /// refusal made the caller wait for.
    #[inline]
    pub(super) fn append<P: Place>(
        &self,
        record: &Record<'_>,
        how: &Append<'_>,
        held: &mut Option<Reservation>,
        clock: impl Fn() -> Time,
    ) -> Result<(usize, P), NotAppended> {
        let mut queue = self.queue.lock();
        if how.shared.door.is_shut() && !how.forced {
            return Err(NotAppended::Refused);
        }
        let mut sealed = false;
        if let Some(open) = &mut queue.open {
            let delta = record.timestamp_ms.wrapping_sub(open.base_timestamp_ms);
            let body_len = record_batch::record_body_len(delta, open.count, record);
            let len = record_batch::record_len(body_len);
            let (fill_size, records_max) = (how.fill_size(), how.records_max());
            let fits = open.len + len <= fill_size && open.count < records_max;
            // Records that ask for other acks never share a batch.
            if fits && i32::try_from(delta).is_ok() && open.acks == how.acks() {
                if open.tail.room_len() < len {
                    // Room grows with the batch, so that many small batches stay small.
                    let wanted = open.len.min(fill_size.saturating_sub(open.len));
                    let chunk = self.get_chunk(how, held, clock(), Memory::capacity_for(len, wanted), 0)?;
                    open.push_chunk(chunk);
                }
                if let Some(tag) = how.sending.tag {
                    if open.slots.len() == open.slots.capacity() {
                        let more = open.slots.capacity().max(SLOTS_MIN);
                        let bytes = self.charge_slots(how, held, clock(), more)?;
                        if open.slots.try_reserve_exact(more).is_err() {
                            how.shared.memory.uncharge(Holder::Partition(self.id), bytes);
                            return Err(NotAppended::OutOfMemory);
                        }
                        open.slot_bytes += bytes;
                    }
                    open.slots.push(slot(tag, record, delta, open.count));
                }
                let placed = P::in_batch(self, open.count, &open.id);
                open.write(record, delta, body_len, len);
                // The batch may have been opened by a record with more time of its own.
                let deadline = how.own_deadline.unwrap_or(open.usual_deadline);
                if deadline < open.deadline {
                    open.deadline = deadline;
                    how.shared.inbox.tell(Event::Deadline { partition: self.id, deadline }, deadline);
                }
                if is_full(open.len, open.count, fill_size, records_max) {
                    self.seal_full(&mut queue, how.shared);
                }
                return Ok((len, placed));
            }
            sealed = true;
        }
        // The rare half: the first record of a batch.
        self.append_first(&mut queue, sealed, record, how, held, clock)
    }

    /// The open batch takes no more: it goes at once, however long it may linger.
    #[cold]
    fn seal_full(&self, queue: &mut Queue, shared: &Accumulator) {
        queue.seal_open(self.id, &shared.memory);
        self.publish_sealed(queue);
        // One that is being compressed is told of when that is done.
        if !queue.hand_over(queue.last_sealed(), self, &shared.packing) {
            shared.inbox.tell(Event::Sealed { partition: self.id }, Time::ZERO);
        }
    }

    #[cold]
    fn append_first<P: Place>(
        &self,
        queue: &mut Queue,
        sealed: bool,
        record: &Record<'_>,
        how: &Append<'_>,
        held: &mut Option<Reservation>,
        clock: impl Fn() -> Time,
    ) -> Result<(usize, P), NotAppended> {
        let mut sealed = sealed;
        if sealed {
            queue.seal_open(self.id, &how.shared.memory);
            self.publish_sealed(queue);
            // The sender hears of it when it has been compressed.
            sealed = !queue.hand_over(queue.last_sealed(), self, &how.shared.packing);
        }
        let appended = self.open_with(queue, sealed, record, how, held, clock);
        if appended.is_err() && sealed {
            // The full batch is ready even though its successor has to wait: it is what will make room.
            how.shared.inbox.tell(Event::Sealed { partition: self.id }, Time::ZERO);
        }
        appended
    }

    fn open_with<P: Place>(
        &self,
        queue: &mut Queue,
        sealed: bool,
        record: &Record<'_>,
        how: &Append<'_>,
        held: &mut Option<Reservation>,
        clock: impl Fn() -> Time,
    ) -> Result<(usize, P), NotAppended> {
        let body_len = record_batch::record_body_len(0, 0, record);
        let len = record_batch::record_len(body_len);
        let wanted = queue.last_len.min(how.fill_size());
        let mut capacity = Memory::capacity_for(HEADER_LEN + len, wanted);
        let mut slots = Vec::new();
        if how.sending.tag.is_some() {
            slots = match how.shared.reports.spare_slots() {
                // A large vector under a small batch would fill the budget with nothing.
                Some(spare) if (SLOTS_MIN..=queue.last_slots.max(SLOTS_MIN) * 2).contains(&spare.capacity()) => spare,
                _ => fallible::room(queue.last_slots.max(SLOTS_MIN))?,
            };
        }
        if capacity + slots.capacity() * size_of::<Slot>() > how.shared.memory.limit() {
            // Room to grow is good to have, but whatever fits the budget at all has to be taken.
            capacity = HEADER_LEN + len;
            slots = fallible::room(usize::from(how.sending.tag.is_some()))?;
        }
        // Chunk and slots come together: each alone could be had again and again while the other is not.
        let slot_bytes = slots.capacity() * size_of::<Slot>();
        let opened_at = clock();
        let tail = self.get_chunk(how, held, opened_at, capacity, slot_bytes)?;
        let usual_deadline = opened_at + how.settings.delivery_timeout();
        let deadline = how.own_deadline.unwrap_or(usual_deadline);
        let is_full = is_full(HEADER_LEN + len, 1, how.fill_size(), how.records_max());
        let due_at = if is_full { opened_at } else { opened_at + how.settings.linger() };
        let door = if how.forced { None } else { Some(&how.shared.door) };
        let Some(id) = how.shared.inbox.opened(door, self.id, deadline, due_at, sealed) else {
            // It was shut since we looked.
            how.shared.memory.release(Holder::Partition(self.id), std::iter::once(tail));
            how.shared.memory.uncharge(Holder::Partition(self.id), slot_bytes);
            return Err(NotAppended::Refused);
        };
        let mut open = OpenBatch {
            deadline,
            usual_deadline,
            due_at,
            acks: how.acks(),
            slots,
            slot_bytes,
            compression: how.settings.compression(),
            ..OpenBatch::new(id, opened_at, record.timestamp_ms, tail)
        };
        if let Some(tag) = how.sending.tag {
            open.slots.push(slot(tag, record, 0, 0));
        }
        open.write(record, 0, body_len, len);
        let placed = P::in_batch(self, 0, &open.id);
        queue.open = Some(open);
        Ok((len, placed))
    }

    /// The next batch: a sealed one, or the open one when `may_seal` says so of its id and the time it is due.
    pub fn take(&self, shared: &Accumulator, may_seal: impl FnOnce(u64, Time) -> bool) -> Option<Batch> {
        self.take_if(shared, may_seal, |_, _| true).ok().flatten()
    }

    /// The same, if `suits` says so of its acks; the error is those of a batch that stays. While the next one is being
    /// compressed there is none; `Event::Sealed` tells when there is.
    pub fn take_if(
        &self,
        shared: &Accumulator,
        may_seal: impl FnOnce(u64, Time) -> bool,
        suits: impl FnOnce(i16, usize) -> bool,
    ) -> Result<Option<Batch>, i16> {
        let mut queue = self.queue.lock();
        let (acks, len) = match (queue.sealed.front(), &queue.open) {
            (Some(sealed), _) if !sealed.is_ready() => return Ok(None),
            (Some(sealed), _) => (sealed.acks, sealed.len()),
            (None, Some(open)) if may_seal(open.id, open.due_at) => (open.acks, open.len),
            _ => return Ok(None),
        };
        if !suits(acks, len) {
            return Err(acks);
        }
        if queue.sealed.is_empty() {
            queue.seal_open(self.id, &shared.memory);
        }
        queue.cut_cancelled();
        if queue.hand_over(0, self, &shared.packing) {
            self.publish_sealed(&queue);
            return Ok(None);
        }
        let mut taken = queue.sealed.pop_front();
        if let Some(batch) = &mut taken {
            queue.sealed_bytes =
                if queue.sealed.is_empty() { 0 } else { queue.sealed_bytes.saturating_sub(batch.len()) };
            self.note_taken(batch.len(), 1);
        }
        self.publish_sealed(&queue);
        drop(queue);
        if let Some(batch) = taken.as_mut().filter(|batch| batch.stage != Stage::Final) {
            let raw = batch.len();
            shared.pack(batch, &shared.topics.by_id(self.topic));
            self.note_grown(raw, batch.len());
        }
        Ok(taken)
    }

    /// Whether `take` would give a batch, or have one compressed.
    pub fn has_batch(&self, may_seal: impl FnOnce(u64, Time) -> bool) -> bool {
        let queue = self.queue.lock();
        match (queue.sealed.front(), &queue.open) {
            (Some(sealed), _) => sealed.is_ready(),
            (None, Some(open)) => may_seal(open.id, open.due_at),
            (None, None) => false,
        }
    }

    /// Whether anything waits here, whatever for.
    pub fn is_empty(&self) -> bool {
        let queue = self.queue.lock();
        queue.sealed.is_empty() && queue.open.is_none()
    }

    /// When the open batch is due.
    pub fn due_at(&self) -> Option<Time> {
        self.queue.lock().open.as_ref().map(|open| open.due_at)
    }

    /// The earliest deadline of the batches here.
    pub fn earliest_deadline(&self) -> Option<Time> {
        let queue = self.queue.lock();
        let sealed = queue.sealed.iter().map(|batch| batch.deadline).min();
        let open = queue.open.as_ref().map(|open| open.deadline);
        sealed.into_iter().chain(open).min()
    }

    /// Takes out the batches that have expired at `now` (`Time::NEVER`: all of them).
    pub fn take_expired(&self, memory: &Arc<Memory>, now: Time) -> Vec<Batch> {
        let mut queue = self.queue.lock();
        if queue.open.as_ref().is_some_and(|open| open.deadline <= now || now == Time::NEVER) {
            queue.seal_open(self.id, memory);
        }
        let mut expired = Vec::new();
        let mut kept = VecDeque::with_capacity(queue.sealed.len());
        for mut batch in queue.sealed.drain(..) {
            if batch.deadline <= now || now == Time::NEVER {
                batch.cut_cancelled();
                expired.push(batch);
            } else {
                kept.push_back(batch);
            }
        }
        queue.sealed_bytes = kept.iter().map(Batch::len).sum();
        queue.sealed = kept;
        self.publish_sealed(&queue);
        self.note_taken(expired.iter().map(Batch::len).sum(), expired.len());
        expired
    }

    /// Tells those who have no lock what waits here.
    pub(super) fn publish_sealed(&self, queue: &Queue) {
        self.sealed_bytes.store(queue.sealed_bytes, Ordering::Relaxed);
    }

    /// Batches of so many bytes in all were taken.
    fn note_taken(&self, bytes: usize, batches: usize) {
        self.taken_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.taken_batches.fetch_add(batches as u32, Ordering::Relaxed);
    }

    /// A batch that was taken has other bytes now.
    fn note_grown(&self, before: usize, after: usize) {
        self.taken_bytes.fetch_add(after, Ordering::Relaxed);
        self.taken_bytes.fetch_sub(before, Ordering::Relaxed);
    }

    /// A batch that was taken has become several, of so many bytes in all.
    pub fn note_split(&self, len: usize, bytes: usize, batches: usize) {
        self.note_taken(bytes, batches);
        self.note_finished(len);
    }

    /// A batch that was taken is finished.
    pub fn note_finished(&self, bytes: usize) {
        self.taken_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.taken_batches.fetch_sub(1, Ordering::Relaxed);
    }

    /// Bytes of batches that are sealed or taken and have no outcome yet.
    pub fn load_bytes(&self) -> usize {
        self.taken_bytes() + self.sealed_bytes.load(Ordering::Relaxed)
    }

    /// Batches that the sender has taken and not finished.
    pub fn taken_batches(&self) -> u32 {
        self.taken_batches.load(Ordering::Relaxed)
    }

    pub fn taken_bytes(&self) -> usize {
        self.taken_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that wait here.
    pub fn queued_bytes(&self) -> usize {
        let queue = self.queue.lock();
        queue.sealed.iter().map(Batch::len).sum::<usize>() + queue.open.as_ref().map_or(0, |open| open.len)
    }
}

impl Queue {
    /// What was cancelled of the first batch goes.
    fn cut_cancelled(&mut self) {
        if let Some(batch) = self.sealed.front_mut().filter(|batch| !batch.cancelled.is_empty()) {
            let before = batch.len();
            batch.cut_cancelled();
            // One that was compressed is not any more.
            self.sealed_bytes = (self.sealed_bytes + batch.len()).saturating_sub(before);
        }
    }

    /// Where the first sealed batch of this number or a higher one stands: they are numbered in order.
    pub fn sealed_from(&self, batch: u64) -> usize {
        self.sealed.partition_point(|sealed| sealed.id < batch)
    }

    /// The last of the sealed batches.
    pub fn last_sealed(&self) -> usize {
        self.sealed.len().saturating_sub(1)
    }

    pub fn seal_open(&mut self, partition: u32, memory: &Arc<Memory>) {
        if let Some(open) = self.open.take() {
            self.last_len = open.len;
            self.last_slots = open.slots.len();
            self.sealed_bytes += open.len;
            self.sealed.push_back(open.seal(partition, memory));
        }
    }
}

impl Partition {
    /// A chunk, and `more` bytes charged beside it.
    fn get_chunk(
        &self,
        how: &Append<'_>,
        held: &mut Option<Reservation>,
        now: Time,
        capacity: usize,
        more: usize,
    ) -> Result<Chunk, NotAppended> {
        let claim = self.claim(now);
        if how.forced {
            how.shared.memory.ask(claim);
            return how
                .shared
                .memory
                .try_forced_chunk(claim.holder, capacity, more)
                .map_err(|_| NotAppended::OutOfMemory);
        }
        match held.take() {
            Some(reservation) if reservation.covers(capacity + more) => {
                let chunk = how.shared.memory.chunk(reservation, claim.holder, capacity, more);
                chunk.map_err(|_| NotAppended::OutOfMemory)
            }
            other => {
                *held = other;
                let wanted = Wanted { bytes: capacity + more, claim };
                how.shared.memory.try_chunk(claim, capacity, more).map_err(|why| match why {
                    NoChunk::Budget => NotAppended::NeedsMemory(wanted),
                    NoChunk::System => NotAppended::OutOfMemory,
                })
            }
        }
    }

    fn charge_slots(
        &self,
        how: &Append<'_>,
        held: &mut Option<Reservation>,
        now: Time,
        count: usize,
    ) -> Result<usize, NotAppended> {
        let claim = self.claim(now);
        let bytes = count * size_of::<Slot>();
        if how.forced {
            how.shared.memory.force_charge(claim.holder, bytes);
            return Ok(bytes);
        }
        match held.take() {
            Some(reservation) if reservation.covers(bytes) => {
                reservation.spend(claim.holder, bytes);
                Ok(bytes)
            }
            other => {
                *held = other;
                if how.shared.memory.try_charge(claim, bytes) {
                    Ok(bytes)
                } else {
                    Err(NotAppended::NeedsMemory(Wanted { bytes, claim }))
                }
            }
        }
    }

    pub(super) fn claim(&self, now: Time) -> Claim {
        Claim { holder: Holder::Partition(self.id), leader: self.leader(), at: now }
    }
}

/// Whether a batch of `count` records and `len` bytes has no room for another one.
#[inline]
pub(super) fn is_full(len: usize, count: u32, fill_size: usize, records_max: u32) -> bool {
    len + RECORD_LEN_MIN > fill_size || count >= records_max
}

#[inline]
fn slot(tag: Tag, record: &Record<'_>, delta: i64, offset_delta: u32) -> Slot {
    let len = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i32);
    Slot {
        callback: tag.callback(),
        opaque: tag.opaque,
        key_len: len(record.key),
        value_len: len(record.value),
        timestamp_delta_ms: delta as i32,
        offset_delta,
    }
}
