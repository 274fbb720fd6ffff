//! Transactions from the client's side, in both versions of the protocol.

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse, FetchResponse,
    InitProducerIdRequest, InitProducerIdResponse, ProduceResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::RecordBatchDecoder;

use super::fetch_request;
use crate::mock::testing::{
    TIMESTAMP_MS, ask, cluster, idempotent_batch, name, produce, produce_request, transactional_batch,
};
use crate::mock::*;
use crate::time::Time;

/// A transactional id with the identity that its client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
}

/// Initializes a transactional id as a new incarnation.
pub(super) fn init(cluster: &mut Cluster, id: &str) -> Client {
    let fresh = Client { id: id.to_owned(), producer_id: -1, epoch: -1 };
    let (error_code, producer_id, epoch) = fresh.init(cluster, 5);
    assert_eq!(error_code, 0);
    Client { producer_id, epoch, ..fresh }
}

impl Client {
    pub(super) fn transactional_id(&self) -> TransactionalId {
        TransactionalId(StrBytes::from_string(self.id.clone()))
    }

    pub(super) fn coordinator(&self, cluster: &mut Cluster) -> i32 {
        cluster.coordinator(CoordinatorKind::Transaction, &self.id).unwrap()
    }

    /// InitProducerId with this identity: error code, producer id and epoch.
    pub(super) fn init(&self, cluster: &mut Cluster, version: i16) -> (i16, i64, i16) {
        let broker = self.coordinator(cluster);
        self.init_at(cluster, broker, version)
    }

    pub(super) fn init_at(&self, cluster: &mut Cluster, broker: i32, version: i16) -> (i16, i64, i16) {
        let mut body = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.transactional_id()))
            .with_transaction_timeout_ms(60_000);
        if version >= 3 {
            body = body.with_producer_id(ProducerId(self.producer_id)).with_producer_epoch(self.epoch);
        }
        let given: InitProducerIdResponse = ask(cluster, broker, api_key::INIT_PRODUCER_ID, version, &body);
        (given.error_code, given.producer_id.0, given.producer_epoch)
    }

    /// The code for each partition.
    fn add(&self, cluster: &mut Cluster, version: i16, partitions: &[i32]) -> Vec<i16> {
        let broker = self.coordinator(cluster);
        let topic = AddPartitionsToTxnTopic::default().with_name(name("t")).with_partitions(partitions.to_vec());
        let body = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.transactional_id())
            .with_v3_and_below_producer_id(ProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let answered: AddPartitionsToTxnResponse = ask(cluster, broker, api_key::ADD_PARTITIONS_TO_TXN, version, &body);
        let results = &answered.results_by_topic_v3_and_below[0].results_by_partition;
        results.iter().map(|result| result.partition_error_code).collect()
    }

    fn produce_answer(
        &self,
        cluster: &mut Cluster,
        version: i16,
        partition: i32,
        sequence: i32,
    ) -> PartitionProduceResponse {
        let batch = transactional_batch(self.producer_id, self.epoch, sequence, 2);
        let body = produce_request(-1, &[("t", partition, &batch)]);
        let body = body.with_transactional_id(Some(self.transactional_id()));
        let broker = cluster.partition_leader("t", partition).unwrap().0.unwrap();
        let mut answered: ProduceResponse = ask(cluster, broker, api_key::PRODUCE, version, &body);
        answered.responses.remove(0).partition_responses.remove(0)
    }

    /// Produces two records: error code and offset.
    pub(super) fn produce(&self, cluster: &mut Cluster, version: i16, partition: i32, sequence: i32) -> (i16, i64) {
        let answered = self.produce_answer(cluster, version, partition, sequence);
        (answered.error_code, answered.base_offset)
    }

    /// Error code, and the identity of the answer, which is -1 and -1 before v5.
    pub(super) fn end(&self, cluster: &mut Cluster, version: i16, commit: bool) -> (i16, i64, i16) {
        let broker = self.coordinator(cluster);
        let body = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        let ended: EndTxnResponse = ask(cluster, broker, api_key::END_TXN, version, &body);
        (ended.error_code, ended.producer_id.0, ended.producer_epoch)
    }

    fn with_epoch(&self, epoch: i16) -> Client {
        Client { epoch, ..self.clone() }
    }
}

