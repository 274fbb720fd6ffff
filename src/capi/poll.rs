//! Hearing of records: producer_poll, producer_poll_reports and producer_yield.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::cell::Cell;
use std::ffi::CStr;
use std::sync::Arc;

use crate::capi::boundary::{call, call_count, invalid, out_arg, timeout_arg};
use crate::capi::producer::{Inside, enter, producer_t};
use crate::capi::report::{Hearing, Told, hand_by, hear_first, producer_report_t};
use crate::capi::status::producer_status_t;
use crate::error::{Error, Result, Status};
use crate::reports::{Handed, Item};

/// Reports that one call copies at most; the rest waits for the next.
const REPORTS_MAX: usize = 1 << 24;
/// Structs larger than this are no reports of a later version but a mistake.
const REPORT_SIZE_MAX: usize = 1024;

/// Runs the callbacks of finished records, and the log callback, on this thread.
///
/// `producer`: the producer. `timeout_ms`: with nothing there, how long to wait for the first report; 0 does not wait, -1
/// waits for ever. Log lines that come meanwhile are served and do not end the wait.
/// Returns how many records were reported, 0 when the time passed; a negative status otherwise:
/// PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks;
/// PRODUCER_ERR_CLOSED, also when another thread closes the producer meanwhile; PRODUCER_ERR_FORKED;
/// PRODUCER_ERR_INTERNAL after a bug of the library, when everything has been reported.
/// Serves what is there when it is called, not what comes meanwhile. May be called from any thread; one thread at a time
/// dispatches, the others wait their turn within their time. With delivery.dispatch=thread it runs no callback: it waits for
/// its time and answers 0.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_poll(producer: *mut producer_t, timeout_ms: i32) -> i32 {
    call_count(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.poll(timeout_ms, inside.dispatcher())
    })
}

/// Copies the reports of finished records into an array instead of running their callbacks: for languages in which a call
/// from C costs more than a record. Reports of records that were sent with PRODUCER_QUEUE_REPORT come first.
///
/// `producer`: the producer. `out`: receives the reports, in each partition's order; set `out[0].struct_size` to
/// sizeof(producer_report_t) before the first call. `max`: how many fit, 1 or more; what does not fit stays, in order, for
/// the next call. `timeout_ms`: with nothing there, how long to wait for the first report; 0 does not wait, -1 waits for
/// ever.
/// Returns how many reports were copied, 0 when the time passed; a negative status otherwise:
/// PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED,
/// also when another thread closes the producer meanwhile; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the
/// library, when everything has been taken.
/// The strings of the reports live until this thread's next producer_poll_reports on this producer, or its end. A copied
/// report's callback is never run; those of log lines, of losses and of futures are, on this thread. May be called from any
/// thread; one thread at a time takes reports, each report goes to one of them. With delivery.dispatch=thread only reports of
/// PRODUCER_QUEUE_REPORT are copied, when that thread is not in its callbacks: those that take long hold this call up.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_poll_reports(
    producer: *mut producer_t,
    out: *mut producer_report_t,
    max: usize,
    timeout_ms: i32,
) -> i32 {
    call_count(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        // SAFETY: the caller's promise about `out` and `max`.
        let mut array = unsafe { Array::new(out, max) }?;
        let copied = Cell::new(0);
        let taken = take(&inside, timeout_ms, &copied, &mut array);
        // Also when nothing came: this is the thread's next call.
        inside.lend(array.texts);
        taken
    })
}

/// The hand-over of reports to the array, until it is full.
fn take(inside: &Inside<'_>, timeout_ms: i32, copied: &Cell<usize>, array: &mut Array) -> Result<usize> {
    let hearing = inside.hearing();
    inside.take_reports(timeout_ms, copied, |item| array.take(hearing, copied, &item))
}

/// The caller's array of reports.
struct Array {
    out: *mut u8,
    /// Bytes from one report to the next: what a report is to the program.
    stride: usize,
    max: usize,
    /// What the copied reports point to.
    texts: Vec<Arc<CStr>>,
}

impl Array {
    /// # Safety
    /// `out` is NULL or points to `max` reports, the first of which says how large they are.
    unsafe fn new(out: *mut producer_report_t, max: usize) -> Result<Array> {
        let out = out_arg(out, "out")?;
        if max == 0 {
            return Err(invalid("max is 0: there is nowhere to put a report"));
        }
        // SAFETY: not NULL, and there is one report at least; every version of it begins with its size.
        let stride = unsafe { out.cast::<usize>().read() };
        let ours = size_of::<producer_report_t>();
        if !(ours..=REPORT_SIZE_MAX).contains(&stride) || stride % align_of::<producer_report_t>() != 0 {
            return Err(invalid(format!(
                "out[0].struct_size is {stride}; set it to sizeof(producer_report_t) ({ours} bytes) before the call"
            )));
        }
        Ok(Array { out: out.cast(), stride, max: max.min(REPORTS_MAX), texts: Vec::new() })
    }

    fn take(&mut self, hearing: &Hearing, copied: &Cell<usize>, item: &Item<'_>) -> Handed {
        let before = copied.get();
        if before == self.max && matches!(item, Item::Batch { .. }) {
            return Handed::Part(0);
        }
        let handed = hand_by::<false>(hearing, item, |report, _, hooks| {
            if copied.get() == self.max {
                return Told::NoRoom;
            }
            hear_first(hooks, report);
            self.write(copied.get(), report);
            copied.set(copied.get() + 1);
            Told::Heard
        });
        if let Item::Batch { batch, .. } = item
            && copied.get() > before
        {
            self.texts.extend(batch.cause.iter().cloned());
            self.texts.extend(batch.record_causes.iter().map(|(_, words)| words.clone()));
        }
        handed
    }

    fn write(&mut self, place: usize, report: &producer_report_t) {
        // SAFETY: `place` is less than `max`, and each place has `stride` bytes, no less than a report of ours.
        unsafe {
            let to = self.out.add(place * self.stride);
            to.cast::<producer_report_t>().write(*report);
            // What a later version of the program knows and this library does not.
            to.add(size_of::<producer_report_t>()).write_bytes(0, self.stride - size_of::<producer_report_t>());
            to.cast::<usize>().write(self.stride);
        }
    }
}

/// Ends the dispatch under way: called from a callback, it lets no other callback of this producer follow on this thread; what
/// is left waits, in order, for the next dispatch.
///
/// `producer`: the producer whose callback calls.
/// Returns PRODUCER_OK; PRODUCER_ERR_STATE when none of its callbacks runs on this thread; PRODUCER_ERR_INVALID_ARGUMENT;
/// PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
/// producer_poll returns after the callback. Calls that have promised more go on: producer_flush, producer_close, functions of
/// transactions and the thread of delivery.dispatch=thread only let other threads have a turn. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_yield(producer: *mut producer_t) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let hearing = unsafe { Hearing::of(producer) }?;
        if hearing.cut() {
            return Ok(());
        }
        // A closed one says so.
        // SAFETY: the caller's promise: NULL or a handle of ours.
        unsafe { enter(producer) }?;
        let text = "producer_yield ends a dispatch from inside it: call it from a callback of the same producer";
        Err(Error::new(Status::STATE, text))
    })
}
