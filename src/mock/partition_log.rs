//! The log of one partition: batches as they came, with base offset and leader epoch rewritten as a broker does.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::batch_decode::{ATTRIBUTE_LOG_APPEND_TIME, BatchHeader, CRC_START, RecordView, Records};

/// What a stored batch costs beside its bytes, so that many small batches count against the retention too.
const BATCH_OVERHEAD_BYTES: usize = 96;

struct StoredBatch {
    base_offset: i64,
    last_offset: i64,
    max_timestamp: i64,
    bytes: Bytes,
}

#[derive(Default)]
pub(super) struct PartitionLog {
    batches: VecDeque<StoredBatch>,
    start_offset: i64,
    end_offset: i64,
    stored_bytes: usize,
}

/// A record read back from a log, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl From<RecordView<'_>> for StoredRecord {
    fn from(record: RecordView<'_>) -> StoredRecord {
        StoredRecord {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect(),
        }
    }
}

/// The batches of a log at one moment. It shares their bytes, so taking one is cheap and reading it needs no lock.
pub struct LogSnapshot {
    batches: Vec<Bytes>,
    first_offset: i64,
}

impl LogSnapshot {
    /// The records from the asked offset on, in order, borrowed.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        let first_offset = self.first_offset;
        self.batches
            .iter()
            .filter_map(|batch| Records::new(batch))
            .flatten()
            .filter(move |record| record.offset >= first_offset)
    }
}

impl PartitionLog {
    pub(super) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    pub(super) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Appends a batch that `check_batch` accepted; the answer is its base offset. `append_ms` is given where the topic keeps
    /// the time of the append instead of the records' own.
    pub(super) fn append(
        &mut self,
        batch: &[u8],
        header: &BatchHeader,
        leader_epoch: i32,
        append_ms: Option<i64>,
        retention_bytes: usize,
    ) -> i64 {
        let base_offset = self.end_offset;
        let last_offset = base_offset + i64::from(header.last_offset_delta);
        let mut bytes = BytesMut::from(batch);
        bytes[0..8].copy_from_slice(&base_offset.to_be_bytes());
        bytes[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
        if let Some(append_ms) = append_ms {
            bytes[21..23].copy_from_slice(&(header.attributes | ATTRIBUTE_LOG_APPEND_TIME).to_be_bytes());
            bytes[35..43].copy_from_slice(&append_ms.to_be_bytes());
            let crc = crc32c::crc32c(&bytes[CRC_START..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        self.stored_bytes += bytes.len() + BATCH_OVERHEAD_BYTES;
        self.batches.push_back(StoredBatch {
            base_offset,
            last_offset,
            max_timestamp: append_ms.unwrap_or(header.max_timestamp),
            bytes: bytes.freeze(),
        });
        self.end_offset = last_offset + 1;
        self.apply_retention(retention_bytes);
        base_offset
    }

    /// Drops the oldest batches beyond the limit; the newest one always stays.
    fn apply_retention(&mut self, retention_bytes: usize) {
        while self.stored_bytes > retention_bytes && self.batches.len() > 1 {
            let Some(dropped) = self.batches.pop_front() else { break };
            self.stored_bytes -= dropped.bytes.len() + BATCH_OVERHEAD_BYTES;
            self.start_offset = dropped.last_offset + 1;
        }
    }

    /// The index of the batch that holds `offset`, or of the first one after it.
    fn batch_index(&self, offset: i64) -> usize {
        self.batches.partition_point(|batch| batch.last_offset < offset)
    }

    pub(super) fn snapshot(&self, first_offset: i64) -> LogSnapshot {
        let batches = self.batches.range(self.batch_index(first_offset)..).map(|batch| batch.bytes.clone()).collect();
        LogSnapshot { batches, first_offset }
    }

    pub(super) fn record_at(&self, offset: i64) -> Option<StoredRecord> {
        let batch = self.batches.get(self.batch_index(offset))?;
        Records::new(&batch.bytes)?.find(|record| record.offset == offset).map(StoredRecord::from)
    }

    /// Whole batches from the one that holds `offset`, up to `max_bytes`; the first comes whatever its size if `at_least_one`.
    pub(super) fn read(&self, offset: i64, max_bytes: usize, at_least_one: bool) -> Bytes {
        let mut picked: Vec<&Bytes> = Vec::new();
        let mut total_len = 0usize;
        for batch in self.batches.range(self.batch_index(offset)..) {
            let is_owed = picked.is_empty() && at_least_one;
            if total_len.saturating_add(batch.bytes.len()) > max_bytes && !is_owed {
                break;
            }
            total_len += batch.bytes.len();
            picked.push(&batch.bytes);
        }
        match picked.as_slice() {
            [] => Bytes::new(),
            [only] => (*only).clone(),
            several => {
                let mut joined = BytesMut::with_capacity(total_len);
                several.iter().for_each(|bytes| joined.extend_from_slice(bytes));
                joined.freeze()
            }
        }
    }

    /// Offset and timestamp of the first record that is not older than `timestamp_ms`.
    pub(super) fn first_at_or_after(&self, timestamp_ms: i64) -> Option<(i64, i64)> {
        // Timestamps are the producers' and not in order, so this one is a search through the batches' maxima.
        let batch = self.batches.iter().find(|batch| batch.max_timestamp >= timestamp_ms)?;
        let record = Records::new(&batch.bytes)?.find(|record| record.timestamp_ms >= timestamp_ms)?;
        Some((record.offset, record.timestamp_ms))
    }

    /// Offset and timestamp of the record with the greatest timestamp, the first of several.
    pub(super) fn max_timestamp(&self) -> Option<(i64, i64)> {
        let greatest = self.batches.iter().map(|batch| batch.max_timestamp).max()?;
        self.first_at_or_after(greatest)
    }

    /// The base offsets of the stored batches, for tests that ask how records were batched.
    pub(super) fn batch_base_offsets(&self) -> Vec<i64> {
        self.batches.iter().map(|batch| batch.base_offset).collect()
    }
}
