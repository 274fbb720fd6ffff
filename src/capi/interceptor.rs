//! Interceptors: functions of the application that see every record on its way in and every report on its way out.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{CString, c_char, c_void};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::{ptr, slice};

use crate::capi::boundary::{call, invalid, str_arg};
use crate::capi::call_out::{call_out, not_returned};
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::record::producer_record_t;
use crate::capi::report::producer_report_t;
use crate::capi::status::producer_status_t;
use crate::error::Result;

/// Sees a record before it is serialized, given a partition and put into a batch, and may change it.
///
/// `record`: a struct of the library's own, to be read and changed; valid until the function returns. It may be given
/// another topic or topic_handle, partition, key, value, headers, timestamp_ms and delivery_timeout_ms. What its pointers
/// point to at first is the sender's: do not write there. What you let them point to must stay as it is until this
/// interceptor's next on_send on the same thread, or until the producer is closed: memory of your own per thread.
/// `opaque`: the interceptor's.
/// Returns PRODUCER_OK to let the changed record go on. Anything else, and a record that producer_send would refuse, is
/// logged, for each interceptor once a second at most, and the record goes on as it was before this interceptor.
/// It runs on the thread that sends, on several threads at once. A thread that closes the producer waits for it. It may
/// call functions of the producer that may be called from callbacks, except those that send: they answer
/// PRODUCER_ERR_IN_CALLBACK.
#[allow(non_camel_case_types)]
pub type producer_on_send_fn =
    Option<unsafe extern "C" fn(record: *mut producer_record_t, opaque: *mut c_void) -> producer_status_t>;

/// Hears what became of a record that on_send was asked about, once for each, also for records sent without a callback.
///
/// `report`: valid until the function returns. `opaque`: the interceptor's; the sender's is in the report.
/// It runs before the record's own callback hears of it, on the thread that dispatches; never two at once for reports that a
/// dispatch hands out. A record's future is complete before, and who awaits it may go on first. For a record that the sending function refused it runs before that function returns, on
/// the sending thread, with PRODUCER_PHASE_REFUSED, possibly on several threads at once and beside a dispatch; sending from
/// there answers PRODUCER_ERR_IN_CALLBACK. What holds for delivery callbacks holds here otherwise.
#[allow(non_camel_case_types)]
pub type producer_on_acknowledgement_fn =
    Option<unsafe extern "C" fn(report: *const producer_report_t, opaque: *mut c_void)>;

/// Hears that the producer is closed: no function of this interceptor is called for it any more.
///
/// `opaque`: the interceptor's.
/// It runs once for each producer, after its last report, on the thread that closes it, before producer_close returns. When
/// another thread is in a callback that does not return in time, so that reports may follow, it does not run.
#[allow(non_camel_case_types)]
pub type producer_on_close_fn = Option<unsafe extern "C" fn(opaque: *mut c_void)>;

/// An interceptor: begin with PRODUCER_INTERCEPTOR_INIT, give it a name and at least one function.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_interceptor_t {
    /// sizeof(producer_interceptor_t), as PRODUCER_INTERCEPTOR_INIT sets it.
    pub struct_size: usize,
    /// What the log calls it; not NULL, not empty.
    pub name: *const c_char,
    /// Passed to each of its functions as it is.
    pub opaque: *mut c_void,
    /// For each record, or NULL.
    pub on_send: producer_on_send_fn,
    /// For each report, or NULL. With it every record is kept track of, so that reports have to be taken (producer_poll) even
    /// when no record has a callback; otherwise sends end with PRODUCER_ERR_REPORTS_NOT_TAKEN.
    pub on_acknowledgement: producer_on_acknowledgement_fn,
    /// For the end, or NULL.
    pub on_close: producer_on_close_fn,
}

/// Larger structs are no later version's but a mistake.
const STRUCT_SIZE_MAX: usize = 1024;
/// A longer chain is a loop that adds the same one again and again.
const INTERCEPTORS_MAX: usize = 64;
/// How often the mistakes of one interceptor are told.
const COMPLAINT_EVERY_MS: i64 = 1_000;

/// One interceptor of one producer, or of a configuration.
pub struct Interceptor {
    pub name: CString,
    opaque: *mut c_void,
    on_send: producer_on_send_fn,
    on_acknowledgement: producer_on_acknowledgement_fn,
    on_close: producer_on_close_fn,
    complained_at_ms: AtomicI64,
    untold: AtomicU64,
}

// SAFETY: the header says on which threads the functions run; that the pointer may be used there is the application's
// side of the contract. The library only passes the pointer on.
unsafe impl Send for Interceptor {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for Interceptor {}

impl Clone for Interceptor {
    /// For another producer: it counts its own mistakes.
    fn clone(&self) -> Interceptor {
        Interceptor {
            name: self.name.clone(),
            complained_at_ms: AtomicI64::new(i64::MIN),
            untold: AtomicU64::new(0),
            ..*self
        }
    }
}

impl Interceptor {
    /// Whether it has to hear of every record.
    pub fn hears(&self) -> bool {
        self.on_acknowledgement.is_some()
    }

