//! One dispatcher's turn: what it has taken out of the queue, handed out item by item, with the rest going back.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::stats::{Health, HealthState};
use crate::time::Micros;

use super::{DataLoss, FinishedBatch, Handed, Item, Leaving, LogLine, Reports, Slot, State, View, this_thread};

/// Slot vectors kept for reuse: a few large batches' worth.
const SPARE_SLOT_VECTORS: usize = 16;
/// Larger vectors than this are not worth keeping (1 MiB of slots).
const SPARE_SLOTS_MAX: usize = 32 << 10;

/// Finished batches in their order.
#[derive(Default)]
pub(super) struct Line {
    pub batches: VecDeque<FinishedBatch>,
    /// Slots of the first batch that have been handed out.
    from: usize,
}

impl Line {
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Drops, in front, futures whose callbacks were run elsewhere. Answers how many, and how many batches they left empty.
    pub fn forget_idle_futures(&mut self) -> (usize, u64) {
        let (mut slots, mut batches) = (0, 0);
        while let Some(batch) = self.batches.front_mut() {
            // From the end: nothing moves, and what is not idle ends it at once the next time too.
            while batch.slots.len() > self.from && batch.slots.last().is_some_and(|slot| batch.is_idle_future(slot)) {
                batch.slots.pop();
                slots += 1;
            }
            if batch.slots.len() > self.from || batch.undelivered.is_some() {
                break;
            }
            self.batches.pop_front();
            self.from = 0;
            batches += 1;
        }
        (slots, batches)
    }

    /// Puts what a dispatcher left back before what has come meanwhile.
    fn put_back(&mut self, mut rest: Line) {
        if !rest.is_empty() {
            rest.batches.append(&mut self.batches);
            *self = rest;
        }
    }
}

/// How far a turn came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Served {
    /// Records.
    pub reported: usize,
    /// `hand` wanted no more.
    pub cut: bool,
    /// Because a callback did not return.
    pub left: Option<Leaving>,
}

/// Ending it lets the next thread serve reports and tells waiting flushes how far this one came.
pub(super) struct Turn<'a> {
    reports: &'a Reports,
    view: View,
    line: Line,
    kept: Line,
    logs: VecDeque<LogLine>,
    losses: BTreeMap<(Arc<CStr>, i32), DataLoss>,
    health: Option<Health>,
    /// The state of health that was told before this turn.
    told_before: Option<HealthState>,
    stats_due: bool,
    /// Batches of the line that are done with.
    dispatched: u64,
    /// Taken out of the line for those who copy reports.
    set_aside: VecDeque<FinishedBatch>,
    spare: Vec<Vec<Slot>>,
}

