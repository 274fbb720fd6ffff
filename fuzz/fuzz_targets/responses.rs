//! What a broker sends is read or refused, in every version of every response: within the bytes that are there, without a panic.
#![no_main]

use kproducer::wire::api::{Detail, decode_api_versions, decode_metadata};
use kproducer::wire::coordinator::decode_find_coordinator;
use kproducer::wire::header::{Api, response_correlation_id, split_response};
use kproducer::wire::produce::decode_produce_response;
use kproducer::wire::sasl::{decode_sasl_authenticate, decode_sasl_handshake};
use kproducer::wire::telemetry::{decode_pushed, decode_subscriptions};
use kproducer::wire::transactions::{
    decode_add_offsets_to_txn, decode_add_partitions_to_txn, decode_end_txn, decode_init_producer_id,
    decode_txn_offset_commit,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [which, version, frame @ ..] = data else { return };
    let api = Api::ALL[usize::from(*which) % Api::ALL.len()];
    let (least, most) = api.versions();
    let version = least + i16::from(*version) % (most - least + 1);
    let whole = split_response(api, version, frame);
    if whole.is_ok() {
        assert!(response_correlation_id(frame).is_ok());
    }
    let Ok((_, body)) = whole else { return };
    // Each element of a list takes a byte at least.
    let bound = |count: usize| assert!(count <= body.len());
    match api {
        Api::ApiVersions => {
            let answer = decode_api_versions(version, body);
            answer.iter().for_each(|answer| bound(answer.ranges.len() + answer.features.len()));
        }
        Api::Metadata => {
            for detail in [Detail::Leaders, Detail::Replicas] {
                let answer = decode_metadata(version, body, detail);
                let partitions = answer.iter().flat_map(|answer| &answer.topics).map(|topic| topic.partitions.len());
                bound(partitions.sum());
            }
        }
        Api::Produce => {
            let mut entries = 0;
            let tail = decode_produce_response(version, body, |entry| entries += 1 + entry.record_errors.len());
            tail.iter().for_each(|tail| bound(tail.node_endpoints.len()));
            bound(entries);
        }
        Api::SaslHandshake => decode_sasl_handshake(body).iter().for_each(|answer| bound(answer.mechanisms.len())),
        Api::SaslAuthenticate => {
            decode_sasl_authenticate(version, body).iter().for_each(|answer| bound(answer.bytes.len()));
        }
        Api::FindCoordinator => _ = decode_find_coordinator(version, body),
        Api::InitProducerId => _ = decode_init_producer_id(version, body),
        Api::AddPartitionsToTxn => {
            decode_add_partitions_to_txn(version, body).iter().for_each(|answer| bound(answer.results.len()));
        }
        Api::AddOffsetsToTxn => _ = decode_add_offsets_to_txn(version, body),
        Api::TxnOffsetCommit => _ = decode_txn_offset_commit(version, body),
        Api::EndTxn => _ = decode_end_txn(version, body),
        Api::GetTelemetrySubscriptions => _ = decode_subscriptions(body),
        Api::PushTelemetry => _ = decode_pushed(body),
    }
});
