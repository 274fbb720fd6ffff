//! Records as C hands them over.

use std::ffi::{c_char, c_void};
use std::{ptr, slice};

use crate::capi::boundary::{invalid, str_arg};
use crate::capi::topic::producer_topic_t;
use crate::error::{Error, Result, Status};
use crate::record::{Header, Record};

/// `partition`: the library chooses.
pub const PRODUCER_PARTITION_ANY: i32 = -1;
/// `timestamp_ms`: the time of the call.
pub const PRODUCER_TIMESTAMP_NOW: i64 = -1;
/// `delivery_timeout_ms`: what `delivery.timeout.ms` says.
pub const PRODUCER_TIMEOUT_DEFAULT: i32 = 0;
/// `acks`: what the topic's settings say, or else the producer's.
pub const PRODUCER_ACKS_DEFAULT: i32 = 0;
/// `acks`: all in-sync replicas have the record before it is acknowledged.
pub const PRODUCER_ACKS_ALL: i32 = -1;
/// `acks`: its leader has it.
pub const PRODUCER_ACKS_LEADER: i32 = 1;
/// `acks`: nobody answers; its report comes when the operating system has taken it, without an offset, and says
/// PRODUCER_PERSISTED_MAYBE.
pub const PRODUCER_ACKS_NONE: i32 = -2;

/// One header of a record. Kafka allows several of one name.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_header_t {
    /// The header's name: NUL-ended UTF-8, never NULL.
    pub name: *const c_char,
    /// The value's bytes, or NULL for a null value.
    pub value: *const c_void,
    /// Bytes of the value, 0 to 2147483647; 0 when `value` is NULL.
    pub value_len: usize,
}

/// A record to be sent. Begin with PRODUCER_RECORD_INIT, then set what you need: a topic and a value in most programs.
/// The library copies everything before the call that is given the record returns.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_record_t {
    /// sizeof(producer_record_t), as PRODUCER_RECORD_INIT sets it: tells the library which fields your program knows.
    pub struct_size: usize,
    /// The topic's name; not read when `topic_handle` is set.
    pub topic: *const c_char,
    /// The topic's handle from producer_topic, or NULL to go by `topic`.
    pub topic_handle: *const producer_topic_t,
    /// The partition from 0 on, or PRODUCER_PARTITION_ANY: by the key, or evenly without one.
    pub partition: i32,
    /// The key's bytes, or NULL for no key. A length of 0 with a pointer that is not NULL is an empty key.
    pub key: *const c_void,
    /// Bytes of the key; 0 when `key` is NULL.
    pub key_len: usize,
    /// The value's bytes, or NULL for a null value (a tombstone).
    pub value: *const c_void,
    /// Bytes of the value; 0 when `value` is NULL.
    pub value_len: usize,
    /// The headers, or NULL for none.
    pub headers: *const producer_header_t,
    /// How many headers there are.
    pub header_count: usize,
    /// Milliseconds since 1970 from 0 on, or PRODUCER_TIMESTAMP_NOW.
    pub timestamp_ms: i64,
    /// Milliseconds from now until the record fails if it is not delivered: 1 or more, -1 for never, or
    /// PRODUCER_TIMEOUT_DEFAULT. It counts for the whole batch the record travels in: the shortest time wins.
    pub delivery_timeout_ms: i32,
    /// Who must have the record before it is acknowledged: PRODUCER_ACKS_ALL, PRODUCER_ACKS_LEADER, PRODUCER_ACKS_NONE, or
    /// PRODUCER_ACKS_DEFAULT. With enable.idempotence=true only the first and the last. Records of different acks never
    /// share a batch or a request: one that asks for others than the record before it in its partition ends that one's
    /// batch, which goes at once, and is sent when everything before it in the partition has its outcome, so that their
    /// order stays. Changing acks from record to record makes batches of one record.
    pub acks: i32,
}

/// Structs larger than this are no records of a later version but a mistake.
const STRUCT_SIZE_MAX: usize = 1024;
/// More headers than fit into the largest record that the protocol can carry.
const HEADERS_MAX: usize = 1 << 24;
/// Headers converted without an allocation.
const HEADERS_INLINE: usize = 16;

/// Borrows the caller's record after checking that it is one.
///
/// # Safety
/// `record` is NULL or points to a struct of as many bytes as its `struct_size` says.
#[inline]
pub(super) unsafe fn record_arg<'a>(record: *const producer_record_t) -> Result<&'a producer_record_t> {
    if record.is_null() {
        return Err(invalid("record is NULL"));
    }
    // SAFETY: not NULL; every version of the struct begins with its size.
    let size = unsafe { record.cast::<usize>().read() };
    if size != size_of::<producer_record_t>() {
        // SAFETY: as the caller promises.
        unsafe { check_size(record, size) }?;
    }
    // SAFETY: not NULL and at least as large as our struct.
    Ok(unsafe { &*record })
}

