//! What comes out of `decompress` is within its bound, whatever goes in; and what was compressed comes back as it was, at every
//! level and cut into any pieces.
#![no_main]

use kproducer::codec::{Codec, Compression, Workspace, decompress};
use libfuzzer_sys::fuzz_target;

const MOST: usize = 1 << 20;
const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fuzz_target!(|data: &[u8]| {
    let [which, level, cut, rest @ ..] = data else { return };
    let codec = CODECS[usize::from(which % 5)];
    let mut out = Vec::new();
    if decompress(codec, rest, MOST, &mut out).is_ok() {
        assert!(out.len() <= MOST);
    }
    let level = match codec {
        Codec::Gzip => i32::from(level % 11) - 1,
        Codec::Lz4 => 1 + i32::from(level % 17),
        // Beyond these levels a table of megabytes is cleared for every input.
        Codec::Zstd => i32::from(level % 18) - 8,
        _ => 0,
    };
    let (front, back) = rest.split_at(usize::from(*cut).min(rest.len()));
    let mut small = Vec::new();
    let fits = Workspace::new().compress(Compression { codec, level }, &[front, back], MOST, &mut small);
    assert_eq!(fits, Ok(true));
    decompress(codec, &small, rest.len(), &mut out).expect("what was compressed");
    assert!(out == rest);
});
