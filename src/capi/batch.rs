//! Direct batch control: batches that the application fills by itself and sends as one.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use crate::capi::boundary::{call, invalid, out_arg};
use crate::capi::fork;
use crate::capi::handle::{Handles, Kind};
use crate::capi::producer::{enter, pass, producer_t};
use crate::capi::record::{
    PRODUCER_ACKS_DEFAULT, PRODUCER_PARTITION_ANY, PRODUCER_TIMEOUT_DEFAULT, PRODUCER_TIMESTAMP_NOW, partition_arg,
    producer_record_t, record_arg, with_record,
};
use crate::capi::report::producer_delivery_fn;
use crate::capi::send::{tag_of, wrong_timestamp};
use crate::capi::status::producer_status_t;
use crate::capi::topic::topic_of;
use crate::error::{Error, Result, Status};
use crate::producer::ProducerBatch;

/// A batch that you fill and send as one: opaque, made by producer_batch_new, ended by producer_batch_send or
/// producer_batch_free. One thread at a time may use it. Interceptors and serializers do not see its records.
/// docs/BATCHES.md is the guide.
#[allow(non_camel_case_types)]
pub struct producer_batch_t {
    _opaque: [u8; 0],
}

/// What a handle stands for.
struct BatchHandle {
    /// The process that made it, counted in forks.
    generation: u32,
    batch: ProducerBatch,
}

static BATCHES: Handles<BatchHandle> = Handles::new(Kind::Batch);

/// Makes an empty batch. It takes nothing of `buffer.memory` before its first record.
///
/// `producer`: the producer that will send it. `batch`: receives the handle, to be ended with producer_batch_send or
/// producer_batch_free; it may outlive the producer, and then nothing but producer_batch_free is left to do.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; a fatal
/// status that says what ended the producer.
/// Does not block. May be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_batch_new(
    producer: *mut producer_t,
    batch: *mut *mut producer_batch_t,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let out = out_arg(batch, "batch")?;
        let made = BATCHES.insert(BatchHandle { generation: fork::generation(), batch: inside.new_batch()? })?;
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { *out = made };
        Ok(())
    })
}

/// Puts a record at the end of a batch.
///
/// `batch`: the batch. `record`: what to append; copies. Its topic and topic_handle are NULL, its partition is
/// PRODUCER_PARTITION_ANY, its delivery_timeout_ms PRODUCER_TIMEOUT_DEFAULT and its acks PRODUCER_ACKS_DEFAULT, because all
/// records of a batch share what producer_batch_send says; key, value, headers and timestamp are its own. `index`: receives the
/// record's place in the batch, from 0: its offset will be that of the report plus this; may be NULL.
/// Returns PRODUCER_OK; otherwise the batch is as it was: PRODUCER_ERR_BATCH_FULL when the record does not fit any more into
/// batch.size, or max.request.size where that is less (a single record may be larger than batch.size), when the batch has
/// batch.num.messages records (the producer's, not a topic's), and when it is closed: send it and begin another;
/// PRODUCER_ERR_RECORD_TOO_LARGE for a record over max.request.size;
/// PRODUCER_ERR_QUEUE_FULL when `buffer.memory` stayed full for `max.block.ms`: nothing of the record is sent, ever;
/// PRODUCER_ERR_NO_RESOURCES when the operating system gives no memory;
/// PRODUCER_ERR_INVALID_ARGUMENT for a wrong record, named in producer_last_error; PRODUCER_ERR_CLOSED when its producer is
/// closed; PRODUCER_ERR_FORKED; a fatal status that says what ended the producer.
/// Blocks only while `buffer.memory` is full, `max.block.ms` at most. May be called from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_batch_append(
    batch: *mut producer_batch_t,
    record: *const producer_record_t,
    index: *mut i32,
) -> producer_status_t {
    call(|| {
        let batch = &batch_arg(batch)?.batch;
        // SAFETY: the caller's promise: NULL or a record of `struct_size` bytes.
        let record = unsafe { record_arg(record) }?;
        if !record.topic.is_null() || !record.topic_handle.is_null() {
            return Err(invalid("the record names a topic; a batch gets its topic from producer_batch_send"));
        }
        if record.partition != PRODUCER_PARTITION_ANY {
            let text = format!(
                "the record's partition is {}; leave PRODUCER_PARTITION_ANY: a batch gets its partition from \
                 producer_batch_send",
                record.partition
            );
            return Err(invalid(text));
        }
        if record.delivery_timeout_ms != PRODUCER_TIMEOUT_DEFAULT {
            let text = format!(
                "the record's delivery_timeout_ms is {}; leave PRODUCER_TIMEOUT_DEFAULT: the records of a batch have \
                 delivery.timeout.ms from the moment it is sent",
                record.delivery_timeout_ms
            );
            return Err(invalid(text));
        }
        if record.acks != PRODUCER_ACKS_DEFAULT {
            let text = format!(
                "the record's acks is {}; leave PRODUCER_ACKS_DEFAULT: a batch has the acks of the topic that it is sent to",
                record.acks
            );
            return Err(invalid(text));
        }
        let timestamp_ms = match record.timestamp_ms {
            PRODUCER_TIMESTAMP_NOW => batch.wall_ms(),
            0.. => record.timestamp_ms,
            other => return Err(wrong_timestamp(other)),
        };
        // SAFETY: the caller's promise about the record's pointers.
        let place = unsafe { with_record(record, timestamp_ms, |fields| batch.append(fields)) }?;
        if !index.is_null() {
            // SAFETY: not NULL, and the caller's to be written.
            unsafe { *index = i32::try_from(place).unwrap_or(i32::MAX) };
        }
        Ok(())
    })
}

