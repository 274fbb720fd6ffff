use super::*;
use crate::mock::testing;

/// One record, key "k", value "v", header h=x, timestamp 1000, written by hand from the format.
fn hand_made() -> Vec<u8> {
    let record: &[u8] = &[0, 0, 0, 2, b'k', 2, b'v', 2, 2, b'h', 2, b'x'];
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&0i64.to_be_bytes()); // base offset
    bytes.extend_from_slice(&(49 + 1 + record.len() as i32).to_be_bytes()); // batch length
    bytes.extend_from_slice(&(-1i32).to_be_bytes()); // leader epoch
    bytes.push(2); // magic
    bytes.extend_from_slice(&[0; 4]); // CRC, below
    bytes.extend_from_slice(&0i16.to_be_bytes()); // attributes
    bytes.extend_from_slice(&0i32.to_be_bytes()); // last offset delta
    bytes.extend_from_slice(&1000i64.to_be_bytes()); // base timestamp
    bytes.extend_from_slice(&1000i64.to_be_bytes()); // max timestamp
    bytes.extend_from_slice(&(-1i64).to_be_bytes()); // producer id
    bytes.extend_from_slice(&(-1i16).to_be_bytes()); // producer epoch
    bytes.extend_from_slice(&(-1i32).to_be_bytes()); // base sequence
    bytes.extend_from_slice(&1i32.to_be_bytes()); // record count
    bytes.push(record.len() as u8 * 2); // the record's length, zigzag
    bytes.extend_from_slice(record);
    seal(bytes)
}

/// Puts the CRC that the bytes have.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn patched(at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = hand_made();
    bytes[at..at + with.len()].copy_from_slice(with);
    seal(bytes)
}

fn refusal_of(bytes: &[u8]) -> i16 {
    check_batch(bytes).unwrap_err().error_code
}

/// The hand-made header around other records.
fn with_records(count: i32, max_timestamp: i64, records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = hand_made();
    bytes.truncate(BATCH_HEADER_LEN);
    for record in records {
        let len = record.len() as u64 * 2;
        assert!(len < 0x4000);
        if len < 0x80 {
            bytes.push(len as u8);
        } else {
            bytes.extend_from_slice(&[len as u8 | 0x80, (len >> 7) as u8]);
        }
        bytes.extend_from_slice(record);
    }
    let batch_length = bytes.len() as i32 - 12;
    bytes[8..12].copy_from_slice(&batch_length.to_be_bytes());
    bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    bytes[35..43].copy_from_slice(&max_timestamp.to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    seal(bytes)
}

#[test]
fn a_hand_made_batch_reads_as_written() {
    let bytes = hand_made();
    let header = check_batch(&bytes).unwrap();
    assert_eq!((header.records_count, header.base_timestamp, header.producer_id), (1, 1000, -1));
    let records: Vec<RecordView<'_>> = Records::new(&bytes).unwrap().collect();
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].offset, records[0].timestamp_ms), (0, 1000));
    assert_eq!((records[0].key, records[0].value), (Some(&b"k"[..]), Some(&b"v"[..])));
    assert_eq!(records[0].headers().collect::<Vec<_>>(), [("h", Some(&b"x"[..]))]);
}

