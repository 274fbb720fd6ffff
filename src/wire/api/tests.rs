//! Against the generated types of kafka-protocol, in every version; then against anything at all.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, MetadataRequest, MetadataResponse, TopicName,
};
use proptest::prelude::*;

use super::super::theirs::{bytes_of, framed, text};
use super::*;

const METADATA_VERSIONS: std::ops::RangeInclusive<i16> = 7..=13;

#[test]
fn api_versions_requests_are_what_the_generated_types_encode() {
    for version in 0..=4 {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("libkproducer"))
            .with_client_software_version(text("0.1.0"));
        let theirs = framed(Api::ApiVersions, version, &request);
        assert_eq!(encode_api_versions(version, 7, "me", "libkproducer", "0.1.0", None), theirs, "version {version}");
    }
}

/// The generated types end with v4.
#[test]
fn the_destination_is_the_last_of_an_api_versions_request_from_v5_on() {
    let to = Destination { cluster_id: "ab", node_id: 258 };
    for (destination, tail) in [(None, &[0, 255, 255, 255, 255, 0][..]), (Some(to), &[3, b'a', b'b', 0, 0, 1, 2, 0])] {
        let before = encode_api_versions(4, 7, "me", "libkproducer", "0.1.0", None);
        let mut expected = [&before[..before.len() - 1], tail].concat();
        expected[7] = 5;
        let length = expected.len() as u32 - 4;
        expected[..4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(encode_api_versions(5, 7, "me", "libkproducer", "0.1.0", destination), expected);
    }
}

fn their_api_versions(version: i16) -> ApiVersionsResponse {
    let range = |key, min, max| ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max);
    let mut response = ApiVersionsResponse::default().with_api_keys(vec![range(0, 3, 11), range(18, 0, 4)]);
    if version >= 1 {
        response = response.with_throttle_time_ms(40);
    }
    if version >= 3 {
        let supported = SupportedFeatureKey::default().with_name(text("kraft.version")).with_max_version(1);
        let finalized = FinalizedFeatureKey::default()
            .with_name(text("transaction.version"))
            .with_max_version_level(2)
            .with_min_version_level(1);
        response = response
            .with_supported_features(vec![supported])
            .with_finalized_features_epoch(1 << 33)
            .with_finalized_features(vec![finalized])
            .with_zk_migration_ready(true);
    }
    response
}

#[test]
fn api_versions_answers_of_the_generated_types_are_read_whole() {
    for version in 0..=3 {
        let body = bytes_of(&their_api_versions(version), version);
        let expected = ApiVersionsAnswer {
            error_code: 0,
            ranges: vec![ApiRange { api_key: 0, min: 3, max: 11 }, ApiRange { api_key: 18, min: 0, max: 4 }],
            features: if version >= 3 { vec![("transaction.version".to_owned(), 2)] } else { vec![] },
            features_epoch: if version >= 3 { 1 << 33 } else { -1 },
            throttle_time_ms: if version >= 1 { 40 } else { 0 },
        };
        assert_eq!(decode_api_versions(version, &body), Ok(expected), "version {version}");
        for len in 0..body.len() {
            let answer = decode_api_versions(version, &body[..len]);
            // Without its throttle time it is an answer of version 0.
            let is_version_0 = (1..=2).contains(&version) && len >= body.len() - 4;
            assert_eq!(answer.is_ok(), is_version_0, "version {version}, {len} bytes");
        }
    }
}

#[test]
fn an_unsupported_version_is_answered_in_version_0() {
    let body = bytes_of(&their_api_versions(0).with_error_code(35), 0);
    let answer = decode_api_versions(3, &body).unwrap();
    assert_eq!(answer.error_code, 35);
    assert_eq!(answer.ranges.len(), 2);
    assert_eq!(answer.features_epoch, -1);
    // Brokers before 2.4 name no API in it.
    assert_eq!(decode_api_versions(3, &[0, 35, 0, 0, 0, 0]).unwrap().ranges, []);
}

#[test]
fn metadata_requests_are_what_the_generated_types_encode() {
    for version in METADATA_VERSIONS {
        for topics in [None, Some(&[][..]), Some(&["orders", "größe"][..])] {
            for allow_auto_create in [true, false] {
                let theirs = topics.map(|topics: &[&str]| {
                    let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
                    topics.iter().map(topic).collect()
                });
                let request =
                    MetadataRequest::default().with_topics(theirs).with_allow_auto_topic_creation(allow_auto_create);
                let theirs = framed(Api::Metadata, version, &request);
                assert_eq!(encode_metadata(version, 7, "me", topics, allow_auto_create), theirs, "version {version}");
            }
        }
    }
}

