//! Closing with the undelivered records handed back.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use crate::capi::boundary::invalid;
use crate::capi::call_out::call_out;
use crate::capi::producer::{close, producer_t};
use crate::capi::record::{
    PRODUCER_ACKS_DEFAULT, PRODUCER_TIMEOUT_DEFAULT, PRODUCER_TIMESTAMP_NOW, producer_header_t, producer_record_t,
};
use crate::capi::report::{batch_report, name_record};
use crate::capi::status::producer_status_t;
use crate::record::Record;
use crate::reports::{FinishedBatch, Undelivered, UndeliveredTo};

/// A record that was not delivered when its producer was closed. It and everything it points to live until the callback
/// that receives it returns.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_undelivered_t {
    /// Bytes of this struct in the library: a later version has more fields at the end.
    pub struct_size: usize,
    /// The record with topic, partition, key, value, headers and timestamp: it can be given to producer_send of another
    /// producer as it is. Its partition is the one it was sent to; PRODUCER_PARTITION_ANY when none was chosen yet.
    pub record: *const producer_record_t,
    /// Why it was not delivered: the status that its report has.
    pub status: producer_status_t,
    /// PRODUCER_PERSISTED_NO, or PRODUCER_PERSISTED_MAYBE: then sending it again may write it twice.
    pub persisted: i32,
    /// What was given with the record for its report; NULL for one without a callback.
    pub opaque: *mut c_void,
    /// The last cause in words.
    pub error_text: *const c_char,
}

/// Receives a record that was not delivered, from producer_close_with.
///
/// `record`: valid until the callback returns; copy what you keep. `opaque`: what was given to producer_close_with.
/// It runs where delivery callbacks run, most often on the thread that closes, and never two at once. It may send to another
/// producer; functions of the one that is being closed answer PRODUCER_ERR_CLOSED or PRODUCER_ERR_IN_CALLBACK.
#[allow(non_camel_case_types)]
pub type producer_undelivered_fn =
    Option<unsafe extern "C" fn(record: *const producer_undelivered_t, opaque: *mut c_void)>;

/// Ends a producer like producer_close, and hands back every record that is not delivered: those that fail from the moment of
/// this call on, also those without a callback. Records that were acknowledged, and those that had failed before, are not
/// among them. docs/CANCELLING.md is the guide.
///
/// `producer`: takes, as producer_close does. `timeout_ms`: as for producer_close. `callback`: receives each of the records
/// once; not NULL. `opaque`: given to it as it is.
/// Returns what producer_close returns, and PRODUCER_ERR_INVALID_ARGUMENT for a NULL callback: the producer is not closed then.
/// Order: records come when they fail; those of a batch in the order in which they were sent, all of them before the first
/// report of that batch. Each record with a callback gets its report all the same. Records stay inside `buffer.memory` until
/// they are handed back.
/// Blocks for `timeout_ms` and little more beside the time that the callbacks take.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_close_with(
    producer: *mut producer_t,
    timeout_ms: i32,
    callback: producer_undelivered_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    let Some(callback) = callback else {
        return super::boundary::call(|| Err(invalid("callback is NULL; without one call producer_close")));
    };
    let to = UndeliveredTo { callback: callback as *const () as usize, opaque: opaque as usize };
    // SAFETY: the caller's promise: NULL or a handle of ours.
    unsafe { close(producer, timeout_ms, Some(to)) }
}

/// Hands the records of a failed batch back, once.
#[cold]
pub(super) fn hand_undelivered(batch: &FinishedBatch, undelivered: &Undelivered) {
    let Some(records) = undelivered.take() else { return };
    records.each(&mut |place, record| {
        let mut report = batch_report(batch);
        if !batch.record_causes.is_empty() {
            name_record(batch, place, &mut report);
        }
        with_c_record(batch, record, |record| {
            let told = producer_undelivered_t {
                struct_size: size_of::<producer_undelivered_t>(),
                record,
                status: report.status,
                persisted: report.persisted,
                opaque: undelivered.opaque_of(batch, place) as *mut c_void,
                error_text: report.error_text,
            };
            let arguments = [(&raw const told) as usize, undelivered.to.opaque, 0, 0];
            // SAFETY: the address was taken from a callback of this type by `producer_close_with`, and given with its argument for
            // this use; what it is given outlives the call. One that does not return is called for the other records all the same.
            unsafe { call_out(undelivered.to.callback as *const (), arguments) };
        });
    });
}

/// Gives the record as C sends it.
fn with_c_record(batch: &FinishedBatch, record: &Record<'_>, hand: impl FnOnce(&producer_record_t)) {
    let bytes = |bytes: Option<&[u8]>| match bytes {
        None => (ptr::null(), 0),
        Some(bytes) => (bytes.as_ptr().cast::<c_void>(), bytes.len()),
    };
    // A name comes from a C string: there is no NUL in it.
    let names: Vec<CString> =
        record.headers.iter().map(|header| CString::new(header.name).unwrap_or_default()).collect();
    let header = |(header, name): (&crate::record::Header<'_>, &CString)| {
        let (value, value_len) = bytes(header.value);
        producer_header_t { name: name.as_ptr(), value, value_len }
    };
    let headers: Vec<producer_header_t> = record.headers.iter().zip(&names).map(header).collect();
    let (key, key_len) = bytes(record.key);
    let (value, value_len) = bytes(record.value);
    hand(&producer_record_t {
        struct_size: size_of::<producer_record_t>(),
        topic: batch.topic.as_ptr(),
        topic_handle: ptr::null(),
        partition: batch.partition,
        key,
        key_len,
        value,
        value_len,
        headers: if headers.is_empty() { ptr::null() } else { headers.as_ptr() },
        header_count: headers.len(),
        timestamp_ms: if record.timestamp_ms < 0 { PRODUCER_TIMESTAMP_NOW } else { record.timestamp_ms },
        delivery_timeout_ms: PRODUCER_TIMEOUT_DEFAULT,
        acks: PRODUCER_ACKS_DEFAULT,
    });
}
