//! Metadata v0-13: by name, by topic id (v12), all topics. Differences from Kafka: a topic created on demand is there
//! in the same answer, and authorized operations are never told.

use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataResponse};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::code;
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request, topic_name};
use super::topic::{Topic, is_legal_topic_name};

const NO_TOPIC_ID: [u8; 16] = [0; 16];

enum Asked<'a> {
    All,
    Topics(Vec<AskedTopic<'a>>),
}

struct AskedTopic<'a> {
    id: [u8; 16],
    name: Option<&'a str>,
}

fn read<'a>(body: &mut Reader<'a>, version: i16) -> ReadResult<(Asked<'a>, bool)> {
    let count = body.nullable_array()?;
    let mut topics = Vec::new();
    for _ in 0..count.unwrap_or(0) {
        let id = if version >= 10 { body.uuid()? } else { NO_TOPIC_ID };
        let name = if version >= 10 { body.nullable_string()? } else { Some(body.string()?) };
        body.tagged_fields()?;
        topics.push(AskedTopic { id, name });
    }
    // Version 0 has no null array: an empty one asks for all.
    let asked = if count.is_none() || (version == 0 && topics.is_empty()) { Asked::All } else { Asked::Topics(topics) };
    let may_create = if version >= 4 { body.bool()? } else { true };
    if (8..=10).contains(&version) {
        body.bool()?;
    }
    if version >= 8 {
        body.bool()?;
    }
    body.tagged_fields()?;
    body.end()?;
    Ok((asked, may_create))
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let version = request.api_version;
    let (asked, may_create) = read(&mut request.body, version)?;
    let topics: Vec<MetadataResponseTopic> = match asked {
        Asked::All => cluster
            .topics
            .iter()
            .map(|(name, topic)| match injected {
                Some(error_code) => failed_topic(Some(name), topic.id, error_code, version),
                None => known_topic(cluster, name, topic, version),
            })
            .collect(),
        Asked::Topics(asked) => {
            cluster.stats.set_partition_count(asked.len());
            asked.iter().map(|topic| answer_topic(cluster, topic, may_create, injected, version)).collect()
        }
    };
    let up: Vec<i32> = cluster.broker_ids().filter(|&id| cluster.is_up(id)).collect();
    let brokers = up.iter().filter_map(|&id| {
        let broker = cluster.broker(id)?;
        let host = StrBytes::from_string(broker.host.clone());
        let answered = MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_host(host);
        let rack = broker.rack.clone().filter(|_| version >= 1).map(StrBytes::from_string);
        Some(answered.with_port(broker.port.into()).with_rack(rack))
    });
    let mut response = MetadataResponse::default().with_brokers(brokers.collect()).with_topics(topics);
    if version >= 1 {
        response.controller_id = BrokerId(up.first().copied().unwrap_or(-1));
    }
    if version >= 2 {
        response.cluster_id = Some(StrBytes::from_string(cluster.options.cluster_id.clone()));
    }
    if version >= 3 {
        response.throttle_time_ms = request.throttle_ms(cluster);
    }
    request.encode(&response).map(Outcome::Respond)
}

fn answer_topic(
    cluster: &mut Cluster,
    asked: &AskedTopic<'_>,
    may_create: bool,
    injected: Option<i16>,
    version: i16,
) -> MetadataResponseTopic {
    let Some(name) = asked.name else {
        let found = cluster.topics.iter().find(|(_, topic)| topic.id == asked.id && version >= 12);
        return match (injected, found) {
            (Some(error_code), _) => failed_topic(None, asked.id, error_code, version),
            (None, Some((name, topic))) => known_topic(cluster, name, topic, version),
            // By id is asked from version 12 on; before, a null name is a mistake.
            (None, None) if version >= 12 => failed_topic(None, asked.id, code::UNKNOWN_TOPIC_ID, version),
            (None, None) => failed_topic(Some(""), asked.id, code::INVALID_REQUEST, version),
        };
    };
    if let Some(error_code) = injected {
        return failed_topic(Some(name), NO_TOPIC_ID, error_code, version);
    }
    if !is_legal_topic_name(name) {
        return failed_topic(Some(name), NO_TOPIC_ID, code::INVALID_TOPIC_EXCEPTION, version);
    }
    let partitions = cluster.options.auto_create_partitions;
    if may_create && partitions > 0 && !cluster.topics.contains_key(name) {
        let brokers = i16::try_from(cluster.options.brokers).unwrap_or(i16::MAX);
        let replicas = cluster.options.auto_create_replicas.clamp(1, brokers);
        if let Err(error) = cluster.topic_create(name, partitions, replicas) {
            let error_code = i16::try_from(error.status.code()).unwrap_or(code::INVALID_REQUEST);
            return failed_topic(Some(name), NO_TOPIC_ID, error_code, version);
        }
    }
    match cluster.topics.get(name) {
        Some(topic) => known_topic(cluster, name, topic, version),
        None => failed_topic(Some(name), NO_TOPIC_ID, code::UNKNOWN_TOPIC_OR_PARTITION, version),
    }
}

fn topic_with_id(id: [u8; 16], version: i16) -> MetadataResponseTopic {
    let mut topic = MetadataResponseTopic::default();
    if version >= 10 {
        // Sixteen bytes always make one.
        topic.topic_id = id.to_vec().try_into().unwrap_or_default();
    }
    topic
}

/// The name is nullable from version 12 on.
fn failed_topic(name: Option<&str>, id: [u8; 16], error_code: i16, version: i16) -> MetadataResponseTopic {
    let name = if version < 12 { Some(name.unwrap_or("")) } else { name };
    topic_with_id(id, version).with_name(name.map(topic_name)).with_error_code(error_code)
}

fn known_topic(cluster: &Cluster, name: &str, topic: &Topic, version: i16) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().enumerate().map(|(index, partition)| {
        // A leader that the test has put on a broker which is down is as good as none.
        let leader = partition.leader.filter(|&id| cluster.is_up(id));
        let (in_sync, offline): (Vec<i32>, Vec<i32>) = partition.replicas.iter().partition(|&&id| cluster.is_up(id));
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
        let mut answered = MetadataResponsePartition::default()
            .with_error_code(if leader.is_some() { code::NONE } else { code::LEADER_NOT_AVAILABLE })
            .with_partition_index(index as i32)
            .with_leader_id(BrokerId(leader.unwrap_or(-1)))
            .with_replica_nodes(ids(&partition.replicas))
            .with_isr_nodes(ids(&in_sync));
        if version >= 5 {
            answered.offline_replicas = ids(&offline);
        }
        if version >= 7 {
            answered.leader_epoch = partition.leader_epoch;
        }
        answered
    });
    topic_with_id(topic.id, version).with_name(Some(topic_name(name))).with_partitions(partitions.collect())
}
