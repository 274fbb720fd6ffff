//! The mock cluster's coordinators, transactions and groups through C.

// The doc comments of exported functions become the C header: they say in C's terms what each pointer has to be.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{c_char, c_void};

use crate::capi::boundary::{call, invalid, str_arg};
use crate::capi::mock::{mock_arg, producer_mock_cluster_t, producer_mock_record_fn, visit_records};
use crate::capi::status::producer_status_t;
use crate::error::Result;
use crate::mock::{CoordinatorKind, TwoPhase};

/// The coordinator of a consumer group.
pub const PRODUCER_MOCK_COORDINATOR_GROUP: i32 = 0;
/// The coordinator of a transactional id.
pub const PRODUCER_MOCK_COORDINATOR_TRANSACTION: i32 = 1;

/// Brokers know nothing of two-phase commit.
pub const PRODUCER_MOCK_TWO_PHASE_OFF: i32 = 0;
/// Transactions never expire, but none is kept for another producer: Kafka 4.3.
pub const PRODUCER_MOCK_TWO_PHASE_NEVER_EXPIRES: i32 = 1;
/// All of KIP-939.
pub const PRODUCER_MOCK_TWO_PHASE_WHOLE: i32 = 2;

/// Reads back what a consumer with isolation.level=read_committed gets: no record of an open or aborted transaction, and none
/// behind the first open one.
///
/// `topic`, `partition`: an existing partition. `first_offset`: the first record wanted, from 0 up; beyond the end there is
/// none. `callback`: called on this thread for each record until it returns something other than 0. `opaque`: passed to it.
/// Returns `PRODUCER_OK`, also when the callback stopped; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`;
/// `PRODUCER_ERR_INVALID_ARGUMENT` if `mock`, `topic` or `callback` is NULL, `topic` is not UTF-8 or `first_offset` is negative.
/// The records belong to the cluster and live until their callback returns. The brokers go on answering meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_committed_records(
    mock: *const producer_mock_cluster_t,
    topic: *const c_char,
    partition: i32,
    first_offset: i64,
    callback: producer_mock_record_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, topic) = unsafe { (mock_arg(mock)?, str_arg(topic, "topic")?) };
        let snapshot = |first_offset| mock.with(|cluster| cluster.committed_snapshot(topic, partition, first_offset));
        // SAFETY: function and pointer are the caller's, by the header.
        unsafe { visit_records(first_offset, callback, opaque, snapshot) }
    })
}

/// Tells the offset that a consumer group has committed for a partition; offsets of transactions count once these commit.
///
/// `group`: the group's id. `topic`, `partition`: an existing partition. `out`: receives the offset, -1 if the group has none.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL or
/// a text is not UTF-8. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_committed_offset(
    mock: *const producer_mock_cluster_t,
    group: *const c_char,
    topic: *const c_char,
    partition: i32,
    out: *mut i64,
) -> producer_status_t {
    call(|| {
        // SAFETY: the pointers are NULL or valid for the call, by the header.
        let (mock, group, topic) = unsafe { (mock_arg(mock)?, str_arg(group, "group")?, str_arg(topic, "topic")?) };
        if out.is_null() {
            return Err(invalid("out is NULL"));
        }
        let offset = mock.with(|cluster| {
            cluster.require_end_offset(topic, partition)?;
            Ok(cluster.committed_offset(group, topic, partition).unwrap_or(-1))
        })?;
        // SAFETY: not NULL, and the header asks for a pointer that may be written through.
        unsafe { out.write(offset) };
        Ok(())
    })
}

/// Chooses the protocol of transactions, as the cluster's feature transaction.version does.
///
/// `version`: 2, the first setting, for that of Kafka 4 (KIP-890), 1 or 0 for the one before. Producers that are there notice
/// when they connect next.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL or the version another. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_set_transaction_version(
    mock: *mut producer_mock_cluster_t,
    version: i32,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        // A number beyond 16 bits is no version either, and refused in the same words.
        let version = i16::try_from(version).unwrap_or(i16::MAX);
        mock.with(|cluster| cluster.set_transaction_version(version))
    })
}

/// Chooses what the brokers know of two-phase commit (KIP-939). Producers that are there notice when they connect next.
///
/// `level`: one of `PRODUCER_MOCK_TWO_PHASE_OFF`, the first setting, `PRODUCER_MOCK_TWO_PHASE_NEVER_EXPIRES` and
/// `PRODUCER_MOCK_TWO_PHASE_WHOLE`.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL or the level another. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_set_two_phase_commit(
    mock: *mut producer_mock_cluster_t,
    level: i32,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        let two_phase = match level {
            PRODUCER_MOCK_TWO_PHASE_OFF => TwoPhase::Off,
            PRODUCER_MOCK_TWO_PHASE_NEVER_EXPIRES => TwoPhase::NeverExpires,
            PRODUCER_MOCK_TWO_PHASE_WHOLE => TwoPhase::Whole,
            _ => return Err(invalid(format!("level is {level}, no level of two-phase commit"))),
        };
        mock.with(|cluster| cluster.set_two_phase_commit(two_phase));
        Ok(())
    })
}

