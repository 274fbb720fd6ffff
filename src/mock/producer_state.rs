//! What a partition's leader remembers of the producers that wrote to it: epoch, last five batches, open transaction. It follows
//! from the log, so after a truncation it is read from what is left.
//!
//! Kafka's rules are those of its `ProducerStateManager` and `ProducerAppendInfo`.

use std::collections::{BTreeMap, VecDeque};

use super::batch_decode::BatchHeader;
use super::code;

/// Kafka recognises a retry among that many batches per producer id, and no further back.
const BATCHES_KEPT: usize = 5;
/// The epoch of a producer id that is not known.
const NO_EPOCH: i16 = -1;

/// What a broker makes of a producer id that the partition knows nothing of and whose first sequence is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownProducer {
    /// Kafka 2.5 to 4.4: any sequence is accepted, so a gap before it goes unnoticed (KAFKA-15591).
    #[default]
    Accept,
    /// Newer brokers: OUT_OF_ORDER_SEQUENCE_NUMBER until it begins at 0.
    MustStartAtZero,
    /// Kafka 2.4 and older: UNKNOWN_PRODUCER_ID, with the log's start offset. Retention takes the state along with the records.
    Refuse,
}

#[derive(Clone, Copy, Debug)]
struct SeenBatch {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    timestamp_ms: i64,
}

#[derive(Debug)]
struct ProducerEntry {
    epoch: i16,
    batches: VecDeque<SeenBatch>,
    /// The end of the last batch or marker.
    last_offset: i64,
    /// The first offset of the transaction that is open here.
    open_since: Option<i64>,
}

impl Default for ProducerEntry {
    fn default() -> ProducerEntry {
        ProducerEntry { epoch: NO_EPOCH, batches: VecDeque::new(), last_offset: -1, open_since: None }
    }
}

impl ProducerEntry {
    fn adopt(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }
}

/// A partition that a transaction wants to write to and whose coordinator has not agreed yet.
#[derive(Clone, Copy, Debug)]
struct Verification {
    epoch: i16,
    /// A later sequence has to wait, or the batch before it could never come.
    lowest_sequence: i32,
    /// The coordinator bumps the epoch with each transaction.
    bumps_epochs: bool,
}

/// One aborted transaction of a partition, as Fetch tells it to consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aborted {
    pub(super) producer_id: i64,
    pub(super) first_offset: i64,
    /// The abort marker's offset.
    pub(super) last_offset: i64,
}

/// What becomes of a batch that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    /// It is in the log already.
    Duplicate {
        base_offset: i64,
        timestamp_ms: i64,
    },
}

#[derive(Default)]
pub(super) struct ProducerStates {
    entries: BTreeMap<i64, ProducerEntry>,
    verifications: BTreeMap<i64, Verification>,
    /// In the order of their markers.
    aborted: Vec<Aborted>,
}

pub(super) fn next_sequence(sequence: i32, count: i32) -> i32 {
    // 2147483647 is followed by 0.
    sequence.wrapping_add(count) & i32::MAX
}

impl ProducerStates {
    /// Judges a batch from a client against what is known of its producer.
    pub(super) fn check(&self, header: &BatchHeader, unknown: UnknownProducer) -> Result<Verdict, i16> {
        if header.producer_id < 0 {
            return Ok(Verdict::Append);
        }
        let fresh = ProducerEntry::default();
        let entry = self.entries.get(&header.producer_id).unwrap_or(&fresh);
        let last_sequence = next_sequence(header.base_sequence, header.last_offset_delta);
        if header.producer_epoch == entry.epoch {
            // Only the exact range counts: a batch cut anew after a lost answer is no duplicate.
            let same =
                |seen: &&SeenBatch| seen.first_sequence == header.base_sequence && seen.last_sequence == last_sequence;
            if let Some(seen) = entry.batches.iter().find(same) {
                return Ok(Verdict::Duplicate { base_offset: seen.base_offset, timestamp_ms: seen.timestamp_ms });
            }
        }
        if header.producer_epoch < entry.epoch {
            // Not PRODUCER_FENCED, since Kafka 2.7: a transactional producer may still abort (KIP-588).
            return Err(code::INVALID_PRODUCER_EPOCH);
        }
        self.check_sequence(header, entry, unknown)?;
        if entry.open_since.is_some() && !header.is_transactional() {
            return Err(code::INVALID_TXN_STATE);
        }
        Ok(Verdict::Append)
    }

