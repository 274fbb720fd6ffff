//! What time brings: transactions that take too long are aborted, and the markers of ended ones reach their partitions and groups.

use crate::time::Time;

use super::cluster::Cluster;
use super::coordinators::CoordinatorKind;
use super::end_marker::EndMarker;
use super::transactions::{State, Transaction};

impl Cluster {
    /// Lets time pass: transactions beyond their timeout are aborted, and markers that are due are written. Each request does
    /// so too; this is for the moments between.
    pub fn advance(&mut self, now: Time, wall_ms: i64) {
        self.now = self.now.max(now);
        self.wall_ms = wall_ms;
        if self.transactions.by_id.is_empty() {
            return;
        }
        self.abort_overdue();
        self.write_markers();
    }

    /// Kafka looks for them every ten seconds, the mock at once.
    fn abort_overdue(&mut self) {
        let now = self.now;
        let overdue = |transaction: &Transaction| transaction.deadline().filter(|&deadline| deadline < now);
        let ids: Vec<(String, Time)> = self
            .transactions
            .by_id
            .iter()
            .filter_map(|(id, transaction)| Some((id.clone(), overdue(transaction)?)))
            .collect();
        for (id, deadline) in ids {
            self.fence_open_transaction(&id, deadline);
        }
    }

    /// Aborts what is open under the id and bumps its epoch.
    pub(super) fn fence_open_transaction(&mut self, id: &str, at: Time) {
        let bumps_epochs = self.transactions.version >= 2;
        let Some(transaction) = self.transactions.by_id.get_mut(id) else { return };
        transaction.fence(bumps_epochs, &mut self.producer_ids);
        transaction.markers_due = at + self.transactions.marker_delay;
    }

    /// Writes every marker that is due and whose partition has a leader; the others wait for one.
    pub(super) fn write_markers(&mut self) {
        let now = self.now;
        let is_due = |transaction: &Transaction| {
            matches!(transaction.state, State::Prepare { .. }) && transaction.markers_due <= now
        };
        let due: Vec<String> = self
            .transactions
            .by_id
            .iter()
            .filter(|(_, transaction)| is_due(transaction))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.write_markers_of(&id);
        }
    }

    fn write_markers_of(&mut self, id: &str) {
        let coordinator_epoch = self.coordinator_epoch(CoordinatorKind::Transaction, id);
        let up = self.brokers_up();
        let is_up = |id: i32| usize::try_from(id - 1).ok().and_then(|index| up.get(index)) == Some(&true);
        let Some(transaction) = self.transactions.by_id.get_mut(id) else { return };
        let State::Prepare { is_commit } = transaction.state else { return };
        let marker = EndMarker {
            producer_id: transaction.current.producer_id,
            producer_epoch: transaction.current.epoch,
            coordinator_epoch,
            is_commit,
        };
        let (topics, wall_ms) = (&mut self.topics, self.wall_ms);
        transaction.partitions.retain(|(topic, index)| {
            let known = topics.get_mut(topic).and_then(|topic| topic.partition_mut(*index));
            let Some(partition) = known.filter(|partition| partition.leader.is_some_and(is_up)) else { return true };
            // Kafka refuses a marker that is older than what the partition has seen; then another marker has ended it all.
            if !partition.log.producers.is_older_epoch(marker.producer_id, marker.producer_epoch) {
                partition.log.append_marker(&marker, partition.leader_epoch, wall_ms);
            }
            false
        });
        for group in std::mem::take(&mut transaction.groups) {
            self.groups.end_transaction(&group, marker.producer_id, marker.producer_epoch, is_commit);
        }
        if transaction.partitions.is_empty() {
            transaction.complete();
        }
    }
}
