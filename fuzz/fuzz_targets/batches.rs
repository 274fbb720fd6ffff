//! Record batches with any records behind a right header: the broker model takes or refuses them, and where it takes them, its
//! decoder and the library's agree about what was compressed, if both read it.
#![no_main]

use kproducer::codec::{Codec, decompress};
use kproducer::mock::{Records, check_batch, plain_batch};
use libfuzzer_sys::fuzz_target;

const HEADER_LEN: usize = 61;

fuzz_target!(|data: &[u8]| {
    let [codec, count, rest @ ..] = data else { return };
    let _ = check_batch(data);
    let codec = codec % 6;
    let count = i32::from(*count % 64);
    let mut batch = vec![0; HEADER_LEN];
    batch.extend_from_slice(rest);
    let batch_length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&batch_length.to_be_bytes());
    batch[16] = 2;
    batch[22] = codec;
    batch[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    batch[43..57].fill(0xff);
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());

    let taken = check_batch(&batch);
    let plain = plain_batch(&batch);
    if let Ok(header) = taken {
        let plain = plain.as_deref().expect("what is taken can be read");
        let records = Records::new(plain).expect("what is taken has records");
        assert_eq!(records.count(), header.records_count as usize);
    }
    if let (Some(codec), Some(plain)) = (Codec::of(codec as i8), &plain) {
        // We refuse a stream that is cut off; who reads as much as the records need does not come to its end.
        let mut ours = Vec::new();
        if decompress(codec, rest, plain.len(), &mut ours).is_ok() {
            assert!(ours == plain[HEADER_LEN..]);
        }
    }
});

/// CRC-32C, bit by bit: inputs are small.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}
