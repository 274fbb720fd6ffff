//! The hashes of keys beside librdkafka's own functions: no cluster is needed.

use std::ptr::{null, null_mut};

use kproducer::config::{Config, Partitioner};
use kproducer::partitioner::Strategy;
use rdkafka::bindings;

type Theirs = unsafe extern "C" fn(
    *const bindings::rd_kafka_topic_t,
    *const std::ffi::c_void,
    usize,
    i32,
    *mut std::ffi::c_void,
    *mut std::ffi::c_void,
) -> i32;

/// SplitMix64, so that a failure can be repeated.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn every_hash_chooses_the_partitions_that_librdkafka_chooses() {
    let pairs: [(Partitioner, Theirs); 6] = [
        (Partitioner::Murmur2, bindings::rd_kafka_msg_partitioner_murmur2),
        (Partitioner::Murmur2Random, bindings::rd_kafka_msg_partitioner_murmur2_random),
        (Partitioner::Consistent, bindings::rd_kafka_msg_partitioner_consistent),
        (Partitioner::ConsistentRandom, bindings::rd_kafka_msg_partitioner_consistent_random),
        (Partitioner::Fnv1a, bindings::rd_kafka_msg_partitioner_fnv1a),
        (Partitioner::Fnv1aRandom, bindings::rd_kafka_msg_partitioner_fnv1a_random),
    ];
    let mut state = 20_261_121;
    for (partitioner, theirs) in pairs {
        let ours = Strategy::new(&Config { partitioner, ..Config::default() });
        for _ in 0..20_000 {
            let len = 1 + random(&mut state) as usize % 100;
            let key: Vec<u8> = (0..len).map(|_| random(&mut state) as u8).collect();
            let count = 1 + (random(&mut state) % 10_000) as u32;
            // SAFETY: with a key that is not empty these functions read the key and the count, and nothing else.
            let wanted = unsafe { theirs(null(), key.as_ptr().cast(), len, count as i32, null_mut(), null_mut()) };
            let chosen = ours.by_key(Some(&key), count);
            assert_eq!(chosen, Some(wanted as u32), "{partitioner:?}: key {key:02x?} of {count}");
        }
    }
    for (partitioner, theirs) in [pairs[2], pairs[4]] {
        let ours = Strategy::new(&Config { partitioner, ..Config::default() });
        // SAFETY: as above; these two hash an empty key.
        let wanted = unsafe { theirs(null(), null(), 0, 1_000, null_mut(), null_mut()) };
        assert_eq!(ours.by_key(None, 1_000), Some(wanted as u32), "{partitioner:?} without a key");
    }
}