#[test]
fn every_flipped_bit_is_noticed_but_in_the_leader_epoch() {
    let bytes = hand_made();
    for at in (0..bytes.len()).filter(|at| !(12..16).contains(at)) {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            assert!(check_batch(&broken).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_truncation_is_noticed() {
    let bytes = testing::batch(&["one", "two", "three"]);
    check_batch(&bytes).unwrap();
    for len in 0..bytes.len() {
        assert!(check_batch(&bytes[..len]).is_err(), "{len} bytes");
        let mut shorter = bytes[..len].to_vec();
        if len > BATCH_HEADER_LEN {
            // Consistent outside, cut inside: the records themselves must tell.
            shorter[8..12].copy_from_slice(&(len as i32 - 12).to_be_bytes());
            assert_eq!(refusal_of(&seal(shorter)), code::INVALID_RECORD, "{len} bytes");
        }
    }
}

#[test]
fn a_wrong_crc_is_corrupt() {
    let mut bytes = hand_made();
    bytes[20] ^= 1;
    assert_eq!(refusal_of(&bytes), code::CORRUPT_MESSAGE);
}

#[test]
fn each_header_field_has_its_refusal() {
    let cases: &[(&str, usize, &[u8], i16)] = &[
        ("base offset", 0, &1i64.to_be_bytes(), code::INVALID_RECORD),
        ("negative length", 8, &(-1i32).to_be_bytes(), code::CORRUPT_MESSAGE),
        ("short length", 8, &48i32.to_be_bytes(), code::CORRUPT_MESSAGE),
        ("long length", 8, &i32::MAX.to_be_bytes(), code::CORRUPT_MESSAGE),
        ("magic 1", 16, &[1], code::INVALID_RECORD),
        ("gzip that is none", 21, &1i16.to_be_bytes(), code::INVALID_RECORD),
        ("zstd that is none", 21, &4i16.to_be_bytes(), code::INVALID_RECORD),
        ("unknown codec", 21, &5i16.to_be_bytes(), code::INVALID_RECORD),
        ("log append time", 21, &8i16.to_be_bytes(), code::INVALID_TIMESTAMP),
        ("control", 21, &0x20i16.to_be_bytes(), code::INVALID_RECORD),
        ("delete horizon", 21, &0x40i16.to_be_bytes(), code::INVALID_RECORD),
        ("last offset delta", 23, &1i32.to_be_bytes(), code::INVALID_RECORD),
        ("negative last offset delta", 23, &(-1i32).to_be_bytes(), code::INVALID_RECORD),
        ("base timestamp", 27, &(-2i64).to_be_bytes(), code::INVALID_TIMESTAMP),
        ("max timestamp", 35, &1001i64.to_be_bytes(), code::INVALID_RECORD),
        ("producer id without epoch", 43, &5i64.to_be_bytes(), code::INVALID_RECORD),
        ("no records", 57, &0i32.to_be_bytes(), code::INVALID_RECORD),
        ("negative count", 57, &(-1i32).to_be_bytes(), code::INVALID_RECORD),
        ("greater count", 57, &2i32.to_be_bytes(), code::INVALID_RECORD),
    ];
    for (field, at, with, expected) in cases {
        assert_eq!(refusal_of(&patched(*at, with)), *expected, "{field}");
    }
}

#[test]
fn a_count_that_lies_is_refused_however_great() {
    let mut bytes = hand_made();
    bytes[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(refusal_of(&seal(bytes)), code::INVALID_RECORD);
}

#[test]
fn each_record_field_has_its_refusal() {
    // Attributes, timestamp delta, offset delta, key length, value length, header count, all zigzag; 1 is -1.
    let good: &[u8] = &[0, 0, 0, 1, 1, 0];
    check_batch(&with_records(1, 1000, &[good])).unwrap();
    let bad: &[(&str, &[u8])] = &[
        ("empty", &[]),
        ("attributes", &[1, 0, 0, 1, 1, 0]),
        ("timestamp delta", &[0, 2, 0, 1, 1, 0]),
        ("offset delta", &[0, 0, 2, 1, 1, 0]),
        ("negative offset delta", &[0, 0, 1, 1, 1, 0]),
        ("key below -1", &[0, 0, 0, 3, 1, 0]),
        ("key too long", &[0, 0, 0, 40, 1, 0]),
        ("value below -1", &[0, 0, 0, 1, 3, 0]),
        ("value too long", &[0, 0, 0, 1, 40, 0]),
        ("negative header count", &[0, 0, 0, 1, 1, 1]),
        ("too many headers", &[0, 0, 0, 1, 1, 4, 0, 1]),
        ("null header name", &[0, 0, 0, 1, 1, 2, 1, 1]),
        ("header name not UTF-8", &[0, 0, 0, 1, 1, 2, 2, 0xff, 1]),
        ("header value below -1", &[0, 0, 0, 1, 1, 2, 0, 3]),
        ("bytes after the fields", &[0, 0, 0, 1, 1, 0, 0]),
        ("varint of 6 bytes", &[0, 0, 0, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 0]),
        ("varint over 32 bits", &[0, 0, 0x80, 0x80, 0x80, 0x80, 0x7f, 1, 1, 0]),
        ("varlong over 64 bits", &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 1, 1, 0]),
        ("varlong without an end", &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1, 1, 0]),
    ];
    for (field, record) in bad {
        assert_eq!(refusal_of(&with_records(1, 1000, &[record])), code::INVALID_RECORD, "{field}");
    }
}

#[test]
fn a_timestamp_that_overflows_is_refused() {
    let record: &[u8] = &[0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 1, 0];
    assert_eq!(refusal_of(&with_records(1, 1000, &[record])), code::INVALID_RECORD);
}

#[test]
fn timestamps_may_go_back_within_a_batch() {
    let bytes = with_records(2, 1005, &[&[0, 10, 0, 1, 1, 0], &[0, 1, 2, 1, 1, 0]]);
    check_batch(&bytes).unwrap();
    let timestamps: Vec<i64> = Records::new(&bytes).unwrap().map(|record| record.timestamp_ms).collect();
    assert_eq!(timestamps, [1005, 999]);
}

#[test]
fn two_batches_in_one_partition_are_refused() {
    let mut bytes = testing::batch(&["one"]);
    bytes.extend_from_slice(&testing::batch(&["two"]));
    assert_eq!(refusal_of(&bytes), code::INVALID_RECORD);
}

#[test]
fn null_and_empty_keys_and_values_stay_apart() {
    let mut first = testing::record(0, None, None);
    first.headers.insert("none".into(), None);
    first.headers.insert("empty".into(), Some(bytes::Bytes::new()));
    let bytes = testing::encode_batch(&[first, testing::record(1, Some(b""), Some(b""))]);
    check_batch(&bytes).unwrap();
    let records: Vec<RecordView<'_>> = Records::new(&bytes).unwrap().collect();
    assert_eq!((records[0].key, records[0].value), (None, None));
    assert_eq!(records[0].headers().collect::<Vec<_>>(), [("none", None), ("empty", Some(&b""[..]))]);
    assert_eq!((records[1].key, records[1].value), (Some(&b""[..]), Some(&b""[..])));
}

#[test]
fn long_values_take_longer_varints() {
    let value = vec![b'x'; 300_000];
    let bytes = testing::encode_batch(&[testing::record(0, None, Some(&value)), testing::record(1, None, None)]);
    check_batch(&bytes).unwrap();
    let records: Vec<RecordView<'_>> = Records::new(&bytes).unwrap().collect();
    assert_eq!((records[0].value, records[1].value), (Some(&value[..]), None));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = check_batch(&bytes);
        // The same with a header and a CRC that let the records be reached.
        if bytes.len() > BATCH_HEADER_LEN {
            bytes[..BATCH_HEADER_LEN].copy_from_slice(&hand_made()[..BATCH_HEADER_LEN]);
            let batch_length = bytes.len() as i32 - 12;
            bytes[8..12].copy_from_slice(&batch_length.to_be_bytes());
            let sealed = seal(bytes);
            let _ = check_batch(&sealed);
            Records::new(&sealed).into_iter().flatten().for_each(|record| { record.headers().count(); });
        }
    }
}
