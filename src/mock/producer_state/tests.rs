use super::super::testing::{ask, cluster, idempotent_batch, produce, produce_response};
use super::super::{Cluster, api_key, code};
use super::*;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

fn one_partition() -> Cluster {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    cluster
}

/// Produces `count` records of producer 7; error code and base offset.
fn send(cluster: &mut Cluster, epoch: i16, sequence: i32, count: i32) -> (i16, i64) {
    produce(cluster, 1, "t", 0, &idempotent_batch(7, epoch, sequence, count))
}

const OUT_OF_ORDER: (i16, i64) = (code::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);

#[test]
fn the_last_five_batches_are_recognised_and_answered_with_their_first_offset() {
    let mut cluster = one_partition();
    for index in 0..6 {
        assert_eq!(send(&mut cluster, 0, index * 2, 2), (0, i64::from(index) * 2));
    }
    for index in 1..6 {
        assert_eq!(send(&mut cluster, 0, index * 2, 2), (0, i64::from(index) * 2));
    }
    assert_eq!(send(&mut cluster, 0, 0, 2), OUT_OF_ORDER, "the sixth from the end is forgotten");
    assert_eq!(send(&mut cluster, 0, 10, 1), OUT_OF_ORDER, "a part of a batch is no duplicate of it");
    assert_eq!(send(&mut cluster, 0, 9, 2), OUT_OF_ORDER);
    assert_eq!(cluster.end_offset("t", 0), Some(12));
    assert_eq!(cluster.stats().batches_appended(), 6);
    let again = produce_response(&mut cluster, 1, "t", 0, &idempotent_batch(7, 0, 10, 2));
    assert_eq!(again.log_append_time_ms, super::super::testing::TIMESTAMP_MS + 1, "the first append's time");
}

#[test]
fn gaps_and_old_epochs_are_refused_and_a_new_epoch_begins_at_0() {
    let mut cluster = one_partition();
    assert_eq!(send(&mut cluster, 3, 0, 3), (0, 0));
    assert_eq!(send(&mut cluster, 3, 4, 1), OUT_OF_ORDER);
    assert_eq!(send(&mut cluster, 2, 3, 1), (code::INVALID_PRODUCER_EPOCH, -1));
    assert_eq!(send(&mut cluster, 4, 3, 1), OUT_OF_ORDER);
    assert_eq!(send(&mut cluster, 4, 0, 1), (0, 3));
    assert_eq!(send(&mut cluster, 3, 0, 3), (code::INVALID_PRODUCER_EPOCH, -1), "the old epoch's batches are gone");
    let other = idempotent_batch(8, 0, 0, 1);
    assert_eq!(produce(&mut cluster, 1, "t", 0, &other), (0, 4), "each producer has a state of its own");
    let refused = produce_response(&mut cluster, 1, "t", 0, &idempotent_batch(7, 4, 9, 1));
    assert_eq!((refused.error_code, refused.log_start_offset), (code::OUT_OF_ORDER_SEQUENCE_NUMBER, 0));
}

#[test]
fn sequences_wrap_to_0_also_inside_a_batch() {
    let mut cluster = one_partition();
    assert_eq!(send(&mut cluster, 0, i32::MAX - 1, 1), (0, 0));
    assert_eq!(send(&mut cluster, 0, i32::MAX, 3), (0, 1));
    assert_eq!(send(&mut cluster, 0, i32::MAX, 3), (0, 1));
    assert_eq!(send(&mut cluster, 0, 2, 1), (0, 4));
    assert_eq!(send(&mut cluster, 1, 0, 1), (0, 5));
    let mut cluster = one_partition();
    assert_eq!(send(&mut cluster, 0, i32::MAX, 1), (0, 0));
    assert_eq!(send(&mut cluster, 0, 1, 1), OUT_OF_ORDER);
    assert_eq!(send(&mut cluster, 0, 0, 1), (0, 1));
}

