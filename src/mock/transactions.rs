//! The transaction coordinator: what it knows of each transactional id, and how that changes.
//!
//! The rules are those of Kafka 4.1's `TransactionCoordinator` and `TransactionMetadata`. Every change is durable at
//! once, so the only time that Kafka's "pending" state lasts here is that of the end markers.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::{Micros, Time};

use super::code;
use super::init_producer_id::{NO_PRODUCER_EPOCH, NO_PRODUCER_ID};

/// `transaction.max.timeout.ms`.
pub(super) const TIMEOUT_MS_MAX: i32 = 900_000;
/// The last epoch that a client gets; the coordinator keeps the one above for fencing.
const LAST_EPOCH: i16 = i16::MAX - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    Ongoing,
    /// The end is decided and its markers are on their way.
    Prepare {
        is_commit: bool,
    },
    Complete {
        is_commit: bool,
    },
}

/// What the cluster knows of two-phase commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwoPhase {
    /// Nothing, as brokers are by themselves.
    Off,
    /// As Kafka 4.3 with `transaction.two.phase.commit.enable`: transactions that never expire, but none is kept open
    /// for another producer.
    NeverExpires,
    /// All of KIP-939.
    Whole,
}

/// A producer id with its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
}

impl Identity {
    pub(super) const NONE: Identity = Identity { producer_id: NO_PRODUCER_ID, epoch: NO_PRODUCER_EPOCH };
}

/// Gives each producer id once.
pub(super) struct ProducerIds {
    next: i64,
}

impl Default for ProducerIds {
    fn default() -> ProducerIds {
        // Not 0, so that in a test an id is not taken for an epoch or a sequence.
        ProducerIds { next: 1000 }
    }
}

impl ProducerIds {
    pub(super) fn next(&mut self) -> i64 {
        self.next += 1;
        self.next - 1
    }
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) current: Identity,
    /// The epoch before, to recognise a client that did not get the answer; -1 after another incarnation came.
    last_epoch: i16,
    previous_producer_id: i64,
    /// The producer id that follows once the markers are written, where the epochs of this one are used up.
    next_producer_id: i64,
    timeout: Micros,
    /// Two-phase commit: the coordinator never gives it up.
    pub(super) never_expires: bool,
    /// Who may end the open transaction instead of the producer that made it (KIP-939).
    keeper: Option<Identity>,
    pub(super) state: State,
    pub(super) partitions: BTreeSet<(String, i32)>,
    pub(super) groups: BTreeSet<String>,
    started_at: Time,
    /// When the markers are written, in `Prepare`.
    pub(super) markers_due: Time,
}

impl Transaction {
    pub(super) fn new(producer_id: i64) -> Transaction {
        Transaction {
            current: Identity { producer_id, epoch: NO_PRODUCER_EPOCH },
            last_epoch: NO_PRODUCER_EPOCH,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            timeout: Micros::ZERO,
            never_expires: false,
            keeper: None,
            state: State::Empty,
            partitions: BTreeSet::new(),
            groups: BTreeSet::new(),
            started_at: Time::ZERO,
            markers_due: Time::NEVER,
        }
    }

    fn is_exhausted(&self) -> bool {
        self.current.epoch >= LAST_EPOCH
    }

    /// When the coordinator gives the transaction up.
    pub(super) fn deadline(&self) -> Option<Time> {
        (self.state == State::Ongoing && !self.never_expires).then(|| self.started_at + self.timeout)
    }

    /// Whether a client that has `expected`, or says nothing, may initialize the id anew.
    pub(super) fn may_initialize(&self, expected: Option<Identity>) -> Result<(), i16> {
        if matches!(self.state, State::Prepare { .. }) {
            return Err(code::CONCURRENT_TRANSACTIONS);
        }
        let Some(expected) = expected else { return Ok(()) };
        let is_rotated = expected.producer_id == self.previous_producer_id && expected.epoch >= LAST_EPOCH;
        let is_fresh = self.current.epoch == NO_PRODUCER_EPOCH;
        let is_known = is_fresh || is_rotated || expected.producer_id == self.current.producer_id;
        if is_known { Ok(()) } else { Err(code::PRODUCER_FENCED) }
    }

