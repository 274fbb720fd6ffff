//! The choice for records without a key: stay with one partition for `batch.size` bytes, then go to a random other one.
//! Counting bytes and not batches keeps it uniform: a slow partition does not get more because its batches grow (KIP-794).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::random::SharedRandom;

/// The sticky state of one topic: shared by all threads, read and written without a lock.
///
/// Two threads in a race may lose each other's bytes or a switch. That moves a switch by a few records; nothing depends on it,
/// and so a record costs one plain load and one plain store here.
#[derive(Debug)]
pub struct Sticky {
    /// The partition in the upper half, the bytes it got in the lower one.
    word: AtomicU64,
    random: SharedRandom,
}

impl Sticky {
    /// A topic whose first partition is drawn when the number of partitions is known. Equal seeds choose equally.
    pub const fn new(seed: u64) -> Sticky {
        Sticky { word: AtomicU64::new(pack(UNCHOSEN, 0)), random: SharedRandom::new(seed) }
    }

    /// The partition for the next record, below `partition_count` (0 counts as 1). `choose` turns a random number into the
    /// first one.
    #[inline]
    pub fn current(&self, partition_count: u32, choose: impl Fn(u64) -> u32) -> u32 {
        let (partition, _) = unpack(self.word.load(Relaxed));
        if partition < partition_count { partition } else { self.draw_first(partition_count.max(1), choose) }
    }

    /// Counts a record of `bytes` that went to `partition`. When the partition has had `switch_after` bytes, `choose` turns a
    /// random number into the next one: `random % count` of the partitions, or of those that have a leader.
    #[inline]
    pub fn add(&self, partition: u32, bytes: u32, switch_after: u32, choose: impl Fn(u64) -> u32) {
        let word = self.word.load(Relaxed);
        let (current, had) = unpack(word);
        if current != partition {
            // Another thread has switched meanwhile; this record belongs to a count that is closed.
            return;
        }
        let has = had.saturating_add(bytes);
        if has < switch_after {
            self.word.store(pack(partition, has), Relaxed);
        } else {
            self.switch(word, choose);
        }
    }

    /// Leaves `partition` at once, if it still is the current one: for a caller who finds that it has no leader.
    pub fn leave(&self, partition: u32, choose: impl Fn(u64) -> u32) {
        let word = self.word.load(Relaxed);
        if unpack(word).0 == partition {
            self.switch(word, choose);
        }
    }

    #[cold]
    fn switch(&self, seen: u64, choose: impl Fn(u64) -> u32) {
        let next = pack(choose(self.random.next()), 0);
        // Of two threads that reach the limit together one switches; the other's record is simply not counted.
        let _ = self.word.compare_exchange(seen, next, Relaxed, Relaxed);
    }

    #[cold]
    fn draw_first(&self, partition_count: u32, choose: impl Fn(u64) -> u32) -> u32 {
        let seen = self.word.load(Relaxed);
        let drawn = choose(self.random.next()) % partition_count;
        match self.word.compare_exchange(seen, pack(drawn, 0), Relaxed, Relaxed) {
            Ok(_) => drawn,
            Err(now) => {
                let (partition, _) = unpack(now);
                if partition < partition_count { partition } else { drawn }
            }
        }
    }
}

const fn pack(partition: u32, bytes: u32) -> u64 {
    (partition as u64) << 32 | bytes as u64
}

const fn unpack(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

/// Above every partition Kafka can number.
const UNCHOSEN: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: fn(u64) -> u32 = |random| random as u32;

    /// Sends `records` records of the sizes `size(i)` and returns the bytes each partition got.
    fn spread(partition_count: u32, records: u32, switch_after: u32, size: impl Fn(u32) -> u32) -> Vec<u64> {
        let sticky = Sticky::new(7);
        let mut bytes = vec![0; partition_count as usize];
        for i in 0..records {
            let partition = sticky.current(partition_count, |random| (random % u64::from(partition_count)) as u32);
            bytes[partition as usize] += u64::from(size(i));
            sticky.add(partition, size(i), switch_after, |random| (random % u64::from(partition_count)) as u32);
        }
        bytes
    }

    fn assert_within_one_percent(shares: &[u64]) {
        let mean = shares.iter().sum::<u64>() as f64 / shares.len() as f64;
        for share in shares {
            assert!((*share as f64 - mean).abs() < mean * 0.01, "{shares:?}");
        }
    }

    #[test]
    fn a_million_records_spread_within_one_percent() {
        assert_within_one_percent(&spread(4, 1_000_000, 200, |_| 100));
    }

    #[test]
    fn a_million_records_of_mixed_sizes_spread_by_bytes_within_one_percent() {
        assert_within_one_percent(&spread(4, 1_000_000, 1_000, |i| 1 + i.wrapping_mul(2_654_435_761) % 1_000));
    }

    #[test]
    fn stays_with_a_partition_until_it_had_its_bytes() {
        let sticky = Sticky::new(1);
        let first = sticky.current(10, ANY);
        for _ in 0..9 {
            sticky.add(first, 100, 1_000, |_| unreachable!("not yet"));
            assert_eq!(sticky.current(10, ANY), first);
        }
        let next = (first + 1) % 10;
        sticky.add(first, 100, 1_000, |_| next);
        assert_eq!(sticky.current(10, ANY), next);
    }

    #[test]
    fn a_late_record_of_the_former_partition_is_not_counted() {
        let sticky = Sticky::new(1);
        let first = sticky.current(10, ANY);
        let next = (first + 1) % 10;
        sticky.leave(first, |_| next);
        sticky.add(first, u32::MAX, 1_000, |_| unreachable!("a record of another partition switches nothing"));
        sticky.leave(first, |_| unreachable!("already left"));
        assert_eq!(sticky.current(10, ANY), next);
    }

    #[test]
    fn a_choice_out_of_range_is_drawn_again() {
        let sticky = Sticky::new(3);
        let first = sticky.current(8, ANY);
        sticky.leave(first, |_| 1_000);
        assert!(sticky.current(8, ANY) < 8);
        assert_eq!(sticky.current(0, ANY), 0);
    }

    #[test]
    fn one_huge_record_cannot_spill_into_the_partition() {
        let sticky = Sticky::new(3);
        let first = sticky.current(8, ANY);
        sticky.add(first, u32::MAX - 1, u32::MAX, |_| unreachable!());
        sticky.add(first, 1_000, u32::MAX, |_| 5);
        assert_eq!(sticky.current(8, ANY), 5);
    }

    #[test]
    fn threads_in_a_race_stay_within_range_and_use_every_partition() {
        let sticky = Sticky::new(9);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut seen = [false; 5];
                    for _ in 0..20_000 {
                        let partition = sticky.current(5, ANY);
                        seen[partition as usize] = true;
                        sticky.add(partition, 100, 500, |random| (random % 5) as u32);
                    }
                    assert_eq!(seen, [true; 5]);
                });
            }
        });
    }
}