#[cold]
unsafe fn check_size(record: *const producer_record_t, size: usize) -> Result<()> {
    let ours = size_of::<producer_record_t>();
    if !(ours..=STRUCT_SIZE_MAX).contains(&size) {
        return Err(invalid(format!(
            "struct_size is {size}; begin the record with PRODUCER_RECORD_INIT ({ours} bytes)"
        )));
    }
    // SAFETY: the struct has `size` bytes, says its owner.
    let later = unsafe { slice::from_raw_parts(record.cast::<u8>().add(ours), size - ours) };
    if later.iter().any(|byte| *byte != 0) {
        return Err(invalid(
            "the record sets fields that this version of the library does not know; update the library",
        ));
    }
    Ok(())
}

/// Borrows bytes; `None` for NULL.
///
/// # Safety
/// `data` is NULL or points to `len` bytes that live during `'a`.
#[inline(always)]
pub(super) unsafe fn bytes_arg<'a>(data: *const c_void, len: usize, name: &str) -> Result<Option<&'a [u8]>> {
    if data.is_null() {
        if len != 0 {
            return Err(invalid(format!("{name} is NULL but its length is {len}; NULL has length 0")));
        }
        return Ok(None);
    }
    if len > i32::MAX as usize {
        let text = format!("{name} has a length of {len} bytes; Kafka's records carry 2147483647 at most");
        return Err(Error::new(Status::RECORD_TOO_LARGE, text));
    }
    // SAFETY: not NULL, a length that fits, and the caller's promise.
    Ok(Some(unsafe { slice::from_raw_parts(data.cast(), len) }))
}

/// Converts the record and hands it on, with its headers on the stack where they are few.
///
/// # Safety
/// The record's pointers are as its comment says.
#[inline(always)]
pub(super) unsafe fn with_record<R>(
    record: &producer_record_t,
    timestamp_ms: i64,
    hand: impl FnOnce(&Record<'_>) -> Result<R>,
) -> Result<R> {
    // SAFETY: as the caller promises.
    let (key, value) =
        unsafe { (bytes_arg(record.key, record.key_len, "key")?, bytes_arg(record.value, record.value_len, "value")?) };
    if record.header_count == 0 {
        return hand(&Record { key, value, headers: &[], timestamp_ms });
    }
    // SAFETY: as the caller promises.
    let given = unsafe { headers_arg(record) }?;
    let mut few = [Header { name: "", value: None }; HEADERS_INLINE];
    let mut many = Vec::new();
    let headers = if given.len() <= HEADERS_INLINE {
        &mut few[..given.len()]
    } else {
        many.resize(given.len(), few[0]);
        &mut many[..]
    };
    for (header, given) in headers.iter_mut().zip(given) {
        // SAFETY: as the caller promises.
        let (name, value) = unsafe {
            (str_arg(given.name, "a header's name")?, bytes_arg(given.value, given.value_len, "a header's value")?)
        };
        *header = Header { name, value };
    }
    hand(&Record { key, value, headers, timestamp_ms })
}

/// Checks the bytes and headers of a record that will be given to `with_record`: its key or its value.
///
/// # Safety
/// The record's pointers are as its comment says.
pub(super) unsafe fn record_bytes(record: &producer_record_t, is_key: bool) -> Result<()> {
    let mut only = *record;
    if is_key {
        (only.value, only.value_len) = (ptr::null(), 0);
    } else {
        (only.key, only.key_len) = (ptr::null(), 0);
    }
    // SAFETY: as the caller promises.
    unsafe { with_record(&only, 0, |_| Ok(())) }
}

unsafe fn headers_arg(record: &producer_record_t) -> Result<&[producer_header_t]> {
    if record.headers.is_null() {
        return Err(invalid(format!("headers is NULL but header_count is {}", record.header_count)));
    }
    if record.header_count > HEADERS_MAX {
        let text = format!("header_count is {}; a record cannot carry that many", record.header_count);
        return Err(Error::new(Status::RECORD_TOO_LARGE, text));
    }
    // SAFETY: not NULL, and the caller's promise that there are so many.
    Ok(unsafe { slice::from_raw_parts(record.headers, record.header_count) })
}

/// The partition asked for.
#[inline]
pub(super) fn partition_arg(partition: i32) -> Result<Option<u32>> {
    match partition {
        PRODUCER_PARTITION_ANY => Ok(None),
        0.. => Ok(Some(partition as u32)),
        _ => Err(invalid(format!("partition is {partition}; it is 0 or more, or PRODUCER_PARTITION_ANY"))),
    }
}
