//! Carrying out verdicts: done, again, in smaller batches, or failed. Every batch passes `finish` exactly once.

use std::collections::BTreeMap;
use std::ffi::CStr;

use super::Sender;
use super::connection::Part;
use super::partition::Taken;
use super::produce::c_text;
use super::timers::Timer;
use super::verdict::{BatchFacts, Guard, InLog, NamedRecords, Outcome, Pause, Verdict, decide};
use crate::accumulator::{ParkedRecord, Topic, undelivered_batch, undelivered_parked};
use crate::codec::Codec;
use crate::config::{OnFailure, OnInDoubtTimeout, OnSequenceGap};
use crate::error::Status;
use crate::reports::{DataLoss, FinishedBatch, Persisted, Phase};
use crate::time::Time;

/// An earlier transaction's end takes a broker milliseconds.
const SHORT_PAUSE_MS: u64 = 5;
const SHORT_PAUSE_MAX_MS: u64 = 20;

/// What a broker's answer says beside its code.
#[derive(Debug)]
pub(super) struct Answer {
    pub base_offset: i64,
    pub log_append_time_ms: Option<i64>,
    /// -1 when the broker did not say.
    pub log_start_offset: i64,
    pub record_errors: Vec<(i32, Option<String>)>,
}

impl Answer {
    /// The records of a batch of `count` that the broker names, and what it says of them.
    fn named_records(&self, count: u32) -> BTreeMap<u32, Option<&str>> {
        let places = self.record_errors.iter().filter_map(|(place, text)| {
            let place = u32::try_from(*place).ok().filter(|place| *place < count)?;
            Some((place, text.as_deref()))
        });
        places.collect()
    }

    /// No broker answered.
    pub fn none() -> Answer {
        Answer { base_offset: -1, log_append_time_ms: None, log_start_offset: -1, record_errors: Vec::new() }
    }
}

