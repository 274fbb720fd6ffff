//! Bytes by hand and from other programs; what the client's own encoder writes is tried in `mock/tests/compression.rs`.

use super::*;

const TEXT: &[u8] = b"kafka kafka kafka kafka ";
const LZ4_FRAME: &[u8] = b"\x04\x22\x4d\x18\x60\x40\x82\x0f\0\0\0\x69kafka \x06\0\x50afka \0\0\0\0";
const ZSTD_FRAME: &[u8] = b"\x28\xb5\x2f\xfd\x00\x58\x65\0\0\x30kafka \x01\0\xf1\x4a\x11";
const GZIP_MEMBER: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\0\0\xcb\x4e\x4c\xcb\x4e\x54\xc8\xc6\x20\x01\x88\x30\xe0\x74\x18\0\0\0";
const SNAPPY_STREAM: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x0b\x18\x14kafka \x46\x06\0";

fn reads(codec: i16, bytes: &[u8]) {
    assert_eq!(decompress(codec, bytes).as_deref(), Ok(TEXT));
}

#[test]
fn what_java_reads_is_read() {
    reads(0, TEXT);
    reads(GZIP, GZIP_MEMBER);
    reads(SNAPPY, SNAPPY_STREAM);
    reads(SNAPPY, &SNAPPY_STREAM[20..]);
    reads(LZ4, LZ4_FRAME);
    reads(ZSTD, ZSTD_FRAME);
}

#[test]
fn what_java_refuses_is_refused() {
    let patched = |frame: &[u8], at: usize, byte: u8| {
        let mut frame = frame.to_vec();
        frame[at] = byte;
        frame
    };
    for (codec, bytes, reason) in [
        (5, TEXT.to_vec(), "the codec is unknown"),
        (LZ4, TEXT.to_vec(), "the lz4 frame's magic is wrong"),
        (LZ4, patched(LZ4_FRAME, 4, 0x20), "the lz4 frame is of an unknown version"),
        (LZ4, patched(LZ4_FRAME, 4, 0x40), "the lz4 blocks depend on each other, which Java does not read"),
        (LZ4, patched(LZ4_FRAME, 5, 0x30), "the lz4 frame's block size is unknown"),
        // The checksum of message format v0 and v1, which also covered the magic.
        (LZ4, patched(LZ4_FRAME, 6, 0x83), "the lz4 frame's header checksum is wrong"),
        (LZ4, patched(LZ4_FRAME, 18, 7), "an lz4 block is damaged"),
        (LZ4, LZ4_FRAME[..29].to_vec(), "the lz4 frame is cut short"),
        (LZ4, [LZ4_FRAME, LZ4_FRAME].concat(), "bytes follow the lz4 frame"),
        (SNAPPY, patched(SNAPPY_STREAM, 11, 2), "the snappy stream has an unknown version"),
        (SNAPPY, SNAPPY_STREAM[..25].to_vec(), "a snappy block is cut short"),
        (SNAPPY, b"\xff\xff\xff\x7f\0".to_vec(), "a snappy block says it is longer than it can be"),
        (GZIP, patched(GZIP_MEMBER, 20, 0), "the gzip data is damaged"),
        (ZSTD, ZSTD_FRAME[..12].to_vec(), "the zstd data is damaged"),
    ] {
        assert_eq!(decompress(codec, &bytes), Err(reason), "{codec} {bytes:02x?}");
    }
}

#[test]
fn checksums_of_short_headers_are_xxh32() {
    assert_eq!(short_xxh32(b""), 0x02cc_5d05);
    assert_eq!(short_xxh32(b"abc"), 0x32d1_53ff);
}
