//! What the records of a topic are sent with: the producer's configuration, or what was set for the topic alone. Read by
//! application threads when they append and by the sender; changed at any time, which batches that are open do not notice.

use std::sync::atomic::{AtomicI16, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::config::{Config, ConfigBuilder};
use crate::error::Result;
use crate::sync::Mutex;
use crate::time::Micros;
use crate::wire::record_batch::HEADER_LEN;

/// Record counts and offset deltas are 32-bit on the wire; a batch is full long before.
const BATCH_RECORDS_MAX: u32 = 1 << 30;

/// What `batch.num.messages` comes to.
pub(super) fn records_max(config: &Config) -> u32 {
    match config.batch_num_messages {
        0 => BATCH_RECORDS_MAX,
        most => most,
    }
}

/// One topic's settings. Each is read alone, so that relaxed order is enough.
pub struct TopicSettings {
    batch_size: AtomicUsize,
    batch_records_max: AtomicU32,
    acks: AtomicI16,
    linger_us: AtomicU64,
    delivery_timeout_us: AtomicU64,
    request_timeout_ms: AtomicU64,
    /// What was set for the topic alone.
    own: Mutex<ConfigBuilder>,
}

impl TopicSettings {
    pub fn new(config: &Config) -> TopicSettings {
        let settings = TopicSettings {
            batch_size: AtomicUsize::new(0),
            batch_records_max: AtomicU32::new(BATCH_RECORDS_MAX),
            acks: AtomicI16::new(config.acks),
            linger_us: AtomicU64::new(0),
            delivery_timeout_us: AtomicU64::new(0),
            request_timeout_ms: AtomicU64::new(0),
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
        self.batch_size.store(config.batch_size.max(HEADER_LEN), Ordering::Relaxed);
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
