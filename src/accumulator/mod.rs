//! Open and sealed batches of every partition: shared by application threads (append) and the I/O thread (take).
//! Passive: it has no thread and decides nothing about sending. Lock order: a topic's parked records, its table or
//! picture for choosing partitions, a partition's queue, then memory, then inbox; never two of a kind.

mod batch;
mod calls;
mod cancel;
mod choice;
mod client_instance;
mod cluster_view;
mod direct;
mod door;
mod fallible;
mod hurry;
mod inbox;
mod kept;
mod memory;
mod metadata;
mod packing;
mod partition;
mod settings;
mod shares;
mod steer;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub use batch::{Batch, BatchBytes, BatchPart, Orphan};
pub use calls::{CallReply, GivenUp, TransactionCall};
pub use cancel::Ticket;
pub use choice::{ANY_PARTITION, NOT_CHOSEN, PartitionPicture, Partitioning, Picture, View};
pub use client_instance::ClientInstance;
pub use cluster_view::{BrokerView, ClusterCell, ClusterView};
pub use direct::{DirectBatch, NotTaken, SendingDirect};
pub use door::Door;
pub use inbox::{Command, Event, Inbox, Letters};
pub use kept::{undelivered_batch, undelivered_parked};
pub use memory::{Memory, Refused, Reservation, Shortage};
pub use metadata::{MetadataReply, Nodes, PartitionDetail, Question, Snapshot, TopicDetail};
pub use packing::{HANDED_BYTES_MIN, Packing, PackingJob, PackingTools};
pub use partition::{NotAppended, Partition, Place, Placed, Wanted};
pub use settings::TopicSettings;
pub use shares::{Claim, Crowd, Holder};
pub use topic::{NO_LEADER, ParkedRecord, TOPIC_NAME_MAX, Tag, Topic, TopicTable, check_topic_name};

use fallible::OutOfMemory;

use crate::config::Config;
use crate::error::{Error, Status};
use crate::partitioner::partition_for_key;
use crate::record::Record;
use crate::reports::Reports;
use crate::stats::{HealthCell, Numbers};
use crate::time::{Micros, Time};

/// Why a parked record does not go to a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpublished {
    /// Its topic has no such partition.
    NoPartition,
    /// The operating system gives no memory for its batch.
    OutOfMemory,
}

/// What a parked record takes of the budget beside its bytes.
const PARKED_OVERHEAD: usize = size_of::<ParkedRecord>();
/// And for each of its headers.
const PARKED_HEADER_OVERHEAD: usize = size_of::<topic::OwnHeader>();

pub struct Accumulator {
    pub memory: Arc<Memory>,
    pub inbox: Inbox,
    pub topics: TopicTable,
    pub reports: Arc<Reports>,
    /// Brokers as last heard of.
    pub cluster: ClusterCell,
    pub numbers: Arc<Numbers>,
    pub health: HealthCell,
    /// The id under which brokers know this client's telemetry.
    pub client_instance: ClientInstance,
    /// Shut between transactions, and for good once something has gone wrong for good.
    pub door: Door,
    /// Why nothing is accepted any more, once something has gone wrong for good.
    fatal: OnceLock<Error>,
    /// Who chooses partitions, and what is known of brokers that are to be avoided.
    pub choosing: choice::Choosing,
    hurried: hurry::Hurried,
    /// Batches that are to be compressed.
    pub packing: Packing,
    /// Most records of a batch that the application fills.
    direct_records_max: u32,
}

/// How one record is sent, beside what is in it.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    /// The partition asked for.
    pub partition: Option<u32>,
    pub tag: Option<Tag>,
    /// Instead of `delivery.timeout.ms`.
    pub own_timeout: Option<Micros>,
    /// Instead of the topic's `acks`: -1 (all), 0 or 1. Records of other acks never share a batch.
    pub acks: Option<i16>,
}

