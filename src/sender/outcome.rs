//! Carrying out verdicts: done, again, in smaller batches, or failed. Every batch passes `finish` exactly once.

use super::Sender;
use super::connection::Part;
use super::partition::Taken;
use super::produce::c_text;
use super::timers::Timer;
use super::verdict::{BatchFacts, InLog, Outcome, Verdict, decide};
use crate::accumulator::{ParkedRecord, Topic};
use crate::error::Status;
use crate::reports::{FinishedBatch, Persisted, Phase};
use crate::time::Time;

/// What a broker's answer says beside its code.
#[derive(Debug)]
pub(super) struct Answer {
    pub base_offset: i64,
    pub log_append_time_ms: Option<i64>,
    pub record_errors: Vec<(i32, Option<String>)>,
}

impl Answer {
    /// No broker answered.
    pub fn none() -> Answer {
        Answer { base_offset: -1, log_append_time_ms: None, record_errors: Vec::new() }
    }
}

/// How a batch ended.
pub(super) struct Ending {
    status: Status,
    in_log: InLog,
    phase: Phase,
    answer: Answer,
}

impl Sender {
    /// A part whose answer did not come.
    pub(super) fn settle_lost(&mut self, now: Time, part: Part, outcome: Outcome, cause: &str) {
        self.settle(now, part, outcome, Answer::none(), cause);
    }

    /// One attempt has its outcome: the verdict is asked for and carried out.
    pub(super) fn settle(&mut self, now: Time, part: Part, outcome: Outcome, answer: Answer, cause: &str) {
        let dense = part.partition;
        self.partitions[dense as usize].in_flight -= 1;
        // `None`: its outcome was decided before the answer came.
        if let Some(mut taken) = part.taken {
            let facts = BatchFacts {
                limited_retries: taken.limited_retries,
                record_count: taken.batch.count,
                earlier_attempt_in_doubt: taken.in_doubt,
                retries_left: taken.counted_retries < self.config.retries,
                idempotent: false,
            };
            let decision = decide(outcome, &facts);
            taken.in_doubt |= decision.attempt_in_log == InLog::Maybe;
            taken.limited_retries += u32::from(decision.limited);
            if let Some(cause) = c_text(cause) {
                taken.cause = Some(cause);
            }
            let phase = match outcome {
                Outcome::Answered { .. } => Phase::Answered,
                Outcome::Disconnected { request_written: false }
                | Outcome::RequestTimedOut { request_written: false } => Phase::Queued,
                _ => Phase::InFlight,
            };
            match decision.verdict {
                Verdict::Done | Verdict::DoneDuplicate => {
                    let mut answer = answer;
                    if decision.verdict == Verdict::DoneDuplicate {
                        answer.base_offset = -1;
                    }
                    // acks=0: written is not the same as persisted.
                    let in_log = if self.config.acks == 0 { InLog::Maybe } else { InLog::Yes };
                    self.finish(now, dense, taken, Ending { status: Status::OK, in_log, phase, answer });
                }
                Verdict::Retry { refresh_metadata, backoff, counts } => {
                    taken.counted_retries += u32::from(counts);
                    self.retry(now, dense, taken, refresh_metadata, backoff);
                }
                Verdict::Split => self.split(dense, taken),
                Verdict::Fail => {
                    let status = outcome.status();
                    self.finish(now, dense, taken, Ending { status, in_log: decision.in_log, phase, answer });
                }
            }
        }
        self.after_outcome(now, dense);
    }

    fn retry(&mut self, now: Time, dense: u32, taken: Taken, refresh: bool, backoff: bool) {
        if backoff {
            let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
            let until = now + self.random.backoff(first, most, taken.attempts);
            let state = &mut self.partitions[dense as usize];
            state.muted_until = state.muted_until.max(until);
            self.timers.arm(Timer::Partition(dense), until);
        }
        self.partitions[dense as usize].push_retry(taken);
        if refresh {
            self.refresh_metadata(now);
        }
    }

