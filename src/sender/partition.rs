//! One partition's taken batches in order: what waits to be sent again and whether anything may be sent now.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::sync::Arc;

use super::identity::Identity;
use super::sequence::{SequenceBreak, Sequences, Stamp};
use crate::accumulator::{Batch, BatchPart, NO_LEADER, Partition, Topic};
use crate::time::{Micros, Time};

/// A batch that the sender took, with what happened to it so far.
#[derive(Debug)]
pub struct Taken {
    pub batch: Batch,
    /// Of a part of a batch that was cut: the place of its first record in the whole.
    pub first_record: u32,
    /// Times that it was handed to a connection.
    pub attempts: u32,
    /// Retries that count against `retries`, and those of reasons that allow few.
    pub counted_retries: u32,
    pub limited_retries: u32,
    /// An attempt ended without a definite answer: the records may be in the log.
    pub in_doubt: bool,
    /// A broker may have seen it, or has answered for it: its sequence numbers are used up.
    pub reached_broker: bool,
    /// Its place in the partition's sequence, with idempotence.
    pub number: Option<Stamp>,
    /// Header and CRC are written: nothing changes the bytes any more until a broker has definitely refused them.
    pub stamped: bool,
    /// The broker of the last attempt, and the leader epoch under which it was asked.
    pub broker: i32,
    pub leader_epoch: i32,
    /// Why the last attempt failed, in words.
    pub cause: Option<Arc<CStr>>,
}

impl Taken {
    pub fn new(batch: Batch) -> Taken {
        Taken {
            batch,
            first_record: 0,
            attempts: 0,
            counted_retries: 0,
            limited_retries: 0,
            in_doubt: false,
            reached_broker: false,
            number: None,
            stamped: false,
            broker: NO_LEADER,
            leader_epoch: -1,
            cause: None,
        }
    }

    /// It is certainly in no log, and gets new numbers when it is sent again.
    pub fn forget_number(&mut self) {
        self.number = None;
        self.stamped = false;
        self.reached_broker = false;
    }

    /// Its place among everything accepted for the partition.
    pub fn place(&self) -> (u64, u32) {
        (self.batch.id, self.first_record)
    }

    /// The batch in parts of at most `max_bytes`.
    pub fn split(self, max_bytes: usize) -> Vec<Taken> {
        self.parts(|batch| batch.split(max_bytes)).into_iter().map(|(_, part)| part).collect()
    }

    /// The records by the group that their place in the batch has, and the groups' numbers.
    pub fn separate(self, group_of: impl Fn(u32) -> usize) -> Vec<(usize, Taken)> {
        self.parts(|batch| batch.separate(group_of))
    }

    /// What it is cut into: parts share its history, not its bytes.
    fn parts(self, cut: impl FnOnce(Batch) -> Vec<BatchPart>) -> Vec<(usize, Taken)> {
        let Taken {
            batch,
            first_record: before,
            attempts,
            counted_retries,
            in_doubt,
            reached_broker,
            broker,
            leader_epoch,
            cause,
            ..
        } = self;
        let part = |BatchPart { group, first_record, batch }| {
            let taken = Taken {
                batch,
                first_record: before + first_record,
                attempts,
                counted_retries,
                limited_retries: 0,
                in_doubt,
                reached_broker,
                number: None,
                stamped: false,
                broker,
                leader_epoch,
                cause: cause.clone(),
            };
            (group, taken)
        };
        cut(batch).into_iter().map(part).collect()
    }
}

/// A broker that acknowledged nothing for so long may have forgotten the producer: one batch goes first again. Brokers
/// keep producers for a day unless they are configured otherwise.
const RAMP_KEEPS: Micros = Micros::from_ms(300_000);

/// Where and as whom a partition has been served: a leader, its epoch, and our producer epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ramp {
    pub leader: i32,
    pub leader_epoch: i32,
    pub identity: Option<Identity>,
}

