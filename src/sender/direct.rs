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
    pub(super) fn note_direct_parts<'a>(&mut self, parts: impl Iterator<Item = &'a Taken>) {
        let mut of_report = parts.filter(|part| part.batch.direct > 0);
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

/// The outcome of both: as bad as the worse, in the log only as far as both say so, and at the place of the earlier.
fn merged(report: FinishedBatch, first: u32, part: FinishedBatch, part_first: u32) -> (FinishedBatch, u32) {
    let persisted = if report.persisted == part.persisted { report.persisted } else { Persisted::Maybe };
    let attempts = report.attempts.max(part.attempts);
    let finished_at = part.finished_at;
    let earlier = if part_first < first { &part } else { &report };
    let (base_timestamp_ms, log_append_time_ms) = (earlier.base_timestamp_ms, earlier.log_append_time_ms);
    let all_well = report.status == Status::OK && part.status == Status::OK;
    let base_offset = if all_well { earlier.base_offset } else { -1 };
    let part_is_worse = report.status == Status::OK && part.status != Status::OK;
    let worse = if part_is_worse { part } else { report };
    let told =
        FinishedBatch { persisted, attempts, finished_at, base_timestamp_ms, log_append_time_ms, base_offset, ..worse };
    (told, first.min(part_first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::Phase;
    use crate::time::Time;
    use std::sync::Arc;

    fn part(status: Status, persisted: Persisted, base_offset: i64, base_timestamp_ms: i64) -> FinishedBatch {
        FinishedBatch {
            topic: Arc::from(c"t"),
            partition: 0,
            status,
            persisted,
            phase: Phase::Answered,
            base_offset,
            base_timestamp_ms,
            log_append_time_ms: None,
            broker: 1,
            attempts: 1,
            opened_at: Time(0),
            finished_at: Time(base_timestamp_ms as u64),
            cause: None,
            record_causes: Vec::new(),
            slots: Vec::new(),
            rich: Vec::new(),
            undelivered: None,
        }
    }

    fn outcome(parts: [FinishedBatch; 2], firsts: [u32; 2]) -> (Status, Persisted, i64, i64) {
        let [one, other] = parts;
        let (told, first) = merged(one, firsts[0], other, firsts[1]);
        assert_eq!(first, 0);
        (told.status, told.persisted, told.base_offset, told.base_timestamp_ms)
    }

    #[test]
    fn parts_have_the_outcome_of_the_worst_and_the_place_of_the_first() {
        use Persisted::{Maybe, No, Yes};
        let ok = |offset, time| part(Status::OK, Yes, offset, time);
        let bad = |persisted, time| part(Status::MESSAGE_TOO_LARGE, persisted, -1, time);
        assert_eq!(outcome([ok(7, 1), ok(9, 2)], [0, 3]), (Status::OK, Yes, 7, 1));
        assert_eq!(outcome([ok(9, 2), ok(7, 1)], [3, 0]), (Status::OK, Yes, 7, 1));
        assert_eq!(outcome([ok(7, 1), bad(No, 2)], [0, 3]), (Status::MESSAGE_TOO_LARGE, Maybe, -1, 1));
        assert_eq!(outcome([bad(No, 1), ok(7, 2)], [0, 3]), (Status::MESSAGE_TOO_LARGE, Maybe, -1, 1));
        assert_eq!(outcome([bad(No, 1), bad(No, 2)], [0, 3]), (Status::MESSAGE_TOO_LARGE, No, -1, 1));
        assert_eq!(outcome([bad(No, 2), bad(Maybe, 1)], [3, 0]), (Status::MESSAGE_TOO_LARGE, Maybe, -1, 1));
    }
}
