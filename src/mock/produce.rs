//! Produce v3-13, the request read by this file alone. Differences from Kafka: a partition named twice in one request
//! is refused with INVALID_REQUEST both times (Kafka keeps one of the two in silence); acks=all waits for no replica; a
//! v12 that finds the transaction before still ending is refused at once (Kafka tries again for 100 ms first).

use std::borrow::Cow;

use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::admission::{Support, Target, for_produce};
use super::batch_decode::{BatchHeader, check_batch};
use super::cluster::Cluster;
use super::code;
use super::decompress::ZSTD;
use super::producer_state::Verdict;
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request, topic_name};
use super::topic::Partition;
use super::transactions::Identity;

/// From here on requests and answers name topics by id (KIP-516).
const PRODUCE_BY_ID: i16 = 13;
/// KIP-110 let zstd in with this version.
const ZSTD_VERSION_MIN: i16 = 7;

struct ProduceRequest<'a> {
    transactional_id: Option<&'a str>,
    acks: i16,
    topics: Vec<TopicData<'a>>,
}

struct TopicData<'a> {
    name: Cow<'a, str>,
    /// Names the topic from v13 on.
    id: [u8; 16],
    partitions: Vec<PartitionData<'a>>,
}

struct PartitionData<'a> {
    index: i32,
    records: Option<&'a [u8]>,
}

/// `name_of` an id; a topic that it does not know gets no name, which no topic has.
fn read<'a>(
    body: &mut Reader<'a>,
    version: i16,
    name_of: impl Fn([u8; 16]) -> Option<String>,
) -> ReadResult<ProduceRequest<'a>> {
    let transactional_id = body.nullable_string()?;
    let acks = body.i16()?;
    body.i32()?; // timeout_ms: nothing here waits for replicas
    let mut topics = Vec::new();
    for _ in 0..body.array()? {
        let (name, id) = if version >= PRODUCE_BY_ID {
            let id = body.uuid()?;
            (Cow::Owned(name_of(id).unwrap_or_default()), id)
        } else {
            (Cow::Borrowed(body.string()?), [0; 16])
        };
        let mut partitions = Vec::new();
        for _ in 0..body.array()? {
            let (index, records) = (body.i32()?, body.nullable_bytes()?);
            body.tagged_fields()?;
            partitions.push(PartitionData { index, records });
        }
        body.tagged_fields()?;
        topics.push(TopicData { name, id, partitions });
    }
    body.tagged_fields()?;
    body.end()?;
    Ok(ProduceRequest { transactional_id, acks, topics })
}

/// The answer for one partition; an error leaves no offset.
struct Appended {
    error_code: i16,
    reason: Option<&'static str>,
    /// Records that made the broker refuse the batch, by place (KIP-467).
    record_errors: Vec<(i32, String)>,
    base_offset: i64,
    log_append_time_ms: i64,
    log_start_offset: i64,
    /// Told with NOT_LEADER_OR_FOLLOWER: the leader as the cluster knows it, and its epoch.
    current_leader: Option<(i32, i32)>,
}

impl Appended {
    fn accepted(base_offset: i64, log_append_time_ms: i64, log_start_offset: i64) -> Appended {
        Appended {
            error_code: code::NONE,
            reason: None,
            record_errors: Vec::new(),
            base_offset,
            log_append_time_ms,
            log_start_offset,
            current_leader: None,
        }
    }

    fn refused(error_code: i16) -> Appended {
        Appended {
            error_code,
            reason: None,
            record_errors: Vec::new(),
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            current_leader: None,
        }
    }
}

