//! Topics and partitions: who leads, under which epoch, and the log.

use super::partition_log::PartitionLog;
use super::record_rules::RecordRules;

pub(super) struct Partition {
    /// `None` while no replica is up, or after `partition_set_leader(None)`.
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    /// The test has taken the leader away: no election gives it back.
    pub(super) held_leaderless: bool,
    pub(super) replicas: Vec<i32>,
    /// With what the broker remembers of producers: like the log, it is there for every leader.
    pub(super) log: PartitionLog,
    /// The Produce request that named this partition last, and whether it did so twice.
    pub(super) named_by: u64,
    pub(super) named_twice: bool,
}

impl Partition {
    pub(super) fn new(replicas: Vec<i32>, leader: Option<i32>) -> Partition {
        Partition {
            leader,
            leader_epoch: 0,
            held_leaderless: false,
            replicas,
            log: PartitionLog::default(),
            named_by: 0,
            named_twice: false,
        }
    }

    pub(super) fn set_leader(&mut self, leader: Option<i32>) {
        self.leader = leader;
        self.leader_epoch = self.leader_epoch.saturating_add(1);
    }

    /// Kafka's check of the epoch a consumer believes in; -1 means it does not say.
    pub(super) fn check_epoch(&self, believed_epoch: i32) -> Result<(), i16> {
        match believed_epoch {
            -1 => Ok(()),
            epoch if epoch < self.leader_epoch => Err(super::code::FENCED_LEADER_EPOCH),
            epoch if epoch > self.leader_epoch => Err(super::code::UNKNOWN_LEADER_EPOCH),
            _ => Ok(()),
        }
    }
}

pub(super) struct Topic {
    pub(super) id: [u8; 16],
    pub(super) partitions: Vec<Partition>,
    /// `message.timestamp.type=LogAppendTime`.
    pub(super) log_append_time: bool,
    pub(super) rules: RecordRules,
}

impl Topic {
    pub(super) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    pub(super) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }
}

/// Kafka's rule: 1 to 249 of letters, digits, `.`, `_` and `-`, and neither `.` nor `..`.
pub(super) fn is_legal_topic_name(name: &str) -> bool {
    let legal_bytes = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    (1..=249).contains(&name.len()) && legal_bytes && name != "." && name != ".."
}
