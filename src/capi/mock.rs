//! The mock cluster through C: Kafka brokers inside the process, for a program's own tests.

// The doc comments of exported functions become the C header: they say in C's terms what each pointer has to be.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;

use crate::capi::boundary::{call, str_arg};
use crate::capi::call_out::call_out;
use crate::capi::handle::{Handles, Kind};
use crate::capi::record::producer_header_t;
use crate::capi::status::producer_status_t;
use crate::error::{Error, Result, Status};
use crate::mock::{ClusterOptions, LogSnapshot, MockCluster, RecordView};

/// A running mock cluster: Kafka brokers on free ports of 127.0.0.1, in this process, with ids from 1 up. Opaque; made by
/// `producer_mock_cluster_new`, freed by `producer_mock_cluster_free`. Any number of threads may use it at once, and each of
/// its functions may be called from a callback. It keeps the newest 256 MiB of each partition.
#[allow(non_camel_case_types)]
pub struct producer_mock_cluster_t {
    _opaque: [u8; 0],
}

/// What a handle stands for.
pub struct MockHandle {
    mock: ManuallyDrop<MockCluster>,
    bootstrap_servers: CString,
    /// The process that has the cluster's thread.
    process_id: u32,
}

static MOCK_CLUSTERS: Handles<MockHandle> = Handles::new(Kind::MockCluster);

impl Deref for MockHandle {
    type Target = MockCluster;

    fn deref(&self) -> &MockCluster {
        &self.mock
    }
}

impl Drop for MockHandle {
    fn drop(&mut self) {
        // After a fork the child has no such thread to join, so there the cluster's memory is left alone.
        if self.process_id == std::process::id() {
            // SAFETY: this is the only place that drops it, and `drop` runs once.
            unsafe { ManuallyDrop::drop(&mut self.mock) }
        }
    }
}

/// One record of a mock cluster's log. Everything it points to lives until the callback returns.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct producer_mock_record_t {
    /// Bytes of this struct as the library knows it.
    pub struct_size: usize,
    /// The record's place in its partition.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key's bytes; NULL: the record has no key.
    pub key: *const c_void,
    /// Bytes of the key; -1 for no key.
    pub key_len: i64,
    /// The value's bytes; NULL: the record has no value, it is a tombstone.
    pub value: *const c_void,
    /// Bytes of the value; -1 for no value.
    pub value_len: i64,
    /// The headers in the order they were sent; NULL if there is none.
    pub headers: *const producer_header_t,
    /// How many headers there are.
    pub header_count: usize,
}

/// Receives one record of a mock cluster's log.
///
/// `record`: lives, with all it points to, until the callback returns. `opaque`: the pointer given along with the callback.
/// Returns 0 to go on to the next record, anything else to stop. It may call every function of the library except
/// `producer_mock_cluster_free` of this cluster.
#[allow(non_camel_case_types)]
pub type producer_mock_record_fn =
    Option<unsafe extern "C" fn(record: *const producer_mock_record_t, opaque: *mut c_void) -> c_int>;

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::INVALID_ARGUMENT, message)
}

/// What a mock cluster's handle stands for.
pub(super) fn mock_arg(mock: *const producer_mock_cluster_t) -> Result<Arc<MockHandle>> {
    let handle = MOCK_CLUSTERS.get(mock, "mock")?;
    if handle.process_id != std::process::id() {
        return Err(Error::new(Status::FORKED, "the mock cluster belongs to the parent process"));
    }
    Ok(handle)
}

/// As `mock_arg`, with a broker's id that has to be one of the cluster's.
fn broker_arg(mock: *const producer_mock_cluster_t, broker_id: i32) -> Result<Arc<MockHandle>> {
    let mock = mock_arg(mock)?;
    if !mock.with(|cluster| cluster.has_broker(broker_id)) {
        return Err(Error::new(Status::NOT_FOUND, format!("the mock cluster has no broker {broker_id}")));
    }
    Ok(mock)
}

