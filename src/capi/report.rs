//! Reports as C receives them: one per record, made from the finished batch on the dispatching thread.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::capi::call_out::{self, call_out};
use crate::capi::close_with::hand_undelivered;
use crate::capi::config::{Callbacks, LogCallback};
use crate::capi::hooks::Hooks;
use crate::capi::producer::{producer_t, shell_arg};
use crate::capi::status::producer_status_t;
use crate::error::Result;
use crate::reports::{
    FinishedBatch, Future, Handed, Item, KEPT, LogLine, MARKS_END, Persisted, Phase, RICH, RichTag, SILENT, Slot,
};

/// `persisted`: the record is not in the log: never written to a socket as a whole, or refused by every broker asked.
pub const PRODUCER_PERSISTED_NO: i32 = 0;
/// `persisted`: the record may be in the log: it was written, and no answer says what became of it.
pub const PRODUCER_PERSISTED_MAYBE: i32 = 1;
/// `persisted`: the record is in the log.
pub const PRODUCER_PERSISTED_YES: i32 = 2;

/// `phase`: the sending function refused the record; only interceptors hear of such records.
pub const PRODUCER_PHASE_REFUSED: i32 = -1;
/// `phase`: the topic's partitions were not known yet.
pub const PRODUCER_PHASE_METADATA: i32 = 0;
/// `phase`: the partition had no leader, or its leader was not connected.
pub const PRODUCER_PHASE_LEADER: i32 = 1;
/// `phase`: the record stood in the queue of a connected leader.
pub const PRODUCER_PHASE_QUEUED: i32 = 2;
/// `phase`: the record was written to a socket and its answer was awaited.
pub const PRODUCER_PHASE_IN_FLIGHT: i32 = 3;
/// `phase`: a broker had answered.
pub const PRODUCER_PHASE_ANSWERED: i32 = 4;

/// `timestamp_type`: the time that the producer gave.
pub const PRODUCER_TIMESTAMP_TYPE_CREATE: i32 = 0;
/// `timestamp_type`: the time at which the broker appended (the topic's message.timestamp.type=LogAppendTime).
pub const PRODUCER_TIMESTAMP_TYPE_LOG_APPEND: i32 = 1;

/// What became of one record. It lives until the callback that receives it returns, and so do the strings it points to,
/// except `topic`, which lives as long as the producer.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_report_t {
    /// Bytes of this struct in the library: a later version has more fields at the end.
    pub struct_size: usize,
    /// PRODUCER_OK when the record was delivered; otherwise why not.
    pub status: producer_status_t,
    /// The topic's name.
    pub topic: *const c_char,
    /// The partition; -1 when it was not chosen yet.
    pub partition: i32,
    /// The record's offset in its partition; -1 when it failed, with acks=0, or when the broker did not say.
    pub offset: i64,
    /// The record's timestamp in milliseconds since 1970, of the kind that `timestamp_type` says.
    pub timestamp_ms: i64,
    /// PRODUCER_TIMESTAMP_TYPE_CREATE or PRODUCER_TIMESTAMP_TYPE_LOG_APPEND.
    pub timestamp_type: i32,
    /// Bytes of the key; -1 for no key.
    pub key_len: i64,
    /// Bytes of the value; -1 for a null value.
    pub value_len: i64,
    /// Whether the record is in the log: PRODUCER_PERSISTED_NO, _MAYBE or _YES. Sending a failed record again is free of
    /// duplicates only after _NO.
    pub persisted: i32,
    /// How far the record had come when its outcome was decided: a PRODUCER_PHASE_ constant.
    pub phase: i32,
    /// The broker of the last attempt; -1 when there was none.
    pub broker_id: i32,
    /// How often the record was written to a connection.
    pub attempts: i32,
    /// Microseconds from the first record of the batch to the outcome: the record's own time is not longer.
    pub latency_us: i64,
    /// What was given to producer_send.
    pub opaque: *mut c_void,
    /// For a failure: the last cause in words, naming the broker. NULL for a success.
    pub error_text: *const c_char,
    /// How many records it is the report of: 1, or those that were appended to a batch of producer_batch_send.
    pub record_count: i32,
}