    fn check_sequence(&self, header: &BatchHeader, entry: &ProducerEntry, unknown: UnknownProducer) -> Result<(), i16> {
        let sequence = header.base_sequence;
        if let Some(pending) = self.verifications.get(&header.producer_id) {
            let must_be_first = pending.bumps_epochs && entry.batches.is_empty() && sequence != 0;
            if must_be_first || sequence > pending.lowest_sequence {
                return Err(code::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
        }
        if entry.epoch == NO_EPOCH {
            return match unknown {
                _ if sequence == 0 => Ok(()),
                UnknownProducer::Accept => Ok(()),
                UnknownProducer::MustStartAtZero => Err(code::OUT_OF_ORDER_SEQUENCE_NUMBER),
                UnknownProducer::Refuse => Err(code::UNKNOWN_PRODUCER_ID),
            };
        }
        // After a marker that brought the epoch, no batch of it is known, and 0 follows -1.
        let last_sequence = entry.batches.back().filter(|_| header.producer_epoch == entry.epoch);
        let expected = last_sequence.map_or(0, |seen| next_sequence(seen.last_sequence, 1));
        if sequence == expected { Ok(()) } else { Err(code::OUT_OF_ORDER_SEQUENCE_NUMBER) }
    }

    /// Notes a batch that went into the log at `base_offset`.
    pub(super) fn appended(&mut self, header: &BatchHeader, base_offset: i64, timestamp_ms: i64) {
        if header.producer_id < 0 {
            return;
        }
        self.verifications.remove(&header.producer_id);
        let entry = self.entries.entry(header.producer_id).or_default();
        entry.adopt(header.producer_epoch);
        if entry.batches.len() == BATCHES_KEPT {
            entry.batches.pop_front();
        }
        entry.batches.push_back(SeenBatch {
            first_sequence: header.base_sequence,
            last_sequence: next_sequence(header.base_sequence, header.last_offset_delta),
            base_offset,
            timestamp_ms,
        });
        entry.last_offset = base_offset + i64::from(header.last_offset_delta);
        if header.is_transactional() {
            entry.open_since.get_or_insert(base_offset);
        }
    }

    /// Notes an end marker that went into the log at `offset`.
    pub(super) fn marked(&mut self, producer_id: i64, epoch: i16, offset: i64, is_commit: bool) {
        self.verifications.remove(&producer_id);
        let entry = self.entries.entry(producer_id).or_default();
        entry.adopt(epoch);
        entry.last_offset = offset;
        // A marker without records before it ends nothing that a consumer could have seen.
        if let Some(first_offset) = entry.open_since.take().filter(|_| !is_commit) {
            self.aborted.push(Aborted { producer_id, first_offset, last_offset: offset });
        }
    }

    /// Whether the producer has a transaction open here under this epoch; then its coordinator has agreed.
    pub(super) fn has_open_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        self.entries.get(&producer_id).is_some_and(|entry| entry.open_since.is_some() && entry.epoch == epoch)
    }

    /// Whether a newer epoch of this producer was seen here.
    pub(super) fn is_older_epoch(&self, producer_id: i64, epoch: i16) -> bool {
        self.entries.get(&producer_id).is_some_and(|entry| epoch < entry.epoch)
    }

    /// Notes that a batch is about to open a transaction here, whether its coordinator agrees or not.
    pub(super) fn verifying(&mut self, header: &BatchHeader, bumps_epochs: bool) {
        let (epoch, sequence) = (header.producer_epoch, header.base_sequence);
        let fresh = Verification { epoch, lowest_sequence: sequence, bumps_epochs };
        let pending = self.verifications.entry(header.producer_id).or_insert(fresh);
        if epoch > pending.epoch {
            *pending = fresh;
        } else if epoch == pending.epoch {
            pending.lowest_sequence = pending.lowest_sequence.min(sequence);
        }
        pending.bumps_epochs = bumps_epochs;
    }

    /// The offset below which every transaction is decided; `None` while none is open.
    pub(super) fn first_open_offset(&self) -> Option<i64> {
        self.entries.values().filter_map(|entry| entry.open_since).min()
    }

    /// The aborted transactions with records in this range of offsets.
    pub(super) fn aborted_between(&self, from: i64, until: i64) -> impl Iterator<Item = Aborted> {
        let first = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        self.aborted[first..].iter().copied().filter(move |aborted| aborted.first_offset < until)
    }

    /// Forgets one producer, as Kafka does after `producer.id.expiration.ms`. Kafka spares producers in a transaction.
    pub(super) fn expire(&mut self, producer_id: i64) -> bool {
        let is_idle = self.entries.get(&producer_id).is_some_and(|entry| entry.open_since.is_none());
        if is_idle {
            self.entries.remove(&producer_id);
            self.verifications.remove(&producer_id);
        }
        is_idle
    }

    pub(super) fn expire_all(&mut self) {
        self.entries.retain(|_, entry| entry.open_since.is_some());
        self.verifications.clear();
    }

    /// The log begins at `start_offset` now. Old brokers forget the producers whose records are all gone.
    pub(super) fn start_moved(&mut self, start_offset: i64, unknown: UnknownProducer) {
        let gone = self.aborted.partition_point(|aborted| aborted.last_offset < start_offset);
        self.aborted.drain(..gone);
        if unknown == UnknownProducer::Refuse {
            self.entries.retain(|_, entry| entry.last_offset >= start_offset);
        }
    }
}

#[cfg(test)]
mod tests;
