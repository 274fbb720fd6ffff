//! Against the generated types of kafka-protocol, in every version; then against anything at all.

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, GroupId, InitProducerIdRequest, InitProducerIdResponse, ProducerId, TopicName,
    TransactionalId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use proptest::prelude::*;

use super::super::theirs::{bytes_of, framed, text};
use super::*;

const ID: i64 = 0x0102_0304_0506_0708;
const EPOCH: i16 = 0x1112;
const HEAD: TransactionHead<'_> =
    TransactionHead { transactional_id: "größe", producer_id: ID, producer_epoch: EPOCH };

fn versions(api: Api) -> std::ops::RangeInclusive<i16> {
    let (min, max) = api.versions();
    min..=max
}

fn transactional_id() -> TransactionalId {
    TransactionalId(text(HEAD.transactional_id))
}

/// The decoder gives `expected` for the whole body and an error for each part of it.
fn assert_reads_whole<T: PartialEq + std::fmt::Debug>(
    decode: fn(i16, &[u8]) -> Result<T, DecodeError>,
    version: i16,
    body: &[u8],
    expected: T,
) {
    assert_eq!(decode(version, body), Ok(expected), "version {version}");
    for len in 0..body.len() {
        assert!(decode(version, &body[..len]).is_err(), "version {version}, {len} bytes");
    }
}

#[test]
fn init_producer_id_requests_are_what_the_generated_types_encode() {
    for version in versions(Api::InitProducerId) {
        for (transactional_id, producer_id, epoch) in [(None, -1, -1), (Some("größe"), -1, -1), (Some("t"), ID, EPOCH)]
        {
            let mut request = InitProducerIdRequest::default()
                .with_transactional_id(transactional_id.map(|id| TransactionalId(text(id))))
                .with_transaction_timeout_ms(60_000);
            if version >= 3 {
                request = request.with_producer_id(ProducerId(producer_id)).with_producer_epoch(epoch);
            }
            for (enable_2pc, keep_prepared) in [(false, false), (true, false), (true, true)] {
                let theirs = match version {
                    // The generated types end before it: v5 with two booleans in front of its last byte, the tagged
                    // fields.
                    6 => {
                        let mut bytes = framed(Api::InitProducerId, 5, &request);
                        let end = bytes.len() - 1;
                        bytes.splice(end..end, [u8::from(enable_2pc), u8::from(keep_prepared)]);
                        bytes[3] += 2;
                        bytes[7] = 6;
                        bytes
                    }
                    _ => framed(Api::InitProducerId, version, &request),
                };
                let (timeout_ms, producer_epoch) = (60_000, epoch);
                let question = ProducerIdQuestion {
                    transactional_id,
                    timeout_ms,
                    producer_id,
                    producer_epoch,
                    enable_2pc,
                    keep_prepared,
                };
                assert_eq!(encode_init_producer_id(version, 7, "me", &question), theirs, "version {version}");
            }
        }
    }
}

fn their_producer_id(version: i16) -> InitProducerIdResponse {
    let response = InitProducerIdResponse::default()
        .with_throttle_time_ms(40)
        .with_error_code(90)
        .with_producer_id(ProducerId(ID))
        .with_producer_epoch(EPOCH);
    let response = match version >= 6 {
        true => response.with_ongoing_txn_producer_id(ProducerId(ID + 1)).with_ongoing_txn_producer_epoch(EPOCH + 1),
        false => response,
    };
    if version >= 2 { response.with_unknown_tagged_field(9, Bytes::from_static(b"??")) } else { response }
}

#[test]
fn producer_ids_of_the_generated_types_are_read_whole() {
    for version in versions(Api::InitProducerId) {
        let (ongoing_producer_id, ongoing_producer_epoch) = if version >= 6 { (ID + 1, EPOCH + 1) } else { (-1, -1) };
        let expected = ProducerIdAnswer {
            throttle_time_ms: 40,
            error_code: 90,
            producer_id: ID,
            producer_epoch: EPOCH,
            ongoing_producer_id,
            ongoing_producer_epoch,
        };
        let body = bytes_of(&their_producer_id(version), version);
        assert_reads_whole(decode_init_producer_id, version, &body, expected);
    }
}

#[test]
fn added_partitions_are_what_the_generated_types_encode() {
    let topics = [("orders", vec![0, 7, i32::MAX]), ("größe", vec![1])];
    for version in versions(Api::AddPartitionsToTxn) {
        for topics in [&topics[..], &topics[1..], &[]] {
            let topic = |(name, partitions): &(&str, Vec<i32>)| {
                AddPartitionsToTxnTopic::default().with_name(TopicName(text(name))).with_partitions(partitions.clone())
            };
            let request = AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(transactional_id())
                .with_v3_and_below_producer_id(ProducerId(ID))
                .with_v3_and_below_producer_epoch(EPOCH)
                .with_v3_and_below_topics(topics.iter().map(topic).collect());
            let theirs = framed(Api::AddPartitionsToTxn, version, &request);
            assert_eq!(encode_add_partitions_to_txn(version, 7, "me", &HEAD, topics), theirs, "version {version}");
        }
    }
}

