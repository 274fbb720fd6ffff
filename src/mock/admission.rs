//! Whether a partition, or a group, lets a transactional write in: it asks the transaction's coordinator to verify that it belongs
//! to the transaction, or from the versions of KIP-890's second part on, to make it belong.

use super::cluster::Cluster;
use super::code;
use super::coordinators::CoordinatorKind;
use super::transactions::{Identity, Transaction};

/// What the version of a request lets the broker do for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// The client knows neither of the below.
    Verify,
    /// The client understands TRANSACTION_ABORTABLE.
    VerifyAbortable,
    /// The write itself makes the partition or group part of the transaction.
    Add,
}

impl Support {
    pub(super) fn of_produce(version: i16) -> Support {
        match version {
            12.. => Support::Add,
            11 => Support::VerifyAbortable,
            _ => Support::Verify,
        }
    }

    pub(super) fn of_txn_offset_commit(version: i16) -> Support {
        match version {
            5.. => Support::Add,
            4 => Support::VerifyAbortable,
            _ => Support::Verify,
        }
    }
}

/// Where the transaction wants to write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    Partition(&'a str, i32),
    Group(&'a str),
}

impl Target<'_> {
    fn is_in(self, transaction: &Transaction) -> bool {
        match self {
            Target::Partition(topic, index) => transaction.partitions.contains(&(topic.to_owned(), index)),
            Target::Group(group) => transaction.groups.contains(group),
        }
    }
}

impl Cluster {
    /// Asks the coordinator about a write that would open the transaction at its target.
    pub(super) fn admit(
        &mut self,
        transactional_id: &str,
        client: Identity,
        target: Target<'_>,
        support: Support,
    ) -> Result<(), i16> {
        if support != Support::Add && !self.transactions.verifies {
            return Ok(());
        }
        let answered = self.ask_coordinator(transactional_id, client, target, support);
        answered.map_err(|error_code| match error_code {
            // A producer is not to learn it here that it is fenced: it may still abort (KIP-588).
            code::PRODUCER_FENCED => code::INVALID_PRODUCER_EPOCH,
            code::TRANSACTION_ABORTABLE if support == Support::Verify => code::INVALID_TXN_STATE,
            other => other,
        })
    }

    fn ask_coordinator(
        &mut self,
        transactional_id: &str,
        client: Identity,
        target: Target<'_>,
        support: Support,
    ) -> Result<(), i16> {
        if transactional_id.is_empty() {
            return Err(code::INVALID_REQUEST);
        }
        self.coordinator_ready(CoordinatorKind::Transaction, transactional_id)?;
        let now = self.now;
        let transaction = self.transactions.by_id.get_mut(transactional_id);
        let transaction = transaction.ok_or(code::INVALID_PRODUCER_ID_MAPPING)?;
        match (support, target) {
            (Support::Add, Target::Partition(topic, index)) => {
                transaction.add(client, [(topic.to_owned(), index)], None, now)
            }
            (Support::Add, Target::Group(group)) => transaction.add(client, None, [group.to_owned()], now),
            _ => transaction.verify(client, |transaction| target.is_in(transaction)),
        }
    }
}

/// The errors of the coordinator that clients of Produce do not know are answered by one that they retry without new metadata.
pub(super) fn for_produce(error_code: i16, support: Support) -> i16 {
    match error_code {
        code::COORDINATOR_LOAD_IN_PROGRESS | code::COORDINATOR_NOT_AVAILABLE | code::NOT_COORDINATOR => {
            code::NOT_ENOUGH_REPLICAS
        }
        code::CONCURRENT_TRANSACTIONS if support != Support::Add => code::NOT_ENOUGH_REPLICAS,
        other => other,
    }
}