/// Starts a mock cluster.
///
/// `brokers`: 1 to 1000; their ids are 1, 2, 3 and so on. `out`: receives the handle.
/// Topics that a producer asks for come into being with one partition and up to three replicas.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if the number is out of range or `out` is NULL;
/// `PRODUCER_ERR_NO_RESOURCES` if the system refuses a socket or the cluster's one thread.
/// The handle is the caller's, to be freed with `producer_mock_cluster_free`. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_new(
    brokers: i32,
    out: *mut *mut producer_mock_cluster_t,
) -> producer_status_t {
    call(|| {
        if out.is_null() {
            return Err(invalid("out is NULL"));
        }
        if !(1..=1000).contains(&brokers) {
            return Err(invalid(format!("brokers is {brokers}; a mock cluster has 1 to 1000")));
        }
        let mock = MockCluster::new(ClusterOptions { brokers, ..ClusterOptions::default() })?;
        let bootstrap_servers = CString::new(mock.bootstrap_servers())
            .map_err(|_| Error::new(Status::INTERNAL, "a bootstrap list with a NUL"))?;
        let process_id = std::process::id();
        let made = MOCK_CLUSTERS.insert(MockHandle { mock: ManuallyDrop::new(mock), bootstrap_servers, process_id })?;
        // SAFETY: not NULL, and the header asks for a pointer that may be written through.
        unsafe { out.write(made) };
        Ok(())
    })
}

/// Stops a mock cluster and frees it; its connections close.
///
/// `mock`: NULL does nothing. Takes the handle: nobody may be using it. Waits for the cluster's thread, a moment.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_free(mock: *mut producer_mock_cluster_t) {
    call(|| if mock.is_null() { Ok(()) } else { MOCK_CLUSTERS.remove(mock, "mock").map(drop) });
}

/// The cluster's addresses, as `bootstrap.servers` takes them.
///
/// Returns `host:port` of every broker, separated by commas; NULL if `mock` is NULL. The string belongs to the cluster and
/// lives until `producer_mock_cluster_free`. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_bootstrap_servers(
    mock: *const producer_mock_cluster_t,
) -> *const c_char {
    MOCK_CLUSTERS.get(mock, "mock").map_or(ptr::null(), |handle| handle.bootstrap_servers.as_ptr())
}

/// Creates a topic.
///
/// `topic`: 1 to 249 letters, digits, `.`, `_` or `-`. `partitions`: 1 to 100000. `replicas`: 1 to the number of brokers.
/// Returns `PRODUCER_OK`; Kafka's `PRODUCER_ERR_TOPIC_ALREADY_EXISTS`, `PRODUCER_ERR_INVALID_TOPIC_EXCEPTION`,
/// `PRODUCER_ERR_INVALID_PARTITIONS` or `PRODUCER_ERR_INVALID_REPLICATION_FACTOR`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer
/// is NULL or `topic` is not UTF-8. Copies the name. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_topic_create(
    mock: *mut producer_mock_cluster_t,
    topic: *const c_char,
    partitions: i32,
    replicas: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, topic) = unsafe { (mock_arg(mock)?, str_arg(topic, "topic")?) };
        // A number beyond 16 bits is beyond the brokers too, and refused in the same words.
        mock.topic_create(topic, partitions, i16::try_from(replicas).unwrap_or(i16::MAX))
    })
}

/// Deletes a topic with all its records. One that is created under the same name afterwards is another topic, with an id of its own.
///
/// `topic`: an existing one.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL or
/// `topic` is not UTF-8. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_topic_delete(
    mock: *mut producer_mock_cluster_t,
    topic: *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, topic) = unsafe { (mock_arg(mock)?, str_arg(topic, "topic")?) };
        mock.with(|cluster| cluster.topic_delete(topic))
    })
}

/// Makes a topic stamp records with the time of appending, as message.timestamp.type=LogAppendTime does.
///
/// `topic`: an existing one. `log_append_time`: false brings the records' own timestamps back.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL or
/// `topic` is not UTF-8. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_topic_set_log_append_time(
    mock: *mut producer_mock_cluster_t,
    topic: *const c_char,
    log_append_time: bool,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, topic) = unsafe { (mock_arg(mock)?, str_arg(topic, "topic")?) };
        mock.with(|cluster| cluster.topic_set_log_append_time(topic, log_append_time))
    })
}

/// Sets a configuration of a topic, by which brokers judge records: a batch with one that breaks it is refused, and the answer
/// names every such record (KIP-467).
///
/// `topic`: an existing one. `name`: cleanup.policy, message.timestamp.before.max.ms or message.timestamp.after.max.ms.
/// `value`: for the first compact, which demands a key of every record, delete, or both with a comma between them; for the
/// others milliseconds, 0 or more.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL or
/// not UTF-8, or for another name or value. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_topic_set(
    mock: *mut producer_mock_cluster_t,
    topic: *const c_char,
    name: *const c_char,
    value: *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the pointers are NULL or valid for the call, by the header.
        let (mock, topic) = unsafe { (mock_arg(mock)?, str_arg(topic, "topic")?) };
        // SAFETY: the same.
        let (name, value) = unsafe { (str_arg(name, "name")?, str_arg(value, "value")?) };
        mock.with(|cluster| cluster.topic_set(topic, name, value))
    })
}

