//! Kafka's murmur2, bit for bit as Java's `Utils.murmur2`: records with one key meet in one partition whoever sent them.

/// The hash as Java returns it.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    let mut hash = SEED ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        // `chunks_exact` gives exactly four bytes; the compiler sees it and leaves one load.
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

/// Java's `Utils.toPositive`: the sign bit cut off, not the absolute value.
pub const fn to_positive(hash: i32) -> u32 {
    hash as u32 & 0x7fff_ffff
}

/// The partition of a key among `partition_count`, which is at least 1; 0 counts as 1.
pub fn partition_for_key(key: &[u8], partition_count: u32) -> u32 {
    to_positive(murmur2(key)) % partition_count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_own_test() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    /// The algorithm with every byte fetched by its index, signs and all, as the Java code has it.
    fn by_index(data: &[u8]) -> i32 {
        const M: i32 = 0x5bd1_e995;
        let byte = |i: usize| i32::from(data[i]);
        let shifted = |value: i32, bits: u32| ((value as u32) >> bits) as i32;
        let mut h = 0x9747_b28c_u32 as i32 ^ data.len() as i32;
        let whole = data.len() / 4;
        for i in 0..whole {
            let mut k = byte(4 * i) + (byte(4 * i + 1) << 8) + (byte(4 * i + 2) << 16);
            k = k.wrapping_add(byte(4 * i + 3) << 24).wrapping_mul(M);
            k = (k ^ shifted(k, 24)).wrapping_mul(M);
            h = h.wrapping_mul(M) ^ k;
        }
        let rest = 4 * whole;
        for i in (rest..data.len()).rev() {
            h ^= byte(i) << (8 * (i - rest));
            if i == rest {
                h = h.wrapping_mul(M);
            }
        }
        h = (h ^ shifted(h, 13)).wrapping_mul(M);
        h ^ shifted(h, 15)
    }

    #[test]
    fn every_length_of_tail_is_hashed_as_byte_by_byte() {
        let bytes: Vec<u8> = (0..64).map(|i: u8| i.wrapping_mul(151) ^ 0xa5).collect();
        for from in 0..8 {
            for to in from..bytes.len() {
                assert_eq!(murmur2(&bytes[from..to]), by_index(&bytes[from..to]), "{from}..{to}");
            }
        }
    }

    #[test]
    fn a_negative_hash_loses_its_sign_bit_only() {
        assert_eq!(to_positive(-1), 0x7fff_ffff);
        assert_eq!(to_positive(i32::MIN), 0);
        assert_eq!(to_positive(5), 5);
    }

    #[test]
    fn a_key_falls_within_the_partitions() {
        for count in 1..50 {
            assert!(partition_for_key(b"foobar", count) < count);
        }
        assert_eq!(partition_for_key(b"21", 7), (-973_932_308_i32 as u32 & 0x7fff_ffff) % 7);
        assert_eq!(partition_for_key(b"21", 0), 0);
    }
}