/// Sets how long the end of a transaction takes to reach its partitions and groups; until then the next transaction of the
/// same producer has to wait (`PRODUCER_ERR_CONCURRENT_TRANSACTIONS`), and consumers see nothing of the one that ended.
///
/// `delay_ms`: milliseconds from 0, the first setting, up.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL or `delay_ms` is negative. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_set_marker_delay(
    mock: *mut producer_mock_cluster_t,
    delay_ms: i32,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        let delay_ms = u32::try_from(delay_ms).map_err(|_| invalid(format!("delay_ms is {delay_ms}, below 0")))?;
        mock.with(|cluster| cluster.set_marker_delay_ms(delay_ms));
        Ok(())
    })
}

/// Makes another broker the coordinator of a transactional id or a consumer group.
///
/// `kind`: `PRODUCER_MOCK_COORDINATOR_TRANSACTION` or `PRODUCER_MOCK_COORDINATOR_GROUP`. `key`: the transactional id or the
/// group's id. `broker_id`: from 1 to the number of brokers; -1 leaves the key without a coordinator until this function gives
/// it one.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is
/// NULL, `key` is not UTF-8 or `kind` is another number. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_coordinator_move(
    mock: *mut producer_mock_cluster_t,
    kind: i32,
    key: *const c_char,
    broker_id: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, key) = unsafe { (mock_arg(mock)?, str_arg(key, "key")?) };
        let kind = match kind {
            PRODUCER_MOCK_COORDINATOR_GROUP => CoordinatorKind::Group,
            PRODUCER_MOCK_COORDINATOR_TRANSACTION => CoordinatorKind::Transaction,
            _ => return Err(invalid(format!("kind is {kind}, neither that of groups nor that of transactions"))),
        };
        mock.with(|cluster| cluster.coordinator_move(kind, key, (broker_id != -1).then_some(broker_id)))
    })
}

/// Fences a transactional producer as another instance of its program would: an open transaction is aborted, and whatever the
/// producer does next in a transaction is refused.
///
/// `transactional_id`: one that a producer has initialised.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if no producer has initialised it; `PRODUCER_ERR_CONCURRENT_TRANSACTIONS` if
/// the abort waits for a partition without a leader; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL or the id is not
/// UTF-8. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_fence(
    mock: *mut producer_mock_cluster_t,
    transactional_id: *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, id) = unsafe { (mock_arg(mock)?, str_arg(transactional_id, "transactional_id")?) };
        mock.with(|cluster| cluster.fence(id)).map(drop)
    })
}

/// Makes every partition forget the producers that have no transaction open there, as brokers do with idle ones after a day.
///
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_expire_producer_ids(
    mock: *mut producer_mock_cluster_t,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        mock.with(|cluster| cluster.expire_all_producers());
        Ok(())
    })
}

/// Loses the records of a partition from an offset on, though they were acknowledged, as an unclean leader election does.
///
/// `topic`, `partition`: an existing partition. `offset`: from 0 up. Whole batches go, so the log may end a little lower.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL,
/// `topic` is not UTF-8 or `offset` is negative. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_truncate(
    mock: *mut producer_mock_cluster_t,
    topic: *const c_char,
    partition: i32,
    offset: i64,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, topic) = unsafe { (mock_arg(mock)?, str_arg(topic, "topic")?) };
        if offset < 0 {
            return Err(invalid(format!("offset is {offset}, below 0")));
        }
        mock.with(|cluster| cluster.truncate(topic, partition, offset))
    })
}

/// Makes a consumer the one member of its group: from then on only it may commit offsets, in this generation.
///
/// `group`: the group's id. `generation_id`: from 0 up. `member_id`: the consumer's id in the group; NULL leaves the group
/// without members, and anybody may commit. `group_instance_id`: the consumer's group.instance.id, or NULL for none.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` or `group` is NULL, a text is not UTF-8 or `generation_id`
/// is negative. Copies the texts. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_group_set_member(
    mock: *mut producer_mock_cluster_t,
    group: *const c_char,
    generation_id: i32,
    member_id: *const c_char,
    group_instance_id: *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, group) = unsafe { (mock_arg(mock)?, str_arg(group, "group")?) };
        // SAFETY: as above.
        let (member_id, instance_id) =
            unsafe { (optional(member_id, "member_id")?, optional(group_instance_id, "group_instance_id")?) };
        if generation_id < 0 {
            return Err(invalid(format!("generation_id is {generation_id}, below 0")));
        }
        let member = member_id.map(|id| (id, instance_id));
        mock.with(|cluster| cluster.group_set_members(group, generation_id, member.as_slice()));
        Ok(())
    })
}

/// A text that may be left out.
///
/// # Safety
/// `text` is NULL or a NUL-ended string that lives during `'a`.
unsafe fn optional<'a>(text: *const c_char, name: &str) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    unsafe { str_arg(text, name) }.map(Some)
}

#[cfg(test)]
mod tests;
