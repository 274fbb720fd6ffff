//! Certificates of a broker's making: believed or refused, the same each time, and never a panic.
#![no_main]

use kproducer::security::tls::believes;
use libfuzzer_sys::fuzz_target;

/// In the middle of the seeds' validity.
const NOW_S: u64 = 1_700_000_000;

fuzz_target!(|data: &[u8]| {
    let [which, rest @ ..] = data else { return };
    if rest.len() > 1 << 13 {
        return;
    }
    let host =
        ["localhost", "127.0.0.1", "broker.example.com", "a.very.long.name.example.com."][usize::from(which % 4)];
    let chain = certificates(rest);
    let first = believes(&chain, host, NOW_S);
    assert_eq!(believes(&chain, host, NOW_S), first);
});

/// Cut where each says that it ends; what is left over is one of its own.
fn certificates(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !bytes.is_empty() && found.len() < 8 {
        let len = match bytes {
            [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            [0x30, 0x81, len, ..] => 3 + usize::from(*len),
            _ => bytes.len(),
        };
        let (one, rest) = bytes.split_at(len.min(bytes.len()));
        found.push(one);
        bytes = rest;
    }
    found
}
