//! Consumer groups as far as a producer meets them: their committed offsets, those that wait for the end of a transaction, and who
//! may commit. There is no joining: a test says who the members are.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Cluster;
use super::code;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommittedOffset {
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) metadata: Option<String>,
}

pub(super) type Offsets = BTreeMap<(String, i32), CommittedOffset>;

/// Offsets of an open transaction.
#[derive(Debug)]
struct Pending {
    epoch: i16,
    offsets: Offsets,
}

#[derive(Debug, Default)]
pub(super) struct Group {
    generation: i32,
    /// Member ids, each with its instance id if the member is a static one.
    members: BTreeMap<String, Option<String>>,
    committed: Offsets,
    pending: BTreeMap<i64, Pending>,
    /// The newest epoch seen of each producer id.
    producer_epochs: BTreeMap<i64, i16>,
}

/// Who says that a commit comes from the group; all of it empty for a client outside of the group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub(super) generation: i32,
    pub(super) id: &'a str,
    pub(super) instance_id: Option<&'a str>,
}

impl Member<'_> {
    /// What requests have before the versions that name the member.
    pub(super) const NOBODY: Member<'static> = Member { generation: -1, id: "", instance_id: None };
}

impl Group {
    /// Kafka's `ClassicGroup.validateOffsetCommit`. A transaction without any word of a member is let through, for that is
    /// what older clients send.
    fn validate(&self, member: Member<'_>, is_transactional: bool) -> Result<(), i16> {
        if member.generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        if member.generation < 0 && member.id.is_empty() && member.instance_id.is_none() {
            return if is_transactional { Ok(()) } else { Err(code::UNKNOWN_MEMBER_ID) };
        }
        if let Some(instance_id) = member.instance_id {
            let holder = self.members.iter().find(|(_, instance)| instance.as_deref() == Some(instance_id));
            let (holder, _) = holder.ok_or(code::UNKNOWN_MEMBER_ID)?;
            if holder != member.id {
                return Err(code::FENCED_INSTANCE_ID);
            }
        }
        if !self.members.contains_key(member.id) {
            return Err(code::UNKNOWN_MEMBER_ID);
        }
        if member.generation == self.generation { Ok(()) } else { Err(code::ILLEGAL_GENERATION) }
    }

    pub(super) fn committed(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.committed.get(&(topic.to_owned(), partition))
    }

    pub(super) fn all_committed(&self) -> &Offsets {
        &self.committed
    }

    /// Whether a transaction that is not decided has an offset for this partition.
    pub(super) fn is_unstable(&self, topic: &str, partition: i32) -> bool {
        let key = (topic.to_owned(), partition);
        self.pending.values().any(|pending| pending.offsets.contains_key(&key))
    }
}

#[derive(Default)]
pub(super) struct Groups {
    by_id: BTreeMap<String, Group>,
}

impl Groups {
    pub(super) fn get(&self, group: &str) -> Option<&Group> {
        self.by_id.get(group)
    }

    /// The group if the member may commit to it; one that nobody manages comes into being.
    fn validated(&mut self, group: &str, member: Member<'_>, is_transactional: bool) -> Result<&mut Group, i16> {
        if !self.by_id.contains_key(group) && member.generation >= 0 {
            return Err(code::ILLEGAL_GENERATION);
        }
        let group = self.by_id.entry(group.to_owned()).or_default();
        group.validate(member, is_transactional)?;
        Ok(group)
    }

    pub(super) fn commit(&mut self, group: &str, member: Member<'_>, offsets: Offsets) -> Result<(), i16> {
        self.validated(group, member, false)?.committed.extend(offsets);
        Ok(())
    }

    /// Keeps offsets until their transaction ends.
    pub(super) fn commit_pending(
        &mut self,
        group: &str,
        member: Member<'_>,
        producer_id: i64,
        epoch: i16,
        offsets: Offsets,
    ) -> Result<(), i16> {
        let group = self.validated(group, member, true)?;
        let newest = group.producer_epochs.entry(producer_id).or_insert(epoch);
        if epoch < *newest {
            return Err(code::INVALID_PRODUCER_EPOCH);
        }
        *newest = epoch;
        let pending = group.pending.entry(producer_id).or_insert_with(|| Pending { epoch, offsets: Offsets::new() });
        pending.epoch = epoch;
        pending.offsets.extend(offsets);
        Ok(())
    }

    /// Whether the group holds offsets of this producer's open transaction already.
    pub(super) fn has_open_transaction(&self, group: &str, producer_id: i64, epoch: i16) -> bool {
        let pending = self.by_id.get(group).and_then(|group| group.pending.get(&producer_id));
        pending.is_some_and(|pending| pending.epoch == epoch)
    }

    /// A marker came: what waited counts now, or is dropped.
    pub(super) fn end_transaction(&mut self, group: &str, producer_id: i64, epoch: i16, is_commit: bool) {
        let Some(group) = self.by_id.get_mut(group) else { return };
        let newest = group.producer_epochs.entry(producer_id).or_insert(epoch);
        *newest = epoch.max(*newest);
        let ended = group.pending.remove(&producer_id);
        if let Some(pending) = ended.filter(|_| is_commit) {
            group.committed.extend(pending.offsets);
        }
    }
}

impl Cluster {
    /// Makes these the members of a group: ids, each with an instance id if the member is a static one. Commits must then come
    /// from one of them and name the generation. No members: anybody outside of a group may commit.
    pub fn group_set_members(&mut self, group: &str, generation: i32, members: &[(&str, Option<&str>)]) {
        let group = self.groups.by_id.entry(group.to_owned()).or_default();
        group.generation = generation;
        let owned = members.iter().map(|(id, instance)| ((*id).to_owned(), instance.map(str::to_owned)));
        group.members = owned.collect();
    }

    /// The group's offset for a partition as consumers find it; `None` if there is none.
    pub fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        Some(self.groups.get(group)?.committed(topic, partition)?.offset)
    }

    /// The partitions for which the group holds offsets of transactions that are not decided.
    pub fn pending_offsets(&self, group: &str) -> Vec<(String, i32)> {
        let pending = self.groups.get(group).into_iter().flat_map(|group| group.pending.values());
        let partitions: BTreeSet<_> = pending.flat_map(|pending| pending.offsets.keys().cloned()).collect();
        partitions.into_iter().collect()
    }
}
