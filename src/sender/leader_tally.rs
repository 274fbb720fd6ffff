//! How many partitions the topics in use have, and which of them have no leader: kept as it changes, because what
//! follows from it is published after every answer, however many partitions there are.

use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub struct LeaderTally {
    partitions: u64,
    leaderless: BTreeSet<u32>,
    /// Topics in use.
    topics: BTreeSet<u32>,
}

impl LeaderTally {
    /// The topic is in use, or it is not any more.
    pub fn set_in_use(&mut self, topic: u32, is_in_use: bool) {
        if is_in_use {
            self.topics.insert(topic);
        } else {
            self.topics.remove(&topic);
        }
    }

    /// A topic in use has this partition.
    pub fn add(&mut self, dense: u32, has_leader: bool) {
        self.partitions += 1;
        self.set_led(dense, has_leader);
    }

    /// It has it no more.
    pub fn remove(&mut self, dense: u32) {
        self.partitions -= 1;
        self.leaderless.remove(&dense);
    }

    /// A partition that was added has a leader, or has lost it.
    pub fn set_led(&mut self, dense: u32, has_leader: bool) {
        if has_leader {
            self.leaderless.remove(&dense);
        } else {
            self.leaderless.insert(dense);
        }
    }

    /// Topics in use.
    pub fn topics(&self) -> u64 {
        self.topics.len() as u64
    }

    /// Their partitions, those without a leader, and one of these.
    pub fn partitions(&self) -> (u64, u64, Option<u32>) {
        (self.partitions, self.leaderless.len() as u64, self.leaderless.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_counted_as_they_come_lose_their_leaders_and_go() {
        let mut tally = LeaderTally::default();
        tally.set_in_use(0, true);
        tally.add(4, true);
        tally.add(5, false);
        assert_eq!((tally.topics(), tally.partitions()), (1, (2, 1, Some(5))));
        tally.set_led(5, true);
        tally.set_led(4, false);
        assert_eq!(tally.partitions(), (2, 1, Some(4)));
        tally.remove(4);
        assert_eq!(tally.partitions(), (1, 0, None));
        tally.set_in_use(0, false);
        assert_eq!(tally.topics(), 0);
    }
}