fn their_added_partitions(version: i16) -> AddPartitionsToTxnResponse {
    let partition = |index, error| {
        let result =
            AddPartitionsToTxnPartitionResult::default().with_partition_index(index).with_partition_error_code(error);
        if version >= 3 { result.with_unknown_tagged_field(1, Bytes::from_static(b"?")) } else { result }
    };
    let topic = |name, partitions| {
        let result = AddPartitionsToTxnTopicResult::default()
            .with_name(TopicName(text(name)))
            .with_results_by_partition(partitions);
        if version >= 3 { result.with_unknown_tagged_field(2, Bytes::new()) } else { result }
    };
    AddPartitionsToTxnResponse::default().with_throttle_time_ms(40).with_results_by_topic_v3_and_below(vec![
        topic("orders", vec![partition(0, 0), partition(7, 55)]),
        topic("none", vec![]),
        topic("größe", vec![partition(1, -1)]),
    ])
}

#[test]
fn answers_about_added_partitions_are_read_whole() {
    for version in versions(Api::AddPartitionsToTxn) {
        let results = vec![("orders".into(), 0, 0), ("orders".into(), 7, 55), ("größe".into(), 1, -1)];
        let body = bytes_of(&their_added_partitions(version), version);
        let expected = AddPartitionsAnswer { throttle_time_ms: 40, results };
        assert_reads_whole(decode_add_partitions_to_txn, version, &body, expected);
    }
}

#[test]
fn added_offsets_are_what_the_generated_types_encode() {
    for version in versions(Api::AddOffsetsToTxn) {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(transactional_id())
            .with_producer_id(ProducerId(ID))
            .with_producer_epoch(EPOCH)
            .with_group_id(GroupId(text("group")));
        let theirs = framed(Api::AddOffsetsToTxn, version, &request);
        assert_eq!(encode_add_offsets_to_txn(version, 7, "me", &HEAD, "group"), theirs, "version {version}");
    }
}

fn their_added_offsets() -> AddOffsetsToTxnResponse {
    AddOffsetsToTxnResponse::default().with_throttle_time_ms(40).with_error_code(51)
}

#[test]
fn answers_about_added_offsets_are_read_whole() {
    for version in versions(Api::AddOffsetsToTxn) {
        let expected = AddOffsetsAnswer { throttle_time_ms: 40, error_code: 51 };
        assert_reads_whole(decode_add_offsets_to_txn, version, &bytes_of(&their_added_offsets(), version), expected);
    }
}

fn offset(topic: &str, partition: i32, offset: i64, leader_epoch: i32, metadata: Option<&str>) -> TopicOffset {
    TopicOffset { topic: topic.into(), partition, offset, leader_epoch, metadata: metadata.map(str::to_owned) }
}

fn member(generation_id: i32, member_id: &str, group_instance_id: Option<&str>) -> GroupMetadata {
    GroupMetadata {
        group_id: "group".into(),
        generation_id,
        member_id: member_id.into(),
        group_instance_id: group_instance_id.map(str::to_owned),
    }
}

#[test]
fn committed_offsets_are_what_the_generated_types_encode() {
    // Topics mixed, as an application may give them; within a topic the order stays.
    let ours = [
        offset("orders", 7, 1 << 40, 3, Some("größe")),
        offset("bills", 0, 0, -1, None),
        offset("orders", 1, 5, -1, Some("")),
    ];
    let partition = |of: &TopicOffset| {
        TxnOffsetCommitRequestPartition::default()
            .with_partition_index(of.partition)
            .with_committed_offset(of.offset)
            .with_committed_leader_epoch(of.leader_epoch)
            .with_committed_metadata(of.metadata.as_deref().map(text))
    };
    let topic = |name, partitions| {
        TxnOffsetCommitRequestTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
    };
    for version in versions(Api::TxnOffsetCommit) {
        for group in [member(-1, "", None), member(4, "member-1", None), member(0, "m", Some("instance"))] {
            let mut request = TxnOffsetCommitRequest::default()
                .with_transactional_id(transactional_id())
                .with_group_id(GroupId(text("group")))
                .with_producer_id(ProducerId(ID))
                .with_producer_epoch(EPOCH)
                .with_topics(vec![
                    topic("bills", vec![partition(&ours[1])]),
                    topic("orders", vec![partition(&ours[0]), partition(&ours[2])]),
                ]);
            if version >= 3 {
                request = request
                    .with_generation_id(group.generation_id)
                    .with_member_id(text(&group.member_id))
                    .with_group_instance_id(group.group_instance_id.as_deref().map(text));
            }
            let theirs = framed(Api::TxnOffsetCommit, version, &request);
            let ours: Vec<&TopicOffset> = ours.iter().collect();
            let ours = encode_txn_offset_commit(version, 7, "me", &HEAD, &group, &ours);
            assert_eq!(ours, theirs, "version {version}");
        }
    }
}

