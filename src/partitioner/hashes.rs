//! The hashes of librdkafka's other partitioners, bit for bit: who moves from it keeps each key in its partition.

/// CRC-32 (IEEE 802.3, as in zlib): `consistent`, librdkafka's default.
pub fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| CRC_TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

/// 32-bit FNV-1a as librdkafka and Sarama have it: of the hash as a signed number they take the absolute value.
pub fn fnv1a(data: &[u8]) -> u32 {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let hash = data.iter().fold(OFFSET, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(PRIME));
    (hash as i32).unsigned_abs()
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partitioner::{murmur2, partition_for_key};

    /// What librdkafka 2.12.1's `rd_kafka_msg_partitioner_consistent`, `_murmur2` and `_fnv1a` answer for 2147483647 and for
    /// 1000 partitions, and Java 4.3.0's `Utils.murmur2` and `BuiltInPartitioner.partitionForKey` for 1000: printed by a C
    /// program that calls librdkafka's functions and a Java program that calls those, with these keys.
    #[test]
    fn every_key_goes_where_librdkafka_and_java_send_it() {
        struct Golden {
            key: &'static [u8],
            consistent: [u32; 2],
            murmur2: [u32; 2],
            fnv1a: [u32; 2],
            java_hash: i32,
            java: u32,
        }
        #[rustfmt::skip]
        let golden = [
            Golden { key: b"", consistent: [0, 0], murmur2: [275_646_681, 681], fnv1a: [2_128_831_035, 35], java_hash: 275_646_681, java: 681 },
            Golden { key: b"a", consistent: [1_756_872_260, 907], murmur2: [584_102_524, 524], fnv1a: [468_965_076, 76], java_hash: -1_563_381_124, java: 524 },
            Golden { key: b"ab", consistent: [511_920_238, 885], murmur2: [316_155_434, 434], fnv1a: [1_294_271_946, 946], java_hash: 316_155_434, java: 434 },
            Golden { key: b"abc", consistent: [891_568_578, 578], murmur2: [479_470_107, 107], fnv1a: [440_920_331, 331], java_hash: 479_470_107, java: 107 },
            Golden { key: b"kafka", consistent: [1_539_077_399, 399], murmur2: [1_348_980_580, 580], fnv1a: [221_496_545, 545], java_hash: -798_503_068, java: 580 },
            Golden { key: b"giberish123456789", consistent: [2_067_435_071, 71], murmur2: [257_239_820, 820], fnv1a: [2_007_335_573, 573], java_hash: -1_890_243_828, java: 820 },
            Golden { key: b"1234", consistent: [467_919_012, 659], murmur2: [533_297_940, 940], fnv1a: [37_477_635, 635], java_hash: -1_614_185_708, java: 940 },
            Golden { key: b"a-little-bit-longer-string", consistent: [130_003_243, 890], murmur2: [661_178_819, 819], fnv1a: [780_662_313, 313], java_hash: -1_486_304_829, java: 819 },
            Golden { key: b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", consistent: [1_621_866_786, 433], murmur2: [2_088_585_677, 677], fnv1a: [389_149_966, 966], java_hash: -58_897_971, java: 677 },
            Golden { key: b"\xff\x00\x80", consistent: [744_582_880, 527], murmur2: [1_176_994_258, 258], fnv1a: [1_553_148_802, 802], java_hash: -970_489_390, java: 258 },
            Golden { key: b"The quick brown fox jumps over the lazy dog", consistent: [1_095_738_169, 169], murmur2: [495_243_318, 318], fnv1a: [76_545_936, 936], java_hash: 495_243_318, java: 318 },
        ];
        for Golden { key, consistent, murmur2: wanted, fnv1a: fnv, java_hash, java } in golden {
            for (at, count) in [2_147_483_647, 1000].into_iter().enumerate() {
                assert_eq!(crc32(key) % count, consistent[at], "consistent, {key:?} of {count}");
                assert_eq!(partition_for_key(key, count), wanted[at], "murmur2, {key:?} of {count}");
                assert_eq!(fnv1a(key) % count, fnv[at], "fnv1a, {key:?} of {count}");
            }
            assert_eq!((murmur2(key), partition_for_key(key, 1000)), (java_hash, java), "Java, {key:?}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_its_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
