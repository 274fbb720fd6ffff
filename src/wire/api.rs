//! ApiVersions and Metadata: requests, and responses as plain structs.

use super::header::{Api, begin_request, finish_request};
use super::primitives::{
    DecodeError, Form, Reader, Result, put_array_len, put_bool, put_i32, put_no_tagged_fields, put_nullable_string,
    put_string,
};

/// The versions of one API that a broker speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiRange {
    pub api_key: i16,
    pub min: i16,
    pub max: i16,
}

/// The answer to ApiVersions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApiVersionsAnswer {
    /// UNSUPPORTED_VERSION (35) means: ask again with an older version (one within `ranges`, if it names ApiVersions).
    pub error_code: i16,
    pub ranges: Vec<ApiRange>,
    /// Finalized features of the cluster: name and highest finalized level.
    pub features: Vec<(String, i16)>,
    /// -1 when unknown; `features` of a higher epoch are newer.
    pub features_epoch: i64,
    pub throttle_time_ms: i32,
}

/// The answer to Metadata.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetadataAnswer {
    pub throttle_time_ms: i32,
    pub brokers: Vec<BrokerInfo>,
    pub cluster_id: Option<String>,
    /// -1 when unknown.
    pub controller_id: i32,
    pub topics: Vec<TopicInfo>,
    /// Of the whole answer, from v13 on (KIP-1102); 0 before.
    pub error_code: i16,
}

/// A broker as metadata name it. `port` is as sent: it may not be a port number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerInfo {
    pub id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

/// A topic of the metadata.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicInfo {
    /// Empty when the broker sent none, which it only does when asked by id.
    pub name: String,
    pub error_code: i16,
    /// All zero before v10 and when the broker has none.
    pub topic_id: [u8; 16],
    /// In the broker's order, which need not be that of `index`; an index may be missing.
    pub partitions: Vec<PartitionInfo>,
    /// The brokers that the partitions' `nodes` count off; empty unless they were asked for.
    pub nodes: Vec<i32>,
}

/// A partition of the metadata.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionInfo {
    pub index: i32,
    pub error_code: i16,
    /// -1 when there is none.
    pub leader: i32,
    /// -1 when unknown.
    pub leader_epoch: i32,
    pub nodes: NodeLists,
}

/// A partition's brokers, one list behind the other in its topic's `nodes`: with 10,000 partitions vectors of their own
/// would be 30,000 allocations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeLists {
    /// Where its replicas begin.
    pub start: u32,
    pub replicas: u32,
    pub in_sync: u32,
    pub offline: u32,
}

/// What is wanted of an answer to Metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// A producer sends to leaders: replicas are read over.
    Leaders,
    Replicas,
}

/// Whom a connection is meant to reach (KIP-1242).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destination<'a> {
    pub cluster_id: &'a str,
    pub node_id: i32,
}