    /// Asks it about a record; `None` when it has no such function. An error: it did not return.
    pub fn on_send(&self, record: &mut producer_record_t) -> Result<Option<producer_status_t>> {
        let Some(function) = self.on_send else { return Ok(None) };
        let arguments = [ptr::from_mut(record) as usize, self.opaque as usize, 0, 0];
        // SAFETY: the application gave function and pointer for this use; the struct outlives the call.
        let status = unsafe { call_out(function as *const (), arguments) };
        status.map(|status| Some(status as producer_status_t)).ok_or_else(not_returned)
    }

    /// Tells it of a report.
    pub fn on_acknowledgement(&self, report: &producer_report_t) {
        if let Some(function) = self.on_acknowledgement {
            // SAFETY: the application gave function and pointer for this use; the report outlives the call.
            unsafe { call_out(function as *const (), [ptr::from_ref(report) as usize, self.opaque as usize, 0, 0]) };
        }
    }

    pub fn on_close(&self) {
        if let Some(function) = self.on_close {
            // SAFETY: the application gave function and pointer for this use.
            unsafe { call_out(function as *const (), [self.opaque as usize, 0, 0, 0]) };
        }
    }

    /// Whether a mistake found at `now_ms` is to be told, and how many before it were not.
    pub fn may_complain(&self, now_ms: i64) -> Option<u64> {
        let last = self.complained_at_ms.load(Ordering::Relaxed);
        // The wall clock may be set back.
        let is_due = last == i64::MIN || !(last..last.saturating_add(COMPLAINT_EVERY_MS)).contains(&now_ms);
        if !is_due
            || self.complained_at_ms.compare_exchange(last, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

/// Adds an interceptor to those of the producers made from this configuration from now on. They form a chain in the order in
/// which they were added: each sees the record as the one before left it.
///
/// `config`: the configuration. `interceptor`: copied, its name too; its functions and its `opaque` must stay usable until
/// the last producer made from this configuration is closed.
/// Records that are sent in batches of the application's own (producer_batch_t) pass no interceptor.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument, a wrong `struct_size`, a name that is missing or not
/// UTF-8, no function at all, or more than 64 interceptors.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_add_interceptor(
    config: *mut producer_config_t,
    interceptor: *const producer_interceptor_t,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        // SAFETY: the caller's promise: NULL or a struct of `struct_size` bytes.
        let given = unsafe { interceptor_arg(interceptor) }?;
        // SAFETY: the caller's promise: NULL or a NUL-ended string.
        let name = unsafe { str_arg(given.name, "the interceptor's name") }?;
        if name.is_empty() {
            return Err(invalid("the interceptor's name is empty; the log calls it by its name"));
        }
        if given.on_send.is_none() && given.on_acknowledgement.is_none() && given.on_close.is_none() {
            let text = format!("interceptor '{name}' has no function; set on_send, on_acknowledgement or on_close");
            return Err(invalid(text));
        }
        let added = Interceptor {
            name: CString::new(name).unwrap_or_default(),
            opaque: given.opaque,
            on_send: given.on_send,
            on_acknowledgement: given.on_acknowledgement,
            on_close: given.on_close,
            complained_at_ms: AtomicI64::new(i64::MIN),
            untold: AtomicU64::new(0),
        };
        config.change_hooks(|hooks| {
            if hooks.interceptors.len() == INTERCEPTORS_MAX {
                let text = format!("there are {INTERCEPTORS_MAX} interceptors already; '{name}' is one too many");
                return Err(invalid(text));
            }
            hooks.interceptors.push(added);
            Ok(())
        })
    })
}

unsafe fn interceptor_arg<'a>(interceptor: *const producer_interceptor_t) -> Result<&'a producer_interceptor_t> {
    if interceptor.is_null() {
        return Err(invalid("interceptor is NULL"));
    }
    let ours = size_of::<producer_interceptor_t>();
    // SAFETY: not NULL; every version of the struct begins with its size.
    let size = unsafe { interceptor.cast::<usize>().read() };
    if !(ours..=STRUCT_SIZE_MAX).contains(&size) {
        let text =
            format!("struct_size is {size}; begin the interceptor with PRODUCER_INTERCEPTOR_INIT ({ours} bytes)");
        return Err(invalid(text));
    }
    // SAFETY: the struct has `size` bytes, says its owner.
    let later = unsafe { slice::from_raw_parts(interceptor.cast::<u8>().add(ours), size - ours) };
    if later.iter().any(|byte| *byte != 0) {
        let text = "the interceptor sets fields that this version of the library does not know; update the library";
        return Err(invalid(text));
    }
    // SAFETY: not NULL and at least as large as our struct.
    Ok(unsafe { &*interceptor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_once_a_second_and_counted_meanwhile() {
        let one = Interceptor {
            name: c"one".into(),
            opaque: std::ptr::null_mut(),
            on_send: None,
            on_acknowledgement: None,
            on_close: None,
            complained_at_ms: AtomicI64::new(i64::MIN),
            untold: AtomicU64::new(0),
        };
        assert_eq!(one.may_complain(5_000), Some(0));
        assert_eq!(one.may_complain(5_999), None);
        assert_eq!(one.may_complain(5_000), None);
        assert_eq!(one.may_complain(6_000), Some(2));
        assert_eq!(one.may_complain(10), Some(0), "the clock was set back");
        assert_eq!(one.clone().may_complain(10), Some(0), "another producer's is another one");
    }
}
