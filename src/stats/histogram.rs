//! Times counted in buckets whose width grows with them: a sixteenth of the value at most, from a microsecond to 19 hours.
//! One thread writes, any thread reads; nobody waits.

use std::sync::atomic::{AtomicU64, Ordering};

use super::add;
use crate::time::{Micros, Time};

/// Buckets per doubling: the error of a percentile is a sixteenth at most, and always upwards.
const STEPS: usize = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Longer times count as this: 2^36 microseconds, 19 hours.
const EXPONENT_MAX: u32 = 36;
const BUCKETS: usize = STEPS + (EXPONENT_MAX - STEP_BITS) as usize * STEPS;
/// Percentiles look back between one and two of these.
const WINDOW: Micros = Micros::from_ms(30_000);

/// Counts by time. The whole is kept from the start; percentiles come from the last 30 to 60 seconds.
#[derive(Debug)]
pub struct Histogram {
    whole: Counts,
    recent: [Recent; 2],
}

#[derive(Debug)]
struct Counts {
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

#[derive(Debug)]
struct Recent {
    counts: Counts,
    max_us: AtomicU64,
    /// When this window began, in microseconds and one more; 0: it never did.
    begun_at: AtomicU64,
}

/// In microseconds, of the last 30 to 60 seconds; all zero when nothing was counted in that time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    pub count: u64,
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// Everything counted since the start, for scrapers that compute for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// Upper bounds in microseconds, each a power of two, with how many were at most that long.
    pub up_to: Vec<(u64, u64)>,
    pub count: u64,
    pub sum_us: u64,
}

impl Counts {
    fn new() -> Counts {
        Counts { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), sum_us: AtomicU64::new(0) }
    }

    fn add(&self, us: u64, count: u64) {
        add(&self.buckets[bucket_of(us)], count, Ordering::Relaxed);
        add(&self.sum_us, us.saturating_mul(count), Ordering::Relaxed);
    }

    fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
        self.sum_us.store(0, Ordering::Relaxed);
    }
}

impl Recent {
    fn new() -> Recent {
        Recent { counts: Counts::new(), max_us: AtomicU64::new(0), begun_at: AtomicU64::new(0) }
    }

    fn begin(&self, now: Time) {
        self.counts.clear();
        self.max_us.store(0, Ordering::Relaxed);
        self.begun_at.store(now.0.saturating_add(1), Ordering::Relaxed);
    }

    /// When it began, if it ever did.
    fn begun_at(&self) -> Option<Time> {
        self.begun_at.load(Ordering::Relaxed).checked_sub(1).map(Time)
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { whole: Counts::new(), recent: [Recent::new(), Recent::new()] }
    }
}

impl Histogram {
    /// Counts `count` things that took `time`. For one thread only.
    pub fn record(&self, now: Time, time: Micros, count: u64) {
        if count == 0 {
            return;
        }
        self.whole.add(time.0, count);
        let [first, second] = &self.recent;
        let (newer, older) = if second.begun_at() > first.begun_at() { (second, first) } else { (first, second) };
        let window = match newer.begun_at() {
            Some(begun_at) if now.since(begun_at) < WINDOW => newer,
            _ => {
                older.begin(now);
                older
            }
        };
        window.counts.add(time.0, count);
        if time.0 > window.max_us.load(Ordering::Relaxed) {
            window.max_us.store(time.0, Ordering::Relaxed);
        }
    }

    pub fn percentiles(&self, now: Time) -> Percentiles {
        let still = |window: &&Recent| window.begun_at().is_some_and(|at| now.since(at).0 < 2 * WINDOW.0);
        let windows: Vec<&Recent> = self.recent.iter().filter(still).collect();
        let mut counts = [0u64; BUCKETS];
        for window in &windows {
            for (sum, bucket) in counts.iter_mut().zip(&window.counts.buckets) {
                *sum += bucket.load(Ordering::Relaxed);
            }
        }
        let max = windows.iter().map(|window| window.max_us.load(Ordering::Relaxed)).max().unwrap_or(0);
        let count: u64 = counts.iter().sum();
        if count == 0 {
            return Percentiles::default();
        }
        let at = |per_mille: u64| {
            // The smallest value that so many of a thousand do not exceed.
            let rank = (count.saturating_mul(per_mille)).div_ceil(1000).max(1);
            let mut seen = 0;
            let bucket = counts.iter().position(|bucket| {
                seen += bucket;
                seen >= rank
            });
            bucket.map_or(max, upper_bound).min(max)
        };
        Percentiles { count, p50: at(500), p95: at(950), p99: at(990), p999: at(999), max }
    }