/// Receives the report of one record, exactly once for each record that was accepted with this callback.
///
/// `report`: valid until the callback returns. `opaque`: what was given to producer_send.
/// It runs on the thread that polls, flushes, closes, or is in a function of transactions that takes a timeout; with
/// delivery.dispatch=thread on a thread of the library's own, and on no other. With delivery.report.only.error=true it runs
/// for records that failed only. Reports of one partition come in order, and never two at once for one producer.
/// It may send, and end the dispatch with producer_yield; producer_poll, producer_poll_reports, producer_flush,
/// producer_wait_capacity, producer_purge, producer_close and the functions of transactions of the same producer answer
/// PRODUCER_ERR_IN_CALLBACK.
#[allow(non_camel_case_types)]
pub type producer_delivery_fn = Option<unsafe extern "C" fn(report: *const producer_report_t, opaque: *mut c_void)>;

/// The callback's type without its NULL.
type Delivery = unsafe extern "C" fn(*const producer_report_t, *mut c_void);
/// The same where it may unwind into a caller of ours, in `run_plain` only.
type UnwindingDelivery = unsafe extern "C-unwind" fn(*const producer_report_t, *mut c_void);

/// What a slot keeps of a callback.
#[inline]
pub(super) fn callback_address(callback: Delivery) -> usize {
    callback as *const () as usize
}

thread_local! {
    /// The producer whose callback runs on this thread; 0 is none.
    static DISPATCHING: Cell<u64> = const { Cell::new(0) };
    /// The one whose dispatch is under way on this thread: not so in an interceptor that is asked about a record.
    static HANDING: Cell<u64> = const { Cell::new(0) };
}

/// Whether this thread is in a callback of the producer with this id.
pub(super) fn is_dispatching(producer: u64) -> bool {
    DISPATCHING.try_with(Cell::get) == Ok(producer)
}

/// Runs code of the application that is called back by the producer with this id.
pub(super) fn in_callback_of<R>(producer: u64, code: impl FnOnce() -> R) -> R {
    let outer = DISPATCHING.replace(producer);
    let result = code();
    DISPATCHING.set(outer);
    result
}

/// Who hears of one producer: its callbacks, and whether one of them has asked for the rest to wait.
pub(super) struct Hearing {
    producer: u64,
    callbacks: Callbacks,
    cut: AtomicBool,
}

impl Hearing {
    pub fn new(producer: u64, callbacks: Callbacks) -> Hearing {
        Hearing { producer, callbacks, cut: AtomicBool::new(false) }
    }

    /// Of a producer that may be closing: its last callbacks run then.
    ///
    /// # Safety
    /// `producer` is NULL or a handle from `producer_new`.
    pub unsafe fn of<'a>(producer: *mut producer_t) -> Result<&'a Hearing> {
        // SAFETY: as the caller promises.
        Ok(unsafe { shell_arg(producer) }?.hearing())
    }

    /// The callback that runs on this thread asks for the rest to wait. False when none of this producer's runs here.
    pub fn cut(&self) -> bool {
        let inside = HANDING.try_with(Cell::get) == Ok(self.producer);
        if inside {
            self.cut.store(true, Ordering::Relaxed);
        }
        inside
    }

    /// Whether the callback that has just returned has asked for that.
    #[inline]
    fn take_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed) && self.cut.swap(false, Ordering::Relaxed)
    }
}

/// Hands an item of a producer to the application's callbacks.
pub(super) fn hand(hearing: &Hearing, item: &Item<'_>) -> Handed {
    hand_by::<true>(hearing, item, |report, slot, hooks| match slot.callback {
        KEPT => Told::Kept,
        callback => {
            hear_first(hooks, report);
            // SAFETY: the slot's callback is from `callback_address`, and was given with its opaque for this use.
            unsafe { run_callback(callback, report, slot.opaque) };
            Told::Heard
        }
    })
}

/// As `hand`, for a call that goes on when a callback does not return: what that has left by waits for the call's end.
pub(super) fn hand_and_stay(hearing: &Hearing, item: &Item<'_>) -> Handed {
    staying(hand(hearing, item))
}

