//! The model, API by API, asked in the words of the `kafka-protocol` crate.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, FetchRequest, FetchResponse, InitProducerIdRequest,
    ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceResponse,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::RecordBatchDecoder;

mod compression;
mod coordinators;
mod group_offsets;
mod sasl;
mod telemetry;
mod transactions;

use super::testing::{
    TIMESTAMP_MS, ask, ask_late, batch, cluster, encode_batch, name, produce, produce_request, record, request,
    response, send,
};
use super::*;
use crate::time::{Micros, Time};

pub(super) fn fetch_request(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(i32::MAX)
        .with_current_leader_epoch(-1);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_max_bytes(i32::MAX).with_session_epoch(-1).with_topics(vec![topic])
}

fn metadata_request(topics: &[&str], may_create: bool) -> MetadataRequest {
    let topics = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(name(topic))));
    MetadataRequest::default().with_topics(Some(topics.collect())).with_allow_auto_topic_creation(may_create)
}

fn software() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("libkproducer"))
        .with_client_software_version(StrBytes::from_static_str("0.1.0"))
}

fn versions_of(answered: &ApiVersionsResponse, key: i16) -> Option<(i16, i16)> {
    let found = answered.api_keys.iter().find(|version| version.api_key == key);
    found.map(|version| (version.min_version, version.max_version))
}

#[test]
fn api_versions_tells_the_ranges_in_every_version() {
    for version in 0..=3 {
        let body = if version >= 3 { software() } else { ApiVersionsRequest::default() };
        let answered: ApiVersionsResponse = ask(&mut cluster(1), 1, api_key::API_VERSIONS, version, &body);
        assert_eq!(answered.error_code, 0);
        assert_eq!(versions_of(&answered, api_key::PRODUCE), Some((0, 13)));
        assert_eq!(versions_of(&answered, api_key::FETCH), Some((4, 12)));
        assert_eq!(versions_of(&answered, api_key::LIST_OFFSETS), Some((1, 7)));
        assert_eq!(versions_of(&answered, api_key::METADATA), Some((0, 13)));
        assert_eq!(versions_of(&answered, api_key::API_VERSIONS), Some((0, 5)));
        assert_eq!(answered.finalized_features.len(), usize::from(version >= 3));
    }
}

#[test]
fn an_api_versions_too_new_is_answered_in_version_0_with_its_range() {
    for (max, version) in [(3, 4), (2, 3), (0, 1)] {
        let mut cluster = cluster(1);
        cluster.set_max_version(api_key::API_VERSIONS, max);
        let body = if version >= 3 { software() } else { ApiVersionsRequest::default() };
        let Answer::Respond { bytes, .. } = send(&mut cluster, 1, api_key::API_VERSIONS, version, &body) else {
            panic!("no answer");
        };
        let (correlation_id, answered): (i32, ApiVersionsResponse) = response(&bytes, 0);
        assert_eq!((correlation_id, answered.error_code, answered.api_keys.len()), (7, 35, 1));
        assert_eq!(versions_of(&answered, api_key::API_VERSIONS), Some((0, max)));
    }
}

#[test]
fn api_versions_refuses_a_software_name_that_kafka_refuses() {
    let body = software().with_client_software_name(StrBytes::from_static_str("lib kproducer"));
    let answered: ApiVersionsResponse = ask(&mut cluster(1), 1, api_key::API_VERSIONS, 3, &body);
    assert_eq!(answered.error_code, code::INVALID_REQUEST);
}

#[test]
fn kafka_2_1_announces_its_versions_and_drops_newer_requests() {
    let mut cluster = cluster(1);
    cluster.pretend_kafka_2_1();
    let answered: ApiVersionsResponse = ask(&mut cluster, 1, api_key::API_VERSIONS, 2, &ApiVersionsRequest::default());
    assert_eq!(versions_of(&answered, api_key::PRODUCE), Some((0, 7)));
    assert_eq!(versions_of(&answered, api_key::METADATA), Some((0, 7)));
    let newer = send(&mut cluster, 1, api_key::METADATA, 8, &metadata_request(&[], false));
    assert_eq!(newer, Answer::Disconnect { delay: Micros::ZERO });
}

