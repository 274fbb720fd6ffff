//! Hearing of records: producer_poll.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use crate::capi::boundary::{call_count, timeout_arg};
use crate::capi::producer::{enter, producer_t};

/// Runs the callbacks of finished records, and the log callback, on this thread.
///
/// `producer`: the producer. `timeout_ms`: with nothing there, how long to wait for the first report; 0 does not wait, -1
/// waits for ever. Log lines that come meanwhile are served and do not end the wait.
/// Returns how many records were reported, 0 when the time passed; a negative status otherwise:
/// PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks;
/// PRODUCER_ERR_CLOSED, also when another thread closes the producer meanwhile; PRODUCER_ERR_FORKED;
/// PRODUCER_ERR_INTERNAL after a bug of the library, when everything has been reported.
/// Serves what is there when it is called, not what comes meanwhile. May be called from any thread; one thread at a time
/// dispatches, the others wait their turn within their time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn producer_poll(producer: *mut producer_t, timeout_ms: i32) -> i32 {
    call_count(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.poll(timeout_ms, inside.dispatcher())
    })
}
