//! OffsetCommit v2-8 and OffsetFetch v1-8, for consumers that keep their place in a group without joining it.

use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{GroupId, OffsetCommitResponse, OffsetFetchResponse};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::code;
use super::coordinators::CoordinatorKind;
use super::groups::{CommittedOffset, Group, Member};
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request, topic_name};
use super::txn_offset_commit::{known_offsets, read_offset_topics};

pub(super) fn handle_commit(
    cluster: &mut Cluster,
    mut request: Request<'_>,
    injected: Option<i16>,
) -> ReadResult<Outcome> {
    let version = request.api_version;
    let body = &mut request.body;
    let (group, generation, id) = (body.string()?, body.i32()?, body.string()?);
    let instance_id = if version >= 7 { body.nullable_string()? } else { None };
    if version <= 4 {
        body.i64()?; // retention time
    }
    let topics = read_offset_topics(body, version >= 6)?;
    body.tagged_fields()?;
    body.end()?;
    let member = Member { generation, id, instance_id };
    let offsets = known_offsets(cluster, &topics);
    let result = match injected {
        Some(error_code) => Err(error_code),
        None if offsets.is_empty() => Ok(()),
        None if group.is_empty() => Err(code::INVALID_GROUP_ID),
        None => cluster
            .coordinates(CoordinatorKind::Group, group, request.broker)
            .and_then(|()| cluster.groups.commit(group, member, offsets)),
    };
    let mut response = OffsetCommitResponse::default();
    if version >= 3 {
        response.throttle_time_ms = request.throttle_ms(cluster);
    }
    for topic in &topics {
        let partitions = topic.partitions.iter().map(|&(index, _)| {
            let is_known = injected.is_some() || cluster.has_partition(topic.name, index);
            let error_code =
                if is_known { result.err().unwrap_or(code::NONE) } else { code::UNKNOWN_TOPIC_OR_PARTITION };
            OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(error_code)
        });
        let answered = OffsetCommitResponseTopic::default().with_name(topic_name(topic.name));
        response.topics.push(answered.with_partitions(partitions.collect()));
    }
    request.encode(&response).map(Outcome::Respond)
}

/// Topics with their partitions; `None` asks for all that the group has.
type AskedTopics<'a> = Option<Vec<(&'a str, Vec<i32>)>>;

fn read_asked_topics<'a>(body: &mut Reader<'a>) -> ReadResult<AskedTopics<'a>> {
    let Some(count) = body.nullable_array()? else { return Ok(None) };
    let mut topics = Vec::new();
    for _ in 0..count {
        let name = body.string()?;
        let mut indexes = Vec::new();
        for _ in 0..body.array()? {
            indexes.push(body.i32()?);
        }
        body.tagged_fields()?;
        topics.push((name, indexes));
    }
    Ok(Some(topics))
}

/// One partition's answer.
struct Fetched {
    topic: String,
    index: i32,
    found: CommittedOffset,
    error_code: i16,
}

pub(super) fn handle_fetch(
    cluster: &mut Cluster,
    mut request: Request<'_>,
    injected: Option<i16>,
) -> ReadResult<Outcome> {
    let version = request.api_version;
    let body = &mut request.body;
    let mut groups = Vec::new();
    if version >= 8 {
        for _ in 0..body.array()? {
            let group = body.string()?;
            let topics = read_asked_topics(body)?;
            body.tagged_fields()?;
            groups.push((group, topics));
        }
    } else {
        groups.push((body.string()?, read_asked_topics(body)?));
    }
    let require_stable = version >= 7 && body.bool()?;
    body.tagged_fields()?;
    body.end()?;

    let mut response = OffsetFetchResponse::default();
    if version >= 3 {
        response.throttle_time_ms = request.throttle_ms(cluster);
    }
    for (group, topics) in groups {
        let result = match injected {
            Some(error_code) => Err(error_code),
            None => cluster.coordinates(CoordinatorKind::Group, group, request.broker),
        };
        let error_code = result.err().unwrap_or(code::NONE);
        let fetched = fetch(cluster.groups.get(group), topics, require_stable, error_code);
        if version >= 8 {
            let answered = OffsetFetchResponseGroup::default()
                .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
                .with_error_code(error_code);
            response.groups.push(answered.with_topics(fetched_by_group(fetched)));
        } else {
            if version >= 2 {
                response.error_code = error_code;
            }
            response.topics = fetched_alone(fetched, version);
        }
    }
    request.encode(&response).map(Outcome::Respond)
}

fn fetch(group: Option<&Group>, topics: AskedTopics<'_>, require_stable: bool, error_code: i16) -> Vec<Fetched> {
    let asked: Vec<(String, i32)> = match topics {
        Some(topics) => {
            topics.iter().flat_map(|(name, indexes)| indexes.iter().map(|&index| ((*name).to_owned(), index))).collect()
        }
        None => group.into_iter().flat_map(|group| group.all_committed().keys().cloned()).collect(),
    };
    let answer = |(topic, index): (String, i32)| {
        let is_unstable = require_stable && group.is_some_and(|group| group.is_unstable(&topic, index));
        let error_code =
            if error_code == code::NONE && is_unstable { code::UNSTABLE_OFFSET_COMMIT } else { error_code };
        let committed = group.filter(|_| error_code == code::NONE).and_then(|group| group.committed(&topic, index));
        let nothing = CommittedOffset { offset: -1, leader_epoch: -1, metadata: Some(String::new()) };
        Fetched { found: committed.cloned().unwrap_or(nothing), topic, index, error_code }
    };
    asked.into_iter().map(answer).collect()
}

fn metadata_of(found: &CommittedOffset) -> Option<StrBytes> {
    found.metadata.clone().map(StrBytes::from_string)
}

fn fetched_by_group(fetched: Vec<Fetched>) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for one in fetched {
        let name = topic_name(&one.topic);
        if topics.last().is_none_or(|last| last.name != name) {
            topics.push(OffsetFetchResponseTopics::default().with_name(name));
        }
        let partition = OffsetFetchResponsePartitions::default()
            .with_partition_index(one.index)
            .with_committed_offset(one.found.offset)
            .with_committed_leader_epoch(one.found.leader_epoch)
            .with_metadata(metadata_of(&one.found))
            .with_error_code(one.error_code);
        topics.last_mut().into_iter().for_each(|last| last.partitions.push(partition.clone()));
    }
    topics
}

fn fetched_alone(fetched: Vec<Fetched>, version: i16) -> Vec<OffsetFetchResponseTopic> {
    let mut topics: Vec<OffsetFetchResponseTopic> = Vec::new();
    for one in fetched {
        let name = topic_name(&one.topic);
        if topics.last().is_none_or(|last| last.name != name) {
            topics.push(OffsetFetchResponseTopic::default().with_name(name));
        }
        let mut partition = OffsetFetchResponsePartition::default()
            .with_partition_index(one.index)
            .with_committed_offset(one.found.offset)
            .with_metadata(metadata_of(&one.found))
            .with_error_code(one.error_code);
        if version >= 5 {
            partition.committed_leader_epoch = one.found.leader_epoch;
        }
        topics.last_mut().into_iter().for_each(|last| last.partitions.push(partition.clone()));
    }
    topics
}
