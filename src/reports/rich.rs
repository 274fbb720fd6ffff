//! Records that want more than a callback with its argument: a future, a ticket, a report for several. Their slots carry a
//! key instead, and what they want waits here until their batch is finished. Who sends none of them pays nothing for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::sync::Mutex;

use super::{FinishedBatch, Future, KEPT, SILENT, Slot};

/// As the callback of a slot or a tag: its `opaque` is a key of `RichTags`, and in a finished batch the place in
/// `FinishedBatch::rich`. No function has this address.
pub const RICH: usize = 1;

/// Of a slot that is to be dropped. No function has this address either.
const GONE: usize = 0;

/// What a record wants. Callbacks are addresses; only `capi/` knows their type.
#[derive(Debug, Clone)]
pub enum RichTag {
    Future(Arc<Future>),
    /// A record that can be named later; `callback` is 0 for none.
    Ticketed {
        ticket: u64,
        callback: usize,
        opaque: usize,
    },
    /// One report for the `count` records of a batch that the application made itself.
    Direct {
        callback: usize,
        opaque: usize,
        count: u32,
    },
}

/// The wishes of records that are under way.
#[derive(Default)]
pub struct RichTags {
    used: AtomicBool,
    /// Interceptors hear of every record, whatever its sender wants.
    heard: AtomicBool,
    next_ticket: AtomicU64,
    tags: Mutex<Tags>,
}

#[derive(Default)]
struct Tags {
    by_key: Vec<Option<RichTag>>,
    free: Vec<usize>,
}

impl Tags {
    fn take(&mut self, key: usize) -> Option<RichTag> {
        let tag = self.by_key.get_mut(key)?.take()?;
        self.free.push(key);
        Some(tag)
    }
}

impl RichTags {
    /// Whether there ever was one.
    #[inline]
    pub fn is_used(&self) -> bool {
        // Set before its record gets into a batch, whose lock makes it visible to whoever finishes the batch.
        self.used.load(Ordering::Relaxed)
    }

