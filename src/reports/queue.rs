//! The queue of finished batches, of log lines and of data losses, and the one dispatcher at a time that serves it.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::sync::{Condvar, Mutex, MutexGuard};

use super::{DataLoss, FinishedBatch, RichTags, Slot};
use crate::stats::{Health, HealthState, Numbers};
use crate::time::{Micros, Time};

/// Log lines kept for a dispatcher: the latest ones; older ones are counted, not kept.
const LOG_LINES_MAX: usize = 1_000;
/// Slot vectors kept for reuse: a few large batches' worth.
const SPARE_SLOT_VECTORS: usize = 16;
/// Larger vectors than this are not worth keeping (1 MiB of slots).
const SPARE_SLOTS_MAX: usize = 32 << 10;

/// Something an application thread waits for: set by the I/O thread once, with the place in the report queue that must have
/// been dispatched before the wait is over.
#[derive(Debug, Default)]
pub struct Completion(AtomicU64);

impl Completion {
    /// The place, when it is complete.
    fn place(&self) -> Option<u64> {
        self.0.load(Ordering::Acquire).checked_sub(1)
    }

    pub fn is_complete(&self) -> bool {
        self.place().is_some()
    }
}

/// A line for the log callback. Levels are syslog's: 3 error, 4 warning, 5 notice, 6 info, 7 debug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub level: i32,
    pub facility: &'static str,
    pub text: String,
}

