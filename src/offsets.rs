//! Plain data of `producer_send_offsets_to_transaction`: what a consumer has processed, and who it is in its group.

/// The next offset that a group is to read from a partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicOffset {
    pub topic: String,
    pub partition: i32,
    /// The next one to read, not the last one processed.
    pub offset: i64,
    /// The leader epoch of the last record processed; -1 when unknown.
    pub leader_epoch: i32,
    pub metadata: Option<String>,
}

/// A consumer's place in its group (KIP-447): lets the group coordinator refuse a member that has been left behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMetadata {
    pub group_id: String,
    /// -1 without a member.
    pub generation_id: i32,
    /// Empty without a member.
    pub member_id: String,
    pub group_instance_id: Option<String>,
}

impl GroupMetadata {
    /// Whether it names a member: then the broker has to check it, and an older one that cannot must not be asked.
    pub fn names_member(&self) -> bool {
        self.generation_id >= 0 || !self.member_id.is_empty() || self.group_instance_id.is_some()
    }
}
