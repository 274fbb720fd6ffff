//! What the records of a topic are sent with: the producer's configuration, or what was set for the topic alone. Read by
//! application threads when they append and by the sender; changed at any time, which batches that are open do not notice.
//! Beside them stands what is known of how well the topic's records compress.

use std::sync::atomic::{AtomicI16, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::codec::{Codec, Compression, Taste};
use crate::config::{Config, ConfigBuilder};
use crate::error::Result;
use crate::sync::Mutex;
use crate::time::Micros;
use crate::wire::record_batch::HEADER_LEN;

/// Record counts and offset deltas are 32-bit on the wire; a batch is full long before.
const BATCH_RECORDS_MAX: u32 = 1 << 30;

/// A batch may hold so many times `batch.size` before it is compressed, and so much of `buffer.memory`.
const FILL_TIMES_MAX: usize = 4;
const FILL_PART_MAX: usize = 8;
/// Estimates of what compression leaves are in parts of this.
const RATIO_ONE: u32 = 1 << 12;
/// What is added to an estimate before a batch is filled by it: records differ.
const RATIO_MARGIN: u32 = RATIO_ONE / 20;
/// An estimate that is too high comes down by such a part of the difference at a time; one that is too low goes up at once.
const RATIO_STEP: u32 = 4;

/// What `batch.num.messages` comes to.
pub(super) fn records_max(config: &Config) -> u32 {
    match config.batch_num_messages {
        0 => BATCH_RECORDS_MAX,
        most => most,
    }
}

/// A batch of nearly the bound that a broker took raises the bound by such a part of it: what was too large once may have been
/// the broker's mood, or one record.
const BOUND_GROWS_BY: usize = 128;

/// One topic's settings. Each is read alone, so that relaxed order is enough.
pub struct TopicSettings {
    batch_size: AtomicUsize,
    /// Most bytes of an open batch: more than `batch.size` where compression leaves less of them.
    fill_size: AtomicUsize,
    fill_size_max: AtomicUsize,
    /// Codec and level.
    compression: AtomicU64,
    /// What each codec leaves of a batch, by its number.
    ratios: [AtomicU32; 5],
    /// Which of its ways each codec goes, by its number.
    tastes: [Taste; 5],
    /// Bytes of the smallest batch that the broker found too large.
    too_large: AtomicUsize,
    batch_records_max: AtomicU32,
    acks: AtomicI16,
    linger_us: AtomicU64,
    delivery_timeout_us: AtomicU64,
    request_timeout_ms: AtomicU64,
    /// Held while what `fill_size` is made of changes.
    filling: Mutex<()>,
    /// What was set for the topic alone.
    own: Mutex<ConfigBuilder>,
}

impl TopicSettings {
    pub fn new(config: &Config) -> TopicSettings {
        let settings = TopicSettings {
            batch_size: AtomicUsize::new(0),
            fill_size: AtomicUsize::new(0),
            fill_size_max: AtomicUsize::new(0),
            compression: AtomicU64::new(0),
            ratios: std::array::from_fn(|_| AtomicU32::new(RATIO_ONE)),
            tastes: Default::default(),
            too_large: AtomicUsize::new(usize::MAX),
            batch_records_max: AtomicU32::new(BATCH_RECORDS_MAX),
            acks: AtomicI16::new(config.acks),
            linger_us: AtomicU64::new(0),
            delivery_timeout_us: AtomicU64::new(0),
            request_timeout_ms: AtomicU64::new(0),
            filling: Mutex::default(),
            own: Mutex::default(),
        };
        settings.adopt(config);
        settings
    }

    /// Sets one property for the topic `name` of a producer of this configuration: batches that are opened from now on go by
    /// it. On an error nothing changes.
    pub fn set(&self, producer: &Config, name: &str, property: &str, value: &str) -> Result<()> {
        let mut own = self.own.lock();
        let mut changed = own.clone();
        changed.set_for_topic(property, value)?;
        self.adopt(&changed.for_topic(producer, name)?);
        *own = changed;
        Ok(())
    }

    fn adopt(&self, config: &Config) {
        let batch_size = config.batch_size.max(HEADER_LEN);
        let filling = self.filling.lock();
        self.batch_size.store(batch_size, Ordering::Relaxed);
        let most = batch_size.saturating_mul(FILL_TIMES_MAX).min(config.buffer_memory / FILL_PART_MAX);
        self.fill_size_max.store(most.clamp(batch_size, i32::MAX as usize), Ordering::Relaxed);
        self.compression.store(word(config.compression), Ordering::Relaxed);
        self.too_large.store(usize::MAX, Ordering::Relaxed);
        self.refresh_fill_size();
        drop(filling);
        self.batch_records_max.store(records_max(config), Ordering::Relaxed);
        self.acks.store(config.acks, Ordering::Relaxed);
        self.linger_us.store(config.linger_us, Ordering::Relaxed);
        self.delivery_timeout_us.store(Micros::from_ms(config.delivery_timeout_ms).0, Ordering::Relaxed);
        self.request_timeout_ms.store(config.request_timeout_ms, Ordering::Relaxed);
    }

    /// Most bytes of one batch.
    #[inline]
    pub fn batch_size(&self) -> usize {
        self.batch_size.load(Ordering::Relaxed)
    }

    /// Most bytes of one batch while it is open: what `batch_size` is after compression, as far as that is known.
    #[inline]
    pub fn fill_size(&self) -> usize {
        self.fill_size.load(Ordering::Relaxed)
    }

    /// How batches that are opened now are compressed.
    pub fn compression(&self) -> Compression {
        from_word(self.compression.load(Ordering::Relaxed))
    }

    /// What the topic's batches have shown of the codec.
    pub fn taste(&self, codec: Codec) -> &Taste {
        &self.tastes[codec as usize]
    }

    /// A batch was compressed: from now on batches are filled by what that came to.
    pub fn note_packed(&self, how: Compression, raw: usize, packed: usize) {
        // Little batches compress worse, and are not what the bound is for.
        if raw < self.batch_size() / 4 || raw == 0 {
            return;
        }
        let left = (packed.min(raw) as u64 * u64::from(RATIO_ONE) / raw as u64) as u32;
        let ratio = &self.ratios[how.codec as usize];
        let _filling = self.filling.lock();
        let known = ratio.load(Ordering::Relaxed);
        let next = if left >= known { left } else { known - (known - left).div_ceil(RATIO_STEP) };
        ratio.store(next.max(1), Ordering::Relaxed);
        self.refresh_fill_size();
    }

    /// The broker found a batch of so many bytes too large: those to come are to be half of it at most.
    pub fn note_too_large(&self, bytes: usize) {
        let _filling = self.filling.lock();
        self.too_large.fetch_min(bytes, Ordering::Relaxed);
        self.refresh_fill_size();
    }

    /// The broker took a batch of so many bytes.
    pub fn note_accepted(&self, bytes: usize) {
        if self.too_large.load(Ordering::Relaxed) != usize::MAX {
            self.note_accepted_below_bound(bytes);
        }
    }

    #[cold]
    fn note_accepted_below_bound(&self, bytes: usize) {
        let _filling = self.filling.lock();
        let bound = self.too_large.load(Ordering::Relaxed);
        if bound == usize::MAX || bytes < bound / 8 * 3 {
            return;
        }
        let grown = bound.saturating_add((bound / BOUND_GROWS_BY).max(1));
        let is_over = grown / 2 >= self.batch_size();
        self.too_large.store(if is_over { usize::MAX } else { grown }, Ordering::Relaxed);
        self.refresh_fill_size();
    }

    /// Under `filling`: what it is made of belongs together.
    fn refresh_fill_size(&self) {
        let (batch_size, how) = (self.batch_size(), self.compression());
        let mut fill = batch_size;
        if how.codec != Codec::None {
            let wanted = batch_size.min(self.too_large.load(Ordering::Relaxed) / 2).max(HEADER_LEN);
            let ratio = self.ratios[how.codec as usize].load(Ordering::Relaxed).saturating_add(RATIO_MARGIN);
            let raw = (wanted - HEADER_LEN) as u64 * u64::from(RATIO_ONE) / u64::from(ratio);
            let raw = usize::try_from(raw).unwrap_or(usize::MAX).saturating_add(HEADER_LEN);
            fill = raw.clamp(wanted, self.fill_size_max.load(Ordering::Relaxed).max(wanted));
        }
        self.fill_size.store(fill, Ordering::Relaxed);
    }

    /// Most records of one batch.
    #[inline]
    pub fn batch_records_max(&self) -> u32 {
        self.batch_records_max.load(Ordering::Relaxed)
    }

    /// -1 (all), 0 or 1: for records that say nothing of their own.
    #[inline]
    pub fn acks(&self) -> i16 {
        self.acks.load(Ordering::Relaxed)
    }

    pub fn linger(&self) -> Micros {
        Micros(self.linger_us.load(Ordering::Relaxed))
    }

    pub fn delivery_timeout(&self) -> Micros {
        Micros(self.delivery_timeout_us.load(Ordering::Relaxed))
    }

    pub fn request_timeout_ms(&self) -> u64 {
        self.request_timeout_ms.load(Ordering::Relaxed)
    }
}

/// A codec and its level in one word.
fn word(how: Compression) -> u64 {
    u64::from(how.codec as u8) << 32 | u64::from(how.level as u32)
}

fn from_word(word: u64) -> Compression {
    let codec = match word >> 32 {
        1 => Codec::Gzip,
        2 => Codec::Snappy,
        3 => Codec::Lz4,
        4 => Codec::Zstd,
        _ => Codec::None,
    };
    Compression { codec, level: word as u32 as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZSTD: Compression = Compression { codec: Codec::Zstd, level: -7 };

    fn settings(batch_size: usize, compression: Compression) -> TopicSettings {
        TopicSettings::new(&Config { batch_size, compression, ..Config::default() })
    }

    #[test]
    fn a_codec_and_its_level_come_back_as_they_were_set() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            for level in [-131_072, -1, 0, 22] {
                let how = Compression { codec, level };
                assert_eq!(settings(1000, how).compression(), how);
            }
        }
    }

    #[test]
    fn batches_are_filled_by_what_compression_leaves_of_them() {
        let settings = settings(10_000, ZSTD);
        assert_eq!(settings.fill_size(), 10_000, "nothing is known");
        for _ in 0..50 {
            settings.note_packed(ZSTD, settings.fill_size(), settings.fill_size() / 2);
        }
        let fill = settings.fill_size();
        assert!((17_500..20_000).contains(&fill), "{fill}");
        for _ in 0..50 {
            settings.note_packed(ZSTD, settings.fill_size(), settings.fill_size() / 100);
        }
        assert_eq!(settings.fill_size(), 40_000, "the most that it may be");
        settings.note_packed(ZSTD, 40_000, 40_000);
        assert_eq!(settings.fill_size(), 10_000, "a worse one counts at once");
        settings.note_packed(Compression { codec: Codec::Lz4, level: 9 }, 10_000, 10);
        assert_eq!(settings.fill_size(), 10_000, "another codec's");
        settings.note_packed(ZSTD, 100, 1);
        assert_eq!(settings.fill_size(), 10_000, "a little one's");
    }

    #[test]
    fn a_batch_that_was_too_large_makes_those_to_come_smaller() {
        let settings = settings(10_000, ZSTD);
        for _ in 0..50 {
            settings.note_packed(ZSTD, 10_000, 5_000);
        }
        settings.note_too_large(8_000);
        assert!((7_000..8_000).contains(&settings.fill_size()), "{}", settings.fill_size());
        settings.note_too_large(9_000);
        assert!(settings.fill_size() < 8_000, "the smallest counts");
        settings.note_too_large(1);
        assert_eq!(settings.fill_size(), HEADER_LEN);
    }

    #[test]
    fn batches_grow_again_slowly_while_the_broker_takes_those_near_the_bound() {
        let settings = settings(10_000, ZSTD);
        settings.note_too_large(8_000);
        let small = settings.fill_size();
        settings.note_accepted(100);
        assert_eq!(settings.fill_size(), small, "a little one says nothing");
        settings.note_accepted(4_000);
        assert!((small + 1..small + 100).contains(&settings.fill_size()), "{}", settings.fill_size());
        for _ in 0..1_000 {
            settings.note_accepted(settings.fill_size());
        }
        assert_eq!(settings.fill_size(), 10_000);
        settings.note_too_large(1);
        for _ in 0..1_000 {
            settings.note_accepted(HEADER_LEN + 10);
        }
        assert!(settings.fill_size() > HEADER_LEN, "also from nothing");
    }

    #[test]
    fn a_topic_may_be_set_otherwise_while_its_batches_are_compressed() {
        let settings = settings(10_000, ZSTD);
        let producer = Config::default();
        std::thread::scope(|scope| {
            let packer = scope.spawn(|| {
                for n in 0..20_000 {
                    settings.note_packed(ZSTD, 1_000_000, 1_000 * (1 + n % 1_000));
                }
            });
            // Once at least, also where the other thread is done before this one has begun.
            let mut is_last = false;
            while !is_last {
                is_last = packer.is_finished();
                for (size, kind) in [("100", "zstd"), ("900000", "zstd"), ("5000", "none")] {
                    settings.set(&producer, "t", "batch.size", size).expect("legal");
                    settings.set(&producer, "t", "compression.type", kind).expect("legal");
                }
            }
        });
        assert_eq!(settings.fill_size(), 5_000, "a late measure does not outlive what was set");
    }

    #[test]
    fn without_compression_a_batch_is_filled_to_its_size_and_nothing_changes_that() {
        let settings = settings(10_000, Compression::default());
        settings.note_packed(ZSTD, 10_000, 100);
        settings.note_too_large(100);
        assert_eq!(settings.fill_size(), 10_000);
    }

    #[test]
    fn an_open_batch_is_a_small_part_of_the_memory() {
        let config = Config { batch_size: 100_000, buffer_memory: 1_000_000, compression: ZSTD, ..Config::default() };
        let settings = TopicSettings::new(&config);
        for _ in 0..50 {
            settings.note_packed(ZSTD, 100_000, 1_000);
        }
        assert_eq!(settings.fill_size(), 125_000);
    }
}
