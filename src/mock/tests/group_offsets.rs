//! Offsets inside and outside of transactions.

use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, GroupId, OffsetCommitRequest, OffsetCommitResponse,
    OffsetFetchRequest, OffsetFetchResponse, ProducerId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::transactions::{Client, init, two_partitions};
use crate::mock::testing::{ask, name};
use crate::mock::*;

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("g"))
}

fn group_coordinator(cluster: &mut Cluster) -> i32 {
    cluster.coordinator(CoordinatorKind::Group, "g").unwrap()
}

fn add_offsets(cluster: &mut Cluster, client: &Client, version: i16) -> i16 {
    let body = AddOffsetsToTxnRequest::default()
        .with_transactional_id(client.transactional_id())
        .with_producer_id(ProducerId(client.producer_id))
        .with_producer_epoch(client.epoch)
        .with_group_id(group());
    let broker = client.coordinator(cluster);
    let added: AddOffsetsToTxnResponse = ask(cluster, broker, api_key::ADD_OFFSETS_TO_TXN, version, &body);
    added.error_code
}

/// Who commits: generation, member, instance.
type Who = (i32, &'static str, Option<&'static str>);
const NOBODY: Who = (-1, "", None);

fn commit_pending(cluster: &mut Cluster, client: &Client, version: i16, who: Who, offsets: &[(i32, i64)]) -> Vec<i16> {
    let partitions = offsets.iter().map(|&(index, offset)| {
        let partition = TxnOffsetCommitRequestPartition::default().with_partition_index(index);
        partition.with_committed_offset(offset).with_committed_metadata(Some(StrBytes::from_static_str("m")))
    });
    let topic = TxnOffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(partitions.collect());
    let mut body = TxnOffsetCommitRequest::default()
        .with_transactional_id(client.transactional_id())
        .with_group_id(group())
        .with_producer_id(ProducerId(client.producer_id))
        .with_producer_epoch(client.epoch)
        .with_topics(vec![topic]);
    if version >= 3 {
        body = body.with_generation_id(who.0).with_member_id(StrBytes::from_static_str(who.1));
        body = body.with_group_instance_id(who.2.map(StrBytes::from_static_str));
    }
    let broker = group_coordinator(cluster);
    let answered: TxnOffsetCommitResponse = ask(cluster, broker, api_key::TXN_OFFSET_COMMIT, version, &body);
    answered.topics[0].partitions.iter().map(|partition| partition.error_code).collect()
}

#[test]
fn offsets_of_a_transaction_count_when_it_commits() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    for version in 0..=4 {
        assert_eq!(add_offsets(&mut cluster, &client, version), 0);
        assert_eq!(commit_pending(&mut cluster, &client, version, NOBODY, &[(0, 5), (9, 1)]), [0, 3]);
    }
    assert_eq!(cluster.committed_offset("g", "t", 0), None);
    assert_eq!(cluster.pending_offsets("g"), [("t".to_owned(), 0)]);
    assert_eq!(client.end(&mut cluster, 4, true).0, 0);
    assert_eq!((cluster.committed_offset("g", "t", 0), cluster.pending_offsets("g")), (Some(5), vec![]));
    assert_eq!(add_offsets(&mut cluster, &client, 4), 0);
    assert_eq!(commit_pending(&mut cluster, &client, 4, NOBODY, &[(0, 8)]), [0]);
    assert_eq!(client.end(&mut cluster, 4, false).0, 0);
    assert_eq!((cluster.committed_offset("g", "t", 0), cluster.pending_offsets("g")), (Some(5), vec![]));
}

#[test]
fn version_5_adds_the_group_and_older_ones_have_to() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    assert_eq!(commit_pending(&mut cluster, &client, 3, NOBODY, &[(0, 1)]), [code::INVALID_TXN_STATE]);
    assert_eq!(commit_pending(&mut cluster, &client, 4, NOBODY, &[(0, 1)]), [code::TRANSACTION_ABORTABLE]);
    assert_eq!(commit_pending(&mut cluster, &client, 5, NOBODY, &[(0, 1), (1, 2)]), [0, 0]);
    assert!(cluster.is_transaction_open("x"));
    assert_eq!(client.end(&mut cluster, 5, true).0, 0);
    assert_eq!(cluster.committed_offset("g", "t", 1), Some(2));
    let late = commit_pending(&mut cluster, &client, 5, NOBODY, &[(0, 9)]);
    assert_eq!(late, [code::INVALID_PRODUCER_EPOCH], "the epoch is the next one's");
    cluster.push_error(api_key::TXN_OFFSET_COMMIT, code::COORDINATOR_LOAD_IN_PROGRESS, 2);
    assert_eq!(commit_pending(&mut cluster, &client, 5, NOBODY, &[(0, 9)]), [14]);
    assert_eq!(commit_pending(&mut cluster, &client, 1, NOBODY, &[(0, 9)]), [15], "KAFKA-7296");
}