pub(super) fn two_partitions() -> Cluster {
    let mut cluster = cluster(3);
    cluster.topic_create("t", 2, 3).unwrap();
    cluster
}

fn committed_offsets(cluster: &Cluster, partition: i32) -> Vec<i64> {
    cluster.committed_records("t", partition).unwrap().iter().map(|record| record.offset).collect()
}

fn all_offsets(cluster: &Cluster, partition: i32) -> Vec<i64> {
    cluster.records("t", partition).unwrap().iter().map(|record| record.offset).collect()
}

const NOTHING: (i64, i16) = (-1, -1);

fn code_only(error_code: i16) -> (i16, i64, i16) {
    (error_code, NOTHING.0, NOTHING.1)
}

#[test]
fn version_1_adds_produces_and_ends_under_one_epoch() {
    let mut cluster = two_partitions();
    cluster.set_transaction_version(1).unwrap();
    let client = init(&mut cluster, "x");
    assert_eq!(client.epoch, 0);
    for version in 0..=3 {
        assert_eq!(client.add(&mut cluster, version, &[0, 1]), [0, 0]);
    }
    assert_eq!(client.produce(&mut cluster, 11, 0, 0), (0, 0));
    assert!(committed_offsets(&cluster, 0).is_empty());
    assert_eq!((all_offsets(&cluster, 0), cluster.last_stable_offset("t", 0)), (vec![0, 1], Some(0)));
    assert!(cluster.is_transaction_open("x"));
    assert_eq!(client.end(&mut cluster, 1, true), code_only(0));
    assert_eq!(client.end(&mut cluster, 4, true), code_only(0), "the retry of a commit");
    assert_eq!(client.end(&mut cluster, 4, false), code_only(code::INVALID_TXN_STATE));
    assert_eq!(committed_offsets(&cluster, 0), [0, 1]);
    assert_eq!((cluster.end_offset("t", 0), cluster.end_offset("t", 1)), (Some(3), Some(1)), "a marker in each");

    assert_eq!(client.add(&mut cluster, 3, &[0]), [0]);
    assert_eq!(client.produce(&mut cluster, 11, 0, 2), (0, 3));
    assert_eq!(client.end(&mut cluster, 0, false), code_only(0));
    assert_eq!((committed_offsets(&cluster, 0), all_offsets(&cluster, 0)), (vec![0, 1], vec![0, 1, 3, 4]));
    assert_eq!(cluster.stats().records_appended(), 4, "markers are no records");
}

#[test]
fn version_1_refuses_what_was_not_added_or_is_empty() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    assert_eq!(client.end(&mut cluster, 4, true), code_only(code::INVALID_TXN_STATE));
    assert_eq!(client.end(&mut cluster, 4, false), code_only(code::INVALID_TXN_STATE));
    assert_eq!(client.produce(&mut cluster, 10, 0, 0), (code::INVALID_TXN_STATE, -1));
    assert_eq!(client.produce(&mut cluster, 11, 0, 0), (code::TRANSACTION_ABORTABLE, -1));
    assert_eq!(client.add(&mut cluster, 3, &[0, 7]), [code::OPERATION_NOT_ATTEMPTED, 3]);
    assert!(!cluster.is_transaction_open("x"));
    cluster.push_error(api_key::ADD_PARTITIONS_TO_TXN, 29, 1);
    assert_eq!(client.add(&mut cluster, 3, &[0, 7]), [29, 29]);
    cluster.set_transaction_verification(false);
    assert_eq!(client.produce(&mut cluster, 10, 0, 0), (0, 0), "as before Kafka 3.6: the transaction hangs");
    assert_eq!(cluster.last_stable_offset("t", 0), Some(0));
}