#[test]
fn metadata_answers_every_version() {
    for version in 0..=12 {
        let mut cluster = cluster(3);
        cluster.set_address(2, "broker-two", 1234);
        cluster.topic_create("t", 4, 3).unwrap();
        cluster.partition_set_leader("t", 1, Some(3)).unwrap();
        // The crate's encoder refuses `false` where the version has no such field.
        let answered: MetadataResponse =
            ask(&mut cluster, 1, api_key::METADATA, version, &metadata_request(&["t"], version < 4));
        let ids: Vec<i32> = answered.brokers.iter().map(|broker| broker.node_id.0).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!((answered.brokers[1].host.as_str(), answered.brokers[1].port), ("broker-two", 1234));
        if version >= 1 {
            assert_eq!(answered.controller_id.0, 1);
        }
        if version >= 2 {
            assert_eq!(answered.cluster_id.as_deref(), Some("libkproducer-mock"));
        }
        let topic = &answered.topics[0];
        assert_eq!((topic.error_code, topic.partitions.len()), (0, 4));
        assert_eq!(topic.partitions[1].leader_id.0, 3);
        assert_eq!(topic.partitions[1].leader_epoch, if version >= 7 { 1 } else { -1 });
        assert_eq!(topic.partitions[1].replica_nodes.len(), 3);
        assert_eq!(topic.topic_id.is_nil(), version < 10);
    }
}

#[test]
fn metadata_of_all_topics_is_null_or_empty_in_version_0() {
    let mut cluster = cluster(1);
    cluster.topic_create("a", 1, 1).unwrap();
    cluster.topic_create("b", 1, 1).unwrap();
    let count = |cluster: &mut Cluster, version, topics: Option<Vec<MetadataRequestTopic>>| {
        let body = MetadataRequest::default().with_topics(topics);
        ask::<_, MetadataResponse>(cluster, 1, api_key::METADATA, version, &body).topics.len()
    };
    assert_eq!(count(&mut cluster, 0, Some(Vec::new())), 2);
    assert_eq!(count(&mut cluster, 1, Some(Vec::new())), 0);
    assert_eq!(count(&mut cluster, 1, None), 2);
    assert_eq!(count(&mut cluster, 12, None), 2);
    assert_eq!(count(&mut cluster, 12, Some(Vec::new())), 0);
}

#[test]
fn metadata_creates_a_topic_only_when_asked_and_allowed() {
    let code_of = |cluster: &mut Cluster, may_create| {
        let body = metadata_request(&["new"], may_create);
        let answered: MetadataResponse = ask(cluster, 1, api_key::METADATA, 9, &body);
        (answered.topics[0].error_code, answered.topics[0].partitions.len())
    };
    let mut cluster = cluster(2);
    assert_eq!(code_of(&mut cluster, false), (code::UNKNOWN_TOPIC_OR_PARTITION, 0));
    assert_eq!(code_of(&mut cluster, true), (0, 1));
    assert_eq!(code_of(&mut cluster, false), (0, 1));
    let mut strict = Cluster::new(ClusterOptions { auto_create_partitions: 0, ..ClusterOptions::default() });
    assert_eq!(code_of(&mut strict, true), (code::UNKNOWN_TOPIC_OR_PARTITION, 0));
}

#[test]
fn metadata_by_topic_id_from_version_12() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    let by_name: MetadataResponse = ask(&mut cluster, 1, api_key::METADATA, 12, &metadata_request(&["t"], false));
    let known = MetadataRequestTopic::default().with_name(None).with_topic_id(by_name.topics[0].topic_id);
    let unknown = MetadataRequestTopic::default().with_name(None);
    let body = MetadataRequest::default().with_topics(Some(vec![known, unknown]));
    let by_id: MetadataResponse = ask(&mut cluster, 1, api_key::METADATA, 12, &body);
    assert_eq!(by_id.topics[0].name, Some(name("t")));
    assert_eq!((by_id.topics[1].error_code, &by_id.topics[1].name), (code::UNKNOWN_TOPIC_ID, &None));
}

#[test]
fn metadata_names_illegal_topics_and_injected_codes() {
    let mut cluster = cluster(1);
    let answered: MetadataResponse = ask(&mut cluster, 1, api_key::METADATA, 9, &metadata_request(&["a b"], true));
    assert_eq!(answered.topics[0].error_code, code::INVALID_TOPIC_EXCEPTION);
    cluster.push_error(api_key::METADATA, 29, 1);
    let answered: MetadataResponse = ask(&mut cluster, 1, api_key::METADATA, 9, &metadata_request(&["t"], true));
    assert_eq!((answered.topics[0].error_code, answered.topics[0].partitions.len()), (29, 0));
    let answered: MetadataResponse = ask(&mut cluster, 1, api_key::METADATA, 9, &metadata_request(&["t"], true));
    assert_eq!(answered.topics[0].error_code, 0);
}

