//! User and password that change while the producer runs.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::c_char;

use crate::capi::boundary::{call, str_arg};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;

/// Changes user and password of a producer with sasl.mechanism PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. The client id and secret of a
/// token endpoint do not change this way: tokens of a producer that runs can be set with producer_set_oauth_token.
///
/// `producer`: the producer. `username`, `password`: not empty, at most 65536 bytes each; both are copied.
/// New connections and re-authentications use them; connections that are authenticated stay as they are until the broker wants
/// a re-authentication, or until they end. Brokers that have refused the credentials before are asked again at once.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when an argument is NULL, not UTF-8, empty or too long;
/// PRODUCER_ERR_CONFIG_CONFLICT when the producer does not authenticate by user and password; PRODUCER_ERR_CLOSED;
/// PRODUCER_ERR_FORKED; the status of its end when the producer has failed for good. On an error nothing changes.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_set_sasl_credentials(
    producer: *mut producer_t,
    username: *const c_char,
    password: *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        // SAFETY: the caller's promise: NULL or NUL-ended strings.
        let (username, password) = unsafe { (str_arg(username, "username")?, str_arg(password, "password")?) };
        inside.set_sasl_credentials(username, password)
    })
}
