//! What event loops watch, and waiting for room.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use crate::capi::boundary::{call, call_descriptor, timeout_arg};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;

/// Gives a descriptor that is readable while reports, log lines or losses wait to be dispatched: for epoll, kqueue, libuv,
/// asyncio and others. When it is, call producer_poll or producer_poll_reports with a timeout of 0.
///
/// `producer`: the producer.
/// Returns the descriptor, 0 or more, the same at each call; a negative status otherwise: PRODUCER_ERR_INVALID_ARGUMENT;
/// PRODUCER_ERR_NO_RESOURCES when the operating system gives none; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
/// It belongs to the producer, which closes it: take it out of the loop before producer_close. Only watch it, level-triggered:
/// never read, write or close it. It stays readable after a bug of the library has ended the producer: producer_poll says so.
/// With delivery.dispatch=thread it is readable while reports of PRODUCER_QUEUE_REPORT wait. A producer that nobody asks for it
/// has none. Does not block; may be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_event_fd(producer: *mut producer_t) -> i32 {
    call_descriptor(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        unsafe { enter(producer) }?.event_descriptor()
    })
}

/// Gives a descriptor that is readable while there is room for another record: for event loops that must not block in
/// producer_send. It stops being readable when a record is refused with PRODUCER_ERR_QUEUE_FULL or
/// PRODUCER_ERR_REPORTS_NOT_TAKEN, or has to wait for room; it is readable again when what was asked for, and an eighth of
/// `buffer.memory` at least, is free, or an eighth of `delivery.reports.max.count` is taken. After a refusal because one broker
/// or partition has its share of the memory, while there is room for others, it is readable when the next batch is done.
///
/// `producer`: the producer; set `max.block.ms` to 0, so that its sends do not wait.
/// Returns the descriptor, 0 or more, the same at each call; a negative status otherwise: PRODUCER_ERR_INVALID_ARGUMENT;
/// PRODUCER_ERR_NO_RESOURCES when the operating system gives none; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
/// It belongs to the producer, which closes it: take it out of the loop before producer_close. Only watch it, level-triggered,
/// and only while there is something to send: never read, write or close it. Does not block; may be called from any thread and
/// from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_capacity_fd(producer: *mut producer_t) -> i32 {
    call_descriptor(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        unsafe { enter(producer) }?.capacity_descriptor()
    })
}

/// Waits until so much of `buffer.memory` is free, and reserves nothing: other threads may take it first.
///
/// `producer`: the producer. `bytes`: how much; a record takes its own size and up to 64 bytes, a new batch begins with 1 KiB.
/// `timeout_ms`: how long to wait; 0 only looks, -1 waits for ever.
/// Returns PRODUCER_OK; PRODUCER_ERR_TIMED_OUT when the time passed first, with the partition that holds most of the memory in
/// producer_last_error; PRODUCER_ERR_INVALID_ARGUMENT, also for more than `buffer.memory` in all; PRODUCER_ERR_IN_CALLBACK from
/// one of this producer's own callbacks; PRODUCER_ERR_CLOSED, also when another thread closes the producer meanwhile;
/// PRODUCER_ERR_FORKED; a fatal status when the producer has failed.
/// Waits in line with sends that wait for room, and dispatches nothing: it does not end REPORTS_NOT_TAKEN. While it waits,
/// batches do not linger. May be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_wait_capacity(
    producer: *mut producer_t,
    bytes: usize,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        inside.wait_capacity(bytes, timeout_arg(timeout_ms)?)
    })
}
