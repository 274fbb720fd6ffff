//! The application: sends records, takes reports, flushes, purges and closes, as threads of a program do, one at a
//! time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batches::{DIRECT, Held};
use super::{Happening, Sim};
use crate::accumulator::{Command, NotAppended, Placed, Sending, Tag, Ticket, Topic};
use crate::error::Status;
use crate::record::{Header, Record};
use crate::reports::{Completion, Dispatch, FinishedBatch, Handed, Item, Persisted, Phase, Slot};
use crate::time::{Micros, Time};

/// Sends of one record before the application gives it up.
const TRIES_MAX: u32 = 2_000;
const TIMESTAMP_MS: i64 = 1_600_000_000_000;
const CALLBACK: usize = 1;

/// A record as the application has it; its timestamp is its name.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub topic: usize,
    pub partition: Option<u32>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub timestamp_ms: i64,
    pub own_timeout: Option<Micros>,
    pub acks: Option<i16>,
    pub is_tagged: bool,
    pub accepted_at: Time,
    pub deadline: Time,
    /// Sent when everything had settled: nothing excuses its loss.
    pub is_tail: bool,
    /// Its place in a batch that the application filled, which has one report.
    pub is_direct: Option<usize>,
    /// It was taken back before it was sent.
    pub is_cancelled: bool,
    pub report: Option<Report>,
}

#[derive(Clone, Debug)]
pub(super) struct Report {
    pub topic: String,
    pub partition: i32,
    pub status: Status,
    pub persisted: Persisted,
    pub phase: Phase,
    pub offset: i64,
    pub finished_at: Time,
    pub attempts: u32,
    pub cause: String,
    /// Place among all reports.
    pub place: usize,
}

pub(super) struct Flush {
    pub completion: Arc<Completion>,
    /// Of one topic, by its place among the application's.
    pub topic: Option<usize>,
    /// Records accepted before it.
    pub before: usize,
    pub complete_at: Option<Time>,
}

#[derive(Default)]
pub(super) struct App {
    pub topics: Vec<Arc<Topic>>,
    pub late: Vec<String>,
    /// Accepted records, in order.
    pub sent: Vec<Sent>,
    pub by_timestamp: BTreeMap<i64, usize>,
    /// Refused for want of memory, to be sent again, and how often that was tried.
    blocked: Option<(Sent, u32)>,
    /// Records that may be cancelled.
    pub held: Vec<Held>,
    /// Batches that the application filled: the first of their records, and how many.
    pub directs: BTreeMap<usize, usize>,
    pub left: usize,
    pub made: usize,
    pub flushes: Vec<Flush>,
    /// Topic and place of the record that was accepted last.
    placed: Option<(u32, Placed)>,
    pub purged: bool,
    pub reports: usize,
    /// The step in which the last report was taken.
    pub last_report_step: u64,
    pub given_up: usize,
    /// What the data-loss callback would be told.
    pub losses: Vec<String>,
    pub is_closing: bool,
    pub is_closed: bool,
}

impl Sim {
    pub(super) fn make_topics(&mut self) {
        for (index, partitions) in self.plan.topics.clone().into_iter().enumerate() {
            let name = format!("t{index}");
            let replicas = i16::try_from(self.plan.brokers.min(3)).expect("few brokers");
            self.cluster.topic_create(&name, partitions, replicas).expect("a legal topic");
            self.compact(&name);
            let topic = self.accumulator.topics.intern(&name).expect("a legal name");
            self.app.topics.push(topic);
        }
        for index in 0..self.plan.late_topics {
            let name = format!("late{index}");
            self.app.topics.push(self.accumulator.topics.intern(&name).expect("a legal name"));
            self.app.late.push(name);
        }
        if self.plan.ghost_topic {
            self.app.topics.push(self.accumulator.topics.intern("ghost").expect("a legal name"));
        }
    }

    pub(super) fn create_late_topics(&mut self) {
        for name in std::mem::take(&mut self.app.late) {
            self.note(40, 0, 0, || format!("topic {name} is created"));
            self.cluster.topic_create(&name, 2, 1).expect("a legal topic");
            self.compact(&name);
        }
    }

    fn compact(&mut self, name: &str) {
        if self.plan.compacted {
            self.cluster.topic_set(name, "cleanup.policy", "compact").expect("legal");
        }
    }

