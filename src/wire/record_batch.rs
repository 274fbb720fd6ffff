//! Record batch v2, the hot path: a record is written once, by the thread that sends it, into its final bytes.
//! Format: KIP-98, `DefaultRecordBatch` and `DefaultRecord` of Kafka; the table is in transactions.md section 6.

use crate::codec::Codec;
use crate::record::{Header, Record};

/// Bytes in front of the first record.
pub const HEADER_LEN: usize = 61;
/// The CRC covers everything from the attributes on.
const CRC_START: usize = 21;
/// `base_offset` and `batch_length` are not counted by `batch_length`.
const LENGTH_EXCLUDES: usize = 12;
/// In the attributes, where the lowest bits are the codec and all else is 0: timestamps of the producer, no control batch.
const TRANSACTIONAL_BIT: u32 = 4;

/// What the header says beside the records themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub record_count: u32,
    pub base_timestamp_ms: i64,
    pub max_timestamp_ms: i64,
    /// -1 without idempotence.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    /// The records belong to the producer's open transaction.
    pub transactional: bool,
    /// Of everything behind the header.
    pub codec: Codec,
}

/// Bytes of a record after its length field.
#[inline]
pub fn record_body_len(timestamp_delta: i64, offset_delta: u32, record: &Record<'_>) -> usize {
    let mut len = 1
        + varlong_len(timestamp_delta)
        + varint_len(offset_delta as i32)
        + nullable_len(record.key)
        + nullable_len(record.value)
        + varint_len(record.headers.len() as i32);
    for header in record.headers {
        len += varint_len(header.name.len() as i32) + header.name.len() + nullable_len(header.value);
    }
    len
}

/// Bytes of a record with its length field.
#[inline]
pub fn record_len(body_len: usize) -> usize {
    varint_len(body_len as i32) + body_len
}

/// Bytes of the smallest record there is, without key, value and headers: a batch that has no room for it takes none.
pub const RECORD_LEN_MIN: usize = 7;

/// The largest a record can become whatever batch it lands in.
pub fn record_len_max(record: &Record<'_>) -> usize {
    let fixed = 5 + 1 + 10 + 5 + 5 + 5 + 5;
    let sum = |lens: usize, more: usize| lens.saturating_add(more);
    let mut len = sum(fixed, record.key.map_or(0, <[u8]>::len));
    len = sum(len, record.value.map_or(0, <[u8]>::len));
    for header in record.headers {
        len = sum(len, 10 + header.name.len());
        len = sum(len, header.value.map_or(0, <[u8]>::len));
    }
    len
}

/// Writes one record at the start of `dst`, which holds at least `record_len(body_len)` bytes; answers how many it wrote.
#[inline]
pub fn write_record(
    dst: &mut [u8],
    body_len: usize,
    timestamp_delta: i64,
    offset_delta: u32,
    record: &Record<'_>,
) -> usize {
    let mut at = put_varint(dst, 0, body_len as i32);
    dst[at] = 0;
    at += 1;
    at = put_varlong(dst, at, timestamp_delta);
    at = put_varint(dst, at, offset_delta as i32);
    at = put_nullable(dst, at, record.key);
    at = put_nullable(dst, at, record.value);
    at = put_varint(dst, at, record.headers.len() as i32);
    for header in record.headers {
        at = put_varint(dst, at, header.name.len() as i32);
        at = put_slice(dst, at, header.name.as_bytes());
        at = put_nullable(dst, at, header.value);
    }
    at
}

/// Fills the header of a batch of `total_len` bytes; the CRC comes last, by `seal_crc`.
pub fn write_header(dst: &mut [u8], total_len: usize, header: &BatchHeader) {
    dst[0..8].fill(0);
    dst[8..12].copy_from_slice(&((total_len - LENGTH_EXCLUDES) as i32).to_be_bytes());
    dst[12..16].copy_from_slice(&(-1i32).to_be_bytes());
    dst[16] = 2;
    dst[17..21].fill(0);
    let attributes = u16::from(header.transactional) << TRANSACTIONAL_BIT | header.codec as u16;
    dst[21..23].copy_from_slice(&attributes.to_be_bytes());
    dst[23..27].copy_from_slice(&(header.record_count as i32 - 1).to_be_bytes());
    dst[27..35].copy_from_slice(&header.base_timestamp_ms.to_be_bytes());
    dst[35..43].copy_from_slice(&header.max_timestamp_ms.to_be_bytes());
    dst[43..51].copy_from_slice(&header.producer_id.to_be_bytes());
    dst[51..53].copy_from_slice(&header.producer_epoch.to_be_bytes());
    dst[53..57].copy_from_slice(&header.base_sequence.to_be_bytes());
    dst[57..61].copy_from_slice(&(header.record_count as i32).to_be_bytes());
}