/// As `hand`, on a thread of the library's own.
pub(super) fn hand_on_own_thread(hearing: &Hearing, item: &Item<'_>) -> Handed {
    let handed = hand(hearing, item);
    if matches!(handed, Handed::Left(..)) {
        call_out::forget();
    }
    handed
}

fn staying(handed: Handed) -> Handed {
    match handed {
        Handed::Left(taken, _) => Handed::Part(taken),
        handed => handed,
    }
}

/// Hands an item to interceptors alone: reports that nobody has copied before the end.
pub(super) fn hand_to_interceptors(hearing: &Hearing, item: &Item<'_>) -> Handed {
    staying(hand_by::<false>(hearing, item, |report, _, hooks| {
        hear_first(hooks, report);
        Told::Heard
    }))
}

/// What became of one report.
pub(super) enum Told {
    Heard,
    /// It is for who copies reports.
    Kept,
    /// There is no room for it now.
    NoRoom,
    /// Not all of its callbacks were run: the next dispatch runs the others.
    InParts,
}

/// Interceptors hear of a record before anybody else does.
#[inline]
pub(super) fn hear_first(hooks: Option<&Hooks>, report: &producer_report_t) {
    if let Some(hooks) = hooks {
        hooks.on_acknowledgement(report);
    }
}

/// Hands an item to the application: log lines and losses to its callbacks, each report of a batch to `tell`, with the slot
/// that says who wants it, and the hooks that `tell` has hear of it first unless it leaves the report where it is.
/// `CALLING` says that `tell` only runs the slot's callback.
pub(super) fn hand_by<const CALLING: bool>(
    hearing: &Hearing,
    item: &Item<'_>,
    tell: impl FnMut(&producer_report_t, &Slot, Option<&Hooks>) -> Told,
) -> Handed {
    let outer = (DISPATCHING.replace(hearing.producer), HANDING.replace(hearing.producer));
    let times_left = call_out::times_left();
    let handed = match item {
        Item::Batch { batch, from } => {
            if let (Some(undelivered), 0) = (&batch.undelivered, from) {
                hand_undelivered(batch, undelivered);
            }
            let handed = hand_batch::<CALLING>(hearing, batch, *from, tell);
            // It was in the undelivered function that the rest was asked to wait.
            if batch.slots.is_empty() && hearing.take_cut() { Handed::Part(1) } else { handed }
        }
        Item::Log(line) => {
            if let Some(log) = &hearing.callbacks.log {
                hand_line(line, log);
            }
            all_but_cut(hearing)
        }
        Item::DataLoss(loss) => {
            if let Some(data_loss) = &hearing.callbacks.data_loss {
                data_loss.tell(loss);
            }
            all_but_cut(hearing)
        }
        Item::Health(health) => {
            if let Some(callback) = &hearing.callbacks.health {
                callback.tell(health);
            }
            all_but_cut(hearing)
        }
        Item::Stats(json) => {
            if let Some(callback) = &hearing.callbacks.stats {
                callback.tell(json);
            }
            all_but_cut(hearing)
        }
    };
    DISPATCHING.set(outer.0);
    HANDING.set(outer.1);
    if call_out::times_left() == times_left { handed } else { leave_behind(item, handed) }
}

/// A callback did not return: the next dispatch goes on behind what it was called for.
#[cold]
fn leave_behind(item: &Item<'_>, handed: Handed) -> Handed {
    let taken = match (handed, item) {
        (Handed::Part(taken) | Handed::Left(taken, _), _) => taken,
        // It was called for the last of them.
        (Handed::All | Handed::AllButKept, Item::Batch { batch, from }) => (batch.slots.len() - from).max(1),
        (Handed::All | Handed::AllButKept, _) => 0,
    };
    // On a thread that is left by two exceptions the first one counts.
    call_out::leaving().map_or(handed, |how| Handed::Left(taken, how))
}

fn all_but_cut(hearing: &Hearing) -> Handed {
    if hearing.take_cut() { Handed::Part(0) } else { Handed::All }
}

fn hand_line(line: &LogLine, log: &LogCallback) {
    let facility = CString::new(line.facility).unwrap_or_default();
    let text = CString::new(line.text.replace('\0', "")).unwrap_or_default();
    log.line(line.level, &facility, &text);
}