/// What a dispatcher hands to the application.
#[derive(Debug)]
pub enum Item<'a> {
    Batch(&'a FinishedBatch),
    Log(&'a LogLine),
    DataLoss(&'a DataLoss),
    /// The producer's state of health is another.
    Health(&'a Health),
    /// The numbers as JSON: `statistics.interval.ms` has passed.
    Stats(&'a str),
}

/// How a dispatch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// So many records were reported; what was waited for came.
    Done(usize),
    /// So many records were reported; the deadline passed first.
    TimedOut(usize),
    /// So many records were reported; the producer has ended, and what was waited for does not come any more.
    Ended(usize),
    /// This thread is inside a dispatch of the same producer.
    Reentered,
}

/// Tells threads that live at the same time from each other. `std::thread::current` panics in a thread that is ending, and
/// destructors of thread-specific data may well flush.
type ThreadMark = usize;

fn this_thread() -> ThreadMark {
    thread_local! {
        static MARK: Cell<u8> = const { Cell::new(0) };
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

#[derive(Default)]
struct State {
    batches: VecDeque<FinishedBatch>,
    logs: VecDeque<LogLine>,
    logs_dropped: u64,
    /// One per partition, which bounds them: none may get lost.
    losses: BTreeMap<(Arc<CStr>, i32), DataLoss>,
    /// The latest change of health that nobody has taken, and the state that was last taken.
    health: Option<Health>,
    health_told: Option<HealthState>,
    /// Numbers are due: made by whoever dispatches, so that they are never older than that and never more than one.
    stats_due: bool,
    /// Batches ever pushed, and ever dispatched with their callbacks returned.
    pushed: u64,
    dispatched: u64,
    /// One dispatcher at a time keeps reports of a partition in order; its thread's mark recognises a call from a callback.
    dispatcher: Option<ThreadMark>,
    spare_slots: Vec<Vec<Slot>>,
    /// The producer is closing: whoever waits for reports to come goes home.
    shut: bool,
}

impl State {
    /// Whether there is nothing to hand out.
    fn is_empty(&self) -> bool {
        let no_news = self.logs.is_empty() && self.losses.is_empty() && self.health.is_none() && !self.stats_due;
        no_news && self.batches.is_empty()
    }
}

pub struct Reports {
    /// What records want that have more than a callback.
    pub rich: RichTags,
    state: Mutex<State>,
    changed: Condvar,
    /// Records in `batches`: read by every send, without the lock.
    pending: AtomicUsize,
    pending_max: usize,
    log_level_max: i32,
    numbers: Arc<Numbers>,
    news: OnceLock<Box<dyn NewsSource>>,
}

/// What news are made from at the moment they are handed out.
pub trait NewsSource: Send + Sync {
    /// The numbers as JSON; `None`: the producer is gone.
    fn stats_json(&self) -> Option<String>;
    fn age(&self, since: Time) -> Micros;
}

impl Reports {
    /// `pending_max` bounds the records whose reports nobody takes; lines above `log_level_max` are dropped (-1: all).
    pub fn new(pending_max: usize, log_level_max: i32) -> Reports {
        Reports {
            rich: RichTags::default(),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            pending: AtomicUsize::new(0),
            pending_max,
            log_level_max,
            numbers: Arc::default(),
            news: OnceLock::new(),
        }
    }

    /// A batch is finished. Nothing is kept of it when no record of it wants a report.
    pub fn push(&self, batch: FinishedBatch) {
        self.push_all(&mut vec![batch]);
    }

    /// Batches that finished together, in order; `batches` is emptied.
    pub fn push_all(&self, batches: &mut Vec<FinishedBatch>) {
        if self.rich.is_used() {
            batches.iter_mut().for_each(|batch| self.rich.settle(batch));
        }
        batches.retain(|batch| !batch.slots.is_empty());
        if batches.is_empty() {
            return;
        }
        self.pending.fetch_add(batches.iter().map(|batch| batch.slots.len()).sum(), Ordering::Relaxed);
        let mut state = self.state.lock();
        state.pushed += batches.len() as u64;
        state.batches.extend(batches.drain(..));
        self.changed.notify_all();
    }

    /// Marks a completion: everything pushed so far belongs to it.
    pub fn complete(&self, completion: &Completion) {
        let state = self.state.lock();
        completion.0.store(state.pushed + 1, Ordering::Release);
        self.changed.notify_all();
    }

    pub fn log(&self, level: i32, facility: &'static str, text: impl FnOnce() -> String) {
        if level > self.log_level_max {
            return;
        }
        let line = LogLine { level, facility, text: text() };
        let mut state = self.state.lock();
        if state.logs.len() == LOG_LINES_MAX {
            state.logs.pop_front();
            state.logs_dropped += 1;
        }
        state.logs.push_back(line);
        self.changed.notify_all();
    }

    /// Tells of a loss. Losses of one partition that nobody has taken yet become one: the latest words, and the highest
    /// offset, up to which nothing is sure.
    pub fn data_loss(&self, loss: DataLoss) {
        let mut state = self.state.lock();
        let acked_offset = loss.acked_offset;
        let kept = state.losses.entry((loss.topic.clone(), loss.partition)).or_insert_with(|| loss.clone());
        kept.acked_offset = kept.acked_offset.max(acked_offset);
        kept.text = loss.text;
        self.changed.notify_all();
    }

    /// What the producer counts.
    pub fn numbers(&self) -> &Arc<Numbers> {
        &self.numbers
    }

    /// Sets what news are made from; without it there are no numbers.
    pub fn set_news_source(&self, source: impl NewsSource + 'static) {
        // A second call would come from a second producer, which no queue has.
        let _ = self.news.set(Box::new(source));
    }

    /// The state of health is another. Changes that nobody has taken yet become one, the latest.
    pub fn health_changed(&self, health: Health) {
        let mut state = self.state.lock();
        // Back at what was last told: there is nothing to tell.
        state.health = if state.health_told == Some(health.state) { None } else { Some(health) };
        self.changed.notify_all();
    }

    /// Numbers are due. What was due before and nobody took is the same.
    pub fn stats_due(&self) {
        self.state.lock().stats_due = true;
        self.changed.notify_all();
    }

    /// Whether so many reports wait that sending must stop until some are taken.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.pending.load(Ordering::Relaxed) >= self.pending_max
    }

    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Whether this thread is inside a dispatch of this producer, that is, in one of its callbacks.
    pub fn in_callback(&self) -> bool {
        self.state.lock().dispatcher == Some(this_thread())
    }

    /// An empty vector for slots, with the room it had before.
    pub fn spare_slots(&self) -> Option<Vec<Slot>> {
        self.state.lock().spare_slots.pop()
    }

    /// Dispatches what is there now; with no report there, waits for the first to come until `deadline` (`None`: for
    /// ever), and serves log lines meanwhile.
    pub fn poll(&self, deadline: Option<Instant>, hand: impl FnMut(Item<'_>)) -> Dispatch {
        self.poll_while(|state| self.wait(state, deadline), hand)
    }

    /// Dispatches what is there now. With nothing there it is one look under a lock: a wait, even one of no time, would be
    /// a system call that gives the processor away.
    pub fn poll_now(&self, hand: impl FnMut(Item<'_>)) -> Dispatch {
        self.poll_while(|_| false, hand)
    }

    fn poll_while<'a>(
        &'a self,
        mut wait: impl FnMut(&mut MutexGuard<'a, State>) -> bool,
        mut hand: impl FnMut(Item<'_>),
    ) -> Dispatch {
        let mut state = self.state.lock();
        if state.dispatcher == Some(this_thread()) {
            return Dispatch::Reentered;
        }
        loop {
            if state.dispatcher.is_none() && !state.is_empty() {
                drop(state);
                let reported = self.drain(&mut hand);
                if reported > 0 {
                    return Dispatch::Done(reported);
                }
                // Log lines and losses only, or another thread was faster.
                state = self.state.lock();
            } else if state.shut {
                return Dispatch::Ended(0);
            } else if !wait(&mut state) {
                return Dispatch::TimedOut(0);
            }
        }
    }

    /// Dispatches until the completion is reached and everything that belongs to it has been reported.
    pub fn wait_for(
        &self,
        completion: &Completion,
        deadline: Option<Instant>,
        mut hand: impl FnMut(Item<'_>),
    ) -> Dispatch {
        let mut reported = 0;
        let mut state = self.state.lock();
        if state.dispatcher == Some(this_thread()) {
            return Dispatch::Reentered;
        }
        loop {
            if completion.place().is_some_and(|place| state.dispatched >= place) {
                return Dispatch::Done(reported);
            }
            if state.dispatcher.is_none() && !state.is_empty() {
                drop(state);
                reported += self.drain(&mut hand);
                state = self.state.lock();
            } else if state.shut {
                return Dispatch::Ended(reported);
            } else if !self.wait(&mut state, deadline) {
                return Dispatch::TimedOut(reported);
            }
        }
    }

    /// Waits for a completion without dispatching anything: for commands that the I/O thread carries out at once. False
    /// when that is not done by `deadline`.
    pub fn wait_complete(&self, completion: &Completion, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while !completion.is_complete() && !state.shut {
            if !self.wait(&mut state, deadline) {
                break;
            }
        }
        completion.is_complete()
    }

    /// Whether nothing will be pushed any more.
    pub fn is_shut(&self) -> bool {
        self.state.lock().shut
    }

    /// Nothing will be pushed any more: threads that wait in `poll` return.
    pub fn shut(&self) {
        self.state.lock().shut = true;
        self.changed.notify_all();
    }

    /// Dispatches everything that is left; false when another thread's callback did not return before the deadline.
    pub fn drain_all(&self, deadline: Option<Instant>, mut hand: impl FnMut(Item<'_>)) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.dispatcher.is_none() {
                if state.is_empty() {
                    return true;
                }
                drop(state);
                self.drain(&mut hand);
                state = self.state.lock();
            } else if !self.wait(&mut state, deadline) {
                return false;
            }
        }
    }

    /// Serves log lines and losses first, then every batch that is there now: later ones are for the next call, so that a fast
    /// sender does not keep this one for ever.
    fn drain(&self, hand: &mut impl FnMut(Item<'_>)) -> usize {
        let (mut batches, logs, dropped, losses, health, stats_due) = {
            let mut state = self.state.lock();
            if state.dispatcher.is_some() {
                return 0;
            }
            state.dispatcher = Some(this_thread());
            let dropped = std::mem::take(&mut state.logs_dropped);
            let losses = std::mem::take(&mut state.losses);
            let health = state.health.take();
            state.health_told = health.as_ref().map(|health| health.state).or(state.health_told);
            let stats_due = std::mem::take(&mut state.stats_due);
            let batches = std::mem::take(&mut state.batches);
            (batches, std::mem::take(&mut state.logs), dropped, losses, health, stats_due)
        };
        // Gives the dispatcher's place back even when `hand` panics.
        let mut turn = Turn { reports: self, dispatched: 0, spare: Vec::new() };
        if dropped > 0 {
            let text = format!("{dropped} log lines were dropped because nobody polled");
            hand(Item::Log(&LogLine { level: 4, facility: "LOG", text }));
        }
        for line in &logs {
            hand(Item::Log(line));
        }
        for loss in losses.values() {
            hand(Item::DataLoss(loss));
        }
        let news = self.news.get();
        if let Some(mut health) = health {
            health.age = news.map_or(Micros::ZERO, |news| news.age(health.since));
            hand(Item::Health(&health));
        }
        if stats_due && let Some(json) = news.and_then(|news| news.stats_json()) {
            hand(Item::Stats(&json));
        }
        let mut reported = 0;
        for batch in &mut batches {
            self.pending.fetch_sub(batch.slots.len(), Ordering::Relaxed);
            turn.dispatched += 1;
            reported += batch.slots.len();
            hand(Item::Batch(batch));
            if turn.spare.len() < SPARE_SLOT_VECTORS && batch.slots.capacity() <= SPARE_SLOTS_MAX {
                let mut slots = std::mem::take(&mut batch.slots);
                slots.clear();
                turn.spare.push(slots);
            }
        }
        reported
    }

    /// False when the deadline has passed.
    fn wait(&self, state: &mut MutexGuard<'_, State>, deadline: Option<Instant>) -> bool {
        match deadline {
            None => {
                self.changed.wait(state);
                true
            }
            Some(deadline) => !self.changed.wait_until(state, deadline).timed_out(),
        }
    }
}

/// One dispatcher's turn. Ending it lets the next thread serve reports and tells waiting flushes how far it came.
struct Turn<'a> {
    reports: &'a Reports,
    dispatched: u64,
    spare: Vec<Vec<Slot>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.reports.state.lock();
        state.dispatcher = None;
        state.dispatched += self.dispatched;
        let room = SPARE_SLOT_VECTORS.saturating_sub(state.spare_slots.len());
        state.spare_slots.extend(self.spare.drain(..).take(room));
        self.reports.changed.notify_all();
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // Waiting threads are tested in real time.
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::reports::{Persisted, Phase};
    use crate::time::Time;
    use std::time::Duration;

    fn batch(records: u32) -> FinishedBatch {
        let slot = |offset_delta| Slot {
            callback: 1,
            opaque: offset_delta as usize,
            key_len: -1,
            value_len: 0,
            timestamp_delta_ms: 0,
            offset_delta,
        };
        FinishedBatch {
            topic: Arc::from(c"t"),
            partition: 0,
            status: Status::OK,
            persisted: Persisted::Yes,
            phase: Phase::Answered,
            base_offset: 0,
            base_timestamp_ms: 0,
            log_append_time_ms: None,
            broker: 1,
            attempts: 1,
            opened_at: Time(0),
            finished_at: Time(1),
            cause: None,
            record_causes: Vec::new(),
            slots: (0..records).map(slot).collect(),
            rich: Vec::new(),
        }
    }

    fn now() -> Option<Instant> {
        Some(Instant::now())
    }

    #[test]
    fn a_batch_without_slots_leaves_nothing_behind() {
        let reports = Reports::new(10, 6);
        reports.push(batch(0));
        assert_eq!(reports.poll(now(), |_| panic!("nothing to hand out")), Dispatch::TimedOut(0));
    }

    #[test]
    fn the_bound_counts_records_until_they_are_taken() {
        let reports = Reports::new(3, 6);
        reports.push(batch(2));
        assert!(!reports.is_full());
        reports.push(batch(1));
        assert!(reports.is_full());
        assert_eq!(reports.poll(now(), |_| ()), Dispatch::Done(3));
        assert!(!reports.is_full());
        assert_eq!(reports.spare_slots().map(|slots| slots.len()), Some(0));
    }

    #[test]
    fn a_completion_waits_for_what_was_pushed_before_it_and_not_for_later() {
        let reports = Reports::new(100, 6);
        let completion = Completion::default();
        assert_eq!(reports.wait_for(&completion, now(), |_| ()), Dispatch::TimedOut(0));
        reports.push(batch(1));
        reports.complete(&completion);
        let mut handed = 0;
        assert_eq!(reports.wait_for(&completion, now(), |_| handed += 1), Dispatch::Done(1));
        reports.push(batch(1));
        assert_eq!(reports.wait_for(&completion, now(), |_| handed += 1), Dispatch::Done(0));
        assert_eq!(handed, 1);
    }

    #[test]
    fn a_dispatch_inside_a_dispatch_is_recognised() {
        let reports = Reports::new(100, 6);
        reports.push(batch(1));
        let mut inner = None;
        reports.poll(now(), |_| {
            assert!(reports.in_callback());
            inner = Some(reports.poll(now(), |_| ()));
        });
        assert_eq!(inner, Some(Dispatch::Reentered));
        assert!(!reports.in_callback());
    }

    #[test]
    fn a_poll_without_time_hands_out_what_is_there() {
        let reports = Reports::new(100, 6);
        assert_eq!(reports.poll_now(|_| ()), Dispatch::TimedOut(0));
        reports.push(batch(2));
        assert_eq!(reports.poll_now(|_| ()), Dispatch::Done(2));
    }

    #[test]
    fn a_waiting_poll_wakes_when_a_batch_comes() {
        let reports = Arc::new(Reports::new(100, 6));
        let theirs = reports.clone();
        let soon = Instant::now() + Duration::from_secs(20);
        let poller = std::thread::spawn(move || theirs.poll(Some(soon), |_| ()));
        reports.push(batch(2));
        assert_eq!(poller.join().expect("no panic"), Dispatch::Done(2));
    }

    #[test]
    fn log_lines_do_not_end_the_wait_for_reports() {
        let reports = Arc::new(Reports::new(100, 6));
        reports.log(6, "X", || "line".into());
        let (told, lines) = std::sync::mpsc::channel();
        let theirs = reports.clone();
        let poller = std::thread::spawn(move || {
            theirs.poll(None, |item| {
                if let Item::Log(_) = item {
                    told.send(()).expect("the test listens");
                }
            })
        });
        lines.recv().expect("the line");
        reports.push(batch(2));
        assert_eq!(poller.join().expect("no panic"), Dispatch::Done(2));
    }

    #[test]
    fn waits_of_other_threads_end_when_the_producer_does() {
        let reports = Reports::new(100, 6);
        reports.push(batch(1));
        reports.shut();
        assert_eq!(reports.poll(None, |_| ()), Dispatch::Done(1), "what is there is still served");
        assert_eq!(reports.poll(None, |_| ()), Dispatch::Ended(0));
        assert_eq!(reports.wait_for(&Completion::default(), None, |_| ()), Dispatch::Ended(0));
        assert!(!reports.wait_complete(&Completion::default(), None), "it will not happen any more");
    }

    #[test]
    fn log_lines_are_bounded_and_the_loss_is_told() {
        let reports = Reports::new(100, 6);
        reports.log(7, "X", || unreachable!("above the level"));
        for _ in 0..LOG_LINES_MAX + 5 {
            reports.log(6, "X", || "line".into());
        }
        let mut lines = Vec::new();
        reports.poll(now(), |item| {
            if let Item::Log(line) = item {
                lines.push(line.text.clone());
            }
        });
        assert_eq!(lines.len(), LOG_LINES_MAX + 1);
        assert_eq!(lines.first().map(String::as_str), Some("5 log lines were dropped because nobody polled"));
    }

    #[test]
    fn losses_of_a_partition_become_one_and_none_is_dropped() {
        let reports = Reports::new(100, -1);
        let loss = |partition, acked_offset, text: &CStr| DataLoss {
            topic: Arc::from(c"t"),
            partition,
            acked_offset,
            text: Arc::from(text),
        };
        for partition in 0..5_000 {
            reports.data_loss(loss(partition, 7, c"first"));
        }
        reports.data_loss(loss(3, 5, c"second"));
        let mut told = Vec::new();
        let ended = reports.poll(now(), |item| {
            if let Item::DataLoss(loss) = item {
                told.push(loss.clone());
            }
        });
        assert_eq!(ended, Dispatch::TimedOut(0), "a loss is no report");
        assert_eq!(told.len(), 5_000);
        assert_eq!(told[3], loss(3, 7, c"second"));
    }
}