pub(super) fn handle(cluster: &mut Cluster, mut request: Request<'_>, injected: Option<i16>) -> ReadResult<Outcome> {
    let version = request.api_version;
    let produce = read(&mut request.body, version, |id| cluster.topic_name(id).map(str::to_owned))?;
    cluster.stats.set_partition_count(produce.topics.iter().map(|topic| topic.partitions.len()).sum());
    mark_partitions_named_twice(cluster, &produce);

    let refused_whole = transactional_refusal(&produce);
    let mut any_error = false;
    let mut leaders_told: Vec<i32> = Vec::new();
    let mut responses = Vec::with_capacity(produce.topics.len());
    for topic in &produce.topics {
        let mut partition_responses = Vec::with_capacity(topic.partitions.len());
        for data in &topic.partitions {
            let place = Place { transactional_id: produce.transactional_id, topic: &topic.name, data };
            let appended = match refused_whole {
                Some(error_code) if injected.is_none() => Appended::refused(error_code),
                _ if version >= PRODUCE_BY_ID && topic.name.is_empty() => Appended::refused(code::UNKNOWN_TOPIC_ID),
                _ if !matches!(produce.acks, -1..=1) => Appended::refused(code::INVALID_REQUIRED_ACKS),
                _ => append_unless_injected(cluster, &request, &place, injected),
            };
            any_error |= appended.error_code != code::NONE;
            leaders_told.extend(appended.current_leader.map(|(leader, _)| leader));
            partition_responses.push(partition_response(&appended, data.index, request.api_version));
        }
        let named = TopicProduceResponse::default();
        let response = match version {
            // Sixteen bytes always make one.
            PRODUCE_BY_ID.. => named.with_topic_id(topic.id.to_vec().try_into().unwrap_or_default()),
            _ => named.with_name(topic_name(&topic.name)),
        };
        responses.push(response.with_partition_responses(partition_responses));
    }
    if produce.acks == 0 {
        // With no answer to carry the error, a broker closes the connection so that the client refreshes its metadata.
        return Ok(if any_error { Outcome::Disconnect } else { Outcome::Nothing });
    }
    let throttle_ms = request.throttle_ms(cluster);
    let mut response = ProduceResponse::default().with_responses(responses).with_throttle_time_ms(throttle_ms);
    if request.api_version >= 10 {
        leaders_told.sort_unstable();
        leaders_told.dedup();
        response.node_endpoints = leaders_told.iter().filter_map(|&id| node_endpoint(cluster, id)).collect();
    }
    request.encode(&response).map(Outcome::Respond)
}

fn mark_partitions_named_twice(cluster: &mut Cluster, produce: &ProduceRequest<'_>) {
    cluster.produce_requests += 1;
    for topic in &produce.topics {
        let Some(known) = cluster.topics.get_mut(&*topic.name) else { continue };
        for data in &topic.partitions {
            let Some(partition) = known.partition_mut(data.index) else { continue };
            partition.named_twice = partition.named_by == cluster.produce_requests;
            partition.named_by = cluster.produce_requests;
        }
    }
}

/// Where one batch is to go.
struct Place<'a> {
    transactional_id: Option<&'a str>,
    topic: &'a str,
    data: &'a PartitionData<'a>,
}

