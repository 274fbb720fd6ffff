//! Renewed certificates without a restart.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use crate::capi::boundary::call;
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;

/// Reads the files of certificates and keys again, as `ssl.reload.interval.ms` does by itself. Certificates and keys that properties
/// hold as text stay: for others a new producer is needed.
///
/// `producer`: from producer_new, with `security.protocol` SSL or SASL_SSL.
/// New connections use what is new; those that are there go on as they are, because brokers look at certificates only when a
/// connection is made. Nothing is lost or sent twice for it.
/// Returns PRODUCER_OK, also when nothing has changed; PRODUCER_ERR_NOT_FOUND, PRODUCER_ERR_IO, PRODUCER_ERR_INVALID_PROPERTY
/// or PRODUCER_ERR_CONFIG_CONFLICT when a file cannot be used: producer_last_error names property, file and remedy, and what was
/// read before stays in use; PRODUCER_ERR_CONFIG_CONFLICT without TLS as well; the status of its end when the producer has
/// failed; PRODUCER_ERR_INVALID_ARGUMENT for NULL; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
/// Blocks for as long as the files take to be read. Any thread may call it, callbacks too.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_tls_reload(producer: *mut producer_t) -> producer_status_t {
    // SAFETY: the caller's promise: NULL or a handle of ours.
    call(|| unsafe { enter(producer) }?.reload_tls())
}
