//! Client telemetry (KIP-714): the id under which brokers know the client.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::c_char;

use crate::capi::boundary::{call, out_arg, timeout_arg};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::wire::telemetry::instance_id_text;

/// Bytes of a client instance id as text, its NUL included.
pub const PRODUCER_CLIENT_INSTANCE_ID_LEN: usize = 37;

/// Tells the id under which the brokers know the metrics that this producer pushes to them (KIP-714), to be logged beside
/// the application's own names. It stays the same for the producer's life.
///
/// `producer`: the producer. `timeout_ms`: how long to wait for the broker that gives the id; 0 does not wait, -1 waits for
/// ever. `out`: receives the id, a UUID in lower case, as PRODUCER_CLIENT_INSTANCE_ID_LEN bytes with the NUL.
/// Returns PRODUCER_OK; PRODUCER_ERR_TIMED_OUT when no broker has given one in that time: producer_last_error says whether any
/// offers telemetry at all, which Kafka does from 3.7 on where its operator has set up a receiver;
/// PRODUCER_ERR_CONFIG_CONFLICT when enable.metrics.push is false; the broker's status when one refused it for good;
/// PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks unless `timeout_ms` is 0;
/// PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library. With any of them `out` is
/// left alone.
/// Blocks for `timeout_ms` at most; runs no callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_client_instance_id(
    producer: *mut producer_t,
    timeout_ms: i32,
    out: *mut c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let out = out_arg(out, "out")?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        let text = instance_id_text(&inside.client_instance_id(timeout_ms)?);
        let bytes = text.as_bytes();
        debug_assert_eq!(bytes.len() + 1, PRODUCER_CLIENT_INSTANCE_ID_LEN);
        // SAFETY: not NULL, and by the header it has room for the text and its NUL; the text is not in it.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
            *out.add(bytes.len()) = 0;
        }
        Ok(())
    })
}
