//! Bytes of failed batches that are kept for who takes undelivered records back.

use std::sync::Arc;

use super::batch::{Batch, BatchBytes};
use super::topic::ParkedRecord;
use crate::record::Record;
use crate::reports::{KeptRecords, Reports, Undelivered};
use crate::wire::record_batch::{HEADER_LEN, each_record};

/// The records of a failed batch, when somebody wants them back.
pub fn undelivered_batch(reports: &Reports, batch: &Batch) -> Option<Arc<Undelivered>> {
    let to = reports.undelivered_to()?;
    let opaque = || reports.rich.direct_opaque(batch.slots.first()?.opaque);
    let direct = if batch.direct > 0 { opaque().map(|opaque| (batch.direct, opaque)) } else { None };
    let kept = KeptBatch { bytes: batch.bytes.clone(), base_timestamp_ms: batch.base_timestamp_ms };
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
}

impl KeptRecords for KeptBatch {
    fn each(&self, take: &mut dyn FnMut(u32, &Record<'_>)) {
        let mut begins_at = HEADER_LEN;
        for chunk in self.bytes.chunks() {
            each_record(&chunk[begins_at..], self.base_timestamp_ms, take);
            begins_at = 0;
        }
    }
}

impl KeptRecords for ParkedRecord {
    fn each(&self, take: &mut dyn FnMut(u32, &Record<'_>)) {
        self.each_record(take);
    }
}
