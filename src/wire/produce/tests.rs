//! Against the generated types of kafka-protocol, in every version; then against anything at all.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint as TheirEndpoint, PartitionProduceResponse,
    ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceRequest, RequestHeader, TopicName, TransactionalId};
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;

use super::*;

const VERSIONS: std::ops::RangeInclusive<i16> = 7..=13;

/// Name, and partitions with their batches.
type Topic<'a> = (&'a str, Vec<(i32, Vec<u8>)>);

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Another one for each name.
fn id_of(name: &str) -> TopicId {
    let mut id = [0; 16];
    name.bytes().enumerate().for_each(|(at, byte)| id[at % 16] ^= byte.rotate_left(at as u32));
    id
}

fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Our encoding with the batches put where `cuts` says.
fn ours(version: i16, transactional_id: Option<&str>, topics: &[Topic<'_>], out: &mut ProduceHead) -> Vec<u8> {
    let sizes: Vec<Vec<(i32, usize)>> = topics
        .iter()
        .map(|(_, partitions)| partitions.iter().map(|(index, batch)| (*index, batch.len())).collect())
        .collect();
    let parts: Vec<TopicPart<'_>> = topics
        .iter()
        .zip(&sizes)
        .map(|((name, _), partitions)| TopicPart { name, id: id_of(name), partitions })
        .collect();
    encode_produce(version, 77, "client-ü", transactional_id, -1, 30_000, &parts, out);

    let batches: Vec<&Vec<u8>> = topics.iter().flat_map(|(_, partitions)| partitions.iter().map(|p| &p.1)).collect();
    assert_eq!(out.cuts.len(), batches.len());
    let mut all = Vec::new();
    let mut start = 0;
    for (cut, batch) in out.cuts.iter().zip(batches) {
        all.extend_from_slice(&out.head[start..*cut]);
        all.extend_from_slice(batch);
        start = *cut;
    }
    all.extend_from_slice(&out.head[start..]);
    all
}

fn theirs(version: i16, transactional_id: Option<&str>, topics: &[Topic<'_>]) -> Vec<u8> {
    let mut body = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(0)
        .with_request_api_version(version)
        .with_correlation_id(77)
        .with_client_id(Some(str_bytes("client-ü")))
        .encode(&mut body, if version >= 9 { 2 } else { 1 })
        .unwrap();
    let topics = topics
        .iter()
        .map(|(name, partitions)| {
            let partitions = partitions
                .iter()
                .map(|(index, batch)| {
                    PartitionProduceData::default().with_index(*index).with_records(Some(Bytes::copy_from_slice(batch)))
                })
                .collect();
            let topic = TopicProduceData::default().with_name(topic_name(name));
            topic.with_topic_id(id_of(name).to_vec().try_into().unwrap()).with_partition_data(partitions)
        })
        .collect();
    ProduceRequest::default()
        .with_transactional_id(transactional_id.map(|id| TransactionalId(str_bytes(id))))
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(topics)
        .encode(&mut body, version)
        .unwrap();
    let mut all = (body.len() as i32).to_be_bytes().to_vec();
    all.extend_from_slice(&body);
    all
}

#[test]
fn requests_are_what_the_generated_types_encode() {
    let mut out = ProduceHead::default();
    let several = [
        ("orders", vec![(0, vec![1; 10]), (5, vec![2; 200]), (i32::MAX, vec![])]),
        ("größe", vec![(3, vec![3; 70_000])]),
        ("empty", vec![]),
    ];
    for version in VERSIONS {
        for transactional_id in [None, Some("tx"), Some("")] {
            for topics in [&several[..], &several[..1], &[]] {
                let ours = ours(version, transactional_id, topics, &mut out);
                assert!(ours == theirs(version, transactional_id, topics), "version {version}, {transactional_id:?}");
                let of_topic = |(name, partitions): &Topic<'_>| {
                    let batches: usize = partitions.iter().map(|(_, batch)| batch.len()).sum();
                    topic_bytes(name) + PARTITION_BYTES * partitions.len() + batches
                };
                let most = request_bytes("client-ü", transactional_id) + topics.iter().map(of_topic).sum::<usize>();
                assert!(ours.len() <= most, "version {version}: {} bytes, {most} at most", ours.len());
            }
        }
    }
}

#[test]
fn a_request_with_a_name_no_length_can_say_keeps_its_frame_whole() {
    let name = "ü".repeat(40_000);
    for version in VERSIONS {
        let mut out = ProduceHead::default();
        encode_produce(
            version,
            1,
            &name,
            None,
            1,
            1,
            &[TopicPart { name: &name, id: [7; 16], partitions: &[(0, 5)] }],
            &mut out,
        );
        let len = i32::from_be_bytes(out.head[..4].try_into().unwrap());
        assert_eq!(len as usize, out.head.len() - 4 + 5);
    }
}

/// Three partitions in two topics, with everything that the version can say.
fn full_response(version: i16) -> ProduceResponse {
    let mut partition = PartitionProduceResponse::default()
        .with_index(4)
        .with_error_code(87)
        .with_base_offset(1 << 40)
        .with_log_append_time_ms(1_700_000_000_123)
        .with_log_start_offset(17);
    if version >= 8 {
        let record_error = |index, message: Option<&str>| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(index)
                .with_batch_index_error_message(message.map(str_bytes))
        };
        partition = partition
            .with_record_errors(vec![record_error(0, None), record_error(9, Some("no key"))])
            .with_error_message(Some(str_bytes("größer")));
    }
    if version >= 9 {
        partition = partition.with_unknown_tagged_field(9, Bytes::from_static(b"unknown"));
    }
    let mut moved = PartitionProduceResponse::default().with_index(5).with_error_code(6).with_base_offset(-1);
    if version >= 10 {
        moved = moved.with_current_leader(
            LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(3))
                .with_leader_epoch(12)
                .with_unknown_tagged_field(0, Bytes::from_static(b"x")),
        );
    }
    let topic = |name: &str, partitions| {
        let topic = TopicProduceResponse::default().with_name(topic_name(name));
        topic.with_topic_id(id_of(name).to_vec().try_into().unwrap()).with_partition_responses(partitions)
    };
    let mut response = ProduceResponse::default()
        .with_responses(vec![
            topic("orders", vec![partition, moved]),
            topic("other", vec![PartitionProduceResponse::default()]),
        ])
        .with_throttle_time_ms(250);
    if version >= 9 {
        response = response.with_unknown_tagged_field(200, Bytes::from_static(b"?"));
    }
    if version >= 10 {
        let endpoint = TheirEndpoint::default().with_node_id(BrokerId(3)).with_host(str_bytes("b3")).with_port(9093);
        response = response.with_node_endpoints(vec![
            endpoint.clone().with_rack(Some(str_bytes("r1"))),
            endpoint.with_node_id(BrokerId(4)).with_unknown_tagged_field(1, Bytes::from_static(b"y")),
        ]);
    }
    response
}

