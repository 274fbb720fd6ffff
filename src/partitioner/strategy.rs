//! What the property `partitioner` and those beside it come to: which hash decides for keys, and who decides for the rest.

use super::hashes::{crc32, fnv1a};
use super::murmur2::partition_for_key;
use crate::config::{Config, Partitioner};
use crate::time::Micros;

/// How a record without a key (or every record, where keys do not count) gets its partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keyless {
    /// One partition until `batch.size` bytes went there.
    Sticky,
    /// Each record anywhere.
    Random,
    /// One partition after the other.
    RoundRobin,
    /// Sticky among the partitions of one broker, which changes with time.
    SingleBroker,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hash {
    Murmur2,
    Crc32,
    Fnv1a,
}

/// One producer's way to choose. It never changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Strategy {
    hash: Hash,
    ignores_keys: bool,
    /// A record without a key goes where an empty key would.
    missing_is_empty: bool,
    /// A record with an empty key is treated like one without.
    empty_is_missing: bool,
    pub keyless: Keyless,
    /// The partition to stick to is drawn by the lengths of queues.
    pub is_adaptive: bool,
    /// Prefer leaders in this rack.
    pub rack: Option<String>,
    /// Avoid brokers that have taken nothing for this long.
    pub availability: Option<Micros>,
    /// How long `Keyless::SingleBroker` stays with a broker.
    pub rotation: Micros,
}

impl Strategy {
    pub fn new(config: &Config) -> Strategy {
        use Partitioner::*;
        let partitioner = config.partitioner;
        Strategy {
            hash: match partitioner {
                Consistent | ConsistentRandom => Hash::Crc32,
                Fnv1a | Fnv1aRandom => Hash::Fnv1a,
                _ => Hash::Murmur2,
            },
            ignores_keys: config.partitioner_ignore_keys || matches!(partitioner, Random | RoundRobin),
            missing_is_empty: matches!(partitioner, Consistent | Fnv1a),
            empty_is_missing: partitioner == ConsistentRandom,
            keyless: match partitioner {
                Random => Keyless::Random,
                RoundRobin => Keyless::RoundRobin,
                SingleBroker => Keyless::SingleBroker,
                _ => Keyless::Sticky,
            },
            is_adaptive: match partitioner {
                Murmur2 => config.partitioner_adaptive_partitioning_enable,
                Adaptive | SingleBroker => true,
                _ => false,
            },
            rack: Some(config.client_rack.clone()).filter(|rack| config.partitioner_rack_aware && !rack.is_empty()),
            availability: Some(Micros::from_ms(config.partitioner_availability_timeout_ms)).filter(|us| us.0 > 0),
            rotation: Micros::from_ms(config.partitioner_broker_rotation_ms),
        }
    }

    /// Whether keys go by murmur2 and the rest is sticky: what the hot path does by itself.
    pub fn is_plain(&self) -> bool {
        let odd = self.ignores_keys || self.missing_is_empty || self.empty_is_missing;
        !odd && self.hash == Hash::Murmur2 && self.keyless == Keyless::Sticky
    }

    /// The partition of a key among `partition_count`, at least 1; `None` when the key does not decide.
    pub fn by_key(&self, key: Option<&[u8]>, partition_count: u32) -> Option<u32> {
        let key = match key {
            None if self.missing_is_empty => &[],
            None => return None,
            Some(_) if self.ignores_keys => return self.by_missing(partition_count),
            Some([]) if self.empty_is_missing => return None,
            Some(key) => key,
        };
        Some(self.hash(key, partition_count))
    }

    fn by_missing(&self, partition_count: u32) -> Option<u32> {
        self.missing_is_empty.then(|| self.hash(&[], partition_count))
    }

    fn hash(&self, key: &[u8], partition_count: u32) -> u32 {
        let partition_count = partition_count.max(1);
        match self.hash {
            Hash::Murmur2 => partition_for_key(key, partition_count),
            Hash::Crc32 => crc32(key) % partition_count,
            Hash::Fnv1a => fnv1a(key) % partition_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strategy(partitioner: Partitioner) -> Strategy {
        Strategy::new(&Config { partitioner, ..Config::default() })
    }

    #[test]
    fn only_the_default_and_its_likes_are_plain() {
        use Partitioner::*;
        for partitioner in [Murmur2, Murmur2Random, Sticky, Adaptive] {
            assert!(strategy(partitioner).is_plain(), "{partitioner:?}");
        }
        for partitioner in [Consistent, ConsistentRandom, Fnv1a, Fnv1aRandom, Random, RoundRobin, SingleBroker] {
            assert!(!strategy(partitioner).is_plain(), "{partitioner:?}");
        }
        let ignoring = Config { partitioner_ignore_keys: true, ..Config::default() };
        assert!(!Strategy::new(&ignoring).is_plain());
    }

    /// librdkafka's rules, for 1000 partitions: without a key `consistent` and `fnv1a` hash an empty one; `consistent_random`
    /// takes an empty key for none, the other two do not.
    #[test]
    fn missing_and_empty_keys_go_where_librdkafka_sends_them() {
        use Partitioner::*;
        for (partitioner, missing, empty, key) in [
            (Murmur2, None, Some(681), Some(524)),
            (Murmur2Random, None, Some(681), Some(524)),
            (Consistent, Some(0), Some(0), Some(907)),
            (ConsistentRandom, None, None, Some(907)),
            (Fnv1a, Some(35), Some(35), Some(76)),
            (Fnv1aRandom, None, Some(35), Some(76)),
            (Sticky, None, Some(681), Some(524)),
            (SingleBroker, None, Some(681), Some(524)),
            (Random, None, None, None),
            (RoundRobin, None, None, None),
        ] {
            let strategy = strategy(partitioner);
            let answers = [None, Some(&b""[..]), Some(&b"a"[..])].map(|key| strategy.by_key(key, 1000));
            assert_eq!(answers, [missing, empty, key], "{partitioner:?}");
        }
    }

    #[test]
    fn keys_that_do_not_count_are_as_if_they_were_not_there() {
        for (partitioner, answer) in [(Partitioner::Murmur2, None), (Partitioner::Fnv1a, Some(35))] {
            let config = Config { partitioner, partitioner_ignore_keys: true, ..Config::default() };
            assert_eq!(Strategy::new(&config).by_key(Some(b"a"), 1000), answer);
        }
    }
}