/// How a batch ended.
pub(super) struct Ending {
    pub status: Status,
    pub in_log: InLog,
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
        let state = &mut self.partitions[dense as usize];
        state.in_flight -= 1;
        if !matches!(outcome, Outcome::Answered { code: 0, .. }) {
            // Whatever went wrong may mean another leader, or one without our sequences: one at a time again (R6).
            state.ramp = None;
        }
        if part.taken.is_none() && matches!(outcome, Outcome::Disconnected { .. } | Outcome::RequestTimedOut { .. }) {
            // Reported before, but a copy of it may still reach the broker.
            self.transaction_attempt_in_doubt();
        }
        // `None`: its outcome was decided before the answer came.
        if let Some(mut taken) = part.taken {
            let decision = decide(outcome, &self.facts(dense, &taken, outcome, &answer));
            taken.in_doubt |= decision.attempt_in_log == InLog::Maybe;
            taken.reached_broker |= phase_of(outcome) != Phase::Queued;
            taken.limited_retries += u32::from(decision.limited);
            let broken = self.partitions[dense as usize].sequences.broken();
            match broken.filter(|_| decision.verdict != Verdict::Done) {
                Some(why) => taken.cause = c_text(&format!("{cause}; {}", why.words())),
                None => taken.cause = c_text(cause).or(taken.cause),
            }
            let phase = phase_of(outcome);
            if decision.attempt_in_log == InLog::Maybe {
                self.transaction_attempt_in_doubt();
            }
            let state = &mut self.partitions[dense as usize];
            if matches!(decision.verdict, Verdict::Done | Verdict::DoneDuplicate) {
                state.note_success(now, &taken);
            }
            let may_go_on = !decision.refused || self.sequence_refused(now, dense, &taken, outcome);
            match decision.verdict {
                Verdict::Renumber { .. } if !may_go_on => {
                    let status = outcome.status();
                    self.finish(now, dense, taken, Ending { status, in_log: decision.in_log, phase, answer });
                }
                Verdict::Done | Verdict::DoneDuplicate => {
                    let mut answer = answer;
                    if decision.verdict == Verdict::DoneDuplicate {
                        answer.base_offset = -1;
                    }
                    // acks=0: written is not the same as persisted.
                    let in_log = if taken.batch.acks == 0 { InLog::Maybe } else { InLog::Yes };
                    self.finish(now, dense, taken, Ending { status: Status::OK, in_log, phase, answer });
                }
                Verdict::Retry { refresh_metadata, pause, counts } => {
                    taken.counted_retries += u32::from(counts);
                    self.retry(now, dense, taken, refresh_metadata, pause);
                }
                Verdict::Renumber { pause } => self.retry(now, dense, taken, false, pause),
                Verdict::Split => self.split(now, dense, taken, false),
                Verdict::FailNamed { others_again } => {
                    let ending = Ending { status: outcome.status(), in_log: decision.in_log, phase, answer };
                    fail_named(self, now, dense, taken, ending, others_again);
                }
                Verdict::Fail => {
                    let status = outcome.status();
                    // First, so that nobody is told meanwhile that an abort will do.
                    let fatal = if decision.fatal {
                        let label = self.partitions[dense as usize].label();
                        self.shut_for_good(status, &format!("{label}: {cause}"))
                    } else {
                        None
                    };
                    self.finish(now, dense, taken, Ending { status, in_log: decision.in_log, phase, answer });
                    if let Some((status, text)) = fatal {
                        self.fail_where(now, true, true, status, &text);
                    } else if status == Status::TOPIC_AUTHORIZATION_FAILED {
                        self.fail_topic(now, dense, status, cause);
                    }
                }
            }
        }
        self.after_outcome(now, dense);
    }

    fn facts(&self, dense: u32, taken: &Taken, outcome: Outcome, answer: &Answer) -> BatchFacts {
        let guard = match (taken.number, &self.config.transactional_id) {
            (None, _) => Guard::None,
            (Some(_), None) => Guard::Sequence,
            (Some(_), Some(_)) => Guard::Transaction,
        };
        let sequences = &self.partitions[dense as usize].sequences;
        BatchFacts {
            limited_retries: taken.limited_retries,
            record_count: taken.batch.count,
            named: NamedRecords {
                count: answer.named_records(taken.batch.count).len() as u32,
                fails_as_one: taken.batch.direct > 0 && self.config.on_failure == OnFailure::StopPartition,
            },
            earlier_attempt_in_doubt: taken.in_doubt,
            retries_left: taken.counted_retries < self.config.retries,
            guard,
            is_oldest: taken.number.is_none_or(|number| sequences.is_oldest(number)),
            hold: self.config.on_in_doubt_timeout == OnInDoubtTimeout::Hold,
            // Read again only when a broker finds it damaged.
            is_intact: outcome.status() != Status::CORRUPT_MESSAGE || taken.batch.is_intact(),
            log_start_known: answer.log_start_offset >= 0,
            has_acked: sequences.has_acked(),
            acks_all: taken.batch.acks == -1,
        }
    }

    /// The broker refuses the sequence of the oldest undecided batch. After a batch that was given up that is what it
    /// should do; otherwise it has lost what it acknowledged. False: the producer has failed for good by it.
    fn sequence_refused(&mut self, now: Time, dense: u32, taken: &Taken, outcome: Outcome) -> bool {
        let state = &mut self.partitions[dense as usize];
        // Without anything acknowledged there is nothing to lose: the broker wants a beginning that it knows.
        let expected = state.sequences.has_hole() || !state.sequences.has_acked();
        state.sequences.refuse();
        if expected || outcome.status() != Status::OUT_OF_ORDER_SEQUENCE_NUMBER {
            return true;
        }
        let acked_offset = state.acked_offset;
        let label = state.label();
        // Not known where it was only told that it has a batch already.
        let end = if acked_offset < 0 { String::new() } else { format!(" (up to offset {acked_offset})") };
        let text = format!(
            "{label}: broker {} refuses the sequence that follows what it acknowledged{end}: acknowledged records may be \
             lost on the broker's side",
            taken.broker
        );
        if let Some(words) = c_text(&text) {
            let topic = state.topic.c_name().clone();
            self.reports.data_loss(DataLoss { topic, partition: state.index as i32, acked_offset, text: words });
        }
        self.reports.log(3, "DATALOSS", || text.clone());
        if self.config.on_sequence_gap == OnSequenceGap::Fatal {
            self.fail_for_good(now, Status::OUT_OF_ORDER_SEQUENCE_NUMBER, &text);
            return false;
        }
        true
    }

    fn retry(&mut self, now: Time, dense: u32, taken: Taken, refresh: bool, pause: Pause) {
        let (first, most) = match pause {
            Pause::None => (0, 0),
            Pause::Short => (SHORT_PAUSE_MS, SHORT_PAUSE_MAX_MS),
            Pause::Usual => (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms),
        };
        if pause != Pause::None {
            let until = now + self.random.backoff(first, most, taken.attempts);
            let state = &mut self.partitions[dense as usize];
            state.muted_until = state.muted_until.max(until);
            self.timers.arm(Timer::Partition(dense), until);
        }
        let deadline = taken.batch.deadline;
        self.published.note_retry(now, dense, taken.cause.as_ref());
        self.partitions[dense as usize].push_retry(taken);
        self.transaction.note_retry();
        // Held beyond its time while it was in doubt: now that is decided, its time counts again.
        self.arm_deadline(dense, deadline);
        if refresh {
            self.cluster.schedule.want(self.partitions[dense as usize].topic.id);
        }
    }

    /// The broker finds the batch too large: at most half of it goes at a time from now on. `outgrown`: it would,
    /// because compression left more of it than was expected.
    pub(super) fn split(&mut self, now: Time, dense: u32, taken: Taken, outgrown: bool) {
        let state = &self.partitions[dense as usize];
        let (label, topic) = (state.label(), state.topic.clone());
        let (id, len, count) = (taken.batch.id, taken.batch.len(), taken.batch.count);
        if let Some(more) = self.cluster.allow_log(now, topic.id) {
            self.reports.log(5, "PARTITION", || {
                let why = match outgrown {
                    true => "larger than compression was expected to make it",
                    false => "too large for the broker",
                };
                format!("{label}: a batch of {count} records and {len} bytes is {why}; sending it in parts{more}")
            });
        }
        if !outgrown {
            topic.settings().note_too_large(len);
        }
        let number = taken.number;
        let raw = taken.batch.raw_len;
        let most = if taken.batch.codec == Codec::None { self.config.batch_size } else { raw };
        let mut parts = taken.split((raw / 2).min(most));
        for part in &mut parts {
            self.accumulator.pack(&mut part.batch, &topic);
        }
        if let Some(number) = number {
            // Together they have the sequences that the whole had, so that what follows fits as it is.
            let counts = parts.iter().map(|part| part.batch.count).collect::<Vec<_>>();
            let numbers = self.partitions[dense as usize].sequences.split(number, counts.into_iter());
            for (part, number) in parts.iter_mut().zip(numbers) {
                part.number = Some(number);
            }
        }
        let shared = self.partitions[dense as usize].shared();
        let bytes: usize = parts.iter().map(|part| part.batch.len()).sum();
        shared.note_split(len, bytes, parts.len());
        if outgrown {
            self.accumulator.numbers.cut();
        } else {
            self.accumulator.numbers.split(parts.len(), bytes.saturating_sub(len), &topic.numbers);
        }
        self.window.split(id, parts.len());
        self.note_direct_parts(parts.iter());
        for part in parts {
            self.partitions[dense as usize].push_retry(part);
        }
        self.transaction.note_retry();
    }

    /// The end of a batch: its report goes out, its memory goes back as soon as no socket holds it.
    pub(super) fn finish(&mut self, now: Time, dense: u32, mut taken: Taken, ending: Ending) {
        self.some_finished = true;
        self.window.finish(taken.batch.id);
        self.published.note_outcome(dense);
        self.count_outcome(now, dense, &taken, &ending);
        let state = &mut self.partitions[dense as usize];
        state.shared().note_finished(taken.batch.len());
        let is_acked = ending.status == Status::OK;
        if is_acked {
            state.topic.settings().note_accepted(taken.batch.len());
        }
        if is_acked && ending.answer.base_offset >= 0 {
            let after_first = i64::from(taken.batch.count) - 1;
            state.acked_offset = ending.answer.base_offset.saturating_add(after_first);
        }
        if let Some(number) = taken.number {
            if is_acked {
                state.sequences.acknowledge(number, taken.batch.count);
            } else {
                state.sequences.give_up(number, taken.batch.count, !taken.reached_broker);
                if state.sequences.has_hole() {
                    self.transaction_needs_bump();
                }
            }
        }
        if is_acked {
            self.transaction_record_taken();
        } else {
            if self.config.transactional_id.is_some() {
                let words = taken.cause.as_deref().map(CStr::to_string_lossy).unwrap_or_default();
                let text = format!("{}: {words}", self.partitions[dense as usize].label());
                self.transaction_record_failed(now, ending.status, &text);
            }
            self.note_failure(dense, taken.place(), ending.status);
        }
        let undelivered = if is_acked { None } else { undelivered_batch(&self.reports, &taken.batch) };
        let slots = taken.batch.take_slots();
        if slots.is_empty() && undelivered.is_none() {
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
        let (direct, first_record) = (taken.batch.direct, taken.first_record);
        let mut finished = FinishedBatch {
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
            rich: Vec::new(),
            undelivered,
        };
        if direct > 0 {
            self.merge_direct(direct, first_record, &mut finished);
        }
        self.outcomes.push(finished);
    }

    /// A record that never got into a batch: certainly not in the log.
    pub(super) fn fail_parked(&mut self, now: Time, topic: &Topic, record: ParkedRecord, status: Status, cause: &str) {
        self.transaction_record_failed(now, status, cause);
        self.count_unbatched(now, topic, &record, status);
        let slot = record.slot();
        let (partition, base_timestamp_ms, opened_at) = (record.partition, record.timestamp_ms, record.parked_at);
        let undelivered = undelivered_parked(&self.reports, record);
        if slot.is_none() && undelivered.is_none() {
            return;
        }
        self.outcomes.push(FinishedBatch {
            topic: topic.c_name().clone(),
            partition: partition.map_or(-1, |partition| partition as i32),
            status,
            persisted: Persisted::No,
            phase: Phase::Metadata,
            base_offset: -1,
            base_timestamp_ms,
            log_append_time_ms: None,
            broker: -1,
            attempts: 0,
            opened_at,
            finished_at: now,
            cause: c_text(cause),
            record_causes: Vec::new(),
            slots: slot.into_iter().collect(),
            rich: Vec::new(),
            undelivered,
        });
    }
}