impl<'a> Turn<'a> {
    /// Takes everything that `view` may take. Nobody else has a turn.
    pub fn new(reports: &'a Reports, state: &mut State, view: View) -> Turn<'a> {
        state.dispatcher = Some(this_thread());
        let mut turn = Turn {
            reports,
            view,
            line: Line::default(),
            kept: Line::default(),
            logs: VecDeque::new(),
            losses: BTreeMap::new(),
            health: None,
            told_before: None,
            stats_due: false,
            dispatched: 0,
            set_aside: VecDeque::new(),
            spare: Vec::new(),
        };
        if view == View::Array {
            turn.kept = std::mem::take(&mut state.kept);
        }
        if view == View::Thread || !state.threaded {
            turn.line = std::mem::take(&mut state.line);
            turn.logs = std::mem::take(&mut state.logs);
            turn.losses = std::mem::take(&mut state.losses);
            turn.health = state.health.take();
            turn.told_before = state.health_told;
            if let Some(health) = &turn.health {
                state.health_told = Some(health.state);
            }
            turn.stats_due = std::mem::take(&mut state.stats_due);
            let dropped = std::mem::take(&mut state.logs_dropped);
            if dropped > 0 {
                let text = format!("{dropped} log lines were dropped because nobody polled");
                turn.logs.push_front(LogLine { level: 4, facility: "LOG", text });
            }
        }
        state.show();
        turn
    }

    pub fn serve(&mut self, hand: &mut impl FnMut(Item<'_>) -> Handed) -> Served {
        let mut served = Served::default();
        self.serve_news(hand, &mut served);
        while !served.cut
            && let Some(batch) = self.kept.batches.pop_front()
        {
            let from = std::mem::take(&mut self.kept.from);
            if let Some(rest) = self.hand_batch(batch, from, hand, &mut served) {
                self.kept.batches.push_front(rest.0);
                self.kept.from = rest.1;
            }
        }
        while !served.cut
            && let Some(batch) = self.line.batches.pop_front()
        {
            let from = std::mem::take(&mut self.line.from);
            match self.hand_batch(batch, from, hand, &mut served) {
                Some(rest) => {
                    self.line.batches.push_front(rest.0);
                    self.line.from = rest.1;
                }
                None => self.dispatched += 1,
            }
        }
        served
    }

    /// Everything but reports.
    fn serve_news(&mut self, hand: &mut impl FnMut(Item<'_>) -> Handed, served: &mut Served) {
        let mut cut = |item: Item<'_>| {
            match hand(item) {
                Handed::All | Handed::AllButKept => {}
                Handed::Part(_) => served.cut = true,
                Handed::Left(_, how) => (served.cut, served.left) = (true, Some(how)),
            }
            served.cut
        };
        while let Some(line) = self.logs.pop_front() {
            if cut(Item::Log(&line)) {
                return;
            }
        }
        while let Some((_, loss)) = self.losses.pop_first() {
            if cut(Item::DataLoss(&loss)) {
                return;
            }
        }
        let news = self.reports.news.get();
        if let Some(mut health) = self.health.take() {
            health.age = news.map_or(Micros::ZERO, |news| news.age(health.since));
            if cut(Item::Health(&health)) {
                return;
            }
        }
        if std::mem::take(&mut self.stats_due)
            && let Some(json) = news.and_then(|news| news.stats_json())
        {
            cut(Item::Stats(&json));
        }
    }

    /// Hands one batch out from its slot `from` on. Gives it back, with the place to go on from, when not all of it was taken.
    fn hand_batch(
        &mut self,
        mut batch: FinishedBatch,
        from: usize,
        hand: &mut impl FnMut(Item<'_>) -> Handed,
        served: &mut Served,
    ) -> Option<(FinishedBatch, usize)> {
        let waiting = batch.slots.len() - from;
        // Before its callbacks run: they may send, and have taken what they get.
        self.reports.pending.fetch_sub(waiting, Ordering::Relaxed);
        let mut untouched = false;
        let (taken, kept) = match hand(Item::Batch { batch: &batch, from }) {
            Handed::All => (waiting, 0),
            Handed::AllButKept => (waiting, self.set_aside(&mut batch, from..from + waiting)),
            cut @ (Handed::Part(taken) | Handed::Left(taken, _)) => {
                if let Handed::Left(_, how) = cut {
                    served.left = Some(how);
                }
                (served.cut, untouched) = (true, taken == 0);
                let taken = taken.min(waiting);
                (taken, self.set_aside(&mut batch, from..from + taken))
            }
        };
        served.reported += taken - kept;
        self.reports.pending.fetch_add(waiting - taken + kept, Ordering::Relaxed);
        // One that has no slots at all is left too, when nothing was wanted of it: it has other things to tell.
        if taken < waiting || untouched {
            return Some((batch, from + taken));
        }
        if self.spare.len() < SPARE_SLOT_VECTORS && batch.slots.capacity() <= SPARE_SLOTS_MAX {
            batch.slots.clear();
            self.spare.push(batch.slots);
        }
        None
    }

    /// Keeps those of these slots that wait to be copied. Answers how many.
    #[cold]
    fn set_aside(&mut self, batch: &mut FinishedBatch, taken: Range<usize>) -> usize {
        if self.view == View::Array {
            // They have just been copied.
            return 0;
        }
        let kept: Vec<Slot> = batch.slots[taken].iter().filter(|slot| batch.is_kept(slot)).copied().collect();
        let count = kept.len();
        if count > 0 {
            let slots = std::mem::take(&mut batch.slots);
            self.set_aside.push_back(FinishedBatch { slots: kept, undelivered: None, ..batch.clone() });
            batch.slots = slots;
        }
        count
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.reports.state.lock();
        state.dispatcher = None;
        state.dispatched += self.dispatched;
        state.line.put_back(std::mem::take(&mut self.line));
        state.kept.put_back(std::mem::take(&mut self.kept));
        state.kept.batches.append(&mut self.set_aside);
        if !self.logs.is_empty() {
            self.logs.append(&mut state.logs);
            state.logs = std::mem::take(&mut self.logs);
        }
        while let Some((_, loss)) = self.losses.pop_first() {
            // The words of a newer one stay.
            state.merge_loss(loss);
        }
        if let Some(health) = self.health.take() {
            // It was not told. A newer state replaces it; back at what was told before, there is nothing to tell.
            state.health_told = self.told_before;
            let waiting = state.health.take().unwrap_or(health);
            state.health = if state.health_told == Some(waiting.state) { None } else { Some(waiting) };
        }
        state.stats_due |= self.stats_due;
        let room = SPARE_SLOT_VECTORS.saturating_sub(state.spare_slots.len());
        state.spare_slots.extend(self.spare.drain(..).take(room));
        state.show();
        self.reports.look_for_room();
        self.reports.changed.notify_all();
    }
}
