//! Transactions: init, begin, send offsets, commit, abort.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::collections::HashMap;
use std::ffi::c_char;
use std::slice;

use crate::capi::boundary::{call, invalid, str_arg, timeout_arg};
use crate::capi::producer::{Call, enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::error::{Error, Result, Status};
use crate::offsets::{GroupMetadata, TopicOffset};

/// How far a consumer group has come in one partition. Begin with PRODUCER_OFFSET_INIT; the library copies everything
/// before the call that is given it returns.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_offset_t {
    /// sizeof(producer_offset_t), as PRODUCER_OFFSET_INIT sets it; the same in every element of an array.
    pub struct_size: usize,
    /// The name of the topic that was read; not NULL, not empty.
    pub topic: *const c_char,
    /// The partition that was read, 0 or more.
    pub partition: i32,
    /// The offset of the next record to read, 0 or more: one more than that of the last record processed.
    pub offset: i64,
    /// The leader epoch of the last record processed, 0 or more; -1 when unknown.
    pub leader_epoch: i32,
    /// A text kept with the offset, at most 32767 bytes of UTF-8 (brokers allow 4096 by default), or NULL for none.
    pub metadata: *const c_char,
}

/// Whose offsets they are: a consumer's place in its group, as the consumer tells it. Begin with PRODUCER_GROUP_INIT; the
/// library copies everything before the call that is given it returns.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_group_t {
    /// sizeof(producer_group_t), as PRODUCER_GROUP_INIT sets it.
    pub struct_size: usize,
    /// The consumer's group.id; not NULL, not empty.
    pub group_id: *const c_char,
    /// The group's generation (the member epoch of Kafka 4's consumer protocol), 0 or more; -1 without a member.
    pub generation_id: i32,
    /// The consumer's id in the group; NULL or empty without a member.
    pub member_id: *const c_char,
    /// The consumer's group.instance.id, or NULL for none.
    pub group_instance_id: *const c_char,
}

/// Larger structs are no later version's but a mistake.
const STRUCT_SIZE_MAX: usize = 1024;
/// More than the partitions of any cluster.
const OFFSETS_MAX: usize = 1 << 20;
/// Longest text that the protocol carries for topics, groups, members and metadata.
const TEXT_MAX: usize = i16::MAX as usize;

/// Makes the producer ready for transactions: gets its producer id, shuts out an older producer of the same
/// transactional.id, and ends what that one left open: an open transaction is aborted, one whose commit had begun is
/// committed. Call it once, before the first producer_begin_transaction.
///
/// `producer`: the producer; transactional.id is set. `timeout_ms`: how long to wait; 0 only starts it, -1 waits for ever.
/// Returns PRODUCER_OK when transactions may begin.
/// Call again: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, and the same call resumes it.
/// Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id
/// was faster; PRODUCER_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED or PRODUCER_ERR_CLUSTER_AUTHORIZATION_FAILED when this
/// client lacks the right: after it was granted the same call may be made again, too;
/// PRODUCER_ERR_INVALID_TRANSACTION_TIMEOUT when transaction.timeout.ms is above the broker's limit;
/// PRODUCER_ERR_UNSUPPORTED_VERSION or PRODUCER_ERR_FATAL when a broker is too old, and PRODUCER_ERR_FATAL for other answers
/// that end it.
/// The call was wrong, and nothing changed: PRODUCER_ERR_STATE when it has succeeded before;
/// PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one
/// of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the
/// library.
/// Blocks for `timeout_ms` at most and runs callbacks on this thread meanwhile. Until it has returned PRODUCER_OK every
/// other function of transactions, and producer_send, answers PRODUCER_ERR_STATE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_init_transactions(
    producer: *mut producer_t,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter_outside_callbacks(producer, "producer_init_transactions") }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.init_transactions(timeout_ms, inside.dispatcher())
    })
}

/// Begins a transaction: records sent from now on, by any thread, belong to it.
///
/// `producer`: the producer.
/// Returns PRODUCER_OK.
/// Call again: PRODUCER_ERR_TIMED_OUT after max.block.ms, when the coordinator is down in the case told below: nothing was
/// begun.
/// Make a new producer: the status of the error that ended it, such as PRODUCER_ERR_PRODUCER_FENCED or PRODUCER_ERR_FATAL.
/// The call was wrong, and nothing changed: PRODUCER_ERR_STATE when producer_init_transactions has not succeeded, when a
/// transaction is open, or when a commit or an abort has not been finished; PRODUCER_ERR_NOT_TRANSACTIONAL without
/// transactional.id; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks;
/// PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
/// Waits for no broker, with one exception: when the transaction before left a request whose outcome is not known, or a gap
/// in the sequence of its records, the coordinator is asked for a new epoch first. Runs no callbacks. The broker's
/// transaction.timeout.ms begins with the first record or offset that it hears of.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_begin_transaction(producer: *mut producer_t) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter_outside_callbacks(producer, "producer_begin_transaction") }?;
        inside.begin_transaction()
    })
}

