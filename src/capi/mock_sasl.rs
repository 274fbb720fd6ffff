//! The mock cluster's end of SASL through C.

// The doc comments of exported functions become the C header: they say in C's terms what each pointer has to be.
#![allow(clippy::missing_safety_doc)]

use std::ffi::c_char;

use crate::capi::boundary::{call, invalid, out_arg, str_arg};
use crate::capi::mock::{mock_arg, producer_mock_cluster_t};
use crate::capi::status::producer_status_t;
use crate::mock::MockCluster;

/// Makes the brokers demand that clients authenticate by SASL. Every new connection has to; what is connected and authenticated
/// stays so until its session ends. With `producer_mock_cluster_set_tls` it is SASL_SSL.
///
/// `mechanism`: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; NULL: nobody has to authenticate any more, and the
/// other arguments are not looked at. `username`: who is let in; a connection that authenticates again has to stay who it was;
/// NULL with OAUTHBEARER. `password`: the user's; with OAUTHBEARER the token that is accepted, to the letter.
/// `session_lifetime_ms`: after so long a connection has to have authenticated again (KIP-368), or its next request ends it;
/// 0: it never has to; at most 86400000.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock`, or a text that is needed, is NULL or not UTF-8, the
/// mechanism is another, or the lifetime out of its range. Copies the texts. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_set_sasl(
    mock: *mut producer_mock_cluster_t,
    mechanism: *const c_char,
    username: *const c_char,
    password: *const c_char,
    session_lifetime_ms: i64,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        if mechanism.is_null() {
            return mock.with(|cluster| cluster.set_sasl(None, "", "", 0));
        }
        // SAFETY: NULL or NUL-ended strings that live during the call, by the header.
        let (mechanism, password) = unsafe { (str_arg(mechanism, "mechanism")?, str_arg(password, "password")?) };
        let username = match username.is_null() && mechanism == "OAUTHBEARER" {
            true => "",
            // SAFETY: as above.
            false => unsafe { str_arg(username, "username") }?,
        };
        let lifetime_ms = u64::try_from(session_lifetime_ms).ok().filter(|ms| *ms <= LIFETIME_MS_MAX);
        let lifetime_ms = lifetime_ms.ok_or_else(|| {
            invalid(format!("session_lifetime_ms is {session_lifetime_ms}, and is from 0 to {LIFETIME_MS_MAX}"))
        })?;
        mock.with(|cluster| cluster.set_sasl(Some(mechanism), username, password, lifetime_ms))
    })
}

/// Tells how many connections have authenticated since the cluster was made; their renewals are not counted here.
///
/// `out`: receives the number.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_authentication_count(
    mock: *const producer_mock_cluster_t,
    out: *mut i64,
) -> producer_status_t {
    // SAFETY: this function's promises.
    unsafe { count(mock, out, |mock| mock.with(|cluster| cluster.authentications())) }
}

/// Tells how often sessions were renewed on their connections since the cluster was made.
///
/// `out`: receives the number.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_reauthentication_count(
    mock: *const producer_mock_cluster_t,
    out: *mut i64,
) -> producer_status_t {
    // SAFETY: this function's promises.
    unsafe { count(mock, out, |mock| mock.with(|cluster| cluster.reauthentications())) }
}

/// Tells how many connections the brokers have closed because a request came after their session's end.
///
/// `out`: receives the number.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if a pointer is NULL. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_expired_session_count(
    mock: *const producer_mock_cluster_t,
    out: *mut i64,
) -> producer_status_t {
    // SAFETY: this function's promises.
    unsafe { count(mock, out, |mock| mock.with(|cluster| cluster.expired_sessions())) }
}

/// # Safety
/// `mock` is NULL or a live handle, `out` NULL or the caller's to be written.
unsafe fn count(
    mock: *const producer_mock_cluster_t,
    out: *mut i64,
    ask: impl FnOnce(&MockCluster) -> u64,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        let out = out_arg(out, "out")?;
        let count = ask(&mock);
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { out.write(i64::try_from(count).unwrap_or(i64::MAX)) };
        Ok(())
    })
}

/// A day.
const LIFETIME_MS_MAX: u64 = 86_400_000;