impl Accumulator {
    pub fn new(config: &Config, producer: u64, seed: u64, reports: Arc<Reports>) -> Accumulator {
        let door = Door::default();
        if config.transactional_id.is_some() {
            let text = "the producer has a transactional.id: call producer_init_transactions and \
                        producer_begin_transaction first";
            door.shut(Error::new(Status::STATE, text));
        }
        Accumulator {
            memory: Memory::with_room(config.buffer_memory, reports.room.clone()),
            inbox: Inbox::default(),
            topics: TopicTable::new(producer, seed, config),
            cluster: ClusterCell::default(),
            numbers: reports.numbers().clone(),
            health: HealthCell::default(),
            client_instance: ClientInstance::default(),
            reports,
            door,
            fatal: OnceLock::new(),
            choosing: choice::Choosing::new(config, seed),
            hurried: hurry::Hurried::default(),
            packing: Packing::default(),
            direct_records_max: settings::records_max(config),
        }
    }

    /// Refuses everything from now on; the first cause is kept.
    pub fn fail(&self, status: Status, message: &str) {
        let fatal = self.fatal.get_or_init(|| Error::new(status, message));
        self.door.shut(fatal.clone());
        self.memory.close();
    }

    #[inline]
    pub fn fatal(&self) -> Option<&Error> {
        self.fatal.get()
    }

    /// Appends one record to a batch of its topic, or parks it until the topic's metadata is there. Refuses when the
    /// door is shut, and when memory is needed that is not free: wait for it with `wait_for_memory` and call again with
    /// what that gave.
    #[inline]
    pub fn append(
        &self,
        topic: &Topic,
        record: &Record<'_>,
        how: &Sending,
        held: &mut Option<Reservation>,
        clock: impl Fn() -> Time,
    ) -> Result<Placed, NotAppended> {
        self.append_as(topic, record, how, held, clock)
    }

    /// `append` for who wants to know less.
    #[inline]
    pub fn append_as<P: Place>(
        &self,
        topic: &Topic,
        record: &Record<'_>,
        how: &Sending,
        held: &mut Option<Reservation>,
        clock: impl Fn() -> Time,
    ) -> Result<P, NotAppended> {
        let count = topic.partition_count();
        if how.partition.unwrap_or(0) < count {
            return self.append_known(topic, count, record, how, held, false, clock);
        }
        self.park(topic, record, how, held, clock)
    }

    #[inline]
    #[allow(clippy::too_many_arguments)] // One call from each of two places; a struct would only move the list.
    fn append_known<P: Place>(
        &self,
        topic: &Topic,
        count: u32,
        record: &Record<'_>,
        how: &Sending,
        held: &mut Option<Reservation>,
        forced: bool,
        clock: impl Fn() -> Time,
    ) -> Result<P, NotAppended> {
        let (index, sticky) = match (how.partition, record.key) {
            (Some(index), _) => (index, false),
            _ if !self.choosing.is_plain() => self.choose(topic, count, record, forced, &clock),
            (None, Some(key)) => (partition_for_key(key, count), false),
            (None, None) => {
                let first = |random| self.next_partition(topic, count, random, clock());
                (topic.sticky.current(count, first), true)
            }
        };
        let partition = topic.partition(index).expect("published partitions exist");
        let settings = topic.settings();
        let own_deadline = how.own_timeout.map(|timeout| clock() + timeout);
        let append = partition::Append { shared: self, settings, sending: how, own_deadline, forced };
        let (len, placed) = partition.append(record, &append, held, &clock)?;
        if sticky {
            let switch_after = u32::try_from(settings.fill_size()).unwrap_or(u32::MAX);
            let next = |random| self.next_partition(topic, count, random, clock());
            topic.sticky.add(index, len as u32, switch_after, next);
        }
        Ok(placed)
    }

