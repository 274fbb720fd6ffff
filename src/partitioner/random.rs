//! Random numbers that threads share without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// SplitMix64: a counter and a mixing function, so that threads in a race still draw different numbers.
#[derive(Debug)]
pub struct SharedRandom(AtomicU64);

impl SharedRandom {
    /// Equal seeds draw equally.
    pub const fn new(seed: u64) -> SharedRandom {
        SharedRandom(AtomicU64::new(seed))
    }

    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
