//! Bytes of failed batches that are kept for who takes undelivered records back.

use std::sync::Arc;

use super::batch::{Batch, BatchBytes, unpacked_records};
use super::topic::ParkedRecord;
use crate::codec::Codec;
use crate::record::Record;
use crate::reports::{KeptRecords, Reports, Undelivered};
use crate::wire::record_batch::each_record;

/// The records of a failed batch, when somebody wants them back.
pub fn undelivered_batch(reports: &Reports, batch: &Batch) -> Option<Arc<Undelivered>> {
    let to = reports.undelivered_to()?;
    let opaque = || reports.rich.direct_opaque(batch.slots.first()?.opaque);
    let direct = if batch.direct > 0 { opaque().map(|opaque| (batch.direct, opaque)) } else { None };
    let kept = KeptBatch {
        bytes: batch.bytes.clone(),
        base_timestamp_ms: batch.base_timestamp_ms,
        codec: batch.codec,
        raw_len: batch.raw_len,
    };
    Some(Undelivered::new(to, Box::new(kept), direct))
}

/// The same of what never got into a batch of a partition.
pub fn undelivered_parked(reports: &Reports, record: ParkedRecord) -> Option<Arc<Undelivered>> {
    let to = reports.undelivered_to()?;
    let opaque = || reports.rich.direct_opaque(record.tag?.opaque);
    let direct = if record.direct.is_some() { opaque().map(|opaque| (record.count(), opaque)) } else { None };
    Some(Undelivered::new(to, Box::new(record), direct))
}

/// The records of a batch, in the memory that they were sent from.
#[derive(Debug)]
struct KeptBatch {
    bytes: Arc<BatchBytes>,
    base_timestamp_ms: i64,
    codec: Codec,
    raw_len: usize,
}

impl KeptRecords for KeptBatch {
    fn each(&self, take: &mut dyn FnMut(u32, &Record<'_>)) {
        if let Some(records) = unpacked_records(self.codec, &self.bytes, self.raw_len) {
            each_record(&records, self.base_timestamp_ms, take);
            return;
        }
        for records in self.bytes.records() {
            each_record(records, self.base_timestamp_ms, take);
        }
    }
}

impl KeptRecords for ParkedRecord {
    fn each(&self, take: &mut dyn FnMut(u32, &Record<'_>)) {
        self.each_record(take);
    }
}
