//! What idempotence promises of every run: each record once, in order, and failures that mean what they say.

use std::collections::BTreeMap;

use super::Sim;

use super::driver::Sent;
use super::watch::Place;
use crate::config::{OnFailure, OnInDoubtTimeout};
use crate::error::Status;
use crate::reports::Persisted;
use crate::time::Time;

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
        let stops = self.plan.config.on_failure == OnFailure::StopPartition;
        let holds = self.plan.config.on_in_doubt_timeout == OnInDoubtTimeout::Hold;
        // By topic and partition: the failed record that was reported last, and when.
        let mut failed: BTreeMap<(usize, i32), (usize, Time)> = BTreeMap::new();
        for (index, sent) in self.app.sent.iter().enumerate() {
            let Some(report) = sent.report.as_ref().filter(|report| report.partition >= 0) else { continue };
            let partition = (sent.topic, report.partition);
            if report.status == Status::OK {
                let before = failed.get(&partition).filter(|(_, at)| stops && sent.accepted_at < *at);
                if let Some((earlier, at)) = before {
                    let accepted_at = sent.accepted_at;
                    return Some(format!(
                        "record {index}, accepted at {accepted_at:?}, is delivered behind record {earlier}, which failed at {at:?}"
                    ));
                }
                continue;
            }
            let timed_out = report.status == Status::DELIVERY_TIMED_OUT;
            if holds && timed_out && report.persisted == Persisted::Maybe && self.plan.config.enable_idempotence {
                return Some(format!("record {index} may be in the log and is not held: {report:?}"));
            }
            if report.status.code() == 45 && !self.may_have_a_gap(partition, failed.contains_key(&partition)) {
                return Some(format!("record {index} is out of order, and nothing before it is missing: {report:?}"));
            }
            let latest = failed.entry(partition).or_insert((index, report.finished_at));
            if report.finished_at >= latest.1 {
                *latest = (index, report.finished_at);
            }
        }
        None
    }

    /// Whether a broker can have missed a sequence number of the partition.
    fn may_have_a_gap(&self, (topic, partition): (usize, i32), has_failed: bool) -> bool {
        let place = (self.app.topics[topic].name().to_owned(), partition);
        has_failed || self.losses.partitions.contains(&place) || self.plan.may_answer(45)
    }
}