#[test]
fn a_broker_down_leaves_metadata_and_hands_its_partitions_on() {
    let mut cluster = cluster(2);
    cluster.topic_create("both", 1, 2).unwrap();
    cluster.topic_create("one", 1, 1).unwrap();
    cluster.partition_set_leader("both", 0, Some(2)).unwrap();
    cluster.partition_set_leader("one", 0, Some(2)).unwrap();
    // "one" got broker 2 as a second replica by that, so its first leader takes over as well.
    cluster.broker_down(2);
    let answered: MetadataResponse = ask(&mut cluster, 1, api_key::METADATA, 9, &metadata_request(&["both"], false));
    assert_eq!(answered.brokers.len(), 1);
    assert_eq!(answered.topics[0].partitions[0].offline_replicas, [BrokerId(2)]);
    assert_eq!(cluster.partition_leader("both", 0).unwrap(), (Some(1), 2));
    cluster.topic_create("lone", 1, 1).unwrap();
    cluster.broker_down(1);
    assert_eq!(cluster.partition_leader("both", 0).unwrap(), (None, 3));
    assert_eq!(send(&mut cluster, 1, api_key::METADATA, 9, &metadata_request(&[], false)), DISCONNECT);
    cluster.broker_up(2);
    assert_eq!(cluster.partition_leader("both", 0).unwrap(), (Some(2), 4));
    let answered: MetadataResponse = ask(&mut cluster, 2, api_key::METADATA, 9, &metadata_request(&["lone"], false));
    let partition = &answered.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.leader_id.0), (code::LEADER_NOT_AVAILABLE, -1));
}

const DISCONNECT: Answer = Answer::Disconnect { delay: Micros::ZERO };

#[test]
fn a_leader_taken_away_stays_away_until_set() {
    let mut cluster = cluster(2);
    cluster.topic_create("t", 1, 2).unwrap();
    cluster.partition_set_leader("t", 0, None).unwrap();
    cluster.broker_down(2);
    cluster.broker_up(2);
    assert_eq!(cluster.partition_leader("t", 0).unwrap().0, None);
    assert_eq!(produce(&mut cluster, 1, "t", 0, &batch(&["v"])), (code::NOT_LEADER_OR_FOLLOWER, -1));
    cluster.partition_set_leader("t", 0, Some(2)).unwrap();
    assert_eq!(produce(&mut cluster, 2, "t", 0, &batch(&["v"])), (0, 0));
    assert!(cluster.partition_set_leader("t", 0, Some(3)).is_err());
    assert!(cluster.partition_set_leader("t", 1, Some(1)).is_err());
}

#[test]
fn topics_are_created_within_their_limits() {
    let mut cluster = cluster(3);
    cluster.topic_create("t", 7, 2).unwrap();
    let code_of = |result: crate::error::Result<()>| result.unwrap_err().status.code() as i16;
    assert_eq!(code_of(cluster.topic_create("t", 1, 1)), code::TOPIC_ALREADY_EXISTS);
    assert_eq!(code_of(cluster.topic_create("u", 0, 1)), code::INVALID_PARTITIONS);
    assert_eq!(code_of(cluster.topic_create("u", i32::MAX, 1)), code::INVALID_PARTITIONS);
    assert_eq!(code_of(cluster.topic_create("u", 1, 4)), code::INVALID_REPLICATION_FACTOR);
    assert_eq!(code_of(cluster.topic_create("u", 1, 0)), code::INVALID_REPLICATION_FACTOR);
    for illegal in ["", ".", "..", "a/b", "ä", &"x".repeat(250)] {
        assert_eq!(code_of(cluster.topic_create(illegal, 1, 1)), code::INVALID_TOPIC_EXCEPTION);
    }
    let leaders: Vec<_> = (0..7).map(|index| cluster.partition_leader("t", index).unwrap().0.unwrap()).collect();
    assert_eq!(leaders, [1, 2, 3, 1, 2, 3, 1]);
}

fn produce_one(cluster: &mut Cluster, broker: i32, version: i16, batch: &[u8]) -> PartitionProduceResponse {
    let body = produce_request(-1, &[("t", 0, batch)]);
    let answered: ProduceResponse = ask(cluster, broker, api_key::PRODUCE, version, &body);
    answered.responses[0].partition_responses[0].clone()
}