/// Groups of the records of a batch that a broker has refused for some of them.
const NAMED: usize = 0;
const OTHERS: usize = 1;
/// With `on.failure=stop-partition`: behind the first that is named, so that they fail with what follows the batch.
const OTHERS_BEHIND: usize = 2;

/// KIP-467: the records that the broker names end here. The others are sent again without them, in a batch of their
/// own, or fail as a batch that was refused.
#[cold]
fn fail_named(sender: &mut Sender, now: Time, dense: u32, taken: Taken, ending: Ending, others_again: bool) {
    let (id, len, count, number) = (taken.batch.id, taken.batch.len(), taken.batch.count, taken.number);
    let named = ending.answer.named_records(count);
    let stops = sender.config.on_failure == OnFailure::StopPartition;
    let first = named.keys().next().copied().unwrap_or(count);
    let mut parts = taken.separate(|place| match named.contains_key(&place) {
        true => NAMED,
        false if stops && place > first => OTHERS_BEHIND,
        false => OTHERS,
    });
    let state = &mut sender.partitions[dense as usize];
    let (label, topic) = (state.label(), state.topic.clone());
    let named_count = named.len();
    if let Some(more) = sender.cluster.allow_log(now, topic.id) {
        sender.reports.log(4, "PARTITION", || {
            let others = match others_again {
                true => "the others are sent again without them",
                false => "the others fail with them",
            };
            format!("{label}: the broker refuses {named_count} of {count} records of a batch; {others}{more}")
        });
    }
    // They are in no log, and in no request any more: where nothing behind them has numbers, theirs are given again.
    // Otherwise nothing behind them fits, and what is left goes on under a new epoch.
    if let Some(number) = number
        && !(others_again && state.sequences.withdraw(number, count))
    {
        state.sequences.give_up(number, count, false);
        if others_again {
            state.sequences.refuse();
        }
        if state.sequences.has_hole() {
            sender.transaction_needs_bump();
        }
    }
    for (group, part) in &mut parts {
        if others_again && *group != NAMED {
            sender.accumulator.pack(&mut part.batch, &topic);
        }
        part.reached_broker = false;
    }
    let bytes: usize = parts.iter().map(|(_, part)| part.batch.len()).sum();
    sender.partitions[dense as usize].shared().note_split(len, bytes, parts.len());
    sender.window.split(id, parts.len());
    let (named_parts, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(group, _)| *group == NAMED);
    let named_parts: Vec<Taken> = named_parts.into_iter().map(|(_, part)| part).collect();
    let mut others: Vec<Taken> = others.into_iter().map(|(_, part)| part).collect();
    sender.note_direct_parts(named_parts.iter().chain(&others));
    if others_again {
        // First, so that what the failure brings about finds them.
        for part in others.drain(..) {
            sender.retry(now, dense, part, false, Pause::None);
        }
    }
    let Ending { status, in_log, phase, .. } = &ending;
    let mut texts = named.values();
    for part in named_parts {
        let texts = texts.by_ref().take(part.batch.count as usize);
        let record_errors = texts.enumerate().map(|(at, text)| (at as i32, text.map(str::to_owned))).collect();
        let answer = Answer { record_errors, ..Answer::none() };
        sender.finish(now, dense, part, Ending { status: *status, in_log: *in_log, phase: *phase, answer });
    }
    for mut part in others {
        let words = part.cause.as_deref().map(CStr::to_string_lossy).unwrap_or_default();
        part.cause =
            c_text(&format!("another record of the batch was refused by the broker, and the batch with it: {words}"));
        let ending = Ending { status: Status::BATCH_REFUSED, in_log: *in_log, phase: *phase, answer: Answer::none() };
        sender.finish(now, dense, part, ending);
    }
}

/// How far an attempt with this outcome had come.
fn phase_of(outcome: Outcome) -> Phase {
    match outcome {
        Outcome::Answered { .. } => Phase::Answered,
        Outcome::Disconnected { request_written: false } | Outcome::RequestTimedOut { request_written: false } => {
            Phase::Queued
        }
        _ => Phase::InFlight,
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
