//! The queue of finished batches, of log lines and of data losses, and the one dispatcher at a time that serves it.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::sync::{Condvar, Mutex, MutexGuard};

use super::{DataLoss, FinishedBatch, RichTags, Slot, UndeliveredTo};
use crate::stats::{Health, HealthState, Numbers};
use crate::text::clean;
use crate::time::{Micros, Time};

mod ending;
#[cfg(test)]
mod tests;
mod turn;

use super::level::Level;
use super::{Lack, Room};
use crate::error::Status;
use turn::{Line, Served, Turn};

/// Log lines kept for a dispatcher: the latest ones; older ones are counted, not kept.
const LOG_LINES_MAX: usize = 1_000;

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

/// A slot with this callback has none: its report waits until it is copied. No function has this address.
pub const KEPT: usize = 2;

/// What a dispatcher hands to the application.
#[derive(Debug)]
pub enum Item<'a> {
    /// The records of its slots from `from` on: those before were handed out by an earlier dispatch.
    Batch {
        batch: &'a FinishedBatch,
        from: usize,
    },
    Log(&'a LogLine),
    DataLoss(&'a DataLoss),
    /// The producer's state of health is another.
    Health(&'a Health),
    /// The numbers as JSON: `statistics.interval.ms` has passed.
    Stats(&'a str),
}

/// How far an item was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Handed {
    /// All of it: the next one may come.
    All,
    /// All of it but the slots whose callback is `KEPT`: these are kept for who copies reports.
    AllButKept,
    /// So many of a batch's remaining slots, and no more now: the rest, and everything behind it, is for the next dispatch.
    /// `KEPT` ones among them are kept. A batch without slots is done with by 1, and left by 0.
    Part(usize),
    /// As `Part`: a callback did not return, and what it has left by is to go on when nothing of the dispatch is left.
    Left(usize, Leaving),
}

/// How a callback left that did not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It ended its thread.
    Thread,
    /// It threw an exception.
    Exception,
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
    /// So many records were reported; a callback did not return, and this call has to end.
    Left(usize),
    /// This thread is inside a dispatch of the same producer, or in code that it calls while sending.
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

/// Who takes what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// A thread of the application that runs callbacks.
    Callbacks,
    /// A thread of the application that copies reports.
    Array,
    /// The library's own dispatching thread.
    Thread,
}

#[derive(Default)]
struct State {
    line: Line,
    /// Reports that callbacks do not get: they wait to be copied.
    kept: Line,
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
    /// A thread of the library's own runs the callbacks, and nobody else does.
    threaded: bool,
    spare_slots: Vec<Vec<Slot>>,
    /// For event loops; made when it is first asked for.
    level: Option<Level>,
    /// The producer is closing: whoever waits for reports to come goes home.
    shut: bool,
    /// Closing did not wait any longer for a callback on another thread: that thread hands out what is left.
    abandoned: bool,
}

impl State {
    fn has_callbacks_due(&self) -> bool {
        let news = !self.logs.is_empty() || !self.losses.is_empty() || self.health.is_some() || self.stats_due;
        news || !self.line.is_empty()
    }

    /// Shows event loops whether there is something that can be dispatched or taken, or an end to hear of.
    fn show(&mut self) {
        // Nobody watches most producers.
        if self.level.is_some() {
            // While somebody has a turn nothing can be taken.
            let high = self.shut || self.dispatcher.is_none() && self.has_for(View::Array);
            self.level.iter_mut().for_each(|level| level.set(high));
        }
    }

    /// The loss of this partition that waits, with the highest offset of both.
    fn merge_loss(&mut self, loss: DataLoss) -> &mut DataLoss {
        let acked_offset = loss.acked_offset;
        let kept = self.losses.entry((loss.topic.clone(), loss.partition)).or_insert(loss);
        kept.acked_offset = kept.acked_offset.max(acked_offset);
        kept
    }

    /// Whether there is something that this view may take.
    fn has_for(&self, view: View) -> bool {
        match view {
            View::Thread => self.has_callbacks_due(),
            View::Callbacks => !self.threaded && self.has_callbacks_due(),
            View::Array => !self.kept.is_empty() || !self.threaded && self.has_callbacks_due(),
        }
    }
}

pub struct Reports {
    /// What records want that have more than a callback.
    pub rich: RichTags,
    /// Whether sends find room, for event loops.
    pub room: Arc<Room>,
    /// Who is handed, from now on, what is not delivered.
    undelivered_to: OnceLock<UndeliveredTo>,
    state: Mutex<State>,
    changed: Condvar,
    /// Records whose reports wait: read by every send, without the lock.
    pending: AtomicUsize,
    pending_max: usize,
    log_level_max: i32,
    /// Records that were delivered make no report.
    only_errors: bool,
    /// What the strings point to that a thread was given with copied reports, until its next call.
    lent: Mutex<BTreeMap<ThreadMark, Vec<Arc<CStr>>>>,
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
            room: Arc::default(),
            undelivered_to: OnceLock::new(),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            pending: AtomicUsize::new(0),
            pending_max,
            log_level_max,
            only_errors: false,
            lent: Mutex::default(),
            numbers: Arc::default(),
            news: OnceLock::new(),
        }
    }

    /// `delivery.report.only.error`.
    pub fn with_only_errors(self, only_errors: bool) -> Reports {
        Reports { only_errors, ..self }
    }

    /// What is not delivered from now on is handed back with its bytes.
    pub fn hand_undelivered_to(&self, to: UndeliveredTo) {
        // Only the call that closes says so, and there is one.
        let _ = self.undelivered_to.set(to);
    }

    #[inline]
    pub fn undelivered_to(&self) -> Option<UndeliveredTo> {
        self.undelivered_to.get().copied()
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
        if self.only_errors {
            let delivered = batches.iter_mut().filter(|batch| batch.status == Status::OK);
            delivered.for_each(|batch| self.rich.silence(batch));
        }
        batches.retain(|batch| !batch.slots.is_empty() || batch.undelivered.is_some());
        if batches.is_empty() {
            return;
        }
        self.pending.fetch_add(batches.iter().map(|batch| batch.slots.len()).sum(), Ordering::Relaxed);
        let mut state = self.state.lock();
        state.pushed += batches.len() as u64;
        state.line.batches.extend(batches.drain(..));
        state.show();
        self.changed.notify_all();
    }

    /// Callbacks of futures were run by a thread that awaited them: nobody need dispatch what has none left.
    pub fn forget_idle_futures(&self) {
        let mut state = self.state.lock();
        if state.dispatcher.is_some() || self.rich.hears_of_all() {
            // Somebody comes by them with the rest, or has to.
            return;
        }
        let (slots, batches) = state.line.forget_idle_futures();
        self.pending.fetch_sub(slots, Ordering::Relaxed);
        state.dispatched += batches;
        if batches > 0 {
            state.show();
            self.changed.notify_all();
        }
        self.look_for_room();
    }

    /// Whether a completion is reached and everything that belongs to it was dispatched: `wait_for` would not wait.
    pub fn has_reached(&self, completion: &Completion) -> bool {
        completion.place().is_some_and(|place| self.state.lock().dispatched >= place)
    }

    /// Marks a completion to which nothing belongs.
    pub fn complete_empty(&self, completion: &Completion) {
        completion.0.store(1, Ordering::Release);
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
        // Whatever brokers, certificates and resolvers have put into it.
        let line = LogLine { level, facility, text: clean(text()) };
        let mut state = self.state.lock();
        if state.logs.len() == LOG_LINES_MAX {
            state.logs.pop_front();
            state.logs_dropped += 1;
        }
        state.logs.push_back(line);
        state.show();
        self.changed.notify_all();
    }

    /// Tells of a loss. Losses of one partition that nobody has taken yet become one: the latest words, and the highest
    /// offset, up to which nothing is sure.
    pub fn data_loss(&self, loss: DataLoss) {
        let mut state = self.state.lock();
        let text = loss.text.clone();
        state.merge_loss(loss).text = text;
        state.show();
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
        state.show();
        self.changed.notify_all();
    }

    /// Numbers are due. What was due before and nobody took is the same.
    pub fn stats_due(&self) {
        let mut state = self.state.lock();
        state.stats_due = true;
        state.show();
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

    /// A send is refused because too many wait: event loops hear when that is over.
    #[cold]
    pub fn refuse_for_reports(&self) {
        // Under the lock under which they are taken, or the last one may go between the look and the note.
        let _state = self.state.lock();
        if self.is_full() {
            self.room.lacks(Lack::Reports);
        }
    }

    /// Reports have been taken: event loops hear of room when an eighth is free, and not at every single one.
    fn look_for_room(&self) {
        if self.room.is_lacking(Lack::Reports) {
            let enough = (self.pending_max - self.pending_max / 8).min(self.pending_max - 1);
            if self.pending() <= enough {
                self.room.regains(Lack::Reports);
            }
        }
    }

    /// The descriptor that is readable while something waits to be dispatched or taken.
    pub fn descriptor(&self) -> io::Result<RawFd> {
        let mut state = self.state.lock();
        if state.level.is_none() {
            state.level = Some(Level::new()?);
        }
        state.show();
        Ok(state.level.as_ref().map_or(-1, Level::descriptor))
    }

    /// Keeps what this thread was lent by its last copying call, and lets what it was lent before go.
    pub fn lend(&self, texts: Vec<Arc<CStr>>) {
        let mut lent = self.lent.lock();
        let before = if texts.is_empty() { lent.remove(&this_thread()) } else { lent.insert(this_thread(), texts) };
        drop(lent);
        drop(before);
    }

    /// Whether this thread is inside a dispatch of this producer, that is, in one of its callbacks.
    pub fn in_callback(&self) -> bool {
        self.state.lock().dispatcher == Some(this_thread()) || self.is_called_out()
    }

    /// An empty vector for slots, with the room it had before.
    pub fn spare_slots(&self) -> Option<Vec<Slot>> {
        self.state.lock().spare_slots.pop()
    }

    /// Dispatches what is there now; with no report there, waits for the first to come until `deadline` (`None`: for
    /// ever), and serves log lines meanwhile.
    pub fn poll(&self, deadline: Option<Instant>, hand: impl FnMut(Item<'_>) -> Handed) -> Dispatch {
        self.poll_while(View::Callbacks, |state| self.wait(state, deadline), hand)
    }

    /// Dispatches what is there now. With nothing there it is one look under a lock: a wait, even one of no time, would be
    /// a system call that gives the processor away.
    pub fn poll_now(&self, hand: impl FnMut(Item<'_>) -> Handed) -> Dispatch {
        self.poll_while(View::Callbacks, |_| false, hand)
    }

    /// As `poll`, for a `hand` that copies: it gets the reports that are kept for it too, and those first.
    pub fn take(&self, deadline: Option<Instant>, hand: impl FnMut(Item<'_>) -> Handed) -> Dispatch {
        self.poll_while(View::Array, |state| self.wait(state, deadline), hand)
    }

    /// As `poll_now`, for a `hand` that copies.
    pub fn take_now(&self, hand: impl FnMut(Item<'_>) -> Handed) -> Dispatch {
        self.poll_while(View::Array, |_| false, hand)
    }

    fn poll_while<'a>(
        &'a self,
        view: View,
        mut wait: impl FnMut(&mut MutexGuard<'a, State>) -> bool,
        mut hand: impl FnMut(Item<'_>) -> Handed,
    ) -> Dispatch {
        let mut state = self.state.lock();
        if state.dispatcher == Some(this_thread()) || self.is_called_out() {
            return Dispatch::Reentered;
        }
        loop {
            if state.dispatcher.is_none() && state.has_for(view) {
                let served = self.drain(state, view, &mut hand);
                if served.left.is_some() {
                    return Dispatch::Left(served.reported);
                }
                if served.reported > 0 || served.cut {
                    return Dispatch::Done(served.reported);
                }
                // Log lines and losses only.
                state = self.state.lock();
            } else if state.shut {
                return Dispatch::Ended(0);
            } else if !wait(&mut state) {
                return Dispatch::TimedOut(0);
            }
        }
    }

    /// Dispatches until the completion is reached and everything that belongs to it has been reported. A `hand` that stops
    /// early is called again.
    pub fn wait_for(
        &self,
        completion: &Completion,
        deadline: Option<Instant>,
        mut hand: impl FnMut(Item<'_>) -> Handed,
    ) -> Dispatch {
        let mut reported = 0;
        let mut state = self.state.lock();
        if state.dispatcher == Some(this_thread()) || self.is_called_out() {
            return Dispatch::Reentered;
        }
        loop {
            if completion.place().is_some_and(|place| state.dispatched >= place) {
                return Dispatch::Done(reported);
            }
            if state.dispatcher.is_none() && state.has_for(View::Callbacks) {
                let served = self.drain(state, View::Callbacks, &mut hand);
                reported += served.reported;
                if served.left.is_some() {
                    return Dispatch::Left(reported);
                }
                state = self.state.lock();
            } else if state.shut && !(state.threaded && state.has_callbacks_due()) {
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

    /// Whether a thread of the library's own will call `serve`: until that returns nobody else runs callbacks.
    pub fn leave_to_thread(&self, threaded: bool) {
        self.state.lock().threaded = threaded;
    }

    /// Dispatches whatever comes until the producer has ended and nothing is left, or until a callback ends this thread: others
    /// dispatch then.
    pub fn serve(&self, mut hand: impl FnMut(Item<'_>) -> Handed) {
        /// Also when `hand` panics: others take over then.
        struct Leave<'a>(&'a Reports);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                let mut state = self.0.state.lock();
                state.threaded = false;
                state.show();
                self.0.changed.notify_all();
            }
        }
        let _leave = Leave(self);
        let mut state = self.state.lock();
        loop {
            if state.dispatcher.is_none() && state.has_callbacks_due() {
                let left = self.drain(state, View::Thread, &mut hand).left;
                match left {
                    None => {}
                    Some(Leaving::Exception) => self.log(3, "CALLBACK", || {
                        "a callback threw an exception on the dispatching thread, which nothing can catch there: it is dropped".into()
                    }),
                    Some(Leaving::Thread) => {
                        self.log(3, "CALLBACK", || {
                            "a callback has ended the dispatching thread: from now on callbacks run in producer_poll, \
                             producer_flush and the like"
                                .into()
                        });
                        return;
                    }
                }
                state = self.state.lock();
            } else if state.shut && !state.has_callbacks_due() {
                drop(state);
                return;
            } else {
                self.changed.wait(&mut state);
            }
        }
    }

    /// Serves log lines and losses first, then every batch that is there now: later ones are for the next call, so that a fast
    /// sender does not keep this one for ever.
    fn drain(&self, mut state: MutexGuard<'_, State>, view: View, hand: &mut impl FnMut(Item<'_>) -> Handed) -> Served {
        // Gives the dispatcher's place and everything that was not handed out back, even when `hand` panics.
        let mut turn = Turn::new(self, &mut state, view);
        drop(state);
        turn.serve(hand)
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
