//! Many records by one call: producer_send_many, producer_send_many_status and producer_send_flat.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{c_char, c_void};
use std::{ptr, slice};

use crate::accumulator::{Placed, Tag};
use crate::capi::boundary::{call, invalid, out_arg};
use crate::capi::call_out::leaving;
use crate::capi::producer::{Inside, pass, producer_t};
use crate::capi::record::{
    PRODUCER_ACKS_DEFAULT, PRODUCER_PARTITION_ANY, PRODUCER_TIMEOUT_DEFAULT, PRODUCER_TIMESTAMP_NOW, producer_record_t,
    record_arg,
};
use crate::capi::report::producer_delivery_fn;
use crate::capi::send::{send_one, tag_of};
use crate::capi::status::producer_status_t;
use crate::capi::topic::{producer_topic_t, topic_of};
use crate::error::{Error, Result, Status};
use crate::reports::KEPT;

/// Records of one call at most.
const COUNT_MAX: usize = i32::MAX as usize;

/// Records of one topic as flat arrays, for languages in which making a struct for each record costs more than sending it.
/// Begin with PRODUCER_FLAT_RECORDS_INIT. Everything is copied before producer_send_flat returns. Each array has `count`
/// members; record number i is made of the members number i.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_flat_records_t {
    /// sizeof(producer_flat_records_t), as PRODUCER_FLAT_RECORDS_INIT sets it.
    pub struct_size: usize,
    /// The topic's name; not read when `topic_handle` is set.
    pub topic: *const c_char,
    /// The topic's handle from producer_topic, or NULL to go by `topic`.
    pub topic_handle: *const producer_topic_t,
    /// How many records, 0 to 2147483647.
    pub count: usize,
    /// The values, one behind the other; may be NULL when `values_len` is 0.
    pub values: *const c_void,
    /// Bytes of all values together: what the lengths add up to.
    pub values_len: usize,
    /// Bytes of each value; -1 for a null value. NULL: all values are null.
    pub value_lens: *const i32,
    /// The keys, one behind the other; may be NULL when `keys_len` is 0.
    pub keys: *const c_void,
    /// Bytes of all keys together: what the lengths add up to.
    pub keys_len: usize,
    /// Bytes of each key; -1 for no key. NULL: no record has a key.
    pub key_lens: *const i32,
    /// The partition of each record from 0 on, or PRODUCER_PARTITION_ANY. NULL: any for all.
    pub partitions: *const i32,
    /// Milliseconds since 1970 of each record from 0 on, or PRODUCER_TIMESTAMP_NOW. NULL: the time of the call for all.
    pub timestamps_ms: *const i64,
    /// Receives each record's report; PRODUCER_QUEUE_REPORT leaves them to producer_poll_reports. NULL: none, or, with
    /// `opaques`, as PRODUCER_QUEUE_REPORT.
    pub callback: producer_delivery_fn,
    /// The opaque of each record. NULL: that of record number i is `first_opaque` + i.
    pub opaques: *const *mut c_void,
    /// The opaque of the first record when `opaques` is NULL: a number, that producer_report_t's `opaque` gives back.
    pub first_opaque: usize,
}

/// Sends many records, one after the other, as producer_send does each: for languages in which a call costs more than a
/// record.
///
/// `producer`: the producer. `records`: the records, each begun with PRODUCER_RECORD_INIT; borrows until return. `count`: how
/// many, 0 to 2147483647. `callback`: receives the report of each; NULL for none, or, with `opaques`, as
/// PRODUCER_QUEUE_REPORT. `opaques`: the opaque of each record; NULL gives NULL to all. `accepted`: receives how many records
/// were accepted, also when not all were.
/// Returns PRODUCER_OK when all were accepted; otherwise the status of the first that was not, one of producer_send's, with
/// its number in producer_last_error: a wrong record is left out and those after it are sent. What would be refused again and
/// again ends the run, and nothing after it is tried: PRODUCER_ERR_QUEUE_FULL (but with a `max.block.ms` of 0 not when only
/// the share of the record's own broker or partition is used up), PRODUCER_ERR_REPORTS_NOT_TAKEN,
/// PRODUCER_ERR_STATE, PRODUCER_ERR_CLOSED, an abortable or a fatal status. PRODUCER_ERR_INVALID_ARGUMENT with `accepted`
/// untouched for wrong arguments; PRODUCER_ERR_CLOSED and PRODUCER_ERR_FORKED as well when the producer was so before.
/// Which ones were refused is told by producer_send_many_status. Blocks while `buffer.memory` is full, `max.block.ms` at most
/// for each record; the first that waits in vain ends the run.
/// May be called from any thread and from delivery callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_send_many(
    producer: *mut producer_t,
    records: *const producer_record_t,
    count: usize,
    callback: producer_delivery_fn,
    opaques: *const *mut c_void,
    accepted: *mut usize,
) -> producer_status_t {
    call(|| {
        let each = Outcomes { statuses: ptr::null_mut(), accepted: out_arg(accepted, "accepted")? };
        // SAFETY: the caller's promise is that of this function.
        unsafe { send_many(producer, records, count, callback, opaques, each) }
    })
}