    /// From now on no slot is dropped because its sender does not want it.
    pub(super) fn hear_of_all(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    pub(super) fn hears_of_all(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Keeps a wish until the record with the key in its tag is finished. Who is refused the record takes it out again.
    pub fn insert(&self, tag: RichTag) -> usize {
        self.used.store(true, Ordering::Relaxed);
        let mut tags = self.tags.lock();
        match tags.free.pop() {
            Some(key) => {
                tags.by_key[key] = Some(tag);
                key
            }
            None => {
                tags.by_key.push(Some(tag));
                tags.by_key.len() - 1
            }
        }
    }

    /// A number for a ticket, that no other has.
    pub fn next_ticket(&self) -> u64 {
        self.next_ticket.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether the key is at present that of the record with this ticket: keys are used again.
    pub fn is_ticket(&self, key: usize, number: u64) -> bool {
        let tags = self.tags.lock();
        matches!(tags.by_key.get(key), Some(Some(RichTag::Ticketed { ticket, .. })) if *ticket == number)
    }

    /// The argument for the one report of a batch that the application made itself.
    pub fn direct_opaque(&self, key: usize) -> Option<usize> {
        match self.tags.lock().by_key.get(key) {
            Some(Some(RichTag::Direct { opaque, .. })) => Some(*opaque),
            _ => None,
        }
    }

    /// What its sender gave along; 0 for a future.
    pub fn opaque(&self, key: usize) -> usize {
        match self.tags.lock().by_key.get(key) {
            Some(Some(RichTag::Ticketed { opaque, .. } | RichTag::Direct { opaque, .. })) => *opaque,
            _ => 0,
        }
    }

    pub fn take(&self, key: usize) -> Option<RichTag> {
        self.tags.lock().take(key)
    }

    /// Every future whose record is still under way, with its key.
    pub fn futures(&self) -> Vec<(usize, Arc<Future>)> {
        let tags = self.tags.lock();
        let futures = tags.by_key.iter().enumerate().filter_map(|(key, tag)| match tag {
            Some(RichTag::Future(future)) => Some((key, future.clone())),
            _ => None,
        });
        futures.collect()
    }

    /// A batch is finished: its wishes move into it, and its futures are complete. Slots that nobody waits for any more are
    /// dropped, so that nothing is left to be dispatched for a future without callbacks.
    pub(super) fn settle(&self, batch: &mut FinishedBatch) {
        if batch.slots.iter().all(|slot| slot.callback != RICH) {
            return;
        }
        let unwanted = if self.hears_of_all() { SILENT } else { GONE };
        let mut slots = std::mem::take(&mut batch.slots);
        // A future that is kept must not keep them.
        let undelivered = batch.undelivered.take();
        let mut rich = Vec::new();
        {
            let mut tags = self.tags.lock();
            for slot in slots.iter_mut().filter(|slot| slot.callback == RICH) {
                match tags.take(slot.opaque) {
                    None | Some(RichTag::Direct { callback: 0, .. }) => slot.callback = GONE,
                    Some(RichTag::Ticketed { callback: 0, opaque, .. }) => {
                        (slot.callback, slot.opaque) = (unwanted, opaque);
                    }
                    Some(tag) => {
                        slot.opaque = rich.len();
                        rich.push(tag);
                    }
                }
            }
        }
        // Without the lock: completing wakes threads.
        let mut outcome = None;
        for slot in slots.iter_mut().filter(|slot| slot.callback == RICH) {
            if let RichTag::Future(future) = &rich[slot.opaque] {
                let outcome = outcome.get_or_insert_with(|| Arc::new(batch.clone()));
                if !future.complete(outcome, *slot) {
                    (slot.callback, slot.opaque) = (unwanted, 0);
                }
            }
        }
        slots.retain(|slot| slot.callback != GONE);
        batch.slots = slots;
        batch.rich = rich;
        batch.undelivered = undelivered;
    }

    /// Of a batch that was delivered, when only errors are reported: futures still have somebody to tell, and who hears of every
    /// record hears of these.
    pub(super) fn silence(&self, batch: &mut FinishedBatch) {
        let heard = self.heard.load(Ordering::Relaxed);
        let FinishedBatch { slots, rich, .. } = batch;
        slots.retain_mut(|slot| {
            let (opaque, kept) = match rich.get(slot.opaque).filter(|_| slot.callback == RICH) {
                Some(RichTag::Future(_)) => return true,
                Some(RichTag::Ticketed { opaque, .. }) => (*opaque, heard),
                Some(RichTag::Direct { opaque, .. }) => (*opaque, false),
                None => (slot.opaque, heard),
            };
            (slot.callback, slot.opaque) = (SILENT, opaque);
            kept
        });
    }
}

impl FinishedBatch {
    /// What the record of a slot wants, when that is more than a callback.
    pub fn rich_tag(&self, slot: &Slot) -> Option<&RichTag> {
        if slot.callback == RICH { self.rich.get(slot.opaque) } else { None }
    }

    /// Whether the slot is a future's whose callbacks have all been run.
    pub fn is_idle_future(&self, slot: &Slot) -> bool {
        matches!(self.rich_tag(slot), Some(RichTag::Future(future)) if !future.has_callbacks())
    }

    /// Whether a slot's report waits to be copied.
    pub fn is_kept(&self, slot: &Slot) -> bool {
        match self.rich_tag(slot) {
            None => slot.callback == KEPT,
            Some(RichTag::Future(_)) => false,
            Some(RichTag::Ticketed { callback, .. } | RichTag::Direct { callback, .. }) => *callback == KEPT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::reports::{Handed, Item, Persisted, Phase, Reports, Waiting};
    use crate::time::Time;

    fn future() -> Arc<Future> {
        Arc::new(Future::new(Arc::from(c"t")))
    }

    fn slot(callback: usize, opaque: usize, offset_delta: u32) -> Slot {
        Slot { callback, opaque, key_len: -1, value_len: 0, timestamp_delta_ms: 0, offset_delta }
    }

    fn batch(slots: Vec<Slot>) -> FinishedBatch {
        FinishedBatch {
            topic: Arc::from(c"t"),
            partition: 0,
            status: Status::OK,
            persisted: Persisted::Yes,
            phase: Phase::Answered,
            base_offset: 40,
            base_timestamp_ms: 0,
            log_append_time_ms: None,
            broker: 1,
            attempts: 1,
            opened_at: Time(0),
            finished_at: Time(1),
            cause: None,
            record_causes: Vec::new(),
            slots,
            rich: Vec::new(),
            undelivered: None,
        }
    }

    fn polled(reports: &Reports) -> Vec<FinishedBatch> {
        let mut out = Vec::new();
        reports.poll_now(|item| {
            if let Item::Batch { batch, .. } = item {
                out.push(batch.clone());
            }
            Handed::All
        });
        out
    }

    #[test]
    fn a_future_without_callbacks_completes_when_its_batch_is_pushed_and_leaves_nothing_to_dispatch() {
        let reports = Reports::new(10, 6);
        let futures: Vec<Arc<Future>> = (0..3).map(|_| future()).collect();
        let slots = futures.iter().zip(0..).map(|(future, place)| {
            let key = reports.rich.insert(RichTag::Future(future.clone()));
            slot(RICH, key, place)
        });
        reports.push(batch(slots.collect()));
        for (future, place) in futures.iter().zip(0..) {
            let outcome = future.outcome().expect("complete");
            assert_eq!((outcome.slot.offset_delta, outcome.batch.base_offset), (place, 40));
            assert!(outcome.batch.slots.is_empty());
        }
        assert_eq!((reports.pending(), polled(&reports).len()), (0, 0));
        assert!(reports.rich.futures().is_empty());
    }

    #[test]
    fn a_future_whose_callback_waits_is_handed_out_in_its_place() {
        let reports = Reports::new(10, 6);
        let future = future();
        let waiting = Waiting { callback: 70, opaque: 71 };
        assert!(future.when_complete(waiting).is_none());
        let key = reports.rich.insert(RichTag::Future(future.clone()));
        reports.push(batch(vec![slot(9, 1, 0), slot(RICH, key, 1), slot(9, 2, 2)]));
        assert_eq!(reports.pending(), 3);
        let handed = polled(&reports);
        let [handed] = &handed[..] else { panic!("one batch: {handed:?}") };
        assert_eq!(handed.slots.iter().map(|slot| slot.offset_delta).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(handed.rich_tag(&handed.slots[0]).is_none());
        let Some(RichTag::Future(handed)) = handed.rich_tag(&handed.slots[1]) else { panic!("a future") };
        assert_eq!(handed.take_callbacks(), [waiting]);
        assert!(future.when_complete(waiting).is_some(), "a late one is the caller's to run");
        assert_eq!(future.take_callbacks(), []);
    }

    #[test]
    fn a_ticket_without_a_callback_leaves_nothing_to_dispatch() {
        let reports = Reports::new(10, 6);
        let quiet = reports.rich.insert(RichTag::Ticketed { ticket: 1, callback: 0, opaque: 0 });
        let loud = reports.rich.insert(RichTag::Ticketed { ticket: 2, callback: 9, opaque: 5 });
        reports.push(batch(vec![slot(RICH, quiet, 0), slot(RICH, loud, 1)]));
        let handed = polled(&reports);
        assert_eq!(handed[0].slots.len(), 1);
        let tag = handed[0].rich_tag(&handed[0].slots[0]);
        assert!(matches!(tag, Some(RichTag::Ticketed { ticket: 2, callback: 9, opaque: 5 })));
    }

    #[test]
    fn a_key_is_given_again_after_its_wish_was_taken() {
        let tags = RichTags::default();
        assert!(!tags.is_used());
        let first = tags.insert(RichTag::Future(future()));
        assert!(tags.is_used());
        assert!(tags.take(first).is_some() && tags.take(first).is_none());
        assert_eq!(tags.insert(RichTag::Future(future())), first);
        assert!(tags.take(first + 1).is_none());
    }
}
