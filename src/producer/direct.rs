//! Batches that the application fills by itself, and records that it takes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue_full::out_of_memory;
use super::{Producer, closed};
use crate::accumulator::{
    Accumulator, DirectBatch, NotAppended, NotTaken, Placed, Refused, Reservation, SendingDirect, Tag, Ticket, Topic,
    Wanted,
};
use crate::error::{Error, Result, Status};
use crate::io::Clock;
use crate::record::Record;
use crate::reports::{RICH, RichTag};
use crate::sync::Mutex;
use crate::wire::record_batch::{HEADER_LEN, record_body_len, record_len, record_len_max};

/// A batch in the application's hands. It may outlive its producer, and then takes nothing any more. One thread at a
/// time is meant to use it; the lock keeps those that do otherwise from harm.
pub struct ProducerBatch {
    producer: u64,
    accumulator: Arc<Accumulator>,
    clock: Clock,
    max_request_size: usize,
    max_block_ms: u64,
    bytes_max: usize,
    batch: Mutex<DirectBatch>,
}

/// What names a record that was sent with `send_ticketed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentTicket {
    /// Of the topic.
    pub topic: u32,
    /// No other record of the producer has it.
    pub number: u64,
    pub place: Ticket,
}

impl ProducerBatch {
    /// Appends a record; answers its place. Waits up to `max.block.ms` when `buffer.memory` is full.
    pub fn append(&self, record: &Record<'_>) -> Result<u32> {
        self.check_open()?;
        if record_len_max(record) > self.max_request_size - HEADER_LEN {
            self.check_size(record)?;
        }
        let mut held = None;
        let mut deadline = None;
        loop {
            let taken = self.batch.lock().append(record, &mut held);
            let wanted = match taken {
                Ok(place) => return Ok(place),
                Err(NotTaken::NeedsMemory(wanted)) => wanted,
                Err(NotTaken::OutOfMemory) => return Err(out_of_memory(self.accumulator.memory.limit())),
                Err(NotTaken::Closed) => {
                    let text = "the batch is closed: nothing is appended any more; send it and begin another";
                    return Err(Error::new(Status::BATCH_FULL, text));
                }
                Err(NotTaken::Counted(most)) => {
                    let text = format!(
                        "the batch has {most} records, and batch.num.messages allows no more; send it and begin another"
                    );
                    return Err(Error::new(Status::BATCH_FULL, text));
                }
                Err(NotTaken::Full(left)) => {
                    let text = format!(
                        "the record does not fit: {left} bytes are left of {} (batch.size, or max.request.size where that is \
                         less); send the batch and begin another",
                        self.bytes_max
                    );
                    return Err(Error::new(Status::BATCH_FULL, text));
                }
            };
            drop(held.take());
            let until =
                *deadline.get_or_insert_with(|| Instant::now().checked_add(Duration::from_millis(self.max_block_ms)));
            held = Some(self.reserve(wanted, until)?);
        }
    }

    fn reserve(&self, wanted: Wanted, deadline: Option<Instant>) -> Result<Reservation> {
        let bytes = wanted.bytes;
        let limit = self.accumulator.memory.limit();
        if bytes > limit {
            let text = format!("the record needs {bytes} bytes of buffer.memory, which is {limit} bytes in all");
            return Err(Error::new(Status::RECORD_TOO_LARGE, text));
        }
        self.accumulator.wait_for_memory(wanted, deadline).map_err(|why| match why {
            Refused::Closed => self.check_open().err().unwrap_or_else(closed),
            // It has no share of its own yet.
            Refused::Full | Refused::Crowded(_) => {
                let text = format!(
                    "buffer.memory={limit} stayed full for max.block.ms={} ms; the batch is as it was, nothing of the record \
                     is sent: send batches that are kept, or wait for reports",
                    self.max_block_ms
                );
                Error::new(Status::QUEUE_FULL, text)
            }
        })
    }

    /// Why nothing is taken any more, if so.
    fn check_open(&self) -> Result<()> {
        match self.accumulator.fatal() {
            Some(fatal) => Err(fatal.clone()),
            None if self.accumulator.memory.is_closed() => Err(closed()),
            None => Ok(()),
        }
    }

    fn check_size(&self, record: &Record<'_>) -> Result<()> {
        let most = record_len_max(record);
        let exact = match i32::try_from(most) {
            Ok(_) => record_len(record_body_len(0, 0, record)) + HEADER_LEN,
            Err(_) => most,
        };
        if exact <= self.max_request_size {
            return Ok(());
        }
        let text =
            format!("a record of {exact} bytes is larger than max.request.size={}; raise it", self.max_request_size);
        Err(Error::new(Status::RECORD_TOO_LARGE, text))
    }