#[test]
fn a_group_with_members_hears_only_them() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    let mut code_of = |who| commit_pending(&mut cluster, &client, 5, who, &[(0, 1)])[0];
    assert_eq!(code_of((3, "m", None)), code::ILLEGAL_GENERATION, "there is no such group");
    cluster.group_set_members("g", 3, &[("m", None), ("s", Some("i"))]);
    let mut code_of = |who| commit_pending(&mut cluster, &client, 5, who, &[(0, 1)])[0];
    assert_eq!(code_of((3, "m", None)), 0);
    assert_eq!(code_of((2, "m", None)), code::ILLEGAL_GENERATION);
    assert_eq!(code_of((3, "n", None)), code::UNKNOWN_MEMBER_ID);
    assert_eq!(code_of((3, "s", Some("i"))), 0);
    assert_eq!(code_of((3, "m", Some("i"))), code::FENCED_INSTANCE_ID);
    assert_eq!(code_of((3, "m", Some("j"))), code::UNKNOWN_MEMBER_ID);
    assert_eq!(code_of(NOBODY), 0, "older clients say nothing");
    assert_eq!(code_of((-1, "m", None)), code::ILLEGAL_GENERATION);
}

fn fetch_offsets(cluster: &mut Cluster, version: i16, require_stable: bool) -> Vec<(i32, i64, i16)> {
    let mut body = OffsetFetchRequest::default();
    if version >= 8 {
        let topics = OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(vec![0, 1]);
        body.groups = vec![OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(Some(vec![topics]))];
    } else {
        let topic = OffsetFetchRequestTopic::default().with_name(name("t")).with_partition_indexes(vec![0, 1]);
        body = body.with_group_id(group()).with_topics(Some(vec![topic]));
    }
    if version >= 7 {
        body.require_stable = require_stable;
    }
    let broker = group_coordinator(cluster);
    let fetched: OffsetFetchResponse = ask(cluster, broker, api_key::OFFSET_FETCH, version, &body);
    if version >= 8 {
        let partitions = fetched.groups[0].topics[0].partitions.iter();
        partitions.map(|one| (one.partition_index, one.committed_offset, one.error_code)).collect()
    } else {
        let partitions = fetched.topics[0].partitions.iter();
        partitions.map(|one| (one.partition_index, one.committed_offset, one.error_code)).collect()
    }
}

#[test]
fn consumers_commit_and_fetch_offsets_in_every_version() {
    let mut cluster = two_partitions();
    let broker = group_coordinator(&mut cluster);
    for version in 2..=8 {
        let partition = OffsetCommitRequestPartition::default().with_partition_index(1);
        let partition = partition.with_committed_offset(i64::from(version));
        let topic = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        let body = OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![topic]);
        let body = body.with_generation_id_or_member_epoch(-1);
        let answered: OffsetCommitResponse = ask(&mut cluster, broker, api_key::OFFSET_COMMIT, version, &body);
        assert_eq!(answered.topics[0].partitions[0].error_code, 0);
        assert_eq!(cluster.committed_offset("g", "t", 1), Some(version.into()));
        let other = 1 + broker % 3;
        let answered: OffsetCommitResponse = ask(&mut cluster, other, api_key::OFFSET_COMMIT, version, &body);
        assert_eq!(answered.topics[0].partitions[0].error_code, code::NOT_COORDINATOR);
    }
    for version in 1..=8 {
        assert_eq!(fetch_offsets(&mut cluster, version, false), [(0, -1, 0), (1, 8, 0)]);
    }
    let client = init(&mut cluster, "x");
    assert_eq!(commit_pending(&mut cluster, &client, 5, NOBODY, &[(1, 20)]), [0]);
    for version in [7, 8] {
        assert_eq!(fetch_offsets(&mut cluster, version, false), [(0, -1, 0), (1, 8, 0)]);
        let unstable = [(0, -1, 0), (1, -1, code::UNSTABLE_OFFSET_COMMIT)];
        assert_eq!(fetch_offsets(&mut cluster, version, true), unstable);
    }
    cluster.push_error(api_key::OFFSET_FETCH, 30, 1);
    assert_eq!(fetch_offsets(&mut cluster, 3, false), [(0, -1, 30), (1, -1, 30)]);
}
