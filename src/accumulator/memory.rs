//! `buffer.memory`: a true bound on the bytes that batches hold, with chunks recycled from one pool and fair waiting.
//!
//! What is handed out counts with its whole capacity, so payload, framing and unused room are all inside the bound;
//! free chunks kept for reuse are inside it too. Who may take how much of it when it gets short is in `shares.rs`.

use std::collections::VecDeque;
use std::ops::{AddAssign, SubAssign};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::sync::{Condvar, Mutex};

use super::batch::Orphan;
use super::fallible::{OutOfMemory, Source};
use super::shares::{Claim, Crowd, Holder, Shares, Verdict};
use crate::reports::{Lack, Room};

/// Capacities of pooled chunks. A record that is larger than the last gets a chunk of its own size, not pooled.
const CLASS_BYTES: [usize; 5] = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10];
/// Free memory that is kept however long nobody needs it.
const IDLE_FREE_BYTES: usize = 4 << 20;

/// A piece of a batch's bytes. Records never straddle chunks. The default has no room at all.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Box<[u8]>,
    len: usize,
}

impl Chunk {
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.len..]
    }

    #[inline]
    pub fn room_len(&self) -> usize {
        self.bytes.len() - self.len
    }

    #[inline]
    pub fn advance(&mut self, len: usize) {
        debug_assert!(len <= self.room_len());
        self.len += len;
    }

    /// Only the first `len` of the filled bytes are still wanted.
    pub fn shorten(&mut self, len: usize) {
        debug_assert!(len <= self.len);
        self.len = len;
    }

    pub fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

/// Why a reservation was not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The bound stayed reached until the deadline.
    Full,
    /// The broker or the partition had its share until the deadline.
    Crowded(Crowd),
    Closed,
}

/// Why a chunk was not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoChunk {
    /// There is no room for it in the budget or the claimant's share, or others wait for it already.
    Budget,
    /// The operating system gives no memory. Nothing stays charged.
    System,
}

/// What keeps a claim waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    OfMemory,
    /// Of its own broker's or partition's share. `tell`: the broker whose partitions are to send what lingers, and have
    /// not been told since they got the last of it.
    OfShare {
        tell: Option<i32>,
    },
}

/// Bytes taken out of the budget and not yet turned into a chunk. Dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    bytes: usize,
    holder: Holder,
    memory: Arc<Memory>,
}

impl Reservation {
    /// Whether this reservation covers `bytes`.
    pub fn covers(&self, bytes: usize) -> bool {
        self.bytes >= bytes
    }

