//! Ending waits: flushes, waited for at once or later, and producer_purge.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::c_char;
use std::sync::Arc;

use crate::capi::boundary::{call, invalid, out_arg, str_arg, timeout_arg};
use crate::capi::fork;
use crate::capi::handle::{Handles, Kind};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::error::{Error, Result, Status};
use crate::producer::FlushToken;

/// `flags` of producer_purge: records that no socket has taken yet, and those that wait to be sent again.
pub const PRODUCER_PURGE_QUEUED: u32 = 1;
/// `flags` of producer_purge: records that were written and whose answer is awaited.
pub const PRODUCER_PURGE_IN_FLIGHT: u32 = 2;

/// Sends everything at once that was sent before this call, by any thread, and waits until all of it is reported (KIP-8).
///
/// `producer`: the producer. `timeout_ms`: how long to wait; 0 only starts it, -1 waits for ever.
/// Returns PRODUCER_OK when every record accepted before the call has its outcome and its callback has run;
/// PRODUCER_ERR_TIMED_OUT when the time passed first: it all goes on, call again, and producer_last_error says what is wrong
/// with the cluster, if anything is; the status of its end when the producer has failed for good, before the call or during it
/// (PRODUCER_ERR_FATAL, PRODUCER_ERR_PRODUCER_FENCED or another for which producer_status_is_fatal is true, or
/// PRODUCER_ERR_INTERNAL after a bug of the library): the records that were left have failed then, and their callbacks have
/// run, also with a timeout_ms of 0;
/// PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED;
/// PRODUCER_ERR_FORKED.
/// Callbacks of a future that another thread awaits run on that thread, and are not waited for.
/// Overrides `linger.ms`; runs callbacks on this thread; does not hold up sends of other threads and does not wait for
/// them. Several flushes may run at once.
/// Inside a transaction it commits nothing, and is not needed before a commit.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_flush(producer: *mut producer_t, timeout_ms: i32) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.flush(timeout_ms, inside.dispatcher())
    })
}

/// Sends everything at once that was sent to one topic before this call, by any thread, and waits until all of it is
/// reported. Records of other topics are not waited for, and go on lingering (`linger.ms`).
///
/// `producer`: the producer. `topic`: the topic's name; one that nothing was sent to has nothing to wait for. `timeout_ms`:
/// how long to wait; 0 only starts it, -1 waits for ever.
/// Returns PRODUCER_OK when every record that the topic accepted before the call has its outcome and its callback has run;
/// PRODUCER_ERR_TIMED_OUT when the time passed first: it all goes on, call again; PRODUCER_ERR_INVALID_ARGUMENT;
/// PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a name that Kafka does not allow; PRODUCER_ERR_IN_CALLBACK from one of this
/// producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; the status of its end when the producer has failed for
/// good, as producer_flush says.
/// Runs callbacks on this thread, those of other topics that are due too; otherwise like producer_flush.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_flush_topic(
    producer: *mut producer_t,
    topic: *const c_char,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        // SAFETY: the caller's promise: NULL or a NUL-ended string.
        let topic = unsafe { str_arg(topic, "topic") }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.flush_topic(topic, timeout_ms, inside.dispatcher())
    })
}

/// A flush that was begun and can be waited for later: opaque, made by producer_flush_begin, ended by producer_flush_free.
/// Any number of threads may use it at once.
#[allow(non_camel_case_types)]
pub struct producer_flush_t {
    _opaque: [u8; 0],
}

/// What a handle stands for.
struct FlushHandle {
    /// The process that made it, counted in forks.
    generation: u32,
    token: FlushToken,
}

static FLUSHES: Handles<FlushHandle> = Handles::new(Kind::Flush);

