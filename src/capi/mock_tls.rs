//! What the mock cluster demands of its clients, through C: TLS.

// The doc comments of exported functions become the C header: they say in C's terms what each pointer has to be.
#![allow(clippy::missing_safety_doc)]

use std::ffi::c_char;

use crate::capi::boundary::{call, invalid, str_arg};
use crate::capi::mock::{mock_arg, producer_mock_cluster_t};
use crate::capi::status::producer_status_t;

/// Makes the brokers speak TLS, as listeners with security.protocol=SSL do, or go back to plain text. Only new connections
/// are concerned: those that are there stay as they are, so that certificates can be renewed while records flow.
///
/// `certificate_chain_pem`: the brokers' certificate and those between it and its authority, PEM text; it has to name
/// 127.0.0.1, where the brokers are. NULL, with `key_pem` NULL as well: plain text. `key_pem`: the certificate's private key,
/// PEM text, not encrypted. `client_ca_pem`: certificates of the authorities that sign clients' certificates, PEM text:
/// clients have to show one; NULL: they need none.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` if `mock` is NULL, only one of certificate and key is given, or a text
/// is not what it has to be: producer_last_error says which. Copies the texts. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_mock_cluster_set_tls(
    mock: *mut producer_mock_cluster_t,
    certificate_chain_pem: *const c_char,
    key_pem: *const c_char,
    client_ca_pem: *const c_char,
) -> producer_status_t {
    call(|| {
        let mock = mock_arg(mock)?;
        if certificate_chain_pem.is_null() && key_pem.is_null() {
            if !client_ca_pem.is_null() {
                return Err(invalid("client_ca_pem without certificate_chain_pem: only TLS asks for certificates"));
            }
            mock.set_plaintext();
            return Ok(());
        }
        // SAFETY: NULL or NUL-ended strings that live during the call, by the header.
        let (chain, key) =
            unsafe { (str_arg(certificate_chain_pem, "certificate_chain_pem")?, str_arg(key_pem, "key_pem")?) };
        let client_ca = match client_ca_pem.is_null() {
            true => None,
            // SAFETY: not NULL, and as above.
            false => Some(unsafe { str_arg(client_ca_pem, "client_ca_pem") }?),
        };
        mock.set_tls(chain, key, client_ca)
    })
}