/// What the reports of a batch have in common.
pub(super) fn batch_report(batch: &FinishedBatch) -> producer_report_t {
    producer_report_t {
        struct_size: size_of::<producer_report_t>(),
        status: batch.status.code(),
        topic: batch.topic.as_ptr(),
        partition: batch.partition,
        offset: -1,
        timestamp_ms: 0,
        timestamp_type: match batch.log_append_time_ms {
            None => PRODUCER_TIMESTAMP_TYPE_CREATE,
            Some(_) => PRODUCER_TIMESTAMP_TYPE_LOG_APPEND,
        },
        key_len: -1,
        value_len: -1,
        persisted: match batch.persisted {
            Persisted::No => PRODUCER_PERSISTED_NO,
            Persisted::Maybe => PRODUCER_PERSISTED_MAYBE,
            Persisted::Yes => PRODUCER_PERSISTED_YES,
        },
        phase: match batch.phase {
            Phase::Metadata => PRODUCER_PHASE_METADATA,
            Phase::Leader => PRODUCER_PHASE_LEADER,
            Phase::Queued => PRODUCER_PHASE_QUEUED,
            Phase::InFlight => PRODUCER_PHASE_IN_FLIGHT,
            Phase::Answered => PRODUCER_PHASE_ANSWERED,
        },
        broker_id: batch.broker,
        attempts: i32::try_from(batch.attempts).unwrap_or(i32::MAX),
        latency_us: i64::try_from(batch.latency().0).unwrap_or(i64::MAX),
        opaque: ptr::null_mut(),
        error_text: batch.cause.as_ref().map_or(ptr::null(), |cause| cause.as_ptr()),
        record_count: 1,
    }
}

/// What the report of every record has of its own.
#[inline]
fn fill_plain(report: &mut producer_report_t, batch: &FinishedBatch, slot: &Slot) {
    if batch.base_offset >= 0 {
        // Of a broker that names the end of all offsets, no negative one follows.
        report.offset = batch.base_offset.saturating_add(i64::from(slot.offset_delta));
    }
    report.timestamp_ms =
        batch.log_append_time_ms.unwrap_or(batch.base_timestamp_ms.saturating_add(i64::from(slot.timestamp_delta_ms)));
    report.key_len = i64::from(slot.key_len);
    report.value_len = i64::from(slot.value_len);
    report.opaque = slot.opaque as *mut c_void;
}

/// The rest of a record's report.
#[inline]
pub(super) fn fill_report(report: &mut producer_report_t, batch: &FinishedBatch, slot: &Slot) {
    fill_plain(report, batch, slot);
    report.record_count = 1;
    if !batch.record_causes.is_empty() {
        name_record(batch, slot.offset_delta, report);
    }
    if slot.callback == RICH {
        fill_rich(report, batch, slot);
    }
}

/// What a record's report says that wants more than a callback.
#[cold]
fn fill_rich(report: &mut producer_report_t, batch: &FinishedBatch, slot: &Slot) {
    match batch.rich_tag(slot) {
        None | Some(RichTag::Future(_)) => report.opaque = ptr::null_mut(),
        Some(RichTag::Ticketed { opaque, .. }) => report.opaque = *opaque as *mut c_void,
        Some(RichTag::Direct { opaque, count, .. }) => {
            report.opaque = *opaque as *mut c_void;
            report.record_count = i32::try_from(*count).unwrap_or(i32::MAX);
            // Of a batch, the first record that the broker named.
            let own = batch.record_causes.iter().find(|(place, _)| place < count);
            if let Some((place, _)) = own {
                name_record(batch, *place, report);
            }
        }
    }
}