    /// One step of the application.
    pub(super) fn app_step(&mut self) {
        if self.app.is_closed {
            return;
        }
        for _ in 0..self.random.between(1, 4) {
            if self.app.blocked.is_none() && self.app.left > 0 {
                self.app.left -= 1;
                let sent = self.make_record();
                self.send(sent, 0);
            } else if let Some((sent, tries)) = self.app.blocked.take() {
                self.send(sent, tries);
            }
        }
        if self.plan.directs && self.app.left > 0 && self.random.percent(20) {
            self.send_direct();
        }
        if self.plan.cancels && self.random.percent(50) {
            self.cancel_one();
        }
        if self.plan.flushes && self.random.percent(4) {
            let topic = self.random.below(self.app.topics.len() as u64) as usize;
            let one = self.random.percent(40);
            self.flush_of(one.then_some(topic));
        }
        if self.plan.purges && self.random.percent(2) {
            let (queued, in_flight) = self.random.pick(&[(true, false), (false, true), (true, true)]);
            self.purge(queued, in_flight);
        }
        if self.random.percent(30) {
            self.take_reports();
        }
        if !self.app.late.is_empty() && self.random.percent(5) {
            self.create_late_topics();
        }
    }

    /// The next step, as long as there is something left to send.
    pub(super) fn app_goes_on(&mut self) {
        let transacts = self.is_transactional() && !self.txn.is_done() && !self.app.is_closing;
        if !self.app.is_closed && (self.app.left > 0 || self.app.blocked.is_some() || transacts) {
            let most = (2 * self.plan.app_span_us / (1 + self.plan.records as u64)).max(10);
            let pause = if self.app.blocked.is_some() || self.txn.is_waiting() {
                self.random.micros(1_000, 20_000)
            } else {
                self.random.micros(0, most)
            };
            self.schedule(self.now + pause, Happening::App);
        }
    }

    pub(super) fn make_record(&mut self) -> Sent {
        let topic = self.random.below(self.app.topics.len() as u64) as usize;
        let partitions = self.plan.topics.get(topic).copied().unwrap_or(2) as u64;
        let partition = match self.random.below(10) {
            0..=5 => Some(self.random.below(partitions) as u32),
            6 if self.random.percent(10) => Some(partitions as u32 + 3),
            _ => None,
        };
        let key = match self.random.below(4) {
            0 => Some(Vec::new()),
            1 | 2 => Some(format!("key{}", self.random.below(20)).into_bytes()),
            _ => None,
        };
        let value = match self.random.below(10) {
            0 => None,
            1 => Some(Vec::new()),
            _ => {
                let len = self.random.between(0, self.plan.record_bytes_most) as usize;
                let fill = self.random.next() as u8;
                Some((0..len).map(|at| fill.wrapping_add(at as u8)).collect())
            }
        };
        let headers = if self.random.percent(15) {
            vec![("h".to_owned(), Some(b"1".to_vec())), ("h".to_owned(), None), (String::new(), Some(Vec::new()))]
        } else {
            Vec::new()
        };
        let own = self.plan.own_deadlines && self.random.percent(30);
        let own_timeout = own.then(|| self.random.micros(1_000, 3_000_000));
        let is_tagged = own || !self.plan.untagged || self.random.percent(70);
        let mut sent = self.record(topic, partition, key, value, headers, own_timeout, is_tagged);
        if self.plan.mixed_acks && self.random.percent(20) {
            sent.acks = Some(self.random.pick(&[-1, 0, 1]));
        }
        sent
    }

    #[allow(clippy::too_many_arguments)] // A record's own fields, from two places.
    pub(super) fn record(
        &mut self,
        topic: usize,
        partition: Option<u32>,
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: Vec<(String, Option<Vec<u8>>)>,
        own_timeout: Option<Micros>,
        is_tagged: bool,
    ) -> Sent {
        self.app.made += 1;
        let mut timestamp_ms = TIMESTAMP_MS + self.app.made as i64;
        if self.random.percent(2) {
            // Further away than a batch's 32-bit deltas reach, to both sides.
            timestamp_ms += self.random.pick(&[-5_000_000_000, 3_000_000_000, 9_000_000_000]);
        }
        Sent {
            topic,
            partition,
            key,
            value,
            headers,
            timestamp_ms,
            own_timeout,
            acks: None,
            is_tagged,
            accepted_at: Time::ZERO,
            deadline: Time::NEVER,
            is_tail: false,
            is_direct: None,
            is_cancelled: false,
            report: None,
        }
    }

