//! Reading the clocks. Everything below `io/` gets time as an argument.

use std::time::Instant;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// Turns monotonic instants into [`Time`]. Copies share the origin, so the times of all threads of one producer compare.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose `Time::ZERO` is now.
    pub fn new() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Monotonic time since the origin.
    pub fn now(&self) -> Time {
        Time(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// Wall clock time in ms since 1970, at the kernel's tick resolution (1 to 10 ms): several times cheaper than the
    /// exact clock, and record timestamps have ms anyway.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn wall_ms(&self) -> i64 {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is a valid timespec for the call to fill; the call keeps no pointer. It cannot fail with this
        // clock id, and if it did, `now` would still be initialised.
        unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &mut now) };
        // Both are i64 on 64-bit targets and narrower on others.
        #[allow(clippy::useless_conversion)]
        let (seconds, nanos) = (i64::from(now.tv_sec), i64::from(now.tv_nsec));
        seconds.saturating_mul(1000) + nanos / 1_000_000
    }

    /// Wall clock time in ms since 1970.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub fn wall_ms(&self) -> i64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn copies_of_a_clock_share_the_origin_and_time_never_goes_back() {
        let clock = Clock::new();
        let copy = clock;
        let first = clock.now();
        let second = copy.now();
        assert!(second >= first);
    }

    #[test]
    fn the_coarse_wall_clock_agrees_with_the_exact_one() {
        let exact = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let coarse = Clock::new().wall_ms();
        assert!((coarse - exact).abs() < 5_000, "coarse {coarse}, exact {exact}");
    }
}