#[test]
fn version_2_adds_with_the_records_and_bumps_the_epoch_at_each_end() {
    let mut cluster = two_partitions();
    let first = init(&mut cluster, "x");
    assert_eq!(first.produce(&mut cluster, 12, 0, 0), (0, 0));
    assert_eq!(first.produce(&mut cluster, 12, 0, 2), (0, 2));
    assert_eq!(first.end(&mut cluster, 5, true), (0, first.producer_id, 1));
    assert_eq!(first.end(&mut cluster, 5, true), (0, first.producer_id, 1), "a retry gets the same answer");
    assert_eq!(first.end(&mut cluster, 5, false), code_only(code::INVALID_TXN_STATE));
    assert_eq!(committed_offsets(&cluster, 0), [0, 1, 2, 3]);

    let second = first.with_epoch(1);
    assert_eq!(second.produce(&mut cluster, 12, 0, 2), (code::OUT_OF_ORDER_SEQUENCE_NUMBER, -1), "begins at 0");
    assert_eq!(first.produce(&mut cluster, 12, 0, 2), (code::INVALID_PRODUCER_EPOCH, -1), "a late copy");
    assert_eq!(first.produce(&mut cluster, 12, 1, 0), (code::INVALID_PRODUCER_EPOCH, -1), "to any partition");
    assert_eq!(second.produce(&mut cluster, 12, 0, 0), (0, 5));
    assert_eq!(first.end(&mut cluster, 5, true), code_only(code::PRODUCER_FENCED), "a late commit of the first");
    assert_eq!(second.end(&mut cluster, 5, false), (0, first.producer_id, 2));
    assert_eq!(committed_offsets(&cluster, 0), [0, 1, 2, 3]);
}

#[test]
fn version_2_may_abort_with_nothing_added_but_not_commit() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    assert_eq!(client.end(&mut cluster, 5, true), code_only(code::INVALID_TXN_STATE));
    assert_eq!(client.end(&mut cluster, 5, false), (0, client.producer_id, 1));
    assert_eq!(client.end(&mut cluster, 5, false), (0, client.producer_id, 1));
    assert_eq!(client.with_epoch(1).end(&mut cluster, 5, false), (0, client.producer_id, 2));
    assert_eq!(client.with_epoch(2).end(&mut cluster, 5, true), code_only(code::INVALID_TXN_STATE));
    assert_eq!(client.with_epoch(7).end(&mut cluster, 5, true), code_only(code::PRODUCER_FENCED));
    let other = Client { producer_id: 5, ..client };
    assert_eq!(other.end(&mut cluster, 5, false), code_only(code::INVALID_PRODUCER_ID_MAPPING));
}

#[test]
fn a_registration_outlives_an_append_that_failed() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    assert_eq!(client.produce(&mut cluster, 12, 0, 4).0, code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert!(cluster.is_transaction_open("x"));
    assert_eq!(client.end(&mut cluster, 5, true).0, 0);
    assert_eq!(cluster.end_offset("t", 0), Some(1), "the marker alone");
}

#[test]
fn delayed_markers_hold_the_next_transaction_back() {
    for version in [1, 2] {
        let mut cluster = two_partitions();
        cluster.set_transaction_version(version).unwrap();
        cluster.set_marker_delay_ms(100);
        let client = init(&mut cluster, "x");
        assert_eq!(client.add(&mut cluster, 3, &[0]), [0]);
        assert_eq!(client.produce(&mut cluster, 11, 0, 0), (0, 0));
        let end_version = if version == 1 { 4 } else { 5 };
        assert_eq!(client.end(&mut cluster, end_version, true).0, 0);
        assert_eq!(client.end(&mut cluster, end_version, true).0, code::CONCURRENT_TRANSACTIONS);
        assert_eq!(cluster.last_stable_offset("t", 0), Some(0));
        let next = client.with_epoch(version - 1);
        assert_eq!(next.add(&mut cluster, 3, &[1]), [code::CONCURRENT_TRANSACTIONS]);
        assert_eq!(next.init(&mut cluster, 4).0, code::CONCURRENT_TRANSACTIONS);
        assert_eq!(next.produce(&mut cluster, 12, 1, 0).0, code::CONCURRENT_TRANSACTIONS);
        assert_eq!(next.produce(&mut cluster, 11, 1, 0).0, code::NOT_ENOUGH_REPLICAS, "what older clients retry");
        cluster.advance(Time::from_ms(99), TIMESTAMP_MS);
        assert!(committed_offsets(&cluster, 0).is_empty());
        cluster.advance(Time::from_ms(100), TIMESTAMP_MS);
        assert_eq!(committed_offsets(&cluster, 0), [0, 1]);
        assert_eq!(next.add(&mut cluster, 3, &[1]), [0]);
    }
}