/// Encodes an ApiVersions request with its length prefix. Name and version of the software are sent from v3 on, the
/// destination from v5 on.
pub fn encode_api_versions(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    software_name: &str,
    software_version: &str,
    destination: Option<Destination<'_>>,
) -> Vec<u8> {
    let form = Api::ApiVersions.form(version);
    let mut out = Vec::with_capacity(64);
    begin_request(&mut out, Api::ApiVersions, version, correlation_id, client_id);
    if version >= 3 {
        put_string(&mut out, form, software_name);
        put_string(&mut out, form, software_version);
    }
    if version >= 5 {
        // Brokers refuse one without the other.
        put_nullable_string(&mut out, form, destination.map(|destination| destination.cluster_id));
        put_i32(&mut out, destination.map_or(-1, |destination| destination.node_id));
    }
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to ApiVersions of `version`. A broker that does not speak the version answers in
/// version 0 (KIP-511), others in whichever version they like, so that the body is read in every form, that of
/// `version` first; none of them can be taken for another. A refusal needs no body at all: then `ranges` is empty.
pub fn decode_api_versions(version: i16, body: &[u8]) -> std::result::Result<ApiVersionsAnswer, DecodeError> {
    let asked = read_api_versions(version, body);
    if asked.is_ok() {
        return asked;
    }
    let others = [3, 1, 0].into_iter().filter(|other| *other != version);
    if let Some(answer) = others.filter_map(|other| read_api_versions(other, body).ok()).next() {
        return Ok(answer);
    }
    let error_code = Reader::new(body, Form::Classic).i16("error code")?;
    match error_code {
        0 => asked,
        _ => Ok(ApiVersionsAnswer { error_code, features_epoch: -1, ..ApiVersionsAnswer::default() }),
    }
}

fn read_api_versions(version: i16, body: &[u8]) -> Result<ApiVersionsAnswer> {
    let mut reader = Reader::new(body, Api::ApiVersions.form(version));
    let mut answer =
        ApiVersionsAnswer { error_code: reader.i16("error code")?, features_epoch: -1, ..ApiVersionsAnswer::default() };
    for _ in 0..reader.array_len(6, "API ranges")? {
        let range = ApiRange {
            api_key: reader.i16("API key")?,
            min: reader.i16("lowest version")?,
            max: reader.i16("highest version")?,
        };
        reader.skip_tagged_fields("API range's tagged fields")?;
        answer.ranges.push(range);
    }
    if version >= 1 {
        answer.throttle_time_ms = reader.i32("throttle time")?;
    }
    reader.tagged_fields("API versions' tagged fields", |tag, field| {
        match tag {
            TAG_FINALIZED_FEATURES_EPOCH => answer.features_epoch = field.i64("features epoch")?,
            TAG_FINALIZED_FEATURES => answer.features = read_features(field)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(answer)
}

fn read_features(reader: &mut Reader<'_>) -> Result<Vec<(String, i16)>> {
    let mut features = Vec::new();
    for _ in 0..reader.array_len(6, "finalized features")? {
        let name = reader.string("feature name")?.into_owned();
        let level_max = reader.i16("highest feature level")?;
        reader.i16("lowest feature level")?;
        reader.skip_tagged_fields("feature's tagged fields")?;
        features.push((name, level_max));
    }
    Ok(features)
}

/// Encodes a Metadata request with its length prefix. `topics`: `None` asks for all of them, an empty slice for none.
pub fn encode_metadata(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    topics: Option<&[&str]>,
    allow_auto_create: bool,
) -> Vec<u8> {
    let form = Api::Metadata.form(version);
    let mut out = Vec::with_capacity(64 + 32 * topics.map_or(0, <[_]>::len));
    begin_request(&mut out, Api::Metadata, version, correlation_id, client_id);
    put_array_len(&mut out, form, topics.map(<[_]>::len));
    for topic in topics.unwrap_or_default() {
        if version >= 10 {
            out.extend_from_slice(&[0; 16]);
        }
        put_string(&mut out, form, topic);
        put_no_tagged_fields(&mut out, form);
    }
    put_bool(&mut out, allow_auto_create);
    if (8..=10).contains(&version) {
        put_bool(&mut out, false);
    }
    if version >= 8 {
        put_bool(&mut out, false);
    }
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// No cluster has so many; an answer that names more is damaged, or means harm.
const BROKERS_MAX: usize = 100_000;

/// Decodes the body of an answer to Metadata of `version`.
pub fn decode_metadata(version: i16, body: &[u8], detail: Detail) -> std::result::Result<MetadataAnswer, DecodeError> {
    let mut reader = Reader::new(body, Api::Metadata.form(version));
    let mut answer = MetadataAnswer { throttle_time_ms: reader.i32("throttle time")?, ..MetadataAnswer::default() };
    let brokers = reader.array_len(10, "brokers")?;
    if brokers > BROKERS_MAX {
        return Err(DecodeError { what: "the number of brokers, which is 100000 at most", at: reader.at() });
    }
    for _ in 0..brokers {
        answer.brokers.push(BrokerInfo {
            id: reader.i32("broker id")?,
            host: reader.line("broker host")?,
            port: reader.i32("broker port")?,
            rack: reader.nullable_line("broker rack")?,
        });
        reader.skip_tagged_fields("broker's tagged fields")?;
    }
    answer.cluster_id = reader.nullable_line("cluster id")?;
    answer.controller_id = reader.i32("controller id")?;
    for _ in 0..reader.array_len(5, "topics")? {
        answer.topics.push(read_topic(version, &mut reader, detail)?);
    }
    if (8..=10).contains(&version) {
        reader.i32("cluster's authorized operations")?;
    }
    if version >= 13 {
        answer.error_code = reader.i16("error code")?;
    }
    reader.skip_tagged_fields("metadata's tagged fields")?;
    Ok(answer)
}

fn read_topic(version: i16, reader: &mut Reader<'_>, detail: Detail) -> Result<TopicInfo> {
    let mut topic = TopicInfo {
        error_code: reader.i16("topic's error code")?,
        name: match version {
            12.. => reader.nullable_string("topic name")?.unwrap_or_default().into_owned(),
            _ => reader.string("topic name")?.into_owned(),
        },
        topic_id: if version >= 10 { reader.uuid("topic id")? } else { [0; 16] },
        partitions: Vec::new(),
        nodes: Vec::new(),
    };
    reader.bool("whether the topic is internal")?;
    for _ in 0..reader.array_len(PARTITION_BYTES_MIN, "partitions")? {
        let mut partition = PartitionInfo {
            error_code: reader.i16("partition's error code")?,
            index: reader.i32("partition index")?,
            leader: reader.i32("leader id")?,
            leader_epoch: reader.i32("leader epoch")?,
            nodes: NodeLists { start: topic.nodes.len() as u32, ..NodeLists::default() },
        };
        let lists = &mut partition.nodes;
        let (replicas, in_sync, offline) = (&mut lists.replicas, &mut lists.in_sync, &mut lists.offline);
        for (what, len) in [("replicas", replicas), ("in-sync replicas", in_sync), ("offline replicas", offline)] {
            let count = reader.array_len(4, what)?;
            if detail == Detail::Leaders {
                reader.take(4 * count, what)?;
                continue;
            }
            *len = count as u32;
            for _ in 0..count {
                topic.nodes.push(reader.i32(what)?);
            }
        }
        reader.skip_tagged_fields("partition's tagged fields")?;
        topic.partitions.push(partition);
    }
    if version >= 8 {
        reader.i32("topic's authorized operations")?;
    }
    reader.skip_tagged_fields("topic's tagged fields")?;
    Ok(topic)
}

/// The highest version that both sides speak, or a sentence that names the API and both ranges.
pub fn choose_version(ranges: &[ApiRange], api: Api, ours_min: i16, ours_max: i16) -> std::result::Result<i16, String> {
    let name = api.name();
    let Some(theirs) = ranges.iter().find(|range| range.api_key == api.key()) else {
        return Err(format!("the broker does not offer {name} requests; we speak versions {ours_min} to {ours_max}"));
    };
    let version = ours_max.min(theirs.max);
    if version < ours_min.max(theirs.min) {
        return Err(format!(
            "the broker speaks versions {} to {} of {name} requests, we speak {ours_min} to {ours_max}",
            theirs.min, theirs.max
        ));
    }
    Ok(version)
}

const TAG_FINALIZED_FEATURES_EPOCH: u32 = 1;
const TAG_FINALIZED_FEATURES: u32 = 2;
/// Error, index, leader, epoch and three arrays, each at its shortest.
const PARTITION_BYTES_MIN: usize = 2 + 4 + 4 + 4 + 3;

#[cfg(test)]
mod tests;
