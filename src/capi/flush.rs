//! Ending waits: producer_flush and producer_purge.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use crate::capi::boundary::{call, invalid, timeout_arg};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::error::{Error, Status};

/// `flags` of producer_purge: records that no socket has taken yet, and those that wait to be sent again.
pub const PRODUCER_PURGE_QUEUED: u32 = 1;
/// `flags` of producer_purge: records that were written and whose answer is awaited.
pub const PRODUCER_PURGE_IN_FLIGHT: u32 = 2;

/// Sends everything at once that was sent before this call, by any thread, and waits until all of it is reported (KIP-8).
///
/// `producer`: the producer. `timeout_ms`: how long to wait; 0 only starts it, -1 waits for ever.
/// Returns PRODUCER_OK when every record accepted before the call has its outcome and its callback has run;
/// PRODUCER_ERR_TIMED_OUT when the time passed first: it all goes on, call again; PRODUCER_ERR_INVALID_ARGUMENT;
/// PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED;
/// PRODUCER_ERR_INTERNAL after a bug of the library.
/// Overrides `linger.ms`; runs callbacks on this thread; does not hold up sends of other threads and does not wait for
/// them. Several flushes may run at once.
/// Inside a transaction it commits nothing, and is not needed before a commit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn producer_flush(producer: *mut producer_t, timeout_ms: i32) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.flush(timeout_ms, inside.dispatcher())
    })
}

/// Fails records that have no outcome yet, with PRODUCER_ERR_PURGED. Their reports come through producer_poll as always.
///
/// `producer`: the producer. `flags`: PRODUCER_PURGE_QUEUED, PRODUCER_PURGE_IN_FLIGHT or both. Records in flight may be
/// written all the same: their reports say PRODUCER_PERSISTED_MAYBE. A transaction with a purged record has to be aborted.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for other flags; PRODUCER_ERR_IN_CALLBACK from one of this
/// producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
/// Waits for no broker. Records that other threads send meanwhile may be among the purged ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn producer_purge(producer: *mut producer_t, flags: u32) -> producer_status_t {
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