#[test]
fn a_higher_sequence_waits_for_the_lower_one_that_was_not_admitted() {
    let mut cluster = two_partitions();
    cluster.set_marker_delay_ms(100);
    let first = init(&mut cluster, "x");
    assert_eq!(first.produce(&mut cluster, 12, 0, 0).0, 0);
    assert_eq!(first.end(&mut cluster, 5, true).0, 0);
    let second = first.with_epoch(1);
    assert_eq!(second.produce(&mut cluster, 12, 1, 0).0, code::CONCURRENT_TRANSACTIONS);
    cluster.advance(Time::from_ms(100), TIMESTAMP_MS);
    assert_eq!(second.produce(&mut cluster, 12, 1, 2).0, code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(second.produce(&mut cluster, 12, 1, 0), (0, 0));
    assert_eq!(second.produce(&mut cluster, 12, 1, 2), (0, 2));
}

#[test]
fn markers_wait_for_a_partition_without_a_leader() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    assert_eq!(client.produce(&mut cluster, 12, 0, 0).0, 0);
    cluster.partition_set_leader("t", 0, None).unwrap();
    assert_eq!(client.end(&mut cluster, 5, true).0, 0);
    assert_eq!(client.with_epoch(1).init(&mut cluster, 4).0, code::CONCURRENT_TRANSACTIONS);
    cluster.partition_set_leader("t", 0, Some(1)).unwrap();
    assert_eq!(client.with_epoch(1).init(&mut cluster, 4), (0, client.producer_id, 2));
    assert_eq!(committed_offsets(&cluster, 0), [0, 1]);
}

#[test]
fn a_new_incarnation_aborts_and_fences_the_old_one() {
    for version in [1, 2] {
        let mut cluster = two_partitions();
        cluster.set_transaction_version(version).unwrap();
        let old = init(&mut cluster, "x");
        assert_eq!(old.add(&mut cluster, 3, &[0]), [0]);
        assert_eq!(old.produce(&mut cluster, 11, 0, 0).0, 0);
        let fresh = Client { producer_id: -1, epoch: -1, ..old.clone() };
        assert_eq!(fresh.init(&mut cluster, 1), code_only(code::CONCURRENT_TRANSACTIONS), "at least once");
        assert_eq!(fresh.init(&mut cluster, 1), (0, old.producer_id, 2));
        assert!(committed_offsets(&cluster, 0).is_empty());
        assert_eq!(cluster.last_stable_offset("t", 0), Some(3));
        assert_eq!(old.produce(&mut cluster, 11, 0, 2).0, code::INVALID_PRODUCER_EPOCH);
        assert_eq!(old.add(&mut cluster, 2, &[1]), [code::PRODUCER_FENCED]);
        assert_eq!(old.add(&mut cluster, 1, &[1]), [code::INVALID_PRODUCER_EPOCH]);
        assert_eq!(old.end(&mut cluster, 4, true).0, code::PRODUCER_FENCED);
        assert_eq!(old.end(&mut cluster, 1, true).0, code::INVALID_PRODUCER_EPOCH);
        assert_eq!(old.init(&mut cluster, 4).0, code::PRODUCER_FENCED);
        assert_eq!(old.init(&mut cluster, 3).0, code::INVALID_PRODUCER_EPOCH);
    }
}

#[test]
fn the_hand_that_fences_does_as_another_incarnation() {
    let mut cluster = two_partitions();
    cluster.set_marker_delay_ms(1000);
    let old = init(&mut cluster, "x");
    assert_eq!(old.produce(&mut cluster, 12, 0, 0).0, 0);
    assert_eq!(cluster.fence("x").unwrap(), (old.producer_id, 2));
    assert_eq!(old.produce(&mut cluster, 12, 0, 2).0, code::INVALID_PRODUCER_EPOCH);
    assert_eq!(old.end(&mut cluster, 5, false).0, code::PRODUCER_FENCED);
    assert_eq!(cluster.producer_of("x"), Some((old.producer_id, 2)));
    assert_eq!(cluster.fence("x").unwrap(), (old.producer_id, 3));
    assert!(cluster.fence("y").is_err());
}

