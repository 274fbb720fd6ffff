//! Compressed batches, made by the client's own encoder and read by this room's decoder.

use kafka_protocol::messages::{FetchResponse, ListOffsetsResponse, ProduceResponse};

use super::*;
use crate::codec::{Codec, Workspace};

const CODECS: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// The batch with its records compressed.
fn compressed(batch: &[u8], codec: Codec) -> Vec<u8> {
    let mut records = Vec::new();
    let fits = Workspace::new().compress(codec.at_default_level(), &[&batch[61..]], usize::MAX, &mut records);
    assert_eq!(fits, Ok(true));
    with_records(batch, codec as u8, &records)
}

fn with_records(batch: &[u8], codec: u8, records: &[u8]) -> Vec<u8> {
    let mut bytes = [&batch[..61], records].concat();
    let batch_length = bytes.len() as i32 - 12;
    bytes[8..12].copy_from_slice(&batch_length.to_be_bytes());
    bytes[22] |= codec;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn values(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("value {index} of a log that says nearly the same in each line")).collect()
}

fn long_batch() -> Vec<u8> {
    batch(&values(3_000).iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn compressed_batches_are_stored_and_read_back_as_they_were_sent() {
    let plain = long_batch();
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    for (index, codec) in CODECS.into_iter().enumerate() {
        let small = compressed(&plain, codec);
        assert!(small.len() < plain.len() / 2, "{codec:?}: {} of {} bytes", small.len(), plain.len());
        assert_eq!(produce(&mut cluster, 1, "t", 0, &small), (0, index as i64 * 3_000), "{codec:?}");
        let from = index as i64 * 3_000;
        let fetched: FetchResponse = ask(&mut cluster, 1, api_key::FETCH, 12, &fetch_request("t", 0, from));
        let bytes = fetched.responses[0].partitions[0].records.clone().unwrap();
        assert_eq!(bytes[61..], small[61..], "{codec:?}: consumers get it compressed");
        let (offset, value) = (from + 2_999, values(3_000).pop().unwrap());
        assert_eq!(cluster.record_at("t", 0, offset).unwrap().value, Some(value.into_bytes()));
    }
    let records = cluster.records("t", 0).unwrap();
    assert_eq!(records.len(), 12_000);
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record.offset, index as i64);
        assert_eq!(record.key, Some(format!("k{}", index % 3_000).into_bytes()));
        assert_eq!(record.timestamp_ms, TIMESTAMP_MS + index as i64 % 3_000);
    }
    assert_eq!(cluster.stats().records_appended(), 12_000);
}

#[test]
fn offsets_are_found_by_time_in_compressed_batches() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    produce(&mut cluster, 1, "t", 0, &compressed(&long_batch(), Codec::Zstd));
    let topic = kafka_protocol::messages::list_offsets_request::ListOffsetsTopic::default();
    let partition = kafka_protocol::messages::list_offsets_request::ListOffsetsPartition::default();
    let partition = partition.with_current_leader_epoch(-1).with_timestamp(TIMESTAMP_MS + 1_234);
    let body = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topic.with_name(name("t")).with_partitions(vec![partition])]);
    let answered: ListOffsetsResponse = ask(&mut cluster, 1, api_key::LIST_OFFSETS, 5, &body);
    assert_eq!(answered.topics[0].partitions[0].offset, 1_234);
}

#[test]
fn log_append_time_stands_in_compressed_batches_too() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    cluster.topic_set_log_append_time("t", true).unwrap();
    produce(&mut cluster, 1, "t", 0, &compressed(&batch(&["a", "b"]), Codec::Gzip));
    assert!(cluster.records("t", 0).unwrap().iter().all(|record| record.timestamp_ms == TIMESTAMP_MS));
}

#[test]
fn zstd_is_refused_below_version_7() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    for (codec, version, expected) in [
        (Codec::Zstd, 6, code::UNSUPPORTED_COMPRESSION_TYPE),
        (Codec::Zstd, 7, code::NONE),
        (Codec::Lz4, 3, code::NONE),
        (Codec::Snappy, 6, code::NONE),
    ] {
        let body = produce_request(-1, &[("t", 0, &compressed(&long_batch(), codec))]);
        let answered: ProduceResponse = ask(&mut cluster, 1, api_key::PRODUCE, version, &body);
        assert_eq!(answered.responses[0].partition_responses[0].error_code, expected, "{codec:?} v{version}");
    }
}

#[test]
fn what_is_not_what_the_attributes_say_is_refused() {
    let mut cluster = cluster(1);
    cluster.topic_create("t", 1, 1).unwrap();
    let plain = long_batch();
    for codec in CODECS {
        let small = compressed(&plain, codec);
        let broken = [
            with_records(&plain, codec as u8, &plain[61..]),
            with_records(&plain, codec as u8, &small[61..small.len() - 1]),
            with_records(&plain, 0, &small[61..]),
            with_records(&plain, codec as u8, &[]),
            // One record less than the header says.
            with_records(&batch(&["a", "b"]), codec as u8, &compressed(&batch(&["a"]), codec)[61..]),
        ];
        for (index, bytes) in broken.iter().enumerate() {
            assert_eq!(produce(&mut cluster, 1, "t", 0, bytes), (code::INVALID_RECORD, -1), "{codec:?} {index}");
        }
    }
    assert_eq!(cluster.stats().records_appended(), 0);
}