    /// InitProducerId, after `may_initialize` and with no transaction open: the identity for the next one.
    pub(super) fn initialize(
        &mut self,
        expected: Option<Identity>,
        timeout: Option<Micros>,
        ids: &mut ProducerIds,
    ) -> Result<Identity, i16> {
        let current = self.current;
        let epoch_matches = expected.is_none_or(|expected| expected.epoch == current.epoch);
        if self.is_exhausted() {
            if !epoch_matches {
                // Kafka stumbles here: an IllegalStateException in prepareIncrementProducerEpoch.
                return Err(code::UNKNOWN_SERVER_ERROR);
            }
            self.last_epoch = expected.map_or(NO_PRODUCER_EPOCH, |_| current.epoch);
            self.current = Identity { producer_id: ids.next(), epoch: 0 };
        } else if epoch_matches || current.epoch == NO_PRODUCER_EPOCH {
            self.last_epoch = expected.map_or(NO_PRODUCER_EPOCH, |_| current.epoch);
            self.current.epoch += 1;
        } else if expected.is_none_or(|expected| expected.epoch != self.last_epoch) {
            return Err(code::PRODUCER_FENCED);
        }
        self.previous_producer_id = current.producer_id;
        self.timeout = timeout.unwrap_or(self.timeout);
        self.state = State::Empty;
        Ok(self.current)
    }

    /// InitProducerId that keeps the open transaction: who may end it. The epoch of the transaction itself stays.
    pub(super) fn keep(&mut self, expected: Option<Identity>) -> Result<Identity, i16> {
        self.may_initialize(expected)?;
        let last = self.keeper.unwrap_or(self.current);
        // Kafka would give a new producer id here.
        let epoch = last.epoch.checked_add(1).ok_or(code::UNKNOWN_SERVER_ERROR)?;
        let keeper = Identity { producer_id: self.current.producer_id, epoch };
        self.keeper = Some(keeper);
        Ok(keeper)
    }

    /// The end of a kept transaction: from here on its keeper is the producer, and the markers carry the keeper's
    /// epoch.
    fn hand_over(&mut self, client: Identity) {
        if self.keeper.is_some_and(|keeper| keeper == client) {
            self.current = client;
            self.keeper = None;
        }
    }

    /// Checks who asks, as every request inside a transaction is checked.
    fn check(&self, client: Identity) -> Result<(), i16> {
        if client.producer_id != self.current.producer_id {
            return Err(code::INVALID_PRODUCER_ID_MAPPING);
        }
        if client.epoch != self.current.epoch || self.keeper.is_some() {
            return Err(code::PRODUCER_FENCED);
        }
        match self.state {
            State::Prepare { .. } => Err(code::CONCURRENT_TRANSACTIONS),
            _ => Ok(()),
        }
    }

    /// Makes partitions and groups part of the transaction, which this begins if none is open.
    pub(super) fn add(
        &mut self,
        client: Identity,
        partitions: impl IntoIterator<Item = (String, i32)>,
        groups: impl IntoIterator<Item = String>,
        now: Time,
    ) -> Result<(), i16> {
        self.check(client)?;
        if self.state != State::Ongoing {
            self.state = State::Ongoing;
            self.started_at = now;
        }
        self.partitions.extend(partitions);
        self.groups.extend(groups);
        Ok(())
    }

    /// What a partition's leader, or a group's coordinator, is told before it lets the transaction in.
    pub(super) fn verify(&self, client: Identity, is_member: impl FnOnce(&Transaction) -> bool) -> Result<(), i16> {
        self.check(client)?;
        if is_member(self) { Ok(()) } else { Err(code::TRANSACTION_ABORTABLE) }
    }

    /// EndTxn before v5: the epoch stays, so a repeated request can only be told by the state.
    pub(super) fn end(&mut self, client: Identity, is_commit: bool) -> Result<(), i16> {
        self.hand_over(client);
        self.check(client)?;
        match self.state {
            State::Ongoing => {
                self.state = State::Prepare { is_commit };
                Ok(())
            }
            State::Complete { is_commit: was_commit } if was_commit == is_commit => Ok(()),
            // Nothing was added since the id was initialized.
            _ => Err(code::INVALID_TXN_STATE),
        }
    }

