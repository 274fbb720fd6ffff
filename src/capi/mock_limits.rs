//! What the mock cluster's brokers do not speak or take, through C: brokers that are older or smaller than the newest Kafka.

// The doc comments of exported functions become the C header: they say in C's terms what each pointer has to be.
#![allow(clippy::missing_safety_doc)]

use crate::capi::boundary::{call, invalid};
use crate::capi::mock::{mock_arg, producer_mock_cluster_t};
use crate::capi::status::producer_status_t;

/// Makes the brokers speak no newer version of one request than this, as older brokers do; connections that are open keep the
/// versions that they agreed on, and lose their connection with a newer one. A newer ApiVersions is answered with error 35
/// (UNSUPPORTED_VERSION) and the versions that there are.
///
/// `api_key`: Kafka's number of the request, as in `producer_mock_cluster_push_error`. `max_version`: the newest version; -1
/// takes the request away, and a broker without ApiVersions ends the connection that asks for it.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL, `api_key` negative or `max_version` below -1. Does not
/// block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn producer_mock_cluster_set_api_version(
    mock: *mut producer_mock_cluster_t,
    api_key: i16,
    max_version: i16,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        if api_key < 0 || max_version < -1 {
            return Err(invalid(format!("api_key is {api_key} and max_version {max_version}; from 0 and from -1 up")));
        }
        mock.with(|cluster| cluster.set_max_version(api_key, max_version));
        Ok(())
    })
}

/// Sets the largest request that the brokers read, like Kafka's `socket.request.max.bytes`; 104857600 at first. On a larger one they
/// end the connection without an answer, and nothing of it is carried out.
///
/// `bytes`: the whole request without the four bytes of its length; from 1 up.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL or `bytes` is 0. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn producer_mock_cluster_set_request_max_bytes(
    mock: *mut producer_mock_cluster_t,
    bytes: usize,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        if bytes == 0 {
            return Err(invalid("bytes is 0"));
        }
        mock.with(|cluster| cluster.set_request_max_bytes(bytes));
        Ok(())
    })
}