#[test]
fn an_unknown_producer_is_met_as_the_broker_s_version_does() {
    for (unknown, code) in [
        (UnknownProducer::Accept, code::NONE),
        (UnknownProducer::MustStartAtZero, code::OUT_OF_ORDER_SEQUENCE_NUMBER),
        (UnknownProducer::Refuse, code::UNKNOWN_PRODUCER_ID),
    ] {
        let mut cluster = one_partition();
        cluster.set_unknown_producer(unknown);
        assert_eq!(send(&mut cluster, 0, 0, 2), (0, 0));
        assert!(cluster.expire_producer("t", 0, 7).unwrap());
        assert!(!cluster.expire_producer("t", 0, 7).unwrap());
        assert_eq!(send(&mut cluster, 0, 2, 1).0, code);
        cluster.expire_all_producers();
        assert_eq!(send(&mut cluster, 0, 0, 2).0, 0, "a forgotten batch is written again");
    }
}

#[test]
fn a_truncated_log_has_the_state_of_what_is_left() {
    let mut cluster = one_partition();
    for index in 0..7 {
        assert_eq!(send(&mut cluster, 0, index * 2, 2).0, 0);
    }
    cluster.truncate("t", 0, 9).unwrap();
    assert_eq!(cluster.end_offset("t", 0), Some(8), "the batch that held offset 9 is gone whole");
    assert_eq!(send(&mut cluster, 0, 14, 2), OUT_OF_ORDER);
    assert_eq!(send(&mut cluster, 0, 0, 2), (0, 0), "a duplicate again, for later batches are forgotten");
    assert_eq!(send(&mut cluster, 0, 8, 2), (0, 8));
    cluster.truncate("t", 0, 0).unwrap();
    assert_eq!((cluster.end_offset("t", 0), send(&mut cluster, 0, 0, 1)), (Some(0), (0, 0)));
    assert!(cluster.truncate("t", 1, 0).is_err());
}

#[test]
fn retention_takes_the_state_along_on_old_brokers_only() {
    for unknown in [UnknownProducer::Accept, UnknownProducer::Refuse] {
        let mut cluster = one_partition();
        cluster.options.retention_bytes_per_partition = 1000;
        cluster.set_unknown_producer(unknown);
        assert_eq!(send(&mut cluster, 0, 0, 2), (0, 0));
        for sequence in 0..20 {
            assert_eq!(produce(&mut cluster, 1, "t", 0, &idempotent_batch(8, 0, sequence, 1)).0, 0);
        }
        assert!(cluster.log_start_offset("t", 0).unwrap() > 2);
        let answered = produce_response(&mut cluster, 1, "t", 0, &idempotent_batch(7, 0, 2, 1));
        if unknown == UnknownProducer::Accept {
            assert_eq!(answered.error_code, 0);
        } else {
            assert_eq!(answered.error_code, code::UNKNOWN_PRODUCER_ID);
            assert_eq!(answered.log_start_offset, cluster.log_start_offset("t", 0).unwrap());
        }
    }
}

#[test]
fn producer_ids_are_given_by_every_broker_and_never_twice() {
    let mut cluster = cluster(2);
    let mut ids = Vec::new();
    for version in 0..=5 {
        for broker in [1, 2] {
            let body =
                InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(i32::MAX);
            let given: InitProducerIdResponse = ask(&mut cluster, broker, api_key::INIT_PRODUCER_ID, version, &body);
            assert_eq!((given.error_code, given.producer_epoch), (0, 0));
            ids.push(given.producer_id.0);
        }
    }
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
    let body = InitProducerIdRequest::default().with_transactional_id(None).with_producer_epoch(3);
    let refused: InitProducerIdResponse = ask(&mut cluster, 1, api_key::INIT_PRODUCER_ID, 3, &body);
    assert_eq!((refused.error_code, refused.producer_id.0), (code::INVALID_REQUEST, -1));
    cluster.push_error(api_key::INIT_PRODUCER_ID, 15, 1);
    let body = InitProducerIdRequest::default().with_transactional_id(None);
    let refused: InitProducerIdResponse = ask(&mut cluster, 1, api_key::INIT_PRODUCER_ID, 4, &body);
    assert_eq!((refused.error_code, refused.producer_id.0, refused.producer_epoch), (15, -1, -1));
}
