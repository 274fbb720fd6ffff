//! ListOffsets v1-7: earliest (-2), latest (-1), greatest timestamp (-3, from v7) and by timestamp. As in Kafka, a timestamp after
//! every record answers offset -1 without an error.

use kafka_protocol::messages::ListOffsetsResponse;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};

use super::cluster::Cluster;
use super::code;
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request, topic_name};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;

struct AskedPartition {
    index: i32,
    current_leader_epoch: i32,
    timestamp: i64,
}

/// Topics in order, each with the partitions asked for.
type AskedTopics<'a> = Vec<(&'a str, Vec<AskedPartition>)>;

struct Asked<'a> {
    /// The latest offset is then the last stable one.
    read_committed: bool,
    topics: AskedTopics<'a>,
}

fn read<'a>(body: &mut Reader<'a>, version: i16) -> ReadResult<Asked<'a>> {
    body.i32()?; // replica id
    let read_committed = version >= 2 && body.i8()? == 1;
    let mut topics = Vec::new();
    for _ in 0..body.array()? {
        let name = body.string()?;
        let mut partitions = Vec::new();
        for _ in 0..body.array()? {
            let index = body.i32()?;
            let current_leader_epoch = if version >= 4 { body.i32()? } else { -1 };
            let timestamp = body.i64()?;
            body.tagged_fields()?;
            partitions.push(AskedPartition { index, current_leader_epoch, timestamp });
        }
        body.tagged_fields()?;
        topics.push((name, partitions));
    }
    body.tagged_fields()?;
    body.end()?;
    Ok(Asked { read_committed, topics })
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let version = request.api_version;
    let asked = read(&mut request.body, version)?;
    cluster.stats.set_partition_count(asked.topics.iter().map(|(_, partitions)| partitions.len()).sum());
    let mut response = ListOffsetsResponse::default();
    if version >= 2 {
        response.throttle_time_ms = request.throttle_ms(cluster);
    }
    for (name, partitions) in &asked.topics {
        let answered = partitions.iter().map(|partition| {
            let found = match injected {
                Some(error_code) => Err(error_code),
                None => look_up(cluster, &request, name, partition, asked.read_committed),
            };
            partition_response(found, partition.index, version)
        });
        let topic = ListOffsetsTopicResponse::default().with_name(topic_name(name));
        response.topics.push(topic.with_partitions(answered.collect()));
    }
    request.encode(&response).map(Outcome::Respond)
}

struct Found {
    offset: i64,
    timestamp: i64,
    leader_epoch: i32,
}

fn look_up(
    cluster: &Cluster,
    request: &Request<'_>,
    topic: &str,
    asked: &AskedPartition,
    read_committed: bool,
) -> Result<Found, i16> {
    let known = cluster.topics.get(topic).and_then(|topic| topic.partition(asked.index));
    let partition = known.ok_or(code::UNKNOWN_TOPIC_OR_PARTITION)?;
    if partition.leader != Some(request.broker) {
        return Err(code::NOT_LEADER_OR_FOLLOWER);
    }
    partition.check_epoch(asked.current_leader_epoch)?;
    let (offset, timestamp) = match asked.timestamp {
        LATEST if read_committed => (partition.log.last_stable_offset(), -1),
        LATEST => (partition.log.end_offset(), -1),
        EARLIEST => (partition.log.start_offset(), -1),
        MAX_TIMESTAMP if request.api_version >= 7 => partition.log.max_timestamp().unwrap_or((-1, -1)),
        timestamp if timestamp < 0 => return Err(code::INVALID_REQUEST),
        timestamp => partition.log.first_at_or_after(timestamp).unwrap_or((-1, -1)),
    };
    // A record that the consumer may not see yet counts as none.
    let is_search = !matches!(asked.timestamp, LATEST | EARLIEST);
    let is_hidden = read_committed && is_search && offset >= partition.log.last_stable_offset();
    let (offset, timestamp) = if is_hidden { (-1, -1) } else { (offset, timestamp) };
    let leader_epoch = if offset < 0 { -1 } else { partition.leader_epoch };
    Ok(Found { offset, timestamp, leader_epoch })
}

fn partition_response(found: Result<Found, i16>, index: i32, version: i16) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default().with_partition_index(index);
    match found {
        Ok(found) => {
            let mut response = response.with_offset(found.offset).with_timestamp(found.timestamp);
            if version >= 4 {
                response.leader_epoch = found.leader_epoch;
            }
            response
        }
        Err(error_code) => response.with_error_code(error_code).with_offset(-1).with_timestamp(-1),
    }
}