/// Makes a consumer group's offsets part of the open transaction: they count when it is committed, and only then. With it a
/// program that reads, processes and sends does each step exactly once.
///
/// `producer`: the producer. `offsets`: an array of `count` elements, each naming another partition, all with the
/// `struct_size` of the first, which is also their distance; borrows until return. `count`: 0 to 1048576; 0 does nothing.
/// `group`: whose offsets they are; borrows until return. With a generation, member or instance in it the group's coordinator
/// refuses offsets of a consumer that has lost its partitions to another (KIP-447): give what the consumer tells.
/// `timeout_ms`: how long to wait; 0 only starts it, -1 waits for ever.
/// Returns PRODUCER_OK when the coordinator holds the offsets.
/// Call again, with the same arguments: PRODUCER_ERR_TIMED_OUT when the time passed first. Until that has returned
/// PRODUCER_OK the transaction cannot be committed, but it can be aborted.
/// Abort and go on: PRODUCER_ERR_ILLEGAL_GENERATION, PRODUCER_ERR_UNKNOWN_MEMBER_ID or PRODUCER_ERR_FENCED_INSTANCE_ID when
/// the consumer has lost its place in the group: after the abort, let it join again and go back to what is committed;
/// PRODUCER_ERR_GROUP_AUTHORIZATION_FAILED when this client may not use the group; PRODUCER_ERR_TRANSACTION_ABORTABLE when
/// the coordinator says so; and whatever abortable error the transaction had met before.
/// Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id
/// has taken over; PRODUCER_ERR_FATAL and others for which producer_status_is_fatal is true.
/// The call was wrong, and nothing changed: PRODUCER_ERR_STATE when no transaction is open or another call is pending;
/// PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT for a NULL, an empty group or
/// topic, a number out of range, a wrong `struct_size`, or a partition named twice; PRODUCER_ERR_UNSUPPORTED_BROKER when
/// `group` names a member and the broker is too old to check it (before Kafka 2.5): give its `group_id` alone, or abort;
/// PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED;
/// PRODUCER_ERR_INTERNAL after a bug of the library.
/// Blocks for `timeout_ms` at most and runs callbacks on this thread meanwhile. The consumer itself must not commit
/// (enable.auto.commit=false).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_send_offsets_to_transaction(
    producer: *mut producer_t,
    offsets: *const producer_offset_t,
    count: usize,
    group: *const producer_group_t,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter_outside_callbacks(producer, "producer_send_offsets_to_transaction") }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        // SAFETY: the caller's promises are those of these functions.
        let (group, offsets) = unsafe { (group_arg(group)?, offsets_arg(offsets, count)?) };
        inside.send_offsets_to_transaction(offsets, group, timeout_ms, inside.dispatcher())
    })
}

/// Commits the open transaction: sends everything that is buffered at once, waits until all of its records have their
/// outcome, and then lets them and the offsets become visible together.
///
/// `producer`: the producer. `timeout_ms`: how long to wait; 0 only starts it, -1 waits for ever (each record's delivery
/// time still ends).
/// Returns PRODUCER_OK when it is committed; every callback of its records has run then, each with a success.
/// Call again: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, whether it will be committed is not known yet,
/// and the same call resumes it.
/// Abort and go on: whatever made the transaction fail: the status of its first record that failed, such as
/// PRODUCER_ERR_DELIVERY_TIMED_OUT; PRODUCER_ERR_INVALID_PRODUCER_EPOCH when it was open for longer than
/// transaction.timeout.ms; PRODUCER_ERR_TRANSACTION_ABORTABLE when the coordinator says so. It is certain then that nothing
/// of it becomes visible.
/// Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id
/// has taken over, or when the broker had aborted the transaction after transaction.timeout.ms and, with transactions of
/// version 1, an earlier attempt to end it has had no answer; PRODUCER_ERR_FATAL and others for which
/// producer_status_is_fatal is true. Whether the transaction is committed is not known then, unless
/// producer_last_error says so: read from the topics, or from the offsets, how far it came.
/// The call was wrong, and nothing changed: PRODUCER_ERR_STATE when no transaction is open, when an abort is pending, or
/// when producer_send_offsets_to_transaction has timed out and was not called again; PRODUCER_ERR_NOT_TRANSACTIONAL without
/// transactional.id; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks;
/// PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
/// Blocks for `timeout_ms` at most and runs callbacks on this thread. While it is pending producer_send and every other
/// function of transactions answer PRODUCER_ERR_STATE. A commit without a record and without offsets asks no broker.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_commit_transaction(
    producer: *mut producer_t,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter_outside_callbacks(producer, "producer_commit_transaction") }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.commit_transaction(timeout_ms, inside.dispatcher())
    })
}