    #[cold]
    fn park<P: Place>(
        &self,
        topic: &Topic,
        record: &Record<'_>,
        how: &Sending,
        held: &mut Option<Reservation>,
        clock: impl Fn() -> Time,
    ) -> Result<P, NotAppended> {
        let mut how = *how;
        let mut is_unchosen = how.partition.is_none() && self.is_custom();
        let mut was_asked = false;
        let mut parked = topic.parked.lock();
        if is_unchosen && topic.partition_count() == 0 && self.choosable(topic) > 0 {
            // Others are being chosen for: this one must not wait behind them unchosen, or there would be no end of it.
            drop(parked);
            how.partition = self.choose_before_parking(topic, record, &clock);
            (is_unchosen, was_asked) = (false, true);
            parked = topic.parked.lock();
        }
        let count = topic.partition_count();
        if how.partition.unwrap_or(0) < count {
            drop(parked);
            if was_asked && how.partition.is_none() {
                // The application has left the choice to us, and is not asked a second time.
                how.partition = Some(self.choose(topic, count, record, true, &clock).0);
            }
            return self.append_known(topic, count, record, &how, held, false, clock);
        }
        if self.door.is_shut() {
            return Err(NotAppended::Refused);
        }
        let headers = record.headers.len() * PARKED_HEADER_OVERHEAD;
        let charged = PARKED_OVERHEAD + headers + crate::wire::record_batch::record_len_max(record);
        let now = clock();
        let holder = Holder::Parked(topic.id);
        match held.take() {
            Some(reservation) if reservation.covers(charged) => reservation.spend(holder, charged),
            other => {
                *held = other;
                let claim = Claim { holder, leader: NO_LEADER, at: now };
                if !self.memory.try_charge(claim, charged) {
                    return Err(NotAppended::NeedsMemory(Wanted { bytes: charged, claim }));
                }
            }
        }
        let own = ParkedRecord::new(record).and_then(|own| {
            parked.try_reserve(1).map_err(|_| OutOfMemory)?;
            Ok(own)
        });
        let own = own.inspect_err(|OutOfMemory| self.memory.uncharge(holder, charged))?;
        let deadline = now + how.own_timeout.unwrap_or(topic.settings().delivery_timeout());
        // Later deadlines need no word of their own: when the earliest has passed, the sender looks for the next.
        let tells = parked.back().is_none_or(|last| deadline < last.deadline);
        parked.push_back(ParkedRecord {
            partition: how.partition,
            is_unchosen,
            serial: topic.next_serial(),
            tag: how.tag,
            acks: how.acks,
            parked_at: now,
            deadline,
            charged,
            ..own
        });
        if tells {
            self.inbox.tell(Event::Parked { topic: topic.id, deadline }, Time::ZERO);
        }
        Ok(P::parked())
    }

    /// With the door shut: draws the line behind the last batch that was opened before, and behind the last record that
    /// was parked. An append that found the door open may still be under way, but only into a batch before that line:
    /// whoever takes the batch waits for it, under the lock of its partition; or its batch gets no number, and it is
    /// refused. Gives the topics whose records wait for metadata, each with its earliest deadline.
    pub fn settle_appends(&self) -> Vec<(u32, Time)> {
        let _line = self.inbox.next_batch();
        let ids = 0..self.topics.len() as u32;
        ids.filter_map(|id| Some((id, self.parked_since(&self.topics.by_id(id))?.1))).collect()
    }

    /// Waits in line for memory until `deadline`; meanwhile what lingers and holds it is sent.
    pub fn wait_for_memory(&self, wanted: Wanted, deadline: Option<Instant>) -> Result<Reservation, Refused> {
        // Told when this thread stands in line: what others open from then on does not linger.
        self.memory.reserve(wanted.claim, wanted.bytes, deadline, |shortage| self.tell_shortage(shortage))
    }