#[test]
fn a_client_may_bump_its_epoch_and_ask_again_for_a_lost_answer() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    assert_eq!(client.init(&mut cluster, 3), (0, client.producer_id, 1));
    assert_eq!(client.init(&mut cluster, 3), (0, client.producer_id, 1), "the answer was lost");
    assert_eq!(client.with_epoch(1).init(&mut cluster, 5), (0, client.producer_id, 2));
    assert_eq!(client.init(&mut cluster, 5), code_only(code::PRODUCER_FENCED));
    let other = Client { producer_id: client.producer_id + 1, ..client.clone() };
    assert_eq!(other.init(&mut cluster, 5), code_only(code::PRODUCER_FENCED));
    let half = Client { epoch: -1, ..client };
    assert_eq!(half.init(&mut cluster, 5), code_only(code::INVALID_REQUEST));
}

#[test]
fn init_refuses_a_timeout_or_an_id_that_kafka_refuses() {
    let mut cluster = two_partitions();
    let mut code_of = |id: &str, timeout_ms| {
        let body = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(StrBytes::from_string(id.to_owned()))))
            .with_transaction_timeout_ms(timeout_ms);
        let broker = cluster.coordinator(CoordinatorKind::Transaction, id).unwrap();
        let given: InitProducerIdResponse = ask(&mut cluster, broker, api_key::INIT_PRODUCER_ID, 1, &body);
        given.error_code
    };
    assert_eq!([code_of("x", 0), code_of("x", 900_001)], [code::INVALID_TRANSACTION_TIMEOUT; 2]);
    assert_eq!([code_of("", 1000), code_of("x", 900_000)], [code::INVALID_REQUEST, 0]);
}

#[test]
fn a_transaction_beyond_its_timeout_is_aborted() {
    for version in [1, 2] {
        let mut cluster = two_partitions();
        cluster.set_transaction_version(version).unwrap();
        let client = init(&mut cluster, "x");
        assert_eq!(client.add(&mut cluster, 3, &[0]), [0]);
        assert_eq!(client.produce(&mut cluster, 11, 0, 0).0, 0);
        cluster.advance(Time::from_ms(60_000), TIMESTAMP_MS);
        assert!(cluster.is_transaction_open("x"));
        cluster.advance(Time::from_ms(60_001), TIMESTAMP_MS);
        assert!(!cluster.is_transaction_open("x"));
        assert_eq!((committed_offsets(&cluster, 0), cluster.last_stable_offset("t", 0)), (vec![], Some(3)));
        assert_eq!(client.produce(&mut cluster, 11, 0, 2).0, code::INVALID_PRODUCER_EPOCH);
        assert_eq!(client.end(&mut cluster, 4, true).0, code::PRODUCER_FENCED);
        if version == 2 {
            // To the coordinator a late abort is the retry of its own: the client may go on.
            assert_eq!(client.end(&mut cluster, 5, true).0, code::INVALID_TXN_STATE);
            assert_eq!(client.end(&mut cluster, 5, false), (0, client.producer_id, 1));
            assert_eq!(client.init(&mut cluster, 4), (0, client.producer_id, 1));
        } else {
            assert_eq!(client.init(&mut cluster, 4).0, code::PRODUCER_FENCED);
        }
    }
}

#[test]
fn used_up_epochs_give_a_new_producer_id() {
    let mut cluster = two_partitions();
    let first = init(&mut cluster, "x");
    cluster.set_producer_epoch("x", 32_766).unwrap();
    let last = first.with_epoch(32_766);
    assert_eq!(last.produce(&mut cluster, 12, 0, 0).0, 0);
    assert!(cluster.set_producer_epoch("x", 1).is_err());
    let (error_code, producer_id, epoch) = last.end(&mut cluster, 5, true);
    assert_eq!((error_code, epoch, producer_id == first.producer_id), (0, 0, false));
    assert_eq!(last.end(&mut cluster, 5, true), (0, producer_id, 0), "a retry");
    assert_eq!(committed_offsets(&cluster, 0), [0, 1]);
    let next = Client { producer_id, epoch, ..first };
    assert_eq!(next.produce(&mut cluster, 12, 0, 0).0, 0);
    assert_eq!(next.end(&mut cluster, 5, true), (0, producer_id, 1));

    cluster.set_producer_epoch("x", 32_766).unwrap();
    let last = next.with_epoch(32_766);
    let (error_code, third, epoch) = last.init(&mut cluster, 4);
    assert_eq!((error_code, epoch, third == producer_id), (0, 0, false));
    assert_eq!(last.init(&mut cluster, 4), (0, third, 0), "a retry");
}