fn their_metadata(version: i16) -> MetadataResponse {
    let broker = |id, rack: Option<&str>| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(text("host"))
            .with_port(9092)
            .with_rack(rack.map(text))
    };
    let mut partition = MetadataResponsePartition::default()
        .with_error_code(9)
        .with_partition_index(1)
        .with_leader_id(BrokerId(2))
        .with_leader_epoch(33)
        .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
        .with_isr_nodes(vec![BrokerId(2)])
        .with_offline_replicas(vec![BrokerId(1)]);
    if version >= 9 {
        partition = partition.with_unknown_tagged_field(5, Bytes::from_static(b"?"));
    }
    let mut topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(text("orders"))))
        .with_partitions(vec![partition, MetadataResponsePartition::default().with_leader_id(BrokerId(-1))]);
    if version >= 10 {
        topic = topic.with_topic_id("09".repeat(16).parse().unwrap());
    }
    let other = MetadataResponseTopic::default()
        .with_name(if version >= 12 { None } else { Some(TopicName(text(""))) })
        .with_error_code(100);
    MetadataResponse::default()
        .with_throttle_time_ms(5)
        .with_brokers(vec![broker(1, None), broker(2, Some("r"))])
        .with_cluster_id(Some(text("cluster")))
        .with_controller_id(BrokerId(2))
        .with_topics(vec![topic, other])
        .with_error_code(if version >= 13 { 129 } else { 0 })
}

#[test]
fn metadata_answers_of_the_generated_types_are_read_whole() {
    let details = [Detail::Leaders, Detail::Replicas];
    for (version, detail) in METADATA_VERSIONS.flat_map(|version| details.map(|detail| (version, detail))) {
        let all = detail == Detail::Replicas;
        let second = NodeLists { start: if all { 4 } else { 0 }, ..NodeLists::default() };
        let first = if all { NodeLists { start: 0, replicas: 2, in_sync: 1, offline: 1 } } else { second };
        let body = bytes_of(&their_metadata(version), version);
        let broker =
            |id, rack: Option<&str>| BrokerInfo { id, host: "host".into(), port: 9092, rack: rack.map(str::to_owned) };
        let expected = MetadataAnswer {
            throttle_time_ms: 5,
            brokers: vec![broker(1, None), broker(2, Some("r"))],
            cluster_id: Some("cluster".into()),
            controller_id: 2,
            topics: vec![
                TopicInfo {
                    name: "orders".into(),
                    error_code: 0,
                    topic_id: if version >= 10 { [9; 16] } else { [0; 16] },
                    partitions: vec![
                        PartitionInfo { index: 1, error_code: 9, leader: 2, leader_epoch: 33, nodes: first },
                        PartitionInfo { index: 0, error_code: 0, leader: -1, leader_epoch: -1, nodes: second },
                    ],
                    nodes: if all { vec![1, 2, 2, 1] } else { vec![] },
                },
                TopicInfo {
                    name: String::new(),
                    error_code: 100,
                    topic_id: [0; 16],
                    partitions: vec![],
                    nodes: vec![],
                },
            ],
            error_code: if version >= 13 { 129 } else { 0 },
        };
        assert_eq!(decode_metadata(version, &body, detail), Ok(expected), "version {version}");
        for len in 0..body.len() {
            assert!(decode_metadata(version, &body[..len], detail).is_err(), "version {version}, {len} bytes");
        }
    }
}

#[test]
fn the_highest_common_version_is_chosen() {
    let ranges = [ApiRange { api_key: 3, min: 0, max: 12 }, ApiRange { api_key: 0, min: 3, max: 9 }];
    assert_eq!(choose_version(&ranges, Api::Produce, 7, 12), Ok(9));
    assert_eq!(choose_version(&ranges, Api::Metadata, 7, 10), Ok(10));
    assert_eq!(choose_version(&ranges, Api::Produce, 9, 9), Ok(9));
}

#[test]
fn without_a_common_version_the_sentence_names_the_api_and_both_ranges() {
    let ranges = [ApiRange { api_key: 0, min: 3, max: 6 }, ApiRange { api_key: 3, min: 13, max: 14 }];
    assert_eq!(
        choose_version(&ranges, Api::Produce, 7, 12).unwrap_err(),
        "the broker speaks versions 3 to 6 of Produce requests, we speak 7 to 12"
    );
    assert_eq!(
        choose_version(&ranges, Api::Metadata, 7, 12).unwrap_err(),
        "the broker speaks versions 13 to 14 of Metadata requests, we speak 7 to 12"
    );
    assert_eq!(
        choose_version(&ranges, Api::ApiVersions, 0, 3).unwrap_err(),
        "the broker does not offer ApiVersions requests; we speak versions 0 to 3"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        for version in 0..=3 {
            let _ = decode_api_versions(version, &body);
        }
        for version in METADATA_VERSIONS {
            let _ = decode_metadata(version, &body, Detail::Replicas);
        }
    }

    #[test]
    fn damaged_answers_are_read_or_refused(
        api_versions in 0_i16..=3,
        metadata in METADATA_VERSIONS,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut first = bytes_of(&their_api_versions(api_versions), api_versions);
        let mut second = bytes_of(&their_metadata(metadata), metadata);
        for (at, byte) in damage {
            let (i, j) = (at.index(first.len()), at.index(second.len()));
            first[i] = byte;
            second[j] = byte;
        }
        let _ = decode_api_versions(api_versions, &first);
        let _ = decode_metadata(metadata, &second, Detail::Replicas);
    }
}
