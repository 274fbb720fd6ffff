//! The producer's numbers: as a struct, as JSON, for Prometheus, and told at intervals.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{CString, c_char, c_void};

use crate::capi::boundary::call;
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::status::producer_status_t;

/// Receives the producer's numbers as JSON, every `statistics.interval.ms`.
///
/// `json`: as producer_stats_json gives it, NUL-ended; valid until the callback returns. `len`: its bytes, without the NUL.
/// `opaque`: the pointer given along with the callback.
/// It runs on the thread that polls, flushes, closes or is in a function of transactions, under the rules of delivery callbacks;
/// the text is made there at that moment. When nobody polls, nothing piles up: the next poll tells once.
#[allow(non_camel_case_types)]
pub type producer_stats_fn = Option<unsafe extern "C" fn(json: *const c_char, len: usize, opaque: *mut c_void)>;

/// A stats callback with its pointer.
#[derive(Clone, Copy)]
pub struct StatsCallback {
    function: unsafe extern "C" fn(*const c_char, usize, *mut c_void),
    opaque: *mut c_void,
}

// SAFETY: the header says on which threads the callback runs; that its pointer may be used there is the application's
// side of the contract. The library only passes the pointer on.
unsafe impl Send for StatsCallback {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for StatsCallback {}

impl StatsCallback {
    /// Hands the text to the application. Must not be called on the I/O thread, nor with a lock held.
    pub(super) fn tell(&self, json: &str) {
        let text = CString::new(json).unwrap_or_default();
        // SAFETY: the application gave function and pointer for this use; the text outlives the call.
        unsafe { (self.function)(text.as_ptr(), text.as_bytes().len(), self.opaque) }
    }
}

/// Sets the function that receives the numbers of producers made from this configuration, every `statistics.interval.ms`.
///
/// `config`: the configuration. `callback`: the function, or NULL for none. `opaque`: a pointer passed to it, kept as it is;
/// both must stay usable until the last producer made from this configuration is closed.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `config` is NULL.
/// With `statistics.interval.ms` at 0, the default, it is never called. May be called from any thread and from callbacks;
/// does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn producer_config_set_stats_callback(
    config: *mut producer_config_t,
    callback: producer_stats_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise is that of this function.
        let config = unsafe { config_arg(config)? };
        config.set_stats(callback.map(|function| StatsCallback { function, opaque }));
        Ok(())
    })
}