    /// Waits until `bytes` are free, until `deadline`, and takes none of them.
    pub fn wait_for_room(&self, bytes: usize, deadline: Option<Instant>) -> Result<(), Refused> {
        self.memory.wait_for_room(bytes, deadline, |shortage| self.tell_shortage(shortage))
    }

    /// Has what lingers sent, where it holds what is short.
    pub fn tell_shortage(&self, shortage: Shortage) {
        match shortage {
            Shortage::OfMemory if self.memory.raise_pressure() => self.inbox.tell(Event::Pressure, Time::ZERO),
            Shortage::OfShare { tell: Some(leader) } => self.inbox.tell(Event::Crowded { leader }, Time::ZERO),
            Shortage::OfMemory | Shortage::OfShare { tell: None } => {}
        }
    }

    /// Makes the topic's partitions, numbered by `number`, without letting records in yet.
    pub fn prepare(&self, topic: &Topic, count: u32, number: impl FnMut() -> u32) {
        topic.grow(count, number);
    }

    /// The topic's partitions are known and prepared: parked records go to their batches in order, then sending goes
    /// there directly. Records for partitions that the topic does not have, and those that the system has no memory
    /// for, are given to `refuse`, which may give one of the former back: it stays parked.
    pub fn publish(
        &self,
        topic: &Topic,
        count: u32,
        clock: impl Fn() -> Time,
        mut refuse: impl FnMut(ParkedRecord, Unpublished) -> Option<ParkedRecord>,
    ) {
        let mut parked = topic.parked.lock();
        let mut kept = VecDeque::new();
        while let Some(mut record) = parked.pop_front() {
            if record.partition.unwrap_or(0) >= count {
                let charged = record.charged;
                match refuse(record, Unpublished::NoPartition) {
                    Some(record) => kept.push_back(record),
                    None => self.memory.uncharge(Holder::Parked(topic.id), charged),
                }
                continue;
            }
            if let Some(batch) = &mut record.direct {
                let how = SendingDirect { partition: record.partition, tag: record.tag };
                self.memory.uncharge(Holder::Parked(topic.id), record.charged);
                let until = Some(record.deadline);
                let appended = self.append_direct_known(topic, count, batch, &how, until, &clock);
                debug_assert!(appended.is_ok(), "what is inside already is never refused");
                continue;
            }
            let how = Sending {
                partition: record.partition,
                tag: record.tag,
                own_timeout: Some(record.deadline.since(clock())),
                acks: record.acks,
            };
            let charged = std::mem::take(&mut record.charged);
            self.memory.uncharge(Holder::Parked(topic.id), charged);
            let appended =
                record.with(|fields| self.append_known::<()>(topic, count, fields, &how, &mut None, true, &clock));
            if let Err(why) = appended {
                debug_assert_eq!(why, NotAppended::OutOfMemory, "what is inside already is not refused otherwise");
                let back = refuse(record, Unpublished::OutOfMemory);
                debug_assert!(back.is_none(), "it has no place any more");
            }
        }
        *parked = kept;
        // Most topics never park again.
        parked.shrink_to_fit();
        topic.publish(count);
    }

    /// Takes out parked records: all, or those that have expired at `now`.
    pub fn take_parked(&self, topic: &Topic, now: Option<Time>) -> Vec<ParkedRecord> {
        let mut parked = topic.parked.lock();
        let mut taken = Vec::new();
        parked.retain_mut(|record| {
            let expired = now.is_none_or(|now| record.deadline <= now);
            if expired {
                self.memory.uncharge(Holder::Parked(topic.id), record.charged);
                taken.push(std::mem::take(record));
            }
            !expired
        });
        parked.shrink_to_fit();
        taken
    }

    /// When the first parked record was parked and the earliest deadline among them.
    pub fn parked_since(&self, topic: &Topic) -> Option<(Time, Time)> {
        let parked = topic.parked.lock();
        let first = parked.front()?.parked_at;
        Some((first, parked.iter().map(|record| record.deadline).min()?))
    }
}
