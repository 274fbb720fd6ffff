//! Which partition to stick to next (KIP-794): a table of those that may be chosen, drawn from with weights. It is made anew
//! every few milliseconds, not for every choice.

use crate::time::{Micros, Time};

/// A partition as it stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub partition: u32,
    pub has_leader: bool,
    /// Its leader is in the client's rack, or racks do not count.
    pub is_near: bool,
    /// Its leader has taken nothing for too long.
    pub is_stalled: bool,
    /// Bytes that wait for its leader's acknowledgement.
    pub load_bytes: u64,
}

impl Candidate {
    /// Better ones have smaller numbers: only the best there are may be chosen.
    fn rank(&self) -> u8 {
        match (self.has_leader, self.is_stalled, self.is_near) {
            (true, false, true) => 0,
            (true, false, false) => 1,
            (true, true, true) => 2,
            (true, true, false) => 3,
            (false, ..) => 4,
        }
    }
}

/// The partitions to choose from, and how likely each is.
#[derive(Debug, Default)]
pub struct Table {
    partitions: Vec<u32>,
    /// Running sums of the weights: a number below the last one belongs to the first sum above it.
    sums: Vec<u64>,
}

impl Table {
    /// Makes it anew from these candidates. `unit_bytes`: so much more waiting makes a partition less likely by one step;
    /// `None` makes all equally likely.
    pub fn fill(&mut self, candidates: impl Iterator<Item = Candidate> + Clone, unit_bytes: Option<u64>) {
        self.partitions.clear();
        self.sums.clear();
        let Some(best) = candidates.clone().map(|candidate| candidate.rank()).min() else { return };
        let queue = |candidate: &Candidate| unit_bytes.map_or(0, |unit| candidate.load_bytes / unit.max(1));
        let mut longest = 0;
        for candidate in candidates.filter(|candidate| candidate.rank() == best) {
            self.partitions.push(candidate.partition);
            self.sums.push(queue(&candidate));
            longest = longest.max(queue(&candidate));
        }
        // As Java weighs them: the longest queue gets one share, an empty one as many as the longest has steps, and one.
        let mut sum = 0;
        for entry in &mut self.sums {
            sum += longest + 1 - *entry;
            *entry = sum;
        }
    }

    /// The partition that a random number draws; `None` without candidates.
    pub fn pick(&self, random: u64) -> Option<u32> {
        let total = *self.sums.last()?;
        let drawn = random % total.max(1);
        self.partitions.get(self.sums.partition_point(|sum| *sum <= drawn)).copied()
    }

    /// The partitions that may be chosen, in order.
    pub fn partitions(&self) -> &[u32] {
        &self.partitions
    }
}

/// How long a table of so many partitions is good for: making it costs a few nanoseconds for each, which thus stays below a
/// percent of a processor.
pub fn valid_for(partition_count: u32) -> Micros {
    Micros(5_000 + 2 * u64::from(partition_count))
}

/// A table with the circumstances that it was made under.
#[derive(Debug)]
pub struct Cached {
    pub table: Table,
    made_at: Time,
    partition_count: u32,
    broker: i32,
}

impl Default for Cached {
    fn default() -> Cached {
        Cached { table: Table::default(), made_at: Time::ZERO, partition_count: 0, broker: i32::MIN }
    }
}

impl Cached {
    /// Whether it must be made anew; if so, it counts as made now. `broker`: the only one that counts, if there is one.
    pub fn expires(&mut self, now: Time, partition_count: u32, broker: i32) -> bool {
        let same = self.partition_count == partition_count && self.broker == broker;
        if same && now.since(self.made_at) < valid_for(partition_count) {
            return false;
        }
        (self.made_at, self.partition_count, self.broker) = (now, partition_count, broker);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partitioner::random::SharedRandom;

    fn candidate(partition: u32, load_bytes: u64) -> Candidate {
        Candidate { partition, has_leader: true, is_near: true, is_stalled: false, load_bytes }
    }

    fn table(candidates: &[Candidate], unit_bytes: Option<u64>) -> Table {
        let mut table = Table::default();
        table.fill(candidates.iter().copied(), unit_bytes);
        table
    }

    fn shares(table: &Table, partitions: u32, draws: u32) -> Vec<u32> {
        let random = SharedRandom::new(3);
        let mut shares = vec![0; partitions as usize];
        for _ in 0..draws {
            shares[table.pick(random.next()).expect("candidates") as usize] += 1;
        }
        shares
    }

    #[test]
    fn queues_of_0_3_and_1_get_4_1_and_3_shares_as_in_java() {
        let table = table(&[candidate(0, 0), candidate(1, 3), candidate(2, 1)], Some(1));
        let drawn: Vec<u32> = (0..8).map(|random| table.pick(random).expect("candidates")).collect();
        assert_eq!(drawn, [0, 0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(table.pick(8), Some(0));
    }

    #[test]
    fn a_million_choices_among_equal_queues_spread_within_one_percent() {
        let equal: Vec<Candidate> = (0..5).map(|partition| candidate(partition, 70_000)).collect();
        for unit in [None, Some(1000)] {
            for share in shares(&table(&equal, unit), 5, 1_000_000) {
                assert!((198_000..202_000).contains(&share), "{share}");
            }
        }
    }

    #[test]
    fn a_queue_ten_times_as_long_gets_less_than_a_third_of_its_share() {
        let queues = [candidate(0, 20_000), candidate(1, 200_000), candidate(2, 20_000)];
        let shares = shares(&table(&queues, Some(4_000)), 3, 100_000);
        assert!(shares[1] < 100_000 / 9, "{shares:?}");
    }

    #[test]
    fn the_best_that_there_are_are_chosen_from() {
        let far = Candidate { is_near: false, ..candidate(1, 0) };
        let stalled = Candidate { is_stalled: true, ..candidate(2, 0) };
        let far_and_stalled = Candidate { is_near: false, ..stalled };
        let leaderless = Candidate { has_leader: false, ..candidate(4, 0) };
        let near = candidate(0, 0);
        for (candidates, chosen) in [
            (&[leaderless, far, stalled, near][..], 0),
            (&[leaderless, stalled, far], 1),
            (&[leaderless, far_and_stalled, stalled], 2),
            (&[leaderless, Candidate { partition: 3, ..far_and_stalled }], 3),
            (&[leaderless], 4),
        ] {
            assert_eq!(table(candidates, Some(1)).partitions(), [chosen]);
        }
        assert_eq!(table(&[], None).pick(1), None);
    }

    #[test]
    fn a_table_lives_for_milliseconds_and_for_one_set_of_partitions() {
        let mut cached = Cached::default();
        assert!(cached.expires(Time(10), 3, -1), "never made");
        assert!(!cached.expires(Time(5_000), 3, -1));
        assert!(cached.expires(Time(5_000), 4, -1), "more partitions");
        assert!(cached.expires(Time(5_001), 4, 2), "another broker");
        assert!(!cached.expires(Time(10_000), 4, 2));
        assert!(cached.expires(Time(10_100), 4, 2), "too old");
        assert!(valid_for(10_000) > Micros(20_000));
    }
}