/// Makes a broker ask its clients, in every answer, to send nothing for a while (KIP-219).
///
/// `broker_id`: 1 to the number of brokers. `throttle_ms`: milliseconds, 0 for none.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is
/// NULL or `throttle_ms` is negative. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_broker_set_throttle(
    mock: *mut producer_mock_cluster_t,
    broker_id: i32,
    throttle_ms: i32,
) -> producer_status_t {
    call(|| {
        let mock = broker_arg(mock, broker_id)?;
        if throttle_ms < 0 {
            return Err(invalid(format!("throttle_ms is {throttle_ms}, below 0")));
        }
        mock.set_throttle_ms(broker_id, throttle_ms);
        Ok(())
    })
}

/// Lets the next requests of one kind fail.
///
/// `api_key`: Kafka's number of the request, 0 for Produce, 3 for Metadata, 10 for FindCoordinator, 18 for ApiVersions, 22 for
/// InitProducerId, 24 for AddPartitionsToTxn, 25 for AddOffsetsToTxn, 26 for EndTxn, 28 for TxnOffsetCommit,
/// 71 for GetTelemetrySubscriptions, 72 for PushTelemetry. `status`: the Kafka error that
/// is answered; `PRODUCER_OK` lets requests through before the next order; `PRODUCER_ERR_DISCONNECTED` closes the connection
/// instead of answering. `count`: how many requests, from 0 up.
/// A failed Produce appends nothing, except with `PRODUCER_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND` and
/// `PRODUCER_ERR_REQUEST_TIMED_OUT`, where a real broker has appended as well. Orders of one kind are carried out in their
/// order.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL, `count` is negative or `status` is another of the
/// library's own. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_push_error(
    mock: *mut producer_mock_cluster_t,
    api_key: i16,
    status: producer_status_t,
    count: i32,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        let count = count_arg(count)?;
        if status == Status::DISCONNECTED.code() {
            mock.push_disconnect(api_key, false, count);
            return Ok(());
        }
        let error_code = i16::try_from(status).ok().filter(|&code| code >= -1);
        let error_code =
            error_code.ok_or_else(|| invalid(format!("status {status} is not one that a broker answers")))?;
        mock.push_error(api_key, error_code, count);
        Ok(())
    })
}

/// Lets the next requests of one kind lose their connection instead of getting an answer.
///
/// `api_key`: as in `producer_mock_cluster_push_error`. `after_append`: not 0 lets the broker do what the request says first, so
/// that only the acknowledgement is lost. `count`: how many requests, from 0 up.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL or `count` is negative. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_push_disconnect(
    mock: *mut producer_mock_cluster_t,
    api_key: i16,
    after_append: i32,
    count: i32,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        mock.push_disconnect(api_key, after_append != 0, count_arg(count)?);
        Ok(())
    })
}

fn count_arg(count: i32) -> Result<u32> {
    u32::try_from(count).map_err(|_| invalid(format!("count is {count}, below 0")))
}

/// Takes a broker away: its connections close, new ones are refused when this returns, and its partitions go to another of
/// their replicas, or have no leader.
///
/// `broker_id`: from 1 to the number of brokers. A broker that is down already stays so.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is
/// NULL. Waits for the cluster's thread, a moment.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_broker_down(
    mock: *mut producer_mock_cluster_t,
    broker_id: i32,
) -> producer_status_t {
    call(|| {
        broker_arg(mock, broker_id)?.broker_down(broker_id);
        Ok(())
    })
}

/// Brings a broker back, on the same port and with its logs; partitions of its without a leader get one.
///
/// `broker_id`: from 1 to the number of brokers. A broker that is up already stays so.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_NO_RESOURCES` if the system
/// refuses the socket; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL. Waits for the cluster's thread, a moment.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_broker_up(
    mock: *mut producer_mock_cluster_t,
    broker_id: i32,
) -> producer_status_t {
    call(|| broker_arg(mock, broker_id)?.broker_up(broker_id))
}

/// Makes a broker hang: it reads, answers and accepts nothing, while its connections stay open.
///
/// `broker_id`: from 1 to the number of brokers.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is
/// NULL. Waits for the cluster's thread, a moment.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_broker_freeze(
    mock: *mut producer_mock_cluster_t,
    broker_id: i32,
) -> producer_status_t {
    call(|| {
        broker_arg(mock, broker_id)?.broker_freeze(broker_id);
        Ok(())
    })
}

