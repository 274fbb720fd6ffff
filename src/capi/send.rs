//! producer_send: the call that is made for every record.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::c_void;

use crate::accumulator::{Place, Placed, Sending, Tag, Topic};
use crate::capi::boundary::{call_hot, invalid};
use crate::capi::call_out::returning;
use crate::capi::hooks::send_hooked;
use crate::capi::producer::{Inside, pass, producer_t};
use crate::capi::record::{
    PRODUCER_ACKS_ALL, PRODUCER_ACKS_DEFAULT, PRODUCER_ACKS_LEADER, PRODUCER_ACKS_NONE, PRODUCER_TIMEOUT_DEFAULT,
    PRODUCER_TIMESTAMP_NOW, partition_arg, producer_record_t, record_arg, with_record,
};
use crate::capi::report::{callback_address, producer_delivery_fn};
use crate::capi::status::producer_status_t;
use crate::capi::topic::topic_of;
use crate::error::Result;
use crate::time::Micros;

/// Sends a record: copies it into a batch of its partition and returns; the batch goes out by itself.
///
/// `producer`: the producer. `record`: what to send; borrows until return. `callback`: receives the record's report on the
/// thread that polls, flushes, closes or ends a transaction; NULL for none, and then nothing is kept for the record. `opaque`:
/// given to the callback as it is.
/// Returns PRODUCER_OK: the record is accepted and gets exactly one report, if there is a callback. Otherwise it is not
/// accepted, and gets none: PRODUCER_ERR_INVALID_ARGUMENT for a wrong record, named in producer_last_error;
/// PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a topic name that Kafka does not allow; PRODUCER_ERR_RECORD_TOO_LARGE for a
/// record over `max.request.size`; PRODUCER_ERR_QUEUE_FULL when `buffer.memory`, or what
/// its broker or partition may have of it, stayed full for `max.block.ms`: producer_last_error names who holds it;
/// PRODUCER_ERR_REPORTS_NOT_TAKEN when too many reports wait for producer_poll; PRODUCER_ERR_NO_RESOURCES for too many
/// topics, and when the operating system gives no memory; PRODUCER_ERR_SERIALIZATION when a serializer of this producer fails; PRODUCER_ERR_IN_CALLBACK from one of its
/// interceptors or serializers; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library. With
/// transactional.id also PRODUCER_ERR_STATE outside a transaction and while it is being committed or aborted, and the
/// abortable error that has made the transaction fail: abort it. A fatal status says what ended the producer.
/// Blocks only while `buffer.memory` is full, `max.block.ms` at most; never for metadata: records of a topic that is not
/// known yet wait in order. With transactional.id the record belongs to the open transaction. May be called from any thread and
/// from delivery callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_send(
    producer: *mut producer_t,
    record: *const producer_record_t,
    callback: producer_delivery_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call_hot(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { pass(producer) }?;
        // SAFETY: the caller's promise: NULL or a record of `struct_size` bytes.
        let record = unsafe { record_arg(record) }?;
        let tag = tag_of(callback, opaque);
        match inside.hooks() {
            // SAFETY: the caller's promise about the record's pointers.
            Some(hooks) => unsafe { send_hooked(&inside, hooks, record, tag) }.map(|_| ()),
            // SAFETY: as above. `send_one` written out: here it is compiled into this function, for it alone.
            None => unsafe { send_plain(&inside, record, tag) },
        }
    })
}

/// Who hears of a record that was sent with this callback.
#[inline]
pub(super) fn tag_of(callback: producer_delivery_fn, opaque: *mut c_void) -> Option<Tag> {
    callback.and_then(|callback| Tag::new(callback_address(callback), opaque as usize))
}

/// The way of every record into its batch, whichever function sends it.
///
/// # Safety
/// What the record points to is as its comments say. `inside` keeps the producer alive.
#[inline(never)]
pub(super) unsafe fn send_one(inside: &Inside<'_>, record: &producer_record_t, tag: Option<Tag>) -> Result<Placed> {
    if let Some(hooks) = inside.hooks() {
        // SAFETY: the caller's promise about the record's pointers.
        return unsafe { send_hooked(inside, hooks, record, tag) };
    }
    // SAFETY: as above.
    returning(|| unsafe { send_plain(inside, record, tag) })
}

