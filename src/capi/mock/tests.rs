use std::ffi::CStr;
use std::net::TcpStream;

use super::*;
use crate::mock::api_key;
use crate::mock::testing::{encode_batch, produce, record};

fn new_mock(brokers: i32) -> *mut producer_mock_cluster_t {
    let mut mock = ptr::null_mut();
    // SAFETY: `mock` may be written.
    assert_eq!(unsafe { producer_mock_cluster_new(brokers, &mut mock) }, 0);
    mock
}

fn free(mock: *mut producer_mock_cluster_t) {
    // SAFETY: made by `new_mock` and used no more.
    unsafe { producer_mock_cluster_free(mock) }
}

struct Seen {
    offset: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

struct Collector {
    seen: Vec<Seen>,
    stop_after: usize,
}

/// # Safety
/// The pointer is NULL or has `len` bytes.
unsafe fn owned(bytes: *const c_void, len: usize) -> Option<Vec<u8>> {
    if bytes.is_null() {
        assert_eq!(len, 0);
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) }.to_vec())
}

unsafe extern "C" fn collect(record: *const producer_mock_record_t, opaque: *mut c_void) -> c_int {
    // SAFETY: the library gives a live record, and `opaque` is the test's collector.
    let (record, collector) = unsafe { (&*record, &mut *opaque.cast::<Collector>()) };
    assert_eq!(record.struct_size, size_of::<producer_mock_record_t>());
    let mut headers = Vec::new();
    for index in 0..record.header_count {
        // SAFETY: there are `header_count` of them, with NUL-ended names.
        unsafe {
            let header = &*record.headers.add(index);
            let name = CStr::from_ptr(header.name).to_str().unwrap().to_owned();
            headers.push((name, owned(header.value, header.value_len)));
        }
    }
    // SAFETY: pointers and lengths belong together.
    let (key, value) = unsafe {
        (owned(record.key, record.key_len.max(0) as usize), owned(record.value, record.value_len.max(0) as usize))
    };
    collector.seen.push(Seen { offset: record.offset, key, value, headers });
    c_int::from(collector.seen.len() == collector.stop_after)
}

fn read(mock: *mut producer_mock_cluster_t, first_offset: i64, stop_after: usize) -> Vec<Seen> {
    let mut collector = Collector { seen: Vec::new(), stop_after };
    let opaque = (&raw mut collector).cast();
    // SAFETY: the handle is live, and `collect` knows its opaque.
    let status = unsafe { producer_mock_cluster_records(mock, c"t".as_ptr(), 0, first_offset, Some(collect), opaque) };
    assert_eq!(status, 0);
    collector.seen
}

#[test]
fn records_come_back_with_null_and_empty_apart_and_their_headers() {
    let mock = new_mock(1);
    let mut first = record(0, None, Some(b""));
    first.headers.insert("a".into(), None);
    first.headers.insert("".into(), Some(bytes::Bytes::from_static(b"x")));
    let batch = encode_batch(&[first, record(1, Some(b""), None), record(2, Some(b"k"), Some(b"v"))]);
    // SAFETY: the handle is live.
    unsafe {
        assert_eq!(producer_mock_cluster_topic_create(mock, c"t".as_ptr(), 1, 1), 0);
        mock_arg(mock).unwrap().with(|cluster| assert_eq!(produce(cluster, 1, "t", 0, &batch), (0, 0)));
        let mut end_offset = -5;
        assert_eq!(producer_mock_cluster_end_offset(mock, c"t".as_ptr(), 0, &mut end_offset), 0);
        assert_eq!(end_offset, 3);
    }
    let seen = read(mock, 0, 0);
    assert_eq!(seen.len(), 3);
    assert_eq!((&seen[0].key, &seen[0].value), (&None, &Some(Vec::new())));
    assert_eq!(seen[0].headers, [("a".to_owned(), None), (String::new(), Some(b"x".to_vec()))]);
    assert_eq!((&seen[1].key, &seen[1].value), (&Some(Vec::new()), &None));
    assert_eq!((seen[2].offset, &seen[2].key), (2, &Some(b"k".to_vec())));
    assert_eq!(read(mock, 0, 1).len(), 1);
    assert_eq!(read(mock, 2, 0).len(), 1);
    assert_eq!(read(mock, 9, 0).len(), 0);
    free(mock);
}

