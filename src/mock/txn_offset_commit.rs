//! TxnOffsetCommit v0-5: offsets of a group that count once their transaction commits. From v3 on the request says which member of
//! the group it speaks for (KIP-447), from v5 on it makes the group part of the transaction.

use kafka_protocol::messages::TxnOffsetCommitResponse;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use super::admission::{Support, Target};
use super::cluster::Cluster;
use super::code;
use super::coordinators::CoordinatorKind;
use super::groups::{CommittedOffset, Member, Offsets};
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request, topic_name};
use super::transactions::Identity;

pub(super) struct OffsetTopic<'a> {
    pub(super) name: &'a str,
    pub(super) partitions: Vec<(i32, CommittedOffset)>,
}

/// The topics of TxnOffsetCommit and OffsetCommit.
pub(super) fn read_offset_topics<'a>(
    body: &mut Reader<'a>,
    has_leader_epoch: bool,
) -> ReadResult<Vec<OffsetTopic<'a>>> {
    let mut topics = Vec::new();
    for _ in 0..body.array()? {
        let name = body.string()?;
        let mut partitions = Vec::new();
        for _ in 0..body.array()? {
            let (index, offset) = (body.i32()?, body.i64()?);
            let leader_epoch = if has_leader_epoch { body.i32()? } else { -1 };
            let metadata = body.nullable_string()?.map(str::to_owned);
            body.tagged_fields()?;
            partitions.push((index, CommittedOffset { offset, leader_epoch, metadata }));
        }
        body.tagged_fields()?;
        topics.push(OffsetTopic { name, partitions });
    }
    Ok(topics)
}

/// The offsets whose partitions exist.
pub(super) fn known_offsets(cluster: &Cluster, topics: &[OffsetTopic<'_>]) -> Offsets {
    let all =
        topics.iter().flat_map(|topic| topic.partitions.iter().map(|(index, offset)| (topic.name, *index, offset)));
    let known = all.filter(|(topic, index, _)| cluster.has_partition(topic, *index));
    known.map(|(topic, index, offset)| ((topic.to_owned(), index), offset.clone())).collect()
}

struct CommitRequest<'a> {
    transactional_id: &'a str,
    group: &'a str,
    client: Identity,
    member: Member<'a>,
    topics: Vec<OffsetTopic<'a>>,
}

fn read<'a>(body: &mut Reader<'a>, version: i16) -> ReadResult<CommitRequest<'a>> {
    let (transactional_id, group) = (body.string()?, body.string()?);
    let client = Identity { producer_id: body.i64()?, epoch: body.i16()? };
    let member = if version >= 3 {
        Member { generation: body.i32()?, id: body.string()?, instance_id: body.nullable_string()? }
    } else {
        Member::NOBODY
    };
    let topics = read_offset_topics(body, version >= 2)?;
    body.tagged_fields()?;
    body.end()?;
    Ok(CommitRequest { transactional_id, group, client, member, topics })
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let version = request.api_version;
    let commit = read(&mut request.body, version)?;
    cluster.stats.set_partition_count(commit.topics.iter().map(|topic| topic.partitions.len()).sum());
    let offsets = known_offsets(cluster, &commit.topics);
    let result = match injected {
        Some(error_code) => Err(error_code),
        None if offsets.is_empty() => Ok(()),
        None => keep_pending(cluster, &request, &commit, offsets),
    };
    let error_code = match result {
        // Older clients crash on it (KAFKA-7296).
        Err(code::COORDINATOR_LOAD_IN_PROGRESS) if version < 2 => code::COORDINATOR_NOT_AVAILABLE,
        other => other.err().unwrap_or(code::NONE),
    };
    let mut response = TxnOffsetCommitResponse::default().with_throttle_time_ms(request.throttle_ms(cluster));
    for topic in &commit.topics {
        let partitions = topic.partitions.iter().map(|&(index, _)| {
            let is_known = injected.is_some() || cluster.has_partition(topic.name, index);
            let error_code = if is_known { error_code } else { code::UNKNOWN_TOPIC_OR_PARTITION };
            TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(error_code)
        });
        let answered = TxnOffsetCommitResponseTopic::default().with_name(topic_name(topic.name));
        response.topics.push(answered.with_partitions(partitions.collect()));
    }
    request.encode(&response).map(Outcome::Respond)
}

fn keep_pending(
    cluster: &mut Cluster,
    request: &Request<'_>,
    commit: &CommitRequest<'_>,
    offsets: Offsets,
) -> Result<(), i16> {
    let Identity { producer_id, epoch } = commit.client;
    if commit.group.is_empty() {
        return Err(code::INVALID_GROUP_ID);
    }
    cluster.coordinates(CoordinatorKind::Group, commit.group, request.broker)?;
    // As a partition does with records, the group asks the transaction's coordinator only about the first write.
    if !cluster.groups.has_open_transaction(commit.group, producer_id, epoch) {
        let support = Support::of_txn_offset_commit(request.api_version);
        cluster.admit(commit.transactional_id, commit.client, Target::Group(commit.group), support)?;
    }
    cluster.groups.commit_pending(commit.group, commit.member, producer_id, epoch, offsets)
}