/// Begins a flush: everything that was sent before this call, by any thread, is sent at once, whatever `linger.ms` says.
///
/// `producer`: the producer. `topic`: the topic to flush, one that nothing was sent to has nothing to wait for; NULL for all
/// of them. `flush`: receives the flush, to be freed with producer_flush_free; untouched on error.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL producer or output;
/// PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a name that Kafka does not allow; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; the
/// status of its end when the producer has failed.
/// Does not block. May be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_flush_begin(
    producer: *mut producer_t,
    topic: *const c_char,
    flush: *mut *mut producer_flush_t,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let topic = match topic.is_null() {
            true => None,
            // SAFETY: not NULL, and NUL-ended by the caller's promise.
            false => Some(unsafe { str_arg(topic, "topic") }?),
        };
        let out = out_arg(flush, "flush")?;
        let token = inside.begin_flush(topic)?;
        let made = FLUSHES.insert(FlushHandle { generation: fork::generation(), token })?;
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { *out = made };
        Ok(())
    })
}

/// Waits until everything that belongs to a flush is reported. What was sent after producer_flush_begin is not waited for.
///
/// `producer`: the producer that it was begun on. `flush`: the flush; it stays yours, and may be waited for again.
/// `timeout_ms`: how long to wait; 0 does not wait, -1 waits for ever.
/// Returns PRODUCER_OK when every record has its outcome and its callback has run; PRODUCER_ERR_TIMED_OUT when the time
/// passed first: it all goes on, wait again; PRODUCER_ERR_INVALID_ARGUMENT, also for a flush of another producer;
/// PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED;
/// the status of its end when the producer has failed for good, as producer_flush says.
/// Runs callbacks on this thread, like producer_flush. Any number of threads may wait for one flush.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_flush_wait(
    producer: *mut producer_t,
    flush: *const producer_flush_t,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let flush = flush_arg(flush)?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.wait_flush("producer_flush_wait", &flush.token, timeout_ms, inside.dispatcher())
    })
}

/// Whether producer_flush_wait would not wait: everything has its outcome, and its callbacks have run. Somebody has to run
/// them: producer_poll, for one.
///
/// `flush`: the flush; NULL is not complete, and neither is one that was begun before a fork. One whose producer was closed
/// is.
/// Returns true or false. Never blocks; may be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_flush_is_complete(flush: *const producer_flush_t) -> bool {
    flush_arg(flush).is_ok_and(|flush| flush.token.is_complete())
}

/// Forgets a flush. Its records go on.
///
/// `flush`: takes; NULL does nothing. No other call may use it meanwhile or afterwards.
/// May be called from any thread, from callbacks, after the producer was closed, and in the child of a fork.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_flush_free(flush: *mut producer_flush_t) {
    call(|| if flush.is_null() { Ok(()) } else { FLUSHES.remove(flush, "flush").map(drop) });
}

fn flush_arg(flush: *const producer_flush_t) -> Result<Arc<FlushHandle>> {
    let flush = FLUSHES.get(flush, "flush")?;
    if flush.generation != fork::generation() {
        let text = "this flush belongs to the parent process: its records are not sent from here";
        return Err(Error::new(Status::FORKED, text));
    }
    Ok(flush)
}

/// Fails records that have no outcome yet, with PRODUCER_ERR_PURGED. Their reports come through producer_poll as always.
///
/// `producer`: the producer. `flags`: PRODUCER_PURGE_QUEUED, PRODUCER_PURGE_IN_FLIGHT or both. Records in flight may be
/// written all the same: their reports say PRODUCER_PERSISTED_MAYBE. A transaction with a purged record has to be aborted.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for other flags; PRODUCER_ERR_IN_CALLBACK from one of this
/// producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
/// Waits for no broker. Records that other threads send meanwhile may be among the purged ones.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_purge(producer: *mut producer_t, flags: u32) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        if flags == 0 || flags & !(PRODUCER_PURGE_QUEUED | PRODUCER_PURGE_IN_FLIGHT) != 0 {
            let text = format!("flags is {flags}; it is PRODUCER_PURGE_QUEUED, PRODUCER_PURGE_IN_FLIGHT or both");
            return Err(invalid(text));
        }
        if inside.in_callback() {
            let text = "producer_purge was called from a callback of the same producer; call it elsewhere";
            return Err(Error::new(Status::IN_CALLBACK, text));
        }
        inside.purge(flags & PRODUCER_PURGE_QUEUED != 0, flags & PRODUCER_PURGE_IN_FLIGHT != 0)
    })
}