#[test]
fn requests_whose_id_and_batches_disagree_are_refused_whole() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    let batch = transactional_batch(client.producer_id, 0, 0, 1);
    let body = produce_request(-1, &[("t", 0, &batch), ("t", 1, &idempotent_batch(3, 0, 0, 1))]);
    let codes = |cluster: &mut Cluster, body| {
        let answered: ProduceResponse = ask(cluster, 1, api_key::PRODUCE, 12, body);
        let partitions = answered.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions.map(|partition| partition.error_code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&mut cluster, &body), [code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED; 2]);
    let two = produce_request(-1, &[("t", 0, &batch), ("t", 1, &transactional_batch(3, 0, 0, 1))]);
    let two = two.with_transactional_id(Some(client.transactional_id()));
    assert_eq!(codes(&mut cluster, &two), [code::INVALID_PRODUCER_ID_MAPPING; 2]);

    assert_eq!(client.produce(&mut cluster, 12, 0, 0), (0, 0));
    let leader = cluster.partition_leader("t", 0).unwrap().0.unwrap();
    let plain = idempotent_batch(client.producer_id, 0, 2, 1);
    assert_eq!(produce(&mut cluster, leader, "t", 0, &plain).0, code::INVALID_TXN_STATE);
    let mut control = transactional_batch(client.producer_id, 0, 2, 1);
    control[22] |= 0x20;
    let crc = crc32c::crc32c(&control[21..]);
    control[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(produce(&mut cluster, leader, "t", 0, &control).0, code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    let unknown = Client { id: "nobody".to_owned(), ..client };
    assert_eq!(unknown.produce(&mut cluster, 12, 1, 0).0, code::INVALID_PRODUCER_ID_MAPPING);
    assert_eq!(unknown.end(&mut cluster, 5, true).0, code::INVALID_PRODUCER_ID_MAPPING);
}

#[test]
fn a_partition_answers_for_a_coordinator_that_cannot() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    cluster.coordinator_move(CoordinatorKind::Transaction, "x", None).unwrap();
    assert_eq!(client.produce(&mut cluster, 12, 0, 0).0, code::NOT_ENOUGH_REPLICAS);
    cluster.set_coordinator_load_ms(5);
    cluster.coordinator_move(CoordinatorKind::Transaction, "x", Some(1)).unwrap();
    assert_eq!(client.produce(&mut cluster, 11, 0, 0).0, code::NOT_ENOUGH_REPLICAS);
    cluster.advance(Time::from_ms(5), TIMESTAMP_MS);
    assert_eq!(client.produce(&mut cluster, 12, 0, 0), (0, 0));
    cluster.coordinator_move(CoordinatorKind::Transaction, "x", None).unwrap();
    assert_eq!(client.produce(&mut cluster, 12, 0, 2), (0, 2), "asked once per transaction and partition");
}

#[test]
fn a_lost_answer_leaves_the_deed_done() {
    let mut cluster = two_partitions();
    let client = init(&mut cluster, "x");
    assert_eq!(client.produce(&mut cluster, 12, 0, 0).0, 0);
    cluster.push_disconnect(api_key::END_TXN, true, 1);
    let broker = client.coordinator(&mut cluster);
    let body = EndTxnRequest::default()
        .with_transactional_id(client.transactional_id())
        .with_producer_id(ProducerId(client.producer_id))
        .with_committed(true);
    let lost = super::send(&mut cluster, broker, api_key::END_TXN, 5, &body);
    assert_eq!(lost, super::DISCONNECT);
    assert_eq!(committed_offsets(&cluster, 0), [0, 1]);
    cluster.push_error(api_key::END_TXN, code::NOT_COORDINATOR, 1);
    assert_eq!(client.end(&mut cluster, 5, true), code_only(code::NOT_COORDINATOR));
    assert_eq!(client.end(&mut cluster, 5, true), (0, client.producer_id, 1));
}

