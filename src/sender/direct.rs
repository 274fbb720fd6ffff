//! Batches that the application made itself and that a broker found too large: they go in parts, and have one report.

use std::collections::BTreeMap;

use super::Sender;
use super::partition::Taken;
use crate::error::Status;
use crate::reports::{FinishedBatch, Persisted};

/// What is known of the parts of one batch.
#[derive(Debug, Default)]
pub(super) struct Parts {
    left: usize,
    /// What its report says so far, and the place of the part that its offset is of.
    report: Option<(FinishedBatch, u32)>,
}

/// By the argument of the one report, which no two batches have at a time.
pub(super) type PartsByReport = BTreeMap<usize, Parts>;

impl Sender {
    /// A batch was cut. Where several parts have records of one report, it is given when the last of them is finished.
    pub(super) fn note_direct_parts(&mut self, parts: &[Taken]) {
        let mut of_report = parts.iter().filter(|part| part.batch.direct > 0);
        let Some(slot) = of_report.next().and_then(|part| part.batch.slots.first()) else { return };
        let more = of_report.count();
        if more > 0 {
            // What was cut before is one part that becomes several.
            self.direct_parts.entry(slot.opaque).or_insert(Parts { left: 1, report: None }).left += more;
        }
    }

    /// A batch with `direct` records of one report is finished. Where it is a part of them, their slot is taken out of it; the
    /// last part gives the report for all.
    pub(super) fn merge_direct(&mut self, direct: u32, first_record: u32, finished: &mut FinishedBatch) {
        if direct == 0 || self.direct_parts.is_empty() {
            return;
        }
        let Some(slot) = finished.slots.first().copied() else { return };
        let Some(parts) = self.direct_parts.get_mut(&slot.opaque) else { return };
        finished.slots.remove(0);
        let mut part = finished.clone();
        part.undelivered = None;
        part.slots.clear();
        let mut report = match parts.report.take() {
            None => (part, first_record),
            Some((report, first)) => merged(report, first, part, first_record),
        };
        parts.left -= 1;
        if parts.left > 0 {
            parts.report = Some(report);
            return;
        }
        self.direct_parts.remove(&slot.opaque);
        report.0.slots.push(slot);
        self.outcomes.push(report.0);
    }
}

/// The outcome of both: as bad as the worse, and in the log only as far as both say so.
fn merged(report: FinishedBatch, first: u32, part: FinishedBatch, part_first: u32) -> (FinishedBatch, u32) {
    let persisted = if report.persisted == part.persisted { report.persisted } else { Persisted::Maybe };
    let attempts = report.attempts.max(part.attempts);
    let part_is_worse = report.status == Status::OK && part.status != Status::OK;
    let both_are_well = report.status == Status::OK && part.status == Status::OK;
    let takes_part = part_is_worse || (both_are_well && part_first < first);
    let finished_at = part.finished_at;
    let (mut told, first) = if takes_part { (part, part_first) } else { (report, first) };
    told.persisted = persisted;
    told.attempts = attempts;
    told.finished_at = finished_at;
    (told, first)
}
