//! One partition's sequence numbers: which a batch gets, what is undecided, and whether what comes next would leave a hole
//! that the broker refuses. Counters are 64-bit counts of records; only the wire's 31-bit sequence wraps.

use std::collections::VecDeque;

use super::identity::Identity;

/// Batches that a broker remembers per producer and partition (`NUM_BATCHES_TO_RETAIN`): a repetition of an older one is not
/// recognised any more.
pub const WINDOW_BATCHES: u64 = 5;

/// The number of a batch, given when it is taken for sending and kept until its outcome is definite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    pub identity: Identity,
    /// Records of the partition before this batch.
    pub counter: u64,
    /// Of its first record, as on the wire.
    pub base_sequence: i32,
}

/// Why the sequence so far means nothing to whoever leads the partition now, where no broker has lost anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SequenceBreak {
    /// The topic was deleted, and one of the same name was made.
    TopicMadeAgain,
    /// The bootstrap servers lead to another cluster by now.
    OtherCluster,
}

impl SequenceBreak {
    /// What is said to records that were in flight.
    pub fn words(self) -> &'static str {
        match self {
            SequenceBreak::TopicMadeAgain => {
                "the topic was deleted and made again while the record was in flight: the deleted one may have it"
            }
            SequenceBreak::OtherCluster => {
                "the bootstrap servers led to another cluster while the record was in flight: the one before may have it"
            }
        }
    }
}

#[derive(Debug, Default)]
pub struct Sequences {
    /// Who the partition's batches are from at present. A newer identity is taken on when nothing is undecided.
    identity: Option<Identity>,
    /// The counter that has sequence 0 under this identity. Wrapping: it may lie before the first record.
    base: u64,
    /// Of the next record that is given a sequence.
    next: u64,
    /// A batch of this identity has been acknowledged.
    any_acked: bool,
    /// Everything before it is acknowledged or was given up and then proved to be in the log by what came after it.
    acked_end: u64,
    /// The end of the last batch that was given up after it had its sequence. Beyond `acked_end` it is a hole: the broker
    /// refuses whatever follows.
    lost_end: u64,
    /// The broker has refused the oldest undecided batch for its numbers: under this identity nothing more is taken.
    refused: bool,
    /// What lies between this identity's batches and the log that they would go to now.
    broken: Option<SequenceBreak>,
    /// Batches ever numbered.
    batches: u64,
    /// Counter and place among all numbered batches of those without an outcome, oldest first.
    undecided: VecDeque<(u64, u64)>,
}

impl Sequences {
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Begins again at `first` under a new identity. Nothing may be undecided but batches that are certainly not in the log;
    /// those get new numbers.
    pub fn adopt(&mut self, identity: Identity, first: u32) {
        self.identity = Some(identity);
        self.base = self.next.wrapping_sub(u64::from(first));
        self.acked_end = self.next;
        self.lost_end = self.next;
        self.refused = false;
        self.broken = None;
        self.any_acked = false;
        self.undecided.clear();
    }

    /// The broker refuses the numbers of the oldest undecided batch, so that none behind it can be taken either.
    pub fn refuse(&mut self) {
        self.refused = self.identity.is_some();
    }

    /// The partition's log is another one. What was acknowledged is in the one before, so that none of it can be missing here.
    pub fn break_off(&mut self, why: SequenceBreak) {
        self.broken = self.identity.is_some().then_some(why);
        self.any_acked = false;
    }

    /// Why the log is another one than that of the identity's first batch.
    pub fn broken(&self) -> Option<SequenceBreak> {
        self.broken
    }

    /// Whether the broker has acknowledged something under this identity.
    pub fn has_acked(&self) -> bool {
        self.any_acked
    }

    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// Gives the next `count` sequences to a batch.
    pub fn assign(&mut self, count: u32) -> Option<Stamp> {
        let stamp = self.stamp_at(self.next)?;
        self.undecided.push_back((self.next, self.batches));
        self.batches += 1;
        self.next += u64::from(count);
        Some(stamp)
    }