    /// Milliseconds since 1970: what records without a timestamp of their own get.
    pub fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    pub fn count(&self) -> u32 {
        self.batch.lock().count()
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.batch.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Nothing is appended any more, by nobody.
    pub fn close(&self) -> Result<()> {
        self.check_open()?;
        self.batch.lock().close();
        Ok(())
    }
}

impl Producer {
    pub fn new_batch(&self) -> Result<ProducerBatch> {
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        let bytes_max = self.config.batch_size.clamp(HEADER_LEN, self.max_request_size.max(HEADER_LEN));
        Ok(ProducerBatch {
            producer: self.id,
            accumulator: self.accumulator.clone(),
            clock: self.clock,
            max_request_size: self.max_request_size,
            max_block_ms: self.max_block_ms,
            bytes_max,
            batch: Mutex::new(self.accumulator.direct_batch(bytes_max)),
        })
    }

    /// Sends the batch, which is empty afterwards; when that is refused it is as it was. `tag`: who gets the one
    /// report.
    pub fn send_batch(
        &self,
        batch: &ProducerBatch,
        topic: &Topic,
        partition: Option<u32>,
        tag: Option<Tag>,
    ) -> Result<Placed> {
        if batch.producer != self.id {
            let text =
                "the batch is another producer's: it counts against that one's buffer.memory, which has to send it";
            return Err(Error::new(Status::INVALID_ARGUMENT, text));
        }
        if tag.is_some() && self.reports.is_full() {
            return Err(self.reports_not_taken());
        }
        let mut direct = batch.batch.lock();
        if direct.is_empty() {
            let text = "the batch is empty, or was sent: append a record with producer_batch_append first";
            return Err(Error::new(Status::INVALID_ARGUMENT, text));
        }
        let key = tag.map(|tag| {
            let (callback, opaque, count) = (tag.callback(), tag.opaque, direct.count());
            self.reports.rich.insert(RichTag::Direct { callback, opaque, count })
        });
        let how = SendingDirect { partition, tag: key.map(|key| Tag::marked(RICH, key)) };
        let deadline = self.deadline(self.max_block_ms);
        let mut held = None;
        let placed = loop {
            match self.accumulator.append_direct(topic, &mut direct, &how, &mut held, || self.clock.now()) {
                Ok(placed) => break Ok(placed),
                Err(NotAppended::NeedsMemory(wanted)) => {
                    drop(held.take());
                    match self.reserve(topic, wanted, deadline) {
                        Ok(reservation) => held = Some(reservation),
                        Err(why) => break Err(why),
                    }
                }
                Err(NotAppended::OutOfMemory) => break Err(out_of_memory(self.accumulator.memory.limit())),
                Err(NotAppended::Refused) => {
                    // Without a cause it was opened meanwhile.
                    if let Some(why) = self.accumulator.fatal().cloned().or_else(|| self.accumulator.door.why()) {
                        break Err(why);
                    }
                }
            }
        };
        if placed.is_err()
            && let Some(key) = key
        {
            self.reports.rich.take(key);
        }
        placed
    }

    /// Sends a record that can be cancelled as long as it is here: `send` sends it with the tag that it is given.
    /// `callback` is 0 for none.
    pub fn send_ticketed(
        &self,
        topic: &Topic,
        partition: Option<u32>,
        callback: usize,
        opaque: usize,
        send: impl FnOnce(Tag) -> Result<Placed>,
    ) -> Result<SentTicket> {
        let number = self.reports.rich.next_ticket();
        let key = self.reports.rich.insert(RichTag::Ticketed { ticket: number, callback, opaque });
        let tag = Tag::marked(RICH, key);
        match send(tag) {
            Ok(placed) => Ok(SentTicket { topic: topic.id, number, place: Ticket::new(topic, partition, tag, placed) }),
            Err(why) => {
                self.reports.rich.take(key);
                Err(why)
            }
        }
    }

    /// Takes the record out of what is not sent yet: its report says CANCELLED. TOO_LATE when it is on its way or
    /// finished. `elsewhere`: it may have gone to another topic than the one that it was given for.
    pub fn cancel(&self, ticket: &SentTicket, elsewhere: bool) -> Result<()> {
        if ticket.topic as usize >= self.accumulator.topics.len() || ticket.place.tag.callback() != RICH {
            let text = "the ticket is not one that producer_send_cancellable of this producer has filled in";
            return Err(Error::new(Status::INVALID_ARGUMENT, text));
        }
        let topic = self.accumulator.topics.by_id(ticket.topic);
        let is_it = || self.reports.rich.is_ticket(ticket.place.tag.opaque, ticket.number);
        // A look at what is left of it costs less than searching for what is gone.
        if is_it() {
            let now = self.clock.now();
            let others = if elsewhere { 0..self.accumulator.topics.len() as u32 } else { 0..0 };
            let others = others.filter(|id| *id != topic.id).map(|id| self.accumulator.topics.by_id(id));
            let anywhere = Ticket { partition: None, ..ticket.place };
            if self.accumulator.cancel(&topic, &ticket.place, now, is_it)
                || others.into_iter().any(|other| self.accumulator.cancel(&other, &anywhere, now, is_it))
            {
                return Ok(());
            }
        }
        let text = format!(
            "the record to topic '{}' is on its way to a broker, or finished: its report says what became of it",
            topic.name()
        );
        Err(Error::new(Status::TOO_LATE, text))
    }
}