#[test]
fn read_committed_consumers_are_told_what_to_leave_out() {
    let mut cluster = two_partitions();
    cluster.partition_set_leader("t", 0, Some(1)).unwrap();
    let first = init(&mut cluster, "x");
    let second = init(&mut cluster, "y");
    assert_eq!(first.produce(&mut cluster, 12, 0, 0), (0, 0));
    assert_eq!(second.produce(&mut cluster, 12, 0, 0), (0, 2));
    assert_eq!(first.end(&mut cluster, 5, false).0, 0); // marker at 4
    assert_eq!(produce(&mut cluster, 1, "t", 0, &idempotent_batch(3, 0, 0, 1)), (0, 5));
    let fetched = |cluster: &mut Cluster, offset, isolation_level, version| {
        let body = fetch_request("t", 0, offset).with_isolation_level(isolation_level);
        let mut fetched: FetchResponse = ask(cluster, 1, api_key::FETCH, version, &body);
        fetched.responses.remove(0).partitions.remove(0)
    };
    let offsets = |records: &Option<Bytes>| {
        let sets = RecordBatchDecoder::decode_all(&mut records.clone().unwrap()).unwrap();
        sets.into_iter().flat_map(|set| set.records).map(|record| (record.offset, record.control)).collect::<Vec<_>>()
    };
    for version in 4..=12 {
        let open = fetched(&mut cluster, 0, 1, version);
        assert_eq!((open.high_watermark, open.last_stable_offset), (6, 2));
        assert_eq!(offsets(&open.records), [(0, false), (1, false)]);
        let aborted = &open.aborted_transactions.as_ref().unwrap();
        assert_eq!(aborted.len(), 1);
        assert_eq!((aborted[0].producer_id.0, aborted[0].first_offset), (first.producer_id, 0));
        let all = fetched(&mut cluster, 0, 0, version);
        assert_eq!((all.last_stable_offset, all.aborted_transactions), (2, None));
        assert_eq!(offsets(&all.records).len(), 6);
        assert_eq!(offsets(&all.records)[4], (4, true), "the abort marker");
    }
    assert!(committed_offsets(&cluster, 0).is_empty());
    assert_eq!(second.end(&mut cluster, 5, true).0, 0); // marker at 6
    let decided = fetched(&mut cluster, 4, 1, 12);
    assert_eq!((decided.last_stable_offset, offsets(&decided.records).len()), (7, 3));
    assert_eq!(decided.aborted_transactions.unwrap().len(), 1);
    assert_eq!(committed_offsets(&cluster, 0), [2, 3, 5]);
    assert_eq!(all_offsets(&cluster, 0), [0, 1, 2, 3, 5]);
    assert_eq!(cluster.record_at("t", 0, 4), None);
    cluster.truncate("t", 0, 6).unwrap();
    assert_eq!(cluster.last_stable_offset("t", 0), Some(2), "without its marker the transaction is open again");
    assert_eq!(fetched(&mut cluster, 0, 1, 12).aborted_transactions.unwrap().len(), 1);
}

#[test]
fn a_feature_epoch_counts_the_changes() {
    use kafka_protocol::messages::ApiVersionsResponse;
    let mut cluster = cluster(1);
    let told = |cluster: &mut Cluster| {
        let told: ApiVersionsResponse = ask(cluster, 1, api_key::API_VERSIONS, 3, &super::software());
        let level = told.finalized_features.first().map(|feature| {
            assert_eq!(feature.name.as_str(), "transaction.version");
            feature.max_version_level
        });
        (told.finalized_features_epoch, level)
    };
    assert_eq!(told(&mut cluster), (1, Some(2)));
    cluster.set_transaction_version(0).unwrap();
    assert_eq!(told(&mut cluster), (2, None));
    cluster.set_transaction_version(1).unwrap();
    assert_eq!(told(&mut cluster), (3, Some(1)));
    assert!(cluster.set_transaction_version(3).is_err());
}
