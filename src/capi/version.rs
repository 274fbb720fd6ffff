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

const FEATURES: &CStr =
    c"none gzip snappy lz4 zstd plaintext murmur2 murmur2_random consistent consistent_random fnv1a fnv1a_random random \
    round_robin sticky adaptive single_broker idempotence transactions telemetry mock";

/// What this build can do, as words separated by spaces: codecs, security protocols, every value that `partitioner` may have,
/// idempotence, transactions, telemetry, the mock cluster.
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
    use crate::config::table::{Kind, properties};

    #[test]
    fn every_partitioner_is_among_the_features() {
        let features: Vec<&str> = FEATURES.to_str().expect("ASCII").split(' ').collect();
        let row = properties().find(|row| row.name == "partitioner").expect("there is such a property");
        let Kind::Choice(partitioners) = row.kind else { panic!("partitioner is a choice") };
        for partitioner in partitioners {
            assert!(features.contains(partitioner), "producer_features lacks {partitioner}");
        }
        assert!(features.iter().all(|word| !word.is_empty()), "{features:?}");
    }
}
