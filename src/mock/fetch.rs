//! Fetch v4-12, for consumers that read back. Differences from Kafka: no fetch sessions (every answer is full and opens none), and
//! a fetch that finds nothing is answered after `max_wait_ms` or 50 ms, whichever is shorter, instead of waking when
//! something comes.

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchResponse, ProducerId};

use crate::time::Micros;

use super::cluster::Cluster;
use super::code;
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request, topic_name};

/// A consumer that asks to wait longer is answered after this.
const EMPTY_WAIT_MS_MAX: i32 = 50;
/// The most one answer carries, beyond its first batch.
const MAX_BYTES_LIMIT: i32 = 55 << 20;

struct FetchRequest<'a> {
    max_wait_ms: i32,
    min_bytes: i32,
    max_bytes: i32,
    read_committed: bool,
    session_id: i32,
    topics: Vec<(&'a str, Vec<FetchPartition>)>,
}

struct FetchPartition {
    index: i32,
    current_leader_epoch: i32,
    fetch_offset: i64,
    max_bytes: i32,
}

fn read<'a>(body: &mut Reader<'a>, version: i16) -> ReadResult<FetchRequest<'a>> {
    body.i32()?; // replica id
    let (max_wait_ms, min_bytes, max_bytes) = (body.i32()?, body.i32()?, body.i32()?);
    let read_committed = body.i8()? == 1;
    let (session_id, _session_epoch) = if version >= 7 { (body.i32()?, body.i32()?) } else { (0, -1) };
    let mut topics = Vec::new();
    for _ in 0..body.array()? {
        let name = body.string()?;
        let mut partitions = Vec::new();
        for _ in 0..body.array()? {
            let index = body.i32()?;
            let current_leader_epoch = if version >= 9 { body.i32()? } else { -1 };
            let fetch_offset = body.i64()?;
            if version >= 12 {
                body.i32()?; // last fetched epoch: followers use it
            }
            if version >= 5 {
                body.i64()?; // log start offset: followers use it
            }
            let max_bytes = body.i32()?;
            body.tagged_fields()?;
            partitions.push(FetchPartition { index, current_leader_epoch, fetch_offset, max_bytes });
        }
        body.tagged_fields()?;
        topics.push((name, partitions));
    }
    if version >= 7 {
        read_forgotten_topics(body)?;
    }
    if version >= 11 {
        body.string()?; // rack id
    }
    body.tagged_fields()?;
    body.end()?;
    Ok(FetchRequest { max_wait_ms, min_bytes, max_bytes, read_committed, session_id, topics })
}

fn read_forgotten_topics(body: &mut Reader<'_>) -> ReadResult<()> {
    for _ in 0..body.array()? {
        body.string()?;
        for _ in 0..body.array()? {
            body.i32()?;
        }
        body.tagged_fields()?;
    }
    Ok(())
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let version = request.api_version;
    let fetch = read(&mut request.body, version)?;
    cluster.stats.set_partition_count(fetch.topics.iter().map(|(_, partitions)| partitions.len()).sum());
    let mut response = FetchResponse::default().with_throttle_time_ms(request.throttle_ms(cluster));
    if fetch.session_id != 0 {
        response.error_code = code::FETCH_SESSION_ID_NOT_FOUND;
        return request.encode(&response).map(Outcome::Respond);
    }
    let mut room_bytes = usize::try_from(fetch.max_bytes.min(MAX_BYTES_LIMIT)).unwrap_or(0);
    let mut answered_bytes = 0usize;
    let mut any_error = false;
    for (name, partitions) in &fetch.topics {
        let mut answered = Vec::with_capacity(partitions.len());
        for asked in partitions {
            let found = match injected {
                Some(error_code) => Err(error_code),
                None => {
                    let limits =
                        Limits { room_bytes, at_least_one: answered_bytes == 0, read_committed: fetch.read_committed };
                    read_partition(cluster, request.broker, name, asked, limits)
                }
            };
            any_error |= found.is_err();
            answered_bytes += found.as_ref().map_or(0, |found| found.records.len());
            room_bytes = room_bytes.saturating_sub(found.as_ref().map_or(0, |found| found.records.len()));
            answered.push(partition_data(found, asked.index, version));
        }
        let topic = FetchableTopicResponse::default().with_topic(topic_name(name));
        response.responses.push(topic.with_partitions(answered));
    }
    let bytes = request.encode(&response)?;
    let has_nothing = answered_bytes == 0 && !any_error && fetch.min_bytes > 0;
    Ok(if has_nothing {
        let max_wait_ms = fetch.max_wait_ms.clamp(0, EMPTY_WAIT_MS_MAX);
        Outcome::RespondAfter(bytes, Micros::from_ms(max_wait_ms.unsigned_abs().into()))
    } else {
        Outcome::Respond(bytes)
    })
}

struct Found {
    records: Bytes,
    end_offset: i64,
    last_stable_offset: i64,
    start_offset: i64,
    /// Told to `read_committed` consumers alone, who leave their records out.
    aborted: Option<Vec<AbortedTransaction>>,
}

/// How much one partition may answer.
#[derive(Clone, Copy)]
struct Limits {
    room_bytes: usize,
    at_least_one: bool,
    read_committed: bool,
}

fn read_partition(
    cluster: &Cluster,
    broker: i32,
    topic: &str,
    asked: &FetchPartition,
    limits: Limits,
) -> Result<Found, i16> {
    let known = cluster.topics.get(topic).and_then(|topic| topic.partition(asked.index));
    let partition = known.ok_or(code::UNKNOWN_TOPIC_OR_PARTITION)?;
    if partition.leader != Some(broker) {
        return Err(code::NOT_LEADER_OR_FOLLOWER);
    }
    partition.check_epoch(asked.current_leader_epoch)?;
    let (start_offset, end_offset) = (partition.log.start_offset(), partition.log.end_offset());
    if !(start_offset..=end_offset).contains(&asked.fetch_offset) {
        return Err(code::OFFSET_OUT_OF_RANGE);
    }
    let last_stable_offset = partition.log.last_stable_offset();
    let until = if limits.read_committed { last_stable_offset } else { end_offset };
    let max_bytes = usize::try_from(asked.max_bytes).unwrap_or(0).min(limits.room_bytes);
    let records = partition.log.read(asked.fetch_offset, until, max_bytes, limits.at_least_one);
    let aborted = limits.read_committed.then(|| {
        let aborted = partition.log.producers.aborted_between(asked.fetch_offset, until);
        let told = aborted.map(|aborted| {
            let transaction = AbortedTransaction::default().with_producer_id(ProducerId(aborted.producer_id));
            transaction.with_first_offset(aborted.first_offset)
        });
        told.collect()
    });
    Ok(Found { records, end_offset, last_stable_offset, start_offset, aborted })
}

fn partition_data(found: Result<Found, i16>, index: i32, version: i16) -> PartitionData {
    let data = PartitionData::default().with_partition_index(index).with_aborted_transactions(None);
    match found {
        Ok(found) => {
            let mut data = data
                .with_high_watermark(found.end_offset)
                .with_last_stable_offset(found.last_stable_offset)
                .with_aborted_transactions(found.aborted)
                .with_records(Some(found.records));
            if version >= 5 {
                data.log_start_offset = found.start_offset;
            }
            if version >= 11 {
                data.preferred_read_replica = BrokerId(-1);
            }
            data
        }
        Err(error_code) => data.with_error_code(error_code).with_high_watermark(-1),
    }
}
