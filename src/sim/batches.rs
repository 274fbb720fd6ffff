//! Batches that the application fills by itself, and records that it takes back.

use crate::accumulator::{Event, NotAppended, NotTaken, SendingDirect, Tag, Ticket};
use crate::record::{Header, Record};
use crate::time::{Micros, Time};

use super::Sim;
use super::driver::Sent;

/// The callback of a batch's one report, whose argument is the first of its records.
pub(super) const DIRECT: usize = 2;

/// A record that may be cancelled.
#[derive(Debug)]
pub(super) struct Held {
    index: usize,
    ticket: Ticket,
}

impl Sim {
    /// Fills a batch and sends it. Without memory it is thrown away: nothing of it is ever sent.
    pub(super) fn send_direct(&mut self) {
        if self.accumulator.fatal().is_some() {
            return;
        }
        let first = self.make_record();
        let (topic, partition) = (first.topic, first.partition);
        let is_tagged = !self.plan.untagged || self.random.percent(70);
        let bytes_max = self.random.pick(&[self.plan.config.batch_size, 400, 1 << 20]);
        let mut batch = self.accumulator.direct_batch(bytes_max.max(61));
        let mut records: Vec<Sent> = Vec::new();
        let mut next = Some(first);
        for _ in 0..self.random.between(1, 12) {
            let made = next.take().unwrap_or_else(|| self.make_record());
            let sent = Sent { topic, partition, own_timeout: None, acks: None, is_tagged, ..made };
            let headers: Vec<Header<'_>> =
                sent.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
            let record = Record {
                key: sent.key.as_deref(),
                value: sent.value.as_deref(),
                headers: &headers,
                timestamp_ms: sent.timestamp_ms,
            };
            match batch.append(&record, &mut None) {
                Ok(place) => {
                    if place as usize != records.len() {
                        self.fail(format!("record {} of a batch got place {place}", records.len()));
                    }
                    records.push(sent);
                }
                Err(NotTaken::NeedsMemory(_)) => {
                    self.tell_pressure();
                    break;
                }
                Err(NotTaken::Full(_) | NotTaken::Counted(_) | NotTaken::Closed | NotTaken::OutOfMemory) => break,
            }
        }
        if records.is_empty() || self.random.percent(5) {
            self.app.given_up += records.len();
            return;
        }
        if self.random.percent(50) {
            batch.close();
        }
        let index = self.app.sent.len();
        let how = SendingDirect { partition, tag: is_tagged.then_some(Tag::marked(DIRECT, index)) };
        let (now, handle) = (self.now, self.app.topics[topic].clone());
        match self.accumulator.append_direct(&handle, &mut batch, &how, &mut None, || now) {
            Ok(_) => self.note_direct(index, records),
            Err(NotAppended::NeedsMemory(_)) => {
                self.app.given_up += records.len();
                self.tell_pressure();
            }
            Err(NotAppended::OutOfMemory) => self.app.given_up += records.len(),
            Err(NotAppended::Refused) => {
                self.app.given_up += records.len();
                self.refused();
            }
        }
        self.after_application();
    }

    fn note_direct(&mut self, index: usize, records: Vec<Sent>) {
        let count = records.len();
        self.note(47, index as u64, count as u64, || {
            format!("records {index} to {} accepted as one batch", index + count - 1)
        });
        let deadline = self.now + Micros::from_ms(self.plan.config.delivery_timeout_ms);
        self.app.directs.insert(index, count);
        for (at, sent) in records.into_iter().enumerate() {
            self.app.by_timestamp.insert(sent.timestamp_ms, index + at);
            if let Some(open) = self.txn.open() {
                open.records.push(index + at);
            }
            let is_direct = Some(at);
            self.app.sent.push(Sent { accepted_at: self.now, deadline, is_direct, ..sent });
        }
    }

    fn tell_pressure(&mut self) {
        if self.accumulator.memory.raise_pressure() {
            self.accumulator.inbox.tell(Event::Pressure, Time::ZERO);
        }
    }

    /// Keeps what names a record that was just accepted, of some of them.
    pub(super) fn keep_ticket(&mut self, index: usize, ticket: Ticket) {
        if self.plan.cancels && self.random.percent(40) {
            self.app.held.push(Held { index, ticket });
        }
    }

    /// Takes one of them back, if that is still to be had.
    pub(super) fn cancel_one(&mut self) {
        if self.app.held.is_empty() {
            return;
        }
        let at = self.random.below(self.app.held.len() as u64) as usize;
        let Held { index, ticket } = self.app.held.swap_remove(at);
        let topic = self.app.topics[self.app.sent[index].topic].clone();
        let is_out = self.accumulator.cancel(&topic, &ticket, self.now, || true);
        self.note(48, index as u64, is_out.into(), || format!("record {index} is cancelled: {is_out}"));
        let is_finished = self.app.sent[index].report.is_some();
        if is_out && is_finished {
            self.fail(format!("record {index} is cancelled, and had its report before"));
        }
        self.app.sent[index].is_cancelled |= is_out;
        self.after_application();
    }
}