/// The sender's side of a partition. It lives as long as the producer, whatever metadata says meanwhile: a topic that
/// comes back goes on with its sequences (R9).
pub struct PartitionState {
    pub topic: Arc<Topic>,
    pub index: u32,
    pub leader: i32,
    pub leader_epoch: i32,
    /// Batches to be sent again, oldest first; always before anything new.
    pub retries: VecDeque<Taken>,
    /// Batches that were written and have no outcome yet, and the broker they went to.
    pub in_flight: usize,
    pub sent_to: i32,
    /// With which acks they went: all with the same.
    pub acks_in_flight: i16,
    /// What is in flight is a batch that is sent again: it goes alone (R8).
    pub retry_in_flight: bool,
    pub sequences: Sequences,
    /// The last offset that was acknowledged; -1 when none is known.
    pub acked_offset: i64,
    /// Who has acknowledged a batch under the current conditions. Until then one batch at a time goes out: a broker
    /// that knows nothing of the producer takes any first sequence, also that of the second batch (R6).
    pub ramp: Option<Ramp>,
    /// When that was: brokers forget producers that are idle (`producer.id.expiration.ms`).
    pub ramp_at: Time,
    /// The broker in whose ready list this partition stands.
    pub queued_on: Option<i32>,
    /// The earliest entry for this partition among those that linger: later batches look for theirs when it has come.
    pub linger_armed: Time,
    /// Batches with a smaller number do not linger: somebody waits for them, or for the memory that they hold, or
    /// flushes their topic.
    pub hurry_before: u64,
    /// Back-off: nothing is sent before.
    pub muted_until: Time,
    /// When the deadline timer was armed for.
    pub deadline_armed: Time,
}

impl PartitionState {
    pub fn new(topic: Arc<Topic>, index: u32) -> PartitionState {
        PartitionState {
            topic,
            index,
            leader: NO_LEADER,
            leader_epoch: -1,
            retries: VecDeque::new(),
            in_flight: 0,
            sent_to: NO_LEADER,
            acks_in_flight: -1,
            retry_in_flight: false,
            sequences: Sequences::default(),
            acked_offset: -1,
            ramp: None,
            ramp_at: Time::ZERO,
            queued_on: None,
            linger_armed: Time::NEVER,
            hurry_before: 0,
            muted_until: Time::ZERO,
            deadline_armed: Time::NEVER,
        }
    }

    /// The topic was made again: its leaders' epochs begin anew, and so do our sequences, under a new producer epoch.
    /// What may be in the log of the former one is reported as such.
    pub fn begin_again(&mut self, is_transactional: bool) {
        self.leader_epoch = -1;
        self.ramp = None;
        self.acked_offset = -1;
        self.sequences.break_off(SequenceBreak::TopicMadeAgain);
        // Its brokers know nothing of the sequences so far. In a transaction that is for the coordinator to sort out:
        // the broker's refusal costs the transaction.
        if !is_transactional {
            self.sequences.refuse();
        }
    }

    /// The topic is not in use any more; its sequences stay.
    pub fn forget_leader(&mut self) {
        (self.leader, self.leader_epoch) = (NO_LEADER, -1);
        self.shared().set_leader(NO_LEADER);
        self.retries.shrink_to_fit();
    }

    /// The shared half, where application threads append.
    pub fn shared(&self) -> &Partition {
        self.topic.partition(self.index).expect("published partitions exist")
    }

    /// Whether anything is left to be sent, now or later.
    pub fn has_any(&self) -> bool {
        !self.retries.is_empty() || !self.shared().is_empty()
    }

    pub fn label(&self) -> String {
        format!("{} [{}]", self.topic.name(), self.index)
    }

    /// Whether a batch may go to the leader now. While batches are being retried they go one at a time, after
    /// everything in flight has its outcome; and nothing goes to a new leader before the old one has answered. With
    /// idempotence the window and the ramp (R5 to R8) add to that.
    pub fn may_send(&self, now: Time, idempotent: bool) -> bool {
        if self.leader == NO_LEADER || now < self.muted_until {
            return false;
        }
        if self.in_flight == 0 {
            return true;
        }
        self.retries.is_empty() && self.sent_to == self.leader && (!idempotent || self.may_pipeline(now))
    }

    /// Whether one more batch may follow those in flight.
    fn may_pipeline(&self, now: Time) -> bool {
        if now.since(self.ramp_at) >= RAMP_KEEPS {
            return false;
        }
        let identity = self.sequences.identity();
        let here = Ramp { leader: self.leader, leader_epoch: self.leader_epoch, identity };
        self.ramp == Some(here) && !self.retry_in_flight && self.sequences.has_room() && !self.sequences.has_hole()
    }

    /// An attempt of a batch ended well: its leader knows our sequences.
    pub fn note_success(&mut self, now: Time, taken: &Taken) {
        self.ramp_at = now;
        if self.sent_to == taken.broker {
            let identity = taken.number.map(|number| number.identity);
            self.ramp = Some(Ramp { leader: taken.broker, leader_epoch: taken.leader_epoch, identity });
        }
    }

    /// Puts a batch, or a part of one, back in front of everything behind it.
    pub fn push_retry(&mut self, taken: Taken) {
        let at = self.retries.partition_point(|other| other.place() < taken.place());
        self.retries.insert(at, taken);
    }
}