    /// The broker finds the batch too large: at most half of it goes at a time from now on.
    fn split(&mut self, dense: u32, taken: Taken) {
        let label = self.partitions[dense as usize].label();
        let (id, len, count) = (taken.batch.id, taken.batch.len(), taken.batch.count);
        self.reports.log(5, "PARTITION", || {
            format!(
                "{label}: a batch of {count} records and {len} bytes is too large for the broker; sending it in parts"
            )
        });
        let parts = taken.split((len / 2).min(self.config.batch_size));
        let shared = self.partitions[dense as usize].shared();
        shared.note_finished(len);
        shared.note_taken(parts.iter().map(|part| part.batch.len()).sum());
        self.window.split(id, parts.len());
        // All carry one number, and what is put back goes in front of its equals: so the last one first.
        for part in parts.into_iter().rev() {
            self.partitions[dense as usize].push_retry(part);
        }
    }

    /// The end of a batch: its report goes out, its memory goes back as soon as no socket holds it.
    pub(super) fn finish(&mut self, now: Time, dense: u32, mut taken: Taken, ending: Ending) {
        self.some_finished = true;
        self.window.finish(taken.batch.id);
        self.partitions[dense as usize].shared().note_finished(taken.batch.len());
        let slots = taken.batch.take_slots();
        if slots.is_empty() {
            return;
        }
        let state = &self.partitions[dense as usize];
        let mut record_causes: Vec<_> = ending
            .answer
            .record_errors
            .into_iter()
            .filter_map(|(place, text)| {
                let words = c_text(text.as_deref().unwrap_or("the broker finds this record invalid"))?;
                Some((u32::try_from(place).ok()?, words))
            })
            .collect();
        // Looked up by place, once per record of the batch.
        record_causes.sort_by_key(|(place, _)| *place);
        let failed = ending.status != Status::OK;
        self.outcomes.push(FinishedBatch {
            topic: state.topic.c_name().clone(),
            partition: state.index as i32,
            status: ending.status,
            persisted: persisted(ending.in_log),
            phase: ending.phase,
            base_offset: if failed { -1 } else { ending.answer.base_offset },
            base_timestamp_ms: taken.batch.base_timestamp_ms,
            log_append_time_ms: ending.answer.log_append_time_ms,
            broker: taken.broker,
            attempts: taken.attempts,
            opened_at: taken.batch.opened_at,
            finished_at: now,
            cause: if failed { taken.cause } else { None },
            record_causes,
            slots,
        });
    }

    /// A record that never got into a batch: certainly not in the log.
    pub(super) fn fail_parked(&mut self, now: Time, topic: &Topic, record: ParkedRecord, status: Status, cause: &str) {
        let Some(slot) = record.slot() else { return };
        self.outcomes.push(FinishedBatch {
            topic: topic.c_name().clone(),
            partition: record.partition.map_or(-1, |partition| partition as i32),
            status,
            persisted: Persisted::No,
            phase: Phase::Metadata,
            base_offset: -1,
            base_timestamp_ms: record.timestamp_ms,
            log_append_time_ms: None,
            broker: -1,
            attempts: 0,
            opened_at: record.parked_at,
            finished_at: now,
            cause: c_text(cause),
            record_causes: Vec::new(),
            slots: vec![slot],
        });
    }
}

impl Ending {
    /// An end that no broker's answer brought.
    pub fn without_answer(status: Status, in_doubt: bool, phase: Phase) -> Ending {
        let in_log = if in_doubt { InLog::Maybe } else { InLog::No };
        Ending { status, in_log, phase, answer: Answer::none() }
    }
}

fn persisted(in_log: InLog) -> Persisted {
    match in_log {
        InLog::No => Persisted::No,
        InLog::Maybe => Persisted::Maybe,
        InLog::Yes => Persisted::Yes,
    }
}
