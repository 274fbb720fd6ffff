//! Record batches v2, read and checked from the format itself: one pass, and no allocation where nothing is compressed.
//!
//! Stricter than Kafka in four things, because this decoder judges encoders: `max_timestamp` must be the records' maximum,
//! the record attributes must be zero, varints must fit their type, and a transactional batch must name its producer.

use std::fmt;

use super::code;
use super::decompress::decompress;

/// Bytes before the first record.
pub const BATCH_HEADER_LEN: usize = 61;
/// Bytes of `base_offset` and `batch_length`, which `batch_length` does not count.
pub(super) const LOG_OVERHEAD_LEN: usize = 12;
/// The CRC covers everything from the attributes on.
pub(super) const CRC_START: usize = 21;
pub(super) const ATTRIBUTE_CODEC_MASK: i16 = 0x07;
pub(super) const ATTRIBUTE_LOG_APPEND_TIME: i16 = 0x08;
pub(super) const ATTRIBUTE_TRANSACTIONAL: i16 = 0x10;
pub(super) const ATTRIBUTE_CONTROL: i16 = 0x20;

/// The fixed fields of a record batch, in their order on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    pub batch_length: i32,
    pub partition_leader_epoch: i32,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub records_count: i32,
}

/// Why a batch is refused: Kafka's error code for it and what is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRefusal {
    pub error_code: i16,
    pub reason: &'static str,
}

impl fmt::Display for BatchRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

const fn corrupt(reason: &'static str) -> BatchRefusal {
    BatchRefusal { error_code: code::CORRUPT_MESSAGE, reason }
}