    /// Keeps `bytes` of it charged for good, to `holder`; the rest goes back.
    pub fn spend(mut self, holder: Holder, bytes: usize) {
        self.bytes -= bytes;
        if holder != self.holder {
            // The record went elsewhere than it first wanted to.
            let mut state = self.memory.state.lock();
            state.shares.sub(self.holder, bytes);
            state.shares.add(holder, bytes);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.uncharge(self.holder, self.bytes);
    }
}

#[derive(Debug)]
pub struct Memory {
    limit: usize,
    /// What `State` counts, to be read without its lock.
    used: Arc<AtomicUsize>,
    state: Mutex<State>,
    /// Threads waiting for room; read without the lock to decide whether open batches should be sent early.
    waiting: AtomicUsize,
    /// Set when a reservation was refused or had to wait, until the sender has seen it: with the memory full, lingering
    /// is what keeps it full.
    pressure: AtomicBool,
    /// What event loops hear of it.
    room: Arc<Room>,
    /// `State::closed` for who does not want the lock.
    is_closed: AtomicBool,
    /// Batches that a panic dropped: their records still get their reports.
    orphans: Mutex<Vec<Orphan>>,
    source: Source,
}

#[derive(Debug)]
struct State {
    used: Used,
    free_bytes: usize,
    free: [Vec<Box<[u8]>>; CLASS_BYTES.len()],
    /// Most bytes handed out at a time since memory was last given back to the system.
    peak: usize,
    shares: Shares,
    waiters: VecDeque<Arc<Waiter>>,
    /// Event loops are notified of room again when so much is free; 0 while there is room.
    wanted: usize,
    closed: bool,
}

/// Bytes that are handed out: changed under the lock only, so that reading and writing it are two steps.
#[derive(Debug)]
struct Used(Arc<AtomicUsize>);

impl Used {
    #[inline]
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl AddAssign<usize> for Used {
    #[inline]
    fn add_assign(&mut self, bytes: usize) {
        self.0.store(self.get() + bytes, Ordering::Relaxed);
    }
}

impl SubAssign<usize> for Used {
    #[inline]
    fn sub_assign(&mut self, bytes: usize) {
        self.0.store(self.get() - bytes, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Waiter {
    holder: Holder,
    bytes: usize,
    granted: AtomicBool,
    /// Its own share holds it back, as last looked at: it holds nobody up.
    is_capped: AtomicBool,
    /// It is its broker's share: it holds up those of the same broker, or their smaller records would keep it waiting
    /// for ever.
    is_leader_capped: AtomicBool,
    wake: Condvar,
}

impl Memory {
    pub fn new(limit: usize) -> Arc<Memory> {
        Memory::with_room(limit, Arc::default())
    }

    /// As `new`, telling `room` when it gets short.
    pub fn with_room(limit: usize, room: Arc<Room>) -> Arc<Memory> {
        let used = Arc::new(AtomicUsize::new(0));
        Arc::new(Memory {
            limit,
            room,
            used: used.clone(),
            state: Mutex::new(State {
                used: Used(used),
                free_bytes: 0,
                free: Default::default(),
                peak: 0,
                shares: Shares::new(limit),
                waiters: VecDeque::new(),
                wanted: 0,
                closed: false,
            }),
            waiting: AtomicUsize::new(0),
            pressure: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            orphans: Mutex::default(),
            source: Source::default(),
        })
    }

    /// The capacity to ask for when `bytes` must fit and about `wanted` are expected.
    pub fn capacity_for(bytes: usize, wanted: usize) -> usize {
        let class = CLASS_BYTES.iter().rposition(|&class| class <= wanted).unwrap_or(0);
        match CLASS_BYTES[class..].iter().find(|&&class| class >= bytes) {
            Some(&class) => class,
            None => bytes,
        }
    }

    /// A chunk of `capacity` bytes at once, with `more` bytes charged beside it.
    pub fn try_chunk(&self, claim: Claim, capacity: usize, more: usize) -> Result<Chunk, NoChunk> {
        let recycled = {
            let mut state = self.state.lock();
            if !state.may_take(claim, capacity + more) {
                return Err(NoChunk::Budget);
            }
            state.add(claim.holder, capacity + more);
            state.pop_free(capacity, self.limit)
        };
        self.fill_charge(recycled, claim.holder, capacity, more)
    }

    /// Turns a reservation into a chunk and a charge of `more`; what it covers beyond them goes back.
    pub fn chunk(
        &self,
        reservation: Reservation,
        holder: Holder,
        capacity: usize,
        more: usize,
    ) -> Result<Chunk, NoChunk> {
        reservation.spend(holder, capacity + more);
        let recycled = self.state.lock().pop_free(capacity, self.limit);
        self.fill_charge(recycled, holder, capacity, more)
    }

    /// A chunk whatever the budget says: for records that are inside the budget already and move to another batch.
    pub fn try_forced_chunk(&self, holder: Holder, capacity: usize, more: usize) -> Result<Chunk, NoChunk> {
        let recycled = {
            let mut state = self.state.lock();
            state.add(holder, capacity + more);
            state.pop_free(capacity, self.limit)
        };
        self.fill_charge(recycled, holder, capacity, more)
    }

    /// The same for what cannot be left undone: when the operating system gives no memory even now that batches have
    /// left the reserve to others, the process ends.
    pub fn forced_chunk(&self, holder: Holder, capacity: usize, more: usize) -> Chunk {
        self.try_forced_chunk(holder, capacity, more).unwrap_or_else(|_| {
            self.force_charge(holder, capacity + more);
            Chunk { bytes: vec![0; capacity].into_boxed_slice(), len: 0 }
        })
    }

    /// The chunk that was charged, and the charge back when there is none.
    fn fill_charge(
        &self,
        recycled: Option<Box<[u8]>>,
        holder: Holder,
        capacity: usize,
        more: usize,
    ) -> Result<Chunk, NoChunk> {
        let bytes = recycled.map_or_else(|| self.source.zeros(capacity, || self.drop_all_free()), Ok);
        match bytes {
            Ok(bytes) => Ok(Chunk { bytes, len: 0 }),
            Err(OutOfMemory) => {
                self.uncharge(holder, capacity + more);
                Err(NoChunk::System)
            }
        }
    }

    /// Free chunks of other sizes are no use to who finds no memory.
    #[cold]
    fn drop_all_free(&self) {
        let mut state = self.state.lock();
        state.free_bytes = 0;
        let free = std::mem::take(&mut state.free);
        drop(state);
        drop(free);
    }

    /// Takes `bytes` out of the budget at once; false when there is no room in it or in the claimant's share, or others
    /// wait for it already.
    pub fn try_charge(&self, claim: Claim, bytes: usize) -> bool {
        let mut state = self.state.lock();
        if !state.may_take(claim, bytes) {
            return false;
        }
        state.charge(claim.holder, bytes, self.limit);
        true
    }

    /// Notes who asks, and whose leader it is: for those that are not refused.
    pub fn ask(&self, claim: Claim) {
        self.state.lock().shares.ask(claim);
    }

    /// What was nobody's belongs to a partition from now on.
    pub fn assign(&self, claim: Claim, bytes: usize) {
        let mut state = self.state.lock();
        state.shares.ask(claim);
        state.shares.add(claim.holder, bytes);
    }

    /// Takes `bytes` out of the budget whatever it says.
    pub fn force_charge(&self, holder: Holder, bytes: usize) {
        self.state.lock().charge(holder, bytes, self.limit);
    }

    /// Gives charged bytes back and wakes who waits for them.
    pub fn uncharge(&self, holder: Holder, bytes: usize) {
        if bytes > 0 {
            let mut state = self.state.lock();
            state.sub(holder, bytes);
            self.grant(&mut state);
            self.room.regains(Lack::Share);
        }
    }

    /// Gives chunks back and wakes who waits for them.
    pub fn release(&self, holder: Holder, chunks: impl Iterator<Item = Chunk>) {
        let mut surplus = Vec::new();
        let mut state = self.state.lock();
        for chunk in chunks {
            state.sub(holder, chunk.bytes.len());
            match CLASS_BYTES.iter().position(|&class| class == chunk.bytes.len()) {
                Some(class) => {
                    state.free_bytes += chunk.bytes.len();
                    state.free[class].push(chunk.bytes);
                }
                None => surplus.push(chunk.bytes),
            }
        }
        self.grant(&mut state);
        self.room.regains(Lack::Share);
        drop(state);
    }

    /// Serves those who wait, and tells event loops when nobody waits for room any more and there is some again.
    fn grant(&self, state: &mut State) {
        state.grant();
        let nobody_waits = || state.waiters.iter().all(|waiter| waiter.is_capped.load(Ordering::Relaxed));
        if state.wanted > 0 && state.used.get() + state.wanted <= self.limit && nobody_waits() {
            state.wanted = 0;
            self.room.regains(Lack::Memory);
        }
    }

    /// Event loops are notified when so much is free again: not at the first byte, or a loop woken for each batch would
    /// send a record at a time.
    fn note_lack(&self, state: &mut State, bytes: usize) {
        state.wanted = state.wanted.max(bytes).max(self.limit / 8).min(self.limit);
        self.room.lacks(Lack::Memory);
    }

    /// Waits in line for `bytes` until `deadline` (`None`: for ever). Those who came first are served first, but for
    /// those whose own share holds them back. `waits` is called, under the lock, when this call has got in line.
    pub fn reserve(
        self: &Arc<Self>,
        claim: Claim,
        bytes: usize,
        deadline: Option<Instant>,
        waits: impl FnOnce(Shortage),
    ) -> Result<Reservation, Refused> {
        self.stand_in_line(claim, bytes, deadline, true, waits)
    }

    /// As `reserve`, and takes nothing: no record is held up, and event loops do not hear of it.
    pub fn wait_for_room(
        self: &Arc<Self>,
        bytes: usize,
        deadline: Option<Instant>,
        waits: impl FnOnce(Shortage),
    ) -> Result<(), Refused> {
        self.stand_in_line(Claim::nobody(), bytes, deadline, false, waits).map(drop)
    }

    /// Whether `wait_for_room` would not wait.
    pub fn look_for_room(&self, bytes: usize) -> Result<(), Refused> {
        let mut state = self.state.lock();
        match state.may_take(Claim::nobody(), bytes) {
            true => Ok(()),
            false if state.closed => Err(Refused::Closed),
            false => Err(Refused::Full),
        }
    }

    fn stand_in_line(
        self: &Arc<Self>,
        claim: Claim,
        bytes: usize,
        deadline: Option<Instant>,
        is_noted: bool,
        waits: impl FnOnce(Shortage),
    ) -> Result<Reservation, Refused> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        let holder = claim.holder;
        if state.may_take(claim, bytes) {
            state.charge(holder, bytes, self.limit);
            return Ok(Reservation { bytes, holder, memory: self.clone() });
        }
        let verdict = state.shares.verdict(holder, bytes, state.used.get());
        let is_capped = verdict.is_capped();
        let waiter = Arc::new(Waiter {
            holder,
            bytes,
            granted: AtomicBool::new(false),
            is_capped: AtomicBool::new(is_capped),
            is_leader_capped: AtomicBool::new(verdict == Verdict::CappedByLeader),
            wake: Condvar::new(),
        });
        state.waiters.push_back(waiter.clone());
        if is_noted && !is_capped {
            // Who has used up a share of its own says nothing of the room that others find.
            self.note_lack(&mut state, bytes);
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        waits(state.shortage(holder, is_capped));
        let refused = loop {
            if waiter.granted.load(Ordering::Relaxed) {
                break None;
            }
            if state.closed {
                break Some(Refused::Closed);
            }
            match deadline {
                None => waiter.wake.wait(&mut state),
                Some(deadline) => {
                    let late = waiter.wake.wait_until(&mut state, deadline).timed_out();
                    if late && !waiter.granted.load(Ordering::Relaxed) {
                        break Some(Refused::Full);
                    }
                }
            }
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        match refused {
            None => Ok(Reservation { bytes, holder, memory: self.clone() }),
            Some(why) => {
                state.waiters.retain(|other| !Arc::ptr_eq(other, &waiter));
                let capped = why == Refused::Full && waiter.is_capped.load(Ordering::Relaxed);
                let crowd = if capped { state.shares.crowd(holder, state.used.get()) } else { None };
                if is_noted && why == Refused::Full && !capped {
                    // It may have stood in line for its share first.
                    self.note_lack(&mut state, bytes);
                }
                // Whoever stood behind may fit where this one did not.
                self.grant(&mut state);
                if capped {
                    // Until the next bytes come back, whose ever they are: the loop may have records for others too.
                    self.room.lacks(Lack::Share);
                }
                Err(crowd.map_or(why, Refused::Crowded))
            }
        }
    }

    /// Whether anybody waits for room.
    pub fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// Whether a batch of this partition should not linger: somebody waits for what it holds.
    pub fn hurries(&self, partition: u32) -> bool {
        if !self.has_waiters() {
            return false;
        }
        let state = self.state.lock();
        let wanted = |waiter: &Arc<Waiter>| {
            let is_capped = waiter.is_capped.load(Ordering::Relaxed);
            !is_capped || state.shares.same_leader(waiter.holder, Holder::Partition(partition))
        };
        state.waiters.iter().any(wanted)
    }

    /// Why `bytes` are not to be had at present.
    pub fn shortage(&self, claim: Claim, bytes: usize) -> Shortage {
        let mut state = self.state.lock();
        let is_capped = state.shares.verdict(claim.holder, bytes, state.used.get()).is_capped();
        state.shortage(claim.holder, is_capped)
    }

    /// Whether it is the holder's own share that has no room for so much more.
    pub fn is_capped(&self, holder: Holder, bytes: usize) -> bool {
        let state = self.state.lock();
        state.shares.verdict(holder, bytes, state.used.get()).is_capped()
    }

    /// Bytes handed out to one holder.
    pub fn held(&self, holder: Holder) -> usize {
        self.state.lock().shares.held(holder)
    }

    /// Notes that room is short; true when the sender has not been told yet.
    pub fn raise_pressure(&self) -> bool {
        !self.pressure.swap(true, Ordering::SeqCst)
    }

    /// The sender has acted on the shortage.
    pub fn clear_pressure(&self) {
        self.pressure.store(false, Ordering::SeqCst);
    }

    /// Threads that wait for room now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether everything is refused from now on. Looked at without the lock: a moment's delay is the caller's luck.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Wakes every waiter with `Closed` and refuses everything from now on.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        // Whoever tries to send hears why there is none.
        state.wanted = 0;
        self.room.regains(Lack::Memory);
        self.room.regains(Lack::Share);
        self.is_closed.store(true, Ordering::Relaxed);
        for waiter in &state.waiters {
            waiter.wake.notify_one();
        }
    }

    /// Where new chunks come from.
    #[cfg(test)]
    pub fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn keep_orphan(&self, orphan: Orphan) {
        self.orphans.lock().push(orphan);
    }

    pub fn take_orphans(&self) -> Vec<Orphan> {
        std::mem::take(&mut *self.orphans.lock())
    }

    /// Bytes handed out at present.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether free memory is kept that will go back to the system unless it is needed again.
    pub fn has_surplus(&self) -> bool {
        self.state.lock().free_bytes > IDLE_FREE_BYTES
    }

    /// Gives memory back to the system that was not needed since the last call.
    pub fn trim(&self) {
        let mut dropped = Vec::new();
        let mut state = self.state.lock();
        let used = state.used.get();
        let kept = state.peak.saturating_sub(used).max(IDLE_FREE_BYTES);
        state.peak = used;
        for class in (0..CLASS_BYTES.len()).rev() {
            while state.free_bytes > kept
                && let Some(bytes) = state.free[class].pop()
            {
                state.free_bytes -= bytes.len();
                dropped.push(bytes);
            }
        }
        drop(state);
    }
}

impl State {
    fn add(&mut self, holder: Holder, bytes: usize) {
        self.used += bytes;
        self.peak = self.peak.max(self.used.get());
        self.shares.add(holder, bytes);
    }

    fn sub(&mut self, holder: Holder, bytes: usize) {
        self.used -= bytes;
        self.shares.sub(holder, bytes);
    }

    fn charge(&mut self, holder: Holder, bytes: usize, limit: usize) {
        self.add(holder, bytes);
        self.drop_free(limit);
    }

    /// Whether the claim can be met at once: there is room for it, and nobody waits whom it would overtake.
    fn may_take(&mut self, claim: Claim, bytes: usize) -> bool {
        self.shares.ask(claim);
        !self.closed
            && self.shares.verdict(claim.holder, bytes, self.used.get()) == Verdict::Fits
            && !self.overtakes(self.waiters.len(), claim.holder, bytes)
    }

    /// Whether somebody among the first `before` in line has to be served first: who waits for the same, who waits for
    /// the share of the same broker, and who waits for memory, unless these bytes are kept for this leader alone.
    fn overtakes(&self, before: usize, holder: Holder, bytes: usize) -> bool {
        let mut guaranteed = None;
        self.waiters.iter().take(before).any(|other| {
            if other.holder == holder {
                return true;
            }
            if other.is_capped.load(Ordering::Relaxed) {
                return other.is_leader_capped.load(Ordering::Relaxed) && self.shares.same_leader(other.holder, holder);
            }
            let guaranteed = *guaranteed.get_or_insert_with(|| self.shares.is_guaranteed(holder, bytes));
            !guaranteed || self.shares.same_leader(other.holder, holder)
        })
    }

    fn shortage(&mut self, holder: Holder, is_capped: bool) -> Shortage {
        match is_capped {
            true => Shortage::OfShare { tell: self.shares.tell(holder) },
            false => Shortage::OfMemory,
        }
    }

    /// A free chunk of this capacity, if there is one; otherwise makes room for a new one.
    fn pop_free(&mut self, capacity: usize, limit: usize) -> Option<Box<[u8]>> {
        if let Some(class) = CLASS_BYTES.iter().position(|&class| class == capacity)
            && let Some(bytes) = self.free[class].pop()
        {
            self.free_bytes -= capacity;
            return Some(bytes);
        }
        self.drop_free(limit);
        None
    }

    /// Free chunks are part of the bound: what is used pushes them out.
    fn drop_free(&mut self, limit: usize) {
        for class in (0..CLASS_BYTES.len()).rev() {
            while self.used.get() + self.free_bytes > limit
                && let Some(bytes) = self.free[class].pop()
            {
                self.free_bytes -= bytes.len();
            }
        }
    }

    /// Serves waiters in order as far as the room goes. Those whose own share holds them back are passed over.
    fn grant(&mut self) {
        if self.closed {
            // Whoever still waits is told so, even when what closing fails gives back enough first.
            return;
        }
        let mut at = 0;
        while let Some(waiter) = self.waiters.get(at).cloned() {
            let verdict = self.shares.verdict(waiter.holder, waiter.bytes, self.used.get());
            waiter.is_capped.store(verdict.is_capped(), Ordering::Relaxed);
            waiter.is_leader_capped.store(verdict == Verdict::CappedByLeader, Ordering::Relaxed);
            if verdict != Verdict::Fits || self.overtakes(at, waiter.holder, waiter.bytes) {
                at += 1;
                continue;
            }
            self.add(waiter.holder, waiter.bytes);
            waiter.granted.store(true, Ordering::Relaxed);
            waiter.wake.notify_one();
            self.waiters.remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