    /// EndTxn v5 (KIP-890): the end bumps the epoch, and the answer is the identity for the next transaction.
    pub(super) fn end_and_bump(
        &mut self,
        client: Identity,
        is_commit: bool,
        ids: &mut ProducerIds,
    ) -> Result<Identity, i16> {
        self.hand_over(client);
        if self.keeper.is_some() {
            return Err(code::PRODUCER_FENCED);
        }
        let current = self.current;
        let is_retry_of_rotation =
            client.producer_id == self.previous_producer_id && client.epoch == LAST_EPOCH && current.epoch == 0;
        let is_retry = client.epoch.checked_add(1) == Some(current.epoch) || is_retry_of_rotation;
        let is_current = client.epoch == current.epoch;
        let is_complete = matches!(self.state, State::Complete { .. });
        let epoch_is_valid = match self.state {
            State::Ongoing | State::Empty => is_current,
            State::Prepare { .. } => is_retry,
            State::Complete { .. } => is_retry || is_current,
        };
        if client.producer_id != current.producer_id && !is_retry_of_rotation {
            return Err(code::INVALID_PRODUCER_ID_MAPPING);
        }
        if !epoch_is_valid {
            return Err(code::PRODUCER_FENCED);
        }
        match self.state {
            State::Prepare { .. } => Err(code::CONCURRENT_TRANSACTIONS),
            State::Complete { is_commit: was_commit } if is_retry && was_commit == is_commit => Ok(current),
            State::Ongoing => Ok(self.prepare_bump(is_commit, ids)),
            // An abort with nothing added is legal: the client cannot know whether its records registered the
            // partition.
            _ if is_commit || (is_complete && is_retry) => Err(code::INVALID_TXN_STATE),
            _ => Ok(self.prepare_bump(false, ids)),
        }
    }

    fn prepare_bump(&mut self, is_commit: bool, ids: &mut ProducerIds) -> Identity {
        if self.is_exhausted() {
            self.next_producer_id = ids.next();
        }
        self.last_epoch = self.current.epoch;
        self.current.epoch = self.current.epoch.saturating_add(1);
        self.state = State::Prepare { is_commit };
        match self.next_producer_id {
            NO_PRODUCER_ID => self.current,
            producer_id => Identity { producer_id, epoch: 0 },
        }
    }

    /// Aborts an open transaction on the coordinator's own account: another incarnation has come, or time is up.
    pub(super) fn fence(&mut self, bumps_epochs: bool, ids: &mut ProducerIds) {
        if let Some(keeper) = self.keeper.take() {
            self.current = keeper;
        }
        if bumps_epochs {
            // One bump only (KAFKA-19367, Kafka 4.0 made two), so a late abort of the fenced client counts as a retry
            // of this one.
            self.prepare_bump(false, ids);
        } else {
            self.current.epoch = self.current.epoch.saturating_add(1);
            self.last_epoch = NO_PRODUCER_EPOCH;
            self.state = State::Prepare { is_commit: false };
        }
    }

    /// The last marker is written.
    pub(super) fn complete(&mut self) {
        let State::Prepare { is_commit } = self.state else { return };
        self.state = State::Complete { is_commit };
        self.previous_producer_id = self.current.producer_id;
        if self.next_producer_id != NO_PRODUCER_ID {
            self.current = Identity { producer_id: self.next_producer_id, epoch: 0 };
            self.next_producer_id = NO_PRODUCER_ID;
        }
        self.markers_due = Time::NEVER;
    }
}

/// All transactional ids of the cluster, whichever broker coordinates them.
pub(super) struct Transactions {
    pub(super) by_id: BTreeMap<String, Transaction>,
    /// The finalized level of `transaction.version`, and how often it was set.
    pub(super) version: i16,
    pub(super) features_epoch: i64,
    /// How long the markers of an ended transaction are on their way.
    pub(super) marker_delay: Micros,
    /// Whether partitions and groups ask the coordinator before they let a transaction in (Kafka 3.6 and newer).
    pub(super) verifies: bool,
    pub(super) two_phase: TwoPhase,
    /// A topic that the coordinators have not heard of yet.
    pub(super) late_topic: Option<String>,
}

impl Default for Transactions {
    fn default() -> Transactions {
        Transactions {
            by_id: BTreeMap::new(),
            version: 2,
            features_epoch: 1,
            marker_delay: Micros::ZERO,
            verifies: true,
            two_phase: TwoPhase::Off,
            late_topic: None,
        }
    }
}