fn hand_batch<const CALLING: bool>(
    hearing: &Hearing,
    batch: &FinishedBatch,
    from: usize,
    mut tell: impl FnMut(&producer_report_t, &Slot, Option<&Hooks>) -> Told,
) -> Handed {
    let hooks = hearing.callbacks.hooks.as_deref();
    let mut kept = false;
    let mut report = batch_report(batch);
    let slots = &batch.slots[from..];
    let mut plain = 0;
    if CALLING && hooks.is_none() && batch.record_causes.is_empty() {
        let returned;
        (plain, returned) = hand_plain(hearing, batch, slots, &mut report);
        if hearing.take_cut() || !returned {
            return Handed::Part(plain);
        }
    }
    let times_left = call_out::times_left();
    for (place, slot) in slots.iter().enumerate().skip(plain) {
        fill_report(&mut report, batch, slot);
        let told = match slot.callback {
            SILENT => {
                hear_first(hooks, &report);
                Told::Heard
            }
            RICH => hand_rich(batch, slot, &mut report, hooks, &mut tell),
            _ => tell(&report, slot, hooks),
        };
        match told {
            Told::Heard => {}
            Told::Kept => kept = true,
            Told::NoRoom | Told::InParts => return Handed::Part(place),
        }
        if hearing.take_cut() || call_out::times_left() != times_left {
            return Handed::Part(place + 1);
        }
    }
    if kept { Handed::AllButKept } else { Handed::All }
}

/// The records of a batch that want nothing but a callback: nearly every record of nearly every program.
struct Plain<'a> {
    hearing: &'a Hearing,
    slots: &'a [Slot],
    report: &'a mut producer_report_t,
    offset: Counted,
    timestamp_ms: Counted,
    /// How many callbacks have been run, the one that is running included.
    count: usize,
}

/// A number that each record has as its batch's plus its own, or that is the same for all.
#[derive(Clone, Copy)]
struct Counted {
    base: i64,
    /// Of the record's own: all bits, or none.
    mask: i64,
}

impl Counted {
    /// `None`: the sum might be none, as with a broker that names the end of all offsets.
    fn new(base: i64, is_own: bool) -> Option<Counted> {
        let mask = if is_own { -1 } else { 0 };
        let fits = !is_own
            || base.checked_add(i64::from(u32::MAX)).is_some() && base.checked_add(i64::from(i32::MIN)).is_some();
        fits.then_some(Counted { base, mask })
    }

    #[inline(always)]
    fn at(self, own: i64) -> i64 {
        self.base.wrapping_add(own & self.mask)
    }
}

/// Runs their callbacks up to the first that wants more than that. Answers how many were run, and whether all have returned.
fn hand_plain(
    hearing: &Hearing,
    batch: &FinishedBatch,
    slots: &[Slot],
    report: &mut producer_report_t,
) -> (usize, bool) {
    if slots.first().is_none_or(|slot| slot.callback < MARKS_END) {
        return (0, true);
    }
    let offset = Counted::new(batch.base_offset.max(-1), batch.base_offset >= 0);
    let stamped = batch.log_append_time_ms;
    let timestamp_ms = Counted::new(stamped.unwrap_or(batch.base_timestamp_ms), stamped.is_none());
    let (Some(offset), Some(timestamp_ms)) = (offset, timestamp_ms) else { return (0, true) };
    let mut plain = Plain { hearing, slots, report, offset, timestamp_ms, count: 0 };
    // One for all of them: for each record it would show.
    let arguments = [(&raw mut plain) as usize, 0, 0, 0];
    // SAFETY: the function takes the one argument, which outlives the call.
    let returned = unsafe { call_out(run_plain as *const (), arguments) };
    (plain.count, returned.is_some())
}

/// What unwinds passes this frame: nothing in it has a destructor.
///
/// # Safety
/// `plain` is a `Plain` that nobody else uses meanwhile.
unsafe extern "C-unwind" fn run_plain(plain: *mut Plain<'_>) {
    // SAFETY: as the caller promises.
    let Plain { hearing, slots, report, offset, timestamp_ms, count } = unsafe { &mut *plain };
    // Copies, which callbacks cannot change: they stay in registers.
    let (cut, offset, timestamp_ms, slots) = (&hearing.cut, *offset, *timestamp_ms, *slots);
    let report: &mut producer_report_t = report;
    for slot in slots {
        if slot.callback < MARKS_END {
            break;
        }
        let opaque = slot.opaque as *mut c_void;
        report.offset = offset.at(i64::from(slot.offset_delta));
        report.timestamp_ms = timestamp_ms.at(i64::from(slot.timestamp_delta_ms));
        report.key_len = i64::from(slot.key_len);
        report.value_len = i64::from(slot.value_len);
        report.opaque = opaque;
        *count += 1;
        // SAFETY: the slot's callback is from `callback_address`, and was given with its opaque for this use.
        unsafe {
            let callback = std::mem::transmute::<usize, UnwindingDelivery>(slot.callback);
            callback(&raw const *report, opaque);
        }
        // Nothing to decide but whether a callback wants the rest to wait.
        if cut.load(Ordering::Relaxed) {
            break;
        }
    }
}

