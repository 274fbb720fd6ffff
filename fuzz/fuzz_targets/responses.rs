//! Whatever a broker answers to any request, in any version: read or refused, without panics, and without memory for what is
//! only claimed.
#![no_main]

use kproducer::wire::api::{Detail, decode_api_versions, decode_metadata};
use kproducer::wire::coordinator::decode_find_coordinator;
use kproducer::wire::header::{Api, split_response};
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
    let Ok((_, body)) = split_response(api, version, frame) else { return };
    match api {
        Api::Produce => {
            let mut answers = 0;
            let tail = decode_produce_response(version, body, |_| answers += 1);
            assert!(tail.is_ok() || answers == 0, "all or nothing");
            assert!(answers <= body.len());
        }
        Api::Metadata => {
            let _ = decode_metadata(version, body, Detail::Leaders);
            let _ = decode_metadata(version, body, Detail::Replicas);
        }
        Api::ApiVersions => drop(decode_api_versions(version, body)),
        Api::SaslHandshake => drop(decode_sasl_handshake(body)),
        Api::SaslAuthenticate => drop(decode_sasl_authenticate(version, body)),
        Api::FindCoordinator => drop(decode_find_coordinator(version, body)),
        Api::InitProducerId => drop(decode_init_producer_id(version, body)),
        Api::AddPartitionsToTxn => drop(decode_add_partitions_to_txn(version, body)),
        Api::AddOffsetsToTxn => drop(decode_add_offsets_to_txn(version, body)),
        Api::TxnOffsetCommit => drop(decode_txn_offset_commit(version, body)),
        Api::EndTxn => drop(decode_end_txn(version, body)),
        Api::GetTelemetrySubscriptions => drop(decode_subscriptions(body)),
        Api::PushTelemetry => drop(decode_pushed(body)),
    }
});
