use std::ffi::c_int;
use std::ptr;

use super::*;
use crate::capi::mock::{
    producer_mock_cluster_free, producer_mock_cluster_new, producer_mock_cluster_topic_create, producer_mock_record_t,
};
use crate::error::Status;
use crate::mock::Cluster;
use crate::mock::testing::{begun_transaction, idempotent_batch, produce};

fn new_mock(brokers: i32) -> *mut producer_mock_cluster_t {
    let mut mock = ptr::null_mut();
    // SAFETY: `mock` may be written, and the handle is live.
    unsafe {
        assert_eq!(producer_mock_cluster_new(brokers, &mut mock), 0);
        assert_eq!(producer_mock_cluster_topic_create(mock, c"t".as_ptr(), 1, 1), 0);
    }
    mock
}

fn with<R>(mock: *mut producer_mock_cluster_t, work: impl FnOnce(&mut Cluster) -> R) -> R {
    mock_arg(mock).unwrap().with(work)
}

fn free(mock: *mut producer_mock_cluster_t) {
    // SAFETY: made by `new_mock` and used no more.
    unsafe { producer_mock_cluster_free(mock) }
}

unsafe extern "C" fn collect(record: *const producer_mock_record_t, opaque: *mut c_void) -> c_int {
    // SAFETY: the library gives a live record, and `opaque` is the test's list.
    unsafe { (*opaque.cast::<Vec<i64>>()).push((*record).offset) };
    0
}

fn committed(mock: *mut producer_mock_cluster_t, first_offset: i64) -> Vec<i64> {
    let mut offsets: Vec<i64> = Vec::new();
    let opaque = (&raw mut offsets).cast();
    // SAFETY: the handle is live, and `collect` knows its opaque.
    let status =
        unsafe { producer_mock_cluster_committed_records(mock, c"t".as_ptr(), 0, first_offset, Some(collect), opaque) };
    assert_eq!(status, 0);
    offsets
}

#[test]
fn only_committed_records_are_visited() {
    let mock = new_mock(1);
    with(mock, |cluster| {
        assert_eq!(produce(cluster, 1, "t", 0, &idempotent_batch(3, 0, 0, 2)), (0, 0));
        begun_transaction(cluster, "x", "t", 0);
        assert_eq!(produce(cluster, 1, "t", 0, &idempotent_batch(3, 0, 2, 1)), (0, 4));
    });
    assert_eq!(committed(mock, 0), [0, 1]);
    // SAFETY: the handle is live.
    unsafe {
        assert_eq!(producer_mock_cluster_fence(mock, c"x".as_ptr()), 0);
        assert_eq!(producer_mock_cluster_fence(mock, c"y".as_ptr()), Status::NOT_FOUND.code());
        assert_eq!(committed(mock, 1), [1, 4]);
        assert_eq!(producer_mock_cluster_truncate(mock, c"t".as_ptr(), 0, 4), 0);
        assert_eq!(committed(mock, 0), [0, 1]);
        assert_eq!(producer_mock_cluster_expire_producer_ids(mock), 0);
    }
    with(mock, |cluster| {
        let again = produce(cluster, 1, "t", 0, &idempotent_batch(3, 0, 0, 2));
        assert_eq!(again, (0, 4), "a forgotten producer begins anew");
    });
    free(mock);
}

#[test]
fn groups_have_offsets_and_members() {
    let mock = new_mock(2);
    let mut offset = 5;
    // SAFETY: the handle is live.
    unsafe {
        let committed = producer_mock_cluster_committed_offset(mock, c"g".as_ptr(), c"t".as_ptr(), 0, &mut offset);
        assert_eq!((committed, offset), (0, -1));
        let set = producer_mock_cluster_group_set_member;
        assert_eq!(set(mock, c"g".as_ptr(), 4, c"m".as_ptr(), c"i".as_ptr()), 0);
        assert_eq!(set(mock, c"g".as_ptr(), 4, ptr::null(), ptr::null()), 0);
        for kind in [PRODUCER_MOCK_COORDINATOR_GROUP, PRODUCER_MOCK_COORDINATOR_TRANSACTION] {
            for broker in [1, 2, -1] {
                assert_eq!(producer_mock_cluster_coordinator_move(mock, kind, c"g".as_ptr(), broker), 0);
                let kind = if kind == 0 { CoordinatorKind::Group } else { CoordinatorKind::Transaction };
                let found = with(mock, |cluster| cluster.coordinator(kind, "g"));
                assert_eq!(found, (broker > 0).then_some(broker));
            }
        }
        assert_eq!(producer_mock_cluster_set_marker_delay(mock, 10), 0);
        assert_eq!(producer_mock_cluster_set_transaction_version(mock, 1), 0);
    }
    free(mock);
}