/// As producer_send_many, with a status for each record.
///
/// `producer`, `records`, `count`, `callback`, `opaques`, `accepted`: as in producer_send_many. `statuses`: receives the
/// status of each record; records that were not tried have that of the one that ended the run.
/// Returns what producer_send_many does; PRODUCER_ERR_INVALID_ARGUMENT also when `statuses` is NULL.
/// Blocks as producer_send_many does. May be called from any thread and from delivery callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_send_many_status(
    producer: *mut producer_t,
    records: *const producer_record_t,
    count: usize,
    callback: producer_delivery_fn,
    opaques: *const *mut c_void,
    statuses: *mut producer_status_t,
    accepted: *mut usize,
) -> producer_status_t {
    call(|| {
        let each = Outcomes { statuses: out_arg(statuses, "statuses")?, accepted: out_arg(accepted, "accepted")? };
        // SAFETY: the caller's promise is that of this function.
        unsafe { send_many(producer, records, count, callback, opaques, each) }
    })
}

/// Sends many records of one topic from flat arrays, one after the other: the fewest calls and the least copying on the way
/// from another language.
///
/// `producer`: the producer. `records`: the arrays; borrows until return. `statuses`: receives the status of each record, or
/// NULL; records that were not tried have that of the one that ended the run. `accepted`: receives how many records were
/// accepted, also when not all were.
/// Returns what producer_send_many does. PRODUCER_ERR_INVALID_ARGUMENT, with both outputs untouched and nothing sent, when the
/// lengths do not add up to `values_len` and `keys_len`, or one is below -1.
/// Blocks while `buffer.memory` is full, `max.block.ms` at most for each record; the first that waits in vain ends the run. May
/// be called from any thread and from delivery callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_send_flat(
    producer: *mut producer_t,
    records: *const producer_flat_records_t,
    statuses: *mut producer_status_t,
    accepted: *mut usize,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { pass(producer) }?;
        let each = Outcomes { statuses, accepted: out_arg(accepted, "accepted")? };
        // SAFETY: the caller's promise: NULL or a struct with arrays as its comments say.
        let mut flat = unsafe { Flat::new(&inside, records) }?;
        // SAFETY: there is a status for each record, or none.
        unsafe {
            each.run(&inside, flat.count, |place| {
                let (record, tag) = flat.next(place);
                // SAFETY: the record borrows from the caller's arrays, whose lengths were checked.
                send_one(&inside, &record, tag)
            })
        }
    })
}

/// Where the outcomes of a run go.
struct Outcomes {
    /// NULL, or as many as there are records.
    statuses: *mut producer_status_t,
    accepted: *mut usize,
}