/// Aborts the open transaction: none of its records and offsets ever becomes visible to consumers that read with
/// isolation.level=read_committed. It is also the way out of every abortable error.
///
/// `producer`: the producer. `timeout_ms`: how long to wait; 0 only starts it, -1 waits for ever.
/// Returns PRODUCER_OK when the next transaction may begin; every callback of its records has run then. Records that no
/// broker had been sent report PRODUCER_ERR_TRANSACTION_ABORTED; what a report said before stands, and means nothing more.
/// Call again: PRODUCER_ERR_TIMED_OUT when the time passed first, for example because the coordinator is down: it goes on,
/// and the same call resumes it.
/// Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id
/// has taken over, or when the broker had aborted the transaction after transaction.timeout.ms and, with transactions of
/// version 1, an earlier attempt to end it has had no answer; PRODUCER_ERR_FATAL and others for which
/// producer_status_is_fatal is true. The transaction is not committed, unless
/// a commit failed with a sentence that leaves it open: the next producer of this transactional.id, or the broker after
/// transaction.timeout.ms, aborts it.
/// The call was wrong, and nothing changed: PRODUCER_ERR_STATE when no transaction is open or a commit is pending;
/// PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one
/// of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the
/// library.
/// Blocks for `timeout_ms` at most and runs callbacks on this thread. While it is pending producer_send and every other
/// function of transactions answer PRODUCER_ERR_STATE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_abort_transaction(
    producer: *mut producer_t,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter_outside_callbacks(producer, "producer_abort_transaction") }?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        inside.abort_transaction(timeout_ms, inside.dispatcher())
    })
}

/// Goes in for a call that no callback may make.
pub(super) unsafe fn enter_outside_callbacks<'a>(producer: *mut producer_t, function: &str) -> Result<Call<'a>> {
    // SAFETY: the caller's promise: NULL or a handle of ours.
    let inside = unsafe { enter(producer) }?;
    if inside.in_callback() {
        let text = format!("{function} was called from a callback of the same producer; call it elsewhere");
        return Err(Error::new(Status::IN_CALLBACK, text));
    }
    Ok(inside)
}

/// Copies the caller's offsets after checking them.
///
/// # Safety
/// `offsets` is NULL or points to `count` structs of as many bytes as the first's `struct_size` says, with NUL-ended texts.
unsafe fn offsets_arg(offsets: *const producer_offset_t, count: usize) -> Result<Vec<TopicOffset>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if offsets.is_null() {
        return Err(invalid(format!("offsets is NULL but count is {count}")));
    }
    if count > OFFSETS_MAX {
        return Err(invalid(format!("count is {count}; at most {OFFSETS_MAX} offsets can be sent in one call")));
    }
    // SAFETY: not NULL; every version of the struct begins with its size.
    let stride = unsafe { offsets.cast::<usize>().read() };
    let mut copied = Vec::with_capacity(count);
    let mut places = HashMap::with_capacity(count);
    for index in 0..count {
        // SAFETY: the array has `count` elements at this distance; the first one's size is checked before the second is
        // looked at.
        let offset = unsafe { element(offsets, index, stride) }?;
        // SAFETY: as the caller promises.
        let offset = unsafe { offset_arg(offset, index) }?;
        if let Some(first) = places.insert((offset.topic.clone(), offset.partition), index) {
            let (topic, partition) = (&offset.topic, offset.partition);
            return Err(invalid(format!(
                "offsets[{first}] and offsets[{index}] both name partition {topic} [{partition}]"
            )));
        }
        copied.push(offset);
    }
    Ok(copied)
}

unsafe fn element<'a>(offsets: *const producer_offset_t, index: usize, stride: usize) -> Result<&'a producer_offset_t> {
    // SAFETY: as the caller promises.
    let at = unsafe { offsets.cast::<u8>().add(index * stride) };
    // SAFETY: each element begins with its size.
    let size = unsafe { at.cast::<usize>().read() };
    if size != stride {
        return Err(invalid(format!(
            "offsets[{index}].struct_size is {size}, that of the first is {stride}: all are equal"
        )));
    }
    // SAFETY: the struct has as many bytes as it says.
    unsafe { check_size(at, size, size_of::<producer_offset_t>(), "offsets[0]", "PRODUCER_OFFSET_INIT") }?;
    // SAFETY: at least as large as our struct, and aligned like it: its size is a multiple of the alignment.
    Ok(unsafe { &*at.cast() })
}