    /// The batch numbered `stamp` is cut in parts of these record counts: together they have the sequences that it had.
    pub fn split(&mut self, stamp: Stamp, counts: impl Iterator<Item = u32>) -> Vec<Stamp> {
        let Some(at) = self.undecided.iter().position(|(counter, _)| *counter == stamp.counter) else {
            return Vec::new();
        };
        let place = self.undecided[at].1;
        self.undecided.remove(at);
        let mut counter = stamp.counter;
        let mut stamps = Vec::new();
        for count in counts {
            self.undecided.insert(at + stamps.len(), (counter, place));
            stamps.extend(self.stamp_at(counter));
            counter += u64::from(count);
        }
        stamps
    }

    /// The broker has the batch.
    pub fn acknowledge(&mut self, stamp: Stamp, count: u32) {
        self.decide(stamp);
        if Some(stamp.identity) == self.identity {
            self.acked_end = self.acked_end.max(stamp.counter + u64::from(count));
            self.any_acked = true;
        }
    }

    /// The batch will not be sent again. `never_written`: no attempt of it reached a broker, so its numbers are free again
    /// if nobody has later ones.
    pub fn give_up(&mut self, stamp: Stamp, count: u32, never_written: bool) {
        self.decide(stamp);
        let end = stamp.counter + u64::from(count);
        if Some(stamp.identity) != self.identity {
            return;
        }
        if never_written && end == self.next {
            self.next = stamp.counter;
        } else {
            self.lost_end = self.lost_end.max(end);
        }
    }

    /// The batch was refused for certain, whenever it was sent: its numbers are given again, to fewer records. Not where
    /// others have later ones, which then would not fit.
    pub fn withdraw(&mut self, stamp: Stamp, count: u32) -> bool {
        if Some(stamp.identity) != self.identity || stamp.counter + u64::from(count) != self.next {
            return false;
        }
        self.decide(stamp);
        self.next = stamp.counter;
        true
    }

    /// Whether the broker would refuse whatever is sent next: a batch that was given up has left a hole before it, or the
    /// broker has said so.
    pub fn has_hole(&self) -> bool {
        self.refused || self.lost_end > self.acked_end
    }

    /// Whether no earlier batch is undecided.
    pub fn is_oldest(&self, stamp: Stamp) -> bool {
        self.undecided.front().is_none_or(|(counter, _)| *counter >= stamp.counter)
    }

    /// Whether one more batch stays within what the broker remembers, counted from the oldest undecided one.
    pub fn has_room(&self) -> bool {
        self.undecided.front().is_none_or(|(_, place)| self.batches - place < WINDOW_BATCHES)
    }

    pub fn is_settled(&self) -> bool {
        self.undecided.is_empty()
    }

    fn decide(&mut self, stamp: Stamp) {
        self.undecided.retain(|(counter, _)| *counter != stamp.counter);
    }

