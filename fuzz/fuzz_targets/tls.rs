//! Files of keys and certificates, certificates of peers, and what answers where TLS was expected: nothing panics, whatever
//! the bytes are.
#![no_main]

use kproducer::security::tls::read_anything;
use libfuzzer_sys::fuzz_target;

/// RSA's usual exponent, 65537.
const EXPONENT: [u8; 5] = [2, 3, 1, 0, 1];

fuzz_target!(|data: &[u8]| {
    // How many rounds a password goes through is said by whoever made the file, up to a bound of seconds. That takes time and
    // finds nothing: an INTEGER of three bytes or more is no count that is tried here.
    let is_large = |at: usize| matches!(data[at..], [2, 3 | 4, ..]) && !data[at..].starts_with(&EXPONENT);
    if data.len() > 1 << 14 || (0..data.len()).any(is_large) {
        return;
    }
    read_anything(data);
});