/// Ends `producer_mock_cluster_broker_freeze`: the broker goes on with what has come meanwhile.
///
/// `broker_id`: from 1 to the number of brokers.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is
/// NULL. Waits for the cluster's thread, a moment.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_broker_thaw(
    mock: *mut producer_mock_cluster_t,
    broker_id: i32,
) -> producer_status_t {
    call(|| {
        broker_arg(mock, broker_id)?.broker_thaw(broker_id);
        Ok(())
    })
}

/// Delays every answer of a broker.
///
/// `broker_id`: from 1 to the number of brokers. `latency_ms`: milliseconds from 0 up, from a request's arrival to its answer.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL
/// or `latency_ms` is negative. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_broker_set_latency(
    mock: *mut producer_mock_cluster_t,
    broker_id: i32,
    latency_ms: i32,
) -> producer_status_t {
    call(|| {
        let mock = broker_arg(mock, broker_id)?;
        let latency_ms =
            u32::try_from(latency_ms).map_err(|_| invalid(format!("latency_ms is {latency_ms}, below 0")))?;
        mock.broker_set_latency(broker_id, latency_ms);
        Ok(())
    })
}

/// Sets the rack that metadata tells of a broker.
///
/// `broker_id`: from 1 to the number of brokers. `rack`: its rack, copied; NULL for none, as it begins. Clients hear of it with
/// their next metadata.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL
/// or `rack` is not UTF-8. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_broker_set_rack(
    mock: *mut producer_mock_cluster_t,
    broker_id: i32,
    rack: *const c_char,
) -> producer_status_t {
    call(|| {
        let mock = broker_arg(mock, broker_id)?;
        let rack = match rack.is_null() {
            true => None,
            // SAFETY: not NULL, and a NUL-ended string by the header.
            false => Some(unsafe { str_arg(rack, "rack") }?),
        };
        mock.broker_set_rack(broker_id, rack);
        Ok(())
    })
}

/// Sets where clients find a broker according to metadata, as a broker's `advertised.listeners` does: to send them to a proxy, or to
/// try what an address does that leads nowhere. The broker itself stays where it is.
///
/// `broker_id`: from 1 to the number of brokers. `host`: a name or an address, copied; NULL brings back the broker's own address, and
/// then `port` is not looked at. `port`: 1 to 65535. Clients hear of it with their next metadata.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL,
/// `host` is empty or not UTF-8, or `port` out of its range. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn producer_mock_cluster_broker_set_address(
    mock: *mut producer_mock_cluster_t,
    broker_id: i32,
    host: *const c_char,
    port: i32,
) -> producer_status_t {
    call(|| {
        let mock = broker_arg(mock, broker_id)?;
        if host.is_null() {
            mock.broker_set_address(broker_id, None);
            return Ok(());
        }
        // SAFETY: not NULL, and a NUL-ended string by the header.
        let host = unsafe { str_arg(host, "host") }?;
        if host.is_empty() {
            return Err(invalid("host is empty; NULL brings back the broker's own address"));
        }
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| invalid("port is out of its range, 1 to 65535"))?;
        mock.broker_set_address(broker_id, Some((host, port)));
        Ok(())
    })
}

/// Moves a partition's leader to another broker, under a new leader epoch.
///
/// `topic`, `partition`: an existing partition. `broker_id`: from 1 to the number of brokers; -1 leaves the partition without a
/// leader until this function gives it one.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`; `PRODUCER_ERR_NOT_FOUND` if there is no such broker;
/// `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL or `topic` is not UTF-8. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_partition_set_leader(
    mock: *mut producer_mock_cluster_t,
    topic: *const c_char,
    partition: i32,
    broker_id: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, topic) = unsafe { (mock_arg(mock)?, str_arg(topic, "topic")?) };
        mock.partition_set_leader(topic, partition, (broker_id != -1).then_some(broker_id))
    })
}

/// Sets the greatest record batch that the brokers accept, like Kafka's `message.max.bytes`; 1048588 at first.
///
/// `bytes`: a batch's bytes, its header included; from 1 up.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL or `bytes` is 0. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_set_message_max_bytes(
    mock: *mut producer_mock_cluster_t,
    bytes: usize,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        if bytes == 0 {
            return Err(invalid("bytes is 0"));
        }
        mock.set_message_max_bytes(bytes);
        Ok(())
    })
}