    /// Sends; a refusal for want of memory is kept to be tried again.
    pub(super) fn send(&mut self, mut sent: Sent, tries: u32) -> bool {
        if self.accumulator.fatal().is_some() {
            // Every call says so from now on: the application gives up.
            self.refused();
            return false;
        }
        let headers: Vec<Header<'_>> =
            sent.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
        let record = Record {
            key: sent.key.as_deref(),
            value: sent.value.as_deref(),
            headers: &headers,
            timestamp_ms: sent.timestamp_ms,
        };
        let index = self.app.sent.len();
        let tag = sent.is_tagged.then_some(Tag::marked(CALLBACK, index));
        let how = Sending { partition: sent.partition, tag, own_timeout: sent.own_timeout, acks: sent.acks };
        let now = self.now;
        let topic = self.app.topics[sent.topic].clone();
        match self.accumulator.append(&topic, &record, &how, &mut None, || now) {
            Ok(placed) => {
                sent.accepted_at = now;
                let timeout = Micros::from_ms(self.plan.config.delivery_timeout_ms);
                sent.deadline = now + sent.own_timeout.unwrap_or(timeout);
                self.note(41, index as u64, 0, || {
                    format!("record {index} to {} {:?} accepted", topic.name(), sent.partition)
                });
                self.app.by_timestamp.insert(sent.timestamp_ms, index);
                if let Some(open) = self.txn.open() {
                    open.records.push(index);
                }
                if let Some(tag) = tag.filter(|_| !sent.is_tail) {
                    self.keep_ticket(index, Ticket::new(&topic, sent.partition, tag, placed));
                }
                self.app.sent.push(sent);
                self.app.placed = Some((topic.id, placed));
                if self.plan.flushes && self.random.percent(3) {
                    self.await_last();
                }
                self.after_application();
                true
            }
            Err(NotAppended::NeedsMemory(wanted)) => {
                let bytes = wanted.bytes;
                self.note(42, bytes as u64, 0, || format!("a record needs {bytes} bytes of memory"));
                let shortage = self.accumulator.memory.shortage(wanted.claim, bytes);
                self.accumulator.tell_shortage(shortage);
                if tries >= TRIES_MAX || self.is_transactional() || bytes > self.accumulator.memory.limit() {
                    self.app.given_up += 1;
                } else {
                    self.app.blocked = Some((sent, tries + 1));
                }
                self.after_application();
                false
            }
            Err(NotAppended::OutOfMemory) => {
                self.app.given_up += 1;
                false
            }
            Err(NotAppended::Refused) => {
                self.app.given_up += 1;
                self.refused();
                false
            }
        }
    }

    /// Somebody waits for the record that was accepted last.
    pub(super) fn await_last(&mut self) {
        if let Some((topic, placed)) = self.app.placed {
            self.note(47, u64::from(topic), 0, || format!("somebody waits for {placed:?}"));
            self.accumulator.hurry(Some(topic), placed);
            self.after_application();
        }
    }

    pub(super) fn flush(&mut self) -> Arc<Completion> {
        self.flush_of(None)
    }

    /// A flush of one topic, or of all.
    pub(super) fn flush_of(&mut self, topic: Option<usize>) -> Arc<Completion> {
        let completion = self.flush_unheard(topic);
        self.after_application();
        completion
    }

    /// A flush whose wake-up is late.
    pub(super) fn flush_unheard(&mut self, topic: Option<usize>) -> Arc<Completion> {
        let completion = Arc::new(Completion::default());
        let before = self.app.sent.len();
        self.note(43, before as u64, topic.map_or(0, |topic| topic as u64 + 1), || format!("flush of {topic:?}"));
        self.app.flushes.push(Flush { completion: completion.clone(), topic, before, complete_at: None });
        let id = topic.map(|topic| self.app.topics[topic].id);
        self.accumulator.inbox.flush(id, Arc::default(), completion.clone());
        completion
    }

    pub(super) fn purge(&mut self, queued: bool, in_flight: bool) {
        self.note(44, queued.into(), in_flight.into(), || format!("purge queued={queued} in_flight={in_flight}"));
        self.app.purged = true;
        self.accumulator.inbox.command(Command::Purge { queued, in_flight, done: Arc::new(Completion::default()) });
        self.after_application();
    }

    pub(super) fn abort(&mut self) {
        self.note(45, 0, 0, || "close: abort".into());
        self.app.is_closed = true;
        if self.plan.telemetry_ms.is_some() {
            self.accumulator.inbox.command(Command::LastPush);
        }
        self.accumulator.inbox.command(Command::Abort);
        self.after_application();
    }

    /// A wake-up that the application caused is on its way.
    pub(super) fn after_application(&mut self) {
        if self.woken.swap(false, std::sync::atomic::Ordering::SeqCst) {
            let delay = self.random.micros(0, 100);
            self.schedule(self.now + delay, Happening::Wake);
        }
    }

