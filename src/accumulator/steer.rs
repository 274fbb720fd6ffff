//! Records without a key go around a partition that has used up its share of the memory.

use super::Accumulator;
use super::partition::Wanted;
use super::shares::Holder;
use super::topic::{NO_LEADER, Topic};

/// Partitions looked at for one that has room: with more than these crowded any other is as good.
const LOOKED_AT: u32 = 16;

impl Accumulator {
    /// The partition that was chosen for a record has its share: whether another choice may find room. The partition that
    /// records without a key stick to becomes another one.
    pub fn steer(&self, topic: &Topic, wanted: &Wanted) -> bool {
        let Holder::Partition(dense) = wanted.claim.holder else { return false };
        let count = topic.partition_count();
        let Some(index) = topic.index_of(dense) else { return false };
        if count < 2 || !self.memory.is_capped(wanted.claim.holder, wanted.bytes) {
            return false;
        }
        topic.sticky.leave(index, |random| {
            let start = (random % u64::from(count)) as u32;
            let others = (0..count.min(LOOKED_AT)).map(|step| (start + step) % count);
            let has_room = |other: &u32| {
                topic.partition(*other).is_some_and(|partition| {
                    let holder = Holder::Partition(partition.id);
                    partition.leader() != NO_LEADER && !self.memory.is_capped(holder, wanted.bytes)
                })
            };
            others.filter(|other| *other != index).find(has_room).unwrap_or(start)
        });
        true
    }
}