#[test]
fn produce_appends_in_every_version_and_gives_the_base_offset() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    for version in 3..=12 {
        let answered = produce_one(&mut cluster, 1, version, &batch(&["a", "b"]));
        assert_eq!((answered.error_code, answered.base_offset), (0, i64::from(version - 3) * 2));
        assert_eq!(answered.log_append_time_ms, -1);
        let refused = produce_one(&mut cluster, 1, version, &[]);
        assert_eq!((refused.error_code, refused.base_offset), (code::INVALID_RECORD, -1));
        assert_eq!(refused.error_message.is_some(), version >= 8);
    }
    let records = cluster.records("t", 0).unwrap();
    assert_eq!(records.len(), 20);
    for (index, record) in records.iter().enumerate() {
        let value = if index % 2 == 0 { b"a" } else { b"b" };
        assert_eq!((record.offset, record.value.as_deref()), (index as i64, Some(&value[..])));
        assert_eq!(record.timestamp_ms, TIMESTAMP_MS + index as i64 % 2);
        assert_eq!(cluster.record_at("t", 0, index as i64).as_ref(), Some(record));
    }
    assert_eq!(cluster.record_at("t", 0, 20), None);
    assert_eq!((cluster.end_offset("t", 0), cluster.end_offset("t", 1)), (Some(20), None));
    assert_eq!((cluster.stats().records_appended(), cluster.stats().requests(api_key::PRODUCE)), (20, 20));
}

#[test]
fn produce_names_topics_by_id_from_version_13() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    let id_of = |cluster: &mut super::Cluster| {
        let metadata: MetadataResponse = ask(cluster, 1, api_key::METADATA, 13, &metadata_request(&["t"], false));
        assert_eq!(metadata.error_code, 0);
        metadata.topics[0].topic_id
    };
    let produce = |cluster: &mut super::Cluster, id| {
        let mut body = produce_request(-1, &[("", 0, &batch(&["v"]))]);
        body.topic_data[0].topic_id = id;
        let answered: ProduceResponse = ask(cluster, 1, api_key::PRODUCE, 13, &body);
        assert_eq!(answered.responses[0].topic_id, id);
        let partition = &answered.responses[0].partition_responses[0];
        (partition.error_code, partition.base_offset)
    };
    let first = id_of(&mut cluster);
    assert_eq!(produce(&mut cluster, first), (0, 0));
    assert_eq!(produce(&mut cluster, first), (0, 1));
    cluster.topic_delete("t").unwrap();
    assert_eq!(produce(&mut cluster, first), (code::UNKNOWN_TOPIC_ID, -1));
    cluster.topic_create("t", 1, 1).unwrap();
    let second = id_of(&mut cluster);
    assert_ne!(first, second);
    assert_eq!(produce(&mut cluster, first), (code::UNKNOWN_TOPIC_ID, -1), "not the topic of that name");
    assert_eq!(produce(&mut cluster, second), (0, 0));
    assert_eq!(cluster.end_offset("t", 0), Some(1));
    assert!(cluster.topic_delete("u").is_err());
}

#[test]
fn produce_to_another_broker_names_the_leader_from_version_10() {
    let mut cluster = cluster(2);
    cluster.set_address(2, "two", 99);
    cluster.topic_create("t", 1, 1).unwrap();
    cluster.partition_set_leader("t", 0, Some(2)).unwrap();
    for version in [9, 10, 12] {
        let body = produce_request(1, &[("t", 0, &batch(&["v"]))]);
        let answered: ProduceResponse = ask(&mut cluster, 1, api_key::PRODUCE, version, &body);
        let partition = &answered.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, code::NOT_LEADER_OR_FOLLOWER);
        if version >= 10 {
            assert_eq!((partition.current_leader.leader_id.0, partition.current_leader.leader_epoch), (2, 1));
            let endpoint = &answered.node_endpoints[0];
            assert_eq!((endpoint.node_id.0, endpoint.host.as_str(), endpoint.port), (2, "two", 99));
        } else {
            assert!(answered.node_endpoints.is_empty());
        }
    }
    assert_eq!(cluster.end_offset("t", 0), Some(0));
}