#[test]
fn brokers_go_down_and_come_up() {
    let mock = new_mock(2);
    // SAFETY: the handle is live, and the string lives as long.
    unsafe {
        let servers = CStr::from_ptr(producer_mock_cluster_bootstrap_servers(mock)).to_str().unwrap();
        let first = servers.split(',').next().unwrap().to_owned();
        assert_eq!(servers.split(',').count(), 2);
        assert_eq!(producer_mock_cluster_broker_down(mock, 1), 0);
        assert!(TcpStream::connect(&first).is_err());
        assert_eq!(producer_mock_cluster_broker_up(mock, 1), 0);
        assert!(TcpStream::connect(&first).is_ok());
        assert_eq!(producer_mock_cluster_broker_freeze(mock, 1), 0);
        assert_eq!(producer_mock_cluster_broker_thaw(mock, 1), 0);
        assert_eq!(producer_mock_cluster_broker_set_latency(mock, 1, 5), 0);
        assert_eq!(producer_mock_cluster_set_message_max_bytes(mock, 1000), 0);
        assert_eq!(producer_mock_cluster_topic_create(mock, c"t".as_ptr(), 1, 1), 0);
        assert_eq!(producer_mock_cluster_partition_set_leader(mock, c"t".as_ptr(), 0, -1), 0);
        assert_eq!(producer_mock_cluster_partition_set_leader(mock, c"t".as_ptr(), 0, 2), 0);
        assert_eq!(producer_mock_cluster_push_error(mock, api_key::PRODUCE, 6, 1), 0);
        assert_eq!(producer_mock_cluster_push_error(mock, api_key::PRODUCE, -1, 1), 0);
        assert_eq!(producer_mock_cluster_push_error(mock, api_key::PRODUCE, -117, 1), 0);
        assert_eq!(producer_mock_cluster_push_disconnect(mock, api_key::PRODUCE, 1, 1), 0);
    }
    free(mock);
}

#[test]
fn every_bad_argument_has_its_status() {
    let invalid = Status::INVALID_ARGUMENT.code();
    let not_found = Status::NOT_FOUND.code();
    let null: *mut producer_mock_cluster_t = ptr::null_mut();
    let topic = c"t".as_ptr();
    let mock = new_mock(1);
    let mut out = ptr::null_mut();
    let mut offset = 77;
    free(null);
    // SAFETY: every pointer is NULL or live.
    unsafe {
        assert_eq!(producer_mock_cluster_new(1, ptr::null_mut()), invalid);
        for brokers in [0, -1, 1001, i32::MAX] {
            assert_eq!(producer_mock_cluster_new(brokers, &mut out), invalid);
        }
        assert!(out.is_null() && producer_mock_cluster_bootstrap_servers(null).is_null());
        assert_eq!(producer_mock_cluster_topic_create(null, topic, 1, 1), invalid);
        assert_eq!(producer_mock_cluster_topic_create(mock, ptr::null(), 1, 1), invalid);
        assert_eq!(producer_mock_cluster_topic_create(mock, c"\xff".as_ptr(), 1, 1), invalid);
        assert_eq!(producer_mock_cluster_topic_create(mock, c"".as_ptr(), 1, 1), 17);
        assert_eq!(producer_mock_cluster_topic_create(mock, topic, -1, 1), 37);
        assert_eq!(producer_mock_cluster_topic_create(mock, topic, 1, 100_000), 38);
        assert_eq!(producer_mock_cluster_topic_create(mock, topic, 1, 1), 0);
        assert_eq!(producer_mock_cluster_topic_create(mock, topic, 1, 1), 36);
        assert_eq!(producer_mock_cluster_push_error(null, 0, 6, 1), invalid);
        assert_eq!(producer_mock_cluster_push_error(mock, 0, 6, -1), invalid);
        assert_eq!(producer_mock_cluster_push_error(mock, 0, -101, 1), invalid);
        assert_eq!(producer_mock_cluster_push_error(mock, 0, 70_000, 1), invalid);
        assert_eq!(producer_mock_cluster_push_disconnect(mock, 0, 0, -1), invalid);
        for call in [
            producer_mock_cluster_broker_down,
            producer_mock_cluster_broker_up,
            producer_mock_cluster_broker_freeze,
            producer_mock_cluster_broker_thaw,
        ] {
            assert_eq!(call(null, 1), invalid);
            assert_eq!((call(mock, 0), call(mock, 2), call(mock, i32::MIN)), (not_found, not_found, not_found));
        }
        assert_eq!(producer_mock_cluster_broker_set_latency(mock, 1, -1), invalid);
        assert_eq!(producer_mock_cluster_broker_set_latency(mock, 2, 1), not_found);
        assert_eq!(producer_mock_cluster_partition_set_leader(mock, topic, 1, 1), 3);
        assert_eq!(producer_mock_cluster_partition_set_leader(mock, topic, 0, 2), not_found);
        assert_eq!(producer_mock_cluster_set_message_max_bytes(mock, 0), invalid);
        assert_eq!(producer_mock_cluster_end_offset(mock, topic, 0, ptr::null_mut()), invalid);
        assert_eq!(producer_mock_cluster_end_offset(mock, topic, 1, &mut offset), 3);
        assert_eq!(offset, 77);
        assert_eq!(producer_mock_cluster_records(mock, topic, 0, -1, Some(collect), ptr::null_mut()), invalid);
        assert_eq!(producer_mock_cluster_records(mock, topic, 0, 0, None, ptr::null_mut()), invalid);
        assert_eq!(producer_mock_cluster_records(mock, topic, -1, 0, Some(collect), ptr::null_mut()), 3);
    }
    free(mock);
}
