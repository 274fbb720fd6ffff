//! The log of one partition: batches as they came, with base offset and leader epoch rewritten as a broker does, and the end
//! markers of transactions between them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::batch_decode::{ATTRIBUTE_LOG_APPEND_TIME, BatchHeader, CRC_START, RecordView, Records};
use super::decompress::plain_batch;
use super::end_marker::EndMarker;
use super::producer_state::{Aborted, ProducerStates};

/// What a stored batch costs beside its bytes, so that many small batches count against the retention too.
const BATCH_OVERHEAD_BYTES: usize = 96;

struct StoredBatch {
    base_offset: i64,
    last_offset: i64,
    max_timestamp: i64,
    bytes: Bytes,
}

impl StoredBatch {
    fn is_control(&self) -> bool {
        BatchHeader::read(&self.bytes).is_some_and(|header| header.is_control())
    }
}

#[derive(Default)]
pub(super) struct PartitionLog {
    pub(super) producers: ProducerStates,
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

/// The batches of a log at one moment. It shares their bytes, so taking one is cheap and reading it needs no lock; compressed ones
/// are opened by who reads them.
pub struct LogSnapshot {
    batches: Vec<(Bytes, OnceCell<Vec<u8>>)>,
    first_offset: i64,
}

/// The batch without compression, kept in `opened` where it has any.
fn open<'a>(batch: &'a Bytes, opened: &'a OnceCell<Vec<u8>>) -> &'a [u8] {
    match plain_batch(batch) {
        Some(Cow::Owned(plain)) => opened.get_or_init(|| plain),
        _ => batch,
    }
}

impl LogSnapshot {
    /// The records from the asked offset on, in order, borrowed.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        let first_offset = self.first_offset;
        self.batches
            .iter()
            .filter_map(|(batch, opened)| Records::new(open(batch, opened)))
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
        let max_timestamp = append_ms.unwrap_or(header.max_timestamp);
        self.producers.appended(header, base_offset, max_timestamp);
        self.store(StoredBatch { base_offset, last_offset, max_timestamp, bytes: bytes.freeze() });
        self.apply_retention(retention_bytes);
        base_offset
    }

    fn store(&mut self, batch: StoredBatch) {
        self.stored_bytes += batch.bytes.len() + BATCH_OVERHEAD_BYTES;
        self.end_offset = batch.last_offset + 1;
        self.batches.push_back(batch);
    }

    /// Appends the marker that ends a producer's transaction here. It takes an offset of its own.
    pub(super) fn append_marker(&mut self, marker: &EndMarker, leader_epoch: i32, wall_ms: i64) {
        let base_offset = self.end_offset;
        let bytes = marker.encode(base_offset, leader_epoch, wall_ms);
        self.store(StoredBatch { base_offset, last_offset: base_offset, max_timestamp: wall_ms, bytes });
        self.producers.marked(marker.producer_id, marker.producer_epoch, base_offset, marker.is_commit);
    }

    /// Loses everything from `offset` on, as a broker may that was no faithful replica. Whole batches go, so a little more may.
    pub(super) fn truncate(&mut self, offset: i64) {
        let kept = self.batch_index(offset);
        for lost in self.batches.drain(kept..).rev() {
            self.stored_bytes -= lost.bytes.len() + BATCH_OVERHEAD_BYTES;
            self.end_offset = lost.base_offset;
        }
        self.producers = ProducerStates::default();
        for batch in &self.batches {
            let Some(header) = BatchHeader::read(&batch.bytes) else { continue };
            match EndMarker::of(&header, &batch.bytes) {
                Some(marker) => self.producers.marked(
                    marker.producer_id,
                    marker.producer_epoch,
                    batch.base_offset,
                    marker.is_commit,
                ),
                None => self.producers.appended(&header, batch.base_offset, batch.max_timestamp),
            }
        }
    }

    /// The offset up to which a `read_committed` consumer reads: every transaction below is decided.
    pub(super) fn last_stable_offset(&self) -> i64 {
        self.producers.first_open_offset().map_or(self.end_offset, |offset| offset.max(self.start_offset))
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

    /// All data, whatever became of its transactions.
    pub(super) fn snapshot(&self, first_offset: i64) -> LogSnapshot {
        let batches = self.batches.range(self.batch_index(first_offset)..).filter(|batch| !batch.is_control());
        LogSnapshot { batches: batches.map(|batch| (batch.bytes.clone(), OnceCell::new())).collect(), first_offset }
    }

    /// The data that a `read_committed` consumer gets.
    pub(super) fn committed_snapshot(&self, first_offset: i64) -> LogSnapshot {
        let until = self.last_stable_offset();
        let mut aborted: BTreeMap<i64, Vec<Aborted>> = BTreeMap::new();
        for transaction in self.producers.aborted_between(first_offset, until) {
            aborted.entry(transaction.producer_id).or_default().push(transaction);
        }
        let is_aborted = |header: &BatchHeader| {
            // The transactions of one producer follow each other, so the first that ends behind the batch is the only candidate.
            let transactions = aborted.get(&header.producer_id).filter(|_| header.is_transactional());
            transactions.is_some_and(|transactions| {
                let index = transactions.partition_point(|aborted| aborted.last_offset < header.base_offset);
                transactions.get(index).is_some_and(|aborted| aborted.first_offset <= header.base_offset)
            })
        };
        let batches = self.batches.range(self.batch_index(first_offset)..);
        let committed = batches.take_while(|batch| batch.base_offset < until).filter(|batch| {
            BatchHeader::read(&batch.bytes).is_some_and(|header| !header.is_control() && !is_aborted(&header))
        });
        LogSnapshot { batches: committed.map(|batch| (batch.bytes.clone(), OnceCell::new())).collect(), first_offset }
    }

    pub(super) fn record_at(&self, offset: i64) -> Option<StoredRecord> {
        let batch = self.batches.get(self.batch_index(offset)).filter(|batch| !batch.is_control())?;
        Records::new(&plain_batch(&batch.bytes)?)?.find(|record| record.offset == offset).map(StoredRecord::from)
    }

    /// Whole batches from the one that holds `offset` to below `until`, up to `max_bytes`; the first comes whatever its size if
    /// `at_least_one`.
    pub(super) fn read(&self, offset: i64, until: i64, max_bytes: usize, at_least_one: bool) -> Bytes {
        let mut picked: Vec<&Bytes> = Vec::new();
        let mut total_len = 0usize;
        for batch in self.batches.range(self.batch_index(offset)..).take_while(|batch| batch.base_offset < until) {
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
        let plain = plain_batch(&batch.bytes)?;
        let record = Records::new(&plain)?.find(|record| record.timestamp_ms >= timestamp_ms)?;
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