#[test]
fn produce_refuses_what_kafka_refuses() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    assert_eq!(produce(&mut cluster, 1, "u", 0, &batch(&["v"])).0, code::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(produce(&mut cluster, 1, "t", 1, &batch(&["v"])).0, code::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(produce(&mut cluster, 1, "t", -1, &batch(&["v"])).0, code::UNKNOWN_TOPIC_OR_PARTITION);
    let mut corrupt = batch(&["v"]);
    *corrupt.last_mut().unwrap() ^= 1;
    assert_eq!(produce(&mut cluster, 1, "t", 0, &corrupt).0, code::CORRUPT_MESSAGE);
    let sized = batch(&["v"]);
    cluster.set_message_max_bytes(sized.len() - 1);
    assert_eq!(produce(&mut cluster, 1, "t", 0, &sized).0, code::MESSAGE_TOO_LARGE);
    cluster.set_message_max_bytes(sized.len());
    assert_eq!(produce(&mut cluster, 1, "t", 0, &sized), (0, 0));
    let body = produce_request(2, &[("t", 0, &sized)]);
    let answered: ProduceResponse = ask(&mut cluster, 1, api_key::PRODUCE, 9, &body);
    assert_eq!(answered.responses[0].partition_responses[0].error_code, code::INVALID_REQUIRED_ACKS);
    assert_eq!(cluster.end_offset("t", 0), Some(1));
}

#[test]
fn a_partition_named_twice_is_refused_both_times() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 2, 1).unwrap();
    let one = batch(&["v"]);
    let mut body = produce_request(1, &[("t", 0, &one), ("t", 1, &one)]);
    let again = PartitionProduceData::default().with_index(0).with_records(Some(Bytes::from(one.clone())));
    body.topic_data[1].partition_data.push(again);
    let answered: ProduceResponse = ask(&mut cluster, 1, api_key::PRODUCE, 9, &body);
    let codes: Vec<i16> =
        answered.responses.iter().flat_map(|t| &t.partition_responses).map(|answer| answer.error_code).collect();
    assert_eq!(codes, [code::INVALID_REQUEST, 0, code::INVALID_REQUEST]);
    assert_eq!((cluster.end_offset("t", 0), cluster.end_offset("t", 1)), (Some(0), Some(1)));
    assert_eq!(cluster.stats().produce_partition_counts(), [3]);
    assert_eq!(produce(&mut cluster, 1, "t", 0, &one), (0, 0));
}

#[test]
fn acks_zero_gets_no_answer_and_a_disconnect_on_an_error() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    let good = produce_request(0, &[("t", 0, &batch(&["v"]))]);
    assert_eq!(send(&mut cluster, 1, api_key::PRODUCE, 9, &good), Answer::Nothing);
    let bad = produce_request(0, &[("t", 5, &batch(&["v"]))]);
    assert_eq!(send(&mut cluster, 1, api_key::PRODUCE, 9, &bad), DISCONNECT);
    assert_eq!(cluster.end_offset("t", 0), Some(1));
}

#[test]
fn pushed_errors_are_answered_in_their_order_and_append_only_where_kafka_does() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    cluster.push_error(api_key::PRODUCE, code::NOT_LEADER_OR_FOLLOWER, 2);
    cluster.push_error(api_key::PRODUCE, code::NONE, 1);
    cluster.push_error(api_key::PRODUCE, code::NOT_ENOUGH_REPLICAS_AFTER_APPEND, 1);
    cluster.push_error(api_key::PRODUCE, code::REQUEST_TIMED_OUT, 1);
    let answered: Vec<_> = (0..6).map(|_| produce(&mut cluster, 1, "t", 0, &batch(&["v"]))).collect();
    assert_eq!(answered, [(6, -1), (6, -1), (0, 0), (20, -1), (7, -1), (0, 3)]);
}

#[test]
fn pushed_disconnects_come_before_or_after_the_append() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    cluster.push_disconnect(api_key::PRODUCE, false, 1);
    cluster.push_disconnect(api_key::PRODUCE, true, 1);
    let body = produce_request(-1, &[("t", 0, &batch(&["v"]))]);
    assert_eq!(send(&mut cluster, 1, api_key::PRODUCE, 9, &body), DISCONNECT);
    assert_eq!(cluster.end_offset("t", 0), Some(0));
    assert_eq!(send(&mut cluster, 1, api_key::PRODUCE, 9, &body), DISCONNECT);
    assert_eq!(cluster.end_offset("t", 0), Some(1));
    cluster.push_disconnect(api_key::PRODUCE, true, 5);
    cluster.clear_faults();
    assert_eq!(produce(&mut cluster, 1, "t", 0, &batch(&["v"])), (0, 1));
}

#[test]
fn latency_and_throttling_are_a_brokers_own() {
    let mut cluster = cluster(2);
    cluster.broker_set_latency(2, 30);
    cluster.set_throttle_ms(2, 500);
    let body = metadata_request(&[], false);
    let (fast, delay): (MetadataResponse, _) = ask_late(&mut cluster, 1, api_key::METADATA, 9, &body);
    assert_eq!((fast.throttle_time_ms, delay), (0, Micros::ZERO));
    let (slow, delay): (MetadataResponse, _) = ask_late(&mut cluster, 2, api_key::METADATA, 9, &body);
    assert_eq!((slow.throttle_time_ms, delay), (500, Micros::from_ms(30)));
}

