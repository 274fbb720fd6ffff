//! A test's hands on the coordinators of transactions.

use crate::error::{Error, Result, Status};
use crate::time::Micros;

use super::cluster::{Cluster, kafka_error};
use super::code;
use super::partition_log::{LogSnapshot, StoredRecord};
use super::transactions::{Identity, State, TwoPhase};

impl Cluster {
    /// The finalized level of the feature `transaction.version`: 2, at first, is KIP-890's second part; with 0 the
    /// feature is not told at all.
    pub fn set_transaction_version(&mut self, version: i16) -> Result<()> {
        if !(0..=2).contains(&version) {
            let text = format!("transaction.version {version} is none of 0, 1 and 2");
            return Err(Error::new(Status::INVALID_ARGUMENT, text));
        }
        self.transactions.version = version;
        self.transactions.features_epoch += 1;
        Ok(())
    }

    /// What the cluster knows of two-phase commit: nothing at first.
    pub fn set_two_phase_commit(&mut self, two_phase: TwoPhase) {
        self.transactions.two_phase = two_phase;
    }

    /// How long the markers of an ended transaction take to their partitions. Until then the coordinator answers
    /// CONCURRENT_TRANSACTIONS. 0 at first: they are there before EndTxn is answered.
    pub fn set_marker_delay_ms(&mut self, delay_ms: u32) {
        self.transactions.marker_delay = Micros::from_ms(delay_ms.into());
    }

    /// A topic that transaction coordinators do not know yet, though its leaders do: the newest metadata reaches
    /// brokers one by one. `None`, at first: they know all.
    #[cfg(test)]
    pub fn set_late_topic(&mut self, topic: Option<&str>) {
        self.transactions.late_topic = topic.map(str::to_owned);
    }

    /// Whether partitions and groups ask the coordinator before they let a transaction in, as Kafka does since 3.6;
    /// true at first.
    pub fn set_transaction_verification(&mut self, verifies: bool) {
        self.transactions.verifies = verifies;
    }

    /// Fences the producer of a transactional id as another incarnation would by InitProducerId: its open transaction
    /// is aborted and its epoch is no longer the newest. The answer is the new incarnation's producer id and epoch.
    pub fn fence(&mut self, transactional_id: &str) -> Result<(i64, i16)> {
        let known = self.transactions.by_id.get(transactional_id).map(|transaction| transaction.state);
        let Some(state) = known else {
            let text = format!("nobody has initialized the transactional id {transactional_id}");
            return Err(Error::new(Status::NOT_FOUND, text));
        };
        if state == State::Ongoing {
            self.fence_open_transaction(transactional_id, self.now);
        }
        // The other incarnation would ask again until the markers are there.
        self.hurry_markers(transactional_id);
        let given = self.initialize(transactional_id, None, None).map_err(|error_code| {
            let text =
                format!("markers of the transactional id {transactional_id} wait for partitions without a leader");
            kafka_error(error_code, text)
        })?;
        Ok((given.producer_id, given.epoch))
    }

    /// Keeps the open transaction of a transactional id as another producer would by InitProducerId (KIP-939): from
    /// then on only that one may end it.
    #[cfg(test)]
    pub fn keep_prepared(&mut self, transactional_id: &str) {
        let transaction = self.transactions.by_id.get_mut(transactional_id).expect("it is initialized");
        transaction.keep(None).expect("it is open");
    }

    /// Adds a partition to the transaction of the id's newest incarnation, as one that [`Self::fence`] has stood for
    /// would.
    #[cfg(test)]
    pub fn begin_as_successor(&mut self, transactional_id: &str, topic: &str, partition: i32) {
        let now = self.now;
        let transaction = self.transactions.by_id.get_mut(transactional_id).expect("fenced before");
        let successor = transaction.current;
        transaction.add(successor, [(topic.to_owned(), partition)], None, now).expect("it is the newest");
    }

    fn hurry_markers(&mut self, transactional_id: &str) {
        if let Some(transaction) = self.transactions.by_id.get_mut(transactional_id) {
            transaction.markers_due = self.now;
        }
        self.write_markers();
    }

    /// Sets the epoch of a transactional id that has no transaction open, to come near the last one: 32766.
    pub fn set_producer_epoch(&mut self, transactional_id: &str, epoch: i16) -> Result<()> {
        let transaction = self.transactions.by_id.get_mut(transactional_id);
        let idle = transaction.filter(|transaction| matches!(transaction.state, State::Empty | State::Complete { .. }));
        let Some(transaction) = idle else {
            let text = format!("the transactional id {transactional_id} is unknown or has a transaction open");
            return Err(kafka_error(code::INVALID_TXN_STATE, text));
        };
        transaction.current.epoch = epoch.max(0);
        Ok(())
    }

    /// The producer id and epoch that a transactional id has now.
    pub fn producer_of(&self, transactional_id: &str) -> Option<(i64, i16)> {
        let Identity { producer_id, epoch } = self.transactions.by_id.get(transactional_id)?.current;
        Some((producer_id, epoch))
    }

    /// Whether the coordinator has a transaction of this id open.
    pub fn is_transaction_open(&self, transactional_id: &str) -> bool {
        self.transactions.by_id.get(transactional_id).is_some_and(|transaction| transaction.state == State::Ongoing)
    }

    /// Every record that a `read_committed` consumer gets, in order: none of open or aborted transactions, and none
    /// behind the first open one.
    pub fn committed_records(&self, topic: &str, partition: i32) -> Result<Vec<StoredRecord>> {
        Ok(self.committed_snapshot(topic, partition, 0)?.records().map(StoredRecord::from).collect())
    }

    /// The committed records from `first_offset` on, to be read without the cluster.
    pub fn committed_snapshot(&self, topic: &str, partition: i32, first_offset: i64) -> Result<LogSnapshot> {
        Ok(self.partition(topic, partition)?.log.committed_snapshot(first_offset))
    }

    /// The offset up to which `read_committed` consumers read.
    pub fn last_stable_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.partition(topic, partition).ok()?.log.last_stable_offset())
    }
}
