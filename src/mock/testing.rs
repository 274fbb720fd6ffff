//! For tests: requests and record batches made by the `kafka-protocol` crate, an encoder that is neither ours nor this room's.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, RequestHeader, ResponseHeader,
    TopicName, TransactionalId,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};

use super::{Answer, Cluster, ClusterOptions, CoordinatorKind, api_key};
use crate::time::{Micros, Time};

pub(crate) const TIMESTAMP_MS: i64 = 1_700_000_000_000;

pub(crate) fn name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(crate) fn record(offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset,
        // The encoder keeps records in one batch while offset less sequence stays the same.
        sequence: offset as i32 - 1,
        timestamp: TIMESTAMP_MS + offset,
        key: key.map(Bytes::copy_from_slice),
        value: value.map(Bytes::copy_from_slice),
        headers: Default::default(),
    }
}

pub(crate) fn encode_batch(records: &[Record]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, records, &options).unwrap();
    bytes.to_vec()
}

/// A batch of `count` records of an idempotent producer.
pub(crate) fn idempotent_batch(producer_id: i64, epoch: i16, sequence: i32, count: i32) -> Vec<u8> {
    stamped_batch(producer_id, epoch, sequence, count, false)
}

pub(crate) fn transactional_batch(producer_id: i64, epoch: i16, sequence: i32, count: i32) -> Vec<u8> {
    stamped_batch(producer_id, epoch, sequence, count, true)
}

fn stamped_batch(producer_id: i64, epoch: i16, sequence: i32, count: i32, transactional: bool) -> Vec<u8> {
    let values: Vec<String> = (0..count).map(|index| format!("{producer_id}/{epoch}/{sequence}+{index}")).collect();
    let mut bytes = batch(&values.iter().map(String::as_str).collect::<Vec<_>>());
    // At fixed places, so that a sequence that wraps inside the batch needs no encoder that knows how.
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    bytes[22] |= if transactional { 0x10 } else { 0 };
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// A batch of one record per value, with keys k0, k1, …
pub(crate) fn batch(values: &[&str]) -> Vec<u8> {
    let records: Vec<Record> = values
        .iter()
        .enumerate()
        .map(|(index, value)| record(index as i64, Some(format!("k{index}").as_bytes()), Some(value.as_bytes())))
        .collect();
    encode_batch(&records)
}

/// A request without its 4-byte length.
pub(crate) fn request<M: Encodable + HeaderVersion>(key: i16, version: i16, correlation_id: i32, body: &M) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, M::header_version(version)).unwrap();
    body.encode(&mut bytes, version).unwrap();
    bytes.to_vec()
}

/// A request with its 4-byte length, as it goes over a socket.
pub(crate) fn framed(frame: &[u8]) -> Vec<u8> {
    let mut bytes = (frame.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    bytes
}

/// Decodes a whole response, its length checked and every byte of it used.
pub(crate) fn response<M: Decodable + HeaderVersion>(bytes: &[u8], version: i16) -> (i32, M) {
    let (len, rest) = bytes.split_at(4);
    assert_eq!(u32::from_be_bytes(len.try_into().unwrap()) as usize, rest.len());
    let mut rest = Bytes::copy_from_slice(rest);
    let header = ResponseHeader::decode(&mut rest, M::header_version(version)).unwrap();
    let body = M::decode(&mut rest, version).unwrap();
    assert!(rest.is_empty(), "{} bytes follow the response", rest.len());
    (header.correlation_id, body)
}

pub(crate) fn produce_request(acks: i16, data: &[(&str, i32, &[u8])]) -> ProduceRequest {
    let topics = data.iter().map(|(topic, index, records)| {
        let partition = PartitionProduceData::default().with_index(*index);
        let partition = partition.with_records(Some(Bytes::copy_from_slice(records)));
        TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![partition])
    });
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1000).with_topic_data(topics.collect())
}

pub(crate) fn cluster(brokers: i32) -> Cluster {
    Cluster::new(ClusterOptions { brokers, ..ClusterOptions::default() })
}

pub(crate) fn send<M: Encodable + HeaderVersion>(
    cluster: &mut Cluster,
    broker: i32,
    key: i16,
    version: i16,
    body: &M,
) -> Answer {
    cluster.handle_frame(Time::ZERO, TIMESTAMP_MS, broker, &request(key, version, 7, body))
}

/// The response to a request that must get one at once.
pub(crate) fn ask<Q, R>(cluster: &mut Cluster, broker: i32, key: i16, version: i16, body: &Q) -> R
where
    Q: Encodable + HeaderVersion,
    R: Decodable + HeaderVersion,
{
    let (response, delay) = ask_late(cluster, broker, key, version, body);
    assert_eq!(delay, Micros::ZERO);
    response
}

pub(crate) fn ask_late<Q, R>(cluster: &mut Cluster, broker: i32, key: i16, version: i16, body: &Q) -> (R, Micros)
where
    Q: Encodable + HeaderVersion,
    R: Decodable + HeaderVersion,
{
    match send(cluster, broker, key, version, body) {
        Answer::Respond { bytes, delay } => {
            let (correlation_id, response) = response(&bytes, version);
            assert_eq!(correlation_id, 7);
            (response, delay)
        }
        other => panic!("no response but {other:?}"),
    }
}

/// Error code and base offset of a Produce v9 of one batch to one partition with acks=all.
pub(crate) fn produce(cluster: &mut Cluster, broker: i32, topic: &str, partition: i32, batch: &[u8]) -> (i16, i64) {
    let answered = produce_response(cluster, broker, topic, partition, batch);
    (answered.error_code, answered.base_offset)
}

pub(crate) fn produce_response(
    cluster: &mut Cluster,
    broker: i32,
    topic: &str,
    partition: i32,
    batch: &[u8],
) -> PartitionProduceResponse {
    let body = produce_request(-1, &[(topic, partition, batch)]);
    let mut answered: ProduceResponse = ask(cluster, broker, api_key::PRODUCE, 9, &body);
    answered.responses.remove(0).partition_responses.remove(0)
}

/// Initializes a transactional id and produces two records in a transaction of it that stays open.
pub(crate) fn begun_transaction(cluster: &mut Cluster, id: &str, topic: &str, partition: i32) {
    let transactional_id = TransactionalId(StrBytes::from_string(id.to_owned()));
    let coordinator = cluster.coordinator(CoordinatorKind::Transaction, id).unwrap();
    let body = InitProducerIdRequest::default().with_transactional_id(Some(transactional_id.clone()));
    let body = body.with_transaction_timeout_ms(60_000);
    let given: InitProducerIdResponse = ask(cluster, coordinator, api_key::INIT_PRODUCER_ID, 4, &body);
    let batch = transactional_batch(given.producer_id.0, given.producer_epoch, 0, 2);
    let body = produce_request(-1, &[(topic, partition, &batch)]).with_transactional_id(Some(transactional_id));
    let leader = cluster.partition_leader(topic, partition).unwrap().0.unwrap();
    let answered: ProduceResponse = ask(cluster, leader, api_key::PRODUCE, 12, &body);
    assert_eq!(answered.responses[0].partition_responses[0].error_code, 0);
}
