//! Serializers: what turns an application's objects into bytes, at the place where typed producers do it.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{CStr, c_char, c_void};

use crate::capi::boundary::call;
use crate::capi::call_out::{call_out, not_returned};
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::record::{producer_record_t, record_bytes};
use crate::capi::status::{producer_status_name, producer_status_t};
use crate::error::{Error, Result, Status};

/// What a serializer is given. It lives until the serializer returns, and so does what it points to, except `topic`, which
/// lives as long as the producer.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct producer_serialization_t {
    /// Bytes of this struct in the library: a later version has more fields at the end.
    pub struct_size: usize,
    /// Whether the key is to be serialized; otherwise the value.
    pub is_key: bool,
    /// The topic's name, however the record names it.
    pub topic: *const c_char,
    /// The record, as the interceptors left it. Let key and key_len, or value and value_len, say the bytes; headers and
    /// header_count may be replaced too, by more of them. Other changes do not count.
    pub record: *mut producer_record_t,
    /// Room for a sentence in UTF-8 that says why it fails; it becomes part of producer_last_error.
    pub error_text: *mut c_char,
    /// Bytes of that room, with the closing NUL.
    pub error_size: usize,
}

/// Turns a record's key or value into bytes. What the sender lets `key` or `value` point to is between the two: an object of
/// any kind, with any length. It is not called for NULL: no key stays no key, and a tombstone a tombstone.
///
/// `what`: the record and where to put the bytes. What its pointers are set to must stay as it is until this serializer is
/// called again on the same thread, or until the producer is closed. `opaque`: the pointer given along with the serializer.
/// Returns PRODUCER_OK, or any other status: the record is refused with PRODUCER_ERR_SERIALIZATION.
/// It runs on the thread that sends, on several threads at once, after the interceptors, so that it knows the topic, and before
/// the partition is chosen; the key goes first. What it waits for the sender waits for. A thread that closes the producer
/// waits for it. It may call functions of the producer that may be called from callbacks, except those that send: they answer
/// PRODUCER_ERR_IN_CALLBACK.
#[allow(non_camel_case_types)]
pub type producer_serialize_fn =
    Option<unsafe extern "C" fn(what: *mut producer_serialization_t, opaque: *mut c_void) -> producer_status_t>;

/// Room for a serializer's sentence.
const ERROR_SIZE: usize = 512;

/// A serializer with its pointer.
#[derive(Clone, Copy)]
pub struct Serializer {
    function: unsafe extern "C" fn(*mut producer_serialization_t, *mut c_void) -> producer_status_t,
    opaque: *mut c_void,
}

// SAFETY: the header says on which threads the function runs; that its pointer may be used there is the application's
// side of the contract. The library only passes the pointer on.
unsafe impl Send for Serializer {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for Serializer {}

impl Serializer {
    /// Serializes the key or the value of `record`, which is the library's own copy.
    ///
    /// # Safety
    /// What the record points to is as its sender and the interceptors promise.
    pub unsafe fn serialize(&self, record: &mut producer_record_t, is_key: bool, topic: &CStr) -> Result<()> {
        let mut text: [c_char; ERROR_SIZE] = [0; ERROR_SIZE];
        let mut theirs = *record;
        let mut what = producer_serialization_t {
            struct_size: size_of::<producer_serialization_t>(),
            is_key,
            topic: topic.as_ptr(),
            record: &mut theirs,
            error_text: text.as_mut_ptr(),
            error_size: ERROR_SIZE,
        };
        let arguments = [(&raw mut what) as usize, self.opaque as usize, 0, 0];
        // SAFETY: the application gave function and pointer for this use; what the struct names outlives the call.
        let status = unsafe { call_out(self.function as *const (), arguments) };
        let status = status.ok_or_else(not_returned)? as producer_status_t;
        if status != Status::OK.code() {
            // A sentence that fills the room need not have its end.
            text[ERROR_SIZE - 1] = 0;
            // SAFETY: ended by the line above; the name is static.
            let (text, name) = unsafe { (CStr::from_ptr(text.as_ptr()), CStr::from_ptr(producer_status_name(status))) };
            return Err(failed(is_key, topic, &because(text, name)));
        }
        let mut next = *record;
        if is_key {
            (next.key, next.key_len) = (theirs.key, theirs.key_len);
        } else {
            (next.value, next.value_len) = (theirs.value, theirs.value_len);
        }
        (next.headers, next.header_count) = (theirs.headers, theirs.header_count);
        // SAFETY: the serializer promises the bytes and headers it has set.
        unsafe { record_bytes(&next, is_key) }.map_err(|wrong| failed(is_key, topic, &wrong.message))?;
        *record = next;
        Ok(())
    }
}

fn because(text: &CStr, status: &CStr) -> String {
    match text.to_string_lossy() {
        text if text.is_empty() => format!("it answered {}", status.to_string_lossy()),
        text => text.into_owned(),
    }
}

#[cold]
fn failed(is_key: bool, topic: &CStr, why: &str) -> Error {
    let part = if is_key { "key" } else { "value" };
    let text = format!("the {part} of a record for topic '{}' was not serialized: {why}", topic.to_string_lossy());
    Error::new(Status::SERIALIZATION, text)
}

/// Sets what serializes the keys of producers made from this configuration from now on; without it keys are bytes.
///
/// `config`: the configuration. `serializer`: the function, or NULL for none. `opaque`: a pointer passed to it, kept as it
/// is; both must stay usable until the last producer made from this configuration is closed.
/// Records that are sent in batches of the application's own (producer_batch_t) pass no serializer.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `config` is NULL.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set_key_serializer(
    config: *mut producer_config_t,
    serializer: producer_serialize_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        config.change_hooks(|hooks| {
            hooks.key_serializer = serializer.map(|function| Serializer { function, opaque });
            Ok(())
        })
    })
}

/// Sets what serializes the values of producers made from this configuration from now on; without it values are bytes.
///
/// `config`: the configuration. `serializer`: the function, or NULL for none; it may be the key's. `opaque`: a pointer passed
/// to it, kept as it is; both must stay usable until the last producer made from this configuration is closed.
/// Records that are sent in batches of the application's own (producer_batch_t) pass no serializer.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `config` is NULL.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set_value_serializer(
    config: *mut producer_config_t,
    serializer: producer_serialize_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        config.change_hooks(|hooks| {
            hooks.value_serializer = serializer.map(|function| Serializer { function, opaque });
            Ok(())
        })
    })
}