    fn stamp_at(&self, counter: u64) -> Option<Stamp> {
        let identity = self.identity?;
        let base_sequence = (counter.wrapping_sub(self.base) & 0x7fff_ffff) as i32;
        Some(Stamp { identity, counter, base_sequence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Identity = Identity { id: 7, epoch: 0 };
    const SECOND: Identity = Identity { id: 7, epoch: 1 };

    fn numbered(first: u32) -> Sequences {
        let mut sequences = Sequences::default();
        sequences.adopt(FIRST, first);
        sequences
    }

    #[test]
    fn without_an_identity_nothing_is_numbered() {
        assert_eq!(Sequences::default().assign(1), None);
    }

    #[test]
    fn sequences_follow_each_other_and_wrap_to_zero_after_the_greatest() {
        let mut sequences = numbered(i32::MAX as u32 - 2);
        let bases: Vec<i32> = (0..4).filter_map(|_| sequences.assign(2)).map(|stamp| stamp.base_sequence).collect();
        assert_eq!(bases, [i32::MAX - 2, i32::MAX, 1, 3], "the second batch straddles the wrap");
        let mut sequences = numbered(i32::MAX as u32);
        assert_eq!(sequences.assign(1).map(|stamp| stamp.base_sequence), Some(i32::MAX));
        assert_eq!(sequences.assign(1).map(|stamp| stamp.base_sequence), Some(0));
    }

    #[test]
    fn order_is_that_of_the_counters_also_across_the_wrap() {
        let mut sequences = numbered(i32::MAX as u32);
        let (before, after) = (sequences.assign(1).expect("numbered"), sequences.assign(1).expect("numbered"));
        assert!(after.base_sequence < before.base_sequence && after.counter > before.counter);
        assert!(sequences.is_oldest(before) && !sequences.is_oldest(after));
    }

    #[test]
    fn the_window_is_counted_from_the_oldest_undecided_batch() {
        let mut sequences = numbered(0);
        let stamps: Vec<Stamp> = (0..5).filter_map(|_| sequences.assign(10)).collect();
        assert!(!sequences.has_room());
        for stamp in &stamps[1..] {
            sequences.acknowledge(*stamp, 10);
        }
        assert!(!sequences.has_room(), "four of five are decided, but the oldest is not");
        sequences.acknowledge(stamps[0], 10);
        assert!(sequences.has_room());
    }

    #[test]
    fn a_batch_given_up_leaves_a_hole_until_a_later_one_is_in_the_log() {
        let mut sequences = numbered(0);
        let (first, second) = (sequences.assign(3).expect("numbered"), sequences.assign(3).expect("numbered"));
        sequences.give_up(first, 3, false);
        assert!(sequences.has_hole());
        sequences.acknowledge(second, 3);
        assert!(!sequences.has_hole(), "the broker took the second: it has the first");
        let third = sequences.assign(3).expect("numbered");
        sequences.give_up(third, 3, false);
        assert!(sequences.has_hole());
        sequences.adopt(SECOND, 0);
        assert!(!sequences.has_hole());
        assert_eq!(sequences.assign(1), Some(Stamp { identity: SECOND, counter: 9, base_sequence: 0 }));
    }

    #[test]
    fn numbers_that_no_broker_saw_are_given_again_when_nobody_has_later_ones() {
        let mut sequences = numbered(0);
        let (first, second) = (sequences.assign(3).expect("numbered"), sequences.assign(4).expect("numbered"));
        sequences.give_up(second, 4, true);
        assert!(!sequences.has_hole());
        assert_eq!(sequences.assign(5).map(|stamp| stamp.base_sequence), Some(3));
        sequences.give_up(first, 3, true);
        assert!(sequences.has_hole(), "later numbers are taken");
    }

    #[test]
    fn what_another_log_had_acknowledged_is_not_missing_in_this_one() {
        let mut sequences = Sequences::default();
        sequences.break_off(SequenceBreak::TopicMadeAgain);
        assert_eq!(sequences.broken(), None, "nothing was numbered");
        sequences.adopt(FIRST, 0);
        let first = sequences.assign(1).expect("numbered");
        sequences.acknowledge(first, 1);
        assert!(sequences.has_acked());
        sequences.break_off(SequenceBreak::OtherCluster);
        assert_eq!((sequences.has_acked(), sequences.broken()), (false, Some(SequenceBreak::OtherCluster)));
        sequences.adopt(SECOND, 0);
        assert_eq!(sequences.broken(), None);
    }

    #[test]
    fn numbers_of_a_refused_batch_are_given_again_unless_others_have_later_ones() {
        let mut sequences = numbered(0);
        let (first, second) = (sequences.assign(3).expect("numbered"), sequences.assign(4).expect("numbered"));
        assert!(!sequences.withdraw(first, 3), "the second would leave a gap");
        assert!(sequences.is_oldest(first) && sequences.withdraw(second, 4));
        assert_eq!(sequences.assign(2).map(|stamp| stamp.base_sequence), Some(3));
        let third = sequences.assign(1).expect("numbered");
        sequences.adopt(SECOND, 0);
        assert!(!sequences.withdraw(third, 1), "of an epoch that was left");
        assert!(!sequences.has_hole());
    }

    #[test]
    fn parts_of_a_batch_have_its_sequences_between_them() {
        let mut sequences = numbered(0);
        let (whole, next) = (sequences.assign(10).expect("numbered"), sequences.assign(1).expect("numbered"));
        let parts = sequences.split(whole, [4, 6].into_iter());
        assert_eq!(parts.iter().map(|part| part.base_sequence).collect::<Vec<_>>(), [0, 4]);
        assert!(sequences.is_oldest(parts[0]) && !sequences.is_oldest(parts[1]) && !sequences.is_oldest(next));
        sequences.acknowledge(parts[0], 4);
        sequences.acknowledge(parts[1], 6);
        assert!(sequences.is_oldest(next) && !sequences.has_hole());
    }
}