    /// Since the start, at powers of two from 2^`from` to 2^`to` microseconds.
    pub fn buckets(&self, from: u32, to: u32) -> Buckets {
        let counts: Vec<u64> = self.whole.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let up_to = (from..=to).map(|exponent| {
            let bound = 1u64 << exponent;
            (bound, counts[..=bucket_of(bound)].iter().sum())
        });
        let up_to = up_to.collect();
        Buckets { up_to, count: counts.iter().sum(), sum_us: self.whole.sum_us.load(Ordering::Relaxed) }
    }
}

/// A bucket's values end at its bound, which is in it: powers of two are bounds, as Prometheus wants its `le`.
fn bucket_of(us: u64) -> usize {
    let below = us.saturating_sub(1).min((1 << EXPONENT_MAX) - 1);
    if below < STEPS as u64 {
        return below as usize;
    }
    let exponent = below.ilog2();
    let step = (below >> (exponent - STEP_BITS)) as usize - STEPS;
    STEPS + (exponent - STEP_BITS) as usize * STEPS + step
}

fn upper_bound(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64 + 1;
    }
    let (exponent, step) = ((bucket - STEPS) / STEPS, (bucket - STEPS) % STEPS);
    ((STEPS + step + 1) as u64) << exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_no_bound_is_a_sixteenth_above() {
        let mut before = 0;
        for bucket in 0..BUCKETS {
            let bound = upper_bound(bucket);
            assert!(bound > before);
            assert_eq!((bucket_of(bound), bucket_of(before + 1)), (bucket, bucket));
            assert!(bound <= 16 || (bound - before) * 16 <= bound, "{before} to {bound}");
            before = bound;
        }
        assert_eq!((before, bucket_of(0), bucket_of(u64::MAX)), (1 << EXPONENT_MAX, 0, BUCKETS - 1));
    }

    #[test]
    fn percentiles_of_known_times_are_those_times_and_never_less() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentiles(Time::ZERO), Percentiles::default());
        for ms in 1..=1000 {
            histogram.record(Time(5), Micros::from_ms(ms), 1);
        }
        let got = histogram.percentiles(Time(5));
        assert_eq!((got.count, got.max), (1000, 1_000_000));
        for (value, exact) in [(got.p50, 500_000), (got.p95, 950_000), (got.p99, 990_000), (got.p999, 999_000)] {
            assert!(value >= exact && value <= exact + exact / 16, "{value} for {exact}");
        }
        histogram.record(Time(5), Micros(7), 1_000_000);
        assert_eq!(histogram.percentiles(Time(5)).p99, 7, "counted by weight");
    }

    #[test]
    fn percentiles_forget_after_a_minute_and_the_whole_does_not() {
        let histogram = Histogram::default();
        let at = |s: u64| Time::from_ms(1000 * s);
        histogram.record(at(0), Micros(900), 1);
        histogram.record(at(31), Micros(100), 1);
        assert_eq!(histogram.percentiles(at(31)).max, 900);
        histogram.record(at(62), Micros(200), 1);
        assert_eq!(
            histogram.percentiles(at(62)),
            Percentiles { count: 2, p50: 100, p95: 200, p99: 200, p999: 200, max: 200 }
        );
        assert_eq!(histogram.percentiles(at(200)), Percentiles::default(), "nothing happened for long");
        let whole = histogram.buckets(7, 10);
        assert_eq!(whole.up_to, [(128, 1), (256, 2), (512, 2), (1024, 3)]);
        assert_eq!((whole.count, whole.sum_us), (3, 1200));
    }
}