#[test]
fn a_topic_with_log_append_time_keeps_the_brokers_clock() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    cluster.topic_set_log_append_time("t", true).unwrap();
    let frame = request(api_key::PRODUCE, 9, 1, &produce_request(1, &[("t", 0, &batch(&["a", "b"]))]));
    let Answer::Respond { bytes, .. } = cluster.handle_frame(Time::ZERO, 42, 1, &frame) else { panic!("no answer") };
    let (_, answered): (i32, ProduceResponse) = response(&bytes, 9);
    assert_eq!(answered.responses[0].partition_responses[0].log_append_time_ms, 42);
    assert!(cluster.records("t", 0).unwrap().iter().all(|record| record.timestamp_ms == 42));
    let fetched: FetchResponse = ask(&mut cluster, 1, api_key::FETCH, 12, &fetch_request("t", 0, 0));
    // The crate's decoder checks the CRC that was made anew.
    let mut records = fetched.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(RecordBatchDecoder::decode_all(&mut records).unwrap()[0].records.len(), 2);
}

#[test]
fn fetch_gives_back_what_was_produced_in_every_version() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    cluster.partition_set_leader("t", 0, Some(1)).unwrap();
    let mut first = record(0, Some(b"key"), None);
    first.headers.insert("h".into(), Some(Bytes::from_static(b"x")));
    produce(&mut cluster, 1, "t", 0, &encode_batch(&[first, record(1, None, Some(b"two"))]));
    produce(&mut cluster, 1, "t", 0, &batch(&["three"]));
    for version in 4..=12 {
        let fetched: FetchResponse = ask(&mut cluster, 1, api_key::FETCH, version, &fetch_request("t", 0, 0));
        let partition = &fetched.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, 3));
        let mut bytes = partition.records.clone().unwrap();
        let records: Vec<_> =
            RecordBatchDecoder::decode_all(&mut bytes).unwrap().into_iter().flat_map(|set| set.records).collect();
        assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(records.iter().all(|record| record.partition_leader_epoch == 1));
        assert_eq!((records[0].key.as_deref(), records[0].value.as_deref()), (Some(&b"key"[..]), None));
        assert_eq!(records[0].headers.len(), 1);
        // From the middle: whole batches, as Kafka gives them.
        let fetched: FetchResponse = ask(&mut cluster, 1, api_key::FETCH, version, &fetch_request("t", 0, 2));
        let mut bytes = fetched.responses[0].partitions[0].records.clone().unwrap();
        assert_eq!(RecordBatchDecoder::decode_all(&mut bytes).unwrap()[0].records[0].offset, 2);
    }
}

#[test]
fn fetch_obeys_its_limits_but_gives_one_batch() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 2, 1).unwrap();
    let one = batch(&["v"]);
    (0..3).for_each(|_| assert_eq!(produce(&mut cluster, 1, "t", 0, &one).0, 0));
    let fetched_len = |cluster: &mut Cluster, max_bytes: usize| {
        let body = fetch_request("t", 0, 0).with_max_bytes(max_bytes as i32);
        let fetched: FetchResponse = ask(cluster, 1, api_key::FETCH, 12, &body);
        fetched.responses[0].partitions[0].records.as_ref().unwrap().len()
    };
    assert_eq!(fetched_len(&mut cluster, 1), one.len());
    assert_eq!(fetched_len(&mut cluster, one.len() * 2), one.len() * 2);
    assert_eq!(fetched_len(&mut cluster, one.len() * 3 - 1), one.len() * 2);
    assert_eq!(fetched_len(&mut cluster, usize::MAX >> 33), one.len() * 3);
}

#[test]
fn fetch_with_nothing_to_give_waits_but_not_for_long() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    let body = fetch_request("t", 0, 0).with_max_wait_ms(500).with_min_bytes(1);
    let (fetched, delay): (FetchResponse, _) = ask_late(&mut cluster, 1, api_key::FETCH, 11, &body);
    assert_eq!(delay, Micros::from_ms(50));
    assert_eq!(fetched.responses[0].partitions[0].records.as_ref().map(Bytes::len), Some(0));
    let _: FetchResponse = ask(&mut cluster, 1, api_key::FETCH, 11, &fetch_request("t", 0, 0).with_max_wait_ms(500));
}