impl Outcomes {
    /// Sends records number 0 to `count` - 1 until the rest would only be refused like the last one.
    ///
    /// # Safety
    /// Both outputs may be written; there are `count` statuses, or NULL.
    unsafe fn run(
        &self,
        inside: &Inside<'_>,
        count: usize,
        mut send: impl FnMut(usize) -> Result<Placed>,
    ) -> Result<()> {
        let mut accepted = 0;
        let mut first = None;
        for place in 0..count {
            let (status, ends) = match send(place) {
                Ok(_) => {
                    accepted += 1;
                    (Status::OK, false)
                }
                Err(why) => {
                    let (status, ends) = (why.status, leaving().is_some() || inside.would_refuse_all(&why));
                    first.get_or_insert_with(|| Error::new(status, format!("record {place}: {}", why.message)));
                    (status, ends)
                }
            };
            let last = if ends { count } else { place + 1 };
            if !self.statuses.is_null() {
                for untried in place..last {
                    // SAFETY: the caller's promise.
                    unsafe { self.statuses.add(untried).write(status.code()) };
                }
            }
            if ends {
                break;
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.accepted.write(accepted) };
        first.map_or(Ok(()), Err)
    }
}

unsafe fn send_many(
    producer: *mut producer_t,
    records: *const producer_record_t,
    count: usize,
    callback: producer_delivery_fn,
    opaques: *const *mut c_void,
    each: Outcomes,
) -> Result<()> {
    // SAFETY: the caller's promise: NULL or a handle of ours.
    let inside = unsafe { pass(producer) }?;
    check_count(count)?;
    if count > 0 && records.is_null() {
        return Err(invalid(format!("records is NULL but count is {count}")));
    }
    // SAFETY: the caller's promise about the first record.
    let stride = if count == 0 { 0 } else { unsafe { record_arg(records) }?.struct_size };
    if stride % align_of::<producer_record_t>() != 0 {
        return Err(invalid(format!(
            "records[0].struct_size is {stride}; begin each record with PRODUCER_RECORD_INIT"
        )));
    }
    let send = |place: usize| {
        // SAFETY: the program's records are as large as the first says, and there are `count` of them.
        let record = unsafe { records.byte_add(place * stride) };
        // SAFETY: every version of a record begins with its size.
        let size = unsafe { record.cast::<usize>().read() };
        if size != stride {
            return Err(invalid(format!(
                "struct_size is {size}, and {stride} in the first record; begin each with PRODUCER_RECORD_INIT"
            )));
        }
        // SAFETY: as above.
        let record = unsafe { record_arg(record) }?;
        // SAFETY: NULL, or `count` opaques.
        let tag = unsafe { tag_at(callback, opaques, place, ptr::null_mut()) };
        // SAFETY: the caller's promise about the record's pointers.
        unsafe { send_one(&inside, record, tag) }
    };
    // SAFETY: the caller's promise about both outputs.
    unsafe { each.run(&inside, count, send) }
}

/// # Safety
/// `opaques` is NULL or has a member of number `place`.
#[inline]
unsafe fn tag_at(
    callback: producer_delivery_fn,
    opaques: *const *mut c_void,
    place: usize,
    otherwise: *mut c_void,
) -> Option<Tag> {
    if opaques.is_null() {
        return tag_of(callback, otherwise);
    }
    // SAFETY: the caller's promise.
    let opaque = unsafe { opaques.add(place).read() };
    Some(tag_of(callback, opaque).unwrap_or(Tag::marked(KEPT, opaque as usize)))
}

fn check_count(count: usize) -> Result<()> {
    if count > COUNT_MAX {
        return Err(invalid(format!("count is {count}; it is {COUNT_MAX} at most")));
    }
    Ok(())
}

/// Flat arrays on their way to records.
struct Flat<'a> {
    count: usize,
    /// What all records have in common.
    record: producer_record_t,
    values: Bytes<'a>,
    keys: Bytes<'a>,
    partitions: Option<&'a [i32]>,
    timestamps_ms: Option<&'a [i64]>,
    callback: producer_delivery_fn,
    opaques: *const *mut c_void,
    first_opaque: usize,
}

/// Byte strings, one behind the other.
struct Bytes<'a> {
    next: *const u8,
    /// `None`: all are null.
    lens: Option<&'a [i32]>,
}