/// Tells the offset that a partition's next record will get: the number of records that ever came, and of the marks that ends
/// of transactions leave.
///
/// `topic`, `partition`: an existing partition. `out`: receives the offset.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL or
/// `topic` is not UTF-8. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_end_offset(
    mock: *const producer_mock_cluster_t,
    topic: *const c_char,
    partition: i32,
    out: *mut i64,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, topic) = unsafe { (mock_arg(mock)?, str_arg(topic, "topic")?) };
        if out.is_null() {
            return Err(invalid("out is NULL"));
        }
        let end_offset = mock.with(|cluster| cluster.require_end_offset(topic, partition))?;
        // SAFETY: not NULL, and the header asks for a pointer that may be written through.
        unsafe { out.write(end_offset) };
        Ok(())
    })
}

/// Reads records back from a partition's log, in order, as they are at the moment of the call, whatever became of their
/// transactions.
///
/// `topic`, `partition`: an existing partition. `first_offset`: the first record wanted, from 0 up; beyond the end there is
/// none. `callback`: called on this thread for each record until it returns something other than 0. `opaque`: passed to it.
/// Returns `PRODUCER_OK`, also when the callback stopped; `PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION`;
/// `PRODUCER_ERR_INVALID_ARGUMENT` if `mock`, `topic` or `callback` is NULL, `topic` is not UTF-8 or `first_offset` is negative.
/// The records belong to the cluster and live until their callback returns. The brokers go on answering meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_records(
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
        // SAFETY: function and pointer are the caller's, by the header.
        unsafe { visit_records(first_offset, callback, opaque, |offset| mock.snapshot(topic, partition, offset)) }
    })
}

/// Calls back for each record of a snapshot.
///
/// # Safety
/// `callback` may be called with `opaque` on this thread.
pub(super) unsafe fn visit_records(
    first_offset: i64,
    callback: producer_mock_record_fn,
    opaque: *mut c_void,
    snapshot: impl FnOnce(i64) -> Result<LogSnapshot>,
) -> Result<()> {
    let callback = callback.ok_or_else(|| invalid("callback is NULL"))?;
    if first_offset < 0 {
        return Err(invalid(format!("first_offset is {first_offset}, below 0")));
    }
    let snapshot = snapshot(first_offset)?;
    let mut headers = HeaderArray::default();
    for record in snapshot.records() {
        let record = c_record(&record, &mut headers);
        let arguments = [(&raw const record) as usize, opaque as usize, 0, 0];
        // SAFETY: the caller's promise; the record and all it points to outlive the call.
        if unsafe { call_out(callback as *const (), arguments) }.is_none_or(|stop| stop as c_int != 0) {
            break;
        }
    }
    Ok(())
}

/// NULL for null, and never NULL for empty.
fn bytes_ptr(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

/// -1 for null.
fn signed_len(bytes: Option<&[u8]>, len: usize) -> i64 {
    bytes.map_or(-1, |_| i64::try_from(len).unwrap_or(i64::MAX))
}

/// The headers of one record in C's form; used again for the next one.
#[derive(Default)]
struct HeaderArray {
    /// The names one after another, each with its NUL.
    names: Vec<u8>,
    headers: Vec<producer_header_t>,
}

impl HeaderArray {
    fn fill(&mut self, record: &RecordView<'_>) -> *const producer_header_t {
        self.names.clear();
        self.headers.clear();
        // All names first: the pointers below are only good once the buffer moves no more.
        for (name, _) in record.headers() {
            self.names.extend_from_slice(name.as_bytes());
            self.names.push(0);
        }
        let mut rest = self.names.as_slice();
        for (name, value) in record.headers() {
            let (value, value_len) = bytes_ptr(value);
            let name_ptr = rest.as_ptr().cast();
            self.headers.push(producer_header_t { name: name_ptr, value, value_len });
            rest = rest.get(name.len() + 1..).unwrap_or_default();
        }
        if self.headers.is_empty() { ptr::null() } else { self.headers.as_ptr() }
    }
}

fn c_record(record: &RecordView<'_>, headers: &mut HeaderArray) -> producer_mock_record_t {
    let (key, key_len) = bytes_ptr(record.key);
    let (value, value_len) = bytes_ptr(record.value);
    let header_ptr = headers.fill(record);
    producer_mock_record_t {
        struct_size: size_of::<producer_mock_record_t>(),
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        key,
        key_len: signed_len(record.key, key_len),
        value,
        value_len: signed_len(record.value, value_len),
        headers: header_ptr,
        header_count: headers.headers.len(),
    }
}

#[cfg(test)]
mod tests;