/// CRC-32C of the batch whose bytes are `chunks` in order; the first chunk holds at least the header.
pub fn batch_crc<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> u32 {
    let mut crc = 0;
    let mut skip = CRC_START;
    for chunk in chunks {
        crc = crc32c::crc32c_append(crc, &chunk[skip..]);
        skip = 0;
    }
    crc
}

/// Puts the CRC into the header.
pub fn seal_crc(first_chunk: &mut [u8], crc: u32) {
    first_chunk[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// The CRC that the header holds; nothing when there is no whole header.
pub fn stored_crc(first_chunk: &[u8]) -> Option<u32> {
    let bytes = first_chunk.get(17..21)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// A record read back from our own encoding: for splitting a batch that a broker found too large.
#[derive(Debug, PartialEq, Eq)]
pub struct OwnRecord<'a> {
    pub timestamp_delta: i64,
    pub offset_delta: u32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Vec<Header<'a>>,
}

/// Reads the record at the start of `src`, which this module wrote; answers it and its length. `None`: not our encoding.
pub fn read_record(src: &[u8]) -> Option<(OwnRecord<'_>, usize)> {
    let mut reader = OwnReader { src, at: 0 };
    let body_len = usize::try_from(reader.varlong()?).ok()?;
    let end = reader.at.checked_add(body_len)?;
    reader.take(1)?;
    let timestamp_delta = reader.varlong()?;
    let offset_delta = u32::try_from(reader.varlong()?).ok()?;
    let key = reader.nullable()?;
    let value = reader.nullable()?;
    let header_count = usize::try_from(reader.varlong()?).ok()?;
    let mut headers = Vec::new();
    for _ in 0..header_count {
        let name = std::str::from_utf8(reader.nullable()??).ok()?;
        headers.push(Header { name, value: reader.nullable()? });
    }
    (reader.at == end).then_some((OwnRecord { timestamp_delta, offset_delta, key, value, headers }, end))
}

/// Hands out the records of `bytes`, which begin with one and which this module wrote: each with its place.
pub fn each_record(mut bytes: &[u8], base_timestamp_ms: i64, take: &mut dyn FnMut(u32, &Record<'_>)) {
    while let Some((own, used)) = read_record(bytes) {
        let timestamp_ms = base_timestamp_ms + own.timestamp_delta;
        take(own.offset_delta, &Record { key: own.key, value: own.value, headers: &own.headers, timestamp_ms });
        bytes = &bytes[used..];
    }
}

/// Takes records out of `bytes`, which this module wrote and whose records begin at `at`, and gives those that stay a new
/// place: `keep` answers it for the old one and the timestamp's delta, or `None`. Nothing grows, so it happens in place. Answers the new length, or `None` when it is
/// not our encoding.
pub fn renumber_records(
    bytes: &mut [u8],
    mut at: usize,
    mut keep: impl FnMut(u32, i64) -> Option<u32>,
) -> Option<usize> {
    let mut written = at;
    while at < bytes.len() {
        let mut reader = OwnReader { src: bytes, at };
        let body_len = usize::try_from(reader.varlong()?).ok()?;
        let end = reader.at.checked_add(body_len)?;
        let attributes = reader.take(1)?[0];
        let timestamp_delta = reader.varlong()?;
        let place = u32::try_from(reader.varlong()?).ok()?;
        let rest = reader.at..end;
        if rest.start > end || end > bytes.len() {
            return None;
        }
        if let Some(new_place) = keep(place, timestamp_delta) {
            let new_len = body_len + varint_len(new_place as i32) - varint_len(place as i32);
            // What is written here is no longer than what was read: it stays behind `rest`.
            written = put_varint(bytes, written, new_len as i32);
            bytes[written] = attributes;
            written = put_varlong(bytes, written + 1, timestamp_delta);
            written = put_varint(bytes, written, new_place as i32);
            let rest_len = rest.len();
            bytes.copy_within(rest, written);
            written += rest_len;
        }
        at = end;
    }
    Some(written)
}

struct OwnReader<'a> {
    src: &'a [u8],
    at: usize,
}

impl<'a> OwnReader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let slice = self.src.get(self.at..end)?;
        self.at = end;
        Some(slice)
    }

    fn varlong(&mut self) -> Option<i64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varlong()? {
            -1 => Some(None),
            len => Some(Some(self.take(usize::try_from(len).ok()?)?)),
        }
    }
}

