//! What this library is.

use std::ffi::{CStr, c_char};

use crate::capi::boundary;

/// The library's version at run time, like "0.1.0": compare it with PRODUCER_VERSION, the header's.
///
/// Returns a string that lives as long as the library. Never fails, never blocks, from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn producer_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL inside"),
    };
    VERSION.as_ptr()
}

const FEATURES: &CStr = c"none gzip snappy lz4 zstd plaintext ssl sasl_plaintext sasl_ssl \
    gssapi plain scram-sha-256 scram-sha-512 oauthbearer aws_msk_iam oidc jwt-bearer aws_iam azure_imds \
    murmur2 murmur2_random consistent consistent_random fnv1a fnv1a_random random \
    round_robin sticky adaptive single_broker idempotence transactions telemetry mock";

/// What this build can do, as words separated by spaces: codecs, security protocols, SASL mechanisms and where
/// OAUTHBEARER's tokens come from, every value that `partitioner` may have, idempotence, transactions, telemetry, the mock cluster.
///
/// Returns a string that lives as long as the library. Never fails, never blocks, from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn producer_features() -> *const c_char {
    FEATURES.as_ptr()
}

/// One sentence about the calling thread's last failed call: it names the property, topic or broker concerned.
///
/// Returns UTF-8 text, empty when no call has failed on this thread. It lives until this thread's next call into the
/// library. Calls that succeed leave it alone. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn producer_last_error() -> *const c_char {
    boundary::last_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigBuilder;
    use crate::config::table::{Kind, properties};

    /// What a property may be set to, in lower case, is a feature.
    #[test]
    fn every_choice_of_codec_protocol_mechanism_and_partitioner_is_among_the_features() {
        let features: Vec<&str> = FEATURES.to_str().expect("ASCII").split(' ').collect();
        for name in ["compression.type", "security.protocol", "sasl.mechanism", "partitioner"] {
            let row = properties().find(|row| row.name == name).expect("there is such a property");
            let Kind::Choice(choices) = row.kind else { panic!("{name} is a choice") };
            for choice in choices.iter().filter(|choice| ConfigBuilder::new().set(name, choice).is_ok()) {
                let word = choice.to_ascii_lowercase();
                assert!(features.contains(&word.as_str()), "producer_features lacks {word} of {name}");
            }
        }
        assert!(features.iter().all(|word| !word.is_empty()), "{features:?}");
    }
}
