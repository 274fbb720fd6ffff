//! What transactions promise of every run: all of a committed one is visible, nothing of any other.

use std::collections::{BTreeMap, BTreeSet};

use super::Sim;
use super::coordination::TRANSACTIONAL_ID;
use super::transacting::{End, SOURCE};
use crate::time::Micros;

/// Beyond every transaction timeout: coordinators have given up what was left open.
const FOR_EVER: Micros = Micros(10_000_000_000);

impl Sim {
    pub(super) fn check_transactions(&mut self) -> Option<String> {
        self.plan.config.transactional_id.as_ref()?;
        self.settle_coordinators();
        let mut visible: BTreeMap<i64, usize> = BTreeMap::new();
        for (name, count) in self.topic_sizes() {
            for index in 0..count {
                for record in self.cluster.committed_records(&name, index).expect("the partition exists") {
                    *visible.entry(record.timestamp_ms).or_default() += 1;
                }
            }
        }
        let mut of_transaction: BTreeSet<usize> = BTreeSet::new();
        for (number, transaction) in self.txn.transactions.iter().enumerate() {
            let seen = |index: &usize| visible.get(&self.app.sent[*index].timestamp_ms).copied().unwrap_or(0);
            of_transaction.extend(&transaction.records);
            // What was taken back is no part of it; that it is nowhere is another check.
            let is_part = |index: &usize| !self.app.sent[*index].is_cancelled;
            let records: Vec<usize> = transaction.records.iter().copied().filter(is_part).collect();
            let counts: Vec<usize> = records.iter().map(seen).collect();
            if let Some(text) = visible_as(transaction.end, &records, &counts) {
                return Some(format!("transaction {number}, {:?}: {text}", transaction.end));
            }
        }
        if let Some(index) = (0..self.app.sent.len()).find(|index| !of_transaction.contains(index)) {
            return Some(format!("record {index} was accepted outside of any transaction"));
        }
        self.check_offsets(&visible).or_else(|| self.check_probes())
    }

    /// Every marker is written, and what nobody ended is aborted.
    fn settle_coordinators(&mut self) {
        for broker in 1..=self.plan.brokers {
            self.cluster.broker_up(broker);
        }
        for (name, count) in self.topic_sizes() {
            for index in 0..count {
                if self.cluster.partition_leader(&name, index).is_ok_and(|(leader, _)| leader.is_none()) {
                    self.cluster.partition_set_leader(&name, index, Some(1)).expect("both exist");
                }
            }
        }
        if self.plan.config.two_phase_commit {
            // No time ends it, but the next producer does. Nobody has ever come where the id is not known.
            self.cluster.advance(self.now + FOR_EVER, self.wall_ms());
            let _ = self.cluster.fence(TRANSACTIONAL_ID);
        }
        let wall_ms = self.wall_ms();
        for _ in 0..2 {
            // Once for what is overdue, once for the markers of that.
            self.cluster.advance(self.now + FOR_EVER, wall_ms);
        }
    }

    fn check_offsets(&self, visible: &BTreeMap<i64, usize>) -> Option<String> {
        let mut allowed: BTreeMap<(String, i32), BTreeSet<Option<i64>>> = BTreeMap::new();
        for transaction in &self.txn.transactions {
            let is_visible = |index: &usize| visible.contains_key(&self.app.sent[*index].timestamp_ms);
            for (place, offset) in &transaction.offsets {
                let values = allowed.entry(place.clone()).or_insert_with(|| BTreeSet::from([None]));
                let certain = match transaction.end {
                    End::NotCommitted | End::Aborted => continue,
                    End::Committed => true,
                    End::Unknown => transaction.records.iter().any(is_visible),
                };
                if certain {
                    values.clear();
                } else if !transaction.records.is_empty() {
                    continue;
                }
                values.insert(Some(*offset));
            }
        }
        for ((group, partition), values) in allowed {
            let committed = self.cluster.committed_offset(&group, SOURCE, partition);
            if !values.contains(&committed) {
                return Some(format!(
                    "{group} has offset {committed:?} of partition {partition}, not one of {values:?}"
                ));
            }
        }
        None
    }
}

fn visible_as(end: End, records: &[usize], counts: &[usize]) -> Option<String> {
    if let Some(at) = counts.iter().position(|count| *count > 1) {
        return Some(format!("record {} is visible {} times", records[at], counts[at]));
    }
    let hidden = counts.iter().position(|count| *count == 0);
    let shown = counts.iter().position(|count| *count == 1);
    match (end, shown, hidden) {
        (End::Committed, _, Some(at)) => Some(format!("record {} is not visible", records[at])),
        (End::Aborted | End::NotCommitted, Some(at), _) => Some(format!("record {} is visible", records[at])),
        (End::Unknown, Some(shown), Some(hidden)) => {
            Some(format!("record {} is visible and record {} is not", records[shown], records[hidden]))
        }
        _ => None,
    }
}