    /// Takes every report that is there and notes it at its record.
    pub(super) fn take_reports(&mut self) {
        let reports = self.reports.clone();
        let all = Completion::default();
        reports.complete(&all);
        let mut wrong = Vec::new();
        let mut noted = Vec::new();
        let dispatch = reports.wait_for(&all, None, |item| {
            if let Item::Batch { batch, .. } = item {
                self.app.take(batch, &mut wrong);
                noted.push((batch.status, batch.partition, batch.base_offset, batch.slots.len()));
            }
            if let Item::DataLoss(loss) = item {
                let text = loss.text.to_string_lossy().into_owned();
                if text.contains("-1") {
                    wrong.push(format!("a loss names what is not known: {text}"));
                }
                self.app.losses.push(text);
            }
            Handed::All
        });
        if !noted.is_empty() {
            self.app.last_report_step = self.steps;
        }
        for (status, partition, offset, count) in noted {
            self.note(46, offset as u64, count as u64, || {
                format!("{count} reports: {status:?}, partition {partition}, base offset {offset}")
            });
        }
        if !matches!(dispatch, Dispatch::Done(_)) {
            self.fail(format!("taking reports ended with {dispatch:?}"));
        }
        if let Some(text) = wrong.pop() {
            self.fail(text);
        }
    }
}

impl App {
    /// Whether the record of this timestamp has its report; `None` when it wants none.
    pub(super) fn has_ended(&self, timestamp_ms: i64) -> Option<bool> {
        let sent = self.by_timestamp.get(&timestamp_ms).map(|index| &self.sent[*index])?;
        // The report of a batch that was cut comes with its last part.
        (sent.is_tagged && sent.is_direct.is_none()).then(|| sent.report.is_some())
    }

    fn take(&mut self, batch: &FinishedBatch, wrong: &mut Vec<String>) {
        for slot in &batch.slots {
            let place = self.reports;
            self.reports += 1;
            if slot.callback == DIRECT {
                self.take_direct(batch, slot, place, wrong);
                continue;
            }
            let Some(sent) = self.sent.get_mut(slot.opaque) else {
                wrong.push(format!("a report for record {}, which was never accepted", slot.opaque));
                continue;
            };
            if !sent.is_tagged || sent.is_direct.is_some() || slot.callback != CALLBACK {
                wrong.push(format!("a report for record {}, which wanted none", slot.opaque));
            }
            if sent.report.is_some() {
                wrong.push(format!("record {} has two reports", slot.opaque));
            }
            let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i32);
            if (slot.key_len, slot.value_len) != (len(&sent.key), len(&sent.value)) {
                wrong.push(format!("the report of record {} has another record's lengths", slot.opaque));
            }
            let timestamp_ms = batch.base_timestamp_ms + i64::from(slot.timestamp_delta_ms);
            if timestamp_ms != sent.timestamp_ms {
                let expected = sent.timestamp_ms;
                wrong.push(format!("record {} has timestamp {expected}, its report {timestamp_ms}", slot.opaque));
            }
            let offset =
                if batch.base_offset < 0 { -1 } else { batch.base_offset.saturating_add(slot.offset_delta.into()) };
            sent.report = Some(report_of(batch, offset, place));
        }
    }

    /// One report for the records of a batch that the application filled.
    fn take_direct(&mut self, batch: &FinishedBatch, slot: &Slot, place: usize, wrong: &mut Vec<String>) {
        let first = slot.opaque;
        let Some(count) = self.directs.get(&first).copied() else {
            wrong.push(format!("a report for batch {first}, which was never accepted"));
            return;
        };
        if self.sent[first].timestamp_ms != batch.base_timestamp_ms || slot.offset_delta != 0 {
            wrong.push(format!("the report of batch {first} is not that of its first record"));
        }
        for (at, sent) in self.sent[first..first + count].iter_mut().enumerate() {
            if sent.report.is_some() || !sent.is_tagged {
                wrong.push(format!("batch {first} has two reports, or wanted none"));
            }
            // Parts of it may lie apart.
            let offset = if at == 0 { batch.base_offset } else { -1 };
            sent.report = Some(report_of(batch, offset, place));
        }
    }
}

fn report_of(batch: &FinishedBatch, offset: i64, place: usize) -> Report {
    Report {
        topic: batch.topic.to_string_lossy().into_owned(),
        partition: batch.partition,
        status: batch.status,
        persisted: batch.persisted,
        phase: batch.phase,
        offset,
        finished_at: batch.finished_at,
        attempts: batch.attempts,
        cause: batch.cause.as_ref().map_or_else(String::new, |cause| cause.to_string_lossy().into_owned()),
        place,
    }
}
