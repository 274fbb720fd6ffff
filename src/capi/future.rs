//! Futures: the outcome of one record, waited for instead of called back.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::c_void;
use std::sync::Arc;

use crate::accumulator::Tag;
use crate::capi::boundary::{call, call_hot, invalid, out_arg, timeout_arg};
use crate::capi::call_out::not_returned;
use crate::capi::fork;
use crate::capi::gate::is_choosing;
use crate::capi::handle::{Handles, Kind};
use crate::capi::producer::{pass, producer_t};
use crate::capi::record::{producer_record_t, record_arg};
use crate::capi::report::{
    batch_report, callback_address, fill_report, is_dispatching, producer_delivery_fn, producer_report_t, run_callback,
    run_future_callbacks,
};
use crate::capi::send::send_one;
use crate::capi::status::producer_status_t;
use crate::capi::topic::topic_of;
use crate::error::{Error, Result, Status};
use crate::producer::SentFuture;
use crate::reports::{Future, KEPT, Outcome, RICH, RichTag, Waiting};

/// The outcome of one record, now or later: opaque, made by producer_send_future, ended by producer_future_free. Any number
/// of threads may use it at once, and it outlives its producer: producer_close completes it.
#[allow(non_camel_case_types)]
pub struct producer_future_t {
    _opaque: [u8; 0],
}

/// What a handle stands for.
struct FutureHandle {
    /// The process that made it, counted in forks.
    generation: u32,
    /// The id of its producer.
    producer: u64,
    sent: SentFuture,
}

static FUTURES: Handles<FutureHandle> = Handles::new(Kind::Future);

/// Sends a record like producer_send, and gives a future for its outcome instead of calling back.
///
/// `producer`: the producer. `record`: what to send; borrows until return. `future`: receives the future, to be freed with
/// producer_future_free; untouched when the record is not accepted.
/// Returns PRODUCER_OK: the record is accepted, and the future will be complete, by producer_close at the latest. Otherwise
/// the record is not accepted, for one of the reasons that producer_send has; PRODUCER_ERR_INVALID_ARGUMENT also when
/// `future` is NULL.
/// Blocks like producer_send, only while `buffer.memory` is full. May be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_send_future(
    producer: *mut producer_t,
    record: *const producer_record_t,
    future: *mut *mut producer_future_t,
) -> producer_status_t {
    call_hot(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { pass(producer) }?;
        // SAFETY: the caller's promise: NULL or a record of `struct_size` bytes.
        let record = unsafe { record_arg(record) }?;
        let out = out_arg(future, "future")?;
        // SAFETY: the caller's promise about both fields; the pass keeps the producer alive.
        let topic = unsafe { topic_of(&inside, record.topic_handle, record.topic) }?;
        let outcome = Arc::new(Future::new(topic.c_name().clone()));
        let rich = inside.rich_tags();
        let key = rich.insert(RichTag::Future(outcome.clone()));
        // SAFETY: the caller's promise about the record's pointers.
        let placed = match unsafe { send_one(&inside, record, Some(Tag::marked(RICH, key))) } {
            Ok(placed) => placed,
            Err(why) => {
                rich.take(key);
                return Err(why);
            }
        };
        let made = FUTURES.insert(FutureHandle {
            generation: fork::generation(),
            producer: inside.id(),
            // An interceptor may send it to another.
            sent: inside.sent_future(outcome, inside.hooks().is_none().then_some(topic.id), placed),
        })?;
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { *out = made };
        Ok(())
    })
}

/// Waits until the record has its outcome. Its batch is sent at once, whatever `linger.ms` says, and those before it in its
/// partition with it; other partitions are left alone. Nobody has to poll meanwhile.
///
/// `future`: the future. `timeout_ms`: how long to wait; 0 only makes the batch go, -1 waits for ever, which the record's
/// delivery time bounds. `report`: begun with PRODUCER_REPORT_INIT, receives the record's report when it is complete,
/// whatever the outcome; its strings live until the future is freed, its `opaque` is NULL; or NULL.
/// Returns the record's status when it is complete: PRODUCER_OK when it was delivered, otherwise why not, with the cause in
/// producer_last_error (PRODUCER_ERR_CLOSED when its producer was closed first). Three statuses say that it is not complete,
/// and the report is untouched: PRODUCER_ERR_TIMED_OUT: the time passed first, the record goes on, await it again;
/// PRODUCER_ERR_IN_CALLBACK from a callback, interceptor, serializer or partitioner of its producer; PRODUCER_ERR_FORKED.
/// PRODUCER_ERR_INVALID_ARGUMENT for a NULL future, a wrong `timeout_ms` or a report that was not begun with
/// PRODUCER_REPORT_INIT.
/// Runs callbacks of this future that nobody has run yet, on this thread. Any number of threads may await one future, also
/// after its producer was closed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_future_await(
    future: *mut producer_future_t,
    timeout_ms: i32,
    report: *mut producer_report_t,
) -> producer_status_t {
    call(|| {
        let handle = future_arg(future)?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        // SAFETY: the caller's promise: NULL or a report of `struct_size` bytes.
        unsafe { check_report(report) }?;
        let inside_it =
            || is_dispatching(handle.producer) || is_choosing(handle.producer) || handle.sent.is_called_out();
        if !handle.sent.future().is_complete() && inside_it() {
            let text = "producer_future_await was called from a callback of the same producer, and the record has no \
                        outcome yet; call it elsewhere, or use producer_future_when_complete";
            return Err(Error::new(Status::IN_CALLBACK, text));
        }
        let sent = &handle.sent;
        let Some(outcome) = sent.wait(timeout_ms) else {
            let text = format!("the record had no outcome within {timeout_ms} ms; it goes on, await it again");
            return Err(Error::new(Status::TIMED_OUT, text));
        };
        if sent.future().has_callbacks() {
            if !run_future_callbacks(sent.future(), &mut report_of(outcome)) {
                return Err(not_returned());
            }
            sent.callbacks_were_run();
        }
        let made = report_of(outcome);
        let status = made.status;
        let text = made.error_text;
        if !report.is_null() {
            // SAFETY: checked above; the caller's to be written.
            unsafe { *report = producer_report_t { struct_size: (*report).struct_size, ..made } };
        }
        if status == Status::OK.code() {
            return Ok(());
        }
        let words = if text.is_null() {
            Status(status).text().to_owned()
        } else {
            // SAFETY: NUL-ended, and the future's own.
            unsafe { std::ffi::CStr::from_ptr(text) }.to_string_lossy().into_owned()
        };
        Err(Error::new(Status(status), words))
    })
}