#[inline]
fn zigzag32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
fn unsigned_len(value: u64) -> usize {
    // 7 bits a byte: ceil(bits / 7), at least one byte.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

#[inline]
fn varint_len(value: i32) -> usize {
    unsigned_len(u64::from(zigzag32(value)))
}

#[inline]
fn varlong_len(value: i64) -> usize {
    unsigned_len(zigzag64(value))
}

#[inline]
fn nullable_len(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => 1,
        Some(bytes) => varint_len(bytes.len() as i32) + bytes.len(),
    }
}

#[inline]
fn put_varint(dst: &mut [u8], at: usize, value: i32) -> usize {
    put_unsigned(dst, at, u64::from(zigzag32(value)))
}

#[inline]
fn put_varlong(dst: &mut [u8], at: usize, value: i64) -> usize {
    put_unsigned(dst, at, zigzag64(value))
}

#[inline]
fn put_unsigned(dst: &mut [u8], mut at: usize, mut value: u64) -> usize {
    while value >= 0x80 {
        dst[at] = value as u8 | 0x80;
        at += 1;
        value >>= 7;
    }
    dst[at] = value as u8;
    at + 1
}

#[inline]
fn put_slice(dst: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    dst[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

#[inline]
fn put_nullable(dst: &mut [u8], at: usize, bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => {
            dst[at] = 1;
            at + 1
        }
        Some(bytes) => {
            let at = put_varint(dst, at, bytes.len() as i32);
            put_slice(dst, at, bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use kafka_protocol::records::RecordBatchDecoder;
    use proptest::prelude::*;

    #[test]
    fn varint_lengths_are_what_is_written() {
        let mut values: Vec<u64> = (0..64).flat_map(|bit| [1u64 << bit, (1u64 << bit) - 1]).collect();
        values.push(u64::MAX);
        for value in values {
            let mut dst = [0u8; 12];
            assert_eq!(put_unsigned(&mut dst, 0, value), unsigned_len(value), "{value}");
        }
    }

    #[test]
    fn a_foreign_decoder_reads_the_batch_back() {
        let headers = [Header { name: "h", value: Some(b"v") }, Header { name: "null", value: None }];
        let records = [
            Record { key: Some(b"k"), value: Some(b"v"), headers: &[], timestamp_ms: 1_000 },
            Record { key: None, value: Some(b""), headers: &headers, timestamp_ms: 900 },
            Record { key: Some(b""), value: None, headers: &[], timestamp_ms: 5_000_000_000 },
        ];
        let mut batch = vec![0; HEADER_LEN];
        for (i, record) in records.iter().enumerate() {
            let delta = record.timestamp_ms - 1_000;
            let body = record_body_len(delta, i as u32, record);
            let mut dst = vec![0; record_len(body)];
            assert_eq!(write_record(&mut dst, body, delta, i as u32, record), dst.len());
            batch.extend_from_slice(&dst);
        }
        let total = batch.len();
        let header = BatchHeader {
            record_count: 3,
            base_timestamp_ms: 1_000,
            max_timestamp_ms: 5_000_000_000,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            transactional: false,
            codec: Codec::None,
        };
        write_header(&mut batch, total, &header);
        let crc = batch_crc([&batch[..]].into_iter());
        seal_crc(&mut batch, crc);
        let mut bytes = Bytes::from(batch);
        let set = RecordBatchDecoder::decode(&mut bytes).expect("decodes, CRC included");
        assert_eq!(set.records.len(), 3);
        for (read, wrote) in set.records.iter().zip(&records) {
            assert_eq!(read.key.as_deref(), wrote.key);
            assert_eq!(read.value.as_deref(), wrote.value);
            assert_eq!(read.timestamp, wrote.timestamp_ms);
            assert_eq!(read.headers.len(), wrote.headers.len());
        }
    }

    #[test]
    fn the_transactional_bit_is_the_only_attribute() {
        let record = Record { key: None, value: Some(b"v"), headers: &[], timestamp_ms: 1_000 };
        let body = record_body_len(0, 0, &record);
        for (transactional, attributes) in [(true, [0, 0x10]), (false, [0, 0])] {
            // Used again: what an earlier header said is gone.
            let mut batch = vec![0xff; HEADER_LEN + record_len(body)];
            write_record(&mut batch[HEADER_LEN..], body, 0, 0, &record);
            let total = batch.len();
            let header = BatchHeader {
                record_count: 1,
                base_timestamp_ms: 1_000,
                max_timestamp_ms: 1_000,
                producer_id: 1 << 40,
                producer_epoch: 3,
                base_sequence: 70_000,
                transactional,
                codec: Codec::None,
            };
            write_header(&mut batch, total, &header);
            assert_eq!(batch[21..23], attributes);
            let crc = batch_crc([&batch[..]].into_iter());
            seal_crc(&mut batch, crc);
            let set = RecordBatchDecoder::decode(&mut Bytes::from(batch)).expect("decodes, CRC included");
            let [read] = &set.records[..] else { panic!("one record was written") };
            assert_eq!((read.transactional, read.control), (transactional, false));
            assert_eq!((read.producer_id, read.producer_epoch, read.sequence), (1 << 40, 3, 70_000));
        }
    }

    proptest! {
        #[test]
        fn records_taken_out_leave_the_others_as_they_were(
            lens in proptest::collection::vec(0usize..200, 1..300),
            removed in proptest::collection::btree_set(0u32..300, 0..300),
        ) {
            let values: Vec<Vec<u8>> = lens.iter().zip((0..=u8::MAX).cycle()).map(|(len, fill)| vec![fill; *len]).collect();
            let mut bytes = vec![7; 3];
            for (value, place) in values.iter().zip(0..) {
                let record = Record { value: Some(value), ..Record::default() };
                let body = record_body_len(i64::from(place) - 9, place, &record);
                let mut dst = vec![0; record_len(body)];
                write_record(&mut dst, body, i64::from(place) - 9, place, &record);
                bytes.extend(dst);
            }
            let mut next = 0;
            let len = renumber_records(&mut bytes, 3, |place, _| {
                let stays = !removed.contains(&place);
                stays.then(|| { next += 1; next - 1 })
            }).expect("our own encoding");
            let mut rest = &bytes[3..len];
            let kept: Vec<u32> = (0..values.len() as u32).filter(|place| !removed.contains(place)).collect();
            for (new_place, place) in kept.into_iter().enumerate() {
                let (read, used) = read_record(rest).expect("our own encoding");
                prop_assert_eq!((read.offset_delta, read.timestamp_delta), (new_place as u32, i64::from(place) - 9));
                prop_assert_eq!(read.value, Some(&values[place as usize][..]));
                rest = &rest[used..];
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn a_record_reads_back_as_written(
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
            delta in any::<i64>(),
            offset in 0u32..1_000_000,
        ) {
            let headers = [Header { name: "name", value: value.as_deref() }];
            let record = Record { key: key.as_deref(), value: value.as_deref(), headers: &headers, timestamp_ms: 0 };
            let body = record_body_len(delta, offset, &record);
            let mut dst = vec![0; record_len(body)];
            prop_assert_eq!(write_record(&mut dst, body, delta, offset, &record), dst.len());
            prop_assert!(dst.len() <= record_len_max(&record));
            let (read, len) = read_record(&dst).expect("our own encoding");
            prop_assert_eq!(len, dst.len());
            prop_assert_eq!((read.timestamp_delta, read.offset_delta), (delta, offset));
            prop_assert_eq!((read.key, read.value), (record.key, record.value));
            prop_assert_eq!(&read.headers[..], &headers[..]);
        }
    }
}