impl<'a> Flat<'a> {
    /// # Safety
    /// `records` is NULL or points to a struct of as many bytes as its `struct_size` says, with arrays as its comments say,
    /// that live during `'a`.
    unsafe fn new(inside: &Inside<'_>, records: *const producer_flat_records_t) -> Result<Flat<'a>> {
        // SAFETY: the caller's promise.
        let given = unsafe { flat_arg(records) }?;
        check_count(given.count)?;
        // SAFETY: the caller's promise about both fields. Its name is looked up once.
        unsafe { topic_of(inside, given.topic_handle, given.topic) }?;
        // SAFETY: the caller's promise about the arrays.
        unsafe {
            Ok(Flat {
                count: given.count,
                record: producer_record_t { topic: given.topic, topic_handle: given.topic_handle, ..NO_RECORD },
                values: Bytes::new("value", given.values, given.values_len, given.value_lens, given.count)?,
                keys: Bytes::new("key", given.keys, given.keys_len, given.key_lens, given.count)?,
                partitions: array(given.partitions, given.count),
                timestamps_ms: array(given.timestamps_ms, given.count),
                callback: given.callback,
                opaques: given.opaques,
                first_opaque: given.first_opaque,
            })
        }
    }

    /// The record of this number, which is the one after the last.
    #[inline]
    fn next(&mut self, place: usize) -> (producer_record_t, Option<Tag>) {
        let mut record = self.record;
        (record.value, record.value_len) = self.values.next(place);
        (record.key, record.key_len) = self.keys.next(place);
        if let Some(partitions) = self.partitions {
            record.partition = partitions[place];
        }
        if let Some(timestamps_ms) = self.timestamps_ms {
            record.timestamp_ms = timestamps_ms[place];
        }
        let counted = self.first_opaque.wrapping_add(place) as *mut c_void;
        // SAFETY: there is an opaque for each record, or none.
        (record, unsafe { tag_at(self.callback, self.opaques, place, counted) })
    }
}

impl Bytes<'_> {
    /// # Safety
    /// `data` is NULL or points to `len` bytes, `lens` is NULL or points to `count` lengths.
    unsafe fn new<'a>(
        name: &str,
        data: *const c_void,
        len: usize,
        lens: *const i32,
        count: usize,
    ) -> Result<Bytes<'a>> {
        if data.is_null() && len != 0 {
            return Err(invalid(format!("{name}s is NULL but {name}s_len is {len}; NULL has length 0")));
        }
        // SAFETY: the caller's promise.
        let lens: Option<&[i32]> = unsafe { array(lens, count) };
        let mut sum = 0_u64;
        for (place, one) in lens.unwrap_or_default().iter().enumerate() {
            if *one < -1 {
                return Err(invalid(format!("{name}_lens[{place}] is {one}; it is 0 or more, or -1 for none")));
            }
            sum += u64::from(one.max(&0).unsigned_abs());
        }
        if sum != len as u64 {
            return Err(invalid(format!("{name}_lens add up to {sum} bytes, but {name}s_len is {len}")));
        }
        // Bytes of length 0 have to be somewhere: NULL would be none at all.
        let next = if data.is_null() { ptr::NonNull::dangling().as_ptr() } else { data.cast::<u8>() };
        Ok(Bytes { next, lens })
    }

    #[inline]
    fn next(&mut self, place: usize) -> (*const c_void, usize) {
        match self.lens.map(|lens| lens[place]) {
            None | Some(-1) => (ptr::null(), 0),
            Some(len) => {
                let bytes = self.next.cast();
                // The lengths add up to what is there.
                self.next = self.next.wrapping_add(len as usize);
                (bytes, len as usize)
            }
        }
    }
}

/// PRODUCER_RECORD_INIT.
const NO_RECORD: producer_record_t = producer_record_t {
    struct_size: size_of::<producer_record_t>(),
    topic: ptr::null(),
    topic_handle: ptr::null(),
    partition: PRODUCER_PARTITION_ANY,
    key: ptr::null(),
    key_len: 0,
    value: ptr::null(),
    value_len: 0,
    headers: ptr::null(),
    header_count: 0,
    timestamp_ms: PRODUCER_TIMESTAMP_NOW,
    delivery_timeout_ms: PRODUCER_TIMEOUT_DEFAULT,
    acks: PRODUCER_ACKS_DEFAULT,
};

/// Structs larger than this are not of a later version but a mistake.
const STRUCT_SIZE_MAX: usize = 1024;

unsafe fn flat_arg<'a>(records: *const producer_flat_records_t) -> Result<&'a producer_flat_records_t> {
    if records.is_null() {
        return Err(invalid("records is NULL"));
    }
    let ours = size_of::<producer_flat_records_t>();
    // SAFETY: not NULL; every version of the struct begins with its size.
    let size = unsafe { records.cast::<usize>().read() };
    if !(ours..=STRUCT_SIZE_MAX).contains(&size) {
        let text = format!("struct_size is {size}; begin with PRODUCER_FLAT_RECORDS_INIT ({ours} bytes)");
        return Err(invalid(text));
    }
    // SAFETY: the struct has `size` bytes, says its owner.
    let later = unsafe { slice::from_raw_parts(records.cast::<u8>().add(ours), size - ours) };
    if later.iter().any(|byte| *byte != 0) {
        return Err(invalid("fields are set that this version of the library does not know; update the library"));
    }
    // SAFETY: not NULL and at least as large as our struct.
    Ok(unsafe { &*records })
}

/// # Safety
/// `members` is NULL or points to `count` members that live during `'a`.
unsafe fn array<'a, T>(members: *const T, count: usize) -> Option<&'a [T]> {
    // SAFETY: the caller's promise.
    (!members.is_null()).then(|| unsafe { slice::from_raw_parts(members, count) })
}