const fn invalid(reason: &'static str) -> BatchRefusal {
    BatchRefusal { error_code: code::INVALID_RECORD, reason }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    // Callers have checked that the whole header is there.
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

impl BatchHeader {
    /// Reads the fields and checks nothing but that all of them are there.
    pub fn read(bytes: &[u8]) -> Option<BatchHeader> {
        if bytes.len() < BATCH_HEADER_LEN {
            return None;
        }
        Some(BatchHeader {
            base_offset: i64::from_be_bytes(bytes_at(bytes, 0)),
            batch_length: i32::from_be_bytes(bytes_at(bytes, 8)),
            partition_leader_epoch: i32::from_be_bytes(bytes_at(bytes, 12)),
            magic: i8::from_be_bytes(bytes_at(bytes, 16)),
            crc: u32::from_be_bytes(bytes_at(bytes, 17)),
            attributes: i16::from_be_bytes(bytes_at(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(bytes_at(bytes, 23)),
            base_timestamp: i64::from_be_bytes(bytes_at(bytes, 27)),
            max_timestamp: i64::from_be_bytes(bytes_at(bytes, 35)),
            producer_id: i64::from_be_bytes(bytes_at(bytes, 43)),
            producer_epoch: i16::from_be_bytes(bytes_at(bytes, 51)),
            base_sequence: i32::from_be_bytes(bytes_at(bytes, 53)),
            records_count: i32::from_be_bytes(bytes_at(bytes, 57)),
        })
    }

    pub(super) fn is_log_append_time(&self) -> bool {
        self.attributes & ATTRIBUTE_LOG_APPEND_TIME != 0
    }

    /// How its records are compressed: 0 not at all, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub fn codec(&self) -> i16 {
        self.attributes & ATTRIBUTE_CODEC_MASK
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & ATTRIBUTE_TRANSACTIONAL != 0
    }

    /// Whether it is a broker's own, the end marker of a transaction.
    pub(super) fn is_control(&self) -> bool {
        self.attributes & ATTRIBUTE_CONTROL != 0
    }
}

/// Checks what one partition of a Produce request carries: exactly one batch, every field and every record of it.
pub fn check_batch(bytes: &[u8]) -> Result<BatchHeader, BatchRefusal> {
    if bytes.len() < LOG_OVERHEAD_LEN + 5 {
        return Err(if bytes.is_empty() {
            invalid("a Produce request must have one record batch per partition")
        } else {
            corrupt("the bytes end inside the batch header")
        });
    }
    // The magic has the same place in every format, so an old message set is told from damage.
    if bytes[16] != 2 {
        return Err(invalid("the batch's magic is not 2"));
    }
    let Some(header) = BatchHeader::read(bytes) else {
        return Err(corrupt("the bytes end inside the batch header"));
    };
    let Ok(batch_length) = usize::try_from(header.batch_length) else {
        return Err(corrupt("the batch length is negative"));
    };
    if batch_length < BATCH_HEADER_LEN - LOG_OVERHEAD_LEN {
        return Err(corrupt("the batch length is shorter than the batch header"));
    }
    let total_len = LOG_OVERHEAD_LEN + batch_length;
    if total_len > bytes.len() {
        return Err(corrupt("the batch length is longer than the bytes"));
    }
    if total_len < bytes.len() {
        return Err(invalid("a Produce request may have only one record batch per partition"));
    }
    if crc32c::crc32c(&bytes[CRC_START..]) != header.crc {
        return Err(corrupt("the CRC-32C does not match"));
    }
    check_header(&header)?;
    let records = decompress(header.codec(), &bytes[BATCH_HEADER_LEN..]).map_err(invalid)?;
    check_records(&header, &records)?;
    Ok(header)
}

fn check_header(header: &BatchHeader) -> Result<(), BatchRefusal> {
    if header.base_offset != 0 {
        return Err(invalid("the base offset of a produced batch is not 0"));
    }
    if header.attributes & ATTRIBUTE_CONTROL != 0 {
        return Err(invalid("a client may not write control records"));
    }
    if header.attributes & ATTRIBUTE_LOG_APPEND_TIME != 0 {
        return Err(BatchRefusal {
            error_code: code::INVALID_TIMESTAMP,
            reason: "a client may not set the timestamp type to log append time",
        });
    }
    if header.attributes & !0x3f != 0 {
        return Err(invalid("an attribute bit that has no meaning for a producer is set"));
    }
    if header.records_count <= 0 {
        return Err(invalid("the record count is not positive"));
    }
    if header.last_offset_delta != header.records_count - 1 {
        return Err(invalid("the last offset delta is not the record count less one"));
    }
    // -1 is Kafka's "no timestamp".
    if header.base_timestamp < -1 {
        return Err(BatchRefusal { error_code: code::INVALID_TIMESTAMP, reason: "the base timestamp is negative" });
    }
    if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err(invalid("a producer id without an epoch or a sequence"));
    }
    if header.producer_id < 0 && header.is_transactional() {
        return Err(invalid("a transactional batch without a producer id"));
    }
    if header.codec() > 4 {
        return Err(invalid("the codec is unknown"));
    }
    Ok(())
}

fn check_records(header: &BatchHeader, body: &[u8]) -> Result<(), BatchRefusal> {
    let mut rest = body;
    let mut max_timestamp = i64::MIN;
    for index in 0..header.records_count {
        let record = read_record(&mut rest)?;
        if record.offset_delta != index {
            return Err(invalid("a record's offset delta is not its index"));
        }
        let timestamp = header.base_timestamp.checked_add(record.timestamp_delta);
        let timestamp = timestamp.ok_or(invalid("a record's timestamp overflows"))?;
        max_timestamp = max_timestamp.max(timestamp);
        let mut headers = record.headers;
        for _ in 0..record.header_count {
            read_header(&mut headers)?;
        }
        if !headers.is_empty() {
            return Err(invalid("a record's length is longer than its fields"));
        }
    }
    if !rest.is_empty() {
        return Err(invalid("bytes follow the last record"));
    }
    if max_timestamp != header.max_timestamp {
        return Err(invalid("the batch's max timestamp is not the greatest of its records"));
    }
    Ok(())
}

/// One record as it lies in the batch.
#[derive(Clone, Copy)]
struct RawRecord<'a> {
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    header_count: usize,
    headers: &'a [u8],
}

#[inline]
fn read_record<'a>(rest: &mut &'a [u8]) -> Result<RawRecord<'a>, BatchRefusal> {
    let len = read_varint(rest)?;
    let len = usize::try_from(len).map_err(|_| invalid("a record's length is negative"))?;
    let Some((mut record, tail)) = rest.split_at_checked(len) else {
        return Err(invalid("a record ends beyond its batch"));
    };
    *rest = tail;
    let Some((&attributes, fields)) = record.split_first() else {
        return Err(invalid("a record is empty"));
    };
    record = fields;
    if attributes != 0 {
        return Err(invalid("a record's attributes are not zero"));
    }
    let timestamp_delta = read_varlong(&mut record)?;
    let offset_delta = read_varint(&mut record)?;
    let key = read_nullable_bytes(&mut record)?;
    let value = read_nullable_bytes(&mut record)?;
    let header_count = read_varint(&mut record)?;
    let header_count = usize::try_from(header_count).map_err(|_| invalid("a record's header count is negative"))?;
    // A header takes two bytes at least, so a count beyond that cannot be true.
    if header_count > record.len() / 2 {
        return Err(invalid("a record has fewer headers than it says"));
    }
    Ok(RawRecord { timestamp_delta, offset_delta, key, value, header_count, headers: record })
}