/// Whether the record has its outcome: producer_future_await would not wait.
///
/// `future`: the future; NULL is not complete, and neither is one that was made before a fork.
/// Returns true or false. Never blocks; may be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_future_is_complete(future: *const producer_future_t) -> bool {
    future_arg(future).is_ok_and(|handle| handle.sent.future().is_complete())
}

/// Has a function called with the record's report when it has its outcome: any number of functions, each called once.
///
/// `future`: the future. `callback`: the function. `opaque`: given to it as it is, also as the report's `opaque`.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL future or callback, and for PRODUCER_QUEUE_REPORT;
/// PRODUCER_ERR_FORKED.
/// On which thread: one that was given before the outcome runs on a thread that dispatches reports, like a delivery callback
/// (producer_poll, producer_poll_reports, producer_flush, producer_close, and with `delivery.dispatch=thread` the library's), or
/// in a producer_future_await of this future, whichever comes first; one that is given later runs at once, on the calling
/// thread. It may run at the same time as other callbacks of the producer; when it runs in producer_future_await, producer_flush
/// and producer_close on other threads do not wait for it: keep what it uses until it has run.
/// Until it has run, the record counts among the reports that wait to be taken (`delivery.reports.max.count`).
/// Does not block. May be called from any thread, from callbacks, and after the producer was closed.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_future_when_complete(
    future: *mut producer_future_t,
    callback: producer_delivery_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let handle = future_arg(future)?;
        let Some(callback) = callback else { return Err(invalid("callback is NULL: there is nothing to call")) };
        if callback_address(callback) == KEPT {
            let text = "callback is PRODUCER_QUEUE_REPORT: a future keeps its report itself, for producer_future_await";
            return Err(invalid(text));
        }
        let waiting = Waiting { callback: callback_address(callback), opaque: opaque as usize };
        if let Some(outcome) = handle.sent.future().when_complete(waiting) {
            let mut report = report_of(outcome);
            report.opaque = opaque;
            // SAFETY: the address was taken from it just now, and the outcome outlives the call.
            unsafe { run_callback(waiting.callback, &report, waiting.opaque) };
        }
        Ok(())
    })
}

/// Ends a future. A record that is still under way goes on, and the callbacks that were given to it will run.
///
/// `future`: takes; NULL does nothing. No other call may use it meanwhile or afterwards.
/// The strings of the reports that producer_future_await gave for it end with it. May be called from any thread, from
/// callbacks, from those of the future itself too, after the producer was closed, and in the child of a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_future_free(future: *mut producer_future_t) {
    call(|| if future.is_null() { Ok(()) } else { FUTURES.remove(future, "future").map(drop) });
}

fn future_arg(future: *const producer_future_t) -> Result<Arc<FutureHandle>> {
    let handle = FUTURES.get(future, "future")?;
    if handle.generation != fork::generation() {
        let text = "this future belongs to the parent process: its record is not sent from here";
        return Err(Error::new(Status::FORKED, text));
    }
    Ok(handle)
}

/// # Safety
/// `report` is NULL or points to a struct of as many bytes as its `struct_size` says.
unsafe fn check_report(report: *const producer_report_t) -> Result<()> {
    if report.is_null() {
        return Ok(());
    }
    // SAFETY: not NULL; every version of the struct begins with this field.
    let size = unsafe { (&raw const (*report).struct_size).read() };
    if size < size_of::<producer_report_t>() {
        return Err(invalid(format!("report->struct_size is {size}; begin the report with PRODUCER_REPORT_INIT")));
    }
    Ok(())
}

/// The report of a complete record; its strings live as long as the outcome.
fn report_of(outcome: &Outcome) -> producer_report_t {
    let mut report = batch_report(&outcome.batch);
    fill_report(&mut report, &outcome.batch, &outcome.slot);
    report.opaque = std::ptr::null_mut();
    report
}