/// What is left to be done when nobody changes the record any more.
///
/// # Safety
/// As `send_one`.
#[inline(always)]
pub(super) unsafe fn send_plain<P: Place>(
    inside: &Inside<'_>,
    record: &producer_record_t,
    tag: Option<Tag>,
) -> Result<P> {
    let hand = |topic: &Topic, sending: &Sending, timestamp_ms: i64| {
        // SAFETY: the caller's promise about the record's pointers.
        unsafe { with_record(record, timestamp_ms, |fields| inside.send(topic, fields, sending)) }
    };
    // SAFETY: as above.
    unsafe { with_plain_fields(inside, record, tag, hand) }
}

/// What the record's plain fields ask for: its topic, how it is sent, and its timestamp.
///
/// # Safety
/// As `send_one`.
pub(super) unsafe fn prepare<'a>(
    inside: &'a Inside<'_>,
    record: &producer_record_t,
    tag: Option<Tag>,
) -> Result<(&'a Topic, Sending, i64)> {
    // SAFETY: as the caller promises.
    unsafe {
        with_plain_fields(inside, record, tag, |topic, sending, timestamp_ms| Ok((topic, *sending, timestamp_ms)))
    }
}

/// Hands on what the record's plain fields ask for, where it was put together: a record's way has no copy of it.
///
/// # Safety
/// As `send_one`.
#[inline(always)]
unsafe fn with_plain_fields<'a, R>(
    inside: &'a Inside<'_>,
    record: &producer_record_t,
    tag: Option<Tag>,
    hand: impl FnOnce(&'a Topic, &Sending, i64) -> Result<R>,
) -> Result<R> {
    // SAFETY: the caller's promise about both fields.
    let topic = unsafe { topic_of(inside, record.topic_handle, record.topic) }?;
    let sending = Sending {
        partition: partition_arg(record.partition)?,
        tag,
        own_timeout: own_timeout(record.delivery_timeout_ms)?,
        acks: if record.acks == PRODUCER_ACKS_DEFAULT { None } else { Some(own_acks(inside, record.acks)?) },
    };
    let timestamp_ms = match record.timestamp_ms {
        PRODUCER_TIMESTAMP_NOW => inside.wall_ms(),
        0.. => record.timestamp_ms,
        other => return Err(wrong_timestamp(other)),
    };
    hand(topic, &sending, timestamp_ms)
}

#[inline]
fn own_timeout(timeout_ms: i32) -> Result<Option<Micros>> {
    match timeout_ms {
        PRODUCER_TIMEOUT_DEFAULT => Ok(None),
        1.. => Ok(Some(Micros::from_ms(timeout_ms as u64))),
        -1 => Ok(Some(Micros::FOREVER)),
        _ => Err(invalid(format!(
            "delivery_timeout_ms is {timeout_ms}; it is 1 or more, -1 for never, or PRODUCER_TIMEOUT_DEFAULT"
        ))),
    }
}

/// The record's own acks as the protocol says them.
#[cold]
fn own_acks(inside: &Inside<'_>, acks: i32) -> Result<i16> {
    let acks = match acks {
        PRODUCER_ACKS_ALL => -1,
        PRODUCER_ACKS_LEADER => 1,
        PRODUCER_ACKS_NONE => 0,
        _ => {
            let text = format!(
                "acks is {acks}; it is PRODUCER_ACKS_DEFAULT, PRODUCER_ACKS_ALL, PRODUCER_ACKS_LEADER or PRODUCER_ACKS_NONE"
            );
            return Err(invalid(text));
        }
    };
    if acks != -1 && inside.is_idempotent() {
        return Err(invalid(format!(
            "the record asks for acks={acks}, but enable.idempotence=true, the default, needs acks=all: set \
             enable.idempotence=false, or use PRODUCER_ACKS_ALL"
        )));
    }
    Ok(acks)
}

#[cold]
pub(super) fn wrong_timestamp(timestamp_ms: i64) -> crate::error::Error {
    invalid(format!("timestamp_ms is {timestamp_ms}; it is 0 or more, or PRODUCER_TIMESTAMP_NOW"))
}