#[test]
fn every_bad_argument_has_its_status() {
    let invalid = Status::INVALID_ARGUMENT.code();
    let null: *mut producer_mock_cluster_t = ptr::null_mut();
    let (text, bad, no) = (c"t".as_ptr(), c"\xff".as_ptr(), ptr::null());
    let mock = new_mock(1);
    let mut offset = 77;
    // SAFETY: every pointer is NULL or live.
    unsafe {
        let records = producer_mock_cluster_committed_records;
        assert_eq!(records(null, text, 0, 0, Some(collect), ptr::null_mut()), invalid);
        assert_eq!(records(mock, no, 0, 0, Some(collect), ptr::null_mut()), invalid);
        assert_eq!(records(mock, text, 0, 0, None, ptr::null_mut()), invalid);
        assert_eq!(records(mock, text, 0, -1, Some(collect), ptr::null_mut()), invalid);
        assert_eq!(records(mock, text, 1, 0, Some(collect), ptr::null_mut()), 3);
        let committed = producer_mock_cluster_committed_offset;
        assert_eq!(committed(null, text, text, 0, &mut offset), invalid);
        assert_eq!(committed(mock, no, text, 0, &mut offset), invalid);
        assert_eq!(committed(mock, text, bad, 0, &mut offset), invalid);
        assert_eq!(committed(mock, text, text, 0, ptr::null_mut()), invalid);
        assert_eq!(committed(mock, text, text, 1, &mut offset), 3);
        assert_eq!(offset, 77);
        for version in [-1, 3, i32::MAX] {
            assert_eq!(producer_mock_cluster_set_transaction_version(mock, version), invalid);
        }
        assert_eq!(producer_mock_cluster_set_transaction_version(null, 2), invalid);
        assert_eq!(producer_mock_cluster_set_marker_delay(null, 1), invalid);
        assert_eq!(producer_mock_cluster_set_marker_delay(mock, -1), invalid);
        let coordinator_move = producer_mock_cluster_coordinator_move;
        assert_eq!(coordinator_move(null, 0, text, 1), invalid);
        assert_eq!(coordinator_move(mock, 2, text, 1), invalid);
        assert_eq!(coordinator_move(mock, 0, no, 1), invalid);
        assert_eq!(coordinator_move(mock, 0, text, 2), Status::NOT_FOUND.code());
        assert_eq!(producer_mock_cluster_fence(null, text), invalid);
        assert_eq!(producer_mock_cluster_fence(mock, bad), invalid);
        assert_eq!(producer_mock_cluster_expire_producer_ids(null), invalid);
        assert_eq!(producer_mock_cluster_truncate(null, text, 0, 0), invalid);
        assert_eq!(producer_mock_cluster_truncate(mock, text, 0, -1), invalid);
        assert_eq!(producer_mock_cluster_truncate(mock, text, 9, 0), 3);
        let set_member = producer_mock_cluster_group_set_member;
        assert_eq!(set_member(null, text, 0, text, no), invalid);
        assert_eq!(set_member(mock, no, 0, text, no), invalid);
        assert_eq!(set_member(mock, text, -1, text, no), invalid);
        assert_eq!(set_member(mock, text, 0, bad, no), invalid);
        assert_eq!(set_member(mock, text, 0, text, bad), invalid);
    }
    free(mock);
}