/// What makes Kafka refuse a request with transactional batches as a whole.
fn transactional_refusal(produce: &ProduceRequest<'_>) -> Option<i16> {
    let batches = produce.topics.iter().flat_map(|topic| &topic.partitions).filter_map(|data| data.records);
    let mut producers = batches.filter_map(BatchHeader::read).filter(BatchHeader::is_transactional);
    let first = producers.next()?;
    if produce.transactional_id.is_none() {
        return Some(code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    let is_other =
        |other: BatchHeader| (other.producer_id, other.producer_epoch) != (first.producer_id, first.producer_epoch);
    producers.any(is_other).then_some(code::INVALID_PRODUCER_ID_MAPPING)
}

fn append_unless_injected(
    cluster: &mut Cluster,
    request: &Request<'_>,
    place: &Place<'_>,
    injected: Option<i16>,
) -> Appended {
    let Some(injected) = injected else { return append(cluster, request, place) };
    if matches!(injected, code::NOT_ENOUGH_REPLICAS_AFTER_APPEND | code::REQUEST_TIMED_OUT) {
        // A real broker answers these two after the append; an error of the append itself comes first.
        let appended = append(cluster, request, place);
        if appended.error_code != code::NONE {
            return appended;
        }
    }
    Appended::refused(injected)
}

fn append(cluster: &mut Cluster, request: &Request<'_>, place: &Place<'_>) -> Appended {
    let Some(partition) = cluster.topics.get(place.topic).and_then(|topic| topic.partition(place.data.index)) else {
        return Appended::refused(code::UNKNOWN_TOPIC_OR_PARTITION);
    };
    if partition.named_twice {
        return Appended::refused(code::INVALID_REQUEST);
    }
    if partition.leader != Some(request.broker) {
        return not_leader(partition);
    }
    let batch = place.data.records.unwrap_or(&[]);
    if batch.len() > cluster.options.message_max_bytes {
        return Appended::refused(code::MESSAGE_TOO_LARGE);
    }
    let header = match check_batch(batch) {
        Ok(header) if header.codec() == ZSTD && request.api_version < ZSTD_VERSION_MIN => {
            let reason = Some("Produce requests below version 7 may not carry zstd");
            return Appended { reason, ..Appended::refused(code::UNSUPPORTED_COMPRESSION_TYPE) };
        }
        Ok(header) => header,
        Err(refusal) => {
            return Appended { reason: Some(refusal.reason), ..Appended::refused(refusal.error_code) };
        }
    };
    if header.is_transactional()
        && let Err(error_code) = admit(cluster, request, place, &header)
    {
        return Appended::refused(error_code);
    }
    append_checked(cluster, request, place, &header)
}

/// Makes sure that the partition belongs to the batch's transaction, unless it has records of it already.
fn admit(cluster: &mut Cluster, request: &Request<'_>, place: &Place<'_>, header: &BatchHeader) -> Result<(), i16> {
    let client = Identity { producer_id: header.producer_id, epoch: header.producer_epoch };
    let support = Support::of_produce(request.api_version);
    let (topic, index) = (place.topic, place.data.index);
    let known = cluster.topics.get_mut(topic).and_then(|topic| topic.partition_mut(index));
    let producers = &mut known.ok_or(code::UNKNOWN_TOPIC_OR_PARTITION)?.log.producers;
    if producers.has_open_transaction(client.producer_id, client.epoch) {
        return Ok(());
    }
    if producers.is_older_epoch(client.producer_id, client.epoch) {
        return Err(code::INVALID_PRODUCER_EPOCH);
    }
    if support == Support::Add || cluster.transactions.verifies {
        producers.verifying(header, support == Support::Add);
    }
    let transactional_id = place.transactional_id.unwrap_or_default();
    let admitted = cluster.admit(transactional_id, client, Target::Partition(topic, index), support);
    admitted.map_err(|error_code| for_produce(error_code, support))
}

fn append_checked(cluster: &mut Cluster, request: &Request<'_>, place: &Place<'_>, header: &BatchHeader) -> Appended {
    let retention_bytes = cluster.options.retention_bytes_per_partition;
    let known = cluster.topics.get_mut(place.topic);
    let append_ms = known.as_ref().is_some_and(|topic| topic.log_append_time).then_some(request.wall_ms);
    let batch = place.data.records.unwrap_or(&[]);
    if let Some(topic) = &known
        && let Some(refusal) =
            topic.rules.check(batch, (place.topic, place.data.index), request.wall_ms, append_ms.is_none())
    {
        // Before anything is asked of its sequence, as in Kafka.
        let reason = Some("One or more records have been rejected");
        return Appended { reason, record_errors: refusal.records, ..Appended::refused(refusal.error_code) };
    }
    let Some(partition) = known.and_then(|topic| topic.partition_mut(place.data.index)) else {
        return Appended::refused(code::UNKNOWN_TOPIC_OR_PARTITION);
    };
    let log_start_offset = partition.log.start_offset();
    let appended = match partition.log.producers.check(header, cluster.unknown_producer) {
        // Kafka tells the log's start with the errors of sequences and epochs, and with no other.
        Err(error_code) => return Appended { log_start_offset, ..Appended::refused(error_code) },
        // As in Kafka, the time is that of the first append, even where records keep their own.
        Ok(Verdict::Duplicate { base_offset, timestamp_ms }) => {
            return Appended::accepted(base_offset, timestamp_ms, log_start_offset);
        }
        Ok(Verdict::Append) => {
            let base_offset = partition.log.append(batch, header, partition.leader_epoch, append_ms, retention_bytes);
            Appended::accepted(base_offset, append_ms.unwrap_or(-1), partition.log.start_offset())
        }
    };
    if appended.log_start_offset != log_start_offset {
        partition.log.producers.start_moved(appended.log_start_offset, cluster.unknown_producer);
    }
    cluster.stats.batches_appended += 1;
    cluster.stats.records_appended += u64::from(header.records_count.unsigned_abs());
    cluster.stats.bytes_appended += batch.len() as u64;
    appended
}

fn not_leader(partition: &Partition) -> Appended {
    let leader = partition.leader.unwrap_or(-1);
    Appended {
        current_leader: Some((leader, partition.leader_epoch)),
        ..Appended::refused(code::NOT_LEADER_OR_FOLLOWER)
    }
}

fn partition_response(appended: &Appended, index: i32, version: i16) -> PartitionProduceResponse {
    let mut response = PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(appended.error_code)
        .with_base_offset(appended.base_offset)
        .with_log_append_time_ms(appended.log_append_time_ms);
    if version >= 5 {
        response.log_start_offset = appended.log_start_offset;
    }
    if version >= 8 {
        response.error_message = appended.reason.map(StrBytes::from_static_str);
        let named = appended.record_errors.iter().map(|(place, text)| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(*place)
                .with_batch_index_error_message(Some(StrBytes::from_string(text.clone())))
        });
        response.record_errors = named.collect();
    }
    if let Some((leader, epoch)) = appended.current_leader.filter(|_| version >= 10) {
        response.current_leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(leader)).with_leader_epoch(epoch);
    }
    response
}

fn node_endpoint(cluster: &Cluster, id: i32) -> Option<NodeEndpoint> {
    let broker = cluster.broker(id)?;
    let host = StrBytes::from_string(broker.host.clone());
    Some(NodeEndpoint::default().with_node_id(BrokerId(id)).with_host(host).with_port(broker.port.into()))
}
