//! What idempotence promises of every run: each record once, in order, and failures that mean what they say.

use std::collections::BTreeMap;

use super::Sim;

use super::driver::{Report, Sent};
use super::watch::Place;
use crate::config::{OnFailure, OnInDoubtTimeout};
use crate::error::Status;
use crate::reports::{Persisted, Phase};

impl Sim {
    /// No record twice, whatever was sent again and whatever arrived late.
    pub(super) fn check_exactly_once(&self, index: usize, sent: &Sent, places: &[(&Place, i64)]) -> Option<String> {
        if !self.plan.config.enable_idempotence || places.len() <= 1 {
            return None;
        }
        Some(format!("record {index} is in the log {} times: {places:?}; its report: {:?}", places.len(), sent.report))
    }

    /// What a failed record means for others, and what may fail at all.
    pub(super) fn check_failures(&self) -> Option<String> {
        if let Some(error) = self.accumulator.fatal().filter(|_| !self.may_be_fatal()) {
            return Some(format!("the producer failed for good without a reason: {error}"));
        }
        let is_idempotent = self.plan.config.enable_idempotence;
        let stops = self.plan.config.on_failure == OnFailure::StopPartition;
        let holds = self.plan.config.on_in_doubt_timeout == OnInDoubtTimeout::Hold;
        // By topic and partition: the failed records so far.
        let mut failed: BTreeMap<(usize, i32), Vec<(usize, &Report)>> = BTreeMap::new();
        for (index, sent) in self.app.sent.iter().enumerate() {
            let Some(report) = sent.report.as_ref().filter(|report| report.partition >= 0) else { continue };
            let partition = (sent.topic, report.partition);
            let before = failed.entry(partition).or_default();
            if report.status == Status::OK {
                // One that may be in the log, and whose answer got lost, can fail after what is behind it was acknowledged.
                let in_the_way = |(_, earlier): &&(usize, &Report)| {
                    let is_gone = is_idempotent && earlier.persisted == Persisted::No;
                    sent.accepted_at < earlier.finished_at && (is_gone || earlier.place < report.place)
                };
                if let Some((earlier, their)) = before.iter().find(in_the_way).filter(|_| stops) {
                    return Some(format!(
                        "record {index} is delivered behind record {earlier}: accepted at {:?}, {report:?}, and {their:?}",
                        sent.accepted_at
                    ));
                }
                continue;
            }
            let timed_out = report.status == Status::DELIVERY_TIMED_OUT;
            // Of a batch that was cut, some parts may be in the log.
            if holds && timed_out && sent.is_direct.is_none() && report.persisted == Persisted::Maybe && is_idempotent {
                return Some(format!("record {index} may be in the log and is not held: {report:?}"));
            }
            if report.status.code() == 45 && !self.may_have_a_gap(partition, !before.is_empty()) {
                return Some(format!("record {index} is out of order, and nothing before it is missing: {report:?}"));
            }
            // What never got as far as its partition, or was taken back by the application, stops nobody.
            let stops_others =
                ![Status::PURGED, Status::CLOSED, Status::INTERNAL, Status::CANCELLED].contains(&report.status);
            if stops_others && report.phase != Phase::Metadata {
                before.push((index, report));
            }
        }
        None
    }

    /// Whether a broker can have missed a sequence number of the partition.
    fn may_have_a_gap(&self, (topic, partition): (usize, i32), has_failed: bool) -> bool {
        let place = (self.app.topics[topic].name().to_owned(), partition);
        // Of records without reports nobody knows.
        has_failed || self.plan.untagged || self.losses.partitions.contains(&place) || self.plan.may_answer(45)
    }
}