#[test]
fn fetch_names_its_errors() {
    let mut cluster = cluster(2);
    cluster.topic_create("t", 1, 1).unwrap();
    cluster.partition_set_leader("t", 0, Some(1)).unwrap();
    let code_of = |cluster: &mut Cluster, broker, body: &FetchRequest| {
        let fetched: FetchResponse = ask(cluster, broker, api_key::FETCH, 12, body);
        fetched.responses[0].partitions[0].error_code
    };
    assert_eq!(code_of(&mut cluster, 1, &fetch_request("t", 0, 1)), code::OFFSET_OUT_OF_RANGE);
    assert_eq!(code_of(&mut cluster, 1, &fetch_request("t", 0, -1)), code::OFFSET_OUT_OF_RANGE);
    assert_eq!(code_of(&mut cluster, 2, &fetch_request("t", 0, 0)), code::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(code_of(&mut cluster, 1, &fetch_request("u", 0, 0)), code::UNKNOWN_TOPIC_OR_PARTITION);
    let mut body = fetch_request("t", 0, 0);
    body.topics[0].partitions[0].current_leader_epoch = 0;
    assert_eq!(code_of(&mut cluster, 1, &body), code::FENCED_LEADER_EPOCH);
    body.topics[0].partitions[0].current_leader_epoch = 2;
    assert_eq!(code_of(&mut cluster, 1, &body), code::UNKNOWN_LEADER_EPOCH);
    cluster.push_error(api_key::FETCH, 29, 1);
    assert_eq!(code_of(&mut cluster, 1, &fetch_request("t", 0, 0)), 29);
    let body = fetch_request("t", 0, 0).with_session_id(3);
    let fetched: FetchResponse = ask(&mut cluster, 1, api_key::FETCH, 12, &body);
    assert_eq!(fetched.error_code, code::FETCH_SESSION_ID_NOT_FOUND);
}

fn list_offset(cluster: &mut Cluster, broker: i32, version: i16, timestamp: i64) -> (i16, i64, i64) {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let body = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
    let listed: ListOffsetsResponse = ask(cluster, broker, api_key::LIST_OFFSETS, version, &body);
    let partition = &listed.topics[0].partitions[0];
    (partition.error_code, partition.offset, partition.timestamp)
}

#[test]
fn list_offsets_finds_ends_and_timestamps_in_every_version() {
    let mut cluster = cluster(2);
    cluster.topic_create("t", 1, 1).unwrap();
    assert_eq!(list_offset(&mut cluster, 1, 7, -3), (0, -1, -1));
    produce(&mut cluster, 1, "t", 0, &batch(&["a", "b", "c"]));
    produce(&mut cluster, 1, "t", 0, &batch(&["d", "e", "f", "g"]));
    for version in 1..=7 {
        assert_eq!(list_offset(&mut cluster, 1, version, -1), (0, 7, -1));
        assert_eq!(list_offset(&mut cluster, 1, version, -2), (0, 0, -1));
        assert_eq!(list_offset(&mut cluster, 1, version, 0), (0, 0, TIMESTAMP_MS));
        assert_eq!(list_offset(&mut cluster, 1, version, TIMESTAMP_MS + 2), (0, 2, TIMESTAMP_MS + 2));
        assert_eq!(list_offset(&mut cluster, 1, version, TIMESTAMP_MS + 3), (0, 6, TIMESTAMP_MS + 3));
        assert_eq!(list_offset(&mut cluster, 1, version, TIMESTAMP_MS + 4), (0, -1, -1));
        assert_eq!(list_offset(&mut cluster, 2, version, -1).0, code::NOT_LEADER_OR_FOLLOWER);
    }
    assert_eq!(list_offset(&mut cluster, 1, 7, -3), (0, 6, TIMESTAMP_MS + 3));
    assert_eq!(list_offset(&mut cluster, 1, 6, -3).0, code::INVALID_REQUEST);
}

#[test]
fn retention_drops_the_oldest_batches_and_moves_the_start() {
    let one = batch(&[&"x".repeat(900)]);
    let options = ClusterOptions { brokers: 1, retention_bytes_per_partition: 10_000, ..ClusterOptions::default() };
    let mut cluster = Cluster::new(options);
    cluster.topic_create("t", 1, 1).unwrap();
    for offset in 0..100 {
        assert_eq!(produce(&mut cluster, 1, "t", 0, &one), (0, offset));
    }
    let start = cluster.log_start_offset("t", 0).unwrap();
    assert!((88..95).contains(&start), "{start}");
    assert_eq!(cluster.end_offset("t", 0), Some(100));
    assert_eq!(cluster.records("t", 0).unwrap()[0].offset, start);
    assert_eq!(cluster.record_at("t", 0, start - 1), None);
    assert_eq!(list_offset(&mut cluster, 1, 5, -2), (0, start, -1));
    let fetched: FetchResponse = ask(&mut cluster, 1, api_key::FETCH, 12, &fetch_request("t", 0, start - 1));
    assert_eq!(fetched.responses[0].partitions[0].error_code, code::OFFSET_OUT_OF_RANGE);
    assert_eq!(fetched.responses[0].partitions[0].high_watermark, -1);
}

#[test]
fn unknown_apis_and_missing_bytes_lose_the_connection() {
    let mut cluster = cluster(1);
    let mut frame = request(api_key::METADATA, 9, 1, &metadata_request(&[], false));
    let whole = frame.clone();
    for len in 0..whole.len() {
        assert_eq!(cluster.handle_frame(Time::ZERO, 0, 1, &whole[..len]), DISCONNECT);
    }
    frame[0..2].copy_from_slice(&99i16.to_be_bytes());
    assert_eq!(cluster.handle_frame(Time::ZERO, 0, 1, &frame), DISCONNECT);
    assert_eq!(cluster.handle_frame(Time::ZERO, 0, 9, &whole), DISCONNECT);
    assert_eq!(cluster.stats().requests(99), 1);
}

#[test]
fn bytes_behind_a_request_are_ignored_as_in_kafka() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    // librdkafka's Metadata of all topics is three bytes longer than its schema.
    let all = MetadataRequest::default().with_topics(None);
    let one = batch(&["v"]);
    let list = ListOffsetsRequest::default().with_replica_id(BrokerId(-1));
    let init = InitProducerIdRequest::default();
    let requests = [
        request(api_key::API_VERSIONS, 0, 1, &ApiVersionsRequest::default()),
        request(api_key::API_VERSIONS, 3, 1, &software()),
        request(api_key::METADATA, 4, 1, &all),
        request(api_key::METADATA, 9, 1, &all),
        request(api_key::METADATA, 12, 1, &all),
        request(api_key::PRODUCE, 7, 1, &produce_request(1, &[("t", 0, &one)])),
        request(api_key::PRODUCE, 12, 1, &produce_request(1, &[("t", 0, &one)])),
        request(api_key::FETCH, 11, 1, &fetch_request("t", 0, 0)),
        request(api_key::LIST_OFFSETS, 7, 1, &list),
        request(api_key::INIT_PRODUCER_ID, 4, 1, &init),
    ];
    let mut strict = Cluster::new(ClusterOptions { refuses_trailing_bytes: true, ..ClusterOptions::default() });
    strict.topic_create("t", 1, 1).unwrap();
    for frame in requests {
        for rest in [&[0][..], &[0, 0, 0], &[0xff; 100]] {
            let longer = [&frame[..], rest].concat();
            let answer = cluster.handle_frame(Time::ZERO, 0, 1, &longer);
            assert!(matches!(answer, Answer::Respond { .. }), "{:?} {answer:?}", &frame[..4]);
            assert_eq!(strict.handle_frame(Time::ZERO, 0, 1, &longer), DISCONNECT);
        }
    }
    assert_eq!(cluster.end_offset("t", 0), Some(6));
    assert_eq!(strict.end_offset("t", 0), Some(0));
}