/// Tells how many records a batch has.
///
/// `batch`: the batch.
/// Returns the number, 0 or more; otherwise a negative status: PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_FORKED.
/// Does not block. May be called from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_batch_count(batch: *const producer_batch_t) -> i32 {
    let mut count = 0;
    let status = call(|| {
        count = i32::try_from(batch_arg(batch)?.batch.count()).unwrap_or(i32::MAX);
        Ok(())
    });
    if status == Status::OK.code() { count } else { status }
}

/// Tells how many bytes a batch takes in a request, before compression.
///
/// `batch`: the batch.
/// Returns the bytes, those that Kafka puts before the first record included; 0 before the first record. Otherwise a negative
/// status: PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_FORKED.
/// Does not block. May be called from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_batch_size(batch: *const producer_batch_t) -> i64 {
    let mut size = 0;
    let status = call(|| {
        size = i64::try_from(batch_arg(batch)?.batch.len()).unwrap_or(i64::MAX);
        Ok(())
    });
    if status == Status::OK.code() { size } else { i64::from(status) }
}

/// Closes a batch: nothing is appended any more, neither by you nor, when it has been sent, by producer_send; and it does not
/// linger when it is sent. Closing it again changes nothing.
///
/// `batch`: the batch.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_CLOSED when its producer is closed; PRODUCER_ERR_FORKED; a
/// fatal status that says what ended the producer.
/// Does not block. May be called from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_batch_close(batch: *mut producer_batch_t) -> producer_status_t {
    call(|| batch_arg(batch)?.batch.close())
}

/// Sends a batch: behind everything that was sent to its partition before. A batch that was not closed becomes the
/// partition's current one: it lingers, and producer_send may fill it further; a closed one goes at once.
///
/// `producer`: the producer that the batch was made for. `batch`: takes when PRODUCER_OK is returned: do not use it any more;
/// otherwise it stays yours as it is. `topic`: the topic's name; copies. `partition`: the partition, 0 or more, or
/// PRODUCER_PARTITION_ANY for the one that records without a key go to at present; keys are not looked at. `callback`:
/// receives one report for all records of the batch that you appended: the offset and timestamp of the first, their number
/// in record_count, -1 for key_len and value_len; NULL for none. `opaque`: given to the callback as it is.
/// Returns PRODUCER_OK: the batch is accepted. Otherwise nothing of it is sent, ever: PRODUCER_ERR_INVALID_ARGUMENT for a
/// NULL argument, an empty batch, another producer's batch, a wrong partition; PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a
/// topic name that Kafka does not allow; PRODUCER_ERR_QUEUE_FULL when the topic is not known yet and `buffer.memory` stayed
/// full for `max.block.ms`; PRODUCER_ERR_REPORTS_NOT_TAKEN when too many reports wait for producer_poll;
/// PRODUCER_ERR_NO_RESOURCES for too many topics; PRODUCER_ERR_IN_CALLBACK from an interceptor or a serializer of the same
/// producer; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; with transactional.id
/// PRODUCER_ERR_STATE outside a transaction, and the abortable error that has made the transaction fail; a fatal status
/// that says what ended the producer.
/// A batch that a broker finds too large is sent in parts, between which records of others may lie; its report then has the
/// offset of the first part, and when parts ended differently it is a failure with PRODUCER_PERSISTED_MAYBE.
/// Blocks at most as producer_send does. May be called from any thread and from delivery callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_batch_send(
    producer: *mut producer_t,
    batch: *mut producer_batch_t,
    topic: *const c_char,
    partition: i32,
    callback: producer_delivery_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours. Closing waits for this pass before it sends what is left.
        let inside = unsafe { pass(producer) }?;
        let contents = batch_arg(batch)?;
        if inside.is_called_out() {
            let text = "producer_batch_send was called from an interceptor or a serializer of the same producer; call it \
                        elsewhere";
            return Err(Error::new(Status::IN_CALLBACK, text));
        }
        // SAFETY: the caller's promise: NULL or a NUL-ended string; the pass keeps the producer alive.
        let topic = unsafe { topic_of(&inside, ptr::null(), topic) }?;
        inside.send_batch(&contents.batch, topic, partition_arg(partition)?, tag_of(callback, opaque))?;
        // Another thread may have been faster: it was theirs to free then, and it is sent.
        let _ = BATCHES.remove(batch, "batch");
        Ok(())
    })
}

/// Throws a batch away that was not sent, and gives its memory back.
///
/// `batch`: takes; NULL is nothing to do. It may outlive its producer. In the child of a fork nothing is freed.
/// Does not block. May be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_batch_free(batch: *mut producer_batch_t) {
    call(|| {
        if batch.is_null() {
            return Ok(());
        }
        batch_arg(batch)?;
        BATCHES.remove(batch, "batch").map(drop)
    });
}

fn batch_arg(batch: *const producer_batch_t) -> Result<Arc<BatchHandle>> {
    let batch = BATCHES.get(batch, "batch")?;
    if batch.generation != fork::generation() {
        let text = "this batch belongs to the parent process: make a producer and a batch here";
        return Err(Error::new(Status::FORKED, text));
    }
    Ok(batch)
}