fn encoded(response: &ProduceResponse, version: i16) -> Vec<u8> {
    let mut body = BytesMut::new();
    response.encode(&mut body, version).unwrap();
    body.to_vec()
}

#[test]
fn responses_of_the_generated_types_are_read_whole() {
    for version in VERSIONS {
        let body = encoded(&full_response(version), version);
        let mut seen = 0;
        let named = |name| if version >= 13 { AnsweredTopic::Id(id_of(name)) } else { AnsweredTopic::Name(name) };
        let tail = decode_produce_response(version, &body, |partition| {
            let expected = match seen {
                0 => PartitionResponse {
                    topic: named("orders"),
                    index: 4,
                    error_code: 87,
                    base_offset: 1 << 40,
                    log_append_time_ms: 1_700_000_000_123,
                    log_start_offset: 17,
                    record_errors: if version >= 8 { vec![(0, None), (9, Some("no key".into()))] } else { vec![] },
                    error_message: (version >= 8).then(|| "größer".into()),
                    current_leader: None,
                },
                1 => PartitionResponse {
                    topic: named("orders"),
                    index: 5,
                    error_code: 6,
                    base_offset: -1,
                    log_append_time_ms: -1,
                    log_start_offset: -1,
                    record_errors: vec![],
                    error_message: None,
                    current_leader: (version >= 10).then_some((3, 12)),
                },
                _ => PartitionResponse {
                    topic: named("other"),
                    index: 0,
                    error_code: 0,
                    base_offset: 0,
                    log_append_time_ms: -1,
                    log_start_offset: -1,
                    record_errors: vec![],
                    error_message: None,
                    current_leader: None,
                },
            };
            assert_eq!(partition, expected, "version {version}");
            seen += 1;
        })
        .unwrap();
        assert_eq!(seen, 3);
        assert_eq!(tail.throttle_time_ms, 250);
        let endpoint = |id, rack: Option<&str>| NodeEndpoint {
            id,
            host: "b3".to_owned(),
            port: 9093,
            rack: rack.map(str::to_owned),
        };
        let expected = if version >= 10 { vec![endpoint(3, Some("r1")), endpoint(4, None)] } else { vec![] };
        assert_eq!(tail.node_endpoints, expected);
    }
}

#[test]
fn a_response_cut_anywhere_is_an_error_and_nothing_is_visited() {
    for version in VERSIONS {
        let body = encoded(&full_response(version), version);
        for len in 0..body.len() {
            let answer = decode_produce_response(version, &body[..len], |_| panic!("visited a part of a response"));
            assert!(answer.unwrap_err().at <= len, "version {version}, {len} bytes");
        }
    }
}

#[test]
fn bytes_after_the_response_are_ignored() {
    for version in VERSIONS {
        let mut body = encoded(&full_response(version), version);
        let expected = decode_produce_response(version, &body, |_| {}).unwrap();
        body.extend_from_slice(b"more");
        let mut seen = 0;
        assert_eq!(decode_produce_response(version, &body, |_| seen += 1).unwrap(), expected);
        assert_eq!(seen, 3);
    }
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_anything_is_read() {
    let mut classic = i32::MAX.to_be_bytes().to_vec();
    classic.extend_from_slice(&[0; 100]);
    let mut flexible = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
    flexible.extend_from_slice(&[0; 100]);
    for version in VERSIONS {
        let body = if version >= 9 { &flexible } else { &classic };
        let error = decode_produce_response(version, body, |_| panic!("nothing to visit")).unwrap_err();
        assert_eq!(error, DecodeError { what: "produced topics", at: 0 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(version in VERSIONS, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_produce_response(version, &body, |_| {});
    }

    #[test]
    fn a_damaged_response_is_read_or_refused(
        version in VERSIONS,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut body = encoded(&full_response(version), version);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let _ = decode_produce_response(version, &body, |_| {});
    }

    #[test]
    fn any_request_is_what_the_generated_types_encode(
        version in VERSIONS,
        topics in proptest::collection::vec(
            ("[a-z]{0,9}", proptest::collection::vec(
                (any::<i32>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..4)), 0..4),
    ) {
        let topics: Vec<Topic<'_>> = topics.iter().map(|(name, partitions)| (&name[..], partitions.clone())).collect();
        prop_assert_eq!(ours(version, None, &topics, &mut ProduceHead::default()), theirs(version, None, &topics));
    }
}