fn read_header<'a>(rest: &mut &'a [u8]) -> Result<(&'a str, Option<&'a [u8]>), BatchRefusal> {
    let name = read_nullable_bytes(rest)?.ok_or(invalid("a header's name is null"))?;
    let name = std::str::from_utf8(name).map_err(|_| invalid("a header's name is not UTF-8"))?;
    Ok((name, read_nullable_bytes(rest)?))
}

#[inline]
fn read_nullable_bytes<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BatchRefusal> {
    let len = read_varint(rest)?;
    if len == -1 {
        return Ok(None);
    }
    let len = usize::try_from(len).map_err(|_| invalid("a length is below -1"))?;
    let Some((bytes, tail)) = rest.split_at_checked(len) else {
        return Err(invalid("a field ends beyond its record"));
    };
    *rest = tail;
    Ok(Some(bytes))
}

#[inline]
fn read_varint(rest: &mut &[u8]) -> Result<i32, BatchRefusal> {
    // Nearly every length and delta fits one byte.
    if let Some((&byte, tail)) = rest.split_first()
        && byte < 0x80
    {
        *rest = tail;
        return Ok(i32::from(byte >> 1) ^ -i32::from(byte & 1));
    }
    read_longer_varint(rest)
}

fn read_longer_varint(rest: &mut &[u8]) -> Result<i32, BatchRefusal> {
    let mut value = 0u32;
    for (index, &byte) in rest.iter().take(5).enumerate() {
        let bits = u32::from(byte & 0x7f);
        if index == 4 && bits > 0x0f {
            return Err(invalid("a varint does not fit 32 bits"));
        }
        value |= bits << (7 * index);
        if byte < 0x80 {
            *rest = &rest[index + 1..];
            return Ok((value >> 1) as i32 ^ -((value & 1) as i32));
        }
    }
    Err(invalid("a varint does not end"))
}

fn read_varlong(rest: &mut &[u8]) -> Result<i64, BatchRefusal> {
    let mut value = 0u64;
    for (index, &byte) in rest.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return Err(invalid("a varint does not fit 64 bits"));
        }
        value |= bits << (7 * index);
        if byte < 0x80 {
            *rest = &rest[index + 1..];
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(invalid("a varint does not end"))
}

/// A record of a batch in the log, borrowed from it.
#[derive(Clone, Copy)]
pub struct RecordView<'a> {
    pub offset: i64,
    /// Milliseconds since 1970: the record's own, or the batch's where the topic keeps the time of the append.
    pub timestamp_ms: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    header_count: usize,
    headers: &'a [u8],
}

impl<'a> RecordView<'a> {
    pub fn header_count(&self) -> usize {
        self.header_count
    }

    /// The headers in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.headers;
        (0..self.header_count).map_while(move |_| read_header(&mut rest).ok())
    }
}

/// The records of one checked batch in order.
pub struct Records<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    left: i32,
}

impl<'a> Records<'a> {
    /// `batch` has passed `check_batch`, and `plain_batch` if it is compressed, which gives nothing otherwise; of one that has not,
    /// the records before the first bad one come out.
    pub fn new(batch: &'a [u8]) -> Option<Records<'a>> {
        let header = BatchHeader::read(batch).filter(|header| header.codec() == 0)?;
        Some(Records { header, rest: &batch[BATCH_HEADER_LEN..], left: header.records_count })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = RecordView<'a>;

    fn next(&mut self) -> Option<RecordView<'a>> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let record = read_record(&mut self.rest).ok()?;
        let timestamp_ms = if self.header.is_log_append_time() {
            self.header.max_timestamp
        } else {
            self.header.base_timestamp.saturating_add(record.timestamp_delta)
        };
        Some(RecordView {
            offset: self.header.base_offset.saturating_add(i64::from(record.offset_delta)),
            timestamp_ms,
            key: record.key,
            value: record.value,
            header_count: record.header_count,
            headers: record.headers,
        })
    }
}

#[cfg(test)]
mod tests;