#[test]
fn a_client_id_may_be_any_bytes() {
    let mut cluster = cluster(1);
    let mut frame = request(api_key::METADATA, 9, 1, &metadata_request(&[], false));
    // "test" begins behind the key, version, correlation id and its length.
    frame[10..14].copy_from_slice(&[0xff, 0xfe, 0, 0x80]);
    assert!(matches!(cluster.handle_frame(Time::ZERO, 0, 1, &frame), Answer::Respond { .. }));
}

#[test]
fn every_truncated_or_damaged_produce_is_answered_somehow_and_appends_nothing_twice() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    for version in [3, 8, 9, 12] {
        let frame = request(api_key::PRODUCE, version, 1, &produce_request(1, &[("t", 0, &batch(&["v"]))]));
        for len in 0..frame.len() {
            assert_eq!(cluster.handle_frame(Time::ZERO, 0, 1, &frame[..len]), DISCONNECT, "{len} bytes");
        }
        for at in 0..frame.len() {
            let mut damaged = frame.clone();
            damaged[at] ^= 0x55;
            cluster.handle_frame(Time::ZERO, 0, 1, &damaged);
        }
    }
    assert!(cluster.records("t", 0).unwrap().iter().all(|record| record.value.as_deref() == Some(b"v")));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_cluster_panic(
        key in proptest::sample::select(vec![0i16, 1, 2, 3, 8, 9, 10, 18, 22, 24, 25, 26, 28, 99]),
        version in -1i16..14,
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
    ) {
        let mut cluster = cluster(2);
        cluster.topic_create("t", 1, 1).unwrap();
        cluster.handle_frame(Time::ZERO, 0, 1, &body);
        let mut frame = [key.to_be_bytes(), version.to_be_bytes()].concat();
        // A correlation id, no client id, and for flexible versions no tagged fields.
        frame.extend_from_slice(&[0, 0, 0, 1, 0xff, 0xff]);
        cluster.handle_frame(Time::ZERO, 0, 1, &[&frame[..], &body].concat());
        frame.push(0);
        cluster.handle_frame(Time::ZERO, 0, 1, &[&frame[..], &body].concat());
    }
}