/// A record that wants more than a callback.
#[cold]
fn hand_rich(
    batch: &FinishedBatch,
    slot: &Slot,
    report: &mut producer_report_t,
    hooks: Option<&Hooks>,
    mut tell: impl FnMut(&producer_report_t, &Slot, Option<&Hooks>) -> Told,
) -> Told {
    match batch.rich_tag(slot) {
        None => Told::Heard,
        Some(RichTag::Future(future)) => {
            hear_first(hooks, report);
            // A thread that awaits it may have been faster.
            if run_future_callbacks(future, report) { Told::Heard } else { Told::InParts }
        }
        Some(RichTag::Ticketed { callback, opaque, .. }) => {
            tell(report, &Slot { callback: *callback, opaque: *opaque, ..*slot }, hooks)
        }
        // Of batches that the application made itself interceptors know nothing.
        Some(RichTag::Direct { callback, opaque, .. }) => {
            tell(report, &Slot { callback: *callback, opaque: *opaque, ..*slot }, None)
        }
    }
}

/// Runs the callbacks that wait for a complete future; `report` is its record's. False when one did not return and others are left.
pub(super) fn run_future_callbacks(future: &Future, report: &mut producer_report_t) -> bool {
    let mut callbacks = future.take_callbacks().into_iter();
    while let Some(waiting) = callbacks.next() {
        report.opaque = waiting.opaque as *mut c_void;
        // SAFETY: address and argument were given to `producer_future_when_complete`, for such a report.
        let returned = unsafe { run_callback(waiting.callback, report, waiting.opaque) };
        if !returned && callbacks.len() > 0 {
            future.put_back(callbacks.collect());
            return false;
        }
    }
    true
}

/// Answers whether it returned.
///
/// # Safety
/// `address` is `callback_address` of a delivery callback that takes `report` and `opaque`.
pub(super) unsafe fn run_callback(address: usize, report: &producer_report_t, opaque: usize) -> bool {
    // SAFETY: the caller's promise; the report outlives the call.
    unsafe { call_out(address as *const (), [ptr::from_ref(report) as usize, opaque, 0, 0]) }.is_some()
}

/// KIP-467: what the broker says of this record, where it has named it.
#[cold]
pub(super) fn name_record(batch: &FinishedBatch, place: u32, report: &mut producer_report_t) {
    if let Ok(at) = batch.record_causes.binary_search_by_key(&place, |(named, _)| *named) {
        report.error_text = batch.record_causes[at].1.as_ptr();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::time::Time;

    #[test]
    fn offsets_and_times_of_a_report_stop_at_the_greatest_number() {
        let slot = |delta: i32, place| Slot {
            callback: 0,
            opaque: 0,
            key_len: -1,
            value_len: 0,
            timestamp_delta_ms: delta,
            offset_delta: place,
        };
        let batch = FinishedBatch {
            topic: std::sync::Arc::from(c"t"),
            partition: 0,
            status: Status::OK,
            persisted: Persisted::Yes,
            phase: Phase::Answered,
            base_offset: i64::MAX - 1,
            base_timestamp_ms: i64::MAX - 1,
            log_append_time_ms: None,
            broker: 1,
            attempts: 1,
            opened_at: Time::ZERO,
            finished_at: Time::ZERO,
            cause: None,
            record_causes: Vec::new(),
            slots: Vec::new(),
            rich: Vec::new(),
            undelivered: None,
        };
        for (place, expected) in [(0, i64::MAX - 1), (1, i64::MAX), (2, i64::MAX), (u32::MAX, i64::MAX)] {
            let mut report = batch_report(&batch);
            fill_report(&mut report, &batch, &slot(place.min(9) as i32, place));
            assert_eq!((report.offset, report.timestamp_ms), (expected, expected), "{place}");
        }
    }
}