/// Refuses what is no struct of this library, and what sets fields that only a later version knows.
///
/// # Safety
/// `given` points to `size` bytes.
unsafe fn check_size(given: *const u8, size: usize, ours: usize, name: &str, init: &str) -> Result<()> {
    if !(ours..=STRUCT_SIZE_MAX).contains(&size) || !size.is_multiple_of(align_of::<producer_offset_t>()) {
        return Err(invalid(format!("{name}.struct_size is {size}; begin with {init} ({ours} bytes)")));
    }
    // SAFETY: the struct has `size` bytes, says its owner.
    let later = unsafe { slice::from_raw_parts(given.add(ours), size - ours) };
    if later.iter().any(|byte| *byte != 0) {
        return Err(invalid(format!(
            "{name} sets fields that this version of the library does not know; update the library"
        )));
    }
    Ok(())
}

unsafe fn offset_arg(given: &producer_offset_t, index: usize) -> Result<TopicOffset> {
    let name = |field: &str| format!("offsets[{index}].{field}");
    // SAFETY: NULL or NUL-ended, as the caller promises.
    let (topic, metadata) =
        unsafe { (text_arg(given.topic, &name("topic"))?, optional_text_arg(given.metadata, &name("metadata"))?) };
    for (field, number, least) in [
        ("partition", i64::from(given.partition), 0),
        ("offset", given.offset, 0),
        ("leader_epoch", i64::from(given.leader_epoch), -1),
    ] {
        if number < least {
            return Err(invalid(format!("{} is {number}; it is {least} or more", name(field))));
        }
    }
    Ok(TopicOffset {
        topic,
        partition: given.partition,
        offset: given.offset,
        leader_epoch: given.leader_epoch,
        metadata,
    })
}

/// Copies the caller's group after checking it.
///
/// # Safety
/// `group` is NULL or points to a struct of as many bytes as its `struct_size` says, with NUL-ended texts.
unsafe fn group_arg(group: *const producer_group_t) -> Result<GroupMetadata> {
    if group.is_null() {
        return Err(invalid("group is NULL"));
    }
    // SAFETY: not NULL; every version of the struct begins with its size.
    let size = unsafe { group.cast::<usize>().read() };
    // SAFETY: as the caller promises.
    unsafe { check_size(group.cast(), size, size_of::<producer_group_t>(), "group", "PRODUCER_GROUP_INIT") }?;
    // SAFETY: not NULL and at least as large as our struct.
    let group = unsafe { &*group };
    if group.generation_id < -1 {
        let text = format!("group.generation_id is {}; it is 0 or more, or -1 without a member", group.generation_id);
        return Err(invalid(text));
    }
    // SAFETY: NULL or NUL-ended, as the caller promises.
    let (group_id, member_id, group_instance_id) = unsafe {
        (
            text_arg(group.group_id, "group.group_id")?,
            optional_text_arg(group.member_id, "group.member_id")?.unwrap_or_default(),
            optional_text_arg(group.group_instance_id, "group.group_instance_id")?,
        )
    };
    if group.generation_id >= 0 && member_id.is_empty() {
        let text = format!("group.generation_id is {}, but group.member_id names no member", group.generation_id);
        return Err(invalid(text));
    }
    Ok(GroupMetadata { group_id, generation_id: group.generation_id, member_id, group_instance_id })
}

/// A text that has to be there and to say something.
///
/// # Safety
/// `text` is NULL or points to a NUL-ended string.
unsafe fn text_arg(text: *const c_char, name: &str) -> Result<String> {
    // SAFETY: as the caller promises.
    let text = unsafe { str_arg(text, name) }?;
    if text.is_empty() {
        return Err(invalid(format!("{name} is empty")));
    }
    checked(text, name)
}

/// # Safety
/// As for `text_arg`.
unsafe fn optional_text_arg(text: *const c_char, name: &str) -> Result<Option<String>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller promises.
    checked(unsafe { str_arg(text, name) }?, name).map(Some)
}

fn checked(text: &str, name: &str) -> Result<String> {
    if text.len() > TEXT_MAX {
        return Err(invalid(format!("{name} has {} bytes; {TEXT_MAX} is the most", text.len())));
    }
    Ok(text.to_owned())
}
