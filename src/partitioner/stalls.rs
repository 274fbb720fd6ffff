//! Brokers that take nothing, as the I/O thread sees them and application threads avoid them (KIP-794,
//! `partitioner.availability.timeout.ms`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sync::RwLock;
use crate::time::{Micros, Time};

/// After so many times the timeout a broker is tried again for one: nothing may have waited for it any more, and then
/// nobody has seen that it is well.
const TRIED_AGAIN_AFTER: u64 = 20;

/// Since when one broker has had batches that wait for it and taken none of them.
#[derive(Debug, Default)]
pub struct Stall(AtomicU64);

impl Stall {
    /// Batches wait, and none could be taken: the stall began at the first such moment, or begins again when it has
    /// lapsed.
    pub fn begin(&self, now: Time, timeout: Micros) {
        let since = self.0.load(Relaxed);
        if since == 0 || now.since(Time(since)) > lapse(timeout) {
            self.0.store(now.0.max(1), Relaxed);
        }
    }

    /// It takes batches, or answers.
    pub fn end(&self) {
        // Looked at first: nearly always there is nothing to write, and others read this line.
        if self.0.load(Relaxed) != 0 {
            self.0.store(0, Relaxed);
        }
    }

    pub fn lasts(&self, now: Time, timeout: Micros) -> bool {
        let since = self.0.load(Relaxed);
        let lasted = now.since(Time(since));
        since != 0 && lasted > timeout && lasted <= lapse(timeout)
    }
}

fn lapse(timeout: Micros) -> Micros {
    Micros(timeout.0.saturating_mul(TRIED_AGAIN_AFTER))
}

/// The stalls of every broker by its id.
#[derive(Debug, Default)]
pub struct Stalls(RwLock<BTreeMap<i32, Arc<Stall>>>);

impl Stalls {
    /// The broker's own, made when it is new.
    pub fn of(&self, broker: i32) -> Arc<Stall> {
        self.0.write().entry(broker).or_default().clone()
    }

    /// The broker has left the cluster.
    pub fn forget(&self, broker: i32) {
        self.0.write().remove(&broker);
    }

    /// Brokers that have been stalled for longer than `timeout`.
    pub fn lasting(&self, now: Time, timeout: Micros) -> Vec<i32> {
        self.0.read().iter().filter(|(_, stall)| stall.lasts(now, timeout)).map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_from_its_first_moment_and_ends_with_the_first_batch_taken() {
        let stalls = Stalls::default();
        let stall = stalls.of(3);
        let timeout = Micros(1_000);
        stall.begin(Time(100), timeout);
        stall.begin(Time(900), timeout);
        assert!(stalls.lasting(Time(1_100), timeout).is_empty());
        assert_eq!(stalls.lasting(Time(1_101), timeout), [3]);
        stall.end();
        assert!(stalls.lasting(Time(9_999), timeout).is_empty());
        stalls.of(3).begin(Time(2_000), timeout);
        assert!(stall.lasts(Time(3_001), timeout), "one broker has one");
    }

    #[test]
    fn a_stall_that_nobody_has_seen_end_lapses_and_may_begin_again() {
        let (stall, timeout) = (Stall::default(), Micros(1_000));
        stall.begin(Time(1), timeout);
        assert!(stall.lasts(Time(20_001), timeout) && !stall.lasts(Time(20_002), timeout));
        stall.begin(Time(20_002), timeout);
        assert!(!stall.lasts(Time(21_002), timeout) && stall.lasts(Time(21_003), timeout));
    }
}
