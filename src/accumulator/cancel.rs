//! Taking back a record that the sender has not taken. It loses its slot at once, under the lock of its partition, so that
//! either it is out or the sender has it; its bytes are cut out when the batch is taken, once for all that were cancelled.

use super::Accumulator;
use super::batch::{Batch, OpenBatch};
use super::inbox::Event;
use super::partition::{Partition, Placed};
use super::shares::Holder;
use super::topic::{Tag, Topic};
use crate::error::Status;
use crate::reports::{FinishedBatch, Persisted, Phase, Slot};
use crate::time::Time;

/// Where an accepted record was put, and who hears of it: by that it is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The partition, where it is known: a record that was parked without one may be in any.
    pub partition: Option<u32>,
    /// Its batch, where it is known.
    pub batch: Option<u64>,
    pub tag: Tag,
}

impl Ticket {
    /// Of a record that was sent to `asked_for` with this tag.
    pub fn new(topic: &Topic, asked_for: Option<u32>, tag: Tag, placed: Placed) -> Ticket {
        match placed {
            Placed::Parked => Ticket { partition: asked_for, batch: None, tag },
            Placed::InBatch { partition: dense, batch, .. } => {
                // Not what was asked for: an interceptor may have sent it elsewhere, and then there is none here.
                let partition = topic.index_of(dense);
                Ticket { partition, batch: Some(batch), tag }
            }
        }
    }

    fn is_of(&self, slot: &Slot) -> bool {
        (slot.callback, slot.opaque) == (self.tag.callback(), self.tag.opaque)
    }
}

/// What is cancelled, for its report.
struct Cancelled {
    slot: Slot,
    partition: i32,
    phase: Phase,
    base_timestamp_ms: i64,
    opened_at: Time,
}

impl Accumulator {
    /// Takes the record out and pushes its report; false when the sender has it, or it is finished. `is_it` is asked, under
    /// the lock, whether what was found is still the record that is meant, because tags may be used again.
    pub fn cancel(&self, topic: &Topic, ticket: &Ticket, now: Time, is_it: impl Fn() -> bool) -> bool {
        if ticket.batch.is_none() && self.cancel_parked(topic, ticket, now, &is_it) {
            return true;
        }
        // Parked records that got their batches are all in them before the count is published.
        let indexes = match ticket.partition {
            Some(index) => index..index.saturating_add(1),
            None => 0..topic.partition_count(),
        };
        indexes
            .filter_map(|index| topic.partition(index))
            .any(|partition| self.cancel_in(topic, partition, ticket, now, &is_it))
    }

    fn cancel_parked(&self, topic: &Topic, ticket: &Ticket, now: Time, is_it: &impl Fn() -> bool) -> bool {
        let mut parked = topic.parked.lock();
        let Some(at) = parked.iter().position(|record| record.tag == Some(ticket.tag)) else { return false };
        if !is_it() {
            return false;
        }
        let Some(record) = parked.remove(at) else { return false };
        self.memory.uncharge(Holder::Parked(topic.id), record.charged);
        if let Some(slot) = record.slot() {
            self.push_cancelled(
                topic,
                now,
                Cancelled {
                    slot,
                    partition: record.partition.map_or(-1, |partition| partition as i32),
                    phase: Phase::Metadata,
                    base_timestamp_ms: record.timestamp_ms,
                    opened_at: record.parked_at,
                },
            );
        }
        if parked.is_empty() {
            self.inbox.tell(Event::Unparked { topic: topic.id }, Time::ZERO);
        }
        true
    }

    fn cancel_in(
        &self,
        topic: &Topic,
        partition: &Partition,
        ticket: &Ticket,
        now: Time,
        is_it: &impl Fn() -> bool,
    ) -> bool {
        let mut queue = partition.queue.lock();
        let wanted = |batch: u64| ticket.batch.is_none_or(|known| known == batch);
        let mut found = None;
        for (at, batch) in queue.sealed.iter_mut().enumerate().filter(|(_, batch)| wanted(batch.id)) {
            if let Some(place) = batch.slots.iter().position(|slot| ticket.is_of(slot))
                && is_it()
            {
                found = Some((batch.take_out(place, partition.index), Some(at)));
                break;
            }
        }
        if found.is_none()
            && let Some(open) = queue.open.as_mut().filter(|open| wanted(open.id))
            && let Some(place) = open.slots.iter().position(|slot| ticket.is_of(slot))
            && is_it()
        {
            found = Some((open.take_out(place, partition.index), None));
        }
        let Some((cancelled, at)) = found else { return false };
        // Before anybody can see that it is gone: a flush that began before waits for this report.
        self.push_cancelled(topic, now, cancelled);
        let mut is_first_gone = false;
        let emptied = match at {
            Some(at) if queue.sealed[at].is_cancelled() => queue.sealed.remove(at).map(|mut batch| {
                queue.sealed_bytes = queue.sealed_bytes.saturating_sub(batch.len());
                // Nothing is in them; what they took of the budget goes back.
                batch.take_slots();
                is_first_gone = at == 0;
                batch.id
            }),
            None if queue.open.as_ref().is_some_and(OpenBatch::is_cancelled) => queue.open.take().map(|open| {
                let id = open.id;
                open.release(Holder::Partition(partition.id), &self.memory);
                id
            }),
            _ => None,
        };
        partition.publish_sealed(&queue);
        // What is behind it was not told of, or too early: a batch that was compressed, an open one that has lingered.
        let may_go = is_first_gone && queue.sealed.front().map_or(queue.open.is_some(), Batch::is_ready);
        if may_go {
            self.inbox.tell(Event::Sealed { partition: partition.id }, Time::ZERO);
        }
        if let Some(batch) = emptied {
            self.inbox.tell(Event::Emptied { partition: partition.id, batch }, Time::ZERO);
        }
        true
    }

    fn push_cancelled(&self, topic: &Topic, now: Time, cancelled: Cancelled) {
        self.numbers.cancelled(&topic.numbers);
        self.reports.push(FinishedBatch {
            topic: topic.c_name().clone(),
            partition: cancelled.partition,
            status: Status::CANCELLED,
            persisted: Persisted::No,
            phase: cancelled.phase,
            base_offset: -1,
            base_timestamp_ms: cancelled.base_timestamp_ms,
            log_append_time_ms: None,
            broker: -1,
            attempts: 0,
            opened_at: cancelled.opened_at,
            finished_at: now,
            cause: Some(c"cancelled by the application before it was sent".into()),
            record_causes: Vec::new(),
            slots: vec![cancelled.slot],
            rich: Vec::new(),
            undelivered: None,
        });
    }
}

/// Open and sealed batches lose a record in the same way; they share its fields, not a type.
macro_rules! cancelling {
    ($batch:ty) => {
        impl $batch {
            fn take_out(&mut self, place: usize, partition: i32) -> Cancelled {
                let slot = self.slots.remove(place);
                self.cancelled.push(slot.offset_delta);
                Cancelled {
                    slot,
                    partition,
                    phase: Phase::Queued,
                    base_timestamp_ms: self.base_timestamp_ms,
                    opened_at: self.opened_at,
                }
            }

            /// Whether nothing is left of it.
            fn is_cancelled(&self) -> bool {
                self.cancelled.len() == self.count as usize
            }
        }
    };
}

cancelling!(Batch);
cancelling!(OpenBatch);

#[cfg(test)]
mod tests;
