//! The mock cluster's end of client telemetry through C.

// The doc comments of exported functions become the C header: they say in C's terms what each pointer has to be.
#![allow(clippy::missing_safety_doc)]

use std::ffi::{CString, c_char, c_int, c_void};

use crate::capi::boundary::{call, invalid, out_arg, str_arg};
use crate::capi::call_out::call_out;
use crate::capi::mock::{mock_arg, producer_mock_cluster_t};
use crate::capi::status::producer_status_t;
use crate::error::{Error, Status};
use crate::mock::{PushSeen, Subscription};
use crate::wire::telemetry::instance_id_text;

/// One push of metrics that a mock cluster has accepted. Everything it points to lives until the callback returns.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct producer_mock_push_t {
    /// Bytes of this struct as the library knows it.
    pub struct_size: usize,
    /// The client's id, as producer_client_instance_id tells it.
    pub client_instance_id: *const c_char,
    /// The broker that got it.
    pub broker_id: i32,
    /// The subscription that it answers: each `producer_mock_cluster_telemetry_subscribe` has its own.
    pub subscription_id: i32,
    /// Whether the client says that it is its last.
    pub terminating: bool,
    /// OpenTelemetry's MetricsData v1 as protobuf, uncompressed.
    pub metrics: *const c_void,
    /// Bytes of it.
    pub metrics_len: usize,
}

/// Receives one push of metrics.
///
/// `push`: lives, with all it points to, until the callback returns. `opaque`: the pointer given along with the callback.
/// Returns 0 to go on to the next push, anything else to stop. It may call every function of the library except
/// `producer_mock_cluster_free` of this cluster.
#[allow(non_camel_case_types)]
pub type producer_mock_push_fn =
    Option<unsafe extern "C" fn(push: *const producer_mock_push_t, opaque: *mut c_void) -> c_int>;

/// Makes the brokers ask their clients for metrics, as Kafka does with a client-metrics resource (KIP-714). Before the first
/// call they do not offer it: clients see that when they connect.
///
/// `metrics`: prefixes of names separated by commas; `*` for every metric, an empty text for none; NULL: the brokers do not
/// offer it any more. `push_interval_ms`: how often clients are to push; answered as it is, however absurd.
/// `max_bytes`: the greatest push that is accepted, from 1 up; 0 for Kafka's default, 1048576.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL, `metrics` is not UTF-8 or `max_bytes` is negative.
/// Copies the names. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_telemetry_subscribe(
    mock: *mut producer_mock_cluster_t,
    metrics: *const c_char,
    push_interval_ms: i32,
    max_bytes: i32,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        if max_bytes < 0 {
            return Err(invalid(format!("max_bytes is {max_bytes}, below 0")));
        }
        let mut subscription = None;
        if !metrics.is_null() {
            // SAFETY: not NULL, and a text by the header.
            let metrics = unsafe { str_arg(metrics, "metrics") }?;
            let prefixes: Vec<&str> = metrics.split(',').filter(|prefix| !prefix.is_empty()).collect();
            let mut wanted = Subscription::new(&prefixes, push_interval_ms);
            if max_bytes > 0 {
                wanted.telemetry_max_bytes = max_bytes;
            }
            subscription = Some(wanted);
        }
        mock.with(|cluster| cluster.telemetry_subscribe(subscription));
        Ok(())
    })
}

/// Tells how many pushes of metrics the cluster has accepted.
///
/// `out`: receives the number.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_telemetry_push_count(
    mock: *const producer_mock_cluster_t,
    out: *mut i64,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        let out = out_arg(out, "out")?;
        let count = mock.with(|cluster| cluster.telemetry_push_count());
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { out.write(i64::try_from(count).unwrap_or(i64::MAX)) };
        Ok(())
    })
}

/// Reads the pushes of metrics back that the cluster has accepted, the last thousand, oldest first.
///
/// `callback`: called on this thread for each push until it returns something other than 0. `opaque`: passed to it.
/// Returns `PRODUCER_OK`, also when the callback stopped; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` or `callback` is NULL.
/// The pushes belong to the cluster and live until their callback returns. The brokers go on answering meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_telemetry_pushes(
    mock: *const producer_mock_cluster_t,
    callback: producer_mock_push_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        let callback = callback.ok_or_else(|| invalid("callback is NULL"))?;
        let pushes: Vec<PushSeen> = mock.with(|cluster| cluster.telemetry_pushes().cloned().collect());
        for push in pushes {
            let client_instance_id = CString::new(instance_id_text(&push.client_instance_id)).unwrap_or_default();
            let seen = producer_mock_push_t {
                struct_size: size_of::<producer_mock_push_t>(),
                client_instance_id: client_instance_id.as_ptr(),
                broker_id: push.broker,
                subscription_id: push.subscription_id,
                terminating: push.terminating,
                metrics: push.bytes.as_ptr().cast(),
                metrics_len: push.bytes.len(),
            };
            let arguments = [(&raw const seen) as usize, opaque as usize, 0, 0];
            // SAFETY: function and pointer are the caller's, by the header; what is pointed to outlives the call.
            if unsafe { call_out(callback as *const (), arguments) }.is_none_or(|stop| stop as c_int != 0) {
                break;
            }
        }
        Ok(())
    })
}

/// Tells the value of a metric in the newest push that has it.
///
/// `name`: the metric's whole name, `org.apache.kafka.producer.record.send.total` for one. `out`: receives the value; where the
/// metric has one for each broker, their sum.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_NOT_FOUND` if none of the last thousand pushes has it; `PRODUCER_ERR_INVALID_ARGUMENT`
/// if a pointer is NULL or `name` is not UTF-8. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_telemetry_value(
    mock: *const producer_mock_cluster_t,
    name: *const c_char,
    out: *mut f64,
) -> producer_status_t {
    call(|| {
        // SAFETY: both pointers are NULL or valid for the call, by the header.
        let (mock, name) = unsafe { (mock_arg(mock)?, str_arg(name, "name")?) };
        let out = out_arg(out, "out")?;
        let value = mock.with(|cluster| {
            let newest = cluster.telemetry_pushes().flat_map(|push| &push.metrics).filter(|metric| metric.name == name);
            newest.last().map(|metric| metric.points.iter().map(|point| point.value).sum())
        });
        let value = value.ok_or_else(|| Error::new(Status::NOT_FOUND, format!("no push has a metric '{name}'")))?;
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { out.write(value) };
        Ok(())
    })
}