fn their_committed_offsets(version: i16) -> TxnOffsetCommitResponse {
    let partition = |index, error| {
        let result = TxnOffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(error);
        if version >= 3 { result.with_unknown_tagged_field(1, Bytes::from_static(b"?")) } else { result }
    };
    let topic = |name, partitions| {
        TxnOffsetCommitResponseTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
    };
    TxnOffsetCommitResponse::default().with_throttle_time_ms(40).with_topics(vec![
        topic("bills", vec![partition(0, 0)]),
        topic("orders", vec![partition(7, 22), partition(1, 0)]),
    ])
}

#[test]
fn answers_about_committed_offsets_are_read_whole() {
    for version in versions(Api::TxnOffsetCommit) {
        let results = vec![("bills".into(), 0, 0), ("orders".into(), 7, 22), ("orders".into(), 1, 0)];
        let body = bytes_of(&their_committed_offsets(version), version);
        let expected = TxnOffsetCommitAnswer { throttle_time_ms: 40, results };
        assert_reads_whole(decode_txn_offset_commit, version, &body, expected);
    }
}

#[test]
fn ends_of_transactions_are_what_the_generated_types_encode() {
    for version in versions(Api::EndTxn) {
        for committed in [true, false] {
            let request = EndTxnRequest::default()
                .with_transactional_id(transactional_id())
                .with_producer_id(ProducerId(ID))
                .with_producer_epoch(EPOCH)
                .with_committed(committed);
            let theirs = framed(Api::EndTxn, version, &request);
            assert_eq!(encode_end_txn(version, 7, "me", &HEAD, committed), theirs, "version {version}");
        }
    }
}

fn their_end(version: i16) -> EndTxnResponse {
    let response = EndTxnResponse::default().with_throttle_time_ms(40).with_error_code(48);
    if version >= 5 { response.with_producer_id(ProducerId(ID)).with_producer_epoch(EPOCH) } else { response }
}

#[test]
fn answers_about_ends_of_transactions_are_read_whole() {
    for version in versions(Api::EndTxn) {
        let (producer_id, producer_epoch) = if version >= 5 { (ID, EPOCH) } else { (-1, -1) };
        let expected = EndTxnAnswer { throttle_time_ms: 40, error_code: 48, producer_id, producer_epoch };
        assert_reads_whole(decode_end_txn, version, &bytes_of(&their_end(version), version), expected);
    }
}

#[test]
fn the_next_identity_of_end_txn_5_is_where_kafka_s_definition_puts_it() {
    let body = [0, 0, 0, 40, 0, 48, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0];
    let expected = EndTxnAnswer { throttle_time_ms: 40, error_code: 48, producer_id: ID, producer_epoch: EPOCH };
    assert_eq!(decode_end_txn(5, &body), Ok(expected));
}

#[test]
fn a_claimed_count_without_its_elements_is_an_error() {
    let classic = [0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0];
    let flexible = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    for (version, body) in [(2, classic), (3, flexible)] {
        assert!(decode_add_partitions_to_txn(version, &body).is_err());
        assert!(decode_txn_offset_commit(version, &body).is_err());
    }
}

/// A topic's name and its count of partitions, all of them there.
fn named_body(name_len: usize, partition_count: usize) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
    body.extend_from_slice(&(name_len as i16).to_be_bytes());
    body.resize(body.len() + name_len, b'x');
    body.extend_from_slice(&(partition_count as i32).to_be_bytes());
    body.resize(body.len() + 6 * partition_count, 0);
    body
}

#[test]
fn copies_of_a_name_stay_in_proportion_to_what_was_received() {
    let longest_name = named_body(249, 100_000);
    assert_eq!(decode_add_partitions_to_txn(1, &longest_name).unwrap().results.len(), 100_000);
    let long_name_asked_for = named_body(30_000, 2);
    assert_eq!(decode_txn_offset_commit(2, &long_name_asked_for).unwrap().results.len(), 2);
    // 32 kB from 600 kB received, 100,000 times over.
    let endless = named_body(32_000, 100_000);
    assert_eq!(decode_txn_offset_commit(2, &endless).unwrap_err().to_string(), "cannot read topic name at byte 8");
}

fn decode_all(body: &[u8]) {
    for version in 1..=6 {
        let _ = decode_init_producer_id(version, body);
        let _ = decode_add_partitions_to_txn(version, body);
        let _ = decode_add_offsets_to_txn(version, body);
        let _ = decode_txn_offset_commit(version, body);
        let _ = decode_end_txn(version, body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&body);
    }

    #[test]
    fn damaged_answers_are_read_or_refused(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for version in [2, 3] {
            let bodies = [
                bytes_of(&their_producer_id(version), version),
                bytes_of(&their_added_partitions(version), version),
                bytes_of(&their_added_offsets(), version),
                bytes_of(&their_committed_offsets(version), version),
                bytes_of(&their_end(5), 5),
            ];
            for mut body in bodies {
                for (at, byte) in &damage {
                    let at = at.index(body.len());
                    body[at] = *byte;
                }
                decode_all(&body);
            }
        }
    }
}
